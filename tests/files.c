/* See files.h. */
#define _XOPEN_SOURCE 700
#include "files.h"

#include <criterion/criterion.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

char test_directory[] = "/tmp/reel-test-XXXXXX";

void enter_directory(void) { cr_assert(mkdtemp(test_directory) && chdir(test_directory) == 0); }

void leave_directory(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", test_directory);
    cr_assert_eq(system(command), 0);
}

void leave_and_skip(const char *why)
{
    leave_directory();
    cr_skip_test("%s", why);
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
    const size_t size = fread(text, 1, sizeof text, file);
    cr_assert_lt(size, sizeof text, "%s", path);
    text[size] = 0;
    fclose(file);
    return text;
}

char *read_source(const char *path)
{
    char name[1000];
    snprintf(name, sizeof name, "%s/%s", REEL_SOURCE_ROOT, path);
    return read_file(name);
}
