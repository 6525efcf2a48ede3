/* Orders in which data is read: what reel/train.h promises of reel_shuffle(). */
#include <criterion/criterion.h>

#include <math.h>
#include <reel.h>
#include <string.h>

/* A copy of shuffle.c, whose generator is private, for the generator's known answers. */
void copy_of_shuffle(int64_t *order, int64_t count, uint64_t seed, uint64_t epoch);
#define reel_shuffle copy_of_shuffle
#include "nn/data/shuffle.c"
#undef reel_shuffle

Test(shuffle, generator_gives_the_known_answers)
{
    uint32_t zero[4] = { 0 };
    uint32_t pi[4] = { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 };
    const uint32_t of_zero[4] = { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 };
    const uint32_t of_pi[4] = { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 };
    philox4x32_10(zero, 0, 0);
    philox4x32_10(pi, 0xa4093822, 0x299f31d0);
    cr_expect_eq(memcmp(zero, of_zero, sizeof zero), 0);
    cr_expect_eq(memcmp(pi, of_pi, sizeof pi), 0);
}

Test(shuffle, multiplies_with_all_carries)
{
    cr_expect_eq(multiply_high(UINT64_MAX, UINT64_MAX), UINT64_MAX - 1);
    cr_expect_eq(multiply_high(UINT64_C(0xFFFFFFFF00000000), UINT64_C(0x00000001FFFFFFFF)),
                 UINT64_C(0x00000001FFFFFFFD));
    cr_expect_eq(multiply_high(UINT64_C(0x00000001FFFFFFFF), UINT64_C(0xFFFFFFFF00000000)),
                 UINT64_C(0x00000001FFFFFFFD));
}

Test(shuffle, is_the_same_everywhere)
{
    /* Computed by an independent program. */
    const int64_t one[] = { 5, 8, 11, 10, 0, 3, 2, 7, 9, 4, 6, 1 };
    const int64_t two[] = { 3, 5, 11, 6, 2, 4, 9, 7, 10, 0, 1, 8 };
    int64_t order[12];
    reel_shuffle(order, 12, 7, 3);
    cr_expect_eq(memcmp(order, one, sizeof order), 0);
    reel_shuffle(order, 12, (UINT64_C(1) << 63) + 5, (UINT64_C(1) << 40) + 1);
    cr_expect_eq(memcmp(order, two, sizeof order), 0);
}

Test(shuffle, gives_every_number_once)
{
    enum { COUNT = 10007 };
    static int64_t order[COUNT];
    static bool seen[COUNT];
    reel_shuffle(order, COUNT, 1, 2);
    for (int i = 0; i < COUNT; i++) {
        cr_assert(order[i] >= 0 && order[i] < COUNT && !seen[order[i]]);
        seen[order[i]] = true;
    }
    reel_shuffle(NULL, 0, 1, 2);
    reel_shuffle(order, 1, 1, 2);
    cr_expect_eq(order[0], 0);
}

Test(shuffle, differs_between_seeds_and_epochs)
{
    int64_t first[64], epoch[64], seed[64];
    reel_shuffle(first, 64, 1, 1);
    reel_shuffle(epoch, 64, 1, 2);
    reel_shuffle(seed, 64, 2, 1);
    cr_expect(memcmp(first, epoch, sizeof first) && memcmp(first, seed, sizeof first) &&
              memcmp(epoch, seed, sizeof epoch));
}

Test(shuffle, gives_every_permutation_equally_often)
{
    enum { EACH = 1000 };
    int found[256] = { 0 }, kinds = 0;
    double chi_squared = 0;
    for (uint64_t epoch = 0; epoch < 24 * EACH; epoch++) {
        int64_t order[4];
        reel_shuffle(order, 4, 42, epoch);
        found[order[0] | order[1] << 2 | order[2] << 4 | order[3] << 6]++;
    }
    for (int i = 0; i < 256; i++) {
        kinds += found[i] > 0;
        if (found[i] > 0) chi_squared += pow(found[i] - EACH, 2) / EACH;
    }
    cr_expect_eq(kinds, 24);
    cr_expect_lt(chi_squared, 49.7); /* of 23 degrees of freedom, one in a thousand is larger */
}
