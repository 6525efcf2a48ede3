/* Data files, shuffling, progress and curves: what reel/train.h promises, each error message as
 * text. Every test runs in a directory of its own, so that messages can be compared whole. */
#define _XOPEN_SOURCE 700 /* pseudo-terminals */
#include <criterion/criterion.h>

#include <reel.h>

/* A copy of shuffle.c, whose generator is private, for the generator's known answers. */
void copy_of_shuffle(int64_t *order, int64_t count, uint64_t seed, uint64_t epoch);
#define reel_shuffle copy_of_shuffle
#include "nn/data/shuffle.c"
#undef reel_shuffle
#include "support.h"

/* A copy of table.c, whose calls of the system can be interrupted: each fails once before it is made. */
#include <fcntl.h>
#include <unistd.h>
static bool interrupting;
static bool interrupted(void);
static int interrupted_open(const char *path, int flags) { return interrupted() ? -1 : open(path, flags); }
static ssize_t interrupted_read(int file, void *to, size_t size) { return interrupted() ? -1 : read(file, to, size); }
#define open interrupted_open
#define read interrupted_read
#include "nn/data/table.c"
#undef open
#undef read

static bool interrupted(void)
{
    static bool now;
    now = interrupting && !now;
    if (now) errno = EINTR;
    return now;
}

#include <fcntl.h>
#include <fenv.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char directory[] = "/tmp/reel-data-XXXXXX";

static void enter_directory(void) { cr_assert(mkdtemp(directory) && chdir(directory) == 0); }

static void leave_directory(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(table, .init = enter_directory, .fini = leave_directory);
TestSuite(shuffle);
TestSuite(progress, .init = enter_directory, .fini = leave_directory);

static void write_file(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

static char *read_file(const char *path)
{
    static char text[1 << 18];
    FILE *file = fopen(path, "rb");
    cr_assert(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

static reel_table *load(const char *text)
{
    write_file("t.csv", text, strlen(text));
    return reel_table_load("t.csv");
}

static void expect_error(const char *text, const char *message)
{
    reel_table *table = load(text);
    cr_assert(reel_table_error(table), "accepted: %s", text);
    cr_expect_str_eq(reel_table_error(table), message);
    cr_expect(reel_table_rows(table) == 0 && reel_table_columns(table) == 0);
    cr_expect_null(reel_table_row(table, 0));
    reel_table_free(table);
}

static void expect_values(const char *text, int64_t rows, int64_t columns, const float *values)
{
    reel_table *table = load(text);
    cr_assert_null(reel_table_error(table), "%s", reel_table_error(table));
    cr_assert(reel_table_rows(table) == rows && reel_table_columns(table) == columns);
    for (int64_t i = 0; i < rows * columns; i++)
        cr_expect_eq(reel_table_row(table, i / columns)[i % columns], values[i], "value %d of %s", (int)i, text);
    cr_expect_null(reel_table_row(table, rows));
    cr_expect_null(reel_table_row(table, -1));
    reel_table_free(table);
}

/* Ends the test, and does what Criterion then leaves out. */
static void skip(const char *why)
{
    leave_directory();
    cr_skip_test("%s", why);
}

static bool under_sanitizer(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    return true;
#endif
#endif
    return false;
}

/* Lets the process have this many more bytes of memory, or all there is. */
static void limit_memory(size_t more)
{
    unsigned long pages = 0;
    cr_assert_eq(sscanf(read_file("/proc/self/statm"), "%lu", &pages), 1);
    const rlim_t size = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
    cr_assert_eq(setrlimit(RLIMIT_AS, &(struct rlimit){ size, RLIM_INFINITY }), 0);
}

static void unlimit_memory(void)
{
    cr_assert_eq(setrlimit(RLIMIT_AS, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }), 0);
}

Test(table, reads_rows_of_numbers)
{
    expect_values("1,2,3\n4,5,6\n", 2, 3, (float[]){ 1, 2, 3, 4, 5, 6 });
    expect_values("+1.5\n-.25\n3.\n1e2\n-2.5E-1\n", 5, 1, (float[]){ 1.5f, -.25f, 3, 100, -.25f });
}

Test(table, accepts_comments_blank_lines_crlf_spaces_a_mark_and_no_last_newline)
{
    const float values[] = { 1, 2, 3, 4 };
    expect_values("# a,b\n1,2\n#\n3,4\n", 2, 2, values);
    expect_values("\n1,2\n\n  \n3,4\n\n", 2, 2, values);
    expect_values("1,2\r\n3,4\r\n\r\n", 2, 2, values);
    expect_values(" 1 ,\t2\n3, 4 ", 2, 2, values);
    expect_values("\xef\xbb\xbf"
                  "1,2\n3,4",
                  2, 2, values);
}

Test(table, rounds_to_the_nearest_float_once)
{
    /* 1 + 2^-24 is halfway between two floats: a hair more rounds up, also beyond a double. */
    expect_values("1.000000059604644775390625\n1.0000000596046447753906250000000000000001\n", 2, 1,
                  (float[]){ 1, 0x1.000002p0f });
    expect_values("1e-45,1e-50,-0,3.4028235e38,16777217\n", 1, 5,
                  (float[]){ 0x1p-149f, 0, 0, 0x1.fffffep127f, 16777216 });
}

Test(table, reads_numbers_of_any_length)
{
    static char text[600000];
    const int zeros = 250000;
    const int start = snprintf(text, sizeof text, "0.%0*d1e%d,1%0*d", zeros, 0, zeros + 1, zeros, 0);
    snprintf(text + start, sizeof text - (size_t)start, "e-%d,1e-99999999999999999999\n", zeros);
    expect_values(text, 1, 3, (float[]){ 1, 1, 0 });
    snprintf(text, sizeof text, "1.000000059604644775390625%0200000d1\n", 0);
    expect_values(text, 1, 1, (float[]){ 0x1.000002p0f });
}

Test(table, does_not_depend_on_the_locale)
{
    if (!speak_german(directory)) skip("no German locale");
    expect_values("0.5,1.25e1\n", 1, 2, (float[]){ 0.5f, 12.5f });
    expect_error("1;5\n", "t.csv:1:1: expected a number, found \"1;5\""
                          " (a line of column names must begin with '#')");
}

Test(table, names_file_line_and_column_of_a_bad_number)
{
    expect_error("1,2,3\n4,55,x\n", "t.csv:2:6: expected a number, found \"x\"");
    expect_error("1\n0x10\n", "t.csv:2:1: expected a number, found \"0x10\"");
    expect_error("1\n1.2.3\n", "t.csv:2:1: expected a number, found \"1.2.3\"");
    expect_error("1\n1e\n", "t.csv:2:1: expected a number, found \"1e\"");
    expect_error("1\n.\n", "t.csv:2:1: expected a number, found \".\"");
    expect_error("1\n  1 2\n", "t.csv:2:3: expected a number, found \"1 2\"");
    expect_error("1\n1\r2\n", "t.csv:2:1: expected a number, found \"1\\x0d2\"");
}

Test(table, refuses_what_other_languages_call_numbers)
{
    static const char *const numbers[] = {
        "1_000",
        "0x1p3",
        "1f",
        "1.5L",
        "1d0",
        "0b1",
        "+-1",
        "--1",
        "1e+",
        "1e1.5",
        "1e5e5",
        "e5",
        "+",
        "-",
        "1,5 6",
        "\xd9\xa1",
        "1\v",
        "1\f",
        "1\r\r",
        "\xc2\xa0"
        "1",
        "1\xc2\xa0",
        "\xef\xbc\x91",
        "true",
        "NULL",
        "1.#INF",
        "NA",
        "1e\xe2\x88\x92"
        "5",
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char text[40];
        snprintf(text, sizeof text, "1\n%s\n", numbers[i]);
        reel_table *table = load(text);
        const char *error = reel_table_error(table);
        cr_expect(error && strncmp(error, "t.csv:2:", 8) == 0, "%s: %s", numbers[i], error ? error : "accepted");
        reel_table_free(table);
    }
}

Test(table, refuses_a_byte_order_mark_that_does_not_begin_the_file)
{
    expect_error("1\n\xef\xbb\xbf"
                 "2\n",
                 "t.csv:2:1: a byte order mark; only a file may begin with one");
    expect_error("1,\xef\xbb\xbf"
                 "2\n",
                 "t.csv:1:3: a byte order mark; only a file may begin with one");
    expect_error("\xef\xbb\xbf\xef\xbb\xbf"
                 "1\n",
                 "t.csv:1:1: a byte order mark; only a file may begin with one");
    expect_error("\xef\xbb\xbf", "t.csv: no rows");
    expect_error("\xef\xbb"
                 "1\n",
                 "t.csv:1:1: expected a number, found \"\\xef\\xbb1\""
                 " (a line of column names must begin with '#')");
}

Test(table, reads_exponents_that_no_integer_holds)
{
    expect_values("1e-2147483649,1e-4294967296,1e-9223372036854775809,1e-18446744073709551616,0e99999999999999999999\n",
                  1, 5, (float[]){ 0, 0, 0, 0, 0 });
    expect_values("1e0000000000000000000000000002,1e-0000000000000000000000000002\n", 1, 2, (float[]){ 100, 0.01f });
    expect_error("1e2147483648\n", "t.csv:1:1: number outside the range of a float: \"1e2147483648\"");
    expect_error("1e4294967296\n", "t.csv:1:1: number outside the range of a float: \"1e4294967296\"");
    expect_error("1e18446744073709551616\n",
                 "t.csv:1:1: number outside the range of a float: \"1e18446744073709551616\"");
}

Test(table, does_not_depend_on_the_rounding_of_the_caller)
{
    static const int modes[] = { FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };
    for (int i = 0; i < 3; i++) {
        fesetround(modes[i]);
        reel_table *table = load("0.1,-0.1,1e-45,16777217\n");
        const int after = fegetround();
        fesetround(FE_TONEAREST);
        const float *row = reel_table_row(table, 0);
        cr_expect(row && row[0] == 0.1f && row[1] == -0.1f && row[2] == 0x1p-149f && row[3] == 16777216);
        cr_expect_eq(after, modes[i]);
        reel_table_free(table);
    }
}

Test(table, is_read_through_interruptions)
{
    interrupting = true;
    expect_values("1,2\n3,4\n", 2, 2, (float[]){ 1, 2, 3, 4 });
}

Test(table, reads_lines_across_the_blocks_in_which_a_file_is_read)
{
    static char text[300000];
    for (int length = 65530; length < 65545; length++) { /* a block has 65,536 bytes */
        memset(text, ' ', sizeof text);
        text[0] = '1', text[length - 2] = '2', text[1] = ',';
        snprintf(text + length - 1, 40, "%s", "\n3,4\r\n5,6");
        expect_values(text, 3, 2, (float[]){ 1, 2, 3, 4, 5, 6 });
    }
}

Test(table, quotes_what_it_found_in_printable_ascii_and_cuts_it)
{
    expect_error("1\n\"\\\xc3\xa4\"\n", "t.csv:2:1: expected a number, found \"\\\"\\\\\\xc3\\xa4\\\"\"");
    expect_error("1\nabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\n",
                 "t.csv:2:1: expected a number, found \"abcdefghijklmnopqrstuvwxyzabcdef...\"");
}

Test(table, explains_a_line_of_column_names)
{
    expect_error("YEAR,SUN\n1700,5\n", "t.csv:1:1: expected a number, found \"YEAR\""
                                       " (a line of column names must begin with '#')");
}

Test(table, refuses_what_is_not_finite)
{
    expect_error("1,nan\n", "t.csv:1:3: expected a finite number, found \"nan\"");
    expect_error("1,-Inf\n", "t.csv:1:3: expected a finite number, found \"-Inf\"");
    expect_error("1,3.5e38\n", "t.csv:1:3: number outside the range of a float: \"3.5e38\"");
    expect_error("-1e999999999999999999999\n",
                 "t.csv:1:1: number outside the range of a float: \"-1e999999999999999999999\"");
}

Test(table, refuses_missing_values)
{
    expect_error("1,,3\n", "t.csv:1:3: expected a number, found an empty field");
    expect_error(",2\n", "t.csv:1:1: expected a number, found an empty field");
    expect_error("1,2,\n", "t.csv:1:5: expected a number after the comma");
}

Test(table, refuses_rows_of_another_length)
{
    expect_error("#\n1,2,3\n4,5\n", "t.csv:3: 2 columns, expected 3 as in line 2");
    expect_error("1,2\n3", "t.csv:2: 1 column, expected 2 as in line 1");
    expect_error("1\n2,3\n", "t.csv:2: 2 columns, expected 1 as in line 1");
}

Test(table, refuses_what_is_no_table)
{
    expect_error("", "t.csv: no rows");
    expect_error("# only a comment\n\n", "t.csv: no rows");
    write_file("nul.csv", "1\n2\0\n", 5);
    reel_table *nul = reel_table_load("nul.csv"), *missing = reel_table_load("missing.csv");
    reel_table *folder = reel_table_load("."), *nowhere = reel_table_load(NULL);
    reel_table *memory = reel_table_load("/proc/self/mem");
    cr_expect_str_eq(reel_table_error(nul), "nul.csv:2:2: a NUL byte; not a text file");
    cr_expect_str_eq(reel_table_error(missing), "missing.csv: cannot open: No such file or directory");
    cr_expect_str_eq(reel_table_error(folder), ".: is a directory");
    cr_expect_str_eq(reel_table_error(nowhere), "(no path): cannot open");
    cr_expect_str_eq(reel_table_error(memory), "/proc/self/mem: cannot read: Input/output error");
    reel_table *tables[] = { nul, missing, folder, nowhere, memory, NULL };
    for (int i = 0; i < 6; i++) reel_table_free(tables[i]);
}

Test(table, has_limits)
{
    static char text[(1 << 20) + 8];
    memset(text, '#', 1 << 20);
    memcpy(text + (1 << 20), "\n1\n", 4);
    expect_values(text, 1, 1, (float[]){ 1 });
    memcpy(text + (1 << 20), "#\n1\n", 5);
    expect_error(text, "t.csv:1: line longer than 1 MiB");
    for (int i = 0; i < 65536; i++) memcpy(text + 2 * i, "1,", 3);
    text[2 * 65536 - 1] = 0;
    reel_table *widest = load(text);
    cr_expect_eq(reel_table_columns(widest), 65536);
    reel_table_free(widest);
    memcpy(text + 2 * 65536 - 1, ",1", 3);
    expect_error(text, "t.csv:1: more than 65536 columns");
}

Test(table, shortens_long_paths_in_messages)
{
    char path[3001];
    memset(path, 'x', 3000);
    path[3000] = 0;
    reel_table *table = reel_table_load(path);
    cr_expect_eq(strncmp(reel_table_error(table), "...xxx", 6), 0);
    cr_expect(strstr(reel_table_error(table), "x: cannot open: File name too long"));
    reel_table_free(table);
}

Test(table, keeps_no_memory_and_no_file_after_errors)
{
    if (under_sanitizer()) skip("needs a limit on memory");
    FILE *file = fopen("bad.csv", "w");
    for (int i = 0; i < 60000; i++) fputs("1\n", file);
    fputs("x\n", file);
    fclose(file);
    limit_memory(8 << 20);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 40, 40 }), 0);
    for (int i = 0; i < 100; i++) {
        reel_table *table = reel_table_load("bad.csv"), *folder = reel_table_load(".");
        const char *error = reel_table_error(table);
        cr_assert_str_eq(error, "bad.csv:60001:1: expected a number, found \"x\"");
        cr_assert_str_eq(reel_table_error(folder), ".: is a directory");
        reel_table_free(table);
        reel_table_free(folder);
    }
    unlimit_memory();
}

Test(table, running_out_of_memory_is_an_error)
{
    if (under_sanitizer()) skip("needs a limit on memory");
    FILE *file = fopen("big.csv", "w");
    for (int i = 0; i < 3000000; i++) fputs("1\n", file);
    fclose(file);
    limit_memory(8 << 20);
    reel_table *table = reel_table_load("big.csv");
    unlimit_memory();
    cr_expect_str_eq(reel_table_error(table), "big.csv: out of memory");
    reel_table_free(table);
}

Test(table, without_any_memory_there_is_still_a_table_and_a_progress)
{
    if (under_sanitizer()) skip("needs a limit on memory");
    limit_memory(0);
    void **blocks = NULL; /* a list of all that is left */
    for (size_t size = 1 << 20; size >= sizeof *blocks; size /= 2)
        for (void **block; (block = malloc(size)); blocks = block) *block = (void *)blocks;
    reel_table *table = reel_table_load("t.csv");
    reel_progress *progress = reel_progress_new((reel_progress_options){ .epochs = 1 });
    const char *error = reel_table_error(table);
    reel_progress_batch(progress, 1, 1, 1);
    reel_progress_epoch(progress);
    const double loss = reel_progress_loss(progress);
    const reel_status status = reel_progress_write_svg(progress, "out.svg", "");
    reel_progress_free(progress);
    reel_table_free(table);
    for (void **next; blocks; blocks = next) next = (void **)*blocks, free(blocks);
    unlimit_memory();
    cr_expect_str_eq(error, "out of memory");
    cr_expect(isnan(loss) && status == REEL_OUT_OF_MEMORY);
}

/* Either an error or a whole table of finite numbers. The file is written over in place, which takes a tenth of the time
 * of a new one. */
static void load_anything(const char *bytes, size_t size)
{
    static int file = -1;
    if (file < 0) file = open("any.csv", O_RDWR | O_CREAT, 0666);
    cr_assert(pwrite(file, bytes, size, 0) == (ssize_t)size && ftruncate(file, (off_t)size) == 0);
    reel_table *table = reel_table_load("any.csv");
    const int64_t rows = reel_table_rows(table), columns = reel_table_columns(table);
    cr_assert_eq(reel_table_error(table) == NULL, rows > 0 && columns > 0);
    for (int64_t i = 0; i < rows * columns; i++) cr_assert(isfinite(reel_table_row(table, i / columns)[i % columns]));
    reel_table_free(table);
}

Test(table, survives_every_truncation_and_every_changed_byte)
{
    const char valid[] = "\xef\xbb\xbf# x, y\r\n1,-2.5e3\r\n .5 ,+7E-2\n\n1e38,0\n";
    const size_t size = sizeof valid - 1;
    char bytes[sizeof valid];
    for (size_t i = 0; i <= size; i++) load_anything(valid, i);
    for (size_t i = 0; i < size; i++) {
        memcpy(bytes, valid, size);
        for (int c = 0; c < 256; c++) {
            bytes[i] = (char)c;
            load_anything(bytes, size);
        }
    }
}

Test(shuffle, generator_gives_the_known_answers)
{
    uint32_t zero[4] = { 0 };
    uint32_t pi[4] = { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 };
    const uint32_t of_zero[4] = { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 };
    const uint32_t of_pi[4] = { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 };
    philox4x32_10(zero, 0, 0);
    philox4x32_10(pi, 0xa4093822, 0x299f31d0);
    cr_expect_eq(memcmp(zero, of_zero, sizeof zero), 0);
    cr_expect_eq(memcmp(pi, of_pi, sizeof pi), 0);
}

Test(shuffle, multiplies_with_all_carries)
{
    cr_expect_eq(multiply_high(UINT64_MAX, UINT64_MAX), UINT64_MAX - 1);
    cr_expect_eq(multiply_high(UINT64_C(0xFFFFFFFF00000000), UINT64_C(0x00000001FFFFFFFF)),
                 UINT64_C(0x00000001FFFFFFFD));
    cr_expect_eq(multiply_high(UINT64_C(0x00000001FFFFFFFF), UINT64_C(0xFFFFFFFF00000000)),
                 UINT64_C(0x00000001FFFFFFFD));
}

Test(shuffle, is_the_same_everywhere)
{
    /* Computed by an independent program. */
    const int64_t one[] = { 5, 8, 11, 10, 0, 3, 2, 7, 9, 4, 6, 1 };
    const int64_t two[] = { 3, 5, 11, 6, 2, 4, 9, 7, 10, 0, 1, 8 };
    int64_t order[12];
    reel_shuffle(order, 12, 7, 3);
    cr_expect_eq(memcmp(order, one, sizeof order), 0);
    reel_shuffle(order, 12, (UINT64_C(1) << 63) + 5, (UINT64_C(1) << 40) + 1);
    cr_expect_eq(memcmp(order, two, sizeof order), 0);
}

Test(shuffle, gives_every_number_once)
{
    enum { COUNT = 10007 };
    static int64_t order[COUNT];
    static bool seen[COUNT];
    reel_shuffle(order, COUNT, 1, 2);
    for (int i = 0; i < COUNT; i++) {
        cr_assert(order[i] >= 0 && order[i] < COUNT && !seen[order[i]]);
        seen[order[i]] = true;
    }
    reel_shuffle(NULL, 0, 1, 2);
    reel_shuffle(order, 1, 1, 2);
    cr_expect_eq(order[0], 0);
}

Test(shuffle, differs_between_seeds_and_epochs)
{
    int64_t first[64], epoch[64], seed[64];
    reel_shuffle(first, 64, 1, 1);
    reel_shuffle(epoch, 64, 1, 2);
    reel_shuffle(seed, 64, 2, 1);
    cr_expect(memcmp(first, epoch, sizeof first) && memcmp(first, seed, sizeof first) &&
              memcmp(epoch, seed, sizeof epoch));
}

Test(shuffle, gives_every_permutation_equally_often)
{
    enum { EACH = 1000 };
    int found[256] = { 0 }, kinds = 0;
    double chi_squared = 0;
    for (uint64_t epoch = 0; epoch < 24 * EACH; epoch++) {
        int64_t order[4];
        reel_shuffle(order, 4, 42, epoch);
        found[order[0] | order[1] << 2 | order[2] << 4 | order[3] << 6]++;
    }
    for (int i = 0; i < 256; i++) {
        kinds += found[i] > 0;
        if (found[i] > 0) chi_squared += pow(found[i] - EACH, 2) / EACH;
    }
    cr_expect_eq(kinds, 24);
    cr_expect_lt(chi_squared, 49.7); /* of 23 degrees of freedom, one in a thousand is larger */
}

/* Trains for some epochs of two batches, with loss 1/epoch; returns what was printed to a file. */
static char *print_training(int epochs, reel_progress_options options)
{
    FILE *file = fopen("printed", "w");
    options.file = file;
    reel_progress *progress = reel_progress_new(options);
    for (int epoch = 1; epoch <= epochs; epoch++) {
        reel_progress_batch(progress, 30, 0.5 / epoch, 0.25);
        reel_progress_batch(progress, 10, 2.5 / epoch, 0.75);
        reel_progress_epoch(progress);
    }
    reel_progress_free(progress);
    fclose(file);
    return read_file("printed");
}

static int count_of(const char *text, char c)
{
    int count = 0;
    for (; *text; text++) count += *text == c;
    return count;
}

Test(progress, gives_means_over_samples)
{
    reel_progress *progress = reel_progress_new((reel_progress_options){ .quiet = true });
    cr_expect(isnan(reel_progress_loss(progress)));
    reel_progress_batch(progress, 30, 1, (double)NAN);
    reel_progress_batch(progress, 10, 3, (double)NAN);
    cr_expect(isnan(reel_progress_loss(progress)));
    reel_progress_epoch(progress);
    cr_expect_eq(reel_progress_loss(progress), 1.5);
    reel_progress_batch(progress, 10, 4, (double)NAN);
    reel_progress_epoch(progress);
    cr_expect_eq(reel_progress_loss(progress), 4);
    reel_progress_free(progress);
}

Test(progress, prints_one_plain_line_an_epoch_where_there_is_no_terminal)
{
    const char *line = print_training(30, (reel_progress_options){ .epochs = 30, .samples = 40 });
    cr_expect_eq(count_of(line, '\n'), 30);
    cr_expect(!strchr(line, '\r') && !strchr(line, '\033'));
    for (int epoch = 1; epoch <= 30; epoch++, line = strchr(line, '\n') + 1) {
        char start[80], rest[80];
        const char *loss[] = { "1.000", "0.5000", "0.3333" };
        snprintf(start, sizeof start, "epoch %2d/30  loss %s  accuracy 37.5%%  ", epoch,
                 epoch <= 3 ? loss[epoch - 1] : "");
        cr_expect_eq(strncmp(line, start, epoch <= 3 ? strlen(start) : 18), 0, "%.60s", line);
        double rate = 0;
        cr_expect(sscanf(strchr(line, '%') + 1, " %lf %79[^\n]", &rate, rest) == 2 && rate > 0);
        cr_expect_str_eq(rest, "samples/s");
    }
}

Test(progress, prints_about_fifty_of_many_epochs_with_the_first_and_the_last)
{
    const int cases[][2] = { { 50, 50 }, { 51, 51 }, { 97, 51 }, { 1000, 51 } };
    for (int i = 0; i < 4; i++) {
        const int epochs = cases[i][0];
        const char *text = print_training(epochs, (reel_progress_options){ .epochs = epochs });
        char last[40];
        snprintf(last, sizeof last, "epoch %d/%d ", epochs, epochs);
        cr_expect_eq(count_of(text, '\n'), cases[i][1], "%d epochs", epochs);
        cr_expect(strstr(text, last) && strstr(text, " 1/"));
    }
    const char *text = print_training(3, (reel_progress_options){ .samples = 0 });
    cr_expect(strstr(text, "epoch 3  loss 0.3333  "), "an unknown number of epochs");
}

Test(progress, prints_nothing_when_quiet)
{
    cr_expect_str_eq(print_training(5, (reel_progress_options){ .epochs = 5, .quiet = true }), "");
}

Test(progress, reads_options_of_an_older_and_a_newer_size)
{
    struct {
        reel_progress_options known;
        char more[1024];
    } newer = { .known = { .epochs = 1, .quiet = true } };
    cr_assert(freopen("printed", "w", stderr));
    reel_progress *large = reel_progress_new_sized(&newer.known, sizeof newer);
    reel_progress_epoch(large);
    cr_expect(isnan(reel_progress_loss(large)), "an epoch without samples has no loss");
    reel_progress_free(large);
    cr_expect_str_eq(read_file("printed"), "");
    reel_progress *small = reel_progress_new_sized(&newer.known, offsetof(reel_progress_options, quiet));
    reel_progress_epoch(small);
    reel_progress_free(small);
    reel_progress_free(NULL);
    cr_expect_str_eq(read_file("printed"), "epoch 1/1  loss nan\n");
}

/* Opens a pseudo-terminal of this width and its file; hang_up() returns what was printed there. */
static int open_terminal(unsigned short width, FILE **file)
{
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    const bool made = master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0;
    const int slave = made ? open(ptsname(master), O_RDWR | O_NOCTTY) : -1;
    if (slave < 0) skip("no pseudo-terminals");
    *file = fdopen(slave, "w");
    cr_assert(*file && ioctl(master, TIOCSWINSZ, &(struct winsize){ .ws_col = width }) == 0);
    return master;
}

static char *hang_up(int master, FILE *file)
{
    static char text[1 << 16];
    size_t length = 0;
    fcntl(master, F_SETFL, O_NONBLOCK);
    for (ssize_t got; (got = read(master, text + length, sizeof text - 1 - length)) > 0;) length += (size_t)got;
    text[length] = 0;
    fclose(file);
    close(master);
    return text;
}

static void train_batch(reel_progress *progress, double loss, int64_t *samples)
{
    reel_progress_batch(progress, 64, loss, 0.951);
    *samples += 64;
}

/* Trains an epoch for at least some seconds and another for a moment; returns what was drawn. */
static char *draw_training(unsigned short width, double seconds, int64_t *samples)
{
    FILE *file;
    const int master = open_terminal(width, &file);
    reel_progress *progress =
        reel_progress_new((reel_progress_options){ .epochs = 2, .samples = 1000000000, .file = file });
    struct timespec begin, end;
    *samples = 0;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        for (int i = 0; i < 100; i++) train_batch(progress, 0.00001234, samples);
        clock_gettime(CLOCK_MONOTONIC, &end);
    } while ((double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec) < seconds);
    reel_progress_epoch(progress);
    train_batch(progress, 1, samples);
    reel_progress_epoch(progress);
    reel_progress_free(progress);
    return hang_up(master, file);
}

static void be_plain(void)
{
    setenv("NO_COLOR", "1", 1);
    setenv("LC_ALL", "C", 1);
}

Test(progress, redraws_one_line_on_a_terminal_at_most_ten_times_a_second)
{
    int64_t samples;
    be_plain();
    const char *text = draw_training(100, 0.55, &samples);
    cr_expect_eq(count_of(text, '\n'), 1);
    cr_expect_eq(text[strlen(text) - 1], '\n');
    const int lines = count_of(text, '\r') - 1;             /* the terminal makes "\r\n" of the last "\n" */
    cr_expect(lines >= 3 && lines <= 8, "%d lines", lines); /* in 0.55 s, and the last */
    cr_expect(strstr(text, "\repoch 1/2 ---"), "a bar, in ASCII for this locale");
    cr_expect(strstr(text, "  loss 1.234e-05  accuracy 95.1%  "));
    cr_expect(strstr(text, " samples/s  ETA "));
    cr_expect(!strchr(text, '\033'), "NO_COLOR");
}

Test(progress, leaves_the_means_of_the_last_epoch_and_the_rate_of_all)
{
    int64_t samples;
    double rate = 0;
    char end[40] = "";
    be_plain();
    const char *text = draw_training(100, 0.55, &samples), *line = strstr(text, "\repoch 2/2 #########");
    cr_assert(line);
    cr_expect(strstr(line, "#  loss 1.000  accuracy 95.1%  "), "and a full bar");
    cr_assert_eq(sscanf(strchr(line, '%') + 1, "%lf samples/s  in%39[^\r]", &rate, end), 2);
    cr_expect(rate > 0.4 * (double)samples / 0.55 && rate <= (double)samples / 0.55);
    cr_expect_eq(strncmp(end, " 0:0", 4), 0);
    size_t longest = 0;
    for (const char *p = text; p < line; p += strcspn(p, "\r") + 1)
        if (strcspn(p, "\r") > longest) longest = strcspn(p, "\r");
    cr_expect(strcspn(line + 1, "\r") >= longest, "a longer line before is overwritten");
}

Test(progress, ends_its_line_when_a_training_stops_early)
{
    FILE *file;
    const int master = open_terminal(80, &file);
    reel_progress *progress = reel_progress_new((reel_progress_options){ .epochs = 2, .file = file });
    reel_progress_batch(progress, 1, 1, 1);
    reel_progress_free(progress);
    const char *text = hang_up(master, file);
    cr_expect(strlen(text) > 2 && text[strlen(text) - 1] == '\n');
}

Test(progress, is_quiet_on_terminals_too)
{
    FILE *file;
    const int master = open_terminal(80, &file);
    reel_progress *progress = reel_progress_new((reel_progress_options){ .epochs = 1, .quiet = true, .file = file });
    reel_progress_batch(progress, 1, 1, 1);
    reel_progress_epoch(progress);
    reel_progress_free(progress);
    cr_expect_str_eq(hang_up(master, file), "");
}

Test(progress, has_colour_on_terminals_unless_told_otherwise)
{
    int64_t samples;
    setenv("TERM", "xterm", 1);
    setenv("NO_COLOR", "", 1); /* as no-color.org has it, an empty value does not count */
    setenv("LC_ALL", "de_DE.UTF-8", 1);
    cr_expect(strstr(draw_training(100, 0, &samples), "\033[36m\u2501"));
    setenv("TERM", "dumb", 1);
    cr_expect(!strchr(draw_training(100, 0, &samples), '\033'));
}

Test(progress, never_draws_to_the_end_of_a_terminals_line)
{
    int64_t samples;
    be_plain();
    for (unsigned short width = 1; width < 120; width++) {
        const char *line = draw_training(width, 0, &samples) + 1;
        for (size_t length; *line && *line != '\n'; line += length + 1) {
            length = strcspn(line, "\r");
            cr_expect_lt(length, width, "%zu of %d columns", length, width);
        }
    }
}

Test(progress, frees_everything)
{
    if (under_sanitizer()) skip("needs a limit on memory");
    limit_memory(8 << 20);
    for (int i = 0; i < 50000; i++) {
        reel_progress *progress = reel_progress_new((reel_progress_options){ .quiet = true });
        reel_progress_batch(progress, 1, 1, 1);
        reel_progress_epoch(progress);
        if (i == 49999) cr_expect_eq(reel_progress_write_svg(progress, "x.svg", "T"), REEL_OK);
        reel_progress_free(progress);
    }
    unlimit_memory();
}

/* Writes the curve of these losses, and of accuracies unless NULL, as x.svg. */
static reel_status draw_curve(int count, const double *loss, const double *accuracy, const char *title)
{
    reel_progress *progress = reel_progress_new((reel_progress_options){ .quiet = true });
    for (int i = 0; i < count; i++) {
        reel_progress_batch(progress, 1, loss[i], accuracy ? accuracy[i] : (double)NAN);
        reel_progress_epoch(progress);
    }
    const reel_status status = reel_progress_write_svg(progress, "x.svg", title);
    reel_progress_free(progress);
    return status;
}

Test(progress, draws_loss_on_a_log_scale_when_it_spans_a_decade)
{
    draw_curve(3, (const double[]){ 1, 0.5, 0.2 }, NULL, "T");
    cr_expect(!strstr(read_file("x.svg"), "log scale"));
    draw_curve(3, (const double[]){ 1, 0.5, 0.05 }, NULL, "T");
    const char *text = read_file("x.svg");
    cr_expect(strstr(text, ">loss (log scale)<") && strstr(text, ">0.1<"));
    draw_curve(3, (const double[]){ 1, 0.5, 0 }, NULL, "T");
    cr_expect(!strstr(read_file("x.svg"), "log scale"), "0 has no logarithm");
}

Test(progress, draws_accuracy_in_per_cent_if_there_is_any)
{
    const double loss[] = { 1, 0.5 }, accuracy[] = { 0.1, 0.95 };
    draw_curve(2, loss, accuracy, "T");
    const char *text = read_file("x.svg");
    cr_expect(strstr(text, ">loss 0.5000<") && strstr(text, ">accuracy 95.0%<"));
    cr_expect(strstr(text, ">100%<"), "a tick");
    cr_expect(strstr(text, "width=\"600\" height=\"360\""));
    cr_expect(strstr(text, "prefers-color-scheme: dark"));
    draw_curve(2, loss, NULL, "T");
    cr_expect(!strstr(read_file("x.svg"), ">accuracy"));
}

Test(progress, draws_gaps_where_the_loss_is_not_finite)
{
    draw_curve(5, (const double[]){ 1, 2, (double)NAN, 1, (double)INFINITY }, NULL, "T");
    const char *curve = strstr(read_file("x.svg"), "<path class=\"curve loss\" d=\"M76");
    cr_assert(curve);
    char path[200];
    snprintf(path, sizeof path, "%.*s", (int)strcspn(curve, "\n"), curve);
    cr_expect(count_of(path, 'M') == 2 && count_of(path, 'L') == 1, "%s", path);
    cr_expect_eq(draw_curve(2, (const double[]){ (double)NAN, (double)NAN }, NULL, "T"), REEL_OK);
    cr_expect(!strstr(read_file("x.svg"), "<circle"));
}

Test(progress, draws_many_epochs_by_few_points_that_keep_every_spike)
{
    static double loss[100001];
    for (int i = 0; i <= 100000; i++) loss[i] = i == 77777 ? 9 : 1 + (i % 7) * 0.1;
    cr_expect_eq(draw_curve(100001, loss, NULL, "T"), REEL_OK);
    const char *text = read_file("x.svg");
    cr_expect(strlen(text) < 30000 && count_of(text, 'L') > 900);
    cr_expect(strstr(text, " 104.40L"), "9 of 0 ... 10"); /* 306 - 0.9 (306 - 82) */
    double before = 0, x = 0;
    for (const char *at = strstr(text, "curve loss\" d=\"M76.00"); (at = strchr(at, 'L')); at++) {
        cr_assert_eq(sscanf(at, "L%lf", &x), 1);
        cr_assert(x >= before, "points are in order");
        before = x;
    }
}

Test(progress, escapes_the_title)
{
    const double loss = 1;
    draw_curve(1, &loss, NULL, "a<b> & \"c\" 'd'\n\x01\xff\xed\xa0\x80 \xe0\x80\xaf \xc3\xbc \xe8\xae\xad");
    cr_expect(strstr(read_file("x.svg"), "<title>a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39; "
                                         "\ufffd\ufffd\ufffd\ufffd\ufffd \ufffd\ufffd\ufffd "
                                         "\xc3\xbc \xe8\xae\xad</title>"));
    char title[201] = "";
    memset(title, 'm', 200);
    draw_curve(1, &loss, NULL, title);
    const char *text = read_file("x.svg");
    cr_expect(strstr(text, "mmm\u2026</title>") && !strstr(text, title));
}

Test(progress, writes_the_same_curve_whatever_the_locale)
{
    const double loss[] = { 1, 0.5, 0.05 }, accuracy[] = { 0.123, 0.456, 0.789 };
    draw_curve(3, loss, accuracy, "T");
    char *english = strdup(read_file("x.svg"));
    if (!speak_german(directory)) skip("no German locale");
    draw_curve(3, loss, accuracy, "T");
    cr_expect_str_eq(read_file("x.svg"), english);
    free(english);
}

Test(progress, replaces_an_older_curve_whole_or_not_at_all)
{
    reel_progress *progress = reel_progress_new((reel_progress_options){ .quiet = true });
    struct stat about;
    write_file("old.svg", "old", 3);
    cr_expect_eq(reel_progress_write_svg(progress, "old.svg", NULL), REEL_OK);
    cr_expect(strstr(read_file("old.svg"), "no finished epochs"));
    cr_expect_eq(reel_progress_write_svg(progress, "missing/x.svg", "T"), REEL_BAD_FILE);
    cr_expect_eq(mkdir("folder", 0700), 0);
    cr_expect_eq(reel_progress_write_svg(progress, "folder", "T"), REEL_BAD_FILE);
    cr_expect_eq(reel_progress_write_svg(progress, NULL, "T"), REEL_BAD_ARGUMENT);
    cr_expect_eq(stat("folder", &about), 0);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 100, RLIM_INFINITY }), 0);
    write_file("older.svg", "old", 3);
    cr_expect_eq(reel_progress_write_svg(progress, "older.svg", "T"), REEL_BAD_FILE, "a full disk");
    cr_expect_str_eq(read_file("older.svg"), "old");
    cr_expect_eq(system("! ls | grep tmp"), 0, "a temporary file is left");
    reel_progress_free(progress);
}
