/* Files: written so that an older file of the name is replaced whole or not at all, read without
 * trusting their size, and the checksum of what is in them. Errors are a reason in words, which the
 * caller puts behind the name of the file. The layout of a model file is in safetensors.h. */
#ifndef REEL_CORE_MODEL_FILE_H
#define REEL_CORE_MODEL_FILE_H

#include <reel.h>

enum { REEL__REASON = 200, REEL__PATH = 4096 };

/* A file being written. What is written goes to a temporary file in its folder, which replaces it
 * when all is on disk. After an error everything is a no-op until reel__writer_close(). */
typedef struct reel__writer {
    int file; /* −1: not open */
    bool failed;
    bool replaces, unnamed; /* an older file; and the temporary one has no name yet */
    unsigned mode, owner, group;
    size_t used;
    char reason[REEL__REASON];
    char path[REEL__PATH], temporary[REEL__PATH + 300];
    char buffer[1 << 14];
} reel__writer;

/* A symbolic link is followed; the permission bits of an older file are kept, and its owner where the
 * system allows it; what is no regular file is refused. False: see reason. */
bool reel__writer_open(reel__writer *writer, const char *path);
void reel__writer_put(reel__writer *writer, const void *data, size_t size);
void reel__writer_print(reel__writer *writer, const char *format, ...) REEL_PRINTF(2, 3);

/* Ends the writing; false: something failed since the opening, the temporary file is gone and an
 * older file is as it was. */
bool reel__writer_close(reel__writer *writer);

typedef struct reel__reader {
    int file;
    int64_t size; /* when it was opened */
    char reason[REEL__REASON];
} reel__reader;

bool reel__reader_open(reel__reader *reader, const char *path);
bool reel__reader_read(reel__reader *reader, void *data, int64_t size); /* all of it or false */
bool reel__reader_skip(reel__reader *reader, int64_t size);
void reel__reader_close(reel__reader *reader);

/* The end of a path, for messages, and "..." before it if it is cut. */
typedef struct reel__shown_path {
    char text[320];
} reel__shown_path;
const char *reel__show_path(reel__shown_path *shown, const char *path);

/* CRC-32C (Castagnoli), eight bytes at a time. */
typedef struct reel__crc {
    uint32_t value;
    uint32_t table[8][256];
} reel__crc;

void reel__crc_begin(reel__crc *crc);
void reel__crc_add(reel__crc *crc, const void *data, size_t size);
uint32_t reel__crc_end(const reel__crc *crc);

#endif
