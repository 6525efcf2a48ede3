/* Descriptors of ops as they are handed in. One that was compiled with an older, shorter struct is completed once and
 * kept by the tape, so that nodes point to a whole one and nobody else asks for its size; what is left out or wrong is an
 * error before a node is made. */
#include "core/record/tape.h"

#include <string.h>

typedef struct completed {
    const reel_op *given;
    reel_op *op;
} completed;

/* What lies wholly within the size of `given`; the rest is zero. */
static reel_op complete(const reel_op *given)
{
    reel_op op = { .size = sizeof op };
#define FIELD(field)                                                                                                   \
    if (offsetof(reel_op, field) + sizeof op.field <= given->size) op.field = given->field
    FIELD(name);
    FIELD(shape);
    FIELD(run);
    FIELD(vjp);
    FIELD(merge);
    FIELD(check);
    FIELD(unique);
    FIELD(draws);
    FIELD(traits);
    FIELD(past);
#undef FIELD
    return op;
}

static bool equal(const reel_op *a, const reel_op *b)
{
    const bool rules = a->shape == b->shape && a->run == b->run && a->vjp == b->vjp && a->merge == b->merge;
    return rules && a->name == b->name && a->check == b->check && a->unique == b->unique && a->draws == b->draws &&
           a->traits == b->traits && a->past == b->past;
}

/* A descriptor at the address of an earlier one is another one if it says something else. */
static const reel_op *kept_copy(reel_tape *tape, const reel_op *given)
{
    const reel_op op = complete(given);
    for (int64_t i = 0; i < tape->descriptors.count; i++) {
        const completed *c = &REEL__AT(tape->descriptors, completed, i);
        if (c->given == given && equal(c->op, &op)) return c->op;
    }
    reel_op *copy = NULL;
    if (reel__reserve(&tape->allocator, &tape->descriptors, tape->descriptors.count, sizeof(completed)))
        copy = reel__allocate(&tape->allocator, sizeof *copy);
    if (!copy) {
        reel__out_of_memory(tape, "the descriptor of an op");
        return NULL;
    }
    *copy = op;
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
    else return op->size == sizeof *op ? op : kept_copy(tape, op);
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
    else return true;
    return false;
}

void reel__descriptors_free(reel_tape *tape)
{
    for (int64_t i = 0; i < tape->descriptors.count; i++)
        reel__release(&tape->allocator, REEL__AT(tape->descriptors, completed, i).op, sizeof(reel_op));
    reel__array_free(&tape->allocator, &tape->descriptors, sizeof(completed));
}
