/* Addresses of a tile's operands: for each tile when it runs, or once for all runs where the group is one tile. */
#include "core/lower/lower.h"

#include <string.h>

char *reel__operand_at(const reel__operand *o, const reel__part *part, bool whole_row, int64_t *row)
{
    int64_t column = whole_row ? 0 : part->column;
    if (o->slot >= 0) {
        *row = o->per_row ? 1 : part->columns;
        return part->slots + (size_t)o->slot * part->slot_bytes;
    }
    if (o->block) {
        *row = part->c_row;
        return part->c + ((part->row - part->c_row0) * part->c_row + column - part->c_column0) * o->element;
    }
    *row = o->row;
    return o->base + (part->row * o->row + (o->one ? 0 : column)) * o->element;
}

void reel__set_links(const reel__tile_op *op, const reel__part *part, reel__link *links, int64_t *rows,
                     int64_t *columns)
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
            to->x[j] = reel__operand_at(&from->x[j], part, by_row, &row);
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
void reel__set_tile(const reel__tile_op *op, const reel__part *part, reel__tile *tile)
{
    const bool by_row = op->kind == REEL__TILE_ROW;
    bool together = true, scattered = false;
    *tile = (reel__tile){ .rows = part->rows, .columns = part->columns };
    tile->y = reel__operand_at(&op->y, part, by_row, &tile->y_row);
    together &= tile->y_row == part->columns;
    for (int j = 0; j < op->count; j++) {
        const reel__operand *o = &op->x[j];
        tile->x[j] = reel__operand_at(o, part, by_row, &tile->x_row[j]);
        tile->x_one[j] = by_row ? o->slot < 0 && o->row == 0 : o->one;
        scattered |= o->slot < 0 && o->row != 0 && o->row != 1;
        together &= tile->x_row[j] == (o->one ? 0 : part->columns);
    }
    if (by_row && scattered) tile->columns = 1;
    else if (by_row) tile->rows = 1, tile->columns = part->rows;
    else if (together) tile->rows = 1, tile->columns = part->rows * part->columns;
}

/* Whether an instruction is one call of its kernel; a reduction is, if the rows that it reads follow each other in memory. */
static bool is_one_call(const reel__tiles *tiles, const reel__tile_op *op)
{
    const reel__operand *x = &op->x[0];
    if (op->kind == REEL__TILE_BLOCKS) return false;
    return op->kind != REEL__TILE_REDUCE || x->slot >= 0 || x->block || x->row == tiles->columns || tiles->rows == 1;
}

void reel__fix_addresses(reel__tiles *tiles, char *c, char *slots)
{
    reel__part part = { .slots = slots,
                        .slot_bytes = tiles->slot_bytes,
                        .rows = tiles->rows,
                        .columns = tiles->columns,
                        .c = c ? c : slots + (size_t)tiles->slots * tiles->slot_bytes,
                        .c_row = tiles->columns };
    if (tiles->tile_rows < tiles->rows || tiles->tile_columns < tiles->columns) return;
    for (int32_t i = 0; i < tiles->count; i++)
        if (!is_one_call(tiles, &tiles->ops[i])) return;
    for (int32_t i = 0; i < tiles->count; i++) {
        reel__tile_op *op = &tiles->ops[i];
        reel__link links[REEL__CHAIN_LINKS];
        reel__tile tile;
        int64_t rows, columns;
        if (op->kind != REEL__TILE_CHAIN && op->kind != REEL__TILE_ROW_CHAIN) {
            reel__set_tile(op, &part, &tile);
            op->fixed = tile;
            continue;
        }
        void *room = op->links;
        reel__set_links(op, &part, links, &rows, &columns);
        memcpy(room, links, op->count * sizeof *links); /* smaller than what it was made from */
        op->fixed_links = room, op->rows = rows, op->columns = columns;
    }
    tiles->single = true;
}
