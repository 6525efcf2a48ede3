/* The product's own declarations: what ops/contract.c calls, and what the files of the family share. Strides are in
 * elements.
 *
 *     product_plan.c                 which operand lies in vectors, what is packed, which blocks to run
 *     product.c                      runs one block: cuts k into pieces, packs, sweeps tiles
 *     product_pack.c                 an operand with any axes into panels
 *     product.kernel.c               the kernels of an instruction set:
 *         product_tile.rows.h        the register tile and its sweep over a block
 *         product_stream.rows.h      one row of y
 *         product_copy.rows.h        packing, and storing a transposed tile
 *         product_plain.rows.h       the product as it is defined, which the plain executor runs */
#ifndef REEL_OPS_PRODUCT_KERNELS_H
#define REEL_OPS_PRODUCT_KERNELS_H

#include "core/base/isa.h"
#include "core/plan/product.h"

#include <stdbool.h>

enum {
    REEL__PRODUCT_PIECE = 512,  /* k is cut here, by definition (ops/contract.c) */
    REEL__PRODUCT_COLUMNS = 256 /* the most that the plain product computes at once */
};

/* ---- What the op calls ------------------------------------------------------------------------------------------- */

reel__product_plan reel__product_plan_make(const reel__product *p);
void reel__product_block_run(const reel__product_plan *plan, const reel__product_block *block);
reel__product_layout reel__product_layout_of(int isa, int element, const reel__side *side, reel__product_use use);
void reel__product_pack(const reel__product_layout *layout, const void *from, int64_t p0, int64_t p1, void *to);

/* A row of the plain product: y[j] = sum over k of a[k] b[k, column[j]], k row-major over its axes. */
typedef struct {
    void *y;
    const void *a, *b;
    int64_t columns, k;
    int64_t column[REEL__PRODUCT_COLUMNS];
    bool in_order; /* columns are contiguous: column[j] = column[0] + j */
    int k_axes;
    int64_t k_size[REEL__PRODUCT_AXES], a_stride[REEL__PRODUCT_AXES], b_stride[REEL__PRODUCT_AXES];
} reel__product_row;

/* ---- The kernels: one table for each instruction set and type ---------------------------------------------------- */

/* A piece of k over a block of c, in terms of x, whose contiguous elements lie in vectors, and
 * y, whose elements are broadcast: c[y, x] = or += sum over k of y[y, k] x[k, x]. x goes by
 * panels of the table's width. y goes by panels: the first y_tall have y_rows rows, the others
 * one less. */
typedef struct {
    const void *x, *y;
    void *c, *x_copy; /* x_copy: null, or where the first tile to read a panel of x copies it */
    int64_t nx, ny, k;
    int64_t x_panel, x_k, x_x; /* x_x: of one row of y only */
    int64_t y_panels, y_tall, y_rows;
    int64_t y_panel, y_r, y_k; /* y_panel: 0 in place; packed, k is as far apart as the panel has rows */
    int64_t c_x, c_y;
    int add, y_first; /* y_first: a panel of y meets all of x before the next one */
    int fetch_c;      /* c is not in a cache */
    /* What will be read next: the first tile of a panel of x, if it is full, brings ahead[lines[i]]
     * into the second cache in its step i of k; where x is copied, the second tile does so for
     * the panel after. Null: nothing. */
    const char *ahead;
    const int64_t *lines;
    /* Every full tile does so with lines of the arrays that are to be prefetched, if this is not null; rows in bytes. */
    const char *prefetch;
    int64_t prefetch_row;
} reel__sweep;

/* Panel r / width of `to`, at [k, r % width], becomes from[r, k]; `to` is the start of a panel, or rows < width. */
typedef struct {
    const void *from;
    int64_t from_r, from_k, rows, k;
    void *to;
    int64_t panel; /* elements from one panel to the next */
    int width;
} reel__pack_run;

typedef struct {
    int element;     /* bytes */
    int width, rows; /* columns of a panel of x; most rows of a panel of y */
    int copies;      /* whether x_copy and what is to be fetched mean anything */
    void (*sweep)(const reel__sweep *s);
    /* The same for one row of y, both in place: stream where x_x = 1, dots where x_k = 1. */
    void (*stream)(const reel__sweep *s), (*dots)(const reel__sweep *s);
    void (*pack)(const reel__pack_run *run);
    void (*plain)(const reel__product_row *row);
} reel__product_kernels;

extern const reel__product_kernels reel__product_kernels_baseline[2];
extern const reel__product_kernels reel__product_kernels_avx2[2];
extern const reel__product_kernels reel__product_kernels_avx512[2];

const reel__product_kernels *reel__product_kernels_of(int isa, int element);

/* ---- Between the files ------------------------------------------------------------------------------------------- */

/* Rows of a panel of y: at most the tile's, and as even as possible. */
int reel__product_y_rows(int most, int64_t rows);

/* Rows [r0, r0 + rows) and k [k0, k0 + k) of an operand, to be packed as panels. */
typedef struct {
    const reel__side *side;
    const void *from;
    int64_t r0, rows, k0, k;
    void *to;
    int64_t panel;
    int width;
} reel__pack_part;

void reel__product_pack_part(const reel__product_kernels *kernels, const reel__pack_part *part);

#endif
