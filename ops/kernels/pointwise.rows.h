/* The row kernels of one type T with suffix SUFFIX: every row of pointwise.table.h as a loop over contiguous operands, which
 * reel__by_loop() calls, and the table of them all. FLOATS(...) leaves out what a type does not have. */
#define PASTE_(a, b, c) a##b##c
#define PASTE(a, b, c) PASTE_(a, b, c)
#define LOOP_OF(op) PASTE(op, _loop_, SUFFIX)
#define ROW_OF(op) PASTE(op, _row_, SUFFIX)
#define NUMBERS(...) __VA_ARGS__

#define LOOP_1(op, expression)                                                                                         \
    static void LOOP_OF(op)(void *y, const void *const *xs, int64_t n)                                                 \
    {                                                                                                                  \
        INDEPENDENT for (int64_t i = 0; i < n; i++)                                                                    \
        {                                                                                                              \
            const T x = ((const T *)xs[0])[i];                                                                         \
            ((T *)y)[i] = (T)(expression);                                                                             \
        }                                                                                                              \
    }                                                                                                                  \
    static void ROW_OF(op)(const reel__tile *t) { reel__by_loop(t, LOOP_OF(op), 1, sizeof(T), sizeof(T), sizeof(T)); }

#define LOOP_2(op, Result, expression)                                                                                 \
    static void LOOP_OF(op)(void *y, const void *const *xs, int64_t n)                                                 \
    {                                                                                                                  \
        INDEPENDENT for (int64_t i = 0; i < n; i++)                                                                    \
        {                                                                                                              \
            const T a = ((const T *)xs[0])[i], b = ((const T *)xs[1])[i];                                              \
            ((Result *)y)[i] = (Result)(expression);                                                                   \
        }                                                                                                              \
    }                                                                                                                  \
    static void ROW_OF(op)(const reel__tile *t)                                                                        \
    {                                                                                                                  \
        reel__by_loop(t, LOOP_OF(op), 2, sizeof(Result), sizeof(T), sizeof(T));                                        \
    }

#define UNARY(op, types, link, expression, ...) types(LOOP_1(op, expression))
#define BINARY(op, types, order, link, expression, ...) types(LOOP_2(op, T, expression))
#define COMPARE(op, order, expression) LOOP_2(op, int32_t, expression)
#include "ops/pointwise.table.h"

/* y = a where the condition is not 0, else b. */
static void LOOP_OF(where)(void *y, const void *const *xs, int64_t n)
{
    INDEPENDENT for (int64_t i = 0; i < n; i++)
    {
        const T yes = ((const T *)xs[1])[i], no = ((const T *)xs[2])[i];
        ((T *)y)[i] = ((const int32_t *)xs[0])[i] ? yes : no;
    }
}
static void ROW_OF(where)(const reel__tile *t)
{
    reel__by_loop(t, LOOP_OF(where), 3, sizeof(T), sizeof(int32_t), sizeof(T));
}

const reel__pointwise_rows PASTE(reel__, rows_, SUFFIX) = {
#define UNARY(op, types, ...) types(.unary[REEL__OP_##op] = ROW_OF(op), )
#define BINARY(op, types, ...) types(.binary[REEL__OP_##op] = ROW_OF(op), )
#define COMPARE(op, ...) .binary[REEL__OP_##op] = ROW_OF(op),
#include "ops/pointwise.table.h"
    .where = ROW_OF(where),
};

#undef PASTE_
#undef PASTE
#undef LOOP_OF
#undef ROW_OF
#undef NUMBERS
#undef LOOP_1
#undef LOOP_2
#undef FLOATS
#undef FN
#undef T
#undef SUFFIX
