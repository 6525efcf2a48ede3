/* The programs on which the planned executor is compared with the plain one, such as people write (usual_programs.c) and
 * awkward ones, each around a rule that a planner could get wrong (awkward_programs.c). Random ones: random_graph.h. */
#ifndef REEL_TESTS_GRAPH_H
#define REEL_TESTS_GRAPH_H

#include <reel.h>

/* A program that is being recorded, with inputs that know what is written to them. */
enum { GRAPH_INPUTS = 96 };

typedef struct graph_input_range {
    reel_tensor *x;
    double low, high;
} graph_input_range;

typedef struct graph {
    reel_tape *tape;
    reel_dtype dtype; /* of real numbers */
    uint64_t seed;    /* of a random program */
    int steps;        /* its length at most; 0: as drawn */
    int run;          /* the run that it is recorded for */
    int input_count;
    graph_input_range input[GRAPH_INPUTS];
} graph;

/* An input whose elements are uniform in [low, high], or for i32 whole numbers in it; low and high belong to it. */
reel_tensor *graph_input(graph *g, const char *name, reel_dtype dtype, reel_shape shape, double low, double high);

/* Writes all inputs: a function of (name, run, element). */
void graph_write(const graph *g, int run);

/* The list of all, with the stride at which a test takes the combinations of settings; longer programs have larger ones.
 * ALONE: in f32; IN_BOTH: and in f64, a fifth as often; VARYING: it is another program in each run; STOPPING: a run fails. */
/* clang-format off */
#define PROGRAMS(ALONE, IN_BOTH, VARYING, STOPPING) \
    /* such as people write */ \
    IN_BOTH(xor, 53) \
    ALONE(mlp_seed, 487) \
    IN_BOTH(classifier, 97) \
    IN_BOTH(clipped_adam, 97) \
    IN_BOTH(norm_gelu, 97) \
    IN_BOTH(attention, 97) \
    IN_BOTH(rnn, 97) \
    IN_BOTH(lstm, 97) \
    IN_BOTH(penalty, 97) \
    IN_BOTH(maml, 97) \
    ALONE(batch_norm, 97) \
    VARYING(schedule, 53) \
    /* awkward ones */ \
    IN_BOTH(short_rows, 97) \
    IN_BOTH(long_rows, 197) \
    IN_BOTH(partial_rows, 197) \
    IN_BOTH(columns, 97) \
    IN_BOTH(deep_products, 97) \
    IN_BOTH(exchanges, 53) \
    ALONE(exchange_values, 53) \
    IN_BOTH(kept_views, 53) \
    IN_BOTH(used_at_once, 53) \
    IN_BOTH(checks_between, 53) \
    IN_BOTH(strided, 197) \
    ALONE(scalars, 53) \
    ALONE(empty_and_one, 53) \
    IN_BOTH(contractions, 97) \
    IN_BOTH(deferred, 53) \
    ALONE(wide_pointwise, 97) \
    ALONE(mixed_types, 53) \
    ALONE(wide_rows, 97) \
    IN_BOTH(partial_parts, 97) \
    IN_BOTH(partials_together, 97) \
    IN_BOTH(one_weight, 97) \
    IN_BOTH(old_values, 97) \
    ALONE(whole_rows, 197) \
    IN_BOTH(concats, 97) \
    IN_BOTH(inputs_of_steps, 97) \
    IN_BOTH(views_of_members, 197) \
    IN_BOTH(distances, 197) \
    ALONE(almost_batched, 197) \
    ALONE(many_rows_batched, 197) \
    IN_BOTH(batched_elsewhere, 197) \
    ALONE(slices_together, 197) \
    VARYING(other_attributes, 53) \
    STOPPING(stops, 53)
/* clang-format on */

#define DECLARE(name, stride) void program_##name(graph *g);
PROGRAMS(DECLARE, DECLARE, DECLARE, DECLARE)
#undef DECLARE

/* ---- What programs are made of ----------------------------------------------------------------------------------- */

reel_tensor *real_input(graph *g, const char *name, reel_shape shape);             /* an input of the graph's type */
reel_tensor *index_input(graph *g, const char *name, reel_shape shape, int64_t n); /* below n */
reel_tensor *parameter(reel_tensor *like, const char *name, reel_shape shape);
reel_tensor *state(graph *g, const char *name, reel_shape shape);
void kept(reel_tensor *x, const char *name, int i); /* under the name with the number after it */

#endif
