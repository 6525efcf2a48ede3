/* Growth: a program with eight times as many of anything is recorded, differentiated, planned, run, saved, listed in some
 * eight times the work. Work is counted, not timed: see counted.h. */
#include "counted.h"

#include "core/run/executor.h"

#include <string.h>
#include <unistd.h>

static reel_tensor *parameter(stage *s, int i)
{
    return reel_parameter(s->x, named("w%d", i), REEL_SHAPE(2), reel_init_fan_in_uniform(1));
}

/* The sum of w0 x, w1 x, … */
static reel_tensor *network(stage *s, int n)
{
    reel_tensor *sum = s->x;
    for (int i = 0; i < n; i++) sum = reel_add(sum, reel_mul(parameter(s, i), s->x));
    return total(sum);
}

/* ---- Kinds of many ------------------------------------------------------------------------------------------------- */

static void parameters(stage *s, int n)
{
    for (int i = 0; i < n; i++) parameter(s, i);
}

static void keeps(stage *s, int n)
{
    for (int i = 0; i < n; i++) reel_keep(s->x, named("k%d", i));
}

static void keeps_found(stage *s, int n)
{
    keeps(s, n);
    for (int i = 0; i < n; i++) cr_assert_eq(reel_find(s->tape, named("k%d", i)), s->x);
}

static void inputs(stage *s, int n)
{
    for (int i = 0; i < n; i++)
        reel_write_f32(reel_input(s->tape, named("i%d", i), REEL_F32, REEL_SCALAR), &(float){ 1 }, 1);
}

static void inputs_of_all_shapes(stage *s, int n)
{
    for (int i = 0; i < n; i++) reel_input(s->tape, named("i%d", i), REEL_F32, REEL_SHAPE(0, i));
}

static void states(stage *s, int n)
{
    for (int i = 0; i < n; i++) {
        reel_tensor *h = reel_state(s->tape, named("h%d", i), REEL_F32, REEL_SHAPE(2));
        reel_assign(h, reel_add(h, s->x));
    }
    run(s);
}

static void layers(stage *s, int n)
{
    reel_tensor *y = s->x;
    for (int i = 0; i < n; i++) y = reel_tanh(reel_linear(y, named("layer%d", i), 2));
    reel_sgd(total(y), (reel_sgd_options){ .lr = 0.1 });
    run(s);
}

static void scopes(stage *s, int n)
{
    for (int i = 0; i < n; i++) {
        reel_scope_push(s->tape, "block%d", i);
        reel_scope_push(s->tape, "attention/query");
        parameter(s, 0);
        reel_scope_pop(s->tape);
        reel_scope_pop(s->tape);
    }
}

static void entries(stage *s, int n)
{
    for (int i = 0; i < n; i++) {
        reel_scope_push(s->tape, "shared");
        parameter(s, 0);
        reel_scope_pop(s->tape);
    }
}

static void momentum(stage *s, int n)
{
    reel_sgd(network(s, n), (reel_sgd_options){ .lr = 0.1, .momentum = 0.9 });
    run(s);
}

static void adam(stage *s, int n)
{
    reel_adam(network(s, n), (reel_adam_options){ .lr = 0.1 });
    run(s);
}

static void clipped(stage *s, int n)
{
    reel_tensor *loss = network(s, n);
    reel_list *w = reel_parameters(loss, "w*");
    reel_sgd_update(w, reel_clip_norm(reel_gradients(reel_add(loss, reel_l2(loss, NULL, 0.1)), w), 1),
                    (reel_sgd_options){ .lr = 0.1 });
    run(s);
}

static void second_gradients(stage *s, int n)
{
    reel_tensor *loss = reel_square(network(s, n)), *norm = NULL;
    reel_list *w = reel_parameters(loss, NULL), *g = reel_gradients(loss, w);
    for (int i = 0; i < n; i++) {
        reel_tensor *square = total(reel_square(reel_list_at(g, i)));
        norm = norm ? reel_add(norm, square) : square;
    }
    g = reel_gradients(norm, w);
    reel_keep(reel_list_at(g, n - 1), "last");
    run(s);
}

static void losses(stage *s, int n)
{
    for (int i = 0; i < n; i++) {
        reel_tensor *w = parameter(s, i), *loss = total(reel_mul(w, s->x));
        reel_keep(reel_gradient(loss, w), named("g%d", i));
    }
    run(s);
}

static void replaced(stage *s, int n)
{
    reel_list *from = reel_list_new(s->tape), *to = reel_list_new(s->tape);
    for (int i = 0; i < n; i++) {
        reel_scope_push(s->tape, "%d", i);
        reel_list_append(from, NULL, parameter(s, 0));
        reel_list_append(to, NULL, s->x);
        reel_scope_pop(s->tape);
    }
    reel_with_push(s->tape, from, to);
    for (int i = 0; i < n; i++) {
        reel_scope_push(s->tape, "%d", i);
        cr_assert_eq(parameter(s, 0), s->x);
        reel_scope_pop(s->tape);
    }
    reel_with_pop(s->tape);
}

static void replaced_one_by_one(stage *s, int n)
{
    for (int i = 0; i < n; i++) {
        reel_list *from = reel_list_new(s->tape), *to = reel_list_new(s->tape);
        reel_list_append(from, NULL, parameter(s, i));
        reel_list_append(to, NULL, s->x);
        reel_with_push(s->tape, from, to);
    }
    reel_scope_push(s->tape, "again");
    for (int i = 0; i < n; i++) parameter(s, i);
    reel_scope_pop(s->tape);
    for (int i = 0; i < n; i++) reel_with_pop(s->tape);
}

static void draws(stage *s, int n)
{
    reel_tensor *sum = s->x;
    for (int i = 0; i < n; i++) sum = reel_add(sum, reel_uniform(s->x, named("u%d", i), REEL_SHAPE(2)));
    reel_keep(sum, "sum");
    run(s);
}

static void draws_of_one_name(stage *s, int n)
{
    reel_tensor *sum = s->x;
    for (int i = 0; i < n; i++) {
        reel_scope_push(s->tape, "noise");
        sum = reel_add(sum, reel_uniform(s->x, "u", REEL_SHAPE(2)));
        reel_scope_pop(s->tape);
    }
    reel_keep(sum, "sum");
    run(s);
}

/* n different tensors [2] */
static reel_tensor **many(stage *s, int n)
{
    reel_tensor **x = malloc((size_t)n * sizeof *x);
    for (int i = 0; i < n; i++) x[i] = reel_scale(s->x, 1.5 + i);
    return x;
}

static void concat(stage *s, int n)
{
    reel_tensor **parts = many(s, n), *y = reel_concat(parts, n, 0);
    reel_keep(reel_gradient(total(reel_square(y)), s->x), "g");
    run(s);
    free(parts);
}

static void concat_in_another_order(stage *s, int n)
{
    reel_tensor **parts = many(s, n);
    for (int i = 0; i < n; i++) {
        const int j = (int)((int64_t)i * 7919 % n);
        reel_tensor *swap = parts[i];
        parts[i] = parts[j], parts[j] = swap;
    }
    reel_keep(reel_gradient(total(reel_square(reel_concat(parts, n, 0))), s->x), "g");
    run(s);
    free(parts);
}

static void stack(stage *s, int n)
{
    reel_tensor **parts = many(s, n), *y = reel_stack(parts, n, 1);
    reel_keep(reel_gradient(total(reel_square(y)), s->x), "g");
    run(s);
    free(parts);
}

/* Each is written into its place in the last one, so the values are not copied n times. */
static void concat_of_concats(stage *s, int n)
{
    reel_tensor *y = reel_exp(s->x);
    for (int i = 0; i < n; i++) {
        reel_tensor *parts[] = { y, reel_slice(reel_exp(reel_scale(s->x, 1.5 + i)), 0, 0, 0) };
        y = reel_concat(parts, 2, 0);
    }
    reel_keep(y, "y");
    run(s);
}

static void slices(stage *s, int n)
{
    reel_tensor *x = reel_input(s->tape, "long", REEL_F32, REEL_SHAPE(n)), *sum = NULL;
    for (int i = n; i-- > 0;) {
        reel_tensor *term = reel_square(reel_slice(x, 0, i, i + 1));
        sum = sum ? reel_add(sum, term) : term;
    }
    reel_keep(reel_gradient(total(sum), x), "g");
    float *values = calloc((size_t)n, sizeof *values);
    reel_write_f32(x, values, n);
    run(s);
    free(values);
}

static void products(stage *s, int n)
{
    reel_tensor *w = reel_parameter(s->x, "w", REEL_SHAPE(2, 2), reel_init_fan_in_uniform(1)), *h = s->x;
    for (int i = 0; i < n; i++) h = reel_tanh(reel_matmul(h, w));
    reel_sgd(total(h), (reel_sgd_options){ .lr = 0.1 });
    run(s);
}

static void batched_products(stage *s, int n)
{
    reel_tensor *w = reel_parameter(s->x, "w", REEL_SHAPE(2, 2, 2), reel_init_fan_in_uniform(1)), *sum = NULL;
    for (int i = 0; i < n; i++) {
        reel_tensor *a = reel_expand(reel_scale(s->x, 1.5 + i), REEL_SHAPE(2, 3, 2));
        reel_tensor *y = reel_contract(reel_exp(a), w, "bmk,bkn->bmn");
        sum = sum ? reel_add(sum, y) : y;
    }
    reel_sgd(total(sum), (reel_sgd_options){ .lr = 0.1 });
    run(s);
}

/* A gradient goes past what repeats the one matrix. */
static void products_with_a_repeated_matrix(stage *s, int n)
{
    reel_tensor *w = reel_parameter(s->x, "w", REEL_SHAPE(1, 2, 2), reel_init_fan_in_uniform(1)), *sum = NULL;
    reel_tensor *repeated = reel_expand(w, REEL_SHAPE(2, 2, 2));
    for (int i = 0; i < n; i++) {
        reel_tensor *a = reel_exp(reel_expand(reel_scale(s->x, 1.5 + i), REEL_SHAPE(2, 3, 2)));
        reel_tensor *y = reel_contract(a, repeated, "bmk,bkn->bmn");
        sum = sum ? reel_add(sum, y) : y;
    }
    reel_sgd(total(sum), (reel_sgd_options){ .lr = 0.1 });
    run(s);
}

static void packs(stage *s, int n)
{
    reel_tensor *x = reel_expand(s->x, REEL_SHAPE(4, 2));
    reel__settings(s->tape)->pack_ahead = true;
    for (int i = 0; i < n; i++) {
        reel_tensor *w = reel_parameter(s->x, named("w%d", i), REEL_SHAPE(2, 2), reel_init_fan_in_uniform(1));
        reel_keep(reel_matmul(reel_exp(x), w), named("y%d", i));
    }
    run(s);
}

static void readers(stage *s, int n)
{
    reel_tensor *x = reel_exp(s->x);
    for (int i = 0; i < n; i++) reel_keep(reel_scale(x, 1.5 + i), named("y%d", i));
    run(s);
}

static void rows(stage *s, int n)
{
    reel_tensor *x = reel_parameter(s->x, "table", REEL_SHAPE(n, 2), reel_init_fan_in_uniform(1)), *sum = s->x;
    for (int i = 0; i < n; i++) sum = reel_add(sum, reel_reshape(reel_slice(x, 0, i, i + 1), REEL_SHAPE(2)));
    reel_sgd(total(sum), (reel_sgd_options){ .lr = 0.1 });
    run(s);
}

static void evaluations(stage *s, int n)
{
    reel_tensor **x = many(s, n);
    cr_assert_eq(reel_eval(s->tape, x, n), REEL_OK);
    for (int i = 0; i < n; i++) cr_assert_eq(reel_read_f32(x[i], (float[2]){ 0 }, 2), REEL_OK);
    free(x);
}

static void list_items(stage *s, int n)
{
    reel_list *list = reel_list_new(s->tape);
    for (int i = 0; i < n; i++) {
        reel_list_append(list, named("item%d", i / 2), s->x);
        cr_assert_eq(reel_list_find(list, named("item%d", i / 4)), s->x);
    }
}

static void lists(stage *s, int n)
{
    for (int i = 0; i < n; i++) reel_list_append(reel_list_new(s->tape), "x", s->x);
}

static void names(stage *s, int n)
{
    parameters(s, n);
    const char *last = "";
    for (int i = 0; i < n; i++) {
        const char *name = reel_model_name(s->model, i);
        cr_assert(name && strcmp(last, name) < 0);
        last = name;
    }
    cr_assert_null(reel_model_name(s->model, n));
    for (int i = 0; i < n; i++) cr_assert_eq(reel_model_shape(s->model, named("w%d", i)).rank, 1);
    cr_assert_eq(reel_model_reset(s->model, "w*"), REEL_OK);
}

static void saved(stage *s, int n)
{
    char path[64];
    snprintf(path, sizeof path, "growth-%ld.safetensors", (long)getpid());
    parameters(s, n);
    cr_assert_eq(reel_model_save(s->model, path), REEL_OK);
    cr_assert_eq(reel_model_load(s->model, path), REEL_OK);
    reel_model *other = reel_model_new((reel_model_options){ .seed = 1, .allocator = { resize, &s->heap } });
    cr_assert_eq(reel_model_load(other, path), REEL_OK);
    for (int i = 0; i < n; i++) cr_assert(reel_model_name(other, i));
    reel_model_free(other);
    remove(path);
}

static void cleared(stage *s, int n)
{
    for (int k = 0; k < 3; k++) {
        reel_tape_clear(s->tape);
        begin(s);
        momentum(s, n);
    }
}

static void reports(stage *s, int n)
{
    layers(s, n);
    char path[64];
    snprintf(path, sizeof path, "growth-%ld.txt", (long)getpid());
    cr_assert_eq(reel_tape_write_plan(s->tape, path), REEL_OK);
    cr_assert_eq(reel_tape_write_dot(s->tape, path), REEL_OK);
    remove(path);
}

static void rows_of_a_file(stage *s, int n)
{
    char path[64];
    snprintf(path, sizeof path, "growth-%ld.csv", (long)getpid());
    FILE *file = fopen(path, "w");
    for (int i = 0; i < n; i++) fprintf(file, "%d,%d.5\n", i, i);
    fclose(file);
    reel_table *table = reel_table_load(path);
    int64_t *order = malloc((size_t)n * sizeof *order);
    reel_shuffle(order, n, 1, 1);
    for (int i = 0; i < n; i++) reel_write_f32(s->x, reel_table_row(table, order[i]), 2);
    cr_expect_eq(reel_table_rows(table), n);
    free(order);
    reel_table_free(table);
    remove(path);
}

static void epochs(stage *s, int n)
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
    (void)s;
}

static void plain(stage *s, int n)
{
    s->tape->plain = true;
    momentum(s, n);
}

static void checked(stage *s, int n)
{
    s->tape->options.checked = s->tape->options.keep_everything = true;
    momentum(s, n);
}

static void recurrent(stage *s, int n)
{
    reel_tensor *sequence = reel_expand(s->x, REEL_SHAPE(n, 2)), *h = s->x, **all = malloc((size_t)n * sizeof *all);
    reel_tensor *w = reel_parameter(s->x, "w", REEL_SHAPE(2, 2), reel_init_fan_in_uniform(1));
    reel_tensor *u = reel_parameter(s->x, "u", REEL_SHAPE(2, 2), reel_init_fan_in_uniform(1));
    for (int i = 0; i < n; i++) {
        reel_tensor *x = reel_squeeze(reel_slice(sequence, 0, i, i + 1), 0);
        all[i] = h = reel_tanh(reel_add(reel_matmul(x, u), reel_matmul(h, w)));
    }
    reel_sgd(total(reel_stack(all, n, 0)), (reel_sgd_options){ .lr = 0.1 });
    run(s);
    free(all);
}

/* What runs on the blocks of one product. */
static void epilogue(stage *s, int n)
{
    reel_tensor *x = reel_exp(reel_expand(s->x, REEL_SHAPE(4, 2)));
    reel_tensor *y = reel_matmul(x, reel_parameter(s->x, "w", REEL_SHAPE(2, 2), reel_init_fan_in_uniform(1)));
    for (int i = 0; i < n; i++) reel_keep(reel_add(y, reel_scale(x, 1.5 + i)), named("y%d", i));
    run(s);
}

static void scalars(stage *s, int n)
{
    reel_tensor *y = reel_slice(s->x, 0, 0, 1);
    for (int i = 0; i < n; i++) {
        reel_tensor *w = reel_parameter(s->x, named("w%d", i), REEL_SCALAR, reel_init_zeros());
        y = reel_tanh(reel_add(reel_mul(w, y), w));
    }
    reel_adam(total(y), (reel_adam_options){ .lr = 0.1 });
    run(s);
}

static void sums(stage *s, int n)
{
    reel_tensor *x = reel_exp(reel_expand(reel_slice(s->x, 0, 0, 1), REEL_SHAPE(2000)));
    for (int i = 0; i < n; i++) reel_keep(total(reel_scale(x, 1.5 + i)), named("y%d", i));
    run(s);
}

static void gathers(stage *s, int n)
{
    reel_tensor *w = reel_parameter(s->x, "w", REEL_SHAPE(3, 2), reel_init_fan_in_uniform(1)), *sum = s->x;
    for (int i = 0; i < n; i++) {
        reel_tensor *at = reel_input(s->tape, named("at%d", i), REEL_I32, REEL_SCALAR);
        reel_write_i32(at, &(int32_t){ 1 }, 1);
        sum = reel_add(sum, reel_take(w, at, 0));
    }
    reel_sgd(total(sum), (reel_sgd_options){ .lr = 0.1 });
    run(s);
}

static void private_states(stage *s, int n)
{
    states(s, n);
    reel_tape *own = s->tape;
    s->tape = reel_tape_new(s->model, (reel_tape_options){ .evaluate = true, .threads = 1 });
    begin(s);
    states(s, n);
    reel_tape_free(s->tape);
    s->tape = own;
}

#define KIND(name)                                                                                                     \
    {                                                                                                                  \
#name, name                                                                                                    \
    }

static const struct kind {
    const char *name;
    void (*make)(stage *s, int n);
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
    KIND(gathers),
};

/* All that it costs, from the making of the model to its end. */
static int64_t work_for(const struct kind *kind, int n)
{
    stage s;
    work = 0;
    set_up(&s);
    begin(&s);
    kind->make(&s, n);
    cr_expect_eq(reel_tape_status(s.tape), REEL_OK, "%s: %s", kind->name, reel_tape_error(s.tape));
    tear_down(&s);
    return work;
}

/* From FEW to 8 FEW n² grows by 64, and n log n that is all comparisons by 11: there is none such here. */
enum { FEW = 400, MOST = 9 };

Test(growth, is_no_faster_than_that_of_what_there_is_many_of)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const int64_t few = work_for(&kinds[i], FEW), more = work_for(&kinds[i], 8 * FEW);
        const double growth = (double)more / (double)few;
        cr_expect_leq(growth, (double)MOST, "%s: %d take %lld, %d take %lld, %.1f times as much", kinds[i].name, FEW,
                      (long long)few, 8 * FEW, (long long)more, growth);
    }
}
