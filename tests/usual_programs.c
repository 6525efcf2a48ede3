/* Programs such as people write. See graph.h. */
#include "fixture.h"
#include "graph.h"

void program_xor(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(4, 2)), *y = real_input(g, "y", REEL_SHAPE(4, 1));
    reel_tensor *a = reel_linear(reel_tanh(reel_linear(x, "hidden", 8)), "output", 1);
    reel_sgd(reel_mse(reel_keep(a, "a"), y), (reel_sgd_options){ .lr = 0.5 });
}

void program_mlp_seed(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(10, 784)), *y = real_input(g, "y", REEL_SHAPE(10, 10));
    reel_tensor *a = reel_sigmoid(reel_linear(reel_sigmoid(reel_linear(x, "hidden", 100)), "output", 10));
    reel_sgd(reel_add(reel_mse(a, y), reel_l2(a, "**/w", 1e-4)), (reel_sgd_options){ .lr = 0.5 });
}

void program_classifier(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(17, 20)), *y = index_input(g, "y", REEL_SHAPE(17), 10);
    reel_tensor *a = reel_linear(reel_relu(reel_linear(x, "hidden", 33)), "output", 10);
    reel_keep(reel_accuracy(a, y), "accuracy");
    reel_sgd(reel_cross_entropy(a, y), (reel_sgd_options){ .lr = 0.1, .momentum = 0.9, .weight_decay = 1e-3 });
}

void program_clipped_adam(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(9, 12)), *y = real_input(g, "y", REEL_SHAPE(9, 5));
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

void program_norm_gelu(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(3, 5, 24)), *y = real_input(g, "y", REEL_SHAPE(3, 5, 6));
    reel_tensor *h = reel_gelu(reel_linear(normalised(x, "norm"), "up", 48));
    reel_adam(reel_mse(reel_linear(reel_add(x, reel_linear(h, "down", 24)), "output", 6), y),
              (reel_adam_options){ .lr = 0.01 });
}

static reel_tensor *heads(reel_tensor *x, const char *name)
{
    reel_tensor *y = reel_linear_with(x, name, 12, (reel_linear_options){ .no_bias = true });
    return reel_permute(reel_reshape(y, REEL_SHAPE(2, 7, 3, 4)), REEL_AXES(0, 2, 1, 3));
}

void program_attention(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(2, 7, 12)), *y = index_input(g, "y", REEL_SHAPE(2, 7), 5);
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

void program_rnn(graph *g)
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

void program_lstm(graph *g)
{
    enum { T = 5, B = 4, H = 9 };
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(T, B, 6)), *y = real_input(g, "y", REEL_SHAPE(B, H));
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

void program_penalty(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(6, 5));
    reel_tensor *score = reel_linear(reel_tanh(reel_linear(x, "hidden", 11)), "output", 1);
    reel_tensor *gx = reel_gradient(total(score), x);
    reel_tensor *norm = reel_sqrt(reel_shift(reel_sum(reel_square(gx), REEL_AXES(1), REEL_DROP), 1e-6));
    reel_keep(gx, "gx");
    reel_adam(reel_add(average(score), average(reel_square(reel_shift(norm, -1)))), (reel_adam_options){ .lr = 0.01 });
}

static reel_tensor *small_loss(graph *g, const char *x_name, const char *y_name)
{
    reel_tensor *x = real_input(g, x_name, REEL_SHAPE(5, 3)), *y = real_input(g, y_name, REEL_SHAPE(5, 2));
    reel_scope_push(g->tape, "net");
    reel_tensor *loss = reel_mse(reel_linear(reel_tanh(reel_linear(x, "hidden", 7)), "output", 2), y);
    reel_scope_pop(g->tape);
    return loss;
}

void program_maml(graph *g)
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

void program_batch_norm(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(70, 6)), *y = real_input(g, "y", REEL_SHAPE(70, 6)),
                *mean = state(g, "mean", REEL_SHAPE(6));
    reel_tensor *h = reel_linear(x, "layer", 6), *m = reel_mean(h, REEL_AXES(0), REEL_DROP),
                *v = reel_var(h, REEL_AXES(0), REEL_DROP);
    reel_assign(mean, reel_add(reel_scale(mean, 0.9), reel_scale(reel_detach(m), 0.1)));
    reel_tensor *a = reel_mul(reel_sub(h, m), reel_rsqrt(reel_shift(v, 1e-3)));
    reel_sgd(reel_mse(reel_relu(reel_mul(a, parameter(x, "gamma", REEL_SHAPE(6)))), y),
             (reel_sgd_options){ .lr = 0.2 });
}

void program_schedule(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(4, 5)), *y = real_input(g, "y", REEL_SHAPE(4, 2));
    reel_tensor *folded = reel_fill(x, REEL_SHAPE(4, 2), 0.3 + 0.1 * g->run);
    reel_keep(reel_exp(reel_scale(folded, 0.7 - 0.2 * g->run)), "folded");
    reel_sgd(reel_mse(reel_linear(x, "layer", 2), reel_mul(y, folded)), (reel_sgd_options){ .lr = 0.3 / (g->run + 1) });
}
