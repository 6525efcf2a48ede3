/* The product as it is defined, one row at a time, for one type (per_type.h): the oracle of the fast kernels. The
 * definition stands in ops/contract.c. */

/* sum[j] = or += the chain over k [k0, k1) of a[k] b[k, column[j]]; `at` is k in its axes. */
static void FN(plain_piece)(const reel__product_row *p, int64_t k0, int64_t k1, int64_t *at, T *sum)
{
    T chain[REEL__PRODUCT_COLUMNS];
    for (int64_t j = 0; j < p->columns; j++) chain[j] = (T)-0.0;
    for (int64_t k = k0; k < k1; k++) {
        const T *a = p->a, *b = p->b;
        for (int d = 0; d < p->k_axes; d++) a += at[d] * p->a_stride[d], b += at[d] * p->b_stride[d];
        if (p->in_order)
            for (int64_t j = 0; j < p->columns; j++) chain[j] = FN(reel__fma)(*a, b[p->column[0] + j], chain[j]);
        else
            for (int64_t j = 0; j < p->columns; j++) chain[j] = FN(reel__fma)(*a, b[p->column[j]], chain[j]);
        for (int d = p->k_axes; d-- > 0 && ++at[d] == p->k_size[d];) at[d] = 0;
    }
    for (int64_t j = 0; j < p->columns; j++) sum[j] = k0 ? sum[j] + chain[j] : chain[j];
}

static void FN(plain)(const reel__product_row *p)
{
    T sum[REEL__PRODUCT_COLUMNS];
    int64_t at[REEL__PRODUCT_AXES] = { 0 };
    for (int64_t j = 0; j < p->columns; j++) sum[j] = 0;
    for (int64_t k = 0; k < p->k; k += REEL__PRODUCT_PIECE) {
        const int64_t end = p->k - k < REEL__PRODUCT_PIECE ? p->k : k + REEL__PRODUCT_PIECE;
        FN(plain_piece)(p, k, end, at, sum);
    }
    memcpy(p->y, sum, (size_t)p->columns * sizeof *sum);
}
