/* Patterns of names, "encoder" + "/" + "**,!" + "**" + "/b": parts in turn, separated by ','. In a part '*' is any run of
 * characters of one name and "**" any number of whole names; a part that begins with '!' leaves out what it names. */
#ifndef REEL_CORE_BASE_PATTERN_H
#define REEL_CORE_BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

/* One part, without its '!'. */
typedef struct reel__pattern_part {
    const char *text;
    size_t length;
    bool out;
} reel__pattern_part;

/* Goes on to the next part; false after the last. Begin with *next = pattern; it is NULL at the end. */
bool reel__pattern_next(const char **next, reel__pattern_part *part);
bool reel__part_matches(reel__pattern_part part, const char *name);

/* Whether a full name is named: by the last part that matches it. NULL names all, and a pattern that begins by leaving out
 * begins with all. */
bool reel__pattern_matches(const char *pattern, const char *name);

/* What is wrong with how a pattern is written, "has an empty part", or NULL. */
const char *reel__pattern_fault(const char *pattern);

/* For a part that matches nothing: the nearest part that would match a name, found by correcting the names before its first
 * wildcard, or else those after its last. It begins as { 0 }, then every existing name is considered; if its distance is
 * still 0, none was near. */
typedef struct reel__pattern_hint {
    char text[600];
    int distance;
} reel__pattern_hint;

void reel__pattern_consider(reel__pattern_hint *hint, reel__pattern_part part, const char *name);

#endif
