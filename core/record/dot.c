/* The program of reel_run() as a Graphviz graph. Numbers and expansions are folded into the labels
 * of the ops that use them; forward values, gradients and updates are told apart by what depends on
 * what and by where they were recorded; scopes are frames. */
#include "core/base/random.h"
#include "core/model/file.h"
#include "core/model/json.h"
#include "core/record/tape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum part { FORWARD, GRADIENT, UPDATE } part;

/* What is known of a node of the program. */
typedef struct mark {
    part part;
    bool of_loss, of_assign; /* a loss, an assignment depends on it */
    bool is_loss, folded;    /* folded: not drawn */
    int32_t source;          /* the node that its value comes from: itself unless it is folded */
    const char *kept;        /* a name that it is kept under, or NULL */
} mark;

/* What is drawn, by part and scope. */
typedef struct item {
    part part;
    const reel_tensor *x;
} item;

typedef struct picture {
    reel_tape *tape;
    int64_t count;
    reel_tensor *const *order;
    mark *marks;
    item *items;
    int64_t item_count;
    reel__table sites; /* forward ops, by where they were recorded */
    reel__writer writer;
} picture;

static mark *mark_of(const picture *p, const reel_tensor *x) { return &p->marks[x->index]; }

/* ---- The program --------------------------------------------------------------------------- */

static bool walk_program(reel_tape *tape)
{
    reel__array outputs = { 0 };
    const bool good = reel__outputs(tape, false, &outputs) && reel__walk(tape, outputs.items, outputs.count);
    reel__array_free(&tape->allocator, &outputs, sizeof(reel_tensor *));
    return good;
}

static bool begin(picture *p)
{
    const reel_allocator *a = &p->tape->allocator;
    if (!walk_program(p->tape)) return false;
    p->order = p->tape->order.items, p->count = p->tape->order.count;
    p->marks = reel__allocate(a, (size_t)p->count * sizeof *p->marks);
    p->items = reel__allocate(a, (size_t)p->count * sizeof *p->items);
    return p->marks && p->items;
}

static void end(picture *p)
{
    const reel_allocator *a = &p->tape->allocator;
    reel__release(a, p->marks, (size_t)p->count * sizeof *p->marks);
    reel__release(a, p->items, (size_t)p->count * sizeof *p->items);
    reel__table_free(a, &p->sites);
}

/* ---- Forward, gradient, update ------------------------------------------------------------- */

/* A gradient has the scope and the line of the op that it is the gradient of; what a user or an
 * optimiser makes of gradients has others. */
static uint64_t site_of(const reel_tensor *x)
{
    const uint64_t site[3] = { (uintptr_t)x->scope, (uintptr_t)x->file, (uint64_t)x->line };
    return reel__mix(reel__hash_bytes(0xcbf29ce484222325u, site, sizeof site), 0);
}

static bool is_forward_site(const picture *p, const reel_tensor *x)
{
    int64_t at = 0;
    for (const reel_tensor *of; (of = reel__table_next(&p->sites, site_of(x), &at));)
        if (of->scope == x->scope && of->file == x->file && of->line == x->line) return true;
    return false;
}

static void find_reach(picture *p)
{
    const reel_tape *tape = p->tape;
    for (int64_t i = 0; i < tape->losses.count; i++) {
        mark *loss = mark_of(p, REEL__AT(tape->losses, const reel_tensor *, i));
        loss->is_loss = loss->of_loss = true;
    }
    for (int64_t i = 0; i < tape->assigns.count; i++)
        mark_of(p, REEL__AT(tape->assigns, const reel_tensor *, i))->of_assign = true;
    for (int64_t i = p->count; i-- > 0;)
        for (int j = 0; j < p->order[i]->input_count; j++) {
            mark *in = mark_of(p, p->order[i]->inputs[j]);
            in->of_loss |= p->marks[i].of_loss;
            in->of_assign |= p->marks[i].of_assign;
        }
}

/* Without a loss nothing is a gradient. */
static part part_of(const picture *p, const reel_tensor *x)
{
    const mark *m = mark_of(p, x);
    if (x->op == &reel__assign_op) return UPDATE;
    if (m->of_loss || p->tape->losses.count == 0) return FORWARD;
    bool later = m->of_assign;
    for (int j = 0; j < x->input_count && !later; j++)
        later = !x->inputs[j]->value && mark_of(p, x->inputs[j])->part != FORWARD;
    if (!later) return FORWARD;
    return !x->value && is_forward_site(p, x) ? GRADIENT : UPDATE;
}

static bool find_parts(picture *p)
{
    find_reach(p);
    for (int64_t i = 0; i < p->count; i++) {
        reel_tensor *x = p->order[i];
        if (!p->marks[i].of_loss || !x->input_count || is_forward_site(p, x)) continue;
        if (!reel__table_reserve(&p->tape->allocator, &p->sites, NULL)) return false;
        reel__table_add(&p->sites, site_of(x), x);
    }
    for (int64_t i = 0; i < p->count; i++) p->marks[i].part = part_of(p, p->order[i]);
    return true;
}

/* ---- What is drawn ------------------------------------------------------------------------- */

static bool is_number(const reel_tensor *x) { return x->input_count == 0 && x->op->traits && x->count == 1; }

/* An op that repeats its operand's elements, or gives them other axes of size 1. The names of these
 * two ops are known here for the eye alone. */
static bool is_expansion(const reel_tensor *x)
{
    if (x->input_count == 1 && strcmp(x->op->name, "expand") == 0) return true;
    if (x->input_count != 1 || strcmp(x->op->name, "reshape") != 0) return false;
    const reel_tensor *from = x->inputs[0];
    for (int i = 0, j = 0;; i++, j++) {
        while (i < x->rank && x->size[i] == 1) i++;
        while (j < from->rank && from->size[j] == 1) j++;
        if (i == x->rank || j == from->rank) return i == x->rank && j == from->rank;
        if (x->size[i] != from->size[j]) return false;
    }
}

static int compare_paths(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++) continue;
    return (*a == '/' ? 1 : (unsigned char)*a) - (*b == '/' ? 1 : (unsigned char)*b);
}

/* A scope's items stand together, the scopes in it after its own. */
static int by_frame(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->part != y->part) return x->part < y->part ? -1 : 1;
    const int order = compare_paths(x->x->scope->path, y->x->scope->path);
    return order ? order : x->x->index < y->x->index ? -1 : 1;
}

static void choose_items(picture *p)
{
    for (int64_t i = 0; i < p->tape->keeps.count; i++) {
        const reel__named *kept = &REEL__AT(p->tape->keeps, reel__named, i);
        mark_of(p, kept->x)->kept = kept->name;
    }
    for (int64_t i = 0; i < p->count; i++) {
        const reel_tensor *x = p->order[i];
        mark *m = &p->marks[i];
        m->folded = !m->kept && !x->readable && (is_number(x) || is_expansion(x));
        m->source = m->folded && x->input_count ? mark_of(p, x->inputs[0])->source : (int32_t)i;
        if (!m->folded) p->items[p->item_count++] = (item){ m->part, x };
    }
    if (p->item_count) qsort(p->items, (size_t)p->item_count, sizeof *p->items, by_frame);
}

/* ---- Text ---------------------------------------------------------------------------------- */

static void put(picture *p, const char *text) { reel__writer_put(&p->writer, text, strlen(text)); }

/* For the inside of a quoted string, where Graphviz knows escapes and entities. */
static void put_escaped(picture *p, const char *text)
{
    const char *end = text + strlen(text);
    while (text < end) {
        int length = reel__utf8_length(text, end);
        if (length == 0 || (unsigned char)*text < ' ' || *text == 127) put(p, "?"), length = 1;
        else if (*text == '"' || *text == '\\') reel__writer_print(&p->writer, "\\%c", *text);
        else if (*text == '&') put(p, "&amp;");
        else reel__writer_put(&p->writer, text, (size_t)length);
        text += length;
    }
}

/* The value of a number, with a point whatever the locale. */
static void put_number(picture *p, const reel_tensor *x)
{
    float f32 = 0;
    double f64 = 0;
    int32_t i32 = 0;
    char text[40], *c = text;
    void *value = x->dtype == REEL_F32 ? (void *)&f32 : x->dtype == REEL_F64 ? (void *)&f64 : &i32;
    if (x->op->run) x->op->run(&(reel_call){ .node = x, .y = value });
    snprintf(text, sizeof text, "%.*g", x->dtype == REEL_I32 ? 10 : 6, (double)f32 + f64 + i32);
    while (*(c += strspn(c, "0123456789.+-einfa"))) *c = '.';
    put(p, text);
}

static const reel_tensor *source_of(const picture *p, const reel_tensor *x, int input)
{
    return p->order[mark_of(p, x->inputs[input])->source];
}

/* Whether an operand is written out instead of drawn as an edge: numbers, and leaves that stand in
 * another part of the picture. */
static bool is_written(const picture *p, const reel_tensor *x, const reel_tensor *from)
{
    const mark *m = mark_of(p, from);
    return m->folded || (from->value && m->part != mark_of(p, x)->part);
}

static void put_operand(picture *p, const reel_tensor *x, int input)
{
    const reel_tensor *from = source_of(p, x, input);
    if (!is_written(p, x, from)) put(p, "·");
    else if (from->value) put_escaped(p, from->name);
    else put_number(p, from);
}

/* "mul(·, 0.5)", or "mul" if all operands are edges. */
static void put_call(picture *p, const reel_tensor *x)
{
    bool any = false;
    for (int j = 0; j < x->input_count; j++) any |= is_written(p, x, source_of(p, x, j));
    put_escaped(p, x->op->name);
    for (int j = 0; any && j < x->input_count; j++) put(p, j ? ", " : "("), put_operand(p, x, j);
    if (any) put(p, ")");
}

static void put_label(picture *p, const reel_tensor *x)
{
    const mark *m = mark_of(p, x);
    if (m->kept || m->is_loss) put_escaped(p, m->kept ? m->kept : "loss"), put(p, "\\n");
    if (x->op == &reel__assign_op) {
        put_escaped(p, x->inputs[0]->name), put(p, " ← ");
        if (is_written(p, x, source_of(p, x, 1))) put_operand(p, x, 1);
    } else if (x->name) put_escaped(p, x->name);
    else put_call(p, x);
    reel__text shape;
    put(p, "\\n");
    put(p, reel__shape_text(&shape, x->rank, x->size));
    put(p, x->dtype == REEL_F32 ? "" : x->dtype == REEL_F64 ? " f64" : " i32");
}

/* ---- The graph ----------------------------------------------------------------------------- */

static const char *style_of(const picture *p, const reel_tensor *x)
{
    if (x->op == &reel__input_op) return "shape=ellipse fillcolor=white color=\"#3b6ea5\"";
    if (x->op == &reel__parameter_op) return "shape=hexagon fillcolor=\"#fff6bf\" color=\"#a58a1b\"";
    if (x->op == &reel__state_op) return "shape=cylinder fillcolor=\"#efe3f5\" color=\"#7d4f96\"";
    if (x->op->draws) return "shape=diamond fillcolor=\"#eeeeee\" color=\"#777777\"";
    const part of = mark_of(p, x)->part;
    return of == FORWARD    ? "fillcolor=\"#dce9f7\" color=\"#3b6ea5\""
           : of == GRADIENT ? "fillcolor=\"#fbe5d0\" color=\"#c46a1b\""
                            : "fillcolor=\"#dff0dc\" color=\"#4a8f3f\"";
}

static void put_node(picture *p, const reel_tensor *x)
{
    reel__writer_print(&p->writer, "n%ld [label=\"", (long)x->index);
    put_label(p, x);
    reel__writer_print(&p->writer, "\" %s", style_of(p, x));
    if (x->readable) put(p, " peripheries=2");
    if (x->op == &reel__assign_op) put(p, " penwidth=2");
    if (x->file) {
        put(p, " tooltip=\"");
        put_escaped(p, x->file);
        reel__writer_print(&p->writer, ":%ld\"", (long)x->line);
    }
    put(p, "]\n");
}

/* How far two paths are the same, in whole names. */
static size_t common_length(const char *a, const char *b)
{
    size_t common = 0;
    for (size_t i = 0;; i++) {
        if ((!a[i] || a[i] == '/') && (!b[i] || b[i] == '/')) common = i;
        if (a[i] != b[i] || !a[i]) return common;
    }
}

/* Closes the frames of a path as far as they are not those of the next one, and opens its. */
static void change_frame(picture *p, part of, const char *from, const char *to, long *frames)
{
    static const char *const suffix[] = { "", ", gradients", ", updates" };
    const size_t common = *from && *to ? common_length(from, to) : 0;
    for (const char *c = from + common; *c; c++)
        if (*c == '/' || c == from) put(p, "}\n");
    for (const char *c = to + common; *c;) {
        char name[600] = "";
        c += *c == '/';
        memcpy(name, c, strcspn(c, "/"));
        c += strlen(name);
        reel__writer_print(&p->writer, "subgraph cluster%ld {\nlabel=\"", (*frames)++);
        put_escaped(p, name);
        reel__writer_print(&p->writer, "%s\"\n", suffix[of]);
    }
}

static void put_nodes(picture *p)
{
    const char *path = "";
    part last = FORWARD;
    long frames = 0; /* so far */
    for (const item *next = p->items; next < p->items + p->item_count; next++) {
        if (next->part != last) change_frame(p, last, path, "", &frames), path = "";
        change_frame(p, next->part, path, next->x->scope->path, &frames);
        path = next->x->scope->path, last = next->part;
        put_node(p, next->x);
    }
    change_frame(p, last, path, "", &frames);
}

static void put_edges(picture *p, const reel_tensor *x)
{
    for (int j = x->op == &reel__assign_op ? 1 : 0; j < x->input_count; j++) {
        const reel_tensor *from = source_of(p, x, j);
        const part of = mark_of(p, from)->part, to = mark_of(p, x)->part;
        if (is_written(p, x, from)) continue;
        reel__writer_print(&p->writer, "n%ld -> n%ld", (long)from->index, (long)x->index);
        put(p, of == FORWARD && to != of ? " [color=\"#aaaaaa\" style=dashed weight=0]\n" : "\n");
    }
}

static void put_graph(picture *p)
{
    put(p, "digraph reel {\n"
           "graph [fontname=\"Helvetica\" fontsize=11 fontcolor=\"#555555\" color=\"#cccccc\" "
           "style=rounded nodesep=0.25 ranksep=0.3 labeljust=l\n"
           "label=<<table border=\"0\" cellspacing=\"6\" cellpadding=\"3\"><tr>"
           "<td bgcolor=\"#dce9f7\">forward</td><td bgcolor=\"#fbe5d0\">gradients</td>"
           "<td bgcolor=\"#dff0dc\">updates</td><td>double border: can be read</td>"
           "</tr></table>>]\n"
           "node [fontname=\"Helvetica\" fontsize=11 shape=box style=\"rounded,filled\" height=0.3 "
           "margin=\"0.12,0.05\"]\n"
           "edge [color=\"#666666\" arrowsize=0.6]\n");
    put_nodes(p);
    for (int64_t i = 0; i < p->count; i++)
        if (!p->marks[i].folded) put_edges(p, p->order[i]);
    put(p, "}\n");
}

reel_status reel_tape_write_dot(reel_tape *tape, const char *path)
{
    if (!tape || tape->failed) return reel__status_without(tape);
    if (tape->recording.status != REEL_OK) return tape->recording.status;
    reel__error_begin(&tape->running);
    reel__shown_path shown;
    picture p = { .tape = tape };
    const bool good = begin(&p) && find_parts(&p);
    if (good && p.count) choose_items(&p);
    if (good && p.count && reel__writer_open(&p.writer, path)) put_graph(&p);
    end(&p);
    if (!good) return reel__run_fail(tape, REEL_OUT_OF_MEMORY, "tape_write_dot: out of memory");
    if (!p.count)
        return reel__run_fail(tape, REEL_BAD_STATE,
                              "tape_write_dot: the tape computes nothing: no result, nothing kept or assigned");
    if (reel__writer_close(&p.writer)) return REEL_OK;
    return reel__run_fail(tape, REEL_BAD_FILE, "tape_write_dot: %s: %s", reel__show_path(&shown, path),
                          p.writer.reason);
}
