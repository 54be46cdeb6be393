/* A program's promise: it makes the nodes that the interpreter would have made, to the last bit, or nothing at all.
 *
 * Random programs run on random operands, and the same operations are made by hand, one element after the other. The
 * two results are compared as graphs. So are sums, which are taken apart for that if they're fused.
 *
 * An argument is the number of random programs. The first ones are always the same. */
#include "check.h"
#include "functions.h"
#include "numbers.h"
#include "program.h"

#include <math.h>
#include <string.h>

__extension__ typedef __int128 wide;

enum { ADD, MULTIPLY, SUBTRACT, DIVIDE }; /* places in rules.lacks */

static fg_arena arena;
static fg_rules rules;

static bool same_numbers(double x, double y)
{
    return (isnan(x) && isnan(y)) || (x == y && !signbit(x) == !signbit(y));
}

/* ---- The interpreter's operations, one at a time. False where Python might raise, or computes in its own way ---- */

static fg_operand number(double x)
{
    return (fg_operand){.number = x, .node = FG_NONE};
}

static fg_operand whole(double x)
{
    return (fg_operand){.number = x, .node = FG_NONE, .is_int = true};
}

static fg_operand value_of(fg_index node)
{
    const fg_node *at = fg_at(arena.nodes, node);
    return (fg_operand){.number = at->data, .node = node, .is_value = true, .is_int = (at->flags & FG_DATA_INT) != 0};
}

/* An int where Python has one that is at most 2**53, else a float. */
static fg_operand int_or_float(wide exact, double rounded)
{
    const wide most = (wide)1 << 53;
    return exact >= -most && exact <= most ? whole((double)(int64_t)exact) : number(rounded);
}

static fg_operand plus_of(fg_operand a, fg_operand b)
{
    return a.is_int && b.is_int ? int_or_float((wide)a.number + (wide)b.number, a.number + b.number)
                                : number(a.number + b.number);
}

static fg_operand minus_of(fg_operand a, fg_operand b)
{
    return a.is_int && b.is_int ? int_or_float((wide)a.number - (wide)b.number, a.number - b.number)
                                : number(a.number - b.number);
}

static fg_operand times_of(fg_operand a, fg_operand b)
{
    return a.is_int && b.is_int ? int_or_float((wide)a.number * (wide)b.number, a.number * b.number)
                                : number(a.number * b.number);
}

/* The Value of a new node. Children are operands; NULL if there's none. by_b of a node with one child: its constant. */
static fg_operand made(uint8_t op, fg_operand data, const fg_operand *a, const fg_operand *b, fg_operand by_a,
                       fg_operand by_b)
{
    const uint8_t arity = b ? FG_BINARY : a ? FG_UNARY : FG_NULLARY;
    data.is_value = true;
    data.is_int = data.is_int && !rules.float_data;
    data.node = FG_NONE;
    if (!rules.records)
        return data;
    data.node = fg_node_new(&arena);
    CHECK(data.node != FG_NONE);
    fg_node *node = fg_at(arena.nodes, data.node);
    uint16_t flags = (data.is_int ? FG_DATA_INT : 0) | (by_a.is_int ? FG_LOCAL0_INT : 0)
                     | (by_b.is_int ? FG_LOCAL1_INT : 0);
    fg_node_init(node, rules.kind | fg_kind(op, arity, flags), a ? 0 : FG_PASSED_OVER, data.number);
    node->local0 = by_a.number;
    node->local1 = by_b.number;
    if (a) {
        node->child[0] = a->node;
        fg_node_retain(&arena, a->node);
    }
    if (b) {
        node->child[1] = b->node;
        fg_node_retain(&arena, b->node);
    }
    return data;
}

static void drop(fg_operand operand)
{
    if (operand.node != FG_NONE)
        fg_node_release(&arena, operand.node);
}

static fg_operand constant(fg_operand x)
{
    return made(FG_LEAF, x, NULL, NULL, number(0.0), number(0.0));
}

static bool plus_or_times(bool is_product, fg_operand a, fg_operand b, fg_operand *out)
{
    if (!a.is_value && !b.is_value) {
        *out = is_product ? times_of(a, b) : plus_of(a, b);
        return !(a.is_int && b.is_int) || out->is_int;
    }
    if (!a.is_value && rules.lacks[is_product ? MULTIPLY : ADD])
        return false;
    const fg_operand x = a.is_value ? a : b, y = a.is_value ? b : a;
    const fg_operand second = y.is_value ? y : constant(y);
    *out = is_product ? made(FG_MUL, times_of(x, second), &x, &second, second, x)
                      : made(FG_ADD, plus_of(x, second), &x, &second, whole(1.0), whole(1.0));
    if (!y.is_value)
        drop(second);
    return true;
}

static bool negated(fg_operand a, fg_operand *out)
{
    if (a.is_value)
        return plus_or_times(true, a, whole(-1.0), out);
    *out = a.is_int ? whole(a.number == 0.0 ? 0.0 : -a.number) : number(-a.number);
    return true;
}

static bool power_of_numbers(fg_operand x, fg_operand n, fg_operand *y)
{
    if (x.is_int && n.is_int && n.number >= 0.0) {
        wide exact = 1;
        for (int k = 0; k < n.number; k++) {
            exact *= (wide)x.number;
            if (k >= 64 || exact > (wide)1 << 53 || exact < -((wide)1 << 53))
                return false;
        }
        *y = whole((double)(int64_t)exact);
        return true;
    }
    *y = number(pow(x.number, n.number));
    if (x.number == 0.0)
        return n.number > 0.0 && n.number < INFINITY;
    if (n.number == 0.5 && x.number > 0.0)
        return true;
    return isfinite(n.number) && (x.number > 0.0 || n.number == floor(n.number)) && isfinite(y->number);
}

static bool power_of(fg_operand a, fg_operand n, fg_operand *out)
{
    fg_operand y, less, slope = number(NAN);
    if (n.is_value || !power_of_numbers(a, n, &y))
        return false;
    if (!a.is_value) {
        *out = y;
        return true;
    }
    if (rules.records && !(rules.kind & fg_kind(0, 0, FG_DEFERRED))) {
        if (n.number == 0.0)
            return false; /* 0 * x ** -1 */
        if (n.number == 1.0 && !a.is_int)
            less = number(1.0);
        else if (!power_of_numbers(a, n.is_int ? whole(n.number - 1.0) : number(n.number - 1.0), &less))
            return false;
        slope = times_of(n, less);
    }
    *out = made(FG_POW_CONST, y, &a, NULL, slope, n);
    return true;
}

static bool in_two_steps(bool is_quotient, fg_operand a, fg_operand b, fg_operand *out)
{
    fg_operand second;
    if (!a.is_value && !b.is_value) {
        *out = is_quotient ? number(a.number / b.number) : minus_of(a, b);
        return is_quotient ? b.number != 0.0 : !(a.is_int && b.is_int) || out->is_int;
    }
    if (!a.is_value && rules.lacks[is_quotient ? DIVIDE : SUBTRACT])
        return false;
    if (is_quotient ? !power_of(b, whole(-1.0), &second) : !negated(b, &second))
        return false;
    bool done = plus_or_times(is_quotient, a, second, out);
    drop(second);
    return done;
}

static bool method_of(uint8_t function, fg_operand a, fg_operand *out)
{
    const double x = a.number;
    double y, slope;
    if (!a.is_value)
        return false;
    if (function == FG_ABS) {
        *out = made(FG_ABS, a.is_int ? whole(fabs(x)) : number(fabs(x)), &a, NULL,
                    number(x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : 0.0), number(0.0));
        return true;
    }
    if (function == FG_RELU) {
        const fg_operand zero = whole(0.0), same = a.is_int ? whole(x) : number(x);
        const bool is_positive = x > 0.0, stays = rules.micrograd_relu ? !(x < 0.0) : is_positive;
        const fg_operand step = number(is_positive ? 1.0 : 0.0), int_step = whole(is_positive ? 1.0 : 0.0);
        *out = made(FG_RELU, stays ? same : zero, &a, NULL, rules.micrograd_relu ? int_step : step, number(0.0));
        return true;
    }
    if (!fg_function(function, x, &y, &slope))
        return false;
    if (function == FG_TANH && rules.tanh_by_power)
        slope = 1.0 - pow(y, (volatile double){2.0});
    *out = made(function, number(y), &a, NULL, number(slope), number(0.0));
    return true;
}

static bool math_of(uint8_t function, fg_operand a, fg_operand *out)
{
    double y, slope;
    if (a.is_value)
        return false;
    bool is_sure = fg_function(function, a.number, &y, &slope);
    if (function == FG_SQRT) {
        y = sqrt(a.number);
        is_sure = a.number >= 0.0;
    }
    *out = number(y);
    return is_sure;
}

static bool field_of(bool is_grad, fg_operand a, fg_operand *out)
{
    if (!a.is_value)
        return false;
    if (a.node == FG_NONE) { /* a result that isn't recorded: its gradient is that of a new Value */
        *out = is_grad ? whole(0.0) : a.is_int ? whole(a.number) : number(a.number);
        return !is_grad || (rules.kind & fg_kind(0, 0, FG_GRAD_INT)) != 0;
    }
    const fg_node *node = fg_at(arena.nodes, a.node);
    const double x = is_grad ? node->grad : node->data;
    *out = node->flags & (is_grad ? FG_GRAD_INT : FG_DATA_INT) ? whole(x) : number(x);
    return true;
}

static bool by_hand(const fg_instruction *code, fg_operand a, fg_operand b, fg_operand *out)
{
    switch (code->what) {
    case FG_DO_ADD: return plus_or_times(false, a, b, out);
    case FG_DO_SUBTRACT: return in_two_steps(false, a, b, out);
    case FG_DO_MULTIPLY: return plus_or_times(true, a, b, out);
    case FG_DO_DIVIDE: return in_two_steps(true, a, b, out);
    case FG_DO_POWER: return power_of(a, b, out);
    case FG_DO_NEGATE: return negated(a, out);
    case FG_DO_DATA: return field_of(false, a, out);
    case FG_DO_GRAD: return field_of(true, a, out);
    case FG_DO_METHOD: return method_of(code->function, a, out);
    case FG_DO_MATH: return math_of(code->function, a, out);
    case FG_DO_ABS:
        if (a.is_value)
            return method_of(FG_ABS, a, out);
        *out = a.is_int ? whole(fabs(a.number)) : number(fabs(a.number));
        return true;
    case FG_DO_MAX:
        *out = b.number > a.number ? b : a;
        return !a.is_value && !b.is_value;
    case FG_DO_MIN:
        *out = b.number < a.number ? b : a;
        return !a.is_value && !b.is_value;
    default: return false;
    }
}

/* ---- Comparing ---- */

enum { LEAVES = 30 };
static fg_index leaves[LEAVES]; /* operands from outside, which both results share */

static bool is_from_outside(fg_index index)
{
    for (int i = 0; i < LEAVES; i++)
        if (leaves[i] == index)
            return true;
    return false;
}

static bool same_nodes(fg_index a, fg_index b)
{
    const fg_node *x = fg_at(arena.nodes, a), *y = fg_at(arena.nodes, b);
    if (a == b || is_from_outside(a) || is_from_outside(b))
        return a == b && is_from_outside(a);
    if (x->kind != y->kind || x->refs != y->refs || !same_numbers(x->data, y->data)
        || (x->mark == FG_PASSED_OVER) != (y->mark == FG_PASSED_OVER))
        return false;
    if (x->arity == FG_NULLARY)
        return true;
    if (!same_numbers(x->local0, y->local0) || !same_numbers(x->local1, y->local1)
        || !same_nodes(x->child[0], y->child[0]))
        return false;
    return x->arity == FG_UNARY || same_nodes(x->child[1], y->child[1]);
}

static bool same(fg_operand a, fg_operand b)
{
    if (!same_numbers(a.number, b.number) || a.is_int != b.is_int || a.is_value != b.is_value
        || (a.node == FG_NONE) != (b.node == FG_NONE))
        return false;
    return a.node == FG_NONE || same_nodes(a.node, b.node);
}

/* ---- Operands ---- */

enum { MOST = 7, INPUTS = 4, STEPS = 5, REGISTERS = INPUTS + STEPS };

static char rooms[REGISTERS][MOST * FG_OPERAND_BYTES];
static fg_register registers[REGISTERS];

static double some_int(void)
{
    static const double ints[] = {0, 1, -1, 2, 3, -5, 10, 1 << 27, 94906267, FG_EXACT, 1 - FG_EXACT};
    return ints[below(below(4) ? 7 : sizeof ints / sizeof *ints)];
}

static double some_float(void)
{
    static const double odd[] = {0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e200, 1e-200, INFINITY, -INFINITY, NAN, 800.0};
    return below(12) ? ((double)below(1u << 30) - (1 << 28)) * 0x1p-28 : odd[below(sizeof odd / sizeof *odd)];
}

static void make_leaves(void)
{
    for (int i = 0; i < LEAVES; i++) {
        const bool is_int = i % 5 == 4;
        leaves[i] = leaf(&arena, is_int ? some_int() : some_float());
        CHECK(leaves[i] != FG_NONE);
        fg_node *node = fg_at(arena.nodes, leaves[i]);
        node->flags |= is_int ? FG_DATA_INT : 0;
        if (i % 3) {
            node->grad = some_float();
            node->flags &= (uint16_t)~FG_GRAD_INT;
        } else {
            node->grad = some_int();
        }
    }
}

static void drop_leaves(void)
{
    for (int i = 0; i < LEAVES; i++) {
        CHECK(fg_at(arena.nodes, leaves[i])->refs == 1);
        fg_node_release(&arena, leaves[i]);
    }
    CHECK(fg_arena_live(&arena) == 0);
}

enum { A_FLOAT, AN_INT, A_VALUE, AN_INT_S_VALUE, ANYTHING };

static fg_operand some_operand(uint32_t kind)
{
    switch (kind == ANYTHING ? below(ANYTHING) : kind) {
    case A_FLOAT: return number(some_float());
    case AN_INT: return whole(some_int());
    case A_VALUE: return value_of(leaves[below(LEAVES / 5) * 5 + below(4)]);
    default: return value_of(leaves[below(LEAVES / 5) * 5 + 4]);
    }
}

/* Fill a register with n operands, or one for all. mostly: the kind of most of them. */
static void fill(fg_register *out, void *room, uint32_t n, uint32_t mostly)
{
    *out = fg_register_in(room, MOST);
    out->step = below(3) > 0;
    for (uint32_t i = 0; i < (out->step ? n : 1); i++)
        fg_register_set(out, i, some_operand(below(30) ? mostly : ANYTHING));
    fg_register_note(out, out->step ? n : 1);
}

static void choose_rules(void)
{
    const bool is_micrograds = below(4) == 0;
    rules = (fg_rules){.kind = fg_kind(0, 0, (below(4) ? FG_GRAD_INT : 0) | (below(6) == 0 ? FG_DEFERRED : 0)),
                       .records = below(5) > 0, .float_data = below(4) == 0, .micrograd_relu = is_micrograds,
                       .tanh_by_power = below(3) == 0};
    for (int i = 0; i < 4; i++)
        rules.lacks[i] = below(12) == 0;
}

/* ---- Random programs ---- */

static void choose_instruction(fg_instruction *code, uint16_t result)
{
    static const uint8_t often[] = {FG_DO_ADD, FG_DO_SUBTRACT, FG_DO_MULTIPLY, FG_DO_DIVIDE, FG_DO_POWER, FG_DO_ADD,
                                    FG_DO_MULTIPLY};
    code->what = below(3) ? often[below(sizeof often)] : below(FG_DO_MIN + 1);
    code->function = FG_EXP + below(FG_ATAN - FG_EXP + 1);
    code->result = result;
    code->a = below(4) && result > INPUTS ? INPUTS + below(result - INPUTS) : below(result);
    code->b = below(result);
    if (code->what == FG_DO_POWER && below(4)) /* a register of numbers that are good exponents */
        code->b = INPUTS - 1;
    if (code->what >= FG_DO_NEGATE && code->what <= FG_DO_ABS)
        code->b = code->a;
}

static void test_random_programs(long count)
{
    static const double exponents[] = {2.0, 0.5, 3.0, -1.0, -0.5, 1.0, 0.0, 2.0};
    long n_ok = 0, n_of_what[FG_DO_MIN + 1] = {0};
    for (long k = 0; k < count; k++) {
        const uint32_t n = below(MOST + 1), n_code = 1 + below(STEPS);
        fg_instruction code[STEPS];
        fg_operand expected[REGISTERS][MOST];
        uint32_t live, n_made;
        bool is_fit = true;

        make_leaves();
        choose_rules();
        for (int i = 0; i < INPUTS; i++)
            fill(&registers[i], rooms[i], n, below(3) ? A_VALUE : below(ANYTHING + 1));
        if (n > 0 && below(4)) {
            const double exponent = exponents[below(8)];
            registers[INPUTS - 1] = fg_register_in(rooms[INPUTS - 1], MOST);
            registers[INPUTS - 1].step = 0;
            fg_register_set(&registers[INPUTS - 1], 0,
                            exponent == floor(exponent) && below(2) ? whole(exponent) : number(exponent));
            fg_register_note(&registers[INPUTS - 1], 1);
        }
        for (uint32_t i = 0; i < n_code; i++) {
            choose_instruction(&code[i], (uint16_t)(INPUTS + i));
            registers[INPUTS + i] = fg_register_in(rooms[INPUTS + i], MOST);
        }
        live = fg_arena_live(&arena);
        fg_status status = fg_program_run(&arena, &rules, code, n_code, registers, n);
        n_made = fg_arena_live(&arena) - live;

        for (uint32_t i = 0; i < INPUTS; i++)
            for (uint32_t j = 0; j < n; j++)
                expected[i][j] = fg_register_get(&registers[i], j);
        uint32_t step = 0, element = 0;
        for (; step < n_code; step++) {
            for (element = 0; element < n; element++)
                if (!by_hand(&code[step], expected[code[step].a][element], expected[code[step].b][element],
                             &expected[code[step].result][element]))
                    break;
            is_fit = element == n;
            if (!is_fit)
                break;
        }
        CHECK(is_fit == (status == FG_OK));
        if (is_fit) {
            CHECK(fg_arena_live(&arena) == live + 2 * n_made);
            for (uint32_t i = INPUTS; i < INPUTS + n_code; i++)
                for (uint32_t j = 0; j < n; j++)
                    CHECK(same(fg_register_get(&registers[i], j), expected[i][j]));
            for (uint32_t i = INPUTS; i < INPUTS + n_code; i++)
                fg_register_release(&arena, &registers[i], n);
            n_ok++;
            n_of_what[code[n_code - 1].what] += n > 0;
        } else {
            CHECK(n_made == 0);
        }
        for (uint32_t i = 0; i <= step && i < n_code; i++)
            for (uint32_t j = 0; j < (i == step ? element : n); j++)
                drop(expected[code[i].result][j]);
        CHECK(fg_arena_live(&arena) == live);
        if (k % 64 == 0)
            CHECK_ARENA(&arena);
        drop_leaves();
    }
    CHECK(n_ok > count / 4);
    for (int i = 0; i <= FG_DO_MIN; i++)
        CHECK(count < 10000 || n_of_what[i] > count / 1000);
}

/* ---- Random sums ---- */

static bool sum_by_hand(const fg_register *a, const fg_register *b, fg_operand total, uint32_t n, fg_operand *result)
{
    for (uint32_t i = 0; i < n; i++) {
        fg_operand term = fg_register_get(a, i), sum;
        bool done = !b || plus_or_times(true, term, fg_register_get(b, i), &term);
        if (done) {
            done = (total.is_value || term.is_value) && plus_or_times(false, total, term, &sum);
            if (b)
                drop(term);
        }
        if (i > 0)
            drop(total);
        if (!done)
            return false;
        total = sum;
    }
    *result = total;
    return true;
}

static bool has_int_nodes(const fg_register *reg, uint32_t n)
{
    bool has = false;
    for (uint32_t i = 0; i < n; i++) {
        const fg_operand x = fg_register_get(reg, i);
        has |= x.is_int && (x.is_value || !rules.float_data);
    }
    return has;
}

static uint32_t n_constants_of(const fg_register *reg, uint32_t n)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++)
        count += !fg_register_get(reg, i).is_value;
    return count;
}

/* Whether fg_program_sum is to make a fused sum: fused.h says what such a sum can be made of. */
static bool may_be_fused(const fg_register *a, const fg_register *b, fg_operand start, uint32_t n)
{
    if (!rules.records || n < 2 || (!start.is_value && rules.lacks[ADD]))
        return false;
    const uint32_t of_a = n_constants_of(a, n), of_b = b ? n_constants_of(b, n) : 0;
    const bool is_deferred = (rules.kind & fg_kind(0, 0, FG_DEFERRED)) != 0;
    if (of_a + of_b > 0 && (is_deferred || rules.lacks[b ? MULTIPLY : ADD]))
        return false;
    if (!b)
        return !has_int_nodes(a, n) && (start.is_value || fg_register_get(a, 0).is_value);
    if (has_int_nodes(a, n) && has_int_nodes(b, n))
        return false;
    return of_a == 0 || (of_a == n && of_b == 0);
}

static void test_random_sums(long count)
{
    long n_fused = 0, n_scalar = 0;
    for (long k = 0; k < count; k++) {
        const uint32_t n = 1 + below(MOST);
        const bool is_single = below(3) == 0;
        fg_register a, b;
        make_leaves();
        choose_rules();
        fill(&a, rooms[0], n, below(4) ? A_VALUE : below(ANYTHING));
        fill(&b, rooms[1], n, below(2) ? A_VALUE : below(ANYTHING));
        const fg_operand start = below(2) ? whole(0.0) : some_operand(ANYTHING);
        const fg_register *second = is_single ? NULL : &b;
        const uint32_t live = fg_arena_live(&arena);
        fg_operand result, expected;
        const fg_status status = fg_program_sum(&arena, &rules, &a, second, &start, n, &result);
        if (status != FG_OK)
            CHECK(fg_arena_live(&arena) == live);
        const bool is_fit = sum_by_hand(&a, second, start, n, &expected);
        CHECK(is_fit == (status == FG_OK));
        if (is_fit) {
            const bool is_fused = result.node != FG_NONE && fg_at(arena.nodes, result.node)->arity == FG_FUSED;
            CHECK(is_fused == may_be_fused(&a, second, start, n));
            if (is_fused)
                CHECK(fg_take_apart(&arena, result.node));
            n_fused += is_fused;
            n_scalar += !is_fused;
            CHECK(same(result, expected));
            drop(result);
            drop(expected);
        }
        CHECK(fg_arena_live(&arena) == live);
        if (k % 64 == 0)
            CHECK_ARENA(&arena);
        drop_leaves();
    }
    CHECK(n_fused > count / 10 && n_scalar > count / 10);
}

/* A column of a register has its operands, and a byte for each number if there are ints. */
static void test_columns(void)
{
    for (long k = 0; k < 2000; k++) {
        const uint32_t n = 1 + below(MOST);
        fg_register a;
        make_leaves();
        choose_rules();
        fill(&a, rooms[0], n, below(ANYTHING + 1));
        fg_column *column = fg_register_column(&arena, &rules, &a, n);
        CHECK(column && column->n == n && column->n_constants == n_constants_of(&a, n));
        CHECK(column->has_ints == has_int_nodes(&a, n));
        for (uint32_t i = 0; i < n; i++) {
            const fg_operand x = fg_register_get(&a, i);
            CHECK(fg_column_nodes(column)[i] == x.node && same_numbers(column->numbers[i], x.number));
            CHECK(fg_column_is_int(column, i) == (x.is_int && (x.is_value || !rules.float_data)));
        }
        fg_column_release(&arena, column);
        drop_leaves();
    }
}

/* Whether a node is there twice, found by comparing each with each. */
static void test_repeats(void)
{
    long n_repeats = 0;
    for (long k = 0; k < 20000; k++) {
        const uint32_t n_registers = 1 + below(3), n = 1 + below(MOST);
        const fg_register *some[3] = {&registers[0], &registers[1], &registers[2]};
        fg_index all[3 * MOST];
        uint32_t count = 0;
        bool repeats = false;
        for (uint32_t i = 0; i < n_registers; i++) {
            registers[i] = fg_register_in(rooms[i], MOST);
            registers[i].step = below(4) > 0;
            for (uint32_t j = 0; j < (registers[i].step ? n : 1); j++) {
                const fg_index node = below(20) ? 1 + below(k % 2 ? 1u << 20 : 64) : FG_NONE;
                registers[i].nodes[j] = node;
                for (uint32_t each = 0; each < count; each++)
                    repeats |= node != FG_NONE && all[each] == node;
                all[count++] = node;
            }
        }
        n_repeats += repeats;
        CHECK(fg_registers_repeat(some, n_registers, n) == repeats);
    }
    CHECK(n_repeats > 2000);

    /* indices that come to the same place of the hash table, one of them twice */
    static char room[FG_MOST_COMPARED * FG_OPERAND_BYTES];
    const fg_register *one = &registers[0];
    registers[0] = fg_register_in(room, FG_MOST_COMPARED);
    for (uint32_t i = 0; i < FG_MOST_COMPARED; i++)
        registers[0].nodes[i] = 1 + i * 2 * FG_MOST_COMPARED;
    CHECK(!fg_registers_repeat(&one, 1, FG_MOST_COMPARED));
    registers[0].nodes[FG_MOST_COMPARED - 1] = registers[0].nodes[500];
    CHECK(fg_registers_repeat(&one, 1, FG_MOST_COMPARED));
}

/* ---- Single cases, written out ---- */

static fg_operand run_one(uint8_t what, uint8_t function, fg_operand x, fg_operand y)
{
    const fg_instruction code = {what, function, 2, 0, 1};
    for (int i = 0; i < 3; i++)
        registers[i] = fg_register_in(rooms[i], MOST);
    fg_register_set(&registers[0], 0, x);
    fg_register_set(&registers[1], 0, y);
    for (int i = 0; i < 2; i++)
        fg_register_note(&registers[i], 1);
    CHECK(fg_program_run(&arena, &rules, &code, 1, registers, 1) == FG_OK);
    return fg_register_get(&registers[2], 0);
}

static const fg_node *child(const fg_node *node, int i)
{
    return fg_at(arena.nodes, node->child[i]);
}

static void test_single_cases(void)
{
    rules = (fg_rules){.kind = fg_kind(0, 0, FG_GRAD_INT), .records = true};
    const fg_operand three = value_of(leaf(&arena, 3.0)), two = value_of(leaf(&arena, 2.0));

    /* 7 - v is (v * -1) + 7 */
    fg_operand z = run_one(FG_DO_SUBTRACT, 0, whole(7.0), two);
    const fg_node *node = fg_at(arena.nodes, z.node), *negative = child(node, 0);
    CHECK(z.number == 5.0 && node->op == FG_ADD && negative->op == FG_MUL && negative->child[0] == two.node);
    CHECK(child(negative, 1)->data == -1.0 && child(negative, 1)->flags & FG_DATA_INT);
    CHECK(negative->flags & FG_LOCAL0_INT && !(negative->flags & FG_LOCAL1_INT));
    CHECK(child(node, 1)->data == 7.0 && child(node, 1)->flags & FG_DATA_INT);
    drop(z);

    /* v / w is v * w ** -1, whose derivative is -1 * w ** -2 */
    z = run_one(FG_DO_DIVIDE, 0, three, two);
    node = fg_at(arena.nodes, z.node);
    const fg_node *inverse = child(node, 1);
    CHECK(z.number == 1.5 && node->op == FG_MUL && node->child[0] == three.node && inverse->op == FG_POW_CONST);
    CHECK(inverse->data == 0.5 && inverse->local0 == -0.25 && inverse->local1 == -1.0);
    CHECK(!(inverse->flags & FG_LOCAL0_INT) && inverse->flags & FG_LOCAL1_INT);
    drop(z);

    /* 1 / 49 * 49 isn't 49 / 49 */
    const fg_operand of_49 = value_of(leaf(&arena, 49.0));
    z = run_one(FG_DO_DIVIDE, 0, number(49.0), of_49);
    CHECK(z.number == 49.0 * (1.0 / 49.0) && z.number != 1.0);
    drop(z);
    z = run_one(FG_DO_DIVIDE, 0, number(49.0), number(49.0));
    CHECK(z.number == 1.0 && !z.is_value && !z.is_int);

    /* max and min take the first of two that are equal, and of nan and a number */
    CHECK(run_one(FG_DO_MAX, 0, whole(1.0), number(1.0)).is_int);
    CHECK(!run_one(FG_DO_MIN, 0, number(1.0), whole(1.0)).is_int);
    CHECK(isnan(run_one(FG_DO_MAX, 0, number(NAN), number(1.0)).number));
    CHECK(run_one(FG_DO_MIN, 0, number(1.0), number(NAN)).number == 1.0);

    /* relu of something negative is the int 0 */
    const fg_operand minus = value_of(leaf(&arena, -2.0));
    z = run_one(FG_DO_METHOD, FG_RELU, minus, minus);
    CHECK(z.number == 0.0 && z.is_int && !(fg_at(arena.nodes, z.node)->flags & FG_LOCAL0_INT));
    drop(z);
    rules.micrograd_relu = true;
    z = run_one(FG_DO_METHOD, FG_RELU, three, three);
    CHECK(z.number == 3.0 && !z.is_int && fg_at(arena.nodes, z.node)->flags & FG_LOCAL0_INT);
    drop(z);

    drop(three), drop(two), drop(of_49), drop(minus);
    CHECK(fg_arena_live(&arena) == 0);
}

/* Two powers in turn, which a program remembers by whether the exponent is -1. */
static void test_powers_in_turn(void)
{
    static const double bases[] = {3.0, 3.0, 5.0, 3.0, 5.0, 5.0, 3.0};
    static const double exponents[] = {3.0, 2.5, 2.5, -1.0, -1.0, 3.0, 3.0};
    const fg_instruction code = {FG_DO_POWER, 0, 2, 0, 1};
    rules = (fg_rules){.kind = fg_kind(0, 0, FG_GRAD_INT), .records = true};
    for (int i = 0; i < 3; i++)
        registers[i] = fg_register_in(rooms[i], MOST);
    for (uint32_t i = 0; i < MOST; i++) {
        fg_register_set(&registers[0], i, number(bases[i]));
        fg_register_set(&registers[1], i, number(exponents[i]));
    }
    for (int i = 0; i < 2; i++)
        fg_register_note(&registers[i], MOST);
    CHECK(fg_program_run(&arena, &rules, &code, 1, registers, MOST) == FG_OK);
    for (uint32_t i = 0; i < MOST; i++)
        CHECK(fg_register_get(&registers[2], i).number == pow(bases[i], exponents[i]));
}

/* Floats and ints in the same registers. -0.0 - 0 is -0.0, though -0.0 + -0 isn't. */
static void test_numbers_of_both_kinds(void)
{
    const fg_operand a[] = {number(-0.0), whole(0.0), number(0.0), whole(3.0)};
    const fg_operand b[] = {whole(0.0), whole(0.0), number(-0.0), number(0.5)};
    for (int what = FG_DO_ADD; what <= FG_DO_MULTIPLY; what++) {
        const fg_instruction code = {(uint8_t)what, 0, 2, 0, 1};
        for (int i = 0; i < 3; i++)
            registers[i] = fg_register_in(rooms[i], MOST);
        for (uint32_t i = 0; i < 4; i++) {
            fg_register_set(&registers[0], i, a[i]);
            fg_register_set(&registers[1], i, b[i]);
        }
        for (int i = 0; i < 2; i++)
            fg_register_note(&registers[i], 4);
        CHECK(fg_program_run(&arena, &rules, &code, 1, registers, 4) == FG_OK);
        for (uint32_t i = 0; i < 4; i++) {
            const double x = a[i].number, y = b[i].number;
            const fg_operand z = fg_register_get(&registers[2], i);
            CHECK(same_numbers(z.number, what == FG_DO_ADD ? x + y : what == FG_DO_SUBTRACT ? x - y : x * y));
            CHECK(z.is_int == (a[i].is_int && b[i].is_int));
        }
    }
}

static void test_what_no_program_has(void)
{
    const fg_instruction code = {FG_DO_MIN + 1, 0, 2, 0, 1};
    rules = (fg_rules){.kind = fg_kind(0, 0, FG_GRAD_INT), .records = true};
    for (int i = 0; i < 3; i++)
        registers[i] = fg_register_in(rooms[i], MOST);
    fg_register_set(&registers[0], 0, number(1.0));
    fg_register_set(&registers[1], 0, number(1.0));
    CHECK(fg_program_run(&arena, &rules, &code, 1, registers, 1) == FG_UNFIT);
}

/* ---- Too little memory ---- */

enum { N = 3, N_CODE = 6 };

/* An arena with so many free slots and three operands. */
static void begin(uint32_t slots)
{
    fg_arena_init(&arena, NULL);
    rules = (fg_rules){.kind = fg_kind(0, 0, FG_GRAD_INT), .records = true};
    for (int i = 0; i < 2 + N_CODE; i++)
        registers[i] = fg_register_in(rooms[i], MOST);
    for (uint32_t i = 0; i < N; i++)
        fg_register_set(&registers[0], i, value_of(leaf(&arena, 0.5 + i)));
    registers[1].step = 0;
    fg_register_set(&registers[1], 0, number(2.0));
    fg_register_note(&registers[0], N);
    fg_register_note(&registers[1], 1);
    while (arena.used_slabs < arena.slabs || arena.end - arena.next > slots)
        CHECK(leaf(&arena, 1.0) != FG_NONE);
}

static void end(uint32_t live)
{
    fg_fail_allocation(0);
    CHECK_ARENA(&arena);
    CHECK(fg_arena_live(&arena) == live);
    for (fg_index index = 1; (index = fg_arena_live_from(&arena, index)) != FG_NONE;)
        fg_node_release(&arena, index);
    fg_arena_clear(&arena);
}

/* With every number of free slots and of allocations before the one that fails: nothing is left of the program, and it
 * can run again. A sum is made of scalar nodes if there's too little memory for a fused one. */
static void test_no_memory(void)
{
    static const fg_instruction code[N_CODE] = {
        {FG_DO_ADD, 0, 2, 0, 1}, {FG_DO_SUBTRACT, 0, 3, 2, 0}, {FG_DO_DIVIDE, 0, 4, 3, 2},
        {FG_DO_METHOD, FG_TANH, 5, 4, 4}, {FG_DO_POWER, 0, 6, 5, 1}, {FG_DO_MULTIPLY, 0, 7, 6, 1},
    };
    const fg_operand zero = whole(0.0);
    uint32_t n_failed = 0, n_sums = 0, n_scalar = 0;
    for (uint32_t slots = 0; slots < 40; slots += 1 + slots / 8)
        for (long fails = 1; fails < 5; fails++) {
            begin(slots);
            uint32_t live = fg_arena_live(&arena);
            fg_fail_allocation(fails);
            fg_status status = fg_program_run(&arena, &rules, code, N_CODE, registers, N);
            fg_fail_allocation(0);
            if (status != FG_OK) {
                n_failed++;
                CHECK_ARENA(&arena);
                CHECK(status == FG_UNFIT && fg_arena_live(&arena) == live);
                CHECK(fg_program_run(&arena, &rules, code, N_CODE, registers, N) == FG_OK);
            }
            for (int i = 2; i < 2 + N_CODE; i++)
                fg_register_release(&arena, &registers[i], N);
            end(live);

            for (int is_fused = 0; is_fused < 2; is_fused++) {
                fg_operand sum;
                begin(slots);
                rules.lacks[MULTIPLY] = !is_fused; /* then the columns don't fit: they have constants */
                live = fg_arena_live(&arena);
                fg_fail_allocation(fails);
                status = fg_program_sum(&arena, &rules, &registers[0], &registers[1], &zero, N, &sum);
                if (status == FG_OK) {
                    n_scalar += is_fused && fg_at(arena.nodes, sum.node)->arity != FG_FUSED;
                    CHECK(sum.number == 9.0);
                    drop(sum);
                }
                n_sums += status != FG_OK;
                end(live);
            }
        }
    CHECK(n_failed > 20 && n_sums > 5 && n_scalar > 20);
}

int main(int argc, char **argv)
{
    const long count = argc > 1 ? atol(argv[1]) : 20000;
    fg_arena_init(&arena, NULL);
    test_single_cases();
    test_powers_in_turn();
    test_numbers_of_both_kinds();
    test_what_no_program_has();
    test_random_programs(count);
    test_random_sums(count);
    test_columns();
    test_repeats();
    fg_arena_clear(&arena);
    test_no_memory();
    puts("program: passed");
    return 0;
}
