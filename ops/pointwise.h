/* The kernels of the pointwise ops: one table for each instruction set, one entry for each op and type. */
#ifndef REEL_OPS_POINTWISE_H
#define REEL_OPS_POINTWISE_H

#include "ops/family.h"

enum { REEL__DTYPES = 3 };

typedef struct reel__pointwise_kernels {
#define UNARY(op, ...) reel__row_kernel *op[REEL__DTYPES];
#define BINARY(op, ...) reel__row_kernel *op[REEL__DTYPES];
#define COMPARE(op, ...) reel__row_kernel *op[REEL__DTYPES];
#include "ops/pointwise.table.h"
#undef UNARY
#undef BINARY
#undef COMPARE
    reel__row_kernel *where[REEL__DTYPES];
    reel__row_kernel *cast[REEL__DTYPES][REEL__DTYPES]; /* from, to */
} reel__pointwise_kernels;

extern const reel__pointwise_kernels reel__pointwise_baseline, reel__pointwise_avx2, reel__pointwise_avx512;

#endif
