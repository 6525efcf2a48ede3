/* Copying between strided arrays. Neighbouring axes that step as one are merged; then there are three ways:
 *
 *     rows that are contiguous in both arrays          memcpy()
 *     x is contiguous along another axis than y        a transposition, tile by tile
 *     anything else                                    a loop over one long axis, with short ones inside
 *
 * The loops are in strided.rows.h, included for elements of 4 and of 8 bytes. */
#include "core/base/strided.h"

#include "core/base/axes.h"

#include <reel.h>

#include <string.h>

void reel__contiguous(int rank, const int64_t *size, int64_t *stride)
{
    int64_t s = 1;
    for (int d = rank; d-- > 0; s *= size[d]) stride[d] = s;
}

/* Elements of any type, by their size. An 8-byte one may be a pair of 4-byte ones, so it is aligned to 4. */
typedef uint32_t word_4 __attribute__((may_alias));
typedef uint64_t word_8 __attribute__((may_alias, aligned(4)));

/* Vectors of 16 bytes: for each type all lanes the same, in reverse, and a square of lanes turned. */
typedef word_4 vector_4 __attribute__((vector_size(16)));
typedef word_8 vector_8 __attribute__((vector_size(16)));
enum {
    LANES_4 = 4,
    LANES_8 = 2,
    TILE = 16
}; /* rows and columns of a transposition's tile: a line of 4-byte elements */

static vector_4 get_4(const word_4 *x)
{
    vector_4 v;
    memcpy(&v, x, sizeof v);
    return v;
}
static vector_8 get_8(const word_8 *x)
{
    vector_8 v;
    memcpy(&v, x, sizeof v);
    return v;
}
static void put_4(word_4 *y, vector_4 v) { memcpy(y, &v, sizeof v); }
static void put_8(word_8 *y, vector_8 v) { memcpy(y, &v, sizeof v); }
static vector_4 same_4(word_4 x) { return (vector_4){ x, x, x, x }; }
static vector_8 same_8(word_8 x) { return (vector_8){ x, x }; }
static vector_4 reversed_4(vector_4 v) { return __builtin_shufflevector(v, v, 3, 2, 1, 0); }
static vector_8 reversed_8(vector_8 v) { return __builtin_shufflevector(v, v, 1, 0); }

static void turn_4(word_4 *y, int64_t step, const word_4 *x)
{
    const vector_4 a = get_4(x), b = get_4(x + TILE), c = get_4(x + 2 * TILE), d = get_4(x + 3 * TILE);
    const vector_4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), AB = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const vector_4 cd = __builtin_shufflevector(c, d, 0, 4, 1, 5), CD = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    put_4(y, __builtin_shufflevector(ab, cd, 0, 1, 4, 5));
    put_4(y + step, __builtin_shufflevector(ab, cd, 2, 3, 6, 7));
    put_4(y + 2 * step, __builtin_shufflevector(AB, CD, 0, 1, 4, 5));
    put_4(y + 3 * step, __builtin_shufflevector(AB, CD, 2, 3, 6, 7));
}

static void turn_8(word_8 *y, int64_t step, const word_8 *x)
{
    const vector_8 a = get_8(x), b = get_8(x + TILE);
    put_8(y, __builtin_shufflevector(a, b, 0, 2));
    put_8(y + step, __builtin_shufflevector(a, b, 1, 3));
}

/* An axis: its size, and its strides in elements. */
typedef struct axis {
    int64_t n, y, x;
} axis;

enum {
    WHOLE = 16, /* elements of a row that is worth a call */
    FEW = 32,   /* fewer than this are looped over inside a longer axis, */
    PART = 256, /* of which so many are taken at once */
    BLOCK = 64  /* rows and columns of a block of tiles */
};

/* One step over axes, the last first; false after the last element. */
static bool step(const axis *axes, int count, int64_t *at, int64_t *y, int64_t *x)
{
    for (int d = count; d-- > 0;) {
        *y += axes[d].y, *x += axes[d].x;
        if (++at[d] < axes[d].n) return true;
        *y -= axes[d].n * axes[d].y, *x -= axes[d].n * axes[d].x;
        at[d] = 0;
    }
    return false;
}

/* Reorders the axes so that short ones, of fewer than FEW elements together, come last, and returns the longer axis before
 * them: first as many of the last axes as are short, then those before the long one. */
static int few_inside(axis *axes, int count)
{
    int one = count - 1;
    int64_t few = 1;
    while (one > 0 && few * axes[one].n < FEW) few *= axes[one--].n;
    while (one > 0 && few * axes[one - 1].n < FEW && axes[one].x != 0) {
        const axis a = axes[--one];
        few *= a.n;
        memmove(axes + one, axes + one + 1, (size_t)(count - one - 1) * sizeof *axes);
        axes[count - 1] = a;
    }
    return one;
}

#define T word_4
#define S 4
#include "core/base/strided.rows.h"
#undef T
#undef S
#define T word_8
#define S 8
#include "core/base/strided.rows.h"
#undef T
#undef S

/* The axes without those of size 1 and with neighbours that step as one together; none if there is no element. */
static int simplify(axis *axes, const int64_t *y_stride, const int64_t *x_stride, int rank, const int64_t *size)
{
    int count = 0;
    for (int d = 0; d < rank; d++) {
        const axis a = { size[d], y_stride[d], x_stride[d] };
        axis *last = &axes[count - 1];
        if (a.n == 1) continue;
        if (count && reel__steps_as_one(last->y, a.n, a.y) && reel__steps_as_one(last->x, a.n, a.x))
            *last = (axis){ last->n * a.n, a.y, a.x };
        else axes[count++] = a;
    }
    return count;
}

/* If 4-byte elements come in pairs that are adjacent in both arrays, makes them half as many 8-byte ones. */
static bool pair(axis *axes, int count)
{
    axis *last = &axes[count - 1];
    if (!count || last->y != 1 || last->x != 1 || last->n % 2 || last->n >= WHOLE) return false;
    for (int d = 0; d < count - 1; d++)
        if (axes[d].y % 2 || axes[d].x % 2) return false;
    for (int d = 0; d < count - 1; d++) axes[d].y /= 2, axes[d].x /= 2;
    last->n /= 2;
    return true;
}

void reel__copy_strided(void *to, const int64_t *y_stride, const void *from, const int64_t *x_stride, size_t element,
                        int rank, const int64_t *size)
{
    axis axes[REEL_MAX_RANK + 1];
    for (int d = 0; d < rank; d++)
        if (size[d] == 0) return;
    int count = simplify(axes, y_stride, x_stride, rank, size);
    if (element == 4 && pair(axes, count)) element = 8;
    while (count && axes[count - 1].n == 1) count--;
    if (!count) axes[count++] = (axis){ 1, 1, 1 };
    if (element == 4) copy_4(to, from, axes, count);
    else copy_8(to, from, axes, count);
}
