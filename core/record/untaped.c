/* Errors of calls that have no tape. An op on NULL alone, or a call with NULL for a tape, has no tape that could hold its
 * error: the error waits in its thread until a tape is run there, or until what the call returned is used on a tape, and
 * becomes the error of that tape. */
#include "core/record/tape.h"

#include <stdio.h>
#include <string.h>

/* For NULL: like reel__failed_tape, but what fails on it is not forgotten. Nothing ever writes to it. */
reel_tape reel__no_tape = {
    .model = &reel__no_model,
    .failed = true,
    .recording = { .status = REEL_BAD_ARGUMENT, .located = true, .message = "the tape is NULL" },
    .bad = { .tape = &reel__no_tape, .is_bad = true },
    .bad_list = { .tape = &reel__no_tape, .is_bad = true },
};

static _Thread_local reel__error waiting;
static _Thread_local const char *site_file; /* of the call under way, where its macro gave one beforehand */
static _Thread_local int site_line;

int reel__untaped;

void reel__untaped_fail(reel_status status, const char *format, va_list arguments)
{
    if (waiting.status == REEL_OK) {
        reel__error_set(&waiting, status, format, arguments);
        __atomic_add_fetch(&reel__untaped, 1, __ATOMIC_RELAXED);
        reel__untaped_locate(site_file, site_line);
    }
    site_file = NULL;
}

void reel__untaped_site(const char *file, int line) { site_file = file, site_line = line; }

void reel__untaped_locate(const char *file, int line)
{
    if (waiting.status == REEL_OK || waiting.located || !file) return;
    reel__error_append(&waiting, "  at %s:%d", file, line);
    waiting.located = true;
}

void reel__untaped_take(reel_tape *tape, const char *before)
{
    if (waiting.status == REEL_OK || tape->failed || tape->recording.status != REEL_OK) return;
    const char *file = tape->site_file;
    tape->site_file = NULL; /* it has the line of its own call, or none */
    reel__fail(tape, waiting.status, "%s%s", before, waiting.message);
    tape->recording.located |= waiting.located || !*before;
    tape->site_file = file;
    waiting.status = REEL_OK;
    __atomic_sub_fetch(&reel__untaped, 1, __ATOMIC_RELAXED);
}

bool reel__lacks_tape(reel_tape **tape, const char *call)
{
    if (*tape && *tape != &reel__no_tape) return true; /* it has failed, and said why */
    *tape = &reel__no_tape;
    reel__fail(*tape, REEL_BAD_ARGUMENT, "%s: the tape is NULL", call);
    return true;
}

void reel__null_operands(const char *op, reel_tensor *const *x, int count)
{
    for (int i = 0; x && i < count; i++)
        if (x[i]) return;
    if (!x) reel__fail(&reel__no_tape, REEL_BAD_ARGUMENT, "%s: the operands are NULL", op);
    else if (count < 1) reel__fail(&reel__no_tape, REEL_BAD_ARGUMENT, "%s: there are %d operands", op, count);
    else reel__fail(&reel__no_tape, REEL_BAD_ARGUMENT, "%s: operand 1 is NULL", op);
}
