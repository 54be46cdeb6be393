/* Python's ints in C's doubles.
 *
 * A number is a double and a flag that says "an int in Python". Ints never exceed 2**53 in magnitude, so a double holds
 * each of them exactly, and a sum or product of two rounds at most once. A result beyond 2**53 becomes a float. The
 * double alone can't tell: 2**53 + 1 rounds to 2**53. So the result is computed in 64-bit integers too. (That is never
 * done for a product too large for 64 bits, since its magnitude fails the first test.)
 */
#ifndef FG_NUMBERS_H
#define FG_NUMBERS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define FG_EXACT 9007199254740992.0 /* 2**53 */

/* a + b of two ints. Sets *is_int to whether the sum is one too. */
static inline double fg_int_add(double a, double b, bool *is_int)
{
    double sum = a + b;
    *is_int = fabs(sum) <= FG_EXACT && (int64_t)a + (int64_t)b == (int64_t)sum;
    return sum;
}

/* a * b of two ints. Adding 0.0 turns the -0.0 of 0 * -1 into Python's 0. */
static inline double fg_int_mul(double a, double b, bool *is_int)
{
    double product = a * b + 0.0;
    *is_int = fabs(product) <= FG_EXACT && (int64_t)a * (int64_t)b == (int64_t)product;
    return product;
}

#endif
