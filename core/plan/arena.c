/* Where each value is. Blocks of the arena are used again after the last reader of what is in them: of the same size
 * class, the one given back last first. */
#include "core/plan/plan.h"

enum { CLASSES = 200 };

static const size_t nowhere = (size_t)-1;

/* A block that was given back. */
typedef struct unused {
    size_t offset;
    int64_t next; /* of its class, in arena.unused */
} unused;

typedef struct arena {
    reel__plan *plan;
    const reel__lifetimes *lifetimes;
    size_t top;
    int64_t first[CLASSES]; /* of each class, in unused; REEL__NONE */
    reel__array unused;     /* unused */
    size_t *offset;         /* of each value that is in no other */
    size_t *partial;        /* of each REEL__PARTIAL reduction: of the values of its blocks */
    int32_t *dying;         /* of each group: the first value that it reads last, */
    int32_t *next;          /* of each value: the next one of its group */
} arena;

/* Four classes to an octave, so at most a fifth is lost. */
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

static size_t take(arena *s, size_t bytes)
{
    size_t size, offset = s->top;
    int c = class_of(bytes, &size);
    if (c < CLASSES - 1 && s->first[c] >= 0) {
        const unused *block = &REEL__AT(s->unused, unused, s->first[c]);
        s->first[c] = block->next;
        return block->offset;
    }
    s->top = reel__sum_of_bytes(s->top, size);
    return offset;
}

static bool give(arena *s, size_t offset, size_t bytes)
{
    size_t size;
    int c = class_of(bytes, &size);
    if (!reel__reserve(&s->plan->allocator, &s->unused, s->unused.count, sizeof(unused))) return false;
    REEL__AT(s->unused, unused, s->unused.count) = (unused){ offset, s->first[c] };
    s->first[c] = s->unused.count++;
    return true;
}

static size_t bytes_of(const reel__plan *plan, const reel__planned *p)
{
    const int64_t products = p->role == REEL__PRODUCT ? plan->group[p->group].batch_count : 1;
    int64_t bytes;
    return reel__multiply((int64_t)reel__value_bytes(p->x), products, &bytes) ? reel__bytes(bytes) : SIZE_MAX;
}

static size_t partial_bytes(const reel__plan *plan, const reel__planned *p)
{
    const reel__reduction r = p->x->op->traits->reduce(p->x, plan->isa);
    return reel__bytes(reel__ceil_div(r.n, r.block) * (int64_t)reel__value_bytes(p->x));
}

/* Before a group runs. */
static void take_for(arena *s, int32_t i)
{
    reel__plan *plan = s->plan;
    const reel__planned *p = &plan->node[i];
    const int32_t host = s->lifetimes->host[i], last = s->lifetimes->last_use[host];
    if (p->stored && !p->in_place && s->offset[host] == nowhere) {
        s->offset[host] = take(s, bytes_of(plan, &plan->node[host]));
        if (last < plan->group_count) s->next[host] = s->dying[last], s->dying[last] = host;
    }
    if (p->level == REEL__PARTIAL) s->partial[i] = take(s, partial_bytes(plan, p));
}

/* After it has run. */
static bool give_back(arena *s, int32_t g)
{
    const reel__plan *plan = s->plan;
    const reel__group *group = &plan->group[g];
    for (int32_t i = s->dying[g]; i >= 0; i = s->next[i])
        if (!give(s, s->offset[i], bytes_of(plan, &plan->node[i]))) return false;
    for (int32_t k = 0; k < group->count; k++) {
        const int32_t i = plan->member[group->first + k];
        if (plan->node[i].level == REEL__PARTIAL && !give(s, s->partial[i], partial_bytes(plan, &plan->node[i])))
            return false;
    }
    return true;
}

static bool find_offsets(arena *s)
{
    const reel__plan *plan = s->plan;
    for (int c = 0; c < CLASSES; c++) s->first[c] = REEL__NONE;
    for (int64_t i = 0; i < plan->count; i++) s->offset[i] = nowhere;
    for (int32_t g = 0; g < plan->group_count; g++) s->dying[g] = REEL__NONE;
    for (int32_t g = 0; g < plan->group_count; g++) {
        for (int32_t k = 0; k < plan->group[g].count; k++) take_for(s, plan->member[plan->group[g].first + k]);
        if (!plan->settings.no_reuse && !give_back(s, g)) return false;
    }
    return true;
}

/* Addresses; those of leaves and constants as well. */
static bool find_addresses(const arena *s)
{
    reel__plan *plan = s->plan;
    size_t constants = 0;
    for (int64_t i = 0; i < plan->count; i++)
        if (plan->node[i].role == REEL__CONSTANT)
            constants = reel__sum_of_bytes(constants, (reel__value_bytes(plan->node[i].x) + 15) / 16 * 16);
    if (!(plan->constants = reel__own(plan, constants))) return false;
    plan->constants_size = constants;
    if (!(plan->arena = reel__own(plan, s->top))) return false;
    plan->arena_size = s->top;
    char *constant = plan->constants;
    for (int64_t i = 0; i < plan->count; i++) {
        reel__planned *p = &plan->node[i];
        if (p->role == REEL__LEAF) p->data = p->x->value->data;
        if (p->role == REEL__CONSTANT) p->data = constant, constant += (reel__value_bytes(p->x) + 15) / 16 * 16;
        if (p->group < 0 || !p->stored || p->in_place) continue;
        p->data = plan->arena + s->offset[s->lifetimes->host[i]] + s->lifetimes->within[i];
        if (p->level == REEL__PARTIAL) p->partial = plan->arena + s->partial[i];
    }
    return true;
}

bool reel__plan_arena(reel__plan *plan, const reel__lifetimes *lifetimes)
{
    const size_t n = (size_t)plan->count, groups = (size_t)plan->group_count,
                 bytes = 2 * n * sizeof(size_t) + (n + groups) * sizeof(int32_t);
    size_t *memory = reel__allocate(&plan->allocator, bytes);
    if (!memory) return false;
    int32_t *numbers = (int32_t *)(void *)(memory + 2 * n);
    arena s = { .plan = plan,
                .lifetimes = lifetimes,
                .offset = memory,
                .partial = memory + n,
                .dying = numbers,
                .next = numbers + groups };
    const bool good = find_offsets(&s) && find_addresses(&s);
    reel__array_free(&plan->allocator, &s.unused, sizeof(unused));
    reel__release(&plan->allocator, memory, bytes);
    return good;
}
