/* What runs together. Nodes are visited in the program's order; a pointwise node joins the last of the groups that its
 * operands are computed in, if it lies in the same space [rows, columns] and everything else it needs is there before
 * that group begins. A reduction over the columns joins the group of its operand; a product begins a group, whose
 * pointwise members then run on each block of it while that is in cache. Groups are executed in the order in which they
 * are begun, so no cycle can arise.
 *
 * The first group takes what is a single element and needs only leaves. Any other pointwise node that reads only leaves
 * and constants floats: it is placed when its first user is, beside it (an optimiser's β m belongs to the update, not to
 * the beginning of the run). */
#include "core/plan/plan.h"

#include <string.h>

static reel__group *group_at(const reel__plan *plan, int32_t g) { return &REEL__AT(plan->groups, reel__group, g); }

static int32_t begin_group(reel__plan *plan, bool tiled, const reel_tensor *x)
{
    if (!reel__reserve(&plan->allocator, &plan->groups, plan->groups.count, sizeof(reel__group))) return REEL__NONE;
    reel__group *group = group_at(plan, (int32_t)plan->groups.count);
    *group = (reel__group){ .first = REEL__NONE,
                            .last = REEL__NONE,
                            .product = REEL__NONE,
                            .tiled = tiled,
                            .batch_head = REEL__NONE,
                            .batch_count = 1 };
    group->rank = reel__squeeze(x, group->size);
    group->row_splits = (2u << group->rank) - 1;
    return (int32_t)plan->groups.count++;
}

static void add_member(reel__plan *plan, int32_t g, int64_t node, reel__level level)
{
    reel__group *group = group_at(plan, g);
    plan->node[node].group = g;
    plan->node[node].level = (uint8_t)level;
    if (group->last >= 0) plan->node[group->last].next = (int32_t)node;
    else group->first = (int32_t)node;
    group->last = (int32_t)node;
    group->count++;
}

/* A group of its own for a node that is run as it is. */
static bool alone(reel__plan *plan, int64_t node)
{
    int32_t g = begin_group(plan, false, plan->node[node].x);
    if (g < 0) return false;
    add_member(plan, g, node, REEL__FULL);
    return true;
}

static reel__planned *source_of(const reel__plan *plan, const reel_tensor *x)
{
    return &plan->node[plan->access[x->index].source];
}

static bool known_before(const reel__planned *s) { return s->role == REEL__LEAF || s->role == REEL__CONSTANT; }

/* Gives a view memory of its own: a copy, made in a group of its own. */
static bool materialise(reel__plan *plan, const reel_tensor *view)
{
    int64_t stride = 1;
    reel__access *access = &plan->access[view->index];
    if (!reel__reserve(&plan->allocator, &plan->copies, plan->copies.count, sizeof *access)) return false;
    plan->node[view->index].role = REEL__COPY;
    plan->node[view->index].depth = (int32_t)plan->copies.count;
    REEL__AT(plan->copies, reel__access, plan->copies.count++) = *access;
    access->source = view->index, access->offset = 0;
    for (int d = view->rank; d-- > 0; stride *= view->size[d]) access->stride[d] = stride;
    return alone(plan, view->index);
}

/* ---- Spaces ------------------------------------------------------------------------------------------------------ */

static int64_t extent(const int64_t *size, int from, int to)
{
    int64_t n = 1;
    for (int d = from; d < to; d++) n *= size[d];
    return n;
}

static int lowest(uint32_t row_splits)
{
    int s = 0;
    while (!(row_splits >> s & 1)) s++;
    return s;
}

/* At which splits an operand of this access can be read: rows of one stride, columns one after the other or all the same
 * element. */
static uint32_t row_splits_of(int rank, const int64_t *size, const int64_t *stride)
{
    uint32_t row_splits = 0;
    for (int s = 0; s <= rank; s++) {
        int64_t row, column;
        if (reel__collapse(size, stride, 0, s, &row) && reel__collapse(size, stride, s, rank, &column) &&
            (s == rank || column == 0 || column == 1 || extent(size, s, rank) == 1))
            row_splits |= 1u << s;
    }
    return row_splits;
}

typedef struct fit {
    reel__level level;
    uint32_t row_splits;
} fit;

static bool same_sizes(int rank, const int64_t *a, const int64_t *b)
{
    return memcmp(a, b, (size_t)rank * sizeof *a) == 0;
}

/* Whether a node lies in a group's space, as a whole or as one value for each row. */
static bool place(const reel__group *group, const reel_tensor *x, fit *f)
{
    int64_t size[REEL_MAX_RANK];
    int rank = reel__squeeze(x, size);
    f->level = REEL__FULL;
    f->row_splits = group->row_splits;
    if (rank > group->rank || !same_sizes(rank, size, group->size)) return false;
    if (rank == group->rank) return true;
    f->level = REEL__ROW;
    f->row_splits &= 1u << rank;
    return f->row_splits && extent(group->size, rank, group->rank) <= REEL__ROW_LIMIT;
}

/* A member read by another: element by element, or a row's one value by every column. */
static bool reads_member(const reel__group *group, const reel_tensor *operand, const reel__access *access,
                         const reel__planned *member, fit *f)
{
    int64_t size[REEL_MAX_RANK], stride[REEL_MAX_RANK];
    int rank = reel__squeeze(operand, size), rows = reel__squeeze(member->x, (int64_t[REEL_MAX_RANK]){ 0 });
    reel__squeeze_strides(operand, access, stride);
    if (access->offset || member->level == REEL__PARTIAL || (member->level == REEL__FULL) != (rows == group->rank))
        return false;
    if (rows > rank) return false;
    int64_t step = 1;
    for (int d = rank; d-- > rows;)
        if (stride[d] != 0) return false;
    for (int d = rows; d-- > 0; step *= size[d])
        if (stride[d] != step) return false;
    if (rows == rank) return true;
    f->row_splits &= 1u << rows;
    return f->row_splits != 0 && f->level == REEL__FULL;
}

/* Whether a pointwise node can be a member, with all its operands; the splits that are left. */
static bool fits(const reel__plan *plan, int32_t g, int64_t node, fit *f)
{
    const reel__group *group = group_at(plan, g);
    const reel_tensor *x = plan->node[node].x;
    if (!group->tiled || !place(group, x, f)) return false;
    int64_t size[REEL_MAX_RANK], stride[REEL_MAX_RANK];
    for (int j = 0; j < x->input_count; j++) {
        const reel_tensor *operand = x->inputs[j];
        const reel__access *access = &plan->access[operand->index];
        const reel__planned *source = &plan->node[access->source];
        if (source->group == REEL__DEFERRED) continue;
        if (source->group == g) {
            if (!reads_member(group, operand, access, source, f)) return false;
            continue;
        }
        if (!known_before(source) && source->group >= g) return false;
        int rank = reel__squeeze(operand, size);
        reel__squeeze_strides(operand, access, stride);
        if (f->level == REEL__FULL) f->row_splits &= row_splits_of(rank, size, stride);
        else if (!reel__collapse(size, stride, 0, rank, &(int64_t){ 0 })) return false;
        if (!f->row_splits) return false;
    }
    return true;
}

static void join(reel__plan *plan, int32_t g, int64_t node, const fit *f)
{
    reel__group *group = group_at(plan, g);
    add_member(plan, g, node, f->level);
    group->row_splits = f->row_splits;
    if (f->level == REEL__ROW) group->has_rows = true;
    if (group->count > 1) plan->merged++;
}

/* ---- Pointwise nodes --------------------------------------------------------------------------------------------- */

/* The last group that a node must come after or be in; REEL__NONE: it reads only what is known before. */
static int32_t last_needed(const reel__plan *plan, const reel_tensor *x)
{
    int32_t last = REEL__NONE;
    for (int j = 0; j < x->input_count; j++) {
        const reel__planned *s = source_of(plan, x->inputs[j]);
        if (!known_before(s) && s->group > last) last = s->group;
    }
    return last;
}

/* The first group is for single elements that depend on leaves alone (a schedule, an optimiser's corrections): whatever
 * reads them comes after it. */
enum { FIRST = 0 };

enum { VISITS = 64, LOOK_BACK = 8 };

/* Whether a node fits a group together with all deferred nodes that it needs. */
static bool fits_with_all(const reel__plan *plan, int32_t g, int64_t node, int *visits)
{
    const reel_tensor *x = plan->node[node].x;
    fit f;
    if (--*visits < 0 || !fits(plan, g, node, &f)) return false;
    for (int j = 0; j < x->input_count; j++) {
        const reel__planned *source = source_of(plan, x->inputs[j]);
        if (source->group == REEL__DEFERRED && !fits_with_all(plan, g, source->x->index, visits)) return false;
    }
    return true;
}

static bool begin_with(reel__plan *plan, int64_t node);

/* Puts a node into a group, and before it the deferred nodes that it needs. What does not fit after all, since others
 * have narrowed the splits, begins a group of its own, later. */
static bool settle_into(reel__plan *plan, int32_t g, int64_t node)
{
    const reel_tensor *x = plan->node[node].x;
    fit f;
    for (int j = 0; j < x->input_count; j++) {
        const reel__planned *source = source_of(plan, x->inputs[j]);
        if (source->group == REEL__DEFERRED && !settle_into(plan, g, source->x->index)) return false;
    }
    if (!fits(plan, g, node, &f)) return begin_with(plan, node);
    join(plan, g, node, &f);
    return true;
}

static bool joins(const reel__plan *plan, int32_t g, int64_t node)
{
    int visits = VISITS;
    return g >= 0 && group_at(plan, g)->tiled && fits_with_all(plan, g, node, &visits);
}

/* Places a deferred node: in the group that it needs last, or one of the last few that lie in its space, or its own. */
static bool settle(reel__plan *plan, int64_t node)
{
    int32_t last = last_needed(plan, plan->node[node].x), end = (int32_t)plan->groups.count;
    for (int32_t g = end - 1; !plan->settings.no_group && g >= last && g >= 0 && g >= end - LOOK_BACK; g--)
        if (group_at(plan, g)->product < 0 && joins(plan, g, node)) return settle_into(plan, g, node);
    return begin_with(plan, node);
}

/* Operands that a tile cannot read through their strides are copied; deferred ones that do not fit beside the node are
 * placed before it. */
static bool prepare_operands(reel__plan *plan, const reel_tensor *x)
{
    for (int j = 0; j < x->input_count; j++) {
        int64_t size[REEL_MAX_RANK], stride[REEL_MAX_RANK];
        const reel__planned *source = source_of(plan, x->inputs[j]);
        int rank = reel__squeeze(x->inputs[j], size);
        reel__squeeze_strides(x->inputs[j], &plan->access[x->inputs[j]->index], stride);
        bool readable = row_splits_of(rank, size, stride) != 0;
        if (source->group == REEL__DEFERRED) {
            int32_t g = begin_group(plan, true, x);
            if (g < 0) return false;
            bool beside = readable && !plan->settings.no_group && joins(plan, g, source->x->index);
            plan->groups.count--;
            if (!beside && !settle(plan, source->x->index)) return false;
        }
        if (!readable && !materialise(plan, x->inputs[j])) return false;
    }
    return true;
}

/* A group of its own, after its operands' and with room for others. */
static bool begin_with(reel__plan *plan, int64_t node)
{
    const reel_tensor *x = plan->node[node].x;
    fit f;
    if (!prepare_operands(plan, x)) return false;
    int32_t g = begin_group(plan, true, x);
    if (g < 0) return false;
    for (int j = 0; j < x->input_count; j++) {
        const reel__planned *source = source_of(plan, x->inputs[j]);
        if (source->group == REEL__DEFERRED && !settle_into(plan, g, source->x->index)) return false;
    }
    if (!fits(plan, g, node, &f)) { /* operands that each have a split, but none together: copy those that are views */
        for (int j = 0; j < x->input_count; j++)
            if (!reel__is_whole(plan, x->inputs[j]->index) && !materialise(plan, x->inputs[j])) return false;
        g = begin_group(plan, true, x);
        if (g < 0 || !fits(plan, g, node, &f)) return false;
    }
    join(plan, g, node, &f);
    return true;
}

static bool pointwise(reel__plan *plan, int64_t node)
{
    const reel_tensor *x = plan->node[node].x;
    int32_t last = last_needed(plan, x), depth = 0;
    for (int j = 0; j < x->input_count; j++) {
        const reel__planned *s = source_of(plan, x->inputs[j]);
        if (s->group == REEL__DEFERRED && s->depth >= depth) depth = s->depth + 1;
    }
    if (plan->settings.no_group) return begin_with(plan, node);
    if (x->count == 1 && last <= FIRST && joins(plan, FIRST, node)) return settle_into(plan, FIRST, node);
    if (last < 0 && depth < REEL__DEFERRED_DEPTH) {
        plan->node[node].group = REEL__DEFERRED;
        plan->node[node].depth = depth;
        return true;
    }
    if (last < 0) return settle(plan, node);
    return joins(plan, last, node) ? settle_into(plan, last, node) : begin_with(plan, node);
}

/* ---- Reductions, products, the rest ------------------------------------------------------------------------------ */

/* A deferred operand is placed; an operand of an op that is run as it is must be contiguous. */
static bool prepare_operand(reel__plan *plan, const reel_tensor *operand, bool contiguous)
{
    const reel__planned *source = source_of(plan, operand);
    if (source->group == REEL__DEFERRED && !settle(plan, source->x->index)) return false;
    return !contiguous || reel__reads_in_order(operand, &plan->access[operand->index]) || materialise(plan, operand);
}

static bool joins_reduction(reel__plan *plan, int64_t node)
{
    const reel_tensor *y = plan->node[node].x, *operand = y->inputs[0];
    int64_t block, size[REEL_MAX_RANK];
    int axis, rank = reel__squeeze(operand, size);
    y->op->traits->reduce(y, plan->isa, &axis, &block);
    const reel__planned *source = source_of(plan, operand);
    if (plan->settings.no_reduce || source->group < 0 || source->level != REEL__FULL || operand->size[axis] == 1)
        return false;
    reel__group *group = group_at(plan, source->group);
    for (int d = axis + 1; d < operand->rank; d++)
        if (operand->size[d] != 1) return false;
    bool in_space = group->tiled && rank == group->rank && same_sizes(rank, size, group->size);
    uint32_t split = 1u << (rank - 1);
    if (!in_space || !reel__is_whole(plan, operand->index) || !(group->row_splits & split)) return false;
    bool short_row = size[rank - 1] <= REEL__ROW_LIMIT;
    if (!short_row && (group->product >= 0 || group->has_rows)) return false;
    fit f = { short_row ? REEL__ROW : REEL__PARTIAL, split };
    join(plan, source->group, node, &f);
    return true;
}

static bool reduction(reel__plan *plan, int64_t node)
{
    const reel_tensor *operand = plan->node[node].x->inputs[0];
    const reel__planned *source = source_of(plan, operand);
    if (source->group == REEL__DEFERRED && !settle(plan, source->x->index)) return false;
    if (joins_reduction(plan, node)) return true;
    return prepare_operand(plan, operand, true) && alone(plan, node);
}

static bool product(reel__plan *plan, int64_t node)
{
    const reel_tensor *y = plan->node[node].x;
    if (!prepare_operand(plan, y->inputs[0], false) || !prepare_operand(plan, y->inputs[1], false)) return false;
    const reel__product_axes p = reel__plan_axes(plan, (int32_t)plan->groups.count, y);
    int rows = 0;
    for (int i = 0; i < p.m; i++) rows += y->size[p.batch + i] != 1;
    bool batched = false;
    for (int i = 0; i < p.batch; i++) batched |= y->size[i] != 1;
    int32_t g = begin_group(plan, !batched && !plan->settings.no_epilogue, y);
    if (g < 0) return false;
    reel__group *group = group_at(plan, g);
    group->product = (int32_t)node;
    group->row_splits = 1u << rows;
    add_member(plan, g, node, REEL__FULL);
    return true;
}

static bool other(reel__plan *plan, int64_t node)
{
    const reel_tensor *x = plan->node[node].x;
    for (int j = 0; j < x->input_count; j++)
        if (!prepare_operand(plan, x->inputs[j], true)) return false;
    return alone(plan, node);
}

static bool place_node(reel__plan *plan, int64_t i)
{
    switch ((reel__role)plan->node[i].role) {
    case REEL__POINTWISE: return pointwise(plan, i);
    case REEL__REDUCTION: return reduction(plan, i);
    case REEL__PRODUCT: return product(plan, i);
    case REEL__OTHER: return plan->node[i].group >= 0 || other(plan, i);
    default: return true;
    }
}

bool reel__plan_group(reel__plan *plan)
{
    if (!plan->count) return true;
    if (begin_group(plan, true, plan->node[0].x) < 0) return false;
    REEL__AT(plan->groups, reel__group, FIRST).rank = 0;
    REEL__AT(plan->groups, reel__group, FIRST).row_splits = 1;
    for (int64_t i = 0; i < plan->count; i++)
        if (!place_node(plan, i)) return false;
    for (int64_t i = 0; i < plan->count; i++) {
        const reel__planned *source = &plan->node[plan->access[i].source];
        if (!plan->node[i].output) continue;
        if (source->group == REEL__DEFERRED && !settle(plan, source->x->index)) return false;
        /* what is kept or assigned and belongs to a leaf is copied: the leaf may change before the run ends */
        if (plan->node[i].role == REEL__VIEW && source->role == REEL__LEAF && !materialise(plan, plan->node[i].x))
            return false;
    }
    for (int32_t g = 0; g < plan->groups.count; g++) {
        reel__group *group = group_at(plan, g);
        if (group->first >= 0) group->row_splits = 1u << lowest(group->row_splits); /* otherwise begun in vain */
    }
    return true;
}
