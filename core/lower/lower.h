/* What the files of this stage share. lower.c goes through the groups of a plan: lower_tiles.c makes the instructions of
 * tiles, lower_product.c a product's step, lower_packs.c the steps that pack its operands, and addresses.c fixes addresses
 * that are the same in every run. */
#ifndef REEL_CORE_LOWER_LOWER_H
#define REEL_CORE_LOWER_LOWER_H

#include "core/lower/step.h"

static inline size_t reel__element_of(const reel_tensor *x) { return reel__dtype_size((reel_dtype)x->dtype); }

/* lower.c */
reel__step *reel__new_step(reel__steps *s, reel__array *list, reel__step_kind kind, int32_t node);

/* The address of an operand's first element, for a member of group g. */
char *reel__address(const reel__steps *s, int32_t g, const reel_tensor *x);

/* The work from which a step is shared by threads. */
double reel__worth_sharing(const reel__steps *s);

/* lower_tiles.c: a group's pointwise ops and reductions, in tiles of at most so many rows and columns. */
bool reel__lower_tiles(reel__steps *s, int32_t g, int64_t max_rows, int64_t max_columns, reel__tiles *tiles);

double reel__tiles_work(const reel__group *group);

/* A step of nothing else. */
bool reel__lower_tiled_group(reel__steps *s, int32_t g);

/* addresses.c: gives tiles that are one their addresses; c is the product's block, NULL: it follows the slots. */
void reel__fix_addresses(reel__tiles *tiles, char *c, char *slots);

/* lower_product.c */
bool reel__lower_product(reel__steps *s, int32_t g);

/* lower_packs.c: the pack of an operand of a product, made by a step of its own or found among the last ones; NULL: out of
 * memory. */
reel__pack *reel__pack_ahead(reel__steps *s, int32_t g, const reel_tensor *y, int operand, const reel__side *side,
                             reel__product_use use);

/* Memory for all packs, when all steps are known. */
bool reel__allocate_packs(reel__steps *s);

#endif
