/* What the kernels of the pointwise ops do to one element, beyond elementary.h; and how a loop over elements is marked. */
#ifndef REEL_OPS_POINTWISE_SCALAR_H
#define REEL_OPS_POINTWISE_SCALAR_H

#include "core/base/elementary.h"
#include "ops/kernels/pointwise.h"

/* No element of y depends on another's operands, even where y is one of them. */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

/* By the rule of least.h, whose reasons hold here as well. */
#define FLOAT_HELPERS(T, suffix, Bits)                                                                                 \
    static inline T both_##suffix(T a, T b)                                                                            \
    {                                                                                                                  \
        Bits i, j;                                                                                                     \
        memcpy(&i, &a, sizeof i);                                                                                      \
        memcpy(&j, &b, sizeof j);                                                                                      \
        i |= j;                                                                                                        \
        memcpy(&a, &i, sizeof a);                                                                                      \
        return a;                                                                                                      \
    }                                                                                                                  \
    static inline T minimum_##suffix(T a, T b) { return both_##suffix(a < b ? a : b, b < a ? b : a); }                 \
    static inline T maximum_##suffix(T a, T b) { return -minimum_##suffix(-a, -b); }
FLOAT_HELPERS(float, f32, uint32_t)
FLOAT_HELPERS(double, f64, uint64_t)

/* f → i32 truncates, saturates, and makes 0 of NaN. */
static inline int32_t to_i32_f32(float x)
{
    float inside = x >= 2147483648.0f || x < -2147483648.0f || x != x ? 0 : x;
    return x >= 2147483648.0f ? INT32_MAX : x < -2147483648.0f ? INT32_MIN : (int32_t)inside;
}

#endif
