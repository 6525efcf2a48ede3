/* The row kernels of one type: every row of pointwise.table.h as a loop over contiguous operands, which reel__by_loop()
 * calls, and the table of them all. FLOATS(...) leaves out what a type does not have. */
#define MATH(f) FN(MATH)(f)
#define FLOATS(...) FN(FLOATS)(__VA_ARGS__)
#define NUMBERS(...) __VA_ARGS__

#define LOOP_1(op, expression)                                                                                         \
    static void FN(op##_loop)(void *y, const void *const *xs, int64_t n)                                               \
    {                                                                                                                  \
        INDEPENDENT for (int64_t i = 0; i < n; i++)                                                                    \
        {                                                                                                              \
            const T x = ((const T *)xs[0])[i];                                                                         \
            ((T *)y)[i] = (T)(expression);                                                                             \
        }                                                                                                              \
    }                                                                                                                  \
    static void FN(op##_row)(const reel__tile *t)                                                                      \
    {                                                                                                                  \
        reel__by_loop(t, FN(op##_loop), 1, sizeof(T), sizeof(T), sizeof(T));                                           \
    }

#define LOOP_2(op, Result, expression)                                                                                 \
    static void FN(op##_loop)(void *y, const void *const *xs, int64_t n)                                               \
    {                                                                                                                  \
        INDEPENDENT for (int64_t i = 0; i < n; i++)                                                                    \
        {                                                                                                              \
            const T a = ((const T *)xs[0])[i], b = ((const T *)xs[1])[i];                                              \
            ((Result *)y)[i] = (Result)(expression);                                                                   \
        }                                                                                                              \
    }                                                                                                                  \
    static void FN(op##_row)(const reel__tile *t)                                                                      \
    {                                                                                                                  \
        reel__by_loop(t, FN(op##_loop), 2, sizeof(Result), sizeof(T), sizeof(T));                                      \
    }

#define UNARY(op, types, link, expression, ...) types(LOOP_1(op, expression))
#define BINARY(op, types, order, link, expression, ...) types(LOOP_2(op, T, expression))
#define COMPARE(op, order, expression) LOOP_2(op, int32_t, expression)
#include "ops/pointwise.table.h"

/* y = a where the condition is not 0, else b. */
static void FN(where_loop)(void *y, const void *const *xs, int64_t n)
{
    INDEPENDENT for (int64_t i = 0; i < n; i++)
    {
        const T yes = ((const T *)xs[1])[i], no = ((const T *)xs[2])[i];
        ((T *)y)[i] = ((const int32_t *)xs[0])[i] ? yes : no;
    }
}
static void FN(where_row)(const reel__tile *t)
{
    reel__by_loop(t, FN(where_loop), 3, sizeof(T), sizeof(int32_t), sizeof(T));
}

const reel__pointwise_rows FN(reel__rows) = {
#define UNARY(op, types, ...) types(.unary[REEL__OP_##op] = FN(op##_row), )
#define BINARY(op, types, ...) types(.binary[REEL__OP_##op] = FN(op##_row), )
#define COMPARE(op, ...) .binary[REEL__OP_##op] = FN(op##_row),
#include "ops/pointwise.table.h"
    .where = FN(where_row),
};

#undef MATH
#undef FLOATS
#undef NUMBERS
#undef LOOP_1
#undef LOOP_2
