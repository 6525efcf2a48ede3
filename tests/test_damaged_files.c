/* Damaged model files, by hand, byte by byte and cut off: each is refused with its message, and the model is as it was.
 * Every test runs in a directory of its own. */
#define _XOPEN_SOURCE 700
#include "model_files.h"

#include <fcntl.h>
#include <math.h>
#include <unistd.h>

TestSuite(files, .init = enter_directory, .fini = leave_directory);

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
        write_file("bad", cases[i].data, cases[i].size);
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
    memory.peak = memory.bytes;
    const int64_t used = memory.bytes;
    bool good = reel_model_load(model, "changed") == REEL_OK;
    cr_assert_leq(memory.peak - used, 40000);
    if (!good) {
        cr_assert(strncmp(reel_model_error(model), "model_load: changed: ", 21) == 0);
        expect_same(before, model);
        cr_assert_eq(memory.bytes, used);
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
