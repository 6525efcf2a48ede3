/* The contract for threads in section 8 of reel.h: what it allows at the same time is done at the same time, by threads of
 * the test's own, and gives the bits that one thread gives. What a race does may be seen here only now and then;
 * `./dev check` runs these tests under ThreadSanitizer, which sees it always. Each tape stays on its thread, since that
 * does not know the synchronisation of OpenMP. */
#include <criterion/criterion.h>

#include <pthread.h>
#include <reel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 20, BATCH = 6, WIDTH = 8 };

/* ---- Threads ------------------------------------------------------------------------------------------------------- */

typedef struct worker worker;
struct worker {
    void (*work)(worker *w);
    reel_model *model;
    reel_tape *tape;
    int number;
    float loss[ROUNDS];
    char fault[300]; /* the first; assertions belong to the test's own thread */
    pthread_barrier_t *start;
};

#define EXPECT(w, condition, ...)                                                                                      \
    do {                                                                                                               \
        if (!(condition) && !*(w)->fault) snprintf((w)->fault, sizeof(w)->fault, __VA_ARGS__);                         \
    } while (0)

static void *start_worker(void *context)
{
    worker *w = context;
    pthread_barrier_wait(w->start);
    w->work(w);
    return NULL;
}

static void run_together(worker *w, int count)
{
    pthread_t thread[2 * THREADS];
    pthread_barrier_t start;
    cr_assert_eq(pthread_barrier_init(&start, NULL, (unsigned)count), 0);
    for (int i = 0; i < count; i++) {
        w[i].number = i, w[i].start = &start;
        cr_assert_eq(pthread_create(&thread[i], NULL, start_worker, &w[i]), 0);
    }
    for (int i = 0; i < count; i++) pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&start);
    for (int i = 0; i < count; i++) cr_expect(!*w[i].fault, "thread %d: %s", i, w[i].fault);
}

static reel_tape *new_tape(reel_model *model, bool evaluate)
{
    return reel_tape_new(model, (reel_tape_options){ .threads = 1, .evaluate = evaluate });
}

/* ---- Programs ------------------------------------------------------------------------------------------------------ */

/* Records the network anew and runs it, in a round whose batch is its own. On an evaluating tape a state is carried. */
static void step(worker *w, bool train, int round)
{
    reel_tape *tape = w->tape;
    float data[BATCH * WIDTH];
    reel_tape_clear(tape);
    reel_tensor *in = reel_input(tape, "x", REEL_F32, REEL_SHAPE(BATCH, WIDTH));
    reel_tensor *x = reel_tanh(reel_linear(in, "first", WIDTH));
    x = reel_linear(reel_dropout(x, "drop", 0.25), "second", WIDTH);
    reel_tensor *seen = reel_state(tape, "seen", REEL_F32, REEL_SCALAR);
    reel_tensor *loss = reel_keep(reel_mean(reel_square(reel_sub(x, in)), REEL_ALL, REEL_DROP), "loss");
    if (train) reel_adam(loss, (reel_adam_options){ .lr = 0.01 });
    reel_assign(seen, reel_add(seen, loss));
    for (int i = 0; i < BATCH * WIDTH; i++) data[i] = (float)((i + 5 * round) % 11) / 11;
    reel_write_f32(in, data, BATCH * WIDTH);
    const bool runs = train || reel_is_evaluating(tape);
    EXPECT(w, (runs ? reel_run(tape) : reel_eval(tape, &loss, 1)) == REEL_OK, "%s", reel_tape_error(tape));
    w->loss[round] = (float)(reel_item(loss) + reel_item(seen));
}

static void steps(worker *w, bool train)
{
    for (int round = 0; round < ROUNDS; round++) step(w, train, round);
}

static void train(worker *w)
{
    w->model = reel_model_new((reel_model_options){ .seed = 3 });
    w->tape = new_tape(w->model, false);
    steps(w, true);
    EXPECT(w, reel_model_read_f32(w->model, "nothing", w->loss, 1) == REEL_BAD_NAME, "it was found");
    EXPECT(w, strstr(reel_model_error(w->model), "\"nothing\""), "%s", reel_model_error(w->model));
    reel_tape_free(w->tape);
    reel_model_free(w->model);
}

static void evaluate(worker *w)
{
    w->tape = new_tape(w->model, true);
    steps(w, false);
    reel_tape_free(w->tape);
}

/* On a tape for training, which assigns nothing as long as it does not run. */
static void look(worker *w)
{
    w->tape = new_tape(w->model, false);
    steps(w, false);
    reel_tape_free(w->tape);
}

static reel_model *trained_model(void)
{
    worker w = { .model = reel_model_new((reel_model_options){ .seed = 3 }) };
    w.tape = new_tape(w.model, false);
    steps(&w, true);
    reel_tape_free(w.tape);
    cr_assert(!*w.fault, "%s", w.fault);
    return w.model;
}

/* ---- What may be done at the same time ----------------------------------------------------------------------------- */

Test(threads, with_different_models_do_everything)
{
    static worker w[THREADS], alone;
    train(&alone);
    for (int i = 0; i < THREADS; i++) w[i].work = train;
    run_together(w, THREADS);
    for (int i = 0; i < THREADS; i++) cr_expect_arr_eq(w[i].loss, alone.loss, sizeof alone.loss);
}

/* Looks around in a model that others use. */
static void look_around(worker *w)
{
    float value[WIDTH];
    for (int round = 0; round < ROUNDS; round++) {
        const int64_t count = reel_model_count(w->model);
        for (int64_t i = 0; i < count; i++) {
            const char *name = reel_model_name(w->model, i);
            EXPECT(w, name && *name, "no name %d of %d", (int)i, (int)count);
        }
        EXPECT(w, reel_model_shape(w->model, "first/b").rank == 1, "no shape");
        EXPECT(w, reel_model_read_f32(w->model, "first/b", value, WIDTH) == REEL_OK, "not read");
        EXPECT(w, reel_model_runs(w->model) == ROUNDS, "%d runs", (int)reel_model_runs(w->model));
    }
}

Test(threads, evaluate_one_model_on_a_tape_each)
{
    static worker w[THREADS + 3], alone, looking;
    alone.model = looking.model = trained_model();
    evaluate(&alone);
    look(&looking);
    cr_assert(!*alone.fault && !*looking.fault, "%s%s", alone.fault, looking.fault);
    for (int i = 0; i < THREADS + 3; i++) w[i].model = alone.model, w[i].work = i < THREADS ? evaluate : look;
    w[THREADS + 2].work = look_around;
    run_together(w, THREADS + 3);
    for (int i = 0; i < THREADS; i++) cr_expect_arr_eq(w[i].loss, alone.loss, sizeof alone.loss);
    for (int i = THREADS; i < THREADS + 2; i++) cr_expect_arr_eq(w[i].loss, looking.loss, sizeof looking.loss);
    reel_model_free(alone.model);
}

/* Messages by name: whoever reads one reads a whole one. There may be none for a moment, where another thread has asked
 * for it and a third begins a call; not every time. */
static void ask_for_what_is_not_there(worker *w)
{
    int seen = 0;
    for (int round = 0; round < ROUNDS * 10; round++) {
        char name[40];
        float value;
        snprintf(name, sizeof name, "missing%d", w->number);
        EXPECT(w, reel_model_read_f32(w->model, name, &value, 1) == REEL_BAD_NAME, "it was found");
        EXPECT(w, reel_model_read_f64(w->model, "first/b", &(double){ 0 }, 1) == REEL_BAD_DTYPE, "it was f64");
        const char *text = reel_model_error(w->model);
        int other = 0, end = 0;
        bool whole = text && (strcmp(text, "model_read_f64: \"first/b\" is f32, not f64") == 0 ||
                              (sscanf(text, "model_read_f32: the model has no \"missing%d\"%n", &other, &end) == 1 &&
                               end > 0 && !text[end] && other < THREADS));
        EXPECT(w, !text || whole, "%s", text);
        seen += whole;
    }
    EXPECT(w, seen > 0, "no message was read");
}

static void record_what_is_not_there(worker *w)
{
    w->tape = new_tape(w->model, true);
    for (int round = 0; round < ROUNDS; round++) {
        reel_tape_clear(w->tape);
        reel_tensor *x = reel_input(w->tape, "x", REEL_F32, REEL_SHAPE(WIDTH));
        reel_parameter(x, "frst", REEL_SHAPE(WIDTH), reel_init_zeros());
        EXPECT(w, reel_tape_status(w->tape) == REEL_BAD_NAME, "it was made");
        reel_tape_clear(w->tape);
        x = reel_input(w->tape, "x", REEL_F32, REEL_SHAPE(WIDTH));
        reel_parameters(reel_exp(x), "first/w");
        EXPECT(w, reel_tape_status(w->tape) == REEL_UNREACHED, "%s", reel_tape_error(w->tape));
    }
    reel_tape_free(w->tape);
}

Test(threads, make_errors_by_name_on_one_model)
{
    static worker w[THREADS + 1];
    reel_model *model = trained_model();
    for (int i = 0; i <= THREADS; i++) w[i].model = model, w[i].work = ask_for_what_is_not_there;
    w[THREADS].work = record_what_is_not_there;
    run_together(w, THREADS + 1);
    reel_model_free(model);
}

/* ---- Names --------------------------------------------------------------------------------------------------------- */

enum { NAMES = 60 };

/* Parameters that all of them have, and some of its own. Tapes that train may be recorded together. */
static void add_names(worker *w)
{
    w->tape = new_tape(w->model, false);
    for (int round = 0; round < 2; round++) {
        reel_tape_clear(w->tape);
        reel_tensor *x = reel_input(w->tape, "x", REEL_F32, REEL_SHAPE(2, WIDTH)), *y = x;
        for (int i = 0; i < NAMES; i++) {
            reel_scope_push(w->tape, "layer%d", i);
            y = reel_add(y, reel_parameter(x, "w", REEL_SHAPE(WIDTH), reel_init_normal(0, 1)));
            reel_scope_pop(w->tape);
            reel_scope_push(w->tape, "own%d/layer%d", w->number, i);
            y = reel_mul(y, reel_parameter(x, "w", REEL_SHAPE(WIDTH), reel_init_normal(0, 1)));
            reel_scope_pop(w->tape);
        }
        reel_sgd(reel_sum(y, REEL_ALL, REEL_DROP), (reel_sgd_options){ .lr = 1, .momentum = 0.5 });
        EXPECT(w, reel_tape_status(w->tape) == REEL_OK, "%s", reel_tape_error(w->tape));
    }
    reel_tape_free(w->tape);
}

static void look_for_names(worker *w)
{
    for (int round = 0; round < ROUNDS; round++) {
        char name[40];
        float value[WIDTH];
        const int64_t count = reel_model_count(w->model);
        EXPECT(w, count == 0 || reel_model_name(w->model, count - 1) != NULL, "no name of %d", (int)count);
        snprintf(name, sizeof name, "layer%d/w", (round * 7) % NAMES);
        const reel_status status = reel_model_read_f32(w->model, name, value, WIDTH);
        EXPECT(w, status == REEL_OK || status == REEL_BAD_NAME, "status %d", (int)status);
        EXPECT(w, status != REEL_OK || value[0] != 0, "it was read before it had its initial values");
        reel_model_shape(w->model, name);
        reel_model_error(w->model);
        w->tape = new_tape(w->model, true); /* it looks for a state that the model does not have */
        reel_state(w->tape, "carried", REEL_F32, REEL_SHAPE(WIDTH));
        EXPECT(w, reel_tape_status(w->tape) == REEL_OK, "%s", reel_tape_error(w->tape));
        reel_tape_free(w->tape);
    }
}

Test(threads, add_names_to_one_model_while_others_look_for_them)
{
    static worker w[2 * THREADS], alone[THREADS];
    reel_model *model = reel_model_new((reel_model_options){ .seed = 4 });
    reel_model *right = reel_model_new((reel_model_options){ .seed = 4 });
    for (int i = 0; i < 2 * THREADS; i++) w[i].model = model, w[i].work = i < THREADS ? add_names : look_for_names;
    run_together(w, 2 * THREADS);
    for (int i = 0; i < THREADS; i++) {
        alone[i].model = right, alone[i].number = i;
        add_names(&alone[i]);
    }
    cr_assert_eq(reel_model_count(model), reel_model_count(right));
    for (int64_t i = 0; i < reel_model_count(right); i++) {
        float a[WIDTH], b[WIDTH];
        const char *name = reel_model_name(right, i);
        cr_assert_str_eq(reel_model_name(model, i), name);
        cr_assert_eq(reel_model_read_f32(model, name, a, WIDTH), REEL_OK, "%s", reel_model_error(model));
        cr_assert_eq(reel_model_read_f32(right, name, b, WIDTH), REEL_OK, "%s", reel_model_error(right));
        cr_expect_arr_eq(a, b, sizeof a, "%s", name);
    }
    reel_model_free(model);
    reel_model_free(right);
}

/* A loaded value takes its initialiser from the first tape for training that names it; others may ask for it meanwhile. */
static void record_again(worker *w)
{
    w->tape = new_tape(w->model, w->number % 2);
    for (int round = 0; round < ROUNDS; round++) {
        reel_tape_clear(w->tape);
        reel_tensor *x = reel_input(w->tape, "x", REEL_F32, REEL_SHAPE(WIDTH)), *y = x;
        for (int i = 0; i < NAMES; i++) {
            reel_scope_push(w->tape, "layer%d", i);
            y = reel_add(y, reel_parameter(x, "w", REEL_SHAPE(WIDTH), reel_init_normal(0, 1)));
            reel_scope_pop(w->tape);
        }
        EXPECT(w, reel_tape_status(w->tape) == REEL_OK, "%s", reel_tape_error(w->tape));
    }
    reel_tape_free(w->tape);
}

Test(threads, record_a_loaded_model)
{
    static worker w[THREADS], first;
    char path[] = "/tmp/reel-threads-XXXXXX";
    int file = mkstemp(path);
    cr_assert_geq(file, 0);
    close(file);
    reel_model *model = reel_model_new((reel_model_options){ .seed = 4 });
    reel_model *loaded = reel_model_new((reel_model_options){ 0 });
    first.model = model;
    record_again(&first);
    cr_assert_eq(reel_model_save(model, path), REEL_OK, "%s", reel_model_error(model));
    cr_assert_eq(reel_model_load(loaded, path), REEL_OK, "%s", reel_model_error(loaded));
    unlink(path);
    for (int i = 0; i < THREADS; i++) w[i].model = loaded, w[i].work = record_again;
    run_together(w, THREADS);
    cr_expect_eq(reel_model_count(loaded), NAMES);
    reel_model_free(model);
    reel_model_free(loaded);
}

/* ---- Handing over -------------------------------------------------------------------------------------------------- */

static void one_step(worker *w) { step(w, true, 0); }

Test(threads, take_over_a_tape_from_each_other)
{
    static worker one, alone;
    one.model = reel_model_new((reel_model_options){ .seed = 3 });
    one.tape = new_tape(one.model, false);
    one.work = one_step;
    alone.model = reel_model_new((reel_model_options){ .seed = 3 });
    alone.tape = new_tape(alone.model, false);
    for (int i = 0; i < 5; i++) {
        run_together(&one, 1);
        one_step(&alone);
        cr_expect_eq(one.loss[0], alone.loss[0]);
    }
    reel_tape_free(one.tape), reel_tape_free(alone.tape);
    reel_model_free(one.model), reel_model_free(alone.model);
}

/* The last of them to go frees the model. */
static void make_and_free(worker *w)
{
    for (int i = 0; i < ROUNDS; i++) reel_tape_free(new_tape(w->model, i % 2));
    w->tape = new_tape(w->model, true);
    reel_model_free(w->model);
    reel_input(w->tape, "x", REEL_F32, REEL_SCALAR);
    reel_tape_free(w->tape);
}

static int64_t blocks; /* atomic */
static void *counting(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context, (void)old_size;
    if (!block) __atomic_add_fetch(&blocks, 1, __ATOMIC_RELAXED);
    if (new_size) return realloc(block, new_size);
    __atomic_sub_fetch(&blocks, 1, __ATOMIC_RELAXED);
    return free(block), NULL;
}

static void make_only(worker *w)
{
    for (int i = 0; i < ROUNDS; i++) reel_tape_free(new_tape(w->model, i % 2));
}

Test(threads, make_and_free_tapes_of_one_model)
{
    static worker w[THREADS];
    reel_model *model = reel_model_new((reel_model_options){ .allocator = { .resize = counting } });
    for (int i = 0; i < THREADS; i++) w[i].model = model, w[i].work = i ? make_only : make_and_free;
    reel_tape *last = new_tape(model, false);
    run_together(w, THREADS);
    reel_tape_free(last);
    cr_expect_eq(__atomic_load_n(&blocks, __ATOMIC_RELAXED), 0);
}
