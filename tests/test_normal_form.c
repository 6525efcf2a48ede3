/* The normal form of derivatives, and that it is right: which products become one, which slices come back side by side,
 * how many nodes there are. */
#include "differences.h"

/* ---- Looking at what was recorded -------------------------------------------------------------------------------- */

enum { NODES = 1 << 14 };

/* All nodes that some tensors depend on. */
typedef struct nodes {
    const reel_tensor *slot[NODES], *item[NODES];
    int count;
} nodes;

static void collect_nodes(nodes *n, const reel_tensor *x)
{
    size_t slot = ((size_t)x >> 4) % NODES;
    while (n->slot[slot] && n->slot[slot] != x) slot = (slot + 1) % NODES;
    if (n->slot[slot]) return;
    cr_assert_lt(n->count, NODES / 2);
    n->slot[slot] = n->item[n->count++] = x;
    for (int i = 0; i < reel_input_count(x); i++) collect_nodes(n, reel_input_at(x, i));
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
    for (int i = 0; i < reel_list_count(list); i++) collect_nodes(&n, reel_list_at(list, i));
    return count_op(&n, op);
}

static int ops_in(reel_tensor *x, const char *op)
{
    static nodes n;
    memset(&n, 0, sizeof n);
    collect_nodes(&n, x);
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

/* ---- A recurrent network ----------------------------------------------------------------------------------------- */

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

Test(vjp, asking_twice_records_nothing_more, .init = begin, .fini = end)
{
    recurrent r = record_recurrent();
    reel_tensor *first = reel_gradient(r.loss, r.wh);
    const int64_t recorded = reel_node_count(tape);
    cr_expect_eq(reel_gradient(r.loss, r.wh), first);
    cr_expect_eq(reel_node_count(tape), recorded);
}

/* ---- LSTM -------------------------------------------------------------------------------------------------------- */

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
    cr_expect_eq(ops_of(g, "concat"), STEPS + 1 + 2, "gates, slices of the projection, operands of a product: %d",
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

Test(higher_order, the_gradient_of_a_recurrent_networks_gradient_is_right, .init = begin, .fini = end)
{
    lstm l = record_lstm();
    expect_gradient(squares(reel_gradient(l.loss, l.wh)), l.wh, 1e-8);
}

/* ---- Products ---------------------------------------------------------------------------------------------------- */

/* A product over all 6 x 5 rows, and no sum of products. */
static void expect_one_product(reel_tensor *g)
{
    cr_assert_str_eq(reel_op_name(behind_views(g)), "contract");
    cr_expect_eq(inner_size(behind_views(g)), 30);
    cr_expect_eq(ops_in(g, "sum"), 0);
}

Test(normal_form, a_weight_shared_over_batch_axes_has_one_product_and_no_sum, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(6, 5, 3), 1);
    reel_tensor *w = parameter(x, "w", REEL_SHAPE(3, 4), 2);
    reel_tensor *y = reel_matmul(x, w), *gy = input("gy", REEL_SHAPE(6, 5, 4), 3);
    reel_tensor *g = reel_list_at(reel_vjp(y, gy, LIST(w)), 0);
    expect_one_product(g);
    cr_expect_eq(ops_in(g, "contract"), 1);
    expect_gradient(squares(y), w, 1e-9);
}

Test(normal_form, a_weight_expanded_by_hand_has_one_product_as_well, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(6, 5, 3), 1);
    reel_tensor *w = parameter(x, "w", REEL_SHAPE(3, 4), 2);
    reel_tensor *y = reel_matmul(x, reel_expand(w, REEL_SHAPE(6, 3, 4)));
    reel_tensor *gy = input("gy", REEL_SHAPE(6, 5, 4), 3);
    reel_tensor *g = reel_list_at(reel_vjp(y, gy, LIST(w)), 0);
    expect_one_product(g);
    expect_gradient(squares(y), w, 1e-9);
}

Test(normal_form, a_left_operand_shared_over_batch_axes_has_one_product, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(6, 3, 5), 1);
    reel_tensor *w = parameter(x, "w", REEL_SHAPE(4, 3), 2);
    reel_tensor *y = reel_matmul(w, x), *gy = input("gy", REEL_SHAPE(6, 4, 5), 3);
    reel_tensor *g = reel_list_at(reel_vjp(y, gy, LIST(w)), 0);
    expect_one_product(g);
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

/* ---- Slices ------------------------------------------------------------------------------------------------------ */

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
    reel_tensor *loss = reel_add(squares(reel_slice(x, 1, 0, 4)), total(reel_exp(reel_slice(x, 1, 3, 6))));
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
    reel_tensor *columns = reel_add(total(reel_sin(reel_slice(x, 1, 1, 3))), total(reel_sin(reel_slice(x, 1, 4, 5))));
    expect_gradient(reel_mul(rows, columns), x, 1e-9);
}

Test(slices, those_with_a_step_go_back_to_where_they_came_from, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(2, 11), 1);
    reel_tensor *even = reel_slice_step(x, 1, 0, 11, 2), *third = reel_slice_step(x, 1, 1, 10, 3);
    const double *g = value(reel_gradient(reel_add(squares(even), total(reel_exp(third))), x));
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
        reel_add(squares(reel_slice_step(part, 1, 1, 6, 2)), total(reel_exp(reel_slice(part, 0, 1, 2))));
    expect_gradient(loss, x, 1e-9);
}

Test(slices, taken_rows_add_up_where_an_index_is_repeated, .init = begin, .fini = end)
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

Test(slices, taking_along_an_inner_axis_has_a_gradient, .init = begin, .fini = end)
{
    reel_tensor *x = input("x", REEL_SHAPE(2, 4, 3), 1);
    reel_tensor *indices = reel_input(tape, "i", REEL_I32, REEL_SHAPE(2, 3));
    reel_write_i32(indices, (const int32_t[]){ 3, 3, 0, 1, 3, 0 }, 6);
    expect_gradient(squares(reel_take(x, indices, 1)), x, 1e-9);
    reel_tensor *y = input("y", REEL_SHAPE(2, 2, 3, 3), 2);
    expect_gradient(squares(reel_scatter_add(y, indices, 1, 4)), y, 1e-9);
}
