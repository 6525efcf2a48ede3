/* The planned executor agrees with the plain one bit for bit, or both have NaN: on programs such as people write, under
 * the cross product of everything that a plan can be forced to, and on random ones, each under settings drawn with it.
 *
 *     REEL_EQUALITY_SEED=n    only this random program, with its trace; FIRST and COUNT: others than the usual ones
 *     REEL_EQUALITY_STRIDE=n  of the cross product every n-th; 1: all of it (minutes) */
#include "core/base/cpu.h"
#include "core/run/executor.h"

#include "chance.h"
#include "fixture.h"
#include "random_graph.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void look_at_model(trace *t, int number)
{
    for (int64_t i = 0; i < model->values.list.count; i++) {
        const reel__value *v = REEL__AT(model->values.list, reel__value *, i);
        void *to = see(t, v->name, number, v->dtype, v->count);
        if (v->count) memcpy(to, v->data, (size_t)v->count * element_of(v->dtype));
    }
}

/* All that a run lets one read: kept values and losses. */
static void look_at_values(trace *t, int number)
{
    for (int64_t i = 0; i < tape->keeps.count; i++)
        see_tensor(t, REEL__AT(tape->keeps, reel__named, i).name, number, REEL__AT(tape->keeps, reel__named, i).x);
    for (int64_t i = 0; i < tape->losses.count; i++)
        see_tensor(t, "(loss)", number, REEL__AT(tape->losses, reel_tensor *, i));
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
static const reel__steps *last_steps(void)
{
    const reel__program *program = tape->executor ? reel__last_program(&tape->executor->programs) : NULL;
    return program ? program->steps : NULL;
}

static void take_census(const trace *t, census *c)
{
    const reel__steps *steps = last_steps();
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

static void show(void)
{
    const reel__steps *steps = last_steps();
    for (int64_t i = 0; steps && i < steps->plan.count; i++) show_node(&steps->plan, i);
}

/* ---- Running ----------------------------------------------------------------------------------------------------- */

static void record(const workload *w, const mode *m, graph *g, int number)
{
    if (number && !m->again && !w->varies) return;
    if (number) reel_tape_clear(tape);
    *g = (graph){ .tape = tape, .dtype = w->dtype, .seed = w->seed, .steps = w->steps, .run = number };
    w->record(g);
    tape->plain = m->plain;
    if (!m->plain && reel__settings(tape)) *reel__settings(tape) = m->settings;
}

/* A team although others need the cores. */
static void with_a_team(void)
{
    if (tape->executor) tape->executor->disturbance = (reel__disturbance){ 0 };
}

/* What can be read after an evaluation of all that is kept; nothing is assigned. */
static void evaluate(trace *t)
{
    reel_tensor **kept = calloc((size_t)tape->keeps.count + 1, sizeof *kept);
    for (int64_t i = 0; i < tape->keeps.count; i++) kept[i] = REEL__AT(tape->keeps, reel__named, i).x;
    with_a_team();
    if (reel_eval(tape, kept, (int)tape->keeps.count) != REEL_OK)
        snprintf(t->error, sizeof t->error, "eval: %s", reel_tape_error(tape));
    for (int64_t i = 0; i < tape->keeps.count && !*t->error; i++) see_tensor(t, "(evaluated)", RUNS, kept[i]);
    free(kept);
}

/* A bit of a folded constant: what a plan that goes wrong might do. */
static void plant_fault(void)
{
    const reel__plan *plan = &last_steps()->plan;
    for (int64_t i = 0; i < plan->count; i++)
        if (plan->node[i].role == REEL__CONSTANT && plan->node[i].x->dtype != REEL_I32) plan->node[i].data[2] ^= 1;
}

static trace run_workload(const workload *w, const mode *m, census *c)
{
    trace t = { .finite = true };
    begin_with((reel_model_options){ .seed = 11 }, (reel_tape_options){ .threads = m->threads });
    graph *g = calloc(1, sizeof *g);
    for (int run = 0; run < RUNS && !*t.error; run++) {
        record(w, m, g, run);
        graph_write(g, run);
        with_a_team();
        if (run && m->fault) plant_fault();
        if (reel_run(tape) == REEL_OK) look_at_values(&t, run);
        else snprintf(t.error, sizeof t.error, "run %d: %s", run, reel_tape_error(tape));
        look_at_model(&t, run);
    }
    settle_nan(&t);
    if (c) take_census(&t, c);
    if (w->shown) show();
    if (!*t.error) evaluate(&t);
    settle_nan(&t);
    free(g);
    end_after_error();
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

/* ---- Programs ---------------------------------------------------------------------------------------------------- */

#define NAMED_TEST(test, stride, ...)                                                                                  \
    Test(named, test) { check_workload(&(workload){ __VA_ARGS__ }, stride); }
#define ALONE(NAME, stride) NAMED_TEST(NAME, stride, .name = #NAME, .record = program_##NAME)
#define IN_BOTH(NAME, stride)                                                                                          \
    ALONE(NAME, stride)                                                                                                \
    NAMED_TEST(NAME##_in_f64, 5 * (stride), .name = #NAME " in f64", .record = program_##NAME, .dtype = REEL_F64)
#define VARYING(NAME, stride) NAMED_TEST(NAME, stride, .name = #NAME, .record = program_##NAME, .varies = true)
#define STOPPING(NAME, stride) NAMED_TEST(NAME, stride, .name = #NAME, .record = program_##NAME, .stops = true)

PROGRAMS(ALONE, IN_BOTH, VARYING, STOPPING)

/* A random program hardly ever has what this one is about. */
Test(named, inputs_of_steps_are_batched)
{
    census c = { 0 };
    const mode planned = { .threads = 1 };
    trace t = run_workload(&(workload){ .name = "inputs_of_steps", .record = program_inputs_of_steps }, &planned, &c);
    cr_expect_eq(c.batched, 1);
    trace_free(&t);
}

/* Of the ten lists of distances 2, 2, 2, 3, 4, 2, 2, 2, 1 and 1: what is as far from the last of a batch as that is from the
 * one before. */
Test(named, only_equal_distances_are_batched)
{
    begin();
    graph *g = calloc(1, sizeof *g);
    *g = (graph){ .tape = tape, .dtype = REEL_F32 };
    program_distances(g);
    graph_write(g, 0);
    run();
    const reel__plan *plan = &last_steps()->plan;
    int others = 0;
    for (int32_t i = 0; i < plan->group_count; i++) others += plan->group[i].batch_head >= 0;
    cr_expect_eq(others, 21, "%d", others);
    free(g);
    end();
}

/* ---- Planted faults ---------------------------------------------------------------------------------------------- */

Test(faults, a_flipped_bit_of_any_value_is_seen)
{
    char text[600];
    const mode planned = { .threads = 1 };
    workload w = { .name = "classifier", .record = program_classifier };
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
    workload w = { .name = "classifier", .record = program_classifier };
    trace a = run_workload(&w, &plain_mode, NULL), b = run_workload(&w, &wrong, NULL);
    cr_expect(differ(&a, &b, text, sizeof text));
    cr_expect(strstr(text, "run 1"), "%s", text);
    trace_free(&a), trace_free(&b);
}

/* ---- Random programs --------------------------------------------------------------------------------------------- */

static mode drawn_mode(uint64_t seed)
{
    int at[MODE_AXES];
    random_seed(seed);
    for (int axis = 0; axis < MODE_AXES; axis++) at[axis] = below(axis_size(axis));
    if (below(3) == 0) at[AXIS_FLAGS] = 0;
    if (below(2) == 0) at[AXIS_THREADS] = 0;
    if (below(3) != 0) at[AXIS_AGAIN] = 0;
    mode m = mode_of(at);
    if (at[AXIS_FLAGS])
        for (int i = 0; i < FLAGS; i++) *flag_of(&m.settings, i) |= below(8) == 0;
    if (below(4) == 0) m.settings.tile = 16 * (1 + below(20));
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
