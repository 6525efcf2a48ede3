/* The planned executor: makes a plan of a program, lowers it, and runs the steps. */
#include "core/base/control.h"
#include "core/base/cpu.h"
#include "core/lower/step.h"
#include "core/run/program.h"
#include "core/run/threads.h"

#include <math.h>
#include <sched.h>
#include <string.h>

bool reel__steps_prepare(reel_tape *tape, reel__program *program)
{
    reel__steps *steps = reel__allocate(&tape->allocator, sizeof *steps);
    if (!steps) return false;
    program->steps = steps;
    steps->plan.allocator = tape->allocator;
    steps->threads = reel__threads_for(tape->options.threads);
    program->numbers = tape->numbers - 1;
    const int64_t assigned = program->assigns ? tape->assigns.count : 0; /* they are the first */
    return reel__plan_make(&steps->plan, tape, &program->nodes, &program->outputs, assigned) && reel__lower(steps);
}

static void rebind_all(const reel__plan *plan, reel__array *steps)
{
    for (int64_t i = 0; i < steps->count; i++) {
        reel__step *step = &REEL__AT(*steps, reel__step, i);
        if (step->kind == REEL__STEP_CALL) step->call.node = plan->node[step->node].x;
    }
}

void reel__steps_rebind(reel__program *program)
{
    reel__steps *steps = program->steps;
    for (int64_t i = 0; i < steps->plan.count; i++) steps->plan.node[i].x = REEL__AT(program->nodes, reel_tensor *, i);
    rebind_all(&steps->plan, &steps->list);
    rebind_all(&steps->plan, &steps->constants);
}

void reel__steps_release(reel_tape *tape, reel__program *program)
{
    if (!program->steps) return;
    reel__steps_free(program->steps);
    reel__release(&tape->allocator, program->steps, sizeof *program->steps);
    program->steps = NULL;
}

bool reel__assigned_in_place(const reel__program *program, const reel_tensor *assign)
{
    if (!program->steps) return false;
    const reel__plan *plan = &program->steps->plan;
    const reel__planned *source = &plan->node[plan->access[assign->place].source];
    return source->in_place && source->data == assign->inputs[0]->value->data;
}

/* The call of a step in this run: what it draws from differs from run to run. */
static reel_call call_of(const reel_tape *tape, const reel__step *step)
{
    reel_call call = step->call;
    if (call.node->op->draws) reel__set_stream(tape, call.node, &call);
    return call;
}

static reel_status early_checks(reel_tape *tape, const reel__steps *steps)
{
    for (int64_t i = 0; i < steps->list.count; i++) {
        const reel__step *step = &REEL__AT(steps->list, reel__step, i);
        if (step->kind != REEL__STEP_CALL || !reel__checked_early(step->call.node)) continue;
        const reel_call call = call_of(tape, step);
        reel_status status = reel__check_node(tape, call.node, &call);
        if (status != REEL_OK) return status;
    }
    return REEL_OK;
}

/* One run, seen by its team. Thread 0 does what is not shared; all meet before and after what is. */
typedef struct running {
    reel_tape *tape;
    reel__steps *steps;
    reel__meeting meeting;
    reel_status status; /* atomic: set by thread 0, seen by the others at the next meeting */
} running;

static void note_time(const reel__steps *steps, int64_t i, double start)
{
    if (steps->times) steps->times[i].seconds += reel__now() - start, steps->times[i].runs++;
}

static reel_status run_call(reel_tape *tape, const reel__step *step)
{
    const reel_call call = call_of(tape, step);
    const reel_op *op = call.node->op;
    if (op->check && !reel__checked_early(call.node)) {
        reel_status status = reel__check_node(tape, call.node, &call);
        if (status != REEL_OK) return status;
    }
    if (op->run) op->run(&call);
    return REEL_OK;
}

static reel_status run_alone(reel_tape *tape, const reel__steps *steps, int64_t i)
{
    const reel__step *step = &REEL__AT(steps->list, reel__step, i);
    reel_status status = REEL_OK;
    double start = steps->times ? reel__now() : 0;
    if (step->kind == REEL__STEP_CALL) status = run_call(tape, step);
    else
        for (int64_t share = 0; share < step->shares; share++) reel__step_run(step, steps->scratch_memory, share);
    note_time(steps, i, start);
    return status;
}

static int64_t first_share(const reel__step *step, int thread, int threads) { return step->shares * thread / threads; }

/* Every thread has a range of the shares, the same ones in every run so that it finds what it left in its cache; who is
 * done helps the others. */
static int64_t run_shared(const reel__step *step, reel__next_share *next, char *scratch, int thread, int threads)
{
    int64_t done = 0;
    for (int i = 0; i < threads; i++) {
        int from = (thread + i) % threads;
        int64_t end = first_share(step, from + 1, threads);
        for (;;) {
            int64_t share = __atomic_fetch_add(&next[from].share, 1, __ATOMIC_RELAXED);
            if (share >= end) break;
            reel__step_run(step, scratch, share);
            done++;
        }
    }
    return done;
}

/* A thread that makes others wait for longer than this, in seconds, beyond two shares of the work, has lost its core. */
#define PATIENCE 3e-4

static void team_member(void *context, int thread, int threads)
{
    running *r = context;
    reel__steps *steps = r->steps;
    char *scratch = steps->scratch_memory + steps->scratch * (size_t)thread;
    reel__control_word saved = reel__set_control_word();
    if (thread == 0) __atomic_store_n(&r->meeting.size, threads, __ATOMIC_RELEASE);
    else
        while (!__atomic_load_n(&r->meeting.size, __ATOMIC_ACQUIRE)) sched_yield();
    reel__next_share *const next = steps->next;
    for (int64_t i = 0; i < steps->list.count; i++) {
        const reel__step *step = &REEL__AT(steps->list, reel__step, i);
        if (!step->shared) {
            if (thread == 0 && r->status == REEL_OK)
                __atomic_store_n(&r->status, run_alone(r->tape, steps, i), __ATOMIC_RELEASE);
            continue;
        }
        next[thread].share = first_share(step, thread, threads);
        reel__meet(&r->meeting, thread == 0 ? PATIENCE : HUGE_VAL); /* the others wait for what thread 0 does alone */
        if (__atomic_load_n(&r->status, __ATOMIC_ACQUIRE) != REEL_OK) break;
        double start = reel__now();
        int64_t shares = run_shared(step, next, scratch, thread, threads);
        double share = shares > 0 ? (reel__now() - start) / (double)shares : HUGE_VAL;
        reel__meet(&r->meeting, PATIENCE + 2 * share);
        if (thread == 0) note_time(steps, i, start);
    }
    reel__restore_control_word(&saved);
}

/* How long runs stay on one thread after another process took so much of a core that one thread would have been as fast:
 * 200 ms, and twice as long each time that a team is disturbed again before it has run well for as long as that. */
#define ALONE_SECONDS 0.2
#define ALONE_MOST 3.2
#define LOST_MOST 0.4 /* of a run's time, by each that waited; on two cores half of it is break-even */

static void note_team(reel_tape *tape, const reel__steps *steps, double seconds, const reel__meeting *meeting)
{
    double lost = (double)meeting->lost * 1e-9 / (meeting->size > 1 ? meeting->size - 1 : 1);
    bool slow = steps->alone_seconds > 0 && seconds > steps->alone_seconds + PATIENCE;
    if (lost < LOST_MOST * seconds && !slow) {
        tape->together += seconds;
        if (tape->together >= tape->alone) tape->alone = tape->alone_until = 0;
        return;
    }
    tape->together = 0;
    tape->alone = tape->alone > 0 ? tape->alone * 2 : ALONE_SECONDS;
    if (tape->alone > ALONE_MOST) tape->alone = ALONE_MOST;
    tape->alone_until = reel__now() + tape->alone;
}

static reel_status run_steps(reel_tape *tape, reel__steps *steps)
{
    running r = { .tape = tape, .steps = steps };
    double start = steps->threads > 1 ? reel__now() : 0;
    bool team = steps->threads > 1 && reel__may_team() && (tape->alone_until <= 0 || start >= tape->alone_until);
    if (team) {
        reel__run_team(steps->threads, team_member, &r);
        note_team(tape, steps, reel__now() - start, &r.meeting);
        return r.status;
    }
    for (int64_t i = 0; r.status == REEL_OK && i < steps->list.count; i++) r.status = run_alone(tape, steps, i);
    if (steps->threads > 1) {
        double seconds = reel__now() - start;
        if (steps->alone_seconds <= 0 || seconds < steps->alone_seconds) steps->alone_seconds = seconds;
    }
    return r.status;
}

reel_status reel__execute_planned(reel_tape *tape)
{
    reel__program *program = tape->program;
    reel__steps *steps = program->steps;
    program->computed = false;
    if (program->numbers != tape->numbers) {
        for (int64_t i = 0; i < steps->constants.count; i++)
            reel__step_run(&REEL__AT(steps->constants, reel__step, i), steps->scratch_memory, 0);
        program->numbers = tape->numbers;
    }
    reel_status status = reel__check_written(tape);
    if (status == REEL_OK) status = early_checks(tape, steps);
    if (status == REEL_OK) status = run_steps(tape, steps);
    program->computed = status == REEL_OK;
    return status;
}
