/* Losses and the accuracy. Their factors are fixed in the table at the top of reel/nn.h. */
#include <math.h>
#include <reel/op.h>
#include <stdio.h>

static bool same_leading(const reel_tensor *a, const reel_tensor *b, int count)
{
    for (int d = 0; d < count; d++)
        if (reel_dim(a, d) != reel_dim(b, d)) return false;
    return true;
}

static bool same_shape(const reel_tensor *a, const reel_tensor *b)
{
    return reel_rank(a) == reel_rank(b) && same_leading(a, b, reel_rank(a));
}

static reel_tensor *differ(const char *loss, reel_tensor *a, reel_tensor *b, const char *wanted)
{
    return reel_fail(reel_tape_of(a), REEL_BAD_SHAPE, "%s: shapes differ: %s and %s%s", loss, reel_shape_text(a),
                     reel_shape_text(b), wanted);
}

/* Whether both can be used, on the tape of the one that is good. */
static bool usable(const char *loss, const reel_tensor *a, const reel_tensor *b)
{
    if (!reel_is_bad(a) && !reel_is_bad(b) && reel_tape_of(a) == reel_tape_of(b)) return true;
    reel_tape *tape = reel_tape_of(reel_is_bad(a) ? b : a);
    char what[40];
    snprintf(what, sizeof what, "%s: operand 1", loss);
    if (!reel_usable(tape, a, what)) return false;
    snprintf(what, sizeof what, "%s: operand 2", loss);
    return reel_usable(tape, b, what);
}

/* Whether both are f32, or both f64. */
static bool both_floating(const char *loss, const reel_tensor *a, const reel_tensor *b)
{
    static const char *const names[] = { "f32", "f64", "i32" };
    const reel_dtype first = reel_dtype_of(a), second = reel_dtype_of(b);
    if (first == REEL_I32 || second == REEL_I32)
        reel_fail(reel_tape_of(a), REEL_BAD_DTYPE, "%s: operand %d is i32; it takes f32 or f64 (use reel_cast)", loss,
                  first == REEL_I32 ? 1 : 2);
    else if (first != second)
        reel_fail(reel_tape_of(a), REEL_BAD_DTYPE, "%s: %s and %s do not mix (use reel_cast)", loss, names[first],
                  names[second]);
    else return true;
    return false;
}

reel_tensor *reel_mse(reel_tensor *a, reel_tensor *y)
{
    if (!usable("mse", a, y)) return reel_sub(a, y);
    if (!same_shape(a, y)) return differ("mse", a, y, "");
    if (!both_floating("mse", a, y)) return reel_detach(a);
    return reel_scale(reel_mean(reel_square(reel_sub(y, a)), REEL_ALL, REEL_DROP), 0.5);
}

/* The chosen log-probability by comparing with the class, so that −Inf elsewhere does no harm. */
static reel_tensor *chosen(reel_tensor *log_p, reel_tensor *classes)
{
    int64_t count = reel_dim(log_p, -1);
    reel_tensor *column = reel_unsqueeze(reel_in_range(classes, count), -1);
    reel_tensor *hit = reel_eq(column, reel_iota(column, count));
    return reel_where(hit, log_p, reel_number(log_p, 0));
}

/* y ln p, and 0 where y is 0 and ln p −Inf. */
static reel_tensor *weighted(reel_tensor *log_p, reel_tensor *y)
{
    reel_tensor *zero = reel_number(y, 0), *never = reel_eq(log_p, reel_number(log_p, -(double)INFINITY));
    return reel_mul(y, reel_where(reel_eq(y, zero), reel_where(never, zero, log_p), log_p));
}

reel_tensor *reel_cross_entropy(reel_tensor *logits, reel_tensor *y)
{
    if (!usable("cross_entropy", logits, y)) return reel_sub(logits, y);
    bool classes = reel_dtype_of(y) == REEL_I32;
    if (reel_rank(logits) < 1 || reel_dim(logits, -1) < 1)
        return differ("cross_entropy", logits, y, " (logits are [..., K])");
    if (classes && (reel_rank(y) != reel_rank(logits) - 1 || !same_leading(logits, y, reel_rank(y))))
        return differ("cross_entropy", logits, y, " (classes are the logits' shape without the last axis)");
    if (!classes && !same_shape(logits, y))
        return reel_fail(reel_tape_of(y), REEL_BAD_SHAPE,
                         "cross_entropy: logits are %s and y %s of floats: classes are i32 (use reel_cast), or "
                         "distributions of the logits' shape",
                         reel_shape_text(logits), reel_shape_text(y));
    if (!both_floating("cross_entropy", logits, classes ? logits : y)) return reel_detach(logits);
    reel_tensor *log_p = reel_log_softmax(logits, -1);
    reel_tensor *terms = classes ? chosen(log_p, y) : weighted(log_p, y);
    return reel_neg(reel_mean(reel_sum(terms, REEL_AXES(-1), REEL_DROP), REEL_ALL, REEL_DROP));
}

reel_tensor *reel_accuracy(reel_tensor *scores, reel_tensor *classes)
{
    if (!usable("accuracy", scores, classes)) return reel_sub(scores, classes);
    if (reel_dtype_of(classes) != REEL_I32)
        return reel_fail(reel_tape_of(classes), REEL_BAD_DTYPE, "accuracy: classes are i32 (use reel_cast)");
    if (reel_rank(classes) != reel_rank(scores) - 1 || !same_leading(scores, classes, reel_rank(classes)))
        return differ("accuracy", scores, classes, " (classes are the scores' shape without the last axis)");
    if (!both_floating("accuracy", scores, scores)) return reel_detach(scores);
    reel_tensor *hit = reel_eq(reel_argmax(scores, -1), reel_in_range(classes, reel_dim(scores, -1)));
    return reel_mean(reel_cast(hit, reel_dtype_of(scores)), REEL_ALL, REEL_DROP);
}

reel_tensor *reel_l2(reel_tensor *of, const char *pattern, double lambda)
{
    const double rounded = reel_dtype_of(of) == REEL_F32 ? (double)(float)lambda : lambda;
    if (!(lambda >= 0 && isfinite(rounded)) && !reel_is_bad(of))
        return reel_fail(reel_tape_of(of), REEL_BAD_ARGUMENT, "l2: lambda is %g, not 0 or a positive number", lambda);
    reel_list *parameters = reel_parameters(of, pattern);
    reel_tensor *sum = NULL;
    for (int i = 0; i < reel_list_count(parameters); i++) {
        reel_tensor *term = reel_sum(reel_square(reel_list_at(parameters, i)), REEL_ALL, REEL_DROP);
        sum = sum ? reel_add(sum, term) : term;
    }
    return sum ? reel_scale(sum, 0.5 * lambda) : reel_detach(reel_list_at(parameters, 0));
}
