/* The planned executor: the steps of a program one after the other, on one thread or, where there is enough work, by a
 * team. Steps are only read; what threads write in addition to values and to their own scratch memory stands in the team
 * and in steps->next. */
#include "core/base/control.h"
#include "core/run/executor.h"
#include "core/run/threads.h"

#include <math.h>
#include <sched.h>

static const reel__step *step_at(const reel__steps *steps, int64_t i) { return &REEL__AT(steps->list, reel__step, i); }

/* The call of a step in this run: what it draws from differs from run to run. */
static reel_call call_of(const reel_tape *tape, const reel__step *step)
{
    reel_call call = step->call;
    reel__set_stream(tape, &call);
    return call;
}

static reel_status early_checks(reel_tape *tape, const reel__steps *steps)
{
    reel_status status = REEL_OK;
    for (int64_t i = 0; status == REEL_OK && i < steps->list.count; i++) {
        const reel__step *step = step_at(steps, i);
        if (step->kind != REEL__STEP_CALL || !reel__checked_early(step->call.node)) continue;
        const reel_call call = call_of(tape, step);
        status = reel__check_call(tape, &call);
    }
    return status;
}

static void note_time(const reel__steps *steps, int64_t i, double start)
{
    if (steps->times) steps->times[i].seconds += reel__now() - start, steps->times[i].runs++;
}

static reel_status run_call(reel_tape *tape, const reel__step *step)
{
    const reel_call call = call_of(tape, step);
    const reel_op *op = call.node->op;
    const bool checked = !op->check || reel__checked_early(call.node);
    const reel_status status = checked ? REEL_OK : reel__check_call(tape, &call);
    if (status == REEL_OK && op->run) op->run(&call);
    return status;
}

static reel_status run_alone(reel_tape *tape, const reel__steps *steps, int64_t i)
{
    const reel__step *step = step_at(steps, i);
    const double start = steps->times ? reel__now() : 0;
    reel_status status = REEL_OK;
    if (step->kind == REEL__STEP_CALL) status = run_call(tape, step);
    else
        for (int64_t share = 0; share < step->shares; share++) reel__step_run(step, steps->scratch_memory, share);
    note_time(steps, i, start);
    return status;
}

/* ---- A team ------------------------------------------------------------------------------------------------------ */

/* What the threads of a team tell each other is atomic, but for a thread's first share, which is set before a meeting. */
typedef struct team {
    reel_tape *tape; /* for thread 0, which does what is not shared */
    const reel__steps *steps;
    reel__meeting meeting;
    reel_status status;
} team;

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
    team *t = context;
    const reel__steps *steps = t->steps;
    char *scratch = steps->scratch_memory + steps->scratch * (size_t)thread;
    reel__control_word saved = reel__set_control_word();
    if (thread == 0) __atomic_store_n(&t->meeting.size, threads, __ATOMIC_RELEASE);
    else
        while (!__atomic_load_n(&t->meeting.size, __ATOMIC_ACQUIRE)) sched_yield();
    for (int64_t i = 0; i < steps->list.count; i++) {
        const reel__step *step = step_at(steps, i);
        if (!step->shared) {
            if (thread == 0 && t->status == REEL_OK)
                __atomic_store_n(&t->status, run_alone(t->tape, steps, i), __ATOMIC_RELEASE);
            continue;
        }
        steps->next[thread].share = first_share(step, thread, threads);
        reel__meet(&t->meeting, thread == 0 ? PATIENCE : HUGE_VAL); /* the others wait for what thread 0 does alone */
        if (__atomic_load_n(&t->status, __ATOMIC_ACQUIRE) != REEL_OK) break;
        double start = reel__now();
        int64_t shares = run_shared(step, steps->next, scratch, thread, threads);
        double share = shares > 0 ? (reel__now() - start) / (double)shares : HUGE_VAL;
        reel__meet(&t->meeting, PATIENCE + 2 * share);
        if (thread == 0) note_time(steps, i, start);
    }
    reel__restore_control_word(&saved);
}

/* How long runs stay on one thread after another process took so much of a core that one thread would have been as fast:
 * 200 ms, and twice as long each time that a team is disturbed again before it has run well for as long as that. */
#define ALONE_SECONDS 0.2
#define ALONE_MOST 3.2
#define LOST_MOST 0.4 /* of a run's time, by each that waited; on two cores half of it is break-even */

static void note_team(reel__disturbance *d, const reel__program *program, double seconds, const reel__meeting *meeting)
{
    double lost = (double)meeting->lost * 1e-9 / (meeting->size > 1 ? meeting->size - 1 : 1);
    bool slow = program->alone_seconds > 0 && seconds > program->alone_seconds + PATIENCE;
    if (lost < LOST_MOST * seconds && !slow) {
        d->together += seconds;
        if (d->together >= d->alone) d->alone = d->alone_until = 0;
        return;
    }
    d->together = 0;
    d->alone = d->alone > 0 ? d->alone * 2 : ALONE_SECONDS;
    if (d->alone > ALONE_MOST) d->alone = ALONE_MOST;
    d->alone_until = reel__now() + d->alone;
}

static reel_status run_steps(reel_tape *tape, reel__program *program)
{
    const reel__steps *steps = program->steps;
    reel__disturbance *d = &tape->executor->disturbance;
    const double start = steps->threads > 1 ? reel__now() : 0;
    if (steps->threads > 1 && reel__may_team() && (d->alone_until <= 0 || start >= d->alone_until)) {
        team t = { .tape = tape, .steps = steps };
        reel__run_team(steps->threads, team_member, &t);
        note_team(d, program, reel__now() - start, &t.meeting);
        return t.status;
    }
    reel_status status = REEL_OK;
    for (int64_t i = 0; status == REEL_OK && i < steps->list.count; i++) status = run_alone(tape, steps, i);
    if (steps->threads > 1) {
        const double seconds = reel__now() - start;
        if (program->alone_seconds <= 0 || seconds < program->alone_seconds) program->alone_seconds = seconds;
    }
    return status;
}

reel_status reel__execute_planned(reel_tape *tape, reel__program *program)
{
    const reel__steps *steps = program->steps;
    if (program->numbers != tape->numbers) {
        for (int64_t i = 0; i < steps->constants.count; i++)
            reel__step_run(&REEL__AT(steps->constants, reel__step, i), steps->scratch_memory, 0);
        program->numbers = tape->numbers;
    }
    reel_status status = early_checks(tape, steps);
    return status == REEL_OK ? run_steps(tape, program) : status;
}
