/* See fixture.h. */
#define _XOPEN_SOURCE 700
#include "fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

reel_model *model;
reel_tape *tape;

void begin_with(reel_model_options of_model, reel_tape_options of_tape)
{
    model = reel_model_new(of_model);
    tape = reel_tape_new(model, of_tape);
}

void begin(void) { begin_with((reel_model_options){ .seed = 1 }, (reel_tape_options){ 0 }); }

void end_after_error(void)
{
    reel_tape_free(tape);
    reel_model_free(model);
    tape = NULL, model = NULL;
}

void end(void)
{
    cr_expect_null(reel_tape_error(tape), "%s", reel_tape_error(tape));
    end_after_error();
}

void run(void) { cr_assert_eq(reel_run(tape), REEL_OK, "%s", reel_tape_error(tape)); }

reel_tensor *total(reel_tensor *x) { return reel_sum(x, REEL_ALL, REEL_DROP); }
reel_tensor *average(reel_tensor *x) { return reel_mean(x, REEL_ALL, REEL_DROP); }

/* ---- Files ------------------------------------------------------------------------------------------------------- */

static char directory[] = "/tmp/reel-test-XXXXXX";

void enter_directory(void) { cr_assert(mkdtemp(directory) && chdir(directory) == 0); }

void leave_directory(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
}

int count_files(void)
{
    DIR *all = opendir(".");
    int count = 0;
    for (struct dirent *d; (d = readdir(all));) count += d->d_name[0] != '.';
    closedir(all);
    return count;
}

void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0, "%s", path);
}

char *read_file(const char *path)
{
    static char text[1 << 18];
    FILE *file = fopen(path, "rb");
    cr_assert(file, "no %s", path);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}
