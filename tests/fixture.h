/* What most tests begin and end with: a model and a tape on it. Every test has a process of its own, so there is one of
 * each; a test of several models at once makes the others itself. Programs made from a row of the op table are in
 * support.h; models on an allocator that counts and fails, in heap.h. */
#ifndef REEL_TESTS_FIXTURE_H
#define REEL_TESTS_FIXTURE_H

#include <criterion/criterion.h>
#include <reel.h>

#include "count.h"

extern reel_model *model;
extern reel_tape *tape;

void begin(void); /* with default options but the seed, which is 1 */
void begin_with(reel_model_options of_model, reel_tape_options of_tape);
void end(void);             /* frees both; an error of the tape fails the test */
void end_after_error(void); /* frees both, whatever the tape says */

void run(void); /* reel_run(tape), which is to succeed */

reel_tensor *total(reel_tensor *x);   /* of all elements */
reel_tensor *average(reel_tensor *x); /* of all elements */

#endif
