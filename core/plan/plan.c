/* A plan, from nothing to the last pass. */
#include "core/plan/plan.h"

#include "core/base/cpu.h"

bool reel__plan_begin(reel__plan *plan, reel_tape *tape, const reel__array *nodes, const reel__array *outputs,
                      int64_t assigned)
{
    const reel__plan_settings *settings = reel__settings(tape);
    if (!settings || tape->recording.status != REEL_OK) return false;
    const size_t n = (size_t)nodes->count;
    *plan = (reel__plan){ .tape = tape, .allocator = tape->allocator, .settings = *settings, .count = nodes->count };
    plan->isa = settings->isa ? settings->isa - 1 : reel__isa_best();
    plan->node = reel__allocate(&tape->allocator, n * sizeof *plan->node);
    plan->access = reel__allocate(&tape->allocator, n * sizeof *plan->access);
    if (!plan->node || !plan->access) return false;
    for (size_t i = 0; i < n; i++) plan->node[i].x = REEL__AT(*nodes, reel_tensor *, i);
    for (int64_t i = 0; i < outputs->count; i++) {
        reel__planned *p = &plan->node[REEL__AT(*outputs, reel_tensor *, i)->index];
        *(i < assigned ? &p->assigned : &p->read) = true;
    }
    return true;
}

bool reel__plan_make(reel__plan *plan, reel_tape *tape, const reel__array *nodes, const reel__array *outputs,
                     int64_t assigned)
{
    if (!reel__plan_begin(plan, tape, nodes, outputs, assigned)) return false;
    reel__plan_roles(plan);
    if (!reel__plan_group(plan)) return false;
    reel__plan_batch(plan);
    return reel__plan_order(plan) && reel__plan_storage(plan);
}
