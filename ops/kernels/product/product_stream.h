/* One row of y against x where it lies, for one type: included by product.kernel.c as
 * product_tile.h is. The time is memory's, so x is read once in its own order: tiles would walk
 * down its columns, packing would write it out again. */

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
static void N(stream_straight)(const REAL *x, int64_t x_k, int64_t nx, const REAL *y, int64_t y_k, int64_t nk,
                               REAL *sum)
{
    for (int64_t i = 0; i < nx; i++) sum[i] = (REAL)-0.0;
    int64_t k = 0;
    for (; k + 8 <= nk; k += 8) N(stream_rows)(x + k * x_k, x_k, nx, y + k * y_k, y_k, 8, sum);
    for (; k < nk; k++) N(stream_rows)(x + k * x_k, x_k, nx, y + k * y_k, y_k, 1, sum);
}

/* c[x] = or += sum over k of y[k] x[k, x], one piece, one row of y, x[k, x] contiguous over x:
 * in strips whose chains stay in the first cache. */
static void N(stream)(const reel__sweep *s)
{
    REAL sum[STRIP];
    for (int64_t x = 0; x < s->nx; x += STRIP) {
        const int64_t nx = s->nx - x < STRIP ? s->nx - x : STRIP;
        REAL *c = (REAL *)s->c + x * s->c_x;
        N(stream_straight)((const REAL *)s->x + x, s->x_k, nx, s->y, s->y_k, s->k, sum);
        for (int64_t i = 0; i < nx; i++) c[i * s->c_x] = s->add ? c[i * s->c_x] + sum[i] : sum[i];
    }
}

/* sum[x] = sum[x] + y[k] x[k, x] for k in [k0, k1), whole groups, which turn in registers. */
INLINE void N(turn_group)(const REAL *const *row, const REAL *y, int64_t y_k, int64_t k0, int64_t k1, N(group) * sum)
{
    for (int64_t k = k0; k < k1; k += N(GROUP)) {
        N(group) column[N(GROUP)];
        N(transpose)(row, k, column);
        UNROLL
        for (int i = 0; i < N(GROUP); i++) N(group_fma)(y[(k + i) * y_k], &column[i], sum);
    }
}

/* The chains of one piece, x[k, x] contiguous over k, for nx <= TURNED: four groups, to hide the
 * latency of a chain, a cache line of every row at a time. Missing columns repeat the last. */
enum { N(TURNED) = 4 * N(GROUP) };
static void N(turn_columns)(const REAL *x, int64_t x_x, int nx, const REAL *y, int64_t y_k, int64_t nk, REAL *sum)
{
    enum { LINE = 64 / (int)sizeof(REAL) };
    const REAL *row[N(TURNED)];
    N(group) c[4];
    for (int i = 0; i < N(TURNED); i++) row[i] = x + (i < nx ? i : nx - 1) * x_x;
    for (int i = 0; i < N(TURNED); i++) sum[i] = (REAL)-0.0;
    memcpy(c, sum, sizeof c);
    const int64_t whole = nk / N(GROUP) * N(GROUP);
    for (int64_t k = 0; k < whole; k += LINE) {
        const int64_t end = k + LINE < whole ? k + LINE : whole;
        UNROLL
        for (int g = 0; g < 4; g++) N(turn_group)(row + g * N(GROUP), y, y_k, k, end, &c[g]);
    }
    memcpy(sum, c, sizeof c);
    for (int64_t k = whole; k < nk; k++)
        for (int i = 0; i < nx; i++) sum[i] = N(scalar_fma)(y[k * y_k], row[i][k], sum[i]);
}

/* The same as stream, x[k, x] contiguous over k. */
static void N(turned)(const reel__sweep *s)
{
    REAL sum[N(TURNED)];
    for (int64_t x = 0; x < s->nx; x += N(TURNED)) {
        const int nx = s->nx - x < N(TURNED) ? (int)(s->nx - x) : N(TURNED);
        REAL *c = (REAL *)s->c + x * s->c_x;
        N(turn_columns)((const REAL *)s->x + x * s->x_x, s->x_x, nx, s->y, s->y_k, s->k, sum);
        for (int i = 0; i < nx; i++) c[i * s->c_x] = s->add ? c[i * s->c_x] + sum[i] : sum[i];
    }
}
