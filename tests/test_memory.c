/* Memory: every byte goes through the model's allocator and comes back; every allocation is made to fail once, and all
 * from one on; failed objects take every call; a replay allocates nothing; a long chain needs no deep stack. */
#include "core/run/executor.h"
#include "heap.h"
#include "image.h"

#include <criterion/criterion.h>

#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <reel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

/* ---- A program in stages ------------------------------------------------------------------------------------------- */

enum { ROWS = 6, IN = 3, HIDDEN = 4, OUT = 2 };

typedef struct program {
    heap heap;
    reel_model *model;
    reel_tape *tape, *evaluating;
    reel_tensor *x, *y, *loss, *prediction, *result; /* nothing uses the result */
} program;

static void write_inputs(program *p, int step)
{
    float x[ROWS * IN], y[ROWS * OUT];
    for (int i = 0; i < ROWS * IN; i++) x[i] = sinf((float)(100 * step + i));
    for (int i = 0; i < ROWS * OUT; i++) y[i] = cosf((float)(100 * step + i));
    reel_write_f32(p->x, x, ROWS * IN);
    reel_write_f32(p->y, y, ROWS * OUT);
}

static void record(program *p)
{
    p->x = reel_input(p->tape, "x", REEL_F32, REEL_SHAPE(ROWS, IN));
    p->y = reel_input(p->tape, "y", REEL_F32, REEL_SHAPE(ROWS, OUT));
    reel_tensor *h = reel_dropout(reel_tanh(reel_linear(p->x, "hidden", HIDDEN)), "drop", 0.25);
    p->prediction = reel_keep(reel_linear(h, "output", OUT), "prediction");
    p->loss = reel_mse(p->prediction, p->y);
    p->result = reel_exp(p->prediction);
    reel_tensor *halves[] = { reel_slice(h, 1, 0, 2), reel_slice(h, 1, 2, 4) };
    reel_keep(reel_stack(halves, 2, 0), "halves");
    reel_sgd(p->loss, (reel_sgd_options){ .lr = 0.1, .momentum = 0.9, .parameter_pattern = "hidden/**" });
    reel_adam(p->loss, (reel_adam_options){ .lr = 0.1, .parameter_pattern = "output/**" });
}

static reel_status make(program *p)
{
    if (!p->model) p->model = model_on(&p->heap);
    if (!p->tape) p->tape = reel_tape_new(p->model, (reel_tape_options){ .threads = 1 });
    return reel_tape_status(p->tape);
}

static reel_status first_run(program *p)
{
    reel_tape_clear(p->tape);
    record(p);
    write_inputs(p, 0);
    return reel_run(p->tape);
}

static reel_status evaluation(program *p) { return reel_eval(p->tape, &p->prediction, 1); }

static reel_status reading(program *p)
{
    float values[ROWS * OUT];
    return reel_read_f32(p->result, values, ROWS * OUT);
}

/* Of several outputs in turn, of one structure and of others, on a recording that grows. */
static reel_status evaluations(program *p)
{
    reel_tape_clear(p->tape);
    reel_tensor *x = reel_input(p->tape, "x", REEL_F32, REEL_SHAPE(ROWS, IN)), *y[4];
    reel_tensor *at = reel_input(p->tape, "at", REEL_I32, REEL_SHAPE(2, 1)), *taken = reel_take_along_axis(x, at, 0);
    reel_list *g = reel_vjp(taken, reel_tanh(taken), reel_list_of(&x, 1));
    for (int i = 0; i < 4; i++) y[i] = reel_scale(i % 2 ? reel_list_at(g, 0) : taken, 0.1 * i + 0.3);
    float values[ROWS * IN] = { 1, 2 };
    reel_write_f32(x, values, ROWS * IN);
    reel_write_i32(at, (int32_t[]){ 4, 0 }, 2);
    for (int i = 0; i < 8; i++) {
        const reel_status status = reel_eval(p->tape, i == 7 ? y : &y[i % 4], i == 7 ? 4 : 1);
        if (status != REEL_OK) return status;
        if (i == 3) y[0] = reel_neg(y[0]);
    }
    return reel_read_f32(y[1], values, ROWS * IN);
}

static reel_status second_run(program *p)
{
    reel_tape_clear(p->tape);
    record(p);
    write_inputs(p, 1);
    return reel_run(p->tape);
}

static reel_status evaluating_run(program *p)
{
    reel_tape_free(p->evaluating);
    p->evaluating = reel_tape_new(p->model, (reel_tape_options){ .evaluate = true, .threads = 1 });
    reel_tensor *like = reel_input(p->evaluating, "like", REEL_F32, REEL_SCALAR);
    reel_tensor *state = reel_state(p->evaluating, "sgd/hidden/w/velocity", REEL_F32, REEL_SHAPE(IN, HIDDEN));
    reel_assign(state, reel_scale(state, 3));
    reel_list *parameters = reel_list_new(p->evaluating);
    reel_tensor *w = reel_parameter(like, "output/w", REEL_SHAPE(HIDDEN, OUT), reel_init_fan_in_uniform(1));
    reel_list_append(parameters, NULL, w);
    reel_with_push(p->evaluating, parameters, parameters);
    reel_with_pop(p->evaluating);
    reel_keep(reel_sum(w, REEL_ALL, REEL_DROP), "sum");
    return reel_run(p->evaluating);
}

static reel_status (*const stages[])(program *p) = { make,       evaluations, first_run, reading,
                                                     evaluation, second_run,  reading,   evaluating_run };
enum { STAGES = sizeof stages / sizeof *stages };

static void finish(program *p)
{
    reel_tape_free(p->evaluating);
    reel_tape_free(p->tape);
    reel_model_free(p->model);
}

/* ---- Every byte comes from the allocator and goes back -------------------------------------------------------------- */

static image run_all(program *p)
{
    for (int s = 0; s < STAGES; s++) cr_assert_eq(stages[s](p), REEL_OK, "stage %d: %s", s, reel_tape_error(p->tape));
    return image_of(p->model);
}

Test(memory, all_goes_back_with_the_sizes_that_were_asked_for)
{
    program p = { 0 };
    run_all(&p);
    cr_expect_gt(p.heap.bytes, 0);
    finish(&p);
    expect_all_back(&p.heap);
}

Test(memory, all_goes_back_when_the_model_is_freed_before_its_tapes)
{
    program p = { 0 };
    run_all(&p);
    reel_model_free(p.model);
    cr_expect_gt(p.heap.bytes, 0);
    p.model = NULL;
    finish(&p);
    expect_all_back(&p.heap);
}

#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33) && !defined(__SANITIZE_ADDRESS__)
static char arena[1 << 22];
static size_t arena_used;

static void *from_arena(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    if (new_size == 0) return NULL;
    const size_t at = (arena_used + 15) / 16 * 16;
    cr_assert_leq(at + new_size, sizeof arena);
    arena_used = at + new_size;
    return block ? memcpy(arena + at, block, old_size < new_size ? old_size : new_size) : arena + at;
}

static size_t in_use(void) { return mallinfo2().uordblks + mallinfo2().hblkhd; }

Test(memory, none_comes_from_the_c_library_behind_the_allocators_back)
{
    program p = { 0 };
    const size_t before = in_use();
    p.model = reel_model_new((reel_model_options){ .seed = 4, .allocator = { from_arena, NULL } });
    for (int s = 0; s < STAGES; s++) cr_expect_eq(stages[s](&p), REEL_OK);
    cr_expect_eq(in_use(), before);
    finish(&p);
}
#endif

/* ---- Every allocation fails ----------------------------------------------------------------------------------------- */

static void expect_out_of_memory(const char *error, int64_t k, int stage)
{
    cr_expect(error && strstr(error, "out of memory"), "call %lld, stage %d: %s", (long long)k, stage, error);
}

/* After a failure in a stage: a clear error, and the model as it was before. */
static void expect_failure(program *p, int stage, reel_status status, const image *before, int64_t k)
{
    cr_expect_eq(status, REEL_OUT_OF_MEMORY, "call %lld, stage %d: %s", (long long)k, stage, reel_status_text(status));
    const reel_tape *tape = stage == STAGES - 1 ? p->evaluating : p->tape;
    expect_out_of_memory(reel_tape_error(tape), k, stage);
    const image now = image_of(p->model);
    if (before->names)
        cr_expect_eq(memcmp(before, &now, sizeof now), 0, "call %lld, stage %d: the model changed", (long long)k,
                     stage);
    cr_expect_eq(now.runs, before->runs);
}

/* What failed to be made is made again; other stages begin with a clear. */
static void make_again(program *p)
{
    const char *error = reel_model_error(p->model);
    reel_tape_free(p->tape);
    if (error) reel_model_free(p->model), p->model = NULL;
    p->tape = NULL;
}

/* The program, with its k-th allocation failing; true if there is such a one. */
static bool survive(int64_t k, bool forever, const image *wanted, double wanted_loss)
{
    program p = { .heap = { .fail_at = k, .forever = forever } };
    for (int s = 0; s < STAGES; s++) {
        const image before = image_of(p.model);
        reel_status status = stages[s](&p);
        if (!p.heap.failed || !p.heap.fail_at) {
            cr_assert_eq(status, REEL_OK, "call %lld, stage %d: %s", (long long)k, s, reel_tape_error(p.tape));
            continue;
        }
        expect_failure(&p, s, status, &before, k);
        p.heap.fail_at = 0;
        if (s == 0) make_again(&p);
        status = stages[s](&p);
        cr_assert_eq(status, REEL_OK, "call %lld, stage %d, retried: %s", (long long)k, s, reel_tape_error(p.tape));
    }
    const image now = image_of(p.model);
    cr_expect_eq(memcmp(&now, wanted, sizeof now), 0, "call %lld: other bits", (long long)k);
    cr_expect_eq(reel_item(p.loss), wanted_loss, "call %lld: another loss", (long long)k);
    const bool failed = p.heap.failed;
    finish(&p);
    expect_all_back(&p.heap);
    return failed;
}

static void survive_every(bool forever)
{
    program p = { 0 };
    const image wanted = run_all(&p);
    const double loss = reel_item(p.loss);
    const int64_t calls = p.heap.calls;
    finish(&p);
    int64_t k = 1;
    while (survive(k, forever, &wanted, loss)) k++;
    cr_expect_eq(k, calls + 1, "each of the %lld allocations fails", (long long)calls);
    fprintf(stderr, "    %lld allocations, each made to fail\n", (long long)calls);
}

Test(memory, that_is_short_once_is_an_error_and_a_retry_gives_the_same_bits, .timeout = 120) { survive_every(false); }
Test(memory, that_is_short_from_then_on_is_an_error_and_a_retry_gives_the_same_bits, .timeout = 120)
{
    survive_every(true);
}

/* A run that had no memory for its values is a run error: nothing is to be recorded again. */
Test(memory, that_a_run_lacks_can_come_later)
{
    program p = { 0 };
    make(&p);
    record(&p);
    write_inputs(&p, 0);
    cr_assert_null(reel_tape_error(p.tape));
    p.heap.fail_at = p.heap.calls + 1;
    cr_expect_eq(reel_run(p.tape), REEL_OUT_OF_MEMORY);
    expect_out_of_memory(reel_tape_error(p.tape), 1, 0);
    cr_expect_eq(reel_run(p.tape), REEL_OK);
    cr_expect_eq(reel_model_runs(p.model), 1);
    finish(&p);
    expect_all_back(&p.heap);
}

/* ---- Failed objects take every call ---------------------------------------------------------------------------------- */

static void call_about_models(reel_model *m)
{
    float f[4] = { 0 };
    double d[4] = { 0 };
    cr_expect(reel_model_error(m));
    cr_expect_neq(reel_model_seal(m), REEL_OK);
    cr_expect_neq(reel_model_reset(m, "**"), REEL_OK);
    cr_expect_neq(reel_model_reset(m, NULL), REEL_OK);
    cr_expect_neq(reel_model_read_f32(m, "w", f, 4), REEL_OK);
    cr_expect_neq(reel_model_read_f64(m, "w", d, 4), REEL_OK);
    cr_expect_neq(reel_model_write_f32(m, "w", f, 4), REEL_OK);
    cr_expect_neq(reel_model_write_f64(m, "w", d, 4), REEL_OK);
    cr_expect(reel_model_count(m) == 0 && reel_model_runs(m) == 0 && !reel_model_name(m, 0));
    cr_expect_eq(reel_model_shape(m, "w").rank, 0);
}

static void expect_bad(const reel_tensor *x, const char *call) { cr_expect(reel_is_bad(x), "%s", call); }

#define BAD(call) expect_bad(call, #call)
#define EMPTY(call) cr_expect_eq(reel_list_count(call), 0, #call)
#define FAILS(call) cr_expect_neq(call, REEL_OK, #call)

static void call_about_tapes(reel_tape *t, reel_tensor *x, reel_list *l)
{
    cr_expect(reel_tape_error(t));
    FAILS(reel_tape_status(t));
    reel_tape_clear(t);
    cr_expect(reel_tape_error(t));
    FAILS(reel_scope_push(t, "a"));
    FAILS(reel_scope_pop(t));
    FAILS(reel_layer_push(t, "a"));
    FAILS(reel_with_push(t, l, l));
    FAILS(reel_with_pop(t));
    FAILS(reel_run(t));
    FAILS(reel_eval(t, &x, 1));
    BAD(reel_input(t, "x", REEL_F32, REEL_SHAPE(2)));
    BAD(reel_state(t, "h", REEL_F32, REEL_SHAPE(2)));
    BAD(reel_find(t, "k"));
    BAD(reel_fail(t, REEL_BAD_SHAPE, "%d", 1));
    cr_expect_not(reel_is_evaluating(t));
    cr_expect_eq(reel_node_count(t), 0);
    cr_expect(reel_model_of(t));
    reel_at_tape(t, "file", 1);
}

static void call_about_tensors(reel_tensor *x)
{
    float f[4] = { 0 };
    double d[4] = { 0 };
    int32_t i[4] = { 0 };
    FAILS(reel_write_f32(x, f, 4));
    FAILS(reel_write_f64(x, d, 4));
    FAILS(reel_write_i32(x, i, 4));
    FAILS(reel_read_f32(x, f, 4));
    FAILS(reel_read_f64(x, d, 4));
    FAILS(reel_read_i32(x, i, 4));
    cr_expect(isnan(reel_item(x)));
    cr_expect(reel_tape_of(x) && reel_tape_error(reel_tape_of(x)));
    cr_expect(reel_rank(x) == 0 && reel_count(x) == 0 && reel_dim(x, 0) == 0 && reel_input_count(x) == 0);
    cr_expect(reel_shape_of(x).rank == 0 && reel_dtype_of(x) == REEL_F32);
    cr_expect(reel_name_of(x) && reel_op_name(x));
    BAD(reel_input_at(x, 0));
    BAD(reel_here(x, "file", 1));
    BAD(reel_at(x, "file", 1));
    BAD(reel_parameter(x, "w", REEL_SHAPE(2), reel_init_zeros()));
    BAD(reel_assign(x, x));
    BAD(reel_keep(x, "k"));
    BAD(reel_gradient(x, x));
    EMPTY(reel_parameters(x, NULL));
}

static void call_about_lists(reel_list *l, reel_tensor *x)
{
    FAILS(reel_list_append(l, "a", x));
    cr_expect(reel_list_count(l) == 0 && !reel_list_name(l, 0) && reel_list_tape(l));
    BAD(reel_list_at(l, 0));
    BAD(reel_list_find(l, "a"));
    EMPTY(reel_here_list(l, "file", 1));
    EMPTY(reel_gradients(x, l));
    EMPTY(reel_vjp(x, x, l));
    EMPTY(reel_clip_norm(l, 1));
    EMPTY(reel_sgd(x, (reel_sgd_options){ .lr = 1 }));
    EMPTY(reel_sgd_update(l, l, (reel_sgd_options){ .lr = 1 }));
    EMPTY(reel_adam(x, (reel_adam_options){ .lr = 1 }));
    EMPTY(reel_adam_update(l, l, (reel_adam_options){ .lr = 1 }));
}

static void call_ops(reel_tensor *x)
{
    typedef reel_tensor *unary(reel_tensor * a);
    typedef reel_tensor *binary(reel_tensor * a, reel_tensor * b);
    static unary *const unaries[] = { reel_neg,        reel_abs,    reel_sign,    reel_floor,       reel_exp,
                                      reel_log,        reel_expm1,  reel_log1p,   reel_sin,         reel_cos,
                                      reel_tanh,       reel_erf,    reel_sqrt,    reel_rsqrt,       reel_square,
                                      reel_reciprocal, reel_detach, reel_sigmoid, reel_log_sigmoid, reel_softplus,
                                      reel_relu,       reel_silu,   reel_gelu,    reel_gelu_tanh,   reel_transpose };
    static binary *const binaries[] = {
        reel_add, reel_sub, reel_mul, reel_div, reel_pow,    reel_minimum, reel_maximum,       reel_eq,      reel_ne,
        reel_lt,  reel_le,  reel_gt,  reel_ge,  reel_matmul, reel_mse,     reel_cross_entropy, reel_accuracy
    };
    for (size_t i = 0; i < sizeof unaries / sizeof *unaries; i++) BAD(unaries[i](x));
    for (size_t i = 0; i < sizeof binaries / sizeof *binaries; i++) BAD(binaries[i](x, x));
    reel_tensor *two[] = { x, x };
    const reel_shape shape = REEL_SHAPE(2);
    BAD(reel_number(x, 1)), BAD(reel_scale(x, 2)), BAD(reel_shift(x, 2)), BAD(reel_fill(x, shape, 1)),
        BAD(reel_iota(x, 3));
    BAD(reel_where(x, x, x)), BAD(reel_clip(x, 0, 1)), BAD(reel_cast(x, REEL_I32));
    BAD(reel_leaky_relu(x, 0.1)), BAD(reel_elu(x, 1));
    BAD(reel_sum(x, REEL_ALL, REEL_DROP)), BAD(reel_mean(x, REEL_ALL, REEL_DROP)),
        BAD(reel_var(x, REEL_ALL, REEL_KEEP));
    BAD(reel_max(x, REEL_AXES(0), REEL_DROP)), BAD(reel_min(x, REEL_AXES(0), REEL_DROP)), BAD(reel_argmax(x, 0));
    BAD(reel_logsumexp(x, REEL_ALL, REEL_DROP)), BAD(reel_softmax(x, 0)), BAD(reel_log_softmax(x, 0));
    BAD(reel_contract(x, x, "mk,kn->mn")), BAD(reel_contract(x, x, NULL));
    BAD(reel_reshape(x, shape)), BAD(reel_permute(x, REEL_AXES(0))), BAD(reel_expand(x, shape)),
        BAD(reel_sum_to(x, shape));
    BAD(reel_slice(x, 0, 0, 1)), BAD(reel_slice_step(x, 0, 0, 1, 2)), BAD(reel_pad(x, 0, 1, 1)),
        BAD(reel_pad_step(x, 0, 1, 1, 2));
    BAD(reel_flip(x, REEL_ALL)), BAD(reel_concat(two, 2, 0)), BAD(reel_stack(two, 2, 0)), BAD(reel_concat(NULL, 0, 0));
    BAD(reel_stack(NULL, 0, 0)), BAD(reel_unsqueeze(x, 0)), BAD(reel_squeeze(x, 0));
    BAD(reel_take(x, x, 0)), BAD(reel_scatter_add(x, x, 0, 2)), BAD(reel_one_hot(x, 2, REEL_F32)),
        BAD(reel_in_range(x, 2));
    BAD(reel_uniform(x, "u", shape)), BAD(reel_normal(x, "n", shape));
    BAD(reel_linear(x, "l", 2)), BAD(reel_linear_with(x, "l", 2, (reel_linear_options){ .no_bias = true }));
    BAD(reel_dropout(x, "d", 0.5)), BAD(reel_l2(x, NULL, 1));
}

static void call_everything(reel_model *m, reel_tape *t, reel_tensor *x, reel_list *l)
{
    if (!m || reel_model_error(m)) call_about_models(m);
    call_about_tapes(t, x, l);
    call_about_tensors(x);
    call_about_lists(l, x);
    call_ops(x);
    reel_tape_free(t);
}

Test(memory, that_a_model_lacks_makes_an_object_that_takes_every_call)
{
    heap h = { .fail_at = 1, .forever = true };
    reel_model *m = model_on(&h);
    cr_assert(m && reel_model_error(m));
    reel_tape *t = reel_tape_new(m, (reel_tape_options){ 0 });
    cr_assert(t);
    call_everything(m, t, reel_input(t, "x", REEL_F32, REEL_SHAPE(2)), reel_list_new(t));
    reel_model_free(m);
    expect_all_back(&h);
}

Test(memory, that_a_tape_lacks_makes_an_object_that_takes_every_call)
{
    heap h = { 0 };
    reel_model *m = model_on(&h);
    h.fail_at = h.calls + 1, h.forever = true;
    reel_tape *t = reel_tape_new(m, (reel_tape_options){ 0 });
    cr_assert(t);
    call_everything(m, t, reel_input(t, "x", REEL_F32, REEL_SHAPE(2)), reel_list_new(t));
    cr_expect_null(reel_model_error(m));
    reel_model_free(m);
    expect_all_back(&h);
}

Test(memory, is_not_touched_by_calls_with_null)
{
    call_everything(NULL, NULL, NULL, NULL);
    reel_model_free(NULL);
    cr_expect(reel_tape_error(reel_tape_new(NULL, (reel_tape_options){ 0 })));
}

/* Sixteen values of which each could be, and whose bytes together are 0 in a size_t; or a little more than 0. */
Test(memory, that_no_machine_has_is_an_error)
{
    for (int count = 16; count <= 18; count++)
        for (int plain = 0; plain < 2; plain++) {
            reel_model *model = reel_model_new((reel_model_options){ 0 });
            reel_tape *tape = reel_tape_new(model, (reel_tape_options){ .keep_everything = plain != 0 });
            reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SCALAR);
            for (int i = 0; i < count; i++) {
                char name[20];
                snprintf(name, sizeof name, "y%d", i);
                reel_keep(reel_shift(reel_expand(x, REEL_SHAPE((PTRDIFF_MAX >> 5) + 1)), i), name);
            }
            reel_write_f32(x, &(float){ 1 }, 1);
            cr_expect_eq(reel_run(tape), REEL_OUT_OF_MEMORY, "%d values: %s", count, reel_tape_error(tape));
            reel_tape_free(tape);
            reel_model_free(model);
        }
}

/* ---- How much -------------------------------------------------------------------------------------------------------- */

Test(memory, is_not_asked_for_by_a_replay)
{
    program p = { 0 };
    make(&p);
    cr_assert_eq(first_run(&p), REEL_OK);
    const int64_t calls = p.heap.calls;
    for (int k = 1; k < 20; k++) {
        float values[ROWS * OUT];
        write_inputs(&p, k);
        cr_assert_eq(reel_run(p.tape), REEL_OK);
        cr_expect(isfinite(reel_item(p.loss)));
        cr_expect_eq(reel_read_f32(p.prediction, values, ROWS * OUT), REEL_OK);
    }
    cr_expect_eq(p.heap.calls, calls);
    finish(&p);
}

/* What the plan says before a run is what is given back when it is freed, and no run goes beyond it. */
Test(memory, of_a_plan_is_known_beforehand)
{
    program p = { 0 };
    make(&p);
    cr_assert_eq(first_run(&p), REEL_OK);
    reel__program *used = reel__last_program(&p.tape->executor->programs);
    const int64_t predicted = (int64_t)reel__steps_bytes(used->steps), held = p.heap.bytes;
    p.heap.peak = 0;
    for (int k = 0; k < 3; k++) cr_assert_eq(reel_run(p.tape), REEL_OK);
    cr_expect_eq(p.heap.peak, 0);
    cr_expect_eq((int64_t)reel__steps_bytes(used->steps), predicted);
    reel__steps_release(&p.tape->allocator, used);
    cr_expect_eq(held - p.heap.bytes, predicted, "%lld bytes were said, %lld were used", (long long)predicted,
                 (long long)(held - p.heap.bytes));
    finish(&p);
}

Test(memory, does_not_grow_when_a_program_is_recorded_again_and_again)
{
    program p = { 0 };
    make(&p);
    for (int k = 0; k < 20; k++) cr_assert_eq(first_run(&p), REEL_OK);
    const int64_t bytes = p.heap.bytes;
    for (int k = 0; k < 200; k++) cr_assert_eq(first_run(&p), REEL_OK);
    cr_expect_eq(p.heap.bytes, bytes, "%lld bytes for each recording", (long long)(p.heap.bytes - bytes) / 200);
    finish(&p);
}

/* ---- A million nodes -------------------------------------------------------------------------------------------------- */

enum { NODES = 1000000 };

/* What a recorded node may take all in all: itself, its entries in log, table, order and program, its value. */
enum { BYTES_PER_NODE = 480 };

typedef struct chain {
    heap heap;
    reel_status status;
    double y, gx, seconds[4];
    int64_t nodes;
} chain;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *run_chain(void *context)
{
    chain *c = context;
    reel_model *m = model_on(&c->heap);
    reel_tape *t = reel_tape_new(m, (reel_tape_options){ .threads = 1 });
    const double start = now();
    reel_tensor *x = reel_input(t, "x", REEL_F32, REEL_SCALAR), *y = x;
    reel_tensor *a = reel_input(t, "a", REEL_F32, REEL_SCALAR), *b = reel_input(t, "b", REEL_F32, REEL_SCALAR);
    for (int i = 0; i < NODES; i++) y = i % 2 ? reel_add(y, b) : reel_mul(y, a);
    const double recorded = now();
    reel_tensor *gx = reel_keep(reel_gradient(y, x), "gx");
    const double derived = now();
    reel_write_f32(x, (float[]){ 1 }, 1);
    reel_write_f32(a, (float[]){ 0.999998f }, 1);
    reel_write_f32(b, (float[]){ 1e-6f }, 1);
    c->status = reel_run(t);
    const double ran = now();
    c->y = reel_item(y), c->gx = reel_item(gx);
    c->nodes = reel_node_count(t);
    reel_tape_free(t);
    reel_model_free(m);
    c->seconds[0] = recorded - start, c->seconds[1] = derived - recorded;
    c->seconds[2] = ran - derived, c->seconds[3] = now() - ran;
    return NULL;
}

Test(memory, of_the_stack_does_not_grow_with_a_chain_of_a_million_nodes, .timeout = 120)
{
    static chain c;
    pthread_t thread;
    pthread_attr_t attributes;
    cr_assert_eq(pthread_attr_init(&attributes), 0);
    cr_assert_eq(pthread_attr_setstacksize(&attributes, 256 * 1024), 0);
    cr_assert_eq(pthread_create(&thread, &attributes, run_chain, &c), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    float y = 1, gx = 1;
    for (int i = 0; i < NODES; i++) y = i % 2 ? y + 1e-6f : y * 0.999998f;
    for (int i = 0; i < NODES / 2; i++) gx *= 0.999998f;
    cr_expect_eq(c.status, REEL_OK);
    cr_expect_eq(c.y, (double)y);
    cr_expect_eq(c.gx, (double)gx);
    cr_expect_leq(c.heap.peak, c.nodes * BYTES_PER_NODE, "%lld bytes a node", (long long)(c.heap.peak / c.nodes));
    expect_all_back(&c.heap);
    fprintf(
        stderr,
        "    %lld nodes, %lld MB, %lld bytes a node: recorded in %.2f s, differentiated in %.2f, run in %.2f, freed in %.2f\n",
        (long long)c.nodes, (long long)(c.heap.peak >> 20), (long long)(c.heap.peak / c.nodes), c.seconds[0],
        c.seconds[1], c.seconds[2], c.seconds[3]);
}
