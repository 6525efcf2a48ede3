/* Files of the safetensors format: those of other programs, as the safetensors library accepts and writes them, and that
 * no bit of a file of Reel's can change unnoticed. Through the public interface alone; damage to the form of a header, with
 * each message, is in test_damaged_files.c. Every test runs in a directory of its own. */
#define _XOPEN_SOURCE 700
#include <criterion/criterion.h>

#include <fcntl.h>
#include <math.h>
#include <reel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

TestSuite(safetensors, .init = enter_directory, .fini = leave_directory);

/* Written over in place, since a new file is slow on some systems. */
static void write_bytes(const void *data, size_t size)
{
    static int file = -1;
    if (file < 0) file = open("file", O_RDWR | O_CREAT, 0666);
    cr_assert(pwrite(file, data, size, 0) == (ssize_t)size && ftruncate(file, (off_t)size) == 0);
}

static void write_header(const char *header, const void *data, size_t size)
{
    static char bytes[1 << 16];
    const size_t length = strlen(header);
    cr_assert_lt(8 + length + size, sizeof bytes);
    for (int i = 0; i < 8; i++) bytes[i] = (char)(length >> (8 * i));
    memcpy(bytes + 8, header, length);
    memcpy(bytes + 8 + length, data, size);
    write_bytes(bytes, 8 + length + size);
}

static reel_model *load(const char *header, const void *data, size_t size)
{
    reel_model *model = reel_model_new((reel_model_options){ .seed = 5 });
    write_header(header, data, size);
    cr_assert_eq(reel_model_load(model, "file"), REEL_OK, "%s: %s", header, reel_model_error(model));
    return model;
}

static void expect_left_out(const reel_model *model, const char *text)
{
    const char *left_out = reel_model_left_out(model);
    if (!text) cr_expect_null(left_out, "%s", left_out);
    else cr_expect_str_eq(left_out ? left_out : "nothing", text);
}

/* ---- Damage ------------------------------------------------------------------------------------------------------ */

/* A model that has trained once, with parameters, states of both types and a counter, and its file. */
static size_t save_trained(unsigned char *bytes, size_t room)
{
    const float values[] = { 1, 2, 3, 4, 5, 6 };
    reel_model *model = reel_model_new((reel_model_options){ .seed = 5 });
    reel_tape *tape = reel_tape_new(model, (reel_tape_options){ 0 });
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2, 3));
    reel_adam(reel_mse(reel_linear(reel_dropout(x, "drop", 0.5), "a", 3), x), (reel_adam_options){ .lr = 0.1 });
    reel_write_f32(x, values, 6);
    cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
    cr_assert_eq(reel_model_save(model, "saved"), REEL_OK);
    reel_tape_free(tape);
    reel_model_free(model);
    FILE *file = fopen("saved", "rb");
    const size_t size = fread(bytes, 1, room, file);
    fclose(file);
    cr_assert(size > 800 && size < room);
    return size;
}

Test(safetensors, with_any_bit_flipped_are_refused)
{
    static unsigned char bytes[4096];
    const size_t size = save_trained(bytes, sizeof bytes);
    reel_model *model = reel_model_new((reel_model_options){ .seed = 77 });
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        write_bytes(bytes, size);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        cr_assert_eq(reel_model_load(model, "file"), REEL_BAD_FILE, "bit %zu of byte %zu", bit % 8, bit / 8);
        cr_assert(strncmp(reel_model_error(model), "model_load: file: ", 18) == 0);
        cr_assert(reel_model_count(model) == 0 && reel_model_runs(model) == 0);
    }
    write_bytes(bytes, size);
    cr_expect_eq(reel_model_load(model, "file"), REEL_OK);
    cr_expect(reel_model_count(model) == 7 && reel_model_runs(model) == 1);
    reel_model_free(model);
}

/* The marker by which a file is known to have a checksum is covered by none. */
Test(safetensors, with_two_bits_of_the_first_bytes_flipped_are_refused)
{
    static unsigned char bytes[4096];
    const size_t size = save_trained(bytes, sizeof bytes), marked = 8 * (8 + 57 + 8);
    reel_model *model = reel_model_new((reel_model_options){ .seed = 77 });
    for (size_t a = 0; a < marked; a++)
        for (size_t b = a + 1; b < marked; b += 1 + a % 7) {
            bytes[a / 8] ^= (unsigned char)(1u << a % 8), bytes[b / 8] ^= (unsigned char)(1u << b % 8);
            write_bytes(bytes, size);
            bytes[a / 8] ^= (unsigned char)(1u << a % 8), bytes[b / 8] ^= (unsigned char)(1u << b % 8);
            cr_assert_eq(reel_model_load(model, "file"), REEL_BAD_FILE, "bits %zu and %zu", a, b);
        }
    cr_expect_eq(reel_model_count(model), 0);
    reel_model_free(model);
}

Test(safetensors, with_a_byte_missing_or_added_are_refused)
{
    static unsigned char bytes[4096], changed[4097];
    const size_t size = save_trained(bytes, sizeof bytes);
    reel_model *model = reel_model_new((reel_model_options){ .seed = 77 });
    for (size_t at = 0; at < size; at++) {
        memcpy(changed, bytes, at);
        memcpy(changed + at, bytes + at + 1, size - at - 1);
        write_bytes(changed, size - 1);
        cr_assert_eq(reel_model_load(model, "file"), REEL_BAD_FILE, "without byte %zu", at);
        changed[at] = ' ';
        memcpy(changed + at + 1, bytes + at, size - at);
        write_bytes(changed, size + 1);
        cr_assert_eq(reel_model_load(model, "file"), REEL_BAD_FILE, "a space before byte %zu", at);
    }
    reel_model_free(model);
}

Test(safetensors, of_an_older_version_load)
{
    float values[2];
    reel_model *model = load(
        "{\"__metadata__\":{\"format\":\"reel\",\"version\":\"1\",\"library\":\"0.1.0\",\"seed\":\"9\",\"runs\":\"4\","
        "\"crc32c\":\"8a2cbc3b\",\"value:w\":\"parameter constant 3ff0000000000000 0000000000000000\"},"
        "\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}   ",
        "\0\1\2\3\4\5\6\7", 8);
    cr_expect_eq(reel_model_runs(model), 4);
    cr_expect_eq(reel_model_read_f32(model, "w", values, 2), REEL_OK);
    cr_expect_eq(memcmp(values, "\0\1\2\3\4\5\6\7", 8), 0);
    reel_model_free(model);
}

/* ---- What the safetensors library accepts ------------------------------------------------------------------------ */

#define AT(name, from, to) "\"" name "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" #from "," #to "]}"
#define W AT("w", 0, 8)
#define WITH(fields) "{\"w\":{" fields ",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"
#define ONLY(dtype, shape) "{\"w\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[0,8]}}"
#define TEN(text) text text text text text text text text text text

static const struct {
    const char *header;
    size_t size;
    const char *name; /* of the first value, by the alphabet; NULL: there is none */
    const char *left_out;
} accepted[] = {
    { "{}", 0, NULL, NULL },
    { "{" W "}", 8, "w", NULL },
    { " \n\t\r{" W "} \n\t\r ", 8, "w", NULL },
    { "{\"__metadata__\":null," W "}", 8, "w", NULL },
    { "{\"__metadata__\": null }", 0, NULL, NULL },
    { "{\"__metadata__\":{}," W "}", 8, "w", NULL },
    { "{" W ",\"__metadata__\":{\"format\":\"pt\"}}", 8, "w", NULL },
    { "{\"__metadata__\":{\"crc32c\":\"00000000\",\"seed\":\"x\"}," W "}", 8, "w", NULL },
    { "{\"__metadata__\":{\"a\\u0000\":\"1\",\"a\\u0000b\":\"\\u0000\"}," W "}", 8, "w", NULL },
    { "{" AT("", 0, 8) "}", 8, "", NULL },
    { "{" AT("\xef\xbb\xbfw", 0, 8) "}", 8, "\xef\xbb\xbfw", NULL },
    { "{" AT("\\u00e9\\ud83d\\ude00\\/\\n", 0, 8) "}", 8, "é😀/\n", NULL },
    { "{" AT("v", 8, 16) "," W "}", 16, "v", NULL },
    { "{" W ",\"e\":{\"dtype\":\"F64\",\"shape\":[0,3],\"data_offsets\":[8,8]}}", 8, "e", NULL },
    { "{" W ",\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[8,12]}}", 12, "a", NULL },
    { WITH("\"device\":\"gpu\""), 8, "w", NULL },
    { WITH("\"x\":null,\"x\":[true,false,[],{},\"\\ud83d\\ude00\",{\"a\":{\"b\":[1]}}]"), 8, "w", NULL },
    { WITH("\"x\":[0,-0,-1.5E+3,0.0e-0,1e999999999999999999999,1e-999999999999999999999]"), 8, "w", NULL },
    { WITH("\"x\":[123456789012345678901234567890.5, 1e18446744073709551617]"), 8, "w", NULL },
    { WITH("\"x\":" TEN("[[[[[[[[[[[[") "1" TEN("]]]]]]]]]]]]")), 8, "w", NULL },
    { WITH("\"dtype\\u0000\":1,\"shape\\u0000\":2"), 8, "w", NULL },
    { ONLY("F8_E4M3", "[8]"), 8, NULL, "\"w\": the type \"F8_E4M3\"" },
    { ONLY("F8_E5M2", "[2,4]"), 8, NULL, "\"w\": the type \"F8_E5M2\"" },
    { ONLY("U64", "[]"), 8, NULL, "\"w\": the type \"U64\"" },
    { ONLY("C64", "[1]"), 8, NULL, "\"w\": the type \"C64\"" },
    { ONLY("F4", "[16]"), 8, NULL, "\"w\": the type \"F4\"" },
    { ONLY("f32", "[2]"), 8, NULL, "\"w\": the type \"f32\"" },
    { ONLY("", "[2]"), 8, NULL, "\"w\": the type \"\"" },
    { ONLY("F32", "[1,1,1,1,1,1,1,1,2]"), 8, NULL, "\"w\": 9 dimensions" },
    { "{" AT("a\\u0000b", 0, 8) "}", 8, NULL, "\"a?b\": a NUL in its name" },
    { "{" AT("a\\u0000b", 0, 8) "," AT("a\\u0000c", 8, 16) "," AT("a", 16, 24) "}", 24, "a",
      "\"a?b\": a NUL in its name; \"a?c\": a NUL in its name" },
    { "{\"w\":{\"dtype\":\"F32\",\"shape\":[0,4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, NULL,
      "\"w\": its shape is too large" },
    { "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[3],\"data_offsets\":[0,3]},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[3,7]}," AT("c", 7, 15) "}",
      15, "c", "\"a\": the type \"F8_E4M3\"; \"b\": 9 dimensions" },
};

Test(safetensors, of_other_programs_load_whatever_the_library_of_the_format_accepts)
{
    static const unsigned char data[32] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
        reel_model *model = load(accepted[i].header, data, accepted[i].size);
        const char *name = reel_model_name(model, 0);
        if (accepted[i].name) cr_expect_str_eq(name ? name : "none", accepted[i].name, "%s", accepted[i].header);
        else cr_expect_null(name, "%s", accepted[i].header);
        expect_left_out(model, accepted[i].left_out);
        reel_model_free(model);
    }
}

Test(safetensors, that_nest_values_too_deep_are_refused)
{
    reel_model *model = reel_model_new((reel_model_options){ 0 });
    write_header(WITH("\"x\":" TEN("[[[[[[[[[[[[[")), "", 0);
    cr_expect_eq(reel_model_load(model, "file"), REEL_BAD_FILE);
    cr_expect_str_eq(reel_model_error(model),
                     "model_load: file: byte 138 of the header: more than 128 values in one another");
    reel_model_free(model);
}

Test(safetensors, leave_out_what_does_not_fit_between_what_does)
{
    const struct {
        double before;
        int64_t large, small, other;
        float after;
    } data = { 1.5, 2147483648, -2147483648, 7, -3 };
    double before;
    float after;
    reel_model *model = load("{\"large\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[8,16]},"
                             "\"before\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]},"
                             "\"small\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[16,24]},"
                             "\"other\":{\"dtype\":\"U64\",\"shape\":[1],\"data_offsets\":[24,32]},"
                             "\"after\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[32,36]}}",
                             &data, 36);
    expect_left_out(model, "\"other\": the type \"U64\"; \"large\": element 0 is 2147483648, which is no i32");
    cr_expect_eq(reel_model_count(model), 3);
    cr_expect_eq(reel_model_read_f64(model, "before", &before, 1), REEL_OK);
    cr_expect_eq(reel_model_read_f32(model, "after", &after, 1), REEL_OK);
    cr_expect(before == 1.5 && after == -3);
    reel_model_free(model);
}

Test(safetensors, say_what_the_last_load_left_out_until_the_next)
{
    reel_model *model = load(ONLY("C64", "[1]"), "\0\0\0\0\0\0\0\0", 8);
    write_header("{", "", 0);
    cr_expect_eq(reel_model_load(model, "file"), REEL_BAD_FILE);
    expect_left_out(model, "\"w\": the type \"C64\"");
    write_header("{" W "}", "\0\0\0\0\0\0\0\0", 8);
    cr_expect_eq(reel_model_load(model, "file"), REEL_OK);
    expect_left_out(model, NULL);
    expect_left_out(NULL, NULL);
    reel_model_free(model);
}

/* ---- Values of other types --------------------------------------------------------------------------------------- */

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* All 65,536 halves: 64 files of 1,024. Their values by ldexp(), which knows no bits. */
static void check_halves(const char *dtype, float (*value)(uint32_t bits))
{
    char header[100];
    static uint16_t halves[1024];
    static float got[1024];
    snprintf(header, sizeof header, "{\"h\":{\"dtype\":\"%s\",\"shape\":[32,32],\"data_offsets\":[0,2048]}}", dtype);
    for (uint32_t block = 0; block < 64; block++) {
        for (uint32_t i = 0; i < 1024; i++) halves[i] = (uint16_t)(1024 * block + i);
        reel_model *model = load(header, halves, sizeof halves);
        cr_assert_eq(reel_model_read_f32(model, "h", got, 1024), REEL_OK, "%s", reel_model_error(model));
        for (uint32_t i = 0; i < 1024; i++) {
            const float right = value(halves[i]);
            if (isnan(right)) cr_assert(isnan(got[i]), "%s %04x", dtype, halves[i]);
            else cr_assert_eq(bits_of(got[i]), bits_of(right), "%s %04x: %a", dtype, halves[i], (double)got[i]);
        }
        reel_model_free(model);
    }
}

static float small_float(uint32_t bits, int exponent_bits, int fraction_bits)
{
    const int exponent = (int)(bits >> fraction_bits & ((1u << exponent_bits) - 1)), most = (1 << exponent_bits) - 1;
    const int fraction = (int)(bits & ((1u << fraction_bits) - 1)), bias = most / 2;
    const double size = exponent == most ? (fraction ? (double)NAN : (double)INFINITY)
                        : exponent > 0   ? ldexp(fraction + ldexp(1, fraction_bits), exponent - bias - fraction_bits)
                                         : ldexp(fraction, 1 - bias - fraction_bits);
    return (float)(bits & 0x8000 ? -size : size);
}

static float f16(uint32_t bits) { return small_float(bits, 5, 10); }
static float bf16(uint32_t bits) { return small_float(bits, 8, 7); }

Test(safetensors, with_halves_become_f32_exactly)
{
    check_halves("F16", f16);
    check_halves("BF16", bf16);
}

/* An i32 is a state, which a program reads. */
static void expect_integers(const char *dtype, const void *data, size_t size, int count, const int32_t *values)
{
    char header[100];
    int32_t got[3];
    snprintf(header, sizeof header, "{\"n\":{\"dtype\":\"%s\",\"shape\":[%d],\"data_offsets\":[0,%zu]}}", dtype, count,
             size);
    reel_model *model = load(header, data, size);
    expect_left_out(model, NULL);
    reel_tape *tape = reel_tape_new(model, (reel_tape_options){ .evaluate = true });
    reel_tensor *n = reel_state(tape, "n", REEL_I32, REEL_SHAPE(count));
    cr_assert_eq(reel_eval(tape, &n, 1), REEL_OK, "%s", reel_tape_error(tape));
    cr_assert_eq(reel_read_i32(n, got, count), REEL_OK, "%s", reel_tape_error(tape));
    for (int i = 0; i < count; i++) cr_expect_eq(got[i], values[i], "%s: %d", dtype, got[i]);
    reel_tape_free(tape);
    reel_model_free(model);
}

Test(safetensors, with_integers_become_i32_where_they_fit)
{
    expect_integers("I64", (int64_t[]){ INT32_MIN, INT32_MAX, -1 }, 24, 3, (int32_t[]){ INT32_MIN, INT32_MAX, -1 });
    expect_integers("U32", (uint32_t[]){ 0, INT32_MAX }, 8, 2, (int32_t[]){ 0, INT32_MAX });
    expect_integers("I16", (int16_t[]){ -32768, 32767 }, 4, 2, (int32_t[]){ -32768, 32767 });
    expect_integers("U16", (uint16_t[]){ 0, 65535 }, 4, 2, (int32_t[]){ 0, 65535 });
    expect_integers("I8", (int8_t[]){ -128, 127 }, 2, 2, (int32_t[]){ -128, 127 });
    expect_integers("U8", (uint8_t[]){ 0, 255 }, 2, 2, (int32_t[]){ 0, 255 });
    expect_integers("BOOL", (uint8_t[]){ 0, 1 }, 2, 2, (int32_t[]){ 0, 1 });
}

Test(safetensors, with_integers_that_do_not_fit_name_the_first)
{
    reel_model *model = load("{\"n\":{\"dtype\":\"I64\",\"shape\":[3],\"data_offsets\":[0,24]}}",
                             (int64_t[]){ 7, INT64_MIN, INT64_MAX }, 24);
    expect_left_out(model, "\"n\": element 1 is -9223372036854775808, which is no i32");
    reel_model_free(model);
    model = load("{\"n\":{\"dtype\":\"U32\",\"shape\":[],\"data_offsets\":[0,4]}}", (uint32_t[]){ UINT32_MAX }, 4);
    expect_left_out(model, "\"n\": element 0 is 4294967295, which is no i32");
    cr_expect_eq(reel_model_count(model), 0);
    reel_model_free(model);
}

/* ---- The library itself ------------------------------------------------------------------------------------------ */

Test(safetensors, of_reel_are_read_by_the_library_of_the_format_and_its_files_by_reel)
{
    static unsigned char bytes[4096];
    float values[4];
    if (system("python3 -c 'import safetensors.numpy' 2>/dev/null") != 0) leave_and_skip("python3 has no safetensors");
    save_trained(bytes, sizeof bytes);
    cr_assert_eq(system("python3 -c \"import safetensors.numpy as s, numpy as n; t = s.load_file('saved'); "
                        "assert t['a/w'].shape == (3, 3) and t['a/w'].dtype == n.float32; "
                        "s.save_file({'h': n.array([1.5, -2], n.float16), 'k': n.zeros((2, 2), n.uint64), "
                        "'a/w': t['a/w']}, 'theirs', metadata={'by': 'them'})\""),
                 0);
    reel_model *model = reel_model_new((reel_model_options){ 0 });
    cr_assert_eq(reel_model_load(model, "theirs"), REEL_OK, "%s", reel_model_error(model));
    expect_left_out(model, "\"k\": the type \"U64\"");
    cr_expect_eq(reel_model_read_f32(model, "h", values, 2), REEL_OK);
    cr_expect(values[0] == 1.5f && values[1] == -2);
    cr_expect_eq(reel_model_shape(model, "a/w").rank, 2);
    reel_model_free(model);
}
