/* Recording again: a tape that was cleared and is recorded anew holds exactly what a new tape would hold, node by node
 * and line by line, and computes the same bits, whatever differs from the recording before. */
#include "core/run/executor.h"

#include "fixture.h"

#include <math.h>
#include <reel/op.h>
#include <stdio.h>
#include <string.h>

enum { IN = 3, HIDDEN = 4, OUT = 2, MOST_ROWS = 6 };

/* What a step may have that the one before it had not. */
typedef enum variant {
    PLAIN,
    SHORT,          /* fewer rows */
    RELU,           /* another op at the front */
    LINES,          /* recorded by other lines of the program */
    RATE,           /* other numbers: data */
    FACTOR,         /* another number: structure */
    TURNED,         /* operands recorded in the other order */
    KEPT_AS,        /* another name of a kept value */
    KEPT_MORE,      /* a gradient kept as well */
    AXIS,           /* another attribute */
    PATTERN,        /* fewer parameters updated */
    NO_GRADIENT,    /* the middle gradient left out */
    LATER,          /* something else after a gradient */
    GRADIENT_LATER, /* the same gradient after another op */
    OTHER_ARGUMENT, /* the same call by another tensor */
    REPLACED,       /* a parameter by a value of its own */
    REPLACED_OTHERWISE,
    MORE_DRAWS,
    ERROR_EARLY,
    ERROR_LATE,
    ERROR_OF_GRADIENT,
    OPEN_SCOPE,
    APPENDED, /* to the list that a gradient returned */
    RULE,     /* another attribute of a user's op, which its derivative reads */
    VARIANTS
} variant;

/* ---- A user's op, y = a x, whose factor is an attribute of a node that is never shared --------------------------- */

static bool times_shape(reel_tensor *y)
{
    return reel_set_shape(y, reel_dtype_of(reel_input_at(y, 0)), reel_rank(reel_input_at(y, 0)),
                          reel_sizes(reel_input_at(y, 0)));
}

static void times_run(const reel_call *call)
{
    const double a = *(const double *)reel_attr(call->node);
    for (int64_t i = 0; i < reel_count(call->node); i++)
        ((float *)call->y)[i] = (float)a * ((const float *)call->x[0])[i];
}

static reel_tensor *times_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    (void)input;
    return reel_scale(gy, *(const double *)reel_attr(y));
}

static const reel_op times_op = {
    .size = sizeof(reel_op), .name = "times", .shape = times_shape, .run = times_run, .vjp = times_vjp, .unique = true
};

static reel_tensor *times(reel_tensor *x, double a) { return reel_record(&times_op, &x, 1, &a, sizeof a); }

/* ---- The step ---------------------------------------------------------------------------------------------------- */

typedef struct step {
    reel_tape *tape;
    reel_tensor *x, *y;
    variant v;
    int64_t rows;
} step;

static reel_tensor *line(step *s, int n, reel_tensor *x)
{
    return (reel_here)(x, "again.c", s->v == LINES ? 100 + n : n);
}

static reel_tensor *network(step *s, reel_tensor *x)
{
    reel_tensor *a = line(s, 1, (reel_linear)(x, "hidden", HIDDEN));
    a = line(s, 2, s->v == RELU ? (reel_relu)(a) : (reel_tanh)(a));
    if (s->v == ERROR_EARLY) line(s, 3, (reel_add)(a, (reel_iota)(a, 7)));
    a = line(s, 4, (reel_dropout)(a, "drop", s->v == RATE ? 0.3 : 0.2));
    a = line(s, 5, (reel_keep)(a, s->v == KEPT_AS ? "dropped" : "activation"));
    for (int k = 0; k < 2 + (s->v == MORE_DRAWS); k++) { /* the scope is entered again: other draws, the same weights */
        (reel_scope_push)(s->tape, "noise/%c", 'a');
        a = line(s, 6, (reel_add)(a, (reel_scale)((reel_normal)(a, "n", reel_shape_of(a)), 0.1)));
        a = line(s, 7, (reel_mul)(a, (reel_parameter)(a, "gain", REEL_SHAPE(HIDDEN), reel_init_constant(1))));
        (reel_scope_pop)(s->tape);
    }
    return line(s, 8, (reel_linear)(times(a, s->v == RULE ? 0.75 : 1.25), "output", OUT));
}

/* A state that is carried from run to run. */
static reel_tensor *carried(step *s, reel_tensor *a)
{
    reel_tensor *h = line(s, 10, (reel_state)(s->tape, "h", REEL_F32, REEL_SHAPE(OUT)));
    reel_tensor *mean = (reel_mean)(a, REEL_AXES(0), REEL_DROP);
    return line(s, 11, (reel_assign)(h, (reel_add)((reel_scale)(h, s->v == FACTOR ? 0.5 : 0.25), mean)));
}

static reel_tensor *scale_parameter(step *s)
{
    (reel_scope_push)(s->tape, "input");
    reel_tensor *w = line(s, 12, (reel_parameter)(s->x, "scale", REEL_SHAPE(IN), reel_init_uniform(-1, 1)));
    (reel_scope_pop)(s->tape);
    return w;
}

/* The input times a parameter, or times what replaces it. */
static reel_tensor *scaled_input(step *s)
{
    reel_tensor *w = scale_parameter(s);
    const bool replaced = s->v == REPLACED || s->v == REPLACED_OTHERWISE;
    if (replaced) {
        reel_list *parameters = reel_list_new(s->tape), *values = reel_list_new(s->tape);
        (reel_list_append)(parameters, NULL, w);
        (reel_list_append)(values, NULL, s->v == REPLACED ? (reel_exp)(w) : (reel_neg)(w));
        (reel_with_push)(s->tape, parameters, values);
    }
    reel_tensor *x = line(s, 13, (reel_mul)(s->x, scale_parameter(s)));
    if (replaced) (reel_with_pop)(s->tape);
    return x;
}

/* The loss with the norm of its own gradient added, so that a gradient lies in the middle. */
static reel_tensor *with_penalty(step *s, reel_tensor *loss, reel_tensor *by)
{
    if (s->v == GRADIENT_LATER) by = (reel_exp)(by), loss = (reel_add)(loss, (reel_mean)(by, REEL_ALL, REEL_DROP));
    if (s->v == ERROR_OF_GRADIENT) line(s, 14, (reel_gradient)(loss, (reel_iota)(by, 3)));
    if (s->v == NO_GRADIENT) return loss;
    reel_tensor *g = line(s, 15, (reel_gradient)(loss, s->v == OTHER_ARGUMENT ? s->x : by));
    if (s->v == KEPT_MORE) line(s, 16, (reel_keep)(g, "g"));
    if (s->v == LATER) g = line(s, 17, (reel_sin)(g));
    reel_tensor *norm = (reel_sum)((reel_square)(g), s->v == AXIS ? REEL_AXES(1) : REEL_AXES(0), REEL_DROP);
    return line(s, 18, (reel_add)(loss, (reel_scale)((reel_mean)(norm, REEL_ALL, REEL_DROP), 0.01)));
}

static void update(step *s, reel_tensor *loss)
{
    const double rate = s->v == RATE ? 0.03 : 0.05;
    reel_list *p = (reel_parameters)(loss, s->v == PATTERN ? "output/w" : "**/w"), *g = (reel_gradients)(loss, p);
    if (s->v == APPENDED) (reel_list_append)(p, NULL, s->x), (reel_list_append)(g, NULL, s->x);
    reel_here_list(g, "again.c", 20);
    if (s->v == APPENDED) p = (reel_parameters)(loss, "**/w"), g = (reel_gradients)(loss, p);
    reel_sgd_options sgd = { .lr = rate, .momentum = 0.9 };
    reel_here_list(reel_sgd_update_sized(p, reel_clip_norm(g, 0.7), &sgd, sizeof sgd), "again.c", 21);
    reel_adam_options adam = { .lr = rate, .parameter_pattern = "**,!**/w" };
    reel_here_list(reel_adam_sized(loss, &adam, sizeof adam), "again.c", 22);
}

static void record(step *s)
{
    s->rows = s->v == SHORT ? MOST_ROWS / 2 : MOST_ROWS;
    s->x = line(s, 30, (reel_input)(s->tape, "x", REEL_F32, REEL_SHAPE(s->rows, IN)));
    s->y = line(s, 31, (reel_input)(s->tape, "y", REEL_F32, REEL_SHAPE(s->rows, OUT)));
    reel_tensor *scaled = scaled_input(s), *a = network(s, scaled);
    reel_tensor *first = s->v == TURNED ? (reel_sin)(a) : (reel_cos)(a),
                *second = s->v == TURNED ? (reel_cos)(a) : NULL;
    a = line(s, 32, (reel_add)(s->v == TURNED ? second : first, s->v == TURNED ? first : (reel_sin)(a)));
    reel_tensor *h = carried(s, a);
    reel_tensor *loss = line(s, 33, (reel_mse)((reel_add)(a, (reel_detach)(h)), s->y));
    loss = with_penalty(s, loss, scaled);
    update(s, loss);
    line(s, 34, (reel_keep)(loss, "loss"));
    if (s->v == ERROR_LATE) line(s, 35, (reel_matmul)(s->x, s->y));
    if (s->v == OPEN_SCOPE) (reel_scope_push)(s->tape, "open");
}

static void write_inputs(const step *s, int number)
{
    float values[MOST_ROWS * IN];
    for (int i = 0; i < MOST_ROWS * IN; i++) values[i] = sinf((float)(100 * number + i));
    reel_write_f32(s->x, values, s->rows * IN);
    reel_write_f32(s->y, values, s->rows * OUT);
}

/* ---- Two tapes, compared ----------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static int64_t place_in_log(const reel_tape *of, const reel_tensor *x)
{
    int64_t i = 0;
    while (i < of->log.count && REEL__AT(of->log, reel_tensor *, i) != x) i++;
    return i;
}

static bool same_node(const reel_tensor *a, const reel_tensor *b)
{
    bool same = a->op == b->op && a->input_count == b->input_count && same_text(a->file, b->file) &&
                a->line == b->line && same_text(a->scope->path, b->scope->path) && same_text(a->name, b->name) &&
                a->readable == b->readable && a->rank == b->rank && a->dtype == b->dtype &&
                a->generation == a->tape->generation;
    for (int d = 0; same && d < a->rank; d++) same = a->size[d] == b->size[d];
    for (int i = 0; same && i < a->input_count; i++)
        same = place_in_log(a->tape, a->inputs[i]) == place_in_log(b->tape, b->inputs[i]);
    return same && (a->value || a->op->draws || a->attr_size == 0 ||
                    (a->attr_size == b->attr_size && memcmp(a->attr, b->attr, (size_t)a->attr_size) == 0));
}

static bool same_places(const reel_tape *a, const reel_tape *b, const reel__array *of_a, const reel__array *of_b)
{
    bool same = of_a->count == of_b->count;
    for (int64_t i = 0; same && i < of_a->count; i++)
        same = place_in_log(a, REEL__AT(*of_a, reel_tensor *, i)) == place_in_log(b, REEL__AT(*of_b, reel_tensor *, i));
    return same;
}

static bool same_keeps(const reel_tape *a, const reel_tape *b)
{
    bool same = a->keeps.count == b->keeps.count;
    for (int64_t i = 0; same && i < a->keeps.count; i++) {
        const reel__named *p = &REEL__AT(a->keeps, reel__named, i), *q = &REEL__AT(b->keeps, reel__named, i);
        same = same_text(p->name, q->name) && place_in_log(a, p->x) == place_in_log(b, q->x);
    }
    return same;
}

static bool same_uses(const reel_tape *a, const reel_tape *b)
{
    bool same = a->uses.count == b->uses.count;
    for (int64_t i = 0; same && i < a->uses.count; i++) {
        const reel__name *p = REEL__AT(a->uses, reel__name *, i), *q = REEL__AT(b->uses, reel__name *, i);
        same = same_text(p->name, q->name) && same_text(p->file, q->file) && p->line == q->line;
    }
    return same;
}

static bool same_calls(const reel_tape *a, const reel_tape *b)
{
    bool same = a->calls.count == b->calls.count;
    for (int64_t i = 0; same && i < a->calls.count; i++) {
        const reel__recorded_call *p = &REEL__AT(a->calls, reel__recorded_call, i),
                                  *q = &REEL__AT(b->calls, reel__recorded_call, i);
        same = p->call == q->call && p->from == q->from && p->to == q->to && same_text(p->pattern, q->pattern);
    }
    return same;
}

/* What differs between two recordings; NULL: nothing. */
static const char *difference(const reel_tape *a, const reel_tape *b)
{
    static char text[200];
    if (!same_text(reel_tape_error(a), reel_tape_error(b))) return "errors";
    if (a->log.count != b->log.count) return "how much was recorded";
    for (int64_t i = 0; i < a->log.count; i++) {
        const reel_tensor *p = REEL__AT(a->log, reel_tensor *, i), *q = REEL__AT(b->log, reel_tensor *, i);
        if (same_node(p, q)) continue;
        snprintf(text, sizeof text, "node %lld, %s at %s:%d and %s at %s:%d", (long long)i, p->op->name,
                 p->file ? p->file : "", p->line, q->op->name, q->file ? q->file : "", q->line);
        return text;
    }
    if (!same_places(a, b, &a->losses, &b->losses)) return "losses";
    if (!same_places(a, b, &a->assigns, &b->assigns)) return "assignments";
    if (!same_keeps(a, b)) return "kept values";
    if (!same_uses(a, b)) return "names";
    if (!same_calls(a, b)) return "calls";
    return a->draws == b->draws && a->node_count == b->node_count ? NULL : "counts";
}

/* All values of a model, then those that a tape has kept. */
typedef struct image {
    float values[600];
    int64_t count;
} image;

static void image_of(image *now, reel_model *m, reel_tape *t)
{
    memset(now, 0, sizeof *now);
    for (int64_t i = 0; i < reel_model_count(m); i++) {
        const char *name = reel_model_name(m, i);
        const reel_shape shape = reel_model_shape(m, name);
        int64_t n = 1;
        for (int d = 0; d < shape.rank; d++) n *= shape.size[d];
        cr_assert(now->count + n <= 600);
        cr_assert_eq(reel_model_read_f32(m, name, now->values + now->count, n), REEL_OK);
        now->count += n;
    }
    for (int64_t i = 0; reel_tape_status(t) == REEL_OK && i < t->keeps.count; i++) {
        reel_tensor *x = REEL__AT(t->keeps, reel__named, i).x;
        cr_assert(now->count + reel_count(x) <= 600);
        cr_assert_eq(reel_read_f32(x, now->values + now->count, reel_count(x)), REEL_OK, "%s", reel_tape_error(t));
        now->count += reel_count(x);
    }
}

/* The value of the first that is kept, from an evaluation. */
static void evaluate(reel_tape *t, image *now)
{
    reel_tensor *x = REEL__AT(t->keeps, reel__named, 0).x;
    cr_assert(now->count + reel_count(x) <= 600);
    cr_assert_eq(reel_eval(t, &x, 1), REEL_OK, "%s", reel_tape_error(t));
    cr_assert_eq(reel_read_f32(x, now->values + now->count, reel_count(x)), REEL_OK, "%s", reel_tape_error(t));
    now->count += reel_count(x);
}

/* One tape that is recorded again at every step, and a model whose every step has a tape of its own. */
typedef struct pair {
    reel_model *model[2];
    step again, fresh;
    int steps;
    bool plain;
} pair;

static pair begin_pair(void)
{
    pair p = { 0 };
    for (int i = 0; i < 2; i++) p.model[i] = reel_model_new((reel_model_options){ .seed = 11 });
    p.again.tape = reel_tape_new(p.model[0], (reel_tape_options){ .threads = 1 });
    return p;
}

static void end_pair(pair *p)
{
    reel_tape_free(p->again.tape);
    for (int i = 0; i < 2; i++) reel_model_free(p->model[i]);
}

static void run_step(step *s, int number)
{
    record(s);
    if (reel_tape_status(s->tape) == REEL_OK) write_inputs(s, number);
}

static bool fails(variant v)
{
    return v == ERROR_EARLY || v == ERROR_LATE || v == ERROR_OF_GRADIENT || v == OPEN_SCOPE;
}

/* Records and runs a step on both; false: they differ. */
static bool same_step(pair *p, variant v)
{
    p->fresh.tape = reel_tape_new(p->model[1], (reel_tape_options){ .threads = 1 });
    p->fresh.tape->plain = p->plain;
    reel_tape_clear(p->again.tape);
    p->again.v = p->fresh.v = v;
    run_step(&p->again, p->steps), run_step(&p->fresh, p->steps);
    p->steps++;
    const char *differs = difference(p->again.tape, p->fresh.tape);
    const reel_status of_again = reel_run(p->again.tape), of_fresh = reel_run(p->fresh.tape);
    static image a, b;
    image_of(&a, p->model[0], p->again.tape), image_of(&b, p->model[1], p->fresh.tape);
    if (of_again == REEL_OK && of_fresh == REEL_OK) evaluate(p->again.tape, &a), evaluate(p->fresh.tape, &b);
    if (!differs && of_again != of_fresh) differs = "the status of the run";
    if (!differs && (of_again == REEL_OK) != !fails(v)) differs = "what it should do";
    if (!differs && memcmp(&a, &b, sizeof a) != 0) differs = "values";
    cr_expect_null(differs, "variant %d, step %d: %s differ: %s; %s", (int)v, p->steps, differs,
                   reel_tape_error(p->again.tape), reel_tape_error(p->fresh.tape));
    reel_tape_free(p->fresh.tape);
    return !differs;
}

Test(again, a_step_after_any_other_is_as_if_recorded_for_the_first_time)
{
    for (int v = 0; v < VARIANTS; v++)
        for (int w = 0; w < VARIANTS; w++) {
            const variant steps[] = { (variant)v, (variant)v, (variant)w, (variant)v, (variant)w, (variant)w };
            pair p = begin_pair();
            bool same = true;
            for (size_t i = 0; same && i < sizeof steps / sizeof *steps; i++) same = same_step(&p, steps[i]);
            cr_expect(same, "variants %d and %d", v, w);
            end_pair(&p);
        }
}

Test(again, steps_in_any_order_are_as_if_recorded_for_the_first_time)
{
    pair p = begin_pair();
    uint32_t random = 1;
    for (int i = 0; i < 400; i++) {
        random = random * 1664525u + 1013904223u;
        if (!same_step(&p, (variant)(random >> 8) % VARIANTS)) break;
    }
    end_pair(&p);
}

Test(again, steps_in_any_order_are_as_if_recorded_for_the_first_time_in_the_plain_executor)
{
    pair p = begin_pair();
    p.again.tape->plain = p.plain = true;
    for (int i = 0; i < 100; i++)
        if (!same_step(&p, (variant)(i * i % VARIANTS))) break;
    end_pair(&p);
}

Test(again, most_variants_do_differ)
{
    pair p = begin_pair();
    p.fresh.tape = reel_tape_new(p.model[0], (reel_tape_options){ .threads = 1 });
    record(&p.again);
    int alike = 0;
    for (int v = 1; v < VARIANTS; v++) {
        p.fresh.v = (variant)v;
        reel_tape_clear(p.fresh.tape);
        record(&p.fresh);
        alike += !difference(p.again.tape, p.fresh.tape);
    }
    cr_expect_eq(alike, 1, "an open scope alone is seen by the run: %d", alike);
    reel_tape_free(p.fresh.tape);
    end_pair(&p);
}

/* ---- Small programs that begin alike ----------------------------------------------------------------------------- */

typedef struct start {
    reel_tape *tape;
    reel_tensor *x, *w, *b, *c, *product, *loss, *other_loss;
    reel_list *list;
} start;

static reel_tensor *parameter_in(start *s, const char *scope, const char *name)
{
    (reel_scope_push)(s->tape, "%s", scope);
    reel_tensor *p = (reel_parameter)(s->x, name, REEL_SHAPE(IN), reel_init_zeros());
    (reel_scope_pop)(s->tape);
    return p;
}

static void begin_alike(start *s)
{
    s->x = (reel_input)(s->tape, "x", REEL_F32, REEL_SHAPE(2, IN));
    s->w = parameter_in(s, "in", "w"), s->b = parameter_in(s, "in", "b"), s->c = parameter_in(s, "in", "c");
    s->product = (reel_mul)(s->x, s->w);
    s->loss = (reel_sum)((reel_sin)(s->product), REEL_ALL, REEL_DROP);
    s->other_loss = (reel_sum)((reel_cos)(s->product), REEL_ALL, REEL_DROP);
    s->list = reel_list_new(s->tape);
}

/* The names in a list are kept as names, to be seen by the comparison. */
static void gradients_by(start *s, reel_tensor *loss, const char *name, reel_tensor *x)
{
    (reel_list_append)(s->list, name, x);
    reel_list *g = (reel_gradients)(loss, s->list);
    (reel_keep)(reel_list_at(g, 0), reel_list_name(g, 0));
}

static void by_w(start *s) { gradients_by(s, s->loss, "a", s->w); }
static void by_w_named(start *s) { gradients_by(s, s->loss, "b", s->w); }
static void by_x(start *s) { gradients_by(s, s->loss, "a", s->x); }
static void by_product(start *s) { gradients_by(s, s->loss, "a", s->product); }
static void of_other(start *s) { gradients_by(s, s->other_loss, "a", s->w); }
static void by_two(start *s) { (reel_list_append)(s->list, "x", s->x), by_w(s); }
static void by_w_twice(start *s) { by_w(s), by_w_named(s); }
static void op_first(start *s) { (reel_exp)(s->x), by_w(s); }
static void other_op_first(start *s) { (reel_sqrt)(s->x), by_w(s); }
static void vjp_of(start *s, reel_tensor *gy)
{
    (reel_list_append)(s->list, "a", s->w);
    (reel_keep)(reel_list_at((reel_vjp)(s->product, gy, s->list), 0), "g");
}
static void vjp_by_x(start *s) { vjp_of(s, s->x); }
static void vjp_by_product(start *s) { vjp_of(s, s->product); }
static void all_parameters(start *s) { (reel_keep)(reel_list_at((reel_parameters)(s->loss, NULL), 0), "p"); }
static void some_parameters(start *s) { (reel_keep)(reel_list_at((reel_parameters)(s->loss, "in/w"), 0), "p"); }
static void no_parameters(start *s) { (reel_keep)(reel_list_at((reel_parameters)(s->loss, "in/b"), 0), "p"); }
static void add_b(start *s) { (reel_keep)((reel_add)(s->x, s->b), "y"); }
static void add_c(start *s) { (reel_keep)((reel_add)(s->x, s->c), "y"); }
static void b_add(start *s) { (reel_keep)((reel_add)(s->b, s->x), "y"); }
static void add_b_to_product(start *s) { (reel_keep)((reel_add)(s->product, s->b), "y"); }
static void sub_b(start *s) { (reel_keep)((reel_sub)(s->x, s->b), "y"); }
static void op_then_add(start *s) { (reel_exp)(s->x), add_b(s); }
static void other_op_then_add(start *s) { (reel_sqrt)(s->x), add_b(s); }
static void add_then_op(start *s) { add_b(s), (reel_exp)(s->x); }
static void matmul_b(start *s) { (reel_keep)((reel_matmul)(s->x, s->b), "y"); }
static void matmul_c(start *s) { (reel_keep)((reel_matmul)(s->x, s->c), "y"); }
static void matmul_wrong(start *s) { (reel_matmul)(s->x, s->x); }
static void add_wrong(start *s) { (reel_add)(s->x, (reel_fill)(s->x, REEL_SHAPE(IN + 1), 3)); }
static void parameter_u(start *s) { (reel_keep)(parameter_in(s, "p", "u"), "k"); }
static void parameter_v(start *s) { (reel_keep)(parameter_in(s, "p", "v"), "k"); }
static void parameter_of_q(start *s) { (reel_keep)(parameter_in(s, "q", "u"), "k"); }
static void parameter_below(start *s) { (reel_keep)(parameter_in(s, "p/u", "u"), "k"); }
static void parameter_twice(start *s) { parameter_in(s, "p", "u"), parameter_u(s); }
static void parameter_with_another_shape(start *s)
{
    (reel_parameter)(s->x, "u", REEL_SHAPE(2), reel_init_constant(1));
}
static void parameter_with_another_start(start *s) { (reel_parameter)(s->x, "u", REEL_SHAPE(2), reel_init_zeros()); }
static void state_u(start *s) { (reel_state)(s->tape, "u", REEL_F32, REEL_SHAPE(2)); }
static void same_name_twice(start *s) { parameter_u(s), (reel_keep)(s->x, "k"); }
static void layer_u(start *s) { (reel_keep)((reel_linear)(s->x, "p", 2), "k"); }
static void layer_twice(start *s) { layer_u(s), (reel_linear)(s->x, "p", 2); }
static void nothing(start *s) { (void)s; }

static void (*const endings[])(start *) = { nothing,
                                            by_w,
                                            by_w_named,
                                            by_x,
                                            by_product,
                                            of_other,
                                            by_two,
                                            by_w_twice,
                                            op_first,
                                            other_op_first,
                                            vjp_by_x,
                                            vjp_by_product,
                                            all_parameters,
                                            some_parameters,
                                            no_parameters,
                                            add_b,
                                            add_c,
                                            b_add,
                                            add_b_to_product,
                                            sub_b,
                                            op_then_add,
                                            other_op_then_add,
                                            add_then_op,
                                            matmul_b,
                                            matmul_c,
                                            matmul_wrong,
                                            add_wrong,
                                            parameter_u,
                                            parameter_v,
                                            parameter_of_q,
                                            parameter_below,
                                            parameter_twice,
                                            parameter_with_another_shape,
                                            parameter_with_another_start,
                                            state_u,
                                            same_name_twice,
                                            layer_u,
                                            layer_twice };
enum { ENDINGS = sizeof endings / sizeof *endings };

/* Recorded one after the other on one tape, the last of them has to be as on a new one. The model of the new tape has
 * seen the others as well. */
static void expect_as_new(const int *which, int count)
{
    reel_model *models[2];
    start s[2] = { 0 };
    for (int i = 0; i < 2; i++) {
        models[i] = reel_model_new((reel_model_options){ .seed = 2 });
        s[i].tape = reel_tape_new(models[i], (reel_tape_options){ 0 });
        for (int k = 0; k < count; k++) {
            if (i == 0) reel_tape_clear(s[i].tape);
            else reel_tape_free(s[i].tape), s[i].tape = reel_tape_new(models[i], (reel_tape_options){ 0 });
            begin_alike(&s[i]);
            endings[which[k]](&s[i]);
        }
    }
    const char *differs = difference(s[0].tape, s[1].tape);
    cr_expect_null(differs, "%d after %d: %s: %s; %s", which[count - 1], which[count - 2], differs,
                   reel_tape_error(s[0].tape), reel_tape_error(s[1].tape));
    for (int i = 0; i < 2; i++) reel_tape_free(s[i].tape), reel_model_free(models[i]);
}

Test(again, an_ending_after_any_other_is_as_if_recorded_for_the_first_time)
{
    for (int a = 0; a < ENDINGS; a++)
        for (int b = 0; b < ENDINGS; b++) {
            expect_as_new((int[]){ a, b }, 2);
            expect_as_new((int[]){ a, b, a }, 3);
            expect_as_new((int[]){ a, a, b, b }, 4);
        }
}

/* ---- What is answered at once ------------------------------------------------------------------------------------ */

static int rule_calls;

static reel_tensor *counted_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    rule_calls++;
    return times_vjp(y, gy, input);
}

static reel_tensor *keeping_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    rule_calls++;
    return (reel_keep)(times_vjp(y, gy, input), "gradient");
}

static const reel_op counted_op = {
    .size = sizeof(reel_op), .name = "counted", .shape = times_shape, .run = times_run, .vjp = counted_vjp
};
static const reel_op keeping_op = {
    .size = sizeof(reel_op), .name = "keeping", .shape = times_shape, .run = times_run, .vjp = keeping_vjp
};

static reel_tensor *gradient_through(const reel_op *op, double a)
{
    reel_tape_clear(tape);
    rule_calls = 0;
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(3));
    return reel_gradient(reel_sum(reel_record(op, &x, 1, &a, sizeof a), REEL_ALL, REEL_DROP), x);
}

Test(again, a_gradient_of_the_same_is_not_derived_again, .init = begin, .fini = end)
{
    const reel_tensor *g = gradient_through(&counted_op, 2);
    const int64_t nodes = reel_node_count(tape);
    cr_expect_eq(rule_calls, 1);
    cr_expect_eq(gradient_through(&counted_op, 2), g);
    cr_expect_eq(rule_calls, 0);
    cr_expect_eq(reel_node_count(tape), nodes);
    gradient_through(&counted_op, 4);
    cr_expect_eq(rule_calls, 1);
}

Test(again, a_gradient_whose_rules_do_more_than_record_is_derived_again, .init = begin, .fini = end)
{
    for (int i = 0; i < 3; i++) {
        reel_tensor *g = gradient_through(&keeping_op, 2);
        cr_expect_eq(rule_calls, 1);
        cr_expect_eq(reel_find(tape, "gradient"), g);
        cr_expect_null(reel_tape_error(tape), "%s", reel_tape_error(tape));
    }
}

Test(again, a_list_from_before_a_clear_is_stale_until_the_call_that_made_it, .init = begin, .fini = end)
{
    reel_list *list[2];
    for (int i = 0; i < 2; i++) {
        reel_tape_clear(tape);
        if (i) cr_expect_eq(reel_list_count(list[0]), 0);
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(3));
        reel_tensor *w = reel_parameter(x, "w", REEL_SHAPE(3), reel_init_zeros());
        list[i] = reel_parameters(reel_sum(reel_mul(x, w), REEL_ALL, REEL_DROP), NULL);
        cr_expect_eq(reel_list_count(list[i]), 1);
        reel_list_append(list[i], "x", x);
    }
    cr_expect_eq(list[0], list[1]);
    reel_tape_clear(tape);
    reel_input(tape, "other", REEL_F32, REEL_SHAPE(3));
    cr_expect_eq(reel_list_count(list[0]), 0);
}

/* ---- Plans ------------------------------------------------------------------------------------------------------- */

/* How many plans are made for these steps, each recorded, run, and where asked for evaluated. */
static int64_t plans_for(int count, const variant *steps, bool evaluated)
{
    pair p = begin_pair();
    static image unused;
    for (int i = 0; i < count; i++) {
        p.again.v = steps[i];
        reel_tape_clear(p.again.tape);
        run_step(&p.again, i);
        cr_assert_eq(reel_run(p.again.tape), REEL_OK, "%s", reel_tape_error(p.again.tape));
        unused.count = 0;
        if (evaluated) evaluate(p.again.tape, &unused);
        if (evaluated) cr_assert_eq(reel_run(p.again.tape), REEL_OK);
    }
    const int64_t plans = p.again.tape->executor->programs.made;
    end_pair(&p);
    return plans;
}

#define PLANS_FOR(evaluated, ...)                                                                                      \
    plans_for((int)(sizeof((variant[]){ __VA_ARGS__ }) / sizeof(variant)), (variant[]){ __VA_ARGS__ }, evaluated)

Test(again, another_rate_needs_no_other_plan) { cr_expect_eq(PLANS_FOR(false, PLAIN, RATE, PLAIN, RATE, RATE), 1); }
Test(again, other_lines_need_no_other_plan) { cr_expect_eq(PLANS_FOR(false, PLAIN, LINES, PLAIN, LINES, LINES), 1); }
Test(again, another_order_needs_no_other_plan) { cr_expect_eq(PLANS_FOR(false, PLAIN, TURNED, PLAIN, TURNED), 1); }
Test(again, a_short_batch_is_planned_once) { cr_expect_eq(PLANS_FOR(false, PLAIN, SHORT, PLAIN, SHORT, PLAIN), 2); }
Test(again, another_structure_is_planned)
{
    cr_expect_eq(PLANS_FOR(false, PLAIN, FACTOR), 2);
    cr_expect_eq(PLANS_FOR(false, PLAIN, AXIS), 2);
    cr_expect_eq(PLANS_FOR(false, PLAIN, RULE), 2);
    cr_expect_eq(PLANS_FOR(false, PLAIN, KEPT_MORE), 2);
    cr_expect_eq(PLANS_FOR(false, PLAIN, PATTERN), 2);
}
Test(again, runs_and_evaluations_are_planned_once_each)
{
    cr_expect_eq(PLANS_FOR(true, PLAIN, PLAIN, PLAIN), 2);
    cr_expect_eq(PLANS_FOR(true, PLAIN, SHORT, PLAIN, SHORT), 4);
}

/* Row counts one after the other; without draws, so that the programs are told apart by their outputs alone as well. */
static void run_rows(int64_t rows)
{
    float values[32] = { 0 };
    reel_tape_clear(tape);
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(rows)), *y = reel_sum(x, REEL_ALL, REEL_DROP);
    for (int64_t i = 0; i < rows; i++) values[i] = 1;
    reel_write_f32(x, values, rows);
    reel_keep(y, "y");
    cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    cr_expect_eq(reel_item(y), rows);
}

Test(again, eight_plans_are_kept_and_the_one_not_used_for_longest_goes, .init = begin, .fini = end)
{
    for (int round = 0; round < 2; round++)
        for (int64_t rows = 1; rows <= 8; rows++) run_rows(rows);
    cr_expect_eq(tape->executor->programs.made, 8);
    run_rows(1), run_rows(9);
    cr_expect_eq(tape->executor->programs.made, 9);
    run_rows(1), run_rows(3), run_rows(9);
    cr_expect_eq(tape->executor->programs.made, 9, "what was used lately is still there");
    run_rows(2);
    cr_expect_eq(tape->executor->programs.made, 10, "and this one is not");
    cr_expect_eq(tape->executor->programs.list.count, 8);
}

Test(again, a_plan_found_again_is_replayed_without_looking_for_it, .init = begin, .fini = end)
{
    for (int64_t i = 0; i < 4; i++) {
        run_rows(3 + i % 2);
        const uint32_t walk = tape->walk;
        cr_assert_eq(reel_run(tape), REEL_OK);
        cr_expect_eq(tape->walk, walk);
    }
    cr_expect_eq(tape->executor->programs.made, 2);
}

Test(again, a_number_is_data_to_a_plan_found_again, .init = begin, .fini = end)
{
    for (int i = 0; i < 6; i++) {
        reel_tape_clear(tape);
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2 + i % 2));
        reel_tensor *y = reel_keep(reel_sum(reel_scale(x, 3 + 2 * i), REEL_ALL, REEL_DROP), "y");
        reel_write_f32(x, (float[]){ 1, 1, 1 }, 2 + i % 2);
        cr_assert_eq(reel_run(tape), REEL_OK);
        cr_expect_eq(reel_item(y), (2 + i % 2) * (3 + 2 * i));
    }
    cr_expect_eq(tape->executor->programs.made, 2);
}

Test(again, what_is_kept_is_part_of_a_plan, .init = begin, .fini = end)
{
    for (int i = 0; i < 6; i++) {
        reel_tape_clear(tape);
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2)), *a = reel_exp(x), *b = reel_sin(a);
        reel_keep(reel_cos(b), "end");
        reel_keep(i % 2 ? a : b, "middle");
        reel_write_f32(x, (float[]){ 0, 0 }, 2);
        cr_assert_eq(reel_run(tape), REEL_OK);
        float got[2];
        cr_expect_eq(reel_read_f32(reel_find(tape, "middle"), got, 2), REEL_OK);
        cr_expect_eq(got[0] == 1, i % 2 == 1);
    }
    cr_expect_eq(tape->executor->programs.made, 2);
}

static reel_tensor *noise(reel_tensor *x)
{
    reel_scope_push(tape, "noise");
    reel_tensor *n = reel_uniform(x, "n", REEL_SHAPE(2));
    reel_scope_pop(tape);
    return n;
}

/* Which draw of its name a draw is depends on the whole program and on what is evaluated. */
Test(again, draws_of_evaluations_in_turn_are_those_of_the_first, .init = begin, .fini = end)
{
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2));
    reel_keep(noise(x), "first");
    reel_tensor *e[2] = { reel_add(x, noise(x)), reel_sub(x, noise(x)) };
    float values[4][2];
    reel_write_f32(x, (float[]){ 0, 0 }, 2);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(reel_eval(tape, &e[i % 2], 1), REEL_OK);
        cr_assert_eq(reel_read_f32(e[i % 2], values[i], 2), REEL_OK);
    }
    cr_expect_arr_eq(values[0], values[2], sizeof values[0]);
    cr_expect_arr_eq(values[1], values[3], sizeof values[1]);
    cr_expect_eq(tape->executor->programs.made, 2);
}

Test(again, a_run_and_an_evaluation_in_turn_read_their_own_values, .init = begin, .fini = end)
{
    reel_tensor *n = reel_state(tape, "n", REEL_F32, REEL_SCALAR), *next = reel_assign(n, reel_shift(n, 1));
    reel_tensor *kept = reel_keep(reel_scale(next, 10), "kept"), *twice = reel_scale(n, 2);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(reel_run(tape), REEL_OK);
        cr_expect_eq(reel_item(kept), 10 * (i + 1));
        cr_assert_eq(reel_eval(tape, &twice, 1), REEL_OK);
        cr_expect_eq(reel_item(twice), 2 * (i + 1));
        cr_expect_eq(reel_item(kept), 10 * (i + 1), "the values of the run have gone");
    }
    cr_expect_eq(tape->executor->programs.made, 2);
}

/* From its first assignment on, an evaluating tape has a state of its own. */
Test(again, a_state_that_becomes_private_is_not_read_through_an_old_plan, .init = begin, .fini = end)
{
    reel_state(tape, "n", REEL_F32, REEL_SCALAR);
    reel_tape *other = reel_tape_new(model, (reel_tape_options){ .evaluate = true });
    reel_tensor *n = reel_state(other, "n", REEL_F32, REEL_SCALAR), *twice = reel_scale(n, 3);
    cr_assert_eq(reel_eval(other, &twice, 1), REEL_OK);
    reel_assign(n, reel_shift(n, 1));
    for (int i = 0; i < 2; i++) cr_assert_eq(reel_run(other), REEL_OK);
    cr_assert_eq(reel_eval(other, &twice, 1), REEL_OK);
    cr_expect_eq(reel_item(twice), 6);
    reel_tape_free(other);
}

/* What a run or an evaluation has computed can be read, also after the nodes of the recording before have gone. */
Test(again, a_value_stays_when_what_is_recorded_after_it_differs, .init = begin, .fini = end)
{
    for (int time = 0; time < 4; time++) {
        const bool runs = time % 2;
        reel_tape_clear(tape);
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2)), *y = total(x);
        reel_write_f32(x, (float[]){ 1, 2 }, 2);
        if (time) cr_assert_eq(runs ? reel_run(tape) : reel_eval(tape, &y, 1), REEL_OK, "%s", reel_tape_error(tape));
        time < 2 ? reel_exp(x) : reel_sin(x);
        reel_shift(x, time + 0.5);
        if (time) cr_expect_eq(reel_item(y), 3, "%s", reel_tape_error(tape));
    }
}

/* The nodes are those of the last recording, what they hold is not. */
Test(again, nothing_has_a_value_before_a_run, .init = begin, .fini = end)
{
    for (int i = 0; i < 3; i++) {
        reel_tape_clear(tape);
        reel_tensor *x = reel_input(tape, "one", REEL_F32, REEL_SCALAR), *y = reel_keep(reel_exp(x), "y");
        reel_write_f32(x, &(float){ (float)i }, 1);
        cr_expect(isnan(reel_item(y)));
        cr_expect(reel_tape_error(tape) && strstr(reel_tape_error(tape), "no run or evaluation has computed it"));
        cr_assert_eq(reel_run(tape), REEL_OK);
        cr_expect_float_eq(reel_item(y), exp(i), 1e-6);
    }
}
