/* What the tests of the ops share: arrays, a row of the op table, programs made from a row, and the checker of
 * gradients. Numbers are kept as doubles, which hold every f32 and i32 with the sign of zero. */
#ifndef REEL_TESTS_SUPPORT_H
#define REEL_TESTS_SUPPORT_H

#include <reel.h>

#include "chance.h"
#include "count.h"

enum { OPERANDS = 3, SEED = 20 };

/* ---- Arrays ------------------------------------------------------------------------------------------------------ */

typedef struct array {
    reel_dtype dtype;
    reel_shape shape;
    int64_t count;
    double *at; /* row-major */
} array;

/* Zeros. The memory is the test's until it calls forget_arrays(). */
array array_new(reel_dtype dtype, reel_shape shape);
array array_of(reel_dtype dtype, reel_shape shape, const double *values);
void forget_arrays(void);

/* The index after this one, in row-major order; false after the last. An array of no elements has no first one. */
bool next_index(const reel_shape *shape, int64_t *index);
int64_t offset_of(const reel_shape *shape, const int64_t *index);

double as_dtype(double value, reel_dtype dtype); /* rounded as a store to the dtype rounds */
bool same_bits(double a, double b);              /* or both NaN */
bool equal_arrays(const array *a, const array *b, char *text, size_t size);

/* Every element of `a` within tolerance times `scale` of b's, which is right; NaN and Inf only where b has them. */
bool close_arrays(const array *a, const array *b, double tolerance, double scale, char *text, size_t size);
double largest_of(const array *a); /* magnitude, of those that are finite */

array random_array(reel_dtype dtype, reel_shape shape); /* standard normal, exact in f32 */

/* ---- The machine ------------------------------------------------------------------------------------------------- */

/* Makes German the locale, where one half is 0,5; false where it cannot be made. The folder keeps one that is not
 * installed. */
bool speak_german(const char *folder);

/* Lets the process have this many more bytes of memory, or all there is; a sanitizer takes too many for that. */
bool under_sanitizer(void);
void limit_memory(size_t more);
void unlimit_memory(void);

/* ---- A row of the op table --------------------------------------------------------------------------------------- */

enum { NOTHING, REAL, WHOLE };

/* A size of -1 in a shape is the size that a property varies. */
typedef struct operand {
    int kind;
    double low, high;
    reel_shape shape;
    bool linear;   /* the op is linear in this operand */
    bool constant; /* no gradient leaves to it */
} operand;

typedef struct op_case op_case;
typedef reel_tensor *record_function(const op_case *c, reel_tensor *const *x);
typedef void naive_function(const op_case *c, const array *x, array *y);

struct op_case {
    const char *op;
    record_function *record;
    naive_function *naive; /* makes y, of the right shape and dtype */
    operand x[OPERANDS];
    unsigned is;
    double ulps; /* how far f32 may be off, in units of FLT_EPSILON of the largest element; 0 is 4 */
    reel_axes axes;
    reel_keep_dims keep;
    reel_shape shape;
    int64_t at[4];
    double number[2];
    const char *spec;
    reel_dtype to;
};

enum {
    POINTWISE = 1,   /* all operands may take any one shape */
    NO_GRADIENT = 2, /* a gradient through it is REEL_UNREACHED */
    GRID = 4,        /* has kinks or ties: operands are distinct odd multiples of 1/20 where there are enough */
    NUMBERS = 8,     /* also i32 */
    FLOATS = 16,     /* i32 is refused */
    NOT_EMPTY = 32,  /* the varied size is not 0 */
    COMMUTES = 64,   /* its operands may be exchanged */
    ORDERED = 0,     /* they may not */
    DRAWS = 128,     /* new in each run */
    ROUNDS = 256,    /* a step function at the scale of differences: no check by them */
    CANCELS = 512,   /* rounding errors are relative to the result of operands without signs */
};

int operand_count(const op_case *c);
reel_shape with_size(reel_shape shape, int64_t n);
op_case sized_case(const op_case *c, int64_t n);

/* Random operands in their domains, exact in f32. The case has no open size. */
void random_operands(const op_case *c, reel_dtype dtype, array *x);

/* ---- Programs ---------------------------------------------------------------------------------------------------- */

typedef struct program {
    reel_model *model;
    reel_tape *tape;
    reel_tensor *x[OPERANDS], *y, *gy, *gx[OPERANDS];
} program;

program program_new(void);
void program_free(program *p);

/* Inputs x0, x1, … of these shapes. */
void add_inputs(program *p, int count, const array *x);

/* y = op(x), kept; and then, gy an input, the gradients with respect to x, kept. gx is NULL where there is none. */
void record_case(program *p, const op_case *c);
void record_gradients(program *p, const op_case *c);

reel_status write_array(reel_tensor *x, const array *values);
array read_array(reel_tensor *x);

/* The values of the row's op for these operands: y, and where gy is not NULL the gradients. False with the error. */
bool compute(const op_case *c, const array *x, const array *gy, array *y, array *gx, char *text, size_t size);

/* ---- The checkers ------------------------------------------------------------------------------------------------ */

/* y against the row's naive reference: off by at most tolerance times the largest element, or, for a row that CANCELS,
 * times the largest of the reference with |x| for x. */
bool forward_is_right(const op_case *c, const array *x, double tolerance, char *text, size_t size);

/* Each element of each gradient, in f64, against central differences extrapolated to h = 0 (Richardson), for a random
 * normal cotangent: |g - d| <= 1e-9 (1 + |d|). Order 2 is the gradient of <v, gradient>. False with the first element
 * that is wrong, or the error. */
bool gradient_is_right(const op_case *c, const array *x, int order, char *text, size_t size);

#endif
