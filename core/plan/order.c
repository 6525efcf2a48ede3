/* The order of a group's members: from one to the next that reads it wherever that can be, so that a chain keeps its
 * values in registers; and what is assigned in place comes after everything that reads the old value. */
#include "core/plan/plan.h"

#include <string.h>

typedef struct ordering {
    reel__plan *plan;
    int32_t g;
    int32_t *before;  /* the members as the program orders them */
    int32_t *unread;  /* of each member: operands in the group that have no position yet */
    int32_t *edge;    /* of each node: the first of its readers in the group, in user and next_edge */
    int32_t *target;  /* of each node: the leaf that it is assigned to, or REEL__NONE */
    int32_t *readers; /* of each leaf: reads by members without a position */
    int32_t *user, *next_edge;
    int32_t count, edges, done;
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

static void append(ordering *o, int32_t node)
{
    reel__planned *p = &o->plan->node[node];
    o->plan->moved += o->before[o->done] != node;
    p->position = o->done++;
    o->plan->member[o->plan->group[o->g].first + p->position] = node;
    for (int32_t e = o->edge[node]; e >= 0; e = o->next_edge[e]) o->unread[o->user[e]]--;
    for (int j = 0; j < p->x->input_count; j++) o->readers[source_of(o, node, j)]--;
}

/* The first reader of a node that has all it needs, pointwise ones before reductions. */
static int32_t reader_of(const ordering *o, int32_t node)
{
    int32_t best = REEL__NONE;
    for (int32_t e = o->edge[node]; e >= 0; e = o->next_edge[e]) {
        int32_t user = o->user[e];
        if (has_position(o, user) || o->unread[user] > 0 || must_wait(o, user)) continue;
        bool pointwise = o->plan->node[user].role == REEL__POINTWISE;
        bool best_is = best >= 0 && o->plan->node[best].role == REEL__POINTWISE;
        if (best < 0 || (pointwise && !best_is) || (pointwise == best_is && user < best)) best = user;
    }
    return best;
}

static void find_edges(ordering *o)
{
    o->edges = 0;
    for (int32_t i = 0; i < o->count; i++) {
        int32_t node = o->before[i];
        for (int j = 0; j < o->plan->node[node].x->input_count; j++) o->readers[source_of(o, node, j)] = 0;
        o->unread[node] = 0, o->edge[node] = REEL__NONE;
    }
    for (int32_t i = 0; i < o->count; i++) {
        int32_t node = o->before[i];
        for (int j = 0; j < o->plan->node[node].x->input_count; j++) {
            int32_t source = source_of(o, node, j);
            o->readers[source]++;
            if (o->plan->node[source].group != o->g || o->plan->node[node].role == REEL__PRODUCT) continue;
            o->unread[node]++;
            o->user[o->edges] = node, o->next_edge[o->edges] = o->edge[source];
            o->edge[source] = o->edges++;
        }
    }
}

static void order_group(ordering *o)
{
    const reel__group *group = &o->plan->group[o->g];
    const int32_t *members = o->plan->member + group->first;
    o->count = group->count, o->done = 0;
    if (!group->tiled || o->plan->settings.no_order) {
        for (int32_t i = 0; i < o->count; i++) o->plan->node[members[i]].position = i;
        return;
    }
    if (o->count) memcpy(o->before, members, (size_t)o->count * sizeof *members);
    find_edges(o);
    for (int pass = 0; o->done < o->count; pass++) /* in the second nothing waits for a leaf's readers any more */
        for (int32_t i = 0; i < o->count; i++) {
            int32_t node = o->before[i];
            bool ready = !has_position(o, node) && o->unread[node] == 0 && (pass > 0 || !must_wait(o, node));
            for (int32_t next = ready ? node : REEL__NONE; next >= 0; next = reader_of(o, next)) append(o, next);
        }
}

bool reel__plan_order(reel__plan *plan)
{
    size_t nodes = (size_t)plan->count, edges = 0;
    for (int64_t i = 0; i < plan->count; i++) edges += (size_t)plan->node[i].x->input_count;
    const size_t bytes = (5 * nodes + 2 * edges) * sizeof(int32_t);
    int32_t *memory = reel__allocate(&plan->allocator, bytes);
    if (!memory) return false;
    ordering o = { .plan = plan,
                   .before = memory,
                   .unread = memory + nodes,
                   .edge = memory + 2 * nodes,
                   .target = memory + 3 * nodes,
                   .readers = memory + 4 * nodes,
                   .user = memory + 5 * nodes,
                   .next_edge = memory + 5 * nodes + edges };
    for (int64_t i = 0; i < plan->count; i++) o.target[i] = REEL__NONE;
    for (int64_t i = 0; i < plan->count; i++) {
        const reel__planned *p = &plan->node[i];
        if (p->assigned && p->role == REEL__VIEW) o.target[plan->access[i].source] = p->x->inputs[0]->index;
    }
    for (o.g = 0; o.g < plan->group_count; o.g++) order_group(&o);
    reel__release(&plan->allocator, memory, bytes);
    return true;
}
