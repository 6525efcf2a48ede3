/* What a plan is lowered to: a flat list of steps with addresses. A run does not change them; its threads write to values
 * and to the memory that the last fields of reel__steps point to. */
#ifndef REEL_CORE_LOWER_STEP_H
#define REEL_CORE_LOWER_STEP_H

#include "core/plan/plan.h"

/* ---- Instructions of a tile -------------------------------------------------------------------------------------- */

/* Where an operand of an instruction is: element (r, c) of the group's space at base + r row + (one ? 0 : c), or in a slot
 * of the tile. */
typedef struct reel__operand {
    char *base;
    int64_t row;
    int32_t slot; /* REEL__NONE: in memory */
    uint8_t element;
    bool one;     /* the same for all columns */
    bool per_row; /* a slot with one value for each row */
    bool block;   /* the product's block: base and row are known when it runs */
} reel__operand;

enum { REEL__CHAIN_LINKS = 32 };

/* A link whose operands have no addresses yet. */
typedef struct reel__planned_link {
    reel__link_form form;
    int32_t count;
    reel__operand x[2];
} reel__planned_link;

typedef enum reel__tile_kind {
    REEL__TILE_FULL,      /* y[r,c] */
    REEL__TILE_ROW,       /* y[r], on what has one value for each row */
    REEL__TILE_CHAIN,     /* several of the first kind */
    REEL__TILE_ROW_CHAIN, /* several of the second */
    REEL__TILE_REDUCE,    /* y[r] from x[r,·] */
    REEL__TILE_BLOCKS     /* a value for each block of x[r,·] */
} reel__tile_kind;

typedef struct reel__tile_op {
    uint8_t kind;   /* reel__tile_kind */
    uint8_t count;  /* operands; of a chain: links */
    bool scattered; /* a chain of rows whose values do not lie one after the other */
    int32_t block;  /* elements of a block */
    union {
        reel__row_kernel *row;
        reel__reduce_kernel *reduce;
        const reel__chain *chain;
    };
    union {
        struct {
            reel__operand y, x[REEL__POINTWISE_INPUTS];
        };
        reel__planned_link *links; /* of a chain */
        reel__tile fixed;          /* the call itself, where the whole group is one tile */
        struct {                   /* the same of a chain */
            reel__link *fixed_links;
            int64_t rows, columns;
        };
    };
} reel__tile_op;

/* A group's pointwise ops and reductions, and how its space is cut into tiles. */
typedef struct reel__tiles {
    reel__tile_op *ops;
    int32_t count, slots;
    int64_t rows, columns, tile_rows, tile_columns;
    size_t slot_bytes;
    bool single; /* all is one tile, whose calls are fixed */
} reel__tiles;

/* Rows [row, row + rows) and columns [column, column + columns) of a step's space; c is what a product has computed of
 * it, from (c_row0, c_column0) on. */
typedef struct reel__part {
    char *slots;
    size_t slot_bytes;
    int64_t row, rows, column, columns;
    char *c;
    int64_t c_row0, c_column0, c_row;
} reel__part;

/* addresses.c: the address of an operand's element at the part's first row and column, or at the first row alone, and how
 * many elements on the same of the next row is. */
char *reel__operand_at(const reel__operand *o, const reel__part *part, bool whole_row, int64_t *row);

/* A call with its addresses: of rows that lie one after the other in all operands, one row is made. For a chain, its
 * links, REEL__CHAIN_LINKS at most. */
void reel__set_tile(const reel__tile_op *op, const reel__part *part, reel__tile *tile);
void reel__set_links(const reel__tile_op *op, const reel__part *part, reel__link *links, int64_t *rows,
                     int64_t *columns);

/* ---- Steps ------------------------------------------------------------------------------------------------------- */

typedef enum reel__step_kind {
    REEL__STEP_CALL,
    REEL__STEP_COPY,
    REEL__STEP_REDUCE,
    REEL__STEP_TILES,
    REEL__STEP_PACK,
    REEL__STEP_PRODUCT
} reel__step_kind;

/* A view given memory. */
typedef struct reel__copy_step {
    char *y;
    const char *x;
    size_t element;
    int rank;
    int64_t size[REEL_MAX_RANK], y_stride[REEL_MAX_RANK], x_stride[REEL_MAX_RANK];
} reel__copy_step;

typedef struct reel__reduce_step {
    reel__reduction reduction;
    void *y;
    const void *x;
} reel__reduce_step;

/* A packed operand: a value of the plan, read by every product that wants it in this form. */
typedef struct reel__pack {
    int32_t source;
    int64_t offset;
    reel__product_layout layout;
    int64_t first, last; /* the steps that write it and that read it last */
    size_t at;           /* in the steps' memory for packs */
} reel__pack;

enum { REEL__PACK_PANELS = 4 }; /* that make one share */

typedef struct reel__pack_step {
    const reel__product_api *api;
    const reel__pack *pack;
    const char *from;
    char *to;
} reel__pack_step;

typedef struct reel__product_step {
    const reel__product_api *api;
    reel__product_plan plan;
    const reel__pack *pack[2]; /* of a and b, or NULL */
    const char *a, *b;
    char *c; /* NULL: blocks live in the workspace */
    int64_t block_m, block_n;
    int64_t batch;                   /* how many products: the size of y's batch axes */
    int64_t *offsets;                /* of a and b of each of the `batch` products, in bytes */
    reel__tiles tiles;               /* of what runs on each block; they may have no instruction */
    reel__product_prefetch prefetch; /* what they read; at: of the whole, NULL: nothing */
} reel__product_step;

typedef struct reel__step {
    reel__step_kind kind;
    int32_t node;   /* that it computes, or the first of them */
    double work;    /* an estimate, from which sharing is decided: eight multiply-adds or element operations are 1 */
    int64_t shares; /* independent parts */
    bool shared;    /* worth more than one thread */
    union {
        reel_call call; /* of one op as it is; what it draws from is filled in by each run, in a copy */
        reel__copy_step copy;
        reel__reduce_step reduce;
        reel__tiles tiles;
        reel__pack_step pack;
        reel__product_step product;
    };
} reel__step;

/* What runs tile by tile in a step; NULL: nothing. */
static inline const reel__tiles *reel__tiles_of(const reel__step *step)
{
    if (step->kind == REEL__STEP_TILES) return &step->tiles;
    return step->kind == REEL__STEP_PRODUCT && step->product.tiles.count ? &step->product.tiles : NULL;
}

/* The next share of a thread's range, alone on its cache line; atomic. */
typedef struct reel__next_share {
    int64_t share, rest[7];
} reel__next_share;

/* How long a step took, with .profile: in all runs. */
typedef struct reel__step_time {
    double seconds;
    int64_t runs;
} reel__step_time;

typedef struct reel__steps {
    reel__plan plan;
    reel__array list;      /* reel__step */
    reel__array constants; /* reel__step: run when the plan is made and when a number has changed */
    reel__array packs;     /* reel__pack *, in the order of the steps that write them */
    size_t packs_size;
    char *packs_memory;
    size_t scratch; /* bytes that one thread needs */
    int threads;    /* that have scratch; 1: no step is worth more */
    /* written by a run */
    char *scratch_memory;
    reel__next_share *next; /* one for each thread */
    reel__step_time *times; /* one for each step */
} reel__steps;

static inline int64_t reel__smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* lower.c: makes the steps of steps->plan for steps->threads. False: out of memory. */
bool reel__lower(reel__steps *steps);
void reel__steps_free(reel__steps *steps);

/* All memory that a run needs in addition to the model and the inputs; known before the first run, and what is used. */
size_t reel__steps_bytes(const reel__steps *steps);

#endif
