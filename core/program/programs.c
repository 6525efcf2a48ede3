/* The programs of a tape: which one fits what is wanted, and which are freed. Most steps of a training want what the one
 * before wanted; a recording made again wants a program of the same structure. */
#include "core/program/program.h"

#include <string.h>

/* A node never changes, so a program for the same outputs is the same program, as long as none of its nodes is gone. */
static bool is_for(const reel_tape *tape, const reel__program *program, const reel__wanted *wanted)
{
    if (program->retired != tape->retired || program->rebound != tape->rebound || program->assigns != wanted->assigns ||
        program->outputs.count != wanted->count)
        return false;
    for (int64_t i = 0; i < wanted->count; i++)
        if (REEL__AT(program->outputs, reel__program_node, i).x != wanted->outputs[i]) return false;
    return true;
}

static reel__program *move_to_front(reel__programs *programs, int64_t i)
{
    reel__program *program = reel__program_at(programs, i);
    for (; i > 0; i--) REEL__AT(programs->list, reel__program *, i) = reel__program_at(programs, i - 1);
    return REEL__AT(programs->list, reel__program *, 0) = program;
}

/* Whether a program of other nodes can be used for what is wanted: it has the same structure, and if this is an evaluation,
 * it holds no values that can still be read. */
static bool may_rebind(const reel__programs *programs, const reel__program *program, const reel__wanted *wanted)
{
    const reel__array *wants = &programs->structure, *has = &program->structure;
    const bool readable = program->computed && program->recording == programs->tape->generation;
    if (readable && !wanted->assigns && !is_for(programs->tape, program, wanted)) return false;
    return wants->count && has->count == wants->count && memcmp(has->items, wants->items, (size_t)has->count) == 0;
}

bool reel__program_find(reel__programs *programs, const reel__wanted *wanted, reel__program **found)
{
    reel_tape *tape = programs->tape;
    const int64_t count = programs->list.count;
    *found = NULL;
    for (int64_t i = 0; i < count && !*found; i++) {
        if (is_for(tape, reel__program_at(programs, i), wanted)) *found = move_to_front(programs, i);
        if (tape->draws) break; /* which are numbered for one program at a time, the last */
    }
    if (*found) return true;
    if (tape->draws && !reel__number_draws(tape, wanted->outputs, wanted->count)) return false;
    if (!reel__walk(tape, wanted->outputs, wanted->count)) return false;
    if (!reel__structure(programs, wanted, reel__runs_plain(tape))) return false;
    for (int64_t i = 0; i < count && !*found; i++)
        if (may_rebind(programs, reel__program_at(programs, i), wanted)) *found = move_to_front(programs, i);
    if (*found) reel__program_rebind(tape, *found, wanted);
    return true;
}

/* How many programs a tape has, and how many bytes those that are not in use may have together. A program of more bytes than
 * that runs so long that planning it again is little compared with a run. */
enum { MOST_PROGRAMS = 8, MOST_BYTES = 1 << 28 };

void reel__programs_trim(reel__programs *programs, const reel__wanted *wanted, int64_t most)
{
    int64_t left = 0;
    size_t bytes = 0;
    for (int64_t i = 0; i < programs->list.count; i++) {
        reel__program *program = reel__program_at(programs, i);
        bool stays = program == wanted->of_run;
        if (!stays) {
            bytes += program->steps ? reel__steps_bytes(program->steps) : program->arena_size;
            stays = most-- > 0 && (wanted->on_demand || bytes <= MOST_BYTES);
        }
        if (stays) REEL__AT(programs->list, reel__program *, left++) = program;
        else reel__program_free(programs->tape, program);
    }
    programs->list.count = left;
}

reel__program *reel__program_make(reel__programs *programs, const reel__wanted *wanted, int threads)
{
    reel__array *list = &programs->list;
    reel__programs_trim(programs, wanted, MOST_PROGRAMS - 1 - (wanted->of_run != NULL));
    if (!reel__reserve(&programs->tape->allocator, list, list->count, sizeof(reel__program *))) return NULL;
    reel__program *program = reel__program_new(programs, wanted, threads);
    if (!program) return NULL;
    REEL__AT(*list, reel__program *, list->count++) = program;
    programs->made++;
    return move_to_front(programs, list->count - 1);
}

void reel__programs_free(reel__programs *programs)
{
    reel__programs_trim(programs, &(reel__wanted){ 0 }, 0);
    reel__array_free(&programs->tape->allocator, &programs->list, sizeof(reel__program *));
    reel__array_free(&programs->tape->allocator, &programs->structure, 1);
}
