"""GRPO in PyTorch: Hugging Face's GPT-2 writes with its cache, autograd learns.

Own code for what `nnguide.language.grpo` does: a rollout of groups of answers at
temperature 1, their log-probabilities under policy and reference, and steps of AdamW on
the clipped ratio and the divergence, every answer counting the same. The model is as
large as ours but for GPT-2's biases. Logits are made for the answers alone, as the
Hugging Face trainers make them.
"""

# torch and transformers are in the extra `peers`, which the checks do without.
# pyright: reportMissingImports=false

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from torch import nn

RATE, CLIP, BETA, LARGEST = 1e-4, 0.2, 0.04, 1.0
SMALL = 1e-4  # keeps groups whose rewards are all the same at 0


class Shape(NamedTuple):
    """The sizes of model and work; the defaults are those of the benchmark."""

    layers: int = 4
    heads: int = 4
    embedding: int = 128
    context: int = 64
    vocabulary: int = 65
    new: int = 31
    group: int = 8
    batch: int = 32


class Rows(NamedTuple):
    """A rollout: (B, N) tokens, (B, new) log-probabilities, (B,) advantages."""

    tokens: torch.Tensor
    old: torch.Tensor
    reference: torch.Tensor
    advantages: torch.Tensor


def make_model(shape: Shape) -> Any:
    """GPT-2 with exact GELU, without dropout."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=shape.vocabulary,
        n_positions=shape.context,
        n_embd=shape.embedding,
        n_layer=shape.layers,
        n_head=shape.heads,
        activation_function="gelu",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
    )
    return transformers.GPT2LMHeadModel(config)


def answered(model: Any, prompts: torch.Tensor, new: int) -> torch.Tensor:
    """Prompts with answers of `new` tokens behind, drawn at temperature 1."""
    return model.generate(
        prompts,
        attention_mask=torch.ones_like(prompts),
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        max_new_tokens=new,
        min_new_tokens=new,
        pad_token_id=0,
    )


def log_probabilities(model: nn.Module, tokens: torch.Tensor, new: int) -> torch.Tensor:
    """(B, N) tokens -> (B, new), of the answers' tokens."""
    logits = model(tokens[:, :-1], logits_to_keep=new, use_cache=False).logits
    chosen = tokens[:, -new:, None]
    return logits.log_softmax(-1).gather(-1, chosen)[..., 0]


def loss_of(model: nn.Module, rows: Rows, new: int) -> torch.Tensor:
    """The mean over answers of the mean over their tokens."""
    own = log_probabilities(model, rows.tokens, new)
    ratio, advantages = (own - rows.old).exp(), rows.advantages[:, None]
    bounded = ratio.clamp(1 - CLIP, 1 + CLIP)
    improvement = -torch.minimum(ratio * advantages, bounded * advantages)
    log_ratio = rows.reference - own
    apart = log_ratio.expm1() - log_ratio
    return (improvement + BETA * apart).mean()


def rolled_out(
    model: nn.Module, reference: nn.Module, prompts: torch.Tensor, shape: Shape
) -> Rows:
    """Answers, how likely they were, and how much better than the rest of a group."""
    with torch.no_grad():
        tokens = answered(model, prompts, shape.new)
        old, fixed = (
            log_probabilities(each, tokens, shape.new) for each in (model, reference)
        )
        worth = (tokens[:, -shape.new :] == 1).sum(-1).float()
        groups = worth.view(-1, shape.group)
        centred = groups - groups.mean(-1, keepdim=True)
        deviation = centred.square().mean(-1, keepdim=True).sqrt()
        return Rows(tokens, old, fixed, (centred / (deviation + SMALL)).flatten())


def rollout(
    prompts: np.ndarray, shape: Shape, threads: int
) -> Callable[[], torch.Tensor]:
    """A function that answers all prompts."""
    model, asked = make_model(shape).eval(), torch.from_numpy(prompts.astype(np.int64))

    def turn() -> torch.Tensor:
        torch.set_num_threads(threads)
        with torch.no_grad():
            return answered(model, asked, shape.new)

    return turn


def iteration(
    prompts: np.ndarray, shape: Shape, threads: int, rounded: bool = False
) -> tuple[Callable[[], float], Callable[[], float]]:
    """A whole iteration, and its steps alone; both return the last loss.

    Args:
      prompts: (B, P) tokens, groups of equal ones in a row.
      shape: of model and work.
      threads: what torch may use.
      rounded: whether products are bfloat16's, as `torch.autocast` chooses them.
    """
    model, reference = make_model(shape), make_model(shape)
    asked = torch.from_numpy(prompts.astype(np.int64))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, fused=True)

    def learned(rows: Rows) -> float:
        loss = torch.zeros(())
        for chosen in torch.randperm(len(asked)).split(shape.batch):
            loss = loss_of(model, Rows(*(leaf[chosen] for leaf in rows)), shape.new)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), LARGEST)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def made() -> Rows:
        torch.set_num_threads(threads)
        return rolled_out(model, reference, asked, shape)

    def whole() -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=rounded):
            return learned(made())

    def steps() -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=rounded):
            return learned(kept)

    kept = made()
    return whole, steps
