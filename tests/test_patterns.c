/* What a pattern does not name is an error with the nearest that it would: otherwise what was to be trained is frozen, or
 * what was to be frozen is trained, in silence. Which names a pattern does name is in test_names.c. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

static reel_tensor *loss;
static int line; /* of the cut */

static void begin_with_network(void)
{
    begin();
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
    reel_scope_push(tape, "encoder");
    reel_tensor *h = reel_linear(reel_linear(x, "first", 3), "second", 3);
    reel_scope_pop(tape);
    line = __LINE__, h = reel_detach(reel_linear(h, "frozen", 3));
    reel_linear(x, "elsewhere", 2); /* nothing depends on it */
    h = reel_add(h, reel_linear(x, "decoder", 3));
    reel_scope_push(tape, "norm");
    reel_tensor *count = reel_state(tape, "count", REEL_F32, REEL_SCALAR);
    reel_assign(count, reel_shift(count, 1));
    reel_scope_pop(tape);
    loss = reel_sum(h, REEL_ALL, REEL_DROP);
}

typedef void use(const char *pattern);

static void parameters(const char *pattern) { (reel_parameters)(loss, pattern); }
static void sgd(const char *pattern) { (reel_sgd)(loss, (reel_sgd_options){ .lr = 1, .parameter_pattern = pattern }); }
static void adam(const char *pattern)
{
    (reel_adam)(loss, (reel_adam_options){ .lr = 1, .parameter_pattern = pattern });
}
static void l2(const char *pattern) { (reel_l2)(loss, pattern, 1); }

#define SUM "parameters: sum [] (tests/test_patterns.c:0) "

/* The message with file names and lines written as above. */
static const char *shortened(const char *message)
{
    static char text[1200];
    char *to = text;
    for (const char *from = message; *from;) {
        if (strncmp(from, __FILE__, strlen(__FILE__)) != 0) {
            *to++ = *from++;
            continue;
        }
        from += strlen(__FILE__) + 1;
        int at = 0;
        while (*from >= '0' && *from <= '9') at = 10 * at + (*from++ - '0');
        to += sprintf(to, "tests/test_patterns.c:%d", at == line ? 1 : 0);
    }
    *to = 0;
    return text;
}

static void expect(const char *pattern, reel_status status, const char *message)
{
    static use *const uses[] = { parameters, sgd, adam, l2 };
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        begin_with_network();
        uses[i](pattern);
        cr_expect_eq(reel_tape_status(tape), status, "\"%s\" by use %d: %s", pattern ? pattern : "NULL", (int)i,
                     reel_status_text(reel_tape_status(tape)));
        if (reel_tape_error(tape)) cr_expect_str_eq(shortened(reel_tape_error(tape)), message);
        else cr_expect_null(message, "\"%s\"", pattern);
        end_after_error();
    }
}

Test(patterns, of_which_each_part_names_something_are_followed)
{
    static const char *const good[] = { NULL,        "**",           "decoder/w",          "decoder/*,!**/b",
                                        "!**/b",     "!encoder/**",  "!elsewhere/**",      "**,!frozen/w",
                                        "**/**",     "**/decoder/*", "decoder/**/w",       "!**/b,**/b",
                                        "dec*/**/w", "!**/w",        "decoder/b,decoder/w" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) expect(good[i], REEL_OK, NULL);
}

Test(patterns, of_which_a_part_names_nothing_say_which_and_what_is_near)
{
    expect("!encodr/**", REEL_BAD_NAME,
           "parameters: no parameter is named by \"!encodr/**\" (did you mean \"encoder/**\"?)");
    expect("decoder/**,encodr/**", REEL_BAD_NAME,
           SUM "depends on no parameter named by \"encodr/**\" (did you mean \"encoder/**\"?)");
    expect("decodr/**", REEL_BAD_NAME,
           SUM "depends on no parameter named by \"decodr/**\" (did you mean \"decoder/**\"?)");
    expect("encoder/frist/**", REEL_BAD_NAME,
           SUM "depends on no parameter named by \"encoder/frist/**\" (did you mean \"encoder/first/**\"?)");
    expect("decoder/weight", REEL_BAD_NAME,
           SUM "depends on no parameter named by \"decoder/weight\" (did you mean \"decoder/w\"?)");
    expect("decoder/ww", REEL_BAD_NAME,
           SUM "depends on no parameter named by \"decoder/ww\" (did you mean \"decoder/w\"?)");
    expect("**/decodr/w", REEL_BAD_NAME,
           SUM "depends on no parameter named by \"**/decodr/w\" (did you mean \"**/decoder/w\"?)");
    expect("**,!**/bb", REEL_BAD_NAME, "parameters: no parameter is named by \"!**/bb\" (did you mean \"**/b\"?)");
    expect("zzzzzzz/**", REEL_BAD_NAME, SUM "depends on no parameter named by \"zzzzzzz/**\"");
    expect("**,!norm/count", REEL_BAD_NAME, "parameters: no parameter is named by \"!norm/count\"");
    expect("decoder", REEL_BAD_NAME, SUM "depends on no parameter named by \"decoder\" (did you mean \"decoder/**\"?)");
}

Test(patterns, of_what_the_loss_does_not_reach_say_so_and_name_the_cut)
{
    expect("elsewhere/w", REEL_UNREACHED, SUM "does not depend on \"elsewhere/w\"");
    expect("decoder/w,elsewhere/w", REEL_UNREACHED, SUM "does not depend on \"elsewhere/w\"");
    expect("elsewhere/*", REEL_UNREACHED,
           SUM "does not depend on \"elsewhere/w\", nor on another that \"elsewhere/*\" names");
#define CUT " only through detach [2,3] (tests/test_patterns.c:1), where the path is cut"
    expect("frozen/w", REEL_UNREACHED, SUM "reaches \"frozen/w\"" CUT);
    expect("encoder/first/w", REEL_UNREACHED, SUM "reaches \"encoder/first/w\"" CUT);
    expect("decoder/w,encoder/**", REEL_UNREACHED, SUM "reaches \"encoder/first/w\"" CUT);
}

Test(patterns, that_leave_out_all_say_so)
{
    expect("!**", REEL_BAD_NAME,
           "parameters: \"!**\" leaves out every parameter that sum [] (tests/test_patterns.c:0) depends on");
    expect("decoder/w,!decoder/*", REEL_BAD_NAME,
           "parameters: \"decoder/w,!decoder/*\" leaves out every parameter that sum [] (tests/test_patterns.c:0) "
           "depends on");
}

Test(patterns, that_are_written_wrongly_say_how)
{
    static const char *const empty[] = { "", "decoder/w,", ",decoder/w", "decoder/w,,decoder/b", "!**/b," };
    char text[300];
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        snprintf(text, sizeof text, "parameters: the pattern \"%s\" has an empty part", empty[i]);
        expect(empty[i], REEL_BAD_NAME, text);
    }
    expect("!", REEL_BAD_NAME, "parameters: the pattern \"!\" has a '!' that leaves nothing out");
    expect("**,!", REEL_BAD_NAME, "parameters: the pattern \"**,!\" has a '!' that leaves nothing out");
    expect("/decoder/w", REEL_BAD_NAME, "parameters: the pattern \"/decoder/w\" has a part that begins with '/'");
    expect("decoder/", REEL_BAD_NAME,
           "parameters: the pattern \"decoder/\" has a part that ends with '/' (\"**\" is all that is in a scope)");
    expect("**,!encoder/", REEL_BAD_NAME,
           "parameters: the pattern \"**,!encoder/\" has a part that ends with '/' (\"**\" is all that is in a scope)");
    expect("encoder//w", REEL_BAD_NAME, "parameters: the pattern \"encoder//w\" has an empty name between '/' and '/'");
}

Test(patterns, name_a_cut_if_gradients_reach_nothing_at_all)
{
    begin_with_network();
    reel_tensor *cut = (reel_detach)(loss);
    reel_sgd(cut, (reel_sgd_options){ .lr = 1 });
    cr_expect_eq(reel_tape_status(tape), REEL_UNREACHED);
    cr_expect(strstr(reel_tape_error(tape), "parameters: detach [] reaches \""), "%s", reel_tape_error(tape));
    cr_expect(strstr(reel_tape_error(tape), "\" only through detach ["), "%s", reel_tape_error(tape));
    reel_tape_clear(tape);
    loss = reel_sum(reel_input(tape, "x", REEL_F32, REEL_SHAPE(2)), REEL_ALL, REEL_DROP);
    reel_sgd(loss, (reel_sgd_options){ .lr = 1 });
    cr_expect(strstr(reel_tape_error(tape), ") depends on no parameter"), "%s", reel_tape_error(tape));
    end_after_error();
}

Test(patterns, of_a_reset_are_held_to_the_same)
{
    static const struct {
        const char *pattern, *message;
    } rows[] = {
        { NULL, NULL },
        { "**", NULL },
        { "norm/count", NULL },
        { "decoder/**,!norm/*", NULL },
        { "decodr/**", "model_reset: nothing in the model is named by \"decodr/**\" (did you mean \"decoder/**\"?)" },
        { "decoder/w,norm/cuont",
          "model_reset: nothing in the model is named by \"norm/cuont\" (did you mean \"norm/count\"?)" },
        { "!nrom/count",
          "model_reset: nothing in the model is named by \"nrom/count\" (did you mean \"norm/count\"?)" },
        { "", "model_reset: the pattern \"\" has an empty part" },
        { "norm/",
          "model_reset: the pattern \"norm/\" has a part that ends with '/' (\"**\" is all that is in a scope)" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin_with_network();
        float before[9], w[9] = { 1, 2, 3 };
        reel_model_read_f32(model, "decoder/w", before, 9);
        reel_model_write_f32(model, "decoder/w", w, 9);
        reel_status status = reel_model_reset(model, rows[i].pattern);
        cr_expect_eq(status, rows[i].message ? REEL_BAD_NAME : REEL_OK, "%s", rows[i].pattern);
        if (rows[i].message) {
            cr_expect_not_null(reel_model_error(model));
            if (reel_model_error(model)) cr_expect_str_eq(reel_model_error(model), rows[i].message);
            reel_model_read_f32(model, "decoder/w", before, 9);
            cr_expect_eq(memcmp(before, w, sizeof w), 0, "\"%s\" has reset something", rows[i].pattern);
        } else {
            cr_expect_null(reel_model_error(model));
        }
        end_after_error();
    }
}
