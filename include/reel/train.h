/* Around a training loop: data files, progress, the loss curve. Nothing here records ops. */
#ifndef REEL_TRAIN_H
#define REEL_TRAIN_H

#include <reel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A table of numbers from a text file with one row a line and commas between the columns. Lines that begin with '#' are
 * comments. Every row has as many columns as the first; anything but a finite number is refused with file, line and
 * column. The decimal point is '.' whatever the locale, and a value is the float nearest to what is written. The path is
 * that of a regular file; a pipe is refused. */
typedef struct reel_table reel_table;

REEL_API reel_table *reel_table_load(const char *path); /* never NULL; ask for its error */
REEL_API void reel_table_free(reel_table *table);
REEL_API const char *reel_table_error(const reel_table *table); /* NULL: none */
REEL_API int64_t reel_table_rows(const reel_table *table);
REEL_API int64_t reel_table_columns(const reel_table *table);
REEL_API const float *reel_table_row(const reel_table *table,
                                     int64_t row); /* NULL outside; lives as long as the table */

/* A permutation of 0 … count − 1, a function of (seed, epoch) alone, the same everywhere. */
REEL_API void reel_shuffle(int64_t *order, int64_t count, uint64_t seed, uint64_t epoch);

/* A progress line with loss, accuracy and samples per second. On a terminal it is redrawn in place (at most 10 times a
 * second, with a bar where there is room and, unless NO_COLOR is set or TERM is dumb, colour); elsewhere an epoch is one
 * plain line, and of more than 50 epochs about 50 are printed. */
typedef struct reel_progress reel_progress;

typedef struct reel_progress_options {
    int64_t epochs;  /* total, for the bar; 0 or less: not known */
    int64_t samples; /* in an epoch; likewise */
    bool quiet;      /* print nothing */
    void *file;      /* a FILE *; NULL is stderr */
} reel_progress_options;

REEL_API reel_progress *reel_progress_new_sized(const reel_progress_options *options, size_t size); /* never NULL */
static inline reel_progress *reel_progress_new(reel_progress_options options)
{
    return reel_progress_new_sized(&options, sizeof options);
}
REEL_API void reel_progress_batch(reel_progress *progress, int64_t samples, double loss,
                                  double accuracy);         /* accuracy 0…1, NaN: none */
REEL_API void reel_progress_epoch(reel_progress *progress); /* ends an epoch: its means are kept for the curve */
REEL_API double reel_progress_loss(
    const reel_progress *progress); /* mean over the samples of the last finished epoch */

/* The curve of the finished epochs, loss and accuracy, as an SVG file (600 × 360, light and dark). */
REEL_API reel_status reel_progress_write_svg(const reel_progress *progress, const char *path, const char *title);
REEL_API void reel_progress_free(reel_progress *progress);

/* A file of these bytes; an older one is replaced whole or not at all, as by reel_model_save(). */
REEL_API reel_status reel_write_file(const char *path, const void *data, int64_t size);

#ifdef __cplusplus
}
#endif

#endif
