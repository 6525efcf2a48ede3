/* The contraction: its attributes are a reel__product_axes; and the plain kernel of one row of a product. */
#ifndef REEL_OPS_CONTRACT_H
#define REEL_OPS_CONTRACT_H

#include "ops/family.h"

extern const reel_op reel__contract_op;

/* An expand's rule `past` (reel/op.h): products that take it with a repeated axis as a batch axis. */
reel_tensor *reel__contract_past(reel_tensor *x, reel_contribution *const *contributions, int count);

enum { REEL__PRODUCT_COLUMNS = 256, REEL__PRODUCT_PIECE = 512 };

/* y[j] = Σ_k a[k] b[k, column[j]], for up to 256 columns. Strides are in elements. */
typedef struct reel__product_row {
    void *y;
    const void *a, *b;
    int64_t columns, k;
    int64_t column[REEL__PRODUCT_COLUMNS];
    int k_axes;
    int64_t k_size[REEL_MAX_RANK], a_stride[REEL_MAX_RANK], b_stride[REEL_MAX_RANK];
} reel__product_row;

typedef struct reel__product_kernels {
    void (*row[2])(const reel__product_row *row);
} reel__product_kernels;

extern const reel__product_kernels reel__product_naive_baseline, reel__product_naive_avx2, reel__product_naive_avx512;

#endif
