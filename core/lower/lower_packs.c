/* Operands of products that are packed by steps of their own, once for all products that read them. */
#include "core/lower/lower.h"

#include <string.h>

enum { PACKS_BACK = 16 }; /* how many of the last packs a product may share */

static bool same_axes(int n, const reel__axis *a, int m, const reel__axis *b)
{
    return n == m && memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

static bool same_pack(const reel__pack *p, const reel__pack *q)
{
    const reel__product_layout *a = &p->layout, *b = &q->layout;
    return p->source == q->source && p->offset == q->offset && a->use == b->use && a->element == b->element &&
           same_axes(a->side.row_axes, a->side.row, b->side.row_axes, b->side.row) &&
           same_axes(a->side.k_axes, a->side.k, b->side.k_axes, b->side.k);
}

bool reel__pack_ahead(reel__steps *s, int32_t g, const reel_tensor *y, int operand, const reel__side *side,
                      reel__product_use use, int32_t *index)
{
    const reel_tensor *x = y->inputs[operand];
    const reel__access *access = reel__access_for(&s->plan, g, x);
    const reel__product_api *api = y->op->traits->product;
    const int element = (int)reel__element_of(x);
    reel__pack pack = { .source = access->source,
                        .offset = access->offset,
                        .layout = api->layout(s->plan.isa, element, side, use),
                        .first = s->list.count };
    for (int32_t i = (int32_t)s->packs.count; i-- > 0 && i >= s->packs.count - PACKS_BACK;) {
        *index = i;
        if (same_pack(&REEL__AT(s->packs, reel__pack, i), &pack)) return true;
    }
    if (!reel__reserve(&s->plan.allocator, &s->packs, s->packs.count, sizeof pack)) return false;
    reel__step *step = reel__new_step(s, &s->list, REEL__STEP_PACK, y->index);
    if (!step) return false;
    *index = (int32_t)s->packs.count;
    REEL__AT(s->packs, reel__pack, s->packs.count++) = pack;
    step->pack = (reel__pack_step){ .api = api, .index = *index, .from = reel__address(s, g, x) };
    step->shares = reel__ceil_div(pack.layout.panels, REEL__PACK_PANELS);
    step->work = (double)pack.layout.bytes / element;
    return true;
}

/* The lowest offset of a pack at which it overlaps none of the `count` others. */
static void find_offset(const reel__steps *s, reel__pack *p, const int32_t *others, int32_t count)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (int32_t j = 0; j < count; j++) {
            const reel__pack *q = &REEL__AT(s->packs, reel__pack, others[j]);
            if (p->at >= q->at + q->layout.bytes || q->at >= p->at + p->layout.bytes) continue;
            p->at = (q->at + q->layout.bytes + 63) / 64 * 64;
            moved = true;
        }
    }
}

static const char *packed(const reel__steps *s, int32_t index)
{
    return s->packs_memory + REEL__AT(s->packs, reel__pack, index).at;
}

bool reel__allocate_packs(reel__steps *s)
{
    const size_t n = (size_t)s->packs.count, bytes = n * sizeof(int32_t);
    if (!n) return true;
    int32_t *active = reel__allocate(&s->plan.allocator, bytes), count = 0;
    if (!active) return false;
    for (size_t i = 0; i < n; i++) {
        reel__pack *p = &REEL__AT(s->packs, reel__pack, i);
        int32_t left = 0;
        for (int32_t j = 0; j < count; j++)
            if (REEL__AT(s->packs, reel__pack, active[j]).last >= p->first) active[left++] = active[j];
        count = left;
        find_offset(s, p, active, count);
        if (p->at + p->layout.bytes > s->packs_size) s->packs_size = p->at + p->layout.bytes;
        active[count++] = (int32_t)i;
    }
    reel__release(&s->plan.allocator, active, bytes);
    if (!(s->packs_memory = reel__allocate(&s->plan.allocator, s->packs_size))) return false;
    for (int64_t i = 0; i < s->list.count; i++) {
        reel__step *step = &REEL__AT(s->list, reel__step, i);
        if (step->kind == REEL__STEP_PACK) {
            step->pack.pack = &REEL__AT(s->packs, reel__pack, step->pack.index);
            step->pack.to = s->packs_memory + step->pack.pack->at;
        }
        if (step->kind != REEL__STEP_PRODUCT) continue;
        reel__product_step *product = &step->product;
        if (product->pack[0] >= 0) product->a = packed(s, product->pack[0]);
        if (product->pack[1] >= 0) product->b = packed(s, product->pack[1]);
    }
    return true;
}
