/* How a kernel is written once for several types. The functions of one type stand in a file NAME.rows.h, which is included
 * for each type, with SUFFIX as f32, f64 or i32:
 *
 *     #define SUFFIX f32
 *     #include "ops/kernels/reduce.rows.h"
 *     #undef SUFFIX
 *
 * There T is the type of an element and FN(name) what belongs to that type: FN(sum) is the function sum_f32, FN(LANES) the
 * constant LANES_f32. BITS is the unsigned integer of an element's size. */
#ifndef REEL_OPS_PER_TYPE_H
#define REEL_OPS_PER_TYPE_H

#include <stdint.h>

#define T FN(element)
#define BITS FN(bits)
#define FN(name) FN_OF(name, SUFFIX)
#define FN_OF(name, suffix) FN_PASTED(name, suffix)
#define FN_PASTED(name, suffix) name##_##suffix

typedef float element_f32;
typedef double element_f64;
typedef int32_t element_i32;
typedef uint32_t bits_f32;
typedef uint64_t bits_f64;
typedef uint32_t bits_i32;

#endif
