/* The header of a safetensors file: JSON of the form
 *
 *     {"__metadata__": {"key": "value", ...},
 *      "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
 *
 * checked in itself and against the length of the data. What the safetensors library accepts is
 * accepted, but for names and keys that stand there twice. It knows nothing of files and models, so that
 * a fuzzer can drive it from memory. load.c reads files with it; safetensors.c writes such a header. */
#ifndef REEL_CORE_MODEL_HEADER_H
#define REEL_CORE_MODEL_HEADER_H

#include "core/model/json.h"

/* How values stand in a file, and what Reel makes of them. */
typedef enum reel__stored {
    REEL__STORED_F32, /* these three as they are; the order is reel_dtype's */
    REEL__STORED_F64,
    REEL__STORED_I32,
    REEL__STORED_F16, /* these two become f32 */
    REEL__STORED_BF16,
    REEL__STORED_BOOL, /* these become i32, where they fit */
    REEL__STORED_I8,
    REEL__STORED_U8,
    REEL__STORED_I16,
    REEL__STORED_U16,
    REEL__STORED_U32,
    REEL__STORED_I64,
    REEL__STORED_OTHERWISE /* left out */
} reel__stored;

/* Why a value cannot be one of a model. */
typedef enum reel__hindrance {
    REEL__NONE,
    REEL__NUL_IN_NAME,
    REEL__OTHER_TYPE,
    REEL__RANK,
    REEL__SHAPE
} reel__hindrance;

/* One value; begin and end are offsets in the data. */
typedef struct reel__entry {
    reel__json_text name, type; /* as in the file */
    reel__stored stored;
    reel_dtype dtype; /* in the model */
    reel__hindrance hindrance;
    int rank; /* more than REEL_MAX_RANK is a hindrance */
    int64_t size[REEL_MAX_RANK];
    int64_t count, begin, end;
} reel__entry;

typedef struct reel__pair {
    const char *key, *value;
} reel__pair;

typedef struct reel__header {
    reel_allocator allocator;
    reel__json json; /* names and pairs point into its text; its reason is what is wrong */
    bool has_metadata, out_of_memory;
    reel__array entries; /* reel__entry: no two names alike, in the order of the data, gapless */
    reel__array pairs; /* reel__pair of __metadata__: no two keys alike, in order of the keys; none with a NUL in it */
} reel__header;

/* text has room for size bytes and is overwritten. False: see json.reason, or out_of_memory. Either way
 * the header is freed afterwards. */
bool reel__header_read(reel__header *header, const reel_allocator *allocator, char *text, int64_t size,
                       int64_t data_size);
void reel__header_free(reel__header *header);

/* Why an entry is left out, in words: its hindrance, or if it has none its type. */
typedef struct reel__reason {
    char text[100];
} reel__reason;
const char *reel__entry_reason(reel__reason *reason, const reel__entry *entry);

/* Makes `count` values of the entry's dtype of what is stored, and returns the index of the first that
 * does not fit, or -1. `to` NULL: nothing is made. */
int64_t reel__convert(reel__stored stored, const void *from, void *to, int64_t count);
int64_t reel__stored_integer(reel__stored stored, const void *from, int64_t index);

#endif
