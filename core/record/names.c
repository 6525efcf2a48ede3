/* Strings that nodes, names and scopes share, and when they are forgotten. A program that records itself again finds its
 * names and shapes; one whose scopes or lengths are new in every step must not collect them. So once there are many, all
 * are given back as a recording begins, and the recording before is forgotten with them. Plans stay: a program's structure
 * holds none of them. */
#include "core/base/random.h"
#include "core/record/tape.h"

#include <string.h>

static size_t string_bytes(const char *text) { return sizeof(reel__string) + strlen(text) + 1; }

reel__string *reel__string_find(const reel_tape *tape, const char *text)
{
    const uint64_t hash = reel__hash_string(text);
    int64_t at = 0;
    for (reel__string *s; (s = reel__table_next(&tape->strings, hash, &at));)
        if (strcmp(s->text, text) == 0) return s;
    return NULL;
}

const char *reel__intern(reel_tape *tape, const char *text)
{
    reel__string *s = reel__string_find(tape, text);
    if (s) return s->text;
    if (reel__table_reserve(&tape->allocator, &tape->strings, NULL))
        s = reel__allocate(&tape->allocator, string_bytes(text));
    if (!s) {
        reel__out_of_memory(tape, "names");
        return NULL;
    }
    strcpy(s->text, text);
    reel__table_add(&tape->strings, reel__hash_string(text), s);
    return s->text;
}

void reel__names_free(reel_tape *tape)
{
    reel__scopes_free(tape);
    for (int64_t i = 0; i < tape->strings.capacity; i++) {
        reel__string *s = tape->strings.slots[i].item;
        if (s) reel__release(&tape->allocator, s, string_bytes(s->text));
    }
    reel__table_free(&tape->allocator, &tape->strings);
}

/* What so few recordings have brought, a large program or several that take turns, may all be needed again. */
enum { FEW_CLEARS = 16 };

void reel__names_tidy(reel_tape *tape)
{
    const int64_t names = tape->strings.count + tape->shapes.count + tape->names.count + tape->scopes.count;
    const int64_t clears = ++tape->clears;
    if (names <= tape->most_names) return;
    tape->clears = 0;
    if (clears < FEW_CLEARS) {
        tape->most_names = 2 * names;
        return;
    }
    reel__nodes_forget(tape);
    reel__names_free(tape);
    reel__shapes_free(tape);
    tape->uses_end = 0;
}
