/* Row kernels of the pointwise ops: y[r,c] = expression of the operands at [r,c], once for each type. The expressions are
 * in pointwise.table.h. They define the ops and serve the plain executor, f64 and i32; what is f32 in a plan runs on the
 * links of link.kernel.c. Here are f64, i32 and casts; f32, which is to be small and not fast, is in pointwise.plain.c. */
#include "ops/kernels/pointwise.scalar.h"

enum { SAME = 128 }; /* elements of an operand that is the same for all columns, as the loop is given them */

static void repeat(char *to, const char *from, size_t element, int64_t count)
{
    uint64_t wide;
    uint32_t narrow;
    if (element == sizeof wide) {
        memcpy(&wide, from, sizeof wide);
        for (int64_t i = 0; i < count; i++) memcpy(to + i * 8, &wide, sizeof wide);
    } else {
        memcpy(&narrow, from, sizeof narrow);
        for (int64_t i = 0; i < count; i++) memcpy(to + i * 4, &narrow, sizeof narrow);
    }
}

/* Rows that are short: as many as there is room for become one, with what is the same for some columns or rows repeated. */
static void short_rows(const reel__tile *t, reel__loop *run, int count, size_t result, size_t first, size_t other)
{
    int64_t same[REEL__POINTWISE_INPUTS][SAME];
    const void *x[REEL__POINTWISE_INPUTS];
    const int64_t n = t->columns, most = SAME / n;
    for (int64_t from = 0, rows; from < t->rows; from += rows) {
        rows = t->rows - from < most ? t->rows - from : most;
        for (int j = 0; j < count; j++) {
            const size_t element = j ? other : first;
            const int64_t row = t->x_row[j] * (int64_t)element;
            const char *here = (const char *)t->x[j] + from * row;
            char *to = (char *)same[j];
            x[j] = here;
            if (!t->x_one[j] && t->x_row[j] == n) continue;
            x[j] = to;
            for (int64_t r = 0; r < rows; r++, to += n * (int64_t)element, here += row)
                if (t->x_one[j]) repeat(to, here, element, n);
                else memcpy(to, here, (size_t)n * element);
        }
        run((char *)t->y + from * n * (int64_t)result, x, rows * n);
    }
}

/* Where all operands are the same for all columns so is y; one that is alone in that is repeated for a part of the columns
 * at a time. */
void reel__by_loop(const reel__tile *t, reel__loop *run, int count, size_t result, size_t first, size_t other)
{
    const void *x[REEL__POINTWISE_INPUTS];
    int64_t same[REEL__POINTWISE_INPUTS][SAME];
    bool any = false, all = true;
    for (int j = 0; j < count; j++) any |= t->x_one[j], all &= t->x_one[j];
    const int64_t n = all && t->columns ? 1 : t->columns, part = any && n > SAME ? SAME : n;
    if (t->rows > 1 && n > 0 && n == t->columns && n <= SAME / 4 && t->y_row == n) {
        short_rows(t, run, count, result, first, other);
        return;
    }
    for (int64_t r = 0; r < t->rows; r++) {
        char *y = (char *)t->y + r * t->y_row * (int64_t)result;
        for (int j = 0; j < count; j++) {
            const size_t element = j ? other : first;
            x[j] = (const char *)t->x[j] + r * t->x_row[j] * (int64_t)element;
            if (!t->x_one[j] || all || !n) continue;
            repeat((char *)same[j], x[j], element, part);
            x[j] = same[j];
        }
        for (int64_t c = 0; c < n; c += part) {
            run(y + c * (int64_t)result, x, n - c < part ? n - c : part);
            for (int j = 0; j < count; j++)
                if (!t->x_one[j]) x[j] = (const char *)x[j] + part * (int64_t)(j ? other : first);
        }
        if (n < t->columns) repeat(y + result, y, result, t->columns - 1);
    }
}

#define SUFFIX f64
#include "ops/kernels/pointwise.rows.h"
#undef SUFFIX
#define SUFFIX i32
#include "ops/kernels/pointwise.rows.h"
#undef SUFFIX

/* f → i32 truncates, saturates, and makes 0 of NaN. */
static inline int32_t to_i32_f32(float x)
{
    float inside = x >= 2147483648.0f || x < -2147483648.0f || x != x ? 0 : x;
    return x >= 2147483648.0f ? INT32_MAX : x < -2147483648.0f ? INT32_MIN : (int32_t)inside;
}

/* The same. All of i32 is exact in f64, so that the ends are chosen there, in vectors. */
static inline int32_t to_i32_f64(double x)
{
    double inside = x >= 2147483647.0 ? 2147483647.0 : x;
    inside = inside <= -2147483648.0 ? -2147483648.0 : inside;
    return (int32_t)(x == x ? inside : 0);
}

#define CAST(name, From, To, expression)                                                                               \
    ROW(name, 1, To, From, From, const From x = ((const From *)xs[0])[i], expression)
CAST(f32_to_f64, float, double, x)
CAST(f32_to_i32, float, int32_t, to_i32_f32(x))
CAST(f64_to_f32, double, float, x)
CAST(f64_to_i32, double, int32_t, to_i32_f64(x))
CAST(i32_to_f32, int32_t, float, x)
CAST(i32_to_f64, int32_t, double, x)

reel__row_kernel *const reel__cast_rows[REEL__DTYPES][REEL__DTYPES] = {
    { NULL, f32_to_f64, f32_to_i32 },
    { f64_to_f32, NULL, f64_to_i32 },
    { i32_to_f32, i32_to_f64, NULL },
};
