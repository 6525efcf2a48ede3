/* What test_edges.c asks of everything in reel/ops.h and reel/nn.h that takes real numbers: a row is how it is recorded as
 * a function of one number, and that function and its first three derivatives. What has no limit is marked "documented":
 * the header says what it is there. */
#ifndef REEL_TESTS_EDGE_ROWS_H
#define REEL_TESTS_EDGE_ROWS_H

#include "edges.h"

typedef reel_tensor *record_row(reel_tensor *x);
typedef void right_row(real x, const type *t, real *d); /* d: value and derivatives, all 0 at first */

typedef struct row {
    const char *name; /* of the op */
    record_row *record;
    right_row *right;
    real near; /* errors are relative to the value and to this: what a difference cancels */
} row;

#define RECORD(name, expression)                                                                                       \
    static reel_tensor *record_##name(reel_tensor *x) { return expression; }
#define RIGHT(name, ...)                                                                                               \
    static void right_##name(real x, const type *t, real *d)                                                           \
    {                                                                                                                  \
        (void)x, (void)t, (void)d;                                                                                     \
        __VA_ARGS__                                                                                                    \
    }

static void set(real *d, real d0, real d1, real d2, real d3) { d[0] = d0, d[1] = d1, d[2] = d2, d[3] = d3; }

static reel_tensor *constant(reel_tensor *x, double value) { return reel_fill(x, REEL_SHAPE(1), value); }
static reel_tensor *with(reel_tensor *x, double value)
{
    return reel_concat((reel_tensor *[]){ x, constant(x, value) }, 2, 0);
}
static reel_tensor *row_of_three(reel_tensor *x)
{
    return reel_concat((reel_tensor *[]){ x, constant(x, 1), constant(x, 2) }, 3, 0);
}
static reel_tensor *first(reel_tensor *x) { return reel_slice(x, 0, 0, 1); }

/* ---- What only moves, compares or chooses ------------------------------------------------------------------------ */

RIGHT(identity, set(d, x, 1, 0, 0);)
RIGHT(none, set(d, x, 0, 0, 0);)

RECORD(reshape, reel_reshape(x, REEL_SHAPE(1, 1)))
RECORD(permute, reel_permute(reel_reshape(x, REEL_SHAPE(1, 1)), REEL_AXES(1, 0)))
RECORD(transpose, reel_transpose(reel_reshape(x, REEL_SHAPE(1, 1))))
RECORD(expand, reel_slice(reel_expand(x, REEL_SHAPE(3)), 0, 1, 2))
RECORD(sum_to, reel_sum_to(reel_reshape(x, REEL_SHAPE(1, 1)), REEL_SHAPE(1)))
RECORD(slice, reel_slice(with(x, 1), 0, 0, 1))
RECORD(slice_step, reel_slice_step(with(x, 1), 0, 0, 2, 2))
RECORD(pad, reel_slice(reel_pad(x, 0, 1, 2), 0, 1, 2))
RECORD(pad_step, reel_slice(reel_pad_step(with(x, 1), 0, 1, 2, 3), 0, 1, 2))
RECORD(flip, first(reel_flip(reel_flip(with(x, 1), REEL_AXES(0)), REEL_AXES(0))))
RECORD(concat, first(with(x, 1)))
RECORD(stack, first(reel_reshape(reel_stack((reel_tensor *[]){ x, constant(x, 1) }, 2, 0), REEL_SHAPE(2))))
RECORD(unsqueeze, reel_unsqueeze(x, 0))
RECORD(squeeze, reel_squeeze(x, 0))
static reel_tensor *index_0(reel_tensor *x) { return reel_iota(x, 1); }
RECORD(take, reel_take(with(x, 1), index_0(x), 0))
RECORD(take_along_axis, reel_take_along_axis(with(x, 1), reel_reshape(index_0(x), REEL_SHAPE(1)), 0))
RECORD(scatter_add, first(reel_scatter_add(x, index_0(x), 0, 3)))
RECORD(detach, reel_detach(x))
RECORD(variable, reel_variable(x, "v"))
RECORD(where, reel_where(reel_iota(x, 1), constant(x, INFINITY), x))
RECORD(where_other, reel_where(reel_shift(reel_iota(x, 1), 1), constant(x, 2), x))
RIGHT(two, set(d, 2, 0, 0, 0);)

#define STEP(op, condition)                                                                                            \
    RECORD(op, reel_cast(reel_##op(x, constant(x, 1)), reel_dtype_of(x)))                                              \
    RIGHT(op, set(d, condition, 0, 0, 0);)
STEP(eq, x == 1)
STEP(ne, x != 1)
STEP(lt, x < 1)
STEP(le, x <= 1)
STEP(gt, x > 1)
STEP(ge, x >= 1)
RECORD(argmax, reel_cast(reel_argmax(with(x, 1), 0), reel_dtype_of(x)))
RIGHT(argmax, set(d, x < 1, 0, 0, 0);) /* a NaN is the first maximum */
RECORD(accuracy, reel_accuracy(reel_reshape(with(x, 1), REEL_SHAPE(1, 2)), reel_iota(x, 1)))
RIGHT(accuracy, set(d, !(x < 1), 0, 0, 0);)

/* ---- Pointwise --------------------------------------------------------------------------------------------------- */

/* A row of ops/pointwise.table.h of one operand. Those of two are in test_edge_pairs.c. */
#define EDGES(op, scale, ...)                                                                                          \
    enum { near_##op = scale };                                                                                        \
    RIGHT(op, __VA_ARGS__)
#define UNARY(op, ...) RECORD(op, reel_##op(x))
#define BINARY(...)
#define COMPARE(...)
#include "ops/pointwise.table.h"

RECORD(scale, reel_scale(x, 2))
RIGHT(scale, set(d, 2 * x, 2, 0, 0);)
RECORD(shift, reel_shift(x, 1))
RIGHT(shift, set(d, x + 1, 1, 0, 0);)
RECORD(add, reel_add(x, x))
RECORD(sub, reel_sub(constant(x, 1), x))
RIGHT(sub, set(d, 1 - x, -1, 0, 0);)
RECORD(mul, reel_mul(x, x))
RECORD(div, reel_div(constant(x, 2), x))
RIGHT(div, set(d, 2 / x, -2 / x / x, 4 / x / x / x, -12 / x / x / x / x);)
EDGES(neg, 0, set(d, -x, -1, 0, 0);)
EDGES(abs, 0, set(d, fabsl(x), isnan(x) ? x : (x > 0) - (x < 0), 0, 0);)
EDGES(sign, 0, set(d, isnan(x) ? x : (x > 0) - (x < 0), 0, 0, 0);)
EDGES(floor, 0, set(d, floorl(x), 0, 0, 0);)
EDGES(exp, 0, real y = expl(x); set(d, y, y, y, y);)
EDGES(log, 0,
      set(d, x == 0 ? -inf : logl(x), 1 / x, -1 / x / x, 2 / x / x / x);) /* documented: derivatives at x < 0, at −0 */
EDGES(expm1, 1, real y = expl(x); set(d, expm1l(x), y, y, y);)
EDGES(log1p, 0, real u = 1 + x; set(d, log1pl(x), 1 / u, -1 / u / u, 2 / u / u / u);)
EDGES(sin, 1, set(d, sinl(x), cosl(x), -sinl(x), -cosl(x));) /* no limit at ±Inf */
EDGES(cos, 1, set(d, cosl(x), -sinl(x), -cosl(x), sinl(x));)

static void tanh_of(real x, real *d)
{
    real y = tanhl(x), s = 1 / coshl(x), z = s * s;
    set(d, y, z, -2 * y * z, z * (4 * y * y - 2 * z));
}
EDGES(tanh, 1, tanh_of(x, d);)
RECORD(sigmoid, reel_sigmoid(x))
RIGHT(sigmoid, tanh_of(x / 2, d); d[0] = d[0] / 2 + 0.5L, d[1] /= 4, d[2] /= 8, d[3] /= 16;)
EDGES(erf, 1, real z = isinf(x) ? 0 : 1.12837916709551257390L * expl(-x * x), u = isinf(x) ? 0 : x;
      set(d, erfl(x), z, -2 * u * z, (4 * u * u - 2) * z); if (isnan(x)) d[1] = d[2] = d[3] = x;)
EDGES(sqrt, 0, real y = sqrtl(x); set(d, y, 0.5L / y, -0.25L / y / x, 0.375L / y / x / x);
      if (x == 0) d[2] = -1 / y, d[3] = 1 / y; if (x == inf) d[2] = d[3] = 0;)
EDGES(rsqrt, 0, real y = 1 / sqrtl(x); set(d, y, -0.5L * y / x, 0.75L * y / x / x, -1.875L * y / x / x / x);
      if (x == 0) d[1] = -y, d[2] = y, d[3] = -y; if (x == inf) set(d, 0, 0, 0, 0);)
RECORD(square, reel_square(x))
RIGHT(square, set(d, x *x, 2 * x, 2, 0);)
RECORD(reciprocal, reel_reciprocal(x))
RIGHT(reciprocal, set(d, 1 / x, -1 / x / x, 2 / x / x / x, -6 / x / x / x / x);)
RECORD(clip, reel_clip(x, -1, 0.5))
RIGHT(clip, set(d, x<-1 ? -1 : x> 0.5L ? 0.5L : x, !(x < -1) && !(x > 0.5L), 0, 0);)
RECORD(clip_open, reel_clip(x, -INFINITY, INFINITY))
RECORD(cast, reel_cast(reel_cast(x, REEL_F64), reel_dtype_of(x)))
RECORD(minimum, reel_minimum(x, constant(x, 1)))
RIGHT(minimum, set(d, isnan(x) || x < 1 ? x : 1, x < 1 ? 1 : x == 1 ? 0.5L : 0, 0, 0);)
RECORD(maximum, reel_maximum(constant(x, 1), x))
RIGHT(maximum, set(d, isnan(x) || x > 1 ? x : 1, x > 1 ? 1 : x == 1 ? 0.5L : 0, 0, 0);)

/* ---- Powers of x ------------------------------------------------------------------------------------------------- */

/* x to a whole or half exponent b; n is how many derivatives are not 0. */
static void power_of(real x, real b, real *d)
{
    real factor = 1;
    for (int k = 0; k < ORDERS; k++, factor *= b, b -= 1) d[k] = factor == 0 ? 0 : factor * powl(x, b);
}
#define POWER(name, b)                                                                                                 \
    RECORD(name, reel_pow(x, reel_number(x, b)))                                                                       \
    RIGHT(name, power_of(x, b, d);)
POWER(pow_0, 0)
POWER(pow_1, 1)
POWER(pow_2, 2)
POWER(pow_3, 3)
POWER(pow_4, 4)
POWER(pow_half, 0.5L)
POWER(pow_three_halves, 1.5L)
POWER(pow_minus_1, -1)
RECORD(pow_of_2, reel_pow(constant(x, 2), x))
RIGHT(pow_of_2, real y = exp2l(x), u = 0.69314718055994530942L; set(d, y, u *y, u *u *y, u *u *u *y);)
RECORD(pow_of_0, reel_pow(constant(x, 0), x)) /* documented: the derivative at the step is 0 */
RIGHT(pow_of_0, if (isnan(x)) set(d, x, x, x, x); else if (x < 0) set(d, inf, -inf, inf, -inf); else d[0] = x == 0;)

/* ---- Activations ------------------------------------------------------------------------------------------------- */

RECORD(softplus, reel_softplus(x))
static void softplus_of(real x, real *d)
{
    tanh_of(x / 2, d + 1);
    real s = x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x));
    real z = d[2] / 4, w = d[3] / 8;
    set(d, x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x)), s, z, w);
}
RIGHT(softplus, real all[ORDERS + 1]; softplus_of(x, all); for (int k = 0; k < ORDERS; k++) d[k] = all[k];)
RECORD(log_sigmoid, reel_log_sigmoid(x))
RIGHT(log_sigmoid, right_softplus(-x, t, d); d[0] = -d[0], d[2] = -d[2];)
RECORD(relu, reel_relu(x))
RIGHT(relu, set(d, x <= 0 ? 0 : x, !(x <= 0), 0, 0);)
RECORD(leaky_relu, reel_leaky_relu(x, 2))
RIGHT(leaky_relu, set(d, x <= 0 ? 2 * x : x, x <= 0 ? 2 : 1, 0, 0);)
RECORD(leaky_relu_0, reel_leaky_relu(x, 0))
RECORD(elu, reel_elu(x, 2))
RIGHT(elu, real y = 2 * expl(x); set(d, x <= 0 ? 2 * expm1l(x) : x, x <= 0 ? y : 1, x <= 0 ? y : 0, x <= 0 ? y : 0);
      if (isnan(x)) d[1] = 1;)

/* y = x s(x), the gate s with its derivatives up to the third; its limits are 0 and 1. */
static void gated(real x, const real *s, real *d)
{
    if (x == -inf) set(d, 0, 0, 0, 0);
    else if (x == inf) set(d, inf, 1, 0, 0);
    else set(d, x * s[0], s[0] + x * s[1], 2 * s[1] + x * s[2], 3 * s[2] + x * s[3]);
}
RECORD(silu, reel_silu(x))
RIGHT(silu, real s[ORDERS] = { 0 }; right_sigmoid(x, t, s); gated(x, s, d);)
RECORD(gelu, reel_gelu(x))
RIGHT(gelu, real z = 0.39894228040143267794L * expl(-x * x / 2);
      real s[] = { erfcl(-x * 0.70710678118654752440L) / 2, z, -x *z, (x * x - 1) * z }; gated(x, s, d);)
RECORD(gelu_tanh, reel_gelu_tanh(x))
RIGHT(gelu_tanh, real c = 0.79788456080286535588L, k = 0.044715L, h[ORDERS]; real u = c * (x + k * x * x * x);
      real u1 = c * (1 + 3 * k * x * x), u2 = c * 6 * k * x, u3 = c * 6 * k; tanh_of(u, h);
      real far = fabsl(x) > 100; /* the products of what is infinite and 0 */
      real s[] = { (1 + h[0]) / 2, far ? 0 : h[1] * u1 / 2, far ? 0 : (h[2] * u1 * u1 + h[1] * u2) / 2,
                   far ? 0 : (h[3] * u1 * u1 * u1 + 3 * h[2] * u1 * u2 + h[1] * u3) / 2 };
      gated(x, s, d); if (isnan(x)) set(d, x, x, x, x);)

/* ---- Over axes: x with 1 and 2, or alone  ------------------------------------------------------------------------ */

RECORD(sum, reel_sum(with(x, 1), REEL_ALL, REEL_KEEP))
RECORD(mean, reel_mean(row_of_three(x), REEL_ALL, REEL_KEEP))
RIGHT(mean, set(d, (x + 3) / 3, 1.0L / 3, 0, 0);)
RECORD(var, reel_var(row_of_three(x), REEL_ALL, REEL_KEEP))
RIGHT(var, real u = x - 1.5L; set(d, 2 * u * u / 9 + 1.0L / 6, 4 * u / 9, 4.0L / 9, 0);
      if (isinf(x)) d[0] = d[1] = NAN;) /* documented */
RECORD(max, reel_max(with(x, 1), REEL_ALL, REEL_KEEP))
RECORD(min, reel_min(with(x, 1), REEL_ALL, REEL_KEEP))
RECORD(max_alone, reel_max(x, REEL_ALL, REEL_KEEP))

/* The share of e^x, and its derivatives, next to e and e². */
static real share(real x, real *p1, real *p2)
{
    real p = 1 / (1 + expl(1 - x) + expl(2 - x)), q = 1 - p;
    if (x > 0) q = (expl(1 - x) + expl(2 - x)) * p;
    *p1 = p * q, *p2 = p * q * (q - p);
    return p;
}
RECORD(logsumexp, reel_logsumexp(row_of_three(x), REEL_ALL, REEL_KEEP))
static void logsumexp_of(real x, real *d)
{
    d[1] = share(x, &d[2], &d[3]);
    d[0] = x > 0 ? x + log1pl(expl(1 - x) + expl(2 - x)) : logl(expl(x) + expl(1.0L) + expl(2.0L));
}
RIGHT(logsumexp, logsumexp_of(x, d); if (x == inf) d[1] = d[2] = d[3] = NAN;) /* documented */
RECORD(logsumexp_alone, reel_logsumexp(x, REEL_ALL, REEL_KEEP))
RIGHT(logsumexp_alone, set(d, x, x != -inf, 0, 0); if (x == inf) d[1] = d[2] = d[3] = NAN;
      if (isnan(x)) set(d, x, x, x, x);)
RECORD(softmax, first(reel_softmax(row_of_three(x), 0)))
RIGHT(softmax, d[0] = share(x, &d[1], &d[2]); d[3] = d[1] * (1 - 6 * d[1]);
      if (x == inf) set(d, NAN, NAN, NAN, NAN);) /* documented */
RECORD(softmax_other, reel_slice(reel_softmax(row_of_three(x), 0), 0, 1, 2))
RIGHT(softmax_other, right_softmax(x, t, d); real c = 1 / (1 + expl(1.0L)); d[0] = (1 - d[0]) * c;
      for (int k = 1; k < ORDERS; k++) d[k] *= -c; if (x == inf) set(d, 0, NAN, NAN, NAN);)
RECORD(softmax_alone, reel_softmax(x, 0))
RIGHT(softmax_alone, set(d, x != -inf, 0, 0, 0); if (x == inf || isnan(x)) set(d, NAN, NAN, NAN, NAN);)
RECORD(log_softmax, first(reel_log_softmax(row_of_three(x), 0)))
RIGHT(log_softmax, logsumexp_of(x, d); d[0] = x > 0 ? -log1pl(expl(1 - x) + expl(2 - x)) : x - d[0];
      d[1] = 1 - d[1], d[2] = -d[2], d[3] = -d[3]; if (x == inf) set(d, NAN, NAN, NAN, NAN);)
RECORD(log_softmax_alone, reel_log_softmax(x, 0))
RIGHT(log_softmax_alone, set(d, x == -inf ? x : 0, x == -inf, 0, 0);
      if (x == inf || isnan(x)) set(d, NAN, NAN, NAN, NAN);)

/* ---- Products ---------------------------------------------------------------------------------------------------- */

RECORD(matmul, reel_matmul(reel_reshape(x, REEL_SHAPE(1, 1)), reel_fill(x, REEL_SHAPE(1, 1), 2)))
RECORD(contract, reel_contract(x, x, "k,k->"))

/* ---- Layers, losses -------------------------------------------------------------------------------------------------- */

RECORD(linear, reel_linear_with(reel_reshape(x, REEL_SHAPE(1, 1)), "layer", 1,
                                (reel_linear_options){ .weight = reel_init_constant(2) }))
/* At rates as good as 1 and 0. */
RECORD(dropout_dropped, reel_dropout(x, "dropped", 1 - 0x1p-20))
RECORD(dropout_kept, reel_dropout(x, "kept", 0x1p-20))
RIGHT(dropped, (void)x;)
RIGHT(kept, set(d, x / (1 - 0x1p-20L), 1 / (1 - 0x1p-20L), 0, 0);)
RECORD(mse, reel_mse(x, constant(x, 1)))
RIGHT(mse, set(d, (x - 1) * (x - 1) / 2, x - 1, 1, 0);)
RECORD(l2, reel_l2(x, "x", 0.5))
RIGHT(l2, set(d, x *x / 4, x / 2, 0.5L, 0);)

static reel_tensor *logits(reel_tensor *x) { return reel_reshape(row_of_three(x), REEL_SHAPE(1, 3)); }
static reel_tensor *class_of(reel_tensor *x, double i) { return reel_cast(constant(x, i), REEL_I32); }
RECORD(cross_entropy_hit, reel_cross_entropy(logits(x), class_of(x, 0)))
RIGHT(cross_entropy_hit, right_log_softmax(x, t, d); for (int k = 0; k < ORDERS; k++) d[k] = -d[k];)
RECORD(cross_entropy_other, reel_cross_entropy(logits(x), class_of(x, 2)))
RIGHT(cross_entropy_other, logsumexp_of(x, d); d[0] -= 2; if (x == inf) d[1] = d[2] = d[3] = NAN;)
static reel_tensor *masked(reel_tensor *x)
{
    reel_tensor *y[] = { constant(x, 0), constant(x, 0.25), constant(x, 0.75) };
    return reel_cross_entropy(logits(x), reel_reshape(reel_concat(y, 3, 0), REEL_SHAPE(1, 3)));
}
RECORD(cross_entropy_masked, masked(x))
RIGHT(cross_entropy_masked, logsumexp_of(x, d); d[0] -= 1.75L; if (x == inf) set(d, NAN, NAN, NAN, NAN);)
static reel_tensor *shared(reel_tensor *x)
{
    reel_tensor *y[] = { constant(x, 0.5), constant(x, 0), constant(x, 0.5) };
    return reel_cross_entropy(logits(x), reel_reshape(reel_concat(y, 3, 0), REEL_SHAPE(1, 3)));
}
RECORD(cross_entropy_shared, shared(x))
RIGHT(cross_entropy_shared, logsumexp_of(x, d); d[0] = x == -inf ? inf
                                                       : x > 0   ? (d[0] - x) / 2 + (d[0] - 2) / 2
                                                                 : d[0] - x / 2 - 1;
      d[1] -= 0.5L; if (x == inf) set(d, NAN, NAN, NAN, NAN);)

/* As a target of a logit of −Inf: 0 ln 0 is 0, and the derivative there is documented. */
static reel_tensor *target(reel_tensor *x)
{
    reel_tensor *l[] = { constant(x, -INFINITY), constant(x, 0) };
    return reel_cross_entropy(reel_reshape(reel_concat(l, 2, 0), REEL_SHAPE(1, 2)),
                              reel_reshape(with(x, 1), REEL_SHAPE(1, 2)));
}
RECORD(cross_entropy_target, target(x))
RIGHT(cross_entropy_target, set(d, x == 0 ? 0 : x * inf, x == 0 ? 0 : inf, 0, 0);)

/* ---- Optimisers, as functions of the gradient -------------------------------------------------------------------- */

static reel_tensor *updated(reel_tensor *g, bool adam)
{
    reel_tape *tape = reel_tape_of(g);
    reel_list *p = reel_list_new(tape), *gradients = reel_list_new(tape);
    reel_list_append(p, NULL, reel_parameter(g, "p", REEL_SHAPE(1), reel_init_zeros()));
    reel_list_append(gradients, NULL, g);
    reel_list *u = adam ? reel_adam_update(p, gradients, (reel_adam_options){ .lr = 0.5, .epsilon = 0x1p-20 })
                        : reel_sgd_update(p, gradients, (reel_sgd_options){ .lr = 0.5, .momentum = 0.5 });
    return reel_list_at(u, 0);
}
RECORD(sgd, updated(x, false))
RIGHT(sgd, set(d, -0.5L * x, -0.5L, 0, 0);)
RECORD(adam, updated(x, true))

/* −½ g / (|g| + ε). Documented: subnormal moments are 0; where g² overflows, it counts as Inf. */
RIGHT(adam, real v = 0.001L * x * x, m = 0.1L * fabsl(x), e = 0x1p-20L, u = fabsl(x) + e;
      set(d, -0.5L * x / u, -0.5L * e / u / u, (x > 0 ? 1 : -1) * e / u / u / u, -3 * e / u / u / u / u);
      if (u < 2 * e) d[3] = anything; /* differences of what is far larger */
      if (v < t->normal) set(d, -0.5L * x / e, -0.5L / e, 0, 0); if (m < t->normal) set(d, 0, 0, 0, 0);
      if (x * x > t->largest) set(d, isinf(x) ? NAN : 0, anything, anything, anything);
      if (isnan(x)) set(d, x, x, x, x);)

static reel_tensor *clipped(reel_tensor *x, reel_tensor *other, double max_norm)
{
    reel_list *list = reel_list_new(reel_tape_of(x));
    reel_list_append(list, "x", x);
    if (other) reel_list_append(list, "other", other);
    return reel_list_at(reel_clip_norm(list, max_norm), 0);
}
RECORD(clip_norm, clipped(x, NULL, 1))
RIGHT(clip_norm, set(d, fabsl(x) > 1 ? copysignl(1, x) : x, !(fabsl(x) > 1), 0, 0);
      if (isinf(x)) set(d, x, 1, 0, 0); /* as it was */
      if (isnan(x)) set(d, x, NAN, NAN, NAN);)
RECORD(clip_norm_of_two, clipped(x, constant(x, 3), 1))
RIGHT(clip_norm_of_two, real r = sqrtl(x * x + 9), u = 9 / r / r / r;
      set(d, x / r, u, -3 * u * (x / r) / r, u *(12 * x * x - 27) / r / r / r / r); if (isinf(x)) set(d, x, 1, 0, 0);
      if (isnan(x)) set(d, x, NAN, NAN, NAN);)

/* ---- The table --------------------------------------------------------------------------------------------------- */

/* clang-format off */
#define ROW(name, ...) { #name, record_##name, right_##name, __VA_ARGS__ }
#define ROW_AS(op, name, like, near) { #op, record_##name, right_##like, near }
#define UNARY(op, ...) ROW(op, near_##op),
#define BINARY(...)
#define COMPARE(...)
static const row rows[] = {
#include "ops/pointwise.table.h"

    ROW_AS(reshape, reshape, identity, 0), ROW_AS(permute, permute, identity, 0),
    ROW_AS(transpose, transpose, identity, 0), ROW_AS(expand, expand, identity, 0),
    ROW_AS(sum_to, sum_to, identity, 0), ROW_AS(slice, slice, identity, 0),
    ROW_AS(slice_step, slice_step, identity, 0), ROW_AS(pad, pad, identity, 0),
    ROW_AS(pad_step, pad_step, identity, 0), ROW_AS(flip, flip, identity, 0),
    ROW_AS(concat, concat, identity, 0), ROW_AS(stack, stack, identity, 0),
    ROW_AS(unsqueeze, unsqueeze, identity, 0), ROW_AS(squeeze, squeeze, identity, 0),
    ROW_AS(take, take, identity, 0), ROW_AS(take_along_axis, take_along_axis, identity, 0), ROW_AS(scatter_add, scatter_add, identity, 0),
    ROW_AS(cast, cast, identity, 0), ROW_AS(variable, variable, identity, 0), ROW_AS(detach, detach, none, 0),
    ROW_AS(where, where, identity, 0), ROW_AS(where, where_other, two, 0),
    ROW(eq, 0), ROW(ne, 0), ROW(lt, 0), ROW(le, 0), ROW(gt, 0), ROW(ge, 0), ROW(argmax, 0), ROW(accuracy, 0),

    ROW(scale, 0), ROW(shift, 0), ROW_AS(add, add, scale, 0), ROW(sub, 0), ROW_AS(mul, mul, square, 0), ROW(div, 0),
   
    ROW(square, 0),
    ROW(reciprocal, 0), ROW(clip, 0), ROW_AS(clip, clip_open, identity, 0), ROW(minimum, 0), ROW(maximum, 0),
    ROW_AS(pow, pow_0, pow_0, 0), ROW_AS(pow, pow_1, pow_1, 0), ROW_AS(pow, pow_2, pow_2, 0),
    ROW_AS(pow, pow_3, pow_3, 0), ROW_AS(pow, pow_4, pow_4, 0), ROW_AS(pow, pow_half, pow_half, 0),
    ROW_AS(pow, pow_three_halves, pow_three_halves, 0), ROW_AS(pow, pow_minus_1, pow_minus_1, 0),
    ROW_AS(pow, pow_of_2, pow_of_2, 0), ROW_AS(pow, pow_of_0, pow_of_0, 0),

    ROW(sigmoid, 1), ROW(log_sigmoid, 1), ROW(softplus, 1), ROW(relu, 0), ROW(leaky_relu, 0),
    ROW_AS(leaky_relu, leaky_relu_0, relu, 0), ROW(elu, 1), ROW(silu, 64), ROW(gelu, 64), ROW(gelu_tanh, 64),

    ROW_AS(sum, sum, shift, 0), ROW(mean, 0), ROW(var, 1), ROW_AS(max, max, maximum, 0), ROW_AS(min, min, minimum, 0),
    ROW_AS(max, max_alone, identity, 0), ROW(logsumexp, 1), ROW_AS(logsumexp, logsumexp_alone, logsumexp_alone, 0),
    ROW(softmax, 1), ROW_AS(softmax, softmax_other, softmax_other, 1), ROW_AS(softmax, softmax_alone, softmax_alone, 0),
    ROW(log_softmax, 1), ROW_AS(log_softmax, log_softmax_alone, log_softmax_alone, 0),
    ROW_AS(matmul, matmul, scale, 0), ROW_AS(contract, contract, square, 0),

    ROW_AS(linear, linear, scale, 0), ROW_AS(dropout, dropout_dropped, dropped, 0), ROW_AS(dropout, dropout_kept, kept, 0),
    ROW(mse, 0), ROW(l2, 0),
    ROW_AS(cross_entropy, cross_entropy_hit, cross_entropy_hit, 1),
    ROW_AS(cross_entropy, cross_entropy_other, cross_entropy_other, 2),
    ROW_AS(cross_entropy, cross_entropy_masked, cross_entropy_masked, 2),
    ROW_AS(cross_entropy, cross_entropy_shared, cross_entropy_shared, 2),
    ROW_AS(cross_entropy, cross_entropy_target, cross_entropy_target, 0),
    ROW_AS(sgd_update, sgd, sgd, 0), ROW_AS(adam_update, adam, adam, 1),
    ROW(clip_norm, 1), ROW_AS(clip_norm, clip_norm_of_two, clip_norm_of_two, 1),
};
/* clang-format on */

enum { ROWS = sizeof rows / sizeof *rows };

/* Without real operands, or the first half of an optimiser, which is gradients and the second half. */
static const char *const without_rows[] = { "number",  "fill",   "iota", "one_hot", "in_range",
                                            "uniform", "normal", "sgd",  "adam" };

/* ---- Points ------------------------------------------------------------------------------------------------------ */

#endif
