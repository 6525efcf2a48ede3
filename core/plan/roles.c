/* What each node is. Nodes that depend on numbers alone are constants: computed when the plan is made, and again when a
 * number has changed, not in every run. */
#include "core/plan/plan.h"

static bool known(const reel__plan *plan, const reel_tensor *x)
{
    if (plan->settings.no_fold || x->value || x->op->draws || x->op->check || x->count > REEL__FOLD_LIMIT) return false;
    if (x->op->traits && x->op->traits->is_number) return true;
    if (!x->input_count || !x->op->run || (x->op->traits && x->op->traits->map)) return false;
    for (int j = 0; j < x->input_count; j++) {
        int64_t in = x->inputs[j]->index;
        if (plan->node[plan->access[in].source].role != REEL__CONSTANT || !reel__is_whole(plan, in)) return false;
    }
    return true;
}

static reel__role role_of(const reel__plan *plan, const reel_tensor *x)
{
    const reel__traits *traits = x->op->traits;
    if (x->value) return REEL__LEAF;
    if (known(plan, x)) return REEL__CONSTANT;
    if (x->op == &reel__assign_op) return REEL__VIEW;
    if (!traits || !x->count) return REEL__OTHER;
    if (traits->map) return plan->settings.no_views ? REEL__OTHER : REEL__VIEW;
    if (traits->row) return REEL__POINTWISE;
    if (traits->reduce) return REEL__REDUCTION;
    return traits->product ? REEL__PRODUCT : REEL__OTHER;
}

void reel__plan_roles(reel__plan *plan)
{
    for (int64_t i = 0; i < plan->count; i++) {
        plan->node[i].role = (uint8_t)role_of(plan, plan->node[i].x);
        plan->node[i].group = plan->node[i].position = REEL__NONE;
        reel__plan_layout(plan, i);
    }
}
