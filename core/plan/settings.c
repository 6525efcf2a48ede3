/* What the environment forces on plans, to test them and to look for a fault:
 *
 *     REEL_FORCE=no_group,tile=16,pack=always     REEL_ISA=avx2
 *
 * Nothing of it changes a bit. What is not understood, or what the machine cannot do, is an error, never ignored. */
#include "core/base/cpu.h"
#include "core/plan/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is(const char *text, size_t length, const char *what)
{
    return strlen(what) == length && strncmp(text, what, length) == 0;
}

static bool read_flag(reel__plan_settings *s, const char *text, size_t length)
{
#define SWITCH(name)                                                                                                   \
    if (is(text, length, #name)) return s->name = true;
    REEL__PLAN_SWITCHES(SWITCH)
#undef SWITCH
    if (is(text, length, "pack=ahead")) return s->pack_ahead = true;
    if (is(text, length, "pack=always")) s->pack = REEL__PACK;
    else if (is(text, length, "pack=never")) s->pack = REEL__IN_PLACE;
    else return false;
    return true;
}

static const char *const words[] = {
#define SWITCH(name) #name,
    REEL__PLAN_SWITCHES(SWITCH)
#undef SWITCH
        "pack=always",
    "pack=never",
    "pack=ahead",
    "tile=",
    "block=",
    "l1=",
    "l2=",
    "thread_work=",
};

enum { WORDS = sizeof words / sizeof *words };

static const char *word_at(const void *context, int64_t index) { return ((const char *const *)context)[index]; }

static void unknown_word(reel_tape *tape, const char *text, size_t length)
{
    char wanted[80], all[400] = "";
    snprintf(wanted, sizeof wanted, "%.*s", (int)length, text);
    for (int i = 0; i < WORDS; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", words[i]);
    const char *near = reel__nearest(wanted, WORDS, word_at, words);
    reel__fail(tape, REEL_BAD_ARGUMENT, "REEL_FORCE: what is \"%s\"?%s%s%s The words are %s", wanted,
               near ? " Did you mean \"" : "", near ? near : "", near ? "\"?" : "", all);
}

/* "tile=16"; an error is recorded. */
static bool read_number(reel_tape *tape, reel__plan_settings *s, const char *text, size_t length)
{
    const struct {
        const char *name;
        int64_t *field, least, most;
    } numbers[] = { { "tile", &s->tile, 1, 1 << 20 },
                    { "block", &s->block, 1, 1 << 20 },
                    { "l1", &s->l1, 1 << 10, 1 << 30 },
                    { "l2", &s->l2, 1 << 10, 1 << 30 },
                    { "thread_work", &s->thread_work, -1, (int64_t)1 << 40 } };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        size_t n = strlen(numbers[i].name);
        char *end;
        if (length < n + 2 || strncmp(text, numbers[i].name, n) != 0 || text[n] != '=') continue;
        *numbers[i].field = strtoll(text + n + 1, &end, 10);
        if (end == text + length && *numbers[i].field >= numbers[i].least && *numbers[i].field <= numbers[i].most)
            return true;
        reel__fail(tape, REEL_BAD_ARGUMENT, "REEL_FORCE: \"%.*s\": %s is a number from %lld to %lld", (int)length, text,
                   numbers[i].name, (long long)numbers[i].least, (long long)numbers[i].most);
        return false;
    }
    unknown_word(tape, text, length);
    return false;
}

bool reel__read_settings(reel_tape *tape, reel__plan_settings *s)
{
    const char *text = getenv("REEL_FORCE"), *isa = getenv("REEL_ISA");
    while (text && *text) {
        size_t length = strcspn(text, ",");
        if (length && !read_flag(s, text, length) && !read_number(tape, s, text, length)) return false;
        text += length + (text[length] == ',');
    }
    if (!isa || !*isa) return true;
    int set = reel__isa_by_name(isa);
    if (set < 0) {
        reel__fail(tape, REEL_BAD_ARGUMENT, "REEL_ISA: what is \"%.40s\"? The instruction sets are %s, %s and %s", isa,
                   reel__isa_name(REEL__BASELINE), reel__isa_name(REEL__AVX2), reel__isa_name(REEL__AVX512));
        return false;
    }
    if (!reel__isa_available(set)) {
        reel__fail(tape, REEL_BAD_ARGUMENT, "REEL_ISA: this machine has no instruction set \"%s\" (it has up to %s)",
                   isa, reel__isa_name(reel__isa_best()));
        return false;
    }
    s->isa = set + 1;
    return true;
}
