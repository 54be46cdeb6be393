"""Scalar engines that train microgpt, but not by the unmodified loop: fastgrad.optim and fastgrad.functional, xad,
casadi; and micrograd.

Each is a trainer: `forward` runs train_microgpt.py's model on one document's tokens and gives what `backward` takes
and returns the loss's number, and `update` changes the parameters. The arithmetic is the script's throughout; what
differs is what each library calls it.
"""
import math
import time

from harness import Missing, require, versions
from train_microgpt import BETA1, BETA2, EPSILON, LEARNING_RATE, BadInput, MicroGPT, functional, number_class


def train(trainer, model, vocabulary, documents, steps):
    """The loop of train_microgpt.train for a trainer; yields the loss and the seconds of the phases."""
    trainer.start(model)
    for step in range(steps):
        begin = time.perf_counter()
        document = documents[step % len(documents)]
        tokens = [vocabulary.boundary, *vocabulary.encode(document), vocabulary.boundary][:model.context + 1]
        rate = LEARNING_RATE * (1 - step / steps)
        if hasattr(trainer, "step"):        # one that does all in one
            number = trainer.step(tokens, rate, step)
            yield number, time.perf_counter() - begin
            continue
        loss = trainer.forward(tokens)
        forward = time.perf_counter()
        number = trainer.backward(loss)
        backward = time.perf_counter()
        trainer.update(rate, step)
        update = time.perf_counter()
        yield number, forward - begin, backward - forward, update - backward


def document_loss(model, tokens):
    """How surprised the model is by a document, a token on average."""
    n = len(tokens) - 1
    keys, values = [[] for _ in model.layers], [[] for _ in model.layers]
    losses = []
    for position in range(n):
        logits = model.forward(tokens[position], position, keys, values)
        probabilities = model.softmax(logits)
        losses.append(model.surprise(probabilities[tokens[position + 1]]))
    return (1 / n) * sum(losses)


class Optimiser:
    """fastgrad with its own Adam, whose loop over the parameters runs in C: the one line that a user may change."""

    def __init__(self, value, adam):
        self.number, self.adam = value, adam

    def start(self, model):
        self.model = model
        self.optimiser = self.adam(model.parameters, LEARNING_RATE, betas=(BETA1, BETA2), eps=EPSILON)

    def forward(self, tokens):
        return document_loss(self.model, tokens)

    def backward(self, loss):
        loss.backward()
        return loss.data

    def update(self, rate, step):
        self.optimiser.lr = rate
        self.optimiser.step()
        self.optimiser.zero_grad()


class Functional(Optimiser):
    """The same with the model written with fastgrad.functional."""

    def start(self, model):
        model.__class__ = functional(type(model))
        super().start(model)


class Numbers:
    """For libraries whose variables can't be changed: parameters and Adam's moments as lists of floats."""

    number = float

    def start(self, model):
        self.shape = len(model.token_embedding), len(model.layers), len(model.head[0]), model.heads, model.context
        self.parameters = model.parameters
        self.m, self.v = [0.0] * len(self.parameters), [0.0] * len(self.parameters)

    def gauss(self, mean, deviation):
        return next(self.numbers)

    def with_parameters(self, kind, number):
        """A model whose parameters are the numbers: it draws them from here rather than at random."""
        self.numbers = iter(self.parameters)
        return kind(number, self, *self.shape)

    def update(self, rate, step):
        params, m, v = self.parameters, self.m, self.v
        for i, grad in enumerate(self.gradients):
            m[i] = BETA1 * m[i] + (1 - BETA1) * grad
            v[i] = BETA2 * v[i] + (1 - BETA2) * grad ** 2
            m_hat = m[i] / (1 - BETA1 ** (step + 1))
            v_hat = v[i] / (1 - BETA2 ** (step + 1))
            params[i] -= rate * m_hat / (v_hat ** 0.5 + EPSILON)


class Xad(Numbers):
    """xad, a tape in C++. A step makes the model of active numbers anew, since their values can't be assigned."""

    def __init__(self, xad):
        class Model(MicroGPT):
            def softmax(self, logits):
                largest = max(logit.value for logit in logits)
                exps = [xad.math.exp(logit - largest) for logit in logits]
                total = sum(exps)
                return [e / total for e in exps]

            def relu(self, x):
                return [xad.math.max(xi, 0.0) for xi in x]

            def surprise(self, probability):
                return -xad.math.log(probability)

        self.kind, self.real, self.tape = Model, xad.adj_1st.Real, xad.adj_1st.Tape()
        self.tape.activate()

    def forward(self, tokens):
        self.model = self.with_parameters(self.kind, self.real)
        self.tape.registerInputs(self.model.parameters)
        self.tape.newRecording()
        return document_loss(self.model, tokens)

    def backward(self, loss):
        self.tape.registerOutput(loss)
        loss.derivative = 1.0
        self.tape.computeAdjoints()
        self.gradients = [p.derivative for p in self.model.parameters]
        return loss.value


class Casadi(Numbers):
    """casadi, symbols in C++: forward builds a step's expression; backward differentiates, compiles, evaluates it."""

    def __init__(self, casadi):
        class Model(MicroGPT):
            def softmax(self, logits):      # symbols have no largest; nothing here is large enough to overflow
                exps = [casadi.exp(logit) for logit in logits]
                total = sum(exps)
                return [e / total for e in exps]

            def relu(self, x):
                return [casadi.fmax(0.0, xi) for xi in x]

            def surprise(self, probability):
                return -casadi.log(probability)

        self.kind, self.casadi = Model, casadi

    def forward(self, tokens):
        self.model = self.with_parameters(self.kind, lambda number: self.casadi.SX.sym("p"))
        return document_loss(self.model, tokens)

    def backward(self, loss):
        symbols = self.casadi.vertcat(*self.model.parameters)
        function = self.casadi.Function("step", [symbols], [loss, self.casadi.gradient(loss, symbols)])
        number, gradients = function(self.parameters)
        self.gradients = gradients.full().ravel().tolist()
        return float(number)


def optimiser():
    optim = require("fastgrad.optim")
    try:
        return Optimiser(number_class("c"), optim.Adam), versions("fastgrad")
    except BadInput as error:
        raise Missing(str(error)) from None


def with_functional():
    trainer, found = optimiser()
    require("fastgrad.functional")
    return Functional(trainer.number, trainer.adam), found


def xad():
    library = require("xad")
    require("xad.adj_1st")
    require("xad.math")
    return Xad(library), versions("xad")


def casadi():
    return Casadi(require("casadi")), versions("casadi")


ENGINES = {"adam": optimiser, "functional": with_functional, "xad": xad, "casadi": casadi}


def micrograd_value():
    """micrograd's class with what microgpt needs more, one node an operation, in micrograd's own way."""
    Value = require("micrograd.engine").Value

    def exp(self):
        out = Value(math.exp(self.data), (self,), "exp")

        def _backward():
            self.grad += out.data * out.grad
        out._backward = _backward
        return out

    def log(self):
        out = Value(math.log(self.data), (self,), "log")

        def _backward():
            self.grad += out.grad / self.data
        out._backward = _backward
        return out

    Value.exp, Value.log, Value.__float__ = exp, log, lambda self: float(self.data)
    return Value
