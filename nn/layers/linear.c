/* The linear layer. A layer is a function with a name: it opens the name as a scope and creates its parameters in it. */
#include <reel.h>
#include <string.h>

static reel_init or_default(reel_init given, reel_init otherwise)
{
    return given.kind == REEL_INIT_DEFAULT && given.a == 0 && given.b == 0 ? otherwise : given;
}

reel_tensor *reel_linear_sized(reel_tensor *x, const char *name, int64_t out, const reel_linear_options *options,
                               size_t size)
{
    reel_linear_options o = { 0 };
    if (options) memcpy(&o, options, size < sizeof o ? size : sizeof o);
    reel_tape *tape = reel_tape_of(x);
    if (reel_is_bad(x)) return (void)reel_usable(tape, x, "linear: x"), reel_detach(x);
    if (reel_dtype_of(x) == REEL_I32)
        return reel_fail(tape, REEL_BAD_DTYPE, "linear: \"%s\" takes f32 or f64, and x is i32 (use reel_cast)",
                         name ? name : "(null)");
    if (reel_rank(x) < 1 || out < 1)
        return reel_fail(tape, REEL_BAD_SHAPE, "linear: \"%s\" needs x [..., in] and out ≥ 1, not rank %d and out %lld",
                         name ? name : "(null)", reel_rank(x), (long long)out);
    int64_t in = reel_dim(x, -1);
    reel_layer_push(tape, name);
    reel_tensor *w = reel_parameter(x, "w", REEL_SHAPE(in, out), or_default(o.weight, reel_init_fan_in_uniform(1)));
    reel_tensor *y = reel_matmul(x, w);
    if (!o.no_bias) y = reel_add(y, reel_parameter(x, "b", REEL_SHAPE(out), o.bias));
    reel_scope_pop(tape);
    return y;
}
