/* Lists: named tensors of one tape; and reel_parameters(), the list of those parameters that a tensor depends on through
 * ops that pass gradients and that a pattern names. */
#include "core/base/random.h"
#include "core/record/tape.h"

#include <string.h>

/* How many cleared lists wait before the oldest is used again, so that a stale handle is recognised; and the longest array
 * of items that such a list does not give back. */
enum { OLD_LISTS = 16, OLD_ITEMS = 64 };

reel_list *reel__list_new(reel_tape *tape)
{
    if (tape->failed || tape->recording.status != REEL_OK) return &tape->bad_list;
    reel_list *list = NULL;
    if (tape->old_list_count > OLD_LISTS) { /* the oldest is used again */
        list = tape->oldest_list;
        tape->oldest_list = list->next;
        tape->old_list_count--;
        *list = (reel_list){ .tape = tape, .items = { list->items.items, 0, list->items.capacity } };
    } else {
        list = reel__allocate(&tape->allocator, sizeof *list);
    }
    if (!list) {
        reel__out_of_memory(tape, "a list");
        return &tape->bad_list;
    }
    list->tape = tape;
    list->generation = tape->generation;
    list->next = tape->lists;
    tape->lists = list;
    return list;
}

reel_list *reel_list_new(reel_tape *tape)
{
    return reel__has_tape(&tape, "list_new") ? reel__list_new(tape) : &tape->bad_list;
}

bool reel__list_append(reel_list *list, const char *name, reel_tensor *x)
{
    if (!reel__reserve(&list->tape->allocator, &list->items, list->items.count, sizeof(reel__named)))
        return !reel__out_of_memory(list->tape, "a list")->is_bad;
    REEL__AT(list->items, reel__named, list->items.count++) = (reel__named){ name, x };
    return true;
}

bool reel__list_usable(reel_tape *tape, const reel_list *list, const char *what)
{
    if (tape->recording.status != REEL_OK && tape != &reel__no_tape) return false;
    if (!list) reel__fail(tape, REEL_BAD_ARGUMENT, "%s is NULL", what);
    else if (list->tape != tape) reel__fail(tape, REEL_BAD_STATE, "%s is a list of another tape", what);
    else if (list->is_bad || list->generation != tape->generation)
        reel__fail(tape, REEL_BAD_STATE, "%s is a list from before reel_tape_clear()", what);
    else return true;
    return false;
}

reel_status(reel_list_append)(reel_list *list, const char *name, reel_tensor *x)
{
    reel_tape *tape = reel_list_tape(list);
    if (reel__list_usable(tape, list, "list_append: the list") && reel__usable(tape, x, "list_append: the tensor")) {
        const char *own = reel__intern(tape, name ? name : reel_name_of(x));
        if (own) reel__list_append(list, own, x);
    }
    reel__locate_list(tape);
    return tape->recording.status;
}

reel_list *reel_list_of(reel_tensor *const *tensors, int count)
{
    reel_tape *tape = tensors && count > 0 ? reel__tape_of_all(tensors, count) : &reel__no_tape;
    if (count < 1 || !tensors)
        reel__fail(tape, REEL_BAD_ARGUMENT, "list_of: %s", tensors ? "there are no tensors" : "the array is NULL");
    else if (tape == &reel__no_tape) reel__null_operands("list_of", tensors, count);
    reel_list *list = reel__list_new(tape);
    for (int i = 0; !list->is_bad && i < count; i++) {
        const char *own =
            reel__usable(tape, tensors[i], "list_of: a tensor") ? reel__intern(tape, reel_name_of(tensors[i])) : NULL;
        if (!own || !reel__list_append(list, own, tensors[i])) return reel__list_fail(tape);
    }
    return list;
}

static bool readable(const reel_list *list)
{
    return list && !list->is_bad && list->generation == list->tape->generation;
}

/* What is not in a list is no error, but bad; where there is no list it is one. */
static reel_tensor *no_such(const reel_list *list, const char *call)
{
    if (!list) return reel__fail(&reel__no_tape, REEL_BAD_ARGUMENT, "%s: the list is NULL", call);
    return &list->tape->bad;
}

int reel_list_count(const reel_list *list) { return readable(list) ? (int)list->items.count : 0; }

reel_tensor *reel_list_at(const reel_list *list, int index)
{
    if (index >= 0 && index < reel_list_count(list)) return REEL__AT(list->items, reel__named, index).x;
    return no_such(list, "list_at");
}

const char *reel_list_name(const reel_list *list, int index)
{
    return index >= 0 && index < reel_list_count(list) ? REEL__AT(list->items, reel__named, index).name : NULL;
}

static const reel__named *indexed(const reel_list *list, const char *name, uint64_t hash)
{
    int64_t at = 0;
    for (uintptr_t after; (after = (uintptr_t)reel__table_next(&list->index, hash, &at));) {
        const reel__named *item = &REEL__AT(list->items, reel__named, after - 1);
        if (strcmp(item->name, name) == 0) return item;
    }
    return NULL;
}

/* The items that have come since the last time, each name once: the first of it is what is found. Without memory the rest
 * is not in the index. */
static void add_to_index(reel_list *list)
{
    for (; list->indexed < list->items.count; list->indexed++) {
        const char *name = REEL__AT(list->items, reel__named, list->indexed).name;
        const uint64_t hash = reel__hash_string(name);
        if (indexed(list, name, hash)) continue;
        if (!reel__table_reserve(&list->tape->allocator, &list->index, NULL)) return;
        reel__table_add(&list->index, hash, (void *)(uintptr_t)(list->indexed + 1));
    }
}

reel_tensor *reel_list_find(const reel_list *list, const char *name)
{
    const int count = reel_list_count(list);
    if (name && count) {
        add_to_index((reel_list *)(uintptr_t)list);
        const reel__named *item = indexed(list, name, reel__hash_string(name));
        if (item) return item->x;
        for (int i = (int)list->indexed; i < count; i++)
            if (strcmp(reel_list_name(list, i), name) == 0) return reel_list_at(list, i);
    }
    return no_such(list, "list_find");
}

reel_tape *reel_list_tape(const reel_list *list) { return list ? list->tape : &reel__no_tape; }

static void forget_index(reel_list *list)
{
    reel__table_free(&list->tape->allocator, &list->index);
    list->indexed = 0;
}

void reel__list_cut(reel_list *list, int64_t count)
{
    list->items.count = count;
    if (list->indexed > count) forget_index(list);
}

/* A list from before the last clear is left for a while, so that using it is an error and not a crash. */
void reel__list_retire(reel_tape *tape, reel_list *list)
{
    if (list->items.capacity > OLD_ITEMS) reel__array_free(&tape->allocator, &list->items, sizeof(reel__named));
    reel__array_free(&tape->allocator, &list->of, sizeof(reel_tensor *));
    forget_index(list);
    list->next = NULL;
    if (tape->old_list_count) tape->old_lists->next = list;
    else tape->oldest_list = list;
    tape->old_lists = list;
    tape->old_list_count++;
}

void reel__lists_clear(reel_tape *tape)
{
    while (tape->lists) {
        reel_list *list = tape->lists;
        tape->lists = list->next;
        reel__list_retire(tape, list);
    }
}

void reel__lists_free(reel_tape *tape)
{
    reel__lists_clear(tape);
    while (tape->oldest_list) {
        reel_list *list = tape->oldest_list;
        tape->oldest_list = list->next;
        reel__array_free(&tape->allocator, &list->items, sizeof(reel__named));
        reel__release(&tape->allocator, list, sizeof *list);
    }
}

/* ---- Parameters by pattern ------------------------------------------------------------------------------------------- */

/* A part, or no pattern at all, names nothing that gradients reach, though something that `of` depends on. */
static bool fail_cut(reel_tape *tape, const reel_tensor *of, const reel__pattern_part *part)
{
    for (int64_t i = 0; i < tape->order.count; i++) {
        reel_tensor *x = REEL__AT(tape->order, reel_tensor *, i);
        if (x->op != &reel__parameter_op || (part && !reel__part_matches(*part, x->name))) continue;
        const reel_tensor *cut = reel__find_cut(tape, x);
        reel__fail(tape, REEL_UNREACHED, "parameters: %s reaches \"%s\" only through %s, where the path is cut",
                   reel__node_text(of), x->name, reel__node_text(cut ? cut : x));
        return true;
    }
    return false;
}

static void fail_part(reel_tape *tape, const reel_tensor *of, reel__pattern_part part)
{
    const reel__value *value = reel__model_named(tape->model, part, false);
    if (!part.out && fail_cut(tape, of, &part)) return;
    reel__pattern_hint hint = { 0 };
    reel__model_consider(tape->model, part, false, &hint);
    const char *before = hint.distance ? " (did you mean \"" : "", *behind = hint.distance ? "\"?)" : "";
    if (part.out)
        reel__fail(tape, REEL_BAD_NAME, "parameters: no parameter is named by \"!%.*s\"%s%s%s", (int)part.length,
                   part.text, before, hint.text, behind);
    else if (value && !memchr(part.text, '*', part.length))
        reel__fail(tape, REEL_UNREACHED, "parameters: %s does not depend on \"%s\"", reel__node_text(of), value->name);
    else if (value)
        reel__fail(tape, REEL_UNREACHED, "parameters: %s does not depend on \"%s\", nor on another that \"%.*s\" names",
                   reel__node_text(of), value->name, (int)part.length, part.text);
    else
        reel__fail(tape, REEL_BAD_NAME, "parameters: %s depends on no parameter named by \"%.*s\"%s%s%s",
                   reel__node_text(of), (int)part.length, part.text, before, hint.text, behind);
}

static bool names_one(reel__pattern_part part, const reel_list *reached)
{
    for (int64_t i = 0; i < reached->items.count; i++)
        if (reel__part_matches(part, REEL__AT(reached->items, reel__named, i).name)) return true;
    return false;
}

/* Each part has to name something: what it means to train, or to leave out, would otherwise not be. */
static bool check_pattern(reel_tape *tape, const reel_tensor *of, const char *pattern, const reel_list *reached)
{
    const char *fault = reel__pattern_fault(pattern);
    reel__pattern_part part;
    if (fault) reel__fail(tape, REEL_BAD_NAME, "parameters: the pattern \"%.200s\" %s", pattern, fault);
    for (const char *next = fault ? NULL : pattern; reel__pattern_next(&next, &part);)
        if (part.out ? !reel__model_named(tape->model, part, false) : !names_one(part, reached)) {
            fail_part(tape, of, part);
            break;
        }
    if (!reached->items.count && !fail_cut(tape, of, NULL))
        reel__fail(tape, REEL_UNREACHED, "parameters: %s depends on no parameter", reel__node_text(of));
    return tape->recording.status == REEL_OK;
}

reel_list *(reel_parameters)(reel_tensor *of, const char *pattern)
{
    reel_tape *tape = reel__tape_or_none(of);
    if (!reel__usable(tape, of, "parameters: the tensor")) return &tape->bad_list;
    static const char call[] = "parameters";
    const reel__call_key key = { .call = call, .a = of, .pattern = pattern };
    reel_list *list = reel__replay_call(tape, &key);
    if (list) return list;
    const reel__point begin = reel__point_of(tape);
    list = reel__list_new(tape);
    if (list->is_bad || !reel__walk(tape, &of, 1)) return reel__list_fail(tape);
    reel__mark_reached(tape, of);
    for (int64_t i = 0; i < tape->order.count; i++) {
        reel_tensor *x = REEL__AT(tape->order, reel_tensor *, i);
        if (x->op != &reel__parameter_op || x->mark != tape->walk) continue;
        if (!reel__list_append(list, x->name, x)) return &tape->bad_list;
    }
    if (!check_pattern(tape, of, pattern, list)) return &tape->bad_list;
    int64_t named = 0;
    for (int64_t i = 0; i < list->items.count; i++)
        if (reel__pattern_matches(pattern, REEL__AT(list->items, reel__named, i).name))
            REEL__AT(list->items, reel__named, named++) = REEL__AT(list->items, reel__named, i);
    list->items.count = named;
    if (named) return reel__remember_list(&key, begin, list);
    reel__fail(tape, REEL_BAD_NAME, "parameters: \"%s\" leaves out every parameter that %s depends on", pattern,
               reel__node_text(of));
    return &tape->bad_list;
}

reel_list *reel__list_fail(reel_tape *tape)
{
    reel__out_of_memory(tape, "a list"); /* keeps an earlier message */
    return &tape->bad_list;
}
