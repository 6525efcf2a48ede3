/* Which instruction sets this build and this machine have, and the best of them. A plan may be told to use another one
 * (core/plan/settings.c). */
#include "core/base/cpu.h"

#include <string.h>

static const char *const names[REEL__ISAS] = { "baseline", "avx2", "avx512" };

const char *reel__isa_name(int isa) { return (unsigned)isa < REEL__ISAS ? names[isa] : "unknown"; }

bool reel__isa_available(int isa)
{
    if (isa == REEL__BASELINE) return true;
#if defined(REEL_HAVE_AVX2)
    if (isa == REEL__AVX2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#endif
#if defined(REEL_HAVE_AVX512)
    if (isa == REEL__AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("fma");
#endif
    return false;
}

int reel__isa_best(void)
{
    int isa = REEL__ISAS - 1;
    while (!reel__isa_available(isa)) isa--;
    return isa;
}

int reel__isa_by_name(const char *name)
{
    for (int isa = 0; isa < REEL__ISAS; isa++)
        if (strcmp(name, names[isa]) == 0) return isa;
    return -1;
}
