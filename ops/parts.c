/* Parts of arrays along an axis. A slice is a view; pad and concat write their parts where they belong. They are adjoint in
 * pairs: slice/pad, concat/slice. The gradients of disjoint slices are one concat. */
#include "ops/family.h"

#include <string.h>

static reel_tensor *bad(reel_tensor *x) { return &reel_tape_of(x)->bad; }

/* ---- slice ------------------------------------------------------------------------------------------------------- */

/* Of a slice, the elements of x that it takes; of a pad, where in y those of x are put. `size` is of y along the axis. */
typedef struct part_attr {
    int64_t axis, start, size, step;
} part_attr;

static bool part_shape(reel_tensor *y)
{
    const part_attr *p = y->attr;
    reel_shape shape = reel__shape_with(y->inputs[0], (int)p->axis, p->size);
    return reel_set_shape(y, (reel_dtype)y->inputs[0]->dtype, shape.rank, shape.size);
}

static bool slice_map(const reel_tensor *y, const int64_t *x_stride, int64_t *offset, int64_t *y_stride)
{
    const part_attr *s = y->attr;
    memcpy(y_stride, x_stride, (size_t)y->rank * sizeof *y_stride);
    *offset = s->start * x_stride[s->axis];
    y_stride[s->axis] *= s->step;
    return true;
}

static reel_tensor *padded(reel_tensor *y, reel_tensor *gy)
{
    const part_attr *s = y->attr;
    int64_t last = s->size ? s->start + (s->size - 1) * s->step + 1 : s->start;
    return reel_pad_step(gy, (int)s->axis, s->start, y->inputs[0]->size[s->axis] - last, s->step);
}

typedef struct piece {
    int64_t start, size;
    reel_tensor *gy;
} piece;

static reel_tensor *zeros(reel_tensor *x, int axis, int64_t size)
{
    return reel_fill(x, reel__shape_with(x, axis, size), 0);
}

/* Pieces in ascending order, with zeros where nothing arrived. */
static reel_tensor *side_by_side(reel_tensor *x, int axis, int count, const piece *pieces)
{
    const reel_allocator *a = &x->tape->allocator;
    size_t bytes = (size_t)(2 * count + 1) * sizeof(reel_tensor *);
    reel_tensor **parts = reel__allocate(a, bytes);
    if (!parts) return reel__out_of_memory(x->tape, "gradients");
    int n = 0;
    int64_t at = 0;
    for (int i = 0; i < count; i++) {
        if (pieces[i].start > at) parts[n++] = zeros(x, axis, pieces[i].start - at);
        parts[n++] = pieces[i].gy;
        at = pieces[i].start + pieces[i].size;
    }
    if (at < x->size[axis]) parts[n++] = zeros(x, axis, x->size[axis] - at);
    reel_tensor *g = reel_concat(parts, n, axis);
    reel__release(a, parts, bytes);
    return g;
}

/* A heap sort by start: a recurrent network has thousands of slices, in reverse. */
static void sift(piece *p, int root, int count)
{
    for (int child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && p[child].start < p[child + 1].start) child++;
        if (p[root].start >= p[child].start) return;
        piece swap = p[root];
        p[root] = p[child], p[child] = swap;
    }
}

static void sort(piece *p, int count)
{
    for (int i = count / 2; i-- > 0;) sift(p, i, count);
    for (int end = count; end-- > 1;) {
        piece swap = p[0];
        p[0] = p[end], p[end] = swap;
        sift(p, 0, end);
    }
}

static reel_tensor *add_up(reel_tensor *sum, reel_tensor *g) { return sum ? reel_add(sum, g) : g; }

/* The slices of one axis: one concat if they are disjoint, else padded and added in order of arrival. */
static reel_tensor *merge_axis(reel_tensor *x, int axis, const reel_contribution *const *c, int count, piece *pieces)
{
    int n = 0;
    bool disjoint = true;
    for (int i = 0; i < count; i++) {
        const part_attr *s = c[i]->y->attr;
        if (s->axis != axis) continue;
        disjoint &= s->step == 1;
        pieces[n++] = (piece){ s->start, s->size, c[i]->gy };
    }
    sort(pieces, n);
    for (int i = 1; i < n; i++) disjoint &= pieces[i - 1].start + pieces[i - 1].size <= pieces[i].start;
    if (disjoint && n > 1) return side_by_side(x, axis, n, pieces);
    reel_tensor *sum = NULL;
    for (int i = 0; i < count; i++)
        if (((const part_attr *)c[i]->y->attr)->axis == axis) sum = add_up(sum, padded(c[i]->y, c[i]->gy));
    return sum;
}

static reel_tensor *slice_merge(reel_tensor *x, const reel_contribution *const *c, int count)
{
    if (count == 1) return padded(c[0]->y, c[0]->gy);
    piece *pieces = reel__allocate(&x->tape->allocator, (size_t)count * sizeof *pieces);
    if (!pieces) return reel__out_of_memory(x->tape, "gradients");
    bool done[REEL_MAX_RANK] = { false };
    reel_tensor *sum = NULL;
    for (int i = 0; i < count; i++) {
        int axis = (int)((const part_attr *)c[i]->y->attr)->axis;
        if (done[axis]) continue;
        done[axis] = true;
        sum = add_up(sum, merge_axis(x, axis, c, count, pieces));
    }
    reel__release(&x->tape->allocator, pieces, (size_t)count * sizeof *pieces);
    return sum;
}

static const reel_op slice_op = { .size = sizeof(reel_op),
                                  .name = "slice",
                                  .shape = part_shape,
                                  .run = reel__view_run,
                                  .merge = slice_merge,
                                  .traits = &(const reel__traits){ .map = slice_map } };

reel_tensor *reel_slice_step(reel_tensor *x, int axis, int64_t start, int64_t stop, int64_t step)
{
    if (!reel__good("slice", &x, 1) || !reel__check_axis(x->tape, "slice", x, &axis)) return bad(x);
    int64_t n = x->size[axis], from = start < 0 ? start + n : start, to = stop < 0 ? stop + n : stop;
    if (step < 1)
        return reel__fail(x->tape, REEL_BAD_ARGUMENT, "slice: the step is %lld; it must be at least 1",
                          (long long)step);
    if (from < 0 || to > n || from > to)
        return reel__fail(x->tape, REEL_BAD_ARGUMENT, "slice: %lld … %lld is not within axis %d of %s",
                          (long long)start, (long long)stop, axis, reel_shape_text(x));
    if (from == 0 && to == n && step == 1) return x;
    part_attr attr = { axis, from, (to - from + step - 1) / step, step };
    return reel_record(&slice_op, &x, 1, &attr, sizeof attr);
}

reel_tensor *reel_slice(reel_tensor *x, int axis, int64_t start, int64_t stop)
{
    return reel_slice_step(x, axis, start, stop, 1);
}

/* ---- pad --------------------------------------------------------------------------------------------------------- */

static void pad_run(const reel_call *call)
{
    const reel_tensor *y = call->node, *x = y->inputs[0];
    const part_attr *p = y->attr;
    size_t element = reel__dtype_size((reel_dtype)y->dtype);
    int64_t x_stride[REEL_MAX_RANK], y_stride[REEL_MAX_RANK];
    reel__contiguous(x->rank, x->size, x_stride);
    reel__contiguous(y->rank, y->size, y_stride);
    memset(call->y, 0, (size_t)y->count * element);
    char *start = (char *)call->y + p->start * y_stride[p->axis] * (int64_t)element;
    y_stride[p->axis] *= p->step;
    reel__copy_strided(start, y_stride, call->x[0], x_stride, element, x->rank, x->size);
}

static reel_tensor *pad_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    const part_attr *p = y->attr;
    int64_t n = y->inputs[input]->size[p->axis], stop = n ? p->start + (n - 1) * p->step + 1 : p->start;
    return reel_slice_step(gy, (int)p->axis, p->start, stop, p->step);
}

static const reel_op pad_op = {
    .size = sizeof(reel_op), .name = "pad", .shape = part_shape, .run = pad_run, .vjp = pad_vjp
};

reel_tensor *reel_pad_step(reel_tensor *x, int axis, int64_t before, int64_t after, int64_t step)
{
    if (!reel__good("pad", &x, 1) || !reel__check_axis(x->tape, "pad", x, &axis)) return bad(x);
    int64_t n = x->size[axis], inner = 0, size;
    if (before < 0 || after < 0 || step < 1)
        return reel__fail(x->tape, REEL_BAD_ARGUMENT,
                          "pad: %lld before, %lld after, step %lld: not negative, step at least 1", (long long)before,
                          (long long)after, (long long)step);
    if ((n && !reel__multiply(n - 1, step, &inner)) || !reel__add_sizes(inner + (n > 0), before, &size) ||
        !reel__add_sizes(size, after, &size))
        return reel__fail(x->tape, REEL_TOO_LARGE, "pad: the size of axis %d of %s overflows", axis,
                          reel_shape_text(x));
    if (before == 0 && after == 0 && step == 1) return x;
    part_attr attr = { axis, before, size, step };
    return reel_record(&pad_op, &x, 1, &attr, sizeof attr);
}

reel_tensor *reel_pad(reel_tensor *x, int axis, int64_t before, int64_t after)
{
    return reel_pad_step(x, axis, before, after, 1);
}

/* ---- concat ------------------------------------------------------------------------------------------------------ */

typedef struct concat_attr {
    int64_t axis;
    int64_t start[]; /* of each part along it */
} concat_attr;

static bool concat_shape(reel_tensor *y)
{
    int axis = (int)((const concat_attr *)y->attr)->axis;
    const reel_tensor *first = y->inputs[0];
    int64_t size = 0;
    if (!reel__same_dtype(y->op->name, y->inputs, y->input_count)) return false;
    for (int i = 0; i < y->input_count; i++) {
        const reel_tensor *x = y->inputs[i];
        bool fits = x->rank == first->rank;
        for (int d = 0; fits && d < x->rank; d++) fits = d == axis || x->size[d] == first->size[d];
        if (!fits)
            return reel_fail_shape(y, REEL_BAD_SHAPE, "part %d is %s, the first %s; they may differ in axis %d only",
                                   i + 1, reel_shape_text(x), reel_shape_text(first), axis);
        if (!reel__add_sizes(size, x->size[axis], &size))
            return reel_fail_shape(y, REEL_TOO_LARGE, "the size overflows");
    }
    reel_shape shape = reel__shape_with(first, axis, size);
    return reel_set_shape(y, (reel_dtype)first->dtype, shape.rank, shape.size);
}

static void concat_run(const reel_call *call)
{
    const reel_tensor *y = call->node;
    int axis = (int)((const concat_attr *)y->attr)->axis;
    size_t element = reel__dtype_size((reel_dtype)y->dtype);
    int64_t y_stride[REEL_MAX_RANK], x_stride[REEL_MAX_RANK];
    reel__contiguous(y->rank, y->size, y_stride);
    char *at = call->y;
    for (int i = 0; i < y->input_count; i++) {
        const reel_tensor *x = y->inputs[i];
        reel__contiguous(x->rank, x->size, x_stride);
        if (at != call->x[i]) reel__copy_strided(at, y_stride, call->x[i], x_stride, element, x->rank, x->size);
        at += x->size[axis] * y_stride[axis] * (int64_t)element;
    }
}

static reel_tensor *concat_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    const concat_attr *c = y->attr;
    const int64_t start = c->start[input];
    return reel_slice(gy, (int)c->axis, start, start + y->inputs[input]->size[c->axis]);
}

static int concat_axis(const reel_tensor *y) { return (int)((const concat_attr *)y->attr)->axis; }
static const reel_op concat_op = REEL__OP("concat", concat_shape, concat_run, concat_vjp, .concat_axis = concat_axis);

enum { FEW_PARTS = 64 };

reel_tensor *reel_concat(reel_tensor *const *x, int count, int axis)
{
    if (!reel__good("concat", x, count)) return &reel__tape_of_all(x, count)->bad;
    if (!reel__check_axis(x[0]->tape, "concat", x[0], &axis)) return bad(x[0]);
    if (count == 1) return x[0];
    int64_t few[1 + FEW_PARTS], start = 0;
    const reel_allocator *a = &x[0]->tape->allocator;
    const size_t bytes = sizeof(concat_attr) + (size_t)count * sizeof start;
    concat_attr *attr = count <= FEW_PARTS ? (void *)few : reel__allocate(a, bytes);
    if (!attr) return reel__out_of_memory(x[0]->tape, "concat");
    attr->axis = axis;
    for (int i = 0; i < count; i++) { /* the shape rule refuses what has no such axis, or overflows */
        attr->start[i] = start;
        if (axis >= x[i]->rank || !reel__add_sizes(start, x[i]->size[axis], &start)) start = 0;
    }
    reel_tensor *y = reel_record(&concat_op, x, count, attr, bytes);
    if (count > FEW_PARTS) reel__release(a, attr, bytes);
    return y;
}

/* ---- stack: parts with a new axis each, as a concat -------------------------------------------------------------- */

static bool can_stack(int count, reel_tensor *const *x, int axis)
{
    const reel_tensor *first = x[0];
    reel_tape *tape = first->tape;
    int at = axis < 0 ? axis + first->rank + 1 : axis;
    if (at < 0 || at > first->rank || first->rank == REEL_MAX_RANK)
        reel__fail(tape, REEL_BAD_ARGUMENT, "stack: no new axis %d in %s", axis, reel_shape_text(first));
    else if (reel__same_dtype("stack", x, count))
        for (int i = 1; i < count && tape->recording.status == REEL_OK; i++)
            if (x[i]->size != first->size || x[i]->rank != first->rank)
                reel__fail(tape, REEL_BAD_SHAPE, "stack: part %d is %s, the first %s; they must be alike", i + 1,
                           reel_shape_text(x[i]), reel_shape_text(first));
    return tape->recording.status == REEL_OK;
}

reel_tensor *reel_stack(reel_tensor *const *x, int count, int axis)
{
    if (!reel__good("stack", x, count)) return &reel__tape_of_all(x, count)->bad;
    if (!can_stack(count, x, axis)) return bad(x[0]);
    const reel_allocator *a = &x[0]->tape->allocator;
    size_t bytes = (size_t)count * sizeof *x;
    reel_tensor **parts = reel__allocate(a, bytes);
    if (!parts) return reel__out_of_memory(x[0]->tape, "stack");
    for (int i = 0; i < count; i++) parts[i] = reel_unsqueeze(x[i], axis);
    reel_tensor *y = reel_concat(parts, count, axis);
    reel__release(a, parts, bytes);
    return y;
}
