/* What the digits example needs besides its network and loop: settings from the command line, the two sets of samples,
 * and messages. */
#ifndef DIGITS_H
#define DIGITS_H

#include <errno.h>
#include <getopt.h>
#include <reel.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct settings {
    bool modern, quiet;
    uint64_t seed;
    int64_t epochs, batch;
    int threads;
    double rate, momentum;
    const char *data, *out;
} settings;

typedef struct samples {
    int64_t count;
    float *pixels;  /* [count, 64], 0 … 1 */
    int32_t *digit; /* [count] */
    int64_t *order; /* in which they are visited */
    float *batch;   /* room for one batch of either */
    int32_t *batch_digit;
} samples;

static bool complain(const char *format, ...) REEL_PRINTF(1, 2);

static bool complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "digits: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    return false;
}

static const char *out_path(const settings *s, const char *file, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", s->out, file);
    return path;
}

static void usage(void)
{
    puts(
        "usage: digits [options]\n"
        "  --network NAME   seed: 64-100-10, sigmoid, squared error; modern: 64-128-64-10, ReLU, cross-entropy (modern)\n"
        "  --seed N         of the initial values and the order of the samples (1)\n"
        "  --epochs N       passes over the training samples (seed: 60, modern: 30)\n"
        "  --batch N        samples in a step; 1 is sample by sample (seed: 10, modern: 32)\n"
        "  --rate X         learning rate (seed: 5, or 1 sample by sample; modern: 0.05)\n"
        "  --threads N      at most so many; the result is the same (0: all)\n"
        "  --data FILE      the samples (" DIGITS_DATA ")\n"
        "  --out DIR        where the curve, the graph and the parameters go (.)\n"
        "  --quiet          no progress");
}

static bool read_number(const char *option, const char *text, double low, double high, double *value)
{
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    if (end != text && !*end && !errno && *value >= low && *value <= high) return true;
    return complain("--%s: \"%s\" is not a number from %g to %g", option, text, low, high);
}

/* −1: go on; otherwise the exit code. */
static int read_settings(int argc, char **argv, settings *s)
{
    static const struct option options[] = {
        { "network", 1, NULL, 'n' }, { "seed", 1, NULL, 's' },    { "epochs", 1, NULL, 'e' }, { "batch", 1, NULL, 'b' },
        { "rate", 1, NULL, 'r' },    { "threads", 1, NULL, 't' }, { "data", 1, NULL, 'd' },   { "out", 1, NULL, 'o' },
        { "quiet", 0, NULL, 'q' },   { "help", 0, NULL, 'h' },    { NULL, 0, NULL, 0 },
    };
    double seed = 1, epochs = 0, batch = 0, rate = 0, threads = 0;
    bool good = true;
    *s = (settings){ .modern = true, .data = DIGITS_DATA, .out = "." };
    for (int c, i = 0; good && (c = getopt_long(argc, argv, "", options, &i)) != -1;) {
        if (c == 'n') {
            s->modern = strcmp(optarg, "seed") != 0;
            if (s->modern && strcmp(optarg, "modern") != 0)
                good = complain("--network: \"%s\" is neither seed nor modern", optarg);
        } else if (c == 's') good = read_number("seed", optarg, 0, 1e15, &seed);
        else if (c == 'e') good = read_number("epochs", optarg, 1, 1e6, &epochs);
        else if (c == 'b') good = read_number("batch", optarg, 1, 1e6, &batch);
        else if (c == 'r') good = read_number("rate", optarg, 1e-9, 1e6, &rate);
        else if (c == 't') good = read_number("threads", optarg, 0, 1024, &threads);
        else if (c == 'd') s->data = optarg;
        else if (c == 'o') s->out = optarg;
        else if (c == 'q') s->quiet = true;
        else if (c == 'h') return usage(), 0;
        else good = false;
    }
    if (good && optind < argc) good = complain("what is \"%s\"? (--help lists the options)", argv[optind]);
    if (good && mkdir(s->out, 0777) != 0 && errno != EEXIST)
        good = complain("cannot make %s: %s", s->out, strerror(errno));
    s->seed = (uint64_t)seed, s->threads = (int)threads;
    s->epochs = epochs != 0 ? (int64_t)epochs : s->modern ? 30 : 60;
    s->batch = batch != 0 ? (int64_t)batch : s->modern ? 32 : 10;
    s->rate = rate != 0 ? rate : s->modern ? 0.05 : s->batch == 1 ? 1 : 5;
    s->momentum = s->modern ? 0.9 : 0;
    return good ? -1 : 2;
}

static bool make_samples(samples *set, int64_t count)
{
    size_t n = (size_t)count;
    *set = (samples){ .count = 0,
                      .pixels = malloc(n * 64 * sizeof(float)),
                      .digit = malloc(n * sizeof(int32_t)),
                      .order = malloc(n * sizeof(int64_t)),
                      .batch = malloc(n * 64 * sizeof(float)),
                      .batch_digit = malloc(n * sizeof(int32_t)) };
    return set->pixels && set->digit && set->order && set->batch && set->batch_digit;
}

static void free_samples(samples *set)
{
    free(set->pixels), free(set->digit), free(set->order), free(set->batch), free(set->batch_digit);
}

/* Every fifth row is held out. */
static bool split(const reel_table *table, const char *path, samples *training, samples *held_out)
{
    if (reel_table_error(table)) return complain("%s", reel_table_error(table));
    int64_t rows = reel_table_rows(table);
    if (reel_table_columns(table) != 65)
        return complain("%s: %d columns, expected 64 pixels and a digit", path, (int)reel_table_columns(table));
    if (!make_samples(training, rows) || !make_samples(held_out, rows)) return complain("out of memory");
    for (int64_t r = 0; r < rows; r++) {
        samples *set = r % 5 == 4 ? held_out : training;
        const float *row = reel_table_row(table, r);
        int64_t i = set->count++;
        for (int p = 0; p < 64; p++) set->pixels[i * 64 + p] = row[p] / 16;
        if (!(row[64] >= 0 && row[64] <= 9) || row[64] != (float)(int)row[64])
            return complain("%s: row %d ends in %g, not in a digit", path, (int)r + 1, (double)row[64]);
        set->digit[i] = (int32_t)row[64];
        set->order[i] = i;
    }
    return true;
}

/* Copies samples order[at] … order[at + count − 1] into the inputs of a tape. */
static void write_batch(reel_tape *tape, const samples *set, int64_t at, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t from = set->order[at + i];
        memcpy(set->batch + i * 64, set->pixels + from * 64, 64 * sizeof(float));
        set->batch_digit[i] = set->digit[from];
    }
    reel_write_f32(reel_find(tape, "images"), set->batch, count * 64);
    reel_write_i32(reel_find(tape, "digits"), set->batch_digit, count);
}

#endif
