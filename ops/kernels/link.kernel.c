/* The links of chains: f32 ops on eight vectors that stay in registers, from one op to the next. A link is called with
 * the result of the one before, reads its other operands, and calls the one after; the last returns. The values are those
 * of the row kernels (pointwise.kernel.c), bit for bit. Built once for each instruction set. */
#include "core/base/elementary.h"
#include "ops/kernels/least.h"
#include "ops/kernels/pointwise.scalar.h"

enum { LANES = VECTOR_F32, CHUNK = 8 * LANES };
typedef vector_f32 vec;
typedef vector_i32 ints;
typedef float loose __attribute__((vector_size(4 * VECTOR_F32), aligned(4), may_alias));

/* On a whole chunk, and on the first n lanes of one vector; `at` is where in its row, in bytes. */
typedef void full_code(const reel__link *link, int64_t at, vec a0, vec a1, vec a2, vec a3, vec a4, vec a5, vec a6,
                       vec a7);
typedef void part_code(const reel__link *link, int64_t at, int n, vec a0);

#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7)
#define FULL(name)                                                                                                     \
    static void name##_full(const reel__link *link, int64_t at, vec a0, vec a1, vec a2, vec a3, vec a4, vec a5,        \
                            vec a6, vec a7)
#define PART(name) static void name##_part(const reel__link *link, int64_t at, int n, vec a0)
#define NEXT_FULL ((full_code *)link[1].form.full)(link + 1, at, a0, a1, a2, a3, a4, a5, a6, a7)
#define NEXT_PART ((part_code *)link[1].form.part)(link + 1, at, n, a0)
#define FORM(name)                                                                                                     \
    {                                                                                                                  \
        (reel__link_code *)name##_full, (reel__link_code *)name##_part, NULL                                           \
    }

/* ---- Vectors ----------------------------------------------------------------------------------------------------- */

INLINE vec at_vector(const char *p, int64_t at, int i) { return *((const loose *)(p + at) + i); }
INLINE vec at_first(const char *p, int64_t at, int n) { return load_first_f32((const float *)(p + at), first_f32(n)); }
INLINE vec same(const char *p) { return splat_f32(*(const float *)p); }

/* A truth of each lane; a comparison's result is 1 or 0 as int32. */
#if defined(REEL_ISA_AVX512)
typedef __mmask16 truth;
#define COMPARED(a, b, how) _mm512_cmp_ps_mask((__m512)(a), (__m512)(b), how)
INLINE truth is_true(vec a) { return _mm512_test_epi32_mask((__m512i)a, (__m512i)a); }
INLINE vec choose(truth t, vec yes, vec no) { return (vec)_mm512_mask_blend_ps(t, (__m512)no, (__m512)yes); }
INLINE vec one_or_zero(truth t) { return (vec)_mm512_maskz_set1_epi32(t, 1); }
#elif defined(REEL_ISA_AVX2)
typedef __m256 truth;
#define COMPARED(a, b, how) _mm256_cmp_ps((__m256)(a), (__m256)(b), how)
INLINE truth is_true(vec a) { return (truth)((ints)a != 0); }
INLINE vec choose(truth t, vec yes, vec no) { return (vec)_mm256_blendv_ps((__m256)no, (__m256)yes, t); }
INLINE vec one_or_zero(truth t) { return (vec)((ints)t & 1); }
#else
typedef ints truth;
INLINE truth is_true(vec a) { return (ints)a != 0; }
INLINE vec choose(truth t, vec yes, vec no) { return (vec)(((ints)yes & t) | ((ints)no & ~t)); }
INLINE vec one_or_zero(truth t) { return (vec)(t & 1); }
#endif
#if defined(COMPARED)
INLINE truth is_less(vec a, vec b) { return COMPARED(a, b, _CMP_LT_OQ); }
INLINE truth is_most(vec a, vec b) { return COMPARED(a, b, _CMP_LE_OQ); }
INLINE truth is_equal(vec a, vec b) { return COMPARED(a, b, _CMP_EQ_OQ); }
INLINE truth is_other(vec a, vec b) { return COMPARED(a, b, _CMP_NEQ_UQ); }
#else
INLINE truth is_less(vec a, vec b) { return a < b; }
INLINE truth is_most(vec a, vec b) { return a <= b; }
INLINE truth is_equal(vec a, vec b) { return a == b; }
INLINE truth is_other(vec a, vec b) { return a != b; }
#endif

/* ---- Ends -------------------------------------------------------------------------------------------------------- */

#define LOAD_VECTOR(i) a##i = at_vector(link->x[0], at, i);
FULL(load)
{
    EACH(LOAD_VECTOR)
    NEXT_FULL;
}
PART(load)
{
    a0 = at_first(link->x[0], at, n);
    NEXT_PART;
}

#define SAME_VECTOR(i) a##i = a0;
FULL(load_one)
{
    a0 = same(link->x[0]);
    EACH(SAME_VECTOR)
    NEXT_FULL;
}
PART(load_one)
{
    a0 = same(link->x[0]);
    NEXT_PART;
}

#define STORE_VECTOR(i) *((loose *)(link->x[0] + at) + i) = a##i;
FULL(store)
{
    EACH(STORE_VECTOR)
    NEXT_FULL;
}
PART(store)
{
    store_first_f32((float *)(void *)(link->x[0] + at), a0, first_f32(n));
    NEXT_PART;
}

FULL(end) { (void)link, (void)at, (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7; }
PART(end) { (void)link, (void)at, (void)n, (void)a0; }

/* ---- Ops in a vector's own instructions ---------------------------------------------------------------------------- */

#define LINK1(name, f)                                                                                                 \
    FULL(name)                                                                                                         \
    {                                                                                                                  \
        a0 = f(a0), a1 = f(a1), a2 = f(a2), a3 = f(a3), a4 = f(a4), a5 = f(a5), a6 = f(a6), a7 = f(a7);                \
        NEXT_FULL;                                                                                                     \
    }                                                                                                                  \
    PART(name)                                                                                                         \
    {                                                                                                                  \
        a0 = f(a0);                                                                                                    \
        NEXT_PART;                                                                                                     \
    }
#define NEGATIVE(a) -(a)
#define MAGNITUDE(a) choose(is_most(a, (vec){ 0 }), 0 - (a), a)
LINK1(neg, NEGATIVE)
LINK1(abs, MAGNITUDE)

/* The instruction makes the least number of what does not fit, which is right for what is too small. */
#if defined(REEL_ISA_AVX512)
#define TRUNCATED(a) ((vec)_mm512_cvttps_epi32((__m512)(a)))
#elif defined(REEL_ISA_AVX2)
#define TRUNCATED(a) ((vec)_mm256_cvttps_epi32((__m256)(a)))
#elif defined(__SSE2__)
#define TRUNCATED(a) ((vec)_mm_cvttps_epi32((__m128)(a)))
#endif
#if defined(TRUNCATED)
INLINE vec whole(vec a)
{
    const vec high = choose(is_most(splat_f32(2147483648.0f), a), (vec)((ints){ 0 } + INT32_MAX), TRUNCATED(a));
    return choose(is_equal(a, a), high, (vec){ 0 });
}
LINK1(to_i32, whole)
#define TO_I32 FORM(to_i32)
#else
#define TO_I32 ARRAY_FORM(unary, to_i32)
#endif

/* With an operand from memory, b, a vector for each or the same for all: a is what comes from the link before. */
#define LINK2(name, f)                                                                                                 \
    FULL(name##_each)                                                                                                  \
    {                                                                                                                  \
        a0 = f(a0, at_vector(link->x[0], at, 0)), a1 = f(a1, at_vector(link->x[0], at, 1));                            \
        a2 = f(a2, at_vector(link->x[0], at, 2)), a3 = f(a3, at_vector(link->x[0], at, 3));                            \
        a4 = f(a4, at_vector(link->x[0], at, 4)), a5 = f(a5, at_vector(link->x[0], at, 5));                            \
        a6 = f(a6, at_vector(link->x[0], at, 6)), a7 = f(a7, at_vector(link->x[0], at, 7));                            \
        NEXT_FULL;                                                                                                     \
    }                                                                                                                  \
    PART(name##_each)                                                                                                  \
    {                                                                                                                  \
        a0 = f(a0, at_first(link->x[0], at, n));                                                                       \
        NEXT_PART;                                                                                                     \
    }                                                                                                                  \
    FULL(name##_one)                                                                                                   \
    {                                                                                                                  \
        const vec b = same(link->x[0]);                                                                                \
        a0 = f(a0, b), a1 = f(a1, b), a2 = f(a2, b), a3 = f(a3, b);                                                    \
        a4 = f(a4, b), a5 = f(a5, b), a6 = f(a6, b), a7 = f(a7, b);                                                    \
        NEXT_FULL;                                                                                                     \
    }                                                                                                                  \
    PART(name##_one)                                                                                                   \
    {                                                                                                                  \
        a0 = f(a0, same(link->x[0]));                                                                                  \
        NEXT_PART;                                                                                                     \
    }
#define SUM(a, b) (a) + (b)
#define DIFFERENCE(a, b) (a) - (b)
#define DIFFERENCE_FROM(a, b) (b) - (a)
#define PRODUCT(a, b) (a) * (b)
#define QUOTIENT(a, b) (a) / (b)
#define QUOTIENT_OF(a, b) (b) / (a)
#define LEAST(a, b) least_f32(a, b)
#define GREATEST(a, b) -least_f32(-(a), -(b))
#define LESS(a, b) one_or_zero(is_less(a, b))
#define MORE(a, b) one_or_zero(is_less(b, a))
#define AT_MOST(a, b) one_or_zero(is_most(a, b))
#define AT_LEAST(a, b) one_or_zero(is_most(b, a))
#define EQUAL(a, b) one_or_zero(is_equal(a, b))
#define OTHER(a, b) one_or_zero(is_other(a, b))
LINK2(add, SUM)
LINK2(sub, DIFFERENCE)
LINK2(sub_from, DIFFERENCE_FROM)
LINK2(mul, PRODUCT)
LINK2(div, QUOTIENT)
LINK2(div_of, QUOTIENT_OF)
LINK2(minimum, LEAST)
LINK2(maximum, GREATEST)
LINK2(lt, LESS)
LINK2(gt, MORE)
LINK2(le, AT_MOST)
LINK2(ge, AT_LEAST)
LINK2(eq, EQUAL)
LINK2(ne, OTHER)

/* where(c, a, b), with c, a or b from the link before, and how the other two, x[0] and x[1] in this order, are read. */
#define EACH_0(i) at_vector(link->x[0], at, i)
#define EACH_1(i) at_vector(link->x[1], at, i)
#define ONE_0(i) one
#define ONE_1(i) other
#define LINK3(name, first, second, read_0, read_1)                                                                     \
    FULL(name)                                                                                                         \
    {                                                                                                                  \
        const vec one = first, other = second;                                                                         \
        (void)one, (void)other;                                                                                        \
        a0 = name##_of(a0, read_0(0), read_1(0)), a1 = name##_of(a1, read_0(1), read_1(1));                            \
        a2 = name##_of(a2, read_0(2), read_1(2)), a3 = name##_of(a3, read_0(3), read_1(3));                            \
        a4 = name##_of(a4, read_0(4), read_1(4)), a5 = name##_of(a5, read_0(5), read_1(5));                            \
        a6 = name##_of(a6, read_0(6), read_1(6)), a7 = name##_of(a7, read_0(7), read_1(7));                            \
        NEXT_FULL;                                                                                                     \
    }                                                                                                                  \
    PART(name)                                                                                                         \
    {                                                                                                                  \
        const vec one = PART_##read_0(0), other = PART_##read_1(1);                                                    \
        a0 = name##_of(a0, one, other);                                                                                \
        NEXT_PART;                                                                                                     \
    }
#define PART_EACH_0(j) at_first(link->x[j], at, n)
#define PART_EACH_1(j) at_first(link->x[j], at, n)
#define PART_ONE_0(j) same(link->x[j])
#define PART_ONE_1(j) same(link->x[j])
#define CHOICE(a, x, y) choose(is_true(a), x, y)
#define CHOSEN(a, x, y) choose(is_true(x), a, y)
#define NOT_CHOSEN(a, x, y) choose(is_true(x), y, a)
#define where_each_each_of CHOICE
#define where_each_one_of CHOICE
#define where_one_each_of CHOICE
#define where_one_one_of CHOICE
#define yes_each_of CHOSEN
#define yes_one_of CHOSEN
#define no_each_of NOT_CHOSEN
#define no_one_of NOT_CHOSEN
#define NOTHING                                                                                                        \
    (vec) { 0 }
LINK3(where_each_each, NOTHING, NOTHING, EACH_0, EACH_1)
LINK3(where_each_one, NOTHING, same(link->x[1]), EACH_0, ONE_1)
LINK3(where_one_each, same(link->x[0]), NOTHING, ONE_0, EACH_1)
LINK3(where_one_one, same(link->x[0]), same(link->x[1]), ONE_0, ONE_1)
LINK3(yes_each, NOTHING, NOTHING, EACH_0, EACH_1)
LINK3(yes_one, NOTHING, same(link->x[1]), EACH_0, ONE_1)
LINK3(no_each, NOTHING, NOTHING, EACH_0, EACH_1)
LINK3(no_one, NOTHING, same(link->x[1]), EACH_0, ONE_1)

/* ---- Ops by way of an array: a loop over it that the compiler vectorises ------------------------------------------- */

/* y[i] from a[i] and b[i], for n a multiple of LANES; y may be a. */
typedef void array_code(float *y, const float *a, const float *b, int n);
#define ARRAY_FORM(name, array)                                                                                        \
    {                                                                                                                  \
        (reel__link_code *)name##_full, (reel__link_code *)name##_part, (reel__link_code *)array##_array               \
    }
#define CALL_ARRAY(...) ((array_code *)link->form.array)(__VA_ARGS__)
#define TO_ARRAY(i) *(vec *)(void *)(a + (i)*LANES) = a##i;
#define FROM_ARRAY(i) a##i = *(vec *)(void *)(a + (i)*LANES);
#define EACH_SECOND(i) *(vec *)(void *)(b + (i)*LANES) = at_vector(link->x[0], at, i);
#define ONE_SECOND(i) *(vec *)(void *)(b + (i)*LANES) = same(link->x[0]);

#define ALIGNED __attribute__((aligned(4 * VECTOR_F32)))

#define THROUGH_ARRAY(name, FILL, first, left, right)                                                                  \
    FULL(name)                                                                                                         \
    {                                                                                                                  \
        {                                                                                                              \
            float a[CHUNK] ALIGNED, b[CHUNK] ALIGNED;                                                                  \
            EACH(TO_ARRAY)                                                                                             \
            EACH(FILL)                                                                                                 \
            CALL_ARRAY(a, left, right, CHUNK);                                                                         \
            EACH(FROM_ARRAY)                                                                                           \
        }                                                                                                              \
        NEXT_FULL;                                                                                                     \
    }                                                                                                                  \
    PART(name)                                                                                                         \
    {                                                                                                                  \
        {                                                                                                              \
            float a[LANES] ALIGNED, b[LANES] ALIGNED;                                                                  \
            TO_ARRAY(0)                                                                                                \
            *(vec *)(void *)b = first;                                                                                 \
            CALL_ARRAY(a, left, right, LANES);                                                                         \
            FROM_ARRAY(0)                                                                                              \
        }                                                                                                              \
        NEXT_PART;                                                                                                     \
    }
#define NO_SECOND(i) (void)b;
THROUGH_ARRAY(unary, NO_SECOND, (vec){ 0 }, a, a)
THROUGH_ARRAY(binary_each, EACH_SECOND, at_first(link->x[0], at, n), a, b)
THROUGH_ARRAY(binary_one, ONE_SECOND, same(link->x[0]), a, b)
THROUGH_ARRAY(second_each, EACH_SECOND, at_first(link->x[0], at, n), b, a)
THROUGH_ARRAY(second_one, ONE_SECOND, same(link->x[0]), b, a)

#define ARRAY(name, From, To, expression)                                                                              \
    static void name##_array(float *y, const float *a, const float *b, int n)                                          \
    {                                                                                                                  \
        (void)b;                                                                                                       \
        if (n % LANES) __builtin_unreachable();                                                                        \
        INDEPENDENT for (int i = 0; i < n; i++)                                                                        \
        {                                                                                                              \
            From x;                                                                                                    \
            memcpy(&x, &a[i], sizeof x);                                                                               \
            const To result = (To)(expression);                                                                        \
            memcpy(&y[i], &result, sizeof result);                                                                     \
        }                                                                                                              \
    }
ARRAY(sign, float, float, x > 0 ? 1 : x < 0 ? -1 : x)
ARRAY(floor, float, float, floorf(x))
ARRAY(exp, float, float, reel__exp_f32(x))
ARRAY(log, float, float, reel__log_f32(x))
ARRAY(expm1, float, float, reel__expm1_f32(x))
ARRAY(log1p, float, float, reel__log1p_f32(x))
/* All as if they were small, which a compiler vectorises, and then those again that are not. */
#define TRIGONOMETRIC(name)                                                                                            \
    static void name##_array(float *y, const float *a, const float *b, int n)                                          \
    {                                                                                                                  \
        float x[CHUNK];                                                                                                \
        int large = 0;                                                                                                 \
        (void)b;                                                                                                       \
        if (n % LANES) __builtin_unreachable();                                                                        \
        memcpy(x, a, (size_t)n * sizeof *x);                                                                           \
        INDEPENDENT for (int i = 0; i < n; i++)                                                                        \
        {                                                                                                              \
            y[i] = reel__##name##_small_f32(x[i]);                                                                     \
            large |= !(reel__f32_abs(x[i]) <= REEL__TRIG_SMALL);                                                       \
        }                                                                                                              \
        for (int i = 0; large && i < n; i++)                                                                           \
            if (!(reel__f32_abs(x[i]) <= REEL__TRIG_SMALL)) y[i] = reel__##name##_f32(x[i]);                           \
    }
TRIGONOMETRIC(sin)
TRIGONOMETRIC(cos)
ARRAY(tanh, float, float, reel__tanh_f32(x))
ARRAY(erf, float, float, reel__erf_f32(x))
ARRAY(sqrt, float, float, sqrtf(x))
ARRAY(rsqrt, float, float, 1 / sqrtf(x))
ARRAY(pow, float, float, reel__pow_f32(x, b[i]))
#if !defined(TRUNCATED)
ARRAY(to_i32, float, int32_t, to_i32_f32(x))
#endif
ARRAY(to_f32, int32_t, float, x)

/* ---- All ----------------------------------------------------------------------------------------------------------- */

static void run_rows(reel__link *links, int count, int64_t rows, int64_t columns)
{
    const vec a = { 0 };
    for (int64_t r = 0; r < rows;) {
        int64_t c = 0;
        for (; columns - c >= CHUNK; c += CHUNK) ((full_code *)links->form.full)(links, c * 4, a, a, a, a, a, a, a, a);
        for (; c < columns; c += LANES)
            ((part_code *)links->form.part)(links, c * 4, columns - c < LANES ? (int)(columns - c) : LANES, a);
        if (++r >= rows) return;
        for (int i = 0; i < count; i++) links[i].x[0] += links[i].row[0], links[i].x[1] += links[i].row[1];
    }
}

/* Links leave the upper parts of the registers in use, as functions with vectors for arguments do, and with those the
 * instructions of the baseline are several times slower. */
static void run(reel__link *links, int count, int64_t rows, int64_t columns)
{
    run_rows(links, count, rows, columns);
#if defined(REEL_ISA_AVX512) || defined(REEL_ISA_AVX2)
    _mm256_zeroupper();
#endif
}

#define BOTH(left, right)                                                                                              \
    {                                                                                                                  \
        { FORM(left##_each), FORM(left##_one) }, { FORM(right##_each), FORM(right##_one) }                             \
    }
#define ARRAYS(op)                                                                                                     \
    {                                                                                                                  \
        { ARRAY_FORM(binary_each, op), ARRAY_FORM(binary_one, op) },                                                   \
        {                                                                                                              \
            ARRAY_FORM(second_each, op), ARRAY_FORM(second_one, op)                                                    \
        }                                                                                                              \
    }
const reel__pointwise_links K(reel__links) = {
    .chain = { .load = FORM(load), .load_one = FORM(load_one), .store = FORM(store), .end = FORM(end), .run = run },
    .neg = FORM(neg),
    .abs = FORM(abs),
    .sign = ARRAY_FORM(unary, sign),
    .floor = ARRAY_FORM(unary, floor),
    .exp = ARRAY_FORM(unary, exp),
    .log = ARRAY_FORM(unary, log),
    .expm1 = ARRAY_FORM(unary, expm1),
    .log1p = ARRAY_FORM(unary, log1p),
    .sin = ARRAY_FORM(unary, sin),
    .cos = ARRAY_FORM(unary, cos),
    .tanh = ARRAY_FORM(unary, tanh),
    .erf = ARRAY_FORM(unary, erf),
    .sqrt = ARRAY_FORM(unary, sqrt),
    .rsqrt = ARRAY_FORM(unary, rsqrt),
    .add = BOTH(add, add),
    .sub = BOTH(sub, sub_from),
    .mul = BOTH(mul, mul),
    .div = BOTH(div, div_of),
    .pow = ARRAYS(pow),
    .minimum = BOTH(minimum, minimum),
    .maximum = BOTH(maximum, maximum),
    .eq = BOTH(eq, eq),
    .ne = BOTH(ne, ne),
    .lt = BOTH(lt, gt),
    .le = BOTH(le, ge),
    .where = { { FORM(where_each_each), FORM(where_each_one) }, { FORM(where_one_each), FORM(where_one_one) } },
    .yes = { FORM(yes_each), FORM(yes_one) },
    .no = { FORM(no_each), FORM(no_one) },
    .to_i32 = TO_I32,
    .to_f32 = ARRAY_FORM(unary, to_f32),
};
