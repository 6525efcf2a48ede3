/* Names: scopes and the rule of one use per entry, sharing, patterns, replaced parameters, lists, and the names that a
 * model holds. What goes wrong with names is in test_errors.c. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

static reel_tensor *x; /* f32 [2,3] */

static const float numbers[6] = { 0.5f, -1, 2, 0.25f, 3, -0.75f };

static void record_input(void) { x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3)); }

static void write_input(void) { cr_assert_eq(reel_write_f32(x, numbers, 6), REEL_OK); }

static void begin_with_input(void)
{
    begin();
    record_input();
}

TestSuite(names, .init = begin_with_input, .fini = end);

static void clear(void)
{
    reel_tape_clear(tape);
    record_input();
}

static reel_tensor *parameter(const char *name)
{
    return reel_parameter(x, name, REEL_SHAPE(3), reel_init_uniform(-1, 1));
}

static reel_tensor *in_scope(const char *scope, const char *name)
{
    reel_scope_push(tape, "%s", scope);
    reel_tensor *p = parameter(name);
    reel_scope_pop(tape);
    return p;
}

/* The names of a list or of a model, "a b c ". */
static const char *names_in(const reel_list *list)
{
    static char text[2000];
    text[0] = 0;
    for (int i = 0; i < reel_list_count(list); i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", reel_list_name(list, i));
    return text;
}

static const char *names_in_model(void)
{
    static char text[2000];
    text[0] = 0;
    for (int64_t i = 0; i < reel_model_count(model); i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", reel_model_name(model, i));
    return text;
}

/* ---- Scopes ------------------------------------------------------------------------------------------------------- */

Test(names, are_paths_of_the_open_scopes)
{
    reel_scope_push(tape, "block%d", 0);
    reel_scope_push(tape, "attention/head%c", 'a');
    cr_expect_str_eq(reel_name_of(parameter("w")), "block0/attention/heada/w");
    reel_scope_pop(tape);
    cr_expect_str_eq(reel_name_of(parameter("w")), "block0/w");
    cr_expect_str_eq(reel_name_of(reel_state(tape, "h", REEL_F32, REEL_SCALAR)), "block0/h");
    cr_expect_str_eq(reel_name_of(reel_input(tape, "x", REEL_F32, REEL_SCALAR)), "block0/x");
    reel_scope_pop(tape);
    cr_expect_str_eq(reel_name_of(parameter("w")), "w");
    cr_expect_str_eq(reel_name_of(reel_exp(x)), "exp");
}

Test(names, may_be_used_once_in_each_scope)
{
    cr_expect_neq(in_scope("a", "w"), in_scope("b", "w"));
    cr_expect_neq(parameter("w"), in_scope("a", "v"));
    cr_expect_str_eq(names_in_model(), "a/v a/w b/w w ");
}

Test(names, used_in_a_second_entry_share_one_tensor)
{
    cr_expect_eq(in_scope("a", "w"), in_scope("a", "w"));
    cr_expect_eq(reel_model_count(model), 1);
}

Test(names, in_a_child_scope_are_free_again_when_the_parent_is_entered_again)
{
    reel_tensor *first[2];
    for (int i = 0; i < 2; i++) {
        reel_scope_push(tape, "a");
        first[i] = reel_linear(x, "l", 2);
        reel_scope_pop(tape);
    }
    cr_expect_eq(first[0], first[1]);
    cr_expect_str_eq(names_in_model(), "a/l/b a/l/w ");
}

Test(names, of_a_layer_are_a_scope_and_one_use)
{
    cr_expect_eq(reel_layer_push(tape, "l"), REEL_OK);
    cr_expect_str_eq(reel_name_of(parameter("w")), "l/w");
    cr_expect_eq(reel_scope_pop(tape), REEL_OK);
    cr_expect_eq(reel_layer_push(tape, "l"), REEL_BAD_NAME);
    reel_tape_clear(tape);
    cr_expect_eq(reel_layer_push(tape, "l"), REEL_OK);
    reel_scope_pop(tape);
}

/* A siamese network: y = w a + w b, so that gw = a + b. */
Test(names, that_are_shared_get_the_gradient_of_all_uses)
{
    reel_tensor *a = reel_slice(x, 0, 0, 1), *b = reel_slice(x, 0, 1, 2);
    reel_tensor *y = reel_add(reel_mul(a, in_scope("s", "w")), reel_mul(b, in_scope("s", "w")));
    reel_tensor *g = reel_keep(reel_gradient(total(y), in_scope("s", "w")), "g");
    float got[3];
    write_input();
    cr_assert_eq(reel_run(tape), REEL_OK);
    cr_assert_eq(reel_read_f32(g, got, 3), REEL_OK);
    for (int i = 0; i < 3; i++) cr_expect_eq(got[i], numbers[i] + numbers[3 + i]);
}

Test(names, of_inputs_may_begin_alike)
{
    cr_expect_not(reel_is_bad(reel_input(tape, "a b", REEL_F32, REEL_SHAPE(4))));
    cr_expect_not(reel_is_bad(reel_input(tape, "ab", REEL_F32, REEL_SHAPE(5))));
    cr_expect_not(reel_is_bad(reel_input(tape, "a", REEL_F32, REEL_SHAPE(6))));
    cr_expect_null(reel_tape_error(tape), "%s", reel_tape_error(tape));
    clear();
}

Test(names, of_kept_values_are_paths_too)
{
    reel_scope_push(tape, "block0");
    reel_tensor *y = reel_keep(reel_exp(x), "activation");
    reel_scope_pop(tape);
    cr_expect_eq(reel_find(tape, "block0/activation"), y);
}

Test(names, are_free_again_after_a_clear)
{
    reel_tensor *before = parameter("w");
    clear();
    cr_expect_eq(parameter("w"), before, "the same call is the same tensor again");
    cr_expect_eq(reel_model_count(model), 1);
}

/* ---- Initial values ----------------------------------------------------------------------------------------------- */

static void initial(uint64_t seed, const char *first, const char *second, const char *wanted, float *values)
{
    reel_model *other = reel_model_new((reel_model_options){ .seed = seed });
    reel_tape *t = reel_tape_new(other, (reel_tape_options){ 0 });
    reel_tensor *like = reel_input(t, "like", REEL_F32, REEL_SCALAR);
    reel_parameter(like, first, REEL_SHAPE(8), reel_init_normal(0, 1));
    reel_parameter(like, second, REEL_SHAPE(8), reel_init_normal(0, 1));
    cr_assert_eq(reel_model_read_f32(other, wanted, values, 8), REEL_OK);
    reel_tape_free(t);
    reel_model_free(other);
}

Test(names, and_the_seed_alone_decide_initial_values)
{
    float a[8], other_order[8], other_name[8], other_seed[8];
    initial(1, "a", "b", "a", a);
    initial(1, "b", "a", "a", other_order);
    initial(1, "a", "b", "b", other_name);
    initial(0, "a", "b", "a", other_seed);
    cr_expect_arr_eq(a, other_order, sizeof a);
    cr_expect_arr_neq(a, other_name, sizeof a);
    cr_expect_arr_neq(a, other_seed, sizeof a);
}

/* ---- Patterns ----------------------------------------------------------------------------------------------------- */

static reel_tensor *network(void)
{
    reel_tensor *sum = total(in_scope("enc/0", "w"));
    sum = reel_add(sum, total(in_scope("enc/0", "b")));
    sum = reel_add(sum, total(in_scope("enc/1", "w")));
    sum = reel_add(sum, total(in_scope("dec", "w")));
    return reel_add(sum, total(parameter("w")));
}

Test(names, are_chosen_by_patterns)
{
    static const struct {
        const char *pattern, *names;
    } rows[] = {
        { NULL, "enc/0/w enc/0/b enc/1/w dec/w w " },
        { "**", "enc/0/w enc/0/b enc/1/w dec/w w " },
        { "**/**", "enc/0/w enc/0/b enc/1/w dec/w w " },
        { "**/**/**", "enc/0/w enc/0/b enc/1/w dec/w w " },
        { "enc/**/**", "enc/0/w enc/0/b enc/1/w " },
        { "enc/0/w/**", "enc/0/w " },
        { "**/enc/0/**/b/**", "enc/0/b " },
        { "enc/**/0/**/w", "enc/0/w " },
        { "*", "w " },
        { "w", "w " },
        { "enc/0/b", "enc/0/b " },
        { "enc/**", "enc/0/w enc/0/b enc/1/w " },
        { "**/w", "enc/0/w enc/1/w dec/w w " },
        { "*/w", "dec/w " },
        { "*/*/w", "enc/0/w enc/1/w " },
        { "enc/*/w", "enc/0/w enc/1/w " },
        { "enc/**/w", "enc/0/w enc/1/w " },
        { "**/0/**", "enc/0/w enc/0/b " },
        { "**/e*c/**", "enc/0/w enc/0/b enc/1/w " },
        { "?", NULL },
        { "e*/**", "enc/0/w enc/0/b enc/1/w " },
        { "enc", NULL },
        { "enc/*", NULL },
        { "", NULL },
        { "w,", NULL },
        { ",w", NULL },
        { "w,,dec/w", NULL },
        { "!", NULL },
        { "w,!", NULL },
        { "enc/", NULL },
        { "/w", NULL },
        { "enc//w", NULL },
        { "!enc/", NULL },
        { "enc/**,ded/w", NULL },
        { "w,enc/**,x", NULL },
        { "!encc/**", NULL },
        { "**,!**/c", NULL },
        { "dec/w,w", "dec/w w " },
        { "w,dec/w", "dec/w w " },
        { "!w", "enc/0/w enc/0/b enc/1/w dec/w " },
        { "!enc/**", "dec/w w " },
        { "!enc/**,enc/0/b", "enc/0/b dec/w w " },
        { "**,!**/b", "enc/0/w enc/1/w dec/w w " },
        { "enc/**,!enc/0/**", "enc/1/w " },
        { "enc/**,!**", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        clear();
        const char *found = names_in(reel_parameters(network(), rows[i].pattern));
        cr_expect_str_eq(found, rows[i].names ? rows[i].names : "", "\"%s\" names %s", rows[i].pattern, found);
        cr_expect_eq(reel_tape_status(tape), rows[i].names ? REEL_OK : REEL_BAD_NAME, "\"%s\"", rows[i].pattern);
    }
    clear();
}

Test(names, of_parameters_come_in_operand_order_whatever_was_recorded_first)
{
    char first[2000];
    reel_tensor *a = in_scope("a", "w"), *b = in_scope("b", "w"), *c = in_scope("c", "w");
    snprintf(first, sizeof first, "%s", names_in(reel_parameters(reel_sub(reel_mul(c, a), b), NULL)));
    clear();
    b = in_scope("b", "w"), a = in_scope("a", "w"), c = in_scope("c", "w");
    cr_expect_str_eq(names_in(reel_parameters(reel_sub(reel_mul(c, a), b), NULL)), first);
    cr_expect_str_eq(first, "c/w a/w b/w ");
}

Test(names, of_parameters_leave_out_what_gradients_do_not_reach)
{
    reel_tensor *y = reel_add(parameter("used"), reel_detach(parameter("cut")));
    parameter("unused");
    cr_expect_str_eq(names_in(reel_parameters(y, NULL)), "used ");
}

/* ---- Replaced parameters ------------------------------------------------------------------------------------------ */

static reel_list *list_of(const char *name, reel_tensor *tensor)
{
    reel_list *list = reel_list_new(tape);
    reel_list_append(list, name, tensor);
    return list;
}

Test(names, that_are_replaced_give_the_value_until_the_pop)
{
    reel_tensor *w = in_scope("a", "w"), *v = in_scope("a", "v"), *fast = reel_exp(w);
    cr_expect_eq(reel_with_push(tape, list_of(NULL, w), list_of(NULL, fast)), REEL_OK);
    cr_expect_eq(in_scope("a", "w"), fast);
    cr_expect_eq(in_scope("a", "v"), v);
    cr_expect_eq(reel_with_pop(tape), REEL_OK);
    cr_expect_eq(in_scope("a", "w"), w);
}

Test(names, that_are_replaced_twice_give_the_inner_value)
{
    reel_tensor *w = in_scope("a", "w"), *v = in_scope("a", "v"), *outer = reel_exp(w), *inner = reel_neg(w);
    reel_with_push(tape, list_of(NULL, w), list_of(NULL, outer));
    reel_with_push(tape, list_of(NULL, w), list_of(NULL, inner));
    reel_with_push(tape, list_of(NULL, v), list_of(NULL, outer));
    cr_expect_eq(in_scope("a", "w"), inner);
    cr_expect_eq(in_scope("a", "v"), outer);
    reel_with_pop(tape);
    reel_with_pop(tape);
    cr_expect_eq(in_scope("a", "w"), outer);
    cr_expect_eq(in_scope("a", "v"), v);
    reel_with_pop(tape);
}

/* Weight normalisation: the layer is not told, and the gradient goes through the replacement. */
Test(names, that_are_replaced_pass_gradients_to_what_replaced_them)
{
    reel_tensor *w = in_scope("l", "w");
    reel_with_push(tape, list_of(NULL, w), list_of(NULL, reel_scale(w, 2)));
    reel_tensor *y = total(reel_mul(x, in_scope("l", "w")));
    reel_with_pop(tape);
    reel_tensor *g = reel_keep(reel_gradient(y, w), "g");
    float got[3];
    write_input();
    cr_assert_eq(reel_run(tape), REEL_OK);
    cr_assert_eq(reel_read_f32(g, got, 3), REEL_OK);
    for (int i = 0; i < 3; i++) cr_expect_eq(got[i], 2 * (numbers[i] + numbers[3 + i]));
}

/* ---- What a model holds ------------------------------------------------------------------------------------------- */

Test(names, in_a_model_are_sorted_and_end_with_null)
{
    network();
    cr_expect_str_eq(names_in_model(), "dec/w enc/0/b enc/0/w enc/1/w w ");
    cr_expect_null(reel_model_name(model, 5));
    cr_expect_null(reel_model_name(model, -1));
    const reel_shape shape = reel_model_shape(model, "enc/0/w");
    cr_expect(shape.rank == 1 && shape.size[0] == 3);
    cr_expect_eq(reel_model_shape(model, "enc").rank, 0);
}

Test(names, of_a_sealed_model_can_be_used_but_not_added_to)
{
    reel_tensor *w = in_scope("a", "w");
    cr_expect_eq(reel_model_seal(model), REEL_OK);
    cr_expect_eq(in_scope("a", "w"), w);
    cr_expect(reel_is_bad(in_scope("a", "v")));
    cr_expect_eq(reel_tape_status(tape), REEL_BAD_NAME);
    cr_expect_eq(reel_model_count(model), 1);
    reel_tape_clear(tape);
}

static reel_tensor *square_loss(void)
{
    return total(reel_square(reel_add(reel_linear(x, "enc", 2), reel_linear(x, "dec", 2))));
}

Test(names, of_two_optimisers_states_begin_with_their_prefixes)
{
    reel_tensor *loss = square_loss();
    reel_sgd(loss,
             (reel_sgd_options){ .lr = 0.01, .parameter_pattern = "enc/w", .state_prefix = "slow", .momentum = 0.9 });
    reel_adam(loss, (reel_adam_options){ .lr = 0.01, .parameter_pattern = "dec/w" });
    cr_expect_null(reel_tape_error(tape), "%s", reel_tape_error(tape));
    cr_expect_str_eq(names_in_model(),
                     "adam/dec/w/m adam/dec/w/v adam/step dec/b dec/w enc/b enc/w slow/enc/w/velocity ");
}

Test(names, of_two_optimisers_with_one_prefix_collide)
{
    reel_tensor *loss = square_loss();
    reel_adam(loss, (reel_adam_options){ .lr = 0.01, .parameter_pattern = "enc/w" });
    reel_adam(loss, (reel_adam_options){ .lr = 0.01, .parameter_pattern = "dec/w" });
    cr_expect_eq(reel_tape_status(tape), REEL_BAD_NAME);
    reel_tape_clear(tape);
}

Test(names, of_two_optimisers_train_apart)
{
    float enc[6], dec[6], after[6];
    reel_tensor *loss = square_loss();
    reel_sgd(loss,
             (reel_sgd_options){ .lr = 0.01, .parameter_pattern = "enc/**", .state_prefix = "a", .momentum = 0.5 });
    reel_model_read_f32(model, "enc/w", enc, 6);
    reel_model_read_f32(model, "dec/w", dec, 6);
    write_input();
    cr_assert_eq(reel_run(tape), REEL_OK);
    reel_model_read_f32(model, "enc/w", after, 6);
    cr_expect_arr_neq(after, enc, sizeof after);
    reel_model_read_f32(model, "dec/w", after, 6);
    cr_expect_arr_eq(after, dec, sizeof after, "not named by the pattern");
}

static void train(int steps, float *w, float *velocity)
{
    clear();
    reel_sgd(square_loss(), (reel_sgd_options){ .lr = 0.01, .momentum = 0.9 });
    write_input();
    for (int i = 0; i < steps; i++) cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    cr_assert_eq(reel_model_read_f32(model, "enc/w", w, 6), REEL_OK);
    cr_assert_eq(reel_model_read_f32(model, "sgd/enc/w/velocity", velocity, 6), REEL_OK);
}

Test(names, that_are_reset_have_their_initial_values)
{
    float w[2][6], velocity[2][6], initial[6], zero[6] = { 0 }, got[6];
    reel_linear(x, "enc", 2);
    reel_model_read_f32(model, "enc/w", initial, 6);
    train(3, w[0], velocity[0]);
    cr_expect_eq(reel_model_reset(model, NULL), REEL_OK);
    reel_model_read_f32(model, "enc/w", got, 6);
    cr_expect_arr_eq(got, initial, sizeof got);
    reel_model_read_f32(model, "sgd/enc/w/velocity", got, 6);
    cr_expect_arr_eq(got, zero, sizeof got);
    train(3, w[1], velocity[1]);
    cr_expect_arr_eq(w[0], w[1], sizeof w[0]);
    cr_expect_arr_eq(velocity[0], velocity[1], sizeof velocity[0]);
}

Test(names, that_the_pattern_leaves_out_are_not_reset)
{
    float w[6], velocity[6], got[6], zero[6] = { 0 };
    train(2, w, velocity);
    cr_expect_eq(reel_model_reset(model, "sgd/**"), REEL_OK);
    reel_model_read_f32(model, "enc/w", got, 6);
    cr_expect_arr_eq(got, w, sizeof got);
    reel_model_read_f32(model, "sgd/enc/w/velocity", got, 6);
    cr_expect_arr_eq(got, zero, sizeof got);
}

/* ---- Lists -------------------------------------------------------------------------------------------------------- */

Test(names, in_a_list_are_the_given_or_the_tensors_own)
{
    reel_list *list = reel_list_new(tape);
    reel_tensor *w = in_scope("a", "w"), *y = reel_exp(w);
    cr_expect_eq(reel_list_append(list, NULL, w), REEL_OK);
    cr_expect_eq(reel_list_append(list, "second", y), REEL_OK);
    cr_expect_eq(reel_list_append(list, NULL, y), REEL_OK);
    cr_expect_str_eq(names_in(list), "a/w second exp ");
    cr_expect_eq(reel_list_find(list, "second"), y);
    cr_expect_eq(reel_list_at(list, 0), w);
    cr_expect_eq(reel_list_tape(list), tape);
}

Test(names, in_a_list_made_of_tensors_are_their_own)
{
    reel_tensor *w = in_scope("a", "w"), *y = reel_exp(w);
    reel_list *list = reel_list_of((reel_tensor *[]){ w, y }, 2);
    cr_expect_str_eq(names_in(list), "a/w exp ");
    cr_expect_eq(reel_list_find(list, "exp"), y);
    cr_expect_eq(reel_list_tape(list), tape);
    cr_expect_eq(reel_list_append(list, "second", y), REEL_OK);
    cr_expect_eq(reel_list_count(list), 3);
}

/* Made again, the gradients by it are the same list. */
Test(names, in_a_list_made_of_tensors_are_the_same_when_it_is_made_again)
{
    reel_list *before = NULL;
    for (int round = 0; round < 3; round++) {
        clear();
        reel_tensor *w = in_scope("a", "w");
        reel_list *g = reel_gradients(reel_sum(reel_exp(w), REEL_ALL, REEL_DROP), reel_list_of(&w, 1));
        cr_assert_eq(reel_list_count(g), 1, "%s", reel_tape_error(tape));
        cr_expect(round == 0 || g == before);
        before = g;
    }
}

Test(names, that_a_list_does_not_have_give_a_bad_tensor_and_no_error)
{
    reel_list *list = list_of("w", parameter("w"));
    cr_expect(reel_is_bad(reel_list_find(list, "v")));
    cr_expect(reel_is_bad(reel_list_find(list, NULL)));
    cr_expect(reel_is_bad(reel_list_at(list, 1)));
    cr_expect(reel_is_bad(reel_list_at(list, -1)));
    cr_expect_null(reel_list_name(list, 1));
}

Test(names, in_a_list_from_before_a_clear_are_gone)
{
    reel_list *list = list_of("w", parameter("w"));
    clear();
    cr_expect_eq(reel_list_count(list), 0);
    cr_expect_null(reel_list_name(list, 0));
    cr_expect(reel_is_bad(reel_list_find(list, "w")));
}

Test(names, of_gradients_are_those_of_the_parameters)
{
    reel_tensor *loss = network();
    reel_list *parameters = reel_parameters(loss, "**/w"), *gradients = reel_gradients(loss, parameters);
    cr_expect_str_eq(names_in(gradients), "enc/0/w enc/1/w dec/w w ");
    cr_expect_eq(reel_list_count(gradients), reel_list_count(parameters));
}
