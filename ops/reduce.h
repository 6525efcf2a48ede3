/* The kernels of the reductions. An array is seen as [outer, n, inner] and reduced over n. */
#ifndef REEL_OPS_REDUCE_H
#define REEL_OPS_REDUCE_H

#include "ops/ops.h"

/* y[outer, inner] from x[outer, n, inner], both contiguous. scratch holds what reel__sum_scratch() says, in elements. */
typedef void reel__reduce_kernel(void *y, const void *x, int64_t outer, int64_t n, int64_t inner);

typedef struct reel__reduce_kernels {
    reel__reduce_kernel *sum[3], *max[3], *argmax[3];
} reel__reduce_kernels;

extern const reel__reduce_kernels reel__reduce_baseline, reel__reduce_avx2, reel__reduce_avx512;

#endif
