/* Products of the same right operand whose left operands lie at equal distances in one value, as the inputs of all steps
 * of a recurrent network do, are one product over the rows of all, run where the first of them stands. */
#include "core/plan/plan.h"

#include <string.h>

enum { HEADS_BACK = 16 }; /* how many of the last batches a product may be added to */

static const reel__access *access_of(const reel__plan *plan, int32_t g, int operand)
{
    return reel__access_for(plan, g, plan->node[plan->group[g].product].x->inputs[operand]);
}

/* Leaves and constants are in no group. */
static bool known_before(const reel__plan *plan, const reel__access *access, int32_t g)
{
    return plan->node[access->source].group < g;
}

static bool same_but_offset(const reel_tensor *x, const reel__access *a, const reel_tensor *y, const reel__access *b)
{
    return x->rank == y->rank && x->size == y->size && x->dtype == y->dtype && a->source == b->source &&
           memcmp(a->stride, b->stride, (size_t)x->rank * sizeof *a->stride) == 0;
}

/* Adds the product of group g to the batch that begins with an earlier one. */
static bool add(reel__plan *plan, int32_t first, int32_t g)
{
    reel__group *head = &plan->group[first], *group = &plan->group[g];
    const reel_tensor *x = plan->node[head->product].x, *y = plan->node[group->product].x;
    const reel__access *xa = access_of(plan, first, 0), *xb = access_of(plan, first, 1), *ya = access_of(plan, g, 0),
                       *yb = access_of(plan, g, 1);
    const reel__product_axes p = reel__plan_axes(plan, first, x), q = reel__plan_axes(plan, g, y);
    if (memcmp(&p, &q, sizeof p) != 0 || p.m >= REEL__PRODUCT_AXES) return false;
    if (!same_but_offset(x->inputs[0], xa, y->inputs[0], ya) || !same_but_offset(x->inputs[1], xb, y->inputs[1], yb) ||
        xb->offset != yb->offset || !known_before(plan, ya, first) || !known_before(plan, yb, first))
        return false;
    const int64_t distance = ya->offset - xa->offset;
    if (head->batch_count > 1 ? distance != head->batch_distance * head->batch_count : distance == 0) return false;
    if (head->batch_count == 1) head->batch_distance = distance;
    group->batch_head = first;
    group->batch_index = head->batch_count++;
    return true;
}

void reel__plan_batch(reel__plan *plan)
{
    int32_t heads[HEADS_BACK], count = 0;
    for (int32_t g = 0; g < plan->group_count && !plan->settings.no_batch; g++) {
        const reel__group *group = &plan->group[g];
        bool added = false;
        if (group->product < 0 || !group->tiled) continue;
        for (int32_t i = count; !added && i-- > 0 && i >= count - HEADS_BACK;)
            added = add(plan, heads[i % HEADS_BACK], g);
        if (!added) heads[count++ % HEADS_BACK] = g;
    }
}
