/* Loops over doubles that are compiled twice: for any processor, and for one that computes with four doubles at once.
 *
 * The build is for any processor, so the loop asks each time which one it runs on (a load and a test). Bits are the
 * same: each element has the same operations in the same order, and no two roundings become one. */
#ifndef FG_FOURS_H
#define FG_FOURS_H

#include "arena.h"

#ifndef FG_FOURS
#if defined __x86_64__ && defined __GNUC__
#define FG_FOURS 1
#else
#define FG_FOURS 0 /* the tests set it too: tests/c/Makefile */
#endif
#endif

#if FG_FOURS

#define FG_BODY static inline __attribute__((always_inline))

/* Make the function `name` of the loop name##_of_any, a FG_BODY with the same parameters. */
#define FG_TWICE(name, parameters, arguments)                                                                          \
    __attribute__((target("avx2"))) static void name##_in_fours parameters                                             \
    {                                                                                                                  \
        name##_of_any arguments;                                                                                       \
    }                                                                                                                  \
    FG_NOT_INLINED void name parameters                                                                                \
    {                                                                                                                  \
        if (__builtin_cpu_supports("avx2"))                                                                            \
            name##_in_fours arguments;                                                                                 \
        else                                                                                                           \
            name##_of_any arguments;                                                                                   \
    }

#else

#define FG_BODY static inline
#define FG_TWICE(name, parameters, arguments)                                                                          \
    static void name parameters                                                                                        \
    {                                                                                                                  \
        name##_of_any arguments;                                                                                       \
    }

#endif
#endif
