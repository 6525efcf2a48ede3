/* Programs: what a run or an evaluation computes, ready to be executed, by the plain executor one op at a time or as the
 * steps of a plan. A tape keeps several, so that a short last batch or an evaluation now and then is planned once.
 *
 *     programs.c   those of a tape: finding the one that fits, choosing which to keep
 *     structure.c  what two programs have in common that can be executed alike, as bytes
 *     draws.c      numbers for the draws of one name
 *     program.c    making one: memory, or a plan and its steps; reading its values */
#ifndef REEL_CORE_PROGRAM_PROGRAM_H
#define REEL_CORE_PROGRAM_PROGRAM_H

#include "core/lower/step.h"

/* A node and its index in a program. */
typedef struct reel__program_node {
    const reel_tensor *x;
    int32_t index;
} reel__program_node;

typedef struct reel__program {
    reel__array structure;  /* bytes, see structure.c */
    reel__array nodes;      /* reel_tensor *: all that the outputs need, inputs first */
    reel__array outputs;    /* reel__program_node: what it was made for; of a run its assignments come first */
    reel__array by_address; /* reel__program_node: what can be read, sorted; empty until something is looked for */
    reel__array inputs;     /* reel__value *: those that it reads */
    /* plain */
    reel__array values;   /* void *: where each node's value is */
    reel__array operands; /* const void *: where the values of its inputs are, of one node after the other */
    void *arena;
    size_t arena_size;
    /* planned */
    reel__steps *steps;
    double alone_seconds; /* the shortest run on one thread of what is for several; 0: there was none */

    bool assigns;       /* for a run, not an evaluation */
    bool computed;      /* its values are those of a finished run or evaluation: */
    uint32_t recording; /* of this generation of the tape, */
    uint64_t execution; /* with this number */
    int64_t retired;    /* see tape->retired: nodes of the program may be gone when it has changed */
    uint64_t rebound;   /* see tape->rebound: its leaves may have other values when it has changed */
    uint64_t numbers;   /* see tape->numbers: constants are computed anew when it has changed */
} reel__program;

/* The programs of a tape. */
typedef struct reel__programs {
    reel_tape *tape;
    reel__plan_settings settings; /* how they are planned */
    reel__array list;             /* reel__program *: the last used first */
    int64_t made;                 /* programs so far, for tests */
    reel__array structure;        /* bytes: of the program that is looked for */
} reel__programs;

/* What a program is wanted for. */
typedef struct reel__wanted {
    reel_tensor *const *outputs;
    int64_t count;
    bool assigns;                /* a run; what it assigns comes first */
    bool on_demand;              /* a result that is read now: whatever can be read stays */
    const reel__program *of_run; /* what this program has computed stays to be read; or NULL */
} reel__wanted;

/* Finds the program for these outputs, in *found. If that is NULL there is none, and reel__program_make() makes it of the
 * last walk and of programs->structure, which this has left. False: out of memory. */
bool reel__program_find(reel__programs *programs, const reel__wanted *wanted, reel__program **found);

/* Makes the program that reel__program_find() has not found, for up to so many threads; it is the first of the list. NULL:
 * out of memory. */
reel__program *reel__program_make(reel__programs *programs, const reel__wanted *wanted, int threads);

/* Frees programs but for the `most` that were used last, or fewer if they are large; and but for wanted->of_run. */
void reel__programs_trim(reel__programs *programs, const reel__wanted *wanted, int64_t most);
void reel__programs_free(reel__programs *programs);

static inline reel__program *reel__program_at(const reel__programs *programs, int64_t i)
{
    return REEL__AT(programs->list, reel__program *, i);
}

/* The one that was used last, or NULL. */
static inline reel__program *reel__last_program(const reel__programs *programs)
{
    return programs->list.count ? reel__program_at(programs, 0) : NULL;
}

/* structure.c: the structure of the last walk, to programs->structure; empty if that is very large. False: out of
 * memory. */
bool reel__structure(reel__programs *programs, const reel__wanted *wanted, bool plain);

/* draws.c: numbers the draws of one name, of the whole recording and of the outputs asked for. False: out of memory. */
bool reel__number_draws(reel_tape *tape, reel_tensor *const *outputs, int64_t count);

/* program.c: makes the program of the last walk, whose order and the structure it takes. NULL: out of memory. */
reel__program *reel__program_new(reel__programs *programs, const reel__wanted *wanted, int threads);
void reel__program_free(reel_tape *tape, reel__program *program);
void reel__steps_release(const reel_allocator *allocator, reel__program *program);

/* Replaces the nodes of a program by those of the last walk, which has the same structure. */
void reel__program_rebind(reel_tape *tape, reel__program *program, const reel__wanted *wanted);

/* Whether the tape's programs are executed one op at a time. */
static inline bool reel__runs_plain(const reel_tape *tape)
{
    return tape->options.keep_everything || tape->options.checked || tape->plain;
}

/* The index of a node whose value can be read after the program was executed: an output, or any node of a tape that keeps
 * everything. REEL__NONE: it is not one of them. */
int32_t reel__program_index(const reel_tape *tape, reel__program *program, const reel_tensor *x);
void reel__program_read(const reel__program *program, int32_t index, void *data);

#endif
