/* More programs for the equality tests, each around something that no program before reached: views of a member next to
 * itself, products at unequal distances. Included by test_equality.c after its helpers. */

/* A member read by another member as a view that has its shape but not its elements. */
static void views_of_members(graph *g)
{
    reel_axes last = REEL_AXES(-1);
    reel_tensor *x = real(g, "x", REEL_SHAPE(4, 5)), *z = real(g, "z", REEL_SHAPE(5, 5)),
                *c = real(g, "c", REEL_SHAPE(3, 4, 5));
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

/* Rows of x at these places against one weight, with something after every second product. */
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
static void distances(graph *g)
{
    static const struct {
        int count, at[5];
    } places[] = { { 4, { 0, 3, 6, 10 } },    { 4, { 0, 3, 6, 8 } },    { 4, { 10, 6, 3, 0 } },
                   { 4, { 9, 6, 3, 0 } },     { 5, { 0, 1, 2, 3, 4 } }, { 5, { 0, 1, 3, 6, 10 } },
                   { 5, { 2, 5, 1, 8, 11 } }, { 5, { 3, 6, 3, 9, 0 } }, { 2, { 5, 4 } },
                   { 3, { 0, 12, 6 } } };
    reel_tensor *x = real(g, "x", REEL_SHAPE(16, 5)), *loss = NULL;
    for (int i = 0; i < COUNT(places); i++) {
        char name[8];
        snprintf(name, sizeof name, "w%d", i);
        reel_tensor *w = parameter(x, name, REEL_SHAPE(5, 7)), *from = i % 3 == 1 ? reel_exp(x) : x;
        reel_tensor *term = products_at(from, w, places[i].count, places[i].at, 3, i);
        loss = loss ? reel_add(loss, term) : term;
    }
    reel_sgd(loss, (reel_sgd_options){ .lr = 0.1 });
}

/* One value whose slices meet different parts of one weight, turned and not, and a value that comes later. */
static void almost_batched(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(12, 6)), *y = real(g, "y", REEL_SHAPE(12, 6)),
                *w = parameter(x, "w", REEL_SHAPE(6, 12)), *a[12];
    for (int i = 0; i < 3; i++) {
        reel_tensor *rows = reel_slice(x, 0, 4 * i, 4 * i + 4), *others = reel_slice(y, 0, 4 * i, 4 * i + 4);
        a[4 * i] = reel_matmul(rows, reel_slice(w, 1, 4 * i, 4 * i + 4));
        a[4 * i + 1] = reel_matmul(others, reel_slice(w, 1, 0, 4));
        a[4 * i + 2] = reel_matmul(i % 2 ? others : rows, reel_transpose(reel_slice(x, 0, i, i + 4)));
        a[4 * i + 3] = reel_contract(rows, w, i % 2 ? "mk,kn->mn" : "mk,kn->nm");
    }
    static const char *const specs[] = { "mk,kn->mn", "mk,nk->mn", "km,kn->mn", "km,nk->mn", "mk,kn->mn" };
    reel_tensor *z = real(g, "z", REEL_SHAPE(30, 6)), *v = parameter(x, "v", REEL_SHAPE(6, 6));
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
static void batched_elsewhere(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(9, 5)), *w = parameter(x, "w", REEL_SHAPE(5, 4)), *y[3];
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

/* Left operands with three and four axes of rows that are not one in memory, in a batch. */
static void many_rows_batched(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(6, 4, 6, 4, 5)), *w = parameter(x, "w", REEL_SHAPE(5, 3)), *sum = NULL;
    for (int i = 0; i < 3; i++) {
        reel_tensor *part = reel_slice(reel_slice(x, 0, 2 * i, 2 * i + 2), 1, 0, 3);
        part = reel_slice_step(reel_slice(part, 3, 0, 3), 2, 0, 6, 2);
        reel_tensor *y = reel_matmul(part, w);
        kept(y, "y", i);
        sum = sum ? reel_add(sum, y) : y;
    }
    reel_sgd(average(reel_tanh(sum)), (reel_sgd_options){ .lr = 0.1 });
}

/* Stepped and plain slices of one tensor, one beside the other, overlapping and along two axes. */
static void slices_together(graph *g)
{
    reel_tensor *x = real(g, "x", REEL_SHAPE(9, 12)), *p = parameter(x, "p", REEL_SHAPE(9, 12)), *e = reel_mul(p, x);
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
