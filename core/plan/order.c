/* The order of a group's members: from one to the next that reads it wherever that can be, so that a chain keeps its
 * values in registers; and what is assigned in place comes after everything that reads the old value. */
#include "core/plan/plan.h"

typedef struct ordering {
    reel__plan *plan;
    int32_t g;
    int32_t *waiting; /* of each node: reads of members that have no position yet */
    int32_t *edge;    /* of each node: the first of its readers in the group, in user and next_edge */
    int32_t *target;  /* of each node: the leaf that it is assigned to, or REEL__NONE */
    int32_t *readers; /* of each leaf: reads by members without a position */
    int32_t *user, *next_edge;
    int32_t *member, count, edges;
    int32_t placed, last;
} ordering;

static int32_t source_of(const ordering *o, int32_t node, int j)
{
    return reel__access_for(o->plan, o->g, o->plan->node[node].x->inputs[j])->source;
}

static bool has_position(const ordering *o, int32_t node) { return o->plan->node[node].position >= 0; }

/* Whether the leaf that a node is assigned to is still read by others. */
static bool must_wait(const ordering *o, int32_t node)
{
    int32_t leaf = o->target[node], own = 0;
    if (leaf < 0 || o->plan->node[node].role == REEL__PRODUCT) return false; /* a product is first in any case */
    for (int j = 0; j < o->plan->node[node].x->input_count; j++) own += source_of(o, node, j) == leaf;
    return o->readers[leaf] > own;
}

static void place(ordering *o, int32_t node)
{
    reel__planned *p = &o->plan->node[node];
    if (o->last >= 0) o->plan->node[o->last].next = node;
    else REEL__AT(o->plan->groups, reel__group, o->g).first = node;
    p->next = REEL__NONE;
    p->position = o->placed++;
    o->last = node;
    for (int32_t e = o->edge[node]; e >= 0; e = o->next_edge[e]) o->waiting[o->user[e]]--;
    for (int j = 0; j < p->x->input_count; j++) o->readers[source_of(o, node, j)]--;
}

/* The first reader of a node that has all it needs, pointwise ones before reductions. */
static int32_t reader_of(const ordering *o, int32_t node)
{
    int32_t best = REEL__NONE;
    for (int32_t e = o->edge[node]; e >= 0; e = o->next_edge[e]) {
        int32_t user = o->user[e];
        if (has_position(o, user) || o->waiting[user] > 0 || must_wait(o, user)) continue;
        bool pointwise = o->plan->node[user].role == REEL__POINTWISE;
        bool best_is = best >= 0 && o->plan->node[best].role == REEL__POINTWISE;
        if (best < 0 || (pointwise && !best_is) || (pointwise == best_is && user < best)) best = user;
    }
    return best;
}

static void find_edges(ordering *o)
{
    for (int32_t i = 0; i < o->count; i++) {
        int32_t node = o->member[i];
        o->plan->node[node].position = REEL__NONE;
        for (int j = 0; j < o->plan->node[node].x->input_count; j++) o->readers[source_of(o, node, j)] = 0;
        o->waiting[node] = 0, o->edge[node] = REEL__NONE;
    }
    for (int32_t i = 0; i < o->count; i++) {
        int32_t node = o->member[i];
        for (int j = 0; j < o->plan->node[node].x->input_count; j++) {
            int32_t source = source_of(o, node, j);
            o->readers[source]++;
            if (o->plan->node[source].group != o->g || o->plan->node[node].role == REEL__PRODUCT) continue;
            o->waiting[node]++;
            o->user[o->edges] = node, o->next_edge[o->edges] = o->edge[source];
            o->edge[source] = o->edges++;
        }
    }
}

static void order_group(ordering *o)
{
    reel__group *group = &REEL__AT(o->plan->groups, reel__group, o->g);
    o->count = o->edges = o->placed = 0;
    o->last = REEL__NONE;
    for (int32_t i = group->first; i >= 0; i = o->plan->node[i].next) o->member[o->count++] = i;
    if (!group->tiled || o->plan->settings.no_order) {
        for (int32_t i = 0; i < o->count; i++) o->plan->node[o->member[i]].position = i;
        return;
    }
    find_edges(o);
    for (int pass = 0; o->placed < o->count; pass++) /* in the second nothing waits for a leaf's readers any more */
        for (int32_t i = 0; i < o->count; i++) {
            int32_t node = o->member[i];
            bool ready = !has_position(o, node) && o->waiting[node] == 0 && (pass > 0 || !must_wait(o, node));
            for (int32_t next = ready ? node : REEL__NONE; next >= 0; next = reader_of(o, next)) place(o, next);
        }
    group->last = o->last;
    for (int32_t i = 0; i < o->count; i++) o->plan->moved += o->plan->node[o->member[i]].position != i;
}

bool reel__plan_order(reel__plan *plan)
{
    size_t nodes = (size_t)plan->count, edges = 0;
    for (int64_t i = 0; i < plan->count; i++) edges += (size_t)plan->node[i].x->input_count;
    const size_t bytes = (5 * nodes + 2 * edges) * sizeof(int32_t);
    int32_t *memory = reel__allocate(&plan->allocator, bytes);
    if (!memory) return false;
    ordering o = { .plan = plan,
                   .waiting = memory,
                   .edge = memory + nodes,
                   .target = memory + 2 * nodes,
                   .readers = memory + 3 * nodes,
                   .member = memory + 4 * nodes,
                   .user = memory + 5 * nodes,
                   .next_edge = memory + 5 * nodes + edges };
    for (int64_t i = 0; i < plan->count; i++) o.target[i] = REEL__NONE;
    for (int64_t i = 0; i < plan->count; i++) {
        const reel__planned *p = &plan->node[i];
        if (p->x->op == &reel__assign_op && p->output && p->role == REEL__VIEW)
            o.target[plan->access[i].source] = p->x->inputs[0]->index;
    }
    for (o.g = 0; o.g < plan->groups.count; o.g++) order_group(&o);
    reel__release(&plan->allocator, memory, bytes);
    return true;
}
