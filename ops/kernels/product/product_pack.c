/* Packing of an operand of a product into panels: the lists of axes are cut into runs that have
 * one stride, and each run is one call of a kernel. The layout is in product.h, when to pack in
 * product_plan.c. */
#include "core/base/memory.h"
#include "core/plan/product.h"
#include "ops/kernels/product/product_kernels.h"

/* A run: the elements from one index of a list of axes to where its stride ends, at most `most`. */
typedef struct {
    int64_t offset, stride, size;
} run;

static run run_at(int axes, const reel__axis *axis, int64_t index, int64_t most)
{
    run r = { 0, 0, most };
    for (int i = axes - 1; i >= 0; i--) {
        const int64_t at = index % axis[i].size;
        if (i == axes - 1) {
            r.stride = axis[i].stride;
            if (axis[i].size - at < most) r.size = axis[i].size - at;
        }
        r.offset += at * axis[i].stride;
        index /= axis[i].size;
    }
    return r;
}

/* Runs are cut at the end of a panel that they do not begin. */
void reel__product_pack_part(int isa, int element, const reel__side *side, const void *from, int64_t r0, int64_t rows,
                             int64_t k0, int64_t nk, int width, int64_t panel, void *to)
{
    const reel__product_kernels *kernels = reel__product_kernels_of(isa, element);
    for (int64_t r = 0; r < rows;) {
        const int64_t column = r % width;
        run over_r = run_at(side->row_axes, side->row, r0 + r, rows - r);
        if (column && over_r.size > width - column) over_r.size = width - column;
        if (over_r.size > width) over_r.size -= r + over_r.size < rows ? over_r.size % width : 0;
        for (int64_t k = 0; k < nk;) {
            const run over_k = run_at(side->k_axes, side->k, k0 + k, nk - k);
            kernels->pack((const char *)from + (over_r.offset + over_k.offset) * element, over_r.stride, over_k.stride,
                          over_r.size, over_k.size, (char *)to + (r / width * panel + k * width + column) * element,
                          width, panel);
            k += over_k.size;
        }
        r += over_r.size;
    }
}

reel__product_layout reel__product_layout_of(int isa, int element, const reel__side *side, reel__product_use use)
{
    const reel__product_kernels *kernels = reel__product_kernels_of(isa, element);
    int64_t rows = 1, k = 1;
    for (int i = 0; i < side->row_axes; i++) rows *= side->row[i].size;
    for (int i = 0; i < side->k_axes; i++) k *= side->k[i].size;
    const int width = use == REEL__PACKED_X ? kernels->width : reel__product_y_rows(kernels->rows, rows);
    const int64_t panels = (rows + width - 1) / width;
    return (reel__product_layout){
        .width = width,
        .panels = panels,
        .k = k,
        .panel = k * width,
        .bytes = reel__bytes(panels * k * width * element),
    };
}

void reel__product_pack(int isa, int element, const reel__side *side, const reel__product_layout *layout,
                        const void *from, int64_t p0, int64_t p1, void *to)
{
    int64_t rows = 1;
    for (int i = 0; i < side->row_axes; i++) rows *= side->row[i].size;
    const int64_t r0 = p0 * layout->width;
    const int64_t r1 = p1 * layout->width < rows ? p1 * layout->width : rows;
    reel__product_pack_part(isa, element, side, from, r0, r1 - r0, 0, layout->k, layout->width, layout->panel,
                            (char *)to + (size_t)(p0 * layout->panel) * (size_t)element);
}
