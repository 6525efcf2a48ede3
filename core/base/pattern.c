/* Patterns of names: matching, what is wrong with one, and the nearest one that would match. */
#include "core/base/pattern.h"

#include "core/base/error.h"

#include <stdio.h>
#include <string.h>

bool reel__pattern_next(const char **next, reel__pattern_part *part)
{
    const char *text = *next;
    if (!text) return false;
    size_t length = strcspn(text, ",");
    *next = text[length] ? text + length + 1 : NULL;
    part->out = *text == '!';
    part->text = text + part->out;
    part->length = length - part->out;
    return true;
}

/* One name without '/': '*' is any run of characters. */
static bool name_matches(const char *p, const char *p_end, const char *s, const char *s_end)
{
    const char *star = NULL, *mark = NULL;
    while (s < s_end) {
        if (p < p_end && *p == '*') star = p++, mark = s;
        else if (p < p_end && *p == *s) p++, s++;
        else if (star) p = star + 1, s = ++mark;
        else return false;
    }
    while (p < p_end && *p == '*') p++;
    return p == p_end;
}

static const char *name_end(const char *s, const char *end)
{
    while (s < end && *s != '/') s++;
    return s;
}

static const char *after(const char *name_end, const char *end) { return name_end < end ? name_end + 1 : name_end; }

static bool is_any(const char *p, const char *end) { return end - p == 2 && p[0] == '*' && p[1] == '*'; }

/* Names in turn; "**" is any number of them, tried shortest first and taken back one name at a time. */
bool reel__part_matches(reel__pattern_part part, const char *name)
{
    const char *p = part.text, *p_end = p + part.length, *s = name, *s_end = name + strlen(name);
    const char *star = NULL, *mark = NULL;
    while (s < s_end) {
        const char *pe = name_end(p, p_end), *se = name_end(s, s_end);
        if (p < p_end && is_any(p, pe)) {
            p = star = after(pe, p_end), mark = s;
        } else if (p < p_end && name_matches(p, pe, s, se)) {
            p = after(pe, p_end), s = after(se, s_end);
        } else if (star) {
            mark = s = after(name_end(mark, s_end), s_end);
            p = star;
        } else {
            return false;
        }
    }
    while (p < p_end && is_any(p, name_end(p, p_end))) p = after(name_end(p, p_end), p_end);
    return p == p_end;
}

bool reel__pattern_matches(const char *pattern, const char *name)
{
    bool matches = !pattern || *pattern == '!';
    reel__pattern_part part;
    for (const char *next = pattern; reel__pattern_next(&next, &part);)
        if (reel__part_matches(part, name)) matches = !part.out;
    return matches;
}

const char *reel__pattern_fault(const char *pattern)
{
    reel__pattern_part part;
    for (const char *next = pattern; reel__pattern_next(&next, &part);) {
        if (!part.length) return part.out ? "has a '!' that leaves nothing out" : "has an empty part";
        if (part.text[0] == '/') return "has a part that begins with '/'";
        if (part.text[part.length - 1] == '/')
            return "has a part that ends with '/' (\"**\" is all that is in a scope)";
        for (size_t i = 1; i < part.length; i++)
            if (part.text[i] == '/' && part.text[i - 1] == '/') return "has an empty name between '/' and '/'";
    }
    return NULL;
}

/* ---- The nearest --------------------------------------------------------------------------------------------------- */

/* How much of `s` its first `names` names are; all if it has no more. */
static size_t first_names(const char *s, size_t length, int names)
{
    size_t i = 0;
    for (; i < length; i++)
        if (s[i] == '/' && --names == 0) break;
    return i;
}

static size_t last_names(const char *s, size_t length, int names)
{
    size_t i = length;
    for (; i > 0; i--)
        if (s[i - 1] == '/' && --names == 0) break;
    return length - i;
}

/* The names before the first wildcard, or else after the last one: [*from, *to) of the part, *names of them, and whether
 * they are its beginning. None: false. */
static bool literal(reel__pattern_part part, size_t *from, size_t *to, int *names, bool *begins)
{
    const char *first = memchr(part.text, '*', part.length);
    size_t wild = first ? (size_t)(first - part.text) : part.length, slashes = 0, last = part.length;
    for (size_t i = 0; i < wild; i++)
        if (part.text[i] == '/') slashes++, *to = i;
    *from = 0, *begins = true;
    *names = (int)slashes;
    if (slashes) return true;
    while (last > 0 && part.text[last - 1] != '*') last--;
    *begins = false, *from = *to = part.length;
    for (size_t i = part.length; i-- > last;)
        if (part.text[i] == '/') ++*names, *from = i + 1;
    return *names > 0;
}

void reel__pattern_consider(reel__pattern_hint *hint, reel__pattern_part part, const char *name)
{
    char wanted[300], is[300];
    size_t from = 0, to = part.length, length = strlen(name);
    int names = 0;
    bool begins = false;
    if (!memchr(part.text, '*', part.length)) {
        snprintf(wanted, sizeof wanted, "%.*s", (int)part.length, part.text);
        snprintf(is, sizeof is, "%s", name);
        if (strncmp(wanted, name, part.length) == 0 && name[part.length] == '/') { /* a scope: what is in it */
            snprintf(hint->text, sizeof hint->text, "%s/**", wanted);
            hint->distance = 1;
        }
    } else if (literal(part, &from, &to, &names, &begins)) {
        size_t size = begins ? first_names(name, length, names) : last_names(name, length, names);
        snprintf(wanted, sizeof wanted, "%.*s", (int)(to - from), part.text + from);
        snprintf(is, sizeof is, "%.*s", (int)size, begins ? name : name + length - size);
    } else {
        return;
    }
    int distance = names ? reel__edit_distance(wanted, is) : reel__name_distance(wanted, is);
    if (distance == 0 || distance >= (hint->distance ? hint->distance : reel__nearest_limit(wanted))) return;
    char text[sizeof hint->text];
    int written =
        snprintf(text, sizeof text, "%.*s%s%.*s", (int)from, part.text, is, (int)(part.length - to), part.text + to);
    if (!reel__part_matches((reel__pattern_part){ text, strlen(text), false }, name) || written < 0) return;
    memcpy(hint->text, text, sizeof text);
    hint->distance = distance;
}
