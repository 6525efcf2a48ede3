/* Pictures of programs: what reel_tape_write_dot() promises. Graphviz itself reads them where it is
 * installed. Every test runs in a directory of its own. */
#include "core/record/tape.h"
#include "files.h"
#include "fixture.h"
#include "heap.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

TestSuite(dot, .init = enter_directory, .fini = leave_directory);

static heap memory;

static void begin_counted(void)
{
    begin_with((reel_model_options){ .seed = 1, .allocator = { heap_resize, &memory } }, (reel_tape_options){ 0 });
}

static void end_counted(void)
{
    end_after_error();
    expect_all_back(&memory);
}

static const char *draw(void)
{
    cr_assert_eq(reel_tape_write_dot(tape, "graph.dot"), REEL_OK, "%s", reel_tape_error(tape));
    if (system("command -v dot > /dev/null") == 0) {
        cr_expect_eq(system("dot -Tsvg graph.dot -o graph.svg 2> errors"), 0);
        cr_expect_str_empty(read_file("errors"));
    }
    return read_file("graph.dot");
}

static int count(const char *text, const char *part)
{
    int n = 0;
    for (; (text = strstr(text, part)); text += strlen(part)) n++;
    return n;
}

#define GRADIENT "fillcolor=\"#fbe5d0\""
#define UPDATE "fillcolor=\"#dff0dc\""
#define FORWARD "fillcolor=\"#dce9f7\""

static reel_tensor *network(void)
{
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(8, 6));
    reel_tensor *y = reel_input(tape, "y", REEL_F32, REEL_SHAPE(8, 3));
    reel_tensor *h = reel_tanh(reel_linear(x, "hidden", 5));
    reel_tensor *loss = reel_mse(reel_linear(h, "output", 3), y);
    reel_sgd(loss, (reel_sgd_options){ .lr = 0.5, .momentum = 0.9 });
    cr_assert_null(reel_tape_error(tape), "%s", reel_tape_error(tape));
    return loss;
}

/* The nodes and edges between the settings and the end. */
static const char *body(const char *text) { return strchr(strstr(text, "edge ["), '\n') + 1; }

Test(dot, shows_operands_in_order_and_numbers_in_labels)
{
    begin_counted();
    /* Without the macros, so that no line of this file is in the picture. */
    reel_tensor *x = (reel_input)(tape, "x", REEL_F64, REEL_SHAPE(2));
    reel_tensor *y = (reel_input)(tape, "y", REEL_F64, REEL_SHAPE(2));
    reel_tensor *z = (reel_input)(tape, "z", REEL_I32, REEL_SCALAR);
    (reel_keep)((reel_sub)((reel_exp)(y), (reel_mul)(x, y)), "difference");
    (reel_keep)((reel_mul)((reel_number)(z, 3), z), "triple");
#define BLUE FORWARD " color=\"#3b6ea5\""
#define INPUT "shape=ellipse fillcolor=white color=\"#3b6ea5\""
    cr_expect_str_eq(body(draw()), "n0 [label=\"y\\n[2] f64\" " INPUT "]\n"
                                   "n1 [label=\"exp\\n[2] f64\" " BLUE "]\n"
                                   "n2 [label=\"x\\n[2] f64\" " INPUT "]\n"
                                   "n3 [label=\"mul\\n[2] f64\" " BLUE "]\n"
                                   "n4 [label=\"difference\\nsub\\n[2] f64\" " BLUE " peripheries=2]\n"
                                   "n6 [label=\"z\\n[] i32\" " INPUT "]\n"
                                   "n7 [label=\"triple\\nmul(3, ·)\\n[] i32\" " BLUE " peripheries=2]\n"
                                   "n0 -> n1\nn2 -> n3\nn0 -> n3\nn1 -> n4\nn3 -> n4\nn6 -> n7\n}\n");
    end_counted();
}

Test(dot, tells_forward_gradient_and_update_apart)
{
    begin_counted();
    network();
    const char *text = draw();
    for (const char *line = body(text); *line; line = strchr(line, '\n') + 1) {
        char node[300];
        snprintf(node, sizeof node, "%.*s", (int)strcspn(line, "\n"), line);
        if (strstr(node, "contract")) {
            cr_expect(strstr(node, strstr(node, "[8,5]\"") && !strstr(node, "(·, output/w)") ? FORWARD
                                   : strstr(node, "[8,3]")                                   ? FORWARD
                                                                                             : GRADIENT),
                      "%s", node);
        }
        if (strstr(node, "←") || strstr(node, "mul(·, 0.9)")) cr_expect(strstr(node, UPDATE), "%s", node);
        if (strstr(node, "loss\\n")) cr_expect(strstr(node, FORWARD) && strstr(node, "peripheries=2"), "%s", node);
    }
    cr_expect_eq(count(text, " ←"), 8); /* four parameters, four velocities */
    cr_expect_eq(count(text, "contract"), 5);
    cr_expect_eq(count(text, "shape=ellipse"), 2);
    cr_expect_eq(count(text, "shape=hexagon"), 4);
    cr_expect_eq(count(text, "shape=cylinder"), 4);
    cr_expect_eq(count(text, "label=\"hidden\""), 1);
    cr_expect_eq(count(text, "label=\"hidden, gradients\""), 1);
    cr_expect_eq(count(text, "label=\"expand"), 0);
    cr_expect_eq(count(text, "{"), count(text, "}"));
    end_counted();
}

Test(dot, frames_scopes_in_each_other)
{
    begin_counted();
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2));
    reel_scope_push(tape, "a/b");
    x = reel_exp(x);
    reel_scope_push(tape, "c");
    x = reel_sin(x);
    reel_scope_pop(tape), reel_scope_pop(tape);
    reel_scope_push(tape, "a/bc");
    x = reel_cos(x);
    reel_scope_pop(tape);
    reel_keep(x, "kept");
    const char *text = draw();
    static const char *const order[] = { "label=\"x\\n", "label=\"a\"", "label=\"b\"",  "label=\"exp", "label=\"c\"",
                                         "label=\"sin",  "}\n}\n",      "label=\"bc\"", "kept\\ncos",  "}\n}\nn" };
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        cr_assert((text = strstr(text, order[i])), "%s", order[i]);
        text += strlen(order[i]) - 1;
    }
    end_counted();
}

Test(dot, escapes_what_graphviz_would_read)
{
    begin_counted();
    reel_tensor *x = reel_input(tape, "back\\slash & <b> {|} café %s &amp;", REEL_F32, REEL_SHAPE(2));
    reel_scope_push(tape, "%s", "s\\c&o");
    reel_keep(reel_exp(x), "k\\N");
    reel_scope_pop(tape);
    const char *text = draw();
    cr_expect(strstr(text, "\"back\\\\slash &amp; <b> {|} café %s &amp;amp;\\n[2]\""), "%s", text);
    cr_expect(strstr(text, "label=\"s\\\\c&amp;o\"\n"), "%s", text);
    cr_expect(strstr(text, "\"s\\\\c&amp;o/k\\\\N\\nexp\\n[2]\""), "%s", text);
    end_counted();
}

Test(dot, draws_a_program_without_a_loss_as_forward)
{
    begin_counted();
    reel_tensor *h = reel_state(tape, "h", REEL_F32, REEL_SHAPE(4));
    reel_assign(h, reel_tanh(reel_shift(h, 1)));
    const char *text = draw();
    cr_expect_eq(count(body(text), FORWARD), 2);
    cr_expect_eq(count(body(text), UPDATE), 1);
    cr_expect_eq(count(body(text), GRADIENT), 0);
    end_counted();
}

Test(dot, changes_no_result)
{
    float losses[2][3], x[48], y[24];
    for (int i = 0; i < 48; i++) x[i] = (float)(i % 7) / 7, y[i % 24] = (float)(i % 5) / 5;
    for (int draws = 0; draws < 2; draws++) {
        begin_counted();
        reel_tensor *loss = network();
        for (int i = 0; i < 3; i++) {
            for (int64_t k = 0; k < tape->log.count; k++) {
                reel_tensor *leaf = REEL__AT(tape->log, reel_tensor *, k);
                if (leaf->op != &reel__input_op) continue;
                reel_write_f32(leaf, leaf->count == 48 ? x : y, leaf->count);
            }
            cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape));
            if (draws) draw();
            losses[draws][i] = (float)reel_item(loss);
        }
        end_counted();
    }
    cr_expect_eq(memcmp(losses[0], losses[1], sizeof losses[0]), 0);
    cr_expect_lt(losses[0][2], losses[0][0]);
}

#define expect_error(call, status, message)                                                                            \
    do {                                                                                                               \
        cr_expect_eq(call, status);                                                                                    \
        cr_expect(strncmp(reel_tape_error(tape), message, strlen(message)) == 0, "%s", reel_tape_error(tape));         \
    } while (0)

Test(dot, refuses_what_cannot_be_drawn_or_written)
{
    begin_counted();
    expect_error(reel_tape_write_dot(tape, "x"), REEL_BAD_STATE,
                 "tape_write_dot: the tape computes nothing: no result, nothing kept or assigned");
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2));
    reel_keep(x, "kept");
    expect_error(reel_tape_write_dot(tape, NULL), REEL_BAD_FILE, "tape_write_dot: (null): the path is NULL");
    expect_error(reel_tape_write_dot(tape, "."), REEL_BAD_FILE, "tape_write_dot: .: it is a directory");
    expect_error(reel_tape_write_dot(tape, "/dev/full"), REEL_BAD_FILE,
                 "tape_write_dot: /dev/full: it is a device, no regular file");
    expect_error(reel_tape_write_dot(tape, "none/x"), REEL_BAD_FILE,
                 "tape_write_dot: none/x: cannot create a temporary file next to it: No such file or directory");
    cr_expect_eq(reel_tape_write_dot(tape, "good"), REEL_OK);
    cr_expect_null(reel_tape_error(tape));
    reel_add(x, reel_input(tape, "z", REEL_F32, REEL_SHAPE(3)));
    cr_expect_eq(reel_tape_write_dot(tape, "x"), REEL_BAD_SHAPE);
    cr_expect_eq(reel_tape_write_dot(NULL, "x"), REEL_BAD_ARGUMENT);
    cr_expect_eq(count_files(), 1);
    end_counted();
}

Test(dot, leaves_everything_as_it_was_when_memory_runs_out)
{
    begin_counted();
    network();
    int failures = 0;
    for (;; failures++) {
        fail_after(&memory, failures);
        reel_status status = reel_tape_write_dot(tape, "graph");
        fail_after(&memory, -1);
        if (status == REEL_OK) break;
        cr_assert_lt(failures, 1000);
        expect_error(status, REEL_OUT_OF_MEMORY, "tape_write_dot: out of memory");
        cr_expect_eq(count_files(), 0);
    }
    cr_expect_gt(failures, 3);
    cr_expect_eq(count_files(), 1);
    end_counted();
}

Test(dot, draws_a_hundred_thousand_nodes_in_little_time, .timeout = 60)
{
    begin_counted();
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(2)), *y = x;
    for (int i = 0; i < 50; i++) reel_scope_push(tape, "s%d", i);
    for (int i = 0; i < 100000; i++) {
        if (i % 1000 == 0) {
            reel_scope_pop(tape);
            reel_scope_push(tape, "s%d", i);
        }
        y = reel_add(reel_exp(y), x);
    }
    for (int i = 0; i < 50; i++) reel_scope_pop(tape);
    reel_keep(y, "y");
    clock_t start = clock();
    cr_assert_eq(reel_tape_write_dot(tape, "graph"), REEL_OK, "%s", reel_tape_error(tape));
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    cr_expect_lt(seconds, 5);
    if (getenv("REEL_SHOW_TIMES")) fprintf(stderr, "200001 nodes in %.2f s\n", seconds);
    end_counted();
}
