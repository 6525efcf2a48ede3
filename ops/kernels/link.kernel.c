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

INLINE vec vector_at(const char *p, int64_t at, int i) { return *((const loose *)(p + at) + i); }
INLINE vec first_at(const char *p, int64_t at, int n) { return load_first_f32((const float *)(p + at), first_f32(n)); }
INLINE vec same(const char *p) { return splat_f32(*(const float *)p); }

/* ---- Ends -------------------------------------------------------------------------------------------------------- */

#define LOAD_VECTOR(i) a##i = vector_at(link->x[0], at, i);
FULL(load)
{
    EACH(LOAD_VECTOR)
    NEXT_FULL;
}
PART(load)
{
    a0 = first_at(link->x[0], at, n);
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

/* ---- Ops of a few instructions: the expression, compiled for vectors ----------------------------------------------- */

/* How a link reads an operand: a vector for each of its own, one element for all, or none. */
#define EACH_FULL(j, i) vector_at(link->x[j], at, i)
#define EACH_PART(j) first_at(link->x[j], at, n)
#define ONE_FULL(j, i) same(link->x[j])
#define ONE_PART(j) same(link->x[j])
#define NONE_FULL(j, i)                                                                                                \
    (vec) { 0 }
#define NONE_PART(j)                                                                                                   \
    (vec) { 0 }

/* A link whose result is f(a, x, y) of what comes from the link before, a, and of its operands, read as X and Y say. */
#define LINK(name, f, X, Y)                                                                                            \
    FULL(name)                                                                                                         \
    {                                                                                                                  \
        a0 = f(a0, X##_FULL(0, 0), Y##_FULL(1, 0)), a1 = f(a1, X##_FULL(0, 1), Y##_FULL(1, 1));                        \
        a2 = f(a2, X##_FULL(0, 2), Y##_FULL(1, 2)), a3 = f(a3, X##_FULL(0, 3), Y##_FULL(1, 3));                        \
        a4 = f(a4, X##_FULL(0, 4), Y##_FULL(1, 4)), a5 = f(a5, X##_FULL(0, 5), Y##_FULL(1, 5));                        \
        a6 = f(a6, X##_FULL(0, 6), Y##_FULL(1, 6)), a7 = f(a7, X##_FULL(0, 7), Y##_FULL(1, 7));                        \
        NEXT_FULL;                                                                                                     \
    }                                                                                                                  \
    PART(name)                                                                                                         \
    {                                                                                                                  \
        a0 = f(a0, X##_PART(0), Y##_PART(1));                                                                          \
        NEXT_PART;                                                                                                     \
    }

#define MATH(f) vector_##f
INLINE vec vector_fabs(vec x) { return (vec)((ints)x & INT32_MAX); }
INLINE vec vector_minimum(vec a, vec b) { return least_f32(a, b); }
INLINE vec vector_maximum(vec a, vec b) { return -least_f32(-a, -b); }

/* The link before brings x; or one of a and b, and the other is read. Where they commute, one link serves either order. */
#define VECTORS_LINK_1(op, expression)                                                                                 \
    INLINE vec op##_of(vec x, vec none, vec no) { return (void)none, (void)no, expression; }                           \
    LINK(op, op##_of, NONE, NONE)
#define VECTORS_LINK_2(op, order, expression)                                                                          \
    INLINE vec op##_from_a(vec a, vec b, vec none) { return (void)none, expression; }                                  \
    LINK(op##_a_each, op##_from_a, EACH, NONE)                                                                         \
    LINK(op##_a_one, op##_from_a, ONE, NONE)                                                                           \
    order##_LINKS(op, expression)
#define COMMUTES_LINKS(op, expression)
#define ORDERED_LINKS(op, expression)                                                                                  \
    INLINE vec op##_from_b(vec b, vec a, vec none) { return (void)none, expression; }                                  \
    LINK(op##_b_each, op##_from_b, EACH, NONE)                                                                         \
    LINK(op##_b_one, op##_from_b, ONE, NONE)
#define LOOP_LINK_1(op, expression)
#define LOOP_LINK_2(op, order, expression)
#define OWN_LOOP_LINK_1(op, expression)
#define UNARY(op, types, link, expression, ...) link##_LINK_1(op, expression)
#define BINARY(op, types, order, link, expression, ...) link##_LINK_2(op, order, expression)
#define COMPARE(op, order, expression) VECTORS_LINK_2(op, order, (vec)((expression)&1)) /* 1 or 0 as int32 */
#include "ops/pointwise.table.h"
#undef MATH

/* where(c, x, y), in each lane: x where c, an i32, is not 0, else y. */
INLINE vec chosen(vec c, vec x, vec y)
{
#if defined(REEL_ISA_AVX512)
    return (vec)_mm512_mask_blend_ps(_mm512_test_epi32_mask((__m512i)c, (__m512i)c), (__m512)y, (__m512)x);
#elif defined(REEL_ISA_AVX2)
    return (vec)_mm256_blendv_ps((__m256)y, (__m256)x, (__m256)((ints)c != 0));
#else
    const ints mask = (ints)c != 0;
    return (vec)(((ints)x & mask) | ((ints)y & ~mask));
#endif
}

/* What comes from the link before is the condition, or x, or y; the other two are read. */
INLINE vec where_from_c(vec c, vec x, vec y) { return chosen(c, x, y); }
INLINE vec where_from_x(vec x, vec c, vec y) { return chosen(c, x, y); }
INLINE vec where_from_y(vec y, vec c, vec x) { return chosen(c, x, y); }
LINK(where_each_each, where_from_c, EACH, EACH)
LINK(where_each_one, where_from_c, EACH, ONE)
LINK(where_one_each, where_from_c, ONE, EACH)
LINK(where_one_one, where_from_c, ONE, ONE)
LINK(yes_each, where_from_x, EACH, EACH)
LINK(yes_one, where_from_x, EACH, ONE)
LINK(no_each, where_from_y, EACH, EACH)
LINK(no_one, where_from_y, EACH, ONE)

/* Truncated to i32; what does not fit becomes the least i32. */
INLINE ints whole(vec a)
{
#if defined(REEL_ISA_AVX512)
    return (ints)_mm512_cvttps_epi32((__m512)a);
#elif defined(REEL_ISA_AVX2)
    return (ints)_mm256_cvttps_epi32((__m256)a);
#elif defined(__SSE2__)
    return (ints)_mm_cvttps_epi32((__m128)a);
#else
    const vec end = splat_f32(2147483648.0f);
    const ints fits = (-end <= a) & (a < end);
    return __builtin_convertvector((vec)(((ints)a & fits) | ((ints)-end & ~fits)), ints);
#endif
}

INLINE ints equal(vec a, vec b) { return a == b; }

/* Casts. What is too large becomes the greatest i32, which is the complement of the least; NaN becomes 0. */
INLINE vec to_i32_of(vec a, vec none, vec no)
{
    const ints large = splat_f32(2147483648.0f) <= a, number = equal(a, a);
    return (void)none, (void)no, (vec)((whole(a) ^ large) & number);
}
INLINE vec to_f32_of(vec a, vec none, vec no) { return (void)none, (void)no, __builtin_convertvector((ints)a, vec); }
LINK(to_i32, to_i32_of, NONE, NONE)
LINK(to_f32, to_f32_of, NONE, NONE)

/* ---- Ops of many instructions: a loop over an array, which the compiler vectorises ---------------------------------- */

/* y[i] from a[i] and b[i], or a[i] alone, for n a multiple of LANES; y may be a. One function for an op, which links for
 * whole chunks and for parts of a vector call; it is in their form. */
typedef void array_code(float *y, const float *a, const float *b, int n);
#define CALL_ARRAY(...) ((array_code *)link->form.array)(__VA_ARGS__)
#define ALIGNED __attribute__((aligned(4 * VECTOR_F32)))
#define TO_ARRAY(i) *(vec *)(void *)(a + (i)*LANES) = a##i;
#define FROM_ARRAY(i) a##i = *(vec *)(void *)(a + (i)*LANES);
#define EACH_TO_ARRAY(i) *(vec *)(void *)(b + (i)*LANES) = EACH_FULL(0, i);
#define ONE_TO_ARRAY(i) *(vec *)(void *)(b + (i)*LANES) = ONE_FULL(0, i);
#define NONE_TO_ARRAY(i) (void)b;

/* The vectors to an array, what is read (X) to another, the call, and back. Braces, so that the arrays are gone when the
 * next link is called: else it would be no jump. */
#define ARRAY_LINK(name, X, left, right)                                                                               \
    FULL(name)                                                                                                         \
    {                                                                                                                  \
        {                                                                                                              \
            float a[CHUNK] ALIGNED, b[CHUNK] ALIGNED;                                                                  \
            EACH(TO_ARRAY)                                                                                             \
            EACH(X##_TO_ARRAY)                                                                                         \
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
            *(vec *)(void *)b = X##_PART(0);                                                                           \
            CALL_ARRAY(a, left, right, LANES);                                                                         \
            FROM_ARRAY(0)                                                                                              \
        }                                                                                                              \
        NEXT_PART;                                                                                                     \
    }
ARRAY_LINK(unary, NONE, a, a)
ARRAY_LINK(binary_a_each, EACH, a, b)
ARRAY_LINK(binary_a_one, ONE, a, b)
ARRAY_LINK(binary_b_each, EACH, b, a)
ARRAY_LINK(binary_b_one, ONE, b, a)

#define MATH(f) MATH_f32(f)
#define VECTORS_ARRAY_1(op, expression)
#define VECTORS_ARRAY_2(op, expression)
#define OWN_LOOP_ARRAY_1(op, expression)
#define LOOP_ARRAY_1(op, expression) ARRAY_LOOP(op, const float x = as[i], expression)
#define LOOP_ARRAY_2(op, expression) ARRAY_LOOP(op, const float a = as[i]; const float b = bs[i], expression)
#define ARRAY_LOOP(op, operands, expression)                                                                           \
    static void op##_array(float *y, const float *as, const float *bs, int n)                                          \
    {                                                                                                                  \
        (void)bs;                                                                                                      \
        if (n % LANES) __builtin_unreachable();                                                                        \
        INDEPENDENT for (int i = 0; i < n; i++)                                                                        \
        {                                                                                                              \
            operands;                                                                                                  \
            y[i] = expression;                                                                                         \
        }                                                                                                              \
    }
#define UNARY(op, types, link, expression, ...) link##_ARRAY_1(op, expression)
#define BINARY(op, types, order, link, expression, ...) link##_ARRAY_2(op, expression)
#define COMPARE(...)
#include "ops/pointwise.table.h"

/* All as if they were small, which a compiler vectorises, and then those again that are not. */
INLINE void large_again(float *y, const float *a, int n, float (*small)(float), float (*any)(float))
{
    float x[CHUNK];
    int large = 0;
    if (n % LANES) __builtin_unreachable();
    memcpy(x, a, (size_t)n * sizeof *x);
    INDEPENDENT for (int i = 0; i < n; i++)
    {
        y[i] = small(x[i]);
        large |= !(reel__f32_abs(x[i]) <= REEL__TRIG_SMALL);
    }
    for (int i = 0; large && i < n; i++)
        if (!(reel__f32_abs(x[i]) <= REEL__TRIG_SMALL)) y[i] = any(x[i]);
}

static void sin_array(float *y, const float *x, const float *none, int n)
{
    (void)none;
    large_again(y, x, n, reel__sin_small_f32, reel__sin_f32);
}

static void cos_array(float *y, const float *x, const float *none, int n)
{
    (void)none;
    large_again(y, x, n, reel__cos_small_f32, reel__cos_f32);
}

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

#define ARRAY_FORM(name, op)                                                                                           \
    {                                                                                                                  \
        (reel__link_code *)name##_full, (reel__link_code *)name##_part, (reel__link_code *)op##_array                  \
    }
#define VECTORS_FORM_1(op) FORM(op)
#define LOOP_FORM_1(op) ARRAY_FORM(unary, op)
#define OWN_LOOP_FORM_1(op) ARRAY_FORM(unary, op)
#define VECTORS_FORM_2(op, order)                                                                                      \
    {                                                                                                                  \
        { FORM(op##_a_each), FORM(op##_a_one) }, order##_FORMS(op)                                                     \
    }
#define COMMUTES_FORMS(op)                                                                                             \
    {                                                                                                                  \
        FORM(op##_a_each), FORM(op##_a_one)                                                                            \
    }
#define ORDERED_FORMS(op)                                                                                              \
    {                                                                                                                  \
        FORM(op##_b_each), FORM(op##_b_one)                                                                            \
    }
#define LOOP_FORM_2(op, order)                                                                                         \
    {                                                                                                                  \
        { ARRAY_FORM(binary_a_each, op), ARRAY_FORM(binary_a_one, op) },                                               \
        {                                                                                                              \
            ARRAY_FORM(binary_b_each, op), ARRAY_FORM(binary_b_one, op)                                                \
        }                                                                                                              \
    }
const reel__pointwise_links K(reel__links) = {
    .chain = { .load = FORM(load), .load_one = FORM(load_one), .store = FORM(store), .end = FORM(end), .run = run },
#define UNARY(op, types, link, ...) .unary[REEL__OP_##op] = link##_FORM_1(op),
#define BINARY(op, types, order, link, ...) .binary[REEL__OP_##op] = link##_FORM_2(op, order),
#define COMPARE(op, order, ...) .binary[REEL__OP_##op] = VECTORS_FORM_2(op, order),
#include "ops/pointwise.table.h"
    .where = { { FORM(where_each_each), FORM(where_each_one) }, { FORM(where_one_each), FORM(where_one_one) } },
    .yes = { FORM(yes_each), FORM(yes_one) },
    .no = { FORM(no_each), FORM(no_one) },
    .to_i32 = FORM(to_i32),
    .to_f32 = FORM(to_f32),
};
