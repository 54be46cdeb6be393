"""Promise: numbers of many Values go in and out at once, as if one by one, all of them or none."""
import math
from array import array

import numpy as np
import pytest

import fastgrad
from fastgrad import get_data, get_grad, set_data, set_grad


def shown(values, attribute):
    return [repr(getattr(p, attribute)) for p in values]


@pytest.mark.parametrize("get, set_, name", [(get_data, set_data, "data"), (get_grad, set_grad, "grad")])
def test_in_and_out(Value, get, set_, name):
    numbers = [0.1, -0.0, math.inf, -math.inf, math.nan, 5e-324, 3.0]
    values = [Value(1) for _ in numbers]
    for given in (numbers, tuple(numbers), array("d", numbers), np.array(numbers), memoryview(array("d", numbers)),
                  np.repeat(np.array(numbers), 2)[::2], iter(numbers), (Value(x) for x in numbers)):
        set_(values, [0] * 7)
        assert shown(values, name) == ["0"] * 7
        set_(iter(values), given)
        assert shown(values, name) == list(map(repr, numbers))
        out = get(values)
        assert type(out) is array and out.typecode == "d" and out.tobytes() == array("d", numbers).tobytes()
    set_(values[:4], [1, True, np.int64(3), np.float32(0.5)])
    assert shown(values[:4], name) == ["1", "1", "3", "0.5"] and get(values[:2]).tolist() == [1.0, 1.0]
    set_(values, np.zeros(7, dtype=np.float32))
    set_(values, np.arange(7))
    assert shown(values, name) == [str(i) for i in range(7)]
    set_([values[0], values[0]], [1.0, 2.0])
    assert getattr(values[0], name) == 2.0
    assert get([]) == array("d") and set_([], []) is None


def test_results_are_computed_with_what_was_set(Value):
    w, x = [Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]
    for numbers in ([5.0, 6.0], [7.0, 8.0]):
        set_data(w, array("d", numbers))
        assert fastgrad.functional.dot(w, x).data == numbers[0] * 3 + numbers[1] * 4
    inner = w[0] * 2
    set_grad([inner], [3.0])
    assert inner.grad == 3.0 and get_data([inner])[0] == 14.0


@pytest.mark.parametrize("set_, name", [(set_data, "data"), (set_grad, "grad")])
def test_bad_numbers_change_nothing(Value, set_, name):
    values = [Value(1.0), Value(2), Value(3.0)]
    before = shown(values, name)
    for numbers, error, problem in [
        ([1.0, 2.0], ValueError, "there are 2 numbers for 3 parameters"),
        (array("d", [1.0] * 4), ValueError, "there are 4 numbers for 3 parameters"),
        ([9.0, 9.0, "x"], TypeError, "number 2 is 'str'"), ([9.0, None, 9.0], TypeError, "number 1 is 'NoneType'"),
        ([9.0, 9.0, 1j], TypeError, "number 2 is 'complex'"),
        ([9.0, 9, 2 ** 53 + 1], OverflowError, "int 9007199254740993"),
        (9.0, TypeError, "numbers must be a buffer of doubles or a sequence of numbers, not 'float'"),
        ("123", TypeError, "not 'str'"), (b"123", TypeError, "not 'bytes'"), (bytes(24), TypeError, "not 'bytes'"),
        (np.ones((3, 1)), TypeError, "numbers must have one dimension, not 2"), (Value(1.0), TypeError, "not 'Value'"),
        (np.array([1, 2, 3j]), TypeError, "number 0 is 'complex'"),
    ]:
        with pytest.raises(error, match=problem):
            set_(values, numbers)
        assert shown(values, name) == before
    for params, problem in [(values[0], "not 'Value'"), (3, "not 'int'"),
                            ([values[0], 1.0], "parameter 1 must be a Value")]:
        with pytest.raises(TypeError, match=problem):
            set_(params, [1.0, 2.0])
        with pytest.raises(TypeError, match=problem):
            get_data(params)


def test_a_property_of_ones_own(Value):
    class Bounded(Value):
        @property
        def data(self):
            return Value.data.__get__(self)

        @data.setter
        def data(self, x):
            if x > 10:
                raise ValueError("too large")
            Value.data.__set__(self, x + 0.5)

    values = [Value(1.0), Bounded(2.0)]
    set_data(values, [3.0, 4.0])
    assert get_data(values).tolist() == [3.0, 4.5]
    with pytest.raises(ValueError, match="too large"):
        set_data([*values, Value(1.0)], [5.0, 11.0, 6.0])
    assert values[0].data == 3.0
