/* Nothing outside a value is read or written: ops, products, reductions and random programs on memory whose blocks end,
 * or begin, at a page that nobody may touch, on every instruction set. A fault stops the test with the name of the case.
 * What comes out is compared with the plain executor, whose operands are copies. */
#include "core/base/cpu.h"
#include "core/run/executor.h"
#include "ops/kernels/reduce.h"

#include "guard.h"
#include "op_table.h"
#include "random_graph.h"

#include <criterion/criterion.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- A program on guarded memory --------------------------------------------------------------------------------- */

enum { INPUTS = 8, KEEPS = 16 };

typedef struct guarded {
    reel_model *model;
    reel_tape *tape;
    reel_tensor *leaf[INPUTS], *kept[KEEPS];
    int leaves, keeps;
} guarded;

static guarded begin(guard_side side)
{
    guarded p = { .model = reel_model_new((reel_model_options){ .seed = 5, .allocator = guard_allocator(side) }) };
    p.tape = reel_tape_new(p.model, (reel_tape_options){ .threads = 1 });
    return p;
}

static void end(guarded *p)
{
    reel_tape_free(p->tape);
    reel_model_free(p->model);
    cr_assert_eq(guard_blocks(), 0, "%d blocks were not freed", (int)guard_blocks());
}

static reel_tensor *operand_of(guarded *p, reel_dtype dtype, reel_shape shape)
{
    static const char *const names[INPUTS] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    cr_assert_lt(p->leaves, INPUTS);
    reel_tensor *x = guard_flush(p->tape, names[p->leaves], dtype, shape, &p->leaf[p->leaves]);
    p->leaves++;
    return x;
}

static void keep(guarded *p, reel_tensor *x)
{
    char name[16];
    cr_assert_lt(p->keeps, KEEPS);
    snprintf(name, sizeof name, "k%d", p->keeps);
    p->kept[p->keeps++] = reel_keep(x, name);
}

/* Around 0, the same for the same index. */
static double element(int input, int64_t i) { return (double)(((i + 7) * 37 + input * 11) % 64 - 31.5) / 16; }

static void write_leaves(const guarded *p)
{
    for (int k = 0; k < p->leaves; k++) {
        array a = array_new(reel_dtype_of(p->leaf[k]), reel_shape_of(p->leaf[k]));
        for (int64_t i = 0; i < a.count; i++) a.at[i] = a.dtype == REEL_I32 ? (double)(i % 2) : element(k, i);
        write_array(p->leaf[k], &a);
    }
}

/* Runs the program planned with these settings and plain, and compares all that is kept. */
static void compare(guarded *p, const reel__plan_settings *settings, const char *what)
{
    array plain[KEEPS];
    char text[200];
    cr_assert_null(reel_tape_error(p->tape), "%s: %s", what, reel_tape_error(p->tape));
    write_leaves(p);
    p->tape->plain = true;
    cr_assert_eq(reel_run(p->tape), REEL_OK, "%s: %s", what, reel_tape_error(p->tape));
    for (int k = 0; k < p->keeps; k++) plain[k] = read_array(p->kept[k]);
    p->tape->plain = false;
    *reel__settings(p->tape) = *settings;
    p->tape->retired++; /* a new plan */
    cr_assert_eq(reel_run(p->tape), REEL_OK, "%s: %s", what, reel_tape_error(p->tape));
    for (int k = 0; k < p->keeps; k++) {
        array planned = read_array(p->kept[k]);
        cr_assert(equal_arrays(&planned, &plain[k], text, sizeof text), "%s, kept %d: %s", what, k, text);
    }
    forget_arrays();
}

static void on_every_isa(void (*check)(int isa, guard_side side))
{
    for (int isa = 0; isa < REEL__ISAS; isa++)
        for (int side = GUARD_END; reel__isa_available(isa) && side <= GUARD_BEGINNING; side++)
            check(isa, (guard_side)side);
}

/* ---- The guard itself -------------------------------------------------------------------------------------------- */

/* The last element of a flush tensor, and the end of its block. */
static const float *end_of_leaf(guarded *p, int64_t count)
{
    guard_say_where("a test of the guard"); /* and not to a sanitizer, which would exit */
    operand_of(p, REEL_F32, REEL_SHAPE(count));
    return (const float *)p->leaf[0]->value->data + (count + 15) / 16 * 16;
}

Test(guard, stops_a_read_of_one_element_beyond_an_operand, .signal = SIGSEGV)
{
    guarded p = begin(GUARD_END);
    volatile float read = *end_of_leaf(&p, 17);
    (void)read;
}

Test(guard, stops_a_read_of_one_element_beyond_a_large_operand, .signal = SIGSEGV)
{
    guarded p = begin(GUARD_END);
    volatile float read = *end_of_leaf(&p, 5000);
    (void)read;
}

Test(guard, stops_a_read_of_a_line_before_a_block, .signal = SIGSEGV)
{
    guarded p = begin(GUARD_BEGINNING);
    volatile float read = end_of_leaf(&p, 5000)[-5008 - 32];
    (void)read;
}

Test(guard, lets_the_last_element_be_read)
{
    guarded p = begin(GUARD_END);
    cr_expect_eq(end_of_leaf(&p, 5000)[-1], 0);
    end(&p);
}

/* ---- Ops --------------------------------------------------------------------------------------------------------- */

static void check_op(const op_case *row, int64_t n, reel_dtype dtype, int isa, guard_side side)
{
    op_case c = sized_case(row, n);
    guarded p = begin(side);
    reel_tensor *x[OPERANDS] = { 0 };
    reel_list *wrt = reel_list_new(p.tape);
    char what[100];
    snprintf(what, sizeof what, "%s, row %d, size %d, %s", c.op, (int)(row - op_cases), (int)n, reel__isa_name(isa));
    guard_say_where("%s", what);
    for (int i = 0; i < operand_count(&c); i++) {
        x[i] = operand_of(&p, c.x[i].kind == WHOLE ? REEL_I32 : dtype, c.x[i].shape);
        if (c.x[i].kind == REAL && !c.x[i].constant) reel_list_append(wrt, NULL, x[i]);
    }
    reel_tensor *y = c.record(&c, x);
    keep(&p, y);
    if (!(c.is & NO_GRADIENT) && dtype != REEL_I32) {
        const reel_list *g = reel_vjp(y, operand_of(&p, reel_dtype_of(y), reel_shape_of(y)), wrt);
        for (int i = 0; i < reel_list_count(g); i++) keep(&p, reel_list_at(g, i));
    }
    compare(&p, &(reel__plan_settings){ .isa = isa + 1 }, what);
    end(&p);
}

static void check_ops(int isa, guard_side side)
{
    static const int64_t sizes[] = { 1, 3, 16, 17, 31, 65 };
    for (const op_case *c = op_cases; c < end_of_cases; c++)
        for (int s = 0; s < COUNT(sizes) && !(c->is & DRAWS); s++) {
            check_op(c, sizes[s], REEL_F32, isa, side);
            if (sizes[s] != 17) continue;
            check_op(c, sizes[s], REEL_F64, isa, side);
            if (c->is & NUMBERS) check_op(c, sizes[s], REEL_I32, isa, side);
        }
}

Test(guard, every_op_stays_within_its_operands, .timeout = 120) { on_every_isa(check_ops); }

/* ---- Products ---------------------------------------------------------------------------------------------------- */

static reel_tensor *matrix(guarded *p, reel_dtype dtype, int64_t rows, int64_t columns, bool turned)
{
    reel_tensor *x = operand_of(p, dtype, turned ? REEL_SHAPE(columns, rows) : REEL_SHAPE(rows, columns));
    return turned ? reel_transpose(x) : x;
}

typedef struct product_case {
    reel_dtype dtype;
    int64_t m, n, k;
    int isa, turned, pack;
    guard_side side;
} product_case;

static void check_product(const product_case *c)
{
    guarded p = begin(c->side);
    char what[200];
    snprintf(what, sizeof what, "%s: [%d,%d] [%d,%d], turned %d, pack %d, %s", c->dtype == REEL_F32 ? "f32" : "f64",
             (int)c->m, (int)c->k, (int)c->k, (int)c->n, c->turned, c->pack, reel__isa_name(c->isa));
    guard_say_where("%s", what);
    reel_tensor *a = matrix(&p, c->dtype, c->m, c->k, c->turned & 1),
                *b = matrix(&p, c->dtype, c->k, c->n, c->turned & 2);
    reel_tensor *y = reel_matmul(a, b);
    keep(&p, y);
    keep(&p, reel_add(reel_tanh(reel_matmul(a, reel_neg(b))), operand_of(&p, c->dtype, REEL_SHAPE(c->m, c->n))));
    reel__plan_settings s = { .isa = c->isa + 1 };
    if (c->pack == 3) s.pack_ahead = true;
    else s.pack = c->pack == 1 ? REEL__PACK : c->pack == 2 ? REEL__IN_PLACE : 0;
    compare(&p, &s, what);
    end(&p);
}

/* One row and one column are where a vector kernel is tempted to read a whole one. */
static void check_products(int isa, guard_side side)
{
    static const int64_t sizes[] = { 1, 2, 7, 16, 17, 33, 65 }, depths[] = { 1, 3, 16, 35 };
    product_case c = { .isa = isa, .side = side };
    for (int m = 0; m < COUNT(sizes); m++)
        for (int n = 0; n < COUNT(sizes); n++)
            for (int k = 0; k < COUNT(depths); k++)
                for (c.turned = 0; c.turned < 4; c.turned++) {
                    c.m = sizes[m], c.n = sizes[n], c.k = depths[k];
                    c.pack = (m + n + k + c.turned) % 4, c.dtype = (m + n / 2 + c.turned) % 3 ? REEL_F32 : REEL_F64;
                    check_product(&c);
                }
}

Test(guard, products_stay_within_their_operands, .timeout = 120) { on_every_isa(check_products); }

/* Next to the pieces of 512 and blocks that no size above reaches. */
static void check_large_products(int isa, guard_side side)
{
    static const int64_t shapes[][3] = { { 1, 1, 513 },   { 1, 300, 1025 }, { 300, 1, 1024 }, { 2, 1030, 5 },
                                         { 1030, 2, 65 }, { 65, 600, 513 }, { 5, 17, 2049 },  { 260, 260, 31 } };
    for (int i = 0; i < COUNT(shapes); i++)
        for (int turned = 0; turned < 4; turned++)
            check_product(&(product_case){ REEL_F32, shapes[i][0], shapes[i][1], shapes[i][2], isa, turned,
                                           (i + turned) % 4, side });
}

Test(guard, large_products_stay_within_their_operands, .timeout = 120) { on_every_isa(check_large_products); }

/* What follows needs rows whole, so that a block, and what is packed for it, is larger than the product proposed. */
static void check_whole_rows_of(int64_t m, int64_t n, int64_t k, int turned, int pack, int isa, guard_side side)
{
    guarded p = begin(side);
    char what[100];
    snprintf(what, sizeof what, "[%d,%d] [%d,%d], turned %d, packed %d, %s", (int)m, (int)k, (int)k, (int)n, turned,
             pack, reel__isa_name(isa));
    guard_say_where("%s", what);
    reel_tensor *a = matrix(&p, REEL_F32, m, k, turned & 1), *b = matrix(&p, REEL_F32, k, n, turned & 2);
    keep(&p, reel_softmax(reel_scale(reel_matmul(a, b), 0.125), -1));
    const reel__plan_settings s = { .isa = isa + 1, .pack = pack & 1 ? REEL__PACK : 0, .l2 = pack & 2 ? 16384 : 0 };
    compare(&p, &s, what);
    end(&p);
}

static void check_whole_rows(int isa, guard_side side)
{
    static const int64_t shapes[][3] = { { 3, 1000, 40 }, { 150, 100, 520 }, { 40, 130, 513 }, { 70, 400, 20 } };
    for (int i = 0; i < COUNT(shapes); i++)
        for (int turned = 0; turned < 4; turned++)
            for (int pack = 0; pack < 4; pack++)
                check_whole_rows_of(shapes[i][0], shapes[i][1], shapes[i][2], turned, pack, isa, side);
}

Test(guard, products_with_whole_rows_stay_within_their_workspace, .timeout = 120) { on_every_isa(check_whole_rows); }

/* ---- Shapes next to every limit ---------------------------------------------------------------------------------- */

/* A chain of ops, its sums along both axes and its largest, softmax, and a mean that is subtracted: tiles, rows that a
 * tile holds and rows that it does not, blocks of 64 and of 256. */
static void check_shape(int64_t rows, int64_t columns, reel_dtype dtype, int isa, guard_side side)
{
    guarded p = begin(side);
    char what[100];
    snprintf(what, sizeof what, "[%d,%d], %s", (int)rows, (int)columns, reel__isa_name(isa));
    guard_say_where("%s", what);
    reel_tensor *x = operand_of(&p, dtype, REEL_SHAPE(rows, columns)), *b = operand_of(&p, dtype, REEL_SHAPE(columns)),
                *c = operand_of(&p, dtype, REEL_SHAPE(rows, 1));
    reel_tensor *y = reel_tanh(reel_add(reel_mul(x, b), c));
    for (int axis = 0; axis < 2; axis++) {
        keep(&p, reel_sum(y, REEL_AXES(axis), REEL_DROP));
        keep(&p, reel_max(reel_mul(y, b), REEL_AXES(axis), REEL_DROP));
        keep(&p, reel_sum(reel_exp(reel_sub(y, reel_mean(y, REEL_AXES(axis), REEL_KEEP))), REEL_AXES(axis), REEL_DROP));
        keep(&p, reel_sum(x, REEL_AXES(axis), REEL_DROP));
    }
    keep(&p, reel_sum(reel_abs(y), REEL_ALL, REEL_DROP));
    keep(&p, y);
    compare(&p, &(reel__plan_settings){ .isa = isa + 1 }, what);
    end(&p);
}

static void check_limits(int isa, guard_side side)
{
    static const int64_t limits[] = { 16, 64, 256, 512, 1024, 2048, 4096 };
    for (int i = 0; i < COUNT(limits); i++)
        for (int64_t n = limits[i] - 1; n <= limits[i] + 1; n++)
            for (int64_t other = 1; other <= 3; other += 2) {
                check_shape(other, n, REEL_F32, isa, side);
                check_shape(n, other, n % 3 ? REEL_F32 : REEL_F64, isa, side);
            }
    check_shape(65, 1025, REEL_F32, isa, side);
    check_shape(129, 2049, REEL_F32, isa, side);
    check_shape(4097, 130, REEL_F32, isa, side);
}

Test(guard, shapes_next_to_every_limit_stay_within_memory, .timeout = 120) { on_every_isa(check_limits); }

/* ---- Sums over long and wide arrays ------------------------------------------------------------------------------ */

static const reel__reduce_kernels *const reductions[REEL__ISAS] = { REEL__EACH_SET(reel__reduce) };

/* The kernel's room for chains is divided by how many levels of blocks there are: each count of rows at which a level
 * begins, with more columns than the room has for one chain. Rows are pages of zeros that take no memory, the last one
 * is not, so that the result is known. The kernel's frame lies between two that are full of a pattern. */
static __attribute__((noinline)) void sum_columns(int isa, float *y, const float *x, int64_t rows, int64_t columns)
{
    volatile uint64_t above[2048];
    for (int i = 0; i < COUNT(above); i++) above[i] = 0x0123456789abcdefu + (uint64_t)i;
    reductions[isa]->sum[REEL_F32](y, x, 1, rows, columns);
    for (int i = 0; i < COUNT(above); i++) cr_assert_eq(above[i], 0x0123456789abcdefu + (uint64_t)i);
}

static void check_columns(int64_t rows, int64_t columns)
{
    const size_t bytes = (size_t)(rows * columns) * sizeof(float);
    float *x = guard_zeros(bytes), *y = malloc((size_t)columns * sizeof *y);
    cr_assert(x && y);
    for (int64_t c = 0; c < columns; c++) x[(rows - 1) * columns + c] = (float)(c + 1);
    for (int isa = 0; isa < REEL__ISAS; isa++) {
        if (!reel__isa_available(isa)) continue;
        guard_say_where("a sum over %d rows of %d columns, %s", (int)rows, (int)columns, reel__isa_name(isa));
        sum_columns(isa, y, x, rows, columns);
        for (int64_t c = 0; c < columns; c++)
            cr_assert_eq(y[c], (float)(c + 1), "%d rows of %d columns, %s: column %d is %g", (int)rows, (int)columns,
                         reel__isa_name(isa), (int)c, (double)y[c]);
    }
    guard_zeros_free(x, bytes);
    free(y);
}

Test(guard, sums_over_long_and_wide_arrays_stay_within_their_room, .timeout = 120)
{
    static const int64_t blocks[] = { 64, 64 * 64, 64 * 64 * 64 };
    for (int i = 0; i < COUNT(blocks); i++)
        for (int64_t rows = blocks[i]; rows <= blocks[i] + 1; rows++) check_columns(rows, i == 2 ? 520 : 2100);
    check_columns(65, 1025), check_columns(4097, 683), check_columns(4097, 1366);
}

/* ---- Random programs --------------------------------------------------------------------------------------------- */

static void check_random(uint64_t seed, const reel__plan_settings *settings, guard_side side)
{
    guarded p = begin(side);
    graph *g = calloc(1, sizeof *g);
    g->tape = p.tape, g->seed = seed;
    guard_say_where("the random program %d on %s", (int)seed, reel__isa_name(settings->isa - 1));
    random_graph(g);
    *reel__settings(p.tape) = *settings;
    for (int run = 0; run < 2; run++) {
        graph_write(g, run);
        cr_assert_eq(reel_run(p.tape), REEL_OK, "seed %d: %s", (int)seed, reel_tape_error(p.tape));
    }
    free(g);
    end(&p);
}

/* Values are compared in test_equality.c; here they only have to be reached. */
Test(guard, random_programs_stay_within_memory, .timeout = 120)
{
    for (uint64_t seed = 1; seed <= 400; seed++) {
        int isa = (int)(seed % REEL__ISAS);
        while (!reel__isa_available(isa)) isa--;
        const reel__plan_settings settings = { .isa = isa + 1,
                                               .pack = seed % 7 == 0 ? REEL__PACK : 0,
                                               .pack_ahead = seed % 5 == 0,
                                               .no_reuse = seed % 3 == 0,
                                               .tile = seed % 11 == 0 ? 48 : 0,
                                               .block = seed % 13 == 0 ? 16 : 0 };
        check_random(seed, &settings, seed % 4 ? GUARD_END : GUARD_BEGINNING);
    }
}
