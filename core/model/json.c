/* The strict scanner of a safetensors header and the checks of what it says. See json.h. Nothing
 * is skipped unread and the form is fixed, so there is no recursion and depth has no limit to set.
 * Memory grows with the bytes already scanned, never by a number that stands in the file. */
#include "core/model/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

REEL_PRINTF(2, 3)
static bool fail(reel__header *h, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(h->reason, sizeof h->reason, format, arguments);
    va_end(arguments);
    return false;
}

/* The same with a place in the header, counted from 0. */
static bool fault(reel__header *h, int64_t at, const char *what)
{
    return fail(h, "byte %lld of the header: %s", (long long)at, what);
}

static bool expected(reel__header *h, const char *what)
{
    char found[40], text[100];
    unsigned char c = h->at < h->size ? (unsigned char)h->text[h->at] : 0;
    if (h->at >= h->size) snprintf(found, sizeof found, "its end");
    else if (c > ' ' && c < 127) snprintf(found, sizeof found, "'%c'", c);
    else snprintf(found, sizeof found, "the byte 0x%02x", c);
    snprintf(text, sizeof text, "expected %s, found %s", what, found);
    return fault(h, h->at, text);
}

/* ---- Characters ---------------------------------------------------------------------------- */

int reel__utf8_length(const char *text, const char *end)
{
    const unsigned char *p = (const unsigned char *)text;
    const int64_t left = end - text;
    if (left < 1) return 0;
    int length = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] > 0xf4 || length > left) return 0;
    for (int i = 1; i < length; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    const bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    const bool beyond = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
    return overlong || beyond ? 0 : length;
}

const char *reel__quote(reel__quoted *quoted, const char *name)
{
    const char *end = name + strlen(name);
    size_t used = 0;
    quoted->text[used++] = '"';
    while (name < end && used + 8 < sizeof quoted->text) {
        int length = reel__utf8_length(name, end);
        bool plain = length > 0 && (unsigned char)*name >= ' ' && *name != 127;
        if (plain) memcpy(quoted->text + used, name, (size_t)length);
        else quoted->text[used] = '?';
        used += plain ? (size_t)length : 1;
        name += length > 0 ? length : 1;
    }
    snprintf(quoted->text + used, sizeof quoted->text - used, "%s\"", name < end ? "..." : "");
    return quoted->text;
}

static size_t encode_utf8(char *text, uint32_t c)
{
    if (c < 0x80) return text[0] = (char)c, 1;
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    const unsigned lead[] = { 0, 0xc0, 0xe0, 0xf0 };
    text[0] = (char)(lead[more] | c >> (6 * more));
    for (size_t i = 1; i <= more; i++) text[i] = (char)(0x80 | (c >> (6 * (more - i)) & 0x3f));
    return more + 1;
}

/* ---- Tokens -------------------------------------------------------------------------------- */

static void skip_space(reel__header *h)
{
    while (h->at < h->size && h->text[h->at] && strchr(" \t\r\n", h->text[h->at])) h->at++;
}

static bool take(reel__header *h, char c)
{
    skip_space(h);
    if (h->at >= h->size || h->text[h->at] != c) return false;
    h->at++;
    return true;
}

static bool expect(reel__header *h, char c)
{
    const char quoted[] = { '\'', c, '\'', 0 };
    return take(h, c) || expected(h, quoted);
}

static bool four_digits(reel__header *h, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++, h->at++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char c = h->at < h->size ? h->text[h->at] : 0;
        const char *digit = c ? strchr(digits, c) : NULL;
        if (!digit) return expected(h, "a hexadecimal digit");
        *value = *value << 4 | (uint32_t)((digit - digits) & 15);
    }
    return true;
}

/* After "\u". A character beyond 0xffff is a pair of surrogates; one alone is nothing. */
static bool unicode_escape(reel__header *h, size_t *out)
{
    uint32_t c, low;
    if (!four_digits(h, &c)) return false;
    if (c >= 0xd800 && c < 0xdc00) {
        const bool pair = h->size - h->at >= 6 && memcmp(h->text + h->at, "\\u", 2) == 0;
        if (pair) h->at += 2;
        if (pair && !four_digits(h, &low)) return false;
        if (!pair || low < 0xdc00 || low > 0xdfff) return expected(h, "the second surrogate");
        c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
    } else if (c >= 0xdc00 && c < 0xe000) {
        return fault(h, h->at - 6, "a second surrogate without a first");
    }
    if (c == 0) return fault(h, h->at - 6, "a NUL in a string");
    *out += encode_utf8(h->text + *out, c);
    return true;
}

static bool escape(reel__header *h, size_t *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char c = h->at < h->size ? h->text[h->at] : 0;
    if (c == 'u') return h->at++, unicode_escape(h, out);
    const char *at = c ? strchr(from, c) : NULL;
    if (!at) return expected(h, "an escape");
    h->text[(*out)++] = to[at - from];
    h->at++;
    return true;
}

/* Unescapes in place, which never needs more room; the NUL takes the place of a closing quote at
 * the latest. NULL: failed. */
static char *string(reel__header *h)
{
    if (!take(h, '"')) return expected(h, "a string"), NULL;
    size_t start = (size_t)h->at, out = start;
    for (;;) {
        const unsigned char c = h->at < h->size ? (unsigned char)h->text[h->at] : 0;
        const int length = reel__utf8_length(h->text + h->at, h->text + h->size);
        if (h->at >= h->size) return expected(h, "the end of a string"), NULL;
        if (c < ' ') return expected(h, "a character or an escape"), NULL;
        if (length == 0) return expected(h, "UTF-8"), NULL;
        if (c == '"') break;
        if (c == '\\') {
            h->at++;
            if (!escape(h, &out)) return NULL;
            continue;
        }
        memmove(h->text + out, h->text + h->at, (size_t)length);
        out += (size_t)length, h->at += length;
    }
    h->text[out] = 0;
    h->at++;
    return h->text + start;
}

/* Digits alone: no sign, no fraction, no exponent, no leading zero. */
static bool integer(reel__header *h, int64_t *value)
{
    skip_space(h);
    const int64_t start = h->at;
    *value = 0;
    for (; h->at < h->size && h->text[h->at] >= '0' && h->text[h->at] <= '9'; h->at++) {
        int64_t tens;
        const bool fits = reel__multiply(*value, 10, &tens) && reel__add_sizes(tens, h->text[h->at] - '0', value);
        if (!fits) return fault(h, start, "the number is too large");
    }
    if (h->at == start) return expected(h, "a whole number");
    if (h->text[start] != '0' || h->at == start + 1) return true;
    return fault(h, start, "a number begins with 0");
}

static bool integers(reel__header *h, const char *name, const char *what, int most, int64_t *values, int *count)
{
    *count = 0;
    if (!expect(h, '[')) return false;
    if (take(h, ']')) return true;
    do {
        reel__quoted quoted;
        if (*count == most) return fail(h, "%s: more than %d %s", reel__quote(&quoted, name), most, what);
        if (!integer(h, &values[(*count)++])) return false;
    } while (take(h, ','));
    return expect(h, ']');
}

/* {"key": member, ...}, where member scans what stands behind the colon. */
typedef bool member_of(reel__header *h, char *key, void *context);

static bool object(reel__header *h, member_of *member, void *context)
{
    if (!expect(h, '{')) return false;
    if (take(h, '}')) return true;
    do {
        char *key = string(h);
        if (!key || !expect(h, ':') || !member(h, key, context)) return false;
    } while (take(h, ','));
    return expect(h, '}');
}

/* ---- The form of the header ---------------------------------------------------------------- */

enum { HAS_DTYPE = 1, HAS_SHAPE = 2, HAS_OFFSETS = 4 };

typedef struct draft {
    reel__entry entry;
    unsigned has;
} draft;

static bool read_dtype(reel__header *h, reel__entry *entry)
{
    static const char *const names[] = { "F32", "F64", "I32" }; /* as in reel_dtype */
    reel__quoted name, dtype;
    const char *text = string(h);
    for (int i = 0; text && i <= REEL_I32; i++)
        if (strcmp(text, names[i]) == 0) return entry->dtype = (reel_dtype)i, true;
    return text && fail(h, "%s has the dtype %s; only F32, F64 and I32 can be read", reel__quote(&name, entry->name),
                        reel__quote(&dtype, text));
}

static bool read_offsets(reel__header *h, reel__entry *entry)
{
    int64_t offsets[2];
    int count;
    reel__quoted name;
    if (!integers(h, entry->name, "data_offsets", 2, offsets, &count)) return false;
    if (count != 2 || offsets[0] > offsets[1])
        return fail(h, "%s: data_offsets are no begin and end", reel__quote(&name, entry->name));
    entry->begin = offsets[0], entry->end = offsets[1];
    return true;
}

static bool entry_member(reel__header *h, char *key, void *context)
{
    draft *d = context;
    reel__quoted name, field;
    unsigned is = 0;
    if (strcmp(key, "dtype") == 0) is = HAS_DTYPE;
    else if (strcmp(key, "shape") == 0) is = HAS_SHAPE;
    else if (strcmp(key, "data_offsets") == 0) is = HAS_OFFSETS;
    if (is == 0 || (d->has & is))
        return fail(h, "%s has %s field %s", reel__quote(&name, d->entry.name), is ? "a second" : "an unknown",
                    reel__quote(&field, key));
    d->has |= is;
    if (is == HAS_DTYPE) return read_dtype(h, &d->entry);
    if (is == HAS_OFFSETS) return read_offsets(h, &d->entry);
    return integers(h, d->entry.name, "dimensions", REEL_MAX_RANK, d->entry.size, &d->entry.rank);
}

/* The fields of one entry together. */
static bool check_entry(reel__header *h, draft *d)
{
    reel__entry *e = &d->entry;
    reel__quoted name;
    reel__quote(&name, e->name);
    if (!(d->has & HAS_DTYPE)) return fail(h, "%s has no dtype", name.text);
    if (!(d->has & HAS_SHAPE)) return fail(h, "%s has no shape", name.text);
    if (!(d->has & HAS_OFFSETS)) return fail(h, "%s has no data_offsets", name.text);
    if (!reel__shape_count(e->rank, e->size, &e->count))
        return fail(h, "%s: the size of its shape overflows", name.text);
    const int64_t bytes = e->count * (int64_t)reel__dtype_size(e->dtype); /* fits, as counted */
    if (bytes != e->end - e->begin)
        return fail(h, "%s: its shape needs %lld bytes, but data_offsets [%lld,%lld] are %lld", name.text,
                    (long long)bytes, (long long)e->begin, (long long)e->end, (long long)(e->end - e->begin));
    return true;
}

/* Room for one more. */
static bool reserve(reel__header *h, reel__array *array, size_t item_size)
{
    if (reel__reserve(&h->allocator, array, array->count, item_size)) return true;
    h->out_of_memory = true;
    return fail(h, "out of memory");
}

static bool pair_member(reel__header *h, char *key, void *context)
{
    (void)context;
    const char *value = string(h);
    if (!value || !reserve(h, &h->pairs, sizeof(reel__pair))) return false;
    REEL__AT(h->pairs, reel__pair, h->pairs.count++) = (reel__pair){ key, value };
    return true;
}

static bool top_member(reel__header *h, char *key, void *context)
{
    if (strcmp(key, "__metadata__") == 0) {
        if (h->has_metadata) return fail(h, "\"__metadata__\" stands there twice");
        h->has_metadata = true;
        return object(h, pair_member, context);
    }
    draft d = { .entry = { .name = key } };
    if (!*key) return fault(h, h->at, "a value has no name");
    if (!object(h, entry_member, &d) || !check_entry(h, &d)) return false;
    if (!reserve(h, &h->entries, sizeof d.entry)) return false;
    REEL__AT(h->entries, reel__entry, h->entries.count++) = d.entry;
    return true;
}

/* ---- All of it together -------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    return strcmp(((const reel__pair *)a)->key, ((const reel__pair *)b)->key);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const reel__entry *)a)->name, ((const reel__entry *)b)->name);
}

/* Of entries that begin together, those without data come first; then the name decides. */
static int by_place(const void *a, const void *b)
{
    const reel__entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

static bool check_unique(reel__header *h)
{
    reel__quoted quoted;
    reel__entry *e = h->entries.items;
    reel__pair *p = h->pairs.items;
    if (h->entries.count) qsort(e, (size_t)h->entries.count, sizeof *e, by_name);
    if (h->pairs.count) qsort(p, (size_t)h->pairs.count, sizeof *p, by_key);
    for (int64_t i = 1; i < h->entries.count; i++)
        if (strcmp(e[i - 1].name, e[i].name) == 0)
            return fail(h, "%s stands there twice", reel__quote(&quoted, e[i].name));
    for (int64_t i = 1; i < h->pairs.count; i++)
        if (strcmp(p[i - 1].key, p[i].key) == 0)
            return fail(h, "__metadata__ has %s twice", reel__quote(&quoted, p[i].key));
    return true;
}

static bool check_places(reel__header *h, int64_t data_size)
{
    static const char hole[] = "the bytes from %lld to %lld of the data belong to no value";
    reel__quoted a, b;
    reel__entry *e = h->entries.items;
    long long at = 0;
    if (h->entries.count) qsort(e, (size_t)h->entries.count, sizeof *e, by_place);
    for (int64_t i = 0; i < h->entries.count; at = e[i++].end) {
        if (e[i].begin > at) return fail(h, hole, at, (long long)e[i].begin);
        if (e[i].begin < at)
            return fail(h, "%s and %s overlap in the data", reel__quote(&a, e[i - 1].name), reel__quote(&b, e[i].name));
    }
    if (at < data_size) return fail(h, hole, at, (long long)data_size);
    return at == data_size || fail(h, "the data is cut off after %lld of %lld bytes", (long long)data_size, at);
}

bool reel__header_read(reel__header *h, const reel_allocator *allocator, char *text, int64_t size, int64_t data_size)
{
    *h = (reel__header){ .allocator = *allocator, .text = text, .size = size };
    if (size < 1 || text[0] != '{') return expected(h, "'{'");
    if (!object(h, top_member, NULL)) return false;
    skip_space(h);
    if (h->at < h->size) return expected(h, "its end");
    return check_unique(h) && check_places(h, data_size);
}

void reel__header_free(reel__header *h)
{
    reel__array_free(&h->allocator, &h->entries, sizeof(reel__entry));
    reel__array_free(&h->allocator, &h->pairs, sizeof(reel__pair));
}
