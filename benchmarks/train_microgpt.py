"""Train microgpt, a GPT small enough to be made of scalars, on names, and make up new ones.

    python benchmarks/train_microgpt.py                 a thousand steps with fastgrad's Value, then 20 names
    python benchmarks/train_microgpt.py --optim         the same, but fastgrad.optim.Adam updates the parameters
    python benchmarks/train_microgpt.py --functional    the same, but fastgrad.functional does sums and loops
    python benchmarks/train_microgpt.py --compare       a few steps with every engine in turn: times and ratios

Model, loss, optimiser and sampling are those of Andrej Karpathy's microgpt
(https://gist.github.com/karpathy/8627fe009c40f57531cb18360106ce95): the same arithmetic in the same order from the same
random numbers, so that on its data (--data input.txt) every loss and every sampled name is microgpt's, to the last bit.

The engines: "c" is fastgrad's compiled Value and "python" its plain one; neither the model nor the training loop knows
which it has. "floats" is the same script over plain floats, without any gradients: it learns nothing, but its time is
what the interpreter alone costs, and so the least that any engine under this script can reach.
"""
import contextlib
import itertools
import json
import math
import multiprocessing
import os
import random
import signal
import statistics
import sys
import time

from commandline import Parser, integer

NAMES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "names.txt")
LEARNING_RATE, BETA1, BETA2, EPSILON = 0.01, 0.85, 0.99, 1e-8       # Adam's
TEMPERATURE = 0.5       # below 1 sampled names are likelier and less varied
BLOCK = 10      # steps that an engine takes in --compare before the next engine's turn


# The model.

def linear(x, weights):
    return [sum(wi * xi for wi, xi in zip(row, x)) for row in weights]


def rmsnorm(x):
    mean_square = sum(xi * xi for xi in x) / len(x)
    scale = (mean_square + 1e-5) ** -0.5
    return [xi * scale for xi in x]


class MicroGPT:
    """A transformer that reads one token at a time and says which may come next.

    number: the class of its parameters. rng: where they come from. tokens: the size of the vocabulary. layers, width,
    heads, context: the shape; heads divide width, and context is the number of tokens that it can look back on.
    """

    learns = True

    def __init__(self, number, rng, tokens, layers, width, heads, context):
        def matrix(rows, columns):
            return [[number(rng.gauss(0, 0.08)) for _ in range(columns)] for _ in range(rows)]

        self.heads, self.head_width, self.context = heads, width // heads, context
        self.token_embedding = matrix(tokens, width)
        self.position_embedding = matrix(context, width)
        self.head = matrix(tokens, width)
        self.layers = []
        for _ in range(layers):
            attention = [matrix(width, width) for _ in ("query", "key", "value", "output")]
            self.layers.append((*attention, matrix(4 * width, width), matrix(width, 4 * width)))
        matrices = [self.token_embedding, self.position_embedding, self.head, *itertools.chain(*self.layers)]
        self.parameters = [p for matrix in matrices for row in matrix for p in row]

    def forward(self, token, position, keys, values):
        """The logits of what follows token. keys, values: those of earlier positions, per layer; they grow by one."""
        heads, head_width = self.heads, self.head_width
        x = [t + p for t, p in zip(self.token_embedding[token], self.position_embedding[position])]
        x = rmsnorm(x)
        for layer, (wq, wk, wv, wo, w1, w2) in enumerate(self.layers):
            # Attention: every head mixes the values of all positions so far, weighted by query times key.
            residual = x
            x = rmsnorm(x)
            q = linear(x, wq)
            keys[layer].append(linear(x, wk))
            values[layer].append(linear(x, wv))
            mixed = []
            for start in range(0, heads * head_width, head_width):
                q_head = q[start:start + head_width]
                k_head = [k[start:start + head_width] for k in keys[layer]]
                v_head = [v[start:start + head_width] for v in values[layer]]
                scores = [sum(q_head[j] * k_head[t][j] for j in range(head_width)) / head_width ** 0.5
                          for t in range(len(k_head))]
                weights = self.softmax(scores)
                mixed.extend([sum(weights[t] * v_head[t][j] for t in range(len(v_head))) for j in range(head_width)])
            x = linear(mixed, wo)
            x = [a + b for a, b in zip(x, residual)]
            # A two-layer perceptron at each position.
            residual = x
            x = rmsnorm(x)
            x = linear(x, w1)
            x = self.relu(x)
            x = linear(x, w2)
            x = [a + b for a, b in zip(x, residual)]
        return linear(x, self.head)

    # What isn't spelled the same for Values and floats.

    def softmax(self, logits):
        largest = max(logit.data for logit in logits)
        exps = [(logit - largest).exp() for logit in logits]
        total = sum(exps)
        return [e / total for e in exps]

    def relu(self, x):
        return [xi.relu() for xi in x]

    def surprise(self, probability):
        return -probability.log()

    def backward(self, loss):
        loss.backward()


class Parameter:
    """What the update of a float needs: a number and its gradient."""

    __slots__ = ("data", "grad")

    def __init__(self, data):
        self.data, self.grad = data, 0.0


class FloatMicroGPT(MicroGPT):
    """The same over plain floats. It has no gradients; in their place each parameter gets its own number, so that
    updates do their arithmetic on ordinary floats (powers of 0.0 would be quicker). They update a copy of the model.
    """

    learns = False

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.parameters = [Parameter(p) for p in self.parameters]

    def softmax(self, logits):
        largest = max(logit for logit in logits)
        exps = [math.exp(logit - largest) for logit in logits]
        total = sum(exps)
        return [e / total for e in exps]

    def relu(self, x):
        return [max(0.0, xi) for xi in x]

    def surprise(self, probability):
        return -math.log(probability)

    def backward(self, loss):
        for p in self.parameters:
            p.grad = p.data


# Documents, training, sampling.

class Vocabulary:
    """The characters of the documents, numbered in order, and one more token that begins and ends a document."""

    def __init__(self, documents):
        self.characters = sorted(set("".join(documents)))
        self.numbers = {character: i for i, character in enumerate(self.characters)}
        self.boundary = len(self.characters)

    def __len__(self):
        return len(self.characters) + 1

    def encode(self, text):
        """The tokens of text; raises KeyError."""
        return [self.numbers[character] for character in text]


def train(model, vocabulary, documents, steps, optimizer=None):
    """Train on a document a step; yield each step's loss and its seconds forward, backward and in the update.

    optimizer: Adam with the settings above, or None for the loop that is the same.

    A generator keeps its variables from one step to the next as a script does, so here too the graph of a step lives
    until the next step's loss takes its place.
    """
    params = model.parameters
    m, v = [0.0] * len(params), [0.0] * len(params)
    for step in range(steps):
        begin = time.perf_counter()
        document = documents[step % len(documents)]
        tokens = [vocabulary.boundary, *vocabulary.encode(document), vocabulary.boundary]
        n = min(model.context, len(tokens) - 1)
        keys, values = [[] for _ in model.layers], [[] for _ in model.layers]
        losses = []
        for position in range(n):
            logits = model.forward(tokens[position], position, keys, values)
            probabilities = model.softmax(logits)
            losses.append(model.surprise(probabilities[tokens[position + 1]]))
        loss = (1 / n) * sum(losses)
        forward = time.perf_counter()
        model.backward(loss)
        backward = time.perf_counter()
        rate = LEARNING_RATE * (1 - step / steps)
        if optimizer:
            optimizer.lr = rate
            optimizer.step()
            optimizer.zero_grad()
        else:
            for i, p in enumerate(params):
                m[i] = BETA1 * m[i] + (1 - BETA1) * p.grad
                v[i] = BETA2 * v[i] + (1 - BETA2) * p.grad ** 2
                m_hat = m[i] / (1 - BETA1 ** (step + 1))
                v_hat = v[i] / (1 - BETA2 ** (step + 1))
                p.data -= rate * m_hat / (v_hat ** 0.5 + EPSILON)
                p.grad = 0
        update = time.perf_counter()
        yield float(loss), forward - begin, backward - forward if model.learns else 0.0, update - backward


def sample(model, vocabulary, rng, prompt=""):
    """A new document, which begins with prompt and is at most context characters long."""
    given = vocabulary.encode(prompt)
    keys, values = [[] for _ in model.layers], [[] for _ in model.layers]
    token, text = vocabulary.boundary, prompt
    for position in range(model.context):
        logits = model.forward(token, position, keys, values)
        if position < len(given):
            token = given[position]
            continue
        probabilities = model.softmax([logit / TEMPERATURE for logit in logits])
        token = rng.choices(range(len(vocabulary)), weights=[p.data for p in probabilities])[0]
        if token == vocabulary.boundary:
            break
        text += vocabulary.characters[token]
    return text


class Run:
    """One engine's training: a fresh model from a fresh seed, and the losses and seconds of its steps so far."""

    def __init__(self, engine, documents, options):
        self.engine, self.rng = engine, random.Random(options.seed)
        documents = documents[:]
        self.rng.shuffle(documents)
        self.vocabulary = Vocabulary(documents)
        number = number_class(engine)
        kind = FloatMicroGPT if engine == "floats" else MicroGPT
        if engine == "c" and not options.no_fuse:
            fuse_loops()
        if options.functional and engine != "floats" and number is import_fastgrad().Value:
            kind = functional(kind)
        self.model = kind(number, self.rng, len(self.vocabulary), options.layers, options.width,
                          options.heads, options.context)
        self.losses, self.seconds, self.samples = [], [], []
        optimizer = adam(self.model.parameters) if options.optim and self.model.learns else None
        self.steps = train(self.model, self.vocabulary, documents, options.steps, optimizer)

    def step(self):
        loss, *seconds = next(self.steps)
        self.losses.append(loss)
        self.seconds.append(seconds)

    def record(self):
        """What --json holds of it, and the processes of --compare send."""
        return {"engine": self.engine, "losses": list(map(repr, self.losses)), "samples": self.samples,
                "seconds": self.seconds, "peak_bytes": peak_memory()}


# What goes wrong outside of this script.

class BadInput(Exception):
    """What the user gave can't be used; the message says why in a line."""


def number_class(engine):
    """The class of an engine's numbers; raises BadInput when there is no such engine here."""
    if engine == "floats":
        return float
    fastgrad = import_fastgrad()
    if engine == "python":
        from fastgrad.reference import Value
        return Value
    if fastgrad.backend != "c":
        raise BadInput("engine c isn't in use here: this is PyPy, or FASTGRAD_PURE is set")
    return fastgrad.Value


def import_fastgrad():
    try:
        import fastgrad
    except ImportError as error:
        if error.name == "fastgrad":
            error = "fastgrad isn't installed: run `pip install .` in its source folder"
        raise BadInput(error) from None
    return fastgrad


def fuse_loops():
    """Let C run this script's loops over Values: what `@fastgrad.fuse` in front of each of these does."""
    fuse = import_fastgrad().fuse
    for part in (linear, rmsnorm, MicroGPT, train):
        fuse(part)


def functional(kind):
    """The same model with the calls of fastgrad.functional in place of the script's loops."""
    from microgpt_functional import WithFunctional
    return type("FunctionalMicroGPT", (WithFunctional, kind), {})


def adam(parameters):
    from fastgrad.optim import Adam
    return Adam(parameters, LEARNING_RATE, (BETA1, BETA2), EPSILON)


def read_documents(path):
    """The lines of a text file, stripped, without empty ones; raises BadInput."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            documents = [line.strip() for line in file]
    except OSError as error:
        raise BadInput(f"can't read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} isn't UTF-8 text: {error.reason}") from None
    documents = [document for document in documents if document]
    if not documents:
        raise BadInput(f"{path} has no documents: every line is empty")
    return documents


def check(options, documents):
    """Raise BadInput for what can't be trained or sampled."""
    if options.width % options.heads:
        raise BadInput(f"width {options.width} isn't divisible by {options.heads} heads")
    unknown = sorted(set(options.prompt) - set("".join(documents)))
    if unknown:
        raise BadInput(f"the prompt {options.prompt!r} has {unknown[0]!r}, which is in no document")
    if len(options.prompt) >= options.context:
        raise BadInput(f"the prompt {options.prompt!r} leaves no room in a context of {options.context}")
    if options.json:
        try:
            open(options.json, "a").close()
        except OSError as error:
            raise BadInput(f"can't write {options.json}: {error.strerror}") from None


# What is printed.

class Progress:
    """One line that is written anew on a terminal, else a line every tenth of the way and every ten seconds."""

    def __init__(self, steps):
        self.steps, self.begin = steps, time.perf_counter()
        self.shown, self.tenths, self.terminal = self.begin, 0, sys.stdout.isatty()

    def show(self, losses):
        done, now = len(losses), time.perf_counter()
        tenths = 10 * done // self.steps
        if done < self.steps and now - self.shown < (0.1 if self.terminal else 10):
            if self.terminal or tenths == self.tenths:
                return
        self.shown, self.tenths = now, tenths
        rate = done / (now - self.begin)
        line = (f"step {done:>{len(str(self.steps))}} of {self.steps}   loss {statistics.fmean(losses[-50:]):.4f}   "
                f"{rate:.1f} steps/s   {duration((self.steps - done) / rate)} left")
        if self.terminal:
            print(f"\r{line:<72}", end="\n" if done == self.steps else "", flush=True)
        else:
            print(line, flush=True)


def duration(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if minutes >= 60 else f"{minutes}:{seconds:02}"


def peak_memory():
    """The largest resident size of this process so far in bytes, or None where the system doesn't say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def milliseconds(seconds):
    """The mean of the steps' times: forward, backward, update."""
    return [1000 * statistics.fmean(phase) for phase in zip(*seconds)]


def train_and_sample(engine, documents, options):
    """Train with one engine, print names and times; return what --json holds."""
    run = Run(engine, documents, options)
    print(f"engine {engine}: {len(run.model.parameters):,} parameters, {len(documents):,} documents, "
          f"{len(run.vocabulary)} tokens")
    progress = Progress(options.steps)
    for _ in range(options.steps):
        run.step()
        progress.show(run.losses)
    total = time.perf_counter() - progress.begin
    if run.model.learns:
        for i in range(options.samples):
            run.samples.append(sample(run.model, run.vocabulary, run.rng, options.prompt))
            print(f"name {i + 1:>{len(str(options.samples))}}: {run.samples[-1]}", flush=True)
    record = {**run.record(), "total_seconds": total}
    phases = milliseconds(run.seconds)
    print(f"last loss {run.losses[-1]!r}")
    print("{} steps in {:.2f} s; {:.2f} ms a step: forward {:.2f}, backward {:.2f}, update {:.2f}"
          .format(options.steps, total, sum(phases), *phases))
    print(f"peak memory {megabytes(record['peak_bytes'])} MB")
    return record


def megabytes(size):
    return "?" if size is None else f"{size / 1e6:.0f}"


def work(pipe, engine, documents, options):
    """The process of one engine in a comparison: take as many steps as pipe says, send the record so far, and again."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # Ctrl-C is for the process that started this one
    run = Run(engine, documents, options)
    with contextlib.suppress(EOFError, ConnectionError):        # the other end is gone, and so is the work
        while True:
            for _ in range(pipe.recv()):
                run.step()
            pipe.send(run.record())


def compare(documents, options):
    """Run the engines in turn, a few steps each, and print a table; return what --json holds.

    In turn, so that what else the machine does slows all of them alike. In processes of their own, because the objects
    that one engine keeps alive and the memory that it leaves in pieces slow down another in the same process. The ratio
    is the median of the steps' ratios: documents are of different length, and so are the steps.
    """
    engines = ["floats", "c", "python"]
    for engine in engines:
        number_class(engine)        # complains here rather than in another process
    spawn, pipes, records = multiprocessing.get_context("spawn"), {}, {}
    for engine in engines:
        pipes[engine], end = spawn.Pipe()
        spawn.Process(target=work, args=(end, engine, documents, options), daemon=True).start()
        end.close()     # the other process has it now
    progress = Progress(options.steps)
    for done in range(0, options.steps, BLOCK):
        for engine, pipe in pipes.items():
            pipe.send(min(BLOCK, options.steps - done))
            records[engine] = pipe.recv()
        progress.show(list(map(float, records["python"]["losses"])))
    print_table(records.values())
    losses = zip(records["c"]["losses"], records["python"]["losses"])
    different = [(step, *pair) for step, pair in enumerate(losses, 1) if pair[0] != pair[1]]
    if different:
        print("losses of c and python differ, first at step {}: {} and {}".format(*different[0]))
    else:
        print(f"losses of c and python: all {options.steps} the same to the last bit")
    return {"runs": list(records.values()), "same_losses": not different}


def print_table(records):
    floor = None
    print("ms a step    forward  backward    update  together  times floats   peak MB")
    for record in records:
        phases, together = milliseconds(record["seconds"]), [sum(seconds) for seconds in record["seconds"]]
        floor = floor or together
        ratio = statistics.median(seconds / least for seconds, least in zip(together, floor))
        print(f"{record['engine']:<10}" + "".join(f"{ms:>10.2f}" for ms in [*phases, sum(phases)])
              + f"{ratio:>14.2f}{megabytes(record['peak_bytes']):>10}")


# The command line.

def parse_arguments(arguments):
    parser = Parser(description="Train microgpt on names and make up new ones.")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--engine", choices=["c", "python", "floats"], help="default: fastgrad's own, which is c if built")
    how.add_argument("--compare", action="store_true", help="run every engine on the same steps; print times, ratios")
    parser.add_argument("--optim", action="store_true", help="update with fastgrad.optim.Adam (but floats in the loop)")
    parser.add_argument("--no-fuse", action="store_true", help="leave the loops to Python, also on the engine c")
    parser.add_argument("--functional", action="store_true",
                        help="sums and loops by fastgrad.functional, on fastgrad's own engine")
    parser.add_argument("--data", metavar="FILE", default=NAMES, help="text, a document a line (default: first names)")
    parser.add_argument("--steps", type=integer(1), help="default 1000, with --compare 20")
    parser.add_argument("--seed", type=int, default=42, help="default 42")
    parser.add_argument("--samples", type=integer(0), default=20, help="how many names to make up (default 20)")
    parser.add_argument("--prompt", default="", help="what they begin with (default: nothing)")
    parser.add_argument("--layers", type=integer(1), default=1, help="default 1")
    parser.add_argument("--width", type=integer(1), default=16, help="default 16")
    parser.add_argument("--heads", type=integer(1), default=4, help="default 4")
    parser.add_argument("--context", type=integer(1), default=16, help="default 16")
    parser.add_argument("--json", metavar="FILE", help="write losses, names and times there")
    options = parser.parse_args(arguments)
    if options.steps is None:
        options.steps = 20 if options.compare else 1000
    return parser, options


def main(arguments=None):
    """Do what the command line says; return the exit status."""
    parser, options = parse_arguments(arguments)
    if options.engine == "python":
        os.environ["FASTGRAD_PURE"] = "1"      # so that it needs no compiled engine
    try:
        documents = read_documents(options.data)
        check(options, documents)
        if options.compare:
            result = compare(documents, options)
        else:
            result = train_and_sample(options.engine or import_fastgrad().backend, documents, options)
    except BadInput as problem:
        parser.error(problem)
    except KeyboardInterrupt:
        if sys.stdout.isatty():
            print()     # leave the progress as it is
        print("interrupted", file=sys.stderr)
        return 130
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)
    return 0 if result.get("same_losses", True) else 1


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")       # for letters that the terminal doesn't know
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)       # `| head` ends the script without a word
    sys.exit(main())
