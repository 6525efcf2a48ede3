/* Tapes: making and clearing them; their errors, of the recording and of runs; and the user's line, which the macros of
 * reel/lines.h give before or after a call. Freeing one begins in core/run/executor.c. */
#include "core/record/tape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What every constructor without memory returns. Nothing ever writes to it. */
reel_tape reel__failed_tape = {
    .model = &reel__no_model,
    .failed = true,
    .recording = { .status = REEL_OUT_OF_MEMORY, .located = true, .message = "tape: out of memory" },
    .bad = { .tape = &reel__failed_tape, .is_bad = true },
    .bad_list = { .tape = &reel__failed_tape, .is_bad = true },
};

/* What reel_tape_new(NULL, …) returns. */
static reel_tape tape_of_nothing = {
    .model = &reel__no_model,
    .failed = true,
    .recording = { .status = REEL_BAD_ARGUMENT, .located = true, .message = "tape_new: the model is NULL" },
    .bad = { .tape = &tape_of_nothing, .is_bad = true },
    .bad_list = { .tape = &tape_of_nothing, .is_bad = true },
};

enum { MOST_THREADS = 1024 };

/* 1, true, yes or on, and their opposites; nothing is off. Anything else is a fault that every run of the tape reports. */
static bool environment_flag(reel_tape *tape, const char *name)
{
    static const char *const words[] = { "0", "false", "no", "off", "1", "true", "yes", "on" };
    const char *text = getenv(name);
    if (!text || !*text) return false;
    for (int i = 0; i < 8; i++)
        if (strcasecmp(text, words[i]) == 0) return i >= 4;
    snprintf(tape->fault, sizeof tape->fault, "%s: what is \"%.40s\"? It is 1, true, yes or on, or 0, false, no or off",
             name, text);
    return false;
}

void reel__report_fault(reel_tape *tape)
{
    const char *file = tape->site_file;
    tape->site_file = NULL; /* no line is known */
    reel__fail(tape, REEL_BAD_ARGUMENT, "%s", tape->fault);
    tape->recording.located = true;
    tape->site_file = file;
}

reel_tape *reel_tape_new_sized(reel_model *model, const reel_tape_options *options, size_t size)
{
    if (!model) return &tape_of_nothing;
    if (model->failed) return &reel__failed_tape;
    reel_tape *tape = reel__allocate(&model->allocator, sizeof *tape);
    if (!tape) return &reel__failed_tape;
    if (options) memcpy(&tape->options, options, size < sizeof tape->options ? size : sizeof tape->options);
    tape->options.keep_everything |= environment_flag(tape, "REEL_KEEP_EVERYTHING");
    tape->options.checked |= environment_flag(tape, "REEL_CHECKED");
    tape->plain = environment_flag(tape, "REEL_PLAIN");
    tape->model = model;
    tape->allocator = model->allocator;
    tape->generation = 1;
    tape->serial = (uint32_t)__atomic_add_fetch(&model->tapes, 1, __ATOMIC_RELAXED);
    tape->bad = (reel_tensor){ .tape = tape, .is_bad = true };
    tape->bad_list = (reel_list){ .tape = tape, .is_bad = true };
    tape->most_names = REEL__FEW_NAMES;
    tape->root.path = tape->root.name = "";
    tape->root.entry = ++tape->entries;
    tape->scope = &tape->root;
    reel__model_retain(model);
    if (tape->options.threads < 0 || tape->options.threads > MOST_THREADS) {
        snprintf(tape->fault, sizeof tape->fault, "tape_new: threads is %d; 0 asks for all, 1 for one, %d is the most",
                 tape->options.threads, MOST_THREADS);
        tape->options.threads = 0;
    }
    if (*tape->fault) reel__report_fault(tape);
    return tape;
}

void reel_tape_clear(reel_tape *tape)
{
    if (!tape || tape->failed) return;
    reel__replay_begin(tape);
    reel__lists_clear(tape);
    reel__inputs_tidy(tape);
    tape->generation++;
    tape->recording.status = tape->running.status = REEL_OK;
    tape->site_file = NULL, tape->origin = NULL;
    tape->scope = &tape->root;
    tape->root.entry = ++tape->entries;
    tape->node_count = tape->draws = tape->replacements.count = 0;
    tape->returned = 0;
    tape->keeps.count = tape->losses.count = tape->assigns.count = 0;
    reel__names_tidy(tape);
}

void reel__tape_free(reel_tape *tape)
{
    const reel_allocator allocator = tape->allocator;
    reel__replay_free(tape);
    reel__nodes_free(tape);
    reel__lists_free(tape);
    reel__names_free(tape);
    reel__values_free(&allocator, &tape->inputs);
    reel__values_free(&allocator, &tape->states);
    reel__array_free(&allocator, &tape->replacements, sizeof(reel__replacement));
    reel__array_free(&allocator, &tape->keeps, sizeof(reel__named));
    reel__array_free(&allocator, &tape->losses, sizeof(reel_tensor *));
    reel__array_free(&allocator, &tape->assigns, sizeof(reel_tensor *));
    reel__array_free(&allocator, &tape->results, sizeof(reel__result));
    reel__array_free(&allocator, &tape->stack, sizeof(reel_tensor *));
    reel__array_free(&allocator, &tape->order, sizeof(reel_tensor *));
    reel_model *model = tape->model;
    reel__release(&allocator, tape, sizeof *tape);
    reel__model_release(model);
}

/* ---- Errors ------------------------------------------------------------------------------------------------------ */

static void locate(reel__error *error, const char *file, int line)
{
    if (error->status == REEL_OK || error->located || !file) return;
    reel__error_append(error, "  at %s:%d", file, line);
    error->located = true;
}

static reel_tensor *fail_list(reel_tape *tape, reel_status status, const char *format, va_list arguments)
{
    if (tape == &reel__no_tape) reel__untaped_fail(status, format, arguments);
    if (tape->failed || tape->recording.status != REEL_OK) return &tape->bad;
    reel__error_set(&tape->recording, status, format, arguments);
    const reel__scope *scope = tape->origin ? tape->origin->scope : tape->scope;
    if (scope && *scope->path) reel__error_append(&tape->recording, "  in %s", scope->path);
    if (tape->origin) locate(&tape->recording, tape->origin->file, tape->origin->line);
    else locate(&tape->recording, tape->site_file, tape->site_line);
    return &tape->bad;
}

reel_tensor *reel__fail(reel_tape *tape, reel_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    reel_tensor *bad = fail_list(tape, status, format, arguments);
    va_end(arguments);
    return bad;
}

reel_tensor *(reel_fail)(reel_tape *tape, reel_status status, const char *format, ...)
{
    if (!tape) tape = &reel__no_tape;
    if (!format) return reel__fail(tape, REEL_BAD_ARGUMENT, "fail: the format is NULL");
    bool known = status > REEL_OK && status < REEL_STATUS_COUNT;
    va_list arguments;
    va_start(arguments, format);
    reel_tensor *bad = fail_list(tape, known ? status : REEL_BAD_ARGUMENT, format, arguments);
    va_end(arguments);
    return bad;
}

reel_tensor *reel__out_of_memory(reel_tape *tape, const char *what)
{
    return reel__fail(tape, REEL_OUT_OF_MEMORY, "out of memory for %s", what);
}

reel_status reel__run_fail(reel_tape *tape, reel_status status, const char *format, ...)
{
    if (tape->failed) return tape->recording.status;
    if (tape->running.status == REEL_OK) { /* the first one stays until it was heard */
        va_list arguments;
        va_start(arguments, format);
        reel__error_set(&tape->running, status, format, arguments);
        va_end(arguments);
        locate(&tape->running, tape->site_file, tape->site_line);
    }
    tape->site_file = NULL;
    return status;
}

const char *reel_tape_error(const reel_tape *tape)
{
    if (!tape) tape = &reel__no_tape;
    if (tape->recording.status != REEL_OK) return tape->recording.message;
    reel__error_hear(&tape->running);
    return tape->running.status != REEL_OK ? tape->running.message : NULL;
}

reel_status reel_tape_status(const reel_tape *tape)
{
    if (!tape) tape = &reel__no_tape;
    if (tape->recording.status != REEL_OK) return tape->recording.status;
    reel__error_hear(&tape->running);
    return tape->running.status;
}

reel_status reel_recording_status(const reel_tape *tape) { return reel__status_without(tape); }

reel_tape *reel__tape_of_all(reel_tensor *const *x, int count)
{
    if (x && count > 0 && x[0] && !x[0]->tape->failed) return x[0]->tape;
    reel_tape *failed = NULL;
    for (int i = 0; x && i < count; i++) {
        if (!x[i]) continue;
        if (!x[i]->tape->failed) return x[i]->tape;
        if (!failed) failed = x[i]->tape;
    }
    return failed ? failed : &reel__no_tape;
}

bool reel_is_bad(const reel_tensor *x) { return !x || x->is_bad || x->generation != x->tape->generation; }

const char *reel__node_text(const reel_tensor *x)
{
    reel_tape *tape = x->tape;
    reel__text *text = &tape->texts[tape->next_text++ % 8];
    reel__text shape;
    const char *name = x->name ? x->name : x->op->name;
    int used = snprintf(text->text, sizeof text->text, "%.100s %s", name, reel__shape_text(&shape, x->rank, x->size));
    if (x->file && used > 0 && (size_t)used < sizeof text->text)
        snprintf(text->text + used, sizeof text->text - (size_t)used, " (%.60s:%d)", x->file, x->line);
    return text->text;
}

/* An operand without a tape of its own: why is what waits in its thread, or was said where it was made. */
static void fail_untaped(reel_tape *tape, const reel_tensor *x, const char *what)
{
    char text[200];
    snprintf(text, sizeof text, "%.150s is of no tape: ", what);
    if (x->tape == &reel__no_tape) reel__untaped_take(tape, text);
    if (x->tape == &reel__no_tape) reel__fail(tape, REEL_BAD_ARGUMENT, "%san operand of it was NULL", text);
    else reel__fail(tape, x->tape->recording.status, "%s%s", text, x->tape->recording.message);
}

const char *reel__stale_text(const reel_tensor *x, char *text, size_t size)
{
    if (x->is_bad)
        return "the result of an error before reel_tape_clear(), or of a look-up in a list that found nothing";
    if (!x->file) return "from before reel_tape_clear()";
    snprintf(text, size, "from before reel_tape_clear() (recorded at %s:%d)", x->file, x->line);
    return text;
}

bool reel__usable(reel_tape *tape, const reel_tensor *x, const char *what)
{
    char text[600];
    const bool is_draft = x && x == tape->draft;
    if (x && x->tape == tape && x->generation == tape->generation && !x->is_bad && tape->recording.status == REEL_OK &&
        !is_draft)
        return true;
    if (tape->recording.status != REEL_OK && tape != &reel__no_tape) return false;
    if (x && tape->failed) return false; /* of NULL, or without memory: said where it came from */
    if (is_draft)
        reel__fail(tape, REEL_BAD_STATE, "%s is the tensor whose shape rule is running, which may only set a shape",
                   what);
    else if (!x) reel__fail(tape, REEL_BAD_ARGUMENT, "%s is NULL", what);
    else if (x->tape->failed) fail_untaped(tape, x, what);
    else if (x->is_bad && x->tape != tape)
        reel__fail(tape, REEL_BAD_STATE, "%s is the result of an error on another tape: %s", what,
                   x->tape->recording.status != REEL_OK ? x->tape->recording.message : "cleared since");
    else if (x->tape != tape)
        reel__fail(tape, REEL_BAD_STATE, "%s belongs to another tape than the rest: %s", what, reel__node_text(x));
    else reel__fail(tape, REEL_BAD_STATE, "%s is %s", what, reel__stale_text(x, text, sizeof text));
    return false;
}

bool reel_usable(reel_tape *tape, const reel_tensor *x, const char *what)
{
    return reel__usable(tape ? tape : &reel__no_tape, x, what ? what : "the operand");
}

bool reel_list_usable(const reel_list *list, const char *what)
{
    return reel__list_usable(list ? list->tape : &reel__no_tape, list, what ? what : "the list");
}

/* ---- Lines ------------------------------------------------------------------------------------------------------- */

static void stamp(reel_tape *tape, const char *file, int line)
{
    if (tape->failed) {
        if (tape == &reel__no_tape) reel__untaped_locate(file, line);
        return;
    }
    for (int64_t i = tape->unstamped; i < tape->log.count; i++) {
        reel_tensor *x = REEL__AT(tape->log, reel_tensor *, i);
        if (!x->file) x->file = file, x->line = line;
    }
    tape->unstamped = tape->log.count;
    reel__stamp_names(tape, file, line);
    locate(&tape->recording, file, line);
    tape->site_file = NULL;
}

/* What a rule of an op has recorded is not returned to the user. */
static void note_returned(reel_tensor *x)
{
    reel_tape *tape = x->tape;
    if (tape->origin) return;
    x->returned = true;
    tape->returned = (tape->returned ^ (uintptr_t)x) * 0x9E3779B97F4A7C15u;
}

reel_tensor *reel_here(reel_tensor *x, const char *file, int line)
{
    if (!x) return x;
    stamp(x->tape, file, line);
    if (!x->is_bad) note_returned(x);
    return x;
}

reel_list *reel_here_list(reel_list *list, const char *file, int line)
{
    if (!list) return list;
    stamp(list->tape, file, line);
    for (int64_t i = 0; !list->is_bad && list->generation == list->tape->generation && i < list->items.count; i++)
        note_returned(REEL__AT(list->items, reel__named, i).x);
    return list;
}

reel_status reel_here_status(reel_status status, reel_tape *tape, const char *file, int line)
{
    stamp(tape ? tape : &reel__no_tape, file, line);
    return status;
}

reel_tape *reel_at_tape(reel_tape *tape, const char *file, int line)
{
    if (!tape || tape == &reel__no_tape) {
        reel__untaped_site(file, line);
    } else if (!tape->failed) {
        tape->site_file = file, tape->site_line = line;
        locate(&tape->recording, file, line);
    }
    return tape;
}

reel_list *reel_at_list(reel_list *list, const char *file, int line)
{
    if (!list || list->tape == &reel__no_tape) reel__untaped_site(file, line);
    else if (!list->tape->failed) list->tape->list_file = file, list->tape->list_line = line;
    return list;
}

void reel__locate_list(reel_tape *tape)
{
    if (tape->failed) return;
    locate(&tape->recording, tape->list_file, tape->list_line);
    tape->list_file = NULL;
}

reel_tensor *reel_at(reel_tensor *x, const char *file, int line)
{
    reel_at_tape(x ? x->tape : NULL, file, line);
    return x;
}
