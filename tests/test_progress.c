/* Progress and curves of a training: what reel/train.h promises. Every test runs in a directory of its own. */
#define _XOPEN_SOURCE 700 /* pseudo-terminals */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <math.h>
#include <reel.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "support.h"

TestSuite(progress, .init = enter_directory, .fini = leave_directory);

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
    if (slave < 0) leave_and_skip("no pseudo-terminals");
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
    if (under_sanitizer()) leave_and_skip("needs a limit on memory");
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
    if (!speak_german(test_directory)) leave_and_skip("no German locale");
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
