/* What a kept value and a loss are when they are read: those of the last run, whoever writes in between and whatever is
 * done in place; by both executors. */
#include "fixture.h"

#include <stdlib.h>

static reel_tensor *like(void) { return reel_input(tape, "like", REEL_F32, REEL_SHAPE(1)); }

static void write_model(const char *name, float a, float b)
{
    cr_assert_eq(reel_model_write_f32(model, name, (float[]){ a, b }, 2), REEL_OK, "%s", reel_model_error(model));
}

static void expect(reel_tensor *x, float a, float b)
{
    float y[2] = { -99, -99 };
    cr_assert_eq(reel_read_f32(x, y, reel_count(x)), REEL_OK, "%s", reel_tape_error(tape));
    cr_expect_eq(y[0], a, "%s: %g, not %g", reel_op_name(x), (double)y[0], (double)a);
    if (reel_count(x) > 1) cr_expect_eq(y[1], b, "%s: second %g, not %g", reel_op_name(x), (double)y[1], (double)b);
}

#define BY_BOTH_EXECUTORS(name)                                                                                        \
    static void name(void);                                                                                            \
    Test(kept, name##_planned) { setenv("REEL_PLAIN", "0", 1), begin(), name(), end(); }                               \
    Test(kept, name##_plain) { setenv("REEL_PLAIN", "1", 1), begin(), name(), end(); }                                 \
    static void name(void)

BY_BOTH_EXECUTORS(a_loss_that_is_a_parameter_has_its_value_at_the_start)
{
    reel_tensor *x = like(), *p = reel_parameter(x, "p", REEL_SCALAR, reel_init_constant(2));
    reel_tensor *same = reel_keep(reel_reshape(p, REEL_SHAPE(1)), "same");
    reel_sgd(p, (reel_sgd_options){ .lr = 0.5 });
    for (int k = 0; k < 3; k++) {
        run();
        expect(p, 2 - 0.5f * (float)k, 0), expect(same, 2 - 0.5f * (float)k, 0);
        cr_expect_eq(reel_item(p), 2 - 0.5 * k);
    }
    float now = 0;
    reel_model_read_f32(model, "p", &now, 1);
    cr_expect_eq(now, 0.5f);
}

BY_BOTH_EXECUTORS(a_kept_parameter_and_a_kept_state_have_their_values_at_the_start)
{
    reel_tensor *x = like(), *p = reel_keep(reel_parameter(x, "p", REEL_SHAPE(2), reel_init_constant(2)), "kept/p");
    reel_tensor *s = reel_keep(reel_state(tape, "s", REEL_F32, REEL_SHAPE(2)), "kept/s");
    reel_tensor *other = reel_parameter(x, "other", REEL_SHAPE(2), reel_init_constant(7));
    reel_assign(p, reel_scale(p, 3)), reel_assign(s, reel_add(s, p)), reel_assign(other, reel_shift(other, 1));
    expect(p, 2, 2); /* before any run: what it is */
    run();
    expect(p, 2, 2), expect(s, 0, 0), expect(other, 8, 8); /* not kept: what it is now */
    run();
    expect(p, 6, 6), expect(s, 2, 2), expect(other, 9, 9);
    write_model("p", 1, 5);
    expect(p, 6, 6);
    run();
    expect(p, 1, 5), expect(s, 8, 8);
}

BY_BOTH_EXECUTORS(a_kept_parameter_that_is_written_by_its_handle_is_still_of_the_run)
{
    reel_tensor *p = reel_keep(reel_parameter(like(), "p", REEL_SHAPE(2), reel_init_constant(2)), "kept");
    reel_tensor *same = reel_keep(reel_flip(p, REEL_ALL), "same");
    reel_assign(p, reel_scale(p, 3));
    run();
    reel_write_f32(p, (float[]){ 4, 5 }, 2);
    expect(p, 2, 2), expect(same, 2, 2);
    run();
    expect(p, 4, 5), expect(same, 5, 4);
}

BY_BOTH_EXECUTORS(an_evaluation_of_something_else_changes_nothing_that_is_kept)
{
    reel_tensor *x = like(), *p = reel_keep(reel_parameter(x, "p", REEL_SHAPE(2), reel_init_constant(2)), "kept");
    reel_tensor *same = reel_keep(reel_flip(p, REEL_ALL), "same"), *other = reel_exp(x);
    reel_assign(p, reel_scale(p, 3));
    reel_write_f32(x, (float[]){ 0 }, 1);
    run();
    cr_assert_eq(reel_eval(tape, &other, 1), REEL_OK);
    expect(p, 2, 2), expect(same, 2, 2), expect(other, 1, 0);
    cr_assert_eq(reel_eval(tape, NULL, 0), REEL_OK);
    expect(p, 2, 2);
    cr_assert_eq(reel_eval(tape, &p, 1), REEL_OK);
    expect(p, 6, 6);
    run();
    expect(p, 6, 6), expect(same, 6, 6);
}

BY_BOTH_EXECUTORS(a_kept_assignment_is_what_was_assigned)
{
    reel_tensor *p = reel_parameter(like(), "p", REEL_SHAPE(2), reel_init_constant(2));
    reel_tensor *a = reel_keep(reel_assign(p, reel_scale(p, 3)), "a"),
                *view = reel_keep(reel_flip(a, REEL_ALL), "view");
    reel_tensor *sum = reel_keep(reel_sum(a, REEL_ALL, REEL_DROP), "sum");
    run();
    write_model("p", 50, 60);
    expect(a, 6, 6), expect(view, 6, 6), expect(sum, 12, 0), expect(p, 50, 60);
    run();
    expect(a, 150, 180), expect(view, 180, 150), expect(sum, 330, 0);
    reel_write_f32(p, (float[]){ 1, 2 }, 2);
    expect(a, 150, 180);
}

BY_BOTH_EXECUTORS(an_assignment_is_kept_in_one_recording_and_not_in_the_next)
{
    for (int k = 0; k < 6; k++) {
        reel_tape_clear(tape);
        reel_tensor *p = reel_parameter(like(), "p", REEL_SHAPE(2), reel_init_constant(2));
        reel_tensor *a = reel_assign(p, reel_shift(p, 1));
        if (k % 2) reel_keep(a, "a");
        run();
        if (k % 2) write_model("p", 10, 20), expect(a, k == 1 ? 4 : 12, k == 1 ? 4 : 22);
    }
}

BY_BOTH_EXECUTORS(a_loss_that_is_an_assignment_is_what_was_assigned)
{
    reel_tensor *p = reel_parameter(like(), "p", REEL_SCALAR, reel_init_constant(2));
    reel_tensor *s = reel_state(tape, "s", REEL_F32, REEL_SCALAR), *a = reel_assign(s, reel_square(p));
    reel_sgd(a, (reel_sgd_options){ .lr = 0.25 });
    run();
    reel_model_write_f32(model, "s", (float[]){ 50 }, 1);
    expect(a, 4, 0);
    run();
    expect(a, 1, 0);
}

BY_BOTH_EXECUTORS(states_exchanged_and_kept_are_the_old_ones)
{
    reel_tensor *a = reel_keep(reel_state(tape, "a", REEL_F32, REEL_SHAPE(2)), "old/a");
    reel_tensor *b = reel_keep(reel_state(tape, "b", REEL_F32, REEL_SHAPE(2)), "old/b");
    reel_tensor *to_a = reel_keep(reel_assign(a, b), "new/a");
    reel_assign(b, a);
    write_model("a", 1, 2), write_model("b", 3, 4);
    run();
    expect(a, 1, 2), expect(b, 3, 4), expect(to_a, 3, 4);
    write_model("a", 9, 9), write_model("b", 9, 9);
    expect(a, 1, 2), expect(b, 3, 4), expect(to_a, 3, 4);
}

BY_BOTH_EXECUTORS(an_evaluation_reads_what_is_there)
{
    reel_tensor *p = reel_keep(reel_parameter(like(), "p", REEL_SHAPE(2), reel_init_constant(2)), "p/old");
    reel_tensor *y = reel_scale(p, 10);
    reel_assign(p, reel_shift(p, 1));
    run();
    expect(p, 2, 2);
    cr_assert_eq(reel_eval(tape, (reel_tensor *[]){ p, y }, 2), REEL_OK);
    expect(p, 3, 3), expect(y, 30, 30);
}

BY_BOTH_EXECUTORS(after_a_run_that_failed_nothing_is_changed)
{
    reel_tensor *p = reel_keep(reel_parameter(like(), "p", REEL_SHAPE(2), reel_init_constant(2)), "p/old");
    reel_tensor *i = reel_input(tape, "i", REEL_I32, REEL_SHAPE(2));
    reel_assign(p, reel_take(reel_shift(p, 1), i, 0));
    reel_write_i32(i, (int32_t[]){ 0, 1 }, 2);
    run();
    expect(p, 2, 2);
    reel_write_i32(i, (int32_t[]){ 0, 2 }, 2);
    cr_assert_eq(reel_run(tape), REEL_BAD_INDEX);
    cr_assert_not_null(reel_tape_error(tape));
    expect(p, 3, 3);
    reel_write_i32(i, (int32_t[]){ 1, 0 }, 2);
    run();
    expect(p, 3, 3);
}

/* Also what a plan has folded. */
BY_BOTH_EXECUTORS(what_is_kept_after_a_run_is_known_after_the_next)
{
    reel_tensor *x = like(), *folded = reel_exp(reel_fill(x, REEL_SHAPE(2), 0));
    reel_keep(reel_add(x, folded), "y");
    reel_write_f32(x, (float[]){ 3 }, 1);
    run();
    reel_keep(folded, "late");
    float values[2];
    cr_expect_eq(reel_read_f32(folded, values, 2), REEL_BAD_STATE);
    cr_expect_not_null(reel_tape_error(tape));
    run();
    expect(folded, 1, 1);
}
