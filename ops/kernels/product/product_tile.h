/* The register tile of the product and the sweep of tiles over a block, for one type: included
 * by product.kernel.c once with REAL float and once with double, N(name) giving the type's
 * suffix. Here every element's chain is computed; product.c cuts k into pieces and packs. */

/* c[r, x] (+)= sum over k of y[r, k] x[k, x]: one piece of k, at most TILE_ROWS rows, at most
 * WIDTH columns. A copying tile leaves x packed in `copy`. */
typedef struct {
    const REAL *x, *y;
    REAL *c, *copy;
    int64_t k, x_k, y_r, y_k, c_r;
    const char *ahead;
    const int64_t *lines, *none;
    int64_t lines_k;
    int add;
    N(mask) last;
} N(tile_job);

/* The running sum of the pieces before comes first, the piece's chain second. */
INLINE void N(tile_store)(const N(tile_job) * t, N(vector) sum[TILE_ROWS][2], const int rows, const int vectors,
                          const int partial)
{
    const int64_t c_r = t->c_r;
    const N(mask) last = t->last;
    REAL *c = t->c;
    if (t->add) {
        UNROLL
        for (int r = 0; r < rows; r++) {
            UNROLL
            for (int v = 0; v < vectors; v++) {
                N(vector) before;
                if (partial && v == vectors - 1) before = N(load_first)(c + v * N(LANES), last);
                else memcpy(&before, c + v * N(LANES), sizeof before);
                sum[r][v] = before + sum[r][v];
            }
            c += c_r;
            HIDE(c);
        }
        c = t->c;
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++) {
            if (partial && v == vectors - 1) N(store_first)(c + v * N(LANES), sum[r][v], last);
            else memcpy(c + v * N(LANES), &sum[r][v], sizeof sum[r][v]);
        }
        c += c_r;
        HIDE(c);
    }
}

/* Rows are addressed from every fourth by 0, 1, 2, 3 times their stride, which leaves registers
 * for the rest; the empty asm keeps compilers from giving each row a pointer of its own. A full
 * tile fetches a line in each step: where there is none to fetch it is one that stays in the
 * first cache, which costs nothing measurable. */
INLINE void N(tile)(const N(tile_job) * t, const int rows, const int vectors, const int partial, const int copying)
{
    REAL *copy = t->copy;
    N(vector) sum[TILE_ROWS][2];
    UNROLL
    for (int r = 0; r < rows; r++) {
        sum[r][0] = N(splat)((REAL)-0.0);
        sum[r][1] = sum[r][0];
    }
    const N(mask) last = t->last;
    const char *x = (const char *)t->x, *y = (const char *)t->y;
    const int64_t x_k = t->x_k * (int64_t)sizeof(REAL), y_k = t->y_k * (int64_t)sizeof(REAL);
    const char *const ahead = t->ahead;
    const int64_t *lines = t->lines, lines_k = t->lines_k;
    (void)ahead, (void)lines, (void)lines_k;
    int64_t r1 = t->y_r * (int64_t)sizeof(REAL), r3 = 3 * r1;
    const char *y4 = y + 4 * r1, *y8 = y4 + 4 * r1;
    HIDE(r1);
    HIDE(r3);
    for (int64_t k = t->k; k > 0; k--) {
        N(vector) b[2];
        UNROLL
        for (int v = 0; v < vectors; v++) {
            const REAL *at = (const REAL *)(const void *)x + v * N(LANES);
            if (partial && v == vectors - 1) b[v] = N(load_first)(at, last);
            else memcpy(&b[v], at, sizeof b[v]);
            if (copying) memcpy(copy + v * N(LANES), &b[v], sizeof b[v]);
        }
        if (copying) copy += N(WIDTH);
        if (N(HELPS) && vectors == 2 && !partial && !copying) {
            __builtin_prefetch(ahead + *lines, 0, 2);
            lines += lines_k;
        }
        UNROLL
        for (int r = 0; r < rows; r++) {
            const char *four = r < 4 ? y : r < 8 ? y4 : y8;
            const int64_t step = r % 4 == 0 ? 0 : r % 4 == 1 ? r1 : r % 4 == 2 ? 2 * r1 : r3;
            const N(vector) a = N(splat)(*(const REAL *)(const void *)(four + step));
            UNROLL
            for (int v = 0; v < vectors; v++) sum[r][v] = N(fma)(a, b[v], sum[r][v]);
        }
        x += x_k;
        y += y_k;
        if (rows > 4) y4 += y_k;
        if (rows > 8) y8 += y_k;
    }
    N(tile_store)(t, sum, rows, vectors, partial);
}

#define TILE(rows)                                                                                                     \
    static void N(one_##rows)(const N(tile_job) * t) { N(tile)(t, rows, 1, 1, 0); }                                    \
    static void N(two_##rows)(const N(tile_job) * t) { N(tile)(t, rows, 2, 1, 0); }                                    \
    static void N(full_##rows)(const N(tile_job) * t) { N(tile)(t, rows, 2, 0, 0); }                                   \
    static void N(copy_##rows)(const N(tile_job) * t) { N(tile)(t, rows, 2, 0, N(HELPS)); }
EACH_ROWS(TILE)
#undef TILE

#define TILE(rows) { N(one_##rows), N(two_##rows), N(full_##rows), N(copy_##rows) },
static void (*const N(tiles)[TILE_ROWS][KINDS])(const N(tile_job) *) = { EACH_ROWS(TILE) };
#undef TILE

/* to[x, y] (+)= from[y, x], the tile computed with vectors along the rows of c or along nothing
 * that is contiguous. */
static void N(place)(const REAL *from, int rows, int width, REAL *to, int64_t to_x, int64_t to_y, int add)
{
    int y = 0;
    if (to_y == 1)
        for (; y < rows; y += N(GROUP)) {
            const int count = rows - y < N(GROUP) ? rows - y : N(GROUP);
            N(place_rows)(from + y * N(WIDTH), count, width, to + y, to_x, add);
        }
    for (; y < rows; y++)
        for (int x = 0; x < width; x++) {
            REAL *at = to + x * to_x + y * to_y;
            *at = add ? *at + from[y * N(WIDTH) + x] : from[y * N(WIDTH) + x];
        }
}

/* A tile whose rows are not contiguous in c. */
APART void N(tile_placed)(const reel__sweep *s, N(tile_job) * t, int rows, int width, void (*tile)(const N(tile_job) *))
{
    REAL buffer[(TILE_ROWS + N(GROUP) - 1) / N(GROUP) * N(GROUP) * N(WIDTH)], *const c = t->c;
    t->c = buffer, t->c_r = N(WIDTH), t->add = 0;
    tile(t);
    t->c = c;
    N(place)(buffer, rows, width, c, s->c_x, s->c_y, s->add);
}

/* The tile of t, of which x, y, c, y_k and what all tiles share are set. Where x is to be copied,
 * the first tile of a panel does it, the others read the copy, and the second fetches the next. */
INLINE void N(sweep_tile)(const reel__sweep *s, N(tile_job) * t, int rows, int64_t columns, int64_t p)
{
    const REAL *const x = t->x;
    int kind = FULL, width = N(WIDTH);
    if (columns < N(WIDTH)) {
        width = (int)columns;
        kind = width > N(LANES) ? TWO : ONE;
        t->last = N(first)(kind == TWO ? width - N(LANES) : width);
        t->x_k = s->x_k;
    } else if (s->x_copy) {
        if (p == 0) kind = COPYING;
        t->x = p == 0 ? x : t->copy, t->x_k = p == 0 ? s->x_k : N(WIDTH);
    }
    if (N(HELPS) && s->lines && !s->prefetch) {
        const int fetching = s->x_copy ? p == 1 && columns > N(WIDTH) : p == 0 && s->ahead;
        t->lines_k = fetching;
        t->lines = fetching ? s->lines : t->none;
        t->ahead = !fetching ? (const char *)t->none : s->x_copy ? (const char *)(x + s->x_panel) : s->ahead;
    }
    if (N(HELPS) && s->fetch_c)
        for (int r = 0; r < rows; r++) {
            __builtin_prefetch(t->c + r * s->c_y, 1);
            __builtin_prefetch(t->c + r * s->c_y + width - 1, 1);
        }
    if (s->c_x == 1) N(tiles)[rows - 1][kind](t);
    else N(tile_placed)(s, t, rows, width, N(tiles)[rows - 1][kind]);
    t->x = x;
}

static void N(sweep)(const reel__sweep *s)
{
    static const int64_t none = 0;
    N(tile_job) t;
    t.copy = s->x_copy;
    t.k = s->k;
    t.x_k = s->x_k;
    t.y_r = s->y_r;
    t.y_k = s->y_k;
    t.c_r = s->c_y;
    t.lines = t.none = &none;
    t.ahead = (const char *)t.none;
    t.lines_k = 0;
    t.add = s->add;
    t.last = N(first)(0);
    REAL *const c = s->c;
    const int64_t outer = s->y_first ? 1 : (s->nx + N(WIDTH) - 1) / N(WIDTH);
    for (int64_t i = 0; i < outer; i++) {
        const int64_t x0 = i * N(WIDTH);
        t.y = s->y;
        for (int64_t p = 0, y = 0; p < s->y_panels; p++) {
            const int high = (int)s->y_rows - (p >= s->y_tall), rows = s->ny - y < high ? (int)(s->ny - y) : high;
            if (s->y_panel) t.y_k = high;
            t.x = (const REAL *)s->x + i * s->x_panel;
            t.c = c + x0 * s->c_x + y * s->c_y;
            int64_t x = x0;
            do {
                if (N(HELPS) && s->prefetch) {
                    t.ahead = s->prefetch + y * s->beside_row + x * (int64_t)sizeof(REAL);
                    t.lines = s->lines, t.lines_k = 1;
                }
                N(sweep_tile)(s, &t, rows, s->nx - x, p);
                t.x += s->x_panel;
                t.c += N(WIDTH) * s->c_x;
                x += N(WIDTH);
            } while (s->y_first && x < s->nx);
            t.y += s->y_panel ? s->y_panel : high * s->y_r;
            y += high;
        }
    }
}
