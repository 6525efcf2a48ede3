/* What stands in the header of a safetensors file, and the checks of it. See header.h. Memory grows with the
 * bytes already scanned, never by a number that stands in the file. */
#include "core/model/header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HAS_DTYPE = 1, HAS_SHAPE = 2, HAS_OFFSETS = 4 };

typedef struct draft {
    reel__entry entry;
    bool overflows;
    int bytes; /* of an element; 0: unknown */
    unsigned has;
} draft;

/* The types of the format; one that is not here may have been added to it, and is left out. */
static const struct {
    const char *name;
    int bytes;
    reel__stored stored;
    reel_dtype dtype;
} types[] = {
    { "F32", 4, REEL__STORED_F32, REEL_F32 },    { "F64", 8, REEL__STORED_F64, REEL_F64 },
    { "I32", 4, REEL__STORED_I32, REEL_I32 },    { "F16", 2, REEL__STORED_F16, REEL_F32 },
    { "BF16", 2, REEL__STORED_BF16, REEL_F32 },  { "BOOL", 1, REEL__STORED_BOOL, REEL_I32 },
    { "I8", 1, REEL__STORED_I8, REEL_I32 },      { "U8", 1, REEL__STORED_U8, REEL_I32 },
    { "I16", 2, REEL__STORED_I16, REEL_I32 },    { "U16", 2, REEL__STORED_U16, REEL_I32 },
    { "U32", 4, REEL__STORED_U32, REEL_I32 },    { "I64", 8, REEL__STORED_I64, REEL_I32 },
    { "U64", 8, REEL__STORED_OTHERWISE, 0 },     { "C64", 8, REEL__STORED_OTHERWISE, 0 },
    { "F8_E4M3", 1, REEL__STORED_OTHERWISE, 0 }, { "F8_E5M2", 1, REEL__STORED_OTHERWISE, 0 },
};

static const char *quote(reel__quoted *quoted, const reel__json_text *string)
{
    return reel__quote_bytes(quoted, string->text, string->length);
}

static bool equal(const reel__json_text *string, const char *text)
{
    return string->length == strlen(text) && memcmp(string->text, text, string->length) == 0;
}

static bool has_nul(const reel__json_text *string) { return strlen(string->text) < string->length; }

/* ---- One value ----------------------------------------------------------------------------- */

static bool read_dtype(reel__json *j, draft *d)
{
    if (!reel__json_string(j, &d->entry.type)) return false;
    d->entry.stored = REEL__STORED_OTHERWISE;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (equal(&d->entry.type, types[i].name))
            d->entry.stored = types[i].stored, d->entry.dtype = types[i].dtype, d->bytes = types[i].bytes;
    return true;
}

static bool read_shape(reel__json *j, draft *d)
{
    reel__entry *e = &d->entry;
    e->count = 1;
    if (!reel__json_expect(j, '[')) return false;
    if (reel__json_take(j, ']')) return true;
    do {
        int64_t size;
        if (!reel__json_integer(j, &size)) return false;
        if (e->rank < REEL_MAX_RANK) e->size[e->rank] = size;
        e->rank++; /* at most as many as the header has bytes */
        d->overflows = d->overflows || !reel__multiply(e->count, size, &e->count);
    } while (reel__json_take(j, ','));
    return reel__json_expect(j, ']');
}

static bool read_offsets(reel__json *j, draft *d)
{
    reel__entry *e = &d->entry;
    reel__quoted name;
    if (!reel__json_expect(j, '[') || !reel__json_integer(j, &e->begin)) return false;
    if (!reel__json_expect(j, ',') || !reel__json_integer(j, &e->end) || !reel__json_expect(j, ']')) return false;
    return e->begin <= e->end || reel__json_fail(j, "%s: data_offsets are no begin and end", quote(&name, &e->name));
}

static bool entry_member(reel__json *j, reel__json_text *key, void *context)
{
    draft *d = context;
    reel__quoted name, field;
    unsigned is = 0;
    if (equal(key, "dtype")) is = HAS_DTYPE;
    else if (equal(key, "shape")) is = HAS_SHAPE;
    else if (equal(key, "data_offsets")) is = HAS_OFFSETS;
    if (d->has & is)
        return reel__json_fail(j, "%s has a second field %s", quote(&name, &d->entry.name), quote(&field, key));
    d->has |= is;
    return is == HAS_DTYPE     ? read_dtype(j, d)
           : is == HAS_SHAPE   ? read_shape(j, d)
           : is == HAS_OFFSETS ? read_offsets(j, d)
                               : reel__json_skip(j);
}

static reel__hindrance hindrance_of(const reel__entry *e)
{
    int64_t count;
    return has_nul(&e->name)                              ? REEL__NUL_IN_NAME
           : e->stored == REEL__STORED_OTHERWISE          ? REEL__OTHER_TYPE
           : e->rank > REEL_MAX_RANK                      ? REEL__RANK
           : !reel__shape_count(e->rank, e->size, &count) ? REEL__SHAPE
                                                          : REEL__NONE;
}

const char *reel__entry_reason(reel__reason *reason, const reel__entry *e)
{
    reel__quoted type;
    if (e->hindrance == REEL__OTHER_TYPE || e->hindrance == REEL__NONE)
        snprintf(reason->text, sizeof reason->text, "the type %.80s", quote(&type, &e->type));
    else if (e->hindrance == REEL__RANK) snprintf(reason->text, sizeof reason->text, "%d dimensions", e->rank);
    else
        snprintf(reason->text, sizeof reason->text, "%s",
                 e->hindrance == REEL__SHAPE ? "its shape is too large" : "a NUL in its name");
    return reason->text;
}

/* The fields of one entry together. */
static bool check_entry(reel__json *j, draft *d)
{
    reel__entry *e = &d->entry;
    reel__quoted name;
    int64_t bytes;
    quote(&name, &e->name);
    if (!(d->has & HAS_DTYPE)) return reel__json_fail(j, "%s has no dtype", name.text);
    if (!(d->has & HAS_SHAPE)) return reel__json_fail(j, "%s has no shape", name.text);
    if (!(d->has & HAS_OFFSETS)) return reel__json_fail(j, "%s has no data_offsets", name.text);
    if (d->overflows || !reel__multiply(e->count, d->bytes, &bytes))
        return reel__json_fail(j, "%s: the size of its shape overflows", name.text);
    if (d->bytes && bytes != e->end - e->begin)
        return reel__json_fail(j, "%s: its shape needs %lld bytes, but data_offsets [%lld,%lld] are %lld", name.text,
                               (long long)bytes, (long long)e->begin, (long long)e->end,
                               (long long)(e->end - e->begin));
    e->hindrance = hindrance_of(e);
    return true;
}

/* ---- All of them --------------------------------------------------------------------------- */

/* Room for one more. */
static bool reserve(reel__header *h, reel__array *array, size_t item_size)
{
    if (reel__reserve(&h->allocator, array, array->count, item_size)) return true;
    h->out_of_memory = true;
    return reel__json_fail(&h->json, "out of memory");
}

static bool pair_member(reel__json *j, reel__json_text *key, void *context)
{
    reel__header *h = context;
    reel__json_text value;
    if (!reel__json_string(j, &value) || !reserve(h, &h->pairs, sizeof(reel__pair))) return false;
    if (has_nul(key) || has_nul(&value)) return true;
    REEL__AT(h->pairs, reel__pair, h->pairs.count++) = (reel__pair){ key->text, value.text };
    return true;
}

static bool top_member(reel__json *j, reel__json_text *key, void *context)
{
    reel__header *h = context;
    if (equal(key, "__metadata__")) {
        if (h->has_metadata) return reel__json_fail(j, "\"__metadata__\" stands there twice");
        h->has_metadata = true;
        return reel__json_word(j, "null") || reel__json_object(j, pair_member, h);
    }
    draft d = { .entry = { .name = *key } };
    if (!reel__json_object(j, entry_member, &d) || !check_entry(j, &d)) return false;
    if (!reserve(h, &h->entries, sizeof d.entry)) return false;
    REEL__AT(h->entries, reel__entry, h->entries.count++) = d.entry;
    return true;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const reel__pair *)a)->key, ((const reel__pair *)b)->key);
}

static int by_name(const void *a, const void *b)
{
    const reel__json_text *x = &((const reel__entry *)a)->name, *y = &((const reel__entry *)b)->name;
    const int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* Of entries that begin together, those without data come first; then the name decides. */
static int by_offset(const void *a, const void *b)
{
    const reel__entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return by_name(a, b);
}

static bool check_unique(reel__header *h)
{
    reel__quoted quoted;
    reel__entry *e = h->entries.items;
    reel__pair *p = h->pairs.items;
    if (h->entries.count) qsort(e, (size_t)h->entries.count, sizeof *e, by_name);
    if (h->pairs.count) qsort(p, (size_t)h->pairs.count, sizeof *p, by_key);
    for (int64_t i = 1; i < h->entries.count; i++)
        if (by_name(&e[i - 1], &e[i]) == 0)
            return reel__json_fail(&h->json, "%s stands there twice", quote(&quoted, &e[i].name));
    for (int64_t i = 1; i < h->pairs.count; i++)
        if (strcmp(p[i - 1].key, p[i].key) == 0)
            return reel__json_fail(&h->json, "__metadata__ has %s twice", reel__quote(&quoted, p[i].key));
    return true;
}

static bool check_offsets(reel__header *h, int64_t data_size)
{
    static const char hole[] = "the bytes from %lld to %lld of the data belong to no value";
    reel__quoted a, b;
    reel__entry *e = h->entries.items;
    long long at = 0;
    if (h->entries.count) qsort(e, (size_t)h->entries.count, sizeof *e, by_offset);
    for (int64_t i = 0; i < h->entries.count; at = e[i++].end) {
        if (e[i].begin > at) return reel__json_fail(&h->json, hole, at, (long long)e[i].begin);
        if (e[i].begin < at)
            return reel__json_fail(&h->json, "%s and %s overlap in the data", quote(&a, &e[i - 1].name),
                                   quote(&b, &e[i].name));
    }
    if (at < data_size) return reel__json_fail(&h->json, hole, at, (long long)data_size);
    return at == data_size ||
           reel__json_fail(&h->json, "the data is cut off after %lld of %lld bytes", (long long)data_size, at);
}

bool reel__header_read(reel__header *h, const reel_allocator *allocator, char *text, int64_t size, int64_t data_size)
{
    *h = (reel__header){ .allocator = *allocator, .json = { .text = text, .size = size } };
    return reel__json_object(&h->json, top_member, h) && reel__json_end(&h->json) && check_unique(h) &&
           check_offsets(h, data_size);
}

void reel__header_free(reel__header *h)
{
    reel__array_free(&h->allocator, &h->entries, sizeof(reel__entry));
    reel__array_free(&h->allocator, &h->pairs, sizeof(reel__pair));
}
