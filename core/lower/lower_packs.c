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

static reel__pack *pack_at(const reel__steps *s, int64_t i) { return REEL__AT(s->packs, reel__pack *, i); }

reel__pack *reel__pack_ahead(reel__steps *s, int32_t g, const reel_tensor *y, int operand, const reel__side *side,
                             reel__product_use use)
{
    const reel_tensor *x = y->inputs[operand];
    const reel__access *access = reel__access_for(&s->plan, g, x);
    const reel__product_api *api = y->op->traits->product;
    const int element = (int)reel__element_of(x);
    const reel__pack wanted = { .source = access->source,
                                .offset = access->offset,
                                .layout = api->layout(s->plan.isa, element, side, use),
                                .first = s->list.count };
    for (int64_t i = s->packs.count; i-- > 0 && i >= s->packs.count - PACKS_BACK;)
        if (same_pack(pack_at(s, i), &wanted)) return pack_at(s, i);
    reel__pack *pack = reel__own(&s->plan, sizeof *pack);
    if (!pack || !reel__reserve(&s->plan.allocator, &s->packs, s->packs.count, sizeof pack)) return NULL;
    reel__step *step = reel__new_step(s, &s->list, REEL__STEP_PACK, y->index);
    if (!step) return NULL;
    REEL__AT(s->packs, reel__pack *, s->packs.count++) = pack;
    *pack = wanted;
    step->pack = (reel__pack_step){ .api = api, .pack = pack, .from = reel__address(s, g, x) };
    step->shares = reel__ceil_div(pack->layout.panels, REEL__PACK_PANELS);
    step->work = (double)pack->layout.bytes / element;
    return pack;
}

/* The lowest offset of a pack at which it overlaps none of the `count` others. */
static void find_offset(reel__pack *p, reel__pack *const *others, int64_t count)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (int64_t j = 0; j < count; j++) {
            const reel__pack *q = others[j];
            if (p->at >= q->at + q->layout.bytes || q->at >= p->at + p->layout.bytes) continue;
            p->at = (q->at + q->layout.bytes + 63) / 64 * 64;
            moved = true;
        }
    }
}

/* A pack's memory is used again after the last product that reads it. */
static bool find_offsets(reel__steps *s)
{
    const size_t bytes = (size_t)s->packs.count * sizeof(reel__pack *);
    reel__pack **active = reel__allocate(&s->plan.allocator, bytes);
    int64_t count = 0;
    if (!active) return false;
    for (int64_t i = 0; i < s->packs.count; i++) {
        reel__pack *p = pack_at(s, i);
        int64_t left = 0;
        for (int64_t j = 0; j < count; j++)
            if (active[j]->last >= p->first) active[left++] = active[j];
        count = left;
        find_offset(p, active, count);
        if (p->at + p->layout.bytes > s->packs_size) s->packs_size = p->at + p->layout.bytes;
        active[count++] = p;
    }
    reel__release(&s->plan.allocator, active, bytes);
    return true;
}

bool reel__allocate_packs(reel__steps *s)
{
    if (!s->packs.count) return true;
    if (!find_offsets(s) || !(s->packs_memory = reel__own(&s->plan, s->packs_size))) return false;
    for (int64_t i = 0; i < s->list.count; i++) {
        reel__step *step = &REEL__AT(s->list, reel__step, i);
        reel__product_step *product = &step->product;
        if (step->kind == REEL__STEP_PACK) step->pack.to = s->packs_memory + step->pack.pack->at;
        if (step->kind != REEL__STEP_PRODUCT) continue;
        if (product->pack[0]) product->a = s->packs_memory + product->pack[0]->at;
        if (product->pack[1]) product->b = s->packs_memory + product->pack[1]->at;
    }
    return true;
}
