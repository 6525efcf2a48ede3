/* The largest of many errors. A comparison with NaN is false and fmax() leaves it out, so a loop that keeps the larger of
 * two forgets the error that matters most: here a NaN is larger than everything. */
#ifndef REEL_TESTS_WORST_H
#define REEL_TESTS_WORST_H

#include <math.h>

static inline double worse_of(double worst, double error)
{
    if (isnan(worst) || isnan(error)) return (double)INFINITY;
    return error > worst ? error : worst;
}

#endif
