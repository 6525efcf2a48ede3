/* Preparing a program for the plain executor: order, and a place for each value. */
#include "core/run/program.h"

#include "core/base/random.h"
#include "core/base/strided.h"
#include "core/run/step.h"

#include <string.h>

static bool is_leaf_value(const reel_tensor *x)
{
    return x->value != NULL;
}

static size_t value_bytes(const reel_tensor *x)
{
    return (size_t)x->count * reel__dtype_size((reel_dtype)x->dtype);
}

/* Where a value begins at or after `offset`: on a cache line, or if it is smaller than one on 16 bytes. */
static size_t aligned(const reel_tensor *x, size_t offset)
{
    size_t step = value_bytes(x) < 64 ? 16 : 64;
    return (offset + step - 1) / step * step;
}

static void *plain_value(const reel__program *program, const reel_tensor *x)
{
    if (x->index < 0 || x->index >= program->nodes.count) return NULL;
    return REEL__AT(program->nodes, reel_tensor *, x->index) == x ? REEL__AT(program->values, void *, x->index) : NULL;
}

/* An output of a plan may be somebody else's value, seen through strides. */
static bool planned_read(const reel__plan *plan, const reel_tensor *x, void *data)
{
    if (x->index < 0 || x->index >= plan->count || plan->node[x->index].x != x) return false;
    const reel__access *access = &plan->access[x->index];
    const reel__planned *source = &plan->node[access->source];
    int64_t stride[REEL_MAX_RANK];
    size_t element = reel__dtype_size((reel_dtype)x->dtype);
    if (!source->data || !(plan->node[x->index].output || source->role == REEL__CONSTANT)) return false;
    reel__contiguous(x->rank, x->size, stride);
    reel__copy_strided(data, stride, source->data + access->offset * (int64_t)element, access->stride, element, x->rank, x->size);
    return true;
}

bool reel__program_read(const reel__program *program, const reel_tensor *x, void *data)
{
    if (program->steps) return planned_read(&program->steps->plan, x, data);
    const void *value = plain_value(program, x);
    if (value && x->count) memcpy(data, value, value_bytes(x));
    return value != NULL;
}

/* Draws of one name in several entries of a scope are told apart by the order of the walk, not of recording. */
static bool number_draws(reel_tape *tape, const reel__program *program)
{
    reel__array draws = { 0 };
    bool good = true;
    for (int64_t i = 0; good && i < program->nodes.count; i++) {
        reel_tensor *x = REEL__AT(program->nodes, reel_tensor *, i);
        if (!x->op->draws) continue;
        int32_t entry = 1;
        for (int64_t k = 0; k < draws.count; k++) {
            const reel_tensor *other = REEL__AT(draws, reel_tensor *, k);
            if (other->name == x->name && other->entry >= entry) entry = other->entry + 1;
        }
        if (!x->entry) x->entry = entry; /* else it was numbered by an earlier walk */
        good = reel__reserve(&tape->allocator, &draws, draws.count, sizeof x);
        if (good) REEL__AT(draws, reel_tensor *, draws.count++) = x;
    }
    reel__array_free(&tape->allocator, &draws, sizeof(reel_tensor *));
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

void reel__program_free(reel_tape *tape)
{
    reel__program *program = tape->program;
    if (!program) return;
    const reel_allocator *a = &tape->allocator;
    reel__steps_release(tape, program);
    reel__array_free(a, &program->nodes, sizeof(reel_tensor *));
    reel__array_free(a, &program->outputs, sizeof(reel_tensor *));
    reel__array_free(a, &program->values, sizeof(void *));
    reel__array_free(a, &program->scratch, sizeof(void *));
    reel__release(a, program->arena, program->arena_size);
    reel__release(a, program, sizeof *program);
    tape->program = NULL;
}

static bool copy_outputs(reel_tape *tape, reel__program *program, int64_t count, reel_tensor *const *outputs)
{
    if (!reel__reserve(&tape->allocator, &program->outputs, count, sizeof *outputs)) return false;
    for (int64_t i = 0; i < count; i++) REEL__AT(program->outputs, reel_tensor *, i) = outputs[i];
    program->outputs.count = count;
    return true;
}

/* A node never changes, so a program for the same outputs is the same program, as long as none of its nodes is gone. */
static bool is_for(const reel_tape *tape, const reel__program *program, int64_t count, reel_tensor *const *outputs)
{
    if (!program || program->retired != tape->retired || program->outputs.count != count) return false;
    for (int64_t i = 0; i < count; i++)
        if (REEL__AT(program->outputs, reel_tensor *, i) != outputs[i]) return false;
    return true;
}

bool reel__program_prepare(reel_tape *tape, int64_t count, reel_tensor *const *outputs)
{
    if (is_for(tape, tape->program, count, outputs)) return true;
    reel__program_free(tape);
    reel__program *program = reel__allocate(&tape->allocator, sizeof *program);
    if (!program) return false;
    tape->program = program;
    tape->program_free = reel__program_free;
    program->retired = tape->retired;
    bool good = reel__walk(tape, count, outputs);
    if (good) {
        program->nodes = tape->order; /* the walk begins a new array next time */
        tape->order = (reel__array){ 0 };
        good = copy_outputs(tape, program, count, outputs) && number_draws(tape, program);
        bool plain = tape->options.keep_everything || tape->options.checked || tape->plain;
        if (good) good = plain ? place_values(tape, program) : reel__steps_prepare(tape, program);
    }
    if (!good) reel__program_free(tape);
    return good;
}
