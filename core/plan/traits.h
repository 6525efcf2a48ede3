/* What a planner may know of an op beyond its descriptor: that it is pointwise, a view, a reduction or a product, and the
 * kernels for that. An op without traits is run as it is, on contiguous operands. */
#ifndef REEL_CORE_PLAN_TRAITS_H
#define REEL_CORE_PLAN_TRAITS_H

#include "core/plan/product.h"
#include "core/record/tape.h"

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

/* A chain: ops of 4-byte elements, each of which reads the result of the one before, a chunk of vectors at a time that
 * stays in registers. Each link calls the next: a load, the ops, stores anywhere among them, the end. */
typedef void reel__link_code(void); /* its type is known to the instruction set that it is of */

typedef struct reel__link_form {
    reel__link_code *full, *part; /* for a whole chunk; for the first few elements of a vector */
    reel__link_code *array;       /* what both of them call, or NULL */
} reel__link_form;

typedef struct reel__link {
    reel__link_form form;
    char *x[2];     /* what a load or an op reads, a store writes */
    int64_t row[2]; /* bytes from there to the same in the next row */
} reel__link;

typedef struct reel__chain {
    reel__link_form load, load_one, store, end; /* load_one: one element for all columns */
    void (*run)(reel__link *links, int count, int64_t rows, int64_t columns);
} reel__chain;

/* y[outer, inner] from x[outer, n, inner], both contiguous. */
typedef void reel__reduce_kernel(void *y, const void *x, int64_t outer, int64_t n, int64_t inner);

/* y[outer, inner] from x[outer, n, inner]. Of a last axis, `block` elements make one value each, and these are reduced by
 * the same kernel again. */
typedef struct reel__reduction {
    reel__reduce_kernel *kernel;
    int64_t outer, n, inner, block;
} reel__reduction;

_Static_assert(REEL__PRODUCT_AXES >= REEL_MAX_RANK, "a side of a product can have all axes of a tensor");

/* The axes of a product's operands: y's axes are batch, m, n. */
typedef struct reel__product_axes {
    int8_t batch, m, n, k; /* how many */
    int8_t a_batch[REEL_MAX_RANK], a_m[REEL_MAX_RANK], a_k[REEL_MAX_RANK];
    int8_t b_batch[REEL_MAX_RANK], b_n[REEL_MAX_RANK], b_k[REEL_MAX_RANK];
} reel__product_axes;

/* The functions of a product's family; their structs are in product.h. */
typedef struct reel__product_api {
    const reel__product_axes *(*axes)(const reel_tensor *y);
    reel__product_plan (*plan)(const reel__product *p);
    void (*block)(const reel__product_plan *plan, const reel__product_block *block);
    reel__product_layout (*layout)(int isa, int element, const reel__side *side, reel__product_use use);

    /* Packs panels [p0, p1) of the operand at `from` into `to`, the start of the whole packed operand: threads share
     * them out. */
    void (*pack)(const reel__product_layout *layout, const void *from, int64_t p0, int64_t p1, void *to);
} reel__product_api;

typedef struct reel__traits {
    /* Pointwise: the kernel of a node; its link in a chain that brings operand `from`, with the operands that are the
     * same for all columns in `one` (false: it has none), whose x are the other operands in their order; and the chains
     * of an instruction set. */
    reel__row_kernel *(*row)(const reel_tensor *y);
    bool (*link)(const reel_tensor *y, int isa, int from, const bool *one, reel__link_form *form);
    const reel__chain *(*chain)(int isa);

    /* View of its last input, x: from the strides of x to the offset and strides of y, in elements. False: impossible
     * with these strides. */
    bool (*map)(const reel_tensor *y, const int64_t *x_stride, int64_t *offset, int64_t *y_stride);

    reel__reduction (*reduce)(const reel_tensor *y, int isa); /* over one axis */

    const reel__product_api *product;

    /* A concat: its axis. Its run leaves a part alone that is in its concat already. */
    int (*concat_axis)(const reel_tensor *y);

    bool is_number; /* a leaf that is known before a run */
    bool is_draw;   /* its attribute is a name, dtype and shape */
} reel__traits;

static inline const reel__traits *reel__traits_of(const reel_tensor *x) { return x->op->traits; }

#endif
