/* Derivatives of derivatives, through penalties and through steps of gradient descent; what cannot be differentiated, what
 * is zero, and reel_vjp(). */
#include "differences.h"

#include <float.h>

/* ---- Derivatives of derivatives ---------------------------------------------------------------------------------- */

/* A network 2-3-1 whose 13 weights are slices of one vector. */
static reel_tensor *small_network(reel_tensor *theta)
{
    reel_tensor *x = input("x", REEL_SHAPE(5, 2), 1), *y = input("y", REEL_SHAPE(5, 1), 2);
    reel_tensor *w1 = reel_reshape(reel_slice(theta, 0, 0, 6), REEL_SHAPE(2, 3));
    reel_tensor *w2 = reel_reshape(reel_slice(theta, 0, 9, 12), REEL_SHAPE(3, 1));
    reel_tensor *h = reel_tanh(reel_add(reel_matmul(x, w1), reel_slice(theta, 0, 6, 9)));
    return reel_mse(reel_sigmoid(reel_add(reel_matmul(h, w2), reel_slice(theta, 0, 12, 13))), y);
}

Test(higher_order, the_hessian_of_a_network_is_the_difference_of_gradients, .init = begin, .fini = end)
{
    enum { N = 13 };
    reel_tensor *like = input("like", REEL_SCALAR, 9);
    reel_tensor *theta = parameter(like, "theta", REEL_SHAPE(N), 3);
    reel_tensor *g = reel_gradient(small_network(theta), theta);
    double hessian[N][N];
    for (int i = 0; i < N; i++) {
        reel_tensor *gi = reel_squeeze(reel_slice(g, 0, i, i + 1), 0);
        reel_tensor *row = reel_gradient(gi, theta);
        const double error = largest_error(gi, theta, row);
        cr_expect(error < 1e-9, "row %d is off by %g", i, error);
        memcpy(hessian[i], value(row), sizeof hessian[i]);
    }
    double largest = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < i; j++) {
            cr_expect(fabs(hessian[i][j] - hessian[j][i]) < 1e-14, "%d, %d", i, j);
            largest = worse_of(largest, fabs(hessian[i][j]));
        }
    cr_expect(largest > 1e-3 && largest < 1e3, "it is not all zeros: %g", largest);
}

Test(higher_order, a_hessian_vector_product_is_the_vjp_of_the_gradient, .init = begin, .fini = end)
{
    enum { N = 13 };
    reel_tensor *like = input("like", REEL_SCALAR, 9);
    reel_tensor *theta = parameter(like, "theta", REEL_SHAPE(N), 3);
    reel_tensor *g = reel_gradient(small_network(theta), theta), *v = input("v", REEL_SHAPE(N), 4);
    reel_tensor *product = reel_list_at(reel_vjp(g, v, LIST(theta)), 0);
    const double error = largest_error(total(reel_mul(g, v)), theta, product);
    cr_expect(error < 1e-9, "%g", error);
}

static reel_tensor *fifth(reel_tensor *x) { return reel_mul(reel_square(reel_square(x)), x); }
static reel_tensor *power(reel_tensor *x) { return reel_pow(x, reel_number(x, 3.5)); }
static reel_tensor *exponential(reel_tensor *x) { return reel_pow(reel_number(x, 2), x); }
static reel_tensor *wave(reel_tensor *x) { return reel_mul(reel_exp(x), reel_sin(x)); }
static reel_tensor *quotient(reel_tensor *x) { return reel_div(reel_number(x, 1), reel_shift(x, 2)); }

static double fifth_3(double x) { return 60 * x * x; }
static double power_3(double x) { return 3.5 * 2.5 * 1.5 * sqrt(x); }
static double exponential_3(double x) { return pow(2, x) * pow(log(2), 3); }
static double wave_3(double x) { return 2 * exp(x) * (cos(x) - sin(x)); }
static double quotient_3(double x) { return -6 / pow(x + 2, 4); }
static double tanh_3(double x) { return (1 - pow(tanh(x), 2)) * (6 * pow(tanh(x), 2) - 2); }
static double log_3(double x) { return 2 / pow(x, 3); }
static double log1p_3(double x) { return 2 / pow(1 + x, 3); }
static double sqrt_3(double x) { return 0.375 * pow(x, -2.5); }
static double rsqrt_3(double x) { return -1.875 * pow(x, -3.5); }
static double erf_3(double x) { return 2 / sqrt(acos(-1)) * (4 * x * x - 2) * exp(-x * x); }
static double minus_cos(double x) { return -cos(x); }
static double sigmoid_3(double x)
{
    const double s = 1 / (1 + exp(-x));
    return s * (1 - s) * (1 - 6 * s + 6 * s * s);
}
static double softplus_3(double x)
{
    const double s = 1 / (1 + exp(-x));
    return s * (1 - s) * (1 - 2 * s);
}

Test(higher_order, third_derivatives_are_those_of_calculus, .init = begin, .fini = end)
{
    const struct {
        const char *name;
        reel_tensor *(*f)(reel_tensor *);
        double (*f3)(double);
    } cases[] = {
        { "x^5", fifth, fifth_3 },
        { "x^3.5", power, power_3 },
        { "2^x", exponential, exponential_3 },
        { "e^x sin x", wave, wave_3 },
        { "1/(x+2)", quotient, quotient_3 },
        { "tanh", (reel_tanh), tanh_3 },
        { "log", (reel_log), log_3 },
        { "log1p", (reel_log1p), log1p_3 },
        { "sqrt", (reel_sqrt), sqrt_3 },
        { "rsqrt", (reel_rsqrt), rsqrt_3 },
        { "exp", (reel_exp), exp },
        { "expm1", (reel_expm1), exp },
        { "erf", (reel_erf), erf_3 },
        { "sin", (reel_sin), minus_cos },
        { "cos", (reel_cos), sin },
        { "sigmoid", (reel_sigmoid), sigmoid_3 },
        { "softplus", (reel_softplus), softplus_3 },
    };
    const double points[] = { 0.3, 0.7, 1.1, 1.9 };
    reel_tensor *x = reel_input(tape, "x", REEL_F64, REEL_SCALAR);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reel_tensor *y = cases[i].f(x);
        for (int order = 0; order < 3; order++) y = reel_gradient(y, x);
        for (int k = 0; k < 4; k++) {
            reel_write_f64(x, &points[k], 1);
            const double expected = cases[i].f3(points[k]), derived = number(y);
            cr_expect(fabs(derived - expected) < 1e-12 * (1 + fabs(expected)), "%s at %g: %.15g, not %.15g",
                      cases[i].name, points[k], derived, expected);
        }
    }
}

Test(higher_order, the_eighth_derivative_of_a_sine_is_the_sine, .init = begin, .fini = end)
{
    const double at = 0.8;
    reel_tensor *x = reel_input(tape, "x", REEL_F64, REEL_SCALAR), *y = reel_sin(x);
    for (int order = 0; order < 8; order++) y = reel_gradient(y, x);
    reel_write_f64(x, &at, 1);
    cr_expect_eq(number(y), sin(at));
}

Test(higher_order, gradients_through_softmax_and_maxima_have_gradients, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3, 4), 1), *w = input("w", REEL_SHAPE(3, 4), 2);
    reel_tensor *soft = total(reel_mul(reel_softmax(x, -1), w));
    expect_gradient(squares(reel_gradient(soft, x)), x, 1e-8);
    expect_gradient(squares(reel_gradient(squares(reel_log_softmax(x, 0)), x)), x, 1e-8);
    reel_tensor *top = total(reel_exp(reel_max(x, REEL_AXES(0), REEL_DROP)));
    expect_gradient(squares(reel_gradient(top, x)), x, 1e-8);
    expect_gradient(squares(reel_gradient(total(reel_var(reel_exp(x), REEL_AXES(1), REEL_DROP)), x)), x, 1e-8);
}

Test(higher_order, gradients_through_views_and_parts_have_gradients, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3, 4), 1), *wide = reel_pad_step(x, 1, 1, 2, 2);
    reel_tensor *turned = reel_transpose(reel_flip(wide, REEL_AXES(1)));
    reel_tensor *both[] = { turned, reel_exp(reel_slice_step(turned, 0, 1, 9, 3)) };
    reel_tensor *y = squares(reel_tanh(reel_concat(both, 2, 0)));
    expect_gradient(y, x, 1e-9);
    expect_gradient(squares(reel_gradient(y, x)), x, 1e-8);
}

/* ---- A penalty on a gradient ------------------------------------------------------------------------------------- */

static reel_tensor *critic(reel_tensor *x)
{
    reel_scope_push(reel_tape_of(x), "critic");
    x = reel_linear(reel_tanh(reel_linear(x, "hidden", 16)), "output", 1);
    reel_scope_pop(reel_tape_of(x));
    return reel_sum(x, REEL_AXES(-1), REEL_DROP);
}

/* The mean of (|dD/dx| - 1)^2 over the rows of x (Gulrajani et al. 2017). */
static reel_tensor *penalty(reel_tensor *x, reel_tensor **norm)
{
    reel_tensor *gx = reel_gradient(total(critic(x)), x);
    *norm = reel_sqrt(reel_sum(reel_square(gx), REEL_AXES(-1), REEL_DROP));
    return reel_mean(reel_square(reel_shift(*norm, -1)), REEL_ALL, REEL_DROP);
}

Test(meta, the_gradient_of_a_gradient_penalty_is_right, .init = begin, .fini = end)
{
    reel_tensor *norm, *loss = penalty(input("x", REEL_SHAPE(4, 2), 1), &norm);
    reel_list *p = reel_parameters(loss, NULL);
    cr_expect_eq(reel_list_count(p), 3, "the last bias does not matter to it: %d", reel_list_count(p));
    for (int i = 0; i < reel_list_count(p); i++) expect_gradient(loss, reel_list_at(p, i), 1e-8);
}

Test(meta, a_critic_with_a_gradient_penalty_trains, .init = begin, .fini = end)
{
    reel_tensor *real = reel_shift(input("real", REEL_SHAPE(32, 2), 1), 1), *norm;
    reel_tensor *fake = input("fake", REEL_SHAPE(32, 2), 2);
    reel_tensor *share = reel_uniform(real, "share", REEL_SHAPE(32, 1));
    reel_tensor *between = reel_add(fake, reel_mul(share, reel_sub(real, fake)));
    reel_tensor *p = penalty(between, &norm);
    reel_tensor *apart = reel_mean(reel_sub(critic(real), critic(fake)), REEL_ALL, REEL_DROP);
    reel_tensor *loss = reel_sub(reel_scale(p, 10), apart);
    reel_keep(apart, "apart"), reel_keep(reel_mean(norm, REEL_ALL, REEL_DROP), "norm");
    reel_adam(loss, (reel_adam_options){ .lr = 0.01 });
    for (int i = 0; i < 300; i++) cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    cr_expect_gt(reel_item(reel_find(tape, "apart")), 1);
    cr_expect(fabs(reel_item(reel_find(tape, "norm")) - 1) < 0.1, "%g", reel_item(reel_find(tape, "norm")));
}

/* ---- Learning to learn: parameters replaced by what gradient steps make of them ---------------------------------- */

static reel_tensor *regression(reel_tensor *x, reel_tensor *y)
{
    reel_scope_push(reel_tape_of(x), "net");
    reel_tensor *a = reel_linear(reel_tanh(reel_linear(x, "hidden", 6)), "output", 1);
    reel_scope_pop(reel_tape_of(x));
    return reel_mse(a, y);
}

typedef struct meta {
    reel_tensor *before, *after;
    reel_list *parameters;
} meta;

/* Two inner steps on one set of points; the loss on another (Finn et al. 2017). */
static meta record_meta(bool first_order)
{
    reel_tensor *x = input("support", REEL_SHAPE(5, 1), 1), *y = reel_sin(reel_scale(x, 3));
    reel_tensor *xq = input("query", REEL_SHAPE(7, 1), 3), *yq = reel_sin(reel_scale(xq, 3));
    meta m = { .before = regression(x, y) };
    reel_tensor *loss = m.before;
    m.parameters = reel_parameters(loss, NULL);
    reel_list *now = m.parameters;
    for (int step = 0; step < 2; step++) {
        reel_list *g = reel_gradients(loss, now), *next = reel_list_new(tape);
        for (int i = 0; i < reel_list_count(now); i++) {
            reel_tensor *gi = first_order ? reel_detach(reel_list_at(g, i)) : reel_list_at(g, i);
            reel_list_append(next, reel_list_name(now, i), reel_sub(reel_list_at(now, i), reel_scale(gi, 0.4)));
        }
        now = next;
        reel_with_push(tape, m.parameters, now);
        loss = step == 1 ? regression(xq, yq) : regression(x, y);
        reel_with_pop(tape);
    }
    m.after = loss;
    return m;
}

Test(meta, the_gradient_through_two_inner_steps_is_right, .init = begin, .fini = end)
{
    meta m = record_meta(false);
    cr_assert_eq(reel_list_count(m.parameters), 4);
    reel_list *g = reel_gradients(m.after, m.parameters);
    for (int i = 0; i < 4; i++) {
        const double error = largest_error(m.after, reel_list_at(m.parameters, i), reel_list_at(g, i));
        cr_expect(error < 1e-7, "%s is off by %g", reel_list_name(m.parameters, i), error);
    }
}

Test(meta, without_its_second_order_part_it_is_not, .init = begin, .fini = end)
{
    meta m = record_meta(true);
    reel_tensor *p = reel_list_find(m.parameters, "net/hidden/w");
    cr_expect_gt(largest_error(m.after, p, reel_gradient(m.after, p)), 1e-3);
}

Test(meta, the_parameters_behind_the_replacements_are_found, .init = begin, .fini = end)
{
    meta m = record_meta(false);
    cr_expect_eq(reel_list_count(reel_parameters(m.after, "net/**")), 4);
    for (int i = 0; i < 4; i++)
        cr_expect(reel_list_find(reel_parameters(m.after, NULL), reel_list_name(m.parameters, i)) ==
                  reel_list_at(m.parameters, i));
}

Test(meta, learning_to_learn_makes_the_adapted_loss_smaller, .init = begin, .fini = end)
{
    meta m = record_meta(false);
    reel_sgd_update(m.parameters, reel_gradients(m.after, m.parameters), (reel_sgd_options){ .lr = 0.3 });
    cr_assert_eq(reel_run(tape), REEL_OK);
    const double at_first = reel_item(m.after);
    for (int i = 0; i < 200; i++) cr_assert_eq(reel_run(tape), REEL_OK);
    cr_expect(reel_item(m.after) < 0.5 * at_first, "%g, at first %g", reel_item(m.after), at_first);
}

/* w = g v / |v|, column by column (Salimans and Kingma 2016), under a layer that knows nothing of
 * it. */
Test(meta, a_layer_with_weight_normalisation_has_gradients_by_its_length_and_direction, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(5, 3), 1);
    reel_scope_push(tape, "layer");
    reel_tensor *w = reel_parameter(x, "w", REEL_SHAPE(3, 4), reel_init_fan_in_uniform(1));
    reel_scope_pop(tape);
    reel_tensor *v = parameter(x, "v", REEL_SHAPE(3, 4), 2);
    reel_tensor *g = parameter(x, "g", REEL_SHAPE(1, 4), 3);
    reel_tensor *norm = reel_sqrt(reel_sum(reel_square(v), REEL_AXES(0), REEL_KEEP));
    reel_with_push(tape, LIST(w), LIST(reel_mul(g, reel_div(v, norm))));
    reel_tensor *loss = squares(reel_tanh(reel_linear(x, "layer", 4)));
    reel_with_pop(tape);
    expect_gradient(loss, v, 1e-9);
    expect_gradient(loss, g, 1e-9);
    reel_list *p = reel_parameters(loss, NULL);
    cr_expect_eq(reel_list_count(p), 3);
    cr_expect(reel_list_find(p, "v") == v && reel_list_find(p, "g") == g);
    double along = 0;
    const double *gv = value(reel_gradient(loss, v)), *direction = value(v);
    for (int i = 0; i < 12; i++) along += gv[i] * direction[i];
    cr_expect(fabs(along) < 1e-12, "a longer v changes nothing: %g", along);
}

/* ---- What cannot be differentiated, and what is zero ------------------------------------------------------------- */

static void expect_error(reel_status status, const char *const *parts)
{
    const char *message = reel_tape_error(tape);
    cr_expect_eq(reel_tape_status(tape), status, "%s", message);
    cr_assert(message);
    for (int i = 0; parts[i]; i++) cr_expect(strstr(message, parts[i]), "no \"%s\" in \"%s\"", parts[i], message);
    end_after_error();
}

#define EXPECT_ERROR(status, ...) expect_error(status, (const char *const[]){ __VA_ARGS__, NULL })

Test(errors, a_gradient_through_detach_names_it, .init = begin)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1);
    reel_gradient(squares(reel_detach(reel_exp(x))), x);
    EXPECT_ERROR(REEL_UNREACHED, "gradient", "does not reach", "x [3]", "cut at detach");
}

Test(errors, parameters_behind_detach_are_named_too, .init = begin)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1), *w = parameter(x, "w", REEL_SHAPE(3), 2);
    reel_parameters(squares(reel_mul(x, reel_detach(w))), "w");
    EXPECT_ERROR(REEL_UNREACHED, "\"w\"", "cut", "detach");
}

Test(errors, a_gradient_through_a_comparison_names_it, .init = begin)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1);
    reel_gradient(total(reel_cast(reel_lt(x, reel_number(x, 0.5)), REEL_F64)), x);
    EXPECT_ERROR(REEL_UNREACHED, "x [3]", "cut at lt");
}

Test(errors, a_loss_that_does_not_depend_on_a_tensor_says_so, .init = begin)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1), *z = input("z", REEL_SHAPE(2), 2);
    reel_gradient(squares(x), z);
    EXPECT_ERROR(REEL_UNREACHED, "does not depend on", "z [2]");
}

Test(errors, a_gradient_of_many_numbers_suggests_the_vjp, .init = begin)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1);
    reel_gradient(reel_exp(x), x);
    EXPECT_ERROR(REEL_BAD_SHAPE, "one number", "reel_vjp");
}

Test(errors, a_gradient_by_integers_is_refused, .init = begin)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1);
    reel_tensor *i = reel_input(tape, "i", REEL_I32, REEL_SHAPE(2));
    reel_gradient(squares(reel_take(x, i, 0)), i);
    EXPECT_ERROR(REEL_BAD_DTYPE, "i32");
}

Test(errors, a_vjp_with_another_shape_shows_both, .init = begin)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1);
    reel_vjp(reel_exp(x), reel_fill(x, REEL_SHAPE(2), 1), LIST(x));
    EXPECT_ERROR(REEL_BAD_SHAPE, "vjp", "[3]", "[2]");
}

Test(zero, floor_and_sign_have_gradients_of_zeros, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(2, 3), 1);
    reel_tensor *losses[] = { squares(reel_floor(x)), squares(reel_sign(x)),
                              squares(reel_mul(reel_floor(x), reel_sign(x))) };
    for (int k = 0; k < 3; k++) {
        reel_tensor *g = reel_gradient(losses[k], x);
        cr_expect(reel_rank(g) == 2 && reel_dim(g, 0) == 2 && reel_dim(g, 1) == 3);
        const double *zeros = value(g);
        for (int i = 0; i < 6; i++) cr_expect_eq(zeros[i], 0);
    }
}

Test(zero, a_sum_with_a_constant_branch_has_the_gradient_of_the_other, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(4), 1);
    const double *g = value(reel_gradient(total(reel_mul(x, reel_add(reel_floor(x), reel_detach(x)))), x));
    const double *at = value(x);
    for (int i = 0; i < 4; i++) cr_expect_eq(g[i], floor(at[i]) + at[i]);
}

Test(zero, a_branch_that_is_not_taken_passes_zeros_even_where_its_slope_is_infinite, .init = begin, .fini = end)
{
    reel_tensor *x = reel_input(tape, "x", REEL_F64, REEL_SHAPE(2)), *zero = reel_number(x, 0);
    reel_write_f64(x, (const double[]){ 0, 4 }, 2);
    reel_tensor *inside = reel_gt(x, zero), *safe = reel_where(inside, x, reel_number(x, 1));
    const double *g = value(reel_gradient(total(reel_where(inside, reel_sqrt(safe), zero)), x));
    cr_expect(g[0] == 0 && g[1] == 0.25);
}

/* ---- vjp and lists ----------------------------------------------------------------------------------------------- */

Test(vjp, is_the_gradient_of_the_weighted_sum, .init = begin, .fini = end)
{
    reel_tensor *a = input("a", REEL_SHAPE(3, 4), 1), *b = input("b", REEL_SHAPE(4, 2), 2);
    reel_tensor *gy = input("gy", REEL_SHAPE(3, 2), 3);
    reel_tensor *y = reel_tanh(reel_matmul(a, b));
    reel_list *list = reel_vjp(y, gy, LIST(a, b));
    cr_assert_eq(reel_list_count(list), 2);
    reel_tensor *loss = total(reel_mul(y, gy));
    cr_expect(largest_error(loss, a, reel_list_at(list, 0)) < 1e-9);
    cr_expect(largest_error(loss, b, reel_list_at(list, 1)) < 1e-9);
}

Test(vjp, of_y_by_y_is_gy, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1), *gy = input("gy", REEL_SHAPE(3), 2);
    reel_tensor *y = reel_exp(x);
    cr_expect_eq(reel_list_at(reel_vjp(y, gy, LIST(y)), 0), gy);
    cr_expect_eq(number(reel_gradient(squares(x), squares(x))), 1);
}

Test(vjp, by_something_in_between_stops_there, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1), *h = reel_exp(x), *loss = squares(h);
    reel_list *g = reel_gradients(loss, LIST(h, x));
    const double *gh = value(reel_list_at(g, 0)), *gx = value(reel_list_at(g, 1)), *at = value(x);
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(gh[i], 2 * exp(at[i]));
        cr_expect(fabs(gx[i] - 2 * exp(2 * at[i])) < 1e-14);
    }
}

Test(vjp, gradients_come_in_the_order_and_with_the_names_of_the_list, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1), *z = input("z", REEL_SHAPE(2), 2);
    reel_tensor *loss = reel_mul(squares(x), squares(z));
    reel_list *g = reel_gradients(loss, LIST(z, x, z));
    cr_assert_eq(reel_list_count(g), 3);
    cr_expect_str_eq(reel_list_name(g, 0), "z");
    cr_expect_str_eq(reel_list_name(g, 1), "x");
    cr_expect_eq(reel_list_at(g, 0), reel_list_at(g, 2), "a tensor asked for twice");
    cr_expect_eq(reel_dim(reel_list_at(g, 1), 0), 3);
}

Test(vjp, the_checker_sees_each_planted_fault, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1), *f = total(reel_exp(x));
    reel_tensor *g = reel_gradient(f, x);
    cr_expect_lt(largest_error(f, x, g), 1e-10);
    cr_expect_gt(largest_error(f, x, reel_neg(g)), 0.1, "a wrong sign");
    cr_expect_gt(largest_error(f, x, reel_scale(g, 1 + 1e-7)), 1e-8, "a factor");
    reel_tensor *zero = reel_sub(g, g), *nan = reel_div(zero, zero);
    cr_expect_eq(largest_error(f, x, nan), INFINITY, "NaN everywhere");
    for (int i = 0; i < 3; i++) {
        reel_tensor *here = reel_eq(reel_iota(x, 3), reel_cast(reel_number(x, i), REEL_I32));
        cr_expect_eq(largest_error(f, x, reel_where(here, nan, g)), INFINITY, "a NaN in place %d", i);
    }
}
