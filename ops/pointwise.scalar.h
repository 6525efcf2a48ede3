/* What the kernels of the pointwise ops do to one element, beyond elementary.h; and how a loop over elements is marked. */
#ifndef REEL_OPS_POINTWISE_SCALAR_H
#define REEL_OPS_POINTWISE_SCALAR_H

#include "core/base/elementary.h"
#include "ops/pointwise.h"

/* No element of y depends on another's operands, even where y is one of them. */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

#define FLOAT_HELPERS(T, suffix, abs_)                                                                                 \
    static inline T minimum_##suffix(T a, T b)                                                                         \
    {                                                                                                                  \
        return a < b ? a : b < a ? b : a == b ? (signbit(a) ? a : b) : a + b;                                          \
    }                                                                                                                  \
    static inline T maximum_##suffix(T a, T b) { return a > b ? a : b > a ? b : a == b ? (signbit(a) ? b : a) : a + b; }
FLOAT_HELPERS(float, f32, fabsf)
FLOAT_HELPERS(double, f64, fabs)

/* f → i32 truncates, saturates, and makes 0 of NaN. */
static inline int32_t to_i32_f32(float x)
{
    float inside = x >= 2147483648.0f || x < -2147483648.0f || x != x ? 0 : x;
    return x >= 2147483648.0f ? INT32_MAX : x < -2147483648.0f ? INT32_MIN : (int32_t)inside;
}

#endif
