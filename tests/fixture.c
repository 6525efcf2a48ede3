/* See fixture.h. */
#include "fixture.h"

#include <stdlib.h>

reel_model *model;
reel_tape *tape;

void begin_with(reel_model_options of_model, reel_tape_options of_tape)
{
    model = reel_model_new(of_model);
    tape = reel_tape_new(model, of_tape);
}

void begin(void) { begin_with((reel_model_options){ .seed = 1 }, (reel_tape_options){ 0 }); }

void end_after_error(void)
{
    reel_tape_free(tape);
    reel_model_free(model);
    tape = NULL, model = NULL;
}

void end(void)
{
    const char *error = reel_tape_error(tape);
    cr_expect_null(error, "%s", error);
    if (error) abort(); /* Criterion does not count what fails after a test */
    end_after_error();
}

void run(void) { cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape)); }

reel_tensor *total(reel_tensor *x) { return reel_sum(x, REEL_ALL, REEL_DROP); }
reel_tensor *average(reel_tensor *x) { return reel_mean(x, REEL_ALL, REEL_DROP); }
