/* What can fail in a run: inputs that were not written, checks of ops, and on a checked tape values that are not finite.
 * Each says where in the user's program. */
#include "core/run/executor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The error that is set next is at the line of the op, which says more than that of the run; its scope as text. */
static const char *stand_at(reel_tape *tape, const reel_tensor *x, char *text, size_t size)
{
    tape->site_file = x->file, tape->site_line = x->line;
    text[0] = 0;
    if (x->scope && *x->scope->path) snprintf(text, size, "  in %.150s", x->scope->path);
    return text;
}

reel_status reel__check_written(reel_tape *tape, const reel__program *program)
{
    int64_t i = 0;
    while (i < program->inputs.count && REEL__AT(program->inputs, reel__value *, i)->written) i++;
    if (i == program->inputs.count) return REEL_OK;
    const reel_tensor *const *x = program->nodes.items;
    char scope[160];
    while ((*x)->value != REEL__AT(program->inputs, reel__value *, i)) x++;
    return reel__run_fail(tape, REEL_BAD_STATE, "%s: the input %s %s was never written%s", tape->executor->now.call,
                          (*x)->name, reel_shape_text(*x), stand_at(tape, *x, scope, sizeof scope));
}

bool reel__checked_early(const reel_tensor *x)
{
    bool early = x->op->check != NULL;
    for (int j = 0; early && j < x->input_count; j++) early = x->inputs[j]->value != NULL;
    return early;
}

reel_status reel__check_call(reel_tape *tape, const reel_call *call)
{
    const reel_tensor *x = call->node;
    char text[400] = "", scope[160];
    if (!x->op->check || x->op->check(call, text, sizeof text)) return REEL_OK;
    text[sizeof text - 1] = 0;
    if (!*text) snprintf(text, sizeof text, "the check refused its operands");
    return reel__run_fail(tape, REEL_BAD_INDEX, "%s: %s%s", x->op->name, text, stand_at(tape, x, scope, sizeof scope));
}

static double value_at(const reel_tensor *x, const void *value, int64_t i)
{
    return x->dtype == REEL_F32 ? (double)((const float *)value)[i] : ((const double *)value)[i];
}

static int64_t first_not_finite(const reel_tensor *x, const void *value)
{
    if (x->dtype == REEL_I32) return -1;
    for (int64_t i = 0; i < x->count; i++)
        if (!isfinite(value_at(x, value, i))) return i;
    return -1;
}

static const char *position_text(const reel_tensor *x, int64_t i, reel__text *text)
{
    int64_t at[REEL_MAX_RANK];
    for (int d = x->rank; d-- > 0; i /= x->size[d]) at[d] = i % x->size[d];
    return reel__shape_text(text, x->rank, at);
}

/* The first node of the program whose value is not finite while its operands are: who made it. */
reel_status reel__check_finite(reel_tape *tape, const reel_call *call)
{
    const reel_tensor *x = call->node;
    int64_t i = first_not_finite(x, call->y);
    const reel__traits *traits = reel__traits_of(x);
    if (i < 0 || (traits && traits->is_number)) return REEL_OK; /* a number may be infinite */
    for (int j = 0; j < x->input_count; j++)
        if (first_not_finite(x->inputs[j], call->x[j]) >= 0) return REEL_OK; /* it is not the first */
    const double v = value_at(x, call->y, i);
    char scope[160];
    reel__text position;
    return reel__run_fail(tape, REEL_NOT_FINITE, "%s: element %s of %s is %s, the first value that is not finite%s",
                          x->value ? x->name : x->op->name, position_text(x, i, &position), reel_shape_text(x),
                          isnan(v) ? "NaN"
                          : v > 0  ? "Inf"
                                   : "-Inf",
                          stand_at(tape, x, scope, sizeof scope));
}
