/* Data files: what reel/train.h promises of tables, each error message as text. Every test runs in a directory of its own,
 * so that messages can be compared whole. */
#define _XOPEN_SOURCE 700
#include <criterion/criterion.h>

#include <reel.h>

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

#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "files.h"
#include "support.h"

TestSuite(table, .init = enter_directory, .fini = leave_directory);

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
    if (!speak_german(test_directory)) leave_and_skip("no German locale");
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
    if (under_sanitizer()) leave_and_skip("needs a limit on memory");
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
    if (under_sanitizer()) leave_and_skip("needs a limit on memory");
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
    if (under_sanitizer()) leave_and_skip("needs a limit on memory");
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
