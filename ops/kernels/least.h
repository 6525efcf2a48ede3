/* The smaller of two in the vectors of an instruction set, by the rule of minimum: a NaN if either is one, and −0 < +0.
 * min(a, b) of the instruction set is b where the two are equal or one is NaN, so both orders together are right: equal
 * zeros differ in the sign alone, and a NaN with bits added stays one. The larger of two is −least(−a, −b). */
#ifndef REEL_OPS_LEAST_H
#define REEL_OPS_LEAST_H

#include "ops/kernels/vector.h"

#if defined(REEL_ISA_AVX512)
INLINE vector_f32 least_f32(vector_f32 a, vector_f32 b)
{
    return (vector_f32)((vector_i32)_mm512_min_ps((__m512)a, (__m512)b) |
                        (vector_i32)_mm512_min_ps((__m512)b, (__m512)a));
}
INLINE vector_f64 least_f64(vector_f64 a, vector_f64 b)
{
    return (vector_f64)((vector_i64)_mm512_min_pd((__m512d)a, (__m512d)b) |
                        (vector_i64)_mm512_min_pd((__m512d)b, (__m512d)a));
}
INLINE vector_i32 least_i32(vector_i32 a, vector_i32 b) { return (vector_i32)_mm512_min_epi32((__m512i)a, (__m512i)b); }
#elif defined(REEL_ISA_AVX2)
INLINE vector_f32 least_f32(vector_f32 a, vector_f32 b)
{
    return (vector_f32)((vector_i32)_mm256_min_ps((__m256)a, (__m256)b) |
                        (vector_i32)_mm256_min_ps((__m256)b, (__m256)a));
}
INLINE vector_f64 least_f64(vector_f64 a, vector_f64 b)
{
    return (vector_f64)((vector_i64)_mm256_min_pd((__m256d)a, (__m256d)b) |
                        (vector_i64)_mm256_min_pd((__m256d)b, (__m256d)a));
}
INLINE vector_i32 least_i32(vector_i32 a, vector_i32 b) { return (vector_i32)_mm256_min_epi32((__m256i)a, (__m256i)b); }
#else
#if defined(__SSE2__)
#include <emmintrin.h>
INLINE vector_f32 least_f32(vector_f32 a, vector_f32 b)
{
    return (vector_f32)((vector_i32)_mm_min_ps((__m128)a, (__m128)b) | (vector_i32)_mm_min_ps((__m128)b, (__m128)a));
}
INLINE vector_f64 least_f64(vector_f64 a, vector_f64 b)
{
    return (vector_f64)((vector_i64)_mm_min_pd((__m128d)a, (__m128d)b) |
                        (vector_i64)_mm_min_pd((__m128d)b, (__m128d)a));
}
#else
INLINE vector_f32 least_f32(vector_f32 a, vector_f32 b)
{
    const vector_i32 i = (vector_i32)a, j = (vector_i32)b, less = a < b, more = b < a;
    return (vector_f32)(((i & less) | (j & ~less)) | ((j & more) | (i & ~more)));
}
INLINE vector_f64 least_f64(vector_f64 a, vector_f64 b)
{
    const vector_i64 i = (vector_i64)a, j = (vector_i64)b, less = a < b, more = b < a;
    return (vector_f64)(((i & less) | (j & ~less)) | ((j & more) | (i & ~more)));
}
#endif
INLINE vector_i32 least_i32(vector_i32 a, vector_i32 b)
{
    const vector_i32 less = a < b;
    return (a & less) | (b & ~less);
}
#endif

#endif
