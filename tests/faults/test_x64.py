"""JAX with 64 bits (JAX_ENABLE_X64): nothing becomes float64 by default.

What a library function makes without a stated type has 32 bits in one mode and 64 in
the other, where a scan's carry or a C++ kernel then no longer fits.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.diffusion import samplers
from nnguide.language.generation import make_generator, pad_prompts
from nnguide.language.policy import generalized_advantages
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import initial_params

KEY = jax.random.key(0)
ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path for part in ("nnguide", "experiments") for path in (ROOT / part).rglob("*.py")
)
TYPE_AT = {  # function -> place of the type among its arguments; None: by name alone
    "jnp.zeros": 1,
    "jnp.ones": 1,
    "jnp.eye": None,
    "jnp.linspace": None,
    "jax.nn.one_hot": None,
    "jax.random.normal": 2,
    "jax.random.randint": 4,
    "jax.random.uniform": 2,
    "jax.random.gumbel": 2,
    "jax.random.exponential": 2,
    "jax.random.truncated_normal": 4,
}


def untyped(source: str) -> list[str]:
    """The calls that leave the type of new numbers to JAX's mode."""
    ends = {name.split(".")[-1] for name in TYPE_AT}
    calls = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ends
    ]
    return [
        ast.unparse(call)
        for call in calls
        if (name := ast.unparse(call.func)) in TYPE_AT
        and "dtype" not in [keyword.arg for keyword in call.keywords]
        and ((at := TYPE_AT[name]) is None or len(call.args) <= at)
    ]


def test_every_array_is_made_with_its_type():
    assert untyped("jnp.zeros(3); jnp.ones(2, x.dtype); jnp.eye(3, dtype=y)") == [
        "jnp.zeros(3)"
    ]
    found = {
        str(path): calls for path in SOURCES if (calls := untyped(path.read_text()))
    }
    assert not found


def test_text_is_written_by_the_kernel_for_32_bits():
    """Its loop's state and what C++ gets are float32 and int32 in both modes."""
    config = TransformerConfig(
        vocabulary=11, context=16, layers=1, embedding=32, heads=1, dropout=0.0
    )
    with jax.enable_x64(True):
        params = nn.unbox(jax.jit(initial_params, static_argnums=0)(config, KEY))
        write = make_generator(config, Execution(decoding="fused"), new_tokens=6)
        prompts = pad_prompts([[1, 2, 3], [4]], config.context, config.vocabulary)
        written = write(params, *prompts, KEY)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    assert written.tokens.dtype == jnp.int32
    assert written.log_probabilities.dtype == jnp.float32
    assert (written.lengths == 6).all()
    assert (written.log_probabilities < 0).all()


def test_a_sampler_s_scan_keeps_its_type():
    with jax.enable_x64(True):
        keys = jax.random.split(KEY, 3)
        x = samplers.starting_noise(keys, (2,), np.float64(5.0))
        sigmas = np.array([5.0, 1.0, 0.0])
        config = samplers.SamplerConfig("ddpm", 2)
        found = samplers.sample(lambda x, *_: 0.5 * x, x, keys, config, sigmas)
    assert x.dtype == found.x.dtype == jnp.float32


def test_advantages_keep_their_type():
    with jax.enable_x64(True):
        ones = jnp.ones((2, 3), jnp.float32)
        found = generalized_advantages(ones, ones, ones, 1.0, 0.9)
    assert found.dtype == jnp.float32


# Each launcher's own toy run and what its test says of it, in a process with 64 bits.
TOYS = {
    "part1": "test_part1_neural_network.py::test_every_study_at_toy_size",
    "part2": "test_part2_gradient_descent.py::"
    "test_no_claim_of_a_toy_run_is_other_than_expected",
    "part3": "test_part3_backpropagation.py::"
    "test_what_does_not_need_a_long_training_is_as_expected",
    "part4": "test_part4_chain_rule.py::test_the_gradient_is_confirmed_three_ways",
    "part5": "test_part5_language_model.py",
    "part5_ladder": "test_part5_feedback.py",
    "part6": "test_part6_transformers.py::"
    "test_no_claim_of_a_toy_run_is_other_than_expected",
    "part6_directions": "test_part6_directions.py",
    "part7": "test_part7_attention.py",
    "part7_heads": "test_part7_heads.py",
    "part8": "test_part8_gate_capacity.py",
    "part8_orthogonal": "test_part8_orthogonal.py",
    "part8_superposition": "test_part8_superposition.py",
    "part8_tracing": "test_part8_tracing.py",
    "part9_spiral": "test_part9_spiral.py",
    "part9_digits": "test_part9_digits.py",
    "part9_clip_scenes": "test_part9_clip.py",
    "benchmark": "test_benchmark.py",
    "compare": "test_compare.py",
    "dry_run": "test_dry_run.py",
}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", TOYS)
def test_every_launcher_runs_at_toy_size(launcher):
    options = ["-q", "--tb=short", "-m", "not gpu", "-k", "not full and not gensim"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *options,
            f"tests/experiments/{TOYS[launcher]}",
        ],
        cwd=ROOT,
        env={**os.environ, "JAX_ENABLE_X64": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
