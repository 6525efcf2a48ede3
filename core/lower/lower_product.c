/* From a product to a step: its blocks, and what is packed before them, once for all that read it. */
#include "core/lower/lower.h"

#include <string.h>

static int side_axes(const reel_tensor *x, const reel__access *access, int count, const int8_t *axes, reel__axis *out)
{
    int n = 0;
    for (int i = 0; i < count; i++) {
        int64_t size = x->size[axes[i]], stride = access->stride[axes[i]];
        if (size == 1) continue;
        if (n && out[n - 1].stride == stride * size) out[n - 1] = (reel__axis){ out[n - 1].size * size, stride };
        else out[n++] = (reel__axis){ size, stride };
    }
    if (n == 0) out[n++] = (reel__axis){ 1, 1 };
    return n;
}

static reel__side side_of(const reel__steps *s, int32_t g, const reel_tensor *x, int rows, const int8_t *row_axes,
                          int k, const int8_t *k_axes)
{
    reel__axis row[REEL_MAX_RANK], deep[REEL_MAX_RANK];
    const reel__access *access = reel__access_for(&s->plan, g, x);
    reel__side side = { .row_axes = side_axes(x, access, rows, row_axes, row),
                        .k_axes = side_axes(x, access, k, k_axes, deep) };
    for (int i = 0; i < side.row_axes; i++) side.row[i] = row[i];
    for (int i = 0; i < side.k_axes; i++) side.k[i] = deep[i];
    return side;
}

static bool batch_offsets(reel__steps *s, reel__step *step, int32_t g, const reel_tensor *y,
                          const reel__product_axes *p)
{
    step->batch = 1;
    for (int i = 0; i < p->batch; i++) step->batch *= y->size[i];
    if (!(step->offsets = reel__own(s, (size_t)(2 * step->batch) * sizeof *step->offsets))) return false;
    for (int64_t b = 0; b < step->batch; b++) {
        int64_t rest = b, at[2] = { 0, 0 };
        for (int i = p->batch; i-- > 0; rest /= y->size[i]) {
            at[0] += rest % y->size[i] * reel__access_for(&s->plan, g, y->inputs[0])->stride[p->a_batch[i]];
            at[1] += rest % y->size[i] * reel__access_for(&s->plan, g, y->inputs[1])->stride[p->b_batch[i]];
        }
        for (int j = 0; j < 2; j++) step->offsets[2 * b + j] = at[j] * (int64_t)reel__element_of(y);
    }
    return true;
}

/* ---- Packs ------------------------------------------------------------------------------------------------------- */

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

/* The pack of an operand, made by a step of its own before the next product or found among the last ones. */
static bool packed_ahead(reel__steps *s, int32_t g, const reel__step *product, const reel_tensor *x,
                         const reel__side *side, reel__product_use use, int32_t *index)
{
    const reel__access *access = reel__access_for(&s->plan, g, x);
    const int element = (int)reel__element_of(x);
    reel__pack pack = { .source = access->source,
                        .offset = access->offset,
                        .layout = product->api->layout(s->plan.isa, element, side, use),
                        .first = s->list.count };
    for (int32_t i = (int32_t)s->packs.count; i-- > 0 && i >= s->packs.count - PACKS_BACK;) {
        *index = i;
        if (same_pack(&REEL__AT(s->packs, reel__pack, i), &pack)) return true;
    }
    if (!reel__reserve(&s->plan.allocator, &s->packs, s->packs.count, sizeof pack)) return false;
    reel__step *step = reel__new_step(s, &s->list, REEL__STEP_PACK, product->node);
    if (!step) return false;
    *index = (int32_t)s->packs.count;
    REEL__AT(s->packs, reel__pack, s->packs.count++) = pack;
    step->api = product->api;
    step->a = reel__address(s, g, x);
    step->pack[0] = *index, step->pack[1] = REEL__NONE;
    step->work = (double)pack.layout.bytes / element;
    return true;
}

/* Memory for all packs, reused after the last product that reads one. */
bool reel__place_packs(reel__steps *s)
{
    const size_t n = (size_t)s->packs.count, bytes = n * sizeof(int32_t);
    if (!n) return true;
    int32_t *active = reel__allocate(&s->plan.allocator, bytes), count = 0;
    if (!active) return false;
    for (size_t i = 0; i < n; i++) {
        reel__pack *p = &REEL__AT(s->packs, reel__pack, i);
        int32_t kept = 0;
        for (int32_t j = 0; j < count; j++)
            if (REEL__AT(s->packs, reel__pack, active[j]).last >= p->first) active[kept++] = active[j];
        count = kept;
        bool moved = true;
        while (moved) { /* past whatever lies in the way, from the beginning of the memory */
            moved = false;
            for (int32_t j = 0; j < count; j++) {
                const reel__pack *q = &REEL__AT(s->packs, reel__pack, active[j]);
                if (p->at >= q->at + q->layout.bytes || q->at >= p->at + p->layout.bytes) continue;
                p->at = (q->at + q->layout.bytes + 63) / 64 * 64;
                moved = true;
            }
        }
        if (p->at + p->layout.bytes > s->packs_size) s->packs_size = p->at + p->layout.bytes;
        active[count++] = (int32_t)i;
    }
    reel__release(&s->plan.allocator, active, bytes);
    if (!(s->packs_memory = reel__allocate(&s->plan.allocator, s->packs_size))) return false;
    for (int64_t i = 0; i < s->list.count; i++) {
        reel__step *step = &REEL__AT(s->list, reel__step, i);
        if (step->kind != REEL__STEP_PACK && step->kind != REEL__STEP_PRODUCT) continue;
        const reel__pack *first = step->pack[0] < 0 ? NULL : &REEL__AT(s->packs, reel__pack, step->pack[0]);
        const reel__pack *second = step->pack[1] < 0 ? NULL : &REEL__AT(s->packs, reel__pack, step->pack[1]);
        if (step->kind == REEL__STEP_PACK) step->packing = first, step->c = s->packs_memory + first->at;
        else if (first) step->a = s->packs_memory + first->at;
        if (second) step->b = s->packs_memory + second->at;
    }
    return true;
}

/* ---- Blocks ------------------------------------------------------------------------------------------------------ */

/* About `most` of `size` at a time, in parts as even as multiples of `unit` can be. */
static int64_t even_part(int64_t size, int64_t most, int64_t unit)
{
    most = most > unit ? most / unit * unit : unit;
    if (most >= size) return size;
    return reel__smaller(size, reel__ceil_div(reel__ceil_div(size, reel__ceil_div(size, most)), unit) * unit);
}

/* Of `size` in these parts, what the thread with most of them has. */
static int64_t longest(const reel__steps *s, int64_t size, int64_t part)
{
    return reel__smaller(size, reel__ceil_div(reel__ceil_div(size, part), s->threads) * part);
}

/* What runs on a block after its product wants it in the second cache, in rows as long as can be; and there should be a
 * block for every thread. */
static void choose_block(const reel__steps *s, reel__step *step, const reel__group *group)
{
    const reel__product_plan *p = &step->plan;
    const reel__plan_settings *settings = &s->plan.settings;
    const int64_t m = step->rows, n = step->columns;
    if (settings->block) {
        step->block_m = reel__smaller(m, reel__ceil_div(settings->block, p->step_m) * p->step_m);
        step->block_n = group->has_rows ? n : reel__smaller(n, reel__ceil_div(settings->block, p->step_n) * p->step_n);
        return;
    }
    step->block_m = reel__smaller(p->block_m, m), step->block_n = group->has_rows ? n : reel__smaller(p->block_n, n);
    const int64_t cache = settings->l2 ? settings->l2 : 1 << 20, most = cache / 4 / p->element;
    const bool n_packed = (p->over_m ? p->y.use : p->x.use) == REEL__PACK;
    /* packing beside the tiles costs next to nothing, ahead of them it is a pass of its own: that pays if it is smaller
     * than what leaves the cache otherwise */
    const bool stays = n_packed && 2 * p->k > m;
    if (group->count > 1 && step->block_m * step->block_n > most && !stays) {
        if (group->has_rows || n * p->step_m <= most) step->block_n = n;
        else step->block_n = even_part(n, most / p->step_m, p->step_n);
        step->block_m = even_part(m, reel__smaller(step->block_m, most / step->block_n), p->step_m);
    }
    const int64_t blocks = reel__ceil_div(m, step->block_m) * reel__ceil_div(n, step->block_n);
    const double work = (double)m * (double)n * ((double)p->k + (double)group->count) / 8;
    if (blocks >= s->threads || work < reel__worth_sharing(s)) return;
    const int64_t parts = reel__ceil_div(s->threads, blocks),
                  down = even_part(step->block_m, step->block_m / parts, p->step_m),
                  across = even_part(step->block_n, step->block_n / parts, p->step_n);
    const int64_t by_rows = longest(s, m, down) * n, by_columns = longest(s, n, across) * m;
    if (group->has_rows || by_rows < by_columns || (by_rows == by_columns && !n_packed)) step->block_m = down;
    else step->block_n = across;
}

/* An operand that every block would pack again, or all where that is forced. */
static bool wants_pack(const reel__steps *s, reel__product_use use, int64_t blocks)
{
    return s->plan.settings.pack_ahead || (use == REEL__PACK && blocks > 1 && !s->plan.settings.pack);
}

static bool plan_product(reel__steps *s, int32_t g, const reel__group *group, reel__step *step, reel__product *product)
{
    const reel_tensor *y = s->plan.node[group->product].x;
    step->plan = step->api->plan(product);
    choose_block(s, step, group);
    const reel__product_plan p = step->plan;
    const bool a = step->batch == 1 && wants_pack(s, p.over_m ? p.x.use : p.y.use, reel__ceil_div(p.n, step->block_n));
    const bool b = step->batch == 1 && wants_pack(s, p.over_m ? p.y.use : p.x.use, reel__ceil_div(p.m, step->block_m));
    if (!a && !b) return true;
    if (a) product->a_use = p.over_m ? REEL__PACKED_X : REEL__PACKED_Y;
    if (b) product->b_use = p.over_m ? REEL__PACKED_Y : REEL__PACKED_X;
    if (a && !packed_ahead(s, g, step, y->inputs[0], &product->a, product->a_use, &step->pack[0])) return false;
    if (b && !packed_ahead(s, g, step, y->inputs[1], &product->b, product->b_use, &step->pack[1])) return false;
    step->plan = step->api->plan(product);
    choose_block(s, step, group);
    return true;
}

/* A block may be larger than the one proposed, whole rows above all: then its packed operand needs more room. */
static void make_room(reel__step *step)
{
    reel__product_plan *p = &step->plan;
    int64_t proposed = p->over_m ? p->block_n : p->block_m, wanted = p->over_m ? step->block_n : step->block_m;
    if (wanted <= proposed) return;
    size_t more = p->y_workspace * (size_t)((wanted - 1) / proposed);
    p->y_workspace += more;
    p->workspace += more;
}

static int64_t sizes(const reel_tensor *x, int count, const int8_t *axes)
{
    int64_t n = 1;
    for (int i = 0; i < count; i++) n *= x->size[axes[i]];
    return n;
}

/* What the chains after a block read from elsewhere, row by row as c itself. */
static void find_beside(reel__step *step)
{
    reel__product_prefetch *prefetch = &step->prefetch;
    for (int32_t i = 0; i < step->op_count && step->batch == 1; i++) {
        const reel__tile_op *op = &step->ops[i];
        for (int l = 0; op->kind == REEL__TILE_CHAIN && l < op->count; l++)
            for (int j = 0; j < op->links[l].count; j++) {
                const reel__operand *o = &op->links[l].x[j];
                if (o->slot >= 0 || o->one || o->block || o->row != step->columns || o->base == step->c) continue;
                bool known = o->base == prefetch->at || prefetch->count == REEL__PREFETCHES;
                for (int k = 0; k < prefetch->count; k++) known |= prefetch->at + prefetch->other[k] == o->base;
                if (!prefetch->at) prefetch->at = o->base, prefetch->row = o->row * 4;
                else if (!known) prefetch->other[prefetch->count++] = o->base - prefetch->at;
            }
    }
}

/* The rows of all products of a stack, outermost. */
static void stack_rows(reel__side *side, const reel__group *group)
{
    memmove(&side->row[1], &side->row[0], (size_t)side->row_axes * sizeof *side->row);
    side->row[0] = (reel__axis){ group->batch_count, group->batch_distance };
    side->row_axes++;
}

/* The ops after a product that is computed with others. */
static bool lower_rest(reel__steps *s, int32_t g)
{
    const reel__group *group = &REEL__AT(s->plan.groups, reel__group, g);
    if (group->count == 1) return true;
    reel__step *step = reel__new_step(s, &s->list, REEL__STEP_TILES, group->first);
    return step && reel__lower_tiles(s, step, g);
}

bool reel__lower_product(reel__steps *s, int32_t g)
{
    const reel__group all = REEL__AT(s->plan.groups, reel__group, g), *group = &all;
    const bool apart = group->batch_head >= 0 || group->batch_count > 1;
    if (group->batch_head >= 0) return lower_rest(s, g);
    reel__group alone = all;
    if (apart) alone.count = 1, alone.has_rows = false, group = &alone;
    const reel__planned *node = &s->plan.node[group->product];
    const reel_tensor *y = node->x, *a = y->inputs[0], *b = y->inputs[1];
    reel__step draft = { .kind = REEL__STEP_PRODUCT,
                         .node = group->product,
                         .api = y->op->traits->product,
                         .a = reel__address(s, g, a),
                         .b = reel__address(s, g, b),
                         .c = node->stored ? node->data : NULL,
                         .pack = { REEL__NONE, REEL__NONE } };
    const reel__product_axes axes = reel__plan_axes(&s->plan, g, y), *p = &axes;
    draft.rows = group->batch_count * sizes(a, p->m, p->a_m), draft.columns = sizes(b, p->n, p->b_n);
    const reel__plan_settings *settings = &s->plan.settings;
    reel__product product = { .isa = s->plan.isa,
                              .element = (int)reel__element_of(y),
                              .c_m = draft.columns,
                              .c_n = 1,
                              .a = side_of(s, g, a, p->m, p->a_m, p->k, p->a_k),
                              .b = side_of(s, g, b, p->n, p->b_n, p->k, p->b_k),
                              .a_use = (reel__product_use)settings->pack,
                              .b_use = (reel__product_use)settings->pack,
                              .l1 = settings->l1,
                              .l2 = settings->l2 };
    if (group->batch_count > 1) stack_rows(&product.a, group);
    if (!batch_offsets(s, &draft, g, y, p) || !plan_product(s, g, group, &draft, &product)) return false;
    for (int j = 0; j < 2; j++)
        if (draft.pack[j] >= 0) REEL__AT(s->packs, reel__pack, draft.pack[j]).last = s->list.count;
    make_room(&draft);
    if (group->count > 1 && !reel__lower_tiles(s, &draft, g)) return false;
    find_beside(&draft);
    reel__step *step = reel__new_step(s, &s->list, REEL__STEP_PRODUCT, group->product);
    if (!step) return false;
    *step = draft;
    step->work += (double)step->rows * (double)step->columns * (double)step->plan.k * (double)step->batch / 8;
    size_t scratch = (size_t)step->slots * step->slot_bytes + step->plan.workspace + 64 +
                     (step->c ? 0 : (size_t)(step->block_m * step->block_n) * reel__element_of(y) + 64);
    if (scratch > s->scratch) s->scratch = scratch;
    return !apart || lower_rest(s, g);
}
