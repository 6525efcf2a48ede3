/* A plan: how a program is executed in fewer and larger pieces than one op at a time, to the same bits. It is made by
 * passes, each in a file of its own, each a function from plan to plan, each O(n log n):
 *
 *     roles.c    what each node is: a leaf, a constant computed once, a view, something to compute
 *     layout.c   views become strides: whose value a node reads, and where
 *     group.c    pointwise ops, reductions and products that run together, tile by tile
 *     batch.c    products of one right operand as one batch
 *     order.c    the members of a group so that each reads the one before, where it can
 *     storage.c  which values have memory of their own; assignments in place; parts written into their concat
 *     arena.c    where each value is, so that memory is used again once its last reader has run
 *
 * core/lower/lower.c makes a list of steps with addresses of it. */
#ifndef REEL_CORE_PLAN_PLAN_H
#define REEL_CORE_PLAN_PLAN_H

#include "core/plan/traits.h"

enum {
    REEL__ROW_LIMIT = 1024,  /* the longest row that a tile holds whole */
    REEL__FOLD_LIMIT = 4096, /* the largest constant that is computed once */
    REEL__NONE = -1
};

/* What can be switched off, each alone: a field of the settings, a word of REEL_FORCE, an axis of the equality tests. */
/* clang-format off */
#define REEL__PLAN_SWITCHES(X) \
    X(no_fold) X(no_views) X(no_group) X(no_reduce) X(no_epilogue) X(no_batch) X(no_order) X(no_chain) X(no_concat) \
    X(no_in_place) X(no_reuse)
/* clang-format on */

/* What tests and the environment can force; none of it changes a bit. */
typedef struct reel__plan_settings {
#define SWITCH(name) bool name;
    REEL__PLAN_SWITCHES(SWITCH)
#undef SWITCH
    int64_t tile;        /* elements of a tile; 0: from the caches */
    int pack;            /* a reel__product_use for both operands; 0: what the plan finds best */
    bool pack_ahead;     /* both operands of every product, by a step of their own */
    int64_t block;       /* rows and columns of a product's block; 0: what the plan finds best */
    int64_t l1, l2;      /* bytes; 0: what isa and machine suggest */
    int64_t thread_work; /* work below which a step stays on one thread; 0: default, -1: none does */
    int isa;             /* plus one; 0: the best */
} reel__plan_settings;

typedef enum reel__role {
    REEL__LEAF,     /* bound to a named value */
    REEL__CONSTANT, /* known before a run */
    REEL__VIEW,     /* somebody else's value */
    REEL__COPY,     /* a view that is given memory of its own */
    REEL__POINTWISE,
    REEL__REDUCTION,
    REEL__PRODUCT,
    REEL__OTHER /* run as it is, on contiguous operands */
} reel__role;

/* Element (i, j, …) of a node's value is element offset + i stride[0] + … of its source's. */
typedef struct reel__access {
    int32_t source;
    int64_t offset;
    int64_t stride[REEL_MAX_RANK];
} reel__access;

/* How a member stands to the space of its group, [rows, columns]. */
typedef enum reel__level {
    REEL__FULL, /* one value for each row and column */
    REEL__ROW,  /* one for each row */
    REEL__PARTIAL /* a reduction over columns that do not fit a tile: known after the group, from a value for each block */
} reel__level;

/* A node of the program. */
typedef struct reel__planned {
    reel_tensor *x;
    uint8_t role, level; /* reel__role, reel__level */
    bool assigned;       /* an assignment, which takes effect after the run */
    bool read;           /* by the user, after the run */
    bool stored;         /* has memory, not only a slot of a tile */
    bool in_place;       /* which is that of the parameter or state that it is assigned to */
    int32_t copy;        /* of a REEL__COPY: where in plan->copies it says what it copies */
    int32_t group;
    int32_t position; /* among the members of its group */
    char *data;       /* where its value is: of a leaf, a constant, or what is stored */
    char *partial;    /* of a REEL__PARTIAL reduction: a value for each block */
} reel__planned;

/* What runs together, in a space of rows and columns. */
typedef struct reel__group {
    int32_t first, count; /* its members, in plan->member; the first group may have none */
    int32_t product;      /* the node at its front, or REEL__NONE */
    bool tiled;           /* runs by tiles; otherwise it is one node, run as it is */
    bool has_rows;        /* some member is REEL__ROW, so a tile holds whole rows */
    int row_axes;         /* how many axes of its space, but for those of size 1, are rows; the others are columns */
    int64_t rows, columns;
    int32_t batch_head;     /* the group whose product computes this one's too, in a batch of products; or REEL__NONE */
    int32_t batch_index;    /* which product of the head's batch this is */
    int32_t batch_count;    /* how many products a head computes */
    int64_t batch_distance; /* from the left operand of one to that of the next, in elements */
} reel__group;

typedef struct reel__plan {
    reel_tape *tape;
    reel_allocator allocator;
    reel__plan_settings settings;
    int isa;
    int64_t count;
    reel__planned *node;
    reel__access *access;
    reel__array blocks; /* void *, each with its size: what the plan and its steps own */
    reel__array copies; /* reel__access: what each REEL__COPY copies */
    reel__group *group; /* in order of execution */
    int32_t group_count;
    int32_t *member; /* nodes, group by group */
    char *arena, *constants;
    size_t arena_size, constants_size;
    /* for reports and tests */
    int64_t moved;      /* members that have another position than the order of the program gives them */
    int64_t in_concats; /* parts written into their concat */
    int64_t in_place;
} reel__plan;

/* plan.c: a plan of nodes that stand in the order of a walk, each at its index; then what is wanted of them, to be assigned
 * or to be read; then all passes. False: out of memory. It is freed in any case. */
bool reel__plan_begin(reel__plan *plan, reel_tape *tape, const reel__plan_settings *settings, reel_tensor *const *nodes,
                      int64_t count);
void *reel__own(reel__plan *plan, size_t bytes); /* a block that lives as long as the plan; NULL: out of memory */
void reel__plan_output(reel__plan *plan, int32_t node, bool assigned);
bool reel__plan_finish(reel__plan *plan);

/* The passes, in their order. False: out of memory. */
void reel__plan_roles(reel__plan *plan);
bool reel__plan_group(reel__plan *plan);
void reel__plan_batch(reel__plan *plan);
bool reel__plan_order(reel__plan *plan);
bool reel__plan_storage(reel__plan *plan);

/* What storage.c tells arena.c of each node. */
typedef struct reel__lifetimes {
    int32_t *last_use; /* the last group that reads it; INT_MAX: it is read after the run */
    int32_t *host;     /* the value that it is written into, itself if none: a concat, the head of a batch */
    size_t *within;    /* where in its host, in bytes */
} reel__lifetimes;

bool reel__plan_arena(reel__plan *plan, const reel__lifetimes *lifetimes);

/* What the environment forces, to settings that are zero. False: it was not understood, and an error is recorded. */
bool reel__read_settings(reel_tape *tape, reel__plan_settings *settings);

void reel__plan_free(reel__plan *plan);
size_t reel__plan_bytes(const reel__plan *plan); /* of all its memory, that of its steps included */

/* The layout of one node, after those of its inputs. */
void reel__plan_layout(reel__plan *plan, int64_t node);

/* All of a value, contiguous. */
reel__access reel__whole_access(const reel_tensor *x);

/* Whether a node's value is its source's, element by element; the same of an access. */
bool reel__is_whole(const reel__plan *plan, int64_t node);
bool reel__reads_whole(const reel__plan *plan, const reel_tensor *x, const reel__access *access);

/* Whether it reads contiguous elements, wherever they begin. */
bool reel__reads_contiguous(const reel_tensor *x, const reel__access *access);

/* The axes of x that are not of size 1, with the strides of an access. */
int reel__axes_of(const reel_tensor *x, const reel__access *access, reel__axis *axes);

/* The axes of a product in a group, as the plan has them: the last of its batch axes, as far as the right operand is
 * repeated along them, are rows. No bits depend on that, since an element is a function of its k pairs alone. */
reel__product_axes reel__plan_axes(const reel__plan *plan, int32_t group, const reel_tensor *y);

/* What a member of this group reads of an operand. Members of groups before a copy read the view itself. */
static inline const reel__access *reel__access_for(const reel__plan *plan, int32_t group, const reel_tensor *operand)
{
    const reel__planned *p = &plan->node[operand->index];
    bool before = p->role == REEL__COPY && group <= p->group;
    return before ? &REEL__AT(plan->copies, reel__access, p->copy) : &plan->access[operand->index];
}

static inline bool reel__is_output(const reel__planned *p) { return p->assigned || p->read; }

/* Whether a product is computed with others, or computes others. */
static inline bool reel__in_batch(const reel__group *group) { return group->batch_head >= 0 || group->batch_count > 1; }

/* a / b rounded up; 0 where b is 0. */
static inline int64_t reel__ceil_div(int64_t a, int64_t b) { return b > 0 ? (a + b - 1) / b : 0; }

static inline size_t reel__value_bytes(const reel_tensor *x)
{
    return (size_t)x->count * reel__dtype_size((reel_dtype)x->dtype);
}

#endif
