/* Descriptors of ops as they are handed in. One that was compiled with an older, shorter struct is completed once; the tape
 * owns the copy, and nodes point to it, so that nobody else has to look at .size. What is left out or wrong is an error
 * before a node is made. */
#include "core/record/tape.h"

#include <string.h>

typedef struct completed {
    const reel_op *given;
    reel_op *op;
} completed;

#define FIELD(field)                                                                                                   \
    {                                                                                                                  \
        offsetof(reel_op, field), sizeof((reel_op *)0)->field                                                          \
    }
static const struct field {
    size_t offset, size;
} fields[] = { FIELD(name), FIELD(shape),  FIELD(run),          FIELD(check), FIELD(vjp),   FIELD(merge),
               FIELD(past), FIELD(unique), FIELD(attr_is_data), FIELD(draws), FIELD(traits) };
#undef FIELD

/* The fields that lie wholly within the size of `given`; all other bytes are zero. */
static void complete(const reel_op *given, reel_op *op)
{
    memset(op, 0, sizeof *op);
    op->size = sizeof *op;
    for (const struct field *f = fields; f < fields + sizeof fields / sizeof *fields; f++)
        if (f->offset + f->size <= given->size)
            memcpy((char *)op + f->offset, (const char *)given + f->offset, f->size);
}

/* A descriptor at the address of an earlier one is another one if it says something else. */
static const reel_op *completed_copy(reel_tape *tape, const reel_op *given)
{
    reel_op op, *copy = NULL;
    complete(given, &op);
    for (int64_t i = 0; i < tape->descriptors.count; i++) {
        const completed *c = &REEL__AT(tape->descriptors, completed, i);
        if (c->given == given && memcmp(c->op, &op, sizeof op) == 0) return c->op;
    }
    if (reel__reserve(&tape->allocator, &tape->descriptors, tape->descriptors.count, sizeof(completed)))
        copy = reel__allocate(&tape->allocator, sizeof *copy);
    if (!copy) {
        reel__out_of_memory(tape, "the descriptor of an op");
        return NULL;
    }
    memcpy(copy, &op, sizeof op);
    REEL__AT(tape->descriptors, completed, tape->descriptors.count++) = (completed){ given, copy };
    return copy;
}

const reel_op *reel__whole_descriptor(reel_tape *tape, const reel_op *op)
{
    if (!op) reel__fail(tape, REEL_BAD_ARGUMENT, "record: the op is NULL");
    else if (op->size < sizeof op->size)
        reel__fail(tape, REEL_BAD_ARGUMENT, "record: .size of the op is %zu; it is sizeof(reel_op)", op->size);
    else if (op->size > sizeof *op)
        reel__fail(tape, REEL_BAD_ARGUMENT,
                   "record: .size of the op is %zu, and this library knows %zu bytes (is reel/op.h newer than it?)",
                   op->size, sizeof *op);
    else return op->size == sizeof *op ? op : completed_copy(tape, op);
    return NULL;
}

bool reel__descriptor_good(reel_tape *tape, const reel_op *op)
{
    const bool named = op->name && *op->name;
    if (!named) reel__fail(tape, REEL_BAD_ARGUMENT, "record: the op has no .name");
    else if (!op->shape) reel__fail(tape, REEL_BAD_ARGUMENT, "%.100s: the op has no .shape", op->name);
    else if (op->vjp && op->merge)
        reel__fail(tape, REEL_BAD_ARGUMENT, "%.100s: the op has both .vjp and .merge; one of them is its derivative",
                   op->name);
    else if (op->attr_is_data && !op->unique)
        reel__fail(tape, REEL_BAD_ARGUMENT, "%.100s: .attr_is_data is for an op that is .unique", op->name);
    else return true;
    return false;
}

const char *reel__op_name(const reel_op *op, const char *otherwise)
{
    return op && op->size >= offsetof(reel_op, name) + sizeof op->name && op->name ? op->name : otherwise;
}

void reel__descriptors_free(reel_tape *tape)
{
    for (int64_t i = 0; i < tape->descriptors.count; i++)
        reel__release(&tape->allocator, REEL__AT(tape->descriptors, completed, i).op, sizeof(reel_op));
    reel__array_free(&tape->allocator, &tape->descriptors, sizeof(completed));
}
