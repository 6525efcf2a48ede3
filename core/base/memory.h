/* The one seam through which all memory comes and goes, checked arithmetic on sizes, and growable arrays.
 * All of core and ops allocates here, so that a test can make any allocation of a model or a tape fail. What belongs to no
 * model comes from the C library: nn's data tables, progress and curves, and the "C" locale of messages (error.c). */
#ifndef REEL_CORE_BASE_MEMORY_H
#define REEL_CORE_BASE_MEMORY_H

#include <reel.h>

/* Every block begins on a 64-byte boundary: the allocator is asked for 64 bytes more, and for room for its own pointer, which
 * stands in front of the block. */
void *reel__allocate(const reel_allocator *allocator, size_t size); /* zeroed; NULL: out of memory; size 0 is 1 byte */
void reel__release(const reel_allocator *allocator, void *block, size_t size);

/* The C library's. */
reel_allocator reel__default_allocator(void);

/* False on overflow, and then *result is not to be used. */
static inline bool reel__multiply(int64_t a, int64_t b, int64_t *result)
{
    return !__builtin_mul_overflow(a, b, result);
}
static inline bool reel__add_sizes(int64_t a, int64_t b, int64_t *result)
{
    return !__builtin_add_overflow(a, b, result);
}

/* A number of bytes, and the sum of two. One that is too large for an allocation becomes SIZE_MAX, which fails in every
 * allocation. */
static inline size_t reel__bytes(int64_t size)
{
    return size >= 0 && (uint64_t)size <= PTRDIFF_MAX ? (size_t)size : SIZE_MAX;
}
static inline size_t reel__sum_of_bytes(size_t a, size_t b) { return a > SIZE_MAX - b ? SIZE_MAX : a + b; }

/* What a block of this size takes from the allocator; nothing if there is none. */
size_t reel__block_bytes(const void *block, size_t size);

size_t reel__dtype_size(reel_dtype dtype);
const char *reel__dtype_name(reel_dtype dtype);

/* The product of the sizes. False: the product overflows, or 16 bytes for each element would (twice the largest dtype; a
 * size of 0 counts as 1). */
bool reel__shape_count(int rank, const int64_t *size, int64_t *count);

/* An array that grows by doubling. Zero is an empty one. */
typedef struct reel__array {
    void *items;
    int64_t count, capacity;
} reel__array;

/* Room for one more item of this size at items[count]; false: out of memory and nothing has changed. */
bool reel__reserve(const reel_allocator *allocator, reel__array *array, int64_t count, size_t item_size);
void reel__array_free(const reel_allocator *allocator, reel__array *array, size_t item_size);
static inline size_t reel__array_bytes(const reel__array *a, size_t item_size)
{
    return reel__block_bytes(a->items, (size_t)a->capacity * item_size);
}

#define REEL__AT(array, type, index) (((type *)(array).items)[index])

#endif
