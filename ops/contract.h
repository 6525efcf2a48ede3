/* The contraction, whose attributes are a reel__product_axes. */
#ifndef REEL_OPS_CONTRACT_H
#define REEL_OPS_CONTRACT_H

#include "ops/family.h"

extern const reel_op reel__contract_op;

/* An expand's rule `past` (reel/op.h): products that take it with a repeated axis as a batch axis. */
reel_tensor *reel__contract_past(reel_tensor *x, reel_contribution *const *contributions, int count);

#endif
