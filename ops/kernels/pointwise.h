/* The kernels of the pointwise ops: row kernels, one for each op and type, and for each instruction set the links of
 * chains of f32. */
#ifndef REEL_OPS_POINTWISE_H
#define REEL_OPS_POINTWISE_H

#include "ops/family.h"

enum { REEL__DTYPES = 3 };

/* The numbers of the rows of pointwise.table.h: of one operand, and of two. */
enum {
#define UNARY(op, ...) REEL__OP_##op,
#define BINARY(...)
#define COMPARE(...)
#include "ops/pointwise.table.h"
    REEL__UNARIES
};
enum {
#define UNARY(...)
#define BINARY(op, ...) REEL__OP_##op,
#define COMPARE(op, ...) REEL__OP_##op,
#include "ops/pointwise.table.h"
    REEL__BINARIES
};

/* Of one type; NULL where an op does not take it. The type is that of the last operand. */
typedef struct reel__pointwise_rows {
    reel__row_kernel *unary[REEL__UNARIES], *binary[REEL__BINARIES], *where;
} reel__pointwise_rows;

extern const reel__pointwise_rows reel__rows_f32, reel__rows_f64, reel__rows_i32;
extern reel__row_kernel *const reel__cast_rows[REEL__DTYPES][REEL__DTYPES]; /* from, to, another */

/* A row kernel by a loop over contiguous operands: y[i] from operands at i; y may be one of them. Operand 0 has `first`
 * bytes an element, the others `other`. */
typedef void reel__loop(void *y, const void *const *x, int64_t n);
void reel__by_loop(const reel__tile *t, reel__loop *run, int count, size_t result, size_t first, size_t other);

typedef struct reel__pointwise_links {
    reel__chain chain;
    reel__link_form unary[REEL__UNARIES];
    reel__link_form binary[REEL__BINARIES][2][2]; /* which operand the link before brings; whether the other is the same
                                                     for all columns */
    reel__link_form where[2][2];    /* on a condition: whether the first, the second is the same for all columns */
    reel__link_form yes[2], no[2];  /* on the first or the second, with a condition for each column */
    reel__link_form to_i32, to_f32; /* casts between f32 and i32 */
} reel__pointwise_links;

extern const reel__pointwise_links reel__links_baseline, reel__links_avx2, reel__links_avx512;

#endif
