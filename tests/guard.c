/* See guard.h. Small blocks have a page each out of a slab in which every second page is closed; large ones are mapped
 * alone. Both have a closed page before and after them. */
#define _GNU_SOURCE
#include "guard.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LINE = 64, EXTRA = LINE + sizeof(void *), HEAD = 16, SLAB = 512 };

static int64_t blocks;

static size_t page_bytes(void)
{
    static size_t bytes;
    if (!bytes) bytes = (size_t)sysconf(_SC_PAGESIZE);
    return bytes;
}

static void *map(size_t pages)
{
    char *at = mmap(NULL, (pages + 2) * page_bytes(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return NULL;
    if (mprotect(at + page_bytes(), pages * page_bytes(), PROT_READ | PROT_WRITE) == 0) return at + page_bytes();
    munmap(at, (pages + 2) * page_bytes());
    return NULL;
}

/* ---- Single pages ------------------------------------------------------------------------------------------------ */

typedef struct page {
    struct page *next;
} page;

static page *free_pages;

static void put_page(void *at)
{
    page *p = at;
    p->next = free_pages, free_pages = p;
}

static void *take_page(void)
{
    if (!free_pages) {
        char *slab = mmap(NULL, (2 * SLAB + 1) * page_bytes(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int i = 0; slab != MAP_FAILED && i < SLAB; i++) {
            char *at = slab + (size_t)(2 * i + 1) * page_bytes();
            if (mprotect(at, page_bytes(), PROT_READ | PROT_WRITE) == 0) put_page(at);
        }
    }
    page *p = free_pages;
    if (p) free_pages = p->next;
    return p;
}

/* ---- Blocks ------------------------------------------------------------------------------------------------------ */

/* From the line that holds the pointer in front of a block to its end, in pages. */
static size_t pages_of(size_t asked)
{
    const size_t size = asked > EXTRA ? asked - EXTRA : 1;
    return ((size + LINE - 1) / LINE * LINE + LINE + page_bytes() - 1) / page_bytes();
}

static void *take(guard_side side, size_t asked)
{
    const size_t size = asked > EXTRA ? asked - EXTRA : 1, pages = pages_of(asked);
    char *at = pages == 1 ? take_page() : map(pages);
    if (!at) return NULL;
    memset(at, 0xFF, pages * page_bytes()); /* NaN */
    char *block = side == GUARD_END ? at + pages * page_bytes() - (size + LINE - 1) / LINE * LINE : at + LINE;
    blocks++;
    return block - HEAD; /* what the library makes the block from */
}

static void give(void *raw, size_t asked)
{
    const size_t pages = pages_of(asked);
    char *at = (char *)((uintptr_t)raw & ~(uintptr_t)(page_bytes() - 1));
    blocks--;
    memset(at, 0xA5, pages * page_bytes());
    if (pages == 1) put_page(at);
    else munmap(at - page_bytes(), (pages + 2) * page_bytes());
}

static void *resize(void *context, void *block, size_t old_size, size_t new_size)
{
    if (block && new_size) abort(); /* the library never does */
    if (new_size) return take(*(const guard_side *)context, new_size);
    if (block) give(block, old_size);
    return NULL;
}

reel_allocator guard_allocator(guard_side side)
{
    static guard_side sides[] = { GUARD_END, GUARD_BEGINNING };
    return (reel_allocator){ resize, &sides[side] };
}

int64_t guard_blocks(void) { return blocks; }

reel_tensor *guard_flush(reel_tape *tape, const char *name, reel_dtype dtype, reel_shape shape, reel_tensor **leaf)
{
    int64_t count = 1;
    for (int d = 0; d < shape.rank; d++) count *= shape.size[d];
    const int64_t all = (count + 15) / 16 * 16;
    *leaf = reel_input(tape, name, dtype, REEL_SHAPE(all));
    return reel_reshape(reel_slice(*leaf, 0, all - count, all), shape);
}

void *guard_zeros(size_t bytes) { return map((bytes + page_bytes() - 1) / page_bytes()); }

void guard_zeros_free(void *zeros, size_t bytes)
{
    if (zeros) munmap((char *)zeros - page_bytes(), ((bytes + page_bytes() - 1) / page_bytes() + 2) * page_bytes());
}

/* ---- Where it died ----------------------------------------------------------------------------------------------- */

static char testing[400];

static void died(int number)
{
    fprintf(stderr, "signal %d in %s\n", number, testing);
    signal(number, SIG_DFL);
    raise(number);
}

void guard_say_where(const char *format, ...)
{
    static const int deadly[] = { SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGILL };
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) signal(deadly[i], died);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(testing, sizeof testing, format, arguments);
    va_end(arguments);
}
