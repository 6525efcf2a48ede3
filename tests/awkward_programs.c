/* Programs that nobody would write, each around a rule that a planner could get wrong: sizes next to those of its blocks,
 * values that are assigned, views, products that are nearly alike. See graph.h. */
#include "fixture.h"
#include "graph.h"

#include <stdio.h>

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
        reel_tensor *x = real_input(g, name, rows ? REEL_SHAPE(3, sizes[i]) : REEL_SHAPE(sizes[i], 5));
        reel_scope_push(g->tape, "size%d", sizes[i]);
        reel_tensor *w = parameter(x, "w", REEL_SHAPE(reel_dim(x, 1)));
        reel_scope_pop(g->tape);
        reel_tensor *term = reductions(reel_mul(x, w), rows ? 1 : 0, name);
        loss = loss ? reel_add(loss, term) : term;
    }
    reel_sgd(loss, (reel_sgd_options){ .lr = 0.01 });
}

void program_short_rows(graph *g) { reduce_sizes(g, 4, (int[]){ 255, 256, 257, 300 }, true); }
void program_long_rows(graph *g) { reduce_sizes(g, 4, (int[]){ 511, 512, 513, 1024 }, true); }
void program_partial_rows(graph *g) { reduce_sizes(g, 4, (int[]){ 1025, 1300, 4096, 4100 }, true); }
void program_columns(graph *g) { reduce_sizes(g, 6, (int[]){ 63, 64, 65, 127, 128, 129 }, false); }

void program_deep_products(graph *g)
{
    static const int depth[] = { 511, 512, 513, 1024, 1025 };
    reel_tensor *loss = NULL;
    for (int i = 0; i < COUNT(depth); i++) {
        char name[24];
        snprintf(name, sizeof name, "k%d", depth[i]);
        reel_tensor *x = real_input(g, name, REEL_SHAPE(depth[i], 5));
        reel_scope_push(g->tape, "depth%d", depth[i]);
        reel_tensor *w = parameter(x, "w", REEL_SHAPE(depth[i], 7)), *b = parameter(x, "b", REEL_SHAPE(7));
        reel_scope_pop(g->tape);
        reel_tensor *y = reel_tanh(reel_add(reel_scale(reel_contract(x, w, "km,kn->mn"), 0.05), b));
        reel_tensor *z = reel_contract(reel_transpose(w), reel_flip(w, REEL_AXES(0)), "mk,kn->nm");
        loss = reel_add(loss ? loss : reel_number(x, 0), reel_add(average(y), average(reel_tanh(z))));
    }
    reel_sgd(loss, (reel_sgd_options){ .lr = 0.01 });
}

/* s and t are exchanged; u takes a view of itself; v a leaf; w what it is itself, moved. */
void program_exchanges(graph *g)
{
    reel_shape n = REEL_SHAPE(5, 5);
    reel_tensor *x = real_input(g, "x", n), *s = state(g, "s", n), *t = state(g, "t", n), *u = state(g, "u", n),
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

void program_exchange_values(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(33)), *p = parameter(x, "p", REEL_SHAPE(33)),
                *q = parameter(x, "q", REEL_SHAPE(33));
    reel_assign(p, q);
    reel_assign(q, p);
    reel_keep(reel_mul(p, x), "p x");
    reel_keep(q, "q itself");
}

void program_kept_views(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(6, 8)), *p = parameter(x, "p", REEL_SHAPE(6, 8));
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

void program_used_at_once(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(4, 9)), *s = state(g, "s", REEL_SHAPE(4, 9)),
                *r = state(g, "r", REEL_SHAPE(9));
    reel_tensor *w = parameter(x, "w", REEL_SHAPE(9, 3));
    reel_tensor *now = reel_assign(s, reel_add(reel_scale(s, 0.5), x));
    reel_tensor *mean =
        reel_assign(r, reel_add(reel_scale(r, 0.9), reel_scale(reel_mean(now, REEL_AXES(0), REEL_DROP), 0.1)));
    reel_tensor *y = reel_matmul(reel_sub(now, mean), w);
    reel_keep(reel_sub(now, s), "moved"), reel_keep(reel_add(mean, r), "means");
    reel_sgd(average(reel_square(y)), (reel_sgd_options){ .lr = 0.1 });
}

void program_checks_between(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(6, 4)), *table = parameter(x, "table", REEL_SHAPE(5, 4)),
                *s = state(g, "s", REEL_SHAPE(6));
    reel_tensor *i = reel_cast(reel_scale(reel_sigmoid(reel_sum(x, REEL_AXES(1), REEL_DROP)), 4.9), REEL_I32);
    reel_tensor *checked = reel_in_range(i, 5), *j = reel_in_range(index_input(g, "j", REEL_SHAPE(6), 5), 5);
    reel_assign(s, reel_add(s, reel_cast(checked, g->dtype)));
    reel_tensor *y = reel_mul(reel_take(table, checked, 0),
                              reel_take(table, reel_argmax(reel_matmul(x, reel_transpose(table)), 1), 0));
    reel_keep(reel_scatter_add(y, j, 0, 5), "scattered"), reel_keep(reel_one_hot(checked, 5, g->dtype), "one hot");
    reel_sgd(average(reel_square(reel_add(y, reel_take(table, j, 0)))), (reel_sgd_options){ .lr = 0.3 });
}

void program_strided(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(12, 10)), *w = parameter(x, "w", REEL_SHAPE(10, 12));
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

void program_scalars(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SCALAR), *s = state(g, "s", REEL_SCALAR),
                *p = reel_parameter(x, "p", REEL_SCALAR, reel_init_constant(0.3));
    reel_tensor *y = reel_sin(reel_add(reel_mul(x, p), s));
    for (int i = 0; i < 20; i++) y = reel_sub(reel_cos(y), reel_mul(y, p));
    reel_assign(s, reel_add(s, reel_detach(y)));
    reel_keep(reel_expand(y, REEL_SHAPE(3, 2)), "everywhere"), reel_keep(reel_sum(y, REEL_ALL, REEL_DROP), "sum");
    reel_sgd(y, (reel_sgd_options){ .lr = 0.1 });
}

void program_empty_and_one(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(0, 4)), *w = parameter(x, "w", REEL_SHAPE(4, 3)),
                *one = real_input(g, "one", REEL_SHAPE(1, 4, 1));
    reel_tensor *y = reel_tanh(reel_matmul(x, w)), *none = parameter(x, "none", REEL_SHAPE(4, 0));
    reel_tensor *z = reel_add(reel_matmul(none, reel_slice(w, 0, 0, 0)),
                              reel_matmul(reel_reshape(one, REEL_SHAPE(4, 1)), reel_slice(w, 0, 1, 2)));
    reel_tensor *parts[] = { y, reel_slice(z, 0, 1, 2), reel_slice(y, 0, 0, 0), reel_slice(z, 0, 3, 4) };
    reel_keep(y, "y"), reel_keep(reel_sum(y, REEL_AXES(0), REEL_KEEP), "sum"), reel_keep(z, "z");
    reel_keep(reel_softmax(one, 0), "ones"), reel_keep(reel_sum(one, REEL_AXES(0, 2), REEL_DROP), "reshaped");
    reel_tensor *loss = reel_add(average(reel_square(reel_concat(parts, 4, 0))), total(none));
    reel_sgd(reel_add(loss, average(reel_max(one, REEL_AXES(-1), REEL_DROP))), (reel_sgd_options){ .lr = 0.1 });
}

void program_contractions(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(2, 3, 4, 5)), *w = parameter(x, "w", REEL_SHAPE(5, 3, 6)),
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
void program_deferred(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(6, 7)), *p = parameter(x, "p", REEL_SHAPE(7)), *q = p;
    reel_tensor *shared = reel_tanh(reel_scale(p, 3)), *column = reel_sin(parameter(x, "c", REEL_SHAPE(6, 1)));
    for (int i = 0; i < 40; i++) q = reel_tanh(reel_add(q, i % 3 ? p : shared));
    reel_tensor *y =
        reel_mul(reel_add(reel_matmul(reel_tanh(x), reel_exp(reel_expand(q, REEL_SHAPE(7, 7)))), shared), column);
    reel_tensor *z = reel_sum(reel_mul(reel_add(y, q), shared), REEL_AXES(1), REEL_KEEP);
    reel_keep(shared, "shared"), reel_keep(reel_transpose(reel_exp(column)), "column");
    reel_sgd(average(reel_square(reel_tanh(reel_mul(z, column)))), (reel_sgd_options){ .lr = 0.1, .momentum = 0.5 });
}

void program_wide_pointwise(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(37, 271)), *p = parameter(x, "p", REEL_SHAPE(37, 271)),
                *b = parameter(x, "b", REEL_SHAPE(271));
    reel_tensor *y = reel_gelu(reel_add(reel_mul(x, p), b)),
                *z = reel_mul(y, reel_sigmoid(reel_transpose(reel_transpose(x))));
    reel_keep(reel_cast(reel_gt(y, z), REEL_F64), "larger"), reel_keep(reel_slice_step(z, 1, 3, 271, 5), "part");
    reel_sgd(average(reel_where(reel_lt(y, z), reel_square(y), reel_elu(z, 0.5))),
             (reel_sgd_options){ .lr = 1, .momentum = 0.9 });
}

void program_mixed_types(graph *g)
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
void program_wide_rows(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(9, 515)), *w = parameter(x, "w", REEL_SHAPE(300, 515));
    reel_tensor *y = reel_softmax(reel_scale(reel_contract(x, w, "mk,nk->mn"), 0.01), -1);
    reel_sgd(average(reel_square(reel_shift(y, -1))), (reel_sgd_options){ .lr = 0.1 });
}

/* In the third run an index that is computed at the end is out of range; nothing of that run may be seen. */
void program_stops(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(3, 4)), *c = state(g, "c", REEL_SCALAR),
                *s = state(g, "s", REEL_SHAPE(4));
    reel_tensor *next = reel_assign(c, reel_shift(c, 1)), *w = parameter(x, "w", REEL_SHAPE(4, 5));
    reel_assign(s, reel_add(s, reel_sum(x, REEL_AXES(0), REEL_DROP)));
    reel_tensor *y = reel_tanh(reel_matmul(x, w)), *i = reel_in_range(reel_cast(next, REEL_I32), 3);
    reel_keep(reel_take(y, i, 0), "row");
    reel_sgd(average(reel_square(reel_take(w, i, 1))), (reel_sgd_options){ .lr = 0.1, .momentum = 0.9 });
}

/* Sums and maxima over more columns than a tile holds, as parts of a concat and next to one. */
void program_partial_parts(graph *g)
{
    reel_axes last = REEL_AXES(1);
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(2, 3000)), *z = real_input(g, "z", REEL_SHAPE(2)), *e = reel_exp(x);
    reel_tensor *a = reel_sum(e, last, REEL_DROP), *b = reel_sum(reel_mul(e, x), last, REEL_DROP);
    reel_tensor *c = reel_max(reel_sub(e, x), last, REEL_DROP);
    kept(reel_concat((reel_tensor *[]){ a, b, reel_tanh(z), c, a }, 5, 0), "parts", 0);
    kept(reel_div(x, reel_reshape(a, REEL_SHAPE(2, 1))), "parts", 1);
    reel_tensor *p = parameter(x, "p", REEL_SHAPE(2)), *u = real_input(g, "u", REEL_SHAPE(5000));
    reel_tensor *y = reel_add(reel_mul(reel_slice(p, 0, 0, 1), u), reel_slice(p, 0, 1, 2));
    reel_sgd(reel_mse(y, real_input(g, "v", REEL_SHAPE(5000))), (reel_sgd_options){ .lr = 0.1 });
    reel_assign(state(g, "s", REEL_SHAPE(2)), c);
    reel_assign(state(g, "t", REEL_SHAPE(2)), reel_sum(reel_sin(x), last, REEL_DROP));
}

/* Several partial reductions in one group, whose blocks a tile must not cut. */
void program_partials_together(graph *g)
{
    reel_axes last = REEL_AXES(1);
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(3, 2049)), *e = reel_exp(x), *f = reel_tanh(x), *h = reel_mul(e, f);
    reel_tensor *sums[] = { reel_sum(e, last, REEL_KEEP), reel_sum(reel_mul(e, x), last, REEL_KEEP),
                            reel_sum(reel_add(f, h), last, REEL_KEEP),
                            reel_sum(reel_sub(h, reel_mul(f, f)), last, REEL_KEEP) };
    for (int i = 0; i < COUNT(sums); i++) kept(sums[i], "sum", i);
    kept(reel_div(sums[1], sums[0]), "ratio", 0);
    reel_tensor *s = state(g, "s", REEL_SHAPE(3, 2049));
    reel_assign(s, reel_mul(e, reel_add(s, s)));
    kept(reel_sum(reel_mul(s, e), last, REEL_KEEP), "moved", 0);
}

/* One weight as an operand in every way: packs may be shared only where all of them agree. */
void program_one_weight(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(48, 48)), *w = parameter(x, "w", REEL_SHAPE(48, 48)),
                *t = reel_transpose(w);
    reel_tensor *y[] = { reel_matmul(x, w),
                         reel_matmul(x, t),
                         reel_matmul(w, x),
                         reel_matmul(t, x),
                         reel_matmul(w, w),
                         reel_matmul(reel_slice(w, 0, 0, 24), x),
                         reel_matmul(reel_slice(w, 0, 24, 48), x),
                         reel_matmul(reel_slice(w, 1, 0, 24), reel_slice(x, 0, 0, 24)),
                         reel_matmul(reel_slice(w, 1, 24, 48), reel_slice(x, 0, 0, 24)),
                         reel_matmul(reel_reshape(x, REEL_SHAPE(24, 96)), reel_reshape(w, REEL_SHAPE(96, 24))),
                         reel_matmul(reel_slice_step(w, 1, 0, 48, 2), reel_slice_step(x, 0, 0, 48, 2)),
                         reel_matmul(reel_flip(w, REEL_AXES(0)), x),
                         reel_matmul(x, reel_flip(w, REEL_AXES(1))) };
    for (int i = 0; i < COUNT(y); i++) kept(y[i], "y", i);
    reel_tensor *next = reel_assign(w, reel_sub(w, reel_scale(reel_matmul(reel_tanh(x), w), 0.01)));
    kept(reel_matmul(next, x), "next", 0), kept(reel_matmul(x, next), "next", 1);
}

/* What must not be assigned in place, or not yet; and values of rows that do not lie one after the other. */
void program_old_values(graph *g)
{
    reel_shape n = REEL_SHAPE(30, 70);
    reel_tensor *x = real_input(g, "x", n), *p = parameter(x, "p", n), *q = parameter(x, "q", n),
                *r = parameter(x, "r", n);
    reel_assign(p, reel_add(reel_scale(p, 0.5), reel_mul(reel_flip(p, REEL_AXES(0)), x)));
    reel_assign(q, reel_mul(reel_sub(q, reel_slice(q, 0, 29, 30)), reel_tanh(x)));
    reel_tensor *new_r = reel_add(reel_tanh(r), reel_slice(r, 1, 0, 1)), *u = parameter(x, "u", n);
    reel_assign(r, new_r);
    kept(new_r, "r", 0), kept(reel_add(new_r, r), "r", 1);
    reel_tensor *new_u = reel_add(reel_mul(u, x), x), *e = reel_exp(x);
    reel_assign(u, new_u), kept(new_u, "u", 0);
    reel_tensor *row = reel_mul(reel_sum(e, REEL_AXES(1), REEL_KEEP), reel_slice(x, 1, 3, 4));
    reel_tensor *other = reel_tanh(reel_sub(row, reel_slice(x, 1, 5, 6)));
    kept(reel_mul(e, other), "row", 0), kept(other, "row", 1);
}

/* Products whose rows are needed whole by what follows, with vectors over m and over n. */
void program_whole_rows(graph *g)
{
    reel_tensor *c = real_input(g, "c", REEL_SHAPE(40, 300)), *e = real_input(g, "e", REEL_SHAPE(700, 40));
    kept(reel_softmax(reel_matmul(reel_transpose(c), reel_transpose(e)), 1), "softmax", 0);
    kept(reel_max(reel_tanh(reel_matmul(reel_transpose(reel_slice(c, 1, 3, 43)), reel_transpose(e))), REEL_AXES(1),
                  REEL_DROP),
         "max", 0);
    kept(
        reel_softmax(reel_matmul(real_input(g, "s", REEL_SHAPE(3, 600)), real_input(g, "t", REEL_SHAPE(600, 1024))), 1),
        "softmax", 1);
}

/* Recorded again with nothing changed but attributes, of views, sums and products alone. */
void program_other_attributes(graph *g)
{
    int v = g->run % 2;
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(9, 9)), *e = reel_exp(x), *w = parameter(x, "w", REEL_SHAPE(9, 9));
    kept(reel_exp(reel_slice(x, 0, v, v + 4)), "a", 0);
    kept(reel_sum(e, REEL_AXES(v), REEL_DROP), "a", 1);
    kept(reel_contract(e, w, v ? "ab,bc->ac" : "ab,cb->ac"), "a", 2);
    kept(reel_add(reel_flip(e, REEL_AXES(v)), w), "a", 3);
    reel_assign(w, reel_add(reel_scale(w, 0.5), reel_matmul(w, reel_flip(e, REEL_AXES(1 - v)))));
}

/* Parts that are parts twice, of one concat and of another, kept, sliced again and multiplied. */
void program_concats(graph *g)
{
    reel_tensor *e = reel_exp(real_input(g, "x", REEL_SHAPE(3, 7))),
                *f = reel_tanh(real_input(g, "y", REEL_SHAPE(5, 7)));
    reel_tensor *a = reel_concat((reel_tensor *[]){ e, f }, 2, 0), *b = reel_concat((reel_tensor *[]){ f, e }, 2, 0);
    reel_tensor *d = reel_concat((reel_tensor *[]){ a, b, a, e }, 4, 0), *s = reel_slice(d, 0, 3, 9);
    kept(a, "a", 0), kept(reel_sin(b), "b", 0), kept(d, "d", 0), kept(e, "e", 0);
    kept(reel_matmul(d, reel_transpose(a)), "product", 0), kept(reel_matmul(reel_transpose(s), s), "product", 1);
    reel_tensor *t = state(g, "t", REEL_SHAPE(3, 7)), *u = state(g, "u", REEL_SHAPE(6, 7));
    reel_tensor *next = reel_assign(t, reel_add(t, e));
    kept(reel_sin(reel_concat((reel_tensor *[]){ next, t, e }, 3, 0)), "old", 0);
    reel_assign(u, reel_add(reel_scale(u, 0.5), reel_concat((reel_tensor *[]){ next, t }, 2, 0)));
}

/* The products of a recurrent network's inputs, with and without something after them, forwards, backwards and every
 * second one; of one weight and of its slices. */
void program_inputs_of_steps(graph *g)
{
    enum { T = 5, B = 3, IN = 6, H = 9 };
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(T, B, IN)), *h = real_input(g, "h", REEL_SHAPE(B, H)),
                *y = reel_tanh(x);
    reel_tensor *w = parameter(x, "w", REEL_SHAPE(IN, H)), *u = parameter(x, "u", REEL_SHAPE(H, H));
    reel_tensor *b = parameter(x, "b", REEL_SHAPE(H)), *v = parameter(x, "v", REEL_SHAPE(IN, H)), *k = h;
    for (int t = 0; t < T; t++) {
        reel_tensor *in = reel_squeeze(reel_slice(x, 0, t, t + 1), 0), *back = reel_slice(y, 0, T - 1 - t, T - t);
        h = reel_tanh(reel_add(reel_matmul(in, w), reel_matmul(h, u)));
        k = reel_add(reel_mul(k, reel_sigmoid(reel_add(reel_matmul(in, v), b))),
                     reel_tanh(reel_matmul(reel_squeeze(back, 0), t % 2 ? v : w)));
        kept(h, "h", t);
    }
    kept(reel_matmul(reel_squeeze(reel_slice(x, 0, 1, 2), 0), reel_slice(w, 1, 0, 4)), "cut", 0);
    reel_sgd(average(reel_square(reel_add(h, k))), (reel_sgd_options){ .lr = 0.1 });
}

/* A member read by another member as a view that has its shape but not its elements. */
void program_views_of_members(graph *g)
{
    reel_axes last = REEL_AXES(-1);
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(4, 5)), *z = real_input(g, "z", REEL_SHAPE(5, 5)),
                *c = real_input(g, "c", REEL_SHAPE(3, 4, 5));
    reel_tensor *e = reel_exp(x), *f = reel_tanh(z), *h = reel_sin(c), *sum = reel_sum(e, last, REEL_DROP);
    reel_tensor *row = reel_slice(e, 0, 0, 1), *column = reel_slice(e, 1, 0, 1);
    reel_tensor *sums = reel_sum(e, last, REEL_KEEP), *deep = reel_sum(h, last, REEL_KEEP);
    reel_tensor *all[] = { reel_mul(e, row),
                           reel_add(e, column),
                           reel_sub(e, reel_slice(row, 1, 0, 1)),
                           reel_mul(sum, reel_squeeze(column, 1)),
                           reel_mul(sum, reel_squeeze(reel_slice(e, 1, 4, 5), 1)),
                           reel_mul(e, reel_slice(sums, 0, 0, 1)),
                           reel_mul(sums, reel_flip(sums, REEL_AXES(0))),
                           reel_add(f, reel_transpose(f)),
                           reel_mul(f, reel_flip(f, REEL_AXES(0))),
                           reel_mul(f, reel_flip(f, REEL_ALL)),
                           reel_mul(h, reel_slice(h, 0, 0, 1)),
                           reel_add(h, reel_slice(h, 1, 0, 1)),
                           reel_mul(h, reel_slice(deep, 0, 0, 1)),
                           reel_mul(h, reel_slice(deep, 1, 0, 1)),
                           reel_mul(deep, reel_slice(h, 2, 0, 1)) };
    for (int i = 0; i < COUNT(all); i++) kept(reel_tanh(all[i]), "view", i);
}

/* Rows of x from these on against one weight, with something after every second product. */
static reel_tensor *products_at(reel_tensor *x, reel_tensor *w, int count, const int *at, int64_t rows, int name)
{
    reel_tensor *sum = NULL;
    for (int i = 0; i < count; i++) {
        reel_tensor *y = reel_matmul(reel_slice(x, 0, at[i], at[i] + rows), w);
        if (i % 2) y = reel_tanh(y);
        kept(y, "product", 10 * name + i);
        sum = sum ? reel_add(sum, y) : y;
    }
    return average(sum);
}

/* Distances that are unequal, negative, smaller than the rows themselves, none, and such that two batches begin. */
void program_distances(graph *g)
{
    static const struct {
        int count, at[5];
    } starts[] = { { 4, { 0, 3, 6, 10 } },    { 4, { 0, 3, 6, 8 } },    { 4, { 10, 6, 3, 0 } },
                   { 4, { 9, 6, 3, 0 } },     { 5, { 0, 1, 2, 3, 4 } }, { 5, { 0, 1, 3, 6, 10 } },
                   { 5, { 2, 5, 1, 8, 11 } }, { 5, { 3, 6, 3, 9, 0 } }, { 2, { 5, 4 } },
                   { 3, { 0, 12, 6 } } };
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(16, 5)), *loss = NULL;
    for (int i = 0; i < COUNT(starts); i++) {
        char name[8];
        snprintf(name, sizeof name, "w%d", i);
        reel_tensor *w = parameter(x, name, REEL_SHAPE(5, 7)), *from = i % 3 == 1 ? reel_exp(x) : x;
        reel_tensor *term = products_at(from, w, starts[i].count, starts[i].at, 3, i);
        loss = loss ? reel_add(loss, term) : term;
    }
    reel_sgd(loss, (reel_sgd_options){ .lr = 0.1 });
}

/* One value whose slices meet different parts of one weight, turned and not, and a value that comes later. */
void program_almost_batched(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(12, 6)), *y = real_input(g, "y", REEL_SHAPE(12, 6)),
                *w = parameter(x, "w", REEL_SHAPE(6, 12)), *a[12];
    for (int i = 0; i < 3; i++) {
        reel_tensor *rows = reel_slice(x, 0, 4 * i, 4 * i + 4), *others = reel_slice(y, 0, 4 * i, 4 * i + 4);
        a[4 * i] = reel_matmul(rows, reel_slice(w, 1, 4 * i, 4 * i + 4));
        a[4 * i + 1] = reel_matmul(others, reel_slice(w, 1, 0, 4));
        a[4 * i + 2] = reel_matmul(i % 2 ? others : rows, reel_transpose(reel_slice(x, 0, i, i + 4)));
        a[4 * i + 3] = reel_contract(rows, w, i % 2 ? "mk,kn->mn" : "mk,kn->nm");
    }
    static const char *const specs[] = { "mk,kn->mn", "mk,nk->mn", "km,kn->mn", "km,nk->mn", "mk,kn->mn" };
    reel_tensor *z = real_input(g, "z", REEL_SHAPE(30, 6)), *v = parameter(x, "v", REEL_SHAPE(6, 6));
    for (int i = 0; i < 5; i++) kept(reel_contract(reel_slice(z, 0, 6 * i, 6 * i + 6), v, specs[i]), "turned", i);
    for (int i = 0; i < 12; i++) kept(a[i], "a", i);
    reel_tensor *h = reel_slice(x, 0, 0, 4), *u = parameter(x, "u", REEL_SHAPE(6, 6));
    for (int i = 0; i < 4; i++) { /* the left operand of each is computed from the one before */
        h = reel_tanh(reel_matmul(h, u));
        kept(reel_matmul(reel_slice(reel_concat((reel_tensor *[]){ h, x }, 2, 0), 0, i, i + 4), u), "late", i);
    }
    reel_sgd(average(reel_square(h)), (reel_sgd_options){ .lr = 0.1 });
}

/* Products of a batch that are parts of concats in another order and next to others, assigned, and assigned twice. */
void program_batched_elsewhere(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(9, 5)), *w = parameter(x, "w", REEL_SHAPE(5, 4)), *y[3];
    for (int i = 0; i < 3; i++) y[i] = reel_matmul(reel_slice(x, 0, 3 * i, 3 * i + 3), w);
    kept(reel_concat((reel_tensor *[]){ y[2], y[0], y[1] }, 3, 0), "concat", 0);
    kept(reel_sin(reel_concat((reel_tensor *[]){ reel_exp(y[1]), y[2], y[2], y[0] }, 4, 0)), "concat", 1);
    reel_tensor *u = parameter(x, "u", REEL_SHAPE(5, 4)), *z[3];
    for (int i = 0; i < 3; i++) z[i] = reel_matmul(reel_slice(x, 0, 3 * i, 3 * i + 3), u);
    reel_tensor *s = state(g, "s", REEL_SHAPE(3, 4)), *t = state(g, "t", REEL_SHAPE(3, 4)),
                *r = state(g, "r", REEL_SHAPE(3, 4));
    reel_assign(s, z[0]), reel_assign(t, z[2]), reel_assign(r, z[2]);
    kept(reel_sin(r), "before", 0);
    kept(reel_concat((reel_tensor *[]){ z[1], z[0] }, 2, 0), "concat", 2);
}

/* Left operands with three and four axes of rows that are not one in memory, in a batch; with eight, all that a tensor can
 * have, there is no room for one more. */
void program_many_rows_batched(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(6, 4, 6, 4, 5)), *w = parameter(x, "w", REEL_SHAPE(5, 3)),
                *sum = NULL;
    for (int i = 0; i < 3; i++) {
        reel_tensor *part = reel_slice(reel_slice(x, 0, 2 * i, 2 * i + 2), 1, 0, 3);
        part = reel_slice_step(reel_slice(part, 3, 0, 3), 2, 0, 6, 2);
        reel_tensor *y = reel_matmul(part, w);
        kept(y, "y", i);
        sum = sum ? reel_add(sum, y) : y;
    }
    reel_tensor *e = real_input(g, "e", REEL_SHAPE(3, 3, 3, 3, 3, 3, 3, 6)), *c = parameter(x, "c", REEL_SCALAR);
    for (int d = 0; d < 7; d++) e = reel_slice(e, d, 0, 2);
    for (int i = 0; i < 3; i++)
        kept(reel_contract(reel_slice(e, 7, 2 * i, 2 * i + 2), c, "abcdefgh,->abcdefgh"), "eight", i);
    reel_sgd(average(reel_tanh(sum)), (reel_sgd_options){ .lr = 0.1 });
}

/* Stepped and plain slices of one tensor, next to each other, overlapping and along two axes. */
void program_slices_together(graph *g)
{
    reel_tensor *x = real_input(g, "x", REEL_SHAPE(9, 12)), *p = parameter(x, "p", REEL_SHAPE(9, 12)),
                *e = reel_mul(p, x);
    reel_tensor *parts[] = { reel_slice(e, 0, 0, 4),         reel_slice_step(e, 0, 1, 9, 3),
                             reel_slice(e, 0, 4, 9),         reel_slice_step(e, 0, 4, 9, 2),
                             reel_slice(e, 1, 2, 7),         reel_slice_step(e, 1, 0, 12, 2),
                             reel_slice(e, 1, 7, 12),        reel_slice_step(e, 1, 1, 12, 2),
                             reel_slice_step(e, 1, 3, 4, 5), reel_slice(e, 0, 8, 9),
                             reel_slice_step(e, 0, 0, 9, 8), reel_slice(e, 0, 3, 3) };
    reel_tensor *loss = NULL;
    for (int i = 0; i < COUNT(parts); i++) {
        reel_tensor *term = total(i % 3 ? reel_tanh(parts[i]) : reel_square(parts[i]));
        loss = loss ? reel_add(loss, term) : term;
    }
    kept(reel_gradient(loss, e), "gradient", 0);
    reel_sgd(loss, (reel_sgd_options){ .lr = 0.1 });
}
