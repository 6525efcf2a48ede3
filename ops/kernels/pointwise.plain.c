/* The row kernels of f32, which define its ops and run in the plain executor; see pointwise.kernel.c. */
#include "ops/kernels/pointwise.scalar.h"

#define SUFFIX f32
#include "ops/kernels/pointwise.rows.h"
#undef SUFFIX
