/* The pointwise ops. A row is the kernel of every type and instruction set, the derivative, the constructor and what it
 * is tested on. Its prototype, with the formula, stands in include/reel/ops.h; a test compares the two.
 *
 * In an expression x, a and b are operands, FN(f) is f of the type at hand. In a derivative y is the result and gy its
 * gradient; NULL is zero everywhere. FLOATS is f32 and f64, NUMBERS also i32. Included for its rows, many times over. */

/* clang-format off */
/*     op        types    y =                              gx =                                              tested on */
UNARY( neg,      NUMBERS, -x,                              reel_neg(gy),                                     -2.0, 2.0)
UNARY( abs,      NUMBERS, x <= 0 ? 0 - x : x,              reel_mul(gy, reel_sign(x)),                        0.2, 2.0)
UNARY( sign,     NUMBERS, x > 0 ? 1 : x < 0 ? -1 : x,      NULL,                                              0.2, 2.0)
UNARY( floor,    FLOATS,  FN(floor)(x),                    NULL,                                              0.2, 0.8)
UNARY( exp,      FLOATS,  FN(exp)(x),                      reel_mul(gy, y),                                  -2.0, 2.0)
UNARY( log,      FLOATS,  FN(log)(x),                      reel_div(gy, x),                                   0.2, 3.0)
UNARY( expm1,    FLOATS,  FN(expm1)(x),                    reel_mul(gy, reel_shift(y, 1)),                   -2.0, 2.0)
UNARY( log1p,    FLOATS,  FN(log1p)(x),                    reel_div(gy, reel_shift(x, 1)),                   -0.7, 2.0)
UNARY( sin,      FLOATS,  FN(sin)(x),                      reel_mul(gy, reel_cos(x)),                        -3.0, 3.0)
UNARY( cos,      FLOATS,  FN(cos)(x),                      reel_neg(reel_mul(gy, reel_sin(x))),              -3.0, 3.0)
UNARY( tanh,     FLOATS,  FN(tanh)(x),                     reel_mul(gy, one_minus(reel_mul(y, y))),          -2.0, 2.0)
UNARY( erf,      FLOATS,  FN(erf)(x),                      reel_mul(gy, bell(x)),                            -2.0, 2.0)
UNARY( sqrt,     FLOATS,  FN(sqrt)(x),                     reel_div(reel_scale(gy, 0.5), y),                  0.3, 3.0)
UNARY( rsqrt,    FLOATS,  1 / FN(sqrt)(x),                 reel_mul(gy, rsqrt_slope(y)),                      0.3, 3.0)

/*      op       types    y =               ga =                              gb =                           tested on */
BINARY( add,     NUMBERS, a + b,            gy,                               gy,                            -2.0, 2.0)
BINARY( sub,     NUMBERS, a - b,            gy,                               reel_neg(gy),                  -2.0, 2.0)
BINARY( mul,     NUMBERS, a * b,            reel_mul(gy, b),                  reel_mul(gy, a),               -2.0, 2.0)
BINARY( div,     FLOATS,  a / b,            reel_div(gy, b),                  reel_neg(reel_div(reel_mul(gy, y), b)), 0.4, 2.0)
BINARY( pow,     FLOATS,  FN(pow)(a, b),    power_base(gy, a, b),             power_exponent(gy, y, a, b),    0.4, 2.0)
BINARY( minimum, NUMBERS, FN(minimum)(a, b), share_less(gy, a, b),             share_less(gy, b, a),          -2.0, 2.0)
BINARY( maximum, NUMBERS, FN(maximum)(a, b), share_more(gy, a, b),             share_more(gy, b, a),          -2.0, 2.0)

/*       op  y =  */
COMPARE( eq, a == b)
COMPARE( ne, a != b)
COMPARE( lt, a < b)
COMPARE( le, a <= b)
/* clang-format on */
