/* Ops with indices. Every index goes through in_range, which is where it is checked, so take and scatter_add can trust
 * theirs: an index that is an input is checked before anything is computed, a computed one before anything is assigned.
 * Kernels: kernels/indices.kernel.c, and that of scatter_add's sums in reduce.kernel.c. */
#include "ops/kernels/indices.h"
#include "ops/family.h"
#include "ops/kernels/reduce.h"

#include <stdio.h>
#include <string.h>

static const reel__index_kernels *const kernels[REEL__ISAS] = { REEL__EACH_SET(reel__indices) };

static reel_tensor *bad(reel_tensor *x) { return &reel_tape_of(x)->bad; }

/* ---- in_range ---------------------------------------------------------------------------------------------------- */

typedef struct range_attr {
    int64_t size;
} range_attr;

static bool range_check(const reel_call *call, char *text, size_t size)
{
    const reel_tensor *y = call->node;
    const int32_t *x = call->x[0];
    int64_t end = ((const range_attr *)y->attr)->size, i = kernels[call->isa]->first_outside(x, y->count, end),
            rest = i;
    if (i == y->count) return true;
    int64_t at[REEL_MAX_RANK];
    for (int d = y->rank; d-- > 0; rest /= y->size[d]) at[d] = rest % y->size[d];
    reel__text position;
    snprintf(text, size, "the index %d at %s of %s is outside 0 … %lld", (int)x[i],
             reel__shape_text(&position, y->rank, at), reel_name_of(y->inputs[0]), (long long)end - 1);
    return false;
}

static void range_run(const reel_call *call)
{
    if (call->node->count) memcpy(call->y, call->x[0], (size_t)call->node->count * sizeof(int32_t));
}

static const reel_op range_op = {
    .size = sizeof(reel_op), .name = "in_range", .shape = reel__like_last, .run = range_run, .check = range_check
};

/* Under the name of the op that takes them. */
static bool good_indices(const char *op, const reel_tensor *indices)
{
    if (indices->dtype == REEL_I32) return true;
    reel__fail(indices->tape, REEL_BAD_DTYPE, "%s: indices are i32, not %s (use reel_cast)", op,
               reel__dtype_name((reel_dtype)indices->dtype));
    return false;
}

reel_tensor *reel_in_range(reel_tensor *indices, int64_t size)
{
    if (!reel__good("in_range", &indices, 1) || !good_indices("in_range", indices)) return bad(indices);
    if (size < 0) return reel__fail(indices->tape, REEL_BAD_ARGUMENT, "in_range: the size is %lld", (long long)size);
    range_attr attr = { size };
    return reel_record(&range_op, &indices, 1, &attr, sizeof attr);
}

/* ---- take and scatter_add ---------------------------------------------------------------------------------------- */

/* x [outer, n, inner], indices [count], y [outer, count, inner] */
typedef struct index_attr {
    int64_t axis, size; /* size: of scatter_add's result along the axis */
} index_attr;

static bool take_shape(reel_tensor *y)
{
    const reel_tensor *x = y->inputs[0], *indices = y->inputs[1];
    int axis = (int)((const index_attr *)y->attr)->axis, rank = 0;
    int64_t size[2 * REEL_MAX_RANK];
    for (int d = 0; d < axis; d++) size[rank++] = x->size[d];
    for (int d = 0; d < indices->rank; d++) size[rank++] = indices->size[d];
    for (int d = axis + 1; d < x->rank; d++) size[rank++] = x->size[d];
    return reel_set_shape(y, (reel_dtype)x->dtype, rank, size);
}

static void extents(const reel_tensor *x, int axis, int64_t *outer, int64_t *inner)
{
    *outer = *inner = 1;
    for (int d = 0; d < axis; d++) *outer *= x->size[d];
    for (int d = axis + 1; d < x->rank; d++) *inner *= x->size[d];
}

static void take_run(const reel_call *call)
{
    const reel_tensor *y = call->node, *x = y->inputs[0];
    int axis = (int)((const index_attr *)y->attr)->axis;
    int64_t outer, inner, n = x->size[axis], count = y->inputs[1]->count;
    extents(x, axis, &outer, &inner);
    size_t row = (size_t)inner * reel__dtype_size((reel_dtype)y->dtype);
    if (y->count) kernels[call->isa]->take(call->y, call->x[0], call->x[1], outer, n, count, row);
}

static reel_tensor *take_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    int axis = (int)((const index_attr *)y->attr)->axis;
    return input ? NULL : reel_scatter_add(gy, y->inputs[1], axis, y->inputs[0]->size[axis]);
}

static const reel_op take_op = {
    .size = sizeof(reel_op), .name = "take", .shape = take_shape, .run = take_run, .vjp = take_vjp
};

reel_tensor *reel_take(reel_tensor *x, reel_tensor *indices, int axis)
{
    if (!reel__good("take", (reel_tensor *[]){ x, indices }, 2)) return bad(x ? x : indices);
    if (!good_indices("take", indices) || !reel__check_axis(x->tape, "take", x, &axis)) return bad(x);
    index_attr attr = { axis, 0 };
    reel_tensor *inputs[] = { x, reel_in_range(indices, x->size[axis]) };
    return reel_record(&take_op, inputs, 2, &attr, sizeof attr);
}

/* Both with the sizes that they have together along all axes but one; false: they have none. */
static bool broadcast_around(reel_tensor *x[2], int axis)
{
    reel_shape shape[2] = { reel_shape_of(x[0]), reel_shape_of(x[1]) };
    for (int d = 0; d < x[0]->rank; d++) {
        int64_t *a = &shape[0].size[d], *b = &shape[1].size[d];
        if (d == axis || *a == *b) continue;
        if (*a != 1 && *b != 1) return false;
        *a = *b = *a == 1 ? *b : *a;
    }
    for (int i = 0; i < 2; i++) x[i] = reel_expand(x[i], shape[i]);
    return true;
}

/* x [outer, n, inner] as one row of elements, of which y takes (o n + indices[o, j, i]) inner + i. */
reel_tensor *reel_take_along_axis(reel_tensor *x, reel_tensor *indices, int axis)
{
    reel_tensor *both[] = { x, indices };
    if (!reel__good("take_along_axis", both, 2)) return bad(x ? x : indices);
    if (!good_indices("take_along_axis", indices) || !reel__check_axis(x->tape, "take_along_axis", x, &axis))
        return bad(x);
    if (x->rank != indices->rank || !broadcast_around(both, axis))
        return reel__fail(x->tape, REEL_BAD_SHAPE,
                          "take_along_axis: x %s and the indices %s do not have the same axes but for axis %d",
                          reel_shape_text(x), reel_shape_text(indices), axis);
    if (both[0]->is_bad || both[1]->is_bad) return bad(x);
    if (both[0]->count > INT32_MAX)
        return reel__fail(x->tape, REEL_TOO_LARGE,
                          "take_along_axis: x has %lld elements; at most 2147483647 are possible",
                          (long long)both[0]->count);
    int64_t outer, inner, n = x->size[axis];
    extents(both[0], axis, &outer, &inner);
    reel_tensor *at = reel_reshape(reel_in_range(both[1], n), REEL_SHAPE(outer, both[1]->size[axis], inner));
    if (at->count) { /* else the sizes may be larger than i32 */
        at = reel_mul(at, reel_number(at, (double)inner));
        at = reel_add(at, reel_iota(at, inner));
        reel_tensor *row = reel_mul(reel_iota(at, outer), reel_number(at, (double)(n * inner)));
        at = reel_add(at, reel_reshape(row, REEL_SHAPE(outer, 1, 1)));
    }
    return reel_reshape(reel_take(reel_reshape(both[0], REEL_SHAPE(both[0]->count)), at, 0), reel_shape_of(both[1]));
}

static bool bucket_shape(reel_tensor *y)
{
    int64_t size = ((const range_attr *)y->attr)->size;
    if (!reel__add_sizes(size, y->inputs[0]->count + 1, &size))
        return reel_fail_shape(y, REEL_TOO_LARGE, "the size overflows");
    return reel_set_shape(y, REEL_I32, 1, &size);
}

static void bucket_run(const reel_call *call)
{
    const reel_tensor *y = call->node;
    kernels[call->isa]->bucket(call->y, call->x[0], y->inputs[0]->count, ((const range_attr *)y->attr)->size);
}

static const reel_op bucket_op = {
    .size = sizeof(reel_op), .name = "bucket", .shape = bucket_shape, .run = bucket_run
};

static bool scatter_shape(reel_tensor *y)
{
    const reel_tensor *x = y->inputs[0], *indices = y->inputs[1];
    const index_attr *attr = y->attr;
    int axis = (int)attr->axis, rank = 0;
    int64_t size[REEL_MAX_RANK];
    bool fits = x->rank >= axis + indices->rank;
    for (int d = 0; fits && d < indices->rank; d++) fits = x->size[axis + d] == indices->size[d];
    if (x->dtype == REEL_I32)
        return reel_fail_shape(y, REEL_BAD_DTYPE, "operand 1 is i32; it takes f32 or f64 (use reel_cast)");
    if (!fits || x->rank - indices->rank + 1 > REEL_MAX_RANK)
        return reel_fail_shape(y, REEL_BAD_SHAPE, "the indices %s are not the axes of %s from axis %d on",
                               reel_shape_text(indices), reel_shape_text(x), axis);
    for (int d = 0; d < axis; d++) size[rank++] = x->size[d];
    size[rank++] = attr->size;
    for (int d = axis + indices->rank; d < x->rank; d++) size[rank++] = x->size[d];
    return reel_set_shape(y, (reel_dtype)x->dtype, rank, size);
}

/* Whether single elements are added as they come, each to the chain of its destination, instead of one destination after the
 * other, whose sources may be far apart: if the chains of all destinations fit the stack. */
static bool is_walked(int64_t size, int64_t count, int64_t inner)
{
    int64_t chains = 0;
    if (size > REEL__WALKED) return false;
    for (int64_t n = count; n > REEL__COLUMN_BLOCK; n = (n - 1) / REEL__COLUMN_BLOCK + 1) chains += size;
    return inner == 1 && chains <= REEL__WALKED_CHAINS;
}

/* x, the indices, and the sources of each destination: an op of its own, since it depends on the indices alone; or the
 * indices again, where the sources are taken as they come. */
static void scatter_run(const reel_call *call)
{
    const reel_tensor *y = call->node;
    int axis = (int)((const index_attr *)y->attr)->axis;
    int64_t outer, inner, size = y->size[axis], count = y->inputs[1]->count;
    extents(y, axis, &outer, &inner);
    if (!y->count) return;
    if (is_walked(size, count, inner))
        reel__reduce_baseline.walked[y->dtype](call->y, call->x[0], call->x[1], outer, size, count);
    else reel__scatter_kernel(y, call->isa)(call->y, call->x[0], call->x[2], outer, size, count, inner);
}

static reel_tensor *scatter_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    int axis = (int)((const index_attr *)y->attr)->axis;
    return input ? NULL : reel_take(gy, y->inputs[1], axis);
}

static const reel_op scatter_op = {
    .size = sizeof(reel_op), .name = "scatter_add", .shape = scatter_shape, .run = scatter_run, .vjp = scatter_vjp
};

reel_tensor *reel_scatter_add(reel_tensor *x, reel_tensor *indices, int axis, int64_t size)
{
    if (!reel__good("scatter_add", (reel_tensor *[]){ x, indices }, 2)) return bad(x ? x : indices);
    if (!good_indices("scatter_add", indices)) return bad(x);
    int rank = x->rank - indices->rank + 1, at = axis < 0 ? axis + rank : axis;
    if (at < 0 || at >= rank || size < 0)
        return reel__fail(x->tape, REEL_BAD_ARGUMENT,
                          "scatter_add: axis %d and size %lld do not fit %s with indices %s", axis, (long long)size,
                          reel_shape_text(x), reel_shape_text(indices));
    if (indices->count > INT32_MAX)
        return reel__fail(x->tape, REEL_TOO_LARGE, "scatter_add: %lld indices; at most 2147483647 are possible",
                          (long long)indices->count);
    index_attr attr = { at, size };
    range_attr range = { size };
    reel_tensor *checked = indices->op == &range_op && ((const range_attr *)indices->attr)->size == size
                               ? indices
                               : reel_in_range(indices, size);
    if (checked->is_bad) return checked;
    bool nothing = false; /* then the destinations may be too many for lists */
    int64_t inner = 1;
    for (int d = 0; d < x->rank; d++) {
        nothing |= x->size[d] == 0 && (d < at || d >= at + indices->rank);
        if (d >= at + indices->rank && !nothing) inner *= x->size[d];
    }
    const bool listed = !nothing && !is_walked(size, indices->count, inner);
    reel_tensor *inputs[] = { x, checked,
                              listed ? reel_record(&bucket_op, &checked, 1, &range, sizeof range) : checked };
    return reel_record(&scatter_op, inputs, 3, &attr, sizeof attr);
}

/* ---- one_hot ----------------------------------------------------------------------------------------------------- */

/* x [rows, 1], y [rows, classes] */
typedef struct hot_attr {
    int64_t classes, dtype;
} hot_attr;

static bool hot_shape(reel_tensor *y)
{
    const reel_tensor *x = y->inputs[0];
    const hot_attr *attr = y->attr;
    reel_shape shape = reel__shape_with(x, x->rank - 1, attr->classes);
    return reel_set_shape(y, (reel_dtype)attr->dtype, shape.rank, shape.size);
}

#define SET_ONES(T)                                                                                                    \
    for (int64_t i = 0; i < rows; i++) ((T *)to)[i * classes + x[i]] = 1

/* As many rows at a time as stay in a cache between the zeros and the ones. */
static void hot_run(const reel_call *call)
{
    enum { CACHED = 1 << 14 };
    const reel_tensor *y = call->node;
    const int32_t *x = call->x[0];
    const int64_t classes = ((const hot_attr *)y->attr)->classes, count = y->inputs[0]->count;
    const int64_t row = classes * (int64_t)reel__dtype_size((reel_dtype)y->dtype);
    const int64_t most = row < CACHED ? CACHED / (row ? row : 1) : 1;
    char *to = call->y;
    for (int64_t left = y->count ? count : 0, rows; left > 0; left -= rows, x += rows, to += rows * row) {
        rows = left < most ? left : most;
        memset(to, 0, (size_t)(rows * row));
        if (y->dtype == REEL_F32) SET_ONES(float);
        else if (y->dtype == REEL_F64) SET_ONES(double);
        else SET_ONES(int32_t);
    }
}

static const reel_op hot_op = { .size = sizeof(reel_op), .name = "one_hot", .shape = hot_shape, .run = hot_run };

reel_tensor *reel_one_hot(reel_tensor *indices, int64_t classes, reel_dtype dtype)
{
    if (!reel__good("one_hot", &indices, 1) || !good_indices("one_hot", indices)) return bad(indices);
    if ((unsigned)dtype > REEL_I32)
        return reel__fail(indices->tape, REEL_BAD_DTYPE, "one_hot: %d is no dtype", (int)dtype);
    if (classes < 0)
        return reel__fail(indices->tape, REEL_BAD_ARGUMENT, "one_hot: the number of classes is %lld",
                          (long long)classes);
    reel_tensor *column = reel_unsqueeze(reel_in_range(indices, classes), -1);
    if (column->is_bad) return column;
    if (classes > INT32_MAX) return reel_iota(column, classes); /* which says what it cannot count */
    hot_attr attr = { classes, dtype };
    return reel_record(&hot_op, &column, 1, &attr, sizeof attr);
}
