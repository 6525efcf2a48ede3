/* The user's file and line. Ops are plain functions; a macro of the same name calls the function and stamps what the call
 * recorded, and the error that it caused, with the line of the call. Define REEL_NO_LINES to go without; then there are no
 * results in the sense of section 5 of reel.h.
 *
 * The macros are written by tools/line-macros from the prototypes. A function of one's own that records has its lines in
 * the same way:
 *
 *     #define cumsum(...) reel_here((cumsum)(__VA_ARGS__), REEL_HERE) */
#include <reel.h>
#ifndef REEL_LINES_H
#define REEL_LINES_H

#ifdef __cplusplus
extern "C" {
#endif

/* After a call: what it recorded and has no line yet gets this one, and so does its error; what it returned is the user's. */
REEL_API reel_tensor *reel_here(reel_tensor *x, const char *file, int line);
REEL_API reel_list *reel_here_list(reel_list *list, const char *file, int line);
REEL_API reel_status reel_here_status(reel_status status, reel_tape *tape, const char *file, int line);

/* Before a call: where an error of it will have happened. */
REEL_API reel_tape *reel_at_tape(reel_tape *tape, const char *file, int line);
REEL_API reel_tensor *reel_at(reel_tensor *x, const char *file, int line);
REEL_API reel_list *reel_at_list(reel_list *list, const char *file, int line);

#define REEL_HERE __FILE__, __LINE__

#ifdef __cplusplus
}
#endif

/* clang-format off */
#ifndef REEL_NO_LINES

/* reel.h */
#define reel_parameter(...) reel_here((reel_parameter)(__VA_ARGS__), REEL_HERE)
#define reel_state(...) reel_here((reel_state)(__VA_ARGS__), REEL_HERE)
#define reel_scope_push(tape, ...) (reel_scope_push)(reel_at_tape(tape, REEL_HERE), __VA_ARGS__)
#define reel_scope_pop(tape) (reel_scope_pop)(reel_at_tape(tape, REEL_HERE))
#define reel_layer_push(tape, ...) (reel_layer_push)(reel_at_tape(tape, REEL_HERE), __VA_ARGS__)
#define reel_with_push(tape, ...) reel_here_status((reel_with_push)(tape, __VA_ARGS__), tape, REEL_HERE)
#define reel_with_pop(tape) (reel_with_pop)(reel_at_tape(tape, REEL_HERE))
#define reel_input(...) reel_here((reel_input)(__VA_ARGS__), REEL_HERE)
#define reel_write_f32(x, ...) (reel_write_f32)(reel_at(x, REEL_HERE), __VA_ARGS__)
#define reel_write_f64(x, ...) (reel_write_f64)(reel_at(x, REEL_HERE), __VA_ARGS__)
#define reel_write_i32(x, ...) (reel_write_i32)(reel_at(x, REEL_HERE), __VA_ARGS__)
#define reel_assign(...) reel_here((reel_assign)(__VA_ARGS__), REEL_HERE)
#define reel_keep(...) reel_here((reel_keep)(__VA_ARGS__), REEL_HERE)
#define reel_find(...) reel_here((reel_find)(__VA_ARGS__), REEL_HERE)
#define reel_read_f32(x, ...) (reel_read_f32)(reel_at(x, REEL_HERE), __VA_ARGS__)
#define reel_read_f64(x, ...) (reel_read_f64)(reel_at(x, REEL_HERE), __VA_ARGS__)
#define reel_read_i32(x, ...) (reel_read_i32)(reel_at(x, REEL_HERE), __VA_ARGS__)
#define reel_item(x) (reel_item)(reel_at(x, REEL_HERE))
#define reel_fail(...) reel_here((reel_fail)(__VA_ARGS__), REEL_HERE)
#define reel_gradients(...) reel_here_list((reel_gradients)(__VA_ARGS__), REEL_HERE)
#define reel_gradient(...) reel_here((reel_gradient)(__VA_ARGS__), REEL_HERE)
#define reel_vjp(...) reel_here_list((reel_vjp)(__VA_ARGS__), REEL_HERE)
#define reel_parameters(...) reel_here_list((reel_parameters)(__VA_ARGS__), REEL_HERE)
#define reel_list_of(...) reel_here_list((reel_list_of)(__VA_ARGS__), REEL_HERE)
#define reel_list_append(list, ...) (reel_list_append)(reel_at_list(list, REEL_HERE), __VA_ARGS__)
#define reel_run(tape) (reel_run)(reel_at_tape(tape, REEL_HERE))
#define reel_eval(tape, ...) (reel_eval)(reel_at_tape(tape, REEL_HERE), __VA_ARGS__)

/* reel/ops.h */
#define reel_number(...) reel_here((reel_number)(__VA_ARGS__), REEL_HERE)
#define reel_scale(...) reel_here((reel_scale)(__VA_ARGS__), REEL_HERE)
#define reel_shift(...) reel_here((reel_shift)(__VA_ARGS__), REEL_HERE)
#define reel_fill(...) reel_here((reel_fill)(__VA_ARGS__), REEL_HERE)
#define reel_iota(...) reel_here((reel_iota)(__VA_ARGS__), REEL_HERE)
#define reel_add(...) reel_here((reel_add)(__VA_ARGS__), REEL_HERE)
#define reel_sub(...) reel_here((reel_sub)(__VA_ARGS__), REEL_HERE)
#define reel_mul(...) reel_here((reel_mul)(__VA_ARGS__), REEL_HERE)
#define reel_div(...) reel_here((reel_div)(__VA_ARGS__), REEL_HERE)
#define reel_pow(...) reel_here((reel_pow)(__VA_ARGS__), REEL_HERE)
#define reel_minimum(...) reel_here((reel_minimum)(__VA_ARGS__), REEL_HERE)
#define reel_maximum(...) reel_here((reel_maximum)(__VA_ARGS__), REEL_HERE)
#define reel_eq(...) reel_here((reel_eq)(__VA_ARGS__), REEL_HERE)
#define reel_ne(...) reel_here((reel_ne)(__VA_ARGS__), REEL_HERE)
#define reel_lt(...) reel_here((reel_lt)(__VA_ARGS__), REEL_HERE)
#define reel_le(...) reel_here((reel_le)(__VA_ARGS__), REEL_HERE)
#define reel_gt(...) reel_here((reel_gt)(__VA_ARGS__), REEL_HERE)
#define reel_ge(...) reel_here((reel_ge)(__VA_ARGS__), REEL_HERE)
#define reel_where(...) reel_here((reel_where)(__VA_ARGS__), REEL_HERE)
#define reel_neg(...) reel_here((reel_neg)(__VA_ARGS__), REEL_HERE)
#define reel_abs(...) reel_here((reel_abs)(__VA_ARGS__), REEL_HERE)
#define reel_sign(...) reel_here((reel_sign)(__VA_ARGS__), REEL_HERE)
#define reel_floor(...) reel_here((reel_floor)(__VA_ARGS__), REEL_HERE)
#define reel_exp(...) reel_here((reel_exp)(__VA_ARGS__), REEL_HERE)
#define reel_log(...) reel_here((reel_log)(__VA_ARGS__), REEL_HERE)
#define reel_expm1(...) reel_here((reel_expm1)(__VA_ARGS__), REEL_HERE)
#define reel_log1p(...) reel_here((reel_log1p)(__VA_ARGS__), REEL_HERE)
#define reel_sin(...) reel_here((reel_sin)(__VA_ARGS__), REEL_HERE)
#define reel_cos(...) reel_here((reel_cos)(__VA_ARGS__), REEL_HERE)
#define reel_tanh(...) reel_here((reel_tanh)(__VA_ARGS__), REEL_HERE)
#define reel_erf(...) reel_here((reel_erf)(__VA_ARGS__), REEL_HERE)
#define reel_sqrt(...) reel_here((reel_sqrt)(__VA_ARGS__), REEL_HERE)
#define reel_rsqrt(...) reel_here((reel_rsqrt)(__VA_ARGS__), REEL_HERE)
#define reel_square(...) reel_here((reel_square)(__VA_ARGS__), REEL_HERE)
#define reel_reciprocal(...) reel_here((reel_reciprocal)(__VA_ARGS__), REEL_HERE)
#define reel_clip(...) reel_here((reel_clip)(__VA_ARGS__), REEL_HERE)
#define reel_cast(...) reel_here((reel_cast)(__VA_ARGS__), REEL_HERE)
#define reel_detach(...) reel_here((reel_detach)(__VA_ARGS__), REEL_HERE)
#define reel_sigmoid(...) reel_here((reel_sigmoid)(__VA_ARGS__), REEL_HERE)
#define reel_log_sigmoid(...) reel_here((reel_log_sigmoid)(__VA_ARGS__), REEL_HERE)
#define reel_softplus(...) reel_here((reel_softplus)(__VA_ARGS__), REEL_HERE)
#define reel_relu(...) reel_here((reel_relu)(__VA_ARGS__), REEL_HERE)
#define reel_leaky_relu(...) reel_here((reel_leaky_relu)(__VA_ARGS__), REEL_HERE)
#define reel_elu(...) reel_here((reel_elu)(__VA_ARGS__), REEL_HERE)
#define reel_silu(...) reel_here((reel_silu)(__VA_ARGS__), REEL_HERE)
#define reel_gelu(...) reel_here((reel_gelu)(__VA_ARGS__), REEL_HERE)
#define reel_gelu_tanh(...) reel_here((reel_gelu_tanh)(__VA_ARGS__), REEL_HERE)
#define reel_sum(...) reel_here((reel_sum)(__VA_ARGS__), REEL_HERE)
#define reel_mean(...) reel_here((reel_mean)(__VA_ARGS__), REEL_HERE)
#define reel_var(...) reel_here((reel_var)(__VA_ARGS__), REEL_HERE)
#define reel_max(...) reel_here((reel_max)(__VA_ARGS__), REEL_HERE)
#define reel_min(...) reel_here((reel_min)(__VA_ARGS__), REEL_HERE)
#define reel_argmax(...) reel_here((reel_argmax)(__VA_ARGS__), REEL_HERE)
#define reel_logsumexp(...) reel_here((reel_logsumexp)(__VA_ARGS__), REEL_HERE)
#define reel_softmax(...) reel_here((reel_softmax)(__VA_ARGS__), REEL_HERE)
#define reel_log_softmax(...) reel_here((reel_log_softmax)(__VA_ARGS__), REEL_HERE)
#define reel_matmul(...) reel_here((reel_matmul)(__VA_ARGS__), REEL_HERE)
#define reel_contract(...) reel_here((reel_contract)(__VA_ARGS__), REEL_HERE)
#define reel_reshape(...) reel_here((reel_reshape)(__VA_ARGS__), REEL_HERE)
#define reel_permute(...) reel_here((reel_permute)(__VA_ARGS__), REEL_HERE)
#define reel_transpose(...) reel_here((reel_transpose)(__VA_ARGS__), REEL_HERE)
#define reel_expand(...) reel_here((reel_expand)(__VA_ARGS__), REEL_HERE)
#define reel_sum_to(...) reel_here((reel_sum_to)(__VA_ARGS__), REEL_HERE)
#define reel_slice(...) reel_here((reel_slice)(__VA_ARGS__), REEL_HERE)
#define reel_slice_step(...) reel_here((reel_slice_step)(__VA_ARGS__), REEL_HERE)
#define reel_pad(...) reel_here((reel_pad)(__VA_ARGS__), REEL_HERE)
#define reel_pad_step(...) reel_here((reel_pad_step)(__VA_ARGS__), REEL_HERE)
#define reel_flip(...) reel_here((reel_flip)(__VA_ARGS__), REEL_HERE)
#define reel_concat(...) reel_here((reel_concat)(__VA_ARGS__), REEL_HERE)
#define reel_stack(...) reel_here((reel_stack)(__VA_ARGS__), REEL_HERE)
#define reel_unsqueeze(...) reel_here((reel_unsqueeze)(__VA_ARGS__), REEL_HERE)
#define reel_squeeze(...) reel_here((reel_squeeze)(__VA_ARGS__), REEL_HERE)
#define reel_take(...) reel_here((reel_take)(__VA_ARGS__), REEL_HERE)
#define reel_take_along_axis(...) reel_here((reel_take_along_axis)(__VA_ARGS__), REEL_HERE)
#define reel_scatter_add(...) reel_here((reel_scatter_add)(__VA_ARGS__), REEL_HERE)
#define reel_one_hot(...) reel_here((reel_one_hot)(__VA_ARGS__), REEL_HERE)
#define reel_in_range(...) reel_here((reel_in_range)(__VA_ARGS__), REEL_HERE)
#define reel_uniform(...) reel_here((reel_uniform)(__VA_ARGS__), REEL_HERE)
#define reel_normal(...) reel_here((reel_normal)(__VA_ARGS__), REEL_HERE)
#define reel_variable(...) reel_here((reel_variable)(__VA_ARGS__), REEL_HERE)

/* reel/nn.h */
#define reel_linear_with(...) reel_here((reel_linear_with)(__VA_ARGS__), REEL_HERE)
#define reel_linear(...) reel_here((reel_linear)(__VA_ARGS__), REEL_HERE)
#define reel_dropout(...) reel_here((reel_dropout)(__VA_ARGS__), REEL_HERE)
#define reel_mse(...) reel_here((reel_mse)(__VA_ARGS__), REEL_HERE)
#define reel_cross_entropy(...) reel_here((reel_cross_entropy)(__VA_ARGS__), REEL_HERE)
#define reel_accuracy(...) reel_here((reel_accuracy)(__VA_ARGS__), REEL_HERE)
#define reel_l2(...) reel_here((reel_l2)(__VA_ARGS__), REEL_HERE)
#define reel_sgd(...) reel_here_list((reel_sgd)(__VA_ARGS__), REEL_HERE)
#define reel_sgd_update(...) reel_here_list((reel_sgd_update)(__VA_ARGS__), REEL_HERE)
#define reel_adam(...) reel_here_list((reel_adam)(__VA_ARGS__), REEL_HERE)
#define reel_adam_update(...) reel_here_list((reel_adam_update)(__VA_ARGS__), REEL_HERE)
#define reel_clip_norm(...) reel_here_list((reel_clip_norm)(__VA_ARGS__), REEL_HERE)
#endif

#endif
