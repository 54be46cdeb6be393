# Optimisers, schedules of their rate, and clipping of gradients.
from fastgrad.optim import lr_scheduler as lr_scheduler
from fastgrad.optim.algorithms import SGD, Adam, AdamW, RMSprop
from fastgrad.optim.clipping import clip_grad_norm_, clip_grad_value_
from fastgrad.optim.optimizer import Optimizer

__all__ = ["SGD", "Adam", "AdamW", "RMSprop", "Optimizer", "lr_scheduler", "clip_grad_norm_", "clip_grad_value_"]
