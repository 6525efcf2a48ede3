/* Checks of indices are made whatever their operand is and whoever else has checked it: constants, which a plan computes
 * once, included; and an index that was checked against a larger size is checked again. A run whose check fails assigns
 * nothing. Every row runs plain, planned, in a team, and as an evaluation. */
#include "core/run/executor.h"

#include "fixture.h"

#include <stdio.h>
#include <string.h>

typedef reel_tensor *indices(reel_tensor *i);

/* Indices 0 … 6 from the input i, which has them: itself, computed, and known before a run in several ways. */
static reel_tensor *written(reel_tensor *i) { return i; }
static reel_tensor *computed(reel_tensor *i) { return reel_neg(reel_neg(i)); }
static reel_tensor *counted(reel_tensor *i) { return reel_iota(i, 7); }
static reel_tensor *turned(reel_tensor *i) { return reel_flip(reel_iota(i, 7), REEL_AXES(0)); }
static reel_tensor *folded(reel_tensor *i) { return reel_sub(reel_number(i, 6), reel_iota(i, 7)); }
static reel_tensor *filled(reel_tensor *i) { return reel_fill(i, REEL_SHAPE(7), 6); }
static reel_tensor *one_number(reel_tensor *i) { return reel_number(i, 6); }
static reel_tensor *of_floats(reel_tensor *i)
{
    return reel_cast(reel_fill(reel_cast(reel_number(i, 0), REEL_F32), REEL_SHAPE(7), 6.5), REEL_I32);
}
static reel_tensor *negative(reel_tensor *i) { return reel_sub(reel_iota(i, 7), reel_number(i, 7)); }

static const struct {
    const char *name;
    indices *make;
    int low, high;
} sources[] = {
    { "written", written, 0, 6 },   { "computed", computed, 0, 6 },   { "counted", counted, 0, 6 },
    { "turned", turned, 0, 6 },     { "folded", folded, 0, 6 },       { "filled", filled, 6, 6 },
    { "number", one_number, 6, 6 }, { "of floats", of_floats, 6, 6 }, { "negative", negative, -7, -1 },
};

/* What is built with an index that must be below n. */
typedef reel_tensor *user(reel_tensor *i, reel_tensor *x, int64_t n);

static reel_tensor *rows_of(reel_tensor *x, int64_t n) { return reel_slice(x, 0, 0, n); }
static reel_tensor *for_each(reel_tensor *i, reel_tensor *x)
{
    return reel_expand(reel_squeeze(reel_slice(reel_reshape(x, REEL_SHAPE(60)), 0, 0, 1), 0), reel_shape_of(i));
}

static reel_tensor *in_range(reel_tensor *i, reel_tensor *x, int64_t n) { return (void)x, reel_in_range(i, n); }
static reel_tensor *take(reel_tensor *i, reel_tensor *x, int64_t n) { return reel_take(rows_of(x, n), i, 0); }
static reel_tensor *take_columns(reel_tensor *i, reel_tensor *x, int64_t n)
{
    return reel_take(reel_transpose(rows_of(x, n)), i, 1);
}
static reel_tensor *take_checked_wider(reel_tensor *i, reel_tensor *x, int64_t n)
{
    return reel_take(rows_of(x, n), reel_in_range(i, 12), 0);
}
static reel_tensor *scatter(reel_tensor *i, reel_tensor *x, int64_t n)
{
    return reel_scatter_add(for_each(i, x), i, 0, n);
}
static reel_tensor *scatter_checked(reel_tensor *i, reel_tensor *x, int64_t n)
{
    return reel_scatter_add(for_each(i, x), reel_in_range(i, n), 0, n);
}
static reel_tensor *scatter_checked_wider(reel_tensor *i, reel_tensor *x, int64_t n)
{
    return reel_scatter_add(for_each(i, x), reel_in_range(i, 12), 0, n);
}
static reel_tensor *scatter_checked_twice(reel_tensor *i, reel_tensor *x, int64_t n)
{
    return reel_scatter_add(for_each(i, x), reel_in_range(reel_in_range(i, n), 12), 0, 12);
}
static reel_tensor *one_hot(reel_tensor *i, reel_tensor *x, int64_t n) { return reel_one_hot(i, n, reel_dtype_of(x)); }
static reel_tensor *entropy(reel_tensor *i, reel_tensor *x, int64_t n)
{
    reel_shape rows = reel_shape_of(i);
    rows.size[rows.rank++] = n;
    return reel_cross_entropy(reel_expand(reel_slice(reel_reshape(x, REEL_SHAPE(60)), 0, 0, n), rows), i);
}
/* The gradient scatters by the index that the take has checked. */
static reel_tensor *through_a_gradient(reel_tensor *i, reel_tensor *x, int64_t n)
{
    return reel_gradient(reel_sum(reel_square(reel_take(rows_of(x, n), i, 0)), REEL_ALL, REEL_DROP), x);
}

static const struct {
    const char *name;
    user *use;
} users[] = {
    { "in_range", in_range },
    { "take", take },
    { "take of columns", take_columns },
    { "take of an index checked against more", take_checked_wider },
    { "scatter_add", scatter },
    { "scatter_add of a checked index", scatter_checked },
    { "scatter_add of an index checked against more", scatter_checked_wider },
    { "scatter_add of an index checked against less", scatter_checked_twice },
    { "one_hot", one_hot },
    { "cross_entropy", entropy },
    { "the gradient of take", through_a_gradient },
};

/* ---- Ways to run ------------------------------------------------------------------------------------------------- */

enum { PLAIN, PLANNED, UNFOLDED, TEAM, CHECKED, EVALUATED, WAYS };

static const char *const way_names[WAYS] = { "plain", "planned", "not folded", "team", "checked", "evaluated" };

enum { STATE = 60 + 25 };

/* Two states that are assigned in the same run, in place where a plan may: one from what only reads leaves, which a plan
 * defers, and one from a product, which it computes before the check. */
static reel_tensor *assign_two(reel_tensor *x)
{
    reel_tensor *s = reel_state(tape, "s", REEL_F32, REEL_SHAPE(12, 5)),
                *t = reel_state(tape, "t", REEL_F32, REEL_SHAPE(5, 5));
    reel_tensor *next = reel_assign(s, reel_add(s, reel_tanh(x)));
    reel_assign(t, reel_add(t, reel_matmul(reel_transpose(x), x)));
    return reel_keep(reel_sum(next, REEL_ALL, REEL_DROP), "assigned");
}

static void read_states(float *to)
{
    cr_assert_eq(reel_model_read_f32(model, "s", to, 60), REEL_OK);
    cr_assert_eq(reel_model_read_f32(model, "t", to + 60, 25), REEL_OK);
}

static reel_status run_in(int way, reel_tensor *y)
{
    tape->plain = way == PLAIN;
    if (way != PLAIN)
        *reel__settings(tape) = (reel__plan_settings){ .no_fold = way == UNFOLDED,
                                                       .thread_work = way == TEAM ? -1 : 0,
                                                       .tile = way == TEAM ? 16 : 0 };
    return way == EVALUATED ? reel_eval(tape, &y, 1) : reel_run(tape);
}

static void check(int source, int use, int64_t n, int way)
{
    static const int32_t seven[] = { 0, 1, 2, 3, 4, 5, 6 };
    float data[60], before[STATE], after[STATE];
    begin_with((reel_model_options){ .seed = 1 },
               (reel_tape_options){ .threads = way == TEAM ? 2 : 1, .checked = way == CHECKED });
    reel_tensor *i = reel_input(tape, "i", REEL_I32, REEL_SHAPE(7)),
                *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(12, 5));
    reel_tensor *y = users[use].use(sources[source].make(i), x, n);
    reel_keep(y, "y"), assign_two(x);
    reel_keep(reel_cast(i, REEL_F32), "written");
    for (int k = 0; k < 60; k++) data[k] = 0.25f + (float)k / 64;
    reel_write_f32(x, data, 60), reel_write_i32(i, seven, 7);
    char what[200];
    snprintf(what, sizeof what, "%s, index %s, size %d, %s", users[use].name, sources[source].name, (int)n,
             way_names[way]);
    cr_assert_null(reel_tape_error(tape), "%s: %s", what, reel_tape_error(tape));
    read_states(before);
    const bool fits = sources[source].low >= 0 && sources[source].high < n;
    cr_expect_eq(run_in(way, y), fits ? REEL_OK : REEL_BAD_INDEX, "%s: %s", what, reel_tape_error(tape));
    const char *error = reel_tape_error(tape);
    cr_expect(fits || (error && strstr(error, "in_range: the index ")), "%s: %s", what, error);
    read_states(after);
    for (int k = 0; k < STATE; k++) {
        const bool same = before[k] == after[k];
        cr_expect_eq(same, !fits || way == EVALUATED, "%s: element %d of the states", what, k);
    }
    cr_expect_eq(reel_model_runs(model), fits && way != EVALUATED, "%s: runs", what);
    end_after_error();
}

Test(checks, are_made_whatever_the_index_is_and_whoever_else_has_checked_it)
{
    for (int source = 0; source < COUNT(sources); source++)
        for (int use = 0; use < COUNT(users); use++)
            for (int64_t n = 6; n <= 8; n++)
                for (int way = 0; way < WAYS; way++) check(source, use, n, way);
}

/* An index that is right when the plan is made and wrong in a later run of it, and right again. */
Test(checks, are_made_in_every_run)
{
    for (int use = 0; use < COUNT(users); use++)
        for (int way = PLAIN; way <= CHECKED; way++) {
            static const int32_t values[][7] = {
                { 0, 1, 2, 3, 4, 5, 6 }, { 0, 1, 2, 7, 4, 5, 6 }, { 6, 6, 6, 6, 6, 6, 6 }, { 0, 0, 0, 0, 0, 0, -1 }
            };
            static const reel_status statuses[] = { REEL_OK, REEL_BAD_INDEX, REEL_OK, REEL_BAD_INDEX };
            float data[60] = { 0 };
            begin_with((reel_model_options){ .seed = 1 },
                       (reel_tape_options){ .threads = 1 + (way == TEAM), .checked = way == CHECKED });
            reel_tensor *i = reel_input(tape, "i", REEL_I32, REEL_SHAPE(7)),
                        *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(12, 5));
            reel_tensor *y = reel_keep(users[use].use(i, x, 7), "y");
            assign_two(x);
            reel_write_f32(x, data, 60);
            for (int k = 0; k < COUNT(values); k++) {
                reel_write_i32(i, values[k], 7);
                cr_expect_eq(run_in(way, y), statuses[k], "%s, run %d, %s: %s", users[use].name, k, way_names[way],
                             reel_tape_error(tape));
            }
            cr_expect_eq(reel_model_runs(model), 2);
            end_after_error();
        }
}
