/* Loading a safetensors file, whose layout is in safetensors.h, into a model. Everything is read
 * and checked before the model is touched: the values go into a table of their own; what then
 * remains, copying and linking, cannot fail. The model continues with the saved seed and run
 * counter, so training resumes to the bit. A file that Reel did not write brings values alone.
 * One that the model has stays a parameter or a state; others become parameters, and if they are i32,
 * which no parameter is, states. What cannot be a value is left out. */
#include "core/base/random.h"
#include "core/model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct loader {
    reel_model *model;
    const char *path;
    reel__reader reader;
    char *text; /* of the header */
    int64_t text_size;
    reel__header header;
    bool is_reel; /* then the next three are known, and the checksum is that */
    uint64_t seed, runs, checksum;
    bool of_all; /* of the whole file, and not of its data alone */
    reel__crc crc;
    reel__values staged;
    reel__array left_out;  /* text */
    reel__value **buckets; /* room for the model's table once all values are in it */
    int64_t bucket_count;
} loader;

#define FAIL(l, ...) (reel__file_fail((l)->model, "model_load", (l)->path, __VA_ARGS__), false)
#define FILE_FAIL(l, ...) FAIL(l, REEL_BAD_FILE, __VA_ARGS__)

static bool out_of_memory(loader *l) { return FAIL(l, REEL_OUT_OF_MEMORY, "out of memory"); }

static bool read_bytes(loader *l, void *data, int64_t size)
{
    return reel__reader_read(&l->reader, data, size) || FILE_FAIL(l, "%s", l->reader.reason);
}

static bool read_length(loader *l, unsigned char *length, int64_t left)
{
    uint64_t size = 0;
    if (left < 0) return FILE_FAIL(l, "%lld bytes are no safetensors file", (long long)l->reader.size);
    if (!read_bytes(l, length, REEL__LENGTH_BYTES)) return false;
    for (int i = 0; i < REEL__LENGTH_BYTES; i++) size |= (uint64_t)length[i] << (8 * i);
    if (size > REEL__LONGEST_HEADER)
        return FILE_FAIL(l, "a header of %llu bytes, and %d are allowed; is it a safetensors file?",
                         (unsigned long long)size, REEL__LONGEST_HEADER);
    if ((int64_t)size > left)
        return FILE_FAIL(l, "the header is cut off after %lld of %llu bytes", (long long)left,
                         (unsigned long long)size);
    l->text_size = (int64_t)size;
    return true;
}

/* Whether the file is one that Reel wrote whole, by the first bytes of the header, before anything in it is believed. */
static bool begin_checksum(loader *l, const unsigned char *length)
{
    static const char prefix[] = REEL__PREFIX, zeros[] = "00000000";
    const int64_t rest = REEL__DIGITS_AT + REEL__DIGITS;
    int different = 0;
    reel__crc_begin(&l->crc);
    if (l->text_size < rest) return true; /* the prefix alone is no header, so this is none of Reel's or not JSON */
    for (int i = 0; i < REEL__DIGITS_AT; i++) different += l->text[i] != prefix[i];
    l->of_all = different == 0;
    if (different > 0 && different <= REEL__NEAR)
        return FILE_FAIL(l, "it is damaged: its header begins almost as that of a file of Reel's");
    if (!l->of_all) return true;
    reel__crc_add(&l->crc, length, REEL__LENGTH_BYTES);
    reel__crc_add(&l->crc, prefix, REEL__DIGITS_AT);
    reel__crc_add(&l->crc, zeros, REEL__DIGITS);
    reel__crc_add(&l->crc, l->text + rest, (size_t)(l->text_size - rest));
    return true;
}

static bool read_header(loader *l)
{
    unsigned char length[REEL__LENGTH_BYTES];
    if (!l->path) return FAIL(l, REEL_BAD_ARGUMENT, "the path is NULL");
    if (!reel__reader_open(&l->reader, l->path)) return FILE_FAIL(l, "%s", l->reader.reason);
    const int64_t left = l->reader.size - REEL__LENGTH_BYTES;
    if (!read_length(l, length, left)) return false;
    l->text = reel__allocate(&l->model->allocator, (size_t)l->text_size);
    if (!l->text) return out_of_memory(l);
    if (!read_bytes(l, l->text, l->text_size) || !begin_checksum(l, length)) return false;
    if (reel__header_read(&l->header, &l->model->allocator, l->text, l->text_size, left - l->text_size)) return true;
    return l->header.out_of_memory ? out_of_memory(l) : FILE_FAIL(l, "%s", l->header.json.reason);
}

/* ---- What Reel wrote in addition to the values --------------------------------------------- */

/* The key wanted is in two parts, a prefix and a name. */
static int by_parts(const void *wanted, const void *pair)
{
    const reel__pair *parts = wanted;
    const char *key = ((const reel__pair *)pair)->key;
    const size_t length = strlen(parts->key);
    const int order = strncmp(parts->key, key, length);
    return order ? order : strcmp(parts->value, key + length);
}

static const char *metadata(const loader *l, const char *prefix, const char *name)
{
    const reel__pair wanted = { prefix, name };
    const reel__array *pairs = &l->header.pairs;
    const size_t count = (size_t)pairs->count;
    const reel__pair *pair = count ? bsearch(&wanted, pairs->items, count, sizeof wanted, by_parts) : NULL;
    return pair ? pair->value : NULL;
}

/* Digits of a number up to `end`, at least one, in lower case and without a sign. */
static bool read_number(const char *text, const char *end, unsigned base, uint64_t most, uint64_t *value)
{
    static const char digits[] = "0123456789abcdef";
    *value = 0;
    for (const char *p = text; p < end; p++) {
        const char *digit = strchr(digits, *p);
        if (!*p || !digit || (uint64_t)(digit - digits) >= base) return false;
        const uint64_t d = (uint64_t)(digit - digits);
        if (*value > (most - d) / base) return false;
        *value = *value * base + d;
    }
    return text < end;
}

static bool metadata_number(loader *l, const char *key, unsigned base, uint64_t most, uint64_t *value)
{
    const char *text = metadata(l, "", key);
    reel__quoted quoted;
    if (!text) return FILE_FAIL(l, "__metadata__ has no \"%s\"", key);
    if (read_number(text, text + strlen(text), base, most, value)) return true;
    return FILE_FAIL(l, "the \"%s\" of __metadata__ is %s", key, reel__quote(&quoted, text));
}

/* Version 1 is older; a 2 that does not begin the file as Reel begins it was written by another program. */
static bool check_version(loader *l)
{
    const char *version = metadata(l, "", "version");
    reel__quoted quoted;
    if (version && strcmp(version, l->of_all ? REEL__FILE_VERSION : REEL__OLD_VERSION) == 0) return true;
    if (version && strcmp(version, REEL__FILE_VERSION) == 0)
        return FILE_FAIL(l, "its __metadata__ is Reel's, but another program wrote it again (without "
                            "\"format\" it is a file like others)");
    return FILE_FAIL(l, "it has the version %s of Reel's files; \"%s\" and \"%s\" can be read",
                     reel__quote(&quoted, version ? version : ""), REEL__OLD_VERSION, REEL__FILE_VERSION);
}

static bool read_metadata(loader *l)
{
    const reel__header *h = &l->header;
    const char *format = metadata(l, "", "format");
    int64_t described = 0;
    l->is_reel = format && strcmp(format, "reel") == 0;
    if (!l->is_reel) return true;
    if (!check_version(l)) return false;
    for (int64_t i = 0; i < h->pairs.count; i++)
        described += strncmp(REEL__AT(h->pairs, reel__pair, i).key, "value:", 6) == 0;
    if (described != h->entries.count)
        return FILE_FAIL(l, "__metadata__ describes %lld values, and there are %lld", (long long)described,
                         (long long)h->entries.count);
    return metadata_number(l, "seed", 10, UINT64_MAX, &l->seed) &&
           metadata_number(l, "runs", 10, INT64_MAX, &l->runs) &&
           metadata_number(l, "crc32c", 16, UINT32_MAX, &l->checksum);
}

static bool read_bits(const char **text, double *value)
{
    uint64_t bits;
    if (strlen(*text) < 17 || **text != ' ') return false;
    if (!read_number(*text + 1, *text + 17, 16, UINT64_MAX, &bits)) return false;
    memcpy(value, &bits, sizeof bits);
    *text += 17;
    return true;
}

/* "state" or "parameter KIND BITS BITS" */
static bool parse_kind(const char *text, bool *is_state, reel_init *init)
{
    static const char parameter[] = "parameter ";
    *is_state = strcmp(text, "state") == 0;
    if (*is_state) return true;
    if (strncmp(text, parameter, sizeof parameter - 1) != 0) return false;
    text += sizeof parameter - 1;
    for (int kind = REEL_INIT_DEFAULT + 1; kind < REEL__INIT_KINDS; kind++) { /* a saved one has been given */
        const size_t length = strlen(reel__init_kinds[kind]);
        if (strncmp(text, reel__init_kinds[kind], length) != 0 || text[length] != ' ') continue;
        text += length;
        init->kind = (reel_init_kind)kind;
        return read_bits(&text, &init->a) && read_bits(&text, &init->b) && !*text;
    }
    return false;
}

/* ---- What is left out ---------------------------------------------------------------------- */

static bool put_text(loader *l, const char *text)
{
    reel__array *all = &l->left_out;
    const int64_t length = (int64_t)strlen(text);
    if (!reel__reserve(&l->model->allocator, all, all->count + length, 1)) return out_of_memory(l);
    memcpy((char *)all->items + all->count, text, (size_t)length + 1);
    all->count += length;
    return true;
}

static bool leave_out(loader *l, const reel__entry *e, const char *reason)
{
    reel__quoted name;
    reel__quote_bytes(&name, e->name.text, e->name.length);
    if (l->is_reel) return FILE_FAIL(l, "%s: %s; no file of Reel's has this", name.text, reason);
    return put_text(l, l->left_out.count ? "; " : "") && put_text(l, name.text) && put_text(l, ": ") &&
           put_text(l, reason);
}

/* ---- Values -------------------------------------------------------------------------------- */

static reel__value *find_value(const loader *l, const char *name)
{
    return reel__value_find(&l->model->values, name, reel__hash_string(name));
}

static bool find_kind(loader *l, const reel__entry *e, bool *is_state, reel_init *init)
{
    const reel__value *old = find_value(l, e->name.text);
    reel__quoted name, kind;
    *init = reel_init_zeros();
    *is_state = old ? old->is_state : e->dtype == REEL_I32;
    if (!l->is_reel) return true;
    const char *text = metadata(l, "value:", e->name.text);
    reel__quote(&name, e->name.text);
    if (!text) return FILE_FAIL(l, "__metadata__ does not describe %s", name.text);
    if (parse_kind(text, is_state, init)) return true;
    return FILE_FAIL(l, "__metadata__ describes %s as %s", name.text, reel__quote(&kind, text));
}

/* "parameter f32 [2,3]" */
typedef struct described {
    char text[260];
} described;

static const char *describe(described *d, bool is_state, reel_dtype dtype, int rank, const int64_t *size)
{
    reel__text shape;
    snprintf(d->text, sizeof d->text, "%s %s %s", is_state ? "state" : "parameter", reel__dtype_name(dtype),
             reel__shape_text(&shape, rank, size));
    return d->text;
}

/* Whether an entry may go into the model. */
static bool check_value(loader *l, const reel__entry *e, bool is_state)
{
    const reel__value *old = find_value(l, e->name.text);
    reel__quoted name, other;
    described new, was;
    reel__quote(&name, e->name.text);
    if (!old && l->model->sealed) {
        const char *near = reel__model_nearest(l->model, e->name.text);
        return FAIL(l, REEL_BAD_NAME, "the model is sealed and has no %s%s%s%s", name.text,
                    near ? " (did you mean " : "", near ? reel__quote(&other, near) : "", near ? "?)" : "");
    }
    if (!old) return true;
    const bool same_shape = old->rank == e->rank && memcmp(old->size, e->size, (size_t)e->rank * sizeof *e->size) == 0;
    if (old->is_state == is_state && old->dtype == e->dtype && same_shape) return true;
    const reel_status status = old->is_state != is_state ? REEL_BAD_NAME
                               : old->dtype != e->dtype  ? REEL_BAD_DTYPE
                                                         : REEL_BAD_SHAPE;
    return FAIL(l, status, "%s is a %s in the file and a %s in the model", name.text,
                describe(&new, is_state, e->dtype, e->rank, e->size),
                describe(&was, old->is_state, old->dtype, old->rank, old->size));
}

static bool check_values(loader *l)
{
    for (int64_t i = 0; i < l->header.entries.count; i++) {
        const reel__entry *e = &REEL__AT(l->header.entries, reel__entry, i);
        bool is_state;
        reel_init init;
        reel__reason reason;
        if (e->hindrance || (l->is_reel && e->stored > REEL__STORED_I32)) {
            if (!leave_out(l, e, reel__entry_reason(&reason, e))) return false;
        } else if (!find_kind(l, e, &is_state, &init) || !check_value(l, e, is_state)) {
            return false;
        }
    }
    return true;
}

static reel__value *stage(loader *l, const reel__entry *e)
{
    bool is_state;
    reel_init init;
    if (!find_kind(l, e, &is_state, &init)) return NULL;
    reel__value *v =
        reel__value_add(&l->model->allocator, &l->staged, e->name.text, is_state, e->dtype, e->rank, e->size);
    if (!v) return out_of_memory(l), NULL;
    v->init = init; /* and not pinned: the first use may say otherwise */
    return v;
}

/* A value of another type than the model's. */
static bool convert_value(loader *l, const reel__entry *e, const void *stored)
{
    char reason[80];
    const int64_t wrong = reel__convert(e->stored, stored, NULL, e->count);
    if (wrong >= 0) {
        snprintf(reason, sizeof reason, "element %lld is %lld, which is no i32", (long long)wrong,
                 (long long)reel__stored_integer(e->stored, stored, wrong));
        return leave_out(l, e, reason);
    }
    reel__value *v = stage(l, e);
    if (v) reel__convert(e->stored, stored, v->data, e->count);
    return v != NULL;
}

static bool read_value(loader *l, const reel__entry *e)
{
    const int64_t size = e->end - e->begin;
    if (e->hindrance) return reel__reader_skip(&l->reader, size) || FILE_FAIL(l, "%s", l->reader.reason);
    if (e->stored <= REEL__STORED_I32) {
        reel__value *v = stage(l, e);
        if (!v || !read_bytes(l, v->data, size)) return false;
        if (l->is_reel) reel__crc_add(&l->crc, v->data, (size_t)size);
        return true;
    }
    void *stored = reel__allocate(&l->model->allocator, (size_t)size);
    if (!stored) return out_of_memory(l);
    const bool good = read_bytes(l, stored, size) && convert_value(l, e, stored);
    reel__release(&l->model->allocator, stored, (size_t)size);
    return good;
}

static bool read_values(loader *l)
{
    for (int64_t i = 0; i < l->header.entries.count; i++)
        if (!read_value(l, &REEL__AT(l->header.entries, reel__entry, i))) return false;
    if (!l->is_reel || reel__crc_end(&l->crc) == l->checksum) return true;
    return FILE_FAIL(l, "%s is damaged: its crc32c is %08lx, not %08lx", l->of_all ? "it" : "the data",
                     (unsigned long)reel__crc_end(&l->crc), (unsigned long)l->checksum);
}

/* ---- All or nothing ------------------------------------------------------------------------ */

/* Room in the model's table for all that may be new. */
static bool make_room(loader *l)
{
    const reel_allocator *a = &l->model->allocator;
    reel__array *list = &l->model->values.list;
    const int64_t total = list->count + l->staged.list.count;
    if (total == 0) return true;
    if (!reel__reserve(a, list, total - 1, sizeof(reel__value *))) return out_of_memory(l);
    l->bucket_count = 64;
    while (l->bucket_count <= total) l->bucket_count *= 2;
    l->buckets = reel__allocate(a, (size_t)l->bucket_count * sizeof *l->buckets);
    return l->buckets || out_of_memory(l);
}

static void swap_buckets(loader *l)
{
    reel__values *values = &l->model->values;
    reel__value **buckets = values->buckets;
    const int64_t count = values->bucket_count;
    if (!l->buckets) return;
    values->buckets = l->buckets, values->bucket_count = l->bucket_count;
    l->buckets = buckets, l->bucket_count = count;
    for (int64_t i = 0; i < values->list.count; i++) {
        reel__value *v = REEL__AT(values->list, reel__value *, i);
        reel__value **bucket = &values->buckets[v->hash & (uint64_t)(values->bucket_count - 1)];
        v->next = *bucket, *bucket = v;
    }
}

/* Programs point to the values that the model has, so these are written over; new ones move. */
static void commit(loader *l)
{
    reel__array *staged = &l->staged.list, *list = &l->model->values.list;
    int64_t left = 0;
    for (int64_t i = 0; i < staged->count; i++) {
        reel__value *v = REEL__AT(*staged, reel__value *, i), *old = find_value(l, v->name);
        if (old) memcpy(old->data, v->data, (size_t)reel__value_bytes(v));
        if (old) REEL__AT(*staged, reel__value *, left++) = v;
        else REEL__AT(*list, reel__value *, list->count++) = v, reel__value_rank(&l->model->values, v);
    }
    staged->count = left;
    swap_buckets(l);
    if (l->is_reel) l->model->seed = l->seed, l->model->runs = l->runs;
    const reel__array old = l->model->left_out;
    l->model->left_out = l->left_out, l->left_out = old;
    l->model->changes++;
}

reel_status reel_model_load(reel_model *model, const char *path)
{
    if (!model || model->failed) return reel__status_without_model(model);
    reel__model_begin(model);
    loader l = { .model = model, .path = path, .reader = { .file = -1 } };
    bool good = read_header(&l) && read_metadata(&l) && check_values(&l) && read_values(&l) && make_room(&l);
    if (good) commit(&l);
    reel__reader_close(&l.reader);
    reel__values_free(&model->allocator, &l.staged);
    reel__header_free(&l.header);
    reel__release(&model->allocator, l.text, (size_t)l.text_size);
    reel__array_free(&model->allocator, &l.left_out, 1);
    reel__release(&model->allocator, l.buckets, (size_t)l.bucket_count * sizeof *l.buckets);
    return good ? REEL_OK : model->last;
}
