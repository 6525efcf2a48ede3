/* Operands that cannot be used, in every op of the table and every other call: NULL, from before a clear, of another tape.
 * Nothing is returned as if it were good, and what has no tape to complain to is heard at the next run. */
#include "fixture.h"
#include "op_table.h"
#include "support.h"

#include <reel/op.h>
#include <stdio.h>
#include <string.h>

enum { CASES = sizeof op_cases / sizeof *op_cases };

static bool begins(const char *text, const char *with) { return text && strncmp(text, with, strlen(with)) == 0; }

/* "slice: …" is also what slice_step says. */
static bool names(const char *message, const char *op)
{
    size_t length = message ? strcspn(message, ":") : 0;
    return length && strncmp(message, op, length) == 0 && (!op[length] || op[length] == '_');
}

/* ---- Without a tape --------------------------------------------------------------------------------------------------- */

/* A good program on a tape of its own. */
static reel_status run_something(char *message, size_t size)
{
    reel_tape *other = reel_tape_new(model, (reel_tape_options){ .threads = 1 });
    reel_tensor *x = reel_input(other, "x", REEL_F32, REEL_SCALAR);
    reel_keep(x, "kept");
    reel_write_f32(x, (float[]){ 1 }, 1);
    reel_status status = reel_run(other);
    snprintf(message, size, "%s", reel_tape_error(other) ? reel_tape_error(other) : "");
    reel_tape_free(other);
    return status;
}

/* It is heard once. */
static void expect_heard(const char *what, const char *message)
{
    char text[1000];
    cr_expect_eq(run_something(text, sizeof text), REEL_BAD_ARGUMENT, "%s", what);
    cr_expect(begins(text, message) && (!strchr(message, ':') || strlen(text) >= strlen(message)), "%s: \"%s\"", what,
              text);
    cr_expect_eq(run_something(text, sizeof text), REEL_OK, "%s is heard twice: %s", what, text);
}

Test(refusals, of_every_op_on_null_alone_are_heard_at_the_next_run, .init = begin, .fini = end_after_error)
{
    for (int i = 0; i < CASES; i++) {
        op_case c = sized_case(&op_cases[i], 3);
        reel_tensor *none[OPERANDS] = { NULL };
        reel_tensor *y = c.record(&c, none);
        cr_expect(reel_is_bad(y), "%s", c.op);
        reel_tensor *later = reel_keep(reel_exp(y), "later"); /* nothing more is said of it */
        cr_expect(reel_is_bad(later));
        char text[1000];
        cr_expect_eq(run_something(text, sizeof text), REEL_BAD_ARGUMENT, "%s", c.op);
        cr_expect(names(text, c.op) && strstr(text, " is NULL"), "%s: \"%s\"", c.op, text);
        cr_expect_eq(run_something(text, sizeof text), REEL_OK, "%s: %s", c.op, text);
    }
}

/* The call's own line stands in the message, not that of the run. */
#define HEARD(message, call)                                                                                           \
    do {                                                                                                               \
        char located[400];                                                                                             \
        snprintf(located, sizeof located, "%s  at %s:%d", message, __FILE__, __LINE__);                                \
        (void)(call);                                                                                                  \
        expect_heard(#call, located);                                                                                  \
    } while (0)

/* Functions whose macro gives no line. */
#define HEARD_WITHOUT_LINE(message, call) ((void)(call), expect_heard(#call, message))

static reel_tensor *const two_nulls[] = { NULL, NULL };

Test(refusals, of_calls_without_a_tape_are_heard_at_the_next_run, .init = begin, .fini = end_after_error)
{
    HEARD("relu: operand 1 is NULL", reel_keep(reel_relu(NULL), "q"));
    HEARD("item: the tensor is NULL", reel_item(NULL));
    HEARD("read: the tensor is NULL", reel_read_f32(NULL, NULL, 0));
    HEARD("write: the tensor is NULL", reel_write_i32(NULL, NULL, 0));
    HEARD("scale: operand 1 is NULL", reel_scale(NULL, 1));
    HEARD("concat: the operands are NULL", reel_concat(NULL, 0, 0));
    HEARD("concat: there are 0 operands", reel_concat(two_nulls, 0, 0));
    HEARD("concat: there are -1 operands", reel_concat(two_nulls, -1, 0));
    HEARD("concat: operand 1 is NULL", reel_concat(two_nulls, 2, 0));
    HEARD("stack: the operands are NULL", reel_stack(NULL, 2, 0));
    HEARD("stack: there are 0 operands", reel_stack(two_nulls, 0, 0));
    HEARD("input: the tape is NULL", reel_input(NULL, "x", REEL_F32, REEL_SCALAR));
    HEARD("input: the tape is NULL", reel_input(reel_tape_of(NULL), "x", REEL_F32, REEL_SCALAR));
    HEARD("state: the tape is NULL", reel_state(NULL, "x", REEL_F32, REEL_SCALAR));
    HEARD("parameter: like is NULL", reel_parameter(NULL, "x", REEL_SCALAR, reel_init_zeros()));
    HEARD("assign: the target is NULL", reel_assign(NULL, NULL));
    HEARD("keep: the tensor is NULL", reel_keep(NULL, "x"));
    HEARD("find: the tape is NULL", reel_find(NULL, "x"));
    HEARD("gradient: the loss is NULL", reel_gradient(NULL, NULL));
    HEARD("gradients: the loss is NULL", reel_gradients(NULL, NULL));
    HEARD("vjp: y is NULL", reel_vjp(NULL, NULL, NULL));
    HEARD("parameters: the tensor is NULL", reel_parameters(NULL, NULL));
    HEARD("scope_push: the tape is NULL", reel_scope_push(NULL, "x"));
    HEARD("scope_pop: the tape is NULL", reel_scope_pop(NULL));
    HEARD("layer_push: the tape is NULL", reel_layer_push(NULL, "x"));
    HEARD("with_push: the tape is NULL", reel_with_push(NULL, NULL, NULL));
    HEARD("with_pop: the tape is NULL", reel_with_pop(NULL));
    HEARD("list_append: the list is NULL", reel_list_append(NULL, "x", NULL));
    HEARD("my 0.5", reel_fail(NULL, REEL_BAD_ARGUMENT, "my %g", 0.5));
    HEARD_WITHOUT_LINE("list_new: the tape is NULL", reel_list_new(NULL));
    HEARD_WITHOUT_LINE("list_at: the list is NULL", reel_list_at(NULL, 0));
    HEARD_WITHOUT_LINE("list_find: the list is NULL", reel_list_find(NULL, "x"));
    HEARD_WITHOUT_LINE("exp: operand 1 is NULL", (reel_exp)(NULL));
}

Test(refusals, of_layers_losses_and_optimisers_without_a_tape_are_heard_too, .init = begin, .fini = end_after_error)
{
    HEARD("linear: x is NULL", reel_linear(NULL, "l", 3));
    HEARD("dropout: operand 1 is NULL", reel_dropout(NULL, "d", 0));
    HEARD("mse: operand 1 is NULL", reel_mse(NULL, NULL));
    HEARD("cross_entropy: operand 1 is NULL", reel_cross_entropy(NULL, NULL));
    HEARD("accuracy: operand 1 is NULL", reel_accuracy(NULL, NULL));
    HEARD("parameters: the tensor is NULL", reel_l2(NULL, NULL, 1));
    HEARD("parameters: the tensor is NULL", reel_sgd(NULL, (reel_sgd_options){ .lr = 1 }));
    HEARD("parameters: the tensor is NULL", reel_adam(NULL, (reel_adam_options){ .lr = 1 }));
    HEARD("sgd: the list of parameters is NULL", reel_sgd_update(NULL, NULL, (reel_sgd_options){ .lr = 1 }));
    HEARD("adam: the list of parameters is NULL", reel_adam_update(NULL, NULL, (reel_adam_options){ .lr = 1 }));
    HEARD("clip_norm: the list is NULL", reel_clip_norm(NULL, 1));
}

Test(refusals, without_a_tape_are_heard_by_an_evaluation_and_first_things_first, .init = begin, .fini = end_after_error)
{
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SCALAR), *y = reel_exp(x);
    reel_relu(NULL), reel_exp(NULL);
    reel_write_f32(x, (float[]){ 1 }, 1);
    cr_expect_eq(reel_eval(tape, &y, 1), REEL_BAD_ARGUMENT);
    cr_expect(begins(reel_tape_error(tape), "relu: operand 1 is NULL"), "%s", reel_tape_error(tape));
    cr_expect(reel_is_bad(reel_exp(x)), "as an error of its recording");
    reel_tape_clear(tape);
    x = reel_input(tape, "x", REEL_F32, REEL_SCALAR), y = reel_exp(x);
    reel_write_f32(x, (float[]){ 1 }, 1);
    cr_expect_eq(reel_eval(tape, &y, 1), REEL_OK, "%s", reel_tape_error(tape));
}

Test(refusals, without_a_tape_are_told_where_their_result_is_used, .init = begin, .fini = end_after_error)
{
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2)), *bad = reel_relu(NULL);
    cr_expect(reel_is_bad(reel_add(x, bad)));
    cr_expect(begins(reel_tape_error(tape), "add: operand 2 is of no tape: relu: operand 1 is NULL  at "), "%s",
              reel_tape_error(tape));
    char text[1000];
    cr_expect_eq(run_something(text, sizeof text), REEL_OK, "heard twice: %s", text);
}

Test(refusals, of_a_tape_without_a_model_say_so, .init = begin, .fini = end_after_error)
{
    reel_tape *none = reel_tape_new(NULL, (reel_tape_options){ 0 });
    reel_tensor *x = reel_input(none, "x", REEL_F32, REEL_SCALAR);
    cr_expect(reel_is_bad(x) && reel_is_bad(reel_exp(x)));
    cr_expect_str_eq(reel_tape_error(none), "tape_new: the model is NULL");
    cr_expect_eq(reel_tape_status(none), REEL_BAD_ARGUMENT);
    cr_expect_eq(reel_run(none), REEL_BAD_ARGUMENT);
    cr_expect_eq(reel_write_f32(x, (float[]){ 1 }, 1), REEL_BAD_ARGUMENT);
    reel_tensor *y = reel_add(reel_input(tape, "x", REEL_F32, REEL_SCALAR), x);
    cr_expect(reel_is_bad(y));
    cr_expect(begins(reel_tape_error(tape), "add: operand 2 is of no tape: tape_new: the model is NULL"), "%s",
              reel_tape_error(tape));
    reel_tape_clear(none);
    reel_tape_free(none);
    char text[1000];
    cr_expect_eq(run_something(text, sizeof text), REEL_OK, "a failed tape has its own error: %s", text);
}

Test(refusals, of_null_for_a_tape_or_a_model_have_a_status_and_a_message)
{
    cr_expect_str_eq(reel_tape_error(NULL), "the tape is NULL");
    cr_expect_str_eq(reel_model_error(NULL), "the model is NULL");
    cr_expect_eq(reel_tape_status(NULL), REEL_BAD_ARGUMENT);
    cr_expect_eq(reel_recording_status(NULL), REEL_BAD_ARGUMENT);
    cr_expect_eq(reel_run(NULL), REEL_BAD_ARGUMENT);
    cr_expect_eq(reel_eval(NULL, NULL, 0), REEL_BAD_ARGUMENT);
    cr_expect_eq(reel_tape_write_plan(NULL, "x"), REEL_BAD_ARGUMENT);
    cr_expect_eq(reel_model_seal(NULL), REEL_BAD_ARGUMENT);
    cr_expect_eq(reel_model_reset(NULL, NULL), REEL_BAD_ARGUMENT);
    cr_expect_eq(reel_model_read_f32(NULL, "w", NULL, 0), REEL_BAD_ARGUMENT);
    cr_expect_eq(reel_model_write_f64(NULL, "w", NULL, 0), REEL_BAD_ARGUMENT);
}

/* ---- On a tape --------------------------------------------------------------------------------------------------------- */

/* What may be wrong with an operand, and what the message says. */
typedef enum fault { IS_NULL, STALE, FOREIGN, FAULTS } fault;
static const char *const said[FAULTS] = { " is NULL", " is from before reel_tape_clear()", " belongs to another tape" };

static bool one_operand(const op_case *c) { return operand_count(c) == 1; }

static void expect_refused(const op_case *c, int which, fault what, reel_dtype dtype)
{
    array values[OPERANDS];
    program p = program_new();
    reel_tape *other = reel_tape_new(p.model, (reel_tape_options){ .threads = 1 });
    random_operands(c, dtype, values);
    add_inputs(&p, operand_count(c), values);
    reel_tensor *good[OPERANDS] = { p.x[0], p.x[1], p.x[2] };
    if (what == STALE) {
        reel_tape_clear(p.tape);
        for (int i = 0; i < operand_count(c); i++)
            if (i != which) {
                char name[20];
                snprintf(name, sizeof name, "new%d", i);
                good[i] = reel_input(p.tape, name, values[i].dtype, values[i].shape);
            }
    } else {
        good[which] = what == FOREIGN ? reel_input(other, "foreign", values[which].dtype, values[which].shape) : NULL;
    }
    reel_tensor *y = c->record(c, good);
    reel_tape *blamed = one_operand(c) && what == FOREIGN ? NULL : reel_tape_of(y);
    if (blamed) {
        const char *message = reel_tape_error(blamed);
        cr_expect(reel_is_bad(y), "%s takes operand %d that%s", c->op, which + 1, said[what]);
        cr_expect(names(message, c->op), "%s: \"%s\"", c->op, message);
        if (message) cr_expect(strstr(message, said[what]), "%s: \"%s\"", c->op, message);
    }
    reel_tape_free(other);
    program_free(&p);
    forget_arrays();
}

Test(refusals, of_every_op_are_of_each_operand_that_cannot_be_used)
{
    for (int i = 0; i < CASES; i++) {
        op_case c = sized_case(&op_cases[i], 3);
        for (int which = 0; which < operand_count(&c); which++)
            for (int what = one_operand(&c) ? STALE : IS_NULL; what < FAULTS; what++)
                expect_refused(&c, which, (fault)what, REEL_F32);
    }
}

/* A call that would return its operand. */
static reel_tensor *unchanged(int which, reel_tensor *x)
{
    return which == 0    ? reel_scale(x, 1)
           : which == 1  ? reel_reshape(x, REEL_SHAPE(2, 3))
           : which == 2  ? reel_cast(x, REEL_F32)
           : which == 3  ? reel_permute(x, REEL_AXES(0, 1))
           : which == 4  ? reel_dropout(x, "drop", 0)
           : which == 5  ? reel_max(x, (reel_axes){ 0 }, REEL_DROP)
           : which == 6  ? reel_sum(x, (reel_axes){ 0 }, REEL_KEEP)
           : which == 7  ? reel_expand(x, REEL_SHAPE(2, 3))
           : which == 8  ? reel_sum_to(x, REEL_SHAPE(2, 3))
           : which == 9  ? reel_slice(x, 0, 0, 2)
           : which == 10 ? reel_pad(x, 0, 0, 0)
           : which == 11 ? reel_flip(x, (reel_axes){ 0 })
           : which == 12 ? reel_concat(&x, 1, 0)
           : which == 13 ? reel_stack(&x, 1, 0)
           : which == 14 ? reel_slice_step(x, 1, 0, 3, 1)
           : which == 15 ? reel_permute(x, REEL_ALL)
                         : NULL;
}

Test(refusals, are_of_calls_that_would_change_nothing_too, .init = begin, .fini = end_after_error)
{
    static const char *const name[] = {
        "scale",  "reshape", "cast", "permute", "dropout", "max",   "sum",   "expand",
        "sum_to", "slice",   "pad",  "flip",    "concat",  "stack", "slice", "permute"
    };
    for (int i = 0; i < 16; i++) {
        reel_tape_clear(tape);
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3)), *good = unchanged(i, x);
        if (i != 13) cr_expect_eq(good, x, "%s changes something", name[i]);
        reel_tape_clear(tape);
        cr_expect(reel_is_bad(unchanged(i, x)), "%s", name[i]);
        cr_expect(names(reel_tape_error(tape), name[i]) && strstr(reel_tape_error(tape), said[STALE]), "%s: %s",
                  name[i], reel_tape_error(tape));
        char text[1000];
        cr_expect(reel_is_bad(unchanged(i, NULL)), "%s", name[i]);
        cr_expect_eq(run_something(text, sizeof text), REEL_BAD_ARGUMENT, "%s", name[i]);
        cr_expect(names(text, name[i]), "%s: %s", name[i], text);
    }
}

Test(refusals, of_i32_are_of_calls_that_would_change_nothing_too)
{
    for (int evaluate = 0; evaluate < 2; evaluate++) {
        begin();
        reel_tape *t = reel_tape_new(model, (reel_tape_options){ .evaluate = evaluate });
        reel_tensor *i = reel_input(t, "i", REEL_I32, REEL_SHAPE(2, 3));
        reel_dropout(i, "d", evaluate ? 0.5 : 0);
        cr_expect(begins(reel_tape_error(t), "dropout: operand 1 is i32; it takes f32 or f64 (use reel_cast)"), "%s",
                  reel_tape_error(t));
        reel_tape_clear(t);
        reel_linear(reel_input(t, "i", REEL_I32, REEL_SHAPE(2, 3)), "l", 2);
        cr_expect(begins(reel_tape_error(t), "linear: \"l\" takes f32 or f64, and x is i32 (use reel_cast)"), "%s",
                  reel_tape_error(t));
        reel_tape_clear(t);
        i = reel_input(t, "i", REEL_I32, REEL_SHAPE(2, 3));
        cr_expect_eq(reel_scale(i, 1), i);
        reel_scale(i, 0.5);
        cr_expect(begins(reel_tape_error(t), "scale: 0.5 is not a whole number of i32, as i [2,3]"), "%s",
                  reel_tape_error(t));
        reel_tape_free(t);
        end_after_error();
    }
}

/* ---- Values outside their enum, counts, formats ----------------------------------------------------------------------- */

#define REFUSED(status, message, call)                                                                                 \
    do {                                                                                                               \
        begin();                                                                                                       \
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));                                            \
        (void)x, (void)(call);                                                                                         \
        cr_expect_eq(reel_tape_status(tape), status, "%s", #call);                                                     \
        cr_expect(begins(reel_tape_error(tape), message), "%s: %s", #call, reel_tape_error(tape));                     \
        end_after_error();                                                                                             \
    } while (0)

Test(refusals, are_of_what_is_outside_its_range)
{
    const reel_keep_dims odd = (reel_keep_dims)7;
#define ODD ": 7 is neither REEL_DROP nor REEL_KEEP"
    REFUSED(REEL_BAD_ARGUMENT, "sum" ODD, reel_sum(x, REEL_ALL, odd));
    REFUSED(REEL_BAD_ARGUMENT, "mean" ODD, reel_mean(x, REEL_ALL, odd));
    REFUSED(REEL_BAD_ARGUMENT, "var" ODD, reel_var(x, REEL_ALL, odd));
    REFUSED(REEL_BAD_ARGUMENT, "max" ODD, reel_max(x, REEL_ALL, odd));
    REFUSED(REEL_BAD_ARGUMENT, "min" ODD, reel_min(x, REEL_ALL, odd));
    REFUSED(REEL_BAD_ARGUMENT, "logsumexp" ODD, reel_logsumexp(x, REEL_ALL, odd));
    REFUSED(REEL_BAD_ARGUMENT, "mean: 9 axes for [2,3]", reel_mean(x, (reel_axes){ .count = 9 }, REEL_DROP));
    REFUSED(REEL_BAD_ARGUMENT, "logsumexp: axis 1 twice for [2,3]", reel_logsumexp(x, REEL_AXES(1, -1), REEL_DROP));
    REFUSED(REEL_BAD_ARGUMENT, "flip: 9 axes for [2,3]", reel_flip(x, (reel_axes){ .count = 9 }));
    REFUSED(REEL_BAD_ARGUMENT, "boom 1", reel_fail(tape, (reel_status)77, "boom %d", 1));
    REFUSED(REEL_BAD_ARGUMENT, "boom", reel_fail(tape, (reel_status)-1, "boom"));
    REFUSED(REEL_BAD_ARGUMENT, "boom", reel_fail(tape, REEL_OK, "boom"));
    REFUSED(REEL_BAD_FILE, "boom", reel_fail(tape, REEL_BAD_FILE, "boom"));
    REFUSED(REEL_BAD_ARGUMENT, "fail: the format is NULL", (reel_fail)(tape, REEL_BAD_SHAPE, NULL));
    REFUSED(REEL_BAD_ARGUMENT, "eval: the count is -3", reel_eval(tape, NULL, -3));
    REFUSED(REEL_BAD_ARGUMENT, "eval: the array of tensors is NULL", reel_eval(tape, NULL, 2));
    REFUSED(REEL_BAD_ARGUMENT, "eval: a tensor is NULL", reel_eval(tape, two_nulls, 2));
    REFUSED(REEL_BAD_ARGUMENT, "sgd: the list of gradients is NULL",
            reel_sgd_update(reel_parameters(reel_linear(x, "l", 2), NULL), NULL, (reel_sgd_options){ .lr = 1 }));
    REFUSED(REEL_BAD_STATE,
            "exp: operand 1 is the result of an error before reel_tape_clear(), or of a look-up in a list that found "
            "nothing",
            reel_exp(reel_list_at(reel_list_new(tape), 3)));
    REFUSED(REEL_BAD_DTYPE, "one_hot: indices are i32, not f32 (use reel_cast)", reel_one_hot(x, 3, REEL_F32));
    begin();
    cr_expect_eq(reel_eval(tape, NULL, 0), REEL_OK);
    end_after_error();
}

Test(refusals, of_a_layer_writers_operands_can_be_had_from_outside, .init = begin, .fini = end_after_error)
{
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SCALAR);
    cr_expect(reel_usable(tape, x, "mine: x"));
    cr_expect_not(reel_usable(tape, NULL, "mine: x"));
    cr_expect(begins(reel_tape_error(tape), "mine: x is NULL"), "%s", reel_tape_error(tape));
    cr_expect_not(reel_usable(NULL, NULL, "mine: y"));
    expect_heard("reel_usable", "mine: y is NULL");
}
