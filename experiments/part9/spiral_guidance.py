"""Guidance on the spiral: what it rescues, and what too much of it breaks.

Samples of the outer arm, one class of three. A denoiser that knows the class exactly
needs no guidance and is led off the spiral by much of it. One that hardly listens, the
guide's desert whose tree is missing, needs it. Weak listeners are exact too: a
condition that is right in 60% of the cases is a prior over the points.

Sources: "But how do AI images and videos actually work"; Ho & Salimans, arXiv
2207.12598.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from experiments.part9.setting import Setting
from experiments.part9.spiral_measures import in_class, measure_class
from experiments.part9.spiral_network import denoiser_of, train
from experiments.part9.spiral_samples import LABELS, POINTS, Of, draw, exact, grid
from nnguide.data.spiral import CLASSES
from nnguide.diffusion.guidance import GuidanceConfig, guided
from nnguide.diffusion.point_network import PointNetworkConfig
from nnguide.diffusion.samplers import SamplerConfig
from nnguide.plots import guidance as pictures
from nnguide.plots import style
from nnguide.results import Band, Caveat, Claim

ALPHAS = (0.0, 1.0, 3.0, 5.0, 10.0)
QUALITIES = {"perfect": 1.0, "weak": 0.6, "very_weak": 0.4}
OUTER = CLASSES - 1
NETWORK = PointNetworkConfig((16, 128, 256, 128, 16), classes=CLASSES)
SAMPLER = SamplerConfig("ddim", 64)
PLACE, SIGMA = np.array([[0.35, 0.1]]), 0.6  # where the three arrows are drawn


class Guided(NamedTuple):
    """A listener's samples, an alpha a row.

    Attributes:
      samples: in the plane, (alphas, samples, 2).
      in_class: share in the outer arm.
      on_spiral: share within 0.03 of the spiral.
      coverage: share of the outer arm's 20 parts that hold a tenth of what they should.
    """

    samples: np.ndarray
    in_class: np.ndarray
    on_spiral: np.ndarray
    coverage: np.ndarray


def study(
    steps: int, samples: int, scored: bool, setting: Setting
) -> tuple[list[Claim], list[str]]:
    """Sweeps alpha for exact listeners and for a trained network.

    Args:
      steps: of the network's training.
      samples: of each alpha.
      scored: whether the sizes are those that claims are scored at.
      setting: of the run.
    """
    params = train(NETWORK, steps, "spiral_classes", setting).state.params
    nothing = jnp.zeros(len(POINTS), jnp.float32)
    prior = np.repeat([log_prior(q) for q in QUALITIES.values()], samples, axis=0)
    listeners = dict(
        zip(QUALITIES, _sweep(exact, POINTS, nothing, prior, setting.seed), strict=True)
    )
    labels = np.full(samples, OUTER, np.int32)
    known = _sweep(denoiser_of(NETWORK), params, CLASSES, labels, setting.seed, 1)
    listeners["trained"] = known[0]
    return _claims(listeners, scored), [
        *_draw_sweep(listeners, setting),
        _draw_arrows(setting),
        _draw_classes(params, samples, setting),
    ]


def log_prior(quality: float) -> np.ndarray:
    """What a listener that is right so often makes of "outer arm", point by point."""
    own = LABELS == OUTER
    share = np.where(own, quality / own.sum(), (1 - quality) / (~own).sum())
    with np.errstate(divide="ignore"):
        return np.log(share).astype(np.float32)


def _sweep(
    of: Of, params: Any, nothing: Any, condition: np.ndarray, seed: int, parts: int = 3
) -> list[Guided]:
    """Samples at every alpha; the conditions are of so many listeners, one by one."""
    drawn = []
    for alpha in ALPHAS:
        config = GuidanceConfig(alpha)

        def guided_of(params: Any, config: GuidanceConfig = config) -> Any:
            return guided(of(params), nothing, config)

        x = draw(guided_of, params, SAMPLER, len(condition), seed, condition).x
        drawn.append(np.asarray(x).reshape(parts, -1, 2))
    return [_judge(np.stack(samples)) for samples in zip(*drawn, strict=True)]


def _judge(samples: np.ndarray) -> Guided:
    clouds = [measure_class(x, OUTER) for x in samples]
    return Guided(samples, *(np.array(each) for each in zip(*clouds, strict=True)))


def _draw_sweep(listeners: dict[str, Guided], setting: Setting) -> list[str]:
    theme, alphas = setting.theme, np.array(ALPHAS)
    numbers = {
        f"{name}_{measure}": getattr(each, measure)
        for name, each in listeners.items()
        for measure in ("in_class", "on_spiral", "coverage")
    }
    strips = {name: listeners[name] for name in ("perfect", "weak")}
    strip = pictures.strips(
        theme, alphas, {name: each.samples for name, each in strips.items()},
        {name: each.in_class for name, each in strips.items()},
        {name: each.on_spiral for name, each in strips.items()}, POINTS,
        LABELS == OUTER,
    )  # fmt: skip
    curves = pictures.over_alpha(
        theme, alphas,
        {name: each.in_class for name, each in listeners.items()},
        {name: each.on_spiral for name, each in listeners.items()},
    )  # fmt: skip
    return [
        style.save(
            strip, setting.workdir, "spiral_guidance", alphas=alphas,
            **{name: each.samples for name, each in strips.items()},
        ),
        style.save(
            curves, setting.workdir, "spiral_guidance_alpha", alphas=alphas, **numbers
        ),
    ]  # fmt: skip


def _draw_arrows(setting: Setting) -> str:
    """The three arrows of the guide, at one place and on a grid."""
    places = np.concatenate([PLACE, grid(1.3, 12)])
    told = np.tile(log_prior(QUALITIES["weak"]), (len(places), 1))
    sigma = jnp.full(len(places), SIGMA)
    x, denoise = jnp.asarray(places, jnp.float32), exact(jnp.asarray(POINTS))
    unconditioned = denoise(x, sigma, None) - x
    conditioned = denoise(x, sigma, jnp.asarray(told)) - x
    alpha = 3.0
    towards = conditioned + alpha * (conditioned - unconditioned)
    arrows = [np.asarray(each) for each in (unconditioned, conditioned, towards)]
    drawing = pictures.three_arrows(
        setting.theme, places, arrows[0], arrows[1], arrows[2], alpha, SIGMA, POINTS,
        LABELS == OUTER,
    )  # fmt: skip
    return style.save(
        drawing, setting.workdir, "spiral_arrows", places=places,
        unconditioned=arrows[0], conditioned=arrows[1], guided=arrows[2],
    )  # fmt: skip


def _draw_classes(params: Any, samples: int, setting: Setting) -> str:
    """Every class by the trained network, with the sampler and alpha asked for."""
    labels = np.arange(samples, dtype=np.int32) % CLASSES

    def of(params: Any) -> Any:
        return guided(denoiser_of(NETWORK)(params), CLASSES, setting.guidance)

    x = np.asarray(draw(of, params, setting.sampler, samples, setting.seed, labels).x)
    drawing = pictures.classes(
        setting.theme, x, labels, in_class(x, labels), POINTS,
        setting.sampler.name, setting.sampler.steps, setting.guidance.guidance_alpha,
    )  # fmt: skip
    return style.save(drawing, setting.workdir, "spiral_classes", x=x, labels=labels)


_VIDEO = "But how do AI images and videos actually work"
_EXACT = "exact score of the same set-up in NumPy"
# name, statement, where it holds, where a correct implementation lands, source, unit
_CLAIMS: tuple[tuple[str, str, Band, Band, str, str], ...] = (
    (
        "condition_ignored",
        "a condition alone may not be heeded enough",
        (0, 0.75), (0.48, 0.64),
        f"{_EXACT}: 0.577 where the condition is right in 60%",
        "share in the class asked for, alpha = 0",
    ),
    (
        "guidance_rescues",
        "guidance makes samples heed the condition",
        (0.9, 1), (0.95, 1),
        f"{_EXACT}: 0.979",
        "share in the class asked for, alpha = 5, the same condition",
    ),
    (
        "guidance_on_spiral",
        "guidance keeps samples on the spiral",
        (0.9, 1), (0.97, 1),
        f"{_EXACT}: 0.993",
        "share within 0.03 of it, alpha = 5, the same condition",
    ),
    (
        "over_guidance",
        "a larger alpha gives better samples",
        (0.9, 1), (0.2, 0.45),
        f"{_EXACT}: 0.306; at alpha = 0: 0.995",
        "share within 0.03 of the spiral, alpha = 10, a perfect condition",
    ),
    (
        "trained_class",
        "a network that is told the class draws it",
        (0.9, 1), (0.9, 1),
        f"{_VIDEO}; exact score: 0.984", "share in the class asked for, alpha = 0",
    ),
    (
        "trained_guided",
        "guidance improves what a trained network draws",
        (0.97, 1), (0.97, 1),
        f"{_VIDEO}; exact score: 0.999", "share in the class asked for, alpha = 1",
    ),
)  # fmt: skip
_TOO_MUCH = Caveat(
    (0.1, 0.9),
    "more guidance helps where a condition is not heeded enough; beyond that it leads "
    "samples off the data.",
)


def _claims(listeners: dict[str, Guided], scored: bool) -> list[Claim]:
    weak, perfect, trained = (listeners[n] for n in ("weak", "perfect", "trained"))
    five, ten = ALPHAS.index(5.0), ALPHAS.index(10.0)
    measured = {
        "condition_ignored": weak.in_class[0],
        "guidance_rescues": weak.in_class[five],
        "guidance_on_spiral": weak.on_spiral[five],
        "over_guidance": perfect.on_spiral[ten],
        "trained_class": trained.in_class[0],
        "trained_guided": trained.in_class[1],
    }
    return [
        Claim(
            f"9.{name}", statement, float(measured[name]), stated, expected, source,
            unit=unit, needs="the default sizes", scored=scored,
            caveat=_TOO_MUCH if name == "over_guidance" else None,
        )
        for name, statement, stated, expected, source, unit in _CLAIMS
    ]  # fmt: skip
