/* Optimisers: updates recorded as ops, with their state in the model under "prefix/parameter/…". */
#include <math.h>
#include <reel.h>
#include <stdio.h>
#include <string.h>

static reel_list *bad_list(reel_tape *tape) { return reel_list_new(tape); /* on a tape with an error, its bad list */ }

static reel_list *fail(reel_tape *tape, reel_status status, const char *message)
{
    reel_fail(tape, status, "%s", message);
    return bad_list(tape);
}

/* The learning rate as a scalar; false with an error. */
static bool learning_rate(reel_tape *tape, const char *name, const reel_list *parameters, double lr,
                          reel_tensor *lr_tensor, reel_tensor **result)
{
    if (lr_tensor && lr != 0) reel_fail(tape, REEL_BAD_ARGUMENT, "%s: both .lr and .lr_tensor are given", name);
    else if (lr_tensor && (reel_is_bad(lr_tensor) || reel_count(lr_tensor) != 1 || reel_rank(lr_tensor) != 0))
        reel_fail(tape, REEL_BAD_SHAPE, "%s: .lr_tensor must be a scalar", name);
    else if (lr_tensor) *result = lr_tensor;
    else if (lr == 0)
        reel_fail(tape, REEL_BAD_ARGUMENT,
                  "%s: .lr is 0 (set it, or .lr_tensor; leave parameters out by a pattern to freeze them)", name);
    else if (!isfinite(lr)) reel_fail(tape, REEL_BAD_ARGUMENT, "%s: .lr is %g", name, lr);
    else *result = reel_number(reel_list_at(parameters, 0), lr);
    return reel_tape_status(tape) == REEL_OK;
}

static bool check_lists(reel_tape *tape, const char *name, const reel_list *parameters, const reel_list *gradients)
{
    if (reel_list_tape(gradients) != tape || !reel_list_count(parameters) ||
        reel_list_count(parameters) != reel_list_count(gradients))
        reel_fail(tape, REEL_BAD_ARGUMENT, "%s: %d parameters and %d gradients", name, reel_list_count(parameters),
                  reel_list_count(gradients));
    return reel_tape_status(tape) == REEL_OK;
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
        reel_tensor *v = state_of(p, o->state ? o->state : "sgd", "velocity");
        v = reel_assign(v, reel_add(reel_scale(v, o->momentum), g));
        g = o->nesterov ? reel_add(g, reel_scale(v, o->momentum)) : v;
    }
    return reel_assign(p, reel_sub(p, reel_mul(lr, g)));
}

reel_list *reel_sgd_update_sized(const reel_list *parameters, const reel_list *gradients,
                                 const reel_sgd_options *options, size_t size)
{
    reel_sgd_options o = { 0 };
    if (options) memcpy(&o, options, size < sizeof o ? size : sizeof o);
    reel_tape *tape = reel_list_tape(parameters);
    reel_tensor *lr = NULL;
    if (reel_tape_status(tape) != REEL_OK || !check_lists(tape, "sgd", parameters, gradients) ||
        !learning_rate(tape, "sgd", parameters, o.lr, o.lr_tensor, &lr))
        return bad_list(tape);
    if (!(o.momentum >= 0 && o.momentum < 1))
        return fail(tape, REEL_BAD_ARGUMENT, "sgd: .momentum is not within 0 ≤ momentum < 1");
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
    reel_list *parameters = reel_parameters(loss, o.parameters);
    return reel_sgd_update_sized(parameters, reel_gradients(loss, parameters), &o, sizeof o);
}

/* A moment, without what is too small to matter but slow to compute with. */
static reel_tensor *flushed(reel_tensor *m)
{
    return reel_where(reel_lt(reel_abs(m), reel_number(m, 0x1p-100)), reel_number(m, 0), m);
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
    reel_tensor *m = state_of(p, o->state, "m"), *v = state_of(p, o->state, "v");
    m = reel_assign(m, flushed(reel_add(reel_scale(m, o->betas[0]), reel_scale(g, 1 - o->betas[0]))));
    v = reel_assign(v, flushed(reel_add(reel_scale(v, o->betas[1]), reel_scale(reel_square(g), 1 - o->betas[1]))));
    reel_tensor *m_hat = s->m_correction ? reel_mul(m, s->m_correction) : m;
    reel_tensor *v_hat = s->v_correction ? reel_mul(v, s->v_correction) : v;
    reel_tensor *step = reel_div(m_hat, reel_shift(reel_sqrt(v_hat), o->epsilon));
    if (o->weight_decay != 0) step = reel_add(step, reel_scale(p, o->weight_decay));
    return reel_assign(p, reel_sub(p, reel_mul(s->lr, step)));
}

static bool check_betas(reel_tape *tape, const reel_adam_options *o)
{
    for (int i = 0; i < 2; i++)
        if (!(o->betas[i] >= 0 && o->betas[i] < 1))
            reel_fail(tape, REEL_BAD_ARGUMENT, "adam: .betas[%d] is %g, not within 0 ≤ beta < 1", i, o->betas[i]);
    return reel_tape_status(tape) == REEL_OK;
}

reel_list *reel_adam_update_sized(const reel_list *parameters, const reel_list *gradients,
                                  const reel_adam_options *options, size_t size)
{
    reel_adam_options o = { 0 };
    if (options) memcpy(&o, options, size < sizeof o ? size : sizeof o);
    if (o.betas[0] == 0 && o.betas[1] == 0) o.betas[0] = 0.9, o.betas[1] = 0.999;
    if (o.epsilon == 0) o.epsilon = 1e-8;
    if (!o.state) o.state = "adam";
    reel_tape *tape = reel_list_tape(parameters);
    reel_tensor *lr = NULL;
    if (reel_tape_status(tape) != REEL_OK || !check_lists(tape, "adam", parameters, gradients) ||
        !check_betas(tape, &o) || !learning_rate(tape, "adam", parameters, o.lr, o.lr_tensor, &lr))
        return bad_list(tape);
    char name[600];
    snprintf(name, sizeof name, "%s/step", o.state);
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
    reel_list *parameters = reel_parameters(loss, o.parameters);
    return reel_adam_update_sized(parameters, reel_gradients(loss, parameters), &o, sizeof o);
}

reel_list *reel_clip_norm(const reel_list *list, double max_norm)
{
    reel_tape *tape = reel_list_tape(list);
    if (reel_tape_status(tape) != REEL_OK) return bad_list(tape);
    if (!(max_norm > 0)) return fail(tape, REEL_BAD_ARGUMENT, "clip_norm: max_norm must be positive");
    reel_list *clipped = reel_list_new(tape);
    reel_tensor *total = NULL;
    for (int i = 0; i < reel_list_count(list); i++) {
        reel_tensor *squares = reel_sum(reel_square(reel_list_at(list, i)), REEL_ALL, REEL_DROP);
        total = total ? reel_add(total, squares) : squares;
    }
    if (!total) return clipped;
    reel_tensor *norm = reel_sqrt(total), *limit = reel_number(norm, max_norm);
    reel_tensor *factor = reel_where(reel_lt(limit, norm), reel_div(limit, norm), reel_number(norm, 1));
    for (int i = 0; i < reel_list_count(list); i++)
        reel_list_append(clipped, reel_list_name(list, i), reel_mul(reel_list_at(list, i), factor));
    return clipped;
}
