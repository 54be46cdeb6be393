"""What torch computes where fastgrad has its names: steps of optimisers, schedules, clipping, layers, and their cases.

    python tests/tools/torch_numbers.py > tests/tools/torch_numbers.json

writes torch's numbers, with which test_torch.py compares ours where torch isn't installed. The functions take either
library's modules, so that both do the same.
"""
import json
import math
import sys

START = [0.5, -1.25, 2.0, 0.0, -0.001, 30.0]
STEPS = 200
SHOWN = [1, 2, 3, 10, 50, 200]      # the steps after which parameters are noted

OPTIMISERS = {
    "sgd": ("SGD", {"lr": 0.05}),
    "sgd decay": ("SGD", {"lr": 0.05, "weight_decay": 0.1}),
    "sgd momentum": ("SGD", {"lr": 0.02, "momentum": 0.9}),
    "sgd dampening": ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    "sgd nesterov": ("SGD", {"lr": 0.02, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
    "sgd maximize": ("SGD", {"lr": 0.001, "momentum": 0.5, "maximize": True}),
    "adam": ("Adam", {"lr": 0.1}),
    "adam decay": ("Adam", {"lr": 0.1, "betas": (0.85, 0.99), "eps": 1e-6, "weight_decay": 0.1}),
    "adam amsgrad": ("Adam", {"lr": 0.1, "amsgrad": True}),
    "adam maximize": ("Adam", {"lr": 0.01, "maximize": True, "weight_decay": 0.01}),
    "adamw": ("AdamW", {"lr": 0.1}),
    "adamw amsgrad": ("AdamW", {"lr": 0.1, "weight_decay": 0.2, "amsgrad": True}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop momentum": ("RMSprop", {"lr": 0.005, "alpha": 0.9, "momentum": 0.7, "weight_decay": 0.01}),
    "rmsprop centered": ("RMSprop", {"lr": 0.01, "eps": 1e-4, "centered": True}),
    "rmsprop all": ("RMSprop", {"lr": 0.002, "centered": True, "momentum": 0.5, "eps": 1e-3, "maximize": True}),
}
SCHEDULES = {
    "step": ("StepLR", {"step_size": 30}),
    "step gamma": ("StepLR", {"step_size": 1, "gamma": 0.97}),
    "cosine": ("CosineAnnealingLR", {"T_max": 200}),
    "cosine up again": ("CosineAnnealingLR", {"T_max": 33, "eta_min": 0.001}),
    "cosine 1": ("CosineAnnealingLR", {"T_max": 1}),
    "lambda": ("LambdaLR", {"lr_lambda": lambda step: 0.95 ** step}),
    "linear": ("LinearLR", {}),
    "linear down": ("LinearLR", {"start_factor": 0.9, "end_factor": 0.0, "total_iters": 150}),
}
GRADS = [3.0, -4.0, 0.5, 0.0, -12.5, 1e-3]
CLIPPINGS = [(1.0, 2.0), (100.0, 2.0), (5.0, math.inf), (2.0, 1.0), (2.0, 3.5), (2.0, 0.5)]
LIMIT = 2.5
ROWS = [[0.5, -1.0, 2.0, 0.25], [1.5, 0.75, -0.5, 3.0], [-2.0, 0.125, 1.0, -1.0]]
EPS = {"RMSNorm": [None, 1e-5], "LayerNorm": [1e-5, 0.1]}


def gradients(data, step):
    """Of a bowl that shakes: the same numbers for both libraries, as long as the data are the same."""
    return [0.3 * (i + 1) * (x - 0.1 * i) + math.sin(step * (i + 1)) for i, x in enumerate(data)]


def weights(rows, columns, seed):
    return [[math.sin(seed + 1.7 * i + 0.31 * j * j) for j in range(columns)] for i in range(rows)]


def optimise(optim, params, read, write_grads, kind, settings):
    """Parameters after some of 200 steps. read(params): their data. write_grads(params, numbers)."""
    optimizer, out = getattr(optim, kind)(params, **settings), []
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        write_grads(params, gradients(read(params), step))
        optimizer.step()
        if step in SHOWN:
            out.append(read(params))
    return out


def schedule(optim, params, kind, settings):
    """The rates of two groups for 200 steps of a schedule, and of one for 60 steps of it together with a warmup."""
    optimizer = optim.SGD([{"params": params[:2]}, {"params": params[2:], "lr": 0.3}], lr=0.1)
    scheduler, out = getattr(optim.lr_scheduler, kind)(optimizer, **settings), []
    for step in range(STEPS):
        out.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    optimizer = optim.SGD(params, lr=0.1)
    both = [optim.lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 20),
            getattr(optim.lr_scheduler, kind)(optimizer, **settings)]
    chained = []
    for step in range(60):
        chained.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for scheduler in both:
            scheduler.step()
    return out[::7], chained


def numbers_of_torch():
    import torch
    torch.set_default_dtype(torch.float64)

    def params_of(numbers):
        return [torch.nn.Parameter(torch.tensor(x)) for x in numbers]

    def read(params):
        return [p.item() for p in params]

    def write_grads(params, numbers):
        for p, x in zip(params, numbers):
            p.grad = torch.tensor(x)

    out = {"torch": torch.__version__.split("+")[0]}
    out["optimisers"] = {name: optimise(torch.optim, params_of(START), read, write_grads, *case)
                         for name, case in OPTIMISERS.items()}
    out["schedules"] = {name: schedule(torch.optim, params_of(START), *case) for name, case in SCHEDULES.items()}
    out["clipped"] = []
    for max_norm, norm_type in CLIPPINGS:
        params = params_of(START)
        write_grads(params, GRADS)
        norm = torch.nn.utils.clip_grad_norm_(params, max_norm, norm_type)
        out["clipped"].append([norm.item(), [p.grad.item() for p in params]])
    params = params_of(START)
    write_grads(params, GRADS)
    torch.nn.utils.clip_grad_value_(params, LIMIT)
    out["limited"] = [p.grad.item() for p in params]

    def outcome(layer):
        """What a layer makes of the rows, and the gradients of the rows under the loss sum(out * weights)."""
        x = torch.tensor(ROWS, requires_grad=True)
        y = layer(x)
        (y * torch.tensor(weights(*y.shape, 5))).sum().backward()
        return [y.tolist(), x.grad.tolist()]

    def filled(layer):
        for i, (_, p) in enumerate(sorted(layer.named_parameters())):
            p.data = torch.tensor(weights(*p.shape, i) if p.dim() == 2 else weights(1, len(p), i)[0])
        return layer

    def attention(x):
        q, k, v = ((x @ torch.tensor(weights(4, 4, seed)).T).reshape(3, 2, 2).transpose(0, 1) for seed in range(3))
        mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return mixed.transpose(0, 1).reshape(3, 4) @ torch.tensor(weights(4, 4, 3)).T

    out["layers"] = {"Linear": outcome(filled(torch.nn.Linear(4, 5))), "CausalSelfAttention": outcome(attention)}
    for kind, epsilons in EPS.items():
        for eps in epsilons:
            out["layers"][f"{kind} {eps}"] = outcome(filled(getattr(torch.nn, kind)(4, eps=eps)))
    return out


if __name__ == "__main__":
    json.dump(numbers_of_torch(), sys.stdout, indent=None, separators=(",", ":"))
    print()
