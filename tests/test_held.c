/* What a tape holds is bounded by what its programs need, however often it is recorded differently, and no step costs more
 * than those before; what is forgotten is nothing that a plan still reads. Work is counted as counted.h says. */
#include "core/run/executor.h"

#include "counted.h"

static void of_length(int step)
{
    static float values[47 * 47 * 47];
    const int i = (int)((int64_t)step * 7919 % (47 * 47 * 47)); /* all sizes in turn */
    reel_tensor *x = reel_input(tape, "x3", REEL_F32, REEL_SHAPE(i % 47 + 1, i / 47 % 47 + 1, i / (47 * 47) + 1));
    reel_keep(reel_sum(x, REEL_ALL, REEL_DROP), "sum");
    reel_write_f32(x, values, reel_count(x));
}

static void in_a_scope(int step)
{
    reel_scope_push(tape, "step%d/inner", step);
    reel_keep(reel_square(in), "square");
    reel_scope_pop(tape);
}

static void with_a_keep(int step) { reel_keep(reel_square(in), named("k%d", step)); }

static void with_an_input(int step)
{
    reel_tensor *x = reel_input(tape, named("x%d", step), REEL_F32, REEL_SHAPE(2));
    reel_write_f32(x, (float[2]){ 0 }, 2);
    reel_keep(reel_square(x), "square");
}

static void with_a_draw(int step)
{
    reel_keep(reel_square(reel_uniform(in, named("u%d", step), REEL_SHAPE(2))), "square");
}

static void with_a_number(int step) { reel_keep(reel_scale(in, 1.5 + step), "scaled"); }

static void with_an_item(int step)
{
    reel_list *list = reel_list_new(tape);
    for (int i = 0; i < 20; i++) reel_list_append(list, named("item%d", 20 * step + i), in);
    reel_keep(reel_list_find(list, named("item%d", 20 * step)), "found");
}

static void of_a_depth(int step)
{
    reel_tensor *w = reel_parameter(in, "w", REEL_SHAPE(2), reel_init_fan_in_uniform(1)), *y = in;
    for (int i = 0; i < 1 + step * 7 % 61; i++) y = reel_tanh(reel_mul(y, w));
    reel_sgd(total(y), (reel_sgd_options){ .lr = 0.1, .momentum = 0.5 });
}

static const struct changing {
    const char *name;
    void (*record)(int step);
    int steps;
} changings[] = {
    { "lengths", of_length, 100000 },         { "scopes", in_a_scope, 20000 },
    { "names of keeps", with_a_keep, 20000 }, { "names of inputs", with_an_input, 20000 },
    { "names of draws", with_a_draw, 20000 }, { "numbers", with_a_number, 20000 },
    { "names of items", with_an_item, 4000 }, { "depths", of_a_depth, 1220 },
};

/* 65,536 nodes that wait, and for the rest of the tape as much again. */
enum { HELD = 2 * 65536 * sizeof(reel_tensor) };

/* What is done in steps [from, to), while no more than that is held. */
typedef struct window {
    int64_t work, calls;
} window;

static window take_steps(const struct changing *c, int from, int to)
{
    const int64_t calls = memory.calls;
    work = 0;
    for (int step = from; step < to; step++) {
        reel_tape_clear(tape);
        record_input();
        c->record(step);
        run();
        cr_assert_leq(memory.bytes, (int64_t)HELD, "%s: %lld bytes after %d steps", c->name, (long long)memory.bytes,
                      step);
    }
    return (window){ work, memory.calls - calls };
}

/* Cleared nodes wait before they are used again; from now on as many as ever do. */
static void fill_the_queue(void)
{
    for (int i = 0; i < 1 << 16; i++) {
        if (i % 256 == 0) reel_tape_clear(tape), record_input();
        reel_scale(in, 1.5 + i);
    }
}

Test(held, is_what_the_programs_need_however_often_a_tape_is_recorded_differently)
{
    for (int i = 0; i < COUNT(changings); i++) {
        const struct changing *c = &changings[i];
        begin_counted();
        const int half = c->steps / 2;
        fill_the_queue();
        const window first = take_steps(c, 0, half), last = take_steps(c, half, c->steps);
        cr_expect_leq(last.calls, first.calls + first.calls / 50, "%s: %lld allocations in %d steps, then %lld",
                      c->name, (long long)first.calls, half, (long long)last.calls);
        cr_expect_leq(last.work, first.work + first.work / 16, "%s: %lld in %d steps, then %lld", c->name,
                      (long long)first.work, half, (long long)last.work);
        end_counted();
    }
}

/* ---- What is still there ------------------------------------------------------------------------------------------- */

static void forget_names(void)
{
    tape->most_names = 0, tape->clears = 100;
    reel_tape_clear(tape);
}

Test(held, is_the_plan_when_names_are_forgotten_and_old_handles_are_refused)
{
    begin_counted();
    for (int k = 0; k < 3; k++) {
        reel_tensor *before = k ? reel_find(tape, "k") : NULL;
        reel_list *list = reel_list_new(tape);
        reel_list_append(list, "x", in ? in : reel_input(tape, "y", REEL_F32, REEL_SCALAR));
        forget_names();
        cr_expect_eq(tape->strings.count + tape->names.count + tape->scopes.count + tape->shapes.count, 0);
        record_input();
        reel_scope_push(tape, "scope");
        reel_tensor *noise = reel_uniform(in, "u", REEL_SHAPE(2));
        reel_scope_pop(tape);
        reel_sgd(total(reel_tanh(reel_add(reel_linear(in, "l", 2), noise))), (reel_sgd_options){ .lr = 0.1 });
        reel_keep(in, "k");
        run();
        cr_expect_eq(tape->executor->programs.made, 1);
        cr_expect_eq(reel_list_count(list), 0);
        if (!before) continue;
        cr_expect(reel_is_bad(reel_relu(before)));
        cr_expect_eq(reel_tape_status(tape), REEL_BAD_STATE);
        reel_tape_clear(tape);
        record_input();
        reel_keep(in, "k");
    }
    end_counted();
}

/* Inputs of many shapes, whose memory and whose names' memory is used again all the time. */
Test(held, are_all_inputs_that_a_plan_still_reads)
{
    begin_counted();
    uint32_t random = 1;
    for (int step = 0; step < 3000; step++) {
        reel_tensor *x[3], *sum = NULL;
        double expected = 0;
        if (step % 7 == 0) forget_names();
        else reel_tape_clear(tape);
        for (int j = 0; j < 3; j++) {
            random = random * 1664525u + 1013904223u;
            const int n = 1 + (int)(random >> 16) % (step % 100 < 50 ? 3 : 12);
            float values[12];
            for (int i = 0; i < n; i++) values[i] = (float)(step % 10 + i);
            x[j] = reel_input(tape, named("x%d", (int)(random >> 8) % 2 + 2 * j), REEL_F32, REEL_SHAPE(n));
            for (int i = 0; i < n; i++) expected += (double)((float)(j + 2) * values[i]);
            reel_write_f32(x[j], values, n);
            reel_tensor *term = total(reel_scale(x[j], j + 2));
            sum = sum ? reel_add(sum, term) : term;
        }
        reel_keep(sum, "sum");
        run();
        cr_assert_eq(reel_item(sum), expected, "step %d", step);
        cr_assert_leq(tape->inputs.list.count, 3 * (8 + 2));
    }
    end_counted();
}

Test(held, are_eight_lengths_that_take_turns)
{
    begin_counted();
    int64_t inputs = 0;
    for (int step = 0; step < 80; step++) {
        reel_tape_clear(tape);
        reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(step % 8 + 1));
        reel_write_f32(x, (float[8]){ 1, 1, 1, 1, 1, 1, 1, 1 }, step % 8 + 1);
        reel_keep(total(x), "sum");
        run();
        if (step == 8) inputs = tape->inputs.list.count;
    }
    cr_expect_eq(tape->executor->programs.made, 8);
    cr_expect_eq(inputs, 8);
    cr_expect_eq(tape->inputs.list.count, inputs);
    end_counted();
}
