/* Maximum and minimum of one type (per_type.h), and a simple argmax; see extreme.kernel.c. Everything takes the least: where
 * the greatest is wanted elements are flipped before and after, by an exclusive or with FN(FLIP). */

typedef BITS FN(vector_bits) __attribute__((vector_size(4 * VECTOR_F32)));

INLINE FN(vector) FN(at)(const T *x, BITS flip)
{
    FN(vector_bits) v;
    memcpy(&v, x, sizeof v);
    return (FN(vector))(v ^ flip);
}

INLINE void FN(put)(T *y, FN(vector) v) { memcpy(y, &v, sizeof v); }

INLINE T FN(flipped)(T x, BITS flip)
{
    BITS bits;
    memcpy(&bits, &x, sizeof bits);
    bits ^= flip;
    memcpy(&x, &bits, sizeof x);
    return x;
}

APART void FN(flip)(T *y, const T *x, int64_t count, BITS flip)
{
    int64_t i = 0;
    for (; i + FN(LANES) <= count; i += FN(LANES)) FN(put)(y + i, FN(at)(x + i, flip));
    for (; i < count; i++) y[i] = FN(flipped)(x[i], flip);
}

/* The same of what is a result. */
APART void FN(give)(T *y, const T *x, int64_t count, BITS flip)
{
    int64_t i = 0;
    for (; i + FN(LANES) <= count; i += FN(LANES)) {
        const FN(vector) v = FN(at)(x + i, flip);
        FN(put)(y + i, FN(one_nan)(v));
    }
    for (; i < count; i++) {
        const FN(vector) v = { FN(flipped)(x[i], flip) };
        y[i] = FN(one_nan)(v)[0];
    }
}

/* y[c] = least of y[c] and x[c], x[c + stride], … of `rows` rows, for at least a vector of columns. The last vector
 * overlaps the one before, and rows may be read twice, which does no harm. */
APART void FN(take_rows)(T *y, const T *x, int64_t rows, int64_t stride, int64_t columns, BITS flip)
{
    for (; rows > 0; rows -= 4, x += 4 * stride) {
        const T *x1 = x + (rows > 1 ? stride : 0), *x2 = rows > 2 ? x1 + stride : x1, *x3 = rows > 3 ? x2 + stride : x2;
        for (int64_t next = 0; next < columns; next += FN(LANES)) {
            const int64_t c = next <= columns - FN(LANES) ? next : columns - FN(LANES);
            const FN(vector) a = FN(least)(FN(at)(x + c, flip), FN(at)(x1 + c, flip));
            const FN(vector) b = FN(least)(FN(at)(x2 + c, flip), FN(at)(x3 + c, flip));
            FN(put)(y + c, FN(least)(FN(at)(y + c, 0), FN(least)(a, b)));
        }
    }
}

/* z [outer, n, inner]: element [o, 0, i] becomes the least of [o, ·, i]. Each pass doubles how many rows an element
 * covers; what becomes of the others is of no use. There is room for a vector after z. */
APART void FN(slide)(T *z, int64_t outer, int64_t n, int64_t inner)
{
    FN(put)(z + outer * n * inner, (FN(vector)){ 0 });
    for (int64_t covered = 1, by; covered < n; covered += by) {
        by = covered < n - covered ? covered : n - covered;
        const T *other = z + by * inner;
        for (int64_t i = 0; i < (outer * n - by) * inner; i += FN(LANES))
            FN(put)(z + i, FN(least)(FN(at)(z + i, 0), FN(at)(other + i, 0)));
    }
}

/* y[i] = z[i step]; y may be z. */
static void FN(pick)(T *y, const T *z, int64_t count, int64_t step)
{
    int64_t i = 0;
    if (step == 1) return;
    for (; i + 4 <= count; i += 4, z += 4 * step) {
        const T a = z[0], b = z[step], c = z[2 * step], d = z[3 * step];
        y[i] = a, y[i + 1] = b, y[i + 2] = c, y[i + 3] = d;
    }
    for (; i < count; i++, z += step) y[i] = *z;
}

/* z[i] = least of x[2 i] and x[2 i + 1]; z may be x. */
APART void FN(halve)(T *z, const T *x, int64_t count, BITS flip)
{
    int64_t i = 0;
    for (; i + FN(LANES) <= count; i += FN(LANES)) {
        const FN(vector) a = FN(at)(x + 2 * i, flip), b = FN(at)(x + 2 * i + FN(LANES), flip);
        FN(put)(z + i, FN(least)(__builtin_shufflevector(a, b, FN(EVEN)), __builtin_shufflevector(a, b, FN(ODD))));
    }
    for (; i < count; i++) {
        const FN(vector) a = { FN(flipped)(x[2 * i], flip) }, b = { FN(flipped)(x[2 * i + 1], flip) };
        z[i] = FN(least)(a, b)[0];
    }
}

/* Small rows, as many at a time as there is room for; y and x are flipped each in its own way. */
APART void FN(small)(T *y, const T *x, int64_t outer, int64_t n, int64_t inner, BITS y_flip, BITS x_flip)
{
    T z[ROOM + FN(LANES)] ALIGNED;
    const int64_t most = ROOM / (n * inner);
    for (int64_t o = 0, row; o < outer; o += most, x += most * n * inner) {
        const int64_t count = outer - o < most ? outer - o : most;
        if (inner == 1 && n % 2 == 0) FN(halve)(z, x, count * n / 2, x_flip);
        else FN(flip)(z, x, count * n * inner, x_flip);
        row = inner == 1 && n % 2 == 0 ? n / 2 : n * inner;
        for (; inner == 1 && row % 2 == 0; row /= 2) FN(halve)(z, z, count * row / 2, 0);
        FN(slide)(z, count, row / inner, inner);
        if (inner == 1) FN(pick)(z, z, count, row);
        else
            for (int64_t r = 0; r < count; r++) memmove(z + r * inner, z + r * row, (size_t)inner * sizeof *z);
        FN(give)(y, z, count * inner, y_flip);
        y += count * inner;
    }
}

/* Rows of two vectors or more: each becomes one vector, and these are small rows. */
static void FN(long_rows)(T *y, const T *x, int64_t outer, int64_t n, BITS flip)
{
    T z[ROOM] ALIGNED;
    for (int64_t o = 0; o < outer; o += ROOM / FN(LANES)) {
        const int64_t count = outer - o < ROOM / FN(LANES) ? outer - o : ROOM / FN(LANES);
        for (int64_t r = 0; r < count; r++, x += n) {
            FN(vector) a = FN(at)(x, flip), b = FN(at)(x + n - FN(LANES), flip), c = a, d = b;
            int64_t i = FN(LANES);
            for (; i + 4 * FN(LANES) <= n; i += 4 * FN(LANES)) {
                a = FN(least)(a, FN(at)(x + i, flip)), b = FN(least)(b, FN(at)(x + i + FN(LANES), flip));
                c = FN(least)(c, FN(at)(x + i + 2 * FN(LANES), flip)),
                d = FN(least)(d, FN(at)(x + i + 3 * FN(LANES), flip));
            }
            for (; i + FN(LANES) <= n; i += FN(LANES)) a = FN(least)(a, FN(at)(x + i, flip));
            FN(put)(z + r * FN(LANES), FN(least)(FN(least)(a, b), FN(least)(c, d)));
        }
        FN(small)(y + o, z, count, FN(LANES), 1, flip, 0);
    }
}

/* A vector of columns or more. */
APART void FN(columns)(T *y, const T *x, int64_t n, int64_t stride, int64_t columns, BITS flip)
{
    FN(flip)(y, x, columns, flip);
    FN(take_rows)(y, x + stride, n - 1, stride, columns, flip);
    FN(give)(y, y, columns, flip);
}

/* Fewer columns than NARROW, of more than PERIOD rows: PERIOD rows are one row of more columns, and these are small rows. */
static void FN(narrow)(T *y, const T *x, int64_t n, int64_t inner, BITS flip)
{
    T z[PERIOD * NARROW + FN(LANES)];
    const int64_t row = PERIOD * inner;
    FN(flip)(z, x + (n - PERIOD) * inner, row, flip);
    FN(take_rows)(z, x, n / PERIOD, row, row, flip);
    FN(slide)(z, 1, PERIOD, inner);
    FN(give)(y, z, inner, flip);
}

static bool FN(is_small)(int64_t n, int64_t inner)
{
    return inner == 1 ? n < 2 * FN(LANES) : n <= (inner < NARROW ? PERIOD : 4) && n * inner <= SMALL;
}

static void FN(extreme)(T *y, const T *x, int64_t outer, int64_t n, int64_t inner, BITS flip)
{
    if (FN(is_small)(n, inner)) FN(small)(y, x, outer, n, inner, flip, flip);
    else if (inner == 1) FN(long_rows)(y, x, outer, n, flip);
    else
        for (int64_t o = 0; o < outer; o++, x += n * inner, y += inner) {
            if (inner < NARROW) FN(narrow)(y, x, n, inner, flip);
            else
                for (int64_t i = 0, c; i < inner; i += c)
                    c = columns_of(inner - i), FN(columns)(y + i, x + i, n, inner, c, flip);
        }
}

static void FN(max)(void *y, const void *x, int64_t outer, int64_t n, int64_t inner)
{
    FN(extreme)(y, x, outer, n, inner, FN(FLIP));
}

static void FN(min)(void *y, const void *x, int64_t outer, int64_t n, int64_t inner)
{
    FN(extreme)(y, x, outer, n, inner, 0);
}

/* The first NaN, or else the first of the greatest, one element after the other; all types are exact in double. */
static inline void FN(argmax_by_one)(void *ys, const void *xs, int64_t outer, int64_t n, int64_t inner)
{
    int32_t *y = ys;
    const T *x = xs;
    for (int64_t o = 0; o < outer * inner; o++) {
        const T *column = x + o / inner * n * inner + o % inner;
        double top = (double)column[0];
        y[o] = 0;
        for (int64_t r = 1; r < n; r++) {
            const double next = (double)column[r * inner];
            if (!(next <= top) && top == top) top = next, y[o] = (int32_t)r;
        }
    }
}
