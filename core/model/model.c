/* Models: making, freeing, finding and adding named values, reading and writing them by name.
 * Initial values are in initialise.c; files are written by safetensors.c and read by load.c. */
#include "core/model/model.h"

#include "core/base/random.h"
#include "core/base/hash.h"

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

reel__value *reel__value_find(const reel__values *values, const char *name, uint64_t hash)
{
    if (!values->bucket_count) return NULL;
    for (reel__value *v = values->buckets[hash & (uint64_t)(values->bucket_count - 1)]; v; v = v->next)
        if (v->hash == hash && strcmp(v->name, name) == 0) return v;
    return NULL;
}

reel__value *reel__value_next(const reel__value *value)
{
    for (reel__value *v = value->next; v; v = v->next)
        if (v->hash == value->hash && strcmp(v->name, value->name) == 0) return v;
    return NULL;
}

static void put_in_bucket(reel__values *values, reel__value *v)
{
    reel__value **bucket = &values->buckets[v->hash & (uint64_t)(values->bucket_count - 1)];
    v->next = *bucket, *bucket = v;
}

static bool grow_buckets(const reel_allocator *allocator, reel__values *values)
{
    if (values->list.count < values->bucket_count) return true;
    int64_t count = values->bucket_count ? values->bucket_count * 2 : 64;
    reel__value **buckets = reel__allocate(allocator, (size_t)count * sizeof *buckets);
    if (!buckets) return false;
    for (int64_t i = 0; i < values->list.count; i++) {
        reel__value *v = REEL__AT(values->list, reel__value *, i);
        reel__value **bucket = &buckets[v->hash & (uint64_t)(count - 1)];
        v->next = *bucket, *bucket = v;
    }
    reel__release(allocator, values->buckets, (size_t)values->bucket_count * sizeof *buckets);
    values->buckets = buckets;
    values->bucket_count = count;
    return true;
}

static size_t value_bytes(const reel__value *v) { return (size_t)v->count * reel__dtype_size(v->dtype); }

static void value_free(const reel_allocator *allocator, reel__value *v)
{
    if (!v) return;
    reel__release(allocator, v->data, value_bytes(v));
    reel__release(allocator, v, sizeof *v + strlen(v->name) + 1);
}

reel__value *reel__value_add(const reel_allocator *allocator, reel__values *values, const char *name, bool is_state,
                             reel_dtype dtype, int rank, const int64_t *size)
{
    if (!grow_buckets(allocator, values)) return NULL;
    if (!reel__reserve(allocator, &values->list, values->list.count, sizeof(reel__value *))) return NULL;
    reel__value *v = reel__allocate(allocator, sizeof *v + strlen(name) + 1);
    if (!v) return NULL;
    *v = (reel__value){
        .hash = reel__hash_string(name), .is_state = is_state, .dtype = dtype, .rank = rank, .init = reel_init_zeros()
    };
    for (int i = 0; i < rank; i++) v->size[i] = size[i];
    strcpy(v->name, name);
    if (!reel__shape_count(rank, size, &v->count)) v->count = 0;
    if (!(v->data = reel__allocate(allocator, value_bytes(v)))) {
        value_free(allocator, v);
        return NULL;
    }
    put_in_bucket(values, v);
    REEL__AT(values->list, reel__value *, values->list.count++) = v;
    return v;
}

void reel__values_keep(const reel_allocator *allocator, reel__values *values,
                       bool (*needed)(const reel__value *value, const void *context), const void *context)
{
    int64_t left = 0;
    memset(values->buckets, 0, (size_t)values->bucket_count * sizeof *values->buckets);
    for (int64_t i = 0; i < values->list.count; i++) {
        reel__value *v = REEL__AT(values->list, reel__value *, i);
        if (!needed(v, context)) {
            value_free(allocator, v);
            continue;
        }
        put_in_bucket(values, v);
        REEL__AT(values->list, reel__value *, left++) = v;
    }
    values->list.count = left;
}

void reel__values_free(const reel_allocator *allocator, reel__values *values)
{
    for (int64_t i = 0; i < values->list.count; i++) value_free(allocator, REEL__AT(values->list, reel__value *, i));
    reel__array_free(allocator, &values->list, sizeof(reel__value *));
    reel__release(allocator, values->buckets, (size_t)values->bucket_count * sizeof *values->buckets);
    values->buckets = NULL, values->bucket_count = 0;
}

static const char *list_name(const void *context, int64_t index)
{
    return REEL__AT(((const reel_model *)context)->values.list, reel__value *, index)->name;
}

const char *reel__model_nearest(const reel_model *model, const char *name)
{
    reel__model_lock(model);
    const char *nearest = reel__nearest(name, model->values.list.count, list_name, model);
    reel__model_unlock(model);
    return nearest;
}

reel__value *reel__model_find(const reel_model *model, const char *name)
{
    const uint64_t hash = reel__hash_string(name);
    reel__model_lock(model);
    reel__value *value = reel__value_find(&model->values, name, hash);
    reel__model_unlock(model);
    return value;
}

const reel__value *reel__model_named(const reel_model *model, reel__pattern_part part, bool states)
{
    const reel__value *named = NULL;
    reel__model_lock(model);
    for (int64_t i = 0; !named && i < model->values.list.count; i++) {
        const reel__value *v = REEL__AT(model->values.list, reel__value *, i);
        if ((states || !v->is_state) && reel__part_matches(part, v->name)) named = v;
    }
    reel__model_unlock(model);
    return named;
}

void reel__model_consider(const reel_model *model, reel__pattern_part part, bool states, reel__pattern_hint *hint)
{
    reel__model_lock(model);
    for (int64_t i = 0; i < model->values.list.count; i++) {
        const reel__value *v = REEL__AT(model->values.list, reel__value *, i);
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
    for (int64_t i = 0; i < model->values.list.count; i++) {
        reel__value *v = REEL__AT(model->values.list, reel__value *, i);
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
    const int64_t count = model->values.list.count;
    reel__model_unlock(model);
    return count;
}

int64_t reel_model_runs(const reel_model *model)
{
    return model ? (int64_t)__atomic_load_n(&model->runs, __ATOMIC_RELAXED) : 0;
}

static int64_t below(const reel__value *v) { return v ? v->below : 0; }

/* The names are a search tree and their hashes, mixed, a heap: so it is as deep as a tree of names in random order (Seidel
 * and Aragon 1996), and nothing changes when it is looked into. */
static uint64_t priority(const reel__value *v) { return reel__mix(v->hash, 0); }

static void split(reel__value *tree, const char *name, reel__value **smaller, reel__value **larger)
{
    if (!tree) {
        *smaller = *larger = NULL;
    } else if (strcmp(tree->name, name) < 0) {
        split(tree->after, name, &tree->after, larger);
        *smaller = tree;
    } else {
        split(tree->before, name, smaller, &tree->before);
        *larger = tree;
    }
    if (tree) tree->below = 1 + below(tree->before) + below(tree->after);
}

void reel__value_rank(reel__values *values, reel__value *value)
{
    reel__value **at = &values->root;
    while (*at && priority(*at) >= priority(value)) {
        (*at)->below++;
        at = strcmp(value->name, (*at)->name) < 0 ? &(*at)->before : &(*at)->after;
    }
    value->below = 1 + below(*at);
    split(*at, value->name, &value->before, &value->after);
    *at = value;
}

static const char *name_at(const reel_model *model, int64_t index)
{
    const reel__value *v = model->values.root;
    if (index < 0) return NULL;
    while (v && index != below(v->before)) {
        if (index < below(v->before)) {
            v = v->before;
            continue;
        }
        index -= below(v->before) + 1;
        v = v->after;
    }
    return v ? v->name : NULL;
}

const char *reel_model_name(const reel_model *model, int64_t index)
{
    if (!model || model->failed) return NULL;
    reel__model_lock(model);
    const char *name = name_at(model, index);
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
