/* Results: what a call has returned to the user and nothing else of the program uses. They can be read after a run
 * without being kept. A run computes those that depend on what it assigns, since nobody could afterwards, those that
 * have been read before, and all if there is nothing else to compute; the rest is computed when it is read
 * (core/run/demand.c). They are found once for a recording, and not again for one that was answered from the log and
 * returned the same. */
#include "core/record/tape.h"

static reel__result *result_at(const reel_tape *tape, int64_t i) { return &REEL__AT(tape->results, reel__result, i); }

static bool returned(const reel_tensor *x) { return x->returned && !x->value && x->op != &reel__assign_op; }

/* What gradients use is still a result: a loss is one, whatever its derivative needs. */
static bool find_unused(reel_tape *tape, reel__array *found)
{
    uint32_t used = ++tape->walk;
    for (int64_t i = 0; i < tape->log.count; i++) {
        const reel_tensor *x = REEL__AT(tape->log, reel_tensor *, i);
        for (int j = 0; !x->origin && j < x->input_count; j++) x->inputs[j]->mark = used;
    }
    for (int64_t i = 0; i < tape->log.count; i++) {
        reel_tensor *x = REEL__AT(tape->log, reel_tensor *, i);
        if (x->mark == used || !returned(x)) continue;
        if (!reel__reserve(&tape->allocator, found, found->count, sizeof(reel__result))) return false;
        x->mark = used; /* it may stand in the log again */
        x->result = (int32_t)found->count;
        REEL__AT(*found, reel__result, found->count++) = (reel__result){ .x = x };
    }
    return true;
}

/* In the log inputs stand before their users. */
static void find_assigned(reel_tape *tape, reel__array *found)
{
    uint32_t assigned = ++tape->walk;
    for (int64_t i = 0; i < tape->assigns.count; i++)
        REEL__AT(tape->assigns, reel_tensor *, i)->inputs[0]->mark = assigned;
    for (int64_t i = 0; found->count && tape->assigns.count && i < tape->log.count; i++) {
        reel_tensor *x = REEL__AT(tape->log, reel_tensor *, i);
        if (x->value && reel__is_assigned(tape, x->value)) x->mark = assigned;
        for (int j = 0; j < x->input_count && x->mark != assigned; j++)
            if (x->inputs[j]->mark == assigned) x->mark = assigned;
    }
    for (int64_t i = 0; i < found->count; i++) {
        reel__result *r = &REEL__AT(*found, reel__result, i);
        r->in_run = r->x->mark == assigned;
    }
}

/* Of the same step for a batch of another size, most likely. The node before may have gone, but not its memory. */
static bool is_alike(const reel_tensor *x, const reel_tensor *before)
{
    return x->op == before->op && x->rank == before->rank && x->dtype == before->dtype;
}

bool reel__results(reel_tape *tape)
{
    if (tape->results_log == tape->log.count && tape->results_changes == tape->log_changes &&
        tape->results_returned == tape->returned)
        return true;
    reel__array found = { 0 };
    if (!find_unused(tape, &found)) {
        reel__array_free(&tape->allocator, &found, sizeof(reel__result));
        return false;
    }
    find_assigned(tape, &found);
    for (int64_t i = 0; found.count == tape->results.count && i < found.count; i++) {
        reel__result *r = &REEL__AT(found, reel__result, i);
        r->wanted = result_at(tape, i)->wanted && is_alike(r->x, result_at(tape, i)->x);
    }
    reel__array_free(&tape->allocator, &tape->results, sizeof(reel__result));
    tape->results = found;
    tape->results_log = tape->log.count, tape->results_changes = tape->log_changes;
    tape->results_returned = tape->returned;
    return true;
}

reel__result *reel__result_of(reel_tape *tape, const reel_tensor *x)
{
    if (!reel__results(tape)) return NULL;
    return x->result < tape->results.count && result_at(tape, x->result)->x == x ? result_at(tape, x->result) : NULL;
}

static bool in_run(const reel_tape *tape, const reel__result *r)
{
    bool else_empty = !tape->assigns.count && !tape->losses.count && !tape->keeps.count;
    return !r->x->readable && (r->in_run || r->wanted || else_empty);
}

static void put(reel__array *outputs, reel_tensor *x) { REEL__AT(*outputs, reel_tensor *, outputs->count++) = x; }

bool reel__outputs(reel_tape *tape, bool all_results, reel__array *outputs)
{
    if (!reel__results(tape)) return false;
    const int64_t most = tape->assigns.count + tape->keeps.count + tape->losses.count + tape->results.count;
    if (!reel__reserve(&tape->allocator, outputs, most, sizeof(reel_tensor *))) return false;
    for (int64_t i = 0; i < tape->assigns.count; i++) put(outputs, REEL__AT(tape->assigns, reel_tensor *, i));
    for (int64_t i = 0; i < tape->keeps.count; i++) put(outputs, REEL__AT(tape->keeps, reel__named, i).x);
    for (int64_t i = 0; i < tape->losses.count; i++) put(outputs, REEL__AT(tape->losses, reel_tensor *, i));
    for (int64_t i = 0; i < tape->results.count; i++)
        if (all_results || in_run(tape, result_at(tape, i))) put(outputs, result_at(tape, i)->x);
    return true;
}
