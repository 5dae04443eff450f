"""What the digits say of the guide, and their pictures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.part9.judge import Judge
from experiments.part9.setting import Setting
from nnguide.plots import generated_images, style
from nnguide.results import Claim

if TYPE_CHECKING:
    from experiments.part9.digits import Compared, Config, Guided, Way
else:  # the tests read annotations at run time
    Compared = Config = Guided = Way = Any

WORDS = {
    "ddpm_without_noise": "ddpm without\nits noise",
    "ddim": "ddim, which\nneeds none",
    "ddpm": "ddpm",
}
VIDEO = "But how do AI images and videos actually work"


def pictures(
    config: Config, setting: Setting, compared: Compared, way: Way, guided: Guided,
    judge: Judge, names: Sequence[str],
) -> list[str]:  # fmt: skip
    """Draws the four pictures."""
    return [
        _samplers(config, setting, compared, names),
        _way(setting, way),
        _guidance(config, setting, guided, names),
        _trade(config, setting, guided, judge),
    ]


def _grey(images: np.ndarray) -> np.ndarray:
    """Colours to their mean: the grids are grey."""
    return images.mean(axis=-1)


def _samplers(
    config: Config, setting: Setting, compared: Compared, names: Sequence[str]
) -> str:
    rows = {WORDS[kind]: _grey(images) for kind, images in compared.images.items()}
    without = compared.variety["ddpm_without_noise"]
    drawing = generated_images.image_grid(
        setting.theme,
        rows,
        names,
        f"Without the noise that ddpm adds, {config.steps} steps keep {without:.0%} of "
        f"the variety of real images; with it, {compared.variety['ddpm']:.0%}",
        "A column is one class and starts from the same noise in every row. Variety: "
        "the variance of pixels within a class, by that of real images.",
        [f"variety {share:.0%}" for share in compared.variety.values()],
    )
    return style.save(
        drawing, setting.workdir, "digits_samplers", **compared.images,
        variety=list(compared.variety.values()), asked=list(compared.asked.values()),
    )  # fmt: skip


def _way(setting: Setting, way: Way) -> str:
    sampler, alpha = setting.sampler, setting.guidance.guidance_alpha
    drawing = generated_images.denoising_strip(
        setting.theme, _grey(way.frames), way.steps, way.sigmas,
        f"{sampler.name}, guidance $\\alpha$ = {alpha:g}",
    )  # fmt: skip
    return style.save(
        drawing, setting.workdir, "digits_denoising", frames=way.frames,
        steps=way.steps, sigmas=way.sigmas,
    )  # fmt: skip


def _guidance(
    config: Config, setting: Setting, guided: Guided, names: Sequence[str]
) -> str:
    rows = {
        f"$\\alpha$ = {alpha:g}": _grey(images)
        for alpha, images in zip(config.alphas, guided.images, strict=True)
    }
    drawing = generated_images.image_grid(
        setting.theme,
        rows,
        names,
        f"Guidance makes digits plainer: {guided.asked[0]:.1%} are read as asked "
        f"without it, {guided.asked[-1]:.1%} at $\\alpha$ = {config.alphas[-1]:g}",
        f"A column starts from the same noise in every row; {config.sampler.name}, "
        f"{config.sampler.steps} steps, {config.samples} samples an $\\alpha$.",
        [f"{share:.1%} as asked" for share in guided.asked],
    )
    return style.save(
        drawing, setting.workdir, "digits_guidance", images=guided.images,
        alphas=config.alphas,
    )  # fmt: skip


def _trade(config: Config, setting: Setting, guided: Guided, judge: Judge) -> str:
    precision, recall, coverage = np.array(guided.near).T
    shares = {
        "read as asked": guided.asked,
        "recall": recall,
        "precision": precision,
        "coverage": coverage,
    }
    drawing = generated_images.guidance_trade(
        setting.theme, np.array(config.alphas), shares, guided.frechet, guided.floor[0],
        judge.accuracy,
    )  # fmt: skip
    return style.save(
        drawing, setting.workdir, "digits_trade", alphas=config.alphas,
        asked=guided.asked, precision=precision, recall=recall, coverage=coverage,
        frechet=guided.frechet, kernel=guided.kernel, floor=guided.floor,
        new=guided.new, judge_accuracy=judge.accuracy,
        judge_digest=judge.digest,
    )  # fmt: skip


def claims_of(
    config: Config, compared: Compared, guided: Guided, judge: Judge
) -> list[Claim]:
    """The claims; those about samples need the default sizes."""
    at = {alpha: n for n, alpha in enumerate(config.alphas)}
    by = f"by a convnet of {judge.accuracy:.1%} test accuracy, weights {judge.digest}"
    last = f"alpha {config.alphas[-1]:g}"
    recall = [each.recall for each in guided.near]
    floor = guided.floor[0]
    cfg = f"{VIDEO}; Ho and Salimans, arXiv 2207.12598"
    own = "no reference: measured here"
    # (name, statement, measured, stated, expected, unit, source)
    rows: list[tuple[str, str, float, Any, Any, str, str]] = [
        ("judge", "the classifier that judges samples reads unseen digits",
         judge.accuracy, (0.95, 1), (0.97, 1), f"accuracy; weights {judge.digest}",
         "LeCun et al. 1998 for the kind of network; 4,000 digits here"),
        ("without_noise", "leaving out the noise leads to the average",
         compared.variety["ddpm_without_noise"], (None, 0.5), (0.2, 0.5),
         "of the variance within a class", VIDEO),
        ("with_noise", "with noise at every step samples vary about as the data do",
         compared.variety["ddpm"], (0.7, 1.3), (0.65, 1.2),
         "of the variance within a class", VIDEO),
        ("asked", "a network that is told the class draws it (alpha 1)",
         float(guided.asked[at[1]]), (0.95, 1), (0.95, 1), f"of samples, {by}", cfg),
        ("asked_more", "further guidance draws it more often (alpha 2)",
         float(guided.asked[at[2]] - guided.asked[at[1]]),
         (0.001, None), (-0.004, 0.05),
         "more than at alpha 1", cfg),
        ("recall_falls", f"guidance costs variety (recall, alpha 0 to {last})",
         recall[-1] - recall[0], (None, 0), (-0.9, -0.2), "of unseen images", cfg),
        ("frechet", "samples are near unseen images (alpha 0)",
         float(guided.frechet[0]) / floor, (None, 10), (1.5, 8),
         f"times the {floor:.3g} of two halves of unseen images, {by}", own),
        ("new", "samples are no copies of training images (alpha 1)",
         float(guided.new[at[1]]), (0.7, None), (0.7, 1.3),
         "times as far from the nearest one as unseen images are", own),
    ]  # fmt: skip
    return [
        Claim(
            f"9.digits_{name}", statement, measured, stated, expected, source,
            unit=unit, needs="the default flags", scored=config == type(config)(),
        )
        for name, statement, measured, stated, expected, unit, source in rows
    ]  # fmt: skip
