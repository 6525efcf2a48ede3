/* As much of Criterion as test_threads.c uses, in one process and without its own threads: Criterion cannot begin under
 * ThreadSanitizer. Found instead of it by the include path of the executable threads_alone. */
#ifndef REEL_TESTS_ALONE_CRITERION_H
#define REEL_TESTS_ALONE_CRITERION_H

#pragma GCC system_header /* its macros may be called without a message */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct alone_test {
    const char *name;
    void (*run)(void);
    struct alone_test *next;
} alone_test;

static alone_test *alone_first;
static int alone_failed;

#define Test(suite, test)                                                                                              \
    static void suite##_##test(void);                                                                                  \
    __attribute__((constructor)) static void suite##_##test##_listed(void)                                             \
    {                                                                                                                  \
        static alone_test t = { #suite "/" #test, suite##_##test, NULL };                                              \
        t.next = alone_first, alone_first = &t;                                                                        \
    }                                                                                                                  \
    static void suite##_##test(void)

#define ALONE_EXPECT(condition, end, ...)                                                                              \
    do {                                                                                                               \
        if (condition) break;                                                                                          \
        printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                         \
        alone_failed++;                                                                                                \
        end;                                                                                                           \
    } while (0)

#define cr_expect(condition, ...) ALONE_EXPECT(condition, (void)0)
#define cr_expect_eq(a, b, ...) ALONE_EXPECT((a) == (b), (void)0)
#define cr_expect_arr_eq(a, b, size, ...) ALONE_EXPECT(memcmp(a, b, size) == 0, (void)0)
#define cr_assert(condition, ...) ALONE_EXPECT(condition, exit(1))
#define cr_assert_eq(a, b, ...) ALONE_EXPECT((a) == (b), exit(1))
#define cr_assert_geq(a, b, ...) ALONE_EXPECT((a) >= (b), exit(1))
#define cr_assert_str_eq(a, b, ...) ALONE_EXPECT(strcmp(a, b) == 0, exit(1))

int main(void)
{
    for (const alone_test *t = alone_first; t; t = t->next) {
        printf("%s\n", t->name);
        t->run();
    }
    return alone_failed > 0;
}

#endif
