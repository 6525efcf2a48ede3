/* Reel: reverse-mode differentiation of tensor programs, in C.
 *
 * This header is the manual. Read it from top to bottom and stop where you have what you need:
 *
 *   1  A first program             4  Names, parameters, scopes     7  Gradients and lists
 *   2  Shapes, types, status       5  Inputs, states, reading       8  Running
 *   3  Models and tapes            6  Errors                        9  Looking inside
 *
 * Ops are in reel/ops.h, layers, losses and optimisers in reel/nn.h, data files and progress in reel/train.h; this
 * header includes them all. reel/op.h is for those who write an op of their own.
 *
 * 1  A first program. A *tape* records a program: calling an op checks shapes, appends a node and returns its tensor;
 * nothing is computed. Gradients and updates are more ops on the same tape. reel_run() executes the program, once for
 * every batch that is written to its inputs:
 *
 *     reel_model *model = reel_model_new((reel_model_options){ .seed = 1 });
 *     reel_tape *train = reel_tape_new(model, (reel_tape_options){ 0 });
 *     reel_tensor *x = reel_input(train, "x", REEL_F32, REEL_SHAPE(32, 64));
 *     reel_tensor *y = reel_input(train, "y", REEL_F32, REEL_SHAPE(32, 10));
 *     reel_tensor *loss = reel_mse(reel_sigmoid(reel_linear(x, "output", 10)), y);
 *     reel_sgd(loss, (reel_sgd_options){ .lr = 0.5 });
 *     while (next_batch(images, labels)) {
 *         reel_write_f32(x, images, 32 * 64);
 *         reel_write_f32(y, labels, 32 * 10);
 *         if (reel_run(train) != REEL_OK) break;
 *         printf("%g\n", reel_item(loss));
 *     }
 *     if (reel_tape_error(train)) fprintf(stderr, "%s\n", reel_tape_error(train));
 *     reel_tape_free(train);
 *     reel_model_free(model);
 *
 * The result of a run does not depend on the number of threads, on the instruction set, on the compiler, on the order
 * in which C evaluated the arguments, or on whether the tape was replayed or recorded again. (A NaN is a NaN everywhere;
 * its sign and what else it carries are not promised.) */
#ifndef REEL_H
#define REEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define REEL_API __attribute__((visibility("default")))
#define REEL_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define REEL_API
#define REEL_PRINTF(text, first)
#endif

#define REEL_VERSION_MAJOR 0
#define REEL_VERSION_MINOR 1
#define REEL_VERSION_PATCH 0

/* ---- 2  Shapes, types, status ------------------------------------------------------------------------------------ */

/* Values are f32 or f64; i32 is for indices, counters and the results of comparisons (0 or 1). Types are never mixed
 * silently: use reel_cast(). */
typedef enum reel_dtype { REEL_F32, REEL_F64, REEL_I32 } reel_dtype;

#define REEL_MAX_RANK 8

/* Sizes of up to 8 dimensions, row-major: the last one is contiguous. Rank 0 is a scalar. A size of 0 is allowed. */
typedef struct reel_shape {
    int rank;
    int64_t size[REEL_MAX_RANK];
} reel_shape;

/* A list of axes for sums, maxima and permutations; negative ones count from the end. REEL_ALL is all axes. */
typedef struct reel_axes {
    int count;
    int axis[REEL_MAX_RANK];
} reel_axes;

/* Whether a reduced axis is left out of the result or kept with size 1. */
typedef enum reel_keep_dims { REEL_DROP, REEL_KEEP } reel_keep_dims;

#ifdef __cplusplus
} /* templates cannot have C linkage */
template <class... Sizes> inline reel_shape reel_shape_of_sizes(Sizes... sizes)
{
    return reel_shape{ int(sizeof...(sizes)), { int64_t(sizes)... } };
}
template <class... Axes> inline reel_axes reel_axes_of(Axes... axes)
{
    return reel_axes{ int(sizeof...(axes)), { int(axes)... } };
}
#define REEL_SHAPE(...) reel_shape_of_sizes(__VA_ARGS__)
#define REEL_AXES(...) reel_axes_of(__VA_ARGS__)
#define REEL_SCALAR (reel_shape{ 0, { 0 } })
#define REEL_ALL (reel_axes{ -1, { 0 } })
extern "C" {
#else
#define REEL_SHAPE(...)                                                                                                \
    ((reel_shape){ .rank = (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), .size = { __VA_ARGS__ } })
#define REEL_AXES(...)                                                                                                 \
    ((reel_axes){ .count = (int)(sizeof((int[]){ __VA_ARGS__ }) / sizeof(int)), .axis = { __VA_ARGS__ } })
#define REEL_SCALAR ((reel_shape){ .rank = 0 })
#define REEL_ALL ((reel_axes){ .count = -1 })
#endif

/* What a call that returns no tensor returns. One row is a code and what it means. */
#define REEL_STATUSES(ROW)                                                                                             \
    ROW(REEL_OK, "no error")                                                                                           \
    ROW(REEL_OUT_OF_MEMORY, "out of memory")                                                                           \
    ROW(REEL_BAD_ARGUMENT, "an argument is outside its documented range")                                              \
    ROW(REEL_BAD_SHAPE, "shapes do not fit together")                                                                  \
    ROW(REEL_BAD_DTYPE, "types do not fit together")                                                                   \
    ROW(REEL_BAD_NAME, "a name is unknown, used twice, or reused for something else")                                  \
    ROW(REEL_BAD_STATE,                                                                                                \
        "the call does not fit the state of the tape: a stale tensor, an open scope, an unwritten input")              \
    ROW(REEL_BAD_INDEX, "an index is outside its axis")                                                                \
    ROW(REEL_NOT_FINITE, "a value is NaN or infinite (checked mode)")                                                  \
    ROW(REEL_UNREACHED, "a loss does not depend on a tensor that it was asked to be differentiated by")                \
    ROW(REEL_TOO_LARGE, "a size overflows")                                                                            \
    ROW(REEL_BAD_FILE, "a file is missing, damaged, or cannot be written")

#define REEL__ENUMERATOR(code, text) code,
typedef enum reel_status { REEL_STATUSES(REEL__ENUMERATOR) REEL_STATUS_COUNT } reel_status;
#undef REEL__ENUMERATOR

REEL_API const char *reel_status_text(reel_status status);

/* The library's version, "0.1.0". */
REEL_API const char *reel_version(void);

typedef struct reel_model reel_model;   /* named values that live on: parameters, optimiser and carried state */
typedef struct reel_tape reel_tape;     /* a recorded program */
typedef struct reel_tensor reel_tensor; /* a handle to one value of a program; the tape owns it, nobody frees it */
typedef struct reel_list reel_list;     /* named tensors of one tape; the tape owns it */

/* ---- 3  Models and tapes ----------------------------------------------------------------------------------------- */

/* Memory comes from resize(context, block, old_size, new_size): block NULL allocates, new_size 0 frees (returns NULL),
 * otherwise it resizes; NULL means out of memory and leaves the block as it was. It may be called from several threads
 * when tapes of the model are used in several. Alignment is malloc's. */
typedef struct reel_allocator {
    void *(*resize)(void *context, void *block, size_t old_size, size_t new_size);
    void *context;
} reel_allocator;

typedef struct reel_model_options {
    uint64_t seed;            /* initial values and random draws are functions of (seed, name); 0 is a seed */
    reel_allocator allocator; /* default: the C library's */
} reel_model_options;

typedef struct reel_tape_options {
    bool evaluate;        /* never write the model: no dropout, unknown parameters are errors, states that it assigns or
                             that the model does not have are its own */
    bool keep_everything; /* run the plain executor and let every value be read; also REEL_KEEP_EVERYTHING=1 */
    bool checked;         /* stop at the first NaN or Inf and name the op that made it; also REEL_CHECKED=1 */
    bool profile;         /* measure each step, for reel_tape_write_plan() */
    int threads; /* of a run: at most this many, up to 1024; 0: OMP_NUM_THREADS, by default all, but not more than
                           * the process has cores by its affinity and its control groups. No number changes a bit */
} reel_tape_options;

/* Constructors never return NULL: without memory they return a failed object that every call accepts. A model lives
 * until it and its last tape are freed, whatever the order. Free functions accept NULL. A tape's tensors, lists and messages
 * end with it: after reel_tape_free() nothing recognises them, and using one is undefined, as with any freed memory. */
REEL_API reel_model *reel_model_new_sized(const reel_model_options *options, size_t size);
REEL_API void reel_model_free(reel_model *model);
REEL_API reel_tape *reel_tape_new_sized(reel_model *model, const reel_tape_options *options, size_t size);
REEL_API void reel_tape_free(reel_tape *tape);

static inline reel_model *reel_model_new(reel_model_options options)
{
    return reel_model_new_sized(&options, sizeof options);
}
static inline reel_tape *reel_tape_new(reel_model *model, reel_tape_options options)
{
    return reel_tape_new_sized(model, &options, sizeof options);
}

/* Forgets the recorded program, its tensors and its errors; a tensor from before is refused afterwards with a message,
 * until the call that made it is made again at its place: then it is that call's tensor, also if a number is another one.
 * Recording the same program again finds the old one and costs little. A tape that is recorded differently every time holds
 * no more than the last few programs need. */
REEL_API void reel_tape_clear(reel_tape *tape);

/* The message of the first call on this model that failed since it was asked last, or NULL. Once it was asked for, the
 * next call that reads, writes, resets, saves or loads begins without it. The text is the calling thread's own, until it
 * has asked for four more. */
REEL_API const char *reel_model_error(const reel_model *model);

/* From now on a name that the model does not have is an error on every tape, with the nearest name that it has. */
REEL_API reel_status reel_model_seal(reel_model *model);

/* Sets what the pattern names back to its initial values: states to zero, parameters to their initialiser. The pattern is
 * as for reel_parameters(); each part names something in the model. */
REEL_API reel_status reel_model_reset(reel_model *model, const char *pattern);

/* The whole model, its states, seed and run counter, as a safetensors file; an older file of that name is replaced whole
 * or not at all, keeps its permission bits, and may be a symbolic link, which is followed. A temporary file next to it,
 * "NAME.reel-tmp-N", is there for a moment; one that a killed program left is removed by the next save. Loading adds to
 * the model or overwrites: a loaded value wins over an initialiser, and the model goes on with the file's seed and run
 * counter. A checksum covers every bit of the file. After an error in loading the model is as it was.
 *
 * A safetensors file of another program brings its tensors as parameters, integers as states. F16 and BF16 become f32;
 * I64, smaller integers and BOOL become i32. What cannot be a value here (other types, more than 8 dimensions, an integer
 * beyond i32, a name with a NUL in it) is left out, and reel_model_left_out() says what the last load left out and why, as
 * text such as '"w": the type "F8_E4M3"; "b": 9 dimensions', or NULL. It is the model's, and lasts until its next load. */
REEL_API reel_status reel_model_save(reel_model *model, const char *path);
REEL_API reel_status reel_model_load(reel_model *model, const char *path);
REEL_API const char *reel_model_left_out(const reel_model *model);

/* The names in the model, in alphabetical order; NULL past the end. */
REEL_API int64_t reel_model_count(const reel_model *model);
REEL_API const char *reel_model_name(const reel_model *model, int64_t index);

/* Copies a named value out of the model or into it; count must be its number of elements, the type its own. */
REEL_API reel_status reel_model_read_f32(reel_model *model, const char *name, float *data, int64_t count);
REEL_API reel_status reel_model_read_f64(reel_model *model, const char *name, double *data, int64_t count);
REEL_API reel_status reel_model_read_i32(reel_model *model, const char *name, int32_t *data, int64_t count);
REEL_API reel_status reel_model_write_f32(reel_model *model, const char *name, const float *data, int64_t count);
REEL_API reel_status reel_model_write_f64(reel_model *model, const char *name, const double *data, int64_t count);
REEL_API reel_status reel_model_write_i32(reel_model *model, const char *name, const int32_t *data, int64_t count);
REEL_API reel_shape reel_model_shape(const reel_model *model, const char *name);
REEL_API int64_t reel_model_runs(const reel_model *model); /* finished training runs */

/* ---- 4  Names, parameters, scopes -------------------------------------------------------------------------------- */

/* Initial values, a function of (model seed, full name, element). fan_in is the product of all sizes but the last,
 * fan_out the last (a weight is [in, out], y = x w + b). A constant may be any number; else numbers are finite in the
 * parameter's dtype, b − a, a deviation and a gain not negative. An initialiser that is left out, { 0 }, is what the layer
 * says, and 0 everywhere for reel_parameter() itself. */
typedef enum reel_init_kind {
    REEL_INIT_DEFAULT,        /* not given */
    REEL_INIT_CONSTANT,       /* a everywhere */
    REEL_INIT_UNIFORM,        /* uniform in [a, b) */
    REEL_INIT_NORMAL,         /* mean a, standard deviation b */
    REEL_INIT_FAN_IN_UNIFORM, /* uniform in ±a / sqrt(fan_in); a = 1 is PyTorch's linear layer, sqrt(6) He's */
    REEL_INIT_GLOROT_UNIFORM  /* uniform in ±a sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010) */
} reel_init_kind;

typedef struct reel_init {
    reel_init_kind kind;
    double a, b;
} reel_init;

static inline reel_init reel_init_of(reel_init_kind kind, double a, double b)
{
    reel_init init;
    init.kind = kind, init.a = a, init.b = b;
    return init;
}
static inline reel_init reel_init_zeros(void) { return reel_init_of(REEL_INIT_CONSTANT, 0, 0); }
static inline reel_init reel_init_constant(double value) { return reel_init_of(REEL_INIT_CONSTANT, value, 0); }
static inline reel_init reel_init_uniform(double low, double high)
{
    return reel_init_of(REEL_INIT_UNIFORM, low, high);
}
static inline reel_init reel_init_normal(double mean, double std) { return reel_init_of(REEL_INIT_NORMAL, mean, std); }
static inline reel_init reel_init_fan_in_uniform(double gain)
{
    return reel_init_of(REEL_INIT_FAN_IN_UNIFORM, gain, 0);
}
static inline reel_init reel_init_glorot_uniform(double gain)
{
    return reel_init_of(REEL_INIT_GLOROT_UNIFORM, gain, 0);
}

/* A parameter of the model, found by the open scopes and its name, created on first use; tape and dtype are those of
 * like (f32 or f64). Names are what the model saves: "block0/attention/w". A name may be used once per entry of a
 * scope; entering the scope again shares its weights. Reuse with another shape, dtype or initialiser is an error. */
REEL_API reel_tensor *reel_parameter(reel_tensor *like, const char *name, reel_shape shape, reel_init init);

/* A carried value of the model: zero at first, changed by reel_assign(), read as it was at the start of a run. On an
 * evaluating tape a state that the model has is read from there until the tape assigns it, and from then on from a copy of
 * the tape's own; one that the model does not have, as a hidden state that is carried from run to run, is zero at first
 * and the tape's own. What is a tape's own lasts until it is freed, whatever is cleared. In a sealed model a state that
 * it does not have is an error on every tape. */
REEL_API reel_tensor *reel_state(reel_tape *tape, const char *name, reel_dtype dtype, reel_shape shape);

/* Opens a scope, whose name is formatted as by printf and may contain '/', and closes it. */
REEL_API reel_status reel_scope_push(reel_tape *tape, const char *format, ...) REEL_PRINTF(2, 3);
REEL_API reel_status reel_scope_pop(reel_tape *tape);

/* What a layer begins with: uses up `name` in the open scope, so that copy and paste cannot tie two layers silently,
 * and opens it as a scope. reel_scope_pop() closes it. */
REEL_API reel_status reel_layer_push(reel_tape *tape, const char *name);

/* Until popped, looking up parameters[i] gives values[i] (same shape and dtype): meta-learning, weight normalisation
 * and hypernetworks need no second version of a network. */
REEL_API reel_status reel_with_push(reel_tape *tape, const reel_list *parameters, const reel_list *values);
REEL_API reel_status reel_with_pop(reel_tape *tape);

/* ---- 5  Inputs, states, reading ---------------------------------------------------------------------------------- */

/* A named value that the program reads and the user writes between runs. */
REEL_API reel_tensor *reel_input(reel_tape *tape, const char *name, reel_dtype dtype, reel_shape shape);

/* Copies count elements into an input, a parameter or a state; count must be the tensor's number of elements. An evaluating
 * tape writes inputs and the states of its own. */
REEL_API reel_status reel_write_f32(reel_tensor *x, const float *data, int64_t count);
REEL_API reel_status reel_write_f64(reel_tensor *x, const double *data, int64_t count);
REEL_API reel_status reel_write_i32(reel_tensor *x, const int32_t *data, int64_t count);

/* Records that target takes the given value, of its shape and dtype, when the run ends. The target is a parameter or a
 * state on a training tape; on an evaluating tape it is a state, of which the tape has a copy of its own from then on,
 * while assigning a parameter is an error. Returns the new value for use in the same run. A second assignment to one
 * tensor is an error. */
REEL_API reel_tensor *reel_assign(reel_tensor *target, reel_tensor *value);

/* Marks a value to be readable after a run, under a name in the open scope; returns it. reel_find() gets it back by its full
 * name. What is read is of that run, whatever is written to the model since. */
REEL_API reel_tensor *reel_keep(reel_tensor *x, const char *name);
REEL_API reel_tensor *reel_find(reel_tape *tape, const char *name);

/* Copies a value of the last run, or of an evaluation after it: a loss, which is what was given to reel_gradients() or to
 * an optimiser, or what was kept, as it was in that run, which for a parameter or a state is at its start; what was
 * assigned; a result; and an input, or a parameter or state that is neither kept nor a loss, as it is now.
 *
 * A result is a tensor that a call has returned to you and that nothing else uses but gradients: the output of a network,
 * an accuracy, a gradient. It need not be kept. A run computes the results that depend on what it assigns, those that
 * were read before, and all if it has nothing else to do. Another one costs nothing before it is read: then it is computed
 * from the inputs, parameters and states of the last run and with its draws; if one of these has been written since, that
 * is an error, which reel_keep() avoids. What something else uses has to be kept. So has everything in a program compiled
 * with REEL_NO_LINES: a call is known to be yours by its line. */
REEL_API reel_status reel_read_f32(reel_tensor *x, float *data, int64_t count);
REEL_API reel_status reel_read_f64(reel_tensor *x, double *data, int64_t count);
REEL_API reel_status reel_read_i32(reel_tensor *x, int32_t *data, int64_t count);

/* The value of a tensor of one element, of any dtype; NaN where it cannot be read. */
REEL_API double reel_item(reel_tensor *x);

/* ---- 6  Errors --------------------------------------------------------------------------------------------------- */

/* The first thing that went wrong, or NULL. Errors in recording stick until reel_tape_clear(): every op after one
 * returns the tape's bad tensor, and reel_run() returns the status and runs nothing. An error of a run, a read or a write
 * stays until one of these two has returned it: no later error replaces it and no success removes it, so a program may
 * ask once, at its end. After that the next run, read or write begins without it. An error in recording is told first.
 * The message has the op, the shapes, the scope, and the user's file and line.
 *
 * A call without a tape, such as an op on NULL alone, has nobody to tell. Its error waits: the next run or evaluation in
 * the same thread fails with it, as with an error in the recording of the tape that is run. */
REEL_API const char *reel_tape_error(const reel_tape *tape);
REEL_API reel_status reel_tape_status(const reel_tape *tape);

/* The status of the recording alone: what an op asks for that has to stop at an error. A run, a read or a write that
 * failed is none of its business, since nothing recorded depends on it. */
REEL_API reel_status reel_recording_status(const reel_tape *tape);

/* For writers of layers: records an error with a message of their own, and returns the bad tensor. */
REEL_API reel_tensor *reel_fail(reel_tape *tape, reel_status status, const char *format, ...) REEL_PRINTF(3, 4);
REEL_API bool reel_is_bad(const reel_tensor *x);

/* The same for an operand: whether x can be used on the tape. If not, that is the error, "what is NULL" or the like, where
 * there was none before. */
REEL_API bool reel_usable(reel_tape *tape, const reel_tensor *x, const char *what);
REEL_API bool reel_list_usable(const reel_list *list, const char *what); /* on its own tape */

/* ---- 7  Gradients and lists -------------------------------------------------------------------------------------- */

/* The gradient of a scalar with respect to each tensor of a list, of its shape and dtype, recorded as ops: gradients
 * have gradients. A tensor that the loss does not reach is an error that names the node where the path is cut.
 *
 * Any tensor can be asked for, not parameters alone: the gradient is that of the loss as a function of this tensor, all
 * else that does not depend on it held fixed. Equal computations are one tensor, also inside a call that is a composition
 * of others: with s = reel_sum(x, …), reel_mean(x, …) is made of the same s, and so the gradient of mean(x) + s by s is
 * 1 + 1/n. For the partial derivative by one use, give the use a tensor of its own: with
 * s = reel_variable(reel_sum(x, …), "s") the gradient of mean(x) + s by s is 1. */
REEL_API reel_list *reel_gradients(reel_tensor *loss, const reel_list *wrt);
REEL_API reel_tensor *reel_gradient(reel_tensor *loss, reel_tensor *wrt);

/* The same for the sum of y * gy: the vector-Jacobian product. gy has the shape of y. */
REEL_API reel_list *reel_vjp(reel_tensor *y, reel_tensor *gy, const reel_list *wrt);

/* The parameters that a tensor depends on differentiably and that the pattern names, in the order of a walk from it in
 * operand order. A pattern's parts are separated by ',': '*' is any part of one name, '**' any number of whole names, also
 * none, a leading '!' leaves out; the last part that names a parameter decides, and a pattern that begins with '!' begins
 * with all. NULL is "**". A part that names no parameter that the tensor depends on, a '!' that names none of the model,
 * and an empty part or name, as in "encoder/", are errors with what may have been meant. */
REEL_API reel_list *reel_parameters(reel_tensor *of, const char *pattern);

REEL_API reel_list *reel_list_new(reel_tape *tape);
REEL_API reel_list *reel_list_of(reel_tensor *const *tensors, int count); /* one or more, each under its own name */
REEL_API reel_status reel_list_append(reel_list *list, const char *name, reel_tensor *x); /* name NULL: its own */
REEL_API int reel_list_count(const reel_list *list);
REEL_API reel_tensor *reel_list_at(const reel_list *list, int index);
REEL_API const char *reel_list_name(const reel_list *list, int index); /* until the tape is cleared */
REEL_API reel_tensor *reel_list_find(const reel_list *list, const char *name);

/* ---- 8  Running -------------------------------------------------------------------------------------------------- */

/* Executes the program: all that is assigned, losses, what is kept, and results as section 5 says. Every read sees the
 * values at the start of the run; assignments take effect together at its end; a run that fails changes nothing. */
REEL_API reel_status reel_run(reel_tape *tape);

/* Computes only what these tensors need, so that they can be read, and assigns nothing. What the last run computed can
 * still be read. */
REEL_API reel_status reel_eval(reel_tape *tape, reel_tensor *const *tensors, int count);

/* Threads. A run has a team of its own, see .threads; a kernel of a user's op is called in the thread that runs the tape.
 * What the user's threads may do at the same time:
 *
 *   - with different models: everything. Nothing is shared between models.
 *   - with one tape, its tensors and its lists: nothing. One thread at a time has a tape; another may take it over when the
 *     first is done with it (a mutex, a join). A second run of a tape that is running is an error where it is noticed.
 *   - with several tapes of one model, each in one thread: make and free them, record, differentiate, write inputs,
 *     reel_eval() and read; reel_run() those that evaluate. Names are found and added under a lock of the model.
 *   - with the model at that time: reel_model_error, _count, _name, _shape, _runs and _read_*, with unknown names as well.
 *
 * What changes a model's values has the model for itself, which nothing checks. While a training tape runs, or a parameter
 * or state is written (reel_write_*, reel_model_write_*), no other call uses the model or its tapes but reel_model_error,
 * _count, _name, _shape and _runs; while the model is reset, saved, loaded or sealed, none at all. So training in one
 * thread and evaluating in others take turns.
 *
 * In a parallel region of the user's own, a run stays on the thread that calls it, whatever .threads says.
 *
 * Processes. A child of fork() may use whatever its parent had, to the same bits, on one thread if the parent had more than
 * one when it forked. No other thread may be inside a call on the same model at that moment. */

/* ---- 9  Looking inside ------------------------------------------------------------------------------------------- */

REEL_API reel_tape *reel_tape_of(const reel_tensor *x);
REEL_API reel_tape *reel_list_tape(const reel_list *list);
REEL_API reel_model *reel_model_of(const reel_tape *tape);
REEL_API bool reel_is_evaluating(const reel_tape *tape);
REEL_API reel_dtype reel_dtype_of(const reel_tensor *x);
REEL_API int reel_rank(const reel_tensor *x);
REEL_API int64_t reel_dim(const reel_tensor *x, int axis); /* axis may be negative; 0 where there is none */
REEL_API int64_t reel_count(const reel_tensor *x);
REEL_API reel_shape reel_shape_of(const reel_tensor *x);
REEL_API const char *reel_name_of(
    const reel_tensor *x); /* full name of a leaf or a draw, until the tape is cleared; or the op's */
REEL_API const char *reel_op_name(const reel_tensor *x);
REEL_API int reel_input_count(const reel_tensor *x);
REEL_API reel_tensor *reel_input_at(const reel_tensor *x, int index);
REEL_API int64_t reel_node_count(const reel_tape *tape); /* nodes recorded */

/* The program that reel_run() would run, as a Graphviz graph: a box for each node but for numbers and expansions, which are
 * written into the boxes of the ops that use them. */
REEL_API reel_status reel_tape_write_dot(reel_tape *tape, const char *path);

/* How the last run was planned, or if there was none the last evaluation, as text: groups with the user's lines, products,
 * tiles, bytes, and with .profile the time that each step took. */
REEL_API reel_status reel_tape_write_plan(reel_tape *tape, const char *path);

#ifdef __cplusplus
}
#endif

#include <reel/nn.h>
#include <reel/ops.h>
#include <reel/train.h>
/* After all prototypes: macros of the same names, by which calls know their file and line. */
#include <reel/lines.h>

#endif
