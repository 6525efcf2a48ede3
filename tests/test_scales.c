/* Gradients and moments of any size: norms scale, clipping works where squares overflow or vanish, and Adam's step is
 * right as long as the square of a gradient is a normal number of its type. */
#include "fixture.h"

#include <float.h>
#include <math.h>
#include <string.h>

TestSuite(norm, .init = begin, .fini = end);
TestSuite(adam, .init = begin, .fini = end);

static reel_tensor *input(const char *name, reel_dtype dtype, int64_t count)
{
    return reel_input(tape, name, dtype, REEL_SHAPE(count));
}

static void write(reel_tensor *x, const double *values)
{
    const int64_t n = reel_count(x);
    float f32[8];
    for (int64_t i = 0; i < n; i++) f32[i] = (float)values[i];
    cr_assert_eq(reel_dtype_of(x) == REEL_F32 ? reel_write_f32(x, f32, n) : reel_write_f64(x, values, n), REEL_OK);
}

static void read(reel_tensor *x, double *values)
{
    const int64_t n = reel_count(x);
    float f32[8];
    if (reel_dtype_of(x) == REEL_F64) cr_assert_eq(reel_read_f64(x, values, n), REEL_OK);
    else cr_assert_eq(reel_read_f32(x, f32, n), REEL_OK);
    for (int64_t i = 0; i < n && reel_dtype_of(x) == REEL_F32; i++) values[i] = (double)f32[i];
}

/* ---- Clipping ------------------------------------------------------------------------------------------------------ */

/* a (3, 4) and (12, 84): of norm 85. */
static const double first[] = { 3, 4 }, second[] = { 12, 84 };

typedef struct clip {
    reel_tensor *x[2], *y[2];
} clip;

static clip clip_of(reel_dtype dtype, double max_norm)
{
    clip c;
    reel_list *list = reel_list_new(tape);
    for (int i = 0; i < 2; i++) {
        c.x[i] = input(i ? "b" : "a", dtype, 2);
        reel_list_append(list, NULL, c.x[i]);
    }
    reel_list *clipped = reel_clip_norm(list, max_norm);
    cr_assert_eq(reel_tape_status(tape), REEL_OK, "%s", reel_tape_error(tape));
    for (int i = 0; i < 2; i++) c.y[i] = reel_keep(reel_list_at(clipped, i), i ? "clipped b" : "clipped a");
    return c;
}

static void write_scaled(const clip *c, double scale)
{
    double values[2];
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 2; k++) values[k] = scale * (i ? second : first)[k];
        write(c->x[i], values);
    }
}

/* Each element is `scale` times what it was; or more exactly, what the type has of that. */
static void expect_scaled(const clip *c, double scale, double epsilon)
{
    cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    for (int i = 0; i < 2; i++) {
        double got[2];
        read(c->y[i], got);
        for (int k = 0; k < 2; k++) {
            const double want = scale * (i ? second : first)[k];
            cr_expect(fabs(got[k] - want) <= 8 * epsilon * want, "[%d][%d]: %g, not %g", i, k, got[k], want);
        }
    }
}

Test(norm, of_what_overflows_when_squared_is_clipped_in_f32)
{
    const double scales[] = { 1, 1e3, 1e10, 1e14, 1e16, 1e18, 1e20, 1e30, 4e36 };
    const clip c = clip_of(REEL_F32, 17);
    for (int i = 0; i < COUNT(scales); i++) {
        write_scaled(&c, scales[i]);
        expect_scaled(&c, 0.2, (double)FLT_EPSILON);
    }
}

Test(norm, of_what_overflows_when_squared_is_clipped_in_f64)
{
    const double scales[] = { 1, 1e20, 1e100, 1e119, 1e121, 1e150, 1e160, 1e300, 2e306 };
    const clip c = clip_of(REEL_F64, 17);
    for (int i = 0; i < COUNT(scales); i++) {
        write_scaled(&c, scales[i]);
        expect_scaled(&c, 0.2, DBL_EPSILON);
    }
}

/* The norm itself, and max_norm, may be larger than the largest number. */
Test(norm, that_is_beyond_the_largest_number_is_clipped)
{
    const double largest[] = { (double)FLT_MAX, (double)FLT_MAX };
    const clip c = clip_of(REEL_F32, 1);
    write(c.x[0], largest), write(c.x[1], largest);
    cr_assert_eq(reel_run(tape), REEL_OK);
    double got[2];
    read(c.y[1], got);
    cr_expect(fabs(got[0] - 0.5) < 1e-6 && fabs(got[1] - 0.5) < 1e-6, "%g %g", got[0], got[1]);
}

Test(norm, below_the_limit_leaves_all_as_it_is)
{
    const double scales[] = { 1e-45, 1e-42, 1e-39, 1e-30, 1e-20, 1e-10, 1, 1e17, 1e25 };
    const clip c = clip_of(REEL_F32, 1e30);
    for (int i = 0; i < COUNT(scales); i++) {
        write_scaled(&c, scales[i]);
        cr_assert_eq(reel_run(tape), REEL_OK);
        double was[2], is[2];
        for (int k = 0; k < 2; k++) {
            read(c.x[k], was), read(c.y[k], is);
            cr_expect_eq(memcmp(was, is, sizeof was), 0, "scale %g: %g is %g", scales[i], was[0], is[0]);
        }
    }
}

Test(norm, is_clipped_to_limits_whose_squares_vanish)
{
    const double limits[] = { 1e-12, 1e-20, 1e-25, 1e-30, 1e-35 };
    for (int i = 0; i < COUNT(limits); i++) {
        const double scales[] = { limits[i], 1, 1e20, 3e36 };
        reel_tape_clear(tape);
        const clip c = clip_of(REEL_F32, 17 * limits[i]);
        for (int k = 0; k < COUNT(scales); k++) {
            write_scaled(&c, scales[k]);
            expect_scaled(&c, 0.2 * limits[i], (double)FLT_EPSILON);
        }
        write_scaled(&c, limits[i] / 10); /* of norm 8.5, below 17 */
        expect_scaled(&c, (double)(float)(limits[i] / 10), (double)FLT_EPSILON);
    }
}

Test(norm, counts_tensors_of_no_elements_and_of_no_axes)
{
    reel_list *list = reel_list_new(tape);
    reel_tensor *s = reel_input(tape, "s", REEL_F32, REEL_SCALAR);
    reel_tensor *none = reel_input(tape, "none", REEL_F32, REEL_SHAPE(3, 0));
    reel_list_append(list, NULL, none);
    reel_list_append(list, NULL, s);
    reel_list *clipped = reel_clip_norm(list, 2);
    reel_tensor *y = reel_keep(reel_list_at(clipped, 1), "y");
    reel_keep(reel_list_at(clipped, 0), "still none");
    cr_assert_eq(reel_write_f32(s, (float[]){ -8 }, 1), REEL_OK);
    cr_assert_eq(reel_write_f32(none, NULL, 0), REEL_OK);
    cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    cr_expect_eq(reel_item(y), -2);
    cr_expect_eq(reel_list_count(reel_clip_norm(reel_list_new(tape), 1)), 0);
}

Test(norm, that_is_not_finite_leaves_all_as_it_is)
{
    const double worst[] = { (double)INFINITY, (double)NAN };
    const clip c = clip_of(REEL_F32, 1);
    for (int i = 0; i < COUNT(worst); i++) {
        double got[2];
        write(c.x[0], (double[]){ worst[i], 3 }), write(c.x[1], first);
        cr_assert_eq(reel_run(tape), REEL_OK);
        read(c.y[0], got);
        cr_expect((isnan(got[0]) ? isnan(worst[i]) : got[0] == worst[i]) && got[1] == 3, "%g %g", got[0], got[1]);
    }
}

/* d (Σ clipped) / dx is known: of x alone and max_norm 1 it is (Σ over k of (δ − x x / r²)) / r. */
Test(norm, has_a_derivative_at_any_size)
{
    const double scales[] = { 0, 1e-30, 1, 1e10, 1e18, 1e20, 1e30 };
    reel_tensor *x = input("x", REEL_F32, 2);
    reel_list *list = reel_list_new(tape);
    reel_list_append(list, NULL, x);
    reel_tensor *y = reel_list_at(reel_clip_norm(list, 1), 0);
    reel_tensor *g = reel_keep(reel_gradient(reel_sum(reel_slice(y, 0, 0, 1), REEL_ALL, REEL_DROP), x), "g");
    for (int i = 0; i < COUNT(scales); i++) {
        double got[2];
        const double r = 5 * scales[i], u = 3 * scales[i], v = 4 * scales[i];
        write(x, (double[]){ u, v });
        cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
        read(g, got);
        const double want[] = { r > 1 ? v / r * (v / r) / r : 1, r > 1 ? -u / r * (v / r) / r : 0 };
        for (int k = 0; k < 2; k++)
            cr_expect(fabs(got[k] - want[k]) <= 1e-5 * (r > 1 ? 1 / r : 1), "scale %g: %g, not %g", scales[i], got[k],
                      want[k]);
    }
}

Test(norm, is_small_in_training_that_goes_on)
{
    reel_tensor *x = input("x", REEL_F32, 4);
    reel_tensor *w = reel_parameter(x, "w", REEL_SHAPE(4), reel_init_constant(1));
    reel_tensor *loss = reel_sum(reel_mul(w, x), REEL_ALL, REEL_DROP);
    reel_list *p = reel_parameters(loss, NULL);
    reel_sgd_update(p, reel_clip_norm(reel_gradients(loss, p), 1), (reel_sgd_options){ .lr = 0.5 });
    cr_assert_eq(reel_write_f32(x, (float[]){ 1e20f, 1e20f, 1e20f, 1e20f }, 4), REEL_OK);
    cr_assert_eq(reel_run(tape), REEL_OK);
    float now[4];
    reel_model_read_f32(model, "w", now, 4);
    cr_expect(fabsf(now[0] - 0.75f) < 1e-6f, "%g", (double)now[0]);
}

/* ---- Adam's moments ------------------------------------------------------------------------------------------------ */

/* The steps for one gradient, again and again: always lr g / (|g| + ε). */
static void expect_steps(reel_dtype dtype, double g, double epsilon, double tolerance)
{
    reel_tape_clear(tape);
    reel_tensor *x = input("x", dtype, 1);
    reel_tensor *w = reel_parameter(x, dtype == REEL_F32 ? "w" : "d", REEL_SHAPE(1), reel_init_zeros());
    reel_tensor *loss = reel_sum(reel_mul(w, x), REEL_ALL, REEL_DROP);
    reel_adam(loss, (reel_adam_options){ .lr = 1, .epsilon = epsilon, .state_prefix = dtype == REEL_F32 ? "f" : "g" });
    cr_assert_eq(reel_model_reset(model, NULL), REEL_OK);
    double before = 0, now;
    for (int i = 0; i < 20; i++) {
        write(x, &g);
        cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
        read(w, &now);
        const double want = g / (fabs(g) + epsilon), step = before - now;
        cr_expect(fabs(step - want) <= tolerance * fabs(want) * (i + 1), "g %g, step %d: %g, not %g", g, i, step, want);
        before = now;
    }
}

Test(adam, steps_are_right_for_small_gradients_and_a_small_epsilon_in_f32)
{
    const double g[] = { 1, 1e-10, 2e-14, 1e-15, 1e-16, 4e-18 };
    for (int i = 0; i < COUNT(g); i++) {
        expect_steps(REEL_F32, g[i], 1e-15, 1e-4);
        expect_steps(REEL_F32, -g[i], g[i], 1e-4);
    }
}

Test(adam, steps_are_right_for_small_gradients_and_a_small_epsilon_in_f64)
{
    const double g[] = { 1, 1e-14, 1e-16, 2e-24, 1e-40, 1e-100, 1e-150 };
    for (int i = 0; i < COUNT(g); i++) {
        expect_steps(REEL_F64, g[i], 1e-15, 1e-9);
        expect_steps(REEL_F64, -g[i], g[i] / 10, 1e-9);
    }
}

/* A weight whose gradient is no longer there: its moments decay until they are 0, and are subnormal at no time. */
static void expect_decay(reel_dtype dtype, double normal)
{
    reel_tensor *x = input("x", dtype, 1);
    reel_tensor *loss =
        reel_sum(reel_mul(reel_parameter(x, "w", REEL_SHAPE(1), reel_init_zeros()), x), REEL_ALL, REEL_DROP);
    reel_adam(loss, (reel_adam_options){ .lr = 0.1, .betas = { 0.5, 0.7 } });
    double g = 1, m = 1, v = 1;
    float single[2] = { 0 };
    for (int i = 0; i < 5000 && (m != 0 || v != 0 || i < 2); i++, g = 0) {
        write(x, &g);
        cr_assert_eq(reel_run(tape), REEL_OK);
        if (dtype == REEL_F64) {
            reel_model_read_f64(model, "adam/w/m", &m, 1), reel_model_read_f64(model, "adam/w/v", &v, 1);
        } else {
            reel_model_read_f32(model, "adam/w/m", &single[0], 1),
                reel_model_read_f32(model, "adam/w/v", &single[1], 1);
            m = (double)single[0], v = (double)single[1];
        }
        cr_expect((m == 0 || m >= normal) && (v == 0 || v >= normal), "run %d: m %a, v %a", i, m, v);
        if (i == 60) cr_expect(m > 0 && v > 0, "run 60: m %a, v %a", m, v);
    }
    cr_expect(m == 0 && v == 0, "m %a, v %a", m, v);
}

Test(adam, moments_decay_to_zero_and_are_never_subnormal_in_f32) { expect_decay(REEL_F32, (double)FLT_MIN); }
Test(adam, moments_decay_to_zero_and_are_never_subnormal_in_f64) { expect_decay(REEL_F64, DBL_MIN); }

/* The smallest normal number is kept. */
Test(adam, moments_as_small_as_a_normal_number_are_kept)
{
    reel_tensor *x = input("x", REEL_F32, 1);
    reel_tensor *loss =
        reel_sum(reel_mul(reel_parameter(x, "w", REEL_SHAPE(1), reel_init_zeros()), x), REEL_ALL, REEL_DROP);
    reel_adam(loss, (reel_adam_options){ .lr = 0.1, .betas = { 0.5, 0.5 } });
    float m = 0, v = 0;
    cr_assert_eq(reel_write_f32(x, (float[]){ 0x1p-62f }, 1), REEL_OK);
    cr_assert_eq(reel_run(tape), REEL_OK);
    reel_model_read_f32(model, "adam/w/m", &m, 1), reel_model_read_f32(model, "adam/w/v", &v, 1);
    cr_expect_eq(m, 0x1p-63f);
    cr_expect_eq(v, 0x1p-125f);
}

/* ---- Derivatives --------------------------------------------------------------------------------------------------- */

TestSuite(derivatives, .init = begin, .fini = end);

/* −½ x^(−3/2), where x^(−3/2) is beyond the largest number. */
Test(derivatives, of_a_reciprocal_root_overflow_no_sooner_than_they_have_to)
{
    const double at[] = { 1.3e-26, 1.5e-26, 2e-26, 2.1e-26 };
    reel_tensor *x = input("x", REEL_F32, 1);
    reel_tensor *g = reel_gradient(reel_sum(reel_rsqrt(x), REEL_ALL, REEL_DROP), x);
    for (int i = 0; i < COUNT(at); i++) {
        const double here = (double)(float)at[i], want = -0.5 / (here * sqrt(here));
        write(x, &here);
        cr_assert_eq(reel_eval(tape, &g, 1), REEL_OK);
        cr_expect(fabs(reel_item(g) / want - 1) < 1e-5, "at %g: %g, not %g", here, reel_item(g), want);
    }
}
