/* The planned executor: makes a plan of a program, lowers it, and runs the steps. */
#include "core/base/cpu.h"
#include "core/run/step.h"

#include <stdlib.h>
#include <string.h>

/* "no_group,tile=16,pack=2": one name of the fields of the settings each. */
static const char *const flags[] = { "no_fold", "no_views", "no_group", "no_reduce", "no_epilogue", "no_in_place", "no_reuse" };

static bool *flag_at(reel__plan_settings *s, int i)
{
    bool *const fields[] = { &s->no_fold, &s->no_views, &s->no_group, &s->no_reduce, &s->no_epilogue, &s->no_in_place, &s->no_reuse };
    return fields[i];
}

static bool read_setting(reel__plan_settings *s, const char *text, size_t length)
{
    for (int i = 0; i < (int)(sizeof flags / sizeof *flags); i++)
        if (strlen(flags[i]) == length && strncmp(text, flags[i], length) == 0) return *flag_at(s, i) = true;
    const struct {
        const char *name;
        int64_t *field;
    } numbers[] = { { "tile=", &s->tile }, { "block=", &s->block }, { "l1=", &s->l1 }, { "l2=", &s->l2 },
                    { "thread_work=", &s->thread_work } };
    for (int i = 0; i < 5; i++) {
        size_t n = strlen(numbers[i].name);
        if (length <= n || strncmp(text, numbers[i].name, n) != 0) continue;
        *numbers[i].field = strtoll(text + n, NULL, 10);
        return true;
    }
    if (length > 5 && strncmp(text, "pack=", 5) == 0) {
        s->pack = strncmp(text + 5, "always", 6) == 0 ? REEL__PACK : strncmp(text + 5, "never", 5) == 0 ? REEL__IN_PLACE : -1;
        return s->pack >= 0;
    }
    return false;
}

static bool from_environment(reel_tape *tape, reel__plan_settings *s)
{
    const char *text = getenv("REEL_FORCE"), *isa = getenv("REEL_ISA");
    while (text && *text) {
        size_t length = strcspn(text, ",");
        if (length && !read_setting(s, text, length)) {
            reel__fail(tape, REEL_BAD_ARGUMENT, "REEL_FORCE: what is \"%.*s\"?", (int)length, text);
            return false;
        }
        text += length + (text[length] == ',');
    }
    if (!isa || !*isa) return true;
    int set = reel__isa_by_name(isa);
    if (set < 0 || !reel__isa_available(set)) {
        reel__fail(tape, REEL_BAD_ARGUMENT, "REEL_ISA: this machine has no instruction set \"%s\" (it has up to %s)", isa,
                   reel__isa_name(reel__isa_best()));
        return false;
    }
    s->isa = set + 1;
    return true;
}

reel__plan_settings *reel__settings(reel_tape *tape)
{
    if (tape->settings || tape->failed) return tape->settings;
    reel__plan_settings *s = reel__allocate(&tape->allocator, sizeof *s);
    if (!s) return NULL;
    tape->settings = s;
    tape->settings_size = sizeof *s;
    from_environment(tape, s);
    return s;
}

static bool make_plan(reel_tape *tape, reel__program *program, reel__plan *plan)
{
    const reel__plan_settings *settings = reel__settings(tape);
    if (!settings || tape->recording.status != REEL_OK) return false;
    size_t n = (size_t)program->nodes.count;
    *plan = (reel__plan){ .tape = tape, .allocator = tape->allocator, .settings = *settings, .count = program->nodes.count,
                            .assigns = program->assigns };
    plan->isa = settings->isa ? settings->isa - 1 : reel__isa_best();
    plan->node = reel__allocate(&tape->allocator, n * sizeof *plan->node);
    plan->access = reel__allocate(&tape->allocator, n * sizeof *plan->access);
    if (!plan->node || !plan->access) return false;
    for (size_t i = 0; i < n; i++) plan->node[i].x = REEL__AT(program->nodes, reel_tensor *, i);
    for (int64_t i = 0; i < program->outputs.count; i++)
        plan->node[REEL__AT(program->outputs, reel_tensor *, i)->index].output = true;
    return reel__plan_roles(plan) && reel__plan_group(plan) && reel__plan_memory(plan);
}

bool reel__steps_prepare(reel_tape *tape, reel__program *program)
{
    reel__steps *steps = reel__allocate(&tape->allocator, sizeof *steps);
    if (!steps) return false;
    program->steps = steps;
    steps->plan.allocator = tape->allocator;
    steps->threads = 1;
    program->numbers = tape->numbers - 1;
    return make_plan(tape, program, &steps->plan) && reel__lower(steps);
}

void reel__steps_release(reel_tape *tape, reel__program *program)
{
    if (!program->steps) return;
    reel__steps_free(program->steps);
    reel__release(&tape->allocator, program->steps, sizeof *program->steps);
    program->steps = NULL;
}

bool reel__assigned_in_place(const reel__program *program, const reel_tensor *assign)
{
    if (!program->steps) return false;
    const reel__plan *plan = &program->steps->plan;
    const reel__planned *source = &plan->node[plan->access[assign->place].source];
    return source->in_place && source->data == assign->inputs[0]->value->data;
}

/* Checks that need nothing computed come before everything else. */
static reel_status early_checks(reel_tape *tape, const reel__steps *steps)
{
    for (int64_t i = 0; i < steps->list.count; i++) {
        const reel__step *step = &REEL__AT(steps->list, reel__step, i);
        const reel_tensor *x = step->call.node;
        if (step->kind != REEL__STEP_CALL || !x->op->check || !x->inputs[0]->value) continue;
        reel_status status = reel__check_node(tape, x, &step->call);
        if (status != REEL_OK) return status;
    }
    return REEL_OK;
}

static reel_status run_steps(reel_tape *tape, reel__steps *steps)
{
    for (int64_t i = 0; i < steps->list.count; i++) {
        reel__step *step = &REEL__AT(steps->list, reel__step, i);
        if (step->kind == REEL__STEP_CALL) {
            const reel_tensor *x = step->call.node;
            reel_status status = x->op->check && !x->inputs[0]->value ? reel__check_node(tape, x, &step->call) : REEL_OK;
            if (status != REEL_OK) return status;
            if (x->op->draws) reel__set_stream(tape, x, &step->call);
        }
        int64_t shares = reel__step_shares(step);
        for (int64_t share = 0; share < shares; share++) reel__step_run(step, steps->scratch_memory, share, shares);
    }
    return REEL_OK;
}

reel_status reel__execute_planned(reel_tape *tape)
{
    reel__program *program = tape->program;
    reel__steps *steps = program->steps;
    program->computed = false;
    if (program->numbers != tape->numbers) {
        for (int64_t i = 0; i < steps->constants.count; i++)
            reel__step_run(&REEL__AT(steps->constants, reel__step, i), steps->scratch_memory, 0, 1);
        program->numbers = tape->numbers;
    }
    reel_status status = reel__check_written(tape);
    if (status == REEL_OK) status = early_checks(tape, steps);
    if (status == REEL_OK) status = run_steps(tape, steps);
    program->computed = status == REEL_OK;
    return status;
}
