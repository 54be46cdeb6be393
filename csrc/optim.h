/* Optimisers: one step over many parameters, and what goes with it.
 *
 * Parameters are an array of n node indices; what an optimiser remembers of them is in arrays of n doubles, which are
 * the caller's. Every number has the bits of the plain Python loop that the comments show; exact_pow.h says how squares
 * and roots get them. A parameter's data is a float afterwards, whatever it was.
 */
#ifndef FG_OPTIM_H
#define FG_OPTIM_H

#include "arena.h"

/* p.grad = 0 */
void fg_grads_zero(fg_arena *arena, size_t n, const fg_index *params);

/* p.grad *= factor */
void fg_grads_scale(fg_arena *arena, size_t n, const fg_index *params, double factor);

/* (g_0 ** 2 + g_1 ** 2 + ...) ** 0.5, added up from the left. Infinite too where plain Python raises OverflowError. */
double fg_grads_norm(const fg_arena *arena, size_t n, const fg_index *params);

/* Stochastic gradient descent, with weight decay if that isn't 0, and momentum if that isn't 0:
 *     g = p.grad + weight_decay * p.data
 *     velocity = momentum * velocity + g
 *     p.data -= lr * velocity            or without momentum lr * g */
typedef struct {
    double lr, momentum, weight_decay;
} fg_sgd;

void fg_sgd_step(fg_arena *arena, const fg_sgd *rule, size_t n, const fg_index *params, double *velocity);

/* Adam, by microgpt's formulas; weight decay adds to the gradient, or, if decoupled (AdamW), shrinks the parameter:
 *     g = p.grad + weight_decay * p.data       or p.data *= 1 - lr * weight_decay
 *     m = beta1 * m + (1 - beta1) * g
 *     v = beta2 * v + (1 - beta2) * g ** 2
 *     p.data -= lr * (m / bias1) / ((v / bias2) ** 0.5 + eps)      with biases 1 - beta ** t in step t */
typedef struct {
    double lr, beta1, beta2, eps, weight_decay;
    bool decoupled;
    double bias1, bias2;
} fg_adam;

/* Whether there is no parameter for which plain Python might raise: the square of a huge gradient, or 0 / 0. */
bool fg_adam_is_safe(const fg_arena *arena, const fg_adam *rule, size_t n, const fg_index *params, const double *v);

void fg_adam_step(fg_arena *arena, const fg_adam *rule, size_t n, const fg_index *params, double *m, double *v);

#endif
