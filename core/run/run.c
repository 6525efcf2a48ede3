/* reel_run and reel_eval: what is to be computed, a program for it, its execution, and after a run the assignments. */
#include "core/base/control.h"
#include "core/run/executor.h"
#include "core/run/threads.h"

#include <string.h>

/* What a run computes; with "keep everything" whatever is recorded. */
static bool collect_outputs(reel_tape *tape, reel__array *outputs)
{
    outputs->count = 0;
    if (!reel__outputs(tape, false, outputs)) return false;
    for (int64_t i = tape->assigns.count + tape->keeps.count + tape->losses.count; i < outputs->count; i++)
        REEL__AT(*outputs, reel_tensor *, i)->output = true;
    if (!tape->options.keep_everything) return true;
    if (!reel__reserve(&tape->allocator, outputs, outputs->count + tape->log.count, sizeof(reel_tensor *)))
        return false;
    for (int64_t i = 0; i < tape->log.count; i++)
        REEL__AT(*outputs, reel_tensor *, outputs->count++) = REEL__AT(tape->log, reel_tensor *, i);
    return true;
}

reel__program *reel__prepare(reel_tape *tape, const reel__wanted *wanted)
{
    reel__programs *programs = &tape->executor->programs;
    reel__program *program = NULL;
    if (reel__program_find(programs, wanted, &program) && !program)
        program = reel__program_make(programs, wanted, reel__threads_for(tape->options.threads));
    if (!program && !wanted->on_demand) reel__programs_trim(programs, wanted, 0); /* others may need the memory */
    return program;
}

reel_status reel__execute(reel_tape *tape, reel__program *program, reel__execution execution)
{
    tape->executor->now = execution;
    reel__control_word saved = reel__set_control_word();
    __atomic_store_n(&tape->busy, true, __ATOMIC_RELAXED);
    program->computed = false;
    reel_status status = reel__check_written(tape, program);
    if (status == REEL_OK)
        status = program->steps ? reel__execute_planned(tape, program) : reel__execute_plain(tape, program);
    program->computed = status == REEL_OK;
    program->recording = tape->generation;
    program->execution = execution.number;
    __atomic_store_n(&tape->busy, false, __ATOMIC_RELAXED);
    reel__restore_control_word(&saved);
    tape->site_file = NULL;
    return status;
}

/* The number of the run that comes next. */
static uint64_t next_draw(const reel_tape *tape)
{
    return (tape->options.evaluate ? tape->executor->runs : tape->model->runs) + 1;
}

static bool assigned_in_place(const reel__program *program, int32_t assign, const reel__value *target)
{
    if (!program->steps) return false;
    const reel__plan *plan = &program->steps->plan;
    const reel__planned *source = &plan->node[plan->access[assign].source];
    return source->in_place && source->data == target->data;
}

/* Makes the assignments, all at once and after everything that can fail, but for those that a plan has made in place; and
 * notes that there was a run. */
static void commit(reel_tape *tape, const reel__program *program)
{
    reel__executor *executor = tape->executor;
    for (int64_t i = 0; i < tape->assigns.count; i++) {
        const reel__value *target = REEL__AT(tape->assigns, reel_tensor *, i)->inputs[0]->value;
        const int32_t assign = REEL__AT(program->outputs, reel__program_node, i).index;
        if (!assigned_in_place(program, assign, target)) reel__program_read(program, assign, target->data);
    }
    if (tape->options.evaluate) executor->runs++;
    else {
        __atomic_store_n(&tape->model->runs, tape->model->runs + 1, __ATOMIC_RELAXED);
        tape->model->changes += tape->assigns.count > 0;
    }
    executor->last_run.generation = tape->generation;
    executor->last_run.draw = executor->now.draw;
    executor->last_run.writes = executor->writes, executor->last_run.changes = tape->model->changes;
}

/* Remembers what a parameter or state is before the run, which may assign to it. */
static bool take_snapshot(reel_tape *tape, reel_tensor *x)
{
    if (!x->value || x->op == &reel__input_op) return true;
    reel__array *snapshots = &tape->executor->snapshots;
    const size_t size = reel__value_bytes(x);
    if (!reel__reserve(&tape->allocator, snapshots, snapshots->count, sizeof(reel__snapshot))) return false;
    reel__snapshot *snapshot = &REEL__AT(*snapshots, reel__snapshot, snapshots->count);
    if (snapshot->size != size || !snapshot->data) {
        reel__release(&tape->allocator, snapshot->data, snapshot->size);
        *snapshot = (reel__snapshot){ .data = reel__allocate(&tape->allocator, size), .size = size };
        if (!snapshot->data) return false;
    }
    if (size) memcpy(snapshot->data, x->value->data, size);
    snapshot->value = x->value;
    x->snapshot = (int32_t)snapshots->count++;
    return true;
}

/* Snapshots of what is kept and of losses, which stand among the outputs after the assignments. */
static bool take_snapshots(reel_tape *tape)
{
    const int64_t first = tape->assigns.count, end = first + tape->keeps.count + tape->losses.count;
    bool good = true;
    tape->executor->snapshots.count = 0;
    for (int64_t i = first; good && i < end; i++)
        good = take_snapshot(tape, REEL__AT(tape->executor->outputs, reel_tensor *, i));
    return good;
}

static reel_status begin(reel_tape *tape, const char *what)
{
    if (__atomic_load_n(&tape->busy, __ATOMIC_RELAXED))
        return reel__run_fail(tape, REEL_BAD_STATE, "%s: the tape is running", what);
    reel__error_begin(&tape->running);
    if (*tape->fault) reel__report_fault(tape);
    if (__atomic_load_n(&reel__untaped, __ATOMIC_RELAXED)) reel__untaped_take(tape, "");
    if (tape->recording.status != REEL_OK) return tape->recording.status;
    if (tape->scope->parent) {
        reel__fail(tape, REEL_BAD_STATE, "%s: the scope \"%s\" is still open (reel_scope_pop is missing)", what,
                   tape->scope->path);
        return tape->recording.status;
    }
    if (tape->replacements.count) {
        reel__fail(tape, REEL_BAD_STATE, "%s: a reel_with_push() is still open (reel_with_pop is missing)", what);
        return tape->recording.status;
    }
    return REEL_OK;
}

/* A setting that the machine cannot serve has left an error of its own. */
static reel_status not_prepared(reel_tape *tape, const char *what)
{
    if (tape->recording.status != REEL_OK) return tape->recording.status;
    return reel__run_fail(tape, REEL_OUT_OF_MEMORY, "%s: out of memory for the values of the program", what);
}

reel_status(reel_run)(reel_tape *tape)
{
    if (!tape || tape->failed) return reel__untaped_site(NULL, 0), reel__status_without(tape);
    reel_status status = begin(tape, "run");
    if (status != REEL_OK) return status;
    reel__executor *executor = reel__executor_of(tape);
    if (!executor) return not_prepared(tape, "run");
    reel__array *outputs = &executor->outputs;
    executor->last_run.generation = 0;
    executor->last_run.number = ++executor->executions;
    if (!collect_outputs(tape, outputs)) return not_prepared(tape, "run");
    if (!outputs->count)
        return reel__run_fail(tape, REEL_BAD_STATE,
                              "run: the tape computes nothing: no result, nothing kept or assigned");
    const reel__wanted wanted = { .outputs = outputs->items, .count = outputs->count, .assigns = true };
    reel__program *program = reel__prepare(tape, &wanted);
    if (!program || !take_snapshots(tape)) return not_prepared(tape, "run");
    status = reel__execute(tape, program, (reel__execution){ "run", next_draw(tape), executor->last_run.number });
    if (status == REEL_OK) commit(tape, program);
    return status;
}

reel_status(reel_eval)(reel_tape *tape, reel_tensor *const *tensors, int count)
{
    if (!tape || tape->failed) return reel__untaped_site(NULL, 0), reel__status_without(tape);
    reel_status status = begin(tape, "eval");
    if (status != REEL_OK) return status;
    if (count < 0) reel__fail(tape, REEL_BAD_ARGUMENT, "eval: the count is %d", count);
    else if (count && !tensors) reel__fail(tape, REEL_BAD_ARGUMENT, "eval: the array of tensors is NULL");
    for (int i = 0; tape->recording.status == REEL_OK && i < count; i++)
        reel__usable(tape, tensors[i], "eval: a tensor");
    if (tape->recording.status != REEL_OK) return tape->recording.status;
    reel__executor *executor = reel__executor_of(tape);
    reel__program *program = NULL;
    if (executor) {
        const reel__wanted wanted = { .outputs = tensors, .count = count, .of_run = reel__program_of_run(tape) };
        program = reel__prepare(tape, &wanted);
    }
    if (!program) return not_prepared(tape, "eval");
    for (int i = 0; i < count; i++) tensors[i]->output = true;
    status = reel__execute(tape, program, (reel__execution){ "eval", next_draw(tape), ++executor->executions });
    for (int i = 0; status == REEL_OK && i < count; i++) { /* a leaf is from now on as the evaluation found it */
        reel__snapshot *snapshot = reel__snapshot_of(executor, tensors[i]);
        if (snapshot) snapshot->value = NULL;
    }
    return status;
}
