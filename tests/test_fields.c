/* Every field of every options struct of the public headers does what its line says. The table at the end has a row for
 * each; a test compares it with the headers, so that a field without a row fails. Updates are compared with plain loops
 * in f64. */
#include "core/run/executor.h"
#include "files.h"
#include "fixture.h"
#include "heap.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/worst.h"

static void expect_no_error(void) { cr_assert_null(reel_tape_error(tape), "%s", reel_tape_error(tape)); }

static void read_model(const char *name, double *data, int64_t count)
{
    cr_assert_eq(reel_model_read_f64(model, name, data, count), REEL_OK, "%s", reel_model_error(model));
}

static bool has_name(const char *name)
{
    for (int64_t i = 0; i < reel_model_count(model); i++)
        if (strcmp(reel_model_name(model, i), name) == 0) return true;
    return false;
}

/* The file's contents, and the file removed. */
static const char *contents(const char *path)
{
    const char *text = read_file(path);
    remove(path);
    return text;
}

static const char *temporary(void)
{
    static char path[100];
    snprintf(path, sizeof path, "/tmp/reel_options_%d", (int)getpid());
    return path;
}

/* ---- Models ------------------------------------------------------------------------------------------------------ */

static void initial_values(uint64_t seed, double *w)
{
    begin_with((reel_model_options){ .seed = seed }, (reel_tape_options){ 0 });
    reel_tensor *like = reel_input(tape, "like", REEL_F64, REEL_SCALAR);
    reel_parameter(like, "w", REEL_SHAPE(8), reel_init_uniform(0, 1));
    read_model("w", w, 8);
    end();
}

static void model_seed(void)
{
    double first[8], again[8], other[8];
    initial_values(0, first), initial_values(0, again), initial_values(7, other);
    cr_expect_eq(memcmp(first, again, sizeof first), 0);
    for (int i = 0; i < 8; i++) cr_expect_neq(first[i], other[i]);
}

static void model_allocator(void)
{
    heap h = { 0 };
    begin_with((reel_model_options){ .allocator = { heap_resize, &h } }, (reel_tape_options){ 0 });
    const int64_t before = h.calls;
    cr_expect_gt(before, 1, "for the model and the tape");
    reel_input(tape, "x", REEL_F32, REEL_SHAPE(3));
    cr_expect_gt(h.calls, before);
    end();
    expect_all_back(&h);
}

/* ---- Tapes ------------------------------------------------------------------------------------------------------- */

/* w ← w + 1, by a tape with these options. */
static reel_status add_one(reel_tape_options options)
{
    reel_tape *other = reel_tape_new(model, options);
    reel_tensor *h = reel_state(other, "h", REEL_F64, REEL_SCALAR);
    reel_assign(h, reel_shift(h, 1));
    const reel_status status = reel_run(other);
    reel_tape_free(other);
    return status;
}

static double model_h(void)
{
    double h;
    read_model("h", &h, 1);
    return h;
}

static void tape_evaluate(void)
{
    begin();
    cr_assert_eq(add_one((reel_tape_options){ 0 }), REEL_OK);
    cr_expect_eq(model_h(), 1);
    cr_assert_eq(add_one((reel_tape_options){ .evaluate = true }), REEL_OK);
    cr_expect_eq(model_h(), 1, "an evaluating tape wrote the model");
    reel_tape *other = reel_tape_new(model, (reel_tape_options){ .evaluate = true });
    reel_tensor *x = reel_input(other, "x", REEL_F64, REEL_SHAPE(4));
    cr_expect(reel_is_evaluating(other) && !reel_is_evaluating(tape));
    cr_expect_eq(reel_dropout(x, "drop", 0.5), x);
    reel_parameter(x, "unknown", REEL_SHAPE(4), reel_init_zeros());
    cr_expect_eq(reel_tape_status(other), REEL_BAD_NAME);
    reel_tape_free(other);
    end();
}

static reel_status read_unkept(bool keep_everything)
{
    double y[2];
    begin_with((reel_model_options){ 0 }, (reel_tape_options){ .keep_everything = keep_everything });
    reel_tensor *x = reel_input(tape, "x", REEL_F64, REEL_SHAPE(2)), *unkept = reel_scale(x, 3);
    reel_keep(reel_shift(unkept, 1), "y");
    reel_write_f64(x, (const double[]){ 1, 2 }, 2);
    cr_assert_eq(reel_run(tape), REEL_OK);
    const reel_status status = reel_read_f64(unkept, y, 2);
    cr_expect(status != REEL_OK || (y[0] == 3 && y[1] == 6));
    end_after_error();
    return status;
}

static void tape_keep_everything(void)
{
    cr_expect_eq(read_unkept(true), REEL_OK);
    cr_expect_neq(read_unkept(false), REEL_OK);
}

static void tape_checked(void)
{
    for (int checked = 0; checked < 2; checked++) {
        begin_with((reel_model_options){ 0 }, (reel_tape_options){ .checked = checked });
        reel_tensor *x = reel_input(tape, "x", REEL_F64, REEL_SHAPE(2));
        reel_keep(reel_exp(reel_log(x)), "y");
        reel_write_f64(x, (const double[]){ 1, -2 }, 2);
        cr_expect_eq(reel_run(tape), checked ? REEL_NOT_FINITE : REEL_OK);
        cr_expect(!checked || strstr(reel_tape_error(tape), "log: element [1]"), "%s", reel_tape_error(tape));
        end_after_error();
    }
}

static void tape_profile(void)
{
    for (int profile = 0; profile < 2; profile++) {
        begin_with((reel_model_options){ 0 }, (reel_tape_options){ .profile = profile, .threads = 1 });
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(300, 300));
        reel_keep(reel_tanh(reel_matmul(x, x)), "y");
        float *zeros = calloc(300 * 300, sizeof *zeros);
        reel_write_f32(x, zeros, 300 * 300);
        free(zeros);
        cr_assert_eq(reel_run(tape), REEL_OK);
        cr_assert_eq(reel_tape_write_plan(tape, temporary()), REEL_OK);
        cr_expect_eq(strstr(contents(temporary()), "us a run") != NULL, profile);
        end();
    }
}

/* Three runs of a draw, one after the other. */
static void draw(bool profile, double *to)
{
    begin_with((reel_model_options){ .seed = 5 }, (reel_tape_options){ .profile = profile, .threads = 1 });
    reel_tensor *like = reel_input(tape, "like", REEL_F64, REEL_SCALAR);
    reel_tensor *y = reel_keep(reel_uniform(like, "u", REEL_SHAPE(4)), "y");
    for (int run = 0; run < 3; run++) {
        cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
        cr_assert_eq(reel_read_f64(y, to + 4 * run, 4), REEL_OK);
    }
    end();
}

static void profile_changes_no_draw(void)
{
    double usual[12], profiled[12];
    draw(false, usual), draw(true, profiled);
    cr_expect_eq(memcmp(usual, profiled, sizeof usual), 0, "other draws with .profile");
    for (int i = 0; i < 8; i++) cr_expect_neq(usual[i], usual[i + 4], "new in every run");
}

static int threads_of(int threads)
{
    begin_with((reel_model_options){ 0 }, (reel_tape_options){ .threads = threads });
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(1000, 1000));
    reel_keep(reel_tanh(reel_sin(x)), "y");
    float *zeros = calloc(1000 * 1000, sizeof *zeros);
    reel_write_f32(x, zeros, 1000 * 1000);
    free(zeros);
    cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    const int used = reel__last_program(&tape->executor->programs)->steps->threads;
    end();
    return used;
}

static void tape_threads(void)
{
    cr_expect_eq(threads_of(1), 1);
#if defined(_OPENMP)
    cr_expect_eq(threads_of(2), 2);
    cr_expect_eq(threads_of(3), 3);
#endif
}

/* ---- Linear layers ----------------------------------------------------------------------------------------------- */

enum { IN = 3, OUT = 4 };

/* w and b after a layer with these options; NaN in b where it has none. */
static void layer_of(reel_linear_options options, double *w, double *b)
{
    begin();
    reel_tensor *x = reel_input(tape, "x", REEL_F64, REEL_SHAPE(2, IN));
    reel_keep(reel_linear_with(x, "l", OUT, options), "y");
    expect_no_error();
    read_model("l/w", w, IN * OUT);
    for (int i = 0; i < OUT; i++) b[i] = (double)NAN;
    if (has_name("l/b")) read_model("l/b", b, OUT);
    end();
}

static void expect_all(const double *x, int count, double value, const char *what)
{
    for (int i = 0; i < count; i++) cr_expect_eq(x[i], value, "%s: element %d is %g, not %g", what, i, x[i], value);
}

static void linear_no_bias(void)
{
    double w[IN * OUT], b[OUT];
    layer_of((reel_linear_options){ .no_bias = true, .bias = reel_init_constant(2) }, w, b);
    cr_expect(isnan(b[0]), "there is no b");
    layer_of((reel_linear_options){ 0 }, w, b);
    expect_all(b, OUT, 0, "b by default");
}

static void linear_weight(void)
{
    double w[IN * OUT], b[OUT], usual[IN * OUT];
    layer_of((reel_linear_options){ .weight = reel_init_constant(0.25) }, w, b);
    expect_all(w, IN * OUT, 0.25, "w");
    expect_all(b, OUT, 0, "b with it");
    layer_of((reel_linear_options){ .bias = reel_init_constant(0.25) }, w, b); /* no weight given */
    layer_of((reel_linear_options){ 0 }, usual, b);
    cr_expect_eq(memcmp(w, usual, sizeof w), 0, "a weight that is not given");
    for (int i = 0; i < IN * OUT; i++) cr_expect(w[i] != 0 && fabs(w[i]) <= 1 / sqrt(IN), "%g", w[i]);
    layer_of((reel_linear_options){ .weight = reel_init_zeros() }, w, b);
    expect_all(w, IN * OUT, 0, "w given as 0");
}

static void linear_bias(void)
{
    double w[IN * OUT], b[OUT], usual[IN * OUT], usual_b[OUT];
    layer_of((reel_linear_options){ .bias = reel_init_constant(-1.5) }, w, b);
    layer_of((reel_linear_options){ 0 }, usual, usual_b);
    expect_all(b, OUT, -1.5, "b");
    cr_expect_eq(memcmp(w, usual, sizeof w), 0, "w with it");
    layer_of((reel_linear_options){ .weight = reel_init_constant(-1.5) }, w, b);
    expect_all(b, OUT, 0, "a bias that is not given");
}

/* ---- Optimisers -------------------------------------------------------------------------------------------------- */

enum { N = 4, STEPS = 4 };

static const double start[N] = { 0.5, -0.25, 1.5, 2 }, slope[N] = { 1, -0.5, 0.25, 2 };

/* A loss with the gradient g_t = t slope in step t, by the parameter "a/w" and, the same, by "b/w". */
typedef struct task {
    reel_tensor *scale, *rate, *loss;
} task;

static task begin_task(void)
{
    begin();
    task t = { .scale = reel_input(tape, "scale", REEL_F64, REEL_SHAPE(N)) };
    t.rate = reel_input(tape, "rate", REEL_F64, REEL_SCALAR);
    for (int i = 0; i < 2; i++) {
        reel_scope_push(tape, "%c", 'a' + i);
        reel_tensor *w = reel_parameter(t.scale, "w", REEL_SHAPE(N), reel_init_zeros());
        reel_scope_pop(tape);
        reel_tensor *term = reel_sum(reel_mul(w, t.scale), REEL_ALL, REEL_DROP);
        t.loss = i ? reel_add(t.loss, term) : term;
    }
    cr_assert_eq(reel_model_write_f64(model, "a/w", start, N), REEL_OK);
    cr_assert_eq(reel_model_write_f64(model, "b/w", start, N), REEL_OK);
    return t;
}

static double rate_of(int step, double lr) { return lr / step; }

static void run_steps(const task *t, double lr)
{
    expect_no_error();
    for (int step = 1; step <= STEPS; step++) {
        double g[N], rate = rate_of(step, lr);
        for (int i = 0; i < N; i++) g[i] = step * slope[i];
        reel_write_f64(t->scale, g, N);
        reel_write_f64(t->rate, &rate, 1);
        cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    }
}

static void expect_w(const char *name, const double *expected, const char *what)
{
    double w[N], worst = 0;
    read_model(name, w, N);
    for (int i = 0; i < N; i++) worst = worse_of(worst, fabs(w[i] - expected[i]) / fabs(expected[i]));
    cr_expect(worst < 1e-13, "%s: %s is off by %g", what, name, worst);
}

/* What the header says, by loops; lr_tensor: the rate falls with the step. */
static void sgd_by_loops(const reel_sgd_options *o, double lr, double *w)
{
    double v[N] = { 0 };
    memcpy(w, start, sizeof start);
    for (int step = 1; step <= STEPS; step++)
        for (int i = 0; i < N; i++) {
            double g = step * slope[i] + o->weight_decay * w[i];
            v[i] = o->momentum * v[i] + g;
            w[i] -= (o->lr_tensor ? rate_of(step, lr) : lr) * (o->nesterov ? g + o->momentum * v[i] : v[i]);
        }
}

/* 1 − βᵗ */
static double gone(double beta, int t) { return beta > 0 ? -expm1(t * log(beta)) : 1; }

static void adam_by_loops(const reel_adam_options *o, double lr, double *w)
{
    const bool set = o->betas[0] != 0 || o->betas[1] != 0;
    const double b1 = set ? o->betas[0] : 0.9, b2 = set ? o->betas[1] : 0.999,
                 epsilon = o->epsilon != 0 ? o->epsilon : 1e-8;
    double m[N] = { 0 }, v[N] = { 0 };
    memcpy(w, start, sizeof start);
    for (int t = 1; t <= STEPS; t++)
        for (int i = 0; i < N; i++) {
            const double g = t * slope[i], rate = o->lr_tensor ? rate_of(t, lr) : lr;
            m[i] = b1 * m[i] + (1 - b1) * g, v[i] = b2 * v[i] + (1 - b2) * g * g;
            const double step = m[i] / gone(b1, t) / (sqrt(v[i] / gone(b2, t)) + epsilon);
            w[i] -= rate * (step + o->weight_decay * w[i]);
        }
}

/* Both parameters follow the loops, one of them alone where the options have a pattern "a/…". */
static void expect_updates(const task *t, const double *expected, const char *pattern, const char *what)
{
    run_steps(t, 0.125);
    expect_w("a/w", expected, what);
    expect_w("b/w", pattern ? start : expected, what);
}

static void follow_sgd(reel_sgd_options options, bool by_tensor, bool by_halves, const char *what)
{
    task t = begin_task();
    double expected[N];
    if (by_tensor) options.lr_tensor = t.rate;
    else options.lr = 0.125;
    sgd_by_loops(&options, 0.125, expected);
    reel_list *parameters = by_halves ? reel_parameters(t.loss, options.parameter_pattern) : NULL;
    reel_list *updated = by_halves ? reel_sgd_update(parameters, reel_gradients(t.loss, parameters), options)
                                   : reel_sgd(t.loss, options);
    cr_expect_eq(reel_list_count(updated), options.parameter_pattern ? 1 : 2, "%s", what);
    expect_updates(&t, expected, options.parameter_pattern, what);
    const char *state = options.state_prefix ? options.state_prefix : "sgd";
    char name[40];
    snprintf(name, sizeof name, "%s/a/w/velocity", state);
    cr_expect_eq(has_name(name), options.momentum != 0, "%s: %s", what, name);
    cr_expect_eq(reel_model_count(model), 2 + (options.momentum != 0 ? reel_list_count(updated) : 0), "%s", what);
    end();
}

static void follow_adam(reel_adam_options options, bool by_tensor, bool by_halves, const char *what)
{
    task t = begin_task();
    double expected[N];
    if (by_tensor) options.lr_tensor = t.rate;
    else options.lr = 0.125;
    adam_by_loops(&options, 0.125, expected);
    reel_list *parameters = by_halves ? reel_parameters(t.loss, options.parameter_pattern) : NULL;
    reel_list *updated = by_halves ? reel_adam_update(parameters, reel_gradients(t.loss, parameters), options)
                                   : reel_adam(t.loss, options);
    cr_expect_eq(reel_list_count(updated), options.parameter_pattern ? 1 : 2, "%s", what);
    expect_updates(&t, expected, options.parameter_pattern, what);
    static const char *const states[] = { "step", "a/w/m", "a/w/v" };
    for (int i = 0; i < COUNT(states); i++) {
        char name[40];
        snprintf(name, sizeof name, "%s/%s", options.state_prefix ? options.state_prefix : "adam", states[i]);
        cr_expect(has_name(name), "%s: %s", what, name);
    }
    cr_expect_eq(reel_model_count(model), 3 + 2 * reel_list_count(updated), "%s", what);
    end();
}

static void sgd(reel_sgd_options options, bool by_tensor, const char *what)
{
    for (int by_halves = 0; by_halves < 2; by_halves++) follow_sgd(options, by_tensor, by_halves, what);
}

static void adam(reel_adam_options options, bool by_tensor, const char *what)
{
    for (int by_halves = 0; by_halves < 2; by_halves++) follow_adam(options, by_tensor, by_halves, what);
}

static void sgd_lr(void) { sgd((reel_sgd_options){ 0 }, false, "lr"); }
static void sgd_lr_tensor(void) { sgd((reel_sgd_options){ .momentum = 0.5 }, true, "lr_tensor"); }
static void sgd_parameters(void) { sgd((reel_sgd_options){ .parameter_pattern = "a/*" }, false, "parameters"); }
static void sgd_state(void) { sgd((reel_sgd_options){ .state_prefix = "slow", .momentum = 0.75 }, false, "state"); }
static void sgd_momentum(void) { sgd((reel_sgd_options){ .momentum = 0.9 }, false, "momentum"); }
static void sgd_nesterov(void) { sgd((reel_sgd_options){ .momentum = 0.9, .nesterov = true }, false, "nesterov"); }
static void sgd_weight_decay(void)
{
    sgd((reel_sgd_options){ .weight_decay = 0.25 }, false, "weight_decay");
    sgd((reel_sgd_options){ .weight_decay = 0.25, .momentum = 0.5, .nesterov = true, .parameter_pattern = "a/w" }, true,
        "all");
}

static void adam_lr(void) { adam((reel_adam_options){ 0 }, false, "lr"); }
static void adam_lr_tensor(void) { adam((reel_adam_options){ 0 }, true, "lr_tensor"); }
static void adam_parameters(void) { adam((reel_adam_options){ .parameter_pattern = "a/**" }, false, "parameters"); }
static void adam_state(void) { adam((reel_adam_options){ .state_prefix = "fast" }, false, "state"); }
static void adam_betas(void)
{
    adam((reel_adam_options){ .betas = { 0.5, 0.75 } }, false, "betas");
    adam((reel_adam_options){ .betas = { 0, 0.75 } }, false, "beta 1 of 0");
    adam((reel_adam_options){ .betas = { 0.5, 0 } }, false, "beta 2 of 0");
}
static void adam_epsilon(void) { adam((reel_adam_options){ .epsilon = 0.5 }, false, "epsilon"); }
static void adam_weight_decay(void)
{
    adam((reel_adam_options){ .weight_decay = 0.25 }, false, "weight_decay");
    adam(
        (reel_adam_options){ .weight_decay = 0.5, .epsilon = 0.25, .betas = { 0.25, 0.5 }, .parameter_pattern = "a/w" },
        true, "all");
}

/* ---- Progress ---------------------------------------------------------------------------------------------------- */

static const char *printed(reel_progress_options options)
{
    FILE *file = fopen(temporary(), "w");
    cr_assert(file);
    options.file = file;
    reel_progress *progress = reel_progress_new(options);
    reel_progress_batch(progress, 10, 0.5, 0.25);
    reel_progress_epoch(progress);
    reel_progress_free(progress);
    fclose(file);
    return contents(temporary());
}

static void progress_epochs(void)
{
    cr_expect(strstr(printed((reel_progress_options){ .epochs = 3 }), "epoch 1/3  loss 0.5"));
    cr_expect(strstr(printed((reel_progress_options){ 0 }), "epoch 1  loss 0.5"));
}

static void progress_quiet(void)
{
    cr_expect_str_eq(printed((reel_progress_options){ .epochs = 3, .quiet = true }), "");
    cr_expect_str_neq(printed((reel_progress_options){ .epochs = 3 }), "");
}

/* ---- The table --------------------------------------------------------------------------------------------------- */

static const struct {
    const char *options, *field;
    void (*shows)(void);
} rows[] = {
    { "reel_model_options", "seed", model_seed },
    { "reel_model_options", "allocator", model_allocator },
    { "reel_tape_options", "evaluate", tape_evaluate },
    { "reel_tape_options", "keep_everything", tape_keep_everything },
    { "reel_tape_options", "checked", tape_checked },
    { "reel_tape_options", "profile", tape_profile },
    { "reel_tape_options", "profile", profile_changes_no_draw },
    { "reel_tape_options", "threads", tape_threads },
    { "reel_linear_options", "no_bias", linear_no_bias },
    { "reel_linear_options", "weight", linear_weight },
    { "reel_linear_options", "bias", linear_bias },
    { "reel_sgd_options", "lr", sgd_lr },
    { "reel_sgd_options", "lr_tensor", sgd_lr_tensor },
    { "reel_sgd_options", "parameter_pattern", sgd_parameters },
    { "reel_sgd_options", "state_prefix", sgd_state },
    { "reel_sgd_options", "momentum", sgd_momentum },
    { "reel_sgd_options", "nesterov", sgd_nesterov },
    { "reel_sgd_options", "weight_decay", sgd_weight_decay },
    { "reel_adam_options", "lr", adam_lr },
    { "reel_adam_options", "lr_tensor", adam_lr_tensor },
    { "reel_adam_options", "parameter_pattern", adam_parameters },
    { "reel_adam_options", "state_prefix", adam_state },
    { "reel_adam_options", "betas", adam_betas },
    { "reel_adam_options", "epsilon", adam_epsilon },
    { "reel_adam_options", "weight_decay", adam_weight_decay },
    { "reel_progress_options", "epochs", progress_epochs },
    { "reel_progress_options", "samples", NULL }, /* the bar of a terminal: test_progress.c */
    { "reel_progress_options", "quiet", progress_quiet },
    { "reel_progress_options", "file", progress_epochs },
};

static bool has_row(const char *options, const char *field)
{
    for (int i = 0; i < COUNT(rows); i++)
        if (strcmp(rows[i].options, options) == 0 && strcmp(rows[i].field, field) == 0) return true;
    return false;
}

static const char *header(const char *name)
{
    char path[100];
    snprintf(path, sizeof path, "include/%s", name);
    char *text = read_source(path);
    for (char *p = text; (p = strstr(p, "/*"));) { /* comments become blanks */
        char *after = strstr(p, "*/");
        cr_assert(after);
        memset(p, ' ', (size_t)(after + 2 - p));
    }
    return text;
}

static bool in_a_name(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

/* The declared names up to a brace: the last name before each ',', ';' or '['. */
static int expect_rows(const char *options, const char *at)
{
    char name[64];
    int length = 0, fields = 0;
    for (; *at != '}'; at++) {
        if (in_a_name(*at)) {
            if (!in_a_name(at[-1])) length = 0;
            cr_assert_lt(length, 63);
            name[length++] = *at, name[length] = 0;
        } else if (strchr(",;[", *at)) {
            if (length) cr_expect(has_row(options, name), "%s.%s has no row", options, name);
            fields += length > 0, length = 0;
            if (*at == '[') at = strchr(at, ']');
        }
    }
    return fields;
}

Test(fields, have_a_row_for_every_field_of_the_headers)
{
    static const char *const headers[] = { "reel.h", "reel/nn.h", "reel/train.h" };
    int fields = 0;
    for (int i = 0; i < COUNT(headers); i++) {
        const char *at = header(headers[i]);
        while ((at = strstr(at, "typedef struct reel_"))) {
            char name[64];
            at += strlen("typedef struct ");
            snprintf(name, sizeof name, "%.*s", (int)strcspn(at, " ;"), at);
            const char *ending = strrchr(name, '_');
            if (ending && strcmp(ending, "_options") == 0) fields += expect_rows(name, strchr(at, '{') + 1);
        }
    }
    cr_expect_geq(fields, 28);
}

Test(fields, each_field_does_what_its_line_says)
{
    for (int i = 0; i < COUNT(rows); i++)
        if (rows[i].shows) rows[i].shows();
}

/* ---- Programs that were compiled with an older header ------------------------------------------------------------ */

Test(fields, beyond_the_size_of_an_older_struct_are_zero)
{
    task t = begin_task();
    double expected[N];
    const reel_sgd_options o = { .lr = 0.125, .momentum = 0.9, .nesterov = true, .weight_decay = 0.5 };
    sgd_by_loops(&(reel_sgd_options){ 0 }, 0.125, expected);
    reel_sgd_sized(t.loss, &o, offsetof(reel_sgd_options, momentum));
    expect_updates(&t, expected, NULL, "sgd");
    end();
    t = begin_task();
    const reel_adam_options a = { .lr = 0.125, .betas = { 0.5, 0.5 }, .epsilon = 1, .weight_decay = 0.5 };
    adam_by_loops(&(reel_adam_options){ .betas = { 0.5, 0.5 }, .epsilon = 1 }, 0.125, expected);
    reel_adam_sized(t.loss, &a, offsetof(reel_adam_options, weight_decay));
    expect_updates(&t, expected, NULL, "adam");
    end();
    const reel_tape_options evaluating = { .evaluate = true, .checked = true };
    begin();
    reel_tape_free(tape);
    tape = reel_tape_new_sized(model, &evaluating, 0);
    cr_expect(!reel_is_evaluating(tape) && !tape->options.checked);
    end();
}
