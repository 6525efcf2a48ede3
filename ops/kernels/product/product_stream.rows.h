/* One row of y against x in place, for one type (per_type.h). The time is memory's, so x is read once in its own order:
 * tiles would walk down its columns, packing would write it out again. */

/* sum[x] = sum[x] + y[r] x[r, x] for r < rows, in that order. */
INLINE void FN(stream_rows)(const T *x, int64_t x_k, int64_t nx, const T *y, int64_t y_k, const int rows, T *sum)
{
    FN(vector) a[8], b, c;
    UNROLL
    for (int r = 0; r < rows; r++) a[r] = FN(splat)(y[r * y_k]);
    const int64_t whole = (nx - 1) / FN(LANES) * FN(LANES);
    const FN(mask) last = FN(first)((int)(nx - whole));
    for (int64_t i = 0; i < whole; i += FN(LANES)) {
        memcpy(&c, sum + i, sizeof c);
        UNROLL
        for (int r = 0; r < rows; r++) {
            memcpy(&b, x + r * x_k + i, sizeof b);
            c = FN(fma)(a[r], b, c);
        }
        memcpy(sum + i, &c, sizeof c);
    }
    c = FN(load_first)(sum + whole, last);
    UNROLL
    for (int r = 0; r < rows; r++) c = FN(fma)(a[r], FN(load_first)(x + r * x_k + whole, last), c);
    FN(store_first)(sum + whole, c, last);
}

/* One piece where x[k, x] is contiguous over x: eight rows at a time pass over the chains. */
static void FN(stream_straight)(const T *x, int64_t x_k, int64_t nx, const T *y, int64_t y_k, int64_t nk, T *sum)
{
    for (int64_t i = 0; i < nx; i++) sum[i] = (T)-0.0;
    int64_t k = 0;
    for (; k + 8 <= nk; k += 8) FN(stream_rows)(x + k * x_k, x_k, nx, y + k * y_k, y_k, 8, sum);
    for (; k < nk; k++) FN(stream_rows)(x + k * x_k, x_k, nx, y + k * y_k, y_k, 1, sum);
}

/* c[x] = or += sum over k of y[k] x[k, x], one piece, one row of y, x[k, x] contiguous over x:
 * in strips whose chains stay in the first cache. */
static void FN(stream)(const reel__sweep *s)
{
    T sum[STRIP];
    for (int64_t x = 0; x < s->nx; x += STRIP) {
        const int64_t nx = s->nx - x < STRIP ? s->nx - x : STRIP;
        T *c = (T *)s->c + x * s->c_x;
        FN(stream_straight)((const T *)s->x + x, s->x_k, nx, s->y, s->y_k, s->k, sum);
        for (int64_t i = 0; i < nx; i++) c[i * s->c_x] = s->add ? c[i * s->c_x] + sum[i] : sum[i];
    }
}

/* sum[x] = sum[x] + y[k] x[k, x] for k in [k0, k1), whole groups, which are transposed in registers. */
INLINE void FN(dots_of_group)(const T *const *row, const T *y, int64_t y_k, int64_t k0, int64_t k1, FN(group) * sum)
{
    for (int64_t k = k0; k < k1; k += FN(GROUP)) {
        FN(group) column[FN(GROUP)];
        FN(transpose)(row, k, column);
        UNROLL
        for (int i = 0; i < FN(GROUP); i++) FN(group_fma)(y[(k + i) * y_k], &column[i], sum);
    }
}

/* The chains of one piece, x[k, x] contiguous over k, for nx <= DOTS: four groups, to hide the
 * latency of a chain, a cache line of every row at a time. Missing columns repeat the last. */
enum { FN(DOTS) = 4 * FN(GROUP) };
static void FN(dots_of_columns)(const T *x, int64_t x_x, int nx, const T *y, int64_t y_k, int64_t nk, T *sum)
{
    enum { LINE = 64 / (int)sizeof(T) };
    const T *row[FN(DOTS)];
    FN(group) c[4];
    for (int i = 0; i < FN(DOTS); i++) row[i] = x + (i < nx ? i : nx - 1) * x_x;
    for (int i = 0; i < FN(DOTS); i++) sum[i] = (T)-0.0;
    memcpy(c, sum, sizeof c);
    const int64_t whole = nk / FN(GROUP) * FN(GROUP);
    for (int64_t k = 0; k < whole; k += LINE) {
        const int64_t end = k + LINE < whole ? k + LINE : whole;
        UNROLL
        for (int g = 0; g < 4; g++) FN(dots_of_group)(row + g * FN(GROUP), y, y_k, k, end, &c[g]);
    }
    memcpy(sum, c, sizeof c);
    for (int64_t k = whole; k < nk; k++)
        for (int i = 0; i < nx; i++) sum[i] = FN(scalar_fma)(y[k * y_k], row[i][k], sum[i]);
}

/* The same as stream, x[k, x] contiguous over k. */
static void FN(dots)(const reel__sweep *s)
{
    T sum[FN(DOTS)];
    for (int64_t x = 0; x < s->nx; x += FN(DOTS)) {
        const int nx = s->nx - x < FN(DOTS) ? (int)(s->nx - x) : FN(DOTS);
        T *c = (T *)s->c + x * s->c_x;
        FN(dots_of_columns)((const T *)s->x + x * s->x_x, s->x_x, nx, s->y, s->y_k, s->k, sum);
        for (int i = 0; i < nx; i++) c[i * s->c_x] = s->add ? c[i * s->c_x] + sum[i] : sum[i];
    }
}
