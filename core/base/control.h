/* The floating-point environment of a run: round to nearest, subnormals are not flushed. What the caller had is restored
 * afterwards. */
#ifndef REEL_CORE_BASE_CONTROL_H
#define REEL_CORE_BASE_CONTROL_H

#include <fenv.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

typedef fenv_t reel__control_word;

static inline reel__control_word reel__set_control_word(void)
{
    reel__control_word saved;
    fegetenv(&saved);
    fesetround(FE_TONEAREST);
#if defined(__SSE2__)
    _mm_setcsr(_mm_getcsr() & ~0x8040u); /* no flush to zero, no denormals are zero */
#endif
    return saved;
}

static inline void reel__restore_control_word(const reel__control_word *saved) { fesetenv(saved); }

#endif
