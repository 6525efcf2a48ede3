/* Programs for the equality tests that nobody would write, each around a rule that a planner could get wrong. Included by
 * test_equality.c after its helpers. */

static void kept(reel_tensor *x, const char *name, int i)
{
    char text[40];
    snprintf(text, sizeof text, "%s%d", name, i);
    reel_keep(x, text);
}

/* Sums and maxima over more columns than a tile holds, as parts of a concat and next to one. */
static void partial_parts(graph *g)
{
    reel_axes last = REEL_AXES(1);
    reel_tensor *x = real(g, "x", REEL_SHAPE(2, 3000)), *z = real(g, "z", REEL_SHAPE(2)), *e = reel_exp(x);
    reel_tensor *a = reel_sum(e, last, REEL_DROP), *b = reel_sum(reel_mul(e, x), last, REEL_DROP);
    reel_tensor *c = reel_max(reel_sub(e, x), last, REEL_DROP);
    kept(reel_concat((reel_tensor *[]){ a, b, reel_tanh(z), c, a }, 5, 0), "parts", 0);
    kept(reel_div(x, reel_reshape(a, REEL_SHAPE(2, 1))), "parts", 1);
    reel_tensor *p = parameter(x, "p", REEL_SHAPE(2)), *u = real(g, "u", REEL_SHAPE(5000));
    reel_tensor *y = reel_add(reel_mul(reel_slice(p, 0, 0, 1), u), reel_slice(p, 0, 1, 2));
    reel_sgd(reel_mse(y, real(g, "v", REEL_SHAPE(5000))), (reel_sgd_options){ .lr = 0.1 });
    reel_assign(state(g, "s", REEL_SHAPE(2)), c);
    reel_assign(state(g, "t", REEL_SHAPE(2)), reel_sum(reel_sin(x), last, REEL_DROP));
}

/* Several partial reductions in one group, whose blocks a tile must not cut. */
static void partials_together(graph *g)
{
    reel_axes last = REEL_AXES(1);
    reel_tensor *x = real(g, "x", REEL_SHAPE(3, 2049)), *e = reel_exp(x), *f = reel_tanh(x), *h = reel_mul(e, f);
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
static void one_weight(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(48, 48)), *w = parameter(x, "w", REEL_SHAPE(48, 48)),
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
static void old_values(graph *g)
{
    reel_shape n = REEL_SHAPE(30, 70);
    reel_tensor *x = real(g, "x", n), *p = parameter(x, "p", n), *q = parameter(x, "q", n), *r = parameter(x, "r", n);
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
static void whole_rows(graph *g)
{
    reel_tensor *c = real(g, "c", REEL_SHAPE(40, 300)), *e = real(g, "e", REEL_SHAPE(700, 40));
    kept(reel_softmax(reel_matmul(reel_transpose(c), reel_transpose(e)), 1), "softmax", 0);
    kept(reel_max(reel_tanh(reel_matmul(reel_transpose(reel_slice(c, 1, 3, 43)), reel_transpose(e))), REEL_AXES(1),
                  REEL_DROP),
         "max", 0);
    kept(reel_softmax(reel_matmul(real(g, "s", REEL_SHAPE(3, 600)), real(g, "t", REEL_SHAPE(600, 1024))), 1), "softmax",
         1);
}

/* Recorded again with nothing changed but attributes, of views, sums and products alone. */
static void other_attributes(graph *g)
{
    int v = g->run % 2;
    reel_tensor *x = real(g, "x", REEL_SHAPE(9, 9)), *e = reel_exp(x), *w = parameter(x, "w", REEL_SHAPE(9, 9));
    kept(reel_exp(reel_slice(x, 0, v, v + 4)), "a", 0);
    kept(reel_sum(e, REEL_AXES(v), REEL_DROP), "a", 1);
    kept(reel_contract(e, w, v ? "ab,bc->ac" : "ab,cb->ac"), "a", 2);
    kept(reel_add(reel_flip(e, REEL_AXES(v)), w), "a", 3);
    reel_assign(w, reel_add(reel_scale(w, 0.5), reel_matmul(w, reel_flip(e, REEL_AXES(1 - v)))));
}

/* Parts that are parts twice, of one concat and of another, kept, sliced again and multiplied. */
static void concats(graph *g)
{
    reel_tensor *e = reel_exp(real(g, "x", REEL_SHAPE(3, 7))), *f = reel_tanh(real(g, "y", REEL_SHAPE(5, 7)));
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
static void inputs_of_steps(graph *g)
{
    enum { T = 5, B = 3, IN = 6, H = 9 };
    reel_tensor *x = real(g, "x", REEL_SHAPE(T, B, IN)), *h = real(g, "h", REEL_SHAPE(B, H)), *y = reel_tanh(x);
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
