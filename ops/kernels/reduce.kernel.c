/* Sums of [outer, n, inner] over n. What a sum is, to the bit:
 *
 * inner = 1, the operand's last axis: blocks of 256 from 0; element r of a block is added to lane r mod 16, lanes start
 * at −0 and fold by 8, 4, 2, 1. Otherwise: blocks of 64, one ascending chain from −0. The results of the blocks are
 * summed by the same rule again, until one is left. No element gives +0.
 *
 * A scatter_add sums the sources of a destination, in ascending order, by the second rule, whatever its last axis is.
 *
 * Since a level of blocks is finished from left to right, one open block for each level is all that has to be kept. */
#include "ops/kernels/reduce.h"
#include "ops/kernels/per_type.h"

enum {
    LANES = 16, /* of a block of a last axis, by definition */
    ROW_BLOCK = REEL__ROW_BLOCK,
    COLUMN_BLOCK = REEL__COLUMN_BLOCK,
    LEVELS = 11,        /* of blocks of 64: more than an array has */
    COLUMN_ROOM = 2048, /* elements of an array on the stack */
    ABREAST = 32,       /* short rows that are summed at once */
    SIDE = 8,           /* blocks of listed elements that are summed at once */
    AHEAD = 24          /* listed rows that are asked for before they are read */
};

#if defined(__clang__)
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

#define SUFFIX f32
#include "ops/kernels/reduce.rows.h"
#undef SUFFIX
#if !defined(REEL_ISA_AVX512)
#define SUFFIX f64
#include "ops/kernels/reduce.rows.h"
#undef SUFFIX
#endif

/* Whole numbers wrap around, so order does not matter. */
static void sum_i32(void *ys, const void *xs, int64_t outer, int64_t n, int64_t inner)
{
    uint32_t *y = ys;
    const uint32_t *x = xs;
    for (; inner == 1 && n < LANES && outer >= ABREAST; outer -= ABREAST, y += ABREAST, x += ABREAST * n) {
        memset(y, 0, ABREAST * sizeof *y);
        for (int64_t r = 0; r < n; r++)
            for (int64_t o = 0; o < ABREAST; o++) y[o] += x[o * n + r];
    }
    for (int64_t o = 0; o < outer; o++, y += inner, x += n * inner) {
        if (inner == 1) {
            uint32_t sum = 0;
            for (int64_t r = 0; r < n; r++) sum += x[r];
            *y = sum;
            continue;
        }
        memset(y, 0, (size_t)inner * sizeof *y);
        for (int64_t r = 0; r < n; r++)
            for (int64_t i = 0; i < inner; i++) y[i] += x[r * inner + i];
    }
}

/* AVX-512 takes those of AVX2 for f64. */
#if defined(REEL_ISA_AVX512)
const reel__reduce_kernels K(reel__reduce) = { .sum = { sum_f32, NULL, sum_i32 }, .listed = { listed_f32 } };
#else
const reel__reduce_kernels K(reel__reduce) = {
    .sum = { sum_f32, sum_f64, sum_i32 },
    .listed = { listed_f32, listed_f64 },
#if defined(REEL__IS_BASELINE)
    .walked = { walked_f32, walked_f64 },
#endif
};
#endif
