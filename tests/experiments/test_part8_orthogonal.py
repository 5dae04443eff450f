"""Part 8's study of nearly perpendicular vectors."""

import numpy as np
import pytest
from PIL import Image

from experiments.part8 import orthogonal, orthogonal_packing
from experiments.part8.setting import Setting
from nnguide.config import InputError

TOY = orthogonal.Config(
    vectors=60, dimensions=5, steps=20, sample=60, prime=61, grown=(8, 16, 80), sets=1
)
PICTURES = [
    "orthogonal_video",
    "orthogonal_losses",
    "orthogonal_growth",
    "orthogonal_random",
]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"vectors": 30}, "--orthogonal.vectors=30: so few can be perpendicular"),
        ({"dimensions": 2}, "--orthogonal.dimensions=2: give 3 or more"),
        ({"steps": 0}, "--orthogonal.steps=0: give 1 or more"),
        ({"sample": 1}, "--orthogonal.sample=1: give 2 or more"),
        ({"prime": 49}, "--orthogonal.prime=49: give an odd prime"),
        ({"grown": (8, 64)}, "--orthogonal.grown=8,64: 80 is missing"),
        ({"sets": 0}, "--orthogonal.sets=0: give 1 or more"),
    ],
)
def test_a_wrong_value_dies_with_flag_value_and_remedy(fields, says):
    with pytest.raises(InputError, match=says):
        orthogonal.Config(**fields)


def test_a_toy_study_claims_nothing_unexpected_and_draws(tmp_path, monkeypatch):
    monkeypatch.setattr(orthogonal, "SPACES", (3, 10, 100, 12_288))
    monkeypatch.setattr(orthogonal, "EXHAUSTIVE", (3, 47))
    monkeypatch.setattr(orthogonal_packing, "PRIME", 3)
    monkeypatch.setattr(orthogonal_packing, "COUNTS", (24,))
    claims, figures = orthogonal.study(TOY, Setting(0, tmp_path, "light"))
    judged = {claim.id: claim for claim in claims}
    assert len(judged) == len(claims)
    assert not [claim.id for claim in claims if claim.as_expected is False]
    assert judged["8.orthogonal_most"].verdict == "false"
    assert judged["8.orthogonal_chirps_47"].measured == pytest.approx(8.387, abs=1e-3)
    assert judged["8.orthogonal_tenfold_1"].verdict == "false"
    assert figures == [f"figures/{picture}.png" for picture in PICTURES]
    for figure in figures:
        with Image.open(tmp_path / figure) as picture:
            assert picture.width == 2400
        assert np.load((tmp_path / figure).with_suffix(".npz")).files


@pytest.mark.slow
def test_every_claim_of_the_full_study_is_as_expected(tmp_path):
    setting = Setting(0, tmp_path, "light")
    claims, _ = orthogonal.study(orthogonal.Config(), setting)
    assert not [claim.id for claim in claims if claim.as_expected is not True]
