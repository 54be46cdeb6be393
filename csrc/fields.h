/* The numbers and gradients of many nodes at once: of an optimiser's parameters, or of what a loop reads and assigns.
 *
 * Mostly the nodes were made one after the other, and so their indices follow each other. Then each field lies side by
 * side in memory (arena.h), and that of all is read or written as an array is. Nodes are looked at in blocks, since
 * indices have gaps between slabs. An index may be there twice. */
#ifndef FG_FIELDS_H
#define FG_FIELDS_H

#include "arena.h"

typedef enum { FG_DATA, FG_GRAD } fg_field;

/* Copy the field of n nodes. Returns the flags that any of the nodes has. */
uint16_t fg_fields_read(const fg_arena *arena, fg_field field, size_t n, const fg_index *indices, double *out);

/* Assign numbers, which are floats; or the same number to all. */
void fg_fields_write(fg_arena *arena, fg_field field, size_t n, const fg_index *indices, const double *numbers);
void fg_fields_fill(fg_arena *arena, fg_field field, size_t n, const fg_index *indices, double number, bool is_int);

/* ---- A run: n nodes whose indices follow each other, given by the first ---- */

/* Copy the nodes' data, and take a reference to each. Returns the flags that any of them has. refs: all bits that their
 * counts have then, so at least the largest count. */
uint16_t fg_run_take(fg_node *first, size_t n, double *numbers, uint32_t *refs);

/* Drop a reference to each node. False if one of them has no other: then nothing has changed. */
bool fg_run_drop(fg_node *first, size_t n);

/* Say that all gradients are floats. */
void fg_run_float_grads(fg_node *first, size_t n);

#endif
