/* What a run is: when values are read and written, what fails, draws, evaluating tapes, and the caller's floating-point
 * environment. Equal means the same bytes everywhere here. */
#include "fixture.h"
#include "image.h"

#include <fenv.h>
#include <math.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

static reel_tensor *x; /* f32 [4] */

static void begin_with_input(void)
{
    begin();
    x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4));
    cr_assert_eq(reel_write_f32(x, (float[]){ 1, 2, 3, 4 }, 4), REEL_OK);
}

TestSuite(node, .init = begin_with_input, .fini = end);
TestSuite(run, .init = begin_with_input, .fini = end);
TestSuite(draw, .init = begin_with_input, .fini = end);
TestSuite(evaluating, .init = begin_with_input, .fini = end);

static reel_tensor *state(const char *name) { return reel_state(tape, name, REEL_F32, REEL_SCALAR); }

Test(node, of_the_same_op_with_the_same_inputs_is_one)
{
    cr_expect_eq(reel_exp(x), reel_exp(x));
    cr_expect_eq(reel_softmax(x, 0), reel_softmax(x, -1));
    cr_expect_eq(reel_slice(x, 0, 1, 3), reel_slice(x, -1, -3, -1));
    cr_expect_neq(reel_slice(x, 0, 1, 3), reel_slice(x, 0, 0, 2));
    cr_expect_neq(reel_sub(x, reel_exp(x)), reel_sub(reel_exp(x), x));
}

Test(node, of_a_number_is_one_only_if_it_is_structural)
{
    static const double structural[] = { 0, 1, -1, 2, 0.5, -0.25, 1024 }, data[] = { 3, 0.1, -7, 1e-3 };
    for (size_t i = 0; i < sizeof structural / sizeof *structural; i++)
        cr_expect_eq(reel_number(x, structural[i]), reel_number(x, structural[i]), "%g", structural[i]);
    for (size_t i = 0; i < sizeof data / sizeof *data; i++)
        cr_expect_neq(reel_number(x, data[i]), reel_number(x, data[i]), "%g", data[i]);
    cr_expect_neq(reel_number(x, 0.0), reel_number(x, -0.0));
}

Test(node, of_a_draw_is_one_for_each_name)
{
    cr_expect_neq(reel_uniform(x, "a", REEL_SHAPE(4)), reel_uniform(x, "b", REEL_SHAPE(4)));
}

/* ---- What a run is ------------------------------------------------------------------------------------------------- */

Test(run, reads_see_the_values_at_its_start)
{
    reel_tensor *a = state("a"), *b = state("b");
    cr_assert_eq(reel_write_f32(a, (float[]){ 1 }, 1), REEL_OK);
    cr_assert_eq(reel_write_f32(b, (float[]){ 2 }, 1), REEL_OK);
    reel_assign(a, b);
    reel_assign(b, a);
    for (int i = 0; i < 3; i++) {
        run();
        cr_expect_eq(reel_item(a), i % 2 ? 1 : 2);
        cr_expect_eq(reel_item(b), i % 2 ? 2 : 1);
    }
}

Test(run, assignments_return_the_new_value_and_leave_the_old_one_to_others)
{
    reel_tensor *n = state("n");
    reel_tensor *later = reel_assign(n, reel_shift(n, 1));
    reel_tensor *both = reel_keep(reel_sub(reel_scale(later, 10), n), "both");
    for (int i = 0; i < 3; i++) {
        run();
        cr_expect_eq(reel_item(both), 10 * (i + 1) - i);
        cr_expect_eq(reel_item(n), i + 1);
    }
}

Test(run, computes_a_loss_and_what_is_kept)
{
    reel_tensor *w = reel_parameter(x, "w", REEL_SHAPE(4), reel_init_constant(2)), *y = reel_mul(x, w),
                *loss = total(y);
    cr_expect_eq(reel_keep(y, "y"), y);
    reel_gradient(loss, w);
    run();
    float got[4];
    cr_expect_eq(reel_item(loss), 20);
    cr_expect_eq(reel_read_f32(reel_find(tape, "y"), got, 4), REEL_OK);
    cr_expect_arr_eq(got, ((float[]){ 2, 4, 6, 8 }), sizeof got);
}

Test(run, keeps_everything_if_asked_to)
{
    reel_tape *all = reel_tape_new(model, (reel_tape_options){ .keep_everything = true });
    reel_tensor *a = reel_input(all, "a", REEL_F32, REEL_SHAPE(2)), *root = reel_sqrt(a), *unused = reel_neg(root);
    reel_tensor *square = reel_square(root), *at = reel_argmax(a, 0), *g = reel_gradient(total(square), a);
    float got[2];
    int32_t index;
    cr_assert_eq(reel_write_f32(a, (float[]){ 4, 16 }, 2), REEL_OK);
    cr_assert_eq(reel_run(all), REEL_OK, "%s", reel_tape_error(all));
    cr_expect(reel_read_f32(root, got, 2) == REEL_OK && got[0] == 2 && got[1] == 4);
    cr_expect(reel_read_f32(unused, got, 2) == REEL_OK && got[0] == -2 && got[1] == -4);
    cr_expect(reel_read_f32(square, got, 2) == REEL_OK && got[0] == 4 && got[1] == 16);
    cr_expect(reel_read_f32(g, got, 2) == REEL_OK && got[0] == 1 && got[1] == 1);
    cr_expect(reel_read_i32(at, &index, 1) == REEL_OK && index == 1);
    reel_tape_free(all);
}

/* A program with a state, a parameter's update and dropout, that fails when an index is out of range. */
typedef struct fragile {
    reel_tensor *index, *drop, *n, *w;
} fragile;

static fragile record_fragile(void)
{
    fragile f = { .index = reel_input(tape, "index", REEL_I32, REEL_SHAPE(1)) };
    f.w = reel_parameter(x, "w", REEL_SHAPE(4), reel_init_uniform(-1, 1));
    f.n = state("n");
    f.drop = reel_keep(reel_dropout(x, "drop", 0.5), "dropped");
    reel_assign(f.n, reel_shift(f.n, 1));
    reel_tensor *computed = reel_add(f.index, f.index);
    reel_sgd(total(reel_mul(reel_mul(f.w, f.drop), reel_take(x, reel_in_range(computed, 4), 0))),
             (reel_sgd_options){ .lr = 0.1 });
    return f;
}

static void run_fragile(const fragile *f, int32_t index, float *drop)
{
    cr_assert_eq(reel_write_i32(f->index, &index, 1), REEL_OK, "%s", reel_tape_error(tape));
    const reel_status status = reel_run(tape);
    cr_assert_eq(status, index < 2 ? REEL_OK : REEL_BAD_INDEX, "%s", reel_tape_error(tape));
    if (status == REEL_OK) cr_assert_eq(reel_read_f32(f->drop, drop, 4), REEL_OK);
}

Test(run, that_fails_changes_nothing)
{
    float drops[2][4][4];
    image images[2];
    for (int with_failures = 0; with_failures < 2; with_failures++) {
        if (with_failures) end(), begin_with_input();
        const fragile f = record_fragile();
        for (int k = 0; k < 4; k++) {
            const image before = image_of(model);
            for (int failure = 0; failure < 2 * with_failures; failure++) run_fragile(&f, 2, NULL);
            const image after = image_of(model);
            expect_same(&before, &after);
            run_fragile(&f, k % 2, drops[with_failures][k]);
        }
        images[with_failures] = image_of(model);
    }
    expect_same(&images[0], &images[1]);
    cr_expect_arr_eq(drops[0], drops[1], sizeof drops[0]);
    cr_expect_eq(images[0].runs, 4);
    end_after_error(), begin_with_input(); /* that of the last failure was wanted */
}

Test(run, that_fails_leaves_no_value_to_read)
{
    float drop[4];
    const fragile f = record_fragile();
    run_fragile(&f, 1, drop);
    run_fragile(&f, 2, drop);
    cr_expect_eq(reel_read_f32(f.drop, drop, 4), REEL_BAD_STATE);
    end_after_error(), begin_with_input();
}

Test(run, is_counted_and_an_evaluation_is_not)
{
    reel_tensor *n = state("n"), *next = reel_assign(n, reel_shift(n, 1));
    run();
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(reel_eval(tape, &next, 1), REEL_OK);
        cr_expect_eq(reel_item(next), 2);
        cr_expect_eq(reel_item(n), 1, "an evaluation assigns nothing");
    }
    cr_expect_eq(reel_model_runs(model), 1);
    run();
    cr_expect_eq(reel_item(n), 2);
}

Test(run, of_an_evaluation_needs_only_the_inputs_that_count)
{
    reel_keep(reel_exp(reel_input(tape, "never written", REEL_F32, REEL_SCALAR)), "k");
    reel_tensor *y = total(x);
    cr_expect_eq(reel_eval(tape, &y, 1), REEL_OK);
    cr_expect_eq(reel_item(y), 10);
}

/* Whatever is recorded or evaluated between two runs, the second one computes what it would have computed. */
Test(run, is_the_same_after_anything_was_recorded_between)
{
    reel_tensor *w = reel_parameter(x, "w", REEL_SHAPE(4), reel_init_constant(3));
    reel_tensor *y = reel_mul(reel_exp(reel_neg(x)), w), *kept = reel_keep(total(y), "kept");
    reel_list *list = reel_list_new(tape);
    reel_list_append(list, NULL, w);
    run();
    const double first = reel_item(kept);
    reel_parameters(reel_mul(w, w), NULL);
    cr_expect_eq(reel_item(kept), first, "reading after reel_parameters()");
    run();
    cr_expect_eq(reel_item(kept), first, "running after reel_parameters()");
    reel_vjp(y, y, list);
    run();
    cr_expect_eq(reel_item(kept), first, "running after reel_vjp()");
    reel_gradients(total(reel_mul(w, x)), list);
    run();
    cr_expect_eq(reel_item(kept), first, "running after reel_gradients()");
    reel_tensor *other = reel_square(w);
    cr_assert_eq(reel_eval(tape, &other, 1), REEL_OK);
    run();
    cr_expect_eq(reel_item(kept), first, "running after reel_eval()");
    reel_log(x);
    run();
    cr_expect_eq(reel_item(kept), first, "running after an op nobody uses");
}

/* ---- Draws --------------------------------------------------------------------------------------------------------- */

static void read4(reel_tensor *a, float *values)
{
    cr_assert_eq(reel_read_f32(a, values, 4), REEL_OK, "%s", reel_tape_error(tape));
}

Test(draw, is_new_in_each_run_and_one_value_in_a_run)
{
    reel_tensor *u = reel_keep(reel_uniform(x, "u", REEL_SHAPE(4)), "k");
    reel_tensor *difference = reel_keep(reel_sub(reel_scale(u, 2), reel_add(u, u)), "difference");
    float first[4], second[4], zero[4];
    run();
    read4(u, first), read4(difference, zero);
    cr_expect_arr_eq(zero, ((float[]){ 0, 0, 0, 0 }), sizeof zero);
    run();
    read4(u, second);
    cr_expect_arr_neq(first, second, sizeof first);
}

Test(draw, is_a_function_of_seed_name_and_run)
{
    float values[2][4], other[4];
    for (int i = 0; i < 2; i++) {
        end(), begin_with_input();
        if (i == 1) reel_keep(reel_uniform(x, "other", REEL_SHAPE(4)), "o");
        reel_tensor *u = reel_keep(reel_uniform(x, "u", REEL_SHAPE(4)), "k");
        run(), run();
        read4(u, values[i]);
    }
    read4(reel_find(tape, "o"), other);
    cr_expect_arr_eq(values[0], values[1], sizeof other);
    cr_expect_arr_neq(values[0], other, sizeof other);
}

/* A scope entered twice, with dropout in each entry; the operands of y may be recorded in either order. */
static reel_tensor *siamese(bool right_first, reel_tensor **left, reel_tensor **right)
{
    reel_tensor *u[2];
    for (int i = 0; i < 2; i++) {
        reel_scope_push(tape, "branch");
        u[i] = reel_dropout(reel_fill(x, REEL_SHAPE(32), 1), "drop", 0.5);
        reel_scope_pop(tape);
    }
    *left = u[right_first], *right = u[!right_first];
    return reel_keep(reel_sub(reel_scale(*left, 3), *right), "y");
}

static void read32(reel_tensor *a, float *values)
{
    cr_assert_eq(reel_read_f32(a, values, 32), REEL_OK, "%s", reel_tape_error(tape));
}

Test(draw, of_two_entries_has_the_same_bits_in_either_order_of_recording)
{
    reel_tensor *left, *right;
    float sums[2][32];
    for (int i = 0; i < 2; i++) {
        end(), begin_with_input();
        reel_tensor *y = siamese(i, &left, &right);
        run();
        read32(y, sums[i]);
    }
    cr_expect_arr_eq(sums[0], sums[1], sizeof sums[0]);
}

static void expect_two_draws(bool evaluated_before)
{
    reel_tensor *left, *right;
    float values[2][32];
    siamese(false, &left, &right);
    reel_keep(left, "left"), reel_keep(right, "right");
    if (evaluated_before) cr_assert_eq(reel_eval(tape, &right, 1), REEL_OK, "%s", reel_tape_error(tape));
    run();
    read32(left, values[0]), read32(right, values[1]);
    cr_expect_arr_neq(values[0], values[1], sizeof values[0]);
}

Test(draw, of_two_entries_are_two) { expect_two_draws(false); }

Test(draw, of_two_entries_are_two_after_an_evaluation_of_one) { expect_two_draws(true); }

Test(draw, of_a_run_is_the_same_whether_or_not_something_was_evaluated_before)
{
    reel_tensor *left, *right;
    float sums[2][32];
    for (int i = 0; i < 2; i++) {
        end(), begin_with_input();
        reel_tensor *y = siamese(false, &left, &right);
        if (i) cr_assert_eq(reel_eval(tape, &right, 1), REEL_OK, "%s", reel_tape_error(tape));
        run();
        read32(y, sums[i]);
    }
    cr_expect_arr_eq(sums[0], sums[1], sizeof sums[0]);
}

/* As above, but each branch keeps a value, as a layer may. */
Test(draw, of_two_entries_does_not_depend_on_the_order_in_which_values_were_kept)
{
    float sums[2][4];
    for (int i = 0; i < 2; i++) {
        end(), begin_with_input();
        reel_tensor *u[2];
        for (int k = 0; k < 2; k++) {
            reel_scope_push(tape, "branch");
            u[k] = reel_keep(reel_uniform(x, "u", REEL_SHAPE(4)), "kept");
            reel_scope_pop(tape);
        }
        reel_tensor *y = reel_keep(reel_sub(reel_scale(u[i], 3), u[!i]), "y");
        run();
        read4(y, sums[i]);
    }
    cr_expect_arr_eq(sums[0], sums[1], sizeof sums[0]);
}

Test(draw, that_drops_keeps_about_its_share_and_scales_the_rest)
{
    enum { N = 4096 };
    reel_tensor *ones = reel_fill(x, REEL_SHAPE(N), 1), *y = reel_keep(reel_dropout(ones, "d", 0.25), "y");
    static float values[N];
    int dropped = 0;
    run();
    cr_assert_eq(reel_read_f32(y, values, N), REEL_OK);
    for (int i = 0; i < N; i++) {
        cr_expect(values[i] == 0 || values[i] == (float)(1 / 0.75));
        dropped += values[i] == 0;
    }
    cr_expect(dropped > N / 4 - 120 && dropped < N / 4 + 120, "%d", dropped); /* 4.3 standard deviations */
}

/* ---- Evaluating tapes ---------------------------------------------------------------------------------------------- */

static reel_tape *evaluating_tape(void) { return reel_tape_new(model, (reel_tape_options){ .evaluate = true }); }

Test(evaluating, drops_nothing_and_says_so)
{
    reel_tape *e = evaluating_tape();
    reel_tensor *a = reel_input(e, "a", REEL_F32, REEL_SHAPE(4));
    cr_expect_eq(reel_dropout(a, "d", 0.5), a);
    cr_expect(reel_is_evaluating(e) && !reel_is_evaluating(tape));
    reel_tape_free(e);
}

Test(evaluating, sees_the_parameters_as_they_are_trained)
{
    reel_tensor *w = reel_parameter(x, "w", REEL_SHAPE(4), reel_init_constant(2));
    reel_sgd(total(w), (reel_sgd_options){ .lr = 1 });
    reel_tape *e = evaluating_tape();
    reel_tensor *a = reel_input(e, "a", REEL_F32, REEL_SCALAR);
    reel_tensor *sum = reel_keep(total(reel_parameter(a, "w", REEL_SHAPE(4), reel_init_constant(2))), "sum");
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(reel_run(e), REEL_OK);
        cr_expect_eq(reel_item(sum), 4 * (2 - i));
        run();
    }
    reel_tape_free(e);
}

static reel_tensor *count_on(reel_tape *t)
{
    reel_tensor *n = reel_state(t, "n", REEL_F32, REEL_SCALAR);
    reel_assign(n, reel_shift(n, 1));
    return n;
}

Test(evaluating, has_states_of_its_own_that_begin_as_the_models)
{
    reel_tensor *n = count_on(tape);
    run(), run();
    reel_tape *e[2] = { evaluating_tape(), evaluating_tape() };
    reel_tensor *own[2] = { count_on(e[0]), count_on(e[1]) };
    cr_expect_eq(reel_run(e[0]), REEL_OK);
    cr_expect_eq(reel_run(e[0]), REEL_OK);
    cr_expect_eq(reel_run(e[1]), REEL_OK);
    cr_expect_eq(reel_item(own[0]), 4);
    cr_expect_eq(reel_item(own[1]), 3);
    cr_expect_eq(reel_item(n), 2);
    cr_expect_eq(reel_model_runs(model), 2);
    reel_tape_free(e[0]), reel_tape_free(e[1]);
}

Test(evaluating, refuses_a_second_assignment_to_a_state_of_another_entry)
{
    state("s/n");
    reel_tape *e = evaluating_tape();
    for (int i = 0; i < 2; i++) {
        reel_scope_push(e, "s");
        reel_tensor *n = reel_state(e, "n", REEL_F32, REEL_SCALAR);
        reel_scope_pop(e);
        reel_assign(n, reel_shift(n, 1));
    }
    cr_expect_eq(reel_tape_status(e), REEL_BAD_STATE);
    reel_tape_free(e);
}

Test(evaluating, has_a_counter_of_draws_of_its_own)
{
    reel_keep(reel_uniform(x, "u", REEL_SHAPE(4)), "k");
    float first[2][4], second[2][4];
    for (int i = 0; i < 2; i++) {
        run();
        reel_tape *e = evaluating_tape();
        reel_tensor *u = reel_keep(reel_uniform(reel_input(e, "a", REEL_F32, REEL_SCALAR), "u", REEL_SHAPE(4)), "k");
        cr_expect_eq(reel_run(e), REEL_OK);
        read4(u, first[i]);
        cr_expect_eq(reel_run(e), REEL_OK);
        read4(u, second[i]);
        reel_tape_free(e);
    }
    cr_expect_arr_neq(first[0], second[0], sizeof first[0]);
    cr_expect_arr_eq(first[0], first[1], sizeof first[0], "training runs do not count");
    cr_expect_arr_eq(second[0], second[1], sizeof second[0]);
}

/* ---- The caller's floating-point environment ------------------------------------------------------------------------ */

/* Roundings of every kind, and values that are subnormal on the way. */
static void inexact(float *values)
{
    reel_tensor *tiny = reel_scale(reel_scale(x, 1e-30), 1.3e-12);
    reel_tensor *y = reel_add(reel_div(reel_exp(x), reel_shift(x, 0.1)), reel_scale(reel_scale(tiny, 1e30), 1e12));
    reel_tensor *kept = reel_keep(reel_add(y, reel_sqrt(total(reel_mul(y, y)))), "kept"),
                *small = reel_keep(tiny, "small");
    run(), read4(kept, values), read4(small, values + 4);
}

static const int modes[] = { FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };

Test(run, does_not_depend_on_the_callers_rounding_and_restores_it)
{
    float values[8], other[8];
    inexact(values);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        end(), begin_with_input();
        fesetround(modes[i]);
        inexact(other);
        cr_expect_eq(fegetround(), modes[i]);
        fesetround(FE_TONEAREST);
        cr_expect_arr_eq(other, values, sizeof values);
    }
}

/* reel.h, section 4: initial values are a function of seed, name and element. */
Test(run, begins_with_initial_values_that_do_not_depend_on_rounding)
{
    float values[64], other[64];
    reel_parameter(x, "v", REEL_SHAPE(8, 8), reel_init_normal(0, 0.3));
    cr_assert_eq(reel_model_read_f32(model, "v", values, 64), REEL_OK);
    end(), begin_with_input();
    fesetround(FE_UPWARD);
    reel_parameter(x, "v", REEL_SHAPE(8, 8), reel_init_normal(0, 0.3));
    fesetround(FE_TONEAREST);
    cr_assert_eq(reel_model_read_f32(model, "v", other, 64), REEL_OK);
    cr_expect_arr_eq(other, values, sizeof values);
}

#if defined(__SSE2__)
Test(run, does_not_depend_on_flushing_to_zero_and_restores_the_control_word)
{
    float values[8], other[8];
    inexact(values);
    cr_expect(values[4] > 0 && values[4] < 1.2e-38f, "the test has no subnormal value");
    end(), begin_with_input();
    inexact(other);
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040u);
    cr_assert_eq((reel_run)(tape), REEL_OK);
    const unsigned during = _mm_getcsr();
    _mm_setcsr(before);
    cr_expect_eq(during, before | 0x8040u, "%x became %x", before | 0x8040u, during);
    read4(reel_find(tape, "kept"), other), read4(reel_find(tape, "small"), other + 4);
    cr_expect_arr_eq(other, values, sizeof values);
}
#endif
