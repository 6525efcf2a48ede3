/* The product's kernels for one instruction set: compiled once per set with -DREEL_ISA_<SET>. Which file holds what stands
 * in product_kernels.h. */
#include "ops/kernels/product/product_kernels.h"
#include "ops/kernels/per_type.h"
#include "ops/kernels/vector.h"

/* Rows of the tile, two vectors wide: sums, one row of x and one element of y fill the registers. Where the fused
 * multiply-add is emulated, it needs the registers itself. Fewer rows of f64 keep the library small. */
#define UP_TO_2(X) X(1) X(2)
#define UP_TO_4(X) UP_TO_2(X) X(3) X(4)
#define UP_TO_6(X) UP_TO_4(X) X(5) X(6)
#define UP_TO_12(X) UP_TO_6(X) X(7) X(8) X(9) X(10) X(11) X(12)
#if defined(REEL_ISA_AVX512)
enum { TILE_ROWS_f32 = 12, TILE_ROWS_f64 = 4 };
#define EACH_ROWS_f32 UP_TO_12
#define EACH_ROWS_f64 UP_TO_4
#elif defined(REEL_ISA_AVX2) || defined(__aarch64__)
enum { TILE_ROWS_f32 = 6, TILE_ROWS_f64 = 6 };
#define EACH_ROWS_f32 UP_TO_6
#define EACH_ROWS_f64 UP_TO_6
#else
enum { TILE_ROWS_f32 = 2, TILE_ROWS_f64 = 2 };
#define EACH_ROWS_f32 UP_TO_2
#define EACH_ROWS_f64 UP_TO_2
#endif

/* Columns whose chains a stream keeps. Tiles: up to one vector of columns, up to two, two, two and
 * a copy. */
enum { STRIP = 1024 };
enum { ONE, TWO, FULL, COPYING, KINDS };

#define scalar_fma_f32 reel__fma_f32
#define scalar_fma_f64 reel__fma_f64

/* Keeps the compiler from seeing where x came from. */
#define HIDE(x) __asm__("" : "+r"(x))

/* Whether tiles copy and fetch. Double is for checking, and the emulation does not wait for memory. */
#if defined(REEL_ISA_AVX512) || defined(REEL_ISA_AVX2) || defined(__aarch64__)
enum { HELPS_f32 = 1, HELPS_f64 = 0 };
#else
enum { HELPS_f32 = 0, HELPS_f64 = 0 };
#endif

#define SUFFIX f32
#include "ops/kernels/product/product_plain.rows.h"
#include "ops/kernels/product/product_copy.rows.h"
#include "ops/kernels/product/product_tile.rows.h"
#include "ops/kernels/product/product_stream.rows.h"
#undef SUFFIX
#define SUFFIX f64
#include "ops/kernels/product/product_plain.rows.h"
#include "ops/kernels/product/product_copy.rows.h"
#include "ops/kernels/product/product_tile.rows.h"
#include "ops/kernels/product/product_stream.rows.h"
#undef SUFFIX

const reel__product_kernels K(reel__product_kernels)[2] = {
    { 4, WIDTH_f32, TILE_ROWS_f32, HELPS_f32, sweep_f32, stream_f32, dots_f32, pack_f32, plain_f32 },
    { 8, WIDTH_f64, TILE_ROWS_f64, HELPS_f64, sweep_f64, stream_f64, dots_f64, pack_f64, plain_f64 },
};
