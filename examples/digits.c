/* Trains a network on 1,438 handwritten digits and tests it on 359 that it has not seen.
 * What a newcomer needs is on the first screen: two networks, their losses, and the training loop.
 * Run `digits --help` for the options; the command line and the files left behind are at the end. */
#include "digits.h"

/* The seed's network: sigmoid layers, E = 1/(2K) Σ (Y − a)² + (λ/2) Σ W². */
static reel_tensor *seed_network(reel_tensor *x)
{
    x = reel_sigmoid(reel_linear(x, "hidden", 100));
    return reel_sigmoid(reel_linear(x, "output", 10));
}

static reel_tensor *seed_loss(reel_tensor *a, reel_tensor *digit)
{
    return reel_add(reel_mse(a, reel_one_hot(digit, 10, REEL_F32)), reel_l2(a, "**/w", 1e-6));
}

/* A network of today: ReLU layers, and the cross-entropy of a softmax. */
static reel_tensor *modern_network(reel_tensor *x)
{
    x = reel_relu(reel_linear(x, "hidden1", 128));
    x = reel_relu(reel_linear(x, "hidden2", 64));
    return reel_linear(x, "output", 10);
}

/* Records one step of training on a batch: the network, its loss, all gradients and the update of all parameters. */
static reel_tensor *record_step(reel_tape *tape, const settings *s, int64_t batch)
{
    reel_tape_clear(tape);
    reel_tensor *x = reel_keep(reel_input(tape, "x", REEL_F32, REEL_SHAPE(batch, 64)), "images");
    reel_tensor *digit = reel_keep(reel_input(tape, "digit", REEL_I32, REEL_SHAPE(batch)), "digits");
    reel_tensor *a = s->modern ? modern_network(x) : seed_network(x);
    reel_tensor *loss = s->modern ? reel_cross_entropy(a, digit) : seed_loss(a, digit);
    reel_keep(reel_accuracy(a, digit), "accuracy");
    reel_sgd(loss, (reel_sgd_options){ .lr = s->rate, .momentum = s->momentum });
    return loss;
}

static reel_status train(reel_tape *tape, const settings *s, const samples *data, reel_progress *progress)
{
    reel_tensor *loss = NULL;
    int64_t recorded = 0;
    for (int64_t epoch = 0; epoch < s->epochs; epoch++) {
        reel_shuffle(data->order, data->count, s->seed, (uint64_t)epoch);
        for (int64_t at = 0, batch; at < data->count; at += batch) {
            batch = data->count - at < s->batch ? data->count - at : s->batch; /* the last one may be short */
            if (batch != recorded) loss = record_step(tape, s, recorded = batch);
            write_batch(tape, data, at, batch);
            if (reel_run(tape) != REEL_OK) return reel_tape_status(tape);
            reel_progress_batch(progress, batch, reel_item(loss), reel_item(reel_find(tape, "accuracy")));
        }
        reel_progress_epoch(progress);
    }
    return reel_tape_status(tape);
}

/* How many of the held-out digits the network names correctly; −1: an error, which the tape has. */
static int64_t test(reel_tape *tape, const settings *s, const samples *data)
{
    reel_tensor *x = reel_keep(reel_input(tape, "x", REEL_F32, REEL_SHAPE(data->count, 64)), "images");
    reel_tensor *digit = reel_keep(reel_input(tape, "digit", REEL_I32, REEL_SHAPE(data->count)), "digits");
    reel_tensor *a = s->modern ? modern_network(x) : seed_network(x);
    reel_tensor *hits = reel_sum(reel_eq(reel_argmax(a, -1), digit), REEL_ALL, REEL_DROP);
    write_batch(tape, data, 0, data->count);
    return reel_eval(tape, &hits, 1) == REEL_OK ? (int64_t)reel_item(hits) : -1;
}

/* ---- The command line, the data, and the files that are left ------------------------------------------------------ */

static bool save(const settings *s, reel_model *model, reel_tape *trained, const reel_progress *progress)
{
    char path[1024];
    const char *title = s->modern ? "64-128-64-10, ReLU, cross-entropy" : "64-100-10, sigmoid, squared error";
    if (reel_progress_write_svg(progress, out_path(s, "loss.svg", path, sizeof path), title) != REEL_OK)
        return complain("cannot write %s", path);
    if (reel_tape_write_dot(trained, out_path(s, "graph.dot", path, sizeof path)) != REEL_OK)
        return complain("%s", reel_tape_error(trained));
    if (reel_model_save(model, out_path(s, "parameters.safetensors", path, sizeof path)) != REEL_OK)
        return complain("%s", reel_model_error(model));
    printf("left %s/loss.svg, graph.dot and parameters.safetensors\n", s->out);
    return true;
}

static bool train_and_test(const settings *s, const samples *training, const samples *held_out)
{
    reel_model *model = reel_model_new((reel_model_options){ .seed = s->seed });
    reel_tape *trained = reel_tape_new(model, (reel_tape_options){ .threads = s->threads });
    reel_tape *tested = reel_tape_new(model, (reel_tape_options){ .evaluate = true, .threads = s->threads });
    reel_progress *progress = reel_progress_new(
        (reel_progress_options){ .epochs = s->epochs, .samples = training->count, .quiet = s->quiet });
    int64_t hits = -1;
    bool good = true;
    if (train(trained, s, training, progress) != REEL_OK) good = complain("%s", reel_tape_error(trained));
    else if ((hits = test(tested, s, held_out)) < 0) good = complain("%s", reel_tape_error(tested));
    else good = save(s, model, trained, progress);
    if (good)
        printf("held-out accuracy %.1f%% (%d of %d)\n", 100.0 * (double)hits / (double)held_out->count, (int)hits,
               (int)held_out->count);
    reel_progress_free(progress);
    reel_tape_free(trained);
    reel_tape_free(tested);
    reel_model_free(model);
    return good;
}

int main(int argc, char **argv)
{
    settings s;
    int wrong = read_settings(argc, argv, &s);
    if (wrong >= 0) return wrong;
    reel_table *table = reel_table_load(s.data);
    samples training = { 0 }, held_out = { 0 };
    bool good = split(table, s.data, &training, &held_out) && train_and_test(&s, &training, &held_out);
    free_samples(&training);
    free_samples(&held_out);
    reel_table_free(table);
    return good ? 0 : 1;
}
