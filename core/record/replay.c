/* Recording again. A program records itself for every step, most often the same calls in the same order. So each call is
 * first compared with the one that was made at its place in the recording before, and answered from there if they are the
 * same: no shape rule, no hash, no derivation.
 *
 *     nodes        of reel_record() and of leaves. Their place is an index into the log, which holds them in order.
 *     other calls  of many nodes, or that return a list: products, gradients, parameters. Each is a reel__recorded_call. Its
 *                  place is how long the log was when it began; answering it moves on to how long it was at the end.
 *     names        Their place is how many names were used before: names stay the same where nodes do not, as for a batch
 *                  of another size.
 *
 * The first node that differs ends this: what is left of the old log and of its calls is given up. Why it is done so:
 * docs/decisions/recording-again.md. */
#include "core/record/tape.h"

#include <string.h>

static void drop_calls(reel_tape *tape)
{
    for (int64_t i = 0; i < tape->earlier_calls.count; i++) {
        reel_list *list = REEL__AT(tape->earlier_calls, reel__recorded_call, i).list;
        if (list) reel__list_retire(tape, list);
    }
    tape->earlier_calls.count = tape->next_call = 0;
}

void reel__replay_end(reel_tape *tape)
{
    drop_calls(tape);
    for (int64_t i = tape->log.count; i < tape->log_end; i++) reel__node_retire(REEL__AT(tape->log, reel_tensor *, i));
    tape->log_end = 0;
}

void reel__replay_begin(reel_tape *tape)
{
    reel__replay_end(tape);
    const reel__array calls = tape->calls;
    tape->calls = tape->earlier_calls, tape->earlier_calls = calls;
    tape->log_end = tape->log.count;
    tape->log.count = tape->unstamped = tape->uses.count = tape->unstamped_uses = 0;
}

void reel__replay_free(reel_tape *tape)
{
    reel__replay_begin(tape);
    reel__replay_end(tape);
    reel__array_free(&tape->allocator, &tape->calls, sizeof(reel__recorded_call));
    reel__array_free(&tape->allocator, &tape->earlier_calls, sizeof(reel__recorded_call));
    reel__array_free(&tape->allocator, &tape->log, sizeof(reel_tensor *));
    reel__array_free(&tape->allocator, &tape->uses, sizeof(reel__name *));
}

/* ---- Nodes and names --------------------------------------------------------------------------------------------- */

/* As memcmp() == 0, for a few words. */
static bool same_bytes(const void *a, const void *b, size_t size)
{
    const char *p = a, *q = b;
    for (; size >= 8; p += 8, q += 8, size -= 8) {
        uint64_t x, y;
        memcpy(&x, p, 8), memcpy(&y, q, 8);
        if (x != y) return false;
    }
    return size == 0 || memcmp(p, q, size) == 0;
}

static inline __attribute__((always_inline)) bool node_is(const reel_tensor *x, const reel_op *op,
                                                          reel_tensor *const *inputs, int count, const void *attr,
                                                          size_t attr_size)
{
    if (x->op != op || x->input_count != count || (size_t)x->attr_size != attr_size) return false;
    for (int i = 0; i < count; i++)
        if (x->inputs[i] != inputs[i]) return false;
    return op->attr_is_data || same_bytes(x->attr, attr, attr_size);
}

/* The same for node.c: above it is the first question of every call. */
bool reel__node_is(const reel_tensor *x, const reel_op *op, reel_tensor *const *inputs, int count, const void *attr,
                   size_t attr_size)
{
    return node_is(x, op, inputs, count, attr, attr_size);
}

/* Makes a node of the log one of this recording. */
static void renew(reel_tape *tape, reel_tensor *x, const reel_tensor *origin)
{
    if (x->generation == tape->generation) return;
    x->generation = tape->generation;
    x->origin = origin;
    x->scope = origin ? origin->scope : tape->scope;
    x->file = origin ? origin->file : NULL;
    x->line = origin ? origin->line : 0;
    x->readable = x->returned = x->output = false;
    tape->draws += x->op->draws;
    tape->node_count++;
}

reel_tensor *reel__replay_node(reel_tape *tape, const reel_op *op, reel_tensor *const *inputs, int count,
                               const void *attr, size_t attr_size)
{
    if (tape->log.count >= tape->log_end) return NULL;
    reel_tensor *x = REEL__AT(tape->log, reel_tensor *, tape->log.count);
    const bool taken = op->unique && x->generation == tape->generation;
    if (taken || !node_is(x, op, inputs, count, attr, attr_size)) {
        reel__replay_end(tape);
        return NULL;
    }
    if (op->attr_is_data && memcmp(x->attr, attr, attr_size) != 0) {
        memcpy((void *)(uintptr_t)x->attr, attr, attr_size);
        tape->numbers++;
    }
    renew(tape, x, tape->origin);
    tape->log.count++;
    return x;
}

const reel_tensor *reel__replay_leaf(const reel_tape *tape, const reel_op *op, const char *full_name)
{
    if (tape->log.count >= tape->log_end) return NULL;
    const reel_tensor *x = REEL__AT(tape->log, reel_tensor *, tape->log.count);
    return x->op == op && x->name == full_name ? x : NULL;
}

reel__name *reel__replay_name(const reel_tape *tape, const char *name)
{
    if (!name || tape->uses.count >= tape->uses_end) return NULL;
    reel__name *before = REEL__AT(tape->uses, reel__name *, tape->uses.count);
    return before->scope == tape->scope && strcmp(before->own, name) == 0 ? before : NULL;
}

/* ---- Other calls ------------------------------------------------------------------------------------------------- */

static bool same_list(const reel_list *answer, const reel_list *of)
{
    const int64_t count = of ? of->items.count : 0;
    if (answer->of.count != count) return false;
    for (int64_t i = 0; i < count; i++) {
        const reel__named *item = &REEL__AT(of->items, reel__named, i);
        if (REEL__AT(answer->of, reel_tensor *, i) != item->x) return false;
        if (REEL__AT(answer->items, reel__named, i).name != item->name) return false;
    }
    return true;
}

static bool same_call(const reel__recorded_call *c, const reel__call_key *key)
{
    if (c->call != key->call || c->a != key->a || c->b != key->b || !c->pattern != !key->pattern) return false;
    if (key->pattern && strcmp(c->pattern, key->pattern) != 0) return false;
    return !c->list || same_list(c->list, key->list);
}

/* The call comes again: it is one of this recording, with what it recorded. */
static void *answer(reel_tape *tape, reel__recorded_call *c)
{
    if (!reel__reserve(&tape->allocator, &tape->calls, tape->calls.count, sizeof *c)) {
        reel__out_of_memory(tape, "recording");
        return NULL;
    }
    REEL__AT(tape->calls, reel__recorded_call, tape->calls.count++) = *c;
    for (int64_t i = c->from; i < c->to; i++) {
        reel_tensor *x = REEL__AT(tape->log, reel_tensor *, i);
        renew(tape, x, x->origin);
    }
    tape->log.count = c->to;
    if (!c->list) return c->answer;
    reel_list *list = c->list;
    c->list = NULL;
    list->generation = tape->generation;
    reel__list_cut(list, list->returned); /* without what was appended to it */
    return list;
}

void *reel__replay_call(reel_tape *tape, const reel__call_key *key)
{
    reel__recorded_call *c = tape->earlier_calls.items;
    const int64_t count = tape->earlier_calls.count, here = tape->log.count;
    int64_t i = tape->next_call;
    while (i < count && c[i].from < here) i++;
    tape->next_call = i;
    if (i == count || c[i].from > here || tape->origin || tape->recording.status != REEL_OK) return NULL;
    for (; i < count && c[i].from == here; i++)
        if (same_call(&c[i], key)) {
            tape->next_call = i + 1;
            return answer(tape, &c[i]);
        }
    return NULL;
}

reel__point reel__point_of(const reel_tape *tape) { return (reel__point){ tape->log.count, tape->effects }; }

static bool remember(reel_tape *tape, const reel__call_key *key, reel__point begin, void *answer, reel_list *list)
{
    if (tape->origin || begin.effects != tape->effects) return true;
    if (!reel__reserve(&tape->allocator, &tape->calls, tape->calls.count, sizeof(reel__recorded_call))) return false;
    REEL__AT(tape->calls, reel__recorded_call, tape->calls.count++) =
        (reel__recorded_call){ key->call, key->a, key->b, key->pattern, begin.log, tape->log.count, answer, list };
    return true;
}

reel_tensor *reel__remember_tensor(const reel__call_key *key, reel__point begin, reel_tensor *y)
{
    reel_tape *tape = y->tape;
    if (y->is_bad || remember(tape, key, begin, y, NULL)) return y;
    return reel__out_of_memory(tape, "recording");
}

reel_list *reel__remember_list(const reel__call_key *key, reel__point begin, reel_list *list)
{
    reel_tape *tape = list->tape;
    if (list->is_bad || tape->origin || begin.effects != tape->effects || tape->lists != list) return list;
    reel__call_key own = *key;
    if (key->pattern && !(own.pattern = reel__intern(tape, key->pattern))) return &tape->bad_list;
    const int64_t count = key->list ? key->list->items.count : 0;
    if (count && !reel__reserve(&tape->allocator, &list->of, count - 1, sizeof(reel_tensor *)))
        return reel__list_fail(tape);
    for (; list->of.count < count; list->of.count++)
        REEL__AT(list->of, reel_tensor *, list->of.count) = REEL__AT(key->list->items, reel__named, list->of.count).x;
    list->returned = list->items.count;
    if (!remember(tape, &own, begin, NULL, list)) return reel__list_fail(tape);
    tape->lists = list->next; /* the recorded call's from now on */
    return list;
}
