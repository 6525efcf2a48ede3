/* Gradients by every tensor of a program, not by its leaves alone: each is compared with differences of the program in
 * which that tensor is an input. Random programs of small shapes, with operands that constructors could look through. */
#include "support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 14, ITEMS = 24, MOST = 60, PROGRAMS = 150, NODES = 4000 };

/* A program recorded from a seed; `variable` is the item that an input takes the place of, or −1. */
typedef struct recorded {
    reel_model *model;
    reel_tape *tape;
    reel_tensor *item[ITEMS], *own[ITEMS]; /* own: what the op gave where an input took its place */
    int count, variable;
    reel_tensor *loss;
} recorded;

/* What the program goes on with: x, or the input that takes its place. */
static reel_tensor *add(recorded *r, reel_tensor *x)
{
    char name[16];
    if (r->count == ITEMS || reel_is_bad(x) || reel_count(x) > MOST) return x;
    snprintf(name, sizeof name, "v%d", r->count);
    r->own[r->count] = x;
    if (r->count == r->variable) x = reel_input(r->tape, name, REEL_F64, reel_shape_of(x));
    return r->item[r->count++] = x;
}

static reel_tensor *pick(const recorded *r) { return r->item[chance(0.5) ? r->count - 1 : below(r->count)]; }

static reel_tensor *pick_ranked(const recorded *r)
{
    for (int k = 0; k < 20; k++) {
        reel_tensor *x = pick(r);
        if (reel_rank(x)) return x;
    }
    return reel_unsqueeze(r->item[0], 0);
}

static int random_size(void) { return chance(0.03) ? 0 : 1 + below(3); }

static void unary(recorded *r)
{
    reel_tensor *x = pick(r);
    char name[16];
    switch (below(6)) {
    case 0: add(r, reel_tanh(x)); return;
    case 1: add(r, reel_exp(reel_scale(x, 0.25))); return;
    case 2: add(r, reel_mul(x, reel_number(x, 0.5))); return;
    case 3: add(r, reel_sigmoid(x)); return;
    case 4: snprintf(name, sizeof name, "u%d", r->count), add(r, reel_variable(x, name)); return;
    default: add(r, reel_sin(x)); return;
    }
}

static void binary(recorded *r)
{
    reel_tensor *a = pick(r), *b = pick(r);
    int rank = reel_rank(a) < reel_rank(b) ? reel_rank(a) : reel_rank(b);
    for (int d = 1; d <= rank; d++)
        if (reel_dim(a, -d) != reel_dim(b, -d) && reel_dim(a, -d) != 1 && reel_dim(b, -d) != 1) return;
    add(r, chance(0.5) ? reel_mul(reel_tanh(a), b) : reel_sub(a, b));
}

static void expand(recorded *r)
{
    reel_tensor *x = pick(r);
    if (chance(0.6) && reel_rank(x) < 5) x = reel_unsqueeze(x, below(reel_rank(x) + 1));
    reel_shape shape = reel_shape_of(x);
    for (int d = 0; d < shape.rank; d++)
        if (shape.size[d] == 1) shape.size[d] = 1 + below(3);
    add(r, reel_expand(x, shape));
}

static void shuffle(char *text)
{
    for (int d = (int)strlen(text); d-- > 1;) {
        int e = below(d + 1);
        char c = text[d];
        text[d] = text[e], text[e] = c;
    }
}

/* Axes of equal size share a letter or do not; a shared one is kept or summed over. */
static void contract(recorded *r)
{
    reel_tensor *a = pick_ranked(r), *b = pick_ranked(r);
    char la[9] = "", lb[9] = "", ly[17] = "", spec[40];
    if (reel_rank(a) > 5 || reel_rank(b) > 5) return;
    for (int d = 0; d < reel_rank(a); d++) la[d] = (char)('a' + d);
    for (int d = 0; d < reel_rank(b); d++) {
        lb[d] = (char)('p' + d);
        for (int e = 0; e < reel_rank(a); e++)
            if (reel_dim(a, e) == reel_dim(b, d) && !strchr(lb, la[e]) && chance(0.6)) lb[d] = la[e];
    }
    for (const char *l = la; *l; l++)
        if (chance(strchr(lb, *l) ? 0.5 : 0.85)) ly[strlen(ly)] = *l;
    for (const char *l = lb; *l; l++)
        if (!strchr(la, *l) && chance(0.85)) ly[strlen(ly)] = *l;
    if (chance(0.4)) shuffle(ly);
    if (strlen(ly) > 6) return;
    snprintf(spec, sizeof spec, "%s,%s->%s", la, lb, ly);
    add(r, reel_scale(reel_contract(a, b, spec), 0.5));
}

static void matmul(recorded *r)
{
    reel_tensor *a = pick_ranked(r);
    int64_t k = reel_dim(a, -1);
    reel_shape shape = { .rank = 2 + below(2) };
    for (int d = 0; d < shape.rank; d++) shape.size[d] = random_size();
    shape.size[shape.rank - 2] = k;
    if (shape.rank == 3) shape.size[0] = reel_rank(a) > 2 && chance(0.6) ? reel_dim(a, -3) : 1;
    reel_tensor *w = add(r, reel_expand(reel_scale(reel_slice(r->item[1], 0, 0, 1), 0.5), shape));
    if (reel_rank(a) > 2 && shape.rank == 3 && shape.size[0] != 1 && shape.size[0] != reel_dim(a, -3)) return;
    add(r, reel_matmul(a, w));
}

static void move(recorded *r)
{
    reel_tensor *x = pick_ranked(r);
    int rank = reel_rank(x), axis = below(rank);
    int64_t n = reel_dim(x, axis), start = below((int)n + 1);
    reel_axes order = { .count = rank };
    for (int d = 0; d < rank; d++) order.axis[d] = (d + 1) % rank;
    switch (below(9)) {
    case 0: add(r, reel_reshape(x, REEL_SHAPE(reel_count(x)))); return;
    case 1: add(r, reel_permute(x, order)); return;
    case 2: add(r, reel_slice(x, axis, n ? 0 : start, n)); return;
    case 3: add(r, reel_slice(x, axis, start < n ? start : 0, n)); return;
    case 4: add(r, reel_slice_step(x, axis, 0, n, 2)); return;
    case 5: add(r, reel_flip(x, REEL_AXES(axis))); return;
    case 6: add(r, reel_pad(x, axis, below(2), below(2))); return;
    case 7: add(r, reel_concat((reel_tensor *[]){ x, reel_tanh(x) }, 2, axis)); return;
    default: add(r, reel_squeeze(reel_unsqueeze(x, axis), axis)); return;
    }
}

/* Different numbers in the shape of x: what is repeated has no ties with it, where differences see a kink. */
static reel_tensor *ramp(reel_tensor *x)
{
    reel_tensor *i = reel_cast(reel_iota(x, reel_count(x)), REEL_F64);
    return reel_reshape(reel_scale(i, 0.37), reel_shape_of(x));
}

static void reduce(recorded *r)
{
    reel_tensor *x = pick_ranked(r);
    reel_axes axes = REEL_AXES(below(reel_rank(x)));
    reel_keep_dims keep = chance(0.5) ? REEL_KEEP : REEL_DROP;
    if (!reel_dim(x, axes.axis[0]) || chance(0.4)) add(r, reel_sum(x, axes, keep));
    else if (chance(0.3)) add(r, reel_softmax(x, axes.axis[0]));
    else if (chance(0.5)) add(r, reel_max(reel_add(x, ramp(x)), axes, keep));
    else add(r, reel_sum_to(x, (reel_shape){ .rank = 0 }));
}

static void choose(recorded *r)
{
    reel_tensor *x = pick_ranked(r);
    int axis = below(reel_rank(x));
    if (!reel_dim(x, axis)) return;
    reel_tensor *last = reel_number(reel_cast(x, REEL_I32), (double)(reel_dim(x, axis) - 1));
    reel_tensor *i = reel_minimum(reel_iota(x, 1 + below(3)), last);
    reel_tensor *y = add(r, reel_take(x, i, axis));
    if (chance(0.5)) add(r, reel_scatter_add(reel_tanh(y), i, axis, reel_dim(x, axis)));
    if (chance(0.5)) add(r, reel_where(reel_cast(reel_iota(x, reel_dim(x, -1)), REEL_I32), x, reel_tanh(x)));
}

static recorded record(uint64_t seed, int variable)
{
    static void (*const kinds[])(recorded *) = { unary,    binary, expand, expand, contract,
                                                 contract, matmul, move,   reduce, choose };
    recorded r = { .variable = variable };
    r.model = reel_model_new((reel_model_options){ .seed = 1 });
    r.tape = reel_tape_new(r.model, (reel_tape_options){ .keep_everything = true });
    random_seed(seed * 977 + 5);
    add(&r, reel_input(r.tape, "x", REEL_F64, REEL_SHAPE(2, 1, 3)));
    add(&r, reel_input(r.tape, "y", REEL_F64, REEL_SHAPE(3, 1)));
    for (int k = 0; k < STEPS; k++) {
        kinds[below(sizeof kinds / sizeof *kinds)](&r);
        if (reel_tape_error(r.tape)) break;
    }
    reel_tensor *loss = reel_number(r.item[0], 0);
    for (int i = 0; i < r.count; i++)
        loss =
            reel_add(loss, reel_scale(reel_sum(reel_sin(reel_shift(r.item[i], 0.1 * i)), REEL_ALL, REEL_DROP), 1 + i));
    r.loss = loss;
    return r;
}

static void forget(recorded *r)
{
    reel_tape_free(r->tape);
    reel_model_free(r->model);
}

static void write(reel_tensor *x, const double *data) { cr_assert_eq(reel_write_f64(x, data, reel_count(x)), REEL_OK); }

static const double leaf_x[6] = { 0.3, -0.7, 1.1, 0.9, -0.2, 0.5 }, leaf_y[3] = { -0.4, 0.8, 0.6 };

static void write_leaves(const recorded *r)
{
    write(r->own[0], leaf_x);
    write(r->own[1], leaf_y);
}

/* Whether y depends on x. */
static bool is_read(const reel_tensor *y, const reel_tensor *x)
{
    static const reel_tensor *seen[NODES];
    int count = 0;
    seen[count++] = y;
    for (int k = 0; k < count; k++)
        for (int j = 0; j < reel_input_count(seen[k]); j++) {
            const reel_tensor *in = reel_input_at(seen[k], j);
            int at = 0;
            if (in == x) return true;
            while (at < count && seen[at] != in) at++;
            if (at == count && count < NODES) seen[count++] = in;
        }
    cr_assert_lt(count, NODES);
    return false;
}

static double value_at(const recorded *r, reel_tensor *of, reel_tensor *v, const double *at)
{
    write_leaves(r);
    write(v, at);
    cr_assert_eq(reel_run(r->tape), REEL_OK, "%s", reel_tape_error(r->tape));
    return reel_item(of);
}

/* Central differences at three distances, extrapolated. */
static double difference(const recorded *r, reel_tensor *of, reel_tensor *v, double *at, int64_t i)
{
    double x = at[i], d[3];
    for (int k = 0; k < 3; k++) {
        double h = 2e-3 / (1 << k), up, down;
        at[i] = x + h, up = value_at(r, of, v, at);
        at[i] = x - h, down = value_at(r, of, v, at);
        d[k] = (up - down) / (2 * h);
    }
    at[i] = x;
    double first = (4 * d[1] - d[0]) / 3, second = (4 * d[2] - d[1]) / 3;
    return (16 * second - first) / 15;
}

typedef struct tally {
    int compared, shared, second, largest;
} tally;

/* One item of a program: its gradient, and that of the square of the gradient, against differences. */
static void check_item(uint64_t seed, int i, const double *values, const double *gradient, tally *t)
{
    recorded r = record(seed, -1), v = record(seed, i);
    cr_assert_null(reel_tape_error(v.tape), "seed %d, item %d: %s", (int)seed, i, reel_tape_error(v.tape));
    if (is_read(v.loss, v.own[i])) { /* another computation of the program is the same node */
        t->shared++;
        forget(&r), forget(&v);
        return;
    }
    double at[MOST], square[MOST];
    memcpy(at, values, sizeof at);
    reel_tensor *vg = reel_gradient(v.loss, v.item[i]), *vs = reel_sum(reel_square(vg), REEL_ALL, REEL_DROP);
    reel_tensor *g = reel_gradient(r.loss, r.item[i]), *s = reel_sum(reel_square(g), REEL_ALL, REEL_DROP);
    reel_tensor *gs = reel_gradient(s, r.item[i]);
    write_leaves(&r);
    cr_assert_eq(reel_run(r.tape), REEL_OK, "seed %d, item %d: %s", (int)seed, i, reel_tape_error(r.tape));
    cr_assert_eq(reel_read_f64(gs, square, reel_count(gs)), REEL_OK);
    for (int64_t k = 0; k < reel_count(r.item[i]); k++) {
        double d = difference(&v, v.loss, v.item[i], at, k), d2 = difference(&v, vs, v.item[i], at, k);
        cr_assert(fabs(gradient[k] - d) <= 2e-8 * (1 + fabs(d)), "seed %d, item %d (%s), element %d: %.12g, not %.12g",
                  (int)seed, i, reel_op_name(r.item[i]), (int)k, gradient[k], d);
        cr_assert(fabs(square[k] - d2) <= 2e-6 * (1 + fabs(d2)),
                  "seed %d, item %d (%s), element %d, second order: %.12g, not %.12g", (int)seed, i,
                  reel_op_name(r.item[i]), (int)k, square[k], d2);
        t->second++;
    }
    t->compared++;
    forget(&r), forget(&v);
}

static void check_program(uint64_t seed, tally *t)
{
    recorded r = record(seed, -1);
    static double value[ITEMS][MOST], gradient[ITEMS][MOST];
    cr_assert_null(reel_tape_error(r.tape), "seed %d: %s", (int)seed, reel_tape_error(r.tape));
    reel_list *all = reel_list_new(r.tape);
    for (int i = 0; i < r.count; i++) reel_list_append(all, "item", r.item[i]);
    reel_list *g = reel_gradients(r.loss, all);
    write_leaves(&r);
    cr_assert_eq(reel_run(r.tape), REEL_OK, "seed %d: %s", (int)seed, reel_tape_error(r.tape));
    for (int i = 0; i < r.count; i++) {
        int64_t count = reel_count(r.item[i]);
        cr_assert_eq(reel_read_f64(r.item[i], value[i], count), REEL_OK);
        cr_assert_eq(reel_read_f64(reel_list_at(g, i), gradient[i], count), REEL_OK);
    }
    int count = r.count;
    forget(&r);
    for (int i = 0; i < count; i++) check_item(seed, i, value[i], gradient[i], t);
}

Test(partial, by_every_tensor_of_random_programs)
{
    tally t = { 0 };
    const char *from = getenv("REEL_PARTIAL_SEED");
    for (int seed = 0; seed < PROGRAMS; seed++) check_program((uint64_t)(seed + (from ? atoi(from) : 0)), &t);
    cr_log_info("%d tensors, %d elements; %d were shared", t.compared, t.second, t.shared);
    cr_assert_gt(t.compared, 8 * PROGRAMS);
    cr_assert_lt(t.shared, t.compared / 4);
}
