/* An op of one's own, on the public headers alone: cumsum, the running sum along an axis. Its derivative is the same op
 * backwards, so gradients of every order come with it. It is then used to find the steps of walks from their positions:
 * the steps are a parameter, their running sum the positions. */
#include <math.h>
#include <reel.h>
#include <reel/op.h>
#include <stdio.h>

/* ---- The op ------------------------------------------------------------------------------------------------------ */

typedef struct cumsum_attr {
    int64_t axis, backwards;
} cumsum_attr;

/* y has the shape of x. What cannot be computed is refused here, with a message, so that the kernel cannot fail. */
static bool cumsum_shape(reel_tensor *y)
{
    const reel_tensor *x = reel_input_at(y, 0);
    const cumsum_attr *attr = reel_attr(y);
    if (reel_dtype_of(x) != REEL_F32)
        return reel_fail_shape(y, REEL_BAD_DTYPE, "the operand %s must be f32 (use reel_cast)", reel_shape_text(x));
    if (attr->axis < 0 || attr->axis >= reel_rank(x))
        return reel_fail_shape(y, REEL_BAD_ARGUMENT, "%s has no axis %d", reel_shape_text(x), (int)attr->axis);
    return reel_set_shape(y, REEL_F32, reel_rank(x), reel_sizes(x));
}

/* x, y: [outer, n, inner], contiguous */
static void cumsum_run(const reel_call *call)
{
    const cumsum_attr *attr = reel_attr(call->node);
    const int64_t *size = reel_sizes(call->node), n = size[attr->axis];
    const float *x = call->x[0];
    float *y = call->y;
    int64_t outer = 1, inner = 1;
    for (int64_t d = 0; d < attr->axis; d++) outer *= size[d];
    for (int64_t d = attr->axis + 1; d < reel_rank(call->node); d++) inner *= size[d];
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            double sum = 0;
            for (int64_t k = 0; k < n; k++) {
                const int64_t at = (o * n + (attr->backwards ? n - 1 - k : k)) * inner + i;
                y[at] = (float)(sum += (double)x[at]);
            }
        }
}

static reel_tensor *cumsum_towards(reel_tensor *x, int64_t axis, bool backwards);

/* y_k = x_0 + … + x_k, so x_k is in y_k, y_k+1, …:  gx_k = gy_k + gy_k+1 + …, the running sum from the other end. */
static reel_tensor *cumsum_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    const cumsum_attr *attr = reel_attr(y);
    (void)input;
    return cumsum_towards(gy, attr->axis, !attr->backwards);
}

static const reel_op cumsum_op = {
    .size = sizeof(reel_op), .name = "cumsum", .shape = cumsum_shape, .run = cumsum_run, .vjp = cumsum_vjp
};

static reel_tensor *cumsum_towards(reel_tensor *x, int64_t axis, bool backwards)
{
    const cumsum_attr attr = { axis < 0 ? axis + reel_rank(x) : axis, backwards };
    return reel_record(&cumsum_op, &x, 1, &attr, sizeof attr);
}

/* What users call: f32, of the shape of x; a negative axis counts from the end. The macro gives messages their line. */
static reel_tensor *cumsum(reel_tensor *x, int axis) { return cumsum_towards(x, axis, false); }
#define cumsum(...) reel_here((cumsum)(__VA_ARGS__), REEL_HERE)

/* ---- Its use ----------------------------------------------------------------------------------------------------- */

enum { WALKS = 3, STEPS = 8 };

/* The gradient of sum(w cumsum(x)) against differences of it, which is linear in x. */
static float largest_gradient_error(reel_tape *tape)
{
    reel_tape_clear(tape);
    reel_tensor *x = reel_input(tape, "x", REEL_F32, REEL_SHAPE(WALKS, STEPS));
    reel_tensor *w = reel_input(tape, "w", REEL_F32, REEL_SHAPE(WALKS, STEPS));
    reel_tensor *y = reel_keep(reel_sum(reel_mul(w, cumsum(x, -1)), REEL_ALL, REEL_DROP), "y");
    reel_tensor *gradient = reel_keep(reel_gradient(y, x), "gradient");
    float at[WALKS * STEPS] = { 0 }, weight[WALKS * STEPS], g[WALKS * STEPS], worst = 0;
    for (int i = 0; i < WALKS * STEPS; i++) weight[i] = (float)(i % 5 - 2);
    reel_write_f32(w, weight, WALKS * STEPS);
    for (int i = 0; i < WALKS * STEPS; i++) {
        at[i] = 1;
        reel_write_f32(x, at, WALKS * STEPS);
        if (reel_run(tape) != REEL_OK || reel_read_f32(gradient, g, WALKS * STEPS) != REEL_OK) return INFINITY;
        worst = fmaxf(worst, fabsf(g[i] - (float)reel_item(y)));
        at[i] = 0;
    }
    return worst;
}

/* Steps whose running sum fits the positions; returns the largest error of one. */
static float fit(reel_tape *tape)
{
    reel_tape_clear(tape);
    reel_tensor *measured = reel_input(tape, "measured", REEL_F32, REEL_SHAPE(WALKS, STEPS));
    reel_tensor *steps = reel_parameter(measured, "steps", REEL_SHAPE(WALKS, STEPS), reel_init_zeros());
    reel_tensor *loss = reel_keep(reel_mse(cumsum(steps, 1), measured), "loss");
    reel_adam(loss, (reel_adam_options){ .lr = 0.05 });
    float right[WALKS * STEPS], position[WALKS * STEPS], found[WALKS * STEPS], worst = 0;
    for (int w = 0; w < WALKS; w++)
        for (int k = 0; k < STEPS; k++) {
            const int at = w * STEPS + k;
            right[at] = (float)((at * 7) % 9 - 4) / 4;
            position[at] = right[at] + (k > 0 ? position[at - 1] : 0);
        }
    reel_write_f32(measured, position, WALKS * STEPS);
    for (int run = 0; run < 2000; run++)
        if (reel_run(tape) != REEL_OK) return INFINITY;
    printf("the loss is %.2g\n", reel_item(loss));
    if (reel_read_f32(steps, found, WALKS * STEPS) != REEL_OK) return INFINITY;
    for (int i = 0; i < WALKS * STEPS; i++) worst = fmaxf(worst, fabsf(found[i] - right[i]));
    return worst;
}

int main(void)
{
    reel_model *model = reel_model_new((reel_model_options){ .seed = 1 });
    reel_tape *tape = reel_tape_new(model, (reel_tape_options){ 0 });
    const float gradient_error = largest_gradient_error(tape), step_error = fit(tape);
    printf("the gradient is off by %g at most, the steps by %.2g\n", (double)gradient_error, (double)step_error);
    bool good = gradient_error == 0 && step_error < 0.01f;
    if (reel_tape_error(tape)) printf("%s\n", reel_tape_error(tape));

    /* What does not fit is refused where it is recorded, with the line. */
    reel_tape_clear(tape);
    cumsum(reel_input(tape, "x", REEL_F32, REEL_SHAPE(WALKS, STEPS)), 2);
    printf("%s\n", reel_tape_error(tape) ? reel_tape_error(tape) : "axis 2 was not refused");
    good = good && reel_tape_status(tape) == REEL_BAD_ARGUMENT;
    reel_tape_free(tape);
    reel_model_free(model);
    return good ? 0 : 1;
}
