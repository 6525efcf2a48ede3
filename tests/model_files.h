/* What the tests of model files share: models made by hand and compared, on a heap that counts and can fail, and the bytes
 * of their files. */
#ifndef REEL_TESTS_MODEL_FILES_H
#define REEL_TESTS_MODEL_FILES_H

#include "core/base/random.h"
#include "core/model/model.h"
#include "files.h"
#include "heap.h"

#include <stdio.h>

static heap memory;

static inline reel_model *new_model(uint64_t seed)
{
    return reel_model_new((reel_model_options){ .seed = seed, .allocator = { heap_resize, &memory } });
}

typedef struct bytes {
    size_t size;
    char data[1 << 16];
} bytes;

static inline void read_bytes(const char *path, bytes *b)
{
    FILE *file = fopen(path, "rb");
    cr_assert(file);
    b->size = fread(b->data, 1, sizeof b->data, file);
    fclose(file);
}

/* A file of this header, with its length, and `size` bytes of data that count up. */
static inline void write_header(const char *path, const char *header, size_t size)
{
    static bytes b;
    const size_t length = strlen(header);
    for (int i = 0; i < 8; i++) b.data[i] = (char)(length >> (8 * i));
    memcpy(b.data + 8, header, length);
    for (size_t i = 0; i < size; i++) b.data[8 + length + i] = (char)i;
    write_file(path, b.data, 8 + length + size);
}

static inline reel__value *value(const reel_model *model, const char *name)
{
    return reel__value_find(&model->values, name, reel__hash_string(name));
}

static inline reel__value *add(reel_model *model, const char *name, bool is_state, reel_dtype dtype, reel_shape shape)
{
    reel__value *v = reel__value_add(&model->allocator, &model->values, name, is_state, dtype, shape.rank, shape.size);
    cr_assert(v);
    for (int64_t i = 0; i < v->count * (int64_t)reel__dtype_size(dtype); i++)
        ((unsigned char *)v->data)[i] = (unsigned char)(37 * i + 11 + name[0]);
    return v;
}

static inline void expect_same_value(const reel__value *a, const reel__value *b)
{
    cr_assert(a && b);
    cr_expect_str_eq(a->name, b->name);
    cr_expect_eq(a->is_state, b->is_state, "%s", a->name);
    cr_expect_eq(a->dtype, b->dtype);
    cr_expect_eq(a->rank, b->rank);
    cr_expect_eq(a->count, b->count);
    cr_expect(a->is_state || reel__init_equal(a->init, b->init), "%s", a->name);
    cr_expect_eq(memcmp(a->size, b->size, (size_t)a->rank * sizeof *a->size), 0);
    cr_expect_eq(memcmp(a->data, b->data, (size_t)a->count * reel__dtype_size(a->dtype)), 0, "%s", a->name);
}

/* All that is in a model and can be seen. */
static inline void expect_same(const reel_model *a, const reel_model *b)
{
    cr_assert_eq(a->values.list.count, b->values.list.count);
    cr_expect_eq(a->seed, b->seed);
    cr_expect_eq(a->runs, b->runs);
    for (int64_t i = 0; i < a->values.list.count; i++) {
        const reel__value *v = REEL__AT(a->values.list, reel__value *, i);
        expect_same_value(v, value(b, v->name));
    }
}

/* Two values; the second model of these is what an error must leave behind. */
static inline reel_model *small_model(void)
{
    reel_model *model = new_model(7);
    add(model, "w", false, REEL_F32, REEL_SHAPE(2, 3))->init = reel_init_fan_in_uniform(1);
    add(model, "count", true, REEL_I32, REEL_SCALAR);
    model->runs = 3;
    return model;
}

#define expect_ok(model, call) cr_assert_eq(call, REEL_OK, "%s", reel_model_error(model))
#define expect_error(model, call, status, message)                                                                     \
    do {                                                                                                               \
        cr_expect_eq(call, status);                                                                                    \
        cr_expect_str_eq(reel_model_error(model) ? reel_model_error(model) : "none", message);                         \
    } while (0)

#endif
