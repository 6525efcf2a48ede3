/* Copies for one type (per_type.h): packing a run of rows into a panel, and storing a computed tile whose vectors ran
 * across the rows of c. */

enum { FN(WIDTH) = 2 * FN(LANES), FN(GROUP) = 32 / (int)sizeof(T) };

/* to[x, y] (+)= from[y, x] for `rows` <= GROUP rows, of which `from` holds GROUP, WIDTH apart. */
static void FN(store_transposed)(const T *from, int rows, int width, T *to, int64_t to_x, int add)
{
    const T *row[FN(GROUP)];
    for (int r = 0; r < FN(GROUP); r++) row[r] = from + r * FN(WIDTH);
    for (int x = 0; x < width; x += FN(GROUP)) {
        FN(group) column[FN(GROUP)];
        FN(transpose)(row, x, column);
        const int columns = width - x < FN(GROUP) ? width - x : FN(GROUP);
        for (int i = 0; i < columns; i++, to += to_x) {
            FN(group) before = { 0 };
            if (rows == FN(GROUP)) {
                if (add) {
                    memcpy(&before, to, sizeof before);
                    column[i] = before + column[i];
                }
                memcpy(to, &column[i], sizeof before);
            } else {
                if (add) {
                    FN(load_group)(&before, to, rows);
                    column[i] = before + column[i];
                }
                FN(store_group)(to, &column[i], rows);
            }
        }
    }
}

/* to[k, r] = from[r, k] for GROUP values of r and k in [0, nk), nk a multiple of GROUP. Rows are
 * addressed as in the tile, from every fourth. */
APART void FN(pack_whole)(const T *from, int64_t from_r, int64_t nk, T *to, int64_t to_k)
{
    int64_t r1 = from_r, r3 = 3 * from_r;
    const T *from4 = from + 4 * from_r;
    HIDE(r1);
    HIDE(r3);
    for (int64_t k = 0; k < nk; k += FN(GROUP), from += FN(GROUP), from4 += FN(GROUP)) {
        const T *const row[8] = { from,  from + r1,  from + 2 * r1,  from + r3,
                                  from4, from4 + r1, from4 + 2 * r1, from4 + r3 };
        FN(group) column[FN(GROUP)];
        FN(transpose)(row, 0, column);
        UNROLL
        for (int i = 0; i < FN(GROUP); i++) memcpy(to + (k + i) * to_k, &column[i], sizeof column[i]);
    }
}

/* The same for fewer values of r. If `spill`, what follows a row of the panel may be
 * overwritten, up to nk. */
APART void FN(pack_rest)(const T *from, int64_t from_r, int rows, int64_t nk, T *to, int64_t to_k, int spill)
{
    const T *row[FN(GROUP)];
    for (int r = 0; r < FN(GROUP); r++) row[r] = from + (r < rows ? r : rows - 1) * from_r;
    for (int64_t k = 0; k < nk; k += FN(GROUP)) {
        FN(group) column[FN(GROUP)];
        FN(transpose)(row, k, column);
        if (spill && k + FN(GROUP) < nk) {
            UNROLL
            for (int i = 0; i < FN(GROUP); i++, to += to_k) memcpy(to, &column[i], sizeof column[i]);
        } else {
            UNROLL
            for (int i = 0; i < FN(GROUP); i++, to += to_k) FN(store_group)(to, &column[i], rows);
        }
    }
}

/* to[k, r] = from[r, k] where k is contiguous: for two cache lines of k, all rows, so that `to`
 * is written once from front to back. The incomplete group goes first: what it spills is written
 * over. */
APART void FN(pack_transposed)(const T *from, int64_t from_r, int rows, int64_t nk, T *to, int64_t to_k)
{
    const int groups = rows / FN(GROUP) * FN(GROUP);
    const int64_t whole = nk / FN(GROUP) * FN(GROUP);
    const int64_t step = rows > FN(GROUP) ? 128 / (int)sizeof(T) : whole;
    for (int64_t k = 0; k < whole; k += step) {
        const int64_t n = whole - k < step ? whole - k : step;
        T *const t = to + k * to_k;
        const T *const f = from + k;
        if (groups < rows) FN(pack_rest)(f + groups * from_r, from_r, rows - groups, n, t + groups, to_k, rows == to_k);
        for (int r = 0; r < groups; r += FN(GROUP)) FN(pack_whole)(f + r * from_r, from_r, n, t + r, to_k);
    }
    for (int64_t k = whole; k < nk; k++)
        for (int r = 0; r < rows; r++) to[k * to_k + r] = from[r * from_r + k];
}

/* to[k, r] = from[r, k] where r is contiguous. A row that fills the panel's may spill into the
 * next, written after. */
INLINE void FN(pack_straight)(const T *from, int64_t from_k, int rows, int64_t nk, T *to, int64_t to_k)
{
    const int whole = (rows - 1) / FN(LANES) * FN(LANES);
    const FN(mask) last = FN(first)(rows - whole);
    int64_t k = 0;
    if (rows == FN(WIDTH)) {
        for (; k < nk; k++, from += from_k, to += to_k) memcpy(to, from, FN(WIDTH) * sizeof(T));
        return;
    }
    if (rows <= FN(LANES) && rows == to_k)
        for (; (k + 1) * to_k + FN(LANES) <= nk * to_k; k++, from += from_k, to += to_k) {
            const FN(vector) x = FN(load_first)(from, last);
            memcpy(to, &x, sizeof x);
        }
    for (; k < nk; k++, from += from_k, to += to_k) {
        for (int r = 0; r < whole; r += FN(LANES)) memcpy(to + r, from + r, sizeof(FN(vector)));
        FN(store_first)(to + whole, FN(load_first)(from + whole, last), last);
    }
}

/* The kernel of reel__pack_run: from the start of a panel on, or within one panel if `rows` is below the width. Where r is
 * contiguous, panels advance together, as many k at a time as stay in the first cache: one alone would use a part of a
 * cache line and come back for the rest when it is gone. */
static void FN(pack)(const reel__pack_run *run)
{
    enum { LEAST = 8, CLOSE = (16 << 10) / (int)sizeof(T) };
    const int64_t from_r = run->from_r, from_k = run->from_k, rows = run->rows;
    const int width = run->width;
    const int64_t near = CLOSE / rows > LEAST ? CLOSE / rows : LEAST;
    const int64_t step = from_r == 1 && rows > width ? near : run->k;
    for (int64_t k = 0; k < run->k; k += step) {
        const int64_t n = run->k - k < step ? run->k - k : step;
        for (int64_t r = 0; r < rows; r += width) {
            const T *from = (const T *)run->from + r * from_r + k * from_k;
            T *to = (T *)run->to + r / width * run->panel + k * width;
            const int count = rows - r < width ? (int)(rows - r) : width;
            if (from_r == 1) FN(pack_straight)(from, from_k, count, n, to, width);
            else if (from_k == 1) FN(pack_transposed)(from, from_r, count, n, to, width);
            else
                for (int64_t j = 0; j < n; j++)
                    for (int i = 0; i < count; i++) to[j * width + i] = from[i * from_r + j * from_k];
        }
    }
}
