/* Everything that takes real numbers, at zeros, infinities, NaN, the largest, the smallest and subnormal numbers: value and
 * three derivatives, in f32 and f64, are the mathematical limits, which edge_rows.h computes. What is finite is not refused
 * in checked mode. Two operands at a time are in test_edge_pairs.c; norms and moments of any size in test_scales.c. */
#include "edge_rows.h"
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Programs ---------------------------------------------------------------------------------------------------- */

typedef struct program {
    reel_model *model;
    reel_tape *tape;
    reel_tensor *x, *d[ORDERS];
    int orders;
} program;

static program program_of(const row *r, const type *t, reel_tape_options options, int orders)
{
    program p = { .model = reel_model_new((reel_model_options){ .seed = 1 }), .orders = orders };
    p.tape = reel_tape_new(p.model, options);
    p.x = reel_parameter(reel_input(p.tape, "like", t->dtype, REEL_SCALAR), "x", REEL_SHAPE(1), reel_init_zeros());
    p.d[0] = r->record(p.x);
    for (int k = 1; k < orders; k++) p.d[k] = derivative(p.d[k - 1], p.x);
    cr_assert_eq(reel_tape_status(p.tape), REEL_OK, "%s: %s", r->name, reel_tape_error(p.tape));
    for (int k = 0; k < orders; k++) cr_assert_eq(reel_count(p.d[k]), 1, "%s", r->name);
    return p;
}

static void program_free(program *p)
{
    reel_tape_free(p->tape);
    reel_model_free(p->model);
}

static reel_status run_at(program *p, real x)
{
    const float f32 = (float)x;
    const double f64 = (double)x;
    reel_status status =
        reel_dtype_of(p->x) == REEL_F32 ? reel_write_f32(p->x, &f32, 1) : reel_write_f64(p->x, &f64, 1);
    return status == REEL_OK ? reel_eval(p->tape, p->d, p->orders) : status;
}

static void expect_row(const row *r, const type *t)
{
    real x[POINTS + 1];
    points_of(t, x);
    program p = program_of(r, t, (reel_tape_options){ .threads = 1 }, ORDERS);
    program plain = program_of(r, t, (reel_tape_options){ .keep_everything = true }, ORDERS);
    for (int i = 0; i <= POINTS; i++) {
        real want[ORDERS] = { 0 };
        r->right(x[i], t, want);
        cr_assert_eq(run_at(&p, x[i]), REEL_OK, "%s: %s", r->name, reel_tape_error(p.tape));
        cr_assert_eq(run_at(&plain, x[i]), REEL_OK);
        for (int k = 0; k < ORDERS; k++) {
            const double got = reel_item(p.d[k]), other = reel_item(plain.d[k]);
            cr_expect(is_right(got, want[k], isfinite(x[i]) ? r->near : 0, t),
                      "row %d, %s, derivative %d at %Lg in %s: %g, not %Lg", (int)(r - rows), r->name, k, x[i],
                      t->dtype == REEL_F32 ? "f32" : "f64", got, want[k]);
            cr_expect(memcmp(&got, &other, sizeof got) == 0 || (isnan(got) && isnan(other)),
                      "row %d, %s, derivative %d at %Lg: %a planned, %a plain", (int)(r - rows), r->name, k, x[i], got,
                      other);
        }
    }
    program_free(&p);
    program_free(&plain);
}

Test(edges, values_and_three_derivatives_are_the_limits_in_f32)
{
    for (int i = 0; i < ROWS; i++) expect_row(&rows[i], &types[0]);
}

Test(edges, values_and_three_derivatives_are_the_limits_in_f64)
{
    for (int i = 0; i < ROWS; i++) expect_row(&rows[i], &types[1]);
}

/* ---- Checked mode ------------------------------------------------------------------------------------------------ */

/* Of the program for the first derivatives, as many as are finite. */
static void expect_unrefused(const row *r, const type *t, int orders)
{
    real x[POINTS + 1];
    points_of(t, x);
    program p = program_of(r, t, (reel_tape_options){ .checked = true }, orders);
    for (int i = 0; i < POINTS; i++) {
        real want[ORDERS] = { 0 };
        bool finite = isfinite(x[i]);
        r->right(x[i], t, want);
        for (int k = 0; k < ORDERS; k++)
            finite &= want[k] != anything && (k >= orders || isfinite(rounded(want[k], t)));
        if (finite)
            cr_expect_eq(run_at(&p, x[i]), REEL_OK, "row %d, %s at %Lg in %s, %d derivatives: %s", (int)(r - rows),
                         r->name, x[i], t->dtype == REEL_F32 ? "f32" : "f64", orders - 1, reel_tape_error(p.tape));
    }
    program_free(&p);
}

/* Of v = 0 Adam computes the slope of the root, which is infinite, before it throws it away. */
static int orders_checked(const row *r) { return strcmp(r->name, "adam_update") ? ORDERS : 1; }

Test(edges, what_is_finite_is_not_refused_in_checked_mode)
{
    for (int i = 0; i < ROWS; i++)
        for (int t = 0; t < COUNT(types); t++)
            for (int orders = 1; orders <= orders_checked(&rows[i]); orders++)
                expect_unrefused(&rows[i], &types[t], orders);
}

/* Rows of which all is masked, by a number that is infinite and not a value that became so. */
Test(edges, rows_without_an_open_element_are_not_refused_in_checked_mode)
{
    begin_with((reel_model_options){ .seed = 1 }, (reel_tape_options){ .checked = true });
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
    reel_tensor *open = reel_input(tape, "open", REEL_I32, REEL_SHAPE(2, 3));
    reel_tensor *scores = reel_where(open, x, reel_number(x, -INFINITY));
    reel_tensor *weights = reel_softmax(scores, -1);
    reel_tensor *g = reel_gradient(reel_sum(reel_square(weights), REEL_ALL, REEL_DROP), x);
    float got[6];
    cr_assert_eq(reel_write_f32(x, (float[]){ 1, 2, 3, 4, 5, 5 }, 6), REEL_OK);
    cr_assert_eq(reel_write_i32(open, (int32_t[]){ 0, 0, 0, 0, 1, 1 }, 6), REEL_OK);
    cr_assert_eq(reel_eval(tape, (reel_tensor *[]){ weights, g }, 2), REEL_OK, "%s", reel_tape_error(tape));
    cr_assert_eq(reel_read_f32(weights, got, 6), REEL_OK);
    for (int i = 0; i < 6; i++) cr_expect_eq(got[i], i < 4 ? 0 : 0.5f, "%d: %g", i, (double)got[i]);
    cr_assert_eq(reel_read_f32(g, got, 6), REEL_OK);
    for (int i = 0; i < 6; i++) cr_expect_eq(got[i], 0, "%d: %g", i, (double)got[i]);
    end();
}

/* No element is the largest where one is NaN: nothing is shared among none of them, which would be 0 / 0. */
Test(edges, a_nan_in_a_maximum_makes_no_nan_of_what_its_gradient_is_made_of)
{
    begin();
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2));
    reel_tensor *w = reel_input(tape, "w", REEL_F32, REEL_SCALAR);
    reel_tensor *gx = reel_gradient(reel_mul(reel_max(x, REEL_ALL, REEL_DROP), w), x);
    reel_tensor *gw = reel_gradient(reel_sum(gx, REEL_ALL, REEL_DROP), w);
    cr_assert_eq(reel_write_f32(x, (float[]){ (float)NAN, 1 }, 2), REEL_OK);
    cr_assert_eq(reel_write_f32(w, (float[]){ 3 }, 1), REEL_OK);
    cr_assert_eq(reel_eval(tape, &gw, 1), REEL_OK, "%s", reel_tape_error(tape));
    cr_expect_eq(reel_item(gw), 0, "%g", reel_item(gw));
    end();
}

/* ---- The table is complete --------------------------------------------------------------------------------------- */

static bool has_row(const char *name)
{
    bool found = false;
    for (int i = 0; i < ROWS; i++) found |= !strcmp(rows[i].name, name);
    for (int i = 0; i < COUNT(without_rows); i++) found |= !strcmp(without_rows[i], name);
#define UNARY(...)
#define BINARY(op, ...) found |= !strcmp(#op, name); /* all pairs are in test_edge_pairs.c */
#define COMPARE(op, ...)
#include "ops/pointwise.table.h"
    return found;
}

/* What records has a macro in reel/lines.h, below the header that it is of: "#define reel_exp(...)". */
Test(edges, has_a_row_for_everything_that_takes_real_numbers)
{
    static const char start[] = "#define reel_";
    char line[400], name[80];
    int count = 0;
    bool is_op = false;
    snprintf(line, sizeof line, "%s/include/reel/lines.h", REEL_SOURCE_ROOT);
    FILE *file = fopen(line, "r");
    cr_assert(file, "%s", line);
    while (fgets(line, sizeof line, file)) {
        is_op |= !strcmp(line, "/* reel/ops.h */\n");
        if (!is_op || strncmp(line, start, sizeof start - 1) != 0) continue;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(line + sizeof start - 1, "("), line + sizeof start - 1);
        if (strlen(name) > 5 && !strcmp(name + strlen(name) - 5, "_with")) name[strlen(name) - 5] = 0;
        cr_expect(has_row(name), "reel_%s has no row in tests/edge_rows.h", name);
        count++;
    }
    fclose(file);
    cr_expect_geq(count, 88);
}
