/* Random numbers of tests, the same in every run: splitmix64 (Steele, Lea and Flood 2014). */
#ifndef REEL_TESTS_CHANCE_H
#define REEL_TESTS_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

uint64_t mixed(uint64_t z); /* the mixing of splitmix64 alone */

void random_seed(uint64_t seed);
uint64_t random_bits(void);
double random_in(double low, double high);
double random_normal(void);
int below(int n); /* 0 for n = 0 */
bool chance(double p);

#endif
