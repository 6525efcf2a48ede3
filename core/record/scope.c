/* Scopes, the rule that a name is used once per entry of its scope, and parameters that are replaced by other tensors.
 * Scopes and names are found by hash, and stay for the next recordings until names.c forgets them. */
#include "core/base/random.h"
#include "core/model/json.h"
#include "core/record/tape.h"

#include <stdio.h>
#include <string.h>

/* What is called `name` in a scope. */
static uint64_t hash_in(const reel__scope *scope, const char *name)
{
    return reel__mix(reel__hash_string(name), (uintptr_t)scope);
}

static reel__name *find_name(const reel_tape *tape, const char *name)
{
    int64_t at = 0;
    for (reel__name *used; (used = reel__table_next(&tape->names, hash_in(tape->scope, name), &at));)
        if (used->scope == tape->scope && strcmp(used->own, name) == 0) return used;
    return NULL;
}

/* "a/b" + "w" = "a/b/w" */
static const char *join(reel_tape *tape, const char *path, const char *name)
{
    char text[512];
    int length = snprintf(text, sizeof text, "%s%s%s", path, *path ? "/" : "", name);
    if (length < 0 || (size_t)length >= sizeof text) {
        reel__fail(tape, REEL_BAD_NAME, "name: \"%.40s…\" makes a full name longer than %d characters", name,
                   (int)sizeof text - 1);
        return NULL;
    }
    return reel__intern(tape, text);
}

static bool check_name(reel_tape *tape, const char *what, const char *name)
{
    if (!name || !*name) {
        reel__fail(tape, REEL_BAD_NAME, "%s: a name is needed, not %s", what, name ? "\"\"" : "NULL");
        return false;
    }
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < ' ' || strchr("*!,\"", *p) || (*p == '/' && (p == name || p[1] == '/' || !p[1]))) {
            reel__fail(
                tape, REEL_BAD_NAME,
                "%s: \"%.60s\" is no name: it may not have '*', '!', ',', '\"', a control character or an empty part",
                what, name);
            return false;
        }
    for (const char *p = name, *end = name + strlen(name); p < end;) {
        const int length = reel__utf8_length(p, end);
        if (!length) {
            reel__fail(tape, REEL_BAD_NAME, "%s: \"%.60s\" is no name: it is not UTF-8", what, name);
            return false;
        }
        p += length;
    }
    if (strcmp(name, "__metadata__") != 0 || *tape->scope->path) return true;
    reel__fail(tape, REEL_BAD_NAME, "%s: the name \"%s\" is taken by the format of model files", what, name);
    return false;
}

static void used_twice(reel_tape *tape, const char *what, const reel__name *used)
{
    char first[300] = "";
    if (used->file) snprintf(first, sizeof first, ", first at %.200s:%d", used->file, used->line);
    bool weights = strcmp(what, "parameter") == 0 || strcmp(what, "layer") == 0;
    bool state = strcmp(what, "state") == 0;
    reel__fail(tape, REEL_BAD_NAME, "%s: the name \"%s\" is used twice in one entry of its scope%s%s", what, used->name,
               first,
               weights ? " (to share weights, enter a scope again with reel_scope_push)"
               : state ? " (a second optimiser needs another .state_prefix, the prefix of its states' names)"
                       : " (take another name, or enter a scope)");
}

/* A name of the open scope that was not used in it before. */
static reel__name *new_name(reel_tape *tape, const char *what, const char *name)
{
    const reel__scope *scope = tape->scope;
    const char *full = join(tape, scope->path, name);
    if (!full) return NULL;
    reel__name *used = NULL;
    if (reel__table_reserve(&tape->allocator, &tape->names, NULL))
        used = reel__allocate(&tape->allocator, sizeof *used);
    if (!used) {
        reel__out_of_memory(tape, what);
        return NULL;
    }
    *used = (reel__name){ .name = full, .own = full + strlen(full) - strlen(name), .scope = scope };
    reel__table_add(&tape->names, hash_in(scope, name), used);
    return used;
}

static reel__name *use(reel_tape *tape, const char *what, const char *name)
{
    if (tape->failed || tape->recording.status != REEL_OK) return NULL;
    reel__name *used = reel__replay_name(tape, name);
    if (!used) {
        if (!check_name(tape, what, name)) return NULL;
        used = find_name(tape, name);
        if (!used && !(used = new_name(tape, what, name))) return NULL;
    }
    if (used->entry == tape->scope->entry) {
        used_twice(tape, what, used);
        return NULL;
    }
    if (!reel__reserve(&tape->allocator, &tape->uses, tape->uses.count, sizeof used)) {
        reel__out_of_memory(tape, what);
        return NULL;
    }
    tape->effects++;
    used->entry = tape->scope->entry;
    used->file = tape->site_file, used->line = tape->site_line;
    REEL__AT(tape->uses, reel__name *, tape->uses.count++) = used;
    if (tape->uses_end < tape->uses.count) tape->uses_end = tape->uses.count;
    return used;
}

const char *reel__use_name(reel_tape *tape, const char *what, const char *name)
{
    const reel__name *used = use(tape, what, name);
    return used ? used->name : NULL;
}

void reel__stamp_names(reel_tape *tape, const char *file, int line)
{
    for (; tape->unstamped_uses < tape->uses.count; tape->unstamped_uses++) {
        reel__name *used = REEL__AT(tape->uses, reel__name *, tape->unstamped_uses);
        if (!used->file) used->file = file, used->line = line;
    }
}

static reel__scope *find_scope(const reel_tape *tape, const reel__scope *parent, const char *name)
{
    int64_t at = 0;
    for (reel__scope *s; (s = reel__table_next(&tape->scopes, hash_in(parent, name), &at));)
        if (s->parent == parent && strcmp(s->name, name) == 0) return s;
    return NULL;
}

static reel__scope *child_scope(reel_tape *tape, reel__scope *parent, const char *name)
{
    reel__scope *scope = find_scope(tape, parent, name);
    if (scope) return scope;
    const char *path = join(tape, parent->path, name);
    if (path && reel__table_reserve(&tape->allocator, &tape->scopes, NULL))
        scope = reel__allocate(&tape->allocator, sizeof *scope);
    if (!scope) {
        reel__out_of_memory(tape, "a scope");
        return NULL;
    }
    *scope = (reel__scope){ .parent = parent, .path = path, .name = path + strlen(path) - strlen(name) };
    reel__table_add(&tape->scopes, hash_in(parent, name), scope);
    return scope;
}

/* "a/b" is scope b in scope a, however it was opened. NULL: the error is recorded. */
static reel__scope *scope_within(reel_tape *tape, const char *name)
{
    reel__scope *scope = tape->scope;
    char part[512];
    for (const char *p = name; scope && *p;) {
        size_t length = strcspn(p, "/");
        snprintf(part, sizeof part, "%.*s", (int)length, p);
        scope = child_scope(tape, scope, part);
        p += length + (p[length] == '/');
    }
    return scope;
}

static void enter(reel_tape *tape, reel__scope *scope)
{
    if (!scope) return;
    tape->effects++;
    scope->entry = ++tape->entries;
    scope->opener = tape->scope;
    tape->scope = scope;
}

static void push(reel_tape *tape, const char *name)
{
    reel__scope *known = name ? find_scope(tape, tape->scope, name) : NULL;
    if (known) enter(tape, known);
    else if (check_name(tape, "scope_push", name)) enter(tape, scope_within(tape, name));
}

/* Ends a call whose macro gave a line beforehand: what it used and recorded has that line. */
static reel_status end_of_call(reel_tape *tape)
{
    if (tape->site_file) reel__stamp_names(tape, tape->site_file, tape->site_line);
    tape->site_file = NULL;
    return tape->recording.status;
}

reel_status(reel_scope_push)(reel_tape *tape, const char *format, ...)
{
    if (!reel__has_tape(&tape, "scope_push")) return tape->recording.status;
    if (tape->recording.status != REEL_OK) return end_of_call(tape);
    char name[256];
    va_list arguments;
    va_start(arguments, format);
    int length = format ? reel__format(name, sizeof name, format, arguments) : 0;
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof name)
        reel__fail(tape, REEL_BAD_NAME, "scope_push: a name longer than %d characters", (int)sizeof name - 1);
    else push(tape, format ? name : NULL);
    return end_of_call(tape);
}

reel_status(reel_layer_push)(reel_tape *tape, const char *name)
{
    if (!reel__has_tape(&tape, "layer_push")) return tape->recording.status;
    reel__name *used = use(tape, "layer", name);
    if (used && !used->layer) used->layer = scope_within(tape, name);
    if (used) enter(tape, used->layer);
    return end_of_call(tape);
}

reel_status(reel_scope_pop)(reel_tape *tape)
{
    if (!reel__has_tape(&tape, "scope_pop")) return tape->recording.status;
    if (tape->scope->parent) tape->scope = tape->scope->opener, tape->effects++;
    else reel__fail(tape, REEL_BAD_STATE, "scope_pop: no scope is open");
    return end_of_call(tape);
}

void reel__scopes_free(reel_tape *tape)
{
    for (int64_t i = 0; i < tape->names.capacity; i++)
        reel__release(&tape->allocator, tape->names.slots[i].item, sizeof(reel__name));
    for (int64_t i = 0; i < tape->scopes.capacity; i++)
        reel__release(&tape->allocator, tape->scopes.slots[i].item, sizeof(reel__scope));
    reel__table_free(&tape->allocator, &tape->names);
    reel__table_free(&tape->allocator, &tape->scopes);
}

/* ---- Replacing parameters ---------------------------------------------------------------------------------------- */

/* A parameter's string knows its newest replacement, and this one the one before. */
static bool replace(reel_tape *tape, const char *name, reel_tensor *by)
{
    reel__array *all = &tape->replacements;
    if (!reel__reserve(&tape->allocator, all, all->count, sizeof(reel__replacement)))
        return !reel__out_of_memory(tape, "with_push")->is_bad;
    tape->effects++;
    REEL__AT(*all, reel__replacement, all->count) = (reel__replacement){ .name = name, .by = by };
    if (name) {
        REEL__AT(*all, reel__replacement, all->count).before = reel__string_of(name)->replacement;
        reel__string_of(name)->replacement = all->count;
    }
    all->count++;
    return true;
}

reel_tensor *reel__replaced(const reel_tape *tape, const char *name)
{
    const int64_t newest = reel__string_of(name)->replacement;
    if (newest >= tape->replacements.count) return NULL; /* from before a clear, as is one of another name */
    const reel__replacement *r = &REEL__AT(tape->replacements, reel__replacement, newest);
    return r->name == name ? r->by : NULL;
}

static bool check_pair(reel_tape *tape, const reel__named *parameter, const reel__named *value)
{
    const reel_tensor *p = parameter->x, *v = value->x;
    if (!reel__usable(tape, p, "with_push: a parameter") || !reel__usable(tape, v, "with_push: a value")) return false;
    if (p->op != &reel__parameter_op)
        reel__fail(tape, REEL_BAD_ARGUMENT, "with_push: %s is no parameter", reel__node_text(p));
    else if (p->dtype != v->dtype || p->size != v->size || p->rank != v->rank)
        reel__fail(tape, REEL_BAD_SHAPE, "with_push: the parameter %s is %s %s and its value %s %s", p->name,
                   reel__dtype_name((reel_dtype)p->dtype), reel_shape_text(p), reel__dtype_name((reel_dtype)v->dtype),
                   reel_shape_text(v));
    else return true;
    return false;
}

reel_status(reel_with_push)(reel_tape *tape, const reel_list *parameters, const reel_list *values)
{
    if (!reel__has_tape(&tape, "with_push")) return tape->recording.status;
    if (!reel__list_usable(tape, parameters, "with_push: parameters") ||
        !reel__list_usable(tape, values, "with_push: values"))
        return end_of_call(tape);
    if (parameters->items.count != values->items.count)
        reel__fail(tape, REEL_BAD_ARGUMENT, "with_push: %lld parameters and %lld values",
                   (long long)parameters->items.count, (long long)values->items.count);
    bool good = tape->recording.status == REEL_OK && replace(tape, NULL, NULL);
    for (int64_t i = 0; good && i < parameters->items.count; i++) {
        const reel__named *p = &REEL__AT(parameters->items, reel__named, i),
                          *v = &REEL__AT(values->items, reel__named, i);
        good = check_pair(tape, p, v) && replace(tape, p->x->name, v->x);
    }
    return end_of_call(tape);
}

reel_status(reel_with_pop)(reel_tape *tape)
{
    if (!reel__has_tape(&tape, "with_pop")) return tape->recording.status;
    if (tape->recording.status != REEL_OK) return end_of_call(tape);
    if (tape->replacements.count == 0) reel__fail(tape, REEL_BAD_STATE, "with_pop: no reel_with_push() is open");
    tape->effects++;
    while (tape->replacements.count > 0) {
        const reel__replacement *last = &REEL__AT(tape->replacements, reel__replacement, --tape->replacements.count);
        if (!last->name) break;
        reel__string_of(last->name)->replacement = last->before;
    }
    return end_of_call(tape);
}
