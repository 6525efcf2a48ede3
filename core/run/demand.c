/* What a value is read from: the program that has computed it last, or one for a result that the last run left out. */
#include "core/run/executor.h"

const reel__program *reel__program_of_run(const reel_tape *tape)
{
    const reel__executor *executor = tape->executor;
    for (int64_t i = 0; i < executor->programs.list.count; i++) {
        const reel__program *p = reel__program_at(&executor->programs, i);
        if (p->assigns && p->execution == executor->last_run.number && p->recording == tape->generation) return p;
    }
    return NULL;
}

/* A program's values are those of the last run or of an evaluation after it, of this recording, whose nodes do not go. */
static bool holds_values(const reel_tape *tape, const reel__program *program)
{
    return program->computed && program->recording == tape->generation &&
           program->execution >= tape->executor->last_run.number;
}

bool reel__read_computed(const reel_tape *tape, const reel_tensor *x, void *data)
{
    const reel__program *latest = NULL;
    int32_t index = REEL__NONE;
    for (int64_t i = 0; tape->executor && i < tape->executor->programs.list.count; i++) {
        reel__program *p = reel__program_at(&tape->executor->programs, i);
        if (!holds_values(tape, p) || (latest && p->execution <= latest->execution)) continue;
        const int32_t found = reel__program_index(tape, p, x);
        if (found != REEL__NONE) latest = p, index = found;
    }
    if (latest) reel__program_read(latest, index, data);
    return latest != NULL;
}

bool reel__written_since_run(const reel_tape *tape)
{
    const reel__executor *executor = tape->executor;
    return executor->last_run.writes != executor->writes || executor->last_run.changes != tape->model->changes;
}

/* What is computed to read a result that the last run left out: that result alone; if it is the second one that is read
 * since that run, all that the run left out, so that reading many takes two evaluations. */
static bool collect(reel_tape *tape, reel_tensor *x, reel__array *outputs)
{
    bool all = tape->executor->demanded == tape->executor->last_run.number;
    outputs->count = 0;
    for (int64_t i = 0; i < (all ? tape->results.count : 1); i++) {
        const reel__result *r = all ? &REEL__AT(tape->results, reel__result, i) : reel__result_of(tape, x);
        if (r->in_run || r->x->readable) continue;
        if (!reel__reserve(&tape->allocator, outputs, outputs->count, sizeof(reel_tensor *))) return false;
        REEL__AT(*outputs, reel_tensor *, outputs->count++) = r->x;
    }
    return true;
}

/* Evaluates with the draws of the last run and under its number, so that the values count as that run's. */
reel_status reel__compute_result(reel_tape *tape, const char *what, reel_tensor *x)
{
    reel__executor *executor = tape->executor;
    if (reel__written_since_run(tape))
        return reel__run_fail(tape, REEL_BAD_STATE,
                              "%s: %s was left out by the last run, and values that it depends on have changed since "
                              "(mark it with reel_keep() before the run, or read it before the next write)",
                              what, reel__node_text(x));
    if (reel__result_of(tape, x)->in_run)
        return reel__run_fail(tape, REEL_BAD_STATE,
                              "%s: %s depends on what the program assigns and was not there at the last run: it is "
                              "computed by the next one",
                              what, reel__node_text(x));
    reel__array *outputs = &executor->outputs;
    reel__program *program = NULL;
    if (collect(tape, x, outputs)) {
        const reel__wanted wanted = {
            .outputs = outputs->items, .count = outputs->count, .on_demand = true, .of_run = reel__program_of_run(tape)
        };
        program = reel__prepare(tape, &wanted);
    }
    if (!program)
        return reel__run_fail(tape, REEL_OUT_OF_MEMORY, "%s: out of memory for the values of %s", what,
                              reel__node_text(x));
    executor->demanded = executor->last_run.number;
    for (int64_t i = 0; i < outputs->count; i++) REEL__AT(*outputs, reel_tensor *, i)->output = true;
    return reel__execute(tape, program, (reel__execution){ what, executor->last_run.draw, executor->last_run.number });
}
