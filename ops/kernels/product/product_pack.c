/* Packing of an operand of a product into panels: the lists of axes are cut into runs that have one stride, and each run is
 * one call of a kernel. The layout is in core/plan/product.h, when to pack in product_plan.c. */
#include "ops/kernels/product/product_kernels.h"

#include "core/base/memory.h"

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
void reel__product_pack_part(const reel__product_kernels *kernels, const reel__pack_part *part)
{
    const reel__side *side = part->side;
    const int element = kernels->element, width = part->width;
    for (int64_t r = 0; r < part->rows;) {
        const int64_t column = r % width;
        run over_r = run_at(side->row_axes, side->row, part->r0 + r, part->rows - r);
        if (column && over_r.size > width - column) over_r.size = width - column;
        if (over_r.size > width) over_r.size -= r + over_r.size < part->rows ? over_r.size % width : 0;
        for (int64_t k = 0; k < part->k;) {
            const run over_k = run_at(side->k_axes, side->k, part->k0 + k, part->k - k);
            const int64_t to = r / width * part->panel + k * width + column;
            kernels->pack(
                &(reel__pack_run){ .from = (const char *)part->from + (over_r.offset + over_k.offset) * element,
                                   .from_r = over_r.stride,
                                   .from_k = over_k.stride,
                                   .rows = over_r.size,
                                   .k = over_k.size,
                                   .to = (char *)part->to + to * element,
                                   .panel = part->panel,
                                   .width = width });
            k += over_k.size;
        }
        r += over_r.size;
    }
}

reel__product_layout reel__product_layout_of(int isa, int element, const reel__side *side, reel__product_use use)
{
    const reel__product_kernels *kernels = reel__product_kernels_of(isa, element);
    reel__product_layout layout = { .isa = isa, .element = element, .side = *side, .use = use, .rows = 1, .k = 1 };
    for (int i = 0; i < side->row_axes; i++) layout.rows *= side->row[i].size;
    for (int i = 0; i < side->k_axes; i++) layout.k *= side->k[i].size;
    layout.width = use == REEL__PACKED_X ? kernels->width : reel__product_y_rows(kernels->rows, layout.rows);
    layout.panels = (layout.rows + layout.width - 1) / layout.width;
    layout.panel = layout.k * layout.width;
    layout.bytes = reel__bytes(layout.panels * layout.panel * element);
    return layout;
}

void reel__product_pack(const reel__product_layout *layout, const void *from, int64_t p0, int64_t p1, void *to)
{
    const int64_t r0 = p0 * layout->width, r1 = p1 * layout->width < layout->rows ? p1 * layout->width : layout->rows;
    reel__product_pack_part(reel__product_kernels_of(layout->isa, layout->element),
                            &(reel__pack_part){ .side = &layout->side,
                                                .from = from,
                                                .r0 = r0,
                                                .rows = r1 - r0,
                                                .k = layout->k,
                                                .to = (char *)to + p0 * layout->panel * layout->element,
                                                .panel = layout->panel,
                                                .width = layout->width });
}
