/* Compositions: activations, softmax and its kin, mean and variance, clip. No kernels and no derivatives are here. */
#include "ops/family.h"

#include <math.h>

/* As a number of x's dtype. */
static bool is_finite(const reel_tensor *x, double value)
{
    return isfinite(x->dtype == REEL_F32 ? (double)(float)value : value);
}

/* Returns from the caller with the bad tensor, under the caller's name, if x is not usable or is i32. */
#define NEEDS_FLOAT(name, x)                                                                                           \
    if (!reel__good_floats(name, &(x), 1)) return &reel__tape_of_all(&(x), 1)->bad

reel_tensor *reel_square(reel_tensor *x)
{
    if (!reel__good_one("square", x)) return &reel_tape_of(x)->bad;
    return reel_mul(x, x);
}

reel_tensor *reel_reciprocal(reel_tensor *x)
{
    NEEDS_FLOAT("reciprocal", x);
    return reel_div(reel_number(x, 1), x);
}

reel_tensor *reel_clip(reel_tensor *x, double low, double high)
{
    if (!reel__good("clip", &x, 1)) return &reel_tape_of(x)->bad;
    if (!reel__good_with("clip", x, low) || !reel__good_with("clip", x, high)) return &x->tape->bad;
    if (!(low <= high)) return reel__fail(x->tape, REEL_BAD_ARGUMENT, "clip: %g … %g is no interval", low, high);
    reel_tensor *l = reel_number(x, low), *h = reel_number(x, high);
    return reel_where(reel_lt(x, l), l, reel_where(reel_gt(x, h), h, x));
}

/* 1 / (1 + e^(−x)) = ½ + ½ tanh(x/2), which has no overflow and a derivative without one. */
reel_tensor *reel_sigmoid(reel_tensor *x)
{
    NEEDS_FLOAT("sigmoid", x);
    return reel_shift(reel_scale(reel_tanh(reel_scale(x, 0.5)), 0.5), 0.5);
}

/* ln(1 + e^x) = max(x, 0) + ln(1 + e^(−|x|)), with −|x| as a choice of x and −x, whose derivative at 0 is right. */
reel_tensor *reel_softplus(reel_tensor *x)
{
    NEEDS_FLOAT("softplus", x);
    reel_tensor *negative = reel_le(x, reel_number(x, 0));
    reel_tensor *decay = reel_where(negative, x, reel_neg(x));
    return reel_add(reel_where(negative, reel_number(x, 0), x), reel_log1p(reel_exp(decay)));
}

reel_tensor *reel_log_sigmoid(reel_tensor *x)
{
    NEEDS_FLOAT("log_sigmoid", x);
    return reel_neg(reel_softplus(reel_neg(x)));
}

reel_tensor *reel_relu(reel_tensor *x)
{
    NEEDS_FLOAT("relu", x);
    reel_tensor *zero = reel_number(x, 0);
    return reel_where(reel_le(x, zero), zero, x);
}

static reel_tensor *at_least(reel_tensor *x, double low)
{
    reel_tensor *l = reel_number(x, low);
    return reel_where(reel_lt(x, l), l, x);
}

static reel_tensor *at_most(reel_tensor *x, double high)
{
    reel_tensor *h = reel_number(x, high);
    return reel_where(reel_lt(h, x), h, x);
}

/* The slope is chosen, not the result: slope x may overflow where it is not wanted. */
reel_tensor *reel_leaky_relu(reel_tensor *x, double slope)
{
    NEEDS_FLOAT("leaky_relu", x);
    if (!is_finite(x, slope)) return reel__fail(x->tape, REEL_BAD_ARGUMENT, "leaky_relu: the slope is %g", slope);
    if (slope == 0)
        x = reel_where(reel_eq(x, reel_number(x, -(double)INFINITY)), reel_number(x, -1), x); /* 0 · Inf is NaN */
    return reel_mul(x, reel_where(reel_le(x, reel_number(x, 0)), reel_number(x, slope), reel_number(x, 1)));
}

/* The exponential sees only what is not positive, so the branch that is not taken cannot overflow. */
reel_tensor *reel_elu(reel_tensor *x, double alpha)
{
    NEEDS_FLOAT("elu", x);
    if (!is_finite(x, alpha)) return reel__fail(x->tape, REEL_BAD_ARGUMENT, "elu: alpha is %g", alpha);
    reel_tensor *zero = reel_number(x, 0), *negative = reel_le(x, zero);
    return reel_where(negative, reel_scale(reel_expm1(reel_where(negative, x, zero)), alpha), x);
}

/* The following three are x times a gate of x, which beyond ±64 is 0 or 1 in either type. What is below is taken as −64,
 * for −Inf · 0 is NaN; and what is above as 64 in the gate, for in the derivatives x meets those of the gate, which are
 * 0 there. */
enum { SHUT = -64, OPEN = 64 };

reel_tensor *reel_silu(reel_tensor *x)
{
    NEEDS_FLOAT("silu", x);
    x = at_least(x, SHUT);
    return reel_mul(x, reel_sigmoid(at_most(x, OPEN)));
}

reel_tensor *reel_gelu(reel_tensor *x)
{
    NEEDS_FLOAT("gelu", x);
    x = at_least(x, SHUT);
    reel_tensor *e = reel_erf(reel_scale(at_most(x, OPEN), 0.70710678118654752440));
    return reel_mul(reel_scale(x, 0.5), reel_shift(e, 1));
}

reel_tensor *reel_gelu_tanh(reel_tensor *x)
{
    NEEDS_FLOAT("gelu_tanh", x);
    x = at_least(x, SHUT);
    reel_tensor *u = at_most(x, OPEN), *cube = reel_mul(reel_mul(u, u), u);
    reel_tensor *t = reel_tanh(reel_scale(reel_add(u, reel_scale(cube, 0.044715)), 0.79788456080286535588));
    return reel_mul(reel_scale(x, 0.5), reel_shift(t, 1));
}

/* ---- Over axes --------------------------------------------------------------------------------------------------- */

/* What begins with a maximum needs elements, a mean does not. */
enum { MAY_BE_EMPTY, NOT_EMPTY };

/* The axes are those of x, and `keep` is of its enum, checked under the caller's name. */
static bool good_axes(const char *op, const reel_tensor *x, reel_axes axes, reel_keep_dims keep, int elements)
{
    bool chosen[REEL_MAX_RANK];
    if (!reel__choose_axes(op, x, axes, chosen) || !reel__good_keep(op, x, keep)) return false;
    for (int d = 0; d < x->rank && elements == NOT_EMPTY; d++)
        if (chosen[d] && x->size[d] == 0) {
            reel__fail(x->tape, REEL_BAD_SHAPE, "%s: axis %d of %s is empty", op, d, reel_shape_text(x));
            return false;
        }
    return true;
}

#define NEEDS_AXES(name, x, axes, keep, elements)                                                                      \
    if (!reel__good_floats(name, &(x), 1) || !good_axes(name, x, axes, keep, elements))                                \
    return &reel__tape_of_all(&(x), 1)->bad

reel_tensor *reel_mean(reel_tensor *x, reel_axes axes, reel_keep_dims keep)
{
    NEEDS_AXES("mean", x, axes, keep, MAY_BE_EMPTY);
    reel_tensor *sum = reel_sum(x, axes, keep);
    if (sum->is_bad) return sum;
    double n = sum->count ? (double)x->count / (double)sum->count : 0;
    return reel_div(sum, reel_number(sum, n));
}

reel_tensor *reel_var(reel_tensor *x, reel_axes axes, reel_keep_dims keep)
{
    NEEDS_AXES("var", x, axes, keep, MAY_BE_EMPTY);
    return reel_mean(reel_square(reel_sub(x, reel_mean(x, axes, REEL_KEEP))), axes, keep);
}

/* The maximum, which no gradient passes, since any value would do where it is used. */
static reel_tensor *top_of(reel_tensor *x, reel_axes axes) { return reel_detach(reel_max(x, axes, REEL_KEEP)); }

/* What is subtracted before an exponential: the maximum, but 0 where that is infinite, since Inf − Inf is NaN. */
static reel_tensor *offset(reel_tensor *top)
{
    return reel_where(reel_lt(reel_abs(top), reel_number(top, (double)INFINITY)), top, reel_number(top, 0));
}

/* Σ e, of which one is 1 unless the row is −Inf alone. Then it is not 0 but what next to 1 is nothing: its logarithm, its
 * reciprocal and their derivatives are finite, and the row's share is 0. */
static reel_tensor *sum_of(reel_tensor *e, reel_axes axes)
{
    return reel_shift(reel_sum(e, axes, REEL_KEEP), e->dtype == REEL_F32 ? 0x1p-30 : 0x1p-60);
}

reel_tensor *reel_logsumexp(reel_tensor *x, reel_axes axes, reel_keep_dims keep)
{
    NEEDS_AXES("logsumexp", x, axes, keep, NOT_EMPTY);
    reel_tensor *top = top_of(x, axes);
    reel_tensor *y = reel_add(reel_log(sum_of(reel_exp(reel_sub(x, offset(top))), axes)), top);
    return keep == REEL_KEEP ? y : reel_sum(y, axes, REEL_DROP); /* of size 1: a reshape */
}

reel_tensor *reel_softmax(reel_tensor *x, int axis)
{
    NEEDS_AXES("softmax", x, REEL_AXES(axis), REEL_KEEP, NOT_EMPTY);
    reel_tensor *e = reel_exp(reel_sub(x, offset(top_of(x, REEL_AXES(axis)))));
    return reel_div(e, sum_of(e, REEL_AXES(axis)));
}

reel_tensor *reel_log_softmax(reel_tensor *x, int axis)
{
    NEEDS_AXES("log_softmax", x, REEL_AXES(axis), REEL_KEEP, NOT_EMPTY);
    reel_tensor *shifted = reel_sub(x, offset(top_of(x, REEL_AXES(axis)))); /* first: nothing large is left to cancel */
    return reel_sub(shifted, reel_log(sum_of(reel_exp(shifted), REEL_AXES(axis))));
}
