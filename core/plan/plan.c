/* A plan, from its nodes to the last pass. */
#include "core/plan/plan.h"

#include "core/base/cpu.h"

bool reel__plan_begin(reel__plan *plan, reel_tape *tape, const reel__plan_settings *settings, reel_tensor *const *nodes,
                      int64_t count)
{
    const size_t n = (size_t)count;
    *plan = (reel__plan){ .tape = tape, .allocator = tape->allocator, .settings = *settings, .count = count };
    plan->isa = settings->isa ? settings->isa - 1 : reel__isa_best();
    plan->node = reel__allocate(&tape->allocator, n * sizeof *plan->node);
    plan->access = reel__allocate(&tape->allocator, n * sizeof *plan->access);
    if (!plan->node || !plan->access) return false;
    for (size_t i = 0; i < n; i++) plan->node[i].x = nodes[i];
    return true;
}

void reel__plan_output(reel__plan *plan, int32_t node, bool assigned)
{
    if (assigned) plan->node[node].assigned = true;
    else plan->node[node].read = true;
}

bool reel__plan_finish(reel__plan *plan)
{
    reel__plan_roles(plan);
    if (!reel__plan_group(plan)) return false;
    reel__plan_batch(plan);
    return reel__plan_order(plan) && reel__plan_storage(plan);
}
