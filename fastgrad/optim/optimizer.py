"""What all optimisers share: groups of parameters with settings of their own, steps, and the state that is saved.

Numbers that an optimiser remembers of each parameter are in arrays, one for each name in torch's state. A step takes
the groups in turn; if several may raise, what those before have changed is taken back.
"""
import operator
from array import array
from collections.abc import Mapping, MutableMapping

from fastgrad.optim import checks
from fastgrad.value.arguments import is_number
from fastgrad.value.public import public


@public
class Setting:
    """An attribute of an optimiser that each of its groups has. Assigning x gives all groups what check(name, x)
    returns, or raises what it raises. Reading it raises ValueError if groups have different ones."""

    def __init__(self, check=checks.number):
        self.check = check

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, optimizer, owner=None):
        if optimizer is None:
            return self
        first, *rest = [group[self.name] for group in optimizer.param_groups]
        if any(x != first for x in rest):
            raise ValueError(f"the groups have different settings of {self.name}: see param_groups")
        return first

    def __set__(self, optimizer, x):
        x = self.check(self.name, x)
        for group in optimizer.param_groups:
            group[self.name] = x


@public
class ParamGroup(MutableMapping):
    """Parameters of an optimiser, their settings, and what it remembers of them; to users a dict, as in torch.

    `group["params"]` is a tuple of Values. A setting can be assigned, which checks it. Other names are the user's.
    """

    def __init__(self, kind, params, settings):
        self.kind, self.params, self.settings = kind, params, settings
        self.steps, self.started = 0, False
        self.memory = {name: self.zeros() for name in kind._arrays}

    def zeros(self):
        return array("d", [0.0]) * len(self.params.values)

    def late(self, name, is_needed):
        """The array of a name that isn't remembered before the first step that needs it; None if this one doesn't."""
        return self.memory.get(name) or self.zeros() if is_needed else None

    def remember(self, **arrays):
        """Keep arrays that late() has made, when the step has been taken."""
        self.memory.update({name: memory for name, memory in arrays.items() if memory is not None})

    def __getitem__(self, name):
        return self.params.values if name == "params" else self.settings[name]

    def __setitem__(self, name, x):
        if name == "params":
            raise TypeError("the parameters of a group can't be exchanged; add_param_group() adds some")
        self.settings[name] = getattr(self.kind, name).check(name, x) if name in self.kind._settings else x

    def __delitem__(self, name):
        if name == "params" or name in self.kind._settings:
            raise TypeError(f"{name!r} of a group can't be deleted")
        del self.settings[name]

    def __iter__(self):
        return iter(("params", *self.settings))

    def __len__(self):
        return 1 + len(self.settings)

    def __repr__(self):
        return f"ParamGroup({len(self.params.values)} parameters, {self.settings})"

    def state(self):
        names = [*self.kind._settings, *(["initial_lr"] if "initial_lr" in self.settings else [])]
        state = {**{name: self.settings[name] for name in names}, "step": self.steps}
        if self.kind._has_start:
            state["started"] = self.started
        return {**state, **{name: memory.tolist() for name, memory in self.memory.items()}}

    def checked(self, state):
        """What state() has returned, checked: what `load` takes. Raises TypeError or ValueError."""
        kind = self.kind
        needed = [*kind._settings, "step", *kind._arrays]
        known = {*needed, *kind._late_arrays, "initial_lr", *(["started"] if kind._has_start else [])}
        for name in needed:
            if name not in state and name not in kind._newer:
                raise ValueError(f"state_dict has no {name!r}, which {kind.__name__} needs")
        for name in state:
            if name not in known:
                raise ValueError(f"state_dict has {name!r}, which {kind.__name__} doesn't know")
        settings = {name: getattr(kind, name).check(name, state.get(name, False)) for name in kind._settings}
        if "initial_lr" in state:
            settings["initial_lr"] = checks.number("initial_lr", state["initial_lr"])
        kind._check_settings(settings)
        try:
            steps = operator.index(state["step"])
        except TypeError:
            raise TypeError(f"step must be an int, not {type(state['step']).__name__!r}") from None
        if not 0 <= steps < 2 ** 53:
            raise ValueError(f"step must be at least 0 and less than 2**53, not {steps}")
        started = checks.flag("started", state.get("started", steps > 0))
        memory = {name: self.doubles(name, state[name]) for name in (*kind._arrays, *kind._late_arrays)
                  if name in state}
        return settings, steps, started, memory

    def load(self, checked):
        settings, self.steps, self.started, self.memory = checked
        self.settings.update(settings)

    def doubles(self, name, numbers):
        """A list of a state_dict as an array of doubles. Raises TypeError or ValueError."""
        try:
            numbers = list(numbers)
            if not set(map(type, numbers)) <= {float, int}:
                for x in numbers:
                    if not is_number(x):        # array("d", ...) would accept NumPy's text and complex numbers
                        raise TypeError(f"{x!r} is none")
            memory = array("d", numbers)
        except (TypeError, OverflowError) as error:
            raise TypeError(f"{name} must be a list of numbers: {error}") from None
        n = len(self.params.values)
        if len(memory) != n:
            raise ValueError(f"{name} has {len(memory)} numbers, and there are {n} parameters")
        if name in self.kind._squares and min(memory) < 0:
            raise ValueError(f"{name} are means of squares, and {min(memory)} is negative")
        return memory


@public
class Optimizer:
    """The base class of optimisers.

    params: an iterable of Values, all leaves and different; or of dicts, the groups, each with such `params` and with
    those settings that aren't the optimiser's. `param_groups` is the list of groups, one in the first case.
    """

    _settings = ()          # names, each of them a Setting
    _arrays = ()            # what is remembered from the start,
    _late_arrays = ()       # and from the first step on that needs it
    _squares = ()           # which of these are never negative
    _newer = ("maximize",)      # settings that a state of 0.1 doesn't have
    _has_start = False      # whether the first step is another one; see SGD
    lr = Setting(checks.rate)
    weight_decay = Setting()
    maximize = Setting(checks.flag)

    def __init__(self, params, **settings):
        self.defaults = self._checked_settings(settings)
        self.param_groups = []
        params = self._groups_in(params)
        for group in params if type(params) is list and params and isinstance(params[0], Mapping) else [params]:
            self._add(group if isinstance(group, Mapping) else {"params": group})

    def _groups_in(self, params):
        """params as a list, if the first is a dict; else as it is."""
        if hasattr(type(params), "__iter__") and not hasattr(params, "looked_through"):
            params = list(params)
            for i, group in enumerate(params):
                if isinstance(params[0], Mapping) and not isinstance(group, Mapping):
                    raise TypeError(f"group {i} must be a dict, not {type(group).__name__!r}")
        return params

    def _checked_settings(self, settings):
        if "lr" in settings:
            checks.number("lr", settings["lr"])     # nothing below 0 to begin with
        settings = {name: getattr(type(self), name).check(name, settings[name]) for name in self._settings
                    if name in settings}
        self._check_settings(settings)
        return settings

    @classmethod
    def _check_settings(cls, settings):
        """Raise ValueError if settings don't go together."""

    def _add(self, group):
        if "params" not in group:
            raise ValueError("a group must have 'params'")
        own = {**self.defaults, **{name: x for name, x in group.items() if name != "params"}}
        settings = {**own, **self._checked_settings(own)}
        params = checks.gather(group["params"])
        seen = {id(p) for other in self.param_groups for p in other["params"]}
        if not seen.isdisjoint(map(id, params.values)):
            raise ValueError("a parameter is in more than one group")
        self.param_groups.append(ParamGroup(type(self), params, settings))

    def add_param_group(self, param_group):
        """Add a group. param_group: a dict with `params`, and those settings that aren't the optimiser's.

        Raises TypeError or ValueError, also for a parameter that another group has; then nothing has changed.
        """
        if not isinstance(param_group, Mapping):
            raise TypeError(f"param_group must be a dict, not {type(param_group).__name__!r}")
        self._add(param_group)

    def step(self, closure=None):
        """Change the data of every parameter by its gradient.

        closure: a function of no arguments that computes the loss and the gradients first, or None. Returns what it
        returns. Raises what the optimiser's formulas raise; then nothing has changed.
        """
        loss = None if closure is None else closure()
        groups = self.param_groups
        if len(groups) > 1:
            # Those that may raise come first. If there are several, the first is taken back when the second raises.
            groups = sorted(groups, key=self._is_safe)
            if not self._is_safe(groups[1]):
                return self._careful_steps(groups, loss)
        for group in groups:
            self._step(group)
        return loss

    def _careful_steps(self, groups, loss):
        before = [([p.data for p in group["params"]], {name: memory[:] for name, memory in group.memory.items()},
                   group.steps, group.started) for group in groups]
        try:
            for group in groups:
                self._step(group)
        except BaseException:
            for group, (data, memory, steps, started) in zip(groups, before):
                for p, x in zip(group["params"], data):
                    p.data = x
                group.memory, group.steps, group.started = memory, steps, started
            raise
        return loss

    def _is_safe(self, group):
        """Whether _step(group) raises nothing."""
        return False

    def _step(self, group):
        raise NotImplementedError(f"{type(self).__name__} has no step()")

    def zero_grad(self, set_to_none=True):
        """Set the gradient of every parameter to 0. set_to_none is torch's, and makes no difference."""
        for group in self.param_groups:
            group.params.zero_grad()

    def state_dict(self):
        """The settings, the number of steps, and the lists with a number per parameter, as a dict.

        If there are several groups it's {"param_groups": [...]}, with such a dict for each.
        """
        states = [group.state() for group in self.param_groups]
        return states[0] if len(states) == 1 else {"param_groups": states}

    def load_state_dict(self, state_dict):
        """Continue from another optimiser's state, settings included. Parameters aren't part of it.

        state_dict: what state_dict() of such an optimiser over as many parameters, in the same groups, has returned.
        Raises TypeError or ValueError for anything else, and changes nothing then.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"state_dict must be a dict, not {type(state_dict).__name__!r}")
        states = state_dict["param_groups"] if set(state_dict) == {"param_groups"} else [state_dict]
        if not isinstance(states, (list, tuple)) or not all(isinstance(state, Mapping) for state in states):
            raise TypeError("param_groups must be a list of dicts")
        if len(states) != len(self.param_groups):
            raise ValueError(f"state_dict has {len(states)} groups of parameters, and there are "
                             f"{len(self.param_groups)}")
        checked = [group.checked(state) for group, state in zip(self.param_groups, states)]
        for group, state in zip(self.param_groups, checked):
            group.load(state)

    def __setstate__(self, state):
        vars(self).update(state)
        if "_params" in state:      # a pickle of 0.1
            settings = {name: vars(self).pop(name) for name in self._settings if name in state}
            self.defaults = {**dict.fromkeys(self._newer, False), **settings}
            self.defaults = {name: getattr(type(self), name).check(name, self.defaults[name])
                             for name in self._settings}
            group = ParamGroup(type(self), vars(self).pop("_params"), dict(self.defaults))
            group.steps, group.memory = vars(self).pop("_steps"), vars(self).pop("_memory")
            group.started = group.steps > 0
            self.param_groups = [group]

    def __repr__(self):
        if len(self.param_groups) > 1:
            return f"{type(self).__name__}({len(self.param_groups)} groups of parameters)"
        group, = self.param_groups
        settings = "".join(f", {name}={group[name]}" for name in self._settings)
        return f"{type(self).__name__}({len(group['params'])} parameters{settings})"
