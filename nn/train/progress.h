/* What progress.c, which collects and prints the numbers of a training, shares with curve.c, which
 * draws them: the finished epochs, and numbers as text. */
#ifndef REEL_NN_TRAIN_PROGRESS_H
#define REEL_NN_TRAIN_PROGRESS_H

#include <reel.h>

/* Means over the samples of epochs 1 … count; NaN where there is none. */
typedef struct reel__curve {
    double *loss, *accuracy;
    int64_t count, capacity;
} reel__curve;

reel_status reel__curve_write_svg(const reel__curve *curve, const char *path, const char *title);

/* A number with this many digits after the point, or with this many significant ones; the point is
 * '.' whatever the locale. */
typedef struct reel__number {
    char text[48];
} reel__number;

reel__number reel__fixed(double value, int digits);
reel__number reel__significant(double value, int digits);

#endif
