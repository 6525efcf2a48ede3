/* What the product's driver asks of its kernels: one table for each instruction set and type,
 * filled in by product.kernel.c. Strides are in elements. */
#ifndef REEL_OPS_PRODUCT_KERNELS_H
#define REEL_OPS_PRODUCT_KERNELS_H

#include <stdint.h>

enum { REEL__PIECE = 512 }; /* k is cut here, by definition */

/* A piece of k over a block of c, in terms of x, whose contiguous elements lie in vectors, and
 * y, whose elements are broadcast: c[y, x] = or += sum over k of y[y, k] x[k, x]. x goes by
 * panels of the table's width. y goes by panels: the first y_tall have y_rows rows, the others
 * one less. */
typedef struct {
    const void *x, *y;
    void *c, *x_copy; /* x_copy: null, or where the first tile to read a panel of x copies it */
    int64_t nx, ny, k;
    int64_t x_panel, x_k, x_x; /* x_x: of a stream only */
    int64_t y_panels, y_tall, y_rows;
    int64_t y_panel, y_r, y_k; /* y_panel: 0 in place; packed, a panel's rows are y_k apart */
    int64_t c_x, c_y;
    int add, y_first; /* y_first: a panel of y meets all of x before the next one */
    int fetch_c;      /* c is not in a cache */
    /* What will be read next: the first tile of a panel of x, if it is full, brings ahead[lines[i]]
     * into the second cache in its step i of k; where x is copied, the second tile does so for
     * the panel after. Null: nothing. */
    const char *ahead;
    const int64_t *lines;
    /* Every full tile does so with lines of what lies beside c, if that is not null; rows in bytes. */
    const char *prefetch;
    int64_t beside_row;
} reel__sweep;

typedef struct {
    int width, rows; /* columns of a panel of x; most rows of a panel of y */
    int copies;      /* whether x_copy and what is to be fetched mean anything */
    void (*sweep)(const reel__sweep *s);
    /* The same for one row of y, both in place: stream where x_x = 1, turned where x_k = 1. */
    void (*stream)(const reel__sweep *s), (*turned)(const reel__sweep *s);
    /* Panel r / width of `to`, at [k, r % width], = from[r, k]; `to` is the start of a panel, or
     * rows < width. */
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
