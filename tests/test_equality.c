/* The planned executor agrees with the plain one bit for bit, or both have NaN: on programs such as people write, under
 * the cross product of everything that a plan can be forced to, and on random ones, each under settings drawn with it.
 *
 *     REEL_EQUALITY_SEED=n    only this random program, with its trace; FIRST and COUNT: others than the usual ones
 *     REEL_EQUALITY_STRIDE=n  of the cross product every n-th; 1: all of it (minutes) */
#include "core/run/executor.h"
#include "core/base/cpu.h"
#include "random_graph.h"

#include <criterion/criterion.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

enum { RUNS = 3 };

/* ---- A program, how it is run, and what was seen ----------------------------------------------------------------- */

typedef void recorder(graph *g);

typedef struct workload {
    const char *name;
    recorder *record;
    reel_dtype dtype;
    bool varies; /* another program for each run: it is always recorded again */
    uint64_t seed;
    int steps;
    bool shown; /* its plan, on standard error */
    bool stops; /* a run fails */
} workload;

typedef struct mode {
    reel__plan_settings settings;
    int threads;
    bool plain, again;
    bool fault; /* planted after the first run */
} mode;

typedef struct seen {
    char name[64];
    int run;
    reel_dtype dtype;
    int64_t count;
    size_t offset;
} seen;

typedef struct trace {
    seen *list;
    int count, room;
    char *bytes;
    size_t size, capacity;
    bool finite; /* everything is */
    char error[512];
} trace;

static void trace_free(trace *t) { free(t->list), free(t->bytes); }

static size_t element_of(reel_dtype dtype) { return dtype == REEL_F64 ? 8 : 4; }

/* Room for a value; all NaN are made the same one by settle_nan(). */
static void *see(trace *t, const char *name, int run, reel_dtype dtype, int64_t count)
{
    size_t bytes = (size_t)count * element_of(dtype);
    if (t->count == t->room) t->list = realloc(t->list, sizeof *t->list * (size_t)(t->room = 2 * t->room + 32));
    while (t->size + bytes > t->capacity) t->bytes = realloc(t->bytes, t->capacity = 2 * t->capacity + 4096);
    seen *s = &t->list[t->count++];
    *s = (seen){ .run = run, .dtype = dtype, .count = count, .offset = t->size };
    snprintf(s->name, sizeof s->name, "%s", name);
    t->size += (bytes + 7) / 8 * 8;
    if (t->size > t->capacity) t->bytes = realloc(t->bytes, t->capacity = 2 * t->size);
    return t->bytes + s->offset;
}

static void settle_nan(trace *t)
{
    t->finite = true;
    for (int k = 0; k < t->count; k++) {
        float *f32 = (float *)(void *)(t->bytes + t->list[k].offset);
        double *f64 = (double *)(void *)(t->bytes + t->list[k].offset);
        for (int64_t i = 0; i < t->list[k].count; i++) {
            if (t->list[k].dtype == REEL_F32 && !isfinite(f32[i])) t->finite = false;
            if (t->list[k].dtype == REEL_F64 && !isfinite(f64[i])) t->finite = false;
            if (t->list[k].dtype == REEL_F32 && isnan(f32[i])) f32[i] = NAN;
            if (t->list[k].dtype == REEL_F64 && isnan(f64[i])) f64[i] = (double)NAN;
        }
    }
}

static void see_tensor(trace *t, const char *name, int run, reel_tensor *x)
{
    reel_dtype dtype = reel_dtype_of(x);
    void *to = see(t, name, run, dtype, reel_count(x));
    reel_status status = dtype == REEL_F32   ? reel_read_f32(x, to, reel_count(x))
                         : dtype == REEL_F64 ? reel_read_f64(x, to, reel_count(x))
                                             : reel_read_i32(x, to, reel_count(x));
    if (status != REEL_OK) snprintf(t->error, sizeof t->error, "%s cannot be read: %s", name, reel_tape_error(x->tape));
}

static void look_at_model(trace *t, const reel_model *model, int run)
{
    for (int64_t i = 0; i < model->values.list.count; i++) {
        const reel__value *v = REEL__AT(model->values.list, reel__value *, i);
        void *to = see(t, v->name, run, v->dtype, v->count);
        if (v->count) memcpy(to, v->data, (size_t)v->count * element_of(v->dtype));
    }
}

/* All that a run lets one read: kept values and losses. */
static void look_at_values(trace *t, const reel_tape *tape, int run)
{
    for (int64_t i = 0; i < tape->keeps.count; i++)
        see_tensor(t, REEL__AT(tape->keeps, reel__named, i).name, run, REEL__AT(tape->keeps, reel__named, i).x);
    for (int64_t i = 0; i < tape->losses.count; i++)
        see_tensor(t, "(loss)", run, REEL__AT(tape->losses, reel_tensor *, i));
}

static double element_at(const trace *t, const seen *s, int64_t i)
{
    const void *at = t->bytes + s->offset + (size_t)i * element_of(s->dtype);
    if (s->dtype == REEL_F32) return (double)*(const float *)at;
    return s->dtype == REEL_F64 ? *(const double *)at : *(const int32_t *)at;
}

/* The first value that differs, and its first element; or errors that do. */
static bool differ(const trace *a, const trace *b, char *text, size_t size)
{
    if (strcmp(a->error, b->error) != 0 || a->count != b->count || !a->count) {
        snprintf(text, size, "%d and %d values; plain: %.200s; planned: %.200s", a->count, b->count, a->error,
                 b->error);
        return true;
    }
    for (int k = 0; k < a->count; k++) {
        const seen *s = &a->list[k], *u = &b->list[k];
        const char *p = a->bytes + s->offset, *q = b->bytes + u->offset;
        const size_t e = element_of(s->dtype);
        bool alike = strcmp(s->name, u->name) == 0 && s->count == u->count && s->dtype == u->dtype;
        if (!alike) return snprintf(text, size, "%s and %s are not alike", s->name, u->name), true;
        int64_t i = 0;
        while (i < s->count && memcmp(p + (size_t)i * e, q + (size_t)i * e, e) == 0) i++;
        if (i == s->count) continue;
        double x = element_at(a, s, i), y = element_at(b, u, i);
        snprintf(text, size, "run %d: %s, element %lld of %lld: plain %a (%g), planned %a (%g)", s->run, s->name,
                 (long long)i, (long long)s->count, x, x, y, y);
        return true;
    }
    return false;
}

/* ---- What fired -------------------------------------------------------------------------------------------------- */

typedef struct census {
    int programs, finite, groups, epilogues, row_reductions, partial, copies, in_place, folded, deferred, teams, tiles,
        singles, blocks, chains, row_chains, scattered, prefetches, ordered, packs, shared_packs, first, in_concats,
        batched, long_batches;
} census;

/* Computed from what is known before the run alone, and yet in a group that begins with something else. */
static bool was_deferred(const reel__plan *plan, int64_t i)
{
    const reel__planned *p = &plan->node[i];
    if (p->role != REEL__POINTWISE || plan->member[plan->group[p->group].first] == i) return false;
    for (int j = 0; j < p->x->input_count; j++) {
        const reel__planned *in = &plan->node[plan->access[p->x->inputs[j]->index].source];
        if (in->role != REEL__LEAF && in->role != REEL__CONSTANT) return false;
    }
    return true;
}

/* Ops in a chain, without its loads and stores. */
static int links_of(const reel__tiles *tiles, const reel__tile_op *op)
{
    int links = 0;
    for (int i = 0; i < op->count; i++) {
        const reel__link_form *f = tiles->single ? &op->fixed_links[i].form : &op->links[i].form;
        const reel__chain *c = op->chain;
        links += f->full != c->load.full && f->full != c->load_one.full && f->full != c->store.full &&
                 f->full != c->end.full;
    }
    return links;
}

static void count_steps(const reel__steps *steps, census *fired)
{
    int64_t readers = 0;
    for (int64_t i = 0; i < steps->list.count; i++) {
        const reel__step *step = &REEL__AT(steps->list, reel__step, i);
        fired->teams |= step->shared;
        fired->tiles |= step->kind == REEL__STEP_TILES && step->shares > 1;
        const reel__tiles *tiles = reel__tiles_of(step);
        fired->singles |= tiles && tiles->single;
        for (int32_t k = 0; tiles && k < tiles->count; k++) {
            const reel__tile_op *op = &tiles->ops[k];
            if (op->kind == REEL__TILE_CHAIN || op->kind == REEL__TILE_ROW_CHAIN)
                fired->chains |= links_of(tiles, op) > 1;
            fired->row_chains |= op->kind == REEL__TILE_ROW_CHAIN;
            fired->scattered |= op->kind == REEL__TILE_ROW_CHAIN && op->scattered;
        }
        if (step->kind != REEL__STEP_PRODUCT) continue;
        const reel__product_step *product = &step->product;
        fired->blocks |= step->shares > product->batch;
        fired->prefetches |= product->prefetch.at != NULL;
        readers += (product->pack[0] != NULL) + (product->pack[1] != NULL);
    }
    fired->packs = steps->packs.count > 0;
    fired->shared_packs = readers > steps->packs.count;
}

/* The steps of the program that was used last; NULL: it is plain. */
static const reel__steps *steps_of(const reel_tape *tape)
{
    const reel__program *program = tape->executor ? reel__last_program(&tape->executor->programs) : NULL;
    return program ? program->steps : NULL;
}

static void with_a_team(reel_tape *tape)
{
    if (tape->executor) tape->executor->disturbance = (reel__disturbance){ 0 };
}

static void take_census(const reel_tape *tape, const trace *t, census *c)
{
    const reel__steps *steps = steps_of(tape);
    census fired = { .programs = 1, .finite = t->finite };
    if (!steps) return;
    const reel__plan *plan = &steps->plan;
    for (int32_t g = 0; g < plan->group_count; g++) {
        const reel__group *group = &plan->group[g];
        fired.groups |= group->product < 0 && group->count > 1;
        fired.epilogues |= group->product >= 0 && group->count > 1;
        fired.batched |= group->batch_count > 1;
        fired.long_batches |= group->batch_count > 2;
    }
    for (int64_t i = 0; i < plan->count; i++) {
        const reel__planned *p = &plan->node[i];
        bool reduced = p->role == REEL__REDUCTION && plan->group[p->group].tiled;
        fired.row_reductions |= reduced && p->level == REEL__ROW;
        fired.partial |= reduced && p->level == REEL__PARTIAL;
        fired.folded |= p->role == REEL__CONSTANT && p->x->input_count > 0;
        fired.deferred |= was_deferred(plan, i);
    }
    fired.ordered = plan->moved > 0, fired.in_concats = plan->in_concats > 0;
    fired.first = plan->group_count && plan->group[0].count > 0;
    fired.copies = plan->copies.count > 0, fired.in_place = plan->in_place > 0;
    count_steps(steps, &fired);
    for (size_t k = 0; k < sizeof *c / sizeof(int); k++) ((int *)c)[k] += ((int *)&fired)[k];
}

/* ---- Showing a program ------------------------------------------------------------------------------------------- */

static void show_node(const reel__plan *plan, int64_t i)
{
    static const char *const roles[] = { "leaf",      "constant",  "view",    "copy",
                                         "pointwise", "reduction", "product", "other" };
    const reel__planned *p = &plan->node[i];
    fprintf(stderr, "        %lld = %s(", (long long)i, reel_name_of(p->x));
    for (int j = 0; j < p->x->input_count; j++) fprintf(stderr, "%s%d", j ? ", " : "", p->x->inputs[j]->index);
    fprintf(stderr, ") %s  %s, group %d%s%s%s, of %d +%lld [", reel_shape_text(p->x), roles[p->role], p->group,
            p->level == REEL__ROW       ? " row"
            : p->level == REEL__PARTIAL ? " partial"
                                        : "",
            p->stored ? ", stored" : "", p->in_place ? ", in place" : "", plan->access[i].source,
            (long long)plan->access[i].offset);
    for (int d = 0; d < p->x->rank; d++) fprintf(stderr, "%s%lld", d ? "," : "", (long long)plan->access[i].stride[d]);
    fprintf(stderr, "]\n");
}

static void show(const reel_tape *tape)
{
    const reel__steps *steps = steps_of(tape);
    for (int64_t i = 0; steps && i < steps->plan.count; i++) show_node(&steps->plan, i);
}

/* ---- Running ----------------------------------------------------------------------------------------------------- */

static void record(const workload *w, const mode *m, graph *g, reel_tape *tape, int run)
{
    if (run && !m->again && !w->varies) return;
    if (run) reel_tape_clear(tape);
    *g = (graph){ .tape = tape, .dtype = w->dtype, .seed = w->seed, .steps = w->steps, .run = run };
    w->record(g);
    tape->plain = m->plain;
    if (!m->plain && reel__settings(tape)) *reel__settings(tape) = m->settings;
}

/* What can be read after an evaluation of all that is kept; nothing is assigned. */
static void evaluate(trace *t, reel_tape *tape)
{
    reel_tensor **kept = calloc((size_t)tape->keeps.count + 1, sizeof *kept);
    for (int64_t i = 0; i < tape->keeps.count; i++) kept[i] = REEL__AT(tape->keeps, reel__named, i).x;
    with_a_team(tape);
    if (reel_eval(tape, kept, (int)tape->keeps.count) != REEL_OK)
        snprintf(t->error, sizeof t->error, "eval: %s", reel_tape_error(tape));
    for (int64_t i = 0; i < tape->keeps.count && !*t->error; i++) see_tensor(t, "(evaluated)", RUNS, kept[i]);
    free(kept);
}

/* A bit of a folded constant: what a plan that goes wrong might do. */
static void plant_fault(const reel_tape *tape)
{
    const reel__plan *plan = &steps_of(tape)->plan;
    for (int64_t i = 0; i < plan->count; i++)
        if (plan->node[i].role == REEL__CONSTANT && plan->node[i].x->dtype != REEL_I32) plan->node[i].data[2] ^= 1;
}

static trace run_workload(const workload *w, const mode *m, census *c)
{
    trace t = { .finite = true };
    reel_model *model = reel_model_new((reel_model_options){ .seed = 11 });
    reel_tape *tape = reel_tape_new(model, (reel_tape_options){ .threads = m->threads });
    graph *g = calloc(1, sizeof *g);
    for (int run = 0; run < RUNS && !*t.error; run++) {
        record(w, m, g, tape, run);
        graph_write(g, run);
        with_a_team(tape); /* a team although others need the cores */
        if (run && m->fault) plant_fault(tape);
        if (reel_run(tape) == REEL_OK) look_at_values(&t, tape, run);
        else snprintf(t.error, sizeof t.error, "run %d: %s", run, reel_tape_error(tape));
        look_at_model(&t, model, run);
    }
    settle_nan(&t);
    if (c) take_census(tape, &t, c);
    if (w->shown) show(tape);
    if (!*t.error) evaluate(&t, tape);
    settle_nan(&t);
    free(g);
    reel_tape_free(tape);
    reel_model_free(model);
    return t;
}

static const mode plain_mode = { .plain = true, .threads = 1 };

/* ---- Modes ------------------------------------------------------------------------------------------------------- */

#define COUNTED(name) +1
enum { FLAGS = REEL__PLAN_SWITCHES(COUNTED) };
#undef COUNTED

#define NAMED(name) #name,
static const char *const flag_names[FLAGS] = { REEL__PLAN_SWITCHES(NAMED) };
#undef NAMED

static bool *flag_of(reel__plan_settings *s, int i)
{
#define FIELD(name) &s->name,
    bool *all[FLAGS] = { REEL__PLAN_SWITCHES(FIELD) };
#undef FIELD
    return all[i];
}

static const char *mode_text(const mode *m)
{
    static char text[400];
    reel__plan_settings settings = m->settings, *s = &settings;
    int at = 0;
    for (int i = 0; i < FLAGS; i++)
        if (*flag_of(s, i)) at += snprintf(text + at, sizeof text - (size_t)at, "%s,", flag_names[i]);
    snprintf(text + at, sizeof text - (size_t)at,
             "tile=%d,block=%d,l1=%d,l2=%d,pack=%s,thread_work=%d isa %s, %d threads, %s", (int)s->tile, (int)s->block,
             (int)s->l1, (int)s->l2,
             s->pack_ahead           ? "ahead"
             : s->pack == REEL__PACK ? "always"
             : s->pack               ? "never"
                                     : "0",
             (int)s->thread_work, s->isa ? reel__isa_name(s->isa - 1) : "best", m->threads,
             m->again ? "recorded again" : "replayed");
    return text;
}

/* What is forced, one axis of the cross product each: none, each switch alone, all of them; tile; … */
enum { AXIS_FLAGS, AXIS_TILE, AXIS_PACK, AXIS_BLOCK, AXIS_L1, AXIS_ISA, AXIS_THREADS, AXIS_AGAIN, MODE_AXES };

static int axis_size(int axis)
{
    static const int sizes[MODE_AXES] = { FLAGS + 2, 3, 4, 2, 2, 0, 4, 2 };
    if (axis != AXIS_ISA) return sizes[axis];
    int sets = 0;
    for (int isa = 0; isa < REEL__ISAS; isa++) sets += reel__isa_available(isa);
    return sets;
}

static int available_isa(int nth)
{
    for (int isa = 0; isa < REEL__ISAS; isa++)
        if (reel__isa_available(isa) && nth-- == 0) return isa;
    return REEL__BASELINE;
}

static mode mode_of(const int *at)
{
    static const int threads[] = { 1, 2, 3, 8 };
    mode m = { .threads = threads[at[AXIS_THREADS]], .again = at[AXIS_AGAIN] };
    reel__plan_settings *s = &m.settings;
    for (int i = 0; i < FLAGS; i++) *flag_of(s, i) = at[AXIS_FLAGS] == i + 1 || at[AXIS_FLAGS] == FLAGS + 1;
    s->tile = at[AXIS_TILE] == 0 ? 0 : at[AXIS_TILE] == 1 ? 16 : 1000;
    s->pack = at[AXIS_PACK] == 0 ? 0 : at[AXIS_PACK] == 1 ? REEL__PACK : at[AXIS_PACK] == 2 ? REEL__IN_PLACE : 0;
    s->pack_ahead = at[AXIS_PACK] == 3;
    s->block = at[AXIS_BLOCK] ? 16 : 0;
    s->l1 = at[AXIS_L1] ? 1024 : 0;
    s->l2 = at[AXIS_L1] ? 4096 : 0;
    s->isa = at[AXIS_ISA] ? available_isa(axis_size(AXIS_ISA) - 1 - at[AXIS_ISA]) + 1 : 0;
    s->thread_work = -1;
    return m;
}

static void check_mode(const workload *w, const trace *plain, const mode *m, census *c)
{
    char text[600];
    trace planned = run_workload(w, m, c);
    if (differ(plain, &planned, text, sizeof text)) cr_assert_fail("%s (%s): %s", w->name, mode_text(m), text);
    trace_free(&planned);
}

static int environment(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

/* Each axis alone, and the stride-th of all combinations, of which two in three run on one thread: threads cost most
 * where others need the cores. A stride is prime to the sizes of the axes. */
static void check_workload(const workload *w, int stride)
{
    census c = { 0 };
    int64_t combinations = 1;
    trace plain = run_workload(w, &plain_mode, NULL);
    if ((*plain.error != 0) != w->stops) cr_assert_fail("%s: %s", w->name, plain.error);
    cr_assert(plain.finite, "%s has values that are not finite", w->name);
    for (int axis = 0; axis < MODE_AXES; axis++) {
        combinations *= axis_size(axis);
        for (int k = axis > 0; k < axis_size(axis); k++) {
            int at[MODE_AXES] = { 0 };
            at[axis] = k;
            mode m = mode_of(at);
            check_mode(w, &plain, &m, &c);
        }
    }
    bool all = environment("REEL_EQUALITY_STRIDE", 0) == 1;
    stride = environment("REEL_EQUALITY_STRIDE", stride);
    for (int64_t i = 0; i < combinations; i += stride) {
        int at[MODE_AXES];
        int64_t rest = i;
        for (int axis = 0; axis < MODE_AXES; axis++) at[axis] = (int)(rest % axis_size(axis)), rest /= axis_size(axis);
        if (!all && i / stride % 3) at[AXIS_THREADS] = 0;
        mode m = mode_of(at);
        check_mode(w, &plain, &m, &c);
    }
    trace_free(&plain);
}

/* ---- Programs such as people write ------------------------------------------------------------------------------- */

static reel_tensor *real(graph *g, const char *name, reel_shape shape)
{
    return graph_input(g, name, g->dtype, shape, -1.5, 1.5);
}

static reel_tensor *index_input(graph *g, const char *name, reel_shape shape, int64_t n)
{
    return graph_input(g, name, REEL_I32, shape, 0, (double)(n - 1));
}

static reel_tensor *parameter(reel_tensor *like, const char *name, reel_shape shape)
{
    return reel_parameter(like, name, shape, reel_init_uniform(-0.7, 0.7));
}

static reel_tensor *total(reel_tensor *x) { return reel_sum(x, REEL_ALL, REEL_DROP); }
static reel_tensor *average(reel_tensor *x) { return reel_mean(x, REEL_ALL, REEL_DROP); }

static void xor
    (graph * g) {
        reel_tensor *x = real(g, "x", REEL_SHAPE(4, 2)), *y = real(g, "y", REEL_SHAPE(4, 1));
        reel_tensor *a = reel_linear(reel_tanh(reel_linear(x, "hidden", 8)), "output", 1);
        reel_sgd(reel_mse(reel_keep(a, "a"), y), (reel_sgd_options){ .lr = 0.5 });
    }

    static void mlp_seed(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(10, 784)), *y = real(g, "y", REEL_SHAPE(10, 10));
    reel_tensor *a = reel_sigmoid(reel_linear(reel_sigmoid(reel_linear(x, "hidden", 100)), "output", 10));
    reel_sgd(reel_add(reel_mse(a, y), reel_l2(a, "**/w", 1e-4)), (reel_sgd_options){ .lr = 0.5 });
}

static void classifier(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(17, 20)), *y = index_input(g, "y", REEL_SHAPE(17), 10);
    reel_tensor *a = reel_linear(reel_relu(reel_linear(x, "hidden", 33)), "output", 10);
    reel_keep(reel_accuracy(a, y), "accuracy");
    reel_sgd(reel_cross_entropy(a, y), (reel_sgd_options){ .lr = 0.1, .momentum = 0.9, .weight_decay = 1e-3 });
}

static void clipped_adam(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(9, 12)), *y = real(g, "y", REEL_SHAPE(9, 5));
    reel_tensor *h = reel_dropout(reel_tanh(reel_linear(x, "hidden", 19)), "drop", 0.3);
    reel_tensor *loss = reel_mse(reel_linear(reel_keep(h, "h"), "output", 5), y);
    reel_list *p = reel_parameters(loss, NULL), *gradients = reel_clip_norm(reel_gradients(loss, p), 0.05);
    reel_adam_update(p, gradients, (reel_adam_options){ .lr = 0.01, .weight_decay = 0.01 });
}

static reel_tensor *normalised(reel_tensor *x, const char *name)
{
    reel_shape s = REEL_SHAPE(reel_dim(x, -1));
    reel_layer_push(reel_tape_of(x), name);
    reel_tensor *gamma = reel_parameter(x, "gamma", s, reel_init_constant(1)),
                *beta = reel_parameter(x, "beta", s, reel_init_zeros());
    reel_scope_pop(reel_tape_of(x));
    reel_tensor *centred = reel_sub(x, reel_mean(x, REEL_AXES(-1), REEL_KEEP));
    reel_tensor *scale = reel_rsqrt(reel_shift(reel_var(x, REEL_AXES(-1), REEL_KEEP), 1e-5));
    return reel_add(reel_mul(reel_mul(centred, scale), gamma), beta);
}

static void norm_gelu(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(3, 5, 24)), *y = real(g, "y", REEL_SHAPE(3, 5, 6));
    reel_tensor *h = reel_gelu(reel_linear(normalised(x, "norm"), "up", 48));
    reel_adam(reel_mse(reel_linear(reel_add(x, reel_linear(h, "down", 24)), "output", 6), y),
              (reel_adam_options){ .lr = 0.01 });
}

static reel_tensor *heads(reel_tensor *x, const char *name)
{
    reel_tensor *y = reel_linear_with(x, name, 12, (reel_linear_options){ .no_bias = true });
    return reel_permute(reel_reshape(y, REEL_SHAPE(2, 7, 3, 4)), REEL_AXES(0, 2, 1, 3));
}

static void attention(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(2, 7, 12)), *y = index_input(g, "y", REEL_SHAPE(2, 7), 5);
    reel_tensor *n = normalised(x, "norm");
    reel_tensor *q = heads(n, "q"), *k = heads(n, "k"), *v = heads(n, "v");
    reel_tensor *row = reel_unsqueeze(reel_iota(x, 7), -1), *seen_by = reel_le(reel_iota(x, 7), row);
    reel_tensor *scores = reel_scale(reel_matmul(q, reel_transpose(k)), 0.5);
    reel_tensor *share = reel_softmax(reel_where(seen_by, scores, reel_number(x, -1e9)), -1);
    reel_tensor *mixed = reel_permute(reel_matmul(reel_keep(share, "share"), v), REEL_AXES(0, 2, 1, 3));
    reel_tensor *r = reel_add(x, reel_linear(reel_reshape(mixed, REEL_SHAPE(2, 7, 12)), "out", 12));
    reel_tensor *loss = reel_cross_entropy(reel_linear(normalised(r, "last"), "head", 5), y);
    reel_sgd(loss, (reel_sgd_options){ .lr = 0.1, .momentum = 0.9, .nesterov = true });
}

static void rnn(graph *g)
{
    enum { T = 8, B = 3, H = 10 };
    reel_tensor *words = index_input(g, "words", REEL_SHAPE(T, B), 11), *y = index_input(g, "y", REEL_SHAPE(T, B), 11);
    reel_tensor *state = reel_state(g->tape, "h", g->dtype, REEL_SHAPE(B, H)), *h = state, *out[T];
    reel_tensor *table = parameter(h, "embedding", REEL_SHAPE(11, 6)), *wx = parameter(h, "wx", REEL_SHAPE(6, H));
    reel_tensor *wh = parameter(h, "wh", REEL_SHAPE(H, H)), *b = parameter(h, "b", REEL_SHAPE(H));
    for (int t = 0; t < T; t++) {
        reel_tensor *x = reel_take(table, reel_squeeze(reel_slice(words, 0, t, t + 1), 0), 0);
        out[t] = h = reel_tanh(reel_add(reel_add(reel_matmul(x, wx), reel_matmul(h, wh)), b));
    }
    reel_assign(state, reel_detach(h));
    reel_adam(reel_cross_entropy(reel_linear(reel_stack(out, T, 0), "output", 11), y),
              (reel_adam_options){ .lr = 0.02 });
}

static void lstm(graph *g)
{
    enum { T = 5, B = 4, H = 9 };
    reel_tensor *x = real(g, "x", REEL_SHAPE(T, B, 6)), *y = real(g, "y", REEL_SHAPE(B, H));
    reel_tensor *h = reel_fill(x, REEL_SHAPE(B, H), 0), *c = h, *w = parameter(x, "w", REEL_SHAPE(H, 4 * H));
    reel_tensor *projection = reel_linear(x, "in", 4 * H);
    for (int t = 0; t < T; t++) {
        reel_tensor *z = reel_add(reel_squeeze(reel_slice(projection, 0, t, t + 1), 0), reel_matmul(h, w)), *gate[4];
        for (int k = 0; k < 4; k++) gate[k] = reel_slice(z, 1, k * H, k * H + H);
        c = reel_add(reel_mul(reel_sigmoid(gate[0]), c), reel_mul(reel_sigmoid(gate[1]), reel_tanh(gate[2])));
        h = reel_mul(reel_sigmoid(gate[3]), reel_tanh(c));
    }
    reel_sgd(reel_mse(reel_keep(h, "h"), y), (reel_sgd_options){ .lr = 0.3 });
}

static void penalty(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(6, 5));
    reel_tensor *score = reel_linear(reel_tanh(reel_linear(x, "hidden", 11)), "output", 1);
    reel_tensor *gx = reel_gradient(total(score), x);
    reel_tensor *norm = reel_sqrt(reel_shift(reel_sum(reel_square(gx), REEL_AXES(1), REEL_DROP), 1e-6));
    reel_keep(gx, "gx");
    reel_adam(reel_add(average(score), average(reel_square(reel_shift(norm, -1)))), (reel_adam_options){ .lr = 0.01 });
}

static reel_tensor *small_loss(graph *g, const char *x_name, const char *y_name)
{
    reel_tensor *x = real(g, x_name, REEL_SHAPE(5, 3)), *y = real(g, y_name, REEL_SHAPE(5, 2));
    reel_scope_push(g->tape, "net");
    reel_tensor *loss = reel_mse(reel_linear(reel_tanh(reel_linear(x, "hidden", 7)), "output", 2), y);
    reel_scope_pop(g->tape);
    return loss;
}

static void maml(graph *g)
{
    reel_tensor *inner = small_loss(g, "x0", "y0");
    reel_list *p = reel_parameters(inner, NULL), *gp = reel_gradients(inner, p), *adapted = reel_list_new(g->tape);
    for (int i = 0; i < reel_list_count(p); i++)
        reel_list_append(adapted, NULL, reel_sub(reel_list_at(p, i), reel_scale(reel_list_at(gp, i), 0.1)));
    reel_with_push(g->tape, p, adapted);
    reel_tensor *outer = small_loss(g, "x1", "y1");
    reel_with_pop(g->tape);
    reel_sgd_update(p, reel_gradients(outer, p), (reel_sgd_options){ .lr = 0.2 });
    reel_keep(outer, "outer");
}

/* Every reduction of x along an axis, with what is before and after it in a group. */
static reel_tensor *reductions(reel_tensor *x, int axis, const char *name)
{
    char kept[48];
    reel_axes a = REEL_AXES(axis);
    reel_tensor *t = reel_tanh(x), *sum = reel_sum(t, a, REEL_KEEP), *most = reel_max(t, a, REEL_KEEP);
    reel_tensor *all[] = { sum,
                           most,
                           reel_min(x, a, REEL_KEEP),
                           reel_logsumexp(x, a, REEL_KEEP),
                           reel_var(t, a, REEL_KEEP),
                           reel_sum(reel_mul(reel_sub(t, most), x), a, REEL_KEEP),
                           reel_cast(reel_sum(reel_cast(x, REEL_I32), a, REEL_KEEP), reel_dtype_of(x)) };
    reel_tensor *loss = reel_add(total(reel_mul(reel_softmax(x, axis), t)), average(reel_log_softmax(t, axis)));
    snprintf(kept, sizeof kept, "%s/argmax", name);
    reel_keep(reel_argmax(t, axis), kept);
    for (int i = 0; i < COUNT(all); i++) {
        snprintf(kept, sizeof kept, "%s/%d", name, i);
        loss = reel_add(loss, average(reel_tanh(reel_keep(all[i], kept))));
    }
    return loss;
}

static void reduce_sizes(graph *g, int count, const int *sizes, bool rows)
{
    reel_tensor *loss = NULL;
    for (int i = 0; i < count; i++) {
        char name[24];
        snprintf(name, sizeof name, "n%d", sizes[i]);
        reel_tensor *x = real(g, name, rows ? REEL_SHAPE(3, sizes[i]) : REEL_SHAPE(sizes[i], 5));
        reel_scope_push(g->tape, "size%d", sizes[i]);
        reel_tensor *w = parameter(x, "w", REEL_SHAPE(reel_dim(x, 1)));
        reel_scope_pop(g->tape);
        reel_tensor *term = reductions(reel_mul(x, w), rows ? 1 : 0, name);
        loss = loss ? reel_add(loss, term) : term;
    }
    reel_sgd(loss, (reel_sgd_options){ .lr = 0.01 });
}

static void short_rows(graph *g) { reduce_sizes(g, 4, (int[]){ 255, 256, 257, 300 }, true); }
static void long_rows(graph *g) { reduce_sizes(g, 4, (int[]){ 511, 512, 513, 1024 }, true); }
static void partial_rows(graph *g) { reduce_sizes(g, 4, (int[]){ 1025, 1300, 4096, 4100 }, true); }
static void columns(graph *g) { reduce_sizes(g, 6, (int[]){ 63, 64, 65, 127, 128, 129 }, false); }

static void deep_products(graph *g)
{
    static const int depth[] = { 511, 512, 513, 1024, 1025 };
    reel_tensor *loss = NULL;
    for (int i = 0; i < COUNT(depth); i++) {
        char name[24];
        snprintf(name, sizeof name, "k%d", depth[i]);
        reel_tensor *x = real(g, name, REEL_SHAPE(depth[i], 5));
        reel_scope_push(g->tape, "depth%d", depth[i]);
        reel_tensor *w = parameter(x, "w", REEL_SHAPE(depth[i], 7)), *b = parameter(x, "b", REEL_SHAPE(7));
        reel_scope_pop(g->tape);
        reel_tensor *y = reel_tanh(reel_add(reel_scale(reel_contract(x, w, "km,kn->mn"), 0.05), b));
        reel_tensor *z = reel_contract(reel_transpose(w), reel_flip(w, REEL_AXES(0)), "mk,kn->nm");
        loss = reel_add(loss ? loss : reel_number(x, 0), reel_add(average(y), average(reel_tanh(z))));
    }
    reel_sgd(loss, (reel_sgd_options){ .lr = 0.01 });
}

static reel_tensor *state(graph *g, const char *name, reel_shape shape)
{
    return reel_state(g->tape, name, g->dtype, shape);
}

/* s and t change places; u takes a view of itself; v a leaf; w what it is itself, moved. */
static void exchanges(graph *g)
{
    reel_shape n = REEL_SHAPE(5, 5);
    reel_tensor *x = real(g, "x", n), *s = state(g, "s", n), *t = state(g, "t", n), *u = state(g, "u", n),
                *v = state(g, "v", n);
    reel_tensor *w = state(g, "w", n), *a = state(g, "a", n), *b = state(g, "b", n), *c = state(g, "c", n);
    reel_keep(reel_add(s, t), "sum");
    reel_assign(s, reel_add(t, x));
    reel_assign(t, reel_sub(s, x));
    reel_assign(u, reel_flip(reel_transpose(v), REEL_AXES(0)));
    reel_assign(v, x);
    reel_assign(w, reel_add(reel_transpose(w), reel_slice(reel_pad(x, 0, 1, 0), 0, 0, 5)));
    reel_assign(a, b);
    reel_assign(b, a);
    reel_assign(c, reel_add(reel_matmul(c, reel_tanh(x)), reel_number(x, 1)));
}

static void exchange_values(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(33)), *p = parameter(x, "p", REEL_SHAPE(33)),
                *q = parameter(x, "q", REEL_SHAPE(33));
    reel_assign(p, q);
    reel_assign(q, p);
    reel_keep(reel_mul(p, x), "p x");
    reel_keep(q, "q itself");
}

static void kept_views(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(6, 8)), *p = parameter(x, "p", REEL_SHAPE(6, 8));
    reel_tensor *y = reel_exp(reel_mul(x, p)), *z = reel_tanh(y), *n = reel_fill(x, REEL_SHAPE(3, 4), 0.1);
    reel_keep(p, "p itself"), reel_keep(x, "x itself"), reel_keep(reel_transpose(p), "p transposed");
    reel_keep(reel_slice_step(p, 1, 1, 8, 3), "p sliced"), reel_keep(reel_reshape(x, REEL_SHAPE(48)), "x flat");
    reel_keep(reel_flip(y, REEL_ALL), "y backwards"), reel_keep(reel_slice(y, 0, 2, 5), "y sliced");
    reel_keep(reel_reshape(reel_transpose(y), REEL_SHAPE(4, 12)), "y mixed");
    reel_keep(n, "constants"), reel_keep(reel_exp(n), "folded"),
        reel_keep(reel_slice(reel_exp(n), 0, 1, 2), "part of folded");
    reel_keep(reel_number(x, 3), "number"), reel_keep(reel_iota(x, 7), "iota");
    reel_keep(reel_flip(reel_iota(x, 7), REEL_AXES(0)), "backwards");
    reel_keep(reel_expand(reel_mean(z, REEL_AXES(0), REEL_KEEP), REEL_SHAPE(6, 8)), "mean everywhere");
    reel_list *updated = reel_sgd(average(z), (reel_sgd_options){ .lr = 0.5 });
    reel_keep(reel_list_at(updated, 0), "new p"),
        reel_keep(reel_transpose(reel_list_at(updated, 0)), "new p transposed");
}

static void used_at_once(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(4, 9)), *s = state(g, "s", REEL_SHAPE(4, 9)),
                *r = state(g, "r", REEL_SHAPE(9));
    reel_tensor *w = parameter(x, "w", REEL_SHAPE(9, 3));
    reel_tensor *now = reel_assign(s, reel_add(reel_scale(s, 0.5), x));
    reel_tensor *mean =
        reel_assign(r, reel_add(reel_scale(r, 0.9), reel_scale(reel_mean(now, REEL_AXES(0), REEL_DROP), 0.1)));
    reel_tensor *y = reel_matmul(reel_sub(now, mean), w);
    reel_keep(reel_sub(now, s), "moved"), reel_keep(reel_add(mean, r), "means");
    reel_sgd(average(reel_square(y)), (reel_sgd_options){ .lr = 0.1 });
}

static void checks_between(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(6, 4)), *table = parameter(x, "table", REEL_SHAPE(5, 4)),
                *s = state(g, "s", REEL_SHAPE(6));
    reel_tensor *i = reel_cast(reel_scale(reel_sigmoid(reel_sum(x, REEL_AXES(1), REEL_DROP)), 4.9), REEL_I32);
    reel_tensor *checked = reel_in_range(i, 5), *j = reel_in_range(index_input(g, "j", REEL_SHAPE(6), 5), 5);
    reel_assign(s, reel_add(s, reel_cast(checked, g->dtype)));
    reel_tensor *y = reel_mul(reel_take(table, checked, 0),
                              reel_take(table, reel_argmax(reel_matmul(x, reel_transpose(table)), 1), 0));
    reel_keep(reel_scatter_add(y, j, 0, 5), "scattered"), reel_keep(reel_one_hot(checked, 5, g->dtype), "one hot");
    reel_sgd(average(reel_square(reel_add(y, reel_take(table, j, 0)))), (reel_sgd_options){ .lr = 0.3 });
}

static void strided(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(12, 10)), *w = parameter(x, "w", REEL_SHAPE(10, 12));
    reel_tensor *views[] = {
        reel_transpose(w),
        reel_flip(x, REEL_AXES(0)),
        reel_flip(reel_transpose(w), REEL_AXES(1)),
        reel_expand(reel_slice(x, 1, 3, 4), REEL_SHAPE(12, 10)),
        reel_expand(reel_slice(x, 0, 2, 3), REEL_SHAPE(12, 10)),
        reel_flip(reel_expand(reel_reshape(reel_slice(w, 1, 1, 2), REEL_SHAPE(1, 10)), REEL_SHAPE(12, 10)), REEL_ALL)
    };
    reel_tensor *loss = reel_number(x, 0);
    for (int i = 0; i < COUNT(views); i++) {
        reel_tensor *y = reel_tanh(reel_add(reel_mul(x, views[i]), views[(i + 1) % COUNT(views)]));
        reel_tensor *part = reel_slice_step(views[i], 0, 1, 12, 2),
                    *other = reel_slice_step(reel_transpose(views[i]), 1, 0, 12, 3);
        reel_tensor *product = reel_add(reel_matmul(part, other), reel_slice_step(reel_slice(y, 0, 0, 6), 1, 1, 9, 2));
        reel_tensor *cube = reel_permute(reel_reshape(y, REEL_SHAPE(3, 4, 10)), REEL_AXES(1, 2, 0));
        loss = reel_add(loss,
                        reel_add(average(reel_sin(product)), average(reel_mul(cube, reel_flip(cube, REEL_AXES(1))))));
        reel_tensor *backwards = reel_flip(reel_slice(x, 1, i, i + 1), REEL_AXES(0));
        loss = reel_add(loss, average(reel_mul(reel_sum(y, REEL_AXES(1), REEL_KEEP), backwards)));
        loss = reel_add(loss, average(reel_max(cube, REEL_AXES(0), REEL_DROP)));
        loss = reel_add(loss, average(reel_square(reel_pad_step(reel_slice(y, 1, 2, 8), 1, 1, 2, 2))));
    }
    reel_sgd(loss, (reel_sgd_options){ .lr = 0.1 });
}

static void scalars(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SCALAR), *s = state(g, "s", REEL_SCALAR),
                *p = reel_parameter(x, "p", REEL_SCALAR, reel_init_constant(0.3));
    reel_tensor *y = reel_sin(reel_add(reel_mul(x, p), s));
    for (int i = 0; i < 20; i++) y = reel_sub(reel_cos(y), reel_mul(y, p));
    reel_assign(s, reel_add(s, reel_detach(y)));
    reel_keep(reel_expand(y, REEL_SHAPE(3, 2)), "everywhere"), reel_keep(reel_sum(y, REEL_ALL, REEL_DROP), "sum");
    reel_sgd(y, (reel_sgd_options){ .lr = 0.1 });
}

static void empty_and_one(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(0, 4)), *w = parameter(x, "w", REEL_SHAPE(4, 3)),
                *one = real(g, "one", REEL_SHAPE(1, 4, 1));
    reel_tensor *y = reel_tanh(reel_matmul(x, w)), *none = parameter(x, "none", REEL_SHAPE(4, 0));
    reel_tensor *z = reel_add(reel_matmul(none, reel_slice(w, 0, 0, 0)),
                              reel_matmul(reel_reshape(one, REEL_SHAPE(4, 1)), reel_slice(w, 0, 1, 2)));
    reel_tensor *parts[] = { y, reel_slice(z, 0, 1, 2), reel_slice(y, 0, 0, 0), reel_slice(z, 0, 3, 4) };
    reel_keep(y, "y"), reel_keep(reel_sum(y, REEL_AXES(0), REEL_KEEP), "sum"), reel_keep(z, "z");
    reel_keep(reel_softmax(one, 0), "ones"), reel_keep(reel_sum(one, REEL_AXES(0, 2), REEL_DROP), "reshaped");
    reel_tensor *loss = reel_add(average(reel_square(reel_concat(parts, 4, 0))), total(none));
    reel_sgd(reel_add(loss, average(reel_max(one, REEL_AXES(-1), REEL_DROP))), (reel_sgd_options){ .lr = 0.1 });
}

static void schedule(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(4, 5)), *y = real(g, "y", REEL_SHAPE(4, 2));
    reel_tensor *folded = reel_fill(x, REEL_SHAPE(4, 2), 0.3 + 0.1 * g->run);
    reel_keep(reel_exp(reel_scale(folded, 0.7 - 0.2 * g->run)), "folded");
    reel_sgd(reel_mse(reel_linear(x, "layer", 2), reel_mul(y, folded)), (reel_sgd_options){ .lr = 0.3 / (g->run + 1) });
}

static void contractions(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(2, 3, 4, 5)), *w = parameter(x, "w", REEL_SHAPE(5, 3, 6)),
                *v = parameter(x, "v", REEL_SHAPE(2, 4, 5));
    reel_tensor *a = reel_contract(x, w, "bhtk,khn->bthn"), *b = reel_contract(x, w, "bhtk,khn->btn"),
                *c = reel_contract(x, v, "bhtk,btk->hb");
    reel_tensor *d = reel_contract(reel_permute(x, REEL_AXES(3, 1, 0, 2)), reel_flip(w, REEL_AXES(0)), "khbt,khn->nbt");
    reel_tensor *e = reel_contract(v, reel_slice(v, 0, 0, 1), "btk,cuj->btkcuj"), *f = reel_contract(v, v, "btk,btk->"),
                *h = reel_matmul(x, reel_transpose(x));
    reel_tensor *all[] = { a, b, c, d, e, f, h };
    reel_tensor *loss = reel_number(x, 0);
    for (int i = 0; i < COUNT(all); i++)
        loss = reel_add(loss, average(reel_tanh(reel_add(all[i], reel_number(x, 0.1)))));
    reel_adam(loss, (reel_adam_options){ .lr = 0.01 });
}

/* Longer chains of ops on leaves alone than may be deferred, into several users of other spaces. */
static void deferred(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(6, 7)), *p = parameter(x, "p", REEL_SHAPE(7)), *q = p;
    reel_tensor *shared = reel_tanh(reel_scale(p, 3)), *column = reel_sin(parameter(x, "c", REEL_SHAPE(6, 1)));
    for (int i = 0; i < 40; i++) q = reel_tanh(reel_add(q, i % 3 ? p : shared));
    reel_tensor *y =
        reel_mul(reel_add(reel_matmul(reel_tanh(x), reel_exp(reel_expand(q, REEL_SHAPE(7, 7)))), shared), column);
    reel_tensor *z = reel_sum(reel_mul(reel_add(y, q), shared), REEL_AXES(1), REEL_KEEP);
    reel_keep(shared, "shared"), reel_keep(reel_transpose(reel_exp(column)), "column");
    reel_sgd(average(reel_square(reel_tanh(reel_mul(z, column)))), (reel_sgd_options){ .lr = 0.1, .momentum = 0.5 });
}

static void batch_norm(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(70, 6)), *y = real(g, "y", REEL_SHAPE(70, 6)),
                *mean = state(g, "mean", REEL_SHAPE(6));
    reel_tensor *h = reel_linear(x, "layer", 6), *m = reel_mean(h, REEL_AXES(0), REEL_DROP),
                *v = reel_var(h, REEL_AXES(0), REEL_DROP);
    reel_assign(mean, reel_add(reel_scale(mean, 0.9), reel_scale(reel_detach(m), 0.1)));
    reel_tensor *a = reel_mul(reel_sub(h, m), reel_rsqrt(reel_shift(v, 1e-3)));
    reel_sgd(reel_mse(reel_relu(reel_mul(a, parameter(x, "gamma", REEL_SHAPE(6)))), y),
             (reel_sgd_options){ .lr = 0.2 });
}

static void wide_pointwise(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(37, 271)), *p = parameter(x, "p", REEL_SHAPE(37, 271)),
                *b = parameter(x, "b", REEL_SHAPE(271));
    reel_tensor *y = reel_gelu(reel_add(reel_mul(x, p), b)),
                *z = reel_mul(y, reel_sigmoid(reel_transpose(reel_transpose(x))));
    reel_keep(reel_cast(reel_gt(y, z), REEL_F64), "larger"), reel_keep(reel_slice_step(z, 1, 3, 271, 5), "part");
    reel_sgd(average(reel_where(reel_lt(y, z), reel_square(y), reel_elu(z, 0.5))),
             (reel_sgd_options){ .lr = 1, .momentum = 0.9 });
}

static void mixed_types(graph *g)
{
    reel_tensor *x = graph_input(g, "x", REEL_F32, REEL_SHAPE(9, 33), -2, 2), *p = parameter(x, "p", REEL_SHAPE(33));
    reel_tensor *wide = reel_cast(reel_mul(x, p), REEL_F64), *mean = reel_mean(wide, REEL_AXES(1), REEL_KEEP);
    reel_tensor *rounded = reel_cast(reel_floor(reel_scale(reel_sub(wide, mean), 3)), REEL_I32);
    reel_tensor *count = reel_sum(reel_eq(rounded, reel_number(rounded, 1)), REEL_AXES(1), REEL_DROP);
    reel_tensor *y = reel_cast(reel_tanh(reel_sub(wide, mean)), REEL_F32);
    reel_keep(count, "count"), reel_keep(reel_max(rounded, REEL_AXES(0), REEL_DROP), "largest"),
        reel_keep(wide, "wide");
    reel_keep(reel_mul(rounded, reel_sub(rounded, reel_abs(rounded))), "whole");
    reel_sgd(average(reel_matmul(y, reel_transpose(y))), (reel_sgd_options){ .lr = 0.1 });
}

/* Rows of a product too wide for the block that is best for it, since what follows needs them whole. */
static void wide_rows(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(9, 515)), *w = parameter(x, "w", REEL_SHAPE(300, 515));
    reel_tensor *y = reel_softmax(reel_scale(reel_contract(x, w, "mk,nk->mn"), 0.01), -1);
    reel_sgd(average(reel_square(reel_shift(y, -1))), (reel_sgd_options){ .lr = 0.1 });
}

/* In the third run an index that is computed late is out of range; nothing of that run may be seen. */
static void stops(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(3, 4)), *c = state(g, "c", REEL_SCALAR), *s = state(g, "s", REEL_SHAPE(4));
    reel_tensor *next = reel_assign(c, reel_shift(c, 1)), *w = parameter(x, "w", REEL_SHAPE(4, 5));
    reel_assign(s, reel_add(s, reel_sum(x, REEL_AXES(0), REEL_DROP)));
    reel_tensor *y = reel_tanh(reel_matmul(x, w)), *i = reel_in_range(reel_cast(next, REEL_I32), 3);
    reel_keep(reel_take(y, i, 0), "row");
    reel_sgd(average(reel_square(reel_take(w, i, 1))), (reel_sgd_options){ .lr = 0.1, .momentum = 0.9 });
}

#include "awkward_programs.h"
#include "overlooked_programs.h"

#define ALONE(NAME, stride)                                                                                            \
    Test(named, NAME) { check_workload(&(workload){ .name = #NAME, .record = NAME }, stride); }
#define IN_BOTH(NAME, stride)                                                                                          \
    ALONE(NAME, stride)                                                                                                \
    Test(named, NAME##_in_f64)                                                                                         \
    {                                                                                                                  \
        check_workload(&(workload){ .name = #NAME " in f64", .record = NAME, .dtype = REEL_F64 }, 5 * (stride));       \
    }

IN_BOTH(xor, 53)
ALONE(mlp_seed, 487)
IN_BOTH(classifier, 97)
IN_BOTH(clipped_adam, 97)
IN_BOTH(norm_gelu, 97)
IN_BOTH(attention, 97)
IN_BOTH(rnn, 97)
IN_BOTH(lstm, 97)
IN_BOTH(penalty, 97)
IN_BOTH(maml, 97)
IN_BOTH(short_rows, 97)
IN_BOTH(long_rows, 197)
IN_BOTH(partial_rows, 197)
IN_BOTH(columns, 97)
IN_BOTH(deep_products, 97)
IN_BOTH(exchanges, 53)
ALONE(exchange_values, 53)
IN_BOTH(kept_views, 53)
IN_BOTH(used_at_once, 53)
IN_BOTH(checks_between, 53)
IN_BOTH(strided, 197)
ALONE(scalars, 53)
ALONE(empty_and_one, 53)
IN_BOTH(contractions, 97)
IN_BOTH(deferred, 53)
ALONE(batch_norm, 97)
ALONE(wide_pointwise, 97)
ALONE(mixed_types, 53)
ALONE(wide_rows, 97)
IN_BOTH(partial_parts, 97)
IN_BOTH(partials_together, 97)
IN_BOTH(one_weight, 97)
IN_BOTH(old_values, 97)
ALONE(whole_rows, 197)
IN_BOTH(concats, 97)
IN_BOTH(inputs_of_steps, 97)
IN_BOTH(views_of_members, 197)
IN_BOTH(distances, 197)
ALONE(almost_batched, 197)
ALONE(many_rows_batched, 197)
IN_BOTH(batched_elsewhere, 197)
ALONE(slices_together, 197)

Test(named, schedule) { check_workload(&(workload){ .name = "schedule", .record = schedule, .varies = true }, 53); }
/* A random program hardly ever has what this one is about. */
Test(named, inputs_of_steps_are_batched)
{
    census c = { 0 };
    const mode planned = { .threads = 1 };
    trace t = run_workload(&(workload){ .name = "inputs_of_steps", .record = inputs_of_steps }, &planned, &c);
    cr_expect_eq(c.batched, 1);
    trace_free(&t);
}

/* Of the ten lists of distances 2, 2, 2, 3, 4, 2, 2, 2, 1 and 1: what is as far from the last of a batch as that is from the
 * one before. */
Test(named, only_equal_distances_are_batched)
{
    reel_model *model = reel_model_new((reel_model_options){ .seed = 11 });
    reel_tape *tape = reel_tape_new(model, (reel_tape_options){ .threads = 1 });
    graph *g = calloc(1, sizeof *g);
    *g = (graph){ .tape = tape, .dtype = REEL_F32 };
    distances(g);
    graph_write(g, 0);
    cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    const reel__plan *plan = &steps_of(tape)->plan;
    int others = 0;
    for (int32_t i = 0; i < plan->group_count; i++) others += plan->group[i].batch_head >= 0;
    cr_expect_eq(others, 21, "%d", others);
    free(g);
    reel_tape_free(tape);
    reel_model_free(model);
}

Test(named, other_attributes)
{
    check_workload(&(workload){ .name = "other_attributes", .record = other_attributes, .varies = true }, 53);
}
Test(named, stops) { check_workload(&(workload){ .name = "stops", .record = stops, .stops = true }, 53); }

/* ---- Planted faults ---------------------------------------------------------------------------------------------- */

Test(faults, a_flipped_bit_of_any_value_is_seen)
{
    char text[600];
    const mode planned = { .threads = 1 };
    workload w = { .name = "classifier", .record = classifier };
    trace a = run_workload(&w, &plain_mode, NULL), b = run_workload(&w, &planned, NULL);
    cr_assert(!differ(&a, &b, text, sizeof text), "%s", text);
    for (int k = 0; k < b.count; k++) {
        char *last = b.bytes + b.list[k].offset + ((size_t)b.list[k].count - 1) * element_of(b.list[k].dtype);
        *last ^= 1;
        cr_expect(differ(&a, &b, text, sizeof text), "not in %s", b.list[k].name);
        cr_expect(strstr(text, b.list[k].name), "%s: %s", b.list[k].name, text);
        *last ^= 1;
    }
    trace_free(&a), trace_free(&b);
}

Test(faults, a_sign_of_zero_is_seen_and_a_payload_is_not)
{
    char text[600];
    const uint32_t nan[] = { 0x7fc00000, 0xffc00123 }, zero[] = { 0, 0x80000000 };
    for (int k = 0; k < 2; k++) {
        trace t[2] = { { .finite = true }, { .finite = true } };
        for (int i = 0; i < 2; i++)
            memcpy(see(&t[i], "x", 0, REEL_F32, 1), k ? &nan[i] : &zero[i], 4), settle_nan(&t[i]);
        cr_expect(differ(&t[0], &t[1], text, sizeof text) == (k == 0));
        cr_expect(t[0].finite == (k == 0));
        for (int i = 0; i < 2; i++) trace_free(&t[i]);
    }
}

Test(faults, a_wrong_constant_of_a_plan_is_seen)
{
    char text[600];
    const mode wrong = { .threads = 1, .fault = true };
    workload w = { .name = "classifier", .record = classifier };
    trace a = run_workload(&w, &plain_mode, NULL), b = run_workload(&w, &wrong, NULL);
    cr_expect(differ(&a, &b, text, sizeof text));
    cr_expect(strstr(text, "run 1"), "%s", text);
    trace_free(&a), trace_free(&b);
}

/* ---- Random programs --------------------------------------------------------------------------------------------- */

static uint64_t draw_state;

static int draw(int n)
{
    uint64_t z = draw_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (int)((z ^ z >> 31) % (uint64_t)n);
}

static mode drawn_mode(uint64_t seed)
{
    int at[MODE_AXES];
    draw_state = seed;
    for (int axis = 0; axis < MODE_AXES; axis++) at[axis] = draw(axis_size(axis));
    if (draw(3) == 0) at[AXIS_FLAGS] = 0;
    if (draw(2) == 0) at[AXIS_THREADS] = 0;
    if (draw(3) != 0) at[AXIS_AGAIN] = 0;
    mode m = mode_of(at);
    if (at[AXIS_FLAGS])
        for (int i = 0; i < FLAGS; i++) *flag_of(&m.settings, i) |= draw(8) == 0;
    if (draw(4) == 0) m.settings.tile = 16 * (1 + draw(20));
    return m;
}

static bool fails(uint64_t seed, int steps, const mode *m, census *c, char *text, size_t size, bool shown)
{
    workload w = { .name = "random", .record = random_graph, .seed = seed, .steps = steps };
    trace plain = run_workload(&w, &plain_mode, NULL);
    w.shown = shown;
    trace planned = run_workload(&w, m, c);
    bool failed = differ(&plain, &planned, text, size) || *plain.error;
    trace_free(&plain), trace_free(&planned);
    return failed;
}

/* The shortest beginning of the program, and the fewest settings, that still fail. */
static void report(uint64_t seed, const mode *drawn)
{
    char text[600], settings[420];
    int steps = 1;
    mode m = *drawn;
    fails(seed, 0, drawn, NULL, text, sizeof text, false);
    snprintf(settings, sizeof settings, "%s", mode_text(drawn));
    fprintf(stderr, "seed %llu (%s)\n    %s\n", (unsigned long long)seed, settings, text);
    while (steps < GRAPH_STEPS && !fails(seed, steps, &m, NULL, text, sizeof text, false)) steps++;
    for (int k = 0; k < FLAGS + 7; k++) {
        mode less = m;
        reel__plan_settings *s = &less.settings;
        if (k < FLAGS) *flag_of(s, k) = false;
        else if (k == FLAGS) s->tile = 0;
        else if (k == FLAGS + 1) s->block = 0;
        else if (k == FLAGS + 2) s->l1 = s->l2 = 0;
        else if (k == FLAGS + 3) s->pack = 0, s->pack_ahead = false;
        else if (k == FLAGS + 4) s->isa = 0;
        else if (k == FLAGS + 5) less.threads = 1;
        else less.again = false;
        if (fails(seed, steps, &less, NULL, text, sizeof text, false)) m = less;
    }
    fails(seed, steps, &m, NULL, text, sizeof text, getenv("REEL_EQUALITY_SEED") != NULL);
    fprintf(stderr, "    in %d steps, with %s:\n    %s\n", steps, mode_text(&m), text);
}

/* On how many of 2,000 programs each pass must have done something. */
static void expect_all_fired(const census *c)
{
    cr_expect(c->finite >= 1900, "%d programs have only finite values", c->finite);
    cr_expect(c->groups >= 1500, "%d with groups of more than one", c->groups);
    cr_expect(c->epilogues >= 700, "%d with epilogues", c->epilogues);
    cr_expect(c->row_reductions >= 1200, "%d with reductions in groups", c->row_reductions);
    cr_expect(c->partial >= 120, "%d with partial reductions", c->partial);
    cr_expect(c->copies >= 800, "%d with copies", c->copies);
    cr_expect(c->in_place >= 900, "%d with assignments in place", c->in_place);
    cr_expect(c->folded >= 1200, "%d with folded constants", c->folded);
    cr_expect(c->deferred >= 1100, "%d with deferred nodes", c->deferred);
    cr_expect(c->tiles >= 900, "%d with several tiles", c->tiles);
    cr_expect(c->singles >= 1500, "%d with a group that is one tile", c->singles);
    cr_expect(c->blocks >= 500, "%d with several blocks", c->blocks);
    cr_expect(c->chains >= 900, "%d with chains", c->chains);
    cr_expect(c->row_chains >= 700, "%d with chains of rows", c->row_chains);
    cr_expect(c->scattered >= 40, "%d with chains of rows that do not lie one after the other", c->scattered);
    cr_expect(c->prefetches >= 200, "%d with values prefetched by a product", c->prefetches);
    cr_expect(c->ordered >= 700, "%d with groups in another order", c->ordered);
    cr_expect(c->packs >= 300, "%d with packs", c->packs);
    cr_expect(c->shared_packs >= 100, "%d with shared packs", c->shared_packs);
    cr_expect(c->in_concats >= 250, "%d with parts written into a concat", c->in_concats);
    cr_expect(c->batched >= 160, "%d with batches of products", c->batched);
    cr_expect(c->long_batches >= 80, "%d with more than two products in a batch", c->long_batches);
    cr_expect(c->first >= 500, "%d with single elements before the rest", c->first);
#if defined(_OPENMP)
    cr_expect(c->teams >= 400, "%d with steps for a team", c->teams);
#endif
}

/* A crash, too, names the program. */
static int current_seed;

static void died(int number)
{
    fprintf(stderr, "signal %d in seed %d\n", number, current_seed);
    signal(number, SIG_DFL);
    raise(number);
}

Test(random, programs_agree)
{
    static const int deadly[] = { SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGILL };
    for (int i = 0; i < COUNT(deadly); i++) signal(deadly[i], died);
    const char *only = getenv("REEL_EQUALITY_SEED");
    int first = environment("REEL_EQUALITY_FIRST", 1), count = environment("REEL_EQUALITY_COUNT", 2000), failures = 0;
    census c = { 0 };
    if (only) first = atoi(only), count = 1;
    for (int seed = first; seed < first + count && failures < 5; seed++) {
        char text[600];
        mode m = drawn_mode((uint64_t)(current_seed = seed));
        if (!fails((uint64_t)seed, environment("REEL_EQUALITY_STEPS", 0), &m, &c, text, sizeof text, false)) continue;
        failures++;
        report((uint64_t)seed, &m);
    }
    cr_expect(failures == 0, "%d programs differ", failures);
    if (count == 2000 && !failures) expect_all_fired(&c);
    fprintf(
        stderr,
        "%d programs: %d finite, %d groups, %d epilogues, %d rows, %d partial, %d copies, %d in place, %d folded, "
        "%d deferred, %d teams, %d tiles, %d singles, %d blocks, %d chains, %d chains of rows, %d scattered, "
        "%d prefetches, %d ordered, %d packs, %d shared packs, %d first, %d in concats, %d batched, %d long batches\n",
        c.programs, c.finite, c.groups, c.epilogues, c.row_reductions, c.partial, c.copies, c.in_place, c.folded,
        c.deferred, c.teams, c.tiles, c.singles, c.blocks, c.chains, c.row_chains, c.scattered, c.prefetches, c.ordered,
        c.packs, c.shared_packs, c.first, c.in_concats, c.batched, c.long_batches);
}
