/* The row kernels of f32, which define its ops and run in the plain executor; see pointwise.kernel.c. */
#include "ops/kernels/pointwise.scalar.h"

#define FLOATS(...) __VA_ARGS__
#define FN(f) reel__##f##_f32
#define T float
#define SUFFIX f32
#include "ops/kernels/pointwise.rows.h"
