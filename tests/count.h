/* The length of an array. */
#ifndef REEL_TESTS_COUNT_H
#define REEL_TESTS_COUNT_H

#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

#endif
