/* Model files: what reel_model_save() and reel_model_load() promise. Every test runs in a directory
 * of its own. The library is linked with the copy of file.c below, whose system calls can be made to
 * fail, and models get memory from an allocator that can be made to run out. */
#define _XOPEN_SOURCE 700
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/random.h"
#include "core/model/model.h"
#include "support.h"

/* ---- System calls that fail ---------------------------------------------------------------- */

typedef enum call_kind { NO_CALL, OPEN, READ, WRITE, FSYNC, CLOSE, RENAME, LINK, LOCK, MODE, CALL_KINDS } call_kind;

/* The call of this kind after `after` more fails with `error`; 0: it is short instead; late: it is done all the same. */
static struct {
    call_kind kind;
    int after, error;
    bool late, happened;
} planned;

#if !defined(O_TMPFILE)
#define O_TMPFILE __O_TMPFILE
#endif
static bool all_have_names; /* as where the system has no files without */

static bool strikes(call_kind kind)
{
    if (planned.kind != kind || planned.after-- != 0) return false;
    planned.happened = true;
    errno = planned.error;
    return true;
}

static int faulty_open(const char *path, int flags, mode_t mode)
{
    if (strikes(OPEN)) return -1;
    if ((flags & O_TMPFILE) != O_TMPFILE || !all_have_names) return open(path, flags, mode);
    errno = EOPNOTSUPP;
    return -1;
}

static ssize_t faulty_read(int file, void *data, size_t size)
{
    if (!strikes(READ)) return read(file, data, size);
    return planned.error ? -1 : read(file, data, (size + 1) / 2);
}

static ssize_t faulty_write(int file, const void *data, size_t size)
{
    if (!strikes(WRITE)) return write(file, data, size);
    return planned.error ? -1 : write(file, data, (size + 1) / 2);
}

static int faulty_close(int file)
{
    int result = close(file);
    return strikes(CLOSE) ? -1 : result;
}

static int faulty_fsync(int file) { return strikes(FSYNC) ? -1 : fsync(file); }
static int faulty_flock(int file, int operation) { return strikes(LOCK) ? -1 : flock(file, operation); }
static int faulty_fchmod(int file, mode_t mode) { return strikes(MODE) ? -1 : fchmod(file, mode); }

static int faulty_rename(const char *from, const char *to)
{
    if (planned.late && planned.kind == RENAME && planned.after == 0) rename(from, to);
    return strikes(RENAME) ? -1 : rename(from, to);
}

static int faulty_linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    if (planned.late && planned.kind == LINK && planned.after == 0) linkat(from_folder, from, to_folder, to, flags);
    return strikes(LINK) ? -1 : linkat(from_folder, from, to_folder, to, flags);
}

#define open(path, ...) faulty_open(path, OPEN_ARGUMENTS(__VA_ARGS__, 0, 0))
#define OPEN_ARGUMENTS(flags, mode, ...) flags, mode
#define read faulty_read
#define write faulty_write
#define fsync faulty_fsync
#define close faulty_close
#define rename faulty_rename
#define linkat faulty_linkat
#define flock(file, operation) faulty_flock(file, operation)
#define fchmod faulty_fchmod
#include "core/model/file.c"
#undef open
#undef read
#undef write
#undef fsync
#undef close
#undef rename
#undef linkat
#undef flock
#undef fchmod

/* ---- Memory that runs out ------------------------------------------------------------------ */

static struct {
    int64_t left;       /* allocations until one fails; negative: none does */
    int64_t used, most; /* bytes */
} memory = { .left = -1 };

static void *resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    if (new_size && memory.left == 0) return NULL;
    if (new_size && memory.left > 0) memory.left--;
    memory.used += (int64_t)new_size - (int64_t)old_size;
    if (memory.used > memory.most) memory.most = memory.used;
    if (new_size) return realloc(block, new_size);
    free(block);
    return NULL;
}

static reel_model *new_model(uint64_t seed)
{
    return reel_model_new((reel_model_options){ .seed = seed, .allocator = { .resize = resize } });
}

/* ---- Files and models ---------------------------------------------------------------------- */

static char directory[] = "/tmp/reel-files-XXXXXX";

static void enter_directory(void) { cr_assert(mkdtemp(directory) && chdir(directory) == 0); }

static void leave_directory(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(memory.used, 0, "%lld bytes were not freed", (long long)memory.used);
}

TestSuite(files, .init = enter_directory, .fini = leave_directory);

typedef struct bytes {
    size_t size;
    char data[1 << 16];
} bytes;

static void write_bytes(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

static void read_bytes(const char *path, bytes *b)
{
    FILE *file = fopen(path, "rb");
    cr_assert(file);
    b->size = fread(b->data, 1, sizeof b->data, file);
    fclose(file);
}

/* A file of this header, with its length, and `size` bytes of data that count up. */
static void write_header(const char *path, const char *header, size_t size)
{
    static bytes b;
    const size_t length = strlen(header);
    for (int i = 0; i < 8; i++) b.data[i] = (char)(length >> (8 * i));
    memcpy(b.data + 8, header, length);
    for (size_t i = 0; i < size; i++) b.data[8 + length + i] = (char)i;
    write_bytes(path, b.data, 8 + length + size);
}

static int count_files(void)
{
    DIR *all = opendir(".");
    int count = 0;
    for (struct dirent *d; (d = readdir(all));) count += d->d_name[0] != '.';
    closedir(all);
    return count;
}

static reel__value *value(const reel_model *model, const char *name)
{
    return reel__value_find(&model->values, name, reel__hash_string(name));
}

static reel__value *add(reel_model *model, const char *name, bool is_state, reel_dtype dtype, reel_shape shape)
{
    reel__value *v = reel__value_add(&model->allocator, &model->values, name, is_state, dtype, shape.rank, shape.size);
    cr_assert(v);
    for (int64_t i = 0; i < v->count * (int64_t)reel__dtype_size(dtype); i++)
        ((unsigned char *)v->data)[i] = (unsigned char)(37 * i + 11 + name[0]);
    return v;
}

static void expect_same_value(const reel__value *a, const reel__value *b)
{
    cr_assert(a && b);
    cr_expect_str_eq(a->name, b->name);
    cr_expect_eq(a->is_state, b->is_state, "%s", a->name);
    cr_expect_eq(a->dtype, b->dtype);
    cr_expect_eq(a->rank, b->rank);
    cr_expect_eq(a->count, b->count);
    cr_expect(a->is_state || reel__init_equal(a->init, b->init), "%s", a->name);
    cr_expect_eq(memcmp(a->size, b->size, (size_t)a->rank * sizeof *a->size), 0);
    cr_expect_eq(memcmp(a->data, b->data, (size_t)a->count * reel__dtype_size(a->dtype)), 0, "%s", a->name);
}

/* All that is in a model and can be seen. */
static void expect_same(const reel_model *a, const reel_model *b)
{
    cr_assert_eq(a->values.list.count, b->values.list.count);
    cr_expect_eq(a->seed, b->seed);
    cr_expect_eq(a->runs, b->runs);
    for (int64_t i = 0; i < a->values.list.count; i++) {
        const reel__value *v = REEL__AT(a->values.list, reel__value *, i);
        expect_same_value(v, value(b, v->name));
    }
}

/* Two values; the second model of these is what an error must leave behind. */
static reel_model *small_model(void)
{
    reel_model *model = new_model(7);
    add(model, "w", false, REEL_F32, REEL_SHAPE(2, 3))->init = reel_init_fan_in_uniform(1);
    add(model, "count", true, REEL_I32, REEL_SCALAR);
    model->runs = 3;
    return model;
}

#define expect_ok(model, call) cr_assert_eq(call, REEL_OK, "%s", reel_model_error(model))
#define expect_error(model, call, status, message)                                                                     \
    do {                                                                                                               \
        cr_expect_eq(call, status);                                                                                    \
        cr_expect_str_eq(reel_model_error(model) ? reel_model_error(model) : "none", message);                         \
    } while (0)

/* ---- Round trips --------------------------------------------------------------------------- */

static reel_model *model_of_everything(void)
{
    static const uint32_t f32[] = { 0, 0x80000000, 1, 0x7f800000, 0xff800000, 0x7fc00001, 0xffa5a5a5, 0x7f7fffff };
    static const uint64_t f64[] = { 0x8000000000000000, 1, 0x7ff0000000000000, 0x7ff8dead0000beef, 0xfff0000000000001,
                                    0x3ff3c0ca428c59fb };
    reel_model *model = new_model(UINT64_MAX);
    model->runs = INT64_MAX;
    memcpy(add(model, "special/f32", false, REEL_F32, REEL_SHAPE(8))->data, f32, sizeof f32);
    memcpy(add(model, "special/f64", true, REEL_F64, REEL_SHAPE(2, 3))->data, f64, sizeof f64);
    add(model, "i32", true, REEL_I32, REEL_SHAPE(3, 1, 1, 1, 1, 1, 1, 5));
    add(model, "none", false, REEL_F64, REEL_SHAPE(0));
    add(model, "none at all", true, REEL_F32, REEL_SHAPE(3, 0, 2));
    add(model, "scalar", false, REEL_F32, REEL_SCALAR)->init = reel_init_normal(-0.0, 1e-310);
    add(model, "a", false, REEL_F32, REEL_SHAPE(1))->init = reel_init_glorot_uniform(sqrt(6));
    add(model, "z", false, REEL_F64, REEL_SHAPE(1))->init = reel_init_uniform(-0.1, 0.1);
    add(model, "größe/κ/😀", false, REEL_F32, REEL_SHAPE(2))->init = reel_init_constant(0.1);
    add(model, "\"quoted\" \\ \n \x01 \x7f", true, REEL_F32, REEL_SHAPE(2));
    return model;
}

static void come_back(void)
{
    reel_model *saved = model_of_everything(), *loaded = new_model(1);
    expect_ok(saved, reel_model_save(saved, "model.safetensors"));
    expect_ok(loaded, reel_model_load(loaded, "model.safetensors"));
    expect_same(saved, loaded);
    for (int64_t i = 0; i < loaded->values.list.count; i++)
        cr_expect(!REEL__AT(loaded->values.list, reel__value *, i)->pinned);
    reel_model_free(saved);
    reel_model_free(loaded);
}

Test(files, come_back_bit_for_bit) { come_back(); }

Test(files, come_back_bit_for_bit_where_decimals_have_a_comma)
{
    if (!speak_german(directory)) {
        leave_directory();
        cr_skip_test("no German locale");
    }
    come_back();
}

Test(files, do_not_depend_on_the_order_in_which_names_were_made)
{
    static bytes first, second;
    reel_model *model = model_of_everything(), *loaded = new_model(1);
    add(loaded, "z", false, REEL_F64, REEL_SHAPE(1))->init = reel_init_uniform(-0.1, 0.1);
    expect_ok(model, reel_model_save(model, "first"));
    expect_ok(loaded, reel_model_load(loaded, "first"));
    expect_ok(loaded, reel_model_save(loaded, "second"));
    read_bytes("first", &first), read_bytes("second", &second);
    cr_expect(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    cr_expect_eq(count_files(), 2);
    reel_model_free(model);
    reel_model_free(loaded);
}

Test(files, have_this_form)
{
    static bytes b;
    reel_model *model = small_model();
    add(model, "b", false, REEL_F64, REEL_SCALAR)->init = reel_init_constant(1);
    expect_ok(model, reel_model_save(model, "model.safetensors"));
    read_bytes("model.safetensors", &b);
    const char *header =
        "{\"__metadata__\":{\"format\":\"reel\",\"version\":\"2\",\"crc32c\":\"XXXXXXXX\","
        "\"library\":\"0.1.0\",\"seed\":\"7\",\"runs\":\"3\",\"value:b\":\"parameter constant 3ff0000000000000 "
        "0000000000000000\",\"value:count\":\"state\",\"value:w\":\"parameter fan_in_uniform "
        "3ff0000000000000 0000000000000000\"},\"b\":{\"dtype\":\"F64\",\"shape\":[],"
        "\"data_offsets\":[0,8]},\"count\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[8,12]},"
        "\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[12,36]}}";
    const size_t length = (unsigned char)b.data[0] + 256u * (unsigned char)b.data[1];
    cr_assert_eq(b.size, 8 + length + 36);
    cr_expect_eq(length % 8, 0);
    memcpy(strstr(b.data + 8, "crc32c") + 9, "XXXXXXXX", 8);
    cr_expect_eq(memcmp(b.data + 8, header, strlen(header)), 0, "%.*s", (int)length, b.data + 8);
    reel_model_free(model);
}

Test(files, have_the_crc_of_the_standard)
{
    reel__crc crc;
    for (size_t split = 0; split <= 9; split++) {
        reel__crc_begin(&crc);
        reel__crc_add(&crc, "123456789", split);
        reel__crc_add(&crc, &"123456789"[split], 9 - split);
        cr_expect_eq(reel__crc_end(&crc), 0xe3069283u);
    }
}

Test(files, of_other_programs_bring_parameters)
{
    write_header("plain",
                 "{\"w\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
                 "\"\\u00e9\\ud83d\\ude00\":{\"shape\":[],\"data_offsets\":[8,16],\"dtype\":\"F64\"},"
                 " \"n\" : { \"dtype\" : \"I32\" , \"shape\" : [ 1 ] , \"data_offsets\" : [ 16 , 20 ] },"
                 "\"__metadata__\":{\"format\":\"pt\"}} \n ",
                 20);
    reel_model *model = new_model(5);
    add(model, "state", true, REEL_F32, REEL_SCALAR);
    model->runs = 9;
    expect_ok(model, reel_model_load(model, "plain"));
    cr_assert(value(model, "w") && value(model, "é😀") && value(model, "n"));
    cr_expect(!value(model, "w")->is_state && !value(model, "é😀")->is_state);
    cr_expect(value(model, "n")->is_state);
    cr_expect_eq(*(int32_t *)value(model, "n")->data, 0x13121110);
    cr_expect_eq(model->seed, 5);
    cr_expect_eq(model->runs, 9);
    write_header("plain", "{\"state\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4);
    expect_ok(model, reel_model_load(model, "plain"));
    cr_expect_eq(*(int32_t *)value(model, "state")->data, 0x03020100);
    cr_expect(value(model, "state")->is_state);
    reel_model_free(model);
}

Test(files, write_over_values_that_programs_point_to)
{
    reel_model *model = small_model(), *saved = small_model();
    ((float *)value(saved, "w")->data)[5] = 0.25f;
    expect_ok(saved, reel_model_save(saved, "model"));
    reel__value *w = value(model, "w");
    void *data = w->data;
    w->pinned = true;
    for (int i = 0; i < 100; i++) {
        char name[20];
        snprintf(name, sizeof name, "more%d", i);
        add(model, name, false, REEL_F32, REEL_SHAPE(1));
    }
    expect_ok(model, reel_model_load(model, "model"));
    cr_expect(value(model, "w") == w && w->data == data && w->pinned);
    cr_expect_eq(((float *)data)[5], 0.25f);
    cr_expect_eq(model->values.list.count, 102);
    cr_expect(value(model, "more99") != NULL);
    reel_model_free(model);
    reel_model_free(saved);
}

Test(files, loaded_values_win_over_initialisers)
{
    reel_model *saved = small_model(), *model = new_model(1);
    expect_ok(saved, reel_model_save(saved, "model"));
    expect_ok(model, reel_model_load(model, "model"));
    reel_tape *tape = reel_tape_new(model, (reel_tape_options){ 0 });
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SCALAR);
    reel_tensor *w = reel_parameter(x, "w", REEL_SHAPE(2, 3), reel_init_constant(4));
    cr_assert(!reel_is_bad(w), "%s", reel_tape_error(tape));
    cr_expect_eq(memcmp(value(model, "w")->data, value(saved, "w")->data, 24), 0);
    expect_ok(model, reel_model_reset(model, "w"));
    cr_expect_eq(((float *)value(model, "w")->data)[0], 4);
    reel_tape_free(tape);
    reel_model_free(model);
    reel_model_free(saved);
}

Test(files, bring_the_initialiser_of_a_parameter_that_is_not_used_yet)
{
    reel_model *saved = new_model(11), *model = new_model(1);
    reel__value_initialise(add(saved, "w", false, REEL_F32, REEL_SHAPE(4)), 11);
    value(saved, "w")->init = reel_init_normal(0, 1);
    expect_ok(saved, reel_model_save(saved, "model"));
    expect_ok(model, reel_model_load(model, "model"));
    expect_ok(saved, reel_model_reset(saved, NULL));
    expect_ok(model, reel_model_reset(model, NULL));
    expect_same(saved, model);
    reel_model_free(model);
    reel_model_free(saved);
}

/* ---- Resuming ------------------------------------------------------------------------------ */

typedef enum optimiser { MOMENTUM, ADAM } optimiser;

static void train(reel_model *model, optimiser which, int first, int steps)
{
    reel_tape *tape = reel_tape_new(model, (reel_tape_options){ 0 });
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(5, 4));
    reel_tensor *y = reel_input(tape, "y", REEL_F32, REEL_SHAPE(5, 2));
    reel_tensor *h = reel_dropout(reel_tanh(reel_linear(x, "hidden", 7)), "drop", 0.4);
    reel_tensor *loss = reel_mse(reel_linear(h, "output", 2), y);
    if (which == ADAM) reel_adam(loss, (reel_adam_options){ .lr = 0.01, .weight_decay = 0.1 });
    else reel_sgd(loss, (reel_sgd_options){ .lr = 0.1, .momentum = 0.9 });
    for (int step = first; step < first + steps; step++) {
        float input[20], target[10];
        for (int i = 0; i < 20; i++) input[i] = (float)((step * 7 + i * 3) % 11) / 11;
        for (int i = 0; i < 10; i++) target[i] = input[i] * input[i + 10];
        reel_write_f32(x, input, 20);
        reel_write_f32(y, target, 10);
        cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    }
    reel_tape_free(tape);
}

static void check_resuming(optimiser which)
{
    reel_model *whole = new_model(3), *first = new_model(3), *second = new_model(99);
    train(whole, which, 0, 12);
    train(first, which, 0, 5);
    expect_ok(first, reel_model_save(first, "checkpoint"));
    expect_ok(second, reel_model_load(second, "checkpoint"));
    reel_model_free(first);
    cr_expect_eq(reel_model_runs(second), 5);
    train(second, which, 5, 7);
    expect_same(whole, second);
    reel_model_free(whole);
    reel_model_free(second);
}

Test(files, resume_momentum_and_dropout_to_the_bit) { check_resuming(MOMENTUM); }
Test(files, resume_adam_and_dropout_to_the_bit) { check_resuming(ADAM); }

/* ---- Damaged files ------------------------------------------------------------------------- */

#define W "\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
#define F32_AT(name, from, to) "\"" name "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" #from "," #to "]}"
#define FIELDS(dtype, shape, offsets) "{\"w\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define UNKNOWN(value) "{\"w\":{\"x\":" value "}}"
#define REEL(more) "{\"__metadata__\":{\"format\":\"reel\"" more "}," W "}"
#define FULL(version, seed, runs, crc, value)                                                                          \
    REEL(",\"version\":" version ",\"seed\":" seed ",\"runs\":" runs ",\"crc32c\":" crc ",\"value:w\":" value)
#define BYTE(n, rest) "byte " #n " of the header: " rest

static const struct {
    const char *header;
    size_t size;
    const char *message;
} damaged[] = {
    { "", 0, BYTE(0, "expected '{', found its end") },
    { "[]", 0, BYTE(0, "expected '{', found '['") },
    { "null", 0, BYTE(0, "expected '{', found 'n'") },
    { "{", 0, BYTE(1, "expected a string, found its end") },
    { "{}", 4, "the bytes from 0 to 4 of the data belong to no value" },
    { "{} x", 0, BYTE(3, "expected its end, found 'x'") },
    { "{}{}", 0, BYTE(2, "expected its end, found '{'") },
    { "{1:2}", 0, BYTE(1, "expected a string, found '1'") },
    { "{'w':2}", 0, BYTE(1, "expected a string, found '''") },
    { "{" W ",}", 8, BYTE(54, "expected a string, found '}'") },
    { "{" W, 8, BYTE(53, "expected '}', found its end") },
    { "{" W " " W "}", 8, BYTE(54, "expected '}', found '\"'") },
    { "{" W "," W "}", 8, "\"w\" stands there twice" },
    { "{" W ",\"\\u0077\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}", 16, "\"w\" stands there twice" },
    { "{\"w\":{}}", 0, "\"w\" has no dtype" },
    { "{\"w\":{\"dtype\":\"F32\"}}", 0, "\"w\" has no shape" },
    { "{\"w\":{\"shape\":[],\"dtype\":\"F32\"}}", 0, "\"w\" has no data_offsets" },
    { "{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0, "\"w\" has a second field \"dtype\"" },
    { " \t{", 0, BYTE(3, "expected a string, found its end") },
    { "\xef\xbb\xbf{}", 0, BYTE(0, "expected '{', found the byte 0xef") },
    { "{\xef\xbb\xbf}", 0, BYTE(1, "expected a string, found the byte 0xef") },
    { "{}\xef\xbb\xbf", 0, BYTE(2, "expected its end, found the byte 0xef") },
    { "{\"w\":{\"device\":\"gpu\"}}", 0, "\"w\" has no dtype" },
    { UNKNOWN("gpu"), 0, BYTE(10, "expected a value, found 'g'") },
    { UNKNOWN("nul"), 0, BYTE(10, "expected a value, found 'n'") },
    { UNKNOWN("+1"), 0, BYTE(10, "expected a value, found '+'") },
    { UNKNOWN("01"), 0, BYTE(10, "a number begins with 0") },
    { UNKNOWN("-"), 0, BYTE(11, "expected a digit, found '}'") },
    { UNKNOWN("1."), 0, BYTE(12, "expected a digit, found '}'") },
    { UNKNOWN(".5"), 0, BYTE(10, "expected a value, found '.'") },
    { UNKNOWN("1e"), 0, BYTE(12, "expected a digit, found '}'") },
    { UNKNOWN("0x1"), 0, BYTE(11, "expected '}', found 'x'") },
    { UNKNOWN("\"\\udc00\""), 0, BYTE(11, "a second surrogate without a first") },
    { UNKNOWN("[1,]"), 0, BYTE(13, "expected a value, found ']'") },
    { UNKNOWN("[1"), 0, BYTE(12, "expected ']', found '}'") },
    { UNKNOWN("{\"a\"}"), 0, BYTE(14, "expected ':', found '}'") },
    { UNKNOWN("[{]"), 0, BYTE(12, "expected a string, found ']'") },
    { "{\"w\":[]}", 0, BYTE(5, "expected '{', found '['") },
    { "{\"w\" {}}", 0, BYTE(5, "expected ':', found '{'") },
    { "{\"\":{}}", 0, "\"\" has no dtype" },
    { FIELDS("32", "[2]", "[0,8]"), 8, BYTE(14, "expected a string, found '3'") },
    { FIELDS("\"F32\"", "[-2]", "[0,8]"), 8, BYTE(29, "expected a whole number, found '-'") },
    { FIELDS("\"F32\"", "[2.0]", "[0,8]"), 8, BYTE(30, "expected ']', found '.'") },
    { FIELDS("\"F32\"", "[2e0]", "[0,8]"), 8, BYTE(30, "expected ']', found 'e'") },
    { FIELDS("\"F32\"", "[02]", "[0,8]"), 8, BYTE(29, "a number begins with 0") },
    { FIELDS("\"F32\"", "[+2]", "[0,8]"), 8, BYTE(29, "expected a whole number, found '+'") },
    { FIELDS("\"F32\"", "[2,]", "[0,8]"), 8, BYTE(31, "expected a whole number, found ']'") },
    { FIELDS("\"F32\"", "[\"2\"]", "[0,8]"), 8, BYTE(29, "expected a whole number, found '\"'") },
    { FIELDS("\"F32\"", "[[2]]", "[0,8]"), 8, BYTE(29, "expected a whole number, found '['") },
    { FIELDS("\"F32\"", "2", "[0,8]"), 8, BYTE(28, "expected '[', found '2'") },
    { FIELDS("\"F32\"", "null", "[0,8]"), 8, BYTE(28, "expected '[', found 'n'") },
    { FIELDS("\"F32\"", "[9223372036854775808]", "[0,8]"), 8, BYTE(29, "the number is too large") },
    { FIELDS("\"F32\"", "[99999999999999999999]", "[0,8]"), 8, BYTE(29, "the number is too large") },
    { FIELDS("\"F32\"", "[9223372036854775807]", "[0,8]"), 8, "\"w\": the size of its shape overflows" },
    { FIELDS("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0, "\"w\": the size of its shape overflows" },
    { FIELDS("\"F32\"", "[4294967296,4294967296,0]", "[0,0]"), 0, "\"w\": the size of its shape overflows" },
    { FIELDS("\"F32\"", "[576460752303423487]", "[0,2305843009213693948]"), 8,
      "the data is cut off after 8 of 2305843009213693948 bytes" },
    { FIELDS("\"F32\"", "[3]", "[0,8]"), 8, "\"w\": its shape needs 12 bytes, but data_offsets [0,8] are 8" },
    { FIELDS("\"F64\"", "[]", "[4,8]"), 8, "\"w\": its shape needs 8 bytes, but data_offsets [4,8] are 4" },
    { FIELDS("\"F32\"", "[2]", "[8,0]"), 8, "\"w\": data_offsets are no begin and end" },
    { FIELDS("\"F32\"", "[2]", "[8]"), 8, BYTE(49, "expected ',', found ']'") },
    { FIELDS("\"F32\"", "[2]", "[]"), 8, BYTE(48, "expected a whole number, found ']'") },
    { FIELDS("\"F32\"", "[2]", "[0,8,8]"), 8, BYTE(51, "expected ']', found ','") },
    { FIELDS("\"F32\"", "[2]", "[4,12]"), 12, "the bytes from 0 to 4 of the data belong to no value" },
    { "{" W "}", 7, "the data is cut off after 7 of 8 bytes" },
    { "{" W "}", 9, "the bytes from 8 to 9 of the data belong to no value" },
    { "{" W "," F32_AT("v", 12, 20) "}", 20, "the bytes from 8 to 12 of the data belong to no value" },
    { "{" W "," F32_AT("v", 4, 12) "}", 12, "\"w\" and \"v\" overlap in the data" },
    { "{" W "," F32_AT("v", 0, 8) "}", 8, "\"v\" and \"w\" overlap in the data" },
    { "{\"\x01\":{}}", 0, BYTE(2, "expected a character or an escape, found the byte 0x01") },
    { "{\"\xff\":{}}", 0, BYTE(2, "expected UTF-8, found the byte 0xff") },
    { "{\"\xc0\xaf\":{}}", 0, BYTE(2, "expected UTF-8, found the byte 0xc0") },
    { "{\"\xed\xa0\x80\":{}}", 0, BYTE(2, "expected UTF-8, found the byte 0xed") },
    { "{\"\xf4\x90\x80\x80\":{}}", 0, BYTE(2, "expected UTF-8, found the byte 0xf4") },
    { "{\"\xe2\x82\":{}}", 0, BYTE(2, "expected UTF-8, found the byte 0xe2") },
    { "{\"\\x\":{}}", 0, BYTE(3, "expected an escape, found 'x'") },
    { "{\"\\", 0, BYTE(3, "expected an escape, found its end") },
    { "{\"\\u00g0\":{}}", 0, BYTE(6, "expected a hexadecimal digit, found 'g'") },
    { "{\"\\u00", 0, BYTE(6, "expected a hexadecimal digit, found its end") },
    { "{\"\\ud800\":{}}", 0, BYTE(8, "expected the second surrogate, found '\"'") },
    { "{\"\\ud800\\ud800\":{}}", 0, BYTE(14, "expected the second surrogate, found '\"'") },
    { "{\"\\udc00\":{}}", 0, BYTE(2, "a second surrogate without a first") },
    { "{\"w", 0, BYTE(3, "expected the end of a string, found its end") },
    { "{\"__metadata__\":[]}", 0, BYTE(16, "expected '{', found '['") },
    { "{\"__metadata__\":{\"a\":1}}", 0, BYTE(21, "expected a string, found '1'") },
    { "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "__metadata__ has \"a\" twice" },
    { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "\"__metadata__\" stands there twice" },
    { REEL(""), 8, "it has the version \"\" of Reel's files; \"1\" and \"2\" can be read" },
    { REEL(",\"version\":\"1\\n\""), 8, "it has the version \"1?\" of Reel's files; \"1\" and \"2\" can be read" },
    { REEL(",\"library\":\"0.1.0\",\"version\":\"2\""), 8,
      "its __metadata__ is Reel's, but another program wrote it again (without \"format\" it is a file like others)" },
    { "{\"__metadata__\":{\"format\":\"real\",\"version\":\"3\",\"crc32c\":\"00000000\"}}", 0,
      "it is damaged: its header begins almost as that of a file of Reel's" },
    { "{\"__metadata__\":{\"format\":\"reel\",\"version\":\"2\",\"crc32c\":\"0000000A\"}}", 0,
      "__metadata__ has no \"seed\"" },
    { "{\"__metadata__\":{\"format\":\"reel\",\"version\":\"2\",\"crc32c\":\"00000000\",\"seed\":\"0\",\"runs\":\"0\"}}",
      0, "it is damaged: its crc32c is 6e885dc1, not 00000000" },
    { "{\"__metadata__\":{\"format\":\"reel\",\"version\":\"1\",\"seed\":\"0\",\"runs\":\"0\",\"crc32c\":\"0\","
      "\"value:w\":\"state\"},\"w\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[0,8]}}",
      8, "\"w\": the type \"BF16\"; no file of Reel's has this" },
    { REEL(",\"version\":\"1\""), 8, "__metadata__ describes 0 values, and there are 1" },
    { REEL(",\"version\":\"1\",\"value:v\":\"state\""), 8, "__metadata__ has no \"seed\"" },
    { FULL("\"1\"", "\"-1\"", "\"0\"", "\"0\"", "\"state\""), 8, "the \"seed\" of __metadata__ is \"-1\"" },
    { FULL("\"1\"", "\"\"", "\"0\"", "\"0\"", "\"state\""), 8, "the \"seed\" of __metadata__ is \"\"" },
    { FULL("\"1\"", "\"18446744073709551616\"", "\"0\"", "\"0\"", "\"state\""), 8,
      "the \"seed\" of __metadata__ is \"18446744073709551616\"" },
    { FULL("\"1\"", "\"0\"", "\"9223372036854775808\"", "\"0\"", "\"state\""), 8,
      "the \"runs\" of __metadata__ is \"9223372036854775808\"" },
    { FULL("\"1\"", "\"0\"", "\"0\"", "\"ABCD\"", "\"state\""), 8, "the \"crc32c\" of __metadata__ is \"ABCD\"" },
    { FULL("\"1\"", "\"0\"", "\"0\"", "\"0\"", "\"buffer\""), 8, "__metadata__ describes \"w\" as \"buffer\"" },
    { FULL("\"1\"", "\"0\"", "\"0\"", "\"0\"", "\"parameter constant 0 0\""), 8,
      "__metadata__ describes \"w\" as \"parameter constant 0 0\"" },
    { FULL("\"1\"", "\"0\"", "\"0\"", "\"0\"", "\"parameter\""), 8, "__metadata__ describes \"w\" as \"parameter\"" },
    { FULL("\"1\"", "\"0\"", "\"0\"", "\"0123abcd\"", "\"state\""), 8,
      "the data is damaged: its crc32c is 8a2cbc3b, not 0123abcd" },
    { "{\"__metadata__\":{\"format\":\"reel\",\"version\":\"1\",\"seed\":\"0\",\"runs\":\"0\",\"crc32c\":\"0\","
      "\"value:v\":\"state\"}," W "}",
      8, "__metadata__ does not describe \"w\"" },
};

Test(files, damaged_by_hand_say_what_is_wrong)
{
    cr_assert_geq(sizeof damaged / sizeof *damaged, 40);
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        char message[300];
        reel_model *model = new_model(1), *before = new_model(1);
        snprintf(message, sizeof message, "model_load: bad: %s", damaged[i].message);
        write_header("bad", damaged[i].header, damaged[i].size);
        expect_error(model, reel_model_load(model, "bad"), REEL_BAD_FILE, message);
        expect_same(before, model);
        reel_model_free(model);
        reel_model_free(before);
    }
}

Test(files, with_a_bad_length_are_refused)
{
    static const struct {
        const char *data;
        size_t size;
        const char *message;
    } cases[] = {
        { "", 0, "model_load: bad: 0 bytes are no safetensors file" },
        { "\x02\0\0\0\0\0\0", 7, "model_load: bad: 7 bytes are no safetensors file" },
        { "\x02\0\0\0\0\0\0\0{", 9, "model_load: bad: the header is cut off after 1 of 2 bytes" },
        { "\x01\xe1\xf5\x05\0\0\0\0{}", 10,
          "model_load: bad: a header of 100000001 bytes, and 100000000 are allowed; is it a safetensors file?" },
        { "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10,
          "model_load: bad: a header of 18446744073709551615 bytes, and 100000000 are allowed; is it a "
          "safetensors file?" },
        { "\0\xe1\xf5\x05\0\0\0\0{}", 10, "model_load: bad: the header is cut off after 2 of 100000000 bytes" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reel_model *model = new_model(1);
        write_bytes("bad", cases[i].data, cases[i].size);
        expect_error(model, reel_model_load(model, "bad"), REEL_BAD_FILE, cases[i].message);
        reel_model_free(model);
    }
}

/* Loads what was changed into a model with values of the same names. Whatever comes, nothing crashes, an error leaves
 * the model as it was, and little memory is asked for. */
static bool load_changed(const bytes *b, size_t size)
{
    static reel_model *before = NULL, *model = NULL;
    if (!before) before = small_model();
    if (!model) model = small_model();
    static int file = -1; /* written over in place, since a new file is slow on some systems */
    if (file < 0) file = open("changed", O_RDWR | O_CREAT, 0666);
    cr_assert(pwrite(file, b->data, size, 0) == (ssize_t)size && ftruncate(file, (off_t)size) == 0);
    memory.most = memory.used;
    const int64_t used = memory.used;
    bool good = reel_model_load(model, "changed") == REEL_OK;
    cr_assert_leq(memory.most - used, 40000);
    if (!good) {
        cr_assert(strncmp(reel_model_error(model), "model_load: changed: ", 21) == 0);
        expect_same(before, model);
        cr_assert_eq(memory.used, used);
        return false;
    }
    reel_model_free(model);
    reel_model_free(before);
    model = before = NULL;
    return true;
}

static void free_changed(void)
{
    bytes *b = malloc(sizeof *b);
    reel_model *model = small_model();
    expect_ok(model, reel_model_save(model, "good"));
    read_bytes("good", b);
    cr_expect(load_changed(b, b->size)); /* which frees its models */
    reel_model_free(model);
    free(b);
}

Test(files, cut_off_anywhere_are_refused, .timeout = 300)
{
    static bytes b;
    reel_model *model = small_model();
    expect_ok(model, reel_model_save(model, "good"));
    reel_model_free(model);
    read_bytes("good", &b);
    for (size_t size = 0; size < b.size; size++) cr_expect(!load_changed(&b, size), "%zu", size);
    free_changed();
}

Test(files, with_any_byte_changed_are_refused, .timeout = 300)
{
    static bytes b;
    reel_model *model = small_model();
    expect_ok(model, reel_model_save(model, "good"));
    reel_model_free(model);
    read_bytes("good", &b);
    cr_assert_leq(b.size, 512);
    for (size_t i = 0; i < b.size; i++)
        for (int change = 1; change < 256; change++) {
            b.data[i] = (char)(b.data[i] ^ change);
            cr_expect(!load_changed(&b, b.size), "byte %zu was changed by %d", i, change);
            b.data[i] = (char)(b.data[i] ^ change);
        }
    free_changed();
}

/* ---- Conflicts ----------------------------------------------------------------------------- */

Test(files, in_conflict_with_the_model_are_refused)
{
    static const struct {
        bool is_state;
        reel_dtype dtype;
        int64_t rows;
        reel_status status;
        const char *message;
    } cases[] = {
        { false, REEL_F32, 3, REEL_BAD_SHAPE,
          "model_load: model: \"w\" is a parameter f32 [2,3] in the file and a parameter f32 [3,3] in the model" },
        { false, REEL_F64, 2, REEL_BAD_DTYPE,
          "model_load: model: \"w\" is a parameter f32 [2,3] in the file and a parameter f64 [2,3] in the model" },
        { true, REEL_F32, 2, REEL_BAD_NAME,
          "model_load: model: \"w\" is a parameter f32 [2,3] in the file and a state f32 [2,3] in the model" },
    };
    reel_model *saved = small_model();
    expect_ok(saved, reel_model_save(saved, "model"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reel_model *model = new_model(1), *before = new_model(1);
        add(model, "w", cases[i].is_state, cases[i].dtype, REEL_SHAPE(cases[i].rows, 3));
        add(before, "w", cases[i].is_state, cases[i].dtype, REEL_SHAPE(cases[i].rows, 3));
        expect_error(model, reel_model_load(model, "model"), cases[i].status, cases[i].message);
        expect_same(before, model);
        reel_model_free(model);
        reel_model_free(before);
    }
    reel_model_free(saved);
}

Test(files, bring_no_new_names_to_a_sealed_model)
{
    reel_model *saved = small_model(), *model = small_model();
    add(saved, "counter", true, REEL_I32, REEL_SCALAR);
    expect_ok(model, reel_model_save(model, "same"));
    expect_ok(saved, reel_model_save(saved, "more"));
    reel_model_seal(model);
    expect_ok(model, reel_model_load(model, "same"));
    expect_error(model, reel_model_load(model, "more"), REEL_BAD_NAME,
                 "model_load: more: the model is sealed and has no \"counter\" (did you mean \"count\"?)");
    cr_expect_eq(model->values.list.count, 2);
    reel_model_free(saved);
    reel_model_free(model);
}

/* ---- Paths --------------------------------------------------------------------------------- */

Test(files, at_bad_paths_have_clear_errors)
{
    char longest[5000];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = 0;
    reel_model *model = small_model();
    cr_assert(mkdir("folder", 0777) == 0 && mkfifo("pipe", 0666) == 0);
    expect_error(model, reel_model_save(model, NULL), REEL_BAD_ARGUMENT, "model_save: (null): the path is NULL");
    expect_error(model, reel_model_load(model, NULL), REEL_BAD_ARGUMENT, "model_load: (null): the path is NULL");
    expect_error(model, reel_model_save(model, ""), REEL_BAD_FILE, "model_save: : the path is empty");
    expect_error(model, reel_model_load(model, ""), REEL_BAD_FILE, "model_load: : the path is empty");
    expect_error(model, reel_model_save(model, "folder"), REEL_BAD_FILE, "model_save: folder: it is a directory");
    expect_error(model, reel_model_load(model, "folder"), REEL_BAD_FILE, "model_load: folder: it is a directory");
    expect_error(model, reel_model_save(model, "pipe"), REEL_BAD_FILE,
                 "model_save: pipe: it is a pipe, no regular file");
    expect_error(model, reel_model_load(model, "pipe"), REEL_BAD_FILE,
                 "model_load: pipe: it is a pipe, no regular file");
    expect_error(model, reel_model_save(model, "/dev/null"), REEL_BAD_FILE,
                 "model_save: /dev/null: it is a device, no regular file");
    expect_error(model, reel_model_load(model, "nothing"), REEL_BAD_FILE,
                 "model_load: nothing: cannot open: No such file or directory");
    expect_error(model, reel_model_save(model, "none/model"), REEL_BAD_FILE,
                 "model_save: none/model: cannot create a temporary file beside it: No such file or directory");
    cr_expect_eq(reel_model_load(model, longest), REEL_BAD_FILE);
    cr_expect(strstr(reel_model_error(model), "xxx: the path is too long"));
    cr_expect_eq(reel_model_save(model, longest), REEL_BAD_FILE);
    cr_expect_eq(reel_model_save(NULL, "x"), REEL_BAD_ARGUMENT);
    cr_expect_eq(reel_model_load(NULL, "x"), REEL_BAD_ARGUMENT);
    cr_expect_eq(count_files(), 2);
    reel_model_free(model);
}

Test(files, with_names_that_do_not_fit_are_not_written)
{
    reel_model *model = new_model(1), *other = new_model(1);
    add(model, "caf\xe9", false, REEL_F32, REEL_SCALAR);
    add(other, "__metadata__", false, REEL_F32, REEL_SCALAR);
    expect_error(model, reel_model_save(model, "x"), REEL_BAD_NAME, "model_save: x: the name \"caf?\" is not UTF-8");
    expect_error(other, reel_model_save(other, "x"), REEL_BAD_NAME,
                 "model_save: x: the name \"__metadata__\" is taken by the format");
    cr_expect_eq(count_files(), 0);
    reel_model_free(model);
    reel_model_free(other);
}

Test(files, keep_permissions_and_symbolic_links)
{
    struct stat about;
    reel_model *model = small_model(), *loaded = new_model(1);
    write_bytes("real", "old", 3);
    cr_assert(chmod("real", 0640) == 0 && mkdir("links", 0777) == 0 && symlink("../real", "links/link") == 0);
    expect_ok(model, reel_model_save(model, "links/link"));
    cr_expect(lstat("links/link", &about) == 0 && S_ISLNK(about.st_mode));
    cr_expect(stat("real", &about) == 0 && (about.st_mode & 0777) == 0640);
    expect_ok(loaded, reel_model_load(loaded, "real"));
    expect_same(model, loaded);
    cr_expect_eq(count_files(), 2);
    reel_model_free(model);
    reel_model_free(loaded);
}

Test(files, with_the_longest_names_can_be_written)
{
    char name[256];
    memset(name, 'n', 255);
    name[255] = 0;
    reel_model *model = small_model();
    expect_ok(model, reel_model_save(model, name));
    expect_ok(model, reel_model_load(model, name));
    reel_model_free(model);
}

/* ---- Faults -------------------------------------------------------------------------------- */

static bool has_bytes(const bytes *old)
{
    static bytes now;
    read_bytes("model", &now);
    return now.size == old->size && memcmp(now.data, old->data, old->size) == 0;
}

static void expect_old_file(const bytes *old)
{
    cr_expect(has_bytes(old));
    cr_expect_eq(count_files(), 1);
}

/* A model whose file is written in several pieces. */
static reel_model *large_model(void)
{
    reel_model *model = small_model();
    add(model, "large", false, REEL_F64, REEL_SHAPE(40, 100));
    add(model, "larger", false, REEL_F32, REEL_SHAPE(5, 1000));
    return model;
}

static bool has_saved(reel_model *model)
{
    reel_model *loaded = new_model(1);
    const bool good = reel_model_load(loaded, "model") == REEL_OK && loaded->values.list.count == 4;
    if (good) expect_same(model, loaded);
    reel_model_free(loaded);
    return good;
}

/* Saves while one call fails after another, until none is left to fail; returns how many times there was an error. Without
 * one the new file is there, with one the old file, and never another. */
static int save_with_faults(reel_model *large, const bytes *old, call_kind kind, int error)
{
    int errors = 0;
    for (int n = 0;; n++) {
        planned.kind = kind, planned.after = n, planned.error = error, planned.happened = false;
        const reel_status status = reel_model_save(large, "model");
        planned.kind = NO_CALL;
        errors += status != REEL_OK;
        if (status == REEL_OK) cr_expect(has_saved(large), "call %d of kind %d, %s", n, kind, strerror(error));
        else if (kind == FSYNC && n == 1) cr_expect(has_saved(large), "the directory cannot be synchronised");
        else cr_expect(has_bytes(old), "call %d of kind %d, %s", n, kind, strerror(error));
        cr_expect_eq(count_files(), 1);
        write_bytes("model", old->data, old->size);
        if (!planned.happened) return errors;
    }
}

static void check_faults(void)
{
    static bytes old;
    static const int errors[] = { EIO, ENOSPC, EDQUOT };
    reel_model *model = small_model(), *large = large_model();
    expect_ok(model, reel_model_save(model, "model"));
    read_bytes("model", &old);
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
        cr_expect_geq(save_with_faults(large, &old, OPEN, errors[e]), 1);
        cr_expect_geq(save_with_faults(large, &old, WRITE, errors[e]), 3);
        cr_expect_eq(save_with_faults(large, &old, FSYNC, errors[e]), 2);
        cr_expect_eq(save_with_faults(large, &old, MODE, errors[e]), 1);
        cr_expect_eq(save_with_faults(large, &old, CLOSE, errors[e]), 0);
        cr_expect_eq(save_with_faults(large, &old, RENAME, errors[e]), 1);
        cr_expect_eq(save_with_faults(large, &old, LINK, errors[e]), 0, "a copy takes its place");
        cr_expect_eq(save_with_faults(large, &old, LOCK, errors[e]), 0);
    }
    reel_model_free(model);
    reel_model_free(large);
}

Test(files, stay_as_they_were_when_a_call_of_the_system_fails) { check_faults(); }

Test(files, stay_as_they_were_when_a_call_fails_where_temporary_files_have_names)
{
    all_have_names = true;
    check_faults();
}

static void check_interruptions(reel_model *model, call_kind kind, int error, bool late)
{
    for (int n = 0;; n++) {
        reel_model *loaded = new_model(1);
        unlink("model");
        if (n % 2) write_bytes("model", "old", 3);
        planned.kind = kind, planned.after = n / 2, planned.error = error, planned.late = late,
        planned.happened = false;
        reel_status status = reel_model_save(model, "model");
        if (status == REEL_OK) status = reel_model_load(loaded, "model");
        planned.kind = NO_CALL;
        cr_expect_eq(status, REEL_OK, "call %d of kind %d: error %d", n / 2, kind, error);
        if (status == REEL_OK) expect_same(model, loaded);
        reel_model_free(loaded);
        cr_expect_eq(count_files(), 1);
        if (!planned.happened && n % 2) return;
    }
}

Test(files, are_whole_after_interrupted_and_short_calls)
{
    reel_model *model = large_model();
    for (int names = 0; names < 2; names++) {
        all_have_names = names != 0;
        for (call_kind kind = OPEN; kind < CALL_KINDS; kind++) check_interruptions(model, kind, EINTR, false);
        check_interruptions(model, READ, 0, false);
        check_interruptions(model, WRITE, 0, false);
        check_interruptions(model, RENAME, EINTR, true);
        check_interruptions(model, LINK, EINTR, true);
    }
    reel_model_free(model);
}

Test(files, that_cannot_be_read_leave_the_model_as_it_was)
{
    reel_model *saved = large_model(), *before = small_model();
    expect_ok(saved, reel_model_save(saved, "model"));
    for (call_kind kind = OPEN; kind <= READ; kind++) {
        reel_model *model = small_model();
        for (int n = 0;; n++) {
            planned.kind = kind, planned.after = n, planned.error = EIO, planned.happened = false;
            reel_status status = reel_model_load(model, "model");
            planned.kind = NO_CALL;
            if (!planned.happened) break;
            cr_expect_eq(status, REEL_BAD_FILE);
            const char *message = kind == OPEN ? "model_load: model: cannot open: Input/output error"
                                               : "model_load: model: cannot read: Input/output error";
            cr_expect_str_eq(reel_model_error(model), message);
            expect_same(before, model);
        }
        expect_same(saved, model);
        reel_model_free(model);
    }
    reel_model_free(saved);
    reel_model_free(before);
}

Test(files, beyond_the_limit_of_size_leave_the_old_one)
{
    static bytes old;
    struct rlimit limit = { 30000, 30000 };
    reel_model *model = small_model(), *large = large_model();
    expect_ok(model, reel_model_save(model, "model"));
    read_bytes("model", &old);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    expect_error(large, reel_model_save(large, "model"), REEL_BAD_FILE,
                 "model_save: model: cannot write: File too large");
    expect_old_file(&old);
    reel_model_free(model);
    reel_model_free(large);
}

Test(files, stay_as_they_were_when_memory_runs_out_in_saving)
{
    static bytes old;
    reel_model *model = small_model(), *large = large_model();
    expect_ok(model, reel_model_save(model, "model"));
    read_bytes("model", &old);
    int failures = 0;
    for (;; failures++) {
        memory.left = failures;
        reel_status status = reel_model_save(large, "model");
        memory.left = -1;
        if (status == REEL_OK) break;
        cr_assert_lt(failures, 10000);
        expect_error(large, status, REEL_OUT_OF_MEMORY, "model_save: model: out of memory");
        expect_old_file(&old);
    }
    cr_expect_gt(failures, 3);
    reel_model_free(model);
    reel_model_free(large);
}

Test(files, leave_the_model_as_it_was_when_memory_runs_out_in_loading)
{
    reel_model *saved = large_model(), *before = small_model();
    ((float *)value(saved, "w")->data)[0] = 17;
    for (int i = 0; i < 200; i++) {
        char name[20];
        snprintf(name, sizeof name, "more%d", i);
        add(saved, name, false, REEL_F32, REEL_SHAPE(1));
    }
    expect_ok(saved, reel_model_save(saved, "model"));
    reel_model *model = small_model();
    int failures = 0;
    for (;; failures++) {
        memory.left = failures;
        reel_status status = reel_model_load(model, "model");
        memory.left = -1;
        if (status == REEL_OK) break;
        cr_assert_lt(failures, 10000);
        expect_error(model, status, REEL_OUT_OF_MEMORY, "model_load: model: out of memory");
        expect_same(before, model);
    }
    cr_expect_gt(failures, 600);
    expect_same(saved, model);
    reel_model_free(saved);
    reel_model_free(before);
    reel_model_free(model);
}
