"""Optimisers, schedules of their rate, and clipping of gradients, with the names, arguments and defaults of torch.

    optimizer = Adam(model.parameters(), lr=0.01)
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    for step in range(steps):
        optimizer.zero_grad()
        loss = ...
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()        # or by hand: optimizer.lr = 0.01 * (1 - step / steps); any setting can be assigned

A step has the bits of the plain loop in Python; for Adam that's microgpt's loop. (torch's Adam divides in another
order.) optimizer.py is about what all optimisers share, algorithms.py has each one's settings. The loops are in
value/parameters.py and, for the C engine, in csrc/optim.c.
"""
from fastgrad.optim import lr_scheduler
from fastgrad.optim.algorithms import SGD, Adam, AdamW, RMSprop
from fastgrad.optim.checks import gather as _gather     # pickles of the engine in plain Python name it
from fastgrad.optim.clipping import clip_grad_norm_, clip_grad_value_
from fastgrad.optim.optimizer import Optimizer

__all__ = ["SGD", "Adam", "AdamW", "RMSprop", "Optimizer", "lr_scheduler", "clip_grad_norm_", "clip_grad_value_"]
