/* Files of tests, each test in a directory of its own. */
#ifndef REEL_TESTS_FILES_H
#define REEL_TESTS_FILES_H

#include <stddef.h>

/* A new directory below /tmp, in which the test is until it leaves; leaving removes it. */
extern char test_directory[];
void enter_directory(void);
void leave_directory(void);
void leave_and_skip(const char *why); /* a test that is skipped ends without leaving */

int count_files(void); /* in the current directory, those that are not hidden */
void write_file(const char *path, const void *bytes, size_t size);
char *read_file(const char *path);   /* up to 256 kB, until the next call; with a 0 at the end */
char *read_source(const char *path); /* the same, of this source tree */

#endif
