/* The matrix products of a training step and nothing else, by OpenBLAS: what a workload would take if all but its
 * products were free. The products run in the order of a step and on a step's buffers, so that caches are as warm.
 * Prints  NAME median_us min_us steps gflops  for each workload; gflops belongs to min_us.
 * Built and run by bench/compare, or by hand:
 *     cc -O2 products.c -o products -lopenblas && ./products [--threads N] [--seconds S] [WORKLOAD …]
 * OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE make OpenBLAS slower than it is: leave them unset. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* As in <cblas.h>, which stands in another folder in every distribution. */
enum { ROW_MAJOR = 101, AS_IS = 111, TRANSPOSED = 112 };
extern void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a,
                        int lda, const float *b, int ldb, float beta, float *c, int ldc);
extern void openblas_set_num_threads(int threads);
extern char *openblas_get_config(void);
extern char *openblas_get_corename(void);

enum { MOST_LAYERS = 3, MOST_STEPS = 1000000 };

/* xor has products too, of at most 64 multiplications: there one would measure calls. */
static const struct workload {
    const char *name;
    int batch, widths[MOST_LAYERS + 2]; /* ends with 0 */
} workloads[] = {
    { "mlp_seed", 10, { 784, 100, 10 } },
    { "mlp", 64, { 784, 256, 128, 10 } },
    { "mlp_wide", 256, { 1024, 1024, 1024, 1024 } },
};

enum { COUNT = sizeof workloads / sizeof *workloads };

/* y = x w, a layer's gradients gw = xᵀ gy and gx = gy wᵀ; x and gx are [batch, in], y and gy [batch, out]. */
typedef struct layer {
    int in, out;
    float *x, *w, *y, *gy, *gw, *gx;
} layer;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static float *matrix(int rows, int columns)
{
    size_t count = (size_t)rows * (size_t)columns;
    float *x = aligned_alloc(64, (count * sizeof *x + 63) / 64 * 64);
    if (!x) {
        fprintf(stderr, "products: out of memory\n");
        exit(1);
    }
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = ((float)(state >> 8) * 0x1p-24f - 0.5f) / 16;
    }
    return x;
}

static int set_up(layer *layers, const struct workload *w)
{
    int count = 0;
    for (; w->widths[count + 1]; count++) {
        layer *l = &layers[count], *before = count ? l - 1 : NULL;
        *l = (layer){ .in = w->widths[count], .out = w->widths[count + 1] };
        l->x = before ? before->y : matrix(w->batch, l->in);
        l->gx = before ? before->gy : NULL; /* nobody asks for the gradient of the data */
        l->w = matrix(l->in, l->out);
        l->gw = matrix(l->in, l->out);
        l->y = matrix(w->batch, l->out);
        l->gy = matrix(w->batch, l->out);
    }
    return count;
}

static void tear_down(layer *layers, int count)
{
    free(layers[0].x);
    for (int i = 0; i < count; i++) free(layers[i].w), free(layers[i].gw), free(layers[i].y), free(layers[i].gy);
}

static void step(const layer *layers, int count, int batch)
{
    for (int i = 0; i < count; i++) {
        const layer *l = &layers[i];
        cblas_sgemm(ROW_MAJOR, AS_IS, AS_IS, batch, l->out, l->in, 1, l->x, l->in, l->w, l->out, 0, l->y, l->out);
    }
    for (int i = count - 1; i >= 0; i--) {
        const layer *l = &layers[i];
        cblas_sgemm(ROW_MAJOR, TRANSPOSED, AS_IS, l->in, l->out, batch, 1, l->x, l->in, l->gy, l->out, 0, l->gw,
                    l->out);
        if (!l->gx) continue;
        cblas_sgemm(ROW_MAJOR, AS_IS, TRANSPOSED, batch, l->in, l->out, 1, l->gy, l->out, l->w, l->out, 0, l->gx,
                    l->in);
    }
}

static void measure(const struct workload *w, double seconds)
{
    static double times[MOST_STEPS];
    layer layers[MOST_LAYERS];
    int count = set_up(layers, w), steps = 0;
    double flops = 0;
    for (int i = 0; i < count; i++)
        flops += (layers[i].gx ? 6.0 : 4.0) * (double)w->batch * (double)layers[i].in * (double)layers[i].out;
    for (int i = 0; i < 3; i++) step(layers, count, w->batch);
    double end = now() + 1e6 * seconds;
    do {
        double start = now();
        step(layers, count, w->batch);
        times[steps++] = now() - start;
    } while (now() < end && steps < MOST_STEPS);
    qsort(times, (size_t)steps, sizeof *times, ascending);
    printf("%-10s %12.2f %12.2f %6d %9.1f\n", w->name, times[steps / 2], times[0], steps, 1e-3 * flops / times[0]);
    fflush(stdout);
    tear_down(layers, count);
}

static const struct workload *find(const char *name)
{
    for (int w = 0; w < COUNT; w++)
        if (!strcmp(workloads[w].name, name)) return &workloads[w];
    return NULL;
}

int main(int argc, char **argv)
{
    double seconds = 2;
    int threads = 1, named = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--threads") && i + 1 < argc) threads = (int)strtol(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--seconds") && i + 1 < argc) seconds = strtod(argv[++i], NULL);
        else if (find(argv[i])) argv[1 + named++] = argv[i];
        else {
            fprintf(stderr, "Usage: products [--threads N] [--seconds S] [WORKLOAD …]\nWorkloads:");
            for (int w = 0; w < COUNT; w++) fprintf(stderr, " %s", workloads[w].name);
            fprintf(stderr, "\n");
            return 2;
        }
    }
    openblas_set_num_threads(threads);
    printf("# %s, kernels for %s, threads: %d\n", openblas_get_config(), openblas_get_corename(), threads);
    for (int i = 0; i < named; i++) measure(find(argv[1 + i]), seconds);
    for (int w = 0; w < COUNT && !named; w++) measure(&workloads[w], seconds);
    return 0;
}
