/* Programs for the tests of equality: inputs that know what is written to them, and random programs. A random program is
 * a typed graph over all ops, drawn from a seed: forward, gradients, updates. Its first n steps do not depend on how
 * many follow, so that one that fails can be shortened. */
#ifndef REEL_TESTS_RANDOM_GRAPH_H
#define REEL_TESTS_RANDOM_GRAPH_H

#include <reel.h>

enum { GRAPH_INPUTS = 96, GRAPH_STEPS = 36 };

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

/* Records the program of g->seed. */
void random_graph(graph *g);

#endif
