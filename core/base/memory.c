/* The allocator seam. See memory.h. */
#include "core/base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

static void *libc_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context, (void)old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_size);
}

reel_allocator reel__default_allocator(void) { return (reel_allocator){ .resize = libc_resize }; }

void *reel__allocate(const reel_allocator *allocator, size_t size)
{
    if (size == 0) size = 1;
    if (size > SIZE_MAX / 2 - 2 * ALIGNMENT) return NULL;
    char *raw = allocator->resize(allocator->context, NULL, 0, size + ALIGNMENT + sizeof(void *));
    if (!raw) return NULL;
    uintptr_t address = ((uintptr_t)raw + sizeof(void *) + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    char *block = raw + (address - (uintptr_t)raw);
    memcpy(block - sizeof(void *), &raw, sizeof raw);
    memset(block, 0, size);
    return block;
}

void reel__release(const reel_allocator *allocator, void *block, size_t size)
{
    if (!block) return;
    if (size == 0) size = 1;
    char *raw;
    memcpy(&raw, (char *)block - sizeof(void *), sizeof raw);
    allocator->resize(allocator->context, raw, size + ALIGNMENT + sizeof(void *), 0);
}

size_t reel__block_bytes(const void *block, size_t size)
{
    return block ? (size ? size : 1) + ALIGNMENT + sizeof(void *) : 0;
}

size_t reel__dtype_size(reel_dtype dtype) { return dtype == REEL_F64 ? 8 : 4; }

const char *reel__dtype_name(reel_dtype dtype) { return dtype == REEL_F32 ? "f32" : dtype == REEL_F64 ? "f64" : "i32"; }

bool reel__shape_count(int rank, const int64_t *size, int64_t *count)
{
    int64_t n = 1, nonzero = 1, bytes;
    for (int i = 0; i < rank; i++) {
        if (!reel__multiply(n, size[i], &n)) return false;
        if (size[i] && !reel__multiply(nonzero, size[i], &nonzero)) return false;
    }
    *count = n;
    return reel__multiply(nonzero, 16, &bytes) && bytes <= PTRDIFF_MAX;
}

bool reel__reserve(const reel_allocator *allocator, reel__array *array, int64_t count, size_t item_size)
{
    if (count < array->capacity) return true;
    int64_t capacity = array->capacity ? array->capacity * 2 : 16, bytes;
    while (capacity <= count) capacity *= 2;
    if (!reel__multiply(capacity, (int64_t)item_size, &bytes) || bytes > PTRDIFF_MAX) return false;
    void *items = reel__allocate(allocator, (size_t)bytes);
    if (!items) return false;
    if (array->items) memcpy(items, array->items, (size_t)array->capacity * item_size);
    reel__release(allocator, array->items, (size_t)array->capacity * item_size);
    array->items = items;
    array->capacity = capacity;
    return true;
}

void reel__array_free(const reel_allocator *allocator, reel__array *array, size_t item_size)
{
    reel__release(allocator, array->items, (size_t)array->capacity * item_size);
    *array = (reel__array){ 0 };
}
