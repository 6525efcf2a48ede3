/* Copying between strided arrays. */
#ifndef REEL_CORE_BASE_STRIDED_H
#define REEL_CORE_BASE_STRIDED_H

#include <stddef.h>
#include <stdint.h>

/* y[i, j, …] = x[i, j, …] for arrays of up to 8 axes, strides in elements of 4 or 8 bytes. */
void reel__copy_strided(void *y, const int64_t *y_stride, const void *x, const int64_t *x_stride, size_t element,
                        int rank, const int64_t *size);

/* The strides of a contiguous array. */
void reel__contiguous(int rank, const int64_t *size, int64_t *stride);

#endif
