/* The row kernels of one type T with suffix SUFFIX: every row of pointwise.table.h as a loop. Operands whose columns are
 * all one element are kept out of the inner loop. FLOATS(row) leaves a row out where T is i32. */
#define PASTE_(a, b, c) a##b##c
#define PASTE(a, b, c) PASTE_(a, b, c)
#define FN(f) PASTE(f, _, SUFFIX)
#define ROW(op) PASTE(op, _row_, SUFFIX)
#define NUMBERS(row) row

#define UNARY(op, types, expression, ...) types(UNARY_LOOP(op, expression))
#define UNARY_LOOP(op, expression)                                                                                     \
    static void ROW(op)(const reel__tile *t)                                                                           \
    {                                                                                                                  \
        for (int64_t r = 0; r < t->rows; r++) {                                                                        \
            T *y = (T *)t->y + r * t->y_row;                                                                           \
            const T *xs = (const T *)t->x[0] + r * t->x_row[0];                                                        \
            const int64_t n = t->x_one[0] && t->columns ? 1 : t->columns;                                              \
            INDEPENDENT for (int64_t i = 0; i < n; i++)                                                                \
            {                                                                                                          \
                const T x = xs[i];                                                                                     \
                y[i] = (T)(expression);                                                                                \
            }                                                                                                          \
            if (n < t->columns) repeat(y, sizeof *y, t->columns);                                                      \
        }                                                                                                              \
    }

#define BINARY(op, types, expression, ...) types(BINARY_LOOP(op, T, expression))
#define COMPARE(op, expression) BINARY_LOOP(op, int32_t, expression)
#define BINARY_LOOP(op, Result, expression)                                                                            \
    static void ROW(op)(const reel__tile *t)                                                                           \
    {                                                                                                                  \
        for (int64_t r = 0; r < t->rows; r++) {                                                                        \
            Result *y = (Result *)t->y + r * t->y_row;                                                                 \
            const T *as = (const T *)t->x[0] + r * t->x_row[0], *bs = (const T *)t->x[1] + r * t->x_row[1];            \
            if (t->x_one[1]) {                                                                                         \
                const T b = bs[0];                                                                                     \
                const int64_t n = t->x_one[0] && t->columns ? 1 : t->columns;                                          \
                INDEPENDENT for (int64_t i = 0; i < n; i++)                                                            \
                {                                                                                                      \
                    const T a = as[i];                                                                                 \
                    y[i] = (Result)(expression);                                                                       \
                }                                                                                                      \
                if (n < t->columns) repeat(y, sizeof *y, t->columns);                                                  \
            } else if (t->x_one[0]) {                                                                                  \
                const T a = as[0];                                                                                     \
                INDEPENDENT for (int64_t i = 0; i < t->columns; i++)                                                   \
                {                                                                                                      \
                    const T b = bs[i];                                                                                 \
                    y[i] = (Result)(expression);                                                                       \
                }                                                                                                      \
            } else {                                                                                                   \
                INDEPENDENT for (int64_t i = 0; i < t->columns; i++)                                                   \
                {                                                                                                      \
                    const T a = as[i], b = bs[i];                                                                      \
                    y[i] = (Result)(expression);                                                                       \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

#include "ops/pointwise.table.h"

/* y = a where the condition is not 0, else b. */
static void ROW(where)(const reel__tile *t)
{
    const int64_t c_step = !t->x_one[0], a_step = !t->x_one[1], b_step = !t->x_one[2];
    for (int64_t r = 0; r < t->rows; r++) {
        T *y = (T *)t->y + r * t->y_row;
        const int32_t *c = (const int32_t *)t->x[0] + r * t->x_row[0];
        const T *a = (const T *)t->x[1] + r * t->x_row[1], *b = (const T *)t->x[2] + r * t->x_row[2];
        if (c_step && a_step && b_step) {
            INDEPENDENT for (int64_t i = 0; i < t->columns; i++)
            {
                const T yes = a[i], no = b[i];
                y[i] = c[i] ? yes : no;
            }
        } else if (c_step && a_step) {
            const T no = b[0];
            INDEPENDENT for (int64_t i = 0; i < t->columns; i++)
            {
                const T yes = a[i];
                y[i] = c[i] ? yes : no;
            }
        } else if (c_step && b_step) {
            const T yes = a[0];
            INDEPENDENT for (int64_t i = 0; i < t->columns; i++)
            {
                const T no = b[i];
                y[i] = c[i] ? yes : no;
            }
        } else {
            for (int64_t i = 0; i < t->columns; i++) y[i] = c[i * c_step] ? a[i * a_step] : b[i * b_step];
        }
    }
}

#undef PASTE_
#undef PASTE
#undef FN
#undef ROW
#undef NUMBERS
#undef UNARY
#undef UNARY_LOOP
#undef BINARY
#undef BINARY_LOOP
#undef COMPARE
