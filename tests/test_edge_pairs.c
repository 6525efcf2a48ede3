/* What takes two real numbers, at all pairs of zeros, infinities, NaN, the largest, the smallest and subnormal numbers:
 * value, three derivatives by either and the mixed one, in f32 and f64, against the mathematical limits. */
#include <criterion/criterion.h>

#include "count.h"
#include "edges.h"

#include <stdio.h>

enum { Y, A1, A2, A3, B1, B2, B3, AB, RESULTS };
static const char *const names[] = { "y", "d/da", "d²/da²", "d³/da³", "d/db", "d²/db²", "d³/db³", "d²/dadb" };

typedef void right_pair(real a, real b, const type *t, real *d); /* RESULTS; all 0 at first */

typedef struct pair_row {
    const char *name;
    reel_tensor *(*record)(reel_tensor *a, reel_tensor *b);
    right_pair *right;
} pair_row;

/* ---- What is right ----------------------------------------------------------------------------------------------- */

static void right_add(real a, real b, const type *t, real *d)
{
    (void)t;
    d[Y] = a + b, d[A1] = d[B1] = 1;
}

static void right_sub(real a, real b, const type *t, real *d)
{
    (void)t;
    d[Y] = a - b, d[A1] = 1, d[B1] = -1;
}

static void right_mul(real a, real b, const type *t, real *d)
{
    (void)t;
    d[Y] = a * b, d[A1] = b, d[B1] = a, d[AB] = 1;
}

/* Documented: powers of 1 / b up to the order have to be finite, and not 0, where a is 0 or infinite. */
static void right_div(real a, real b, const type *t, real *d)
{
    real y = a / b, overflow = 1;
    d[Y] = y, d[A1] = 1 / b, d[B1] = -y / b, d[B2] = 2 * y / b / b, d[B3] = -6 * y / b / b / b, d[AB] = -1 / b / b;
    for (int k = B2; k <= B3; k++) {
        overflow = rounded(overflow / b, t);
        if ((a == 0 && isinf(overflow)) || (isinf(a) && fabsl(overflow) < t->normal))
            d[k] = isnan(d[k]) ? d[k] : anything;
    }
}

/* Half to each where they are equal, and none to a NaN. */
static void choice(real a, real b, bool first, real *d)
{
    d[A1] = a == b ? 0.5L : first, d[B1] = a == b ? 0.5L : !first;
    if (isnan(a) || isnan(b)) d[A1] = d[B1] = 0;
}

static void right_minimum(real a, real b, const type *t, real *d)
{
    (void)t;
    d[Y] = isnan(a) || isnan(b) ? a + b : a < b ? a : b;
    choice(a, b, a < b, d);
}

static void right_maximum(real a, real b, const type *t, real *d)
{
    (void)t;
    d[Y] = isnan(a) || isnan(b) ? a + b : a > b ? a : b;
    choice(a, b, a > b, d);
}

static void right_where(real a, real b, const type *t, real *d)
{
    (void)t, (void)b;
    d[Y] = a, d[A1] = 1;
}

static void right_mse(real a, real b, const type *t, real *d)
{
    (void)t;
    real u = a - b;
    d[Y] = u * u / 2, d[A1] = u, d[A2] = 1, d[B1] = -u, d[B2] = 1, d[AB] = -1;
}

static bool is_normal(real x, const type *t) { return fabsl(x) >= t->normal && fabsl(x) <= t->largest; }

/* Documented: exponents are rounded, and powers and factors have to be normal numbers where they are not the end. */
static real derivative_by_base(real a, real b, int k, const type *t)
{
    real factor = 1;
    if (a < 0 && isnan(powl(a, b))) return anything;
    for (int i = 0; i < k; i++, b = rounded(b - 1, t)) {
        if (b == 0) return 0;
        factor *= b;
    }
    const real power = powl(a, b);
    if (power == 0 && !isnan(b)) return 0;
    if (isinf(power) || isnan(power) || isinf(b)) return factor * power;
    return is_normal(power, t) && is_normal(factor, t) ? factor * power : anything;
}

/* d^k y / db^k = y ln^k a */
static real derivative_by_exponent(real a, real b, int k, const type *t)
{
    const real y = powl(a, b);
    if ((a == 0 && b >= 0) || (a == inf && b < 0)) return 0;
    if (a < 0) return (real)NAN;
    if (a == 0) return k == 2 ? y : -y;
    if (isfinite(y) && y != 0 && !is_normal(y, t)) return anything;
    return y == 0 && !isnan(a) ? 0 : y * powl(logl(a), k);
}

/* Documented: the mixed one is right where a, the powers and their products with the logarithm are normal numbers. */
static real derivative_by_both(real a, real b, const type *t)
{
    const real power = powl(a, b - 1), u = logl(a);
    if (a == 0 && b > 1) return 0;
    const bool normal = a > 0 && isfinite(b) && is_normal(a, t) && is_normal(power, t) && is_normal(powl(a, b), t) &&
                        (u == 0 || is_normal(power * u, t));
    return normal ? power * (1 + b * u) : anything;
}

static void right_pow(real a, real b, const type *t, real *d)
{
    d[Y] = powl(a, b);
    for (int k = 1; k <= 3; k++) {
        d[A1 + k - 1] = derivative_by_base(a, b, k, t);
        d[B1 + k - 1] = derivative_by_exponent(a, b, k, t);
    }
    d[AB] = derivative_by_both(a, b, t);
}

static reel_tensor *chosen(reel_tensor *a, reel_tensor *b) { return reel_where(reel_shift(reel_iota(a, 1), 1), a, b); }
static reel_tensor *product(reel_tensor *a, reel_tensor *b) { return reel_contract(a, b, "k,k->"); }

static const pair_row rows_of_two[] = {
#define UNARY(...)
#define BINARY(op, ...) { #op, (reel_##op), right_##op },
#define COMPARE(...)
#include "ops/pointwise.table.h"
    { "contract", product, right_mul },
    { "where", chosen, right_where },
    { "mse", (reel_mse), right_mse },
};

/* ---- Programs ---------------------------------------------------------------------------------------------------- */

typedef struct pair_program {
    reel_model *model;
    reel_tape *tape;
    reel_tensor *a, *b, *d[RESULTS];
} pair_program;

/* All results for all pairs at once would be elementwise, but for products and losses: so it is a pair in each run. */
static pair_program pair_program_of(const pair_row *r, const type *t)
{
    pair_program p = { .model = reel_model_new((reel_model_options){ .seed = 1 }) };
    p.tape = reel_tape_new(p.model, (reel_tape_options){ .threads = 1 });
    p.a = reel_input(p.tape, "a", t->dtype, REEL_SHAPE(1)), p.b = reel_input(p.tape, "b", t->dtype, REEL_SHAPE(1));
    p.d[Y] = r->record(p.a, p.b);
    for (int k = 0; k < 3; k++) {
        p.d[A1 + k] = derivative(k ? p.d[A1 + k - 1] : p.d[Y], p.a);
        p.d[B1 + k] = derivative(k ? p.d[B1 + k - 1] : p.d[Y], p.b);
    }
    p.d[AB] = derivative(p.d[A1], p.b);
    cr_assert_eq(reel_tape_status(p.tape), REEL_OK, "%s: %s", r->name, reel_tape_error(p.tape));
    return p;
}

static void write_one(reel_tensor *x, real value)
{
    const float f32 = (float)value;
    const double f64 = (double)value;
    cr_assert_eq(reel_dtype_of(x) == REEL_F32 ? reel_write_f32(x, &f32, 1) : reel_write_f64(x, &f64, 1), REEL_OK);
}

static void expect_pair(const pair_row *r, const type *t, pair_program *p, real a, real b)
{
    real want[RESULTS] = { 0 };
    r->right(a, b, t, want);
    write_one(p->a, a), write_one(p->b, b);
    cr_assert_eq(reel_eval(p->tape, p->d, RESULTS), REEL_OK, "%s", reel_tape_error(p->tape));
    for (int k = 0; k < RESULTS; k++)
        cr_expect(is_right(reel_item(p->d[k]), want[k], 0, t), "%s of %s at (%Lg, %Lg) in %s: %g, not %Lg", names[k],
                  r->name, a, b, t->dtype == REEL_F32 ? "f32" : "f64", reel_item(p->d[k]), want[k]);
}

static void expect_pairs(const pair_row *r, const type *t)
{
    real x[POINTS + 1];
    points_of(t, x);
    pair_program p = pair_program_of(r, t);
    for (int i = 0; i <= POINTS; i++)
        for (int j = 0; j <= POINTS; j++) expect_pair(r, t, &p, x[i], x[j]);
    reel_tape_free(p.tape);
    reel_model_free(p.model);
}

Test(edge_pairs, values_and_derivatives_are_the_limits_in_f32)
{
    for (int i = 0; i < COUNT(rows_of_two); i++) expect_pairs(&rows_of_two[i], &types[0]);
}

Test(edge_pairs, values_and_derivatives_are_the_limits_in_f64)
{
    for (int i = 0; i < COUNT(rows_of_two); i++) expect_pairs(&rows_of_two[i], &types[1]);
}
