"""microgpt, after Andrej Karpathy's idea: a whole GPT of single numbers learns names and makes up new ones.

    python examples/microgpt.py                 a few seconds
    python examples/microgpt.py --steps 3000    better names

You learn what is in a language model: tokens, embeddings, attention, a loss, an optimiser, sampling. Large ones have
these parts too, more and bigger ones. (benchmarks/train_microgpt.py is Karpathy's own model to the last bit.)
"""
import argparse
import pathlib
import random

from fastgrad import Value, no_grad
from fastgrad.optim import Adam

parser = argparse.ArgumentParser(description="Train a tiny GPT on names, then let it make up new ones.")
parser.add_argument("--steps", type=int, default=1000, help="training steps, a name each (1000)")
parser.add_argument("--samples", type=int, default=10, help="names to make up (10)")
options = parser.parse_args()
random.seed(7)

# ---- Data: a list of names. fastgrad's source has 5,163 of them; without it, these have to do.
names = """ada alan alice amina anna antonio aria ben bianca carl carla clara daniel david diana elena elias ella emil
emma eva felix fiona george hanna helena ida irina ivan jana jonas julia karin karl laura lea lena leo lina lisa lucas
luis maja mara marco maria mario martin mia mila mina nadia nina noah nora olga oliver paul rosa sara sofia theo tina
vera victor zara""".split()
path = pathlib.Path(__file__).resolve().parent.parent / "benchmarks" / "names.txt"
if path.exists():
    names = path.read_text(encoding="utf-8").split()
random.shuffle(names)

# A token is the number of a letter. Token 0 is the edge of a name: it begins every name and ends it.
letters = ["edge", *sorted(set("".join(names)))]

# ---- Parameters: matrices (lists of rows) of small random numbers.
WIDTH = 16              # so many numbers stand for a token on its way through the model
HEADS = 4               # attention looks at a name in so many ways at once,
HEAD = WIDTH // HEADS   # each with its part of the numbers
LENGTH = 16             # the model sees at most so many tokens
parameters = []


def matrix(rows, columns):
    m = [[Value(random.gauss(0, 0.1)) for _ in range(columns)] for _ in range(rows)]
    parameters.extend(p for row in m for p in row)
    return m


token_table = matrix(len(letters), WIDTH)       # what a letter is like
place_table = matrix(LENGTH, WIDTH)             # what it means to be the first, the second, ...
to_query, to_key, to_value, to_mixed = [matrix(WIDTH, WIDTH) for _ in range(4)]
to_hidden, from_hidden = matrix(4 * WIDTH, WIDTH), matrix(WIDTH, 4 * WIDTH)
to_scores = matrix(len(letters), WIDTH)


# ---- The model.
def dot(x, y):
    return sum(a * b for a, b in zip(x, y))


def times(m, x):        # a matrix times a vector: each row says how to mix the numbers in x into a new one
    return [dot(row, x) for row in m]


def add(x, y):
    return [a + b for a, b in zip(x, y)]


def normalized(x):      # scaled, so that its numbers are neither huge nor tiny: the mean of their squares becomes 1
    factor = (dot(x, x) / len(x) + 1e-5) ** -0.5
    return [a * factor for a in x]


def softmax(scores):    # probabilities, which add up to 1: the higher the score, the more of the whole
    highest = max(scores).data      # taken off first, since exp() of a large number is too large for a float
    powers = [(score - highest).exp() for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def attention(xs):
    """Let every token gather what it needs from itself and the tokens before it."""
    queries, keys, values = ([times(m, x) for x in xs] for m in (to_query, to_key, to_value))
    gathered = []
    for now in range(len(xs)):
        mixed = []
        for start in range(0, WIDTH, HEAD):
            part = slice(start, start + HEAD)
            # A query asks, the keys answer: the better they match, the more of that token's value is taken.
            shares = softmax([dot(queries[now][part], key[part]) / HEAD ** 0.5 for key in keys[:now + 1]])
            mixed += [dot(shares, column) for column in zip(*(value[part] for value in values[:now + 1]))]
        gathered.append(times(to_mixed, mixed))
    return gathered


def gpt(tokens):
    """For each token, given those before it, a score for every letter that may come next."""
    xs = [normalized(add(token_table[token], place_table[place])) for place, token in enumerate(tokens)]
    # What is found out is added to what was there: nothing is lost, and gradients have a straight way back.
    xs = [add(x, news) for x, news in zip(xs, attention([normalized(x) for x in xs]))]
    for i, x in enumerate(xs):
        hidden = [h.relu() for h in times(to_hidden, normalized(x))]
        xs[i] = add(x, times(from_hidden, hidden))
    return [times(to_scores, x) for x in xs]


# ---- Training: make the letters that did come next more probable. Who only guesses has a loss of log(27), about 3.3.
print(f"{len(names)} names, {len(letters)} tokens, {len(parameters)} parameters")
optimizer = Adam(parameters, lr=0.01, betas=(0.9, 0.99))
losses = []
for step in range(options.steps):
    name = names[step % len(names)][:LENGTH - 1]
    tokens = [0] + [letters.index(letter) for letter in name] + [0]
    surprises = [-softmax(scores)[target].log() for scores, target in zip(gpt(tokens[:-1]), tokens[1:])]
    loss = sum(surprises) / len(surprises)
    optimizer.zero_grad()
    loss.backward()
    optimizer.lr = 0.01 * (1 - step / options.steps)        # smaller and smaller steps
    optimizer.step()
    losses.append(loss.data)
    if (step + 1) % max(1, options.steps // 10) == 0:
        print(f"step {step + 1:5}   loss {sum(losses) / len(losses):.3f}")      # the mean since the last line
        losses = []


# ---- Sampling: begin with the edge, draw a letter by its probability, append it, and so on until an edge is drawn.
@no_grad()      # nothing is learned here, so no graph is needed
def make_up():
    tokens = [0]
    while len(tokens) < LENGTH:
        chances = softmax([score / 0.6 for score in gpt(tokens)[-1]])   # 0.6: the lower, the less it dares
        token, = random.choices(range(len(letters)), [float(chance) for chance in chances])
        if token == 0:
            break
        tokens.append(token)
    return "".join(letters[token] for token in tokens[1:])


for _ in range(options.samples):
    name = make_up() or "(no letters)"
    print(name + ("   (in the list)" if name in names else ""))
