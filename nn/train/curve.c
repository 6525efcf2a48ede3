/* The curve of a training as an SVG figure: axes with round ticks, loss to the left, on a log scale
 * if it spans more than a decade, accuracy to the right. No text is measured: the layout leaves
 * room for the widest of each. The numbers come from progress.c. */
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 600, HEIGHT = 360, LEFT = 76, RIGHT = 28, TOP = 82, BOTTOM = 306 };
enum { MAX_TICKS = 20, BUCKETS = 500, TITLE_WIDTH = 552 };

/* Values low … high, logarithms of them if log, stand at the pixels from … to. */
typedef struct axis {
    double low, high, from, to;
    bool log;
    double step; /* between ticks of a linear axis */
    double tick[MAX_TICKS];
    int count;
} axis;

/* A curve to draw: factor × values, and how it looks. */
typedef struct series {
    const double *values;
    int64_t count;
    double factor;
    const char *name, *label, *class;
} series;

/* Larger numbers are gaps, as NaN is: nobody reads such a curve, and its span would overflow. */
static bool is_drawable(double value) { return fabs(value) < 1e100; }

/* False if there is nothing to draw. */
static bool find_range(const series *s, double *low, double *high)
{
    *low = HUGE_VAL, *high = -HUGE_VAL;
    for (int64_t i = 0; i < s->count; i++) {
        const double value = s->factor * s->values[i];
        if (!is_drawable(value)) continue;
        *low = fmin(*low, value);
        *high = fmax(*high, value);
    }
    return *low <= *high;
}

static double pixel(const axis *a, double value)
{
    const double at = a->log ? log10(value) : value;
    return a->from + (a->to - a->from) * (at - a->low) / (a->high - a->low);
}

static void add_tick(axis *a, double value)
{
    if (a->count < MAX_TICKS) a->tick[a->count++] = value;
}

/* The smallest of 1, 2, 5 times a power of ten that cuts the span into at most `most` parts. */
static double round_step(double span, int most)
{
    const double rough = span / most * (1 - 1e-9), power = pow(10, floor(log10(rough)));
    const double factor = rough / power;
    return power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10);
}

/* An axis that begins and ends at ticks. One value alone gets a range around it. */
static void make_linear(axis *a, double low, double high)
{
    const double size = fmax(fabs(low), fabs(high));
    if (high - low <= 1e-6 * size || size == 0) {
        low -= size > 0 ? 0.05 * size : 0;
        high += size > 0 ? 0.05 * size : 1;
    } else if (low > 0 && low < 0.4 * high) {
        low = 0; /* near enough for the eye to read heights as ratios */
    }
    a->step = round_step(high - low, 5);
    const double first = floor(low / a->step + 1e-9), last = ceil(high / a->step - 1e-9);
    a->low = first * a->step;
    a->high = last * a->step;
    for (double i = first; i <= last; i++) add_tick(a, i * a->step);
}

/* Ticks at 1, 2, 5 times powers of ten if there is room for them, else at every n-th power. */
static void make_log(axis *a, double low, double high)
{
    const double margin = 0.04 * (log10(high) - log10(low));
    a->log = true;
    a->low = log10(low) - margin;
    a->high = log10(high) + margin;
    const double decades = a->high - a->low, stride = ceil(decades / 8);
    const int mantissas = decades < 2.7 ? 3 : 1;
    for (double k = stride * floor(a->low / stride); k <= a->high; k += stride) {
        for (int i = 0; i < mantissas; i++) {
            const double value = pow(10, k) * (const double[]){ 1, 2, 5 }[i];
            if (log10(value) >= a->low && log10(value) <= a->high) add_tick(a, value);
        }
    }
}

static axis loss_axis(const series *loss)
{
    axis a = { .from = BOTTOM, .to = TOP };
    double low, high;
    if (!find_range(loss, &low, &high)) make_linear(&a, 0, 1);
    else if (low > 0 && high > 10 * low) make_log(&a, low, high);
    else make_linear(&a, low, high);
    return a;
}

static axis accuracy_axis(const series *accuracy)
{
    axis a = { .from = BOTTOM, .to = TOP };
    double low, high;
    if (!find_range(accuracy, &low, &high)) return a;
    const bool shares = low >= 0 && high <= 100;
    if (shares && high - low < 1) low = fmax(0, fmin(low - 1, 98)), high = fmin(100, low + 2);
    make_linear(&a, low, high);
    return a;
}

/* Epochs 1 … count, with ticks at multiples of a round step and at 1. */
static axis epoch_axis(int64_t count, double right)
{
    axis a = { .low = 1, .high = (double)count, .from = LEFT, .to = right };
    if (count <= 1) a.low = 0, a.high = 2;
    a.step = fmax(1, round_step(fmax(a.high - a.low, 1), 8));
    if (count > 0) add_tick(&a, 1);
    for (double i = 1; i * a.step <= (double)count; i++)
        if (i * a.step > 1 + 0.45 * a.step || (a.step <= 1 && i > 1)) add_tick(&a, i * a.step);
    return a;
}

static const char style[] =
    "<style>\n"
    ".grid, .base { shape-rendering: crispEdges }\n"
    "text { font: 12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial,"
    " 'Liberation Sans', sans-serif; fill: #59636e }\n"
    ".title { font-size: 16px; font-weight: 600 }\n"
    ".title, .key { fill: #1f2328 }\n"
    ".paper { fill: #ffffff }\n"
    ".grid { stroke: #e6e9ed }\n"
    ".base { stroke: #9aa3ad }\n"
    ".curve { fill: none; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round }\n"
    ".loss { stroke: #2463d6 } .end.loss, text.loss { fill: #2463d6; stroke: none }\n"
    ".accuracy { stroke: #c8620a } .end.accuracy, text.accuracy { fill: #c8620a; stroke: none }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "text { fill: #9198a1 }\n"
    ".title, .key { fill: #f0f6fc }\n"
    ".paper { fill: #0d1117 }\n"
    ".grid { stroke: #252b33 }\n"
    ".base { stroke: #59636e }\n"
    ".loss { stroke: #6ea8ff } .end.loss, text.loss { fill: #6ea8ff }\n"
    ".accuracy { stroke: #f0a04b } .end.accuracy, text.accuracy { fill: #f0a04b }\n"
    "}\n"
    "</style>\n";

/* The length of the UTF-8 sequence at s, 0 if it is none or not a character of XML 1.0. */
static int utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80) return s[0] >= 0x20 && s[0] != 0x7f;
    const int length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    uint32_t code = s[0] & (0xffu >> (length + 1));
    if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
    for (int i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (s[i] & 0x3fu);
    }
    const uint32_t least[] = { 0x80, 0x800, 0x10000 };
    const bool bad = code < least[length - 2] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ||
                     code == 0xfffe || code == 0xffff;
    return bad ? 0 : length;
}

/* Writes the title escaped, with U+FFFD for what is no text, and cut to the figure's width by an
 * estimate of 9 pixels a letter and 16 for what may be a Chinese character. */
static void write_title(FILE *file, const char *title)
{
    static const char special[] = "&<>\"'\n\t";
    static const char *const escape[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;", " ", " " };
    int width = 0;
    for (const char *at = title; *at;) {
        const int length = utf8_length((const unsigned char *)at);
        const char *found = strchr(special, *at);
        width += length < 3 ? 9 : 16;
        if (width > TITLE_WIDTH) fputs("…", file);
        else if (found) fputs(escape[found - special], file);
        else fprintf(file, "%.*s", length > 0 ? length : 3, length > 0 ? at : "\xef\xbf\xbd");
        if (width > TITLE_WIDTH) return;
        at += length > 0 ? length : 1;
    }
}

static void write_line(FILE *file, const char *class, int x0, int y0, int x1, int y1)
{
    fprintf(file, "<path class=\"%s\" d=\"M%d %dL%d %d\"/>\n", class, x0, y0, x1, y1);
}

static void open_text(FILE *file, const char *class, const char *anchor, int x, int y)
{
    fprintf(file, "<text class=\"%s\" text-anchor=\"%s\" x=\"%d\" y=\"%d\">", class, anchor, x, y);
}

/* A tick of a log axis that is too large or too small to be written out. */
static void write_power(FILE *file, double value)
{
    const int power = (int)floor(log10(value) + 1e-9);
    const int mantissa = (int)lround(value / pow(10, power));
    if (mantissa > 1) fprintf(file, "%d×", mantissa);
    fprintf(file, "10<tspan dy=\"-4\" font-size=\"9\">%s%d</tspan>", power < 0 ? "−" : "", abs(power));
}

static void write_tick_value(FILE *file, const axis *a, double value)
{
    const double unit = a->log ? value : a->step;
    const double least = a->log ? a->tick[0] : 10 * a->step, most = fabs(a->tick[a->count - 1]);
    const int digits = (int)fmax(0, -floor(log10(unit) + 1e-9));
    const bool long_number = least < 0.9e-3 || most > 99999;
    if (a->log && long_number) write_power(file, value);
    else fputs((long_number ? reel__significant(value, 2) : reel__fixed(value, digits)).text, file);
}

static void write_value_ticks(FILE *file, const axis *a, int right, bool accuracy)
{
    for (int i = 0; i < a->count; i++) {
        const int y = (int)lround(pixel(a, a->tick[i]));
        if (!accuracy) write_line(file, "grid", LEFT, y, right, y);
        open_text(file, "tick", accuracy ? "start" : "end", accuracy ? right + 8 : LEFT - 8, y + 4);
        write_tick_value(file, a, a->tick[i]);
        fputs(accuracy ? "%</text>\n" : "</text>\n", file);
    }
}

static void write_epoch_ticks(FILE *file, const axis *epochs, int right)
{
    write_line(file, "base", LEFT, BOTTOM, right, BOTTOM);
    for (int i = 0; i < epochs->count; i++) {
        const int x = (int)lround(pixel(epochs, epochs->tick[i]));
        write_line(file, "base", x, BOTTOM, x, BOTTOM + 4);
        open_text(file, "tick", "middle", x, BOTTOM + 19);
        fprintf(file, "%.0f</text>\n", epochs->tick[i]);
    }
    open_text(file, "label", "middle", (LEFT + right) / 2, HEIGHT - 14);
    fputs("epoch</text>\n", file);
}

/* The label next to a value axis, turned by 90 degrees either way. */
static void write_axis_label(FILE *file, const series *s, int x, int degrees)
{
    fprintf(file,
            "<text class=\"%s\" text-anchor=\"middle\" transform=\"translate(%d %d) rotate(%d)\">"
            "%s</text>\n",
            s->class, x, (TOP + BOTTOM) / 2, degrees, s->label);
}

/* The epochs with the smallest and the largest drawable value of begin … end − 1; −1: none. */
static void find_extremes(const series *s, int64_t begin, int64_t end, int64_t found[2])
{
    found[0] = found[1] = -1;
    for (int64_t i = begin; i < end; i++) {
        if (!is_drawable(s->values[i])) continue;
        if (found[0] < 0 || s->values[i] < s->values[found[0]]) found[0] = i;
        if (found[1] < 0 || s->values[i] > s->values[found[1]]) found[1] = i;
    }
    if (found[0] <= found[1]) return;
    const int64_t later = found[0];
    found[0] = found[1];
    found[1] = later;
}

/* Draws a curve through at most 2 × BUCKETS points: of a bucket of epochs, its extremes, so that no
 * spike is lost. Each part between gaps begins with a line of length 0, a dot. */
static void write_curve(FILE *file, const series *s, const axis *epochs, const axis *values)
{
    const int64_t size = s->count <= 2 * BUCKETS ? 1 : (s->count + BUCKETS - 1) / BUCKETS;
    double x = 0, y = 0;
    bool drawing = false, any = false;
    fprintf(file, "<path class=\"curve %s\" d=\"", s->class);
    for (int64_t begin = 0; begin < s->count; begin += size) {
        int64_t found[2];
        find_extremes(s, begin, begin + size < s->count ? begin + size : s->count, found);
        if (found[0] < 0) drawing = false;
        for (int i = 0; i < 2 && found[0] >= 0; i++) {
            if (i == 1 && found[1] == found[0]) break;
            x = pixel(epochs, (double)(found[i] + 1));
            y = pixel(values, s->factor * s->values[found[i]]);
            fprintf(file, "%s%s ", drawing ? "L" : "M", reel__fixed(x, 2).text);
            fprintf(file, "%s%s", reel__fixed(y, 2).text, drawing ? "" : "h0");
            drawing = any = true;
        }
    }
    fputs("\"/>\n", file);
    if (!any) return;
    fprintf(file, "<circle class=\"end %s\" r=\"4\" cx=\"%s\" ", s->class, reel__fixed(x, 2).text);
    fprintf(file, "cy=\"%s\"/>\n", reel__fixed(y, 2).text);
}

/* An entry of the legend: a line, the name and the last epoch's value. */
static void write_key(FILE *file, const series *s, int x, reel__number last, const char *unit)
{
    fprintf(file, "<path class=\"curve %s\" d=\"M%d 55h16\"/>", s->class, x + 1);
    open_text(file, "key", "start", x + 26, 59);
    fprintf(file, "%s %s%s</text>\n", s->name, last.text, unit);
}

static void write_figure(FILE *file, const reel__curve *curve)
{
    const int64_t n = curve->count;
    series loss = { curve->loss, n, 1, "loss", "loss", "loss" };
    const series accuracy = { curve->accuracy, n, 100, "accuracy", "accuracy", "accuracy" };
    const axis losses = loss_axis(&loss), accuracies = accuracy_axis(&accuracy);
    const bool judged = accuracies.count > 0;
    const int right = WIDTH - (judged ? LEFT : RIGHT);
    const axis epochs = epoch_axis(n, right);
    if (losses.log) loss.label = "loss (log scale)";
    write_value_ticks(file, &losses, right, false);
    write_epoch_ticks(file, &epochs, right);
    write_axis_label(file, &loss, 20, -90);
    if (n == 0) {
        open_text(file, "label", "middle", (LEFT + right) / 2, (TOP + BOTTOM) / 2 + 4);
        fputs("no finished epochs</text>\n", file);
        return;
    }
    write_key(file, &loss, 24, reel__significant(curve->loss[n - 1], 4), "");
    if (judged) {
        write_value_ticks(file, &accuracies, right, true);
        write_axis_label(file, &accuracy, WIDTH - 20, 90);
        write_key(file, &accuracy, 174, reel__fixed(100 * curve->accuracy[n - 1], 1), "%");
        write_curve(file, &accuracy, &epochs, &accuracies);
    }
    write_curve(file, &loss, &epochs, &losses);
}

static void write_svg(FILE *file, const reel__curve *curve, const char *title)
{
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\""
            " viewBox=\"0 0 %d %d\" role=\"img\">\n<title>",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    write_title(file, title);
    fprintf(file, "</title>\n%s<rect class=\"paper\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n", style, WIDTH, HEIGHT);
    open_text(file, "title", "start", 24, 32);
    write_title(file, title);
    fputs("</text>\n", file);
    write_figure(file, curve);
    fputs("</svg>\n", file);
}

reel_status reel__curve_write_svg(const reel__curve *curve, const char *path, const char *title)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (!file) return REEL_OUT_OF_MEMORY;
    write_svg(file, curve, title);
    const bool failed = ferror(file) != 0;
    const bool drawn = fclose(file) == 0 && !failed;
    const reel_status status = drawn ? reel_write_file(path, text, (int64_t)size) : REEL_OUT_OF_MEMORY;
    free(text);
    return status;
}
