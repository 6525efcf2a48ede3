/* Recording a node. Nodes are hash-consed: the same op with the same inputs and attributes is the same node. Before that a
 * call is compared with the one that was made at its place in the recording before, see replay.c.
 *
 * A retired node's memory waits at the end of a long queue before it is used again, so that a stale handle is recognised
 * (docs/decisions/stale-handles.md). */
#include "core/base/random.h"
#include "core/record/tape.h"

#include <stdio.h>
#include <string.h>

enum { CHUNK = 512, QUARANTINE = 1 << 16 };

static uint64_t hash_of(const reel_op *op, reel_tensor *const *inputs, int count, const void *attr, size_t attr_size)
{
    uint64_t hash = ((uint64_t)(uintptr_t)op >> 4) * 0x9E3779B97F4A7C15u;
    for (int i = 0; i < count; i++)
        hash = (hash ^ ((uint64_t)(uintptr_t)inputs[i] >> 4)) * 0x9E3779B97F4A7C15u, hash ^= hash >> 29;
    if (attr_size) hash = reel__hash_bytes(hash, attr, attr_size);
    return hash ^ hash >> 32;
}

static void free_payload(reel_tape *tape, reel_tensor *x)
{
    if (x->inputs && x->inputs != x->inline_inputs)
        reel__release(&tape->allocator, x->inputs, (size_t)x->input_count * sizeof *x->inputs);
    reel__release(&tape->allocator, (void *)(uintptr_t)x->attr, (size_t)x->attr_size);
    x->inputs = NULL, x->attr = NULL, x->input_count = 0, x->attr_size = 0;
}

void reel__node_retire(reel_tensor *x)
{
    reel_tape *tape = x->tape;
    if (x->generation == tape->generation || !x->inputs)
        return; /* or already: a node may be in the log more than once */
    free_payload(tape, x);
    x->next_free = NULL;
    if (tape->free_last) tape->free_last->next_free = x;
    else tape->free_first = x;
    tape->free_last = x;
    tape->free_count++;
    tape->retired++;
}

static reel_tensor *new_slot(reel_tape *tape)
{
    if (tape->free_count > QUARANTINE) {
        reel_tensor *x = tape->free_first;
        tape->free_first = x->next_free;
        tape->free_count--;
        return x;
    }
    if (tape->chunks.count == 0 || tape->chunk_used == CHUNK) {
        if (!reel__reserve(&tape->allocator, &tape->chunks, tape->chunks.count, sizeof(reel_tensor *))) return NULL;
        reel_tensor *chunk = reel__allocate(&tape->allocator, CHUNK * sizeof *chunk);
        if (!chunk) return NULL;
        REEL__AT(tape->chunks, reel_tensor *, tape->chunks.count++) = chunk;
        tape->chunk_used = 0;
    }
    return &REEL__AT(tape->chunks, reel_tensor *, tape->chunks.count - 1)[tape->chunk_used++];
}

static bool of_this_recording(const void *x)
{
    return ((const reel_tensor *)x)->generation == ((const reel_tensor *)x)->tape->generation;
}

static reel_tensor *find(const reel_tape *tape, uint64_t hash, const reel_op *op, reel_tensor *const *inputs, int count,
                         const void *attr, size_t attr_size)
{
    if (op->unique) return NULL;
    int64_t at = 0;
    for (reel_tensor *x; (x = reel__table_next(&tape->nodes, hash, &at));)
        if (x->generation == tape->generation && reel__node_is(x, op, inputs, count, attr, attr_size)) return x;
    return NULL;
}

/* The node after its shape rule has run on `draft`; NULL: out of memory. */
static reel_tensor *commit(reel_tape *tape, const reel_tensor *draft, uint64_t hash)
{
    if (!reel__table_reserve(&tape->allocator, &tape->nodes, of_this_recording)) return NULL;
    const int64_t *size = reel__intern_shape(tape, draft->rank, draft->size);
    if (!size) return NULL;
    reel_tensor **inputs = NULL;
    void *attr = NULL;
    int count = draft->input_count;
    if (draft->attr_size && !(attr = reel__allocate(&tape->allocator, (size_t)draft->attr_size))) return NULL;
    if (count > REEL__INLINE_INPUTS) inputs = reel__allocate(&tape->allocator, (size_t)count * sizeof *inputs);
    reel_tensor *x = count > REEL__INLINE_INPUTS && !inputs ? NULL : new_slot(tape);
    if (!x) {
        reel__release(&tape->allocator, attr, (size_t)draft->attr_size);
        if (inputs) reel__release(&tape->allocator, inputs, (size_t)count * sizeof *inputs);
        return NULL;
    }
    *x = *draft;
    x->size = size;
    x->inputs = inputs ? inputs : x->inline_inputs;
    for (int i = 0; i < count; i++) x->inputs[i] = draft->inputs[i];
    if (attr) memcpy(attr, draft->attr, (size_t)draft->attr_size);
    x->attr = attr;
    if (!x->op->unique) reel__table_add(&tape->nodes, hash, x);
    tape->node_count++;
    if (x->op->draws) tape->draws++;
    return x;
}

static reel_tensor *log_result(reel_tape *tape, reel_tensor *x)
{
    REEL__AT(tape->log, reel_tensor *, tape->log.count++) = x;
    return x;
}

/* Whether a node can be made now, of this op; if not, the error is recorded. */
static bool recordable(reel_tape *tape, const reel_op *op, size_t attr_size)
{
    if (!reel__descriptor_good(tape, op)) return false;
    if (attr_size > INT32_MAX)
        reel__fail(tape, REEL_TOO_LARGE, "%s: an attribute of %zu bytes; at most %d are possible", op->name, attr_size,
                   INT32_MAX);
    else if (tape->draft)
        reel__fail(tape, REEL_BAD_STATE, "%s: the shape rule of %s recorded it; it may only set a shape", op->name,
                   tape->draft->op->name);
    else if (__atomic_load_n(&tape->busy, __ATOMIC_RELAXED))
        reel__fail(tape, REEL_BAD_STATE, "%s: recorded while the tape is running", op->name);
    else return true;
    return false;
}

/* Runs the shape rule; false: an error is recorded. A draw without a name of its own has that of its op. */
static bool shape_draft(reel_tape *tape, reel_tensor *draft)
{
    const reel_op *op = draft->op;
    tape->draft = draft;
    bool good = op->shape(draft);
    tape->draft = NULL;
    if (!good) reel__fail(tape, REEL_BAD_SHAPE, "%s: the shape rule refused its inputs", op->name);
    else if (draft->generation != tape->generation)
        reel__fail(tape, REEL_BAD_STATE, "%s: the shape rule cleared the tape", op->name);
    else if (!draft->size)
        reel__fail(tape, REEL_BAD_SHAPE, "%s: the shape rule set no shape (reel_set_shape)", op->name);
    else if (op->past && draft->input_count != 1)
        reel__fail(tape, REEL_BAD_ARGUMENT, "%s: .past is for an op of one input, not of %d", op->name,
                   draft->input_count);
    else if (!op->run && !draft->value) reel__fail(tape, REEL_BAD_ARGUMENT, "%s: the op has no .run", op->name);
    if (tape->recording.status != REEL_OK) return false;
    if (op->draws && !draft->name) draft->name = reel__intern(tape, op->name);
    return tape->recording.status == REEL_OK;
}

/* A node that is not answered from the recording before. */
static reel_tensor *make(reel_tape *tape, const reel_op *op, reel_tensor *const *inputs, int count, const void *attr,
                         size_t attr_size)
{
    if (!recordable(tape, op, attr_size)) return &tape->bad;
    tape->log_changes++;
    if (!reel__reserve(&tape->allocator, &tape->log, tape->log.count, sizeof(reel_tensor *)))
        return reel__out_of_memory(tape, op->name);
    uint64_t hash = hash_of(op, inputs, count, attr, attr_size);
    reel_tensor *x = find(tape, hash, op, inputs, count, attr, attr_size);
    if (x) return log_result(tape, x);
    reel_tensor draft = { .op = op,
                          .tape = tape,
                          .inputs = (reel_tensor **)(uintptr_t)inputs,
                          .attr = attr,
                          .scope = tape->origin ? tape->origin->scope : tape->scope,
                          .origin = tape->origin,
                          .generation = tape->generation,
                          .input_count = count,
                          .attr_size = (int32_t)attr_size };
    if (tape->origin) draft.file = tape->origin->file, draft.line = tape->origin->line;
    if (!shape_draft(tape, &draft)) return &tape->bad;
    x = commit(tape, &draft, hash);
    return x ? log_result(tape, x) : reel__out_of_memory(tape, op->name);
}

reel_tensor *reel__record_leaf(reel_tape *tape, const reel_op *op, const void *attr, size_t attr_size)
{
    if (tape->failed || tape->recording.status != REEL_OK) return &tape->bad;
    reel_tensor *x = reel__replay_node(tape, op, NULL, 0, attr, attr_size);
    return x ? x : make(tape, op, NULL, 0, attr, attr_size);
}

static const char *operand_text(reel_tape *tape, const reel_op *op, int index)
{
    reel__text *text = &tape->texts[tape->next_text++ % 8];
    snprintf(text->text, sizeof text->text, "%s: operand %d", op->name, index + 1);
    return text->text;
}

/* The op as it is recorded, for nearly all calls the one given; NULL: an error is recorded. */
static inline const reel_op *usable_op(reel_tape *tape, const reel_op *op, const void *attr, size_t attr_size)
{
    if ((!op || op->size != sizeof *op) && !(op = reel__whole_descriptor(tape, op))) return NULL;
    if (attr || !attr_size) return op;
    if (reel__descriptor_good(tape, op))
        reel__fail(tape, REEL_BAD_ARGUMENT, "%s: attr is NULL and attr_size is %zu", op->name, attr_size);
    return NULL;
}

reel_tensor *reel_record(const reel_op *op, reel_tensor *const *inputs, int count, const void *attr, size_t attr_size)
{
    reel_tape *tape = inputs ? reel__tape_of_all(inputs, count) : &reel__no_tape;
    if (tape->failed || tape->recording.status != REEL_OK) {
        if (tape == &reel__no_tape) reel__null_operands(reel__op_name(op, "record"), inputs, count);
        return &tape->bad;
    }
    if (!(op = usable_op(tape, op, attr, attr_size))) return &tape->bad;
    reel_tensor *x = reel__replay_node(tape, op, inputs, count, attr, attr_size);
    if (x) return x; /* its operands have come before it, here as there */
    for (int i = 0; i < count; i++)
        if (!inputs[i] || inputs[i]->is_bad || inputs[i]->tape != tape || inputs[i]->generation != tape->generation) {
            if (reel__descriptor_good(tape, op)) reel__usable(tape, inputs[i], operand_text(tape, op, i));
            return &tape->bad;
        }
    return make(tape, op, inputs, count, attr, attr_size);
}

reel_tensor *reel_record_leaf(reel_tape *tape, const reel_op *op, const void *attr, size_t attr_size)
{
    if (!reel__has_tape(&tape, reel__op_name(op, "record_leaf"))) return &tape->bad;
    if (tape->recording.status != REEL_OK || !(op = usable_op(tape, op, attr, attr_size))) return &tape->bad;
    return reel__record_leaf(tape, op, attr, attr_size);
}

static int64_t used_of(const reel_tape *tape, int64_t chunk)
{
    return chunk + 1 == tape->chunks.count ? tape->chunk_used : CHUNK;
}

void reel__nodes_forget(reel_tape *tape)
{
    static const int64_t no_size = 0;
    reel__replay_end(tape);
    for (int64_t c = 0; c < tape->chunks.count; c++)
        for (int64_t i = 0; i < used_of(tape, c); i++) {
            reel_tensor *x = &REEL__AT(tape->chunks, reel_tensor *, c)[i];
            x->name = NULL, x->scope = &tape->root, x->size = &no_size, x->rank = 0;
        }
}

void reel__nodes_free(reel_tape *tape)
{
    for (int64_t c = 0; c < tape->chunks.count; c++) {
        reel_tensor *chunk = REEL__AT(tape->chunks, reel_tensor *, c);
        for (int64_t i = 0; i < used_of(tape, c); i++) free_payload(tape, &chunk[i]);
        reel__release(&tape->allocator, chunk, CHUNK * sizeof *chunk);
    }
    reel__descriptors_free(tape);
    reel__array_free(&tape->allocator, &tape->chunks, sizeof(reel_tensor *));
    reel__table_free(&tape->allocator, &tape->nodes);
    reel__shapes_free(tape);
}
