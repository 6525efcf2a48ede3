/* Reading what was computed: which of a tape's programs has a value, and results that the last run left out. */
#include "core/run/program.h"

#include <string.h>

/* A program's values are those of the last run or of an evaluation after it. */
static bool holds_values(const reel_tape *tape, const reel__program *program)
{
    return program && program->computed && program->recording == tape->generation &&
           program->retired == tape->retired && program->execution >= tape->last_run;
}

/* From the latest of its programs that was made for it. What else the tape's program happens to know of is read where
 * everything is to be kept, and of a plan, which knows what it may show. */
bool reel__read_computed(reel_tape *tape, const reel_tensor *x, void *data)
{
    reel__program *latest = NULL;
    for (int64_t i = 0; i < tape->programs.count; i++) {
        reel__program *p = REEL__AT(tape->programs, reel__program *, i);
        if (holds_values(tape, p) && (!latest || p->execution > latest->execution) && reel__has_output(tape, p, x))
            latest = p;
    }
    if (latest) return reel__read_output(tape, latest, x, data);
    const reel__program *program = tape->program;
    return holds_values(tape, program) && (program->steps || tape->options.keep_everything) &&
           reel__program_read(program, x, data);
}

bool reel__written_since_run(const reel_tape *tape)
{
    return tape->run_writes != tape->writes || tape->run_changes != tape->model->changes;
}

/* What an evaluation on demand computes: the result itself; from the second one that a run left out on all that it did,
 * so that reading many does not evaluate many times. */
static bool collect(reel_tape *tape, reel_tensor *x)
{
    reel__array *outputs = &tape->outputs;
    bool all = tape->demanded == tape->last_run;
    outputs->count = 0;
    for (int64_t i = 0; i < (all ? tape->results.count : 1); i++) {
        const reel__result *r = all ? &REEL__AT(tape->results, reel__result, i) : reel__result_of(tape, x);
        if (r->in_run || r->x->readable) continue;
        if (!reel__reserve(&tape->allocator, outputs, outputs->count, sizeof(reel_tensor *))) return false;
        REEL__AT(*outputs, reel_tensor *, outputs->count++) = r->x;
    }
    return true;
}

/* The program of the run keeps its values meanwhile, however large it is. */
static bool prepare(reel_tape *tape, reel_tensor *x)
{
    tape->on_demand = true;
    bool good = collect(tape, x) && reel__program_prepare(tape, false, tape->outputs.count, tape->outputs.items);
    tape->on_demand = false;
    return good;
}

/* By an evaluation with the draws of the run, and as of the run: its values are as old as that. */
reel_status reel__compute_result(reel_tape *tape, const char *what, reel_tensor *x)
{
    const reel__result *result = reel__result_of(tape, x);
    if (result->in_run && !reel__written_since_run(tape))
        return reel__run_fail(tape, REEL_BAD_STATE,
                              "%s: %s depends on what the program assigns and was not there at the last run: it is "
                              "computed by the next one",
                              what, reel__node_text(x));
    if (reel__written_since_run(tape))
        return reel__run_fail(tape, REEL_BAD_STATE,
                              "%s: %s was left out by the last run, and values that it depends on have changed since "
                              "(mark it with reel_keep() before the run, or read it before the next write)",
                              what, reel__node_text(x));
    uint64_t executions = tape->executions;
    if (!prepare(tape, x))
        return tape->recording.status != REEL_OK
                   ? tape->recording.status
                   : reel__run_fail(tape, REEL_OUT_OF_MEMORY, "%s: out of memory for the values of %s", what,
                                    reel__node_text(x));
    tape->executions = tape->last_run;
    reel_status status = reel__execute(tape, what, tape->run_draw);
    tape->executions = executions;
    tape->demanded = tape->last_run;
    for (int64_t i = 0; i < tape->program->outputs.count; i++)
        REEL__AT(tape->program->outputs, reel_tensor *, i)->output = true;
    return status;
}
