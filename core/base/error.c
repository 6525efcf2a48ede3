/* Messages, the texts of statuses, the version, and the nearest name for messages about names. Patterns of names are in
 * pattern.c. */
#include "core/base/error.h"

#include <locale.h>
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

/* Made by the first call and never freed. */
static locale_t c_locale(void)
{
    static locale_t made;
    locale_t c = __atomic_load_n(&made, __ATOMIC_ACQUIRE), none = (locale_t)0;
    if (c || !(c = newlocale(LC_ALL_MASK, "C", (locale_t)0))) return c;
    if (__atomic_compare_exchange_n(&made, &none, c, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return c;
    freelocale(c);
    return none;
}

int reel__format(char *text, size_t size, const char *format, va_list arguments)
{
    locale_t c = c_locale(), before = c ? uselocale(c) : (locale_t)0;
    int length = vsnprintf(text, size, format, arguments);
    if (c) uselocale(before);
    return length;
}

void reel__error_set(reel__error *error, reel_status status, const char *format, va_list arguments)
{
    if (error->status != REEL_OK) return;
    error->status = status;
    error->located = error->heard = false;
    reel__format(error->message, sizeof error->message, format, arguments);
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
    reel__format(error->message + used, sizeof error->message - used, format, arguments);
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

int reel__edit_distance(const char *a, const char *b)
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

/* To a name or, one further away, to its end in a scope: "loss" is near "encoder/loss". */
int reel__name_distance(const char *wanted, const char *name)
{
    int distance = reel__edit_distance(wanted, name);
    for (const char *end = strchr(name, '/'); end; end = strchr(end + 1, '/')) {
        int to_end = reel__edit_distance(wanted, end + 1) + 1;
        if (to_end < distance) distance = to_end;
    }
    return distance;
}

const char *reel__nearest(const char *wanted, int64_t count, const char *(*name)(const void *context, int64_t index),
                          const void *context)
{
    const char *best = NULL;
    int smallest = reel__nearest_limit(wanted);
    for (int64_t i = 0; i < count; i++) {
        int distance = reel__name_distance(wanted, name(context, i));
        if (distance < smallest) smallest = distance, best = name(context, i);
    }
    return best;
}
