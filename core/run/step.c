/* Executing a step. Its shares, tiles or blocks, are independent: threads take them in any order (planned.c). */
#include "core/base/strided.h"
#include "core/run/executor.h"

#include <string.h>

static void run_chain(const reel__tile_op *op, const reel__part *part)
{
    reel__link links[REEL__CHAIN_LINKS];
    int64_t rows, columns;
    reel__set_links(op, part, links, &rows, &columns);
    op->chain->run(links, op->count, rows, columns);
}

static void run_reduce(const reel__tile_op *op, const reel__part *part)
{
    int64_t y_row, x_row;
    char *y = reel__operand_at(&op->y, part, true, &y_row), *x = reel__operand_at(&op->x[0], part, false, &x_row);
    if (op->kind == REEL__TILE_REDUCE) {
        if (x_row == part->columns || part->rows == 1) op->reduce(y, x, part->rows, part->columns, 1);
        else
            for (int64_t i = 0; i < part->rows; i++)
                op->reduce(y + i * op->y.element, x + i * x_row * op->x[0].element, 1, part->columns, 1);
        return;
    }
    for (int64_t i = 0; i < part->rows; i++) { /* whole blocks at once, then what is left of the last */
        char *to = y + (i * op->y.row + part->column / op->block) * op->y.element,
             *from = x + i * x_row * op->x[0].element;
        int64_t whole = part->columns / op->block, rest = part->columns - whole * op->block;
        if (whole) op->reduce(to, from, whole, op->block, 1);
        if (rest) op->reduce(to + whole * op->y.element, from + whole * op->block * op->x[0].element, 1, rest, 1);
    }
}

static void run_row(const reel__tile_op *op, const reel__part *part)
{
    reel__tile tile;
    reel__set_tile(op, part, &tile);
    op->row(&tile);
}

static void run_tile(const reel__tiles *tiles, const reel__part *part)
{
    for (int32_t i = 0; i < tiles->count; i++) {
        const reel__tile_op *op = &tiles->ops[i];
        switch ((reel__tile_kind)op->kind) {
        case REEL__TILE_CHAIN:
        case REEL__TILE_ROW_CHAIN: run_chain(op, part); break;
        case REEL__TILE_FULL:
        case REEL__TILE_ROW: run_row(op, part); break;
        default: run_reduce(op, part);
        }
    }
}

/* Tiles of [r0, r1) × [c0, c1), rows of tiles outermost. */
static void run_tiles(const reel__tiles *tiles, reel__part part, int64_t r0, int64_t r1, int64_t c0, int64_t c1)
{
    for (part.row = r0; part.row < r1; part.row += tiles->tile_rows) {
        part.rows = reel__smaller(tiles->tile_rows, r1 - part.row);
        for (part.column = c0; part.column < c1; part.column += tiles->tile_columns) {
            part.columns = reel__smaller(tiles->tile_columns, c1 - part.column);
            run_tile(tiles, &part);
        }
    }
}

static void run_single(const reel__tiles *tiles)
{
    for (int32_t i = 0; i < tiles->count; i++) {
        const reel__tile_op *op = &tiles->ops[i];
        const reel__tile *t = &op->fixed;
        if (op->kind == REEL__TILE_REDUCE) op->reduce(t->y, t->x[0], t->rows, t->columns, 1);
        else if (op->kind == REEL__TILE_FULL || op->kind == REEL__TILE_ROW) op->row(t);
        else if (op->rows == 1) op->chain->run(op->fixed_links, op->count, 1, op->columns);
        else {
            reel__link links[REEL__CHAIN_LINKS];
            memcpy(links, op->fixed_links, op->count * sizeof *links);
            op->chain->run(links, op->count, op->rows, op->columns);
        }
    }
}

static void run_share_of_tiles(const reel__tiles *tiles, char *scratch, int64_t share)
{
    int64_t across = reel__ceil_div(tiles->columns, tiles->tile_columns), r = share / across * tiles->tile_rows,
            c = share % across * tiles->tile_columns;
    run_tiles(tiles, (reel__part){ .slots = scratch, .slot_bytes = tiles->slot_bytes }, r,
              reel__smaller(r + tiles->tile_rows, tiles->rows), c,
              reel__smaller(c + tiles->tile_columns, tiles->columns));
}

/* One block of one of the step's products, then the tiles that run on it while it is in cache. A product that is not stored
 * is computed into the thread's scratch memory, where its block lies behind the slots of the tiles. */
static void run_product_block(const reel__product_step *s, char *scratch, int64_t share)
{
    const reel__product_plan *p = &s->plan;
    const reel__tiles *tiles = &s->tiles;
    int64_t across = reel__ceil_div(p->n, s->block_n), down = reel__ceil_div(p->m, s->block_m);
    int64_t batch = share / (across * down), m0 = share % (across * down) / across * s->block_m,
            n0 = share % across * s->block_n;
    int64_t m1 = reel__smaller(m0 + s->block_m, p->m), n1 = reel__smaller(n0 + s->block_n, p->n);
    char *workspace = scratch + (size_t)tiles->slots * tiles->slot_bytes;
    reel__part part = {
        .slots = scratch, .slot_bytes = tiles->slot_bytes, .c_row0 = m0, .c_column0 = n0, .c_row = p->n
    };
    if (s->c) {
        part.c = s->c + (batch * p->m * p->n + m0 * p->n + n0) * p->element;
    } else {
        part.c_row = n1 - n0;
        part.c = workspace;
        workspace += ((size_t)(s->block_m * s->block_n * p->element) + 63) / 64 * 64;
    }
    reel__product_prefetch prefetch = s->prefetch;
    if (prefetch.at) prefetch.at += m0 * prefetch.row + n0 * p->element;
    const reel__product_block block = { .a = s->a + s->offsets[2 * batch],
                                        .b = s->b + s->offsets[2 * batch + 1],
                                        .m0 = m0,
                                        .m1 = m1,
                                        .n0 = n0,
                                        .n1 = n1,
                                        .c = part.c,
                                        .c_m = part.c_row,
                                        .c_n = 1,
                                        .workspace = workspace,
                                        .prefetch = prefetch.at ? &prefetch : NULL };
    s->api->block(p, &block);
    if (tiles->single) run_single(tiles);
    else if (tiles->count) run_tiles(tiles, part, m0, m1, n0, n1);
}

static void run_pack(const reel__pack_step *s, int64_t share)
{
    const reel__product_layout *layout = &s->pack->layout;
    const int64_t end = reel__smaller(layout->panels, (share + 1) * REEL__PACK_PANELS);
    s->api->pack(layout, s->from, share * REEL__PACK_PANELS, end, s->to);
}

void reel__step_run(const reel__step *step, char *scratch, int64_t share)
{
    const reel__copy_step *copy = &step->copy;
    const reel__reduction *r = &step->reduce.reduction;
    switch (step->kind) {
    case REEL__STEP_CALL:
        if (step->call.node->op->run) step->call.node->op->run(&step->call);
        return;
    case REEL__STEP_COPY:
        reel__copy_strided(copy->y, copy->y_stride, copy->x, copy->x_stride, copy->element, copy->rank, copy->size);
        return;
    case REEL__STEP_REDUCE: r->kernel(step->reduce.y, step->reduce.x, r->outer, r->n, r->inner); return;
    case REEL__STEP_TILES:
        if (step->tiles.single) run_single(&step->tiles);
        else run_share_of_tiles(&step->tiles, scratch, share);
        return;
    case REEL__STEP_PACK: run_pack(&step->pack, share); return;
    case REEL__STEP_PRODUCT: run_product_block(&step->product, scratch, share); return;
    }
}
