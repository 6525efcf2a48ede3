/* The ops: what a tape can record. Each line is a prototype with its formula. Here y is what is returned, x, a and b are
 * operands. Binary ops broadcast as NumPy does, visibly: an expand is recorded. Types must agree. Unless it says
 * otherwise an op takes f32 and f64; axes may be negative. Primitives are marked |; the rest are compositions of them.
 * All have gradients of every order except where "no gradient" stands.
 *
 * At zeros, infinities, NaN, the largest and the smallest numbers, values are those of C99's annex F, and derivatives
 * are the limits, where there is one; what else they are stands with the op. (tests/edge_rows.h is the table.) What a
 * formula has on the way has to be representable: the sum of a mean, the squares of a variance, gy y for a gradient
 * of y = a / b by b. A gradient of 0 times an infinite slope is NaN: where an op is not to be computed, reel_where() has
 * to choose its operand, not only its result. */
#include <reel.h> /* which includes this header, and then reel/lines.h, whose macros have the names of functions */
#ifndef REEL_OPS_H
#define REEL_OPS_H

#ifdef __cplusplus
extern "C" {
#endif

/* A line is an op. */
/* clang-format off */

/* ---- Numbers ----------------------------------------------------------------------------------------------------- */

REEL_API reel_tensor *reel_number(reel_tensor *like, double value); /* | a scalar of like's dtype; i32 takes whole ones */
REEL_API reel_tensor *reel_scale(reel_tensor *x, double s);         /* x s */
REEL_API reel_tensor *reel_shift(reel_tensor *x, double s);         /* x + s */
REEL_API reel_tensor *reel_fill(reel_tensor *like, reel_shape shape, double value); /* value everywhere */
REEL_API reel_tensor *reel_iota(reel_tensor *like, int64_t count);  /* | 0, 1, … count − 1 in i32, on like's tape */

/* ---- Pointwise, two operands; add, sub, mul, minimum, maximum and comparisons also for i32 (which wraps around) --- */

REEL_API reel_tensor *reel_add(reel_tensor *a, reel_tensor *b);     /* | a + b */
REEL_API reel_tensor *reel_sub(reel_tensor *a, reel_tensor *b);     /* | a − b */
REEL_API reel_tensor *reel_mul(reel_tensor *a, reel_tensor *b);     /* | a b */
REEL_API reel_tensor *reel_div(reel_tensor *a, reel_tensor *b);     /* | a / b; where a is 0 or Inf, derivatives by b need 1/b to their order */
REEL_API reel_tensor *reel_pow(reel_tensor *a, reel_tensor *b);     /* | a to the power b, C99's special cases; derivatives as below */
REEL_API reel_tensor *reel_minimum(reel_tensor *a, reel_tensor *b); /* | NaN, without a gradient, if either is; −0 < +0; a tie's gradient is halved */
REEL_API reel_tensor *reel_maximum(reel_tensor *a, reel_tensor *b); /* | likewise */
REEL_API reel_tensor *reel_eq(reel_tensor *a, reel_tensor *b);      /* | a = b: 1 or 0 in i32; no gradient, as below */
REEL_API reel_tensor *reel_ne(reel_tensor *a, reel_tensor *b);      /* | a ≠ b */
REEL_API reel_tensor *reel_lt(reel_tensor *a, reel_tensor *b);      /* | a < b */
REEL_API reel_tensor *reel_le(reel_tensor *a, reel_tensor *b);      /* | a ≤ b */
REEL_API reel_tensor *reel_gt(reel_tensor *a, reel_tensor *b);      /* b < a */
REEL_API reel_tensor *reel_ge(reel_tensor *a, reel_tensor *b);      /* b ≤ a */
REEL_API reel_tensor *reel_where(reel_tensor *condition, reel_tensor *a, reel_tensor *b); /* | a where the i32 condition is not 0, else b */

/* Derivatives of a^b. By a: b a^(b−1), which is 0 for b = 0 and has the limits at a = 0 and ±Inf; b − 1 is rounded, and
 * powers that are subnormal count as they are. By b: a^b ln a, which is 0 for a = 0 and b ≥ 0, and NaN for a < 0. By both:
 * right for normal a > 0, and 0 for a = 0 and b > 1; nothing is promised elsewhere. */

/* ---- Pointwise, one operand; neg, abs and sign also for i32, where the least number is its own negative ------------ */

REEL_API reel_tensor *reel_neg(reel_tensor *x);        /* | −x */
REEL_API reel_tensor *reel_abs(reel_tensor *x);        /* | |x|; gradient 0 at 0 */
REEL_API reel_tensor *reel_sign(reel_tensor *x);       /* | −1, 0 or 1 (a zero keeps its sign, NaN stays NaN); gradient 0 */
REEL_API reel_tensor *reel_floor(reel_tensor *x);      /* | largest whole number ≤ x; gradient 0 */
REEL_API reel_tensor *reel_exp(reel_tensor *x);        /* | e^x */
REEL_API reel_tensor *reel_log(reel_tensor *x);        /* | ln x; derivative 1/x everywhere: ±Inf at ±0, and a number below 0 where ln x is NaN */
REEL_API reel_tensor *reel_expm1(reel_tensor *x);      /* | e^x − 1 */
REEL_API reel_tensor *reel_log1p(reel_tensor *x);      /* | ln(1 + x); derivative 1/(1 + x) likewise */
REEL_API reel_tensor *reel_sin(reel_tensor *x);        /* | sin x; NaN at ±Inf */
REEL_API reel_tensor *reel_cos(reel_tensor *x);        /* | cos x; NaN at ±Inf */
REEL_API reel_tensor *reel_tanh(reel_tensor *x);       /* | tanh x */
REEL_API reel_tensor *reel_erf(reel_tensor *x);        /* | 2/√π ∫₀ˣ e^(−t²) dt */
REEL_API reel_tensor *reel_sqrt(reel_tensor *x);       /* | √x; derivative ±Inf at ±0 */
REEL_API reel_tensor *reel_rsqrt(reel_tensor *x);      /* | 1 / √x, with two roundings; ±Inf at ±0 */
REEL_API reel_tensor *reel_square(reel_tensor *x);     /* x x */
REEL_API reel_tensor *reel_reciprocal(reel_tensor *x); /* 1 / x */
REEL_API reel_tensor *reel_clip(reel_tensor *x, double low, double high); /* low where x < low, high where x > high, else x, with gradient 1 at both */
REEL_API reel_tensor *reel_cast(reel_tensor *x, reel_dtype dtype); /* | to i32: towards zero, saturating, NaN gives 0; no gradient through i32 */
REEL_API reel_tensor *reel_detach(reel_tensor *x);     /* | x, through which no gradient passes */

/* ---- Activations ------------------------------------------------------------------------------------------------- */

REEL_API reel_tensor *reel_sigmoid(reel_tensor *x);     /* 1 / (1 + e^(−x)), as ½ + ½ tanh(½ x) */
REEL_API reel_tensor *reel_log_sigmoid(reel_tensor *x); /* ln sigmoid(x), without overflow */
REEL_API reel_tensor *reel_softplus(reel_tensor *x);    /* ln(1 + e^x), without overflow */
REEL_API reel_tensor *reel_relu(reel_tensor *x);        /* 0 where x ≤ 0, else x (NaN stays); gradient 0 at 0 */
REEL_API reel_tensor *reel_leaky_relu(reel_tensor *x, double slope); /* slope x where x ≤ 0, else x */
REEL_API reel_tensor *reel_elu(reel_tensor *x, double alpha);        /* alpha (e^x − 1) where x ≤ 0, else x */
REEL_API reel_tensor *reel_silu(reel_tensor *x);        /* x sigmoid(x) */
REEL_API reel_tensor *reel_gelu(reel_tensor *x);        /* ½ x (1 + erf(x/√2)) (Hendrycks and Gimpel 2016) */
REEL_API reel_tensor *reel_gelu_tanh(reel_tensor *x);   /* ½ x (1 + tanh(√(2/π)(x + 0.044715 x³))) */

/* ---- Reductions -------------------------------------------------------------------------------------------------- */

REEL_API reel_tensor *reel_sum(reel_tensor *x, reel_axes axes, reel_keep_dims keep);  /* | also i32 */
REEL_API reel_tensor *reel_mean(reel_tensor *x, reel_axes axes, reel_keep_dims keep); /* sum / number of elements; the sum must not overflow */
REEL_API reel_tensor *reel_var(reel_tensor *x, reel_axes axes, reel_keep_dims keep);  /* mean of (x − mean)², not n − 1; NaN where an x is infinite */
REEL_API reel_tensor *reel_max(reel_tensor *x, reel_axes axes, reel_keep_dims keep);  /* | also i32; −0 < +0; not of an empty axis; ties share the gradient equally; NaN, without a gradient, if there is one */
REEL_API reel_tensor *reel_min(reel_tensor *x, reel_axes axes, reel_keep_dims keep);  /* | likewise */
REEL_API reel_tensor *reel_argmax(reel_tensor *x, int axis); /* | i32 index of the first maximum (a NaN is one); the axis is dropped; no gradient */
REEL_API reel_tensor *reel_logsumexp(reel_tensor *x, reel_axes axes, reel_keep_dims keep); /* ln Σ e^x, without overflow; of −Inf alone −Inf, with gradient 0; with an Inf Inf, with gradient NaN */
REEL_API reel_tensor *reel_softmax(reel_tensor *x, int axis);     /* e^x / Σ e^x; of −Inf alone 0, with gradient 0; an Inf gives NaN */
REEL_API reel_tensor *reel_log_softmax(reel_tensor *x, int axis); /* x − ln Σ e^x; of −Inf alone −Inf, with the gradient of x; an Inf gives NaN */

/* ---- Products ---------------------------------------------------------------------------------------------------- */

/* a b over the last two axes: [m,k] [k,n] → [m,n]; leading axes broadcast; a of rank 1 is a row, b of rank 1 a column. */
REEL_API reel_tensor *reel_matmul(reel_tensor *a, reel_tensor *b);

/* | Any contraction of two tensors in index notation: reel_contract(a, b, "bmk,bkn->bmn"). A letter is an axis; one in
 * both operands and not in the result is summed over, in the order in which these letters stand in the first operand. */
REEL_API reel_tensor *reel_contract(reel_tensor *a, reel_tensor *b, const char *spec);

/* ---- Views and parts: the same elements elsewhere ---------------------------------------------------------------- */

REEL_API reel_tensor *reel_reshape(reel_tensor *x, reel_shape shape);  /* | same count, row-major; one size may be −1 */
REEL_API reel_tensor *reel_permute(reel_tensor *x, reel_axes order);   /* | axis i of y is axis order[i] of x */
REEL_API reel_tensor *reel_transpose(reel_tensor *x);                  /* swaps the last two axes */
REEL_API reel_tensor *reel_expand(reel_tensor *x, reel_shape shape);   /* | broadcasts as NumPy does */
REEL_API reel_tensor *reel_sum_to(reel_tensor *x, reel_shape shape);   /* sums what expand would have repeated */
REEL_API reel_tensor *reel_slice(reel_tensor *x, int axis, int64_t start, int64_t stop); /* start … stop − 1; negative ones count from the end */
REEL_API reel_tensor *reel_slice_step(reel_tensor *x, int axis, int64_t start, int64_t stop, int64_t step); /* | every step-th, step ≥ 1 */
REEL_API reel_tensor *reel_pad(reel_tensor *x, int axis, int64_t before, int64_t after); /* zeros before and after */
REEL_API reel_tensor *reel_pad_step(reel_tensor *x, int axis, int64_t before, int64_t after, int64_t step); /* | and step − 1 zeros between */
REEL_API reel_tensor *reel_flip(reel_tensor *x, reel_axes axes);       /* | backwards along these axes */
REEL_API reel_tensor *reel_concat(reel_tensor *const *x, int count, int axis); /* | one after the other along an axis */
REEL_API reel_tensor *reel_stack(reel_tensor *const *x, int count, int axis);  /* along a new axis */
REEL_API reel_tensor *reel_unsqueeze(reel_tensor *x, int axis);        /* a new axis of size 1 before this one; −1: at the end */
REEL_API reel_tensor *reel_squeeze(reel_tensor *x, int axis);          /* leaves out an axis of size 1 */

/* ---- Indices: i32; a run in which one is out of range fails before anything is assigned -------------------------- */

REEL_API reel_tensor *reel_take(reel_tensor *x, reel_tensor *indices, int axis); /* | y[…, i…, …] = x[…, indices[i…], …]; also i32 */
REEL_API reel_tensor *reel_take_along_axis(reel_tensor *x, reel_tensor *indices, int axis); /* y[…, i, …] = x[…, indices[…, i, …], …]: an index for each element; other axes broadcast; also i32 */
REEL_API reel_tensor *reel_scatter_add(reel_tensor *x, reel_tensor *indices, int axis, int64_t size); /* | its adjoint: rows of x with the same index are added in ascending order, the rest is 0 */
REEL_API reel_tensor *reel_one_hot(reel_tensor *indices, int64_t classes, reel_dtype dtype); /* | […] → […, classes]: 1 at the index, else 0; no gradient */
REEL_API reel_tensor *reel_in_range(reel_tensor *indices, int64_t size); /* | the indices, checked to be in 0 … size − 1 */

/* ---- Random draws: functions of (seed, name, run, element), new in every run; no gradient ------------------------- */

REEL_API reel_tensor *reel_uniform(reel_tensor *like, const char *name, reel_shape shape); /* | uniform in [0, 1), like's dtype */
REEL_API reel_tensor *reel_normal(reel_tensor *like, const char *name, reel_shape shape);  /* standard normal (Box and Muller 1958) */

/* ---- Derivatives ------------------------------------------------------------------------------------------------- */

REEL_API reel_tensor *reel_variable(reel_tensor *x, const char *name); /* | x, as a tensor of its own, for a derivative by this use of x alone: see section 7 of reel.h. A name is used once, as a parameter's is */
/* clang-format on */

#ifdef __cplusplus
}
#endif

#endif
