/* What saving (safetensors.c) and loading (load.c) share: the layout of a model file.
 *
 *     8 bytes        N, the length of the header, little-endian
 *     N bytes        the header in JSON, see header.h, padded with spaces
 *     the rest       the values, row-major, little-endian, one after another
 *
 * Any program that knows safetensors reads the values. What only Reel needs is in __metadata__, with which
 * the header begins, and in this order:
 *
 *     format         "reel"
 *     version        of this table, "2"
 *     crc32c         8 hexadecimal digits: of the whole file, with zeros for these digits
 *     library        that wrote it, "0.1.0"
 *     seed, runs     of the model, decimal
 *     value:NAME     for each value "state", or "parameter" with its initialiser: kind, a, b,
 *                    the latter as the bits of a double in 16 hexadecimal digits
 *
 * So a file of Reel begins its header with REEL__PREFIX, and the digits stand behind it. A file that begins
 * so is checked whole. One that begins almost so (at most REEL__NEAR bytes of the prefix differ, and the
 * headers of others differ in more) was one of Reel's and is damaged; without this, damage to the prefix
 * would hide that there is a checksum. A file with "format" and "version" "1", as Reel wrote it before, has
 * a crc32c of the data alone. */
#ifndef REEL_CORE_MODEL_SAFETENSORS_H
#define REEL_CORE_MODEL_SAFETENSORS_H

#include "core/model/file.h"
#include "core/model/header.h"
#include "core/model/model.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are written as in memory");

enum { REEL__LONGEST_HEADER = 100000000, REEL__LENGTH_BYTES = 8 };

#define REEL__FILE_VERSION "2"
#define REEL__OLD_VERSION "1"
#define REEL__PREFIX "{\"__metadata__\":{\"format\":\"reel\",\"version\":\"" REEL__FILE_VERSION "\",\"crc32c\":\""

enum { REEL__DIGITS_AT = sizeof REEL__PREFIX - 1, REEL__DIGITS = 8, REEL__NEAR = 4 };

/* "call: path: reason" as the model's error; returns the status. */
reel_status reel__file_fail(reel_model *model, const char *call, const char *path, reel_status status,
                            const char *format, ...) REEL_PRINTF(5, 6);

static inline int64_t reel__value_bytes(const reel__value *v) { return v->count * (int64_t)reel__dtype_size(v->dtype); }

#endif
