/* Random permutations that depend on (seed, epoch) alone: Fisher and Yates's shuffle, driven by the
 * counter-based generator Philox4x32-10 (J. K. Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). The key is the seed, the counter the epoch and the number of the block. */
#include <reel.h>

static void philox_round(uint32_t c[4], const uint32_t key[2])
{
    const uint64_t a = UINT64_C(0xD2511F53) * c[0], b = UINT64_C(0xCD9E8D57) * c[2];
    const uint32_t next[4] = { (uint32_t)(b >> 32) ^ c[1] ^ key[0], (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ key[1],
                               (uint32_t)a };
    for (int i = 0; i < 4; i++) c[i] = next[i];
}

/* Replaces the counter by its four random words. */
static void philox4x32_10(uint32_t c[4], uint32_t key0, uint32_t key1)
{
    uint32_t key[2] = { key0, key1 };
    for (int i = 0; i < 10; i++) {
        philox_round(c, key);
        key[0] += UINT32_C(0x9E3779B9);
        key[1] += UINT32_C(0xBB67AE85);
    }
}

/* The high 64 bits of a b, by halves: ISO C has no 128-bit product. */
static uint64_t multiply_high(uint64_t a, uint64_t b)
{
    const uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    const uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
    const uint64_t other = a0 * b1 + (uint32_t)middle;
    return a1 * b1 + (middle >> 32) + (other >> 32);
}

/* Draw number `index` of a stream, two to a block. */
static uint64_t draw(uint32_t block[4], uint64_t index, uint64_t seed, uint64_t epoch)
{
    if (index % 2 == 0) {
        const uint64_t number = index / 2;
        block[0] = (uint32_t)number, block[1] = (uint32_t)(number >> 32);
        block[2] = (uint32_t)epoch, block[3] = (uint32_t)(epoch >> 32);
        philox4x32_10(block, (uint32_t)seed, (uint32_t)(seed >> 32));
    }
    const int low = index % 2 == 0 ? 0 : 2;
    return block[low] | (uint64_t)block[low + 1] << 32;
}

/* floor(draw (i + 1) / 2^64) is in 0 … i, each with probability 1 / (i + 1) to within 2^-64: a bias
 * that no experiment can see, so that nothing is drawn twice. */
void reel_shuffle(int64_t *order, int64_t count, uint64_t seed, uint64_t epoch)
{
    uint32_t block[4] = { 0 };
    for (int64_t i = 0; i < count; i++) order[i] = i;
    for (int64_t i = count - 1; i > 0; i--) {
        const uint64_t random = draw(block, (uint64_t)(count - 1 - i), seed, epoch);
        const int64_t j = (int64_t)multiply_high(random, (uint64_t)i + 1);
        const int64_t swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
    }
}
