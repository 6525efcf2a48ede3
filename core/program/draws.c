/* Numbers for draws of one name, as there are in several entries of a scope. They decide which random numbers a draw gets,
 * so they depend neither on the order of recording nor on what is evaluated, but on the order of the whole program, walked
 * from those outputs on which no other output depends. */
#include "core/program/program.h"

#include <stdlib.h>
#include <string.h>

static int by_target(const void *a, const void *b)
{
    return strcmp((*(reel_tensor *const *)a)->inputs[0]->name, (*(reel_tensor *const *)b)->inputs[0]->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const reel__named *)a)->name, ((const reel__named *)b)->name);
}

/* Outputs in an order that does not depend on recording: assignments by the name of their target, what is kept by its own
 * name. Losses and results, which have no names, follow as they were recorded. */
static bool sort_outputs(const reel_tape *tape, reel__array *outputs)
{
    const int64_t assigns = tape->assigns.count, keeps = tape->keeps.count;
    const size_t bytes = (size_t)keeps * sizeof(reel__named);
    if (assigns) qsort(outputs->items, (size_t)assigns, sizeof(reel_tensor *), by_target);
    if (!keeps) return true;
    reel__named *sorted = reel__allocate(&tape->allocator, bytes);
    if (!sorted) return false;
    memcpy(sorted, tape->keeps.items, bytes);
    qsort(sorted, (size_t)keeps, sizeof *sorted, by_name);
    for (int64_t i = 0; i < keeps; i++) REEL__AT(*outputs, reel_tensor *, assigns + i) = sorted[i].x;
    reel__release(&tape->allocator, sorted, bytes);
    return true;
}

/* Leaves out the outputs that others depend on, as the last walk has them. */
static void leave_out_inner(reel_tape *tape, reel__array *outputs)
{
    const uint32_t inner = ++tape->walk;
    for (int64_t i = 0; i < tape->order.count; i++) {
        const reel_tensor *x = REEL__AT(tape->order, reel_tensor *, i);
        for (int j = 0; j < x->input_count; j++) x->inputs[j]->mark = inner;
    }
    int64_t n = 0;
    for (int64_t i = 0; i < outputs->count; i++) {
        reel_tensor *x = REEL__AT(*outputs, reel_tensor *, i);
        if (x->mark != inner) REEL__AT(*outputs, reel_tensor *, n++) = x;
    }
    outputs->count = n;
}

/* Draws of one name stand together, in the order of the last walk. */
static int by_draw(const void *a, const void *b)
{
    const reel_tensor *x = *(reel_tensor *const *)a, *y = *(reel_tensor *const *)b;
    if (x->name != y->name) return (uintptr_t)x->name < (uintptr_t)y->name ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* Numbers the draws of one name in the order of a walk, those that have no number yet after the one before. */
static bool number_from(reel_tape *tape, const reel__array *roots)
{
    reel__array draws = { 0 };
    bool good = reel__walk(tape, roots->items, roots->count);
    for (int64_t i = 0; good && i < tape->order.count; i++) {
        reel_tensor *x = REEL__AT(tape->order, reel_tensor *, i);
        if (!x->op->draws) continue;
        good = reel__reserve(&tape->allocator, &draws, draws.count, sizeof x);
        if (good) REEL__AT(draws, reel_tensor *, draws.count++) = x;
    }
    if (good && draws.count) qsort(draws.items, (size_t)draws.count, sizeof(reel_tensor *), by_draw);
    for (int64_t i = 0; good && i < draws.count; i++) {
        const reel_tensor *before = i ? REEL__AT(draws, reel_tensor *, i - 1) : NULL;
        reel_tensor *x = REEL__AT(draws, reel_tensor *, i);
        if (!x->draw_index) x->draw_index = before && before->name == x->name ? before->draw_index + 1 : 1;
    }
    reel__array_free(&tape->allocator, &draws, sizeof(reel_tensor *));
    return good;
}

bool reel__number_draws(reel_tape *tape, reel_tensor *const *asked, int64_t count)
{
    reel__array roots = { 0 };
    for (int64_t i = 0; i < tape->log.count; i++) REEL__AT(tape->log, reel_tensor *, i)->draw_index = 0;
    bool good =
        reel__outputs(tape, true, &roots) && sort_outputs(tape, &roots) && reel__walk(tape, roots.items, roots.count);
    if (good) leave_out_inner(tape, &roots);
    good = good && number_from(tape, &roots) &&
           reel__reserve(&tape->allocator, &roots, roots.count + count, sizeof(reel_tensor *));
    for (int64_t i = 0; good && i < count; i++) /* and those that only an evaluation needs */
        REEL__AT(roots, reel_tensor *, roots.count++) = asked[i];
    good = good && number_from(tape, &roots);
    reel__array_free(&tape->allocator, &roots, sizeof(reel_tensor *));
    return good;
}
