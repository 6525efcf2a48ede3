/* Reverse mode. Nodes are visited from y back, in the reverse of the program's order; each hands the gradient that
 * arrived at it to its inputs as contributions, which stay unrecorded until all of a tensor's have arrived. Then they
 * are combined: those of an op with a merge rule together (products of one operand become one product over all their rows,
 * slices a concat), at the position of the first of them, and the results are added from left to right. This is the normal
 * form that fixes the bits of a gradient (docs/decisions/gradients-in-normal-form.md). Of ops by name it needs reel_add,
 * and reel_fill for the gradient 1 of a loss by itself and for a gradient that is 0. */
#include "core/record/tape.h"

#include <reel/ops.h>
#include <stdio.h>
#include <string.h>

/* A contribution that has arrived at a tensor. share.taken: it went on to the tensor's operand (`past` in reel/op.h). */
typedef struct arrival {
    reel_contribution share;
    int64_t next; /* of the same tensor; −1 ends */
    bool whole;   /* gy is the gradient that leaves already */
    bool merged;  /* with an earlier one of the same op */
} arrival;

/* What is known of a node that y depends on. */
typedef struct derived {
    reel_tensor *x;
    reel_tensor *gradient; /* of what was asked for */
    int64_t first, last;   /* contributions; −1: none */
    bool asked, needed;    /* needed: on a way to something asked for */
} derived;

typedef struct derivation {
    reel_tape *tape;
    const reel_tensor *outer; /* the origin before: a rule may itself ask for a gradient */
    uint32_t generation;
    uint32_t walk;  /* that node->index is of now; another walk changes it */
    derived *nodes; /* in the order of the program */
    int64_t count;
    reel__array arrivals;
    reel__array group; /* reel_contribution *: scratch of one merge */
} derivation;

static bool begin(derivation *d, reel_tensor *y)
{
    if (!reel__walk(d->tape, &y, 1)) return false;
    const int64_t count = d->tape->order.count;
    d->nodes = reel__allocate(&d->tape->allocator, (size_t)count * sizeof *d->nodes);
    if (!d->nodes) return false;
    d->count = count;
    for (int64_t i = 0; i < count; i++)
        d->nodes[i] = (derived){ .x = REEL__AT(d->tape->order, reel_tensor *, i), .first = -1, .last = -1 };
    return true;
}

static void end(derivation *d)
{
    const reel_allocator *a = &d->tape->allocator;
    reel__release(a, d->nodes, (size_t)d->count * sizeof *d->nodes);
    reel__array_free(a, &d->arrivals, sizeof(arrival));
    reel__array_free(a, &d->group, sizeof(reel_contribution *));
}

static derived *node_of(const derivation *d, const reel_tensor *x) { return &d->nodes[x->index]; }

static bool arrive(derivation *d, reel_tensor *y, reel_tensor *gy, int input, bool whole)
{
    if (!reel__reserve(&d->tape->allocator, &d->arrivals, d->arrivals.count, sizeof(arrival))) return false;
    derived *at = node_of(d, y->inputs[input]);
    const int64_t new = d->arrivals.count++;
    REEL__AT(d->arrivals, arrival, new) = (arrival){ { .y = y, .gy = gy, .input = input }, .next = -1, .whole = whole };
    if (at->last >= 0) REEL__AT(d->arrivals, arrival, at->last).next = new;
    else at->first = new;
    at->last = new;
    return true;
}

/* A rule may have walked, by asking for gradients itself: then node->index is set to this order again. */
static void set_indices(derivation *d)
{
    if (d->tape->walk == d->walk) return;
    for (int64_t i = 0; i < d->count; i++) d->nodes[i].x->index = (int32_t)i;
    d->walk = d->tape->walk;
}

/* What a rule of the share's op has given for its input: NULL, or a tensor like that. If not, the error has the op's line. */
static reel_tensor *like_input(derivation *d, const reel_contribution *share, const char *rule, reel_tensor *g)
{
    reel_tape *tape = d->tape;
    set_indices(d);
    if (!g || tape->recording.status != REEL_OK) return g;
    char what[200];
    snprintf(what, sizeof what, "%.100s: the result of its %s for input %d", share->y->op->name, rule, share->input);
    tape->origin = share->y;
    if (d->generation != tape->generation) return reel__fail(tape, REEL_BAD_STATE, "%s: it cleared the tape", what);
    if (!reel__usable(tape, g, what)) return &tape->bad;
    const reel_tensor *x = share->y->inputs[share->input];
    if (g->dtype == x->dtype && g->rank == x->rank && g->size == x->size) return g;
    return reel__fail(tape, g->dtype == x->dtype ? REEL_BAD_SHAPE : REEL_BAD_DTYPE, "%s is %s %s, and the input %s %s",
                      what, reel__dtype_name((reel_dtype)g->dtype), reel_shape_text(g),
                      reel__dtype_name((reel_dtype)x->dtype), reel_shape_text(x));
}

static bool add_to_group(derivation *d, arrival *a)
{
    if (!reel__reserve(&d->tape->allocator, &d->group, d->group.count, sizeof(reel_contribution *)))
        return !reel__out_of_memory(d->tape, "gradients")->is_bad;
    REEL__AT(d->group, reel_contribution *, d->group.count++) = &a->share;
    return true;
}

/* What the contribution `at` leaves to x, and with it all later ones of the same op if it merges them. */
static reel_tensor *combine(derivation *d, reel_tensor *x, int64_t at)
{
    const arrival first = REEL__AT(d->arrivals, arrival, at);
    const reel_contribution share = first.share;
    const reel_op *op = share.y->op;
    if (first.whole) return share.gy;
    d->tape->origin = share.y;
    if (!op->merge) return like_input(d, &share, "vjp", op->vjp(share.y, share.gy, share.input));
    d->group.count = 0;
    for (int64_t i = at; i >= 0; i = REEL__AT(d->arrivals, arrival, i).next) {
        arrival *other = &REEL__AT(d->arrivals, arrival, i);
        if (other->share.y->op != op || other->merged || other->whole || other->share.taken != share.taken) continue;
        if (!add_to_group(d, other)) return &d->tape->bad;
        other->merged = true;
    }
    return like_input(d, &share, "merge", op->merge(x, d->group.items, (int)d->group.count));
}

/* Lets contributions to x go on to its operand where x's op has a rule for that; what they leave to it, or NULL. */
static reel_tensor *pass(derivation *d, reel_tensor *x)
{
    d->group.count = 0;
    for (int64_t i = node_of(d, x)->first; i >= 0; i = REEL__AT(d->arrivals, arrival, i).next) {
        arrival *a = &REEL__AT(d->arrivals, arrival, i);
        if (!a->whole && !add_to_group(d, a)) return &d->tape->bad;
    }
    d->tape->origin = x;
    const reel_contribution share = { .y = x };
    reel_tensor *gx = like_input(d, &share, "past", x->op->past(x, d->group.items, (int)d->group.count));
    d->tape->origin = d->outer;
    int64_t taken = 0;
    for (int64_t i = 0; i < d->group.count; i++) taken += REEL__AT(d->group, reel_contribution *, i)->taken;
    if (taken > 0 && !gx)
        reel__fail(d->tape, REEL_BAD_STATE, "%s: its past took %lld contributions and returned NULL", x->op->name,
                   (long long)taken);
    else if (gx && !taken)
        reel__fail(d->tape, REEL_BAD_STATE, "%s: its past returned a gradient and took no contribution", x->op->name);
    return gx;
}

/* `seed` and the contributions to a tensor, those that went past it or the others, in normal form; NULL: nothing. */
static reel_tensor *collect(derivation *d, reel_tensor *x, reel_tensor *seed, bool past)
{
    reel_tensor *sum = seed;
    for (int64_t i = node_of(d, x)->first; i >= 0; i = REEL__AT(d->arrivals, arrival, i).next) {
        const arrival *a = &REEL__AT(d->arrivals, arrival, i);
        if (a->merged || a->share.taken != past) continue;
        reel_tensor *g = combine(d, x, i);
        d->tape->origin = x;
        if (g) sum = sum ? reel_add(sum, g) : g;
    }
    d->tape->origin = d->outer;
    return sum;
}

static bool propagate(derivation *d, reel_tensor *y, reel_tensor *gy)
{
    for (int64_t i = d->count; i-- > 0;) {
        reel_tensor *x = d->nodes[i].x;
        if (!d->nodes[i].needed) continue;
        reel_tensor *past = x->op->past && node_of(d, x->inputs[0])->needed ? pass(d, x) : NULL;
        reel_tensor *gx = collect(d, x, x == y ? gy : NULL, false);
        if (d->nodes[i].asked) d->nodes[i].gradient = past ? collect(d, x, gx, true) : gx;
        if (d->tape->recording.status != REEL_OK) return false;
        if (past && !arrive(d, x, past, 0, true)) return false;
        for (int j = 0; gx && j < x->input_count; j++)
            if (reel__passes(x, j) && node_of(d, x->inputs[j])->needed && !arrive(d, x, gx, j, false)) return false;
    }
    return true;
}

static void unreached(reel_tape *tape, const char *what, const reel_tensor *y, reel_tensor *x)
{
    const reel_tensor *cut = reel__find_cut(tape, x);
    if (cut)
        reel__fail(tape, REEL_UNREACHED, "%s: %s does not reach %s: the path is cut at %s", what, reel__node_text(y),
                   reel__node_text(x), reel__node_text(cut));
    else reel__fail(tape, REEL_UNREACHED, "%s: %s does not depend on %s", what, reel__node_text(y), reel__node_text(x));
}

/* Marks what is asked for, and which nodes lie on a way from there to y that gradients can take; false, with a message, if
 * y does not reach something. */
static bool reach(derivation *d, const char *what, reel_tensor *y, const reel_list *wrt)
{
    reel__mark_reached(d->tape, y);
    d->walk = d->tape->walk;
    for (int64_t i = 0; i < wrt->items.count; i++) {
        reel_tensor *x = REEL__AT(wrt->items, reel__named, i).x;
        if (x->mark != d->walk) {
            unreached(d->tape, what, y, x);
            return false;
        }
        node_of(d, x)->asked = true;
    }
    for (int64_t i = 0; i < d->count; i++) {
        derived *at = &d->nodes[i];
        at->needed = at->asked;
        for (int j = 0; j < at->x->input_count && !at->needed; j++)
            at->needed = reel__passes(at->x, j) && node_of(d, at->x->inputs[j])->needed;
    }
    return true;
}

static bool check_wrt(reel_tape *tape, const char *what, const reel_list *wrt)
{
    char text[80];
    snprintf(text, sizeof text, "%s: a tensor to differentiate by", what);
    for (int64_t i = 0; i < wrt->items.count; i++) {
        const reel_tensor *x = REEL__AT(wrt->items, reel__named, i).x;
        if (!reel__usable(tape, x, text)) return false;
        if (x->dtype == REEL_I32) {
            reel__fail(tape, REEL_BAD_DTYPE, "%s: %s is i32; only f32 and f64 have gradients", what,
                       reel__node_text(x));
            return false;
        }
    }
    return true;
}

static reel_list *results(derivation *d, const reel_list *wrt)
{
    reel_list *list = reel__list_new(d->tape);
    for (int64_t i = 0; !list->is_bad && i < wrt->items.count; i++) {
        const reel__named *item = &REEL__AT(wrt->items, reel__named, i);
        reel_tensor *g = node_of(d, item->x)->gradient;
        if (!g) g = reel_fill(item->x, reel_shape_of(item->x), 0); /* reached, and constant all the way */
        if (!reel__list_append(list, item->name, g)) return &d->tape->bad_list;
    }
    return d->tape->recording.status == REEL_OK ? list : &d->tape->bad_list;
}

static reel_list *derive(reel_tape *tape, const char *what, reel_tensor *y, reel_tensor *gy, const reel_list *wrt)
{
    derivation d = { .tape = tape, .outer = tape->origin, .generation = tape->generation };
    reel_list *list = &tape->bad_list;
    if (begin(&d, y) && reach(&d, what, y, wrt) && propagate(&d, y, gy)) list = results(&d, wrt);
    if (list->is_bad) reel__out_of_memory(tape, what); /* unless something else was wrong */
    tape->origin = d.outer;
    end(&d);
    return list;
}

reel_list *(reel_gradients)(reel_tensor *loss, const reel_list *wrt)
{
    reel_tape *tape = reel__tape_or_none(loss);
    if (!reel__usable(tape, loss, "gradients: the loss") || !reel__list_usable(tape, wrt, "gradients: the list"))
        return &tape->bad_list;
    static const char call[] = "gradients";
    const reel__call_key key = { .call = call, .a = loss, .list = wrt };
    reel_list *again = reel__replay_call(tape, &key);
    if (again) return reel__mark_loss(loss) ? again : reel__list_fail(tape);
    if (!check_wrt(tape, call, wrt)) return &tape->bad_list;
    if (loss->count != 1 || loss->dtype == REEL_I32) {
        reel__fail(tape, loss->dtype == REEL_I32 ? REEL_BAD_DTYPE : REEL_BAD_SHAPE,
                   "gradients: the loss must be one number of f32 or f64, not %s %s (sum it, or use reel_vjp)",
                   reel__dtype_name((reel_dtype)loss->dtype), reel__node_text(loss));
        return &tape->bad_list;
    }
    if (!reel__mark_loss(loss)) return reel__list_fail(tape);
    const reel__point begin = reel__point_of(tape);
    reel_tensor *one = reel_fill(loss, reel_shape_of(loss), 1);
    return reel__remember_list(&key, begin, derive(tape, call, loss, one, wrt));
}

reel_list *(reel_vjp)(reel_tensor *y, reel_tensor *gy, const reel_list *wrt)
{
    reel_tape *tape = reel__tape_or_none(y);
    if (!reel__usable(tape, y, "vjp: y") || !reel__usable(tape, gy, "vjp: gy") ||
        !reel__list_usable(tape, wrt, "vjp: the list"))
        return &tape->bad_list;
    static const char call[] = "vjp";
    const reel__call_key key = { .call = call, .a = y, .b = gy, .list = wrt };
    reel_list *again = reel__replay_call(tape, &key);
    if (again) return again;
    if (!check_wrt(tape, call, wrt)) return &tape->bad_list;
    if (y->dtype != gy->dtype || y->size != gy->size || y->rank != gy->rank || y->dtype == REEL_I32) {
        reel__fail(tape, REEL_BAD_SHAPE, "vjp: y is %s %s and gy %s %s; they must be alike, f32 or f64",
                   reel__dtype_name((reel_dtype)y->dtype), reel_shape_text(y), reel__dtype_name((reel_dtype)gy->dtype),
                   reel_shape_text(gy));
        return &tape->bad_list;
    }
    const reel__point begin = reel__point_of(tape);
    return reel__remember_list(&key, begin, derive(tape, call, y, gy, wrt));
}

reel_tensor *(reel_gradient)(reel_tensor *loss, reel_tensor *wrt)
{
    reel_tape *tape = reel__tape_or_none(loss);
    if (!reel__usable(tape, loss, "gradient: the loss") ||
        !reel__usable(tape, wrt, "gradient: the tensor to differentiate by"))
        return &tape->bad;
    reel_list *list = reel__list_new(tape);
    if (!list->is_bad && reel__list_append(list, reel_name_of(wrt), wrt))
        return reel_list_at((reel_gradients)(loss, list), 0);
    return &tape->bad;
}
