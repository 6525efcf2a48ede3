/* Instruction sets at run time. The compile-time side is isa.h. */
#ifndef REEL_CORE_BASE_CPU_H
#define REEL_CORE_BASE_CPU_H

#include "core/base/isa.h"

#include <stdbool.h>

const char *reel__isa_name(int isa);
bool reel__isa_available(int isa); /* compiled in, and this machine has it */
int reel__isa_best(void);
int reel__isa_by_name(const char *name); /* −1: no such set */

#endif
