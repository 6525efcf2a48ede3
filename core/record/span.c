/* Calls that record many nodes and return a list, gradients above all, remembered as spans of the log. The same call at
 * the same place of the next recording is answered with the same list, and what it recorded is skipped as a whole. This
 * holds for calls that do nothing but record: one that uses a name, enters a scope, keeps or assigns is made again. */
#include "core/record/tape.h"

#include <string.h>

static void drop(reel_tape *tape, reel__span *span)
{
    reel__list_retire(tape, span->list);
    reel__array_free(&tape->allocator, &span->wrt, sizeof(reel_tensor *));
}

void reel__spans_drop(reel_tape *tape)
{
    for (; tape->previous_spans; tape->previous_spans--)
        drop(tape, &REEL__AT(tape->spans, reel__span, tape->spans.count + tape->previous_spans - 1));
}

void reel__spans_clear(reel_tape *tape)
{
    reel__spans_drop(tape);
    tape->previous_spans = tape->spans.count;
    tape->last_composed = tape->composed.count;
    tape->next_composed = tape->composed.count = tape->spans.count = 0;
}

void reel__spans_free(reel_tape *tape)
{
    reel__spans_clear(tape);
    reel__spans_drop(tape);
    reel__array_free(&tape->allocator, &tape->spans, sizeof(reel__span));
    reel__array_free(&tape->allocator, &tape->composed, sizeof(reel__composed));
}

static bool same_wrt(const reel__span *span, const reel_list *wrt)
{
    int64_t count = wrt ? wrt->items.count : 0;
    if (span->wrt.count != count) return false;
    for (int64_t i = 0; i < count; i++) {
        const reel__named *item = &REEL__AT(wrt->items, reel__named, i);
        if (REEL__AT(span->wrt, reel_tensor *, i) != item->x) return false;
        if (REEL__AT(span->list->items, reel__named, i).name != item->name) return false;
    }
    return true;
}

static bool same_call(const reel__span *span, const reel__asked *asked)
{
    if (span->call != asked->call || span->y != asked->y || span->gy != asked->gy) return false;
    if (!span->pattern != !asked->pattern || (asked->pattern && strcmp(span->pattern, asked->pattern) != 0))
        return false;
    return same_wrt(span, asked->wrt);
}

reel_list *reel__span_again(reel_tape *tape, const reel__asked *asked)
{
    if (!tape->previous_spans) return NULL;
    reel__span *span = &REEL__AT(tape->spans, reel__span, tape->spans.count);
    bool here = span->from == tape->log.count && span->to <= tape->log.count + tape->previous;
    if (!here || tape->origin || !same_call(span, asked)) {
        reel__spans_drop(tape);
        return NULL;
    }
    reel__nodes_skip(tape, span->to);
    tape->spans.count++, tape->previous_spans--;
    span->list->generation = tape->generation;
    reel__list_cut(span->list, span->items); /* without what was appended to it */
    return span->list;
}

/* What a call may change beside the log. */
static uint64_t effects(const reel_tape *tape)
{
    return (uint64_t)(tape->uses.count + tape->keeps.count + tape->losses.count + tape->assigns.count +
                      tape->replacements.count + tape->spans.count) +
           tape->entries;
}

reel__span reel__span_begin(const reel_tape *tape)
{
    return (reel__span){ .from = tape->log.count, .effects = effects(tape) };
}

reel_list *reel__span_end(reel_tape *tape, reel__span span, const reel__asked *asked, reel_list *list)
{
    if (list->is_bad || tape->origin || tape->lists != list || span.effects != effects(tape)) return list;
    span.call = asked->call, span.y = asked->y, span.gy = asked->gy;
    span.to = tape->log.count, span.items = list->items.count, span.list = list;
    if (asked->pattern && !(span.pattern = reel__intern(tape, asked->pattern))) return &tape->bad_list;
    int64_t count = asked->wrt ? asked->wrt->items.count : 0;
    if ((count && !reel__reserve(&tape->allocator, &span.wrt, count - 1, sizeof(reel_tensor *))) ||
        !reel__reserve(&tape->allocator, &tape->spans, tape->spans.count, sizeof span)) {
        reel__array_free(&tape->allocator, &span.wrt, sizeof(reel_tensor *));
        return reel__list_fail(tape);
    }
    for (; span.wrt.count < count; span.wrt.count++)
        REEL__AT(span.wrt, reel_tensor *, span.wrt.count) = REEL__AT(asked->wrt->items, reel__named, span.wrt.count).x;
    tape->lists = list->next; /* the span's from now on */
    REEL__AT(tape->spans, reel__span, tape->spans.count++) = span;
    return list;
}

/* ---- Calls of two tensors ---------------------------------------------------------------------------------------- */

reel_tensor *reel__composed_again(const void *call, const reel_tensor *a, const reel_tensor *b)
{
    if (!a) return NULL;
    reel_tape *tape = a->tape;
    const reel__composed *c = tape->composed.items;
    while (tape->next_composed < tape->last_composed && c[tape->next_composed].from < tape->log.count)
        tape->next_composed++;
    if (tape->next_composed >= tape->last_composed || tape->origin || tape->recording.status != REEL_OK) return NULL;
    const reel__composed next = c[tape->next_composed];
    bool here = next.from == tape->log.count && next.to <= tape->log.count + tape->previous;
    if (!here || next.call != call || next.a != a || next.b != b) return NULL;
    reel__nodes_skip(tape, next.to);
    REEL__AT(tape->composed, reel__composed, tape->composed.count++) = next;
    tape->next_composed++;
    return REEL__AT(tape->log, reel_tensor *, next.to - 1);
}

reel_tensor *reel__composed_end(reel_tensor *y, const void *call, const reel_tensor *a, const reel_tensor *b,
                                int64_t from)
{
    reel_tape *tape = y->tape;
    int64_t to = tape->log.count;
    if (y->is_bad || tape->origin || to == from || REEL__AT(tape->log, reel_tensor *, to - 1) != y) return y;
    if (!reel__reserve(&tape->allocator, &tape->composed, tape->composed.count, sizeof(reel__composed)))
        return reel__out_of_memory(tape, "recording");
    REEL__AT(tape->composed, reel__composed, tape->composed.count++) = (reel__composed){ call, a, b, from, to };
    if (tape->next_composed < tape->composed.count) tape->next_composed = tape->composed.count; /* one less is left */
    return y;
}
