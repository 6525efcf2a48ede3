/* One row of y against x where it lies, for one type: included by product_kernels.c as product_tile.h is. Memory's time,
 * so x is read in its own order, once: tiles would walk down its columns, and packing would write it out again. */

/* sum[x] = sum[x] + y[r] x[r, x] for r < rows, in that order. */
INLINE void N(stream_rows)(const REAL *x, int64_t x_k, int64_t nx, const REAL *y, int64_t y_k, const int rows,
                           REAL *sum)
{
    N(vector) a[8], b, c;
    UNROLL
    for (int r = 0; r < rows; r++) a[r] = N(splat)(y[r * y_k]);
    const int64_t whole = (nx - 1) / N(LANES) * N(LANES);
    const N(mask) last = N(first)((int)(nx - whole));
    for (int64_t i = 0; i < whole; i += N(LANES)) {
        memcpy(&c, sum + i, sizeof c);
        UNROLL
        for (int r = 0; r < rows; r++) {
            memcpy(&b, x + r * x_k + i, sizeof b);
            c = N(fma)(a[r], b, c);
        }
        memcpy(sum + i, &c, sizeof c);
    }
    c = N(load_first)(sum + whole, last);
    UNROLL
    for (int r = 0; r < rows; r++) c = N(fma)(a[r], N(load_first)(x + r * x_k + whole, last), c);
    N(store_first)(sum + whole, c, last);
}

/* One piece where x[k, x] is contiguous over x: eight rows at a time pass over the chains. */
static void N(stream_straight)(const REAL *x, int64_t x_k, int64_t nx, const REAL *y, int64_t y_k, int64_t nk, REAL *sum)
{
    for (int64_t i = 0; i < nx; i++) sum[i] = (REAL)-0.0;
    int64_t k = 0;
    for (; k + 8 <= nk; k += 8) N(stream_rows)(x + k * x_k, x_k, nx, y + k * y_k, y_k, 8, sum);
    for (; k < nk; k++) N(stream_rows)(x + k * x_k, x_k, nx, y + k * y_k, y_k, 1, sum);
}

/* sum[x] = sum[x] + y[k] x[k, x] for k in [k0, k1), whole groups, which are turned in registers. */
INLINE void N(stream_group)(const REAL *const *row, const REAL *y, int64_t y_k, int64_t k0, int64_t k1, N(group) *sum)
{
    for (int64_t k = k0; k < k1; k += N(GROUP)) {
        N(group) column[N(GROUP)];
        N(transpose)(row, k, column);
        UNROLL
        for (int i = 0; i < N(GROUP); i++) N(group_fma)(y[(k + i) * y_k], &column[i], sum);
    }
}

/* One piece where x[k, x] is contiguous over k, for at most four groups of x: chains enough to hide their latency,
 * a cache line of every row at a time. Missing columns repeat the last. */
enum { N(TURNED) = 4 * N(GROUP) };
static void N(stream_turned)(const REAL *x, int64_t x_x, int nx, const REAL *y, int64_t y_k, int64_t nk, REAL *sum)
{
    enum { LINE = 64 / (int)sizeof(REAL) };
    const REAL *row[N(TURNED)];
    N(group) c[4];
    for (int i = 0; i < N(TURNED); i++) row[i] = x + (i < nx ? i : nx - 1) * x_x;
    for (int i = 0; i < N(TURNED); i++) sum[i] = (REAL)-0.0;
    memcpy(c, sum, sizeof c);
    const int64_t whole = nk / N(GROUP) * N(GROUP);
    int64_t k = 0;
    for (; k < whole; k += LINE) {
        const int64_t end = k + LINE < whole ? k + LINE : whole;
        UNROLL
        for (int g = 0; g < 4; g++) N(stream_group)(row + g * N(GROUP), y, y_k, k, end, &c[g]);
    }
    k = whole;
    memcpy(sum, c, sizeof c);
    for (; k < nk; k++)
        for (int i = 0; i < nx; i++) sum[i] = N(scalar_fma)(y[k * y_k], row[i][k], sum[i]);
}

/* c[x] = sum over k of y[k] x[k, x], the whole of k: strips of x whose chains stay in the first cache. */
static void N(stream)(const reel__sweep *s)
{
    const int straight = s->x_x == 1;
    const int64_t strip = straight ? STRIP : N(TURNED);
    REAL sum[STRIP];
    for (int64_t x0 = 0; x0 < s->nx; x0 += strip) {
        const int64_t nx = s->nx - x0 < strip ? s->nx - x0 : strip;
        REAL *c = (REAL *)s->c + x0 * s->c_x;
        for (int64_t k = 0; k < s->k; k += REEL__PIECE) {
            const int64_t nk = s->k - k < REEL__PIECE ? s->k - k : REEL__PIECE;
            const REAL *x = (const REAL *)s->x + x0 * s->x_x + k * s->x_k, *y = (const REAL *)s->y + k * s->y_k;
            if (straight)
                N(stream_straight)(x, s->x_k, nx, y, s->y_k, nk, sum);
            else
                N(stream_turned)(x, s->x_x, (int)nx, y, s->y_k, nk, sum);
            for (int64_t i = 0; i < nx; i++) c[i * s->c_x] = k ? c[i * s->c_x] + sum[i] : sum[i];
        }
    }
}
