/* The pointwise ops: descriptors, derivatives and constructors, made from the rows of pointwise.table.h, and those that
 * are no rows: where and cast, whose operands differ in type; detach and variable, which compute nothing. Their kernels are in
 * pointwise.kernel.c, and for chains of f32 in link.kernel.c. */
#include "ops/kernels/pointwise.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const reel__pointwise_rows *const rows[REEL__DTYPES] = { &reel__rows_f32, &reel__rows_f64, &reel__rows_i32 };
static const reel__pointwise_links *const links[REEL__ISAS] = { REEL__EACH_SET(reel__links) };

static const reel__chain *chain_of(int isa) { return &links[isa]->chain; }

/* The type that chooses the kernel is that of the last operand: a comparison's result is i32, where's condition too. */
static int type_of(const reel_tensor *y) { return y->inputs[y->input_count - 1]->dtype; }

void reel__pointwise_run(const reel_call *call)
{
    const reel_tensor *y = call->node;
    reel__tile tile = { .rows = 1, .columns = y->count, .y = call->y };
    for (int i = 0; i < y->input_count; i++) tile.x[i] = call->x[i];
    if (y->count) y->op->traits->row(y)(&tile);
}

/* ---- Shape rules ------------------------------------------------------------------------------------------------- */

static bool same_dtype(const reel_tensor *y) { return reel__same_dtype(y->op->name, y->inputs, y->input_count); }
static bool all_floats(const reel_tensor *y) { return reel__all_floats(y->op->name, y->inputs, y->input_count); }

static bool floats_shape(reel_tensor *y) { return all_floats(y) && same_dtype(y) && reel__like_last(y); }
static bool numbers_shape(reel_tensor *y) { return same_dtype(y) && reel__like_last(y); }
static bool compare_shape(reel_tensor *y)
{
    return same_dtype(y) && reel_set_shape(y, REEL_I32, y->inputs[0]->rank, y->inputs[0]->size);
}

/* ---- Derivatives that are more than a line ----------------------------------------------------------------------- */

static reel_tensor *one_minus(reel_tensor *x) { return reel_sub(reel_number(x, 1), x); }
static reel_tensor *zero_like(reel_tensor *x) { return reel_number(x, 0); }

/* −½ y³, with the half inside, so that what can be represented does not overflow on the way. */
static reel_tensor *rsqrt_slope(reel_tensor *y) { return reel_mul(reel_scale(reel_mul(y, y), -0.5), y); }

/* erf' = 2/√π e^(−x²). What is beyond 32, where this is 0 in either type, is taken as 32: an x² of Inf would make the
 * derivatives 0 · Inf. */
static reel_tensor *bell(reel_tensor *x)
{
    reel_tensor *far = reel_number(x, 32), *near = reel_where(reel_lt(far, reel_abs(x)), far, x);
    return reel_scale(reel_exp(reel_neg(reel_mul(near, near))), 1.12837916709551257390);
}

/* gy to the one that was chosen, half where they are equal. */
static reel_tensor *share_less(reel_tensor *gy, reel_tensor *chosen, reel_tensor *other)
{
    reel_tensor *tie = reel_where(reel_eq(chosen, other), reel_scale(gy, 0.5), zero_like(gy));
    return reel_where(reel_lt(chosen, other), gy, tie);
}

static reel_tensor *share_more(reel_tensor *gy, reel_tensor *chosen, reel_tensor *other)
{
    reel_tensor *tie = reel_where(reel_eq(chosen, other), reel_scale(gy, 0.5), zero_like(gy));
    return reel_where(reel_lt(other, chosen), gy, tie);
}

/* d a^b / da = b a^(b−1). Three guards, of operands, so that they hold in the derivatives of this as well:
 * - where b is 0 this is 0, but a^(−1) need not be finite: there it is b / a, of which only the derivative by b is not 0;
 * - where b is 0 and a is NaN or has no finite reciprocal it is b / 1;
 * - where b is large and the power 0, it is 0 · 0: b, or a product of such, may be infinite. */
static reel_tensor *power_base(reel_tensor *gy, reel_tensor *a, reel_tensor *b)
{
    const bool single = a->dtype == REEL_F32;
    reel_tensor *zero = zero_like(b), *one = reel_number(b, 1), *constant = reel_eq(b, zero);
    reel_tensor *power = reel_pow(a, reel_shift(reel_where(constant, one, b), -1));
    reel_tensor *small = reel_where(reel_lt(reel_number(b, single ? 0x1p40 : 0x1p340), reel_abs(b)), zero, b);
    reel_tensor *slope = reel_mul(reel_where(reel_eq(power, zero), small, b), power);
    reel_tensor *normal = reel_number(a, single ? (double)FLT_MIN : DBL_MIN);
    reel_tensor *divisor = reel_where(reel_le(normal, reel_abs(a)), a, one);
    reel_tensor *flat = reel_div(reel_where(constant, b, zero), reel_where(constant, divisor, one));
    return reel_mul(gy, reel_where(constant, flat, slope));
}

/* d a^b / db = a^b ln a, and 0 where a is 0 and b not negative, or a is Inf and b negative: there ln 1 is taken. */
static reel_tensor *power_exponent(reel_tensor *gy, reel_tensor *y, reel_tensor *a, reel_tensor *b)
{
    reel_tensor *zero = zero_like(b), *one = reel_number(a, 1);
    reel_tensor *below = reel_where(reel_le(zero, b), one, a), *above = reel_where(reel_lt(b, zero), one, a);
    reel_tensor *safe =
        reel_where(reel_eq(a, zero), below, reel_where(reel_eq(a, reel_number(a, (double)INFINITY)), above, a));
    return reel_mul(gy, reel_mul(y, reel_log(safe)));
}

/* ---- The rows ---------------------------------------------------------------------------------------------------- */

/* The traits of a row of the table, and its number there. */
typedef struct row_traits {
    reel__traits traits;
    int op;
} row_traits;

static int op_of(const reel_tensor *y) { return ((const row_traits *)(const void *)y->op->traits)->op; }

static reel__row_kernel *unary_row(const reel_tensor *y) { return rows[type_of(y)]->unary[op_of(y)]; }
static reel__row_kernel *binary_row(const reel_tensor *y) { return rows[type_of(y)]->binary[op_of(y)]; }

static bool unary_link(const reel_tensor *y, int isa, int from, const bool *one, reel__link_form *form)
{
    (void)from, (void)one;
    *form = links[isa]->unary[op_of(y)];
    return type_of(y) == REEL_F32;
}

static bool binary_link(const reel_tensor *y, int isa, int from, const bool *one, reel__link_form *form)
{
    *form = links[isa]->binary[op_of(y)][from][one[1 - from]];
    return type_of(y) == REEL_F32;
}

static reel_tensor *binary(const reel_op *op, reel_tensor *a, reel_tensor *b)
{
    const reel__call_key key = { .call = op, .a = a, .b = b };
    reel_tensor *x[] = { a, b }, *again = a ? reel__replay_call(a->tape, &key) : NULL;
    if (again) return again;
    const reel__point begin = reel__point_of(reel_tape_of(a));
    if (!reel__broadcast(op->name, x, 2)) return &reel__tape_of_all(x, 2)->bad;
    reel_tensor *y = reel_record(op, x, 2, NULL, 0);
    return x[0] != a || x[1] != b ? reel__remember_tensor(&key, begin, y) : y;
}

#define FLOATS floats_shape
#define NUMBERS numbers_shape
#define DESCRIPTOR(OP, operands, rule, derivative)                                                                     \
    static const row_traits OP##_traits = {                                                                            \
        .traits = { .row = operands##_row, .link = operands##_link, .chain = chain_of }, .op = REEL__OP_##OP           \
    };                                                                                                                 \
    static const reel_op OP##_op = { .size = sizeof(reel_op),                                                          \
                                     .name = #OP,                                                                      \
                                     .shape = rule,                                                                    \
                                     .run = reel__pointwise_run,                                                       \
                                     .vjp = derivative,                                                                \
                                     .traits = &OP##_traits.traits };

#define UNARY(OP, types, link, expression, gx, ...)                                                                    \
    static reel_tensor *OP##_vjp(reel_tensor *y, reel_tensor *gy, int input)                                           \
    {                                                                                                                  \
        reel_tensor *x = y->inputs[input];                                                                             \
        return (void)x, (void)gy, gx;                                                                                  \
    }                                                                                                                  \
    DESCRIPTOR(OP, unary, types, OP##_vjp)                                                                             \
    reel_tensor *reel_##OP(reel_tensor *x) { return reel_record(&OP##_op, &x, 1, NULL, 0); }

#define BINARY(OP, types, order, link, expression, ga, gb, ...)                                                        \
    static reel_tensor *OP##_vjp(reel_tensor *y, reel_tensor *gy, int input)                                           \
    {                                                                                                                  \
        reel_tensor *a = y->inputs[0], *b = y->inputs[1];                                                              \
        return (void)a, (void)b, input == 0 ? ga : gb;                                                                 \
    }                                                                                                                  \
    DESCRIPTOR(OP, binary, types, OP##_vjp)                                                                            \
    reel_tensor *reel_##OP(reel_tensor *a, reel_tensor *b) { return binary(&OP##_op, a, b); }

#define COMPARE(OP, order, expression)                                                                                 \
    DESCRIPTOR(OP, binary, compare_shape, NULL)                                                                        \
    reel_tensor *reel_##OP(reel_tensor *a, reel_tensor *b) { return binary(&OP##_op, a, b); }

#include "ops/pointwise.table.h"

/* Swapped; shapes are checked first, under the name that the user wrote. */
static reel_tensor *swapped(const char *name, const reel_op *op, reel_tensor *a, reel_tensor *b)
{
    reel_tensor *x[] = { a, b };
    if (!reel__broadcast(name, x, 2)) return &reel__tape_of_all(x, 2)->bad;
    return reel_record(op, (reel_tensor *[]){ x[1], x[0] }, 2, NULL, 0);
}

reel_tensor *reel_gt(reel_tensor *a, reel_tensor *b) { return swapped("gt", &lt_op, a, b); }
reel_tensor *reel_ge(reel_tensor *a, reel_tensor *b) { return swapped("ge", &le_op, a, b); }

/* ---- where, cast, detach, variable ------------------------------------------------------------------------------- */

static bool where_shape(reel_tensor *y)
{
    if (y->inputs[0]->dtype != REEL_I32)
        return reel_fail_shape(y, REEL_BAD_DTYPE, "the condition is %s; a comparison gives i32",
                               reel__dtype_name((reel_dtype)y->inputs[0]->dtype));
    return reel__same_dtype("where", y->inputs + 1, 2) && reel__like_last(y);
}

static reel_tensor *where_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    reel_tensor *zero = zero_like(gy);
    return input == 1 ? reel_where(y->inputs[0], gy, zero) : reel_where(y->inputs[0], zero, gy);
}

static bool where_link(const reel_tensor *y, int isa, int from, const bool *one, reel__link_form *form)
{
    if (from == 0) *form = links[isa]->where[one[1]][one[2]];
    else *form = from == 1 ? links[isa]->yes[one[2]] : links[isa]->no[one[1]];
    return type_of(y) == REEL_F32 && (from == 0 || !one[0]);
}

static reel__row_kernel *where_row(const reel_tensor *y) { return rows[type_of(y)]->where; }
static const reel_op where_op = REEL__OP("where", where_shape, reel__pointwise_run, where_vjp, .row = where_row,
                                         .link = where_link, .chain = chain_of);

reel_tensor *reel_where(reel_tensor *condition, reel_tensor *a, reel_tensor *b)
{
    reel_tensor *x[] = { condition, a, b };
    if (!reel__broadcast("where", x, 3)) return &reel__tape_of_all(x, 3)->bad;
    return reel_record(&where_op, x, 3, NULL, 0);
}

typedef struct cast_attr {
    reel_dtype dtype;
} cast_attr;

static bool cast_shape(reel_tensor *y)
{
    return reel_set_shape(y, ((const cast_attr *)y->attr)->dtype, y->inputs[0]->rank, y->inputs[0]->size);
}

static reel_tensor *cast_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    return y->dtype == REEL_I32 ? NULL : reel_cast(gy, (reel_dtype)y->inputs[input]->dtype);
}

static reel__row_kernel *cast_row(const reel_tensor *y) { return reel__cast_rows[type_of(y)][y->dtype]; }
static bool cast_link(const reel_tensor *y, int isa, int from, const bool *one, reel__link_form *form)
{
    (void)from, (void)one;
    *form = y->dtype == REEL_I32 ? links[isa]->to_i32 : links[isa]->to_f32;
    return type_of(y) != y->dtype && type_of(y) != REEL_F64 && y->dtype != REEL_F64;
}
static const reel_op cast_op =
    REEL__OP("cast", cast_shape, reel__pointwise_run, cast_vjp, .row = cast_row, .link = cast_link, .chain = chain_of);

reel_tensor *reel_cast(reel_tensor *x, reel_dtype dtype)
{
    if (!reel__good("cast", &x, 1)) return &reel_tape_of(x)->bad;
    if ((unsigned)dtype > REEL_I32) return reel__fail(x->tape, REEL_BAD_DTYPE, "cast: %d is no dtype", (int)dtype);
    if (x->dtype == dtype) return x;
    cast_attr attr = { dtype };
    return reel_record(&cast_op, &x, 1, &attr, sizeof attr);
}

/* As a view it costs nothing. */
bool reel__same_map(const reel_tensor *y, const int64_t *x_stride, int64_t *offset, int64_t *y_stride)
{
    *offset = 0;
    for (int d = 0; d < y->rank; d++) y_stride[d] = x_stride[d];
    return true;
}

static const reel_op detach_op = REEL__OP("detach", reel__like_last, reel__view_run, NULL, .map = reel__same_map);

reel_tensor *reel_detach(reel_tensor *x) { return reel_record(&detach_op, &x, 1, NULL, 0); }

/* Told apart by its name, and by the entry of its scope where that is entered again. */
typedef struct variable_attr {
    const char *name;
    uint64_t entry;
} variable_attr;

static bool variable_shape(reel_tensor *y) { return all_floats(y) && reel__like_last(y); }

static reel_tensor *variable_vjp(reel_tensor *y, reel_tensor *gy, int input) { return (void)y, (void)input, gy; }

static const reel_op variable_op =
    REEL__OP("variable", variable_shape, reel__view_run, variable_vjp, .map = reel__same_map);

reel_tensor *reel_variable(reel_tensor *x, const char *name)
{
    variable_attr attr = { NULL, 0 };
    if (!reel__good("variable", &x, 1)) return &reel_tape_of(x)->bad;
    if (!(attr.name = reel__use_name(x->tape, "variable", name))) return &x->tape->bad;
    attr.entry = x->tape->scope->entry - x->tape->root.entry; /* the same in every recording */
    return reel_record(&variable_op, &x, 1, &attr, sizeof attr);
}
