/* Growth: a program with eight times as many of anything is recorded, differentiated, planned, run, saved, listed in some
 * eight times the work. Work is counted, not timed: see counted.h. */
#include "core/run/executor.h"

#include "counted.h"

#include <string.h>
#include <unistd.h>

static reel_tensor *parameter(int i)
{
    return reel_parameter(in, named("w%d", i), REEL_SHAPE(2), reel_init_fan_in_uniform(1));
}

/* The sum of w0 x, w1 x, … */
static reel_tensor *network(int n)
{
    reel_tensor *sum = in;
    for (int i = 0; i < n; i++) sum = reel_add(sum, reel_mul(parameter(i), in));
    return total(sum);
}

/* ---- Kinds of many ------------------------------------------------------------------------------------------------- */

static void parameters(int n)
{
    for (int i = 0; i < n; i++) parameter(i);
}

static void keeps(int n)
{
    for (int i = 0; i < n; i++) reel_keep(in, named("k%d", i));
}

static void keeps_found(int n)
{
    keeps(n);
    for (int i = 0; i < n; i++) cr_assert_eq(reel_find(tape, named("k%d", i)), in);
}

static void inputs(int n)
{
    for (int i = 0; i < n; i++)
        reel_write_f32(reel_input(tape, named("i%d", i), REEL_F32, REEL_SCALAR), &(float){ 1 }, 1);
}

static void inputs_of_all_shapes(int n)
{
    for (int i = 0; i < n; i++) reel_input(tape, named("i%d", i), REEL_F32, REEL_SHAPE(0, i));
}

static void states(int n)
{
    for (int i = 0; i < n; i++) {
        reel_tensor *h = reel_state(tape, named("h%d", i), REEL_F32, REEL_SHAPE(2));
        reel_assign(h, reel_add(h, in));
    }
    run();
}

static void layers(int n)
{
    reel_tensor *y = in;
    for (int i = 0; i < n; i++) y = reel_tanh(reel_linear(y, named("layer%d", i), 2));
    reel_sgd(total(y), (reel_sgd_options){ .lr = 0.1 });
    run();
}

static void scopes(int n)
{
    for (int i = 0; i < n; i++) {
        reel_scope_push(tape, "block%d", i);
        reel_scope_push(tape, "attention/query");
        parameter(0);
        reel_scope_pop(tape);
        reel_scope_pop(tape);
    }
}

static void entries(int n)
{
    for (int i = 0; i < n; i++) {
        reel_scope_push(tape, "shared");
        parameter(0);
        reel_scope_pop(tape);
    }
}

static void momentum(int n)
{
    reel_sgd(network(n), (reel_sgd_options){ .lr = 0.1, .momentum = 0.9 });
    run();
}

static void adam(int n)
{
    reel_adam(network(n), (reel_adam_options){ .lr = 0.1 });
    run();
}

static void clipped(int n)
{
    reel_tensor *loss = network(n);
    reel_list *w = reel_parameters(loss, "w*");
    reel_sgd_update(w, reel_clip_norm(reel_gradients(reel_add(loss, reel_l2(loss, NULL, 0.1)), w), 1),
                    (reel_sgd_options){ .lr = 0.1 });
    run();
}

static void second_gradients(int n)
{
    reel_tensor *loss = reel_square(network(n)), *norm = NULL;
    reel_list *w = reel_parameters(loss, NULL), *g = reel_gradients(loss, w);
    for (int i = 0; i < n; i++) {
        reel_tensor *square = total(reel_square(reel_list_at(g, i)));
        norm = norm ? reel_add(norm, square) : square;
    }
    g = reel_gradients(norm, w);
    reel_keep(reel_list_at(g, n - 1), "last");
    run();
}

static void losses(int n)
{
    for (int i = 0; i < n; i++) {
        reel_tensor *w = parameter(i), *loss = total(reel_mul(w, in));
        reel_keep(reel_gradient(loss, w), named("g%d", i));
    }
    run();
}

static void replaced(int n)
{
    reel_list *from = reel_list_new(tape), *to = reel_list_new(tape);
    for (int i = 0; i < n; i++) {
        reel_scope_push(tape, "%d", i);
        reel_list_append(from, NULL, parameter(0));
        reel_list_append(to, NULL, in);
        reel_scope_pop(tape);
    }
    reel_with_push(tape, from, to);
    for (int i = 0; i < n; i++) {
        reel_scope_push(tape, "%d", i);
        cr_assert_eq(parameter(0), in);
        reel_scope_pop(tape);
    }
    reel_with_pop(tape);
}

static void replaced_one_by_one(int n)
{
    for (int i = 0; i < n; i++) {
        reel_list *from = reel_list_new(tape), *to = reel_list_new(tape);
        reel_list_append(from, NULL, parameter(i));
        reel_list_append(to, NULL, in);
        reel_with_push(tape, from, to);
    }
    reel_scope_push(tape, "again");
    for (int i = 0; i < n; i++) parameter(i);
    reel_scope_pop(tape);
    for (int i = 0; i < n; i++) reel_with_pop(tape);
}

static void draws(int n)
{
    reel_tensor *sum = in;
    for (int i = 0; i < n; i++) sum = reel_add(sum, reel_uniform(in, named("u%d", i), REEL_SHAPE(2)));
    reel_keep(sum, "sum");
    run();
}

static void draws_of_one_name(int n)
{
    reel_tensor *sum = in;
    for (int i = 0; i < n; i++) {
        reel_scope_push(tape, "noise");
        sum = reel_add(sum, reel_uniform(in, "u", REEL_SHAPE(2)));
        reel_scope_pop(tape);
    }
    reel_keep(sum, "sum");
    run();
}

/* n different tensors [2] */
static reel_tensor **many(int n)
{
    reel_tensor **x = malloc((size_t)n * sizeof *x);
    for (int i = 0; i < n; i++) x[i] = reel_scale(in, 1.5 + i);
    return x;
}

static void concat(int n)
{
    reel_tensor **parts = many(n), *y = reel_concat(parts, n, 0);
    reel_keep(reel_gradient(total(reel_square(y)), in), "g");
    run();
    free(parts);
}

static void concat_in_another_order(int n)
{
    reel_tensor **parts = many(n);
    for (int i = 0; i < n; i++) {
        const int j = (int)((int64_t)i * 7919 % n);
        reel_tensor *swap = parts[i];
        parts[i] = parts[j], parts[j] = swap;
    }
    reel_keep(reel_gradient(total(reel_square(reel_concat(parts, n, 0))), in), "g");
    run();
    free(parts);
}

static void stack(int n)
{
    reel_tensor **parts = many(n), *y = reel_stack(parts, n, 1);
    reel_keep(reel_gradient(total(reel_square(y)), in), "g");
    run();
    free(parts);
}

/* Each is written into its part of the last one, so the values are not copied n times. */
static void concat_of_concats(int n)
{
    reel_tensor *y = reel_exp(in);
    for (int i = 0; i < n; i++) {
        reel_tensor *parts[] = { y, reel_slice(reel_exp(reel_scale(in, 1.5 + i)), 0, 0, 0) };
        y = reel_concat(parts, 2, 0);
    }
    reel_keep(y, "y");
    run();
}

static void slices(int n)
{
    reel_tensor *x = reel_input(tape, "long", REEL_F32, REEL_SHAPE(n)), *sum = NULL;
    for (int i = n; i-- > 0;) {
        reel_tensor *term = reel_square(reel_slice(x, 0, i, i + 1));
        sum = sum ? reel_add(sum, term) : term;
    }
    reel_keep(reel_gradient(total(sum), x), "g");
    float *values = calloc((size_t)n, sizeof *values);
    reel_write_f32(x, values, n);
    run();
    free(values);
}

static void products(int n)
{
    reel_tensor *w = reel_parameter(in, "w", REEL_SHAPE(2, 2), reel_init_fan_in_uniform(1)), *h = in;
    for (int i = 0; i < n; i++) h = reel_tanh(reel_matmul(h, w));
    reel_sgd(total(h), (reel_sgd_options){ .lr = 0.1 });
    run();
}

static void batched_products(int n)
{
    reel_tensor *w = reel_parameter(in, "w", REEL_SHAPE(2, 2, 2), reel_init_fan_in_uniform(1)), *sum = NULL;
    for (int i = 0; i < n; i++) {
        reel_tensor *a = reel_expand(reel_scale(in, 1.5 + i), REEL_SHAPE(2, 3, 2));
        reel_tensor *y = reel_contract(reel_exp(a), w, "bmk,bkn->bmn");
        sum = sum ? reel_add(sum, y) : y;
    }
    reel_sgd(total(sum), (reel_sgd_options){ .lr = 0.1 });
    run();
}

/* A gradient goes past what repeats the one matrix. */
static void products_with_a_repeated_matrix(int n)
{
    reel_tensor *w = reel_parameter(in, "w", REEL_SHAPE(1, 2, 2), reel_init_fan_in_uniform(1)), *sum = NULL;
    reel_tensor *repeated = reel_expand(w, REEL_SHAPE(2, 2, 2));
    for (int i = 0; i < n; i++) {
        reel_tensor *a = reel_exp(reel_expand(reel_scale(in, 1.5 + i), REEL_SHAPE(2, 3, 2)));
        reel_tensor *y = reel_contract(a, repeated, "bmk,bkn->bmn");
        sum = sum ? reel_add(sum, y) : y;
    }
    reel_sgd(total(sum), (reel_sgd_options){ .lr = 0.1 });
    run();
}

static void packs(int n)
{
    reel_tensor *x = reel_expand(in, REEL_SHAPE(4, 2));
    reel__settings(tape)->pack_ahead = true;
    for (int i = 0; i < n; i++) {
        reel_tensor *w = reel_parameter(in, named("w%d", i), REEL_SHAPE(2, 2), reel_init_fan_in_uniform(1));
        reel_keep(reel_matmul(reel_exp(x), w), named("y%d", i));
    }
    run();
}

static void readers(int n)
{
    reel_tensor *x = reel_exp(in);
    for (int i = 0; i < n; i++) reel_keep(reel_scale(x, 1.5 + i), named("y%d", i));
    run();
}

static void rows(int n)
{
    reel_tensor *x = reel_parameter(in, "table", REEL_SHAPE(n, 2), reel_init_fan_in_uniform(1)), *sum = in;
    for (int i = 0; i < n; i++) sum = reel_add(sum, reel_reshape(reel_slice(x, 0, i, i + 1), REEL_SHAPE(2)));
    reel_sgd(total(sum), (reel_sgd_options){ .lr = 0.1 });
    run();
}

static void evaluations(int n)
{
    reel_tensor **x = many(n);
    cr_assert_eq(reel_eval(tape, x, n), REEL_OK);
    for (int i = 0; i < n; i++) cr_assert_eq(reel_read_f32(x[i], (float[2]){ 0 }, 2), REEL_OK);
    free(x);
}

static void list_items(int n)
{
    reel_list *list = reel_list_new(tape);
    for (int i = 0; i < n; i++) {
        reel_list_append(list, named("item%d", i / 2), in);
        cr_assert_eq(reel_list_find(list, named("item%d", i / 4)), in);
    }
}

static void lists(int n)
{
    for (int i = 0; i < n; i++) reel_list_append(reel_list_new(tape), "x", in);
}

static void names(int n)
{
    parameters(n);
    const char *last = "";
    for (int i = 0; i < n; i++) {
        const char *name = reel_model_name(model, i);
        cr_assert(name && strcmp(last, name) < 0);
        last = name;
    }
    cr_assert_null(reel_model_name(model, n));
    for (int i = 0; i < n; i++) cr_assert_eq(reel_model_shape(model, named("w%d", i)).rank, 1);
    cr_assert_eq(reel_model_reset(model, "w*"), REEL_OK);
}

static void saved(int n)
{
    char path[64];
    snprintf(path, sizeof path, "growth-%ld.safetensors", (long)getpid());
    parameters(n);
    cr_assert_eq(reel_model_save(model, path), REEL_OK);
    cr_assert_eq(reel_model_load(model, path), REEL_OK);
    reel_model *other = reel_model_new((reel_model_options){ .seed = 1, .allocator = { counted_resize, &memory } });
    cr_assert_eq(reel_model_load(other, path), REEL_OK);
    for (int i = 0; i < n; i++) cr_assert(reel_model_name(other, i));
    reel_model_free(other);
    remove(path);
}

static void cleared(int n)
{
    for (int k = 0; k < 3; k++) {
        reel_tape_clear(tape);
        record_input();
        momentum(n);
    }
}

static void reports(int n)
{
    layers(n);
    char path[64];
    snprintf(path, sizeof path, "growth-%ld.txt", (long)getpid());
    cr_assert_eq(reel_tape_write_plan(tape, path), REEL_OK);
    cr_assert_eq(reel_tape_write_dot(tape, path), REEL_OK);
    remove(path);
}

static void rows_of_a_file(int n)
{
    char path[64];
    snprintf(path, sizeof path, "growth-%ld.csv", (long)getpid());
    FILE *file = fopen(path, "w");
    for (int i = 0; i < n; i++) fprintf(file, "%d,%d.5\n", i, i);
    fclose(file);
    reel_table *table = reel_table_load(path);
    int64_t *order = malloc((size_t)n * sizeof *order);
    reel_shuffle(order, n, 1, 1);
    for (int i = 0; i < n; i++) reel_write_f32(in, reel_table_row(table, order[i]), 2);
    cr_expect_eq(reel_table_rows(table), n);
    free(order);
    reel_table_free(table);
    remove(path);
}

static void epochs(int n)
{
    char path[64];
    snprintf(path, sizeof path, "growth-%ld.svg", (long)getpid());
    reel_progress *progress = reel_progress_new((reel_progress_options){ .epochs = n, .samples = 2, .quiet = true });
    for (int i = 0; i < n; i++) {
        reel_progress_batch(progress, 2, 1.0 / (i + 1), 0.5);
        reel_progress_epoch(progress);
    }
    cr_expect_eq(reel_progress_write_svg(progress, path, "loss"), REEL_OK);
    reel_progress_free(progress);
    remove(path);
}

static void plain(int n)
{
    tape->plain = true;
    momentum(n);
}

static void checked(int n)
{
    tape->options.checked = tape->options.keep_everything = true;
    momentum(n);
}

static void recurrent(int n)
{
    reel_tensor *sequence = reel_expand(in, REEL_SHAPE(n, 2)), *h = in, **all = malloc((size_t)n * sizeof *all);
    reel_tensor *w = reel_parameter(in, "w", REEL_SHAPE(2, 2), reel_init_fan_in_uniform(1));
    reel_tensor *u = reel_parameter(in, "u", REEL_SHAPE(2, 2), reel_init_fan_in_uniform(1));
    for (int i = 0; i < n; i++) {
        reel_tensor *x = reel_squeeze(reel_slice(sequence, 0, i, i + 1), 0);
        all[i] = h = reel_tanh(reel_add(reel_matmul(x, u), reel_matmul(h, w)));
    }
    reel_sgd(total(reel_stack(all, n, 0)), (reel_sgd_options){ .lr = 0.1 });
    run();
    free(all);
}

/* What runs on the blocks of one product. */
static void epilogue(int n)
{
    reel_tensor *x = reel_exp(reel_expand(in, REEL_SHAPE(4, 2)));
    reel_tensor *y = reel_matmul(x, reel_parameter(in, "w", REEL_SHAPE(2, 2), reel_init_fan_in_uniform(1)));
    for (int i = 0; i < n; i++) reel_keep(reel_add(y, reel_scale(x, 1.5 + i)), named("y%d", i));
    run();
}

static void scalars(int n)
{
    reel_tensor *y = reel_slice(in, 0, 0, 1);
    for (int i = 0; i < n; i++) {
        reel_tensor *w = reel_parameter(in, named("w%d", i), REEL_SCALAR, reel_init_zeros());
        y = reel_tanh(reel_add(reel_mul(w, y), w));
    }
    reel_adam(total(y), (reel_adam_options){ .lr = 0.1 });
    run();
}

static void sums(int n)
{
    reel_tensor *x = reel_exp(reel_expand(reel_slice(in, 0, 0, 1), REEL_SHAPE(2000)));
    for (int i = 0; i < n; i++) reel_keep(total(reel_scale(x, 1.5 + i)), named("y%d", i));
    run();
}

static void takes(int n)
{
    reel_tensor *w = reel_parameter(in, "w", REEL_SHAPE(3, 2), reel_init_fan_in_uniform(1)), *sum = in;
    for (int i = 0; i < n; i++) {
        reel_tensor *at = reel_input(tape, named("at%d", i), REEL_I32, REEL_SCALAR);
        reel_write_i32(at, &(int32_t){ 1 }, 1);
        sum = reel_add(sum, reel_take(w, at, 0));
    }
    reel_sgd(total(sum), (reel_sgd_options){ .lr = 0.1 });
    run();
}

static void private_states(int n)
{
    states(n);
    reel_tape *own = tape;
    tape = reel_tape_new(model, (reel_tape_options){ .evaluate = true, .threads = 1 });
    record_input();
    states(n);
    reel_tape_free(tape);
    tape = own;
}

/* clang-format off */
#define KIND(name) { #name, name }
/* clang-format on */

static const struct kind {
    const char *name;
    void (*make)(int n);
} kinds[] = {
    KIND(parameters),
    KIND(keeps),
    KIND(keeps_found),
    KIND(inputs),
    KIND(inputs_of_all_shapes),
    KIND(states),
    KIND(private_states),
    KIND(layers),
    KIND(scopes),
    KIND(entries),
    KIND(momentum),
    KIND(adam),
    KIND(clipped),
    KIND(second_gradients),
    KIND(losses),
    KIND(replaced),
    KIND(replaced_one_by_one),
    KIND(draws),
    KIND(draws_of_one_name),
    KIND(concat),
    KIND(concat_in_another_order),
    KIND(concat_of_concats),
    KIND(stack),
    KIND(slices),
    KIND(products),
    KIND(batched_products),
    KIND(products_with_a_repeated_matrix),
    KIND(packs),
    KIND(readers),
    KIND(rows),
    KIND(evaluations),
    KIND(list_items),
    KIND(lists),
    KIND(names),
    KIND(saved),
    KIND(cleared),
    KIND(reports),
    KIND(rows_of_a_file),
    KIND(epochs),
    KIND(plain),
    KIND(checked),
    KIND(recurrent),
    KIND(epilogue),
    KIND(scalars),
    KIND(sums),
    KIND(takes),
};

/* All that it costs, from the making of the model to its end. */
static int64_t work_for(const struct kind *kind, int n)
{
    work = 0;
    begin_counted();
    record_input();
    kind->make(n);
    cr_expect_eq(reel_tape_status(tape), REEL_OK, "%s: %s", kind->name, reel_tape_error(tape));
    end_counted();
    return work;
}

/* From FEW to 8 FEW n² grows by 64, and n log n that is all comparisons by 11: there is none such here. */
enum { FEW = 400, MOST = 9 };

Test(growth, is_no_faster_than_that_of_what_there_is_many_of)
{
    for (int i = 0; i < COUNT(kinds); i++) {
        const int64_t few = work_for(&kinds[i], FEW), more = work_for(&kinds[i], 8 * FEW);
        const double growth = (double)more / (double)few;
        cr_expect_leq(growth, (double)MOST, "%s: %d take %lld, %d take %lld, %.1f times as much", kinds[i].name, FEW,
                      (long long)few, 8 * FEW, (long long)more, growth);
    }
}
