/* reel_run and reel_eval: outputs, the run, and the assignments at its end; writing and reading values. */
#include "core/base/control.h"
#include "core/run/program.h"

#include <math.h>
#include <string.h>

/* What a run computes: assignments, losses, kept values and some results; with "keep everything" whatever is recorded. */
static bool collect_outputs(reel_tape *tape, reel__array *outputs)
{
    if (!reel__results(tape)) return false;
    const reel__array *lists[] = { &tape->assigns, &tape->losses };
    for (int l = 0; l < 2; l++)
        for (int64_t i = 0; i < lists[l]->count; i++) {
            if (!reel__reserve(&tape->allocator, outputs, outputs->count, sizeof(reel_tensor *))) return false;
            REEL__AT(*outputs, reel_tensor *, outputs->count++) = REEL__AT(*lists[l], reel_tensor *, i);
        }
    for (int64_t i = 0; i < tape->keeps.count; i++) {
        if (!reel__reserve(&tape->allocator, outputs, outputs->count, sizeof(reel_tensor *))) return false;
        REEL__AT(*outputs, reel_tensor *, outputs->count++) = REEL__AT(tape->keeps, reel__named, i).x;
    }
    for (int64_t i = 0; i < tape->results.count; i++) {
        const reel__result *r = &REEL__AT(tape->results, reel__result, i);
        if (!reel__runs_result(tape, r)) continue;
        if (!reel__reserve(&tape->allocator, outputs, outputs->count, sizeof(reel_tensor *))) return false;
        REEL__AT(*outputs, reel_tensor *, outputs->count++) = r->x;
        r->x->output = true;
    }
    for (int64_t i = 0; tape->options.keep_everything && i < tape->log.count; i++) {
        if (!reel__reserve(&tape->allocator, outputs, outputs->count, sizeof(reel_tensor *))) return false;
        REEL__AT(*outputs, reel_tensor *, outputs->count++) = REEL__AT(tape->log, reel_tensor *, i);
    }
    return true;
}

static bool prepare_run(reel_tape *tape)
{
    reel__array *outputs = &tape->outputs;
    outputs->count = 0;
    return collect_outputs(tape, outputs) && reel__program_prepare(tape, true, outputs->count, outputs->items);
}

/* Remembers what a parameter or state is before the run, which may assign to it. */
static bool show(reel_tape *tape, reel_tensor *x)
{
    if (!x->value || x->op == &reel__input_op) return true;
    const size_t size = (size_t)x->count * reel__dtype_size((reel_dtype)x->dtype);
    if (!reel__reserve(&tape->allocator, &tape->shown, tape->shown.count, sizeof(reel__shown))) return false;
    reel__shown *shown = &REEL__AT(tape->shown, reel__shown, tape->shown.count);
    if (shown->size != size || !shown->data) {
        reel__release(&tape->allocator, shown->data, shown->size);
        *shown = (reel__shown){ .data = reel__allocate(&tape->allocator, size), .size = size };
        if (!shown->data) return false;
    }
    if (size) memcpy(shown->data, x->value->data, size);
    shown->value = x->value;
    x->shown = (int32_t)++tape->shown.count;
    return true;
}

static bool show_leaves(reel_tape *tape)
{
    bool good = true;
    tape->shown.count = 0;
    for (int64_t i = 0; good && i < tape->losses.count; i++)
        good = show(tape, REEL__AT(tape->losses, reel_tensor *, i));
    for (int64_t i = 0; good && i < tape->keeps.count; i++) good = show(tape, REEL__AT(tape->keeps, reel__named, i).x);
    return good;
}

/* What is remembered of x, if it is of the run whose values are read. */
static reel__shown *shown_of(const reel_tape *tape, const reel_tensor *x)
{
    if (!x->readable || !x->value || x->shown < 1 || x->shown > tape->shown.count) return NULL;
    reel__shown *shown = &REEL__AT(tape->shown, reel__shown, x->shown - 1);
    return shown->value == x->value ? shown : NULL;
}

/* A setting that the machine cannot serve has left an error of its own. */
static reel_status not_prepared(reel_tape *tape, const char *what)
{
    if (tape->recording.status != REEL_OK) return tape->recording.status;
    return reel__run_fail(tape, REEL_OUT_OF_MEMORY, "%s: out of memory for the values of the program", what);
}

reel_status reel__execute(reel_tape *tape, const char *call, uint64_t draw)
{
    tape->call = call, tape->draw = draw;
    reel__control_word saved = reel__set_control_word();
    __atomic_store_n(&tape->busy, true, __ATOMIC_RELAXED);
    reel_status status = tape->program->steps ? reel__execute_planned(tape) : reel__execute_plain(tape);
    __atomic_store_n(&tape->busy, false, __ATOMIC_RELAXED);
    reel__restore_control_word(&saved);
    tape->site_file = NULL;
    tape->program->recording = tape->generation;
    tape->program->execution = tape->executions;
    return status;
}

/* The number of the run that comes next. */
static uint64_t next_draw(const reel_tape *tape)
{
    return (tape->options.evaluate ? tape->runs : tape->model->runs) + 1;
}

/* All at once, after everything that can fail. A plan has done some in place. */
static void commit(reel_tape *tape)
{
    for (int64_t i = 0; i < tape->assigns.count; i++) {
        const reel_tensor *y = REEL__AT(tape->assigns, reel_tensor *, i);
        if (!reel__assigned_in_place(tape->program, y)) reel__program_read(tape->program, y, y->inputs[0]->value->data);
    }
    if (tape->options.evaluate) tape->runs++;
    else {
        __atomic_store_n(&tape->model->runs, tape->model->runs + 1, __ATOMIC_RELAXED);
        tape->model->changes += tape->assigns.count > 0;
    }
    tape->ran = tape->generation;
    tape->run_draw = tape->draw;
    tape->run_writes = tape->writes, tape->run_changes = tape->model->changes;
}

static reel_status begin(reel_tape *tape, const char *what)
{
    if (__atomic_load_n(&tape->busy, __ATOMIC_RELAXED))
        return reel__run_fail(tape, REEL_BAD_STATE, "%s: the tape is running", what);
    reel__error_begin(&tape->running);
    if (*tape->fault) reel__report_fault(tape);
    if (__atomic_load_n(&reel__untaped, __ATOMIC_RELAXED)) reel__untaped_take(tape, "");
    if (tape->recording.status != REEL_OK) return tape->recording.status;
    if (tape->scope->parent) {
        reel__fail(tape, REEL_BAD_STATE, "%s: the scope \"%s\" is still open (reel_scope_pop is missing)", what,
                   tape->scope->path);
        return tape->recording.status;
    }
    if (tape->replacements.count) {
        reel__fail(tape, REEL_BAD_STATE, "%s: a reel_with_push() is still open (reel_with_pop is missing)", what);
        return tape->recording.status;
    }
    return REEL_OK;
}

reel_status(reel_run)(reel_tape *tape)
{
    if (!tape || tape->failed) return reel__untaped_site(NULL, 0), reel__status_without(tape);
    reel_status status = begin(tape, "run");
    if (status != REEL_OK) return status;
    tape->ran = 0;
    tape->last_run = ++tape->executions;
    if (!prepare_run(tape) || !show_leaves(tape)) return not_prepared(tape, "run");
    if (!tape->outputs.count)
        return reel__run_fail(tape, REEL_BAD_STATE,
                              "run: the tape computes nothing: no result, nothing kept or assigned");
    status = reel__execute(tape, "run", next_draw(tape));
    if (status == REEL_OK) commit(tape);
    return status;
}

reel_status(reel_eval)(reel_tape *tape, reel_tensor *const *tensors, int count)
{
    if (!tape || tape->failed) return reel__untaped_site(NULL, 0), reel__status_without(tape);
    reel_status status = begin(tape, "eval");
    if (status != REEL_OK) return status;
    if (count < 0) reel__fail(tape, REEL_BAD_ARGUMENT, "eval: the count is %d", count);
    else if (count && !tensors) reel__fail(tape, REEL_BAD_ARGUMENT, "eval: the array of tensors is NULL");
    for (int i = 0; tape->recording.status == REEL_OK && i < count; i++)
        reel__usable(tape, tensors[i], "eval: a tensor");
    if (tape->recording.status != REEL_OK) return tape->recording.status;
    if (!reel__program_prepare(tape, false, count, tensors)) return not_prepared(tape, "eval");
    for (int i = 0; i < count; i++) tensors[i]->output = true;
    tape->executions++;
    status = reel__execute(tape, "eval", next_draw(tape));
    for (int i = 0; status == REEL_OK && i < count; i++) { /* a leaf is from now on as the evaluation found it */
        reel__shown *shown = shown_of(tape, tensors[i]);
        if (shown) shown->value = NULL;
    }
    return status;
}

/* ---- Writing and reading ----------------------------------------------------------------------------------------- */

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

static reel_status stale(reel_tape *tape, const char *what, const reel_tensor *x)
{
    if (x->is_bad)
        return reel__run_fail(tape, REEL_BAD_STATE,
                              "%s: the tensor is the result of an error before reel_tape_clear(), or of a look-up in a "
                              "list that found nothing",
                              what);
    if (!x->file) return reel__run_fail(tape, REEL_BAD_STATE, "%s: the tensor is from before reel_tape_clear()", what);
    return reel__run_fail(tape, REEL_BAD_STATE, "%s: the tensor is from before reel_tape_clear() (recorded at %s:%d)",
                          what, x->file, x->line);
}

/* A handle that cannot be used is an error of this call, not of the recording. */
static reel_status begin_access(const char *what, const reel_tensor *x)
{
    if (!x) reel__fail(&reel__no_tape, REEL_BAD_ARGUMENT, "%s: the tensor is NULL", what);
    reel_tape *tape = reel__tape_or_none(x);
    if (tape->failed) return tape->recording.status;
    reel__error_begin(&tape->running);
    if (tape->recording.status != REEL_OK) return tape->recording.status;
    if (x->is_bad || x->generation != tape->generation) return stale(tape, what, x);
    return REEL_OK;
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
    if (count) memcpy(x->value->data, data, (size_t)count * reel__dtype_size(dtype));
    x->value->written = true;
    if (x->op == &reel__input_op || tape->options.evaluate) tape->writes++;
    else tape->model->changes++;
    tape->site_file = NULL;
    return REEL_OK;
}

/* Copies the value of what is no leaf. What was assigned may stand in its target and be written over. */
static reel_status copy_computed(reel_tape *tape, const char *what, reel_tensor *x, void *data)
{
    bool shown = x->readable || x->output || tape->options.keep_everything;
    if (!x->readable && !reel__results(tape))
        return reel__run_fail(tape, REEL_OUT_OF_MEMORY, "%s: out of memory to find %s", what, reel__node_text(x));
    reel__result *result = x->readable ? NULL : reel__result_of(tape, x);
    bool assigned = !shown && x->op == &reel__assign_op && tape->ran == tape->generation;
    if (assigned && reel__written_since_run(tape))
        return reel__run_fail(tape, REEL_BAD_STATE, "%s: %s has been written since the run (mark it with reel_keep())",
                              what, reel__node_text(x));
    if ((shown || assigned) && reel__read_computed(tape, x, data)) {
        if (result) result->wanted = true;
        return REEL_OK;
    }
    if (result && tape->ran == tape->generation) {
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
        const reel__shown *shown = tape->ran == tape->generation ? shown_of(tape, x) : NULL;
        const void *from = shown ? shown->data : x->value->data;
        if (x->count) memcpy(data, from, (size_t)x->count * reel__dtype_size((reel_dtype)x->dtype));
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
