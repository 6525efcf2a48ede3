/* The parts of a step: how many there are, and the calls that a tile makes of one, with their addresses. */
#include "core/lower/step.h"

int64_t reel__step_shares(const reel__step *step)
{
    if (step->kind == REEL__STEP_TILES)
        return step->single
                   ? 1
                   : reel__ceil_div(step->rows, step->tile_rows) * reel__ceil_div(step->columns, step->tile_columns);
    if (step->kind == REEL__STEP_PACK) return reel__ceil_div(step->packing->layout.panels, REEL__PART_PANELS);
    if (step->kind == REEL__STEP_PRODUCT)
        return step->batch * reel__ceil_div(step->rows, step->block_m) * reel__ceil_div(step->columns, step->block_n);
    return 1;
}

void reel__set_links(const reel__step *step, const reel__tile_op *op, char *slots, const reel__part *part,
                     reel__link *links, int64_t *rows, int64_t *columns)
{
    const bool by_row = op->kind == REEL__TILE_ROW_CHAIN;
    const int64_t next = by_row ? 0 : part->columns * 4;
    bool together = true;
    for (int i = 0; i < op->count; i++) {
        const reel__planned_link *from = &op->links[i];
        reel__link *to = &links[i];
        to->form = from->form;
        for (int j = 0; j < from->count; j++) {
            int64_t row;
            to->x[j] = reel__operand_at(&from->x[j], step, slots, part, by_row, &row);
            to->row[j] = row * 4;
            together &= to->row[j] == (from->x[j].one ? 0 : next);
        }
        for (int j = from->count; j < 2; j++) to->x[j] = NULL, to->row[j] = 0;
    }
    *rows = part->rows, *columns = part->columns;
    if (by_row) *rows = op->scattered ? part->rows : 1, *columns = op->scattered ? 1 : part->rows;
    else if (together) *rows = 1, *columns = part->rows * part->columns;
}

/* Ops on values of rows run along them, in one row. */
void reel__set_tile(const reel__step *step, const reel__tile_op *op, char *slots, const reel__part *part,
                    reel__tile *tile)
{
    const bool by_row = op->kind == REEL__TILE_ROW;
    bool together = true, scattered = false;
    *tile = (reel__tile){ .rows = part->rows, .columns = part->columns };
    tile->y = reel__operand_at(&op->y, step, slots, part, by_row, &tile->y_row);
    together &= tile->y_row == part->columns;
    for (int j = 0; j < op->count; j++) {
        const reel__operand *o = &op->x[j];
        tile->x[j] = reel__operand_at(o, step, slots, part, by_row, &tile->x_row[j]);
        tile->x_one[j] = by_row ? o->slot < 0 && o->row == 0 : o->one;
        scattered |= o->slot < 0 && o->row != 0 && o->row != 1;
        together &= tile->x_row[j] == (o->one ? 0 : part->columns);
    }
    if (by_row && scattered) tile->columns = 1;
    else if (by_row) tile->rows = 1, tile->columns = part->rows;
    else if (together) tile->rows = 1, tile->columns = part->rows * part->columns;
}
