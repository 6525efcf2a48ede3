/* The product as it is defined, one row at a time: the oracle of the fast kernels. See contract.c for the definition. */
#include "ops/contract.h"

/* The offsets of the next k, counted in row-major order over the k axes. */
static void step(const reel__product_row *p, int64_t *at, int64_t *a, int64_t *b)
{
    for (int d = p->k_axes; d-- > 0;) {
        *a += p->a_stride[d], *b += p->b_stride[d];
        if (++at[d] < p->k_size[d]) return;
        *a -= p->k_size[d] * p->a_stride[d], *b -= p->k_size[d] * p->b_stride[d];
        at[d] = 0;
    }
}

#define ROW(T, suffix)                                                                                                 \
    static void row_##suffix(const reel__product_row *p)                                                               \
    {                                                                                                                  \
        T sum[REEL__PRODUCT_COLUMNS], chain[REEL__PRODUCT_COLUMNS];                                                    \
        const T *a = p->a, *b = p->b;                                                                                  \
        int64_t at[REEL_MAX_RANK] = { 0 }, ai = 0, bi = 0, k = 0;                                                      \
        bool together = true;                                                                                          \
        for (int64_t j = 0; j < p->columns; j++) sum[j] = 0, together &= p->column[j] == p->column[0] + j;             \
        for (int64_t piece = 0; piece < p->k; piece += REEL__PRODUCT_PIECE) {                                          \
            const int64_t end = p->k - piece < REEL__PRODUCT_PIECE ? p->k : piece + REEL__PRODUCT_PIECE;               \
            for (int64_t j = 0; j < p->columns; j++) chain[j] = (T)-0.0;                                               \
            for (; k < end; k++) {                                                                                     \
                const T x = a[ai], *w = b + bi + p->column[0];                                                         \
                if (together)                                                                                          \
                    for (int64_t j = 0; j < p->columns; j++) chain[j] = reel__fma_##suffix(x, w[j], chain[j]);         \
                else                                                                                                   \
                    for (int64_t j = 0; j < p->columns; j++)                                                           \
                        chain[j] = reel__fma_##suffix(x, b[bi + p->column[j]], chain[j]);                              \
                step(p, at, &ai, &bi);                                                                                 \
            }                                                                                                          \
            for (int64_t j = 0; j < p->columns; j++) sum[j] = piece ? sum[j] + chain[j] : chain[j];                    \
        }                                                                                                              \
        for (int64_t j = 0; j < p->columns; j++) ((T *)p->y)[j] = sum[j];                                              \
    }
ROW(float, f32)
ROW(double, f64)

const reel__product_kernels K(reel__product_naive) = { { row_f32, row_f64 } };
