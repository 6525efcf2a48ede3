/* What runs together. Nodes are visited in the program's order; a pointwise node is added to the last of the groups that
 * its operands are computed in, if it lies in the same space [rows, columns] and everything else it needs is there before
 * that group begins. A reduction over the columns is added to the group of its operand; a product begins a group, whose
 * pointwise members then run on each block of it while that is in cache. Groups are executed in the order in which they
 * are begun, so no cycle can arise.
 *
 * The first group takes what is a single element and needs only leaves (a schedule, an optimiser's corrections). Any other
 * pointwise node that reads only leaves and constants is deferred: it is put into a group when its first user is (an
 * optimiser's β m belongs to the update, not to the beginning of the run). */
#include "core/plan/plan.h"

#include <string.h>

enum {
    DEFERRED = -2, /* as the group of a node */
    FIRST = 0,
    DEFERRED_DEPTH = 16, /* how long a chain of deferred nodes can be */
    LOOK_BACK = 8        /* how many of the last groups a deferred node is offered to */
};

/* A group while it grows. */
typedef struct draft {
    int32_t first, last, count; /* members, by way of next */
    int32_t product;
    bool tiled, has_rows;
    int rank; /* its space, without axes of size 1 */
    int64_t size[REEL_MAX_RANK];
    uint32_t row_splits; /* bit s: the first s axes can be the rows, the others the columns */
} draft;

typedef struct grouping {
    reel__plan *plan;
    reel__array drafts; /* draft */
    int32_t *next;      /* of each node: the next member of its group */
    int32_t *depth;     /* of each deferred node: how many there are before it in a chain */
} grouping;

static draft *draft_at(const grouping *s, int32_t g) { return &REEL__AT(s->drafts, draft, g); }

static reel__planned *source_of(const grouping *s, const reel_tensor *x)
{
    return &s->plan->node[s->plan->access[x->index].source];
}

static int squeezed_size(const reel_tensor *x, int64_t *size)
{
    int rank = 0;
    for (int d = 0; d < x->rank; d++)
        if (x->size[d] != 1) size[rank++] = x->size[d];
    return rank;
}

/* A group in the space of x; REEL__NONE: out of memory. */
static int32_t begin(grouping *s, bool tiled, const reel_tensor *x)
{
    if (!reel__reserve(&s->plan->allocator, &s->drafts, s->drafts.count, sizeof(draft))) return REEL__NONE;
    draft *group = draft_at(s, (int32_t)s->drafts.count);
    *group = (draft){ .first = REEL__NONE, .last = REEL__NONE, .product = REEL__NONE, .tiled = tiled };
    group->rank = squeezed_size(x, group->size);
    group->row_splits = (2u << group->rank) - 1;
    return (int32_t)s->drafts.count++;
}

static void append(grouping *s, int32_t g, int64_t node, reel__level level)
{
    draft *group = draft_at(s, g);
    s->plan->node[node].group = g;
    s->plan->node[node].level = (uint8_t)level;
    s->next[node] = REEL__NONE;
    *(group->last >= 0 ? &s->next[group->last] : &group->first) = (int32_t)node;
    group->last = (int32_t)node;
    group->count++;
}

/* A group of its own for a node that is run as it is. */
static bool alone(grouping *s, int64_t node)
{
    int32_t g = begin(s, false, s->plan->node[node].x);
    if (g >= 0) append(s, g, node, REEL__FULL);
    return g >= 0;
}

/* Gives a view memory of its own: a copy, made in a group of its own. */
static bool copy(grouping *s, const reel_tensor *view)
{
    reel__plan *plan = s->plan;
    reel__planned *p = &plan->node[view->index];
    if (!reel__reserve(&plan->allocator, &plan->copies, plan->copies.count, sizeof(reel__access))) return false;
    p->copy = (int32_t)plan->copies.count++;
    REEL__AT(plan->copies, reel__access, p->copy) = plan->access[view->index];
    plan->access[view->index] = reel__whole_access(view);
    p->role = REEL__COPY;
    return alone(s, view->index);
}

/* ---- Whether a node can be a member ------------------------------------------------------------------------------ */

/* How it would be one: its level, and the row splits that the group would then have. */
typedef struct fit {
    reel__level level;
    uint32_t row_splits;
} fit;

static bool same_sizes(int rank, const int64_t *a, const int64_t *b)
{
    return memcmp(a, b, (size_t)rank * sizeof *a) == 0;
}

/* At which splits a tile can read an operand: rows of one stride, columns contiguous or all the same element. */
static uint32_t row_splits_of(int rank, const reel__axis *axes)
{
    uint32_t row_splits = 0;
    for (int s = 0; s <= rank; s++) {
        reel__axis rows[REEL_MAX_RANK], columns[REEL_MAX_RANK];
        const int n = reel__merge_axes(rank - s, axes + s, columns);
        const bool one = n == 1 && columns->stride == 0;
        if (reel__merge_axes(s, axes, rows) <= 1 && (one || reel__is_contiguous(n, columns))) row_splits |= 1u << s;
    }
    return row_splits;
}

/* Whether a node has the group's space, or one value for each of its rows. */
static bool lies_in(const draft *group, const reel_tensor *x, fit *f)
{
    int64_t size[REEL_MAX_RANK], columns = 1;
    int rank = squeezed_size(x, size);
    *f = (fit){ REEL__FULL, group->row_splits };
    if (!group->tiled || rank > group->rank || !same_sizes(rank, size, group->size)) return false;
    if (rank == group->rank) return true;
    *f = (fit){ REEL__ROW, group->row_splits & 1u << rank };
    for (int d = rank; d < group->rank; d++) columns *= group->size[d];
    return f->row_splits && columns <= REEL__ROW_LIMIT;
}

/* A member can read another element by element, or all columns one value for each row. */
static bool reads_member(const draft *group, const reel_tensor *operand, const reel__access *access,
                         const reel__planned *member, fit *f)
{
    int64_t size[REEL_MAX_RANK];
    reel__axis axes[REEL_MAX_RANK];
    const int rank = reel__axes_of(operand, access, axes), rows = squeezed_size(member->x, size);
    if (access->offset || member->level == REEL__PARTIAL || (member->level == REEL__FULL) != (rows == group->rank))
        return false;
    if (rows > rank || !reel__is_contiguous(rows, axes)) return false;
    for (int d = rows; d < rank; d++)
        if (axes[d].stride != 0) return false;
    if (rows == rank) return true;
    f->row_splits &= 1u << rows;
    return f->row_splits && f->level == REEL__FULL;
}

/* Whether a tile can read an operand that is computed before the group. */
static bool reads_outside(const reel_tensor *operand, const reel__access *access, fit *f)
{
    reel__axis axes[REEL_MAX_RANK];
    const int rank = reel__axes_of(operand, access, axes);
    if (f->level == REEL__ROW) return reel__merge_axes(rank, axes, axes) <= 1;
    f->row_splits &= row_splits_of(rank, axes);
    return f->row_splits != 0;
}

/* Whether a pointwise node can be a member, once all its operands are in this group or in others. */
static bool fits(const grouping *s, int32_t g, const reel_tensor *x, fit *f)
{
    const draft *group = draft_at(s, g);
    if (!lies_in(group, x, f)) return false;
    for (int j = 0; j < x->input_count; j++) {
        const reel_tensor *operand = x->inputs[j];
        const reel__access *access = &s->plan->access[operand->index];
        const reel__planned *source = source_of(s, operand);
        if (source->group > g) return false;
        if (source->group == g ? !reads_member(group, operand, access, source, f) : !reads_outside(operand, access, f))
            return false;
    }
    return true;
}

static void add_one(grouping *s, int32_t g, int64_t node, const fit *f)
{
    append(s, g, node, f->level);
    draft_at(s, g)->row_splits = f->row_splits;
    draft_at(s, g)->has_rows |= f->level == REEL__ROW;
}

/* ---- Pointwise nodes --------------------------------------------------------------------------------------------- */

/* Adds a node to a group, and before it the deferred nodes that it needs; false: somewhere on the way one does not fit. */
static bool add_while_fitting(grouping *s, int32_t g, int64_t node)
{
    const reel_tensor *x = s->plan->node[node].x;
    fit f;
    if (!lies_in(draft_at(s, g), x, &f)) return false;
    for (int j = 0; j < x->input_count; j++) {
        const reel__planned *source = source_of(s, x->inputs[j]);
        if (source->group == DEFERRED && !add_while_fitting(s, g, source->x->index)) return false;
    }
    if (!fits(s, g, x, &f)) return false;
    add_one(s, g, node, &f);
    return true;
}

/* The same, of all of them or of none. */
static bool add(grouping *s, int32_t g, int64_t node)
{
    const draft before = *draft_at(s, g);
    if (add_while_fitting(s, g, node)) return true;
    int32_t added = before.last >= 0 ? s->next[before.last] : draft_at(s, g)->first;
    for (; added >= 0; added = s->next[added]) s->plan->node[added].group = DEFERRED;
    if (before.last >= 0) s->next[before.last] = REEL__NONE;
    *draft_at(s, g) = before;
    return false;
}

static bool begin_with(grouping *s, int64_t node);

/* The last group that a node must come after or be in; REEL__NONE: it reads only what is known before. */
static int32_t last_needed(const grouping *s, const reel_tensor *x)
{
    int32_t last = REEL__NONE;
    for (int j = 0; j < x->input_count; j++) {
        const reel__planned *source = source_of(s, x->inputs[j]);
        if (source->group > last) last = source->group;
    }
    return last;
}

/* Puts a deferred node into one of the last groups, or into its own. */
static bool settle(grouping *s, int64_t node)
{
    int32_t last = last_needed(s, s->plan->node[node].x), end = (int32_t)s->drafts.count;
    for (int32_t g = end - 1; g >= last && g >= 0 && g >= end - LOOK_BACK; g--)
        if (draft_at(s, g)->product < 0 && add(s, g, node)) return true;
    return begin_with(s, node);
}

static bool settle_source(grouping *s, const reel_tensor *operand)
{
    const reel__planned *source = source_of(s, operand);
    return source->group != DEFERRED || settle(s, source->x->index);
}

/* What can keep a node from having a group of its own, in the order in which begin_with() tries to remove it. */
typedef enum obstacle {
    UNREADABLE,   /* a view that no tile can read */
    ELSEWHERE,    /* a deferred operand that does not fit the node's space */
    INCOMPATIBLE, /* views that can be read each at some split, but not together */
    OBSTACLES
} obstacle;

static bool remove_obstacle(grouping *s, const reel_tensor *operand, obstacle what)
{
    reel__axis axes[REEL_MAX_RANK];
    const reel__access *access = &s->plan->access[operand->index];
    if (what == ELSEWHERE) return settle_source(s, operand);
    if (what == INCOMPATIBLE) return reel__is_whole(s->plan, operand->index) || copy(s, operand);
    return row_splits_of(reel__axes_of(operand, access, axes), axes) != 0 ||
           (settle_source(s, operand) && copy(s, operand));
}

/* A group of its own, with the deferred nodes that it needs. */
static bool begin_with(grouping *s, int64_t node)
{
    const reel_tensor *x = s->plan->node[node].x;
    for (int what = UNREADABLE; what <= OBSTACLES; what++) {
        int32_t g = begin(s, true, x);
        if (g < 0) return false;
        if (add(s, g, node)) return true;
        s->drafts.count--;
        for (int j = 0; j < x->input_count && what < OBSTACLES; j++)
            if (!remove_obstacle(s, x->inputs[j], (obstacle)what)) return false;
    }
    return false;
}

static bool pointwise(grouping *s, int64_t node)
{
    const reel_tensor *x = s->plan->node[node].x;
    int32_t last = last_needed(s, x), depth = 0;
    for (int j = 0; j < x->input_count; j++) {
        const reel__planned *source = source_of(s, x->inputs[j]);
        if (source->group == DEFERRED && s->depth[source->x->index] >= depth) depth = s->depth[source->x->index] + 1;
    }
    if (s->plan->settings.no_group) return begin_with(s, node);
    if (x->count == 1 && last <= FIRST && add(s, FIRST, node)) return true;
    if (last >= 0) return add(s, last, node) || begin_with(s, node);
    if (depth >= DEFERRED_DEPTH) return settle(s, node);
    s->plan->node[node].group = DEFERRED;
    s->depth[node] = depth;
    return true;
}

/* ---- Reductions, products, the rest ------------------------------------------------------------------------------ */

/* A deferred operand is put into a group; an operand of an op that is run as it is must be contiguous. */
static bool prepare_operand(grouping *s, const reel_tensor *operand, bool contiguous)
{
    if (!settle_source(s, operand)) return false;
    return !contiguous || reel__reads_contiguous(operand, &s->plan->access[operand->index]) || copy(s, operand);
}

/* Adds a reduction to the group of its operand, if it is over the columns. */
static bool add_reduction(grouping *s, int64_t node)
{
    const reel_tensor *y = s->plan->node[node].x, *operand = y->inputs[0];
    const reel__planned *source = source_of(s, operand);
    if (s->plan->settings.no_reduce || source->group < 0 || source->level != REEL__FULL) return false;
    const draft *group = draft_at(s, source->group);
    const reel__reduction r = y->op->traits->reduce(y, s->plan->isa);
    fit f;
    if (r.inner != 1 || r.n == 1 || !lies_in(group, operand, &f) || f.level != REEL__FULL ||
        !reel__is_whole(s->plan, operand->index))
        return false;
    const bool short_row = r.n <= REEL__ROW_LIMIT;
    f = (fit){ short_row ? REEL__ROW : REEL__PARTIAL, group->row_splits & 1u << (group->rank - 1) };
    if (!f.row_splits || (!short_row && (group->product >= 0 || group->has_rows))) return false;
    add_one(s, source->group, node, &f);
    return true;
}

static bool reduction(grouping *s, int64_t node)
{
    const reel_tensor *operand = s->plan->node[node].x->inputs[0];
    if (!settle_source(s, operand)) return false;
    return add_reduction(s, node) || (prepare_operand(s, operand, true) && alone(s, node));
}

static bool product(grouping *s, int64_t node)
{
    const reel_tensor *y = s->plan->node[node].x;
    if (!prepare_operand(s, y->inputs[0], false) || !prepare_operand(s, y->inputs[1], false)) return false;
    const reel__product_axes p = reel__plan_axes(s->plan, (int32_t)s->drafts.count, y);
    int rows = 0;
    for (int i = 0; i < p.m; i++) rows += y->size[p.batch + i] != 1;
    bool batched = false;
    for (int i = 0; i < p.batch; i++) batched |= y->size[i] != 1;
    int32_t g = begin(s, !batched && !s->plan->settings.no_epilogue, y);
    if (g < 0) return false;
    draft_at(s, g)->product = (int32_t)node;
    draft_at(s, g)->row_splits = 1u << rows;
    append(s, g, node, REEL__FULL);
    return true;
}

static bool other(grouping *s, int64_t node)
{
    const reel_tensor *x = s->plan->node[node].x;
    for (int j = 0; j < x->input_count; j++)
        if (!prepare_operand(s, x->inputs[j], true)) return false;
    return alone(s, node);
}

static bool put_into_group(grouping *s, int64_t node)
{
    switch ((reel__role)s->plan->node[node].role) {
    case REEL__POINTWISE: return pointwise(s, node);
    case REEL__REDUCTION: return reduction(s, node);
    case REEL__PRODUCT: return product(s, node);
    case REEL__OTHER: return other(s, node);
    default: return true;
    }
}

/* A deferred output is put into a group; a view of a leaf is copied, since the leaf may change before the run ends. */
static bool put_output(grouping *s, int64_t node)
{
    const reel_tensor *x = s->plan->node[node].x;
    if (!settle_source(s, x)) return false;
    return s->plan->node[node].role != REEL__VIEW || source_of(s, x)->role != REEL__LEAF || copy(s, x);
}

/* The plan's groups: of the splits that are left the one with the longest columns, and the members in one list. */
static bool finish(grouping *s)
{
    reel__plan *plan = s->plan;
    int32_t members = 0;
    plan->group_count = (int32_t)s->drafts.count;
    plan->group = reel__own(plan, (size_t)plan->group_count * sizeof *plan->group);
    plan->member = reel__own(plan, (size_t)plan->count * sizeof *plan->member);
    if (!plan->group || !plan->member) return false;
    for (int32_t g = 0; g < plan->group_count; g++) {
        const draft *d = draft_at(s, g);
        reel__group *group = &plan->group[g];
        *group = (reel__group){ .first = members,
                                .count = d->count,
                                .product = d->product,
                                .tiled = d->tiled,
                                .has_rows = d->has_rows,
                                .row_axes = __builtin_ctz(d->row_splits),
                                .rows = 1,
                                .columns = 1,
                                .batch_head = REEL__NONE,
                                .batch_count = 1 };
        for (int i = 0; i < d->rank; i++) *(i < group->row_axes ? &group->rows : &group->columns) *= d->size[i];
        for (int32_t i = d->first; i >= 0; i = s->next[i]) plan->member[members++] = i;
    }
    return true;
}

bool reel__plan_group(reel__plan *plan)
{
    if (!plan->count) return true;
    const size_t n = (size_t)plan->count, bytes = 2 * n * sizeof(int32_t);
    int32_t *memory = reel__allocate(&plan->allocator, bytes);
    grouping s = { .plan = plan, .next = memory, .depth = memory + n };
    bool good = memory && begin(&s, true, plan->node[0].x) == FIRST;
    if (good) draft_at(&s, FIRST)->rank = 0, draft_at(&s, FIRST)->row_splits = 1;
    for (int64_t i = 0; good && i < plan->count; i++) good = put_into_group(&s, i);
    for (int64_t i = 0; good && i < plan->count; i++)
        if (reel__is_output(&plan->node[i])) good = put_output(&s, i);
    good = good && finish(&s);
    reel__array_free(&plan->allocator, &s.drafts, sizeof(draft));
    reel__release(&plan->allocator, memory, bytes);
    return good;
}
