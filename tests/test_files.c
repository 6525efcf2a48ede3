/* Model files: what reel_model_save() and reel_model_load() promise. Damaged files are in test_damaged_files.c, calls of the
 * system that fail in test_file_faults.c, files of other programs in test_safetensors.c, others who write in test_saving.c.
 * Every test runs in a directory of its own. */
#define _XOPEN_SOURCE 700
#include "core/model/file.h"
#include "model_files.h"
#include "support.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(files, .init = enter_directory, .fini = leave_directory);

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
    if (!speak_german(test_directory)) leave_and_skip("no German locale");
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
                 "model_save: none/model: cannot create a temporary file next to it: No such file or directory");
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
    write_file("real", "old", 3);
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
