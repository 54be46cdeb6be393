/* Adding into a node's gradient, which is an int in Python until its first contribution that isn't one. */
#ifndef FG_GRADIENTS_H
#define FG_GRADIENTS_H

#include "arena.h"
#include "numbers.h"

static inline void fg_grad_zero(fg_node *node)
{
    node->grad = 0.0;
    node->flags |= FG_GRAD_INT;
}

/* Add a contribution that is a float. */
static inline void fg_grad_add(fg_node *child, double contribution)
{
    child->grad += contribution;
    child->flags &= (uint16_t)~FG_GRAD_INT;
}

/* Add local * grad, where either may be an int. If both are, the gradient may stay one. */
static inline void fg_grad_add_product(fg_node *child, double local, bool local_is_int, double grad, bool grad_is_int)
{
    if (!local_is_int || !grad_is_int) {
        fg_grad_add(child, local * grad);
        return;
    }
    bool is_int;
    double product = fg_int_mul(local, grad, &is_int);
    if (!is_int || !(child->flags & FG_GRAD_INT)) {
        fg_grad_add(child, product);
        return;
    }
    child->grad = fg_int_add(child->grad, product, &is_int);
    if (!is_int)
        child->flags &= (uint16_t)~FG_GRAD_INT;
}

#endif
