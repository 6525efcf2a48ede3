/* Many different programs on one tape, so many that nodes and lists of programs long gone come back at the same addresses,
 * with calls that are answered as a whole (gradients, vjp, matmul) at the same places with other operands. What a
 * program gives does not depend on what the tape recorded before: it is compared with a fresh tape of a fresh model. */
#include "core/record/tape.h"
#include "chance.h"
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 3,
    COLUMNS = 4,
    KEPT = 4,
    VALUES = 14,
    BEGINNINGS = 5,
    CALLS = 30,
    PROGRAMS = BEGINNINGS * CALLS,
    RECORDINGS = 4000
};

/* A program is a beginning that CALLS programs share, one call that each has for itself, and what is made of its result. */
typedef struct maker {
    reel_tape *tape;
    reel_tensor *value[VALUES];
    reel_tensor *leaf[3];
    int count;
} maker;

static reel_tensor *any(maker *m) { return m->value[below(m->count)]; }
static reel_tensor *recent(maker *m) { return m->value[m->count - 1 - below(m->count < 3 ? m->count : 3)]; }

static reel_list *some_leaves(maker *m)
{
    reel_list *list = reel_list_new(m->tape);
    const int first = below(3), count = 1 + below(3);
    for (int i = 0; i < count; i++) reel_list_append(list, below(3) ? NULL : "other", m->leaf[(first + i) % 3]);
    return list;
}

/* Something of every leaf, so that a gradient by it exists. */
static reel_tensor *scalar(maker *m)
{
    reel_tensor *all = reel_mul(reel_add(m->leaf[0], m->leaf[1]), reel_tanh(m->leaf[2]));
    return reel_mean(reel_mul(below(2) ? recent(m) : any(m), all), REEL_ALL, REEL_DROP);
}

static reel_tensor *sum_of(const reel_list *list)
{
    reel_tensor *sum = NULL;
    for (int i = 0; i < reel_list_count(list); i++) {
        reel_tensor *term = reel_scale(reel_list_at(list, i), strcmp(reel_list_name(list, i), "other") ? i + 1 : 0.5);
        sum = sum ? reel_add(sum, term) : term;
    }
    return sum;
}

static reel_tensor *step(maker *m)
{
    reel_tensor *a = recent(m), *b = any(m);
    static const double numbers[] = { 0.5, 0.7, 1.25, -0.3 };
    switch (below(14)) {
    case 0: return reel_add(a, b);
    case 1: return reel_sub(a, b);
    case 2: return reel_mul(a, b);
    case 3: return reel_maximum(a, b);
    case 4: return reel_tanh(a);
    case 5: return reel_scale(a, numbers[below(4)]);
    case 6: return reel_matmul(reel_scale(reel_matmul(a, reel_transpose(b)), 0.25), any(m));
    case 7: { /* more operands than a node has room for */
        reel_tensor *rows[] = { reel_slice(a, 0, 0, 1), reel_slice(b, 0, 1, 2), reel_slice(a, 0, 2, 3),
                                reel_slice(b, 0, 0, 1), reel_slice(any(m), 0, 1, 3) };
        const int first = below(4);
        return reel_slice(reel_concat(rows, 5, 0), 0, first, first + ROWS);
    }
    case 8: return reel_mul(a, reel_sum(b, REEL_AXES(below(2)), REEL_KEEP));
    case 9: return sum_of(reel_gradients(scalar(m), some_leaves(m)));
    case 10:
        return sum_of(reel_vjp(reel_mul(a, reel_mul(m->leaf[0], reel_mul(m->leaf[1], m->leaf[2]))), b, some_leaves(m)));
    case 11: return reel_add(reel_gradient(scalar(m), m->leaf[below(3)]), a);
    case 12: {
        static const char *const patterns[] = { "p", "q", "*", "p,q", NULL };
        reel_tensor *l = reel_mul(reel_add(m->leaf[1], m->leaf[2]), a);
        return sum_of(reel_parameters(l, patterns[below(5)]));
    }
    default: return reel_where(reel_lt(a, b), a, reel_sin(b));
    }
}

/* What differs is the call, its tensors, their order, a name, a pattern: everything that is asked for stands already. */
static reel_tensor *own_call(maker *m, int call, reel_tensor *const *y, reel_tensor *const *loss)
{
    static const struct {
        int count, leaf[3];
        const char *name;
    } wrt[] = { { 1, { 0 }, NULL },    { 1, { 1 }, NULL },    { 2, { 0, 1 }, NULL },    { 2, { 1, 0 }, NULL },
                { 1, { 1 }, "other" }, { 1, { 2 }, "other" }, { 3, { 0, 1, 2 }, NULL }, { 3, { 2, 1, 0 }, "other" } };
    static const char *const patterns[] = { "p", "q", "*", "q,p" };
    if (call >= 24 && call < 28) return sum_of(reel_parameters(y[1], patterns[call - 24]));
    if (call == 28) return reel_matmul(reel_tanh(reel_matmul(y[0], reel_transpose(y[1]))), y[2]);
    if (call == 29) return reel_add(y[0], reel_sum(y[1], REEL_AXES(0), REEL_KEEP));
    reel_list *list = reel_list_new(m->tape);
    const int which = call < 16 ? call % 8 : call % 4;
    for (int i = 0; i < wrt[which].count; i++) reel_list_append(list, wrt[which].name, m->leaf[wrt[which].leaf[i]]);
    if (call < 16) return sum_of(reel_gradients(loss[call / 8], list));
    return sum_of(reel_vjp(y[0], y[1 + call / 4 % 2], list));
}

/* The same, of calls that find their nodes again by their operands. */
static reel_tensor *own_product(int call, reel_tensor *const *y)
{
    reel_tensor *turned[] = { reel_transpose(y[0]), reel_transpose(y[1]), reel_transpose(y[2]) };
    reel_tensor *rows[] = { reel_slice(y[0], 0, 0, 1), reel_slice(y[1], 0, 0, 1), reel_slice(y[2], 0, 0, 1) };
    reel_tensor *square = reel_tanh(reel_matmul(y[call % 3], turned[call / 3 % 3]));
    reel_tensor *sum =
        call % 2 ? reel_add(y[call / 2 % 3], rows[call / 6 % 3]) : reel_mul(y[call / 2 % 3], rows[call / 6 % 3]);
    return reel_matmul(square, sum);
}

/* Returns the input. */
static reel_tensor *record(reel_tape *on, int program, reel_tensor **kept)
{
    maker m = { .tape = on };
    random_seed((uint64_t)(program / CALLS));
    const int call = program % CALLS;
    const reel_shape shape = REEL_SHAPE(ROWS, COLUMNS);
    m.leaf[0] = reel_input(on, "x", REEL_F32, shape);
    m.leaf[1] = reel_parameter(m.leaf[0], "p", shape, reel_init_uniform(-1, 1));
    m.leaf[2] = reel_parameter(m.leaf[0], "q", shape, reel_init_uniform(-1, 1));
    for (int i = 0; i < 3; i++) m.value[m.count++] = m.leaf[i];
    while (m.count < VALUES - 3) {
        reel_tensor *value = step(&m);
        cr_assert_null(reel_tape_error(on), "program %d: %s", program, reel_tape_error(on));
        m.value[m.count++] = below(4) ? value : reel_tanh(value);
    }
    reel_tensor *all = reel_mul(reel_add(m.leaf[0], m.leaf[1]), reel_tanh(m.leaf[2]));
    reel_tensor *y[] = { reel_mul(reel_tanh(any(&m)), all), reel_mul(reel_sin(any(&m)), all), reel_add(any(&m), all) };
    reel_tensor *loss[] = { reel_mean(y[0], REEL_ALL, REEL_DROP), reel_mean(reel_square(y[1]), REEL_ALL, REEL_DROP) };
    reel_tensor *first = program / CALLS % 2 ? own_call(&m, call, y, loss) : own_product(call, y);
    reel_tensor *second = program / CALLS % 2 ? own_product(call, y) : own_call(&m, call, y, loss);
    m.value[m.count++] = first, m.value[m.count++] = second;
    reel_tensor *last = step(&m);
    m.value[m.count++] = last;
    cr_assert_null(reel_tape_error(on), "program %d: %s", program, reel_tape_error(on));
    for (int i = 0; i < KEPT; i++) {
        char name[16];
        snprintf(name, sizeof name, "k%d", (i + program) % KEPT);
        kept[i] = reel_keep(reel_tanh(m.value[VALUES - 1 - i]), name);
    }
    return m.leaf[0];
}

typedef struct result {
    bool known;
    float at[KEPT][ROWS * COLUMNS];
} result;

static void run_program(reel_tape *on, int program, result *r)
{
    reel_tensor *kept[KEPT];
    float x[ROWS * COLUMNS];
    reel_tensor *input = record(on, program, kept);
    for (int i = 0; i < ROWS * COLUMNS; i++) x[i] = sinf((float)(i + program));
    reel_write_f32(input, x, ROWS * COLUMNS);
    cr_assert_eq(reel_run(on), REEL_OK, "program %d: %s", program, reel_tape_error(on));
    for (int i = 0; i < KEPT; i++)
        cr_assert_eq(reel_read_f32(kept[i], r->at[i], ROWS * COLUMNS), REEL_OK, "%s", reel_tape_error(on));
    r->known = true;
}

static void run_fresh(int program, result *r)
{
    reel_model *other = reel_model_new((reel_model_options){ .seed = 1 });
    reel_tape *fresh = reel_tape_new(other, (reel_tape_options){ 0 });
    run_program(fresh, program, r);
    reel_tape_free(fresh);
    reel_model_free(other);
}

static result expected[PROGRAMS];

static void expect_as_fresh(int program, int recording)
{
    result now;
    if (!expected[program].known) run_fresh(program, &expected[program]);
    run_program(tape, program, &now);
    cr_assert(memcmp(now.at, expected[program].at, sizeof now.at) == 0, "program %d as recording %d is another",
              program, recording);
}

/* Goes on while programs draw numbers of their own. */
static uint64_t next(uint64_t *state) { return mixed(*state += 0x9e3779b97f4a7c15u); }

/* Most recordings have the beginning of the one before and another call. */
Test(recur, programs_give_what_they_give_on_a_fresh_tape_when_addresses_come_back, .timeout = 120)
{
    begin();
    uint64_t state = 9;
    int program = 0;
    for (int i = 0; i < RECORDINGS; i++) {
        const int way = (int)(next(&state) % 8), beginning = program / CALLS;
        if (way == 7) program = (int)(next(&state) % PROGRAMS);
        else if (way > 1) program = beginning * CALLS + (int)(next(&state) % CALLS); /* another call */
        reel_tape_clear(tape);
        expect_as_fresh(program, i);
    }
    cr_expect_gt(tape->retired, 2 << 16, "%lld nodes were retired", (long long)tape->retired);
    end();
}

/* The programs are different, their values finite and of some size, or the test above says nothing. */
Test(recur, the_programs_are_different)
{
    for (int i = 0; i < PROGRAMS; i++) {
        run_fresh(i, &expected[i]);
        for (int k = 0; k < KEPT * ROWS * COLUMNS; k++)
            cr_assert(isfinite((&expected[i].at[0][0])[k]), "program %d", i);
        for (int j = 0; j < i; j++)
            cr_expect(memcmp(expected[i].at, expected[j].at, sizeof expected[i].at) != 0, "%d and %d", i, j);
    }
}

/* A tensor of a recording long ago is refused, not taken for one that is new. */
Test(recur, what_is_stale_is_refused_however_often_the_tape_was_cleared_since)
{
    begin();
    reel_tensor *kept[KEPT], *old[40];
    for (int i = 0; i < 40; i++) {
        record(tape, i, kept);
        old[i] = kept[i % KEPT];
        reel_tape_clear(tape);
        for (int k = 0; k <= i; k++) cr_expect(reel_is_bad(old[k]), "of recording %d after %d", k, i);
    }
    end();
}

/* A cleared list is refused while 16 others wait with it; one that is made of its memory begins empty. */
Test(recur, lists_are_made_of_old_ones_only_later_and_begin_empty)
{
    begin();
    reel_list *list[60];
    int again = 0;
    for (int i = 0; i < 60; i++) {
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2));
        list[i] = reel_list_new(tape);
        cr_expect_eq(reel_list_count(list[i]), 0, "list %d", i);
        for (int k = 0; k < 3 + i % 4; k++) cr_assert_eq(reel_list_append(list[i], "name", x), REEL_OK);
        cr_expect_eq(reel_list_count(list[i]), 3 + i % 4);
        for (int k = 0; k < i; k++) again += list[k] == list[i];
        for (int k = i > 16 ? i - 16 : 0; k < i; k++)
            cr_expect(list[k] != list[i] && reel_list_count(list[k]) == 0, "list %d after %d", k, i);
        reel_tape_clear(tape);
    }
    cr_expect_gt(again, 0, "memory is used again");
    end();
}

/* Two calls with the same tensor at the same place of two recordings. */
Test(recur, a_call_is_not_answered_with_the_list_of_another)
{
    begin();
    for (int i = 0; i < 6; i++) {
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2));
        reel_tensor *p = reel_parameter(x, "p", REEL_SHAPE(2), reel_init_zeros());
        reel_tensor *loss = reel_sum(reel_mul(x, p), REEL_ALL, REEL_DROP);
        if (i % 2 == 0) cr_expect_eq(reel_list_count(reel_parameters(loss, NULL)), 1);
        else cr_expect_eq(reel_list_count(reel_gradients(loss, reel_list_new(tape))), 0);
        cr_assert_null(reel_tape_error(tape), "%s", reel_tape_error(tape));
        reel_tape_clear(tape);
    }
    end();
}

/* What is kept stands where something else of another program stood when that was planned. */
Test(recur, a_plan_is_not_taken_for_that_of_an_output_at_the_same_address)
{
    typedef reel_tensor *unary(reel_tensor *);
    static unary *const ops[] = { reel_sin, reel_exp };
    const float at = 0.5f;
    begin();
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SCALAR), *old = reel_keep(reel_tanh(x), "y"), *y = NULL;
    reel_write_f32(x, &at, 1);
    run();
    int k = 0;
    for (; k < 200000 && y != old; k++) {
        reel_tape_clear(tape);
        x = reel_input(tape, "x", REEL_F32, REEL_SCALAR);
        y = reel_keep(ops[k % 2](x), "y");
    }
    cr_assert_eq(y, old, "the address did not come back");
    reel_write_f32(x, &at, 1);
    run();
    const double right = k % 2 ? sin(0.5) : exp(0.5);
    cr_expect(fabs(reel_item(y) - right) < 1e-6, "%g, not %g", reel_item(y), right);
    end();
}
