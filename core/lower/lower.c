/* From plan to steps: each group becomes one step whose operands have addresses, each register of a tile a place. */
#include "core/lower/lower.h"

void *reel__own(reel__steps *s, size_t bytes)
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
    reel__array_free(&a, &s->packs, sizeof(reel__pack));
    reel__release(&a, s->packs_memory, s->packs_size);
    reel__release(&a, s->scratch_memory, s->scratch * (size_t)s->threads);
    reel__plan_free(&s->plan);
}

static size_t array_bytes(const reel__array *a, size_t item_size)
{
    return reel__block_bytes(a->items, (size_t)a->capacity * item_size);
}

size_t reel__steps_bytes(const reel__steps *s)
{
    const reel__plan *p = &s->plan;
    size_t bytes = reel__block_bytes(s, sizeof *s) + reel__block_bytes(p->arena, p->arena_size) +
                   reel__block_bytes(p->constants, p->constants_size) +
                   reel__block_bytes(s->packs_memory, s->packs_size) +
                   reel__block_bytes(s->scratch_memory, s->scratch * (size_t)s->threads);
    for (int64_t i = 0; i < s->pointers.count; i += 2)
        bytes += reel__block_bytes(REEL__AT(s->pointers, void *, i), REEL__AT(s->pointers, size_t, i + 1));
    bytes += reel__block_bytes(p->node, (size_t)p->count * sizeof *p->node);
    bytes += reel__block_bytes(p->access, (size_t)p->count * sizeof *p->access);
    bytes += array_bytes(&s->list, sizeof(reel__step)) + array_bytes(&s->constants, sizeof(reel__step));
    bytes += array_bytes(&s->pointers, sizeof(void *)) + array_bytes(&s->packs, sizeof(reel__pack));
    return bytes + array_bytes(&p->groups, sizeof(reel__group)) + array_bytes(&p->copies, sizeof(reel__access));
}

char *reel__address(const reel__steps *s, int32_t g, const reel_tensor *x)
{
    const reel__access *access = reel__access_for(&s->plan, g, x);
    return s->plan.node[access->source].data + access->offset * (int64_t)reel__element_of(x);
}

reel__step *reel__new_step(reel__steps *s, reel__array *list, reel__step_kind kind, int32_t node)
{
    if (!reel__reserve(&s->plan.allocator, list, list->count, sizeof(reel__step))) return NULL;
    reel__step *step = &REEL__AT(*list, reel__step, list->count++);
    *step = (reel__step){ .kind = kind, .node = node };
    return step;
}

static bool lower_call(reel__steps *s, reel__array *list, int32_t node)
{
    reel__planned *p = &s->plan.node[node];
    reel__step *step = reel__new_step(s, list, REEL__STEP_CALL, node);
    const void **x = step ? reel__own(s, (size_t)(p->x->input_count + 1) * sizeof *x) : NULL;
    if (!x) return false;
    for (int j = 0; j < p->x->input_count; j++) x[j] = reel__address(s, p->group, p->x->inputs[j]);
    step->call = (reel_call){ .node = p->x, .y = p->data, .x = x, .isa = s->plan.isa };
    return true;
}

static bool lower_copy(reel__steps *s, int32_t node)
{
    reel__step *step = reel__new_step(s, &s->list, REEL__STEP_COPY, node);
    if (!step) return false;
    reel__planned *p = &s->plan.node[node];
    step->access = &REEL__AT(s->plan.copies, reel__access, p->depth);
    step->a = s->plan.node[step->access->source].data + step->access->offset * (int64_t)reel__element_of(p->x);
    step->call = (reel_call){ .node = p->x, .y = p->data };
    return true;
}

static void set_reduce(reel__step *step, const reel_tensor *y, int isa)
{
    int axis;
    int64_t block;
    const reel_tensor *x = y->inputs[0];
    step->reduce = y->op->traits->reduce(y, isa, &axis, &block);
    step->outer = step->inner = 1, step->n = x->size[axis];
    for (int d = 0; d < axis; d++) step->outer *= x->size[d];
    for (int d = axis + 1; d < x->rank; d++) step->inner *= x->size[d];
    step->work = (double)x->count;
}

static bool lower_reduce(reel__steps *s, int32_t node)
{
    reel__step *step = reel__new_step(s, &s->list, REEL__STEP_REDUCE, node);
    if (!step) return false;
    set_reduce(step, s->plan.node[node].x, s->plan.isa);
    step->call.y = s->plan.node[node].data;
    step->a = reel__address(s, s->plan.node[node].group, s->plan.node[node].x->inputs[0]);
    step->call.node = s->plan.node[node].x;
    return true;
}

/* After a group: a late reduction's values from those of its blocks. */
static bool lower_late(reel__steps *s, int32_t node, int64_t blocks)
{
    reel__step *step = reel__new_step(s, &s->list, REEL__STEP_REDUCE, node);
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

static bool lower_group(reel__steps *s, int32_t g)
{
    const reel__group *group = &REEL__AT(s->plan.groups, reel__group, g);
    if (group->first < 0) return true; /* begun in vain */
    const reel__planned *first = &s->plan.node[group->first];
    if (group->product >= 0) return reel__lower_product(s, g);
    if (!group->tiled && first->role == REEL__COPY) return lower_copy(s, group->first);
    if (!group->tiled && first->role == REEL__REDUCTION) return lower_reduce(s, group->first);
    if (!group->tiled) return lower_call(s, &s->list, group->first);
    reel__step *step = reel__new_step(s, &s->list, REEL__STEP_TILES, group->first);
    if (!step || !reel__lower_tiles(s, step, g)) return false;
    for (int32_t i = group->first; i >= 0; i = s->plan.node[i].next) {
        const reel__planned *p = &s->plan.node[i];
        int axis;
        int64_t block;
        if (p->level != REEL__PARTIAL) continue;
        p->x->op->traits->reduce(p->x, s->plan.isa, &axis, &block);
        if (!lower_late(s, i, (p->x->inputs[0]->size[axis] + block - 1) / block)) return false;
    }
    return true;
}

enum { SHARED_WORK = 200000 }; /* below which a step stays on one thread: some 30 µs */

double reel__worth_sharing(const reel__steps *s)
{
    int64_t least = s->plan.settings.thread_work;
    return least < 0 ? 0 : least ? (double)least : SHARED_WORK;
}

/* What is shared between threads; without such a step there is no team. */
static void share_out(reel__steps *s)
{
    const double worth = reel__worth_sharing(s);
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
    if (!reel__place_packs(s)) return false;
    s->scratch = (s->scratch + 127) / 64 * 64;
    share_out(s);
    s->next = s->threads > 1 ? reel__own(s, (size_t)s->threads * sizeof *s->next) : NULL;
    if (s->threads > 1 && !s->next) return false;
    s->scratch_memory = reel__allocate(&s->plan.allocator, s->scratch * (size_t)s->threads);
    if (!s->scratch_memory) return false;
    for (int64_t i = 0; i < s->list.count; i++) {
        reel__step *step = &REEL__AT(s->list, reel__step, i);
        if (step->op_count && step->shares == 1) reel__fix_calls(step, s->scratch_memory);
    }
    return true;
}
