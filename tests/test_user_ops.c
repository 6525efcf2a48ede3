/* Ops of users, on the public headers alone. Whatever a descriptor leaves out or a rule of it gets wrong gets a message,
 * as text, with the line of the user's call; a program with such an op runs to the same bits on every executor. */
#include <criterion/criterion.h>

#include <math.h>
#include <reel.h>
#include <reel/op.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static reel_model *model;
static reel_tape *tape, *other;
static reel_tensor *x, *v, *idx, *foreign, *old; /* f32 [2,3], [3]; i32 [3]; on the other tape; from before a clear */

static const float numbers[6] = { 1, 2, 3, 4, 5, 6 };

static void begin_with(reel_tape_options options)
{
    model = reel_model_new((reel_model_options){ .seed = 7 });
    tape = reel_tape_new(model, options);
    other = reel_tape_new(model, (reel_tape_options){ 0 });
    old = reel_input(tape, "old", REEL_F32, REEL_SHAPE(2, 3));
    reel_tape_clear(tape);
    x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
    v = reel_input(tape, "v", REEL_F32, REEL_SHAPE(3));
    idx = reel_input(tape, "idx", REEL_I32, REEL_SHAPE(3));
    foreign = reel_input(other, "foreign", REEL_F32, REEL_SHAPE(2, 3));
}

static void write_inputs(void)
{
    cr_assert_eq(reel_write_f32(x, numbers, 6), REEL_OK);
    cr_assert_eq(reel_write_f32(v, numbers, 3), REEL_OK);
    cr_assert_eq(reel_write_i32(idx, (int32_t[]){ 0, 1, 2 }, 3), REEL_OK);
}

static void begin(void) { begin_with((reel_tape_options){ .threads = 1 }); }

static void end(void)
{
    reel_tape_free(other);
    reel_tape_free(tape);
    reel_model_free(model);
}

/* ---- Rules, right and wrong -------------------------------------------------------------------------------------- */

static bool like_input(reel_tensor *y)
{
    const reel_tensor *in = reel_input_at(y, 0);
    return reel_set_shape(y, reel_dtype_of(in), reel_rank(in), reel_sizes(in));
}
static bool scalar(reel_tensor *y) { return reel_set_shape(y, REEL_F32, 0, NULL); }

/* y = 2 x */
static void twice_run(const reel_call *call)
{
    const float *in = call->x[0];
    float *y = call->y;
    for (int64_t i = 0; i < reel_count(call->node); i++) y[i] = 2 * in[i];
}
static void one_run(const reel_call *call) { *(float *)call->y = 1; }
static reel_tensor *twice_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    return (void)y, (void)input, reel_scale(gy, 2);
}
static reel_tensor *twice_merge(reel_tensor *at, const reel_contribution *const *c, int count)
{
    reel_tensor *sum = NULL;
    (void)at;
    for (int i = 0; i < count; i++) sum = sum ? reel_add(sum, c[i]->gy) : c[i]->gy;
    return reel_scale(sum, 2);
}

#define OP(...) ((const reel_op){ .size = sizeof(reel_op), __VA_ARGS__ })
#define TWICE(...) OP(.name = "twice", .shape = like_input, .run = twice_run, __VA_ARGS__)

static reel_tensor *no_past(reel_tensor *y, reel_contribution *const *c, int count)
{
    return (void)y, (void)count, (void)c, NULL;
}
static reel_tensor *past_that_loses(reel_tensor *y, reel_contribution *const *c, int count)
{
    (void)y;
    for (int i = 0; i < count; i++) c[i]->taken = true;
    return NULL;
}
static reel_tensor *past_that_takes_nothing(reel_tensor *y, reel_contribution *const *c, int count)
{
    return (void)y, count ? c[0]->gy : NULL;
}
static reel_tensor *no_vjp(reel_tensor *y, reel_tensor *gy, int input) { return (void)y, (void)gy, (void)input, NULL; }

/* ---- What is wrong when a node is recorded ------------------------------------------------------------------------ */

static bool no_shape_set(reel_tensor *y) { return (void)y, true; }
static bool no_reason(reel_tensor *y) { return (void)y, false; }
static bool a_reason(reel_tensor *y) { return reel_fail_shape(y, REEL_BAD_SHAPE, "%d is not even", 3); }
static bool an_odd_reason(reel_tensor *y) { return reel_fail_shape(y, (reel_status)99, "no"); }
static bool an_ok_reason(reel_tensor *y) { return reel_fail_shape(y, REEL_OK, "no"); }
static bool a_reason_and_true(reel_tensor *y) { return a_reason(y), true; }
static bool a_bad_dtype(reel_tensor *y) { return reel_set_shape(y, (reel_dtype)7, 0, NULL); }
static bool a_negative_dtype(reel_tensor *y) { return reel_set_shape(y, (reel_dtype)-1, 0, NULL); }
static bool a_negative_size(reel_tensor *y) { return reel_set_shape(y, REEL_F32, 2, (int64_t[]){ 2, -1 }); }
static bool a_negative_rank(reel_tensor *y) { return reel_set_shape(y, REEL_F32, -1, (int64_t[]){ 2 }); }
static bool nine_axes(reel_tensor *y) { return reel_set_shape(y, REEL_F32, 9, (int64_t[9]){ 0 }); }
static bool null_sizes(reel_tensor *y) { return reel_set_shape(y, REEL_F32, 2, NULL); }
static bool far_too_large(reel_tensor *y) { return reel_set_shape(y, REEL_F32, 2, (int64_t[]){ INT64_MAX, 2 }); }
static bool of_its_input(reel_tensor *y)
{
    return reel_set_shape(reel_input_at(y, 0), REEL_F32, 0, NULL) || like_input(y);
}
static bool of_a_bad_tensor(reel_tensor *y)
{
    reel_set_shape(reel_input_at(y, 5), REEL_F32, 0, NULL);
    return like_input(y);
}
static bool that_records(reel_tensor *y) { return reel_exp(reel_input_at(y, 0)), like_input(y); }
static bool that_keeps(reel_tensor *y) { return (reel_keep)(y, "own"), like_input(y); }
static bool that_evaluates(reel_tensor *y) { return (reel_eval)(reel_tape_of(y), &y, 1), like_input(y); }
static bool that_lists(reel_tensor *y)
{
    return (reel_list_append)(reel_list_new(reel_tape_of(y)), "own", y), like_input(y);
}
static bool that_clears(reel_tensor *y) { return reel_tape_clear(reel_tape_of(y)), scalar(y); }

typedef struct refused {
    reel_status status;
    const char *message;
    reel_op op;
} refused;

#define ROW(status, message, ...)                                                                                      \
    {                                                                                                                  \
        status, message, { .size = sizeof(reel_op), __VA_ARGS__ }                                                      \
    }
#define NAMED(status, message, rule) ROW(status, "mine: " message, .name = "mine", .shape = rule, .run = twice_run)

#define OWN " is the tensor whose shape rule is running, which may only set a shape"

static const refused recordings[] = {
    ROW(REEL_BAD_ARGUMENT, "record: the op has no .name", .shape = like_input, .run = twice_run),
    ROW(REEL_BAD_ARGUMENT, "record: the op has no .name", .name = "", .shape = like_input, .run = twice_run),
    ROW(REEL_BAD_ARGUMENT, "mine: the op has no .shape", .name = "mine", .run = twice_run),
    ROW(REEL_BAD_ARGUMENT, "mine: the op has no .run", .name = "mine", .shape = like_input),
    ROW(REEL_BAD_ARGUMENT, "mine: .attr_is_data is for an op that is .unique", .name = "mine", .shape = like_input,
        .run = twice_run, .attr_is_data = true),
    ROW(REEL_BAD_ARGUMENT, "mine: the op has both .vjp and .merge; one of them is its derivative", .name = "mine",
        .shape = like_input, .run = twice_run, .vjp = twice_vjp, .merge = twice_merge),
    NAMED(REEL_BAD_SHAPE, "the shape rule set no shape (reel_set_shape)", no_shape_set),
    NAMED(REEL_BAD_SHAPE, "the shape rule refused its inputs", no_reason),
    NAMED(REEL_BAD_SHAPE, "3 is not even", a_reason),
    NAMED(REEL_BAD_ARGUMENT, "no", an_odd_reason),
    NAMED(REEL_BAD_ARGUMENT, "no", an_ok_reason),
    NAMED(REEL_BAD_SHAPE, "3 is not even", a_reason_and_true),
    NAMED(REEL_BAD_DTYPE, "7 is no dtype", a_bad_dtype),
    NAMED(REEL_BAD_DTYPE, "-1 is no dtype", a_negative_dtype),
    NAMED(REEL_BAD_SHAPE, "a size is negative: [2,-1]", a_negative_size),
    NAMED(REEL_BAD_SHAPE, "-1 dimensions; at most 8 are possible", a_negative_rank),
    NAMED(REEL_BAD_SHAPE, "9 dimensions; at most 8 are possible", nine_axes),
    NAMED(REEL_BAD_SHAPE, "the sizes of 2 dimensions are NULL", null_sizes),
    NAMED(REEL_TOO_LARGE, "the number of bytes of [9223372036854775807,2] overflows", far_too_large),
    ROW(REEL_BAD_STATE, "set_shape: x [2,3] is not the tensor that a shape rule is running for", .name = "mine",
        .shape = of_its_input, .run = twice_run),
    ROW(REEL_BAD_STATE, "set_shape: a bad tensor is not the tensor that a shape rule is running for", .name = "mine",
        .shape = of_a_bad_tensor, .run = twice_run),
    ROW(REEL_BAD_STATE, "keep: the tensor" OWN, .name = "mine", .shape = that_keeps, .run = twice_run),
    ROW(REEL_BAD_STATE, "eval: a tensor" OWN, .name = "mine", .shape = that_evaluates, .run = twice_run),
    ROW(REEL_BAD_STATE, "list_append: the tensor" OWN, .name = "mine", .shape = that_lists, .run = twice_run),
    NAMED(REEL_BAD_STATE, "the shape rule cleared the tape", that_clears),
};

/* The error, where it has one its file and line, and that it heals. */
static void expect_error(const reel_tensor *y, reel_status status, const char *message, int line)
{
    char text[400];
    snprintf(text, sizeof text, line ? "%s  at %s:%d" : "%s", message, __FILE__, line);
    cr_expect(reel_is_bad(y));
    cr_expect_eq(reel_tape_status(tape), status, "%s", reel_tape_error(tape));
    cr_expect_str_eq(reel_tape_error(tape) ? reel_tape_error(tape) : "no error", text);
}

/* x has no line here, so that messages that show it are the same in every row. */
static void begin_without_lines(void)
{
    begin();
    reel_tape_clear(tape);
    x = (reel_input)(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
}

Test(user_ops, what_a_descriptor_or_its_shape_rule_leaves_out_or_gets_wrong_is_an_error)
{
    for (size_t i = 0; i < sizeof recordings / sizeof *recordings; i++) {
        const refused *row = &recordings[i];
        begin_without_lines();
        const int line = __LINE__ + 1;
        reel_tensor *y = reel_here(reel_record(&row->op, &x, 1, NULL, 0), REEL_HERE);
        expect_error(y, row->status, row->message, line);
        cr_expect_eq(reel_run(tape), row->status);
        reel_tape_clear(tape);
        x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
        cr_expect_eq(reel_is_bad(reel_record(&TWICE(), &x, 1, NULL, 0)), false, "%s", reel_tape_error(tape));
        end();
    }
}

Test(user_ops, a_shape_rule_that_records_is_told_so)
{
    begin();
    cr_expect(reel_is_bad(reel_record(&OP(.name = "mine", .shape = that_records, .run = twice_run), &x, 1, NULL, 0)));
    cr_expect_eq(reel_tape_status(tape), REEL_BAD_STATE);
    cr_expect(strstr(reel_tape_error(tape), "exp: the shape rule of mine recorded it; it may only set a shape"));
    end();
}

#define SAYS(status, message, call)                                                                                    \
    do {                                                                                                               \
        begin();                                                                                                       \
        const int line = __LINE__;                                                                                     \
        reel_tensor *y = reel_here(call, REEL_HERE);                                                                   \
        expect_error(y, status, message, line);                                                                        \
        end();                                                                                                         \
    } while (0)

static reel_op sized(size_t size)
{
    reel_op op = TWICE();
    op.size = size;
    return op;
}

Test(user_ops, what_a_call_of_record_gets_wrong_is_an_error)
{
    char newer[200], absurd[200];
    snprintf(newer, sizeof newer,
             "record: .size of the op is %zu, and this library knows %zu bytes (is reel/op.h newer than it?)",
             sizeof(reel_op) + 8, sizeof(reel_op));
    snprintf(absurd, sizeof absurd,
             "record: .size of the op is %zu, and this library knows %zu bytes (is reel/op.h newer than it?)",
             SIZE_MAX - 7, sizeof(reel_op));
    const reel_op none = sized(0), tiny = sized(7), large = sized(sizeof(reel_op) + 8), huge = sized(SIZE_MAX - 7),
                  nameless = sized(sizeof(size_t)), shapeless = sized(offsetof(reel_op, shape)), twice = TWICE();
    const reel_op leaf = OP(.name = "one", .shape = scalar, .run = one_run, .vjp = no_vjp, .past = no_past);
    SAYS(REEL_BAD_ARGUMENT, "record: the op is NULL", reel_record(NULL, &x, 1, NULL, 0));
    SAYS(REEL_BAD_ARGUMENT, "record: the op is NULL", reel_record_leaf(tape, NULL, NULL, 0));
    SAYS(REEL_BAD_ARGUMENT, "record: .size of the op is 0; it is sizeof(reel_op)", reel_record(&none, &x, 1, NULL, 0));
    SAYS(REEL_BAD_ARGUMENT, "record: .size of the op is 0; it is sizeof(reel_op)",
         reel_record_leaf(tape, &none, NULL, 0));
    SAYS(REEL_BAD_ARGUMENT, "record: .size of the op is 7; it is sizeof(reel_op)", reel_record(&tiny, &x, 1, NULL, 0));
    SAYS(REEL_BAD_ARGUMENT, newer, reel_record(&large, &x, 1, NULL, 0));
    SAYS(REEL_BAD_ARGUMENT, absurd, reel_record_leaf(tape, &huge, NULL, 0));
    SAYS(REEL_BAD_ARGUMENT, "record: the op has no .name", reel_record(&nameless, &x, 1, NULL, 0));
    SAYS(REEL_BAD_ARGUMENT, "twice: the op has no .shape", reel_record(&shapeless, &x, 1, NULL, 0));
    SAYS(REEL_BAD_ARGUMENT, "twice: operand 2 is NULL", reel_record(&twice, (reel_tensor *[]){ x, NULL }, 2, NULL, 0));
    SAYS(
        REEL_BAD_STATE,
        "twice: operand 2 is the result of an error before reel_tape_clear(), or of a look-up in a list that found nothing",
        reel_record(&twice, (reel_tensor *[]){ x, reel_list_at(reel_list_new(tape), 0) }, 2, NULL, 0));
    SAYS(REEL_BAD_ARGUMENT, "twice: attr is NULL and attr_size is 8", reel_record(&twice, &x, 1, NULL, 8));
    SAYS(REEL_BAD_ARGUMENT, "twice: attr is NULL and attr_size is 8", reel_record_leaf(tape, &twice, NULL, 8));
    SAYS(REEL_BAD_ARGUMENT, "one: .past is for an op of one input, not of 0", reel_record_leaf(tape, &leaf, NULL, 0));
    SAYS(REEL_TOO_LARGE, "twice: an attribute of 2147483648 bytes; at most 2147483647 are possible",
         reel_record(&twice, &x, 1, numbers, (size_t)INT32_MAX + 1));
}

Test(user_ops, operands_of_another_tape_or_from_before_a_clear_are_refused)
{
    begin();
    reel_tensor *y = reel_record(&TWICE(), (reel_tensor *[]){ x, foreign }, 2, NULL, 0);
    cr_expect(reel_is_bad(y) &&
              strstr(reel_tape_error(tape), "twice: operand 2 belongs to another tape than the rest"));
    end();
    begin();
    y = reel_record(&TWICE(), (reel_tensor *[]){ x, old }, 2, NULL, 0);
    cr_expect(reel_is_bad(y) && strstr(reel_tape_error(tape), "twice: operand 2 is from before reel_tape_clear()"));
    end();
}

/* There is no tape to complain to. */
Test(user_ops, a_call_of_record_without_a_tape_returns_a_bad_tensor)
{
    begin();
    cr_expect(reel_is_bad(reel_record(&TWICE(), &x, 0, NULL, 0)));
    cr_expect(reel_is_bad(reel_record(&TWICE(), &x, -3, NULL, 0)));
    cr_expect(reel_is_bad(reel_record(&TWICE(), NULL, 2, NULL, 0)));
    cr_expect(reel_is_bad(reel_record(NULL, NULL, 0, NULL, 0)));
    cr_expect(reel_is_bad(reel_record(&TWICE(), (reel_tensor *[]){ NULL }, 1, NULL, 0)));
    cr_expect(reel_is_bad(reel_record_leaf(NULL, &TWICE(), NULL, 0)));
    cr_expect(reel_is_bad(reel_record_leaf(NULL, NULL, NULL, 0)));
    end();
}

Test(user_ops, what_is_asked_of_no_tensor_or_a_bad_one_is_answered)
{
    begin();
    reel_tensor *bad[] = { NULL, old, reel_list_at(NULL, 0), reel_list_at(reel_list_new(tape), 3) };
    for (int i = 0; i < 4; i++) {
        cr_expect_null(reel_attr(bad[i]));
        cr_expect_null(reel_sizes(bad[i]));
        cr_expect_str_eq(reel_shape_text(bad[i]), "[?]");
    }
    cr_expect_eq(reel_set_shape(NULL, REEL_F32, 0, NULL), false);
    cr_expect_eq(reel_fail_shape(NULL, REEL_BAD_SHAPE, "no"), false);
    cr_expect_eq(reel_fail_shape(bad[2], REEL_BAD_SHAPE, "no"), false);
    cr_expect_null(reel_tape_error(tape));
    cr_expect_eq(reel_fail_shape(bad[3], REEL_BAD_SHAPE, "no"), false);
    cr_expect_str_eq(reel_tape_error(tape), "fail_shape: no");
    end();
}

/* A hit in the log of the recording before must not read what is not there. */
Test(user_ops, a_missing_attribute_is_an_error_when_recorded_again_too)
{
    begin();
    reel_record(&TWICE(), &x, 1, numbers, 8);
    static const reel_op op = { .size = sizeof op, .name = "twice", .shape = like_input, .run = twice_run };
    reel_record(&op, &x, 1, numbers, 8);
    reel_tape_clear(tape);
    x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
    cr_expect(reel_is_bad(reel_record(&op, &x, 1, NULL, 8)));
    cr_expect_str_eq(reel_tape_error(tape), "twice: attr is NULL and attr_size is 8");
    end();
}

/* ---- Descriptors of an older, shorter struct ----------------------------------------------------------------------- */

/* A struct as a program had it that was compiled when reel_op ended after some field, and what lies behind it. */
typedef union older {
    reel_op op;
    char bytes[2 * sizeof(reel_op)];
} older;

static older older_of(const reel_op *op, size_t size)
{
    older o;
    memset(&o, 0x41, sizeof o);
    memcpy(&o, op, size);
    memcpy(&o, &size, sizeof size);
    return o;
}

static int checked;
static bool counted_check(const reel_call *call, char *text, size_t size)
{
    (void)call, (void)text, (void)size;
    return ++checked, true;
}

Test(user_ops, a_shorter_descriptor_reads_as_zero_beyond_its_end)
{
    const reel_op whole = TWICE(.vjp = twice_vjp, .check = counted_check);
    const size_t ends[] = { offsetof(reel_op, check), offsetof(reel_op, vjp),  offsetof(reel_op, vjp) + 3,
                            offsetof(reel_op, merge), offsetof(reel_op, past), offsetof(reel_op, unique),
                            offsetof(reel_op, traits) };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        for (int plain = 0; plain < 2; plain++) {
            begin_with((reel_tape_options){ .threads = 1, .keep_everything = plain });
            const older o = older_of(&whole, ends[i]);
            reel_tensor *y = reel_keep(reel_record(&o.op, &x, 1, NULL, 0), "y");
            cr_expect_eq(y, reel_record(&o.op, &x, 1, NULL, 0), "it is one op");
            float value[6] = { 0 };
            checked = 0;
            if (ends[i] >= offsetof(reel_op, merge)) reel_keep(reel_gradient(reel_sum(y, REEL_ALL, REEL_DROP), x), "g");
            write_inputs();
            cr_expect_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
            cr_expect_eq(reel_read_f32(y, value, 6), REEL_OK);
            for (int k = 0; k < 6; k++) cr_expect_eq(value[k], 2 * numbers[k]);
            cr_expect_eq(checked, ends[i] >= offsetof(reel_op, vjp));
            if (ends[i] < offsetof(reel_op, merge)) {
                reel_gradient(reel_sum(y, REEL_ALL, REEL_DROP), x);
                cr_expect_eq(reel_tape_status(tape), REEL_UNREACHED);
            }
            end();
        }
}

Test(user_ops, a_shorter_descriptor_is_completed_once_and_found_when_recorded_again)
{
    begin();
    const reel_op whole = TWICE(.vjp = twice_vjp);
    const older o = older_of(&whole, offsetof(reel_op, merge));
    reel_tensor *first = NULL;
    for (int i = 0; i < 5; i++) {
        reel_tape_clear(tape);
        x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
        reel_tensor *y = reel_record(&o.op, &x, 1, NULL, 0);
        if (!first) first = y;
        cr_expect_eq(y, first);
    }
    end();
}

/* Not even its name, for the message of a call that has no tape. */
Test(user_ops, nothing_is_read_beyond_the_end_of_a_descriptor)
{
    begin();
    size_t *only_size = malloc(sizeof *only_size); /* a sanitizer sees its end */
    *only_size = sizeof *only_size;
    const reel_op *op = (const reel_op *)only_size;
    cr_expect(reel_is_bad(reel_record(op, (reel_tensor *[]){ NULL }, 1, NULL, 0)));
    cr_expect_eq(reel_run(tape), REEL_BAD_ARGUMENT);
    cr_expect_str_eq(reel_tape_error(tape), "record: operand 1 is NULL");
    reel_tape_clear(tape);
    cr_expect(reel_is_bad(reel_record_leaf(NULL, op, NULL, 0)));
    cr_expect_eq(reel_run(tape), REEL_BAD_ARGUMENT);
    cr_expect_str_eq(reel_tape_error(tape), "record_leaf: the tape is NULL");
    free(only_size);
    end();
}

static int64_t allowed;
static void *limited(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context, (void)old_size;
    if (new_size == 0) return free(block), NULL;
    return allowed-- > 0 ? realloc(block, new_size) : NULL;
}

/* Under a sanitizer, what is lost shows too. */
Test(user_ops, a_shorter_descriptor_without_memory_is_an_error)
{
    const reel_op whole = TWICE(.vjp = twice_vjp);
    const older o = older_of(&whole, offsetof(reel_op, merge));
    bool done = false;
    for (int64_t most = 0; !done && most < 100; most++) {
        allowed = 1000;
        reel_model *m = reel_model_new((reel_model_options){ .allocator = { .resize = limited } });
        reel_tape *t = reel_tape_new(m, (reel_tape_options){ .threads = 1 });
        reel_tensor *in = reel_input(t, "x", REEL_F32, REEL_SHAPE(2, 3));
        allowed = most;
        done = !reel_is_bad(reel_record(&o.op, &in, 1, numbers, 4));
        if (!done) cr_expect_eq(reel_tape_status(t), REEL_OUT_OF_MEMORY, "%s", reel_tape_error(t));
        cr_expect_eq(done, most >= 3, "%d: the table, the descriptor, the attribute", (int)most);
        reel_tape_free(t);
        reel_model_free(m);
    }
    cr_expect(done);
}

/* A descriptor at the address of another: what it says counts, not where it is. */
Test(user_ops, a_shorter_descriptor_that_has_changed_is_another_op)
{
    begin();
    const reel_op whole = TWICE(.vjp = twice_vjp), one = OP(.name = "one", .shape = scalar, .run = one_run);
    older o = older_of(&whole, offsetof(reel_op, merge));
    reel_tensor *y = reel_record(&o.op, &x, 1, NULL, 0);
    o = older_of(&one, offsetof(reel_op, merge));
    reel_tensor *z = reel_record(&o.op, &x, 1, NULL, 0);
    cr_expect_str_eq(reel_op_name(y), "twice");
    cr_expect_str_eq(reel_op_name(z), "one");
    end();
}

/* ---- Derivatives --------------------------------------------------------------------------------------------------- */

static reel_tensor *vjp_of_another_shape(reel_tensor *y, reel_tensor *gy, int input)
{
    return (void)y, (void)input, reel_sum(gy, REEL_AXES(0), REEL_DROP);
}
static reel_tensor *vjp_of_another_dtype(reel_tensor *y, reel_tensor *gy, int input)
{
    return (void)y, (void)input, reel_cast(gy, REEL_F64);
}
static reel_tensor *vjp_of_another_tape(reel_tensor *y, reel_tensor *gy, int input)
{
    return (void)y, (void)gy, (void)input, foreign;
}
static reel_tensor *vjp_from_before(reel_tensor *y, reel_tensor *gy, int input)
{
    return (void)y, (void)gy, (void)input, old;
}
static reel_tensor *vjp_of_no_tape(reel_tensor *y, reel_tensor *gy, int input)
{
    return (void)y, (void)gy, (void)input, (reel_relu)(NULL);
}
static reel_tensor *vjp_that_clears(reel_tensor *y, reel_tensor *gy, int input)
{
    (void)gy, (void)input;
    reel_tape_clear(reel_tape_of(y));
    return (reel_input)(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
}
static reel_tensor *vjp_with_a_reason(reel_tensor *y, reel_tensor *gy, int input)
{
    (void)gy;
    return reel_fail(reel_tape_of(y), REEL_BAD_STATE, "no derivative by input %d yet", input);
}
static reel_tensor *merge_of_another_shape(reel_tensor *at, const reel_contribution *const *c, int count)
{
    return (void)at, (void)count, reel_sum(c[0]->gy, REEL_ALL, REEL_KEEP);
}
static reel_tensor *no_merge(reel_tensor *at, const reel_contribution *const *c, int count)
{
    return (void)at, (void)count, (void)c, NULL;
}

/* The gradient leaves to the last operand first. */
static void expect_derivative_error(const reel_op *op, reel_status status, const char *message)
{
    begin();
    reel_tensor *w = reel_scale(x, 3);
    const int line = __LINE__ + 1;
    reel_tensor *y = reel_here(reel_record(op, (reel_tensor *[]){ x, w }, 2, NULL, 0), REEL_HERE);
    reel_tensor *g = reel_gradient(reel_sum(reel_exp(y), REEL_ALL, REEL_DROP), x);
    expect_error(g, status, message, line);
    end();
}

Test(user_ops, a_derivative_of_wrong_shape_dtype_or_tape_is_an_error_at_the_line_of_the_op)
{
    expect_derivative_error(&TWICE(.vjp = vjp_of_another_shape), REEL_BAD_SHAPE,
                            "twice: the result of its vjp for input 1 is f32 [3], and the input f32 [2,3]");
    expect_derivative_error(&TWICE(.vjp = vjp_of_another_dtype), REEL_BAD_DTYPE,
                            "twice: the result of its vjp for input 1 is f64 [2,3], and the input f32 [2,3]");
    expect_derivative_error(&TWICE(.merge = merge_of_another_shape), REEL_BAD_SHAPE,
                            "twice: the result of its merge for input 1 is f32 [1,1], and the input f32 [2,3]");
    expect_derivative_error(&TWICE(.vjp = vjp_of_no_tape), REEL_BAD_ARGUMENT,
                            "twice: the result of its vjp for input 1 is of no tape: relu: operand 1 is NULL");
    expect_derivative_error(&TWICE(.vjp = vjp_with_a_reason), REEL_BAD_STATE, "no derivative by input 1 yet");
}

static void expect_derivative_error_with(const reel_op *op, reel_status status, const char *part)
{
    begin();
    reel_tensor *y = reel_record(op, &x, 1, NULL, 0);
    reel_tensor *g = reel_gradient(reel_sum(reel_exp(y), REEL_ALL, REEL_DROP), x);
    cr_expect(reel_is_bad(g));
    cr_expect_eq(reel_tape_status(tape), status);
    cr_expect(reel_tape_error(tape) && strstr(reel_tape_error(tape), part), "%s", reel_tape_error(tape));
    end();
}

static reel_tensor *(*wrong)(reel_tensor *y, reel_tensor *gy, int input);
static reel_tensor *wrong_merge(reel_tensor *at, const reel_contribution *const *c, int count)
{
    return (void)at, (void)count, wrong(c[0]->y, c[0]->gy, c[0]->input);
}
static reel_tensor *wrong_past(reel_tensor *y, reel_contribution *const *c, int count)
{
    if (!count) return NULL;
    c[0]->taken = true;
    return wrong(y, c[0]->gy, 0);
}

Test(user_ops, what_each_rule_returns_is_checked_under_its_name)
{
    static const struct {
        reel_tensor *(*result)(reel_tensor *y, reel_tensor *gy, int input);
        reel_status status;
        const char *message;
    } rows[] = {
        { vjp_of_another_shape, REEL_BAD_SHAPE, " is f32 [3], and the input f32 [2,3]" },
        { vjp_of_another_dtype, REEL_BAD_DTYPE, " is f64 [2,3], and the input f32 [2,3]" },
        { vjp_of_another_tape, REEL_BAD_STATE, " belongs to another tape than the rest: foreign" },
        { vjp_from_before, REEL_BAD_STATE, " is from before reel_tape_clear()" },
        { vjp_of_no_tape, REEL_BAD_ARGUMENT, " is of no tape: relu: operand 1 is NULL" },
        { vjp_that_clears, REEL_BAD_STATE, ": it cleared the tape" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct {
            const char *name;
            reel_op op;
        } rules[] = { { "vjp", TWICE(.vjp = rows[i].result) },
                      { "merge", TWICE(.merge = wrong_merge) },
                      { "past", TWICE(.vjp = twice_vjp, .past = wrong_past) } };
        wrong = rows[i].result;
        for (int k = 0; k < 3; k++) {
            char message[200];
            snprintf(message, sizeof message, "twice: the result of its %s for input 0%s", rules[k].name,
                     rows[i].message);
            expect_derivative_error_with(&rules[k].op, rows[i].status, message);
        }
    }
}

Test(user_ops, a_past_that_loses_or_invents_a_gradient_is_an_error)
{
    expect_derivative_error_with(&TWICE(.vjp = twice_vjp, .past = past_that_loses), REEL_BAD_STATE,
                                 "twice: its past took 1 contributions and returned NULL");
    expect_derivative_error_with(&TWICE(.vjp = twice_vjp, .past = past_that_takes_nothing), REEL_BAD_STATE,
                                 "twice: its past returned a gradient and took no contribution");
}

Test(user_ops, a_derivative_of_NULL_is_zero)
{
    const reel_op ops[] = { TWICE(.vjp = no_vjp), TWICE(.merge = no_merge) };
    for (int i = 0; i < 2; i++) {
        begin();
        reel_tensor *y = reel_record(&ops[i], &x, 1, NULL, 0);
        reel_tensor *g = reel_keep(reel_gradient(reel_sum(y, REEL_ALL, REEL_DROP), x), "g");
        float value[6] = { 1, 1, 1, 1, 1, 1 };
        write_inputs();
        cr_expect_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
        cr_expect_eq(reel_read_f32(g, value, 6), REEL_OK);
        for (int k = 0; k < 6; k++) cr_expect_eq(value[k], 0);
        end();
    }
}

/* A derivative that is itself found by differentiating: of x³ by its op's input, times gy. */
static void cube_run(const reel_call *call)
{
    const float *in = call->x[0];
    float *y = call->y;
    for (int64_t i = 0; i < reel_count(call->node); i++) y[i] = in[i] * in[i] * in[i];
}
static reel_tensor *cube_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    reel_tensor *in = reel_input_at(y, input);
    reel_tensor *written_out = reel_mul(reel_mul(in, in), in);
    return reel_mul(gy, reel_gradient(reel_sum(written_out, REEL_ALL, REEL_DROP), in));
}

Test(user_ops, a_derivative_may_ask_for_a_gradient_itself)
{
    begin();
    const reel_op cube = OP(.name = "cube", .shape = like_input, .run = cube_run, .vjp = cube_vjp);
    reel_tensor *in = reel_exp(reel_scale(x, 0.5)); /* nodes before and after, whose places must stay */
    reel_tensor *y = reel_mul(reel_record(&cube, &in, 1, NULL, 0), reel_sin(x));
    reel_tensor *g = reel_gradient(reel_sum(y, REEL_ALL, REEL_DROP), x);
    reel_tensor *gg = reel_gradient(reel_sum(g, REEL_ALL, REEL_DROP), x);
    reel_keep(g, "g"), reel_keep(gg, "gg");
    float value[6] = { 0 }, second[6] = { 0 };
    write_inputs();
    cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    cr_expect_eq(reel_read_f32(g, value, 6), REEL_OK);
    cr_expect_eq(reel_read_f32(gg, second, 6), REEL_OK);
    for (int k = 0; k < 6; k++) { /* y = exp(3x/2) sin x */
        const double a = (double)numbers[k], e = exp(1.5 * a);
        const double first = e * (1.5 * sin(a) + cos(a)), right = e * (1.25 * sin(a) + 3 * cos(a));
        cr_expect(fabs((double)value[k] - first) <= 1e-5 * e, "%g, not %g", (double)value[k], first);
        cr_expect(fabs((double)second[k] - right) <= 1e-5 * e * 3, "%g, not %g", (double)second[k], right);
    }
    end();
}

/* ---- Checks of values ---------------------------------------------------------------------------------------------- */

static bool refuse_silently(const reel_call *call, char *text, size_t size)
{
    return (void)call, (void)text, (void)size, false;
}
static bool refuse_endlessly(const reel_call *call, char *text, size_t size)
{
    (void)call;
    memset(text, 'a', size);
    return false;
}
static bool accept(const reel_call *call, char *text, size_t size) { return (void)call, (void)text, (void)size, true; }
static bool ordered(const reel_call *call, char *text, size_t size)
{
    const float *a = call->x[0], *b = call->x[1];
    for (int64_t i = 0; i < 6; i++)
        if (a[i] > b[i]) return snprintf(text, size, "%g is above %g", (double)a[i], (double)b[i]), false;
    return true;
}
static void copy_run(const reel_call *call) { memcpy(call->y, call->x[0], 6 * sizeof(float)); }

static void expect_run_error(reel_status status, const char *message)
{
    write_inputs();
    cr_expect_eq(reel_run(tape), status);
    cr_expect(reel_tape_error(tape) && strncmp(reel_tape_error(tape), message, strlen(message)) == 0, "%s",
              reel_tape_error(tape));
}

Test(user_ops, a_check_may_give_no_reason_or_fill_all_of_its_text)
{
    for (int plain = 0; plain < 2; plain++) {
        begin_with((reel_tape_options){ .threads = 1, .keep_everything = plain });
        reel_keep(reel_record(&TWICE(.check = refuse_silently), &x, 1, NULL, 0), "y");
        expect_run_error(REEL_BAD_INDEX, "twice: the check refused its operands");
        end();
        begin_with((reel_tape_options){ .threads = 1, .keep_everything = plain });
        reel_keep(reel_record(&TWICE(.check = refuse_endlessly), &x, 1, NULL, 0), "y");
        expect_run_error(REEL_BAD_INDEX, "twice: aaaa");
        cr_expect_leq(strlen(reel_tape_error(tape)), 999);
        end();
    }
}

Test(user_ops, a_leaf_may_be_checked)
{
    const reel_op good = OP(.name = "one", .shape = scalar, .run = one_run, .check = accept);
    const reel_op bad = OP(.name = "one", .shape = scalar, .run = one_run, .check = refuse_silently);
    for (int plain = 0; plain < 2; plain++) {
        begin_with((reel_tape_options){ .threads = 1, .keep_everything = plain });
        reel_tensor *y = reel_keep(reel_shift(reel_record_leaf(tape, &good, NULL, 0), 2), "y");
        write_inputs();
        cr_expect_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
        cr_expect_eq(reel_item(y), 3);
        reel_keep(reel_record_leaf(tape, &bad, NULL, 0), "bad");
        expect_run_error(REEL_BAD_INDEX, "one: the check refused its operands");
        end();
    }
}

/* The first operand is there before the run, the second is not. */
Test(user_ops, a_check_of_several_operands_waits_for_all_of_them)
{
    const reel_op op = OP(.name = "ordered", .shape = like_input, .run = copy_run, .check = ordered);
    for (int plain = 0; plain < 2; plain++)
        for (int fault = 0; fault < 2; fault++) {
            begin_with((reel_tape_options){ .threads = 1, .keep_everything = plain });
            reel_tensor *larger = reel_shift(x, fault ? -1 : 1);
            reel_keep(reel_record(&op, (reel_tensor *[]){ x, larger }, 2, NULL, 0), "y");
            write_inputs();
            cr_expect_eq(reel_run(tape), fault ? REEL_BAD_INDEX : REEL_OK, "%s", reel_tape_error(tape));
            if (fault) cr_expect(strstr(reel_tape_error(tape), "ordered: 1 is above 0"), "%s", reel_tape_error(tape));
            end();
        }
}

static void never_run(const reel_call *call) { (void)call, abort(); }

/* Its kernel may rely on its check, and its value is of a run. */
Test(user_ops, a_leaf_is_drawn_without_calling_its_kernel)
{
    begin();
    const reel_op op = OP(.name = "one", .shape = scalar, .run = never_run, .check = accept);
    reel_keep(reel_mul(reel_exp(x), reel_record_leaf(tape, &op, NULL, 0)), "y");
    char path[64];
    snprintf(path, sizeof path, "/tmp/reel-user-op-%ld.dot", (long)getpid());
    cr_expect_eq(reel_tape_write_dot(tape, path), REEL_OK, "%s", reel_tape_error(tape));
    remove(path);
    end();
}

static void nan_run(const reel_call *call) { *(float *)call->y = NAN; }

Test(user_ops, a_leaf_that_makes_a_nan_is_named_in_checked_mode)
{
    begin_with((reel_tape_options){ .checked = true });
    const reel_op op = OP(.name = "broken", .shape = scalar, .run = nan_run);
    reel_keep(reel_exp(reel_record_leaf(tape, &op, NULL, 0)), "y");
    expect_run_error(REEL_NOT_FINITE, "broken: element [] of [] is NaN, the first value that is not finite");
    end();
}

/* ---- Kernels that record or run ------------------------------------------------------------------------------------ */

static reel_status inner;
static void running_run(const reel_call *call)
{
    inner = reel_run(reel_tape_of(call->node));
    twice_run(call);
}
static void recording_run(const reel_call *call)
{
    reel_exp(reel_input_at(call->node, 0));
    twice_run(call);
}

Test(user_ops, a_kernel_that_runs_its_tape_is_told_so)
{
    for (int plain = 0; plain < 2; plain++) {
        begin_with((reel_tape_options){ .threads = 1, .keep_everything = plain });
        const reel_op op = OP(.name = "running", .shape = like_input, .run = running_run);
        reel_keep(reel_record(&op, &x, 1, NULL, 0), "y");
        write_inputs();
        inner = REEL_OK;
        reel_run(tape);
        cr_expect_eq(inner, REEL_BAD_STATE);
        cr_expect(reel_tape_error(tape) && strstr(reel_tape_error(tape), "run: the tape is running"));
        end();
    }
}

Test(user_ops, a_kernel_that_records_is_told_so)
{
    begin();
    const reel_op op = OP(.name = "recording", .shape = like_input, .run = recording_run);
    reel_keep(reel_record(&op, &x, 1, NULL, 0), "y");
    write_inputs();
    reel_run(tape);
    cr_expect_eq(reel_tape_status(tape), REEL_BAD_STATE);
    cr_expect(reel_tape_error(tape) && strstr(reel_tape_error(tape), "exp: recorded while the tape is running"));
    end();
}

/* ---- Draws --------------------------------------------------------------------------------------------------------- */

/* Both words of the stream as two numbers of i32 each; what else a kernel makes of it is its own. */
static bool stream_shape(reel_tensor *y) { return reel_set_shape(y, REEL_I32, 1, (int64_t[]){ 4 }); }
static void stream_run(const reel_call *call) { memcpy(call->y, call->stream, sizeof call->stream); }
static const reel_op dice_op = {
    .size = sizeof dice_op, .name = "dice", .shape = stream_shape, .run = stream_run, .draws = true, .unique = true
};
static const reel_op coin_op = {
    .size = sizeof coin_op, .name = "coin", .shape = stream_shape, .run = stream_run, .draws = true
};
static const reel_op strict_op = {
    .size = sizeof strict_op, .name = "strict", .shape = stream_shape, .run = stream_run, .draws = true, .check = accept
};

enum { DRAWS = 5, WORDS = 4 };

typedef struct drawn {
    int32_t word[DRAWS][WORDS];
} drawn;

static void record_draws(bool backwards, reel_tensor **y)
{
    reel_tape_clear(tape);
    x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
    y[0] = reel_record_leaf(tape, &dice_op, NULL, 0);
    y[1] = reel_record_leaf(tape, &dice_op, NULL, 0);
    y[2] = reel_record_leaf(tape, &coin_op, numbers, 4);
    y[3] = reel_record(&dice_op, &x, 1, NULL, 0);
    y[4] = reel_record_leaf(tape, &strict_op, NULL, 0);
    for (int i = 0; i < DRAWS; i++) { /* the order of a program is that of its names */
        char name[8];
        int k = backwards ? DRAWS - 1 - i : i;
        snprintf(name, sizeof name, "y%d", k);
        reel_keep(y[k], name);
    }
    cr_assert_eq(reel_write_f32(x, numbers, 6), REEL_OK);
}

static drawn draw(reel_tensor **y)
{
    drawn d;
    memset(&d, 0, sizeof d);
    cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    for (int i = 0; i < DRAWS; i++) cr_assert_eq(reel_read_i32(y[i], d.word[i], WORDS), REEL_OK);
    return d;
}

Test(user_ops, draws_are_keyed_by_the_name_of_the_op_its_order_and_the_run)
{
    drawn first[2], second[2];
    reel_tensor *y[DRAWS];
    for (int plain = 0; plain < 2; plain++) {
        begin_with((reel_tape_options){ .threads = 1, .keep_everything = plain });
        record_draws(false, y);
        first[plain] = draw(y);
        if (plain) record_draws(true, y); /* recorded again, in another order */
        second[plain] = draw(y);
        end();
    }
    cr_expect_arr_eq(&first[0], &first[1], sizeof first[0]);
    cr_expect_arr_eq(&second[0], &second[1], sizeof second[0]);
    for (int i = 0; i < DRAWS; i++)
        for (int j = 0; j < DRAWS; j++) {
            cr_expect(memcmp(first[0].word[i], second[0].word[j], sizeof first[0].word[i]) != 0, "%d %d", i, j);
            if (i < j)
                cr_expect(memcmp(first[0].word[i], first[0].word[j], sizeof first[0].word[i]) != 0, "%d %d", i, j);
        }
}

Test(user_ops, a_draw_is_not_that_of_a_uniform_of_its_name)
{
    begin();
    reel_tensor *dice = reel_keep(reel_record_leaf(tape, &dice_op, NULL, 0), "d");
    reel_keep(reel_uniform(x, "dice", REEL_SHAPE(4)), "u");
    int32_t with[WORDS], without[WORDS];
    write_inputs();
    cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    cr_assert_eq(reel_read_i32(dice, with, WORDS), REEL_OK);
    cr_expect_str_eq(reel_name_of(dice), "dice");
    reel_tape_clear(tape);
    x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
    dice = reel_keep(reel_record_leaf(tape, &dice_op, NULL, 0), "d");
    cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    cr_assert_eq(reel_read_i32(dice, without, WORDS), REEL_OK);
    cr_expect(memcmp(with, without, sizeof with) != 0, "another run");
    end();
}

/* ---- The same bits on every executor ------------------------------------------------------------------------------- */

typedef struct eight {
    int64_t axis[REEL_MAX_RANK];
    double factor;
} eight;

static bool eight_shape(reel_tensor *y)
{
    const eight *e = reel_attr(y);
    for (int i = 0; i < REEL_MAX_RANK; i++)
        if (e->axis[i] != i) return reel_fail_shape(y, REEL_BAD_ARGUMENT, "axis %d is %d", i, (int)e->axis[i]);
    return like_input(y);
}
static void eight_run(const reel_call *call)
{
    const eight *e = reel_attr(call->node);
    const double *in = call->x[0];
    double *y = call->y;
    for (int64_t i = 0; i < reel_count(call->node); i++) y[i] = e->factor * in[i];
}
static reel_tensor *eight_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    return (void)input, reel_scale(gy, ((const eight *)reel_attr(y))->factor);
}
static const reel_op eight_op = {
    .size = sizeof eight_op, .name = "eight", .shape = eight_shape, .run = eight_run, .vjp = eight_vjp
};

/* y = the signs of x, i32, and an empty value */
static bool signs_shape(reel_tensor *y)
{
    const reel_tensor *in = reel_input_at(y, 0);
    return reel_set_shape(y, REEL_I32, reel_rank(in), reel_sizes(in));
}
static void signs_run(const reel_call *call)
{
    const float *in = call->x[0];
    int32_t *y = call->y;
    for (int64_t i = 0; i < reel_count(call->node); i++) y[i] = in[i] > 0;
}
static const reel_op signs_op = { .size = sizeof signs_op, .name = "signs", .shape = signs_shape, .run = signs_run };
static const reel_op twice_op = {
    .size = sizeof twice_op, .name = "twice", .shape = like_input, .run = twice_run, .vjp = twice_vjp
};
static const reel_op merging_op = {
    .size = sizeof merging_op, .name = "merging", .shape = like_input, .run = twice_run, .merge = twice_merge
};

enum { SIDE = 320 };

typedef struct outcome {
    float loss, gradient[SIDE * SIDE];
    double eight[6];
    int32_t count;
} outcome;

/* Operands are views and members of groups, and what the user's ops give goes into products. */
static void run_with_user_ops(reel_tape_options options, bool again, outcome *o)
{
    static float data[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) data[i] = (float)((i * 7919) % 257) / 257 - 0.5f;
    reel_model *m = reel_model_new((reel_model_options){ .seed = 3 });
    reel_tape *t = reel_tape_new(m, options);
    for (int pass = 0; pass <= again; pass++) {
        reel_tape_clear(t);
        reel_tensor *a = reel_input(t, "a", REEL_F32, REEL_SHAPE(SIDE, SIDE));
        reel_tensor *turned = reel_transpose(reel_tanh(a));
        reel_tensor *y = reel_record(&twice_op, &turned, 1, NULL, 0), *z = reel_record(&merging_op, &y, 1, NULL, 0);
        reel_tensor *product = reel_matmul(reel_sigmoid(z), reel_record(&merging_op, &a, 1, NULL, 0));
        reel_tensor *loss = reel_keep(reel_mean(reel_square(product), REEL_ALL, REEL_DROP), "loss");
        reel_tensor *g = reel_keep(reel_gradient(loss, a), "g");
        reel_tensor *positive = reel_record(&signs_op, &turned, 1, NULL, 0);
        reel_tensor *count = reel_keep(reel_sum(positive, REEL_ALL, REEL_DROP), "count");
        reel_tensor *none = reel_slice(a, 0, 0, 0);
        reel_keep(reel_record(&twice_op, &none, 1, NULL, 0), "none");
        eight attr;
        memset(&attr, 0, sizeof attr);
        for (int i = 0; i < REEL_MAX_RANK; i++) attr.axis[i] = i;
        attr.factor = 1.5;
        reel_tensor *wide = reel_input(t, "wide", REEL_F64, REEL_SHAPE(1, 1, 1, 1, 1, 1, 2, 3));
        reel_tensor *e = reel_record(&eight_op, &wide, 1, &attr, sizeof attr);
        reel_tensor *ge = reel_keep(reel_gradient(reel_sum(reel_square(e), REEL_ALL, REEL_DROP), wide), "ge");
        cr_assert_eq(reel_write_f32(a, data, SIDE * SIDE), REEL_OK);
        cr_assert_eq(reel_write_f64(wide, (double[]){ 1, 2, 3, 4, 5, 6 }, 6), REEL_OK);
        cr_assert_eq(reel_run(t), REEL_OK, "%s", reel_tape_error(t));
        cr_assert_eq(reel_read_f32(loss, &o->loss, 1), REEL_OK);
        cr_assert_eq(reel_read_f32(g, o->gradient, SIDE * SIDE), REEL_OK);
        cr_assert_eq(reel_read_f64(ge, o->eight, 6), REEL_OK);
        cr_assert_eq(reel_read_i32(count, &o->count, 1), REEL_OK);
    }
    reel_tape_free(t);
    reel_model_free(m);
}

Test(user_ops, give_the_same_bits_on_every_executor_and_any_number_of_threads)
{
    static outcome plain, planned;
    run_with_user_ops((reel_tape_options){ .keep_everything = true }, false, &plain);
    cr_expect(plain.loss > 0 && plain.count > 0 && plain.eight[1] == 2 * 1.5 * 1.5 * 2);
    for (int threads = 1; threads <= 3; threads++)
        for (int again = 0; again < 2; again++) {
            memset(&planned, 0, sizeof planned);
            run_with_user_ops((reel_tape_options){ .threads = threads }, again, &planned);
            cr_expect_arr_eq(&planned.gradient, &plain.gradient, sizeof plain.gradient, "%d threads", threads);
            cr_expect_arr_eq(&planned.eight, &plain.eight, sizeof plain.eight);
            cr_expect_eq(planned.loss, plain.loss);
            cr_expect_eq(planned.count, plain.count);
        }
}

/* A node of a unique op is its own, and is found again. */
Test(user_ops, a_unique_op_makes_two_nodes_of_two_calls)
{
    static const reel_op op = {
        .size = sizeof op, .name = "own", .shape = like_input, .run = twice_run, .unique = true
    };
    begin();
    reel_tensor *a = reel_record(&op, &x, 1, NULL, 0), *b = reel_record(&op, &x, 1, NULL, 0);
    cr_expect_neq(a, b);
    reel_tape_clear(tape);
    x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
    v = reel_input(tape, "v", REEL_F32, REEL_SHAPE(3));
    idx = reel_input(tape, "idx", REEL_I32, REEL_SHAPE(3));
    cr_expect_eq(reel_record(&op, &x, 1, NULL, 0), a);
    cr_expect_eq(reel_record(&op, &x, 1, NULL, 0), b);
    end();
}

/* y = x + attr, which is data. */
static void shift_run(const reel_call *call)
{
    const float *in = call->x[0], *by = reel_attr(call->node);
    float *y = call->y;
    for (int64_t i = 0; i < reel_count(call->node); i++) y[i] = in[i] + *by;
}
static reel_tensor *shift_vjp(reel_tensor *y, reel_tensor *gy, int input) { return (void)y, (void)input, gy; }

Test(user_ops, an_attribute_that_is_data_changes_in_its_node)
{
    static const reel_op op = { .size = sizeof op,
                                .name = "shift",
                                .shape = like_input,
                                .run = shift_run,
                                .vjp = shift_vjp,
                                .unique = true,
                                .attr_is_data = true };
    for (int plain = 0; plain < 2; plain++) {
        begin_with((reel_tape_options){ .threads = 1, .keep_everything = plain });
        reel_tensor *first[3] = { NULL };
        for (int i = 0; i < 4; i++) {
            const float by[2] = { (float)i, (float)(i * i) };
            reel_tape_clear(tape);
            x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
            reel_tensor *a = reel_record(&op, &x, 1, &by[0], sizeof *by);
            reel_tensor *y = reel_keep(reel_record(&op, &a, 1, &by[1], sizeof *by), "y");
            reel_tensor *g = reel_gradient(reel_sum(reel_square(y), REEL_ALL, REEL_DROP), x);
            reel_tensor *now[3] = { a, y, g };
            if (i == 0) memcpy(first, now, sizeof now);
            cr_expect_arr_eq(now, first, sizeof now);
            reel_write_f32(x, numbers, 6);
            cr_expect_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
            float value[6] = { 0 }, slope[6] = { 0 };
            cr_expect_eq(reel_read_f32(y, value, 6), REEL_OK);
            cr_expect_eq(reel_read_f32(g, slope, 6), REEL_OK);
            for (int k = 0; k < 6; k++) cr_expect_eq(value[k], numbers[k] + by[0] + by[1]);
            for (int k = 0; k < 6; k++) cr_expect_eq(slope[k], 2 * value[k]);
        }
        end();
    }
}

/* Long names, in all that shows them. */
Test(user_ops, a_very_long_name_does_not_spoil_a_report)
{
    static char name[2000];
    memset(name, 'n', sizeof name - 1);
    begin();
    const reel_op op = OP(.name = name, .shape = like_input, .run = twice_run, .draws = true);
    reel_keep(reel_record(&op, &x, 1, NULL, 0), "y");
    write_inputs();
    cr_expect_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    char path[64];
    snprintf(path, sizeof path, "/tmp/reel-user-op-%ld.txt", (long)getpid());
    cr_expect_eq(reel_tape_write_plan(tape, path), REEL_OK, "%s", reel_tape_error(tape));
    cr_expect_eq(reel_tape_write_dot(tape, path), REEL_OK, "%s", reel_tape_error(tape));
    remove(path);
    reel_record(&OP(.name = name, .shape = no_reason, .run = twice_run), &x, 1, NULL, 0);
    cr_expect_eq(reel_tape_status(tape), REEL_BAD_SHAPE);
    end();
}
