/* Checking indices, rows by indices, and which sources each destination has. */
#include "ops/kernels/indices.h"

#include "core/base/isa.h"

enum { SCAN = 1024, SHORT = 64 };

/* x < 0 or last − x < 0, which wraps around only where x < 0. */
static int64_t first_outside(const int32_t *x, int64_t n, int64_t end)
{
    const int32_t last = end > INT32_MAX ? INT32_MAX : (int32_t)end - 1;
    for (int64_t i = 0; i < n; i += SCAN) {
        const int64_t m = n - i < SCAN ? n - i : SCAN;
        int32_t signs = 0;
        for (int64_t k = 0; k < m; k++) signs |= x[i + k] | (last - x[i + k]);
        for (int64_t k = i; signs < 0; k++)
            if ((x[k] | (last - x[k])) < 0) return k;
    }
    return n;
}

typedef uint32_t word_4 __attribute__((may_alias));

/* A row of 4-byte elements that is shorter than a call is worth. */
static inline void copy_short(char *y, const char *x, size_t row)
{
    for (; row >= 16; row -= 16, y += 16, x += 16) memcpy(y, x, 16);
    if (row & 8) memcpy(y, x, 8), y += 8, x += 8;
    if (row & 4) memcpy(y, x, 4);
}

static void take_elements(word_4 *y, const word_4 *x, const int32_t *at, int64_t count)
{
    for (; count >= 4; count -= 4, y += 4, at += 4) {
        const word_4 a = x[at[0]], b = x[at[1]], c = x[at[2]], d = x[at[3]];
        y[0] = a, y[1] = b, y[2] = c, y[3] = d;
    }
    for (; count > 0; count--) *y++ = x[*at++];
}

static void take(void *ys, const void *xs, const int32_t *indices, int64_t outer, int64_t n, int64_t count, size_t row)
{
    char *y = ys;
    const char *x = xs;
    for (int64_t o = 0; o < outer; o++, x += n * (int64_t)row, y += count * (int64_t)row) {
        if (row == 4) take_elements((void *)y, (const void *)x, indices, count);
        else if (row < SHORT)
            for (int64_t i = 0; i < count; i++) copy_short(y + i * (int64_t)row, x + indices[i] * (int64_t)row, row);
        else
            for (int64_t i = 0; i < count; i++) memcpy(y + i * (int64_t)row, x + indices[i] * (int64_t)row, row);
    }
}

/* A counting sort without other memory: next[k] is counted, becomes where list k begins, and at last where it ends, which
 * is where the one after begins. Equal neighbours are taken together, since each would wait for the one before. */
static void bucket(int32_t *value, const int32_t *indices, int64_t count, int64_t size)
{
    int32_t *next = value + 1, *list = value + 1 + size, begin = 0;
    memset(value, 0, (size_t)(size + 1) * sizeof *value);
    for (int64_t i = 0, j; i < count; i = j) {
        for (j = i + 1; j < count && indices[j] == indices[i];) j++;
        next[indices[i]] += (int32_t)(j - i);
    }
    for (int64_t k = 0; k < size; k++) {
        const int32_t here = next[k];
        next[k] = begin;
        begin += here;
    }
    for (int64_t i = 0; i < count;) {
        const int32_t k = indices[i];
        int32_t at = next[k];
        do list[at++] = (int32_t)i++;
        while (i < count && indices[i] == k);
        next[k] = at;
    }
}

const reel__index_kernels K(reel__indices) = { first_outside, take, bucket };
