/* Layers, losses and optimisers: functions that record ops, written with the public headers alone. Nothing here has a
 * derivative of its own.
 *
 * | choice                | here                                                                            |
 * | --------------------- | ------------------------------------------------------------------------------- |
 * | reel_mse              | ½ mean over all elements: E = 1/(2 B K) Σ (y − a)²                              |
 * | reel_l2               | (λ/2) Σ w² over all elements of the named parameters, not divided by anything   |
 * | reel_cross_entropy    | mean over all but the last axis; takes logits, not probabilities                |
 * | weights               | [in, out], y = x w + b; uniform in ±1/√in; biases 0                             |
 * | reel_var              | divides by n, not n − 1                                                         |
 * | Adam's ε              | added to √v̂, outside the root                                                  |
 * | weight_decay          | SGD: added to the gradient (L2); Adam: decoupled (Loshchilov and Hutter 2019)   |
 * | negative axes         | count from the end, everywhere                                                  |
 * | ties of max           | the gradient is shared equally                                                  |
 * | a comparison's dtype  | i32, 0 or 1                                                                     | */
#include <reel.h> /* which includes this header, and then reel/lines.h, whose macros have the names of functions */
#ifndef REEL_NN_H
#define REEL_NN_H

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Layers ------------------------------------------------------------------------------------------------------ */

typedef struct reel_linear_options {
    bool no_bias;
    reel_init weight, bias; /* as in the table above where they are not given */
} reel_linear_options;

/* y = x w + b: x [..., in], w "name/w" [in, out], b "name/b" [out], y [..., out]. */
REEL_API reel_tensor *reel_linear_sized(reel_tensor *x, const char *name, int64_t out,
                                        const reel_linear_options *options, size_t size);
static inline reel_tensor *reel_linear_with(reel_tensor *x, const char *name, int64_t out, reel_linear_options options)
{
    return reel_linear_sized(x, name, out, &options, sizeof options);
}
static inline reel_tensor *reel_linear(reel_tensor *x, const char *name, int64_t out)
{
    return reel_linear_sized(x, name, out, NULL, 0);
}

/* On a training tape each element is 0 with probability rate, otherwise divided by 1 − rate; elsewhere y = x
 * (Srivastava et al. 2014, "inverted"). 0 ≤ rate < 1. The name keys the draw. */
REEL_API reel_tensor *reel_dropout(reel_tensor *x, const char *name, double rate);

/* ---- Losses: scalars --------------------------------------------------------------------------------------------- */

/* ½ mean (y − a)²; a and y of the same shape. The squares must not overflow; the gradient needs none. */
REEL_API reel_tensor *reel_mse(reel_tensor *a, reel_tensor *y);

/* −mean ln softmax(logits)[class]. logits [..., K]; y either i32 classes [...] in 0 … K − 1, or distributions [..., K]
 * in the logits' dtype: −mean Σ y ln softmax(logits), where 0 ln 0 is 0, with derivative 0 by this y. A logit may be −Inf,
 * which leaves its class out; an Inf makes NaN of what it should not. */
REEL_API reel_tensor *reel_cross_entropy(reel_tensor *logits, reel_tensor *y);

/* Share of rows whose largest score is that of the class: scores [..., K], classes i32 [...]. */
REEL_API reel_tensor *reel_accuracy(reel_tensor *scores, reel_tensor *classes);

/* (lambda/2) Σ w² over the parameters of `of` that the pattern names (see reel_parameters). lambda is finite and not
 * negative. */
REEL_API reel_tensor *reel_l2(reel_tensor *of, const char *pattern, double lambda);

/* ---- Optimisers -------------------------------------------------------------------------------------------------- */

/* Either lr, or lr_tensor, a scalar of the parameters' dtype: a schedule made of ops, or an input. lr is positive: to
 * climb, negate the loss; a parameter that is not to move is left out by the pattern. What is negative, infinite or NaN
 * is refused; so is what is no longer positive in the parameters' dtype. */
typedef struct reel_sgd_options {
    double lr;
    reel_tensor *lr_tensor;
    const char *parameter_pattern; /* as of reel_parameters(); NULL is all */
    const char *state_prefix; /* prefix of the states' names, another for each optimiser of a tape; NULL is "sgd" */
    double momentum;          /* 0 ≤ momentum < 1: v ← momentum v + g; w ← w − lr v. 0: none, and no state */
    bool nesterov;            /* w ← w − lr (g + momentum v) (Sutskever et al. 2013); needs a momentum */
    double weight_decay;      /* g ← g + weight_decay w */
} reel_sgd_options;

/* Kingma and Ba 2015: m ← β₁ m + (1 − β₁) g; v ← β₂ v + (1 − β₂) g²; w ← w − lr m̂ / (√v̂ + ε), where
 * m̂ = m · 1/(1 − β₁ᵗ) and v̂ = v · 1/(1 − β₂ᵗ). Moments that are subnormal in their dtype are flushed to 0, where their
 * derivatives are 0. Since v is a square, in f32 a gradient counts in it from about 10⁻¹⁷ on; one beyond 1.8 · 10¹⁹ makes
 * it infinite, and the parameter moves no more: reel_clip_norm() comes before. */
typedef struct reel_adam_options {
    double lr;
    reel_tensor *lr_tensor;
    const char *parameter_pattern; /* as of reel_parameters(); NULL is all */
    const char *state_prefix; /* prefix of the states' names, another for each optimiser of a tape; NULL is "adam" */
    double betas[2];          /* 0 ≤ β < 1; both 0: 0.9 and 0.999 */
    double epsilon;           /* positive; 0: 1e-8 */
    double weight_decay;      /* w ← w − lr weight_decay w, in addition to the step */
} reel_adam_options;

/* Records the gradients of the loss and the updates; returns the new values. The loss can be read after a run. Between
 * the halves, reel_gradients(loss, reel_parameters(loss, pattern)) and the _update, go clipping and what you like. */
REEL_API reel_list *reel_sgd_sized(reel_tensor *loss, const reel_sgd_options *options, size_t size);
REEL_API reel_list *reel_sgd_update_sized(const reel_list *parameters, const reel_list *gradients,
                                          const reel_sgd_options *options, size_t size);
REEL_API reel_list *reel_adam_sized(reel_tensor *loss, const reel_adam_options *options, size_t size);
REEL_API reel_list *reel_adam_update_sized(const reel_list *parameters, const reel_list *gradients,
                                           const reel_adam_options *options, size_t size);

static inline reel_list *reel_sgd(reel_tensor *loss, reel_sgd_options options)
{
    return reel_sgd_sized(loss, &options, sizeof options);
}
static inline reel_list *reel_sgd_update(const reel_list *parameters, const reel_list *gradients,
                                         reel_sgd_options options)
{
    return reel_sgd_update_sized(parameters, gradients, &options, sizeof options);
}
static inline reel_list *reel_adam(reel_tensor *loss, reel_adam_options options)
{
    return reel_adam_sized(loss, &options, sizeof options);
}
static inline reel_list *reel_adam_update(const reel_list *parameters, const reel_list *gradients,
                                          reel_adam_options options)
{
    return reel_adam_update_sized(parameters, gradients, &options, sizeof options);
}

/* Scales all tensors of a list, of one dtype, by min(1, max_norm / norm), norm the Euclidean norm of all elements together
 * (Pascanu et al. 2013). Neither the norm nor its square need be representable. Where it does not exceed max_norm, which
 * is positive and finite, the tensors are as they were, and so they are if one has an Inf or NaN. */
REEL_API reel_list *reel_clip_norm(const reel_list *list, double max_norm);

#ifdef __cplusplus
}
#endif

#endif
