/* Running programs. program.h says what they are.
 *
 * The functions here do what the operators of the face do (fastgrad/engine/operators.pxi, operations.pxi), on operands
 * in place of objects. tests/loops compares the two, and both with the oracle. */
#include "program.h"

#include "exact_pow.h"
#include "fields.h"
#include "fours.h"
#include "functions.h"
#include "numbers.h"

typedef struct {
    fg_arena *arena;
    const fg_rules *rules;
    /* The last powers, by whether the exponent is -1: `[e / total for e in exps]` asks for the same two for each e. */
    double base[2], exponent[2], power[2];
} fg_run;

static const fg_operand minus_one = {.number = -1.0, .node = FG_NONE, .is_int = true};

/* ---- Numbers ---- */

static fg_operand number_operand(double number, bool is_int)
{
    return (fg_operand){.number = number, .node = FG_NONE, .is_int = is_int};
}

static fg_operand sum_of(const fg_operand *a, const fg_operand *b)
{
    bool is_int = a->is_int && b->is_int;
    double sum = is_int ? fg_int_add(a->number, b->number, &is_int) : a->number + b->number;
    return number_operand(sum, is_int);
}

static fg_operand product_of(const fg_operand *a, const fg_operand *b)
{
    bool is_int = a->is_int && b->is_int;
    double product = is_int ? fg_int_mul(a->number, b->number, &is_int) : a->number * b->number;
    return number_operand(product, is_int);
}

static fg_operand negative_of(const fg_operand *a)
{
    return number_operand(a->is_int ? 0.0 - a->number : -a->number, a->is_int);
}

/* x ** n of an int and an int that isn't negative. False if it's too large. */
static bool int_power(double x, double n, double *y)
{
    *y = 1.0;
    if (n > 64.0)
        return false;
    for (; n > 0.0; n -= 1.0) {
        *y *= x;
        if (fabs(*y) > FG_EXACT)
            return false;
    }
    return true;
}

/* x ** n. False where Python has to compute it. */
static bool power(fg_run *run, const fg_operand *x, const fg_operand *n, fg_operand *result)
{
    const bool at = n->number == -1.0;
    double y;
    *result = number_operand(0.0, x->is_int && n->is_int && n->number >= 0.0);
    if (result->is_int)
        return int_power(x->number, n->number, &result->number);
    if (x->number == 0.0) {
        result->number = fmod(n->number, 2.0) == 1.0 ? x->number : 0.0;
        return n->number > 0.0 && isfinite(n->number);
    }
    if (x->number == run->base[at] && n->number == run->exponent[at]) {
        result->number = run->power[at];
        return true;
    }
    if (n->number == 2.0 && fg_square_is_sure(x->number))
        y = x->number * x->number;
    else if (n->number == 0.5 && x->number > 0.0)
        y = fg_root(x->number);
    else if (!fg_power(x->number, n->number, &y))
        return false;
    run->base[at] = x->number;
    run->exponent[at] = n->number;
    run->power[at] = result->number = y;
    return true;
}

/* The derivative of x ** n by x. */
static bool power_slope(fg_run *run, const fg_operand *x, const fg_operand *n, fg_operand *slope)
{
    const fg_operand one_less = number_operand(n->number - 1.0, n->is_int);
    fg_operand y;
    if (n->number == 0.0)
        return false;
    if (n->number == 1.0 && !x->is_int)
        y = number_operand(1.0, false);
    else if (!power(run, x, &one_less, &y))
        return false;
    *slope = product_of(n, &y);
    return true;
}

/* ---- New nodes ---- */

/* Make an operand the Value of a new node, or of none if operations don't record. */
static inline bool be_value(fg_run *run, fg_operand *out, uint8_t op, uint8_t arity, uint16_t flags, fg_operand data)
{
    *out = data;
    out->is_value = true;
    out->is_int = data.is_int && !run->rules->float_data;
    if (!run->rules->records)
        return true;
    out->node = fg_node_new(run->arena);
    if (out->node == FG_NONE)
        return false;
    fg_node_init(fg_at(run->arena->nodes, out->node),
                 run->rules->kind | fg_kind(op, arity, flags | (out->is_int ? FG_DATA_INT : 0)),
                 arity == FG_NULLARY ? FG_PASSED_OVER : 0, data.number);
    return true;
}

static inline void drop(fg_run *run, const fg_operand *operand)
{
    if (operand->node != FG_NONE)
        fg_node_release(run->arena, operand->node);
}

/* The leaf that an operation makes of a number. */
static inline bool be_leaf(fg_run *run, fg_operand *out, const fg_operand *number)
{
    return be_value(run, out, FG_LEAF, FG_NULLARY, 0, number_operand(number->number, number->is_int));
}

static inline bool be_binary(fg_run *run, fg_operand *out, uint8_t op, uint16_t flags, fg_operand data,
                             const fg_operand *a, const fg_operand *b, double by_a, double by_b)
{
    const fg_index first = a->node, second = b->node; /* out may be a or b */
    if (!be_value(run, out, op, FG_BINARY, flags, data))
        return false;
    if (run->rules->records) {
        fg_node *node = fg_at(run->arena->nodes, out->node);
        node->child[0] = first;
        node->child[1] = second;
        node->local0 = by_a;
        node->local1 = by_b;
        fg_node_retain(run->arena, first);
        fg_node_retain(run->arena, second);
    }
    return true;
}

static inline bool be_unary(fg_run *run, fg_operand *out, uint8_t op, fg_operand data, const fg_operand *a,
                            fg_operand by_a, fg_operand constant)
{
    const uint16_t flags = (by_a.is_int ? FG_LOCAL0_INT : 0) | (constant.is_int ? FG_LOCAL1_INT : 0);
    if (!be_value(run, out, op, FG_UNARY, flags, data))
        return false;
    if (run->rules->records) {
        fg_node *node = fg_at(run->arena->nodes, out->node);
        node->child[0] = a->node;
        node->local0 = by_a.number;
        node->local1 = constant.number;
        fg_node_retain(run->arena, a->node);
    }
    return true;
}

/* ---- Operators ---- */

static inline bool sum_of_values(fg_run *run, const fg_operand *a, const fg_operand *b, fg_operand *out)
{
    return be_binary(run, out, FG_ADD, FG_LOCAL0_INT | FG_LOCAL1_INT, sum_of(a, b), a, b, 1.0, 1.0);
}

static inline bool product_of_values(fg_run *run, const fg_operand *a, const fg_operand *b, fg_operand *out)
{
    const uint16_t flags = (b->is_int ? FG_LOCAL0_INT : 0) | (a->is_int ? FG_LOCAL1_INT : 0);
    return be_binary(run, out, FG_MUL, flags, product_of(a, b), a, b, b->number, a->number);
}

typedef bool fg_operation(fg_run *run, const fg_operand *a, const fg_operand *b, fg_operand *out);

/* A Value and a Value or a number: the number becomes a leaf. */
static inline bool with_leaf(fg_run *run, fg_operation *operation, const fg_operand *a, const fg_operand *b,
                             fg_operand *out)
{
    fg_operand leaf;
    if (b->is_value)
        return operation(run, a, b, out);
    if (!be_leaf(run, &leaf, b))
        return false;
    bool done = operation(run, a, &leaf, out);
    drop(run, &leaf);
    return done;
}

enum { ADD, MULTIPLY, SUBTRACT, DIVIDE }; /* places in fg_rules.lacks */

static inline bool add(fg_run *run, const fg_operand *a, const fg_operand *b, fg_operand *out)
{
    if (a->is_value)
        return with_leaf(run, sum_of_values, a, b, out);
    if (b->is_value) /* 2 + v is v + 2 */
        return !run->rules->lacks[ADD] && with_leaf(run, sum_of_values, b, a, out);
    *out = sum_of(a, b);
    return !a->is_int || !b->is_int || out->is_int;
}

static inline bool multiply(fg_run *run, const fg_operand *a, const fg_operand *b, fg_operand *out)
{
    if (a->is_value)
        return with_leaf(run, product_of_values, a, b, out);
    if (b->is_value)
        return !run->rules->lacks[MULTIPLY] && with_leaf(run, product_of_values, b, a, out);
    *out = product_of(a, b);
    return !a->is_int || !b->is_int || out->is_int;
}

static inline bool negate(fg_run *run, const fg_operand *a, fg_operand *out)
{
    if (a->is_value)
        return with_leaf(run, product_of_values, a, &minus_one, out);
    *out = negative_of(a);
    return true;
}

/* a + (-b) */
static inline bool subtract(fg_run *run, const fg_operand *a, const fg_operand *b, fg_operand *out)
{
    fg_operand negative;
    if (!a->is_value && b->is_value && run->rules->lacks[SUBTRACT])
        return false;
    if (!a->is_value && !b->is_value) {
        bool is_int = a->is_int && b->is_int;
        const bool are_ints = is_int;
        const double y = is_int ? fg_int_add(a->number, 0.0 - b->number, &is_int) : a->number - b->number;
        *out = number_operand(y, is_int);
        return is_int == are_ints;
    }
    if (!negate(run, b, &negative))
        return false;
    bool done = add(run, a, &negative, out);
    drop(run, &negative);
    return done;
}

static bool raise_to(fg_run *run, const fg_operand *a, const fg_operand *n, fg_operand *out)
{
    fg_operand y, slope = number_operand(NAN, false);
    if (n->is_value || !power(run, a, n, &y))
        return false;
    if (!a->is_value) {
        *out = y;
        return true;
    }
    if (run->rules->records && !(run->rules->kind & fg_kind(0, 0, FG_DEFERRED)) && !power_slope(run, a, n, &slope))
        return false;
    return be_unary(run, out, FG_POW_CONST, y, a, slope, *n);
}

/* a * b ** -1 */
static bool divide(fg_run *run, const fg_operand *a, const fg_operand *b, fg_operand *out)
{
    fg_operand inverse;
    if (!a->is_value && !b->is_value) {
        *out = number_operand(a->number / b->number, false);
        return b->number != 0.0;
    }
    if (!a->is_value && run->rules->lacks[DIVIDE])
        return false;
    if (!raise_to(run, b, &minus_one, &inverse))
        return false;
    bool done = multiply(run, a, &inverse, out);
    drop(run, &inverse);
    return done;
}

/* ---- Functions ---- */

/* A function of a Value, and its derivative as the Value's class computes it. */
static inline bool function_of(const fg_run *run, uint8_t function, double x, double *y, double *slope)
{
    if (!fg_function(function, x, y, slope))
        return false;
    if (function == FG_TANH && run->rules->tanh_by_power)
        *slope = fg_tanh_slope_by_power(*y);
    return true;
}

static bool call_method(fg_run *run, uint8_t function, const fg_operand *a, fg_operand *out)
{
    const bool is_micrograds = run->rules->micrograd_relu;
    double y, slope;
    bool is_int = a->is_int;
    if (!a->is_value)
        return false;
    switch (function) {
    case FG_RELU:
        y = fg_relu(a->number, &is_int, is_micrograds);
        return be_unary(run, out, FG_RELU, number_operand(y, is_int), a, number_operand(a->number > 0.0, is_micrograds),
                        number_operand(0.0, false));
    case FG_ABS:
        return be_unary(run, out, FG_ABS, number_operand(fabs(a->number), is_int), a,
                        number_operand((a->number > 0.0) - (a->number < 0.0), false), number_operand(0.0, false));
    default:
        return function_of(run, function, a->number, &y, &slope)
               && be_unary(run, out, function, number_operand(y, false), a, number_operand(slope, false),
                           number_operand(0.0, false));
    }
}

static bool call_math(uint8_t function, const fg_operand *a, fg_operand *out)
{
    double slope;
    *out = number_operand(0.0, false);
    if (a->is_value)
        return false;
    if (function == FG_SQRT) { /* there is a root of 0, but no derivative */
        out->number = sqrt(a->number);
        return a->number >= 0.0;
    }
    return fg_function(function, a->number, &out->number, &slope);
}

static bool absolute(fg_run *run, const fg_operand *a, fg_operand *out)
{
    if (a->is_value)
        return call_method(run, FG_ABS, a, out);
    *out = number_operand(fabs(a->number), a->is_int);
    return true;
}

static bool read_field(fg_run *run, bool is_grad, const fg_operand *a, fg_operand *out)
{
    if (a->is_value && a->node != FG_NONE) {
        const fg_node *node = fg_at(run->arena->nodes, a->node);
        *out = is_grad ? number_operand(node->grad, (node->flags & FG_GRAD_INT) != 0)
                       : number_operand(node->data, (node->flags & FG_DATA_INT) != 0);
        return true;
    }
    *out = number_operand(is_grad ? 0.0 : a->number, is_grad || a->is_int);
    return a->is_value && (!is_grad || run->rules->kind & fg_kind(0, 0, FG_GRAD_INT));
}

/* The larger or the smaller of two numbers. Of two that are equal, or of which one is nan, Python takes the first. */
static bool choose(const fg_operand *a, const fg_operand *b, bool is_max, fg_operand *out)
{
    *out = (is_max ? b->number > a->number : b->number < a->number) ? *b : *a;
    return !a->is_value && !b->is_value;
}

/* ---- Running ---- */

void fg_register_release(fg_arena *arena, const fg_register *reg, uint32_t n)
{
    if (reg->all <= FG_NUMBERS)
        return;
    for (uint32_t i = reg->step ? n : n > 0; i-- > 0;)
        if (reg->nodes[i] != FG_NONE)
            fg_node_release(arena, reg->nodes[i]);
}

static bool is_ascending(const fg_register *reg, uint32_t n)
{
    uint32_t n_wrong = reg->step != 1; /* counted to the end, in a loop that the compiler turns into vectors */
    for (uint32_t i = 1; i < n; i++)
        n_wrong += reg->nodes[i - 1] >= reg->nodes[i];
    return n_wrong == 0;
}

bool fg_registers_repeat(const fg_register *const *registers, uint32_t n_registers, uint32_t n)
{
    if (n_registers == 1 && is_ascending(registers[0], n)) /* as parameters mostly are, made one after the other */
        return false;
    enum { PLACES = 2 * FG_MOST_COMPARED }; /* of a hash table */
    fg_index seen[PLACES];
    for (uint32_t i = 0; i < PLACES; i++)
        seen[i] = FG_NONE;
    for (uint32_t k = 0; k < n_registers; k++) {
        for (uint32_t i = 0; i < (registers[k]->step ? n : 1); i++) {
            const fg_index node = registers[k]->nodes[i];
            uint32_t place = (node * 2654435761u) % PLACES;
            while (seen[place] != FG_NONE && seen[place] != node)
                place = (place + 1) % PLACES;
            if (seen[place] == node && node != FG_NONE)
                return true;
            seen[place] = node;
        }
    }
    return false;
}

/* data or grad of n Values. Mostly all are floats. */
static bool read_fields(fg_run *run, fg_field field, const fg_register *a, uint32_t n, fg_register *out)
{
    const uint16_t flag = field == FG_GRAD ? FG_GRAD_INT : FG_DATA_INT;
    const uint32_t n_read = a->step ? n : n > 0;
    if (a->all != FG_VALUES)
        return false;
    const uint16_t flags = fg_fields_read(run->arena, field, n_read, a->nodes, out->numbers);
    for (uint32_t i = n_read; i < n; i++)
        out->numbers[i] = out->numbers[0];
    out->all = FG_FLOATS;
    if (flags & flag) {
        out->all = FG_NUMBERS;
        for (uint32_t i = 0; i < n; i++) {
            out->nodes[i] = FG_NONE;
            out->kinds[i] = fg_at(run->arena->nodes, a->nodes[i * a->step])->flags & flag ? FG_IS_INT : 0;
        }
    }
    return true;
}

void fg_register_assign(fg_arena *arena, const fg_register *values, bool is_grad, const fg_register *numbers,
                        uint32_t n)
{
    const fg_field field = is_grad ? FG_GRAD : FG_DATA;
    const fg_index *const indices = values->nodes;
    if (!numbers->step) {
        const fg_operand number = fg_register_get(numbers, 0);
        fg_fields_fill(arena, field, n, indices, number.number, number.is_int);
        return;
    }
    fg_fields_write(arena, field, n, indices, numbers->numbers);
    for (uint32_t i = 0; i < n && numbers->all != FG_FLOATS; i++) /* some may be ints */
        if (numbers->kinds[i] & FG_IS_INT)
            fg_at(arena->nodes, indices[i])->flags |= is_grad ? FG_GRAD_INT : FG_DATA_INT;
}

/* Do for n elements what C's own operators on floats do. by_x and by_y are the registers' steps. The function is
 * compiled for each pair of them, which lets the compiler use vectors. n_zeros: set to how many were divided by 0. */
FG_BODY void calculate_by(uint8_t what, const double *restrict x, const uint32_t by_x, const double *restrict y,
                          const uint32_t by_y, uint32_t n, double *restrict out, uint32_t *n_zeros)
{
    uint64_t zeros = 0;
    switch (what) {
    case FG_DO_ADD:
        for (uint32_t i = 0; i < n; i++)
            out[i] = x[i * by_x] + y[i * by_y];
        break;
    case FG_DO_SUBTRACT:
        for (uint32_t i = 0; i < n; i++)
            out[i] = x[i * by_x] - y[i * by_y];
        break;
    case FG_DO_MULTIPLY:
        for (uint32_t i = 0; i < n; i++)
            out[i] = x[i * by_x] * y[i * by_y];
        break;
    case FG_DO_DIVIDE:
        for (uint32_t i = 0; i < n; i++)
            out[i] = x[i * by_x] / y[i * by_y];
        for (uint32_t i = 0; i < (by_y ? n : 1); i++)
            zeros += y[i] == 0.0;
        break;
    case FG_DO_NEGATE:
        for (uint32_t i = 0; i < n; i++)
            out[i] = -x[i * by_x];
        break;
    }
    *n_zeros = (uint32_t)zeros;
}

FG_BODY void calculate_all_of_any(uint8_t what, const double *x, uint32_t by_x, const double *y, uint32_t by_y,
                                  uint32_t n, double *out, uint32_t *n_zeros)
{
    if (!by_x)
        calculate_by(what, x, 0, y, 1, n, out, n_zeros); /* n is 1 if by_y is 0 as well */
    else if (by_y)
        calculate_by(what, x, 1, y, 1, n, out, n_zeros);
    else
        calculate_by(what, x, 1, y, 0, n, out, n_zeros);
}

FG_TWICE(calculate_all, (uint8_t what, const double *x, uint32_t by_x, const double *y, uint32_t by_y, uint32_t n,
                         double *out, uint32_t *n_zeros),
         (what, x, by_x, y, by_y, n, out, n_zeros))

/* The same if all operands are numbers, and those of one register floats. Then the results are floats: Python makes a
 * float of an int beside one. False if that isn't so, for another operation, or if Python would raise. */
static bool calculate(uint8_t what, const fg_register *a, const fg_register *b, uint32_t n, double *out)
{
    uint32_t n_zeros;
    if (a->all > FG_NUMBERS || b->all > FG_NUMBERS || (a->all == FG_NUMBERS && b->all == FG_NUMBERS)
        || (what > FG_DO_DIVIDE && what != FG_DO_NEGATE))
        return false;
    calculate_all(what, a->numbers, a->step, b->numbers, b->step, n, out, &n_zeros);
    return n_zeros == 0;
}

/* Copy which numbers are ints: a gradient that nothing has been added to is 0. False if some int's square is large. */
static bool are_ints_small(const fg_register *x, uint32_t n, fg_register *out)
{
    for (uint32_t i = 0; i < n; i++) {
        out->nodes[i] = FG_NONE;
        out->kinds[i] = x->kinds[i];
        if (x->kinds[i] & FG_IS_INT && x->numbers[i] * x->numbers[i] > FG_EXACT)
            return false;
    }
    return true;
}

/* Squares and roots of numbers, since optimisers take them. False if Python has to compute one. */
static bool calculate_power(const fg_register *x, const fg_register *n_register, uint32_t n, fg_register *result)
{
    const double exponent = n_register->numbers[0], *const numbers = x->numbers;
    double *const out = result->numbers;
    if (x->all > FG_NUMBERS || n_register->step || n_register->all > FG_NUMBERS)
        return false;
    if (x->all == FG_NUMBERS) { /* an int to the power of the int 2 is an int */
        if (exponent != 2.0 || !fg_register_get(n_register, 0).is_int || !are_ints_small(x, n, result))
            return false;
        result->all = FG_NUMBERS;
    }
    /* n is 1 if the register has one number for all */
    return exponent == 2.0 ? fg_squares(numbers, n, out) : exponent == 0.5 && fg_roots(numbers, n, out);
}

/* ---- Usual cases ----
 *
 * What the operators and methods above do, for Values of floats, in loops that write the nodes' fields. Any operation
 * is right without such a loop; these are the ones that scripts do most. */

/* Whether a register's operands are Values of floats, or all have the same float, which isn't a Value. */
static bool is_usual_second(const fg_register *reg)
{
    return reg->all == FG_VALUES || (reg->all == FG_FLOATS && !reg->step);
}

/* The usual case of sums and products: Values of floats, and a second operand as above. False after n_done elements. */
static bool usual_binary(fg_run *run, bool is_product, double factor, const fg_register *a, const fg_register *b,
                         uint32_t n, uint32_t *n_done, fg_register *out)
{
    fg_arena *const arena = run->arena;
    const uint32_t kind = run->rules->kind
                          | (is_product ? fg_kind(FG_MUL, FG_BINARY, 0)
                                        : fg_kind(FG_ADD, FG_BINARY, FG_LOCAL0_INT | FG_LOCAL1_INT));
    const uint32_t leaf_kind = run->rules->kind | fg_kind(FG_LEAF, FG_NULLARY, 0);
    const bool has_leaf = b->all == FG_FLOATS;
    out->all = FG_VALUES;
    for (uint32_t i = 0; i < n; *n_done = ++i) {
        const uint32_t at = i * b->step;
        const double x = a->numbers[i * a->step], y = has_leaf ? factor * b->numbers[at] : b->numbers[at];
        const double data = is_product ? x * y : x + y;
        fg_index first = a->nodes[i * a->step], second, index;
        second = has_leaf ? fg_node_new(arena) : b->nodes[at];
        if (second == FG_NONE)
            return false;
        if (has_leaf)
            fg_node_init(fg_at(arena->nodes, second), leaf_kind, FG_PASSED_OVER, y);
        index = fg_node_new(arena);
        if (index == FG_NONE) {
            if (has_leaf)
                fg_node_release(arena, second);
            return false;
        }
        fg_node *node = fg_at(arena->nodes, index);
        fg_node_init(node, kind, 0, data);
        node->child[0] = first;
        node->child[1] = second;
        node->local0 = is_product ? y : 1.0;
        node->local1 = is_product ? x : 1.0;
        fg_node_retain(arena, first);
        if (!has_leaf) /* else the only reference to it is the node's */
            fg_node_retain(arena, second);
        out->numbers[i] = data;
        out->nodes[i] = index;
    }
    return true;
}

/* The usual case of `v / c`, Values of floats over one float: products with c ** -1. */
static bool usual_divide_by_number(fg_run *run, const fg_register *a, const fg_register *b, uint32_t n,
                                   uint32_t *n_done, fg_register *out)
{
    const fg_operand number = number_operand(b->numbers[0], false);
    fg_operand inverse;
    if (!power(run, &number, &minus_one, &inverse))
        return false;
    const fg_register one = {.numbers = &inverse.number, .all = FG_FLOATS};
    return usual_binary(run, true, 1.0, a, &one, n, n_done, out);
}

/* The usual case of `v / c`, Values of floats over one of them: products, each with a node of its own for c ** -1. */
static bool usual_divide(fg_run *run, const fg_register *a, const fg_register *b, uint32_t n, uint32_t *n_done,
                         fg_register *out)
{
    fg_arena *const arena = run->arena;
    const fg_operand number = number_operand(b->numbers[0], false);
    fg_operand y, slope = number_operand(NAN, false);
    out->all = FG_VALUES;
    if (!power(run, &number, &minus_one, &y))
        return false;
    if (!(run->rules->kind & fg_kind(0, 0, FG_DEFERRED)) && !power_slope(run, &number, &minus_one, &slope))
        return false;
    for (uint32_t i = 0; i < n; *n_done = ++i) {
        const fg_index first = a->nodes[i * a->step], inverse = fg_node_new(arena);
        const double x = a->numbers[i * a->step];
        if (inverse == FG_NONE)
            return false;
        fg_node *node = fg_at(arena->nodes, inverse);
        fg_node_init(node, run->rules->kind | fg_kind(FG_POW_CONST, FG_UNARY, FG_LOCAL1_INT), 0, y.number);
        node->child[0] = b->nodes[0];
        node->local0 = slope.number;
        node->local1 = minus_one.number;
        fg_node_retain(arena, b->nodes[0]);
        const fg_index index = fg_node_new(arena);
        if (index == FG_NONE) {
            fg_node_release(arena, inverse);
            return false;
        }
        node = fg_at(arena->nodes, index);
        fg_node_init(node, run->rules->kind | fg_kind(FG_MUL, FG_BINARY, 0), 0, x * y.number);
        node->child[0] = first;
        node->child[1] = inverse; /* the only reference to it */
        node->local0 = y.number;
        node->local1 = x;
        fg_node_retain(arena, first);
        out->numbers[i] = node->data;
        out->nodes[i] = index;
    }
    return true;
}

/* The usual case of a method: of Values of floats. */
static bool usual_method(fg_run *run, uint8_t function, const fg_register *a, uint32_t n, uint32_t *n_done,
                         fg_register *out)
{
    fg_arena *const arena = run->arena;
    const bool is_relu = function == FG_RELU, is_micrograds = run->rules->micrograd_relu;
    const uint16_t flags = is_relu && is_micrograds ? FG_LOCAL0_INT : 0;
    const uint32_t kind = run->rules->kind | fg_kind(function, FG_UNARY, flags);
    out->all = is_relu ? FG_MIXED : FG_VALUES; /* relu's 0 is an int */
    for (uint32_t i = 0; i < n; *n_done = ++i) {
        const fg_index child = a->nodes[i * a->step];
        const double x = a->numbers[i * a->step];
        double y, slope = x > 0.0;
        bool is_int = false;
        if (is_relu)
            y = fg_relu(x, &is_int, is_micrograds);
        else if (!function_of(run, function, x, &y, &slope))
            return false;
        const fg_index index = fg_node_new(arena);
        if (index == FG_NONE)
            return false;
        fg_node *node = fg_at(arena->nodes, index);
        is_int &= !run->rules->float_data;
        fg_node_init(node, kind | fg_kind(0, 0, is_int ? FG_DATA_INT : 0), 0, y);
        node->child[0] = child;
        node->local0 = slope;
        node->local1 = 0.0;
        fg_node_retain(arena, child);
        out->numbers[i] = y;
        out->nodes[i] = index;
        out->kinds[i] = FG_IS_VALUE | (is_int ? FG_IS_INT : 0);
    }
    return true;
}

/* ---- Instructions ---- */

/* Run one instruction for n elements. False after n_done elements, whose results are still there. */
static bool run_instruction(fg_run *run, const fg_instruction *code, fg_register *registers, uint32_t n,
                            uint32_t *n_done)
{
    const fg_register *const a = &registers[code->a], *const b = &registers[code->b];
    fg_register *const out = &registers[code->result];
    *n_done = 0;
    out->all = FG_FLOATS;
    if (calculate(code->what, a, b, n, out->numbers)
        || (code->what == FG_DO_POWER && calculate_power(a, b, n, out)))
        return true;
    if (run->rules->records && a->all == FG_VALUES && code->what == FG_DO_METHOD && code->function != FG_ABS)
        return usual_method(run, code->function, a, n, n_done, out);
    if (run->rules->records && a->all == FG_VALUES && is_usual_second(b)) {
        if (code->what == FG_DO_MULTIPLY)
            return usual_binary(run, true, 1.0, a, b, n, n_done, out);
        if (code->what == FG_DO_ADD || (code->what == FG_DO_SUBTRACT && b->all == FG_FLOATS))
            return usual_binary(run, false, code->what == FG_DO_ADD ? 1.0 : -1.0, a, b, n, n_done, out);
        if (code->what == FG_DO_DIVIDE && !b->step)
            return b->all == FG_FLOATS ? usual_divide_by_number(run, a, b, n, n_done, out)
                                       : usual_divide(run, a, b, n, n_done, out);
    }
    out->all = FG_MIXED;
    if ((code->what == FG_DO_DATA && read_fields(run, FG_DATA, a, n, out))
        || (code->what == FG_DO_GRAD && read_fields(run, FG_GRAD, a, n, out)))
        return true;

/* Compiled into a loop for each operation, so that the compiler sees what an operation does with its operands. */
#define FOR_EACH(operation)                                                                                            \
    for (uint32_t i = 0; i < n; *n_done = ++i) {                                                                       \
        const fg_operand x = fg_register_get(a, i), y = fg_register_get(b, i);                                         \
        fg_operand z;                                                                                                  \
        (void)y;                                                                                                       \
        if (!(operation))                                                                                              \
            return false;                                                                                              \
        fg_register_set(out, i, z);                                                                                    \
    }                                                                                                                  \
    return true

    switch (code->what) {
    case FG_DO_ADD:
        FOR_EACH(add(run, &x, &y, &z));
    case FG_DO_SUBTRACT:
        FOR_EACH(subtract(run, &x, &y, &z));
    case FG_DO_MULTIPLY:
        FOR_EACH(multiply(run, &x, &y, &z));
    case FG_DO_DIVIDE:
        FOR_EACH(divide(run, &x, &y, &z));
    case FG_DO_POWER:
        FOR_EACH(raise_to(run, &x, &y, &z));
    case FG_DO_NEGATE:
        FOR_EACH(negate(run, &x, &z));
    case FG_DO_DATA:
    case FG_DO_GRAD:
        FOR_EACH(read_field(run, code->what == FG_DO_GRAD, &x, &z));
    case FG_DO_METHOD:
        FOR_EACH(call_method(run, code->function, &x, &z));
    case FG_DO_MATH:
        FOR_EACH(call_math(code->function, &x, &z));
    case FG_DO_ABS:
        FOR_EACH(absolute(run, &x, &z));
    case FG_DO_MAX:
    case FG_DO_MIN:
        FOR_EACH(choose(&x, &y, code->what == FG_DO_MAX, &z));
    default:
        return false;
    }
#undef FOR_EACH
}

static bool is_one_number(const fg_register *reg)
{
    return !reg->step && !fg_register_get(reg, 0).is_value;
}

fg_status fg_program_run(fg_arena *arena, const fg_rules *rules, const fg_instruction *code, uint32_t n_code,
                         fg_register *registers, uint32_t n)
{
    fg_run run = {.arena = arena, .rules = rules, .base = {NAN, NAN}};
    uint32_t n_done;
    for (uint32_t k = 0; k < n_code; k++) {
        fg_register *result = &registers[code[k].result];
        /* A number is the same for all elements, but each element has nodes of its own. */
        const bool is_one = n > 0 && is_one_number(&registers[code[k].a]) && is_one_number(&registers[code[k].b]);
        result->step = !is_one;
        if (run_instruction(&run, &code[k], registers, is_one ? 1 : n, &n_done)) {
            fg_register_note(result, is_one ? 1 : n);
            continue;
        }
        fg_register_release(arena, result, n_done);
        while (k-- > 0)
            fg_register_release(arena, &registers[code[k].result], n);
        return FG_UNFIT;
    }
    return FG_OK;
}

/* ---- Sums ---- */

/* Whether an operand's number is an int in its node, or in the leaf that stands for it if it's a constant. */
static bool is_int_in_node(const fg_rules *rules, const fg_operand *operand)
{
    return operand->is_int && (operand->is_value || !rules->float_data);
}

fg_column *fg_register_column(fg_arena *arena, const fg_rules *rules, const fg_register *reg, uint32_t n)
{
    bool has_ints = false;
    for (uint32_t i = 0; i < n && reg->all != FG_FLOATS && reg->all != FG_VALUES; i++) {
        const fg_operand operand = fg_register_get(reg, i);
        has_ints |= is_int_in_node(rules, &operand);
    }
    fg_column *column = fg_column_new(arena, n, has_ints);
    if (!column)
        return NULL;
    for (uint32_t i = 0; i < n; i++) {
        const fg_operand operand = fg_register_get(reg, i);
        fg_column_nodes(column)[i] = operand.node;
        column->numbers[i] = operand.number;
        if (has_ints)
            fg_column_kinds(column)[i] = is_int_in_node(rules, &operand);
    }
    if (fg_column_take(arena, column) == FG_OK)
        return column;
    fg_column_discard(arena, column);
    return NULL;
}

bool fg_program_terms(const fg_rules *rules, fg_column *u, fg_column *v, const fg_operand *start, fg_terms *terms)
{
    *terms = (fg_terms){u, v, start->node, start->number, is_int_in_node(rules, start)};
    if ((v && v->n != u->n) || !fg_terms_fit(terms, rules->kind))
        return false;
    const fg_column *last = terms->v ? terms->v : terms->u;
    return !(last->n_constants > 0 && rules->lacks[terms->v ? MULTIPLY : ADD])
           && !(start->node == FG_NONE && rules->lacks[ADD]);
}

static bool fused_sum(fg_run *run, const fg_register *a, const fg_register *b, const fg_operand *start, uint32_t n,
                      fg_operand *result)
{
    fg_column *u = fg_register_column(run->arena, run->rules, a, n);
    fg_column *v = b && u ? fg_register_column(run->arena, run->rules, b, n) : NULL;
    fg_terms terms;
    const bool is_made = u && (v || !b) && fg_program_terms(run->rules, u, v, start, &terms)
                         && fg_sums_new(run->arena, &terms, 1, run->rules->kind, &result->node);
    if (v)
        fg_column_release(run->arena, v);
    if (u)
        fg_column_release(run->arena, u);
    if (!is_made)
        return false;
    *result = (fg_operand){fg_at(run->arena->nodes, result->node)->data, result->node, true, false};
    return true;
}

fg_status fg_program_sum(fg_arena *arena, const fg_rules *rules, const fg_register *a, const fg_register *b,
                         const fg_operand *start, uint32_t n, fg_operand *result)
{
    enum { FEWEST_TERMS = 2 };
    fg_run run = {.arena = arena, .rules = rules, .base = {NAN, NAN}};
    fg_operand total = *start, term, sum;
    if (rules->records && n >= FEWEST_TERMS && fused_sum(&run, a, b, start, n, result))
        return FG_OK;
    for (uint32_t i = 0; i < n; i++) {
        bool done = true;
        term = fg_register_get(a, i);
        if (b) {
            const fg_operand x = term, y = fg_register_get(b, i);
            done = multiply(&run, &x, &y, &term);
        }
        if (done) { /* two numbers: Python's sum adds them in its own way */
            done = (total.is_value || term.is_value) && add(&run, &total, &term, &sum);
            if (b)
                drop(&run, &term);
        }
        if (i > 0)
            drop(&run, &total);
        if (!done)
            return FG_UNFIT;
        total = sum;
    }
    *result = total;
    return FG_OK;
}
