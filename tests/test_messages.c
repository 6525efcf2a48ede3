/* Messages say what to do, under the name of the call that the user wrote, the same in every locale; and what the
 * environment says is understood or refused. Exact texts of the rest are in test_errors.c. */
#include "fixture.h"

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static reel_tensor *x, *v, *d, *i, *empty, *loss; /* f32 [2,3], [4], f64 [2,3], i32 [2], f32 [2,0]; of a layer "a/l" */

static void begin_with_layer(void)
{
    begin();
    x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
    v = reel_input(tape, "v", REEL_F32, REEL_SHAPE(4));
    d = reel_input(tape, "d", REEL_F64, REEL_SHAPE(2, 3));
    i = reel_input(tape, "i", REEL_I32, REEL_SHAPE(2));
    empty = reel_input(tape, "empty", REEL_F32, REEL_SHAPE(2, 0));
    reel_scope_push(tape, "a");
    loss = reel_keep(reel_sum(reel_linear(x, "l", 2), REEL_ALL, REEL_DROP), "total");
    reel_scope_pop(tape);
}

static bool begins(const char *text, const char *with) { return text && strncmp(text, with, strlen(with)) == 0; }

#define SAYS(status, message, call)                                                                                    \
    do {                                                                                                               \
        begin_with_layer();                                                                                            \
        (void)(call);                                                                                                  \
        cr_expect_eq(reel_tape_status(tape), status, "%s", #call);                                                     \
        cr_expect(begins(reel_tape_error(tape), message "  at "), "%s:\n  got  %s\n  want %s", #call,                  \
                  reel_tape_error(tape), message);                                                                     \
        end_after_error();                                                                                             \
    } while (0)

static reel_list *twice(reel_list *first, reel_list *second) { return (void)first, second; }

Test(messages, of_a_second_optimiser_ask_for_another_state)
{
    begin_with_layer();
    twice(reel_adam(loss, (reel_adam_options){ .lr = 1, .parameter_pattern = "a/l/w" }),
          reel_adam(loss, (reel_adam_options){ .lr = 1, .parameter_pattern = "a/l/b" }));
    cr_expect(begins(reel_tape_error(tape), "state: the name \"adam/step\" is used twice in one entry of its scope"),
              "%s", reel_tape_error(tape));
    cr_expect(strstr(reel_tape_error(tape),
                     "(a second optimiser needs another .state_prefix, the prefix of its states' names)"),
              "%s", reel_tape_error(tape));
    cr_expect_null(strstr(reel_tape_error(tape), "enter a scope"));
    end_after_error();
    begin_with_layer();
    twice(reel_adam(loss, (reel_adam_options){ .lr = 1, .parameter_pattern = "a/l/w" }),
          reel_adam(loss, (reel_adam_options){ .lr = 1, .parameter_pattern = "a/l/b", .state_prefix = "second" }));
    cr_expect_null(reel_tape_error(tape), "%s", reel_tape_error(tape));
    end_after_error();
}

#define CLASSES ": classes are i32 (use reel_cast), or distributions of the logits' shape"

Test(messages, of_losses_say_what_they_take)
{
    SAYS(REEL_BAD_SHAPE, "cross_entropy: logits are [2,3] and y [4] of floats" CLASSES, reel_cross_entropy(x, v));
    SAYS(REEL_BAD_SHAPE, "cross_entropy: logits are [2,3] and y [2] of floats" CLASSES,
         reel_cross_entropy(x, reel_cast(i, REEL_F32)));
    SAYS(REEL_BAD_DTYPE, "cross_entropy: f32 and f64 do not mix (use reel_cast)", reel_cross_entropy(x, d));
    SAYS(REEL_BAD_DTYPE, "cross_entropy: operand 1 is i32; it takes f32 or f64 (use reel_cast)",
         reel_cross_entropy(reel_cast(x, REEL_I32), i));
    SAYS(REEL_BAD_DTYPE, "mse: f32 and f64 do not mix (use reel_cast)", reel_mse(x, d));
    SAYS(REEL_BAD_DTYPE, "mse: operand 2 is i32; it takes f32 or f64 (use reel_cast)",
         reel_mse(x, reel_cast(x, REEL_I32)));
    SAYS(REEL_BAD_DTYPE, "accuracy: operand 1 is i32; it takes f32 or f64 (use reel_cast)",
         reel_accuracy(reel_cast(x, REEL_I32), i));
}

Test(messages, of_compositions_have_the_name_that_was_called)
{
    SAYS(REEL_BAD_SHAPE, "softmax: axis 1 of [2,0] is empty", reel_softmax(empty, -1));
    SAYS(REEL_BAD_SHAPE, "log_softmax: axis 1 of [2,0] is empty", reel_log_softmax(empty, 1));
    SAYS(REEL_BAD_SHAPE, "logsumexp: axis 1 of [2,0] is empty", reel_logsumexp(empty, REEL_ALL, REEL_DROP));
    SAYS(REEL_BAD_DTYPE, "take: indices are i32, not f32 (use reel_cast)", reel_take(x, v, 0));
    SAYS(REEL_BAD_DTYPE, "scatter_add: indices are i32, not f32 (use reel_cast)", reel_scatter_add(x, v, 0, 3));
    SAYS(REEL_BAD_DTYPE, "one_hot: indices are i32, not f32 (use reel_cast)", reel_one_hot(v, 3, REEL_F32));
    SAYS(REEL_BAD_DTYPE, "one_hot: 9 is no dtype", reel_one_hot(i, 3, (reel_dtype)9));
    SAYS(REEL_BAD_ARGUMENT, "one_hot: the number of classes is -1", reel_one_hot(i, -1, REEL_F32));
    SAYS(REEL_BAD_SHAPE, "stack: part 2 is [4], the first [2,3]; they must be alike",
         reel_stack(((reel_tensor *[]){ x, v }), 2, 0));
    SAYS(REEL_BAD_DTYPE, "stack: f32 and f64 do not mix (use reel_cast)",
         reel_stack(((reel_tensor *[]){ x, d }), 2, 0));
    SAYS(REEL_BAD_ARGUMENT, "stack: no new axis 4 in [2,3]", reel_stack(&x, 1, 4));
    SAYS(REEL_BAD_SHAPE, "fill: [-1] is no shape: up to 8 sizes, none of them negative",
         reel_fill(x, REEL_SHAPE(-1), 0));
    SAYS(REEL_BAD_DTYPE, "clip: 0.5 is not a whole number of i32, as i [2] (" __FILE__ ":21) is", reel_clip(i, 0.5, 1));
    SAYS(REEL_BAD_DTYPE, "shift: 0.5 is not a whole number of i32, as i [2] (" __FILE__ ":21) is", reel_shift(i, 0.5));
    SAYS(REEL_BAD_DTYPE, "normal: draws are f32 or f64, not i32 as i [2] (" __FILE__ ":21)",
         reel_normal(i, "n", REEL_SHAPE(2)));
    SAYS(REEL_BAD_SHAPE, "normal: a size is negative: [-2]", reel_normal(x, "n", REEL_SHAPE(-2)));
    SAYS(REEL_BAD_NAME, "normal: a name is needed, not NULL", reel_normal(x, NULL, REEL_SHAPE(2)));
    SAYS(REEL_BAD_SHAPE, "contract: \"ab,bc->ac\" does not fit [2,3] and [2,3]: b is 3 in one and 2 in the other",
         reel_contract(x, x, "ab,bc->ac"));
}

Test(messages, about_kept_names_look_into_scopes)
{
    SAYS(REEL_BAD_NAME, "find: nothing is kept as \"total\" (did you mean \"a/total\"?)", reel_find(tape, "total"));
    SAYS(REEL_BAD_NAME, "find: nothing is kept as \"totl\" (did you mean \"a/total\"?)", reel_find(tape, "totl"));
    SAYS(REEL_BAD_NAME, "find: nothing is kept as \"b/total\" (did you mean \"a/total\"?)", reel_find(tape, "b/total"));
    SAYS(REEL_BAD_NAME, "find: nothing is kept as \"accuracy\"", reel_find(tape, "accuracy"));
    begin_with_layer();
    float w[6];
    cr_expect_eq(reel_model_read_f32(model, "l/w", w, 6), REEL_BAD_NAME);
    cr_expect_str_eq(reel_model_error(model), "model_read_f32: the model has no \"l/w\" (did you mean \"a/l/w\"?)");
    end_after_error();
}

Test(messages, about_initialisers_name_them)
{
    begin_with_layer();
    reel_tape_clear(tape);
    x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
    reel_parameter(x, "p", REEL_SHAPE(2), reel_init_uniform(-0.5, 0.5));
    reel_tape_clear(tape);
    x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
    reel_parameter(x, "p", REEL_SHAPE(2), reel_init_constant(1.5));
    cr_expect(begins(reel_tape_error(tape),
                     "parameter: \"p\" exists with another initialiser: uniform (-0.5, 0.5), not "
                     "constant (1.5, 0)"),
              "%s", reel_tape_error(tape));
    end_after_error();
}

Test(messages, of_a_read_and_of_an_evaluation_name_them)
{
    SAYS(REEL_BAD_STATE, "eval: the input x [2,3] was never written", reel_eval(tape, &loss, 1));
    begin_with_layer();
    reel_keep(reel_fill(v, REEL_SHAPE(2), 1), "ones");
    reel_tensor *y = reel_exp(reel_add(reel_slice(v, 0, 0, 2), 0 ? v : reel_slice(v, 0, 1, 3)));
    reel_tape_clear(tape);
    x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
    reel_keep(reel_fill(x, REEL_SHAPE(2), 1), "ones");
    y = reel_exp(x);
    cr_expect_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    float room[6];
    reel_read_f32(y, room, 6);
    cr_expect(begins(reel_tape_error(tape), "read: the input x [2,3] was never written"), "%s", reel_tape_error(tape));
    reel_tape_clear(tape);
    reel_read_f32(y, room, 6);
    cr_expect(
        begins(reel_tape_error(tape), "read: the tensor is from before reel_tape_clear() (recorded at " __FILE__ ":"),
        "%s", reel_tape_error(tape));
    end_after_error();
}

/* ---- The environment --------------------------------------------------------------------------------------------------- */

/* The error of a run, and of one after a clear, or NULL if both are good. */
static const char *error_with(const char *variable, const char *value, bool *kept)
{
    static char text[1000];
    *text = 0;
    setenv(variable, value, 1);
    begin();
    for (int again = 0; again < 2; again++) {
        reel_tape_clear(tape);
        reel_tensor *in = reel_input(tape, "x", REEL_F32, REEL_SCALAR), *root = reel_sqrt(in);
        reel_keep(reel_neg(root), "y");
        reel_write_f32(in, (float[]){ -1 }, 1);
        reel_status status = reel_run(tape);
        snprintf(text, sizeof text, "%s", reel_tape_error(tape) ? reel_tape_error(tape) : "");
        *kept = status == REEL_OK && reel_read_f32(root, (float[1]){ 0 }, 1) == REEL_OK;
        reel_tape_status(tape);
    }
    end_after_error();
    unsetenv(variable);
    return *text ? text : NULL;
}

Test(messages, of_flags_in_the_environment)
{
    static const char *const on[] = { "1", "true", "yes", "on", "TRUE", "On" }, *const off[] = { "",   "0",   "false",
                                                                                                 "no", "off", "False" };
    bool kept;
    for (int k = 0; k < 6; k++) {
        cr_expect_null(error_with("REEL_KEEP_EVERYTHING", on[k], &kept), "%s", on[k]);
        cr_expect(kept, "%s is not on", on[k]);
        cr_expect_null(error_with("REEL_KEEP_EVERYTHING", off[k], &kept), "%s", off[k]);
        cr_expect_not(kept, "%s is on", off[k]);
        cr_expect(begins(error_with("REEL_CHECKED", on[k], &kept), "sqrt: element"), "%s is not on", on[k]);
        cr_expect_null(error_with("REEL_CHECKED", off[k], &kept), "%s is on", off[k]);
        cr_expect_null(error_with("REEL_PLAIN", on[k], &kept));
        cr_expect_null(error_with("REEL_PLAIN", off[k], &kept));
    }
    static const char *const flags[] = { "REEL_KEEP_EVERYTHING", "REEL_CHECKED", "REEL_PLAIN" };
    for (int k = 0; k < 3; k++) {
        char want[200];
        snprintf(want, sizeof want, "%s: what is \"nope\"? It is 1, true, yes or on, or 0, false, no or off", flags[k]);
        const char *got = error_with(flags[k], "nope", &kept);
        cr_expect_not_null(got, "%s", flags[k]);
        if (got) cr_expect_str_eq(got, want);
        cr_expect_not_null(error_with(flags[k], "2", &kept), "%s", flags[k]);
    }
}

Test(messages, of_forced_plans_say_which_words_there_are)
{
    bool kept;
    const char *error = error_with("REEL_FORCE", "pack_ahead", &kept);
    cr_expect(begins(error, "REEL_FORCE: what is \"pack_ahead\"? Did you mean \"pack=ahead\"? The words are no_fold, "),
              "%s", error);
    cr_expect(error && strstr(error,
                              ", no_reuse, pack=always, pack=never, pack=ahead, tile=, block=, l1=, l2=, thread_work="),
              "%s", error);
    error = error_with("REEL_FORCE", "no_grup", &kept);
    cr_expect(begins(error, "REEL_FORCE: what is \"no_grup\"? Did you mean \"no_group\"? The words are "), "%s", error);
    error = error_with("REEL_FORCE", "frobnicate", &kept);
    cr_expect(begins(error, "REEL_FORCE: what is \"frobnicate\"? The words are no_fold"), "%s", error);
    error = error_with("REEL_ISA", "avx", &kept);
    cr_expect(begins(error, "REEL_ISA: what is \"avx\"? The instruction sets are baseline, avx2 and avx512"), "%s",
              error);
}

Test(messages, of_options_that_cannot_be_followed_outlast_a_clear)
{
    begin_with((reel_model_options){ 0 }, (reel_tape_options){ .threads = -2 });
    for (int again = 0; again < 2; again++) {
        cr_expect_eq(reel_run(tape), REEL_BAD_ARGUMENT);
        cr_expect_str_eq(reel_tape_error(tape), "tape_new: threads is -2; 0 asks for all, 1 for one, 1024 is the most");
        reel_tape_clear(tape);
    }
    end_after_error();
}

/* ---- Locales ------------------------------------------------------------------------------------------------------------ */

static const char comma[] = "comment_char %\nescape_char /\n"
                            "LC_CTYPE\ncopy \"POSIX\"\nEND LC_CTYPE\nLC_COLLATE\ncopy \"POSIX\"\nEND LC_COLLATE\n"
                            "LC_MONETARY\ncopy \"POSIX\"\nEND LC_MONETARY\nLC_TIME\ncopy \"POSIX\"\nEND LC_TIME\n"
                            "LC_MESSAGES\ncopy \"POSIX\"\nEND LC_MESSAGES\n"
                            "LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \"\"\ngrouping -1\nEND LC_NUMERIC\n";

/* A locale with a decimal comma, made here if the machine has none. */
static bool german(void)
{
    static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8" };
    for (int k = 0; k < 3; k++)
        if (setlocale(LC_ALL, names[k])) return true;
    char folder[] = "/tmp/reel_locale_XXXXXX", path[80], command[300];
    if (!mkdtemp(folder)) return false;
    snprintf(path, sizeof path, "%s/source", folder);
    FILE *source = fopen(path, "w");
    if (source) fputs(comma, source), fclose(source);
    snprintf(command, sizeof command, "localedef -c -i %s -f ANSI_X3.4-1968 %s/made >/dev/null 2>&1", path, folder);
    int ignored = system(command); /* it warns, and says so by its status */
    setenv("LOCPATH", folder, 1);
    bool made = setlocale(LC_NUMERIC, "made") != NULL;
    snprintf(command, sizeof command, "rm -r %s", folder);
    ignored = system(command);
    return (void)ignored, made;
}

/* A digit, a comma, a digit: shapes have them too, without a point. */
static const char *decimal_comma(const char *text)
{
    for (const char *c = text; c && *c; c++)
        if (c > text && *c == ',' && isdigit((unsigned char)c[-1]) && isdigit((unsigned char)c[1])) return c;
    return NULL;
}

#define POINT(number, call)                                                                                            \
    do {                                                                                                               \
        begin_with_layer();                                                                                            \
        (void)(call);                                                                                                  \
        cr_expect(reel_tape_error(tape) && strstr(reel_tape_error(tape), number), "%s: %s", #call,                     \
                  reel_tape_error(tape));                                                                              \
        end_after_error();                                                                                             \
    } while (0)

static reel_tensor *with_two_initialisers(void)
{
    reel_parameter(x, "p", REEL_SHAPE(2), reel_init_uniform(-0.5, 0.5));
    reel_scope_push(tape, "q");
    reel_scope_pop(tape);
    reel_tape_clear(tape);
    return reel_parameter(reel_input(tape, "x", REEL_F32, REEL_SCALAR), "p", REEL_SHAPE(2), reel_init_constant(1.5));
}

Test(messages, have_a_decimal_point_in_every_locale)
{
    if (!german()) cr_skip_test("no locale with a decimal comma can be had here");
    char text[20];
    snprintf(text, sizeof text, "%g", 0.5);
    cr_assert_str_eq(text, "0,5", "the locale has no decimal comma");
    POINT("the rate 1.5 is not", reel_dropout(x, "d", 1.5));
    POINT("clip: 1.5 … 0.5 is no interval", reel_clip(x, 1.5, 0.5));
    POINT("number: 0.5 is not a whole", reel_number(i, 0.5));
    POINT("(-0.5, 0.5), not constant (1.5, 0)", with_two_initialisers());
    POINT(".betas[0] is 1.5", reel_adam(loss, (reel_adam_options){ .lr = 1, .betas = { 1.5, 0.5 } }));
    POINT("mine: 2.5", reel_fail(tape, REEL_BAD_ARGUMENT, "mine: %g", 2.5));
    begin_with_layer();
    reel_scope_push(tape, "rate%g", 0.5);
    reel_keep(reel_neg(x), "y");
    reel_scope_pop(tape);
    cr_expect_not(reel_is_bad(reel_find(tape, "rate0.5/y")), "%s", reel_tape_error(tape));
    snprintf(text, sizeof text, "%g", 0.5);
    cr_expect_str_eq(text, "0,5", "the program's locale is as it was");
    end_after_error();
}

static void expect_points(const char *path)
{
    static char text[1 << 16];
    FILE *file = fopen(path, "r");
    cr_assert(file, "%s", path);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    remove(path);
    cr_expect_gt(strlen(text), 100);
    for (const char *c = text; (c = decimal_comma(c)) != NULL; c++) {
        const char *from = c;
        while (from > text && strchr("0123456789.,", from[-1])) from--;
        bool list = from[-1] == '[' || strncmp(from, "0.12,0.05", 9) == 0; /* a shape, or a margin of the picture */
        cr_expect(list, "%s: %.20s", path, from);
    }
}

Test(messages, in_reports_and_pictures_have_a_decimal_point_in_every_locale)
{
    if (!german()) cr_skip_test("no locale with a decimal comma can be had here");
    begin_with_layer();
    reel_sgd(loss, (reel_sgd_options){ .lr = 0.125, .weight_decay = 0.3 });
    reel_write_f32(x, (float[]){ 1, 2, 3, 4, 5, 6 }, 6);
    cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    cr_expect_eq(reel_tape_write_plan(tape, "messages.plan"), REEL_OK);
    cr_expect_eq(reel_tape_write_dot(tape, "messages.dot"), REEL_OK);
    cr_expect_eq(reel_model_save(model, "messages.safetensors"), REEL_OK);
    cr_expect_eq(reel_model_load(model, "messages.safetensors"), REEL_OK, "%s", reel_model_error(model));
    remove("messages.safetensors");
    expect_points("messages.plan");
    expect_points("messages.dot");
    end_after_error();
}
