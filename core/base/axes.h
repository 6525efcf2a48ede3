/* The axes of an array in memory. Two neighbouring axes over which one index could run are merged: an array is contiguous
 * if that leaves one axis of stride 1, or none. */
#ifndef REEL_CORE_BASE_AXES_H
#define REEL_CORE_BASE_AXES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct reel__axis {
    int64_t size, stride; /* in elements, of any sign */
} reel__axis;

/* Whether an axis of stride outer_stride and the axis inside it, of this size and stride, step as one. */
static inline bool reel__steps_as_one(int64_t outer_stride, int64_t size, int64_t stride)
{
    return outer_stride == size * stride;
}

/* Axes of size 1 are left out and neighbours merged, outermost first. Returns how many are left; `to` may be `from`. */
int reel__merge_axes(int count, const reel__axis *from, reel__axis *to);

bool reel__is_contiguous(int count, const reel__axis *axes);

#endif
