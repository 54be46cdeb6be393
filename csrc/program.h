/* Straight-line programs over columns of operands.
 *
 * The body of a loop over Values, `[(v - largest).exp() for v in values]`, is a list of instructions on registers. A
 * register has an operand for each element of the loop, or one for all. An operand is a node or a number. A program
 * makes the nodes that the interpreter would have made with the same operators: `v - largest` of a node and a number is
 * a sum of the node and a leaf, `a - b` of two nodes a sum of a and of b's product with -1, `a / b` a product of a and
 * b ** -1. It runs instruction by instruction, each for all elements of a portion.
 *
 * A program raises nothing and assigns nothing (its caller does, with fg_register_assign). Where Python might raise, or
 * where a number is unusual, it returns FG_UNFIT and has released what it has made. Then the caller lets the
 * interpreter run the loop.
 */
#ifndef FG_PROGRAM_H
#define FG_PROGRAM_H

#include "fused.h"

typedef struct {
    double number;
    fg_index node; /* FG_NONE for a number, and for a Value that is a result while operations don't record */
    bool is_value; /* it's a Value, not a number */
    bool is_int;   /* the number is an int in Python */
} fg_operand;

/* The operands of all elements, field by field. */
typedef struct {
    double *numbers;
    fg_index *nodes; /* not set if all are floats */
    uint8_t *kinds;  /* FG_IS_VALUE, FG_IS_INT; only set if `all` is FG_NUMBERS or FG_MIXED */
    uint32_t step;   /* from one element's operand to the next's: 1, or 0 if all have the same */
    uint8_t all;     /* what all operands are: */
} fg_register;

enum { FG_IS_VALUE = 1, FG_IS_INT = 2 };
enum { FG_FLOATS, FG_NUMBERS /* floats and ints */, FG_VALUES /* with nodes, of floats */, FG_MIXED };
enum { FG_OPERAND_BYTES = 16 }; /* of a register's room, for each operand */

/* A register in a block of FG_OPERAND_BYTES for each of n operands. */
static inline fg_register fg_register_in(void *room, uint32_t n)
{
    double *numbers = room;
    fg_index *nodes = (fg_index *)(numbers + n);
    return (fg_register){numbers, nodes, (uint8_t *)(nodes + n), 1, FG_MIXED};
}

static inline fg_operand fg_register_get(const fg_register *reg, uint32_t i)
{
    const uint32_t at = i * reg->step;
    if (reg->all == FG_FLOATS)
        return (fg_operand){reg->numbers[at], FG_NONE, false, false};
    if (reg->all == FG_VALUES)
        return (fg_operand){reg->numbers[at], reg->nodes[at], true, false};
    return (fg_operand){reg->numbers[at], reg->nodes[at], (reg->kinds[at] & FG_IS_VALUE) != 0,
                        (reg->kinds[at] & FG_IS_INT) != 0};
}

/* Set operand i of a register that is FG_MIXED. */
static inline void fg_register_set(fg_register *reg, uint32_t i, fg_operand operand)
{
    reg->numbers[i] = operand.number;
    reg->nodes[i] = operand.node;
    reg->kinds[i] = (operand.is_value ? FG_IS_VALUE : 0) | (operand.is_int ? FG_IS_INT : 0);
}

/* Note what all n operands of a register are, now that they are set. */
static inline void fg_register_note(fg_register *reg, uint32_t n)
{
    uint8_t any = 0, every = UINT8_MAX;
    bool have_nodes = true;
    if (reg->all != FG_MIXED || n == 0)
        return;
    for (uint32_t i = 0; i < n; i++) {
        any |= reg->kinds[i];
        every &= reg->kinds[i];
        have_nodes &= reg->nodes[i] != FG_NONE;
    }
    if (!(any & FG_IS_VALUE))
        reg->all = any ? FG_NUMBERS : FG_FLOATS;
    else if (any == every && !(any & FG_IS_INT) && have_nodes)
        reg->all = FG_VALUES;
}

enum fg_do {
    FG_DO_ADD, /* the operators of Python, on Values and numbers */
    FG_DO_SUBTRACT,
    FG_DO_MULTIPLY,
    FG_DO_DIVIDE,
    FG_DO_POWER,
    FG_DO_NEGATE,
    FG_DO_DATA,   /* a Value's number */
    FG_DO_GRAD,   /* a Value's gradient */
    FG_DO_METHOD, /* a method of a Value: `function` of the instruction is the node's fg_op */
    FG_DO_MATH,   /* the same function of a number, from Python's module math */
    FG_DO_ABS,
    FG_DO_MAX, /* of two numbers */
    FG_DO_MIN,
};

typedef struct {
    uint8_t what;     /* an fg_do */
    uint8_t function; /* an fg_op */
    uint16_t result;  /* registers */
    uint16_t a, b;
} fg_instruction;

/* What the class of the Values says about operations: see Dialect in fastgrad/engine/state.pxi. */
typedef struct {
    uint32_t kind;        /* the flags of new nodes, as fg_kind makes them */
    bool records;         /* results have children; else they are leaves */
    bool float_data;      /* constants and results are floats */
    bool micrograd_relu;
    bool tanh_by_power;
    bool lacks[4];        /* the reflected operators that it doesn't have: + * - / */
} fg_rules;

/* Whether registers have a node twice among their first n elements. A register that has the same operand for all
 * elements counts it once. n_registers * n mustn't be larger than FG_MOST_COMPARED. */
enum { FG_MOST_COMPARED = 1024 };
bool fg_registers_repeat(const fg_register *const *registers, uint32_t n_registers, uint32_t n);

/* Run a program for the elements 0, ..., n - 1. The results' registers must have room for n operands. Each node in a
 * result has one reference, which is the caller's. FG_UNFIT or FG_NO_MEMORY: there is none. */
fg_status fg_program_run(fg_arena *arena, const fg_rules *rules, const fg_instruction *code, uint32_t n_code,
                         fg_register *registers, uint32_t n);

/* Drop the references to the nodes of a register's first n elements. */
void fg_register_release(fg_arena *arena, const fg_register *reg, uint32_t n);

/* Assign n numbers to the data or grad of Values with nodes. All numbers may be the same; all Values only if n is 1. */
void fg_register_assign(fg_arena *arena, const fg_register *values, bool is_grad, const fg_register *numbers,
                        uint32_t n);

/* The sum of start and n products of two registers' operands, or of n operands if b is NULL: as a fused sum if that can
 * be, else as scalar nodes. The result is like that of a program. */
fg_status fg_program_sum(fg_arena *arena, const fg_rules *rules, const fg_register *a, const fg_register *b,
                         const fg_operand *start, uint32_t n, fg_operand *result);

/* A column of a register's operands, or NULL. */
fg_column *fg_register_column(fg_arena *arena, const fg_rules *rules, const fg_register *reg, uint32_t n);

/* What a fused sum of two columns is made of, or of one if v is NULL. False if they don't fit. */
bool fg_program_terms(const fg_rules *rules, fg_column *u, fg_column *v, const fg_operand *start, fg_terms *terms);

/* The same of two columns and the start 0, mostly in short: there are neither constants nor ints. */
static inline bool fg_program_row(const fg_rules *rules, fg_column *u, fg_column *v, fg_terms *terms)
{
    const fg_operand zero = {.node = FG_NONE, .is_int = true};
    if (u->n != v->n || (u->n_constants | v->n_constants) || u->has_ints || v->has_ints || rules->lacks[0])
        return fg_program_terms(rules, u, v, &zero, terms);
    *terms = (fg_terms){u, v, FG_NONE, 0.0, !rules->float_data};
    return true;
}

#endif
