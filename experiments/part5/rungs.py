"""The rungs from a model of documents to a chatbot that pleases, one above the other.

`climb` goes up to the stage asked for; what was trained before is read back.

Sources: 3Blue1Brown, "Large Language Models explained briefly"; Ouyang et al., arXiv
2203.02155; Gao et al., arXiv 2210.10760.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.part5 import finetune, next_words, reward, rlhf
from experiments.part5.feedback import (
    NEEDS,
    Algorithm,
    Chatbot,
    Rung,
    Said,
    examine,
    preferred,
)
from experiments.part5.material import Material
from experiments.part5.reward import Rewarded
from experiments.part5.rlhf import Improved
from nnguide.array_types import Params
from nnguide.plots import feedback as pictures
from nnguide.plots import style
from nnguide.results import Claim

EVERY: tuple[Algorithm, ...] = ("dpo", "ppo", "grpo")
WEAK_PAIRS = 50  # that the weak reward model learns from
SHOWN = 6  # questions in the picture of answers
BY_CHANCE = (
    0.1  # two means over 136 answers of one model differ by less, 95 times in 100
)


class Climbed(NamedTuple):
    """What a climb measured.

    Attributes:
      claims: of every rung.
      figures: relative to the bot's folder.
      before: the pre-trained model's answers.
    """

    claims: list[Claim]
    figures: list[str]
    before: Said


def climb(
    bot: Chatbot, base: Params, material: Material, rung: Rung, algorithm: Algorithm
) -> Climbed:
    """Trains what is missing up to a rung, and measures every rung on the way.

    Args:
      bot: what is tuned, and how.
      base: the pre-trained parameters.
      material: what is learned from.
      rung: how far; ladder goes through all algorithms and over-optimizes too.
      algorithm: of rlhf.
    """
    before = examine(bot, base)
    tuned = finetune.finetuned(bot, base, material.demonstrations)
    after = examine(bot, tuned)
    past = finetune.runs_past(bot, base)
    claims = finetune.claims(bot, before, after, past)
    figures = [next_words.before_and_after(bot, base, tuned)]
    if rung == "finetune":
        return Climbed(claims, figures, before)
    pairs = material.pairs or reward.paired(bot, tuned)
    teacher = reward.rewarded(bot, tuned, pairs)
    claims += reward.claims(bot, teacher)
    if rung == "reward":
        return Climbed(claims, figures, before)
    found: dict[Algorithm, Improved] = {
        name: rlhf.improved(bot, tuned, teacher, name)
        for name in (EVERY if rung == "ladder" else (algorithm,))
    }
    claims += _preferred(bot, found, before, after)
    figures += [_frontier(bot, found), _answers(bot, before, after, found)]
    if rung == "ladder":
        weak = reward.rewarded(bot, tuned, pairs.first(WEAK_PAIRS), "weak_reward")
        measured, drawn = _over_optimized(bot, tuned, weak)
        claims.append(measured)
        figures.append(drawn)
    return Climbed(claims, figures, before)


def _preferred(
    bot: Chatbot, found: dict[Algorithm, Improved], before: Said, after: Said
) -> list[Claim]:
    """The judge's preference for each policy over both models before it."""
    claims = []
    shares = {
        name: preferred(each.said.worth, before.worth) for name, each in found.items()
    }
    best = max(shares, key=lambda name: shares[name][0])
    share, half = shares[best]
    claims.append(
        Claim(
            "5.preferred_to_base",
            "people prefer a model tuned by their feedback to the pre-trained one",
            share,
            (0.85, 1),
            (0.85, 1),
            "Ouyang et al., section 4.1: 85 +- 3% for 175B",
            unit=f"of {len(before.worth)} answers, {best}, +-{half:.3f}",
            needs=NEEDS,
            scored=bot.known,
        )
    )
    for name, each in found.items():
        share, half = preferred(each.said.worth, after.worth)
        claims.append(
            Claim(
                f"5.{name}_preferred_to_tuned",
                f"{name}: feedback improves on imitation",
                share,
                (0.5, 1),
                (0.5, 1),
                "3Blue1Brown, Large Language Models explained briefly",
                unit=f"of {len(after.worth)} answers, ties half, +-{half:.3f}",
                needs=NEEDS,
                scored=bot.known,
            )
        )
    return claims


def _frontier(bot: Chatbot, found: dict[Algorithm, Improved]) -> str:
    columns = {
        name.upper(): np.array(each.points).T  # kl, reward, worth
        for name, each in found.items()
    }
    drawing = pictures.frontier(
        bot.theme, {name: (rows[0], rows[2]) for name, rows in columns.items()}
    )
    return style.save(drawing, bot.folder, "frontier", **columns)


def _answers(
    bot: Chatbot, before: Said, after: Said, found: dict[Algorithm, Improved]
) -> str:
    questions = bot.questions.heldout
    kinds: dict[str, list[int]] = {}
    for place, question in enumerate(questions):
        kinds.setdefault(question.kind, []).append(place)
    chosen = [place for places in kinds.values() for place in places[:2]][:SHOWN]
    said = {"pre-trained": before, "fine-tuned": after}
    said |= {name.upper(): each.said for name, each in found.items()}
    drawing = pictures.answers(
        bot.theme,
        [questions[place].asked for place in chosen],
        {
            name: (_of(each.texts, chosen), each.worth[chosen])
            for name, each in said.items()
        },
        {name: each.worth.mean() for name, each in said.items()},
    )
    texts = {name: each.texts for name, each in said.items()}
    return style.save(drawing, bot.folder, "answers", **texts)


def _of(texts: Sequence[str], chosen: Sequence[int]) -> list[str]:
    return [texts[place] for place in chosen]


def _over_optimized(bot: Chatbot, tuned: Params, weak: Rewarded) -> tuple[Claim, str]:
    points = np.array(rlhf.over_optimized(bot, tuned, weak).points, float)
    kl, opinion, worth = points.T
    pairs = min(WEAK_PAIRS, len(weak.pairs.tokens))
    drawing = pictures.over_optimization(bot.theme, kl, opinion, worth, pairs)
    claim = Claim(
        "5.over_optimized",
        "pleasing a weak model of what people want ends by pleasing people less",
        float(worth.max() - worth[-1]) if opinion[-1] > opinion[0] else 0.0,
        (BY_CHANCE, 1),
        (BY_CHANCE, 1),
        "Gao et al., arXiv 2210.10760, figure 1",
        unit="fall of the judge's opinion from its peak while the model's rose",
        needs=NEEDS,
        scored=bot.known,
    )
    picture = style.save(
        drawing, bot.folder, "over_optimization", kl=kl, reward=opinion, worth=worth
    )
    return claim, picture
