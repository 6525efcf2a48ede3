/* Error messages, as text. A row is a status, the call that provokes the error, and its message. What holds for every
 * error of its kind (it sticks or does not, nothing has run, the model is as it was, clearing heals) is checked for
 * every row, by expect_recording(), expect_running() and expect_model().
 *
 * "@n" in a message stands for file and line of the call inside AT(n, …); 0 is the call that fails. A call inside AT
 * stands on one line, since compilers differ in the line of a macro that spans several. */
#include "fixture.h"

#include <math.h>
#include <reel/op.h>
#include <stdio.h>
#include <string.h>

/* ---- A small program on a small model ---------------------------------------------------------------------------- */

static int lines[10];
#define AT(n, call) (lines[n] = __LINE__, call)

static reel_tape *other;
static reel_tensor *x, *v, *s, *d, *idx, *wide,
    *empty;                        /* f32 [2,3], [4], []; f64 [2,3]; i32 [3]; f32 of rank 8, [2,0] */
static reel_tensor *w, *h, *loss;  /* parameter [3,2], state [2] that counts runs, their sum */
static reel_tensor *old, *foreign; /* from before a clear; on the other tape */

static void record(void)
{
    x = AT(1, reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3)));
    v = reel_input(tape, "v", REEL_F32, REEL_SHAPE(4));
    s = reel_input(tape, "s", REEL_F32, REEL_SCALAR);
    d = reel_input(tape, "d", REEL_F64, REEL_SHAPE(2, 3));
    idx = AT(2, reel_input(tape, "idx", REEL_I32, REEL_SHAPE(3)));
    wide = reel_input(tape, "wide", REEL_F32, REEL_SHAPE(1, 1, 1, 1, 1, 1, 1, 3));
    empty = reel_input(tape, "empty", REEL_F32, REEL_SHAPE(2, 0));
    w = AT(3, reel_parameter(x, "w", REEL_SHAPE(3, 2), reel_init_uniform(-1, 1)));
    h = AT(4, reel_state(tape, "h", REEL_F32, REEL_SHAPE(2)));
    reel_assign(h, reel_shift(h, 1));
    loss = AT(5, reel_keep(reel_sum(reel_matmul(x, w), REEL_ALL, REEL_DROP), "loss"));
}

static const float numbers[6] = { 1, 2, 3, 4, 5, 6 };

static void write_inputs(void)
{
    cr_assert_eq((reel_write_f32)(x, numbers, 6), REEL_OK);
    cr_assert_eq((reel_write_i32)(idx, (int32_t[]){ 0, 1, 2 }, 3), REEL_OK);
}

static void begin_small(reel_tape_options options)
{
    begin();
    record();
    write_inputs();
    cr_assert_eq(reel_run(tape), REEL_OK);
    if (options.evaluate || options.checked) {
        reel_tape_free(tape);
        tape = reel_tape_new(model, options);
    }
    reel_tape_clear(tape);
    old = AT(6, reel_input(tape, "old", REEL_F32, REEL_SHAPE(2, 3)));
    reel_tape_clear(tape);
    record();
    other = reel_tape_new(model, (reel_tape_options){ 0 });
    foreign = AT(7, reel_input(other, "foreign", REEL_F32, REEL_SHAPE(2, 3)));
}

static void end_small(void)
{
    reel_tape_free(other);
    end_after_error();
    other = NULL;
}

static void begin_training(void) { begin_small((reel_tape_options){ 0 }); }
static void begin_evaluating(void) { begin_small((reel_tape_options){ .evaluate = true }); }
static void begin_checked(void) { begin_small((reel_tape_options){ .checked = true }); }

/* What the model holds, to be compared byte by byte. */
typedef struct image {
    float w[6], h[2];
    int64_t runs;
} image;

static image image_now(void)
{
    image now;
    memset(&now, 0, sizeof now);
    cr_assert_eq(reel_model_read_f32(model, "w", now.w, 6), REEL_OK);
    cr_assert_eq(reel_model_read_f32(model, "h", now.h, 2), REEL_OK);
    now.runs = reel_model_runs(model);
    return now;
}

/* ---- What a row is, and what is checked for each ------------------------------------------------------------------ */

typedef struct result {
    reel_tensor *tensor;
    reel_list *list;
    reel_status status;
    double item;
    enum { TENSOR, LIST, STATUS, ITEM } kind;
} result;

static result of_tensor(reel_tensor *tensor) { return (result){ .tensor = tensor, .kind = TENSOR }; }
static result of_list(reel_list *list) { return (result){ .list = list, .kind = LIST }; }
static result of_status(reel_status status) { return (result){ .status = status, .kind = STATUS }; }
static result of_item(double item) { return (result){ .item = item, .kind = ITEM }; }
#define RESULT(call)                                                                                                   \
    _Generic((call), reel_tensor * : of_tensor, reel_list * : of_list, reel_status : of_status, double : of_item)(call)

static const char *expand(const char *template)
{
    static char text[2000];
    size_t used = 0;
    for (const char *p = template; *p; p++)
        if (*p == '@') used += (size_t)snprintf(text + used, sizeof text - used, "%s:%d", __FILE__, lines[*++p - '0']);
        else text[used++] = *p;
    text[used] = 0;
    return text;
}

static void expect_text(const char *row, const char *error, const char *template)
{
    cr_expect(error, "%s: is no error", row);
    if (error) cr_expect_str_eq(error, expand(template), "%s:\n  got  %s\n  want %s", row, error, expand(template));
}

static void expect_result(const char *row, result got, reel_status status)
{
    if (got.kind == TENSOR) cr_expect(reel_is_bad(got.tensor) && reel_tape_of(got.tensor) == tape, "%s: not bad", row);
    if (got.kind == LIST)
        cr_expect(reel_list_count(got.list) == 0 && reel_list_tape(got.list) == tape, "%s: a list", row);
    if (got.kind == STATUS) cr_expect_eq(got.status, status, "%s: returned %s", row, reel_status_text(got.status));
    if (got.kind == ITEM) cr_expect(isnan(got.item), "%s: returned %g", row, got.item);
    cr_expect_eq(reel_tape_status(tape), status, "%s: %s", row, reel_status_text(reel_tape_status(tape)));
}

static void expect_image(const char *row, const image *before)
{
    const image now = image_now();
    cr_expect_eq(memcmp(&now, before, sizeof now), 0, "%s: the model has changed", row);
}

static void expect_works(const char *row)
{
    write_inputs();
    cr_expect_null(reel_tape_error(tape), "%s: a write leaves %s", row, reel_tape_error(tape));
    cr_expect_eq((reel_run)(tape), REEL_OK, "%s: %s", row, reel_tape_error(tape));
    cr_expect(isfinite((reel_item)(loss)), "%s: no loss", row);
}

/* An error of recording sticks until the tape is cleared. Plain symbols, so that no line is added to the message. */
static void expect_recording(const char *row, const image *before, result got, reel_status status, const char *template)
{
    expect_text(row, reel_tape_error(tape), template);
    expect_result(row, got, status);
    reel_tensor *bad = (reel_exp)(x);
    if (got.kind == TENSOR) cr_expect_eq(got.tensor, bad, "%s: not the tape's bad tensor", row);
    cr_expect((reel_add)(x, bad) == bad && (reel_sum)(bad, REEL_ALL, REEL_DROP) == bad, "%s: does not stay bad", row);
    cr_expect_eq((reel_run)(tape), status, "%s: a run", row);
    cr_expect(isnan((reel_item)(loss)), "%s: a value can be read", row);
    expect_text(row, reel_tape_error(tape), template);
    expect_image(row, before);
    reel_tape_clear(tape);
    cr_expect(!reel_tape_error(tape) && reel_tape_status(tape) == REEL_OK, "%s: is not cleared", row);
    record();
    expect_works(row);
}

/* An error of a run, a read or a write belongs to that call: the recording is good, and the next write after somebody has
 * asked removes it. */
static void expect_running(const char *row, const image *before, result got, reel_status status, const char *template)
{
    expect_text(row, reel_tape_error(tape), template);
    expect_result(row, got, status);
    expect_image(row, before);
    cr_expect_not(reel_is_bad((reel_exp)(x)), "%s: sticks to the recording", row);
    cr_expect_eq((reel_write_f32)(x, numbers, 6), REEL_OK, "%s: a write", row);
    cr_expect_null(reel_tape_error(tape), "%s: outlasts a write", row);
    reel_tape_clear(tape);
    record();
    expect_works(row);
}

static void expect_model(const char *row, const image *before, result got, reel_status status, const char *template)
{
    expect_text(row, reel_model_error(model), template);
    cr_expect_eq(got.status, status, "%s", row);
    expect_image(row, before);
    cr_expect_null(reel_tape_error(tape), "%s: is on the tape", row);
    expect_works(row);
}

#define ROW(name, start, expect, status, text, call)                                                                   \
    do {                                                                                                               \
        start();                                                                                                       \
        const image before = image_now();                                                                              \
        expect(name, &before, RESULT(call), status, text);                                                             \
        end_small();                                                                                                   \
    } while (0)

/* The message ends with the call's own line. */
#define RECORDING(status, text, call) ROW(#call, begin_training, expect_recording, status, text "  at @0", call)
#define EVALUATING(status, text, call) ROW(#call, begin_evaluating, expect_recording, status, text "  at @0", call)
#define RUNNING(status, text, call) ROW(#call, begin_training, expect_running, status, text, call)
#define CHECKED(status, text, call) ROW(#call, begin_checked, expect_running, status, text, call)
#define MODEL(status, text, call) ROW(#call, begin_training, expect_model, status, text, call)

/* ---- Shapes, dtypes and axes -------------------------------------------------------------------------------------- */

#define FLOATS "it takes f32 or f64 (use reel_cast)"
#define LIKE(a, b) a " and " b " do not mix (use reel_cast)"

static reel_tensor *less(void) { return reel_lt(x, x); }

Test(errors, of_pointwise_ops)
{
    RECORDING(REEL_BAD_SHAPE, "add: shapes do not broadcast: [2,3] and [4]", AT(0, reel_add(x, v)));
    RECORDING(REEL_BAD_SHAPE, "where: shapes do not broadcast: [2,3] and [2,3] and [4]",
              AT(0, reel_where(less(), x, v)));
    RECORDING(REEL_BAD_DTYPE, "mul: " LIKE("f32", "f64"), AT(0, reel_mul(x, d)));
    RECORDING(REEL_BAD_DTYPE, "lt: " LIKE("f32", "i32"), AT(0, reel_lt(x, idx)));
    RECORDING(REEL_BAD_DTYPE, "exp: operand 1 is i32; " FLOATS, AT(0, reel_exp(idx)));
    RECORDING(REEL_BAD_DTYPE, "pow: operand 2 is i32; " FLOATS, AT(0, reel_pow(x, idx)));
    RECORDING(REEL_BAD_DTYPE, "where: the condition is f32; a comparison gives i32", AT(0, reel_where(x, x, x)));
    RECORDING(REEL_BAD_DTYPE, "where: " LIKE("f32", "f64"), AT(0, reel_where(less(), x, d)));
}

/* Through the plain symbols, as a binding or a function pointer would; then nobody knows a line. */
Test(errors, of_each_op_begin_with_its_name)
{
    typedef reel_tensor *unary(reel_tensor * a);
    typedef reel_tensor *binary(reel_tensor * a, reel_tensor * b);
    static const struct {
        const char *name;
        unary *op;
    } floats[] = {
        { "floor", reel_floor }, { "exp", reel_exp },   { "log", reel_log },     { "expm1", reel_expm1 },
        { "log1p", reel_log1p }, { "sin", reel_sin },   { "cos", reel_cos },     { "tanh", reel_tanh },
        { "erf", reel_erf },     { "sqrt", reel_sqrt }, { "rsqrt", reel_rsqrt },
    };
    static const struct {
        const char *name;
        binary *op;
    } pairs[] = {
        { "add", reel_add }, { "sub", reel_sub },         { "mul", reel_mul },         { "div", reel_div },
        { "pow", reel_pow }, { "minimum", reel_minimum }, { "maximum", reel_maximum }, { "eq", reel_eq },
        { "ne", reel_ne },   { "lt", reel_lt },           { "le", reel_le },
    };
    char text[200];
    for (size_t k = 0; k < sizeof floats / sizeof *floats; k++) {
        snprintf(text, sizeof text, "%s: operand 1 is i32; " FLOATS, floats[k].name);
        ROW(floats[k].name, begin_training, expect_recording, REEL_BAD_DTYPE, text, floats[k].op(idx));
    }
    for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
        snprintf(text, sizeof text, "%s: shapes do not broadcast: [2,3] and [4]", pairs[k].name);
        ROW(pairs[k].name, begin_training, expect_recording, REEL_BAD_SHAPE, text, pairs[k].op(x, v));
        snprintf(text, sizeof text, "%s: " LIKE("f32", "f64"), pairs[k].name);
        ROW(pairs[k].name, begin_training, expect_recording, REEL_BAD_DTYPE, text, pairs[k].op(x, d));
        snprintf(text, sizeof text, "%s: operand 2 is NULL", pairs[k].name);
        ROW(pairs[k].name, begin_training, expect_recording, REEL_BAD_ARGUMENT, text, pairs[k].op(x, NULL));
    }
}

Test(errors, of_reductions)
{
    RECORDING(REEL_BAD_ARGUMENT, "sum: there is no axis 2 in [2,3]", AT(0, reel_sum(x, REEL_AXES(2), REEL_DROP)));
    RECORDING(REEL_BAD_ARGUMENT, "sum: there is no axis -3 in [2,3]", AT(0, reel_sum(x, REEL_AXES(-3), REEL_DROP)));
    RECORDING(REEL_BAD_ARGUMENT, "sum: there is no axis 0 in []", AT(0, reel_sum(s, REEL_AXES(0), REEL_DROP)));
    RECORDING(REEL_BAD_ARGUMENT, "sum: axis 1 twice for [2,3]", AT(0, reel_sum(x, REEL_AXES(1, -1), REEL_DROP)));
    RECORDING(REEL_BAD_ARGUMENT, "max: there is no axis 2 in [2,3]", AT(0, reel_max(x, REEL_AXES(2), REEL_KEEP)));
    RECORDING(REEL_BAD_ARGUMENT, "max: 9 axes for [2,3]", AT(0, reel_max(x, (reel_axes){ .count = 9 }, REEL_KEEP)));
    RECORDING(REEL_BAD_ARGUMENT, "argmax: there is no axis -3 in [2,3]", AT(0, reel_argmax(x, -3)));
    RECORDING(REEL_BAD_SHAPE, "max: axis 1 of [2,0] is empty", AT(0, reel_max(empty, REEL_AXES(1), REEL_DROP)));
    RECORDING(REEL_BAD_SHAPE, "max: axis 1 of [2,0] is empty", AT(0, reel_max(empty, REEL_ALL, REEL_DROP)));
    RECORDING(REEL_BAD_SHAPE, "min: axis 1 of [2,0] is empty", AT(0, reel_min(empty, REEL_AXES(0, 1), REEL_DROP)));
    RECORDING(REEL_BAD_ARGUMENT, "min: axis 1 twice for [2,3]", AT(0, reel_min(x, REEL_AXES(1, -1), REEL_DROP)));
    RECORDING(REEL_BAD_ARGUMENT, "min: there is no axis 2 in [2,3]", AT(0, reel_min(x, REEL_AXES(2), REEL_KEEP)));
    RECORDING(REEL_BAD_SHAPE, "argmax: axis 1 of [2,0] is empty", AT(0, reel_argmax(empty, 1)));
    RECORDING(REEL_BAD_DTYPE, "mean: operand 1 is i32; " FLOATS, AT(0, reel_mean(idx, REEL_ALL, REEL_DROP)));
}

static reel_tensor *batch(int64_t n, int64_t rows, int64_t columns)
{
    char name[30];
    snprintf(name, sizeof name, "batch%d", (int)n);
    return reel_input(tape, name, REEL_F32, REEL_SHAPE(n, rows, columns));
}

Test(errors, of_products)
{
    RECORDING(REEL_BAD_SHAPE, "matmul: inner sizes differ: [2,3] x [2,3] (did you mean reel_transpose?)",
              AT(0, reel_matmul(x, x)));
    RECORDING(REEL_BAD_SHAPE, "matmul: inner sizes differ: [2,3] x [4]", AT(0, reel_matmul(x, v)));
    RECORDING(REEL_BAD_SHAPE, "matmul: a scalar has no rows: [] x [2,3]", AT(0, reel_matmul(s, x)));
    RECORDING(REEL_BAD_SHAPE, "matmul: leading axes do not broadcast: [2,4,3] x [5,3,4]",
              AT(0, reel_matmul(batch(2, 4, 3), batch(5, 3, 4))));
    RECORDING(REEL_BAD_SHAPE, "contract: \"mk,kn->mn\" does not fit [2,3] and [2,3]: k is 3 in one and 2 in the other",
              AT(0, reel_contract(x, x, "mk,kn->mn")));
    RECORDING(REEL_BAD_SHAPE, "contract: \"mk,kn->mn\" does not fit [2,3] and [4]: \"kn\" is not the axes of operand 2",
              AT(0, reel_contract(x, v, "mk,kn->mn")));
    RECORDING(REEL_BAD_DTYPE, "contract: " LIKE("f32", "f64"), AT(0, reel_contract(x, d, "mk,nk->mn")));
    RECORDING(REEL_BAD_DTYPE, "contract: operand 2 is i32; " FLOATS, AT(0, reel_contract(x, idx, "mk,k->m")));
}

static const reel_shape nine = { .rank = 9 };

Test(errors, of_views_and_parts)
{
    RECORDING(REEL_BAD_SHAPE, "reshape: [2,3] has 6 elements and cannot become [4]",
              AT(0, reel_reshape(x, REEL_SHAPE(4))));
    RECORDING(REEL_BAD_SHAPE, "reshape: [2,3] has 6 elements and cannot become [-1,4]",
              AT(0, reel_reshape(x, REEL_SHAPE(-1, 4))));
    RECORDING(REEL_BAD_SHAPE, "reshape: [2,3] has 6 elements and cannot become [-1,-1]",
              AT(0, reel_reshape(x, REEL_SHAPE(-1, -1))));
    RECORDING(REEL_BAD_SHAPE, "reshape: [2,3] has 6 elements and cannot become [-2,-3]",
              AT(0, reel_reshape(x, REEL_SHAPE(-2, -3))));
    RECORDING(REEL_BAD_SHAPE, "reshape: 9 dimensions; at most 8 are possible", AT(0, reel_reshape(x, nine)));
    RECORDING(REEL_BAD_ARGUMENT, "permute: 3 axes for [2,3]", AT(0, reel_permute(x, REEL_AXES(0, 1, 2))));
    RECORDING(REEL_BAD_ARGUMENT, "permute: there is no axis 2 in [2,3]", AT(0, reel_permute(x, REEL_AXES(0, 2))));
    RECORDING(REEL_BAD_ARGUMENT, "permute: axis 0 twice for [2,3]", AT(0, reel_permute(x, REEL_AXES(0, -2))));
    RECORDING(REEL_BAD_SHAPE, "transpose: [4] has no last two axes", AT(0, reel_transpose(v)));
    RECORDING(REEL_BAD_SHAPE, "expand: [2,3] does not broadcast to [2,4]", AT(0, reel_expand(x, REEL_SHAPE(2, 4))));
    RECORDING(REEL_BAD_SHAPE, "expand: [2,3] does not broadcast to [3]", AT(0, reel_expand(x, REEL_SHAPE(3))));
    RECORDING(REEL_BAD_SHAPE, "expand: a size is negative: [-3]", AT(0, reel_expand(s, REEL_SHAPE(-3))));
    RECORDING(REEL_BAD_ARGUMENT, "slice: there is no axis 2 in [2,3]", AT(0, reel_slice(x, 2, 0, 1)));
    RECORDING(REEL_BAD_ARGUMENT, "slice: 0 … 4 is not within axis 1 of [2,3]", AT(0, reel_slice(x, 1, 0, 4)));
    RECORDING(REEL_BAD_ARGUMENT, "slice: -4 … 2 is not within axis 1 of [2,3]", AT(0, reel_slice(x, -1, -4, 2)));
    RECORDING(REEL_BAD_ARGUMENT, "slice: the step is 0; it must be at least 1", AT(0, reel_slice_step(x, 1, 0, 3, 0)));
    RECORDING(REEL_BAD_ARGUMENT, "pad: there is no axis 2 in [2,3]", AT(0, reel_pad(x, 2, 0, 1)));
    RECORDING(REEL_BAD_ARGUMENT, "flip: there is no axis 5 in [2,3]", AT(0, reel_flip(x, REEL_AXES(5))));
    RECORDING(REEL_BAD_ARGUMENT, "flip: axis 1 twice for [2,3]", AT(0, reel_flip(x, REEL_AXES(1, 1))));
    RECORDING(REEL_BAD_SHAPE, "concat: part 2 is [4], the first [2,3]; they may differ in axis 0 only",
              AT(0, reel_concat((reel_tensor *[]){ x, v }, 2, 0)));
    RECORDING(REEL_BAD_DTYPE, "concat: " LIKE("f32", "f64"), AT(0, reel_concat((reel_tensor *[]){ x, d }, 2, 0)));
    RECORDING(REEL_BAD_ARGUMENT, "concat: there is no axis 2 in [2,3]",
              AT(0, reel_concat((reel_tensor *[]){ x, x }, 2, 2)));
    RECORDING(REEL_BAD_ARGUMENT, "unsqueeze: no new axis 4 in [2,3]", AT(0, reel_unsqueeze(x, 4)));
    RECORDING(REEL_BAD_ARGUMENT, "squeeze: there is no axis 2 in [2,3]", AT(0, reel_squeeze(x, 2)));
    RECORDING(REEL_BAD_SHAPE, "squeeze: axis 0 of [2,3] is not of size 1", AT(0, reel_squeeze(x, 0)));
}

Test(errors, of_ops_with_indices)
{
    RECORDING(REEL_BAD_ARGUMENT, "take: there is no axis 2 in [2,3]", AT(0, reel_take(x, idx, 2)));
    RECORDING(REEL_BAD_SHAPE, "take: 9 dimensions; at most 8 are possible",
              AT(0, reel_take(wide, reel_reshape(idx, REEL_SHAPE(3, 1)), -1)));
    RECORDING(REEL_BAD_ARGUMENT, "take_along_axis: there is no axis -3 in [2,3]",
              AT(0, reel_take_along_axis(x, reel_iota(x, 2), -3)));
    RECORDING(REEL_BAD_DTYPE, "take_along_axis: indices are i32, not f32 (use reel_cast)",
              AT(0, reel_take_along_axis(x, x, 1)));
    RECORDING(REEL_BAD_SHAPE, "take_along_axis: x [2,3] and the indices [2] do not have the same axes but for axis 1",
              AT(0, reel_take_along_axis(x, reel_iota(x, 2), 1)));
    RECORDING(REEL_BAD_SHAPE, "take_along_axis: x [2,3] and the indices [3,2] do not have the same axes but for axis 1",
              AT(0, reel_take_along_axis(x, reel_reshape(reel_iota(x, 6), REEL_SHAPE(3, 2)), 1)));
    RECORDING(REEL_BAD_ARGUMENT, "take_along_axis: operand 2 is NULL", AT(0, reel_take_along_axis(x, NULL, 1)));
    RECORDING(REEL_TOO_LARGE, "take_along_axis: x has 3000000000 elements; at most 2147483647 are possible",
              AT(0, reel_take_along_axis(reel_expand(reel_number(x, 1), REEL_SHAPE(3, 1000000000)),
                                         reel_reshape(reel_iota(x, 1), REEL_SHAPE(1, 1)), 1)));
    RECORDING(REEL_TOO_LARGE, "expand: the number of bytes of [2147483648,2147483648,1] overflows",
              AT(0, reel_take_along_axis(reel_expand(reel_number(x, 1), REEL_SHAPE(1, (int64_t)1 << 31, 1)),
                                         reel_expand(reel_number(idx, 0), REEL_SHAPE((int64_t)1 << 31, 1, 1)), 2)));
    RECORDING(REEL_BAD_DTYPE, "in_range: indices are i32, not f32 (use reel_cast)", AT(0, reel_in_range(v, 4)));
    RECORDING(REEL_BAD_ARGUMENT, "in_range: the size is -1", AT(0, reel_in_range(idx, -1)));
    RECORDING(REEL_BAD_ARGUMENT, "scatter_add: axis 2 and size 4 do not fit [2,3] with indices [3]",
              AT(0, reel_scatter_add(x, idx, 2, 4)));
    RECORDING(REEL_BAD_SHAPE, "scatter_add: the indices [3] are not the axes of [2,3] from axis 0 on",
              AT(0, reel_scatter_add(x, idx, 0, 4)));
    RECORDING(REEL_TOO_LARGE, "scatter_add: 2147483648 indices; at most 2147483647 are possible",
              AT(0, reel_scatter_add(reel_expand(s, REEL_SHAPE(1ll << 31)),
                                     reel_expand(reel_slice(idx, 0, 0, 1), REEL_SHAPE(1ll << 31)), 0, 4)));
    RECORDING(REEL_BAD_DTYPE, "scatter_add: operand 1 is i32; " FLOATS, AT(0, reel_scatter_add(idx, idx, 0, 4)));
    RECORDING(REEL_BAD_ARGUMENT, "iota: 2147483648 is not within 0 … 2147483647",
              AT(0, reel_one_hot(idx, 1ll << 31, REEL_F32)));
    RECORDING(REEL_TOO_LARGE, "one_hot: the number of bytes of [1073741824,3,2147483647] overflows",
              AT(0, reel_one_hot(reel_expand(idx, REEL_SHAPE(1 << 30, 3)), INT32_MAX, REEL_F32)));
    RECORDING(REEL_BAD_ARGUMENT, "iota: -1 is not within 0 … 2147483647", AT(0, reel_iota(x, -1)));
    RECORDING(REEL_BAD_DTYPE, "uniform: draws are f32 or f64, not i32 as idx [3] (@2)",
              AT(0, reel_uniform(idx, "u", REEL_SHAPE(2))));
    RECORDING(REEL_BAD_SHAPE, "uniform: 9 dimensions; at most 8 are possible", AT(0, reel_uniform(x, "u", nine)));
    RECORDING(REEL_BAD_SHAPE, "normal: 8 dimensions; at most 7 are possible",
              AT(0, reel_normal(x, "u", reel_shape_of(wide))));
    RECORDING(REEL_BAD_SHAPE, "uniform: a size is negative: [2,-1]", AT(0, reel_uniform(x, "u", REEL_SHAPE(2, -1))));
}

#define MANY INT64_C(1099511627776)

/* As many as one axis may have, and no two. */
#if PTRDIFF_MAX > INT32_MAX
#define MOST MANY
#define MOST_TEXT "1099511627776"
#else
#define MOST INT64_C(67108864)
#define MOST_TEXT "67108864"
#endif

Test(errors, of_sizes_that_overflow)
{
    RECORDING(REEL_TOO_LARGE, "input: the number of bytes of \"big\" [1099511627776,1099511627776] overflows",
              AT(0, reel_input(tape, "big", REEL_F32, REEL_SHAPE(MANY, MANY))));
    RECORDING(REEL_TOO_LARGE, "input: the number of bytes of \"big\" [1099511627776,0,1099511627776] overflows",
              AT(0, reel_input(tape, "big", REEL_F32, REEL_SHAPE(MANY, 0, MANY))));
    RECORDING(REEL_TOO_LARGE, "expand: the number of bytes of [1099511627776,1048576] overflows",
              AT(0, reel_expand(s, REEL_SHAPE(MANY, 1048576))));
    RECORDING(REEL_TOO_LARGE, "contract: the number of bytes of [" MOST_TEXT "," MOST_TEXT "] overflows",
              AT(0, reel_contract(reel_expand(s, REEL_SHAPE(MOST)), reel_expand(s, REEL_SHAPE(MOST)), "m,n->mn")));
    RECORDING(REEL_TOO_LARGE, "pad: the size of axis 1 of [2,3] overflows", AT(0, reel_pad(x, 1, INT64_MAX, 0)));
    RECORDING(REEL_TOO_LARGE, "uniform: the number of bytes of [1099511627776,1099511627776] overflows",
              AT(0, reel_uniform(x, "u", REEL_SHAPE(MANY, MANY))));
}

/* ---- Operands: NULL, of another tape, from before a clear --------------------------------------------------------- */

static reel_tensor *bad_elsewhere(void)
{
    return AT(8, reel_transpose(reel_exp(reel_reshape(foreign, REEL_SHAPE(6)))));
}

static reel_tensor *bad_before(void)
{
    reel_tensor *bad = reel_transpose(v);
    reel_tape_clear(tape);
    record();
    return bad;
}

static reel_list *stale_list(void)
{
    reel_list *list = reel_parameters(loss, NULL);
    reel_tape_clear(tape);
    record();
    return list;
}

Test(errors, of_operands_that_cannot_be_used)
{
    RECORDING(REEL_BAD_ARGUMENT, "add: operand 1 is NULL", AT(0, reel_add(NULL, x)));
    RECORDING(REEL_BAD_ARGUMENT, "matmul: operand 2 is NULL", AT(0, reel_matmul(x, NULL)));
    RECORDING(REEL_BAD_ARGUMENT, "where: operand 3 is NULL", AT(0, reel_where(less(), x, NULL)));
    RECORDING(REEL_BAD_ARGUMENT, "where: operand 1 is NULL", AT(0, reel_where(NULL, x, x)));
    RECORDING(REEL_BAD_ARGUMENT, "concat: operand 1 is NULL", AT(0, reel_concat((reel_tensor *[]){ NULL, x }, 2, 0)));
    RECORDING(REEL_BAD_ARGUMENT, "take: operand 1 is NULL", AT(0, reel_take(NULL, idx, 0)));
    RECORDING(REEL_BAD_ARGUMENT, "assign: the value is NULL", AT(0, reel_assign(h, NULL)));
    RECORDING(REEL_BAD_ARGUMENT, "eval: a tensor is NULL", AT(0, reel_eval(tape, (reel_tensor *[]){ NULL }, 1)));
    RECORDING(REEL_BAD_ARGUMENT, "with_push: parameters is NULL", AT(0, reel_with_push(tape, NULL, NULL)));
    RECORDING(REEL_BAD_STATE, "add: operand 2 belongs to another tape than the rest: foreign [2,3] (@7)",
              AT(0, reel_add(x, foreign)));
    RECORDING(REEL_BAD_STATE, "matmul: operand 2 belongs to another tape than the rest: foreign [2,3] (@7)",
              AT(0, reel_matmul(x, foreign)));
    RECORDING(REEL_BAD_STATE, "assign: the value belongs to another tape than the rest: foreign [2,3] (@7)",
              AT(0, reel_assign(h, foreign)));
    RECORDING(REEL_BAD_STATE,
              "add: operand 2 is the result of an error on another tape: transpose: [6] has no last two axes  at @8",
              AT(0, reel_add(x, bad_elsewhere())));
    RECORDING(REEL_BAD_STATE, "exp: operand 1 is from before reel_tape_clear() (recorded at @6)", AT(0, reel_exp(old)));
    RECORDING(REEL_BAD_STATE, "add: operand 2 is from before reel_tape_clear() (recorded at @6)",
              AT(0, reel_add(x, old)));
    RECORDING(REEL_BAD_STATE, "matmul: operand 1 is from before reel_tape_clear() (recorded at @6)",
              AT(0, reel_matmul(old, w)));
    RECORDING(REEL_BAD_STATE, "keep: the tensor is from before reel_tape_clear() (recorded at @6)",
              AT(0, reel_keep(old, "k")));
    RECORDING(REEL_BAD_STATE, "eval: a tensor is from before reel_tape_clear() (recorded at @6)",
              AT(0, reel_eval(tape, &old, 1)));
    RECORDING(REEL_BAD_STATE, "gradient: the loss is from before reel_tape_clear() (recorded at @6)",
              AT(0, reel_gradient(old, w)));
    RECORDING(REEL_BAD_STATE,
              "exp: operand 1 is the result of an error before reel_tape_clear(), "
              "or of a look-up in a list that found nothing",
              AT(0, reel_exp(bad_before())));
    RECORDING(REEL_BAD_STATE, "with_push: parameters is a list from before reel_tape_clear()",
              AT(0, reel_with_push(tape, stale_list(), NULL)));
    RECORDING(REEL_BAD_STATE, "with_push: parameters is a list of another tape",
              AT(0, reel_with_push(tape, reel_list_new(other), NULL)));
}

Test(errors, of_a_stale_handle_end_when_the_same_call_is_recorded_again)
{
    begin_training();
    reel_tensor *again = reel_input(tape, "old", REEL_F32, REEL_SHAPE(2, 3));
    cr_expect_not(reel_is_bad(reel_exp(again)));
    cr_expect_null(reel_tape_error(tape));
    end_small();
}

/* ---- Names, scopes, leaves ---------------------------------------------------------------------------------------- */

#define TWICE(what, name) what ": the name \"" name "\" is used twice in one entry of its scope, first at @8 "
#define SHARE "(to share weights, enter a scope again with reel_scope_push)"
#define ANOTHER "(take another name, or enter a scope)"
#define STATE "(a second optimiser needs another .state_prefix, the prefix of its states' names)"
#define NO_NAME "is no name: it may not have '*', '!', ',', '\"', a control character or an empty part"

#define P(name) reel_parameter(x, name, REEL_SHAPE(2), reel_init_zeros())
#define THEN(before, call) ((void)AT(8, before), call)

Test(errors, of_names)
{
    RECORDING(REEL_BAD_NAME, TWICE("parameter", "p") SHARE, AT(0, THEN(P("p"), P("p"))));
    RECORDING(REEL_BAD_NAME, TWICE("layer", "p") SHARE, AT(0, THEN(reel_linear(x, "p", 2), reel_linear(x, "p", 2))));
    RECORDING(REEL_BAD_NAME, TWICE("keep", "p") ANOTHER, AT(0, THEN(reel_keep(x, "p"), reel_keep(w, "p"))));
    RECORDING(REEL_BAD_NAME, TWICE("state", "p") STATE,
              AT(0, THEN(reel_uniform(x, "p", REEL_SCALAR), reel_state(tape, "p", REEL_F32, REEL_SCALAR))));
    RECORDING(REEL_BAD_NAME, "parameter: a name is needed, not \"\"", AT(0, P("")));
    RECORDING(REEL_BAD_NAME, "keep: a name is needed, not NULL", AT(0, reel_keep(x, NULL)));
    RECORDING(REEL_BAD_NAME, "parameter: \"a//b\" " NO_NAME, AT(0, P("a//b")));
    RECORDING(REEL_BAD_NAME, "parameter: \"/a\" " NO_NAME, AT(0, P("/a")));
    RECORDING(REEL_BAD_NAME, "parameter: \"gr\xf6\xdf\" is no name: it is not UTF-8", AT(0, P("gr\xf6\xdf")));
    RECORDING(REEL_BAD_NAME, "parameter: the name \"__metadata__\" is taken by the format of model files",
              AT(0, P("__metadata__")));
    RECORDING(REEL_BAD_NAME, "input: \"a/\" " NO_NAME, AT(0, reel_input(tape, "a/", REEL_F32, REEL_SCALAR)));
    RECORDING(REEL_BAD_NAME, "layer: \"*\" " NO_NAME, AT(0, reel_linear(x, "*", 2)));
    RECORDING(REEL_BAD_NAME, "scope_push: \"!a\" " NO_NAME, AT(0, reel_scope_push(tape, "!a")));
    RECORDING(REEL_BAD_NAME, "scope_push: \"a,b\" " NO_NAME, AT(0, reel_scope_push(tape, "%s", "a,b")));
    RECORDING(REEL_BAD_NAME, "scope_push: a name is needed, not \"\"", AT(0, reel_scope_push(tape, "%s", "")));
    RECORDING(REEL_BAD_NAME, "scope_push: a name longer than 255 characters", AT(0, reel_scope_push(tape, "%300d", 1)));
    RECORDING(REEL_BAD_NAME, "find: nothing is kept as \"los\" (did you mean \"loss\"?)",
              AT(0, reel_find(tape, "los")));
    RECORDING(REEL_BAD_NAME, "find: nothing is kept as \"something else\"", AT(0, reel_find(tape, "something else")));
}

/* The call in a second entry of scope "a", after `before` in the first. */
#define AGAIN(before, call)                                                                                            \
    (reel_scope_push(tape, "a"), (void)before, reel_scope_pop(tape), reel_scope_push(tape, "a"), call)
#define A_W reel_parameter(x, "w", REEL_SHAPE(3, 2), reel_init_zeros())

Test(errors, of_names_used_again_for_something_else)
{
    RECORDING(REEL_BAD_NAME, "parameter: \"a/w\" exists as parameter f32 [3,2], not as f32 [2,2]  in a",
              AT(0, AGAIN(A_W, reel_parameter(x, "w", REEL_SHAPE(2, 2), reel_init_zeros()))));
    RECORDING(REEL_BAD_NAME, "parameter: \"a/w\" exists as parameter f32 [3,2], not as f64 [3,2]  in a",
              AT(0, AGAIN(A_W, reel_parameter(d, "w", REEL_SHAPE(3, 2), reel_init_zeros()))));
    RECORDING(REEL_BAD_NAME, "state: \"a/w\" exists as a parameter  in a",
              AT(0, AGAIN(A_W, reel_state(tape, "w", REEL_F32, REEL_SHAPE(3, 2)))));
    RECORDING(REEL_BAD_NAME, "state: \"a/w\" exists as parameter f32 [3,2], not as f32 [2]  in a",
              AT(0, AGAIN(A_W, reel_state(tape, "w", REEL_F32, REEL_SHAPE(2)))));
    RECORDING(REEL_BAD_NAME, "parameter: \"a/w\" exists as a state  in a",
              AT(0, AGAIN(reel_state(tape, "w", REEL_F32, REEL_SHAPE(2)), P("w"))));
    RECORDING(
        REEL_BAD_NAME, "state: \"a/w\" exists as state f32 [2], not as i32 [2]  in a",
        AT(0, AGAIN(reel_state(tape, "w", REEL_F32, REEL_SHAPE(2)), reel_state(tape, "w", REEL_I32, REEL_SHAPE(2)))));
    RECORDING(
        REEL_BAD_NAME, "input: \"a/x\" exists as input f32 [2], not as f32 [3]  in a",
        AT(0, AGAIN(reel_input(tape, "x", REEL_F32, REEL_SHAPE(2)), reel_input(tape, "x", REEL_F32, REEL_SHAPE(3)))));
}

#define SEALED(call) (reel_model_seal(model), call)

Test(errors, of_names_that_the_model_does_not_have)
{
    RECORDING(REEL_BAD_NAME, "parameter: the model is sealed and has no \"ww\" (did you mean \"w\"?)",
              AT(0, SEALED(reel_parameter(x, "ww", REEL_SHAPE(2), reel_init_zeros()))));
    RECORDING(REEL_BAD_NAME, "state: the model is sealed and has no \"something/else\"",
              AT(0, SEALED(reel_state(tape, "something/else", REEL_F32, REEL_SCALAR))));
    RECORDING(REEL_BAD_NAME, "parameter: the model is sealed and has no \"out/w\"  in out",
              AT(0, SEALED(reel_linear(x, "out", 2))));
    EVALUATING(REEL_BAD_NAME,
               "parameter: an evaluating tape makes no parameters and the model has no \"ww\" (did you mean \"w\"?)",
               AT(0, reel_parameter(x, "ww", REEL_SHAPE(2), reel_init_zeros())));
    EVALUATING(REEL_BAD_STATE, "assign: an evaluating tape never writes the parameter w [3,2] (@3)",
               AT(0, reel_assign(w, w)));
}

static reel_tensor *e(void) { return AT(8, reel_exp(x)); }

Test(errors, of_leaves_and_assignments)
{
    RECORDING(REEL_BAD_SHAPE, "input: \"in\" has 9 dimensions; at most 8 are possible",
              AT(0, reel_input(tape, "in", REEL_F32, nine)));
    RECORDING(REEL_BAD_SHAPE, "input: \"in\" has a negative size: [2,-1]",
              AT(0, reel_input(tape, "in", REEL_F32, REEL_SHAPE(2, -1))));
    RECORDING(REEL_BAD_SHAPE, "state: \"in\" has a negative size: [-2]",
              AT(0, reel_state(tape, "in", REEL_F32, REEL_SHAPE(-2))));
    RECORDING(REEL_BAD_DTYPE, "parameter: \"p\" would be i32, as idx [3] (@2); use reel_cast() on like first",
              AT(0, reel_parameter(idx, "p", REEL_SCALAR, reel_init_zeros())));
    RECORDING(REEL_BAD_ARGUMENT, "assign: the target exp [2,3] (@8) is no parameter or state",
              AT(0, reel_assign(e(), x)));
    RECORDING(REEL_BAD_ARGUMENT, "assign: the target x [2,3] (@1) is no parameter or state", AT(0, reel_assign(x, x)));
    RECORDING(REEL_BAD_DTYPE, "assign: w is f32 and the value is f64 (use reel_cast)", AT(0, reel_assign(w, d)));
    RECORDING(REEL_BAD_SHAPE, "assign: w is [3,2] and the value is [2,3]", AT(0, reel_assign(w, x)));
    RECORDING(REEL_BAD_STATE, "assign: a second assignment to h [2] (@4) in one program", AT(0, reel_assign(h, h)));
}

/* ---- Scopes and replacements -------------------------------------------------------------------------------------- */

static reel_list *list_of(reel_tensor *a, reel_tensor *b)
{
    reel_list *list = reel_list_new(tape);
    if (a) reel_list_append(list, NULL, a);
    if (b) reel_list_append(list, NULL, b);
    return list;
}

static reel_status own_message(void)
{
    reel_scope_push(tape, "a");
    AT(0, reel_fail(tape, REEL_BAD_SHAPE, "my_layer: %d channels, not %d", 2, 3));
    return REEL_BAD_SHAPE;
}

#define OPEN(call) (reel_scope_push(tape, "a"), call)
#define WITH_OPEN(call) (reel_with_push(tape, list_of(w, NULL), list_of(w, NULL)), call)

Test(errors, of_scopes_and_replacements)
{
    RECORDING(REEL_BAD_STATE, "run: the scope \"a\" is still open (reel_scope_pop is missing)  in a",
              AT(0, OPEN(reel_run(tape))));
    RECORDING(REEL_BAD_STATE, "eval: the scope \"a\" is still open (reel_scope_pop is missing)  in a",
              AT(0, OPEN(reel_eval(tape, &loss, 1))));
    RECORDING(REEL_BAD_STATE, "scope_pop: no scope is open", AT(0, reel_scope_pop(tape)));
    RECORDING(REEL_BAD_STATE, "with_pop: no reel_with_push() is open", AT(0, reel_with_pop(tape)));
    RECORDING(REEL_BAD_STATE, "run: a reel_with_push() is still open (reel_with_pop is missing)",
              AT(0, WITH_OPEN(reel_run(tape))));
    RECORDING(REEL_BAD_ARGUMENT, "list_of: a tensor is NULL", AT(0, reel_list_of((reel_tensor *[]){ w, NULL }, 2)));
    RECORDING(REEL_BAD_ARGUMENT, "with_push: 2 parameters and 0 values",
              AT(0, reel_with_push(tape, list_of(w, w), list_of(NULL, NULL))));
    RECORDING(REEL_BAD_ARGUMENT, "with_push: x [2,3] (@1) is no parameter",
              AT(0, reel_with_push(tape, list_of(x, NULL), list_of(x, NULL))));
    RECORDING(REEL_BAD_SHAPE, "with_push: the parameter w is f32 [3,2] and its value f32 [2,3]",
              AT(0, reel_with_push(tape, list_of(w, NULL), list_of(x, NULL))));
    RECORDING(REEL_BAD_SHAPE, "my_layer: 2 channels, not 3  in a", own_message());
    RECORDING(REEL_BAD_SHAPE, "transpose: [4] has no last two axes  in a", AT(0, OPEN(reel_transpose(v))));
}

/* ---- Gradients and lists ------------------------------------------------------------------------------------------ */

static reel_tensor *total_here(reel_tensor *a) { return AT(9, reel_sum(a, REEL_ALL, REEL_DROP)); }
static reel_tensor *detached(void) { return AT(8, reel_detach(reel_mul(w, w))); }
static reel_tensor *positions(void) { return reel_cast(AT(8, reel_argmax(w, 0)), REEL_F32); }

Test(errors, of_gradients)
{
    RECORDING(REEL_BAD_SHAPE,
              "gradients: the loss must be one number of f32 or f64, not f32 exp [2,3] (@8) (sum it, or use reel_vjp)",
              AT(0, reel_gradient(e(), x)));
    RECORDING(REEL_BAD_DTYPE, "gradients: idx [3] (@2) is i32; only f32 and f64 have gradients",
              AT(0, reel_gradient(reel_sum(idx, REEL_ALL, REEL_DROP), idx)));
    RECORDING(REEL_UNREACHED, "gradients: sum [] (@9) does not depend on w [3,2] (@3)",
              AT(0, reel_gradient(total_here(x), w)));
    RECORDING(REEL_UNREACHED,
              "gradients: sum [] (@9) does not reach w [3,2] (@3): the path is cut at detach [3,2] (@8)",
              AT(0, reel_gradient(total_here(detached()), w)));
    RECORDING(REEL_UNREACHED, "gradients: sum [] (@9) does not reach w [3,2] (@3): the path is cut at argmax [2] (@8)",
              AT(0, reel_gradient(total_here(positions()), w)));
    RECORDING(REEL_UNREACHED, "gradients: sum [] (@9) does not depend on w [3,2] (@3)",
              AT(0, reel_gradients(total_here(x), list_of(w, NULL))));
    RECORDING(REEL_BAD_SHAPE, "vjp: y is f32 [2,3] and gy f32 [4]; they must be alike, f32 or f64",
              AT(0, reel_vjp(x, v, list_of(x, NULL))));
    RECORDING(REEL_BAD_STATE, "vjp: gy belongs to another tape than the rest: foreign [2,3] (@7)",
              AT(0, reel_vjp(x, foreign, list_of(x, NULL))));
    RECORDING(REEL_UNREACHED, "parameters: exp [2,3] (@8) depends on no parameter", AT(0, reel_parameters(e(), NULL)));
    RECORDING(REEL_UNREACHED, "parameters: exp [2,3] (@8) does not depend on \"w\"", AT(0, reel_parameters(e(), "w")));
    RECORDING(REEL_BAD_NAME, "parameters: sum [] (@5) depends on no parameter named by \"hid/**\"",
              AT(0, reel_parameters(loss, "hid/**")));
    RECORDING(REEL_BAD_NAME, "parameters: sum [] (@5) depends on no parameter named by \"ww\" (did you mean \"w\"?)",
              AT(0, reel_parameters(loss, "ww")));
    RECORDING(REEL_UNREACHED,
              "parameters: detach [3,2] (@8) reaches \"w\" only through detach [3,2] (@8), where the path is cut",
              AT(0, reel_parameters(AT(8, reel_detach(w)), "w")));
}

/* ---- Layers, losses, optimisers ----------------------------------------------------------------------------------- */

#define RATE "is not within 0 ≤ rate < 1"
#define SGD(...) reel_sgd(loss, (reel_sgd_options){ __VA_ARGS__ })
#define ADAM(...) reel_adam(loss, (reel_adam_options){ __VA_ARGS__ })

Test(errors, of_layers_losses_and_optimisers)
{
    RECORDING(REEL_BAD_SHAPE, "linear: \"l\" needs x [..., in] and out ≥ 1, not rank 0 and out 2",
              AT(0, reel_linear(s, "l", 2)));
    RECORDING(REEL_BAD_SHAPE, "linear: \"l\" needs x [..., in] and out ≥ 1, not rank 2 and out 0",
              AT(0, reel_linear(x, "l", 0)));
    RECORDING(REEL_BAD_ARGUMENT, "dropout: the rate 1 " RATE, AT(0, reel_dropout(x, "d", 1)));
    RECORDING(REEL_BAD_ARGUMENT, "dropout: the rate -0.5 " RATE, AT(0, reel_dropout(x, "d", -0.5)));
    RECORDING(REEL_BAD_SHAPE, "mse: shapes differ: [2,3] and [4]", AT(0, reel_mse(x, v)));
    RECORDING(REEL_BAD_SHAPE, "mse: shapes differ: [2,3] and []", AT(0, reel_mse(x, s)));
    RECORDING(REEL_BAD_SHAPE,
              "cross_entropy: shapes differ: [2,3] and [3] (classes are the logits' shape without the last axis)",
              AT(0, reel_cross_entropy(x, idx)));
    RECORDING(
        REEL_BAD_SHAPE,
        "cross_entropy: logits are [2,3] and y [4] of floats: classes are i32 (use reel_cast), or distributions of "
        "the logits' shape",
        AT(0, reel_cross_entropy(x, v)));
    RECORDING(REEL_BAD_SHAPE, "cross_entropy: shapes differ: [] and [] (logits are [..., K])",
              AT(0, reel_cross_entropy(s, s)));
    RECORDING(REEL_BAD_SHAPE,
              "accuracy: shapes differ: [2,3] and [3] (classes are the scores' shape without the last axis)",
              AT(0, reel_accuracy(x, idx)));
    RECORDING(REEL_BAD_ARGUMENT,
              "sgd: .lr is 0 (set it, or .lr_tensor; leave parameters out by a pattern to freeze them)",
              AT(0, SGD(.lr = 0)));
    RECORDING(REEL_BAD_ARGUMENT, "sgd: both .lr and .lr_tensor are given", AT(0, SGD(.lr = 1, .lr_tensor = s)));
    RECORDING(REEL_BAD_ARGUMENT, "sgd: .lr is inf, not a positive number", AT(0, SGD(.lr = (double)INFINITY)));
    RECORDING(REEL_BAD_SHAPE, "sgd: .lr_tensor must be a scalar", AT(0, SGD(.lr_tensor = v)));
    RECORDING(REEL_BAD_ARGUMENT, "sgd: .momentum is 1, not within 0 ≤ momentum < 1",
              AT(0, SGD(.lr = 1, .momentum = 1)));
    RECORDING(REEL_BAD_ARGUMENT,
              "adam: .lr is 0 (set it, or .lr_tensor; leave parameters out by a pattern to freeze them)",
              AT(0, ADAM(.lr = 0)));
    RECORDING(REEL_BAD_ARGUMENT, "adam: .betas[1] is 1, not within 0 ≤ beta < 1",
              AT(0, ADAM(.lr = 1, .betas = { 0.9, 1 })));
    RECORDING(REEL_BAD_ARGUMENT, "adam: .betas[0] is -0.1, not within 0 ≤ beta < 1",
              AT(0, ADAM(.lr = 1, .betas = { -0.1, 0.9 })));
    RECORDING(REEL_BAD_ARGUMENT, "sgd: 2 parameters and 0 gradients",
              AT(0, reel_sgd_update(list_of(w, w), list_of(NULL, NULL), (reel_sgd_options){ .lr = 1 })));
    RECORDING(REEL_BAD_ARGUMENT, "clip_norm: max_norm is 0, not a positive number",
              AT(0, reel_clip_norm(list_of(w, NULL), 0)));
}

static bool refuse(reel_tensor *y) { return (void)y, false; }
static const reel_op refusing_op = { .size = sizeof(reel_op), .name = "my_op", .shape = refuse };

Test(errors, of_a_shape_rule_that_gives_no_reason)
{
    RECORDING(REEL_BAD_SHAPE, "my_op: the shape rule refused its inputs",
              AT(0, reel_here(reel_record(&refusing_op, &x, 1, NULL, 0), REEL_HERE)));
}

/* ---- Running, reading, writing ------------------------------------------------------------------------------------- */

static float room[6];
static double room64[6];

static reel_status run_of(reel_tensor *kept)
{
    reel_keep(kept, "kept");
    return AT(0, reel_run(tape));
}

static reel_status run_with_indices(int32_t last, reel_tensor *kept)
{
    write_inputs();
    (reel_write_i32)(idx, (int32_t[]){ 0, 1, last }, 3);
    return run_of(kept);
}

static reel_tensor *used(reel_tensor *a) { return reel_neg(a), a; }

static reel_status run_of_nothing(void)
{
    reel_tape_clear(tape);
    x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
    return AT(0, reel_run(tape));
}

#define ELEMENTS "has 6 elements, not 5  at @0"

Test(errors, of_running_reading_and_writing)
{
    RUNNING(REEL_BAD_STATE, "run: the input x [2,3] was never written  at @1", AT(0, reel_run(tape)));
    RUNNING(REEL_BAD_STATE, "eval: the input x [2,3] was never written  at @1", AT(0, reel_eval(tape, &loss, 1)));
    RUNNING(REEL_BAD_STATE, "run: the tape computes nothing: no result, nothing kept or assigned  at @0",
            run_of_nothing());
    RUNNING(REEL_BAD_STATE, "read: exp [2,3] (@8) is not kept (mark it with reel_keep() before the run)  at @0",
            AT(0, reel_read_f32(used(e()), room, 6)));
    RUNNING(REEL_BAD_STATE, "read: exp [2,3] (@8) has no value: no run or evaluation has computed it  at @0",
            AT(0, reel_read_f32(e(), room, 6)));
    RUNNING(REEL_BAD_STATE, "item: sum [] (@5) has no value: no run or evaluation has computed it  at @0",
            AT(0, reel_item(loss)));
    RUNNING(REEL_BAD_STATE, "read: the input x [2,3] (@1) was never written  at @0", AT(0, reel_read_f32(x, room, 6)));
    RUNNING(REEL_BAD_SHAPE, "item: w [3,2] (@3) is not one number  at @0", AT(0, reel_item(w)));
    RUNNING(REEL_BAD_ARGUMENT, "read_f32: w [3,2] (@3) " ELEMENTS, AT(0, reel_read_f32(w, room, 5)));
    RUNNING(REEL_BAD_DTYPE, "read_f64: w [3,2] (@3) is f32  at @0", AT(0, reel_read_f64(w, room64, 6)));
    RUNNING(REEL_BAD_ARGUMENT, "read_f32: data is NULL  at @0", AT(0, reel_read_f32(w, NULL, 6)));
    RUNNING(REEL_BAD_ARGUMENT, "write_f32: x [2,3] (@1) " ELEMENTS, AT(0, reel_write_f32(x, numbers, 5)));
    RUNNING(REEL_BAD_ARGUMENT, "write_f32: w [3,2] (@3) " ELEMENTS, AT(0, reel_write_f32(w, numbers, 5)));
    RUNNING(REEL_BAD_DTYPE, "write_f64: x [2,3] (@1) is f32  at @0", AT(0, reel_write_f64(x, room64, 6)));
    RUNNING(REEL_BAD_ARGUMENT, "write_f32: data is NULL  at @0", AT(0, reel_write_f32(x, NULL, 6)));
    RUNNING(REEL_BAD_ARGUMENT, "write: exp [2,3] (@8) is no input, parameter or state  at @0",
            AT(0, reel_write_f32(e(), numbers, 6)));
    ROW("write", begin_evaluating, expect_running, REEL_BAD_STATE,
        "write: an evaluating tape never writes w [3,2] (@3)  at @0", AT(0, reel_write_f32(w, numbers, 6)));
    RUNNING(REEL_BAD_INDEX, "in_range: the index 5 at [2] of idx is outside 0 … 2  at @8",
            run_with_indices(5, AT(8, reel_in_range(idx, 3))));
    RUNNING(REEL_BAD_INDEX, "in_range: the index -1 at [2] of idx is outside 0 … 2  at @8",
            run_with_indices(-1, AT(8, reel_in_range(idx, 3))));
    RUNNING(REEL_BAD_INDEX, "in_range: the index 4 at [2] of add is outside 0 … 3  at @8",
            run_with_indices(2, AT(8, reel_in_range(reel_add(idx, idx), 4))));
}

/* log(x - 1) is -Inf at the first element: had it been computed first, it would be the error. */
Test(errors, of_an_input_index_come_before_anything_is_computed)
{
    CHECKED(REEL_BAD_INDEX, "in_range: the index 3 at [2] of idx is outside 0 … 2  at @8",
            run_with_indices(3, reel_take(reel_log(reel_shift(x, -1)), AT(8, reel_in_range(idx, 3)), 1)));
}

static reel_status run_written(reel_tensor *kept) { return run_with_indices(2, kept); }

static reel_status run_in_scope(void)
{
    reel_scope_push(tape, "a");
    reel_tensor *y = AT(8, reel_rsqrt(reel_shift(x, -1)));
    reel_scope_pop(tape);
    return run_written(y);
}

static reel_status run_with_nan(void)
{
    reel_keep(reel_exp(x), "kept");
    (reel_write_f32)(x, (float[]){ 0, 0, 0, 0, (float)NAN, 0 }, 6);
    return reel_run(tape);
}

static reel_status run_backward(void)
{
    reel_tensor *root = AT(8, reel_sqrt(reel_shift(x, -1)));
    return run_written(reel_gradient(reel_sum(root, REEL_ALL, REEL_DROP), x));
}

#define FIRST ", the first value that is not finite"

Test(errors, of_values_that_are_not_finite_name_their_maker)
{
    CHECKED(REEL_NOT_FINITE, "log: element [0,0] of [2,3] is -Inf" FIRST "  at @8",
            run_written(AT(8, reel_log(reel_shift(x, -1)))));
    CHECKED(REEL_NOT_FINITE, "log: element [0,0] of [2,3] is NaN" FIRST "  at @8",
            run_written(reel_exp(AT(8, reel_log(reel_neg(x))))));
    CHECKED(REEL_NOT_FINITE, "rsqrt: element [0,0] of [2,3] is Inf" FIRST "  in a  at @8", run_in_scope());
    CHECKED(REEL_NOT_FINITE, "x: element [1,1] of [2,3] is NaN" FIRST "  at @1", run_with_nan());
    CHECKED(REEL_NOT_FINITE, "div: element [0,0] of [2,3] is Inf" FIRST "  at @8", run_backward());
}

Test(errors, of_values_are_none_for_a_softmax_in_checked_mode)
{
    begin_checked();
    cr_expect_eq(run_written(reel_cross_entropy(x, reel_slice(idx, 0, 0, 2))), REEL_OK, "%s", reel_tape_error(tape));
    end_small();
}

/* ---- Models and tapes ---------------------------------------------------------------------------------------------- */

Test(errors, of_models)
{
    MODEL(REEL_BAD_NAME, "model_read_f32: the model has no \"ww\" (did you mean \"w\"?)",
          reel_model_read_f32(model, "ww", room, 6));
    MODEL(REEL_BAD_DTYPE, "model_read_f64: \"w\" is f32, not f64", reel_model_read_f64(model, "w", room64, 6));
    MODEL(REEL_BAD_ARGUMENT, "model_read_f32: \"w\" has 6 elements [3,2], not 5",
          reel_model_read_f32(model, "w", room, 5));
    MODEL(REEL_BAD_ARGUMENT, "model_read_f32: data is NULL", reel_model_read_f32(model, "w", NULL, 6));
    MODEL(REEL_BAD_NAME, "model_write_f32: the model has no \"wx\" (did you mean \"w\"?)",
          reel_model_write_f32(model, "wx", room, 6));
    MODEL(REEL_BAD_DTYPE, "model_write_f64: \"w\" is f32, not f64", reel_model_write_f64(model, "w", room64, 6));
    MODEL(REEL_BAD_ARGUMENT, "model_write_f32: \"h\" has 2 elements [2], not 6",
          reel_model_write_f32(model, "h", room, 6));
    MODEL(REEL_BAD_DTYPE, "model_read_i32: \"w\" is f32, not i32",
          reel_model_read_i32(model, "w", (int32_t[6]){ 0 }, 6));
    MODEL(REEL_BAD_DTYPE, "model_write_i32: \"w\" is f32, not i32",
          reel_model_write_i32(model, "w", (int32_t[6]){ 0 }, 6));
    MODEL(REEL_BAD_NAME, "model_reset: nothing in the model is named by \"encoder/**\"",
          reel_model_reset(model, "encoder/**"));
}

/* Each is refused again after a clear: nothing falls back in silence. */
static void expect_refused(const char *variable, const char *value, const char *message)
{
    setenv(variable, value, 1);
    begin();
    for (int i = 0; i < 2; i++) {
        reel_tensor *p =
            reel_parameter(reel_input(tape, "x", REEL_F32, REEL_SCALAR), "w", REEL_SCALAR, reel_init_zeros());
        reel_write_f32(reel_input(tape, "y", REEL_F32, REEL_SCALAR), (float[]){ 1 }, 1);
        reel_assign(p, reel_shift(p, 1));
        cr_expect_eq(reel_run(tape), REEL_BAD_ARGUMENT);
        cr_expect(reel_tape_error(tape) && strstr(reel_tape_error(tape), message), "%s=%s: %s", variable, value,
                  reel_tape_error(tape));
        reel_tape_clear(tape);
    }
    end_after_error();
    unsetenv(variable);
}

Test(errors, of_settings_that_cannot_be_followed)
{
    expect_refused("REEL_FORCE", "no_fold,frobnicate", "REEL_FORCE: what is \"frobnicate\"?");
    expect_refused("REEL_FORCE", "tile=16x", "REEL_FORCE: \"tile=16x\": tile is a number from 1 to 1048576");
    expect_refused("REEL_FORCE", "tile=0,no_fold", "REEL_FORCE: \"tile=0\": tile is a number from 1 to 1048576");
    expect_refused("REEL_FORCE", "tile=", "REEL_FORCE: what is \"tile=\"?");
    expect_refused("REEL_FORCE", "l2=12", "REEL_FORCE: \"l2=12\": l2 is a number from 1024 to 1073741824");
    expect_refused("REEL_FORCE", "pack=sometimes", "REEL_FORCE: what is \"pack=sometimes\"?");
    expect_refused("REEL_FORCE", "thread_work=-2", "\"thread_work=-2\": thread_work is a number from -1 to");
    expect_refused("REEL_ISA", "avx1024",
                   "REEL_ISA: what is \"avx1024\"? The instruction sets are baseline, avx2 and avx512");
}

Test(errors, of_a_new_tape_need_no_line)
{
    begin_with((reel_model_options){ 0 }, (reel_tape_options){ .threads = -2 });
    cr_expect_str_eq(reel_tape_error(tape), "tape_new: threads is -2; 0 asks for all, 1 for one, 1024 is the most");
    cr_expect(reel_is_bad(reel_input(tape, "x", REEL_F32, REEL_SCALAR)));
    cr_expect_str_eq(reel_tape_error(tape), "tape_new: threads is -2; 0 asks for all, 1 for one, 1024 is the most");
    end_after_error();
}
