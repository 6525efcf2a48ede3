/* A plan, from nothing to the last pass. */
#include "core/plan/plan.h"

#include "core/base/cpu.h"

const reel__plan_pass reel__plan_passes[REEL__PLAN_PASSES] = {
    { "roles", reel__plan_roles }, { "groups", reel__plan_group },     { "batches", reel__plan_batch },
    { "order", reel__plan_order }, { "storage", reel__plan_storage },
};

bool reel__plan_begin(reel__plan *plan, reel_tape *tape, const reel__array *nodes, const reel__array *outputs,
                      int64_t assigned)
{
    const reel__plan_settings *settings = reel__settings(tape);
    if (!settings || tape->recording.status != REEL_OK) return false;
    const size_t n = (size_t)nodes->count;
    *plan = (reel__plan){ .tape = tape,
                          .allocator = tape->allocator,
                          .settings = *settings,
                          .isa = settings->isa ? settings->isa - 1 : reel__isa_best(),
                          .count = nodes->count,
                          .assigns = assigned > 0 };
    plan->node = reel__allocate(&tape->allocator, n * sizeof *plan->node);
    plan->access = reel__allocate(&tape->allocator, n * sizeof *plan->access);
    if (!plan->node || !plan->access) return false;
    for (size_t i = 0; i < n; i++) plan->node[i].x = REEL__AT(*nodes, reel_tensor *, i);
    for (int64_t i = 0; i < outputs->count; i++) {
        reel__planned *p = &plan->node[REEL__AT(*outputs, reel_tensor *, i)->index];
        p->output = true;
        p->kept |= i >= assigned;
    }
    return true;
}

bool reel__plan_make(reel__plan *plan, reel_tape *tape, const reel__array *nodes, const reel__array *outputs,
                     int64_t assigned)
{
    bool good = reel__plan_begin(plan, tape, nodes, outputs, assigned);
    for (int i = 0; good && i < REEL__PLAN_PASSES; i++) good = reel__plan_passes[i].pass(plan);
    return good;
}
