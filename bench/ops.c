/* bench ops: each op alone, on operands of some 4 MB, as a multiple of the time that `add` takes for as many bytes read
 * and written. What is above 3 should have a polynomial; those that have one are marked with it. */
#include "bench.h"

#include <reel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { N = 1 << 20, ROWS = 1024, COLUMNS = 1024, INPUTS = 8 };

/* The program at hand: its inputs, and the bytes of what it does not read. */
typedef struct program {
    reel_tape *tape;
    reel_tensor *input[INPUTS];
    double low[INPUTS], high[INPUTS];
    int count;
    double unread;
} program;

typedef struct row {
    const char *name, *how; /* how: why it may take longer */
    reel_tensor *(*record)(program *p);
} row;

/* ---- Operands ---------------------------------------------------------------------------------------------------- */

static reel_tensor *input(program *p, reel_dtype dtype, double low, double high, reel_shape shape)
{
    char name[16];
    snprintf(name, sizeof name, "x%d", p->count);
    p->low[p->count] = low, p->high[p->count] = high;
    return p->input[p->count++] = reel_input(p->tape, name, dtype, shape);
}

#define X(...) input(p, REEL_F32, -4, 4, REEL_SHAPE(__VA_ARGS__))
#define POSITIVE(...) input(p, REEL_F32, 0.25, 4, REEL_SHAPE(__VA_ARGS__))
#define F64(...) input(p, REEL_F64, -4, 4, REEL_SHAPE(__VA_ARGS__))
#define I32(...) input(p, REEL_I32, -100, 100, REEL_SHAPE(__VA_ARGS__))
#define BELOW(n, ...) input(p, REEL_I32, 0, n, REEL_SHAPE(__VA_ARGS__))

static double bytes_of(const reel_tensor *x) { return (double)reel_count(x) * (reel_dtype_of(x) == REEL_F64 ? 8 : 4); }

/* Only this share of x is read. */
static reel_tensor *partly(program *p, reel_tensor *x, double share)
{
    p->unread += bytes_of(x) * (1 - share);
    return x;
}

static reel_tensor *gradient_of(reel_tensor *y, reel_tensor *gy, reel_tensor *x)
{
    reel_list *wrt = reel_list_new(reel_tape_of(x));
    reel_list_append(wrt, NULL, x);
    return reel_list_at(reel_vjp(y, gy, wrt), 0);
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

#define ROW(name, expression)                                                                                          \
    static reel_tensor *record_##name(program *p) { return expression; }
#define POINTWISE(op) ROW(op, reel_##op(X(N)))
#define OF_POSITIVE(op) ROW(op, reel_##op(POSITIVE(N)))
#define OF_TWO(op) ROW(op, reel_##op(X(N), X(N)))

/* clang-format off */
POINTWISE(neg) POINTWISE(abs) POINTWISE(sign) POINTWISE(floor) OF_POSITIVE(sqrt) OF_POSITIVE(rsqrt)
POINTWISE(exp) OF_POSITIVE(log) POINTWISE(expm1) OF_POSITIVE(log1p) POINTWISE(sin) POINTWISE(cos) POINTWISE(tanh)
POINTWISE(erf) POINTWISE(square) POINTWISE(reciprocal) POINTWISE(sigmoid) POINTWISE(log_sigmoid) POINTWISE(softplus)
POINTWISE(relu) POINTWISE(silu) POINTWISE(gelu) POINTWISE(gelu_tanh)
OF_TWO(add) OF_TWO(sub) OF_TWO(mul) OF_TWO(div) OF_TWO(minimum) OF_TWO(maximum) OF_TWO(eq) OF_TWO(ne) OF_TWO(lt)
OF_TWO(le) OF_TWO(gt) OF_TWO(ge)
ROW(pow, reel_pow(POSITIVE(N), X(N)))
ROW(scale, reel_scale(X(N), 0.7))
ROW(shift, reel_shift(X(N), 0.7))
ROW(clip, reel_clip(X(N), -1, 1))
ROW(leaky_relu, reel_leaky_relu(X(N), 0.1))
ROW(elu, reel_elu(X(N), 1))
ROW(where, reel_where(BELOW(2, N), X(N), X(N)))
ROW(add_row, reel_add(X(ROWS, COLUMNS), X(COLUMNS)))
ROW(add_column, reel_add(X(ROWS, COLUMNS), X(ROWS, 1)))
ROW(maximum_row, reel_maximum(X(ROWS, COLUMNS), X(COLUMNS)))
ROW(maximum_scalar, reel_maximum(X(N), X(1)))
ROW(f32_to_i32, reel_cast(X(N), REEL_I32))
ROW(i32_to_f32, reel_cast(I32(N), REEL_F32))
ROW(f32_to_f64, reel_cast(X(N), REEL_F64))
ROW(f64_to_f32, reel_cast(F64(N), REEL_F32))
ROW(f64_to_i32, reel_cast(F64(N), REEL_I32))
ROW(add_f64, reel_add(F64(N), F64(N)))
ROW(maximum_f64, reel_maximum(F64(N), F64(N)))
ROW(add_i32, reel_add(I32(N), I32(N)))
ROW(mul_i32, reel_mul(I32(N), I32(N)))
ROW(maximum_i32, reel_maximum(I32(N), I32(N)))
ROW(abs_i32, reel_abs(I32(N)))
ROW(sign_i32, reel_sign(I32(N)))
ROW(lt_i32, reel_lt(I32(N), I32(N)))
ROW(where_i32, reel_where(BELOW(2, N), I32(N), I32(N)))

#define OVER(op, X_)                                                                                                   \
    ROW(op##_all, reel_##op(X_(N), REEL_ALL, REEL_DROP))                                                               \
    ROW(op##_rows, reel_##op(X_(ROWS, COLUMNS), REEL_AXES(1), REEL_DROP))                                              \
    ROW(op##_columns, reel_##op(X_(ROWS, COLUMNS), REEL_AXES(0), REEL_DROP))                                           \
    ROW(op##_rows_2, reel_##op(X_(N / 2, 2), REEL_AXES(1), REEL_DROP))                                                 \
    ROW(op##_rows_3, reel_##op(X_(N / 3, 3), REEL_AXES(1), REEL_DROP))                                                 \
    ROW(op##_rows_10, reel_##op(X_(N / 10, 10), REEL_AXES(1), REEL_DROP))                                              \
    ROW(op##_rows_49, reel_##op(X_(N / 49, 49), REEL_AXES(1), REEL_DROP))                                              \
    ROW(op##_inner_3, reel_##op(X_(ROWS, N / ROWS / 3, 3), REEL_AXES(1), REEL_DROP))                                   \
    ROW(op##_outer_3, reel_##op(X_(N / 3, 3), REEL_AXES(0), REEL_DROP))                                                \
    ROW(op##_middle, reel_##op(X_(668, 32, 49), REEL_AXES(1), REEL_DROP))                                              \
    ROW(op##_middle_2, reel_##op(X_(9362, 2, 56), REEL_AXES(1), REEL_DROP))                                            \
    ROW(op##_pooling, reel_##op(X_(8, 32, 32, 2, 32, 2), REEL_AXES(3, 5), REEL_DROP))
OVER(sum, X) OVER(mean, X) OVER(max, X) OVER(min, X)
ROW(argmax_all, reel_argmax(X(N), 0))
ROW(argmax_rows, reel_argmax(X(ROWS, COLUMNS), 1))
ROW(argmax_columns, reel_argmax(X(ROWS, COLUMNS), 0))
ROW(argmax_rows_2, reel_argmax(X(N / 2, 2), 1))
ROW(argmax_rows_3, reel_argmax(X(N / 3, 3), 1))
ROW(argmax_rows_10, reel_argmax(X(N / 10, 10), 1))
ROW(argmax_rows_49, reel_argmax(X(N / 49, 49), 1))
ROW(argmax_inner_3, reel_argmax(X(ROWS, N / ROWS / 3, 3), 1))
ROW(argmax_outer_3, reel_argmax(X(N / 3, 3), 0))
ROW(argmax_middle, reel_argmax(X(668, 32, 49), 1))
ROW(sum_rows_f64, reel_sum(F64(ROWS, COLUMNS), REEL_AXES(1), REEL_DROP))
ROW(max_rows_f64, reel_max(F64(ROWS, COLUMNS), REEL_AXES(1), REEL_DROP))
ROW(max_columns_f64, reel_max(F64(ROWS, COLUMNS), REEL_AXES(0), REEL_DROP))
ROW(argmax_rows_f64, reel_argmax(F64(ROWS, COLUMNS), 1))
ROW(sum_rows_i32, reel_sum(I32(ROWS, COLUMNS), REEL_AXES(1), REEL_DROP))
ROW(sum_columns_i32, reel_sum(I32(ROWS, COLUMNS), REEL_AXES(0), REEL_DROP))
ROW(sum_rows_3_i32, reel_sum(I32(N / 3, 3), REEL_AXES(1), REEL_DROP))
ROW(max_rows_i32, reel_max(I32(ROWS, COLUMNS), REEL_AXES(1), REEL_DROP))
ROW(max_columns_i32, reel_max(I32(ROWS, COLUMNS), REEL_AXES(0), REEL_DROP))
ROW(var_rows, reel_var(X(ROWS, COLUMNS), REEL_AXES(1), REEL_DROP))
ROW(logsumexp_rows, reel_logsumexp(X(ROWS, COLUMNS), REEL_AXES(1), REEL_DROP))
ROW(softmax_rows, reel_softmax(X(ROWS, COLUMNS), 1))
ROW(softmax_columns, reel_softmax(X(ROWS, COLUMNS), 0))
ROW(log_softmax_rows, reel_log_softmax(X(ROWS, COLUMNS), 1))
ROW(softmax_rows_10, reel_softmax(X(N / 10, 10), 1))

ROW(reshape, reel_reshape(X(ROWS, COLUMNS), REEL_SHAPE(N)))
ROW(transpose, reel_transpose(X(ROWS, COLUMNS)))
ROW(transpose_odd, reel_transpose(X(1021, 1027)))
ROW(transpose_3, reel_transpose(X(N / 3, 3)))
ROW(transpose_to_3, reel_transpose(X(3, N / 3)))
ROW(transpose_10, reel_transpose(X(N / 10, 10)))
ROW(transpose_batch, reel_transpose(X(64, 128, 128)))
ROW(transpose_f64, reel_transpose(F64(ROWS, COLUMNS)))
ROW(permute_middle, reel_permute(X(64, 128, 2, 64), REEL_AXES(0, 2, 1, 3)))
ROW(permute_heads, reel_permute(X(16, 128, 8, 64), REEL_AXES(0, 2, 1, 3)))
ROW(permute_channels, reel_permute(X(16, 64, 32, 32), REEL_AXES(0, 2, 3, 1)))
ROW(permute_channels_back, reel_permute(X(16, 32, 32, 64), REEL_AXES(0, 3, 1, 2)))
ROW(permute_patches, reel_permute(X(8, 32, 32, 2, 32, 2), REEL_AXES(0, 1, 2, 4, 3, 5)))
ROW(permute_reversed, reel_permute(X(32, 64, 16, 32), REEL_AXES(3, 2, 1, 0)))
ROW(slice_columns, reel_slice(partly(p, X(ROWS, 2 * COLUMNS), 0.5), 1, 100, 100 + COLUMNS))
ROW(slice_narrow, reel_slice(partly(p, X(N / 3, 4), 0.75), 1, 0, 3))
ROW(slice_step, reel_slice_step(X(2 * N), 0, 0, 2 * N, 2))
ROW(slice_step_rows, reel_slice_step(partly(p, X(2 * ROWS, COLUMNS), 0.5), 0, 0, 2 * ROWS, 2))
ROW(slice_step_inner, reel_slice_step(X(N / 16, 32), 1, 0, 32, 2))
ROW(flip_columns, reel_flip(X(ROWS, COLUMNS), REEL_AXES(1)))
ROW(flip_rows, reel_flip(X(ROWS, COLUMNS), REEL_AXES(0)))
ROW(flip_3, reel_flip(X(N / 3, 3), REEL_AXES(1)))
ROW(expand_rows, reel_expand(X(COLUMNS), REEL_SHAPE(ROWS, COLUMNS)))
ROW(expand_columns, reel_expand(X(ROWS, 1), REEL_SHAPE(ROWS, COLUMNS)))
ROW(expand_3, reel_expand(X(N / 3, 1), REEL_SHAPE(N / 3, 3)))
ROW(pad_columns, reel_pad(X(ROWS, COLUMNS), 1, 3, 5))
ROW(pad_rows, reel_pad(X(ROWS, COLUMNS), 0, 3, 5))
ROW(pad_narrow, reel_pad(X(N / 3, 3), 1, 0, 1))
ROW(pad_image, reel_pad(X(1024, 32, 32), 2, 1, 1))
ROW(pad_step, reel_pad_step(X(N / 2), 0, 0, 1, 2))
ROW(concat_rows, reel_concat((reel_tensor *[]){ X(ROWS / 2, COLUMNS), X(ROWS / 2, COLUMNS) }, 2, 0))
ROW(concat_columns, reel_concat((reel_tensor *[]){ X(ROWS, 100), X(ROWS, 924) }, 2, 1))
ROW(concat_narrow, reel_concat((reel_tensor *[]){ X(N / 4, 1), X(N / 4, 3) }, 2, 1))
ROW(stack_last, reel_stack((reel_tensor *[]){ X(N / 2), X(N / 2) }, 2, -1))

ROW(in_range, reel_in_range(BELOW(1000, N), 1000))
ROW(take_rows, reel_take(partly(p, X(16384, 64), 1), BELOW(16384, 16384), 0))
ROW(take_rows_8, reel_take(X(N / 8, 8), BELOW(N / 8, N / 8), 0))
ROW(take_elements, reel_take(X(ROWS), BELOW(ROWS, N), 0))
ROW(take_columns, reel_take(X(ROWS, COLUMNS), BELOW(COLUMNS, COLUMNS), 1))
ROW(scatter_rows, reel_scatter_add(X(16384, 64), BELOW(16384, 16384), 0, 16384))
ROW(scatter_rows_few, reel_scatter_add(X(16384, 64), BELOW(10, 16384), 0, 10))
ROW(scatter_rows_8, reel_scatter_add(X(N / 8, 8), BELOW(N / 8, N / 8), 0, N / 8))
ROW(scatter_elements, reel_scatter_add(X(N), BELOW(ROWS, N), 0, ROWS))
ROW(scatter_one, reel_scatter_add(X(N), BELOW(1, N), 0, 1))
ROW(one_hot, reel_one_hot(BELOW(64, N / 64), 64, REEL_F32))
ROW(one_hot_10, reel_one_hot(BELOW(10, N / 10), 10, REEL_F32))
    /* clang-format on */

    static reel_tensor *record_embedding_gradient(program *p)
{
    reel_tensor *table = partly(p, X(16384, 64), 0), *y = reel_take(table, BELOW(16384, 16384), 0);
    return gradient_of(y, X(16384, 64), table);
}

static reel_tensor *record_max_pooling_gradient(program *p)
{
    reel_tensor *x = X(8, 32, 32, 2, 32, 2);
    return gradient_of(reel_max(x, REEL_AXES(3, 5), REEL_DROP), X(8, 32, 32, 32), x);
}

/* clang-format off */
#define A(name) { #name, NULL, record_##name },
#define BY(name, how) { #name, how, record_##name },
#define ALL_OVER(op)                                                                                                   \
    A(op##_all)                                                                                                        \
    A(op##_rows)                                                                                                       \
    A(op##_columns)                                                                                                    \
    A(op##_rows_2) A(op##_rows_3) A(op##_rows_10) A(op##_rows_49) A(op##_inner_3) A(op##_outer_3) A(op##_middle)       \
        A(op##_middle_2) A(op##_pooling)

static const row rows[] = {
    A(add) A(sub) A(mul) A(div) A(minimum) A(maximum) A(eq) A(ne) A(lt) A(le) A(gt) A(ge) A(neg) A(abs) A(sign) A(floor)
    A(sqrt) A(rsqrt) A(square) A(reciprocal) A(scale) A(shift) A(clip) A(relu) A(leaky_relu) A(where) A(add_row)
    A(add_column) A(maximum_row) A(maximum_scalar)
    BY(exp, "exp") BY(log, "log") BY(expm1, "expm1") BY(log1p, "log1p") BY(sin, "sin") BY(cos, "cos") BY(tanh, "tanh")
    BY(erf, "erf") BY(pow, "pow") BY(sigmoid, "tanh") BY(log_sigmoid, "exp, log1p") BY(softplus, "exp, log1p")
    BY(elu, "expm1") BY(silu, "tanh") BY(gelu, "erf") BY(gelu_tanh, "tanh")
    A(f32_to_i32) A(i32_to_f32) A(f32_to_f64) A(f64_to_f32) A(f64_to_i32) A(add_f64) A(maximum_f64) A(add_i32)
    A(mul_i32) A(maximum_i32) A(abs_i32) A(sign_i32) A(lt_i32) A(where_i32)
    ALL_OVER(sum) ALL_OVER(mean) ALL_OVER(max) ALL_OVER(min)
    A(argmax_all) A(argmax_rows) A(argmax_columns) A(argmax_rows_2) A(argmax_rows_3) A(argmax_rows_10)
    A(argmax_rows_49) A(argmax_inner_3) A(argmax_outer_3) A(argmax_middle)
    A(sum_rows_f64) A(max_rows_f64) A(max_columns_f64) A(argmax_rows_f64) A(sum_rows_i32) A(sum_columns_i32)
    A(sum_rows_3_i32) A(max_rows_i32) A(max_columns_i32)
    A(var_rows) BY(logsumexp_rows, "exp, log") BY(softmax_rows, "exp") BY(softmax_columns, "exp")
    BY(log_softmax_rows, "exp, log") BY(softmax_rows_10, "exp")
    A(reshape) A(transpose) A(transpose_odd) A(transpose_3) A(transpose_to_3) A(transpose_10) A(transpose_batch)
    A(transpose_f64) A(permute_middle) A(permute_heads) A(permute_channels) A(permute_channels_back) A(permute_patches)
    A(permute_reversed) A(slice_columns) A(slice_narrow) A(slice_step) A(slice_step_rows) A(slice_step_inner)
    A(flip_columns) A(flip_rows) A(flip_3) A(expand_rows) A(expand_columns) A(expand_3) A(pad_columns) A(pad_rows)
    A(pad_narrow) A(pad_image) A(pad_step) A(concat_rows) A(concat_columns) A(concat_narrow) A(stack_last)
    A(in_range) A(take_rows) A(take_rows_8) A(take_elements) A(take_columns) A(scatter_rows)
    A(scatter_rows_few) A(scatter_rows_8) A(scatter_elements) A(scatter_one) A(one_hot) A(one_hot_10)
    A(embedding_gradient) A(max_pooling_gradient)
};
/* clang-format on */

enum { COUNT = sizeof rows / sizeof *rows };

/* ---- Measuring --------------------------------------------------------------------------------------------------- */

static void write_input(reel_tensor *x, double low, double high)
{
    int64_t n = reel_count(x);
    float *f32 = malloc((size_t)n * sizeof *f32);
    int32_t *i32 = malloc((size_t)n * sizeof *i32);
    double *f64 = malloc((size_t)n * sizeof *f64);
    for (int64_t i = 0; f32 && i32 && f64 && i < n; i++)
        f32[i] = (float)(low + (high - low) * (double)bench_uniform()), i32[i] = (int32_t)f32[i],
        f64[i] = (double)f32[i];
    if (reel_dtype_of(x) == REEL_I32) reel_write_i32(x, i32, n);
    else if (reel_dtype_of(x) == REEL_F32) reel_write_f32(x, f32, n);
    if (reel_dtype_of(x) == REEL_F64) reel_write_f64(x, f64, n);
    free(f32), free(i32), free(f64);
}

/* One op, ready to run; false with the error printed. */
static bool make(program *p, reel_model *model, const row *r, int threads, double *bytes)
{
    p->tape = reel_tape_new(model, (reel_tape_options){ .threads = threads });
    reel_tensor *y = reel_keep(r->record(p), "y");
    for (int i = 0; i < p->count; i++) write_input(p->input[i], p->low[i], p->high[i]);
    if (reel_run(p->tape) != REEL_OK) {
        fprintf(stderr, "bench: %s: %s\n", r->name, reel_tape_error(p->tape));
        return false;
    }
    *bytes = bytes_of(y) - p->unread;
    for (int i = 0; i < p->count; i++) *bytes += bytes_of(p->input[i]);
    return true;
}

static int64_t same_bytes; /* elements of the `add` that an op is compared with */
static reel_tensor *add_of_size(program *p) { return reel_add(X(same_bytes), X(same_bytes)); }
static const row reference = { "add", NULL, add_of_size };

/* One thread is measured by the processor's time, which a busy machine disturbs less. */
static double cpu_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

/* The shortest of some runs. */
static double shortest(reel_tape *tape, bool alone, double best, double until)
{
    do {
        double start = alone ? cpu_time() : bench_now();
        reel_run(tape);
        double time = (alone ? cpu_time() : bench_now()) - start;
        if (time < best) best = time;
    } while (bench_now() < until);
    return best;
}

static bool measure(const row *r, int threads, double seconds)
{
    enum { TURNS = 6 }; /* by turns, so that a noisy moment meets both */
    program op = { 0 }, add = { 0 };
    double bytes, ignored, op_time = 1e30, add_time = 1e30;
    reel_model *model = reel_model_new((reel_model_options){ .seed = 1 });
    bool good = make(&op, model, r, threads, &bytes);
    same_bytes = good ? (int64_t)(bytes / 12) : 1;
    good = good && make(&add, model, &reference, threads, &ignored);
    for (int turn = 0; good && turn < TURNS; turn++) {
        double slice = 1e6 * seconds / (2 * TURNS);
        op_time = shortest(op.tape, threads == 1, op_time, bench_now() + slice);
        add_time = shortest(add.tape, threads == 1, add_time, bench_now() + slice);
    }
    double multiple = op_time / add_time;
    if (good)
        printf("%-22s %10.1f %10.2f  %s%s\n", r->name, op_time, multiple, r->how ? "by " : "", r->how ? r->how : "");
    if (good && multiple > 3 && !r->how) printf("%-22s above 3 without a polynomial\n", r->name);
    fflush(stdout);
    reel_tape_free(op.tape), reel_tape_free(add.tape);
    reel_model_free(model);
    return good;
}

static void list_names(void)
{
    for (int i = 0; i < COUNT; i++) fprintf(stderr, "%s%s", rows[i].name, i + 1 < COUNT ? " " : "\n");
}

int bench_ops(int threads, double seconds, int count, char *const *names)
{
    bool good = true;
    for (int k = 0; k < count; k++) {
        int i = 0;
        while (i < COUNT && strcmp(rows[i].name, names[k]) != 0) i++;
        if (i == COUNT) {
            fprintf(stderr, "bench: no op \"%s\"; there are: ", names[k]);
            return list_names(), 2;
        }
    }
    printf("%-22s %10s %10s\n", "op", "us", "of add");
    for (int i = 0; i < COUNT; i++) {
        bool chosen = count == 0;
        for (int k = 0; k < count; k++) chosen |= !strcmp(rows[i].name, names[k]);
        if (chosen) good &= measure(&rows[i], threads, seconds);
    }
    return good ? 0 : 1;
}
