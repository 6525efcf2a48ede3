/* The strict scanner of JSON, see json.h. It allocates nothing, and recurses for values in one another at most DEEPEST
 * times. */
#include "core/model/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DEEPEST = 128 };

bool reel__json_fail(reel__json *j, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(j->reason, sizeof j->reason, format, arguments);
    va_end(arguments);
    return false;
}

/* The same with a position in the header, counted from 0. */
static bool fault(reel__json *j, int64_t at, const char *what)
{
    return reel__json_fail(j, "byte %lld of the header: %s", (long long)at, what);
}

static bool expected(reel__json *j, const char *what)
{
    char found[40], text[100];
    unsigned char c = j->at < j->size ? (unsigned char)j->text[j->at] : 0;
    if (j->at >= j->size) snprintf(found, sizeof found, "its end");
    else if (c > ' ' && c < 127) snprintf(found, sizeof found, "'%c'", c);
    else snprintf(found, sizeof found, "the byte 0x%02x", c);
    snprintf(text, sizeof text, "expected %s, found %s", what, found);
    return fault(j, j->at, text);
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
    return reel__quote_bytes(quoted, name, strlen(name));
}

const char *reel__quote_bytes(reel__quoted *quoted, const char *name, size_t size)
{
    const char *end = name + size;
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

static void skip_space(reel__json *j)
{
    while (j->at < j->size && j->text[j->at] && strchr(" \t\r\n", j->text[j->at])) j->at++;
}

bool reel__json_take(reel__json *j, char c)
{
    skip_space(j);
    if (j->at >= j->size || j->text[j->at] != c) return false;
    j->at++;
    return true;
}

bool reel__json_expect(reel__json *j, char c)
{
    const char quoted[] = { '\'', c, '\'', 0 };
    return reel__json_take(j, c) || expected(j, quoted);
}

bool reel__json_word(reel__json *j, const char *word)
{
    const size_t length = strlen(word);
    skip_space(j);
    if (j->size - j->at < (int64_t)length || memcmp(j->text + j->at, word, length) != 0) return false;
    j->at += (int64_t)length;
    return true;
}

bool reel__json_end(reel__json *j)
{
    skip_space(j);
    return j->at == j->size || expected(j, "its end");
}

static bool four_digits(reel__json *j, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++, j->at++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char c = j->at < j->size ? j->text[j->at] : 0;
        const char *digit = c ? strchr(digits, c) : NULL;
        if (!digit) return expected(j, "a hexadecimal digit");
        *value = *value << 4 | (uint32_t)((digit - digits) & 15);
    }
    return true;
}

/* After "\u". A character beyond 0xffff is a pair of surrogates; one alone is nothing. */
static bool unicode_escape(reel__json *j, size_t *out)
{
    uint32_t c, low;
    if (!four_digits(j, &c)) return false;
    if (c >= 0xd800 && c < 0xdc00) {
        const bool pair = j->size - j->at >= 6 && memcmp(j->text + j->at, "\\u", 2) == 0;
        if (pair) j->at += 2;
        if (pair && !four_digits(j, &low)) return false;
        if (!pair || low < 0xdc00 || low > 0xdfff) return expected(j, "the second surrogate");
        c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
    } else if (c >= 0xdc00 && c < 0xe000) {
        return fault(j, j->at - 6, "a second surrogate without a first");
    }
    *out += encode_utf8(j->text + *out, c);
    return true;
}

static bool escape(reel__json *j, size_t *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char c = j->at < j->size ? j->text[j->at] : 0;
    if (c == 'u') return j->at++, unicode_escape(j, out);
    const char *at = c ? strchr(from, c) : NULL;
    if (!at) return expected(j, "an escape");
    j->text[(*out)++] = to[at - from];
    j->at++;
    return true;
}

/* Unescaped in place, which never makes it longer: the NUL goes where the closing quote was, or before. */
bool reel__json_string(reel__json *j, reel__json_text *result)
{
    if (!reel__json_take(j, '"')) return expected(j, "a string");
    size_t start = (size_t)j->at, out = start;
    for (;;) {
        const unsigned char c = j->at < j->size ? (unsigned char)j->text[j->at] : 0;
        const int length = reel__utf8_length(j->text + j->at, j->text + j->size);
        if (j->at >= j->size) return expected(j, "the end of a string");
        if (c < ' ') return expected(j, "a character or an escape");
        if (length == 0) return expected(j, "UTF-8");
        if (c == '"') break;
        if (c == '\\') {
            j->at++;
            if (!escape(j, &out)) return false;
            continue;
        }
        memmove(j->text + out, j->text + j->at, (size_t)length);
        out += (size_t)length, j->at += length;
    }
    j->text[out] = 0;
    j->at++;
    *result = (reel__json_text){ .text = j->text + start, .length = out - start };
    return true;
}

static bool is_digit(const reel__json *j) { return j->at < j->size && j->text[j->at] >= '0' && j->text[j->at] <= '9'; }

static bool no_leading_zero(reel__json *j, int64_t start)
{
    if (j->text[start] != '0' || j->at == start + 1) return true;
    return fault(j, start, "a number begins with 0");
}

bool reel__json_integer(reel__json *j, int64_t *value)
{
    skip_space(j);
    const int64_t start = j->at;
    *value = 0;
    for (; is_digit(j); j->at++) {
        int64_t tens;
        const bool fits = reel__multiply(*value, 10, &tens) && reel__add_sizes(tens, j->text[j->at] - '0', value);
        if (!fits) return fault(j, start, "the number is too large");
    }
    return j->at > start ? no_leading_zero(j, start) : expected(j, "a whole number");
}

/* ---- Values that nobody asks for ----------------------------------------------------------- */

static bool skip_digits(reel__json *j)
{
    if (!is_digit(j)) return expected(j, "a digit");
    while (is_digit(j)) j->at++;
    return true;
}

static bool skip_number(reel__json *j)
{
    if (j->text[j->at] == '-') j->at++;
    const int64_t start = j->at;
    if (!skip_digits(j) || !no_leading_zero(j, start)) return false;
    if (j->at < j->size && j->text[j->at] == '.' && (j->at++, !skip_digits(j))) return false;
    if (j->at >= j->size || (j->text[j->at] != 'e' && j->text[j->at] != 'E')) return true;
    j->at++;
    if (j->at < j->size && (j->text[j->at] == '+' || j->text[j->at] == '-')) j->at++;
    return skip_digits(j);
}

static bool skip_value(reel__json *j, int depth);

static bool skip_member(reel__json *j, reel__json_text *key, void *depth)
{
    (void)key;
    return skip_value(j, *(int *)depth);
}

static bool skip_array(reel__json *j, int depth)
{
    if (reel__json_take(j, ']')) return true;
    do
        if (!skip_value(j, depth)) return false;
    while (reel__json_take(j, ','));
    return reel__json_expect(j, ']');
}

static bool skip_value(reel__json *j, int depth)
{
    reel__json_text string;
    skip_space(j);
    if (j->at >= j->size) return expected(j, "a value");
    if (++depth > DEEPEST) return fault(j, j->at, "more than 128 values in one another");
    const char c = j->text[j->at];
    if (c == '{') return reel__json_object(j, skip_member, &depth);
    if (c == '[') return j->at++, skip_array(j, depth);
    if (c == '"') return reel__json_string(j, &string);
    if (c == '-' || is_digit(j)) return skip_number(j);
    return reel__json_word(j, "true") || reel__json_word(j, "false") || reel__json_word(j, "null") ||
           expected(j, "a value");
}

bool reel__json_skip(reel__json *j) { return skip_value(j, 0); }

bool reel__json_object(reel__json *j, reel__json_member *member, void *context)
{
    if (!reel__json_expect(j, '{')) return false;
    if (reel__json_take(j, '}')) return true;
    do {
        reel__json_text key;
        if (!reel__json_string(j, &key) || !reel__json_expect(j, ':') || !member(j, &key, context)) return false;
    } while (reel__json_take(j, ','));
    return reel__json_expect(j, '}');
}
