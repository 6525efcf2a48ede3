/* Shapes: one copy for all nodes of a tape that have it, how a shape rule sets one, and what can be asked of a tensor. */
#include "core/base/random.h"
#include "core/record/tape.h"

#include <stdio.h>
#include <string.h>

/* A shared shape is a block of int64: rank first. Nodes point behind the rank. */
const int64_t *reel__intern_shape(reel_tape *tape, int rank, const int64_t *size)
{
    const size_t bytes = (size_t)rank * sizeof *size;
    const uint64_t hash = reel__mix(reel__hash_bytes(0xcbf29ce484222325u + (uint64_t)rank, size, bytes), 0);
    int64_t at = 0, *s;
    while ((s = reel__table_next(&tape->shapes, hash, &at)))
        if (s[0] == rank && memcmp(s + 1, size, bytes) == 0) return s + 1;
    if (!reel__table_reserve(&tape->allocator, &tape->shapes, NULL)) return NULL;
    if (!(s = reel__allocate(&tape->allocator, bytes + sizeof *s))) return NULL;
    s[0] = rank;
    for (int i = 0; i < rank; i++) s[i + 1] = size[i];
    reel__table_add(&tape->shapes, hash, s);
    return s + 1;
}

void reel__shapes_free(reel_tape *tape)
{
    for (int64_t i = 0; i < tape->shapes.capacity; i++) {
        int64_t *s = tape->shapes.slots[i].item;
        if (s) reel__release(&tape->allocator, s, (size_t)(s[0] + 1) * sizeof *s);
    }
    reel__table_free(&tape->allocator, &tape->shapes);
}

bool reel_set_shape(reel_tensor *y, reel_dtype dtype, int rank, const int64_t *size)
{
    reel__text text;
    if (!y || y->tape->failed) return false;
    if (y != y->tape->draft) {
        reel__fail(y->tape, REEL_BAD_STATE, "set_shape: %s is not the tensor that a shape rule is running for",
                   reel_is_bad(y) ? "a bad tensor" : reel__node_text(y));
        return false;
    }
    if ((unsigned)dtype > REEL_I32) return reel_fail_shape(y, REEL_BAD_DTYPE, "%d is no dtype", (int)dtype);
    if (rank > 0 && !size) return reel_fail_shape(y, REEL_BAD_SHAPE, "the sizes of %d dimensions are NULL", rank);
    if (rank < 0 || rank > REEL_MAX_RANK)
        return reel_fail_shape(y, REEL_BAD_SHAPE, "%d dimensions; at most %d are possible", rank, REEL_MAX_RANK);
    for (int i = 0; i < rank; i++)
        if (size[i] < 0)
            return reel_fail_shape(y, REEL_BAD_SHAPE, "a size is negative: %s", reel__shape_text(&text, rank, size));
    if (!reel__shape_count(rank, size, &y->count))
        return reel_fail_shape(y, REEL_TOO_LARGE, "the number of bytes of %s overflows",
                               reel__shape_text(&text, rank, size));
    y->dtype = (uint8_t)dtype;
    y->rank = (uint8_t)rank;
    for (int i = 0; i < rank; i++) y->tape->scratch_size[i] = size[i];
    y->size = y->tape->scratch_size;
    return true;
}

bool reel_fail_shape(reel_tensor *y, reel_status status, const char *format, ...)
{
    char message[600];
    if (!y || y->tape->failed) return false;
    if ((unsigned)status >= REEL_STATUS_COUNT || status == REEL_OK) status = REEL_BAD_ARGUMENT;
    va_list arguments;
    va_start(arguments, format);
    reel__format(message, sizeof message, format ? format : "the shape rule refused its inputs", arguments);
    va_end(arguments);
    reel__fail(y->tape, status, "%s: %s", y->is_bad ? "fail_shape" : y->op->name, message);
    return false;
}

const char *reel_shape_text(const reel_tensor *x)
{
    if (reel_is_bad(x) || !x->size) return "[?]";
    reel_tape *tape = x->tape;
    return reel__shape_text(&tape->texts[tape->next_text++ % 8], x->rank, x->size);
}

const void *reel_attr(const reel_tensor *y) { return reel_is_bad(y) ? NULL : y->attr; }
const int64_t *reel_sizes(const reel_tensor *y) { return reel_is_bad(y) ? NULL : y->size; }
reel_tape *reel_tape_of(const reel_tensor *x) { return x ? x->tape : &reel__no_tape; }
reel_model *reel_model_of(const reel_tape *tape) { return tape ? tape->model : reel__no_tape.model; }
bool reel_is_evaluating(const reel_tape *tape) { return tape && tape->options.evaluate; }
reel_dtype reel_dtype_of(const reel_tensor *x) { return x ? (reel_dtype)x->dtype : REEL_F32; }
int reel_rank(const reel_tensor *x) { return reel_is_bad(x) ? 0 : x->rank; }
int64_t reel_count(const reel_tensor *x) { return reel_is_bad(x) ? 0 : x->count; }
const char *reel_op_name(const reel_tensor *x) { return reel_is_bad(x) ? "bad" : x->op->name; }
int reel_input_count(const reel_tensor *x) { return reel_is_bad(x) ? 0 : x->input_count; }
int64_t reel_node_count(const reel_tape *tape) { return tape ? tape->node_count : 0; }

const char *reel_name_of(const reel_tensor *x) { return !reel_is_bad(x) && x->name ? x->name : reel_op_name(x); }

reel_tensor *reel_input_at(const reel_tensor *x, int index)
{
    if (index >= 0 && index < reel_input_count(x)) return x->inputs[index];
    return x ? &x->tape->bad : &reel__no_tape.bad;
}

int64_t reel_dim(const reel_tensor *x, int axis)
{
    int rank = reel_rank(x);
    if (axis < 0) axis += rank;
    return axis >= 0 && axis < rank ? x->size[axis] : 0;
}

reel_shape reel_shape_of(const reel_tensor *x)
{
    reel_shape shape = { 0 };
    shape.rank = reel_rank(x);
    for (int i = 0; i < shape.rank; i++) shape.size[i] = x->size[i];
    return shape;
}
