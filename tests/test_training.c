/* Training as it should come out: values, gradients and trajectories of 20 steps that PyTorch
 * computed in f64 (stored in data/torch_values.h with the script that made them), and small tasks
 * that must be learnt. */
#include "fixture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/data/fill.h"
#include "tests/data/torch_values.h"
#include "tests/worst.h"

/* Relative, with room for what cancels to less than 1e-15. */
#define TOLERANCE 1e-11

static double difference(double a, double b) { return fabs(a - b) <= 1e-15 ? 0 : fabs(a - b) / fabs(b); }

static double worst(const double *a, const double *b, int64_t count)
{
    double most = 0;
    for (int64_t i = 0; i < count; i++) {
        most = worse_of(most, difference(a[i], b[i]));
    }
    return most;
}

/* Not cr_expect_lt: a NaN must fail too. */
#define EXPECT_CLOSE(a, b, count, ...) cr_expect(worst(a, b, count) < TOLERANCE, __VA_ARGS__)

/* ---- The networks, as in make_torch_values.py ------------------------------------------------ */

static reel_tensor *floats(const char *name, reel_shape shape, uint64_t seed, double scale, double shift)
{
    double data[200];
    reel_tensor *x = reel_input(tape, name, REEL_F64, shape);
    fill(data, reel_count(x), seed, scale);
    for (int64_t i = 0; i < reel_count(x); i++) data[i] += shift;
    cr_assert_eq(reel_write_f64(x, data, reel_count(x)), REEL_OK);
    return x;
}

static reel_tensor *classes(const char *name, reel_shape shape, uint64_t seed, int count)
{
    int32_t data[200];
    reel_tensor *x = reel_input(tape, name, REEL_I32, shape);
    fill_classes(data, reel_count(x), seed, count);
    cr_assert_eq(reel_write_i32(x, data, reel_count(x)), REEL_OK);
    return x;
}

static reel_tensor *mlp(void)
{
    reel_tensor *x = floats("x", REEL_SHAPE(8, 5), 1, 1, 0);
    reel_tensor *y = floats("y", REEL_SHAPE(8, 3), 2, 0.5, 0.5);
    reel_tensor *h = reel_sigmoid(reel_linear(x, "hidden", 7));
    return reel_mse(reel_sigmoid(reel_linear(h, "output", 3)), y);
}

static reel_tensor *relu(void)
{
    reel_tensor *x = floats("x", REEL_SHAPE(8, 6), 3, 1, 0);
    reel_tensor *y = classes("y", REEL_SHAPE(8), 4, 4);
    return reel_cross_entropy(reel_linear(reel_relu(reel_linear(x, "hidden", 8)), "output", 4), y);
}

/* h = tanh(x_t wx + h wh + b), the input projection of all steps done once. */
static reel_tensor *rnn(void)
{
    reel_tensor *x = floats("x", REEL_SHAPE(6, 3, 3), 5, 1, 0);
    reel_tensor *y = floats("y", REEL_SHAPE(3, 2), 6, 1, 0);
    reel_scope_push(tape, "cell");
    reel_tensor *wx = reel_parameter(x, "wx", REEL_SHAPE(3, 4), reel_init_fan_in_uniform(1));
    reel_tensor *wh = reel_parameter(x, "wh", REEL_SHAPE(4, 4), reel_init_fan_in_uniform(1));
    reel_tensor *b = reel_parameter(x, "b", REEL_SHAPE(4), reel_init_zeros());
    reel_scope_pop(tape);
    reel_tensor *projection = reel_add(reel_matmul(x, wx), b);
    reel_tensor *h = reel_fill(x, REEL_SHAPE(3, 4), 0);
    for (int t = 0; t < 6; t++) {
        reel_tensor *now = reel_squeeze(reel_slice(projection, 0, t, t + 1), 0);
        h = reel_tanh(reel_add(now, reel_matmul(h, wh)));
    }
    return reel_mse(reel_linear(h, "output", 2), y);
}

static reel_tensor *layer_norm(reel_tensor *x)
{
    reel_shape shape = REEL_SHAPE(reel_dim(x, -1));
    reel_scope_push(tape, "norm");
    reel_tensor *gamma = reel_parameter(x, "gamma", shape, reel_init_constant(1));
    reel_tensor *beta = reel_parameter(x, "beta", shape, reel_init_zeros());
    reel_scope_pop(tape);
    reel_tensor *centred = reel_sub(x, reel_mean(x, REEL_AXES(-1), REEL_KEEP));
    reel_tensor *scale = reel_rsqrt(reel_shift(reel_var(x, REEL_AXES(-1), REEL_KEEP), 1e-5));
    return reel_add(reel_mul(reel_mul(centred, scale), gamma), beta);
}

static reel_tensor *attention(void)
{
    const reel_linear_options plain = { .no_bias = true };
    reel_tensor *x = floats("x", REEL_SHAPE(3, 5, 4), 7, 1, 0);
    reel_tensor *y = classes("y", REEL_SHAPE(3, 5), 8, 3);
    reel_tensor *n = layer_norm(x);
    reel_tensor *q = reel_linear_with(n, "q", 4, plain), *k = reel_linear_with(n, "k", 4, plain);
    reel_tensor *v = reel_linear_with(n, "v", 4, plain);
    reel_tensor *share = reel_softmax(reel_scale(reel_matmul(q, reel_transpose(k)), 0.5), -1);
    reel_tensor *r = reel_add(x, reel_linear_with(reel_matmul(share, v), "o", 4, plain));
    return reel_cross_entropy(reel_linear(r, "head", 3), y);
}

static reel_tensor *record(const char *network)
{
    const struct {
        const char *name;
        reel_tensor *(*record)(void);
    } all[] = { { "mlp", mlp }, { "relu", relu }, { "rnn", rnn }, { "attention", attention } };
    for (int i = 0; i < COUNT(all); i++)
        if (strcmp(all[i].name, network) == 0) return all[i].record();
    cr_assert_fail("no network %s", network);
    return NULL;
}

static const torch_network *find_network(const char *name)
{
    for (int i = 0; i < COUNT(torch_networks); i++)
        if (strcmp(torch_networks[i].name, name) == 0) return &torch_networks[i];
    cr_assert_fail("no network %s", name);
    return NULL;
}

static void write_parameters(const torch_network *n)
{
    for (int i = 0; i < n->parameter_count; i++) {
        double data[200];
        fill(data, n->parameter[i].count, 100 + (uint64_t)i, 0.7);
        cr_assert_eq(reel_model_write_f64(model, n->parameter[i].name, data, n->parameter[i].count), REEL_OK, "%s",
                     n->parameter[i].name);
    }
}

/* ---- Gradients ------------------------------------------------------------------------------- */

Test(torch, gradients_of_four_networks_agree)
{
    for (int n = 0; n < COUNT(torch_networks); n++) {
        const torch_network *network = &torch_networks[n];
        const double *expected = network->gradient;
        begin();
        reel_tensor *loss = record(network->name);
        reel_list *parameters = reel_parameters(loss, NULL);
        reel_list *gradients = reel_gradients(loss, parameters);
        cr_expect_eq(reel_list_count(parameters), network->parameter_count);
        write_parameters(network);
        for (int i = 0; i < network->parameter_count; i++) {
            const torch_parameter *p = &network->parameter[i];
            double g[200];
            reel_tensor *gradient = reel_list_find(gradients, p->name);
            cr_assert_eq(reel_eval(tape, &gradient, 1), REEL_OK, "%s", reel_tape_error(tape));
            cr_assert_eq(reel_read_f64(gradient, g, p->count), REEL_OK);
            EXPECT_CLOSE(g, expected, p->count, "%s: %s is off by %g", network->name, p->name,
                         worst(g, expected, p->count));
            expected += p->count;
        }
        end();
    }
}

/* ---- Trajectories ---------------------------------------------------------------------------- */

static void update(reel_tensor *loss, const char *optimiser)
{
    const struct {
        const char *name;
        reel_sgd_options options;
    } sgd[] = {
        { "sgd", { .lr = 0.5 } },
        { "momentum", { .lr = 0.1, .momentum = 0.9 } },
        { "nesterov", { .lr = 0.1, .momentum = 0.9, .nesterov = true } },
        { "weight_decay", { .lr = 0.3, .weight_decay = 0.02 } },
    };
    const struct {
        const char *name;
        reel_adam_options options;
    } adam[] = {
        { "adam", { .lr = 0.02 } },
        { "adamw", { .lr = 0.02, .betas = { 0.8, 0.95 }, .epsilon = 1e-6, .weight_decay = 0.1 } },
    };
    for (int i = 0; i < COUNT(sgd); i++)
        if (strcmp(sgd[i].name, optimiser) == 0) reel_sgd(loss, sgd[i].options);
    for (int i = 0; i < COUNT(adam); i++)
        if (strcmp(adam[i].name, optimiser) == 0) reel_adam(loss, adam[i].options);
    if (strcmp(optimiser, "clip_norm") == 0) {
        reel_list *parameters = reel_parameters(loss, NULL);
        reel_list *gradients = reel_gradients(loss, parameters);
        reel_sgd_update(parameters, reel_clip_norm(gradients, TORCH_MAX_NORM), (reel_sgd_options){ .lr = 0.5 });
    }
}

static void follow(const torch_run *run)
{
    const torch_network *network = find_network(run->network);
    const double *expected = run->last;
    double losses[TORCH_STEPS];
    begin();
    reel_tensor *loss = record(run->network);
    write_parameters(network);
    update(loss, run->optimiser);
    for (int i = 0; i < TORCH_STEPS; i++) {
        cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
        losses[i] = reel_item(loss);
    }
    EXPECT_CLOSE(losses, run->losses, TORCH_STEPS, "%s, %s: losses are off by %g", run->network, run->optimiser,
                 worst(losses, run->losses, TORCH_STEPS));
    for (int i = 0; i < network->parameter_count; i++) {
        const torch_parameter *p = &network->parameter[i];
        double w[200];
        cr_assert_eq(reel_model_read_f64(model, p->name, w, p->count), REEL_OK);
        EXPECT_CLOSE(w, expected, p->count, "%s, %s: %s is off by %g", run->network, run->optimiser, p->name,
                     worst(w, expected, p->count));
        expected += p->count;
    }
    end();
}

static void follow_all(const char *optimiser)
{
    int followed = 0;
    for (int i = 0; i < COUNT(torch_runs); i++)
        if (strcmp(torch_runs[i].optimiser, optimiser) == 0) follow(&torch_runs[i]), followed++;
    cr_expect_eq(followed, COUNT(torch_networks));
}

Test(torch, twenty_steps_of_sgd_agree) { follow_all("sgd"); }
Test(torch, twenty_steps_of_sgd_with_momentum_agree) { follow_all("momentum"); }
Test(torch, twenty_steps_of_sgd_with_nesterov_momentum_agree) { follow_all("nesterov"); }
Test(torch, twenty_steps_of_sgd_with_weight_decay_agree) { follow_all("weight_decay"); }
Test(torch, twenty_steps_of_adam_agree) { follow_all("adam"); }
Test(torch, twenty_steps_of_adamw_agree) { follow_all("adamw"); }
Test(torch, twenty_steps_of_sgd_with_clipped_gradients_agree) { follow_all("clip_norm"); }

Test(torch, the_comparison_sees_a_digit_that_is_off_and_a_nan)
{
    const double a[] = { 1, 2, 3 };
    cr_expect_eq(worst(a, (const double[]){ 1, 2, 3 }, 3), 0);
    cr_expect_gt(worst(a, (const double[]){ 1, 2 + 4e-11, 3 }, 3), TOLERANCE);
    cr_expect_not(worst(a, (const double[]){ (double)NAN, 2, 3 }, 3) < TOLERANCE);
    cr_expect_not(worst(a, (const double[]){ 1, (double)NAN, 3 }, 3) < TOLERANCE);
    cr_expect_not(worst((const double[]){ (double)NAN, 2, 3 }, a, 3) < TOLERANCE);
    cr_expect_not(worst((const double[]){ 0, 2, 3 }, a, 3) < TOLERANCE);
}

/* ---- Functions ------------------------------------------------------------------------------- */

static reel_tensor *leaky_relu(reel_tensor *x) { return reel_leaky_relu(x, 0.1); }
static reel_tensor *elu(reel_tensor *x) { return reel_elu(x, 0.7); }
static reel_tensor *softmax(reel_tensor *x) { return reel_softmax(x, -1); }
static reel_tensor *softmax_0(reel_tensor *x) { return reel_softmax(x, 0); }
static reel_tensor *log_softmax(reel_tensor *x) { return reel_log_softmax(x, 1); }
static reel_tensor *logsumexp(reel_tensor *x) { return reel_logsumexp(x, REEL_AXES(-1), REEL_DROP); }
static reel_tensor *logsumexp_all(reel_tensor *x) { return reel_logsumexp(x, REEL_ALL, REEL_DROP); }
static reel_tensor *mean(reel_tensor *x) { return reel_mean(x, REEL_AXES(0), REEL_DROP); }
static reel_tensor *var(reel_tensor *x) { return reel_var(x, REEL_AXES(-1), REEL_DROP); }
static reel_tensor *largest(reel_tensor *x) { return reel_max(x, REEL_AXES(-1), REEL_DROP); }
static reel_tensor *smallest(reel_tensor *x) { return reel_min(x, REEL_AXES(0), REEL_KEEP); }

static reel_tensor *mse(reel_tensor *x) { return reel_mse(x, floats("y", REEL_SHAPE(7, 7), 23, 1, 0)); }

static reel_tensor *cross_entropy(reel_tensor *x) { return reel_cross_entropy(x, classes("y", REEL_SHAPE(7), 24, 7)); }

static reel_tensor *cross_entropy_soft(reel_tensor *x)
{
    return reel_cross_entropy(x, reel_softmax(floats("y", REEL_SHAPE(7, 7), 25, 2, 0), -1));
}

static reel_tensor *accuracy(reel_tensor *x) { return reel_accuracy(x, classes("y", REEL_SHAPE(7), 27, 3)); }

typedef reel_tensor *function(reel_tensor *x);

static function *find_function(const char *name)
{
    const struct {
        const char *name;
        function *f;
    } all[] = {
        { "sigmoid", (reel_sigmoid) },
        { "log_sigmoid", (reel_log_sigmoid) },
        { "softplus", (reel_softplus) },
        { "relu", (reel_relu) },
        { "leaky_relu", leaky_relu },
        { "elu", elu },
        { "silu", (reel_silu) },
        { "gelu", (reel_gelu) },
        { "gelu_tanh", (reel_gelu_tanh) },
        { "tanh", (reel_tanh) },
        { "erf", (reel_erf) },
        { "exp", (reel_exp) },
        { "expm1", (reel_expm1) },
        { "log", (reel_log) },
        { "log1p", (reel_log1p) },
        { "sqrt", (reel_sqrt) },
        { "rsqrt", (reel_rsqrt) },
        { "sin", (reel_sin) },
        { "cos", (reel_cos) },
        { "softmax", softmax },
        { "softmax_0", softmax_0 },
        { "log_softmax", log_softmax },
        { "logsumexp", logsumexp },
        { "logsumexp_all", logsumexp_all },
        { "mean", mean },
        { "var", var },
        { "max", largest },
        { "min", smallest },
        { "mse", mse },
        { "cross_entropy", cross_entropy },
        { "cross_entropy_soft", cross_entropy_soft },
        { "accuracy", accuracy },
    };
    for (int i = 0; i < COUNT(all); i++)
        if (strcmp(all[i].name, name) == 0) return all[i].f;
    cr_assert_fail("no function %s", name);
    return NULL;
}

static void compare_function(const torch_function *f)
{
    enum { SIZE = 49 };
    double c[SIZE], y_data[SIZE], g_data[SIZE];
    begin();
    reel_tensor *x = reel_input(tape, "x", REEL_F64, REEL_SHAPE(7, 7));
    reel_tensor *y = find_function(f->name)(x);
    cr_assert_eq(reel_count(y), f->y_count, "%s", f->name);
    reel_write_f64(x, f->x, SIZE);
    reel_eval(tape, &y, 1);
    cr_assert_eq(reel_read_f64(y, y_data, f->y_count), REEL_OK, "%s: %s", f->name, reel_tape_error(tape));
    EXPECT_CLOSE(y_data, f->y, f->y_count, "%s is off by %g", f->name, worst(y_data, f->y, f->y_count));
    if (find_function(f->name) != accuracy) {
        reel_tensor *weights = reel_input(tape, "c", REEL_F64, reel_shape_of(y));
        fill(c, f->y_count, 30, 1);
        reel_write_f64(weights, c, f->y_count);
        reel_tensor *g = reel_gradient(reel_sum(reel_mul(y, weights), REEL_ALL, REEL_DROP), x);
        reel_eval(tape, &g, 1);
        cr_assert_eq(reel_read_f64(g, g_data, SIZE), REEL_OK, "%s: %s", f->name, reel_tape_error(tape));
        EXPECT_CLOSE(g_data, f->gradient, SIZE, "%s: the gradient is off by %g", f->name,
                     worst(g_data, f->gradient, SIZE));
    }
    end();
}

Test(torch, values_and_gradients_of_functions_and_losses_agree)
{
    for (int i = 0; i < COUNT(torch_functions); i++) compare_function(&torch_functions[i]);
}

/* ---- Tasks ----------------------------------------------------------------------------------- */

static const float xor_x[] = { 0, 0, 0, 1, 1, 0, 1, 1 }, xor_y[] = { 0, 1, 1, 0 };

static void learn_xor(uint64_t seed)
{
    begin_with((reel_model_options){ .seed = seed }, (reel_tape_options){ 0 });
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 2));
    reel_tensor *y = reel_input(tape, "y", REEL_F32, REEL_SHAPE(4, 1));
    reel_tensor *a = reel_sigmoid(reel_linear(reel_tanh(reel_linear(x, "hidden", 8)), "output", 1));
    reel_tensor *loss = reel_mse(reel_keep(a, "a"), y);
    float predicted[4];
    reel_sgd(loss, (reel_sgd_options){ .lr = 2, .momentum = 0.9 });
    reel_write_f32(x, xor_x, 8);
    reel_write_f32(y, xor_y, 4);
    for (int step = 0; step < 1000; step++) cr_assert_eq(reel_run(tape), REEL_OK);
    reel_read_f32(a, predicted, 4);
    for (int i = 0; i < 4; i++)
        cr_expect(fabsf(predicted[i] - xor_y[i]) < 0.1f, "seed %d, row %d: %g", (int)seed, i, (double)predicted[i]);
    cr_expect_lt(reel_item(loss), 1e-3);
    end();
}

Test(tasks, exclusive_or_is_learnt_from_every_seed)
{
    for (uint64_t seed = 0; seed < 10; seed++) learn_xor(seed);
}

Test(tasks, exclusive_or_is_beyond_one_layer)
{
    begin();
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 2));
    reel_tensor *y = reel_input(tape, "y", REEL_F32, REEL_SHAPE(4, 1));
    reel_tensor *loss = reel_mse(reel_sigmoid(reel_linear(x, "output", 1)), y);
    reel_sgd(loss, (reel_sgd_options){ .lr = 2, .momentum = 0.9 });
    reel_write_f32(x, xor_x, 8);
    reel_write_f32(y, xor_y, 4);
    for (int step = 0; step < 1000; step++) cr_assert_eq(reel_run(tape), REEL_OK);
    cr_expect(fabs(reel_item(loss) - 0.125) < 1e-4, "the best is to say 1/2 always: 1/8, not %g", reel_item(loss));
    end();
}

/* Random inputs, random classes: nothing to learn but the batch by heart. */
static void overfit(bool with_adam)
{
    enum { ROWS = 16, IN = 10, CLASSES = 4 };
    float x_data[ROWS * IN];
    int32_t y_data[ROWS];
    begin_with((reel_model_options){ .seed = 3 }, (reel_tape_options){ 0 });
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(ROWS, IN));
    reel_tensor *y = reel_input(tape, "y", REEL_I32, REEL_SHAPE(ROWS));
    reel_tensor *logits = reel_linear(reel_relu(reel_linear(x, "hidden", 32)), "output", CLASSES);
    reel_tensor *loss = reel_cross_entropy(logits, y);
    reel_tensor *accuracy_now = reel_keep(reel_accuracy(logits, y), "accuracy");
    fill_f32(x_data, ROWS * IN, 40, 1);
    fill_classes(y_data, ROWS, 41, CLASSES);
    if (with_adam) reel_adam(loss, (reel_adam_options){ .lr = 0.02 });
    else reel_sgd(loss, (reel_sgd_options){ .lr = 0.2, .momentum = 0.9 });
    reel_write_f32(x, x_data, ROWS * IN);
    reel_write_i32(y, y_data, ROWS);
    cr_assert_eq(reel_run(tape), REEL_OK);
    cr_expect(fabs(reel_item(loss) - log(CLASSES)) < 0.3, "at first nothing is known: %g", reel_item(loss));
    for (int step = 0; step < 300; step++) cr_assert_eq(reel_run(tape), REEL_OK);
    cr_expect_lt(reel_item(loss), 1e-2);
    cr_expect_eq(reel_item(accuracy_now), 1);
    end();
}

Test(tasks, one_batch_is_learnt_by_heart_with_sgd) { overfit(false); }
Test(tasks, one_batch_is_learnt_by_heart_with_adam) { overfit(true); }

/* A recurrent network that must carry the first bit of a sequence to its end. */
Test(tasks, a_recurrent_network_learns_to_remember)
{
    enum { STEPS = 10, BATCH = 16, HIDDEN = 12 };
    float x_data[STEPS * BATCH], y_data[BATCH];
    begin_with((reel_model_options){ .seed = 2 }, (reel_tape_options){ 0 });
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(STEPS, BATCH, 1));
    reel_tensor *y = reel_input(tape, "y", REEL_F32, REEL_SHAPE(BATCH, 1));
    reel_tensor *wh = reel_parameter(x, "wh", REEL_SHAPE(HIDDEN, HIDDEN), reel_init_fan_in_uniform(1));
    reel_tensor *h = reel_fill(x, REEL_SHAPE(BATCH, HIDDEN), 0);
    reel_tensor *projection = reel_linear(x, "in", HIDDEN);
    for (int t = 0; t < STEPS; t++) {
        reel_tensor *now = reel_squeeze(reel_slice(projection, 0, t, t + 1), 0);
        h = reel_tanh(reel_add(now, reel_matmul(h, wh)));
    }
    reel_tensor *loss = reel_mse(reel_linear(h, "out", 1), y);
    reel_list *parameters = reel_parameters(loss, NULL);
    reel_list *gradients = reel_clip_norm(reel_gradients(loss, parameters), 1);
    reel_adam_update(parameters, gradients, (reel_adam_options){ .lr = 0.01 });
    for (uint64_t step = 0; step < 800; step++) {
        fill_f32(x_data, STEPS * BATCH, 1000 + step, 1);
        for (int i = 0; i < BATCH; i++) x_data[i] = y_data[i] = x_data[i] < 0 ? -1 : 1;
        reel_write_f32(x, x_data, STEPS * BATCH);
        reel_write_f32(y, y_data, BATCH);
        cr_assert_eq(reel_run(tape), REEL_OK);
    }
    cr_expect_lt(reel_item(loss), 0.05, "%g", reel_item(loss));
    end();
}
