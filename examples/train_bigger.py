"""A GPT of 40,000 parameters that learns a text of your own: to copy and change when microgpt.py is too small.

    python examples/train_bigger.py                                 names, 300 steps, a minute or two
    python examples/train_bigger.py --text my.txt --steps 2000 --workers 2
    python examples/train_bigger.py --text my.txt --steps 2000 --workers 2 --resume      after a crash or Ctrl-C

Each line of the text is a document. What a longer run needs is here: a loss on documents that aren't trained on, a rate
that falls along a cosine, clipped gradients, checkpoints from which a killed run goes on with the same losses to the
last bit, and several processes, with which they are the same too.
"""
import argparse
import pathlib
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import fastgrad
import fastgrad.functional as F
from fastgrad import nn, optim
from fastgrad.parallel import gradients

NAMES = """ada alan alice amina anna antonio aria ben bianca carl carla clara daniel david diana elena elias ella emil
emma eva felix fiona george hanna helena ida irina ivan jana jonas julia karin karl laura lea lena leo lina lisa lucas
luis maja mara marco maria mario martin mia mila mina nadia nina noah nora olga oliver paul rosa sara sofia theo tina
vera victor zara"""

parser = argparse.ArgumentParser(description="Train a GPT of scalars on a text, a document a line.")
parser.add_argument("--text", help="a file; without one, a list of names")
parser.add_argument("--layers", type=int, default=3)
parser.add_argument("--width", type=int, default=32, help="numbers that stand for a token on its way (32)")
parser.add_argument("--heads", type=int, default=4)
parser.add_argument("--length", type=int, default=16, help="so many tokens are seen at once; longer lines are cut (16)")
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--batch", type=int, default=8, help="documents a step (8)")
parser.add_argument("--rate", type=float, default=0.01, help="the learning rate at the start (0.01)")
parser.add_argument("--every", type=int, default=50, help="steps from a validation and a checkpoint to the next (50)")
parser.add_argument("--checkpoint", default="train_bigger.json", help="its file (train_bigger.json)")
parser.add_argument("--resume", action="store_true", help="go on from the checkpoint, with the other options as then")
parser.add_argument("--workers", type=int, default=0, help="processes to compute in; 0: in this one (0)")
parser.add_argument("--samples", type=int, default=5, help="texts to make up in the end (5)")


# ---- The model. Layers are called with a list of vectors, one for each token.
class Block(nn.Module):
    def __init__(self, width, heads):
        self.norm1, self.attention = nn.RMSNorm(width), nn.CausalSelfAttention(width, heads, bias=False)
        self.norm2 = nn.RMSNorm(width)
        self.wide, self.narrow = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, xs):
        xs = [F.add(x, news) for x, news in zip(xs, self.attention(self.norm1(xs)))]
        return [F.add(x, self.narrow(F.relu(self.wide(self.norm2(x))))) for x in xs]


class GPT(nn.Module):
    def __init__(self, tokens, length, layers, width, heads):
        self.token_table, self.place_table = nn.Embedding(tokens, width), nn.Embedding(length, width)
        self.blocks = [Block(width, heads) for _ in range(layers)]
        self.norm, self.scores = nn.RMSNorm(width), nn.Linear(width, tokens, bias=False)

    def forward(self, tokens):
        xs = [F.add(self.token_table(token), self.place_table(place)) for place, token in enumerate(tokens)]
        for block in self.blocks:
            xs = block(xs)
        return self.scores(self.norm(xs))


def loss_of(model, tokens):     # workers call it, with a copy of the model
    losses = [F.cross_entropy(scores, target) for scores, target in zip(model(tokens[:-1]), tokens[1:])]
    return F.mean(losses)


# ---- Data. Token 0 is the edge of a document: it begins and ends it.
def documents_of(options):
    path = pathlib.Path(options.text or pathlib.Path(__file__).resolve().parent.parent / "benchmarks" / "names.txt")
    text = path.read_text(encoding="utf-8") if options.text or path.exists() else NAMES.replace(" ", "\n")
    letters = ["edge", *sorted(set(text) - {"\n"})]
    number = {letter: i for i, letter in enumerate(letters)}
    documents = []
    for line in text.splitlines():
        tokens = [0, *(number[letter] for letter in line), 0]
        documents += [tokens[i:i + options.length + 1] for i in range(0, len(tokens) - 1, options.length)]
    documents = [document for document in documents if len(document) > 2]
    if len(documents) < 10:
        sys.exit(f"{path} has {len(documents)} lines, and it takes at least 10 to learn something")
    random.Random(1).shuffle(documents)
    held_out = max(1, min(len(documents) // 10, 50))
    return letters, documents[held_out:], documents[:held_out]


# ---- What is done now and then. Nothing is learned there, so no graph is needed.
@fastgrad.no_grad()
def validation_loss(model, documents):
    return sum(loss_of(model, document).data for document in documents) / len(documents)


@fastgrad.no_grad()
def make_up(model, letters, length):
    tokens = [0]
    while len(tokens) < length:
        chances = F.softmax([score / 0.6 for score in model(tokens)[-1]])      # 0.6: the lower, the less it dares
        token, = random.choices(range(len(letters)), [chance.data for chance in chances])
        if token == 0:
            break
        tokens.append(token)
    return "".join(letters[token] for token in tokens[1:])


def main():
    options = parser.parse_args()
    letters, documents, held_out = documents_of(options)
    random.seed(7)
    model = GPT(len(letters), options.length, options.layers, options.width, options.heads)
    parameters = model.parameters()
    optimizer = optim.AdamW(parameters, lr=options.rate, betas=(0.9, 0.99), weight_decay=0.01)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=options.steps, eta_min=options.rate / 20)
    targets = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "random": random}
    done = {"step": 0, "losses": [], "validation": []}
    if options.resume:
        done = fastgrad.load(options.checkpoint, **targets)["done"]
    print(f"{len(documents)} documents, {len(held_out)} held out, {len(letters)} tokens, {len(parameters)} parameters")

    executor = ProcessPoolExecutor(options.workers) if options.workers else None
    start, first = time.perf_counter(), done["step"]
    for step in range(first, options.steps):
        batch = [documents[(step * options.batch + i) % len(documents)] for i in range(options.batch)]
        optimizer.zero_grad()
        losses = gradients(loss_of, model, batch, executor)     # sums of gradients; clipping takes care of their size
        norm = optim.clip_grad_norm_(parameters, 1.0)
        rate = optimizer.lr
        optimizer.step()
        scheduler.step()
        done["losses"].append(sum(losses) / len(losses))
        done["step"] = step + 1
        is_time = (step + 1) % options.every == 0 or step + 1 == options.steps
        if is_time:
            done["validation"].append(validation_loss(model, held_out))
            fastgrad.save(options.checkpoint, **targets, done=done)
        if is_time or sys.stdout.isatty():
            recent = done["losses"][-options.every:]
            line = (f"step {step + 1:5}/{options.steps}   loss {sum(recent) / len(recent):.4f}   "
                    f"validation {done['validation'][-1] if done['validation'] else float('nan'):.4f}   "
                    f"rate {rate:.5f}   norm {norm:.2f}   "
                    f"{(time.perf_counter() - start) / (step + 1 - first) * 1000:.0f} ms a step")
            print(line, end="\n" if is_time else "\r", flush=True)
    if executor:
        executor.shutdown()

    for _ in range(options.samples):
        print(make_up(model, letters, options.length) or "(nothing)")


if __name__ == "__main__":      # workers import this file
    main()
