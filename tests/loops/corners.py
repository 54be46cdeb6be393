"""Short programs with loops, each about one thing that a rewriter must not change. CORNERS: {heading: {name: text}}.

They use the names of loop_programs.py, such as xs and rows, which are set up in front of them, and those of cast.py. A
line that starts with # is a program's name.
"""
import re

CORNERS = {}


def corners(heading, text):
    parts = re.split(r"^# (.*)\n", text, flags=re.M)
    CORNERS[heading] = dict(zip(parts[1::2], (part.strip("\n") for part in parts[2::2])))


# Names that aren't the builtin ones, and who sees which name.
corners("names", r'''
# sum as a variable
sum = own_sum
r = sum(v * v for v in xs)

# sum as a local variable
def f(xs):
    sum = own_sum
    return sum(v * v for v in xs)
r = f(xs)

# sum as a parameter
def f(xs, sum):
    return sum(v * v for v in xs)
r = f(xs, own_sum)

# sum of a closure
def f():
    sum = own_sum
    def g():
        return sum(v * v for v in xs)
    return g
r = f()()

# sum is bound later
def f(xs):
    s = sum(v * v for v in xs)
    sum = 3
    return s
r = f(xs)

# sum is a number
sum = 0
for v in xs:
    sum += v
r = sum
t = sum(v for v in xs)

# sum of a class body
class A:
    sum = own_sum
    r = sum([v * 2 for v in xs])
r = A.r

# sum becomes another
for again in range(3):
    r = sum(v * k for v in xs)
    sum = own_sum

# sum becomes another in the loop
r = 0
for row in rows:
    r = r + sum(w * x for w, x in zip(row, xs))
    sum = own_sum

# sum by an iterable's effect
def other(xs):
    globals()['sum'] = own_sum
    return xs
r = sum(v * k for v in other(xs))
t = sum([v * k for v in other(xs)])

# sum in builtins
old = builtins.sum
builtins.sum = own_sum
try:
    r = sum(v * v for v in xs)
finally:
    builtins.sum = old
old = None

# sum with another name
add = sum
r = add(v * v for v in xs)

# sum deleted
sum = 3
del sum
r = sum(v * v for v in xs)
del sum

# zip
zip = own_zip
r = [w * x for w, x in zip(xs, ys)]
s = a
for w, x in zip(xs, ys):
    s = s + w * x

# range
range = own_range
r = [xs[i] * 2 for i in range(n)]
for i in range(n):
    xs[i].data -= lr

# len
len = own_len
r = [xs[i] * 2 for i in range(len(xs))]
s = sum(xs) / len(xs)

# max
max = own_max
r = max(v.data for v in xs)
for p in xs:
    p.data -= max(p.grad, 0.5)

# min as a loop's variable
r = [min * 2 for min in xs]
t = min(v.data for v in xs)

# enumerate
enumerate = own_enumerate
r = [v * i for i, v in enumerate(xs)]

# reversed
reversed = list
r = [v * 2 for v in reversed(xs)]

# abs
abs = told
r = [abs(v.data) * v for v in xs]

# math
import math
math = OwnMath
for i, p in enumerate(xs):
    p.data -= lr / (math.sqrt(4.0) + eps)

# math.sqrt
import math
old = math.sqrt
math.sqrt = lambda x: x
try:
    for i, p in enumerate(xs):
        p.data -= lr / (math.sqrt(4.0) + eps)
finally:
    math.sqrt = old
old = None

# sqrt from math
from math import sqrt
for i, p in enumerate(xs):
    p.data -= lr / (sqrt(4.0) + eps)

# math isn't there
def f(xs):
    for p in xs:
        p.data -= maths.sqrt(2)
f(xs)

# names from a star
from math import *
r = [v * pow(2, 3) for v in xs]
t = sum(v * e for v in xs)

# the loop's variable is a name from outside
r = [a * k for a in xs]
s = b
for b in xs:
    s = s + b * k

# the loop's variable is the list
for xs in xs:
    r = xs * 2

# the comprehension's variable is the list
r = [xs * 2 for xs in xs]

# the accumulator is the loop's variable
for a in xs:
    a = a + a

# the accumulator is in the term
s = a
for v in xs:
    s = s + s * v

# the accumulator is the list
for v in xs:
    xs = xs + [v]
r = len(xs)

# global
s = 0
def f():
    global s
    for v in xs:
        s = s + v
f()

# nonlocal
def f():
    s = 0
    def g():
        nonlocal s
        for v in xs:
            s = s + v
    g()
    return s
r = f()

# class body
class A:
    k = 2
    s = 0
    for v in xs:
        s = s + v * k
    r = [v * 3 for v in xs]

# a comprehension doesn't see a class body
class A:
    kk = 2
    r = [v * kk for v in xs]

# private names
class A:
    def __init__(self, w):
        self.__w, self.__k = w, 2.0
    def f(self, xs):
        __t = 3
        s = sum(w * x for w, x in zip(self.__w, xs))
        for __v in self.__w:
            s = s + __v * self.__k * __t
        return s
r = A(ws).f(xs)

# super
class A:
    def f(self, v):
        return v * 2
class B(A):
    def f(self, xs):
        g = super().f
        return [g(v) for v in xs] + [super(B, self).f(v) for v in xs] + [__class__.__name__ for v in xs]
r = B().f(xs)

# unbound accumulator
def f():
    for v in xs:
        s = s + v
f()

# unbound, and the list is empty
r = [v * undefined for v in []]
t = sum(v * undefined.b for v in xs[:0])

# unbound
r = [v * undefined for v in xs]

# unbound, after the iterable
r = [v * undefined for v in told(xs)]

# unbound start
r = sum((told(v) for v in told(xs)), undefined)

# unbound list
r = [v * 2 for v in undefined]

# unbound list of zip
r = [v * 2 for v, w in zip(told(xs), undefined)]

# names left
for i, (w, x) in enumerate(zip(xs, ys)):
    t = w * x
def f():
    for j in range(n):
        u = xs[j]
    return j, u
r = f()

# names not left by an empty loop
for i, p in enumerate(xs[:0]):
    t = p * 2
try:
    print(i)
except NameError as e:
    print(e)

# locals
def f(xs):
    s = 0
    for v in xs:
        s = s + v
    return sorted(locals())
r = f(xs)
print(sorted(globals()))

# an annotation that raises
def f(x: undefined): return [v * 2 for v in x]
r = f(xs)

# del of the list
def f(xs):
    r = [v * 2 for v in xs]
    del xs
    return r
r = f(xs)

# exec in a function
def f(xs):
    exec('k = 3')
    return [v * k for v in xs]
r = f(xs)
''')


# What loops go over: each evaluated once, in its turn, and read as far as Python reads it.
corners("iterables", r'''
# a generator is consumed
g = (v for v in xs)
r = [v * 2 for v in g]
t = [v * 2 for v in g]

# a generator is consumed by sum
g = (v * v for v in xs)
r = sum(g)
t = sum(g)

# a generator that isn't finished
g = (v * told(v) for v in xs)
for v in g:
    break
r = sum(g)

# a generator for later
g = (v * k for v in xs)
k = 3
xs.append(a)
r = sum(g)

# a generator's list is bound at once
g = (v * 2 for v in xs)
xs = ys
r = list(g)

# an iterator
it = iter(xs)
next(it, None)
r = [v * 2 for v in it]
t = list(it)

# an iterator twice in zip
it = iter(xs)
r = [v * w for v, w in zip(it, it)]

# zip takes one more of an iterator
it = iter(xs)
r = [v * w for v, w in zip(it, ys[1:])]
t = list(it)

# an iterator in the body
it = iter(ys)
r = [v * next(it) for v in xs]

# an iterator, left by break
it = iter(xs)
for v in it:
    break
s = 0
for v in it:
    s = s + v

# a zip that is kept
z = zip(xs, ys)
s = 0
for w, x in z:
    s = s + w * x
r = [w for w, x in z]

# effects
r = [v * 2 for v in Noisy(xs)]
t = sum(v * v for v in Noisy(xs))
s = 0
for v in Noisy(xs):
    s = s + v

# effects of indices
q = Noisy(xs)
r = [q[i] * 2 for i in range(len(q))]
s = 0
for i in range(len(q)):
    s = s + q[i]

# effects in zip
r = sum(w * x for w, x in zip(Noisy(xs), Noisy(ys)))

# effects in enumerate
for i, p in enumerate(Noisy(xs)):
    p.data -= lr * i

# effects of the expression
r = [v * told(k) for v in told(xs)]
t = sum((told(v) for v in told(xs)), told(a))

# effects of a start
r = sum((v * v for v in told(xs)), told(a))
t = sum([v * v for v in told(xs)], told(a))

# effects of an inner iterable
r = [sum(w * x for w, x in zip(row, told(xs))) for row in told(rows)]

# effects of a slice
r = [v * 2 for v in xs[told(1):told(n)]]
t = [v * 2 for i in range(told(0), told(n), told(1)) for v in xs]

# effects change the factor
def f(xs):
    global k
    k = 7
    return xs
r = [v * k for v in f(xs)]

# effects change the list
def f(xs):
    xs.append(a)
    return ys
r = [v * w for v, w in zip(xs, f(xs))]

# a subclass of list
q = Rows(xs)
r = [v * 2 for v in q]
t = [q[i] * 2 for i in range(len(q))]
s = sum(q)

# a tuple
q = tuple(xs)
r = [v * 2 for v in q]
t = sum(q)
s = [q[i] * 2 for i in range(len(q))]

# a dict
q = dict(zip(xs, ys))
r = [v * 2 for v in q]
t = [v * w for v, w in q.items()]
s = sum(q.values())

# a dict with indices
q = dict(enumerate(xs))
r = [q[i] * 2 for i in range(n)]
for i in range(n):
    q[i].data -= lr

# a string
r = [v * 2 for v in 'abc']
t = sum(v for v in 'abc')

# None
s = 0
for v in None:
    s = s + v

# a Value
r = [v * 2 for v in a]

# a map
r = [v * 2 for v in map(told, xs)]
t = sum(map(lambda v: v * v, xs))

# star
r = [w * x for w, x in zip(*[xs, ys])]
t = [sum(col) for col in zip(*rows)]
s = sum(*[xs])

# a list of lists
r = sum(rows, [])
t = [p for row in rows for p in row]
s = sum([[v] for v in xs], [])

# ragged rows
rows[-1] = rows[-1][:-1]
r = [sum(w * x for w, x in zip(row, xs)) for row in rows]

# ragged rows with indices
rows[-1] = rows[-1][:-1]
r = [sum(row[i] * xs[i] for i in range(n)) for row in rows]

# ragged rows, strict
rows[-1] = rows[-1][:-1]
r = [sum(w * x for w, x in zip(row, xs, strict=True)) for row in rows]

# unequal lengths
r = [w * x for w, x in zip(xs[1:], ys)]
s = a
for w, x in zip(xs, ys[1:]):
    s = s + w * x

# unequal lengths, strict
s = a
for w, x in zip(xs, ys[1:], strict=True):
    s = s + w * x
    w.grad = 1.5

# unequal lengths, strict, sum
r = sum((w * x for w, x in zip(xs + [a], ys, strict=True)), b)

# strict by a variable
for strict in (False, 0, None, True, a):
    r = [w * x for w, x in zip(xs, ys[1:], strict=strict)]

# zip of one, none and four
r = [v for v, in zip(xs)]
t = [v for v in zip()]
s = [p * q * u * v for p, q, u, v in zip(xs, ys, ws, xs)]

# too few to unpack
r = [w * x for w, x in xs]

# too many to unpack
r = 0
for w, x in zip(xs, ys, ws):
    r = r + w

# unpacked to places
for c.q, xs[0] in zip(xs, ys):
    r = xs[0] * 2

# unpacked with a star
r = [w * x[0] for w, *x in zip(xs, ys, ws)]

# a range of floats
r = [xs[i] for i in range(2.0)]

# a range with step 0
r = [xs[i] for i in range(0, n, 0)]

# a range that is too long
s = 0
for i in range(n + 1):
    s = s + xs[i]
    ys[i].grad = 2

# a huge range
s = 0
for i in range(10 ** 20):
    s = s + xs[i]

# negative indices
r = [xs[-i] for i in range(n)]
t = [xs[i - 1] * ys[-1 - i] for i in range(n)]

# indices of floats
r = [xs[i / 1] for i in range(n)]

# indices of bools
r = [rows[False][i] * xs[True - 1] for i in range(n)]

# slices
r = [v * 2 for v in xs[::-2]]
t = sum(v for v in xs[-2:None])
s = [sum(xs[i:i + 2]) for i in range(n)]

# the list grows
for v in xs:
    if len(xs) < 9:
        xs.append(v * 2)
r = len(xs)

# the list shrinks
s = a
for v in xs:
    s = s + v
    xs.pop()

# the list changes
for i, v in enumerate(xs):
    xs[-1] = b
    r = v * 2

# an item is assigned
for i in range(n):
    xs[i] = xs[i] * 2
for i in range(1, n):
    xs[i] = xs[i] + xs[i - 1]

# the list is bound again
for v in xs:
    xs = ys
    r = v * xs[0]

# a list of itself
xs.append(xs)
r = [v * 2 for v in xs]

# a list that is sorted meanwhile
xs.sort(key=lambda v: len([w * v for w in xs]))
r = [v * 2 for v in xs]

# an array
q = np.array([0.5, 1.5])
r = [v * x for v, x in zip(xs, q)]
t = [a * x for x in q]
s = sum(q)

# an array of Values
q = np.array(xs, dtype=object)
r = [v * 2 for v in q]
t = sum(q)

# a class with __getitem__ alone
class Q:
    def __getitem__(self, i):
        print('get', i)
        return xs[i]
r = [v * 2 for v in Q()]
t = sum(Q())

# a class whose __iter__ raises
class Q:
    def __iter__(self):
        raise KeyError('q')
r = [v * 2 for v in Q()]

# a class whose __len__ lies
class Q(list):
    def __len__(self):
        return 2
q = Q(xs)
r = [q[i] for i in range(len(q))]
''')


# Attributes and subscripts: properties, __getattr__, places.
corners("attributes", r'''
# a property of a list
c = Prop(xs)
r = [v * 2 for v in c.w]
t = [c.w[i] * 2 for i in range(n)]

# a property in a loop
c = Prop(xs)
s = 0
for i in range(n):
    s = s + c.w[i]
    c.w = ys

# a property of a number
class Q:
    k = property(lambda self: print('k') or 2.0)
q = Q()
r = [v * q.k for v in xs]
for p in xs:
    p.data -= q.k * p.grad

# a property is never asked
class Q:
    k = property(lambda self: print('k') or 2.0)
q = Q()
r = [v * q.k for v in xs[:0]]

# __getattr__
c = Missing(xs)
r = [v * 2 for v in c.w]
t = [c.m[i] * 2 for i in range(n)]
r = [v * c.nothing for v in xs]

# __getattribute__
class Q:
    def __getattribute__(self, name):
        print(name)
        return object.__getattribute__(self, name)
q = Q()
q.w, q.k = xs, 2.0
r = sum(w * q.k for w in q.w)

# __slots__
class Q:
    __slots__ = 'w', 'k'
q = Q()
q.w, q.k = xs, 2.0
r = sum(w * q.k for w in q.w)

# a class attribute
class Q:
    k, w = 2.0, xs
r = sum(w * Q.k for w in Q().w)

# a module's attribute
import math
r = [v * math.pi for v in xs]
math.w = xs
t = [v * 2 for v in math.w]
del math.w

# an attribute that is missing
r = [v * c.nothing for v in xs]

# an attribute of nothing
r = [v * c.nothing for v in xs[:0]]
t = sum(v * c.nothing.more for v in xs[:0])

# a method with effects
c.parameters = lambda: print('parameters') or xs
for p in c.parameters():
    p.grad = 0
r = sum(p * p for p in c.parameters())

# a method that makes a generator
c.parameters = lambda: gen(xs)
for p in c.parameters():
    p.data -= lr * p.grad
    p.grad = 0

# a place with effects
mom = Watched(mom)
for i, p in enumerate(xs):
    mom[i] = 0.9 * mom[i] + 0.1 * p.data
    p.data -= lr * mom[i]

# a place of a property
c = Prop(mom)
for i, p in enumerate(xs):
    c.w[i] = 0.9 * c.w[i] + 1
    p.data -= lr * c.w[i]

# __setattr__
c = Missing(xs)
for v in xs:
    c.total = v.data

# attributes of Values
for p in xs:
    p.m, p.v = 0.0, 0.0
for p in xs:
    p.m = 0.9 * p.m + p.data
    p.data -= lr * p.m
    p.extra = p.m

# an attribute of Values is missing
for p in xs[1:]:
    p.m = 0.0
for p in xs[::-1]:
    p.data -= 1
    p.m = p.m + 1.0

# names of the body are left when a later iteration raises
mom = mom[:2]
for i, p in enumerate(xs):
    t = p.data * 2
    u = mom[i] + t
    p.data -= u

# names of the body are left when the first iteration raises
for i, p in enumerate(xs):
    t = p.data * 2
    u = mom[i + 99] + t

# names of the body are left by iterations before the last
for i, p in enumerate(xs):
    t = p.data * 2
    p.data -= t
    del t
for i, p in enumerate(xs):
    t = p.grad
    p.grad = 0
for p in xs:
    t, u = p.data, p.grad
    p.data = u + 1.0

# an attribute of Values is a list
for p in xs:
    p.m = [1.0]
for p in xs:
    p.m[0] = p.m[0] * 2
    p.data -= p.m[0]

# labels
for i, p in enumerate(xs):
    p.label = f'w{i}'
r = [v * v for v in xs]
t = [v.label for v in xs]

# children
r = [v * 2 + a for v in xs]
print([[len(v._children), v._op, v._children[-1] is a] for v in r])

# prev
r = sum(w * x for w, x in zip(xs, ys))
print(len(r._prev) if xs else r, a in r._prev if xs else r)

# backward by hand
r = sum((w * x for w, x in zip(xs, ys)), a)
r.grad = 1.0
r._backward()
for v in r._children:
    v._backward()

# a closure
hits = []
for v in xs:
    v._backward = lambda v=v: hits.append(v.grad)
r = sum((v * v for v in xs), a)
r.backward()

# a dict of moments
m = {}
for i, p in enumerate(xs):
    m[i] = m.get(i, 0.0) + p.data
    p.data -= lr * m[i]
q = {}
for p in xs:
    q[p] = p.data

# an array of moments
m = np.zeros(n + 1)
for i, p in enumerate(xs):
    m[i] = 0.9 * m[i] + p.data
    p.data -= lr * m[i]
''')


# What is in a loop's body, and what a loop is in.
corners("bodies", r'''
# walrus
r = [(t := v * 2) + t for v in xs]
s = sum((u := v) * v for v in xs)
if (q := sum(xs)):
    print(q)

# walrus in a condition
r = [t for v in xs if (t := v * 2) is not a]

# walrus in a for
s = 0
for v in (ps := xs):
    s = s + (z := v * 2)

# yield
def f(xs):
    s = 0
    for v in xs:
        s = s + v
        x = yield s
        print(x)
    return s
g = f(xs)
r = [next(g, None), g.send('hello') if n > 1 else 0]

# yield of a sum
def f():
    for row in rows:
        yield sum(w * x for w, x in zip(row, xs))
r = list(f())
t = f()

# yield within a comprehension's neighbour
def f(xs):
    t = [v * 2 for v in (yield xs)]
    yield t
g = f(xs)
next(g)
r = g.send(ys)

# await
async def get(v):
    return v
async def f(xs):
    s = 0
    for v in xs:
        s = s + await get(v)
    t = [await get(v) * 2 for v in xs]
    return s, t, sum(v * v for v in xs)
try:
    f(xs).send(None)
except StopIteration as e:
    r = e.value

# async for
async def each(xs):
    for v in xs:
        yield v
async def f(xs):
    s = 0
    async for v in each(xs):
        s = s + v
    return s, [v * 2 async for v in each(xs)]
try:
    f(xs).send(None)
except StopIteration as e:
    r = e.value

# lambda
fs = [lambda: v * 2 for v in xs]
r = [f() for f in fs]
gs = []
for v in xs:
    gs.append(lambda: v * 2)
t = [g() for g in gs]

# lambda as a loop
f = lambda ps, x=xs: sum(w * u for w, u in zip(ps, x))
r = f(ys)

# nested function
s = 0
for v in xs:
    def f():
        return s + v
    s = f()

# nested function sees the variable
def f():
    s = 0
    def g():
        return s, v
    for v in xs:
        s = s + v
        print(g()[0])
    return g
r = f()

# nested class
for v in xs:
    class A:
        w = v * 2
r = [v * 3 for v in xs]

# del
s = 0
for v in xs:
    s = s + v
    del v

# del of an item
s = 0
for i in range(n):
    s = s + xs[0]
    del xs[0]

# break
s = 0
for v in xs:
    if v.data < 0:
        break
    s = s + v

# break at the end
s = 0
for v in xs:
    s = s + v
    break
else:
    print('else')

# continue
s = 0
for v in xs:
    if v.data < 0:
        continue
    s = s + v

# else
s = 0
for v in xs:
    s = s + v
else:
    s = s * 2
for p in xs:
    p.grad = 0
else:
    p = 3

# return
def f(xs):
    s = 0
    for v in xs:
        s = s + v
        if s.data < 0:
            return s, v
r = f(xs)

# return at the end
def f(xs):
    for v in xs:
        return v * 2
r = f(xs)

# try
s = 0
for v in xs:
    try:
        s = s + v.log()
    except ValueError as e:
        print(e)
    finally:
        s = s * 2

# finally
def f():
    s = 0
    for v in xs:
        try:
            s = s + v
        finally:
            continue
    return s
r = f()

# with
s = 0
for v in xs:
    with no_grad():
        s = s + v
r = s + a

# while
i, s = 0, a
while i < n:
    s = s + xs[i]
    i += 1

# print
s = 0
for v in xs:
    s = s + v
    print(s)
r = [print(v) for v in xs]

# pass
for v in xs:
    pass
for i, v in enumerate(xs):
    ...

# docstrings
def f(xs):
    'about f'
    return [v * 2 for v in xs]
r = f(xs)
print(f.__doc__, __doc__)

# conditional
r = [v * 2 if v.data > 0 else -v for v in xs]
s = 0
for v in xs:
    s = s + v if v.data > 0 else s - v

# condition
r = [v * 2 for v in xs if v.data > 0]
t = sum(v for v in xs if v)
s = [v for v in xs if v is not xs[0] if v.data]

# condition with effects
r = [v * 2 for v in xs if told(v).data > 0]

# and, or, not
r = [v and v * 2 for v in xs]
t = [v.data > 0 or v for v in xs]
s = [not v for v in xs]

# never reached
r = 0 and sum(told(v) for v in undefined)
t = a or [v for v in undefined]
s = 1 if a else sum(undefined)
f = lambda: [v for v in undefined]

# in an f-string
print(f'{sum(v.data for v in xs):.3f} {[v.data * 2 for v in xs]!r:>10}')

# in a call
print(len([v * 2 for v in xs]), *[v.data for v in xs], sep='; ')

# in a default
def f(x=[v * 2 for v in xs], *, y=sum(v * v for v in xs)):
    return x, y
r = f()

# in a decorator
def deco(x):
    return lambda f: (f, x)
@deco([v * 2 for v in xs])
def f(): pass

# in an assertion
assert sum(v * v for v in xs) is None, [v * 2 for v in xs]

# in a subscript
mom[len([v * 2 for v in xs])] = sum(v.data for v in xs)

# in a chain of assignments
r = t = [v * 2 for v in xs]
r.append(a)
s, u = sum(xs), [v * v for v in xs]
xs += [v * 2 for v in xs]

# in raise
raise ValueError([v.data for v in xs])

# in a match
match [v * 2 for v in xs]:
    case [first, *rest]:
        r = sum(rest)
    case _:
        r = None

# on several lines
r = [
    v
    * 2
    for v in
    xs
]
s = sum(
    w * undefined
    for w in xs
)

# on one line
s = 0; r = [v * 2 for v in xs]; t = sum(xs)
for v in xs: s = s + v; s = s * 2

# a set and a dict
r = {v.data for v in xs}
t = {i: v * 2 for i, v in enumerate(xs)}
s = {v: v.data for v in xs}

# a tuple
r = tuple(v * 2 for v in xs)
t = list(v * 2 for v in xs)
s = [(v, v * 2) for v in xs]

# any and all
r = any(v.data > 0 for v in xs)
t = all(v > 0 for v in xs)
s = sorted(v.data for v in xs)
u = ''.join(str(v.data) for v in xs)

# recursion
def f(ps):
    return a if not ps else sum([f(ps[1:]) * v for v in ps[:1]])
r = f(xs)

# recursion without end
def f(ps):
    return sum(f(ps) for v in ps)
try:
    f(xs)
except RecursionError as e:
    r = 1
    e = None

# a loop in a loop in a loop
r = [[sum(row[i] * other[i] for i in range(n)) for other in rows] for row in rows]

# the inner loop's list is the outer's variable
r = [[v * 2 for v in row] for row in rows]
t = [sum(row) for row in rows]

# the inner variable is the outer's
r = [sum(v * 2 for v in v) for v in rows]
t = [[i for i in range(i)] for i in range(n)]

# the same list inside and outside
r = [sum(v * w for w in xs) for v in xs]
t = [v * w for v in xs for w in xs]

# appends
r = []
for v in xs:
    r.append(v * 2)
r2 = []
for v in xs:
    r2.append(r2)
add = r.append
for v in xs:
    add(v)

# appends to the list itself
for v in xs[:]:
    xs.append(v * 2)

# an accumulator of a list
s = [0, a]
for v in xs:
    s[0] = s[0] + v
    s[1] += v

# an accumulator of an attribute
for v in xs:
    c.b = c.b + v
    c.total = v

# an accumulator of data
s = 0.0
for v in xs:
    s += v.data * v.grad
r = 0
for v in xs:
    r += v.data > 0

# an accumulator of text
s = ''
for v in xs:
    s = s + f'{v.data} '

# an accumulator of lists
s = []
for row in rows:
    s += row
t = []
for v in xs:
    t = t + [v * 2]

# two accumulators
s, t = a, 0
for v in xs:
    s = s + v * t
    t = t + s

# two accumulators, one list
s = t = xs[:]
for v in ys:
    s += [v]
    t = t + [v]

# an in-place operator of a list
s = t = []
for v in xs:
    s += [v]

# products
s = 1
for v in xs:
    s = s * v
t = a
for v in xs:
    t *= v

# powers
s = a
for v in xs:
    s = s ** 2
t = a
for v in xs:
    t **= 2

# annotated
s: Value = a
for v in xs:
    s: Value = s + v

# global variables of a loop
def f():
    global v
    for v in xs:
        pass
    return [w * 2 for w in xs]
r = f()
''')


# Ints, floats, zeros, nans, and arithmetic that raises, also in the middle of a loop that assigns.
corners("numbers", r'''
# no elements
r = [sum([]), sum(v for v in []), sum([], a), sum([], 0.0), [v for v in []]]
for v in []:
    a = v

# a negative zero minus the int 0
zs, ints = [-0.0, 0, 0.0, 3], [0, 0, -0.0, 0.5]
r = [x - y for x, y in zip(zs, ints)]
s = [x + y * 1 for x, y in zip(zs, ints)]
t = [-x for x in zs]

# max of nothing
r = max([v.data for v in xs], default=1)
t = max(v.data for v in [])

# max of equals
q = [0.0, -0.0, 0, False, True, 1, 1.0]
r = [max(q), min(q), max(q[::-1]), min(q[::-1]), max(x for x in q), min(x for x in q)]

# max of nan
q = [float('nan'), 1.0, 2.0]
r = [max(q), min(q), max(q[::-1]), min(q[::-1]), max(x for x in q)]

# max of Values
r = max(xs + [a])
t = min(v for v in xs + [a])
s = max(v * 2 for v in xs + [a])

# max of equal Values
q = [Value(1.0), Value(1), Value(True)]
r = max(q)
t = min(q)
print(r is q[0], t is q[0])

# max with a key
r = max(xs + [a], key=lambda v: -v.data)
t = max((v.data for v in xs), key=abs, default=None)
s = max(a, b)

# max of mixed
r = max([a, 1, 0.5])
t = max(v.data if v.data > 0 else v for v in xs + [a])

# ints as data
q = [Value(2), Value(3), Value(-1)]
r = [v * 2 for v in q]
t = sum(v * v for v in q)
s = sum(v / 2 for v in q)
u = [v ** -1 for v in q]

# ints and floats
q = [Value(2), Value(3.0), Value(-1)]
r = [v * v + 1 for v in q]
s = 0
for v in q:
    s = s + v
t = sum(q, 0.0)

# ints as gradients
q = [Value(2.0), Value(3.0)]
for p in q:
    p.grad = 2
for p in q:
    p.data -= p.grad
    p.grad = p.grad * 2

# int data is changed
q = [Value(2), Value(3)]
for p in q:
    p.data -= 1
for p in q:
    p.data = p.data - 0.5
for p in q:
    p.data *= 2

# zeros
for p in xs:
    p.grad = 0
for p in ys:
    p.grad = 0.0
for p in ws:
    p.grad = -0.0
for p in rows[0]:
    p.grad = False

# ints in moments
mom = [0] * (n + 1)
for i, p in enumerate(xs):
    mom[i] = mom[i] + 1
for i, p in enumerate(xs):
    mom[i] = 2 * mom[i] ** 3 // 2
    p.data -= mom[i]

# big ints
big = 10 ** 30
r = [v.data * big for v in xs]
t = [big - i for i in range(n)]
s = sum(i * big for i in range(n))

# big ints that lose digits
q = 2 ** 53 + 1
r = [i + q for i in range(n)]
t = sum(q for v in xs)
s = [(q + i) / 3 for i in range(n)]

# big ints as factors
r = [v * 2 ** 53 for v in xs]
t = [v * 2 ** 60 for v in xs]
s = [v * (2 ** 53 + 1) for v in xs]

# big ints in an update
lr = 10 ** 400
for p in xs:
    p.data -= lr * p.data

# ints that overflow floats
for i, p in enumerate(xs):
    mom[i] = 0.9 * mom[i] + 10 ** 308 * 10

# divisions of ints
r = [i / 3 for i in range(n)]
t = [7 // (i + 1) for i in range(n)]
s = [i % 3 - 7 % (i - 9) for i in range(n)]

# powers of ints
r = [2 ** i for i in range(n)]
t = [2 ** -i for i in range(n)]
s = [0 ** i for i in range(n)]
u = [0.9 ** (i + 1) for i in range(n)]

# powers that are nearly 0
r = [0.85 ** (500 * i + 4300 + i) for i in range(n)]
t = [(v * 0.85 ** 4400) ** 2 for v in xs]
u = [(v.data * 1e-170) ** 2 for v in xs]

# a power that is complex
r = [v.data ** 0.5 for v in xs]
for i, p in enumerate(xs):
    mom[i] = -1.0
    p.data -= lr / (mom[i] ** 0.5 + eps)

# a power that overflows
xs[-1:] = [Value(1e200)]
for i, p in enumerate(xs):
    mom[i] = 1.0
    mom[i] = mom[i] + p.data ** 2

# a root of what is negative
import math
xs[-1:] = [Value(-1.0)]
for i, p in enumerate(xs):
    mom[i] = abs(p.data)
    p.data -= math.sqrt(p.data ** 3)

# a division by zero
mom[:] = [1.0, 1.0, 0.0] * n
for i, p in enumerate(xs):
    vel[i] = 2.0
    p.data -= lr / mom[i]
    p.grad = 1.0

# a division by a zero from outside
lr = 0
for p in xs:
    p.grad = 5
    p.data = p.data / lr
r = 3

# a division of Values by zero
xs[1:2] = [Value(0.0)]
r = [a / v for v in xs]

# nan and inf
q = [Value(float('nan')), Value(float('inf')), Value(-0.0), Value(0.0)]
r = [v * 2 for v in q]
t = [v.relu() for v in q]
s = sum(v * v for v in q)
u = sum(q)

# nan in a clip
q = [Value(1.0), Value(2.0), Value(3.0)]
for p, g in zip(q, (float('nan'), 5.0, -0.0)):
    p.grad = g
for p in q:
    p.data -= max(-1.0, min(1.0, p.grad))
    p.grad = min(max(p.grad, -1.0), 1.0)

# clips to ints
for p in xs:
    p.grad = 5.0
for p in xs:
    p.grad = max(-1, min(1, p.grad))
r = [max(0, v.data) for v in xs]
t = [max(v.data, 0) for v in xs]

# abs of ints
r = [abs(i - 2) for i in range(n)]
t = [abs(v.data) for v in xs]
s = [abs(v) for v in xs]
u = [-abs(-0.0) for v in xs]

# relu of zeros
q = [Value(0.0), Value(-0.0), Value(0), Value(-1), Value(2)]
r = [v.relu() for v in q]
t = sum(v.relu() ** 2 for v in q)

# zero from an int and a float
r = [v * 0 for v in xs]
t = [v * 0.0 for v in xs]
s = [v + 0 for v in xs]
u = [0 - v for v in xs]
q = [v ** 0 for v in xs]

# starts
for start in (0, 0.0, -0.0, 1, True, 2 ** 53, 2 ** 60, a, Value(0), Value(0.0), Fraction(1, 2)):
    print(sum(xs, start), sum((v * v for v in xs), start))

# a start by name
r = sum(xs, start=a)
t = sum((v * v for v in xs), start=0.0)
s = sum([v * v for v in xs], start=b)

# a start of text
r = sum(['x'], 'y')

# a start of lists
r = sum([[v] for v in xs], [])
t = sum(xs, [])

# starts of a for
for start in (0, 0.0, 1, True, a, None):
    s = start
    for v in xs:
        s = s + v * 2
    print(s)

# the other way round
s = a
for v in xs:
    s = v + s
t = 0
for v in xs:
    t = v * v + t
u = a
for v in xs:
    u = v - u

# differences
s = a
for v in xs:
    s -= v * v
t = 0
for v in xs:
    t = t - v
u = sum(-v for v in xs)

# squares
r = [v ** 2 for v in xs]
t = [v * v for v in xs]
s = [v ** 2.0 for v in xs]
u = [pow(v, 2) for v in xs]
q = [v ** k for v in xs]

# exponents of Values
r = [a ** v for v in xs[:0]]
q = [Value(2.0), Value(0.5)]
t = [v ** w for v, w in zip(q, q)]
s = [2 ** v for v in q]

# a negative base
xs[-1:] = [Value(-2.0)]
r = [v ** 0.5 for v in xs]

# a factor of an array
q = np.float64(0.5)
r = [v * q for v in xs]
t = [q * v for v in xs]
for p in xs:
    p.data -= q * p.data
lr = np.float32(0.1)
for p in xs:
    p.data -= lr

# a factor that is a Fraction
q = Fraction(1, 3)
r = [v.data * q for v in xs]
t = [v * q for v in xs]
s = [q * v for v in xs]

# a factor that is a bool
r = [v * True for v in xs]
t = [v * (v.data > 0) for v in xs]
s = sum(v.data > 0 for v in xs)

# a factor that is a list
r = [v * [1] for v in xs]

# a factor that is text
r = [v * 2 + 'x' for v in xs]

# a learning rate that is a Value
lr = Value(0.1)
for p in xs:
    p.data -= lr * p.data

# a learning rate that becomes one
for p in xs:
    p.data -= lr * 2
    lr = lr * 0.5

# numbers in the list
q = [0.5, 2, *xs, True]
r = [v * 2 for v in q]
t = sum(v * w for v, w in zip(q, q))
s = sum(q)
u = max(q)

# numbers alone
q = [0.5, 2.5, -1.0]
r = [v * 2 for v in q]
t = sum(v * v for v in q)
s = 0
for v in q:
    s = s + v * 3
u = sum(q) / len(q)

# sums of floats
q = [0.1] * 10 + [1e16, 1.0, -1e16]
r = sum(q)
t = sum(v for v in q)
s = sum(q, 0.5)
u = sum([True, 2, 0.5])

# sums of ints
r = sum(range(n))
t = sum(i * i for i in range(n))
s = sum(i for i in range(n)) / 2
u = sum(1 for v in xs)

# log of zero
xs[-1:] = [Value(0.0)]
r = [(v * v).log() for v in xs]

# log of a negative number, in a for
xs[:1] = [Value(2.0)]
xs[1:2] = [Value(-2.0)]
s = 0
for v in xs:
    s = s + v.log()

# exp of a thousand
xs[2:3] = [Value(1000.0)]
s = 0
for v in xs:
    s = s + v.exp()

# exp of a thousand in a sum
xs[2:3] = [Value(1000.0)]
r = sum(v.exp() for v in xs)

# a method of nobody
r = [v.nothing() for v in xs]

# a method with arguments
r = [v.relu(1) for v in xs]

# a method that isn't called
r = [v.relu for v in xs[:0]]
t = [(v.data, v.grad) for v in xs]
s = [type(v).__name__ for v in xs]

# an update with text
for p in xs:
    p.grad = 1.5
    p.data = 'x'

# an update with an int that is too big
for p in xs:
    p.grad = 1.5
    p.data = 2 ** 53 + 1

# an update with None
for i, p in enumerate(xs):
    mom[i] = 1.0
    p.data -= None

# moments are too short
mom = mom[:2]
for i, p in enumerate(xs):
    p.grad = 2.0
    mom[i] = 0.9 * mom[i] + p.grad
    p.data -= lr * mom[i]

# moments have text
mom[1] = 'x'
for i, p in enumerate(xs):
    vel[i] = 1.0
    mom[i] = 0.9 * mom[i] + p.data

# moments are a tuple
mom = tuple(mom)
for i, p in enumerate(xs):
    p.grad = 1.0
    mom[i] = 1.0

# moments are Values
mom = [Value(0.5)] * (n + 1)
for i, p in enumerate(xs):
    mom[i] = 0.9 * mom[i] + p.data

# moments are Values that are kept
mom = ys + [a]
for i, p in enumerate(xs):
    mom[i].data = 0.9 * mom[i].data + p.data

# gradients of leaves
r = sum((w * x + w for w, x in zip(xs, ys)), a)
r.backward()
r.backward()
for p in xs:
    p.data -= lr * p.grad
t = sum((w * x + w for w, x in zip(xs, ys)), a)
t.backward()

# data changes before backward
r = sum((w * x for w, x in zip(xs, ys)), a)
for p in xs:
    p.data = 7.0
r.backward()
''')


# The same Value twice, two names for one list, and what else makes the order of assignments matter.
corners("aliases", r'''
# the same parameter twice
q = [*xs, *xs]
for p in q:
    p.data -= lr * p.data
for i, p in enumerate([a, a, b]):
    p.data = p.data * 0.5

# the same parameter twice, moments
q = [a, b, a]
m = [0.0, 0.0, 0.0]
for i, p in enumerate(q):
    m[i] = 0.9 * m[i] + p.data
    p.data -= lr * m[i]
    p.grad = m[i]

# the same parameter twice, attributes
q = [a, b, a]
for p in q:
    p.m = 1.0
for p in q:
    p.m = 0.9 * p.m + p.data
    p.data -= lr * p.m

# two names for the moments
vel = mom
for i, p in enumerate(xs):
    mom[i] = 0.9 * mom[i] + p.data
    vel[i] = 0.5 * vel[i] + 1
    p.data -= mom[i] / (vel[i] + 1)

# two attributes for the moments
c.v = c.m
for i, p in enumerate(xs):
    c.m[i] = 0.9 * c.m[i] + p.data
    c.v[i] = 0.5 * c.v[i] + 1
    p.data -= c.m[i] / (c.v[i] + 1)

# a neighbour's moment
mom[:] = [1.0, 2.0, 3.0] * n
for i, p in enumerate(xs):
    mom[i] = mom[i - 1] + mom[-1]
    p.data -= mom[i + 1]

# one moment for all
for i, p in enumerate(xs):
    mom[0] = 0.9 * mom[0] + p.data
    p.data -= lr * mom[0]

# a neighbour's data
for i in range(1, n):
    xs[i].data = xs[i - 1].data * 0.5
for p, q in zip(xs, xs[1:]):
    q.data -= p.data

# a parameter from outside
xs.append(a)
for p in xs:
    p.data -= a.data * 0.5

# a parameter from outside as gradient
for p in xs:
    p.data -= lr * xs[0].data
    p.grad = xs[-1].data

# the learning rate is a parameter's data
for p in xs:
    a.data = a.data * 0.5
    p.data -= a.data

# two lists of the same
for p, q in zip(xs, xs):
    p.data -= 0.1
    q.data = q.data * 2
    p.grad = q.data

# two lists of the same, shifted
for p, q in zip(xs, [*xs[1:], a]):
    p.grad = q.data
    q.data -= 0.25

# moments and parameters are one list
for i, p in enumerate(xs):
    xs[i] = p * 2
    p.data -= 1

# the moments are the list of the loop
for i, x in enumerate(mom):
    mom[i] = x + 1.0
for i, x in enumerate(mom):
    mom[-1 - i] = x + i

# rows that are one list
rows[-1] = rows[0]
for row in rows:
    for p in row:
        p.data -= 0.5
r = [sum(w * x for w, x in zip(row, xs)) for row in rows]

# rows that share Values
rows = [xs, xs[::-1], xs]
r = [sum(w * x for w, x in zip(row, xs)) for row in rows]
s = sum(r, a)
s.backward()

# a row is the input
r = [sum(w * x for w, x in zip(row, rows[0])) for row in rows]
s = sum(r, a)
s.backward()

# a Value in both lists
q = [a, b, a]
r = sum(v * w for v, w in zip(q, [b, a, a]))
r.backward()

# the start is in the list
r = sum(v * a for v in [a, a])
t = sum([a, a], a)
t.backward()

# identity
r = [v for v in xs]
print(all(v is w for v, w in zip(r, xs)), r is xs, xs[:] is xs)
t = [v for v in r if v in xs]
u = [+v for v in xs]

# one constant
r = [v + 1 for v in xs]
print(len({id(v._children[1]) for v in r}))

# references
def f(xs):
    r = [v * 2 for v in xs]
    s = sum(r)
    for v in xs:
        s = s + v
    return s
f(xs)
print([sys.getrefcount(v) for v in xs], sys.getrefcount(xs))
''')


# Elements of other classes, and classes that are changed.
corners("classes", r'''
# a subclass
xs = [Sub(v.data) for v in xs]
r = [v * 2 for v in xs]
t = sum(v * w for v, w in zip(xs, ys))
for p in xs:
    p.data -= lr * p.grad
    p.grad = 0

# a subclass within
xs[1:2] = [Sub(0.5)]
r = [v * 2 for v in xs]
t = sum((v * w for v, w in zip(xs, ys)), a)
s = a
for v in xs:
    s = s + v

# a subclass from outside
q = Sub(2.0)
r = [v * q for v in xs]
t = sum((v * v for v in xs), q)
s = q
for v in xs:
    s = s + v

# operators of the author's own
xs[1:2] = [Own(0.5)]
r = [v * 2 for v in xs]
t = sum(v * w for v, w in zip(xs, ys))
s = [v.relu() for v in xs]

# reflected operators
q = Own(0.5)
r = [v * q for v in xs]
t = [2 * v for v in [q, q]]

# a property of the author's own
xs[1:2] = [Lazy(0.5)]
r = [v.data * 2 for v in xs]
for p in xs:
    p.data -= 0.5
t = max(v.data for v in xs)

# a class that isn't Value's
q = [Plain(0.5), Plain(1.5)]
r = [v * 2 for v in q]
t = sum(v * v for v in q)
for p in q:
    p.data -= lr * p.grad
    p.grad = 0

# a class that isn't Value's, within
xs[1:2] = [Plain(0.5)]
r = [v * 2 for v in xs]
t = sum(w * x for w, x in zip(xs, ys))

# a class that isn't Value's, parameters
xs[1:2] = [Plain(0.5)]
for i, p in enumerate(xs):
    mom[i] = 0.9 * mom[i] + p.grad
    p.data -= lr * mom[i]
    p.grad = 0

# Value has another name
V = Value
q = [V(1.0), V(2.0)]
Value = None
r = [v * 2 for v in q]

# Value is a subclass
Value = Sub
q = [Value(1.0), Value(2.0)]
r = [v * 2 for v in q]
t = sum(v * v for v in q)

# an operator is assigned
class M(Value):
    pass
q = [M(1.0), M(2.0), M(3.0)]
r = [v * 2 for v in q]
M.__mul__ = lambda v, w: print('*') or 5.0
t = [v * 2 for v in q]
del M.__mul__
s = [v * 2 for v in q]

# an operator is assigned to Value
old = Value.__mul__
r = [v * 2 for v in xs]
Value.__mul__ = lambda v, w: print('*') or old(v, w)
try:
    t = [v * 2 for v in xs]
    s = sum(v * w for v, w in zip(xs, ys))
finally:
    Value.__mul__ = old
s2 = [v * 2 for v in xs]
old = None

# a method is assigned to Value
old = Value.relu
Value.relu = lambda v: print('relu') or old(v)
try:
    t = [v.relu() for v in xs]
finally:
    Value.relu = old
r = [v.relu() for v in xs]
old = None

# a property is assigned to Value
old = vars(Value).get('data')
if old:
    Value.data = property(lambda v: print('data') or old.__get__(v), lambda v, x: old.__set__(v, x))
    try:
        t = [v.data * 2 for v in xs]
        for p in xs:
            p.data -= 0.5
    finally:
        Value.data = old
old = None

# a method of an instance
for v in xs:
    v.relu2 = lambda: 3
r = [v.relu2() for v in xs]

# a new method
Value.double = lambda v: v + v
try:
    r = [v.double() for v in xs]
finally:
    del Value.double

# __del__
class D(Value):
    def __del__(self):
        print('gone')
s = 0
for v in [D(1.0), D(2.0)]:
    s = v.data
del v
r = [v.data for v in [D(1.0), D(2.0)]]

# __eq__ and __hash__
class E(Value):
    __eq__ = lambda v, w: print('==') or True
    __hash__ = lambda v: 1
q = [E(1.0), E(2.0)]
r = [v * 2 for v in q]
t = [v for v in q if v in q]
''')


# no_grad, anomaly mode, trace functions, threads.
corners("modes", r'''
# no_grad
with no_grad():
    r = sum(w * x for w, x in zip(xs, ys))
    t = [v * 2 for v in xs]
    s = a
    for v in xs:
        s = s + v * v
    u = [sum(w * x for w, x in zip(row, xs)) for row in rows]
q = sum(w * x for w, x in zip(xs, ys))

# no_grad and errors
xs[-1:] = [Value(0.0)]
with no_grad():
    r = [v ** -1 for v in xs]

# no_grad, roots of zero
xs[-1:] = [Value(0.0)]
with no_grad():
    r = [v.sqrt() for v in xs if v.data >= 0]
t = [v.sqrt() for v in xs if v.data >= 0]

# no_grad as a decorator
@no_grad()
def f():
    return sum((w * x for w, x in zip(xs, ys)), a)
r = f()
@no_grad()
def g():
    for v in xs:
        yield v * 2
t = [v + w for v, w in zip(g(), xs)]

# no_grad by an iterable's effect
def f(xs):
    block.__enter__()
    return xs
block = no_grad()
r = sum(v * v for v in f(xs))
block.__exit__(None, None, None)
t = sum(v * v for v in xs)

# no_grad in a loop
s = a
for v in xs:
    with no_grad():
        s = s + v
    s = s + v

# anomaly mode
with fastgrad.detect_anomaly():
    r = sum((w * x for w, x in zip(xs, ys)), a)
    t = [v * 2 for v in xs]
    s = a
    for v in xs:
        s = s + v
    s.backward()

# anomaly mode finds
xs[-1:] = [Value(1e200)]
with fastgrad.detect_anomaly():
    s = 0
    for v in xs:
        s = s + (v * v) * (v * v)
    s.backward()

# a trace function
events = []
def trace(frame, event, arg):
    if frame.f_code.co_filename == '<program>':
        events.append((event, frame.f_lineno, frame.f_code.co_name))
    return trace
def f():
    s = 0
    for v in xs:
        s = s + v
    r = [v * 2 for v in xs]
    t = sum(v * v for v in xs)
    for p in xs:
        p.data -= 1
        p.grad = 0
    return s
sys.settrace(trace)
f()
sys.settrace(None)

# a trace function that sees variables
seen = []
def trace(frame, event, arg):
    if frame.f_code.co_name == 'f' and event == 'line':
        seen.append({k: x for k, x in frame.f_locals.items() if k in 'si'})
    return trace
def f():
    s = 0
    for i in range(n):
        s = s + xs[i]
    return s
sys.settrace(trace)
f()
sys.settrace(None)

# a trace function set by the body
events = []
def trace(frame, event, arg):
    events.append((event, frame.f_lineno))
    return trace
def g(v):
    sys.settrace(trace)
    return v
def f():
    r = [g(v) * 2 for v in xs]
    for v in xs:
        v.grad = 0
    return r
f()
sys.settrace(None)

# a profile function
events = []
def profile(frame, event, arg):
    if frame.f_code.co_filename == '<program>' and event in ('call', 'return'):
        events.append((event, frame.f_code.co_name))
def f():
    s = 0
    for v in xs:
        s = s + v
    r = [v * 2 for v in xs]
    t = sum(v * v for v in xs)
    return s
sys.setprofile(profile)
f()
sys.setprofile(None)

# a profile function that sees C's functions
events = []
def profile(frame, event, arg):
    if frame.f_code.co_filename == '<program>' and event == 'c_call':
        if not str(arg.__module__).startswith('fastgrad.loops'):
            events.append(arg.__name__)
def f():
    t = sum(v * v for v in xs)
    r = [v.relu() for v in xs]
    return max(v.data for v in xs + [a])
sys.setprofile(profile)
f()
sys.setprofile(None)

# backward between
for step in range(3):
    loss = sum((w * x for w, x in zip(xs, ys)), a)
    loss.backward()
    for p in xs:
        p.data -= lr * p.grad
        p.grad = 0

# copies
import copy, pickle
r = sum((w * x for w, x in zip(xs, ys)), a)
t = copy.deepcopy(r)
s = pickle.loads(pickle.dumps(r))

# threads
import threading
out = {}
def work(j):
    q = [Value(0.25 * i + j) for i in range(50)]
    for again in range(5):
        s = sum(v * v for v in q)
        s.backward()
        for p in q:
            p.data -= 0.01 * p.grad
            p.grad = 0
    out[j] = [p.data for p in q]
threads = [threading.Thread(target=work, args=(j,)) for j in range(4)]
r = [t.start() for t in threads]
r = [t.join() for t in threads]
r = [out[j] for j in range(4)]

# the collector
import gc
old = gc.get_threshold()
gc.set_threshold(1)
r = [v * 2 for v in xs]
t = sum(w * x for w, x in zip(xs, ys))
for p in xs:
    p.m = p.data
gc.set_threshold(*old)

# exceptions that are handled
try:
    1 / 0
except ZeroDivisionError:
    r = [v * 2 for v in xs]
    print(sys.exc_info()[0])
    t = sum(undefined for v in xs)

# an exception in an iterable
def f():
    yield from xs
    raise KeyError('over')
s = 0
for v in f():
    s = s + v

# StopIteration in the body
r = [next(iter([])) for v in xs]
t = sum(next(iter([])) for v in xs)

# a generator that is closed
g = gen(xs)
for v in g:
    break
del g
''')
