/* Vectors of an instruction set: for f32 and f64 a fused multiply-add, loads and stores of the first few lanes that touch
 * no byte beyond them, and transpositions. Everything else in the kernels is GNU vector C. */
#ifndef REEL_OPS_VECTOR_H
#define REEL_OPS_VECTOR_H

#include "core/base/isa.h"

#if defined(REEL_ISA_AVX512) || defined(REEL_ISA_AVX2)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
/* Inlined, it would share its caller's registers, and spill. */
#define APART static __attribute__((noinline))
/* A sanitizer checks every access, and clang takes minutes over the checks of an unrolled tile. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define UNROLL _Pragma("clang loop unroll(disable)")
#endif
#endif
/* Where a multiply-add is a dozen instructions, loops are short for what is in them. */
#if defined(UNROLL)
#elif defined(REEL__IS_BASELINE) && defined(__x86_64__) && defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(disable)")
#elif defined(REEL__IS_BASELINE) && defined(__x86_64__)
#define UNROLL _Pragma("GCC unroll 1")
#elif defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

enum { LANES_f32 = VECTOR_F32, LANES_f64 = VECTOR_F32 / 2, LANES_i32 = VECTOR_F32 };
typedef float vector_f32 __attribute__((vector_size(4 * VECTOR_F32)));
typedef double vector_f64 __attribute__((vector_size(4 * VECTOR_F32)));
typedef int32_t vector_i32 __attribute__((vector_size(4 * VECTOR_F32)));
typedef int64_t vector_i64 __attribute__((vector_size(4 * VECTOR_F32)));

/* Eight floats and four doubles: the unit of a transposition. */
typedef float group_f32 __attribute__((vector_size(32)));
typedef double group_f64 __attribute__((vector_size(32)));

#if defined(REEL_ISA_AVX512)

typedef __mmask16 mask_f32;
typedef __mmask8 mask_f64;

INLINE mask_f32 first_f32(int count) { return (mask_f32)((1u << count) - 1); }
INLINE mask_f64 first_f64(int count) { return (mask_f64)((1u << count) - 1); }
INLINE vector_f32 splat_f32(float x) { return (vector_f32)_mm512_set1_ps(x); }
INLINE vector_f64 splat_f64(double x) { return (vector_f64)_mm512_set1_pd(x); }
INLINE vector_f32 fma_f32(vector_f32 a, vector_f32 b, vector_f32 c)
{
    return (vector_f32)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
INLINE vector_f64 fma_f64(vector_f64 a, vector_f64 b, vector_f64 c)
{
    return (vector_f64)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
INLINE vector_f32 load_first_f32(const float *p, mask_f32 m) { return (vector_f32)_mm512_maskz_loadu_ps(m, p); }
INLINE vector_f64 load_first_f64(const double *p, mask_f64 m) { return (vector_f64)_mm512_maskz_loadu_pd(m, p); }
INLINE void store_first_f32(float *p, vector_f32 x, mask_f32 m) { _mm512_mask_storeu_ps(p, m, (__m512)x); }
INLINE void store_first_f64(double *p, vector_f64 x, mask_f64 m) { _mm512_mask_storeu_pd(p, m, (__m512d)x); }
INLINE void load_group_f32(group_f32 *x, const float *p, int count)
{
    *x = (group_f32)_mm256_maskz_loadu_ps((__mmask8)((1u << count) - 1), p);
}
INLINE void load_group_f64(group_f64 *x, const double *p, int count)
{
    *x = (group_f64)_mm256_maskz_loadu_pd((__mmask8)((1u << count) - 1), p);
}
INLINE void store_group_f32(float *p, const group_f32 *x, int count)
{
    _mm256_mask_storeu_ps(p, (__mmask8)((1u << count) - 1), (__m256)*x);
}
INLINE void store_group_f64(double *p, const group_f64 *x, int count)
{
    _mm256_mask_storeu_pd(p, (__mmask8)((1u << count) - 1), (__m256d)*x);
}

#elif defined(REEL_ISA_AVX2)

/* A masked store takes tens of cycles on some AVX2 machines; a store by halves takes two or
 * three. */
typedef struct {
    __m256i lanes;
    int count;
} mask_f32;
typedef mask_f32 mask_f64;

static const int32_t mask_table[16] = { -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0 };

INLINE mask_f32 first_f32(int count)
{
    return (mask_f32){ _mm256_loadu_si256((const __m256i *)(mask_table + 8 - count)), count };
}
INLINE mask_f64 first_f64(int count)
{
    return (mask_f64){ _mm256_loadu_si256((const __m256i *)(mask_table + 8 - 2 * count)), count };
}
INLINE vector_f32 splat_f32(float x) { return (vector_f32)_mm256_set1_ps(x); }
INLINE vector_f64 splat_f64(double x) { return (vector_f64)_mm256_set1_pd(x); }
INLINE vector_f32 fma_f32(vector_f32 a, vector_f32 b, vector_f32 c)
{
    return (vector_f32)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
INLINE vector_f64 fma_f64(vector_f64 a, vector_f64 b, vector_f64 c)
{
    return (vector_f64)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
INLINE vector_f32 load_first_f32(const float *p, mask_f32 m) { return (vector_f32)_mm256_maskload_ps(p, m.lanes); }
INLINE vector_f64 load_first_f64(const double *p, mask_f64 m) { return (vector_f64)_mm256_maskload_pd(p, m.lanes); }
INLINE void store_first_f32(float *p, vector_f32 x, mask_f32 m)
{
    __m256 v = (__m256)x;
    __m128 half = _mm256_castps256_ps128(v);
    if (m.count == 8) {
        _mm256_storeu_ps(p, v);
        return;
    }
    if (m.count & 4) {
        _mm_storeu_ps(p, half);
        half = _mm256_extractf128_ps(v, 1);
        p += 4;
    }
    if (m.count & 2) {
        _mm_storel_pi((__m64 *)(void *)p, half);
        half = _mm_movehl_ps(half, half);
        p += 2;
    }
    if (m.count & 1) _mm_store_ss(p, half);
}
INLINE void store_first_f64(double *p, vector_f64 x, mask_f64 m)
{
    __m256d v = (__m256d)x;
    __m128d half = _mm256_castpd256_pd128(v);
    if (m.count == 4) {
        _mm256_storeu_pd(p, v);
        return;
    }
    if (m.count & 2) {
        _mm_storeu_pd(p, half);
        half = _mm256_extractf128_pd(v, 1);
        p += 2;
    }
    if (m.count & 1) _mm_store_sd(p, half);
}

INLINE void load_group_f32(group_f32 *x, const float *p, int count) { *x = load_first_f32(p, first_f32(count)); }
INLINE void load_group_f64(group_f64 *x, const double *p, int count) { *x = load_first_f64(p, first_f64(count)); }
INLINE void store_group_f32(float *p, const group_f32 *x, int count)
{
    store_first_f32(p, *x, (mask_f32){ .count = count });
}
INLINE void store_group_f64(double *p, const group_f64 *x, int count)
{
    store_first_f64(p, *x, (mask_f64){ .count = count });
}

#else

typedef int mask_f32;
typedef int mask_f64;

INLINE mask_f32 first_f32(int count) { return count; }
INLINE mask_f64 first_f64(int count) { return count; }
INLINE vector_f32 splat_f32(float x) { return (vector_f32){ x, x, x, x }; }
INLINE vector_f64 splat_f64(double x) { return (vector_f64){ x, x }; }

#if !defined(__FMA__) && !defined(__aarch64__)
/* reel__fma_f32 on two lanes: see there for why it is exact. A comparison gives -1 or 0 in 64
 * bits. */
typedef float two_f32 __attribute__((vector_size(8)));
typedef double two_f64 __attribute__((vector_size(16)));
typedef int64_t two_i64 __attribute__((vector_size(16)));
INLINE two_f32 fma_two(two_f32 a, two_f32 b, two_f32 c)
{
    const two_f64 p = __builtin_convertvector(a, two_f64) * __builtin_convertvector(b, two_f64);
    const two_f64 q = __builtin_convertvector(c, two_f64);
    const two_f64 s = p + q;
    const two_f64 t = s - p;
    const two_f64 error = (p - (s - t)) + (q - t);
    const two_i64 up = error > 0, inexact = up | (error < 0), away = (up ^ (s > 0)) | 1;
    const two_i64 bits = (two_i64)s;
    return __builtin_convertvector((two_f64)(bits + (away & inexact & -(~bits & 1))), two_f32);
}
#endif

INLINE vector_f32 fma_f32(vector_f32 a, vector_f32 b, vector_f32 c)
{
#if defined(__FMA__) || defined(__aarch64__)
    for (int i = 0; i < LANES_f32; i++) c[i] = reel__fma_f32(a[i], b[i], c[i]);
    return c;
#else
    const two_f32 low = fma_two(__builtin_shufflevector(a, a, 0, 1), __builtin_shufflevector(b, b, 0, 1),
                                __builtin_shufflevector(c, c, 0, 1));
    const two_f32 high = fma_two(__builtin_shufflevector(a, a, 2, 3), __builtin_shufflevector(b, b, 2, 3),
                                 __builtin_shufflevector(c, c, 2, 3));
    return __builtin_shufflevector(low, high, 0, 1, 2, 3);
#endif
}
INLINE vector_f64 fma_f64(vector_f64 a, vector_f64 b, vector_f64 c)
{
    for (int i = 0; i < LANES_f64; i++) c[i] = reel__fma_f64(a[i], b[i], c[i]);
    return c;
}
INLINE vector_f32 load_first_f32(const float *p, mask_f32 m)
{
    vector_f32 x = { 0 };
    for (int i = 0; i < LANES_f32; i++)
        if (i < m) x[i] = p[i];
    return x;
}
INLINE vector_f64 load_first_f64(const double *p, mask_f64 m)
{
    vector_f64 x = { 0 };
    for (int i = 0; i < LANES_f64; i++)
        if (i < m) x[i] = p[i];
    return x;
}
INLINE void store_first_f32(float *p, vector_f32 x, mask_f32 m)
{
    for (int i = 0; i < LANES_f32; i++)
        if (i < m) p[i] = x[i];
}
INLINE void store_first_f64(double *p, vector_f64 x, mask_f64 m)
{
    for (int i = 0; i < LANES_f64; i++)
        if (i < m) p[i] = x[i];
}

INLINE void load_group_f32(group_f32 *x, const float *p, int count)
{
    for (int i = 0; i < count; i++) (*x)[i] = p[i];
}
INLINE void load_group_f64(group_f64 *x, const double *p, int count)
{
    for (int i = 0; i < count; i++) (*x)[i] = p[i];
}
INLINE void store_group_f32(float *p, const group_f32 *x, int count)
{
    for (int i = 0; i < count; i++) p[i] = (*x)[i];
}
INLINE void store_group_f64(double *p, const group_f64 *x, int count)
{
    for (int i = 0; i < count; i++) p[i] = (*x)[i];
}

#endif

/* A fused multiply-add of a group, and a group from two halves. */
#if defined(REEL_ISA_AVX512) || defined(REEL_ISA_AVX2)
INLINE void group_fma_f32(float a, const group_f32 *b, group_f32 *c)
{
    *c = (group_f32)_mm256_fmadd_ps(_mm256_set1_ps(a), (__m256)*b, (__m256)*c);
}
INLINE void group_fma_f64(double a, const group_f64 *b, group_f64 *c)
{
    *c = (group_f64)_mm256_fmadd_pd(_mm256_set1_pd(a), (__m256d)*b, (__m256d)*c);
}
INLINE void halves_f32(group_f32 *x, const float *low, const float *high)
{
    *x = (group_f32)_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
}
INLINE void halves_f64(group_f64 *x, const double *low, const double *high)
{
    *x = (group_f64)_mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(low)), _mm_loadu_pd(high), 1);
}
#else
INLINE void group_fma_f32(float a, const group_f32 *b, group_f32 *c)
{
    for (int i = 0; i < 8; i += LANES_f32) {
        vector_f32 x, y;
        memcpy(&x, (const float *)b + i, sizeof x);
        memcpy(&y, (const float *)c + i, sizeof y);
        y = fma_f32(splat_f32(a), x, y);
        memcpy((float *)c + i, &y, sizeof y);
    }
}
INLINE void group_fma_f64(double a, const group_f64 *b, group_f64 *c)
{
    for (int i = 0; i < 4; i++) (*c)[i] = reel__fma_f64(a, (*b)[i], (*c)[i]);
}
INLINE void halves_f32(group_f32 *x, const float *low, const float *high)
{
    memcpy(x, low, 16);
    memcpy((char *)x + 16, high, 16);
}
INLINE void halves_f64(group_f64 *x, const double *low, const double *high)
{
    memcpy(x, low, 16);
    memcpy((char *)x + 16, high, 16);
}
#endif

/* Columns of a block of eight rows of eight floats, or four rows of four doubles. The halves of
 * a row go to different vectors while loading, so that what is left stays within 128 bits, where
 * shuffles are cheap. */
INLINE void transpose_f32(const float *const row[8], int64_t at, group_f32 column[8])
{
    UNROLL
    for (int h = 0; h < 8; h += 4) {
        group_f32 r0, r1, r2, r3;
        halves_f32(&r0, row[0] + at + h, row[4] + at + h);
        halves_f32(&r1, row[1] + at + h, row[5] + at + h);
        halves_f32(&r2, row[2] + at + h, row[6] + at + h);
        halves_f32(&r3, row[3] + at + h, row[7] + at + h);
        const group_f32 s0 = __builtin_shufflevector(r0, r1, 0, 8, 1, 9, 4, 12, 5, 13);
        const group_f32 s1 = __builtin_shufflevector(r0, r1, 2, 10, 3, 11, 6, 14, 7, 15);
        const group_f32 s2 = __builtin_shufflevector(r2, r3, 0, 8, 1, 9, 4, 12, 5, 13);
        const group_f32 s3 = __builtin_shufflevector(r2, r3, 2, 10, 3, 11, 6, 14, 7, 15);
        column[h + 0] = __builtin_shufflevector(s0, s2, 0, 1, 8, 9, 4, 5, 12, 13);
        column[h + 1] = __builtin_shufflevector(s0, s2, 2, 3, 10, 11, 6, 7, 14, 15);
        column[h + 2] = __builtin_shufflevector(s1, s3, 0, 1, 8, 9, 4, 5, 12, 13);
        column[h + 3] = __builtin_shufflevector(s1, s3, 2, 3, 10, 11, 6, 7, 14, 15);
    }
}
INLINE void transpose_f64(const double *const row[4], int64_t at, group_f64 column[4])
{
    UNROLL
    for (int h = 0; h < 4; h += 2) {
        group_f64 r0, r1;
        halves_f64(&r0, row[0] + at + h, row[2] + at + h);
        halves_f64(&r1, row[1] + at + h, row[3] + at + h);
        column[h] = __builtin_shufflevector(r0, r1, 0, 4, 2, 6);
        column[h + 1] = __builtin_shufflevector(r0, r1, 1, 5, 3, 7);
    }
}

#endif
