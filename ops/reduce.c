/* Reductions: sum, max, min and argmax over one axis are primitives; several axes are one after the other, the last one
 * first. Kernels: reduce.kernel.c, where it stands what a sum is to the bit, and extreme.kernel.c. */
#include "ops/kernels/reduce.h"

#include <string.h>

static const reel__reduce_kernels *const kernels[REEL__ISAS] = { REEL__EACH_SET(reel__reduce) };

static const reel__extreme_kernels *const extremes[REEL__ISAS] = {
    &reel__extreme_baseline,
#if defined(REEL_HAVE_AVX2)
    [REEL__AVX2] = &reel__extreme_avx2,
    [REEL__AVX512] = &reel__extreme_avx2,
#endif
};

static const reel__reduce_kernels *kernels_of(const reel_tensor *x, int isa)
{
    return kernels[x->dtype == REEL_F64 && isa == REEL__AVX512 ? REEL__AVX2 : isa];
}

reel__listed_kernel *reel__scatter_kernel(const reel_tensor *y, int isa)
{
    return kernels_of(y, isa)->listed[y->dtype];
}

static const reel__extreme_kernels *extremes_of(const reel_tensor *x, int isa)
{
    return extremes[x->dtype == REEL_F32 ? isa : REEL__BASELINE];
}

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

static bool extreme_shape(reel_tensor *y) { return not_empty(y) && reduced_shape(y); }

static bool argmax_shape(reel_tensor *y)
{
    reel_shape shape = reel__shape_without(y->inputs[0], axis_of(y));
    if (y->inputs[0]->size[axis_of(y)] > INT32_MAX)
        return reel_fail_shape(y, REEL_TOO_LARGE, "an index into axis %d of %s does not fit i32", axis_of(y),
                               reel_shape_text(y->inputs[0]));
    return not_empty(y) && reel_set_shape(y, REEL_I32, shape.rank, shape.size);
}

static reel__reduction by(const reel_tensor *y, reel__reduce_kernel *kernel)
{
    const reel_tensor *x = y->inputs[0];
    const int axis = axis_of(y);
    reel__reduction r = { .kernel = kernel, .outer = 1, .n = x->size[axis], .inner = 1, .block = REEL__ROW_BLOCK };
    for (int d = 0; d < axis; d++) r.outer *= x->size[d];
    for (int d = axis + 1; d < x->rank; d++) r.inner *= x->size[d];
    return r;
}

static reel__reduction sum_reduce(const reel_tensor *y, int isa) { return by(y, kernels_of(y, isa)->sum[y->dtype]); }
static reel__reduction max_reduce(const reel_tensor *y, int isa) { return by(y, extremes_of(y, isa)->max[y->dtype]); }
static reel__reduction min_reduce(const reel_tensor *y, int isa) { return by(y, extremes_of(y, isa)->min[y->dtype]); }

static void reduce(const reel_call *call, const reel__reduction r)
{
    if (call->node->count) r.kernel(call->y, call->x[0], r.outer, r.n, r.inner);
}

static void traits_run(const reel_call *call) { reduce(call, call->node->op->traits->reduce(call->node, call->isa)); }

static void argmax_run(const reel_call *call)
{
    const reel_tensor *x = call->node->inputs[0];
    reduce(call, by(call->node, extremes_of(x, call->isa)->argmax[x->dtype]));
}

/* A reduced tensor back in the shape of the operand; the axes are a set of bits. */
static reel_tensor *spread(reel_tensor *reduced, reel_tensor *x, int64_t axes)
{
    reel_shape shape = reel_shape_of(x);
    for (int d = 0; d < shape.rank; d++)
        if (axes >> d & 1) shape.size[d] = 1;
    return reel_expand(reel_reshape(reduced, shape), reel_shape_of(x));
}

static reel_tensor *sum_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    return spread(gy, y->inputs[input], (int64_t)1 << axis_of(y));
}

/* To each of the greatest, or of the least, an equal share. Where there is a NaN, none is. */
static reel_tensor *share(reel_tensor *y, reel_tensor *gy, reel_tensor *x, int64_t axes)
{
    reel_axes list = { 0 };
    for (int d = 0; d < x->rank; d++)
        if (axes >> d & 1) list.axis[list.count++] = d;
    reel_tensor *chosen = reel_eq(x, spread(y, x, axes));
    reel_tensor *ties = reel_sum(reel_cast(chosen, (reel_dtype)x->dtype), list, REEL_DROP);
    ties = reel_maximum(ties, reel_number(ties, 1));
    return reel_where(chosen, spread(reel_div(gy, ties), x, axes), reel_number(x, 0));
}

static reel_tensor *extreme_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    return share(y, gy, y->inputs[input], (int64_t)1 << axis_of(y));
}

static const reel_op sum_op = REEL__OP("sum", reduced_shape, traits_run, sum_vjp, .reduce = sum_reduce);
static const reel_op max_op = REEL__OP("max", extreme_shape, traits_run, extreme_vjp, .reduce = max_reduce);
static const reel_op min_op = REEL__OP("min", extreme_shape, traits_run, extreme_vjp, .reduce = min_reduce);
static const reel_op argmax_op = {
    .size = sizeof(reel_op), .name = "argmax", .shape = argmax_shape, .run = argmax_run
};

/* ---- An extreme over several axes ---------------------------------------------------------------------------------- */

/* Its value is found over one axis after the other. This op then takes x and that value, and is a view of the value; it is
 * there so that the gradient is one step, in which all ties over all axes share alike. */

typedef struct axes_attr {
    int64_t axes;
} axes_attr;

static reel_tensor *several_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    return input ? NULL : share(y, gy, y->inputs[0], ((const axes_attr *)y->attr)->axes);
}

static const reel_op max_several_op =
    REEL__OP("max", reel__like_last, reel__view_run, several_vjp, .map = reel__same_map);
static const reel_op min_several_op =
    REEL__OP("min", reel__like_last, reel__view_run, several_vjp, .map = reel__same_map);

/* ---- Constructors ------------------------------------------------------------------------------------------------ */

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
    if (!reel__good("sum", &x, 1)) return &reel_tape_of(x)->bad;
    if (!reel__choose_axes("sum", x, axes, chosen) || !reel__good_keep("sum", x, keep)) return &x->tape->bad;
    reel_tensor *y = x;
    for (int d = x->rank; d-- > 0;) {
        if (!chosen[d]) continue;
        axis_attr attr = { d };
        y = x->size[d] == 1 ? reel_squeeze(y, d) : reel_record(&sum_op, &y, 1, &attr, sizeof attr);
        if (y->is_bad) return y;
    }
    return reel_reshape(y, reduced(x, chosen, keep));
}

/* x with neighbours among the chosen axes merged to one axis each. */
static reel_tensor *merge_chosen(reel_tensor *x, const bool *chosen, int64_t *axes)
{
    reel_shape shape = { 0 };
    *axes = 0;
    for (int d = 0; d < x->rank; d++) {
        if (chosen[d] && d > 0 && chosen[d - 1]) shape.size[shape.rank - 1] *= x->size[d];
        else shape.size[shape.rank++] = x->size[d];
        if (chosen[d]) *axes |= (int64_t)1 << (shape.rank - 1);
    }
    return reel_reshape(x, shape);
}

static reel_tensor *extreme(const reel_op *one, const reel_op *several, reel_tensor *x, reel_axes axes,
                            reel_keep_dims keep)
{
    bool chosen[REEL_MAX_RANK];
    int64_t all;
    int steps = 0;
    if (!reel__good(one->name, &x, 1)) return &reel_tape_of(x)->bad;
    if (!reel__choose_axes(one->name, x, axes, chosen) || !reel__good_keep(one->name, x, keep)) return &x->tape->bad;
    for (int d = 0; d < x->rank; d++)
        if (chosen[d] && x->size[d] == 0)
            return reel__fail(x->tape, REEL_BAD_SHAPE, "%s: axis %d of %s is empty", one->name, d, reel_shape_text(x));
    reel_tensor *operand = merge_chosen(x, chosen, &all), *y = operand;
    for (int d = operand->rank; d-- > 0;) {
        axis_attr attr = { d };
        if (!(all >> d & 1)) continue;
        steps += operand->size[d] != 1;
        y = operand->size[d] == 1 ? reel_squeeze(y, d) : reel_record(one, &y, 1, &attr, sizeof attr);
        if (y->is_bad) return y;
    }
    axes_attr attr = { all };
    if (steps > 1) y = reel_record(several, (reel_tensor *[]){ operand, reel_detach(y) }, 2, &attr, sizeof attr);
    return reel_reshape(y, reduced(x, chosen, keep));
}

reel_tensor *reel_max(reel_tensor *x, reel_axes axes, reel_keep_dims keep)
{
    return extreme(&max_op, &max_several_op, x, axes, keep);
}

reel_tensor *reel_min(reel_tensor *x, reel_axes axes, reel_keep_dims keep)
{
    return extreme(&min_op, &min_several_op, x, axes, keep);
}

reel_tensor *reel_argmax(reel_tensor *x, int axis)
{
    if (!reel__good("argmax", &x, 1)) return &reel_tape_of(x)->bad;
    if (!reel__check_axis(x->tape, "argmax", x, &axis)) return &x->tape->bad;
    axis_attr attr = { axis };
    return reel_record(&argmax_op, &x, 1, &attr, sizeof attr);
}
