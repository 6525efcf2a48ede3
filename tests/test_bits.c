/* The definitions that decide bits: what a product, a sum, a maximum, a scatter_add, a cast and a draw are, against code of
 * our own that follows the definitions and nothing else; and that every instruction set of this machine gives the same
 * bits. That the values are right at all is in test_ops.c. */
#include <criterion/criterion.h>

#include "naive.h"

#include "core/base/random.h"
#include "ops/kernels/product/product_kernels.h"
#include "ops/kernels/pointwise.h"
#include "ops/kernels/reduce.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>

static char text[400];

static void seed(void) { random_seed(2); }

TestSuite(product, .init = seed);
TestSuite(sum, .init = seed);
TestSuite(max, .init = seed);
TestSuite(scatter, .init = seed);
TestSuite(cast, .init = seed);
TestSuite(draws, .init = seed);
TestSuite(initial, .init = seed);
TestSuite(sets, .init = seed);

/* Of very different magnitudes and both signs, so that another order of additions shows; every 13th is −0. */
static array rough(reel_dtype dtype, reel_shape shape)
{
    array a = array_new(dtype, shape);
    for (int64_t i = 0; i < a.count; i++) {
        double value = ldexp(random_in(-1, 1), (int)(random_bits() % 12));
        a.at[i] = i % 13 == 12 ? -0.0 : as_dtype(value, dtype);
    }
    return a;
}

/* Runs a recorder on inputs and reads its result. */
static array run(record_function *record, const op_case *c, int count, const array *x)
{
    program p = program_new();
    add_inputs(&p, count, x);
    reel_tensor *y = reel_keep(record(c, p.x), "y");
    for (int i = 0; i < count; i++) write_array(p.x[i], &x[i]);
    cr_assert_eq(reel_run(p.tape), REEL_OK, "%s", reel_tape_error(p.tape));
    array result = read_array(y);
    program_free(&p);
    return result;
}

#define EXPECT_EQUAL(a, b, ...)                                                                                        \
    do {                                                                                                               \
        char about_[100];                                                                                              \
        snprintf(about_, sizeof about_, __VA_ARGS__);                                                                  \
        bool equal_ = equal_arrays(&(a), &(b), text, sizeof text);                                                     \
        cr_expect(equal_, "%s: %s", about_, text);                                                                     \
    } while (0)

#define RECORD(name, expression)                                                                                       \
    static reel_tensor *name(const op_case *c, reel_tensor *const *x) { return (void)c, (void)x, expression; }

/* ---- The product ------------------------------------------------------------------------------------------------- */

/* The definition: pieces of 512, each a chain of fused multiply-adds from −0; pieces added in ascending order. */
static double chained(const double *a, const double *b, int64_t k, reel_dtype dtype)
{
    double sum = 0;
    for (int64_t piece = 0; piece < k; piece += 512) {
        double chain = -0.0;
        for (int64_t i = piece; i < k && i < piece + 512; i++)
            chain = dtype == REEL_F32 ? (double)fmaf((float)a[i], (float)b[i], (float)chain) : fma(a[i], b[i], chain);
        sum = piece == 0 ? chain : as_dtype(sum + chain, dtype);
    }
    return sum;
}

/* a [m,k], b [n,k]: both with k last, so that no transpose of the library's takes part. */
static array naive_product(const array *a, const array *b)
{
    int64_t m = a->shape.size[0], n = b->shape.size[0], k = a->shape.size[1];
    array y = array_new(a->dtype, REEL_SHAPE(m, n));
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) y.at[i * n + j] = chained(a->at + i * k, b->at + j * k, k, a->dtype);
    return y;
}

static array transposed(const array *a)
{
    array t = array_new(a->dtype, REEL_SHAPE(a->shape.size[1], a->shape.size[0]));
    for (int64_t i = 0; i < a->shape.size[0]; i++)
        for (int64_t j = 0; j < a->shape.size[1]; j++) t.at[j * a->shape.size[0] + i] = a->at[i * a->shape.size[1] + j];
    return t;
}

RECORD(by_spec, reel_contract(x[0], x[1], c->spec))
RECORD(by_matmul, reel_matmul(x[0], x[1]))
RECORD(by_permutes_tn, reel_matmul(reel_transpose(x[0]), x[1]))
RECORD(by_permutes_nt, reel_matmul(x[0], reel_permute(x[1], REEL_AXES(1, 0))))
RECORD(by_permutes_tt, reel_transpose(reel_matmul(x[1], x[0])))

static const int64_t product_k[] = { 0, 1, 2, 511, 512, 513, 1024, 1025 };

static void expect_product(reel_dtype dtype, int64_t m, int64_t n, int64_t k)
{
    static const char *const specs[] = { "mk,nk->mn", "mk,kn->mn", "km,nk->mn", "km,kn->mn" };
    array a = rough(dtype, REEL_SHAPE(m, k)), b = rough(dtype, REEL_SHAPE(n, k)), at = transposed(&a),
          bt = transposed(&b);
    array right = naive_product(&a, &b), y;
    for (int s = 0; s < 4; s++) {
        op_case c = { .spec = specs[s] };
        array x[] = { s & 2 ? at : a, s & 1 ? bt : b };
        y = run(by_spec, &c, 2, x);
        EXPECT_EQUAL(y, right, "contract \"%s\", %d x %d x %d", specs[s], (int)m, (int)k, (int)n);
    }
    y = run(by_matmul, NULL, 2, (array[]){ a, bt });
    EXPECT_EQUAL(y, right, "matmul, %d x %d x %d", (int)m, (int)k, (int)n);
    y = run(by_permutes_tn, NULL, 2, (array[]){ at, bt });
    EXPECT_EQUAL(y, right, "matmul of a transposed a, %d x %d x %d", (int)m, (int)k, (int)n);
    y = run(by_permutes_nt, NULL, 2, (array[]){ a, b });
    EXPECT_EQUAL(y, right, "matmul of a transposed b, %d x %d x %d", (int)m, (int)k, (int)n);
    y = run(by_permutes_tt, NULL, 2, (array[]){ at, b });
    EXPECT_EQUAL(y, right, "the transposed product, %d x %d x %d", (int)m, (int)k, (int)n);
    forget_arrays();
}

Test(product, is_pieces_of_512_of_fused_chains_in_f32)
{
    for (int i = 0; i < COUNT(product_k); i++) {
        expect_product(REEL_F32, 3, 5, product_k[i]);
        expect_product(REEL_F32, 17, 33, product_k[i]);
        expect_product(REEL_F32, 1, 257, product_k[i]);
        expect_product(REEL_F32, 65, 1, product_k[i]);
    }
}

Test(product, is_pieces_of_512_of_fused_chains_in_f64)
{
    for (int i = 0; i < COUNT(product_k); i++) {
        expect_product(REEL_F64, 3, 5, product_k[i]);
        expect_product(REEL_F64, 17, 33, product_k[i]);
    }
}

Test(product, of_one_pair_is_the_product_and_of_none_plus_zero)
{
    array a = array_of(REEL_F32, REEL_SHAPE(3, 1), (double[]){ -0.0, 0.0, 3 });
    array b = array_of(REEL_F32, REEL_SHAPE(1, 3), (double[]){ 1, -1, -0.0 });
    array y = run(by_matmul, NULL, 2, (array[]){ a, b });
    array right = array_of(REEL_F32, REEL_SHAPE(3, 3), (double[]){ -0.0, 0.0, 0.0, 0.0, -0.0, -0.0, 3, -3, -0.0 });
    EXPECT_EQUAL(y, right, "k = 1");
    y = run(by_matmul, NULL, 2,
            (array[]){ array_new(REEL_F32, REEL_SHAPE(2, 0)), array_new(REEL_F32, REEL_SHAPE(0, 2)) });
    right = array_new(REEL_F32, REEL_SHAPE(2, 2));
    EXPECT_EQUAL(y, right, "k = 0");
    forget_arrays();
}

/* Row `index` of the first axis. */
static array part(const array *x, int64_t index)
{
    reel_shape shape = { .rank = x->shape.rank - 1 };
    for (int d = 0; d < shape.rank; d++) shape.size[d] = x->shape.size[d + 1];
    array p = array_new(x->dtype, shape);
    for (int64_t i = 0; i < p.count; i++) p.at[i] = x->at[index * p.count + i];
    return p;
}

Test(product, batched_is_looped)
{
    for (int i = 0; i < COUNT(product_k); i++) {
        array a = rough(REEL_F32, REEL_SHAPE(3, 4, product_k[i])), b = rough(REEL_F32, REEL_SHAPE(3, product_k[i], 7));
        array y = run(by_matmul, NULL, 2, (array[]){ a, b });
        for (int64_t s = 0; s < 3; s++) {
            array one = run(by_matmul, NULL, 2, (array[]){ part(&a, s), part(&b, s) }), here = part(&y, s);
            EXPECT_EQUAL(here, one, "batch %d, k %d", (int)s, (int)product_k[i]);
        }
        forget_arrays();
    }
}

Test(product, stacked_rows_are_single_rows)
{
    for (int i = 0; i < COUNT(product_k); i++) {
        array a = rough(REEL_F32, REEL_SHAPE(19, product_k[i])), b = rough(REEL_F32, REEL_SHAPE(product_k[i], 21));
        array y = run(by_matmul, NULL, 2, (array[]){ a, b });
        for (int64_t r = 0; r < 19; r++) {
            array one = run(by_matmul, NULL, 2, (array[]){ part(&a, r), b }), here = part(&y, r);
            EXPECT_EQUAL(here, one, "row %d, k %d", (int)r, (int)product_k[i]);
        }
        forget_arrays();
    }
}

/* Several k axes are one, row-major in the order in which the letters stand in the first operand. */
Test(product, sums_over_letters_in_the_order_of_the_first_operand)
{
    enum { M = 3, N = 4, I = 21, J = 33, K = I * J };
    array a = rough(REEL_F32, REEL_SHAPE(M, K)), b = rough(REEL_F32, REEL_SHAPE(N, K)), right = naive_product(&a, &b);
    array aij = a, bij = b, bji = array_new(REEL_F32, REEL_SHAPE(N, J, I));
    aij.shape = REEL_SHAPE(M, I, J), bij.shape = REEL_SHAPE(N, I, J);
    FOR_EACH(at, bij) { *cell(&bji, (int64_t[]){ at[0], at[2], at[1] }) = *cell(&bij, at); }
    array y = run(by_spec, &(op_case){ .spec = "mij,nij->mn" }, 2, (array[]){ aij, bij });
    EXPECT_EQUAL(y, right, "the same order in both");
    y = run(by_spec, &(op_case){ .spec = "mij,nji->mn" }, 2, (array[]){ aij, bji });
    EXPECT_EQUAL(y, right, "the other order in b");
    forget_arrays();
}

/* ---- The sum ----------------------------------------------------------------------------------------------------- */

/* Along the last axis: blocks of 256, 16 lanes from −0, folded by 8, 4, 2, 1; the results of the blocks likewise. */
static double row_sum(const double *x, int64_t n, reel_dtype dtype)
{
    if (n == 0) return 0;
    if (n <= 256) {
        double lane[16];
        for (int l = 0; l < 16; l++) lane[l] = -0.0;
        for (int64_t r = 0; r < n; r++) lane[r % 16] = as_dtype(lane[r % 16] + x[r], dtype);
        for (int half = 8; half; half /= 2)
            for (int l = 0; l < half; l++) lane[l] = as_dtype(lane[l] + lane[l + half], dtype);
        return lane[0];
    }
    int64_t blocks = (n + 255) / 256;
    double *sums = malloc((size_t)blocks * sizeof *sums);
    for (int64_t i = 0; i < blocks; i++) sums[i] = row_sum(x + i * 256, n - i * 256 < 256 ? n - i * 256 : 256, dtype);
    double sum = row_sum(sums, blocks, dtype);
    free(sums);
    return sum;
}

/* Along another axis: blocks of 64, one ascending chain from −0; the results of the blocks likewise. */
static double column_sum(const double *x, int64_t n, int64_t stride, reel_dtype dtype)
{
    if (n == 0) return 0;
    if (n <= 64) {
        double chain = -0.0;
        for (int64_t i = 0; i < n; i++) chain = as_dtype(chain + x[i * stride], dtype);
        return chain;
    }
    int64_t blocks = (n + 63) / 64;
    double *sums = malloc((size_t)blocks * sizeof *sums);
    for (int64_t i = 0; i < blocks; i++)
        sums[i] = column_sum(x + i * 64 * stride, n - i * 64 < 64 ? n - i * 64 : 64, stride, dtype);
    double sum = column_sum(sums, blocks, 1, dtype);
    free(sums);
    return sum;
}

RECORD(by_sum, reel_sum(x[0], c->axes, c->keep))

/* x [outer, n, inner] → [outer, inner] */
static array naive_axis_sum(const array *x, bool last)
{
    int64_t outer = x->shape.size[0], n = x->shape.size[1], inner = last ? 1 : x->shape.size[2];
    array y = array_new(x->dtype, last ? REEL_SHAPE(outer) : REEL_SHAPE(outer, inner));
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++)
            y.at[o * inner + i] =
                last ? row_sum(x->at + o * n, n, x->dtype) : column_sum(x->at + o * n * inner + i, n, inner, x->dtype);
    return y;
}

static void expect_sum(reel_shape shape)
{
    const reel_dtype dtypes[] = { REEL_F32, REEL_F64 };
    for (int d = 0; d < 2; d++) {
        array x = rough(dtypes[d], shape), right = naive_axis_sum(&x, shape.rank == 2);
        array y = run(by_sum, &(op_case){ .axes = REEL_AXES(1) }, 1, &x);
        EXPECT_EQUAL(y, right, "sum over %d, rank %d, dtype %d", (int)shape.size[1], shape.rank, d);
        forget_arrays();
    }
}

Test(sum, along_the_last_axis_is_blocks_of_256_in_16_lanes)
{
    const int64_t n[] = { 0, 2, 15, 16, 17, 255, 256, 257, 512, 513, 65535, 65536, 65537, 66000 };
    for (int i = 0; i < COUNT(n); i++) expect_sum(REEL_SHAPE(3, n[i]));
}

Test(sum, along_another_axis_is_blocks_of_64_chains)
{
    const int64_t n[] = { 0, 2, 63, 64, 65, 128, 129, 4095, 4096, 4097 }, inner[] = { 2, 64, 67 };
    for (int i = 0; i < COUNT(n); i++)
        for (int j = 0; j < COUNT(inner); j++) expect_sum(REEL_SHAPE(2, n[i], inner[j]));
}

Test(sum, over_several_axes_takes_the_last_first)
{
    array x = rough(REEL_F32, REEL_SHAPE(67, 5, 259));
    array y = run(by_sum, &(op_case){ .axes = REEL_AXES(0, 2) }, 1, &x);
    array last = array_new(REEL_F32, REEL_SHAPE(67, 5)), right = array_new(REEL_F32, REEL_SHAPE(5));
    for (int i = 0; i < 67 * 5; i++) last.at[i] = row_sum(x.at + i * 259, 259, REEL_F32);
    for (int i = 0; i < 5; i++) right.at[i] = column_sum(last.at + i, 67, 5, REEL_F32);
    EXPECT_EQUAL(y, right, "axes 0 and 2");
    y = run(by_sum, &(op_case){ .axes = REEL_AXES(2, 0) }, 1, &x);
    EXPECT_EQUAL(y, right, "named the other way round");
    array middle = array_new(REEL_F32, REEL_SHAPE(67)), all = array_new(REEL_F32, REEL_SCALAR);
    for (int i = 0; i < 67; i++) middle.at[i] = row_sum(last.at + i * 5, 5, REEL_F32);
    all.at[0] = row_sum(middle.at, 67, REEL_F32);
    y = run(by_sum, &(op_case){ .axes = REEL_ALL }, 1, &x);
    EXPECT_EQUAL(y, all, "all axes");
    forget_arrays();
}

Test(sum, over_an_axis_of_size_1_is_a_reshape)
{
    const double values[] = { -0.0, 0.0, 0x1p-149, (double)INFINITY, (double)NAN, -1 };
    array x = array_of(REEL_F32, REEL_SHAPE(1, 6, 1), values), right = array_of(REEL_F32, REEL_SHAPE(6), values);
    array y = run(by_sum, &(op_case){ .axes = REEL_AXES(0, 2) }, 1, &x);
    EXPECT_EQUAL(y, right, "size 1");
    program p = program_new();
    add_inputs(&p, 1, &x);
    cr_expect_str_eq(reel_op_name(reel_sum(p.x[0], REEL_AXES(0, 2), REEL_DROP)), "reshape");
    program_free(&p);
    forget_arrays();
}

Test(sum, of_minus_zeros_is_minus_zero_and_of_nothing_plus_zero)
{
    array x = array_new(REEL_F32, REEL_SHAPE(2, 300, 2)), none = array_new(REEL_F32, REEL_SHAPE(2, 0));
    for (int64_t i = 0; i < x.count; i++) x.at[i] = -0.0;
    array y = run(by_sum, &(op_case){ .axes = REEL_ALL }, 1, &x);
    cr_expect(same_bits(y.at[0], -0.0));
    y = run(by_sum, &(op_case){ .axes = REEL_AXES(1) }, 1, &none);
    cr_expect(same_bits(y.at[0], 0.0) && same_bits(y.at[1], 0.0));
    forget_arrays();
}

/* ---- The maximum ------------------------------------------------------------------------------------------------- */

RECORD(by_max, reel_max(x[0], c->axes, REEL_DROP))
RECORD(by_min, reel_min(x[0], c->axes, REEL_DROP))
RECORD(by_argmax, reel_cast(reel_argmax(x[0], c->axes.axis[0]), REEL_F32))

/* x [n] is laid out once as a row and once as the second of three columns. */
static void expect_extreme(record_function *record, const double *values, int64_t n, double expected)
{
    array row = array_of(REEL_F32, REEL_SHAPE(1, n), values), columns = array_new(REEL_F32, REEL_SHAPE(n, 3));
    for (int64_t i = 0; i < n; i++) columns.at[3 * i + 1] = values[i];
    array y = run(record, &(op_case){ .axes = REEL_AXES(1) }, 1, &row);
    cr_expect(same_bits(y.at[0], expected), "of a row: %a, not %a", y.at[0], expected);
    y = run(record, &(op_case){ .axes = REEL_AXES(0) }, 1, &columns);
    cr_expect(same_bits(y.at[1], expected), "of a column: %a, not %a", y.at[1], expected);
    forget_arrays();
}

Test(max, is_nan_if_there_is_one_wherever_it_stands)
{
    for (int at = 0; at < 40; at++) {
        double x[40];
        for (int i = 0; i < 40; i++) x[i] = i % 7 ? random_in(-1, 1) : (double)INFINITY;
        x[at] = (double)NAN;
        expect_extreme(by_max, x, 40, (double)NAN);
        expect_extreme(by_min, x, 40, (double)NAN);
        expect_extreme(by_argmax, x, 40, at);
    }
}

Test(max, holds_minus_zero_to_be_less_than_plus_zero)
{
    expect_extreme(by_max, (double[]){ -0.0, 0.0, -0.0 }, 3, 0.0);
    expect_extreme(by_max, (double[]){ 0.0, -0.0 }, 2, 0.0);
    expect_extreme(by_max, (double[]){ -0.0, -0.0 }, 2, -0.0);
    expect_extreme(by_min, (double[]){ 0.0, -0.0, 0.0 }, 3, -0.0);
    expect_extreme(by_min, (double[]){ -0.0, 0.0 }, 2, -0.0);
    expect_extreme(by_min, (double[]){ 0.0, 0.0 }, 2, 0.0);
}

Test(max, argmax_is_the_first_of_equals)
{
    expect_extreme(by_argmax, (double[]){ 1, 3, 3, 2 }, 4, 1);
    expect_extreme(by_argmax, (double[]){ -0.0, 0.0 }, 2, 0);
    expect_extreme(by_argmax, (double[]){ 1, (double)NAN, (double)INFINITY, (double)NAN }, 4, 1);
    expect_extreme(by_argmax, (double[]){ -(double)INFINITY, -(double)INFINITY }, 2, 0);
}

/* ---- scatter_add ------------------------------------------------------------------------------------------------- */

RECORD(by_scatter, reel_scatter_add(x[0], x[1], (int)c->at[0], c->at[1]))

/* The definition: a destination's sources in ascending order, summed as a column is; without a source +0. */
static array naive_scatter(const array *x, const array *to, int64_t outer, int64_t size, int64_t inner)
{
    array y = array_new(x->dtype, REEL_SHAPE(outer, size, inner)), list = array_new(REEL_F64, REEL_SHAPE(to->count));
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < size; k++)
            for (int64_t i = 0; i < inner; i++) {
                int64_t n = 0;
                for (int64_t s = 0; s < to->count; s++)
                    if ((int64_t)to->at[s] == k) list.at[n++] = x->at[(o * to->count + s) * inner + i];
                y.at[(o * size + k) * inner + i] = column_sum(list.at, n, 1, x->dtype);
            }
    return y;
}

static void expect_scatter(reel_dtype dtype, int64_t outer, int64_t count, int64_t size, int64_t inner)
{
    array x = rough(dtype, REEL_SHAPE(outer, count, inner)), to = array_new(REEL_I32, REEL_SHAPE(count));
    for (int64_t i = 0; i < count; i++) to.at[i] = (double)(random_bits() % (uint64_t)(size > 2 ? size - 1 : size));
    for (int64_t i = 1; i < count; i += 3) to.at[i] = to.at[i - 1];
    array right = naive_scatter(&x, &to, outer, size, inner);
    array y = run(by_scatter, &(op_case){ .at = { 1, size } }, 2, (array[]){ x, to });
    EXPECT_EQUAL(y, right, "%d sources to %d, inner %d, dtype %d", (int)count, (int)size, (int)inner, dtype);
    forget_arrays();
}

Test(scatter, sums_the_sources_of_a_destination_as_a_column)
{
    const int64_t counts[] = { 0, 1, 2, 63, 64, 65, 128, 300, 4096, 4097, 4160 }, inner[] = { 1, 3, 67 };
    for (reel_dtype dtype = REEL_F32; dtype <= REEL_F64; dtype++)
        for (int i = 0; i < COUNT(counts); i++)
            for (int j = 0; j < COUNT(inner); j++) {
                expect_scatter(dtype, 1, counts[i], 1, inner[j]);
                expect_scatter(dtype, 2, counts[i], 5, inner[j]);
                if (counts[i] <= 300) expect_scatter(dtype, 1, counts[i], 200, inner[j]);
            }
    for (int64_t size = 1500; size <= 2100; size += 100) expect_scatter(REEL_F32, 2, 4097, size, 1); /* few, or many */
    expect_scatter(REEL_F32, 1, 300000, 1, 1);
    expect_scatter(REEL_F64, 1, 70000, 3, 1);
    expect_scatter(REEL_F32, 1, 70000, 3, 2);
    expect_scatter(REEL_F32, 1, 3, 4, 1500);
    expect_scatter(REEL_F32, 1, 300, 2, 1500);
}

/* Too many destinations for a chain of each, but few have sources. */
Test(scatter, of_single_elements_to_a_few_of_many_destinations)
{
    for (reel_dtype dtype = REEL_F32; dtype <= REEL_F64; dtype++) {
        array x = rough(dtype, REEL_SHAPE(1, 9000, 1)), to = array_new(REEL_I32, REEL_SHAPE(9000));
        for (int64_t i = 0; i < to.count; i++) to.at[i] = (double)(random_bits() % 3 * 1000);
        array right = naive_scatter(&x, &to, 1, 2100, 1);
        array y = run(by_scatter, &(op_case){ .at = { 1, 2100 } }, 2, (array[]){ x, to });
        EXPECT_EQUAL(y, right, "dtype %d", dtype);
        forget_arrays();
    }
}

Test(scatter, to_one_destination_is_the_sum_of_the_column)
{
    array x = rough(REEL_F32, REEL_SHAPE(9000, 3)), to = array_new(REEL_I32, REEL_SHAPE(9000));
    array right = run(by_sum, &(op_case){ .axes = REEL_AXES(0) }, 1, &x);
    array y = run(by_scatter, &(op_case){ .at = { 0, 1 } }, 2, (array[]){ x, to });
    y.shape = right.shape;
    EXPECT_EQUAL(y, right, "one destination");
    forget_arrays();
}

Test(scatter, keeps_one_minus_zero_and_gives_plus_zero_where_nothing_is_added)
{
    array x = array_of(REEL_F32, REEL_SHAPE(2), (double[]){ -0.0, 2 }),
          to = array_of(REEL_I32, REEL_SHAPE(2), (double[]){ 2, 0 });
    array right = array_of(REEL_F32, REEL_SHAPE(3), (double[]){ 2, 0.0, -0.0 });
    array y = run(by_scatter, &(op_case){ .at = { 0, 3 } }, 2, (array[]){ x, to });
    EXPECT_EQUAL(y, right, "three destinations");
    forget_arrays();
}

/* ---- Casts ------------------------------------------------------------------------------------------------------- */

RECORD(by_cast, reel_cast(x[0], c->to))

static void expect_cast(reel_dtype from, reel_dtype to, double value, double expected)
{
    array x = array_new(from, REEL_SHAPE(19)); /* a vector of any width, and a rest */
    for (int i = 0; i < 19; i++) x.at[i] = value;
    array y = run(by_cast, &(op_case){ .to = to }, 1, &x);
    cr_expect_eq(y.dtype, to);
    for (int i = 0; i < 19; i++)
        cr_expect(same_bits(y.at[i], expected), "%.17g from dtype %d to %d is %.17g, not %.17g", value, from, to,
                  y.at[i], expected);
    forget_arrays();
}

Test(cast, to_i32_truncates_saturates_and_makes_nan_zero)
{
    const double f32[][2] = {
        { 1.9, 1 },
        { -1.9, -1 },
        { 0.99, 0 },
        { -0.99, 0 },
        { -0.0, 0 },
        { 0x1p-149, 0 },
        { 2147483520, 2147483520 },
        { 2147483648, INT32_MAX },
        { -2147483648.0, INT32_MIN },
        { -2147483904.0, INT32_MIN },
        { 3e38, INT32_MAX },
        { -3e38, INT32_MIN },
        { (double)INFINITY, INT32_MAX },
        { -(double)INFINITY, INT32_MIN },
        { (double)NAN, 0 },
    };
    const double f64[][2] = {
        { 2147483646.99, 2147483646 },
        { 2147483647.5, INT32_MAX },
        { 2147483648.0, INT32_MAX },
        { -2147483648.99, INT32_MIN },
        { -2147483647.99, -2147483647 },
        { -2147483649.0, INT32_MIN },
        { 1e300, INT32_MAX },
        { (double)NAN, 0 },
    };
    for (int i = 0; i < COUNT(f32); i++) {
        expect_cast(REEL_F32, REEL_I32, as_dtype(f32[i][0], REEL_F32), f32[i][1]);
        expect_cast(REEL_F64, REEL_I32, f32[i][0], f32[i][1]);
    }
    for (int i = 0; i < COUNT(f64); i++) expect_cast(REEL_F64, REEL_I32, f64[i][0], f64[i][1]);
}

Test(cast, to_f32_rounds_to_nearest_even)
{
    expect_cast(REEL_I32, REEL_F32, 16777217, 16777216);
    expect_cast(REEL_I32, REEL_F32, 16777219, 16777220);
    expect_cast(REEL_I32, REEL_F32, INT32_MAX, 2147483648.0);
    expect_cast(REEL_I32, REEL_F64, INT32_MIN, INT32_MIN);
    expect_cast(REEL_F64, REEL_F32, 0x1.000001p0, 1);
    expect_cast(REEL_F64, REEL_F32, 0x1.000003p0, 0x1.000004p0);
    expect_cast(REEL_F64, REEL_F32, 0x1p-150, 0.0);
    expect_cast(REEL_F64, REEL_F32, -0x1.8p-150, -0x1p-149);
    expect_cast(REEL_F64, REEL_F32, 0x1.ffffffp127, (double)INFINITY);
    expect_cast(REEL_F32, REEL_F64, 0x1p-149, 0x1p-149);
}

Test(cast, sends_the_gradient_back_in_the_operands_dtype)
{
    program p = program_new();
    array x = array_of(REEL_F64, REEL_SHAPE(1), (double[]){ 2 }),
          gy = array_of(REEL_F32, REEL_SHAPE(1), (double[]){ 0.1f });
    add_inputs(&p, 1, &x);
    reel_list *wrt = reel_list_new(p.tape);
    reel_list_append(wrt, NULL, p.x[0]);
    reel_tensor *cotangent = reel_input(p.tape, "gy", REEL_F32, REEL_SHAPE(1));
    reel_tensor *g = reel_keep(reel_list_at(reel_vjp(reel_cast(p.x[0], REEL_F32), cotangent, wrt), 0), "g");
    write_array(cotangent, &gy);
    cr_expect_eq(reel_run(p.tape), REEL_OK, "%s", reel_tape_error(p.tape));
    cr_expect_eq(reel_dtype_of(g), REEL_F64);
    cr_expect_eq(reel_item(g), (double)0.1f);
    program_free(&p);
    forget_arrays();
}

/* ---- Draws ------------------------------------------------------------------------------------------------------- */

Test(draws, philox_gives_the_published_answers)
{
    const struct {
        uint32_t counter[4], key[2], answer[4];
    } known[] = {
        { { 0 }, { 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { ~0u, ~0u, ~0u, ~0u }, { ~0u, ~0u }, { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
          { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (int i = 0; i < COUNT(known); i++) {
        uint32_t ours[4];
        reel__philox theirs;
        memcpy(ours, known[i].counter, sizeof ours);
        memcpy(theirs.word, known[i].counter, sizeof theirs.word);
        naive_philox(ours, known[i].key[0], known[i].key[1]);
        theirs = reel__philox_block(theirs, (uint64_t)known[i].key[1] << 32 | known[i].key[0]);
        for (int w = 0; w < 4; w++) cr_expect(ours[w] == known[i].answer[w] && theirs.word[w] == known[i].answer[w]);
    }
}

/* A tape with draws "a", "s/a" of n elements. */
static void record_draws(program *p, reel_dtype dtype, int64_t n, reel_tensor **first, reel_tensor **second)
{
    array like = array_new(dtype, REEL_SHAPE(1));
    add_inputs(p, 1, &like);
    *first = reel_keep(reel_uniform(p->x[0], "a", REEL_SHAPE(n)), "first");
    reel_scope_push(p->tape, "s");
    *second = reel_uniform(p->x[0], "a", REEL_SHAPE(n));
    reel_scope_pop(p->tape);
    reel_keep(*second, "second");
}

static void expect_draw(reel_tensor *y, const char *name, uint64_t run_number)
{
    array got = read_array(y), right = array_new(got.dtype, got.shape);
    for (int64_t i = 0; i < right.count; i++) right.at[i] = naive_uniform_at(SEED, name, run_number, got.dtype, i);
    EXPECT_EQUAL(got, right, "\"%s\" in run %d", name, (int)run_number);
}

Test(draws, are_functions_of_seed_name_run_and_element_also_when_recorded_again)
{
    const reel_dtype dtypes[] = { REEL_F32, REEL_F64 };
    for (int d = 0; d < 2; d++) {
        program p = program_new();
        reel_tensor *first, *second;
        record_draws(&p, dtypes[d], 71, &first, &second);
        for (uint64_t number = 1; number <= 4; number++) {
            cr_expect_eq(reel_run(p.tape), REEL_OK, "%s", reel_tape_error(p.tape));
            expect_draw(first, "a", number);
            expect_draw(second, "s/a", number);
            if (number != 2) continue;
            reel_tape_clear(p.tape);
            record_draws(&p, dtypes[d], 71, &first, &second);
        }
        program_free(&p);
        forget_arrays();
    }
}

Test(draws, do_not_change_with_the_shape)
{
    program p = program_new();
    array like = array_new(REEL_F32, REEL_SHAPE(1));
    add_inputs(&p, 1, &like);
    reel_tensor *y = reel_keep(reel_uniform(p.x[0], "a", REEL_SHAPE(3, 1, 5)), "y");
    reel_run(p.tape);
    array got = read_array(y);
    for (int64_t i = 0; i < 15; i++) cr_expect_eq(got.at[i], naive_uniform_at(SEED, "a", 1, REEL_F32, i));
    program_free(&p);
    forget_arrays();
}

static void expect_moments(const array *x, double mean, double variance, double fourth)
{
    double n = (double)x->count, sum = 0, squares = 0;
    for (int64_t i = 0; i < x->count; i++) sum += x->at[i], squares += (x->at[i] - mean) * (x->at[i] - mean);
    cr_expect(fabs(sum / n - mean) <= 4 * sqrt(variance / n), "mean %g, not %g", sum / n, mean);
    cr_expect(fabs(squares / n - variance) <= 4 * sqrt((fourth - variance * variance) / n), "variance %g, not %g",
              squares / n, variance);
}

Test(draws, have_the_mean_and_the_variance_of_their_distribution)
{
    enum { DRAWN = 40000 };
    program p = program_new();
    array like = array_new(REEL_F32, REEL_SHAPE(1));
    add_inputs(&p, 1, &like);
    reel_tensor *u = reel_keep(reel_uniform(p.x[0], "u", REEL_SHAPE(DRAWN)), "uniform");
    reel_tensor *n = reel_keep(reel_normal(p.x[0], "n", REEL_SHAPE(DRAWN)), "normal");
    cr_assert_eq(reel_run(p.tape), REEL_OK, "%s", reel_tape_error(p.tape));
    array uniform = read_array(u), normal = read_array(n);
    expect_moments(&uniform, 0.5, 1 / 12.0, 1 / 80.0);
    expect_moments(&normal, 0, 1, 3);
    for (int64_t i = 0; i < DRAWN; i++) cr_expect(uniform.at[i] >= 0 && uniform.at[i] < 1 && isfinite(normal.at[i]));
    program_free(&p);
    forget_arrays();
}

/* ---- Initial values ---------------------------------------------------------------------------------------------- */

enum { KINDS = 5 };

static const reel_init kinds[KINDS] = {
    { REEL_INIT_CONSTANT, 0.75, 0 },    { REEL_INIT_UNIFORM, -1, 3 },       { REEL_INIT_NORMAL, 2, 0.5 },
    { REEL_INIT_FAN_IN_UNIFORM, 1, 0 }, { REEL_INIT_GLOROT_UNIFORM, 1, 0 },
};
static const char *const kind_names[KINDS] = { "constant", "uniform", "normal", "fan_in",
                                               "glorot" }; /* their parameters */
enum { IN = 40, OUT = 60 };

static void make_parameters(program *p, reel_dtype dtype, bool backwards, array *values)
{
    array like = array_new(dtype, REEL_SHAPE(1));
    add_inputs(p, 1, &like);
    for (int k = 0; k < KINDS; k++) {
        int i = backwards ? KINDS - 1 - k : k;
        values[i] = read_array(reel_parameter(p->x[0], kind_names[i], REEL_SHAPE(IN, OUT), kinds[i]));
    }
    cr_expect_eq(reel_tape_status(p->tape), REEL_OK, "%s", reel_tape_error(p->tape));
}

Test(initial, values_do_not_depend_on_the_order_of_creation)
{
    const reel_dtype dtypes[] = { REEL_F32, REEL_F64 };
    for (int d = 0; d < 2; d++) {
        program p = program_new(), q = program_new();
        array forwards[KINDS], backwards[KINDS];
        make_parameters(&p, dtypes[d], false, forwards);
        make_parameters(&q, dtypes[d], true, backwards);
        for (int i = 0; i < KINDS; i++) EXPECT_EQUAL(backwards[i], forwards[i], "%s", kind_names[i]);
        program_free(&p), program_free(&q);
        forget_arrays();
    }
}

Test(initial, values_are_those_of_their_definition)
{
    program p = program_new();
    array v[KINDS];
    make_parameters(&p, REEL_F64, false, v);
    const double bound[] = { 1 / sqrt(IN), sqrt(6.0 / (IN + OUT)) };
    for (int64_t i = 0; i < IN * OUT; i++) {
        double u[KINDS];
        for (int k = 0; k < KINDS; k++) u[k] = naive_uniform_at(SEED, kind_names[k], 0, REEL_F64, i);
        cr_expect_eq(v[0].at[i], 0.75);
        cr_expect(fabs(v[1].at[i] - (-1 + 4 * u[1])) <= 1e-15);
        cr_expect(fabs(v[3].at[i] - bound[0] * (2 * u[3] - 1)) <= 1e-15);
        cr_expect(fabs(v[4].at[i] - bound[1] * (2 * u[4] - 1)) <= 1e-15);
    }
    expect_moments(&v[2], 2, 0.25, 3 * 0.0625);
    expect_moments(&v[3], 0, bound[0] * bound[0] / 3, pow(bound[0], 4) / 5);
    program_free(&p);
    forget_arrays();
}

/* ---- Every instruction set --------------------------------------------------------------------------------------- */

static const reel__pointwise_links *const link_sets[REEL__ISAS] = { REEL__EACH_SET(reel__links) };

static const reel__reduce_kernels *const reduce_sets[REEL__ISAS] = { REEL__EACH_SET(reel__reduce) };

enum { MOST = 70, BUFFER = 80 * 4096 };

typedef union buffer {
    float f32[BUFFER];
    double f64[BUFFER];
    int32_t i32[BUFFER];
} buffer;

static buffer operands[3], results[2];

/* Random bits, ordinary numbers and special values. */
static double wild(reel_dtype dtype)
{
    static const double odd[] = {
        0.0, -0.0, 0x1p-149, -0x1.fffffcp-127, FLT_MAX, -FLT_MAX, (double)INFINITY, -(double)INFINITY, (double)NAN,
        1,   -1,   0.5
    };
    uint64_t bits = random_bits();
    uint32_t half = (uint32_t)(bits >> 32);
    float any;
    memcpy(&any, &half, sizeof any);
    if (dtype == REEL_I32) return bits % 2 ? (double)(int32_t)half : (double)((int)(half % 5) - 2);
    return bits % 4 == 0 ? (double)any : bits % 4 == 1 ? odd[half % COUNT(odd)] : as_dtype(random_in(-8, 8), dtype);
}

static void put(buffer *b, int64_t i, double value, reel_dtype dtype)
{
    if (dtype == REEL_F32) b->f32[i] = (float)value;
    else if (dtype == REEL_F64) b->f64[i] = value;
    else b->i32[i] = (int32_t)value;
}

static double get(const buffer *b, int64_t i, reel_dtype dtype)
{
    return dtype == REEL_F32 ? (double)b->f32[i] : dtype == REEL_F64 ? b->f64[i] : b->i32[i];
}

static void fill(buffer *b, int64_t n, reel_dtype dtype)
{
    for (int64_t i = 0; i < n; i++) put(b, i, wild(dtype), dtype);
}

static void expect_same_results(const char *what, int isa, int64_t n, int64_t room, reel_dtype dtype)
{
    for (int64_t i = 0; i < room; i++) {
        bool same = same_bits(get(&results[0], i, dtype), get(&results[1], i, dtype));
        cr_expect(same, "%s on %s, length %d: element %d is %a, not %a", what, reel__isa_name(isa), (int)n, (int)i,
                  get(&results[1], i, dtype), get(&results[0], i, dtype));
        if (!same) return;
    }
}

static void clear_results(void)
{
    memset(results[0].i32, 0x55, 16384);
    memset(results[1].i32, 0x55, 16384);
}

/* A link, with what it takes from the link before as operand `from`, and the row kernel, on two rows of n columns with a
 * gap after each: nothing may be written there. Operand i is the same for all columns where bit i of ones is set. */
static void compare_link(const char *op, reel__row_kernel *row, const reel__link_form *form, int isa,
                         const reel_dtype *x, int count, reel_dtype y, int from, int ones)
{
    const reel__chain *chain = &link_sets[isa]->chain;
    cr_assert(form->full && form->part, "%s has no link on %s (ops/kernels/link.kernel.c)", op, reel__isa_name(isa));
    for (int64_t n = 0; n < 300; n += n < MOST ? 1 : n < 120 ? 50 : n < 130 ? 1 : 43) {
        reel__tile tile = { .rows = 2, .columns = n, .y_row = n + 3 };
        reel__link links[] = { { .form = ones >> from & 1 ? chain->load_one : chain->load },
                               { .form = *form },
                               { .form = chain->store, .x = { (char *)&results[1] }, .row = { (n + 3) * 4 } },
                               { .form = chain->end } };
        for (int i = 0, next = 0; i < count; i++) {
            fill(&operands[i], 2 * n + 4, x[i]);
            tile.x[i] = &operands[i], tile.x_row[i] = n + 1, tile.x_one[i] = ones >> i & 1;
            reel__link *link = i == from ? &links[0] : &links[1];
            int j = i == from ? 0 : next++;
            link->x[j] = (char *)&operands[i], link->row[j] = (n + 1) * 4;
        }
        clear_results();
        tile.y = &results[0], row(&tile);
        chain->run(links, COUNT(links), 2, n);
        expect_same_results(op, isa, n, 2 * n + 8, y);
    }
}

static void compare_pointwise(int isa)
{
    const reel__pointwise_links *set = link_sets[isa];
    const reel__pointwise_rows *rows = &reel__rows_f32;
    const reel_dtype alike[] = { REEL_F32, REEL_F32 }, choice[] = { REEL_I32, REEL_F32, REEL_F32 };
    const reel_dtype ints[] = { REEL_I32 };
    for (int ones = 0; ones < 8; ones++) {
        const int one[] = { ones & 1, ones >> 1 & 1, ones >> 2 & 1 };
#define UNARY(op, ...)                                                                                                 \
    if (ones < 2)                                                                                                      \
        compare_link(#op, rows->unary[REEL__OP_##op], &set->unary[REEL__OP_##op], isa, alike, 1, REEL_F32, 0, ones);
#define PAIR(op, y)                                                                                                    \
    for (int from = 0; from < 2 && ones < 4; from++)                                                                   \
        compare_link(#op, rows->binary[REEL__OP_##op], &set->binary[REEL__OP_##op][from][one[1 - from]], isa, alike,   \
                     2, y, from, ones);
#define BINARY(op, ...) PAIR(op, REEL_F32)
#define COMPARE(op, ...) PAIR(op, REEL_I32)
#include "ops/pointwise.table.h"
#undef PAIR
        reel__row_kernel *where = rows->where;
        compare_link("where", where, &set->where[one[1]][one[2]], isa, choice, 3, REEL_F32, 0, ones);
        if (!one[0]) compare_link("where, yes", where, &set->yes[one[2]], isa, choice, 3, REEL_F32, 1, ones);
        if (!one[0]) compare_link("where, no", where, &set->no[one[1]], isa, choice, 3, REEL_F32, 2, ones);
    }
    compare_link("cast", reel__cast_rows[REEL_F32][REEL_I32], &set->to_i32, isa, alike, 1, REEL_I32, 0, 0);
    compare_link("cast", reel__cast_rows[REEL_I32][REEL_F32], &set->to_f32, isa, ints, 1, REEL_F32, 0, 0);
}

Test(sets, give_the_bits_of_the_row_kernels_in_every_link)
{
    for (int isa = 0; isa < REEL__ISAS; isa++)
        if (reel__isa_available(isa)) compare_pointwise(isa);
}

static void compare_sums(int isa, int64_t n, int64_t inner, reel_dtype t)
{
    const int64_t outer = n % 5 ? 3 : 70; /* many rows go abreast */
    if (!reduce_sets[isa]->sum[t] || outer * n * inner > BUFFER / 2) return;
    fill(&operands[0], outer * n * inner, t);
    clear_results();
    reduce_sets[REEL__BASELINE]->sum[t](&results[0], &operands[0], outer, n, inner);
    reduce_sets[isa]->sum[t](&results[1], &operands[0], outer, n, inner);
    expect_same_results("sum", isa, n, outer * inner + 8, t);
}

Test(sets, give_the_same_bits_for_every_sum)
{
    const int64_t inner[] = { 1, 2, 16, 67 };
    for (int isa = 1; isa < REEL__ISAS; isa++)
        for (int64_t n = 0; reel__isa_available(isa) && n <= 600; n += n < MOST ? 1 : 53)
            for (int i = 0; i < COUNT(inner); i++)
                for (reel_dtype t = REEL_F32; t <= REEL_I32; t++) compare_sums(isa, n, inner[i], t);
}

static const reel__extreme_kernels *const extreme_sets[REEL__ISAS] = {
    &reel__extreme_baseline,
#if defined(REEL_HAVE_AVX2)
    [REEL__AVX2] = &reel__extreme_avx2,
#endif
};

/* The index of the first NaN, or else of the first of the greatest; `sign` is −1 for the least. */
static int64_t naive_top(const buffer *x, int64_t at, int64_t n, int64_t inner, reel_dtype t, int sign)
{
    int64_t best = 0;
    for (int64_t r = 0; r < n; r++) {
        double value = sign * get(x, at + r * inner, t), top = sign * get(x, at + best * inner, t);
        if (isnan(value)) return r;
        if (value > top) best = r;
    }
    return best;
}

/* The value there; of zeros the one with the right sign, if there is one. */
static double naive_extreme(const buffer *x, int64_t at, int64_t n, int64_t inner, reel_dtype t, int sign)
{
    double value = get(x, at + naive_top(x, at, n, inner, t, sign) * inner, t);
    for (int64_t r = 0; r < n && value == 0; r++) {
        double other = get(x, at + r * inner, t);
        if (other == 0 && !signbit(other) == (sign > 0)) return other;
    }
    return value;
}

static void compare_extremes(int isa, int64_t outer, int64_t n, int64_t inner, reel_dtype t)
{
    const reel__extreme_kernels *set = extreme_sets[isa];
    const char *const names[] = { "max", "min", "argmax" };
    reel__reduce_kernel *const kernels[] = { set->max[t], set->min[t], set->argmax[t] };
    char what[100];
    if (!kernels[0]) return;
    fill(&operands[0], outer * n * inner, t);
    for (int64_t i = 0; i < outer * n * inner && outer % 2; i++) /* NaN is rare */
        if (isnan(get(&operands[0], i, t))) put(&operands[0], i, -0.0, t);
    for (int k = 0; k < 3; k++) {
        clear_results();
        for (int64_t o = 0; o < outer; o++)
            for (int64_t i = 0, at = o * n * inner; i < inner; i++, at++) {
                if (k == 2) results[0].i32[o * inner + i] = (int32_t)naive_top(&operands[0], at, n, inner, t, 1);
                else put(&results[0], o * inner + i, naive_extreme(&operands[0], at, n, inner, t, k ? -1 : 1), t);
            }
        kernels[k](&results[1], &operands[0], outer, n, inner);
        snprintf(what, sizeof what, "%s of [%d,%d,%d]", names[k], (int)outer, (int)n, (int)inner);
        expect_same_results(what, isa, n, outer * inner + 8, k == 2 ? REEL_I32 : t);
    }
}

/* Rows and columns, few and many, short and long: each has a way of its own. */
Test(sets, give_the_extremes_of_the_definition)
{
    const int64_t inner[] = { 1, 2, 3, 7, 15, 16, 17, 33, 67 }, long_n[] = { 100, 255, 256, 257, 1000, 4099 };
    for (int isa = 0; isa < REEL__ISAS; isa++)
        for (reel_dtype t = REEL_F32; extreme_sets[isa] && reel__isa_available(isa) && t <= REEL_I32; t++) {
            for (int i = 0; i < COUNT(inner); i++) {
                for (int64_t n = 1; n <= MOST; n++) compare_extremes(isa, 1 + n % 6, n, inner[i], t);
                for (int k = 0; k < COUNT(long_n); k++) compare_extremes(isa, 1, long_n[k], inner[i], t);
            }
            for (int64_t n = 1; n <= 40; n++) compare_extremes(isa, 2100 + n, n, 1, t);
            for (int64_t c = 2; c <= 9; c++) compare_extremes(isa, 300 + c, 5, c, t);
            for (int64_t c = 500; c <= 1600; c += 137) compare_extremes(isa, 2, 5, c, t);
            for (int64_t c = 1021; c <= 1027; c++) compare_extremes(isa, 1, 9, c, t);
        }
}

Test(sets, give_the_same_bits_for_the_plain_product)
{
    for (int isa = 1; isa < REEL__ISAS; isa++)
        for (int64_t n = 0; reel__isa_available(isa) && n <= MOST; n++)
            for (reel_dtype t = REEL_F32; t <= REEL_F64; t++) {
                const int element = (int)reel__dtype_size(t);
                reel__product_row row = { .columns = n, .k = n * 9, .k_axes = 1, .k_size = { n * 9 } };
                row.a = &operands[0], row.b = &operands[1], row.a_stride[0] = 1, row.b_stride[0] = n;
                for (int64_t j = 0; j < n; j++) row.column[j] = n % 2 ? j : n - 1 - j;
                row.in_order = n % 2;
                fill(&operands[0], n * 9, t), fill(&operands[1], n * n * 9, t);
                clear_results();
                row.y = &results[0], reel__product_kernels_of(REEL__BASELINE, element)->plain(&row);
                row.y = &results[1], reel__product_kernels_of(isa, element)->plain(&row);
                expect_same_results("product", isa, n, n + 8, t);
            }
}

/* c + a b a hair off the middle of two floats, nearer than a double can tell: rounded twice, it would go to the even
 * one. a = 1 + e, b = ±(1 − e) 2⁻²⁴, so that a b = ±(2⁻²⁴ − e² 2⁻²⁴); c is odd. */
Test(sets, round_a_fused_multiply_add_once)
{
    for (int isa = 0; isa < REEL__ISAS; isa++)
        for (int power = 16; reel__isa_available(isa) && power <= 23; power++)
            for (int sign = -1; sign <= 1; sign += 2) {
                const double c = 1 + 0x1p-23, e = ldexp(1, -power);
                const float a[] = { (float)c, (float)(1 + e) }, b[] = { 1, (float)(sign * (1 - e) * 0x1p-24) };
                float y = 0;
                reel__product_row row = { .y = &y, .a = a, .b = b, .columns = 1, .k = 2, .k_axes = 1, .k_size = { 2 } };
                row.a_stride[0] = row.b_stride[0] = 1;
                reel__product_kernels_of(isa, sizeof(float))->plain(&row);
                cr_expect_eq((double)y, c, "%s rounds twice: %a", reel__isa_name(isa), (double)y);
            }
}
