/* The benchmark workloads: one training step each, forward, loss, gradient and update, on synthetic data.
 * Prints  NAME median_us min_us steps loss_first loss_last  for each, as the peers in bench/peers do; see --help. */
#include "bench.h"

#include <math.h>
#include <reel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct workload {
    const char *name;
    reel_tensor *(*record)(reel_tape *tape);
} workload;

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A fixed stream of numbers in [0, 1). */
static uint32_t random_state;

float bench_uniform(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (float)(random_state >> 8) * 0x1p-24f;
}

/* The inputs of a workload as recorded last, and what is written to them before a run. */
typedef struct batch {
    reel_tensor *x[2];
    void *data[2]; /* made by the first recording */
    int count;
    bool made;
} batch;

static batch inputs;

static void *random_data(int64_t count, int classes)
{
    float *f = malloc((size_t)count * sizeof *f);
    int32_t *i = malloc((size_t)count * sizeof *i);
    for (int64_t k = 0; f && i && k < count; k++) f[k] = bench_uniform(), i[k] = (int32_t)(f[k] * (float)classes);
    free(classes ? (void *)f : (void *)i);
    return classes ? (void *)i : (void *)f;
}

static reel_tensor *data(reel_tape *tape, const char *name, reel_shape shape, int classes)
{
    reel_tensor *x = reel_input(tape, name, classes ? REEL_I32 : REEL_F32, shape);
    if (!inputs.made) inputs.data[inputs.count] = random_data(reel_count(x), classes);
    return inputs.x[inputs.count++] = x;
}

static reel_tensor *scalar_data(reel_tape *tape, const char *name, float value)
{
    reel_tensor *x = reel_input(tape, name, REEL_F32, REEL_SCALAR);
    float *data = inputs.made ? NULL : malloc(sizeof *data);
    if (data) *data = value;
    if (!inputs.made) inputs.data[inputs.count] = data;
    return inputs.x[inputs.count++] = x;
}

static void write_inputs(void)
{
    for (int i = 0; i < inputs.count; i++) {
        reel_tensor *x = inputs.x[i];
        if (reel_dtype_of(x) == REEL_I32) reel_write_i32(x, inputs.data[i], reel_count(x));
        else reel_write_f32(x, inputs.data[i], reel_count(x));
    }
}

static void forget_inputs(void)
{
    for (int i = 0; i < inputs.count; i++) free(inputs.data[i]);
    inputs = (batch){ 0 };
}

static reel_tensor *record(const workload *w, reel_tape *tape)
{
    inputs.count = 0;
    reel_tensor *loss = w->record(tape);
    inputs.made = true;
    return loss;
}

typedef reel_tensor *activation(reel_tensor *);

static reel_tensor *layers(reel_tensor *x, int count, const int *out, activation *act)
{
    static const char *const names[] = { "layer0", "layer1", "layer2" };
    for (int i = 0; i < count; i++) {
        x = reel_linear(x, names[i], out[i]);
        if (i + 1 < count) x = act(x);
    }
    return x;
}

static reel_tensor *tanh_of(reel_tensor *x) { return reel_tanh(x); }
static reel_tensor *relu_of(reel_tensor *x) { return reel_relu(x); }
static reel_tensor *sigmoid_of(reel_tensor *x) { return reel_sigmoid(x); }

static reel_tensor *record_xor(reel_tape *tape)
{
    reel_tensor *a = layers(data(tape, "x", REEL_SHAPE(4, 2), 0), 2, (int[]){ 8, 1 }, tanh_of);
    reel_tensor *loss = reel_mse(a, data(tape, "y", REEL_SHAPE(4, 1), 0));
    reel_sgd(loss, (reel_sgd_options){ .lr = 0.5 });
    return loss;
}

static reel_tensor *record_mlp_seed(reel_tape *tape)
{
    reel_tensor *a = layers(data(tape, "x", REEL_SHAPE(10, 784), 0), 2, (int[]){ 100, 10 }, sigmoid_of);
    reel_tensor *loss = reel_mse(a, data(tape, "y", REEL_SHAPE(10, 10), 0));
    reel_sgd(loss, (reel_sgd_options){ .lr = 0.5, .weight_decay = 1e-4 });
    return loss;
}

static reel_tensor *record_mlp(reel_tape *tape)
{
    reel_tensor *a = layers(data(tape, "x", REEL_SHAPE(64, 784), 0), 3, (int[]){ 256, 128, 10 }, relu_of);
    reel_tensor *loss = reel_cross_entropy(a, data(tape, "y", REEL_SHAPE(64), 10));
    reel_sgd(loss, (reel_sgd_options){ .lr = 0.1 });
    return loss;
}

static reel_tensor *record_mlp_wide(reel_tape *tape)
{
    reel_tensor *a = layers(data(tape, "x", REEL_SHAPE(256, 1024), 0), 3, (int[]){ 1024, 1024, 1024 }, relu_of);
    reel_tensor *loss = reel_mse(a, data(tape, "y", REEL_SHAPE(256, 1024), 0));
    reel_adam(loss, (reel_adam_options){ .lr = 1e-3 });
    return loss;
}

static reel_tensor *record_chain(reel_tape *tape)
{
    reel_tensor *c = scalar_data(tape, "c", 0.999f);
    reel_tensor *z = reel_parameter(c, "p", REEL_SCALAR, reel_init_constant(1));
    for (int i = 0; i < 500; i++) z = reel_mul(reel_add(z, c), c);
    reel_sgd(z, (reel_sgd_options){ .lr = 1e-9 });
    return z;
}

/* Σ tanh(a x + b) sigmoid(c x) over 4M elements, with gradients to a, b, c and x. */
static reel_tensor *record_pointwise(reel_tape *tape)
{
    reel_tensor *one = scalar_data(tape, "one", 1);
    reel_tensor *x = reel_parameter(one, "x", REEL_SHAPE(1 << 22), reel_init_normal(0, 1));
    reel_tensor *a = reel_parameter(one, "a", REEL_SCALAR, reel_init_constant(0.5));
    reel_tensor *b = reel_parameter(one, "b", REEL_SCALAR, reel_init_constant(0.1));
    reel_tensor *c = reel_parameter(one, "c", REEL_SCALAR, reel_init_constant(-0.3));
    reel_tensor *y = reel_mul(reel_tanh(reel_add(reel_mul(a, x), b)), reel_sigmoid(reel_mul(c, x)));
    reel_tensor *loss = reel_sum(y, REEL_ALL, REEL_DROP);
    reel_sgd(loss, (reel_sgd_options){ .lr = 1e-9 });
    return loss;
}

static const workload workloads[] = {
    { "xor", record_xor },           { "mlp_seed", record_mlp_seed }, { "mlp", record_mlp },
    { "mlp_wide", record_mlp_wide }, { "chain", record_chain },       { "pointwise", record_pointwise },
};

enum { MOST_STEPS = 1000000 };

static const char *plan; /* where to write the plan of the last workload */

static bool measure(const workload *w, int threads, double seconds, bool again)
{
    static double times[MOST_STEPS];
    reel_model *model = reel_model_new((reel_model_options){ .seed = 1 });
    reel_tape *tape = reel_tape_new(model, (reel_tape_options){ .threads = threads, .profile = plan != NULL });
    random_state = 1;
    reel_tensor *loss = record(w, tape);
    write_inputs();
    reel_status status = reel_run(tape);
    double first = reel_item(loss);
    for (int i = 0; i < 3 && status == REEL_OK; i++) status = reel_run(tape);
    int steps = 0;
    for (double end = bench_now() + 1e6 * seconds;
         status == REEL_OK && (!steps || bench_now() < end) && steps < MOST_STEPS; steps++) {
        double start = bench_now(), recording = 0;
        if (again) {
            reel_tape_clear(tape);
            loss = record(w, tape);
            recording = bench_now() - start;
            write_inputs();
            start = bench_now();
        }
        status = reel_run(tape);
        times[steps] = bench_now() - start + recording;
    }
    double last = reel_item(loss);
    if (plan) reel_tape_write_plan(tape, plan);
    if (reel_tape_error(tape)) fprintf(stderr, "%s: %s\n", w->name, reel_tape_error(tape));
    qsort(times, (size_t)steps, sizeof *times, ascending);
    if (steps) printf("%-10s %12.2f %12.2f %6d %9.5f %9.5f\n", w->name, times[steps / 2], times[0], steps, first, last);
    fflush(stdout);
    forget_inputs();
    reel_tape_free(tape);
    reel_model_free(model);
    return status == REEL_OK && isfinite(last) && last <= first;
}

static const char help[] =
    "bench [options] [WORKLOAD …]   one training step of each workload, or of all, again and again\n"
    "bench ops [options] [OP …]     each op alone, or all, as a multiple of the time of add on as many bytes\n"
    "\n"
    "  --threads N    at most N threads; 0, the default: OMP_NUM_THREADS or all cores; for ops 1\n"
    "  --seconds S    time for each workload, 2 if not given; for each op 0.1\n"
    "  --record       record the step again before every run; writing its inputs again is not counted\n"
    "  --plan FILE    write the plan of the last workload, with the time of each step, which costs some itself\n"
    "  --help         this text\n"
    "\n"
    "REEL_ISA=baseline, avx2 or avx512 chooses the instruction set.\n"
    "A line for each workload:  NAME median_us min_us steps loss_first loss_last\n"
    "Exits with 1 if a loss grew or is not finite. ./dev bench --peers compares with other frameworks.\n"
    "\n"
    "  xor        2-8-1, batch 4, tanh, mean squared error, SGD\n"
    "  mlp_seed   784-100-10, batch 10, sigmoid, mean squared error, SGD with weight decay\n"
    "  mlp        784-256-128-10, batch 64, ReLU, cross-entropy, SGD\n"
    "  mlp_wide   1024-1024-1024-1024, batch 256, ReLU, mean squared error, Adam\n"
    "  chain      500 times z := (z + c) c on scalars, SGD\n"
    "  pointwise  sum of tanh(a x + b) sigmoid(c x) over 4M elements, SGD for a, b, c and x\n";

static int refuse(const char *why, const char *argument)
{
    fprintf(stderr, "bench: %s \"%s\"; try --help\n", why, argument);
    return 2;
}

static bool read_number(const char *text, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return end != text && !*end && *value >= 0 && *value <= 1e6;
}

int main(int argc, char **argv)
{
    int named = 0;
    double threads = -1, seconds = -1;
    bool good = true, again = false, ops = argc > 1 && !strcmp(argv[1], "ops");
    enum { COUNT = sizeof workloads / sizeof *workloads };
    bool chosen[COUNT] = { false };
    for (int i = ops ? 2 : 1; i < argc; i++) {
        char *is = argv[i];
        bool has_value = !strcmp(is, "--threads") || !strcmp(is, "--seconds") || !strcmp(is, "--plan");
        if (has_value && ++i == argc) return refuse("nothing follows", is);
        if (!strcmp(is, "--help") || !strcmp(is, "-h")) {
            fputs(help, stdout);
            return 0;
        }
        if (!strcmp(is, "--record")) {
            again = true;
        } else if (!strcmp(is, "--plan")) {
            plan = argv[i];
        } else if (!strcmp(is, "--threads")) {
            if (!read_number(argv[i], &threads) || floor(threads) != threads) return refuse("no number:", argv[i]);
        } else if (!strcmp(is, "--seconds")) {
            if (!read_number(argv[i], &seconds)) return refuse("no number:", argv[i]);
        } else if (ops && is[0] != '-') {
            argv[2 + named++] = is;
        } else {
            int w = 0;
            while (w < COUNT && strcmp(is, workloads[w].name) != 0) w++;
            if (w == COUNT) return refuse(is[0] == '-' ? "no option" : "no workload", is);
            chosen[w] = true, named++;
        }
    }
    if (ops) return bench_ops(threads < 0 ? 1 : (int)threads, seconds < 0 ? 0.1 : seconds, named, argv + 2);
    if (threads < 0) threads = 0;
    if (seconds < 0) seconds = 2;
    for (int w = 0; w < COUNT; w++)
        if (!named || chosen[w]) good &= measure(&workloads[w], (int)threads, seconds, again);
    return good ? 0 : 1;
}
