/* Executing programs, and what a tape knows of its runs.
 *
 *     run.c       reel_run and reel_eval: a program, its execution, assignments
 *     planned.c   the steps of a program, on one thread or by a team      step.c     one step
 *     plain.c     the same one op at a time: what a run is defined by     faults.c   what can fail
 *     values.c    writing and reading values                              demand.c   what the last run left out
 *     executor.c  making and freeing the executor of a tape               report.c   a plan as text
 *     threads.c   teams of threads                                        cores.c    how many a process may have */
#ifndef REEL_CORE_RUN_EXECUTOR_H
#define REEL_CORE_RUN_EXECUTOR_H

#include "core/program/program.h"

/* One run, evaluation, or computation of a result that is read. */
typedef struct reel__execution {
    const char *call; /* for messages */
    uint64_t draw;    /* the number that draws are keyed by */
    uint64_t number;  /* which of the tape's executions its values are of */
} reel__execution;

/* The value that a parameter or state had when the last run began, if reel_keep() was called on it or it is a loss. */
typedef struct reel__snapshot {
    const reel__value *value; /* NULL: evaluated since */
    void *data;
    size_t size;
} reel__snapshot;

/* Whether a team is worth having: another process that takes a core makes it slower than one thread. */
typedef struct reel__disturbance {
    double alone_until; /* one thread until then, */
    double alone;       /* for so long */
    double together;    /* how long a team has run well since */
} reel__disturbance;

typedef struct reel__executor {
    reel__programs programs;
    reel__array outputs;   /* reel_tensor *: scratch */
    reel__array snapshots; /* reel__snapshot: those beyond count have memory */
    reel__disturbance disturbance;
    reel__execution now;
    uint64_t executions; /* numbers given so far */
    uint64_t runs;       /* of an evaluating tape */
    uint64_t writes;     /* to inputs and private states */
    struct {
        uint32_t generation;      /* of the recording; 0: it was not good */
        uint64_t number, draw;    /* as an execution's */
        uint64_t writes, changes; /* the tape's and the model's after it */
    } last_run;
    uint64_t demanded; /* the last run that a result was computed after */
} reel__executor;

/* The executor of a tape, made if there is none. NULL: out of memory, or an error in the environment is recorded. */
reel__executor *reel__executor_of(reel_tape *tape);

/* How a tape's programs are planned: what tests force. NULL as above. */
reel__plan_settings *reel__settings(reel_tape *tape);

/* Whether the recording has been run, and the last run was good. */
static inline bool reel__has_run(const reel_tape *tape)
{
    return tape->executor && tape->executor->last_run.generation == tape->generation;
}

/* run.c: the program for these outputs, found or made. NULL: out of memory. */
reel__program *reel__prepare(reel_tape *tape, const reel__wanted *wanted);

/* Executes a program, without assigning but for what a plan assigns in place. */
reel_status reel__execute(reel_tape *tape, reel__program *program, reel__execution execution);
reel_status reel__execute_plain(reel_tape *tape, reel__program *program);
reel_status reel__execute_planned(reel_tape *tape, reel__program *program);

/* step.c: executes one part of a step on one thread. */
void reel__step_run(const reel__step *step, char *scratch, int64_t share);

/* plain.c: of a call that draws, sets what its numbers are a function of in this execution. */
void reel__set_stream(const reel_tape *tape, reel_call *call);

/* faults.c: each returns an error of the run, if there is one. */
reel_status reel__check_written(reel_tape *tape, const reel__program *program); /* all inputs */
reel_status reel__check_call(reel_tape *tape, const reel_call *call);           /* what the op checks */
reel_status reel__check_finite(reel_tape *tape, const reel_call *call);         /* with .checked: the value */
bool reel__checked_early(const reel_tensor *x); /* its check needs nothing computed and precedes everything else */

/* values.c: what was remembered of a leaf as the last run began, if that is still what is read of it; or NULL. */
reel__snapshot *reel__snapshot_of(const reel__executor *executor, const reel_tensor *x);

/* demand.c: the program of the last run, whatever was computed since; NULL: there is none for the recording. */
const reel__program *reel__program_of_run(const reel_tape *tape);

/* Copies a value that the last run or an evaluation after it has computed for the user; false: none has. */
bool reel__read_computed(const reel_tape *tape, const reel_tensor *x, void *data);

/* After a run: whether something was written that it has read. */
bool reel__written_since_run(const reel_tape *tape);

/* Computes a result that the last run left out, as that run would have computed it. */
reel_status reel__compute_result(reel_tape *tape, const char *what, reel_tensor *x);

#endif
