/* Gradients through any set of slices of one tensor: plain and stepped, disjoint and overlapping, along several axes,
 * empty ones, all of it. All numbers are small and whole, so that sums are exact in any order and the gradient must be
 * the one that loops give, to the bit. */
#include "fixture.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 7 };

typedef struct cut {
    int axis;
    int64_t start, stop, step;
} cut;

typedef struct trial {
    reel_shape shape;
    int count;
    cut cut[MOST];
} trial;

static trial random_trial(void)
{
    trial t = { .shape = { .rank = 1 + below(3) }, .count = 2 + below(MOST - 1) };
    for (int d = 0; d < t.shape.rank; d++) t.shape.size[d] = 1 + below(9);
    const bool one_axis = below(2) == 0, stepped = below(4) != 0, side_by_side = below(3) == 0;
    int axis = below(t.shape.rank);
    for (int i = 0; i < t.count; i++) {
        if (!one_axis) axis = below(t.shape.rank);
        const int64_t n = t.shape.size[axis];
        cut c = { .axis = axis, .start = below(n + 1), .step = stepped && below(2) ? 1 + below(4) : 1 };
        c.stop = c.start + below(n - c.start + 1);
        if (side_by_side) c.start = i * n / t.count, c.stop = (i + 1) * n / t.count;
        t.cut[i] = c;
    }
    return t;
}

static const char *text_of(const trial *t)
{
    static char text[400];
    int used = 0;
    for (int d = 0; d < t->shape.rank; d++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%s%d", d ? "," : "[", (int)t->shape.size[d]);
    for (int i = 0; i < t->count; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, " axis %d %d:%d:%d", t->cut[i].axis,
                         (int)t->cut[i].start, (int)t->cut[i].stop, (int)t->cut[i].step);
    return text;
}

static bool inside(const cut *c, int64_t at)
{
    return at >= c->start && at < c->stop && (at - c->start) % c->step == 0;
}

/* Σᵢ weightᵢ over the slices that an element is in. */
static array times_cut(const trial *t, const double *weight)
{
    array sum = array_new(REEL_F64, t->shape);
    int64_t at[REEL_MAX_RANK] = { 0 };
    do {
        for (int i = 0; i < t->count; i++)
            if (inside(&t->cut[i], at[t->cut[i].axis])) sum.at[offset_of(&t->shape, at)] += weight[i];
    } while (next_index(&t->shape, at));
    return sum;
}

static array whole_numbers(reel_shape shape)
{
    array a = array_new(REEL_F64, shape);
    for (int64_t i = 0; i < a.count; i++) a.at[i] = (double)(below(19) - 9);
    return a;
}

/* loss = Σᵢ wᵢ Σ sliceᵢ(x)²: g = 2 x Σᵢ wᵢ, and the gradient of Σ v g is 2 v Σᵢ wᵢ. */
static void check(const trial *t)
{
    program p = program_new();
    double weight[MOST];
    char text[200];
    reel_tensor *x = reel_input(p.tape, "x", REEL_F64, t->shape), *v = reel_input(p.tape, "v", REEL_F64, t->shape);
    reel_tensor *loss = total(reel_mul(x, reel_number(x, 0)));
    for (int i = 0; i < t->count; i++) {
        const cut *c = &t->cut[i];
        weight[i] = (double)(1 + i);
        reel_tensor *part = reel_slice_step(x, c->axis, c->start, c->stop, c->step);
        loss = reel_add(loss, reel_scale(total(reel_square(part)), weight[i]));
    }
    reel_tensor *g = reel_keep(reel_gradient(loss, x), "g");
    reel_tensor *second = reel_keep(reel_gradient(total(reel_mul(v, g)), x), "second");
    array x_data = whole_numbers(t->shape), v_data = whole_numbers(t->shape), times = times_cut(t, weight);
    write_array(x, &x_data), write_array(v, &v_data);
    cr_assert_eq(reel_run(p.tape), REEL_OK, "%s: %s", text_of(t), reel_tape_error(p.tape));
    for (int order = 1; order <= 2; order++) {
        array got = read_array(order == 1 ? g : second), expected = array_new(REEL_F64, t->shape);
        for (int64_t i = 0; i < got.count; i++) {
            expected.at[i] = 2 * times.at[i] * (order == 1 ? x_data.at[i] : v_data.at[i]) + 0.0;
            got.at[i] += 0.0; /* a zero has either sign */
        }
        cr_expect(equal_arrays(&got, &expected, text, sizeof text), "%s, order %d: %s", text_of(t), order, text);
    }
    program_free(&p);
    forget_arrays();
}

Test(slices, of_one_tensor_have_the_gradient_of_loops_whatever_their_steps_and_axes)
{
    random_seed(3);
    for (int i = 0; i < 1500; i++) {
        const trial t = random_trial();
        check(&t);
    }
}

Test(slices, a_stepped_one_between_plain_ones_is_not_put_side_by_side)
{
    const trial trials[] = {
        { REEL_SHAPE(12), 3, { { 0, 0, 4, 1 }, { 0, 4, 8, 2 }, { 0, 8, 12, 1 } } },
        { REEL_SHAPE(12), 3, { { 0, 0, 4, 1 }, { 0, 8, 12, 1 }, { 0, 1, 10, 3 } } },
        { REEL_SHAPE(12), 2, { { 0, 0, 12, 2 }, { 0, 6, 12, 1 } } },
        { REEL_SHAPE(12), 2, { { 0, 6, 12, 1 }, { 0, 0, 12, 2 } } },
        { REEL_SHAPE(12), 2, { { 0, 0, 7, 1 }, { 0, 6, 12, 1 } } },
        { REEL_SHAPE(4, 6), 4, { { 0, 0, 2, 1 }, { 1, 0, 3, 1 }, { 0, 2, 4, 1 }, { 1, 3, 6, 1 } } },
        { REEL_SHAPE(4, 6), 4, { { 0, 0, 2, 1 }, { 1, 0, 6, 5 }, { 0, 2, 4, 1 }, { 1, 1, 5, 1 } } },
        { REEL_SHAPE(5), 3, { { 0, 2, 2, 1 }, { 0, 2, 2, 3 }, { 0, 0, 5, 1 } } },
        { REEL_SHAPE(5), 3, { { 0, 5, 5, 2 }, { 0, 0, 1, 4 }, { 0, 1, 5, 4 } } },
    };
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) check(&trials[i]);
}
