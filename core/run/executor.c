/* The executor of a tape. A tape that only records has none; freeing a tape ends here, with what was made last. */
#include "core/run/executor.h"

reel__executor *reel__executor_of(reel_tape *tape)
{
    if (tape->executor || tape->failed) return tape->executor;
    reel__executor *executor = reel__allocate(&tape->allocator, sizeof *executor);
    if (!executor) return NULL;
    executor->programs.tape = tape;
    if (reel__read_settings(tape, &executor->programs.settings)) return tape->executor = executor;
    reel__release(&tape->allocator, executor, sizeof *executor);
    return NULL;
}

reel__plan_settings *reel__settings(reel_tape *tape)
{
    reel__executor *executor = reel__executor_of(tape);
    return executor ? &executor->programs.settings : NULL;
}

static void free_executor(const reel_allocator *a, reel__executor *executor)
{
    reel__programs_free(&executor->programs);
    reel__array_free(a, &executor->outputs, sizeof(reel_tensor *));
    for (int64_t i = 0; i < executor->snapshots.capacity; i++) {
        const reel__snapshot *snapshot = &REEL__AT(executor->snapshots, reel__snapshot, i);
        reel__release(a, snapshot->data, snapshot->size);
    }
    reel__array_free(a, &executor->snapshots, sizeof(reel__snapshot));
    reel__release(a, executor, sizeof *executor);
}

void reel_tape_free(reel_tape *tape)
{
    if (!tape || tape->failed) return;
    if (tape->executor) free_executor(&tape->allocator, tape->executor);
    reel__tape_free(tape);
}
