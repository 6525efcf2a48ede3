/* Reductions of [outer, n, inner] over n. What a sum is, to the bit:
 *
 * inner = 1, the operand's last axis: blocks of 256 from 0; element r of a block is added to lane r mod 16, lanes start
 * at −0 and fold by 8, 4, 2, 1. Otherwise: blocks of 64, one ascending chain from −0. The results of the blocks are
 * summed by the same rule again, until one is left. No element gives +0.
 *
 * Since a level of blocks is finished from left to right, one open block for each level is all that has to be kept. */
#include "ops/reduce.h"

enum { LANES = 16, ROW_BLOCK = REEL__ROW_BLOCK, COLUMN_BLOCK = 64, COLUMN_ROOM = 2048, LEVELS = 11 };

#if defined(__clang__)
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

#define T float
#define S f32
#include "ops/reduce.rows.h"
#undef T
#undef S
#define T double
#define S f64
#include "ops/reduce.rows.h"
#undef T
#undef S

/* Whole numbers wrap around, so order does not matter. */
static void sum_i32(void *ys, const void *xs, int64_t outer, int64_t n, int64_t inner)
{
    int32_t *y = ys;
    const int32_t *x = xs;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            uint32_t sum = 0;
            for (int64_t r = 0; r < n; r++) sum += (uint32_t)x[(o * n + r) * inner + i];
            y[o * inner + i] = (int32_t)sum;
        }
}

static void max_i32(void *ys, const void *xs, int64_t outer, int64_t n, int64_t inner)
{
    int32_t *y = ys;
    const int32_t *x = xs;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            int32_t best = x[o * n * inner + i];
            for (int64_t r = 1; r < n; r++)
                if (x[(o * n + r) * inner + i] > best) best = x[(o * n + r) * inner + i];
            y[o * inner + i] = best;
        }
}

static void argmax_i32(void *ys, const void *xs, int64_t outer, int64_t n, int64_t inner)
{
    int32_t *y = ys;
    const int32_t *x = xs;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            int64_t best = 0;
            for (int64_t r = 1; r < n; r++)
                if (x[(o * n + r) * inner + i] > x[(o * n + best) * inner + i]) best = r;
            y[o * inner + i] = (int32_t)best;
        }
}

const reel__reduce_kernels K(reel__reduce) = {
    .sum = { sum_f32, sum_f64, sum_i32 },
    .max = { max_f32, max_f64, max_i32 },
    .argmax = { argmax_f32, argmax_f64, argmax_i32 },
};
