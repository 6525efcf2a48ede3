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
static void by_an_evaluation(const step *s) { cr_assert_neq(reel_eval(s->tape, 1, &s->loss), REEL_OK); }
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
    reel_tensor *w = reel_parameter(s->x, "w", REEL_SHAPE(3, 2), reel_fan_in(1));
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
