/* Derivatives as nodes. derive.h says what they are. */
#include "derive.h"

#include <string.h>

#include "functions.h"
#include "fused.h"
#include "numbers.h"

enum { NOWHERE = UINT32_MAX };
enum { INPUT = 1, ABOVE = 2 }; /* bits of `is_above`: a node is an input; a child of it has a bit */

/* ---- Start and end ---- */

/* The number of a node's slot, counted over all slabs. */
static inline uint32_t slot_of(fg_index index)
{
    return index / FG_SLAB_STEP * FG_SLAB + index % FG_SLAB_STEP / FG_STEP;
}

/* Where each listed node is in the list, by its slot; for inputs that aren't listed, NOWHERE. The memory isn't cleared:
 * of other slots nobody asks. NULL if there's no memory. */
static uint32_t *new_places(const fg_arena *arena, const fg_walk *walk, uint32_t n_inputs, const fg_index *inputs)
{
    uint32_t *places = fg_allocate(NULL, (size_t)arena->used_slabs * FG_SLAB * sizeof *places);
    if (!places)
        return NULL;
    for (uint32_t i = 0; i < n_inputs; i++)
        places[slot_of(inputs[i])] = NOWHERE;
    for (uint32_t i = 0; i < walk->n; i++)
        places[slot_of(walk->order[i])] = i;
    return places;
}

bool fg_derivation_start(fg_arena *arena, fg_derivation *derivation, const fg_walk *walk, uint32_t n_inputs,
                         const fg_index *inputs)
{
    const size_t n = walk->n;
    derivation->walk = walk;
    derivation->edits = arena->edits;
    derivation->marked = 0;
    derivation->left = walk->n;
    derivation->status = FG_OK;
    derivation->places = new_places(arena, walk, n_inputs, inputs);
    derivation->is_above = fg_allocate(NULL, n);
    derivation->grads = fg_allocate(NULL, n * sizeof *derivation->grads);
    if (derivation->grads)
        memset(derivation->grads, 0, n * sizeof *derivation->grads);
    if (!derivation->places || !derivation->is_above || !derivation->grads) {
        fg_derivation_end(arena, derivation);
        return false;
    }
    memset(derivation->is_above, 0, n);
    for (uint32_t i = 0; i < n_inputs; i++)
        if (fg_derivation_place(derivation, inputs[i]) != NOWHERE)
            derivation->is_above[fg_derivation_place(derivation, inputs[i])] = INPUT;
    return true;
}

void fg_derivation_end(fg_arena *arena, fg_derivation *derivation)
{
    for (uint32_t i = 0; derivation->grads && i < derivation->walk->n; i++)
        if (derivation->grads[i] != FG_NONE)
            fg_node_release(arena, derivation->grads[i]);
    fg_allocate(derivation->places, 0);
    fg_allocate(derivation->is_above, 0);
    fg_allocate(derivation->grads, 0);
    derivation->places = NULL;
    derivation->is_above = NULL;
    derivation->grads = NULL;
}

static inline uint32_t place_of(const fg_derivation *derivation, fg_index index)
{
    return derivation->places[slot_of(index)];
}

uint32_t fg_derivation_place(const fg_derivation *derivation, fg_index index)
{
    return place_of(derivation, index);
}

fg_status fg_derivation_mark(fg_arena *arena, fg_derivation *derivation, uint32_t budget)
{
    const fg_walk *const walk = derivation->walk;
    uint8_t *const is_above = derivation->is_above;
    const uint32_t end = walk->n - derivation->marked > budget ? derivation->marked + budget : walk->n;
    for (uint32_t i = derivation->marked; i < end; i++) {
        const fg_node *node = fg_at(arena->nodes, walk->order[i]);
        const uint32_t n = fg_node_n_children(node);
        uint8_t below = 0;
        for (uint32_t k = 0; k < n; k++)
            below |= is_above[place_of(derivation, fg_node_child(node, k))];
        is_above[i] |= below ? ABOVE : 0;
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

static inline fg_index new_binary(fg_arena *arena, fg_derivation *derivation, uint8_t op, uint16_t flags, double data,
                                  fg_index a, fg_index b, double by_a, double by_b)
{
    fg_index index = new_node(arena, derivation, op, FG_BINARY, flags, data);
    if (index == FG_NONE)
        return FG_NONE;
    fg_node *node = fg_at(arena->nodes, index);
    node->child[0] = a;
    node->child[1] = b;
    node->local[0] = by_a;
    node->local[1] = by_b;
    fg_node_retain(arena, a);
    fg_node_retain(arena, b);
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
    node->local[0] = by_a;
    node->local[1] = constant;
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
    const fg_node *x = fg_at(arena->nodes, a), *y = fg_at(arena->nodes, b);
    bool is_int = data_is_int(x) && data_is_int(y);
    const uint16_t flags = (data_is_int(y) ? FG_LOCAL0_INT : 0) | (data_is_int(x) ? FG_LOCAL1_INT : 0);
    const double product = is_int ? fg_int_mul(x->data, y->data, &is_int) : x->data * y->data;
    return new_binary(arena, derivation, FG_MUL, flags | (is_int ? FG_DATA_INT : 0), product, a, b, y->data, x->data);
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
    return same(node->local[i], (node->flags & (FG_LOCAL0_INT << i)) != 0, local, is_int);
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
        const fg_term constant = {FG_NONE, node->local[1], (node->flags & FG_LOCAL1_INT) != 0};
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
        return node->local[0] == (x.value > 0.0) ? FG_OK : FG_CHANGED;
    if (op == FG_ABS)
        return node->local[0] == (x.value > 0.0) - (x.value < 0.0) ? FG_OK : FG_CHANGED;
    if (!function(derivation, op, x.value, &y, &slope))
        return derivation->status;
    node = fg_at(arena->nodes, index);
    return same(y, false, node->data, data_is_int(node)) && has_local(node, 0, slope, false) ? FG_OK : FG_CHANGED;
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
    result = op == FG_ADD ? new_sum(arena, derivation, a.node, b.node) : new_product(arena, derivation, a.node, b.node);
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
    return new_binary(arena, derivation, FG_POW, flags, y.value, a.node, b.node, by_x.value,
                      y.value * log_of_base(x.value));
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

/* Give child i of the listed node `place` its part of the node's gradient, with the local derivative by a formula. */
static fg_status pass_on_by_formula(fg_arena *arena, fg_derivation *derivation, uint32_t place, uint32_t i)
{
    const fg_index index = derivation->walk->order[place];
    const fg_node *node = fg_at(arena->nodes, index);
    const fg_formula *formula = formula_of(derivation, node, i);
    const fg_index child = node->child[i];
    const fg_term constant = {FG_NONE, node->local[1], (node->flags & FG_LOCAL1_INT) != 0};
    const fg_term stored = {FG_NONE, node->local[i], (node->flags & (FG_LOCAL0_INT << i)) != 0};
    if (formula->what == FG_FORMULA_STORED || (node->op == FG_POW_CONST && constant.value == 1.0)) /* x ** 1 has 1 */
        return fg_derivation_give(arena, derivation, child, stored, place);

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
        status = fg_derivation_give(arena, derivation, child, local, place);
    }
    while (n-- > 0)
        if (registers[3 + n].node != FG_NONE)
            fg_node_release(arena, registers[3 + n].node);
    return status;
}

/* ---- The sweep ---- */

/* Add a contribution to the gradient of the listed node `place`, and take over the caller's reference to it. */
static inline fg_status add_to(fg_arena *arena, fg_derivation *derivation, uint32_t place, fg_index contribution)
{
    fg_index *const sum = &derivation->grads[place];
    const fg_index old = *sum;
    if (contribution == FG_NONE)
        return derivation->status;
    fg_index result = contribution;
    if (old != FG_NONE) {
        result = new_sum(arena, derivation, old, contribution);
    } else { /* the first is added to the int 0, which changes -0.0 alone */
        const fg_node *node = fg_at(arena->nodes, contribution);
        if (FG_LIKELY(node->data != 0.0 || !signbit(node->data))) {
            *sum = contribution;
            return FG_OK;
        }
        const fg_term first = {contribution, 0.0, false}, zero = {FG_NONE, 0.0, true};
        result = new_of_two(arena, derivation, FG_ADD, first, zero);
    }
    fg_node_release(arena, contribution);
    if (result == FG_NONE)
        return derivation->status;
    *sum = result;
    if (old != FG_NONE)
        fg_node_release(arena, old);
    return FG_OK;
}

fg_status fg_derivation_give(fg_arena *arena, fg_derivation *derivation, fg_index child, fg_term local, uint32_t parent)
{
    const uint32_t place = place_of(derivation, child);
    if (!derivation->is_above[place])
        return FG_OK;
    if (parent == NOWHERE)
        return add_to(arena, derivation, place, node_of(arena, derivation, local));
    const fg_term grad = {derivation->grads[parent], 0.0, false};
    return add_to(arena, derivation, place, new_of_two(arena, derivation, FG_MUL, local, grad));
}

/* A sum's children get its gradient, and a product's get it times the other factor. These are most nodes, so they don't
 * go by formulas. */
static inline fg_status pass_on_to_two(fg_arena *arena, fg_derivation *derivation, uint32_t i, fg_index index)
{
    const fg_node *node = fg_at(arena->nodes, index);
    const fg_index children[2] = {node->child[0], node->child[1]}, grad = derivation->grads[i];
    const bool is_product = node->op == FG_MUL;
    if (is_product ? !has_its_factors(arena->nodes, node) : node->local[0] != 1.0 || node->local[1] != 1.0)
        return FG_CHANGED;
    for (int k = 0; k < 2; k++) {
        const uint32_t place = place_of(derivation, children[k]);
        if (!derivation->is_above[place])
            continue;
        fg_index contribution = grad;
        if (is_product)
            contribution = new_product(arena, derivation, children[1 - k], grad);
        else
            fg_node_retain(arena, grad);
        const fg_status status = add_to(arena, derivation, place, contribution);
        if (status != FG_OK)
            return status;
    }
    return FG_OK;
}

fg_status fg_derivation_pass_on(fg_arena *arena, fg_derivation *derivation, uint32_t i)
{
    const fg_index index = derivation->walk->order[i];
    const uint32_t n = fg_node_n_children(fg_at(arena->nodes, index));
    if (fg_at(arena->nodes, index)->op == FG_ADD || fg_at(arena->nodes, index)->op == FG_MUL)
        return pass_on_to_two(arena, derivation, i, index);
    const fg_status status = check(arena, derivation, index);
    if (status != FG_OK)
        return status;
    if (derivation->edits != arena->edits)
        return FG_CHANGED;
    for (uint32_t k = 0; k < n; k++) {
        if (!derivation->is_above[fg_derivation_place(derivation, fg_at(arena->nodes, index)->child[k])])
            continue;
        const fg_status of_child = pass_on_by_formula(arena, derivation, i, k);
        if (of_child != FG_OK)
            return of_child;
        if (derivation->edits != arena->edits)
            return FG_CHANGED;
    }
    return FG_OK;
}

fg_status fg_derivation_go_on(fg_arena *arena, fg_derivation *derivation, uint32_t budget)
{
    const fg_index *const order = derivation->walk->order;
    const uint32_t end = derivation->left > budget ? derivation->left - budget : 0;
    for (; derivation->left > end; derivation->left--) {
        const uint32_t i = derivation->left - 1;
        const fg_node *node = fg_at(arena->nodes, order[i]);
        fg_status status;
        if (!(derivation->is_above[i] & ABOVE))
            continue;
        if (derivation->edits != arena->edits) /* Python has run, and has replaced edges */
            return FG_CHANGED;
        if (fg_node_is_binary_without(node, FG_CLOSURE) && (node->op == FG_ADD || node->op == FG_MUL))
            status = pass_on_to_two(arena, derivation, i, order[i]);
        else if (node->flags & FG_CLOSURE || node->arity == FG_WIDE || node->op == FG_CUSTOM || node->op == FG_LEAF)
            return FG_CALLERS;
        else
            status = fg_derivation_pass_on(arena, derivation, i);
        if (status != FG_OK)
            return status;
    }
    return end > 0 ? FG_MORE : FG_OK;
}

/* ---- The same as numbers ---- */

bool fg_tally_start(fg_arena *arena, fg_tally *tally, const fg_walk *walk, uint32_t n_inputs, const fg_index *inputs)
{
    *tally = (fg_tally){.walk = walk, .edits = arena->edits, .left = walk->n, .events_left = walk->n_events};
    tally->places = new_places(arena, walk, n_inputs, inputs);
    tally->grads = fg_allocate(NULL, walk->n * sizeof *tally->grads);
    tally->inner = walk->n_events > 0 ? fg_allocate(NULL, walk->n * sizeof *tally->inner) : NULL;
    if (!tally->places || !tally->grads || (walk->n_events > 0 && !tally->inner)) {
        fg_tally_end(tally);
        return false;
    }
    for (uint32_t i = 0; i < walk->n; i++)
        tally->grads[i] = (fg_number){0.0, true};
    return true;
}

void fg_tally_end(fg_tally *tally)
{
    fg_allocate(tally->places, 0);
    fg_allocate(tally->grads, 0);
    fg_allocate(tally->inner, 0);
    *tally = (fg_tally){0};
}

bool fg_tally_grad(const fg_tally *tally, fg_index input, fg_number *grad)
{
    const uint32_t place = tally->places[slot_of(input)];
    if (place != NOWHERE)
        *grad = tally->grads[place];
    return place != NOWHERE;
}

/* Add local * grad to a node's gradient, as gradients.h does. */
static inline void tally_add(fg_tally *tally, fg_index node, double local, bool local_is_int, fg_number grad)
{
    fg_number *sum = &tally->grads[tally->places[slot_of(node)]];
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
    const uint32_t place = tally->places[slot_of(index)];
    if (event.to == sum->n)
        tally->inner[place] = (fg_number){0.0 + tally->grads[place].value, tally->grads[place].is_int};
    const fg_number inner = tally->inner[place];
    for (uint32_t k = event.to; k-- > event.from;) {
        const fg_number grad = k == sum->n - 1 ? tally->grads[place] : inner; /* of the partial sum */
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
        const fg_number grad = tally->grads[i];
        const uint32_t n_children = fg_node_n_children(node), n_locals = fg_node_n_locals(node);
        for (uint32_t k = 0; k < n_children && k < n_locals; k++)
            tally_add(tally, fg_node_child(node, k), fg_node_local(node, k), fg_node_local_is_int(node, k), grad);
    }
    return FG_OK;
}
