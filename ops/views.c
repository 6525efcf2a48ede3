/* Views of all of an array: the same elements in another shape, order or repeated. Each has an index map, from the strides of
 * its operand to those of its result in the same memory. A plan reads through these strides; reel__view_run(), the kernel of
 * all views, copies by them. They are adjoint in pairs: reshape/reshape, permute/inverse,
 * expand/sum, flip/flip. Parts of an array are in parts.c. */
#include "ops/contract.h"

#include <string.h>

void reel__view_run(const reel_call *call)
{
    const reel_tensor *y = call->node;
    const int last = y->input_count - 1;
    const reel_tensor *x = y->inputs[last];
    int64_t x_stride[REEL_MAX_RANK], y_stride[REEL_MAX_RANK], offset = 0;
    size_t element = reel__dtype_size((reel_dtype)y->dtype);
    reel__contiguous(x->rank, x->size, x_stride);
    if (!y->count || !y->op->traits->map(y, x_stride, &offset, y_stride)) return;
    reel__contiguous(y->rank, y->size, x_stride);
    reel__copy_strided(call->y, x_stride, (const char *)call->x[last] + offset * (int64_t)element, y_stride, element,
                       y->rank, y->size);
}

static reel_tensor *bad(reel_tensor *x) { return &reel_tape_of(x)->bad; }

/* ---- reshape ----------------------------------------------------------------------------------------------------- */

/* The attribute is the shape. */
static bool given_shape(reel_tensor *y)
{
    const reel_shape *shape = y->attr;
    return reel_set_shape(y, (reel_dtype)y->inputs[0]->dtype, shape->rank, shape->size);
}

/* Merges the axes of x and cuts each into axes of y. False: an axis of y would need elements from more than one. */
static bool reshape_map(const reel_tensor *y, const int64_t *x_stride, int64_t *offset, int64_t *y_stride)
{
    const reel_tensor *x = y->inputs[0];
    reel__axis axis[REEL_MAX_RANK];
    for (int d = 0; d < x->rank; d++) axis[d] = (reel__axis){ x->size[d], x_stride[d] };
    const int count = reel__merge_axes(x->rank, axis, axis);
    int d = y->rank - 1;
    *offset = 0;
    for (int i = count; i-- > 0;)
        for (int64_t left = axis[i].size, stride = axis[i].stride; left > 1; d--) {
            if (left % y->size[d] != 0) return false;
            y_stride[d] = stride;
            left /= y->size[d], stride *= y->size[d];
        }
    while (d >= 0) y_stride[d--] = 0;
    return true;
}

static reel_tensor *reshape_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    return reel_reshape(gy, reel_shape_of(y->inputs[input]));
}

static const reel_op reshape_op = REEL__OP("reshape", given_shape, reel__view_run, reshape_vjp, .map = reshape_map);

reel_tensor *reel_reshape(reel_tensor *x, reel_shape shape)
{
    if (!reel__good("reshape", &x, 1)) return bad(x);
    reel_shape wanted = { .rank = shape.rank };
    int64_t known = 1;
    int open = -1;
    if (shape.rank < 0 || shape.rank > REEL_MAX_RANK)
        return reel__fail(x->tape, REEL_BAD_SHAPE, "reshape: %d dimensions; at most %d are possible", shape.rank,
                          REEL_MAX_RANK);
    for (int d = 0; d < shape.rank; d++) {
        wanted.size[d] = shape.size[d];
        if (shape.size[d] == -1 && open < 0) open = d;
        else if (shape.size[d] < 0 || !reel__multiply(known, shape.size[d], &known)) known = -1;
        if (known < 0) break;
    }
    if (open >= 0 && known > 0 && x->count % known == 0) wanted.size[open] = x->count / known, known = x->count;
    reel__text text;
    if (known != x->count || (open >= 0 && wanted.size[open] < 0))
        return reel__fail(x->tape, REEL_BAD_SHAPE, "reshape: %s has %lld elements and cannot become %s",
                          reel_shape_text(x), (long long)x->count, reel__shape_text(&text, shape.rank, shape.size));
    if (wanted.rank == x->rank && memcmp(wanted.size, x->size, (size_t)x->rank * sizeof *x->size) == 0) return x;
    return reel_record(&reshape_op, &x, 1, &wanted, sizeof wanted);
}

reel_tensor *reel_unsqueeze(reel_tensor *x, int axis)
{
    if (!reel__good("unsqueeze", &x, 1)) return bad(x);
    int at = axis < 0 ? axis + x->rank + 1 : axis;
    if (at < 0 || at > x->rank || x->rank == REEL_MAX_RANK)
        return reel__fail(x->tape, REEL_BAD_ARGUMENT, "unsqueeze: no new axis %d in %s", axis, reel_shape_text(x));
    reel_shape shape = { .rank = x->rank + 1 };
    for (int d = 0, j = 0; d < shape.rank; d++) shape.size[d] = d == at ? 1 : x->size[j++];
    return reel_reshape(x, shape);
}

reel_tensor *reel_squeeze(reel_tensor *x, int axis)
{
    if (!reel__good("squeeze", &x, 1) || !reel__check_axis(x->tape, "squeeze", x, &axis)) return bad(x);
    if (x->size[axis] != 1)
        return reel__fail(x->tape, REEL_BAD_SHAPE, "squeeze: axis %d of %s is not of size 1", axis, reel_shape_text(x));
    return reel_reshape(x, reel__shape_without(x, axis));
}

/* ---- permute ----------------------------------------------------------------------------------------------------- */

static bool permute_shape(reel_tensor *y)
{
    const reel_axes *order = y->attr;
    int64_t size[REEL_MAX_RANK];
    for (int d = 0; d < order->count; d++) size[d] = y->inputs[0]->size[order->axis[d]];
    return reel_set_shape(y, (reel_dtype)y->inputs[0]->dtype, order->count, size);
}

static bool permute_map(const reel_tensor *y, const int64_t *x_stride, int64_t *offset, int64_t *y_stride)
{
    const reel_axes *order = y->attr;
    *offset = 0;
    for (int d = 0; d < order->count; d++) y_stride[d] = x_stride[order->axis[d]];
    return true;
}

static reel_tensor *permute_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    const reel_axes *order = y->attr;
    reel_axes inverse = { .count = order->count };
    (void)input;
    for (int d = 0; d < order->count; d++) inverse.axis[order->axis[d]] = d;
    return reel_permute(gy, inverse);
}

static const reel_op permute_op = REEL__OP("permute", permute_shape, reel__view_run, permute_vjp, .map = permute_map);

reel_tensor *reel_permute(reel_tensor *x, reel_axes order)
{
    if (!reel__good("permute", &x, 1)) return bad(x);
    reel_axes clean = { .count = x->rank };
    bool seen[REEL_MAX_RANK] = { false }, identity = true;
    if (order.count == -1) return x;
    if (order.count != x->rank)
        return reel__fail(x->tape, REEL_BAD_ARGUMENT, "permute: %d axes for %s", order.count, reel_shape_text(x));
    for (int d = 0; d < x->rank; d++) {
        int axis = order.axis[d];
        if (!reel__check_axis(x->tape, "permute", x, &axis)) return bad(x);
        if (seen[axis])
            return reel__fail(x->tape, REEL_BAD_ARGUMENT, "permute: axis %d twice for %s", axis, reel_shape_text(x));
        seen[axis] = true;
        clean.axis[d] = axis;
        identity &= axis == d;
    }
    if (identity) return x;
    return reel_record(&permute_op, &x, 1, &clean, sizeof clean);
}

reel_tensor *reel_transpose(reel_tensor *x)
{
    if (!reel__good("transpose", &x, 1)) return bad(x);
    if (x->rank < 2)
        return reel__fail(x->tape, REEL_BAD_SHAPE, "transpose: %s has no last two axes", reel_shape_text(x));
    reel_axes order = { .count = x->rank };
    for (int d = 0; d < x->rank; d++) order.axis[d] = d;
    order.axis[x->rank - 2] = x->rank - 1, order.axis[x->rank - 1] = x->rank - 2;
    return reel_permute(x, order);
}

/* ---- expand and its adjoint -------------------------------------------------------------------------------------- */

static bool expand_map(const reel_tensor *y, const int64_t *x_stride, int64_t *offset, int64_t *y_stride)
{
    *offset = 0;
    for (int d = 0; d < y->rank; d++) y_stride[d] = y->inputs[0]->size[d] == 1 ? 0 : x_stride[d];
    return true;
}

static reel_tensor *expand_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    return reel_sum_to(gy, reel_shape_of(y->inputs[input]));
}

const reel_op reel__expand_op = { .size = sizeof(reel_op),
                                  .name = "expand",
                                  .shape = given_shape,
                                  .run = reel__view_run,
                                  .vjp = expand_vjp,
                                  .past = reel__contract_past,
                                  .traits = &(const reel__traits){ .map = expand_map } };

/* The node has the rank of its operand, to which leading axes of size 1 were added. */
reel_tensor *reel_expand(reel_tensor *x, reel_shape shape)
{
    if (!reel__good("expand", &x, 1)) return bad(x);
    reel_shape same_rank = { .rank = shape.rank }, wanted = { .rank = shape.rank };
    bool fits = shape.rank >= x->rank && shape.rank <= REEL_MAX_RANK;
    for (int d = 0; fits && d < shape.rank; d++) {
        int axis = d - (shape.rank - x->rank);
        same_rank.size[d] = axis < 0 ? 1 : x->size[axis];
        wanted.size[d] = shape.size[d];
        fits = same_rank.size[d] == shape.size[d] || same_rank.size[d] == 1;
    }
    reel__text text;
    if (!fits)
        return reel__fail(x->tape, REEL_BAD_SHAPE, "expand: %s does not broadcast to %s", reel_shape_text(x),
                          reel__shape_text(&text, shape.rank < REEL_MAX_RANK ? shape.rank : REEL_MAX_RANK, shape.size));
    x = reel_reshape(x, same_rank);
    if (x->is_bad || memcmp(wanted.size, x->size, (size_t)x->rank * sizeof *x->size) == 0) return x;
    return reel_record(&reel__expand_op, &x, 1, &wanted, sizeof wanted);
}

reel_tensor *reel_sum_to(reel_tensor *x, reel_shape shape)
{
    if (!reel__good("sum_to", &x, 1)) return bad(x);
    reel_axes axes = { 0 };
    bool fits = shape.rank <= x->rank && shape.rank >= 0;
    for (int d = 0; fits && d < x->rank; d++) {
        int axis = d - (x->rank - shape.rank);
        int64_t size = axis < 0 ? 1 : shape.size[axis];
        if (size != x->size[d]) axes.axis[axes.count++] = d;
        fits = size == x->size[d] || size == 1;
    }
    reel__text text;
    if (!fits)
        return reel__fail(x->tape, REEL_BAD_SHAPE, "sum_to: %s is no broadcast of %s", reel_shape_text(x),
                          reel__shape_text(&text, shape.rank < REEL_MAX_RANK ? shape.rank : REEL_MAX_RANK, shape.size));
    if (axes.count) x = reel_sum(x, axes, REEL_DROP);
    return reel_reshape(x, shape);
}

/* ---- flip -------------------------------------------------------------------------------------------------------- */

static bool flip_map(const reel_tensor *y, const int64_t *x_stride, int64_t *offset, int64_t *y_stride)
{
    const reel_axes *axes = y->attr;
    memcpy(y_stride, x_stride, (size_t)y->rank * sizeof *y_stride);
    *offset = 0;
    for (int i = 0; i < axes->count; i++) {
        int axis = axes->axis[i];
        *offset += (y->size[axis] - 1) * x_stride[axis];
        y_stride[axis] = -x_stride[axis];
    }
    return true;
}

static reel_tensor *flip_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    (void)input;
    return reel_flip(gy, *(const reel_axes *)y->attr);
}

static const reel_op flip_op = REEL__OP("flip", reel__like_last, reel__view_run, flip_vjp, .map = flip_map);

reel_tensor *reel_flip(reel_tensor *x, reel_axes axes)
{
    if (!reel__good("flip", &x, 1)) return bad(x);
    bool chosen[REEL_MAX_RANK];
    reel_axes clean = { 0 };
    if (!reel__choose_axes("flip", x, axes, chosen)) return bad(x);
    for (int d = 0; d < x->rank; d++)
        if (chosen[d] && x->size[d] > 1) clean.axis[clean.count++] = d;
    return clean.count ? reel_record(&flip_op, &x, 1, &clean, sizeof clean) : x;
}
