/* The kernels of the reductions. An array is seen as [outer, n, inner] and reduced over n. */
#ifndef REEL_OPS_REDUCE_H
#define REEL_OPS_REDUCE_H

#include "ops/family.h"

/* How many elements are summed as one block, by definition (reduce.kernel.c): of a last axis, and of another. */
enum { REEL__ROW_BLOCK = 256, REEL__COLUMN_BLOCK = 64 };

/* y[o,k,·] = the sum of x[o,s,·] over the sources s of destination k. There are `count` sources; `lists` is as the kernel
 * `bucket` makes it (indices.h). */
typedef void reel__listed_kernel(void *y, const void *x, const int32_t *lists, int64_t outer, int64_t size,
                                 int64_t count, int64_t inner);

/* The same of single elements, without lists: y [outer,size] from x [outer,count], element i added to destination
 * indices[i] in the order of i. There is room for so many destinations, and for so many chains, of each destination one for
 * every level of blocks that `count` sources could need. */
enum { REEL__WALKED = 2048, REEL__WALKED_CHAINS = 3072 };
typedef void reel__walked_kernel(void *y, const void *x, const int32_t *indices, int64_t outer, int64_t size,
                                 int64_t count);

/* By dtype. The walked kernels are scalar and in the baseline's table alone. */
typedef struct reel__reduce_kernels {
    reel__reduce_kernel *sum[3];
    reel__listed_kernel *listed[2];
    reel__walked_kernel *walked[2];
} reel__reduce_kernels;

/* By dtype. AVX2's are for f32 alone; AVX-512 uses them too. */
typedef struct reel__extreme_kernels {
    reel__reduce_kernel *max[3], *min[3], *argmax[3];
} reel__extreme_kernels;

extern const reel__reduce_kernels reel__reduce_baseline, reel__reduce_avx2, reel__reduce_avx512;
extern const reel__extreme_kernels reel__extreme_baseline, reel__extreme_avx2;

reel__listed_kernel *reel__scatter_kernel(const reel_tensor *y, int isa);

#endif
