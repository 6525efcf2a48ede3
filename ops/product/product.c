/* Runs one block of a product: cuts k into pieces, packs what the plan packs, sweeps tiles over the block. The kernels
 * are in product_kernels.c, the plan in product_plan.c, packing in product_pack.c. */
#include "ops/product/product.h"
#include "core/base/isa.h"
#include "ops/product/product_kernels.h"

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
        for (int64_t j = 0; j < n; j++)
            memset((char *)c + (i * c_m + j * c_n) * element, 0, (size_t)element);
}

/* Where row r0 of an operand starts, at k0: r0 begins a panel if it came packed. */
static const void *operand_at(const reel__product_operand *o, int element, const void *data, int64_t r0, int64_t k0)
{
    if (o->use == REEL__IN_PLACE || o->use == REEL__PACK)
        return (const char *)data + (r0 * o->row_stride + k0 * o->k_stride) * element;
    return (const char *)data + (r0 * o->k + k0 * o->width) * element;
}

/* One piece of k with x packed a few panels at a time, each used by all of y while it is in the cache. */
static void sweep_packing_x(const reel__product_plan *plan, const reel__product_kernels *kernels, reel__sweep s,
                            const void *x, int64_t x0, int64_t k0, void *panels)
{
    const int64_t nx = s.nx, width = plan->x.width, most = plan->x_panels * width;
    char *const c = s.c;
    s.x = panels, s.x_k = width, s.x_panel = s.k * width;
    for (int64_t i = 0; i < nx; i += most) {
        s.nx = nx - i < most ? nx - i : most;
        s.c = c + i * s.c_x * plan->element;
        reel__product_pack_part(plan->isa, plan->element, &plan->x.side, x, x0 + i, s.nx, k0, s.k, (int)width,
                                s.x_panel, panels);
        kernels->sweep(&s);
    }
}

void reel__product_block(const reel__product_plan *plan, const void *a, const void *b, int64_t m0, int64_t m1,
                         int64_t n0, int64_t n1, void *c, int64_t c_m, int64_t c_n, void *workspace)
{
    const reel__product_kernels *kernels = reel__product_kernels_of(plan->isa, plan->element);
    const int element = plan->element, over_m = plan->over_m;
    const reel__product_operand *ox = &plan->x, *oy = &plan->y;
    const void *x = over_m ? a : b, *y = over_m ? b : a;
    const int64_t x0 = over_m ? m0 : n0, y0 = over_m ? n0 : m0;
    reel__sweep s = {
        .c = c, .c_x = over_m ? c_m : c_n, .c_y = over_m ? c_n : c_m,
        .nx = over_m ? m1 - m0 : n1 - n0, .ny = over_m ? n1 - n0 : m1 - m0,
        .x_k = ox->width, .x_panel = ox->k * ox->width,
        .y_rows = oy->width, .y_r = 1, .y_k = oy->width, .y_panel = oy->k * oy->width,
        .y_first = plan->y_first,
    };
    if (s.nx <= 0 || s.ny <= 0) return;
    if (plan->k == 0) {
        fill_zero(c, element, m1 - m0, n1 - n0, c_m, c_n);
        return;
    }
    if (ox->use == REEL__IN_PLACE || plan->x_copied) s.x_k = ox->k_stride, s.x_panel = ox->width;
    if (plan->x_copied && s.ny > s.y_rows) s.x_copy = (char *)workspace + plan->y_workspace;
    if (oy->use == REEL__IN_PLACE) {
        s.y_r = oy->row_stride, s.y_k = oy->k_stride, s.y_panel = oy->width * oy->row_stride;
        if (s.ny == 1 && ox->use == REEL__IN_PLACE) {
            s.x = operand_at(ox, element, x, x0, 0), s.y = operand_at(oy, element, y, y0, 0);
            s.k = plan->k, s.x_x = ox->row_stride;
            kernels->stream(&s);
            return;
        }
    }
    for (int64_t k0 = 0; k0 < plan->k; k0 += REEL__PIECE) {
        s.k = plan->k - k0 < REEL__PIECE ? plan->k - k0 : REEL__PIECE;
        s.add = k0 > 0;
        if (oy->use == REEL__PACK) {
            reel__product_pack_part(plan->isa, element, &oy->side, y, y0, s.ny, k0, s.k, oy->width, s.k * oy->width,
                                    workspace);
            s.y = workspace, s.y_panel = s.k * oy->width;
        } else {
            s.y = operand_at(oy, element, y, y0, k0);
        }
        if (ox->use == REEL__PACK && !plan->x_copied) {
            sweep_packing_x(plan, kernels, s, x, x0, k0, (char *)workspace + plan->y_workspace);
        } else {
            s.x = operand_at(ox, element, x, x0, k0);
            kernels->sweep(&s);
        }
    }
}
