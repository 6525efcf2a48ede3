/* The team of a run: how many threads, how they meet, and when it is better to be alone. */
#ifndef REEL_CORE_RUN_THREADS_H
#define REEL_CORE_RUN_THREADS_H

#include <stdbool.h>
#include <stdint.h>

/* Where a team meets. All threads wait until the last has come: spinning for a moment, then giving the core away. */
typedef struct reel__meeting {
    int size;
    int arrived;    /* atomic */
    uint32_t round; /* atomic */
    int64_t lost;   /* atomic: nanoseconds of waits so long that somebody else must have had a core */
} reel__meeting;

/* A wait of more than `patience` seconds is counted as lost. */
void reel__meet(reel__meeting *meeting, double patience);

/* Threads that a program is prepared for: `wanted`, or with 0 what OpenMP would take, at most as many as the process has
 * cores; then one inside somebody else's parallel region. */
int reel__threads_for(int wanted);

/* Whether a run may have a team now: not inside somebody else's parallel region, whose threads have the cores, and not in
 * a child that was forked while there were several threads, where OpenMP may wait for those that it had. */
bool reel__may_team(void);

/* Cores that the control groups of the process leave it, INT_MAX without a limit. Files are looked for below `root`, which
 * is "" but for tests. */
int reel__group_cores(const char *root);

/* Runs work(context, thread, threads) on a team of up to `threads`; how many came is passed to each. */
void reel__run_team(int threads, void (*work)(void *context, int thread, int threads), void *context);

double reel__now(void); /* seconds of a steady clock */

#endif
