/* Dropout: a draw, a comparison, a choice. */
#include <reel.h>

reel_tensor *reel_dropout(reel_tensor *x, const char *name, double rate)
{
    if (!reel_usable(reel_tape_of(x), x, "dropout: operand 1")) return reel_detach(x);
    if (reel_dtype_of(x) == REEL_I32)
        return reel_fail(reel_tape_of(x), REEL_BAD_DTYPE,
                         "dropout: operand 1 is i32; it takes f32 or f64 (use reel_cast)");
    if (!(rate >= 0 && rate < 1))
        return reel_fail(reel_tape_of(x), REEL_BAD_ARGUMENT, "dropout: the rate %g is not within 0 ≤ rate < 1", rate);
    if (reel_is_evaluating(reel_tape_of(x)) || rate == 0) return x;
    reel_tensor *drop = reel_lt(reel_uniform(x, name, reel_shape_of(x)), reel_number(x, rate));
    return reel_scale(reel_where(drop, reel_number(x, 0), x), 1 / (1 - rate));
}
