/* What a model holds, to be compared byte by byte. */
#ifndef REEL_TESTS_IMAGE_H
#define REEL_TESTS_IMAGE_H

#include <reel.h>

/* All values, which are f32, and the run counter. */
typedef struct image {
    float values[1000];
    int64_t names, runs;
} image;

image image_of(reel_model *m);
void expect_same(const image *a, const image *b);

#endif
