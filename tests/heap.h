/* An allocator that counts and can be made to fail. What it gives and what it gets back is overwritten. */
#ifndef REEL_TESTS_HEAP_H
#define REEL_TESTS_HEAP_H

#include <criterion/criterion.h>
#include <reel.h>
#include <stdlib.h>
#include <string.h>

typedef struct heap {
    int64_t bytes, peak, blocks, calls; /* calls: those that ask for memory */
    int64_t fail_at;                    /* this call fails; 0: none does */
    bool forever;                       /* and all later ones */
    bool failed;                        /* one has */
    int64_t wrong;                      /* calls whose old_size was not what had been asked for */
} heap;

enum { HEAD = 16 }; /* keeps malloc's alignment; holds the size */

static inline size_t size_of(const void *block)
{
    size_t size;
    memcpy(&size, (const char *)block - HEAD, sizeof size);
    return size;
}

static inline void give_back(heap *h, void *block, size_t old_size)
{
    h->wrong += size_of(block) != old_size;
    h->bytes -= (int64_t)size_of(block), h->blocks--;
    memset(block, 0xA5, size_of(block)); /* whoever still reads it should notice */
    free((char *)block - HEAD);
}

static inline void *heap_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    heap *h = context;
    if (!block && old_size) h->wrong++;
    if (new_size == 0) {
        if (block) give_back(h, block, old_size);
        return NULL;
    }
    h->calls++;
    if (h->fail_at && (h->calls == h->fail_at || (h->forever && h->calls > h->fail_at))) {
        h->failed = true;
        return NULL;
    }
    char *fresh = malloc(new_size + HEAD);
    cr_assert(fresh);
    memcpy(fresh, &new_size, sizeof new_size);
    fresh += HEAD;
    memset(fresh, 0x5A, new_size);
    if (block) {
        memcpy(fresh, block, old_size < new_size ? old_size : new_size);
        give_back(h, block, old_size);
    }
    h->bytes += (int64_t)new_size, h->blocks++;
    if (h->bytes > h->peak) h->peak = h->bytes;
    return fresh;
}

/* The calls after this many more fail; negative: none does. */
static inline void fail_after(heap *h, int64_t calls)
{
    h->fail_at = calls < 0 ? 0 : h->calls + calls + 1, h->forever = true;
}

static inline reel_model *model_on(heap *h)
{
    return reel_model_new((reel_model_options){ .seed = 4, .allocator = { heap_resize, h } });
}

static inline void expect_all_back(const heap *h)
{
    cr_expect(h->bytes == 0 && h->blocks == 0, "%lld bytes in %lld blocks leak", (long long)h->bytes,
              (long long)h->blocks);
    cr_expect_eq(h->wrong, 0, "%lld calls with a wrong old_size", (long long)h->wrong);
}

#endif
