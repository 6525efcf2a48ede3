/* Executing a step. Its parts, tiles or blocks, are independent; each is done by whoever takes it. */
#include "core/run/step.h"

#include "core/base/strided.h"

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* A block that a product has computed, which the ops of its tiles read. */
typedef struct block {
    char *base;
    int64_t row0, column0, row;
} block;

static char *at(const reel__operand *o, const reel__step *step, char *registers, const block *c, int64_t r,
                int64_t column, int64_t *row)
{
    if (o->reg >= 0) {
        *row = o->per_row ? 1 : step->tile_columns;
        return registers + (size_t)o->reg * step->register_bytes;
    }
    if (o->block) {
        *row = c->row;
        return c->base + ((r - c->row0) * c->row + column - c->column0) * o->element;
    }
    *row = o->row;
    return o->base + (r * o->row + (o->one ? 0 : column)) * o->element;
}

static void run_reduce(const reel__tile_op *op, const reel__step *step, char *registers, const block *c, int64_t r,
                       int64_t rows, int64_t column, int64_t columns)
{
    int64_t y_row, x_row;
    char *y = at(&op->y, step, registers, c, r, 0, &y_row), *x = at(&op->x[0], step, registers, c, r, column, &x_row);
    if (op->kind == REEL__TILE_REDUCE) {
        if (x_row == columns || rows == 1) op->reduce(y, x, rows, columns, 1);
        else
            for (int64_t i = 0; i < rows; i++)
                op->reduce(y + i * op->y.element, x + i * x_row * op->x[0].element, 1, columns, 1);
        return;
    }
    for (int64_t i = 0; i < rows; i++) { /* whole blocks at once, then what is left of the last */
        char *to = y + (i * op->y.row + column / op->block) * op->y.element, *from = x + i * x_row * op->x[0].element;
        int64_t whole = columns / op->block, rest = columns - whole * op->block;
        if (whole) op->reduce(to, from, whole, op->block, 1);
        if (rest) op->reduce(to + whole * op->y.element, from + whole * op->block * op->x[0].element, 1, rest, 1);
    }
}

static void run_row_op(const reel__tile_op *op, const reel__step *step, char *registers, const block *c, int64_t r,
                       int64_t rows)
{
    int64_t row;
    reel__tile tile = { .rows = 1, .columns = rows };
    bool scattered = false;
    tile.y = at(&op->y, step, registers, c, r, 0, &row);
    tile.y_row = 1;
    for (int j = 0; j < op->count; j++) {
        tile.x[j] = at(&op->x[j], step, registers, c, r, 0, &tile.x_row[j]);
        tile.x_one[j] = tile.x_row[j] == 0;
        scattered |= tile.x_row[j] != 0 && tile.x_row[j] != 1;
    }
    if (scattered) tile.rows = rows, tile.columns = 1;
    op->row(&tile);
}

/* Rows that lie one after the other in all operands are one row: short ones would waste most of their time. */
void reel__flatten(reel__tile *tile, int count)
{
    bool together = tile->y_row == tile->columns;
    for (int j = 0; j < count; j++) together &= tile->x_row[j] == (tile->x_one[j] ? 0 : tile->columns);
    if (!together) return;
    tile->columns *= tile->rows;
    tile->rows = 1;
}

static void run_tile(const reel__step *step, char *registers, const block *c, int64_t r, int64_t rows, int64_t column,
                     int64_t columns)
{
    for (int32_t i = 0; i < step->op_count; i++) {
        const reel__tile_op *op = &step->ops[i];
        if (op->kind == REEL__TILE_FULL) {
            reel__tile tile = { .rows = rows, .columns = columns };
            tile.y = at(&op->y, step, registers, c, r, column, &tile.y_row);
            for (int j = 0; j < op->count; j++) {
                tile.x[j] = at(&op->x[j], step, registers, c, r, column, &tile.x_row[j]);
                tile.x_one[j] = op->x[j].one;
            }
            reel__flatten(&tile, op->count);
            op->row(&tile);
        } else if (op->kind == REEL__TILE_ROW) {
            run_row_op(op, step, registers, c, r, rows);
        } else {
            run_reduce(op, step, registers, c, r, rows, column, columns);
        }
    }
}

/* Tiles of [r0, r1) × [c0, c1), rows of tiles outermost. */
static void run_tiles(const reel__step *step, char *registers, const block *c, int64_t r0, int64_t r1, int64_t c0,
                      int64_t c1)
{
    for (int64_t r = r0; r < r1; r += step->tile_rows)
        for (int64_t column = c0; column < c1; column += step->tile_columns)
            run_tile(step, registers, c, r, smaller(step->tile_rows, r1 - r), column,
                     smaller(step->tile_columns, c1 - column));
}

static void run_single(const reel__step *step)
{
    for (int32_t i = 0; i < step->op_count; i++) {
        const reel__tile_op *op = &step->ops[i];
        const reel__tile *t = &op->fixed;
        if (op->kind == REEL__TILE_REDUCE) op->reduce(t->y, t->x[0], t->rows, t->columns, 1);
        else op->row(t);
    }
}

static int64_t ceil_div(int64_t a, int64_t b) { return b > 0 ? (a + b - 1) / b : 0; }

int64_t reel__step_shares(const reel__step *step)
{
    if (step->kind == REEL__STEP_TILES)
        return step->single ? 1 : ceil_div(step->rows, step->tile_rows) * ceil_div(step->columns, step->tile_columns);
    if (step->kind == REEL__STEP_PRODUCT)
        return step->batch * ceil_div(step->rows, step->block_m) * ceil_div(step->columns, step->block_n);
    return 1;
}

static void run_product_block(const reel__step *step, char *scratch, int64_t part)
{
    int64_t across = ceil_div(step->columns, step->block_n), down = ceil_div(step->rows, step->block_m);
    int64_t batch = part / (across * down), m0 = part % (across * down) / across * step->block_m,
            n0 = part % across * step->block_n;
    int64_t m1 = smaller(m0 + step->block_m, step->rows), n1 = smaller(n0 + step->block_n, step->columns);
    const int64_t element = step->plan.element;
    char *registers = scratch, *workspace = registers + (size_t)step->registers * step->register_bytes;
    block c = { .row0 = m0, .column0 = n0, .row = step->columns };
    if (step->c) {
        c.base = step->c + (batch * step->rows * step->columns + m0 * step->columns + n0) * element;
    } else {
        c.row = step->block_n;
        c.base = workspace;
        workspace += ((size_t)(step->block_m * step->block_n * element) + 63) / 64 * 64;
    }
    step->api->block(&step->plan, step->a + step->offsets[2 * batch], step->b + step->offsets[2 * batch + 1], m0, m1,
                     n0, n1, c.base, c.row, 1, workspace);
    if (step->op_count) run_tiles(step, registers, &c, m0, m1, n0, n1);
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
    case REEL__STEP_PRODUCT: run_product_block(step, scratch, share); return;
    case REEL__STEP_TILES: break;
    }
    if (step->single) {
        run_single(step);
        return;
    }
    int64_t across = ceil_div(step->columns, step->tile_columns), r = share / across * step->tile_rows,
            c = share % across * step->tile_columns;
    run_tiles(step, scratch, NULL, r, smaller(r + step->tile_rows, step->rows), c,
              smaller(c + step->tile_columns, step->columns));
}
