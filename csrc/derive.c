/* Derivatives as nodes. derive.h says what they are. */
#include "derive.h"

#include <string.h>

#include "exact_pow.h"
#include "functions.h"
#include "fused.h"
#include "numbers.h"

/* ---- Tables ---- */

/* A table with elements of a size, for as many nodes as there are slots, of 0 bytes if is_zero. *bytes: how much there
 * is, for give_back. NULL if there's no memory. */
static void *new_table(fg_arena *arena, size_t size, bool is_zero, size_t *bytes)
{
    const size_t needed = (size_t)arena->used_slabs * FG_TAG * size;
    void *table = arena->spare[is_zero].table;
    *bytes = arena->spare[is_zero].bytes;
    arena->spare[is_zero].table = NULL;
    arena->spare[is_zero].bytes = 0;
    if (table && *bytes >= needed)
        return table;
    fg_allocate(table, 0);
    *bytes = needed;
    table = fg_allocate(NULL, needed);
    if (table && is_zero)
        memset(table, 0, needed);
    return table;
}

/* Keep a table's memory for the next one, or free it if a walk's would be freed too (fg_walk_end). */
static void give_back(fg_arena *arena, void *table, bool is_zero, size_t bytes, bool keep)
{
    if (!keep || arena->spare[is_zero].table || bytes > arena->kept * FG_SLAB_BYTES) {
        fg_allocate(table, 0);
        return;
    }
    arena->spare[is_zero].table = table;
    arena->spare[is_zero].bytes = bytes;
}

/* ---- Start and end ---- */

bool fg_derivation_start(fg_arena *arena, fg_derivation *derivation, const fg_walk *walk, uint32_t n_inputs,
                         const fg_index *inputs)
{
    derivation->walk = walk;
    derivation->edits = arena->edits;
    derivation->marked = 0;
    derivation->left = walk->n;
    derivation->status = FG_OK;
    derivation->has_repeats = derivation->is_handed_over = false;
    derivation->n_inputs = n_inputs;
    derivation->inputs = inputs;
    derivation->grads = new_table(arena, sizeof *derivation->grads, true, &derivation->bytes);
    if (!derivation->grads)
        return false;
    for (uint32_t i = 0; i < n_inputs; i++) {
        fg_index *const at = fg_derivation_at(derivation, inputs[i]);
        derivation->has_repeats |= *at == FG_INPUT;
        *at = FG_INPUT;
    }
    return true;
}

/* A node's gradient, of which the table has the reference, or FG_NONE. */
static inline fg_index grad_of(const fg_derivation *derivation, fg_index index)
{
    return *fg_derivation_at(derivation, index) & ~FG_ROLES;
}

/* Set a node's element to 0, and drop its gradient. */
static inline void drop_grad(fg_arena *arena, const fg_derivation *derivation, fg_index index)
{
    const fg_index grad = grad_of(derivation, index);
    *fg_derivation_at(derivation, index) = 0;
    if (grad != FG_NONE)
        fg_node_release(arena, grad);
}

void fg_derivation_end(fg_arena *arena, fg_derivation *derivation)
{
    if (!derivation->grads)
        return;
    for (uint32_t i = 0; i < derivation->left; i++)
        drop_grad(arena, derivation, derivation->walk->order[i]);
    for (uint32_t i = 0; i < derivation->n_inputs && !derivation->is_handed_over; i++)
        drop_grad(arena, derivation, derivation->inputs[i]);
    give_back(arena, derivation->grads, true, derivation->bytes,
              derivation->is_handed_over && !derivation->has_repeats);
    derivation->grads = NULL;
}

void fg_derivation_hand_over(fg_arena *arena, fg_derivation *derivation, fg_index *grads)
{
    for (uint32_t i = 0; i < derivation->n_inputs; i++) {
        fg_index *const at = fg_derivation_at(derivation, derivation->inputs[i]);
        grads[i] = *at & ~FG_ROLES;
        if (!(*at & FG_INPUT) && grads[i] != FG_NONE) /* the same input once more */
            fg_node_retain(arena, grads[i]);
        *at = derivation->has_repeats ? grads[i] : 0;
    }
    derivation->is_handed_over = true;
}

fg_status fg_derivation_mark(fg_arena *arena, fg_derivation *derivation, uint32_t budget)
{
    const fg_walk *const walk = derivation->walk;
    const fg_node *const nodes = arena->nodes;
    const fg_index *const order = walk->order;
    const uint32_t end = walk->n - derivation->marked > budget ? derivation->marked + budget : walk->n;
    for (uint32_t i = derivation->marked; i < end; i++) {
        const fg_node *node = fg_at(nodes, order[i]);
        const uint32_t n = fg_node_n_children(node);
        bool is_above = false;
        /* A jump for each child, which the processor foresees: it needn't wait for what the last node has stored. */
        if (FG_LIKELY(node->arity == FG_BINARY))
            is_above = fg_derivation_role(derivation, node->child[1]) || fg_derivation_role(derivation, node->child[0]);
        else
            for (uint32_t k = 0; k < n && !is_above; k++)
                is_above = fg_derivation_role(derivation, fg_node_child(node, k)) != 0;
        if (is_above)
            *fg_derivation_at(derivation, order[i]) |= FG_ABOVE;
    }
    derivation->marked = end;
    return end < walk->n ? FG_MORE : FG_OK;
}

/* ---- New nodes ----
 *
 * Each function returns a node with one reference, or FG_NONE, and then says in `status` why. */

static inline fg_index new_node(fg_arena *arena, fg_derivation *derivation, uint8_t op, uint8_t arity, uint16_t flags,
                                double data)
{
    fg_index index = fg_node_new(arena);
    if (index == FG_NONE) {
        derivation->status = FG_NO_MEMORY;
        return FG_NONE;
    }
    fg_node_init(fg_at(arena->nodes, index), derivation->kind | fg_kind(op, arity, flags),
                 arity == FG_NULLARY ? FG_PASSED_OVER : 0, data);
    return index;
}

/* It takes over the caller's references to a and b, unless it's FG_NONE. */
static inline fg_index new_binary(fg_arena *arena, fg_derivation *derivation, uint8_t op, uint16_t flags, double data,
                                  fg_index a, fg_index b, double by_a, double by_b)
{
    fg_index index = new_node(arena, derivation, op, FG_BINARY, flags, data);
    if (index == FG_NONE)
        return FG_NONE;
    fg_node *node = fg_at(arena->nodes, index);
    node->child[0] = a;
    node->child[1] = b;
    node->local0 = by_a;
    node->local1 = by_b;
    return index;
}

static fg_index new_unary(fg_arena *arena, fg_derivation *derivation, uint8_t op, uint16_t flags, double data,
                          fg_index a, double by_a, double constant)
{
    fg_index index = new_node(arena, derivation, op, FG_UNARY, flags, data);
    if (index == FG_NONE)
        return FG_NONE;
    fg_node *node = fg_at(arena->nodes, index);
    node->child[0] = a;
    node->local0 = by_a;
    node->local1 = constant;
    fg_node_retain(arena, a);
    return index;
}

static fg_index new_leaf(fg_arena *arena, fg_derivation *derivation, double value, bool is_int)
{
    return new_node(arena, derivation, FG_LEAF, FG_NULLARY, is_int ? FG_DATA_INT : 0, value);
}

static inline bool data_is_int(const fg_node *node)
{
    return (node->flags & FG_DATA_INT) != 0;
}

/* It takes over the caller's references to a and b, unless it's FG_NONE. */
static inline fg_index new_sum(fg_arena *arena, fg_derivation *derivation, fg_index a, fg_index b)
{
    const fg_node *x = fg_at(arena->nodes, a), *y = fg_at(arena->nodes, b);
    bool is_int = data_is_int(x) && data_is_int(y);
    const double sum = is_int ? fg_int_add(x->data, y->data, &is_int) : x->data + y->data;
    return new_binary(arena, derivation, FG_ADD, FG_LOCAL0_INT | FG_LOCAL1_INT | (is_int ? FG_DATA_INT : 0), sum, a, b,
                      1.0, 1.0);
}

static inline fg_index new_product(fg_arena *arena, fg_derivation *derivation, fg_index a, fg_index b)
{
    fg_node *x = fg_at(arena->nodes, a), *y = fg_at(arena->nodes, b);
    bool is_int = data_is_int(x) && data_is_int(y);
    const uint16_t flags = (data_is_int(y) ? FG_LOCAL0_INT : 0) | (data_is_int(x) ? FG_LOCAL1_INT : 0);
    const double product = is_int ? fg_int_mul(x->data, y->data, &is_int) : x->data * y->data;
    const fg_index index = new_binary(arena, derivation, FG_MUL, flags | (is_int ? FG_DATA_INT : 0), product, a, b,
                                      y->data, x->data);
    if (index != FG_NONE) {
        fg_node_retain(arena, a);
        fg_node_retain(arena, b);
    }
    return index;
}

/* ---- What an operation computes ---- */

static fg_term number_of(const fg_arena *arena, fg_index index)
{
    const fg_node *node = fg_at(arena->nodes, index);
    return (fg_term){FG_NONE, node->data, data_is_int(node)};
}

/* The logarithm in the derivative of x ** n by n. */
static double log_of_base(double x)
{
    return x > 0.0 ? log(x) : x == 0.0 ? 0.0 : NAN;
}

/* x ** n of floats, if the core is sure of it. A square's derivative asks for 1 and 0. */
static bool sure_power(double x, double n, double *y)
{
    if (n != 0.0 && n != 1.0)
        return fg_power(x, n, y);
    *y = n == 0.0 ? 1.0 : x;
    return true;
}

/* x ** n, and unless by_x is NULL, its derivative by x. False if it raises. */
static bool power(fg_derivation *derivation, fg_term x, fg_term n, fg_term *y, fg_term *by_x)
{
    double slope;
    if (!(x.is_int && n.is_int) && sure_power(x.value, n.value, &y->value)
        && (!by_x || sure_power(x.value, n.value - 1.0, &slope))) {
        y->is_int = false;
        if (by_x)
            *by_x = (fg_term){FG_NONE, n.value * slope, false};
        return true;
    }
    if (derivation->ask(FG_POW, x, n, y, by_x))
        return true;
    derivation->status = FG_RAISED;
    return false;
}

/* A function of x, and its derivative. False if it raises. */
static bool function(fg_derivation *derivation, uint8_t op, double x, double *y, double *slope)
{
    fg_term answer = {0};
    if (fg_function(op, x, y, slope))
        return true;
    if (!derivation->ask(op, (fg_term){FG_NONE, x, false}, answer, &answer, NULL)) {
        derivation->status = FG_RAISED;
        return false;
    }
    *y = answer.value;
    return true;
}

/* Whether two numbers have the same bits. Any two nans are the same. */
static inline bool same(double x, bool x_is_int, double y, bool y_is_int)
{
    return x_is_int == y_is_int && (memcmp(&x, &y, sizeof x) == 0 || (x != x && y != y));
}

static inline bool has_local(const fg_node *node, int i, double local, bool is_int)
{
    return same(*fg_local(node, i), (node->flags & (FG_LOCAL0_INT << i)) != 0, local, is_int);
}

/* Whether a product's factors are still those that it was made of. */
static inline bool has_its_factors(const fg_node *nodes, const fg_node *node)
{
    const fg_node *x = fg_at(nodes, node->child[0]), *y = fg_at(nodes, node->child[1]);
    return has_local(node, 0, y->data, data_is_int(y)) && has_local(node, 1, x->data, data_is_int(x));
}

/* Compute an operation once more, of its operands as they are now: FG_OK if that gives the node's number (of
 * relu and abs, whatever number) and its local derivatives; FG_CHANGED or FG_RAISED. */
static fg_status check(fg_arena *arena, fg_derivation *derivation, fg_index index)
{
    const fg_node *node = fg_at(arena->nodes, index);
    const fg_term x = number_of(arena, node->child[0]);
    const uint8_t op = node->op;
    if (op == FG_POW || op == FG_POW_CONST || op == FG_CONST_POW) {
        const fg_term constant = {FG_NONE, node->local1, (node->flags & FG_LOCAL1_INT) != 0};
        const fg_term base = op == FG_CONST_POW ? constant : x;
        const fg_term n = op == FG_POW ? number_of(arena, node->child[1]) : op == FG_CONST_POW ? x : constant;
        fg_term y, by_x;
        if (!power(derivation, base, n, &y, op == FG_CONST_POW ? NULL : &by_x))
            return derivation->status;
        node = fg_at(arena->nodes, index);
        const double by_n = y.value * log_of_base(base.value);
        if (!same(y.value, y.is_int, node->data, data_is_int(node))
            || (op == FG_POW && !has_local(node, 1, by_n, false))
            || !(op == FG_CONST_POW ? has_local(node, 0, by_n, false) : has_local(node, 0, by_x.value, by_x.is_int)))
            return FG_CHANGED;
        return FG_OK;
    }
    double y, slope;
    if (op == FG_RELU)
        return node->local0 == (x.value > 0.0) ? FG_OK : FG_CHANGED;
    if (op == FG_ABS)
        return node->local0 == (x.value > 0.0) - (x.value < 0.0) ? FG_OK : FG_CHANGED;
    if (!function(derivation, op, x.value, &y, &slope))
        return derivation->status;
    node = fg_at(arena->nodes, index);
    const bool is_ours = has_local(node, 0, slope, false)
                         || (op == FG_TANH && has_local(node, 0, fg_tanh_slope_by_power(y), false));
    return is_ours && same(y, false, node->data, data_is_int(node)) ? FG_OK : FG_CHANGED;
}

/* ---- Formulas ---- */

/* A node for a term: the term's own, with another reference, or a new leaf. */
static inline fg_index node_of(fg_arena *arena, fg_derivation *derivation, fg_term term)
{
    if (term.node == FG_NONE)
        return new_leaf(arena, derivation, term.value, term.is_int);
    fg_node_retain(arena, term.node);
    return term.node;
}

/* A sum or a product of two terms, not both numbers. `2 * v` is v * 2, as in Python. */
static inline fg_index new_of_two(fg_arena *arena, fg_derivation *derivation, uint8_t op, fg_term a, fg_term b)
{
    fg_index leaf = FG_NONE, result;
    if (a.node == FG_NONE || b.node == FG_NONE) {
        const fg_term number = a.node == FG_NONE ? a : b;
        leaf = new_leaf(arena, derivation, number.value, number.is_int);
        if (leaf == FG_NONE)
            return FG_NONE;
        if (a.node == FG_NONE)
            a = b;
        b.node = leaf;
    }
    if (op == FG_MUL) {
        result = new_product(arena, derivation, a.node, b.node);
    } else if ((result = new_sum(arena, derivation, a.node, b.node)) != FG_NONE) {
        fg_node_retain(arena, a.node);
        fg_node_retain(arena, b.node);
    }
    if (leaf != FG_NONE)
        fg_node_release(arena, leaf);
    return result;
}

static fg_index new_power(fg_arena *arena, fg_derivation *derivation, fg_term a, fg_term b)
{
    const fg_term x = number_of(arena, a.node), n = b.node == FG_NONE ? b : number_of(arena, b.node);
    fg_term y, by_x;
    if (!power(derivation, x, n, &y, &by_x))
        return FG_NONE;
    const uint16_t flags = (y.is_int ? FG_DATA_INT : 0) | (by_x.is_int ? FG_LOCAL0_INT : 0);
    if (b.node == FG_NONE)
        return new_unary(arena, derivation, FG_POW_CONST, flags | (n.is_int ? FG_LOCAL1_INT : 0), y.value, a.node,
                         by_x.value, n.value);
    const fg_index index = new_binary(arena, derivation, FG_POW, flags, y.value, a.node, b.node, by_x.value,
                                      y.value * log_of_base(x.value));
    if (index != FG_NONE) {
        fg_node_retain(arena, a.node);
        fg_node_retain(arena, b.node);
    }
    return index;
}

static fg_index new_function(fg_arena *arena, fg_derivation *derivation, uint8_t op, fg_index a)
{
    double y, slope;
    if (!function(derivation, op, fg_at(arena->nodes, a)->data, &y, &slope))
        return FG_NONE;
    return new_unary(arena, derivation, op, 0, y, a, slope, 0.0);
}

/* What a line of a formula gives. A new node's reference is the caller's. False if no node could be made. */
static inline bool run_line(fg_arena *arena, fg_derivation *derivation, const fg_line *line, const fg_term *registers,
                     fg_term *result)
{
    const fg_term a = registers[line->a], b = registers[line->b];
    const double x = a.node == FG_NONE ? a.value : fg_at(arena->nodes, a.node)->data;
    *result = (fg_term){FG_NONE, line->number, line->is_int};
    if (line->op == FG_LEAF)
        return true;
    if (line->op == FG_LOG && (a.node == FG_NONE || !(x > 0.0))) {
        *result = (fg_term){FG_NONE, log_of_base(x), false};
        return true;
    }
    if (line->op == FG_ADD && a.node == FG_NONE && b.node == FG_NONE) {
        bool is_int = a.is_int && b.is_int;
        const double sum = is_int ? fg_int_add(a.value, b.value, &is_int) : a.value + b.value;
        *result = (fg_term){FG_NONE, sum, is_int};
        return true;
    }
    if (line->op == FG_ADD || line->op == FG_MUL)
        result->node = new_of_two(arena, derivation, line->op, a, b);
    else if (line->op == FG_POW)
        result->node = new_power(arena, derivation, a, b);
    else
        result->node = new_function(arena, derivation, line->op, a.node);
    return result->node != FG_NONE;
}

static const fg_formula *formula_of(const fg_derivation *derivation, const fg_node *node, uint32_t i)
{
    if (node->op == FG_POW_CONST)
        return &derivation->formulas[2 * FG_POW];
    if (node->op == FG_CONST_POW)
        return &derivation->formulas[2 * FG_POW + 1];
    return &derivation->formulas[2 * node->op + i];
}

/* Give child i of a listed node its part of the node's gradient, with the local derivative by a formula. */
static fg_status pass_on_by_formula(fg_arena *arena, fg_derivation *derivation, fg_index index, uint32_t i)
{
    const fg_node *node = fg_at(arena->nodes, index);
    const fg_formula *formula = formula_of(derivation, node, i);
    const fg_index child = node->child[i];
    const fg_term constant = {FG_NONE, node->local1, (node->flags & FG_LOCAL1_INT) != 0};
    const fg_term stored = {FG_NONE, *fg_local(node, i), (node->flags & (FG_LOCAL0_INT << i)) != 0};
    if (formula->what == FG_FORMULA_STORED || (node->op == FG_POW_CONST && constant.value == 1.0)) /* x ** 1 has 1 */
        return fg_derivation_give(arena, derivation, child, stored, index);

    const fg_term first = {node->child[0], 0.0, false};
    const fg_term second = {node->arity == FG_BINARY ? node->child[1] : FG_NONE, 0.0, false};
    fg_term registers[3 + FG_MOST_LINES];
    registers[0] = node->op == FG_CONST_POW ? constant : first;
    registers[1] = node->op == FG_CONST_POW ? first : node->op == FG_POW_CONST ? constant : second;
    registers[2] = (fg_term){index, 0.0, false};
    fg_status status = FG_OK;
    uint8_t n = 0;
    for (; n < formula->n && status == FG_OK; n++)
        if (!run_line(arena, derivation, &formula->lines[n], registers, &registers[3 + n]))
            status = derivation->status;
    if (status == FG_OK) {
        fg_term local = registers[formula->result];
        if (formula->n > 0 && local.node != FG_NONE) {
            fg_node *result = fg_at(arena->nodes, local.node);
            result->data = stored.value;
            result->flags = (uint16_t)((result->flags & ~FG_DATA_INT) | (stored.is_int ? FG_DATA_INT : 0));
        } else if (formula->n > 0) {
            local = stored;
        }
        status = fg_derivation_give(arena, derivation, child, local, index);
    }
    while (n-- > 0)
        if (registers[3 + n].node != FG_NONE)
            fg_node_release(arena, registers[3 + n].node);
    return status;
}

/* ---- The sweep ---- */

/* Add a contribution to a listed node's gradient, and take over the caller's reference to it. at: the node's element of
 * the table. */
static inline fg_status add_to(fg_arena *arena, fg_derivation *derivation, fg_index *at, fg_index contribution)
{
    const uint32_t role = *at & FG_ROLES;
    const fg_index old = *at - role;
    if (contribution == FG_NONE)
        return derivation->status;
    if (old != FG_NONE) {
        const fg_index sum = new_sum(arena, derivation, old, contribution);
        if (sum == FG_NONE) {
            fg_node_release(arena, contribution);
            return derivation->status;
        }
        *at = sum | role;
        return FG_OK;
    }
    const fg_node *node = fg_at(arena->nodes, contribution); /* the first is added to the int 0: -0.0 alone changes */
    if (FG_LIKELY(node->data != 0.0 || !signbit(node->data))) {
        *at = contribution | role;
        return FG_OK;
    }
    const fg_term first = {contribution, 0.0, false}, zero = {FG_NONE, 0.0, true};
    const fg_index sum = new_of_two(arena, derivation, FG_ADD, first, zero);
    fg_node_release(arena, contribution);
    if (sum == FG_NONE)
        return derivation->status;
    *at = sum | role;
    return FG_OK;
}

fg_status fg_derivation_give(fg_arena *arena, fg_derivation *derivation, fg_index child, fg_term local, fg_index parent)
{
    fg_index *const at = fg_derivation_at(derivation, child);
    if (!(*at & FG_ROLES))
        return FG_OK;
    if (parent == FG_NONE)
        return add_to(arena, derivation, at, node_of(arena, derivation, local));
    const fg_term grad = {grad_of(derivation, parent), 0.0, false};
    return add_to(arena, derivation, at, new_of_two(arena, derivation, FG_MUL, local, grad));
}

/* A sum's children get its gradient, and a product's get it times the other factor. These are most nodes, so they don't
 * go by formulas. */
FG_NOT_INLINED fg_status pass_on_to_two(fg_arena *arena, fg_derivation *derivation, fg_index index, fg_index grad)
{
    const fg_node *node = fg_at(arena->nodes, index);
    const fg_index children[2] = {node->child[0], node->child[1]};
    const bool is_product = node->op == FG_MUL;
    if (is_product ? !has_its_factors(arena->nodes, node) : node->local0 != 1.0 || node->local1 != 1.0)
        return FG_CHANGED;
    for (int k = 0; k < 2; k++) {
        fg_index *const at = fg_derivation_at(derivation, children[k]);
        if (!(*at & FG_ROLES))
            continue;
        fg_index contribution = grad;
        if (is_product)
            contribution = new_product(arena, derivation, children[1 - k], grad);
        else
            fg_node_retain(arena, grad);
        const fg_status status = add_to(arena, derivation, at, contribution);
        if (status != FG_OK)
            return status;
    }
    return FG_OK;
}

/* ---- Floats ----
 *
 * pass_on_to_two as it nearly always is: the gradient is a float, and so all that is made of it, and the run has room
 * for what the node may make. So nothing can fail in the middle. No gradient is -0.0, since the first contribution is
 * added to 0. `next` is the run's next slot: arena->next meanwhile.
 */

static inline uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* A new node. It takes over the caller's references to a and b. */
static inline fg_index put_binary(fg_node *nodes, fg_index *next, uint32_t kind, double data, fg_index a, fg_index b,
                                  double by_a, double by_b)
{
    const fg_index index = *next;
    fg_node *const node = fg_at(nodes, index);
    ++*next;
    fg_prefetch(node, FG_AHEAD);
    fg_prefetch(&node->data, FG_AHEAD);
    fg_node_init(node, kind, 0, data);
    node->child[0] = a;
    node->child[1] = b;
    node->local0 = by_a;
    node->local1 = by_b;
    return index;
}

/* The kinds of new nodes, of floats alone. */
typedef struct {
    uint32_t sum, product, zero;
} fg_kinds;

/* Add a contribution with this number, as add_to does. before: what is at `at`. */
static inline void add_float(fg_node *nodes, fg_index *next, fg_kinds kinds, fg_index *at, fg_index before,
                             fg_index contribution, double number)
{
    const uint32_t role = before & FG_ROLES;
    const fg_index old = before - role;
    if (old != FG_NONE) {
        const double total = fg_at(nodes, old)->data + number;
        contribution = put_binary(nodes, next, kinds.sum, total, old, contribution, 1.0, 1.0);
    } else if (bits_of(number) == bits_of(-0.0)) { /* seldom, but for relu's derivatives */
        const fg_index zero = *next;
        ++*next;
        fg_node_init(fg_at(nodes, zero), kinds.zero, FG_PASSED_OVER, 0.0);
        contribution = put_binary(nodes, next, kinds.sum, 0.0, contribution, zero, 1.0, 1.0);
    }
    *at = contribution | role;
}

/* Add a new product, of the factor x and the gradient g, to the gradient of the other factor, at `at`. Returns whether
 * that is asked for. */
static inline bool add_product(fg_node *nodes, fg_index *next, fg_kinds kinds, fg_index *at, fg_index x, bool x_is_int,
                               fg_index grad, double g)
{
    fg_node *const factor = fg_at(nodes, x);
    const fg_index before = *at;
    const double number = factor->data * g;
    const uint32_t kind = kinds.product | (x_is_int ? fg_kind(0, 0, FG_LOCAL1_INT) : 0);
    if (!(before & FG_ROLES))
        return false;
    factor->refs++;
    add_float(nodes, next, kinds, at, before, put_binary(nodes, next, kind, number, x, grad, g, factor->data), number);
    return true;
}

/* Pass on the gradient of a product, if its factors are what they were. Returns how many new parents the gradient has
 * got, or 0: then nothing has happened. */
static inline uint32_t pass_on_product(fg_node *nodes, fg_index *next, fg_kinds kinds, fg_index *table,
                                       const fg_node *node, fg_index grad)
{
    const fg_index a = node->child[0], b = node->child[1];
    const fg_node *const x = fg_at(nodes, a), *const y = fg_at(nodes, b);
    const double g = fg_at(nodes, grad)->data;
    bool x_is_int = false, y_is_int = false;
    if (!FG_LIKELY(!((x->kind | y->kind) & fg_kind(0, 0, FG_DATA_INT))))
        x_is_int = data_is_int(x), y_is_int = data_is_int(y);
    const uint32_t locals = fg_kind(0, 0, FG_LOCAL0_INT | FG_LOCAL1_INT);
    const uint32_t of_ints = fg_kind(0, 0, (x_is_int ? FG_LOCAL1_INT : 0) | (y_is_int ? FG_LOCAL0_INT : 0));
    if ((bits_of(node->local0) ^ bits_of(y->data)) | (bits_of(node->local1) ^ bits_of(x->data))
        | ((node->kind & locals) ^ of_ints))
        return 0; /* has_its_factors may say yes: of two nans */
    uint32_t n = add_product(nodes, next, kinds, table + fg_slot(a), b, y_is_int, grad, g);
    return n + add_product(nodes, next, kinds, table + fg_slot(b), a, x_is_int, grad, g);
}

/* Whether a node is of this operation, of two children, and without a closure. */
static inline bool is_plain(const fg_node *node, uint8_t op)
{
    return (node->kind & fg_kind(UINT8_MAX, UINT8_MAX, FG_CLOSURE)) == fg_kind(op, FG_BINARY, 0);
}

/* Sweep nodes down to `end` left, as long as they are like that. What the loop needs of the arena and the derivation is
 * in variables, since the compiler would load it anew after each store to a node. In a sum of products, a product gets
 * its gradient from the sum that is listed behind it, and from nothing else, so it's swept with that. */
FG_NOT_INLINED void sweep_floats(fg_arena *arena, fg_derivation *derivation, uint32_t end)
{
    enum { MOST_MADE = 9 }; /* by a sum and the product before it: for each of 3 children a product, a zero, a sum */
    fg_node *const nodes = arena->nodes;
    fg_index *const table = (fg_index *)derivation->grads;
    const fg_index *const order = derivation->walk->order;
    const fg_kinds kinds = {
        .sum = derivation->kind | fg_kind(FG_ADD, FG_BINARY, FG_LOCAL0_INT | FG_LOCAL1_INT),
        .product = derivation->kind | fg_kind(FG_MUL, FG_BINARY, 0),
        .zero = derivation->kind | fg_kind(FG_LEAF, FG_NULLARY, FG_DATA_INT),
    };
    const fg_index end_of_run = arena->end;
    fg_index next = arena->next;
    uint32_t left = derivation->left;
    for (; left > end; left--) {
        const fg_node *const node = fg_at(nodes, order[left - 1]);
        fg_index *const at = table + fg_slot(order[left - 1]);
        const uint32_t role = *at & FG_ROLES;
        const fg_index grad = *at - role;
        fg_node *const g = fg_at(nodes, grad);
        uint32_t n_parents = 0;
        fg_prefetch(node, -FG_AHEAD);
        fg_prefetch(&node->data, -FG_AHEAD);
        if (!(role & FG_ABOVE))
            continue;
        if (data_is_int(g) || end_of_run - next < MOST_MADE)
            break;
        if (is_plain(node, FG_ADD) && node->local0 == 1.0 && node->local1 == 1.0) {
            const fg_index a = node->child[0], b = node->child[1];
            fg_index *const at_a = table + fg_slot(a), *const at_b = table + fg_slot(b);
            const fg_index before = *at_a;
            if (FG_LIKELY(before == FG_ABOVE)) {
                *at_a = grad | FG_ABOVE;
                n_parents = 1;
            } else if (before & FG_ROLES) {
                add_float(nodes, &next, kinds, at_a, before, grad, g->data);
                n_parents = 1;
            }
            if (*at_b == FG_ABOVE && left - 1 > end && order[left - 2] == b && is_plain(fg_at(nodes, b), FG_MUL)) {
                const uint32_t more = pass_on_product(nodes, &next, kinds, table, fg_at(nodes, b), grad);
                n_parents += more ? more : 1;
                *at_b = more ? 0 : grad | FG_ABOVE;
                left -= more > 0;
            } else if (*at_b & FG_ROLES) {
                add_float(nodes, &next, kinds, at_b, *at_b, grad, g->data);
                n_parents++;
            }
        } else if (is_plain(node, FG_MUL)) {
            n_parents = pass_on_product(nodes, &next, kinds, table, node, grad);
        }
        if (n_parents == 0)
            break;
        /* The table's own reference to the gradient, unless it's an input's, goes to one of its new parents. */
        g->refs += n_parents - !(role & FG_INPUT);
        *at = role & FG_INPUT ? *at : 0;
    }
    arena->next = next;
    derivation->left = left;
}

fg_status fg_derivation_pass_on(fg_arena *arena, fg_derivation *derivation, fg_index index)
{
    const uint32_t n = fg_node_n_children(fg_at(arena->nodes, index));
    if (fg_at(arena->nodes, index)->op == FG_ADD || fg_at(arena->nodes, index)->op == FG_MUL)
        return pass_on_to_two(arena, derivation, index, grad_of(derivation, index));
    const fg_status status = check(arena, derivation, index);
    if (status != FG_OK)
        return status;
    if (derivation->edits != arena->edits)
        return FG_CHANGED;
    for (uint32_t k = 0; k < n; k++) {
        if (!fg_derivation_role(derivation, fg_at(arena->nodes, index)->child[k]))
            continue;
        const fg_status of_child = pass_on_by_formula(arena, derivation, index, k);
        if (of_child != FG_OK)
            return of_child;
        if (derivation->edits != arena->edits)
            return FG_CHANGED;
    }
    return FG_OK;
}

void fg_derivation_take_off(fg_arena *arena, fg_derivation *derivation)
{
    const fg_index index = derivation->walk->order[--derivation->left];
    if (!(fg_derivation_role(derivation, index) & FG_INPUT))
        drop_grad(arena, derivation, index);
}

fg_status fg_derivation_go_on(fg_arena *arena, fg_derivation *derivation, uint32_t budget)
{
    const uint32_t end = derivation->left > budget ? derivation->left - budget : 0;
    if (derivation->edits != arena->edits) /* Python has run, and has replaced edges */
        return FG_CHANGED;
    while (sweep_floats(arena, derivation, end), derivation->left > end) {
        const fg_index index = derivation->walk->order[derivation->left - 1];
        const fg_node *node = fg_at(arena->nodes, index);
        if (node->flags & FG_CLOSURE || node->arity == FG_WIDE || node->op == FG_CUSTOM || node->op == FG_LEAF)
            return FG_CALLERS;
        const fg_status status = fg_derivation_pass_on(arena, derivation, index);
        if (status != FG_OK)
            return status;
        fg_derivation_take_off(arena, derivation);
    }
    return end > 0 ? FG_MORE : FG_OK;
}

/* ---- The same as numbers ---- */

bool fg_tally_start(fg_arena *arena, fg_tally *tally, const fg_walk *walk, uint32_t n_inputs, const fg_index *inputs)
{
    const size_t size = sizeof *tally->grads, sums = walk->n_events > 0;
    *tally = (fg_tally){.walk = walk, .edits = arena->edits, .left = walk->n, .events_left = walk->n_events};
    tally->grads = new_table(arena, (1 + sums) * size, false, &tally->bytes);
    if (!tally->grads)
        return false;
    if (sums)
        tally->inner = tally->grads + (size_t)arena->used_slabs * FG_TAG;
    for (uint32_t i = 0; i < n_inputs; i++)
        *fg_tally_at(tally, inputs[i]) = (fg_number){0.0, true, false};
    for (uint32_t i = 0; i < walk->n; i++)
        *fg_tally_at(tally, walk->order[i]) = (fg_number){0.0, true, true};
    return true;
}

void fg_tally_end(fg_arena *arena, fg_tally *tally)
{
    if (tally->grads)
        give_back(arena, tally->grads, false, tally->bytes, tally->left == 0);
    *tally = (fg_tally){0};
}

/* Add local * grad to a node's gradient, as gradients.h does. */
static inline void tally_add(fg_tally *tally, fg_index node, double local, bool local_is_int, fg_number grad)
{
    fg_number *sum = fg_tally_at(tally, node);
    bool is_int = local_is_int && grad.is_int;
    const double product = is_int ? fg_int_mul(local, grad.value, &is_int) : local * grad.value;
    is_int = is_int && sum->is_int;
    sum->value = is_int ? fg_int_add(sum->value, product, &is_int) : sum->value + product;
    sum->is_int = is_int;
}

/* Pass on the gradients of the terms of an event, from the last. A constant's gradient nobody asks for. */
static void tally_event(const fg_arena *arena, fg_tally *tally, fg_index index, fg_event event)
{
    const fg_node *node = fg_at(arena->nodes, index);
    const fg_sum *sum = node->sum;
    const fg_index *const us = fg_column_nodes(sum->u), *const vs = fg_column_nodes(sum->v);
    const fg_number whole = *fg_tally_at(tally, index);
    fg_number *const kept = &tally->inner[fg_slot(index)];
    if (event.to == sum->n)
        *kept = (fg_number){0.0 + whole.value, whole.is_int, true};
    const fg_number inner = *kept;
    for (uint32_t k = event.to; k-- > event.from;) {
        const fg_number grad = k == sum->n - 1 ? whole : inner; /* of the partial sum */
        if (k == 0 && node->child[0] != FG_NONE)
            tally_add(tally, node->child[0], 1.0, true, grad);
        if (sum->is_single) {
            if (us[k] != FG_NONE)
                tally_add(tally, us[k], 1.0, true, grad);
            continue;
        }
        if (us[k] != FG_NONE)
            tally_add(tally, us[k], sum->v->numbers[k], fg_column_is_int(sum->v, k), inner);
        if (vs[k] != FG_NONE)
            tally_add(tally, vs[k], sum->u->numbers[k], fg_column_is_int(sum->u, k), inner);
    }
}

fg_status fg_tally_go_on(fg_arena *arena, fg_tally *tally, uint32_t budget)
{
    const fg_index *const order = tally->walk->order;
    if (tally->edits != arena->edits)
        return FG_CHANGED;
    for (; tally->left > 0; tally->left--) {
        const uint32_t i = tally->left - 1;
        const fg_node *node = fg_at(arena->nodes, order[i]);
        if (budget == 0)
            return FG_MORE;
        budget--;
        if (node->arity == FG_FUSED) {
            const fg_event event = tally->walk->events[--tally->events_left];
            tally_event(arena, tally, order[i], event);
            budget -= event.to - event.from < budget ? event.to - event.from : budget;
            continue;
        }
        const fg_number grad = *fg_tally_at(tally, order[i]);
        if (fg_node_is_binary_without(node, 0) && !grad.is_int) {
            for (int k = 0; k < 2; k++) {
                fg_number *const sum = fg_tally_at(tally, node->child[k]);
                sum->value += *fg_local(node, k) * grad.value;
                sum->is_int = false;
            }
            continue;
        }
        const uint32_t n_children = fg_node_n_children(node), n_locals = fg_node_n_locals(node);
        for (uint32_t k = 0; k < n_children && k < n_locals; k++)
            tally_add(tally, fg_node_child(node, k), fg_node_local(node, k), fg_node_local_is_int(node, k), grad);
    }
    return FG_OK;
}
