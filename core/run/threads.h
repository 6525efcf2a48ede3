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

/* Threads that a run may use: `wanted`, or with 0 what OpenMP would; one inside somebody else's parallel region. */
int reel__threads_for(int wanted);

/* Runs work(context, thread, threads) on a team of up to `threads`; how many came is passed to each. */
void reel__run_team(int threads, void (*work)(void *context, int thread, int threads), void *context);

double reel__now(void); /* seconds of a steady clock */

#endif
