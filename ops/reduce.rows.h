/* The reductions of one floating-point type T with suffix S; the rules stand in reduce.kernel.c. */
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define FN(f) PASTE(f, S)

/* One block of at most 256 contiguous elements. */
static T FN(row_block_)(const T *x, int64_t n)
{
    T lane[LANES];
    for (int l = 0; l < LANES; l++) lane[l] = (T)-0.0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) lane[l] += x[i + l];
    for (int l = 0; i + l < n; l++) lane[l] += x[i + l];
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

/* The sum of n contiguous elements. Level 0 takes blocks of x, level l + 1 the results of level l: each level collects
 * up to 256 results, sums them as a block, and passes that on. */
static T FN(row_sum_)(const T *x, int64_t n)
{
    T open[LEVELS][ROW_BLOCK];
    int64_t count[LEVELS] = { 0 };
    if (n == 0) return 0;
    if (n <= ROW_BLOCK) return FN(row_block_)(x, n);
    for (int64_t i = 0; i < n; i += ROW_BLOCK) {
        T value = FN(row_block_)(x + i, n - i < ROW_BLOCK ? n - i : ROW_BLOCK);
        int level = 0;
        for (; count[level] == ROW_BLOCK; level++) {
            T whole = FN(row_block_)(open[level], ROW_BLOCK);
            open[level][0] = value;
            count[level] = 1;
            value = whole;
        }
        open[level][count[level]++] = value;
    }
    for (int level = 0;; level++) {
        T value = FN(row_block_)(open[level], count[level]);
        if (level + 1 == LEVELS || count[level + 1] == 0) return value;
        int above = level + 1;
        for (; count[above] == ROW_BLOCK; above++) {
            T whole = FN(row_block_)(open[above], ROW_BLOCK);
            open[above][0] = value;
            count[above] = 1;
            value = whole;
        }
        open[above][count[above]++] = value;
    }
}

/* The sums of `columns` ≤ 64 neighbouring columns over n rows. total[l] is the running chain of level l + 1. */
static void FN(column_sum_)(T *y, const T *x, int64_t n, int64_t stride, int64_t columns)
{
    T total[LEVELS][COLUMNS];
    int64_t count[LEVELS] = { 0 };
    for (int64_t r = 0; r < n; r += COLUMN_BLOCK) {
        T value[COLUMNS];
        int64_t end = n - r < COLUMN_BLOCK ? n : r + COLUMN_BLOCK;
        for (int64_t c = 0; c < columns; c++) value[c] = (T)-0.0;
        for (int64_t k = r; k < end; k++)
            for (int64_t c = 0; c < columns; c++) value[c] += x[k * stride + c];
        for (int level = 0;; level++) {
            bool full = count[level] == COLUMN_BLOCK;
            if (count[level] == 0)
                for (int64_t c = 0; c < columns; c++) total[level][c] = (T)-0.0;
            if (!full) {
                for (int64_t c = 0; c < columns; c++) total[level][c] += value[c];
                count[level]++;
                break;
            }
            for (int64_t c = 0; c < columns; c++) {
                T whole = total[level][c];
                total[level][c] = (T)-0.0 + value[c];
                value[c] = whole;
            }
            count[level] = 1;
        }
    }
    int level = 0;
    for (; level + 1 < LEVELS && count[level + 1]; level++) {
        T *value = total[level];
        for (int above = level + 1;; above++) {
            if (count[above] == 0)
                for (int64_t c = 0; c < columns; c++) total[above][c] = (T)-0.0;
            if (count[above] < COLUMN_BLOCK) {
                for (int64_t c = 0; c < columns; c++) total[above][c] += value[c];
                count[above]++;
                break;
            }
            for (int64_t c = 0; c < columns; c++) {
                T whole = total[above][c];
                total[above][c] = (T)-0.0 + value[c];
                value[c] = whole;
            }
            count[above] = 1;
        }
    }
    for (int64_t c = 0; c < columns; c++) y[c] = n ? total[level][c] : 0;
}

static void FN(sum_)(void *ys, const void *xs, int64_t outer, int64_t n, int64_t inner)
{
    T *y = ys;
    const T *x = xs;
    for (int64_t o = 0; o < outer; o++) {
        if (inner == 1) {
            y[o] = FN(row_sum_)(x + o * n, n);
            continue;
        }
        for (int64_t i = 0; i < inner; i += COLUMNS) FN(column_sum_)
        (y + o * inner + i, x + o * n * inner + i, n, inner, inner - i < COLUMNS ? inner - i : COLUMNS);
    }
}

/* NaN if there is one; −0 < +0, so that the order of the elements does not matter. */
static inline T FN(larger_)(T a, T b) { return a > b ? a : b > a ? b : a == b ? (signbit(a) ? b : a) : a + b; }

static void FN(max_)(void *ys, const void *xs, int64_t outer, int64_t n, int64_t inner)
{
    T *y = ys;
    const T *x = xs;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) y[o * inner + i] = x[o * n * inner + i];
    for (int64_t o = 0; o < outer; o++)
        for (int64_t r = 1; r < n; r++)
            for (int64_t i = 0; i < inner; i++)
                y[o * inner + i] = FN(larger_)(y[o * inner + i], x[(o * n + r) * inner + i]);
}

/* The first NaN, or else the first of the largest. */
static void FN(argmax_)(void *ys, const void *xs, int64_t outer, int64_t n, int64_t inner)
{
    int32_t *y = ys;
    const T *x = xs;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            const T *column = x + o * n * inner + i;
            int64_t best = 0;
            for (int64_t r = 1; r < n; r++) {
                T value = column[r * inner], top = column[best * inner];
                if (value > top || (value != value && top == top)) best = r;
            }
            y[o * inner + i] = (int32_t)best;
        }
}

#undef PASTE_
#undef PASTE
#undef FN
