/* Naive references of the ops: plain loops over long doubles, written from the formulas of include/reel/ops.h, sharing
 * nothing with the library's code. Each makes y, of the shape and dtype that the op has to give. */
#ifndef REEL_TESTS_NAIVE_H
#define REEL_TESTS_NAIVE_H

#include "support.h"

#include <math.h>
#include <string.h>

typedef long double real;

#define FOR_EACH(index, array)                                                                                         \
    for (int64_t index[REEL_MAX_RANK] = { 0 }, more_ = (array).count > 0; more_;                                       \
         more_ = next_index(&(array).shape, index))

static inline double *cell(const array *a, const int64_t *index) { return &a->at[offset_of(&a->shape, index)]; }
static inline int axis_of(const array *x, int axis) { return axis < 0 ? axis + x->shape.rank : axis; }

/* ---- Pointwise, with broadcasting -------------------------------------------------------------------------------- */

static inline reel_shape common_shape(int count, const array *x)
{
    reel_shape shape = { 0 };
    for (int i = 0; i < count; i++)
        if (x[i].shape.rank > shape.rank) shape.rank = x[i].shape.rank;
    for (int d = 0; d < shape.rank; d++) {
        shape.size[d] = 1;
        for (int i = 0; i < count; i++) {
            int axis = d - shape.rank + x[i].shape.rank;
            if (axis >= 0 && x[i].shape.size[axis] != 1) shape.size[d] = x[i].shape.size[axis];
        }
    }
    return shape;
}

/* The element of a small array that stands at an index of a larger one. */
static inline double broadcast(const array *x, int rank, const int64_t *index)
{
    int64_t own[REEL_MAX_RANK];
    for (int d = 0; d < x->shape.rank; d++) own[d] = x->shape.size[d] == 1 ? 0 : index[rank - x->shape.rank + d];
    return *cell(x, own);
}

static inline double wrapped(real value) { return (double)(int32_t)(uint32_t)(uint64_t)(int64_t)value; }

typedef real scalar_function(const op_case *c, real a, real b, real d);

static inline void pointwise(const op_case *c, scalar_function *f, const array *x, reel_dtype dtype, array *y)
{
    int count = operand_count(c);
    *y = array_new(dtype, common_shape(count, x));
    FOR_EACH(at, *y)
    {
        real v[OPERANDS] = { 0 };
        for (int i = 0; i < count; i++) v[i] = (real)broadcast(&x[i], y->shape.rank, at);
        real value = f(c, v[0], v[1], v[2]);
        *cell(y, at) = dtype == REEL_I32 ? wrapped(value) : (double)value;
    }
}

#define POINTWISE_NAIVE(op, dtype, expression)                                                                         \
    static inline real op##_of(const op_case *c, real a, real b, real d)                                               \
    {                                                                                                                  \
        return (void)c, (void)a, (void)b, (void)d, expression;                                                         \
    }                                                                                                                  \
    static inline void naive_##op(const op_case *c, const array *x, array *y) { pointwise(c, op##_of, x, dtype, y); }
#define SAME(op, expression) POINTWISE_NAIVE(op, x[operand_count(c) - 1].dtype, expression)
#define TRUTH(op, expression) POINTWISE_NAIVE(op, REEL_I32, expression)

#define ROOT_HALF 0.70710678118654752440084436210484904L
#define ROOT_2_OVER_PI 0.79788456080286535587989211986876373L

static inline real sigmoid(real a) { return 1 / (1 + expl(-a)); }
static inline real softplus(real a) { return logl(1 + expl(a)); }

/* clang-format off */
SAME(scale, a * (real)c->number[0])
SAME(shift, a + (real)c->number[0])
SAME(add, a + b)
SAME(sub, a - b)
SAME(mul, a * b)
SAME(div, a / b)
SAME(pow, powl(a, b))
SAME(minimum, isnan(a) || isnan(b) ? (real)NAN : a == b ? (signbit(a) ? a : b) : a < b ? a : b)
SAME(maximum, isnan(a) || isnan(b) ? (real)NAN : a == b ? (signbit(a) ? b : a) : a > b ? a : b)
TRUTH(eq, a == b)
TRUTH(ne, a != b)
TRUTH(lt, a < b)
TRUTH(le, a <= b)
TRUTH(gt, a > b)
TRUTH(ge, a >= b)
SAME(where, a != 0 ? b : d)
SAME(neg, -a)
SAME(abs, fabsl(a))
SAME(sign, a > 0 ? 1 : a < 0 ? -1 : a)
SAME(floor, floorl(a))
SAME(exp, expl(a))
SAME(log, logl(a))
SAME(expm1, expm1l(a))
SAME(log1p, log1pl(a))
SAME(sin, sinl(a))
SAME(cos, cosl(a))
SAME(tanh, tanhl(a))
SAME(erf, erfl(a))
SAME(sqrt, sqrtl(a))
SAME(rsqrt, 1 / sqrtl(a))
SAME(square, a * a)
SAME(reciprocal, 1 / a)
SAME(clip, a < (real)c->number[0] ? (real)c->number[0] : a > (real)c->number[1] ? (real)c->number[1] : a)
SAME(identity, a)
SAME(sigmoid, sigmoid(a))
SAME(log_sigmoid, -softplus(-a))
SAME(softplus, softplus(a))
SAME(relu, a > 0 ? a : 0)
SAME(leaky_relu, a > 0 ? a : (real)c->number[0] * a)
SAME(elu, a > 0 ? a : (real)c->number[0] * expm1l(a))
SAME(silu, a * sigmoid(a))
SAME(gelu, a / 2 * (1 + erfl(a * ROOT_HALF)))
SAME(gelu_tanh, a / 2 * (1 + tanhl(ROOT_2_OVER_PI * (a + 0.044715L * a * a * a))))

/* clang-format on */

static inline void naive_cast(const op_case *c, const array *x, array *y)
{
    *y = array_new(c->to, x->shape);
    for (int64_t i = 0; i < y->count; i++) y->at[i] = as_dtype(x->at[i], c->to);
}

/* ---- Leaves ------------------------------------------------------------------------------------------------------ */

static inline void naive_fill(const op_case *c, const array *x, array *y)
{
    *y = array_new(x->dtype, c->shape);
    for (int64_t i = 0; i < y->count; i++) y->at[i] = as_dtype(c->number[0], x->dtype);
}

static inline void naive_iota(const op_case *c, const array *x, array *y)
{
    (void)x;
    *y = array_new(REEL_I32, c->shape);
    for (int64_t i = 0; i < y->count; i++) y->at[i] = (double)i;
}

/* Philox4x32-10 (Salmon et al. 2011), from the paper: multiplier M, key schedule by the Weyl constants W. */
static inline void naive_philox(uint32_t counter[4], uint32_t key0, uint32_t key1)
{
    for (int round = 0; round < 10; round++) {
        uint64_t left = 0xD2511F53ull * counter[0], right = 0xCD9E8D57ull * counter[2];
        uint32_t c1 = counter[1], c3 = counter[3];
        counter[0] = (uint32_t)(right >> 32) ^ c1 ^ key0, counter[1] = (uint32_t)right;
        counter[2] = (uint32_t)(left >> 32) ^ c3 ^ key1, counter[3] = (uint32_t)left;
        key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
    }
}

/* Element i of the draw `name` in a run counted from 1: the stream's key is one block of (FNV-1a hash of the name, run)
 * under the seed; f32 takes 24 bits of each word, f64 53 bits of each two. */
static inline double naive_uniform_at(uint64_t seed, const char *name, uint64_t run, reel_dtype dtype, int64_t i)
{
    uint64_t hash = 14695981039346656037ull;
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 1099511628211ull;
    uint32_t s[4] = { (uint32_t)hash, (uint32_t)(hash >> 32), (uint32_t)run, (uint32_t)(run >> 32) };
    naive_philox(s, (uint32_t)seed, (uint32_t)(seed >> 32));
    uint64_t block = (uint64_t)i / (dtype == REEL_F32 ? 4 : 2);
    uint32_t w[4] = { (uint32_t)block, (uint32_t)(block >> 32), s[2], s[3] };
    naive_philox(w, s[0], s[1]);
    if (dtype == REEL_F32) return (double)(w[i % 4] >> 8) / 16777216;
    return (double)(((uint64_t)w[i % 2 * 2 + 1] << 32 | w[i % 2 * 2]) >> 11) / 9007199254740992;
}

static inline void naive_uniform(const op_case *c, const array *x, array *y)
{
    *y = array_new(x->dtype, c->shape);
    for (int64_t i = 0; i < y->count; i++) y->at[i] = naive_uniform_at(SEED, "draw", 1, x->dtype, i);
}

static inline void naive_normal(const op_case *c, const array *x, array *y)
{
    *y = array_new(x->dtype, c->shape);
    for (int64_t i = 0; i < y->count; i++) {
        real u = (real)naive_uniform_at(SEED, "draw", 1, x->dtype, i),
             v = (real)naive_uniform_at(SEED, "draw", 1, x->dtype, y->count + i);
        y->at[i] = (double)(sqrtl(-2 * logl(1 - u)) * cosl(6.28318530717958647692528676655900577L * v));
    }
}

/* ---- Reductions: a function of the list of elements that are reduced together ------------------------------------ */

typedef real list_function(const double *list, int64_t n);

static inline real list_sum(const double *list, int64_t n)
{
    real sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (real)list[i];
    return sum;
}
static inline real list_mean(const double *list, int64_t n) { return list_sum(list, n) / (real)n; }
static inline real list_var(const double *list, int64_t n)
{
    real mean = list_mean(list, n), sum = 0;
    for (int64_t i = 0; i < n; i++) sum += ((real)list[i] - mean) * ((real)list[i] - mean);
    return sum / (real)n;
}
static inline real list_argmax(const double *list, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 0; i < n; i++) {
        if (isnan(list[i])) return (real)i;
        if (list[i] > list[best]) best = i;
    }
    return (real)best;
}
static inline real list_max(const double *list, int64_t n) { return (real)list[(int64_t)list_argmax(list, n)]; }
static inline real list_min(const double *list, int64_t n)
{
    real least = (real)list[0];
    for (int64_t i = 1; i < n; i++) least = list[i] < (double)least ? (real)list[i] : least;
    return least;
}
static inline real list_logsumexp(const double *list, int64_t n)
{
    real sum = 0, top = list_max(list, n);
    for (int64_t i = 0; i < n; i++) sum += expl((real)list[i] - top);
    return top + logl(sum);
}

static inline bool is_reduced(const op_case *c, const array *x, int axis)
{
    bool reduced = c->axes.count < 0;
    for (int i = 0; i < c->axes.count; i++) reduced |= axis_of(x, c->axes.axis[i]) == axis;
    return reduced;
}

/* The elements of x that are reduced together with the one at an index, in row-major order. */
static inline int64_t list_at(const op_case *c, const array *x, const int64_t *index, double *list)
{
    int64_t n = 0;
    FOR_EACH(at, *x)
    {
        bool here = true;
        for (int d = 0; d < x->shape.rank; d++) here &= is_reduced(c, x, d) || at[d] == index[d];
        if (here) list[n++] = *cell(x, at);
    }
    return n;
}

static inline void reduce(const op_case *c, list_function *f, const array *x, reel_dtype dtype, array *y)
{
    reel_shape kept = x->shape, dropped = { 0 };
    for (int d = 0; d < x->shape.rank; d++) {
        if (is_reduced(c, x, d)) kept.size[d] = 1;
        else dropped.size[dropped.rank++] = x->shape.size[d];
    }
    *y = array_new(dtype, kept);
    array list = array_new(REEL_F64, x->shape);
    FOR_EACH(at, *y)
    {
        real value = f(list.at, list_at(c, x, at, list.at));
        *cell(y, at) = dtype == REEL_I32 ? wrapped(value) : (double)value;
    }
    if (c->keep == REEL_DROP) y->shape = dropped;
}

#define REDUCTION(op, dtype)                                                                                           \
    static inline void naive_##op(const op_case *c, const array *x, array *y) { reduce(c, list_##op, x, dtype, y); }
REDUCTION(sum, x->dtype)
REDUCTION(mean, x->dtype)
REDUCTION(var, x->dtype)
REDUCTION(max, x->dtype)
REDUCTION(min, x->dtype)
REDUCTION(argmax, REEL_I32)
REDUCTION(logsumexp, x->dtype)

static inline void naive_log_softmax(const op_case *c, const array *x, array *y)
{
    *y = array_new(x->dtype, x->shape);
    array list = array_new(REEL_F64, x->shape);
    FOR_EACH(at, *y)
    {
        *cell(y, at) = (double)((real)*cell(x, at) - list_logsumexp(list.at, list_at(c, x, at, list.at)));
    }
}

static inline void naive_softmax(const op_case *c, const array *x, array *y)
{
    *y = array_new(x->dtype, x->shape);
    array list = array_new(REEL_F64, x->shape);
    FOR_EACH(at, *y)
    {
        int64_t n = list_at(c, x, at, list.at);
        real sum = 0;
        for (int64_t i = 0; i < n; i++) sum += expl((real)list.at[i]);
        *cell(y, at) = (double)(expl((real)*cell(x, at)) / sum);
    }
}

/* ---- The product: a loop over all letters ------------------------------------------------------------------------ */

static inline void labelled(const array *x, const char *labels, const char *letters, const int64_t *value,
                            int64_t *index)
{
    for (int d = 0; d < x->shape.rank; d++)
        index[d] = x->shape.size[d] == 1 ? 0 : value[strchr(letters, labels[d]) - letters];
}

static inline void naive_contract(const op_case *c, const array *x, array *y)
{
    char a[9] = "", b[9] = "", r[9] = "", letters[17] = "";
    reel_shape all = { 0 };
    const char *comma = strchr(c->spec, ','), *arrow = strchr(c->spec, '-');
    memcpy(a, c->spec, (size_t)(comma - c->spec));
    memcpy(b, comma + 1, (size_t)(arrow - comma - 1));
    strcpy(r, arrow + 2);
    for (int o = 0; o < 2; o++)
        for (int d = 0; d < x[o].shape.rank; d++) {
            char letter = (o ? b : a)[d];
            if (!strchr(letters, letter)) letters[all.rank] = letter, all.size[all.rank++] = 1;
            int64_t *size = &all.size[strchr(letters, letter) - letters];
            if (x[o].shape.size[d] != 1) *size = x[o].shape.size[d];
        }
    reel_shape shape = { .rank = (int)strlen(r) };
    for (int d = 0; d < shape.rank; d++) shape.size[d] = all.size[strchr(letters, r[d]) - letters];
    *y = array_new(x->dtype, shape);
    array everything = array_new(REEL_F64, all);
    real *sum = (real *)(void *)array_new(REEL_F64, (reel_shape){ 1, { 2 * y->count + 2 } }).at;
    FOR_EACH(at, everything)
    {
        int64_t ai[REEL_MAX_RANK], bi[REEL_MAX_RANK], yi[REEL_MAX_RANK];
        labelled(&x[0], a, letters, at, ai), labelled(&x[1], b, letters, at, bi), labelled(y, r, letters, at, yi);
        sum[offset_of(&y->shape, yi)] += (real)*cell(&x[0], ai) * (real)*cell(&x[1], bi);
    }
    for (int64_t i = 0; i < y->count; i++) y->at[i] = (double)sum[i];
}

/* ---- Views and parts --------------------------------------------------------------------------------------------- */

static inline void naive_reshape(const op_case *c, const array *x, array *y)
{
    *y = array_of(x->dtype, c->shape, x->at);
}

static inline void naive_permute(const op_case *c, const array *x, array *y)
{
    reel_shape shape = { .rank = x->shape.rank };
    for (int d = 0; d < shape.rank; d++) shape.size[d] = x->shape.size[axis_of(x, c->axes.axis[d])];
    *y = array_new(x->dtype, shape);
    FOR_EACH(at, *y)
    {
        int64_t from[REEL_MAX_RANK];
        for (int d = 0; d < shape.rank; d++) from[axis_of(x, c->axes.axis[d])] = at[d];
        *cell(y, at) = *cell(x, from);
    }
}

static inline void naive_expand(const op_case *c, const array *x, array *y)
{
    *y = array_new(x->dtype, c->shape);
    FOR_EACH(at, *y) { *cell(y, at) = broadcast(x, y->shape.rank, at); }
}

static inline void naive_sum_to(const op_case *c, const array *x, array *y)
{
    *y = array_new(x->dtype, c->shape);
    FOR_EACH(at, *x)
    {
        int64_t to[REEL_MAX_RANK];
        for (int d = 0; d < c->shape.rank; d++)
            to[d] = c->shape.size[d] == 1 ? 0 : at[x->shape.rank - c->shape.rank + d];
        *cell(y, to) += *cell(x, at);
    }
    for (int64_t i = 0; i < y->count && x->dtype == REEL_I32; i++) y->at[i] = wrapped((real)y->at[i]);
}

/* at: axis, start, stop, step (0 is 1) */
static inline void naive_slice(const op_case *c, const array *x, array *y)
{
    int axis = axis_of(x, (int)c->at[0]);
    int64_t n = x->shape.size[axis], start = c->at[1] < 0 ? c->at[1] + n : c->at[1],
            stop = c->at[2] < 0 ? c->at[2] + n : c->at[2];
    int64_t step = c->at[3] ? c->at[3] : 1;
    reel_shape shape = x->shape;
    shape.size[axis] = 0;
    for (int64_t i = start; i < stop; i += step) shape.size[axis]++;
    *y = array_new(x->dtype, shape);
    FOR_EACH(at, *y)
    {
        int64_t from[REEL_MAX_RANK];
        memcpy(from, at, sizeof from);
        from[axis] = start + at[axis] * step;
        *cell(y, at) = *cell(x, from);
    }
}

/* at: axis, before, after, step (0 is 1) */
static inline void naive_pad(const op_case *c, const array *x, array *y)
{
    int axis = axis_of(x, (int)c->at[0]);
    int64_t n = x->shape.size[axis], step = c->at[3] ? c->at[3] : 1;
    reel_shape shape = x->shape;
    shape.size[axis] = c->at[1] + (n ? n + (n - 1) * (step - 1) : 0) + c->at[2];
    *y = array_new(x->dtype, shape);
    FOR_EACH(at, *x)
    {
        int64_t to[REEL_MAX_RANK];
        memcpy(to, at, sizeof to);
        to[axis] = c->at[1] + at[axis] * step;
        *cell(y, to) = *cell(x, at);
    }
}

static inline void naive_flip(const op_case *c, const array *x, array *y)
{
    *y = array_new(x->dtype, x->shape);
    FOR_EACH(at, *y)
    {
        int64_t from[REEL_MAX_RANK];
        for (int d = 0; d < x->shape.rank; d++) from[d] = is_reduced(c, x, d) ? x->shape.size[d] - 1 - at[d] : at[d];
        *cell(y, at) = *cell(x, from);
    }
}

static inline void naive_concat(const op_case *c, const array *x, array *y)
{
    int axis = axis_of(x, (int)c->at[0]), count = operand_count(c);
    reel_shape shape = x->shape;
    for (int i = 1; i < count; i++) shape.size[axis] += x[i].shape.size[axis];
    *y = array_new(x->dtype, shape);
    int64_t start = 0;
    for (int i = 0; i < count; start += x[i++].shape.size[axis]) {
        FOR_EACH(at, x[i])
        {
            int64_t to[REEL_MAX_RANK];
            memcpy(to, at, sizeof to);
            to[axis] += start;
            *cell(y, to) = *cell(&x[i], at);
        }
    }
}

static inline void naive_stack(const op_case *c, const array *x, array *y)
{
    int axis = (int)(c->at[0] < 0 ? c->at[0] + x->shape.rank + 1 : c->at[0]), count = operand_count(c);
    reel_shape shape = { .rank = x->shape.rank + 1 };
    for (int d = 0; d < shape.rank; d++) shape.size[d] = d == axis ? count : x->shape.size[d - (d > axis)];
    *y = array_new(x->dtype, shape);
    FOR_EACH(at, *y)
    {
        int64_t from[REEL_MAX_RANK];
        for (int d = 0; d < x->shape.rank; d++) from[d] = at[d + (d >= axis)];
        *cell(y, at) = *cell(&x[at[axis]], from);
    }
}

/* ---- Indices ----------------------------------------------------------------------------------------------------- */

/* Where in x an element of y = take(x, indices, axis) comes from. */
static inline void take_from(int axis, const array *indices, int rank, const int64_t *at, int64_t *from)
{
    int r = indices->shape.rank;
    for (int d = 0; d < axis; d++) from[d] = at[d];
    from[axis] = (int64_t)*cell(indices, at + axis);
    for (int d = axis + 1; d < rank; d++) from[d] = at[d + r - 1];
}

static inline void naive_take(const op_case *c, const array *x, array *y)
{
    int axis = axis_of(x, (int)c->at[0]), r = x[1].shape.rank;
    reel_shape shape = { .rank = x->shape.rank - 1 + r };
    for (int d = 0; d < shape.rank; d++)
        shape.size[d] = d < axis       ? x->shape.size[d]
                        : d < axis + r ? x[1].shape.size[d - axis]
                                       : x->shape.size[d - r + 1];
    *y = array_new(x->dtype, shape);
    FOR_EACH(at, *y)
    {
        int64_t from[REEL_MAX_RANK];
        take_from(axis, &x[1], x->shape.rank, at, from);
        *cell(y, at) = *cell(x, from);
    }
}

static inline void naive_take_along_axis(const op_case *c, const array *x, array *y)
{
    int axis = axis_of(x, (int)c->at[0]), rank = x->shape.rank;
    reel_shape shape = x[1].shape;
    for (int d = 0; d < rank; d++)
        if (d != axis && shape.size[d] == 1) shape.size[d] = x->shape.size[d];
    *y = array_new(x->dtype, shape);
    FOR_EACH(at, *y)
    {
        int64_t from[REEL_MAX_RANK], index[REEL_MAX_RANK];
        for (int d = 0; d < rank; d++) {
            from[d] = x->shape.size[d] == 1 ? 0 : at[d];
            index[d] = x[1].shape.size[d] == 1 ? 0 : at[d];
        }
        from[axis] = (int64_t)*cell(&x[1], index);
        *cell(y, at) = *cell(x, from);
    }
}

static inline void naive_scatter_add(const op_case *c, const array *x, array *y)
{
    int r = x[1].shape.rank, rank = x->shape.rank - r + 1, axis = (int)(c->at[0] < 0 ? c->at[0] + rank : c->at[0]);
    reel_shape shape = { .rank = rank };
    for (int d = 0; d < rank; d++)
        shape.size[d] = d < axis ? x->shape.size[d] : d == axis ? c->at[1] : x->shape.size[d + r - 1];
    *y = array_new(x->dtype, shape);
    FOR_EACH(at, *x)
    {
        int64_t to[REEL_MAX_RANK];
        take_from(axis, &x[1], rank, at, to);
        *cell(y, to) += *cell(x, at);
    }
}

static inline void naive_one_hot(const op_case *c, const array *x, array *y)
{
    reel_shape shape = x->shape;
    shape.size[shape.rank++] = c->at[0];
    *y = array_new(c->to, shape);
    for (int64_t i = 0; i < x->count; i++) y->at[i * c->at[0] + (int64_t)x->at[i]] = 1;
}

#endif
