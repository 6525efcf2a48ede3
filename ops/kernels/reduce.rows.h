/* The sums of one floating-point type (per_type.h); the rules stand in reduce.kernel.c. */

/* A row of lanes in vectors of the set. */
typedef T FN(vector) __attribute__((vector_size(4 * VECTOR_F32)));
typedef T FN(quarter) __attribute__((vector_size(LANES / 4 * sizeof(T))));
enum { FN(VECTORS) = LANES * sizeof(T) / (4 * VECTOR_F32) };

/* The lanes fold by 8, 4, 2, 1. */
static inline T FN(fold)(const FN(vector) * lane)
{
    FN(quarter) q[4];
    memcpy(q, lane, sizeof q);
    q[0] = (q[0] + q[2]) + (q[1] + q[3]);
    return (q[0][0] + q[0][2]) + (q[0][1] + q[0][3]);
}

static inline void FN(clear)(FN(vector) * lane)
{
    UNROLL
    for (int v = 0; v < FN(VECTORS); v++) lane[v] = -(FN(vector)){ 0 };
}

static inline void FN(add_lanes)(FN(vector) * lane, const T *x)
{
    UNROLL
    for (int v = 0; v < FN(VECTORS); v++) {
        FN(vector) next;
        memcpy(&next, x + v * (LANES / FN(VECTORS)), sizeof next);
        lane[v] += next;
    }
}

/* One block of at most 256 contiguous elements. The chain of a lane takes longer than reading, so the processor should
 * be several blocks ahead: nothing here waits for the sum. (Blocks side by side are faster in the second cache and
 * three times slower from memory, which likes one stream.) What the last sixteen lack is −0, which adds nothing. */
static T FN(row_block)(const T *x, int64_t n)
{
    FN(vector) lane[FN(VECTORS)];
    FN(clear)(lane);
    for (; n >= 4 * LANES; n -= 4 * LANES, x += 4 * LANES) {
        UNROLL
        for (int i = 0; i < 4; i++) FN(add_lanes)(lane, x + i * LANES);
    }
    for (; n >= LANES; n -= LANES, x += LANES) FN(add_lanes)(lane, x);
    if (n > 0) {
        T last[LANES], *to = last;
        for (int l = 0; l < LANES; l++) last[l] = (T)-0.0;
        if (n & 8) memcpy(to, x, 8 * sizeof *to), to += 8, x += 8;
        if (n & 4) memcpy(to, x, 4 * sizeof *to), to += 4, x += 4;
        if (n & 2) memcpy(to, x, 2 * sizeof *to), to += 2, x += 2;
        if (n & 1) *to = *x;
        FN(add_lanes)(lane, last);
    }
    return FN(fold)(lane);
}

/* Gives a result to a level, which collects up to 256, sums them as a block and passes that on. */
static void FN(collect)(T open[][ROW_BLOCK], int64_t *count, int level, T value)
{
    for (; count[level] == ROW_BLOCK; level++) {
        T whole = FN(row_block)(open[level], ROW_BLOCK);
        open[level][0] = value;
        count[level] = 1;
        value = whole;
    }
    open[level][count[level]++] = value;
}

/* The sum of n contiguous elements. Level 0 takes blocks of x, level l + 1 the results of level l. */
static T FN(row_sum)(const T *x, int64_t n)
{
    T open[LEVELS][ROW_BLOCK];
    int64_t count[LEVELS] = { 0 };
    for (; n > 0; n -= ROW_BLOCK, x += ROW_BLOCK)
        FN(collect)(open, count, 0, FN(row_block)(x, n < ROW_BLOCK ? n : ROW_BLOCK));
    int level = 0;
    for (; level + 1 < LEVELS && count[level + 1] > 0; level++)
        FN(collect)(open, count, level + 1, FN(row_block)(open[level], count[level]));
    return count[level] == 1 ? open[level][0] : FN(row_block)(open[level], count[level]);
}

/* Rows of fewer than four times the lanes, many abreast: they are turned, so that a lane of all of them is a column. */
static void FN(short_rows)(T *y, const T *x, int64_t n)
{
    T t[4 * LANES][ABREAST];
    for (int64_t r = 0; r < n; r++)
        for (int64_t o = 0; o < ABREAST; o += 4) {
            const T *from = x + o * n + r;
            const T a = from[0], b = from[n], c = from[2 * n], d = from[3 * n];
            t[r][o] = a, t[r][o + 1] = b, t[r][o + 2] = c, t[r][o + 3] = d;
        }
    for (int64_t r = LANES; r < n; r++)
        for (int o = 0; o < ABREAST; o++) t[r % LANES][o] += t[r][o];
    int64_t lanes = n < LANES ? n : LANES;
    for (int64_t by = LANES / 2; by > 0; by /= 2) {
        for (int64_t l = 0; l + by < lanes; l++)
            for (int o = 0; o < ABREAST; o++) t[l][o] += t[l + by][o]; /* the others add −0, which is nothing */
        if (by < lanes) lanes = by;
    }
    memcpy(y, t[0], sizeof t[0]);
}

/* sum[c] = sum[c] + x[0, c] + x[1, c] + ... from left to right: eight rows at a time, each read on in its own order. */
static void FN(add_rows)(T *restrict sum, const T *x, int64_t rows, int64_t stride, int64_t columns)
{
    for (; rows >= 8; rows -= 8, x += 8 * stride) {
        const T *x4 = x + 4 * stride;
        for (int64_t c = 0; c < columns; c++) {
            T s = sum[c] + x[c] + x[c + stride] + x[c + 2 * stride] + x[c + 3 * stride];
            sum[c] = s + x4[c] + x4[c + stride] + x4[c + 2 * stride] + x4[c + 3 * stride];
        }
    }
    for (; rows > 0; rows--, x += stride)
        for (int64_t c = 0; c < columns; c++) sum[c] += x[c];
}

/* The same of the rows of x that are listed in `at`. */
static void FN(add_listed)(T *restrict sum, const T *x, const int32_t *at, int64_t rows, int64_t stride,
                           int64_t columns)
{
    for (; rows >= 4; rows -= 4, at += 4) {
        const T *p = x + at[0] * stride, *q = x + at[1] * stride, *u = x + at[2] * stride, *v = x + at[3] * stride;
        for (int64_t c = 0; c < columns; c++) sum[c] = sum[c] + p[c] + q[c] + u[c] + v[c];
    }
    for (; rows > 0; rows--, at++)
        for (int64_t c = 0; c < columns; c++) sum[c] += x[*at * stride + c];
}

/* The sums of several whole blocks of single elements, side by side, since each is a chain that waits. */
static void FN(chains)(T *sum, const T *x, const int32_t *at)
{
    T s[SIDE];
    for (int i = 0; i < SIDE; i++) s[i] = (T)-0.0;
    for (int64_t r = 0; r < COLUMN_BLOCK; r++) {
        UNROLL
        for (int i = 0; i < SIDE; i++) s[i] += x[at[i * COLUMN_BLOCK + r]];
    }
    memcpy(sum, s, sizeof s);
}

/* Few columns of a block or less, four at a time; no row gives +0. There are `left` entries from `at` on, those of the
 * destinations that follow included: rows are anywhere, so they are asked for ahead. */
static void FN(add_few)(T *y, const T *x, const int32_t *at, int64_t rows, int64_t left, int64_t columns)
{
    const T zero = rows ? (T)-0.0 : 0;
    int64_t c = 0;
    for (int64_t r = 0; r < rows; r++) __builtin_prefetch(x + at[r + AHEAD < left ? r + AHEAD : 0] * columns);
    for (; c + LANES / 4 <= columns; c += LANES / 4) {
        FN(quarter) sum = { zero, zero, zero, zero }, next;
        for (int64_t r = 0; r < rows; r++) {
            memcpy(&next, x + at[r] * columns + c, sizeof next);
            sum += next;
        }
        memcpy(y + c, &sum, sizeof sum);
    }
    for (; c < columns; c++) {
        T sum = zero;
        for (int64_t r = 0; r < rows; r++) sum += x[at[r] * columns + c];
        y[c] = sum;
    }
}

/* Gives `value` to the chain of a level, and where that is full passes the chain's result on to the next. */
static void FN(pass_on)(T *total, int64_t *count, int level, T *value, int64_t columns)
{
    for (;; level++) {
        T *chain = total + level * columns;
        if (count[level] == 0) memcpy(chain, value, (size_t)columns * sizeof *chain); /* −0 + v is v */
        if (count[level] > 0 && count[level] < COLUMN_BLOCK)
            for (int64_t c = 0; c < columns; c++) chain[c] += value[c];
        if (count[level]++ < COLUMN_BLOCK) return;
        for (int64_t c = 0; c < columns; c++) {
            T whole = chain[c];
            chain[c] = value[c];
            value[c] = whole;
        }
        count[level] = 1;
    }
}

/* The sums of neighbouring columns over n > 0 rows, or over n that are listed. `room` holds a block's chain, then one for
 * each level of blocks. */
static void FN(column_sum)(T *y, const T *x, const int32_t *at, int64_t n, int64_t stride, int64_t columns, T *room)
{
    T *value = n <= COLUMN_BLOCK ? y : room, *total = room + columns;
    int64_t count[LEVELS] = { 0 }, r = 0;
    for (; at && stride == 1 && n - r >= SIDE * COLUMN_BLOCK; r += SIDE * COLUMN_BLOCK) {
        T sum[SIDE];
        FN(chains)(sum, x, at + r);
        for (int i = 0; i < SIDE; i++) FN(pass_on)(total, count, 0, &sum[i], 1);
    }
    for (; r < n; r += COLUMN_BLOCK) {
        const int64_t rows = n - r < COLUMN_BLOCK ? n - r : COLUMN_BLOCK;
        for (int64_t c = 0; c < columns; c++) value[c] = (T)-0.0;
        if (at) FN(add_listed)(value, x, at + r, rows, stride, columns);
        else FN(add_rows)(value, x + r * stride, rows, stride, columns);
        if (value != y) FN(pass_on)(total, count, 0, value, columns);
    }
    if (value == y) return;
    int level = 0;
    for (; level + 1 < LEVELS && count[level + 1]; level++)
        FN(pass_on)(total, count, level + 1, total + level * columns, columns);
    memcpy(y, total + level * columns, (size_t)columns * sizeof *y);
}

/* How many columns there is room for, with a chain for a block and one for each level that n rows have. */
static int64_t FN(most_columns)(int64_t n)
{
    int64_t chains = 2;
    for (int64_t m = (n - 1) / COLUMN_BLOCK; m >= COLUMN_BLOCK; m /= COLUMN_BLOCK) chains++;
    return COLUMN_ROOM / chains;
}

static void FN(sum)(void *ys, const void *xs, int64_t outer, int64_t n, int64_t inner)
{
    T *y = ys, room[COLUMN_ROOM];
    const T *x = xs;
    const int64_t most = FN(most_columns)(n);
    int64_t o = 0;
    if (inner == 1 && n > 0 && n < 4 * LANES)
        for (; o + ABREAST <= outer; o += ABREAST) FN(short_rows)(y + o, x + o * n, n);
    for (; o < outer; o++) {
        if (inner == 1) {
            y[o] = n == 0 ? 0 : n <= ROW_BLOCK ? FN(row_block)(x + o * n, n) : FN(row_sum)(x + o * n, n);
            continue;
        }
        for (int64_t i = 0; i < inner; i += most) {
            const int64_t columns = inner - i < most ? inner - i : most;
            T *const to = y + o * inner + i;
            if (n == 0) memset(to, 0, (size_t)columns * sizeof *to);
            else FN(column_sum)(to, x + o * n * inner + i, NULL, n, inner, columns, room);
        }
    }
}

static void FN(listed)(void *ys, const void *xs, const int32_t *lists, int64_t outer, int64_t size, int64_t count,
                       int64_t inner)
{
    T *y = ys, room[COLUMN_ROOM];
    const T *x = xs;
    const int32_t *at = lists + size + 1;
    for (int64_t o = 0; o < outer; o++, x += count * inner)
        for (int64_t k = 0; k < size; k++, y += inner) {
            const int64_t n = lists[k + 1] - lists[k], most = n > COLUMN_BLOCK ? FN(most_columns)(n) : inner;
            if (n <= COLUMN_BLOCK && inner < 2 * LANES) FN(add_few)(y, x, at + lists[k], n, count - lists[k], inner);
            else if (n == 0) memset(y, 0, (size_t)inner * sizeof *y);
            else if (n == 1) memcpy(y, x + at[lists[k]] * inner, (size_t)inner * sizeof *y); /* −0 + v is v */
            else
                for (int64_t i = 0; i < inner; i += most)
                    FN(column_sum)(y + i, x + i, at + lists[k], n, inner, inner - i < most ? inner - i : most, room);
        }
}

#if defined(REEL__IS_BASELINE)
/* Gives the result of a block to the chain of a level, which was given `before` of them; a full one passes its own on. */
static void FN(give)(T *chain, int64_t size, T value, uint32_t before)
{
    for (; before && before % COLUMN_BLOCK == 0; chain += size, before = before / COLUMN_BLOCK - 1) {
        const T whole = *chain;
        *chain = value;
        value = whole;
    }
    *chain = before ? *chain + value : value; /* −0 + v is v */
}

/* y holds the open block of each destination. Aligned, since its short loops take a quarter longer at some addresses. */
__attribute__((aligned(64))) static void FN(walked)(void *ys, const void *xs, const int32_t *to, int64_t outer,
                                                    int64_t size, int64_t count)
{
    T *y = ys, chains[REEL__WALKED_CHAINS];
    uint32_t taken[REEL__WALKED];
    const T *x = xs;
    for (int64_t o = 0; o < outer; o++, x += count, y += size) {
        memset(taken, 0, (size_t)size * sizeof *taken);
        for (int64_t i = 0; i < count; i++) {
            const int32_t k = to[i];
            uint32_t n = taken[k];
            if (n % COLUMN_BLOCK == 0) {
                if (n) FN(give)(chains + k, size, y[k], n / COLUMN_BLOCK - 1);
                y[k] = (T)-0.0;
            }
            T sum = y[k] + x[i];
            n++;
            for (; i + 1 < count && to[i + 1] == k && n % COLUMN_BLOCK; n++) sum += x[++i]; /* without waiting for y */
            y[k] = sum, taken[k] = n;
        }
        for (int64_t k = 0; k < size; k++) {
            T *chain = chains + k, value = taken[k] ? y[k] : 0;
            for (uint32_t n = taken[k]; n > COLUMN_BLOCK; n = (n - 1) / COLUMN_BLOCK + 1, chain += size) {
                FN(give)(chain, size, value, (n - 1) / COLUMN_BLOCK);
                value = *chain;
            }
            y[k] = value;
        }
    }
}
#endif
