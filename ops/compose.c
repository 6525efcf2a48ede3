/* Compositions: activations, softmax and its kin, mean and variance, clip. No kernels and no derivatives are here. */
#include "ops/ops.h"

#include <math.h>

static reel_tensor *number(reel_tensor *x, double value) { return reel_number(x, value); }

reel_tensor *reel_square(reel_tensor *x) { return reel_mul(x, x); }
reel_tensor *reel_reciprocal(reel_tensor *x) { return reel_div(number(x, 1), x); }

reel_tensor *reel_clip(reel_tensor *x, double low, double high)
{
    if (!reel__good("clip", 1, &x)) return x ? &x->tape->bad : &reel__failed_tape.bad;
    if (!(low <= high)) return reel__fail(x->tape, REEL_BAD_ARGUMENT, "clip: %g … %g is no interval", low, high);
    reel_tensor *l = number(x, low), *h = number(x, high);
    return reel_where(reel_lt(x, l), l, reel_where(reel_gt(x, h), h, x));
}

/* 1 / (1 + e^(−x)) = ½ + ½ tanh(x/2), which has no overflow and a derivative without one. */
reel_tensor *reel_sigmoid(reel_tensor *x)
{
    return reel_shift(reel_scale(reel_tanh(reel_scale(x, 0.5)), 0.5), 0.5);
}

/* ln(1 + e^x) = max(x, 0) + ln(1 + e^(−|x|)), with −|x| as a choice of x and −x, whose derivative at 0 is right. */
reel_tensor *reel_softplus(reel_tensor *x)
{
    reel_tensor *negative = reel_le(x, number(x, 0));
    reel_tensor *decay = reel_where(negative, x, reel_neg(x));
    return reel_add(reel_where(negative, number(x, 0), x), reel_log1p(reel_exp(decay)));
}

reel_tensor *reel_log_sigmoid(reel_tensor *x) { return reel_neg(reel_softplus(reel_neg(x))); }

reel_tensor *reel_relu(reel_tensor *x)
{
    reel_tensor *zero = number(x, 0);
    return reel_where(reel_le(x, zero), zero, x);
}

reel_tensor *reel_leaky_relu(reel_tensor *x, double slope)
{
    return reel_where(reel_le(x, number(x, 0)), reel_scale(x, slope), x);
}

/* The exponential sees only what is not positive, so the branch that is not taken cannot overflow. */
reel_tensor *reel_elu(reel_tensor *x, double alpha)
{
    reel_tensor *zero = number(x, 0), *negative = reel_le(x, zero);
    return reel_where(negative, reel_scale(reel_expm1(reel_where(negative, x, zero)), alpha), x);
}

reel_tensor *reel_silu(reel_tensor *x) { return reel_mul(x, reel_sigmoid(x)); }

reel_tensor *reel_gelu(reel_tensor *x)
{
    reel_tensor *e = reel_erf(reel_scale(x, 0.70710678118654752440));
    return reel_mul(reel_scale(x, 0.5), reel_shift(e, 1));
}

reel_tensor *reel_gelu_tanh(reel_tensor *x)
{
    reel_tensor *cube = reel_mul(reel_mul(x, x), x);
    reel_tensor *t = reel_tanh(reel_scale(reel_add(x, reel_scale(cube, 0.044715)), 0.79788456080286535588));
    return reel_mul(reel_scale(x, 0.5), reel_shift(t, 1));
}

/* ---- Over axes --------------------------------------------------------------------------------------------------- */

reel_tensor *reel_mean(reel_tensor *x, reel_axes axes, reel_keep_dims keep)
{
    reel_tensor *sum = reel_sum(x, axes, keep);
    if (sum->is_bad) return sum;
    if (x->dtype == REEL_I32) return reel__fail(x->tape, REEL_BAD_DTYPE, "mean: operand 1 is i32; it takes f32 or f64 (use reel_cast)");
    double n = sum->count ? (double)x->count / (double)sum->count : 0;
    return reel_div(sum, number(sum, n));
}

reel_tensor *reel_var(reel_tensor *x, reel_axes axes, reel_keep_dims keep)
{
    return reel_mean(reel_square(reel_sub(x, reel_mean(x, axes, REEL_KEEP))), axes, keep);
}

reel_tensor *reel_min(reel_tensor *x, reel_axes axes, reel_keep_dims keep) { return reel_neg(reel_max(reel_neg(x), axes, keep)); }

/* What is subtracted before an exponential: the maximum, but 0 where that is infinite, since Inf − Inf is NaN. Any value
 * would do, so no gradient passes. */
static reel_tensor *offset(reel_tensor *x, reel_axes axes)
{
    reel_tensor *top = reel_detach(reel_max(x, axes, REEL_KEEP));
    if (top->is_bad) return top;
    return reel_where(reel_lt(reel_abs(top), number(top, (double)INFINITY)), top, number(top, 0));
}

reel_tensor *reel_logsumexp(reel_tensor *x, reel_axes axes, reel_keep_dims keep)
{
    reel_tensor *top = offset(x, axes);
    reel_tensor *log = reel_log(reel_sum(reel_exp(reel_sub(x, top)), axes, REEL_KEEP));
    reel_tensor *y = reel_add(log, top);
    return keep == REEL_KEEP ? y : reel_sum(y, axes, REEL_DROP); /* of size 1: a reshape */
}

reel_tensor *reel_softmax(reel_tensor *x, int axis)
{
    reel_tensor *e = reel_exp(reel_sub(x, offset(x, REEL_AXES(axis))));
    return reel_div(e, reel_sum(e, REEL_AXES(axis), REEL_KEEP));
}

reel_tensor *reel_log_softmax(reel_tensor *x, int axis)
{
    reel_tensor *shifted = reel_sub(x, offset(x, REEL_AXES(axis))); /* first, so that nothing large is left to cancel */
    return reel_sub(shifted, reel_log(reel_sum(reel_exp(shifted), REEL_AXES(axis), REEL_KEEP)));
}
