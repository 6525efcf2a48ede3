/* The team of a run: children of fork(), threads of the user's own around a run, a check that fails while a team is at
 * work, and how many threads a run takes on a machine that has more or fewer of them to give. What the environment says
 * of OpenMP is read when a program begins, so those tests execute this file again: with "--team" it is a program that
 * trains for a few runs and prints what came of it. */
#define _GNU_SOURCE /* affinity */
#include "core/run/executor.h"
#include "core/run/threads.h"

#include <criterion/criterion.h>

#include <dirent.h>
#include <limits.h>
#include <reel.h>
#include <reel/op.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(_OPENMP)
#include <omp.h>
#define TEAMS 1 /* are possible */
#else
#define TEAMS 0
static int omp_get_thread_num(void) { return 0; }
static int omp_get_num_procs(void) { return 1; }
static void omp_set_max_active_levels(int levels) { (void)levels; }
#endif

/* ---- A program whose every step is for a team --------------------------------------------------------------------- */

enum { BATCH = 24, WIDTH = 40, RUNS = 3 };

typedef struct trained {
    float loss, w[WIDTH * WIDTH];
} trained;

typedef struct training {
    reel_model *model;
    reel_tape *tape;
    reel_tensor *loss;
} training;

static training begin_training(int threads)
{
    training t = { .model = reel_model_new((reel_model_options){ .seed = 5 }) };
    t.tape = reel_tape_new(t.model, (reel_tape_options){ .threads = threads });
    reel_tensor *x = reel_input(t.tape, "x", REEL_F32, REEL_SHAPE(BATCH, WIDTH));
    reel_tensor *y = reel_tanh(reel_linear(reel_gelu(reel_linear(x, "first", WIDTH)), "second", WIDTH));
    t.loss = reel_keep(reel_mean(reel_square(reel_sub(y, x)), REEL_ALL, REEL_DROP), "loss");
    reel_adam(t.loss, (reel_adam_options){ .lr = 0.01 });
    float data[BATCH * WIDTH];
    for (int i = 0; i < BATCH * WIDTH; i++) data[i] = (float)(i % 17) / 17;
    reel_write_f32(x, data, BATCH * WIDTH);
    return t;
}

/* Even if another process has just disturbed one. */
static void with_a_team(reel_tape *tape)
{
    if (tape->executor) tape->executor->disturbance = (reel__disturbance){ 0 };
}

static trained train(training *t)
{
    trained result;
    memset(&result, 0, sizeof result);
    for (int i = 0; i < RUNS; i++) {
        with_a_team(t->tape);
        if (reel_run(t->tape) != REEL_OK) return result;
    }
    result.loss = (float)reel_item(t->loss);
    if (reel_model_read_f32(t->model, "first/w", result.w, WIDTH * WIDTH) != REEL_OK) result.loss = -1;
    return result;
}

static void end_training(training *t)
{
    reel_tape_free(t->tape);
    reel_model_free(t->model);
}

static trained train_anew(int threads)
{
    training t = begin_training(threads);
    trained result = train(&t);
    end_training(&t);
    return result;
}

static bool equal(const trained *a, const trained *b) { return memcmp(a, b, sizeof *a) == 0; }

static uint64_t digest(const trained *t)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < sizeof *t; i++) hash = (hash ^ ((const unsigned char *)t)[i]) * 0x100000001b3u;
    return hash;
}

static void share_everything(void) { setenv("REEL_FORCE", "thread_work=-1,block=8,tile=64", 1); }

/* Threads of this process; 0 where /proc does not say. */
static int tasks_now(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *d; tasks && (d = readdir(tasks)) != NULL;) count += d->d_name[0] != '.';
    if (tasks) closedir(tasks);
    return count;
}

/* ---- Children ------------------------------------------------------------------------------------------------------ */

enum { HUNG = -1, PATIENCE_SECONDS = 60 };

/* What the child exits with; one that hangs is ended. */
static int status_of(pid_t child)
{
    for (int tick = 0; tick < PATIENCE_SECONDS * 100; tick++) {
        int status;
        if (waitpid(child, &status, WNOHANG) == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
        nanosleep(&(struct timespec){ .tv_nsec = 10 * 1000 * 1000 }, NULL);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return HUNG;
}

/* In a child: old and new programs, with any number of threads, are as before. */
static int try_child(training *inherited, const trained *next, const trained *fresh)
{
    const trained more = train(inherited);
    if (!equal(&more, next)) return 2;
    for (int threads = 0; threads <= 3; threads++) {
        const trained again = train_anew(threads);
        if (!equal(&again, fresh)) return 3 + threads;
    }
    return tasks_now() > 1 ? 9 : 0;
}

Test(teams, a_child_of_a_process_with_a_team_runs_to_the_same_bits)
{
    share_everything();
    training t = begin_training(2), other = begin_training(1);
    const trained first = train(&t), alone = train(&other), second_alone = train(&other);
    cr_assert(first.loss > 0 && equal(&first, &alone));
    pid_t child = fork();
    if (!child) {
        int status = try_child(&t, &second_alone, &first);
        pid_t grandchild = status ? 0 : fork();
        if (!status && !grandchild) {
            const trained again = train_anew(2);
            _exit(equal(&again, &first) ? 0 : 20);
        }
        _exit(status ? status : status_of(grandchild));
    }
    cr_expect_eq(status_of(child), 0);
    const trained second = train(&t);
    cr_expect(equal(&second, &second_alone), "the parent's team goes on");
    end_training(&t);
    end_training(&other);
}

Test(teams, a_child_of_a_process_whose_threads_are_the_users_runs_to_the_same_bits)
{
    share_everything();
    training t = begin_training(1), other = begin_training(1);
    const trained first = train(&t), same = train(&other), second = train(&other);
    cr_assert(equal(&first, &same));
    int seen = 0;
#pragma omp parallel num_threads(2) reduction(+ : seen)
    seen += 1;
    cr_assert_geq(seen, 1);
    pid_t child = fork();
    if (!child) _exit(try_child(&t, &second, &first));
    cr_expect_eq(status_of(child), 0);
    end_training(&t);
    end_training(&other);
}

Test(teams, a_child_of_a_process_that_had_no_threads_has_a_team)
{
    share_everything();
    const int before = tasks_now();
    pid_t child = fork();
    if (!child) {
        const trained with = train_anew(2);
        const int tasks = tasks_now();
        const trained alone = train_anew(1);
        _exit(!equal(&with, &alone) ? 1 : tasks);
    }
    cr_expect_eq(status_of(child), before == 1 ? TEAMS + 1 : 1, "%d threads before", before);
}

Test(teams, a_child_forked_inside_a_parallel_region_runs_to_the_same_bits)
{
    share_everything();
    training t = begin_training(2), other = begin_training(1);
    const trained first = train(&t), same = train(&other), second = train(&other);
    cr_assert(equal(&first, &same));
    pid_t child = -1;
#pragma omp parallel num_threads(2)
    {
#pragma omp single
        {
            child = fork();
            if (!child) _exit(try_child(&t, &second, &first));
        }
    }
    cr_expect_eq(status_of(child), 0);
    end_training(&t);
    end_training(&other);
}

/* ---- Inside the user's parallel region ----------------------------------------------------------------------------- */

enum { REGION = 3 };

Test(teams, a_run_inside_a_parallel_region_stays_on_its_thread)
{
    share_everything();
    const trained right = train_anew(1);
    trained result[REGION];
    int before = 0, after = 0, prepared_for = 0;
    memset(result, 0, sizeof result);
    omp_set_max_active_levels(4); /* nested teams would be made */
#pragma omp parallel num_threads(REGION)
    {
#pragma omp barrier
#pragma omp single
        before = tasks_now();
        result[omp_get_thread_num()] = train_anew(2);
#pragma omp barrier
#pragma omp single
        after = tasks_now(), prepared_for = reel__threads_for(0);
    }
    cr_expect_eq(prepared_for, 1, "no room is taken for %d threads", prepared_for);
    cr_expect_eq(after, before, "%d threads have become %d", before, after);
    for (int i = 0; i < REGION; i++) cr_expect(equal(&result[i], &right) || result[i].loss == 0, "%d", i);
    cr_expect(equal(&result[0], &right));
}

/* A program may be prepared outside of a region and run inside of it, and the other way round. */
Test(teams, a_program_may_go_into_a_parallel_region_and_out_of_it)
{
    share_everything();
    training alone = begin_training(1), inside = begin_training(2), outside = begin_training(2);
    const trained first = train(&alone), second = train(&alone);
    trained a = { 0 }, b = { 0 };
    a = train(&outside);
    cr_expect(equal(&a, &first));
#pragma omp parallel num_threads(2)
    {
#pragma omp single
        {
            a = train(&outside);
            b = train(&inside);
        }
    }
    cr_expect(equal(&a, &second));
    cr_expect(equal(&b, &first));
    b = train(&inside);
    cr_expect(equal(&b, &second));
    end_training(&alone);
    end_training(&inside);
    end_training(&outside);
}

/* ---- A check that fails while a team is at work --------------------------------------------------------------------- */

static bool refusing;
static int passed;

static bool checked_shape(reel_tensor *y)
{
    const reel_tensor *x = reel_input_at(y, 0);
    return reel_set_shape(y, REEL_F32, reel_rank(x), reel_sizes(x));
}
static void checked_run(const reel_call *call)
{
    memcpy(call->y, call->x[0], (size_t)reel_count(call->node) * sizeof(float));
}
static void passed_run(const reel_call *call) { checked_run(call), passed++; }
static bool refuse_if_told(const reel_call *call, char *text, size_t size)
{
    (void)call;
    if (refusing) snprintf(text, size, "told so");
    return !refusing;
}
static reel_tensor *checked_vjp(reel_tensor *y, reel_tensor *gy, int input) { return (void)y, (void)input, gy; }

static const reel_op checked_op = { .size = sizeof checked_op,
                                    .name = "checked",
                                    .shape = checked_shape,
                                    .run = checked_run,
                                    .vjp = checked_vjp,
                                    .check = refuse_if_told };
static const reel_op passed_op = {
    .size = sizeof passed_op, .name = "passed", .shape = checked_shape, .run = passed_run, .vjp = checked_vjp
};

/* Shared steps before the check and after it, an update in place among them. */
static training begin_checked(int threads)
{
    training t = { .model = reel_model_new((reel_model_options){ .seed = 6 }) };
    t.tape = reel_tape_new(t.model, (reel_tape_options){ .threads = threads, .keep_everything = !threads });
    reel_tensor *x = reel_input(t.tape, "x", REEL_F32, REEL_SHAPE(BATCH, WIDTH));
    reel_tensor *h = reel_tanh(reel_linear(x, "first", WIDTH));
    h = reel_record(&checked_op, &h, 1, NULL, 0);
    h = reel_record(&passed_op, &h, 1, NULL, 0);
    h = reel_sigmoid(reel_linear(h, "second", WIDTH));
    h = reel_record(&passed_op, &h, 1, NULL, 0);
    t.loss = reel_keep(reel_mean(reel_square(reel_sub(h, x)), REEL_ALL, REEL_DROP), "loss");
    reel_sgd(t.loss, (reel_sgd_options){ .lr = 0.5, .momentum = 0.5 });
    float data[BATCH * WIDTH];
    for (int i = 0; i < BATCH * WIDTH; i++) data[i] = (float)(i % 13) / 13;
    reel_write_f32(x, data, BATCH * WIDTH);
    return t;
}

typedef struct contents {
    float at[4 * (WIDTH + 1) * WIDTH];
} contents;

/* All parameters and states. */
static contents contents_of(const training *t)
{
    contents c;
    memset(&c, 0, sizeof c);
    float *at = c.at;
    cr_assert_eq(reel_model_count(t->model), 8);
    for (int64_t i = 0; i < reel_model_count(t->model); i++) {
        const char *name = reel_model_name(t->model, i);
        const reel_shape shape = reel_model_shape(t->model, name);
        const int64_t count = shape.size[0] * (shape.rank > 1 ? shape.size[1] : 1);
        cr_assert_eq(reel_model_read_f32(t->model, name, at, count), REEL_OK, "%s", reel_model_error(t->model));
        at += count;
    }
    return c;
}

Test(teams, stop_all_at_a_check_that_fails_and_assign_nothing)
{
    static const int threads[] = { 1, 2, 3, 8 };
    share_everything();
    refusing = false;
    training plain = begin_checked(0);
    static trained right[2];
    right[0] = train(&plain), right[1] = train(&plain);
    cr_assert(right[0].loss > 0);
    for (int i = 0; i < 4; i++) {
        training t = begin_checked(threads[i]);
        refusing = false;
        trained now = train(&t);
        cr_expect(equal(&now, &right[0]), "%d threads", threads[i]);
        const contents before = contents_of(&t);
        refusing = true, passed = 0;
        for (int k = 0; k < 20; k++) {
            with_a_team(t.tape);
            cr_expect_eq(reel_run(t.tape), REEL_BAD_INDEX);
        }
        cr_expect(reel_tape_error(t.tape) && strncmp(reel_tape_error(t.tape), "checked: told so", 16) == 0);
        const contents after = contents_of(&t);
        cr_expect(memcmp(&before, &after, sizeof before) == 0, "%d threads: something was assigned", threads[i]);
        cr_expect_eq(reel_model_runs(t.model), RUNS);
        cr_expect_eq(passed, 0);
        refusing = false;
        now = train(&t);
        cr_expect(equal(&now, &right[1]), "%d threads", threads[i]);
        end_training(&t);
    }
    end_training(&plain);
}

/* ---- How many threads ---------------------------------------------------------------------------------------------- */

/* The program of "--team THREADS": prints the digest and how many threads it had. */
static int team_program(int threads)
{
    share_everything();
    const trained result = train_anew(threads);
    printf("%016llx %d\n", (unsigned long long)digest(&result), tasks_now());
    return result.loss > 0 ? 0 : 1;
}

typedef struct reported {
    unsigned long long digest;
    int tasks, status;
} reported;

/* One variable of the environment, or NULL, and the number of cores that it may use, or 0. */
static reported execute(const char *variable, const char *value, int threads, int most_cores)
{
    int ends[2];
    char number[16];
    reported r = { .status = 256 };
    snprintf(number, sizeof number, "%d", threads);
    if (pipe(ends) != 0) return r;
    pid_t child = fork();
    if (!child) {
        unsetenv("BXFI_MAP"); /* by which Criterion would know one of its own workers */
        if (variable) setenv(variable, value, 1);
        cpu_set_t allowed, fewer;
        CPU_ZERO(&fewer);
        if (most_cores && sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
            for (int i = 0; i < CPU_SETSIZE; i++)
                if (CPU_ISSET(i, &allowed) && CPU_COUNT(&fewer) < most_cores) CPU_SET(i, &fewer);
            sched_setaffinity(0, sizeof fewer, &fewer);
        }
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]), close(ends[1]);
        if (!freopen("/dev/null", "w", stderr)) _exit(126); /* OpenMP's remarks on what it cannot read */
        execl("/proc/self/exe", "test_teams", "--team", number, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    r.status = status_of(child);
    char text[100] = "";
    ssize_t n = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    if (n <= 0 || sscanf(text, "%llx %d", &r.digest, &r.tasks) != 2) r.status = 256;
    return r;
}

Test(teams, the_threads_of_a_run_are_at_most_the_cores_unless_a_number_is_given, .timeout = 300)
{
    const reported right = execute(NULL, NULL, 1, 0);
    const int cores = omp_get_num_procs();
    cr_assert_eq(right.status, 0);
    cr_assert_eq(right.tasks, 1);
    const struct {
        const char *variable, *value;
        int threads, cores, least, most;
    } rows[] = {
        { NULL, NULL, 0, 0, 1, cores },
        { "OMP_NUM_THREADS", "3000", 0, 0, 1, cores },
        { "OMP_NUM_THREADS", "5000", 0, 0, 1, cores },
        { "OMP_NUM_THREADS", "0", 0, 0, 1, cores },
#if !defined(__clang__) /* LLVM's runtime ends or halts programs that have one of these and a parallel region */
        { "OMP_NUM_THREADS", "-3", 0, 0, 1, cores },
        { "OMP_NUM_THREADS", "99999999999", 0, 0, 1, cores },
        { "OMP_NUM_THREADS", "many", 0, 0, 1, cores },
#endif
        { "OMP_NUM_THREADS", "1", 0, 0, 1, 1 },
        { "OMP_NUM_THREADS", "3000", 0, 1, 1, 1 },
        { "OMP_NUM_THREADS", "1", 4, 0, TEAMS ? 4 : 1, 4 },
        { "OMP_NUM_THREADS", "3000", 4, 1, TEAMS ? 4 : 1, 4 },
        { "OMP_THREAD_LIMIT", "1", 0, 0, 1, 1 },
        { "OMP_THREAD_LIMIT", "1", 4, 0, 1, 1 },
        { "OMP_THREAD_LIMIT", "3", 8, 0, 1, 3 },
        { "OMP_DYNAMIC", "true", 8, 0, 1, 8 },
        { "OMP_DYNAMIC", "true", 0, 0, 1, cores },
        { "OMP_MAX_ACTIVE_LEVELS", "0", 4, 0, 1, 1 },
        { "OMP_PROC_BIND", "true", 0, 0, 1, cores },
        { "OMP_WAIT_POLICY", "active", 0, 0, 1, cores },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const reported r = execute(rows[i].variable, rows[i].value, rows[i].threads, rows[i].cores);
        const char *name = rows[i].variable ? rows[i].variable : "nothing";
        cr_expect_eq(r.status, 0, "%s=%s: %d", name, rows[i].value, r.status);
        cr_expect_eq(r.digest, right.digest, "%s=%s", name, rows[i].value);
        cr_expect(r.tasks >= rows[i].least && r.tasks <= rows[i].most, "%s=%s, .threads = %d: %d threads", name,
                  rows[i].value, rows[i].threads, r.tasks);
    }
}

/* ---- Control groups ------------------------------------------------------------------------------------------------ */

static char folder[64];

static void put_file(const char *path, const char *text)
{
    char full[400];
    snprintf(full, sizeof full, "%s%s", folder, path);
    for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(full, 0777);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    cr_assert(file != NULL, "%s", full);
    fputs(text, file);
    fclose(file);
}

static void remove_folder(const char *path)
{
    DIR *directory = opendir(path);
    for (struct dirent *d; directory && (d = readdir(directory)) != NULL;) {
        char inner[1000];
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) continue;
        snprintf(inner, sizeof inner, "%s/%s", path, d->d_name);
        if (unlink(inner) != 0) remove_folder(inner);
    }
    if (directory) closedir(directory);
    rmdir(path);
}

typedef struct group_case {
    int cores;
    const char *cgroup;
    const char *files[5][2];
} group_case;

static const group_case group_cases[] = {
    { INT_MAX, NULL, { { NULL } } },
    { INT_MAX, "0::/\n", { { NULL } } },
    { INT_MAX, "", { { NULL } } },
    { INT_MAX, "no colons\n:\n::\n", { { NULL } } },
    { INT_MAX, "0::/a\n", { { "/a/cpu.max", "max 100000\n" } } },
    { 2, "0::/a\n", { { "/a/cpu.max", "200000 100000\n" } } },
    { 2, "0::/a\n", { { "/a/cpu.max", "100001 100000\n" } } },
    { 1, "0::/a\n", { { "/a/cpu.max", "100000 100000\n" } } },
    { 1, "0::/a\n", { { "/a/cpu.max", "1000 100000\n" } } },
    { 64, "0::/a", { { "/a/cpu.max", "6400000 100000" } } },
    { INT_MAX, "0::/a\n", { { "/a/cpu.max", "200000" } } },
    { INT_MAX, "0::/a\n", { { "/a/cpu.max", "200000 0\n" } } },
    { INT_MAX, "0::/a\n", { { "/a/cpu.max", "-1 100000\n" } } },
    { INT_MAX, "0::/a\n", { { "/a/cpu.max", "" } } },
    { INT_MAX, "0::/a\n", { { "/a/cpu.max", "9223372036854775807 1\n" } } },
    /* the group above limits those below */
    { 3, "0::/a/b/c\n", { { "/a/b/c/cpu.max", "max 100000\n" }, { "/a/cpu.max", "300000 100000\n" } } },
    { 1, "0::/a/b\n", { { "/a/b/cpu.max", "300000 100000\n" }, { "/a/cpu.max", "50000 100000\n" } } },
    /* in a container the mount begins at the group */
    { 4, "0::/docker/0123\n", { { "/cpu.max", "400000 100000\n" } } },
    { 4, "0::/../../a\n", { { "/cpu.max", "400000 100000\n" } } },
    /* version 1 */
    { INT_MAX,
      "4:cpu,cpuacct:/a\n",
      { { "/cpu/a/cpu.cfs_quota_us", "-1\n" }, { "/cpu/a/cpu.cfs_period_us", "100000\n" } } },
    { 3,
      "4:cpu,cpuacct:/a\n0::/\n",
      { { "/cpu/a/cpu.cfs_quota_us", "250000\n" }, { "/cpu/a/cpu.cfs_period_us", "100000\n" } } },
    { 3,
      "4:cpuacct,cpu:/a\n",
      { { "/cpu/a/cpu.cfs_quota_us", "250000\n" }, { "/cpu/a/cpu.cfs_period_us", "100000\n" } } },
    { INT_MAX,
      "3:cpuset:/a\n2:cpuacct:/a\n",
      { { "/cpu/a/cpu.cfs_quota_us", "250000\n" }, { "/cpu/a/cpu.cfs_period_us", "100000\n" } } },
    { INT_MAX, "4:cpu:/a\n", { { "/cpu/a/cpu.cfs_quota_us", "250000\n" } } },
    { 2,
      "4:cpu:/docker/0123\n",
      { { "/cpu/cpu.cfs_quota_us", "200000\n" }, { "/cpu/cpu.cfs_period_us", "100000\n" } } },
};

Test(teams, the_limits_of_control_groups_are_found)
{
    for (size_t i = 0; i < sizeof group_cases / sizeof *group_cases; i++) {
        const group_case *c = &group_cases[i];
        snprintf(folder, sizeof folder, "/tmp/reel-groups-XXXXXX");
        cr_assert(mkdtemp(folder) != NULL);
        if (c->cgroup) put_file("/proc/self/cgroup", c->cgroup);
        for (int k = 0; k < 5 && c->files[k][0]; k++) {
            char path[200];
            snprintf(path, sizeof path, "/sys/fs/cgroup%s", c->files[k][0]);
            put_file(path, c->files[k][1]);
        }
        cr_expect_eq(reel__group_cores(folder), c->cores, "row %d: %d", (int)i, reel__group_cores(folder));
        remove_folder(folder);
    }
    cr_expect_geq(reel__group_cores(""), 1);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--team") == 0) return team_program(atoi(argv[2]));
    struct criterion_test_set *tests = criterion_initialize();
    int status = 0;
    if (criterion_handle_args(argc, argv, true)) status = !criterion_run_all_tests(tests);
    criterion_finalize(tests);
    return status;
}
