/* What other programs store and Reel has no type for: halves become f32, integers i32. See header.h. */
#include "core/model/header.h"

#include <string.h>

/* IEEE 754 binary16, exactly: also the smallest, infinities, and a NaN with its bits. */
static uint32_t f32_of_half(uint32_t half)
{
    const uint32_t sign = (half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 31, fraction = half & 0x3ff;
    if (exponent == 31) return sign | 0x7f800000 | fraction << 13;
    if (exponent == 0 && fraction == 0) return sign;
    if (exponent == 0) {
        for (exponent = 1; !(fraction & 0x400); exponent--) fraction <<= 1; /* may go below 0, and comes back */
        fraction &= 0x3ff;
    }
    return sign | (exponent + 112) << 23 | fraction << 13;
}

int64_t reel__stored_integer(reel__stored stored, const void *from, int64_t i)
{
    switch (stored) {
    case REEL__STORED_BOOL: return ((const uint8_t *)from)[i] != 0;
    case REEL__STORED_I8: return ((const int8_t *)from)[i];
    case REEL__STORED_U8: return ((const uint8_t *)from)[i];
    case REEL__STORED_I16: return ((const int16_t *)from)[i];
    case REEL__STORED_U16: return ((const uint16_t *)from)[i];
    case REEL__STORED_U32: return ((const uint32_t *)from)[i];
    default: return ((const int64_t *)from)[i];
    }
}

int64_t reel__convert(reel__stored stored, const void *from, void *to, int64_t count)
{
    const bool half = stored == REEL__STORED_F16 || stored == REEL__STORED_BF16;
    for (int64_t i = 0; i < count && half && to; i++) {
        const uint32_t bits = ((const uint16_t *)from)[i];
        const uint32_t f32 = stored == REEL__STORED_F16 ? f32_of_half(bits) : bits << 16;
        memcpy((float *)to + i, &f32, sizeof f32);
    }
    for (int64_t i = 0; i < count && !half; i++) {
        const int64_t value = reel__stored_integer(stored, from, i);
        if (value < INT32_MIN || value > INT32_MAX) return i;
        if (to) ((int32_t *)to)[i] = (int32_t)value;
    }
    return -1;
}
