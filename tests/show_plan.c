/* What each pass of the planner does to one training step: the figures of docs/planner.md.
 *
 *     build/tests/show_plan groups
 *
 * prints one of them, and without a word all. tools/check-figures compares them with the page. The step is planned for
 * the baseline and for caches of a fixed size, so that every machine prints the same. */
#include <limits.h>
#include <reel.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/base/isa.h"
#include "core/lower/step.h"

/* A batch of 4 samples of 2 features, 3 hidden units, 1 output. */
static void record_step(reel_tape *tape)
{
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(4, 2));
    reel_tensor *y = reel_input(tape, "y", REEL_F32, REEL_SHAPE(4, 1));
    reel_tensor *h = reel_sigmoid(reel_linear(x, "hidden", 3));
    reel_tensor *a = reel_sigmoid(reel_linear(h, "output", 1));
    reel_sgd(reel_mse(a, y), (reel_sgd_options){ .lr = 0.5 });
}

/* ---- recorded, roles --------------------------------------------------------------------------------------------- */

/* "mul(20, 18)", "hidden/w", "0.5" */
static const char *expression(const reel_tensor *x)
{
    static char text[100];
    if (x->value) return reel_name_of(x);
    if (strcmp(x->op->name, "constant") == 0) {
        snprintf(text, sizeof text, "%g", *(const double *)reel_attr(x)); /* its first attribute */
        return text;
    }
    int used = snprintf(text, sizeof text, "%s(", x->op->name);
    for (int j = 0; j < x->input_count; j++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%s%d", j ? ", " : "", x->inputs[j]->index);
    snprintf(text + used, sizeof text - (size_t)used, ")");
    return text;
}

static void print_recorded(const reel__plan *plan)
{
    for (int64_t i = 0; i < plan->count; i++) {
        const reel_tensor *x = plan->node[i].x;
        printf("%2d  %-18s %s\n", x->index, expression(x), reel_shape_text(x));
    }
}

static void print_view(const reel__plan *plan, int64_t i)
{
    const reel__access *access = &plan->access[i];
    const reel_tensor *x = plan->node[i].x;
    printf("  %2lld %-8s reads %d", (long long)i, x->op->name, access->source);
    if (reel__is_whole(plan, i)) printf(" as it is");
    else {
        printf(" %s with strides", reel_shape_text(x));
        for (int d = 0; d < x->rank; d++) printf(" %lld", (long long)access->stride[d]);
    }
    printf("\n");
}

static void print_roles(const reel__plan *plan)
{
    static const char *const roles[] = { [REEL__LEAF] = "leaves",         [REEL__CONSTANT] = "constants",
                                         [REEL__POINTWISE] = "pointwise", [REEL__REDUCTION] = "reductions",
                                         [REEL__PRODUCT] = "products",    [REEL__OTHER] = "run as they are",
                                         [REEL__VIEW] = "views" };
    for (int role = 0; role <= REEL__OTHER; role++) {
        int count = 0;
        for (int64_t i = 0; i < plan->count; i++) {
            if (plan->node[i].role != role) continue;
            if (!count++) printf("%s:%s", roles[role], role == REEL__VIEW ? "\n" : "");
            if (role == REEL__VIEW) print_view(plan, i);
            else printf(" %lld", (long long)i);
        }
        if (count && role != REEL__VIEW) printf("\n");
    }
}

/* ---- groups, batches, order -------------------------------------------------------------------------------------- */

static void print_space(const reel__group *group)
{
    printf(" over [");
    for (int d = 0; d < group->rank; d++) printf("%s%lld", d ? "," : "", (long long)group->size[d]);
    printf("]");
}

static void print_groups(const reel__plan *plan)
{
    static const char *const levels[] = { [REEL__FULL] = "", [REEL__ROW] = " of each row", [REEL__PARTIAL] = " by blocks" };
    for (int32_t g = 0; g < plan->groups.count; g++) {
        const reel__group *group = &REEL__AT(plan->groups, reel__group, g);
        if (group->first < 0) continue; /* the first group had no use for its place */
        printf("group %d", g);
        if (group->tiled) print_space(group);
        printf("\n");
        for (int32_t i = group->first; i >= 0; i = plan->node[i].next)
            printf("  %2d  %s%s\n", i, expression(plan->node[i].x), levels[plan->node[i].level]);
    }
}

static void print_batches(const reel__plan *plan)
{
    printf("%lld products are computed by another one\n", (long long)plan->batched);
}

static void print_order(const reel__plan *plan)
{
    printf("%lld members have changed places\n", (long long)plan->moved);
}

/* ---- storage ----------------------------------------------------------------------------------------------------- */

static void print_storage(const reel__plan *plan)
{
    int passed_on = 0;
    for (int64_t i = 0; i < plan->count; i++) {
        const reel__planned *p = &plan->node[i];
        const ptrdiff_t at = p->stored && !p->in_place && p->group >= 0 ? p->data - plan->arena : 0;
        if (p->group < 0) continue;
        if (!p->stored) passed_on++;
        else if (p->in_place) printf("%2lld  is written into what it is assigned to\n", (long long)i);
        else if (p->last_use == INT_MAX) printf("%2lld  at byte %3td, from group %d on\n", (long long)i, at, p->group);
        else printf("%2lld  at byte %3td, from group %d to group %d\n", (long long)i, at, p->group, p->last_use);
    }
    printf("%d values are passed on within a tile; all others take %zu bytes\n", passed_on, plan->arena_size);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static void print_steps(const reel__steps *steps)
{
    (void)steps;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static void (*const prints[REEL__PLAN_PASSES])(const reel__plan *) = { print_roles, print_groups, print_batches,
                                                                      print_order, print_storage };

static bool wanted(const char *word, const char *name)
{
    const bool all = !word;
    if (all) printf("\n%s\n\n", name);
    return all || strcmp(word, name) == 0;
}

static bool show(reel_tape *tape, reel__steps *steps, const char *word)
{
    reel__array outputs = tape->assigns; /* and the loss, which is the last */
    if (!reel__reserve(&tape->allocator, &tape->assigns, tape->assigns.count, sizeof(reel_tensor *))) return false;
    outputs = tape->assigns;
    REEL__AT(outputs, reel_tensor *, outputs.count++) = REEL__AT(tape->losses, reel_tensor *, 0);
    reel__plan *plan = &steps->plan;
    if (!reel__walk(tape, outputs.items, (int)outputs.count)) return false;
    if (!reel__plan_begin(plan, tape, &tape->order, &outputs, tape->assigns.count)) return false;
    if (wanted(word, "recorded")) print_recorded(plan);
    for (int i = 0; i < REEL__PLAN_PASSES; i++) {
        if (!reel__plan_passes[i].pass(plan)) return false;
        if (wanted(word, reel__plan_passes[i].name)) prints[i](plan);
    }
    if (!reel__lower(steps)) return false;
    if (wanted(word, "steps")) print_steps(steps);
    return true;
}

int main(int count, char **words)
{
    reel_model *model = reel_model_new((reel_model_options){ .seed = 1 });
    reel_tape *tape = reel_tape_new(model, (reel_tape_options){ .threads = 1 });
    record_step(tape);
    reel__plan_settings *settings = reel__settings(tape);
    if (settings) settings->isa = REEL__BASELINE + 1, settings->l1 = 32768, settings->l2 = 1 << 20;
    reel__steps steps = { .plan.allocator = tape->allocator, .threads = 1 };
    const bool good = settings && show(tape, &steps, count > 1 ? words[1] : NULL);
    if (!good) fprintf(stderr, "show_plan: %s\n", reel_tape_error(tape) ? reel_tape_error(tape) : "out of memory");
    reel__steps_free(&steps);
    reel_tape_free(tape);
    reel_model_free(model);
    return good ? 0 : 1;
}
