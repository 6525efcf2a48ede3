/* Reductions and their kin as the user sees them: the ends of i32, ties over several axes, long rows; run by the plan and
 * one op at a time. What they are to the bit is in test_bits.c. */
#include <criterion/criterion.h>

#include "support.h"

#include "core/record/tape.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static char text[400];

typedef reel_tensor *recorder(reel_tensor *const *x);

/* y = record(x), computed by the plan and without one. */
static array run_as(recorder *record, int count, const array *x, bool plain)
{
    program p = program_new();
    p.tape->plain = plain;
    add_inputs(&p, count, x);
    reel_tensor *y = reel_keep(record(p.x), "y");
    for (int i = 0; i < count; i++) write_array(p.x[i], &x[i]);
    cr_assert_eq(reel_run(p.tape), REEL_OK, "%s", reel_tape_error(p.tape));
    array result = read_array(y);
    program_free(&p);
    return result;
}

static void expect_values(recorder *record, int count, const array *x, const array *right, const char *what)
{
    for (int plain = 0; plain < 2; plain++) {
        array y = run_as(record, count, x, plain);
        cr_expect(equal_arrays(&y, right, text, sizeof text), "%s%s: %s", what, plain ? ", plain" : "", text);
    }
}

#define RECORD(name, expression)                                                                                       \
    static reel_tensor *name(reel_tensor *const *x) { return expression; }

static void seed(void) { random_seed(5); }

TestSuite(extremes, .init = seed, .fini = forget_arrays);

/* ---- i32 --------------------------------------------------------------------------------------------------------- */

RECORD(max_of_rows, reel_max(x[0], REEL_AXES(1), REEL_DROP))
RECORD(min_of_rows, reel_min(x[0], REEL_AXES(1), REEL_DROP))
RECORD(max_of_columns, reel_max(x[0], REEL_AXES(0), REEL_DROP))
RECORD(min_of_columns, reel_min(x[0], REEL_AXES(0), REEL_DROP))
RECORD(max_of_all, reel_max(x[0], REEL_ALL, REEL_DROP))
RECORD(min_of_all, reel_min(x[0], REEL_ALL, REEL_DROP))

static void expect_i32(recorder *record, reel_shape shape, const double *x, double right, const char *what)
{
    array values = array_of(REEL_I32, shape, x);
    for (int plain = 0; plain < 2; plain++) {
        array y = run_as(record, 1, &values, plain);
        for (int64_t i = 0; i < y.count; i++) cr_expect_eq(y.at[i], right, "%s: %.0f, not %.0f", what, y.at[i], right);
    }
}

Test(extremes, of_i32_are_right_at_its_ends)
{
    const double low[] = { INT32_MIN, 5, -1 }, high[] = { INT32_MAX, INT32_MIN, 0 }, ends[] = { INT32_MIN, INT32_MIN };
    expect_i32(min_of_rows, REEL_SHAPE(1, 3), low, INT32_MIN, "min of a row");
    expect_i32(min_of_columns, REEL_SHAPE(3, 1), low, INT32_MIN, "min of a column");
    expect_i32(min_of_all, REEL_SHAPE(3), low, INT32_MIN, "min");
    expect_i32(max_of_rows, REEL_SHAPE(1, 3), low, 5, "max of a row");
    expect_i32(min_of_all, REEL_SHAPE(3), high, INT32_MIN, "min");
    expect_i32(max_of_columns, REEL_SHAPE(3, 1), high, INT32_MAX, "max of a column");
    expect_i32(max_of_all, REEL_SHAPE(2), ends, INT32_MIN, "max of two least numbers");
    expect_i32(min_of_all, REEL_SHAPE(2), ends, INT32_MIN, "min of two least numbers");
}

Test(extremes, of_i32_are_those_of_plain_loops_for_every_length)
{
    for (int64_t n = 1; n < 90; n += n < 40 ? 1 : 7) {
        array rows = array_new(REEL_I32, REEL_SHAPE(3, n)), columns = array_new(REEL_I32, REEL_SHAPE(n, 3));
        array most = array_new(REEL_I32, REEL_SHAPE(3)), least = array_new(REEL_I32, REEL_SHAPE(3));
        for (int64_t r = 0; r < 3; r++)
            for (int64_t i = 0; i < n; i++) {
                double v = (double)(int32_t)random_bits();
                rows.at[r * n + i] = columns.at[i * 3 + r] = v;
                most.at[r] = i ? fmax(most.at[r], v) : v, least.at[r] = i ? fmin(least.at[r], v) : v;
            }
        expect_values(max_of_rows, 1, &rows, &most, "max of rows");
        expect_values(min_of_rows, 1, &rows, &least, "min of rows");
        expect_values(max_of_columns, 1, &columns, &most, "max of columns");
        expect_values(min_of_columns, 1, &columns, &least, "min of columns");
    }
}

/* ---- Several axes ------------------------------------------------------------------------------------------------ */

typedef reel_tensor *reduction(reel_tensor *x, reel_axes axes, reel_keep_dims keep);

/* The gradient of 6 Σ op(x) for x [2,3,2,2] with values 0, 1 and 2, over some axes: to all ties alike. */
static void expect_shares(reduction *op, double sign, reel_axes axes, reel_keep_dims keep)
{
    array x = array_new(REEL_F64, REEL_SHAPE(2, 3, 2, 2)), right = array_new(REEL_F64, x.shape);
    for (int64_t i = 0; i < x.count; i++) x.at[i] = (double)(random_bits() % 3);
    bool chosen[4] = { false };
    for (int i = 0; i < axes.count; i++) chosen[axes.axis[i]] = true;
    for (int64_t at[REEL_MAX_RANK] = { 0 }, more = 1; more; more = next_index(&x.shape, at)) {
        double best = -3;
        int ties = 0;
        for (int64_t other[REEL_MAX_RANK] = { 0 }, next = 1; next; next = next_index(&x.shape, other)) {
            bool together = true;
            for (int d = 0; d < 4; d++) together &= chosen[d] || at[d] == other[d];
            double v = sign * x.at[offset_of(&x.shape, other)];
            if (together && v > best) best = v, ties = 0;
            ties += together && v == best;
        }
        int64_t here = offset_of(&x.shape, at);
        right.at[here] = sign * x.at[here] == best ? 6.0 / ties : 0;
    }
    program p = program_new();
    add_inputs(&p, 1, &x);
    reel_tensor *y = reel_sum(op(p.x[0], axes, keep), REEL_ALL, REEL_DROP);
    reel_tensor *g = reel_keep(reel_gradient(reel_scale(y, 6), p.x[0]), "g");
    write_array(p.x[0], &x);
    cr_assert_eq(reel_run(p.tape), REEL_OK, "%s", reel_tape_error(p.tape));
    array got = read_array(g);
    cr_expect(close_arrays(&got, &right, 1e-15, 6, text, sizeof text), "%d axes from %d: %s", axes.count, axes.axis[0],
              text);
    program_free(&p);
}

Test(extremes, share_the_gradient_equally_between_ties_over_any_axes)
{
    const reel_axes axes[] = { REEL_AXES(3),    REEL_AXES(1),    REEL_AXES(0, 1), REEL_AXES(1, 3),
                               REEL_AXES(3, 0), REEL_AXES(0, 2), REEL_AXES(2, 3), REEL_AXES(0, 1, 2, 3) };
    for (size_t i = 0; i < sizeof axes / sizeof *axes; i++)
        for (int repeat = 0; repeat < 6; repeat++) {
            expect_shares(reel_max, 1, axes[i], repeat % 2 ? REEL_KEEP : REEL_DROP);
            expect_shares(reel_min, -1, axes[i], repeat % 2 ? REEL_KEEP : REEL_DROP);
            forget_arrays();
        }
}

/* ---- Long rows --------------------------------------------------------------------------------------------------- */

RECORD(max_of_long, reel_max(reel_mul(x[0], x[0]), REEL_AXES(1), REEL_DROP))
RECORD(min_of_long, reel_min(reel_neg(x[0]), REEL_AXES(1), REEL_DROP))

Test(extremes, of_long_rows_are_found_with_what_computes_them)
{
    const int64_t sizes[] = { 1023, 1025, 4096, 5000, 5001 };
    for (int k = 0; k < 5; k++)
        for (int64_t at = 0; at < sizes[k]; at += sizes[k] / 7) {
            array x = array_new(REEL_F32, REEL_SHAPE(2, sizes[k]));
            for (int64_t i = 0; i < x.count; i++) x.at[i] = as_dtype(random_in(-1, 1), REEL_F32);
            x.at[at] = 3, x.at[sizes[k] + at] = (double)NAN;
            array most = array_of(REEL_F32, REEL_SHAPE(2), (double[]){ 9, (double)NAN });
            array least = array_of(REEL_F32, REEL_SHAPE(2), (double[]){ -3, (double)NAN });
            expect_values(max_of_long, 1, &x, &most, "max");
            expect_values(min_of_long, 1, &x, &least, "min");
            forget_arrays();
        }
}

/* ---- scatter_add ------------------------------------------------------------------------------------------------- */

TestSuite(scatter, .init = seed, .fini = forget_arrays);

RECORD(to_one, reel_scatter_add(reel_expand(x[0], REEL_SHAPE(20000000)), reel_expand(x[1], REEL_SHAPE(20000000)), 0, 1))

/* One after the other they would stop at 2^24. */
Test(scatter, of_twenty_million_ones_is_exact)
{
    array one = array_of(REEL_F32, REEL_SHAPE(1), (double[]){ 1 }), zero = array_new(REEL_I32, REEL_SHAPE(1));
    array right = array_of(REEL_F32, REEL_SHAPE(1), (double[]){ 20000000 });
    array y = run_as(to_one, 2, (array[]){ one, zero }, false);
    cr_expect(equal_arrays(&y, &right, text, sizeof text), "%s", text);
}

static reel_tensor *embedding_gradient(reel_tensor *const *x)
{
    reel_tensor *rows = reel_take(x[0], reel_expand(x[1], REEL_SHAPE(3000000)), 0);
    return reel_gradient(reel_sum(reel_scale(rows, 16), REEL_ALL, REEL_DROP), x[0]);
}

Test(scatter, makes_the_gradient_of_an_embedding_exact)
{
    array table = array_new(REEL_F32, REEL_SHAPE(2, 1)), second = array_of(REEL_I32, REEL_SHAPE(1), (double[]){ 1 });
    array right = array_of(REEL_F32, REEL_SHAPE(2, 1), (double[]){ 0, 48000000 });
    array y = run_as(embedding_gradient, 2, (array[]){ table, second }, false);
    cr_expect(equal_arrays(&y, &right, text, sizeof text), "%s", text);
}

/* Two by the same indices, and what they are made of: x [2, 3, 2], indices [3, 2] along axis 1, and their sum. As rows of
 * two, since single elements need no lists. */
static reel_tensor *two_by_the_same(reel_tensor *const *x)
{
    reel_tensor *flat = reel_reshape(x[1], REEL_SHAPE(6));
    reel_tensor *rows = reel_transpose(reel_reshape(x[0], REEL_SHAPE(2, 6)));
    return reel_transpose(
        reel_add(reel_scatter_add(rows, flat, 0, 4), reel_scatter_add(reel_neg(reel_mul(rows, rows)), flat, 0, 4)));
}

Test(scatter, twice_by_the_same_indices_finds_the_sources_once)
{
    program p = program_new();
    array x[] = { random_array(REEL_F32, REEL_SHAPE(2, 3, 2)), array_new(REEL_I32, REEL_SHAPE(3, 2)) };
    for (int i = 0; i < 6; i++) x[1].at[i] = (double)(random_bits() % 4);
    add_inputs(&p, 2, x);
    reel_keep(two_by_the_same(p.x), "y");
    const reel_tensor *bucket = NULL;
    for (int64_t i = 0; i < p.tape->log.count; i++) { /* what was recorded or found again */
        const reel_tensor *node = REEL__AT(p.tape->log, reel_tensor *, i);
        if (strcmp(reel_op_name(node), "bucket") != 0) continue;
        cr_expect(!bucket || bucket == node, "the sources are found twice");
        bucket = node;
    }
    cr_expect(bucket != NULL);
    program_free(&p);
    array right = array_new(REEL_F32, REEL_SHAPE(2, 4));
    for (int o = 0; o < 2; o++)
        for (int k = 0; k < 4; k++) {
            double sum = 0, squares = 0;
            for (int s = 0; s < 6; s++) {
                double v = x[0].at[o * 6 + s];
                if (x[1].at[s] == k)
                    sum = as_dtype(sum + v, REEL_F32),
                    squares = as_dtype(squares - as_dtype(v * v, REEL_F32), REEL_F32);
            }
            right.at[o * 4 + k] = as_dtype(sum + squares, REEL_F32);
        }
    expect_values(two_by_the_same, 2, x, &right, "two");
}

/* No source, no destination's columns, no row: shapes alone. */
Test(scatter, of_nothing_is_zeros)
{
    const int64_t shapes[][4] = { { 0, 0, 3, 4 }, { 2, 0, 3, 4 }, { 0, 5, 3, 4 }, { 2, 5, 0, 4 }, { 2, 0, 3, 0 } };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const int64_t *n = shapes[i];
        array x = array_new(REEL_F64, REEL_SHAPE(n[0], n[1], n[2])), to = array_new(REEL_I32, REEL_SHAPE(n[1]));
        for (int plain = 0; plain < 2; plain++) {
            program p = program_new();
            p.tape->plain = plain;
            add_inputs(&p, 2, (array[]){ x, to });
            reel_tensor *y = reel_keep(reel_scatter_add(p.x[0], p.x[1], 1, n[3]), "y");
            write_array(p.x[0], &x), write_array(p.x[1], &to);
            cr_assert_eq(reel_run(p.tape), REEL_OK, "%s", reel_tape_error(p.tape));
            array got = read_array(y);
            cr_expect_eq(got.count, n[0] * n[3] * n[2]);
            for (int64_t k = 0; k < got.count; k++) cr_expect(same_bits(got.at[k], 0.0));
            program_free(&p);
        }
    }
    program p = program_new();
    array x = array_new(REEL_F32, REEL_SHAPE(2, 0)), to = array_new(REEL_I32, REEL_SHAPE(2));
    add_inputs(&p, 2, (array[]){ x, to });
    reel_keep(reel_scatter_add(p.x[0], p.x[1], 0, (int64_t)1 << 50), "y");
    write_array(p.x[0], &x), write_array(p.x[1], &to);
    cr_expect_eq(reel_run(p.tape), REEL_OK, "%s", reel_tape_error(p.tape));
    program_free(&p);
}
