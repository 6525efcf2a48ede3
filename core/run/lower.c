/* From plan to steps: each group becomes one step whose operands have addresses, each register of a tile a place. */
#include "core/run/step.h"

#include <string.h>

static void *own(reel__steps *s, size_t bytes)
{
    const reel_allocator *a = &s->plan.allocator;
    if (!reel__reserve(a, &s->pointers, s->pointers.count + 1, sizeof(void *))) return NULL;
    void *block = reel__allocate(a, bytes);
    if (!block) return NULL;
    REEL__AT(s->pointers, void *, s->pointers.count++) = block;
    REEL__AT(s->pointers, size_t, s->pointers.count++) = bytes;
    return block;
}

void reel__steps_free(reel__steps *s)
{
    reel_allocator a = s->plan.allocator;
    for (int64_t i = 0; i < s->pointers.count; i += 2)
        reel__release(&a, REEL__AT(s->pointers, void *, i), REEL__AT(s->pointers, size_t, i + 1));
    reel__array_free(&a, &s->pointers, sizeof(void *));
    reel__array_free(&a, &s->list, sizeof(reel__step));
    reel__array_free(&a, &s->constants, sizeof(reel__step));
    reel__release(&a, s->scratch_memory, s->scratch * (size_t)s->threads);
    reel__plan_free(&s->plan);
}

static size_t element_of(const reel_tensor *x) { return reel__dtype_size((reel_dtype)x->dtype); }

/* The address of an operand's first element, for a member of group g. */
static char *address(const reel__steps *s, int32_t g, const reel_tensor *x)
{
    const reel__access *access = reel__access_for(&s->plan, g, x);
    return s->plan.node[access->source].data + access->offset * (int64_t)element_of(x);
}

static reel__step *new_step(reel__steps *s, reel__array *list, reel__step_kind kind, int32_t node)
{
    if (!reel__reserve(&s->plan.allocator, list, list->count, sizeof(reel__step))) return NULL;
    reel__step *step = &REEL__AT(*list, reel__step, list->count++);
    *step = (reel__step){ .kind = kind, .node = node };
    return step;
}

static bool lower_call(reel__steps *s, reel__array *list, int32_t node)
{
    reel__planned *p = &s->plan.node[node];
    reel__step *step = new_step(s, list, REEL__STEP_CALL, node);
    const void **x = step ? own(s, (size_t)(p->x->input_count + 1) * sizeof *x) : NULL;
    if (!x) return false;
    for (int j = 0; j < p->x->input_count; j++) x[j] = address(s, p->group, p->x->inputs[j]);
    step->call = (reel_call){ .node = p->x, .y = p->data, .x = x, .isa = s->plan.isa };
    return true;
}

static bool lower_copy(reel__steps *s, int32_t node)
{
    reel__step *step = new_step(s, &s->list, REEL__STEP_COPY, node);
    if (!step) return false;
    reel__planned *p = &s->plan.node[node];
    step->access = &REEL__AT(s->plan.copies, reel__access, p->depth);
    step->a = s->plan.node[step->access->source].data + step->access->offset * (int64_t)element_of(p->x);
    step->call = (reel_call){ .node = p->x, .y = p->data };
    return true;
}

static void set_reduce(reel__step *step, const reel_tensor *y, int isa)
{
    int axis;
    int64_t block;
    const reel_tensor *x = y->inputs[0];
    step->reduce = y->op->kind->reduce(y, isa, &axis, &block);
    step->outer = step->inner = 1, step->n = x->size[axis];
    for (int d = 0; d < axis; d++) step->outer *= x->size[d];
    for (int d = axis + 1; d < x->rank; d++) step->inner *= x->size[d];
    step->work = (double)x->count;
}

static bool lower_reduce(reel__steps *s, int32_t node)
{
    reel__step *step = new_step(s, &s->list, REEL__STEP_REDUCE, node);
    if (!step) return false;
    set_reduce(step, s->plan.node[node].x, s->plan.isa);
    step->call.y = s->plan.node[node].data;
    step->a = address(s, s->plan.node[node].group, s->plan.node[node].x->inputs[0]);
    step->call.node = s->plan.node[node].x;
    return true;
}

/* After a group: a late reduction's values from those of its blocks. */
static bool lower_late(reel__steps *s, int32_t node, int64_t blocks)
{
    reel__step *step = new_step(s, &s->list, REEL__STEP_REDUCE, node);
    if (!step) return false;
    const reel__planned *p = &s->plan.node[node];
    set_reduce(step, p->x, s->plan.isa);
    step->outer = p->x->count, step->n = blocks, step->inner = 1;
    step->work = (double)(step->outer * blocks);
    step->call.y = p->data;
    step->call.node = p->x;
    step->a = p->partial;
    return true;
}

/* ---- Tiles ------------------------------------------------------------------------------------------------------- */

typedef struct tiling {
    reel__steps *s;
    const reel__group *group;
    int32_t g;
    int split;
    int64_t rows, columns;
    int32_t *reg;         /* of each member by position; REEL__NONE: in memory */
    int32_t *last_use;    /* by position: the last member that reads it */
    int32_t *free, *held; /* held: to be freed when the open chain ends */
    int32_t free_count, held_count, registers;
    size_t widest;
    reel__tile_op *open;          /* the chain that the next op may join */
    const reel__planned *in_hand; /* whose result it ends with */
    reel__planned_link links[REEL__CHAIN_LINKS];
} tiling;

enum { IN_HAND = -2 }; /* as a register: only the next link reads it */

/* The last member of the group that reads each member, by position. */
static void find_last_uses(tiling *t)
{
    const reel__plan *plan = &t->s->plan;
    for (int32_t i = t->group->first; i >= 0; i = plan->node[i].next) {
        const reel__planned *p = &plan->node[i];
        t->last_use[p->position] = p->position;
        if (element_of(p->x) > t->widest) t->widest = element_of(p->x);
        for (int j = 0; j < p->x->input_count; j++) {
            const reel__planned *in = &plan->node[reel__access_for(plan, t->g, p->x->inputs[j])->source];
            if (element_of(in->x) > t->widest) t->widest = element_of(in->x);
            if (in->group == t->g && in->position < p->position && p->role != REEL__PRODUCT)
                t->last_use[in->position] = p->position;
        }
    }
}

static int32_t take_register(tiling *t) { return t->free_count ? t->free[--t->free_count] : t->registers++; }

static reel__operand stored_operand(const tiling *t, const reel__planned *p)
{
    reel__operand o = { .base = p->data, .reg = REEL__NONE, .element = (uint8_t)element_of(p->x) };
    o.one = p->level != REEL__FULL;
    o.row = p->level == REEL__FULL ? t->columns : 1;
    return o;
}

static reel__operand member_operand(const tiling *t, const reel__planned *p)
{
    reel__operand o = { .reg = t->reg[p->position], .element = (uint8_t)element_of(p->x) };
    if (p->role == REEL__PRODUCT && !p->stored) o.block = true;
    else if (o.reg == REEL__NONE) return stored_operand(t, p);
    o.per_row = o.one = p->level == REEL__ROW;
    o.row = 1;
    return o;
}

/* An operand from outside: its strides in the group's space. */
static reel__operand outer_operand(const tiling *t, const reel_tensor *x, const reel__planned *reader)
{
    const reel__plan *plan = &t->s->plan;
    int64_t size[REEL_MAX_RANK], stride[REEL_MAX_RANK], column = 0;
    int rank = reel__squeeze(x, size);
    reel__operand o = { .base = address(t->s, t->g, x), .reg = REEL__NONE, .element = (uint8_t)element_of(x) };
    reel__squeeze_strides(x, reel__access_for(plan, t->g, x), stride);
    int rows = reader->level == REEL__ROW ? rank : t->split;
    reel__collapse(size, stride, 0, rows, &o.row);
    reel__collapse(size, stride, rows, rank, &column);
    o.one = rows == rank || column == 0;
    return o;
}

static reel__operand operand(const tiling *t, const reel__planned *reader, int j)
{
    const reel_tensor *x = reader->x->inputs[j];
    const reel__planned *in = &t->s->plan.node[reel__access_for(&t->s->plan, t->g, x)->source];
    return in->group == t->g ? member_operand(t, in) : outer_operand(t, x, reader);
}

static const reel__planned *source(const tiling *t, const reel__planned *reader, int j)
{
    return &t->s->plan.node[reel__access_for(&t->s->plan, t->g, reader->x->inputs[j])->source];
}

/* ---- Chains ------------------------------------------------------------------------------------------------------ */

/* A pointwise op's link, with what it takes from the link before as operand `from`; x are the others. */
static bool find_link(const tiling *t, const reel__planned *p, int from, reel__planned_link *link)
{
    const reel__kind *kind = p->x->op->kind;
    bool one[REEL__POINTWISE_INPUTS] = { false };
    *link = (reel__planned_link){ .count = 0 };
    if (p->role != REEL__POINTWISE || !kind->link) return false;
    for (int j = 0; j < p->x->input_count; j++) {
        if (j == from) continue;
        reel__operand o = operand(t, p, j);
        if (p->level == REEL__ROW) o.one = o.reg < 0 && o.row == 0;
        one[j] = o.one;
        link->x[link->count++] = o;
    }
    return kind->link(p->x, t->s->plan.isa, from, one, &link->form);
}

/* Which operand of p the open chain has in hand, and the link for it; REEL__NONE: p cannot join. */
static int joins_chain(const tiling *t, const reel__planned *p, const reel__planned *in_hand, reel__planned_link *link)
{
    if (p->role != REEL__POINTWISE || p->level != in_hand->level || t->s->plan.settings.no_chain) return REEL__NONE;
    for (int j = 0; j < p->x->input_count; j++)
        if (source(t, p, j) == in_hand && find_link(t, p, j, link)) return j;
    return REEL__NONE;
}

/* Whether the member after p is the only one that reads it, as the next link. */
static bool is_passed_on(const tiling *t, const reel__planned *p)
{
    if (p->stored || p->next < 0 || t->last_use[p->position] != p->position + 1) return false;
    const reel__planned *next = &t->s->plan.node[p->next];
    reel__planned_link link;
    int reads = 0;
    for (int j = 0; j < next->x->input_count; j++) reads += source(t, next, j) == p;
    return reads == 1 && t->open->count + 4 <= REEL__CHAIN_LINKS && joins_chain(t, next, p, &link) >= 0;
}

static void append_link(tiling *t, const reel__planned_link *link)
{
    t->links[t->open->count++] = *link;
    for (int j = 0; j < link->count && t->open->kind == REEL__TILE_ROW_CHAIN; j++)
        t->open->scattered |= link->x[j].reg < 0 && link->x[j].row != 0 && link->x[j].row != 1;
}

static bool close_chain(tiling *t)
{
    reel__tile_op *op = t->open;
    if (!op) return true;
    append_link(t, &(reel__planned_link){ .form = op->chain->end });
    op->links = own(t->s, op->count * sizeof *op->links);
    if (op->links) memcpy(op->links, t->links, op->count * sizeof *op->links);
    t->open = NULL;
    while (t->held_count) t->free[t->free_count++] = t->held[--t->held_count];
    return op->links != NULL;
}

static void open_chain(tiling *t, const reel__planned *p, reel__tile_op *op)
{
    reel__planned_link load = { .count = 1, .x = { operand(t, p, 0) } };
    *op = (reel__tile_op){ .kind = p->level == REEL__ROW ? REEL__TILE_ROW_CHAIN : REEL__TILE_CHAIN,
                           .chain = p->x->op->kind->chain(t->s->plan.isa) };
    if (p->level == REEL__ROW) load.x[0].one = load.x[0].reg < 0 && load.x[0].row == 0;
    load.form = load.x[0].one ? op->chain->load_one : op->chain->load;
    t->open = op;
    append_link(t, &load);
}

/* A pointwise op as a link, of the open chain or of a new one at *next. */
static bool lower_link(tiling *t, const reel__planned *p, const reel__planned_link *link, bool joined,
                       reel__tile_op **next)
{
    if (!joined) {
        if (!close_chain(t)) return false;
        open_chain(t, p, (*next)++);
    }
    append_link(t, link);
    t->in_hand = p;
    t->reg[p->position] = p->stored ? REEL__NONE : is_passed_on(t, p) ? IN_HAND : take_register(t);
    if (t->reg[p->position] == IN_HAND) return true;
    append_link(t, &(reel__planned_link){ .form = t->open->chain->store, .count = 1, .x = { member_operand(t, p) } });
    return true;
}

/* ---- Members ----------------------------------------------------------------------------------------------------- */

static void lower_reduction(tiling *t, const reel__planned *p, reel__tile_op *op)
{
    int axis;
    int64_t block;
    const reel_tensor *x = p->x;
    *op = (reel__tile_op){ .kind = p->level == REEL__LATE ? REEL__TILE_BLOCKS : REEL__TILE_REDUCE, .count = 1 };
    op->x[0] = operand(t, p, 0);
    op->reduce = x->op->kind->reduce(x, t->s->plan.isa, &axis, &block);
    op->block = (int32_t)block;
    if (p->level != REEL__LATE) {
        t->reg[p->position] = p->stored ? REEL__NONE : take_register(t);
        op->y = member_operand(t, p);
        return;
    }
    op->blocks = (int32_t)((x->inputs[0]->size[axis] + block - 1) / block);
    op->y =
        (reel__operand){ .base = p->partial, .row = op->blocks, .reg = REEL__NONE, .element = (uint8_t)element_of(x) };
}

static void lower_row(tiling *t, const reel__planned *p, reel__tile_op *op)
{
    const reel_tensor *x = p->x;
    *op = (reel__tile_op){ .kind = p->level == REEL__ROW ? REEL__TILE_ROW : REEL__TILE_FULL,
                           .count = (uint8_t)x->input_count,
                           .row = x->op->kind->row(x) };
    for (int j = 0; j < x->input_count; j++) op->x[j] = operand(t, p, j);
    t->reg[p->position] = p->stored ? REEL__NONE : take_register(t);
    op->y = member_operand(t, p);
}

static bool lower_member(tiling *t, const reel__planned *p, reel__tile_op **next)
{
    reel__planned_link link;
    bool joined = t->open && t->open->count + 4 <= REEL__CHAIN_LINKS && joins_chain(t, p, t->in_hand, &link) >= 0;
    if (joined || find_link(t, p, 0, &link)) return lower_link(t, p, &link, joined, next);
    if (!close_chain(t)) return false;
    if (p->role == REEL__REDUCTION) lower_reduction(t, p, (*next)++);
    else lower_row(t, p, (*next)++);
    return true;
}

/* Registers that a member reads for the last time. A chain writes a row before it reads the next: what has a value for
 * each row must outlast it. */
static void free_registers(tiling *t, const reel__planned *p)
{
    for (int j = 0; j < p->x->input_count; j++) {
        const reel__planned *in = source(t, p, j);
        if (in->group != t->g || t->reg[in->position] < 0 || t->last_use[in->position] != p->position) continue;
        if (t->open && in->level != p->level) t->held[t->held_count++] = t->reg[in->position];
        else t->free[t->free_count++] = t->reg[in->position];
        t->last_use[in->position] = REEL__NONE;
    }
}

/* Elements of a tile: half of the first cache for what is live, in whole rows where a member needs them. */
static void choose_tile(const tiling *t, reel__step *step, int64_t max_rows, int64_t max_columns)
{
    const reel__plan_settings *settings = &t->s->plan.settings;
    int64_t l1 = settings->l1 ? settings->l1 : 32768, live = t->registers + 2;
    int64_t length = settings->tile ? settings->tile : l1 / (live * (int64_t)t->widest) / 16 * 16;
    if (!settings->tile) length = length < 512 ? 512 : length > 2048 ? 2048 : length;
    bool whole = t->group->has_rows;
    int64_t unit = 1;
    for (int32_t i = 0; i < step->op_count; i++)
        if (step->ops[i].kind == REEL__TILE_BLOCKS && step->ops[i].block > unit) unit = step->ops[i].block;
    step->tile_columns = whole || max_columns <= length ? max_columns : length / unit * unit;
    if (step->tile_columns < unit && !whole) step->tile_columns = unit < max_columns ? unit : max_columns;
    if (step->tile_columns < 1) step->tile_columns = 1;
    step->tile_rows = length / step->tile_columns;
    if (step->tile_rows < 1) step->tile_rows = 1;
    if (step->tile_rows > max_rows) step->tile_rows = max_rows;
    step->registers = t->registers;
    step->register_bytes = ((size_t)(step->tile_rows * step->tile_columns) * t->widest + 63) / 64 * 64;
}

/* A group that is one tile needs no addresses computed when it runs; a reduction then reads rows that lie together. */
static bool fix_calls(reel__steps *s, reel__step *step, char *registers)
{
    const reel__part part = { .rows = step->rows, .columns = step->columns };
    for (int32_t i = 0; i < step->op_count; i++) {
        const reel__tile_op *op = &step->ops[i];
        bool reduces = op->kind == REEL__TILE_REDUCE;
        bool together = reduces && (op->x[0].reg >= 0 || op->x[0].row == step->columns || step->rows == 1);
        if (op->kind == REEL__TILE_BLOCKS || (reduces && !together)) return true;
    }
    for (int32_t i = 0; i < step->op_count; i++) {
        reel__tile_op *op = &step->ops[i];
        if (op->kind == REEL__TILE_CHAIN || op->kind == REEL__TILE_ROW_CHAIN) {
            reel__link *ready = own(s, op->count * sizeof *ready);
            int64_t rows, columns;
            if (!ready) return false;
            reel__set_links(step, op, registers, &part, ready, &rows, &columns);
            op->ready = ready, op->rows = rows, op->columns = columns;
            continue;
        }
        reel__tile tile;
        reel__set_tile(step, op, registers, &part, &tile);
        op->fixed = tile;
    }
    step->single = true;
    return true;
}

static bool lower_tiles(reel__steps *s, reel__step *step, int32_t g)
{
    const reel__plan *plan = &s->plan;
    const reel__group *group = &REEL__AT(plan->groups, reel__group, g);
    const reel_allocator *a = &plan->allocator;
    size_t n = (size_t)group->count;
    tiling t = { .s = s, .group = group, .g = g, .rows = 1, .columns = 1 };
    while (!(group->splits >> t.split & 1)) t.split++;
    for (int d = 0; d < group->rank; d++) *(d < t.split ? &t.rows : &t.columns) *= group->size[d];
    int32_t *memory = reel__allocate(a, 4 * n * sizeof *memory);
    step->ops = memory ? own(s, n * sizeof *step->ops) : NULL;
    bool good = step->ops != NULL;
    t.reg = memory, t.last_use = memory + n, t.free = memory + 2 * n, t.held = memory + 3 * n;
    for (size_t i = 0; good && i < n; i++) t.reg[i] = REEL__NONE;
    if (good) find_last_uses(&t);
    reel__tile_op *next = step->ops;
    for (int32_t i = group->first; good && i >= 0; i = plan->node[i].next) {
        const reel__planned *p = &plan->node[i];
        if (p->role == REEL__PRODUCT) continue;
        good = lower_member(&t, p, &next);
        if (good) free_registers(&t, p);
    }
    good = good && close_chain(&t);
    reel__release(a, memory, 4 * n * sizeof *memory);
    if (!good) return false;
    step->op_count = (int32_t)(next - step->ops);
    step->rows = t.rows, step->columns = t.columns;
    step->work = (double)(t.rows * t.columns) * (double)group->count;
    int64_t max_rows = step->kind == REEL__STEP_PRODUCT ? step->block_m : t.rows;
    int64_t max_columns = step->kind == REEL__STEP_PRODUCT ? step->block_n : t.columns;
    choose_tile(&t, step, max_rows, max_columns);
    size_t scratch = (size_t)step->registers * step->register_bytes;
    if (scratch + 64 > s->scratch) s->scratch = scratch + 64;
    return true;
}

/* ---- Products ---------------------------------------------------------------------------------------------------- */

static int side_axes(const reel_tensor *x, const reel__access *access, int count, const int8_t *axes, reel__axis *out)
{
    int n = 0;
    for (int i = 0; i < count; i++) {
        int64_t size = x->size[axes[i]], stride = access->stride[axes[i]];
        if (size == 1) continue;
        if (n && out[n - 1].stride == stride * size) out[n - 1] = (reel__axis){ out[n - 1].size * size, stride };
        else out[n++] = (reel__axis){ size, stride };
    }
    if (n == 0) out[n++] = (reel__axis){ 1, 1 };
    return n;
}

static reel__side side_of(const reel__steps *s, int32_t g, const reel_tensor *x, int rows, const int8_t *row_axes,
                          int k, const int8_t *k_axes)
{
    reel__axis row[REEL_MAX_RANK], deep[REEL_MAX_RANK];
    const reel__access *access = reel__access_for(&s->plan, g, x);
    reel__side side = { .row_axes = side_axes(x, access, rows, row_axes, row),
                        .k_axes = side_axes(x, access, k, k_axes, deep) };
    for (int i = 0; i < side.row_axes; i++) side.row[i] = row[i];
    for (int i = 0; i < side.k_axes; i++) side.k[i] = deep[i];
    return side;
}

static bool batch_offsets(reel__steps *s, reel__step *step, int32_t g, const reel_tensor *y,
                          const reel__product_axes *p)
{
    step->batch = 1;
    for (int i = 0; i < p->batch; i++) step->batch *= y->size[i];
    if (!(step->offsets = own(s, (size_t)(2 * step->batch) * sizeof *step->offsets))) return false;
    for (int64_t b = 0; b < step->batch; b++) {
        int64_t rest = b, at[2] = { 0, 0 };
        for (int i = p->batch; i-- > 0; rest /= y->size[i]) {
            at[0] += rest % y->size[i] * reel__access_for(&s->plan, g, y->inputs[0])->stride[p->a_batch[i]];
            at[1] += rest % y->size[i] * reel__access_for(&s->plan, g, y->inputs[1])->stride[p->b_batch[i]];
        }
        for (int j = 0; j < 2; j++) step->offsets[2 * b + j] = at[j] * (int64_t)element_of(y);
    }
    return true;
}

static int64_t multiple_below(int64_t n, int64_t step) { return n > step ? n / step * step : step; }

/* What runs on a block after its product wants it in the first cache. An operand that is packed by every block must not
 * be packed more often for that: its own axis is the one that can be cut. */
static void shrink_block(reel__step *step, bool whole_rows, int64_t l1)
{
    const reel__product_plan *p = &step->plan;
    int64_t target = l1 / p->element;
    bool m_packed = (p->over_m ? p->x.use : p->y.use) == REEL__PACK,
         n_packed = (p->over_m ? p->y.use : p->x.use) == REEL__PACK;
    if (step->block_m * step->block_n <= target) return;
    if (!n_packed) {
        int64_t rows = multiple_below(target / step->block_n, p->step_m);
        if (rows < step->block_m) step->block_m = rows;
    } else if (!m_packed && !whole_rows) {
        int64_t columns = multiple_below(target / step->block_m, p->step_n);
        if (columns < step->block_n) step->block_n = columns;
    }
}

/* Enough blocks for all threads, by cutting the axis whose operand is not packed by every block. */
static void spread_block(reel__step *step, int threads, bool whole_rows)
{
    const reel__product_plan *p = &step->plan;
    bool n_packed = (p->over_m ? p->y.use : p->x.use) == REEL__PACK;
    int64_t down = (step->rows + step->block_m - 1) / step->block_m,
            across = (step->columns + step->block_n - 1) / step->block_n;
    if (down * across >= threads || (double)p->m * (double)p->n * (double)p->k < 100000) return;
    int64_t parts = (threads + down * across - 1) / (down * across);
    bool by_rows = (!n_packed || whole_rows) && step->block_m >= parts * p->step_m;
    int64_t *block = by_rows ? &step->block_m : &step->block_n, unit = by_rows ? p->step_m : p->step_n;
    if (!by_rows && whole_rows) return;
    int64_t part = (*block + parts - 1) / parts;
    *block = (part + unit - 1) / unit * unit;
}

/* A block may be larger than the one proposed, whole rows above all: then its packed operand needs more room. */
static void make_room(reel__step *step)
{
    reel__product_plan *p = &step->plan;
    int64_t proposed = p->over_m ? p->block_n : p->block_m, wanted = p->over_m ? step->block_n : step->block_m;
    if (wanted <= proposed) return;
    size_t more = p->y_workspace * (size_t)((wanted - 1) / proposed);
    p->y_workspace += more;
    p->workspace += more;
}

static bool lower_product(reel__steps *s, int32_t g)
{
    const reel__group *group = &REEL__AT(s->plan.groups, reel__group, g);
    reel__step *step = new_step(s, &s->list, REEL__STEP_PRODUCT, group->product);
    if (!step) return false;
    const reel__planned *node = &s->plan.node[group->product];
    const reel_tensor *y = node->x, *a = y->inputs[0], *b = y->inputs[1];
    step->api = y->op->kind->product;
    const reel__product_axes *p = step->api->axes(y);
    const reel__plan_settings *settings = &s->plan.settings;
    int64_t m = 1, n = 1, k = 1;
    for (int i = 0; i < p->m; i++) m *= a->size[p->a_m[i]];
    for (int i = 0; i < p->n; i++) n *= b->size[p->b_n[i]];
    for (int i = 0; i < p->k; i++) k *= a->size[p->a_k[i]];
    reel__product product = { .isa = s->plan.isa,
                              .element = (int)element_of(y),
                              .c_m = n,
                              .c_n = 1,
                              .a = side_of(s, g, a, p->m, p->a_m, p->k, p->a_k),
                              .b = side_of(s, g, b, p->n, p->b_n, p->k, p->b_k),
                              .a_use = (reel__product_use)settings->pack,
                              .b_use = (reel__product_use)settings->pack,
                              .l1 = settings->l1,
                              .l2 = settings->l2 };
    step->plan = step->api->plan(&product);
    step->a = address(s, g, a), step->b = address(s, g, b);
    step->c = node->stored ? node->data : NULL;
    step->rows = m, step->columns = n;
    bool whole_rows = group->has_rows;
    step->block_m = settings->block && settings->block < m
                        ? (settings->block + step->plan.step_m - 1) / step->plan.step_m * step->plan.step_m
                        : step->plan.block_m;
    step->block_n = settings->block && settings->block < n
                        ? (settings->block + step->plan.step_n - 1) / step->plan.step_n * step->plan.step_n
                        : step->plan.block_n;
    if (step->block_m > m) step->block_m = m;
    if (step->block_n > n || whole_rows) step->block_n = n;
    if (s->threads > 1 && !settings->block) spread_block(step, s->threads, whole_rows);
    if (group->count > 1 && !settings->block) shrink_block(step, whole_rows, settings->l1 ? settings->l1 : 32768);
    make_room(step);
    if (!batch_offsets(s, step, g, y, p)) return false;
    if (group->count > 1 && !lower_tiles(s, step, g)) return false;
    step = &REEL__AT(s->list, reel__step, s->list.count - 1);
    step->work = (double)m * (double)n * (double)k * (double)step->batch / 8 + step->work;
    size_t scratch = (size_t)step->registers * step->register_bytes + step->plan.workspace + 64 +
                     (step->c ? 0 : (size_t)(step->block_m * step->block_n) * element_of(y) + 64);
    if (scratch > s->scratch) s->scratch = scratch;
    return true;
}

/* ---- All --------------------------------------------------------------------------------------------------------- */

static bool lower_group(reel__steps *s, int32_t g)
{
    const reel__group *group = &REEL__AT(s->plan.groups, reel__group, g);
    if (group->first < 0) return true; /* begun in vain */
    const reel__planned *first = &s->plan.node[group->first];
    if (group->product >= 0) return lower_product(s, g);
    if (!group->tiled && first->role == REEL__COPY) return lower_copy(s, group->first);
    if (!group->tiled && first->role == REEL__REDUCTION) return lower_reduce(s, group->first);
    if (!group->tiled) return lower_call(s, &s->list, group->first);
    reel__step *step = new_step(s, &s->list, REEL__STEP_TILES, group->first);
    if (!step || !lower_tiles(s, step, g)) return false;
    for (int32_t i = group->first; i >= 0; i = s->plan.node[i].next) {
        const reel__planned *p = &s->plan.node[i];
        int axis;
        int64_t block;
        if (p->level != REEL__LATE) continue;
        p->x->op->kind->reduce(p->x, s->plan.isa, &axis, &block);
        if (!lower_late(s, i, (p->x->inputs[0]->size[axis] + block - 1) / block)) return false;
    }
    return true;
}

enum { SHARED_WORK = 100000 }; /* element operations below which a step stays on one thread: some 15 µs */

/* What is shared between threads; without such a step there is no team. */
static void share_out(reel__steps *s)
{
    int64_t least = s->plan.settings.thread_work;
    double worth = least < 0 ? 0 : least ? (double)least : SHARED_WORK;
    bool any = false;
    for (int64_t i = 0; i < s->list.count; i++) {
        reel__step *step = &REEL__AT(s->list, reel__step, i);
        step->shares = reel__step_shares(step);
        step->shared = s->threads > 1 && step->shares > 1 && step->work >= worth;
        any |= step->shared;
    }
    if (!any) s->threads = 1;
}

bool reel__lower(reel__steps *s)
{
    for (int64_t i = 0; i < s->plan.count; i++)
        if (s->plan.node[i].role == REEL__CONSTANT && !lower_call(s, &s->constants, (int32_t)i)) return false;
    for (int32_t g = 0; g < s->plan.groups.count; g++)
        if (!lower_group(s, g)) return false;
    s->scratch = (s->scratch + 127) / 64 * 64;
    share_out(s);
    s->scratch_memory = reel__allocate(&s->plan.allocator, s->scratch * (size_t)s->threads);
    if (!s->scratch_memory) return false;
    for (int64_t i = 0; i < s->list.count; i++) {
        reel__step *step = &REEL__AT(s->list, reel__step, i);
        if (step->kind != REEL__STEP_TILES || step->shares != 1) continue;
        if (!fix_calls(s, step, s->scratch_memory)) return false;
    }
    return true;
}
