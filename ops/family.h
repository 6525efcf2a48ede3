/* What the families share: running pointwise ops and views, strided copies, and the checks that shape rules have in
 * common. What the planner may know of an op, its traits, is declared in core/plan/traits.h. */
#ifndef REEL_OPS_FAMILY_H
#define REEL_OPS_FAMILY_H

#include "core/base/cpu.h"
#include "core/base/strided.h"
#include "core/plan/traits.h"

#include <reel/ops.h>

void reel__pointwise_run(const reel_call *call);
void reel__view_run(const reel_call *call);

/* The map of a view that has its operand's shape. */
bool reel__same_map(const reel_tensor *y, const int64_t *x_stride, int64_t *offset, int64_t *y_stride);

/* An op with a derivative for each input, and these traits. */
#define REEL__OP(NAME, rule, kernel, derivative, ...)                                                                  \
    {                                                                                                                  \
        .size = sizeof(reel_op), .name = NAME, .shape = rule, .run = kernel, .vjp = derivative,                        \
        .traits = &(const reel__traits)                                                                                \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }

/* ---- Checks ------------------------------------------------------------------------------------------------------ */

/* All of one dtype, and all f32 or f64; for the inputs of a node and for the operands of a call. */
bool reel__same_dtype(const char *op, reel_tensor *const *x, int count);
bool reel__all_floats(const char *op, reel_tensor *const *x, int count);
bool reel__check_axis(reel_tape *tape, const char *op, const reel_tensor *x,
                      int *axis); /* a negative axis becomes that from the front */

/* Sets REEL_MAX_RANK flags for the chosen axes; and whether `keep` is of its enum. False: an error is recorded. */
bool reel__choose_axes(const char *op, const reel_tensor *x, reel_axes axes, bool *chosen);
bool reel__good_keep(const char *op, const reel_tensor *x, reel_keep_dims keep);

/* Whether all operands can be used, on one tape; if not, an error is recorded. */
bool reel__good(const char *op, reel_tensor *const *x, int count);

/* The same for one operand. Inline, since it is good in nearly all calls. */
static inline bool reel__good_one(const char *op, reel_tensor *x)
{
    bool good = x && !x->is_bad && x->generation == x->tape->generation && x->tape->recording.status == REEL_OK;
    return good || reel__good(op, &x, 1);
}

/* One operand, and a number that its dtype can have. */
bool reel__good_with(const char *op, reel_tensor *x, double value);

/* A shape rule: y has the shape and dtype of its last input. */
bool reel__like_last(reel_tensor *y);

/* The same as reel__good(), and all of them f32 or f64, of one dtype. */
bool reel__good_floats(const char *op, reel_tensor *const *x, int count);

/* Replaces the operands by expansions to their common shape. False: an error is recorded. */
bool reel__broadcast(const char *op, reel_tensor **x, int count);

reel_shape reel__shape_with(const reel_tensor *x, int axis, int64_t size); /* x's shape, but for one axis */
reel_shape reel__shape_without(const reel_tensor *x, int axis);

extern const reel_op reel__expand_op;

#endif
