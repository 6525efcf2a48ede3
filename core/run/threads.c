/* Threads, by OpenMP where the library is built with it. Nothing else in the library knows of it. */
#include "core/run/threads.h"

#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <time.h>
#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__SSE2__)
#include <immintrin.h>
#define PAUSE() _mm_pause()
#else
#define PAUSE() (void)0
#endif

enum { SPINS = 2000 };

void reel__meet(reel__meeting *meeting, double patience)
{
    uint32_t round = __atomic_load_n(&meeting->round, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&meeting->arrived, 1, __ATOMIC_ACQ_REL) == meeting->size) {
        __atomic_store_n(&meeting->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&meeting->round, round + 1, __ATOMIC_RELEASE);
        return;
    }
    double since = 0;
    for (int spins = 0; __atomic_load_n(&meeting->round, __ATOMIC_ACQUIRE) == round; spins++) {
        if (spins < SPINS) {
            PAUSE();
            continue;
        }
        if (spins == SPINS) since = reel__now();
        sched_yield();
    }
    double waited = since > 0 ? reel__now() - since : 0;
    if (waited > patience) __atomic_add_fetch(&meeting->lost, (int64_t)(waited * 1e9), __ATOMIC_RELAXED);
}

#if defined(_OPENMP)

/* ---- Children of fork() -------------------------------------------------------------------------------------------- */

/* Of a process's threads a child has only the one that forked. libgomp does not know that and waits for its own for ever.
 * Whose threads there were cannot be asked, so any are reason enough; /proc counts them in its links. */
static bool had_team, several, orphaned; /* atomic */

static void before_fork(void)
{
    struct stat tasks;
    bool many = __atomic_load_n(&had_team, __ATOMIC_RELAXED);
    if (!many) many = stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 3; /* ".", "..", and one for each */
    __atomic_store_n(&several, many, __ATOMIC_RELAXED);
}

static void after_fork(void)
{
    if (__atomic_load_n(&several, __ATOMIC_RELAXED)) __atomic_store_n(&orphaned, true, __ATOMIC_RELAXED);
}

/* When the library is loaded: a process may have had a team of its own before it first calls anything here. */
__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(before_fork, NULL, after_fork); }

bool reel__may_team(void) { return !__atomic_load_n(&orphaned, __ATOMIC_RELAXED) && !omp_in_parallel(); }

/* ---- The team ------------------------------------------------------------------------------------------------------ */

/* The quota is looked up once; whoever comes at the same time finds the same. */
static int cores(void)
{
    static int quota; /* atomic; 0: not known yet */
    int group = __atomic_load_n(&quota, __ATOMIC_RELAXED), affinity = omp_get_num_procs();
    if (!group) {
        group = reel__group_cores("");
        __atomic_store_n(&quota, group, __ATOMIC_RELAXED);
    }
    return affinity < group ? affinity : group;
}

enum { MOST_THREADS = 1024 };

int reel__threads_for(int wanted)
{
    if (wanted > 0) return wanted;
    if (omp_in_parallel()) return 1;
    int threads = omp_get_max_threads();
    const int most[] = { MOST_THREADS, omp_get_thread_limit(), cores() };
    for (int i = 0; i < 3; i++)
        if (threads > most[i]) threads = most[i];
    return threads > 1 ? threads : 1;
}

#else

bool reel__may_team(void) { return false; }
int reel__threads_for(int wanted) { return (void)wanted, 1; }

#endif

void reel__run_team(int threads, void (*work)(void *context, int thread, int threads), void *context)
{
#if defined(_OPENMP)
    if (threads > 1) {
        __atomic_store_n(&had_team, true, __ATOMIC_RELAXED);
#pragma omp parallel num_threads(threads)
        work(context, omp_get_thread_num(), omp_get_num_threads());
        return;
    }
#else
    (void)threads;
#endif
    work(context, 0, 1);
}

double reel__now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
