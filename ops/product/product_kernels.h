/* What the product's driver asks of its kernels: one table for each instruction set and type, filled in by
 * product_kernels.c. Strides are in elements. */
#ifndef REEL_OPS_PRODUCT_KERNELS_H
#define REEL_OPS_PRODUCT_KERNELS_H

#include <stdint.h>

enum { REEL__PIECE = 512 }; /* k is cut here, by definition: DESIGN.md, 5.1 */

/* A piece of k over a block of c, in terms of x, whose contiguous elements lie in vectors, and y, whose elements are
 * broadcast: c[y, x] = or += sum over k of y[y, k] x[k, x]. x goes by panels of the table's width, y by panels of
 * y_rows. */
typedef struct {
    const void *x, *y;
    void *c, *x_copy; /* x_copy: if not null, where a panel of x is copied by the first tile that reads it */
    int64_t nx, ny, k;
    int64_t x_panel, x_k, x_x; /* x_x: of a stream only */
    int64_t y_rows, y_panel, y_r, y_k;
    int64_t c_x, c_y;
    int add, y_first; /* y_first: a panel of y meets all of x before the next */
} reel__sweep;

typedef struct {
    int width, rows; /* columns of a panel of x; most rows of a panel of y */
    void (*sweep)(const reel__sweep *s);
    /* c[x] = sum over k of y[k] x[k, x], all of k: one row of y, and x where it lies, x_x or x_k being 1. */
    void (*stream)(const reel__sweep *s);
    /* Panel r / width of `to`, at [k, r % width], = from[r, k]; `to` is the start of a panel, or rows < width. */
    void (*pack)(const void *from, int64_t from_r, int64_t from_k, int64_t rows, int64_t nk, void *to, int width,
                 int64_t panel);
} reel__product_kernels;

extern const reel__product_kernels reel__product_kernels_baseline[2];
extern const reel__product_kernels reel__product_kernels_avx2[2];
extern const reel__product_kernels reel__product_kernels_avx512[2];

const reel__product_kernels *reel__product_kernels_of(int isa, int element);

/* Rows of a panel of y: at most the tile's, and as even as possible. */
int reel__product_y_rows(int most, int64_t rows);

#endif
