/* The model: named values in a hash table. A model's value never moves and is never removed before the model is freed, so a
 * node may point to it. */
#ifndef REEL_CORE_MODEL_MODEL_H
#define REEL_CORE_MODEL_MODEL_H

#include "core/base/error.h"
#include "core/base/memory.h"
#include "core/base/pattern.h"

#include <pthread.h>

typedef struct reel__value reel__value;

struct reel__value {
    uint64_t hash;
    bool is_state; /* a state is carried, a parameter trained */
    bool pinned;  /* init is known: a use with another one is an error. A loaded value is not pinned at first; atomic */
    bool written; /* of an input: the user has written it since it was first recorded in this generation of its tape: */
    uint32_t stamp;    /* the last in which it was recorded */
    uint64_t assigned; /* the recording that has an assignment to it; atomic */
    reel_dtype dtype;
    int rank;
    int64_t size[REEL_MAX_RANK];
    int64_t count;
    reel_init init;
    void *data; /* contiguous, row-major */
    reel__value *next;
    reel__value *before, *after; /* of a model's, in the tree of names */
    int64_t below;               /* nodes of that tree from here down */
    int64_t users;               /* of an input: programs that read it */
    char name[];
};

/* Named values in a table. The model has one; each tape has one for its inputs and, if it evaluates, one for states of its
 * own. Among inputs a name may stand several times, see reel__value_next(). */
typedef struct reel__values {
    reel__value **buckets;
    int64_t bucket_count;
    reel__array list;  /* reel__value *, in order of creation */
    reel__value *root; /* of the tree of names */
} reel__values;

struct reel_model {
    reel_allocator allocator;
    pthread_mutex_t
        lock;          /* of the table and the error: see section 8 of reel.h. A value never moves, so it needs none */
    reel__error error; /* the first that nobody has asked for yet */
    reel_status last;  /* of the last call that failed */
    bool failed;       /* could not be made: every call accepts it and does nothing */
    bool sealed;
    uint64_t seed;
    uint64_t runs;    /* atomic, so that it can be asked for during one */
    uint64_t changes; /* how often values have changed */
    uint64_t tapes;   /* made so far; atomic */
    int references;   /* its maker's and one for each tape; atomic */
    reel__values values;
    reel__array left_out; /* text, of the last load */
};

extern reel_model reel__no_model; /* of tapes that have none; failed */

/* What a call returns that has no model or a failed one. */
static inline reel_status reel__status_without_model(const reel_model *model)
{
    return model ? REEL_OUT_OF_MEMORY : REEL_BAD_ARGUMENT;
}

reel__value *reel__value_find(const reel__values *values, const char *name, uint64_t hash);

/* A new value, zero; NULL: out of memory, and the table is as it was. */
reel__value *reel__value_add(const reel_allocator *allocator, reel__values *values, const char *name, bool is_state,
                             reel_dtype dtype, int rank, const int64_t *size);
void reel__values_free(const reel_allocator *allocator, reel__values *values);

/* The next one of the same name, or NULL: an input has a value for each shape that it was recorded with. */
reel__value *reel__value_next(const reel__value *value);

/* Forgets the values that are not needed. */
void reel__values_keep(const reel_allocator *allocator, reel__values *values,
                       bool (*needed)(const reel__value *value, const void *context), const void *context);

/* Puts a new value of a model into the tree of names, in which reel_model_name() finds the index-th. */
void reel__value_rank(reel__values *values, reel__value *value);

/* Sets data to the initialiser's values, a function of (seed, name, element). */
void reel__value_initialise(reel__value *value, uint64_t seed);
bool reel__init_equal(reel_init a, reel_init b);

/* The kinds by name, in messages and in files. */
enum { REEL__INIT_KINDS = REEL_INIT_GLOROT_UNIFORM + 1 };
extern const char *const reel__init_kinds[REEL__INIT_KINDS];

/* Held while names are looked up or added, and never taken twice: what is called with it held does not take it. */
void reel__model_lock(const reel_model *model);
void reel__model_unlock(const reel_model *model);

void reel__model_retain(reel_model *model);
void reel__model_release(reel_model *model);
void reel__model_begin(reel_model *model); /* a call begins: an error that was asked for is forgotten */
reel_status reel__model_fail(reel_model *model, reel_status status, const char *format, ...) REEL_PRINTF(3, 4);

/* The value of a name, and the nearest name to one that the model does not have; or NULL. These and the next two take the
 * lock. */
reel__value *reel__model_find(const reel_model *model, const char *name);
const char *reel__model_nearest(const reel_model *model, const char *name);

/* The first value of the model that a part of a pattern names, or NULL; and what the part may have meant. Of parameters
 * alone, or with `states` of both. */
const reel__value *reel__model_named(const reel_model *model, reel__pattern_part part, bool states);
void reel__model_consider(const reel_model *model, reel__pattern_part part, bool states, reel__pattern_hint *hint);

#endif
