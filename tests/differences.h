/* Derivatives against differences, in f64: inputs and parameters of given values, values, and the checker. */
#ifndef REEL_TESTS_DIFFERENCES_H
#define REEL_TESTS_DIFFERENCES_H

#include "fixture.h"

#include <math.h>
#include <string.h>

#include "tests/data/fill.h"
#include "tests/worst.h"

enum { LARGEST = 4096 };

/* An input or a parameter with values in [-1, 1) from the seed. */
static inline reel_tensor *input(const char *name, reel_shape shape, uint64_t seed)
{
    double data[LARGEST];
    reel_tensor *x = reel_input(tape, name, REEL_F64, shape);
    cr_assert_leq(reel_count(x), LARGEST);
    fill(data, reel_count(x), seed, 1);
    cr_assert_eq(reel_write_f64(x, data, reel_count(x)), REEL_OK, "%s", reel_tape_error(tape));
    return x;
}

static inline reel_tensor *parameter(reel_tensor *like, const char *name, reel_shape shape, uint64_t seed)
{
    double data[LARGEST];
    reel_tensor *x = reel_parameter(like, name, shape, reel_init_zeros());
    fill(data, reel_count(x), seed, 0.7);
    cr_assert_eq(reel_write_f64(x, data, reel_count(x)), REEL_OK, "%s", reel_tape_error(tape));
    return x;
}

static inline const double *value(reel_tensor *x)
{
    static double data[8][LARGEST];
    static int next;
    double *y = data[next++ % 8];
    cr_assert_eq(reel_eval(tape, &x, 1), REEL_OK, "%s", reel_tape_error(tape));
    cr_assert_eq(reel_read_f64(x, y, reel_count(x)), REEL_OK, "%s", reel_tape_error(tape));
    return y;
}

static inline double number(reel_tensor *x) { return value(x)[0]; }
static inline reel_tensor *squares(reel_tensor *x) { return total(reel_square(x)); }

/* df/dx[i] by central differences with one step of Richardson's extrapolation. */
static inline double difference(reel_tensor *f, reel_tensor *x, int64_t i)
{
    const double step = 2e-3;
    const int64_t count = reel_count(x);
    double data[LARGEST], quotient[2];
    memcpy(data, value(x), (size_t)count * sizeof *data);
    const double at = data[i];
    for (int k = 0; k < 2; k++) {
        const double h = k ? step / 2 : step;
        data[i] = at + h, reel_write_f64(x, data, count);
        const double above = number(f);
        data[i] = at - h, reel_write_f64(x, data, count);
        quotient[k] = (above - number(f)) / (2 * h);
    }
    data[i] = at, reel_write_f64(x, data, count);
    return (4 * quotient[1] - quotient[0]) / 3;
}

static inline double largest_error(reel_tensor *f, reel_tensor *x, reel_tensor *g)
{
    double derived[LARGEST], worst = 0;
    cr_assert(reel_count(g) == reel_count(x) && reel_rank(g) == reel_rank(x));
    memcpy(derived, value(g), (size_t)reel_count(g) * sizeof *derived);
    for (int64_t i = 0; i < reel_count(x); i++) {
        const double d = difference(f, x, i);
        worst = worse_of(worst, fabs(derived[i] - d) / (1 + fabs(d)));
    }
    return worst;
}

static inline void expect_gradient(reel_tensor *f, reel_tensor *x, double tolerance)
{
    const double error = largest_error(f, x, reel_gradient(f, x));
    cr_expect(error < tolerance, "the gradient by %s is off by %g", reel_name_of(x), error);
}

static inline reel_list *list_of(int count, reel_tensor *const *x)
{
    reel_list *list = reel_list_new(tape);
    for (int i = 0; i < count; i++) reel_list_append(list, NULL, x[i]);
    return list;
}

#define LIST(...)                                                                                                      \
    list_of((int)(sizeof((reel_tensor *[]){ __VA_ARGS__ }) / sizeof(reel_tensor *)), (reel_tensor *[]){ __VA_ARGS__ })

#endif
