/* Gradients to the bit: the order of recording does not matter to any, and a hundred steps of three networks give those
 * that are stored.
 *
 * `test_gradients --print` writes data/digests.h, the parameters of these networks as one number each. */
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/data/digests.h"
#include "tests/data/fill.h"

enum { LARGEST = 4096 };

static reel_tensor *squares(reel_tensor *x) { return total(reel_square(x)); }

/* ---- The order of recording -------------------------------------------------------------------------------------- */

/* FNV-1a over 64 bits. */
static uint64_t hash(uint64_t so_far, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) so_far = (so_far ^ bytes[i]) * 0x100000001b3u;
    return so_far;
}

static const uint64_t hash_begin = 0xcbf29ce484222325u;

/* Parameters and states of f32 in alphabetical order. */
static uint64_t hash_of_model(reel_model *of)
{
    uint64_t result = hash_begin;
    for (int64_t i = 0; i < reel_model_count(of); i++) {
        float data[LARGEST];
        const reel_shape shape = reel_model_shape(of, reel_model_name(of, i));
        int64_t count = 1;
        for (int d = 0; d < shape.rank; d++) count *= shape.size[d];
        cr_assert_leq(count, LARGEST);
        cr_assert_eq(reel_model_read_f32(of, reel_model_name(of, i), data, count), REEL_OK);
        result = hash(result, data, (size_t)count * sizeof *data);
    }
    return result;
}

/* Records a before b, or b before a, as a C compiler might when both are arguments of one call. */
#define EITHER(swapped, a, record_a, b, record_b)                                                                      \
    do {                                                                                                               \
        if (swapped) {                                                                                                 \
            b = (record_b), a = (record_a);                                                                            \
        } else {                                                                                                       \
            a = (record_a), b = (record_b);                                                                            \
        }                                                                                                              \
    } while (0)

static reel_tensor *inputs_f32(const char *name, reel_shape shape, uint64_t seed)
{
    float data[LARGEST];
    reel_tensor *x = reel_input(tape, name, REEL_F32, shape);
    fill_f32(data, reel_count(x), seed, 1);
    cr_assert_eq(reel_write_f32(x, data, reel_count(x)), REEL_OK);
    return x;
}

static reel_tensor *fan_out(reel_tensor *x, bool swapped)
{
    reel_tensor *h = reel_linear(x, "hidden", 6), *a, *b, *c, *d;
    EITHER(swapped, a, reel_tanh(h), b, reel_exp(reel_neg(reel_mul(h, h))));
    EITHER(swapped, c, reel_mul(a, h), d, reel_add(reel_sin(h), b));
    return squares(reel_add(reel_mul(c, d), reel_mul(h, a)));
}

static reel_tensor *diamonds(reel_tensor *x, bool swapped)
{
    reel_tensor *h = reel_linear(x, "hidden", 6);
    for (int i = 0; i < 5; i++) {
        reel_tensor *left, *right;
        EITHER(swapped, left, reel_sigmoid(reel_scale(h, 1.3)), right, reel_sin(reel_shift(h, 0.1 * i)));
        h = reel_add(reel_mul(left, right), h);
    }
    return squares(h);
}

static reel_tensor *branch(reel_tensor *x)
{
    reel_scope_push(tape, "branch");
    x = reel_dropout(reel_tanh(reel_linear(x, "hidden", 6)), "dropout", 0.25);
    x = reel_linear(x, "output", 3);
    reel_scope_pop(tape);
    return x;
}

/* Both branches have the same weights, and each its own draw. */
static reel_tensor *tied_with_dropout(reel_tensor *x, bool swapped)
{
    reel_tensor *left, *right;
    EITHER(swapped, left, branch(x), right, branch(reel_neg(x)));
    return squares(reel_sub(left, reel_scale(right, 0.5)));
}

static reel_tensor *two_layers(reel_tensor *x, bool swapped)
{
    reel_tensor *left, *right;
    EITHER(swapped, left, reel_sigmoid(reel_linear(x, "left", 4)), right, reel_tanh(reel_linear(x, "right", 4)));
    return squares(reel_matmul(left, reel_transpose(right)));
}

static reel_tensor *one_way(reel_tensor *projection, reel_tensor *w, bool back)
{
    reel_tensor *h = reel_fill(w, REEL_SHAPE(1, 6), 0);
    const int64_t steps = reel_dim(projection, 0);
    for (int64_t i = 0; i < steps; i++) {
        const int64_t t = back ? steps - 1 - i : i;
        h = reel_tanh(reel_add(reel_slice(projection, 0, t, t + 1), reel_matmul(h, w)));
    }
    return h;
}

static reel_tensor *both_ways(reel_tensor *x, bool swapped)
{
    reel_tensor *w, *projection, *there, *back;
    EITHER(swapped, w, reel_parameter(x, "w", REEL_SHAPE(6, 6), reel_init_fan_in_uniform(1)), projection,
           reel_linear(x, "in", 6));
    EITHER(swapped, there, one_way(projection, w, false), back, one_way(projection, w, true));
    return squares(reel_mul(there, back));
}

static reel_tensor *two_losses(reel_tensor *x, bool swapped)
{
    reel_tensor *h = reel_tanh(reel_linear(x, "hidden", 6)), *first, *second;
    EITHER(swapped, first, squares(reel_linear(h, "a", 3)), second, reel_l2(h, "**/w", 0.1));
    EITHER(swapped, first, reel_gradient(first, h), second, reel_add(second, squares(reel_linear(h, "b", 2))));
    return reel_add(squares(first), second);
}

static reel_tensor *attention(reel_tensor *x, bool swapped)
{
    const reel_init init = reel_init_fan_in_uniform(1);
    const reel_shape shape = REEL_SHAPE(5, 4);
    reel_tensor *wq, *wk, *wv = reel_parameter(x, "v", shape, init), *q, *k;
    EITHER(swapped, wq, reel_parameter(x, "q", shape, init), wk, reel_parameter(x, "k", shape, init));
    EITHER(swapped, q, reel_matmul(x, wq), k, reel_transpose(reel_matmul(x, wk)));
    reel_tensor *scores = reel_matmul(q, k), *share, *v;
    EITHER(swapped, share, reel_softmax(scores, -1), v, reel_matmul(x, wv));
    return squares(reel_matmul(share, v));
}

typedef reel_tensor *graph(reel_tensor *x, bool swapped);

/* The bits of loss, gradients and the whole model after each of five steps. */
static uint64_t bits_of(graph *record, bool swapped)
{
    begin();
    reel_tensor *loss = record(inputs_f32("x", REEL_SHAPE(8, 5), 1), swapped);
    reel_list *parameters = reel_parameters(loss, NULL);
    reel_list *gradients = reel_gradients(loss, parameters);
    for (int i = 0; i < reel_list_count(gradients); i++) {
        reel_scope_push(tape, "gradient%d", i);
        reel_keep(reel_list_at(gradients, i), "g");
        reel_scope_pop(tape);
    }
    reel_adam_update(parameters, reel_clip_norm(gradients, 1), (reel_adam_options){ .lr = 0.03 });
    uint64_t result = hash_begin;
    for (int step = 0; step < 5; step++) {
        cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
        const float l = (float)reel_item(loss);
        cr_assert(isfinite(l));
        result = hash(result, &l, sizeof l);
        for (int i = 0; i < reel_list_count(gradients); i++) {
            float data[LARGEST];
            const int64_t count = reel_count(reel_list_at(gradients, i));
            cr_assert_eq(reel_read_f32(reel_list_at(gradients, i), data, count), REEL_OK);
            result = hash(result, data, (size_t)count * sizeof *data);
        }
        const uint64_t now = hash_of_model(model);
        result = hash(result, &now, sizeof now);
    }
    end();
    return result;
}

static const struct {
    const char *name;
    graph *record;
} graphs[] = {
    { "fan-out", fan_out },
    { "diamonds", diamonds },
    { "tied weights with dropout", tied_with_dropout },
    { "two layers", two_layers },
    { "a recurrent network both ways", both_ways },
    { "two losses", two_losses },
    { "attention", attention },
};

enum { GRAPHS = sizeof graphs / sizeof *graphs };

Test(order, operands_recorded_the_other_way_round_give_the_same_bits)
{
    for (int i = 0; i < GRAPHS; i++)
        cr_expect_eq(bits_of(graphs[i].record, false), bits_of(graphs[i].record, true), "%s", graphs[i].name);
}

Test(order, the_bits_tell_graphs_apart)
{
    for (int i = 0; i < GRAPHS; i++)
        for (int j = 0; j < i; j++) cr_expect_neq(bits_of(graphs[i].record, false), bits_of(graphs[j].record, false));
}

/* The update of a parameter does not depend on where it is in a list. */
static uint64_t bits_of_list(bool backwards)
{
    begin();
    reel_tensor *loss = fan_out(inputs_f32("x", REEL_SHAPE(8, 5), 1), false);
    reel_list *all = reel_parameters(loss, NULL), *parameters = reel_list_new(tape);
    const int count = reel_list_count(all);
    for (int i = 0; i < count; i++)
        reel_list_append(parameters, NULL, reel_list_at(all, backwards ? count - 1 - i : i));
    reel_adam_update(parameters, reel_gradients(loss, parameters), (reel_adam_options){ .lr = 0.03 });
    for (int step = 0; step < 5; step++) cr_assert_eq(reel_run(tape), REEL_OK);
    const uint64_t result = hash_of_model(model);
    end();
    return result;
}

Test(order, the_order_of_a_list_of_parameters_does_not_matter)
{
    cr_expect_eq(bits_of_list(false), bits_of_list(true));
}

/* What was evaluated before a run does not choose its draws. */
static uint64_t bits_after_evaluating(int part)
{
    begin();
    reel_tensor *x = inputs_f32("x", REEL_SHAPE(8, 5), 1), *left = branch(x);
    reel_tensor *right = branch(reel_neg(x));
    reel_sgd(squares(reel_sub(left, reel_scale(right, 0.5))), (reel_sgd_options){ .lr = 0.1 });
    reel_tensor *parts[] = { left, right };
    if (part >= 0) cr_assert_eq(reel_eval(tape, &parts[part], 1), REEL_OK);
    for (int step = 0; step < 5; step++) cr_assert_eq(reel_run(tape), REEL_OK);
    const uint64_t result = hash_of_model(model);
    end();
    return result;
}

Test(order, evaluating_a_part_before_changes_no_draw_of_a_run)
{
    cr_expect_eq(bits_after_evaluating(0), bits_after_evaluating(-1), "the left one");
    cr_expect_eq(bits_after_evaluating(1), bits_after_evaluating(-1), "the right one");
}

/* ---- Digests: the same for every compiler and instruction set ---------------------------------------------------- */

static reel_tensor *classifier(void)
{
    reel_tensor *x = inputs_f32("x", REEL_SHAPE(16, 20), 1);
    reel_tensor *y = reel_input(tape, "y", REEL_I32, REEL_SHAPE(16));
    int32_t classes[16];
    fill_classes(classes, 16, 2, 10);
    reel_write_i32(y, classes, 16);
    return reel_cross_entropy(reel_linear(reel_relu(reel_linear(x, "hidden", 33)), "output", 10), y);
}

static void record_mlp(void)
{
    reel_tensor *x = inputs_f32("x", REEL_SHAPE(16, 20), 1);
    reel_tensor *y = inputs_f32("y", REEL_SHAPE(16, 5), 2);
    reel_tensor *h = reel_dropout(reel_sigmoid(reel_linear(x, "hidden", 33)), "dropout", 0.2);
    reel_tensor *loss = reel_add(reel_mse(reel_linear(h, "output", 5), y), reel_l2(h, "**/w", 1e-3));
    reel_sgd(loss, (reel_sgd_options){ .lr = 0.1, .momentum = 0.9 });
}

static void record_rnn(void)
{
    reel_tensor *x = inputs_f32("x", REEL_SHAPE(20, 7, 6), 1);
    reel_tensor *y = inputs_f32("y", REEL_SHAPE(7, 3), 2);
    reel_tensor *w = reel_parameter(x, "w", REEL_SHAPE(17, 17), reel_init_fan_in_uniform(1));
    reel_tensor *projection = reel_linear(x, "in", 17), *h = reel_fill(x, REEL_SHAPE(7, 17), 0);
    for (int t = 0; t < 20; t++) {
        reel_tensor *now = reel_squeeze(reel_slice(projection, 0, t, t + 1), 0);
        h = reel_tanh(reel_add(now, reel_matmul(h, w)));
    }
    reel_tensor *loss = reel_mse(reel_linear(h, "out", 3), y);
    reel_list *parameters = reel_parameters(loss, NULL);
    reel_list *gradients = reel_clip_norm(reel_gradients(loss, parameters), 0.1);
    reel_adam_update(parameters, gradients, (reel_adam_options){ .lr = 0.01 });
}

static void record_softmax(void) { reel_adam(classifier(), (reel_adam_options){ .lr = 0.01, .weight_decay = 0.01 }); }

static const struct digest {
    const char *name;
    void (*record)(void);
    uint64_t expected;
} digests[] = {
    { "DIGEST_MLP", record_mlp, DIGEST_MLP },
    { "DIGEST_RNN", record_rnn, DIGEST_RNN },
    { "DIGEST_SOFTMAX", record_softmax, DIGEST_SOFTMAX },
};

enum { DIGESTS = sizeof digests / sizeof *digests };

/* After 100 steps; recorded again before every `again`-th of them, 0: once. */
static uint64_t train(void (*record)(void), reel_tape_options options, int again)
{
    begin_with((reel_model_options){ .seed = 7 }, options);
    for (int step = 0; step < 100; step++) {
        if (step == 0 || (again && step % again == 0)) {
            reel_tape_clear(tape);
            record();
        }
        cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    }
    const uint64_t result = hash_of_model(model);
    end();
    return result;
}

Test(digests, a_hundred_steps_give_the_stored_bits)
{
    for (int i = 0; i < DIGESTS; i++) {
        const uint64_t now = train(digests[i].record, (reel_tape_options){ 0 }, 0);
        cr_expect_eq(now, digests[i].expected, "%s is %016llx, not %016llx", digests[i].name, (unsigned long long)now,
                     (unsigned long long)digests[i].expected);
    }
}

Test(digests, threads_replays_and_the_plain_executor_give_the_same_bits)
{
    const reel_tape_options options[] = {
        { .threads = 1 }, { .threads = 2 }, { .threads = 8 }, { .keep_everything = true }, { .checked = true }
    };
    for (int i = 0; i < DIGESTS; i++) {
        const uint64_t once = train(digests[i].record, (reel_tape_options){ 0 }, 0);
        cr_expect_eq(train(digests[i].record, (reel_tape_options){ 0 }, 1), once, "%s, recorded in every step",
                     digests[i].name);
        cr_expect_eq(train(digests[i].record, (reel_tape_options){ 0 }, 7), once, "%s, in every seventh",
                     digests[i].name);
        for (size_t k = 0; k < sizeof options / sizeof *options; k++)
            cr_expect_eq(train(digests[i].record, options[k], 0), once, "%s with options %d", digests[i].name, (int)k);
    }
}

/* ---- Writing data/digests.h -------------------------------------------------------------------------------------- */

static void print_digests(void)
{
    puts("/* Written by `test_gradients --print`; do not edit. FNV-1a of all f32 parameters and\n"
         " * states after 100 steps of three networks, for every compiler and instruction set. */\n"
         "#ifndef REEL_TESTS_DIGESTS_H\n#define REEL_TESTS_DIGESTS_H\n");
    for (int i = 0; i < DIGESTS; i++)
        printf("#define %s 0x%016llxu\n", digests[i].name,
               (unsigned long long)train(digests[i].record, (reel_tape_options){ 0 }, 0));
    puts("\n#endif");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--print") == 0) return print_digests(), 0;
    struct criterion_test_set *tests = criterion_initialize();
    int failed = 0;
    if (criterion_handle_args(argc, argv, true)) failed = !criterion_run_all_tests(tests);
    criterion_finalize(tests);
    return failed;
}
