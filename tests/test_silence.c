/* Nothing happens in silence: an error of a run, a read or a write does not stop what is recorded after it, and stays
 * until somebody has heard of it. */
#include "fixture.h"

#include <string.h>

/* ---- Updates are recorded whatever a run, a read or a write has left ---------------------------------------------- */

static reel_tensor *x, *loss; /* an input [2,3] that is not written, and what becomes of it */

static void begin_with_loss(void)
{
    begin();
    x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
    loss = average(reel_square(reel_linear(x, "a", 2)));
}

static void by_nothing(void) {}
static void by_a_run(void)
{
    reel_keep(loss, "loss");
    cr_assert_neq(reel_run(tape), REEL_OK);
}
static void by_an_evaluation(void) { cr_assert_neq(reel_eval(tape, &loss, 1), REEL_OK); }
static void by_a_read(void)
{
    float room[6];
    cr_assert_neq(reel_read_f32(x, room, 6), REEL_OK);
}
static void by_an_item(void) { cr_assert(reel_item(loss) != reel_item(loss)); }
static void by_a_write(void) { cr_assert_neq(reel_write_f32(x, (float[]){ 1 }, 1), REEL_OK); }

static void sgd(void) { reel_sgd(loss, (reel_sgd_options){ .lr = 0.1 }); }
static void momentum(void) { reel_sgd(loss, (reel_sgd_options){ .lr = 0.1, .momentum = 0.9 }); }
static void adam(void) { reel_adam(loss, (reel_adam_options){ .lr = 0.1 }); }
static void decayed(void) { reel_sgd(reel_add(loss, reel_l2(loss, "a/w", 0.1)), (reel_sgd_options){ .lr = 0.1 }); }
static void clipped(void)
{
    reel_list *p = reel_parameters(loss, NULL);
    reel_list *g = reel_clip_norm(reel_gradients(loss, p), 0.01);
    reel_sgd_update(p, g, (reel_sgd_options){ .lr = 0.1 });
}
static void by_hand(void)
{
    reel_scope_push(tape, "a");
    reel_tensor *w = reel_parameter(x, "w", REEL_SHAPE(3, 2), reel_init_fan_in_uniform(1));
    reel_scope_pop(tape);
    reel_assign(w, reel_sub(w, reel_gradient(loss, w)));
}

typedef void action(void);

static void weights_after(action *fail, action *update, float *w)
{
    begin_with_loss();
    fail();
    if (fail != by_nothing) cr_assert_neq(reel_tape_status(tape), REEL_OK);
    cr_assert_eq(reel_recording_status(tape), REEL_OK);
    update();
    cr_assert_eq(reel_recording_status(tape), REEL_OK, "%s", reel_tape_error(tape));
    reel_write_f32(x, (float[]){ 1, 2, 3, 4, 5, 6 }, 6);
    for (int i = 0; i < 3; i++) cr_assert_eq(reel_run(tape), REEL_OK);
    cr_assert_eq(reel_model_read_f32(model, "a/w", w, 6), REEL_OK);
    end();
}

static action *const failures[] = { by_a_run, by_an_evaluation, by_a_read, by_an_item, by_a_write };

static void expect_moves(const char *name, action *update)
{
    float right[6], got[6], first[6];
    begin_with_loss();
    reel_model_read_f32(model, "a/w", first, 6);
    end();
    weights_after(by_nothing, update, right);
    cr_expect_neq(memcmp(first, right, sizeof right), 0, "%s moves nothing", name);
    for (int i = 0; i < COUNT(failures); i++) {
        weights_after(failures[i], update, got);
        cr_expect_eq(memcmp(got, right, sizeof right), 0, "%s after failure %d: %g, not %g", name, i, (double)got[0],
                     (double)right[0]);
    }
}

Test(silence, an_update_is_recorded_after_a_run_a_read_or_a_write_has_failed)
{
    expect_moves("sgd", sgd);
    expect_moves("momentum", momentum);
    expect_moves("adam", adam);
    expect_moves("l2", decayed);
    expect_moves("clip_norm", clipped);
    expect_moves("assign", by_hand);
}

Test(silence, an_error_in_recording_is_the_status_of_the_recording)
{
    begin_with_loss();
    reel_find(tape, "nothing");
    cr_expect_eq(reel_recording_status(tape), REEL_BAD_NAME);
    reel_tape_clear(tape);
    cr_expect_eq(reel_recording_status(tape), REEL_OK);
    end();
    cr_expect_neq(reel_recording_status(NULL), REEL_OK);
}

/* ---- An error is there until it was heard --------------------------------------------------------------------------- */

/* A good program; a call that is not part of it fails. */
static void begin_good(void)
{
    begin_with_loss();
    reel_keep(loss, "loss");
}

static void succeed(void)
{
    float room[6];
    cr_expect_eq(reel_write_f32(x, (float[]){ 1, 2, 3, 4, 5, 6 }, 6), REEL_OK);
    cr_expect_eq(reel_run(tape), REEL_OK);
    cr_expect_eq(reel_read_f32(x, room, 6), REEL_OK);
    cr_expect(reel_item(loss) == reel_item(loss));
    cr_expect_eq(reel_eval(tape, &loss, 1), REEL_OK);
}

static void fail_otherwise(void)
{
    cr_expect_eq(reel_write_f64(x, (double[]){ 1 }, 1), REEL_BAD_DTYPE);
    cr_expect_eq(reel_read_f32(x, NULL, 6), REEL_BAD_ARGUMENT);
}

static const struct {
    const char *name, *message;
    action *fail;
    reel_status status;
} running[] = { { "run", "run: the input x", by_a_run, REEL_BAD_STATE },
                { "eval", "eval: the input x", by_an_evaluation, REEL_BAD_STATE },
                { "read", "read: the input x", by_a_read, REEL_BAD_STATE },
                { "item", "item: div", by_an_item, REEL_BAD_STATE },
                { "write", "write_f32: x [2,3]", by_a_write, REEL_BAD_ARGUMENT } };

static bool says(const char *message)
{
    const char *error = reel_tape_error(tape);
    return error && strncmp(error, message, strlen(message)) == 0;
}

Test(silence, an_error_stays_until_it_was_heard)
{
    for (int i = 0; i < COUNT(running); i++) {
        begin_with_loss();
        running[i].fail();
        if (running[i].fail != by_a_run) reel_keep(loss, "loss");
        succeed();
        fail_otherwise();
        succeed();
        reel_relu(x); /* recording goes on */
        for (int twice = 0; twice < 2; twice++) {
            cr_expect(says(running[i].message), "%s: %s", running[i].name, reel_tape_error(tape));
            cr_expect_eq(reel_tape_status(tape), running[i].status, "%s", running[i].name);
        }
        succeed();
        cr_expect_null(reel_tape_error(tape), "%s outlasts a success after it was heard", running[i].name);
        end();
    }
}

Test(silence, a_status_is_heard_as_a_message_is)
{
    begin_good();
    by_a_write();
    cr_expect_eq(reel_tape_status(tape), REEL_BAD_ARGUMENT);
    by_a_read();
    cr_expect(says("read: the input x"), "%s", reel_tape_error(tape));
    end_after_error();
}

Test(silence, each_call_that_accesses_values_begins_without_what_was_heard)
{
    static action *const calls[] = { by_a_write, by_a_read, by_an_item, by_an_evaluation };
    static const char *const messages[] = { "write_f32: x [2,3]", "read: the input x", "item: div",
                                            "eval: the input x" };
    for (int i = 0; i < COUNT(calls); i++) {
        begin_with_loss();
        (i ? by_a_write : by_a_read)();
        cr_expect_not_null(reel_tape_error(tape));
        calls[i]();
        cr_expect(says(messages[i]), "%s", reel_tape_error(tape));
        end_after_error();
    }
}

Test(silence, a_picture_or_a_report_is_no_answer)
{
    begin_good();
    by_a_write();
    cr_expect_neq(reel_tape_write_dot(tape, "/nowhere/at/all"), REEL_OK);
    cr_expect_neq(reel_tape_write_plan(tape, "/nowhere/at/all"), REEL_OK);
    cr_expect(says("write_f32: x [2,3]"), "%s", reel_tape_error(tape));
    end_after_error();
}

Test(silence, clearing_ends_an_error_that_nobody_heard)
{
    begin_good();
    by_a_write();
    reel_tape_clear(tape);
    cr_expect_null(reel_tape_error(tape));
    end();
}

Test(silence, a_line_is_that_of_the_first_error)
{
    begin_good();
    (reel_write_f32)(x, NULL, 6);
    reel_read_f32(x, NULL, 6);
    cr_expect_str_eq(reel_tape_error(tape), "write_f32: data is NULL");
    end_after_error();
}

/* ---- And so on a model ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *message;
    reel_status status;
} calls_of_a_model[] = {
    { "model_read_f32: the model has no \"nothing\"", REEL_BAD_NAME },
    { "model_write_f64: \"a/w\" is f32", REEL_BAD_DTYPE },
    { "model_reset: nothing", REEL_BAD_NAME },
    { "model_load: /nowhere/at/all: ", REEL_BAD_FILE },
    { "model_save: /nowhere/at/all: ", REEL_BAD_FILE },
};

enum { CALLS = COUNT(calls_of_a_model) };

static reel_status call_of_a_model(int i)
{
    float f[6];
    return i == 0   ? reel_model_read_f32(model, "nothing", f, 6)
           : i == 1 ? reel_model_write_f64(model, "a/w", (double[]){ 1 }, 1)
           : i == 2 ? reel_model_reset(model, "nothing/**")
           : i == 3 ? reel_model_load(model, "/nowhere/at/all")
                    : reel_model_save(model, "/nowhere/at/all");
}

static bool model_says(int i)
{
    const char *error = reel_model_error(model), *message = calls_of_a_model[i].message;
    return error && strncmp(error, message, strlen(message)) == 0;
}

Test(silence, an_error_of_a_model_stays_until_it_was_heard)
{
    for (int i = 0; i < CALLS; i++) {
        begin_with_loss();
        float w[6];
        cr_expect_eq(call_of_a_model(i), calls_of_a_model[i].status);
        cr_expect_eq(reel_model_read_f32(model, "a/w", w, 6), REEL_OK);
        for (int k = 0; k < CALLS; k++) cr_expect_eq(call_of_a_model(k), calls_of_a_model[k].status);
        for (int twice = 0; twice < 2; twice++) cr_expect(model_says(i), "%d: %s", i, reel_model_error(model));
        cr_expect_eq(call_of_a_model((i + 1) % CALLS), calls_of_a_model[(i + 1) % CALLS].status);
        cr_expect(model_says((i + 1) % CALLS), "%d: %s", i, reel_model_error(model));
        cr_expect_eq(reel_model_read_f32(model, "a/w", w, 6), REEL_OK);
        cr_expect_null(reel_model_error(model));
        end();
    }
}
