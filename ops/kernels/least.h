/* The smaller of two in the vectors of an instruction set, by the rule of minimum: a NaN if either is one, and −0 < +0.
 * min(a, b) of the instruction set is b where the two are equal or one is NaN, so both orders together are right: equal
 * zeros differ in the sign alone, and a NaN with bits added stays one. The larger of two is −least(−a, −b). */
#ifndef REEL_OPS_LEAST_H
#define REEL_OPS_LEAST_H

#include "ops/kernels/vector.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

INLINE vector_f32 lesser_f32(vector_f32 a, vector_f32 b)
{
#if defined(REEL_ISA_AVX512)
    return (vector_f32)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(REEL_ISA_AVX2)
    return (vector_f32)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (vector_f32)_mm_min_ps((__m128)a, (__m128)b);
#else
    const vector_i32 less = a < b;
    return (vector_f32)(((vector_i32)a & less) | ((vector_i32)b & ~less));
#endif
}

INLINE vector_f32 least_f32(vector_f32 a, vector_f32 b)
{
    return (vector_f32)((vector_i32)lesser_f32(a, b) | (vector_i32)lesser_f32(b, a));
}

#if defined(REEL__IS_BASELINE)
INLINE vector_f64 lesser_f64(vector_f64 a, vector_f64 b)
{
#if defined(__SSE2__)
    return (vector_f64)_mm_min_pd((__m128d)a, (__m128d)b);
#else
    const vector_i64 less = a < b;
    return (vector_f64)(((vector_i64)a & less) | ((vector_i64)b & ~less));
#endif
}

INLINE vector_f64 least_f64(vector_f64 a, vector_f64 b)
{
    return (vector_f64)((vector_i64)lesser_f64(a, b) | (vector_i64)lesser_f64(b, a));
}

INLINE vector_i32 least_i32(vector_i32 a, vector_i32 b)
{
    const vector_i32 less = a < b;
    return (a & less) | (b & ~less);
}
#endif

#endif
