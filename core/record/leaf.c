/* Leaves: inputs, parameters and states, which are bound to named values; assignments to them; and reel_keep() and
 * reel_find(). */
#include "core/base/random.h"
#include "core/record/tape.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct leaf_attr {
    reel__value *value;
    const char *name;
} leaf_attr;

static bool leaf_shape(reel_tensor *y)
{
    const leaf_attr *leaf = y->attr;
    y->value = leaf->value;
    y->name = leaf->name;
    return reel_set_shape(y, leaf->value->dtype, leaf->value->rank, leaf->value->size);
}

static bool assign_shape(reel_tensor *y)
{
    return reel_set_shape(y, (reel_dtype)y->inputs[1]->dtype, y->inputs[1]->rank, y->inputs[1]->size);
}

static void assign_run(const reel_call *call)
{
    const reel_tensor *y = call->node;
    if (y->count) memcpy(call->y, call->x[1], (size_t)y->count * reel__dtype_size((reel_dtype)y->dtype));
}

static reel_tensor *assign_vjp(reel_tensor *y, reel_tensor *gy, int input)
{
    (void)y;
    return input == 1 ? gy : NULL;
}

const reel_op reel__input_op = { .size = sizeof(reel_op), .name = "input", .shape = leaf_shape };
const reel_op reel__parameter_op = { .size = sizeof(reel_op), .name = "parameter", .shape = leaf_shape };
const reel_op reel__state_op = { .size = sizeof(reel_op), .name = "state", .shape = leaf_shape };
const reel_op reel__assign_op = {
    .size = sizeof(reel_op), .name = "assign", .shape = assign_shape, .run = assign_run, .vjp = assign_vjp
};

static reel_tensor *leaf(reel_tape *tape, const reel_op *op, reel__value *value, const char *name)
{
    leaf_attr attr = { .value = value, .name = name };
    return reel__record_leaf(tape, op, &attr, sizeof attr);
}

static bool check_shape(reel_tape *tape, const char *what, const char *name, reel_shape shape)
{
    reel__text text;
    int64_t count;
    const char *shown = name ? name : "(null)";
    if (shape.rank < 0 || shape.rank > REEL_MAX_RANK) {
        reel__fail(tape, REEL_BAD_SHAPE, "%s: \"%s\" has %d dimensions; at most %d are possible", what, shown,
                   shape.rank, REEL_MAX_RANK);
        return false;
    }
    for (int i = 0; i < shape.rank; i++)
        if (shape.size[i] < 0) {
            reel__fail(tape, REEL_BAD_SHAPE, "%s: \"%s\" has a negative size: %s", what, shown,
                       reel__shape_text(&text, shape.rank, shape.size));
            return false;
        }
    if (!reel__shape_count(shape.rank, shape.size, &count)) {
        reel__fail(tape, REEL_TOO_LARGE, "%s: the number of bytes of \"%s\" %s overflows", what, shown,
                   reel__shape_text(&text, shape.rank, shape.size));
        return false;
    }
    return true;
}

static bool check_dtype(reel_tape *tape, const char *what, reel_dtype dtype)
{
    if ((unsigned)dtype <= REEL_I32) return true;
    reel__fail(tape, REEL_BAD_DTYPE, "%s: %d is no dtype", what, (int)dtype);
    return false;
}

static bool same_shape(const reel__value *value, reel_dtype dtype, reel_shape shape)
{
    return value->dtype == dtype && value->rank == shape.rank &&
           memcmp(value->size, shape.size, (size_t)shape.rank * sizeof *shape.size) == 0;
}

static void shape_conflict(reel_tape *tape, const char *what, const reel__value *value, const char *name,
                           reel_dtype dtype, reel_shape shape)
{
    reel__text was, is;
    reel__fail(tape, REEL_BAD_NAME, "%s: \"%s\" exists as %s %s %s, not as %s %s", what, name,
               value->is_state         ? "state"
               : strcmp(what, "input") ? "parameter"
                                       : "input",
               reel__dtype_name(value->dtype), reel__shape_text(&was, value->rank, value->size),
               reel__dtype_name(dtype), reel__shape_text(&is, shape.rank, shape.size));
}

/* Within one recording an input has one shape. In the table it may have values of other shapes too, as long as a program of
 * the tape reads them, so that alternating batch sizes allocate once. */
static reel__value *input_value(reel_tape *tape, const char *full, reel_dtype dtype, reel_shape shape)
{
    reel__value *value = NULL, *v = reel__value_find(&tape->inputs, full, reel__hash_string(full));
    for (; v; v = reel__value_next(v)) {
        if (same_shape(v, dtype, shape)) value = v;
        else if (v->stamp == tape->generation) {
            shape_conflict(tape, "input", v, full, dtype, shape);
            return NULL;
        }
    }
    if (!value) value = reel__value_add(&tape->allocator, &tape->inputs, full, false, dtype, shape.rank, shape.size);
    if (!value) reel__out_of_memory(tape, full);
    return value;
}

/* Whether an input is read by a program, or by the recording that has just ended and that the next one is compared with. */
static bool needed(const reel__value *value, const void *tape)
{
    return value->users || value->stamp == ((const reel_tape *)tape)->generation;
}

void reel__inputs_tidy(reel_tape *tape)
{
    if (tape->inputs.list.count > tape->used_inputs + tape->read_inputs)
        reel__values_keep(&tape->allocator, &tape->inputs, needed, tape);
    tape->used_inputs = 0;
}

reel_tensor *(reel_input)(reel_tape *tape, const char *name, reel_dtype dtype, reel_shape shape)
{
    if (!reel__has_tape(&tape, "input") || !check_shape(tape, "input", name, shape) ||
        !check_dtype(tape, "input", dtype))
        return &tape->bad;
    const char *full = reel__use_name(tape, "input", name);
    if (!full) return &tape->bad;
    const reel_tensor *before = reel__replay_leaf(tape, &reel__input_op, full);
    reel__value *value =
        before && same_shape(before->value, dtype, shape) ? before->value : input_value(tape, full, dtype, shape);
    if (!value) return &tape->bad;
    if (value->stamp != tape->generation) {
        value->stamp = tape->generation, value->written = false;
        tape->used_inputs++;
    }
    return leaf(tape, &reel__input_op, value, full);
}

static void unknown_name(reel_tape *tape, const char *what, const char *full)
{
    const char *near = reel__model_nearest(tape->model, full);
    reel__fail(tape, REEL_BAD_NAME, "%s: %s has no \"%s\"%s%s%s", what,
               tape->model->sealed ? "the model is sealed and" : "an evaluating tape makes no parameters and the model",
               full, near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

static const char *init_name(reel_init init)
{
    return (unsigned)init.kind < REEL__INIT_KINDS ? reel__init_kinds[init.kind] : "of no kind";
}

/* A tape may ask without the lock whether a value is pinned, and then for its initialiser. */
static bool is_pinned(const reel__value *value) { return __atomic_load_n(&value->pinned, __ATOMIC_ACQUIRE); }

static void pin(reel__value *value, reel_init init)
{
    value->init = init;
    __atomic_store_n(&value->pinned, true, __ATOMIC_RELEASE);
}

static reel__value *new_value(reel_tape *tape, const char *full, bool is_state, reel_dtype dtype, reel_shape shape,
                              reel_init init)
{
    reel_model *model = tape->model;
    reel__value *value =
        reel__value_add(&model->allocator, &model->values, full, is_state, dtype, shape.rank, shape.size);
    if (!value) {
        reel__out_of_memory(tape, full);
        return NULL;
    }
    pin(value, init);
    reel__value_initialise(value, model->seed);
    reel__value_rank(&model->values, value);
    return value;
}

/* The value if it is what was asked for. */
static reel__value *same_value(reel_tape *tape, const char *what, reel__value *value, bool is_state, reel_dtype dtype,
                               reel_shape shape, reel_init init)
{
    if (!same_shape(value, dtype, shape)) {
        shape_conflict(tape, what, value, value->name, dtype, shape);
    } else if (value->is_state != is_state) {
        reel__fail(tape, REEL_BAD_NAME, "%s: \"%s\" exists as a %s", what, value->name,
                   value->is_state ? "state" : "parameter");
    } else if (is_pinned(value) && !is_state && !reel__init_equal(value->init, init)) {
        reel__fail(tape, REEL_BAD_NAME, "%s: \"%s\" exists with another initialiser: %s (%g, %g), not %s (%g, %g)",
                   what, value->name, init_name(value->init), value->init.a, value->init.b, init_name(init), init.a,
                   init.b);
    } else {
        if (!is_pinned(value) && !tape->options.evaluate) pin(value, init); /* it came from a file */
        return value;
    }
    return NULL;
}

/* Finds or makes a value of the model, at once for all tapes. */
static reel__value *model_value(reel_tape *tape, const char *what, const char *full, bool is_state, reel_dtype dtype,
                                reel_shape shape, reel_init init)
{
    reel_model *model = tape->model;
    const uint64_t hash = reel__hash_string(full);
    reel__model_lock(model);
    reel__value *value = reel__value_find(&model->values, full, hash);
    const bool unknown = !value && (model->sealed || tape->options.evaluate);
    if (value) value = same_value(tape, what, value, is_state, dtype, shape, init);
    else if (!unknown) value = new_value(tape, full, is_state, dtype, shape, init);
    reel__model_unlock(model);
    if (unknown) unknown_name(tape, what, full);
    return value;
}

/* What is wrong with an initialiser, NULL: nothing. A constant may be any number. */
static const char *init_fault(reel_init init, reel_dtype dtype)
{
    double largest = dtype == REEL_F32 ? (double)FLT_MAX : DBL_MAX, width = init.b - init.a;
    bool one = fabs(init.a) <= largest, two = one && fabs(init.b) <= largest;
    switch (init.kind) {
    case REEL_INIT_DEFAULT: return "it has numbers but no kind";
    case REEL_INIT_CONSTANT: return NULL;
    case REEL_INIT_UNIFORM:
        return two && width >= 0 && width <= DBL_MAX ? NULL : "low ≤ high, both finite, is asked for";
    case REEL_INIT_NORMAL:
        return two && init.b >= 0 ? NULL : "a finite mean and deviation, which is not negative, are asked for";
    case REEL_INIT_FAN_IN_UNIFORM:
    case REEL_INIT_GLOROT_UNIFORM: return one && init.a >= 0 ? NULL : "a finite gain that is not negative is asked for";
    }
    return "there is no such kind";
}

static bool check_init(reel_tape *tape, const char *name, reel_init init, reel_dtype dtype)
{
    const char *fault = init_fault(init, dtype);
    if (fault)
        reel__fail(tape, REEL_BAD_ARGUMENT, "parameter: \"%s\" has the initialiser %s (%g, %g): %s", name,
                   init_name(init), init.a, init.b, fault);
    return !fault;
}

reel_tensor *(reel_parameter)(reel_tensor *like, const char *name, reel_shape shape, reel_init init)
{
    reel_tape *tape = reel__tape_or_none(like);
    if (!reel__usable(tape, like, "parameter: like") || !check_shape(tape, "parameter", name, shape)) return &tape->bad;
    if (like->dtype == REEL_I32)
        return reel__fail(tape, REEL_BAD_DTYPE, "parameter: \"%s\" would be i32, as %s; use reel_cast() on like first",
                          name ? name : "", reel__node_text(like));
    const char *full = reel__use_name(tape, "parameter", name);
    if (!full) return &tape->bad;
    if (reel__init_equal(init, (reel_init){ 0 })) init = reel_init_zeros();
    const reel_tensor *before = reel__replay_leaf(tape, &reel__parameter_op, full);
    bool same = before && is_pinned(before->value) && same_shape(before->value, (reel_dtype)like->dtype, shape) &&
                reel__init_equal(before->value->init, init);
    if (!same && !check_init(tape, full, init, (reel_dtype)like->dtype)) return &tape->bad;
    reel__value *value =
        same ? before->value : model_value(tape, "parameter", full, false, (reel_dtype)like->dtype, shape, init);
    if (!value) return &tape->bad;
    reel_tensor *by = tape->replacements.count ? reel__replaced(tape, full) : NULL;
    return by ? by : leaf(tape, &reel__parameter_op, value, full);
}

/* An evaluating tape reads the model's state until it assigns to it itself: from then on it has a copy of its own. What the
 * model does not have is its own from the beginning. */
static reel__value *private_state(reel_tape *tape, const char *full)
{
    return reel__value_find(&tape->states, full, reel__hash_string(full));
}

/* Zero; NULL: the error is recorded. */
static reel__value *new_private_state(reel_tape *tape, const char *full, reel_dtype dtype, int rank,
                                      const int64_t *size)
{
    reel__value *value = reel__value_add(&tape->allocator, &tape->states, full, true, dtype, rank, size);
    if (!value) reel__out_of_memory(tape, full);
    return value;
}

static reel__value *state_value(reel_tape *tape, const char *full, reel_dtype dtype, reel_shape shape)
{
    reel__value *value = tape->options.evaluate ? private_state(tape, full) : NULL;
    if (value && !same_shape(value, dtype, shape)) {
        shape_conflict(tape, "state", value, full, dtype, shape);
        return NULL;
    }
    if (value) return value;
    bool own = tape->options.evaluate && !tape->model->sealed && !reel__model_find(tape->model, full);
    return own ? new_private_state(tape, full, dtype, shape.rank, shape.size)
               : model_value(tape, "state", full, true, dtype, shape, reel_init_zeros());
}

reel_tensor *(reel_state)(reel_tape *tape, const char *name, reel_dtype dtype, reel_shape shape)
{
    if (!reel__has_tape(&tape, "state") || !check_shape(tape, "state", name, shape) ||
        !check_dtype(tape, "state", dtype))
        return &tape->bad;
    const char *full = reel__use_name(tape, "state", name);
    if (!full) return &tape->bad;
    const reel_tensor *before = tape->options.evaluate ? NULL : reel__replay_leaf(tape, &reel__state_op, full);
    bool same = before && is_pinned(before->value) && same_shape(before->value, dtype, shape);
    reel__value *value = same ? before->value : state_value(tape, full, dtype, shape);
    return value ? leaf(tape, &reel__state_op, value, full) : &tape->bad;
}

/* What an assignment writes: the model's value, or on an evaluating tape a private copy that begins with it. */
static reel__value *assigned_value(reel_tape *tape, reel_tensor *target)
{
    if (!tape->options.evaluate) return target->value;
    reel__value *value = private_state(tape, target->name);
    if (value) return value;
    const reel__value *of_model = target->value;
    value = new_private_state(tape, target->name, of_model->dtype, of_model->rank, of_model->size);
    if (!value) return NULL;
    memcpy(value->data, target->value->data, (size_t)value->count * reel__dtype_size(value->dtype));
    target->value = value;
    tape->rebound++;
    return value;
}

/* A number that no other recording of any tape of the model has. */
static uint64_t recording_id(const reel_tape *tape) { return (uint64_t)tape->serial << 32 | tape->generation; }

bool reel__is_private(const reel_tape *tape, const reel__value *value)
{
    return reel__value_find(&tape->states, value->name, value->hash) == value;
}

bool reel__is_assigned(const reel_tape *tape, const reel__value *value)
{
    return value->assigned == recording_id(tape);
}

reel_tensor *(reel_assign)(reel_tensor *target, reel_tensor *value)
{
    reel_tape *tape = reel__tape_or_none(target ? target : value);
    if (!reel__usable(tape, target, "assign: the target") || !reel__usable(tape, value, "assign: the value"))
        return &tape->bad;
    if (target->op != &reel__parameter_op && target->op != &reel__state_op)
        return reel__fail(tape, REEL_BAD_ARGUMENT, "assign: the target %s is no parameter or state",
                          reel__node_text(target));
    if (tape->options.evaluate && target->op == &reel__parameter_op)
        return reel__fail(tape, REEL_BAD_STATE, "assign: an evaluating tape never writes the parameter %s",
                          reel__node_text(target));
    if (target->dtype != value->dtype)
        return reel__fail(tape, REEL_BAD_DTYPE, "assign: %s is %s and the value is %s (use reel_cast)", target->name,
                          reel__dtype_name((reel_dtype)target->dtype), reel__dtype_name((reel_dtype)value->dtype));
    if (target->size != value->size || target->rank != value->rank)
        return reel__fail(tape, REEL_BAD_SHAPE, "assign: %s is %s and the value is %s", target->name,
                          reel_shape_text(target), reel_shape_text(value));
    const reel__value *own = tape->options.evaluate ? private_state(tape, target->name) : target->value;
    if (own && __atomic_load_n(&own->assigned, __ATOMIC_RELAXED) == recording_id(tape))
        return reel__fail(tape, REEL_BAD_STATE, "assign: a second assignment to %s in one program",
                          reel__node_text(target));
    if (!reel__reserve(&tape->allocator, &tape->assigns, tape->assigns.count, sizeof(reel_tensor *)))
        return reel__out_of_memory(tape, "assign");
    reel__value *written = assigned_value(tape, target);
    if (!written) return &tape->bad;
    reel_tensor *y = reel_record(&reel__assign_op, (reel_tensor *[]){ target, value }, 2, NULL, 0);
    if (y->is_bad) return y;
    __atomic_store_n(&written->assigned, recording_id(tape), __ATOMIC_RELAXED);
    REEL__AT(tape->assigns, reel_tensor *, tape->assigns.count++) = y;
    tape->effects++;
    return y;
}

reel_tensor *(reel_keep)(reel_tensor *x, const char *name)
{
    reel_tape *tape = reel__tape_or_none(x);
    const char *full = reel__usable(tape, x, "keep: the tensor") ? reel__use_name(tape, "keep", name) : NULL;
    if (!full) return &tape->bad;
    if (!reel__reserve(&tape->allocator, &tape->keeps, tape->keeps.count, sizeof(reel__named)))
        return reel__out_of_memory(tape, "keep");
    REEL__AT(tape->keeps, reel__named, tape->keeps.count++) = (reel__named){ full, x };
    reel__string_of(full)->kept = x, reel__string_of(full)->generation = tape->generation;
    x->readable = true;
    return x;
}

static const char *kept_name(const void *context, int64_t index)
{
    return REEL__AT(((const reel_tape *)context)->keeps, reel__named, index).name;
}

reel_tensor *(reel_find)(reel_tape *tape, const char *name)
{
    if (!reel__has_tape(&tape, "find")) return &tape->bad;
    if (tape->recording.status != REEL_OK) return &tape->bad;
    const reel__string *string = name ? reel__string_find(tape, name) : NULL;
    if (string && string->generation == tape->generation) return string->kept;
    const char *near = reel__nearest(name ? name : "", tape->keeps.count, kept_name, tape);
    return reel__fail(tape, REEL_BAD_NAME, "find: nothing is kept as \"%s\"%s%s%s", name ? name : "(null)",
                      near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}
