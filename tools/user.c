/* The smallest user of an installed Reel, who calls the C library's mathematics too: a cosine by either, which in f64
 * are the same bits. */
#include <math.h>
#include <reel.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    (void)argv;
    reel_model *model = reel_model_new((reel_model_options){ .seed = 1 });
    reel_tape *tape = reel_tape_new(model, (reel_tape_options){ 0 });
    reel_tensor *x = reel_input(tape, "x", REEL_F64, REEL_SHAPE(1));
    reel_tensor *y = reel_keep(reel_cos(x), "y");
    double value = argc; /* not known to the compiler, who would do without the library */
    const double wanted = cos(value);
    reel_write_f64(x, &value, 1);
    reel_run(tape);
    const bool right = reel_read_f64(y, &value, 1) == REEL_OK && value == wanted;
    if (right) printf("reel %s\n", reel_version());
    else printf("%s\n", reel_tape_error(tape) ? reel_tape_error(tape) : "a wrong cosine");
    reel_tape_free(tape);
    reel_model_free(model);
    return !right;
}
