/* Results: what a call has returned and nothing else uses can be read after a run, whoever computes it and when. What is
 * right is what reads when the same tensor is kept. */
#include "core/run/executor.h"
#include "fixture.h"
#include "heap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How the tape runs. */
static const struct {
    const char *name, *variable;
    reel_tape_options options;
} modes[] = {
    { "planned", NULL, { .threads = 1 } },
    { "two threads", NULL, { .threads = 2 } },
    { "plain", "REEL_PLAIN", { .threads = 1 } },
    { "checked", NULL, { .checked = true, .threads = 1 } },
    { "keep everything", NULL, { .keep_everything = true, .threads = 1 } },
};

enum { MODES = sizeof modes / sizeof *modes };

static void begin_in(int mode, bool evaluate)
{
    if (modes[mode].variable) setenv(modes[mode].variable, "1", 1);
    reel_tape_options options = modes[mode].options;
    options.evaluate = evaluate;
    begin();
    reel_linear(reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 3)), "l", 2);
    reel_tape_free(tape);
    tape = reel_tape_new(model, options);
    if (modes[mode].variable) unsetenv(modes[mode].variable);
}

static float numbers[12] = { 1, -2, 3, 0.5f, 4, -1, 2, 2, -3, 1, 0.25f, 5 };

static void write_x(reel_tensor *x, float first)
{
    numbers[0] = first;
    cr_assert_eq(reel_write_f32(x, numbers, reel_count(x)), REEL_OK, "%s", reel_tape_error(tape));
}

static bool says(const char *text)
{
    const char *error = reel_tape_error(tape);
    return error && strstr(error, text);
}

/* A network of which some tensors are kept, or none. */
typedef struct network {
    reel_tensor *x, *y, *hidden, *noise, *loss, *share, *mean;
} network;

static reel_tensor *kept(reel_tensor *a, const char *name, const char *keeps)
{
    return strstr(keeps, name) ? reel_keep(a, name) : a;
}

static network record(const char *keeps)
{
    network n = { .x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 3)) };
    n.y = reel_input(tape, "y", REEL_F32, REEL_SHAPE(4, 2));
    n.hidden = reel_linear(n.x, "l", 2);
    n.noise = kept(reel_mul(n.hidden, reel_uniform(n.x, "draws", REEL_SHAPE(4, 2))), "noise", keeps);
    n.loss = kept(reel_mse(n.hidden, n.y), "loss", keeps);
    n.share = kept(reel_softmax(n.hidden, -1), "share", keeps);
    n.mean = kept(reel_mean(n.x, REEL_ALL, REEL_DROP), "mean", keeps);
    return n;
}

static void write_all(const network *n, float first)
{
    write_x(n->x, first);
    cr_assert_eq(reel_write_f32(n->y, numbers, 8), REEL_OK);
}

typedef struct values {
    float noise[8], share[8];
    double loss, mean;
} values;

static values read_all(const network *n)
{
    values v = { .loss = reel_item(n->loss), .mean = reel_item(n->mean) };
    cr_expect_eq(reel_read_f32(n->noise, v.noise, 8), REEL_OK, "%s", reel_tape_error(tape));
    cr_expect_eq(reel_read_f32(n->share, v.share, 8), REEL_OK, "%s", reel_tape_error(tape));
    return v;
}

static const char everything[] = "noise loss share mean";

/* The values of three runs; a training tape takes a step in each. */
static void run_three(int mode, bool evaluate, bool train, const char *keeps, values *v)
{
    begin_in(mode, evaluate);
    network n = record(keeps);
    if (train) reel_sgd(n.loss, (reel_sgd_options){ .lr = 0.1 });
    for (int i = 0; i < 3; i++) {
        write_all(&n, (float)i);
        cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
        v[i] = read_all(&n);
    }
    cr_expect_null(reel_tape_error(tape), "%s: %s", modes[mode].name, reel_tape_error(tape));
    end();
}

Test(results, read_as_if_they_were_kept)
{
    static const char *const keeps[] = { "", "loss", "mean", "share noise" };
    for (int kind = 0; kind < 3; kind++) {
        values right[3], got[3];
        run_three(0, kind == 1, kind == 2, everything, right);
        cr_expect(isfinite(right[2].loss) && right[0].mean != right[1].mean);
        for (int mode = 0; mode < MODES; mode++)
            for (int k = 0; k < 4; k++) {
                run_three(mode, kind == 1, kind == 2, keeps[k], got);
                for (int i = 0; i < 3; i++)
                    cr_expect_eq(memcmp(&got[i], &right[i], sizeof got[i]), 0, "%s, kind %d, \"%s\" kept, run %d",
                                 modes[mode].name, kind, keeps[k], i);
            }
    }
}

Test(results, are_the_loss_of_an_evaluating_tape)
{
    begin_in(0, true);
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 3));
    reel_tensor *loss = reel_mean(reel_square(reel_linear(x, "l", 2)), REEL_ALL, REEL_DROP);
    write_x(x, 1);
    cr_expect_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    cr_expect(isfinite(reel_item(loss)) && reel_item(loss) > 0, "%s", reel_tape_error(tape));
    end();
}

Test(results, that_a_run_left_out_do_not_take_the_place_of_what_it_computed)
{
    for (int mode = 0; mode < MODES; mode++) {
        begin_in(mode, true);
        network n = record("mean");
        for (int i = 0; i < 3; i++) {
            write_all(&n, (float)i);
            cr_assert_eq(reel_run(tape), REEL_OK);
            double mean = reel_item(n.mean), loss = reel_item(n.loss);
            cr_expect(isfinite(loss));
            cr_expect_eq(reel_item(n.mean), mean);
            cr_expect_eq(reel_item(n.loss), loss);
            cr_expect_eq(reel_item(n.mean), mean);
        }
        end();
    }
}

Test(results, cost_one_evaluation_and_then_are_of_the_run)
{
    begin_in(0, true);
    network n = record("mean");
    write_all(&n, 1);
    cr_assert_eq(reel_run(tape), REEL_OK);
    cr_expect_eq(tape->executor->programs.made, 1);
    cr_expect(isfinite(reel_item(n.loss)));
    cr_expect_eq(tape->executor->programs.made, 2, "the loss alone");
    cr_assert_eq(reel_run(tape), REEL_OK);
    cr_expect_eq(tape->executor->programs.made, 3, "the loss is of the run");
    write_all(&n, 2); /* too late to evaluate what the run read */
    cr_expect(isfinite(reel_item(n.loss)), "%s", reel_tape_error(tape));
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(reel_run(tape), REEL_OK);
        cr_expect(isfinite(reel_item(n.loss)));
    }
    cr_expect_eq(tape->executor->programs.made, 3);
    end();
}

Test(results, that_nobody_reads_are_not_computed)
{
    begin_in(0, false);
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 3));
    reel_tensor *i = reel_input(tape, "i", REEL_I32, REEL_SHAPE(2));
    reel_keep(reel_sum(x, REEL_ALL, REEL_DROP), "sum");
    reel_tensor *rows = reel_take(x, i, 0);
    write_x(x, 1);
    cr_expect_eq(reel_run(tape), REEL_OK, "an input that only a result needs: %s", reel_tape_error(tape));
    reel_write_i32(i, (int32_t[]){ 0, 9 }, 2);
    cr_expect_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    float room[6];
    cr_expect_eq(reel_read_f32(rows, room, 6), REEL_BAD_INDEX);
    cr_expect(says("in_range: the index 9 at [1] of i is outside 0 … 3"), "%s", reel_tape_error(tape));
    end_after_error();
}

/* What gradients use is a result; what anything else uses is none. */
Test(results, are_what_only_gradients_use)
{
    for (int mode = 0; mode < MODES - 1; mode++) {
        begin_in(mode, false);
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 3));
        reel_tensor *e = reel_exp(x), *used = reel_neg(x), *sum = reel_sum(used, REEL_ALL, REEL_DROP);
        reel_tensor *gx = reel_gradient(reel_sum(e, REEL_ALL, REEL_DROP), x);
        write_x(x, 1);
        cr_assert_eq(reel_run(tape), REEL_OK);
        float room[12];
        cr_expect_eq(reel_read_f32(gx, room, 12), REEL_OK, "%s", reel_tape_error(tape));
        cr_expect_float_eq(room[1], expf(-2), 1e-6f);
        cr_expect(isfinite(reel_item(sum)));
        cr_expect_null(reel_tape_error(tape));
        cr_expect_eq(reel_read_f32(used, room, 12), REEL_BAD_STATE, "%s", modes[mode].name);
        cr_expect(says("is not kept (mark it with reel_keep() before the run)"), "%s", reel_tape_error(tape));
        end_after_error();
    }
}

Test(results, are_what_their_own_derivative_uses)
{
    begin_in(0, false);
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 3)), *e = reel_exp(x);
    reel_list *by = reel_list_new(tape);
    reel_list_append(by, "x", x);
    reel_tensor *g = reel_list_at(reel_vjp(e, reel_fill(x, REEL_SHAPE(4, 3), 2), by), 0); /* 2 e */
    cr_assert_eq(reel_input_at(g, 1), e, "%s", reel_tape_error(tape));
    write_x(x, 1);
    cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    float result[12], slopes[12];
    cr_expect_eq(reel_read_f32(e, result, 12), REEL_OK, "%s", reel_tape_error(tape));
    cr_expect_eq(reel_read_f32(g, slopes, 12), REEL_OK, "%s", reel_tape_error(tape));
    for (int i = 0; i < 12; i++) cr_expect_eq(slopes[i], 2 * result[i]);
    end();
}

Test(results, of_lists_can_be_read_without_an_evaluation_for_each)
{
    begin_in(0, false);
    enum { PARTS = 40 };
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 3)), *sum = NULL;
    for (int i = 0; i < PARTS; i++) {
        reel_scope_push(tape, "part%d", i);
        reel_tensor *w = reel_parameter(x, "w", REEL_SHAPE(3), reel_init_uniform(-1, 1));
        reel_scope_pop(tape);
        reel_tensor *part = reel_sum(reel_sin(reel_mul(x, w)), REEL_ALL, REEL_DROP);
        sum = sum ? reel_add(sum, part) : part;
    }
    reel_list *gradients = reel_gradients(sum, reel_parameters(sum, NULL));
    write_x(x, 1);
    cr_assert_eq(reel_run(tape), REEL_OK);
    for (int i = 0; i < PARTS; i++) {
        float g[3];
        cr_expect_eq(reel_read_f32(reel_list_at(gradients, i), g, 3), REEL_OK, "%s", reel_tape_error(tape));
        cr_expect(isfinite(g[0]) && g[0] != 0);
    }
    cr_expect_leq(tape->executor->programs.made, 3);
    end();
}

/* Whatever is evaluated after it, and however large the run is. */
Test(results, of_a_run_stay_while_other_things_are_evaluated)
{
    for (int large = 0; large < 2; large++) {
        begin_in(0, false);
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(1));
        reel_keep(reel_neg(reel_expand(x, REEL_SHAPE(large ? 1 << 26 : 1))), "y"); /* 256 MiB */
        reel_tensor *last = reel_keep(reel_neg(x), "last"), *other = x;
        reel_write_f32(x, (float[]){ 3 }, 1);
        cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
        for (int i = 0; i < (large ? 1 : 20); i++) {
            other = reel_sin(other);
            cr_assert_eq(reel_eval(tape, &other, 1), REEL_OK, "%s", reel_tape_error(tape));
        }
        cr_expect_eq(reel_item(last), -3, "%s", reel_tape_error(tape));
        end();
    }
}

/* Also of two that have one plan. */
Test(results, of_evaluations_stay_as_well)
{
    for (int mode = 0; mode < MODES; mode++) {
        begin_in(mode, false);
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(1));
        reel_tensor *a = reel_scale(x, 0.1), *b = reel_scale(x, 0.3);
        reel_write_f32(x, (float[]){ 1 }, 1);
        cr_assert_eq(reel_eval(tape, &a, 1), REEL_OK, "%s", reel_tape_error(tape));
        cr_assert_eq(reel_eval(tape, &b, 1), REEL_OK, "%s", reel_tape_error(tape));
        cr_expect_float_eq(reel_item(a), 0.1, 1e-7, "%s: %s", modes[mode].name, reel_tape_error(tape));
        cr_expect_float_eq(reel_item(b), 0.3, 1e-7, "%s: %s", modes[mode].name, reel_tape_error(tape));
        end();
    }
}

/* ---- The run has gone ------------------------------------------------------------------------------------------------ */

static void by_an_input(const network *n) { write_all(n, 9); }
static void by_the_model(const network *n)
{
    (void)n;
    cr_assert_eq(reel_model_write_f32(model, "l/b", (float[]){ 1, 2 }, 2), REEL_OK);
}
static void by_a_reset(const network *n)
{
    (void)n;
    cr_assert_eq(reel_model_reset(model, NULL), REEL_OK);
}
static void by_a_file(const network *n)
{
    (void)n;
    cr_assert_eq(reel_model_save(model, "results.safetensors"), REEL_OK);
    cr_assert_eq(reel_model_load(model, "results.safetensors"), REEL_OK);
    remove("results.safetensors");
}
static void by_another_tape(const network *n)
{
    (void)n;
    reel_tape *other = reel_tape_new(model, (reel_tape_options){ 0 });
    reel_tensor *s = reel_state(other, "count", REEL_F32, REEL_SCALAR);
    reel_assign(s, reel_shift(s, 1));
    cr_assert_eq(reel_run(other), REEL_OK);
    reel_tape_free(other);
}

Test(results, of_a_run_cannot_be_computed_after_a_write)
{
    static void (*const writes[])(const network *n) = { by_an_input, by_the_model, by_a_reset, by_a_file,
                                                        by_another_tape };
    for (int mode = 0; mode < MODES - 1; mode++)
        for (size_t w = 0; w < sizeof writes / sizeof *writes; w++) {
            begin_in(mode, true);
            network n = record("mean");
            write_all(&n, 1);
            cr_assert_eq(reel_run(tape), REEL_OK);
            writes[w](&n);
            cr_expect(isnan(reel_item(n.loss)), "%s: write %d", modes[mode].name, (int)w);
            cr_expect(says("was left out by the last run, and values that it depends on have changed since"), "%s",
                      reel_tape_error(tape));
            cr_expect(isfinite(reel_item(n.mean)), "what was computed stays");
            cr_assert_eq(reel_run(tape), REEL_OK);
            cr_expect(isfinite(reel_item(n.loss)), "%s", reel_tape_error(tape));
            end();
        }
}

Test(results, have_no_value_without_a_run)
{
    for (int mode = 0; mode < MODES; mode++) {
        begin_in(mode, true);
        network n = record("mean");
        cr_expect(isnan(reel_item(n.loss)));
        cr_expect(says("has no value: no run or evaluation has computed it"), "%s", reel_tape_error(tape));
        write_all(&n, 1);
        cr_assert_eq(reel_run(tape), REEL_OK);
        cr_expect(isfinite(reel_item(n.loss)));
        reel_tape_clear(tape);
        n = record("mean");
        cr_expect_neq(reel_run(tape), REEL_OK);
        cr_expect(says("was never written"));
        cr_expect(isnan(reel_item(n.loss)) && isnan(reel_item(n.mean)));
        cr_expect(says("has no value"), "%s", reel_tape_error(tape));
        end_after_error();
    }
}

Test(results, of_a_run_and_of_an_evaluation_after_it_are_told_apart)
{
    for (int mode = 0; mode < MODES; mode++) {
        begin_in(mode, true);
        network n = record("mean");
        write_all(&n, 1);
        cr_assert_eq(reel_run(tape), REEL_OK);
        double mean = reel_item(n.mean), loss = reel_item(n.loss);
        write_all(&n, 7);
        cr_assert_eq(reel_eval(tape, &n.loss, 1), REEL_OK);
        cr_expect_neq(reel_item(n.loss), loss, "the latest");
        cr_expect_eq(reel_item(n.mean), mean, "%s: of the run", modes[mode].name);
        cr_expect_neq(reel_item(n.loss), loss);
        cr_assert_eq(reel_run(tape), REEL_OK);
        cr_expect_neq(reel_item(n.mean), mean);
        end();
    }
}

Test(results, that_were_evaluated_have_gone_after_a_run)
{
    begin_in(0, false);
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 3));
    reel_tensor *used = reel_neg(x), *y = reel_keep(reel_exp(used), "y");
    write_x(x, 1);
    cr_assert_eq(reel_eval(tape, &used, 1), REEL_OK);
    float room[12];
    cr_expect_eq(reel_read_f32(used, room, 12), REEL_OK);
    cr_assert_eq(reel_run(tape), REEL_OK);
    cr_expect_eq(reel_read_f32(used, room, 12), REEL_BAD_STATE, "an old value");
    cr_expect_eq(reel_read_f32(y, room, 12), REEL_OK);
    end_after_error();
}

Test(results, that_lack_memory_are_an_error_and_cost_nothing_that_was_computed)
{
    heap h = { 0 };
    begin_with((reel_model_options){ .seed = 3, .allocator = { heap_resize, &h } },
               (reel_tape_options){ .threads = 1 });
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 3));
    reel_tensor *sum = reel_keep(reel_sum(x, REEL_ALL, REEL_DROP), "sum"), *top = reel_max(x, REEL_ALL, REEL_DROP);
    write_x(x, 1);
    cr_assert_eq(reel_run(tape), REEL_OK);
    double all = reel_item(sum);
    for (int64_t calls = 0;; calls++) {
        cr_assert_lt(calls, 1000);
        fail_after(&h, calls);
        double read = reel_item(top);
        fail_after(&h, -1);
        cr_expect_eq(reel_item(sum), all, "after %d calls", (int)calls);
        if (!isnan(read)) {
            cr_expect_eq(read, 5);
            cr_expect_gt(calls, 3);
            break;
        }
        cr_expect_eq(reel_tape_status(tape), REEL_OUT_OF_MEMORY);
    }
    end();
    expect_all_back(&h);
}

/* ---- What is assigned ------------------------------------------------------------------------------------------------ */

Test(results, see_the_values_at_the_start_of_the_run)
{
    for (int mode = 0; mode < MODES; mode++) {
        begin_in(mode, false);
        reel_tensor *n = reel_state(tape, "n", REEL_F32, REEL_SCALAR), *next = reel_assign(n, reel_shift(n, 1));
        reel_tensor *ten = reel_scale(n, 10), *later = reel_scale(next, 100);
        for (int i = 0; i < 4; i++) {
            cr_assert_eq(reel_run(tape), REEL_OK);
            cr_expect_eq(reel_item(ten), 10 * i, "%s: %g", modes[mode].name, reel_item(ten));
            cr_expect_eq(reel_item(later), 100 * (i + 1));
            cr_expect_eq(reel_item(n), i + 1);
        }
        end();
    }
}

Test(results, are_what_was_assigned_until_it_is_written_over)
{
    for (int mode = 0; mode < MODES - 1; mode++) {
        begin_in(mode, false);
        reel_tensor *n = reel_state(tape, "n", REEL_F32, REEL_SCALAR), *next = reel_assign(n, reel_shift(n, 1));
        for (int i = 0; i < 3; i++) {
            cr_assert_eq(reel_run(tape), REEL_OK);
            cr_expect_eq(reel_item(next), i + 1, "%s", reel_tape_error(tape));
        }
        reel_model_write_f32(model, "n", (float[]){ 50 }, 1);
        cr_expect(isnan(reel_item(next)));
        cr_expect(says("has been written since the run"), "%s", reel_tape_error(tape));
        end_after_error();
    }
}

/* ---- Recording again --------------------------------------------------------------------------------------------------- */

Test(results, are_found_again_when_less_is_recorded)
{
    begin_in(0, false);
    for (int i = 0; i < 6; i++) {
        reel_tape_clear(tape);
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SCALAR), *e = reel_exp(x);
        reel_tensor *sum = i % 2 ? reel_shift(e, 1) : NULL;
        reel_write_f32(x, (float[]){ (float)i }, 1);
        cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
        if (sum) cr_expect_float_eq(reel_item(sum), exp(i) + 1, 1e-4);
        cr_expect_eq(isnan(reel_item(e)), i % 2 == 1, "%d", i);
        reel_tape_error(tape);
    }
    end_after_error();
}

Test(results, that_were_read_are_of_the_run_whatever_the_batch)
{
    begin_in(0, false);
    for (int i = 0; i < 8; i++) {
        reel_tape_clear(tape);
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2 + i % 2, 3));
        reel_tensor *y = reel_linear(x, "l", 2);
        reel_keep(reel_sum(x, REEL_ALL, REEL_DROP), "sum");
        write_x(x, 1);
        cr_assert_eq(reel_run(tape), REEL_OK);
        float room[6];
        if (i > 0) write_x(x, 2); /* an evaluation would be refused */
        cr_expect_eq(reel_read_f32(y, room, reel_count(y)), REEL_OK, "%d: %s", i, reel_tape_error(tape));
    }
    cr_expect_leq(tape->executor->programs.made, 4);
    end();
}

Test(results, are_searched_for_once_in_a_recording_that_stays_the_same)
{
    begin_in(0, false);
    uint64_t changes = 0;
    for (int i = 0; i < 4; i++) {
        reel_tape_clear(tape);
        network n = record("mean");
        reel_sgd(n.loss, (reel_sgd_options){ .lr = 0.1 });
        write_all(&n, 1);
        const void *before = tape->results.items;
        cr_assert_eq(reel_run(tape), REEL_OK);
        if (i > 0) {
            cr_expect_eq(tape->log_changes, changes);
            cr_expect_eq(tape->results.items, before);
        }
        changes = tape->log_changes;
        read_all(&n);
    }
    end();
}

/* Plain symbols have no lines, and what nobody has stamped is no result. */
Test(results, need_the_line_of_the_call)
{
    begin_in(0, false);
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 3)), *e = (reel_exp)(x);
    write_x(x, 1);
    cr_expect_eq(reel_run(tape), REEL_BAD_STATE);
    cr_expect(says("run: the tape computes nothing: no result, nothing kept or assigned"), "%s", reel_tape_error(tape));
    reel_keep(reel_neg(x), "other");
    cr_expect_eq(reel_run(tape), REEL_OK);
    float room[12];
    cr_expect_eq(reel_read_f32(e, room, 12), REEL_BAD_STATE);
    cr_expect(says("is not kept"), "%s", reel_tape_error(tape));
    end_after_error();
}

/* The same nodes in the same order, of which a call has returned others. */
Test(results, are_what_was_returned_in_this_recording)
{
    begin_in(0, false);
    for (int i = 0; i < 6; i++) {
        reel_tape_clear(tape);
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SCALAR), *e = i % 2 ? reel_exp(x) : (reel_exp)(x);
        reel_keep(reel_neg(x), "other");
        reel_write_f32(x, (float[]){ 0 }, 1);
        cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
        cr_expect_eq(isnan(reel_item(e)), i % 2 == 0, "%d", i);
        reel_tape_error(tape);
    }
    end_after_error();
}

/* Nobody has read the second one, and it has an index out of range. */
Test(results, that_take_the_place_of_one_that_was_read_are_not_computed_for_that)
{
    begin_in(0, false);
    for (int i = 0; i < 2; i++) {
        reel_tape_clear(tape);
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(1));
        reel_tensor *at = reel_input(tape, "at", REEL_I32, REEL_SHAPE(1));
        reel_keep(reel_neg(x), "other");
        reel_tensor *y = i ? reel_take(x, at, 0) : reel_exp(x);
        reel_write_f32(x, (float[]){ 0 }, 1);
        reel_write_i32(at, (int32_t[]){ 9 }, 1);
        cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
        if (i == 0) cr_expect_eq(reel_item(y), 1, "%s", reel_tape_error(tape));
    }
    end();
}

Test(results, are_drawn_if_a_run_computes_them)
{
    begin_in(0, true);
    network n = record("");
    (void)n;
    cr_expect_eq(reel_tape_write_dot(tape, "results.dot"), REEL_OK, "%s", reel_tape_error(tape));
    remove("results.dot");
    end();
}

Test(results, that_cannot_be_read_do_no_harm_to_later_runs)
{
    begin_in(0, false);
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 3));
    reel_tensor *i = reel_input(tape, "i", REEL_I32, REEL_SHAPE(1)), *bad = reel_take(x, i, 0);
    reel_tensor *y = reel_keep(reel_exp(x), "y");
    float room[12];
    write_x(x, 1);
    reel_write_i32(i, (int32_t[]){ 9 }, 1);
    cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    cr_expect_eq(reel_read_f32(bad, room, 3), REEL_BAD_INDEX);
    cr_assert_not_null(reel_tape_error(tape));
    for (int k = 0; k < 2; k++) cr_expect_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    cr_expect_eq(reel_read_f32(y, room, 12), REEL_OK, "%s", reel_tape_error(tape));
    reel_write_i32(i, (int32_t[]){ 2 }, 1);
    cr_assert_eq(reel_run(tape), REEL_OK);
    cr_expect_eq(reel_read_f32(bad, room, 3), REEL_OK, "%s", reel_tape_error(tape));
    end();
}

Test(results, that_were_recorded_after_the_run_say_so)
{
    begin_in(0, false);
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 3));
    reel_tensor *p = reel_parameter(x, "p", REEL_SHAPE(3), reel_init_constant(2));
    reel_keep(reel_mul(x, p), "y");
    write_x(x, 1);
    cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    reel_assign(p, reel_shift(p, 1));
    reel_tensor *late = reel_scale(p, 100);
    float room[3];
    cr_expect_eq(reel_read_f32(late, room, 3), REEL_BAD_STATE);
    cr_expect(says("depends on what the program assigns and was not there at the last run"), "%s",
              reel_tape_error(tape));
    cr_assert_eq(reel_run(tape), REEL_OK);
    cr_expect_eq(reel_read_f32(late, room, 3), REEL_OK, "%s", reel_tape_error(tape));
    cr_expect_eq(room[0], 200);
    end();
}

/* The report is of the run, also after something was computed on demand. */
Test(results, leave_the_report_of_the_run_as_it_was)
{
    char before[4000] = "", after[4000] = "", *to[] = { before, after };
    begin_in(0, false);
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 3)), *result = reel_tanh(x);
    reel_keep(reel_exp(reel_sin(x)), "y");
    write_x(x, 1);
    cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    for (int k = 0; k < 2; k++) {
        cr_assert_eq(reel_tape_write_plan(tape, "results.plan"), REEL_OK, "%s", reel_tape_error(tape));
        FILE *file = fopen("results.plan", "r");
        cr_assert_gt(fread(to[k], 1, sizeof before - 1, file), 0);
        fclose(file);
        float room[12];
        cr_expect_eq(reel_read_f32(result, room, 12), REEL_OK, "%s", reel_tape_error(tape));
    }
    remove("results.plan");
    cr_expect_str_eq(after, before);
    end();
}

/* Its nodes may be others by then. */
Test(results, of_a_recording_that_has_gone_have_no_report)
{
    begin_in(0, false);
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 3));
    reel_keep(reel_exp(x), "y");
    write_x(x, 1);
    cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    reel_tape_clear(tape);
    reel_keep(reel_sin(reel_input(tape, "other", REEL_F32, REEL_SHAPE(2))), "y");
    cr_expect_eq(reel_tape_write_plan(tape, "results.plan"), REEL_BAD_STATE);
    cr_expect(says("tape_write_plan: the tape has not been run yet"), "%s", reel_tape_error(tape));
    end_after_error();
}
