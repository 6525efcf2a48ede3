/* A hash table of pointers, by linear probing. See hash.h. */
#include "core/base/hash.h"

void *reel__table_next(const reel__table *table, uint64_t hash, int64_t *at)
{
    if (!table->capacity) return NULL;
    const uint64_t mask = (uint64_t)table->capacity - 1;
    for (;;) {
        const reel__slot *slot = &table->slots[(hash + (uint64_t)*at) & mask];
        if (!slot->item) return NULL;
        ++*at;
        if (slot->hash == hash) return slot->item;
    }
}

void reel__table_add(reel__table *table, uint64_t hash, void *item)
{
    const uint64_t mask = (uint64_t)table->capacity - 1;
    uint64_t slot = hash & mask;
    while (table->slots[slot].item) slot = (slot + 1) & mask;
    table->slots[slot] = (reel__slot){ hash, item };
    table->count++;
}

static bool stays(const reel__slot *slot, bool (*needed)(const void *item))
{
    return slot->item && (!needed || needed(slot->item));
}

bool reel__table_reserve(const reel_allocator *allocator, reel__table *table, bool (*needed)(const void *item))
{
    if (table->count * 2 < table->capacity) return true;
    int64_t count = 0;
    for (int64_t i = 0; i < table->capacity; i++) count += stays(&table->slots[i], needed);
    reel__table bigger = { .capacity = 64 };
    while (bigger.capacity < 4 * count) bigger.capacity *= 2;
    bigger.slots = reel__allocate(allocator, (size_t)bigger.capacity * sizeof *bigger.slots);
    if (!bigger.slots) return false;
    for (int64_t i = 0; i < table->capacity; i++)
        if (stays(&table->slots[i], needed)) reel__table_add(&bigger, table->slots[i].hash, table->slots[i].item);
    reel__table_free(allocator, table);
    *table = bigger;
    return true;
}

void reel__table_free(const reel_allocator *allocator, reel__table *table)
{
    reel__release(allocator, table->slots, (size_t)table->capacity * sizeof *table->slots);
    *table = (reel__table){ 0 };
}
