/* The op table: one row or more for each op of include/reel/ops.h. A row says how the op is recorded, what it is to give
 * (naive.h), and on which operands it is tested. The pointwise ops of ops/pointwise.table.h have theirs from there; any
 * other op has a row here. A test compares the names with the header's. */
#ifndef REEL_TESTS_OP_TABLE_H
#define REEL_TESTS_OP_TABLE_H

#include "naive.h"

#include <stdio.h>

/* clang-format off */

/* ---- How each op is recorded ------------------------------------------------------------------------------------- */

#define RECORD(op, expression)                                                                                         \
    static reel_tensor *record_##op(const op_case *c, reel_tensor *const *x) { return (void)c, (void)x, expression; }
#define RECORD_1(op) RECORD(op, reel_##op(x[0]))
#define RECORD_2(op) RECORD(op, reel_##op(x[0], x[1]))

RECORD(number, reel_number(x[0], c->number[0]))
RECORD(scale, reel_scale(x[0], c->number[0]))
RECORD(shift, reel_shift(x[0], c->number[0]))
RECORD(fill, reel_fill(x[0], c->shape, c->number[0]))
RECORD(iota, reel_iota(x[0], c->shape.size[0]))
#define UNARY(op, ...) RECORD_1(op)
#define BINARY(op, ...) RECORD_2(op)
#define COMPARE(op, ...) RECORD_2(op)
#include "ops/pointwise.table.h"
RECORD_2(gt) RECORD_2(ge)
RECORD(where, reel_where(x[0], x[1], x[2]))
RECORD_1(square) RECORD_1(reciprocal) RECORD_1(detach)
RECORD(clip, reel_clip(x[0], c->number[0], c->number[1]))
RECORD(cast, reel_cast(x[0], c->to))
RECORD_1(sigmoid) RECORD_1(log_sigmoid) RECORD_1(softplus) RECORD_1(relu) RECORD_1(silu) RECORD_1(gelu)
RECORD_1(gelu_tanh)
RECORD(leaky_relu, reel_leaky_relu(x[0], c->number[0]))
RECORD(elu, reel_elu(x[0], c->number[0]))
RECORD(sum, reel_sum(x[0], c->axes, c->keep))
RECORD(mean, reel_mean(x[0], c->axes, c->keep))
RECORD(var, reel_var(x[0], c->axes, c->keep))
RECORD(max, reel_max(x[0], c->axes, c->keep))
RECORD(min, reel_min(x[0], c->axes, c->keep))
RECORD(argmax, reel_argmax(x[0], c->axes.axis[0]))
RECORD(logsumexp, reel_logsumexp(x[0], c->axes, c->keep))
RECORD(softmax, reel_softmax(x[0], c->axes.axis[0]))
RECORD(log_softmax, reel_log_softmax(x[0], c->axes.axis[0]))
RECORD_2(matmul)
RECORD(contract, reel_contract(x[0], x[1], c->spec))
RECORD(reshape, reel_reshape(x[0], c->shape))
RECORD(permute, reel_permute(x[0], c->axes))
RECORD_1(transpose)
RECORD(expand, reel_expand(x[0], c->shape))
RECORD(sum_to, reel_sum_to(x[0], c->shape))
RECORD(slice, reel_slice(x[0], (int)c->at[0], c->at[1], c->at[2]))
RECORD(slice_step, reel_slice_step(x[0], (int)c->at[0], c->at[1], c->at[2], c->at[3]))
RECORD(pad, reel_pad(x[0], (int)c->at[0], c->at[1], c->at[2]))
RECORD(pad_step, reel_pad_step(x[0], (int)c->at[0], c->at[1], c->at[2], c->at[3]))
RECORD(flip, reel_flip(x[0], c->axes))
RECORD(concat, reel_concat(x, operand_count(c), (int)c->at[0]))
RECORD(stack, reel_stack(x, operand_count(c), (int)c->at[0]))
RECORD(unsqueeze, reel_unsqueeze(x[0], (int)c->at[0]))
RECORD(squeeze, reel_squeeze(x[0], (int)c->at[0]))
RECORD(take, reel_take(x[0], x[1], (int)c->at[0]))
RECORD(take_along_axis, reel_take_along_axis(x[0], x[1], (int)c->at[0]))
RECORD(scatter_add, reel_scatter_add(x[0], x[1], (int)c->at[0], c->at[1]))
RECORD(one_hot, reel_one_hot(x[0], c->at[0], c->to))
RECORD(in_range, reel_in_range(x[0], c->at[0]))
RECORD(uniform, reel_uniform(x[0], "draw", c->shape))
RECORD(normal, reel_normal(x[0], "draw", c->shape))

static reel_tensor *record_variable(const op_case *c, reel_tensor *const *x)
{
    static int count; /* a name is used once */
    char name[24];
    snprintf(name, sizeof name, "variable%d", count++);
    return (void)c, reel_variable(x[0], name);
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

enum { N = -1 }; /* the size that a property varies */

#define SIZES(...) { (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), { __VA_ARGS__ } }
#define AXES(...) { (int)(sizeof((int[]){ __VA_ARGS__ }) / sizeof(int)), { __VA_ARGS__ } }
#define ALL { -1, { 0 } }
#define SCALAR { 0, { 0 } }

/* An operand of real numbers within [low, high]; the same, and the op is linear in it; indices 0 … below − 1. */
#define X(low, high, ...) { REAL, low, high, SIZES(__VA_ARGS__), false, false }
#define LINEAR(...) { REAL, -2, 2, SIZES(__VA_ARGS__), true, false }
#define LIKE { REAL, -1, 1, SIZES(2), false, false }
#define INDEX(below, ...) { WHOLE, 0, below - 1, SIZES(__VA_ARGS__), false, false }
#define CHOICE(...) { WHOLE, -1, 1, SIZES(__VA_ARGS__), false, false }

#define ROW(NAME, ...) { .op = #NAME, .record = record_##NAME, .naive = naive_##NAME, .x = __VA_ARGS__ }
#define ROW_AS(NAME, LIKE_IT, ...) { .op = #NAME, .record = record_##NAME, .naive = naive_##LIKE_IT, .x = __VA_ARGS__ }

static const op_case op_cases[] = {
    ROW_AS(number, fill, { LIKE }, NO_GRADIENT | NUMBERS, .number = { 3 }, .shape = SCALAR),
    ROW_AS(number, fill, { LIKE }, NO_GRADIENT | FLOATS, .number = { 0.7 }, .shape = SCALAR),
    ROW(scale, { LINEAR(N, 2) }, POINTWISE, .number = { 0.7 }),
    ROW(scale, { LINEAR(N) }, POINTWISE | NUMBERS, .number = { 3 }),
    ROW(shift, { X(-2, 2, N, 2) }, POINTWISE, .number = { 0.7 }),
    ROW(fill, { LIKE }, NO_GRADIENT | NUMBERS, .number = { 2 }, .shape = SIZES(2, N)),
    ROW(iota, { LIKE }, NO_GRADIENT, .shape = SIZES(N)),

    /* The rows of the library's table, two operands also as they broadcast; then what these do not show: linearity, kinks
     * and ties, other domains. */
#define UNARY(op, types, link, y, gx, low, high) ROW(op, { X(low, high, 2, N) }, POINTWISE | types),
#define BINARY(op, types, order, link, y, ga, gb, low, high)                                                           \
    ROW(op, { X(low, high, 2, N), X(low, high, 2, N) }, POINTWISE | types | order | GRID),                             \
        ROW(op, { X(low, high, 3, 1), X(low, high, N) }, types | order | GRID),
#define COMPARE(op, order, y)                                                                                          \
    ROW(op, { X(-1, 1, 2, N), X(-1, 1, 2, N) }, POINTWISE | NO_GRADIENT | NUMBERS | order | GRID),
#include "ops/pointwise.table.h"
    ROW(sub, { X(-2, 2, N), X(-2, 2, 2, 1, N) }, NUMBERS),
    ROW(mul, { LINEAR(2, N), LINEAR(2, N) }, POINTWISE | NUMBERS | COMMUTES),
    ROW(mul, { LINEAR(1, N), LINEAR(3, 1) }, NUMBERS | COMMUTES),
    ROW(div, { LINEAR(2, N), X(0.4, 2, 2, N) }, POINTWISE | FLOATS),
    ROW(div, { LINEAR(N, 1), X(-2, -0.4, 2) }, FLOATS),
    ROW(pow, { X(0.4, 2, 2, N), X(-2, 2, 2, N) }, POINTWISE | FLOATS),
    ROW(eq, { INDEX(3, 2, N), INDEX(3, 2, N) }, POINTWISE | NO_GRADIENT | COMMUTES),
    ROW(neg, { LINEAR(2, N) }, POINTWISE | NUMBERS),
    ROW(abs, { X(-2, 2, 2, N) }, POINTWISE | NUMBERS | GRID),
    ROW(sign, { X(-2, 2, 2, N) }, POINTWISE | NUMBERS | GRID),
    ROW(floor, { X(-3, 3, 2, N) }, POINTWISE | FLOATS | GRID),

    ROW(gt, { X(-1, 1, 2, N), X(-1, 1, 2, N) }, POINTWISE | NO_GRADIENT | NUMBERS | GRID),
    ROW(ge, { X(-1, 1, 2, N), X(-1, 1, 2, N) }, POINTWISE | NO_GRADIENT | NUMBERS | GRID),
    ROW(where, { CHOICE(2, N), X(-2, 2, 2, N), X(-2, 2, 2, N) }, POINTWISE | NUMBERS),
    ROW(where, { CHOICE(2, 1), X(-2, 2, N), X(-2, 2, 1) }, NUMBERS),

    ROW(square, { X(-2, 2, 2, N) }, POINTWISE),
    ROW(reciprocal, { X(-2, -0.4, 2, N) }, POINTWISE),
    ROW(clip, { X(-2, 2, 2, N) }, POINTWISE | GRID, .number = { -0.5, 0.7 }),
    ROW(cast, { LINEAR(2, N) }, POINTWISE, .to = REEL_F64),
    ROW(cast, { X(-2, 2, 2, N) }, POINTWISE | ROUNDS, .to = REEL_F32),
    ROW(cast, { X(-9, 9, 2, N) }, POINTWISE | NO_GRADIENT | NUMBERS | GRID, .to = REEL_I32),
    ROW(cast, { INDEX(100, 2, N) }, POINTWISE | NO_GRADIENT, .to = REEL_F32),
    ROW_AS(detach, identity, { X(-2, 2, 2, N) }, POINTWISE | NO_GRADIENT),

    ROW(sigmoid, { X(-3, 3, 2, N) }, POINTWISE),
    ROW(log_sigmoid, { X(-3, 3, 2, N) }, POINTWISE | GRID),
    ROW(softplus, { X(-3, 3, 2, N) }, POINTWISE | GRID),
    ROW(relu, { X(-2, 2, 2, N) }, POINTWISE | GRID),
    ROW(leaky_relu, { X(-2, 2, 2, N) }, POINTWISE | GRID, .number = { 0.3 }),
    ROW(elu, { X(-2, 2, 2, N) }, POINTWISE | GRID, .number = { 0.7 }),
    ROW(silu, { X(-3, 3, 2, N) }, POINTWISE | CANCELS),
    ROW(gelu, { X(-3, 3, 2, N) }, POINTWISE | CANCELS),
    ROW(gelu_tanh, { X(-3, 3, 2, N) }, POINTWISE | CANCELS),

    ROW(sum, { LINEAR(2, 3, N) }, NUMBERS | CANCELS, .axes = AXES(-1)),
    ROW(sum, { LINEAR(2, N, 3) }, NUMBERS | CANCELS, .axes = AXES(1), .keep = REEL_KEEP),
    ROW(sum, { LINEAR(N, 2, 3) }, NUMBERS | CANCELS, .axes = AXES(2, 0)),
    ROW(sum, { LINEAR(2, N) }, NUMBERS | CANCELS, .axes = ALL),
    ROW(sum, { LINEAR(1, 2, 1, 1, 3, 1, 2, N) }, NUMBERS | CANCELS, .axes = AXES(1, 3, -1), .keep = REEL_KEEP),
    ROW(mean, { LINEAR(2, N) }, CANCELS, .axes = AXES(-1)),
    ROW(mean, { LINEAR(2, 3, N) }, CANCELS, .axes = ALL, .keep = REEL_KEEP),
    ROW(var, { X(-2, 2, 2, N) }, 0, .axes = AXES(-1)),
    ROW(var, { X(-2, 2, N, 2, 2) }, 0, .axes = AXES(0, 1), .keep = REEL_KEEP),
    ROW(max, { X(-9, 9, 2, N) }, NUMBERS | GRID | NOT_EMPTY, .axes = AXES(-1)),
    ROW(max, { X(-9, 9, N, 3) }, NUMBERS | GRID | NOT_EMPTY, .axes = AXES(0), .keep = REEL_KEEP),
    ROW(max, { X(-9, 9, 2, N, 3) }, NUMBERS | GRID, .axes = AXES(0, 2)),
    ROW(min, { X(-9, 9, 2, N) }, NUMBERS | GRID | NOT_EMPTY, .axes = AXES(-1)),
    ROW(min, { X(-9, 9, 1, 2, 1, 3, 1, 1, 1, N) }, NUMBERS | GRID | NOT_EMPTY, .axes = ALL, .keep = REEL_KEEP),
    ROW(min, { X(-9, 9, 2, N, 3) }, NUMBERS | GRID, .axes = AXES(0, 2)),
    ROW(argmax, { X(-9, 9, 2, N) }, NO_GRADIENT | GRID | NOT_EMPTY, .axes = AXES(-1)),
    ROW(argmax, { X(-9, 9, 2, 4, N) }, NO_GRADIENT | GRID, .axes = AXES(1)),
    ROW(logsumexp, { X(-2, 2, 2, N) }, GRID | NOT_EMPTY, .axes = AXES(-1)),
    ROW(logsumexp, { X(-2, 2, N, 3, 2) }, GRID, .axes = AXES(1, 2), .keep = REEL_KEEP),
    ROW(softmax, { X(-2, 2, 2, N) }, GRID | NOT_EMPTY, .axes = AXES(-1)),
    ROW(softmax, { X(-2, 2, 3, N) }, GRID, .axes = AXES(0)),
    ROW(log_softmax, { X(-2, 2, 2, N) }, GRID | NOT_EMPTY, .axes = AXES(-1)),
    ROW(log_softmax, { X(-2, 2, 3, N) }, GRID, .axes = AXES(0)),

    ROW_AS(matmul, contract, { LINEAR(3, N), LINEAR(N, 2) }, FLOATS | CANCELS, .spec = "mk,kn->mn"),
    ROW_AS(matmul, contract, { LINEAR(N), LINEAR(N, 2) }, FLOATS | CANCELS, .spec = "k,kn->n"),
    ROW_AS(matmul, contract, { LINEAR(2, N), LINEAR(N) }, FLOATS | CANCELS, .spec = "mk,k->m"),
    ROW_AS(matmul, contract, { LINEAR(N), LINEAR(N) }, FLOATS | CANCELS, .spec = "k,k->"),
    ROW_AS(matmul, contract, { LINEAR(2, 1, 2, 3), LINEAR(2, 3, N) }, FLOATS | CANCELS, .spec = "abmk,bkn->abmn"),
    ROW_AS(matmul, contract, { LINEAR(2, N, 3), LINEAR(3, 2) }, FLOATS | CANCELS, .spec = "bmk,kn->bmn"),
    ROW(contract, { LINEAR(2, 3, N), LINEAR(2, N, 2) }, FLOATS | CANCELS, .spec = "bmk,bkn->bmn"),
    ROW(contract, { LINEAR(N, 3), LINEAR(2, N) }, FLOATS | CANCELS, .spec = "km,nk->nm"),
    ROW(contract, { LINEAR(2, N, 3), LINEAR(3, 2, 2) }, FLOATS | CANCELS, .spec = "imk,kin->mn"),
    ROW(contract, { LINEAR(N, 2), LINEAR(3) }, FLOATS | CANCELS, .spec = "ij,k->kij"),
    ROW(contract, { LINEAR(2, N), LINEAR(N, 3) }, FLOATS | CANCELS, .spec = "ab,bc->b"),
    ROW(contract, { LINEAR(1, 2, 1, 2, 1, 1, 1, N), LINEAR(2, 2, N) }, FLOATS | CANCELS, .spec = "abcdefgh,bdh->gacbe"),

    ROW(reshape, { LINEAR(2, N, 3) }, NUMBERS, .shape = SIZES(3, N, 1, 2)),
    ROW(reshape, { LINEAR(1, N) }, NUMBERS, .shape = SIZES(1, 1, 1, 1, 1, 1, N, 1)),
    ROW(permute, { LINEAR(2, N, 3) }, NUMBERS, .axes = AXES(2, 0, -2)),
    ROW(permute, { LINEAR(2, 1, 1, 3, 1, 2, 1, N) }, NUMBERS, .axes = AXES(7, 0, 3, 2, 1, 6, 4, 5)),
    ROW_AS(transpose, permute, { LINEAR(2, 3, N) }, NUMBERS, .axes = AXES(0, 2, 1)),
    ROW(expand, { LINEAR(N, 1) }, NUMBERS, .shape = SIZES(2, N, 3)),
    ROW(expand, { LINEAR(1, N) }, NUMBERS, .shape = SIZES(2, 1, 1, 1, 1, 1, 3, N)),
    ROW(expand, { LINEAR(1) }, NUMBERS, .shape = SIZES(2, N)),
    ROW(sum_to, { LINEAR(2, 3, N) }, NUMBERS | CANCELS, .shape = SIZES(3, 1)),
    ROW(sum_to, { LINEAR(2, N, 3) }, NUMBERS | CANCELS, .shape = SIZES(N, 3)),
    ROW(slice, { LINEAR(N, 5) }, NUMBERS, .at = { 1, 1, -1 }),
    ROW(slice, { LINEAR(5, N) }, NUMBERS, .at = { -2, 2, 2 }),
    ROW_AS(slice_step, slice, { LINEAR(N, 7, 2) }, NUMBERS, .at = { 1, 1, 6, 2 }),
    ROW_AS(slice_step, slice, { LINEAR(7, N) }, NUMBERS, .at = { 0, -7, -1, 3 }),
    ROW(pad, { LINEAR(2, N) }, NUMBERS, .at = { 1, 2, 1 }),
    ROW_AS(pad_step, pad, { LINEAR(N, 3) }, NUMBERS, .at = { 0, 1, 2, 3 }),
    ROW(flip, { LINEAR(2, N, 3) }, NUMBERS, .axes = AXES(0, -1)),
    ROW(flip, { LINEAR(3, N) }, NUMBERS, .axes = ALL),
    ROW(concat, { X(-2, 2, 2, N), X(-2, 2, 2, 3), X(-2, 2, 2, N) }, NUMBERS, .at = { -1 }),
    ROW(concat, { X(-2, 2, 2, N), X(-2, 2, 1, N) }, NUMBERS, .at = { 0 }),
    ROW(concat, { LINEAR(2, N) }, NUMBERS, .at = { 0 }),
    ROW(stack, { X(-2, 2, 2, N), X(-2, 2, 2, N), X(-2, 2, 2, N) }, NUMBERS, .at = { -1 }),
    ROW(stack, { X(-2, 2, N), X(-2, 2, N) }, NUMBERS, .at = { 0 }),
    ROW_AS(unsqueeze, reshape, { LINEAR(2, N) }, NUMBERS, .at = { -1 }, .shape = SIZES(2, N, 1)),
    ROW_AS(unsqueeze, reshape, { LINEAR(2, N) }, NUMBERS, .at = { 1 }, .shape = SIZES(2, 1, N)),
    ROW_AS(squeeze, reshape, { LINEAR(2, 1, N) }, NUMBERS, .at = { -2 }, .shape = SIZES(2, N)),

    ROW(take, { LINEAR(5, N), INDEX(5, 7) }, NUMBERS, .at = { 0 }),
    ROW(take, { LINEAR(2, 4, 2), INDEX(4, 2, N) }, NUMBERS, .at = { 1 }),
    ROW(take, { LINEAR(2, 4), INDEX(4, N) }, NUMBERS, .at = { -1 }),
    ROW(take_along_axis, { LINEAR(2, 4, 2), INDEX(4, 2, N, 2) }, NUMBERS, .at = { 1 }),
    ROW(take_along_axis, { LINEAR(5, N), INDEX(5, 7, N) }, NUMBERS, .at = { 0 }),
    ROW(take_along_axis, { LINEAR(2, 1, 4), INDEX(4, 1, 3, N) }, NUMBERS, .at = { -1 }),
    ROW(scatter_add, { LINEAR(7, N), INDEX(5, 7) }, FLOATS | CANCELS, .at = { 0, 5 }),
    ROW(scatter_add, { LINEAR(2, 2, N, 2), INDEX(4, 2, N) }, FLOATS | CANCELS, .at = { 1, 4 }),
    ROW(scatter_add, { LINEAR(2, N), INDEX(4, N) }, FLOATS | CANCELS, .at = { -1, 4 }),
    ROW(one_hot, { INDEX(4, 2, N) }, NO_GRADIENT, .at = { 4 }, .to = REEL_F32),
    ROW(one_hot, { INDEX(4, 2, N) }, NO_GRADIENT, .at = { 4 }, .to = REEL_F64),
    ROW(one_hot, { INDEX(4, 2, N) }, NO_GRADIENT, .at = { 4 }, .to = REEL_I32),
    ROW(one_hot, { INDEX(10, 1000) }, NO_GRADIENT, .at = { 10 }, .to = REEL_F32),
    ROW(one_hot, { INDEX(5000, 3) }, NO_GRADIENT, .at = { 5000 }, .to = REEL_F32),
    ROW_AS(in_range, identity, { INDEX(4, 2, N) }, NO_GRADIENT, .at = { 4 }),

    ROW(uniform, { LIKE }, NO_GRADIENT | FLOATS | DRAWS, .shape = SIZES(2, N)),
    ROW(normal, { LIKE }, NO_GRADIENT | FLOATS | DRAWS, .shape = SIZES(2, N), .ulps = 64),

    ROW_AS(variable, identity, { LINEAR(2, N) }, FLOATS),
};

enum { OP_CASES = sizeof op_cases / sizeof *op_cases };

static const op_case *const end_of_cases = op_cases + OP_CASES;

/* ---- Special values in f32 --------------------------------------------------------------------------------------- */

/* What a composition of one operand gives for each special value, and its gradient there for gy = 1. A zero's sign counts
 * in y, not in a gradient. Whole numbers, zeros, subnormals and infinities are exact, the others to 4 FLT_EPSILON. For the
 * rows of ops/pointwise.table.h, y is the naive reference's, and the gradients are in edge_rows.h. */
enum { SPECIALS = 11 };

#define TINY 0x1p-149     /* the smallest subnormal */
#define SUB 0x0.fffffep-126 /* the largest */
#define BIG 0x1.fffffep127
#define INF ((double)INFINITY)
#define NONE ((double)NAN)

static const double specials[SPECIALS] = { 0.0, -0.0, TINY, -TINY, SUB, -SUB, BIG, -BIG, INF, -INF, NONE };

typedef struct special_row {
    double number[2];
    const char *op;
    double y[SPECIALS], g[SPECIALS];
} special_row;

#define SIX(v) v, v, v, v, v, v
#define TEN(v) SIX(v), v, v, v, v
#define ONES { TEN(1), 1 }
#define ZEROS { TEN(0), 0 }
#define OVER_SUB 0x1.000002p126 /* 1 / SUB */
#define OVER_BIG 0x1p-128
#define LN2 0.69314718055994530942

static const special_row special_rows[] = {
/*                          0     -0     TINY      -TINY   SUB            -SUB     BIG          -BIG      Inf   -Inf  NaN */
{ .op = "scale",        { 0.0, -0.0, 2*TINY,  -2*TINY, 2*SUB,         -2*SUB,  INF,        -INF,       INF,  -INF, NONE },
                  { TEN(2), 2 }, .number = { 2 } },
{ .op = "shift",        { SIX(1),                                              BIG,        -BIG,       INF,  -INF, NONE }, ONES, .number = { 1 } },
{ .op = "square",       { 0.0, 0.0,  0.0,     0.0,     0.0,           0.0,     INF,        INF,        INF,  INF,  NONE },
                  { 0,   0,    2*TINY,  -2*TINY, 2*SUB,         -2*SUB,  INF,        -INF,       INF,  -INF, NONE } },
{ .op = "reciprocal",   { INF, -INF, INF,     -INF,    OVER_SUB,      -OVER_SUB, OVER_BIG, -OVER_BIG,  0.0,  -0.0, NONE },
                  { SIX(-INF),                                           0,          0,          0,    0,    NONE } },
{ .op = "clip",         { 0.0, -0.0, TINY,    -TINY,   SUB,           -SUB,    0.5,        -2,         0.5,  -2,   NONE },
                  { SIX(1),                                              0,          0,          0,    0,    1 }, .number = { -2, 0.5 } },
{ .op = "detach",       { 0.0, -0.0, TINY,    -TINY,   SUB,           -SUB,    BIG,        -BIG,       INF,  -INF, NONE }, ZEROS },
{ .op = "sigmoid",      { SIX(0.5),                                            1,          0.0,        1,    0.0,  NONE },
                  { SIX(0.25),                                           0,          0,          0,    0,    NONE } },
{ .op = "log_sigmoid",  { SIX(-LN2),                                           -0.0,       -BIG,       -0.0, -INF, NONE },
                  { SIX(0.5),                                            0,          1,          0,    1,    NONE } },
{ .op = "softplus",     { SIX(LN2),                                            BIG,        0.0,        INF,  0.0,  NONE },
                  { SIX(0.5),                                            1,          0,          1,    0,    NONE } },
{ .op = "relu",         { 0.0, 0.0,  TINY,    0.0,     SUB,           0.0,     BIG,        0.0,        INF,  0.0,  NONE },
                  { 0,   0,    1,       0,       1,             0,       1,          0,          1,    0,    1 } },
{ .op = "leaky_relu",   { 0.0, -0.0, TINY,    -2*TINY, SUB,           -2*SUB,  BIG,        -INF,       INF,  -INF, NONE },
                  { 2,   2,    1,       2,       1,             2,       1,          2,          1,    2,    1 }, .number = { 2 } },
{ .op = "elu",          { 0.0, -0.0, TINY,    -2*TINY, SUB,           -2*SUB,  BIG,        -2,         INF,  -2,   NONE },
                  { 2,   2,    1,       2,       1,             2,       1,          0,          1,    0,    1 }, .number = { 2 } },
{ .op = "silu",         { 0.0, -0.0, 0.0,     -0.0,    0x1p-127,      -0x1p-127, BIG,      -0.0,       INF,  -0.0, NONE },
                  { SIX(0.5),                                            1,          0,          1,    0,    NONE } },
{ .op = "gelu",         { 0.0, -0.0, 0.0,     -0.0,    0x1p-127,      -0x1p-127, BIG,      -0.0,       INF,  -0.0, NONE },
                  { SIX(0.5),                                            1,          0,          1,    0,    NONE } },
{ .op = "gelu_tanh",    { 0.0, -0.0, 0.0,     -0.0,    0x1p-127,      -0x1p-127, BIG,      -0.0,       INF,  -0.0, NONE },
                  { SIX(0.5),                                            1,          0,          1,    0,    NONE } },
};

/* Chosen pairs of two operands: y, and the gradients of a and b for gy = 1. C99's annex F, and the header's rules. */
typedef struct special_pair {
    const char *op;
    double a, b, y, ga, gb;
} special_pair;

static const special_pair special_pairs[] = {
/*   op         a      b      y      ga      gb */
{ "add",      0.0,   -0.0,  0.0,   1,      1 },
{ "add",      -0.0,  -0.0,  -0.0,  1,      1 },
{ "add",      INF,   -INF,  NONE,  1,      1 },
{ "add",      BIG,   BIG,   INF,   1,      1 },
{ "add",      TINY,  -TINY, 0.0,   1,      1 },
{ "add",      SUB,   TINY,  0x1p-126, 1,   1 },
{ "add",      NONE,  1,     NONE,  1,      1 },
{ "sub",      0.0,   0.0,   0.0,   1,      -1 },
{ "sub",      -0.0,  0.0,   -0.0,  1,      -1 },
{ "sub",      INF,   INF,   NONE,  1,      -1 },
{ "sub",      SUB,   -TINY, 0x1p-126, 1,   -1 },
{ "sub",      -BIG,  BIG,   -INF,  1,      -1 },
{ "sub",      1,     NONE,  NONE,  1,      -1 },
{ "mul",      0.0,   INF,   NONE,  INF,    0 },
{ "mul",      -0.0,  3,     -0.0,  3,      0 },
{ "mul",      TINY,  TINY,  0.0,   TINY,   TINY },
{ "mul",      TINY,  0.5,   0.0,   0.5,    TINY },
{ "mul",      SUB,   2,     2*SUB, 2,      SUB },
{ "mul",      BIG,   2,     INF,   2,      BIG },
{ "mul",      INF,   -1,    -INF,  -1,     INF },
{ "mul",      NONE,  0,     NONE,  0,      NONE },
{ "div",      0.0,   0.0,   NONE,  INF,    NONE },
{ "div",      1,     0.0,   INF,   INF,    -INF },
{ "div",      1,     -0.0,  -INF,  -INF,   -INF },
{ "div",      INF,   INF,   NONE,  0,      NONE },
{ "div",      -1,    INF,   -0.0,  0,      0 },
{ "div",      TINY,  2,     0.0,   0.5,    0 },
{ "div",      BIG,   0.5,   INF,   2,      -INF },
{ "div",      SUB,   SUB,   1,     OVER_SUB, -OVER_SUB },
{ "div",      NONE,  1,     NONE,  1,      NONE },
{ "pow",      NONE,  0.0,   1,     0,      NONE },
{ "pow",      1,     NONE,  1,     NONE,   0 },
{ "pow",      0.0,   0.0,   1,     0,      0 },
{ "pow",      0.0,   2,     0.0,   0,      0 },
{ "pow",      0.0,   1,     0.0,   1,      0 },
{ "pow",      0.0,   0.5,   0.0,   INF,    0 },
{ "pow",      -0.0,  3,     -0.0,  0,      0 },
{ "pow",      0.0,   -1,    INF,   -INF,   -INF },
{ "pow",      -0.0,  -1,    -INF,  -INF,   INF },
{ "pow",      -2,    3,     -8,    12,     NONE },
{ "pow",      -8,    0.5,   NONE,  NONE,   NONE },
{ "pow",      -1,    INF,   1,     INF,    NONE },
{ "pow",      INF,   2,     INF,   INF,    INF },
{ "pow",      -INF,  3,     -INF,  INF,    NONE },
{ "pow",      -INF,  -3,    -0.0,  0,      NONE },
{ "pow",      0.5,   INF,   0.0,   0,      0 },
{ "pow",      2,     INF,   INF,   INF,    INF },
{ "pow",      BIG,   2,     INF,   INF,    INF },
{ "pow",      TINY,  0.5,   3.74339213e-23, 1.33568695e22, -3.86613533e-21 },
{ "minimum",  0.0,   -0.0,  -0.0,  0.5,    0.5 },
{ "minimum",  -0.0,  0.0,   -0.0,  0.5,    0.5 },
{ "minimum",  NONE,  1,     NONE,  0,      0 },
{ "minimum",  -INF,  NONE,  NONE,  0,      0 },
{ "minimum",  INF,   BIG,   BIG,   0,      1 },
{ "minimum",  TINY,  -TINY, -TINY, 0,      1 },
{ "minimum",  SUB,   INF,   SUB,   1,      0 },
{ "minimum",  3,     3,     3,     0.5,    0.5 },
{ "maximum",  0.0,   -0.0,  0.0,   0.5,    0.5 },
{ "maximum",  -0.0,  0.0,   0.0,   0.5,    0.5 },
{ "maximum",  1,     NONE,  NONE,  0,      0 },
{ "maximum",  NONE,  INF,   NONE,  0,      0 },
{ "maximum",  INF,   BIG,   INF,   1,      0 },
{ "maximum",  TINY,  -TINY, TINY,  1,      0 },
{ "maximum",  -SUB,  -INF,  -SUB,  1,      0 },
{ "maximum",  INF,   INF,   INF,   0.5,    0.5 },
};

/* clang-format on */

#endif
