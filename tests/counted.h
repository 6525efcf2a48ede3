/* Counting what the library does, for tests of how it grows: linked with a library in which every basic block that is
 * entered calls __sanitizer_cov_trace_pc(). A block of memory counts one for each 64 bytes. */
#ifndef REEL_TESTS_COUNTED_H
#define REEL_TESTS_COUNTED_H

#include "fixture.h"
#include "heap.h"

#include <stdio.h>

static int64_t work;
static heap memory;
static reel_tensor *in; /* an input [2] */

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) { work++; }

static inline void *counted_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    work += (int64_t)new_size / 64;
    return heap_resize(context, block, old_size, new_size);
}

static inline char *named(const char *format, int i)
{
    static char text[64];
    snprintf(text, sizeof text, format, i);
    return text;
}

static inline void record_input(void)
{
    in = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2));
    reel_write_f32(in, (float[]){ 0.5f, -0.25f }, 2);
}

static inline void begin_counted(void)
{
    memory = (heap){ 0 }, in = NULL;
    begin_with((reel_model_options){ .seed = 1, .allocator = { counted_resize, &memory } },
               (reel_tape_options){ .threads = 1 });
}

static inline void end_counted(void)
{
    end_after_error();
    expect_all_back(&memory);
}

#endif
