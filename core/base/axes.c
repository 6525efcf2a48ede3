/* Merging the axes of an array. */
#include "core/base/axes.h"

#include <reel.h>

int reel__merge_axes(int count, const reel__axis *from, reel__axis *to)
{
    int n = 0;
    for (int i = 0; i < count; i++) {
        const reel__axis axis = from[i];
        if (axis.size == 1) continue;
        if (n && reel__steps_as_one(to[n - 1].stride, axis.size, axis.stride))
            to[n - 1] = (reel__axis){ to[n - 1].size * axis.size, axis.stride };
        else to[n++] = axis;
    }
    return n;
}

bool reel__is_contiguous(int count, const reel__axis *axes)
{
    reel__axis merged[REEL_MAX_RANK];
    const int n = reel__merge_axes(count, axes, merged);
    return n == 0 || (n == 1 && merged->stride == 1);
}
