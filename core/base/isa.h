/* Instruction sets. A kernel family is one C source, compiled once per set with -DREEL_ISA_<SET>; this header gives
 * it the set's suffix for its symbols, K(name), and the fused multiply-add. Which sets the machine has is found in isa.c. */
#ifndef REEL_CORE_BASE_ISA_H
#define REEL_CORE_BASE_ISA_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__FAST_MATH__)
#error "Reel promises bits; it cannot be compiled with -ffast-math"
#endif
#if !defined(FLT_EVAL_METHOD) || FLT_EVAL_METHOD != 0
#error "Reel needs floating-point expressions evaluated in their own type; on 32-bit x86: -msse2 -mfpmath=sse"
#endif

enum { REEL__BASELINE, REEL__AVX2, REEL__AVX512, REEL__ISAS };

/* K(name): the name of this set's copy of a function or table. VECTOR_F32: floats in one vector register. */
#if defined(REEL_ISA_AVX512)
#define K(name) name##_avx512
#define REEL__ISA REEL__AVX512
#define VECTOR_F32 16
#elif defined(REEL_ISA_AVX2)
#define K(name) name##_avx2
#define REEL__ISA REEL__AVX2
#define VECTOR_F32 8
#else
#define K(name) name##_baseline
#define REEL__ISA REEL__BASELINE
#define REEL__IS_BASELINE 1
#define VECTOR_F32 4
#endif

/* The tables of a family, one for each set that this build has: what initializes an array of REEL__ISAS pointers. AVX-512
 * is never built without AVX2. */
#if defined(REEL_HAVE_AVX512)
#define REEL__EACH_SET(name) &name##_baseline, &name##_avx2, &name##_avx512
#elif defined(REEL_HAVE_AVX2)
#define REEL__EACH_SET(name) &name##_baseline, &name##_avx2
#else
#define REEL__EACH_SET(name) &name##_baseline
#endif

/* a b + c with one rounding. Sets without the instruction go through doubles: the product of two floats is exact
 * there, the sum is rounded to odd (an inexact sum whose last bit is even moves one step towards what was lost), and
 * a sum rounded to odd with two bits to spare rounds to float as the exact one does (Boldo and Melquiond, 2008).
 * Infinities and NaN fall through, since their error term is NaN and compares false. */
static inline float reel__fma_f32(float a, float b, float c)
{
#if defined(__FMA__) || defined(__aarch64__)
    return __builtin_fmaf(a, b, c);
#else
    double p = (double)a * (double)b, q = (double)c;
    double s = p + q;
    double t = s - p;
    double error = (p - (s - t)) + (q - t);
    int64_t bits;
    memcpy(&bits, &s, sizeof bits);
    int64_t inexact = (error > 0) | (error < 0);
    int64_t away = (error > 0) == (s > 0) ? 1 : -1;
    bits += (inexact & ~bits & 1) * away;
    memcpy(&s, &bits, sizeof s);
    return (float)s;
#endif
}

/* The same in double. Without the instruction it is libm's, which is exact and slow. */
static inline double reel__fma_f64(double a, double b, double c)
{
#if defined(__FMA__) || defined(__aarch64__)
    return __builtin_fma(a, b, c);
#else
    return fma(a, b, c);
#endif
}

#endif
