# The C core's table of contents: what of csrc/ the engine uses. The headers say what each of these is.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "numbers.h":
    ctypedef bint fg_bool "bool"

    double FG_EXACT
    double fg_int_add(double a, double b, fg_bool *is_int)
    double fg_int_mul(double a, double b, fg_bool *is_int)

cdef extern from "arena.h":
    ctypedef uint32_t fg_index

    const bint FG_TESTING
    const fg_index FG_NONE
    const uint32_t FG_PASSED_OVER
    const uint32_t FG_SLAB
    const uint32_t FG_SLAB_STEP
    const uint32_t FG_MAX_NODES

    enum:   # fg_op
        FG_LEAF
        FG_CUSTOM
        FG_ADD
        FG_MUL
        FG_POW
        FG_POW_CONST
        FG_CONST_POW
        FG_EXP
        FG_LOG
        FG_RELU
        FG_TANH
        FG_SIGMOID
        FG_SQRT
        FG_SIN
        FG_COS
        FG_ABS
        FG_SINH
        FG_COSH
        FG_LOG1P
        FG_EXPM1
        FG_ERF
        FG_ATAN

    enum:   # fg_arity
        FG_BINARY
        FG_UNARY
        FG_NULLARY
        FG_WIDE
        FG_FUSED

    enum:   # fg_flag
        FG_DATA_INT
        FG_GRAD_INT
        FG_LOCAL0_INT
        FG_LOCAL1_INT
        FG_ATTACHED
        FG_CLOSURE
        FG_SEEN
        FG_PARKED
        FG_DEFERRED
        FG_CLASS_UNIT
        FG_CLASS

    ctypedef struct fg_sum      # fused.h

    ctypedef struct fg_node:
        double data
        double grad
        double local0, local1
        fg_index child[2]
        fg_sum *sum
        void *face
        uint32_t refs
        uint8_t op
        uint8_t arity
        uint16_t flags
        uint32_t kind

    ctypedef struct fg_arena:
        fg_node *nodes
        fg_index next
        fg_index end
        uint32_t peak
        uint32_t slabs
        uint32_t holds
        uint32_t used_slabs
        uint32_t edits
        uint64_t handles_lost
        uint32_t n_fused
        uint64_t n_stood_for
        void (*on_cycle_candidate)(fg_index index) noexcept

    ctypedef enum fg_status:
        FG_OK
        FG_MORE
        FG_CALLERS
        FG_CHANGED
        FG_RAISED
        FG_UNFIT
        FG_INTS
        FG_NO_MEMORY
        FG_TOO_MANY

    fg_node *fg_at(const fg_node *nodes, fg_index index)
    uint32_t fg_arena_live(const fg_arena *arena)
    int FG_AHEAD
    void fg_prefetch(const void *address, int distance)

    void *fg_allocate(void *block, size_t size)
    void fg_fail_allocation(long n)

    void fg_arena_init(fg_arena *arena, void (*on_node_death)(fg_node *node) noexcept)
    size_t fg_arena_bytes(const fg_arena *arena)
    bint fg_arena_is_live(const fg_arena *arena, fg_index index)
    void fg_arena_hold(fg_arena *arena)
    void fg_arena_unhold(fg_arena *arena)
    fg_index fg_arena_live_from(const fg_arena *arena, fg_index index)
    const char *fg_arena_check(const fg_arena *arena)

    void fg_node_die(fg_arena *arena, fg_index index)
    bint fg_node_undo(fg_arena *arena, fg_index index)
    fg_index fg_node_take(fg_arena *arena)
    fg_index fg_node_new(fg_arena *arena)
    uint32_t fg_kind(uint8_t op, uint8_t arity, uint16_t flags)
    void fg_node_init(fg_node *node, uint32_t kind, uint32_t mark, double data)
    void fg_node_set_closure(fg_arena *arena, fg_node *node)
    void fg_node_note_assigned(fg_arena *arena, const fg_node *node)
    void fg_node_retain(fg_arena *arena, fg_index index)
    void fg_node_release(fg_arena *arena, fg_index index)
    fg_status fg_node_set_edges(fg_arena *arena, fg_index index, uint32_t n_children, const fg_index *children,
                                uint32_t n_locals, const double *locals, const uint8_t *is_int)
    uint32_t fg_node_n_children(const fg_node *node)
    fg_index fg_node_child(const fg_node *node, uint32_t i)
    uint32_t fg_node_n_locals(const fg_node *node)
    double fg_node_local(const fg_node *node, uint32_t i)
    bint fg_node_local_is_int(const fg_node *node, uint32_t i)

cdef extern from "fused.h":
    ctypedef struct fg_column:
        uint32_t refs
        uint32_t n
        const void **handles
        const void *handle_class
        fg_bool is_idle
        fg_bool has_ints
        double numbers[1]

    ctypedef struct fg_sum:
        fg_column *u
        fg_column *v
        fg_bool is_single

    fg_index *fg_column_nodes(const fg_column *column)
    uint8_t *fg_column_kinds(const fg_column *column)
    fg_column *fg_column_new(fg_arena *arena, uint32_t n, fg_bool has_ints)
    void fg_column_discard(fg_arena *arena, fg_column *column)
    fg_status fg_column_take(fg_arena *arena, fg_column *column)
    void fg_column_release(fg_arena *arena, fg_column *column)
    fg_column *fg_column_find(const fg_arena *arena, const void *key)
    bint fg_column_revive(fg_arena *arena, fg_column *column)
    fg_bool fg_column_has_handles(const fg_arena *arena, const fg_column *column)
    void fg_column_note_handles(fg_arena *arena, fg_column *column, const void *handle_class)
    void fg_column_note(fg_arena *arena, fg_column *column, const void *key)
    fg_bool fg_terms_fit(fg_terms *terms, uint32_t kind)
    ctypedef struct fg_terms:
        fg_column *u
        fg_column *v
        fg_index start
        double number
        fg_bool number_is_int
    fg_bool fg_sums_new(fg_arena *arena, fg_terms *sums, uint32_t n, uint32_t kind, fg_index *indices)
    fg_bool fg_sum_has(const fg_node *node, fg_index operand)

cdef extern from "functions.h":
    fg_bool fg_function(uint8_t op, double x, double *y, double *slope)
    fg_bool fg_power(double x, double n, double *y)
    double fg_relu(double x, fg_bool *is_int, fg_bool is_micrograds)

cdef extern from "exact_pow.h":
    double fg_tanh_slope_by_power(double y)

cdef extern from "program.h":
    ctypedef struct fg_operand:
        double number
        fg_index node
        fg_bool is_value
        fg_bool is_int
    ctypedef struct fg_register:
        double *numbers
        fg_index *nodes
        uint8_t *kinds
        uint32_t step
        uint8_t all
    enum:
        FG_FLOATS
        FG_NUMBERS
        FG_VALUES
        FG_MIXED
        FG_OPERAND_BYTES
    ctypedef struct fg_instruction:
        uint8_t what
        uint8_t function
        uint16_t result
        uint16_t a
        uint16_t b
    ctypedef struct fg_rules:
        uint32_t kind
        fg_bool records
        fg_bool float_data
        fg_bool micrograd_relu
        fg_bool tanh_by_power
        fg_bool lacks[4]

    enum:   # fg_do
        FG_DO_ADD
        FG_DO_SUBTRACT
        FG_DO_MULTIPLY
        FG_DO_DIVIDE
        FG_DO_POWER
        FG_DO_NEGATE
        FG_DO_DATA
        FG_DO_GRAD
        FG_DO_METHOD
        FG_DO_MATH
        FG_DO_ABS
        FG_DO_MAX
        FG_DO_MIN

    fg_register fg_register_in(void *room, uint32_t n)
    fg_operand fg_register_get(const fg_register *reg, uint32_t i)
    void fg_register_set(fg_register *reg, uint32_t i, fg_operand operand)
    void fg_register_note(fg_register *reg, uint32_t n)
    uint32_t FG_MOST_COMPARED
    fg_bool fg_registers_repeat(const fg_register **registers, uint32_t n_registers, uint32_t n)
    fg_status fg_program_run(fg_arena *arena, const fg_rules *rules, const fg_instruction *code, uint32_t n_code,
                             fg_register *registers, uint32_t n)
    void fg_register_release(fg_arena *arena, const fg_register *reg, uint32_t n)
    void fg_register_assign(fg_arena *arena, const fg_register *values, fg_bool is_grad,
                            const fg_register *numbers, uint32_t n)
    fg_status fg_program_sum(fg_arena *arena, const fg_rules *rules, const fg_register *a, const fg_register *b,
                             const fg_operand *start, uint32_t n, fg_operand *result)
    fg_column *fg_register_column(fg_arena *arena, const fg_rules *rules, const fg_register *reg, uint32_t n)
    fg_bool fg_program_row(const fg_rules *rules, fg_column *u, fg_column *v, fg_terms *terms)
    fg_bool fg_program_terms(const fg_rules *rules, fg_column *u, fg_column *v, const fg_operand *start,
                             fg_terms *terms)

cdef extern from "backward.h":
    ctypedef struct fg_walk:
        fg_index *order
        uint32_t n

    ctypedef enum fg_apart:
        FG_APART_IF_TOUCHED
        FG_APART_ALL
        FG_APART_NONE

    fg_status fg_walk_start(fg_arena *arena, fg_walk *walk, fg_index root, bint with_leaves, fg_apart apart)
    int FG_RESTARTS
    fg_status fg_walk_go_on(fg_arena *arena, fg_walk *walk, uint32_t budget)
    void fg_walk_end(fg_arena *arena, fg_walk *walk)
    void fg_walk_clear(fg_walk *walk)
    fg_status fg_sweep(fg_arena *arena, fg_walk *walk, uint32_t budget)
    fg_bool fg_take_apart(fg_arena *arena, fg_index index)
    bint fg_node_refresh(const fg_node *nodes, fg_node *node)
    void fg_node_pass_on(fg_arena *arena, fg_index index)
    uint32_t fg_walk_n_nodes(const fg_arena *arena, const fg_walk *walk)
    void fg_walk_zero(fg_arena *arena, const fg_walk *walk)

cdef extern from "derive.h":
    ctypedef struct fg_term:
        fg_index node
        double value
        fg_bool is_int
    ctypedef struct fg_line:
        uint8_t op
        uint8_t a
        uint8_t b
        fg_bool is_int
        double number
    ctypedef struct fg_formula:
        int what
        uint8_t result
        uint8_t n
        fg_line *lines
    ctypedef struct fg_derivation:
        const fg_formula *formulas
        uint32_t kind
        fg_bool (*ask)(uint8_t op, fg_term x, fg_term n, fg_term *y, fg_term *by_x) noexcept
        uint32_t edits
        uint32_t left
    ctypedef struct fg_number:
        double value
        fg_bool is_int
        fg_bool is_listed
    ctypedef struct fg_tally:
        pass
    enum:
        FG_FORMULA_ONE
        FG_FORMULA_STORED
        FG_FORMULA_REGISTER
        FG_FORMULAS
        FG_MOST_LINES

    fg_bool fg_derivation_start(fg_arena *arena, fg_derivation *derivation, const fg_walk *walk, uint32_t n_inputs,
                                const fg_index *inputs)
    fg_status fg_derivation_mark(fg_arena *arena, fg_derivation *derivation, uint32_t budget)
    fg_status fg_derivation_go_on(fg_arena *arena, fg_derivation *derivation, uint32_t budget)
    fg_status fg_derivation_pass_on(fg_arena *arena, fg_derivation *derivation, fg_index index)
    void fg_derivation_take_off(fg_arena *arena, fg_derivation *derivation)
    uint32_t fg_derivation_role(const fg_derivation *derivation, fg_index index)
    void fg_derivation_hand_over(fg_arena *arena, fg_derivation *derivation, fg_index *grads)
    fg_status fg_derivation_give(fg_arena *arena, fg_derivation *derivation, fg_index child, fg_term local,
                                 fg_index parent)
    void fg_derivation_end(fg_arena *arena, fg_derivation *derivation)
    fg_bool fg_tally_start(fg_arena *arena, fg_tally *tally, const fg_walk *walk, uint32_t n_inputs,
                           const fg_index *inputs)
    fg_status fg_tally_go_on(fg_arena *arena, fg_tally *tally, uint32_t budget)
    fg_number *fg_tally_at(const fg_tally *tally, fg_index index)
    void fg_tally_end(fg_arena *arena, fg_tally *tally)

cdef extern from "optim.h":
    ctypedef struct fg_sgd:
        double lr
        double momentum
        double dampening
        double weight_decay
        fg_bool nesterov
        fg_bool maximize
        fg_bool is_first
    ctypedef struct fg_adam:
        double lr
        double beta1
        double beta2
        double eps
        double weight_decay
        fg_bool decoupled
        fg_bool maximize
        double bias1
        double bias2
    ctypedef struct fg_rmsprop:
        double lr
        double alpha
        double eps
        double weight_decay
        double momentum
        fg_bool maximize

    void fg_grads_zero(fg_arena *arena, size_t n, const fg_index *params)
    void fg_grads_scale(fg_arena *arena, size_t n, const fg_index *params, double factor)
    void fg_grads_clamp(fg_arena *arena, size_t n, const fg_index *params, double limit)
    double fg_grads_norm(const fg_arena *arena, size_t n, const fg_index *params)
    void fg_sgd_step(fg_arena *arena, const fg_sgd *rule, size_t n, const fg_index *params, double *velocity)
    bint fg_adam_is_safe(const fg_arena *arena, const fg_adam *rule, size_t n, const fg_index *params, const double *v)
    void fg_adam_step(fg_arena *arena, const fg_adam *rule, size_t n, const fg_index *params, double *m, double *v,
                      double *largest)
    bint fg_rmsprop_is_safe(const fg_arena *arena, const fg_rmsprop *rule, size_t n, const fg_index *params,
                            const double *mean)
    void fg_rmsprop_step(fg_arena *arena, const fg_rmsprop *rule, size_t n, const fg_index *params, double *square,
                         double *mean, double *velocity)
