"""Pictures of the spiral's studies from made-up numbers."""

import numpy as np
import pytest

from nnguide.data.spiral import spiral
from nnguide.plots import denoising_loss, guidance, sampler_steps, trails, vector_field

POINTS, LABELS = spiral()
RNG = np.random.default_rng(0)
SAMPLERS: tuple[str, ...] = ("ddpm_without_noise", "ddpm", "ddim")


def finding(figure) -> str:
    return " ".join(figure.texts[0].get_text().split())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_steps_say_what_is_kept_without_noise(theme, check_readable):
    names: tuple[str, ...] = (*SAMPLERS, "dpmpp_2m")
    steps = np.array([5, 10, 20, 50, 100, 256])
    variation = dict(zip(names, np.linspace([0.9] * 6, [0.04] * 6, 4), strict=True))
    coverage = dict(zip(names, [np.full(6, 0.1), *np.ones((3, 6))], strict=True))
    figure = sampler_steps.steps_of_samplers(theme, steps, variation, coverage, 2000)
    check_readable(figure)
    assert "without it DDPM keeps 10% of the spiral" in finding(figure)
    words = [text.get_text() for text in figure.axes[1].texts]
    assert "DDPM, DDIM, DPM-Solver++:\n100%" in words
    assert sampler_steps._fair_variation(2000, 20) == pytest.approx(0.0389, abs=1e-4)


def test_ways_back_have_a_row_for_each_denoiser(check_readable):
    ways = {who: {name: RNG.normal(size=(6, 30, 2)) for name in SAMPLERS}
            for who in ("exact", "trained")}  # fmt: skip
    coverage = {
        who: dict(zip(SAMPLERS, (share, 1.0, 1.0), strict=True))
        for who, share in (("exact", 0.1), ("trained", 0.2))
    }
    figure = trails.ways_back("dark", ways, coverage, POINTS, 9)
    check_readable(figure)
    assert "Without noise, 5 steps of DDPM keep 10%" in finding(figure)
    assert len(figure.axes[3].lines) == 9


def test_fields_are_compared_level_by_level(check_readable):
    line = np.linspace(-1, 1, 6)
    places = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    exact = RNG.normal(size=(6, 36, 2))
    sigmas, cosine = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03), np.linspace(1, 0.95, 6)
    figure = vector_field.over_noise(
        "light", sigmas, places, exact, exact, cosine, POINTS
    )
    check_readable(figure)
    assert "cosine of 0.960 or more" in finding(figure)


def test_the_loss_stands_on_its_floor(check_readable):
    steps = np.arange(50, 1050, 50)
    error, sigmas = 0.33 + np.exp(-steps / 200), np.geomspace(9, 0.011, 24)
    floor = np.exp(-(np.log(sigmas / 0.15) ** 2) / 3)
    figure = denoising_loss.above_floor(
        "light", steps, error, 0.329, sigmas, 1.1 * floor, floor
    )
    check_readable(figure)
    assert "the floor is 0.329" in finding(figure)


def test_guidance_tells_both_sides(check_readable):
    alphas = np.array([0.0, 1, 3, 5, 10])
    own = {"perfect": np.ones(5), "weak": np.array([0.5, 0.7, 0.9, 0.98, 1])}
    near = {"perfect": np.array([1, 1, 0.9, 0.9, 0.3]), "weak": np.ones(5)}
    samples = {name: RNG.normal(size=(5, 20, 2)) for name in own}
    figure = guidance.strips("light", alphas, samples, own, near, POINTS, LABELS == 2)
    check_readable(figure)
    assert "(50% to 100% in class)" in finding(figure)
    figure = guidance.over_alpha("dark", alphas, own, near)
    check_readable(figure)
    assert "alpha = 10 brings 50% of the samples in class to 100%" in finding(figure)
    assert "leaves 30% on the spiral" in finding(figure)


def test_three_arrows_and_three_classes(check_readable):
    places = np.concatenate([[[0.3, 0.1]], RNG.uniform(-1, 1, (9, 2))])
    plain, told = -places, 0.2 - places
    figure = guidance.three_arrows(
        "light", places, plain, told, told + 3 * (told - plain), 3.0, 0.6, POINTS,
        LABELS == 2,
    )  # fmt: skip
    check_readable(figure)
    assert "conditioned + 3 (conditioned - unconditioned)" in finding(figure)
    figure = guidance.classes("light", POINTS, LABELS, 0.987, POINTS, "ddim", 50, 0.0)
    check_readable(figure)
    assert finding(figure).startswith("98.7% of the samples lie in the class asked")
