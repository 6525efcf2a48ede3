/* Tapes: recording once and again, evaluating in threads, lifetimes. What a run of one is: test_run.c. Equal means the same
 * bytes. */
#include "fixture.h"
#include "image.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

/* ---- A network that is trained in several ways --------------------------------------------------------------------- */

enum { IN = 5, HIDDEN = 7, OUT = 3, BATCH = 8, STEPS = 6 };

typedef struct training {
    reel_model *model;
    reel_tape *tape;
    reel_tensor *x, *y, *loss;
} training;

static reel_tape *training_tape(reel_model *m) { return reel_tape_new(m, (reel_tape_options){ 0 }); }

static reel_tensor *network(reel_tensor *x)
{
    x = reel_tanh(reel_linear(x, "hidden", HIDDEN));
    return reel_linear(reel_dropout(x, "drop", 0.25), "output", OUT);
}

static void record(training *t, int64_t rows, double lr)
{
    t->x = reel_input(t->tape, "x", REEL_F32, REEL_SHAPE(rows, IN));
    t->y = reel_input(t->tape, "y", REEL_F32, REEL_SHAPE(rows, OUT));
    t->loss = reel_mse(network(t->x), t->y);
    reel_sgd(t->loss, (reel_sgd_options){ .lr = lr, .momentum = 0.9, .parameter_pattern = "**/w" });
    reel_adam(t->loss, (reel_adam_options){ .lr = lr, .parameter_pattern = "**/b" });
}

/* Values that differ from step to step; any will do. */
static float number_at(int step, int64_t i) { return sinf((float)(1 + step * 1000 + (int)i)); }

static float step(training *t, int step, int64_t rows)
{
    float x[BATCH * IN], y[BATCH * OUT];
    for (int64_t i = 0; i < rows * IN; i++) x[i] = number_at(step, i);
    for (int64_t i = 0; i < rows * OUT; i++) y[i] = number_at(step, 500 + i);
    cr_assert_eq(reel_write_f32(t->x, x, rows * IN), REEL_OK, "%s", reel_tape_error(t->tape));
    cr_assert_eq(reel_write_f32(t->y, y, rows * OUT), REEL_OK);
    cr_assert_eq(reel_run(t->tape), REEL_OK, "%s", reel_tape_error(t->tape));
    return (float)reel_item(t->loss);
}

static training start(uint64_t seed)
{
    training t = { .model = reel_model_new((reel_model_options){ .seed = seed }) };
    t.tape = training_tape(t.model);
    return t;
}

static void finish(training *t)
{
    reel_tape_free(t->tape);
    reel_model_free(t->model);
}

/* How a step is recorded: once, again on the same tape, on a tape of its own, or again while another one lies between. */
typedef enum manner { ONCE, AGAIN, FRESH, BETWEEN } manner;

/* Trains with these batch sizes and rates; the losses come back with the model. */
static image train(manner how, const int64_t *rows, const double *rates, float *losses)
{
    training t = start(9);
    for (int k = 0; k < STEPS; k++) {
        if (how == FRESH) reel_tape_free(t.tape), t.tape = training_tape(t.model);
        if (how == AGAIN || how == BETWEEN) reel_tape_clear(t.tape);
        if (how == BETWEEN) {
            reel_exp(reel_input(t.tape, "other", REEL_F32, REEL_SHAPE(3)));
            reel_tape_clear(t.tape);
        }
        if (how != ONCE || k == 0) record(&t, rows[k], rates[k]);
        losses[k] = step(&t, k, rows[k]);
    }
    const image result = image_of(t.model);
    finish(&t);
    return result;
}

static void expect_same_training(manner a, manner b, const int64_t *rows, const double *rates)
{
    float losses_a[STEPS], losses_b[STEPS];
    const image of_a = train(a, rows, rates, losses_a), of_b = train(b, rows, rates, losses_b);
    expect_same(&of_a, &of_b);
    cr_expect_arr_eq(losses_a, losses_b, sizeof losses_a);
}

static const int64_t full[STEPS] = { 8, 8, 8, 8, 8, 8 }, last_short[STEPS] = { 8, 8, 3, 8, 8, 3 };
static const int64_t alternating[STEPS] = { 8, 5, 8, 5, 8, 5 };
static const double steady[STEPS] = { 0.1, 0.1, 0.1, 0.1, 0.1, 0.1 },
                    falling[STEPS] = { 0.1, 0.5, 0.25, 0.01, 0.003, 1 };

Test(tape, replayed_with_new_inputs_equals_fresh_recordings) { expect_same_training(ONCE, FRESH, full, steady); }
Test(tape, cleared_and_recorded_again_equals_a_replay) { expect_same_training(ONCE, AGAIN, full, steady); }
Test(tape, cleared_for_something_else_between_equals_a_replay) { expect_same_training(ONCE, BETWEEN, full, steady); }
Test(tape, recorded_again_with_a_short_batch_equals_fresh_recordings)
{
    expect_same_training(AGAIN, FRESH, last_short, steady);
}
Test(tape, recorded_again_with_alternating_batches_equals_fresh_recordings)
{
    expect_same_training(AGAIN, FRESH, alternating, steady);
}
Test(tape, recorded_again_with_other_rates_equals_fresh_recordings)
{
    expect_same_training(AGAIN, FRESH, full, falling);
}

Test(tape, comparisons_of_trainings_see_a_difference)
{
    float losses[2][STEPS];
    const image a = train(ONCE, full, steady, losses[0]), b = train(AGAIN, full, falling, losses[1]);
    cr_expect_neq(memcmp(&a, &b, sizeof a), 0);
    cr_expect_arr_neq(losses[0], losses[1], sizeof losses[0]);
}

Test(tape, recorded_again_gives_the_same_handles_even_for_another_rate)
{
    training t = start(1);
    record(&t, BATCH, 0.1);
    const reel_tensor *loss = t.loss;
    const int64_t nodes = reel_node_count(t.tape);
    reel_tape_clear(t.tape);
    cr_expect(reel_is_bad(loss));
    cr_expect_eq(reel_node_count(t.tape), 0);
    record(&t, BATCH, 0.7);
    cr_expect_eq(t.loss, loss);
    cr_expect_eq(reel_node_count(t.tape), nodes);
    finish(&t);
}

/* ---- Evaluating in threads ----------------------------------------------------------------------------------------- */

static reel_tensor *count_on(reel_tape *t)
{
    reel_tensor *n = reel_state(t, "n", REEL_F32, REEL_SCALAR);
    reel_assign(n, reel_shift(n, 1));
    return n;
}

typedef struct evaluation {
    reel_model *model;
    float sums[20];
} evaluation;

static void *evaluate(void *context)
{
    evaluation *e = context;
    reel_tape *t = reel_tape_new(e->model, (reel_tape_options){ .evaluate = true });
    reel_tensor *a = NULL, *sum = NULL;
    for (int k = 0; k < 20; k++) {
        if (k % 5 == 0) {
            reel_tape_clear(t);
            a = reel_input(t, "a", REEL_F32, REEL_SHAPE(BATCH, IN));
            sum = reel_keep(total(network(reel_add(a, reel_uniform(a, "noise", REEL_SHAPE(BATCH, IN))))), "sum");
            count_on(t);
        }
        float values[BATCH * IN];
        for (int i = 0; i < BATCH * IN; i++) values[i] = number_at(k, i);
        (reel_write_f32)(a, values, BATCH * IN);
        (reel_run)(t);
        e->sums[k] = (float)(reel_item)(sum);
    }
    reel_tape_free(t);
    return NULL;
}

Test(evaluating, in_two_threads_at_once_gives_the_same_bits_as_alone)
{
    training t = start(2);
    record(&t, BATCH, 0.1);
    count_on(t.tape);
    step(&t, 0, BATCH);
    const image before = image_of(t.model);
    evaluation alone = { t.model, { 0 } }, together[2] = { { t.model, { 0 } }, { t.model, { 0 } } };
    evaluate(&alone);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) cr_assert_eq(pthread_create(&threads[i], NULL, evaluate, &together[i]), 0);
    for (int i = 0; i < 2; i++) cr_assert_eq(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 2; i++) cr_expect_arr_eq(together[i].sums, alone.sums, sizeof alone.sums);
    for (int k = 0; k < 20; k++) cr_expect(isfinite(alone.sums[k]));
    const image after = image_of(t.model);
    expect_same(&before, &after);
    finish(&t);
}

/* ---- Lifetimes ----------------------------------------------------------------------------------------------------- */

Test(tape, goes_on_after_its_model_was_freed)
{
    training t = start(1);
    reel_tape *second = training_tape(t.model);
    record(&t, BATCH, 0.1);
    reel_model_free(t.model);
    reel_tape_free(second);
    cr_expect(isfinite(step(&t, 0, BATCH)));
    cr_expect_eq(reel_model_runs(reel_model_of(t.tape)), 1);
    reel_tape_free(t.tape);
}

Test(tape, leaves_the_model_to_others_when_it_is_freed)
{
    training t = start(1);
    record(&t, BATCH, 0.1);
    step(&t, 0, BATCH);
    const image before = image_of(t.model);
    reel_tape_free(t.tape);
    const image after = image_of(t.model);
    expect_same(&before, &after);
    reel_model_free(t.model);
}
