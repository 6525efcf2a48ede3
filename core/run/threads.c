/* Threads, by OpenMP where the library is built with it. Nothing else in the library knows of it. */
#include "core/run/threads.h"

#include <sched.h>
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

int reel__threads_for(int wanted)
{
#if defined(_OPENMP)
    if (wanted > 0) return wanted;
    return omp_in_parallel() ? 1 : omp_get_max_threads();
#else
    (void)wanted;
    return 1;
#endif
}

void reel__run_team(int threads, void (*work)(void *context, int thread, int threads), void *context)
{
#if defined(_OPENMP)
    if (threads > 1) {
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
