/* What each pass of the planner does to one training step: the figures of docs/planner.md.
 *
 *     build/tests/show_plan groups
 *
 * prints one of them, and without a word all. tools/check-figures compares them with the page. The step is planned for
 * the baseline and for caches of a fixed size, so that every machine prints the same. */
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

static void print_groups(const reel__plan *plan)
{
    static const char *const levels[] = {
        [REEL__FULL] = "", [REEL__ROW] = " of each row", [REEL__PARTIAL] = " by blocks"
    };
    for (int32_t g = 0; g < plan->group_count; g++) {
        const reel__group *group = &plan->group[g];
        if (group->count == 0) continue;
        printf("group %d", g);
        if (group->tiled) printf(" over [%lld,%lld]", (long long)group->rows, (long long)group->columns);
        printf("\n");
        for (int32_t i = group->first; i < group->first + group->count; i++) {
            const reel__planned *p = &plan->node[plan->member[i]];
            printf("  %2d  %s%s\n", plan->member[i], expression(p->x), levels[p->level]);
        }
    }
}

static void print_batches(const reel__plan *plan)
{
    int batched = 0;
    for (int32_t g = 0; g < plan->group_count; g++) batched += plan->group[g].batch_head >= 0;
    printf("%d products are computed by another one\n", batched);
}

static void print_order(const reel__plan *plan) { printf("%lld members have moved\n", (long long)plan->moved); }

/* ---- storage ----------------------------------------------------------------------------------------------------- */

/* The last group that reads a node, itself or by a view. */
static int32_t last_reader(const reel__plan *plan, int64_t node)
{
    int32_t last = REEL__NONE;
    for (int64_t i = 0; i < plan->count; i++) {
        const reel__planned *p = &plan->node[i];
        for (int j = 0; p->group >= 0 && j < p->x->input_count; j++)
            if (plan->access[p->x->inputs[j]->index].source == node && p->group > last) last = p->group;
    }
    return last;
}

static void print_storage(const reel__plan *plan)
{
    int passed_on = 0;
    for (int64_t i = 0; i < plan->count; i++) {
        const reel__planned *p = &plan->node[i];
        if (p->group < 0) continue;
        if (!p->stored) passed_on++;
        else if (p->in_place) printf("%2lld  in the memory of what it is assigned to\n", (long long)i);
        else {
            printf("%2lld  at byte %3td, from group %d ", (long long)i, p->data - plan->arena, p->group);
            if (p->read) printf("on\n");
            else printf("to group %d\n", last_reader(plan, i));
        }
    }
    printf("%d values are passed on within a tile, the others take %zu bytes\n", passed_on, plan->arena_size);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static void print_tiles(const reel__tiles *tiles)
{
    static const char *const kinds[] = {
        [REEL__TILE_FULL] = "one op",        [REEL__TILE_ROW] = "one op of each row",
        [REEL__TILE_CHAIN] = "a chain",      [REEL__TILE_ROW_CHAIN] = "a chain of each row",
        [REEL__TILE_REDUCE] = "a reduction", [REEL__TILE_BLOCKS] = "a reduction by blocks",
    };
    for (int32_t k = 0; k < tiles->count; k++) {
        const reel__tile_op *op = &tiles->ops[k];
        printf("%s%s", k ? ", " : ": ", kinds[op->kind]);
        if (op->kind == REEL__TILE_CHAIN || op->kind == REEL__TILE_ROW_CHAIN) printf(" of %d links", op->count);
    }
    if (tiles->slots) printf("; %d slot%s", tiles->slots, tiles->slots > 1 ? "s" : "");
}

static void print_steps(const reel__steps *steps)
{
    static const char *const kinds[] = {
        [REEL__STEP_CALL] = "call",   [REEL__STEP_COPY] = "copy", [REEL__STEP_REDUCE] = "reduce",
        [REEL__STEP_TILES] = "tiles", [REEL__STEP_PACK] = "pack", [REEL__STEP_PRODUCT] = "product"
    };
    for (int64_t i = 0; i < steps->list.count; i++) {
        const reel__step *step = &REEL__AT(steps->list, reel__step, i);
        const reel__tiles *tiles = reel__tiles_of(step);
        printf("%2lld  group %d, %s %d", (long long)i, steps->plan.node[step->node].group, kinds[step->kind],
               step->node);
        if (tiles) print_tiles(tiles);
        printf("\n");
    }
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static const reel__plan_settings settings = { .isa = REEL__BASELINE + 1, .l1 = 32768, .l2 = 1 << 20 };

static bool wanted(const char *word, const char *name)
{
    if (!word) printf("\n%s\n\n", name);
    return !word || strcmp(word, name) == 0;
}

static bool show(reel_tape *tape, reel__steps *steps, const char *word)
{
    reel__plan *plan = &steps->plan;
    reel__array outputs = { 0 };
    bool good = reel__outputs(tape, false, &outputs) && reel__walk(tape, outputs.items, outputs.count) &&
                reel__plan_begin(plan, tape, &settings, tape->order.items, tape->order.count);
    for (int64_t i = 0; good && i < outputs.count; i++)
        reel__plan_output(plan, REEL__AT(outputs, reel_tensor *, i)->index, i < tape->assigns.count);
    reel__array_free(&tape->allocator, &outputs, sizeof(reel_tensor *));
    if (!good) return false;
    if (wanted(word, "recorded")) print_recorded(plan);
    reel__plan_roles(plan);
    if (wanted(word, "roles")) print_roles(plan);
    if (!reel__plan_group(plan)) return false;
    if (wanted(word, "groups")) print_groups(plan);
    reel__plan_batch(plan);
    if (wanted(word, "batches")) print_batches(plan);
    if (!reel__plan_order(plan)) return false;
    if (wanted(word, "order")) print_order(plan);
    if (!reel__plan_storage(plan)) return false;
    if (wanted(word, "storage")) print_storage(plan);
    if (!reel__lower(steps)) return false;
    if (wanted(word, "steps")) print_steps(steps);
    return true;
}

int main(int count, char **words)
{
    reel_model *model = reel_model_new((reel_model_options){ .seed = 1 });
    reel_tape *tape = reel_tape_new(model, (reel_tape_options){ .threads = 1 });
    record_step(tape);
    reel__steps steps = { .plan.allocator = tape->allocator, .threads = 1 };
    const bool good = show(tape, &steps, count > 1 ? words[1] : NULL);
    if (!good) fprintf(stderr, "show_plan: %s\n", reel_tape_error(tape) ? reel_tape_error(tape) : "out of memory");
    reel__steps_free(&steps);
    reel_tape_free(tape);
    reel_model_free(model);
    return good ? 0 : 1;
}
