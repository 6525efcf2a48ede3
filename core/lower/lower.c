/* From plan to steps: each group becomes one step or several, whose operands have addresses. */
#include "core/base/strided.h"
#include "core/lower/lower.h"

void reel__steps_free(reel__steps *s)
{
    const reel_allocator *a = &s->plan.allocator;
    reel__array_free(a, &s->list, sizeof(reel__step));
    reel__array_free(a, &s->constants, sizeof(reel__step));
    reel__array_free(a, &s->packs, sizeof(reel__pack *));
    reel__plan_free(&s->plan);
}

size_t reel__steps_bytes(const reel__steps *s)
{
    return reel__block_bytes(s, sizeof *s) + reel__array_bytes(&s->list, sizeof(reel__step)) +
           reel__array_bytes(&s->constants, sizeof(reel__step)) + reel__array_bytes(&s->packs, sizeof(reel__pack *)) +
           reel__plan_bytes(&s->plan);
}

static char *address_of(const reel__steps *s, const reel__access *access, const reel_tensor *x)
{
    return s->plan.node[access->source].data + access->offset * (int64_t)reel__element_of(x);
}

char *reel__address(const reel__steps *s, int32_t g, const reel_tensor *x)
{
    return address_of(s, reel__access_for(&s->plan, g, x), x);
}

reel__step *reel__new_step(reel__steps *s, reel__array *list, reel__step_kind kind, int32_t node)
{
    if (!reel__reserve(&s->plan.allocator, list, list->count, sizeof(reel__step))) return NULL;
    reel__step *step = &REEL__AT(*list, reel__step, list->count++);
    *step = (reel__step){ .kind = kind, .node = node, .shares = 1 };
    return step;
}

static bool lower_call(reel__steps *s, reel__array *list, int32_t node)
{
    const reel__planned *p = &s->plan.node[node];
    reel__step *step = reel__new_step(s, list, REEL__STEP_CALL, node);
    const void **x = step ? reel__own(&s->plan, (size_t)(p->x->input_count + 1) * sizeof *x) : NULL;
    if (!x) return false;
    for (int j = 0; j < p->x->input_count; j++) x[j] = reel__address(s, p->group, p->x->inputs[j]);
    step->call = (reel_call){ .node = p->x, .y = p->data, .x = x, .isa = s->plan.isa };
    return true;
}

static bool lower_copy(reel__steps *s, int32_t node)
{
    const reel__planned *p = &s->plan.node[node];
    const reel_tensor *x = p->x;
    reel__step *step = reel__new_step(s, &s->list, REEL__STEP_COPY, node);
    if (!step) return false;
    const reel__access *access = &REEL__AT(s->plan.copies, reel__access, p->copy);
    reel__copy_step *copy = &step->copy;
    *copy = (reel__copy_step){
        .y = p->data, .x = address_of(s, access, x), .element = reel__element_of(x), .rank = x->rank
    };
    for (int d = 0; d < x->rank; d++) copy->size[d] = x->size[d], copy->x_stride[d] = access->stride[d];
    reel__contiguous(x->rank, x->size, copy->y_stride);
    return true;
}

static bool lower_reduction(reel__steps *s, int32_t node, reel__reduction r, const void *x)
{
    const reel__planned *p = &s->plan.node[node];
    reel__step *step = reel__new_step(s, &s->list, REEL__STEP_REDUCE, node);
    if (!step) return false;
    step->reduce = (reel__reduce_step){ .reduction = r, .y = p->data, .x = x };
    step->work = (double)r.outer * (double)r.n * (double)r.inner;
    return true;
}

/* After a group: the values of its partial reductions, from those of their blocks. */
static bool lower_partials(reel__steps *s, const reel__group *group)
{
    const reel__plan *plan = &s->plan;
    for (int32_t k = 0; k < group->count; k++) {
        const int32_t node = plan->member[group->first + k];
        const reel__planned *p = &plan->node[node];
        if (p->level != REEL__PARTIAL) continue;
        reel__reduction r = p->x->op->traits->reduce(p->x, plan->isa);
        r.n = reel__ceil_div(r.n, r.block);
        if (!lower_reduction(s, node, r, p->partial)) return false;
    }
    return true;
}

static bool lower_group(reel__steps *s, int32_t g)
{
    const reel__plan *plan = &s->plan;
    const reel__group *group = &plan->group[g];
    if (!group->count) return true;
    if (group->product >= 0) return reel__lower_product(s, g);
    if (group->tiled) return reel__lower_tiled_group(s, g) && lower_partials(s, group);
    const int32_t node = plan->member[group->first];
    const reel_tensor *x = plan->node[node].x;
    if (plan->node[node].role == REEL__COPY) return lower_copy(s, node);
    if (plan->node[node].role == REEL__REDUCTION)
        return lower_reduction(s, node, x->op->traits->reduce(x, plan->isa), reel__address(s, g, x->inputs[0]));
    return lower_call(s, &s->list, node);
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
        step->shared = s->threads > 1 && step->shares > 1 && step->work >= worth;
        any |= step->shared;
    }
    if (!any) s->threads = 1;
}

/* What a run writes to. */
static bool allocate_scratch(reel__steps *s)
{
    s->scratch = (s->scratch + 127) / 64 * 64;
    if (!(s->scratch_memory = reel__own(&s->plan, s->scratch * (size_t)s->threads))) return false;
    if (s->threads > 1 && !(s->next = reel__own(&s->plan, (size_t)s->threads * sizeof *s->next))) return false;
    return !s->plan.tape->options.profile ||
           (s->times = reel__own(&s->plan, (size_t)s->list.count * sizeof *s->times)) != NULL;
}

bool reel__lower(reel__steps *s)
{
    for (int64_t i = 0; i < s->plan.count; i++)
        if (s->plan.node[i].role == REEL__CONSTANT && !lower_call(s, &s->constants, (int32_t)i)) return false;
    for (int32_t g = 0; g < s->plan.group_count; g++)
        if (!lower_group(s, g)) return false;
    share_out(s);
    if (!reel__allocate_packs(s) || !allocate_scratch(s)) return false;
    for (int64_t i = 0; i < s->list.count; i++) {
        reel__step *step = &REEL__AT(s->list, reel__step, i);
        if (step->shares > 1) continue;
        if (step->kind == REEL__STEP_TILES) reel__fix_addresses(&step->tiles, NULL, s->scratch_memory);
        if (step->kind == REEL__STEP_PRODUCT)
            reel__fix_addresses(&step->product.tiles, step->product.c, s->scratch_memory);
    }
    return true;
}
