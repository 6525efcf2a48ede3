/* The f32 elementary functions: exp, log, expm1, log1p, sin, cos, tanh, erf, pow. One polynomial
 * for all instruction sets and only correctly rounded operations, so that the bits are the same
 * everywhere; straight-line code with selects, so that gcc and clang vectorise a loop over it
 * (the exception, large arguments of sin and cos, says so). Special values are C99 Annex F's;
 * subnormals are kept. tests/elementary_ulp.c measures each against libm in double and prints
 * digests that compare builds; the maxima quoted here are `elementary_ulp all`'s, over all 2^32
 * arguments.
 *
 * Needs -ffp-contract=off and round to nearest; gcc vectorises with -fno-math-errno
 * -fno-trapping-math. Coefficients are Sollya's fpminimax(f, monomials, formats, interval, fixed
 * part, relative or absolute), SG being f32, D f64. */
#ifndef REEL_CORE_BASE_ELEMENTARY_H
#define REEL_CORE_BASE_ELEMENTARY_H

#include "core/base/isa.h"

#include <stdint.h>
#include <string.h>

/* The emulated multiply-add makes these too long for a compiler to inline by itself, and a loop
 * with a call is not vectorised. */
#if defined(__GNUC__)
#define REEL__INLINE static inline __attribute__((always_inline))
#else
#define REEL__INLINE static inline
#endif

REEL__INLINE uint32_t reel__f32_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

REEL__INLINE float reel__f32_from(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

REEL__INLINE uint64_t reel__f64_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

REEL__INLINE double reel__f64_from(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

REEL__INLINE float reel__f32_abs(float x) { return reel__f32_from(reel__f32_bits(x) & 0x7fffffffu); }

#define REEL__INF_F32 reel__f32_from(0x7f800000u)
#define REEL__NAN_F32 reel__f32_from(0x7fc00000u)

/* v + REEL__ROUND_F32 is v rounded to an integer k, for |v| < 2^22, and the low bits of the sum
 * are k modulo 2^22: shifted left by 23 they are k as a change of exponent. The same in f64, for
 * 2^51 and 52. */
#define REEL__ROUND_F32 0x1.8p23f
#define REEL__ROUND_F64 0x1.8p52

/* x = k ln 2 + r, |r| <= ln(2)/2 and a little; returns r, and k + REEL__ROUND_F32 in *shifted.
 * ln 2 is the nearest float and the float nearest to the rest; k has 8 bits, so the first step
 * is exact wherever it cancels. */
REEL__INLINE float reel__exp_reduce_f32(float x, float *shifted)
{
    *shifted = reel__fma_f32(x, 0x1.715476p0f, REEL__ROUND_F32);
    float k = *shifted - REEL__ROUND_F32;
    float r = reel__fma_f32(k, -0x1.62e43p-1f, x);
    return reel__fma_f32(k, 0x1.05c61p-29f, r);
}

/* e^r for a reduced r, relative error 3.2e-9 before rounding:
 * fpminimax(exp(x), [|2,3,4,5,6|], [|SG...|], [-0.3468;0.3468], 1+x, relative). */
REEL__INLINE float reel__exp_reduced_f32(float r)
{
    float p = 0x1.6a624cp-10f;
    p = reel__fma_f32(p, r, 0x1.123abcp-7f);
    p = reel__fma_f32(p, r, 0x1.55589ep-5f);
    p = reel__fma_f32(p, r, 0x1.55549p-3f);
    p = reel__fma_f32(p, r, 0x1.fffffcp-2f);
    p = reel__fma_f32(p, r, 1.0f);
    return reel__fma_f32(p, r, 1.0f);
}

/* e^x = 2^k e^r, at most 0.90 ulp. k is in -150 .. 128, so 2^k is applied in two steps,
 * floor(k/2) and the rest: the first product is exact, and a subnormal result is rounded by the
 * second alone. Beyond the clamps the result is 0 or inf. */
REEL__INLINE float reel__exp_f32(float x)
{
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    float shifted;
    float p = reel__exp_reduced_f32(reel__exp_reduce_f32(x, &shifted));
    uint32_t half = (reel__f32_bits(shifted) << 22) & 0xff800000u;
    uint32_t rest = (reel__f32_bits(shifted) << 23) - half;
    return p * reel__f32_from(half + 0x3f800000u) * reel__f32_from(rest + 0x3f800000u);
}

/* e^x - 1, at most 1.24 ulp. With x = k ln 2 + r and e^r - 1 = r + r^2 q, it is
 * (2^k r + (2^k - 1)) + 2^k r^2 q: the bracket is r itself for k = 0 and rounds once otherwise,
 * 2^k - 1 being exact where it matters. All is computed at half scale, so that k = 128 does not
 * overflow early; below 2^-25, where x is the result, this would lose the last bit of a
 * subnormal and the sign of zero.
 * q: fpminimax(expm1(x), [|2,3,4,5,6,7|], [|SG...|], [-0.3468;0.3468], x, relative), error
 * 4.8e-10. */
REEL__INLINE float reel__expm1_f32(float x)
{
    float c = x > 89.0f ? 89.0f : x;
    c = c < -25.0f ? -25.0f : c;
    float shifted;
    float r = reel__exp_reduce_f32(c, &shifted);
    float q = 0x1.9e0c6p-13f;
    q = reel__fma_f32(q, r, 0x1.6d437cp-10f);
    q = reel__fma_f32(q, r, 0x1.111306p-7f);
    q = reel__fma_f32(q, r, 0x1.5554fp-5f);
    q = reel__fma_f32(q, r, 0x1.555554p-3f);
    q = reel__fma_f32(q, r, 0.5f);
    float scale = reel__f32_from((reel__f32_bits(shifted) << 23) + 0x3f000000u);
    float y = reel__fma_f32(scale, r, scale - 0.5f);
    y = reel__fma_f32(r * r * scale, q, y);
    return reel__f32_abs(x) < 0x1p-25f ? x : y + y;
}

/* log x = k ln 2 + log(1 + m), with x = 2^k (1 + m) and 1 + m in [2/3, 4/3); at most 0.94 ulp.
 * e is k at the exponent's bits, so k ln 2 = e (2^-23 ln 2); a subnormal is scaled by 2^23
 * first. log(1 + m) = m + m^2 q:
 * fpminimax(log1p(x), [|3,4,5,6,7,8,9,10|], [|SG...|], [-0.3334;0.3334], x-x^2/2, relative),
 * error 4.7e-9. */
REEL__INLINE float reel__log_f32(float x)
{
    int subnormal = x < 0x1p-126f;
    uint32_t bits = reel__f32_bits(subnormal ? x * 0x1p23f : x);
    uint32_t e = (bits - 0x3f2aaaabu) & 0xff800000u;
    float m = reel__f32_from(bits - e) - 1.0f;
    float k = (float)(int32_t)e;
    k = subnormal ? k - 23 * 0x1p23f : k;
    float q = -0x1.080f4ep-3f;
    q = reel__fma_f32(q, m, 0x1.1e77d6p-3f);
    q = reel__fma_f32(q, m, -0x1.f30d5ep-4f);
    q = reel__fma_f32(q, m, 0x1.1ed37ep-3f);
    q = reel__fma_f32(q, m, -0x1.559de8p-3f);
    q = reel__fma_f32(q, m, 0x1.99d064p-3f);
    q = reel__fma_f32(q, m, -0x1.fffefp-3f);
    q = reel__fma_f32(q, m, 0x1.555506p-2f);
    q = reel__fma_f32(q, m, -0.5f);
    float y = reel__fma_f32(m * m, q, m);
    y = reel__fma_f32(k, 0x1.62e43p-24f, y);
    y = x < REEL__INF_F32 ? y : x + x;
    return x > 0.0f ? y : x == 0.0f ? -REEL__INF_F32 : REEL__NAN_F32;
}

/* log(1 + x) = k ln 2 + log(1 + m), k being log's for the rounded sum 1 + x but with 1 + m in
 * [3/4, 3/2), so that m is x for -1/4 <= x < 1/2; at most 1.27 ulp. m = 2^-k x + (2^-k - 1)
 * is x's own, not the sum's, and rounds once. 2^-k goes through 4 2^-k, which is normal for
 * k = 128 too.
 * q: fpminimax(log1p(x), [|3,4,5,6,7,8,9,10|], [|SG...|], [-0.2501;0.5001], x-x^2/2, relative),
 * error 5.0e-9. */
REEL__INLINE float reel__log1p_f32(float x)
{
    uint32_t bits = reel__f32_bits(x);
    uint32_t e = (reel__f32_bits(1.0f + x) - 0x3f400000u) & 0xff800000u;
    float scale = reel__f32_from(0x40800000u - e);
    float m = reel__f32_from(bits - e) + reel__fma_f32(0.25f, scale, -1.0f);
    float k = (float)(int32_t)e;
    float q = -0x1.713ed6p-5f;
    q = reel__fma_f32(q, m, 0x1.aca4d4p-4f);
    q = reel__fma_f32(q, m, -0x1.0d95dap-3f);
    q = reel__fma_f32(q, m, 0x1.288714p-3f);
    q = reel__fma_f32(q, m, -0x1.54efp-3f);
    q = reel__fma_f32(q, m, 0x1.99696p-3f);
    q = reel__fma_f32(q, m, -0x1.000042p-2f);
    q = reel__fma_f32(q, m, 0x1.5555a4p-2f);
    q = reel__fma_f32(q, m, -0.5f);
    float y = reel__fma_f32(m * m, q, m);
    y = reel__fma_f32(k, 0x1.62e43p-24f, y);
    y = reel__f32_from(reel__f32_bits(y) | (bits & 0x80000000u)); /* for -0 */
    y = x < REEL__INF_F32 ? y : x + x;
    return x > -1.0f ? y : x == -1.0f ? -REEL__INF_F32 : REEL__NAN_F32;
}

/* tanh x, at most 1.37 ulp. Below 0.625 x + x^3 q(x^2),
 * fpminimax(tanh(x), [|3,5,7,9,11|], [|SG...|], [1b-20;0.626], x, relative), error 4.6e-9;
 * above 1 - 2/(1 + e^2x), whose errors shrink with the quotient (0.45 at most) next to 1. From
 * 9.02 on it is 1. */
REEL__INLINE float reel__tanh_f32(float x)
{
    uint32_t sign = reel__f32_bits(x) & 0x80000000u;
    float ax = reel__f32_abs(x);
    float c = ax > 10.0f ? 10.0f : ax;
    float s = c * c;
    float q = -0x1.75438ap-8f;
    q = reel__fma_f32(q, s, 0x1.52034ep-6f);
    q = reel__fma_f32(q, s, -0x1.b836e8p-5f);
    q = reel__fma_f32(q, s, 0x1.1106fcp-3f);
    q = reel__fma_f32(q, s, -0x1.555532p-2f);
    float small = reel__fma_f32(q * s, c, c);
    float shifted;
    float p = reel__exp_reduced_f32(reel__exp_reduce_f32(c + c, &shifted));
    float scale = reel__f32_from((reel__f32_bits(shifted) << 23) + 0x3f800000u);
    float large = 1.0f - 2.0f / reel__fma_f32(p, scale, 1.0f);
    float y = ax < 0.625f ? small : large;
    return reel__f32_from(reel__f32_bits(y) | sign);
}

/* erf x, at most 1.36 ulp. Below 1.0625 x + x p(x^2),
 * fpminimax(erf(x)-x, [|1,3,5,7,9,11,13|], [|SG...|], [1b-20;1.0625], 0, absolute), relative
 * error 1.5e-8;
 * above 1 - q(x - 2.5), the subtraction exact, entire enough to need no exponential:
 * fpminimax(1-erf(x+2.5), [|0,...,12|], [|SG...|], [-1.4375;1.43], absolute), error 2.9e-8. From
 * 3.92 on it is 1. */
REEL__INLINE float reel__erf_f32(float x)
{
    uint32_t sign = reel__f32_bits(x) & 0x80000000u;
    float ax = reel__f32_abs(x);
    float c = ax > 3.925f ? 3.925f : ax;
    float s = c * c;
    float p = 0x1.300ac8p-14f;
    p = reel__fma_f32(p, s, -0x1.99dbc6p-11f);
    p = reel__fma_f32(p, s, 0x1.527bbap-8f);
    p = reel__fma_f32(p, s, -0x1.b7bfecp-6f);
    p = reel__fma_f32(p, s, 0x1.ce28fcp-4f);
    p = reel__fma_f32(p, s, -0x1.81272p-2f);
    p = reel__fma_f32(p, s, 0x1.06eba6p-3f);
    float small = reel__fma_f32(p, c, c);
    float t = c - 2.5f;
    float q = 0x1.33afep-17f;
    q = reel__fma_f32(q, t, -0x1.60695cp-16f);
    q = reel__fma_f32(q, t, -0x1.04aea4p-14f);
    q = reel__fma_f32(q, t, 0x1.2443fp-12f);
    q = reel__fma_f32(q, t, -0x1.2bd28ap-12f);
    q = reel__fma_f32(q, t, -0x1.2ae052p-11f);
    q = reel__fma_f32(q, t, 0x1.714f2cp-9f);
    q = reel__fma_f32(q, t, -0x1.8fff7p-8f);
    q = reel__fma_f32(q, t, 0x1.1a50a2p-7f);
    q = reel__fma_f32(q, t, -0x1.11b76cp-7f);
    q = reel__fma_f32(q, t, 0x1.64f3p-8f);
    q = reel__fma_f32(q, t, -0x1.1d7c72p-9f);
    q = reel__fma_f32(q, t, 0x1.aab324p-12f);
    q = ax > 3.92f ? 0.0f : q; /* where the polynomial ends, erf rounds to 1 */
    float y = ax < 1.0625f ? small : 1.0f - q;
    return reel__f32_from(reel__f32_bits(y) | sign);
}

/* sin and cos, at most 1.23 ulp. x = k pi/2 + (r - tail), |r| <= pi/4 and a little;
 * the quadrant, k for sin and k + 1 for cos, chooses one of +-sin, +-cos of r - tail. tail is
 * what rounding r lost: it is subtracted with r^3 p in sin, left out of cos, where it weighs
 * 0.35 ulp at most, and +0 for k = 0, which keeps sin(-0) = -0.
 * p: fpminimax(sin(x), [|3,5,7|], [|SG...|], [1b-20;0.796], x, relative), error 4.3e-9;
 * q: fpminimax(cos(x), [|4,6,8|], [|SG...|], [1b-20;0.796], 1-x^2/2, relative), error 1.5e-10. */
REEL__INLINE float reel__trig_reduced_f32(float r, float tail, uint32_t quadrant)
{
    float s = r * r;
    float p = 0x1.9918bcp-13f;
    p = reel__fma_f32(p, s, -0x1.1106cp-7f);
    p = reel__fma_f32(p, s, 0x1.555544p-3f);
    float sine = r - reel__fma_f32(p, r * s, tail);
    float q = 0x1.99da98p-16f;
    q = reel__fma_f32(q, s, -0x1.6c0c0cp-10f);
    q = reel__fma_f32(q, s, 0x1.55554ap-5f);
    q = reel__fma_f32(q, s, -0.5f);
    float cosine = reel__fma_f32(q, s, 1.0f);
    float y = (quadrant & 1) ? cosine : sine;
    return reel__f32_from(reel__f32_bits(y) ^ ((quadrant & 2) << 30));
}

/* Where the fast reduction holds: |k| < 2^17. */
#define REEL__TRIG_SMALL 0x1p17f

/* pi/2 = c1 + c2 + c3, three floats, the first two rounded down so that all are positive.
 * a = x - k c1 is exact: x itself for k = 0, else a multiple of 2^-24 below 1. The product
 * k c2 = p + error is split by a fused multiply-add. r = a - p rounds, and p - (a - r) is what
 * is to be subtracted still, exactly (Dekker's fast sum; it needs a to be a multiple of p's last
 * place, and p is below 2^-6). */
REEL__INLINE float reel__trig_small_f32(float x, uint32_t ahead)
{
    float shifted = reel__fma_f32(x, 0x1.45f306p-1f, REEL__ROUND_F32);
    float k = shifted - REEL__ROUND_F32;
    float a = reel__fma_f32(k, -0x1.921fb4p0f, x);
    float p = k * 0x1.4442dp-24f;
    float error = reel__fma_f32(k, 0x1.4442dp-24f, -p);
    float r = a - p;
    float tail = reel__fma_f32(k, 0x1.84698ap-48f, error) + (p - (a - r));
    return reel__trig_reduced_f32(r, tail, reel__f32_bits(shifted) + ahead);
}

/* Payne and Hanek's reduction, in integers, for |x| > 2^-9. x = m 2^j; of 2^j/(2 pi) only the 96
 * bits after the point matter, since m times what stands before it is whole turns. Their product
 * with m modulo 1 is the turn, in 64 bits with an error of 2 in the last; no float comes nearer
 * to a multiple of a quarter turn than 2^-32, so 30 bits of r hold. The table is 1/(2 pi) in
 * words of 32 bits, led by one of zeros. Not vectorised. */
static inline float reel__trig_large_f32(float x, uint32_t ahead)
{
    static const uint32_t turns[] = { 0x00000000, 0x28be60db, 0x9391054a, 0x7f09d5f4,
                                      0x7d4d3770, 0x36d8a566, 0x4f10e410, 0x7f9458ea };
    uint32_t bits = reel__f32_bits(x);
    uint32_t exponent = bits >> 23 & 0xff;
    if (exponent == 0xff) return x - x;
    uint64_t m = (bits & 0x7fffff) | 0x800000;
    uint32_t first = exponent - 118; /* the first bit: 32 + j, j = exponent - 150 */
    uint32_t word = first >> 5, shift = first & 31;
    uint64_t high = (uint64_t)turns[word] << 32 | turns[word + 1];
    uint64_t low = (uint64_t)turns[word + 2] << 32 | turns[word + 3];
    high = high << shift | low >> 1 >> (63 - shift);
    low = low << shift >> 32;
    uint64_t turn = m * high + (m * low >> 32);
    uint64_t k = (turn + (1ull << 61)) >> 62;
    double r = (double)(int64_t)(turn - (k << 62)) * 0x1.921fb54442d18p-62; /* 2 pi 2^-64 */
    uint32_t quadrant = (uint32_t)k;
    r = x < 0.0f ? -r : r;
    quadrant = x < 0.0f ? -quadrant : quadrant;
    float rounded = (float)r;
    return reel__trig_reduced_f32(rounded, (float)((double)rounded - r), quadrant + ahead);
}

/* For |x| <= REEL__TRIG_SMALL the bits of reel__sin_f32 and reel__cos_f32; a row runs these and
 * then does its larger elements and infinities again. */
REEL__INLINE float reel__sin_small_f32(float x) { return reel__trig_small_f32(x, 0); }

REEL__INLINE float reel__cos_small_f32(float x) { return reel__trig_small_f32(x, 1); }

REEL__INLINE float reel__sin_f32(float x)
{
    return reel__f32_abs(x) <= REEL__TRIG_SMALL ? reel__trig_small_f32(x, 0) : reel__trig_large_f32(x, 0);
}

REEL__INLINE float reel__cos_f32(float x)
{
    return reel__f32_abs(x) <= REEL__TRIG_SMALL ? reel__trig_small_f32(x, 1) : reel__trig_large_f32(x, 1);
}

/* x^y = 2^(y log2 |x|), in doubles without fused operations, at most 0.51 ulp on the grid of
 * `elementary_ulp all`. |x| = 2^k m, m in [sqrt(1/2), sqrt 2), and with s = (m - 1)/(m + 1),
 * log2 m = 2 atanh(s)/ln 2 = s p(s^2):
 * fpminimax(log2((1+x)/(1-x)), [|1,3,5,7,9,11|], [|D...|], [1b-30;0.17158], relative), error
 * 2.7e-14.
 * 2^r for |r| <= 1/2: fpminimax(2^x, [|1,...,7|], [|D...|], [-0.5001;0.5001], 1, relative),
 * error 4.7e-11. The conversion to float is the only rounding of weight, and makes subnormals
 * and infinity. Then the special values where the formula is not C99's. */
REEL__INLINE float reel__pow_f32(float x, float y)
{
    float ax = reel__f32_abs(x);
    int subnormal = ax < 0x1p-126f;
    uint32_t bits = reel__f32_bits(subnormal ? ax * 0x1p23f : ax);
    uint32_t e = (bits - 0x3f3504f3u) & 0xff800000u;
    double m = (double)reel__f32_from(bits - e);
    double k = (double)(((int32_t)e >> 23) - (subnormal ? 23 : 0));
    double s = (m - 1.0) / (m + 1.0);
    double z = s * s;
    double p = 0x1.21b0d94fe5af2p-2;
    p = p * z + 0x1.4795573b8ca1cp-2;
    p = p * z + 0x1.a61a2ec4cf2a2p-2;
    p = p * z + 0x1.2776c2934237ap-1;
    p = p * z + 0x1.ec709dc53c683p-1;
    p = p * z + 0x1.71547652b8251p1;
    double w = (p * s + k) * (double)y;
    w = w > 200.0 ? 200.0 : w;
    w = w < -200.0 ? -200.0 : w;
    double shifted = w + REEL__ROUND_F64;
    double r = w - (shifted - REEL__ROUND_F64);
    double q = 0x1.fde5ccc612075p-17;
    q = q * r + 0x1.445ca6a665f65p-13;
    q = q * r + 0x1.5d8a8682b86e9p-10;
    q = q * r + 0x1.3b29f3757eec6p-7;
    q = q * r + 0x1.c6b08abf99521p-5;
    q = q * r + 0x1.ebfbe077adffap-3;
    q = q * r + 0x1.62e42ff0e213dp-1;
    q = q * r + 1.0;
    float v = (float)reel__f64_from(reel__f64_bits(q) + (reel__f64_bits(shifted) << 52));
    v = ax == 1.0f ? 1.0f : v; /* (-1)^inf */
    float end = (ax == 0.0f) == (y < 0.0f) ? REEL__INF_F32 : 0.0f;
    v = ((ax == 0.0f) | (ax == REEL__INF_F32)) ? end : v;

    /* A float of 2^24 or more is an even integer, so 0 stands for it; by mask, for a select of a
     * constant makes gcc 12 thread a jump through the loop. */
    float small_y = reel__f32_from(reel__f32_bits(y) & -(uint32_t)(reel__f32_abs(y) < 0x1p24f));
    int32_t integer = (int32_t)small_y;
    uint32_t whole = (float)integer == small_y;
    uint32_t odd = whole & (uint32_t)integer;
    v = reel__f32_from(reel__f32_bits(v) ^ (reel__f32_bits(x) & odd << 31));
    v = ((x < 0.0f) & !whole & (ax < REEL__INF_F32)) ? REEL__NAN_F32 : v;
    v = ((x != x) | (y != y)) ? REEL__NAN_F32 : v;
    return ((y == 0.0f) | (x == 1.0f)) ? 1.0f : v;
}

#endif
