/* The progress of a training: means of an epoch's loss and accuracy, collected for curve.c and shown as
 * a line that is redrawn on a terminal and as plain lines elsewhere. Printing never fails a
 * training: what cannot be written is lost, what cannot be remembered is missing in the curve. */
#include "progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { MAX_LINE = 512, MAX_BAR = 30, MIN_BAR = 8, PLAIN_LINES = 50 };
static const double redraw_seconds = 0.1;

/* Sums over the samples of the open epoch that have a loss, and those that have an accuracy. */
typedef struct sums {
    double loss, accuracy;
    int64_t samples, judged;
} sums;

/* What is printed of an epoch, NaN where there is none: means and samples a second. */
typedef struct means {
    double loss, accuracy, rate;
} means;

struct reel_progress {
    reel_progress_options options;
    FILE *file;
    bool terminal, colour, unicode;
    bool incomplete; /* memory ran out for the curve */
    bool line_open;  /* the terminal's cursor is at the end of a line that we drew */
    int drawn;       /* its width */
    int64_t epochs;  /* finished */
    int64_t samples; /* in all finished epochs */
    sums open;
    double loss; /* of the last finished epoch */
    double start, epoch_start, last_draw;
    reel__curve curve;
};

/* What reel_progress_new() returns without memory: prints and remembers nothing, never written. */
static reel_progress no_memory = { .incomplete = true, .loss = (double)NAN };

static double now(void)
{
    struct timespec time = { 0 };
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double quotient(double a, double b) { return b > 0 ? a / b : (double)NAN; }

/* In every locale "%f" is digits, a sign and a decimal point, which can be several bytes. */
static void normalise(char *text)
{
    char *to = text;
    for (const char *at = text; *at; at++) {
        const bool plain = (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || *at == '-' || *at == '+';
        if (plain) *to++ = *at;
        else if (to == text || to[-1] != '.') *to++ = '.';
    }
    *to = 0;
}

reel__number reel__fixed(double value, int digits)
{
    reel__number number;
    const bool wide = fabs(value) >= 1e20; /* would not fit in the text */
    snprintf(number.text, sizeof number.text, wide ? "%.*e" : "%.*f", digits, value);
    normalise(number.text);
    return number;
}

reel__number reel__significant(double value, int digits)
{
    reel__number number;
    snprintf(number.text, sizeof number.text, "%#.*g", digits, value);
    normalise(number.text);
    const size_t length = strlen(number.text);
    if (length > 0 && number.text[length - 1] == '.') number.text[length - 1] = 0;
    return number;
}

/* A line under construction, in ASCII, so that bytes are columns. */
typedef struct line {
    char text[MAX_LINE];
    int length;
} line;

REEL_PRINTF(2, 3) static void add(line *to, const char *format, ...)
{
    const size_t room = (size_t)(MAX_LINE - to->length);
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(to->text + to->length, room, format, arguments);
    va_end(arguments);
    if (length > 0) to->length += length < (int)room ? length : (int)room - 1;
}

static void add_epoch(line *to, const reel_progress *progress, int64_t epoch)
{
    if (progress->options.epochs <= 0) {
        add(to, "epoch %lld", (long long)epoch);
        return;
    }
    const int digits = snprintf(NULL, 0, "%lld", (long long)progress->options.epochs);
    add(to, "epoch %*lld/%lld", digits, (long long)epoch, (long long)progress->options.epochs);
}

static void add_means(line *to, means epoch)
{
    add(to, "  loss %s", reel__significant(epoch.loss, 4).text);
    if (!isnan(epoch.accuracy)) add(to, "  accuracy %s%%", reel__fixed(100 * epoch.accuracy, 1).text);
    if (epoch.rate > 0) add(to, "  %s samples/s", reel__fixed(epoch.rate, epoch.rate < 10 ? 1 : 0).text);
}

static void add_seconds(line *to, const char *label, double seconds)
{
    if (!(seconds < 1e9)) return;
    const long all = (long)(seconds + 0.5), minutes = all / 60 % 60;
    if (all >= 3600) add(to, "  %s %ld:%02ld:%02ld", label, all / 3600, minutes, all % 60);
    else add(to, "  %s %ld:%02ld", label, minutes, all % 60);
}

/* The share of the training that is done; NaN if its length is unknown. */
static double share_done(const reel_progress *progress)
{
    const reel_progress_options *all = &progress->options;
    if (all->epochs <= 0) return (double)NAN;
    double open = 0;
    if (all->samples > 0) open = fmin(1, (double)progress->open.samples / (double)all->samples);
    return fmin(1, ((double)progress->epochs + open) / (double)all->epochs);
}

static int terminal_width(const reel_progress *progress)
{
    struct winsize size;
    if (ioctl(fileno(progress->file), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

static void print_times(FILE *file, const char *text, int times)
{
    for (int i = 0; i < times; i++) fputs(text, file);
}

static void print_bar(const reel_progress *progress, double share, int width)
{
    const int full = (int)(share * width);
    if (progress->colour) fputs("\033[36m", progress->file);
    print_times(progress->file, progress->unicode ? "\u2501" : "#", full);
    if (progress->colour) fputs("\033[2;37m", progress->file);
    print_times(progress->file, progress->unicode ? "\u2500" : "-", width - full);
    if (progress->colour) fputs("\033[0m", progress->file);
}

/* Draws "left bar right" over the last line. Narrow terminals lose the bar, then the end; the
 * last column stays empty, as writing there moves the cursor on some terminals. What the last line
 * had more is overwritten by spaces, so that escape sequences are for colour alone. */
static void draw(reel_progress *progress, const line *left, const line *right, double share)
{
    const int width = terminal_width(progress) - 1;
    int bar = width - left->length - right->length - 1;
    if (bar > MAX_BAR) bar = MAX_BAR;
    if (bar < MIN_BAR || isnan(share)) bar = -1;
    const int room = width > 0 ? width : 0;
    const int left_length = left->length < room ? left->length : room;
    const int right_room = room - left_length - (bar + 1);
    const int right_length = right->length < right_room ? right->length : right_room;
    fprintf(progress->file, "\r%.*s", left_length, left->text);
    if (bar > 0) {
        fputc(' ', progress->file);
        print_bar(progress, share, bar);
    }
    const int drawn = left_length + bar + 1 + right_length;
    const int stale = (progress->drawn < room ? progress->drawn : room) - drawn;
    fprintf(progress->file, "%.*s%*s", right_length, right->text, stale > 0 ? stale : 0, "");
    fflush(progress->file);
    progress->drawn = drawn;
    progress->line_open = true;
}

static means means_of(const sums *epoch, double seconds)
{
    const double samples = (double)epoch->samples;
    return (means){ quotient(epoch->loss, samples), quotient(epoch->accuracy, (double)epoch->judged),
                    quotient(samples, seconds) };
}

/* Draws an epoch of a training that goes on. */
static void draw_epoch(reel_progress *progress, int64_t epoch, means shown, double time)
{
    const double share = share_done(progress);
    line left = { .length = 0 }, right = { .length = 0 };
    add_epoch(&left, progress, epoch);
    add_means(&right, shown);
    if (share > 0) add_seconds(&right, "ETA", (time - progress->start) * (1 - share) / share);
    draw(progress, &left, &right, share);
    progress->last_draw = time;
}

static void end_line(reel_progress *progress)
{
    if (!progress->line_open) return;
    fputc('\n', progress->file);
    fflush(progress->file);
    progress->line_open = false;
    progress->drawn = 0;
}

/* The line that stays: the last epoch's means, the whole training's samples a second and time. */
static void draw_end(reel_progress *progress, means last, double time)
{
    const double seconds = time - progress->start;
    line left = { .length = 0 }, right = { .length = 0 };
    last.rate = quotient((double)progress->samples, seconds);
    add_epoch(&left, progress, progress->epochs);
    add_means(&right, last);
    add_seconds(&right, "in", seconds);
    draw(progress, &left, &right, 1);
    end_line(progress);
}

/* Of many epochs about PLAIN_LINES are printed: the first, and each that completes another 1/50. */
static bool has_plain_line(const reel_progress *progress, int64_t epoch)
{
    const int64_t epochs = progress->options.epochs;
    if (epochs <= PLAIN_LINES || epoch <= 1) return true;
    const double lines_per_epoch = (double)PLAIN_LINES / (double)epochs;
    return epoch == epochs || floor(lines_per_epoch * (double)epoch) != floor(lines_per_epoch * (double)(epoch - 1));
}

static void print_epoch(const reel_progress *progress, means epoch)
{
    line text = { .length = 0 };
    add_epoch(&text, progress, progress->epochs);
    add_means(&text, epoch);
    fprintf(progress->file, "%s\n", text.text);
    fflush(progress->file);
}

/* Shows the epoch just finished. */
static void show_epoch(reel_progress *progress, means epoch, double time)
{
    if (progress->options.quiet) return;
    if (!progress->terminal) {
        if (has_plain_line(progress, progress->epochs)) print_epoch(progress, epoch);
    } else if (progress->epochs == progress->options.epochs) {
        draw_end(progress, epoch, time);
    } else if (time - progress->last_draw >= redraw_seconds) {
        draw_epoch(progress, progress->epochs, epoch, time);
    }
}

static bool has_text(const char *variable)
{
    const char *value = getenv(variable);
    return value && *value;
}

/* Asks the environment, not the locale, which programs that never call setlocale() do not set. */
static bool speaks_utf8(void)
{
    const char *names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
    for (int i = 0; i < 3; i++) {
        if (!has_text(names[i])) continue;
        const char *value = getenv(names[i]);
        return strstr(value, "UTF-8") || strstr(value, "utf8") || strstr(value, "utf-8");
    }
    return false;
}

static void look_at_terminal(reel_progress *progress)
{
    const char *kind = getenv("TERM");
    progress->terminal = !progress->options.quiet && isatty(fileno(progress->file));
    progress->colour = progress->terminal && !has_text("NO_COLOR") && kind && strcmp(kind, "dumb");
    progress->unicode = speaks_utf8();
}

reel_progress *reel_progress_new_sized(const reel_progress_options *options, size_t size)
{
    reel_progress *progress = calloc(1, sizeof *progress);
    if (!progress) return &no_memory;
    const size_t known = size < sizeof progress->options ? size : sizeof progress->options;
    if (options) memcpy(&progress->options, options, known);
    progress->file = progress->options.file ? progress->options.file : stderr;
    progress->loss = (double)NAN;
    progress->start = progress->epoch_start = now();
    progress->last_draw = progress->start - 1; /* so that the first batch is drawn */
    look_at_terminal(progress);
    return progress;
}

void reel_progress_batch(reel_progress *progress, int64_t samples, double loss, double accuracy)
{
    if (!progress || progress == &no_memory || samples <= 0) return;
    sums *open = &progress->open;
    open->samples += samples;
    open->loss += (double)samples * loss;
    if (!isnan(accuracy)) {
        open->judged += samples;
        open->accuracy += (double)samples * accuracy;
    }
    if (!progress->terminal) return;
    const double time = now();
    if (time - progress->last_draw < redraw_seconds) return;
    draw_epoch(progress, progress->epochs + 1, means_of(open, time - progress->epoch_start), time);
}

static bool grow(reel__curve *curve)
{
    if (curve->count < curve->capacity) return true;
    if ((uint64_t)curve->capacity > PTRDIFF_MAX / sizeof(double) / 2) return false;
    const int64_t capacity = curve->capacity ? 2 * curve->capacity : 64;
    const size_t size = (size_t)capacity * sizeof(double);
    double *loss = realloc(curve->loss, size);
    if (loss) curve->loss = loss;
    double *accuracy = loss ? realloc(curve->accuracy, size) : NULL;
    if (!accuracy) return false;
    curve->accuracy = accuracy;
    curve->capacity = capacity;
    return true;
}

void reel_progress_epoch(reel_progress *progress)
{
    if (!progress || progress == &no_memory) return;
    const double time = now();
    const means epoch = means_of(&progress->open, time - progress->epoch_start);
    progress->loss = epoch.loss;
    progress->epochs++;
    progress->samples += progress->open.samples;
    progress->open = (sums){ 0 };
    progress->epoch_start = time;
    if (!progress->incomplete && grow(&progress->curve)) {
        progress->curve.loss[progress->curve.count] = epoch.loss;
        progress->curve.accuracy[progress->curve.count++] = epoch.accuracy;
    } else {
        progress->incomplete = true;
    }
    show_epoch(progress, epoch, time);
}

double reel_progress_loss(const reel_progress *progress) { return progress ? progress->loss : (double)NAN; }

reel_status reel_progress_write_svg(const reel_progress *progress, const char *path, const char *title)
{
    if (!progress || !path) return REEL_BAD_ARGUMENT;
    if (progress->incomplete) return REEL_OUT_OF_MEMORY;
    return reel__curve_write_svg(&progress->curve, path, title ? title : "Training");
}

void reel_progress_free(reel_progress *progress)
{
    if (!progress || progress == &no_memory) return;
    end_line(progress);
    free(progress->curve.loss);
    free(progress->curve.accuracy);
    free(progress);
}
