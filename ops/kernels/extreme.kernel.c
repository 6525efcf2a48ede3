/* Maximum, minimum and argmax of [outer, n, inner] over n. A maximum is NaN if there is one, and −0 < +0, so neither the
 * order of the elements nor taking one twice matters: overlapping vectors, rows seen as columns and columns as rows.
 * An argmax is the first NaN, or else the first of the largest.
 *
 * Small rows are reduced many at a time where they lie, since z[i] = least(z[i], z[i + 1]) is right for all of them at
 * once. What is not f32 is built for the baseline alone, and AVX-512 uses what is built for AVX2: memory is slower. */
#include "ops/kernels/least.h"
#include "ops/kernels/per_type.h"
#include "ops/kernels/pointwise.scalar.h"
#include "ops/kernels/reduce.h"

enum {
    ROOM = 1024,   /* elements of an array on the stack */
    SMALL = 256,   /* elements of the largest small row */
    NARROW = 16,   /* fewer columns than this are few, */
    PERIOD = 16,   /* and so many rows of them are seen as one */
    CACHED = 8192, /* elements that stay in a cache */
    FEW = 64       /* elements of the longest row that is transposed */
};

#define ALIGNED __attribute__((aligned(64)))

/* How many of the columns that are left are done at once: never few at the end. */
INLINE int64_t columns_of(int64_t left) { return left < ROOM ? left : ROOM / 2; }

/* What turns the order of a type around: the sign of floats, all bits of whole numbers. */
#define FLIP_f32 0x80000000u
#define FLIP_f64 0x8000000000000000u
#define FLIP_i32 0xffffffffu

/* A vector with one value for all NaN. */
#define one_nan_f32(v) ((vector_f32)((vector_bits_f32)(v) | ((vector_bits_f32)((v) != (v)) & (UINT32_MAX >> 1))))
#define one_nan_f64(v) ((vector_f64)((vector_bits_f64)(v) | ((vector_bits_f64)((v) != (v)) & (UINT64_MAX >> 1))))
#define one_nan_i32(v) (v)

/* Lanes of two vectors, for shuffles. */
#if VECTOR_F32 == 8
#define EVEN_f32 0, 2, 4, 6, 8, 10, 12, 14
#define ODD_f32 1, 3, 5, 7, 9, 11, 13, 15
#define LOW_ONES 0, 8, 1, 9, 4, 12, 5, 13
#define HIGH_ONES 2, 10, 3, 11, 6, 14, 7, 15
#define LOW_TWOS 0, 1, 8, 9, 4, 5, 12, 13
#define HIGH_TWOS 2, 3, 10, 11, 6, 7, 14, 15
#else
#define EVEN_f32 0, 2, 4, 6
#define ODD_f32 1, 3, 5, 7
#define LOW_ONES 0, 4, 1, 5
#define HIGH_ONES 2, 6, 3, 7
#define LOW_TWOS 0, 1, 4, 5
#define HIGH_TWOS 2, 3, 6, 7
#endif

#define SUFFIX f32
#include "ops/kernels/extreme.rows.h"
#undef SUFFIX

/* ---- The first of the greatest, and where it stands ---------------------------------------------------------------- */

typedef int32_t vector_at __attribute__((vector_size(4 * VECTOR_F32)));

INLINE vector_at number_at(const int32_t *x)
{
    vector_at v;
    memcpy(&v, x, sizeof v);
    return v;
}

INLINE vector_at choose(vector_at mask, vector_at yes, vector_at no)
{
#if defined(REEL_ISA_AVX2)
    return (vector_at)_mm256_blendv_epi8((__m256i)no, (__m256i)yes, (__m256i)mask);
#else
    return (yes & mask) | (no & ~mask);
#endif
}

/* All bits where x is the top, or both are NaN, which alone is not at most infinity; and where it comes before the top
 * wherever they stand. */
INLINE vector_at is_top(vector_f32 x, vector_f32 top) { return (x == top) | ~((x <= INFINITY) | (top <= INFINITY)); }
INLINE vector_at is_more(vector_f32 x, vector_f32 top) { return ~(x <= top) & (top <= INFINITY); }

INLINE bool is_top_one(float x, float top) { return x == top || (x != x && top != top); }
INLINE bool is_more_one(float x, float top) { return !(x <= top) && top == top; }

/* x at a position after the top's: taking it twice does no harm. */
INLINE void take(vector_f32 *top, vector_at *at, vector_f32 x, vector_at position)
{
    const vector_at more = is_more(x, *top);
    *top = (vector_f32)choose(more, (vector_at)x, (vector_at)*top);
    *at = choose(more, position, *at);
}

/* Four of them in their order, each two first, so that little waits. */
INLINE void take_four(vector_f32 *top, vector_at *at, const vector_f32 x[4], int32_t position)
{
    const vector_at none = { 0 };
    vector_f32 a = x[0], b = x[2];
    vector_at i = none, k = none + 2;
    take(&a, &i, x[1], none + 1);
    take(&b, &k, x[3], none + 3);
    take(&a, &i, b, k);
    take(top, at, a, i + position);
}

static void no_top(float *top, int32_t *at, int64_t columns)
{
    for (int64_t c = 0; c < columns; c++) top[c] = -INFINITY;
    memset(at, 0, (size_t)columns * sizeof *at);
}

/* The rows from `row` to n. */
APART void top_rows(float *top, int32_t *at, const float *x, int64_t row, int64_t n, int64_t stride, int64_t columns)
{
    for (int64_t r = row; r < n; r += 4) {
        const float *x0 = x + r * stride, *x1 = x0 + (r + 1 < n ? stride : 0), *x2 = r + 2 < n ? x1 + stride : x1,
                    *x3 = r + 3 < n ? x2 + stride : x2;
        for (int64_t next = 0; next < columns && columns >= LANES_f32; next += LANES_f32) {
            const int64_t c = next <= columns - LANES_f32 ? next : columns - LANES_f32;
            vector_f32 t = at_f32(top + c, 0);
            vector_at i = number_at(at + c);
            const vector_f32 four[] = { at_f32(x0 + c, 0), at_f32(x1 + c, 0), at_f32(x2 + c, 0), at_f32(x3 + c, 0) };
            take_four(&t, &i, four, (int32_t)r);
            put_f32(top + c, t);
            memcpy(at + c, &i, sizeof i);
        }
        for (int64_t c = 0; c < columns && columns < LANES_f32; c++)
            for (int64_t k = r; k < r + 4 && k < n; k++)
                if (is_more_one(x[k * stride + c], top[c])) top[c] = x[k * stride + c], at[c] = (int32_t)k;
    }
}

/* Small rows of few columns, as many as there is room for: all elements as if a column began there. */
static void argmax_small(int32_t *y, const float *x, int64_t outer, int64_t n, int64_t inner)
{
    float top[ROOM];
    int32_t at[ROOM];
    const int64_t row = n * inner, most = ROOM / row;
    for (int64_t o = 0; o < outer; o += most, x += most * row) {
        const int64_t count = outer - o < most ? outer - o : most, columns = count * row - row + inner;
        no_top(top, at, columns);
        top_rows(top, at, x, 0, n, inner, columns);
        for (int64_t r = 0; r < count; r++, y += inner)
            for (int64_t c = 0; c < inner; c++) y[c] = at[r * row + c];
    }
}

/* PERIOD rows are one row of more columns. Of those that are left by that, two halves become one until a row is left. */
static void argmax_narrow(int32_t *y, const float *x, int64_t n, int64_t inner)
{
    float top[PERIOD * NARROW + LANES_f32];
    int32_t at[PERIOD * NARROW + LANES_f32];
    const int64_t row = PERIOD * inner, whole = n / PERIOD;
    no_top(top, at, row + LANES_f32);
    top_rows(top, at, x, 0, whole, row, row);
    top_rows(top, at, x, whole, whole + 1, row, (n - whole * PERIOD) * inner);
    for (int32_t r = 0; r < PERIOD; r++)
        for (int64_t c = r * inner; c < (r + 1) * inner; c++) at[c] = at[c] * PERIOD + r;
    for (int64_t half = row / 2; half >= inner; half /= 2)
        for (int64_t c = 0; c < half; c += LANES_f32) {
            const vector_f32 a = at_f32(top + c, 0), b = at_f32(top + half + c, 0);
            const vector_at i = number_at(at + c), k = number_at(at + half + c);
            const vector_at second = is_more(b, a) | (is_top(b, a) & (k < i)), first = choose(second, k, i);
            put_f32(top + c, (vector_f32)choose(second, (vector_at)b, (vector_at)a));
            memcpy(at + c, &first, sizeof first);
        }
    memcpy(y, at, (size_t)inner * sizeof *y);
}

static int32_t first_top_f32(const float *x, int64_t n, float top)
{
    const vector_f32 all = (vector_f32){ 0 } + top;
    int64_t i = 0;
    for (; i + 4 * LANES_f32 <= n; i += 4 * LANES_f32) {
        int64_t any[VECTOR_F32 / 2];
        const vector_at first = is_top(at_f32(x + i, 0), all) | is_top(at_f32(x + i + LANES_f32, 0), all),
                        second = is_top(at_f32(x + i + 2 * LANES_f32, 0), all) |
                                 is_top(at_f32(x + i + 3 * LANES_f32, 0), all),
                        both = first | second;
        memcpy(any, &both, sizeof both);
        for (int k = 1; k < VECTOR_F32 / 2; k++) any[0] |= any[k];
        if (any[0]) break;
    }
    while (!is_top_one(x[i], top)) i++;
    return (int32_t)i;
}

/* Four columns of a vector of rows. */
INLINE vector_f32 four_of(const float *x, int64_t n)
{
#if VECTOR_F32 == 8
    return (vector_f32)_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(x)), _mm_loadu_ps(x + 4 * n), 1);
#else
    return (void)n, at_f32(x, 0);
#endif
}

INLINE void transpose_four(vector_f32 *t, const float *x, int64_t n)
{
    const vector_f32 v = four_of(x, n), w = four_of(x + n, n), p = four_of(x + 2 * n, n), q = four_of(x + 3 * n, n);
    const vector_f32 a = __builtin_shufflevector(v, w, LOW_ONES), b = __builtin_shufflevector(p, q, LOW_ONES);
    const vector_f32 c = __builtin_shufflevector(v, w, HIGH_ONES), d = __builtin_shufflevector(p, q, HIGH_ONES);
    t[0] = __builtin_shufflevector(a, b, LOW_TWOS), t[1] = __builtin_shufflevector(a, b, HIGH_TWOS);
    t[2] = __builtin_shufflevector(c, d, LOW_TWOS), t[3] = __builtin_shufflevector(c, d, HIGH_TWOS);
}

/* Rows a vector abreast, and those that are left over one by one: of rows of fewer than four more is read than there is. */
static void argmax_abreast(int32_t *y, const float *x, int64_t outer, int64_t n)
{
    int64_t o = 0;
    for (; o + LANES_f32 + (n < 4) <= outer; o += LANES_f32, x += LANES_f32 * n) {
        vector_f32 top = (vector_f32){ 0 } - INFINITY, t[4];
        vector_at at = { 0 };
        for (int64_t next = 0; next < n; next += 4) {
            const int64_t c = next + 4 <= n || n < 4 ? next : n - 4;
            if (n == 2) {
                const vector_f32 a = at_f32(x, 0), b = at_f32(x + LANES_f32, 0);
                top = __builtin_shufflevector(a, b, EVEN_f32);
                take(&top, &at, __builtin_shufflevector(a, b, ODD_f32), (vector_at){ 0 } + 1);
                continue;
            }
            transpose_four(t, x + c, n);
            if (n == 3) t[3] = t[0]; /* which does no harm */
            take_four(&top, &at, t, (int32_t)c);
        }
        memcpy(y + o, &at, sizeof at);
    }
    for (; o < outer; o++, x += n) {
        y[o] = 0;
        for (int64_t r = 1; r < n; r++) y[o] = is_more_one(x[r], x[y[o]]) ? (int32_t)r : y[o];
    }
}

static void argmax_f32(void *ys, const void *xs, int64_t outer, int64_t n, int64_t inner)
{
    float top[ROOM];
    int32_t *y = ys;
    const float *x = xs;
    if (n == 1) memset(y, 0, (size_t)(outer * inner) * sizeof *y);
    else if (inner == 1 && n <= FEW) argmax_abreast(y, x, outer, n);
    else if (inner == 1)
        for (int64_t o = 0, count; o < outer; o += count) { /* what is looked through again is in the cache still */
            count = n >= CACHED ? 1 : CACHED / n < ROOM ? CACHED / n : ROOM;
            count = count < outer - o ? count : outer - o;
            extreme_f32(top, x, count, n, 1, FLIP_f32);
            for (int64_t r = 0; r < count; r++, x += n) y[o + r] = first_top_f32(x, n, top[r]);
        }
    else if (inner < LANES_f32 && n <= PERIOD) argmax_small(y, x, outer, n, inner);
    else
        for (int64_t o = 0; o < outer; o++, x += n * inner, y += inner) {
            if (inner < NARROW && n > PERIOD) argmax_narrow(y, x, n, inner);
            else
                for (int64_t i = 0, c; i < inner; i += c) {
                    c = columns_of(inner - i);
                    no_top(top, y + i, c);
                    top_rows(top, y + i, x + i, 0, n, inner, c);
                }
        }
}

#if defined(REEL__IS_BASELINE)
#define EVEN_f64 0, 2
#define ODD_f64 1, 3
#define EVEN_i32 0, 2, 4, 6
#define ODD_i32 1, 3, 5, 7

#define SUFFIX f64
#include "ops/kernels/extreme.rows.h"
#undef SUFFIX
#define SUFFIX i32
#include "ops/kernels/extreme.rows.h"
#undef SUFFIX

const reel__extreme_kernels K(reel__extreme) = {
    .max = { max_f32, max_f64, max_i32 },
    .min = { min_f32, min_f64, min_i32 },
    .argmax = { argmax_f32, argmax_by_one_f64, argmax_by_one_i32 },
};
#else
const reel__extreme_kernels K(reel__extreme) = { .max = { max_f32 }, .min = { min_f32 }, .argmax = { argmax_f32 } };
#endif
