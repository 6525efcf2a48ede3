/* From a group to the instructions of its tiles: chains of pointwise ops, row kernels, reductions. A value that the next
 * link of a chain reads, and nobody else, stays in registers; any other that is not stored has a slot of the tile. */
#include "core/lower/lower.h"

#include <string.h>

typedef struct tiling {
    reel__steps *s;
    const reel__group *group;
    int32_t g;
    int32_t *slot;        /* of each member by position; REEL__NONE: in memory */
    int32_t *last_use;    /* of each member by position: that of the last one that reads it */
    int32_t *free, *held; /* slots; held: to be freed when the open chain ends */
    int32_t free_count, held_count, slots;
    size_t widest;   /* element */
    reel__array ops; /* reel__tile_op */
    bool is_open;
    reel__tile_op open;           /* the chain that the next op may continue */
    const reel__planned *in_hand; /* whose result it ends with */
    reel__planned_link links[REEL__CHAIN_LINKS];
} tiling;

enum { IN_HAND = -2 }; /* as a slot: only the next link reads it */

static const reel__planned *member(const tiling *t, int32_t position)
{
    return &t->s->plan.node[t->s->plan.member[t->group->first + position]];
}

static const reel__planned *source(const tiling *t, const reel__planned *reader, int j)
{
    return &t->s->plan.node[reel__access_for(&t->s->plan, t->g, reader->x->inputs[j])->source];
}

static void find_last_uses(tiling *t)
{
    for (int32_t i = 0; i < t->group->count; i++) {
        const reel__planned *p = member(t, i);
        t->last_use[i] = i;
        if (reel__element_of(p->x) > t->widest) t->widest = reel__element_of(p->x);
        for (int j = 0; j < p->x->input_count; j++) {
            const reel__planned *in = source(t, p, j);
            if (reel__element_of(in->x) > t->widest) t->widest = reel__element_of(in->x);
            if (in->group == t->g && in->position < i && p->role != REEL__PRODUCT) t->last_use[in->position] = i;
        }
    }
}

static int32_t take_slot(tiling *t) { return t->free_count ? t->free[--t->free_count] : t->slots++; }

static reel__operand stored_operand(const tiling *t, const reel__planned *p)
{
    reel__operand o = { .base = p->data, .slot = REEL__NONE, .element = (uint8_t)reel__element_of(p->x) };
    o.one = p->level != REEL__FULL;
    o.row = p->level == REEL__FULL ? t->group->columns : 1;
    return o;
}

static reel__operand member_operand(const tiling *t, const reel__planned *p)
{
    reel__operand o = { .slot = t->slot[p->position], .element = (uint8_t)reel__element_of(p->x) };
    if (p->role == REEL__PRODUCT && !p->stored) o.block = true;
    else if (o.slot == REEL__NONE) return stored_operand(t, p);
    o.per_row = o.one = p->level == REEL__ROW;
    o.row = 1;
    return o;
}

/* An operand from outside the group: its strides along the rows and along the columns. */
static reel__operand outer_operand(const tiling *t, const reel_tensor *x, const reel__planned *reader)
{
    reel__axis axes[REEL_MAX_RANK];
    const int rank = reel__axes_of(x, reel__access_for(&t->s->plan, t->g, x), axes),
              split = reader->level == REEL__ROW ? rank : t->group->row_axes;
    reel__operand o = { .base = reel__address(t->s, t->g, x),
                        .slot = REEL__NONE,
                        .element = (uint8_t)reel__element_of(x) };
    o.row = split > 0 ? axes[split - 1].stride : 0;
    o.one = split == rank || axes[rank - 1].stride == 0;
    return o;
}

static reel__operand operand(const tiling *t, const reel__planned *reader, int j)
{
    const reel__planned *in = source(t, reader, j);
    return in->group == t->g ? member_operand(t, in) : outer_operand(t, reader->x->inputs[j], reader);
}

/* Where a member's result goes: memory, or a slot. */
static reel__operand result_operand(tiling *t, const reel__planned *p)
{
    t->slot[p->position] = p->stored ? REEL__NONE : take_slot(t);
    return member_operand(t, p);
}

/* ---- Chains ------------------------------------------------------------------------------------------------------ */

/* An operand of a link: in a chain of rows "the same for all columns" means for all rows. */
static reel__operand link_operand(const tiling *t, const reel__planned *p, int j)
{
    reel__operand o = operand(t, p, j);
    if (p->level == REEL__ROW) o.one = o.slot < 0 && o.row == 0;
    return o;
}

/* A pointwise op's link, with what it takes from the link before as operand `from`; x are the others. */
static bool find_link(const tiling *t, const reel__planned *p, int from, reel__planned_link *link)
{
    const reel__traits *traits = p->x->op->traits;
    bool one[REEL__POINTWISE_INPUTS] = { false };
    *link = (reel__planned_link){ .count = 0 };
    if (p->role != REEL__POINTWISE || !traits->link) return false;
    for (int j = 0; j < p->x->input_count; j++) {
        if (j == from) continue;
        link->x[link->count] = link_operand(t, p, j);
        one[j] = link->x[link->count++].one;
    }
    return traits->link(p->x, t->s->plan.isa, from, one, &link->form);
}

enum { ROOM = 4 }; /* a link, its store, and the end, with one to spare */

/* Whether p can be the next link of the open chain, by way of an operand that is in hand, and that link. */
static bool continues_chain(const tiling *t, const reel__planned *p, const reel__planned *in_hand,
                            reel__planned_link *link)
{
    if (p->role != REEL__POINTWISE || p->level != in_hand->level || t->s->plan.settings.no_chain) return false;
    if (t->open.count + ROOM > REEL__CHAIN_LINKS) return false;
    for (int j = 0; j < p->x->input_count; j++)
        if (source(t, p, j) == in_hand && find_link(t, p, j, link)) return true;
    return false;
}

/* Whether the member after p is the only one that reads it, as the next link. */
static bool is_passed_on(const tiling *t, const reel__planned *p)
{
    if (p->stored || t->last_use[p->position] != p->position + 1) return false;
    const reel__planned *next = member(t, p->position + 1);
    reel__planned_link link;
    int reads = 0;
    for (int j = 0; j < next->x->input_count; j++) reads += source(t, next, j) == p;
    return reads == 1 && continues_chain(t, next, p, &link);
}

static void append_link(tiling *t, const reel__planned_link *link)
{
    t->links[t->open.count++] = *link;
    for (int j = 0; j < link->count && t->open.kind == REEL__TILE_ROW_CHAIN; j++)
        t->open.scattered |= link->x[j].slot < 0 && link->x[j].row != 0 && link->x[j].row != 1;
}

static bool emit(tiling *t, const reel__tile_op *op)
{
    if (!reel__reserve(&t->s->plan.allocator, &t->ops, t->ops.count, sizeof *op)) return false;
    REEL__AT(t->ops, reel__tile_op, t->ops.count++) = *op;
    return true;
}

static bool close_chain(tiling *t)
{
    if (!t->is_open) return true;
    append_link(t, &(reel__planned_link){ .form = t->open.chain->end });
    const size_t bytes = t->open.count * sizeof *t->links;
    if (!(t->open.links = reel__own(&t->s->plan, bytes))) return false;
    memcpy(t->open.links, t->links, bytes);
    t->is_open = false;
    while (t->held_count) t->free[t->free_count++] = t->held[--t->held_count];
    return emit(t, &t->open);
}

static void open_chain(tiling *t, const reel__planned *p)
{
    reel__tile_op *op = &t->open;
    reel__planned_link load = { .count = 1, .x = { link_operand(t, p, 0) } };
    *op = (reel__tile_op){ .kind = p->level == REEL__ROW ? REEL__TILE_ROW_CHAIN : REEL__TILE_CHAIN,
                           .chain = p->x->op->traits->chain(t->s->plan.isa) };
    load.form = load.x[0].one ? op->chain->load_one : op->chain->load;
    t->is_open = true;
    append_link(t, &load);
}

/* A pointwise op as a link, of the open chain or of a new one. */
static bool lower_link(tiling *t, const reel__planned *p, const reel__planned_link *link, bool continues)
{
    if (!continues) {
        if (!close_chain(t)) return false;
        open_chain(t, p);
    }
    append_link(t, link);
    t->in_hand = p;
    t->slot[p->position] = p->stored ? REEL__NONE : is_passed_on(t, p) ? IN_HAND : take_slot(t);
    if (t->slot[p->position] == IN_HAND) return true;
    append_link(t, &(reel__planned_link){ .form = t->open.chain->store, .count = 1, .x = { member_operand(t, p) } });
    return true;
}

/* ---- Members ----------------------------------------------------------------------------------------------------- */

static bool lower_reduction(tiling *t, const reel__planned *p)
{
    const reel__reduction r = p->x->op->traits->reduce(p->x, t->s->plan.isa);
    reel__tile_op op = {
        .kind = REEL__TILE_REDUCE, .count = 1, .reduce = r.kernel, .block = (int32_t)r.block, .x = { operand(t, p, 0) }
    };
    if (p->level == REEL__PARTIAL) {
        op.kind = REEL__TILE_BLOCKS;
        op.y = (reel__operand){ .base = p->partial,
                                .row = reel__ceil_div(r.n, r.block),
                                .slot = REEL__NONE,
                                .element = (uint8_t)reel__element_of(p->x) };
    } else {
        op.y = result_operand(t, p);
    }
    return emit(t, &op);
}

static bool lower_row(tiling *t, const reel__planned *p)
{
    const reel_tensor *x = p->x;
    reel__tile_op op = { .kind = p->level == REEL__ROW ? REEL__TILE_ROW : REEL__TILE_FULL,
                         .count = (uint8_t)x->input_count,
                         .row = x->op->traits->row(x) };
    for (int j = 0; j < x->input_count; j++) op.x[j] = operand(t, p, j);
    op.y = result_operand(t, p);
    return emit(t, &op);
}

static bool lower_member(tiling *t, const reel__planned *p)
{
    reel__planned_link link;
    bool continues = t->is_open && continues_chain(t, p, t->in_hand, &link);
    if (continues || find_link(t, p, 0, &link)) return lower_link(t, p, &link, continues);
    if (!close_chain(t)) return false;
    return p->role == REEL__REDUCTION ? lower_reduction(t, p) : lower_row(t, p);
}

/* Slots that a member reads for the last time are free. A chain writes a row before it reads the next: what has a value for
 * each row must outlast it. */
static void free_slots(tiling *t, const reel__planned *p)
{
    for (int j = 0; j < p->x->input_count; j++) {
        const reel__planned *in = source(t, p, j);
        if (in->group != t->g || t->slot[in->position] < 0 || t->last_use[in->position] != p->position) continue;
        if (t->is_open && in->level != p->level) t->held[t->held_count++] = t->slot[in->position];
        else t->free[t->free_count++] = t->slot[in->position];
        t->last_use[in->position] = REEL__NONE;
    }
}

/* Elements of a tile: so that its slots fit the first cache, in whole rows where a member needs them. */
static void choose_tile(const tiling *t, int64_t max_rows, int64_t max_columns, reel__tiles *tiles)
{
    const reel__plan_settings *settings = &t->s->plan.settings;
    int64_t l1 = settings->l1 ? settings->l1 : 32768, live = t->slots ? t->slots : 1;
    int64_t length = settings->tile ? settings->tile : l1 / (live * (int64_t)t->widest) / 16 * 16;
    if (!settings->tile) length = length < 1024 ? 1024 : length > 2048 ? 2048 : length;
    bool whole = t->group->has_rows;
    int64_t unit = 1;
    for (int32_t i = 0; i < tiles->count; i++)
        if (tiles->ops[i].kind == REEL__TILE_BLOCKS && tiles->ops[i].block > unit) unit = tiles->ops[i].block;
    tiles->tile_columns = whole || max_columns <= length ? max_columns : length / unit * unit;
    if (tiles->tile_columns < unit && !whole) tiles->tile_columns = reel__smaller(unit, max_columns);
    if (tiles->tile_columns < 1) tiles->tile_columns = 1;
    tiles->tile_rows = length / tiles->tile_columns;
    if (tiles->tile_rows < 1) tiles->tile_rows = 1;
    if (tiles->tile_rows > max_rows) tiles->tile_rows = max_rows;
    tiles->slots = t->slots;
    tiles->slot_bytes = ((size_t)(tiles->tile_rows * tiles->tile_columns) * t->widest + 63) / 64 * 64;
}

bool reel__lower_tiles(reel__steps *s, int32_t g, int64_t max_rows, int64_t max_columns, reel__tiles *tiles)
{
    const reel__group *group = &s->plan.group[g];
    const reel_allocator *a = &s->plan.allocator;
    const size_t n = (size_t)group->count;
    tiling t = { .s = s, .group = group, .g = g };
    int32_t *memory = reel__allocate(a, 4 * n * sizeof *memory);
    bool good = memory != NULL;
    t.slot = memory, t.last_use = memory + n, t.free = memory + 2 * n, t.held = memory + 3 * n;
    for (size_t i = 0; good && i < n; i++) t.slot[i] = REEL__NONE;
    if (good) find_last_uses(&t);
    for (int32_t i = 0; good && i < group->count; i++) {
        const reel__planned *p = member(&t, i);
        if (p->role == REEL__PRODUCT) continue;
        good = lower_member(&t, p);
        if (good) free_slots(&t, p);
    }
    good = good && close_chain(&t);
    const size_t bytes = (size_t)t.ops.count * sizeof *tiles->ops;
    *tiles = (reel__tiles){ .count = (int32_t)t.ops.count, .rows = group->rows, .columns = group->columns };
    good = good && (tiles->ops = reel__own(&s->plan, bytes)) != NULL;
    if (good && bytes) memcpy(tiles->ops, t.ops.items, bytes);
    reel__array_free(a, &t.ops, sizeof *tiles->ops);
    reel__release(a, memory, 4 * n * sizeof *memory);
    if (!good) return false;
    choose_tile(&t, max_rows, max_columns, tiles);
    const size_t scratch = (size_t)tiles->slots * tiles->slot_bytes + 64;
    if (scratch > s->scratch) s->scratch = scratch;
    return true;
}

double reel__tiles_work(const reel__group *group)
{
    return (double)group->rows * (double)group->columns * (double)group->count / 8;
}

bool reel__lower_tiled_group(reel__steps *s, int32_t g)
{
    const reel__group *group = &s->plan.group[g];
    reel__step *step = reel__new_step(s, &s->list, REEL__STEP_TILES, s->plan.member[group->first]);
    if (!step || !reel__lower_tiles(s, g, group->rows, group->columns, &step->tiles)) return false;
    const reel__tiles *tiles = &step->tiles;
    step->shares = reel__ceil_div(tiles->rows, tiles->tile_rows) * reel__ceil_div(tiles->columns, tiles->tile_columns);
    step->work = reel__tiles_work(group);
    return true;
}
