/* The kernels of the pointwise ops: row kernels, one for each op and type, and for each instruction set the links of
 * chains of f32. */
#ifndef REEL_OPS_POINTWISE_H
#define REEL_OPS_POINTWISE_H

#include "ops/family.h"

enum { REEL__DTYPES = 3 };

typedef struct reel__pointwise_kernels {
#define UNARY(op, ...) reel__row_kernel *op[REEL__DTYPES];
#define BINARY(op, ...) reel__row_kernel *op[REEL__DTYPES];
#define COMPARE(op, ...) reel__row_kernel *op[REEL__DTYPES];
#include "ops/pointwise.table.h"
#undef UNARY
#undef BINARY
#undef COMPARE
    reel__row_kernel *where[REEL__DTYPES];
    reel__row_kernel *cast[REEL__DTYPES][REEL__DTYPES]; /* from, to */
} reel__pointwise_kernels;

extern const reel__pointwise_kernels reel__pointwise;

#define ROWS(op) reel__row_kernel reel__##op##_row_f32, reel__##op##_row_f64, reel__##op##_row_i32;
#define UNARY(op, ...) ROWS(op)
#define BINARY(op, ...) ROWS(op)
#define COMPARE(op, ...) ROWS(op)
#include "ops/pointwise.table.h"
ROWS(where)
#undef ROWS
#undef UNARY
#undef BINARY
#undef COMPARE

/* A row kernel by a loop over contiguous operands: y[i] from operands at i; y may be one of them. Operand 0 has `first`
 * bytes an element, the others `other`. */
typedef void reel__loop(void *y, const void *const *x, int64_t n);
void reel__by_loop(const reel__tile *t, reel__loop *run, int count, size_t result, size_t first, size_t other);

/* Forms of an op of two operands: which one is the result of the link before; whether the other is the same for all
 * columns. */
typedef reel__link_form reel__link_forms[2][2];

typedef struct reel__pointwise_links {
    reel__chain chain;
#define UNARY(op, ...) reel__link_form op;
#define BINARY(op, ...) reel__link_forms op;
#define COMPARE(op, ...) reel__link_forms op;
#include "ops/pointwise.table.h"
#undef UNARY
#undef BINARY
#undef COMPARE
    reel__link_form where[2][2];    /* on a condition: whether the first, the second is the same for all columns */
    reel__link_form yes[2], no[2];  /* on the first or the second, with a condition for each column */
    reel__link_form to_i32, to_f32; /* casts between f32 and i32 */
} reel__pointwise_links;

extern const reel__pointwise_links reel__links_baseline, reel__links_avx2, reel__links_avx512;

#endif
