/* Counting what the library does, for tests of how it grows: linked with a library in which every basic block that is
 * entered calls __sanitizer_cov_trace_pc(). A block of memory counts one for each 64 bytes. */
#ifndef REEL_TESTS_COUNTED_H
#define REEL_TESTS_COUNTED_H

#include <criterion/criterion.h>

#include <reel.h>
#include <stdio.h>
#include <stdlib.h>

static int64_t work;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) { work++; }

typedef struct heap {
    int64_t bytes, calls;
} heap;

static inline void *resize(void *context, void *block, size_t old_size, size_t new_size)
{
    heap *h = context;
    h->bytes += (int64_t)new_size - (int64_t)(block ? old_size : 0);
    h->calls += new_size > 0;
    work += (int64_t)new_size / 64;
    if (new_size) return realloc(block, new_size);
    free(block);
    return NULL;
}

/* What a kind of many is made on. */
typedef struct stage {
    heap heap;
    reel_model *model;
    reel_tape *tape;
    reel_tensor *x; /* an input [2] */
} stage;

static inline char *named(const char *format, int i)
{
    static char text[64];
    snprintf(text, sizeof text, format, i);
    return text;
}

static inline void begin(stage *s)
{
    s->x = reel_input(s->tape, "x", REEL_F32, REEL_SHAPE(2));
    reel_write_f32(s->x, (float[]){ 0.5f, -0.25f }, 2);
}

static inline void set_up(stage *s)
{
    *s = (stage){ .heap = { 0 } };
    s->model = reel_model_new((reel_model_options){ .seed = 1, .allocator = { resize, &s->heap } });
    s->tape = reel_tape_new(s->model, (reel_tape_options){ .threads = 1 });
}

static inline void tear_down(stage *s)
{
    reel_tape_free(s->tape);
    reel_model_free(s->model);
    cr_expect_eq(s->heap.bytes, 0);
}

static inline void run(stage *s) { cr_assert_eq(reel_run(s->tape), REEL_OK, "%s", reel_tape_error(s->tape)); }

static inline reel_tensor *total(reel_tensor *x) { return reel_sum(x, REEL_ALL, REEL_DROP); }

#endif
