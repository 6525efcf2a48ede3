/* The pointwise ops. A row is the kernel of every type and instruction set, the derivative, the constructor and what it
 * is tested on. Its prototype, with the formula, stands in include/reel/ops.h; a test compares the two.
 *
 * In an expression x, a and b are operands, MATH(f) is f of the type at hand. FLOATS is f32 and f64, NUMBERS also i32. In a
 * derivative y is the result and gy its gradient; NULL is zero everywhere. An op that COMMUTES has links for one order.
 *
 * The link is what an f32 op is in a chain (link.kernel.c). LOOP: a loop over the expression, which a compiler vectorises;
 * right for every op. VECTORS: the expression itself, compiled for vectors, for ops of a few instructions. OWN_LOOP: a loop
 * that is written there.
 *
 * Whoever includes this defines UNARY, BINARY and COMPARE, which are undefined at the end. */

/* clang-format off */
/*     op        types    link      y =                             gx =                                    tested on */
UNARY( neg,      NUMBERS, VECTORS,  -x,                             reel_neg(gy),                           -2.0, 2.0)
UNARY( abs,      NUMBERS, VECTORS,  MATH(fabs)(x),                  reel_mul(gy, reel_sign(x)),              0.2, 2.0)
UNARY( sign,     NUMBERS, LOOP,     x > 0 ? 1 : x < 0 ? -1 : x,     NULL,                                    0.2, 2.0)
UNARY( floor,    FLOATS,  LOOP,     MATH(floor)(x),                 NULL,                                    0.2, 0.8)
UNARY( exp,      FLOATS,  LOOP,     MATH(exp)(x),                   reel_mul(gy, y),                        -2.0, 2.0)
UNARY( log,      FLOATS,  LOOP,     MATH(log)(x),                   reel_div(gy, x),                         0.2, 3.0)
UNARY( expm1,    FLOATS,  LOOP,     MATH(expm1)(x),                 reel_mul(gy, reel_shift(y, 1)),         -2.0, 2.0)
UNARY( log1p,    FLOATS,  LOOP,     MATH(log1p)(x),                 reel_div(gy, reel_shift(x, 1)),         -0.7, 2.0)
UNARY( sin,      FLOATS,  OWN_LOOP, MATH(sin)(x),                   reel_mul(gy, reel_cos(x)),              -7.0, 7.0)
UNARY( cos,      FLOATS,  OWN_LOOP, MATH(cos)(x),                   reel_neg(reel_mul(gy, reel_sin(x))),    -7.0, 7.0)
UNARY( tanh,     FLOATS,  LOOP,     MATH(tanh)(x),                  reel_mul(gy, one_minus(reel_mul(y, y))), -2.0, 2.0)
UNARY( erf,      FLOATS,  LOOP,     MATH(erf)(x),                   reel_mul(gy, bell(x)),                  -2.0, 2.0)
UNARY( sqrt,     FLOATS,  LOOP,     MATH(sqrt)(x),                  reel_div(reel_scale(gy, 0.5), y),        0.3, 3.0)
UNARY( rsqrt,    FLOATS,  LOOP,     1 / MATH(sqrt)(x),              reel_mul(gy, rsqrt_slope(y)),            0.3, 3.0)

/*      op       types    order     link     y =                 ga =                   gb =                    tested on */
BINARY( add,     NUMBERS, COMMUTES, VECTORS, a + b,              gy,                    gy,                     -2.0, 2.0)
BINARY( sub,     NUMBERS, ORDERED,  VECTORS, a - b,              gy,                    reel_neg(gy),           -2.0, 2.0)
BINARY( mul,     NUMBERS, COMMUTES, VECTORS, a * b,              reel_mul(gy, b),       reel_mul(gy, a),        -2.0, 2.0)
BINARY( div,     FLOATS,  ORDERED,  VECTORS, a / b,              reel_div(gy, b),       reel_neg(reel_div(reel_mul(gy, y), b)), 0.4, 2.0)
BINARY( pow,     FLOATS,  ORDERED,  LOOP,    MATH(pow)(a, b),    power_base(gy, a, b),  power_exponent(gy, y, a, b), 0.4, 2.0)
BINARY( minimum, NUMBERS, COMMUTES, VECTORS, MATH(minimum)(a, b), share_less(gy, a, b), share_less(gy, b, a),   -9.0, 9.0)
BINARY( maximum, NUMBERS, COMMUTES, VECTORS, MATH(maximum)(a, b), share_more(gy, a, b), share_more(gy, b, a),   -9.0, 9.0)

/*       op  order     y = */
COMPARE( eq, COMMUTES, a == b)
COMPARE( ne, COMMUTES, a != b)
COMPARE( lt, ORDERED,  a < b)
COMPARE( le, ORDERED,  a <= b)
/* clang-format on */

#undef UNARY
#undef BINARY
#undef COMPARE
