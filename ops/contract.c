/* The contraction, the one product: y[batch, m, n] = Σ_k a[batch, m, k] b[batch, k, n], where batch, m, n and k are lists
 * of axes, each anywhere in its operand. Matmul, linear layers on any number of axes and attention are all it.
 *
 * To the bit: an element is a function of its k pairs alone. k, row-major over its axes, is cut every 512 from 0; a piece
 * is one ascending chain of fused multiply-adds that starts at −0; pieces are added in ascending order; no k gives +0. */
#include "ops/contract.h"
#include "ops/kernels/product/product_kernels.h"

#include <stdio.h>
#include <string.h>

static reel_tensor *bad(reel_tensor *a, reel_tensor *b)
{
    return &reel__tape_of_all((reel_tensor *[]){ a, b }, 2)->bad;
}

static const reel__product_axes *attr_of(const reel_tensor *y) { return y->attr; }

static bool contract_shape(reel_tensor *y)
{
    const reel__product_axes *c = y->attr;
    const reel_tensor *a = y->inputs[0], *b = y->inputs[1];
    int64_t size[3 * REEL_MAX_RANK];
    int rank = 0;
    if (!reel__all_floats(y->op->name, y->inputs, 2) || !reel__same_dtype(y->op->name, y->inputs, 2)) return false;
    for (int i = 0; i < c->batch; i++) size[rank++] = a->size[c->a_batch[i]];
    for (int i = 0; i < c->m; i++) size[rank++] = a->size[c->a_m[i]];
    for (int i = 0; i < c->n; i++) size[rank++] = b->size[c->b_n[i]];
    return reel_set_shape(y, (reel_dtype)a->dtype, rank, size);
}

/* ---- The plain product, row by row ------------------------------------------------------------------------------- */

static int64_t extent(const int64_t *size, int count, const int8_t *axes)
{
    int64_t n = 1;
    for (int i = 0; i < count; i++) n *= size[axes[i]];
    return n;
}

/* A list of axes of a contiguous tensor. */
typedef struct walker {
    int count;
    int64_t size[REEL_MAX_RANK], stride[REEL_MAX_RANK];
} walker;

static walker walk_axes(const reel_tensor *x, int count, const int8_t *axes)
{
    walker w = { .count = count };
    int64_t stride[REEL_MAX_RANK];
    reel__contiguous(x->rank, x->size, stride);
    for (int i = 0; i < count; i++) w.size[i] = x->size[axes[i]], w.stride[i] = stride[axes[i]];
    return w;
}

static int64_t offset_of(const walker *w, int64_t index)
{
    int64_t offset = 0;
    for (int i = w->count; i-- > 0; index /= w->size[i]) offset += index % w->size[i] * w->stride[i];
    return offset;
}

/* Row by row, REEL__PRODUCT_COLUMNS columns at a time, for any axes: `column` says where each column of b is. */
static void contract_run(const reel_call *call)
{
    const reel_tensor *y = call->node, *a = y->inputs[0], *b = y->inputs[1];
    const reel__product_axes *c = y->attr;
    const walker ab = walk_axes(a, c->batch, c->a_batch), am = walk_axes(a, c->m, c->a_m),
                 ak = walk_axes(a, c->k, c->a_k);
    const walker bb = walk_axes(b, c->batch, c->b_batch), bn = walk_axes(b, c->n, c->b_n),
                 bk = walk_axes(b, c->k, c->b_k);
    const int64_t batch = extent(a->size, c->batch, c->a_batch), m = extent(a->size, c->m, c->a_m);
    const int64_t n = extent(b->size, c->n, c->b_n), element = (int64_t)reel__dtype_size((reel_dtype)y->dtype);
    const reel__product_kernels *kernels = reel__product_kernels_of(call->isa, (int)element);
    reel__product_row p = { .k = extent(a->size, c->k, c->a_k), .k_axes = c->k };
    memcpy(p.k_size, ak.size, sizeof p.k_size);
    memcpy(p.a_stride, ak.stride, sizeof p.a_stride);
    memcpy(p.b_stride, bk.stride, sizeof p.b_stride);
    if (!y->count) return;
    for (int64_t j0 = 0; j0 < n; j0 += REEL__PRODUCT_COLUMNS) {
        p.columns = n - j0 < REEL__PRODUCT_COLUMNS ? n - j0 : REEL__PRODUCT_COLUMNS;
        p.in_order = true;
        for (int64_t j = 0; j < p.columns; j++) {
            p.column[j] = offset_of(&bn, j0 + j);
            p.in_order &= p.column[j] == p.column[0] + j;
        }
        for (int64_t i = 0; i < batch; i++)
            for (int64_t row = 0; row < m; row++) {
                p.y = (char *)call->y + ((i * m + row) * n + j0) * element;
                p.a = (const char *)call->x[0] + (offset_of(&ab, i) + offset_of(&am, row)) * element;
                p.b = (const char *)call->x[1] + offset_of(&bb, i) * element;
                kernels->plain(&p);
            }
    }
}

/* ---- Gradients --------------------------------------------------------------------------------------------------- */

static reel_tensor *contract_merge(reel_tensor *x, const reel_contribution *const *contributions, int count);

static const reel__product_api api = { .axes = attr_of,
                                       .plan = reel__product_plan_make,
                                       .block = reel__product_block_run,
                                       .layout = reel__product_layout_of,
                                       .pack = reel__product_pack };
static const reel__traits contract_traits = { .product = &api };

const reel_op reel__contract_op = { .size = sizeof(reel_op),
                                    .name = "contract",
                                    .shape = contract_shape,
                                    .run = contract_run,
                                    .merge = contract_merge,
                                    .traits = &contract_traits };

static reel_tensor *record(reel_tensor *a, reel_tensor *b, const reel__product_axes *attr)
{
    return reel_record(&reel__contract_op, (reel_tensor *[]){ a, b }, 2, attr, sizeof *attr);
}

static int append(int8_t *to, int at, const int8_t *from, int count)
{
    for (int i = 0; i < count && at + i < REEL_MAX_RANK; i++) to[at + i] = from[i];
    return at + count;
}

static void count_up(int8_t *to, int first, int count)
{
    for (int i = 0; i < count && i < REEL_MAX_RANK; i++) to[i] = (int8_t)(first + i);
}

/* A result with its axes in the order `axes` of the tensor that it is the gradient of, brought back to that tensor's. */
static reel_tensor *back_in_order(reel_tensor *g, const int8_t *axes, int count)
{
    reel_axes order = { .count = count };
    for (int i = 0; i < count; i++) order.axis[axes[i]] = i;
    return reel_permute(g, order);
}

/* One product's share of the gradient of an operand x: x is its input number `input`, with these axes, `other` the other
 * operand, and gy [batch, m, n] the gradient at the product. */
typedef struct share {
    reel__product_axes axes;
    reel_tensor *other, *gy;
    int input;
    int product; /* while the shares are summed: 1 + the number of the first share of its product; 0: in none */
} share;

/* ga[batch, m, k] = Σ_n gy[batch, m, n] b[batch, n, k] */
static reel_tensor *left_gradient(const share *s)
{
    const reel__product_axes *c = &s->axes;
    reel__product_axes g = { .batch = c->batch, .m = c->m, .n = c->k, .k = c->n };
    count_up(g.a_batch, 0, c->batch), count_up(g.a_m, c->batch, c->m), count_up(g.a_k, c->batch + c->m, c->n);
    append(g.b_batch, 0, c->b_batch, c->batch), append(g.b_n, 0, c->b_k, c->k), append(g.b_k, 0, c->b_n, c->n);
    int8_t axes[REEL_MAX_RANK];
    int rank = append(axes, append(axes, append(axes, 0, c->a_batch, c->batch), c->a_m, c->m), c->a_k, c->k);
    return back_in_order(record(s->gy, s->other, &g), axes, rank);
}

/* gb[batch, k, n] = Σ_m a[batch, k, m] gy[batch, m, n] */
static reel_tensor *right_gradient(const share *s)
{
    const reel__product_axes *c = &s->axes;
    reel__product_axes g = { .batch = c->batch, .m = c->k, .n = c->n, .k = c->m };
    append(g.a_batch, 0, c->a_batch, c->batch), append(g.a_m, 0, c->a_k, c->k), append(g.a_k, 0, c->a_m, c->m);
    count_up(g.b_batch, 0, c->batch), count_up(g.b_k, c->batch, c->m), count_up(g.b_n, c->batch + c->m, c->n);
    int8_t axes[REEL_MAX_RANK];
    int rank = append(axes, append(axes, append(axes, 0, c->b_batch, c->batch), c->b_k, c->k), c->b_n, c->n);
    return back_in_order(record(s->other, s->gy, &g), axes, rank);
}

static reel_tensor *single(const share *s) { return s->input == 0 ? left_gradient(s) : right_gradient(s); }

/* An operand as a matrix [rows, columns], from two lists of its axes. */
static reel_tensor *as_matrix(reel_tensor *x, const int8_t *rows, int row_count, const int8_t *columns,
                              int column_count)
{
    reel_axes order = { .count = row_count + column_count };
    for (int i = 0; i < row_count; i++) order.axis[i] = rows[i];
    for (int i = 0; i < column_count; i++) order.axis[row_count + i] = columns[i];
    int64_t r = extent(x->size, row_count, rows), n = extent(x->size, column_count, columns);
    return reel_reshape(reel_permute(x, order), REEL_SHAPE(r, n));
}

/* Whether two shares can come from one product: x is the same operand of both, and no batch axis keeps rows apart. */
static bool can_be_one(const share *s, const share *other)
{
    const reel__product_axes *p = &s->axes, *q = &other->axes;
    if (s->input != other->input || p->batch || q->batch || p->k != q->k) return false;
    if (s->input == 0)
        return p->m == q->m && !memcmp(p->a_m, q->a_m, sizeof p->a_m) && !memcmp(p->a_k, q->a_k, sizeof p->a_k);
    return p->n == q->n && !memcmp(p->b_n, q->b_n, sizeof p->b_n) && !memcmp(p->b_k, q->b_k, sizeof p->b_k);
}

/* One product over the rows of all shares of product `id`, concatenated in order of arrival: for x on the right, gx[k, n] = Σ_rows a[rows, k]
 * gy[rows, n]; on the left, gx[m, k] = Σ_rows gy[m, rows] b[rows, k]. */
static reel_tensor *one_product(const int64_t *x_size, int count, const share *s, int id, reel_tensor **parts)
{
    const reel__product_axes *first = NULL;
    bool right = false;
    int n = 0;
    for (int i = 0; i < count; i++) {
        if (s[i].product != id) continue;
        const reel__product_axes *p = &s[i].axes;
        reel_tensor *other = s[i].other;
        if (!first) first = p, right = s[i].input == 1;
        int64_t kept = right ? extent(x_size, p->n, p->b_n) : extent(x_size, p->m, p->a_m);
        int64_t rows = right ? extent(other->size, p->m, p->a_m) : extent(other->size, p->n, p->b_n);
        parts[n] = right ? as_matrix(other, p->a_m, p->m, p->a_k, p->k) : as_matrix(other, p->b_n, p->n, p->b_k, p->k);
        parts[count + n++] = reel_reshape(s[i].gy, right ? REEL_SHAPE(rows, kept) : REEL_SHAPE(kept, rows));
    }
    reel_tensor *others = reel_concat(parts, n, 0), *gys = reel_concat(parts + count, n, right ? 0 : 1);
    reel__product_axes g = { .m = 1, .n = 1, .k = 1 };
    g.a_m[0] = right ? 1 : 0, g.a_k[0] = right ? 0 : 1, g.b_n[0] = 1, g.b_k[0] = 0;
    reel_tensor *product = right ? record(others, gys, &g) : record(gys, others, &g);
    int8_t axes[REEL_MAX_RANK];
    int rank = right ? append(axes, append(axes, 0, first->b_k, first->k), first->b_n, first->n)
                     : append(axes, append(axes, 0, first->a_m, first->m), first->a_k, first->k);
    reel_shape shape = { .rank = rank };
    for (int i = 0; i < rank; i++) shape.size[i] = x_size[axes[i]];
    return back_in_order(reel_reshape(product, shape), axes, rank);
}

/* The sum of all shares of an operand of these sizes, those that can be one product as one. */
static reel_tensor *sum_of_shares(reel_tape *tape, const int64_t *x_size, int count, share *s)
{
    if (count == 1) return single(&s[0]);
    const size_t bytes = 2 * (size_t)count * sizeof(reel_tensor *);
    reel_tensor **parts = reel__allocate(&tape->allocator, bytes), *sum = NULL;
    if (!parts) return reel__out_of_memory(tape, "gradients");
    for (int i = 0; i < count; i++) {
        if (s[i].product) continue;
        int together = 1;
        s[i].product = i + 1;
        for (int j = i + 1; j < count && !s[i].axes.batch; j++) /* with batch axes it is alone */
            if (!s[j].product && can_be_one(&s[i], &s[j])) s[j].product = i + 1, together++;
        reel_tensor *g = together == 1 ? single(&s[i]) : one_product(x_size, count, s, i + 1, parts);
        sum = sum ? reel_add(sum, g) : g;
    }
    reel__release(&tape->allocator, parts, bytes);
    return sum;
}

static reel_tensor *contract_merge(reel_tensor *x, const reel_contribution *const *c, int count)
{
    const size_t bytes = (size_t)count * sizeof(share);
    share *s = reel__allocate(&x->tape->allocator, bytes);
    if (!s) return reel__out_of_memory(x->tape, "gradients");
    for (int i = 0; i < count; i++)
        s[i] = (share){ *attr_of(c[i]->y), c[i]->y->inputs[1 - c[i]->input], c[i]->gy, c[i]->input, 0 };
    reel_tensor *sum = sum_of_shares(x->tape, x->size, count, s);
    reel__release(&x->tape->allocator, s, bytes);
    return sum;
}

/* ---- What is repeated along batch axes --------------------------------------------------------------------------- */

/* The batch axes of a product along which its operand number `input`, an expand, repeats what it is made of, as bits of
 * that operand's axes. */
static uint32_t repeated_axes(const reel_tensor *y, int input)
{
    const reel__product_axes *c = attr_of(y);
    const reel_tensor *x = y->inputs[input], *inner = x->inputs[0];
    const int8_t *batch = input == 0 ? c->a_batch : c->b_batch;
    uint32_t repeated = 0;
    for (int i = 0; i < c->batch; i++)
        if (inner->size[batch[i]] == 1 && x->size[batch[i]] != 1) repeated |= 1u << batch[i];
    return repeated;
}

static bool has(uint32_t axes, int axis) { return axes >> axis & 1; }

/* Axes of the operand, counted without those that are left out. */
static int renumber(int8_t *to, int at, const int8_t *from, int count, uint32_t out)
{
    for (int i = 0; i < count; i++) {
        int8_t axis = from[i];
        for (int d = 0; d < from[i]; d++) axis = (int8_t)(axis - has(out, d));
        if (!has(out, from[i])) to[at++] = axis;
    }
    return at;
}

/* The share of an operand without its repeated batch axes: they belong to the other operand alone, as rows or columns
 * more, over which the gradient is summed inside one product. */
static share without_axes(const reel_contribution *c, uint32_t out)
{
    const reel__product_axes *p = attr_of(c->y);
    const int8_t *own = c->input ? p->b_batch : p->a_batch, *others = c->input ? p->a_batch : p->b_batch;
    share s = { .other = c->y->inputs[1 - c->input], .input = c->input };
    reel__product_axes *to = &s.axes;
    reel_axes order = { .count = c->y->rank };
    int8_t taken[REEL_MAX_RANK];
    int kept = 0, left = 0, at = 0;
    for (int i = 0; i < p->batch; i++)
        if (has(out, own[i])) taken[left++] = others[i];
        else (c->input ? to->a_batch : to->b_batch)[kept] = others[i], order.axis[kept++] = i;
    to->batch = (int8_t)kept;
    renumber(c->input ? to->b_batch : to->a_batch, 0, own, p->batch, out);
    int8_t *grown = c->input ? to->a_m : to->b_n;
    const int grew = c->input ? append(grown, append(grown, 0, taken, left), p->a_m, p->m)
                              : append(grown, append(grown, 0, taken, left), p->b_n, p->n);
    const int same = c->input ? renumber(to->b_n, 0, p->b_n, p->n, out) : renumber(to->a_m, 0, p->a_m, p->m, out);
    to->m = (int8_t)(c->input ? grew : same), to->n = (int8_t)(c->input ? same : grew);
    to->k = p->k;
    if (c->input) append(to->a_k, 0, p->a_k, p->k), renumber(to->b_k, 0, p->b_k, p->k, out);
    else append(to->b_k, 0, p->b_k, p->k), renumber(to->a_k, 0, p->a_k, p->k, out);
    at = kept;
    for (int i = 0; i < p->m && !c->input; i++) order.axis[at++] = p->batch + i;
    for (int i = 0; i < p->batch; i++)
        if (has(out, own[i])) order.axis[at++] = i;
    for (int i = c->input ? p->batch : p->batch + p->m; i < c->y->rank; i++) order.axis[at++] = i;
    s.gy = reel_permute(c->gy, order);
    return s;
}

/* Takes the shares that leave out the same axes as the first one does; what they leave to x's own operand. */
static reel_tensor *pass_alike(reel_tensor *x, uint32_t out, reel_contribution *const *c, int count, share *s)
{
    reel_tensor *inner = x->inputs[0];
    reel_shape small = { 0 };
    int64_t rest[REEL_MAX_RANK];
    int n = 0;
    for (int i = 0; i < count; i++) {
        if (c[i]->taken || c[i]->y->op != &reel__contract_op || repeated_axes(c[i]->y, c[i]->input) != out) continue;
        s[n++] = without_axes(c[i], out);
        c[i]->taken = true;
    }
    for (int d = 0; d < x->rank; d++)
        if (!has(out, d)) rest[small.rank] = x->size[d], small.size[small.rank++] = inner->size[d];
    reel_tensor *g = sum_of_shares(x->tape, rest, n, s);
    return reel_reshape(reel_sum_to(g, small), reel_shape_of(inner));
}

reel_tensor *reel__contract_past(reel_tensor *x, reel_contribution *const *c, int count)
{
    const size_t bytes = (size_t)count * sizeof(share);
    share *s = reel__allocate(&x->tape->allocator, bytes);
    if (!s) return reel__out_of_memory(x->tape, "gradients");
    reel_tensor *sum = NULL;
    for (int i = 0; i < count; i++) {
        uint32_t out = !c[i]->taken && c[i]->y->op == &reel__contract_op ? repeated_axes(c[i]->y, c[i]->input) : 0;
        if (!out) continue;
        reel_tensor *g = pass_alike(x, out, c, count, s);
        sum = sum ? reel_add(sum, g) : g;
    }
    reel__release(&x->tape->allocator, s, bytes);
    return sum;
}

/* ---- Constructors ------------------------------------------------------------------------------------------------ */

typedef struct notation {
    char a[REEL_MAX_RANK + 1], b[REEL_MAX_RANK + 1], y[REEL_MAX_RANK + 1];
} notation;

static int position(const char *labels, char label)
{
    const char *p = label ? strchr(labels, label) : NULL;
    return p ? (int)(p - labels) : -1;
}

static bool read_labels(const char **p, char *labels)
{
    int n = 0;
    for (; (**p >= 'a' && **p <= 'z') || (**p >= 'A' && **p <= 'Z'); (*p)++) {
        if (n == REEL_MAX_RANK || position(labels, **p) >= 0) return false;
        labels[n++] = **p, labels[n] = 0;
    }
    return true;
}

static bool parse(const char *spec, notation *s)
{
    const char *p = spec;
    memset(s, 0, sizeof *s);
    if (!read_labels(&p, s->a) || *p++ != ',' || !read_labels(&p, s->b) || *p++ != '-' || *p++ != '>' ||
        !read_labels(&p, s->y) || *p)
        return false;
    for (const char *label = s->y; *label; label++)
        if (position(s->a, *label) < 0 && position(s->b, *label) < 0) return false;
    return true;
}

/* Leaves out the axes of x that neither the other operand nor the result has, by summing over them. */
static reel_tensor *sum_alone(reel_tensor *x, char *labels, const char *other, const char *y)
{
    reel_axes axes = { 0 };
    char rest[REEL_MAX_RANK + 1] = "";
    for (int i = 0; labels[i]; i++) {
        if (position(other, labels[i]) < 0 && position(y, labels[i]) < 0) axes.axis[axes.count++] = i;
        else rest[strlen(rest)] = labels[i];
    }
    if (!axes.count) return x;
    strcpy(labels, rest);
    return reel_sum(x, axes, REEL_DROP);
}

static reel_tensor *product(reel_tensor *a, reel_tensor *b, const notation *s)
{
    reel__product_axes c = { 0 };
    char natural[2 * REEL_MAX_RANK + 1] = "";
    for (const char *l = s->y; *l; l++)
        if (position(s->a, *l) >= 0 && position(s->b, *l) >= 0) {
            natural[strlen(natural)] = *l;
            c.a_batch[c.batch] = (int8_t)position(s->a, *l), c.b_batch[c.batch++] = (int8_t)position(s->b, *l);
        }
    for (const char *l = s->y; *l; l++)
        if (position(s->b, *l) < 0) natural[strlen(natural)] = *l, c.a_m[c.m++] = (int8_t)position(s->a, *l);
    for (const char *l = s->y; *l; l++)
        if (position(s->a, *l) < 0) natural[strlen(natural)] = *l, c.b_n[c.n++] = (int8_t)position(s->b, *l);
    for (const char *l = s->a; *l; l++)
        if (position(s->b, *l) >= 0 && position(s->y, *l) < 0)
            c.a_k[c.k] = (int8_t)position(s->a, *l), c.b_k[c.k++] = (int8_t)position(s->b, *l);
    reel_axes order = { .count = (int)strlen(s->y) };
    for (int i = 0; i < order.count; i++) order.axis[i] = position(natural, s->y[i]);
    return reel_permute(record(a, b, &c), order);
}

/* Why the notation does not fit; false: it does. */
static bool misfit(const reel_tensor *a, const reel_tensor *b, const notation *s, char *why, size_t size)
{
    const reel_tensor *x[] = { a, b };
    const char *const labels[] = { s->a, s->b };
    for (int i = 0; i < 2; i++)
        if ((int)strlen(labels[i]) != x[i]->rank)
            return snprintf(why, size, "\"%s\" is not the axes of operand %d", labels[i], i + 1) > 0;
    for (int i = 0; s->a[i]; i++) {
        int j = position(s->b, s->a[i]);
        if (j >= 0 && a->size[i] != b->size[j])
            return snprintf(why, size, "%c is %lld in one and %lld in the other", s->a[i], (long long)a->size[i],
                            (long long)b->size[j]) > 0;
    }
    return false;
}

reel_tensor *reel_contract(reel_tensor *a, reel_tensor *b, const char *spec)
{
    notation s;
    if (!reel__good("contract", (reel_tensor *[]){ a, b }, 2)) return bad(a, b);
    if (!spec || !parse(spec, &s))
        return reel__fail(a->tape, REEL_BAD_ARGUMENT, "contract: \"%s\" is no notation as \"bmk,bkn->bmn\"",
                          spec ? spec : "(null)");
    char why[100];
    if (misfit(a, b, &s, why, sizeof why))
        return reel__fail(a->tape, REEL_BAD_SHAPE, "contract: \"%s\" does not fit %s and %s: %s", spec,
                          reel_shape_text(a), reel_shape_text(b), why);
    a = sum_alone(a, s.a, s.b, s.y);
    b = sum_alone(b, s.b, s.a, s.y);
    return a->is_bad || b->is_bad ? bad(a, b) : product(a, b, &s);
}

/* Labels of the leading axes of an operand of matmul: those of size 1 that the other repeats are taken out. */
static reel_tensor *leading(reel_tensor *x, const reel_tensor *other, int batch, char *labels)
{
    reel_shape shape = { 0 };
    int own = x->rank - 2, others = other->rank - 2, n = 0;
    for (int d = 0; d < own; d++) {
        int at = batch - own + d, theirs = at - (batch - others);
        if (x->size[d] == 1 && theirs >= 0 && other->size[theirs] != 1) continue;
        labels[n++] = (char)('A' + at);
        shape.size[shape.rank++] = x->size[d];
    }
    shape.size[shape.rank++] = x->size[own], shape.size[shape.rank++] = x->size[own + 1];
    return reel_reshape(x, shape);
}

static reel_tensor *batched_matmul(reel_tensor *a, reel_tensor *b)
{
    notation s = { 0 };
    int batch = (a->rank > b->rank ? a->rank : b->rank) - 2;
    reel_tensor *x = leading(a, b, batch, s.a), *w = leading(b, a, batch, s.b);
    if (x->is_bad || w->is_bad) return bad(a, b);
    for (int d = 0; d < batch; d++) s.y[d] = (char)('A' + d);
    strcat(s.a, "mk"), strcat(s.b, "kn"), strcat(s.y, "mn");
    char why[100];
    if (misfit(x, w, &s, why, sizeof why))
        return reel__fail(a->tape, REEL_BAD_SHAPE, "matmul: leading axes do not broadcast: %s x %s", reel_shape_text(a),
                          reel_shape_text(b));
    return product(x, w, &s);
}

reel_tensor *reel_matmul(reel_tensor *a, reel_tensor *b)
{
    static const char call[] = "matmul";
    const reel__call_key key = { .call = call, .a = a, .b = b };
    reel_tensor *again = a ? reel__replay_call(a->tape, &key) : NULL;
    if (again) return again;
    if (!reel__good_floats("matmul", (reel_tensor *[]){ a, b }, 2)) return bad(a, b);
    const reel__point begin = reel__point_of(a->tape);
    if (a->rank == 0 || b->rank == 0)
        return reel__fail(a->tape, REEL_BAD_SHAPE, "matmul: a scalar has no rows: %s x %s", reel_shape_text(a),
                          reel_shape_text(b));
    reel_tensor *left = a->rank == 1 ? reel_unsqueeze(a, 0) : a, *right = b->rank == 1 ? reel_unsqueeze(b, 1) : b;
    int64_t k = left->size[left->rank - 1];
    if (k != right->size[right->rank - 2]) {
        bool turned = right->size[right->rank - 1] == k;
        return reel__fail(a->tape, REEL_BAD_SHAPE, "matmul: inner sizes differ: %s x %s%s", reel_shape_text(a),
                          reel_shape_text(b), turned ? " (did you mean reel_transpose?)" : "");
    }
    reel_tensor *y = batched_matmul(left, right);
    if (b->rank == 1) y = reel_squeeze(y, -1);
    if (a->rank == 1) y = reel_squeeze(y, b->rank == 1 ? -1 : -2);
    return reel__remember_tensor(&key, begin, y);
}
