/* Which values have memory, and until when: a value is stored if it is read outside its group, or needed after the run.
 * Parts of a concat are written into it, products of a batch into one array. An assignment writes its target's own memory
 * where no reader of the old value is left and nothing after it can fail. */
#include "core/plan/plan.h"

#include <limits.h>

typedef struct storing {
    reel__plan *plan;
    reel__lifetimes lifetimes;
    int32_t *last_position; /* of a leaf: the last member that reads it in the group that reads it last; INT_MAX if some
                               member there reads other elements than those it computes */
    bool *read;             /* of each node: its value is read after the run, by whichever name */
} storing;

static bool computed(const reel__planned *p) { return p->group >= 0; }

static bool in_batch(const reel__plan *plan, const reel__planned *p)
{
    return p->role == REEL__PRODUCT && reel__in_batch(&plan->group[p->group]);
}

/* ---- What is stored ---------------------------------------------------------------------------------------------- */

static void note_read(storing *s, const reel__planned *reader, const reel_tensor *operand, const reel__access *access)
{
    reel__planned *source = &s->plan->node[access->source];
    const bool tiled = s->plan->group[reader->group].tiled;
    const bool own = source->role == REEL__LEAF && tiled && reader->role == REEL__POINTWISE &&
                     operand->count == reader->x->count && reel__reads_whole(s->plan, operand, access);
    const int32_t position = own ? reader->position : INT_MAX;
    int32_t *last_use = &s->lifetimes.last_use[access->source], *last_position = &s->last_position[access->source];
    if (source->group != reader->group || !tiled) source->stored = true;
    if (reader->group > *last_use) *last_use = reader->group, *last_position = position;
    else if (reader->group == *last_use && position > *last_position) *last_position = position;
}

static void find_stored(storing *s)
{
    reel__plan *plan = s->plan;
    for (int64_t i = 0; i < plan->count; i++) {
        reel__planned *p = &plan->node[i];
        if (!computed(p)) continue;
        if (!plan->group[p->group].tiled || p->level == REEL__PARTIAL || in_batch(plan, p)) p->stored = true;
        if (p->role == REEL__COPY) note_read(s, p, p->x, &REEL__AT(plan->copies, reel__access, p->copy));
        for (int j = 0; j < p->x->input_count && p->role != REEL__COPY; j++)
            note_read(s, p, p->x->inputs[j], reel__access_for(plan, p->group, p->x->inputs[j]));
    }
    for (int64_t i = 0; i < plan->count; i++) {
        const int32_t source = plan->access[i].source;
        if (!reel__is_output(&plan->node[i])) continue;
        plan->node[source].stored = true;
        if (computed(&plan->node[source])) s->lifetimes.last_use[source] = INT_MAX;
        if (plan->node[i].read) s->read[source] = true;
    }
}

/* ---- Assignments in place ---------------------------------------------------------------------------------------- */

static int32_t last_check(const reel__plan *plan)
{
    int32_t last = REEL__NONE;
    for (int64_t i = 0; i < plan->count; i++)
        if (plan->node[i].x->op->check && plan->node[i].group > last) last = plan->node[i].group;
    return last;
}

/* A value that is read after the run is not assigned in place: it is of this run, while the user may write the target. */
static bool may_be_in_place(const storing *s, int32_t value, int32_t leaf, int32_t check)
{
    const reel__planned *p = &s->plan->node[value];
    const int32_t last_use = s->lifetimes.last_use[leaf];
    if (last_use > p->group || (last_use == p->group && s->last_position[leaf] > p->position)) return false;
    if (p->group <= check || s->read[value] || p->in_place) return false;
    return s->plan->group[p->group].tiled && p->level != REEL__PARTIAL && !in_batch(s->plan, p);
}

static void find_in_place(storing *s)
{
    reel__plan *plan = s->plan;
    const int32_t check = last_check(plan);
    for (int64_t i = 0; i < plan->count; i++) {
        const reel__planned *assign = &plan->node[i];
        const int32_t value = plan->access[i].source;
        if (!assign->assigned || assign->role != REEL__VIEW || !reel__is_whole(plan, i) ||
            !may_be_in_place(s, value, assign->x->inputs[0]->index, check))
            continue;
        plan->node[value].in_place = true;
        plan->node[value].data = assign->x->inputs[0]->value->data;
        plan->in_place++;
    }
}

/* ---- Values within others ---------------------------------------------------------------------------------------- */

static void write_into(const reel__lifetimes *l, int32_t part, int32_t host, size_t at)
{
    l->within[part] = l->within[host] + at;
    l->host[part] = host = l->host[host];
    if (l->last_use[part] > l->last_use[host]) l->last_use[host] = l->last_use[part];
}

/* Parts that are contiguous in their concat are written there, and the concat has nothing to do. */
static void find_parts(storing *s, int32_t concat)
{
    const reel__planned *whole = &s->plan->node[concat];
    const reel_tensor *y = whole->x;
    if (whole->role != REEL__OTHER || !computed(whole) || !y->op->traits || !y->op->traits->concat_axis) return;
    for (int d = y->op->traits->concat_axis(y); d-- > 0;)
        if (y->size[d] != 1) return;
    size_t at = 0;
    for (int j = 0; j < y->input_count; at += reel__value_bytes(y->inputs[j]), j++) {
        const reel__access *access = reel__access_for(s->plan, whole->group, y->inputs[j]);
        const reel__planned *part = &s->plan->node[access->source];
        if (!computed(part) || part->in_place || in_batch(s->plan, part) ||
            s->lifetimes.host[access->source] != access->source || !reel__reads_whole(s->plan, y->inputs[j], access))
            continue;
        write_into(&s->lifetimes, access->source, concat, at);
        s->plan->in_concats++;
    }
}

static void find_hosts(storing *s)
{
    const reel__plan *plan = s->plan;
    for (int64_t i = plan->count; i-- > 0 && !plan->settings.no_concat;)
        find_parts(s, (int32_t)i); /* larger ones first */
    for (int32_t g = 0; g < plan->group_count; g++) {
        const reel__group *group = &plan->group[g];
        if (group->batch_head < 0) continue;
        write_into(&s->lifetimes, group->product, plan->group[group->batch_head].product,
                   (size_t)group->batch_index * reel__value_bytes(plan->node[group->product].x));
    }
}

bool reel__plan_storage(reel__plan *plan)
{
    const size_t n = (size_t)plan->count, bytes = n * (sizeof(size_t) + 3 * sizeof(int32_t) + sizeof(bool));
    size_t *memory = reel__allocate(&plan->allocator, bytes);
    if (!memory) return false;
    int32_t *numbers = (int32_t *)(void *)(memory + n);
    storing s = { .plan = plan,
                  .lifetimes = { .within = memory, .host = numbers, .last_use = numbers + n },
                  .last_position = numbers + 2 * n,
                  .read = (bool *)(void *)(numbers + 3 * n) };
    for (int32_t i = 0; i < plan->count; i++)
        s.lifetimes.host[i] = i, s.lifetimes.last_use[i] = plan->node[i].group, s.last_position[i] = REEL__NONE;
    find_stored(&s);
    if (!plan->settings.no_in_place) find_in_place(&s);
    find_hosts(&s);
    bool good = reel__plan_arena(plan, &s.lifetimes);
    reel__release(&plan->allocator, memory, bytes);
    return good;
}
