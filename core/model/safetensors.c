/* Saving a model as a safetensors file, whose layout is in safetensors.h. The header is made in
 * memory, names in alphabetical order; file.c writes all of it or nothing. Loading is in load.c. */
#include "core/model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

reel_status reel__file_fail(reel_model *model, const char *call, const char *path, reel_status status,
                            const char *format, ...)
{
    char reason[600];
    reel__shown_path shown;
    va_list arguments;
    va_start(arguments, format);
    reel__format(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return reel__model_fail(model, status, "%s: %s: %s", call, reel__show_path(&shown, path), reason);
}

#define FAIL(model, path, ...) reel__file_fail(model, "model_save", path, __VA_ARGS__)

typedef struct saver {
    reel_model *model;
    reel__array values; /* const reel__value *, by name */
    reel__array text;   /* of the header */
    bool out_of_memory;
} saver;

static const reel__value *value_at(const saver *s, int64_t i) { return REEL__AT(s->values, const reel__value *, i); }

static size_t data_size(const saver *s, int64_t i) { return (size_t)reel__value_bytes(value_at(s, i)); }

static void put(saver *s, const char *text, size_t size)
{
    const int64_t end = s->text.count + (int64_t)size;
    s->out_of_memory = s->out_of_memory || !reel__reserve(&s->model->allocator, &s->text, end, 1);
    if (s->out_of_memory) return;
    memcpy((char *)s->text.items + s->text.count, text, size);
    s->text.count = end;
}

REEL_PRINTF(2, 3)
static void print(saver *s, const char *format, ...)
{
    char text[200]; /* enough for all that is printed here; names are put */
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put(s, text, (size_t)length);
}

static void put_name(saver *s, const char *name)
{
    while (*name) {
        const char *plain = name;
        while ((unsigned char)*name >= ' ' && *name != '"' && *name != '\\') name++;
        put(s, plain, (size_t)(name - plain));
        if (!*name) break;
        print(s, (unsigned char)*name < ' ' ? "\\u%04x" : "\\%c", (unsigned char)*name);
        name++;
    }
}

static void put_kind(saver *s, const reel__value *v)
{
    const char *kind = reel__init_kinds[v->init.kind % REEL__INIT_KINDS];
    uint64_t a, b;
    memcpy(&a, &v->init.a, sizeof a), memcpy(&b, &v->init.b, sizeof b);
    put(s, ",\"value:", 8);
    put_name(s, v->name);
    if (v->is_state) print(s, "\":\"state\"");
    else print(s, "\":\"parameter %s %016llx %016llx\"", kind, (unsigned long long)a, (unsigned long long)b);
}

static void put_entry(saver *s, const reel__value *v, int64_t begin)
{
    static const char *const dtypes[] = { "F32", "F64", "I32" }; /* as in reel_dtype */
    put(s, ",\"", 2);
    put_name(s, v->name);
    print(s, "\":{\"dtype\":\"%s\",\"shape\":[", dtypes[v->dtype]);
    for (int i = 0; i < v->rank; i++) print(s, "%s%lld", i ? "," : "", (long long)v->size[i]);
    print(s, "],\"data_offsets\":[%lld,%lld]}", (long long)begin, (long long)(begin + reel__value_bytes(v)));
}

/* The data is in order of the names, f64 first, so that every value is aligned to its size. */
static bool in_pass(const reel__value *v, int pass) { return reel__dtype_size(v->dtype) == (pass == 0 ? 8 : 4); }

static void put_header(saver *s)
{
    int64_t at[2] = { 0, 0 };
    print(s, REEL__PREFIX "%0*d\",\"library\":\"%s\",\"seed\":\"%llu\",\"runs\":\"%llu\"", REEL__DIGITS, 0,
          reel_version(), (unsigned long long)s->model->seed, (unsigned long long)s->model->runs);
    for (int64_t i = 0; i < s->values.count; i++) {
        put_kind(s, value_at(s, i));
        if (in_pass(value_at(s, i), 0)) at[1] += reel__value_bytes(value_at(s, i));
    }
    put(s, "}", 1);
    for (int64_t i = 0; i < s->values.count; i++) {
        const int pass = in_pass(value_at(s, i), 0) ? 0 : 1;
        put_entry(s, value_at(s, i), at[pass]);
        at[pass] += reel__value_bytes(value_at(s, i));
    }
    put(s, "}", 1);
    while (!s->out_of_memory && s->text.count % 8 != 0) put(s, " ", 1);
}

/* The file in pieces, in the order in which it is written. */
static void for_each_piece(const saver *s, void (*take)(void *context, const void *data, size_t size), void *context)
{
    unsigned char length[REEL__LENGTH_BYTES];
    for (int i = 0; i < REEL__LENGTH_BYTES; i++) length[i] = (unsigned char)((uint64_t)s->text.count >> (8 * i));
    take(context, length, sizeof length);
    take(context, s->text.items, (size_t)s->text.count);
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < s->values.count; i++)
            if (in_pass(value_at(s, i), pass)) take(context, value_at(s, i)->data, data_size(s, i));
}

static void add_piece(void *crc, const void *data, size_t size) { reel__crc_add(crc, data, size); }
static void write_piece(void *writer, const void *data, size_t size) { reel__writer_put(writer, data, size); }

/* Computed with zeros for its digits, which it then replaces. */
static void put_checksum(saver *s)
{
    reel__crc crc;
    char digits[REEL__DIGITS + 1];
    reel__crc_begin(&crc);
    for_each_piece(s, add_piece, &crc);
    snprintf(digits, sizeof digits, "%08lx", (unsigned long)reel__crc_end(&crc));
    memcpy((char *)s->text.items + REEL__DIGITS_AT, digits, REEL__DIGITS);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(reel__value *const *)a)->name, (*(reel__value *const *)b)->name);
}

static bool sort_values(saver *s)
{
    const reel__array *all = &s->model->values.list;
    if (!reel__reserve(&s->model->allocator, &s->values, all->count, sizeof(reel__value *))) return false;
    if (all->count == 0) return true;
    memcpy(s->values.items, all->items, (size_t)all->count * sizeof(reel__value *));
    s->values.count = all->count;
    qsort(s->values.items, (size_t)all->count, sizeof(reel__value *), by_name);
    return true;
}

/* Names come from the user's program, which may have any encoding; a file has UTF-8. */
static bool names_fit(const saver *s, const char *path)
{
    for (int64_t i = 0; i < s->values.count; i++) {
        const char *name = value_at(s, i)->name, *end = name + strlen(name), *p = name;
        for (int n; (n = reel__utf8_length(p, end)) > 0;) p += n;
        if (p == end && strcmp(name, "__metadata__") != 0) continue;
        reel__quoted quoted;
        FAIL(s->model, path, REEL_BAD_NAME, "the name %s %s", reel__quote(&quoted, name),
             p == end ? "is taken by the format" : "is not UTF-8");
        return false;
    }
    return true;
}

static reel_status save(saver *s, const char *path)
{
    reel_model *model = s->model;
    if (!path) return FAIL(model, path, REEL_BAD_ARGUMENT, "the path is NULL");
    if (!sort_values(s)) s->out_of_memory = true;
    else if (!names_fit(s, path)) return model->last;
    else put_header(s);
    if (s->out_of_memory) return FAIL(model, path, REEL_OUT_OF_MEMORY, "out of memory");
    if (s->text.count > REEL__LONGEST_HEADER)
        return FAIL(model, path, REEL_TOO_LARGE, "the header has %lld bytes, and %d are allowed",
                    (long long)s->text.count, REEL__LONGEST_HEADER);
    put_checksum(s);
    reel__writer w;
    if (reel__writer_open(&w, path)) for_each_piece(s, write_piece, &w);
    return reel__writer_close(&w) ? REEL_OK : FAIL(model, path, REEL_BAD_FILE, "%s", w.reason);
}

reel_status reel_model_save(reel_model *model, const char *path)
{
    if (!model || model->failed) return reel__status_without_model(model);
    reel__model_begin(model);
    saver s = { .model = model };
    reel_status status = save(&s, path);
    reel__array_free(&model->allocator, &s.values, sizeof(reel__value *));
    reel__array_free(&model->allocator, &s.text, 1);
    return status;
}
