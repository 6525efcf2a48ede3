/* Numbers that look random and are the same everywhere: Knuth's MMIX generator, whose upper 53
 * bits are a fraction. make_torch_values.py has the same three lines. */
#ifndef REEL_TESTS_FILL_H
#define REEL_TESTS_FILL_H

#include <stdint.h>

static inline double fill_next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53 * 2 - 1;
}

/* data[i] uniform in [-scale, scale) */
static inline void fill(double *data, int64_t count, uint64_t seed, double scale)
{
    for (int64_t i = 0; i < count; i++) data[i] = scale * fill_next(&seed);
}

static inline void fill_f32(float *data, int64_t count, uint64_t seed, double scale)
{
    for (int64_t i = 0; i < count; i++) data[i] = (float)(scale * fill_next(&seed));
}

/* data[i] in 0 ... classes - 1 */
static inline void fill_classes(int32_t *data, int64_t count, uint64_t seed, int32_t classes)
{
    for (int64_t i = 0; i < count; i++) data[i] = (int32_t)((fill_next(&seed) * 0.5 + 0.5) * classes);
}

#endif
