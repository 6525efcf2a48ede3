// The public headers in C++17, with every warning an error. Nothing here runs.
#include <reel.h>
#include <reel/op.h>

reel_shape reel_headers_shape();
reel_axes reel_headers_axes();

reel_shape reel_headers_shape() { return REEL_SHAPE(2, 3); }

reel_axes reel_headers_axes() { return REEL_AXES(0, -1); }

int main() { return REEL_SCALAR.rank; }
