/* Models: making, freeing, finding and adding named values, reading and writing them by name.
 * Initial values are in initialise.c; files are written by safetensors.c and read by load.c. */
#include "core/model/model.h"

#include <stdlib.h>
#include <string.h>

static reel_model failed_model = { .failed = true };
reel_model reel__no_model = { .failed = true };

reel_model *reel_model_new_sized(const reel_model_options *options, size_t size)
{
    reel_model_options o = { 0 };
    if (options) memcpy(&o, options, size < sizeof o ? size : sizeof o);
    if (!o.allocator.resize) o.allocator = reel__default_allocator();
    reel_model *model = reel__allocate(&o.allocator, sizeof *model);
    if (!model) return &failed_model;
    model->allocator = o.allocator;
    model->seed = o.seed;
    model->references = 1;
    if (pthread_mutex_init(&model->lock, NULL) == 0) return model;
    reel__release(&o.allocator, model, sizeof *model);
    return &failed_model;
}

void reel__model_lock(const reel_model *model) { pthread_mutex_lock((pthread_mutex_t *)(uintptr_t)&model->lock); }
void reel__model_unlock(const reel_model *model) { pthread_mutex_unlock((pthread_mutex_t *)(uintptr_t)&model->lock); }

void reel__model_retain(reel_model *model)
{
    if (!model->failed) __atomic_add_fetch(&model->references, 1, __ATOMIC_RELAXED);
}

void reel__model_release(reel_model *model)
{
    if (model->failed || __atomic_sub_fetch(&model->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    reel_allocator allocator = model->allocator;
    reel__values_free(&allocator, &model->values);
    reel__array_free(&allocator, &model->left_out, 1);
    pthread_mutex_destroy(&model->lock);
    reel__release(&allocator, model, sizeof *model);
}

void reel_model_free(reel_model *model)
{
    if (model) reel__model_release(model);
}

reel_status reel__model_fail(reel_model *model, reel_status status, const char *format, ...)
{
    if (model->failed) return REEL_OUT_OF_MEMORY;
    va_list arguments;
    va_start(arguments, format);
    reel__model_lock(model);
    model->last = status;
    reel__error_begin(&model->error);
    reel__error_set(&model->error, status, format, arguments);
    reel__model_unlock(model);
    va_end(arguments);
    return status;
}

void reel__model_begin(reel_model *model)
{
    reel__model_lock(model);
    reel__error_begin(&model->error);
    reel__model_unlock(model);
}

/* Another thread's call may fail while the text is read, so each thread reads a copy of its own. */
enum { COPIES = 4 };
static _Thread_local struct {
    char text[sizeof((reel__error *)0)->message];
} copies[COPIES];
static _Thread_local unsigned next_copy;

const char *reel_model_error(const reel_model *model)
{
    if (!model) return "the model is NULL";
    if (model->failed) return "model: out of memory";
    char *text = NULL;
    reel__model_lock(model);
    reel__error_hear(&model->error);
    if (model->error.status != REEL_OK) {
        text = copies[next_copy++ % COPIES].text;
        memcpy(text, model->error.message, sizeof model->error.message);
    }
    reel__model_unlock(model);
    return text;
}

int64_t reel__value_index(const reel__array *values, const char *name)
{
    int64_t first = 0, end = values->count;
    while (first < end) {
        const int64_t middle = first + (end - first) / 2;
        if (strcmp(reel__value_at(values, middle)->name, name) < 0) first = middle + 1;
        else end = middle;
    }
    return first;
}

reel__value *reel__value_find(const reel__array *values, const char *name)
{
    const int64_t i = reel__value_index(values, name);
    if (i == values->count || strcmp(reel__value_at(values, i)->name, name) != 0) return NULL;
    return reel__value_at(values, i);
}

void reel__value_insert(reel__array *values, reel__value *value)
{
    const int64_t i = reel__value_index(values, value->name);
    reel__value **at = &REEL__AT(*values, reel__value *, i);
    memmove(at + 1, at, (size_t)(values->count++ - i) * sizeof *at);
    *at = value;
}

static size_t value_bytes(const reel__value *v) { return (size_t)v->count * reel__dtype_size(v->dtype); }

static void value_free(const reel_allocator *allocator, reel__value *v)
{
    if (!v) return;
    reel__release(allocator, v->data, value_bytes(v));
    reel__release(allocator, v, sizeof *v + strlen(v->name) + 1);
}

reel__value *reel__value_add(const reel_allocator *allocator, reel__array *values, const char *name, bool is_state,
                             reel_dtype dtype, int rank, const int64_t *size)
{
    if (!reel__reserve(allocator, values, values->count, sizeof(reel__value *))) return NULL;
    reel__value *v = reel__allocate(allocator, sizeof *v + strlen(name) + 1);
    if (!v) return NULL;
    *v = (reel__value){ .is_state = is_state, .dtype = dtype, .rank = rank, .init = reel_init_zeros() };
    for (int i = 0; i < rank; i++) v->size[i] = size[i];
    strcpy(v->name, name);
    if (!reel__shape_count(rank, size, &v->count)) v->count = 0;
    if (!(v->data = reel__allocate(allocator, value_bytes(v)))) {
        value_free(allocator, v);
        return NULL;
    }
    reel__value_insert(values, v);
    return v;
}

void reel__values_keep(const reel_allocator *allocator, reel__array *values,
                       bool (*needed)(const reel__value *value, const void *context), const void *context)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < values->count; i++) {
        reel__value *v = reel__value_at(values, i);
        if (needed(v, context)) REEL__AT(*values, reel__value *, kept++) = v;
        else value_free(allocator, v);
    }
    values->count = kept;
}

void reel__values_free(const reel_allocator *allocator, reel__array *values)
{
    for (int64_t i = 0; i < values->count; i++) value_free(allocator, reel__value_at(values, i));
    reel__array_free(allocator, values, sizeof(reel__value *));
}

static const char *name_at(const void *model, int64_t index)
{
    return reel__value_at(&((const reel_model *)model)->values, index)->name;
}

const char *reel__model_nearest(const reel_model *model, const char *name)
{
    reel__model_lock(model);
    const char *nearest = reel__nearest(name, model->values.count, name_at, model);
    reel__model_unlock(model);
    return nearest;
}

reel__value *reel__model_find(const reel_model *model, const char *name)
{
    reel__model_lock(model);
    reel__value *value = reel__value_find(&model->values, name);
    reel__model_unlock(model);
    return value;
}

const reel__value *reel__model_named(const reel_model *model, reel__pattern_part part, bool states)
{
    const reel__value *named = NULL;
    reel__model_lock(model);
    for (int64_t i = 0; !named && i < model->values.count; i++) {
        const reel__value *v = reel__value_at(&model->values, i);
        if ((states || !v->is_state) && reel__part_matches(part, v->name)) named = v;
    }
    reel__model_unlock(model);
    return named;
}

void reel__model_consider(const reel_model *model, reel__pattern_part part, bool states, reel__pattern_hint *hint)
{
    reel__model_lock(model);
    for (int64_t i = 0; i < model->values.count; i++) {
        const reel__value *v = reel__value_at(&model->values, i);
        if (states || !v->is_state) reel__pattern_consider(hint, part, v->name);
    }
    reel__model_unlock(model);
}

reel_status reel_model_seal(reel_model *model)
{
    if (!model || model->failed) return reel__status_without_model(model);
    reel__model_lock(model);
    model->sealed = true;
    reel__model_unlock(model);
    return REEL_OK;
}

reel_status reel_model_reset(reel_model *model, const char *pattern)
{
    if (!model || model->failed) return reel__status_without_model(model);
    reel__model_begin(model);
    const char *fault = reel__pattern_fault(pattern);
    if (fault) return reel__model_fail(model, REEL_BAD_NAME, "model_reset: the pattern \"%s\" %s", pattern, fault);
    reel__pattern_part part;
    for (const char *next = pattern; reel__pattern_next(&next, &part);) {
        if (reel__model_named(model, part, true)) continue;
        reel__pattern_hint hint = { 0 };
        reel__model_consider(model, part, true, &hint);
        return reel__model_fail(model, REEL_BAD_NAME, "model_reset: nothing in the model is named by \"%.*s\"%s%s%s",
                                (int)part.length, part.text, hint.distance ? " (did you mean \"" : "", hint.text,
                                hint.distance ? "\"?)" : "");
    }
    for (int64_t i = 0; i < model->values.count; i++) {
        reel__value *v = reel__value_at(&model->values, i);
        if (reel__pattern_matches(pattern, v->name)) reel__value_initialise(v, model->seed);
    }
    model->changes++;
    return REEL_OK;
}

const char *reel_model_left_out(const reel_model *model) { return model ? model->left_out.items : NULL; }

int64_t reel_model_count(const reel_model *model)
{
    if (!model || model->failed) return 0;
    reel__model_lock(model);
    const int64_t count = model->values.count;
    reel__model_unlock(model);
    return count;
}

int64_t reel_model_runs(const reel_model *model)
{
    return model ? (int64_t)__atomic_load_n(&model->runs, __ATOMIC_RELAXED) : 0;
}

const char *reel_model_name(const reel_model *model, int64_t index)
{
    if (!model || model->failed) return NULL;
    reel__model_lock(model);
    const char *name = index >= 0 && index < model->values.count ? name_at(model, index) : NULL;
    reel__model_unlock(model);
    return name;
}

static reel__value *value_named(const reel_model *model, const char *name)
{
    return model && !model->failed && name ? reel__model_find(model, name) : NULL;
}

reel_shape reel_model_shape(const reel_model *model, const char *name)
{
    reel_shape shape = { 0 };
    const reel__value *v = value_named(model, name);
    if (!v) return shape;
    shape.rank = v->rank;
    memcpy(shape.size, v->size, sizeof shape.size);
    return shape;
}

/* Finds the value to be read or written and makes all checks. */
static reel_status find_checked(reel_model *model, const char *call, const char *name, reel_dtype dtype, int64_t count,
                                const void *data, reel__value **value)
{
    if (!model || model->failed) return reel__status_without_model(model);
    reel__model_begin(model);
    reel__value *v = *value = value_named(model, name);
    if (!v) {
        const char *near = reel__model_nearest(model, name ? name : "");
        return reel__model_fail(model, REEL_BAD_NAME, "%s: the model has no \"%s\"%s%s%s", call, name ? name : "(null)",
                                near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
    }
    if (v->dtype != dtype)
        return reel__model_fail(model, REEL_BAD_DTYPE, "%s: \"%s\" is %s, not %s", call, name,
                                reel__dtype_name(v->dtype), reel__dtype_name(dtype));
    if (v->count != count) {
        reel__text text;
        return reel__model_fail(model, REEL_BAD_ARGUMENT, "%s: \"%s\" has %lld elements %s, not %lld", call, name,
                                (long long)v->count, reel__shape_text(&text, v->rank, v->size), (long long)count);
    }
    if (!data && count) return reel__model_fail(model, REEL_BAD_ARGUMENT, "%s: data is NULL", call);
    return REEL_OK;
}

static reel_status copy_out(reel_model *model, const char *call, const char *name, reel_dtype dtype, void *data,
                            int64_t count)
{
    reel__value *v;
    reel_status status = find_checked(model, call, name, dtype, count, data, &v);
    if (status == REEL_OK && count) memcpy(data, v->data, value_bytes(v));
    return status;
}

static reel_status copy_in(reel_model *model, const char *call, const char *name, reel_dtype dtype, const void *data,
                           int64_t count)
{
    reel__value *v;
    reel_status status = find_checked(model, call, name, dtype, count, data, &v);
    if (status != REEL_OK) return status;
    if (count) memcpy(v->data, data, value_bytes(v));
    model->changes++;
    return REEL_OK;
}

reel_status reel_model_read_f32(reel_model *model, const char *name, float *data, int64_t count)
{
    return copy_out(model, "model_read_f32", name, REEL_F32, data, count);
}

reel_status reel_model_read_f64(reel_model *model, const char *name, double *data, int64_t count)
{
    return copy_out(model, "model_read_f64", name, REEL_F64, data, count);
}

reel_status reel_model_read_i32(reel_model *model, const char *name, int32_t *data, int64_t count)
{
    return copy_out(model, "model_read_i32", name, REEL_I32, data, count);
}

reel_status reel_model_write_f32(reel_model *model, const char *name, const float *data, int64_t count)
{
    return copy_in(model, "model_write_f32", name, REEL_F32, data, count);
}

reel_status reel_model_write_f64(reel_model *model, const char *name, const double *data, int64_t count)
{
    return copy_in(model, "model_write_f64", name, REEL_F64, data, count);
}

reel_status reel_model_write_i32(reel_model *model, const char *name, const int32_t *data, int64_t count)
{
    return copy_in(model, "model_write_i32", name, REEL_I32, data, count);
}
