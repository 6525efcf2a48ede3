/* Reductions: sum, max and argmax over one axis are primitives; several axes are one after the other for a sum, the last
 * one first, and one merged axis for a maximum. Kernels, and what a sum is to the bit, are in reduce.kernel.c. */
#include "ops/reduce.h"

#include <string.h>

static const reel__reduce_kernels *const kernels[REEL__ISAS] = {
    &reel__reduce_baseline,
#if defined(REEL_HAVE_AVX2)
    [REEL__AVX2] = &reel__reduce_avx2,
#endif
#if defined(REEL_HAVE_AVX512)
    [REEL__AVX512] = &reel__reduce_avx512,
#endif
};

typedef struct axis_attr {
    int64_t axis;
} axis_attr;

static int axis_of(const reel_tensor *y) { return (int)((const axis_attr *)y->attr)->axis; }

static bool reduced_shape(reel_tensor *y)
{
    reel_shape shape = reel__shape_without(y->inputs[0], axis_of(y));
    return reel_set_shape(y, (reel_dtype)y->inputs[0]->dtype, shape.rank, shape.size);
}

static bool not_empty(reel_tensor *y)
{
    if (y->inputs[0]->size[axis_of(y)] > 0) return true;
    return reel_fail_shape(y, REEL_BAD_SHAPE, "axis %d of %s is empty", axis_of(y), reel_shape_text(y->inputs[0]));
}

static bool max_shape(reel_tensor *y) { return not_empty(y) && reduced_shape(y); }

static bool argmax_shape(reel_tensor *y)
{
    reel_shape shape = reel__shape_without(y->inputs[0], axis_of(y));
    if (y->inputs[0]->size[axis_of(y)] > INT32_MAX)
        return reel_fail_shape(y, REEL_TOO_LARGE, "an index into axis %d of %s does not fit i32", axis_of(y),
                               reel_shape_text(y->inputs[0]));
    return not_empty(y) && reel_set_shape(y, REEL_I32, shape.rank, shape.size);
}

static void reduce(const reel_call *call, reel__reduce_kernel *const *kernel)
{
    const reel_tensor *x = call->node->inputs[0];
    int axis = axis_of(call->node);
    int64_t outer = 1, inner = 1;
    for (int d = 0; d < axis; d++) outer *= x->size[d];
    for (int d = axis + 1; d < x->rank; d++) inner *= x->size[d];
    kernel[x->dtype](call->y, call->x[0], outer, x->size[axis], inner);
}

static void sum_run(const reel_call *call) { reduce(call, kernels[call->isa]->sum); }
static void max_run(const reel_call *call) { reduce(call, kernels[call->isa]->max); }
static void argmax_run(const reel_call *call) { reduce(call, kernels[call->isa]->argmax); }

/* A reduced tensor back in the shape of the operand. */
static reel_tensor *spread(reel_tensor *reduced, reel_tensor *x, int axis)
{
    return reel_expand(reel_unsqueeze(reduced, axis), reel_shape_of(x));
}

static reel_tensor *sum_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    return spread(gy, y->inputs[input], axis_of(y));
}

/* To each of the largest elements an equal share. Where there is a NaN, none is the largest. */
static reel_tensor *max_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    reel_tensor *x = y->inputs[input];
    int axis = axis_of(y);
    reel_tensor *largest = reel_eq(x, spread(y, x, axis));
    reel_tensor *ties = reel_sum(reel_cast(largest, (reel_dtype)x->dtype), REEL_AXES(axis), REEL_DROP);
    ties = reel_maximum(ties, reel_number(ties, 1));
    return reel_where(largest, spread(reel_div(gy, ties), x, axis), reel_number(x, 0));
}

static reel__reduce_kernel *sum_reduce(const reel_tensor *y, int isa, int *axis, int64_t *block)
{
    *axis = axis_of(y), *block = REEL__ROW_BLOCK;
    return kernels[isa]->sum[y->dtype];
}

static reel__reduce_kernel *max_reduce(const reel_tensor *y, int isa, int *axis, int64_t *block)
{
    *axis = axis_of(y), *block = 0;
    return kernels[isa]->max[y->dtype];
}

static const reel__kind sum_kind = { .reduce = sum_reduce }, max_kind = { .reduce = max_reduce };

static const reel_op sum_op = {
    .size = sizeof(reel_op), .name = "sum", .shape = reduced_shape, .run = sum_run, .vjp = sum_vjp, .kind = &sum_kind
};
static const reel_op max_op = {
    .size = sizeof(reel_op), .name = "max", .shape = max_shape, .run = max_run, .vjp = max_vjp, .kind = &max_kind
};
static const reel_op argmax_op = {
    .size = sizeof(reel_op), .name = "argmax", .shape = argmax_shape, .run = argmax_run
};

static reel_shape reduced(const reel_tensor *x, const bool *chosen, reel_keep_dims keep)
{
    reel_shape shape = { 0 };
    for (int d = 0; d < x->rank; d++)
        if (!chosen[d]) shape.size[shape.rank++] = x->size[d];
        else if (keep == REEL_KEEP) shape.size[shape.rank++] = 1;
    return shape;
}

reel_tensor *reel_sum(reel_tensor *x, reel_axes axes, reel_keep_dims keep)
{
    bool chosen[REEL_MAX_RANK];
    if (!reel__good("sum", 1, &x)) return &reel_tape_of(x)->bad;
    if (!reel__choose_axes("sum", x, axes, chosen) || !reel__good_keep("sum", x, keep)) return &x->tape->bad;
    reel_tensor *y = x;
    for (int d = x->rank; d-- > 0;) {
        if (!chosen[d]) continue;
        axis_attr attr = { d };
        y = x->size[d] == 1 ? reel_squeeze(y, d) : reel_record(&sum_op, 1, &y, &attr, sizeof attr);
        if (y->is_bad) return y;
    }
    return reel_reshape(y, reduced(x, chosen, keep));
}

/* The chosen axes of x as one last axis. */
static reel_tensor *merged_last(reel_tensor *x, const bool *chosen)
{
    reel_axes order = { .count = x->rank };
    reel_shape shape = { 0 };
    int64_t merged = 1;
    for (int d = 0; d < x->rank; d++)
        if (!chosen[d]) order.axis[shape.rank] = d, shape.size[shape.rank++] = x->size[d];
    int n = shape.rank;
    for (int d = 0; d < x->rank; d++)
        if (chosen[d]) order.axis[n++] = d, merged *= x->size[d];
    shape.size[shape.rank++] = merged;
    return reel_reshape(reel_permute(x, order), shape);
}

reel_tensor *reel_max(reel_tensor *x, reel_axes axes, reel_keep_dims keep)
{
    bool chosen[REEL_MAX_RANK];
    if (!reel__good("max", 1, &x)) return &reel_tape_of(x)->bad;
    if (!reel__choose_axes("max", x, axes, chosen) || !reel__good_keep("max", x, keep)) return &x->tape->bad;
    int count = 0, only = 0;
    for (int d = 0; d < x->rank; d++)
        if (chosen[d]) count++, only = d;
    if (count == 0) return x;
    reel_tensor *operand = count == 1 ? x : merged_last(x, chosen);
    if (operand->is_bad) return operand;
    axis_attr attr = { count == 1 ? only : operand->rank - 1 };
    reel_tensor *y = operand->size[attr.axis] == 1 ? operand : reel_record(&max_op, 1, &operand, &attr, sizeof attr);
    return reel_reshape(y, reduced(x, chosen, keep));
}

reel_tensor *reel_argmax(reel_tensor *x, int axis)
{
    if (!reel__good("argmax", 1, &x)) return &reel_tape_of(x)->bad;
    if (!reel__check_axis(x->tape, "argmax", x, &axis)) return &x->tape->bad;
    axis_attr attr = { axis };
    return reel_record(&argmax_op, 1, &x, &attr, sizeof attr);
}
