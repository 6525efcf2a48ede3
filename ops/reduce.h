/* The kernels of the reductions. An array is seen as [outer, n, inner] and reduced over n. */
#ifndef REEL_OPS_REDUCE_H
#define REEL_OPS_REDUCE_H

#include "ops/family.h"

enum { REEL__ROW_BLOCK = 256 }; /* elements of a last axis that are summed as one block */

typedef struct reel__reduce_kernels {
    reel__reduce_kernel *sum[3], *max[3], *argmax[3];
} reel__reduce_kernels;

extern const reel__reduce_kernels reel__reduce_baseline, reel__reduce_avx2, reel__reduce_avx512;

#endif
