/* Which values have memory, from which group to which, and where: a value that is read outside its group is stored; its
 * place is free for others after its last reader. The parts of a concat are written into it. An assignment writes its target's own memory where no reader of the
 * old value is left and nothing after it can fail. */
#include "core/plan/plan.h"

#include <limits.h>
#include <string.h>

static reel__group *group_at(const reel__plan *plan, int32_t g) { return &REEL__AT(plan->groups, reel__group, g); }

static bool computed(const reel__planned *p) { return p->group >= 0; }

/* Calls visit for every read of a computed node's operand: reader, operand, and whose value it is. */
static void each_read(reel__plan *plan, void (*visit)(reel__plan *, reel__planned *reader, const reel_tensor *operand,
                                                      const reel__access *access))
{
    for (int64_t i = 0; i < plan->count; i++) {
        reel__planned *p = &plan->node[i];
        if (!computed(p)) continue;
        if (p->role == REEL__COPY) {
            visit(plan, p, p->x, &REEL__AT(plan->copies, reel__access, p->depth));
            continue;
        }
        for (int j = 0; j < p->x->input_count; j++)
            visit(plan, p, p->x->inputs[j], reel__access_for(plan, p->group, p->x->inputs[j]));
    }
}

static void note_read(reel__plan *plan, reel__planned *reader, const reel_tensor *operand, const reel__access *access)
{
    reel__planned *source = &plan->node[access->source];
    (void)operand;
    if (reader->group > source->last_use) source->last_use = reader->group;
    if (source->group != reader->group || !group_at(plan, reader->group)->tiled) source->stored = true;
}

/* Whether a product is computed with others, or computes others. */
static bool is_stacked(const reel__plan *plan, const reel__planned *p)
{
    if (p->role != REEL__PRODUCT || !computed(p)) return false;
    const reel__group *group = group_at(plan, p->group);
    return group->batch_head >= 0 || group->batch_count > 1;
}

static void find_stored(reel__plan *plan)
{
    each_read(plan, note_read);
    for (int64_t i = 0; i < plan->count; i++) {
        reel__planned *p = &plan->node[i];
        if (p->output) {
            reel__planned *source = &plan->node[plan->access[i].source];
            source->stored = true;
            source->last_use = INT_MAX;
        }
        if (computed(p) && (!group_at(plan, p->group)->tiled || p->level == REEL__PARTIAL || is_stacked(plan, p)))
            p->stored = true;
        if (computed(p) && p->last_use < p->group) p->last_use = p->group;
    }
}

/* ---- Assignments in place ---------------------------------------------------------------------------------------- */

/* A leaf's last reader, and whether it may be overwritten while that group runs: kept in the leaf's planned entry, group
 * in last_use; position: the last member of that group that reads it, INT_MAX if some member reads other elements than
 * the ones it computes. */
static void note_leaf_read(reel__plan *plan, reel__planned *reader, const reel_tensor *operand,
                           const reel__access *access)
{
    reel__planned *leaf = &plan->node[access->source];
    if (leaf->role != REEL__LEAF) return;
    const reel__group *group = group_at(plan, reader->group);
    bool own = group->tiled && reader->role == REEL__POINTWISE && reel__reads_whole(plan, operand, access) &&
               operand->count == reader->x->count;
    int32_t position = own ? reader->position : INT_MAX;
    if (reader->group > leaf->last_use) leaf->last_use = reader->group, leaf->position = position;
    else if (reader->group == leaf->last_use && position > leaf->position) leaf->position = position;
}

static int32_t last_check(const reel__plan *plan)
{
    int32_t last = REEL__NONE;
    for (int64_t i = 0; i < plan->count; i++)
        if (plan->node[i].x->op->check && plan->node[i].group > last) last = plan->node[i].group;
    return last;
}

static void find_in_place(reel__plan *plan)
{
    int32_t check = last_check(plan);
    for (int64_t i = 0; i < plan->count; i++)
        if (plan->node[i].role == REEL__LEAF) plan->node[i].last_use = REEL__NONE, plan->node[i].position = REEL__NONE;
    each_read(plan, note_leaf_read);
    for (int64_t i = 0; i < plan->count; i++) {
        const reel_tensor *assign = plan->node[i].x;
        if (assign->op != &reel__assign_op || !plan->node[i].output || plan->node[i].role != REEL__VIEW) continue;
        reel__planned *source = &plan->node[plan->access[i].source];
        const reel__planned *leaf = &plan->node[assign->inputs[0]->index];
        bool free_then =
            leaf->last_use < source->group || (leaf->last_use == source->group && leaf->position <= source->position);
        if (source->in_place || is_stacked(plan, source) || source->group <= check || !reel__is_whole(plan, i) ||
            !free_then)
            continue;
        if (source->level == REEL__PARTIAL || !group_at(plan, source->group)->tiled || source->role == REEL__OTHER)
            continue;
        source->in_place = true;
        source->data = assign->inputs[0]->value->data;
        plan->in_place++;
    }
}

/* A value that is both assigned in place and kept must not be: the kept one is of this run, the model's may be written
 * by the user before it is read. */
static void find_shared(reel__plan *plan)
{
    for (int64_t i = 0; i < plan->count; i++) {
        reel__planned *source = &plan->node[plan->access[i].source];
        if (!plan->node[i].kept || !source->in_place) continue;
        source->in_place = false;
        source->data = NULL;
        plan->in_place--;
    }
}

/* ---- Places ------------------------------------------------------------------------------------------------------ */

/* Blocks of one size class are reused: four classes to an octave, so at most a fifth is lost. */
enum { CLASSES = 200 };

typedef struct places {
    int64_t head[CLASSES];
    reel__array free; /* place: a stack for each class, linked */
    size_t top;
} places;

typedef struct place {
    size_t offset;
    int64_t next;
} place;

static int class_of(size_t bytes, size_t *rounded)
{
    size_t size = 64;
    for (int c = 0; c < CLASSES && size < SIZE_MAX / 4; c++) {
        if (size >= bytes) {
            *rounded = size;
            return c;
        }
        size_t octave = 64;
        while (octave * 2 <= size) octave *= 2;
        size += octave / 4 < 64 ? 64 : octave / 4;
    }
    *rounded = reel__sum_of_bytes(bytes, 63) / 64 * 64;
    return CLASSES - 1;
}

static size_t take(places *p, size_t bytes)
{
    size_t size, offset = p->top;
    int c = class_of(bytes, &size);
    if (c < CLASSES - 1 && p->head[c] >= 0) {
        place *free = &REEL__AT(p->free, place, p->head[c]);
        p->head[c] = free->next;
        return free->offset;
    }
    p->top = reel__sum_of_bytes(p->top, size);
    return offset;
}

static bool give(const reel_allocator *a, places *p, size_t offset, size_t bytes)
{
    size_t size;
    int c = class_of(bytes, &size);
    if (!reel__reserve(a, &p->free, p->free.count, sizeof(place))) return false;
    REEL__AT(p->free, place, p->free.count) = (place){ offset, p->head[c] };
    p->head[c] = p->free.count++;
    return true;
}

/* For a late reduction: one value for each block of its operand's rows. */
static size_t partial_bytes(const reel__plan *plan, const reel__planned *p)
{
    int axis;
    int64_t block;
    if (p->level != REEL__PARTIAL) return 0;
    p->x->op->traits->reduce(p->x, plan->isa, &axis, &block);
    int64_t blocks = (p->x->inputs[0]->size[axis] + block - 1) / block;
    return reel__bytes(blocks * p->x->count * (int64_t)reel__dtype_size((reel_dtype)p->x->dtype));
}

/* Where values go: offsets in the arena, or in the host, the joined value that a part is written into. */
typedef struct layout {
    size_t *offset, *partial;
    int32_t *host; /* REEL__NONE: a place of its own */
} layout;

static const size_t nowhere = (size_t)-1;

/* The parts of a concat along its outermost axis are written where they belong, and the concat has nothing to do. */
static void find_joined(reel__plan *plan, layout *l)
{
    for (int64_t i = plan->count; i-- > 0 && !plan->settings.no_join;) {
        reel__planned *joined = &plan->node[i];
        const reel_tensor *y = joined->x;
        int64_t before = 1;
        if (joined->role != REEL__OTHER || !computed(joined) || !y->op->traits || !y->op->traits->joined) continue;
        const int axis = y->op->traits->joined(y);
        for (int d = 0; d < axis; d++) before *= y->size[d];
        size_t at = 0;
        for (int j = 0; j < y->input_count; at += reel__value_bytes(y->inputs[j]), j++) {
            const reel__access *access = reel__access_for(plan, joined->group, y->inputs[j]);
            reel__planned *part = &plan->node[access->source];
            if (before != 1 || !computed(part) || !part->stored || part->in_place || is_stacked(plan, part) ||
                l->host[access->source] >= 0 || part->x->count != y->inputs[j]->count ||
                !reel__reads_whole(plan, y->inputs[j], access))
                continue;
            l->host[access->source] = (int32_t)i;
            l->offset[access->source] = at;
            plan->joined++;
        }
    }
    for (int32_t g = 0; g < plan->groups.count; g++) {
        const reel__group *group = group_at(plan, g);
        if (group->batch_head < 0) continue;
        l->host[group->product] = group_at(plan, group->batch_head)->product;
        l->offset[group->product] = (size_t)group->batch_index * reel__value_bytes(plan->node[group->product].x);
    }
    for (int64_t i = 0; i < plan->count; i++) { /* a host of a host comes after it */
        if (l->host[i] < 0) continue;
        reel__planned *joined = &plan->node[l->host[i]];
        if (plan->node[i].last_use > joined->last_use) joined->last_use = plan->node[i].last_use;
    }
    for (int64_t i = plan->count; i-- > 0;) { /* a part of a part is one of the whole: its host has been here before */
        const int32_t host = l->host[i];
        if (host < 0 || l->host[host] < 0) continue;
        l->offset[i] += l->offset[host];
        l->host[i] = l->host[host];
    }
}

static size_t room_of(const reel__plan *plan, const reel__planned *p)
{
    const int64_t stack = p->role == REEL__PRODUCT ? group_at(plan, p->group)->batch_count : 1;
    int64_t bytes;
    return reel__multiply((int64_t)reel__value_bytes(p->x), stack, &bytes) ? reel__bytes(bytes) : SIZE_MAX;
}

/* The offset of a value's place in the arena when its group runs. */
static void place_value(reel__plan *plan, places *p, layout *l, int32_t i, int32_t *by_last, int32_t *next)
{
    if (l->host[i] >= 0) i = l->host[i];
    reel__planned *n = &plan->node[i];
    if (l->offset[i] != nowhere) return;
    l->offset[i] = take(p, room_of(plan, n));
    if (n->last_use < plan->groups.count) next[i] = by_last[n->last_use], by_last[n->last_use] = i;
}

/* Offsets for all stored values, as integers in data; the arena is added when it exists. */
static bool assign_places(reel__plan *plan, places *p, layout *l)
{
    int32_t *by_last = reel__allocate(&plan->allocator, ((size_t)plan->groups.count + 1) * sizeof *by_last);
    int32_t *next = reel__allocate(&plan->allocator, (size_t)plan->count * sizeof *next);
    bool good = by_last && next;
    for (int32_t g = 0; good && g < plan->groups.count; g++) by_last[g] = REEL__NONE;
    for (int32_t g = 0; good && g < plan->groups.count; g++) {
        for (int32_t i = group_at(plan, g)->first; i >= 0; i = plan->node[i].next) {
            reel__planned *n = &plan->node[i];
            if (n->stored && !n->in_place) place_value(plan, p, l, i, by_last, next);
            if (n->level == REEL__PARTIAL) l->partial[i] = take(p, partial_bytes(plan, n));
        }
        if (plan->settings.no_reuse) continue;
        for (int32_t i = by_last[g]; good && i >= 0; i = next[i])
            good = give(&plan->allocator, p, l->offset[i], room_of(plan, &plan->node[i]));
        for (int32_t i = group_at(plan, g)->first; good && i >= 0; i = plan->node[i].next)
            if (plan->node[i].level == REEL__PARTIAL) /* the step after the group is done with them */
                good = give(&plan->allocator, p, l->partial[i], partial_bytes(plan, &plan->node[i]));
    }
    reel__release(&plan->allocator, by_last, ((size_t)plan->groups.count + 1) * sizeof *by_last);
    reel__release(&plan->allocator, next, (size_t)plan->count * sizeof *next);
    return good;
}

static bool place_constants(reel__plan *plan)
{
    size_t total = 0;
    for (int64_t i = 0; i < plan->count; i++)
        if (plan->node[i].role == REEL__CONSTANT)
            total = reel__sum_of_bytes(total, (reel__value_bytes(plan->node[i].x) + 15) / 16 * 16);
    if (!(plan->constants = reel__allocate(&plan->allocator, total))) return false;
    plan->constants_size = total;
    char *at = plan->constants;
    for (int64_t i = 0; i < plan->count; i++) {
        reel__planned *p = &plan->node[i];
        if (p->role == REEL__LEAF) p->data = p->x->value->data;
        if (p->role != REEL__CONSTANT) continue;
        p->data = at;
        at += (reel__value_bytes(p->x) + 15) / 16 * 16;
    }
    return true;
}

bool reel__plan_storage(reel__plan *plan)
{
    find_stored(plan);
    if (plan->assigns && !plan->settings.no_in_place) find_in_place(plan), find_shared(plan);
    places p = { .top = 0 };
    for (int c = 0; c < CLASSES; c++) p.head[c] = REEL__NONE;
    const size_t n = (size_t)plan->count, bytes = n * (2 * sizeof(size_t) + sizeof(int32_t));
    size_t *memory = reel__allocate(&plan->allocator, bytes);
    layout l = { .offset = memory, .partial = memory + n, .host = (int32_t *)(void *)(memory + 2 * n) };
    for (size_t i = 0; memory && i < n; i++) l.offset[i] = nowhere, l.host[i] = REEL__NONE;
    if (memory) find_joined(plan, &l);
    bool good = memory && assign_places(plan, &p, &l) && place_constants(plan) &&
                (plan->arena = reel__allocate(&plan->allocator, p.top)) != NULL;
    plan->arena_size = good ? p.top : 0;
    for (int64_t i = plan->count; good && i-- > 0;) {
        reel__planned *value = &plan->node[i];
        if (!computed(value) || !value->stored || value->in_place) continue;
        const int32_t host = l.host[i];
        value->data = plan->arena + l.offset[i] + (host >= 0 ? l.offset[host] : 0);
        if (value->level == REEL__PARTIAL) value->partial = plan->arena + l.partial[i];
    }
    reel__release(&plan->allocator, memory, bytes);
    reel__array_free(&plan->allocator, &p.free, sizeof(place));
    return good;
}
