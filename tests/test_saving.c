/* Writing files while others write, are killed and interrupt; permissions, links, and paths that are no files.
 * Every test runs in a directory of its own. The library is linked with the copy of file.c below, which can be told that
 * the system has no files without names. Calls that fail are in test_file_faults.c. */
#define _XOPEN_SOURCE 700 /* mknod() */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/model/file.h"
#include "files.h"

static bool all_have_names;

static int open_with_a_name(const char *path, int flags, mode_t mode)
{
    if (!all_have_names || (flags & (O_DIRECTORY | O_RDWR)) != (O_DIRECTORY | O_RDWR)) return open(path, flags, mode);
    errno = EOPNOTSUPP;
    return -1;
}

#define open(path, ...) open_with_a_name(path, OPEN_ARGUMENTS(__VA_ARGS__, 0, 0))
#define OPEN_ARGUMENTS(flags, mode, ...) flags, mode
#include "core/model/file.c"
#undef open

/* ---- Files and models -------------------------------------------------------------------------------------------- */

static void enter(void)
{
    enter_directory();
    umask(022);
    alarm(60); /* what waits for ever fails */
}

TestSuite(saving, .init = enter, .fini = leave_directory);

static void make_file(const char *path)
{
    const int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    cr_assert(file >= 0 && write(file, "old", 3) == 3 && close(file) == 0, "%s", path);
}

static mode_t mode_of(const char *path)
{
    struct stat about;
    cr_assert_eq(lstat(path, &about), 0, "%s", path);
    return about.st_mode;
}

/* w [count] of this value. */
static reel_model *model_of(float value, int64_t count)
{
    reel_model *model = reel_model_new((reel_model_options){ 0 });
    reel_tape *tape = reel_tape_new(model, (reel_tape_options){ 0 });
    reel_tensor *like = reel_input(tape, "x", REEL_F32, REEL_SCALAR);
    reel_parameter(like, "w", REEL_SHAPE(count), reel_init_constant((double)value));
    reel_tape_free(tape);
    return model;
}

static reel_status save_value(const char *path, float value, int64_t count)
{
    reel_model *model = model_of(value, count);
    const reel_status status = reel_model_save(model, path);
    cr_expect_eq(status, REEL_OK, "%s", reel_model_error(model));
    reel_model_free(model);
    return status;
}

static bool is_whole(const char *path)
{
    reel_model *model = reel_model_new((reel_model_options){ 0 });
    const bool good = reel_model_load(model, path) == REEL_OK;
    cr_expect(good, "%s", reel_model_error(model));
    reel_model_free(model);
    return good;
}

/* ---- Others who write -------------------------------------------------------------------------------------------- */

static void sleep_for(long microseconds)
{
    const struct timespec time = { .tv_nsec = 1000 * microseconds };
    nanosleep(&time, NULL);
}

/* Children that save and save, each killed at some time of its first milliseconds. */
static void kill_in_saving(int kills)
{
    uint32_t random = 1;
    for (int i = 0; i < kills; i++) {
        const pid_t child = fork();
        if (child == 0) {
            reel_model *model = model_of((float)i, 100000);
            for (;;) reel_model_save(model, "model");
        }
        random = random * 1664525 + 1013904223;
        sleep_for(3000 + (long)(random >> 18));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
}

Test(saving, killed_at_any_time_leaves_nothing_that_the_next_does_not_remove)
{
    save_value("model", 1, 1);
    kill_in_saving(60);
    cr_expect(is_whole("model"));
    cr_expect_leq(count_files(), 2, "one of those without names");
    save_value("model", 1, 1);
    cr_expect_eq(count_files(), 1);
}

Test(saving, killed_at_any_time_leaves_nothing_that_the_next_does_not_remove_where_all_have_names)
{
    all_have_names = true;
    save_value("model", 1, 1);
    kill_in_saving(60);
    cr_expect(is_whole("model"));
    cr_expect_leq(count_files(), 2, "each removes what the one before has left");
    save_value("model", 1, 1);
    cr_expect_eq(count_files(), 1);
}

static void check_writers_at_once(void)
{
    enum { WRITERS = 4, SAVES = 15 };
    pid_t child[WRITERS];
    save_value("model", 0, 1);
    for (int i = 0; i < WRITERS; i++) {
        child[i] = fork();
        if (child[i] != 0) continue;
        for (int k = 0; k < SAVES; k++)
            if (save_value("model", (float)i, 1000 * (i + 1)) != REEL_OK) _exit(1);
        _exit(0);
    }
    for (int i = 0, status; i < WRITERS; i++) {
        while (waitpid(child[i], &status, WNOHANG) == 0) cr_assert(is_whole("model"));
        cr_expect_eq(status, 0);
    }
    cr_expect(is_whole("model"));
    cr_expect_eq(count_files(), 1);
}

Test(saving, from_several_processes_to_one_path_leaves_one_whole_file) { check_writers_at_once(); }

Test(saving, from_several_processes_to_one_path_leaves_one_whole_file_where_all_have_names)
{
    all_have_names = true;
    check_writers_at_once();
}

static void *save_often(void *value)
{
    for (int i = 0; i < 15; i++) save_value("model", *(float *)value, 2000);
    return NULL;
}

static void check_threads_at_once(void)
{
    enum { THREADS = 4 };
    pthread_t thread[THREADS];
    float value[THREADS];
    for (int i = 0; i < THREADS; i++) {
        value[i] = (float)i;
        cr_assert_eq(pthread_create(&thread[i], NULL, save_often, &value[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    cr_expect(is_whole("model"));
    cr_expect_eq(count_files(), 1);
}

Test(saving, from_several_threads_to_one_path_leaves_one_whole_file) { check_threads_at_once(); }

Test(saving, from_several_threads_to_one_path_leaves_one_whole_file_where_all_have_names)
{
    all_have_names = true;
    check_threads_at_once();
}

static void check_removing(int count)
{
    char name[40];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "model.reel-tmp-%d", i);
        cr_assert_eq(mknod(name, S_IFREG | 0666, 0), 0);
    }
    save_value("model", 1, 1);
    cr_expect_eq(count_files(), 1);
}

Test(saving, removes_all_that_were_left) { check_removing(100); }

Test(saving, removes_all_that_were_left_where_all_have_names)
{
    all_have_names = true;
    check_removing(1100);
}

static void check_others(void)
{
    int file;
    make_file("real"), make_file("model.reel-tmp-3"), make_file("model.reel-tmp-4"), make_file("model.reel-tmp-5");
    cr_assert(mkdir("model.reel-tmp-0", 0777) == 0 && symlink("real", "model.reel-tmp-1") == 0 &&
              mkfifo("model.reel-tmp-2", 0666) == 0 && link("model.reel-tmp-3", "other name") == 0);
    cr_assert((file = open("model.reel-tmp-4", O_RDONLY)) >= 0 && flock(file, LOCK_EX) == 0);
    for (int i = 0; i < 3; i++) save_value("model", (float)i, 1);
    cr_expect_eq(count_files(), 8, "all but model.reel-tmp-5");
    cr_expect(S_ISLNK(mode_of("model.reel-tmp-1")));
    cr_expect_neq(access("model.reel-tmp-5", F_OK), 0);
    cr_expect(is_whole("model"));
    close(file);
    save_value("model", 1, 1);
    cr_expect_eq(count_files(), 7, "its writer has ended");
}

Test(saving, leaves_what_another_writes_and_what_is_no_temporary_file) { check_others(); }

Test(saving, leaves_what_another_writes_and_what_is_no_temporary_file_where_all_have_names)
{
    all_have_names = true;
    check_others();
}

Test(saving, that_fails_leaves_the_temporary_file_of_another)
{
    int file;
    make_file("model.reel-tmp-0");
    cr_assert((file = open("model.reel-tmp-0", O_RDONLY)) >= 0 && flock(file, LOCK_EX) == 0);
    reel_model *model = model_of(1, 1);
    cr_expect_eq(reel_model_save(model, "no folder/model"), REEL_BAD_FILE);
    cr_expect_eq(access("model.reel-tmp-0", F_OK), 0);
    reel_model_free(model);
    close(file);
}

/* ---- Interruptions ----------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t interruptions;

static void interrupt(int number)
{
    (void)number;
    interruptions = interruptions + 1;
}

/* The timer is quick, and calls of the system are not begun again by it. */
static void be_interrupted(suseconds_t period)
{
    struct sigaction action = { .sa_handler = interrupt };
    const struct itimerval timer = { { .tv_usec = period }, { .tv_usec = period } };
    cr_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
    cr_assert_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

Test(saving, loading_and_reading_tables_are_not_disturbed_by_signals)
{
    FILE *file = fopen("table.csv", "w");
    for (int i = 0; i < 100000; i++) fprintf(file, "%d,%d\n", i, -i);
    fclose(file);
    be_interrupted(200);
    for (int i = 0; i < 8; i++) {
        save_value("model", (float)i, 200000);
        cr_assert(is_whole("model"));
        reel_table *table = reel_table_load("table.csv");
        cr_expect_eq(reel_table_rows(table), 100000, "%s", reel_table_error(table));
        reel_table_free(table);
    }
    be_interrupted(0);
    cr_expect_gt(interruptions, 8);
    cr_expect_eq(count_files(), 2);
}

Test(saving, reading_a_file_that_becomes_shorter_is_an_error)
{
    reel__reader reader;
    char data[3];
    make_file("file");
    cr_assert(reel__reader_open(&reader, "file"));
    cr_assert(reader.size == 3 && truncate("file", 2) == 0);
    cr_expect_not(reel__reader_read(&reader, data, 3));
    cr_expect_str_eq(reader.reason, "it became shorter while it was read");
    reel__reader_close(&reader);
}

/* ---- Permissions and links --------------------------------------------------------------------------------------- */

static void check_permissions(void)
{
    static const mode_t modes[] = { 0666, 0644, 0600, 0640, 0444, 0777, 0602, 01644 };
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        for (mode_t mask = 0; mask <= 077; mask += 077) {
            unlink("model");
            make_file("model");
            cr_assert_eq(chmod("model", modes[i]), 0);
            umask(mask);
            save_value("model", 1, 1);
            cr_expect_eq(mode_of("model") & 07777, modes[i], "%o for %o", mode_of("model") & 07777, modes[i]);
            unlink("model");
            save_value("model", 1, 1);
            cr_expect_eq(mode_of("model") & 07777, 0666 & ~mask, "a new one by the umask %o", mask);
        }
    umask(022);
}

Test(saving, keeps_all_permission_bits) { check_permissions(); }

Test(saving, keeps_all_permission_bits_where_all_have_names)
{
    all_have_names = true;
    check_permissions();
}

Test(saving, keeps_the_owner_where_that_is_allowed)
{
    struct stat about;
    if (geteuid() != 0) leave_and_skip("needs root");
    make_file("model");
    cr_assert_eq(chown("model", 12, 34), 0);
    save_value("model", 1, 1);
    cr_expect(stat("model", &about) == 0 && about.st_uid == 12 && about.st_gid == 34);
}

Test(saving, follows_symbolic_links_also_to_what_does_not_exist)
{
    cr_assert(mkdir("a", 0777) == 0 && mkdir("b", 0777) == 0 && symlink("../b/second", "a/first") == 0 &&
              symlink("../model", "b/second") == 0);
    for (int i = 0; i < 2; i++) { /* the second time it exists */
        save_value("a/first", (float)i, 1);
        cr_expect(S_ISLNK(mode_of("a/first")) && S_ISLNK(mode_of("b/second")) && S_ISREG(mode_of("model")));
    }
    cr_expect_eq(count_files(), 3);
    cr_assert_eq(symlink("loop", "loop"), 0);
    reel_model *model = model_of(1, 1);
    cr_expect_eq(reel_model_save(model, "loop"), REEL_BAD_FILE);
    cr_expect_str_eq(reel_model_error(model), "model_save: loop: cannot open: Too many levels of symbolic links");
    cr_expect(S_ISLNK(mode_of("loop")));
    reel_model_free(model);
}

/* ---- What is no file --------------------------------------------------------------------------------------------- */

static void expect_text(const char *text, const char *before, const char *path, const char *after)
{
    char right[200];
    snprintf(right, sizeof right, "%s%s%s", before, path, after);
    cr_expect_str_eq(text ? text : "none", right);
}

/* Whoever reads or writes it says what it is, at once, and leaves it. */
static void expect_refused(const char *path, const char *what)
{
    reel_model *model = model_of(1, 1);
    reel_tape *tape = reel_tape_new(model, (reel_tape_options){ 0 });
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SCALAR);
    reel_keep(reel_neg(x), "y");
    cr_expect(reel_write_f32(x, &(float){ 1 }, 1) == REEL_OK && reel_run(tape) == REEL_OK);
    reel_progress *progress = reel_progress_new((reel_progress_options){ .quiet = true });
    const mode_t mode = mode_of(path);
    char table_what[60] = ": ";
    strcat(table_what, what + strlen(": it "));
    cr_expect_eq(reel_model_save(model, path), REEL_BAD_FILE);
    expect_text(reel_model_error(model), "model_save: ", path, what);
    cr_expect_eq(reel_model_load(model, path), REEL_BAD_FILE);
    expect_text(reel_model_error(model), "model_load: ", path, what);
    cr_expect_eq(reel_tape_write_dot(tape, path), REEL_BAD_FILE);
    expect_text(reel_tape_error(tape), "tape_write_dot: ", path, what);
    cr_expect_eq(reel_tape_write_plan(tape, path), REEL_BAD_FILE);
    expect_text(reel_tape_error(tape), "tape_write_plan: ", path, what);
    cr_expect_eq(reel_progress_write_svg(progress, path, "T"), REEL_BAD_FILE);
    cr_expect_eq(reel_write_file(path, "x", 1), REEL_BAD_FILE);
    reel_table *table = reel_table_load(path);
    expect_text(reel_table_error(table), "", path, table_what);
    cr_expect_eq(mode_of(path), mode);
    reel_table_free(table);
    reel_progress_free(progress);
    reel_tape_free(tape);
    reel_model_free(model);
}

Test(saving, loading_and_reading_refuse_what_is_no_file_without_waiting)
{
    const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
    const int end = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert(mkfifo("pipe", 0666) == 0 && mkdir("folder", 0777) == 0 && end >= 0);
    cr_assert_eq(bind(end, (const struct sockaddr *)&address, sizeof address), 0);
    expect_refused("pipe", ": it is a pipe, no regular file");
    expect_refused("folder", ": it is a directory");
    expect_refused("socket", ": it is a socket, no regular file");
    expect_refused("/dev/zero", ": it is a device, no regular file");
    close(end);
}

Test(saving, a_file_of_ones_own_is_like_saving_a_model)
{
    char text[10] = "";
    struct stat about;
    make_file("text");
    cr_assert_eq(chmod("text", 0606), 0);
    cr_expect_eq(reel_write_file("text", "new text", 8), REEL_OK);
    FILE *file = fopen("text", "r");
    cr_expect_eq(fread(text, 1, sizeof text, file), 8);
    fclose(file);
    cr_expect_str_eq(text, "new text");
    cr_expect_eq(mode_of("text") & 07777, 0606);
    cr_expect_eq(reel_write_file("empty", NULL, 0), REEL_OK);
    cr_expect(stat("empty", &about) == 0 && about.st_size == 0);
    cr_expect_eq(reel_write_file(NULL, "x", 1), REEL_BAD_ARGUMENT);
    cr_expect_eq(reel_write_file("text", NULL, 1), REEL_BAD_ARGUMENT);
    cr_expect_eq(reel_write_file("text", "x", -1), REEL_BAD_ARGUMENT);
    cr_expect_eq(reel_write_file("none/text", "x", 1), REEL_BAD_FILE);
    cr_expect_eq(count_files(), 2);
}
