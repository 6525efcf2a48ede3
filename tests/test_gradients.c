/* Derivatives: their normal form (which products are stacked, which slices come back side by
 * side), derivatives of derivatives, what cannot be differentiated, and that the order of
 * recording does not matter to any bit.
 *
 * `test_gradients --print` writes data/digests.h, the parameters of three trained networks as
 * one number each. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <reel.h>
#include <stdio.h>
#include <string.h>

#include "tests/data/digests.h"
#include "tests/data/fill.h"
#include "tests/worst.h"

/* ---- A model and a tape for each test -------------------------------------------------------- */

static reel_model *model;
static reel_tape *tape;

static void begin(void)
{
    model = reel_model_new((reel_model_options){ .seed = 7 });
    tape = reel_tape_new(model, (reel_tape_options){ 0 });
}

static void end(void)
{
    cr_expect(!reel_tape_error(tape), "%s", reel_tape_error(tape));
    reel_tape_free(tape);
    reel_model_free(model);
    model = NULL, tape = NULL;
}

enum { LARGEST = 4096 };

/* An input or a parameter with values in [-1, 1) from the seed. */
static reel_tensor *input(const char *name, reel_shape shape, uint64_t seed)
{
    double data[LARGEST];
    reel_tensor *x = reel_input(tape, name, REEL_F64, shape);
    cr_assert_leq(reel_count(x), LARGEST);
    fill(data, reel_count(x), seed, 1);
    cr_assert_eq(reel_write_f64(x, data, reel_count(x)), REEL_OK, "%s", reel_tape_error(tape));
    return x;
}

static reel_tensor *parameter(reel_tensor *like, const char *name, reel_shape shape, uint64_t seed)
{
    double data[LARGEST];
    reel_tensor *x = reel_parameter(like, name, shape, reel_init_zeros());
    fill(data, reel_count(x), seed, 0.7);
    cr_assert_eq(reel_write_f64(x, data, reel_count(x)), REEL_OK, "%s", reel_tape_error(tape));
    return x;
}

static const double *value(reel_tensor *x)
{
    static double data[8][LARGEST];
    static int next;
    double *y = data[next++ % 8];
    cr_assert_eq(reel_eval(tape, &x, 1), REEL_OK, "%s", reel_tape_error(tape));
    cr_assert_eq(reel_read_f64(x, y, reel_count(x)), REEL_OK, "%s", reel_tape_error(tape));
    return y;
}

static double number(reel_tensor *x) { return value(x)[0]; }
static reel_tensor *sum_all(reel_tensor *x) { return reel_sum(x, REEL_ALL, REEL_DROP); }
static reel_tensor *squares(reel_tensor *x) { return sum_all(reel_square(x)); }

/* df/dx[i] by central differences with one step of Richardson's extrapolation. */
static double difference(reel_tensor *f, reel_tensor *x, int64_t i)
{
    const double step = 2e-3;
    const int64_t count = reel_count(x);
    double data[LARGEST], quotient[2];
    memcpy(data, value(x), (size_t)count * sizeof *data);
    const double at = data[i];
    for (int k = 0; k < 2; k++) {
        const double h = k ? step / 2 : step;
        data[i] = at + h, reel_write_f64(x, data, count);
        const double above = number(f);
        data[i] = at - h, reel_write_f64(x, data, count);
        quotient[k] = (above - number(f)) / (2 * h);
    }
    data[i] = at, reel_write_f64(x, data, count);
    return (4 * quotient[1] - quotient[0]) / 3;
}

static double largest_error(reel_tensor *f, reel_tensor *x, reel_tensor *g)
{
    double derived[LARGEST], worst = 0;
    cr_assert(reel_count(g) == reel_count(x) && reel_rank(g) == reel_rank(x));
    memcpy(derived, value(g), (size_t)reel_count(g) * sizeof *derived);
    for (int64_t i = 0; i < reel_count(x); i++) {
        const double d = difference(f, x, i);
        worst = worse_of(worst, fabs(derived[i] - d) / (1 + fabs(d)));
    }
    return worst;
}

static void expect_gradient(reel_tensor *f, reel_tensor *x, double tolerance)
{
    const double error = largest_error(f, x, reel_gradient(f, x));
    cr_expect(error < tolerance, "the gradient by %s is off by %g", reel_name_of(x), error);
}

/* ---- Looking at what was recorded ------------------------------------------------------------ */

enum { NODES = 1 << 14 };

/* All nodes that some tensors depend on. */
typedef struct nodes {
    const reel_tensor *slot[NODES], *item[NODES];
    int count;
} nodes;

static void gather_nodes(nodes *n, const reel_tensor *x)
{
    size_t slot = ((size_t)x >> 4) % NODES;
    while (n->slot[slot] && n->slot[slot] != x) slot = (slot + 1) % NODES;
    if (n->slot[slot]) return;
    cr_assert_lt(n->count, NODES / 2);
    n->slot[slot] = n->item[n->count++] = x;
    for (int i = 0; i < reel_input_count(x); i++) gather_nodes(n, reel_input_at(x, i));
}

static bool is(const reel_tensor *x, const char *op) { return strcmp(reel_op_name(x), op) == 0; }

static int count_op(const nodes *n, const char *op)
{
    int count = 0;
    for (int i = 0; i < n->count; i++) count += is(n->item[i], op);
    return count;
}

static int ops_of(const reel_list *list, const char *op)
{
    static nodes n;
    memset(&n, 0, sizeof n);
    for (int i = 0; i < reel_list_count(list); i++) gather_nodes(&n, reel_list_at(list, i));
    return count_op(&n, op);
}

static int ops_in(reel_tensor *x, const char *op)
{
    static nodes n;
    memset(&n, 0, sizeof n);
    gather_nodes(&n, x);
    return count_op(&n, op);
}

/* The node itself, behind what only gives it another shape. */
static reel_tensor *behind_views(reel_tensor *x)
{
    while (is(x, "reshape") || is(x, "permute")) x = reel_input_at(x, 0);
    return x;
}

/* Of a product without batch axes: |a| |b| / |y| = m k k n / (m n). */
static int64_t inner_size(const reel_tensor *product)
{
    const double a = (double)reel_count(reel_input_at(product, 0)), b = (double)reel_count(reel_input_at(product, 1));
    return (int64_t)lround(sqrt(a * b / (double)reel_count(product)));
}

static reel_list *list_of(int count, reel_tensor *const *x)
{
    reel_list *list = reel_list_new(tape);
    for (int i = 0; i < count; i++) reel_list_append(list, NULL, x[i]);
    return list;
}

#define LIST(...)                                                                                                      \
    list_of((int)(sizeof((reel_tensor *[]){ __VA_ARGS__ }) / sizeof(reel_tensor *)), (reel_tensor *[]){ __VA_ARGS__ })

/* ---- A recurrent network --------------------------------------------------------------------- */

enum { T = 64, B = 4, I = 3, H = 5 };

typedef struct recurrent {
    reel_tensor *x, *wx, *wh, *b, *projection, *h[T + 1], *loss;
} recurrent;

/* h = tanh(x_t wx + h wh + b) (Elman 1990); the loss is the sum over t of |h_t|^2. */
static recurrent record_recurrent(void)
{
    recurrent r = { .x = input("x", REEL_SHAPE(T, B, I), 1) };
    r.wx = parameter(r.x, "wx", REEL_SHAPE(I, H), 2);
    r.wh = parameter(r.x, "wh", REEL_SHAPE(H, H), 3);
    r.b = parameter(r.x, "b", REEL_SHAPE(H), 4);
    r.h[0] = input("h0", REEL_SHAPE(B, H), 5);
    r.projection = reel_matmul(r.x, r.wx);
    for (int t = 0; t < T; t++) {
        reel_tensor *now = reel_squeeze(reel_slice(r.projection, 0, t, t + 1), 0);
        r.h[t + 1] = reel_tanh(reel_add(reel_add(now, reel_matmul(r.h[t], r.wh)), r.b));
        r.loss = t ? reel_add(r.loss, squares(r.h[t + 1])) : squares(r.h[t + 1]);
    }
    return r;
}

Test(normal_form, a_recurrent_weights_gradient_is_one_product_over_all_steps, .init = begin, .fini = end)
{
    recurrent r = record_recurrent();
    reel_tensor *product = behind_views(reel_gradient(r.loss, r.wh));
    cr_assert_str_eq(reel_op_name(product), "contract");
    cr_expect_eq(inner_size(product), T * B, "k is %d", (int)inner_size(product));
}

Test(normal_form, the_last_step_is_stacked_first, .init = begin, .fini = end)
{
    recurrent r = record_recurrent();
    reel_tensor *product = behind_views(reel_gradient(r.loss, r.wh));
    reel_tensor *rows = reel_input_at(product, 0);
    cr_assert(is(rows, "concat") && is(reel_input_at(product, 1), "concat"));
    cr_assert_eq(reel_input_count(rows), T);
    for (int i = 0; i < T; i++) cr_expect_eq(behind_views(reel_input_at(rows, i)), r.h[T - 1 - i], "step %d", i);
}

Test(normal_form, backpropagation_through_64_steps_has_one_product_a_step_and_one_a_weight, .init = begin, .fini = end)
{
    recurrent r = record_recurrent();
    cr_expect_eq(ops_in(r.loss, "contract"), T + 1, "one for each step and one for the projection");
    reel_list *g = reel_gradients(r.loss, LIST(r.wx, r.wh, r.b));
    cr_expect_eq(ops_of(g, "contract"), (T + 1) + (T - 1) + 2, "%d", ops_of(g, "contract"));
}

Test(normal_form, the_slices_of_a_projection_come_back_as_one_concat, .init = begin, .fini = end)
{
    recurrent r = record_recurrent();
    reel_tensor *g = reel_gradient(r.loss, r.projection);
    cr_assert_str_eq(reel_op_name(g), "concat");
    cr_expect_eq(reel_input_count(g), T);
    cr_expect_eq(ops_in(g, "pad"), 0);
    cr_expect_eq(ops_in(g, "concat"), 1);
}

Test(normal_form, a_bias_added_in_every_step_is_summed_over_the_batch_once, .init = begin, .fini = end)
{
    recurrent r = record_recurrent();
    const int before = ops_in(r.loss, "sum");
    cr_expect_eq(ops_in(reel_gradient(r.loss, r.b), "sum"), 1, "the forward pass has %d", before);
}

/* dh, dz from the last step back, as in every text on backpropagation through time. */
Test(normal_form, the_stacked_product_is_the_sum_over_the_steps, .init = begin, .fini = end)
{
    recurrent r = record_recurrent();
    static double h[T + 1][B][H], dwh[H][H], db[H];
    double wh[H][H], dh[B][H] = { { 0 } };
    memcpy(wh, value(r.wh), sizeof wh);
    for (int t = 0; t <= T; t++) memcpy(h[t], value(r.h[t]), sizeof h[t]);
    for (int t = T; t > 0; t--) {
        double dz[B][H];
        for (int n = 0; n < B; n++)
            for (int j = 0; j < H; j++) {
                dz[n][j] = (dh[n][j] + 2 * h[t][n][j]) * (1 - h[t][n][j] * h[t][n][j]);
                db[j] += dz[n][j];
                for (int i = 0; i < H; i++) dwh[i][j] += h[t - 1][n][i] * dz[n][j];
            }
        memset(dh, 0, sizeof dh);
        for (int n = 0; n < B; n++)
            for (int i = 0; i < H; i++)
                for (int j = 0; j < H; j++) dh[n][i] += dz[n][j] * wh[i][j];
    }
    const double *g = value(reel_gradient(r.loss, r.wh)), *gb = value(reel_gradient(r.loss, r.b));
    for (int i = 0; i < H; i++)
        for (int j = 0; j < H; j++)
            cr_expect(fabs(g[i * H + j] - dwh[i][j]) <= 1e-12 * fabs(dwh[i][j]), "%d, %d: %g and %g", i, j,
                      g[i * H + j], dwh[i][j]);
    for (int i = 0; i < H; i++) cr_expect(fabs(gb[i] - db[i]) <= 1e-12 * fabs(db[i]), "%d: %g and %g", i, gb[i], db[i]);
}

/* ---- LSTM ------------------------------------------------------------------------------------ */

enum { STEPS = 8 };

typedef struct lstm {
    reel_tensor *x, *wx, *wh, *gates[STEPS], *loss;
} lstm;

/* Hochreiter and Schmidhuber 1997, with a forget gate: all four gates are slices of one product. */
static lstm record_lstm(void)
{
    lstm l = { .x = input("x", REEL_SHAPE(STEPS, 2, 3), 1) };
    l.wx = parameter(l.x, "wx", REEL_SHAPE(3, 4 * H), 2);
    l.wh = parameter(l.x, "wh", REEL_SHAPE(H, 4 * H), 3);
    reel_tensor *h = input("h0", REEL_SHAPE(2, H), 4), *c = input("c0", REEL_SHAPE(2, H), 5);
    reel_tensor *projection = reel_matmul(l.x, l.wx);
    for (int t = 0; t < STEPS; t++) {
        reel_tensor *now = reel_squeeze(reel_slice(projection, 0, t, t + 1), 0), *part[4];
        l.gates[t] = reel_add(now, reel_matmul(h, l.wh));
        for (int i = 0; i < 4; i++) part[i] = reel_slice(l.gates[t], 1, i * H, (i + 1) * H);
        reel_tensor *keep = reel_mul(reel_sigmoid(part[1]), c);
        c = reel_add(keep, reel_mul(reel_sigmoid(part[0]), reel_tanh(part[2])));
        h = reel_mul(reel_sigmoid(part[3]), reel_tanh(c));
    }
    l.loss = squares(h);
    return l;
}

Test(normal_form, the_four_gates_of_an_lstm_come_back_as_one_concat, .init = begin, .fini = end)
{
    lstm l = record_lstm();
    for (int t = 0; t < STEPS; t++) {
        reel_tensor *g = reel_gradient(l.loss, l.gates[t]);
        cr_assert_str_eq(reel_op_name(g), "concat", "step %d", t);
        cr_expect_eq(reel_input_count(g), 4);
    }
}

Test(normal_form, an_lstm_has_one_concat_a_step_and_three_for_its_weights, .init = begin, .fini = end)
{
    lstm l = record_lstm();
    reel_list *g = reel_gradients(l.loss, LIST(l.wx, l.wh));
    cr_expect_eq(ops_of(g, "concat"), STEPS + 1 + 2, "gates, slices of the projection, two stacks: %d",
                 ops_of(g, "concat"));
    cr_expect_eq(ops_of(g, "pad"), 0);
    cr_expect_eq(ops_of(g, "contract"), (STEPS + 1) + (STEPS - 1) + 2);
}

Test(normal_form, an_lstms_gradient_is_right, .init = begin, .fini = end)
{
    lstm l = record_lstm();
    expect_gradient(l.loss, l.wx, 1e-9);
    expect_gradient(l.loss, l.wh, 1e-9);
    expect_gradient(l.loss, l.x, 1e-9);
}

/* ---- Products -------------------------------------------------------------------------------- */

Test(normal_form, a_weight_shared_over_batch_axes_has_one_product_and_no_sum, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(6, 5, 3), 1);
    reel_tensor *w = parameter(x, "w", REEL_SHAPE(3, 4), 2);
    reel_tensor *y = reel_matmul(x, w), *gy = input("gy", REEL_SHAPE(6, 5, 4), 3);
    reel_tensor *g = reel_list_at(reel_vjp(y, gy, LIST(w)), 0);
    cr_assert_str_eq(reel_op_name(behind_views(g)), "contract");
    cr_expect_eq(inner_size(behind_views(g)), 30);
    cr_expect_eq(ops_in(g, "contract"), 1);
    cr_expect_eq(ops_in(g, "sum"), 0);
    expect_gradient(squares(y), w, 1e-9);
}

Test(normal_form, a_weight_expanded_by_hand_has_one_product_as_well, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(6, 5, 3), 1);
    reel_tensor *w = parameter(x, "w", REEL_SHAPE(3, 4), 2);
    reel_tensor *y = reel_matmul(x, reel_expand(w, REEL_SHAPE(6, 3, 4)));
    reel_tensor *gy = input("gy", REEL_SHAPE(6, 5, 4), 3);
    reel_tensor *g = reel_list_at(reel_vjp(y, gy, LIST(w)), 0);
    cr_assert_str_eq(reel_op_name(behind_views(g)), "contract");
    cr_expect_eq(inner_size(behind_views(g)), 30);
    cr_expect_eq(ops_in(g, "sum"), 0);
    expect_gradient(squares(y), w, 1e-9);
}

Test(normal_form, a_left_operand_shared_over_batch_axes_has_one_product, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(6, 3, 5), 1);
    reel_tensor *w = parameter(x, "w", REEL_SHAPE(4, 3), 2);
    reel_tensor *y = reel_matmul(w, x), *gy = input("gy", REEL_SHAPE(6, 4, 5), 3);
    reel_tensor *g = reel_list_at(reel_vjp(y, gy, LIST(w)), 0);
    cr_assert_str_eq(reel_op_name(behind_views(g)), "contract");
    cr_expect_eq(inner_size(behind_views(g)), 30);
    cr_expect_eq(ops_in(g, "sum"), 0);
    expect_gradient(squares(y), w, 1e-9);
}

Test(normal_form, products_with_true_batch_axes_stay_apart, .init = begin, .fini = end)
{
    reel_tensor *a = input("a", REEL_SHAPE(3, 2, 4), 1);
    reel_tensor *b = parameter(a, "b", REEL_SHAPE(3, 4, 5), 2);
    reel_tensor *c = input("c", REEL_SHAPE(3, 6, 4), 3);
    reel_tensor *loss = reel_add(squares(reel_matmul(a, b)), squares(reel_matmul(c, b)));
    reel_tensor *g = reel_gradient(loss, b);
    cr_expect_str_eq(reel_op_name(g), "add");
    expect_gradient(loss, b, 1e-9);
    expect_gradient(loss, a, 1e-9);
}

static reel_tensor *attend(reel_tensor *x, reel_tensor *wq, reel_tensor *wk, reel_tensor *wv)
{
    reel_tensor *q = reel_matmul(x, wq), *k = reel_matmul(x, wk), *v = reel_matmul(x, wv);
    reel_tensor *share = reel_softmax(reel_scale(reel_matmul(q, reel_transpose(k)), 0.5), -1);
    return reel_matmul(share, v);
}

Test(normal_form, what_feeds_queries_keys_and_values_gets_one_product, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3, 5, 4), 1);
    reel_tensor *wq = parameter(x, "wq", REEL_SHAPE(4, 6), 2);
    reel_tensor *wk = parameter(x, "wk", REEL_SHAPE(4, 6), 3);
    reel_tensor *wv = parameter(x, "wv", REEL_SHAPE(4, 7), 4);
    reel_tensor *loss = squares(attend(x, wq, wk, wv));
    reel_tensor *g = behind_views(reel_gradient(loss, x));
    cr_assert_str_eq(reel_op_name(g), "contract");
    cr_expect_eq(inner_size(g), 6 + 6 + 7, "k is %d", (int)inner_size(g));
    expect_gradient(loss, x, 1e-9);
    expect_gradient(loss, wq, 1e-9);
    expect_gradient(loss, wk, 1e-9);
    expect_gradient(loss, wv, 1e-9);
}

Test(normal_form, a_weight_on_the_left_and_on_the_right_has_two_products, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(4, 4), 1), *w = parameter(x, "w", REEL_SHAPE(4, 4), 2);
    reel_tensor *z = input("z", REEL_SHAPE(2, 4), 3);
    reel_tensor *left = squares(reel_matmul(w, x)), *right = squares(reel_matmul(x, w));
    reel_tensor *loss = reel_add(reel_add(left, right), squares(reel_matmul(z, w)));
    reel_tensor *g = reel_gradient(loss, w);
    cr_assert_str_eq(reel_op_name(g), "add");
    const int64_t k[] = { inner_size(behind_views(reel_input_at(g, 0))),
                          inner_size(behind_views(reel_input_at(g, 1))) };
    cr_expect(k[0] + k[1] == 4 + (4 + 2) && k[0] * k[1] == 4 * 6, "k is %d and %d", (int)k[0], (int)k[1]);
    expect_gradient(loss, w, 1e-9);
}

Test(normal_form, a_weight_times_itself_is_differentiated_on_both_sides, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3, 4), 1), *w = parameter(x, "w", REEL_SHAPE(4, 4), 2);
    expect_gradient(squares(reel_matmul(w, w)), w, 1e-9);
    expect_gradient(squares(reel_matmul(w, reel_transpose(w))), w, 1e-9);
    expect_gradient(squares(reel_matmul(reel_matmul(x, w), w)), w, 1e-9);
}

Test(normal_form, a_weight_tied_as_embedding_and_as_output_adds_both, .init = begin, .fini = end)
{
    reel_tensor *indices = reel_input(tape, "i", REEL_I32, REEL_SHAPE(6));
    reel_tensor *x = input("x", REEL_SCALAR, 1), *w = parameter(x, "w", REEL_SHAPE(5, 4), 2);
    reel_write_i32(indices, (const int32_t[]){ 4, 1, 1, 0, 4, 4 }, 6);
    reel_tensor *h = reel_tanh(reel_take(w, indices, 0));
    reel_tensor *loss = reel_cross_entropy(reel_matmul(h, reel_transpose(w)), indices);
    expect_gradient(loss, w, 1e-9);
}

Test(normal_form, empty_products_have_gradients_of_zeros, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(0, 3), 1), *w = parameter(x, "w", REEL_SHAPE(3, 2), 2);
    reel_tensor *loss = reel_add(squares(reel_matmul(x, w)), squares(reel_matmul(x, w)));
    const double *g = value(reel_gradient(loss, w));
    for (int i = 0; i < 6; i++) cr_expect_eq(g[i], 0);
}

/* ---- Slices ---------------------------------------------------------------------------------- */

Test(slices, disjoint_ones_with_gaps_come_back_side_by_side, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3, 10), 1);
    reel_tensor *loss = reel_add(squares(reel_slice(x, 1, 7, 9)), squares(reel_slice(x, 1, 1, 4)));
    reel_tensor *g = reel_gradient(loss, x);
    cr_assert_str_eq(reel_op_name(g), "concat");
    cr_expect_eq(reel_input_count(g), 5, "zeros, 1 ... 3, zeros, 7 ... 8, zeros");
    cr_expect_eq(ops_in(g, "pad"), 0);
    const double *derived = value(g), *at = value(x);
    for (int i = 0; i < 30; i++) {
        const int column = i % 10;
        const bool inside = (column >= 1 && column < 4) || (column >= 7 && column < 9);
        cr_expect_eq(derived[i], inside ? 2 * at[i] : 0, "%d", i);
    }
}

Test(slices, overlapping_ones_are_added, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(2, 6), 1);
    reel_tensor *loss = reel_add(squares(reel_slice(x, 1, 0, 4)), sum_all(reel_exp(reel_slice(x, 1, 3, 6))));
    const double *g = value(reel_gradient(loss, x)), *at = value(x);
    for (int i = 0; i < 12; i++) {
        const int column = i % 6;
        const double expected = (column < 4 ? 2 * at[i] : 0) + (column >= 3 ? exp(at[i]) : 0);
        cr_expect(fabs(g[i] - expected) < 1e-14, "%d: %g, not %g", i, g[i], expected);
    }
}

Test(slices, those_of_two_axes_are_added, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(4, 5), 1);
    reel_tensor *rows = reel_add(squares(reel_slice(x, 0, 0, 2)), squares(reel_slice(x, 0, 2, 4)));
    reel_tensor *columns =
        reel_add(sum_all(reel_sin(reel_slice(x, 1, 1, 3))), sum_all(reel_sin(reel_slice(x, 1, 4, 5))));
    expect_gradient(reel_mul(rows, columns), x, 1e-9);
}

Test(slices, those_with_a_step_go_back_to_where_they_came_from, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(2, 11), 1);
    reel_tensor *even = reel_slice_step(x, 1, 0, 11, 2), *third = reel_slice_step(x, 1, 1, 10, 3);
    const double *g = value(reel_gradient(reel_add(squares(even), sum_all(reel_exp(third))), x));
    const double *at = value(x);
    for (int i = 0; i < 22; i++) {
        const int column = i % 11;
        const double expected =
            (column % 2 == 0 ? 2 * at[i] : 0) + (column >= 1 && column < 10 && column % 3 == 1 ? exp(at[i]) : 0);
        cr_expect(fabs(g[i] - expected) < 1e-14, "%d: %g, not %g", i, g[i], expected);
    }
}

Test(slices, a_single_one_and_an_empty_one_have_gradients, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(5), 1);
    expect_gradient(squares(reel_slice(x, 0, 1, 3)), x, 1e-9);
    const double *g = value(reel_gradient(squares(reel_slice(x, 0, 2, 2)), x));
    for (int i = 0; i < 5; i++) cr_expect_eq(g[i], 0);
    expect_gradient(reel_add(squares(reel_slice(x, 0, 2, 2)), squares(reel_slice(x, 0, 0, 2))), x, 1e-9);
}

Test(slices, a_slice_of_a_slice_goes_back_through_both, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3, 8), 1), *part = reel_slice(x, 1, 2, 8);
    reel_tensor *loss =
        reel_add(squares(reel_slice_step(part, 1, 1, 6, 2)), sum_all(reel_exp(reel_slice(part, 0, 1, 2))));
    expect_gradient(loss, x, 1e-9);
}

Test(slices, gathered_rows_add_up_where_an_index_is_repeated, .init = begin, .fini = end)
{
    const int32_t index[] = { 2, 0, 2, 2, 5 };
    reel_tensor *x = input("x", REEL_SHAPE(6, 3), 1);
    reel_tensor *indices = reel_input(tape, "i", REEL_I32, REEL_SHAPE(5));
    reel_tensor *gy = input("gy", REEL_SHAPE(5, 3), 2);
    reel_write_i32(indices, index, 5);
    reel_tensor *g = reel_list_at(reel_vjp(reel_take(x, indices, 0), gy, LIST(x)), 0);
    const double *derived = value(g), *rows = value(gy);
    double expected[6][3] = { { 0 } };
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 3; j++) expected[index[i]][j] += rows[i * 3 + j];
    for (int i = 0; i < 18; i++) cr_expect_eq(derived[i], expected[i / 3][i % 3], "%d", i);
}

Test(slices, gathering_along_an_inner_axis_has_a_gradient, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(2, 4, 3), 1);
    reel_tensor *indices = reel_input(tape, "i", REEL_I32, REEL_SHAPE(2, 3));
    reel_write_i32(indices, (const int32_t[]){ 3, 3, 0, 1, 3, 0 }, 6);
    expect_gradient(squares(reel_take(x, indices, 1)), x, 1e-9);
    reel_tensor *y = input("y", REEL_SHAPE(2, 2, 3, 3), 2);
    expect_gradient(squares(reel_scatter_add(y, indices, 1, 4)), y, 1e-9);
}

/* ---- Derivatives of derivatives -------------------------------------------------------------- */

/* A network 2-3-1 whose 13 weights are slices of one vector. */
static reel_tensor *small_network(reel_tensor *theta)
{
    reel_tensor *x = input("x", REEL_SHAPE(5, 2), 1), *y = input("y", REEL_SHAPE(5, 1), 2);
    reel_tensor *w1 = reel_reshape(reel_slice(theta, 0, 0, 6), REEL_SHAPE(2, 3));
    reel_tensor *w2 = reel_reshape(reel_slice(theta, 0, 9, 12), REEL_SHAPE(3, 1));
    reel_tensor *h = reel_tanh(reel_add(reel_matmul(x, w1), reel_slice(theta, 0, 6, 9)));
    return reel_mse(reel_sigmoid(reel_add(reel_matmul(h, w2), reel_slice(theta, 0, 12, 13))), y);
}

Test(higher_order, the_hessian_of_a_network_is_the_difference_of_gradients, .init = begin, .fini = end)
{
    enum { N = 13 };
    reel_tensor *like = input("like", REEL_SCALAR, 9);
    reel_tensor *theta = parameter(like, "theta", REEL_SHAPE(N), 3);
    reel_tensor *g = reel_gradient(small_network(theta), theta);
    double hessian[N][N];
    for (int i = 0; i < N; i++) {
        reel_tensor *gi = reel_squeeze(reel_slice(g, 0, i, i + 1), 0);
        reel_tensor *row = reel_gradient(gi, theta);
        const double error = largest_error(gi, theta, row);
        cr_expect(error < 1e-9, "row %d is off by %g", i, error);
        memcpy(hessian[i], value(row), sizeof hessian[i]);
    }
    double largest = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < i; j++) {
            cr_expect(fabs(hessian[i][j] - hessian[j][i]) < 1e-14, "%d, %d", i, j);
            largest = worse_of(largest, fabs(hessian[i][j]));
        }
    cr_expect(largest > 1e-3 && largest < 1e3, "it is not all zeros: %g", largest);
}

Test(higher_order, a_hessian_vector_product_is_the_vjp_of_the_gradient, .init = begin, .fini = end)
{
    enum { N = 13 };
    reel_tensor *like = input("like", REEL_SCALAR, 9);
    reel_tensor *theta = parameter(like, "theta", REEL_SHAPE(N), 3);
    reel_tensor *g = reel_gradient(small_network(theta), theta), *v = input("v", REEL_SHAPE(N), 4);
    reel_tensor *product = reel_list_at(reel_vjp(g, v, LIST(theta)), 0);
    const double error = largest_error(sum_all(reel_mul(g, v)), theta, product);
    cr_expect(error < 1e-9, "%g", error);
}

static reel_tensor *fifth(reel_tensor *x) { return reel_mul(reel_square(reel_square(x)), x); }
static reel_tensor *power(reel_tensor *x) { return reel_pow(x, reel_number(x, 3.5)); }
static reel_tensor *exponential(reel_tensor *x) { return reel_pow(reel_number(x, 2), x); }
static reel_tensor *wave(reel_tensor *x) { return reel_mul(reel_exp(x), reel_sin(x)); }
static reel_tensor *quotient(reel_tensor *x) { return reel_div(reel_number(x, 1), reel_shift(x, 2)); }

static double fifth_3(double x) { return 60 * x * x; }
static double power_3(double x) { return 3.5 * 2.5 * 1.5 * sqrt(x); }
static double exponential_3(double x) { return pow(2, x) * pow(log(2), 3); }
static double wave_3(double x) { return 2 * exp(x) * (cos(x) - sin(x)); }
static double quotient_3(double x) { return -6 / pow(x + 2, 4); }
static double tanh_3(double x) { return (1 - pow(tanh(x), 2)) * (6 * pow(tanh(x), 2) - 2); }
static double log_3(double x) { return 2 / pow(x, 3); }
static double log1p_3(double x) { return 2 / pow(1 + x, 3); }
static double sqrt_3(double x) { return 0.375 * pow(x, -2.5); }
static double rsqrt_3(double x) { return -1.875 * pow(x, -3.5); }
static double erf_3(double x) { return 2 / sqrt(acos(-1)) * (4 * x * x - 2) * exp(-x * x); }
static double minus_cos(double x) { return -cos(x); }
static double sigmoid_3(double x)
{
    const double s = 1 / (1 + exp(-x));
    return s * (1 - s) * (1 - 6 * s + 6 * s * s);
}
static double softplus_3(double x)
{
    const double s = 1 / (1 + exp(-x));
    return s * (1 - s) * (1 - 2 * s);
}

Test(higher_order, third_derivatives_are_those_of_calculus, .init = begin, .fini = end)
{
    const struct {
        const char *name;
        reel_tensor *(*f)(reel_tensor *);
        double (*f3)(double);
    } cases[] = {
        { "x^5", fifth, fifth_3 },
        { "x^3.5", power, power_3 },
        { "2^x", exponential, exponential_3 },
        { "e^x sin x", wave, wave_3 },
        { "1/(x+2)", quotient, quotient_3 },
        { "tanh", (reel_tanh), tanh_3 },
        { "log", (reel_log), log_3 },
        { "log1p", (reel_log1p), log1p_3 },
        { "sqrt", (reel_sqrt), sqrt_3 },
        { "rsqrt", (reel_rsqrt), rsqrt_3 },
        { "exp", (reel_exp), exp },
        { "expm1", (reel_expm1), exp },
        { "erf", (reel_erf), erf_3 },
        { "sin", (reel_sin), minus_cos },
        { "cos", (reel_cos), sin },
        { "sigmoid", (reel_sigmoid), sigmoid_3 },
        { "softplus", (reel_softplus), softplus_3 },
    };
    const double points[] = { 0.3, 0.7, 1.1, 1.9 };
    reel_tensor *x = reel_input(tape, "x", REEL_F64, REEL_SCALAR);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reel_tensor *y = cases[i].f(x);
        for (int order = 0; order < 3; order++) y = reel_gradient(y, x);
        for (int k = 0; k < 4; k++) {
            reel_write_f64(x, &points[k], 1);
            const double expected = cases[i].f3(points[k]), derived = number(y);
            cr_expect(fabs(derived - expected) < 1e-12 * (1 + fabs(expected)), "%s at %g: %.15g, not %.15g",
                      cases[i].name, points[k], derived, expected);
        }
    }
}

Test(higher_order, the_eighth_derivative_of_a_sine_is_the_sine, .init = begin, .fini = end)
{
    const double at = 0.8;
    reel_tensor *x = reel_input(tape, "x", REEL_F64, REEL_SCALAR), *y = reel_sin(x);
    for (int order = 0; order < 8; order++) y = reel_gradient(y, x);
    reel_write_f64(x, &at, 1);
    cr_expect_eq(number(y), sin(at));
}

Test(higher_order, gradients_through_softmax_and_maxima_have_gradients, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3, 4), 1), *w = input("w", REEL_SHAPE(3, 4), 2);
    reel_tensor *soft = sum_all(reel_mul(reel_softmax(x, -1), w));
    expect_gradient(squares(reel_gradient(soft, x)), x, 1e-8);
    expect_gradient(squares(reel_gradient(squares(reel_log_softmax(x, 0)), x)), x, 1e-8);
    reel_tensor *top = sum_all(reel_exp(reel_max(x, REEL_AXES(0), REEL_DROP)));
    expect_gradient(squares(reel_gradient(top, x)), x, 1e-8);
    expect_gradient(squares(reel_gradient(sum_all(reel_var(reel_exp(x), REEL_AXES(1), REEL_DROP)), x)), x, 1e-8);
}

Test(higher_order, gradients_through_movement_have_gradients, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3, 4), 1), *wide = reel_pad_step(x, 1, 1, 2, 2);
    reel_tensor *turned = reel_transpose(reel_flip(wide, REEL_AXES(1)));
    reel_tensor *both[] = { turned, reel_exp(reel_slice_step(turned, 0, 1, 9, 3)) };
    reel_tensor *y = squares(reel_tanh(reel_concat(both, 2, 0)));
    expect_gradient(y, x, 1e-9);
    expect_gradient(squares(reel_gradient(y, x)), x, 1e-8);
}

Test(higher_order, the_gradient_of_a_recurrent_networks_gradient_is_right, .init = begin, .fini = end)
{
    lstm l = record_lstm();
    expect_gradient(squares(reel_gradient(l.loss, l.wh)), l.wh, 1e-8);
}

/* ---- A penalty on a gradient ----------------------------------------------------------------- */

static reel_tensor *critic(reel_tensor *x)
{
    reel_scope_push(reel_tape_of(x), "critic");
    x = reel_linear(reel_tanh(reel_linear(x, "hidden", 16)), "output", 1);
    reel_scope_pop(reel_tape_of(x));
    return reel_sum(x, REEL_AXES(-1), REEL_DROP);
}

/* The mean of (|dD/dx| - 1)^2 over the rows of x (Gulrajani et al. 2017). */
static reel_tensor *penalty(reel_tensor *x, reel_tensor **norm)
{
    reel_tensor *gx = reel_gradient(sum_all(critic(x)), x);
    *norm = reel_sqrt(reel_sum(reel_square(gx), REEL_AXES(-1), REEL_DROP));
    return reel_mean(reel_square(reel_shift(*norm, -1)), REEL_ALL, REEL_DROP);
}

Test(meta, the_gradient_of_a_gradient_penalty_is_right, .init = begin, .fini = end)
{
    reel_tensor *norm, *loss = penalty(input("x", REEL_SHAPE(4, 2), 1), &norm);
    reel_list *p = reel_parameters(loss, NULL);
    cr_expect_eq(reel_list_count(p), 3, "the last bias does not matter to it: %d", reel_list_count(p));
    for (int i = 0; i < reel_list_count(p); i++) expect_gradient(loss, reel_list_at(p, i), 1e-8);
}

Test(meta, a_critic_with_a_gradient_penalty_trains, .init = begin, .fini = end)
{
    reel_tensor *real = reel_shift(input("real", REEL_SHAPE(32, 2), 1), 1), *norm;
    reel_tensor *fake = input("fake", REEL_SHAPE(32, 2), 2);
    reel_tensor *share = reel_uniform(real, "share", REEL_SHAPE(32, 1));
    reel_tensor *between = reel_add(fake, reel_mul(share, reel_sub(real, fake)));
    reel_tensor *p = penalty(between, &norm);
    reel_tensor *apart = reel_mean(reel_sub(critic(real), critic(fake)), REEL_ALL, REEL_DROP);
    reel_tensor *loss = reel_sub(reel_scale(p, 10), apart);
    reel_keep(apart, "apart"), reel_keep(reel_mean(norm, REEL_ALL, REEL_DROP), "norm");
    reel_adam(loss, (reel_adam_options){ .lr = 0.01 });
    for (int i = 0; i < 300; i++) cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    cr_expect_gt(reel_item(reel_find(tape, "apart")), 1);
    cr_expect(fabs(reel_item(reel_find(tape, "norm")) - 1) < 0.1, "%g", reel_item(reel_find(tape, "norm")));
}

/* ---- Learning to learn: parameters replaced by what gradient steps make of them -------------- */

static reel_tensor *regression(reel_tensor *x, reel_tensor *y)
{
    reel_scope_push(reel_tape_of(x), "net");
    reel_tensor *a = reel_linear(reel_tanh(reel_linear(x, "hidden", 6)), "output", 1);
    reel_scope_pop(reel_tape_of(x));
    return reel_mse(a, y);
}

typedef struct meta {
    reel_tensor *before, *after;
    reel_list *parameters;
} meta;

/* Two inner steps on one set of points; the loss on another (Finn et al. 2017). */
static meta record_meta(bool first_order)
{
    reel_tensor *x = input("support", REEL_SHAPE(5, 1), 1), *y = reel_sin(reel_scale(x, 3));
    reel_tensor *xq = input("query", REEL_SHAPE(7, 1), 3), *yq = reel_sin(reel_scale(xq, 3));
    meta m = { .before = regression(x, y) };
    reel_tensor *loss = m.before;
    m.parameters = reel_parameters(loss, NULL);
    reel_list *now = m.parameters;
    for (int step = 0; step < 2; step++) {
        reel_list *g = reel_gradients(loss, now), *next = reel_list_new(tape);
        for (int i = 0; i < reel_list_count(now); i++) {
            reel_tensor *gi = first_order ? reel_detach(reel_list_at(g, i)) : reel_list_at(g, i);
            reel_list_append(next, reel_list_name(now, i), reel_sub(reel_list_at(now, i), reel_scale(gi, 0.4)));
        }
        now = next;
        reel_with_push(tape, m.parameters, now);
        loss = step == 1 ? regression(xq, yq) : regression(x, y);
        reel_with_pop(tape);
    }
    m.after = loss;
    return m;
}

Test(meta, the_gradient_through_two_inner_steps_is_right, .init = begin, .fini = end)
{
    meta m = record_meta(false);
    cr_assert_eq(reel_list_count(m.parameters), 4);
    reel_list *g = reel_gradients(m.after, m.parameters);
    for (int i = 0; i < 4; i++) {
        const double error = largest_error(m.after, reel_list_at(m.parameters, i), reel_list_at(g, i));
        cr_expect(error < 1e-7, "%s is off by %g", reel_list_name(m.parameters, i), error);
    }
}

Test(meta, without_its_second_order_part_it_is_not, .init = begin, .fini = end)
{
    meta m = record_meta(true);
    reel_tensor *p = reel_list_find(m.parameters, "net/hidden/w");
    cr_expect_gt(largest_error(m.after, p, reel_gradient(m.after, p)), 1e-3);
}

Test(meta, the_parameters_behind_the_replacements_are_found, .init = begin, .fini = end)
{
    meta m = record_meta(false);
    cr_expect_eq(reel_list_count(reel_parameters(m.after, "net/**")), 4);
    for (int i = 0; i < 4; i++)
        cr_expect(reel_list_find(reel_parameters(m.after, NULL), reel_list_name(m.parameters, i)) ==
                  reel_list_at(m.parameters, i));
}

Test(meta, learning_to_learn_makes_the_adapted_loss_smaller, .init = begin, .fini = end)
{
    meta m = record_meta(false);
    reel_sgd_update(m.parameters, reel_gradients(m.after, m.parameters), (reel_sgd_options){ .lr = 0.3 });
    cr_assert_eq(reel_run(tape), REEL_OK);
    const double at_first = reel_item(m.after);
    for (int i = 0; i < 200; i++) cr_assert_eq(reel_run(tape), REEL_OK);
    cr_expect(reel_item(m.after) < 0.5 * at_first, "%g, at first %g", reel_item(m.after), at_first);
}

/* w = g v / |v|, column by column (Salimans and Kingma 2016), under a layer that knows nothing of
 * it. */
Test(meta, a_layer_with_weight_normalisation_has_gradients_by_its_length_and_direction, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(5, 3), 1);
    reel_scope_push(tape, "layer");
    reel_tensor *w = reel_parameter(x, "w", REEL_SHAPE(3, 4), reel_init_fan_in_uniform(1));
    reel_scope_pop(tape);
    reel_tensor *v = parameter(x, "v", REEL_SHAPE(3, 4), 2);
    reel_tensor *g = parameter(x, "g", REEL_SHAPE(1, 4), 3);
    reel_tensor *norm = reel_sqrt(reel_sum(reel_square(v), REEL_AXES(0), REEL_KEEP));
    reel_with_push(tape, LIST(w), LIST(reel_mul(g, reel_div(v, norm))));
    reel_tensor *loss = squares(reel_tanh(reel_linear(x, "layer", 4)));
    reel_with_pop(tape);
    expect_gradient(loss, v, 1e-9);
    expect_gradient(loss, g, 1e-9);
    reel_list *p = reel_parameters(loss, NULL);
    cr_expect_eq(reel_list_count(p), 3);
    cr_expect(reel_list_find(p, "v") == v && reel_list_find(p, "g") == g);
    double along = 0;
    const double *gv = value(reel_gradient(loss, v)), *direction = value(v);
    for (int i = 0; i < 12; i++) along += gv[i] * direction[i];
    cr_expect(fabs(along) < 1e-12, "a longer v changes nothing: %g", along);
}

/* ---- What cannot be differentiated, and what is zero ----------------------------------------- */

static void begin_without_end(void) { begin(); }

static void expect_error(reel_status status, const char *const *parts)
{
    const char *message = reel_tape_error(tape);
    cr_expect_eq(reel_tape_status(tape), status, "%s", message);
    cr_assert(message);
    for (int i = 0; parts[i]; i++) cr_expect(strstr(message, parts[i]), "no \"%s\" in \"%s\"", parts[i], message);
    reel_tape_free(tape);
    reel_model_free(model);
}

#define EXPECT_ERROR(status, ...) expect_error(status, (const char *const[]){ __VA_ARGS__, NULL })

Test(errors, a_gradient_through_detach_names_it, .init = begin_without_end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1);
    reel_gradient(squares(reel_detach(reel_exp(x))), x);
    EXPECT_ERROR(REEL_UNREACHED, "gradient", "does not reach", "x [3]", "cut at detach");
}

Test(errors, parameters_behind_detach_are_named_too, .init = begin_without_end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1), *w = parameter(x, "w", REEL_SHAPE(3), 2);
    reel_parameters(squares(reel_mul(x, reel_detach(w))), "w");
    EXPECT_ERROR(REEL_UNREACHED, "\"w\"", "cut", "detach");
}

Test(errors, a_gradient_through_a_comparison_names_it, .init = begin_without_end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1);
    reel_gradient(sum_all(reel_cast(reel_lt(x, reel_number(x, 0.5)), REEL_F64)), x);
    EXPECT_ERROR(REEL_UNREACHED, "x [3]", "cut at lt");
}

Test(errors, a_loss_that_does_not_depend_on_a_tensor_says_so, .init = begin_without_end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1), *z = input("z", REEL_SHAPE(2), 2);
    reel_gradient(squares(x), z);
    EXPECT_ERROR(REEL_UNREACHED, "does not depend on", "z [2]");
}

Test(errors, a_gradient_of_many_numbers_suggests_the_vjp, .init = begin_without_end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1);
    reel_gradient(reel_exp(x), x);
    EXPECT_ERROR(REEL_BAD_SHAPE, "one number", "reel_vjp");
}

Test(errors, a_gradient_by_integers_is_refused, .init = begin_without_end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1);
    reel_tensor *i = reel_input(tape, "i", REEL_I32, REEL_SHAPE(2));
    reel_gradient(squares(reel_take(x, i, 0)), i);
    EXPECT_ERROR(REEL_BAD_DTYPE, "i32");
}

Test(errors, a_vjp_with_another_shape_shows_both, .init = begin_without_end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1);
    reel_vjp(reel_exp(x), reel_fill(x, REEL_SHAPE(2), 1), LIST(x));
    EXPECT_ERROR(REEL_BAD_SHAPE, "vjp", "[3]", "[2]");
}

Test(zero, floor_and_sign_have_gradients_of_zeros, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(2, 3), 1);
    reel_tensor *losses[] = { squares(reel_floor(x)), squares(reel_sign(x)),
                              squares(reel_mul(reel_floor(x), reel_sign(x))) };
    for (int k = 0; k < 3; k++) {
        reel_tensor *g = reel_gradient(losses[k], x);
        cr_expect(reel_rank(g) == 2 && reel_dim(g, 0) == 2 && reel_dim(g, 1) == 3);
        const double *zeros = value(g);
        for (int i = 0; i < 6; i++) cr_expect_eq(zeros[i], 0);
    }
}

Test(zero, a_sum_with_a_constant_branch_has_the_gradient_of_the_other, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(4), 1);
    const double *g = value(reel_gradient(sum_all(reel_mul(x, reel_add(reel_floor(x), reel_detach(x)))), x));
    const double *at = value(x);
    for (int i = 0; i < 4; i++) cr_expect_eq(g[i], floor(at[i]) + at[i]);
}

Test(zero, a_branch_that_is_not_taken_passes_zeros_even_where_its_slope_is_infinite, .init = begin, .fini = end)
{
    reel_tensor *x = reel_input(tape, "x", REEL_F64, REEL_SHAPE(2)), *zero = reel_number(x, 0);
    reel_write_f64(x, (const double[]){ 0, 4 }, 2);
    reel_tensor *inside = reel_gt(x, zero), *safe = reel_where(inside, x, reel_number(x, 1));
    const double *g = value(reel_gradient(sum_all(reel_where(inside, reel_sqrt(safe), zero)), x));
    cr_expect(g[0] == 0 && g[1] == 0.25);
}

/* ---- vjp and lists --------------------------------------------------------------------------- */

Test(vjp, is_the_gradient_of_the_weighted_sum, .init = begin, .fini = end)
{
    reel_tensor *a = input("a", REEL_SHAPE(3, 4), 1), *b = input("b", REEL_SHAPE(4, 2), 2);
    reel_tensor *gy = input("gy", REEL_SHAPE(3, 2), 3);
    reel_tensor *y = reel_tanh(reel_matmul(a, b));
    reel_list *list = reel_vjp(y, gy, LIST(a, b));
    cr_assert_eq(reel_list_count(list), 2);
    reel_tensor *loss = sum_all(reel_mul(y, gy));
    cr_expect(largest_error(loss, a, reel_list_at(list, 0)) < 1e-9);
    cr_expect(largest_error(loss, b, reel_list_at(list, 1)) < 1e-9);
}

Test(vjp, of_y_by_y_is_gy, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1), *gy = input("gy", REEL_SHAPE(3), 2);
    reel_tensor *y = reel_exp(x);
    cr_expect_eq(reel_list_at(reel_vjp(y, gy, LIST(y)), 0), gy);
    cr_expect_eq(number(reel_gradient(squares(x), squares(x))), 1);
}

Test(vjp, by_something_in_between_stops_there, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1), *h = reel_exp(x), *loss = squares(h);
    reel_list *g = reel_gradients(loss, LIST(h, x));
    const double *gh = value(reel_list_at(g, 0)), *gx = value(reel_list_at(g, 1)), *at = value(x);
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(gh[i], 2 * exp(at[i]));
        cr_expect(fabs(gx[i] - 2 * exp(2 * at[i])) < 1e-14);
    }
}

Test(vjp, gradients_come_in_the_order_and_with_the_names_of_the_list, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1), *z = input("z", REEL_SHAPE(2), 2);
    reel_tensor *loss = reel_mul(squares(x), squares(z));
    reel_list *g = reel_gradients(loss, LIST(z, x, z));
    cr_assert_eq(reel_list_count(g), 3);
    cr_expect_str_eq(reel_list_name(g, 0), "z");
    cr_expect_str_eq(reel_list_name(g, 1), "x");
    cr_expect_eq(reel_list_at(g, 0), reel_list_at(g, 2), "a tensor asked for twice");
    cr_expect_eq(reel_dim(reel_list_at(g, 1), 0), 3);
}

Test(vjp, asking_twice_records_nothing_more, .init = begin, .fini = end)
{
    recurrent r = record_recurrent();
    reel_tensor *first = reel_gradient(r.loss, r.wh);
    const int64_t recorded = reel_node_count(tape);
    cr_expect_eq(reel_gradient(r.loss, r.wh), first);
    cr_expect_eq(reel_node_count(tape), recorded);
}

Test(vjp, the_checker_sees_each_planted_fault, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(3), 1), *f = sum_all(reel_exp(x));
    reel_tensor *g = reel_gradient(f, x);
    cr_expect_lt(largest_error(f, x, g), 1e-10);
    cr_expect_gt(largest_error(f, x, reel_neg(g)), 0.1, "a wrong sign");
    cr_expect_gt(largest_error(f, x, reel_scale(g, 1 + 1e-7)), 1e-8, "a factor");
    reel_tensor *zero = reel_sub(g, g), *nan = reel_div(zero, zero);
    cr_expect_eq(largest_error(f, x, nan), INFINITY, "NaN everywhere");
    for (int i = 0; i < 3; i++) {
        reel_tensor *here = reel_eq(reel_iota(x, 3), reel_cast(reel_number(x, i), REEL_I32));
        cr_expect_eq(largest_error(f, x, reel_where(here, nan, g)), INFINITY, "a NaN in place %d", i);
    }
}

/* ---- The order of recording ------------------------------------------------------------------ */

/* FNV-1a over 64 bits. */
static uint64_t hash(uint64_t so_far, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) so_far = (so_far ^ bytes[i]) * 0x100000001b3u;
    return so_far;
}

static const uint64_t hash_begin = 0xcbf29ce484222325u;

/* Parameters and states of f32 in alphabetical order. */
static uint64_t hash_of_model(reel_model *of)
{
    uint64_t result = hash_begin;
    for (int64_t i = 0; i < reel_model_count(of); i++) {
        float data[LARGEST];
        const reel_shape shape = reel_model_shape(of, reel_model_name(of, i));
        int64_t count = 1;
        for (int d = 0; d < shape.rank; d++) count *= shape.size[d];
        cr_assert_leq(count, LARGEST);
        cr_assert_eq(reel_model_read_f32(of, reel_model_name(of, i), data, count), REEL_OK);
        result = hash(result, data, (size_t)count * sizeof *data);
    }
    return result;
}

/* Records a before b, or b before a, as a C compiler might when both are arguments of one call. */
#define EITHER(swapped, a, record_a, b, record_b)                                                                      \
    do {                                                                                                               \
        if (swapped) {                                                                                                 \
            b = (record_b), a = (record_a);                                                                            \
        } else {                                                                                                       \
            a = (record_a), b = (record_b);                                                                            \
        }                                                                                                              \
    } while (0)

static reel_tensor *inputs_f32(const char *name, reel_shape shape, uint64_t seed)
{
    float data[LARGEST];
    reel_tensor *x = reel_input(tape, name, REEL_F32, shape);
    fill_f32(data, reel_count(x), seed, 1);
    cr_assert_eq(reel_write_f32(x, data, reel_count(x)), REEL_OK);
    return x;
}

static reel_tensor *fan_out(reel_tensor *x, bool swapped)
{
    reel_tensor *h = reel_linear(x, "hidden", 6), *a, *b, *c, *d;
    EITHER(swapped, a, reel_tanh(h), b, reel_exp(reel_neg(reel_mul(h, h))));
    EITHER(swapped, c, reel_mul(a, h), d, reel_add(reel_sin(h), b));
    return squares(reel_add(reel_mul(c, d), reel_mul(h, a)));
}

static reel_tensor *diamonds(reel_tensor *x, bool swapped)
{
    reel_tensor *h = reel_linear(x, "hidden", 6);
    for (int i = 0; i < 5; i++) {
        reel_tensor *left, *right;
        EITHER(swapped, left, reel_sigmoid(reel_scale(h, 1.3)), right, reel_sin(reel_shift(h, 0.1 * i)));
        h = reel_add(reel_mul(left, right), h);
    }
    return squares(h);
}

static reel_tensor *branch(reel_tensor *x)
{
    reel_scope_push(tape, "branch");
    x = reel_dropout(reel_tanh(reel_linear(x, "hidden", 6)), "dropout", 0.25);
    x = reel_linear(x, "output", 3);
    reel_scope_pop(tape);
    return x;
}

/* Both branches have the same weights, and each its own draw. */
static reel_tensor *tied_with_dropout(reel_tensor *x, bool swapped)
{
    reel_tensor *left, *right;
    EITHER(swapped, left, branch(x), right, branch(reel_neg(x)));
    return squares(reel_sub(left, reel_scale(right, 0.5)));
}

static reel_tensor *two_layers(reel_tensor *x, bool swapped)
{
    reel_tensor *left, *right;
    EITHER(swapped, left, reel_sigmoid(reel_linear(x, "left", 4)), right, reel_tanh(reel_linear(x, "right", 4)));
    return squares(reel_matmul(left, reel_transpose(right)));
}

static reel_tensor *one_way(reel_tensor *projection, reel_tensor *w, bool back)
{
    reel_tensor *h = reel_fill(w, REEL_SHAPE(1, 6), 0);
    const int64_t steps = reel_dim(projection, 0);
    for (int64_t i = 0; i < steps; i++) {
        const int64_t t = back ? steps - 1 - i : i;
        h = reel_tanh(reel_add(reel_slice(projection, 0, t, t + 1), reel_matmul(h, w)));
    }
    return h;
}

static reel_tensor *both_ways(reel_tensor *x, bool swapped)
{
    reel_tensor *w, *projection, *there, *back;
    EITHER(swapped, w, reel_parameter(x, "w", REEL_SHAPE(6, 6), reel_init_fan_in_uniform(1)), projection,
           reel_linear(x, "in", 6));
    EITHER(swapped, there, one_way(projection, w, false), back, one_way(projection, w, true));
    return squares(reel_mul(there, back));
}

static reel_tensor *two_losses(reel_tensor *x, bool swapped)
{
    reel_tensor *h = reel_tanh(reel_linear(x, "hidden", 6)), *first, *second;
    EITHER(swapped, first, squares(reel_linear(h, "a", 3)), second, reel_l2(h, "**/w", 0.1));
    EITHER(swapped, first, reel_gradient(first, h), second, reel_add(second, squares(reel_linear(h, "b", 2))));
    return reel_add(squares(first), second);
}

static reel_tensor *attention(reel_tensor *x, bool swapped)
{
    const reel_init init = reel_init_fan_in_uniform(1);
    const reel_shape shape = REEL_SHAPE(5, 4);
    reel_tensor *wq, *wk, *wv = reel_parameter(x, "v", shape, init), *q, *k;
    EITHER(swapped, wq, reel_parameter(x, "q", shape, init), wk, reel_parameter(x, "k", shape, init));
    EITHER(swapped, q, reel_matmul(x, wq), k, reel_transpose(reel_matmul(x, wk)));
    reel_tensor *scores = reel_matmul(q, k), *share, *v;
    EITHER(swapped, share, reel_softmax(scores, -1), v, reel_matmul(x, wv));
    return squares(reel_matmul(share, v));
}

typedef reel_tensor *graph(reel_tensor *x, bool swapped);

/* The bits of loss, gradients and the whole model after each of five steps. */
static uint64_t bits_of(graph *record, bool swapped)
{
    begin();
    reel_tensor *loss = record(inputs_f32("x", REEL_SHAPE(8, 5), 1), swapped);
    reel_list *parameters = reel_parameters(loss, NULL);
    reel_list *gradients = reel_gradients(loss, parameters);
    for (int i = 0; i < reel_list_count(gradients); i++) {
        reel_scope_push(tape, "gradient%d", i);
        reel_keep(reel_list_at(gradients, i), "g");
        reel_scope_pop(tape);
    }
    reel_adam_update(parameters, reel_clip_norm(gradients, 1), (reel_adam_options){ .lr = 0.03 });
    uint64_t result = hash_begin;
    for (int step = 0; step < 5; step++) {
        cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
        const float l = (float)reel_item(loss);
        cr_assert(isfinite(l));
        result = hash(result, &l, sizeof l);
        for (int i = 0; i < reel_list_count(gradients); i++) {
            float data[LARGEST];
            const int64_t count = reel_count(reel_list_at(gradients, i));
            cr_assert_eq(reel_read_f32(reel_list_at(gradients, i), data, count), REEL_OK);
            result = hash(result, data, (size_t)count * sizeof *data);
        }
        const uint64_t now = hash_of_model(model);
        result = hash(result, &now, sizeof now);
    }
    end();
    return result;
}

static const struct {
    const char *name;
    graph *record;
} graphs[] = {
    { "fan-out", fan_out },
    { "diamonds", diamonds },
    { "tied weights with dropout", tied_with_dropout },
    { "two layers", two_layers },
    { "a recurrent network both ways", both_ways },
    { "two losses", two_losses },
    { "attention", attention },
};

enum { GRAPHS = sizeof graphs / sizeof *graphs };

Test(order, operands_recorded_the_other_way_round_give_the_same_bits)
{
    for (int i = 0; i < GRAPHS; i++)
        cr_expect_eq(bits_of(graphs[i].record, false), bits_of(graphs[i].record, true), "%s", graphs[i].name);
}

Test(order, the_bits_tell_graphs_apart)
{
    for (int i = 0; i < GRAPHS; i++)
        for (int j = 0; j < i; j++) cr_expect_neq(bits_of(graphs[i].record, false), bits_of(graphs[j].record, false));
}

/* The update of a parameter does not depend on its place in a list. */
static uint64_t bits_of_list(bool backwards)
{
    begin();
    reel_tensor *loss = fan_out(inputs_f32("x", REEL_SHAPE(8, 5), 1), false);
    reel_list *all = reel_parameters(loss, NULL), *parameters = reel_list_new(tape);
    const int count = reel_list_count(all);
    for (int i = 0; i < count; i++)
        reel_list_append(parameters, NULL, reel_list_at(all, backwards ? count - 1 - i : i));
    reel_adam_update(parameters, reel_gradients(loss, parameters), (reel_adam_options){ .lr = 0.03 });
    for (int step = 0; step < 5; step++) cr_assert_eq(reel_run(tape), REEL_OK);
    const uint64_t result = hash_of_model(model);
    end();
    return result;
}

Test(order, the_order_of_a_list_of_parameters_does_not_matter)
{
    cr_expect_eq(bits_of_list(false), bits_of_list(true));
}

/* What was evaluated before a run does not choose its draws. */
static uint64_t bits_after_evaluating(int part)
{
    begin();
    reel_tensor *x = inputs_f32("x", REEL_SHAPE(8, 5), 1), *left = branch(x);
    reel_tensor *right = branch(reel_neg(x));
    reel_sgd(squares(reel_sub(left, reel_scale(right, 0.5))), (reel_sgd_options){ .lr = 0.1 });
    reel_tensor *parts[] = { left, right };
    if (part >= 0) cr_assert_eq(reel_eval(tape, &parts[part], 1), REEL_OK);
    for (int step = 0; step < 5; step++) cr_assert_eq(reel_run(tape), REEL_OK);
    const uint64_t result = hash_of_model(model);
    end();
    return result;
}

Test(order, evaluating_a_part_before_changes_no_draw_of_a_run)
{
    cr_expect_eq(bits_after_evaluating(0), bits_after_evaluating(-1), "the left one");
    cr_expect_eq(bits_after_evaluating(1), bits_after_evaluating(-1), "the right one");
}

/* ---- Digests: the same for every compiler and instruction set -------------------------------- */

static reel_tensor *classifier(void)
{
    reel_tensor *x = inputs_f32("x", REEL_SHAPE(16, 20), 1);
    reel_tensor *y = reel_input(tape, "y", REEL_I32, REEL_SHAPE(16));
    int32_t classes[16];
    fill_classes(classes, 16, 2, 10);
    reel_write_i32(y, classes, 16);
    return reel_cross_entropy(reel_linear(reel_relu(reel_linear(x, "hidden", 33)), "output", 10), y);
}

static void record_mlp(void)
{
    reel_tensor *x = inputs_f32("x", REEL_SHAPE(16, 20), 1);
    reel_tensor *y = inputs_f32("y", REEL_SHAPE(16, 5), 2);
    reel_tensor *h = reel_dropout(reel_sigmoid(reel_linear(x, "hidden", 33)), "dropout", 0.2);
    reel_tensor *loss = reel_add(reel_mse(reel_linear(h, "output", 5), y), reel_l2(h, "**/w", 1e-3));
    reel_sgd(loss, (reel_sgd_options){ .lr = 0.1, .momentum = 0.9 });
}

static void record_rnn(void)
{
    reel_tensor *x = inputs_f32("x", REEL_SHAPE(20, 7, 6), 1);
    reel_tensor *y = inputs_f32("y", REEL_SHAPE(7, 3), 2);
    reel_tensor *w = reel_parameter(x, "w", REEL_SHAPE(17, 17), reel_init_fan_in_uniform(1));
    reel_tensor *projection = reel_linear(x, "in", 17), *h = reel_fill(x, REEL_SHAPE(7, 17), 0);
    for (int t = 0; t < 20; t++) {
        reel_tensor *now = reel_squeeze(reel_slice(projection, 0, t, t + 1), 0);
        h = reel_tanh(reel_add(now, reel_matmul(h, w)));
    }
    reel_tensor *loss = reel_mse(reel_linear(h, "out", 3), y);
    reel_list *parameters = reel_parameters(loss, NULL);
    reel_list *gradients = reel_clip_norm(reel_gradients(loss, parameters), 0.1);
    reel_adam_update(parameters, gradients, (reel_adam_options){ .lr = 0.01 });
}

static void record_softmax(void) { reel_adam(classifier(), (reel_adam_options){ .lr = 0.01, .weight_decay = 0.01 }); }

static const struct digest {
    const char *name;
    void (*record)(void);
    uint64_t expected;
} digests[] = {
    { "DIGEST_MLP", record_mlp, DIGEST_MLP },
    { "DIGEST_RNN", record_rnn, DIGEST_RNN },
    { "DIGEST_SOFTMAX", record_softmax, DIGEST_SOFTMAX },
};

enum { DIGESTS = sizeof digests / sizeof *digests };

/* After 100 steps; recorded again before every `again`-th of them, 0: once. */
static uint64_t train(void (*record)(void), reel_tape_options options, int again)
{
    model = reel_model_new((reel_model_options){ .seed = 7 });
    tape = reel_tape_new(model, options);
    for (int step = 0; step < 100; step++) {
        if (step == 0 || (again && step % again == 0)) {
            reel_tape_clear(tape);
            record();
        }
        cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    }
    const uint64_t result = hash_of_model(model);
    end();
    return result;
}

Test(digests, a_hundred_steps_give_the_stored_bits)
{
    for (int i = 0; i < DIGESTS; i++) {
        const uint64_t now = train(digests[i].record, (reel_tape_options){ 0 }, 0);
        cr_expect_eq(now, digests[i].expected, "%s is %016llx, not %016llx", digests[i].name, (unsigned long long)now,
                     (unsigned long long)digests[i].expected);
    }
}

Test(digests, threads_replays_and_the_plain_executor_give_the_same_bits)
{
    const reel_tape_options options[] = {
        { .threads = 1 }, { .threads = 2 }, { .threads = 8 }, { .keep_everything = true }, { .checked = true }
    };
    for (int i = 0; i < DIGESTS; i++) {
        const uint64_t once = train(digests[i].record, (reel_tape_options){ 0 }, 0);
        cr_expect_eq(train(digests[i].record, (reel_tape_options){ 0 }, 1), once, "%s, recorded in every step",
                     digests[i].name);
        cr_expect_eq(train(digests[i].record, (reel_tape_options){ 0 }, 7), once, "%s, in every seventh",
                     digests[i].name);
        for (size_t k = 0; k < sizeof options / sizeof *options; k++)
            cr_expect_eq(train(digests[i].record, options[k], 0), once, "%s with options %d", digests[i].name, (int)k);
    }
}

/* ---- Writing data/digests.h ------------------------------------------------------------------ */

static void print_digests(void)
{
    puts("/* Written by `test_gradients --print`; do not edit. FNV-1a of all f32 parameters and\n"
         " * states after 100 steps of three networks, for every compiler and instruction set. */\n"
         "#ifndef REEL_TESTS_DIGESTS_H\n#define REEL_TESTS_DIGESTS_H\n");
    for (int i = 0; i < DIGESTS; i++)
        printf("#define %s 0x%016llxu\n", digests[i].name,
               (unsigned long long)train(digests[i].record, (reel_tape_options){ 0 }, 0));
    puts("\n#endif");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--print") == 0) return print_digests(), 0;
    struct criterion_test_set *tests = criterion_initialize();
    int failed = 0;
    if (criterion_handle_args(argc, argv, true)) failed = !criterion_run_all_tests(tests);
    criterion_finalize(tests);
    return failed;
}
