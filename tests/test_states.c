/* States on an evaluating tape: the model's are read until they are assigned, new ones begin at zero, and neither is ever
 * written to the model. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

static reel_tape *evaluating(void)
{
    return reel_tape_new(model, (reel_tape_options){ .evaluate = true, .threads = 1 });
}

/* h ← h + x, the state and what it becomes. */
static reel_tensor *add_up(reel_tape *e, reel_tensor *x, const char *name)
{
    reel_tensor *h = reel_state(e, name, REEL_F32, REEL_SHAPE(2));
    return reel_assign(h, reel_add(h, x));
}

static void expect(reel_tensor *x, float first, float second)
{
    float got[2];
    cr_assert_eq(reel_read_f32(x, got, 2), REEL_OK, "%s", reel_tape_error(reel_tape_of(x)));
    cr_expect(got[0] == first && got[1] == second, "[%g, %g], not [%g, %g]", (double)got[0], (double)got[1],
              (double)first, (double)second);
}

Test(states, that_are_new_begin_at_zero_on_an_evaluating_tape, .init = begin, .fini = end)
{
    for (int plain = 0; plain < 2; plain++) {
        if (plain) setenv("REEL_PLAIN", "1", 1);
        reel_tape *e = evaluating();
        reel_tensor *x = reel_input(e, "x", REEL_F32, REEL_SHAPE(2)), *h = add_up(e, x, "h");
        reel_write_f32(x, (float[]){ 1, 10 }, 2);
        for (int i = 1; i <= 3; i++) {
            cr_assert_eq(reel_run(e), REEL_OK, "%s", reel_tape_error(e));
            expect(h, (float)i, (float)(10 * i));
        }
        cr_expect_eq(reel_model_count(model), 0, "the model has got a value");
        cr_expect_eq(reel_model_runs(model), 0);
        reel_tape_free(e);
        unsetenv("REEL_PLAIN");
    }
}

Test(states, of_a_tape_are_its_own, .init = begin, .fini = end)
{
    reel_tape *e[2] = { evaluating(), evaluating() };
    for (int i = 0; i < 2; i++) {
        reel_tensor *x = reel_input(e[i], "x", REEL_F32, REEL_SHAPE(2)), *h = add_up(e[i], x, "h");
        reel_write_f32(x, (float[]){ 1, 2 }, 2);
        cr_assert_eq(reel_run(e[i]), REEL_OK);
        expect(h, 1, 2);
    }
    for (int i = 0; i < 2; i++) reel_tape_free(e[i]);
}

Test(states, that_are_new_outlast_a_clear, .init = begin, .fini = end)
{
    reel_tape *e = evaluating();
    for (int i = 1; i <= 3; i++) {
        reel_tape_clear(e);
        reel_tensor *x = reel_input(e, "x", REEL_F32, REEL_SHAPE(2)), *h = add_up(e, x, "h");
        reel_write_f32(x, (float[]){ 1, 2 }, 2);
        cr_assert_eq(reel_run(e), REEL_OK);
        expect(h, (float)i, (float)(2 * i));
    }
    reel_tape_clear(e);
    reel_state(e, "h", REEL_F32, REEL_SHAPE(3));
    cr_expect_eq(reel_tape_status(e), REEL_BAD_NAME);
    cr_expect(strstr(reel_tape_error(e), "state: \"h\" exists as state f32 [2], not as f32 [3]"), "%s",
              reel_tape_error(e));
    reel_tape_free(e);
}

Test(states, that_the_model_has_are_read_until_they_are_assigned, .init = begin, .fini = end)
{
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2));
    add_up(tape, x, "h");
    reel_write_f32(x, (float[]){ 5, 6 }, 2);
    cr_assert_eq(reel_run(tape), REEL_OK);
    reel_tape *reads = evaluating(), *writes = evaluating();
    reel_tensor *h = reel_state(reads, "h", REEL_F32, REEL_SHAPE(2)), *twice = reel_scale(h, 2);
    cr_assert_eq(reel_run(reads), REEL_OK);
    expect(twice, 10, 12);
    reel_tensor *one = reel_input(writes, "x", REEL_F32, REEL_SHAPE(2)), *next = add_up(writes, one, "h");
    reel_write_f32(one, (float[]){ 1, 1 }, 2);
    for (int i = 1; i <= 2; i++) {
        cr_assert_eq(reel_run(writes), REEL_OK);
        expect(next, (float)(5 + i), (float)(6 + i));
    }
    cr_assert_eq(reel_run(tape), REEL_OK);
    cr_assert_eq(reel_run(reads), REEL_OK);
    expect(twice, 20, 24);
    cr_assert_eq(reel_run(writes), REEL_OK);
    expect(next, 8, 9);
    reel_tape_free(reads), reel_tape_free(writes);
}

Test(states, of_an_evaluating_tape_are_written_by_it_and_those_of_the_model_are_not, .init = begin, .fini = end)
{
    reel_state(tape, "shared", REEL_F32, REEL_SHAPE(2));
    reel_tape *e = evaluating();
    reel_tensor *h = reel_state(e, "h", REEL_F32, REEL_SHAPE(2)), *next = reel_assign(h, reel_shift(h, 1));
    reel_tensor *shared = reel_state(e, "shared", REEL_F32, REEL_SHAPE(2));
    for (int sequence = 0; sequence < 2; sequence++) { /* begins again where it is told to */
        cr_assert_eq(reel_write_f32(h, (float[]){ 5, 7 }, 2), REEL_OK, "%s", reel_tape_error(e));
        for (int k = 1; k <= 2; k++) {
            cr_assert_eq(reel_run(e), REEL_OK, "%s", reel_tape_error(e));
            expect(next, (float)(5 + k), (float)(7 + k));
        }
    }
    cr_expect_eq(reel_write_f32(shared, (float[]){ 5, 7 }, 2), REEL_BAD_STATE);
    cr_expect(strstr(reel_tape_error(e), "write: an evaluating tape never writes shared"), "%s", reel_tape_error(e));
    reel_tape_free(e);
}

Test(states, that_are_new_are_refused_in_a_sealed_model_and_parameters_always, .init = begin, .fini = end)
{
    reel_tape *e = evaluating();
    reel_tensor *x = reel_input(e, "x", REEL_F32, REEL_SHAPE(2));
    reel_parameter(x, "w", REEL_SHAPE(2), reel_init_zeros());
    cr_expect_eq(reel_tape_status(e), REEL_BAD_NAME);
    cr_expect(
        strstr(reel_tape_error(e), "parameter: an evaluating tape makes no parameters and the model has no \"w\""),
        "%s", reel_tape_error(e));
    reel_tape_clear(e);
    reel_model_seal(model);
    reel_state(e, "h", REEL_F32, REEL_SHAPE(2));
    cr_expect_eq(reel_tape_status(e), REEL_BAD_NAME);
    cr_expect(strstr(reel_tape_error(e), "state: the model is sealed and has no \"h\""), "%s", reel_tape_error(e));
    reel_tape_free(e);
}

Test(states, and_parameters_of_one_name_are_told_apart, .init = begin, .fini = end)
{
    reel_parameter(reel_input(tape, "x", REEL_F32, REEL_SHAPE(2)), "w", REEL_SHAPE(2), reel_init_zeros());
    reel_tape *e = evaluating();
    reel_state(e, "w", REEL_F32, REEL_SHAPE(2));
    cr_expect_eq(reel_tape_status(e), REEL_BAD_NAME);
    cr_expect(strstr(reel_tape_error(e), "state: \"w\" exists as a parameter"), "%s", reel_tape_error(e));
    reel_tape_clear(e);
    reel_tensor *x = reel_input(e, "x", REEL_F32, REEL_SHAPE(2));
    reel_tensor *w = reel_parameter(x, "w", REEL_SHAPE(2), reel_init_zeros());
    reel_assign(w, x);
    cr_expect(strstr(reel_tape_error(e), "assign: an evaluating tape never writes the parameter w"), "%s",
              reel_tape_error(e));
    reel_tape_free(e);
}
