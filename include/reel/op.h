/* For those who write an op: the descriptor that a node points to, and how a node is recorded. A user's op needs this header
 * alone; the ops of the library have private ones as well, above all for what the planner knows of them.
 *
 * An op is one const struct, which lives as long as the tapes that it is recorded on. Its shape rule makes every check,
 * so its kernel cannot fail; its derivative is written in public ops, so that gradients have gradients. What is left out
 * or wrong is an error when the op is recorded or differentiated, with the op's name and the line of the user's call. A
 * complete op, cumsum, is in examples/custom_op.c. */
#ifndef REEL_OP_H
#define REEL_OP_H

#include <reel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a kernel gets: contiguous operands of the node's inputs, in order, and room for its value, which overlaps none of
 * them. An operand or a value of no elements may have any address. */
typedef struct reel_call {
    const reel_tensor *node;
    void *y;
    const void *const *x;
    int isa;            /* the instruction set to use; an op may ignore it */
    uint64_t stream[2]; /* for an op that draws: what its random numbers are a function of */
} reel_call;

/* One consumer's share of a gradient: y has x as its input number `input`, and gy is the gradient at y. Rules get an array
 * of pointers to them, so that more can be added at the end. */
typedef struct reel_contribution {
    reel_tensor *y;
    reel_tensor *gy;
    int input;
    bool taken; /* set by `past` to say that it has taken this one; false before */
} reel_contribution;

typedef struct reel_op {
    /* sizeof(reel_op). What is added later comes at the end, so that a program that was compiled with an older, shorter
     * struct goes on working: what lies beyond its end reads as zero. A size larger than the library's is an error. */
    size_t size;

    const char *name; /* needed: for messages, and what a draw is keyed by */

    /* Needed. Sets the shape and dtype of y from its inputs with reel_set_shape(), or records an error with
     * reel_fail_shape() or reel_fail() and returns false. It does nothing else: no node can be recorded in it. */
    bool (*shape)(reel_tensor *y);

    /* Needed. Computes all of y: a function of the operands, the attributes and the stream alone, since how often it is
     * called is not promised. Cannot fail. Called in the thread that runs the tape, for one node at a time. */
    void (*run)(const reel_call *call);

    /* A check of computed values, made before run and before anything is assigned: false, with the reason in text, fails
     * the run with REEL_BAD_INDEX. */
    bool (*check)(const reel_call *call, char *text, size_t text_size);

    /* The gradient that leaves to input number `input`, from 0, when gy arrives at y: a tensor of that input's shape and
     * dtype on the same tape, anything else is an error; NULL is zero. It may use whatever records, gradients too. No vjp:
     * no gradient passes. No gradient arrives at an i32 y nor leaves to an i32 input. */
    reel_tensor *(*vjp)(reel_tensor *y, reel_tensor *gy, int input);

    /* Instead of vjp (both are an error), for an op whose contributions to one tensor x combine into fewer nodes than one
     * each: the sum of all of them, in order of arrival (products become one product over all their rows, slices a
     * concat). */
    reel_tensor *(*merge)(reel_tensor *x, const reel_contribution *const *contributions, int count);

    /* For an op of one input x whose value repeats x's: takes those contributions to y that can go on to x without the
     * gradient of y itself (a product sums over the repetitions inside it), sets their `taken`, and returns what they
     * leave to x; NULL where there are none. They are still counted where the gradient of y is asked for. */
    reel_tensor *(*past)(reel_tensor *y, reel_contribution *const *contributions, int count);

    bool unique; /* two nodes alike are still two (by default they are one) */

    /* The attribute is a value, not structure, and may change without a new plan: a call at its place in the next
     * recording finds its node, which takes the new attribute. Only for an op that is unique as well, and whose shape and
     * derivative do not depend on the attribute. */
    bool attr_is_data;

    /* The node's value is random. The two words of call->stream are a function of the model's seed, the op's name, which
     * of this name's draws the node is in the program's order, and the run: the same for every executor, number of
     * threads and order of recording. A generator of the op's own begins with them. Two draws that are alike are one
     * node, hence one value, unless the op is unique as well. */
    bool draws;

    const struct reel__traits *traits; /* what the library's planner knows of it; NULL in a user's op */
} reel_op;

/* Records a node, or finds the one that is the same. attr is copied and compared byte by byte: begin with `= { 0 }`
 * where it has padding. Returns the tape's bad tensor after an error. Messages have the user's line where the op's
 * constructor is called through a macro with reel_here(), as in the examples. */
REEL_API reel_tensor *reel_record(const reel_op *op, reel_tensor *const *inputs, int count, const void *attr,
                                  size_t attr_size);

/* The same for a node without inputs, of which reel_record() would not know the tape. */
REEL_API reel_tensor *reel_record_leaf(reel_tape *tape, const reel_op *op, const void *attr, size_t attr_size);

/* For shape rules. False, with an error recorded, if there is no such dtype, the rank is above REEL_MAX_RANK, a size is
 * negative or the number of bytes overflows. reel_fail_shape() begins its message with the op's name. */
REEL_API bool reel_set_shape(reel_tensor *y, reel_dtype dtype, int rank, const int64_t *size);
REEL_API bool reel_fail_shape(reel_tensor *y, reel_status status, const char *format, ...) REEL_PRINTF(3, 4);

/* The node's copy of its attributes, and its sizes, which live as long as the node; NULL of a bad tensor. */
REEL_API const void *reel_attr(const reel_tensor *y);
REEL_API const int64_t *reel_sizes(const reel_tensor *y);

/* A shape as text for messages, "[2,3]", valid until eight more calls on the tensor's tape; "[?]" of a bad tensor. */
REEL_API const char *reel_shape_text(const reel_tensor *x);

#ifdef __cplusplus
}
#endif

#endif
