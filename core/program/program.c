/* Making a program: for the plain executor memory for each value, for the planned one a plan and its steps. Giving it the
 * nodes of another recording, and reading its values after it was executed. */
#include "core/program/program.h"

#include "core/base/strided.h"
#include "core/lower/step.h"

#include <stdlib.h>
#include <string.h>

static reel_tensor *node_at(const reel__program *program, int64_t i)
{
    return REEL__AT(program->nodes, reel_tensor *, i);
}

/* ---- For the plain executor -------------------------------------------------------------------------------------- */

/* Where a value begins at or after `offset`: on a cache line, or if it is smaller than one on 16 bytes. */
static size_t aligned(const reel_tensor *x, size_t offset)
{
    size_t step = reel__value_bytes(x) < 64 ? 16 : 64;
    return (offset + step - 1) / step * step;
}

/* How many bytes all values take and how many operands there are; false: the bytes overflow. */
static bool measure(const reel__program *program, size_t *bytes, int64_t *operands)
{
    *bytes = 0, *operands = 0;
    for (int64_t i = 0; i < program->nodes.count; i++) {
        const reel_tensor *x = node_at(program, i);
        *operands += x->input_count;
        if (x->value) continue;
        if (*bytes > SIZE_MAX / 4 - reel__value_bytes(x)) return false;
        *bytes = aligned(x, *bytes) + reel__value_bytes(x);
    }
    return true;
}

static bool allocate_values(const reel_allocator *a, reel__program *program)
{
    int64_t operands;
    size_t offset = 0;
    if (!measure(program, &program->arena_size, &operands)) return false;
    if (!reel__reserve(a, &program->operands, operands, sizeof(void *))) return false;
    if (!reel__reserve(a, &program->values, program->nodes.count, sizeof(void *))) return false;
    if (!(program->arena = reel__allocate(a, program->arena_size))) return false;
    for (int64_t i = 0; i < program->nodes.count; i++) {
        const reel_tensor *x = node_at(program, i);
        if (!x->value) offset = aligned(x, offset);
        REEL__AT(program->values, void *, i) = x->value ? x->value->data : (char *)program->arena + offset;
        if (!x->value) offset += reel__value_bytes(x);
        for (int j = 0; j < x->input_count; j++)
            REEL__AT(program->operands, void *, program->operands.count++) =
                REEL__AT(program->values, void *, x->inputs[j]->index);
    }
    return true;
}

/* ---- For the planned executor ------------------------------------------------------------------------------------ */

static bool make_plan(const reel__programs *programs, const reel__program *program, reel__plan *plan)
{
    const reel__array *nodes = &program->nodes;
    if (!reel__plan_begin(plan, programs->tape, &programs->settings, nodes->items, nodes->count)) return false;
    const int64_t assigned = program->assigns ? programs->tape->assigns.count : 0;
    for (int64_t i = 0; i < program->outputs.count; i++)
        reel__plan_output(plan, REEL__AT(program->outputs, reel__program_node, i).index, i < assigned);
    return reel__plan_finish(plan);
}

static bool make_steps(const reel__programs *programs, reel__program *program, int threads)
{
    const reel_tape *tape = programs->tape;
    reel__steps *steps = program->steps = reel__allocate(&tape->allocator, sizeof *steps);
    if (!steps) return false;
    steps->threads = threads;
    return make_plan(programs, program, &steps->plan) && reel__lower(steps);
}

static void rebind_steps(const reel__program *program, reel__array *steps)
{
    for (int64_t i = 0; i < steps->count; i++) {
        reel__step *step = &REEL__AT(*steps, reel__step, i);
        if (step->kind == REEL__STEP_CALL) step->call.node = node_at(program, step->node);
    }
}

void reel__steps_release(const reel_allocator *allocator, reel__program *program)
{
    if (!program->steps) return;
    reel__steps_free(program->steps);
    reel__release(allocator, program->steps, sizeof *program->steps);
    program->steps = NULL;
}

/* ---- For both ---------------------------------------------------------------------------------------------------- */

/* The program takes the order of the last walk and gives its own array to the next walk. */
static void take_nodes(reel_tape *tape, reel__program *program, const reel__wanted *wanted)
{
    const reel__array before = program->nodes;
    program->nodes = tape->order;
    tape->order = before;
    for (int64_t i = 0; i < wanted->count; i++)
        REEL__AT(program->outputs, reel__program_node, i) =
            (reel__program_node){ wanted->outputs[i], wanted->outputs[i]->index };
    program->outputs.count = wanted->count;
    program->by_address.count = 0;
    program->computed = false;
    program->retired = tape->retired;
    program->rebound = tape->rebound;
    program->numbers = tape->numbers - 1;
}

void reel__program_rebind(reel_tape *tape, reel__program *program, const reel__wanted *wanted)
{
    take_nodes(tape, program, wanted);
    if (!program->steps) return;
    reel__plan *plan = &program->steps->plan;
    for (int64_t i = 0; i < plan->count; i++) plan->node[i].x = node_at(program, i);
    rebind_steps(program, &program->steps->list);
    rebind_steps(program, &program->steps->constants);
}

/* Counts the program as a user of its inputs' values, which are not freed while it is there. */
static bool use_inputs(reel_tape *tape, reel__program *program)
{
    for (int64_t i = 0; i < program->nodes.count; i++) {
        const reel_tensor *x = node_at(program, i);
        if (x->op != &reel__input_op) continue;
        if (!reel__reserve(&tape->allocator, &program->inputs, program->inputs.count, sizeof x->value)) return false;
        REEL__AT(program->inputs, reel__value *, program->inputs.count++) = x->value;
        if (x->value->users++ == 0) tape->read_inputs++;
    }
    return true;
}

reel__program *reel__program_new(reel__programs *programs, const reel__wanted *wanted, int threads)
{
    reel_tape *tape = programs->tape;
    const reel_allocator *a = &tape->allocator;
    reel__program *program = reel__allocate(a, sizeof *program);
    if (!program) return NULL;
    const int64_t readable = tape->options.keep_everything ? tape->order.count : wanted->count;
    bool good = reel__reserve(a, &program->outputs, wanted->count, sizeof(reel__program_node)) &&
                reel__reserve(a, &program->by_address, readable, sizeof(reel__program_node));
    if (good) {
        program->structure = programs->structure;
        programs->structure = (reel__array){ 0 };
        program->assigns = wanted->assigns;
        take_nodes(tape, program, wanted);
        good = use_inputs(tape, program) &&
               (reel__runs_plain(tape) ? allocate_values(a, program) : make_steps(programs, program, threads));
    }
    if (good) return program;
    reel__program_free(tape, program);
    return NULL;
}

void reel__program_free(reel_tape *tape, reel__program *program)
{
    const reel_allocator *a = &tape->allocator;
    for (int64_t i = 0; i < program->inputs.count; i++)
        if (--REEL__AT(program->inputs, reel__value *, i)->users == 0) tape->read_inputs--;
    reel__steps_release(a, program);
    reel__array_free(a, &program->structure, 1);
    reel__array_free(a, &program->nodes, sizeof(reel_tensor *));
    reel__array_free(a, &program->outputs, sizeof(reel__program_node));
    reel__array_free(a, &program->by_address, sizeof(reel__program_node));
    reel__array_free(a, &program->inputs, sizeof(reel__value *));
    reel__array_free(a, &program->values, sizeof(void *));
    reel__array_free(a, &program->operands, sizeof(void *));
    reel__release(a, program->arena, program->arena_size);
    reel__release(a, program, sizeof *program);
}

/* ---- Values ------------------------------------------------------------------------------------------------------ */

static int by_address(const void *a, const void *b)
{
    const uintptr_t x = (uintptr_t)((const reel__program_node *)a)->x,
                    y = (uintptr_t)((const reel__program_node *)b)->x;
    return (x > y) - (x < y);
}

static void sort_by_address(reel__program *program, bool all)
{
    reel__array *sorted = &program->by_address;
    sorted->count = all ? program->nodes.count : program->outputs.count;
    for (int64_t i = 0; i < sorted->count; i++)
        REEL__AT(*sorted, reel__program_node, i) = all ? (reel__program_node){ node_at(program, i), (int32_t)i }
                                                       : REEL__AT(program->outputs, reel__program_node, i);
    if (sorted->count) qsort(sorted->items, (size_t)sorted->count, sizeof(reel__program_node), by_address);
}

int32_t reel__program_index(const reel_tape *tape, reel__program *program, const reel_tensor *x)
{
    const reel__program_node wanted = { .x = x }, *found = NULL;
    const reel__array *sorted = &program->by_address;
    if (!sorted->count) sort_by_address(program, tape->options.keep_everything);
    if (sorted->count) found = bsearch(&wanted, sorted->items, (size_t)sorted->count, sizeof wanted, by_address);
    return found ? found->index : REEL__NONE;
}

/* In a plan the value of an output may be a view of another node's. */
void reel__program_read(const reel__program *program, int32_t index, void *data)
{
    const reel_tensor *x = node_at(program, index);
    if (!program->steps) {
        if (x->count) memcpy(data, REEL__AT(program->values, void *, index), reel__value_bytes(x));
        return;
    }
    const reel__plan *plan = &program->steps->plan;
    const reel__access *access = &plan->access[index];
    const size_t element = reel__dtype_size((reel_dtype)x->dtype);
    int64_t stride[REEL_MAX_RANK];
    reel__contiguous(x->rank, x->size, stride);
    reel__copy_strided(data, stride, plan->node[access->source].data + access->offset * (int64_t)element,
                       access->stride, element, x->rank, x->size);
}
