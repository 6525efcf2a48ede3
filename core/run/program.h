/* A prepared program: what a run computes, ready to be executed. The plain executor runs it one op at a time and keeps
 * every value: it is the definition of what a run computes. The planned one runs the steps of a plan to the same bits. */
#ifndef REEL_CORE_RUN_PROGRAM_H
#define REEL_CORE_RUN_PROGRAM_H

#include "core/record/tape.h"

typedef struct reel__placed {
    const reel_tensor *x;
    int32_t place;
} reel__placed;

typedef struct reel__program {
    reel__array structure; /* bytes: what it is, apart from which nodes it has */
    reel__array nodes;     /* reel_tensor *: all that the outputs need, inputs first */
    reel__array outputs;   /* reel_tensor *: what it was prepared for */
    reel__array placed;    /* reel__placed: the same by address; empty until one is looked for */
    reel__array inputs;    /* reel__value *: those that it reads */
    /* plain */
    reel__array values;  /* void *: where each node's value is */
    reel__array scratch; /* const void *: operands of one call */
    void *arena;
    size_t arena_size;
    /* planned */
    struct reel__steps *steps;

    bool assigns;       /* for a run, not an evaluation */
    bool computed;      /* its values are those of a finished run or evaluation */
    uint32_t recording; /* the tape's generation at that time, */
    uint64_t execution; /* and which of its runs and evaluations it was */
    int64_t retired;    /* see tape->retired: nodes of the program may be gone when it has changed */
    uint64_t rebound;   /* see tape->rebound: its leaves may have other values when it has changed */
    uint64_t numbers;   /* see tape->numbers: constants are computed anew when it has changed */
} reel__program;

/* Makes tape->program one for these outputs, if it is not already: one of those that the tape has, if its structure is the
 * same, or a new one. False: out of memory, and there is no program. */
bool reel__program_prepare(reel_tape *tape, bool assigns, int64_t count, reel_tensor *const *outputs);

/* The structure of the last walk, to tape->structure; empty if that is very large. False: out of memory. */
bool reel__structure(reel_tape *tape, bool assigns, bool plain, int64_t count, reel_tensor *const *outputs);

/* Executes without assigning, but for what a plan assigns in place; the status is that of the run. */
reel_status reel__execute_plain(reel_tape *tape);
reel_status reel__execute_planned(reel_tape *tape);
reel_status reel__check_written(reel_tape *tape);
bool reel__checked_early(
    const reel_tensor *x); /* its check needs nothing computed, so it comes before everything else */
reel_status reel__check_node(reel_tape *tape, const reel_tensor *x, const reel_call *call);
void reel__set_stream(const reel_tape *tape, const reel_tensor *x, reel_call *call);

/* step.c: executes one share of a step on one thread. */
struct reel__step;
void reel__step_run(const struct reel__step *step, char *scratch, int64_t share);

/* Makes and frees the planned side of a program. */
bool reel__steps_prepare(reel_tape *tape, reel__program *program);
void reel__steps_rebind(reel__program *program); /* to other nodes of the same structure */
void reel__steps_release(reel_tape *tape, reel__program *program);

/* Copies the value of a node of the program after a run; false: it is not in it. */
bool reel__program_read(const reel__program *program, const reel_tensor *x, void *data);

/* The same of one of its outputs, of any program that the tape has. */
bool reel__has_output(const reel_tape *tape, reel__program *program, const reel_tensor *x);
bool reel__read_output(const reel_tape *tape, reel__program *program, const reel_tensor *x, void *data);

/* result.c: copies a value that was computed for the user by the last run or an evaluation after it; false: none has. */
bool reel__read_computed(reel_tape *tape, const reel_tensor *x, void *data);

/* Computes a result that the last run left out, as that run would have computed it. */
reel_status reel__compute_result(reel_tape *tape, const char *what, reel_tensor *x);

/* Executes tape->program for a call of this name; draws are those of run number `draw`. */
reel_status reel__execute(reel_tape *tape, const char *call, uint64_t draw);

/* After a run: whether something was written that it has read. */
bool reel__written_since_run(const reel_tape *tape);

/* Whether the run has already written an assignment's value into its target. */
bool reel__assigned_in_place(const reel__program *program, const reel_tensor *assign);

#endif
