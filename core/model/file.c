/* Writing a file atomically, reading one, CRC-32C. See file.h. Every result of the system is
 * checked, and interrupted and short calls go on where they stopped. */
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700 /* realpath() */
#endif
#include "core/model/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 1000, MOST_AT_ONCE = 1 << 30 };

/* "what: the system's text" */
static bool set_reason(char *reason, const char *what, int error)
{
    char text[120];
    if (strerror_r(error, text, sizeof text) != 0) snprintf(text, sizeof text, "error %d", error);
    snprintf(reason, REEL__REASON, "%s: %s", what, text);
    return false;
}

static bool usable_path(const char *path, char *reason)
{
    const char *fault = !path                        ? "the path is NULL"
                        : !*path                     ? "the path is empty"
                        : strlen(path) >= REEL__PATH ? "the path is too long"
                                                     : NULL;
    if (fault) snprintf(reason, REEL__REASON, "%s", fault);
    return !fault;
}

const char *reel__show_path(reel__shown_path *shown, const char *path)
{
    const size_t most = sizeof shown->text - 4, length = path ? strlen(path) : 0;
    if (length > most) snprintf(shown->text, sizeof shown->text, "...%s", path + length - most);
    else snprintf(shown->text, sizeof shown->text, "%s", path ? path : "(null)");
    return shown->text;
}

/* ---- Writing ------------------------------------------------------------------------------- */

static void write_failed(reel__writer *w, const char *what, int error)
{
    if (!w->failed) set_reason(w->reason, what, error);
    w->failed = true;
}

/* Where the file really is, and with which permissions it is made. */
static bool find_place(reel__writer *w, const char *path, mode_t *mode)
{
    struct stat old;
    if (!usable_path(path, w->reason)) return false;
    bool exists = stat(path, &old) == 0;
    if (exists && !S_ISREG(old.st_mode)) {
        const char *what = S_ISDIR(old.st_mode) ? "it is a directory" : "it is no regular file";
        snprintf(w->reason, sizeof w->reason, "%s", what);
        return false;
    }
    *mode = exists ? old.st_mode & 0777 : 0666;
    if (!exists || !realpath(path, w->path)) memcpy(w->path, path, strlen(path) + 1);
    return true;
}

/* "dir/name.tmp.PID.N", with the first N that is free. */
static bool create_temporary(reel__writer *w, mode_t mode)
{
    const char *slash = strrchr(w->path, '/'), *name = slash ? slash + 1 : w->path;
    for (int n = 0; n < TRIES; n++) {
        snprintf(w->temporary, sizeof w->temporary, "%.*s%.200s.tmp.%ld.%d", (int)(name - w->path), w->path, name,
                 (long)getpid(), n);
        w->file = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (w->file >= 0) return true;
        if (errno != EEXIST && errno != EINTR) break;
    }
    write_failed(w, "cannot create a temporary file beside it", errno);
    return false;
}

bool reel__writer_open(reel__writer *w, const char *path)
{
    mode_t mode;
    w->file = -1, w->used = 0, w->failed = false;
    w->failed = !find_place(w, path, &mode);
    if (w->failed || !create_temporary(w, mode)) return false;
    if (mode != 0666 && fchmod(w->file, mode) != 0) {
        write_failed(w, "cannot set the permissions of the temporary file", errno);
        return reel__writer_close(w);
    }
    return true;
}

static void write_all(reel__writer *w, const char *data, size_t size)
{
    while (size > 0 && !w->failed) {
        ssize_t n = write(w->file, data, size < MOST_AT_ONCE ? size : MOST_AT_ONCE);
        if (n > 0) data += n, size -= (size_t)n;
        else if (n == 0 || errno != EINTR) write_failed(w, "cannot write", n ? errno : EIO);
    }
}

static void flush(reel__writer *w)
{
    write_all(w, w->buffer, w->used);
    w->used = 0;
}

void reel__writer_put(reel__writer *w, const void *data, size_t size)
{
    if (w->failed || size == 0) return;
    if (size > sizeof w->buffer - w->used) flush(w);
    if (size >= sizeof w->buffer) {
        write_all(w, data, size);
        return;
    }
    memcpy(w->buffer + w->used, data, size);
    w->used += size;
}

void reel__writer_print(reel__writer *w, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text) write_failed(w, "cannot write", EOVERFLOW);
    else reel__writer_put(w, text, (size_t)length);
}

static int sync_file(int file)
{
    int result;
    do result = fsync(file);
    while (result != 0 && errno == EINTR);
    return result;
}

static int open_directory(const reel__writer *w)
{
    char directory[REEL__PATH];
    memcpy(directory, w->path, strlen(w->path) + 1);
    char *slash = strrchr(directory, '/');
    if (slash) slash[slash == directory] = 0;
    return open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The directory is opened before the rename, so that only its fsync() can fail afterwards. One that
 * may be written but not read, or on a file system that cannot do this, is left to the system. */
static void replace(reel__writer *w)
{
    int directory = open_directory(w);
    if (directory < 0 && errno != EACCES) {
        write_failed(w, "cannot open its directory", errno);
    } else if (rename(w->temporary, w->path) != 0) {
        write_failed(w, "cannot rename the temporary file", errno);
    } else {
        w->temporary[0] = 0;
        if (directory >= 0 && sync_file(directory) != 0 && errno != EINVAL && errno != ENOTSUP)
            write_failed(w, "it is written, but its directory cannot be synchronised", errno);
    }
    if (directory >= 0) close(directory);
}

bool reel__writer_close(reel__writer *w)
{
    if (w->file < 0) return false;
    flush(w);
    if (!w->failed && sync_file(w->file) != 0) write_failed(w, "cannot synchronise", errno);
    if (close(w->file) != 0 && errno != EINTR) write_failed(w, "cannot close", errno);
    w->file = -1;
    if (!w->failed) replace(w);
    if (w->failed && w->temporary[0]) unlink(w->temporary);
    return !w->failed;
}

/* ---- Reading ------------------------------------------------------------------------------- */

/* Without O_NONBLOCK, opening a named pipe would wait for its writer. */
bool reel__reader_open(reel__reader *r, const char *path)
{
    struct stat about;
    r->file = -1;
    if (!usable_path(path, r->reason)) return false;
    do r->file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    while (r->file < 0 && errno == EINTR);
    if (r->file < 0) return set_reason(r->reason, "cannot open", errno);
    const char *fault = NULL;
    if (fstat(r->file, &about) != 0) set_reason(r->reason, "cannot open", errno), fault = "";
    else if (S_ISDIR(about.st_mode)) fault = "it is a directory";
    else if (!S_ISREG(about.st_mode)) fault = "it is no regular file";
    if (!fault) {
        r->size = (int64_t)about.st_size;
        return true;
    }
    if (*fault) snprintf(r->reason, sizeof r->reason, "%s", fault);
    reel__reader_close(r);
    return false;
}

bool reel__reader_read(reel__reader *r, void *data, int64_t size)
{
    char *at = data;
    while (size > 0) {
        ssize_t n = read(r->file, at, size < MOST_AT_ONCE ? (size_t)size : MOST_AT_ONCE);
        if (n > 0) at += n, size -= n;
        else if (n < 0 && errno != EINTR) return set_reason(r->reason, "cannot read", errno);
        else if (n == 0) {
            snprintf(r->reason, sizeof r->reason, "it became shorter while it was read");
            return false;
        }
    }
    return true;
}

void reel__reader_close(reel__reader *r)
{
    if (r->file >= 0) close(r->file);
    r->file = -1;
}

/* ---- CRC-32C ------------------------------------------------------------------------------- */

/* table[k][b] is what byte b adds when k more bytes follow it (Kounavis and Berry 2005). */
void reel__crc_begin(reel__crc *crc)
{
    crc->value = 0xffffffffu;
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t r = b;
        for (int bit = 0; bit < 8; bit++) r = r >> 1 ^ (r & 1 ? 0x82f63b78u : 0);
        crc->table[0][b] = r;
    }
    for (uint32_t b = 0; b < 256; b++)
        for (int k = 1; k < 8; k++)
            crc->table[k][b] = crc->table[k - 1][b] >> 8 ^ crc->table[0][crc->table[k - 1][b] & 255];
}

void reel__crc_add(reel__crc *crc, const void *data, size_t size)
{
    const unsigned char *p = data;
    uint32_t r = crc->value, (*table)[256] = crc->table;
    for (; size >= 8; size -= 8, p += 8) {
        r ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        r = table[7][r & 255] ^ table[6][r >> 8 & 255] ^ table[5][r >> 16 & 255] ^ table[4][r >> 24] ^ table[3][p[4]] ^
            table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
    }
    for (; size > 0; size--, p++) r = r >> 8 ^ table[0][(r ^ *p) & 255];
    crc->value = r;
}

uint32_t reel__crc_end(const reel__crc *crc) { return ~crc->value; }
