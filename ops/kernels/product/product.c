/* Runs one block of a product: cuts k into pieces, packs what the plan packs, sweeps tiles over the block. */
#include "ops/kernels/product/product_kernels.h"

const reel__product_kernels *reel__product_kernels_of(int isa, int element)
{
    static const reel__product_kernels(*const sets[REEL__ISAS])[2] = { REEL__EACH_SET(reel__product_kernels) };
    return &(*sets[isa])[element == 8];
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

/* Which lines of a panel of x the steps of a tile fetch: those of its first `nk` k, evenly, as offsets from the first. */
static void list_lines(const reel__product_operand *x, int element, int64_t nk, int64_t steps, int64_t *lines)
{
    const int k_lies = x->k_stride == 1;
    const int64_t far = (k_lies ? x->row_stride : x->k_stride) * element;
    const int64_t near = (k_lies ? nk : x->width) * element, count = (k_lies ? x->width : nk) * ((near + 63) / 64);
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
static void sweep_part(const reel__product_kernels *kernels, const reel__sweep *s, int64_t p0, int64_t p1)
{
    const int64_t r0 = p0 * s->y_rows - (p0 > s->y_tall ? p0 - s->y_tall : 0);
    reel__sweep part = *s;
    part.y = (const char *)s->y + (s->y_panel ? p0 * s->y_panel : r0 * s->y_r) * kernels->element;
    part.c = (char *)s->c + r0 * s->c_y * kernels->element;
    part.y_panels = p1 - p0;
    part.y_tall = p1 <= s->y_tall ? p1 - p0 : s->y_tall - p0;
    if (part.y_tall <= 0) part.y_tall = p1 - p0, part.y_rows--;
    const int64_t rows = part.y_tall * part.y_rows + (part.y_panels - part.y_tall) * (part.y_rows - 1);
    part.ny = s->ny - r0 < rows ? s->ny - r0 : rows;
    kernels->sweep(&part);
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* One piece of k with x packed a few panels at a time, each used by all of y while it is in the cache. `part` is the
 * piece of x: all its rows, and where its panels go. */
static void sweep_packing_x(const reel__product_kernels *kernels, reel__sweep s, reel__pack_part part, int panels)
{
    const int64_t x0 = part.r0, nx = s.nx, most = panels * part.width;
    char *const c = s.c;
    s.x = part.to, s.x_k = part.width, s.x_panel = part.panel;
    for (int64_t i = 0; i < nx; i += most) {
        part.r0 = x0 + i, part.rows = s.nx = smaller(most, nx - i);
        s.c = c + i * s.c_x * kernels->element;
        reel__product_pack_part(kernels, &part);
        kernels->sweep(&s);
    }
}

enum { FEW = 4 }; /* panels of y between two packings, at least */

/* The same of an x that may come from memory: while the tiles of one panel run, the next is packed into the other half of
 * the workspace, some k at a time, from lines that a tile has fetched.
 *
 * With k = 512 and 24 panels of y, `step` is 128 and `tiles` 6: panels 0 to 5 of y meet panel i of x; k 0 to 127 of panel
 * i + 1 are packed; panels 6 to 11 of y meet panel i; k 128 to 255 of panel i + 1 are packed; and so on. */
static void sweep_packing_ahead(const reel__product_plan *plan, const reel__product_kernels *kernels, reel__sweep s,
                                reel__pack_part part)
{
    enum { STEP = 64 };
    const reel__product_operand *o = &plan->x;
    const int64_t x0 = part.r0, k0 = part.k0, nx = s.nx, width = part.width, element = kernels->element;
    const int64_t parts = s.y_panels / FEW, step = (s.k + parts * STEP - 1) / (parts * STEP) * STEP;
    const int64_t tiles = s.y_panels / ((s.k + step - 1) / step);
    const int fetching = kernels->copies && o->side.row_axes == 1 && o->side.k_axes == 1;
    int64_t lines[REEL__PRODUCT_PIECE];
    char *const c = s.c, *const half[2] = { part.to, (char *)part.to + part.panel * element };
    if (fetching) list_lines(o, plan->element, step, s.k, lines);
    s.lines = lines, s.x_k = width, s.x_panel = part.panel;
    part.rows = smaller(width, nx);
    reel__product_pack_part(kernels, &part);
    for (int64_t i = 0; i < nx; i += width) {
        const int64_t panel = i / width, next = i + width;
        int64_t p = 0;
        s.x = half[panel % 2], s.nx = smaller(width, nx - i), s.c = c + i * s.c_x * element;
        for (int64_t k = 0; k < s.k && next < nx; k += step, p += tiles) {
            if (fetching)
                s.ahead = (const char *)part.from + ((x0 + next) * o->row_stride + (k0 + k) * o->k_stride) * element;
            sweep_part(kernels, &s, p, p + tiles);
            part.r0 = x0 + next, part.rows = smaller(width, nx - next);
            part.k0 = k0 + k, part.k = smaller(step, s.k - k);
            part.to = half[(panel + 1) % 2] + k * width * element;
            reel__product_pack_part(kernels, &part);
        }
        s.ahead = NULL;
        if (p < s.y_panels) sweep_part(kernels, &s, p, s.y_panels);
    }
}

/* One piece of k with x copied by the first tile of each panel. */
static void sweep_copying_x(const reel__product_plan *plan, const reel__product_kernels *kernels, reel__sweep *s)
{
    enum { MANY = 8 };
    int64_t lines[REEL__PRODUCT_PIECE];
    s->lines = s->nx >= MANY * plan->x.width ? lines : NULL;
    if (s->lines) list_lines(&plan->x, plan->element, s->k, s->k, lines);
    kernels->sweep(s);
}

/* Cuts the block's y into panels as even as can be: 25 rows, of which a tile has at most 12, into 9, 8 and 8. Where y came
 * packed it is cut already. */
static void cut_y(reel__sweep *s, const reel__product_operand *y, int most)
{
    if (s->ny <= most && y->use != REEL__PACKED_Y) return;
    s->y_rows = y->use == REEL__PACKED_Y ? y->width : reel__product_y_rows(most, s->ny);
    s->y_panels = s->y_tall = (s->ny + s->y_rows - 1) / s->y_rows;
    if (y->use != REEL__PACKED_Y) s->y_tall -= s->y_panels * s->y_rows - s->ny;
}

/* Packs a piece of the block's y into the workspace: the tall panels, then the others. */
static void pack_y(const reel__product_plan *plan, const reel__product_kernels *kernels, reel__sweep *s, const void *y,
                   int64_t y0, int64_t k0, void *to)
{
    const int64_t tall = s->y_tall * s->y_rows;
    reel__pack_part part = {
        .side = &plan->y.side,
        .from = y,
        .r0 = y0,
        .rows = tall,
        .k0 = k0,
        .k = s->k,
        .to = to,
        .panel = s->k * s->y_rows,
        .width = (int)s->y_rows,
    };
    s->y = to, s->y_panel = part.panel;
    reel__product_pack_part(kernels, &part);
    if (tall >= s->ny) return;
    part.r0 += tall, part.rows = s->ny - tall, part.width--;
    part.to = (char *)to + s->y_tall * part.panel * kernels->element;
    reel__product_pack_part(kernels, &part);
}

/* The block before its first piece. Every field is named, since clearing the others would take
 * longer than a small product. */
static reel__sweep sweep_of(const reel__product_plan *plan, int64_t nx, int64_t ny, void *c, int64_t c_x, int64_t c_y)
{
    const reel__product_operand *x = &plan->x, *y = &plan->y;
    const int x_in_place = x->use == REEL__IN_PLACE || plan->x_copied;
    const int y_in_place = y->use == REEL__IN_PLACE;
    return (reel__sweep){
        .x = NULL,
        .c = c,
        .nx = nx,
        .ny = ny,
        .k = plan->k,
        .x_panel = x_in_place ? x->width : x->k * x->width,
        .x_k = x_in_place ? x->k_stride : x->width,
        .x_x = x->row_stride,
        .y_panels = 1,
        .y_tall = 1,
        .y_rows = ny,
        .y_panel = y_in_place ? 0 : y->k * y->width,
        .y_r = y_in_place ? y->row_stride : 1,
        .y_k = y_in_place ? y->k_stride : y->width,
        .c_x = c_x,
        .c_y = c_y,
        .fetch_c = plan->k >= 128 && nx * ny * plan->element > (64 << 10),
        .y_first = plan->y_first,
    };
}

/* Which lines of the prefetched arrays the steps of k of a tile fetch: those that lie as the tile does in c, evenly. */
static void list_prefetches(const reel__product_prefetch *prefetch, int64_t rows, int64_t row_bytes, int64_t k,
                            int64_t *lines)
{
    const int64_t across = (row_bytes + 63) / 64, all = (prefetch->count + 1) * rows * across;
    for (int64_t i = 0, l = 0; i < k; i++) {
        lines[i] = l / across % rows * prefetch->row + l % across * 64;
        if (l >= rows * across) lines[i] += prefetch->other[l / (rows * across) - 1];
        if ((i + 1) * all / k > l && l + 1 < all) l++;
    }
}

/* The last piece of k, whose tiles prefetch what will be read after the block. */
static void sweep_prefetching(const reel__product_plan *plan, reel__sweep *s, void (*sweep)(const reel__sweep *),
                              const reel__product_prefetch *prefetch)
{
    int64_t lines[REEL__PRODUCT_PIECE];
    list_prefetches(prefetch, s->y_rows, plan->x.width * plan->element, s->k, lines);
    s->prefetch = prefetch->at, s->prefetch_row = prefetch->row, s->lines = lines;
    sweep(s);
}

/* k in pieces. For each, y is packed if the plan says so; then x is swept as it is, or is packed a few panels at a time, ahead
 * of their use if it comes from memory, or is packed by the tiles that read it first. */
void reel__product_block_run(const reel__product_plan *plan, const reel__product_block *block)
{
    enum { LARGE = 256 << 10, MANY = 48 }; /* bytes of x; steps of k that have time to fetch */
    const int64_t m = block->m1 - block->m0, n = block->n1 - block->n0;
    if (m <= 0 || n <= 0) return;
    if (plan->k == 0) {
        fill_zero(block->c, plan->element, m, n, block->c_m, block->c_n);
        return;
    }
    const reel__product_kernels *kernels = reel__product_kernels_of(plan->isa, plan->element);
    const reel__product_operand *ox = &plan->x, *oy = &plan->y;
    const int element = plan->element, over_m = plan->over_m;
    const void *x = over_m ? block->a : block->b, *y = over_m ? block->b : block->a;
    const int64_t x0 = over_m ? block->m0 : block->n0, y0 = over_m ? block->n0 : block->m0;
    reel__sweep s = over_m ? sweep_of(plan, m, n, block->c, block->c_m, block->c_n)
                           : sweep_of(plan, n, m, block->c, block->c_n, block->c_m);
    void (*sweep)(const reel__sweep *) = kernels->sweep;
    if (ox->use == REEL__IN_PLACE && oy->use == REEL__IN_PLACE && s.ny == 1)
        sweep = ox->row_stride == 1 ? kernels->stream : kernels->dots;
    cut_y(&s, oy, kernels->rows);
    char *const x_space = block->workspace ? (char *)block->workspace + plan->y_workspace : NULL;
    if (plan->x_copied && s.y_panels > 1) s.x_copy = x_space;
    for (int64_t k0 = 0; k0 < plan->k; k0 += REEL__PRODUCT_PIECE) {
        s.k = smaller(REEL__PRODUCT_PIECE, plan->k - k0);
        s.add = k0 > 0;
        if (oy->use == REEL__PACK) pack_y(plan, kernels, &s, y, y0, k0, block->workspace);
        else s.y = operand_at(oy, element, y, y0, k0);
        if (ox->use == REEL__PACK && !plan->x_copied) {
            const reel__pack_part part = {
                .side = &ox->side,
                .from = x,
                .r0 = x0,
                .k0 = k0,
                .k = s.k,
                .to = x_space,
                .panel = s.k * ox->width,
                .width = ox->width,
            };
            if (s.y_panels >= 2 * FEW && s.nx * s.k * element > LARGE) sweep_packing_ahead(plan, kernels, s, part);
            else sweep_packing_x(kernels, s, part, plan->x_panels);
        } else {
            const bool is_last = k0 + s.k == plan->k;
            s.x = operand_at(ox, element, x, x0, k0);
            if (s.x_copy) sweep_copying_x(plan, kernels, &s);
            else if (block->prefetch && kernels->copies && is_last && !over_m && s.k >= MANY)
                sweep_prefetching(plan, &s, sweep, block->prefetch);
            else sweep(&s);
        }
    }
}
