/* The kernels of the ops with indices. */
#ifndef REEL_OPS_INDICES_H
#define REEL_OPS_INDICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct reel__index_kernels {
    /* Where the first of n indices that is not within 0 … end − 1 stands; n: all are. */
    int64_t (*first_outside)(const int32_t *x, int64_t n, int64_t end);

    /* y [outer, count, row] from x [outer, n, row], rows in bytes: row i of y is row indices[i] of x. */
    void (*take)(void *y, const void *x, const int32_t *indices, int64_t outer, int64_t n, int64_t count, size_t row);

    /* value [size + 1 + count]: where the list of each destination begins, the end of the last, and then the lists, of
     * the positions in ascending order at which the index is the destination. */
    void (*bucket)(int32_t *value, const int32_t *indices, int64_t count, int64_t size);
} reel__index_kernels;

extern const reel__index_kernels reel__indices_baseline, reel__indices_avx2, reel__indices_avx512;

#endif
