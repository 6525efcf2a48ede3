/* An allocator for tests whose blocks lie against a page that nobody may touch: a read or write beyond the end, or before
 * the beginning, stops the program where it happens. What is freed is overwritten. */
#ifndef REEL_TESTS_GUARD_H
#define REEL_TESTS_GUARD_H

#include <reel.h>

typedef enum guard_side { GUARD_END, GUARD_BEGINNING } guard_side;

/* The library asks for a block of `size` bytes with room to align it to 64 and to keep a pointer before it. With
 * GUARD_END the aligned block ends where the page ends, if its size is a multiple of 64, and otherwise fewer than 64
 * bytes before; guard_flush() is for tensors of other sizes. With GUARD_BEGINNING it begins 64 bytes after a page. */
reel_allocator guard_allocator(guard_side side);

/* Blocks that have not been freed. */
int64_t guard_blocks(void);

/* A tensor of this shape whose last element is the last before a guarded page: the end of an input `*leaf` of a multiple
 * of 64 bytes, whose elements all are to be written. */
reel_tensor *guard_flush(reel_tape *tape, const char *name, reel_dtype dtype, reel_shape shape, reel_tensor **leaf);

/* Zeros that end before a guarded page as nearly as pages allow, and take no memory until they are written; NULL: none. */
void *guard_zeros(size_t bytes);
void guard_zeros_free(void *zeros, size_t bytes);

/* Says, when the program dies of a signal, which part of the test it was in. */
void guard_say_where(const char *format, ...) REEL_PRINTF(1, 2);

#endif
