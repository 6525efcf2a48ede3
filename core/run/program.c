/* Preparing a program for the plain executor: order, and a place for each value. */
#include "core/run/program.h"

#include "core/base/random.h"
#include "core/base/strided.h"
#include "core/lower/step.h"

#include <stdlib.h>
#include <string.h>

static bool is_leaf_value(const reel_tensor *x) { return x->value != NULL; }

static size_t value_bytes(const reel_tensor *x) { return (size_t)x->count * reel__dtype_size((reel_dtype)x->dtype); }

/* Where a value begins at or after `offset`: on a cache line, or if it is smaller than one on 16 bytes. */
static size_t aligned(const reel_tensor *x, size_t offset)
{
    size_t step = value_bytes(x) < 64 ? 16 : 64;
    return (offset + step - 1) / step * step;
}

static void *plain_value(const reel__program *program, const reel_tensor *x, int32_t place)
{
    if (place >= program->nodes.count || REEL__AT(program->nodes, reel_tensor *, place) != x) return NULL;
    return REEL__AT(program->values, void *, place);
}

/* An output of a plan may be somebody else's value, seen through strides. */
static bool planned_read(const reel__plan *plan, const reel_tensor *x, int32_t place, void *data)
{
    if (place >= plan->count || plan->node[place].x != x) return false;
    const reel__access *access = &plan->access[place];
    const reel__planned *source = &plan->node[access->source];
    int64_t stride[REEL_MAX_RANK];
    size_t element = reel__dtype_size((reel_dtype)x->dtype);
    if (!source->data || !(reel__is_output(&plan->node[place]) || source->role == REEL__CONSTANT)) return false;
    reel__contiguous(x->rank, x->size, stride);
    reel__copy_strided(data, stride, source->data + access->offset * (int64_t)element, access->stride, element, x->rank,
                       x->size);
    return true;
}

static bool read_place(const reel__program *program, const reel_tensor *x, int32_t place, void *data)
{
    if (program->steps) return planned_read(&program->steps->plan, x, place, data);
    const void *value = plain_value(program, x, place);
    if (value && x->count) memcpy(data, value, value_bytes(x));
    return value != NULL;
}

bool reel__program_read(const reel__program *program, const reel_tensor *x, void *data)
{
    return read_place(program, x, x->place, data);
}

static int by_address(const void *a, const void *b)
{
    const uintptr_t x = (uintptr_t)((const reel__placed *)a)->x, y = (uintptr_t)((const reel__placed *)b)->x;
    return (x > y) - (x < y);
}

static void set_places(const reel__program *program)
{
    for (int64_t k = 0; k < program->nodes.count; k++) REEL__AT(program->nodes, reel_tensor *, k)->place = (int32_t)k;
}

static const reel__placed *find_output(const reel_tape *tape, reel__program *program, const reel_tensor *x)
{
    const int64_t count = program->outputs.count;
    if (program->placed.count != count) {
        set_places(program);
        for (int64_t i = 0; i < count; i++) {
            const reel_tensor *output = REEL__AT(program->outputs, reel_tensor *, i);
            REEL__AT(program->placed, reel__placed, i) = (reel__placed){ output, output->place };
        }
        if (count) qsort(program->placed.items, (size_t)count, sizeof(reel__placed), by_address);
        program->placed.count = count;
        set_places(tape->program);
    }
    const reel__placed wanted = { .x = x };
    return count ? bsearch(&wanted, program->placed.items, (size_t)count, sizeof wanted, by_address) : NULL;
}

bool reel__has_output(const reel_tape *tape, reel__program *program, const reel_tensor *x)
{
    return find_output(tape, program, x) != NULL;
}

bool reel__read_output(const reel_tape *tape, reel__program *program, const reel_tensor *x, void *data)
{
    const reel__placed *placed = find_output(tape, program, x);
    return placed && read_place(program, x, placed->place, data);
}

/* Outputs in an order that does not depend on recording: assignments by the name of their target, then what is kept by its
 * name, then losses, then results. */
static int by_name(const void *a, const void *b)
{
    const reel__named *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static bool add_sorted(reel_tape *tape, reel__array *all, reel_tensor *x, const char *name)
{
    if (!reel__reserve(&tape->allocator, all, all->count, sizeof(reel__named))) return false;
    REEL__AT(*all, reel__named, all->count++) = (reel__named){ name, x };
    return true;
}

static void sort_from(reel__array *all, int64_t from)
{
    if (all->count > from)
        qsort(&REEL__AT(*all, reel__named, from), (size_t)(all->count - from), sizeof(reel__named), by_name);
}

static bool ordered_outputs(reel_tape *tape, reel__array *all)
{
    bool good = true;
    for (int64_t i = 0; good && i < tape->assigns.count; i++) {
        reel_tensor *y = REEL__AT(tape->assigns, reel_tensor *, i);
        good = add_sorted(tape, all, y, y->inputs[0]->name);
    }
    sort_from(all, 0);
    int64_t keeps = all->count;
    for (int64_t i = 0; good && i < tape->keeps.count; i++)
        good =
            add_sorted(tape, all, REEL__AT(tape->keeps, reel__named, i).x, REEL__AT(tape->keeps, reel__named, i).name);
    sort_from(all, keeps);
    for (int64_t i = 0; good && i < tape->losses.count; i++)
        good = add_sorted(tape, all, REEL__AT(tape->losses, reel_tensor *, i), "");
    good = good && reel__results(tape);
    for (int64_t i = 0; good && i < tape->results.count; i++)
        good = add_sorted(tape, all, REEL__AT(tape->results, reel__result, i).x, "");
    return good;
}

/* Draws of one name stand together, in the order of the last walk. */
static int by_draw(const void *a, const void *b)
{
    const reel_tensor *x = *(reel_tensor *const *)a, *y = *(reel_tensor *const *)b;
    if (x->name != y->name) return (uintptr_t)x->name < (uintptr_t)y->name ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* Numbers the draws of one name in the order of the last walk, those that have no number yet after the one before. */
static bool number_in_order(reel_tape *tape)
{
    reel__array draws = { 0 };
    bool good = true;
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
        if (!x->entry) x->entry = before && before->name == x->name ? before->entry + 1 : 1;
    }
    reel__array_free(&tape->allocator, &draws, sizeof(reel_tensor *));
    return good;
}

/* Draws of one name in several entries of a scope are told apart by their order in the whole program, walked from the
 * outputs that no other depends on: not by the order of recording, nor by what is evaluated. */
static bool number_draws(reel_tape *tape, int64_t count, reel_tensor *const *outputs)
{
    reel__array all = { 0 }, roots = { 0 };
    for (int64_t i = 0; i < tape->log.count; i++) REEL__AT(tape->log, reel_tensor *, i)->entry = 0;
    bool good = ordered_outputs(tape, &all);
    for (int64_t i = 0; good && i < all.count; i++) {
        good = reel__reserve(&tape->allocator, &roots, roots.count, sizeof(reel_tensor *));
        if (good) REEL__AT(roots, reel_tensor *, roots.count++) = REEL__AT(all, reel__named, i).x;
    }
    good = good && reel__walk(tape, roots.items, roots.count);
    if (good) { /* leave out roots that another depends on */
        uint32_t inner = ++tape->walk;
        for (int64_t i = 0; i < tape->order.count; i++) {
            const reel_tensor *x = REEL__AT(tape->order, reel_tensor *, i);
            for (int j = 0; j < x->input_count; j++) x->inputs[j]->mark = inner;
        }
        int64_t n = 0;
        for (int64_t i = 0; i < roots.count; i++)
            if (REEL__AT(roots, reel_tensor *, i)->mark != inner)
                REEL__AT(roots, reel_tensor *, n++) = REEL__AT(roots, reel_tensor *, i);
        good = reel__walk(tape, roots.items, n);
    }
    good = good && number_in_order(tape);
    for (int64_t i = 0; good && i < count; i++) { /* and those that only an evaluation needs */
        good = reel__reserve(&tape->allocator, &roots, roots.count, sizeof(reel_tensor *));
        if (good) REEL__AT(roots, reel_tensor *, roots.count++) = outputs[i];
    }
    good = good && reel__walk(tape, roots.items, roots.count);
    good = good && number_in_order(tape);
    reel__array_free(&tape->allocator, &all, sizeof(reel__named));
    reel__array_free(&tape->allocator, &roots, sizeof(reel_tensor *));
    return good;
}

static bool place_values(reel_tape *tape, reel__program *program)
{
    int64_t n = program->nodes.count, inputs = 1;
    size_t total = 0;
    for (int64_t i = 0; i < n; i++) {
        const reel_tensor *x = REEL__AT(program->nodes, reel_tensor *, i);
        if (x->input_count > inputs) inputs = x->input_count;
        if (is_leaf_value(x)) continue;
        if (total > SIZE_MAX / 4 - value_bytes(x)) return false;
        total = aligned(x, total) + value_bytes(x);
    }
    if (!reel__reserve(&tape->allocator, &program->scratch, inputs - 1, sizeof(void *))) return false;
    if (!reel__reserve(&tape->allocator, &program->values, n, sizeof(void *))) return false;
    if (!(program->arena = reel__allocate(&tape->allocator, total))) return false;
    program->arena_size = total;
    size_t offset = 0;
    for (int64_t i = 0; i < n; i++) {
        const reel_tensor *x = REEL__AT(program->nodes, reel_tensor *, i);
        if (is_leaf_value(x)) {
            REEL__AT(program->values, void *, i) = x->value->data;
            continue;
        }
        offset = aligned(x, offset);
        REEL__AT(program->values, void *, i) = (char *)program->arena + offset;
        offset += value_bytes(x);
    }
    return true;
}

/* The inputs of a program stay as long as it does. */
static bool use_inputs(reel_tape *tape, reel__program *program)
{
    for (int64_t i = 0; i < program->nodes.count; i++) {
        const reel_tensor *x = REEL__AT(program->nodes, reel_tensor *, i);
        if (x->op != &reel__input_op) continue;
        if (!reel__reserve(&tape->allocator, &program->inputs, program->inputs.count, sizeof x->value)) return false;
        REEL__AT(program->inputs, reel__value *, program->inputs.count++) = x->value;
        if (x->value->users++ == 0) tape->read_inputs++;
    }
    return true;
}

static void free_program(reel_tape *tape, reel__program *program)
{
    const reel_allocator *a = &tape->allocator;
    for (int64_t i = 0; i < program->inputs.count; i++)
        if (--REEL__AT(program->inputs, reel__value *, i)->users == 0) tape->read_inputs--;
    reel__array_free(a, &program->inputs, sizeof(reel__value *));
    reel__steps_release(tape, program);
    reel__array_free(a, &program->structure, 1);
    reel__array_free(a, &program->nodes, sizeof(reel_tensor *));
    reel__array_free(a, &program->outputs, sizeof(reel_tensor *));
    reel__array_free(a, &program->placed, sizeof(reel__placed));
    reel__array_free(a, &program->values, sizeof(void *));
    reel__array_free(a, &program->scratch, sizeof(void *));
    reel__release(a, program->arena, program->arena_size);
    reel__release(a, program, sizeof *program);
}

static reel__program *program_at(const reel_tape *tape, int64_t i)
{
    return REEL__AT(tape->programs, reel__program *, i);
}

static void free_from(reel_tape *tape, int64_t first)
{
    while (tape->programs.count > first) free_program(tape, program_at(tape, --tape->programs.count));
}

static void free_programs(reel_tape *tape)
{
    free_from(tape, 0);
    tape->program = NULL;
    reel__array_free(&tape->allocator, &tape->programs, sizeof(reel__program *));
    reel__array_free(&tape->allocator, &tape->structure, 1);
}

static bool copy_outputs(reel_tape *tape, reel__program *program, int64_t count, reel_tensor *const *outputs)
{
    if (!reel__reserve(&tape->allocator, &program->outputs, count, sizeof *outputs)) return false;
    if (!reel__reserve(&tape->allocator, &program->placed, count, sizeof(reel__placed))) return false;
    for (int64_t i = 0; i < count; i++) REEL__AT(program->outputs, reel_tensor *, i) = outputs[i];
    program->outputs.count = count;
    return true;
}

/* A node never changes, so a program for the same outputs is the same program, as long as none of its nodes is gone. */
static bool is_for(const reel_tape *tape, const reel__program *program, bool assigns, int64_t count,
                   reel_tensor *const *outputs)
{
    if (!program || program->retired != tape->retired || program->rebound != tape->rebound ||
        program->assigns != assigns || program->outputs.count != count)
        return false;
    for (int64_t i = 0; i < count; i++)
        if (REEL__AT(program->outputs, reel_tensor *, i) != outputs[i]) return false;
    return true;
}

/* The i-th program is the tape's from now on: the nodes' places are those in it. */
static void choose(reel_tape *tape, int64_t i)
{
    reel__program *program = program_at(tape, i);
    for (; i > 0; i--) REEL__AT(tape->programs, reel__program *, i) = program_at(tape, i - 1);
    REEL__AT(tape->programs, reel__program *, 0) = program;
    tape->program = program;
    set_places(program);
}

/* Without the program that could not be prepared; an evaluation on demand leaves the run's values where they are. */
static void drop_failed(reel_tape *tape)
{
    if (!tape->on_demand || !tape->programs.count) {
        free_programs(tape);
        return;
    }
    if (!program_at(tape, 0)->execution) {
        free_program(tape, program_at(tape, 0));
        for (int64_t i = 1; i < tape->programs.count; i++)
            REEL__AT(tape->programs, reel__program *, i - 1) = program_at(tape, i);
        tape->programs.count--;
    }
    tape->program = NULL;
    if (tape->programs.count) choose(tape, 0);
}

/* The same for one that has just got its nodes and leaves. */
static void choose_new(reel_tape *tape, int64_t i)
{
    program_at(tape, i)->retired = tape->retired;
    program_at(tape, i)->rebound = tape->rebound;
    choose(tape, i);
}

static bool choose_same_structure(reel_tape *tape, int64_t count, reel_tensor *const *outputs)
{
    const reel__array *s = &tape->structure;
    for (int64_t i = 0; s->count && i < tape->programs.count; i++) {
        reel__program *program = program_at(tape, i);
        if (program->structure.count != s->count || memcmp(program->structure.items, s->items, (size_t)s->count) != 0)
            continue;
        const reel__array before = program->nodes;
        program->nodes = tape->order;
        tape->order = before;
        for (int64_t k = 0; k < count; k++) REEL__AT(program->outputs, reel_tensor *, k) = outputs[k];
        program->placed.count = 0;
        if (program->steps) reel__steps_rebind(program);
        program->computed = false;
        program->numbers = tape->numbers - 1;
        choose_new(tape, i);
        return true;
    }
    return false;
}

/* How many programs a tape keeps, and how many bytes of values those have together that are not in use: planning takes no
 * time beside what a program takes that is larger. */
enum { MOST_PROGRAMS = 8, MOST_BYTES = 1 << 28 };

static void make_room(reel_tape *tape)
{
    size_t bytes = 0;
    int64_t kept = tape->on_demand; /* what the run has computed stays to be read */
    for (; kept < tape->programs.count && kept < MOST_PROGRAMS - 1; kept++) {
        const reel__program *program = program_at(tape, kept);
        bytes += program->steps ? reel__steps_bytes(program->steps) : program->arena_size;
        if (bytes > MOST_BYTES) break;
    }
    free_from(tape, kept);
}

/* A new program for the last walk, whose structure it takes. */
static bool make_program(reel_tape *tape, bool assigns, bool plain, int64_t count, reel_tensor *const *outputs)
{
    make_room(tape);
    if (!reel__reserve(&tape->allocator, &tape->programs, tape->programs.count, sizeof(reel__program *))) return false;
    reel__program *program = reel__allocate(&tape->allocator, sizeof *program);
    if (!program) return false;
    REEL__AT(tape->programs, reel__program *, tape->programs.count++) = program;
    program->structure = tape->structure;
    program->nodes = tape->order; /* the walk begins a new array next time */
    tape->structure = tape->order = (reel__array){ 0 };
    program->assigns = assigns;
    choose_new(tape, tape->programs.count - 1);
    tape->plans++;
    return copy_outputs(tape, program, count, outputs) && use_inputs(tape, program) &&
           (plain ? place_values(tape, program) : reel__steps_prepare(tape, program));
}

static bool prepare(reel_tape *tape, bool assigns, int64_t count, reel_tensor *const *outputs)
{
    bool plain = tape->options.keep_everything || tape->options.checked || tape->plain;
    if (tape->draws && !number_draws(tape, count, outputs)) return false;
    if (!reel__walk(tape, outputs, count) || !reel__structure(tape, assigns, plain, count, outputs)) return false;
    return choose_same_structure(tape, count, outputs) || make_program(tape, assigns, plain, count, outputs);
}

bool reel__program_prepare(reel_tape *tape, bool assigns, int64_t count, reel_tensor *const *outputs)
{
    if (is_for(tape, tape->program, assigns, count, outputs)) return true;
    tape->program_free = free_programs;
    for (int64_t i = 0; !tape->draws && i < tape->programs.count;
         i++) /* draws are numbered for one program at a time */
        if (is_for(tape, program_at(tape, i), assigns, count, outputs)) {
            choose(tape, i);
            return true;
        }
    bool good = prepare(tape, assigns, count, outputs);
    if (!good) drop_failed(tape);
    return good;
}
