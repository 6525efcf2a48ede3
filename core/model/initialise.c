/* Initial values: functions of (seed, full name, element), the same on every machine and in any order of creation. */
#include "core/base/control.h"
#include "core/base/elementary.h"
#include "core/base/random.h"
#include "core/model/model.h"

#include <math.h>
#include <string.h>

const char *const reel__init_kinds[REEL__INIT_KINDS] = {
    "default", "constant", "uniform", "normal", "fan_in_uniform", "glorot_uniform",
};

bool reel__init_equal(reel_init a, reel_init b)
{
    return a.kind == b.kind && memcmp(&a.a, &b.a, sizeof a.a) == 0 && memcmp(&a.b, &b.b, sizeof a.b) == 0;
}

static void store(reel__value *value, int64_t i, double x)
{
    if (value->dtype == REEL_F32) ((float *)value->data)[i] = (float)x;
    else if (value->dtype == REEL_F64) ((double *)value->data)[i] = x;
    else ((int32_t *)value->data)[i] = (int32_t)x;
}

/* Box and Muller (1958) on fixed positions, in f32 for every dtype, so that no libm decides the bits. */
static double normal(reel__stream stream, int64_t i)
{
    float radius = sqrtf(-2.0f * reel__log_f32(1.0f - reel__uniform_f32(stream, 2 * i)));
    return (double)(radius * reel__cos_f32(6.2831853f * reel__uniform_f32(stream, 2 * i + 1)));
}

static double uniform(const reel__value *value, reel__stream stream, int64_t i)
{
    return value->dtype == REEL_F64 ? reel__uniform_f64(stream, i) : (double)reel__uniform_f32(stream, i);
}

static void initialise(reel__value *value, uint64_t seed)
{
    reel__stream stream = reel__stream_of(seed, value->hash, 0);
    double low = value->init.a, high = value->init.b, fan_in = 1;
    double fan_out = value->rank ? (double)value->size[value->rank - 1] : 1;
    for (int i = 0; i + 1 < value->rank; i++) fan_in *= (double)value->size[i];
    if (value->init.kind == REEL_INIT_FAN_IN_UNIFORM) high = value->init.a / sqrt(fan_in), low = -high;
    if (value->init.kind == REEL_INIT_GLOROT_UNIFORM) high = value->init.a * sqrt(6 / (fan_in + fan_out)), low = -high;
    for (int64_t i = 0; i < value->count; i++) {
        if (value->is_state) store(value, i, 0);
        else if (value->init.kind == REEL_INIT_CONSTANT) store(value, i, value->init.a);
        else if (value->init.kind == REEL_INIT_NORMAL)
            store(value, i, value->init.a + value->init.b * normal(stream, i));
        else store(value, i, low + (high - low) * uniform(value, stream, i));
    }
}

void reel__value_initialise(reel__value *value, uint64_t seed)
{
    reel__control_word saved = reel__set_control_word();
    initialise(value, seed);
    reel__restore_control_word(&saved);
}
