/* Empty axes: every op of the table with a size of 0 for each axis of each operand in turn, used twice, so that
 * shares of a gradient merge; values, gradients and gradients of these, by both executors. */
#include "fixture.h"
#include "op_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 16 };

typedef struct result {
    int count;
    array value[KEPT];
} result;

/* All sizes of the row that are as this one, or this one alone. */
static void make_empty(op_case *c, int input, int axis, bool alike)
{
    int64_t size = c->x[input].shape.size[axis];
    for (int i = 0; alike && i < operand_count(c); i++)
        for (int d = 0; d < c->x[i].shape.rank; d++)
            if (c->x[i].shape.size[d] == size) c->x[i].shape.size[d] = 0;
    for (int d = 0; alike && d < c->shape.rank; d++)
        if (c->shape.size[d] == size) c->shape.size[d] = 0;
    c->x[input].shape.size[axis] = 0;
}

static void keep(reel_tensor **kept, int *count, reel_tensor *x)
{
    char name[16];
    snprintf(name, sizeof name, "k%d", *count);
    if (*count < KEPT && !reel_is_bad(x)) kept[(*count)++] = reel_keep(x, name);
}

/* y and its double, the gradients of a loss of both, and those of the sum of their squares. */
static int record_all(program *p, const op_case *c, reel_tensor **kept)
{
    int count = 0, operands = operand_count(c);
    reel_tensor *other[OPERANDS];
    for (int i = 0; i < operands; i++) {
        bool inside = c->x[i].kind == REAL && !(c->is & (GRID | NO_GRADIENT));
        other[i] = inside ? reel_scale(p->x[i], 0.75) : p->x[i];
    }
    if (operands > 1) other[0] = p->x[0]; /* one operand twice with different others */
    p->y = c->record(c, p->x);
    keep(kept, &count, p->y);
    if (c->is & (NO_GRADIENT | ROUNDS | DRAWS) || reel_is_bad(p->y)) return count;
    reel_tensor *y = reel_cast(p->y, REEL_F64), *z = reel_cast(c->record(c, other), REEL_F64);
    reel_tensor *loss = reel_add(total(reel_sin(y)), total(reel_mul(reel_cos(z), reel_shift(z, 0.5)))), *second = NULL;
    reel_list *wrt = reel_list_new(p->tape);
    for (int i = 0; i < operands; i++)
        if (c->x[i].kind == REAL && !c->x[i].constant) reel_list_append(wrt, "x", p->x[i]);
    reel_list *g = reel_gradients(loss, wrt);
    for (int i = 0; i < reel_list_count(g); i++) {
        reel_tensor *gx = reel_list_at(g, i), *square = total(reel_cast(reel_square(gx), REEL_F64));
        keep(kept, &count, gx);
        second = second ? reel_add(second, square) : square;
    }
    for (int i = 0; second && strcmp(c->op, "sign") && strcmp(c->op, "floor") && i < reel_list_count(wrt); i++)
        keep(kept, &count, reel_gradient(second, reel_list_at(wrt, i)));
    return count;
}

/* False: the op refuses these sizes, in words. */
static bool run_case(const op_case *c, const array *x, bool plain, result *r)
{
    setenv("REEL_PLAIN", plain ? "1" : "0", 1);
    program p = program_new();
    reel_tensor *kept[KEPT];
    add_inputs(&p, operand_count(c), x);
    r->count = record_all(&p, c, kept);
    reel_status status = reel_tape_status(p.tape);
    bool refused = status == REEL_BAD_SHAPE || status == REEL_BAD_ARGUMENT;
    if (refused) { /* by the op that the row is of, or what it is made of, not by a rule of differentiation */
        cr_assert(reel_is_bad(p.y), "%s: %s", c->op, reel_tape_error(p.tape));
        program_free(&p);
        return false;
    }
    cr_assert_eq(status, REEL_OK, "%s: %s", c->op, reel_tape_error(p.tape));
    for (int i = 0; i < operand_count(c); i++) cr_assert_eq(write_array(p.x[i], &x[i]), REEL_OK);
    status = reel_run(p.tape);
    if (status == REEL_BAD_INDEX) { /* there is none that an empty axis has */
        program_free(&p);
        return false;
    }
    cr_assert_eq(status, REEL_OK, "%s: %s", c->op, reel_tape_error(p.tape));
    for (int i = 0; i < r->count; i++) r->value[i] = read_array(kept[i]);
    program_free(&p);
    return true;
}

/* Whether the shape in the row's attributes, if it has one, is still one that the op makes of its operand. */
static bool follows(const op_case *c, const array *x)
{
    int64_t count = 1;
    for (int d = 0; d < c->shape.rank; d++) count *= c->shape.size[d];
    return c->naive != naive_reshape || count == x->count;
}

typedef struct tally {
    int ran, refused, compared, elements;
} tally;

static void check(const op_case *c, reel_dtype dtype, tally *t)
{
    char text[400];
    array x[OPERANDS];
    result plain, planned;
    forget_arrays();
    random_operands(c, dtype, x);
    if (!run_case(c, x, true, &plain)) {
        t->refused++;
        return;
    }
    cr_assert(run_case(c, x, false, &planned));
    cr_assert_eq(plain.count, planned.count);
    for (int i = 0; i < plain.count; i++) {
        cr_expect(equal_arrays(&plain.value[i], &planned.value[i], text, sizeof text), "%s: %s", c->op, text);
        for (int64_t k = 0; k < plain.value[i].count; k++)
            cr_expect(i == 0 || isfinite(plain.value[i].at[k]), "%s: value %d is %g", c->op, i, plain.value[i].at[k]);
        t->elements += (int)plain.value[i].count;
    }
    t->ran++;
    if (c->is & DRAWS) return;
    const reel_shape *is = &plain.value[0].shape;
    if (!follows(c, &x[0])) return;
    array reference;
    c->naive(c, x, &reference);
    if (reference.shape.rank != is->rank || memcmp(reference.shape.size, is->size, (size_t)is->rank * 8) != 0) return;
    cr_expect(forward_is_right(c, x, 1e-5, text, sizeof text), "%s: %s", c->op, text);
    t->compared++;
}

Test(empty, sizes_of_every_op_in_every_place)
{
    tally t = { 0 };
    random_seed(3);
    for (const op_case *row = op_cases; row < end_of_cases; row++)
        for (int i = 0; i < operand_count(row); i++)
            for (int d = 0; d < row->x[i].shape.rank; d++)
                for (int way = 0; way < 4; way++) {
                    op_case c = sized_case(row, 4);
                    make_empty(&c, i, d, way & 1);
                    check(&c, way & 2 ? REEL_F64 : REEL_F32, &t);
                }
    cr_log_info("%d cases ran, %d compared, %d refused, %d elements", t.ran, t.compared, t.refused, t.elements);
    cr_assert_gt(t.ran, 700);
    cr_assert_gt(t.compared, 600);
    cr_assert_gt(t.elements, 3000);
}

/* What is made of the ops: layers, losses and updates on a batch of nothing, and on rows of nothing. */
static void train_on_nothing(int64_t batch, int64_t in, bool plain)
{
    setenv("REEL_PLAIN", plain ? "1" : "0", 1);
    begin();
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(batch, in));
    reel_tensor *class = reel_input(tape, "class", REEL_I32, REEL_SHAPE(batch));
    reel_tensor *h = reel_dropout(reel_relu(reel_linear(x, "hidden", 4)), "drop", 0.5), *y = reel_linear(h, "out", 3);
    reel_tensor *log_p = reel_log_softmax(y, -1), *hit = reel_cast(reel_one_hot(class, 3, REEL_F32), REEL_F32);
    reel_tensor *loss = reel_neg(total(reel_mul(hit, log_p)));
    reel_list *p = reel_parameters(loss, NULL), *g = reel_gradients(loss, p);
    reel_tensor *penalty = reel_l2(loss, "**/w", 0.1);
    for (int i = 0; i < reel_list_count(g); i++) penalty = reel_add(penalty, total(reel_square(reel_list_at(g, i))));
    reel_adam(reel_add(loss, penalty), (reel_adam_options){ .lr = 0.1 });
    cr_assert_eq(reel_write_f32(x, (float[]){ 0 }, batch * in), REEL_OK);
    cr_assert_eq(reel_write_i32(class, (int32_t[]){ 2, 0, 1 }, batch), REEL_OK);
    for (int k = 0; k < 3; k++) cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    cr_expect(isfinite(reel_item(loss)) && (batch || reel_item(loss) == 0));
    float w[12];
    cr_assert_eq(reel_model_read_f32(model, "out/w", w, 12), REEL_OK);
    for (int i = 0; i < 12; i++) cr_expect(isfinite(w[i]));
    end();
}

Test(empty, batches_and_rows_train)
{
    for (int plain = 0; plain < 2; plain++) {
        train_on_nothing(0, 5, plain);
        train_on_nothing(3, 0, plain);
        train_on_nothing(0, 0, plain);
    }
}

/* Of no elements, and yet with sizes whose product is more than an i32 can count. */
Test(empty, arrays_may_have_large_sizes)
{
    begin();
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(0, 70000, 70000));
    reel_tensor *at = reel_input(tape, "at", REEL_I32, REEL_SHAPE(0, 1, 1));
    reel_tensor *y = reel_keep(reel_take_along_axis(x, at, 1), "y");
    cr_expect_eq(reel_rank(y), 3, "%s", reel_tape_error(tape));
    cr_expect_eq(reel_dim(y, 2), 70000);
    reel_keep(reel_gradient(total(y), x), "gradient");
    reel_write_f32(x, NULL, 0), reel_write_i32(at, NULL, 0);
    run();
    end();
}
