/* Plans a product: which operand lies in vectors, what is packed, which blocks to run. All of it is speed, none of it
 * changes a bit (product.h). */
#include "ops/product/product.h"
#include "core/base/isa.h"
#include "ops/product/product_kernels.h"

int reel__product_y_rows(int most, int64_t rows)
{
    if (rows <= most) return rows < 1 ? 1 : (int)rows;
    const int64_t tiles = (rows + most - 1) / most;
    return (int)((rows + tiles - 1) / tiles);
}

/* Joins neighbours that are one axis in memory and drops axes of one element; at least one axis is left. */
static int join_axes(int axes, const reel__axis *from, reel__axis *to)
{
    int n = 0;
    for (int i = 0; i < axes; i++) {
        if (from[i].size == 1) continue;
        if (n > 0 && to[n - 1].stride == from[i].size * from[i].stride) {
            to[n - 1].size *= from[i].size;
            to[n - 1].stride = from[i].stride;
        } else {
            to[n++] = from[i];
        }
    }
    if (n == 0) to[n++] = (reel__axis){1, 1};
    return n;
}

static reel__product_operand operand_of(const reel__side *side, reel__product_use use)
{
    reel__product_operand o = {.use = use, .rows = 1, .k = 1};
    o.side.row_axes = join_axes(side->row_axes, side->row, o.side.row);
    o.side.k_axes = join_axes(side->k_axes, side->k, o.side.k);
    for (int i = 0; i < o.side.row_axes; i++) o.rows *= o.side.row[i].size;
    for (int i = 0; i < o.side.k_axes; i++) o.k *= o.side.k[i].size;
    o.row_stride = o.side.row[0].stride;
    o.k_stride = o.side.k[0].stride;
    return o;
}

static int is_plain(const reel__product_operand *o) { return o->side.row_axes == 1 && o->side.k_axes == 1; }

static int can_be_x(const reel__product_operand *o)
{
    return o->use == REEL__PACKED_X || (o->use == REEL__IN_PLACE && is_plain(o) && o->row_stride == 1);
}

typedef struct {
    const reel__product_kernels *kernels;
    int element;
    int64_t lanes, l1, l2;
} machine;

/* Lines that strided reads can keep in a cache of eight ways: fewer than there are when the stride is a large power
 * of two. */
static int64_t lines_kept(int64_t stride_bytes, int64_t cache)
{
    int64_t way = cache / 8, s = stride_bytes < 0 ? -stride_bytes : stride_bytes;
    int64_t apart = way;
    while (apart > 64 && s % apart != 0) apart /= 2;
    if (s == 0) apart = 64;
    return 8 * way / apart;
}

typedef struct {
    reel__product_use x, y;
    int x_copied;
    double cost;
} choice;

/* Costs in units of one vector's fused multiply-add, fitted to measurements on an AVX-512 and an AVX2 machine; they
 * decide between alternatives that differ by tens of percent. An element packed: x and y, where rows or where k are
 * contiguous; anything else costs ANY_STRIDE. A tile's step in k whose row of x is not in the first, in the second
 * cache. */
typedef struct {
    double x_straight, x_turned, y_straight, y_turned, l1_miss, l2_miss;
} costs;
static const costs costs_of[REEL__ISAS] = {
    [REEL__BASELINE] = {0.05, 0.05, 0.05, 0.05, 0.1, 0.3},
    [REEL__AVX2] = {0.8, 0.8, 2.0, 1.0, 0.8, 2.5},
    [REEL__AVX512] = {0.3, 0.35, 0.5, 0.5, 0.25, 1.2},
};
#define ANY_STRIDE 3.0

static double pack_cost(const machine *m, const reel__product_operand *o, double straight, double turned)
{
    const double each = o->row_stride == 1 ? straight : o->k_stride == 1 ? turned : ANY_STRIDE;
    return (double)o->rows * (double)o->k * each * (m->element == 8 ? 1.5 : 1.0);
}

/* Two of them: a read that strides a large power of two uses few of a cache's lines. */
static double x_stall(const machine *m, const costs *cost, const reel__product_operand *x, double steps)
{
    const int64_t piece = x->k < REEL__PIECE ? x->k : REEL__PIECE, stride = x->k_stride * m->element;
    if (2 * piece > lines_kept(stride, m->l2)) return steps * cost->l2_miss;
    if (piece > lines_kept(stride, m->l1)) return steps * cost->l1_miss;
    return 0;
}

static double y_stall(const machine *m, const costs *cost, const reel__product_operand *y, int64_t rows, double steps)
{
    const int64_t piece = y->k < REEL__PIECE ? y->k : REEL__PIECE;
    if (y->k_stride == 1) /* as many streams as rows, each a line at a time */
        return 2 * rows > lines_kept(y->row_stride * m->element, m->l1) ? steps * cost->l2_miss : 0;
    return 2 * piece > lines_kept(y->k_stride * m->element, m->l2) ? steps * cost->l2_miss : 0;
}

static int chosen(const reel__product_operand *o) { return o->use == REEL__PACKED_X || o->use == REEL__PACKED_Y; }

static choice orientation_cost(const machine *m, const costs *cost, const reel__product_operand *x,
                               const reel__product_operand *y, int64_t c_x, int64_t c_y)
{
    const int64_t rows = reel__product_y_rows(m->kernels->rows, y->rows), tiles = (y->rows + rows - 1) / rows;
    const double k = (double)x->k, vectors = (double)((x->rows + m->lanes - 1) / m->lanes);
    const double steps = (vectors + 1) / 2 * (double)tiles * k;
    const int streams = y->rows == 1 && is_plain(y) && (y->use == REEL__AUTO || y->use == REEL__IN_PLACE);
    choice c = {.x = x->use, .y = y->use, .cost = vectors * (double)y->rows * k};
    if (c_x != 1)
        c.cost += (double)x->rows * (double)y->rows * (double)((x->k + REEL__PIECE - 1) / REEL__PIECE) *
                  (c_y == 1 ? 0.5 : ANY_STRIDE);
    if (!chosen(x)) {
        const int in_place = is_plain(x) && x->use != REEL__PACK &&
                             (x->row_stride == 1 || (streams && x->k_stride == 1));
        const double stall = tiles > 1 ? x_stall(m, cost, x, steps) : 0;
        double pack = pack_cost(m, x, cost->x_straight, cost->x_turned);
        c.x_copied = is_plain(x) && x->row_stride == 1 && tiles > 1;
        if (c.x_copied) pack = pack / 4 + stall / (double)tiles;
        c.x = in_place && (x->use == REEL__IN_PLACE || stall <= pack) ? REEL__IN_PLACE : REEL__PACK;
        c.cost += c.x == REEL__PACK ? pack : stall;
    }
    if (!chosen(y)) {
        const int in_place = is_plain(y) && y->use != REEL__PACK;
        const double stall = y_stall(m, cost, y, rows, steps);
        const double pack = pack_cost(m, y, cost->y_straight, cost->y_turned);
        c.y = in_place && (y->use == REEL__IN_PLACE || streams || stall <= pack) ? REEL__IN_PLACE : REEL__PACK;
        c.cost += c.y == REEL__PACK ? pack : stall;
    }
    c.x_copied = c.x_copied && c.x == REEL__PACK;
    return c;
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static void plan_blocks(reel__product_plan *p, const machine *m)
{
    const int64_t piece = smaller(p->k, REEL__PIECE), element = p->element;
    const int64_t y_rows = p->y.width, x_width = p->x.width;
    int64_t ny = m->l2 / 2 / (piece * element + 1) / y_rows * y_rows;
    if (ny < y_rows) ny = y_rows;
    ny = smaller(ny, p->y.rows);
    int64_t nx = smaller(p->x.rows, (4 << 20) / (ny * element + 1) / x_width * x_width + x_width);
    p->block_m = p->over_m ? nx : ny;
    p->block_n = p->over_m ? ny : nx;
    p->step_m = p->over_m ? x_width : y_rows;
    p->step_n = p->over_m ? y_rows : x_width;
    p->x_panels = (int)(256 / (x_width * element));
    if (p->x_panels < 1 || p->x_copied) p->x_panels = 1;
    p->y_workspace = 0;
    if (p->y.use == REEL__PACK)
        p->y_workspace = (size_t)((ny + y_rows - 1) / y_rows * y_rows * piece * element + 63) / 64 * 64;
    p->workspace = p->y_workspace + (p->x.use == REEL__PACK ? (size_t)(p->x_panels * x_width * piece * element) : 0);
}

reel__product_plan reel__product_plan_make(const reel__product *p)
{
    machine m = {
        .kernels = reel__product_kernels_of(p->isa, p->element), .element = p->element,
        .l1 = p->l1 ? p->l1 : 32 << 10, .l2 = p->l2 ? p->l2 : 1 << 20,
    };
    m.lanes = m.kernels->width / 2;
    const reel__product_operand a = operand_of(&p->a, p->a_use), b = operand_of(&p->b, p->b_use);
    reel__product_plan plan = {.isa = p->isa, .element = p->element, .m = a.rows, .n = b.rows, .k = a.k};
    const costs *const cost = &costs_of[p->isa];
    const choice over_n = orientation_cost(&m, cost, &b, &a, p->c_n, p->c_m);
    const choice over_m = orientation_cost(&m, cost, &a, &b, p->c_m, p->c_n);
    if (a.use == REEL__PACKED_X || b.use == REEL__PACKED_Y)
        plan.over_m = 1;
    else if (a.use == REEL__PACKED_Y || b.use == REEL__PACKED_X)
        plan.over_m = 0;
    else if (a.use == REEL__IN_PLACE && b.use == REEL__IN_PLACE && can_be_x(&a) != can_be_x(&b))
        plan.over_m = can_be_x(&a);
    else
        plan.over_m = over_m.cost < over_n.cost;
    const choice c = plan.over_m ? over_m : over_n;
    plan.x = plan.over_m ? a : b;
    plan.y = plan.over_m ? b : a;
    plan.x.use = c.x;
    plan.y.use = c.y;
    plan.x.width = m.kernels->width;
    plan.y.width = reel__product_y_rows(m.kernels->rows, plan.y.rows);
    plan.x_copied = c.x_copied;
    plan_blocks(&plan, &m);
    return plan;
}
