"""Promise: schedules change the rate of an optimiser as torch's do (test_torch.py compares the numbers), go on from a
saved state to the bit, and say what is wrong."""
import json

import pytest

from fastgrad import Value
from fastgrad.optim import SGD, Adam, lr_scheduler
from fastgrad.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LinearLR, LRScheduler, StepLR

MAKERS = [lambda o: StepLR(o, 3), lambda o: CosineAnnealingLR(o, 7, 0.01), lambda o: LinearLR(o, 0.25, total_iters=9),
          lambda o: LambdaLR(o, lambda step: 1 / (1 + step))]


def optimizer_of(n=2, **settings):
    return SGD([Value(float(i)) for i in range(n)], **{"lr": 0.1, **settings})


def test_a_rate_below_0_by_rounding():
    """A cosine that ends at 0 may end below it."""
    optimizer = optimizer_of()
    for rate in (-2.8e-17, -1e-12):
        optimizer.lr = rate
        assert optimizer.lr == rate
        LambdaLR(optimizer_of(), lambda step: rate)
    p, = optimizer_of(1).param_groups[0]["params"]
    falling = SGD([p], 0.1)
    falling.lr, p.grad, p.data = -2.8e-17, 1.0, 0.0
    falling.step()
    assert p.data == 2.8e-17
    state = falling.state_dict()
    falling.load_state_dict(state)
    assert falling.lr == -2.8e-17
    with pytest.raises(ValueError, match="lr must be at least 0, not -2.8e-17"):
        SGD([p], -2.8e-17)      # nobody begins with one
    with pytest.raises(ValueError, match="lr must be at least 0, not -1e-11"):
        optimizer.lr = -1e-11


@pytest.mark.parametrize("make", MAKERS)
def test_a_run_goes_on_to_the_bit(make):
    def rates(optimizer, scheduler, n):
        out = []
        for _ in range(n):
            out.append(repr(optimizer.lr))
            optimizer.step()
            scheduler.step()
        return out

    optimizer = optimizer_of()
    scheduler = make(optimizer)
    rates(optimizer, scheduler, 5)
    saved = json.loads(json.dumps([optimizer.state_dict(), scheduler.state_dict()]))
    expected = rates(optimizer, scheduler, 20)
    other = optimizer_of(lr=7)
    its = make(other)
    other.load_state_dict(saved[0])
    its.load_state_dict(saved[1])
    assert its.get_last_lr() == [other.lr] == [float(expected[0])]
    assert rates(other, its, 20) == expected


def test_two_schedules_multiply():
    optimizer = optimizer_of()
    both = [LinearLR(optimizer, 0.5, 1.0, 4), StepLR(optimizer, 2, 0.1)]
    seen = []
    for _ in range(6):
        seen.append(optimizer.lr)
        for scheduler in both:
            scheduler.step()
    assert seen == pytest.approx([0.05, 0.0625, 0.0075, 0.00875, 0.001, 0.001], rel=1e-12)


def test_going_on_by_last_epoch():
    optimizer = optimizer_of()
    with pytest.raises(ValueError, match="group 0 of the optimizer has no 'initial_lr'"):
        StepLR(optimizer, 3, last_epoch=4)
    scheduler = StepLR(optimizer, 3)
    for _ in range(4):
        scheduler.step()
    other = SGD([{"params": [Value(1.0)], "initial_lr": 0.1}], lr=optimizer.lr)
    its = StepLR(other, 3, last_epoch=3)
    assert its.last_epoch == 4 and its.base_lrs == [0.1] and other.lr == optimizer.lr
    for _ in range(5):
        scheduler.step()
        its.step()
        assert other.lr == optimizer.lr


def test_one_s_own_schedule():
    class Halving(LRScheduler):
        def get_lr(self):
            return [base * 0.5 ** self.last_epoch for base in self.base_lrs]

    optimizer = Adam([{"params": [Value(1.0)]}, {"params": [Value(2.0)], "lr": 1}], lr=0.5)
    scheduler = Halving(optimizer)
    scheduler.step()
    assert scheduler.get_last_lr() == [0.25, 0.5] == [group["lr"] for group in optimizer.param_groups]


def test_what_is_wrong_is_said():
    optimizer = optimizer_of()
    for make, error, problem in [
        (lambda: StepLR([Value(1.0)], 3), TypeError, "optimizer must be an Optimizer, not 'list'"),
        (lambda: LambdaLR(None, len), TypeError, "optimizer must be an Optimizer, not 'NoneType'"),
        (lambda: StepLR(optimizer, 0), ValueError, "step_size must be at least 1, not 0"),
        (lambda: StepLR(optimizer, 2.5), TypeError, "step_size must be an int, not 'float'"),
        (lambda: StepLR(optimizer, 2, -1), ValueError, "gamma must be at least 0"),
        (lambda: CosineAnnealingLR(optimizer, 0), ValueError, "T_max must be at least 1"),
        (lambda: CosineAnnealingLR(optimizer, 5, "0"), TypeError, "eta_min must be a number"),
        (lambda: LinearLR(optimizer, 0), ValueError, "start_factor must be above 0"),
        (lambda: LinearLR(optimizer, 1.5), ValueError, "start_factor must be at most 1, not 1.5"),
        (lambda: LinearLR(optimizer, 1, 2), ValueError, "end_factor must be at most 1, not 2"),
        (lambda: LambdaLR(optimizer, 0.5), TypeError, "lr_lambda must be a function, not 'float'"),
        (lambda: LambdaLR(optimizer, [abs, abs]), ValueError, "lr_lambda has 2 functions, and there are 1 groups"),
        (lambda: StepLR(optimizer, 2, last_epoch=-2), ValueError, "last_epoch must be at least -1"),
        (lambda: lr_scheduler.LRScheduler(optimizer), NotImplementedError, "LRScheduler has no get_lr"),
    ]:
        with pytest.raises(error, match=f"^{problem}"):
            make()
        assert optimizer.lr == 0.1
    falling = LambdaLR(optimizer, lambda step: 1 - step)
    falling.step()
    for _ in range(2):
        with pytest.raises(ValueError, match="^lr must be at least 0, not -0.1$"):
            falling.step()
        assert (falling.last_epoch, optimizer.lr) == (1, 0.0)


def test_bad_states():
    scheduler = StepLR(optimizer_of(), 3)
    state = scheduler.state_dict()
    for bad, error, problem in [
        (None, TypeError, "state_dict must be a dict"), ({}, ValueError, "state_dict has no 'step_size'"),
        ({**state, "T_max": 3}, ValueError, "state_dict has 'T_max', which StepLR doesn't know"),
        ({**state, "base_lrs": [0.1, 0.2]}, ValueError, "base_lrs must be a list of 1 numbers"),
        ({**state, "gamma": "x"}, TypeError, "gamma must be a finite number"),
    ]:
        with pytest.raises(error, match=f"^{problem}"):
            scheduler.load_state_dict(bad)
        assert scheduler.state_dict() == state
