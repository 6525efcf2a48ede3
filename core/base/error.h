/* The first error of an object: a status and a message of a fixed size, so that "out of memory" needs none. */
#ifndef REEL_CORE_BASE_ERROR_H
#define REEL_CORE_BASE_ERROR_H

#include <reel.h>
#include <stdarg.h>
#include <string.h>

typedef struct reel__error {
    reel_status status; /* REEL_OK: none, and the rest means nothing */
    bool located;       /* the message ends in a file and line, or needs none */
    bool heard;         /* the user has asked for it: the next call forgets it */
    char message[1000];
} reel__error;

/* vsnprintf(), with a decimal point whatever the program's locale. */
int reel__format(char *text, size_t size, const char *format, va_list arguments);

/* Keeps the first error: does nothing if there is one. */
void reel__error_set(reel__error *error, reel_status status, const char *format, va_list arguments);
void reel__error_hear(const reel__error *error);
void reel__error_begin(reel__error *error); /* a call begins: what was heard is forgotten */
void reel__error_append(reel__error *error, const char *format, ...) REEL_PRINTF(2, 3);

/* "[2,3,4]", "[]" for a scalar, into a buffer that is returned. */
typedef struct reel__text {
    char text[200];
} reel__text;
const char *reel__shape_text(reel__text *buffer, int rank, const int64_t *size);

/* The nearest to `wanted` of `count` names, for "did you mean": by edit distance to the whole name or to its end in a scope.
 * NULL: none is nearer than reel__nearest_limit(). */
const char *reel__nearest(const char *wanted, int64_t count, const char *(*name)(const void *context, int64_t index),
                          const void *context);
int reel__edit_distance(const char *a, const char *b);
int reel__name_distance(const char *wanted, const char *name);
static inline int reel__nearest_limit(const char *wanted) { return (int)strlen(wanted) / 2 + 2; }

#endif
