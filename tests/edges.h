/* What test_edges.c and test_edge_pairs.c share: the types, the points at which everything is tried, derivatives as
 * further values, and how far these may be from what is right, which long double holds, whose exponents reach beyond
 * those of f64. */
#ifndef REEL_TESTS_EDGES_H
#define REEL_TESTS_EDGES_H

#include <float.h>
#include <math.h>
#include <reel.h>

typedef long double real;
enum { ORDERS = 4 };

/* The type in which a row is tried. */
typedef struct type {
    reel_dtype dtype;
    real largest, normal, least, epsilon; /* the smallest normal number, the smallest of all */
} type;

static const type types[] = {
    { REEL_F32, FLT_MAX, FLT_MIN, 0x1p-149L, FLT_EPSILON },
    { REEL_F64, DBL_MAX, DBL_MIN, 0x1p-1074L, DBL_EPSILON },
};

static const real inf = INFINITY, anything = -0.123456789L; /* the latter: no promise is made */

static real rounded(real x, const type *t) { return t->dtype == REEL_F32 ? (real)(float)x : (real)(double)x; }

/* And a NaN after them. */
enum { POINTS = 28 };

static void points_of(const type *t, real *x)
{
    const real half[] = {
        0, inf, t->largest, t->largest / 2, t->normal, t->normal - t->least, t->least, 1e-10L, 0.5L, 1,
        2, 20,  100,        1e10L
    };
    for (int i = 0; i < POINTS / 2; i++) x[2 * i] = rounded(half[i], t), x[2 * i + 1] = -x[2 * i];
    x[POINTS] = (real)NAN;
}

/* The derivative of y by x, elementwise. Where y does not depend on x it is 0, which the second term is always. */
static reel_tensor *derivative(reel_tensor *y, reel_tensor *x)
{
    reel_tensor *reaching = reel_add(reel_reshape(y, REEL_SHAPE(1)), reel_scale(x, 0));
    reel_list *wrt = reel_list_new(reel_tape_of(x));
    reel_list_append(wrt, "x", x);
    return reel_list_at(reel_vjp(reaching, reel_fill(x, REEL_SHAPE(1), 1), wrt), 0);
}

static bool is_right(real got, real want, real near, const type *t)
{
    const real as_type = rounded(want, t);
    if (want == anything) return true;
    if (isnan(want)) return isnan(got);
    if (isinf(as_type)) return got == as_type || (isfinite(want) && fabsl(got) > t->largest * (1 - 64 * t->epsilon));
    return fabsl(got - want) <= 64 * t->epsilon * (fabsl(want) + near) + 8 * t->least;
}

#endif
