/* The network of the post that this library grew from: fully connected, sigmoid,
 * E = (1/2K) sum (Y - a)^2 + (lambda/2) sum W^2. Its equations (1)-(7) are written out here as
 * loops, and what the tape derives by itself must equal them.
 *
 * The post has W with one row for each unit, z = W x + b; the library's w is its transpose,
 * z = x w + b. In (7) the post adds the gradient; descent subtracts it, and so do the loops. */
#include <criterion/criterion.h>
#include <math.h>
#include <reel.h>
#include <stdio.h>
#include <string.h>

#include "tests/data/fill.h"
#include "tests/worst.h"

enum { LAYERS = 3, WIDEST = 8, SAMPLES = 6 };

#define LAMBDA 0.03
#define ETA 0.5

/* ---- The post, by loops ---------------------------------------------------------------------- */

typedef struct network {
    int layers, width[LAYERS + 1]; /* width[0] is N, the last one K */
    double W[LAYERS][WIDEST][WIDEST], b[LAYERS][WIDEST];
} network;

static double f(double z) { return 1 / (1 + exp(-z)); }
static double f_prime(double z) { return f(z) * (1 - f(z)); }

/* a[l] is the input of layer l, z[l] what its units sum up. */
typedef struct activity {
    double z[LAYERS][WIDEST], a[LAYERS + 1][WIDEST];
} activity;

static void forward(const network *n, const double *X, activity *t)
{
    memcpy(t->a[0], X, (size_t)n->width[0] * sizeof *X);
    for (int l = 0; l < n->layers; l++)
        for (int i = 0; i < n->width[l + 1]; i++) {
            t->z[l][i] = n->b[l][i];
            for (int j = 0; j < n->width[l]; j++) t->z[l][i] += n->W[l][i][j] * t->a[l][j];
            t->a[l + 1][i] = f(t->z[l][i]);
        }
}

/* delta[l][i] = dH/dz_i of layer l, H = sum over k of H_k (3) */
static void deltas(const network *n, const activity *t, const double *Y, double delta[LAYERS][WIDEST])
{
    const int L = n->layers - 1, K = n->width[n->layers];
    for (int i = 0; i < K; i++) delta[L][i] = -(Y[i] - t->a[L + 1][i]) * f_prime(t->z[L][i]); /* (3) */
    for (int l = L - 1; l >= 0; l--)
        for (int i = 0; i < n->width[l + 1]; i++) {
            double sum = 0;
            for (int k = 0; k < n->width[l + 2]; k++) sum += n->W[l + 1][k][i] * delta[l + 1][k];
            delta[l][i] = sum * f_prime(t->z[l][i]); /* (4) */
        }
}

/* E and dE/dW, dE/db, the mean over samples (the post has one). */
static double gradient(const network *n, int samples, const double *X, const double *Y, network *dE)
{
    const int N = n->width[0], K = n->width[n->layers];
    double E = 0;
    *dE = (network){ .layers = n->layers };
    memcpy(dE->width, n->width, sizeof n->width);
    for (int s = 0; s < samples; s++) {
        activity t;
        double delta[LAYERS][WIDEST];
        forward(n, X + s * N, &t);
        deltas(n, &t, Y + s * K, delta);
        for (int k = 0; k < K; k++) E += pow(Y[s * K + k] - t.a[n->layers][k], 2) / (2 * K) / samples;
        for (int l = 0; l < n->layers; l++)
            for (int i = 0; i < n->width[l + 1]; i++) {
                for (int j = 0; j < n->width[l]; j++) {
                    const double dz_dW = t.a[l][j];           /* (5) */
                    const double dH_dW = delta[l][i] * dz_dW; /* (2), (6) */
                    dE->W[l][i][j] += dH_dW / K / samples;    /* (1), first term */
                }
                dE->b[l][i] += delta[l][i] / K / samples;
            }
    }
    for (int l = 0; l < n->layers; l++)
        for (int i = 0; i < n->width[l + 1]; i++)
            for (int j = 0; j < n->width[l]; j++) {
                dE->W[l][i][j] += LAMBDA * n->W[l][i][j]; /* (1), second term */
                E += LAMBDA / 2 * n->W[l][i][j] * n->W[l][i][j];
            }
    return E;
}

static void step(network *n, const network *dE, double eta)
{
    for (int l = 0; l < n->layers; l++)
        for (int i = 0; i < n->width[l + 1]; i++) {
            for (int j = 0; j < n->width[l]; j++) n->W[l][i][j] -= eta * dE->W[l][i][j]; /* (7) */
            n->b[l][i] -= eta * dE->b[l][i];
        }
}

/* ---- The library ----------------------------------------------------------------------------- */

static reel_tensor *record(reel_tensor *x, const network *n)
{
    for (int l = 0; l < n->layers; l++) {
        char name[20];
        snprintf(name, sizeof name, "layer%d", l);
        x = reel_sigmoid(reel_linear(x, name, n->width[l + 1]));
    }
    return x;
}

typedef struct trial {
    network n;
    int samples;
    double X[SAMPLES * WIDEST], Y[SAMPLES * WIDEST];
    reel_model *model;
    reel_tape *tape;
    reel_tensor *x, *y, *E;
    reel_list *parameters, *gradients;
} trial;

static void name_of(char *name, size_t size, int layer, char which)
{
    snprintf(name, size, "layer%d/%c", layer, which);
}

/* The model's values (of w, transposed, and b) into a network, or the other way round. */
static void read_model(reel_model *model, network *n)
{
    for (int l = 0; l < n->layers; l++) {
        const int in = n->width[l], out = n->width[l + 1];
        double w[WIDEST * WIDEST];
        char name[20];
        name_of(name, sizeof name, l, 'w');
        cr_assert_eq(reel_model_read_f64(model, name, w, in * out), REEL_OK);
        for (int i = 0; i < out; i++)
            for (int j = 0; j < in; j++) n->W[l][i][j] = w[j * out + i];
        name_of(name, sizeof name, l, 'b');
        cr_assert_eq(reel_model_read_f64(model, name, n->b[l], out), REEL_OK);
    }
}

static void write_model(reel_model *model, const network *n)
{
    for (int l = 0; l < n->layers; l++) {
        const int in = n->width[l], out = n->width[l + 1];
        double w[WIDEST * WIDEST];
        char name[20];
        for (int i = 0; i < out; i++)
            for (int j = 0; j < in; j++) w[j * out + i] = n->W[l][i][j];
        name_of(name, sizeof name, l, 'w');
        cr_assert_eq(reel_model_write_f64(model, name, w, in * out), REEL_OK);
        name_of(name, sizeof name, l, 'b');
        cr_assert_eq(reel_model_write_f64(model, name, n->b[l], out), REEL_OK);
    }
}

static void read_gradients(const trial *t, network *dE)
{
    *dE = (network){ .layers = t->n.layers };
    memcpy(dE->width, t->n.width, sizeof t->n.width);
    for (int l = 0; l < t->n.layers; l++) {
        const int in = t->n.width[l], out = t->n.width[l + 1];
        double w[WIDEST * WIDEST];
        char name[20];
        name_of(name, sizeof name, l, 'w');
        cr_assert_eq(reel_read_f64(reel_list_find(t->gradients, name), w, in * out), REEL_OK);
        for (int i = 0; i < out; i++)
            for (int j = 0; j < in; j++) dE->W[l][i][j] = w[j * out + i];
        name_of(name, sizeof name, l, 'b');
        cr_assert_eq(reel_read_f64(reel_list_find(t->gradients, name), dE->b[l], out), REEL_OK);
    }
}

/* Widths are given from N to K. Everything is recorded but the update. */
static trial *begin(int samples, int layers, const int *width)
{
    trial *t = calloc(1, sizeof *t);
    t->n.layers = layers, t->samples = samples;
    memcpy(t->n.width, width, (size_t)(layers + 1) * sizeof *width);
    const int N = width[0], K = width[layers];
    fill(t->X, samples * N, 1, 1);
    fill(t->Y, samples * K, 2, 0.5);
    for (int i = 0; i < samples * K; i++) t->Y[i] += 0.5;
    for (int l = 0; l < layers; l++) {
        for (int i = 0; i < WIDEST; i++) fill(t->n.W[l][i], WIDEST, 100 * (uint64_t)(l + 1) + (uint64_t)i, 0.8);
        fill(t->n.b[l], WIDEST, 20 + (uint64_t)l, 0.5);
    }
    t->model = reel_model_new((reel_model_options){ .seed = 1 });
    t->tape = reel_tape_new(t->model, (reel_tape_options){ 0 });
    t->x = reel_input(t->tape, "x", REEL_F64, REEL_SHAPE(samples, N));
    t->y = reel_input(t->tape, "y", REEL_F64, REEL_SHAPE(samples, K));
    reel_tensor *a = record(t->x, &t->n);
    t->E = reel_add(reel_mse(a, t->y), reel_l2(a, "**/w", LAMBDA));
    t->parameters = reel_parameters(t->E, NULL);
    t->gradients = reel_gradients(t->E, t->parameters);
    write_model(t->model, &t->n);
    cr_assert_eq(reel_write_f64(t->x, t->X, samples * N), REEL_OK);
    cr_assert_eq(reel_write_f64(t->y, t->Y, samples * K), REEL_OK);
    return t;
}

static void evaluate(const trial *t)
{
    reel_tensor *wanted[2 * LAYERS + 1] = { t->E };
    int count = 1;
    for (int i = 0; i < reel_list_count(t->gradients); i++) wanted[count++] = reel_list_at(t->gradients, i);
    cr_assert_eq(reel_eval(t->tape, wanted, count), REEL_OK, "%s", reel_tape_error(t->tape));
}

static void end(trial *t)
{
    cr_expect(!reel_tape_error(t->tape), "%s", reel_tape_error(t->tape));
    reel_tape_free(t->tape);
    reel_model_free(t->model);
    free(t);
}

static double relative(double a, double b) { return a == b ? 0 : fabs(a - b) / fmax(fabs(a), fabs(b)); }

/* The largest relative difference of any weight or bias. */
static double worst(const network *a, const network *b)
{
    double most = 0;
    for (int l = 0; l < a->layers; l++)
        for (int i = 0; i < a->width[l + 1]; i++) {
            for (int j = 0; j < a->width[l]; j++) most = worse_of(most, relative(a->W[l][i][j], b->W[l][i][j]));
            most = worse_of(most, relative(a->b[l][i], b->b[l][i]));
        }
    return most;
}

/* The tape's gradient compared with that of the loops. */
static void expect_equal_gradients(int samples, int layers, const int *width)
{
    trial *t = begin(samples, layers, width);
    network by_loops, by_tape;
    const double E = gradient(&t->n, samples, t->X, t->Y, &by_loops);
    evaluate(t);
    read_gradients(t, &by_tape);
    cr_expect_lt(relative(reel_item(t->E), E), 1e-12, "E is %.17g, by loops %.17g", reel_item(t->E), E);
    cr_expect_lt(worst(&by_tape, &by_loops), 1e-12, "%g", worst(&by_tape, &by_loops));
    end(t);
}

/* ---- Equations (1) to (6) -------------------------------------------------------------------- */

Test(seed, the_tape_derives_equations_3_to_6_for_two_layers_and_one_sample)
{
    expect_equal_gradients(1, 2, (const int[]){ 5, 7, 3 });
}

Test(seed, the_tape_derives_equations_3_to_6_for_three_layers)
{
    expect_equal_gradients(1, 3, (const int[]){ 4, 8, 6, 2 });
}

Test(seed, the_tape_derives_equations_3_to_6_for_one_layer) { expect_equal_gradients(1, 1, (const int[]){ 6, 4 }); }

Test(seed, the_gradient_of_a_batch_is_the_mean_over_its_samples)
{
    expect_equal_gradients(SAMPLES, 2, (const int[]){ 5, 7, 3 });
    expect_equal_gradients(SAMPLES, 3, (const int[]){ 3, 5, 4, 2 });
}

Test(seed, a_single_unit_in_every_layer_is_a_network_too) { expect_equal_gradients(2, 3, (const int[]){ 1, 1, 1, 1 }); }

Test(seed, the_comparison_sees_each_planted_fault)
{
    trial *t = begin(SAMPLES, 2, (const int[]){ 5, 7, 3 });
    network right, wrong;
    gradient(&t->n, SAMPLES, t->X, t->Y, &right);
    wrong = right, wrong.b[0][6] = -wrong.b[0][6];
    cr_expect_gt(worst(&right, &wrong), 1, "the sign of one bias");
    wrong = right, wrong.W[1][2][6] -= LAMBDA * t->n.W[1][2][6];
    cr_expect_gt(worst(&right, &wrong), 1e-6, "lambda forgotten for one weight");
    wrong = right, wrong.W[0][6][4] *= 1 + 4e-12;
    cr_expect_gt(worst(&right, &wrong), 1e-12, "one weight off in the twelfth digit");
    wrong = right, wrong.W[0][0][0] = (double)NAN;
    cr_expect_eq(worst(&right, &wrong), INFINITY, "a NaN among the weights");
    cr_expect_eq(worst(&wrong, &right), INFINITY, "and on the other side");
    wrong = right, wrong.b[0][2] = (double)NAN;
    cr_expect_eq(worst(&right, &wrong), INFINITY, "a NaN among the biases");
    end(t);
}

/* ---- Equation (7) ---------------------------------------------------------------------------- */

Test(seed, one_step_of_sgd_is_equation_7)
{
    trial *t = begin(SAMPLES, 2, (const int[]){ 5, 7, 3 });
    network expected = t->n, dE, after = t->n;
    gradient(&t->n, SAMPLES, t->X, t->Y, &dE);
    step(&expected, &dE, ETA);
    reel_sgd(t->E, (reel_sgd_options){ .lr = ETA });
    cr_assert_eq(reel_run(t->tape), REEL_OK);
    read_model(t->model, &after);
    cr_expect_lt(worst(&after, &expected), 1e-12, "%g", worst(&after, &expected));
    step(&expected, &dE, -2 * ETA);
    cr_expect_gt(worst(&after, &expected), 1e-2, "with the sign that the post has");
    end(t);
}

Test(seed, a_step_takes_eta_times_the_recorded_gradient_away_to_the_bit)
{
    trial *t = begin(SAMPLES, 3, (const int[]){ 4, 8, 6, 2 });
    network dE, expected = t->n, after = t->n;
    evaluate(t);
    read_gradients(t, &dE);
    step(&expected, &dE, ETA);
    reel_sgd(t->E, (reel_sgd_options){ .lr = ETA });
    cr_assert_eq(reel_run(t->tape), REEL_OK);
    read_model(t->model, &after);
    cr_expect_eq(worst(&after, &expected), 0);
    end(t);
}

Test(seed, training_sample_after_sample_follows_the_loops)
{
    trial *t = begin(1, 2, (const int[]){ 5, 7, 3 });
    double X[SAMPLES * 5], Y[SAMPLES * 3];
    network loops = t->n, dE, tape = t->n;
    fill(X, SAMPLES * 5, 31, 1);
    fill(Y, SAMPLES * 3, 32, 1);
    reel_sgd(t->E, (reel_sgd_options){ .lr = ETA });
    for (int epoch = 0; epoch < 30; epoch++)
        for (int s = 0; s < SAMPLES; s++) {
            const double E = gradient(&loops, 1, X + s * 5, Y + s * 3, &dE);
            step(&loops, &dE, ETA);
            reel_write_f64(t->x, X + s * 5, 5);
            reel_write_f64(t->y, Y + s * 3, 3);
            cr_assert_eq(reel_run(t->tape), REEL_OK);
            cr_assert_lt(relative(reel_item(t->E), E), 1e-11);
        }
    read_model(t->model, &tape);
    cr_expect_lt(worst(&tape, &loops), 1e-10, "%g", worst(&tape, &loops));
    end(t);
}

Test(seed, gradient_descent_makes_the_error_smaller)
{
    trial *t = begin(SAMPLES, 2, (const int[]){ 5, 7, 3 });
    reel_sgd(t->E, (reel_sgd_options){ .lr = ETA });
    double before = INFINITY;
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(reel_run(t->tape), REEL_OK);
        cr_assert_lt(reel_item(t->E), before, "step %d", i);
        before = reel_item(t->E);
    }
    end(t);
}

/* ---- No delta is written by hand ------------------------------------------------------------- */

/* The names of the ops that x depends on, each once, in alphabetical order with blanks between. */
enum { NAMES = 64 };

typedef struct names {
    const char *name[NAMES];
    int count, contractions;
    const reel_tensor *seen[4096];
    int seen_count;
} names;

static void collect(names *n, const reel_tensor *x)
{
    for (int i = 0; i < n->seen_count; i++)
        if (n->seen[i] == x) return;
    cr_assert_lt(n->seen_count, 4096);
    n->seen[n->seen_count++] = x;
    n->contractions += strcmp(reel_op_name(x), "contract") == 0;
    int at = 0;
    while (at < n->count && strcmp(n->name[at], reel_op_name(x)) < 0) at++;
    if (at == n->count || strcmp(n->name[at], reel_op_name(x)) != 0) {
        cr_assert_lt(n->count, NAMES);
        memmove(&n->name[at + 1], &n->name[at], (size_t)(n->count - at) * sizeof *n->name);
        n->name[at] = reel_op_name(x);
        n->count++;
    }
    for (int i = 0; i < reel_input_count(x); i++) collect(n, reel_input_at(x, i));
}

static const char *joined(const names *n)
{
    static char text[1000];
    text[0] = 0;
    for (int i = 0; i < n->count; i++) {
        if (i) strcat(text, " ");
        strcat(text, n->name[i]);
    }
    return text;
}

Test(seed, the_gradient_consists_of_generic_ops_only)
{
    trial *t = begin(SAMPLES, 3, (const int[]){ 4, 8, 6, 2 });
    names n = { .count = 0 };
    for (int i = 0; i < reel_list_count(t->gradients); i++) collect(&n, reel_list_at(t->gradients, i));
    cr_expect_str_eq(joined(&n), "add constant contract div expand input mul neg number parameter "
                                 "reshape sub sum tanh");
    end(t);
}

Test(seed, backpropagation_has_one_product_for_each_delta_and_each_weight)
{
    trial *t = begin(SAMPLES, 3, (const int[]){ 4, 8, 6, 2 });
    names forward = { .count = 0 }, all = { .count = 0 };
    collect(&forward, t->E);
    for (int i = 0; i < reel_list_count(t->gradients); i++) collect(&all, reel_list_at(t->gradients, i));
    cr_expect_eq(forward.contractions, 3, "z = W x, three times");
    cr_expect_eq(all.contractions - forward.contractions, 2 + 3, "(4) twice and (6) three times, not %d",
                 all.contractions - forward.contractions);
    end(t);
}
