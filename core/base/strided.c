/* Copying between strided arrays. */
#include "core/base/strided.h"

#include <reel.h>

void reel__contiguous(int rank, const int64_t *size, int64_t *stride)
{
    int64_t s = 1;
    for (int d = rank; d-- > 0; s *= size[d]) stride[d] = s;
}

/* A loop nest over `size`, the last axis innermost, on elements of 4 or 8 bytes. */
void reel__copy_strided(void *to, const int64_t *y_stride, const void *from, const int64_t *x_stride, size_t element,
                        int rank, const int64_t *size)
{
    char *y = to;
    const char *x = from;
    int64_t at[REEL_MAX_RANK] = { 0 };
    for (int d = 0; d < rank; d++)
        if (size[d] == 0) return;
    const int64_t n = rank ? size[rank - 1] : 1, ys = rank ? y_stride[rank - 1] : 0, xs = rank ? x_stride[rank - 1] : 0;
    for (;;) {
        if (element == 4)
            for (int64_t i = 0; i < n; i++)
                ((uint32_t *)(void *)y)[i * ys] = ((const uint32_t *)(const void *)x)[i * xs];
        else
            for (int64_t i = 0; i < n; i++)
                ((uint64_t *)(void *)y)[i * ys] = ((const uint64_t *)(const void *)x)[i * xs];
        int d = rank - 2;
        for (; d >= 0; d--) {
            y += y_stride[d] * (int64_t)element, x += x_stride[d] * (int64_t)element;
            if (++at[d] < size[d]) break;
            y -= size[d] * y_stride[d] * (int64_t)element, x -= size[d] * x_stride[d] * (int64_t)element;
            at[d] = 0;
        }
        if (d < 0) return;
    }
}
