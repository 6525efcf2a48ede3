/* Options of every call that are NaN, infinite, negative or no member of their enumeration, where these make no sense:
 * each is refused with a message that names the call and the option. What is allowed is recorded and runs. */
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NOT_A_NUMBER ((double)NAN)
#define INFINITE ((double)INFINITY)

static reel_tape *other;
static reel_tensor *x, *d, *s, *d0, *idx,
    *loss; /* f32 [2,3], f64 [2,3], f32 [], f64 [], i32 [2]; of a parameter "w" [3,2] */

static void begin_with_operands(void)
{
    begin();
    x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
    d = reel_input(tape, "d", REEL_F64, REEL_SHAPE(2, 3));
    s = reel_input(tape, "s", REEL_F32, REEL_SCALAR);
    d0 = reel_input(tape, "d0", REEL_F64, REEL_SCALAR);
    idx = reel_input(tape, "idx", REEL_I32, REEL_SHAPE(2));
    loss = reel_sum(reel_matmul(x, reel_parameter(x, "w", REEL_SHAPE(3, 2), reel_init_uniform(-1, 1))), REEL_ALL,
                    REEL_DROP);
}

static void end_all(void)
{
    reel_tape_free(other);
    end_after_error();
    other = NULL;
}

/* A row: the call, and the message without the line that it ends with. */
#define REFUSED(status, text, call)                                                                                    \
    do {                                                                                                               \
        begin_with_operands();                                                                                         \
        (void)(call);                                                                                                  \
        expect_refused(#call, status, text);                                                                           \
        end_all();                                                                                                     \
    } while (0)

#define TAKEN(call)                                                                                                    \
    do {                                                                                                               \
        begin_with_operands();                                                                                         \
        (void)(call);                                                                                                  \
        cr_expect_eq(reel_tape_status(tape), REEL_OK, "%s: %s", #call, reel_tape_error(tape));                         \
        end_all();                                                                                                     \
    } while (0)

static void expect_refused(const char *call, reel_status status, const char *text)
{
    const char *error = reel_tape_error(tape);
    cr_expect_eq(reel_tape_status(tape), status, "%s: %s", call, reel_status_text(reel_tape_status(tape)));
    cr_assert(error, "%s is taken", call);
    const size_t length = strlen(text);
    cr_expect(strncmp(error, text, length) == 0 && strncmp(error + length, "  at ", 5) == 0,
              "%s:\n  got  %s\n  want %s", call, error, text);
}

static reel_list *gradients(void) { return reel_gradients(loss, reel_parameters(loss, NULL)); }
static reel_list *with_i32(void)
{
    reel_list *list = reel_list_new(tape);
    reel_list_append(list, "idx", idx);
    return list;
}
static reel_list *mixed(void)
{
    reel_list *list = reel_list_new(tape);
    reel_list_append(list, "x", x);
    reel_list_append(list, "d", d);
    return list;
}

/* A scalar of another tape. */
static reel_tensor *foreign(void)
{
    if (!other) other = reel_tape_new(model, (reel_tape_options){ 0 });
    return reel_input(other, "s", REEL_F32, REEL_SCALAR);
}

static reel_list *of_another_shape(void)
{
    reel_list *g = reel_list_new(tape);
    reel_list_append(g, "w", s);
    return reel_sgd_update(reel_parameters(loss, NULL), g, (reel_sgd_options){ .lr = 1 });
}

static reel_list *of_two_dtypes(void)
{
    reel_tensor *v = reel_cast(reel_parameter(d, "v", REEL_SHAPE(2), reel_init_zeros()), REEL_F32);
    return reel_sgd(reel_add(loss, reel_sum(v, REEL_ALL, REEL_DROP)), (reel_sgd_options){ .lr = 1 });
}

#define SGD(...) reel_sgd(loss, (reel_sgd_options){ __VA_ARGS__ })
#define ADAM(...) reel_adam(loss, (reel_adam_options){ __VA_ARGS__ })
#define NOT_POSITIVE ", not a positive number"
#define NEGATIVE ", not 0 or a positive number"
#define WITHIN ", not within 0 ≤ momentum < 1"
#define BETA ", not within 0 ≤ beta < 1"

Test(options, of_optimisers)
{
    REFUSED(REEL_BAD_ARGUMENT, "sgd: .lr is -0.1" NOT_POSITIVE, SGD(.lr = -0.1));
    REFUSED(REEL_BAD_ARGUMENT, "sgd: .lr is nan" NOT_POSITIVE, SGD(.lr = NOT_A_NUMBER));
    REFUSED(REEL_BAD_ARGUMENT, "sgd: .lr is inf" NOT_POSITIVE, SGD(.lr = INFINITE));
    REFUSED(REEL_BAD_ARGUMENT, "sgd: .lr is 1e+39 in f32" NOT_POSITIVE, SGD(.lr = 1e39));
    REFUSED(REEL_BAD_ARGUMENT, "sgd: .lr is 1e-50 in f32" NOT_POSITIVE, SGD(.lr = 1e-50));
    REFUSED(REEL_BAD_DTYPE, "sgd: .lr_tensor must be f32, as the parameters (use reel_cast)", SGD(.lr_tensor = d0));
    REFUSED(REEL_BAD_SHAPE, "sgd: .lr_tensor must be a scalar", SGD(.lr_tensor = x));
    REFUSED(REEL_BAD_STATE, "sgd: .lr_tensor is of another tape", SGD(.lr_tensor = foreign()));
    REFUSED(REEL_BAD_ARGUMENT, "sgd: both .lr and .lr_tensor are given", SGD(.lr = NOT_A_NUMBER, .lr_tensor = s));
    REFUSED(REEL_BAD_ARGUMENT, "sgd: .momentum is -0.5" WITHIN, SGD(.lr = 1, .momentum = -0.5));
    REFUSED(REEL_BAD_ARGUMENT, "sgd: .momentum is nan" WITHIN, SGD(.lr = 1, .momentum = NOT_A_NUMBER));
    REFUSED(REEL_BAD_ARGUMENT, "sgd: .momentum is 1.5" WITHIN, SGD(.lr = 1, .momentum = 1.5));
    REFUSED(REEL_BAD_ARGUMENT, "sgd: .momentum is 1" WITHIN, SGD(.lr = 1, .momentum = 1 - 1e-12));
    REFUSED(REEL_BAD_ARGUMENT, "adam: .betas[0] is 1" BETA, ADAM(.lr = 1, .betas = { 1 - 1e-12, 0.9 }));
    REFUSED(REEL_BAD_SHAPE, "sgd: the gradient of \"w\" is not of its shape and dtype", of_another_shape());
    REFUSED(REEL_BAD_DTYPE, "sgd: \"w\" is f32 and \"v\" is f64 (one call for each, by .parameter_pattern)",
            of_two_dtypes());
    REFUSED(REEL_BAD_ARGUMENT, "sgd: .nesterov without .momentum is plain descent (set it)",
            SGD(.lr = 1, .nesterov = true));
    REFUSED(REEL_BAD_ARGUMENT, "sgd: .weight_decay is -0.1" NEGATIVE, SGD(.lr = 1, .weight_decay = -0.1));
    REFUSED(REEL_BAD_ARGUMENT, "sgd: .weight_decay is nan" NEGATIVE, SGD(.lr = 1, .weight_decay = NOT_A_NUMBER));
    REFUSED(REEL_BAD_ARGUMENT, "sgd: .weight_decay is inf" NEGATIVE, SGD(.lr = 1, .weight_decay = INFINITE));
    REFUSED(REEL_BAD_ARGUMENT, "adam: .lr is -0.001" NOT_POSITIVE, ADAM(.lr = -1e-3));
    REFUSED(REEL_BAD_ARGUMENT, "adam: .lr is nan" NOT_POSITIVE, ADAM(.lr = NOT_A_NUMBER));
    REFUSED(REEL_BAD_DTYPE, "adam: .lr_tensor must be f32, as the parameters (use reel_cast)", ADAM(.lr_tensor = d0));
    REFUSED(REEL_BAD_ARGUMENT, "adam: .epsilon is -1e-08" NOT_POSITIVE, ADAM(.lr = 1, .epsilon = -1e-8));
    REFUSED(REEL_BAD_ARGUMENT, "adam: .epsilon is nan" NOT_POSITIVE, ADAM(.lr = 1, .epsilon = NOT_A_NUMBER));
    REFUSED(REEL_BAD_ARGUMENT, "adam: .epsilon is inf" NOT_POSITIVE, ADAM(.lr = 1, .epsilon = INFINITE));
    REFUSED(REEL_BAD_ARGUMENT, "adam: .epsilon is 1e-60 in f32" NOT_POSITIVE, ADAM(.lr = 1, .epsilon = 1e-60));
    REFUSED(REEL_BAD_ARGUMENT, "adam: .weight_decay is -1" NEGATIVE, ADAM(.lr = 1, .weight_decay = -1));
    REFUSED(REEL_BAD_ARGUMENT, "adam: .weight_decay is nan" NEGATIVE, ADAM(.lr = 1, .weight_decay = NOT_A_NUMBER));
    REFUSED(REEL_BAD_ARGUMENT, "adam: .betas[0] is nan" BETA, ADAM(.lr = 1, .betas = { NOT_A_NUMBER, 0.9 }));
    REFUSED(REEL_BAD_ARGUMENT, "adam: .betas[1] is -0.9" BETA, ADAM(.lr = 1, .betas = { 0.9, -0.9 }));
    REFUSED(REEL_BAD_ARGUMENT, "adam: .betas[1] is inf" BETA, ADAM(.lr = 1, .betas = { 0, INFINITE }));
    TAKEN(SGD(.lr_tensor = s, .momentum = 0.9, .nesterov = true, .weight_decay = 1e-4));
    TAKEN(ADAM(.lr_tensor = s, .betas = { 0, 0.9 }, .epsilon = 1e-30, .weight_decay = 0.1));
}

Test(options, of_clipping)
{
    REFUSED(REEL_BAD_ARGUMENT, "clip_norm: max_norm is 0" NOT_POSITIVE, reel_clip_norm(gradients(), 0));
    REFUSED(REEL_BAD_ARGUMENT, "clip_norm: max_norm is -1" NOT_POSITIVE, reel_clip_norm(gradients(), -1));
    REFUSED(REEL_BAD_ARGUMENT, "clip_norm: max_norm is nan" NOT_POSITIVE, reel_clip_norm(gradients(), NOT_A_NUMBER));
    REFUSED(REEL_BAD_ARGUMENT, "clip_norm: max_norm is inf" NOT_POSITIVE, reel_clip_norm(gradients(), INFINITE));
    REFUSED(REEL_BAD_ARGUMENT, "clip_norm: max_norm is 1e-60 in f32" NOT_POSITIVE, reel_clip_norm(gradients(), 1e-60));
    REFUSED(REEL_BAD_DTYPE, "clip_norm: the tensors must all be f32 or all f64", reel_clip_norm(with_i32(), 1));
    REFUSED(REEL_BAD_DTYPE, "clip_norm: the tensors must all be f32 or all f64", reel_clip_norm(mixed(), 1));
    REFUSED(REEL_BAD_ARGUMENT, "clip: nan … 1 is no interval", reel_clip(x, NOT_A_NUMBER, 1));
    REFUSED(REEL_BAD_ARGUMENT, "clip: 0 … nan is no interval", reel_clip(x, 0, NOT_A_NUMBER));
    REFUSED(REEL_BAD_ARGUMENT, "clip: 1 … 0 is no interval", reel_clip(x, 1, 0));
    TAKEN(reel_clip(x, -INFINITE, INFINITE));
    TAKEN(reel_clip_norm(gradients(), 1e300));
}

Test(options, of_layers_losses_and_activations)
{
    REFUSED(REEL_BAD_ARGUMENT, "dropout: the rate nan is not within 0 ≤ rate < 1", reel_dropout(x, "d", NOT_A_NUMBER));
    REFUSED(REEL_BAD_ARGUMENT, "dropout: the rate inf is not within 0 ≤ rate < 1", reel_dropout(x, "d", INFINITE));
    REFUSED(REEL_BAD_ARGUMENT, "l2: lambda is nan" NEGATIVE, reel_l2(loss, NULL, NOT_A_NUMBER));
    REFUSED(REEL_BAD_ARGUMENT, "l2: lambda is inf" NEGATIVE, reel_l2(loss, NULL, INFINITE));
    REFUSED(REEL_BAD_ARGUMENT, "l2: lambda is -0.1" NEGATIVE, reel_l2(loss, NULL, -0.1));
    REFUSED(REEL_BAD_ARGUMENT, "leaky_relu: the slope is nan", reel_leaky_relu(x, NOT_A_NUMBER));
    REFUSED(REEL_BAD_ARGUMENT, "leaky_relu: the slope is -inf", reel_leaky_relu(x, -INFINITE));
    REFUSED(REEL_BAD_ARGUMENT, "elu: alpha is nan", reel_elu(x, NOT_A_NUMBER));
    REFUSED(REEL_BAD_ARGUMENT, "elu: alpha is 1e+300", reel_elu(x, 1e300));
    REFUSED(REEL_BAD_ARGUMENT, "leaky_relu: the slope is 1e+300", reel_leaky_relu(x, 1e300));
    REFUSED(REEL_BAD_ARGUMENT, "l2: lambda is 1e+300" NEGATIVE, reel_l2(loss, NULL, 1e300));
    TAKEN(reel_elu(d, 1e300));
    TAKEN(reel_leaky_relu(d, 1e300));
    REFUSED(REEL_BAD_ARGUMENT, "sum: -7 axes for [2,3]", reel_sum(x, (reel_axes){ .count = -7 }, REEL_DROP));
    REFUSED(REEL_BAD_ARGUMENT, "flip: -2 axes for [2,3]", reel_flip(x, (reel_axes){ .count = -2 }));
    REFUSED(REEL_BAD_ARGUMENT, "elu: alpha is inf", reel_elu(x, INFINITE));
    TAKEN(reel_l2(loss, NULL, 0));
    TAKEN(reel_leaky_relu(x, -1));
    TAKEN(reel_elu(x, 0));
}

/* ---- Initialisers ------------------------------------------------------------------------------------------------ */

#define INIT(init) reel_parameter(x, "p", REEL_SHAPE(2), init)
#define BAD_INIT(text, init) REFUSED(REEL_BAD_ARGUMENT, "parameter: \"p\" has the initialiser " text, INIT(init))
#define INTERVAL ": low ≤ high, both finite, is asked for"
#define DEVIATION ": a finite mean and deviation, which is not negative, are asked for"
#define GAIN ": a finite gain that is not negative is asked for"

static reel_tensor *linear_with_a_bad_weight(void)
{
    return reel_linear_with(x, "l", 2, (reel_linear_options){ .weight = reel_init_normal(0, -1) });
}

Test(options, of_initialisers)
{
    BAD_INIT("uniform (1, -1)" INTERVAL, reel_init_uniform(1, -1));
    BAD_INIT("uniform (nan, 1)" INTERVAL, reel_init_uniform(NOT_A_NUMBER, 1));
    BAD_INIT("uniform (0, nan)" INTERVAL, reel_init_uniform(0, NOT_A_NUMBER));
    BAD_INIT("uniform (0, inf)" INTERVAL, reel_init_uniform(0, INFINITE));
    BAD_INIT("uniform (0, 1e+39)" INTERVAL, reel_init_uniform(0, 1e39));
    BAD_INIT("normal (0, -1)" DEVIATION, reel_init_normal(0, -1));
    BAD_INIT("normal (nan, 1)" DEVIATION, reel_init_normal(NOT_A_NUMBER, 1));
    BAD_INIT("normal (0, inf)" DEVIATION, reel_init_normal(0, INFINITE));
    BAD_INIT("fan_in_uniform (nan, 0)" GAIN, reel_init_fan_in_uniform(NOT_A_NUMBER));
    BAD_INIT("fan_in_uniform (-1, 0)" GAIN, reel_init_fan_in_uniform(-1));
    BAD_INIT("glorot_uniform (inf, 0)" GAIN, reel_init_glorot_uniform(INFINITE));
    BAD_INIT("default (2, 0): it has numbers but no kind", ((reel_init){ .a = 2 }));
    BAD_INIT("of no kind (0, 0): there is no such kind", ((reel_init){ .kind = (reel_init_kind)6 }));
    BAD_INIT("of no kind (0, 0): there is no such kind", ((reel_init){ .kind = (reel_init_kind)-1 }));
    REFUSED(REEL_BAD_ARGUMENT, "parameter: \"l/w\" has the initialiser normal (0, -1)" DEVIATION "  in l",
            linear_with_a_bad_weight());
    TAKEN(INIT(reel_init_constant(-INFINITE)));
    TAKEN(INIT(reel_init_uniform(1, 1)));
    TAKEN(INIT(reel_init_normal(-3, 0)));
    TAKEN(INIT(reel_init_fan_in_uniform(0)));
}

/* ---- Enumerations ------------------------------------------------------------------------------------------------ */

#define KEEP(name, call) REFUSED(REEL_BAD_ARGUMENT, name ": 7 is neither REEL_DROP nor REEL_KEEP", call)
#define SEVEN ((reel_keep_dims)7)

Test(options, that_are_no_member_of_their_enumeration)
{
    KEEP("sum", reel_sum(x, REEL_ALL, SEVEN));
    KEEP("max", reel_max(x, REEL_ALL, SEVEN));
    KEEP("min", reel_min(x, REEL_ALL, SEVEN));
    KEEP("mean", reel_mean(x, REEL_ALL, SEVEN));
    KEEP("var", reel_var(x, REEL_ALL, SEVEN));
    KEEP("logsumexp", reel_logsumexp(x, REEL_ALL, SEVEN));
    REFUSED(REEL_BAD_DTYPE, "cast: 7 is no dtype", reel_cast(x, (reel_dtype)7));
    REFUSED(REEL_BAD_DTYPE, "one_hot: -1 is no dtype", reel_one_hot(idx, 3, (reel_dtype)-1));
    REFUSED(REEL_BAD_DTYPE, "input: 3 is no dtype", reel_input(tape, "y", (reel_dtype)3, REEL_SCALAR));
    REFUSED(REEL_BAD_DTYPE, "state: -2 is no dtype", reel_state(tape, "y", (reel_dtype)-2, REEL_SCALAR));
}

/* ---- Values are no options --------------------------------------------------------------------------------------- */

Test(options, do_not_include_numbers_that_are_operands)
{
    TAKEN(reel_scale(x, NOT_A_NUMBER));
    TAKEN(reel_scale(x, INFINITE));
    TAKEN(reel_shift(x, -INFINITE));
    TAKEN(reel_number(x, NOT_A_NUMBER));
    TAKEN(reel_fill(x, REEL_SHAPE(2), -INFINITE));
}

/* ---- Progress ---------------------------------------------------------------------------------------------------- */

static const char *printed(reel_progress_options options)
{
    static char text[1000];
    FILE *file = tmpfile();
    cr_assert(file);
    options.file = file;
    reel_progress *progress = reel_progress_new(options);
    for (int i = 0; i < 2; i++) {
        reel_progress_batch(progress, -5, 3, 0.5); /* of no samples: nothing */
        reel_progress_batch(progress, 2, 1, NOT_A_NUMBER);
        reel_progress_epoch(progress);
    }
    cr_expect_eq(reel_progress_loss(progress), 1);
    reel_progress_free(progress);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return strstr(text, "epoch 1  loss 1.000") && strstr(text, "epoch 2  loss 1.000") ? "as of unknown length" : text;
}

Test(options, of_progress_that_are_not_positive_are_unknown)
{
    cr_expect_str_eq(printed((reel_progress_options){ 0 }), "as of unknown length");
    cr_expect_str_eq(printed((reel_progress_options){ .epochs = -3, .samples = -7 }), "as of unknown length");
    cr_expect_str_eq(printed((reel_progress_options){ .epochs = INT64_MIN, .samples = INT64_MIN }),
                     "as of unknown length");
}
