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

/* Stochastic gradient descent, with weight decay and momentum if they aren't 0:
 *     g = p.grad + weight_decay * p.data
 *     velocity = momentum * velocity + g
 *     p.data -= lr * velocity            or without momentum lr * g */
typedef struct {
    double lr, momentum, weight_decay;
} fg_sgd;

void fg_sgd_step(fg_arena *arena, const fg_sgd *rule, size_t n, const fg_index *params, double *velocity);

/* Adam by microgpt's formulas. Weight decay adds to the gradient, or, if decoupled (AdamW), shrinks the parameter:
 *     g = p.grad + weight_decay * p.data       or p.data *= 1 - lr * weight_decay
 *     m = beta1 * m + (1 - beta1) * g
 *     v = beta2 * v + (1 - beta2) * g ** 2
 *     p.data -= lr * (m / bias1) / ((v / bias2) ** 0.5 + eps)      with biases 1 - beta ** t in step t */
typedef struct {
    double lr, beta1, beta2, eps, weight_decay;
    bool decoupled;
    double bias1, bias2;
} fg_adam;

/* False if plain Python might raise in this step: a huge gradient is squared, or 0 divided by 0. */
bool fg_adam_is_safe(const fg_arena *arena, const fg_adam *rule, size_t n, const fg_index *params, const double *v);

void fg_adam_step(fg_arena *arena, const fg_adam *rule, size_t n, const fg_index *params, double *m, double *v);

#endif
