/* Optimisers: updates recorded as ops, with their state in the model under "prefix/parameter/…". */
#include <float.h>
#include <math.h>
#include <reel.h>
#include <stdio.h>
#include <string.h>

static reel_list *bad_list(reel_tape *tape) { return reel_list_new(tape); /* on a tape with an error, its bad list */ }

/* The value as a tensor of like's type has it. */
static double rounded(const reel_tensor *like, double value)
{
    return reel_dtype_of(like) == REEL_F32 ? (double)(float)value : value;
}

static bool is_positive(const reel_tensor *like, double value)
{
    return rounded(like, value) > 0 && isfinite(rounded(like, value));
}

static const char *type_of(const reel_tensor *x) { return reel_dtype_of(x) == REEL_F32 ? "f32" : "f64"; }

/* The error of an option that is not what `wanted` says. A positive number is refused for what it is in like's type. */
static void refuse(reel_tape *tape, const char *name, const char *option, double value, const char *wanted,
                   const reel_tensor *like)
{
    const bool rounds = isfinite(value) && value > 0;
    reel_fail(tape, REEL_BAD_ARGUMENT, "%s: %s is %g%s%s, not %s", name, option, value, rounds ? " in " : "",
              rounds ? type_of(like) : "", wanted);
}

#define POSITIVE "a positive number"
#define NOT_NEGATIVE "0 or a positive number"

static void check_decay(reel_tape *tape, const char *name, const reel_tensor *like, double decay)
{
    if (decay != 0 && !is_positive(like, decay)) refuse(tape, name, ".weight_decay", decay, NOT_NEGATIVE, like);
}

/* The learning rate as a scalar; false with an error. */
static bool learning_rate(reel_tape *tape, const char *name, const reel_list *parameters, double lr,
                          reel_tensor *lr_tensor, reel_tensor **result)
{
    reel_tensor *first = reel_list_at(parameters, 0);
    if (lr_tensor && lr != 0) reel_fail(tape, REEL_BAD_ARGUMENT, "%s: both .lr and .lr_tensor are given", name);
    else if (lr_tensor && (reel_is_bad(lr_tensor) || reel_count(lr_tensor) != 1 || reel_rank(lr_tensor) != 0))
        reel_fail(tape, REEL_BAD_SHAPE, "%s: .lr_tensor must be a scalar", name);
    else if (lr_tensor && reel_tape_of(lr_tensor) != tape)
        reel_fail(tape, REEL_BAD_STATE, "%s: .lr_tensor is of another tape", name);
    else if (lr_tensor && reel_dtype_of(lr_tensor) != reel_dtype_of(first))
        reel_fail(tape, REEL_BAD_DTYPE, "%s: .lr_tensor must be %s, as the parameters (use reel_cast)", name,
                  type_of(first));
    else if (lr_tensor) *result = lr_tensor;
    else if (lr == 0)
        reel_fail(tape, REEL_BAD_ARGUMENT,
                  "%s: .lr is 0 (set it, or .lr_tensor; leave parameters out by a pattern to freeze them)", name);
    else if (!is_positive(first, lr)) refuse(tape, name, ".lr", lr, POSITIVE, first);
    else *result = reel_number(first, lr);
    return reel_recording_status(tape) == REEL_OK;
}

static bool same_shape(const reel_tensor *a, const reel_tensor *b)
{
    bool same = reel_rank(a) == reel_rank(b);
    for (int d = 0; same && d < reel_rank(a); d++) same = reel_dim(a, d) == reel_dim(b, d);
    return same;
}

/* The learning rate has the dtype of the first parameter, which is that of all. */
static bool check_lists(reel_tape *tape, const char *name, const reel_list *parameters, const reel_list *gradients)
{
    if (!parameters) reel_fail(tape, REEL_BAD_ARGUMENT, "%s: the list of parameters is NULL", name);
    if (reel_recording_status(tape) != REEL_OK) return false;
    const reel_tensor *first = reel_list_at(parameters, 0);
    if (!gradients) reel_fail(tape, REEL_BAD_ARGUMENT, "%s: the list of gradients is NULL", name);
    else if (reel_list_tape(gradients) != tape)
        reel_fail(tape, REEL_BAD_STATE, "%s: parameters and gradients are lists of two tapes", name);
    else if (!reel_list_count(parameters) || reel_list_count(parameters) != reel_list_count(gradients))
        reel_fail(tape, REEL_BAD_ARGUMENT, "%s: %d parameters and %d gradients", name, reel_list_count(parameters),
                  reel_list_count(gradients));
    for (int i = 0; reel_recording_status(tape) == REEL_OK && i < reel_list_count(parameters); i++) {
        const reel_tensor *p = reel_list_at(parameters, i), *g = reel_list_at(gradients, i);
        if (!same_shape(p, g) || reel_dtype_of(p) != reel_dtype_of(g))
            reel_fail(tape, REEL_BAD_SHAPE, "%s: the gradient of \"%s\" is not of its shape and dtype", name,
                      reel_name_of(p));
        else if (reel_dtype_of(p) != reel_dtype_of(first))
            reel_fail(tape, REEL_BAD_DTYPE,
                      "%s: \"%s\" is %s and \"%s\" is %s (one call for each, by .parameter_pattern)", name,
                      reel_name_of(first), type_of(first), reel_name_of(p), type_of(p));
    }
    return reel_recording_status(tape) == REEL_OK;
}

/* "sgd/hidden/w/velocity": zero at first, of the parameter's shape and dtype. */
static reel_tensor *state_of(reel_tensor *p, const char *prefix, const char *what)
{
    char name[600];
    snprintf(name, sizeof name, "%s/%s/%s", prefix, reel_name_of(p), what);
    return reel_state(reel_tape_of(p), name, reel_dtype_of(p), reel_shape_of(p));
}

static reel_tensor *sgd_step(reel_tensor *p, reel_tensor *g, reel_tensor *lr, const reel_sgd_options *o)
{
    if (o->weight_decay != 0) g = reel_add(g, reel_scale(p, o->weight_decay));
    if (o->momentum != 0) {
        reel_tensor *v = state_of(p, o->state_prefix ? o->state_prefix : "sgd", "velocity");
        v = reel_assign(v, reel_add(reel_scale(v, o->momentum), g));
        g = o->nesterov ? reel_add(g, reel_scale(v, o->momentum)) : v;
    }
    return reel_assign(p, reel_sub(p, reel_mul(lr, g)));
}

static bool check_sgd(reel_tape *tape, const reel_tensor *like, const reel_sgd_options *o)
{
    if (!(o->momentum >= 0 && rounded(like, o->momentum) < 1))
        reel_fail(tape, REEL_BAD_ARGUMENT, "sgd: .momentum is %g, not within 0 ≤ momentum < 1", o->momentum);
    else if (o->nesterov && o->momentum == 0)
        reel_fail(tape, REEL_BAD_ARGUMENT, "sgd: .nesterov without .momentum is plain descent (set it)");
    check_decay(tape, "sgd", like, o->weight_decay);
    return reel_recording_status(tape) == REEL_OK;
}

reel_list *reel_sgd_update_sized(const reel_list *parameters, const reel_list *gradients,
                                 const reel_sgd_options *options, size_t size)
{
    reel_sgd_options o = { 0 };
    if (options) memcpy(&o, options, size < sizeof o ? size : sizeof o);
    reel_tape *tape = reel_list_tape(parameters);
    reel_tensor *lr = NULL;
    if (!check_lists(tape, "sgd", parameters, gradients) ||
        !learning_rate(tape, "sgd", parameters, o.lr, o.lr_tensor, &lr) ||
        !check_sgd(tape, reel_list_at(parameters, 0), &o))
        return bad_list(tape);
    reel_list *updated = reel_list_new(tape);
    for (int i = 0; i < reel_list_count(parameters); i++)
        reel_list_append(updated, reel_list_name(parameters, i),
                         sgd_step(reel_list_at(parameters, i), reel_list_at(gradients, i), lr, &o));
    return updated;
}

reel_list *reel_sgd_sized(reel_tensor *loss, const reel_sgd_options *options, size_t size)
{
    reel_sgd_options o = { 0 };
    if (options) memcpy(&o, options, size < sizeof o ? size : sizeof o);
    reel_list *parameters = reel_parameters(loss, o.parameter_pattern);
    return reel_sgd_update_sized(parameters, reel_gradients(loss, parameters), &o, sizeof o);
}

/* A moment of the magnitude `size`, without what is subnormal, since many processors are slow with it. */
static reel_tensor *flushed(reel_tensor *m, reel_tensor *size)
{
    const double normal = reel_dtype_of(m) == REEL_F32 ? (double)FLT_MIN : DBL_MIN;
    return reel_where(reel_lt(size, reel_number(m, normal)), reel_number(m, 0), m);
}

/* 1 / (1 − βᵗ), once for all elements; 1 − βᵗ = −expm1(t ln β), without the cancellation of the difference. */
static reel_tensor *correction(reel_tensor *t, double beta)
{
    return reel_div(reel_number(t, -1), reel_expm1(reel_scale(t, log(beta))));
}

/* What all parameters share: the learning rate, and the factors that correct both moments (NULL: none). */
typedef struct adam_shared {
    reel_tensor *lr, *m_correction, *v_correction;
} adam_shared;

static reel_tensor *adam_step(reel_tensor *p, reel_tensor *g, const adam_shared *s, const reel_adam_options *o)
{
    reel_tensor *m_state = state_of(p, o->state_prefix, "m"), *v_state = state_of(p, o->state_prefix, "v");
    reel_tensor *m = reel_add(reel_scale(m_state, o->betas[0]), reel_scale(g, 1 - o->betas[0]));
    reel_tensor *v = reel_add(reel_scale(v_state, o->betas[1]), reel_scale(reel_square(g), 1 - o->betas[1]));
    m = reel_assign(m_state, flushed(m, reel_abs(m)));
    v = reel_assign(v_state, flushed(v, v));
    reel_tensor *m_hat = s->m_correction ? reel_mul(m, s->m_correction) : m;
    reel_tensor *v_hat = s->v_correction ? reel_mul(v, s->v_correction) : v;
    reel_tensor *step = reel_div(m_hat, reel_shift(reel_sqrt(v_hat), o->epsilon));
    if (o->weight_decay != 0) step = reel_add(step, reel_scale(p, o->weight_decay));
    return reel_assign(p, reel_sub(p, reel_mul(s->lr, step)));
}

static bool check_adam(reel_tape *tape, const reel_tensor *like, const reel_adam_options *o)
{
    for (int i = 0; i < 2; i++)
        if (!(o->betas[i] >= 0 && rounded(like, o->betas[i]) < 1))
            reel_fail(tape, REEL_BAD_ARGUMENT, "adam: .betas[%d] is %g, not within 0 ≤ beta < 1", i, o->betas[i]);
    if (!is_positive(like, o->epsilon)) refuse(tape, "adam", ".epsilon", o->epsilon, POSITIVE, like);
    check_decay(tape, "adam", like, o->weight_decay);
    return reel_recording_status(tape) == REEL_OK;
}

reel_list *reel_adam_update_sized(const reel_list *parameters, const reel_list *gradients,
                                  const reel_adam_options *options, size_t size)
{
    reel_adam_options o = { 0 };
    if (options) memcpy(&o, options, size < sizeof o ? size : sizeof o);
    if (o.betas[0] == 0 && o.betas[1] == 0) o.betas[0] = 0.9, o.betas[1] = 0.999;
    if (o.epsilon == 0) o.epsilon = 1e-8;
    if (!o.state_prefix) o.state_prefix = "adam";
    reel_tape *tape = reel_list_tape(parameters);
    reel_tensor *lr = NULL;
    if (!check_lists(tape, "adam", parameters, gradients) || !check_adam(tape, reel_list_at(parameters, 0), &o) ||
        !learning_rate(tape, "adam", parameters, o.lr, o.lr_tensor, &lr))
        return bad_list(tape);
    char name[600];
    snprintf(name, sizeof name, "%s/step", o.state_prefix);
    reel_tensor *t = reel_state(tape, name, reel_dtype_of(reel_list_at(parameters, 0)), REEL_SCALAR);
    t = reel_assign(t, reel_shift(t, 1));
    const adam_shared shared = { lr, o.betas[0] > 0 ? correction(t, o.betas[0]) : NULL,
                                 o.betas[1] > 0 ? correction(t, o.betas[1]) : NULL };
    reel_list *updated = reel_list_new(tape);
    for (int i = 0; i < reel_list_count(parameters); i++)
        reel_list_append(updated, reel_list_name(parameters, i),
                         adam_step(reel_list_at(parameters, i), reel_list_at(gradients, i), &shared, &o));
    return updated;
}

reel_list *reel_adam_sized(reel_tensor *loss, const reel_adam_options *options, size_t size)
{
    reel_adam_options o = { 0 };
    if (options) memcpy(&o, options, size < sizeof o ? size : sizeof o);
    reel_list *parameters = reel_parameters(loss, o.parameter_pattern);
    return reel_adam_update_sized(parameters, reel_gradients(loss, parameters), &o, sizeof o);
}

/* ---- Clipping ---------------------------------------------------------------------------------------------------- */

/* The largest magnitude of all elements, a constant for derivatives; NULL of none. */
static reel_tensor *largest(const reel_list *list)
{
    reel_tensor *top = NULL;
    for (int i = 0; i < reel_list_count(list); i++) {
        if (!reel_count(reel_list_at(list, i))) continue;
        reel_tensor *one = reel_max(reel_abs(reel_list_at(list, i)), REEL_ALL, REEL_DROP);
        top = top ? reel_maximum(top, one) : one;
    }
    return top ? reel_detach(top) : NULL;
}

/* What the elements are divided by before they are squared, so that the squares do not overflow: 1 where all is ordinary,
 * else the largest magnitude. That squares vanish matters only where max_norm is as small; only then `low` is there, which
 * is likewise 1 or the largest magnitude. */
typedef struct unit {
    reel_tensor *high, *low;
} unit;

static unit unit_of(reel_tensor *top, double max_norm)
{
    const bool single = reel_dtype_of(top) == REEL_F32;
    const double ordinary = single ? 0x1p50 : 0x1p400;
    reel_tensor *one = reel_number(top, 1);
    unit u = { .high = reel_where(reel_lt(reel_number(top, ordinary), top), top, one) };
    if (max_norm > 0x1p20 / ordinary) return u;
    reel_tensor *normal = reel_number(top, single ? (double)FLT_MIN : DBL_MIN);
    u.low = reel_where(reel_lt(top, reel_number(top, 1 / ordinary)), reel_maximum(top, normal), one);
    return u;
}

/* The sum of all squares of the scaled elements. If an element is infinite, the sum of zeros: then no norm is used, and no
 * derivative passes here. */
static reel_tensor *squares(const reel_list *list, reel_tensor *top, reel_tensor *scale)
{
    reel_tensor *total = NULL, *finite = reel_ne(top, reel_number(top, (double)INFINITY)), *zero = reel_number(top, 0);
    for (int i = 0; i < reel_list_count(list); i++) {
        reel_tensor *scaled = reel_mul(reel_where(finite, reel_list_at(list, i), zero), scale);
        reel_tensor *sum = reel_sum(reel_square(scaled), REEL_ALL, REEL_DROP);
        total = total ? reel_add(total, sum) : sum;
    }
    return total;
}

static bool check_clip(reel_tape *tape, const reel_list *list, double max_norm)
{
    const reel_tensor *first = reel_list_at(list, 0);
    for (int i = 0; i < reel_list_count(list); i++) {
        const reel_dtype dtype = reel_dtype_of(reel_list_at(list, i));
        if (dtype != REEL_I32 && dtype == reel_dtype_of(first)) continue;
        reel_fail(tape, REEL_BAD_DTYPE, "clip_norm: the tensors must all be f32 or all f64");
        return false;
    }
    if (max_norm > 0 && isfinite(max_norm) && rounded(first, max_norm) > 0) return true;
    refuse(tape, "clip_norm", "max_norm", max_norm, POSITIVE, first);
    return false;
}

/* With u the unit and r the norm of g / u, the result is (g / u) (max_norm / r) where max_norm < r u, else g. Where it is
 * g, the root of 1 is taken for r, since the derivative of √0 is infinite. */
reel_list *reel_clip_norm(const reel_list *list, double max_norm)
{
    reel_tape *tape = reel_list_tape(list);
    if (!reel_list_usable(list, "clip_norm: the list") || !check_clip(tape, list, max_norm)) return bad_list(tape);
    reel_list *clipped = reel_list_new(tape);
    reel_tensor *top = largest(list), *scale = NULL, *factor = NULL;
    if (top) {
        const double most = reel_dtype_of(top) == REEL_F32 ? (double)FLT_MAX : DBL_MAX;
        const unit u = unit_of(top, max_norm);
        reel_tensor *one = reel_number(top, 1), *limit = reel_number(top, fmin(max_norm, most));
        scale = reel_div(one, u.low ? reel_mul(u.high, u.low) : u.high);
        reel_tensor *total = squares(list, top, scale), *norm = reel_sqrt(total);
        reel_tensor *longer = reel_lt(reel_div(limit, u.high), u.low ? reel_mul(norm, u.low) : norm);
        factor = reel_where(longer, reel_div(limit, reel_sqrt(reel_where(longer, total, one))), one);
        scale = reel_where(longer, scale, one);
    }
    for (int i = 0; i < reel_list_count(list); i++) {
        reel_tensor *g = reel_list_at(list, i);
        reel_list_append(clipped, reel_list_name(list, i), top ? reel_mul(reel_mul(g, scale), factor) : g);
    }
    return clipped;
}
