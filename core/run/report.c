/* The report of a plan, as text: its groups in the order of execution with the user's lines, and what they cost. */
#include "core/base/cpu.h"
#include "core/model/file.h"
#include "core/run/executor.h"

#include <string.h>

static const char *const kinds[] = { "op", "copy", "reduce", "tiles", "pack", "product" };

static void put_site(reel__writer *w, const reel_tensor *x)
{
    const char *file = x->file ? strrchr(x->file, '/') : NULL;
    if (x->scope && *x->scope->path) reel__writer_print(w, "  in %s", x->scope->path);
    if (x->file) reel__writer_print(w, "  at %s:%d", file ? file + 1 : x->file, x->line);
}

static void put_node(reel__writer *w, const reel__plan *plan, int32_t node)
{
    static const char *const levels[] = { "", " per row", " per block" };
    const reel__planned *p = &plan->node[node];
    reel__text shape;
    reel__writer_print(w, "        %-12.100s %s %s%s%s", p->x->op->name, reel__dtype_name((reel_dtype)p->x->dtype),
                       reel__shape_text(&shape, p->x->rank, p->x->size), levels[p->level],
                       p->in_place ? ", assigned in place"
                       : p->stored ? ", stored"
                                   : "");
    put_site(w, p->x);
    reel__writer_print(w, "\n");
}

static double product_flops(const reel__step *step)
{
    const reel__product_plan *p = &step->product.plan;
    if (step->kind != REEL__STEP_PRODUCT) return 0;
    return 2.0 * (double)p->m * (double)p->n * (double)p->k * (double)step->product.batch;
}

static const char *use_text(reel__product_use use)
{
    return use == REEL__PACK ? "packed" : use == REEL__IN_PLACE ? "in place" : "packed before";
}

/* A line for a step, and below it one for each node that it computes. */
static void put_step(reel__writer *w, const reel__steps *steps, int64_t i)
{
    const reel__plan *plan = &steps->plan;
    const reel__step *step = &REEL__AT(steps->list, reel__step, i);
    const reel__tiles *tiles = reel__tiles_of(step);
    const reel__step_time *time = steps->times ? &steps->times[i] : NULL;
    reel__writer_print(w, "%5lld  %-8s", (long long)i, kinds[step->kind]);
    if (step->kind == REEL__STEP_PRODUCT) {
        const reel__product_plan *p = &step->product.plan;
        reel__writer_print(
            w, " %lldx%lldx%lld, %lld of them, blocks %lldx%lld, vectors over %s %s, other operand %s; %.3g Mflop",
            (long long)p->m, (long long)p->n, (long long)p->k, (long long)step->product.batch,
            (long long)step->product.block_m, (long long)step->product.block_n, p->over_m ? "m" : "n",
            use_text(p->x.use), use_text(p->y.use), product_flops(step) * 1e-6);
    }
    const reel__pack *pack = step->kind == REEL__STEP_PACK ? step->pack.pack : NULL;
    if (pack)
        reel__writer_print(w, " %lld panels of %d rows, %zu bytes, as the operand in %s",
                           (long long)pack->layout.panels, pack->layout.width, pack->layout.bytes,
                           pack->layout.use == REEL__PACKED_X ? "vectors" : "single elements");
    if (tiles)
        reel__writer_print(w, " %d instructions on [%lld,%lld] by tiles of %lldx%lld, %d slots of %zu bytes",
                           tiles->count, (long long)tiles->rows, (long long)tiles->columns, (long long)tiles->tile_rows,
                           (long long)tiles->tile_columns, tiles->slots, tiles->slot_bytes);
    if (time && time->runs) reel__writer_print(w, "; %.2f us a run", time->seconds * 1e6 / (double)time->runs);
    reel__writer_print(w, "\n");
    if (pack) {
        put_node(w, plan, pack->source);
        return;
    }
    const reel__group *group = &plan->group[plan->node[step->node].group];
    const int32_t *members = plan->member + group->first;
    if (step->kind == REEL__STEP_REDUCE || members[0] != step->node) {
        put_node(w, plan, step->node);
        return;
    }
    for (int32_t k = 0; k < group->count; k++) put_node(w, plan, members[k]);
}

static void put_plan(reel__writer *w, const reel__steps *steps)
{
    const reel__plan *plan = &steps->plan;
    double flops = 0;
    for (int64_t i = 0; i < steps->list.count; i++) flops += product_flops(&REEL__AT(steps->list, reel__step, i));
    reel__writer_print(w, "%lld nodes, %lld of them computed once; %lld steps on %s; %.4g Mflop in products\n",
                       (long long)plan->count, (long long)steps->constants.count, (long long)steps->list.count,
                       reel__isa_name(plan->isa), flops * 1e-6);
    reel__writer_print(w,
                       "%zu bytes at the peak: %zu for values, %zu for constants, %zu for packs, %zu for %d thread%s",
                       reel__steps_bytes(steps), plan->arena_size, plan->constants_size, steps->packs_size,
                       steps->scratch * (size_t)steps->threads, steps->threads, steps->threads == 1 ? "" : "s");
    reel__writer_print(w, ", the rest for the plan; %lld assignments in place\n\n", (long long)plan->in_place);
    for (int64_t i = 0; i < steps->list.count; i++) put_step(w, steps, i);
}

/* That of the last run, else the last one, as long as its nodes are there. */
static const reel__program *program_of(const reel_tape *tape)
{
    if (!tape->executor) return NULL;
    const reel__program *run = reel__program_of_run(tape), *last = reel__last_program(&tape->executor->programs);
    return run ? run : last && last->retired == tape->retired ? last : NULL;
}

reel_status reel_tape_write_plan(reel_tape *tape, const char *path)
{
    if (!tape || tape->failed) return reel__status_without(tape);
    if (tape->recording.status != REEL_OK) return tape->recording.status;
    reel__error_begin(&tape->running);
    const reel__program *program = program_of(tape);
    if (!program) return reel__run_fail(tape, REEL_BAD_STATE, "tape_write_plan: the tape has not been run yet");
    reel__shown_path shown;
    reel__writer writer;
    if (reel__writer_open(&writer, path)) {
        if (program->steps) put_plan(&writer, program->steps);
        else reel__writer_print(&writer, "%lld nodes, one at a time\n", (long long)program->nodes.count);
    }
    if (reel__writer_close(&writer)) return REEL_OK;
    return reel__run_fail(tape, REEL_BAD_FILE, "tape_write_plan: %s: %s", reel__show_path(&shown, path), writer.reason);
}
