/* What is said about a matrix product c[m, n] = sum over k of a[m, k] b[k, n], f32 or f64, between those who plan and run it
 * and the family that computes it. The family's functions are in the traits of its op (traits.h):
 *
 *     reel__product p = { .isa = isa, .element = 4, .a = ..., .b = ... };     strides, no addresses
 *     reel__product_plan plan = api->plan(&p);
 *     for each block of about plan.block_m x plan.block_n:
 *         api->block(&plan, &(reel__product_block){ .a = a, .b = b, .m0 = m0, .m1 = m1, ... });
 *
 * What an element of c is to the bit stands in ops/contract.c. Nothing below changes that: not the block, the tile,
 * packing, nor which of m and n lies in vectors.
 *
 * A plan is a value: copied freely, owning nothing, good for any addresses. Blocks are independent, so threads share them
 * out; each thread needs a workspace of plan.workspace bytes (often 0), aligned to 64. */
#ifndef REEL_CORE_PLAN_PRODUCT_H
#define REEL_CORE_PLAN_PRODUCT_H

#include "core/base/axes.h"

#include <stddef.h>
#include <stdint.h>

/* An operand: rows (m of a, n of b) by k, each index a row-major list of merged axes (axes.h), at least one. A plain matrix
 * has one axis of each; a convolution's windows, or a weight gradient's k = (batch, time), have more, as many as a tensor
 * can have. Nothing outside these elements is ever read. */
enum { REEL__PRODUCT_AXES = 8 };

typedef struct {
    int row_axes, k_axes;
    reel__axis row[REEL__PRODUCT_AXES], k[REEL__PRODUCT_AXES];
} reel__side;

/* How an operand is read. AUTO: the plan chooses between the next two. IN_PLACE: without a copy; falls back to PACK for
 * several axes, and for an x that is contiguous in no useful way. PACK: copied into the workspace by every block that needs
 * it. PACKED_X and PACKED_Y: the caller passes a copy made by api->pack. */
typedef enum { REEL__AUTO, REEL__IN_PLACE, REEL__PACK, REEL__PACKED_X, REEL__PACKED_Y } reel__product_use;

typedef struct {
    int isa;     /* REEL__BASELINE, ... : isa.h */
    int element; /* bytes: 4 is float, 8 is double */
    reel__side a, b;
    reel__product_use a_use, b_use;
    int64_t c_m, c_n; /* strides of c; they only weigh in the plan */
    int64_t l1, l2;   /* bytes of cache; 0: 32 KiB, 1 MiB */
} reel__product;

/* Of the two operands, x lies in vectors along its rows and y is broadcast, element by element.
 * A packed x serves any product whose plan reads it as x, a packed y likewise; a plan made with
 * PACKED_X or PACKED_Y fits itself to it. */
typedef struct {
    reel__side side;
    reel__product_use use;
    int64_t rows, k;
    int64_t row_stride, k_stride; /* in place */
    int width;                    /* rows of a panel */
} reel__product_operand;

typedef struct {
    int isa, element;
    int over_m;   /* x is a: vectors run over m */
    int y_first;  /* a panel of y meets all of x before the next */
    int x_copied; /* x is packed by the first tile that reads it */
    int x_panels; /* of x packed at a time */
    int64_t m, n, k;
    reel__product_operand x, y;
    int64_t block_m, block_n; /* the proposed block; with more rows of a packed y it takes more y_workspace */
    int64_t step_m, step_n;   /* where blocks should start, and must if packed */
    size_t workspace, y_workspace;
} reel__product_plan;

/* Arrays of the shape of c that will be read after a block: the one whose element at the block's first row and column is
 * at `at`, and others that lie so many bytes from it. Tiles that have time bring them into the second cache. */
enum { REEL__PREFETCHES = 4 };
typedef struct {
    const char *at;
    int64_t row; /* bytes from a row to the next */
    int count;
    int64_t other[REEL__PREFETCHES];
} reel__product_prefetch;

/* Rows [m0, m1) and columns [n0, n1) of c over the whole of k. c is the address of element
 * (m0, n0); its strides are of any value, fast where either is 1. With operands that came packed, m0 and n0 are multiples
 * of the plan's steps. c must not overlap the operands: between pieces of k it holds partial sums. */
typedef struct {
    const void *a, *b;
    int64_t m0, m1, n0, n1;
    void *c;
    int64_t c_m, c_n;
    void *workspace;
    const reel__product_prefetch *prefetch; /* or NULL */
} reel__product_block;

/* How an operand is packed: panels of `width` rows, each k by width, k ascending; the missing rows of the last hold
 * nothing and are not read. */
typedef struct {
    int isa, element;
    reel__side side;
    reel__product_use use; /* REEL__PACKED_X or REEL__PACKED_Y */
    int width;
    int64_t rows, panels, k, panel; /* panel: elements from one to the next */
    size_t bytes;
} reel__product_layout;

#endif
