/* The row kernels of f32, which define its ops and run in the plain executor; see pointwise.kernel.c. */
#include "ops/kernels/pointwise.scalar.h"

#define floor_f32(x) floorf(x)
#define exp_f32(x) reel__exp_f32(x)
#define log_f32(x) reel__log_f32(x)
#define expm1_f32(x) reel__expm1_f32(x)
#define log1p_f32(x) reel__log1p_f32(x)
#define sin_f32(x) reel__sin_f32(x)
#define cos_f32(x) reel__cos_f32(x)
#define tanh_f32(x) reel__tanh_f32(x)
#define erf_f32(x) reel__erf_f32(x)
#define sqrt_f32(x) sqrtf(x)
#define pow_f32(a, b) reel__pow_f32(a, b)

#define FLOATS(row) row
#define T float
#define SUFFIX f32
#include "ops/kernels/pointwise.rows.h"
