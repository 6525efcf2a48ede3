/* What a tape and a tensor are. A tensor is a node: an op, its inputs and attributes; a tape owns its nodes and never
 * gives their memory back before it is freed, so that a stale handle is recognised by its generation.
 *
 *     tape.c    making, clearing, errors and lines     scope.c   scopes and names
 *     node.c    recording a node, finding the same one  leaf.c    inputs, parameters, states, assignments
 *     list.c    lists, patterns                         walk.c    the order of a program
 *     shape.c   shapes and their checks                 replay.c  calls answered from the recording before
 *     names.c   shared strings, forgetting old names    descriptor.c   the descriptors of ops
 *     results.c what a run computes                      dot.c     the picture of a program
 *     untaped.c errors of calls that have no tape */
#ifndef REEL_CORE_RECORD_TAPE_H
#define REEL_CORE_RECORD_TAPE_H

#include "core/base/error.h"
#include "core/base/memory.h"
#include "core/base/hash.h"
#include "core/model/model.h"

#include <reel/op.h>

enum {
    REEL__INLINE_INPUTS = 3,
    REEL__FEW_NAMES = 4096 /* are never forgotten */
};

typedef struct reel__scope reel__scope;

struct reel_tensor {
    const reel_op *op;
    reel_tape *tape;
    reel_tensor **inputs; /* inline_inputs, or a block of its own */
    const void *attr;
    const int64_t *size; /* shared by all nodes of this shape */
    int64_t count;
    const char *name;   /* a leaf's full name, a draw's, else NULL */
    reel__value *value; /* what a leaf is bound to */
    const char *file;   /* of the user's call; NULL: not known yet */
    const reel__scope *scope;
    union {
        const reel_tensor *origin; /* of a derived node: whose line and scope it has */
        reel_tensor *next_free;    /* of a retired one */
    };
    reel_tensor *inline_inputs[REEL__INLINE_INPUTS];
    uint32_t generation; /* of the recording that it belongs to */
    uint32_t mark;       /* of the walk that last saw it */
    int32_t line;
    int32_t input_count;
    int32_t attr_size;
    int32_t index;      /* in the order of the last walk */
    int32_t draw_index; /* of a draw: which of those with the same name, from 1 on; 0: not numbered yet */
    int32_t result;     /* its index in tape->results, if it is there */
    int32_t snapshot;   /* of a leaf: its index among the executor's snapshots, if it is there */
    uint8_t rank;
    uint8_t dtype;
    bool is_bad : 1;
    bool readable : 1; /* a run computes it for the user: kept, or a loss */
    bool returned : 1; /* a call of the user returned it */
    bool output : 1;   /* a run or an evaluation has computed it for the user */
};

/* A shared string; what is handed out is its text. */
typedef struct reel__string {
    reel_tensor *kept;   /* what was kept last under this full name, */
    uint32_t generation; /* in this recording */
    int64_t replacement; /* the newest of the parameter of this name, if it is one: an index into tape->replacements */
    char text[];
} reel__string;

/* A name in a scope, and where it was last used. */
typedef struct reel__name {
    const char *name, *file;
    const char *own; /* the name's end: without the scope's path */
    const reel__scope *scope;
    reel__scope *layer; /* the scope that a layer of this name opens, once it has */
    uint64_t entry;
    int line;
} reel__name;

struct reel__scope {
    reel__scope *parent;
    reel__scope *opener; /* the scope that was open when this one was opened */
    const char *path;    /* "block0/attention"; "" is the root */
    const char *name;
    uint64_t entry; /* the open or last entry, a number never given twice */
};

typedef struct reel__named {
    const char *name;
    reel_tensor *x;
} reel__named;

/* What nothing else of the user's program uses, see results.c. */
typedef struct reel__result {
    reel_tensor *x;
    bool in_run; /* it depends on what the program assigns */
    bool wanted; /* it was read once */
} reel__result;

typedef struct reel__replacement {
    const char *name; /* of the parameter; NULL: the mark of a push */
    reel_tensor *by;
    int64_t before; /* what its string had for it */
} reel__replacement;

/* What tells a call from others. What it does not have is NULL. */
typedef struct reel__call_key {
    const void *call;  /* the address of something that is that call's alone */
    const void *a, *b; /* tensors */
    const char *pattern;
    const reel_list *list;
} reel__call_key;

/* A call that was more than one node or none: where in the log it began, where it ended, and what it returned. */
typedef struct reel__recorded_call {
    const void *call, *a, *b; /* see reel__call_key; what a list is of stands in the list that was the answer */
    const char *pattern;
    int64_t from, to;
    void *answer;
    reel_list *list; /* the answer, if it is a list */
} reel__recorded_call;

/* How far a recording is: positions in the log, and of effects, see tape->effects. */
typedef struct reel__point {
    int64_t log;
    uint64_t effects;
} reel__point;

struct reel_list {
    reel_tape *tape;
    reel_list *next;
    uint32_t generation;
    bool is_bad;
    reel__array items; /* reel__named */
    reel__array of;    /* reel_tensor *: of a list of gradients, what they are by; reel__remember_list() writes it */
    int64_t returned;  /* how many items it had then: the user may append others */
    reel__table index; /* by name: positions plus one of the first `indexed` items, made by reel_list_find() */
    int64_t indexed;
};

struct reel_tape {
    reel_model *model;
    reel_allocator allocator;
    reel_tape_options options;
    bool plain;      /* run by the plain executor; also REEL_PLAIN=1 */
    char fault[160]; /* in the options or in the environment, which clearing does not mend; "": none */
    bool failed;
    uint32_t generation, walk, serial;
    reel__error recording, running;
    const char *site_file; /* the line of the call under way, where its macro gave one */
    int site_line;
    const char *list_file; /* the same of reel_list_append(), which may stand among another call's arguments */
    int list_line;
    const reel_tensor *origin; /* while differentiating: the node whose line new nodes take */
    reel_tensor bad;
    reel_list bad_list;

    reel__array chunks; /* of nodes */
    reel_tensor *free_first, *free_last;
    int64_t free_count, chunk_used, node_count;
    reel__array log;           /* reel_tensor *: what each call of this recording returned, in order, */
    int64_t log_end;           /* behind it, and up to here, are those of the one before that may come again */
    int64_t unstamped;         /* entries of the log from here on have no line yet */
    reel__array calls;         /* reel__recorded_call: of this recording, in the order in which they ended, */
    reel__array earlier_calls; /* of the one before, */
    int64_t next_call;         /* of which those before this one are not looked at any more */
    uint64_t effects;    /* how often something happened that is not in the log: a name was used, a scope entered or
                                  left, something kept, assigned, made a loss or replaced */
    reel__table nodes;   /* by hash: those of this recording, and older ones */
    reel__table shapes;  /* int64_t *: a rank and the sizes, shared by nodes */
    reel__table strings; /* reel__string * */
    int64_t most_names;  /* strings, shapes, names and scopes that may be there when a recording begins */
    int64_t clears;      /* since they were forgotten or that limit was raised */

    reel__scope root, *scope;
    reel__table scopes; /* reel__scope *, by parent and name; all but the root */
    reel__table names;  /* reel__name *, by scope and name */
    reel__array uses;   /* reel__name *: in order, */
    int64_t uses_end;   /* and behind them, up to here, those of earlier recordings, at the same index */
    int64_t unstamped_uses;
    uint64_t entries;
    reel__array replacements;                   /* reel__replacement */
    reel__array keeps;                          /* reel__named */
    reel__array losses, assigns;                /* reel_tensor * */
    reel_list *lists, *old_lists, *oldest_list; /* old ones: a queue, from before the last clear */
    int64_t old_list_count;
    reel__values inputs, states;      /* states: those that an evaluating tape has of its own */
    int64_t used_inputs, read_inputs; /* how many inputs this recording has; how many programs read */

    uint64_t log_changes;      /* how often a call was not answered from the log */
    uint64_t returned;         /* a hash of what calls of this recording have returned to the user */
    reel__array results;       /* reel__result, */
    int64_t results_log;       /* for a log of this length, */
    uint64_t results_changes;  /* with this content, */
    uint64_t results_returned; /* and for this hash */

    reel__array stack, order; /* of walks */
    reel__text texts[8];
    int next_text;
    int64_t scratch_size[REEL_MAX_RANK];
    reel__array descriptors;  /* of ops whose struct is shorter than this library's, completed */
    const reel_tensor *draft; /* the node whose shape rule is running */
    bool busy;                /* a run is under way; atomic, so that a second one is told so */

    int64_t draws; /* random nodes recorded */

    /* Counts by which what was made of a recording is known to be out of date. */
    int64_t retired;  /* nodes that have gone */
    uint64_t numbers; /* how often a number has changed */
    uint64_t rebound; /* how often a leaf was bound to another value */

    struct reel__executor *executor; /* of core/run, made by the first run or evaluation */
};

/* tape.c */
void reel__tape_free(reel_tape *tape); /* but for its executor: reel_tape_free() is in core/run/executor.c */
reel_tensor *reel__fail(reel_tape *tape, reel_status status, const char *format, ...) REEL_PRINTF(3, 4);
reel_status reel__run_fail(reel_tape *tape, reel_status status, const char *format, ...) REEL_PRINTF(3, 4);
void reel__report_fault(reel_tape *tape); /* tape->fault is an error of the recording */
reel_tensor *reel__out_of_memory(reel_tape *tape, const char *what);
const char *reel__node_text(const reel_tensor *x); /* "matmul [2,3] (net.c:12)" for messages */
extern reel_tape reel__failed_tape;                /* what stands for a tape for which there was no memory */

/* The tape that an op on these is recorded on: the first that has not failed, else the first, else reel__no_tape. */
reel_tape *reel__tape_of_all(reel_tensor *const *x, int count);

/* untaped.c: what stands for the tape of NULL. Its errors wait in their thread; reel__untaped is how many do in all threads
 * together. */
extern reel_tape reel__no_tape;
extern int reel__untaped;
void reel__untaped_fail(reel_status status, const char *format, va_list arguments);
void reel__untaped_site(const char *file, int line); /* for the next of them */
void reel__untaped_locate(const char *file, int line);
void reel__untaped_take(reel_tape *tape, const char *before); /* the one that waits is now the tape's, after a text */

/* The error of an op whose operands are all NULL, unless they are the results of one. */
void reel__null_operands(const char *op, reel_tensor *const *x, int count);

/* Whether there is a tape to record on. If not, *tape becomes the one that stands for it: a failed one is so itself, for NULL
 * it is reel__no_tape, and an error of that. reel__lacks_tape() is the second half, and true. */
bool reel__lacks_tape(reel_tape **tape, const char *call);
static inline bool reel__has_tape(reel_tape **tape, const char *call)
{
    return (*tape && !(*tape)->failed) || !reel__lacks_tape(tape, call);
}

static inline reel_tape *reel__tape_or_none(const reel_tensor *x) { return x ? x->tape : &reel__no_tape; }

/* What a call returns that has no tape or a failed one. */
static inline reel_status reel__status_without(const reel_tape *tape)
{
    return (tape ? tape : &reel__no_tape)->recording.status;
}

void reel__locate_list(reel_tape *tape); /* at the end of reel_list_append(): gives its line to its error */

/* True if a tensor can be used on its tape; otherwise the error is recorded. `what` begins the message. */
bool reel__usable(reel_tape *tape, const reel_tensor *x, const char *what);
const char *reel__stale_text(const reel_tensor *x, char *text, size_t size); /* of its own tape: what it is instead */

/* descriptor.c: a whole descriptor in place of the given one, and whether it can be recorded with; if not, the error is
 * recorded. */
const reel_op *reel__whole_descriptor(reel_tape *tape, const reel_op *op);
bool reel__descriptor_good(reel_tape *tape, const reel_op *op);
const char *reel__op_name(const reel_op *op, const char *otherwise); /* of a descriptor as it was given, or NULL */
void reel__descriptors_free(reel_tape *tape);

/* names.c */
const char *reel__intern(reel_tape *tape, const char *text); /* NULL: out of memory, recorded */
reel__string *reel__string_find(const reel_tape *tape, const char *text);
static inline reel__string *reel__string_of(const char *interned)
{
    return (reel__string *)(uintptr_t)(interned - offsetof(reel__string, text));
}
void reel__names_tidy(reel_tape *tape); /* as a recording begins: forgets old names once there are many */
void reel__names_free(reel_tape *tape);

/* node.c */
reel_tensor *reel__record_leaf(reel_tape *tape, const reel_op *op, const void *attr, size_t attr_size);
void reel__nodes_forget(reel_tape *tape); /* the recording before; no node has a name, scope or shape any more */
void reel__nodes_free(reel_tape *tape);
void reel__node_retire(reel_tensor *x); /* unless it is of this recording */

/* replay.c: a call that was made at its place in the recording before is answered from there: with its node; with the leaf
 * that was recorded then, whose value may still fit; with a name in the open scope; or with a remembered answer. NULL: the
 * call has to be made. */
void reel__replay_begin(reel_tape *tape); /* as a tape is cleared */
void reel__replay_end(reel_tape *tape);   /* the recording before is given up */
void reel__replay_free(reel_tape *tape);
bool reel__node_is(const reel_tensor *x, const reel_op *op, reel_tensor *const *inputs, int count, const void *attr,
                   size_t attr_size); /* whether it is what this call records */
reel_tensor *reel__replay_node(reel_tape *tape, const reel_op *op, reel_tensor *const *inputs, int count,
                               const void *attr, size_t attr_size);
const reel_tensor *reel__replay_leaf(const reel_tape *tape, const reel_op *op, const char *full_name);
reel__name *reel__replay_name(const reel_tape *tape, const char *name);
void *reel__replay_call(reel_tape *tape, const reel__call_key *key);

/* A call that costs more than finding its nodes again is remembered with its answer, unless it did more than record nodes.
 * reel__point_of() is called before it is made, one of the others with what it is to return, which they return; without
 * memory they return the bad tensor or list instead. */
reel__point reel__point_of(const reel_tape *tape);
reel_tensor *reel__remember_tensor(const reel__call_key *key, reel__point begin, reel_tensor *y);
reel_list *reel__remember_list(const reel__call_key *key, reel__point begin, reel_list *list);

/* shape.c */
const int64_t *reel__intern_shape(reel_tape *tape, int rank, const int64_t *size);
void reel__shapes_free(reel_tape *tape);

/* scope.c */
const char *reel__use_name(reel_tape *tape, const char *what, const char *name); /* the full name; NULL: an error */
reel_tensor *reel__replaced(const reel_tape *tape, const char *name); /* what stands for a parameter, or NULL */
void reel__scopes_free(reel_tape *tape);
void reel__stamp_names(reel_tape *tape, const char *file, int line);

/* leaf.c */
extern const reel_op reel__input_op, reel__parameter_op, reel__state_op, reel__assign_op;
void reel__inputs_tidy(reel_tape *tape); /* as a recording ends: frees those that nobody reads any more */
bool reel__is_assigned(const reel_tape *tape, const reel__value *value); /* by the program that is recorded */
bool reel__is_private(const reel_tape *tape, const reel__value *value);  /* a state of an evaluating tape's own */

/* results.c: finds the results, if that was not done; false: out of memory. */
bool reel__results(reel_tape *tape);

/* What a run computes, as reel_tensor *, to an empty array: assignments, what is kept, losses, then results, all of them
 * or those that a run computes. False: out of memory. */
bool reel__outputs(reel_tape *tape, bool all_results, reel__array *outputs);
reel__result *reel__result_of(reel_tape *tape, const reel_tensor *x); /* NULL: it is none, or out of memory */

/* list.c */
reel_list *reel__list_new(reel_tape *tape);
bool reel__list_append(reel_list *list, const char *name, reel_tensor *x);
reel_list *reel__list_fail(reel_tape *tape);
void reel__list_cut(reel_list *list, int64_t count); /* to its first items */
void reel__list_retire(reel_tape *tape, reel_list *list);
void reel__lists_clear(reel_tape *tape);
void reel__lists_free(reel_tape *tape);
bool reel__list_usable(reel_tape *tape, const reel_list *list, const char *what);

/* walk.c: the roots and all that they depend on, inputs before their users, in operand order; node->index is a node's
 * number in it. It is in tape->order until the next walk. False: out of memory, no error is recorded. */
bool reel__walk(reel_tape *tape, reel_tensor *const *roots, int64_t count);

/* Makes a tensor one of the tape's losses, which runs compute. False: out of memory, no error is recorded. */
bool reel__mark_loss(reel_tensor *loss);

/* Whether an op passes gradients on to this input. Of the last walk, from y alone: what y reaches by such ways gets the
 * mark tape->walk; and the first node that uses x, or a value made of x, without passing a gradient on to it; NULL: there
 * is none. */
bool reel__passes(const reel_tensor *x, int input);
void reel__mark_reached(reel_tape *tape, reel_tensor *y);
const reel_tensor *reel__find_cut(reel_tape *tape, reel_tensor *x);

#endif
