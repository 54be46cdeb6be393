"""The same microgpt over whole arrays, all positions of a document at once: numpy by hand, torch, and JAX.

What scalars cost at all shows against these. They start from the same parameters, do the same arithmetic in another
order, in doubles, and so must give the same losses but for rounding. numpy's backward is written by hand; torch and
JAX derive theirs, from one and the same forward.
"""
from types import SimpleNamespace

from harness import require, versions
from microgpt_scalars import train      # the loop; bench_microgpt.py asks for it here
from train_microgpt import BETA1, BETA2, EPSILON, LEARNING_RATE

__all__ = ["ENGINES", "train"]


def matrices(model):
    """A model's matrices in the order of its parameters; each is a list of rows."""
    inner = [matrix for layer in model.layers for matrix in layer]
    return [model.token_embedding, model.position_embedding, model.head, *inner]


class Numpy:
    """numpy. Parameters, gradients and Adam's moments are four long vectors; the matrices are views into them."""

    number = float

    def __init__(self, np):
        self.np = np

    def start(self, model):
        np = self.np
        self.heads = model.heads
        rows = matrices(model)
        self.parameters = np.array(model.parameters)
        self.gradients, self.m, self.v = (np.zeros_like(self.parameters) for _ in range(3))
        self.p, self.g, end = [], [], 0
        for matrix in rows:
            shape, begin = (len(matrix), len(matrix[0])), end
            end += shape[0] * shape[1]
            self.p.append(self.parameters[begin:end].reshape(shape))
            self.g.append(self.gradients[begin:end].reshape(shape))
        self.future = np.triu(np.full((model.context, model.context), -np.inf), 1)

    def norm(self, x):
        scale = ((x * x).mean(-1, keepdims=True) + 1e-5) ** -0.5
        return x * scale, scale

    def norm_backward(self, dy, x, scale):
        return scale * dy - x * scale ** 3 * (dy * x).mean(-1, keepdims=True)

    def softmax(self, x):
        e = self.np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    def split(self, x):
        """(position, width) as (head, position, width of a head)."""
        return x.reshape(len(x), self.heads, -1).transpose(1, 0, 2)

    def join(self, x):
        return x.transpose(1, 0, 2).reshape(x.shape[1], -1)

    def forward(self, tokens):
        np, (tokens_in, positions, head, *inner) = self.np, self.p
        ids, n = tokens[:-1], len(tokens) - 1
        start = tokens_in[ids] + positions[:n]
        x, start_scale = self.norm(start)
        saved = []
        for wq, wk, wv, wo, w1, w2 in zip(*[iter(inner)] * 6):
            before = x
            x, scale = self.norm(before)
            q, k, v = self.split(x @ wq.T), self.split(x @ wk.T), self.split(x @ wv.T)
            weights = self.softmax(q @ k.transpose(0, 2, 1) / q.shape[-1] ** 0.5 + self.future[:n, :n])
            mixed = self.join(weights @ v)
            between = mixed @ wo.T + before
            y, scale_between = self.norm(between)
            hidden = np.maximum(0.0, y @ w1.T)
            saved.append((before, x, scale, q, k, v, weights, mixed, between, y, scale_between, hidden))
            x = hidden @ w2.T + between
        probabilities = self.softmax(x @ head.T)
        self.saved = ids, tokens[1:], start, start_scale, saved, x, probabilities
        return -np.log(probabilities[np.arange(n), tokens[1:]]).mean()

    def backward(self, loss):
        np, (head, *inner), (d_tokens, d_positions, d_head, *d_inner) = self.np, self.p[2:], self.g
        ids, targets, start, start_scale, saved, x, d = self.saved
        n = len(ids)
        d[np.arange(n), targets] -= 1       # softmax and logarithm together
        d /= n
        d_head[...] = d.T @ x
        d = d @ head
        for layer in reversed(range(len(saved))):
            before, x, scale, q, k, v, weights, mixed, between, y, scale_between, hidden = saved[layer]
            wq, wk, wv, wo, w1, w2 = inner[6 * layer:6 * layer + 6]
            d_wq, d_wk, d_wv, d_wo, d_w1, d_w2 = d_inner[6 * layer:6 * layer + 6]
            d_w2[...] = d.T @ hidden
            d_hidden = d @ w2 * (hidden > 0)
            d_w1[...] = d_hidden.T @ y
            d = d + self.norm_backward(d_hidden @ w1, between, scale_between)
            d_wo[...] = d.T @ mixed
            d_mixed = self.split(d @ wo)
            d_weights = d_mixed @ v.transpose(0, 2, 1)
            d_scores = weights * (d_weights - (d_weights * weights).sum(-1, keepdims=True)) / q.shape[-1] ** 0.5
            d_q, d_k = self.join(d_scores @ k), self.join(d_scores.transpose(0, 2, 1) @ q)
            d_v = self.join(weights.transpose(0, 2, 1) @ d_mixed)
            d_wq[...], d_wk[...], d_wv[...] = d_q.T @ x, d_k.T @ x, d_v.T @ x
            d = d + self.norm_backward(d_q @ wq + d_k @ wk + d_v @ wv, before, scale)
        d = self.norm_backward(d, start, start_scale)
        d_tokens[...] = d_positions[...] = 0.0
        np.add.at(d_tokens, ids, d)     # a token may come twice
        d_positions[:n] = d
        return float(loss)

    def update(self, rate, step):
        m, v, g = self.m, self.v, self.gradients
        m += (1 - BETA1) * (g - m)
        v += (1 - BETA2) * (g * g - v)
        m_hat, v_hat = m / (1 - BETA1 ** (step + 1)), v / (1 - BETA2 ** (step + 1))
        self.parameters -= rate * m_hat / (v_hat ** 0.5 + EPSILON)


def array_loss(ops, parameters, heads, future, ids, targets, weights):
    """The forward that torch and JAX share. weights: what each position counts in the loss; they add up to 1."""
    def norm(x):
        return x * ((x * x).mean(-1, keepdims=True) + 1e-5) ** -0.5

    def split(x):
        return x.reshape(n, heads, -1)

    tokens_in, positions, head, *inner = parameters
    n = len(ids)
    x = norm(tokens_in[ids] + positions[:n])
    for wq, wk, wv, wo, w1, w2 in zip(*[iter(inner)] * 6):
        y = norm(x)
        q, k, v = split(y @ wq.T), split(y @ wk.T), split(y @ wv.T)
        attention = ops.softmax(ops.einsum("nhd,mhd->hnm", q, k) / q.shape[-1] ** 0.5 + future[:n, :n], -1)
        x = ops.einsum("hnm,mhd->nhd", attention, v).reshape(n, -1) @ wo.T + x
        x = ops.relu(norm(x) @ w1.T) @ w2.T + x
    return -(ops.log_softmax(x @ head.T, -1)[ops.arange(n), targets] * weights).sum()


class Torch:
    """torch, eager, one thread, with its own Adam."""

    number = float

    def __init__(self, torch):
        torch.set_num_threads(1)
        self.torch, self.ops = torch, torch

    def start(self, model):
        torch = self.torch
        self.heads = model.heads
        self.parameters = [torch.tensor(matrix, dtype=torch.float64, requires_grad=True) for matrix in matrices(model)]
        self.future = torch.full((model.context, model.context), -torch.inf, dtype=torch.float64).triu(1)
        self.optimiser = torch.optim.Adam(self.parameters, LEARNING_RATE, betas=(BETA1, BETA2), eps=EPSILON)

    def forward(self, tokens):
        tokens = self.torch.tensor(tokens)
        return array_loss(self.ops, self.parameters, self.heads, self.future, tokens[:-1], tokens[1:],
                          1 / (len(tokens) - 1))

    def backward(self, loss):
        loss.backward()
        return loss.item()

    def update(self, rate, step):
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.step()
        self.optimiser.zero_grad()


class Jax:
    """JAX, operation by operation. It works behind the caller's back, so each phase waits for its results."""

    number = float

    def __init__(self, jax):
        np, nn = jax.numpy, jax.nn
        self.jax, self.np = jax, np
        self.ops = SimpleNamespace(softmax=nn.softmax, log_softmax=nn.log_softmax, relu=nn.relu, einsum=np.einsum,
                                   arange=np.arange)

    def start(self, model):
        np = self.np
        self.heads, self.context = model.heads, model.context
        self.parameters = [np.array(matrix) for matrix in matrices(model)]
        self.m, self.v = ([np.zeros_like(p) for p in self.parameters] for _ in range(2))
        self.future = np.triu(np.full((model.context, model.context), -np.inf), 1)

    def loss(self, parameters, ids, targets, weights):
        return array_loss(self.ops, parameters, self.heads, self.future, ids, targets, weights)

    def adam(self, parameters, gradients, m, v, rate, step):
        m = [BETA1 * m + (1 - BETA1) * g for m, g in zip(m, gradients)]
        v = [BETA2 * v + (1 - BETA2) * g ** 2 for v, g in zip(v, gradients)]
        for_m, for_v = 1 - BETA1 ** (step + 1), 1 - BETA2 ** (step + 1)
        return [p - rate * (m / for_m) / ((v / for_v) ** 0.5 + EPSILON) for p, m, v in zip(parameters, m, v)], m, v

    def forward(self, tokens):
        tokens = self.np.array(tokens)
        loss, self.pull = self.jax.vjp(lambda p: self.loss(p, tokens[:-1], tokens[1:], 1 / (len(tokens) - 1)),
                                       self.parameters)
        return loss.block_until_ready()

    def backward(self, loss):
        self.gradients, = self.jax.block_until_ready(self.pull(self.np.ones_like(loss)))
        return float(loss)

    def update(self, rate, step):
        self.parameters, self.m, self.v = self.jax.block_until_ready(
            self.adam(self.parameters, self.gradients, self.m, self.v, rate, step))


class CompiledJax(Jax):
    """JAX as it's meant to be used: a whole step is one compiled function, of documents filled up to one length.

    What it spends on forward, backward and update can't be told apart.
    """

    def __init__(self, jax):
        super().__init__(jax)

        @jax.jit
        def compiled(parameters, m, v, ids, targets, weights, rate, step):
            loss, gradients = jax.value_and_grad(self.loss)(parameters, ids, targets, weights)
            return loss, self.adam(parameters, gradients, m, v, rate, step)

        self.compiled = compiled

    def step(self, tokens, rate, step):
        n = len(tokens) - 1
        filling = self.context - n
        ids, targets = self.np.array(tokens[:-1] + filling * [0]), self.np.array(tokens[1:] + filling * [0])
        weights = self.np.array(n * [1 / n] + filling * [0.0])
        loss, (self.parameters, self.m, self.v) = self.jax.block_until_ready(
            self.compiled(self.parameters, self.m, self.v, ids, targets, weights, rate, step))
        return float(loss)


def engine(trainer, module):
    """What starts an engine: a function of no arguments that gives the trainer and versions, or raises Missing."""
    return lambda: (trainer(require(module)), versions(module))


ENGINES = {"numpy": engine(Numpy, "numpy"), "torch": engine(Torch, "torch"), "jax": engine(Jax, "jax"),
           "jax-jit": engine(CompiledJax, "jax")}
