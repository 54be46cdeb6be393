/* The loops of the optimisers. optim.h has the formulas. */
#include "optim.h"

#include "exact_pow.h"
#include "gradients.h"

/* g ** 2 of a gradient. Python computes an int's square exactly and rounds it then, which grad * grad does too. */
static inline double square_of_grad(double grad, uint16_t flags)
{
    return flags & FG_GRAD_INT ? grad * grad : fg_square(grad);
}

static inline void set_data(fg_node *node, double data)
{
    node->data = data;
    node->flags &= (uint16_t)~FG_DATA_INT;
}

void fg_grads_zero(fg_arena *arena, size_t n, const fg_index *params)
{
    for (size_t i = 0; i < n; i++)
        fg_grad_zero(fg_at(arena->nodes, params[i]));
}

void fg_grads_scale(fg_arena *arena, size_t n, const fg_index *params, double factor)
{
    for (size_t i = 0; i < n; i++) {
        fg_node *node = fg_at(arena->nodes, params[i]);
        node->grad *= factor;
        node->flags &= (uint16_t)~FG_GRAD_INT;
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
        double g = node->grad;
        if (r.weight_decay != 0.0)
            g = g + r.weight_decay * node->data;
        if (r.momentum != 0.0)
            g = velocity[i] = r.momentum * velocity[i] + g;
        set_data(node, node->data - r.lr * g);
    }
}

bool fg_adam_is_safe(const fg_arena *arena, const fg_adam *rule, size_t n, const fg_index *params, const double *v)
{
    bool adds_decay = rule->weight_decay != 0.0 && !rule->decoupled;
    for (size_t i = 0; i < n; i++) {
        const fg_node *node = fg_at(arena->nodes, params[i]);
        double g = adds_decay ? node->grad + rule->weight_decay * node->data : node->grad;
        if (fabs(g) > 0x1p511 && isfinite(g))
            return false;
        if (rule->eps == 0.0 && rule->beta2 * v[i] + (1.0 - rule->beta2) * fg_square(g) == 0.0)
            return false;
    }
    return true;
}

void fg_adam_step(fg_arena *arena, const fg_adam *rule, size_t n, const fg_index *params, double *m, double *v)
{
    const fg_adam r = *rule;
    arena->assigned++;
    for (size_t i = 0; i < n; i++) {
        fg_node *node = fg_at(arena->nodes, params[i]);
        double data = node->data, g = node->grad;
        uint16_t flags = node->flags;
        if (r.weight_decay != 0.0) {
            if (r.decoupled) {
                data = data * (1.0 - r.lr * r.weight_decay);
            } else {
                g = g + r.weight_decay * data;
                flags &= (uint16_t)~FG_GRAD_INT;
            }
        }
        m[i] = r.beta1 * m[i] + (1.0 - r.beta1) * g;
        v[i] = r.beta2 * v[i] + (1.0 - r.beta2) * square_of_grad(g, flags);
        set_data(node, data - r.lr * (m[i] / r.bias1) / (fg_root(v[i] / r.bias2) + r.eps));
    }
}
