"""Training steps of a small GPT in PyTorch: modules, autograd, fused AdamW.

Own code for the recipe that nanoGPT's README gives for a CPU: pre-norm blocks without
biases or dropout, scale-only LayerNorm, exact GELU, tied unembedding, AdamW with decay
on matrices alone, the gradient clipped to norm 1, a cosine rate.
"""

# torch is in the extra `peers`, which the checks do without.
# pyright: reportMissingImports=false

import contextlib
import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

Mode = Literal["eager", "compile", "bf16", "compile_bf16"]
MODES: tuple[Mode, ...] = ("eager", "compile", "bf16", "compile_bf16")

RATE, FINAL_RATE, WARMUP, RUN = 1e-3, 1e-4, 100, 2000


class Shape(NamedTuple):
    """The sizes of the model and its batch; the defaults have 804,096 parameters."""

    layers: int = 4
    heads: int = 4
    embedding: int = 128
    context: int = 64
    batch: int = 12
    vocabulary: int = 65


class Block(nn.Module):
    """Attention, then an MLP, each added to the residual stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.embedding
        self.heads = shape.heads
        self.before_attention = nn.LayerNorm(width, eps=1e-5, bias=False)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.mixed = nn.Linear(width, width, bias=False)
        self.before_mlp = nn.LayerNorm(width, eps=1e-5, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, stream: torch.Tensor) -> torch.Tensor:
        """(B, T, D) -> (B, T, D)."""
        size, tokens, width = stream.shape
        fused = self.query_key_value(self.before_attention(stream))
        split = fused.view(size, tokens, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        # In bfloat16 the backward of this kernel takes 4.6 ms on a CPU, 0.5 in float32.
        with torch.autocast("cpu", enabled=False):
            found = functional.scaled_dot_product_attention(
                query.float(), key.float(), value.float(), is_causal=True
            )
        stream = stream + self.mixed(found.transpose(1, 2).reshape(stream.shape))
        return stream + self.down(functional.gelu(self.up(self.before_mlp(stream))))


class Gpt(nn.Module):
    """Tokens to the mean loss of their successors."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.token = nn.Embedding(shape.vocabulary, shape.embedding)
        self.position = nn.Embedding(shape.context, shape.embedding)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.last_norm = nn.LayerNorm(shape.embedding, eps=1e-5, bias=False)
        for name, weights in self.named_parameters():
            if weights.ndim >= 2:
                ends_branch = name.endswith(("mixed.weight", "down.weight"))
                shrink = math.sqrt(2 * shape.layers) if ends_branch else 1.0
                nn.init.normal_(weights, std=0.02 / shrink)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """(B, T + 1) tokens -> the mean cross-entropy in nats."""
        tokens, following = windows[:, :-1], windows[:, 1:]
        stream = self.token(tokens) + self.position.weight[: tokens.shape[1]]
        for block in self.blocks:
            stream = block(stream)
        logits = functional.linear(self.last_norm(stream), self.token.weight)
        return functional.cross_entropy(logits.flatten(0, 1), following.flatten())


def make_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """AdamW in its fused kernel, with decay on tensors of two or more dimensions."""
    weights = list(model.parameters())
    groups = [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": 0.1},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.99), fused=True)


def rate_at(step: int) -> float:
    """The learning rate: a linear rise, then a cosine down to a tenth."""
    if step < WARMUP:
        return RATE * (step + 1) / (WARMUP + 1)
    share = min(1.0, (step - WARMUP) / (RUN - WARMUP))
    return FINAL_RATE + (RATE - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * share))


def training(
    text: np.ndarray, shape: Shape, mode: Mode, threads: int, steps: int
) -> Callable[[], float]:
    """A function that trains some steps at each call and returns the last loss.

    Args:
      text: (N,) tokens; every batch is windows of it at random places.
      shape: of model and batch.
      mode: eager or compiled, in float32 or under bfloat16 autocast.
      threads: what torch may use.
      steps: how many a call.
    """
    torch.manual_seed(0)
    model = Gpt(shape)
    optimizer = make_optimizer(model)
    loss_of = torch.compile(model) if mode.startswith("compile") else model
    resident = torch.from_numpy(text.astype(np.int64))
    span = torch.arange(shape.context + 1)
    number = 0

    def narrow() -> contextlib.AbstractContextManager:
        enabled = mode.endswith("bf16")
        return torch.autocast("cpu", torch.bfloat16, enabled=enabled)

    def turn() -> float:
        nonlocal number
        torch.set_num_threads(threads)
        loss = torch.zeros(())
        for _ in range(steps):
            starts = torch.randint(len(resident) - shape.context, (shape.batch, 1))
            with narrow():
                loss = loss_of(resident[starts + span])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = rate_at(number)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            number += 1
        return loss.item()

    return turn
