/* Plans a product: which operand lies in vectors, what is packed, which blocks to run. All of it is speed, none of it
 * changes a bit (ops/contract.c). */
#include "ops/kernels/product/product_kernels.h"

int reel__product_y_rows(int most, int64_t rows)
{
    if (rows <= most) return rows < 1 ? 1 : (int)rows;
    const int64_t tiles = (rows + most - 1) / most;
    return (int)((rows + tiles - 1) / tiles);
}

static reel__product_operand operand_of(const reel__side *side, reel__product_use use)
{
    reel__product_operand o = { .side = *side, .use = use, .rows = 1, .k = 1 };
    for (int i = 0; i < side->row_axes; i++) o.rows *= side->row[i].size;
    for (int i = 0; i < side->k_axes; i++) o.k *= side->k[i].size;
    o.row_stride = side->row[0].stride;
    o.k_stride = side->k[0].stride;
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

/* Lines that strided reads can keep in a cache of eight ways: fewer than there are when the
 * stride is a multiple of a large power of two. */
static int64_t lines_kept(int64_t stride_bytes, int64_t cache)
{
    const int64_t way = cache / 8;
    int64_t apart = 64;
    while (apart < way && stride_bytes % (2 * apart) == 0 && stride_bytes != 0) apart *= 2;
    return apart < way ? 8 * (way / apart) : 8;
}

typedef struct {
    reel__product_use x, y;
    int x_copied;
    double cost;
} choice;

/* Costs in units of one vector's fused multiply-add, fitted to measurements; they decide between
 * alternatives that differ by tens of percent. */
typedef struct {
    double x_straight, x_across; /* an element of x packed, its rows or its k contiguous */
    double y_straight, y_across; /* the same of y */
    double l1_miss, l2_miss;     /* a tile's step in k whose x is not in that cache */
    double across;               /* an element of c stored across the vectors */
    double least_tile;           /* the least a tile's step can take: additions in flight */
    double masked;               /* a step with a mask against one without */
} costs;
static const costs costs_of[REEL__ISAS] = {
    [REEL__BASELINE] = { 0.05, 0.05, 0.05, 0.05, 0.1, 0.3, 0.2, 1, 1.0 },
    [REEL__AVX2] = { 0.8, 0.8, 2.0, 1.0, 0.8, 2.5, 1.5, 8, 1.12 },
    [REEL__AVX512] = { 0.3, 0.35, 0.5, 0.5, 0.25, 1.2, 1.0, 4, 1.0 },
};
#define ANY_STRIDE 3.0 /* an element packed or stored with no contiguous axis */

static double pack_cost(const machine *m, const reel__product_operand *o, double straight, double across)
{
    const double each = o->row_stride == 1 ? straight : o->k_stride == 1 ? across : ANY_STRIDE;
    return (double)o->rows * (double)o->k * each * (m->element == 8 ? 1.5 : 1.0);
}

/* What x in place costs more than a packed one, if a cache does not keep the lines of a piece: a read that strides a large
 * power of two uses few of them. Two pieces should fit the second cache, or one the first. */
static double x_stall(const machine *m, const costs *cost, const reel__product_operand *x, double steps)
{
    const int64_t piece = x->k < REEL__PRODUCT_PIECE ? x->k : REEL__PRODUCT_PIECE;
    const int64_t stride = x->k_stride * m->element;
    if (2 * piece > lines_kept(stride, m->l2)) return steps * cost->l2_miss;
    if (piece > lines_kept(stride, m->l1) && piece * m->kernels->width * m->element <= m->l1 / 2)
        return steps * cost->l1_miss;
    return 0;
}

static double y_stall(const machine *m, const costs *cost, const reel__product_operand *y, int64_t rows, double steps)
{
    const int64_t piece = y->k < REEL__PRODUCT_PIECE ? y->k : REEL__PRODUCT_PIECE;
    if (y->k_stride == 1) /* as many streams as rows, each a line at a time */
        return 2 * rows > lines_kept(y->row_stride * m->element, m->l1) ? steps * cost->l2_miss : 0;
    if (2 * piece > lines_kept(y->k_stride * m->element, m->l2)) return steps * cost->l2_miss;
    return piece * (64 + m->kernels->width * m->element) >= m->l1 ? 0.6 * steps * cost->l1_miss : 0;
}

/* One step in k of all the tiles that share a panel of x. */
static double tile_steps(const costs *cost, int64_t rows, int64_t tiles, int vectors)
{
    const double adds = (double)rows / (double)tiles * vectors;
    return (double)tiles * (adds > cost->least_tile ? adds : cost->least_tile);
}

static double compute_cost(const machine *m, const costs *cost, const reel__product_operand *x,
                           const reel__product_operand *y, int64_t tiles)
{
    const int64_t vectors = (x->rows + m->lanes - 1) / m->lanes;
    double step = (double)(vectors / 2) * tile_steps(cost, y->rows, tiles, 2);
    if (vectors % 2) step += tile_steps(cost, y->rows, tiles, 1);
    if (x->rows % m->lanes != 0) step += (cost->masked - 1) * tile_steps(cost, y->rows, tiles, vectors % 2 ? 1 : 2);
    return step * (double)x->k;
}

static int is_packed(const reel__product_operand *o) { return o->use == REEL__PACKED_X || o->use == REEL__PACKED_Y; }

/* One row of y and an x whose k is contiguous are dot products, which read x in place. */
static int are_dots(const reel__product_operand *x, const reel__product_operand *y)
{
    return y->rows == 1 && is_plain(y) && (y->use == REEL__AUTO || y->use == REEL__IN_PLACE) && x->row_stride != 1 &&
           x->k_stride == 1;
}

static void choose_x(const machine *m, const costs *cost, const reel__product_operand *x,
                     const reel__product_operand *y, int64_t tiles, double steps, choice *c)
{
    if (is_packed(x)) return;
    const int in_place = is_plain(x) && x->use != REEL__PACK && (x->row_stride == 1 || are_dots(x, y));
    const double stall = tiles > 1 ? x_stall(m, cost, x, steps) : 0;
    double pack = pack_cost(m, x, cost->x_straight, cost->x_across);
    /* A tile that copies waits for every row it reads: good where few tiles share x. Packing
     * alone waits less. */
    const int copied = m->kernels->copies && is_plain(x) && x->row_stride == 1 && tiles > 1 && tiles <= 8;
    if (copied) pack = pack / 4 + stall / (double)tiles;
    c->x = in_place && (x->use == REEL__IN_PLACE || stall <= pack) ? REEL__IN_PLACE : REEL__PACK;
    c->x_copied = copied && c->x == REEL__PACK;
    c->cost += c->x == REEL__PACK ? pack : stall;
}

static void choose_y(const machine *m, const costs *cost, const reel__product_operand *x,
                     const reel__product_operand *y, int64_t rows, double steps, choice *c)
{
    if (is_packed(y)) return;
    const int in_place = is_plain(y) && y->use != REEL__PACK;
    const double stall = y_stall(m, cost, y, rows, steps);
    const double pack = pack_cost(m, y, cost->y_straight, cost->y_across);
    const int stays = y->use == REEL__IN_PLACE || are_dots(x, y) || stall <= pack;
    c->y = in_place && stays ? REEL__IN_PLACE : REEL__PACK;
    c->cost += c->y == REEL__PACK ? pack : stall;
}

/* The best way to run x in vectors against y. */
static choice choose(const machine *m, const costs *cost, const reel__product_operand *x,
                     const reel__product_operand *y, int64_t c_x, int64_t c_y)
{
    const int64_t rows = reel__product_y_rows(m->kernels->rows, y->rows), tiles = (y->rows + rows - 1) / rows;
    const int64_t panels = (x->rows + m->kernels->width - 1) / m->kernels->width;
    const int64_t pieces = (x->k + REEL__PRODUCT_PIECE - 1) / REEL__PRODUCT_PIECE;
    const double steps = (double)(panels * tiles) * (double)x->k;
    choice c = { .x = x->use, .y = y->use, .cost = compute_cost(m, cost, x, y, tiles) };
    if (c_x != 1) c.cost += (double)x->rows * (double)y->rows * (double)pieces * (c_y == 1 ? cost->across : ANY_STRIDE);
    choose_x(m, cost, x, y, tiles, steps, &c);
    choose_y(m, cost, x, y, rows, steps, &c);
    return c;
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* About `limit` of `size`, in equal parts, a multiple of `step`. */
static int64_t part(int64_t size, int64_t limit, int64_t step)
{
    const int64_t parts = limit < size ? (size + limit / 2) / limit : 1;
    return smaller(size, ((size + parts - 1) / parts + step - 1) / step * step);
}

/* A block's y, as much of it as a piece of k needs, takes five eighths of the second cache (measured); c passes
 * through the third. */
static void plan_blocks(reel__product_plan *p, const machine *m)
{
    const int64_t piece = smaller(p->k, REEL__PRODUCT_PIECE), element = p->element;
    const int64_t most = m->kernels->rows, y_step = p->y.use == REEL__PACKED_Y ? p->y.width : most;
    const int64_t ny = part(p->y.rows, m->l2 / 8 * 5 / (piece * element + 1) + y_step, y_step);
    const int64_t nx = part(p->x.rows, (4 << 20) / (ny * element + 1) + p->x.width, p->x.width);
    p->block_m = p->over_m ? nx : ny;
    p->block_n = p->over_m ? ny : nx;
    p->step_m = p->over_m ? p->x.width : y_step;
    p->step_n = p->over_m ? y_step : p->x.width;
    p->x_panels = p->x_copied ? 1 : (int)(256 / (p->x.width * element));
    if (p->x_panels < 1) p->x_panels = 1;
    p->y_first = p->x.use != REEL__PACK && nx * piece * element <= m->l2 / 4;
    p->y_workspace = 0;
    if (p->y.use == REEL__PACK) p->y_workspace = (size_t)((ny + ny / most + 1) * piece * element + 63) / 64 * 64;
    p->workspace = p->y_workspace;
    if (p->x.use == REEL__PACK) p->workspace += (size_t)(p->x_panels * p->x.width * piece * element);
}

static int runs_over_m(const reel__product_operand *a, const reel__product_operand *b, double over_m, double over_n)
{
    if (a->use == REEL__PACKED_X || b->use == REEL__PACKED_Y) return 1;
    if (a->use == REEL__PACKED_Y || b->use == REEL__PACKED_X) return 0;
    if (a->use == REEL__IN_PLACE && b->use == REEL__IN_PLACE && can_be_x(a) != can_be_x(b)) return can_be_x(a);
    return over_m < over_n;
}

reel__product_plan reel__product_plan_make(const reel__product *p)
{
    const reel__product_kernels *kernels = reel__product_kernels_of(p->isa, p->element);
    const machine m = {
        .kernels = kernels,
        .element = p->element,
        .lanes = kernels->width / 2,
        .l1 = p->l1 ? p->l1 : 32 << 10,
        .l2 = p->l2 ? p->l2 : 1 << 20,
    };
    const reel__product_operand a = operand_of(&p->a, p->a_use), b = operand_of(&p->b, p->b_use);
    const choice over_n = choose(&m, &costs_of[p->isa], &b, &a, p->c_n, p->c_m);
    const choice over_m = choose(&m, &costs_of[p->isa], &a, &b, p->c_m, p->c_n);
    reel__product_plan plan = { .isa = p->isa, .element = p->element, .m = a.rows, .n = b.rows, .k = a.k };
    plan.over_m = runs_over_m(&a, &b, over_m.cost, over_n.cost);
    const choice c = plan.over_m ? over_m : over_n;
    plan.x = plan.over_m ? a : b;
    plan.y = plan.over_m ? b : a;
    plan.x.use = c.x;
    plan.y.use = c.y;
    plan.x_copied = c.x_copied;
    plan.x.width = kernels->width;
    plan.y.width = reel__product_y_rows(kernels->rows, plan.y.rows);
    plan_blocks(&plan, &m);
    return plan;
}
