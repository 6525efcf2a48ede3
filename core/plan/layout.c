/* Views become strides: for each node, whose value it reads and which of its elements. A view that no strides can say (a
 * reshape of a transpose) stays something to compute. */
#include "core/plan/plan.h"

#include <string.h>

static void whole(const reel_tensor *x, int64_t source, reel__access *access)
{
    int64_t stride = 1;
    access->source = (int32_t)source;
    access->offset = 0;
    for (int d = x->rank; d-- > 0; stride *= x->size[d]) access->stride[d] = stride;
}

void reel__plan_layout(reel__plan *plan, int64_t node)
{
    const reel_tensor *x = plan->node[node].x;
    whole(x, node, &plan->access[node]);
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

int reel__squeeze(const reel_tensor *x, int64_t *size)
{
    int rank = 0;
    for (int d = 0; d < x->rank; d++)
        if (x->size[d] != 1) size[rank++] = x->size[d];
    return rank;
}

void reel__squeeze_strides(const reel_tensor *x, const reel__access *access, int64_t *stride)
{
    int rank = 0;
    for (int d = 0; d < x->rank; d++)
        if (x->size[d] != 1) stride[rank++] = access->stride[d];
}

bool reel__collapse(const int64_t *size, const int64_t *stride, int from, int to, int64_t *together)
{
    *together = from < to ? stride[to - 1] : 0;
    for (int d = to - 1; d > from; d--)
        if (stride[d - 1] != stride[d] * size[d]) return false;
    return true;
}

bool reel__is_whole(const reel__plan *plan, int64_t node)
{
    return reel__reads_whole(plan, plan->node[node].x, &plan->access[node]);
}

bool reel__reads_whole(const reel__plan *plan, const reel_tensor *x, const reel__access *access)
{
    return !access->offset && plan->node[access->source].x->count == x->count && reel__reads_in_order(x, access);
}

bool reel__reads_in_order(const reel_tensor *x, const reel__access *access)
{
    int64_t stride = 1;
    for (int d = x->rank; d-- > 0; stride *= x->size[d])
        if (x->size[d] != 1 && access->stride[d] != stride) return false;
    return true;
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

void reel__plan_free(reel__plan *plan)
{
    const reel_allocator *a = &plan->allocator;
    reel__release(a, plan->node, (size_t)plan->count * sizeof *plan->node);
    reel__release(a, plan->access, (size_t)plan->count * sizeof *plan->access);
    reel__array_free(a, &plan->groups, sizeof(reel__group));
    reel__array_free(a, &plan->copies, sizeof(reel__access));
    reel__release(a, plan->arena, plan->arena_size);
    reel__release(a, plan->constants, plan->constants_size);
    *plan = (reel__plan){ 0 };
}
