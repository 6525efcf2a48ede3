/* See graph.h. */
#include "graph.h"

#include "chance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Inputs ------------------------------------------------------------------------------------------------------ */

reel_tensor *graph_input(graph *g, const char *name, reel_dtype dtype, reel_shape shape, double low, double high)
{
    reel_tensor *x = reel_input(g->tape, name, dtype, shape);
    if (g->input_count == GRAPH_INPUTS) abort();
    g->input[g->input_count++] = (graph_input_range){ x, low, high };
    return x;
}

/* A third of the inputs have their values on a coarse grid, so that there are ties and exact zeros. */
static double element(const graph_input_range *in, uint64_t key, int64_t i)
{
    double share = (double)(mixed(key + (uint64_t)i * 0x9e3779b97f4a7c15u) >> 11) * 0x1p-53;
    if (reel_dtype_of(in->x) == REEL_I32) return floor(in->low + (in->high - in->low + 1) * share);
    double value = in->low + (in->high - in->low) * share;
    return key % 3 ? value : fmin(fmax(floor(value * 4) / 4, in->low), in->high);
}

void graph_write(const graph *g, int run)
{
    for (int k = 0; k < g->input_count; k++) {
        const graph_input_range *in = &g->input[k];
        reel_dtype dtype = reel_dtype_of(in->x);
        int64_t count = reel_count(in->x);
        uint64_t key = (uint64_t)run * 0x9e3779b97f4a7c15u + 3;
        for (const char *c = reel_name_of(in->x); *c; c++) key = mixed(key * 31 + (unsigned char)*c);
        double *f64 = malloc((size_t)count * 8 + 8);
        float *f32 = malloc((size_t)count * 4 + 8);
        int32_t *i32 = malloc((size_t)count * 4 + 8);
        for (int64_t i = 0; i < count; i++) f64[i] = element(in, key, i), f32[i] = (float)f64[i];
        for (int64_t i = 0; i < count; i++) i32[i] = dtype == REEL_I32 ? (int32_t)f64[i] : 0;
        if (dtype == REEL_F32) reel_write_f32(in->x, f32, count);
        else if (dtype == REEL_F64) reel_write_f64(in->x, f64, count);
        else reel_write_i32(in->x, i32, count);
        free(f64), free(f32), free(i32);
    }
}

/* ---- What programs are made of ----------------------------------------------------------------------------------- */

reel_tensor *real_input(graph *g, const char *name, reel_shape shape)
{
    return graph_input(g, name, g->dtype, shape, -1.5, 1.5);
}

reel_tensor *index_input(graph *g, const char *name, reel_shape shape, int64_t n)
{
    return graph_input(g, name, REEL_I32, shape, 0, (double)(n - 1));
}

reel_tensor *parameter(reel_tensor *like, const char *name, reel_shape shape)
{
    return reel_parameter(like, name, shape, reel_init_uniform(-0.7, 0.7));
}

reel_tensor *state(graph *g, const char *name, reel_shape shape) { return reel_state(g->tape, name, g->dtype, shape); }

void kept(reel_tensor *x, const char *name, int i)
{
    char text[40];
    snprintf(text, sizeof text, "%s%d", name, i);
    reel_keep(x, text);
}
