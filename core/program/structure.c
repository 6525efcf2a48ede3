/* What a program is, apart from which nodes it has: its nodes in order, each with op, attribute, shape, dtype, indices of
 * its inputs and the value that a leaf is bound to; its outputs; how it is run. Two programs of equal bytes have the same
 * plan. Not in it: the data of numbers, lines, scopes, names, which draw of its name a draw is; nor a pointer to what may be
 * freed before the program. */
#include "core/program/program.h"

#include <string.h>

enum { MOST_NODES = 1 << 18 }; /* of a program that is worth the memory */

typedef struct head {
    int64_t nodes, outputs;
    int64_t assigns, plain;
    reel__plan_settings settings;
} head;

typedef struct entry {
    const reel_op *op;
    const reel__value *value;
    int32_t attr_size, input_count, dtype, rank;
} entry;

/* Bytes are counted first and then written. */
typedef struct writer {
    char *to; /* NULL: count only */
    size_t size;
} writer;

static void put(writer *w, const void *data, size_t size)
{
    if (w->to && size) memcpy(w->to + w->size, data, size);
    w->size += size;
}

/* The attribute is left out where it is data, and of leaves and draws: theirs are a name, and value, shape and dtype, which
 * are put anyway. */
static void put_node(writer *w, const reel_tensor *x)
{
    const reel__traits *traits = x->op->traits;
    const bool apart = x->value || x->op->attr_is_data || (traits && traits->is_draw);
    const entry e = { x->op, x->value, x->attr_size, x->input_count, x->dtype, x->rank };
    put(w, &e, sizeof e);
    put(w, x->size, (size_t)x->rank * sizeof *x->size);
    for (int i = 0; i < x->input_count; i++) put(w, &x->inputs[i]->index, sizeof x->inputs[i]->index);
    if (!apart) put(w, x->attr, (size_t)x->attr_size);
}

static void put_all(writer *w, const reel_tape *tape, const head *h, const reel__wanted *wanted)
{
    w->size = 0;
    put(w, h, sizeof *h);
    for (int64_t i = 0; i < wanted->count; i++) put(w, &wanted->outputs[i]->index, sizeof wanted->outputs[i]->index);
    for (int64_t i = 0; i < h->nodes; i++) put_node(w, REEL__AT(tape->order, reel_tensor *, i));
}

bool reel__structure(reel__programs *programs, const reel__wanted *wanted, bool plain)
{
    const reel_tape *tape = programs->tape;
    reel__array *s = &programs->structure;
    s->count = 0;
    if (tape->order.count > MOST_NODES) return true;
    head h;
    memset(&h, 0, sizeof h);
    h.nodes = tape->order.count, h.outputs = wanted->count, h.assigns = wanted->assigns, h.plain = plain;
    if (!plain) memcpy(&h.settings, &programs->settings, sizeof h.settings);
    writer w = { 0 };
    put_all(&w, tape, &h, wanted);
    if (s->capacity < (int64_t)w.size) {
        reel__array_free(&tape->allocator, s, 1);
        if (!(s->items = reel__allocate(&tape->allocator, w.size))) return false;
        s->capacity = (int64_t)w.size;
    }
    w.to = s->items;
    put_all(&w, tape, &h, wanted);
    s->count = (int64_t)w.size;
    return true;
}
