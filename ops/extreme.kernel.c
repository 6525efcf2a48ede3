/* Maximum, minimum and argmax of [outer, n, inner] over n. A maximum is NaN if there is one, and −0 < +0, so neither the
 * order of the elements nor taking one twice matters: overlapping vectors, rows seen as columns and columns as rows.
 * An argmax is the first NaN, or else the first of the largest.
 *
 * Small rows are reduced many at a time where they lie, since z[i] = least(z[i], z[i + 1]) is right for all of them at
 * once. What is not f32 is built for the baseline alone, and AVX-512 uses what is built for AVX2: memory is slower. */
#include "ops/least.h"
#include "ops/pointwise.scalar.h"
#include "ops/reduce.h"

/* Elements on the stack; of the largest small row; how few columns are few, and how many rows of them make one; elements
 * that stay in a cache. */
enum { ROOM = 1024, SMALL = 256, NARROW = 16, PERIOD = 16, CACHED = 8192 };

#define ALIGNED __attribute__((aligned(64)))

/* How many of the columns that are left are done at once: never few at the end. */
INLINE int64_t columns_of(int64_t left) { return left < ROOM ? left : ROOM / 2; }

/* A vector with one value for all NaN. */
#define ONE_NAN(v) ((FN(vector))((FN(bits))(v) | ((FN(bits))((v) != (v)) & ((BITS)-1 >> 1))))
#define T float
#define BITS uint32_t
#define SIGN 0x80000000u
#define FLIP SIGN
#define S f32
#if VECTOR_F32 == 8
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define ODD 1, 3, 5, 7, 9, 11, 13, 15
#else
#define EVEN 0, 2, 4, 6
#define ODD 1, 3, 5, 7
#endif
#include "ops/extreme.rows.h"
#undef T
#undef BITS
#undef FLIP
#undef S
#undef EVEN
#undef ODD

/* ---- The first of the greatest: where in its row the maximum stands, which is known -------------------------------- */

typedef int32_t vector_at __attribute__((vector_size(4 * VECTOR_F32)));

/* All bits where x is the top, or both are NaN, which alone is not at most infinity. */
INLINE vector_at is_top(vector_f32 x, vector_f32 top) { return (x == top) | ~((x <= INFINITY) | (top <= INFINITY)); }

INLINE bool is_top_one(float x, float top) { return x == top || (x != x && top != top); }

/* at[c] = r where x[c] is top[c]. */
APART void note_f32(int32_t *at, const float *x, const float *top, int64_t columns, int32_t r)
{
    int64_t c = 0;
    for (; c + V_f32 <= columns; c += V_f32) {
        vector_at before;
        const vector_at here = is_top(at_f32(x + c, 0), at_f32(top + c, 0));
        memcpy(&before, at + c, sizeof before);
        before = (before & ~here) | (here & r);
        memcpy(at + c, &before, sizeof before);
    }
    for (; c < columns; c++) at[c] = is_top_one(x[c], top[c]) ? r : at[c];
}

static int32_t first_top_f32(const float *x, int64_t n, float top)
{
    const vector_f32 all = (vector_f32){ 0 } + top;
    int64_t i = 0;
    for (; i + 4 * V_f32 <= n; i += 4 * V_f32) {
        int64_t any[VECTOR_F32 / 2];
        const vector_at first = is_top(at_f32(x + i, 0), all) | is_top(at_f32(x + i + V_f32, 0), all),
                        second = is_top(at_f32(x + i + 2 * V_f32, 0), all) | is_top(at_f32(x + i + 3 * V_f32, 0), all),
                        both = first | second;
        memcpy(any, &both, sizeof both);
        for (int k = 1; k < VECTOR_F32 / 2; k++) any[0] |= any[k];
        if (any[0]) break;
    }
    while (!is_top_one(x[i], top)) i++;
    return (int32_t)i;
}

/* Lane i of a mask as bit i. */
INLINE uint64_t bits_of(vector_at mask)
{
#if defined(REEL_ISA_AVX2)
    return (uint64_t)_mm256_movemask_ps((__m256)mask);
#elif defined(__SSE2__)
    return (uint64_t)_mm_movemask_ps((__m128)mask);
#else
    uint64_t bits = 0;
    for (int i = 0; i < V_f32; i++) bits |= (uint64_t)(mask[i] & 1) << i;
    return bits;
#endif
}

/* The same of a row of a vector or more, at most 64 elements, without a branch that depends on where it is. */
INLINE int32_t first_of_few(const float *x, int64_t n, float top)
{
    const vector_f32 all = (vector_f32){ 0 } + top;
    uint64_t bits = bits_of(is_top(at_f32(x + n - V_f32, 0), all)) << (n - V_f32);
    for (int64_t i = 0; i + V_f32 <= n; i += V_f32) bits |= bits_of(is_top(at_f32(x + i, 0), all)) << i;
    return __builtin_ctzll(bits);
}

static void argmax_small_f32(int32_t *y, const float *x, int64_t outer, int64_t n, int64_t inner)
{
    float z[ROOM + V_f32] ALIGNED;
    int32_t at[ROOM] ALIGNED;
    const int64_t row = n * inner, most = ROOM / row;
    for (int64_t o = 0; o < outer; o += most, x += most * row) {
        const int64_t count = outer - o < most ? outer - o : most;
        turn_f32(z, x, count * row, SIGN);
        slide_f32(z, count, n, inner);
        turn_f32(z, z, count * row, SIGN);
        memset(at, 0, sizeof at);
        for (int64_t r = n; r-- > 0;) note_f32(at, x + r * inner, z, count * row - r * inner, (int32_t)r);
        if (inner == 1)
            for (int64_t r = 0; r < count; r++) *y++ = at[r * row];
        else
            for (int64_t r = 0; r < count; r++, y += inner) memcpy(y, at + r * row, (size_t)inner * sizeof *y);
    }
}

/* The rows left over, from the last on, then PERIOD rows at a time. */
static void argmax_narrow_f32(int32_t *y, const float *x, int64_t n, int64_t inner)
{
    float top[PERIOD * NARROW];
    int32_t at[PERIOD * NARROW];
    const int64_t row = PERIOD * inner, whole = n / PERIOD;
    narrow_f32(top, x, n, inner, SIGN);
    for (int64_t c = 0; c < inner; c++) y[c] = -1;
    for (int64_t r = n; r-- > whole * PERIOD;) note_f32(y, x + r * inner, top, inner, (int32_t)r);
    for (int64_t c = 0; c < row; c++) at[c] = INT32_MAX, top[c] = top[c % inner];
    for (int64_t b = whole; b-- > 0;) note_f32(at, x + b * row, top, row, (int32_t)b);
    for (int64_t r = 0; r < PERIOD; r++)
        for (int64_t c = 0; c < inner; c++) {
            const int64_t here = (int64_t)at[r * inner + c] * PERIOD + r;
            if (at[r * inner + c] < INT32_MAX && (y[c] < 0 || here < y[c])) y[c] = (int32_t)here;
        }
}

static void argmax_f32(void *ys, const void *xs, int64_t outer, int64_t n, int64_t inner)
{
    float top[ROOM];
    int32_t *y = ys;
    const float *x = xs;
    if (inner == 1 && n >= V_f32)
        for (int64_t o = 0, count; o < outer; o += count) { /* what is looked through again is in the cache still */
            count = n >= CACHED ? 1 : CACHED / n < ROOM ? CACHED / n : ROOM;
            count = count < outer - o ? count : outer - o;
            extreme_f32(top, x, count, n, 1, SIGN);
            for (int64_t r = 0; r < count; r++, x += n)
                y[o + r] = n <= 64 ? first_of_few(x, n, top[r]) : first_top_f32(x, n, top[r]);
        }
    else if (is_small_f32(n, inner)) argmax_small_f32(y, x, outer, n, inner);
    else
        for (int64_t o = 0; o < outer; o++, x += n * inner, y += inner) {
            if (inner < NARROW) argmax_narrow_f32(y, x, n, inner);
            else
                for (int64_t i = 0, c; i < inner; i += c) {
                    c = columns_of(inner - i);
                    columns_f32(top, x + i, n, inner, c, SIGN);
                    for (int64_t r = n; r-- > 0;) note_f32(y + i, x + r * inner + i, top, c, (int32_t)r);
                }
        }
}

#if defined(REEL__IS_BASELINE)
#define T double
#define BITS uint64_t
#define FLIP 0x8000000000000000u
#define S f64
#define EVEN 0, 2
#define ODD 1, 3
#include "ops/extreme.rows.h"
#undef T
#undef BITS
#undef FLIP
#undef S
#undef EVEN
#undef ODD

#undef ONE_NAN
#define ONE_NAN(v) (v)
#define T int32_t
#define BITS uint32_t
#define FLIP 0xffffffffu
#define S i32
#define EVEN 0, 2, 4, 6
#define ODD 1, 3, 5, 7
#include "ops/extreme.rows.h"
#undef T
#undef BITS
#undef FLIP
#undef S
#undef EVEN
#undef ODD

/* One after the other: what is not f32 is seldom asked for this. */
#define ARGMAX(T, S)                                                                                                   \
    static void argmax_##S(void *ys, const void *xs, int64_t outer, int64_t n, int64_t inner)                          \
    {                                                                                                                  \
        int32_t *y = ys;                                                                                               \
        const T *x = xs;                                                                                               \
        for (int64_t o = 0; o < outer * inner; o++) {                                                                  \
            const T *column = x + o / inner * n * inner + o % inner;                                                   \
            int64_t best = 0;                                                                                          \
            for (int64_t r = 1; r < n; r++) {                                                                          \
                const T value = column[r * inner], top = column[best * inner];                                         \
                best = value > top || (value != value && top == top) ? r : best;                                       \
            }                                                                                                          \
            y[o] = (int32_t)best;                                                                                      \
        }                                                                                                              \
    }
ARGMAX(double, f64)
ARGMAX(int32_t, i32)

const reel__extreme_kernels K(reel__extreme) = {
    .max = { max_f32, max_f64, max_i32 },
    .min = { min_f32, min_f64, min_i32 },
    .argmax = { argmax_f32, argmax_f64, argmax_i32 },
};
#else
const reel__extreme_kernels K(reel__extreme) = { .max = { max_f32 }, .min = { min_f32 }, .argmax = { argmax_f32 } };
#endif
