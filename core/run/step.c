/* Executing a step. Its parts, tiles or blocks, are independent; each is done by whoever takes it. */
#include "core/run/executor.h"

#include "core/base/strided.h"

#include <string.h>

static void run_chain(const reel__step *step, const reel__tile_op *op, char *slots, const reel__part *part)
{
    reel__link links[REEL__CHAIN_LINKS];
    int64_t rows, columns;
    reel__set_links(step, op, slots, part, links, &rows, &columns);
    op->chain->run(links, op->count, rows, columns);
}

static void run_reduce(const reel__step *step, const reel__tile_op *op, char *slots, const reel__part *part)
{
    int64_t y_row, x_row;
    char *y = reel__operand_at(&op->y, step, slots, part, true, &y_row),
         *x = reel__operand_at(&op->x[0], step, slots, part, false, &x_row);
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

static void run_row(const reel__step *step, const reel__tile_op *op, char *slots, const reel__part *part)
{
    reel__tile tile;
    reel__set_tile(step, op, slots, part, &tile);
    op->row(&tile);
}

static void run_tile(const reel__step *step, char *slots, const reel__part *part)
{
    for (int32_t i = 0; i < step->op_count; i++) {
        const reel__tile_op *op = &step->ops[i];
        switch ((reel__tile_kind)op->kind) {
        case REEL__TILE_CHAIN:
        case REEL__TILE_ROW_CHAIN: run_chain(step, op, slots, part); break;
        case REEL__TILE_FULL:
        case REEL__TILE_ROW: run_row(step, op, slots, part); break;
        default: run_reduce(step, op, slots, part);
        }
    }
}

/* Tiles of [r0, r1) × [c0, c1), rows of tiles outermost. */
static void run_tiles(const reel__step *step, char *slots, reel__part part, int64_t r0, int64_t r1, int64_t c0,
                      int64_t c1)
{
    for (part.row = r0; part.row < r1; part.row += step->tile_rows) {
        part.rows = reel__smaller(step->tile_rows, r1 - part.row);
        for (part.column = c0; part.column < c1; part.column += step->tile_columns) {
            part.columns = reel__smaller(step->tile_columns, c1 - part.column);
            run_tile(step, slots, &part);
        }
    }
}

static void run_single(const reel__step *step)
{
    for (int32_t i = 0; i < step->op_count; i++) {
        const reel__tile_op *op = &step->ops[i];
        const reel__tile *t = &op->fixed;
        if (op->kind == REEL__TILE_REDUCE) op->reduce(t->y, t->x[0], t->rows, t->columns, 1);
        else if (op->kind == REEL__TILE_FULL || op->kind == REEL__TILE_ROW) op->row(t);
        else if (op->rows == 1) op->chain->run(op->ready, op->count, 1, op->columns);
        else {
            reel__link links[REEL__CHAIN_LINKS];
            memcpy(links, op->ready, op->count * sizeof *links);
            op->chain->run(links, op->count, op->rows, op->columns);
        }
    }
}

static void run_product_block(const reel__step *step, char *scratch, int64_t share)
{
    int64_t across = reel__ceil_div(step->columns, step->block_n), down = reel__ceil_div(step->rows, step->block_m);
    int64_t batch = share / (across * down), m0 = share % (across * down) / across * step->block_m,
            n0 = share % across * step->block_n;
    int64_t m1 = reel__smaller(m0 + step->block_m, step->rows), n1 = reel__smaller(n0 + step->block_n, step->columns);
    const int64_t element = step->plan.element;
    char *slots = scratch, *workspace = slots + (size_t)step->slots * step->slot_bytes;
    reel__part part = { .c_row0 = m0, .c_column0 = n0, .c_row = step->columns };
    if (step->c) {
        part.c = step->c + (batch * step->rows * step->columns + m0 * step->columns + n0) * element;
    } else {
        part.c_row = n1 - n0;
        part.c = workspace;
        workspace += ((size_t)(step->block_m * step->block_n * element) + 63) / 64 * 64;
    }
    reel__product_prefetch prefetch = step->prefetch;
    if (prefetch.at) prefetch.at += m0 * prefetch.row + n0 * element;
    step->api->block(&step->plan, step->a + step->offsets[2 * batch], step->b + step->offsets[2 * batch + 1], m0, m1,
                     n0, n1, part.c, part.c_row, 1, workspace, prefetch.at ? &prefetch : NULL);
    if (step->single) run_single(step);
    else if (step->op_count) run_tiles(step, slots, part, m0, m1, n0, n1);
}

static void run_pack(const reel__step *step, int64_t share)
{
    const reel__pack *p = step->packing;
    step->api->pack(p->isa, p->element, &p->side, &p->layout, step->a, share * REEL__PART_PANELS,
                    reel__smaller(p->layout.panels, (share + 1) * REEL__PART_PANELS), step->c);
}

static void run_copy(const reel__step *step)
{
    const reel_tensor *y = step->call.node;
    int64_t stride[REEL_MAX_RANK];
    reel__contiguous(y->rank, y->size, stride);
    reel__copy_strided(step->call.y, stride, step->a, step->access->stride, reel__dtype_size((reel_dtype)y->dtype),
                       y->rank, y->size);
}

void reel__step_run(const reel__step *step, char *scratch, int64_t share)
{
    switch (step->kind) {
    case REEL__STEP_CALL:
        if (step->call.node->op->run) step->call.node->op->run(&step->call);
        return;
    case REEL__STEP_COPY: run_copy(step); return;
    case REEL__STEP_REDUCE: step->reduce(step->call.y, step->a, step->outer, step->n, step->inner); return;
    case REEL__STEP_PACK: run_pack(step, share); return;
    case REEL__STEP_PRODUCT: run_product_block(step, scratch, share); return;
    case REEL__STEP_TILES: break;
    }
    if (step->single) {
        run_single(step);
        return;
    }
    int64_t across = reel__ceil_div(step->columns, step->tile_columns), r = share / across * step->tile_rows,
            c = share % across * step->tile_columns;
    run_tiles(step, scratch, (reel__part){ 0 }, r, reel__smaller(r + step->tile_rows, step->rows), c,
              reel__smaller(c + step->tile_columns, step->columns));
}
