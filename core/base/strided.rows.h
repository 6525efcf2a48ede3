/* Copying elements of the type T, of S bytes; see strided.c. */
#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define FN(f) PASTE(f, S)

static void FN(fill)(T *y, T x, int64_t n)
{
    const FN(vector) v = FN(same)(x);
    for (; n >= 8; n -= 8, y += 8)
        for (int i = 0; i < 8; i += FN(LANES)) FN(put)(y + i, v);
    for (; n > 0; n--) *y++ = x;
}

/* y[i] = x[−i] */
static void FN(backwards)(T *y, const T *x, int64_t n)
{
    for (; n >= FN(LANES); n -= FN(LANES), y += FN(LANES), x -= FN(LANES))
        FN(put)(y, FN(reversed)(FN(get)(x - FN(LANES) + 1)));
    for (; n > 0; n--) *y++ = *x--;
}

static void FN(line)(T *y, int64_t y_step, const T *x, int64_t x_step, int64_t n)
{
    if (y_step == 1 && x_step == 0) {
        FN(fill)(y, *x, n);
    } else if (y_step == 1 && x_step == -1) {
        FN(backwards)(y, x, n);
    } else {
        for (; n >= 4; n -= 4, y += 4 * y_step, x += 4 * x_step) {
            const T a = x[0], b = x[x_step], c = x[2 * x_step], d = x[3 * x_step];
            y[0] = a, y[y_step] = b, y[2 * y_step] = c, y[3 * y_step] = d;
        }
        for (; n > 0; n--, y += y_step, x += x_step) *y = *x;
    }
}

/* y[r, c] = x[c, r] for a tile of r < rows, c < columns, both contiguous in their last index. What is read goes through a
 * buffer: lines of a large array that are a power of two apart would drive each other out of the cache. */
static void FN(tile)(T *restrict y, int64_t y_step, const T *restrict x, int64_t x_step, int64_t rows, int64_t columns)
{
    T all[TILE * TILE];
    if (rows < TILE || columns < TILE) {
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < columns; c++) y[r * y_step + c] = x[c * x_step + r];
        return;
    }
    for (int64_t c = 0; c < TILE; c++) memcpy(all + c * TILE, x + c * x_step, TILE * sizeof *all);
    for (int64_t r = 0; r < TILE; r += FN(LANES))
        for (int64_t c = 0; c < TILE; c += FN(LANES)) FN(turn)(y + r * y_step + c, y_step, all + c * TILE + r);
}

/* y [m, n] from x [n, m]: tiles, in blocks whose pages are few. */
static void FN(transpose)(T *y, int64_t y_step, const T *x, int64_t x_step, int64_t m, int64_t n)
{
    for (int64_t i = 0; i < m; i += BLOCK)
        for (int64_t j = 0; j < n; j += BLOCK)
            for (int64_t r = i; r < m && r < i + BLOCK; r += TILE)
                for (int64_t c = j; c < n && c < j + BLOCK; c += TILE) {
                    for (int64_t next = c + TILE; next < n && next < c + 2 * TILE; next++)
                        __builtin_prefetch(x + next * x_step + r);
                    FN(tile)
                    (y + r * y_step + c, y_step, x + c * x_step + r, x_step, m - r < TILE ? m - r : TILE,
                     n - c < TILE ? n - c : TILE);
                }
}

/* Along axis `long_one`, a part at a time, with those after it inside. */
static void FN(by_lines)(T *y, const T *x, const axis *axes, int count, int long_one)
{
    int64_t at[REEL_MAX_RANK] = { 0 }, yi = 0, xi = 0;
    const axis m = axes[long_one];
    do
        for (int64_t i = 0; i < m.n; i += PART) {
            int64_t within[REEL_MAX_RANK] = { 0 }, yj = yi + i * m.y, xj = xi + i * m.x;
            do FN(line)(y + yj, m.y, x + xj, m.x, m.n - i < PART ? m.n - i : PART);
            while (step(axes + long_one + 1, count - long_one - 1, within, &yj, &xj));
        }
    while (step(axes, long_one, at, &yi, &xi));
}

static void FN(copy)(T *y, const T *x, axis *axes, int count)
{
    int64_t at[REEL_MAX_RANK] = { 0 }, yi = 0, xi = 0;
    const axis last = axes[count - 1];
    int other = count - 1;
    while (other-- > 0)
        if (axes[other].x == 1 && axes[other].n >= TILE) break;
    if (last.y == 1 && last.x == 1 && last.n >= WHOLE) {
        do memcpy(y + yi, x + xi, (size_t)last.n * sizeof *y);
        while (step(axes, count - 1, at, &yi, &xi));
    } else if (other >= 0 && last.y == 1 && last.x != 0 && last.n >= TILE) {
        const axis m = axes[other];
        axes[other] = (axis){ 1, 0, 0 };
        do FN(transpose)(y + yi, m.y, x + xi, last.x, m.n, last.n);
        while (step(axes, count - 1, at, &yi, &xi));
    } else {
        FN(by_lines)(y, x, axes, count, few_inside(axes, count));
    }
}

#undef PASTE_
#undef PASTE
#undef FN
