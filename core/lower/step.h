/* What a plan lowers to: a flat list of steps with resolved addresses. */
#ifndef REEL_CORE_LOWER_STEP_H
#define REEL_CORE_LOWER_STEP_H

#include "core/plan/plan.h"

/* Where an operand of a tile's op is: element (r, c) of the group's space at base + r row + (one ? 0 : c), or in a
 * register of the tile. */
typedef struct reel__operand {
    char *base;
    int64_t row;
    int32_t slot; /* REEL__NONE: in memory */
    uint8_t element;
    bool one;     /* the same for all columns */
    bool per_row; /* a register with one value for each row */
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
    uint8_t kind;          /* reel__tile_kind */
    uint8_t count;         /* operands; of a chain: links */
    bool scattered;        /* a chain of rows whose values do not lie one after the other */
    int32_t block, blocks; /* elements of a block, blocks of a row */
    union {
        reel__row_kernel *row;
        reel__reduce_kernel *reduce;
        const reel__chain *chain;
    };
    union {
        struct {
            reel__operand y, x[REEL__POINTWISE_INPUTS];
        };
        reel__planned_link *links;
        reel__tile fixed; /* the call itself, where the whole group is one tile */
        struct {          /* of a chain */
            reel__link *ready;
            int64_t rows, columns;
        };
    };
} reel__tile_op;

typedef enum reel__step_kind {
    REEL__STEP_CALL,   /* one op as it is */
    REEL__STEP_COPY,   /* a view given memory */
    REEL__STEP_REDUCE, /* [outer, n, inner] over n */
    REEL__STEP_TILES,
    REEL__STEP_PACK, /* an operand of products */
    REEL__STEP_PRODUCT
} reel__step_kind;

/* A packed operand: a value of the plan, read by every product that wants it in this form. */
typedef struct reel__pack {
    int32_t source;
    int64_t offset;
    reel__side side;
    reel__product_use use;
    int isa, element;
    reel__product_layout layout;
    int64_t first, last; /* the steps that write it and that read it last */
    size_t at;           /* in the steps' memory for packs */
} reel__pack;

typedef struct reel__step {
    reel__step_kind kind;
    int32_t node;
    /* call, copy, reduce */
    reel_call call;
    const reel__access *access; /* copy */
    reel__reduce_kernel *reduce;
    int64_t outer, n, inner;
    /* tiles, and those after a product's block */
    reel__tile_op *ops;
    int32_t op_count, slots;
    int64_t rows, columns, tile_rows, tile_columns;
    size_t slot_bytes;
    bool single; /* all is one tile with fixed calls */
    /* product, pack */
    const reel__product_api *api;
    int32_t pack[2]; /* of a and b, or REEL__NONE; of a pack step: its own, first */
    const reel__pack *packing;
    reel__product_plan plan;
    const char *a, *b;
    char *c; /* NULL: blocks live in the workspace */
    int64_t block_m, block_n, batch;
    reel__product_prefetch prefetch; /* read after its blocks; at: of the whole, NULL: nothing */
    int64_t *offsets;                /* of each batch's a and b, in bytes */
    double work;                     /* what threads are worth: eight multiply-adds or element operations are 1 */
    int64_t shares;                  /* independent parts */
    bool shared;                     /* worth more than one thread */
} reel__step;

/* Rows [row, row + rows) and columns [column, column + columns) of a step's space; c is what a product has computed of
 * it, from (c_row0, c_column0) on. */
typedef struct reel__part {
    int64_t row, rows, column, columns;
    char *c;
    int64_t c_row0, c_column0, c_row;
} reel__part;

/* The next share of a thread's range, alone on its cache line; atomic. */
typedef struct reel__next_share {
    int64_t share, rest[7];
} reel__next_share;

typedef struct reel__steps {
    reel__plan plan;
    reel__array list;      /* reel__step */
    reel__array constants; /* reel__step: run when the plan is made and when a number has changed */
    reel__array pointers;  /* void *: blocks that the steps own, each with its size */
    reel__array packs;     /* reel__pack, in the order of the steps that write them */
    size_t packs_size;
    char *packs_memory;
    size_t scratch; /* bytes that one thread needs */
    char *scratch_memory;
    reel__next_share *next; /* one for each thread */
    int threads;            /* that have scratch; 1: no step is worth more */
} reel__steps;

static inline int64_t reel__smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* a / b rounded up; 0 where b is 0. */
static inline int64_t reel__ceil_div(int64_t a, int64_t b) { return b > 0 ? (a + b - 1) / b : 0; }

/* False: out of memory. */
bool reel__lower(reel__steps *steps);
void reel__steps_free(reel__steps *steps);

/* All memory that a run needs beside the model and the inputs; known before the first run, and what is used. */
size_t reel__steps_bytes(const reel__steps *steps);

/* Where an operand's element at the part's first row and column is, and how many elements on the same of the next row. */
static inline char *reel__operand_at(const reel__operand *o, const reel__step *step, char *slots,
                                     const reel__part *part, bool whole_row, int64_t *row)
{
    int64_t column = whole_row ? 0 : part->column;
    if (o->slot >= 0) {
        *row = o->per_row ? 1 : part->columns;
        return slots + (size_t)o->slot * step->slot_bytes;
    }
    if (o->block) {
        *row = part->c_row;
        return part->c + ((part->row - part->c_row0) * part->c_row + column - part->c_column0) * o->element;
    }
    *row = o->row;
    return o->base + (part->row * o->row + (o->one ? 0 : column)) * o->element;
}

/* A call with its addresses: of rows that lie one after the other in all operands, one row is made. For a chain, its
 * links, REEL__CHAIN_LINKS at most. */
void reel__set_tile(const reel__step *step, const reel__tile_op *op, char *slots, const reel__part *part,
                    reel__tile *tile);
void reel__set_links(const reel__step *step, const reel__tile_op *op, char *slots, const reel__part *part,
                     reel__link *links, int64_t *rows, int64_t *columns);

enum { REEL__PART_PANELS = 4 }; /* of a pack that make one part */

int64_t reel__step_shares(const reel__step *step); /* how many parts it has */

#endif
