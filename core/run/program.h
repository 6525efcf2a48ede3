/* A prepared program: the nodes in order, with a place for each value. The plain executor runs it one op at a time and
 * keeps every value: it is the definition of what a run computes. */
#ifndef REEL_CORE_RUN_PROGRAM_H
#define REEL_CORE_RUN_PROGRAM_H

#include "core/record/tape.h"

typedef struct reel__program {
    reel__array nodes;  /* reel_tensor *: all that the outputs need, inputs first */
    reel__array values; /* void *: where each node's value is */
    reel__array scratch; /* const void *: operands of one call */
    void *arena;
    size_t arena_size;
    uint32_t generation; /* of the recording that it was prepared for */
    bool computed;       /* its values are those of a finished run or evaluation */
    bool for_run;        /* prepared for reel_run(), with the assignments */
    uint64_t serial;     /* of the last run, see readable values */
    reel_tensor **asked; /* by reel_eval() */
    int asked_count;
} reel__program;

/* Prepares for the given outputs. False: out of memory, and there is no program. */
bool reel__program_prepare(reel_tape *tape, int64_t count, reel_tensor *const *outputs);
void reel__program_free(reel_tape *tape);

/* Executes without assigning; the status is that of the run. */
reel_status reel__execute_plain(reel_tape *tape);

/* Where the value of a node of the program is after a run; NULL: it is not in it. */
void *reel__program_value(const reel__program *program, const reel_tensor *x);

#endif
