/* The model: named values in order of their names. A model's value never moves and is never removed before the model is freed, so a
 * node may point to it. */
#ifndef REEL_CORE_MODEL_MODEL_H
#define REEL_CORE_MODEL_MODEL_H

#include "core/base/error.h"
#include "core/base/memory.h"
#include "core/base/pattern.h"

#include <pthread.h>

typedef struct reel__value reel__value;

struct reel__value {
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
    void *data;    /* contiguous, row-major */
    int64_t users; /* of an input: programs that read it */
    char name[];
};

struct reel_model {
    reel_allocator allocator;
    pthread_mutex_t
        lock;          /* of the table and the error: see section 8 of reel.h. A value never moves, so it needs none */
    reel__error error; /* the first that nobody has asked for yet */
    reel_status last;  /* of the last call that failed */
    bool failed;       /* could not be made: every call accepts it and does nothing */
    bool sealed;
    uint64_t seed;
    uint64_t runs;        /* atomic, so that it can be asked for during one */
    uint64_t changes;     /* how often values have changed */
    uint64_t tapes;       /* made so far; atomic */
    int references;       /* its maker's and one for each tape; atomic */
    reel__array values;   /* reel__value *, by name */
    reel__array left_out; /* text, of the last load */
};

extern reel_model reel__no_model; /* of tapes that have none; failed */

/* What a call returns that has no model or a failed one. */
static inline reel_status reel__status_without_model(const reel_model *model)
{
    return model ? REEL_OUT_OF_MEMORY : REEL_BAD_ARGUMENT;
}

/* Values are in an array of reel__value *, in order of their names: a model's, the inputs of a tape, the states that an
 * evaluating tape has of its own. Several inputs have one name, and stand next to each other. */
static inline reel__value *reel__value_at(const reel__array *values, int64_t i)
{
    return REEL__AT(*values, reel__value *, i);
}

/* The index of the first whose name is not before this one. */
int64_t reel__value_index(const reel__array *values, const char *name);
reel__value *reel__value_find(const reel__array *values, const char *name);

/* A new value, zero; NULL: out of memory, and the array is as it was. */
reel__value *reel__value_add(const reel_allocator *allocator, reel__array *values, const char *name, bool is_state,
                             reel_dtype dtype, int rank, const int64_t *size);
void reel__value_insert(reel__array *values, reel__value *value); /* there is room for it */
void reel__values_free(const reel_allocator *allocator, reel__array *values);

/* Forgets the values that are not needed. */
void reel__values_keep(const reel_allocator *allocator, reel__array *values,
                       bool (*needed)(const reel__value *value, const void *context), const void *context);

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
