/* The loops of the optimisers. optim.h has the formulas. */
#include "optim.h"

#include "exact_pow.h"
#include "fields.h"
#include "fours.h"
#include "gradients.h"

/* g ** 2 of a gradient. Python computes an int's square exactly and rounds it then, which grad * grad does too. */
static inline double square_of_grad(double grad, uint16_t flags)
{
    return flags & FG_GRAD_INT ? grad * grad : fg_square(grad);
}

/* -grad. Python's int 0 has no sign. */
static inline double negative_of_grad(double grad, uint16_t flags)
{
    return flags & FG_GRAD_INT ? 0.0 - grad : -grad;
}

static inline void set_data(fg_node *node, double data)
{
    node->data = data;
    node->flags &= (uint16_t)~FG_DATA_INT;
}

void fg_grads_zero(fg_arena *arena, size_t n, const fg_index *params)
{
    fg_fields_fill(arena, FG_GRAD, n, params, 0.0, true);
}

void fg_grads_scale(fg_arena *arena, size_t n, const fg_index *params, double factor)
{
    for (size_t i = 0; i < n; i++) {
        fg_node *node = fg_at(arena->nodes, params[i]);
        node->grad *= factor;
        node->flags &= (uint16_t)~FG_GRAD_INT;
    }
}

void fg_grads_clamp(fg_arena *arena, size_t n, const fg_index *params, double limit)
{
    for (size_t i = 0; i < n; i++) {
        fg_node *node = fg_at(arena->nodes, params[i]);
        if (fabs(node->grad) > limit) {
            node->grad = copysign(limit, node->grad);
            node->flags &= (uint16_t)~FG_GRAD_INT;
        }
    }
}

double fg_grads_norm(const fg_arena *arena, size_t n, const fg_index *params)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        const fg_node *node = fg_at(arena->nodes, params[i]);
        sum += square_of_grad(node->grad, node->flags);
    }
    return fg_root(sum);
}

void fg_sgd_step(fg_arena *arena, const fg_sgd *rule, size_t n, const fg_index *params, double *velocity)
{
    const fg_sgd r = *rule;
    arena->assigned++;
    for (size_t i = 0; i < n; i++) {
        fg_node *node = fg_at(arena->nodes, params[i]);
        double g = r.maximize ? negative_of_grad(node->grad, node->flags) : node->grad;
        if (r.weight_decay != 0.0)
            g = g + r.weight_decay * node->data;
        if (r.momentum != 0.0) {
            if (r.dampening == 0.0)
                velocity[i] = r.momentum * velocity[i] + g;
            else
                velocity[i] = r.is_first ? g : r.momentum * velocity[i] + (1.0 - r.dampening) * g;
            g = r.nesterov ? g + r.momentum * velocity[i] : velocity[i];
        }
        set_data(node, node->data - r.lr * g);
    }
}

/* Whether g ** 2 may raise OverflowError in Python. */
static inline bool is_huge(double g)
{
    return fabs(g) > 0x1p511 && isfinite(g);
}

enum { PORTION = 128 }; /* parameters of Adam's that are stepped together, so that the compiler can use vectors */

/* Adam's gradients of a portion. are_ints: which of them are ints in Python. Returns whether any is. */
static bool adam_grads(const fg_arena *arena, const fg_adam *rule, size_t n, const fg_index *params, double *grads,
                       bool *are_ints)
{
    const bool are_changed = rule->maximize || (rule->weight_decay != 0.0 && !rule->decoupled);
    bool are_any = fg_fields_read(arena, FG_GRAD, n, params, grads) & FG_GRAD_INT;
    for (size_t i = 0; i < n && (are_any || are_changed); i++) {
        const fg_node *node = fg_at(arena->nodes, params[i]);
        are_ints[i] = node->flags & FG_GRAD_INT;
        if (rule->maximize)
            grads[i] = negative_of_grad(grads[i], node->flags);
        if (rule->weight_decay != 0.0 && !rule->decoupled) {
            grads[i] = grads[i] + rule->weight_decay * node->data;
            are_ints[i] = are_any = false;
        }
    }
    return are_any;
}

static bool is_portion_safe(const fg_arena *arena, const fg_adam *rule, size_t n, const fg_index *params,
                            const double *v)
{
    const fg_adam r = *rule;
    double g[PORTION];
    bool are_ints[PORTION];
    size_t n_huge = 0;
    (void)adam_grads(arena, rule, n, params, g, are_ints);
    for (size_t i = 0; i < n; i++)
        n_huge += is_huge(g[i]);
    for (size_t i = 0; i < n && r.eps == 0.0; i++)
        if (r.beta2 * v[i] + (1.0 - r.beta2) * fg_square(g[i]) == 0.0)
            return false;
    return n_huge == 0;
}

bool fg_adam_is_safe(const fg_arena *arena, const fg_adam *rule, size_t n, const fg_index *params, const double *v)
{
    for (size_t i = 0; i < n; i += PORTION)
        if (!is_portion_safe(arena, rule, n - i < PORTION ? n - i : PORTION, params + i, v + i))
            return false;
    return true;
}

/* The averages of n gradients and of their squares. In place of the squares, what the step is divided by the root of.
 */
FG_BODY void adam_averages_of_any(const fg_adam *rule, size_t n, const double *restrict g, double *restrict square,
                                  double *restrict m, double *restrict v, double *restrict largest)
{
    const fg_adam r = *rule;
    for (size_t i = 0; i < n; i++) {
        m[i] = r.beta1 * m[i] + (1.0 - r.beta1) * g[i];
        v[i] = r.beta2 * v[i] + (1.0 - r.beta2) * square[i];
        square[i] = v[i];
    }
    for (size_t i = 0; i < n && largest != NULL; i++)
        square[i] = largest[i] = square[i] <= largest[i] ? largest[i] : square[i];
    for (size_t i = 0; i < n; i++)
        square[i] = square[i] / r.bias2;
}

FG_TWICE(adam_averages, (const fg_adam *rule, size_t n, const double *restrict g, double *restrict square,
                         double *restrict m, double *restrict v, double *restrict largest),
         (rule, n, g, square, m, v, largest))

FG_BODY void adam_data_of_any(const fg_adam *rule, size_t n, const double *restrict m, const double *restrict root,
                              double *restrict data)
{
    const fg_adam r = *rule;
    for (size_t i = 0; i < n && r.weight_decay != 0.0 && r.decoupled; i++)
        data[i] = data[i] * (1.0 - r.lr * r.weight_decay);
    for (size_t i = 0; i < n; i++)
        data[i] = data[i] - r.lr * (m[i] / r.bias1) / (root[i] + r.eps);
}

FG_TWICE(adam_data, (const fg_adam *rule, size_t n, const double *restrict m, const double *restrict root,
                     double *restrict data),
         (rule, n, m, root, data))

static void adam_portion(fg_arena *arena, const fg_adam *rule, size_t n, const fg_index *params, double *m, double *v,
                         double *largest)
{
    double g[PORTION], data[PORTION], square[PORTION], root[PORTION];
    bool are_ints[PORTION];
    const bool are_any = adam_grads(arena, rule, n, params, g, are_ints);
    (void)fg_squares(g, n, square);
    for (size_t i = 0; i < n && are_any; i++)
        if (are_ints[i])
            square[i] = g[i] * g[i]; /* Python computes an int's square exactly, and rounds it then */
    adam_averages(rule, n, g, square, m, v, largest);
    (void)fg_roots(square, n, root);
    (void)fg_fields_read(arena, FG_DATA, n, params, data);
    adam_data(rule, n, m, root, data);
    fg_fields_write(arena, FG_DATA, n, params, data);
}

void fg_adam_step(fg_arena *arena, const fg_adam *rule, size_t n, const fg_index *params, double *m, double *v,
                  double *largest)
{
    for (size_t i = 0; i < n; i += PORTION)
        adam_portion(arena, rule, n - i < PORTION ? n - i : PORTION, params + i, m + i, v + i,
                     largest != NULL ? largest + i : NULL);
}

bool fg_rmsprop_is_safe(const fg_arena *arena, const fg_rmsprop *rule, size_t n, const fg_index *params,
                        const double *mean)
{
    if (rule->eps == 0.0)
        return false;
    for (size_t i = 0; i < n; i++) {
        const fg_node *node = fg_at(arena->nodes, params[i]);
        double g = rule->maximize ? -node->grad : node->grad;
        if (rule->weight_decay != 0.0)
            g = g + rule->weight_decay * node->data;
        if (is_huge(g) || (mean != NULL && is_huge(mean[i])))
            return false;
    }
    return true;
}

void fg_rmsprop_step(fg_arena *arena, const fg_rmsprop *rule, size_t n, const fg_index *params, double *square,
                     double *mean, double *velocity)
{
    const fg_rmsprop r = *rule;
    arena->assigned++;
    for (size_t i = 0; i < n; i++) {
        fg_node *node = fg_at(arena->nodes, params[i]);
        double g = r.maximize ? negative_of_grad(node->grad, node->flags) : node->grad;
        uint16_t flags = node->flags;
        if (r.weight_decay != 0.0) {
            g = g + r.weight_decay * node->data;
            flags &= (uint16_t)~FG_GRAD_INT;
        }
        double average = square[i] = r.alpha * square[i] + (1.0 - r.alpha) * square_of_grad(g, flags);
        if (mean != NULL) {
            mean[i] = r.alpha * mean[i] + (1.0 - r.alpha) * g;
            average = average - fg_square(mean[i]);
            average = average < 0.0 ? 0.0 : average;
        }
        double change = g / (fg_root(average) + r.eps);
        if (velocity != NULL)
            change = velocity[i] = r.momentum * velocity[i] + change;
        set_data(node, node->data - r.lr * change);
    }
}
