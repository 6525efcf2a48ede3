/* What lowering a plan is made of: one file for each kind of group. */
#ifndef REEL_CORE_LOWER_LOWER_H
#define REEL_CORE_LOWER_LOWER_H

#include "core/lower/step.h"

static inline size_t reel__element_of(const reel_tensor *x) { return reel__dtype_size((reel_dtype)x->dtype); }

/* A block that the steps own; NULL: out of memory. */
void *reel__own(reel__steps *s, size_t bytes);

reel__step *reel__new_step(reel__steps *s, reel__array *list, reel__step_kind kind, int32_t node);

/* The address of an operand's first element, for a member of group g. */
char *reel__address(const reel__steps *s, int32_t g, const reel_tensor *x);

/* A group's pointwise ops and reductions, for tiles of the step's space or of its product's blocks. */
bool reel__lower_tiles(reel__steps *s, reel__step *step, int32_t g);

/* The calls of a step that is one tile, with their addresses. */
void reel__fix_calls(reel__step *step, char *slots);

/* The work from which a step is shared by threads. */
double reel__worth_sharing(const reel__steps *s);

bool reel__lower_product(reel__steps *s, int32_t g);

/* Memory for what is packed before products, when all steps are known. */
bool reel__place_packs(reel__steps *s);

#endif
