/* Making fused sums, passing their gradients on, and taking them apart. fused.h says what they are. */
#include "fused.h"

#include "fields.h"
#include "fours.h"
#include "gradients.h"

/* ---- Columns ---- */

static size_t column_bytes(uint32_t n, bool has_ints)
{
    return sizeof(fg_column) + n * (sizeof(double) + sizeof(fg_index) + has_ints);
}

/* A step of a training loop makes a thousand columns, most of them small, and the next step as many of the same sizes.
 * With a list for each size that takes a tenth of what malloc and free take. */
static fg_column *take_column(fg_arena *arena, uint32_t n, bool has_ints)
{
    if (n >= FG_SIZES || has_ints || !arena->free_columns[n])
        return fg_allocate(NULL, column_bytes(n, has_ints));
    fg_column *column = arena->free_columns[n];
    arena->free_columns[n] = column->next;
    fg_prefetch(column->next, 0);
    arena->free_bytes -= column_bytes(n, false);
    return column;
}

static void give_column(fg_arena *arena, fg_column *column)
{
    const size_t bytes = column_bytes(column->n, false);
    if (column->n >= FG_SIZES || column->has_ints || arena->free_bytes + bytes > FG_KEEP_FREE) {
        fg_allocate(column, 0);
        return;
    }
    column->next = arena->free_columns[column->n];
    arena->free_columns[column->n] = column;
    arena->free_bytes += bytes;
}

fg_column *fg_column_new(fg_arena *arena, uint32_t n, bool has_ints)
{
    fg_column *column = take_column(arena, n, has_ints);
    if (!column)
        return NULL;
    arena->edge_bytes += column_bytes(n, has_ints);
    column->refs = 1;
    column->n = n;
    column->n_constants = 0;
    column->epoch = 0;
    column->sweep = 0;
    column->assigned = arena->assigned;
    column->leaves_lost = UINT64_MAX;
    column->key = NULL;
    column->handles = NULL;
    column->has_running_grads = column->is_run = column->is_idle = false;
    column->has_ints = has_ints;
    return column;
}

/* Take a reference to each operand of a run, and its number. False if some number is an int, or if an operand may have
 * too many references: then nothing has changed. */
static bool take_run(fg_arena *arena, fg_column *column)
{
    fg_node *const first = fg_at(arena->nodes, fg_column_nodes(column)[0]);
    uint32_t refs;
    if (!(fg_run_take(first, column->n, column->numbers, &refs) & FG_DATA_INT) && refs <= FG_MAX_REFS)
        return true;
    (void)fg_run_drop(first, column->n); /* it drops them: each operand has another reference, its own */
    return false;
}

fg_status fg_column_take(fg_arena *arena, fg_column *column)
{
    fg_node *const nodes = arena->nodes;
    const fg_index *const operands = fg_column_nodes(column);
    const uint32_t n = column->n;
    uint32_t most = 0, others = 0;
    uint16_t flags = 0;
    for (uint32_t i = 0; i < n; i++)
        others |= operands[i] ^ (operands[0] + i);
    column->is_run = others == 0 && n > 0 && operands[0] != FG_NONE;
    if (column->is_run && !column->has_ints && take_run(arena, column))
        return FG_OK;
    for (uint32_t i = 0; i < n; i++) {
        fg_node *node = fg_at(nodes, operands[i]);
        if (operands[i] != FG_NONE)
            column->numbers[i] = node->data;
        else
            column->n_constants++;
        flags |= node->flags;
        if (++node->refs > most)
            most = node->refs;
    }
    const bool has_ints = (flags & FG_DATA_INT) != 0;
    if (most <= FG_MAX_REFS && (column->has_ints || !has_ints)) {
        for (uint32_t i = 0; i < n && column->has_ints; i++)
            if (operands[i] != FG_NONE)
                fg_column_kinds(column)[i] = (fg_at(nodes, operands[i])->flags & FG_DATA_INT) != 0;
        return FG_OK;
    }
    for (uint32_t i = 0; i < n; i++)
        fg_at(nodes, operands[i])->refs--;
    column->n_constants = 0;
    return most <= FG_MAX_REFS ? FG_INTS : FG_TOO_MANY;
}

/* The first of the 4 places that a key has in arena->columns. Lists that lie side by side in memory, as the rows of a
 * matrix do, have places side by side too. */
static uint32_t set_of(const void *key)
{
    const uint64_t line = (uint64_t)(uintptr_t)key / 64, n_sets = FG_COLUMNS / 4;
    return 4 * (uint32_t)((line + line / n_sets) % n_sets);
}

/* Whether sums have a column, and its numbers are still its operands' numbers. */
static bool is_current(const fg_arena *arena, const fg_column *column)
{
    return !column->is_idle && column->assigned == arena->assigned;
}

fg_column *fg_column_find(const fg_arena *arena, const void *key)
{
    const uint32_t first = set_of(key), next = (first + 4) % FG_COLUMNS;
    fg_column *idle = NULL;
    fg_prefetch(arena->columns[next].column, offsetof(fg_column, handles)); /* mostly the next row's */
    fg_prefetch(arena->columns[next + 1].column, offsetof(fg_column, handles));
    for (uint32_t i = first; i < first + 4; i++)
        if (arena->columns[i].key == key) {
            fg_column *column = arena->columns[i].column;
            if (column->is_idle)
                idle = column;
            else if (is_current(arena, column))
                return column;
        }
    return idle;
}

void fg_column_note(fg_arena *arena, fg_column *column, const void *key)
{
    const uint32_t first = set_of(key), none = first + 4;
    uint32_t same = none, vacant = none, old = none, idle = none;
    for (uint32_t i = none; i-- > first;) { /* so that the first place of a kind is what remains */
        fg_column *other = arena->columns[i].column;
        if (arena->columns[i].key == key && !other->handles)
            same = i;
        else if (!other)
            vacant = i;
        else if (other->is_idle)
            idle = i;
        else if (!is_current(arena, other))
            old = i;
    }
    const uint32_t place = same < none ? same : vacant < none ? vacant : old < none ? old : idle;
    if (place == none)
        return;
    fg_column *before = arena->columns[place].column;
    if (before && before->is_idle)
        fg_column_discard(arena, before);
    else if (before)
        before->key = NULL;
    column->place = place;
    arena->columns[place].key = column->key = key;
    arena->columns[place].column = column;
}

void fg_column_note_handles(fg_arena *arena, fg_column *column, const void *handle_class)
{
    const fg_index *const operands = fg_column_nodes(column);
    const uint32_t n = column->n;
    for (uint32_t i = 0; i < n; i++) {
        const fg_node *node = fg_at(arena->nodes, operands[i]);
        if (!fg_node_is_leaf_without(node, FG_ATTACHED) || !node->face)
            return;
    }
    column->handles = fg_allocate(NULL, n * sizeof *column->handles);
    if (!column->handles)
        return;
    arena->edge_bytes += n * sizeof *column->handles;
    column->handle_class = handle_class;
    column->leaves_lost = arena->leaves_lost;
    for (uint32_t i = 0; i < n; i++) {
        fg_node *node = fg_at(arena->nodes, operands[i]);
        node->flags |= FG_SEEN;
        column->handles[i] = node->face;
    }
}

/* The bytes of a column and of all that belongs to it. */
static size_t all_bytes(const fg_column *column)
{
    return column_bytes(column->n, column->has_ints)
           + (column->handles ? column->n * sizeof *column->handles : 0);
}

void fg_column_discard(fg_arena *arena, fg_column *column)
{
    if (column->key) {
        arena->columns[column->place].key = NULL;
        arena->columns[column->place].column = NULL;
    }
    *(column->is_idle ? &arena->idle_bytes : &arena->edge_bytes) -= all_bytes(column);
    if (column->handles)
        fg_allocate(column->handles, 0);
    give_column(arena, column);
}

void fg_column_end(fg_arena *arena, fg_column *column)
{
    const size_t bytes = all_bytes(column);
    if (!column->key || !column->handles || column->has_ints || bytes > FG_KEEP_COLUMNS) {
        fg_column_discard(arena, column);
        return;
    }
    if (bytes > FG_KEEP_COLUMNS - arena->idle_bytes)
        fg_columns_clear(arena); /* some may be of a model that is gone */
    column->is_idle = true;
    arena->edge_bytes -= bytes;
    arena->idle_bytes += bytes;
}

/* Take a reference to each operand of an idle column, and its number. False if some operand isn't what it was. */
static bool take_any(fg_arena *arena, fg_column *column)
{
    const fg_index *const operands = fg_column_nodes(column);
    bool is_right = true;
    for (uint32_t i = 0; i < column->n; i++) {
        fg_node *node = fg_at(arena->nodes, operands[i]);
        is_right &= (fg_node_is_leaf_without(node, FG_ATTACHED | FG_DATA_INT)) & (node->face == column->handles[i])
                    & (++node->refs <= FG_MAX_REFS);
        node->flags |= FG_SEEN;
        column->numbers[i] = node->data;
    }
    return is_right;
}

/* The same if fg_column_has_handles: only a number may have become an int. */
static bool take_known(fg_arena *arena, fg_column *column)
{
    const fg_index *const operands = fg_column_nodes(column);
    uint32_t flags = 0, most = 0;
    for (uint32_t i = 0; i < column->n; i++) {
        fg_node *node = fg_at(arena->nodes, operands[i]);
        flags |= node->flags;
        if (++node->refs > most)
            most = node->refs;
        column->numbers[i] = node->data;
    }
    return !(flags & FG_DATA_INT) && most <= FG_MAX_REFS;
}

bool fg_column_revive(fg_arena *arena, fg_column *column)
{
    const bool is_known = fg_column_has_handles(arena, column);
    if (!(is_known && column->is_run && take_run(arena, column))
        && !(is_known ? take_known(arena, column) : take_any(arena, column))) {
        for (uint32_t i = 0; i < column->n; i++)
            fg_at(arena->nodes, fg_column_nodes(column)[i])->refs--;
        return false;
    }
    column->refs = 1;
    column->epoch = 0;
    column->assigned = arena->assigned;
    column->leaves_lost = arena->leaves_lost;
    column->is_idle = false;
    arena->edge_bytes += all_bytes(column);
    arena->idle_bytes -= all_bytes(column);
    return true;
}

void fg_columns_clear(fg_arena *arena)
{
    for (uint32_t i = 0; i < FG_COLUMNS; i++)
        if (arena->columns[i].column && arena->columns[i].column->is_idle)
            fg_column_discard(arena, arena->columns[i].column);
    for (uint32_t n = 0; n < FG_SIZES; n++)
        while (arena->free_columns[n])
            fg_allocate(take_column(arena, n, false), 0);
}

void fg_column_die(fg_arena *arena, fg_column *column)
{
    column->handles_lost = arena->handles_lost; /* before any operand may die */
    for (uint32_t i = column->n; i-- > 0;)
        fg_node_release(arena, fg_column_nodes(column)[i]);
    fg_column_end(arena, column);
}

/* ---- New sums ---- */

static double add_products(double total, const double *u, const double *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        total += u[i] * v[i];
    return total;
}

/* The same for several sums. Each total is added up in its order, but the processor needn't wait for one addition
 * before it begins the next sum's. */
enum { FEW = 4, MANY = 8 };
static void add_products_of_few(double totals[FEW], const fg_terms sums[FEW])
{
    const double *const u0 = sums[0].u->numbers, *const v0 = sums[0].v->numbers;
    const double *const u1 = sums[1].u->numbers, *const v1 = sums[1].v->numbers;
    const double *const u2 = sums[2].u->numbers, *const v2 = sums[2].v->numbers;
    const double *const u3 = sums[3].u->numbers, *const v3 = sums[3].v->numbers;
    double total0 = totals[0], total1 = totals[1], total2 = totals[2], total3 = totals[3];
    const uint32_t n = sums[0].u->n;
    for (uint32_t i = 0; i < n; i++) {
        total0 += u0[i] * v0[i];
        total1 += u1[i] * v1[i];
        total2 += u2[i] * v2[i];
        total3 += u3[i] * v3[i];
    }
    totals[0] = total0;
    totals[1] = total1;
    totals[2] = total2;
    totals[3] = total3;
}

/* More sums, if they have a column in common, load its numbers once. */
FG_BODY void add_products_of_many_of_any(double totals[MANY], const double *common, const double *const others[MANY],
                                         size_t n)
{
    double sums[MANY];
    for (int row = 0; row < MANY; row++)
        sums[row] = totals[row];
    for (size_t i = 0; i < n; i++)
        for (int row = 0; row < MANY; row++)
            sums[row] += others[row][i] * common[i];
    for (int row = 0; row < MANY; row++)
        totals[row] = sums[row];
}

FG_TWICE(add_products_of_many, (double totals[MANY], const double *common, const double *const others[MANY], size_t n),
         (totals, common, others, n))

static double add_operands(double total, const double *u, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        total += u[i];
    return total;
}

static uint32_t n_inner_of(uint32_t n, const fg_column *u, const fg_column *v, bool is_single, fg_index start)
{
    uint32_t n_inner = u->n_constants + n - 1; /* the constants' leaves, and all partial sums but the last */
    if (!is_single)
        n_inner += v->n_constants + n;
    return start == FG_NONE ? n_inner + 1 : n_inner;
}

/* The room for the fused sum of a slot, or NULL if there's no memory. */
static inline fg_sum *sum_at(fg_arena *arena, fg_index index)
{
    fg_sum **const room = &arena->rooms[index / FG_SLAB_STEP];
    if (!*room) {
        *room = fg_allocate(NULL, FG_SLAB * sizeof **room);
        if (!*room)
            return NULL;
        arena->n_rooms++;
    }
    return *room + index % FG_SLAB_STEP;
}

static inline fg_index new_sum(fg_arena *arena, const fg_terms *terms, double total, uint32_t kind)
{
    const bool is_single = !terms->v;
    fg_column *const u = terms->u, *const v = is_single ? u : terms->v;
    const fg_index index = fg_node_new(arena);
    fg_sum *const sum = index == FG_NONE ? NULL : sum_at(arena, index);
    if (!sum) {
        if (index != FG_NONE)
            arena->next = index; /* the slot is the next node's */
        return FG_NONE;
    }
    u->refs++;
    if (!is_single)
        v->refs++;
    const uint16_t flags = fg_flags(kind);
    const bool is_int = (flags & FG_GRAD_INT) != 0;
    *sum = (fg_sum){.u = u, .v = v, .start_number = terms->number, .n = u->n, .flags = flags,
                    .n_inner = n_inner_of(u->n, u, v, is_single, terms->start),
                    .start_is_int = terms->number_is_int, .is_single = is_single,
                    .is_plain = !is_single && u->n > 1 && !u->has_ints && !v->has_ints,
                    .inner_is_int = is_int, .rest_is_int = is_int};
    fg_node *node = fg_at(arena->nodes, index);
    fg_node_init(node, kind | fg_kind(FG_ADD, FG_FUSED, FG_LOCAL0_INT | FG_LOCAL1_INT), 0, total);
    node->sum = sum;
    node->inner = 0.0;
    node->start = terms->start;
    node->left = u->n;
    if (terms->start != FG_NONE)
        fg_node_retain(arena, terms->start);
    arena->n_fused++;
    arena->n_terms += sum->n;
    arena->n_stood_for += sum->n_inner + 1;
    return index;
}

bool fg_terms_of_any_fit(fg_terms *terms, uint32_t kind)
{
    fg_column *u = terms->u, *v = terms->v;
    if (v ? u->has_ints && v->has_ints : u->has_ints)
        return false;
    if (v && u->n_constants == u->n && v->n_constants == 0) {
        terms->u = v;
        terms->v = u;
        u = terms->u;
        v = terms->v;
    }
    if (v && u->n_constants > 0)
        return false;
    if (kind & fg_kind(0, 0, FG_DEFERRED) && (v ? v : u)->n_constants > 0)
        return false;
    return v || terms->start != FG_NONE || fg_column_nodes(u)[0] != FG_NONE;
}

/* The numbers that MANY sums of products have in common, as a row's sums do, or NULL. others: those of the other column
 * of each sum. */
static inline const double *common_numbers(const fg_terms sums[MANY], const double *others[MANY])
{
    const fg_column *const u = sums[0].u, *const v = sums[0].v;
    bool is_u = true, is_v = true;
    for (int row = 1; row < MANY; row++) {
        is_u &= sums[row].u == u;
        is_v &= sums[row].v == v;
    }
    for (int row = 0; row < MANY && (is_u || is_v); row++)
        others[row] = (is_v ? sums[row].u : sums[row].v)->numbers;
    return is_v ? v->numbers : is_u ? u->numbers : NULL;
}

/* Compute the totals of the first of n sums, and set the numbers of their starts. Returns how many: at most MANY. */
static inline uint32_t add_up(const fg_arena *arena, double totals[MANY], fg_terms *sums, uint32_t n)
{
    const double *others[MANY], *common = NULL;
    uint32_t n_rows = 1;
    if (sums[0].v && n >= FEW) {
        common = n >= MANY ? common_numbers(sums, others) : NULL;
        n_rows = common ? MANY : FEW;
    }
    for (uint32_t i = 0; i < n_rows; i++) {
        if (sums[i].start != FG_NONE)
            sums[i].number = fg_at(arena->nodes, sums[i].start)->data;
        totals[i] = sums[i].number;
    }
    if (common)
        add_products_of_many(totals, common, others, sums[0].u->n);
    else if (n_rows == FEW)
        add_products_of_few(totals, sums);
    else
        totals[0] = sums[0].v ? add_products(totals[0], sums[0].u->numbers, sums[0].v->numbers, sums[0].u->n)
                              : add_operands(totals[0], sums[0].u->numbers, sums[0].u->n);
    return n_rows;
}

bool fg_sums_new(fg_arena *arena, fg_terms *sums, uint32_t n, uint32_t kind, fg_index *indices)
{
    double totals[MANY];
    for (uint32_t i = 0, first = 0, end = 0; i < n; i++) {
        if (i == end) {
            first = i;
            end += add_up(arena, totals, sums + i, n - i);
        }
        indices[i] = new_sum(arena, &sums[i], totals[i - first], kind);
        if (indices[i] == FG_NONE) {
            while (i-- > 0)
                fg_node_release(arena, indices[i]);
            return false;
        }
    }
    return true;
}

static bool column_has(const fg_column *column, fg_index operand)
{
    for (uint32_t i = 0; i < column->n; i++)
        if (fg_column_nodes(column)[i] == operand)
            return true;
    return false;
}

bool fg_sum_has(const fg_node *node, fg_index operand)
{
    return node->child[0] == operand || column_has(node->sum->u, operand) || column_has(node->sum->v, operand);
}

/* ---- The sweep ---- */

/* The number of operand i of a column, which is a product's derivative by the other factor: the number when the sum was
 * made, or, if the sum is deferred, the number now. */
static double number_now(const fg_node *nodes, const fg_column *column, uint32_t i, bool is_deferred, bool *is_int)
{
    const fg_index other = fg_column_nodes(column)[i];
    if (!is_deferred || other == FG_NONE) {
        *is_int = fg_column_is_int(column, i);
        return column->numbers[i];
    }
    *is_int = (fg_at(nodes, other)->flags & FG_DATA_INT) != 0;
    return fg_at(nodes, other)->data;
}

/* Pass on the gradients of the nodes of term k, in any sum. */
static void pass_on_term(fg_node *nodes, fg_node *node, uint32_t k)
{
    const fg_sum *sum = node->sum;
    const bool is_last = k == sum->n - 1;
    const double grad = is_last ? node->grad : node->inner; /* of A_k */
    const bool is_int = is_last ? (node->flags & FG_GRAD_INT) != 0 : sum->inner_is_int;
    if (k == 0 && node->child[0] != FG_NONE)
        fg_grad_add_product(fg_at(nodes, node->child[0]), 1.0, true, grad, is_int);
    fg_node *u = fg_at(nodes, fg_column_nodes(sum->u)[k]), *v = fg_at(nodes, fg_column_nodes(sum->v)[k]);
    if (sum->is_single) {
        fg_grad_add_product(u, 1.0, true, grad, is_int);
        return;
    }
    const bool is_deferred = (node->flags & FG_DEFERRED) != 0;
    bool u_is_int, v_is_int;
    double of_u = number_now(nodes, sum->u, k, is_deferred, &u_is_int);
    double of_v = number_now(nodes, sum->v, k, is_deferred, &v_is_int);
    fg_grad_add_product(u, of_v, v_is_int, node->inner, sum->inner_is_int);
    fg_grad_add_product(v, of_u, u_is_int, node->inner, sum->inner_is_int);
}

/* Whether nothing refers to a node but one column, once, and perhaps a handle. is_inner: else only if it's a leaf. */
static inline bool is_exclusive(const fg_node *node, bool is_inner)
{
    const uint32_t kind = node->kind & fg_kind(0, is_inner ? 0 : UINT8_MAX, FG_CLOSURE | FG_ATTACHED | FG_PARKED);
    return node->refs == 1u + (node->face != NULL) && kind == fg_kind(0, is_inner ? 0 : FG_NULLARY, 0);
}

/* Make room for n more running gradients. */
static bool grow_running(fg_arena *arena, uint32_t n)
{
    const uint32_t most = UINT32_MAX / 4;
    if (n > most || arena->n_running > most)
        return false;
    const uint32_t capacity = 2 * (arena->n_running + n);
    double *grads = fg_allocate(arena->running_grads, capacity * sizeof *grads);
    if (!grads)
        return false;
    arena->running_grads = grads;
    arena->running_capacity = capacity;
    return true;
}

enum { SHARED = 5 }; /* if so many sums share a column, running gradients pay */

/* Give a column running gradients, if its operands are all exclusive, if that pays, and if there's memory. */
static void start_running(fg_arena *arena, fg_column *column)
{
    if (column->refs < SHARED || column->is_run)
        return;
    const fg_index *const operands = fg_column_nodes(column);
    const bool is_inner = fg_at(arena->nodes, operands[0])->arity != FG_NULLARY;
    if (arena->running_capacity - arena->n_running < column->n && !grow_running(arena, column->n))
        return;
    double *const grads = arena->running_grads + arena->n_running;
    for (uint32_t k = 0; k < column->n; k++) {
        const fg_node *node = fg_at(arena->nodes, operands[k]);
        if (!is_exclusive(node, is_inner))
            return;
        grads[k] = node->grad;
    }
    for (uint32_t k = 0; k < column->n && is_inner; k++)
        fg_at(arena->nodes, operands[k])->flags |= FG_GRAD_INT;
    column->first_running = arena->n_running;
    arena->n_running += column->n;
    column->has_running_grads = true;
    column->next = arena->running[is_inner];
    arena->running[is_inner] = column;
}

/* When a call of fg_sweep first comes to a column by a whole sum: make its operands' gradients floats. They stay floats
 * until the call returns: a float plus anything is a float, and no Python runs before that. may_run: give them running
 * gradients too, if that can be done. */
FG_NOT_INLINED void prepare(fg_arena *arena, fg_column *column, bool may_run)
{
    column->sweep = arena->sweeps;
    if (column->is_run)
        fg_run_float_grads(fg_at(arena->nodes, fg_column_nodes(column)[0]), column->n);
    for (uint32_t k = 0; k < column->n && !column->is_run; k++)
        fg_at(arena->nodes, fg_column_nodes(column)[k])->flags &= (uint16_t)~FG_GRAD_INT;
    if (may_run)
        start_running(arena, column);
}

static void stop_running(fg_arena *arena, bool is_inner)
{
    for (fg_column *column = arena->running[is_inner]; column; column = column->next) {
        const double *const grads = arena->running_grads + column->first_running;
        for (uint32_t k = 0; k < column->n; k++) {
            fg_node *node = fg_at(arena->nodes, fg_column_nodes(column)[k]);
            node->grad = grads[k];
            if (is_inner)
                node->flags &= (uint16_t)~FG_GRAD_INT;
        }
        column->has_running_grads = false;
    }
    arena->running[is_inner] = NULL;
}

void fg_columns_stop_running_inner(fg_arena *arena)
{
    stop_running(arena, true);
}

void fg_columns_stop_running(fg_arena *arena)
{
    stop_running(arena, true);
    stop_running(arena, false);
    arena->n_running = 0;
    if (arena->running_capacity > FG_KEEP_COLUMNS / sizeof(double)) {
        fg_allocate(arena->running_grads, 0);
        arena->running_grads = NULL;
        arena->running_capacity = 0;
    }
}

FG_BODY void add_multiples_of_any(double *restrict sums, const double *restrict numbers, double factor, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sums[i] += numbers[i] * factor;
}

/* The same for both columns of a sum. */
FG_BODY void add_multiples_of_two_of_any(double *restrict us, double *restrict vs, const double *restrict of_us,
                                         const double *restrict of_vs, double factor, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        us[i] += of_vs[i] * factor;
        vs[i] += of_us[i] * factor;
    }
}

FG_TWICE(add_multiples, (double *restrict sums, const double *restrict numbers, double factor, size_t n),
         (sums, numbers, factor, n))
FG_TWICE(add_multiples_of_two, (double *restrict us, double *restrict vs, const double *restrict of_us,
                                const double *restrict of_vs, double factor, size_t n),
         (us, vs, of_us, of_vs, factor, n))

/* Whether two columns are known to have no operand in common: nothing but its column refers to an operand whose
 * gradient is running. */
static inline bool have_none_in_common(const fg_column *u, const fg_column *v)
{
    const fg_index a = fg_column_nodes(u)[0], b = fg_column_nodes(v)[0];
    return u->has_running_grads || v->has_running_grads || (u->is_run && v->is_run && (a < b ? b - a : a - b) >= u->n);
}

/* The gradients of a column's operands, if they lie side by side, or else NULL. are_floats: all are known to be floats.
 */
static inline double *grads_of(const fg_arena *arena, const fg_column *column, bool are_floats)
{
    if (column->has_running_grads)
        return arena->running_grads + column->first_running;
    return column->is_run && are_floats ? &fg_at(arena->nodes, fg_column_nodes(column)[0])->grad : NULL;
}

/* Pass on the gradient of product k of a usual sum. are_floats: the operands' gradients are known to be floats. */
static inline void pass_on_product(fg_node *nodes, const fg_sum *sum, size_t k, double inner, const bool are_floats)
{
    fg_node *u = fg_at(nodes, fg_column_nodes(sum->u)[k]), *v = fg_at(nodes, fg_column_nodes(sum->v)[k]);
    u->grad += sum->v->numbers[k] * inner;
    v->grad += sum->u->numbers[k] * inner;
    if (!are_floats) {
        u->flags &= (uint16_t)~FG_GRAD_INT;
        v->flags &= (uint16_t)~FG_GRAD_INT;
    }
}

/* The same for the products from, ..., to - 1, from the last. */
FG_BODY void pass_on_products(const fg_arena *arena, const fg_node *node, size_t from, size_t to, const bool are_floats)
{
    fg_node *const nodes = arena->nodes;
    const fg_sum *sum = node->sum;
    const double inner = node->inner;
    const double *const of_us = sum->u->numbers, *const of_vs = sum->v->numbers;
    double *const of_u = grads_of(arena, sum->u, are_floats), *const of_v = grads_of(arena, sum->v, are_floats);
    if ((of_u || of_v) && have_none_in_common(sum->u, sum->v)) { /* then the order of the two doesn't matter */
        const fg_index *const others = fg_column_nodes(of_u ? sum->v : sum->u);
        const double *const numbers = of_u ? of_us : of_vs; /* the others' derivatives */
        if (of_u && of_v) {
            add_multiples_of_two(of_u + from, of_v + from, of_us + from, of_vs + from, inner, to - from);
            return;
        }
        if (of_u)
            add_multiples(of_u + from, of_vs + from, inner, to - from);
        else
            add_multiples(of_v + from, of_us + from, inner, to - from);
        for (size_t k = to; k-- > from;) {
            fg_node *other = fg_at(nodes, others[k]);
            other->grad += numbers[k] * inner;
            if (!are_floats)
                other->flags &= (uint16_t)~FG_GRAD_INT;
        }
        return;
    }
    for (size_t k = to; k-- > from;)
        pass_on_product(nodes, sum, k, inner, are_floats);
}

/* The same in a sum of single operands, whose gradient is a float. */
static void pass_on_operands(fg_node *nodes, const fg_node *node, uint32_t from, uint32_t to)
{
    const fg_sum *sum = node->sum;
    for (uint32_t k = to; k-- > from;) {
        if (k == 0 && node->child[0] != FG_NONE)
            fg_grad_add(fg_at(nodes, node->child[0]), k == sum->n - 1 ? node->grad : node->inner);
        fg_grad_add(fg_at(nodes, fg_column_nodes(sum->u)[k]), k == sum->n - 1 ? node->grad : node->inner);
    }
}

/* Whether all contributions to a sum's operands are floats, made of the numbers in the columns. With a single term A_0
 * is the sum itself, whose gradient may be -0.0 where `inner` is 0.0. */
static bool is_usual(const fg_node *node)
{
    const fg_sum *sum = node->sum;
    return !(node->flags & FG_DEFERRED)
           && (sum->is_plain || (!sum->is_single && sum->n > 1 && !sum->inner_is_int));
}

/* fg_sum_pass_on for any run of terms. */
FG_NOT_INLINED void pass_on_run(fg_arena *arena, fg_node *node, uint32_t from, uint32_t to)
{
    fg_node *const nodes = arena->nodes;
    const fg_sum *const sum = node->sum;
    const bool is_whole = from == 0 && to == sum->n;
    if ((sum->u->has_running_grads || sum->v->has_running_grads) && (sum->u == sum->v || !is_usual(node)))
        fg_columns_stop_running(arena);
    if (!is_usual(node)) {
        if (sum->is_single && !(sum->inner_is_int || node->flags & FG_GRAD_INT))
            pass_on_operands(nodes, node, from, to);
        else
            for (uint32_t k = to; k-- > from;)
                pass_on_term(nodes, node, k);
        return;
    }
    if (is_whole) {
        if (sum->u->sweep != arena->sweeps)
            prepare(arena, sum->u, sum->u != sum->v);
        if (sum->v->sweep != arena->sweeps)
            prepare(arena, sum->v, sum->u != sum->v);
    }
    if (from == 0 && node->child[0] != FG_NONE) { /* A_0 passes its gradient on to the start before P_0 does to u_0 */
        pass_on_products(arena, node, 1, to, is_whole);
        fg_grad_add_product(fg_at(nodes, node->child[0]), 1.0, true, node->inner, sum->inner_is_int);
        to = 1;
    }
    if (is_whole)
        pass_on_products(arena, node, from, to, true);
    else
        pass_on_products(arena, node, from, to, false);
}

/* The same for all terms. Mostly both columns have come before in this sweep, and both have their gradients side by
 * side. */
FG_NOT_INLINED void pass_on_row(fg_arena *arena, fg_node *node)
{
    const fg_sum *const sum = node->sum;
    const fg_column *const u = sum->u, *const v = sum->v;
    if (u->sweep == arena->sweeps && v->sweep == arena->sweeps && u != v && node->child[0] == FG_NONE
        && is_usual(node)) {
        double *const of_u = grads_of(arena, u, true), *const of_v = grads_of(arena, v, true);
        if (of_u && of_v && have_none_in_common(u, v)) {
            add_multiples_of_two(of_u, of_v, u->numbers, v->numbers, node->inner, sum->n);
            return;
        }
    }
    pass_on_run(arena, node, 0, sum->n);
}

void fg_sum_pass_on(fg_arena *arena, fg_index index, uint32_t from, uint32_t to)
{
    fg_node *const node = fg_at(arena->nodes, index);
    fg_sum *const sum = node->sum;
    if (to == sum->n) {
        node->inner = 0.0 + node->grad;
        sum->inner_is_int = sum->rest_is_int && node->flags & FG_GRAD_INT;
    }
    node->left = from;
    /* Nearly half of all events have one term: the first rows' of layers. */
    if (to - from == 1 && from > 0 && is_usual(node) && !sum->u->has_running_grads && !sum->v->has_running_grads)
        pass_on_product(arena->nodes, sum, from, node->inner, false);
    else if (to - from == sum->n)
        pass_on_row(arena, node);
    else
        pass_on_run(arena, node, from, to);
}

void fg_sum_zero(fg_node *nodes, fg_node *node, uint32_t from, uint32_t to)
{
    fg_sum *sum = node->sum;
    node->left = sum->n;
    node->inner = 0.0;
    sum->inner_is_int = sum->rest_is_int = true;
    fg_grad_zero(fg_at(nodes, node->child[0]));
    for (uint32_t k = from; k < to; k++) {
        fg_grad_zero(fg_at(nodes, fg_column_nodes(sum->u)[k]));
        fg_grad_zero(fg_at(nodes, fg_column_nodes(sum->v)[k]));
    }
}

/* ---- Taking apart ---- */

/* Set a part's gradient: to `grad`, if has_grad says that a sweep has reached the part, or else to 0. */
static void set_grad(fg_node *part, const fg_sum *sum, bool has_grad, double grad, bool is_int)
{
    part->grad = has_grad ? grad : 0.0;
    if (has_grad ? is_int : sum->rest_is_int)
        part->flags |= FG_GRAD_INT;
    else
        part->flags &= (uint16_t)~FG_GRAD_INT;
}

/* Make a part a leaf. grad: what its parent has passed on to it, if has_grad. */
static fg_index be_leaf(fg_arena *arena, fg_index part, const fg_sum *sum, double data, bool is_int, bool has_grad,
                        double grad, bool grad_is_int)
{
    fg_node *node = fg_at(arena->nodes, part);
    fg_node_init(node, fg_kind(FG_LEAF, FG_NULLARY, sum->flags | (is_int ? FG_DATA_INT : 0)), FG_PASSED_OVER, data);
    set_grad(node, sum, has_grad, 0.0 + grad, grad_is_int);
    return part;
}

/* Make a part the leaf of a constant that is the second factor of term k. */
static fg_index be_factor(fg_arena *arena, fg_index part, const fg_sum *sum, uint32_t k, double inner, bool has_grad)
{
    const double other = sum->u->numbers[k];
    bool is_int = fg_column_is_int(sum->u, k) && sum->inner_is_int;
    const double grad = is_int ? fg_int_mul(other, inner, &is_int) : other * inner;
    return be_leaf(arena, part, sum, sum->v->numbers[k], fg_column_is_int(sum->v, k), has_grad, grad, is_int);
}

/* Make a part a product or a partial sum. It takes over a reference to each child. */
static fg_index be_binary(fg_arena *arena, fg_index part, const fg_sum *sum, uint8_t op, uint16_t flags, double data,
                          fg_index a, fg_index b, double by_a, double by_b, double inner, bool has_grad)
{
    fg_node *node = fg_at(arena->nodes, part);
    fg_node_init(node, fg_kind(op, FG_BINARY, sum->flags | flags), 0, data);
    node->child[0] = a;
    node->child[1] = b;
    node->local0 = by_a;
    node->local1 = by_b;
    set_grad(node, sum, has_grad, inner, sum->inner_is_int);
    return part;
}

/* Make n new nodes, which are leaves for now. False if there's no memory; then there are none. */
static bool new_parts(fg_arena *arena, fg_index *parts, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        parts[i] = fg_node_new(arena);
        if (parts[i] == FG_NONE) {
            while (i-- > 0)
                fg_node_release(arena, parts[i]);
            return false;
        }
        fg_node_init(fg_at(arena->nodes, parts[i]), fg_kind(FG_LEAF, FG_NULLARY, 0), FG_PASSED_OVER, 0.0);
    }
    return true;
}

bool fg_sum_take_apart(fg_arena *arena, fg_index index, fg_index *parts)
{
    fg_sum *const sum = fg_at(arena->nodes, index)->sum;
    const uint32_t n = sum->n, left_terms = fg_at(arena->nodes, index)->left;
    const double inner = fg_at(arena->nodes, index)->inner;
    const fg_index *const us = fg_column_nodes(sum->u), *const vs = fg_column_nodes(sum->v);
    const double *const of_us = sum->u->numbers, *const of_vs = sum->v->numbers;
    /* The new nodes lie at the end of `parts`. They are taken from there (`next`) and put in order at its start
     * (`end`), which never overtakes. */
    fg_index *next = parts + n + 1, *end = parts;
    if (!new_parts(arena, next, sum->n_inner))
        return false;

    fg_index total = fg_at(arena->nodes, index)->child[0]; /* the partial sum so far; at first the start, or FG_NONE */
    double number = sum->start_number;                     /* the partial sum's number */
    for (uint32_t k = 0; k < n; k++) {
        const bool has_grad = k >= left_terms;
        fg_index u = us[k], v = vs[k], term;
        double of_term = sum->is_single ? of_us[k] : of_us[k] * of_vs[k];
        if (u == FG_NONE)
            u = *end++ = be_leaf(arena, *next++, sum, of_us[k], false, has_grad, inner, sum->inner_is_int);
        else
            fg_node_retain(arena, u);
        term = u;
        if (!sum->is_single) {
            if (v == FG_NONE)
                v = *end++ = be_factor(arena, *next++, sum, k, inner, has_grad);
            else
                fg_node_retain(arena, v);
            const uint16_t kinds = (fg_column_is_int(sum->v, k) ? FG_LOCAL0_INT : 0)
                                   | (fg_column_is_int(sum->u, k) ? FG_LOCAL1_INT : 0);
            term = *end++ = be_binary(arena, *next++, sum, FG_MUL, kinds, of_term, u, v, of_vs[k], of_us[k], inner,
                                       has_grad);
        }
        fg_index left = total, right = term;
        if (total == FG_NONE) { /* the sum starts with a number */
            left = term;
            right = *end++ = be_leaf(arena, *next++, sum, sum->start_number, sum->start_is_int, has_grad,
                                     inner, sum->inner_is_int);
        }
        number += of_term;
        if (k < n - 1) {
            total = be_binary(arena, *next++, sum, FG_ADD, FG_LOCAL0_INT | FG_LOCAL1_INT, number, left, right, 1.0, 1.0,
                              inner, k + 1 >= left_terms);
        } else {
            fg_node *node = fg_at(arena->nodes, index);
            node->arity = FG_BINARY;
            node->child[0] = left;
            node->child[1] = right;
            node->local0 = node->local1 = 1.0;
            total = index;
        }
        *end++ = total;
        *end++ = FG_NONE;
    }
    arena->edits++;
    fg_column *const u = sum->u, *const v = sum->is_single ? NULL : sum->v;
    fg_sum_end(arena, sum);
    if (v)
        fg_column_release(arena, v);
    fg_column_release(arena, u);
    return true;
}
