/* For those who write an op: the descriptor that a node points to, and how a node is recorded. The ops of the library
 * are written with this header and one private one; a user's op needs this one alone.
 *
 * An op is one const struct. Its shape rule makes every check, so its kernel cannot fail; its derivative is written in
 * public ops, so that gradients have gradients. */
#ifndef REEL_OP_H
#define REEL_OP_H

#include <reel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a kernel gets: contiguous operands of the node's inputs, in order, and room for its value. */
typedef struct reel_call {
    const reel_tensor *node;
    void *y;
    const void *const *x;
    int isa;            /* the instruction set to use */
    uint64_t stream[2]; /* for draws: the random stream of this node in this run */
} reel_call;

/* One consumer's share of a gradient: y has x as its input number `input`, and gy is the gradient at y. */
typedef struct reel_contribution {
    reel_tensor *y;
    reel_tensor *gy;
    int input;
} reel_contribution;

typedef struct reel_op {
    size_t size; /* sizeof(reel_op): a shorter one reads as zero beyond its end */
    const char *name;

    /* Sets the shape and dtype of y from its inputs with reel_set_shape(), or records an error with reel_fail() and
     * returns false. */
    bool (*shape)(reel_tensor *y);

    /* Computes y from its inputs. Cannot fail. */
    void (*run)(const reel_call *call);

    /* The gradient that leaves to input number `input` when gy arrives at y; NULL is zero. No vjp: no gradient passes. */
    reel_tensor *(*vjp)(reel_tensor *y, reel_tensor *gy, int input);

    /* Instead of vjp, for an op whose contributions to one tensor x combine into fewer nodes than one each: the sum of
     * all of them, in order of arrival (products are stacked, slices become a concat). */
    reel_tensor *(*merge)(reel_tensor *x, int count, const reel_contribution *contributions);

    /* A check of computed values, made before anything is assigned: false, with the reason in text, fails the run. */
    bool (*check)(const reel_call *call, char *text, size_t text_size);

    bool unique; /* two nodes alike are still two (by default they are one) */
    bool draws;  /* the node's value is random: a kernel gets its stream */

    const struct reel__kind *kind; /* what the library's planner knows of it; NULL in a user's op */

    /* For an op of one input x whose value repeats x's: takes those contributions to y that can go on to x without the
     * gradient of y itself (a product sums over the repetitions inside it), sets their y to NULL, and returns what they
     * leave to x; NULL where there are none. They are still counted where the gradient of y is asked for. */
    reel_tensor *(*past)(reel_tensor *y, int count, reel_contribution *contributions);
} reel_op;

/* Records a node, or finds the one that is the same. attr is copied and compared byte by byte: begin with `= { 0 }`
 * where it has padding. Returns the tape's bad tensor after an error. */
REEL_API reel_tensor *reel_record(const reel_op *op, int count, reel_tensor *const *inputs, const void *attr,
                                  size_t attr_size);

/* The same for a node without inputs. */
REEL_API reel_tensor *reel_record_leaf(reel_tape *tape, const reel_op *op, const void *attr, size_t attr_size);

/* For shape rules. False, with an error recorded, if the sizes overflow. */
REEL_API bool reel_set_shape(reel_tensor *y, reel_dtype dtype, int rank, const int64_t *size);
REEL_API bool reel_fail_shape(reel_tensor *y, reel_status status, const char *format, ...) REEL_PRINTF(3, 4);

REEL_API const void *reel_attr(const reel_tensor *y);
REEL_API const int64_t *reel_sizes(const reel_tensor *y);

/* A shape as text for messages, "[2,3]", valid until eight more calls on the tensor's tape. */
REEL_API const char *reel_shape_text(const reel_tensor *x);

#ifdef __cplusplus
}
#endif

#endif
