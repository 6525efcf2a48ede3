/* See image.h. */
#include "image.h"

#include <criterion/criterion.h>

#include <string.h>

image image_of(reel_model *m)
{
    static image now;
    int64_t used = 0;
    memset(&now, 0, sizeof now);
    now.names = reel_model_count(m), now.runs = reel_model_runs(m);
    for (int64_t i = 0; i < now.names; i++) {
        const char *name = reel_model_name(m, i);
        const reel_shape shape = reel_model_shape(m, name);
        int64_t n = 1;
        for (int d = 0; d < shape.rank; d++) n *= shape.size[d];
        cr_assert_leq(used + n, 1000);
        cr_assert_eq(reel_model_read_f32(m, name, now.values + used, n), REEL_OK, "%s", reel_model_error(m));
        used += n;
    }
    return now;
}

void expect_same(const image *a, const image *b) { cr_expect_eq(memcmp(a, b, sizeof *a), 0); }
