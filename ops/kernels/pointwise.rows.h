/* The row kernels of one type T with suffix SUFFIX: every row of pointwise.table.h as a loop over contiguous operands, which
 * reel__by_loop() calls. FLOATS(row) leaves a row out where T is i32. */
#define PASTE_(a, b, c) a##b##c
#define PASTE(a, b, c) PASTE_(a, b, c)
#define FN(f) PASTE(f, _, SUFFIX)
#define LOOP(op) PASTE(op, _loop_, SUFFIX)
#define ROW(op) PASTE(reel__##op, _row_, SUFFIX)
#define NUMBERS(row) row

#define UNARY(op, types, expression, ...) types(UNARY_LOOP(op, expression))
#define UNARY_LOOP(op, expression)                                                                                     \
    static void LOOP(op)(void *y, const void *const *xs, int64_t n)                                                    \
    {                                                                                                                  \
        INDEPENDENT for (int64_t i = 0; i < n; i++)                                                                    \
        {                                                                                                              \
            const T x = ((const T *)xs[0])[i];                                                                         \
            ((T *)y)[i] = (T)(expression);                                                                             \
        }                                                                                                              \
    }                                                                                                                  \
    void ROW(op)(const reel__tile *t) { reel__by_loop(t, LOOP(op), 1, sizeof(T), sizeof(T), sizeof(T)); }

#define BINARY(op, types, expression, ...) types(BINARY_LOOP(op, T, expression))
#define COMPARE(op, expression) BINARY_LOOP(op, int32_t, expression)
#define BINARY_LOOP(op, Result, expression)                                                                            \
    static void LOOP(op)(void *y, const void *const *xs, int64_t n)                                                    \
    {                                                                                                                  \
        INDEPENDENT for (int64_t i = 0; i < n; i++)                                                                    \
        {                                                                                                              \
            const T a = ((const T *)xs[0])[i], b = ((const T *)xs[1])[i];                                              \
            ((Result *)y)[i] = (Result)(expression);                                                                   \
        }                                                                                                              \
    }                                                                                                                  \
    void ROW(op)(const reel__tile *t) { reel__by_loop(t, LOOP(op), 2, sizeof(Result), sizeof(T), sizeof(T)); }

#include "ops/pointwise.table.h"

/* y = a where the condition is not 0, else b. */
static void LOOP(where)(void *y, const void *const *xs, int64_t n)
{
    INDEPENDENT for (int64_t i = 0; i < n; i++)
    {
        const T yes = ((const T *)xs[1])[i], no = ((const T *)xs[2])[i];
        ((T *)y)[i] = ((const int32_t *)xs[0])[i] ? yes : no;
    }
}
void ROW(where)(const reel__tile *t) { reel__by_loop(t, LOOP(where), 3, sizeof(T), sizeof(int32_t), sizeof(T)); }

#undef PASTE_
#undef PASTE
#undef FN
#undef LOOP
#undef ROW
#undef NUMBERS
#undef UNARY
#undef UNARY_LOOP
#undef BINARY
#undef BINARY_LOOP
#undef COMPARE
