/* Saving and loading while calls of the system fail, are interrupted or do half of their work, and while memory runs out:
 * the file and the model are the old ones or the new ones, and never others. The library is linked with the copy of file.c
 * below, whose calls can be made to fail. Every test runs in a directory of its own. */
#define _XOPEN_SOURCE 700
#include "model_files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(files, .init = enter_directory, .fini = leave_directory);

/* ---- System calls that fail ---------------------------------------------------------------- */

typedef enum call_kind { NO_CALL, OPEN, READ, WRITE, FSYNC, CLOSE, RENAME, LINK, LOCK, MODE, CALL_KINDS } call_kind;

/* The call of this kind after `after` more fails with `error`; 0: it is short instead; done: it is done all the same. */
static struct {
    call_kind kind;
    int after, error;
    bool done, happened;
} planned;

#if !defined(O_TMPFILE)
#define O_TMPFILE __O_TMPFILE
#endif
static bool all_have_names; /* as where the system has no files without */

static bool strikes(call_kind kind)
{
    if (planned.kind != kind || planned.after-- != 0) return false;
    planned.happened = true;
    errno = planned.error;
    return true;
}

static int faulty_open(const char *path, int flags, mode_t mode)
{
    if (strikes(OPEN)) return -1;
    if ((flags & O_TMPFILE) != O_TMPFILE || !all_have_names) return open(path, flags, mode);
    errno = EOPNOTSUPP;
    return -1;
}

static ssize_t faulty_read(int file, void *data, size_t size)
{
    if (!strikes(READ)) return read(file, data, size);
    return planned.error ? -1 : read(file, data, (size + 1) / 2);
}

static ssize_t faulty_write(int file, const void *data, size_t size)
{
    if (!strikes(WRITE)) return write(file, data, size);
    return planned.error ? -1 : write(file, data, (size + 1) / 2);
}

static int faulty_close(int file)
{
    int result = close(file);
    return strikes(CLOSE) ? -1 : result;
}

static int faulty_fsync(int file) { return strikes(FSYNC) ? -1 : fsync(file); }
static int faulty_flock(int file, int operation) { return strikes(LOCK) ? -1 : flock(file, operation); }
static int faulty_fchmod(int file, mode_t mode) { return strikes(MODE) ? -1 : fchmod(file, mode); }

static int faulty_rename(const char *from, const char *to)
{
    if (planned.done && planned.kind == RENAME && planned.after == 0) rename(from, to);
    return strikes(RENAME) ? -1 : rename(from, to);
}

static int faulty_linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    if (planned.done && planned.kind == LINK && planned.after == 0) linkat(from_folder, from, to_folder, to, flags);
    return strikes(LINK) ? -1 : linkat(from_folder, from, to_folder, to, flags);
}

#define open(path, ...) faulty_open(path, OPEN_ARGUMENTS(__VA_ARGS__, 0, 0))
#define OPEN_ARGUMENTS(flags, mode, ...) flags, mode
#define read faulty_read
#define write faulty_write
#define fsync faulty_fsync
#define close faulty_close
#define rename faulty_rename
#define linkat faulty_linkat
#define flock(file, operation) faulty_flock(file, operation)
#define fchmod faulty_fchmod
#include "core/model/file.c"
#undef open
#undef read
#undef write
#undef fsync
#undef close
#undef rename
#undef linkat
#undef flock
#undef fchmod

/* ---- Faults -------------------------------------------------------------------------------- */

static bool has_bytes(const bytes *old)
{
    static bytes now;
    read_bytes("model", &now);
    return now.size == old->size && memcmp(now.data, old->data, old->size) == 0;
}

static void expect_old_file(const bytes *old)
{
    cr_expect(has_bytes(old));
    cr_expect_eq(count_files(), 1);
}

/* A model whose file is written in several pieces. */
static reel_model *large_model(void)
{
    reel_model *model = small_model();
    add(model, "large", false, REEL_F64, REEL_SHAPE(40, 100));
    add(model, "larger", false, REEL_F32, REEL_SHAPE(5, 1000));
    return model;
}

static bool has_saved(reel_model *model)
{
    reel_model *loaded = new_model(1);
    const bool good = reel_model_load(loaded, "model") == REEL_OK && loaded->values.list.count == 4;
    if (good) expect_same(model, loaded);
    reel_model_free(loaded);
    return good;
}

/* Saves while one call fails after another, until none is left to fail; returns how many times there was an error. Without
 * one the new file is there, with one the old file, and never another. */
static int save_with_faults(reel_model *large, const bytes *old, call_kind kind, int error)
{
    int errors = 0;
    for (int n = 0;; n++) {
        planned.kind = kind, planned.after = n, planned.error = error, planned.happened = false;
        const reel_status status = reel_model_save(large, "model");
        planned.kind = NO_CALL;
        errors += status != REEL_OK;
        if (status == REEL_OK) cr_expect(has_saved(large), "call %d of kind %d, %s", n, kind, strerror(error));
        else if (kind == FSYNC && n == 1) cr_expect(has_saved(large), "the directory cannot be synchronised");
        else cr_expect(has_bytes(old), "call %d of kind %d, %s", n, kind, strerror(error));
        cr_expect_eq(count_files(), 1);
        write_file("model", old->data, old->size);
        if (!planned.happened) return errors;
    }
}

static void check_faults(void)
{
    static bytes old;
    static const int errors[] = { EIO, ENOSPC, EDQUOT };
    reel_model *model = small_model(), *large = large_model();
    expect_ok(model, reel_model_save(model, "model"));
    read_bytes("model", &old);
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
        cr_expect_geq(save_with_faults(large, &old, OPEN, errors[e]), 1);
        cr_expect_geq(save_with_faults(large, &old, WRITE, errors[e]), 3);
        cr_expect_eq(save_with_faults(large, &old, FSYNC, errors[e]), 2);
        cr_expect_eq(save_with_faults(large, &old, MODE, errors[e]), 1);
        cr_expect_eq(save_with_faults(large, &old, CLOSE, errors[e]), 0);
        cr_expect_eq(save_with_faults(large, &old, RENAME, errors[e]), 1);
        cr_expect_eq(save_with_faults(large, &old, LINK, errors[e]), 0, "a copy takes its place");
        cr_expect_eq(save_with_faults(large, &old, LOCK, errors[e]), 0);
    }
    reel_model_free(model);
    reel_model_free(large);
}

Test(files, stay_as_they_were_when_a_call_of_the_system_fails) { check_faults(); }

Test(files, stay_as_they_were_when_a_call_fails_where_temporary_files_have_names)
{
    all_have_names = true;
    check_faults();
}

static void check_interruptions(reel_model *model, call_kind kind, int error, bool done)
{
    for (int n = 0;; n++) {
        reel_model *loaded = new_model(1);
        unlink("model");
        if (n % 2) write_file("model", "old", 3);
        planned.kind = kind, planned.after = n / 2, planned.error = error, planned.done = done,
        planned.happened = false;
        reel_status status = reel_model_save(model, "model");
        if (status == REEL_OK) status = reel_model_load(loaded, "model");
        planned.kind = NO_CALL;
        cr_expect_eq(status, REEL_OK, "call %d of kind %d: error %d", n / 2, kind, error);
        if (status == REEL_OK) expect_same(model, loaded);
        reel_model_free(loaded);
        cr_expect_eq(count_files(), 1);
        if (!planned.happened && n % 2) return;
    }
}

Test(files, are_whole_after_interrupted_and_short_calls)
{
    reel_model *model = large_model();
    for (int names = 0; names < 2; names++) {
        all_have_names = names != 0;
        for (call_kind kind = OPEN; kind < CALL_KINDS; kind++) check_interruptions(model, kind, EINTR, false);
        check_interruptions(model, READ, 0, false);
        check_interruptions(model, WRITE, 0, false);
        check_interruptions(model, RENAME, EINTR, true);
        check_interruptions(model, LINK, EINTR, true);
    }
    reel_model_free(model);
}

Test(files, that_cannot_be_read_leave_the_model_as_it_was)
{
    reel_model *saved = large_model(), *before = small_model();
    expect_ok(saved, reel_model_save(saved, "model"));
    for (call_kind kind = OPEN; kind <= READ; kind++) {
        reel_model *model = small_model();
        for (int n = 0;; n++) {
            planned.kind = kind, planned.after = n, planned.error = EIO, planned.happened = false;
            reel_status status = reel_model_load(model, "model");
            planned.kind = NO_CALL;
            if (!planned.happened) break;
            cr_expect_eq(status, REEL_BAD_FILE);
            const char *message = kind == OPEN ? "model_load: model: cannot open: Input/output error"
                                               : "model_load: model: cannot read: Input/output error";
            cr_expect_str_eq(reel_model_error(model), message);
            expect_same(before, model);
        }
        expect_same(saved, model);
        reel_model_free(model);
    }
    reel_model_free(saved);
    reel_model_free(before);
}

Test(files, beyond_the_limit_of_size_leave_the_old_one)
{
    static bytes old;
    struct rlimit limit = { 30000, 30000 };
    reel_model *model = small_model(), *large = large_model();
    expect_ok(model, reel_model_save(model, "model"));
    read_bytes("model", &old);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    expect_error(large, reel_model_save(large, "model"), REEL_BAD_FILE,
                 "model_save: model: cannot write: File too large");
    expect_old_file(&old);
    reel_model_free(model);
    reel_model_free(large);
}

Test(files, stay_as_they_were_when_memory_runs_out_in_saving)
{
    static bytes old;
    reel_model *model = small_model(), *large = large_model();
    expect_ok(model, reel_model_save(model, "model"));
    read_bytes("model", &old);
    int failures = 0;
    for (;; failures++) {
        fail_after(&memory, failures);
        reel_status status = reel_model_save(large, "model");
        fail_after(&memory, -1);
        if (status == REEL_OK) break;
        cr_assert_lt(failures, 10000);
        expect_error(large, status, REEL_OUT_OF_MEMORY, "model_save: model: out of memory");
        expect_old_file(&old);
    }
    cr_expect_gt(failures, 3);
    reel_model_free(model);
    reel_model_free(large);
}

Test(files, leave_the_model_as_it_was_when_memory_runs_out_in_loading)
{
    reel_model *saved = large_model(), *before = small_model();
    ((float *)value(saved, "w")->data)[0] = 17;
    for (int i = 0; i < 200; i++) {
        char name[20];
        snprintf(name, sizeof name, "more%d", i);
        add(saved, name, false, REEL_F32, REEL_SHAPE(1));
    }
    expect_ok(saved, reel_model_save(saved, "model"));
    reel_model *model = small_model();
    int failures = 0;
    for (;; failures++) {
        fail_after(&memory, failures);
        reel_status status = reel_model_load(model, "model");
        fail_after(&memory, -1);
        if (status == REEL_OK) break;
        cr_assert_lt(failures, 10000);
        expect_error(model, status, REEL_OUT_OF_MEMORY, "model_load: model: out of memory");
        expect_same(before, model);
    }
    cr_expect_gt(failures, 400); /* two of each value */
    expect_same(saved, model);
    reel_model_free(saved);
    reel_model_free(before);
    reel_model_free(model);
}
