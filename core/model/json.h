/* A strict scanner of JSON (RFC 8259) in memory, by which header.c reads what it knows and skips what it
 * does not; and two helpers for text in UTF-8. */
#ifndef REEL_CORE_MODEL_JSON_H
#define REEL_CORE_MODEL_JSON_H

#include "core/base/memory.h"

typedef struct reel__json {
    char *text; /* overwritten: strings are unescaped in place */
    int64_t size, at;
    char reason[500]; /* what is wrong, after a function was false */
} reel__json;

/* Unescaped, UTF-8, with a NUL behind it; there may be others in it. */
typedef struct reel__json_text {
    const char *text;
    size_t length;
} reel__json_text;

bool reel__json_fail(reel__json *json, const char *format, ...) REEL_PRINTF(2, 3); /* sets the reason */

/* Each skips spaces first and returns whether it found what it is for. If not, there is a reason, but for take() and word(),
 * which only ask. */
bool reel__json_take(reel__json *json, char c);
bool reel__json_expect(reel__json *json, char c);
bool reel__json_word(reel__json *json, const char *word);
bool reel__json_string(reel__json *json, reel__json_text *string);
bool reel__json_integer(reel__json *json, int64_t *value); /* digits alone: no sign, fraction, exponent, leading zero */
bool reel__json_skip(reel__json *json);                    /* any value */
bool reel__json_end(reel__json *json);

/* {"key": member, ...}, where member scans what stands behind the colon. */
typedef bool reel__json_member(reel__json *json, reel__json_text *key, void *context);
bool reel__json_object(reel__json *json, reel__json_member *member, void *context);

/* How many bytes a UTF-8 character has; 0: there is none at text (Unicode 15, table 3-7). */
int reel__utf8_length(const char *text, const char *end);

/* A name for messages: in quotes, cut to what the buffer holds, with '?' for control characters and what is not UTF-8. */
typedef struct reel__quoted {
    char text[120];
} reel__quoted;
const char *reel__quote(reel__quoted *quoted, const char *name);
const char *reel__quote_bytes(reel__quoted *quoted, const char *name, size_t size);

#endif
