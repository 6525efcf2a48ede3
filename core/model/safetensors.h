/* What saving (safetensors.c) and loading (load.c) share: the layout of a model file.
 *
 *     8 bytes        N, the length of the header, little-endian
 *     N bytes        the header in JSON, see json.h, padded with spaces
 *     the rest       the values, row-major, little-endian, one after another
 *
 * Any program that knows safetensors reads the values. What only Reel needs is in __metadata__:
 *
 *     format         "reel"
 *     version        of this table, "1"
 *     library        that wrote it, "0.1.0"
 *     seed, runs     of the model, decimal
 *     crc32c         of the rest, 8 hexadecimal digits
 *     value:NAME     for each value "state", or "parameter" with its initialiser: kind, a, b,
 *                    the latter as the bits of a double in 16 hexadecimal digits */
#ifndef REEL_CORE_MODEL_SAFETENSORS_H
#define REEL_CORE_MODEL_SAFETENSORS_H

#include "core/model/file.h"
#include "core/model/json.h"
#include "core/model/model.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are written as in memory");

enum { REEL__LONGEST_HEADER = 100000000, REEL__LENGTH_BYTES = 8, REEL__INIT_KINDS = REEL_INIT_GLOROT_UNIFORM + 1 };

#define REEL__FILE_VERSION "1"

extern const char *const reel__init_kinds[REEL__INIT_KINDS];

/* "call: path: reason" as the model's error; returns the status. */
reel_status reel__file_fail(reel_model *model, const char *call, const char *path, reel_status status,
                            const char *format, ...) REEL_PRINTF(5, 6);

static inline int64_t reel__value_bytes(const reel__value *v) { return v->count * (int64_t)reel__dtype_size(v->dtype); }

#endif
