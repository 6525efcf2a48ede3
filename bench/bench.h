/* What the benchmarks share. */
#ifndef REEL_BENCH_H
#define REEL_BENCH_H

double bench_now(void);    /* microseconds */
float bench_uniform(void); /* a fixed stream of numbers in [0, 1) */

/* `bench ops`: these ops, or all where there are none. What the process is to exit with. */
int bench_ops(int threads, double seconds, int count, char *const *names);

#endif
