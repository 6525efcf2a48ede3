/* The plain executor: one op at a time, every value kept. The oracle that every other way of running is compared with. */
#include "core/base/cpu.h"
#include "core/base/random.h"
#include "core/plan/plan.h"
#include "core/run/program.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *where_text(const reel_tensor *x, char *text, size_t size)
{
    text[0] = 0;
    if (x->scope && *x->scope->path) snprintf(text, size, "  in %.150s", x->scope->path);
    size_t used = strlen(text);
    if (x->file) snprintf(text + used, size - used, "  at %.150s:%d", x->file, x->line);
    return text;
}

static bool finite_at(const reel_tensor *x, const void *value, int64_t i)
{
    return x->dtype == REEL_F32 ? isfinite(((const float *)value)[i]) : isfinite(((const double *)value)[i]);
}

static int64_t first_not_finite(const reel_tensor *x, const void *value)
{
    if (x->dtype == REEL_I32) return -1;
    for (int64_t i = 0; i < x->count; i++)
        if (!finite_at(x, value, i)) return i;
    return -1;
}

static const char *position_text(const reel_tensor *x, int64_t i, reel__text *text)
{
    int64_t at[REEL_MAX_RANK];
    for (int d = x->rank; d-- > 0; i /= x->size[d]) at[d] = i % x->size[d];
    return reel__shape_text(text, x->rank, at);
}

/* The first node of the program whose value is not finite while its operands are: who made it. */
static reel_status check_finite(reel_tape *tape, const reel_tensor *x, const reel_call *call)
{
    const void *value = call->y;
    int64_t i = first_not_finite(x, value);
    const reel__traits *traits = reel__traits_of(x);
    if (i < 0 || (traits && traits->is_number)) return REEL_OK; /* a number may be infinite */
    for (int j = 0; j < x->input_count; j++)
        if (first_not_finite(x->inputs[j], call->x[j]) >= 0) return REEL_OK; /* it is not the first */
    double v = x->dtype == REEL_F32 ? (double)((const float *)value)[i] : ((const double *)value)[i];
    char where[320];
    reel__text position;
    tape->site_file = NULL; /* the line of the op says more than that of the run */
    return reel__run_fail(tape, REEL_NOT_FINITE, "%s: element %s of %s is %s, the first value that is not finite%s",
                          x->value ? x->name : x->op->name, position_text(x, i, &position), reel_shape_text(x),
                          isnan(v) ? "NaN"
                          : v > 0  ? "Inf"
                                   : "-Inf",
                          where_text(x, where, sizeof where));
}

void reel__set_stream(const reel_tape *tape, const reel_tensor *x, reel_call *call)
{
    reel__stream s =
        reel__stream_of(tape->model->seed, reel__hash_string(x->name) + (uint64_t)x->entry - 1, tape->draw);
    call->stream[0] = s.key;
    call->stream[1] = (uint64_t)s.high[1] << 32 | s.high[0];
}

static void fill_call(const reel_tape *tape, const reel__program *program, const reel_tensor *x, reel_call *call)
{
    const void **operands = program->scratch.items;
    for (int j = 0; j < x->input_count; j++) operands[j] = REEL__AT(program->values, void *, x->inputs[j]->place);
    *call = (reel_call){
        .node = x, .y = REEL__AT(program->values, void *, x->place), .x = operands, .isa = reel__isa_best()
    };
    if (x->op->draws) reel__set_stream(tape, x, call);
}

reel_status reel__check_written(reel_tape *tape)
{
    const reel__program *program = tape->program;
    for (int64_t i = 0; i < program->nodes.count; i++) {
        const reel_tensor *x = REEL__AT(program->nodes, reel_tensor *, i);
        if (x->op == &reel__input_op && !x->value->written) {
            char where[320];
            tape->site_file = NULL;
            return reel__run_fail(tape, REEL_BAD_STATE, "%s: the input %s %s was never written%s", tape->call, x->name,
                                  reel_shape_text(x), where_text(x, where, sizeof where));
        }
    }
    return REEL_OK;
}

reel_status reel__check_node(reel_tape *tape, const reel_tensor *x, const reel_call *call)
{
    char text[400] = "", where[320];
    if (!x->op->check || x->op->check(call, text, sizeof text)) return REEL_OK;
    text[sizeof text - 1] = 0;
    if (!*text) snprintf(text, sizeof text, "the check refused its operands");
    tape->site_file = NULL;
    return reel__run_fail(tape, REEL_BAD_INDEX, "%s: %s%s", x->op->name, text, where_text(x, where, sizeof where));
}

static reel_status run_node(reel_tape *tape, const reel__program *program, const reel_tensor *x)
{
    reel_call call;
    fill_call(tape, program, x, &call);
    reel_status status = reel__check_node(tape, x, &call);
    if (status != REEL_OK) return status;
    if (x->op->run) x->op->run(&call);
    return tape->options.checked ? check_finite(tape, x, &call) : REEL_OK;
}

bool reel__checked_early(const reel_tensor *x)
{
    bool early = x->op->check != NULL;
    for (int j = 0; early && j < x->input_count; j++) early = x->inputs[j]->value != NULL;
    return early;
}

reel_status reel__execute_plain(reel_tape *tape)
{
    reel__program *program = tape->program;
    program->computed = false;
    reel_status status = reel__check_written(tape);
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; status == REEL_OK && i < program->nodes.count; i++) {
            const reel_tensor *x = REEL__AT(program->nodes, reel_tensor *, i);
            if (reel__checked_early(x) == (pass == 0)) status = run_node(tape, program, x);
        }
    program->computed = status == REEL_OK;
    return status;
}
