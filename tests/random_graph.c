/* See random_graph.h. Every value has an interval in which it lies, roughly: what leaves [-50, 50] is brought back, and
 * a logarithm finds a positive operand, so that values stay finite in nearly all programs. */
#include "random_graph.h"

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Items ------------------------------------------------------------------------------------------------------- */

enum { ITEMS = 160, LEAVES = 64, MOST = 24000, BOUND = 50 };

typedef struct item {
    reel_tensor *x;
    double low, high;
    uint64_t from; /* the leaves that a gradient from it reaches, as bits */
} item;

typedef struct maker {
    graph *g;
    item items[ITEMS];
    int count, names, leaf_count, keeps;
    reel_tensor *leaf[LEAVES];
    uint64_t trained; /* the leaves that the optimiser updates */
} maker;

static const char *new_name(maker *m, const char *kind)
{
    static char name[32];
    snprintf(name, sizeof name, "%s%d", kind, m->names++);
    return name;
}

static int64_t count_of(reel_shape s)
{
    int64_t n = 1;
    for (int d = 0; d < s.rank; d++) n *= s.size[d];
    return n;
}

static int64_t random_size(void)
{
    static const int around[] = { 16, 64, 256, 512, 1024, 1500, 4100 };
    static const double share[] = { 0.80, 0.88, 0.94, 0.97, 0.985, 0.993, 1 };
    double p = random_in(0, 1);
    if (p < 0.02) return 0;
    if (p < 0.15) return 1;
    if (p < 0.72) return 2 + below(7);
    for (int i = 0; i < COUNT(around); i++)
        if (p < share[i]) return around[i] - 1 + below(3);
    return 4;
}

static reel_shape random_shape(void)
{
    reel_shape s = { .rank = below(5) };
    for (int d = 0; d < s.rank; d++) s.size[d] = random_size();
    for (int d = 0; count_of(s) > 6000; d = (d + 1) % s.rank) s.size[d] = s.size[d] > 8 ? 1 + below(8) : s.size[d];
    return s;
}

/* Everything that is recorded passes here: kept now and then, and a candidate for what follows. */
static void add(maker *m, reel_tensor *x, double low, double high, uint64_t from)
{
    char name[24];
    bool keep = chance(0.18);
    double most = fmax(fabs(low), fabs(high));
    snprintf(name, sizeof name, "k%d", m->keeps);
    if (m->count == ITEMS || reel_is_bad(x)) return;
    if (reel_dtype_of(x) == REEL_I32) from = 0;
    else if (!(most <= BOUND)) {
        bool squash = chance(0.5) || most > 1e6;
        x = squash ? reel_tanh(x) : reel_scale(x, 1 / most);
        low = squash ? -1 : low / most, high = squash ? 1 : high / most;
    }
    if (keep) reel_keep(x, name), m->keeps++;
    m->items[m->count++] = (item){ x, low, high, from };
}

/* ---- Leaves ------------------------------------------------------------------------------------------------------ */

static uint64_t leaf_bit(maker *m, reel_tensor *x)
{
    if (m->leaf_count == LEAVES) return 0;
    m->leaf[m->leaf_count] = x;
    return 1ull << m->leaf_count++;
}

static item new_parameter(maker *m, reel_shape shape, bool trained)
{
    reel_tensor *like = reel_number(m->items[0].x, 0);
    reel_init init = chance(0.5) ? reel_init_uniform(-1, 1) : reel_init_fan_in_uniform(1);
    if (!shape.rank) init = reel_init_constant(0.75);
    reel_tensor *x = reel_parameter(like, new_name(m, trained ? "p" : "frozen"), shape, init);
    item made = { x, -1.5, 1.5, leaf_bit(m, x) };
    if (trained) m->trained |= made.from;
    return made;
}

static item new_input(maker *m, reel_dtype dtype, reel_shape shape)
{
    double low = chance(0.3) ? 0.25 : -2, high = 2;
    if (dtype == REEL_I32) low = -3, high = 5;
    reel_tensor *x = graph_input(m->g, new_name(m, "x"), dtype, shape, low, high);
    return (item){ x, low, high, dtype == REEL_I32 ? 0 : leaf_bit(m, x) };
}

static item new_leaf(maker *m, reel_dtype dtype, reel_shape shape)
{
    reel_tensor *like = m->items[0].x;
    double p = random_in(0, 1), number = chance(0.5) ? 2 : 0.7;
    if (dtype == REEL_I32 || m->g->input_count < 4) return new_input(m, dtype, shape);
    if (dtype == m->g->dtype && p < 0.45) return new_parameter(m, shape, chance(0.8));
    if (dtype == m->g->dtype && p < 0.6) {
        reel_tensor *x = reel_state(m->g->tape, new_name(m, "s"), dtype, shape);
        return (item){ x, -2, 2, leaf_bit(m, x) };
    }
    if (p < 0.7) return (item){ reel_fill(reel_cast(like, dtype), shape, number), number, number, 0 };
    if (p < 0.76) return (item){ reel_uniform(reel_cast(like, dtype), new_name(m, "draw"), shape), 0, 1, 0 };
    if (p < 0.8 && shape.rank < 6)
        return (item){ reel_normal(reel_cast(like, dtype), new_name(m, "draw"), shape), -4, 4, 0 };
    if (m->g->input_count > GRAPH_INPUTS - 8) return (item){ reel_fill(reel_cast(like, dtype), shape, 3), 3, 3, 0 };
    return new_input(m, dtype, shape);
}

static item pick_any(const maker *m)
{
    int recent = m->count > 5 && chance(0.6) ? 5 : m->count;
    return m->items[m->count - 1 - below(recent)];
}

static item pick_real(const maker *m)
{
    for (int k = 0; k < 30; k++) {
        item a = pick_any(m);
        if (reel_dtype_of(a.x) != REEL_I32) return a;
    }
    return m->items[0];
}

/* One that has axes, or the item given as the last resort gets one. */
static item pick_ranked(const maker *m, bool real)
{
    for (int k = 0; k < 30; k++) {
        item a = real ? pick_real(m) : pick_any(m);
        if (reel_rank(a.x) > 0) return a;
    }
    item a = m->items[0];
    a.x = reel_rank(a.x) ? a.x : reel_unsqueeze(a.x, 0);
    return a;
}

/* ---- One operand ------------------------------------------------------------------------------------------------- */

static double identity(double x) { return x; }
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double log_sigmoid(double x) { return -log1p(exp(-x)); }
static double softplus(double x) { return log1p(exp(x)); }
static double relu(double x) { return fmax(x, 0); }
static double lower_third(double x) { return fmin(x, x / 3); }
static double elu(double x) { return fmax(x, expm1(x)); }
static double rsqrt(double x) { return 1 / sqrt(x); }
static double reciprocal(double x) { return 1 / x; }
static double squared(double x) { return x * x; }
static double third(double x) { return -3 * x; }
static double negated(double x) { return -x; }
static double shifted(double x) { return x + 0.7; }
static double doubled(double x) { return 2 * x; }

static reel_tensor *clip_it(reel_tensor *x) { return reel_clip(x, -0.5, 0.75); }
static reel_tensor *leaky_it(reel_tensor *x) { return reel_leaky_relu(x, 1.0 / 3); }
static reel_tensor *elu_it(reel_tensor *x) { return reel_elu(x, 1); }
static reel_tensor *scale_it(reel_tensor *x) { return reel_scale(x, -3); }
static reel_tensor *double_it(reel_tensor *x) { return reel_scale(x, 2); }
static reel_tensor *shift_it(reel_tensor *x) { return reel_shift(x, 0.7); }

/* range: of a function that is not monotone, [-1 … 1] and what else the operand's end gives. */
typedef struct unary_row {
    reel_tensor *(*op)(reel_tensor *);
    double (*value)(double); /* monotone where it is defined; NULL: from -1 to the operand's largest magnitude */
    double from, to;         /* the domain */
    bool cut;                /* no gradient passes */
} unary_row;

static const unary_row unaries[] = {
    { reel_neg, negated, -99, 99, false },
    { reel_abs, NULL, -99, 99, false },
    { reel_sign, NULL, -99, 99, true },
    { reel_floor, NULL, -99, 99, true },
    { reel_exp, exp, -30, 4, false },
    { reel_log, log, 0.05, 99, false },
    { reel_expm1, expm1, -30, 4, false },
    { reel_log1p, log1p, -0.9, 99, false },
    { reel_sin, NULL, -99, 99, false },
    { reel_cos, NULL, -99, 99, false },
    { reel_tanh, tanh, -99, 99, false },
    { reel_erf, erf, -99, 99, false },
    { reel_sqrt, sqrt, 0.01, 99, false },
    { reel_rsqrt, rsqrt, 0.05, 99, false },
    { reel_square, NULL, -6, 6, false },
    { reel_reciprocal, reciprocal, 0.1, 99, false },
    { clip_it, NULL, -99, 99, false },
    { reel_detach, identity, -99, 99, true },
    { reel_sigmoid, sigmoid, -99, 99, false },
    { reel_log_sigmoid, log_sigmoid, -99, 99, false },
    { reel_softplus, softplus, -99, 99, false },
    { reel_relu, relu, -99, 99, false },
    { leaky_it, lower_third, -99, 99, false },
    { elu_it, elu, -99, 99, false },
    { reel_silu, NULL, -99, 99, false },
    { reel_gelu, NULL, -99, 99, false },
    { reel_gelu_tanh, NULL, -99, 99, false },
    { scale_it, third, -99, 99, false },
    { shift_it, shifted, -99, 99, false },
    { double_it, doubled, -99, 99, false },
};

/* The operand brought into a domain; now and then not, and then there may be NaN. */
static item within(item a, double from, double to)
{
    if ((a.low >= from && a.high <= to) || chance(0.004)) return a;
    if (from > 0) return (item){ reel_shift(reel_abs(reel_tanh(a.x)), from + 0.1), from + 0.1, from + 1.1, a.from };
    return (item){ chance(0.5) ? reel_tanh(a.x) : reel_scale(reel_sigmoid(a.x), fmin(to, 1)), fmax(-1, from), 1,
                   a.from };
}

static void unary(maker *m)
{
    const unary_row *row = &unaries[below(COUNT(unaries))];
    item a = pick_real(m);
    if (row->from > -1 && row->from < 0) a = (item){ reel_scale(reel_tanh(a.x), 0.5), -0.5, 0.5, a.from };
    a = within(a, row->from, row->to);
    double most = fmax(fabs(a.low), fabs(a.high));
    double low = -fmax(1, most), high = fmax(1, most);
    if (row->op == reel_square) low = 0, high = squared(most);
    if (row->op == reel_abs) low = 0;
    if (row->value)
        low = fmin(row->value(a.low), row->value(a.high)), high = fmax(row->value(a.low), row->value(a.high));
    add(m, row->op(a.x), low, high, row->cut ? 0 : a.from);
}

static void cast(maker *m)
{
    item a = pick_any(m);
    bool whole = reel_dtype_of(a.x) == REEL_I32;
    reel_dtype to = whole         ? (chance(0.8) ? m->g->dtype : REEL_F64)
                    : chance(0.4) ? REEL_I32
                    : chance(0.5) ? REEL_F64
                                  : REEL_F32;
    if (whole) a.x = reel_minimum(reel_maximum(a.x, reel_number(a.x, -9)), reel_number(a.x, 9)), a.low = -9, a.high = 9;
    add(m, reel_cast(a.x, to), a.low, a.high, a.from);
}

/* ---- Two operands ------------------------------------------------------------------------------------------------ */

static bool broadcasts(const reel_tensor *a, const reel_tensor *b)
{
    int ra = reel_rank(a), rb = reel_rank(b), rank = ra > rb ? ra : rb;
    int64_t count = 1;
    for (int d = 1; d <= rank; d++) {
        int64_t p = d <= ra ? reel_dim(a, -d) : 1, q = d <= rb ? reel_dim(b, -d) : 1;
        if (p != q && p != 1 && q != 1) return false;
        count *= p == 1 ? q : p;
    }
    return count <= MOST;
}

/* A view of a leaf that has the shape of a: strides that are not the usual ones. */
static item strided_leaf(maker *m, reel_dtype dtype, reel_shape s)
{
    int axis = s.rank ? below(s.rank) : 0, step = 1 + below(3);
    reel_axes order = { .count = s.rank };
    for (int d = 0; d < s.rank; d++) order.axis[d] = d;
    if (!s.rank) return new_leaf(m, dtype, s);
    if (chance(0.5)) { /* the leaf's axes the other way round */
        reel_shape back = { .rank = s.rank };
        for (int d = 0; d < s.rank; d++) order.axis[d] = s.rank - 1 - d, back.size[d] = s.size[s.rank - 1 - d];
        item b = new_leaf(m, dtype, back);
        b.x = reel_permute(b.x, order);
        return b;
    }
    reel_shape wide = s;
    wide.size[axis] = s.size[axis] * step + 2;
    if (count_of(wide) > MOST) return new_leaf(m, dtype, s);
    item b = new_leaf(m, dtype, wide);
    b.x = reel_slice_step(b.x, axis, 1, 1 + s.size[axis] * step, step);
    if (chance(0.3)) b.x = reel_flip(b.x, REEL_AXES(axis));
    return b;
}

static reel_shape narrowed(reel_shape s)
{
    int drop = chance(0.4) ? below(s.rank + 1) : 0;
    reel_shape r = { .rank = s.rank - drop };
    for (int d = 0; d < r.rank; d++) r.size[d] = chance(0.3) ? 1 : s.size[d + drop];
    return r;
}

/* What a is combined with. */
static item partner(maker *m, const item *a)
{
    reel_dtype dtype = reel_dtype_of(a->x);
    reel_shape s = reel_shape_of(a->x);
    double p = random_in(0, 1);
    for (int k = 0; p < 0.45 && k < 12; k++) {
        item b = pick_any(m);
        if (reel_dtype_of(b.x) == dtype && broadcasts(a->x, b.x)) return b;
    }
    if (p < 0.55 && s.rank && dtype != REEL_I32)
        return (item){ reel_mean(a->x, REEL_AXES(below(s.rank)), REEL_KEEP), a->low, a->high, a->from };
    if (p < 0.62 && s.rank) return (item){ reel_flip(a->x, REEL_AXES(below(s.rank))), a->low, a->high, a->from };
    if (p < 0.7) return strided_leaf(m, dtype, s);
    if (p < 0.74) return (item){ reel_number(a->x, chance(0.5) ? 1 : -2), -2, 1, 0 };
    return new_leaf(m, dtype, p < 0.88 ? s : narrowed(s));
}

static void arithmetic(maker *m)
{
    item a = pick_any(m);
    item b = partner(m, &a);
    uint64_t from = a.from | b.from;
    double most = fmax(fabs(a.low), fabs(a.high)) * fmax(fabs(b.low), fabs(b.high));
    bool whole = reel_dtype_of(a.x) == REEL_I32;
    switch (below(whole ? 5 : 9)) {
    case 0: add(m, reel_add(a.x, b.x), a.low + b.low, a.high + b.high, from); return;
    case 1: add(m, reel_sub(a.x, b.x), a.low - b.high, a.high - b.low, from); return;
    case 2: add(m, reel_mul(a.x, b.x), -most, most, from); return;
    case 3: add(m, reel_minimum(a.x, b.x), fmin(a.low, b.low), fmin(a.high, b.high), from); return;
    case 4: add(m, reel_maximum(a.x, b.x), fmax(a.low, b.low), fmax(a.high, b.high), from); return;
    case 5:
        b = within(b, 0.3, 99);
        add(m, reel_div(a.x, b.x), -most / b.low, most / b.low, from);
        return;
    case 6:
        a = within(a, 0.3, 3), b = within(b, -3, 3);
        add(m, reel_pow(a.x, b.x), 0.01, 50, from);
        return;
    case 7: add(m, reel_add(reel_mul(a.x, b.x), a.x), -2 * most, 2 * most, from); return;
    default: add(m, reel_mul(reel_sub(a.x, b.x), b.x), -4 * most - 4, 4 * most + 4, from); return;
    }
}

static reel_tensor *comparison(maker *m, const item *a, const item *b)
{
    static reel_tensor *(*const all[])(reel_tensor *, reel_tensor *) = { reel_eq, reel_ne, reel_lt,
                                                                         reel_le, reel_gt, reel_ge };
    (void)m;
    return all[below(6)](a->x, b->x);
}

static void compare(maker *m)
{
    item a = pick_any(m), b = partner(m, &a);
    add(m, comparison(m, &a, &b), 0, 1, 0);
}

static void where(maker *m)
{
    item a = pick_any(m), b = partner(m, &a), c = pick_any(m);
    reel_tensor *y = reel_add(a.x, b.x);
    item d = c;
    if (reel_dtype_of(c.x) != REEL_I32) d = partner(m, &c), c.x = comparison(m, &c, &d);
    if (!broadcasts(c.x, y)) c.x = comparison(m, &a, &b);
    add(m, reel_where(c.x, a.x, b.x), fmin(a.low, b.low), fmax(a.high, b.high), a.from | b.from);
}

/* ---- Reductions -------------------------------------------------------------------------------------------------- */

static reel_axes random_axes(int rank, int64_t *n, const reel_tensor *x)
{
    reel_axes axes = { .count = 0 };
    *n = reel_count(x);
    if (chance(0.2)) return REEL_ALL;
    *n = 1;
    if (chance(0.5)) axes = REEL_AXES(rank - 1);
    else
        for (int d = 0; d < rank; d++)
            if (chance(0.4)) axes.axis[axes.count++] = d;
    if (!axes.count) axes = REEL_AXES(below(rank));
    for (int d = 0; d < axes.count; d++) *n *= reel_dim(x, axes.axis[d]);
    return axes;
}

static void reduce(maker *m)
{
    item a = pick_ranked(m, true);
    int64_t n;
    reel_axes axes = random_axes(reel_rank(a.x), &n, a.x);
    reel_keep_dims keep = chance(0.5) ? REEL_KEEP : REEL_DROP;
    double width = a.high - a.low, count = (double)n + 1, most = fmax(fabs(a.low), fabs(a.high));
    int axis = below(reel_rank(a.x)), what = below(10);
    if (!reel_count(a.x) && what != 0) what = 0;
    switch (what) {
    case 0: add(m, reel_sum(a.x, axes, keep), -count * most, count * most, a.from); return;
    case 1: add(m, reel_mean(a.x, axes, keep), a.low, a.high, a.from); return;
    case 2: add(m, reel_var(a.x, axes, keep), 0, width * width, a.from); return;
    case 3: add(m, reel_max(a.x, axes, keep), a.low, a.high, a.from); return;
    case 4: add(m, reel_min(a.x, axes, keep), a.low, a.high, a.from); return;
    case 5: add(m, reel_argmax(a.x, axis), 0, (double)reel_dim(a.x, axis), 0); return;
    case 6: add(m, reel_logsumexp(a.x, axes, keep), a.low, a.high + log(count), a.from); return;
    case 7: add(m, reel_softmax(a.x, axis), 0, 1, a.from); return;
    case 8: add(m, reel_log_softmax(a.x, axis), -width - log(count), 0, a.from); return;
    default: add(m, reel_sum(reel_mul(a.x, a.x), axes, keep), 0, count * most * most, a.from); return;
    }
}

/* Rows that are longer than a tile holds, reduced at once. */
static void long_rows(maker *m)
{
    static reel_tensor *(*const ops[])(reel_tensor *, reel_axes, reel_keep_dims) = { reel_sum, reel_max, reel_mean };
    item a = new_leaf(m, m->g->dtype, REEL_SHAPE(1 + below(3), 1025 + below(3200)));
    item b = partner(m, &a);
    reel_tensor *x = reel_mul(reel_tanh(a.x), b.x);
    int64_t n = reel_dim(x, -1);
    reel_tensor *y = ops[below(3)](x, REEL_AXES(reel_rank(x) - 1), REEL_DROP);
    add(m, y, -2 * (double)n, 2 * (double)n, a.from | b.from);
}

/* x less its mean, over its deviation, times a parameter. */
static void normalise(maker *m)
{
    item a = pick_ranked(m, true);
    reel_axes last = REEL_AXES(chance(0.7) ? reel_rank(a.x) - 1 : below(reel_rank(a.x)));
    if (!reel_count(a.x)) return;
    reel_tensor *centred = reel_sub(a.x, reel_mean(a.x, last, REEL_KEEP));
    reel_tensor *scale = reel_rsqrt(reel_shift(reel_var(a.x, last, REEL_KEEP), 0.05));
    item w = new_leaf(m, reel_dtype_of(a.x), REEL_SHAPE(reel_dim(a.x, -1)));
    add(m, reel_mul(reel_mul(centred, scale), w.x), -9, 9, a.from | w.from);
}

/* ---- Products ---------------------------------------------------------------------------------------------------- */

/* Each axis of a is a batch, a row or a summed one; b has those of batch and sum and one or two of its own, in any order. */
static void contract(maker *m)
{
    item a = pick_ranked(m, true);
    char spec[32], la[8] = "", lb[8] = "", ly[8] = "";
    int rank = reel_rank(a.x), nb = 0, ny = 0;
    reel_shape s = { .rank = 0 };
    double k = 1;
    int64_t count = 1;
    if (rank > 4) return; /* contract_many() is for those */
    for (int d = 0; d < rank; d++) {
        int role = below(10);
        la[d] = (char)('a' + d);
        if (role >= 2 && role < 6) k *= (double)reel_dim(a.x, d);
        if (role < 6) s.size[nb] = reel_dim(a.x, d), lb[nb++] = la[d];
        if (role < 2 || role >= 6) ly[ny++] = la[d], count *= reel_dim(a.x, d);
    }
    for (int d = 0; d < 1 + (below(4) == 0) - (below(6) == 0); d++) {
        s.size[nb] = random_size() % 70, count *= s.size[nb];
        lb[nb++] = ly[ny++] = (char)('p' + d);
    }
    if ((double)count * k > 3e5 || count > MOST) return;
    s.rank = nb;
    for (int d = nb; d-- > 1;) {
        int e = below(d + 1);
        char c = lb[d];
        int64_t size = s.size[d];
        lb[d] = lb[e], lb[e] = c, s.size[d] = s.size[e], s.size[e] = size;
    }
    for (int d = ny; chance(0.4) && d-- > 1;) {
        int e = below(d + 1);
        char c = ly[d];
        ly[d] = ly[e], ly[e] = c;
    }
    if (count_of(s) > MOST) return;
    item b = chance(0.3) ? strided_leaf(m, reel_dtype_of(a.x), s) : new_leaf(m, reel_dtype_of(a.x), s);
    for (int i = 0; chance(0.8) && i < m->count; i++) {
        reel_shape other = reel_shape_of(m->items[i].x);
        if (reel_dtype_of(m->items[i].x) == reel_dtype_of(a.x) && other.rank == s.rank &&
            !memcmp(other.size, s.size, (size_t)s.rank * sizeof *s.size))
            b = m->items[i];
    }
    snprintf(spec, sizeof spec, "%s,%s->%s", la, lb, ly);
    double most = k * fmax(fabs(a.low), fabs(a.high)) * fmax(fabs(b.low), fabs(b.high));
    if (chance(0.3) && ly[0])
        add(m, reel_contract(b.x, a.x, (snprintf(spec, sizeof spec, "%s,%s->%s", lb, la, ly), spec)), -most, most,
            a.from | b.from);
    else add(m, reel_contract(a.x, b.x, spec), -most, most, a.from | b.from);
}

static void shuffle(char *letters, int count)
{
    for (int d = count; d-- > 1;) {
        int e = below(d + 1);
        char c = letters[d];
        letters[d] = letters[e], letters[e] = c;
    }
}

static item leaf_of_letters(maker *m, const char *letters, const int64_t *size)
{
    reel_shape s = { .rank = (int)strlen(letters) };
    for (int d = 0; d < s.rank; d++) s.size[d] = size[letters[d] - 'a'];
    if (!chance(0.3)) return new_leaf(m, m->g->dtype, s);
    for (int d = 0; d < s.rank; d++) s.size[d] = chance(0.5) ? 1 : s.size[d]; /* repeated along some axes */
    item x = new_leaf(m, m->g->dtype, s);
    for (int d = 0; d < s.rank; d++) s.size[d] = size[letters[d] - 'a'];
    x.x = reel_expand(x.x, s);
    return x;
}

/* A contraction of as many axes as there can be, in any order in both operands and the result. */
static void contract_many(maker *m)
{
    char la[9] = "", lb[9] = "", ly[9] = "", spec[32];
    int64_t size[16], k = 1, count = 1;
    for (int d = 0; d < 16; d++) size[d] = chance(0.02) ? 0 : 1 + below(3);
    for (char l = 'a'; l < 'm'; l++) {
        int role = below(4), a = (int)strlen(la), b = (int)strlen(lb), y = (int)strlen(ly);
        if (role != 1 && a < 8) la[a] = l;
        if (role != 0 && b < 8) lb[b] = l;
        bool both = strchr(la, l) && strchr(lb, l);
        if ((role < 2 || (both && chance(0.3))) && (strchr(la, l) || strchr(lb, l)) && y < 8) ly[y] = l;
    }
    shuffle(la, (int)strlen(la)), shuffle(lb, (int)strlen(lb)), shuffle(ly, (int)strlen(ly));
    for (const char *l = la; *l; l++) k *= strchr(ly, *l) ? 1 : size[*l - 'a'];
    for (const char *l = ly; *l; l++) count *= size[*l - 'a'];
    if (count * k > 200000 || count > MOST) return;
    item a = leaf_of_letters(m, la, size), b = leaf_of_letters(m, lb, size);
    if (count_of(reel_shape_of(a.x)) > MOST || count_of(reel_shape_of(b.x)) > MOST) return;
    snprintf(spec, sizeof spec, "%s,%s->%s", la, lb, ly);
    reel_tensor *y = reel_scale(reel_contract(a.x, b.x, spec), 1 / (1 + (double)k));
    add(m, y, -9, 9, a.from | b.from);
}

/* A layer: a product, its bias, an activation. */
static void layer(maker *m)
{
    item a = pick_ranked(m, true);
    int64_t in = reel_dim(a.x, -1), out = 1 + below(20);
    reel_dtype dtype = reel_dtype_of(a.x);
    if (reel_count(a.x) * out > 300000 || (in && reel_count(a.x) / in * out > MOST)) return;
    item w = chance(0.2) ? strided_leaf(m, dtype, REEL_SHAPE(in, out)) : new_leaf(m, dtype, REEL_SHAPE(in, out));
    item b = new_leaf(m, dtype, REEL_SHAPE(out));
    reel_tensor *y = reel_add(reel_scale(reel_matmul(a.x, w.x), 1 / (1 + sqrt((double)in))), b.x);
    y = chance(0.4) ? reel_tanh(y) : chance(0.5) ? reel_relu(y) : chance(0.5) ? reel_softmax(y, -1) : y;
    add(m, y, -9, 9, a.from | w.from | b.from);
}

/* One weight against the rows of several slices of one value, as the inputs of all steps of a recurrent network are, at
 * equal distances or not, forwards or backwards; a bias and an activation after some. */
static void unroll(maker *m)
{
    int steps = 2 + below(5), rows = 1 + below(4), way = below(4);
    int64_t in = 1 + below(9), out = 1 + below(12);
    item x = new_leaf(m, m->g->dtype, REEL_SHAPE(steps * rows + 7, in)),
         w = new_leaf(m, m->g->dtype, REEL_SHAPE(in, out));
    item b = new_leaf(m, m->g->dtype, REEL_SHAPE(out));
    reel_tensor *part[6], *from = chance(0.5) ? reel_tanh(x.x) : x.x;
    const double most = 4 * (double)in;
    for (int t = 0; t < steps; t++) {
        int64_t at = way == 0 ? t * rows : way == 1 ? (steps - 1 - t) * rows : way == 2 ? t : t * rows + t * t / 4;
        part[t] = reel_matmul(reel_slice(from, 0, at, at + rows), w.x);
        if (chance(0.6)) part[t] = reel_tanh(reel_add(part[t], b.x));
        if (chance(0.2)) add(m, part[t], -most, most, x.from | w.from);
    }
    reel_tensor *y = reel_concat(part, steps, 0);
    for (int t = 1; chance(0.7) && t < steps; t++) y = t == 1 ? reel_add(part[0], part[1]) : reel_mul(y, part[t]);
    add(m, reel_tanh(y), -1, 1, x.from | w.from);
}

/* One weight in several products, on either side and turned, large enough to be cut into blocks. */
static void tie(maker *m)
{
    int64_t n = chance(0.5) ? 17 + below(60) : 2 + below(9), rows = 1 + below(40);
    item w = new_leaf(m, m->g->dtype, REEL_SHAPE(n, n)), a = new_leaf(m, m->g->dtype, REEL_SHAPE(rows, n));
    item b = new_leaf(m, m->g->dtype, REEL_SHAPE(n, 1 + below(9)));
    const double most = 4 * (double)n, scale = 1 / (double)n;
    reel_tensor *first = reel_matmul(a.x, w.x),
                *second = reel_matmul(reel_tanh(a.x), chance(0.3) ? reel_transpose(w.x) : w.x);
    add(m, reel_add(reel_scale(first, scale), reel_scale(second, scale)), -8, 8, a.from | w.from);
    if (chance(0.5)) add(m, reel_matmul(reel_tanh(reel_scale(first, scale)), w.x), -most, most, a.from | w.from);
    if (chance(0.5)) add(m, reel_matmul(w.x, b.x), -most, most, b.from | w.from);
}

/* A value with views of itself that have its shape: a row or a column of it for all, its halves, itself turned. */
static void with_itself(maker *m)
{
    item a = pick_ranked(m, true);
    int rank = reel_rank(a.x), axis = below(rank);
    int64_t n = reel_dim(a.x, axis), at = chance(0.6) ? 0 : below((int)n);
    if (!reel_count(a.x) || reel_count(a.x) > MOST / 2) return;
    reel_tensor *x = reel_tanh(a.x), *one = reel_slice(x, axis, at, at + 1), *y = reel_mul(x, one);
    if (rank > 1 && chance(0.5)) y = reel_mul(reel_sum(x, REEL_AXES(axis), REEL_DROP), reel_squeeze(one, axis));
    else if (chance(0.3)) y = reel_sub(reel_exp(x), reel_mul(one, reel_sum(x, REEL_AXES(rank - 1), REEL_KEEP)));
    const double most = 3 + (double)reel_dim(a.x, rank - 1);
    add(m, y, -most * (double)n, most * (double)n, a.from);
}

/* What has one value for each row, by values of rows that do not lie one after the other: columns of a leaf. */
static void per_row(maker *m)
{
    item a = pick_ranked(m, true);
    int last = reel_rank(a.x) - 1;
    int64_t n = reel_dim(a.x, last);
    if (!reel_count(a.x) || n > 1000 || reel_count(a.x) > MOST / 2) return;
    item b = new_leaf(m, reel_dtype_of(a.x), reel_shape_of(a.x));
    int64_t first = below((int)n), second = below((int)n);
    reel_tensor *x = reel_tanh(a.x), *sum = reel_mean(x, REEL_AXES(last), REEL_KEEP);
    reel_tensor *row = reel_mul(sum, reel_slice(b.x, last, first, first + 1));
    if (chance(0.6)) row = reel_tanh(reel_sub(row, reel_slice(b.x, last, second, second + 1)));
    add(m, reel_mul(x, row), -6, 6, a.from | b.from);
}

/* ---- Views and parts --------------------------------------------------------------------------------------------- */

static reel_tensor *reshaped(reel_tensor *x)
{
    int64_t rest = reel_count(x);
    reel_shape s = { .rank = 0 };
    if (!rest) return reel_reshape(x, REEL_SHAPE(0));
    for (int64_t f = 2; f <= 7 && s.rank < 3; f++)
        if (rest % f == 0 && chance(0.5)) s.size[s.rank++] = f, rest /= f;
    if (rest != 1 || chance(0.2)) s.size[s.rank++] = rest;
    return reel_reshape(x, s);
}

static reel_tensor *permuted(reel_tensor *x)
{
    reel_axes order = { .count = reel_rank(x) };
    for (int d = 0; d < order.count; d++) order.axis[d] = d;
    for (int d = order.count; d-- > 1;) {
        int e = below(d + 1), t = order.axis[d];
        order.axis[d] = order.axis[e], order.axis[e] = t;
    }
    return reel_permute(x, order);
}

static reel_tensor *expanded(reel_tensor *x)
{
    reel_shape s = reel_shape_of(x);
    if (s.rank < REEL_MAX_RANK && chance(0.5)) x = reel_unsqueeze(x, below(s.rank + 1)), s = reel_shape_of(x);
    for (int d = 0; d < s.rank; d++)
        if (s.size[d] == 1) s.size[d] = random_size() % 70;
    return count_of(s) > MOST ? x : reel_expand(x, s);
}

static void move(maker *m)
{
    item a = pick_ranked(m, false);
    int rank = reel_rank(a.x), axis = below(rank);
    int64_t n = reel_dim(a.x, axis), start = below((int)n + 1), stop = start + below((int)(n - start) + 1);
    reel_tensor *x = a.x, *y = x;
    if (stop == start && n && chance(0.9)) start = 0, stop = n;
    if (reel_count(x) > MOST / 4 && chance(0.7)) start = 0, stop = n > 9 ? 9 : n;
    switch (below(11)) {
    case 0: y = reshaped(x); break;
    case 1: y = permuted(x); break;
    case 2: y = rank > 1 ? reel_transpose(x) : reel_unsqueeze(x, -1); break;
    case 3: y = expanded(x); break;
    case 4: y = reel_slice(x, axis, start, stop); break;
    case 5: y = reel_slice_step(x, axis, start, stop, 1 + below(3)); break;
    case 6: y = reel_count(x) < MOST / 4 ? reel_pad(x, axis, below(3), below(3)) : x; break;
    case 7: y = reel_count(x) < MOST / 8 ? reel_pad_step(x, axis, below(3), below(2), 1 + below(3)) : x; break;
    case 8: y = reel_flip(x, chance(0.2) ? REEL_ALL : REEL_AXES(axis)); break;
    case 9: y = permuted(reel_slice(x, axis, start, stop)); break;
    default: y = reshaped(permuted(x)); break;
    }
    add(m, y, fmin(a.low, 0), fmax(a.high, 0), a.from);
}

static void sum_to(maker *m)
{
    item a = pick_ranked(m, false);
    double most = fmax(fabs(a.low), fabs(a.high)) * (double)(reel_count(a.x) + 1);
    add(m, reel_sum_to(a.x, narrowed(reel_shape_of(a.x))), -most, most, a.from);
}

static void join(maker *m)
{
    item a = pick_ranked(m, false);
    int axis = below(reel_rank(a.x)), count = 1 + below(4);
    reel_tensor *part[4];
    double low = a.low, high = a.high;
    uint64_t from = 0;
    bool stack = chance(0.3) && reel_rank(a.x) < 5;
    if (reel_count(a.x) * count > MOST) return;
    for (int i = 0; i < count; i++) {
        item b = a;
        reel_shape s = reel_shape_of(a.x);
        if (!stack) s.size[axis] = below(6);
        int what = below(4);
        if (what == 0) b = new_leaf(m, reel_dtype_of(a.x), s);
        else if (what == 1 && reel_dtype_of(a.x) != REEL_I32) b.x = reel_tanh(a.x), b.low = -1, b.high = 1;
        else if (what == 2) b.x = reel_flip(a.x, REEL_AXES(axis));
        part[i] = b.x, from |= b.from, low = fmin(low, b.low), high = fmax(high, b.high);
    }
    add(m, stack ? reel_stack(part, count, axis) : reel_concat(part, count, axis), low, high, from);
}

/* ---- Indices ----------------------------------------------------------------------------------------------------- */

static reel_tensor *indices_below(maker *m, int64_t n)
{
    reel_shape s = { .rank = below(3) };
    for (int d = 0; d < s.rank; d++) s.size[d] = below(9);
    item i = pick_any(m);
    if (chance(0.5) || reel_dtype_of(i.x) != REEL_I32 || reel_count(i.x) > 40 || reel_rank(i.x) > 2)
        i.x = m->g->input_count < GRAPH_INPUTS - 8
                  ? graph_input(m->g, new_name(m, "i"), REEL_I32, s, 0, (double)(n - 1))
                  : reel_iota(m->items[0].x, n < 5 ? n : 5);
    else i.x = reel_maximum(reel_minimum(i.x, reel_number(i.x, (double)(n - 1))), reel_number(i.x, 0));
    return chance(0.4) ? reel_in_range(i.x, n) : i.x;
}

static void index_rows(maker *m)
{
    item a = pick_ranked(m, false);
    int axis = below(reel_rank(a.x));
    int64_t n = reel_dim(a.x, axis);
    if (!n) return;
    reel_tensor *i = indices_below(m, n);
    if (reel_count(a.x) / n * reel_count(i) > MOST || reel_rank(a.x) + reel_rank(i) > 6) return;
    item y = { reel_take(a.x, i, axis), a.low, a.high, a.from };
    add(m, y.x, y.low, y.high, y.from);
    double most = fmax(fabs(a.low), fabs(a.high)) * (double)(reel_count(i) + 1);
    if (chance(0.5) && reel_dtype_of(a.x) != REEL_I32)
        add(m, reel_scatter_add(chance(0.5) ? y.x : reel_tanh(y.x), i, axis, n), -most, most, y.from);
    if (chance(0.3) && reel_count(i) * n < MOST) add(m, reel_one_hot(i, n, m->g->dtype), 0, 1, 0);
}

static void count_up(maker *m)
{
    int64_t n = random_size();
    add(m, reel_iota(m->items[0].x, n), 0, (double)n, 0);
}

/* ---- States ------------------------------------------------------------------------------------------------------ */

static item pick_main(maker *m)
{
    for (int k = 0; k < 30; k++) {
        item a = pick_real(m);
        if (reel_dtype_of(a.x) == m->g->dtype) return a;
    }
    return m->items[0];
}

static reel_tensor *new_state(maker *m, reel_shape s)
{
    return reel_state(m->g->tape, new_name(m, "s"), m->g->dtype, s);
}

/* s ← view of t, t ← view of s, or of itself. */
static void exchange(maker *m, reel_shape s)
{
    reel_tensor *a = new_state(m, s), *b = new_state(m, s);
    reel_tensor *to_a = s.rank && chance(0.4) ? reel_flip(b, REEL_ALL) : b;
    reel_tensor *to_b = chance(0.5)   ? a
                        : chance(0.5) ? reel_shift(b, 0.25)
                                      : reel_add(reel_scale(a, 0.5), reel_number(a, 1));
    add(m, chance(0.5) ? a : reel_mul(a, b), -9, 9, 0);
    reel_assign(a, to_a);
    reel_assign(b, to_b);
}

static void assign(maker *m)
{
    item a = pick_main(m);
    reel_shape s = reel_shape_of(a.x);
    double most = fmax(fabs(a.low), fabs(a.high));
    switch (below(5)) {
    case 0: exchange(m, s); return;
    case 1: reel_assign(new_state(m, s), a.x); return;
    case 2: { /* of two axes of one size: its own transpose, moved */
        reel_tensor *t = new_state(m, REEL_SHAPE(5, 5));
        reel_assign(t, reel_add(reel_transpose(t), new_parameter(m, REEL_SHAPE(5), false).x));
        add(m, t, -9, 9, 0);
        return;
    }
    case 3: {
        item p = new_parameter(m, s, false);
        reel_tensor *y = reel_assign(p.x, reel_add(reel_scale(p.x, 0.5), reel_scale(a.x, 0.1)));
        add(m, y, -2 - most, 2 + most, a.from | p.from);
        return;
    }
    default: {
        reel_tensor *t = new_state(m, s);
        reel_tensor *y = reel_assign(t, reel_add(reel_scale(t, 0.9), reel_scale(a.x, 0.1)));
        add(m, chance(0.5) ? y : reel_sub(y, t), -2 * most, 2 * most, a.from);
    }
    }
}

/* ---- Losses and updates ------------------------------------------------------------------------------------------ */

static item scalar_of(maker *m)
{
    item a = pick_main(m);
    for (int k = 0; k < 20 && !(a.from & m->trained); k++) a = pick_main(m);
    reel_tensor *y = chance(0.5) ? reel_square(a.x) : reel_tanh(a.x);
    y = reel_count(a.x) == 0 || chance(0.3) ? reel_scale(reel_sum(y, REEL_ALL, REEL_DROP), 0.01)
                                            : reel_mean(y, REEL_ALL, REEL_DROP);
    return (item){ y, -50, 50, a.from };
}

/* The gradient of a scalar with respect to a leaf, as a value of the program: the loss will differentiate it again. */
static void differentiate(maker *m)
{
    item y = scalar_of(m);
    for (int i = 0; i < m->leaf_count; i++)
        if (y.from >> i & 1 && reel_dtype_of(m->leaf[i]) == m->g->dtype && chance(0.4)) {
            reel_tensor *gx = reel_gradient(y.x, m->leaf[i]);
            add(m, chance(0.5) ? gx : reel_tanh(gx), -5, 5, 0);
            return;
        }
}

static reel_tensor *random_loss(maker *m)
{
    item p = m->items[1];
    reel_tensor *loss = reel_scale(reel_sum(reel_square(p.x), REEL_ALL, REEL_DROP), 0.01);
    for (int k = 1 + below(3); k-- > 0;) loss = reel_add(loss, scalar_of(m).x);
    return loss;
}

static void update(maker *m)
{
    reel_tensor *loss = random_loss(m);
    reel_list *p = reel_parameters(loss, "p*"), *g = reel_gradients(loss, p);
    reel_tensor *rate = chance(0.3) ? graph_input(m->g, "rate", m->g->dtype, REEL_SCALAR, 0.01, 0.05) : NULL;
    double lr = rate ? 0 : 0.02;
    if (chance(0.4)) g = reel_clip_norm(g, 1);
    if (chance(0.3)) reel_keep(reel_list_at(g, reel_list_count(g) - 1), "last_gradient");
    switch (below(4)) {
    case 0:
        reel_sgd_update(p, g,
                        (reel_sgd_options){ .lr = lr, .lr_tensor = rate, .weight_decay = chance(0.5) ? 0.01 : 0 });
        return;
    case 1:
        reel_sgd_update(p, g,
                        (reel_sgd_options){ .lr = lr, .lr_tensor = rate, .momentum = 0.9, .nesterov = chance(0.5) });
        return;
    case 2:
        reel_adam_update(p, g,
                         (reel_adam_options){ .lr = lr, .lr_tensor = rate, .weight_decay = chance(0.5) ? 0.01 : 0 });
        return;
    default: /* by hand, and the new values are read in the same run */
        for (int i = 0; i < reel_list_count(p); i++) {
            reel_tensor *w = reel_list_at(p, i);
            reel_tensor *to = reel_assign(w, reel_sub(w, reel_scale(reel_list_at(g, i), 0.01)));
            if (i == 0) reel_keep(reel_sum(reel_abs(to), REEL_ALL, REEL_DROP), "moved");
        }
    }
}

/* ---- The program ------------------------------------------------------------------------------------------------- */

static const struct {
    void (*step)(maker *m);
    int weight;
} kinds[] = {
    { unary, 24 },    { arithmetic, 26 }, { cast, 3 },          { compare, 3 },   { where, 6 },  { reduce, 16 },
    { normalise, 3 }, { contract, 10 },   { contract_many, 3 }, { layer, 8 },     { move, 18 },  { sum_to, 2 },
    { join, 5 },      { index_rows, 5 },  { count_up, 1 },      { long_rows, 2 }, { assign, 5 }, { differentiate, 2 },
    { unroll, 4 },    { tie, 3 },         { with_itself, 4 },   { per_row, 3 },
};

static void random_step(maker *m)
{
    int total = 0, k = 0;
    for (int i = 0; i < COUNT(kinds); i++) total += kinds[i].weight;
    for (int at = below(total); at >= kinds[k].weight; k++) at -= kinds[k].weight;
    kinds[k].step(m);
}

void random_graph(graph *g)
{
    maker *m = calloc(1, sizeof *m);
    random_seed(mixed(g->seed + 1));
    m->g = g;
    g->dtype = chance(0.2) ? REEL_F64 : REEL_F32;
    item x = new_input(m, g->dtype, random_shape());
    m->items[m->count++] = x;
    m->items[m->count++] = new_parameter(m, random_shape(), true);
    for (int k = below(4); k > 0; k--) {
        item leaf = new_leaf(m, chance(0.1) ? REEL_I32 : g->dtype, random_shape());
        add(m, leaf.x, leaf.low, leaf.high, leaf.from);
    }
    int steps = 1 + below(GRAPH_STEPS);
    for (int k = 0; k < steps && (!g->steps || k < g->steps); k++) random_step(m);
    reel_keep(m->items[m->count - 1].x, "last");
    update(m);
    free(m);
}
