/* Writing values of leaves, and reading values: of a leaf, of what a run or an evaluation has computed, or of a result that
 * is computed now (demand.c). */
#include "core/run/executor.h"

#include <math.h>
#include <string.h>

static reel_status fits(reel_tape *tape, const char *what, const reel_tensor *x, reel_dtype dtype, const void *data,
                        int64_t count)
{
    if (x->dtype != dtype)
        return reel__run_fail(tape, REEL_BAD_DTYPE, "%s_%s: %s is %s", what, reel__dtype_name(dtype),
                              reel__node_text(x), reel__dtype_name((reel_dtype)x->dtype));
    if (x->count != count)
        return reel__run_fail(tape, REEL_BAD_ARGUMENT, "%s_%s: %s has %lld elements, not %lld", what,
                              reel__dtype_name(dtype), reel__node_text(x), (long long)x->count, (long long)count);
    if (!data && count)
        return reel__run_fail(tape, REEL_BAD_ARGUMENT, "%s_%s: data is NULL", what, reel__dtype_name(dtype));
    return REEL_OK;
}

/* A handle that cannot be used is an error of this call, not of the recording. */
static reel_status begin_access(const char *what, const reel_tensor *x)
{
    if (!x) reel__fail(&reel__no_tape, REEL_BAD_ARGUMENT, "%s: the tensor is NULL", what);
    reel_tape *tape = reel__tape_or_none(x);
    if (tape->failed) return tape->recording.status;
    reel__error_begin(&tape->running);
    if (tape->recording.status != REEL_OK) return tape->recording.status;
    if (!x->is_bad && x->generation == tape->generation) return REEL_OK;
    char text[600];
    return reel__run_fail(tape, REEL_BAD_STATE, "%s: the tensor is %s", what, reel__stale_text(x, text, sizeof text));
}

static reel_status write_value(reel_tensor *x, reel_dtype dtype, const void *data, int64_t count)
{
    reel_tape *tape = reel__tape_or_none(x);
    reel_status status = begin_access("write", x);
    if (status != REEL_OK) return status;
    if (!x->value)
        return reel__run_fail(tape, REEL_BAD_ARGUMENT, "write: %s is no input, parameter or state", reel__node_text(x));
    if (x->op != &reel__input_op && tape->options.evaluate && !reel__is_private(tape, x->value))
        return reel__run_fail(tape, REEL_BAD_STATE, "write: an evaluating tape never writes %s", reel__node_text(x));
    if ((status = fits(tape, "write", x, dtype, data, count)) != REEL_OK) return status;
    if (count) memcpy(x->value->data, data, reel__value_bytes(x));
    x->value->written = true;
    if (x->op != &reel__input_op && !tape->options.evaluate) tape->model->changes++;
    else if (tape->executor) tape->executor->writes++;
    tape->site_file = NULL;
    return REEL_OK;
}

reel__snapshot *reel__snapshot_of(const reel__executor *executor, const reel_tensor *x)
{
    if (!x->readable || !x->value || x->snapshot >= executor->snapshots.count) return NULL;
    reel__snapshot *snapshot = &REEL__AT(executor->snapshots, reel__snapshot, x->snapshot);
    return snapshot->value == x->value ? snapshot : NULL;
}

/* Copies the value of what is no leaf. An assigned value that is not kept may be in the memory of its target only, which the
 * user may have written since the run: then it cannot be read. */
static reel_status copy_computed(reel_tape *tape, const char *what, reel_tensor *x, void *data)
{
    bool shown = x->readable || x->output || tape->options.keep_everything;
    if (!x->readable && !reel__results(tape))
        return reel__run_fail(tape, REEL_OUT_OF_MEMORY, "%s: out of memory to find %s", what, reel__node_text(x));
    reel__result *result = x->readable ? NULL : reel__result_of(tape, x);
    bool assigned = !shown && x->op == &reel__assign_op && reel__has_run(tape);
    if (assigned && reel__written_since_run(tape))
        return reel__run_fail(tape, REEL_BAD_STATE, "%s: %s has been written since the run (mark it with reel_keep())",
                              what, reel__node_text(x));
    if ((shown || assigned) && reel__read_computed(tape, x, data)) {
        if (result) result->wanted = true;
        return REEL_OK;
    }
    if (result && reel__has_run(tape)) {
        reel_status status = reel__compute_result(tape, what, x);
        if (status != REEL_OK) return status;
        result->wanted = true; /* later runs compute it, now that it is known to go well */
        return reel__read_computed(tape, x, data) ? REEL_OK : REEL_OUT_OF_MEMORY;
    }
    if (!shown && !result && x->op != &reel__assign_op)
        return reel__run_fail(tape, REEL_BAD_STATE, "%s: %s is not kept (mark it with reel_keep() before the run)",
                              what, reel__node_text(x));
    return reel__run_fail(tape, REEL_BAD_STATE, "%s: %s has no value: no run or evaluation has computed it", what,
                          reel__node_text(x));
}

/* Copies the value of x, after all checks. */
static reel_status copy_value(reel_tape *tape, const char *what, reel_tensor *x, void *data)
{
    reel_status status = REEL_OK;
    if (x->value && (x->op != &reel__input_op || x->value->written)) {
        const reel__snapshot *snapshot = reel__has_run(tape) ? reel__snapshot_of(tape->executor, x) : NULL;
        const void *from = snapshot ? snapshot->data : x->value->data;
        if (x->count) memcpy(data, from, reel__value_bytes(x));
    } else if (x->value) {
        return reel__run_fail(tape, REEL_BAD_STATE, "%s: the input %s was never written", what, reel__node_text(x));
    } else {
        status = copy_computed(tape, what, x, data);
    }
    tape->site_file = NULL;
    return status;
}

static reel_status read_value(reel_tensor *x, reel_dtype dtype, void *data, int64_t count)
{
    reel_status status = begin_access("read", x);
    if (status == REEL_OK) status = fits(x->tape, "read", x, dtype, data, count);
    return status == REEL_OK ? copy_value(x->tape, "read", x, data) : status;
}

double(reel_item)(reel_tensor *x)
{
    union {
        float f32;
        double f64;
        int32_t i32;
    } value = { .f64 = 0 };
    if (begin_access("item", x) != REEL_OK) return (double)NAN;
    if (x->count != 1) {
        reel__run_fail(x->tape, REEL_BAD_SHAPE, "item: %s is not one number", reel__node_text(x));
        return (double)NAN;
    }
    if (copy_value(x->tape, "item", x, &value) != REEL_OK) return (double)NAN;
    return x->dtype == REEL_I32 ? value.i32 : x->dtype == REEL_F32 ? (double)value.f32 : value.f64;
}

reel_status(reel_write_f32)(reel_tensor *x, const float *data, int64_t count)
{
    return write_value(x, REEL_F32, data, count);
}
reel_status(reel_write_f64)(reel_tensor *x, const double *data, int64_t count)
{
    return write_value(x, REEL_F64, data, count);
}
reel_status(reel_write_i32)(reel_tensor *x, const int32_t *data, int64_t count)
{
    return write_value(x, REEL_I32, data, count);
}
reel_status(reel_read_f32)(reel_tensor *x, float *data, int64_t count) { return read_value(x, REEL_F32, data, count); }
reel_status(reel_read_f64)(reel_tensor *x, double *data, int64_t count) { return read_value(x, REEL_F64, data, count); }
reel_status(reel_read_i32)(reel_tensor *x, int32_t *data, int64_t count)
{
    return read_value(x, REEL_I32, data, count);
}
