/* Python's ints in C's doubles.
 *
 * A number is a double and a flag that says "an int in Python". Ints never exceed 2**53 in magnitude, so a double holds
 * each of them exactly, and so a sum or product of two rounds at most once. A result beyond 2**53 stops being an int.
 * The test has to be made in 64-bit integers: 2**53 + 1 rounds to 2**53, which alone looks innocent. (A product that
 * is too large for 64 bits is never looked at, because its magnitude has failed the test before.)
 */
#ifndef FG_NUMBERS_H
#define FG_NUMBERS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define FG_EXACT 9007199254740992.0 /* 2**53 */

/* a + b of two ints; *is_int: whether the sum is one too. */
static inline double fg_int_add(double a, double b, bool *is_int)
{
    double sum = a + b;
    *is_int = fabs(sum) <= FG_EXACT && (int64_t)a + (int64_t)b == (int64_t)sum;
    return sum;
}

/* a * b of two ints; adding 0.0 turns the -0.0 of 0 * -1 into Python's 0. */
static inline double fg_int_mul(double a, double b, bool *is_int)
{
    double product = a * b + 0.0;
    *is_int = fabs(product) <= FG_EXACT && (int64_t)a * (int64_t)b == (int64_t)product;
    return product;
}

#endif
