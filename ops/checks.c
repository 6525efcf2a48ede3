/* Checks and broadcasting that all families share. */
#include "ops/family.h"

#include <stdio.h>
#include <string.h>

bool reel__same_dtype(const char *op, reel_tensor *const *x, int count)
{
    for (int i = 1; i < count; i++)
        if (x[i]->dtype != x[0]->dtype) {
            reel__fail(x[0]->tape, REEL_BAD_DTYPE, "%s: %s and %s do not mix (use reel_cast)", op,
                       reel__dtype_name((reel_dtype)x[0]->dtype), reel__dtype_name((reel_dtype)x[i]->dtype));
            return false;
        }
    return true;
}

bool reel__all_floats(const char *op, reel_tensor *const *x, int count)
{
    for (int i = 0; i < count; i++)
        if (x[i]->dtype == REEL_I32) {
            reel__fail(x[0]->tape, REEL_BAD_DTYPE, "%s: operand %d is i32; it takes f32 or f64 (use reel_cast)", op,
                       i + 1);
            return false;
        }
    return true;
}

bool reel__like_last(reel_tensor *y)
{
    const reel_tensor *x = y->inputs[y->input_count - 1];
    return reel_set_shape(y, (reel_dtype)x->dtype, x->rank, x->size);
}

bool reel__check_axis(reel_tape *tape, const char *op, const reel_tensor *x, int *axis)
{
    int a = *axis < 0 ? *axis + x->rank : *axis;
    if (a < 0 || a >= x->rank) {
        reel__fail(tape, REEL_BAD_ARGUMENT, "%s: there is no axis %d in %s", op, *axis, reel_shape_text(x));
        return false;
    }
    *axis = a;
    return true;
}

bool reel__choose_axes(const char *op, const reel_tensor *x, reel_axes axes, bool *chosen)
{
    memset(chosen, axes.count < 0, REEL_MAX_RANK * sizeof *chosen);
    if (axes.count > REEL_MAX_RANK || axes.count < -1) {
        reel__fail(x->tape, REEL_BAD_ARGUMENT, "%s: %d axes for %s", op, axes.count, reel_shape_text(x));
        return false;
    }
    for (int i = 0; i < axes.count; i++) {
        int axis = axes.axis[i];
        if (!reel__check_axis(x->tape, op, x, &axis)) return false;
        if (chosen[axis]) {
            reel__fail(x->tape, REEL_BAD_ARGUMENT, "%s: axis %d twice for %s", op, axis, reel_shape_text(x));
            return false;
        }
        chosen[axis] = true;
    }
    return true;
}

bool reel__good_keep(const char *op, const reel_tensor *x, reel_keep_dims keep)
{
    if (keep == REEL_DROP || keep == REEL_KEEP) return true;
    reel__fail(x->tape, REEL_BAD_ARGUMENT, "%s: %d is neither REEL_DROP nor REEL_KEEP", op, (int)keep);
    return false;
}

bool reel__good(const char *op, reel_tensor *const *x, int count)
{
    reel_tape *tape = reel__tape_of_all(x, count);
    if (tape->failed || tape->recording.status != REEL_OK) {
        if (tape == &reel__no_tape) reel__null_operands(op, x, count);
        return false;
    }
    for (int i = 0; i < count; i++) {
        char what[80];
        if (x[i] && x[i]->tape == tape && !x[i]->is_bad && x[i]->generation == tape->generation) continue;
        snprintf(what, sizeof what, "%s: operand %d", op, i + 1);
        return reel__usable(tape, x[i], what);
    }
    return true;
}

bool reel__good_floats(const char *op, reel_tensor *const *x, int count)
{
    return reel__good(op, x, count) && reel__all_floats(op, x, count) && reel__same_dtype(op, x, count);
}

bool reel__broadcast(const char *op, reel_tensor **x, int count)
{
    if (!reel__good(op, x, count)) return false;
    bool alike = true;
    for (int i = 1; i < count; i++) alike &= x[i]->size == x[0]->size && x[i]->rank == x[0]->rank;
    if (alike) return true;
    reel_shape shape = { 0 };
    for (int i = 0; i < count; i++)
        if (x[i]->rank > shape.rank) shape.rank = x[i]->rank;
    for (int d = 0; d < shape.rank; d++) {
        int64_t size = 1;
        for (int i = 0; i < count; i++) {
            int axis = d - (shape.rank - x[i]->rank);
            int64_t s = axis < 0 ? 1 : x[i]->size[axis];
            if (s == 1 || s == size) continue;
            if (size != 1) {
                char text[400] = "";
                for (int j = 0; j < count; j++)
                    snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", j ? " and " : "",
                             reel_shape_text(x[j]));
                reel__fail(x[0]->tape, REEL_BAD_SHAPE, "%s: shapes do not broadcast: %s", op, text);
                return false;
            }
            size = s;
        }
        shape.size[d] = size;
    }
    for (int i = 0; i < count; i++) {
        x[i] = reel_expand(x[i], shape);
        if (x[i]->is_bad) return false;
    }
    return true;
}

reel_shape reel__shape_with(const reel_tensor *x, int axis, int64_t size)
{
    reel_shape shape = reel_shape_of(x);
    shape.size[axis] = size;
    return shape;
}

reel_shape reel__shape_without(const reel_tensor *x, int axis)
{
    reel_shape shape = { .rank = x->rank - 1 };
    for (int i = 0, j = 0; i < x->rank; i++)
        if (i != axis) shape.size[j++] = x->size[i];
    return shape;
}
