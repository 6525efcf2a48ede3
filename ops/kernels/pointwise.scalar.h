/* What the expressions of pointwise.table.h are made of, for one element. Vectors of f32 have theirs in link.kernel.c. */
#ifndef REEL_OPS_POINTWISE_SCALAR_H
#define REEL_OPS_POINTWISE_SCALAR_H

#include "core/base/elementary.h"
#include "ops/kernels/per_type.h"
#include "ops/kernels/pointwise.h"

/* Marks a loop: no element of y depends on another's operands, even where y is one of them. */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

/* A row kernel, and its loop: `operands` declares the elements at i of the arrays xs, in which the expression is. */
#define ROW(name, ...) ROW_OF(name, __VA_ARGS__)
#define ROW_OF(name, count, Result, First, Other, operands, expression)                                                \
    static void name##_loop(void *y, const void *const *xs, int64_t n)                                                 \
    {                                                                                                                  \
        INDEPENDENT for (int64_t i = 0; i < n; i++)                                                                    \
        {                                                                                                              \
            operands;                                                                                                  \
            ((Result *)y)[i] = (Result)(expression);                                                                   \
        }                                                                                                              \
    }                                                                                                                  \
    static void name(const reel__tile *t)                                                                              \
    {                                                                                                                  \
        reel__by_loop(t, name##_loop, count, sizeof(Result), sizeof(First), sizeof(Other));                            \
    }

/* Which function MATH(f) is, and whether a type has the rows that are for FLOATS. */
#define MATH_f32(f) reel__##f##_f32 /* of core/base/elementary.h, or below */
#define MATH_f64(f) f               /* the C library's, or below */
#define MATH_i32(f) f##_i32
#define FLOATS_f32(...) __VA_ARGS__
#define FLOATS_f64(...) __VA_ARGS__
#define FLOATS_i32(...)

static inline float reel__floor_f32(float x) { return floorf(x); }
static inline float reel__sqrt_f32(float x) { return sqrtf(x); }
static inline float reel__fabs_f32(float x) { return reel__f32_abs(x); }
static inline int32_t fabs_i32(int32_t x) { return x < 0 ? 0 - x : x; }

/* By the rule of least.h, whose reasons hold here as well. */
static inline float reel__minimum_f32(float a, float b)
{
    return reel__f32_from(reel__f32_bits(a < b ? a : b) | reel__f32_bits(b < a ? b : a));
}
static inline float reel__maximum_f32(float a, float b) { return -reel__minimum_f32(-a, -b); }
static inline double minimum(double a, double b)
{
    return reel__f64_from(reel__f64_bits(a < b ? a : b) | reel__f64_bits(b < a ? b : a));
}
static inline double maximum(double a, double b) { return -minimum(-a, -b); }
static inline int32_t minimum_i32(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t maximum_i32(int32_t a, int32_t b) { return a > b ? a : b; }

#endif
