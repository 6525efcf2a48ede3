/* Measures core/base/elementary.h against libm in double, in ulps of f32, and prints a digest of
 * the result bits with which builds can be compared. Plain C, no framework:
 *
 *     elementary_ulp sample    every 997th float and all edges (a second; baseline five)
 *     elementary_ulp all       all 2^32 arguments of each function (20 minutes of one core)
 *     elementary_ulp digest    all 2^32 arguments, digests only
 *
 * A name after the mode (`elementary_ulp all exp`) restricts the run to one function. The pow grid
 * is described at pow_grid. */
#include "core/base/elementary.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW = 4096 };

/* The rows are what a kernel would run, so it is the vectorised code that is measured. */
#define ROW_OF(f)                                                                                                      \
    static void f##_row(float *restrict y, const float *x, int n)                                                      \
    {                                                                                                                  \
        for (int i = 0; i < n; i++) y[i] = reel__##f##_f32(x[i]);                                                      \
    }                                                                                                                  \
    static float f##_one(float x) { return reel__##f##_f32(x); }

ROW_OF(exp)
ROW_OF(log)
ROW_OF(expm1)
ROW_OF(log1p)
ROW_OF(tanh)
ROW_OF(erf)

/* The small form over the row, the large arguments again. */
#define TRIG_ROW_OF(f)                                                                                                 \
    static void f##_row(float *restrict y, const float *x, int n)                                                      \
    {                                                                                                                  \
        for (int i = 0; i < n; i++) y[i] = reel__##f##_small_f32(x[i]);                                                \
        for (int i = 0; i < n; i++)                                                                                    \
            if (!(fabsf(x[i]) <= REEL__TRIG_SMALL)) y[i] = reel__##f##_f32(x[i]);                                      \
    }                                                                                                                  \
    static float f##_one(float x) { return reel__##f##_f32(x); }

TRIG_ROW_OF(sin)
TRIG_ROW_OF(cos)

typedef struct {
    const char *name;
    void (*row)(float *restrict y, const float *x, int n);
    float (*one)(float x);
    double (*reference)(double x);
    double limit;
} function;

static const function functions[] = {
    { "exp", exp_row, exp_one, exp, 1.5 },         { "log", log_row, log_one, log, 1.5 },
    { "expm1", expm1_row, expm1_one, expm1, 1.5 }, { "log1p", log1p_row, log1p_one, log1p, 1.5 },
    { "sin", sin_row, sin_one, sin, 1.5 },         { "cos", cos_row, cos_one, cos, 1.5 },
    { "tanh", tanh_row, tanh_one, tanh, 1.5 },     { "erf", erf_row, erf_one, erf, 1.5 },
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

static const double pow_limit = 1.0;

typedef struct {
    double worst; /* ulp */
    float x, y;   /* where */
    uint64_t count, digest;
} result;

static uint32_t canonical(float y) { return y == y ? reel__f32_bits(y) : 0x7fc00000u; }

static uint64_t fold(uint64_t digest, uint64_t value) { return (digest ^ value) * 0x100000001b3ull; }

static const result nothing = { .digest = 0xcbf29ce484222325ull };

/* The distance of y from the exact value in units of the last place of f32 there. A NaN in the
 * wrong place, an infinity whose exact value does not round to it, a wrong sign of zero:
 * infinitely many. */
static double ulps(float y, double exact)
{
    if (exact != exact || y != y) return exact != exact && y != y ? 0 : INFINITY;
    if (y == 0 && !signbit(y) != !signbit(exact)) return INFINITY;
    if (isinf(exact)) return (double)y == exact ? 0 : INFINITY;
    double value = isinf(y) ? copysign(0x1p128, y) : (double)y;
    if (isinf(y) && fabs(exact) >= 0x1p128) return !signbit(y) == !signbit(exact) ? 0 : INFINITY;
    uint64_t exponent = reel__f64_bits(exact) >> 52 & 0x7ff; /* biased by 1023; FLT_MIN's is 897 */
    exponent = exponent < 897 ? 897 : exponent > 1150 ? 1150 : exponent;
    return fabs(value - exact) * reel__f64_from((2046 + 23 - exponent) << 52);
}

static void note(result *r, float x, float other, float y, double exact)
{
    double error = ulps(y, exact);
    if (error > r->worst || r->count == 0) r->worst = error, r->x = x, r->y = other;
    r->count++;
}

static result merged(result a, result b)
{
    result r = b.worst > a.worst || a.count == 0 ? b : a;
    r.count = a.count + b.count;
    r.digest = fold(a.digest, b.digest);
    return r;
}

/* n arguments: the row form, measured if asked for, and equal to the scalar form every 61st. */
static result measure_row(const function *f, const float *x, int n, int measure)
{
    float y[ROW];
    result r = nothing;
    f->row(y, x, n);
    for (int i = 0; i < n; i++) r.digest = fold(r.digest, canonical(y[i]));
    for (int i = 0; measure && i < n; i++) note(&r, x[i], 0, y[i], f->reference(x[i]));
    for (int i = 0; measure && i < n; i += 61)
        if (canonical(f->one(x[i])) != canonical(y[i])) r.worst = INFINITY, r.x = x[i];
    return r;
}

static result measure_all(const function *f, int measure)
{
    enum { BLOCKS = 1 << 12, ROWS = 1 << 8 };
    static result block[BLOCKS];
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic)
#endif
    for (int b = 0; b < BLOCKS; b++) {
        block[b] = nothing;
        for (int row = 0; row < ROWS; row++) {
            float x[ROW];
            for (int i = 0; i < ROW; i++)
                x[i] = reel__f32_from(((uint32_t)b * ROWS + (uint32_t)row) * ROW + (uint32_t)i);
            block[b] = merged(block[b], measure_row(f, x, ROW, measure));
        }
    }
    result r = nothing;
    for (int b = 0; b < BLOCKS; b++) r = merged(r, block[b]);
    return r;
}

/* Each edge stands with its 32 neighbours on either side and with both signs. */
static const float edges[] = {
    0.0f,        0x1p-149f,   0x1p-126f,  0x1p-64f,    0x1p-26f,    0x1p-25f,   0x1p-24f,       0x1p-13f,   0.25f,
    0.3465736f,  0.5f,        0.625f,     0.66666667f, 0.70710678f, 0.75f,      0.78539816f,    1.0f,       1.0625f,
    1.33333333f, 1.41421356f, 1.5f,       1.57079633f, 2.0f,        2.5f,       3.1415927f,     3.925f,     4.7123890f,
    9.01f,       10.0f,       16.635532f, 17.328680f,  25.0f,       87.336544f, 88.029694f,     88.722839f, 89.0f,
    103.27893f,  103.97208f,  104.0f,     1048.5f,     0x1p16f,     0x1p17f,    0x1p22f,        0x1p23f,    0x1p24f,
    0x1p31f,     0x1p32f,     0x1p63f,    0x1p64f,     0x1p126f,    0x1p127f,   0x1.f37c8ap95f, FLT_MAX,    INFINITY,
};

static float neighbour(float x, int steps, uint32_t sign)
{
    return reel__f32_from((reel__f32_bits(x) + (uint32_t)steps) ^ sign << 31);
}

static result measure_sample(const function *f)
{
    result r = nothing;
    float x[ROW];
    int n = 0;
    for (uint64_t bits = 0; bits < 1ull << 32; bits += 997) {
        x[n++] = reel__f32_from((uint32_t)bits);
        if (n == ROW) r = merged(r, measure_row(f, x, n, 1)), n = 0;
    }
    r = merged(r, measure_row(f, x, n, 1));
    for (size_t edge = 0; edge < sizeof edges / sizeof *edges; edge++) {
        n = 0;
        for (uint32_t sign = 0; sign < 2; sign++)
            for (int step = -32; step <= 32; step++) x[n++] = neighbour(edges[edge], step, sign);
        r = merged(r, measure_row(f, x, n, 1));
    }
    return r;
}

static void note_pow_row(result *r, const float *x, const float *y, int n, int measure)
{
    float z[ROW];
    for (int i = 0; i < n; i++) z[i] = reel__pow_f32(x[i], y[i]);
    for (int i = 0; i < n; i++) r->digest = fold(r->digest, canonical(z[i]));
    for (int i = 0; measure && i < n; i++) note(r, x[i], y[i], z[i], pow(x[i], y[i]));
}

/* Three parts, `fine` times denser in x when asked for:
 * - every positive x at a step of 1000003 / fine bit patterns, and for each 512 exponents y that
 *   spread the result over 2^-152 .. 2^130 evenly in the logarithm;
 * - x = 1 +- j 2^-24, j < 256 fine, with the same 512 results;
 * - every pair of the edges with two neighbours on either side and of the multiples of 1/2 below
 *   32, with both signs: the special cases. */
static result pow_grid(uint32_t fine, int measure)
{
    result r = nothing;
    float x[ROW], y[ROW];
    uint32_t steps = 0x7f800000u / 1000003u * fine;
    for (uint32_t i = 0; i < steps + 512 * fine; i++) {
        float base = i < steps ? reel__f32_from(i * (1000003u / fine) + 1)
                               : 1.0f + ((float)(i - steps) - 256.0f * (float)fine) * 0x1p-24f;
        double log2_base = base == 1.0f ? 1 : (double)reel__log_f32(base) * 1.4426950408889634;
        for (int j = 0; j < 512; j++) x[j] = base, y[j] = (float)((j * 0.55187 - 152.0) / log2_base);
        note_pow_row(&r, x, y, 512, measure);
    }
    enum { EDGES = sizeof edges / sizeof *edges, VALUES = 2 * (5 * EDGES + 64) };
    float value[VALUES];
    int n = 0;
    for (uint32_t sign = 0; sign < 2; sign++) {
        for (int edge = 0; edge < EDGES; edge++)
            for (int step = -2; step <= 2; step++) value[n++] = neighbour(edges[edge], step, sign);
        for (int half = 0; half < 64; half++) value[n++] = sign ? -0.5f * (float)half : 0.5f * (float)half;
    }
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) x[j] = value[i], y[j] = value[j];
        note_pow_row(&r, x, y, n, measure);
    }
    return r;
}

static int report(const char *name, result r, double limit, int measure)
{
    int pass = !measure || r.worst <= limit;
    if (measure)
        printf("%-6s max %.4f ulp at %.9g (0x%08x)", name, r.worst, (double)r.x, (unsigned)reel__f32_bits(r.x));
    else printf("%-6s", name);
    if (measure && strcmp(name, "pow") == 0) printf(", %.9g", (double)r.y);
    printf("  digest %016llx", (unsigned long long)r.digest);
    printf(measure ? pass ? "  PASS\n" : "  FAIL\n" : "\n");
    fflush(stdout);
    return !pass;
}

/* The checker itself: wrong results are seen, right ones are not. */
static int checker_fails(void)
{
    int bad = ulps(1.0f, 1.0) != 0 || ulps(INFINITY, 1e39) != 0 || ulps(NAN, NAN) != 0;
    bad |= ulps(1.0f + 3 * FLT_EPSILON, 1.0) != 3 || ulps(0x1p-149f, 0x1p-151) != 0.75;
    bad |= ulps(-0.0f, 0.0) < 2 || ulps(NAN, 1.0) < 2 || ulps(1.0f, NAN) < 2;
    bad |= ulps(INFINITY, 1.0) < 2 || ulps(FLT_MAX, INFINITY) < 2 || ulps(-INFINITY, 1e39) < 2;
    if (bad) printf("the checker does not check  FAIL\n");
    return bad;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "sample";
    const char *only = argc > 2 ? argv[2] : NULL;
    int sample = strcmp(mode, "sample") == 0, measure = strcmp(mode, "digest") != 0;
    if (!sample && measure && strcmp(mode, "all") != 0) {
        fprintf(stderr, "usage: elementary_ulp sample|all|digest [function]\n");
        return 2;
    }
    int failed = checker_fails(), found = 0;
    for (int i = 0; i < FUNCTIONS; i++) {
        const function *f = &functions[i];
        if (only && strcmp(only, f->name) != 0) continue;
        found = 1;
        result r = sample ? measure_sample(f) : measure_all(f, measure);
        failed |= report(f->name, r, f->limit, measure);
    }
    if (!only || strcmp(only, "pow") == 0) {
        found = 1;
        failed |= report("pow", pow_grid(sample ? 1 : 64, measure), pow_limit, measure);
    }
    return found ? failed : 2;
}
