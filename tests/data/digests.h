/* Written by `test_gradients --print`; do not edit. FNV-1a of all f32 parameters and
 * states after 100 steps of three networks, for every compiler and instruction set. */
#ifndef REEL_TESTS_DIGESTS_H
#define REEL_TESTS_DIGESTS_H

#define DIGEST_MLP 0x2bb2d592f75b4b04u
#define DIGEST_RNN 0x2481dd62a2ed349du
#define DIGEST_SOFTMAX 0x6221fc98d728d2d5u

#endif
