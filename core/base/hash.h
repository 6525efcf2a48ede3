/* A hash table of pointers. Items are added one by one and leave together, or when the table grows and they are not needed
 * any more. They belong to the caller, who compares them; the table has their hashes. */
#ifndef REEL_CORE_BASE_HASH_H
#define REEL_CORE_BASE_HASH_H

#include "core/base/memory.h"

typedef struct reel__slot {
    uint64_t hash;
    void *item; /* NULL: empty */
} reel__slot;

/* Zero is an empty one. */
typedef struct reel__table {
    reel__slot *slots;
    int64_t count, capacity;
} reel__table;

/* The items of this hash one after the other, in any order; *at begins at 0. NULL: there are no more. */
void *reel__table_next(const reel__table *table, uint64_t hash, int64_t *at);

/* Room for one more; false: out of memory and nothing has changed. A table that has to grow leaves out the items for which
 * needed() is false; without it all stay. */
bool reel__table_reserve(const reel_allocator *allocator, reel__table *table, bool (*needed)(const void *item));
void reel__table_add(reel__table *table, uint64_t hash, void *item);

/* Gives back the table's memory, without a look at the items. */
void reel__table_free(const reel_allocator *allocator, reel__table *table);

/* Two hashes, or a hash and a pointer, as one. */
static inline uint64_t reel__mix(uint64_t hash, uint64_t with)
{
    hash = (hash ^ with) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
}

#endif
