/* Nothing happens in silence: an error of a run, a read or a write does not stop what is recorded after it, and stays
 * until somebody has heard of it. */
#include <criterion/criterion.h>

#include <reel.h>
#include <string.h>

/* ---- Updates are recorded whatever a run, a read or a write has left ---------------------------------------------- */

typedef struct step {
    reel_model *model;
    reel_tape *tape;
    reel_tensor *x, *loss;
} step;

static step begin(void)
{
    step s = { .model = reel_model_new((reel_model_options){ .seed = 1 }) };
    s.tape = reel_tape_new(s.model, (reel_tape_options){ .threads = 1 });
    s.x = reel_input(s.tape, "x", REEL_F32, REEL_SHAPE(2, 3));
    s.loss = reel_mean(reel_square(reel_linear(s.x, "a", 2)), REEL_ALL, REEL_DROP);
    return s;
}

static void end(step *s)
{
    reel_tape_free(s->tape);
    reel_model_free(s->model);
}

static void by_nothing(const step *s) { (void)s; }
static void by_a_run(const step *s)
{
    reel_keep(s->loss, "loss");
    cr_assert_neq(reel_run(s->tape), REEL_OK);
}
static void by_an_evaluation(const step *s) { cr_assert_neq(reel_eval(s->tape, &s->loss, 1), REEL_OK); }
static void by_a_read(const step *s)
{
    float room[6];
    cr_assert_neq(reel_read_f32(s->x, room, 6), REEL_OK);
}
static void by_an_item(const step *s) { cr_assert(reel_item(s->loss) != reel_item(s->loss)); }
static void by_a_write(const step *s) { cr_assert_neq(reel_write_f32(s->x, (float[]){ 1 }, 1), REEL_OK); }

static void sgd(const step *s) { reel_sgd(s->loss, (reel_sgd_options){ .lr = 0.1 }); }
static void momentum(const step *s) { reel_sgd(s->loss, (reel_sgd_options){ .lr = 0.1, .momentum = 0.9 }); }
static void adam(const step *s) { reel_adam(s->loss, (reel_adam_options){ .lr = 0.1 }); }
static void decayed(const step *s)
{
    reel_sgd(reel_add(s->loss, reel_l2(s->loss, "a/w", 0.1)), (reel_sgd_options){ .lr = 0.1 });
}
static void clipped(const step *s)
{
    reel_list *p = reel_parameters(s->loss, NULL);
    reel_list *g = reel_clip_norm(reel_gradients(s->loss, p), 0.01);
    reel_sgd_update(p, g, (reel_sgd_options){ .lr = 0.1 });
}
static void by_hand(const step *s)
{
    reel_scope_push(s->tape, "a");
    reel_tensor *w = reel_parameter(s->x, "w", REEL_SHAPE(3, 2), reel_init_fan_in_uniform(1));
    reel_scope_pop(s->tape);
    reel_assign(w, reel_sub(w, reel_gradient(s->loss, w)));
}

typedef void action(const step *s);

static void weights_after(action *fail, action *update, float *w)
{
    step s = begin();
    fail(&s);
    if (fail != by_nothing) cr_assert_neq(reel_tape_status(s.tape), REEL_OK);
    cr_assert_eq(reel_recording_status(s.tape), REEL_OK);
    update(&s);
    cr_assert_eq(reel_recording_status(s.tape), REEL_OK, "%s", reel_tape_error(s.tape));
    reel_write_f32(s.x, (float[]){ 1, 2, 3, 4, 5, 6 }, 6);
    for (int i = 0; i < 3; i++) cr_assert_eq(reel_run(s.tape), REEL_OK);
    cr_assert_eq(reel_model_read_f32(s.model, "a/w", w, 6), REEL_OK);
    end(&s);
}

static action *const failures[] = { by_a_run, by_an_evaluation, by_a_read, by_an_item, by_a_write };

static void expect_moves(const char *name, action *update)
{
    float right[6], got[6], first[6];
    step s = begin();
    reel_model_read_f32(s.model, "a/w", first, 6);
    end(&s);
    weights_after(by_nothing, update, right);
    cr_expect_neq(memcmp(first, right, sizeof right), 0, "%s moves nothing", name);
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        weights_after(failures[i], update, got);
        cr_expect_eq(memcmp(got, right, sizeof right), 0, "%s after failure %d: %g, not %g", name, (int)i,
                     (double)got[0], (double)right[0]);
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
    step s = begin();
    reel_find(s.tape, "nothing");
    cr_expect_eq(reel_recording_status(s.tape), REEL_BAD_NAME);
    reel_tape_clear(s.tape);
    cr_expect_eq(reel_recording_status(s.tape), REEL_OK);
    end(&s);
    cr_expect_neq(reel_recording_status(NULL), REEL_OK);
}

/* ---- An error is there until it was heard --------------------------------------------------------------------------- */

/* A good program, beside which a call fails. */
static step good(void)
{
    step s = begin();
    reel_keep(s.loss, "loss");
    return s;
}

static void succeed(const step *s)
{
    float room[6];
    cr_expect_eq(reel_write_f32(s->x, (float[]){ 1, 2, 3, 4, 5, 6 }, 6), REEL_OK);
    cr_expect_eq(reel_run(s->tape), REEL_OK);
    cr_expect_eq(reel_read_f32(s->x, room, 6), REEL_OK);
    cr_expect(reel_item(s->loss) == reel_item(s->loss));
    cr_expect_eq(reel_eval(s->tape, &s->loss, 1), REEL_OK);
}

static void fail_otherwise(const step *s)
{
    cr_expect_eq(reel_write_f64(s->x, (double[]){ 1 }, 1), REEL_BAD_DTYPE);
    cr_expect_eq(reel_read_f32(s->x, NULL, 6), REEL_BAD_ARGUMENT);
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

static bool says(const reel_tape *tape, const char *message)
{
    const char *error = reel_tape_error(tape);
    return error && strncmp(error, message, strlen(message)) == 0;
}

Test(silence, an_error_stays_until_it_was_heard)
{
    for (size_t i = 0; i < sizeof running / sizeof *running; i++) {
        step s = begin();
        running[i].fail(&s);
        if (running[i].fail != by_a_run) reel_keep(s.loss, "loss");
        succeed(&s);
        fail_otherwise(&s);
        succeed(&s);
        reel_relu(s.x); /* recording goes on */
        for (int twice = 0; twice < 2; twice++) {
            cr_expect(says(s.tape, running[i].message), "%s: %s", running[i].name, reel_tape_error(s.tape));
            cr_expect_eq(reel_tape_status(s.tape), running[i].status, "%s", running[i].name);
        }
        succeed(&s);
        cr_expect_null(reel_tape_error(s.tape), "%s outlasts a success after it was heard", running[i].name);
        end(&s);
    }
}

Test(silence, a_status_is_heard_as_a_message_is)
{
    step s = good();
    by_a_write(&s);
    cr_expect_eq(reel_tape_status(s.tape), REEL_BAD_ARGUMENT);
    by_a_read(&s);
    cr_expect(says(s.tape, "read: the input x"), "%s", reel_tape_error(s.tape));
    end(&s);
}

Test(silence, each_call_that_accesses_values_begins_without_what_was_heard)
{
    static action *const calls[] = { by_a_write, by_a_read, by_an_item, by_an_evaluation };
    static const char *const messages[] = { "write_f32: x [2,3]", "read: the input x", "item: div",
                                            "eval: the input x" };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        step s = begin();
        (i ? by_a_write : by_a_read)(&s);
        cr_expect_not_null(reel_tape_error(s.tape));
        calls[i](&s);
        cr_expect(says(s.tape, messages[i]), "%s", reel_tape_error(s.tape));
        end(&s);
    }
}

Test(silence, a_picture_or_a_report_is_no_answer)
{
    step s = good();
    by_a_write(&s);
    cr_expect_neq(reel_tape_write_dot(s.tape, "/nowhere/at/all"), REEL_OK);
    cr_expect_neq(reel_tape_write_plan(s.tape, "/nowhere/at/all"), REEL_OK);
    cr_expect(says(s.tape, "write_f32: x [2,3]"), "%s", reel_tape_error(s.tape));
    end(&s);
}

Test(silence, clearing_ends_an_error_that_nobody_heard)
{
    step s = good();
    by_a_write(&s);
    reel_tape_clear(s.tape);
    cr_expect_null(reel_tape_error(s.tape));
    end(&s);
}

Test(silence, a_line_is_that_of_the_first_error)
{
    step s = good();
    (reel_write_f32)(s.x, NULL, 6);
    reel_read_f32(s.x, NULL, 6);
    cr_expect_str_eq(reel_tape_error(s.tape), "write_f32: data is NULL");
    end(&s);
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

enum { CALLS = sizeof calls_of_a_model / sizeof *calls_of_a_model };

static reel_status call_of_a_model(reel_model *m, int i)
{
    float f[6];
    return i == 0   ? reel_model_read_f32(m, "nothing", f, 6)
           : i == 1 ? reel_model_write_f64(m, "a/w", (double[]){ 1 }, 1)
           : i == 2 ? reel_model_reset(m, "nothing/**")
           : i == 3 ? reel_model_load(m, "/nowhere/at/all")
                    : reel_model_save(m, "/nowhere/at/all");
}

static bool model_says(const reel_model *m, int i)
{
    const char *error = reel_model_error(m), *message = calls_of_a_model[i].message;
    return error && strncmp(error, message, strlen(message)) == 0;
}

Test(silence, an_error_of_a_model_stays_until_it_was_heard)
{
    for (int i = 0; i < CALLS; i++) {
        step s = begin();
        float w[6];
        cr_expect_eq(call_of_a_model(s.model, i), calls_of_a_model[i].status);
        cr_expect_eq(reel_model_read_f32(s.model, "a/w", w, 6), REEL_OK);
        for (int k = 0; k < CALLS; k++) cr_expect_eq(call_of_a_model(s.model, k), calls_of_a_model[k].status);
        for (int twice = 0; twice < 2; twice++)
            cr_expect(model_says(s.model, i), "%d: %s", i, reel_model_error(s.model));
        cr_expect_eq(call_of_a_model(s.model, (i + 1) % CALLS), calls_of_a_model[(i + 1) % CALLS].status);
        cr_expect(model_says(s.model, (i + 1) % CALLS), "%d: %s", i, reel_model_error(s.model));
        cr_expect_eq(reel_model_read_f32(s.model, "a/w", w, 6), REEL_OK);
        cr_expect_null(reel_model_error(s.model));
        end(&s);
    }
}
