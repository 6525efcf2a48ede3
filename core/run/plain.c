/* The plain executor: one op at a time, each value in memory of its own. It defines what a run computes: every other way of
 * running is compared with it. */
#include "core/base/cpu.h"
#include "core/base/random.h"
#include "core/run/executor.h"

void reel__set_stream(const reel_tape *tape, reel_call *call)
{
    const reel_tensor *x = call->node;
    if (!x->op->draws) return;
    const uint64_t name = reel__hash_string(x->name) + (uint64_t)x->draw_index - 1;
    const reel__stream s = reel__stream_of(tape->model->seed, name, tape->executor->now.draw);
    call->stream[0] = s.key;
    call->stream[1] = (uint64_t)s.high[1] << 32 | s.high[0];
}

static reel_status run_node(reel_tape *tape, const reel_tensor *x, void *y, const void *const *operands)
{
    reel_call call = { .node = x, .y = y, .x = operands, .isa = reel__isa_best() };
    reel__set_stream(tape, &call);
    reel_status status = reel__check_call(tape, &call);
    if (status != REEL_OK) return status;
    if (x->op->run) x->op->run(&call);
    return tape->options.checked ? reel__check_finite(tape, &call) : REEL_OK;
}

/* First what is checked early, so that a run that fails there has done nothing. */
reel_status reel__execute_plain(reel_tape *tape, reel__program *program)
{
    reel_status status = REEL_OK;
    for (int pass = 0; pass < 2; pass++) {
        const void *const *operands = program->operands.items;
        for (int64_t i = 0; status == REEL_OK && i < program->nodes.count; i++) {
            const reel_tensor *x = REEL__AT(program->nodes, reel_tensor *, i);
            if (reel__checked_early(x) == (pass == 0))
                status = run_node(tape, x, REEL__AT(program->values, void *, i), operands);
            operands += x->input_count;
        }
    }
    return status;
}
