/* Runs one block of a product: cuts k into pieces, packs what the plan packs, sweeps tiles over
 * the block. The kernels are in product.kernel.c, the plan in product_plan.c, packing in
 * product_pack.c. */
#include "core/plan/product.h"
#include "core/base/isa.h"
#include "ops/kernels/product/product_kernels.h"

const reel__product_kernels *reel__product_kernels_of(int isa, int element)
{
    const int type = element == 8;
#if defined(__x86_64__)
    if (isa == REEL__AVX512) return &reel__product_kernels_avx512[type];
    if (isa == REEL__AVX2) return &reel__product_kernels_avx2[type];
#endif
    (void)isa;
    return &reel__product_kernels_baseline[type];
}

static void fill_zero(void *c, int element, int64_t m, int64_t n, int64_t c_m, int64_t c_n)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) memset((char *)c + (i * c_m + j * c_n) * element, 0, (size_t)element);
}

/* Where row r0 of an operand starts, at k0: r0 begins a panel if it came packed. */
static const void *operand_at(const reel__product_operand *o, int element, const void *data, int64_t r0, int64_t k0)
{
    const int64_t offset = o->use == REEL__PACKED_X || o->use == REEL__PACKED_Y ? r0 * o->k + k0 * o->width
                                                                                : r0 * o->row_stride + k0 * o->k_stride;
    return (const char *)data + offset * element;
}

/* The lines of `nk` k of a panel of x, from the first on, spread over the steps of a tile. */
static void list_lines(const reel__product_operand *x, int element, int64_t nk, int64_t steps, int64_t *lines)
{
    const int turned = x->k_stride == 1;
    const int64_t far = (turned ? x->row_stride : x->k_stride) * element;
    const int64_t near = (turned ? nk : x->width) * element, count = (turned ? x->width : nk) * ((near + 63) / 64);
    int64_t at = 0, line = 0, due = 0;
    for (int64_t i = 0; i < steps; i++) {
        lines[i] = at + line;
        for (due += count; due >= steps; due -= steps) {
            line += 64;
            if (line >= near) line = 0, at += far;
        }
    }
}

/* Sweeps panels [p0, p1) of y. */
static void sweep_part(const reel__sweep *s, int64_t p0, int64_t p1, int element, void (*sweep)(const reel__sweep *))
{
    const int64_t r0 = p0 * s->y_rows - (p0 > s->y_tall ? p0 - s->y_tall : 0);
    reel__sweep part = *s;
    part.y = (const char *)s->y + (s->y_panel ? p0 * s->y_panel : r0 * s->y_r) * element;
    part.c = (char *)s->c + r0 * s->c_y * element;
    part.y_panels = p1 - p0;
    part.y_tall = p1 <= s->y_tall ? p1 - p0 : s->y_tall - p0;
    if (part.y_tall <= 0) part.y_tall = p1 - p0, part.y_rows--;
    const int64_t rows = part.y_tall * part.y_rows + (part.y_panels - part.y_tall) * (part.y_rows - 1);
    part.ny = s->ny - r0 < rows ? s->ny - r0 : rows;
    sweep(&part);
}

/* One piece of k with x packed a few panels at a time, each used by all of y while it is in the
 * cache. A large x may come from memory: while the tiles of one panel run, the next is packed
 * beside it, a few k after every few tiles, from lines that a tile has fetched. */
static void sweep_packing_x(const reel__product_plan *plan, const reel__product_kernels *kernels, reel__sweep s,
                            const char *x, int64_t x0, int64_t k0, char *panels)
{
    enum { STEP = 64, FEW = 4, LARGE = 256 << 10 };
    const reel__product_operand *o = &plan->x;
    const int isa = plan->isa, element = plan->element, width = o->width;
    const int64_t nx = s.nx, panel = s.k * width;
    const int ahead = s.y_panels >= 2 * FEW && nx * s.k * element > LARGE;
    const int fetching = ahead && kernels->copies && o->side.row_axes == 1 && o->side.k_axes == 1;
    const int64_t most = ahead ? width : width * plan->x_panels, parts = ahead ? s.y_panels / FEW : 1;
    const int64_t step = (s.k + parts * STEP - 1) / (parts * STEP) * STEP;
    const int64_t tiles = s.y_panels / ((s.k + step - 1) / step);
    int64_t lines[REEL__PIECE];
    char *const c = s.c;
    if (fetching) list_lines(o, element, step, s.k, lines);
    s.lines = lines, s.x_k = width, s.x_panel = panel;
    for (int64_t i = 0; i < nx; i += most) {
        const int64_t next = i + width, rows = nx - next < width ? nx - next : width;
        s.x = panels + (ahead ? i / width % 2 * panel * element : 0);
        s.nx = nx - i < most ? nx - i : most;
        s.c = c + i * s.c_x * element;
        if (i == 0 || !ahead)
            reel__product_pack_part(isa, element, &o->side, x, x0 + i, s.nx, k0, s.k, width, panel, panels);
        int64_t p = 0;
        for (int64_t k = 0; k < s.k && ahead && rows > 0; k += step, p += tiles) {
            if (fetching) s.ahead = x + ((x0 + next) * o->row_stride + (k0 + k) * o->k_stride) * element;
            sweep_part(&s, p, p + tiles, element, kernels->sweep);
            reel__product_pack_part(isa, element, &o->side, x, x0 + next, rows, k0 + k, s.k - k < step ? s.k - k : step,
                                    width, panel, panels + (next / width % 2 * panel + k * width) * element);
        }
        s.ahead = NULL;
        if (p < s.y_panels) sweep_part(&s, p, s.y_panels, element, kernels->sweep);
    }
}

/* One piece of k with x copied by the first tile of each panel. */
static void sweep_copying_x(const reel__product_plan *plan, const reel__product_kernels *kernels, reel__sweep *s)
{
    enum { MANY = 8 };
    int64_t lines[REEL__PIECE];
    s->lines = s->nx >= MANY * plan->x.width ? lines : NULL;
    if (s->lines) list_lines(&plan->x, plan->element, s->k, s->k, lines);
    kernels->sweep(s);
}

/* Cuts the block's y into panels: as even as can be, but where y came packed it is cut already. */
static void cut_y(reel__sweep *s, const reel__product_operand *y, int most)
{
    if (s->ny <= most && y->use != REEL__PACKED_Y) return;
    s->y_rows = y->use == REEL__PACKED_Y ? y->width : reel__product_y_rows(most, s->ny);
    s->y_panels = s->y_tall = (s->ny + s->y_rows - 1) / s->y_rows;
    if (y->use != REEL__PACKED_Y) s->y_tall -= s->y_panels * s->y_rows - s->ny;
}

/* Packs a piece of the block's y into the workspace. */
static void pack_y(const reel__product_plan *plan, reel__sweep *s, const void *y, int64_t y0, int64_t k0, void *to)
{
    const reel__side *side = &plan->y.side;
    const int64_t tall = s->y_tall * s->y_rows, rows = s->y_rows, panel = s->k * rows;
    reel__product_pack_part(plan->isa, plan->element, side, y, y0, tall, k0, s->k, (int)rows, panel, to);
    if (tall < s->ny)
        reel__product_pack_part(plan->isa, plan->element, side, y, y0 + tall, s->ny - tall, k0, s->k, (int)rows - 1,
                                panel, (char *)to + s->y_tall * panel * plan->element);
    s->y = to, s->y_panel = panel;
}

/* The block before its first piece. Every field is named, since clearing the others would take
 * longer than a small product. */
static reel__sweep sweep_of(const reel__product_plan *plan, int64_t nx, int64_t ny, void *c, int64_t c_x, int64_t c_y)
{
    const reel__product_operand *x = &plan->x, *y = &plan->y;
    const int x_lies = x->use == REEL__IN_PLACE || plan->x_copied;
    const int y_lies = y->use == REEL__IN_PLACE;
    return (reel__sweep){
        .x = NULL,
        .y = NULL,
        .c = c,
        .x_copy = NULL,
        .nx = nx,
        .ny = ny,
        .k = plan->k,
        .x_panel = x_lies ? x->width : x->k * x->width,
        .x_k = x_lies ? x->k_stride : x->width,
        .x_x = x->row_stride,
        .y_panels = 1,
        .y_tall = 1,
        .y_rows = ny,
        .y_panel = y_lies ? 0 : y->k * y->width,
        .y_r = y_lies ? y->row_stride : 1,
        .y_k = y_lies ? y->k_stride : y->width,
        .c_x = c_x,
        .c_y = c_y,
        .add = 0,
        .fetch_c = plan->k >= 128 && nx * ny * plan->element > (64 << 10),
        .y_first = plan->y_first,
        .ahead = NULL,
        .lines = NULL,
        .prefetch = NULL,
    };
}

enum { MANY = 48 }; /* steps of k that have time to fetch */

/* The lines of a tile of what lies beside c, spread over the steps of k. */
static void list_beside(const reel__product_prefetch *prefetch, int64_t rows, int64_t row_bytes, int64_t k,
                        int64_t *lines)
{
    const int64_t across = (row_bytes + 63) / 64, all = (prefetch->count + 1) * rows * across;
    for (int64_t i = 0, l = 0; i < k; i++) {
        lines[i] = l / across % rows * prefetch->row + l % across * 64;
        if (l >= rows * across) lines[i] += prefetch->other[l / (rows * across) - 1];
        if ((i + 1) * all / k > l && l + 1 < all) l++;
    }
}

void reel__product_block(const reel__product_plan *plan, const void *a, const void *b, int64_t m0, int64_t m1,
                         int64_t n0, int64_t n1, void *c, int64_t c_m, int64_t c_n, void *workspace,
                         const reel__product_prefetch *prefetch)
{
    if (m1 <= m0 || n1 <= n0) return;
    if (plan->k == 0) {
        fill_zero(c, plan->element, m1 - m0, n1 - n0, c_m, c_n);
        return;
    }
    const reel__product_kernels *kernels = reel__product_kernels_of(plan->isa, plan->element);
    const reel__product_operand *ox = &plan->x, *oy = &plan->y;
    const int element = plan->element, over_m = plan->over_m;
    const void *x = over_m ? a : b, *y = over_m ? b : a;
    const int64_t x0 = over_m ? m0 : n0, y0 = over_m ? n0 : m0;
    reel__sweep s =
        over_m ? sweep_of(plan, m1 - m0, n1 - n0, c, c_m, c_n) : sweep_of(plan, n1 - n0, m1 - m0, c, c_n, c_m);
    void (*sweep)(const reel__sweep *) = kernels->sweep;
    if (ox->use == REEL__IN_PLACE && oy->use == REEL__IN_PLACE && s.ny == 1)
        sweep = ox->row_stride == 1 ? kernels->stream : kernels->turned;
    cut_y(&s, oy, kernels->rows);
    char *const x_space = workspace ? (char *)workspace + plan->y_workspace : NULL;
    if (plan->x_copied && s.y_panels > 1) s.x_copy = x_space;
    for (int64_t k0 = 0; k0 < plan->k; k0 += REEL__PIECE) {
        s.k = plan->k - k0 < REEL__PIECE ? plan->k - k0 : REEL__PIECE;
        s.add = k0 > 0;
        if (oy->use == REEL__PACK) pack_y(plan, &s, y, y0, k0, workspace);
        else s.y = operand_at(oy, element, y, y0, k0);
        if (ox->use == REEL__PACK && !plan->x_copied) {
            sweep_packing_x(plan, kernels, s, x, x0, k0, x_space);
        } else {
            int64_t lines[REEL__PIECE];
            s.x = operand_at(ox, element, x, x0, k0);
            s.prefetch = NULL;
            if (prefetch && kernels->copies && k0 + s.k == plan->k && !over_m && s.k >= MANY && !s.x_copy) {
                list_beside(prefetch, s.y_rows, ox->width * element, s.k, lines);
                s.prefetch = prefetch->at, s.beside_row = prefetch->row, s.lines = lines;
            }
            if (s.x_copy) sweep_copying_x(plan, kernels, &s);
            else sweep(&s);
        }
    }
}
