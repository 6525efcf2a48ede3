/* Products of the same right operand whose left operands lie at equal distances in one value, as the inputs of all steps
 * of a recurrent network do, are one product over the rows of all, run where the first of them stands. */
#include "core/plan/plan.h"

#include <string.h>

enum { LEADERS_BACK = 16 }; /* how many of the last products may be joined */

static const reel__access *access_of(const reel__plan *plan, int32_t g, int operand)
{
    const reel_tensor *y = plan->node[REEL__AT(plan->groups, reel__group, g).product].x;
    return reel__access_for(plan, g, y->inputs[operand]);
}

static bool is_there(const reel__plan *plan, const reel__access *access, int32_t g)
{
    const reel__planned *source = &plan->node[access->source];
    return source->role == REEL__LEAF || source->role == REEL__CONSTANT || source->group < g;
}

static bool same_but_offset(const reel_tensor *x, const reel__access *a, const reel_tensor *y, const reel__access *b)
{
    return x->rank == y->rank && x->size == y->size && x->dtype == y->dtype && a->source == b->source &&
           memcmp(a->stride, b->stride, (size_t)x->rank * sizeof *a->stride) == 0;
}

/* Joins the product of group g to that of an earlier one. */
static bool joins(reel__plan *plan, int32_t first, int32_t g)
{
    reel__group *leader = &REEL__AT(plan->groups, reel__group, first), *group = &REEL__AT(plan->groups, reel__group, g);
    const reel_tensor *x = plan->node[leader->product].x, *y = plan->node[group->product].x;
    const reel__access *xa = access_of(plan, first, 0), *xb = access_of(plan, first, 1), *ya = access_of(plan, g, 0),
                       *yb = access_of(plan, g, 1);
    const reel__product_axes p = reel__plan_axes(plan, first, x), q = reel__plan_axes(plan, g, y);
    if (memcmp(&p, &q, sizeof p) != 0 || p.m >= REEL__PRODUCT_AXES) return false;
    if (!same_but_offset(x->inputs[0], xa, y->inputs[0], ya) || !same_but_offset(x->inputs[1], xb, y->inputs[1], yb) ||
        xb->offset != yb->offset || !is_there(plan, ya, first) || !is_there(plan, yb, first))
        return false;
    const int64_t distance = ya->offset - xa->offset;
    if (leader->batch_count > 1 ? distance != leader->batch_distance * leader->batch_count : distance == 0)
        return false;
    if (leader->batch_count == 1) leader->batch_distance = distance;
    group->batch_head = first;
    group->batch_index = leader->batch_count++;
    plan->batched++;
    return true;
}

bool reel__plan_batch(reel__plan *plan)
{
    int32_t leaders[LEADERS_BACK], count = 0;
    for (int32_t g = 0; g < plan->groups.count && !plan->settings.no_batch; g++) {
        const reel__group *group = &REEL__AT(plan->groups, reel__group, g);
        bool joined = false;
        if (group->product < 0 || !group->tiled || group->first < 0) continue;
        for (int32_t i = count; !joined && i-- > 0 && i >= count - LEADERS_BACK;)
            joined = joins(plan, leaders[i % LEADERS_BACK], g);
        if (!joined) leaders[count++ % LEADERS_BACK] = g;
    }
    return true;
}
