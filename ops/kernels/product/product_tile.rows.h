/* The register tile of the product and the sweep of tiles over a block, for one type (per_type.h). Here every element's
 * chain is computed; product.c cuts k into pieces and packs. */

/* c[r, x] (+)= sum over k of y[r, k] x[k, x]: one piece of k, at most TILE_ROWS rows, at most
 * WIDTH columns. A copying tile leaves x packed in `copy`. */
typedef struct {
    const T *x, *y;
    T *c, *copy;
    int64_t k, x_k, y_r, y_k, c_r;
    const char *ahead;
    const int64_t *lines, *none;
    int64_t lines_k;
    int add;
    FN(mask) last;
} FN(tile_job);

/* The running sum of the pieces before comes first, the piece's chain second. */
INLINE void FN(tile_store)(const FN(tile_job) * t, FN(vector) sum[FN(TILE_ROWS)][2], const int rows, const int vectors,
                           const int partial)
{
    const int64_t c_r = t->c_r;
    const FN(mask) last = t->last;
    T *c = t->c;
    if (t->add) {
        UNROLL
        for (int r = 0; r < rows; r++) {
            UNROLL
            for (int v = 0; v < vectors; v++) {
                FN(vector) before;
                if (partial && v == vectors - 1) before = FN(load_first)(c + v * FN(LANES), last);
                else memcpy(&before, c + v * FN(LANES), sizeof before);
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
            if (partial && v == vectors - 1) FN(store_first)(c + v * FN(LANES), sum[r][v], last);
            else memcpy(c + v * FN(LANES), &sum[r][v], sizeof sum[r][v]);
        }
        c += c_r;
        HIDE(c);
    }
}

/* Rows are addressed from every fourth by 0, 1, 2, 3 times their stride, which leaves registers
 * for the rest; the empty asm keeps compilers from giving each row a pointer of its own. A full
 * tile fetches a line in each step: where there is none to fetch it is one that stays in the
 * first cache, which costs nothing measurable. */
INLINE void FN(tile)(const FN(tile_job) * t, const int rows, const int vectors, const int partial, const int copying)
{
    T *copy = t->copy;
    FN(vector) sum[FN(TILE_ROWS)][2];
    UNROLL
    for (int r = 0; r < rows; r++) {
        sum[r][0] = FN(splat)((T)-0.0);
        sum[r][1] = sum[r][0];
    }
    const FN(mask) last = t->last;
    const char *x = (const char *)t->x, *y = (const char *)t->y;
    const int64_t x_k = t->x_k * (int64_t)sizeof(T), y_k = t->y_k * (int64_t)sizeof(T);
    const char *const ahead = t->ahead;
    const int64_t *lines = t->lines, lines_k = t->lines_k;
    (void)ahead, (void)lines, (void)lines_k;
    int64_t r1 = t->y_r * (int64_t)sizeof(T), r3 = 3 * r1;
    const char *y4 = y + 4 * r1, *y8 = y4 + 4 * r1;
    HIDE(r1);
    HIDE(r3);
    for (int64_t k = t->k; k > 0; k--) {
        FN(vector) b[2];
        UNROLL
        for (int v = 0; v < vectors; v++) {
            const T *at = (const T *)(const void *)x + v * FN(LANES);
            if (partial && v == vectors - 1) b[v] = FN(load_first)(at, last);
            else memcpy(&b[v], at, sizeof b[v]);
            if (copying) memcpy(copy + v * FN(LANES), &b[v], sizeof b[v]);
        }
        if (copying) copy += FN(WIDTH);
        if (FN(HELPS) && vectors == 2 && !partial && !copying) {
            __builtin_prefetch(ahead + *lines, 0, 2);
            lines += lines_k;
        }
        UNROLL
        for (int r = 0; r < rows; r++) {
            const char *four = r < 4 ? y : r < 8 ? y4 : y8;
            const int64_t step = r % 4 == 0 ? 0 : r % 4 == 1 ? r1 : r % 4 == 2 ? 2 * r1 : r3;
            const FN(vector) a = FN(splat)(*(const T *)(const void *)(four + step));
            UNROLL
            for (int v = 0; v < vectors; v++) sum[r][v] = FN(fma)(a, b[v], sum[r][v]);
        }
        x += x_k;
        y += y_k;
        if (rows > 4) y4 += y_k;
        if (rows > 8) y8 += y_k;
    }
    FN(tile_store)(t, sum, rows, vectors, partial);
}

#define TILE(rows)                                                                                                     \
    static void FN(one_##rows)(const FN(tile_job) * t) { FN(tile)(t, rows, 1, 1, 0); }                                 \
    static void FN(two_##rows)(const FN(tile_job) * t) { FN(tile)(t, rows, 2, 1, 0); }                                 \
    static void FN(full_##rows)(const FN(tile_job) * t) { FN(tile)(t, rows, 2, 0, 0); }                                \
    static void FN(copy_##rows)(const FN(tile_job) * t) { FN(tile)(t, rows, 2, 0, FN(HELPS)); }
FN(EACH_ROWS)
(TILE)
#undef TILE

#define TILE(rows) { FN(one_##rows), FN(two_##rows), FN(full_##rows), FN(copy_##rows) },
    static void (*const FN(tiles)[FN(TILE_ROWS)][KINDS])(const FN(tile_job) *) = { FN(EACH_ROWS)(TILE) };
#undef TILE

/* to[x, y] (+)= from[y, x], the tile computed with vectors along the rows of c or along nothing
 * that is contiguous. */
static void FN(store_across)(const T *from, int rows, int width, T *to, int64_t to_x, int64_t to_y, int add)
{
    int y = 0;
    if (to_y == 1)
        for (; y < rows; y += FN(GROUP)) {
            const int count = rows - y < FN(GROUP) ? rows - y : FN(GROUP);
            FN(store_transposed)(from + y * FN(WIDTH), count, width, to + y, to_x, add);
        }
    for (; y < rows; y++)
        for (int x = 0; x < width; x++) {
            T *at = to + x * to_x + y * to_y;
            *at = add ? *at + from[y * FN(WIDTH) + x] : from[y * FN(WIDTH) + x];
        }
}

/* A tile whose rows are not contiguous in c. */
APART void FN(tile_across)(const reel__sweep *s, FN(tile_job) * t, int rows, int width,
                           void (*tile)(const FN(tile_job) *))
{
    T buffer[(FN(TILE_ROWS) + FN(GROUP) - 1) / FN(GROUP) * FN(GROUP) * FN(WIDTH)], *const c = t->c;
    t->c = buffer, t->c_r = FN(WIDTH), t->add = 0;
    tile(t);
    t->c = c;
    FN(store_across)(buffer, rows, width, c, s->c_x, s->c_y, s->add);
}

/* The tile of t, of which x, y, c, y_k and what all tiles share are set. Where x is to be copied,
 * the first tile of a panel does it, the others read the copy, and the second fetches the next. */
INLINE void FN(sweep_tile)(const reel__sweep *s, FN(tile_job) * t, int rows, int64_t columns, int64_t p)
{
    const T *const x = t->x;
    int kind = FULL, width = FN(WIDTH);
    if (columns < FN(WIDTH)) {
        width = (int)columns;
        kind = width > FN(LANES) ? TWO : ONE;
        t->last = FN(first)(kind == TWO ? width - FN(LANES) : width);
        t->x_k = s->x_k;
    } else if (s->x_copy) {
        if (p == 0) kind = COPYING;
        t->x = p == 0 ? x : t->copy, t->x_k = p == 0 ? s->x_k : FN(WIDTH);
    }
    if (FN(HELPS) && s->lines && !s->prefetch) {
        const int fetching = s->x_copy ? p == 1 && columns > FN(WIDTH) : p == 0 && s->ahead;
        t->lines_k = fetching;
        t->lines = fetching ? s->lines : t->none;
        t->ahead = !fetching ? (const char *)t->none : s->x_copy ? (const char *)(x + s->x_panel) : s->ahead;
    }
    if (FN(HELPS) && s->fetch_c)
        for (int r = 0; r < rows; r++) {
            __builtin_prefetch(t->c + r * s->c_y, 1);
            __builtin_prefetch(t->c + r * s->c_y + width - 1, 1);
        }
    if (s->c_x == 1) FN(tiles)[rows - 1][kind](t);
    else FN(tile_across)(s, t, rows, width, FN(tiles)[rows - 1][kind]);
    t->x = x;
}

/* All tiles of one piece of k over a block: each panel of x meets all panels of y, or with y_first the other way round. */
static void FN(sweep)(const reel__sweep *s)
{
    static const int64_t none = 0;
    FN(tile_job) t;
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
    t.last = FN(first)(0);
    T *const c = s->c;
    const int64_t outer = s->y_first ? 1 : (s->nx + FN(WIDTH) - 1) / FN(WIDTH);
    for (int64_t i = 0; i < outer; i++) {
        const int64_t x0 = i * FN(WIDTH);
        t.y = s->y;
        for (int64_t p = 0, y = 0; p < s->y_panels; p++) {
            const int high = (int)s->y_rows - (p >= s->y_tall), rows = s->ny - y < high ? (int)(s->ny - y) : high;
            if (s->y_panel) t.y_k = high;
            t.x = (const T *)s->x + i * s->x_panel;
            t.c = c + x0 * s->c_x + y * s->c_y;
            int64_t x = x0;
            do {
                if (FN(HELPS) && s->prefetch) {
                    t.ahead = s->prefetch + y * s->prefetch_row + x * (int64_t)sizeof(T);
                    t.lines = s->lines, t.lines_k = 1;
                }
                FN(sweep_tile)(s, &t, rows, s->nx - x, p);
                t.x += s->x_panel;
                t.c += FN(WIDTH) * s->c_x;
                x += FN(WIDTH);
            } while (s->y_first && x < s->nx);
            t.y += s->y_panel ? s->y_panel : high * s->y_r;
            y += high;
        }
    }
}
