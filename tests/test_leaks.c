/* Every block goes back, whatever a program is made of and wherever it ends: nodes with more operands than they have
 * room for, a weight that is used more than once, slices that are merged, plans with everything a plan can have, errors
 * in the middle of recording and of running, files; and all of this once more for each allocation that fails. */
#include "core/run/executor.h"
#include "fixture.h"
#include "heap.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

static reel_tensor *input(reel_tape *t, const char *name, reel_shape shape)
{
    reel_tensor *x = reel_input(t, name, REEL_F32, shape);
    float *data = malloc((size_t)reel_count(x) * sizeof *data + 1);
    for (int64_t i = 0; i < reel_count(x); i++) data[i] = sinf((float)i);
    reel_write_f32(x, data, reel_count(x));
    free(data);
    return x;
}

/* ---- Programs ---------------------------------------------------------------------------------------------------- */

typedef void program(reel_tape *t);

static void weight_used_often(reel_tape *t)
{
    reel_tensor *x = input(t, "x", REEL_SHAPE(4, 5)),
                *w = reel_parameter(x, "w", REEL_SHAPE(5, 5), reel_init_fan_in_uniform(1));
    reel_tensor *y = reel_matmul(reel_tanh(reel_matmul(reel_tanh(reel_matmul(x, w)), w)), reel_transpose(w));
    reel_tensor *loss = reel_add(total(reel_square(y)), total(reel_matmul(w, reel_transpose(x))));
    reel_tensor *g = reel_gradient(loss, w);
    reel_sgd(reel_add(loss, total(reel_square(reel_gradient(total(reel_square(g)), w)))),
             (reel_sgd_options){ .lr = 1e-3 });
}

static void many_operands(reel_tape *t)
{
    reel_tensor *x = input(t, "x", REEL_SHAPE(3, 4)), *part[7];
    for (int i = 0; i < 7; i++) part[i] = reel_scale(reel_tanh(x), i + 0.3);
    reel_tensor *y = reel_concat(part, 7, 0), *z = reel_stack(part, 6, 1), *four = reel_concat(part + 2, 4, 1);
    reel_keep(y, "y"), reel_keep(z, "z");
    reel_keep(reel_gradient(reel_add(reel_add(total(reel_square(y)), total(reel_exp(z))), total(reel_sin(four))), x),
              "g");
}

static void slices(reel_tape *t)
{
    reel_tensor *x = input(t, "x", REEL_SHAPE(9, 8)), *sum = reel_number(x, 0);
    for (int i = 0; i < 4; i++) sum = reel_add(sum, total(reel_square(reel_slice(x, 0, 2 * i, 2 * i + 2))));
    for (int i = 0; i < 4; i++) sum = reel_add(sum, total(reel_exp(reel_slice_step(x, 1, i, 8, 3))));
    reel_tensor *g = reel_gradient(sum, x);
    reel_keep(reel_gradient(total(reel_mul(g, g)), x), "g");
}

static void indices(reel_tape *t)
{
    static const int32_t at[] = { 3, 0, 3, 1 };
    reel_tensor *x = input(t, "x", REEL_SHAPE(5, 3)),
                *w = reel_parameter(x, "table", REEL_SHAPE(4, 3), reel_init_zeros());
    reel_tensor *i = reel_input(t, "i", REEL_I32, REEL_SHAPE(4)), *rows = reel_take(w, i, 0);
    reel_write_i32(i, at, 4);
    reel_tensor *drop = reel_dropout(reel_matmul(rows, reel_transpose(x)), "drop", 0.25);
    reel_keep(reel_normal(x, "draw", REEL_SHAPE(3)), "noise"), reel_keep(reel_accuracy(drop, i), "accuracy");
    reel_adam(reel_cross_entropy(drop, i), (reel_adam_options){ .lr = 0.1, .weight_decay = 0.1 });
}

static void names(reel_tape *t)
{
    reel_tensor *x = input(t, "x", REEL_SHAPE(2, 3));
    for (int i = 0; i < 6; i++) {
        reel_scope_push(t, "a scope with quite a long name number %d/inner", i);
        x = reel_tanh(reel_linear(x, "layer", 3));
        reel_keep(x, "a name that is kept");
        reel_scope_pop(t);
    }
    reel_tensor *h = reel_state(t, "h", REEL_F32, REEL_SHAPE(2, 3));
    reel_assign(h, reel_add(h, x));
    reel_list *p = reel_parameters(x, "**/w"), *twice = reel_list_new(t);
    for (int i = 0; i < reel_list_count(p); i++) reel_list_append(twice, "w", reel_scale(reel_list_at(p, i), 2));
    reel_with_push(t, p, twice);
    reel_scope_push(t, "a scope with quite a long name number 0/inner");
    reel_keep(reel_linear(x, "layer", 3), "replaced");
    reel_scope_pop(t);
    reel_with_pop(t);
    reel_sgd(total(reel_square(x)),
             (reel_sgd_options){ .lr = 0.01, .momentum = 0.9, .parameter_pattern = "**/w,!**0/**" });
}

/* Copies, partial reductions, packs, batches of products, constants, several tiles and blocks. */
static void large_plan(reel_tape *t)
{
    reel_tensor *x = input(t, "x", REEL_SHAPE(3, 1500)), *y = input(t, "y", REEL_SHAPE(70, 40)), *e = reel_exp(x);
    reel_tensor *w = reel_parameter(x, "w", REEL_SHAPE(40, 60), reel_init_fan_in_uniform(1)), *part[5];
    for (int i = 0; i < 5; i++) part[i] = reel_matmul(reel_slice(y, 0, 14 * i, 14 * i + 14), w);
    reel_tensor *whole = reel_concat(part, 5, 0), *partial = reel_sum(e, REEL_AXES(1), REEL_DROP);
    reel_keep(reel_reshape(reel_transpose(reel_exp(y)), REEL_SHAPE(70, 40)), "copy");
    reel_keep(reel_div(e, reel_reshape(partial, REEL_SHAPE(3, 1))), "partial");
    reel_keep(reel_exp(reel_fill(x, REEL_SHAPE(30), 0.3)), "folded");
    reel_sgd(total(reel_softmax(reel_matmul(whole, reel_transpose(w)), -1)), (reel_sgd_options){ .lr = 0.1 });
}

/* ---- Programs that end in an error ------------------------------------------------------------------------------- */

static void wrong_shape(reel_tape *t)
{
    reel_tensor *x = input(t, "x", REEL_SHAPE(3, 4)), *y = input(t, "y", REEL_SHAPE(5));
    reel_tensor *part[] = { x, reel_tanh(x), reel_exp(x), x, y };
    reel_keep(reel_concat(part, 5, 0), "bad");
    reel_sgd(total(reel_find(t, "bad")), (reel_sgd_options){ .lr = 1 });
}

static void cut_path(reel_tape *t)
{
    reel_tensor *x = input(t, "x", REEL_SHAPE(3, 4)), *w = reel_parameter(x, "w", REEL_SHAPE(4, 3), reel_init_zeros());
    reel_sgd(total(reel_detach(reel_matmul(reel_matmul(x, w), reel_transpose(w)))), (reel_sgd_options){ .lr = 1 });
}

static void too_large(reel_tape *t)
{
    reel_tensor *x = input(t, "x", REEL_SHAPE(3));
    reel_keep(reel_expand(x, REEL_SHAPE(1ll << 40, 1ll << 40, 3)), "large");
}

static void wrong_index(reel_tape *t)
{
    static const int32_t at[] = { 0, 9 };
    reel_tensor *x = input(t, "x", REEL_SHAPE(5, 3)), *i = reel_input(t, "i", REEL_I32, REEL_SHAPE(2));
    reel_write_i32(i, at, 2);
    reel_keep(reel_take(reel_exp(x), i, 0), "y");
}

static void open_scope(reel_tape *t)
{
    reel_scope_push(t, "outer");
    reel_layer_push(t, "inner");
    reel_keep(reel_linear(input(t, "x", REEL_SHAPE(5, 3)), "layer", 2), "y");
}

static void one_name_twice(reel_tape *t)
{
    reel_tensor *x = input(t, "x", REEL_SHAPE(5, 3));
    reel_keep(reel_linear(reel_linear(x, "layer", 3), "layer", 3), "y");
}

static const struct {
    const char *name;
    program *record;
    bool fails;
} programs[] = {
    { "a weight used often", weight_used_often, false },
    { "many operands", many_operands, false },
    { "slices", slices, false },
    { "indices", indices, false },
    { "names", names, false },
    { "a large plan", large_plan, false },
    { "a wrong shape", wrong_shape, true },
    { "a cut path", cut_path, true },
    { "too large", too_large, true },
    { "a wrong index", wrong_index, true },
    { "an open scope", open_scope, true },
    { "one name twice", one_name_twice, true },
};

/* ---- All of it goes back ----------------------------------------------------------------------------------------- */

static const char *path(void)
{
    static char text[64];
    snprintf(text, sizeof text, "/tmp/reel_leaks_%d.safetensors", (int)getpid());
    return text;
}

static void begin_on(heap *h, reel_tape_options options)
{
    begin_with((reel_model_options){ .seed = 4, .allocator = { heap_resize, h } }, options);
}

/* Recorded, run, evaluated, cleared, recorded again the same and then another; true: no call failed. */
static bool live(heap *h, int number, reel_tape_options options, bool ahead)
{
    begin_on(h, options);
    bool good = true;
    for (int i = 0; i < 3; i++) {
        reel__plan_settings *settings = ahead ? reel__settings(tape) : NULL;
        if (settings) *settings = (reel__plan_settings){ .pack_ahead = true, .thread_work = -1, .block = 16 };
        if (i == 2 && number != 2) slices(tape);
        else programs[number].record(tape);
        good &= reel_run(tape) == REEL_OK;
        reel_tensor *x = good ? reel_exp(input(tape, "another", REEL_SHAPE(3))) : NULL;
        if (x) good &= reel_eval(tape, &x, 1) == REEL_OK;
        if (!good && !h->failed && !programs[number].fails) cr_log_error("%s", reel_tape_error(tape));
        reel_tape_clear(tape);
    }
    end_after_error();
    return good;
}

static void expect_nothing_left(int number, const heap *h, int64_t failing)
{
    cr_expect(h->bytes == 0 && h->blocks == 0 && h->wrong == 0,
              "%s, call %lld failing: %lld bytes in %lld blocks, %lld wrong sizes", programs[number].name,
              (long long)failing, (long long)h->bytes, (long long)h->blocks, (long long)h->wrong);
}

Test(leaks, there_are_none_after_any_program)
{
    for (int number = 0; number < COUNT(programs); number++)
        for (int way = 0; way < 4; way++) {
            heap h = { 0 };
            const reel_tape_options options = { .threads = way == 1 ? 2 : 1, .keep_everything = way == 2 };
            const bool good = live(&h, number, options, way == 3);
            cr_expect_eq(good, !programs[number].fails, "%s", programs[number].name);
            expect_nothing_left(number, &h, 0);
        }
}

static void fail_each(int number, bool ahead)
{
    heap all = { 0 };
    live(&all, number, (reel_tape_options){ .threads = 1 }, ahead);
    for (int64_t k = 1; k <= all.calls; k++) {
        heap h = { .fail_at = k };
        const bool good = live(&h, number, (reel_tape_options){ .threads = 1 }, ahead);
        cr_expect(!good || ahead, "%s, call %lld: no error", programs[number].name, (long long)k);
        cr_expect(h.failed, "call %lld of %lld was not made", (long long)k, (long long)all.calls);
        expect_nothing_left(number, &h, k);
    }
}

Test(leaks, there_are_none_when_any_allocation_of_a_program_fails, .timeout = 120)
{
    for (int number = 0; number < COUNT(programs); number++) fail_each(number, false);
}

Test(leaks, there_are_none_when_any_allocation_of_a_packed_plan_fails, .timeout = 120)
{
    fail_each(0, true), fail_each(5, true);
}

/* Nodes come in chunks of 512: the first of a new one, with more operands than it has room for. */
Test(leaks, there_are_none_when_there_is_no_memory_for_the_next_nodes)
{
    for (int k = 1; k <= 8; k++) {
        heap h = { 0 };
        begin_on(&h, (reel_tape_options){ .threads = 1 });
        reel_tensor *x = input(tape, "x", REEL_SHAPE(3)), *y = x;
        while (reel_node_count(tape) < 512) y = reel_node_count(tape) % 2 ? reel_tanh(y) : reel_neg(y);
        h.fail_at = h.calls + k;
        reel_tensor *whole = reel_concat((reel_tensor *[]){ x, y, y, x, y, x }, 6, 0);
        cr_expect_eq(reel_is_bad(whole), h.failed, "call %d", k);
        end_after_error();
        expect_all_back(&h);
    }
}

/* ---- Files ------------------------------------------------------------------------------------------------------- */

/* Two models, one saved, the other loaded with what it has and what it has not; then a file that is cut off. */
static void save_and_load(heap *h)
{
    begin_on(h, (reel_tape_options){ .threads = 1 });
    reel_model *other = model_on(h);
    reel_tape *second = reel_tape_new(other, (reel_tape_options){ .threads = 1 });
    indices(tape), names(second);
    remove(path());
    if (reel_model_save(model, path()) == REEL_OK) {
        reel_model_load(other, path());
        reel_model_reset(other, "**");
        cr_assert_eq(truncate(path(), 300), 0);
        cr_expect_neq(reel_model_load(other, path()), REEL_OK);
    }
    reel_tape_free(second), reel_model_free(other);
    end_after_error();
    remove(path());
}

Test(leaks, there_are_none_when_any_allocation_for_a_file_fails, .timeout = 120)
{
    heap all = { 0 };
    save_and_load(&all);
    expect_nothing_left(3, &all, 0);
    for (int64_t k = 1; k <= all.calls; k++) {
        heap h = { .fail_at = k };
        save_and_load(&h);
        expect_nothing_left(3, &h, k);
    }
}
