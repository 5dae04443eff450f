"""Part 4 on a smaller network: every claim that can be scored is as expected."""

import json

import pytest

from experiments import part4_chain_rule as part4
from nnguide.config import InputError
from nnguide.network.mlp import MlpConfig


def test_the_gradient_is_confirmed_three_ways(tmp_path):
    config = part4.Config(
        network=MlpConfig((784, 2, 10)),
        examples=3,
        chunk=64,
        workdir=str(tmp_path / "run"),
    )
    results = part4.run(config)
    assert all(claim.as_expected is not False for claim in results.claims)
    claims = {claim.id: claim for claim in results.claims}
    assert claims["4.hand_is_nudging"].measured < 1e-7
    assert claims["4.nudging_float32"].verdict == "false"  # as it should be
    assert claims["4.seconds_of_nudging"].as_expected is None  # too small a network
    assert len(results.figures) == 4
    assert all((results.workdir / figure).exists() for figure in results.figures)
    saved = json.loads((results.workdir / "results.json").read_text())
    assert len(saved["claims"]) == len(claims)


def test_nothing_to_check_is_refused():
    with pytest.raises(InputError, match="examples=0"):
        part4.Config(examples=0)
    with pytest.raises(InputError, match="chunk=0"):
        part4.Config(chunk=0)


def test_a_network_that_does_not_fit_the_images_is_refused(tmp_path):
    config = part4.Config(network=MlpConfig((10, 10)), workdir=str(tmp_path / "run"))
    with pytest.raises(InputError, match="784 pixels"):
        part4.run(config)
