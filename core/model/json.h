/* The header of a safetensors file: JSON of a fixed form,
 *
 *     {"__metadata__": {"key": "value", ...},
 *      "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
 *
 * scanned strictly and checked in itself and against the length of the data. It knows nothing of
 * files and models, so that a fuzzer can drive it from memory; safetensors.c does the rest. */
#ifndef REEL_CORE_MODEL_JSON_H
#define REEL_CORE_MODEL_JSON_H

#include "core/base/memory.h"

/* One value; begin and end are offsets in the data. */
typedef struct reel__entry {
    const char *name; /* unescaped, UTF-8, without a NUL in it, not empty */
    reel_dtype dtype;
    int rank;
    int64_t size[REEL_MAX_RANK];
    int64_t count, begin, end;
} reel__entry;

typedef struct reel__pair {
    const char *key, *value;
} reel__pair;

typedef struct reel__header {
    reel_allocator allocator;
    char *text; /* the caller's; strings are unescaped in place, so names point into it */
    int64_t size, at;
    bool has_metadata, out_of_memory;
    reel__array entries; /* reel__entry: no two names alike, in the order of the data, gapless */
    reel__array pairs;   /* reel__pair of __metadata__: no two keys alike, in order of the keys */
    char reason[500];    /* what is wrong */
} reel__header;

/* text has room for size bytes and is overwritten. False: see reason, or out_of_memory. Either way
 * the header is freed afterwards. */
bool reel__header_read(reel__header *header, const reel_allocator *allocator, char *text, int64_t size,
                       int64_t data_size);
void reel__header_free(reel__header *header);

/* How many bytes a UTF-8 character has; 0: there is none at text (Unicode 15, table 3-7). */
int reel__utf8_length(const char *text, const char *end);

/* A name for messages: quoted, at most 100 bytes, without control characters. */
typedef struct reel__quoted {
    char text[120];
} reel__quoted;
const char *reel__quote(reel__quoted *quoted, const char *name);

#endif
