/* Row kernels of the pointwise ops: y[r,c] = expression of the operands at [r,c], once for each type. The expressions are
 * in pointwise.table.h. They define the ops and serve the plain executor, f64 and i32; what is f32 in a plan runs on the
 * links of link.kernel.c. */
#include "ops/pointwise.scalar.h"

/* y[1 …] = y[0], for elements of 4 or 8 bytes. */
static __attribute__((noinline)) void repeat(void *y, size_t element, int64_t columns)
{
    if (element == 4)
        for (int64_t i = 1; i < columns; i++) memcpy((char *)y + 4 * i, y, 4);
    else
        for (int64_t i = 1; i < columns; i++) memcpy((char *)y + 8 * i, y, 8);
}

static inline int32_t minimum_i32(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t maximum_i32(int32_t a, int32_t b) { return a > b ? a : b; }

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
#define floor_f64(x) floor(x)
#define exp_f64(x) exp(x)
#define log_f64(x) log(x)
#define expm1_f64(x) expm1(x)
#define log1p_f64(x) log1p(x)
#define sin_f64(x) sin(x)
#define cos_f64(x) cos(x)
#define tanh_f64(x) tanh(x)
#define erf_f64(x) erf(x)
#define sqrt_f64(x) sqrt(x)
#define pow_f64(a, b) pow(a, b)

#define FLOATS(row) row
#define T double
#define SUFFIX f64
#include "ops/pointwise.rows.h"
#undef T
#undef SUFFIX
#undef FLOATS
#define FLOATS(row)
#define T int32_t
#define SUFFIX i32
#include "ops/pointwise.rows.h"
#undef T
#undef SUFFIX
#undef FLOATS

#define FLOATS(row) row
#define T float
#define SUFFIX f32
#include "ops/pointwise.rows.h"
#undef T
#undef SUFFIX
#undef FLOATS

static inline int32_t to_i32_f64(double x)
{
    double inside = x >= 2147483648.0 || x <= -2147483649.0 || x != x ? 0 : x;
    return x >= 2147483648.0 ? INT32_MAX : x <= -2147483649.0 ? INT32_MIN : (int32_t)inside;
}

#define CAST(from, From, to, To, expression)                                                                           \
    static void from##_to_##to(const reel__tile *t)                                                                    \
    {                                                                                                                  \
        for (int64_t r = 0; r < t->rows; r++) {                                                                        \
            To *y = (To *)t->y + r * t->y_row;                                                                         \
            const From *xs = (const From *)t->x[0] + r * t->x_row[0];                                                  \
            const int64_t step = t->x_one[0] ? 0 : 1;                                                                  \
            INDEPENDENT for (int64_t i = 0; i < t->columns; i++)                                                       \
            {                                                                                                          \
                const From x = xs[i * step];                                                                           \
                y[i] = (To)(expression);                                                                               \
            }                                                                                                          \
        }                                                                                                              \
    }
CAST(f32, float, f32, float, x)
CAST(f32, float, f64, double, x)
CAST(f32, float, i32, int32_t, to_i32_f32(x))
CAST(f64, double, f32, float, x)
CAST(f64, double, f64, double, x)
CAST(f64, double, i32, int32_t, to_i32_f64(x))
CAST(i32, int32_t, f32, float, x)
CAST(i32, int32_t, f64, double, x)
CAST(i32, int32_t, i32, int32_t, x)

#define KERNEL(op, type) op##_row_##type
#define FLOATS(op)                                                                                                     \
    {                                                                                                                  \
        KERNEL(op, f32), KERNEL(op, f64), NULL                                                                         \
    }
#define NUMBERS(op)                                                                                                    \
    {                                                                                                                  \
        KERNEL(op, f32), KERNEL(op, f64), KERNEL(op, i32)                                                              \
    }
#define UNARY(op, types, ...) .op = types(op),
#define BINARY(op, types, ...) .op = types(op),
#define COMPARE(op, ...) .op = NUMBERS(op),
const reel__pointwise_kernels reel__pointwise = {
#include "ops/pointwise.table.h"
    .where = NUMBERS(where),
    .cast = { { f32_to_f32, f32_to_f64, f32_to_i32 },
              { f64_to_f32, f64_to_f64, f64_to_i32 },
              { i32_to_f32, i32_to_f64, i32_to_i32 } },
};
