/* Optimisers: one step over many parameters, and what a training step does with their gradients besides.
 *
 * Parameters are an array of n node indices. What an optimiser remembers of them is in arrays of n doubles, which
 * belong to the caller. Every number has the bits of the plain Python loop that the comments show; exact_pow.h says how
 * squares and roots get them. A step makes a parameter's data a float, also if it was an int.
 */
#ifndef FG_OPTIM_H
#define FG_OPTIM_H

#include "arena.h"

/* p.grad = 0 */
void fg_grads_zero(fg_arena *arena, size_t n, const fg_index *params);

/* p.grad *= factor */
void fg_grads_scale(fg_arena *arena, size_t n, const fg_index *params, double factor);

/* (g_0 ** 2 + g_1 ** 2 + ...) ** 0.5, added up from the left. Infinite where plain Python raises OverflowError. */
double fg_grads_norm(const fg_arena *arena, size_t n, const fg_index *params);

/* p.grad = min(max(p.grad, -limit), limit) where it is beyond the limit; nan stays nan. */
void fg_grads_clamp(fg_arena *arena, size_t n, const fg_index *params, double limit);

/* Stochastic gradient descent, with weight decay and momentum if they aren't 0:
 *     g = p.grad                         or, to maximize, -p.grad
 *     g = g + weight_decay * p.data
 *     velocity = momentum * velocity + (1 - dampening) * g         or, if dampening isn't 0, in the first step g
 *     g = velocity                       or, if nesterov, g + momentum * velocity
 *     p.data -= lr * g */
typedef struct {
    double lr, momentum, dampening, weight_decay;
    bool nesterov, maximize, is_first;
} fg_sgd;

void fg_sgd_step(fg_arena *arena, const fg_sgd *rule, size_t n, const fg_index *params, double *velocity);

/* Adam by microgpt's formulas. Weight decay adds to the gradient, or, if decoupled (AdamW), shrinks the parameter:
 *     g = p.grad + weight_decay * p.data       or p.data *= 1 - lr * weight_decay
 *     m = beta1 * m + (1 - beta1) * g
 *     v = beta2 * v + (1 - beta2) * g ** 2
 *     p.data -= lr * (m / bias1) / ((v / bias2) ** 0.5 + eps)      with biases 1 - beta ** t in step t
 * With largest (AMSGrad) that is the array of the largest v so far, which are divided by instead of v. */
typedef struct {
    double lr, beta1, beta2, eps, weight_decay;
    bool decoupled, maximize;
    double bias1, bias2;
} fg_adam;

/* False if plain Python might raise in this step: a huge gradient is squared, or 0 divided by 0. */
bool fg_adam_is_safe(const fg_arena *arena, const fg_adam *rule, size_t n, const fg_index *params, const double *v);

/* largest may be NULL. */
void fg_adam_step(fg_arena *arena, const fg_adam *rule, size_t n, const fg_index *params, double *m, double *v,
                  double *largest);

/* RMSprop (Hinton 2012), centered if mean isn't NULL, with momentum if velocity isn't:
 *     g = p.grad + weight_decay * p.data       or, to maximize, with -p.grad
 *     square = alpha * square + (1 - alpha) * g ** 2
 *     mean = alpha * mean + (1 - alpha) * g
 *     root = (square - mean ** 2) ** 0.5 + eps      a difference below 0 counts as 0; without mean square ** 0.5 + eps
 *     velocity = momentum * velocity + g / root
 *     p.data -= lr * velocity                  or without momentum lr * (g / root) */
typedef struct {
    double lr, alpha, eps, weight_decay, momentum;
    bool maximize;
} fg_rmsprop;

/* False if plain Python might raise in this step: something huge is squared, or eps is 0. */
bool fg_rmsprop_is_safe(const fg_arena *arena, const fg_rmsprop *rule, size_t n, const fg_index *params,
                        const double *mean);

void fg_rmsprop_step(fg_arena *arena, const fg_rmsprop *rule, size_t n, const fg_index *params, double *square,
                     double *mean, double *velocity);

#endif
