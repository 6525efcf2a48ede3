/* Tables of numbers from text files. A line is read at a time, its fields are checked against a
 * grammar and turned into floats without the locale; the first thing wrong becomes the error.
 * Accepted in addition to what the header says: spaces and tabs around numbers, blank lines (skipped),
 * CRLF, a last line without a newline, a UTF-8 byte order mark. Shuffling rows is in shuffle.c. */
#define _FILE_OFFSET_BITS 64
#include <reel.h>

#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 1 << 16, MAX_LINE = 1 << 20, MAX_COLUMNS = 1 << 16, MAX_MESSAGE = 1024, MAX_PATH_SHOWN = 600 };

struct reel_table {
    float *values; /* rows × columns */
    size_t count, capacity;
    int64_t rows, columns;
    int64_t first_line; /* the line of the first row, which set the number of columns */
    char error[MAX_MESSAGE];
};

/* What reel_table_load() returns when there is no memory for a table; never written or freed. */
static reel_table no_memory = { .error = "out of memory" };

typedef struct source {
    reel_table *table;
    const char *path;
    int file;     /* -1: not open */
    char *buffer; /* BUFFER bytes of the file, of which those from at to filled are still to be taken */
    size_t at, filled;
    char *line; /* MAX_LINE + 1 bytes, ended by a NUL */
    size_t length;
    int64_t number;
} source;

/* Records "path:line:column: message", which editors jump to, and returns false. The column is that
 * of a text, 1 for the first byte of the line; a line or column of 0 is left out. */
REEL_PRINTF(4, 5)
static bool fail(source *in, int64_t line, size_t column, const char *format, ...)
{
    const size_t path_length = strlen(in->path);
    const bool cut = path_length > MAX_PATH_SHOWN;
    const char *path = in->path + (cut ? path_length - MAX_PATH_SHOWN : 0);
    char *error = in->table->error;
    char position[50] = "";
    if (line > 0 && column > 0) snprintf(position, sizeof position, ":%lld:%zu", (long long)line, column);
    else if (line > 0) snprintf(position, sizeof position, ":%lld", (long long)line);
    const int used = snprintf(error, MAX_MESSAGE, "%s%s%s: ", cut ? "..." : "", path, position);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error + used, MAX_MESSAGE - (size_t)used, format, arguments);
    va_end(arguments);
    return false;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_space(char c) { return c == ' ' || c == '\t'; }

static const char *skip_sign(const char *at) { return at + (*at == '+' || *at == '-'); }

static const char *skip_digits(const char *at)
{
    while (is_digit(*at)) at++;
    return at;
}

/* Whether [at, end) is [+-]digits[.digits][e[+-]digits], digits before or after the point: no hexadecimal, nan, inf. What
 * ends a field is none of these characters. */
static bool is_number(const char *at, const char *end)
{
    at = skip_sign(at);
    const char *first = at, *point = skip_digits(at);
    at = *point == '.' ? skip_digits(point + 1) : point;
    if (at - first == (*point == '.')) return false;
    if (at < end && (*at == 'e' || *at == 'E')) {
        const char *exponent = skip_sign(at + 1);
        at = skip_digits(exponent);
        if (at == exponent) return false;
    }
    return at == end;
}

/* Copies the start of a field for a message: printable ASCII as it is, other bytes as \xNN. */
static void quote(char *quoted, size_t size, const char *at, const char *end)
{
    size_t used = 0;
    for (; at < end && used + 8 < size; at++) {
        const unsigned char c = (unsigned char)*at;
        const char *format = c < 32 || c > 126 ? "\\x%02x" : c == '"' || c == '\\' ? "\\%c" : "%c";
        used += (size_t)snprintf(quoted + used, size - used, format, c);
    }
    snprintf(quoted + used, size - used, "%s", at < end ? "..." : "");
}

static bool starts_with_word(const char *at, const char *end, const char *word)
{
    for (; *word; at++, word++)
        if (at == end || (*at != *word && *at != *word - 'a' + 'A')) return false;
    return true;
}

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static bool fail_field(source *in, const char *at, const char *end, bool last)
{
    const size_t column = (size_t)(at - in->line) + 1;
    if (at == end)
        return fail(in, in->number, column, "expected a number%s",
                    last ? " after the comma" : ", found an empty field");
    char text[40];
    quote(text, sizeof text, at, end);
    if (end - at >= 3 && memcmp(at, BYTE_ORDER_MARK, 3) == 0)
        return fail(in, in->number, column, "a byte order mark; only a file may begin with one");
    const char *word = at + (*at == '+' || *at == '-');
    if (starts_with_word(word, end, "nan") || starts_with_word(word, end, "inf"))
        return fail(in, in->number, column, "expected a finite number, found \"%s\"", text);
    const bool header = in->table->count == 0;
    return fail(in, in->number, column, "expected a number, found \"%s\"%s", text,
                header ? " (a line of column names must begin with '#')" : "");
}

static bool append(source *in, float value)
{
    reel_table *table = in->table;
    if (table->count == table->capacity) {
        const size_t capacity = table->capacity ? 2 * table->capacity : 256;
        const bool fits = table->capacity <= PTRDIFF_MAX / sizeof(float) / 2;
        float *values = fits ? realloc(table->values, capacity * sizeof(float)) : NULL;
        if (!values) return fail(in, 0, 0, "out of memory");
        table->values = values;
        table->capacity = capacity;
    }
    table->values[table->count++] = value;
    return true;
}

/* Reads the field [at, end) of the line; last is for the message of an empty one. */
static bool read_field(source *in, const char *at, const char *end, bool last)
{
    while (at < end && is_space(*at)) at++;
    while (end > at && is_space(end[-1])) end--;
    if (!is_number(at, end)) return fail_field(in, at, end, last);
    const float value = strtof(at, NULL); /* rounds once; for tiny numbers 0, for large ones infinity */
    if (isfinite(value)) return append(in, value);
    char text[40];
    quote(text, sizeof text, at, end);
    return fail(in, in->number, (size_t)(at - in->line) + 1, "number outside the range of a float: \"%s\"", text);
}

static bool end_row(source *in, int64_t columns)
{
    reel_table *table = in->table;
    if (table->rows == 0) {
        table->columns = columns;
        table->first_line = in->number;
    }
    if (columns != table->columns)
        return fail(in, in->number, 0, "%lld column%s, expected %lld as in line %lld", (long long)columns,
                    columns == 1 ? "" : "s", (long long)table->columns, (long long)table->first_line);
    table->rows++;
    return true;
}

static bool read_row(source *in)
{
    const char *at = in->line, *line_end = in->line + in->length;
    const char *nul = memchr(in->line, 0, in->length);
    if (nul) return fail(in, in->number, (size_t)(nul - in->line) + 1, "a NUL byte; not a text file");
    if (*at == '#' || at + strspn(at, " \t") == line_end) return true;
    for (int64_t columns = 1;; columns++) {
        if (columns > MAX_COLUMNS) return fail(in, in->number, 0, "more than %d columns", MAX_COLUMNS);
        const char *comma = memchr(at, ',', (size_t)(line_end - at));
        if (!read_field(in, at, comma ? comma : line_end, !comma)) return false;
        if (!comma) return end_row(in, columns);
        at = comma + 1;
    }
}

/* Takes more of the file; false at its end and on errors. */
static bool fill(source *in)
{
    ssize_t size;
    do size = read(in->file, in->buffer, BUFFER);
    while (size < 0 && errno == EINTR);
    if (size < 0) fail(in, 0, 0, "cannot read: %s", strerror(errno));
    in->at = 0, in->filled = size > 0 ? (size_t)size : 0;
    return size > 0;
}

/* Copies what is left of a line; false at the end of the file and on errors. */
static bool take_line(source *in)
{
    in->length = 0;
    while (in->at < in->filled || fill(in)) {
        const char *from = in->buffer + in->at, *end = memchr(from, '\n', in->filled - in->at);
        const size_t size = end ? (size_t)(end - from) : in->filled - in->at;
        if (size > MAX_LINE - in->length) return fail(in, in->number, 0, "line longer than 1 MiB");
        memcpy(in->line + in->length, from, size);
        in->length += size;
        in->at += size + (end != NULL);
        if (end) return true;
    }
    return in->length > 0 && !in->table->error[0]; /* a last line without an end */
}

/* Reads a line, without its end; false at the end of the file and on errors. */
static bool read_line(source *in)
{
    in->number++;
    if (!take_line(in)) return false;
    if (in->length > 0 && in->line[in->length - 1] == '\r') in->length--;
    if (in->number == 1 && in->length >= 3 && memcmp(in->line, BYTE_ORDER_MARK, 3) == 0) {
        in->length -= 3;
        memmove(in->line, in->line + 3, in->length);
    }
    in->line[in->length] = 0;
    return true;
}

/* Pipes would wait, or seem to be empty before their writer has begun; a device may do something when it is opened. */
static bool is_file(source *in, mode_t mode)
{
    const char *what = S_ISDIR(mode)                    ? "a directory"
                       : S_ISFIFO(mode)                 ? "a pipe, no regular file"
                       : S_ISSOCK(mode)                 ? "a socket, no regular file"
                       : S_ISCHR(mode) || S_ISBLK(mode) ? "a device, no regular file"
                                                        : NULL;
    return !what || fail(in, 0, 0, "is %s", what);
}

static bool open_file(source *in)
{
    struct stat about;
    if (stat(in->path, &about) == 0 && !is_file(in, about.st_mode)) return false;
    do in->file = open(in->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    while (in->file < 0 && errno == EINTR);
    if (in->file < 0) return fail(in, 0, 0, "cannot open: %s", strerror(errno));
    if (fstat(in->file, &about) == 0 && !is_file(in, about.st_mode)) return false;
    in->buffer = malloc(BUFFER);
    in->line = malloc(MAX_LINE + 1);
    return in->buffer && in->line ? true : fail(in, 0, 0, "out of memory");
}

reel_table *reel_table_load(const char *path)
{
    reel_table *table = calloc(1, sizeof *table);
    if (!table) return &no_memory;
    source in = { .table = table, .path = path ? path : "(no path)", .file = -1 };
    const int rounding = fegetround(); /* numbers are rounded to the nearest, whatever the caller's own are, */
    fesetround(FE_TONEAREST);
    const locale_t plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0); /* and their decimal point is '.' */
    const locale_t before = plain ? uselocale(plain) : (locale_t)0;
    if (!plain) fail(&in, 0, 0, "out of memory");
    else if (!path) fail(&in, 0, 0, "cannot open");
    else if (open_file(&in)) {
        while (read_line(&in) && read_row(&in)) continue;
        if (table->rows == 0 && !table->error[0]) fail(&in, 0, 0, "no rows");
    }
    if (plain) uselocale(before), freelocale(plain);
    fesetround(rounding);
    if (in.file >= 0) close(in.file);
    free(in.buffer);
    free(in.line);
    if (table->error[0]) {
        free(table->values);
        table->values = NULL;
        table->rows = table->columns = 0;
    }
    return table;
}

void reel_table_free(reel_table *table)
{
    if (!table || table == &no_memory) return;
    free(table->values);
    free(table);
}

const char *reel_table_error(const reel_table *table)
{
    if (!table) return "no table";
    return table->error[0] ? table->error : NULL;
}

int64_t reel_table_rows(const reel_table *table) { return table ? table->rows : 0; }

int64_t reel_table_columns(const reel_table *table) { return table ? table->columns : 0; }

const float *reel_table_row(const reel_table *table, int64_t row)
{
    if (!table || row < 0 || row >= table->rows) return NULL;
    return table->values + row * table->columns;
}
