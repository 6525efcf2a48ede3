/* See support.h. */
#define _XOPEN_SOURCE 700
#include "support.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- Arrays ------------------------------------------------------------------------------------------------------ */

typedef struct block {
    struct block *next;
    _Alignas(16) double numbers[];
} block;

static block *blocks;

array array_new(reel_dtype dtype, reel_shape shape)
{
    array a = { .dtype = dtype, .shape = shape, .count = 1 };
    for (int d = 0; d < shape.rank; d++) a.count *= shape.size[d];
    block *b = calloc(1, sizeof *b + (size_t)a.count * sizeof(double));
    if (!b) abort();
    b->next = blocks, blocks = b;
    a.at = b->numbers;
    return a;
}

array array_of(reel_dtype dtype, reel_shape shape, const double *values)
{
    array a = array_new(dtype, shape);
    for (int64_t i = 0; i < a.count; i++) a.at[i] = values[i];
    return a;
}

void forget_arrays(void)
{
    while (blocks) {
        block *next = blocks->next;
        free(blocks);
        blocks = next;
    }
}

bool next_index(const reel_shape *shape, int64_t *index)
{
    for (int d = shape->rank; d-- > 0; index[d] = 0)
        if (++index[d] < shape->size[d]) return true;
    return false;
}

int64_t offset_of(const reel_shape *shape, const int64_t *index)
{
    int64_t offset = 0;
    for (int d = 0; d < shape->rank; d++) offset = offset * shape->size[d] + index[d];
    return offset;
}

double as_dtype(double value, reel_dtype dtype)
{
    return dtype == REEL_F32 ? (double)(float)value : dtype == REEL_I32 ? (double)(int32_t)value : value;
}

bool same_bits(double a, double b) { return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b)); }

static bool alike(const array *a, const array *b, char *text, size_t size)
{
    bool same = a->shape.rank == b->shape.rank;
    for (int d = 0; same && d < a->shape.rank; d++) same = a->shape.size[d] == b->shape.size[d];
    if (!same) snprintf(text, size, "shapes differ: rank %d and %d", a->shape.rank, b->shape.rank);
    else if (a->dtype != b->dtype) snprintf(text, size, "dtypes differ: %d and %d", a->dtype, b->dtype);
    return same && a->dtype == b->dtype;
}

bool equal_arrays(const array *a, const array *b, char *text, size_t size)
{
    if (!alike(a, b, text, size)) return false;
    for (int64_t i = 0; i < a->count; i++) {
        if (same_bits(a->at[i], b->at[i])) continue;
        snprintf(text, size, "element %d is %a, not %a", (int)i, a->at[i], b->at[i]);
        return false;
    }
    return true;
}

double largest_of(const array *a)
{
    double largest = 0;
    for (int64_t i = 0; i < a->count; i++)
        if (isfinite(a->at[i]) && fabs(a->at[i]) > largest) largest = fabs(a->at[i]);
    return largest;
}

bool close_arrays(const array *a, const array *b, double tolerance, double scale, char *text, size_t size)
{
    if (!alike(a, b, text, size)) return false;
    for (int64_t i = 0; i < a->count; i++) {
        if (same_bits(a->at[i], b->at[i]) || fabs(a->at[i] - b->at[i]) <= tolerance * scale) continue;
        snprintf(text, size, "element %d is %.17g, not %.17g: off by %.2g of %.2g", (int)i, a->at[i], b->at[i],
                 fabs(a->at[i] - b->at[i]) / scale, scale);
        return false;
    }
    return true;
}

array random_array(reel_dtype dtype, reel_shape shape)
{
    array a = array_new(dtype, shape);
    for (int64_t i = 0; i < a.count; i++) a.at[i] = (double)(float)random_normal();
    return a;
}

/* ---- The machine ------------------------------------------------------------------------------------------------- */

bool speak_german(const char *folder)
{
    char command[160];
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 2>&1 | true", folder);
    const bool installed = setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
    if (!installed && system(command) == 0) {
        setenv("LOCPATH", folder, 1);
        setlocale(LC_ALL, "de_DE.UTF-8");
    }
    return strcmp(localeconv()->decimal_point, ",") == 0;
}

bool under_sanitizer(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    return true;
#endif
#endif
    return false;
}

void limit_memory(size_t more)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu", &pages) != 1) abort();
    fclose(file);
    const rlim_t size = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
    if (setrlimit(RLIMIT_AS, &(struct rlimit){ size, RLIM_INFINITY }) != 0) abort();
}

void unlimit_memory(void)
{
    if (setrlimit(RLIMIT_AS, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }) != 0) abort();
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

int operand_count(const op_case *c)
{
    int count = 0;
    while (count < OPERANDS && c->x[count].kind != NOTHING) count++;
    return count;
}

reel_shape with_size(reel_shape shape, int64_t n)
{
    for (int d = 0; d < shape.rank; d++)
        if (shape.size[d] == -1) shape.size[d] = n;
    return shape;
}

op_case sized_case(const op_case *c, int64_t n)
{
    op_case sized = *c;
    for (int i = 0; i < OPERANDS; i++) sized.x[i].shape = with_size(c->x[i].shape, n);
    sized.shape = with_size(c->shape, n);
    return sized;
}

/* The odd multiples of 1/20 in an interval, in a random order, for all operands together. */
static double grid_value(double low, double high, int64_t draw, int64_t step)
{
    int64_t first = (int64_t)ceil(low * 10 - 0.5), cells = (int64_t)floor(high * 10 - 0.5) - first + 1;
    return (double)(float)((double)(first + (draw * step + 3) % cells) / 10 + 0.05);
}

void random_operands(const op_case *c, reel_dtype dtype, array *x)
{
    static const int64_t steps[] = { 37, 41, 43, 47, 53, 59 };
    int64_t draw = 0, step = steps[random_bits() % 6];
    for (int i = 0; i < operand_count(c); i++) {
        const operand *o = &c->x[i];
        x[i] = array_new(o->kind == WHOLE ? REEL_I32 : dtype, o->shape);
        for (int64_t k = 0; k < x[i].count; k++) {
            double value = (double)(float)random_in(o->low, o->high);
            if (o->kind == WHOLE) value = floor(random_in(o->low, o->high + 1));
            else if (dtype == REEL_I32)
                value = random_bits() % 2 ? floor(random_in(-2, 3)) : floor(random_in(-0x1p26, 0x1p26));
            else if (c->is & GRID) value = grid_value(o->low, o->high, draw++, step);
            x[i].at[k] = value;
        }
    }
}

/* ---- Programs ---------------------------------------------------------------------------------------------------- */

program program_new(void)
{
    program p = { .model = reel_model_new((reel_model_options){ .seed = SEED }) };
    p.tape = reel_tape_new(p.model, (reel_tape_options){ .threads = 1 });
    return p;
}

void program_free(program *p)
{
    reel_tape_free(p->tape);
    reel_model_free(p->model);
}

void add_inputs(program *p, int count, const array *x)
{
    static const char *const names[] = { "x0", "x1", "x2" };
    for (int i = 0; i < count; i++) p->x[i] = reel_input(p->tape, names[i], x[i].dtype, x[i].shape);
}

void record_case(program *p, const op_case *c)
{
    p->y = c->record(c, p->x);
    reel_keep(p->y, "y");
}

void record_gradients(program *p, const op_case *c)
{
    static const char *const names[] = { "gx0", "gx1", "gx2" };
    reel_list *wrt = reel_list_new(p->tape);
    int n = 0;
    p->gy = reel_input(p->tape, "gy", reel_dtype_of(p->y), reel_shape_of(p->y));
    for (int i = 0; i < operand_count(c); i++)
        if (c->x[i].kind == REAL && !c->x[i].constant) reel_list_append(wrt, names[i], p->x[i]);
    const reel_list *gx = reel_vjp(p->y, p->gy, wrt);
    for (int i = 0; i < operand_count(c); i++)
        if (c->x[i].kind == REAL && !c->x[i].constant) p->gx[i] = reel_keep(reel_list_at(gx, n++), names[i]);
}

reel_status write_array(reel_tensor *x, const array *values)
{
    size_t count = (size_t)values->count;
    reel_status status;
    if (values->dtype == REEL_F64) return reel_write_f64(x, values->at, values->count);
    void *data = malloc(count * 4 + 1);
    for (size_t i = 0; i < count; i++)
        if (values->dtype == REEL_F32) ((float *)data)[i] = (float)values->at[i];
        else ((int32_t *)data)[i] = (int32_t)values->at[i];
    if (values->dtype == REEL_F32) status = reel_write_f32(x, data, values->count);
    else status = reel_write_i32(x, data, values->count);
    free(data);
    return status;
}

array read_array(reel_tensor *x)
{
    array a = array_new(reel_dtype_of(x), reel_shape_of(x));
    void *data = malloc((size_t)a.count * 8 + 1);
    if (a.dtype == REEL_F32) reel_read_f32(x, data, a.count);
    else if (a.dtype == REEL_F64) reel_read_f64(x, data, a.count);
    else reel_read_i32(x, data, a.count);
    for (int64_t i = 0; i < a.count; i++)
        a.at[i] = a.dtype == REEL_F32   ? (double)((float *)data)[i]
                  : a.dtype == REEL_F64 ? ((double *)data)[i]
                                        : ((int32_t *)data)[i];
    free(data);
    return a;
}

bool compute(const op_case *c, const array *x, const array *gy, array *y, array *gx, char *text, size_t size)
{
    program p = program_new();
    int count = operand_count(c);
    add_inputs(&p, count, x);
    record_case(&p, c);
    if (gy) record_gradients(&p, c);
    for (int i = 0; i < count; i++) write_array(p.x[i], &x[i]);
    if (gy) write_array(p.gy, gy);
    bool good = reel_run(p.tape) == REEL_OK;
    if (!good) snprintf(text, size, "%s", reel_tape_error(p.tape));
    if (good) *y = read_array(p.y);
    for (int i = 0; good && gy && i < count; i++)
        if (p.gx[i]) gx[i] = read_array(p.gx[i]);
    program_free(&p);
    return good;
}

/* ---- The checkers ------------------------------------------------------------------------------------------------ */

bool forward_is_right(const op_case *c, const array *x, double tolerance, char *text, size_t size)
{
    array y, reference, magnitude, unsigned_x[OPERANDS];
    if (!compute(c, x, NULL, &y, NULL, text, size)) return false;
    c->naive(c, x, &reference);
    double scale = largest_of(&reference);
    if (c->is & CANCELS) {
        for (int i = 0; i < operand_count(c); i++) {
            unsigned_x[i] = array_of(x[i].dtype, x[i].shape, x[i].at);
            for (int64_t k = 0; k < x[i].count; k++) unsigned_x[i].at[k] = fabs(x[i].at[k]);
        }
        c->naive(c, unsigned_x, &magnitude);
        scale = largest_of(&magnitude);
    }
    return close_arrays(&y, &reference, tolerance, scale, text, size);
}

/* value[j] are functions of x; derivative[i] is claimed to be the gradient of sum_j <weight[j], value[j]> + <extra, x>
 * with respect to x[i]. */
typedef struct claim {
    program p;
    int values;
    reel_tensor *value[OPERANDS], *derivative[OPERANDS];
    array weight[OPERANDS], extra[OPERANDS], x[OPERANDS];
} claim;

static reel_tensor *inner_product(reel_tensor *sum, reel_tensor *a, reel_tensor *b)
{
    reel_tensor *term = reel_sum(reel_mul(a, b), REEL_ALL, REEL_DROP);
    return sum ? reel_add(sum, term) : term;
}

static reel_tensor *weights(claim *k, const char *kind, int i, const reel_tensor *like, array *to)
{
    char name[24];
    snprintf(name, sizeof name, "%s%d", kind, i);
    *to = random_array(REEL_F64, reel_shape_of(like));
    return reel_input(k->p.tape, name, REEL_F64, to->shape);
}

/* The second claim: the values are the gradients. <extra, x> is there so that every x is reached. */
static void claim_second(claim *k, const op_case *c)
{
    reel_tensor *v[OPERANDS] = { 0 }, *w[OPERANDS] = { 0 }, *loss = NULL;
    char name[24];
    k->values = 0;
    for (int i = 0; i < operand_count(c); i++) {
        if (!k->p.gx[i]) continue;
        v[k->values] = weights(k, "v", i, k->p.gx[i], &k->weight[k->values]);
        w[i] = weights(k, "w", i, k->p.x[i], &k->extra[i]);
        loss = inner_product(inner_product(loss, v[k->values], k->p.gx[i]), w[i], k->p.x[i]);
        k->value[k->values++] = k->p.gx[i];
    }
    for (int i = 0; i < operand_count(c); i++) {
        if (!k->p.gx[i]) continue;
        snprintf(name, sizeof name, "second%d", i);
        k->derivative[i] = reel_keep(reel_gradient(loss, k->p.x[i]), name);
        write_array(w[i], &k->extra[i]);
    }
    for (int j = 0; j < k->values; j++) write_array(v[j], &k->weight[j]);
}

static bool make_claim(claim *k, const op_case *c, const array *x, int order)
{
    int count = operand_count(c);
    k->p = program_new();
    add_inputs(&k->p, count, x);
    record_case(&k->p, c);
    record_gradients(&k->p, c);
    array gy = random_array(REEL_F64, reel_shape_of(k->p.y));
    k->values = 1, k->value[0] = k->p.y, k->weight[0] = gy;
    for (int i = 0; i < count; i++) k->derivative[i] = k->p.gx[i];
    if (order == 2) claim_second(k, c);
    write_array(k->p.gy, &gy);
    for (int i = 0; i < count; i++) {
        k->x[i] = array_of(x[i].dtype, x[i].shape, x[i].at);
        write_array(k->p.x[i], &x[i]);
    }
    return reel_run(k->p.tape) == REEL_OK;
}

/* sum_j <weight[j], value[j](above) - value[j](below)> / (above - below), element e of x[i] moved by ±h. */
static double difference(claim *k, int i, int64_t e, double h)
{
    const double middle = k->x[i].at[e], above = middle + h, below = middle - h;
    double sum = 0;
    array high[OPERANDS];
    k->x[i].at[e] = above;
    write_array(k->p.x[i], &k->x[i]);
    reel_run(k->p.tape);
    for (int j = 0; j < k->values; j++) high[j] = read_array(k->value[j]);
    k->x[i].at[e] = below;
    write_array(k->p.x[i], &k->x[i]);
    reel_run(k->p.tape);
    for (int j = 0; j < k->values; j++) {
        array low = read_array(k->value[j]);
        for (int64_t o = 0; o < low.count; o++) sum += k->weight[j].at[o] * (high[j].at[o] - low.at[o]);
    }
    k->x[i].at[e] = middle;
    write_array(k->p.x[i], &k->x[i]);
    return sum / (above - below) + (k->extra[i].count ? k->extra[i].at[e] : 0);
}

static double extrapolated(claim *k, int i, int64_t e)
{
    const double h = 0x1p-7;
    double d1 = difference(k, i, e, h), d2 = difference(k, i, e, h / 2), d3 = difference(k, i, e, h / 4);
    double a = (4 * d2 - d1) / 3, b = (4 * d3 - d2) / 3;
    return (16 * b - a) / 15;
}

bool gradient_is_right(const op_case *c, const array *x, int order, char *text, size_t size)
{
    claim k = { 0 };
    array g[OPERANDS];
    bool right = make_claim(&k, c, x, order);
    if (!right) snprintf(text, size, "%s", reel_tape_error(k.p.tape));
    int derivatives = 0;
    for (int i = 0; right && i < operand_count(c); i++)
        if (k.derivative[i]) g[i] = read_array(k.derivative[i]), derivatives++;
    if (right && !derivatives) right = false, snprintf(text, size, "no operand has a gradient");
    for (int i = 0; right && i < operand_count(c); i++) {
        if (!k.derivative[i]) continue;
        if (!(right = alike(&g[i], &x[i], text, size))) break;
        for (int64_t e = 0; right && e < x[i].count; e++) {
            double d = extrapolated(&k, i, e);
            right = fabs(g[i].at[e] - d) <= 1e-9 * (1 + fabs(d));
            if (!right)
                snprintf(text, size, "order %d, operand %d, element %d: the gradient is %.17g, differences give %.17g",
                         order, i + 1, (int)e, g[i].at[e], d);
        }
    }
    program_free(&k.p);
    return right;
}
