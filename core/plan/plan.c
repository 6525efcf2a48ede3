/* A plan, from its nodes to the last pass. */
#include "core/plan/plan.h"

#include "core/base/cpu.h"

bool reel__plan_begin(reel__plan *plan, reel_tape *tape, const reel__plan_settings *settings, reel_tensor *const *nodes,
                      int64_t count)
{
    const size_t n = (size_t)count;
    *plan = (reel__plan){ .tape = tape, .allocator = tape->allocator, .settings = *settings, .count = count };
    plan->isa = settings->isa ? settings->isa - 1 : reel__isa_best();
    plan->node = reel__own(plan, n * sizeof *plan->node);
    plan->access = reel__own(plan, n * sizeof *plan->access);
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

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

static void *block_at(const reel__plan *plan, int64_t i) { return REEL__AT(plan->blocks, void *, i); }
static size_t size_at(const reel__plan *plan, int64_t i) { return REEL__AT(plan->blocks, size_t, i + 1); }

void *reel__own(reel__plan *plan, size_t bytes)
{
    reel__array *blocks = &plan->blocks;
    if (!reel__reserve(&plan->allocator, blocks, blocks->count + 1, sizeof(void *))) return NULL;
    void *block = reel__allocate(&plan->allocator, bytes);
    if (!block) return NULL;
    REEL__AT(*blocks, void *, blocks->count++) = block;
    REEL__AT(*blocks, size_t, blocks->count++) = bytes;
    return block;
}

void reel__plan_free(reel__plan *plan)
{
    for (int64_t i = 0; i < plan->blocks.count; i += 2)
        reel__release(&plan->allocator, block_at(plan, i), size_at(plan, i));
    reel__array_free(&plan->allocator, &plan->blocks, sizeof(void *));
    reel__array_free(&plan->allocator, &plan->copies, sizeof(reel__access));
}

size_t reel__plan_bytes(const reel__plan *plan)
{
    size_t bytes =
        reel__array_bytes(&plan->blocks, sizeof(void *)) + reel__array_bytes(&plan->copies, sizeof(reel__access));
    for (int64_t i = 0; i < plan->blocks.count; i += 2) bytes += reel__block_bytes(block_at(plan, i), size_at(plan, i));
    return bytes;
}
