"""That PyTorch's twin with Hugging Face's generation learns by the same loss."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmarks import gpt, grpo, rollout
from nnguide.language import grpo as learning
from nnguide.language.grpo import GrpoConfig
from nnguide.language.pretrained import save_gpt2
from nnguide.language.token_shares import token_shares
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.model import initial_params

CONFIG = TransformerConfig(
    vocabulary=9,
    context=8,
    layers=1,
    embedding=16,
    heads=2,
    activation="gelu_exact",
    dropout=0.0,
    initial_std=0.3,
)


def peer() -> Any:
    """PyTorch's twin, where the extra `peers` is installed."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from experiments.benchmarks.peers import grpo_torch

    return grpo_torch


def shape():
    return peer().Shape(1, 2, 16, 8, 9, new=5, group=4, batch=4)


def test_our_iteration_learns_from_what_it_writes(monkeypatch):
    tiny = dataclasses.replace(CONFIG, vocabulary=65, context=64)
    monkeypatch.setattr(grpo, "MODEL", tiny)
    ours = grpo._ours("float32")
    ours.whole()
    ours.update()
    rows = rollout.ROWS * (rollout.PROMPT + rollout.NEW)
    assert ours.peak > 4 * rows * tiny.embedding  # a stream of all tokens at least


@pytest.mark.slow
def test_the_benchmark_is_about_the_work_that_the_twin_does():
    grpo_torch = peer()
    wanted = grpo_torch.Shape()
    assert (wanted.new, wanted.group) == (rollout.NEW, grpo.GROUPS.group)
    answers = grpo.ROUNDS.batch_size * grpo.GROUPS.group
    assert (wanted.batch, grpo.GROUPS.beta) == (answers, grpo_torch.BETA)
    twin = grpo_torch.make_model(wanted)
    made: Any = jax.eval_shape(lambda: initial_params(gpt.MODEL, jax.random.key(0)))
    ours = sum(leaf.size for leaf in jax.tree.leaves(nn.unbox(made)))
    theirs = {name: p.numel() for name, p in twin.named_parameters()}
    biases = sum(size for name, size in theirs.items() if name.endswith("bias"))
    assert sum(theirs.values()) - biases == ours == 804_096


@pytest.mark.slow
def test_the_twin_has_the_same_loss_and_answers_its_prompts(tmp_path, key):
    grpo_torch, torch = peer(), pytest.importorskip("torch")
    params = nn.unbox(initial_params(CONFIG, key))
    save_gpt2(tmp_path, CONFIG, params)
    transformers = pytest.importorskip("transformers")
    twin = transformers.GPT2LMHeadModel.from_pretrained(tmp_path).eval()
    random = np.random.default_rng(0)
    tokens = random.integers(0, 9, (4, 8)).astype(np.int32)
    advantage = random.normal(size=4).astype(np.float32)
    old, reference = random.normal(-2, 0.3, (2, 4, 5)).astype(np.float32)

    rows = grpo_torch.Rows(
        torch.from_numpy(tokens.astype(np.int64)),
        *(torch.from_numpy(each) for each in (old, reference, advantage)),
    )
    theirs = grpo_torch.loss_of(twin, rows, 5).item()
    batch = {
        "prompt": tokens[:, :3],
        "prompt_length": np.full(4, 3),
        "answers": tokens[:, None, 3:],
        "counts": token_shares(jnp.ones((4, 5)), "sequence")[:, None],
        "old": old[:, None],
        "reference": reference[:, None],
        "advantage": advantage[:, None],
        "weight": jnp.ones(4),
        **{name: jnp.zeros((4, 1)) for name in ("reward", "length", "ended")},
    }
    batch = {name: jnp.asarray(leaf) for name, leaf in batch.items()}
    config = dataclasses.replace(GrpoConfig(), beta=grpo_torch.BETA)
    (total, weight), _ = learning.functions(CONFIG, config).loss(params, batch, key)
    assert float(total / weight) == pytest.approx(theirs, abs=1e-5)

    prompts = np.repeat(tokens[:2, :3], 4, axis=0)
    written = grpo_torch.rollout(prompts, shape(), 1)()
    assert written.shape == (8, 8)
    assert (written[:, :3].numpy() == prompts).all()
    whole, update = grpo_torch.iteration(prompts, shape(), 1)
    assert np.isfinite([whole(), update()]).all()


def test_the_peak_of_memory_is_part_of_the_line():
    from experiments import benchmark

    case = benchmark.Case("toy", 1, "x", {}, peak_bytes=3 * 2**20)
    seconds = {"nnguide": [1.0] * 3, "peer": [2.0] * 3}
    ours, peer = benchmark.lines("toy", case, seconds)
    assert ours["peak_mib"] == 3.0
    assert "peak_mib" not in peer
