/* From a product to a step: its blocks, and what runs on each of them while it is in cache. */
#include "core/lower/lower.h"

#include <string.h>

/* ---- Operands ---------------------------------------------------------------------------------------------------- */

static int merged_axes(const reel_tensor *x, const reel__access *access, int count, const int8_t *axes,
                       reel__axis before, reel__axis *to)
{
    reel__axis all[REEL__PRODUCT_AXES + 1] = { before };
    for (int i = 0; i < count; i++) all[i + 1] = (reel__axis){ x->size[axes[i]], access->stride[axes[i]] };
    const int n = reel__merge_axes(count + 1, all, all);
    if (n) memcpy(to, all, (size_t)n * sizeof *to);
    else *to = (reel__axis){ 1, 1 };
    return n ? n : 1;
}

/* Operand 0, a, or 1, b. The rows of all products of a batch are one more axis, outermost. */
static reel__side side_of(const reel__steps *s, int32_t g, const reel_tensor *y, const reel__product_axes *p,
                          int operand)
{
    const reel_tensor *x = y->inputs[operand];
    const reel__group *group = &s->plan.group[g];
    const reel__access *access = reel__access_for(&s->plan, g, x);
    const reel__axis alone = { 1, 1 }, batch = { operand == 0 ? group->batch_count : 1, group->batch_distance };
    reel__side side;
    side.row_axes = merged_axes(x, access, operand ? p->n : p->m, operand ? p->b_n : p->a_m, batch, side.row);
    side.k_axes = merged_axes(x, access, p->k, operand ? p->b_k : p->a_k, alone, side.k);
    return side;
}

static bool set_offsets(reel__steps *s, reel__product_step *product, int32_t g, const reel_tensor *y,
                        const reel__product_axes *p)
{
    product->batch = 1;
    for (int i = 0; i < p->batch; i++) product->batch *= y->size[i];
    product->offsets = reel__own(&s->plan, (size_t)(2 * product->batch) * sizeof *product->offsets);
    if (!product->offsets) return false;
    for (int64_t b = 0; b < product->batch; b++) {
        int64_t rest = b, at[2] = { 0, 0 };
        for (int i = p->batch; i-- > 0; rest /= y->size[i]) {
            at[0] += rest % y->size[i] * reel__access_for(&s->plan, g, y->inputs[0])->stride[p->a_batch[i]];
            at[1] += rest % y->size[i] * reel__access_for(&s->plan, g, y->inputs[1])->stride[p->b_batch[i]];
        }
        for (int j = 0; j < 2; j++) product->offsets[2 * b + j] = at[j] * (int64_t)reel__element_of(y);
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

/* Fewer rows or columns, where there would be no block for some thread. */
static void share_blocks(const reel__steps *s, reel__product_step *product, bool has_rows, int members)
{
    const reel__product_plan *p = &product->plan;
    const int64_t blocks = reel__ceil_div(p->m, product->block_m) * reel__ceil_div(p->n, product->block_n);
    const double work = (double)p->m * (double)p->n * ((double)p->k + (double)members) / 8;
    if (blocks >= s->threads || work < reel__worth_sharing(s)) return;
    const int64_t parts = reel__ceil_div(s->threads, blocks),
                  down = even_part(product->block_m, product->block_m / parts, p->step_m),
                  across = even_part(product->block_n, product->block_n / parts, p->step_n);
    const int64_t by_rows = longest(s, p->m, down) * p->n, by_columns = longest(s, p->n, across) * p->m;
    const bool n_packed = (p->over_m ? p->y.use : p->x.use) == REEL__PACK;
    if (has_rows || by_rows < by_columns || (by_rows == by_columns && !n_packed)) product->block_m = down;
    else product->block_n = across;
}

/* Chooses the block for a group of so many members: as the product's plan proposes it, or smaller if members run on it
 * afterwards, so that they find it in the second cache, in rows as long as possible. */
static void choose_block(const reel__steps *s, reel__product_step *product, bool has_rows, int members)
{
    const reel__product_plan *p = &product->plan;
    const reel__plan_settings *settings = &s->plan.settings;
    const int64_t m = p->m, n = p->n;
    const int64_t forced_m = reel__ceil_div(settings->block, p->step_m) * p->step_m,
                  forced_n = reel__ceil_div(settings->block, p->step_n) * p->step_n;
    product->block_m = reel__smaller(settings->block ? forced_m : p->block_m, m);
    product->block_n = has_rows ? n : reel__smaller(settings->block ? forced_n : p->block_n, n);
    if (settings->block) return;
    const int64_t cache = settings->l2 ? settings->l2 : 1 << 20, most = cache / 4 / p->element;
    /* With smaller blocks a packed b is packed ahead (plan_product), which reads and writes its k n elements once more. That
     * pays if it is less than the m n elements of c that members would else read from beyond the cache. */
    const bool n_packed = (p->over_m ? p->y.use : p->x.use) == REEL__PACK, stays = n_packed && 2 * p->k > m;
    if (members > 1 && product->block_m * product->block_n > most && !stays) {
        if (has_rows || n * p->step_m <= most) product->block_n = n;
        else product->block_n = even_part(n, most / p->step_m, p->step_n);
        product->block_m = even_part(m, reel__smaller(product->block_m, most / product->block_n), p->step_m);
    }
    share_blocks(s, product, has_rows, members);
}

/* An operand that every block would pack again, or all where that is forced. */
static bool wants_pack(const reel__steps *s, reel__product_use use, int64_t blocks)
{
    return s->plan.settings.pack_ahead || (use == REEL__PACK && blocks > 1 && !s->plan.settings.pack);
}

static reel__product_use pack_of(bool is_x) { return is_x ? REEL__PACKED_X : REEL__PACKED_Y; }

/* The product's plan and its blocks. If operands are packed by steps before it, both are made once more for that. */
static bool plan_product(reel__steps *s, int32_t g, const reel_tensor *y, reel__product *wanted, bool has_rows,
                         int members, reel__product_step *product)
{
    reel__pack *pack[2] = { NULL, NULL };
    product->plan = product->api->plan(wanted);
    choose_block(s, product, has_rows, members);
    const reel__product_plan *p = &product->plan;
    const bool over_m = p->over_m, one = product->batch == 1;
    const bool a = one && wants_pack(s, over_m ? p->x.use : p->y.use, reel__ceil_div(p->n, product->block_n)),
               b = one && wants_pack(s, over_m ? p->y.use : p->x.use, reel__ceil_div(p->m, product->block_m));
    if (!a && !b) return true;
    if (a) wanted->a_use = pack_of(over_m);
    if (b) wanted->b_use = pack_of(!over_m);
    if (a && !(pack[0] = reel__pack_ahead(s, g, y, 0, &wanted->a, wanted->a_use))) return false;
    if (b && !(pack[1] = reel__pack_ahead(s, g, y, 1, &wanted->b, wanted->b_use))) return false;
    for (int j = 0; j < 2; j++)
        if ((product->pack[j] = pack[j])) pack[j]->last = s->list.count; /* the product is the next step */
    product->plan = product->api->plan(wanted);
    choose_block(s, product, has_rows, members);
    return true;
}

/* A block may be larger than the one proposed, whole rows above all: then its packed operand needs more room. */
static void make_room(reel__product_step *product)
{
    reel__product_plan *p = &product->plan;
    int64_t proposed = p->over_m ? p->block_n : p->block_m, wanted = p->over_m ? product->block_n : product->block_m;
    if (wanted <= proposed) return;
    size_t more = p->y_workspace * (size_t)((wanted - 1) / proposed);
    p->y_workspace += more;
    p->workspace += more;
}

/* Finds the arrays of c's shape that the chains after a block read, to be prefetched. */
static void find_prefetches(reel__product_step *product)
{
    reel__product_prefetch *prefetch = &product->prefetch;
    for (int32_t i = 0; i < product->tiles.count && product->batch == 1; i++) {
        const reel__tile_op *op = &product->tiles.ops[i];
        for (int l = 0; op->kind == REEL__TILE_CHAIN && l < op->count; l++)
            for (int j = 0; j < op->links[l].count; j++) {
                const reel__operand *o = &op->links[l].x[j];
                if (o->slot >= 0 || o->one || o->block || o->row != product->plan.n || o->base == product->c) continue;
                bool known = o->base == prefetch->at || prefetch->count == REEL__PREFETCHES;
                for (int k = 0; k < prefetch->count; k++) known |= prefetch->at + prefetch->other[k] == o->base;
                if (!prefetch->at) prefetch->at = o->base, prefetch->row = o->row * 4;
                else if (!known) prefetch->other[prefetch->count++] = o->base - prefetch->at;
            }
    }
}

static int64_t sizes(const reel_tensor *x, int count, const int8_t *axes)
{
    int64_t n = 1;
    for (int i = 0; i < count; i++) n *= x->size[axes[i]];
    return n;
}

/* The other members of the group of a product that is computed in a batch: they run in a step of their own. */
static bool lower_rest(reel__steps *s, int32_t g)
{
    return s->plan.group[g].count == 1 || reel__lower_tiled_group(s, g);
}

/* The step of a product's group, with the group's other members on each block. In a batch the head's step computes all
 * products and nothing else; the other members of each group run in a step of their own. */
bool reel__lower_product(reel__steps *s, int32_t g)
{
    const reel__group *group = &s->plan.group[g];
    if (group->batch_head >= 0) return lower_rest(s, g);
    const bool apart = group->batch_count > 1;
    const int members = apart ? 1 : group->count;
    const reel__planned *node = &s->plan.node[group->product];
    const reel_tensor *y = node->x;
    const reel__product_axes axes = reel__plan_axes(&s->plan, g, y);
    const reel__plan_settings *settings = &s->plan.settings;
    reel__product wanted = { .isa = s->plan.isa,
                             .element = (int)reel__element_of(y),
                             .c_m = sizes(y->inputs[1], axes.n, axes.b_n),
                             .c_n = 1,
                             .a = side_of(s, g, y, &axes, 0),
                             .b = side_of(s, g, y, &axes, 1),
                             .a_use = (reel__product_use)settings->pack,
                             .b_use = (reel__product_use)settings->pack,
                             .l1 = settings->l1,
                             .l2 = settings->l2 };
    reel__product_step product = { .api = y->op->traits->product,
                                   .a = reel__address(s, g, y->inputs[0]),
                                   .b = reel__address(s, g, y->inputs[1]),
                                   .c = node->stored ? node->data : NULL };
    if (!set_offsets(s, &product, g, y, &axes) ||
        !plan_product(s, g, y, &wanted, !apart && group->has_rows, members, &product))
        return false;
    make_room(&product);
    const reel__product_plan *p = &product.plan;
    double work = (double)p->m * (double)p->n * (double)p->k * (double)product.batch / 8;
    if (members > 1) {
        if (!reel__lower_tiles(s, g, product.block_m, product.block_n, &product.tiles)) return false;
        work += reel__tiles_work(group);
    }
    find_prefetches(&product);
    reel__step *step = reel__new_step(s, &s->list, REEL__STEP_PRODUCT, group->product);
    if (!step) return false;
    step->product = product;
    step->work = work;
    step->shares = product.batch * reel__ceil_div(p->m, product.block_m) * reel__ceil_div(p->n, product.block_n);
    size_t scratch = (size_t)product.tiles.slots * product.tiles.slot_bytes + p->workspace + 64 +
                     (product.c ? 0 : (size_t)(product.block_m * product.block_n) * reel__element_of(y) + 64);
    if (scratch > s->scratch) s->scratch = scratch;
    return !apart || lower_rest(s, g);
}
