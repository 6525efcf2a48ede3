/* See chance.h. */
#include "chance.h"

#include <math.h>

static uint64_t random_state;

void random_seed(uint64_t seed) { random_state = seed; }

uint64_t mixed(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t random_bits(void) { return mixed(random_state += 0x9e3779b97f4a7c15u); }

double random_in(double low, double high) { return low + (high - low) * (double)(random_bits() >> 11) * 0x1p-53; }

double random_normal(void)
{
    double radius = sqrt(-2 * log(1 - random_in(0, 1)));
    return radius * cos(6.283185307179586 * random_in(0, 1));
}

int below(int n) { return n > 0 ? (int)(random_bits() % (uint64_t)n) : 0; }
bool chance(double p) { return random_in(0, 1) < p; }
