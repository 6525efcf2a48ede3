/* The row kernels of one type: every row of pointwise.table.h as a loop over contiguous operands, which reel__by_loop()
 * calls, and the table of them all. FLOATS(...) leaves out what a type does not have. */
#define MATH(f) FN(MATH)(f)
#define FLOATS(...) FN(FLOATS)(__VA_ARGS__)
#define NUMBERS(...) __VA_ARGS__

#define OPERAND(j) ((const T *)xs[j])[i]
#define UNARY(op, types, link, expression, ...) types(ROW(FN(op##_row), 1, T, T, T, const T x = OPERAND(0), expression))
#define BINARY(op, types, order, link, expression, ...)                                                                \
    types(ROW(FN(op##_row), 2, T, T, T, const T a = OPERAND(0); const T b = OPERAND(1), expression))
#define COMPARE(op, order, expression)                                                                                 \
    ROW(FN(op##_row), 2, int32_t, T, T, const T a = OPERAND(0); const T b = OPERAND(1), expression)
#include "ops/pointwise.table.h"

/* y = a where the condition c is not 0, else b. */
ROW(FN(where_row), 3, T, int32_t, T, const int32_t c = ((const int32_t *)xs[0])[i]; const T a = OPERAND(1);
    const T b = OPERAND(2), c ? a : b)

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
#undef OPERAND
