/* The order of a program: a walk from its outputs in operand order, inputs first. It does not depend on the order of
 * recording, which C leaves to the compiler. Without recursion, since a chain may be a million nodes long. And what walks
 * are asked for: which losses there are, and where a path of gradients is cut. */
#include "core/record/tape.h"

/* The stack holds nodes on the way down, each with the number of its inputs that have been visited in index. */
bool reel__walk(reel_tape *tape, reel_tensor *const *roots, int64_t count)
{
    uint32_t seen = ++tape->walk;
    tape->order.count = 0;
    for (int64_t r = 0; r < count; r++) {
        if (roots[r]->mark == seen) continue;
        int64_t depth = 0;
        reel_tensor *x = roots[r];
        x->mark = seen, x->index = 0;
        for (;;) {
            if (x->index < x->input_count) {
                reel_tensor *in = x->inputs[x->index++];
                if (in->mark == seen) continue;
                if (!reel__reserve(&tape->allocator, &tape->stack, depth, sizeof x)) return false;
                REEL__AT(tape->stack, reel_tensor *, depth++) = x;
                in->mark = seen, in->index = 0;
                x = in;
                continue;
            }
            if (!reel__reserve(&tape->allocator, &tape->order, tape->order.count, sizeof x)) return false;
            REEL__AT(tape->order, reel_tensor *, tape->order.count++) = x;
            if (depth == 0) break;
            x = REEL__AT(tape->stack, reel_tensor *, --depth);
        }
    }
    for (int64_t i = 0; i < tape->order.count; i++) REEL__AT(tape->order, reel_tensor *, i)->index = (int32_t)i;
    return true;
}

bool reel__passes(const reel_tensor *x, int input)
{
    return (x->op->vjp || x->op->merge) && x->inputs[input]->dtype != REEL_I32;
}

void reel__mark_reached(reel_tape *tape, reel_tensor *y)
{
    y->mark = ++tape->walk;
    for (int64_t i = tape->order.count; i-- > 0;) {
        const reel_tensor *x = REEL__AT(tape->order, reel_tensor *, i);
        for (int j = 0; x->mark == tape->walk && j < x->input_count; j++)
            if (reel__passes(x, j)) x->inputs[j]->mark = tape->walk;
    }
}

const reel_tensor *reel__find_cut(reel_tape *tape, reel_tensor *x)
{
    x->mark = ++tape->walk;
    for (int64_t i = 0; i < tape->order.count; i++) {
        reel_tensor *user = REEL__AT(tape->order, reel_tensor *, i);
        for (int j = 0; j < user->input_count; j++) {
            if (user->inputs[j]->mark != tape->walk) continue;
            if (!reel__passes(user, j)) return user;
            user->mark = tape->walk;
        }
    }
    return NULL;
}

bool reel__mark_loss(reel_tensor *loss)
{
    reel_tape *tape = loss->tape;
    if (loss->readable) return true;
    if (!reel__reserve(&tape->allocator, &tape->losses, tape->losses.count, sizeof loss)) return false;
    REEL__AT(tape->losses, reel_tensor *, tape->losses.count++) = loss;
    tape->effects++;
    loss->readable = true;
    return true;
}
