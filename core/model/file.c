/* Writing a file atomically, and reading one. See file.h. Every result of the system is checked, and
 * interrupted and short calls go on where they stopped.
 *
 * A temporary file has no name while it is written, so one whose writer is killed is gone. It gets a
 * name next to the old file for the moment in which it replaces that; only where the system has no
 * files without names, it has this name from the beginning. The names are "NAME.reel-tmp-N" with the
 * first N that is free, and the writer holds a lock on the file: one of our own that nobody has
 * locked was left by a writer that was killed, and the next one removes it. */
#define _FILE_OFFSET_BITS 64
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700 /* fchown() */
#endif
#include "core/model/file.h"

#include "core/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#if !defined(O_TMPFILE) && defined(__O_TMPFILE)
#define O_TMPFILE __O_TMPFILE
#endif

enum { TRIES = 100000, GAP = 16, LINKS = 40, MOST_AT_ONCE = 1 << 30 };

#define RETRY(result, call)                                                                                            \
    do (result) = (call);                                                                                              \
    while ((result) < 0 && errno == EINTR)

/* "what: the system's text" */
static bool set_reason(char *reason, const char *what, int error)
{
    char text[120];
    if (strerror_r(error, text, sizeof text) != 0) snprintf(text, sizeof text, "error %d", error);
    snprintf(reason, REEL__REASON, "%s: %s", what, text);
    return false;
}

static bool give_reason(char *reason, const char *what)
{
    snprintf(reason, REEL__REASON, "%s", what);
    return false;
}

static bool usable_path(const char *path, char *reason)
{
    const char *fault = !path                        ? "the path is NULL"
                        : !*path                     ? "the path is empty"
                        : strlen(path) >= REEL__PATH ? "the path is too long"
                                                     : NULL;
    return !fault || give_reason(reason, fault);
}

/* Why this is no file to read or to replace; NULL: it is a regular one. */
static const char *other_kind(mode_t mode)
{
    return S_ISREG(mode)                    ? NULL
           : S_ISDIR(mode)                  ? "it is a directory"
           : S_ISFIFO(mode)                 ? "it is a pipe, no regular file"
           : S_ISSOCK(mode)                 ? "it is a socket, no regular file"
           : S_ISCHR(mode) || S_ISBLK(mode) ? "it is a device, no regular file"
                                            : "it is no regular file";
}

const char *reel__show_path(reel__shown_path *shown, const char *path)
{
    const size_t most = sizeof shown->text - 4, length = path ? strlen(path) : 0;
    if (length > most) snprintf(shown->text, sizeof shown->text, "...%s", path + length - most);
    else snprintf(shown->text, sizeof shown->text, "%s", path ? path : "(null)");
    return shown->text;
}

/* ---- Names of temporary files -------------------------------------------------------------- */

/* Whether the name is that of this open file. */
static bool names_file(const char *name, int file)
{
    struct stat here, there;
    return fstat(file, &here) == 0 && lstat(name, &there) == 0 && here.st_dev == there.st_dev &&
           here.st_ino == there.st_ino;
}

static bool lock(int file)
{
    int result;
    RETRY(result, flock(file, LOCK_EX | LOCK_NB));
    return result == 0;
}

static int open_existing(const char *name)
{
    int file;
    RETRY(file, open(name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (file < 0 && errno == EACCES) RETRY(file, open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    return file;
}

typedef enum fate { ABSENT, ALIVE, REMOVED } fate;

/* Removes a temporary file whose writer is dead. Who has its lock and still finds it under its name
 * is alone: its writer, or another one here, would have to have the lock as well. */
static fate remove_dead(const char *name)
{
    struct stat about;
    const int file = open_existing(name);
    if (file < 0) return errno == ENOENT ? ABSENT : ALIVE;
    const bool ours =
        fstat(file, &about) == 0 && S_ISREG(about.st_mode) && about.st_nlink == 1 && about.st_uid == geteuid();
    const bool removed = ours && lock(file) && names_file(name, file) && unlink(name) == 0;
    close(file);
    return removed ? REMOVED : ALIVE;
}

static void name_temporary(reel__writer *w, int n)
{
    const char *slash = strrchr(w->path, '/'), *name = slash ? slash + 1 : w->path;
    snprintf(w->temporary, sizeof w->temporary, "%.*s%.200s.reel-tmp-%d", (int)(name - w->path), w->path, name, n);
}

/* Takes the first free name; `take` fails with EEXIST for one that is not. */
static bool take_name(reel__writer *w, bool (*take)(reel__writer *w, const char *name))
{
    for (int n = 0; n < TRIES;) {
        name_temporary(w, n);
        if (take(w, w->temporary)) return true;
        if (errno != EEXIST) break;
        if (remove_dead(w->temporary) == ALIVE) n++;
        errno = EEXIST;
    }
    w->temporary[0] = 0; /* it is not ours to remove */
    return false;
}

/* Removes what dead writers left next to the file; names are taken from 0 on, so gaps are short. */
static void remove_litter(reel__writer *w)
{
    for (int n = 0, absent = 0; absent < GAP; n++) {
        name_temporary(w, n);
        absent = remove_dead(w->temporary) == ABSENT ? absent + 1 : 0;
    }
    w->temporary[0] = 0;
}

static bool create_named(reel__writer *w, const char *name)
{
    RETRY(w->file, open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, w->replaces ? 0600 : 0666));
    if (w->file < 0) return false;
    if ((lock(w->file) || errno != EWOULDBLOCK) && names_file(name, w->file)) return true;
    close(w->file); /* somebody took it for a dead one before it was locked */
    w->file = -1;
    errno = EEXIST;
    return false;
}

typedef struct descriptor_path {
    char text[40];
} descriptor_path;

static const char *path_of_descriptor(descriptor_path *path, int file)
{
    snprintf(path->text, sizeof path->text, "/proc/self/fd/%d", file);
    return path->text;
}

static bool link_unnamed(reel__writer *w, const char *name)
{
    descriptor_path path;
    int result;
    RETRY(result, linkat(AT_FDCWD, path_of_descriptor(&path, w->file), AT_FDCWD, name, AT_SYMLINK_FOLLOW));
    const int error = errno;
    if (result == 0 || (error == EEXIST && names_file(name, w->file))) return true; /* made before an interruption */
    errno = error;
    return false;
}

/* ---- Writing ------------------------------------------------------------------------------- */

static void write_failed(reel__writer *w, const char *what, int error)
{
    if (!w->failed) set_reason(w->reason, what, error);
    w->failed = true;
}

/* Where the links of a path lead; the file need not exist. */
static bool follow_links(reel__writer *w, const char *path)
{
    char target[REEL__PATH];
    memcpy(w->path, path, strlen(path) + 1);
    for (int n = 0; n < LINKS; n++) {
        const ssize_t length = readlink(w->path, target, sizeof target);
        if (length < 0) return true;
        const char *slash = strrchr(w->path, '/');
        const size_t folder = slash && target[0] != '/' ? (size_t)(slash + 1 - w->path) : 0;
        if (folder + (size_t)length >= REEL__PATH) return give_reason(w->reason, "the path is too long");
        memcpy(w->path + folder, target, (size_t)length);
        w->path[folder + (size_t)length] = 0;
    }
    return set_reason(w->reason, "cannot open", ELOOP);
}

/* Where the file really is, and what the older one is like. */
static bool find_target(reel__writer *w, const char *path)
{
    struct stat old;
    if (!usable_path(path, w->reason)) return false;
    w->replaces = stat(path, &old) == 0;
    if (!w->replaces) return errno == ENOENT ? follow_links(w, path) : set_reason(w->reason, "cannot open", errno);
    const char *fault = other_kind(old.st_mode);
    w->mode = old.st_mode & 07777, w->owner = old.st_uid, w->group = old.st_gid;
    return fault ? give_reason(w->reason, fault) : follow_links(w, path);
}

static int open_directory(const reel__writer *w, int flags)
{
    int file;
    char directory[REEL__PATH];
    memcpy(directory, w->path, strlen(w->path) + 1);
    char *slash = strrchr(directory, '/');
    if (slash) slash[slash == directory] = 0;
    RETRY(file, open(slash ? directory : ".", flags | O_CLOEXEC, 0666));
    return file;
}

/* Without /proc there would be no way to a name. */
static bool create_unnamed(reel__writer *w)
{
#if defined(O_TMPFILE)
    descriptor_path path;
    w->file = open_directory(w, O_TMPFILE | O_RDWR);
    w->unnamed = w->file >= 0 && lock(w->file) && access(path_of_descriptor(&path, w->file), F_OK) == 0;
    if (w->file >= 0 && !w->unnamed) close(w->file);
#endif
    return w->unnamed;
}

bool reel__writer_open(reel__writer *w, const char *path)
{
    w->file = -1, w->used = 0, w->unnamed = false, w->temporary[0] = 0;
    w->failed = !find_target(w, path);
    if (w->failed || create_unnamed(w) || take_name(w, create_named)) return !w->failed;
    write_failed(w, "cannot create a temporary file next to it", errno);
    return false;
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
    int length = reel__format(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text) write_failed(w, "cannot write", EOVERFLOW);
    else reel__writer_put(w, text, (size_t)length);
}

static void sync_file(reel__writer *w)
{
    int result;
    RETRY(result, fsync(w->file));
    if (result != 0) write_failed(w, "cannot synchronise", errno);
}

/* The owner, where that is allowed, and all permission bits of the older file, whatever the umask. */
static void keep_permissions(reel__writer *w)
{
    int result;
    RETRY(result, fchown(w->file, w->owner, w->group));
    RETRY(result, fchmod(w->file, w->mode));
    if (result != 0) write_failed(w, "cannot set the permissions of the temporary file", errno);
}

/* Where a file without a name cannot be given one, a copy can that has had one from the beginning. */
static void copy_to_named(reel__writer *w)
{
    const int from = w->file;
    if (!take_name(w, create_named)) {
        write_failed(w, "cannot create a temporary file next to it", errno);
        w->file = from;
        return;
    }
    off_t at = 0;
    for (ssize_t n = 1; n > 0 && !w->failed; at += n) {
        RETRY(n, pread(from, w->buffer, sizeof w->buffer, at));
        if (n < 0) write_failed(w, "cannot read the temporary file", errno);
        else write_all(w, w->buffer, (size_t)n);
    }
    close(from);
    if (w->replaces && !w->failed) keep_permissions(w);
    if (!w->failed) sync_file(w);
}

static void rename_temporary(reel__writer *w)
{
    int result;
    RETRY(result, rename(w->temporary, w->path));
    const int error = errno;
    if (result == 0 || (error == ENOENT && names_file(w->path, w->file))) w->temporary[0] = 0;
    else write_failed(w, "cannot rename the temporary file", error);
}

/* A new name is taken at once, an older file is replaced by renaming. The directory is opened before,
 * so that only its fsync() can fail afterwards. One that may be written but not read, or on a file
 * system that cannot do this, is left to the system. */
static void put_in_place(reel__writer *w)
{
    int result;
    const int directory = open_directory(w, O_RDONLY | O_DIRECTORY);
    if (directory < 0 && errno != EACCES) {
        write_failed(w, "cannot open its directory", errno);
        return;
    }
    if (!w->unnamed || w->replaces || !link_unnamed(w, w->path)) {
        if (w->unnamed && !take_name(w, link_unnamed)) copy_to_named(w);
        if (!w->failed) rename_temporary(w);
    }
    if (directory < 0) return;
    RETRY(result, w->failed ? 0 : fsync(directory));
    if (result != 0 && errno != EINVAL && errno != ENOTSUP)
        write_failed(w, "it is written, but its directory cannot be synchronised", errno);
    close(directory);
}

/* The lock goes last, with the file; that closing fails means nothing after fsync(). */
bool reel__writer_close(reel__writer *w)
{
    if (w->file < 0) return false;
    flush(w);
    if (!w->failed && w->replaces) keep_permissions(w);
    if (!w->failed) sync_file(w);
    if (!w->failed) put_in_place(w);
    if (w->temporary[0]) unlink(w->temporary);
    close(w->file);
    w->file = -1;
    if (!w->failed) remove_litter(w);
    return !w->failed;
}

reel_status reel_write_file(const char *path, const void *data, int64_t size)
{
    reel__writer w;
    if (!path || size < 0 || (!data && size)) return REEL_BAD_ARGUMENT;
    if (reel__writer_open(&w, path)) reel__writer_put(&w, data, (size_t)size);
    return reel__writer_close(&w) ? REEL_OK : REEL_BAD_FILE;
}

/* ---- Reading ------------------------------------------------------------------------------- */

/* A device may do something when it is opened, so the kind is asked for before; and after, since
 * another file may have come there. Without O_NONBLOCK a pipe would wait for its writer. */
bool reel__reader_open(reel__reader *r, const char *path)
{
    struct stat about;
    r->file = -1;
    if (!usable_path(path, r->reason)) return false;
    const char *fault = stat(path, &about) == 0 ? other_kind(about.st_mode) : NULL;
    if (fault) return give_reason(r->reason, fault);
    RETRY(r->file, open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (r->file < 0) return set_reason(r->reason, "cannot open", errno);
    if (fstat(r->file, &about) != 0) set_reason(r->reason, fault = "cannot open", errno);
    else if ((fault = other_kind(about.st_mode))) give_reason(r->reason, fault);
    r->size = (int64_t)about.st_size;
    if (fault) reel__reader_close(r);
    return !fault;
}

bool reel__reader_read(reel__reader *r, void *data, int64_t size)
{
    char *at = data;
    while (size > 0) {
        ssize_t n = read(r->file, at, size < MOST_AT_ONCE ? (size_t)size : MOST_AT_ONCE);
        if (n > 0) at += n, size -= n;
        else if (n < 0 && errno != EINTR) return set_reason(r->reason, "cannot read", errno);
        else if (n == 0) return give_reason(r->reason, "it became shorter while it was read");
    }
    return true;
}

bool reel__reader_skip(reel__reader *r, int64_t size)
{
    return lseek(r->file, (off_t)size, SEEK_CUR) >= 0 || set_reason(r->reason, "cannot read", errno);
}

void reel__reader_close(reel__reader *r)
{
    if (r->file >= 0) close(r->file);
    r->file = -1;
}
