/* Random programs for the tests of equality: typed graphs over all ops, each drawn from a seed: forward, gradients, updates.
 * The first n steps do not depend on how many follow, so that one that fails can be shortened. */
#ifndef REEL_TESTS_RANDOM_GRAPH_H
#define REEL_TESTS_RANDOM_GRAPH_H

#include "graph.h"

enum { GRAPH_STEPS = 36 };

/* Records the program of g->seed. */
void random_graph(graph *g);

#endif
