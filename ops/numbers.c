/* Leaves that are not bound to a name of the model: numbers, iota, random draws. */
#include "core/base/random.h"
#include "ops/family.h"

#include <math.h>
#include <string.h>

typedef struct number_attr {
    double value;
    int64_t dtype;
} number_attr;

static bool number_shape(reel_tensor *y)
{
    return reel_set_shape(y, (reel_dtype)((const number_attr *)y->attr)->dtype, 0, NULL);
}

static void number_run(const reel_call *call)
{
    double value = ((const number_attr *)call->node->attr)->value;
    if (call->node->dtype == REEL_F32) *(float *)call->y = (float)value;
    else if (call->node->dtype == REEL_F64) *(double *)call->y = value;
    else *(int32_t *)call->y = (int32_t)value;
}

/* 0, ±1 and powers of two belong to the structure of a program: equal ones are one node, and rewrites may look at them.
 * Any other number is data: a learning rate that changes from one recording to the next is the same program. */
static const reel__traits number_traits = { .is_number = true };
static const reel_op constant_op = {
    .size = sizeof(reel_op), .name = "constant", .shape = number_shape, .run = number_run, .traits = &number_traits
};
static const reel_op number_op = { .size = sizeof(reel_op),
                                   .name = "number",
                                   .shape = number_shape,
                                   .run = number_run,
                                   .unique = true,
                                   .attr_is_data = true,
                                   .traits = &number_traits };

static bool is_structural(double value)
{
    int exponent;
    return value == 0 || !isfinite(value) || fabs(frexp(value, &exponent)) == 0.5;
}

static bool fits_i32(double value) { return value >= INT32_MIN && value <= INT32_MAX && value == floor(value); }

/* x and a number, under the name that the user wrote. */
bool reel__good_with(const char *op, reel_tensor *x, double value)
{
    if (!reel__good_one(op, x)) return false;
    if (x->dtype != REEL_I32 || fits_i32(value)) return true;
    reel__fail(x->tape, REEL_BAD_DTYPE, "%s: %g is not a whole number of i32, as %s is", op, value, reel__node_text(x));
    return false;
}

reel_tensor *reel_number(reel_tensor *like, double value)
{
    if (!reel__good_with("number", like, value)) return &reel_tape_of(like)->bad;
    number_attr attr = { value, like->dtype };
    return reel_record_leaf(like->tape, is_structural(value) ? &constant_op : &number_op, &attr, sizeof attr);
}

reel_tensor *reel_scale(reel_tensor *x, double s)
{
    if (!reel__good_with("scale", x, s)) return &reel_tape_of(x)->bad;
    return s == 1 ? x : reel_mul(x, reel_number(x, s));
}

reel_tensor *reel_shift(reel_tensor *x, double s)
{
    return reel__good_with("shift", x, s) ? reel_add(x, reel_number(x, s)) : &reel_tape_of(x)->bad;
}

reel_tensor *reel_fill(reel_tensor *like, reel_shape shape, double value)
{
    if (!reel__good_with("fill", like, value)) return &reel_tape_of(like)->bad;
    reel__text text;
    bool fits = shape.rank >= 0 && shape.rank <= REEL_MAX_RANK;
    for (int d = 0; fits && d < shape.rank; d++) fits = shape.size[d] >= 0;
    if (!fits)
        return reel__fail(like->tape, REEL_BAD_SHAPE, "fill: %s is no shape: up to %d sizes, none of them negative",
                          reel__shape_text(&text, shape.rank < REEL_MAX_RANK ? shape.rank : REEL_MAX_RANK, shape.size),
                          REEL_MAX_RANK);
    return reel_expand(reel_number(like, value), shape);
}

/* ---- iota -------------------------------------------------------------------------------------------------------- */

typedef struct iota_attr {
    int64_t count;
} iota_attr;

static bool iota_shape(reel_tensor *y)
{
    const iota_attr *iota = y->attr;
    return reel_set_shape(y, REEL_I32, 1, &iota->count);
}

static void iota_run(const reel_call *call)
{
    int32_t *y = call->y;
    for (int64_t i = 0; i < call->node->count; i++) y[i] = (int32_t)i;
}

static const reel_op iota_op = {
    .size = sizeof(reel_op), .name = "iota", .shape = iota_shape, .run = iota_run, .traits = &number_traits
};

reel_tensor *reel_iota(reel_tensor *like, int64_t count)
{
    if (!reel__good("iota", &like, 1)) return &reel_tape_of(like)->bad;
    if (count < 0 || count > INT32_MAX)
        return reel__fail(like->tape, REEL_BAD_ARGUMENT, "iota: %lld is not within 0 … 2147483647", (long long)count);
    iota_attr attr = { count };
    return reel_record_leaf(like->tape, &iota_op, &attr, sizeof attr);
}

/* ---- random draws ------------------------------------------------------------------------------------------------ */

/* entry tells draws of one name in several entries of its scope apart while recording; which of them a draw is for its
 * bits is decided by the order of the program. */
typedef struct draw_attr {
    const char *name;
    uint64_t entry;
    int64_t dtype, rank, size[REEL_MAX_RANK];
} draw_attr;

static bool draw_shape(reel_tensor *y)
{
    const draw_attr *draw = y->attr;
    y->name = draw->name;
    return reel_set_shape(y, (reel_dtype)draw->dtype, (int)draw->rank, draw->size);
}

static void uniform_run(const reel_call *call)
{
    const reel_tensor *y = call->node;
    reel__stream stream = { call->stream[0], { (uint32_t)call->stream[1], (uint32_t)(call->stream[1] >> 32) } };
    if (y->dtype == REEL_F32)
        for (int64_t i = 0; i < y->count; i += 4) {
            reel__philox block = reel__stream_block(stream, (uint64_t)i / 4);
            for (int64_t k = 0; k < 4 && i + k < y->count; k++)
                ((float *)call->y)[i + k] = (float)(block.word[k] >> 8) * 0x1p-24f;
        }
    else
        for (int64_t i = 0; i < y->count; i++) ((double *)call->y)[i] = reel__uniform_f64(stream, i);
}

static const reel__traits draw_traits = { .is_draw = true };
static const reel_op uniform_op = { .size = sizeof(reel_op),
                                    .name = "uniform",
                                    .shape = draw_shape,
                                    .run = uniform_run,
                                    .draws = true,
                                    .traits = &draw_traits };

static reel_tensor *draw(const char *call, reel_tensor *like, const char *name, reel_shape shape)
{
    draw_attr attr;
    memset(&attr, 0, sizeof attr);
    if (!reel__use_name(like->tape, call, name, &attr.name)) return &like->tape->bad;
    attr.entry = like->tape->scope->entry - like->tape->root.entry; /* the same in every recording */
    attr.dtype = like->dtype, attr.rank = shape.rank;
    for (int d = 0; d < shape.rank; d++) attr.size[d] = shape.size[d];
    return reel_record_leaf(like->tape, &uniform_op, &attr, sizeof attr);
}

static bool can_draw(const char *call, reel_tensor *like, reel_shape shape, int most)
{
    reel__text text;
    if (!reel__good(call, &like, 1)) return false;
    if (like->dtype == REEL_I32)
        reel__fail(like->tape, REEL_BAD_DTYPE, "%s: draws are f32 or f64, not i32 as %s", call, reel__node_text(like));
    else if (shape.rank < 0 || shape.rank > most)
        reel__fail(like->tape, REEL_BAD_SHAPE, "%s: %d dimensions; at most %d are possible", call, shape.rank, most);
    else
        for (int d = 0; d < shape.rank; d++)
            if (shape.size[d] < 0) {
                reel__fail(like->tape, REEL_BAD_SHAPE, "%s: a size is negative: %s", call,
                           reel__shape_text(&text, shape.rank, shape.size));
                break;
            }
    return like->tape->recording.status == REEL_OK;
}

reel_tensor *reel_uniform(reel_tensor *like, const char *name, reel_shape shape)
{
    if (!can_draw("uniform", like, shape, REEL_MAX_RANK)) return &reel_tape_of(like)->bad;
    return draw("uniform", like, name, shape);
}

/* √(−2 ln(1 − u)) cos(2π v): 1 − u is in (0, 1], so the logarithm is finite. */
reel_tensor *reel_normal(reel_tensor *like, const char *name, reel_shape shape)
{
    if (!can_draw("normal", like, shape, REEL_MAX_RANK - 1)) return &reel_tape_of(like)->bad;
    reel_shape two = { .rank = shape.rank + 1, .size = { 2 } };
    for (int d = 0; d < shape.rank; d++) two.size[d + 1] = shape.size[d];
    reel_tensor *uv = draw("normal", like, name, two);
    reel_tensor *u = reel_squeeze(reel_slice(uv, 0, 0, 1), 0), *v = reel_squeeze(reel_slice(uv, 0, 1, 2), 0);
    reel_tensor *radius = reel_sqrt(reel_scale(reel_log(reel_sub(reel_number(u, 1), u)), -2));
    return reel_mul(radius, reel_cos(reel_scale(v, 6.28318530717958647693)));
}
