/* Counter-based random numbers, Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011): a draw is a pure function of its
 * key and its position, so it does not depend on threads or on the order in which things are computed. */
#ifndef REEL_CORE_BASE_RANDOM_H
#define REEL_CORE_BASE_RANDOM_H

#include <stdint.h>

typedef struct reel__philox {
    uint32_t word[4];
} reel__philox;

static inline reel__philox reel__philox_block(reel__philox counter, uint64_t key)
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        uint64_t p0 = (uint64_t)0xD2511F53u * counter.word[0], p1 = (uint64_t)0xCD9E8D57u * counter.word[2];
        counter = (reel__philox){ { (uint32_t)(p1 >> 32) ^ counter.word[1] ^ k0, (uint32_t)p1,
                                    (uint32_t)(p0 >> 32) ^ counter.word[3] ^ k1, (uint32_t)p0 } };
    }
    return counter;
}

/* A stream of draws, identified by seed, name and run, of 64 bits each. With the element's number these are more bits than
 * a counter has, so one block of Philox turns them into a key and half a counter. */
typedef struct reel__stream {
    uint64_t key;
    uint32_t high[2];
} reel__stream;

static inline reel__stream reel__stream_of(uint64_t seed, uint64_t name, uint64_t run)
{
    reel__philox c = { { (uint32_t)name, (uint32_t)(name >> 32), (uint32_t)run, (uint32_t)(run >> 32) } };
    c = reel__philox_block(c, seed);
    return (reel__stream){ (uint64_t)c.word[1] << 32 | c.word[0], { c.word[2], c.word[3] } };
}

/* Block number `block` of a stream: its words 4 block … 4 block + 3, of 32 bits each. */
static inline reel__philox reel__stream_block(reel__stream stream, uint64_t block)
{
    reel__philox c = { { (uint32_t)block, (uint32_t)(block >> 32), stream.high[0], stream.high[1] } };
    return reel__philox_block(c, stream.key);
}

/* Uniform in [0, 1): 24 bits for f32, 53 for f64. */
static inline float reel__uniform_f32(reel__stream stream, int64_t element)
{
    return (float)(reel__stream_block(stream, (uint64_t)element / 4).word[element % 4] >> 8) * 0x1p-24f;
}

static inline double reel__uniform_f64(reel__stream stream, int64_t element)
{
    reel__philox b = reel__stream_block(stream, (uint64_t)element / 2);
    uint64_t bits = (uint64_t)b.word[element % 2 * 2 + 1] << 32 | b.word[element % 2 * 2];
    return (double)(bits >> 11) * 0x1p-53;
}

/* FNV-1a: names to 64 bits. */
static inline uint64_t reel__hash_bytes(uint64_t hash, const void *data, uint64_t size)
{
    const unsigned char *p = (const unsigned char *)data;
    for (uint64_t i = 0; i < size; i++) hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

static inline uint64_t reel__hash_string(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

#endif
