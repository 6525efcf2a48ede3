/* What the families share: kinds of ops that an executor can treat alike, told apart by their run function, and the
 * checks that shape rules have in common. */
#ifndef REEL_OPS_OPS_H
#define REEL_OPS_OPS_H

#include "core/base/cpu.h"
#include "core/record/tape.h"

#include <reel/ops.h>

/* ---- Pointwise: row kernels on (rows, columns) ------------------------------------------------------------------- */

enum { REEL__POINTWISE_INPUTS = 3 };

/* y[r,c] for all rows and columns. Strides are of rows, in elements; an operand's columns are contiguous, or all the
 * one element where x_one says so. y may be exactly one of the operands. */
typedef struct reel__tile {
    int64_t rows, columns;
    void *y;
    int64_t y_row;
    const void *x[REEL__POINTWISE_INPUTS];
    int64_t x_row[REEL__POINTWISE_INPUTS];
    bool x_one[REEL__POINTWISE_INPUTS];
} reel__tile;

typedef void reel__row_kernel(const reel__tile *tile);

typedef struct reel__pointwise_op {
    reel_op op; /* op.run is reel__pointwise_run */
    size_t kernel; /* where its kernels stand in the table of an instruction set */
} reel__pointwise_op;

void reel__pointwise_run(const reel_call *call);

/* The kernel of a pointwise node. */
reel__row_kernel *reel__pointwise_kernel(const reel_tensor *y, int isa);

/* ---- Views: y's elements are x's at offset + Σ index stride ------------------------------------------------------ */

typedef struct reel__view_op {
    reel_op op; /* op.run is reel__view_run */

    /* From the strides of x to offset and strides of y, all in elements. False: not possible with these strides. */
    bool (*map)(const reel_tensor *y, const int64_t *x_stride, int64_t *offset, int64_t *y_stride);
} reel__view_op;

void reel__view_run(const reel_call *call);

/* Copies a strided array into a contiguous one, or adds up the other way round. */
void reel__copy_strided(void *y, const void *x, size_t element, int rank, const int64_t *size, const int64_t *x_stride);
void reel__contiguous(int rank, const int64_t *size, int64_t *stride);

/* ---- Checks ------------------------------------------------------------------------------------------------------ */

bool reel__same_dtype(reel_tensor *y); /* all inputs alike */
bool reel__float_inputs(reel_tensor *y);
bool reel__check_axis(reel_tape *tape, const char *op, const reel_tensor *x, int *axis); /* and counts it from the front */

/* Inputs checked and on one tape; otherwise the error is recorded. */
bool reel__good(const char *op, int count, reel_tensor *const *x);

/* Expands all to their common shape; false with an error. */
bool reel__broadcast(const char *op, int count, reel_tensor **x);

reel_shape reel__shape_with(const reel_tensor *x, int axis, int64_t size); /* x's shape, but for one axis */
reel_shape reel__shape_without(const reel_tensor *x, int axis);

extern const reel__view_op reel__expand_op;

#endif
