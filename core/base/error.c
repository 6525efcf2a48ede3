/* Messages, and the two helpers of messages about names: the nearest name and the name pattern. */
#include "core/base/error.h"

#include <stdio.h>
#include <string.h>

#define ROW(code, text) text,
static const char *const status_texts[] = { REEL_STATUSES(ROW) };
#undef ROW

const char *reel_status_text(reel_status status)
{
    return (unsigned)status < REEL_STATUS_COUNT ? status_texts[status] : "not a status";
}

#define TEXT(x) #x
#define VERSION(major, minor, patch) TEXT(major) "." TEXT(minor) "." TEXT(patch)

const char *reel_version(void) { return VERSION(REEL_VERSION_MAJOR, REEL_VERSION_MINOR, REEL_VERSION_PATCH); }

void reel__error_set(reel__error *error, reel_status status, const char *format, va_list arguments)
{
    if (error->status != REEL_OK) return;
    error->status = status;
    error->located = error->heard = false;
    vsnprintf(error->message, sizeof error->message, format, arguments);
}

/* Asking changes nothing that the one who asks can see, so it takes what is const. */
void reel__error_hear(const reel__error *error)
{
    if (error->status != REEL_OK) ((reel__error *)(uintptr_t)error)->heard = true;
}

void reel__error_begin(reel__error *error)
{
    if (error->heard) error->status = REEL_OK, error->heard = false;
}

void reel__error_append(reel__error *error, const char *format, ...)
{
    size_t used = strlen(error->message);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message + used, sizeof error->message - used, format, arguments);
    va_end(arguments);
}

const char *reel__shape_text(reel__text *buffer, int rank, const int64_t *size)
{
    int used = snprintf(buffer->text, sizeof buffer->text, "[");
    for (int i = 0; i < rank; i++)
        used += snprintf(buffer->text + used, sizeof buffer->text - (size_t)used, "%s%lld", i ? "," : "",
                         (long long)size[i]);
    snprintf(buffer->text + used, sizeof buffer->text - (size_t)used, "]");
    return buffer->text;
}

enum { LONGEST = 120 };

static int edit_distance(const char *a, const char *b)
{
    int row[LONGEST + 1];
    int m = (int)strnlen(a, LONGEST), n = (int)strnlen(b, LONGEST);
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 1; i <= m; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int replace = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            int best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = replace < best ? replace : best;
        }
    }
    return row[n];
}

const char *reel__nearest(const char *wanted, int64_t count, const char *(*name)(const void *context, int64_t index),
                          const void *context)
{
    const char *best = NULL;
    int smallest = (int)strlen(wanted) / 2 + 2;
    for (int64_t i = 0; i < count; i++) {
        int distance = edit_distance(wanted, name(context, i));
        if (distance < smallest) smallest = distance, best = name(context, i);
    }
    return best;
}

/* One part without '/': '*' is any run of characters. */
static bool part_matches(const char *p, const char *p_end, const char *s, const char *s_end)
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

static const char *part_end(const char *s, const char *end)
{
    while (s < end && *s != '/') s++;
    return s;
}

/* Parts in turn; "**" is any number of them, tried shortest first and taken back one part at a time. */
static bool path_matches(const char *p, const char *p_end, const char *s, const char *s_end)
{
    const char *star = NULL, *mark = NULL;
    while (s < s_end) {
        const char *pe = part_end(p, p_end), *se = part_end(s, s_end);
        bool any = pe - p == 2 && p[0] == '*' && p[1] == '*';
        if (p < p_end && any) {
            star = pe < p_end ? pe + 1 : pe, mark = s;
            p = star;
        } else if (p < p_end && part_matches(p, pe, s, se)) {
            p = pe < p_end ? pe + 1 : pe;
            s = se < s_end ? se + 1 : se;
        } else if (star) {
            se = part_end(mark, s_end);
            mark = s = se < s_end ? se + 1 : se;
            p = star;
        } else {
            return false;
        }
    }
    return p == p_end || (p_end - p == 2 && p[0] == '*' && p[1] == '*');
}

bool reel__pattern_matches(const char *pattern, const char *name)
{
    if (!pattern) return true;
    bool matches = *pattern == '!'; /* a list that begins by leaving out begins with everything */
    for (const char *p = pattern; *p;) {
        const char *end = p + strcspn(p, ",");
        bool out = *p == '!';
        if (path_matches(p + out, end, name, name + strlen(name))) matches = !out;
        p = *end ? end + 1 : end;
    }
    return matches;
}
