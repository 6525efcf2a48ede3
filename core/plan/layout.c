/* Views become strides: for each node, whose value it reads and which of its elements. A view that no strides can say (a
 * reshape of a transpose) stays something to compute. */
#include "core/base/strided.h"
#include "core/plan/plan.h"

#include <string.h>

reel__access reel__whole_access(const reel_tensor *x)
{
    reel__access access = { .source = x->index };
    reel__contiguous(x->rank, x->size, access.stride);
    return access;
}

void reel__plan_layout(reel__plan *plan, int64_t node)
{
    const reel_tensor *x = plan->node[node].x;
    plan->access[node] = reel__whole_access(x);
    if (plan->node[node].role != REEL__VIEW) return;
    const reel__access *in = &plan->access[x->inputs[x->input_count - 1]->index];
    int64_t offset = 0;
    reel__access view = *in;
    if (!x->op->traits) { /* an assignment: its value */
        plan->access[node] = *in;
    } else if (x->op->traits->map(x, in->stride, &offset, view.stride)) {
        view.offset += offset;
        plan->access[node] = view;
    } else {
        plan->node[node].role = REEL__OTHER;
    }
}

int reel__axes_of(const reel_tensor *x, const reel__access *access, reel__axis *axes)
{
    int n = 0;
    for (int d = 0; d < x->rank; d++)
        if (x->size[d] != 1) axes[n++] = (reel__axis){ x->size[d], access->stride[d] };
    return n;
}

bool reel__is_whole(const reel__plan *plan, int64_t node)
{
    return reel__reads_whole(plan, plan->node[node].x, &plan->access[node]);
}

bool reel__reads_whole(const reel__plan *plan, const reel_tensor *x, const reel__access *access)
{
    return !access->offset && plan->node[access->source].x->count == x->count && reel__reads_contiguous(x, access);
}

bool reel__reads_contiguous(const reel_tensor *x, const reel__access *access)
{
    reel__axis axes[REEL_MAX_RANK];
    return reel__is_contiguous(reel__axes_of(x, access, axes), axes);
}

reel__product_axes reel__plan_axes(const reel__plan *plan, int32_t group, const reel_tensor *y)
{
    reel__product_axes p = *y->op->traits->product->axes(y);
    const reel__access *b = reel__access_for(plan, group, y->inputs[1]);
    int rows = 0;
    while (rows < p.batch && (y->size[p.batch - 1 - rows] == 1 || !b->stride[p.b_batch[p.batch - 1 - rows]])) rows++;
    p.batch = (int8_t)(p.batch - rows);
    memmove(p.a_m + rows, p.a_m, (size_t)p.m);
    memcpy(p.a_m, p.a_batch + p.batch, (size_t)rows);
    p.m = (int8_t)(p.m + rows);
    memset(p.a_batch + p.batch, 0, (size_t)rows), memset(p.b_batch + p.batch, 0, (size_t)rows);
    return p;
}
