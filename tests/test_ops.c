/* Every op, without exception, has the properties here: its values are those of its formula, its gradients those of
 * differences, layout does not show, special values are the tabulated ones. The rows are in op_table.h, the references
 * in naive.h, the checkers in support.c; the last suite here plants faults and sees the checkers catch them. What a
 * product or a sum is to the bit is in test_bits.c. */
#include <criterion/criterion.h>

#include "files.h"
#include "op_table.h"
#include "worst.h"

#include <reel/op.h>

#include <ctype.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>

static char text[400];

#define EXPECT(condition, row, n, what)                                                                                \
    do {                                                                                                               \
        bool good_ = (condition);                                                                                      \
        const op_case *row_ = row;                                                                                     \
        cr_expect(good_, "%s, row %d, size %d, %s: %s", row_->op, (int)(row_ - op_cases), (int)(n), what, text);       \
        text[0] = 0;                                                                                                   \
    } while (0)

static const int64_t sizes[] = { 1, 2, 5, 15, 16, 17, 255, 256, 257, 0 };

static int sizes_for(const op_case *c) { return COUNT(sizes) - (c->is & NOT_EMPTY ? 1 : 0); }

static bool has_gradient(const op_case *c) { return !(c->is & NO_GRADIENT); }

static double f32_bound(const op_case *c) { return (c->ulps > 0 ? c->ulps : 4) * (double)FLT_EPSILON; }

static void seed(void) { random_seed(1); }

TestSuite(table, .init = seed);
TestSuite(ops, .init = seed);
TestSuite(special, .init = seed);
TestSuite(planted, .init = seed);

/* ---- The table is complete --------------------------------------------------------------------------------------- */

/* The name in the next prototype "REEL_API reel_tensor *reel_<name>(" and what follows it; NULL after the last. */
static const char *next_prototype(const char *at, char *name)
{
    static const char start[] = "REEL_API reel_tensor *reel_";
    const char *p = strstr(at, start);
    if (!p) return NULL;
    p += strlen(start);
    size_t length = strcspn(p, "(");
    cr_assert(length < 40);
    memcpy(name, p, length);
    name[length] = 0;
    return p + length;
}

static const op_case *case_of(const char *op)
{
    for (const op_case *c = op_cases; c < end_of_cases; c++)
        if (strcmp(c->op, op) == 0) return c;
    return NULL;
}

Test(table, has_a_row_for_every_op_of_the_header)
{
    char name[40];
    int count = 0;
    for (const char *p = read_source("include/reel/ops.h"); (p = next_prototype(p, name)); count++)
        cr_expect(case_of(name),
                  "reel_%s of include/reel/ops.h has no row, in ops/pointwise.table.h or tests/op_table.h", name);
    cr_expect_geq(count, 75);
}

Test(table, has_no_row_without_an_op)
{
    const char *header = read_source("include/reel/ops.h");
    for (const op_case *c = op_cases; c < end_of_cases; c++) {
        snprintf(text, sizeof text, "REEL_API reel_tensor *reel_%s(", c->op);
        cr_expect(strstr(header, text), "row %s has no prototype", c->op);
    }
}

/* The rows of ops/pointwise.table.h. */
typedef struct pointwise_row {
    const char *op, *types;
    int operands;
} pointwise_row;

static const pointwise_row pointwise_rows[] = {
#define UNARY(op, types, ...) { #op, #types, 1 },
#define BINARY(op, types, ...) { #op, #types, 2 },
#define COMPARE(op, ...) { #op, "NUMBERS", 2 },
#include "ops/pointwise.table.h"
};

static const pointwise_row *pointwise_row_of(const char *op)
{
    for (int i = 0; i < COUNT(pointwise_rows); i++)
        if (strcmp(pointwise_rows[i].op, op) == 0) return &pointwise_rows[i];
    return NULL;
}

Test(table, every_pointwise_row_of_the_library_has_its_prototype_marked_a_primitive)
{
    const char *header = read_source("include/reel/ops.h");
    for (int i = 0; i < COUNT(pointwise_rows); i++) {
        const pointwise_row *row = &pointwise_rows[i];
        snprintf(text, sizeof text, "reel_%s(%s);", row->op,
                 row->operands == 1 ? "reel_tensor *x" : "reel_tensor *a, reel_tensor *b");
        const char *p = strstr(header, text);
        cr_assert(p, "no prototype: %s", text);
        p += strlen(text) + strspn(p + strlen(text), " ");
        cr_expect(strncmp(p, "/* | ", 5) == 0, "%s is not marked as a primitive with a formula", text);
    }
}

Test(table, every_primitive_among_the_pointwise_prototypes_is_a_row_of_the_library)
{
    char name[40];
    const char *p = strstr(read_source("include/reel/ops.h"), "---- Pointwise, two operands"),
               *end = strstr(p, "---- Activations");
    while ((p = next_prototype(p, name)) && p < end) {
        const char *comment = strstr(p, "/* ");
        bool primitive = strncmp(comment, "/* | ", 5) == 0, in_table = pointwise_row_of(name) != NULL;
        bool of_mixed_types = !strcmp(name, "where") || !strcmp(name, "cast") || !strcmp(name, "detach");
        cr_expect(!primitive || in_table || of_mixed_types, "%s is no row of ops/pointwise.table.h", name);
    }
}

/* Of the ops that a headline of the header names as also for i32. */
static bool header_has_for_i32(const char *op)
{
    const size_t length = strlen(op);
    for (const char *p = read_source("include/reel/ops.h"); (p = strstr(p, "/* ---- Pointwise, ")) != NULL; p++) {
        const char *end = strstr(p, "also for i32");
        for (const char *at = p; end && (at = strstr(at, op)) != NULL && at < end; at++)
            if (at[-1] == ' ' && (at[length] == ' ' || at[length] == ',')) return true;
    }
    return false;
}

Test(table, takes_i32_where_the_header_says_so)
{
    cr_assert(header_has_for_i32("comparisons"));
    for (int r = 0; r < COUNT(pointwise_rows); r++) {
        const pointwise_row *row = &pointwise_rows[r];
        bool compares = row->op[2] == 0;
        cr_expect_eq(strcmp(row->types, "NUMBERS") == 0, compares || header_has_for_i32(row->op), "%s", row->op);
    }
}

/* ---- Values ------------------------------------------------------------------------------------------------------ */

static void expect_values(const op_case *row, const op_case *c, int64_t n)
{
    array x[OPERANDS];
    random_operands(c, REEL_F64, x);
    EXPECT(forward_is_right(c, x, 1e-12, text, sizeof text), row, n, "f64");
    for (int i = 0; i < operand_count(c); i++)
        if (x[i].dtype == REEL_F64) x[i].dtype = REEL_F32;
    EXPECT(forward_is_right(c, x, f32_bound(c), text, sizeof text), row, n, "f32");
    forget_arrays();
}

Test(ops, values_are_those_of_the_formula)
{
    for (const op_case *c = op_cases; c < end_of_cases; c++)
        for (int s = 0; s < sizes_for(c); s++) {
            op_case sized = sized_case(c, sizes[s]);
            expect_values(c, &sized, sizes[s]);
        }
}

static const reel_shape any_shapes[] = {
    { 0, { 0 } },
    { 1, { 1 } },
    { 8, { 2, 1, 2, 1, 1, 3, 1, 2 } },
    { 4, { 2, 0, 3, 1 } },
    { 8, { 1, 1, 1, 1, 1, 1, 1, 1 } },
};

static op_case shaped_case(const op_case *c, reel_shape shape)
{
    op_case shaped = *c;
    for (int i = 0; i < operand_count(c); i++) shaped.x[i].shape = shape;
    return shaped;
}

Test(ops, pointwise_ops_take_any_rank)
{
    for (const op_case *c = op_cases; c < end_of_cases; c++)
        for (int s = 0; c->is & POINTWISE && s < COUNT(any_shapes); s++) {
            op_case shaped = shaped_case(c, any_shapes[s]);
            expect_values(c, &shaped, -1 - s);
            if (!has_gradient(c) || c->is & ROUNDS) continue;
            array x[OPERANDS];
            random_operands(&shaped, REEL_F64, x);
            EXPECT(gradient_is_right(&shaped, x, 1, text, sizeof text), c, -1 - s, "gradient");
            forget_arrays();
        }
}

/* ---- Gradients --------------------------------------------------------------------------------------------------- */

static void expect_gradients(const op_case *c, int64_t n, int order)
{
    op_case sized = sized_case(c, n);
    array x[OPERANDS];
    if (!has_gradient(c) || c->is & ROUNDS) return;
    random_operands(&sized, REEL_F64, x);
    EXPECT(gradient_is_right(&sized, x, order, text, sizeof text), c, n, "gradient");
    forget_arrays();
}

Test(ops, gradients_are_those_of_differences)
{
    for (const op_case *c = op_cases; c < end_of_cases; c++)
        for (int s = 0; s < sizes_for(c); s++)
            if (sizes[s] <= 17) expect_gradients(c, sizes[s], 1);
}

Test(ops, second_gradients_are_those_of_differences_of_gradients)
{
    for (const op_case *c = op_cases; c < end_of_cases; c++)
        for (int s = 0; s < sizes_for(c); s++)
            if (sizes[s] <= 5) expect_gradients(c, sizes[s], 2);
}

Test(ops, gradients_in_f32_are_near_those_in_f64)
{
    for (const op_case *c = op_cases; c < end_of_cases; c++)
        for (int s = 0; has_gradient(c) && s < sizes_for(c); s++) {
            op_case sized = sized_case(c, sizes[s]);
            array x[OPERANDS], y, g64[OPERANDS], g32[OPERANDS];
            random_operands(&sized, REEL_F64, x);
            c->naive(&sized, x, &y);
            array gy = random_array(y.dtype, y.shape);
            EXPECT(compute(&sized, x, &gy, &y, g64, text, sizeof text), c, sizes[s], "f64");
            for (int i = 0; i < operand_count(c); i++)
                if (x[i].dtype == REEL_F64) x[i].dtype = REEL_F32;
            c->naive(&sized, x, &y);
            gy.dtype = y.dtype;
            EXPECT(compute(&sized, x, &gy, &y, g32, text, sizeof text), c, sizes[s], "f32");
            for (int i = 0; i < operand_count(c); i++) {
                if (c->x[i].kind != REAL) continue;
                g64[i].dtype = REEL_F32;
                EXPECT(close_arrays(&g32[i], &g64[i], 4 * f32_bound(c), largest_of(&g64[i]), text, sizeof text), c,
                       sizes[s], "gradient");
            }
            forget_arrays();
        }
}

static bool depends_on(const reel_tensor *y, const reel_tensor *x)
{
    bool does = y == x;
    for (int i = 0; i < reel_input_count(y) && !does; i++) does = depends_on(reel_input_at(y, i), x);
    return does;
}

static bool takes_the_type_alone(const op_case *c)
{
    static const char *const ops[] = { "number", "fill", "iota", "uniform", "normal" };
    for (int i = 0; i < COUNT(ops); i++)
        if (strcmp(ops[i], c->op) == 0) return true;
    return false;
}

/* An operand with every element from one f32 leaf, i32 by way of a cast: whatever passes a gradient through the op would
 * pass it on to the leaf. */
static void add_from_leaf(program *p, int count, const array *x, reel_tensor *leaf)
{
    for (int i = 0; i < count; i++) p->x[i] = reel_cast(reel_expand(leaf, x[i].shape), x[i].dtype);
}

static void expect_no_gradient(const op_case *c)
{
    op_case sized = sized_case(c, 3);
    array x[OPERANDS];
    random_operands(&sized, REEL_F32, x);
    program p = program_new();
    reel_tensor *leaf = reel_input(p.tape, "leaf", REEL_F32, REEL_SCALAR);
    add_from_leaf(&p, operand_count(c), x, leaf);
    record_case(&p, &sized);
    cr_expect_eq(reel_tape_status(p.tape), REEL_OK, "%s: %s", c->op, reel_tape_error(p.tape));
    const bool by_value = depends_on(p.y, leaf);
    reel_gradient(reel_sum(reel_cast(p.y, REEL_F32), REEL_ALL, REEL_DROP), leaf);
    cr_expect_eq(reel_tape_status(p.tape), REEL_UNREACHED, "%s passes a gradient", c->op);
    const char *why = by_value ? "the path is cut at" : "does not depend on";
    const char *error = reel_tape_error(p.tape);
    cr_expect(error && strstr(error, why), "%s: %s", c->op, error);
    cr_expect(by_value != takes_the_type_alone(c), "%s", c->op);
    program_free(&p);
    forget_arrays();
}

Test(ops, no_gradient_passes_where_the_header_says_so)
{
    int rows = 0;
    for (const op_case *c = op_cases; c < end_of_cases; c++)
        if (!has_gradient(c)) expect_no_gradient(c), rows++;
    cr_expect_geq(rows, 15);
}

/* ---- Layouts ----------------------------------------------------------------------------------------------------- */

enum { TRANSPOSED, SLICED, STEPPED, REPEATED_FIRST, REPEATED_LAST, LAYOUTS };

static const char *const layout_names[] = { "transposed", "sliced", "stepped", "repeated first", "repeated last" };

static bool is_repeated(int layout) { return layout == REPEATED_FIRST || layout == REPEATED_LAST; }

static int repeated_axis(int layout, const array *x) { return layout == REPEATED_FIRST ? 0 : x->shape.rank - 1; }

/* The same along an axis: what an expand gives. */
static void repeat(array *x, int layout)
{
    if (!x->shape.rank || !is_repeated(layout)) return;
    FOR_EACH(at, *x)
    {
        int64_t first[REEL_MAX_RANK];
        memcpy(first, at, sizeof first);
        first[repeated_axis(layout, x)] = 0;
        *cell(x, at) = *cell(x, first);
    }
}

/* What is written to the input from which x is made: x's elements elsewhere, and around them what must not show. */
static array base_of(const array *x, int layout)
{
    reel_shape shape = x->shape;
    int rank = shape.rank, axis = layout == STEPPED ? 0 : rank - 1;
    if (rank == 0) return array_of(x->dtype, shape, x->at);
    if (layout == TRANSPOSED)
        for (int d = 0; d < rank; d++) shape.size[d] = x->shape.size[rank - 1 - d];
    else if (is_repeated(layout)) shape.size[repeated_axis(layout, x)] = 1;
    else shape.size[axis] = layout == SLICED ? shape.size[axis] + 3 : 2 * shape.size[axis] + 1;
    array base = array_new(x->dtype, shape);
    for (int64_t i = 0; i < base.count && !is_repeated(layout); i++)
        base.at[i] = x->dtype == REEL_I32 ? 99 : (double)NAN;
    FOR_EACH(at, *x)
    {
        int64_t to[REEL_MAX_RANK];
        for (int d = 0; d < rank; d++) to[d] = layout == TRANSPOSED ? at[rank - 1 - d] : at[d];
        if (layout == SLICED) to[axis] += 1;
        if (layout == STEPPED) to[axis] = 2 * to[axis] + 1;
        if (is_repeated(layout)) to[repeated_axis(layout, x)] = 0;
        *cell(&base, to) = *cell(x, at);
    }
    return base;
}

static reel_tensor *made_from(reel_tensor *base, const array *x, int layout)
{
    int rank = x->shape.rank;
    if (rank == 0) return base;
    if (is_repeated(layout)) return reel_expand(base, x->shape);
    if (layout == SLICED) return reel_slice(base, -1, 1, -2);
    if (layout == STEPPED) return reel_slice_step(base, 0, 1, 2 * x->shape.size[0] + 1, 2);
    reel_axes order = { .count = rank };
    for (int d = 0; d < rank; d++) order.axis[d] = rank - 1 - d;
    return reel_permute(base, order);
}

/* y and gradients of operands that are laid out: those of what is made from an input, or, of an expand, of the input. */
static bool compute_laid_out(const op_case *c, const array *x, const int *layout, const array *gy, array *y, array *gx)
{
    program p = program_new();
    int count = operand_count(c);
    array base[OPERANDS];
    reel_tensor *input[OPERANDS] = { 0 };
    for (int i = 0; i < count; i++) base[i] = base_of(&x[i], layout[i]);
    add_inputs(&p, count, base);
    for (int i = 0; i < count; i++) {
        input[i] = p.x[i];
        p.x[i] = made_from(p.x[i], &x[i], layout[i]);
    }
    record_case(&p, c);
    for (int i = 0; i < count; i++)
        if (is_repeated(layout[i])) p.x[i] = input[i];
    if (gy) record_gradients(&p, c);
    for (int i = 0; i < count; i++) write_array(input[i], &base[i]);
    if (gy) write_array(p.gy, gy);
    bool good = reel_run(p.tape) == REEL_OK;
    if (!good) snprintf(text, sizeof text, "%s", reel_tape_error(p.tape));
    if (good) *y = read_array(p.y);
    for (int i = 0; good && gy && i < count; i++)
        if (p.gx[i]) gx[i] = read_array(p.gx[i]);
    program_free(&p);
    return good;
}

/* The gradient of what an expand repeated: the sum. */
static void add_repeated(array *g, int layout)
{
    reel_shape shape = g->shape;
    if (!shape.rank) return;
    shape.size[repeated_axis(layout, g)] = 1;
    array sum = array_new(g->dtype, shape);
    FOR_EACH(at, *g)
    {
        int64_t to[REEL_MAX_RANK];
        memcpy(to, at, sizeof to);
        to[repeated_axis(layout, g)] = 0;
        *cell(&sum, to) += *cell(g, at);
    }
    *g = sum;
}

static void expect_layouts(const op_case *row, int64_t n, reel_dtype dtype, const int *layout)
{
    op_case c = sized_case(row, n);
    array x[OPERANDS], y, laid_out, gx[OPERANDS], laid_out_gx[OPERANDS], gy = { 0 };
    random_operands(&c, dtype, x);
    for (int i = 0; i < operand_count(&c); i++) repeat(&x[i], layout[i]);
    c.naive(&c, x, &y);
    if (has_gradient(&c) && dtype != REEL_I32) gy = random_array(y.dtype, y.shape);
    const array *cotangent = gy.at ? &gy : NULL;
    const char *name = layout_names[layout[0]];
    bool good = compute(&c, x, cotangent, &y, gx, text, sizeof text) &&
                compute_laid_out(&c, x, layout, cotangent, &laid_out, laid_out_gx);
    EXPECT(good && equal_arrays(&laid_out, &y, text, sizeof text), row, n, name);
    for (int i = 0; good && cotangent && i < operand_count(&c); i++) {
        if (c.x[i].kind != REAL) continue;
        if (!is_repeated(layout[i])) {
            EXPECT(equal_arrays(&laid_out_gx[i], &gx[i], text, sizeof text), row, n, name);
            continue;
        }
        double largest = 1;
        for (int64_t k = 0; k < gx[i].count; k++) largest = worse_of(largest, fabs(gx[i].at[k]));
        EXPECT(isfinite(largest), row, n, name);
        add_repeated(&gx[i], layout[i]);
        for (int64_t k = 0; k < gx[i].count; k++) {
            double unit = dtype == REEL_F32 ? 4 * (double)FLT_EPSILON : 1e-13;
            double off = fabs(laid_out_gx[i].at[k] - gx[i].at[k]), bound = unit * largest * (double)(x[i].count + 1);
            EXPECT(off <= bound, row, n, name);
        }
    }
    forget_arrays();
}

static void expect_all_layouts(reel_dtype dtype)
{
    for (const op_case *c = op_cases; c < end_of_cases; c++)
        for (int s = 0; s < sizes_for(c); s++)
            for (int first = 0; first < LAYOUTS; first++)
                for (int next = 0; next < (operand_count(c) > 1 ? 2 : 1); next++) {
                    int layout[OPERANDS];
                    for (int i = 0; i < OPERANDS; i++) layout[i] = (first + i * next) % LAYOUTS;
                    if (dtype != REEL_I32 || c->is & NUMBERS) expect_layouts(c, sizes[s], dtype, layout);
                }
}

Test(ops, layout_does_not_show_in_f32) { expect_all_layouts(REEL_F32); }
Test(ops, layout_does_not_show_in_f64) { expect_all_layouts(REEL_F64); }
Test(ops, layout_does_not_show_in_i32) { expect_all_layouts(REEL_I32); }

/* ---- Whole numbers ----------------------------------------------------------------------------------------------- */

Test(ops, whole_numbers_are_exact_and_wrap_around)
{
    for (const op_case *c = op_cases; c < end_of_cases; c++)
        for (int s = 0; c->is & NUMBERS && s < sizes_for(c); s++) {
            op_case sized = sized_case(c, sizes[s]);
            array x[OPERANDS];
            random_operands(&sized, REEL_I32, x);
            EXPECT(forward_is_right(&sized, x, 0, text, sizeof text), c, sizes[s], "i32");
            forget_arrays();
        }
}

Test(ops, the_ends_of_i32_wrap_around)
{
    enum { N_PAIRS = 6 };
    static const double a[] = { INT32_MIN, INT32_MAX, INT32_MIN, 65536, INT32_MIN, -1 };
    static const double b[] = { -1, 1, INT32_MIN, 65537, 1, INT32_MIN };
    const struct {
        const char *op;
        double y[N_PAIRS];
    } expected[] = {
        { "add", { INT32_MAX, INT32_MIN, 0, 131073, INT32_MIN + 1.0, INT32_MAX } },
        { "sub", { INT32_MIN + 1.0, INT32_MAX - 1.0, 0, -1, INT32_MAX, INT32_MAX } },
        { "mul", { INT32_MIN, INT32_MAX, 0, 65536, INT32_MIN, INT32_MIN } },
        { "minimum", { INT32_MIN, 1, INT32_MIN, 65536, INT32_MIN, INT32_MIN } },
        { "maximum", { -1, INT32_MAX, INT32_MIN, 65537, 1, -1 } },
        { "lt", { 1, 0, 0, 1, 1, 0 } },
        { "neg", { INT32_MIN, -INT32_MAX, INT32_MIN, -65536, INT32_MIN, 1 } },
        { "abs", { INT32_MIN, INT32_MAX, INT32_MIN, 65536, INT32_MIN, 1 } },
        { "sign", { -1, 1, -1, 1, -1, -1 } },
    };
    array x[] = { array_of(REEL_I32, REEL_SHAPE(N_PAIRS), a), array_of(REEL_I32, REEL_SHAPE(N_PAIRS), b) }, y;
    for (int i = 0; i < COUNT(expected); i++) {
        const op_case *c = case_of(expected[i].op);
        cr_assert(compute(c, x, NULL, &y, NULL, text, sizeof text), "%s: %s", c->op, text);
        array right = array_of(REEL_I32, REEL_SHAPE(N_PAIRS), expected[i].y);
        EXPECT(equal_arrays(&y, &right, text, sizeof text), c, N_PAIRS, "i32");
    }
    forget_arrays();
}

Test(ops, whole_numbers_are_refused_where_the_header_says_so)
{
    for (const op_case *c = op_cases; c < end_of_cases; c++) {
        if (!(c->is & FLOATS)) continue;
        op_case sized = sized_case(c, 3);
        array x[OPERANDS];
        random_operands(&sized, REEL_I32, x);
        program p = program_new();
        add_inputs(&p, operand_count(c), x);
        record_case(&p, &sized);
        cr_expect_eq(reel_tape_status(p.tape), REEL_BAD_DTYPE, "%s takes i32", c->op);
        cr_expect(reel_is_bad(p.y));
        program_free(&p);
        forget_arrays();
    }
}

/* ---- The same program gives the same bits ------------------------------------------------------------------------ */

/* y and gradients of op(−x0, −x1, …), inputs and operands recorded forwards or backwards. */
static void compute_in_order(const op_case *c, const array *x, const array *gy, bool backwards, array *y, array *gx)
{
    static const char *const names[] = { "x0", "x1", "x2" };
    program p = program_new();
    reel_tensor *input[OPERANDS];
    int count = operand_count(c);
    for (int k = 0; k < count; k++) {
        int i = backwards ? count - 1 - k : k;
        input[i] = reel_input(p.tape, names[i], x[i].dtype, x[i].shape);
    }
    for (int k = 0; k < count; k++) {
        int i = backwards ? count - 1 - k : k;
        p.x[i] = x[i].dtype == REEL_I32 ? input[i] : reel_neg(reel_neg(input[i]));
    }
    record_case(&p, c);
    for (int i = 0; i < count; i++) p.x[i] = input[i];
    if (gy) record_gradients(&p, c);
    for (int i = 0; i < count; i++) write_array(input[i], &x[i]);
    if (gy) write_array(p.gy, gy);
    cr_expect_eq(reel_run(p.tape), REEL_OK, "%s: %s", c->op, reel_tape_error(p.tape));
    *y = read_array(p.y);
    for (int i = 0; gy && i < count; i++)
        if (p.gx[i]) gx[i] = read_array(p.gx[i]);
    program_free(&p);
}

Test(ops, the_order_of_recording_operands_does_not_show)
{
    for (const op_case *c = op_cases; c < end_of_cases; c++) {
        op_case sized = sized_case(c, 17);
        array x[OPERANDS], y, again, gx[OPERANDS], gx_again[OPERANDS], gy = { 0 };
        random_operands(&sized, REEL_F32, x);
        c->naive(&sized, x, &y);
        if (has_gradient(c)) gy = random_array(y.dtype, y.shape);
        compute_in_order(&sized, x, gy.at ? &gy : NULL, false, &y, gx);
        compute_in_order(&sized, x, gy.at ? &gy : NULL, true, &again, gx_again);
        EXPECT(equal_arrays(&again, &y, text, sizeof text), c, 17, "backwards");
        for (int i = 0; gy.at && i < operand_count(c); i++)
            if (c->x[i].kind == REAL) EXPECT(equal_arrays(&gx_again[i], &gx[i], text, sizeof text), c, 17, "backwards");
        forget_arrays();
    }
}

Test(ops, commutative_ops_give_the_same_bits_for_exchanged_operands)
{
    for (const op_case *c = op_cases; c < end_of_cases; c++) {
        if (!(c->is & COMMUTES)) continue;
        op_case sized = sized_case(c, 17), exchanged = sized;
        array x[OPERANDS], y, again;
        random_operands(&sized, REEL_F32, x);
        exchanged.x[0] = sized.x[1], exchanged.x[1] = sized.x[0];
        cr_expect(compute(&sized, x, NULL, &y, NULL, text, sizeof text));
        cr_expect(compute(&exchanged, (array[]){ x[1], x[0] }, NULL, &again, NULL, text, sizeof text));
        EXPECT(equal_arrays(&again, &y, text, sizeof text), c, 17, "exchanged");
        forget_arrays();
    }
}

Test(ops, running_again_and_recording_again_give_the_same_bits)
{
    for (const op_case *c = op_cases; c < end_of_cases; c++) {
        if (c->is & DRAWS) continue;
        op_case sized = sized_case(c, 17);
        array x[OPERANDS], y[3];
        random_operands(&sized, REEL_F32, x);
        program p = program_new();
        for (int time = 0; time < 3; time++) {
            if (time == 2) reel_tape_clear(p.tape);
            if (time != 1) add_inputs(&p, operand_count(c), x), record_case(&p, &sized);
            for (int i = 0; i < operand_count(c); i++) write_array(p.x[i], &x[i]);
            cr_expect_eq(reel_run(p.tape), REEL_OK, "%s: %s", c->op, reel_tape_error(p.tape));
            y[time] = read_array(p.y);
        }
        EXPECT(equal_arrays(&y[1], &y[0], text, sizeof text), c, 17, "run again");
        EXPECT(equal_arrays(&y[2], &y[0], text, sizeof text), c, 17, "recorded again");
        program_free(&p);
        forget_arrays();
    }
}

/* ---- Linear laws ------------------------------------------------------------------------------------------------- */

static array combined(double s, const array *a, double t, const array *b)
{
    array sum = array_new(a->dtype, a->shape);
    for (int64_t i = 0; i < a->count; i++) sum.at[i] = s * a->at[i] + t * b->at[i];
    return sum;
}

Test(ops, a_vjp_is_linear_in_the_cotangent_and_zero_for_zero)
{
    for (const op_case *c = op_cases; c < end_of_cases; c++) {
        if (!has_gradient(c) || c->is & ROUNDS) continue;
        op_case sized = sized_case(c, 17);
        array x[OPERANDS], y, gv[OPERANDS], gw[OPERANDS], gz[OPERANDS], g2[OPERANDS], gs[OPERANDS];
        random_operands(&sized, REEL_F64, x);
        c->naive(&sized, x, &y);
        array v = random_array(y.dtype, y.shape), w = random_array(y.dtype, y.shape), zero = combined(0, &v, 0, &v);
        array twice = combined(2, &v, 0, &v), sum = combined(0.7, &v, -1.3, &w);
        bool good = compute(&sized, x, &v, &y, gv, text, sizeof text) &&
                    compute(&sized, x, &w, &y, gw, text, sizeof text) &&
                    compute(&sized, x, &zero, &y, gz, text, sizeof text) &&
                    compute(&sized, x, &twice, &y, g2, text, sizeof text) &&
                    compute(&sized, x, &sum, &y, gs, text, sizeof text);
        EXPECT(good, c, 17, "vjp");
        for (int i = 0; good && i < operand_count(c); i++) {
            if (c->x[i].kind != REAL) continue;
            array g = combined(0.7, &gv[i], -1.3, &gw[i]), doubled = combined(2, &gv[i], 0, &gv[i]);
            EXPECT(close_arrays(&gs[i], &g, 4e-15, largest_of(&g), text, sizeof text), c, 17, "sum of cotangents");
            for (int64_t k = 0; k < doubled.count; k++) {
                EXPECT(g2[i].at[k] == doubled.at[k], c, 17, "twice the cotangent");
                EXPECT(gz[i].at[k] == 0, c, 17, "zero cotangent");
            }
        }
        forget_arrays();
    }
}

/* Doubling is exact, so it goes through a linear op, bit for bit. */
Test(ops, linear_ops_are_linear)
{
    for (const op_case *c = op_cases; c < end_of_cases; c++)
        for (int i = 0; i < operand_count(c); i++) {
            if (!c->x[i].linear) continue;
            op_case sized = sized_case(c, 17);
            array x[OPERANDS], y, y_other, y_twice, y_sum;
            random_operands(&sized, REEL_F64, x);
            array first = x[i], other = random_array(REEL_F64, first.shape);
            array twice = combined(2, &first, 0, &first), sum = combined(1, &first, 1, &other);
            bool good = compute(&sized, x, NULL, &y, NULL, text, sizeof text);
            x[i] = other, good = good && compute(&sized, x, NULL, &y_other, NULL, text, sizeof text);
            x[i] = twice, good = good && compute(&sized, x, NULL, &y_twice, NULL, text, sizeof text);
            x[i] = sum, good = good && compute(&sized, x, NULL, &y_sum, NULL, text, sizeof text);
            EXPECT(good, c, 17, "linear");
            array doubled = combined(2, &y, 0, &y), added = combined(1, &y, 1, &y_other);
            for (int64_t k = 0; good && k < y.count; k++) EXPECT(y_twice.at[k] == doubled.at[k], c, 17, "twice");
            EXPECT(close_arrays(&y_sum, &added, 4e-15, largest_of(&added), text, sizeof text), c, 17, "sum");
            forget_arrays();
        }
}

/* ---- Operands that are one tensor -------------------------------------------------------------------------------- */

static const op_case *doubled;

static reel_tensor *record_doubled(const op_case *c, reel_tensor *const *x)
{
    return doubled->record(c, (reel_tensor *[]){ x[0], x[0], x[0] });
}

Test(ops, both_operands_may_be_one_tensor)
{
    for (const op_case *c = op_cases; c < end_of_cases; c++) {
        bool two_reals = operand_count(c) == 2 && c->x[0].kind == REAL && c->x[1].kind == REAL;
        if (!two_reals || !(c->is & POINTWISE) || !has_gradient(c) || c->is & GRID) continue;
        op_case one = sized_case(c, 5);
        array x[OPERANDS];
        doubled = c;
        one.record = record_doubled;
        one.x[1].kind = NOTHING;
        random_operands(&one, REEL_F64, x);
        EXPECT(gradient_is_right(&one, x, 1, text, sizeof text), c, 5, "gradient");
        EXPECT(gradient_is_right(&one, x, 2, text, sizeof text), c, 5, "second gradient");
        forget_arrays();
    }
}

/* ---- Special values ---------------------------------------------------------------------------------------------- */

/* As the tables in op_table.h mean it. */
static bool is_special_value(double got, double expected, bool sign_of_zero)
{
    double size = fabs(expected);
    if (same_bits(got, expected) || (!sign_of_zero && got == 0 && expected == 0)) return true;
    bool exact = isnan(expected) || isinf(expected) || size < 0x1p-126 || (size == floor(size) && size < 0x1p24);
    return !exact && fabs(got - expected) <= 4 * (double)FLT_EPSILON * size;
}

static op_case special_case(const char *op, const double *number, int64_t count)
{
    op_case c = *case_of(op);
    for (int i = 0; i < operand_count(&c); i++) c.x[i].shape = REEL_SHAPE(count);
    if (number) c.number[0] = number[0], c.number[1] = number[1];
    return c;
}

static array ones(int64_t count)
{
    array gy = array_new(REEL_F32, REEL_SHAPE(count));
    for (int64_t i = 0; i < count; i++) gy.at[i] = 1;
    return gy;
}

Test(special, values_of_one_operand_are_those_of_the_table)
{
    for (int r = 0; r < COUNT(special_rows); r++) {
        const special_row *row = &special_rows[r];
        op_case c = special_case(row->op, row->number, SPECIALS);
        array x = array_of(REEL_F32, REEL_SHAPE(SPECIALS), specials), y, gx, gy = ones(SPECIALS);
        cr_assert(compute(&c, &x, has_gradient(&c) ? &gy : NULL, &y, &gx, text, sizeof text), "%s: %s", c.op, text);
        for (int i = 0; i < SPECIALS; i++) {
            cr_expect(is_special_value(y.at[i], row->y[i], true), "%s(%a) is %a, not %a", c.op, x.at[i], y.at[i],
                      row->y[i]);
            if (!has_gradient(&c)) continue;
            cr_expect(is_special_value(gx.at[i], row->g[i], false), "the gradient of %s at %a is %a, not %a", c.op,
                      x.at[i], gx.at[i], row->g[i]);
        }
        forget_arrays();
    }
}

Test(special, every_pointwise_op_of_one_operand_has_a_row)
{
    for (const op_case *c = op_cases; c < end_of_cases; c++) {
        if (operand_count(c) != 1 || !(c->is & POINTWISE) || !strcmp(c->op, "cast") || pointwise_row_of(c->op))
            continue;
        bool found = false;
        for (int r = 0; r < COUNT(special_rows); r++) found |= !strcmp(special_rows[r].op, c->op);
        cr_expect(found, "%s has no row in special_rows", c->op);
    }
}

Test(special, values_of_two_operands_are_those_of_the_table)
{
    for (int r = 0; r < COUNT(special_pairs); r++) {
        const special_pair *row = &special_pairs[r];
        op_case c = special_case(row->op, NULL, 1);
        array x[] = { array_of(REEL_F32, REEL_SHAPE(1), &row->a), array_of(REEL_F32, REEL_SHAPE(1), &row->b) };
        array y, gx[OPERANDS], gy = ones(1);
        cr_assert(compute(&c, x, &gy, &y, gx, text, sizeof text), "%s: %s", c.op, text);
        cr_expect(is_special_value(*y.at, row->y, true), "%s(%a, %a) is %a, not %a", c.op, row->a, row->b, *y.at,
                  row->y);
        cr_expect(is_special_value(*gx[0].at, row->ga, false), "d/da %s(%a, %a) is %a, not %a", c.op, row->a, row->b,
                  *gx[0].at, row->ga);
        cr_expect(is_special_value(*gx[1].at, row->gb, false), "d/db %s(%a, %a) is %a, not %a", c.op, row->a, row->b,
                  *gx[1].at, row->gb);
        forget_arrays();
    }
}

/* The naive reference, in long double, rounds twice on the way to f32; for the operations of IEEE 754 that is as once
 * (Figueroa 1995), as long double has more than twice the digits of f32. */
static array expected_of(const op_case *c, const array *x)
{
    array y;
    c->naive(c, x, &y);
    for (int64_t i = 0; i < y.count; i++) y.at[i] = as_dtype(y.at[i], y.dtype);
    return y;
}

Test(special, values_of_the_librarys_rows_of_one_operand_are_those_of_the_reference)
{
    for (int r = 0; r < COUNT(pointwise_rows); r++) {
        if (pointwise_rows[r].operands != 1) continue;
        op_case c = special_case(pointwise_rows[r].op, NULL, SPECIALS);
        array x = array_of(REEL_F32, REEL_SHAPE(SPECIALS), specials), y, expected = expected_of(&c, &x);
        cr_assert(compute(&c, &x, NULL, &y, NULL, text, sizeof text), "%s: %s", c.op, text);
        for (int i = 0; i < SPECIALS; i++)
            cr_expect(is_special_value(y.at[i], expected.at[i], true), "%s(%a) is %a, not %a", c.op, specials[i],
                      y.at[i], expected.at[i]);
        forget_arrays();
    }
}

Test(special, all_pairs_are_those_of_the_reference)
{
    enum { VALUES = SPECIALS + 8, PAIRS = VALUES * VALUES };
    static const double ordinary[] = { 1, -1, 2, -3, 0.5, -0.5, 1e10, 0x1p-126 };
    for (const op_case *c = op_cases; c < end_of_cases; c++) {
        if (operand_count(c) != 2 || !(c->is & POINTWISE) || c->x[0].kind != REAL) continue;
        op_case pairs = special_case(c->op, NULL, PAIRS);
        array x[] = { array_new(REEL_F32, REEL_SHAPE(PAIRS)), array_new(REEL_F32, REEL_SHAPE(PAIRS)) }, y;
        for (int i = 0; i < PAIRS; i++) {
            int a = i / VALUES, b = i % VALUES;
            x[0].at[i] = (double)(float)(a < SPECIALS ? specials[a] : ordinary[a - SPECIALS]);
            x[1].at[i] = (double)(float)(b < SPECIALS ? specials[b] : ordinary[b - SPECIALS]);
        }
        array expected = expected_of(&pairs, x);
        cr_assert(compute(&pairs, x, NULL, &y, NULL, text, sizeof text), "%s: %s", c->op, text);
        for (int i = 0; i < PAIRS; i++) {
            bool good = strcmp(c->op, "pow") ? same_bits(y.at[i], expected.at[i])
                                             : is_special_value(y.at[i], expected.at[i], true);
            cr_expect(good, "%s(%a, %a) is %a, not %a", c->op, x[0].at[i], x[1].at[i], y.at[i], expected.at[i]);
        }
        forget_arrays();
    }
}

Test(special, where_takes_bits_and_sends_the_gradient_one_way)
{
    op_case c = special_case("where", NULL, SPECIALS);
    array choice = array_new(REEL_I32, REEL_SHAPE(SPECIALS)), a = array_of(REEL_F32, REEL_SHAPE(SPECIALS), specials);
    array b = array_new(REEL_F32, REEL_SHAPE(SPECIALS)), gy = ones(SPECIALS), y, gx[OPERANDS];
    for (int i = 0; i < SPECIALS; i++) {
        choice.at[i] = i % 3 ? (i % 2 ? INT32_MIN : 7) : 0;
        b.at[i] = specials[SPECIALS - 1 - i], gy.at[i] = specials[(i + 3) % SPECIALS];
    }
    cr_assert(compute(&c, (array[]){ choice, a, b }, &gy, &y, gx, text, sizeof text), "%s", text);
    for (int i = 0; i < SPECIALS; i++) {
        bool first = choice.at[i] != 0;
        cr_expect(same_bits(y.at[i], first ? a.at[i] : b.at[i]));
        cr_expect(same_bits(gx[1].at[i], first ? gy.at[i] : 0));
        cr_expect(same_bits(gx[2].at[i], first ? 0 : gy.at[i]));
    }
    forget_arrays();
}

/* y and the gradient of an op that reduces one row of n elements to one. */
static void expect_reduced(const char *op, int64_t n, const double *values, double y, const double *g)
{
    op_case c = *case_of(op);
    array x = array_of(REEL_F32, REEL_SHAPE(1, n), values), got, gx, gy = ones(1);
    c.axes = REEL_AXES(1), c.keep = REEL_DROP, c.x[0].shape = x.shape;
    cr_assert(compute(&c, &x, &gy, &got, &gx, text, sizeof text), "%s: %s", op, text);
    cr_expect(is_special_value(*got.at, y, true), "%s is %a, not %a", op, *got.at, y);
    for (int64_t i = 0; i < n; i++)
        cr_expect(is_special_value(gx.at[i], g[i], false), "the gradient %d of %s is %a, not %a", (int)i, op, gx.at[i],
                  g[i]);
    forget_arrays();
}

Test(special, ties_of_a_maximum_share_the_gradient_equally)
{
    expect_reduced("max", 6, (double[]){ 1, 3, 3, 2, 3, 3 }, 3, (double[]){ 0, 0.25, 0.25, 0, 0.25, 0.25 });
    expect_reduced("min", 4, (double[]){ 1, 3, 1, 2 }, 1, (double[]){ 0.5, 0, 0.5, 0 });
    expect_reduced("max", 2, (double[]){ -0.0, 0.0 }, 0.0, (double[]){ 0.5, 0.5 });
    expect_reduced("max", 2, (double[]){ INF, INF }, INF, (double[]){ 0.5, 0.5 });
    expect_reduced("max", 2, (double[]){ -INF, 1 }, 1, (double[]){ 0, 1 });
}

Test(special, logsumexp_does_not_overflow)
{
    expect_reduced("logsumexp", 2, (double[]){ 1000, 1000 }, 1000 + LN2, (double[]){ 0.5, 0.5 });
    expect_reduced("logsumexp", 2, (double[]){ -1000, -1000 }, -1000 + LN2, (double[]){ 0.5, 0.5 });
    expect_reduced("logsumexp", 2, (double[]){ BIG, -BIG }, BIG, (double[]){ 1, 0 });
    expect_reduced("logsumexp", 2, (double[]){ 0, -INF }, 0.0, (double[]){ 1, 0 });
    expect_reduced("logsumexp", 1, (double[]){ TINY }, TINY, (double[]){ 1 });
}

Test(special, logsumexp_and_softmax_take_infinities)
{
    const double x[] = { INF, 0, -INF, -INF, -INF, 0, BIG, -BIG, NONE, 0 };
    const double sum[] = { INF, -INF, 0, BIG, NONE };
    array rows = array_of(REEL_F32, REEL_SHAPE(5, 2), x), y;
    op_case c = *case_of("logsumexp");
    c.axes = REEL_AXES(1), c.keep = REEL_DROP;
    cr_assert(compute(&c, &rows, NULL, &y, NULL, text, sizeof text), "%s", text);
    for (int i = 0; i < 5; i++) cr_expect(is_special_value(y.at[i], sum[i], false), "row %d: %a", i, y.at[i]);
    c = *case_of("softmax");
    c.axes = REEL_AXES(1);
    cr_assert(compute(&c, &rows, NULL, &y, NULL, text, sizeof text), "%s", text);
    cr_expect(y.at[4] == 0 && y.at[5] == 1 && y.at[6] == 1 && y.at[7] == 0 && isnan(y.at[8]) && isnan(y.at[9]));
    forget_arrays();
}

/* ---- Planted faults ---------------------------------------------------------------------------------------------- */

/* A user's own op, y = x² or y = a b with b a row of a, in f64; its gradient is one of these. */
enum {
    RIGHT,
    WRONG_SIGN,
    NO_FACTOR,
    NEARLY,
    ONE_ELEMENT,
    REVERSED,
    ZERO,
    ALL_NAN,
    ONE_NAN,
    NO_SUM,
    FIRST_ONLY,
    FAULTS
};

static bool own_shape(reel_tensor *y)
{
    return reel_set_shape(y, REEL_F64, reel_rank(reel_input_at(y, 0)), reel_sizes(reel_input_at(y, 0)));
}

static void square_run(const reel_call *call)
{
    const double *x = call->x[0];
    for (int64_t i = 0; i < reel_count(call->node); i++) ((double *)call->y)[i] = x[i] * x[i];
}

static void cube_run(const reel_call *call)
{
    const double *x = call->x[0];
    for (int64_t i = 0; i < reel_count(call->node); i++) ((double *)call->y)[i] = x[i] * x[i] * x[i];
}

static reel_tensor *square_gradient(reel_tensor *y, reel_tensor *gy)
{
    return reel_mul(reel_scale(reel_input_at(y, 0), 2), gy);
}

static reel_tensor *last_scaled(reel_tensor *g, double by)
{
    int64_t n = reel_dim(g, 0);
    return reel_concat((reel_tensor *[]){ reel_slice(g, 0, 0, n - 1), reel_scale(reel_slice(g, 0, n - 1, n), by) }, 2,
                       0);
}

#define SQUARE_VJP(name, expression)                                                                                   \
    static reel_tensor *name##_vjp(reel_tensor *y, reel_tensor *gy, int input)                                         \
    {                                                                                                                  \
        reel_tensor *x = reel_input_at(y, input), *g = square_gradient(y, gy);                                         \
        return (void)x, (void)g, expression;                                                                           \
    }
/* clang-format off */
SQUARE_VJP(right, g)
SQUARE_VJP(wrong_sign, reel_neg(g))
SQUARE_VJP(no_factor, reel_mul(x, gy))
SQUARE_VJP(nearly, reel_scale(g, 1 + 1e-7))
SQUARE_VJP(one_element, last_scaled(g, 1.001))
SQUARE_VJP(reversed, reel_flip(g, REEL_ALL))
SQUARE_VJP(zero, reel_scale(g, 0))
SQUARE_VJP(all_nan, reel_scale(g, (double)NAN))
SQUARE_VJP(one_nan, last_scaled(g, (double)NAN))
SQUARE_VJP(first_only, reel_mul(reel_scale(reel_detach(x), 2), gy))
/* clang-format on */

static void row_product_run(const reel_call *call)
{
    const double *a = call->x[0], *b = call->x[1];
    int64_t n = reel_dim(call->node, 1);
    for (int64_t i = 0; i < reel_count(call->node); i++) ((double *)call->y)[i] = a[i] * b[i % n];
}

static reel_tensor *row_product_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    reel_tensor *a = reel_input_at(y, 0), *b = reel_input_at(y, 1);
    return input == 0 ? reel_mul(gy, b) : reel_sum(reel_mul(gy, a), REEL_AXES(0), REEL_DROP);
}

static reel_tensor *no_sum_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    if (input == 0) return row_product_vjp(y, gy, 0);
    return reel_squeeze(reel_slice(reel_mul(gy, reel_input_at(y, 0)), 0, 0, 1), 0);
}

#define OWN(NAME, KERNEL)                                                                                              \
    {                                                                                                                  \
        .size = sizeof(reel_op), .name = "own_" #NAME, .shape = own_shape, .run = KERNEL, .vjp = NAME##_vjp            \
    }
static const reel_op own_ops[FAULTS] = {
    [RIGHT] = OWN(right, square_run),
    [WRONG_SIGN] = OWN(wrong_sign, square_run),
    [NO_FACTOR] = OWN(no_factor, square_run),
    [NEARLY] = OWN(nearly, square_run),
    [ONE_ELEMENT] = OWN(one_element, square_run),
    [REVERSED] = OWN(reversed, square_run),
    [ZERO] = OWN(zero, square_run),
    [ALL_NAN] = OWN(all_nan, square_run),
    [ONE_NAN] = OWN(one_nan, square_run),
    [NO_SUM] = OWN(no_sum, row_product_run),
    [FIRST_ONLY] = OWN(first_only, square_run),
};
static const reel_op own_row_product = OWN(row_product, row_product_run);
static const reel_op own_cube = OWN(right, cube_run);

static const reel_op *own_op;

static reel_tensor *record_own(const op_case *c, reel_tensor *const *x)
{
    return reel_record(own_op, x, operand_count(c), NULL, 0);
}

static const op_case own_square = { .op = "own", .record = record_own, .naive = naive_square, .x = { X(-2, 2, 7) } };
static const op_case own_product = {
    .op = "own", .record = record_own, .naive = naive_mul, .x = { X(-2, 2, 3, 4), X(-2, 2, 4) }
};

static bool passes(const op_case *c, const reel_op *op, int order)
{
    array x[OPERANDS];
    own_op = op;
    random_operands(c, REEL_F64, x);
    bool right = gradient_is_right(c, x, order, text, sizeof text);
    forget_arrays();
    return right;
}

Test(planted, a_users_own_op_that_is_right_passes)
{
    array x[OPERANDS];
    cr_expect(passes(&own_square, &own_ops[RIGHT], 1), "%s", text);
    cr_expect(passes(&own_square, &own_ops[RIGHT], 2), "%s", text);
    cr_expect(passes(&own_product, &own_row_product, 1), "%s", text);
    cr_expect(passes(&own_product, &own_row_product, 2), "%s", text);
    own_op = &own_ops[RIGHT];
    random_operands(&own_square, REEL_F64, x);
    cr_expect(forward_is_right(&own_square, x, 1e-12, text, sizeof text), "%s", text);
    forget_arrays();
}

Test(planted, every_wrong_gradient_is_reported)
{
    for (int fault = WRONG_SIGN; fault < FIRST_ONLY; fault++) {
        const op_case *c = fault == NO_SUM ? &own_product : &own_square;
        text[0] = 0;
        cr_expect_not(passes(c, &own_ops[fault], 1), "%s is not caught", own_ops[fault].name);
        cr_expect(strstr(text, "differences give"), "%s: %s", own_ops[fault].name, text);
    }
}

Test(planted, the_one_wrong_element_is_named)
{
    cr_expect_not(passes(&own_square, &own_ops[ONE_NAN], 1));
    cr_expect(strstr(text, "operand 1, element 6: the gradient is"), "%s", text);
    cr_expect_not(passes(&own_product, &own_ops[NO_SUM], 1));
    cr_expect(strstr(text, "operand 2, element 0"), "%s", text);
}

Test(planted, a_gradient_that_is_right_but_has_a_wrong_gradient_is_reported_in_second_order)
{
    cr_expect(passes(&own_square, &own_ops[FIRST_ONLY], 1), "%s", text);
    cr_expect_not(passes(&own_square, &own_ops[FIRST_ONLY], 2));
}

Test(planted, a_row_whose_operands_have_no_gradient_is_reported)
{
    op_case constant = own_square;
    constant.x[0].constant = true;
    cr_expect_not(passes(&constant, &own_ops[RIGHT], 1));
    cr_expect_str_eq(text, "no operand has a gradient");
}

Test(planted, a_wrong_value_is_reported)
{
    array x[OPERANDS];
    own_op = &own_cube;
    random_operands(&own_square, REEL_F64, x);
    cr_expect_not(forward_is_right(&own_square, x, 1e-12, text, sizeof text));
    forget_arrays();
}

Test(planted, comparisons_see_the_sign_of_zero_nan_and_shapes)
{
    array zero = array_of(REEL_F32, REEL_SHAPE(1), (double[]){ 0.0 }),
          minus = array_of(REEL_F32, REEL_SHAPE(1), (double[]){ -0.0 });
    array nan = array_of(REEL_F32, REEL_SHAPE(1), (double[]){ (double)NAN }),
          matrix = array_new(REEL_F32, REEL_SHAPE(1, 1));
    cr_expect(equal_arrays(&nan, &nan, text, sizeof text));
    cr_expect_not(equal_arrays(&zero, &minus, text, sizeof text));
    cr_expect_not(equal_arrays(&zero, &nan, text, sizeof text));
    cr_expect_not(equal_arrays(&zero, &matrix, text, sizeof text));
    cr_expect_not(close_arrays(&nan, &zero, 1, 1, text, sizeof text));
    cr_expect_not(close_arrays(&zero, &nan, 1, 1, text, sizeof text));
    cr_expect_not(is_special_value(0, (double)NAN, false));
    cr_expect_not(is_special_value(INF, 1e30, false));
    cr_expect_not(is_special_value(0, -0.0, true));
    forget_arrays();
}

Test(planted, an_op_without_a_row_is_noticed)
{
    char name[40];
    cr_expect(next_prototype("REEL_API reel_tensor *reel_unheard_of(reel_tensor *x);", name));
    cr_expect_str_eq(name, "unheard_of");
    cr_expect_null(case_of(name));
}
