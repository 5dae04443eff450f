"""Compares a small fine-tuned model with a larger model that is only pre-trained.

InstructGPT with 1.3 billion parameters was preferred to GPT-3 with 175 billion. Here
the small model is pre-trained on the same batches as the large one, then fine-tuned,
without RLHF.

Source: Ouyang et al., arXiv 2203.02155, section 1.
"""

import dataclasses
from collections.abc import Callable, Iterator

import jax

from experiments.part5 import finetune, material, rungs
from experiments.part5.feedback import (
    NEEDS,
    Chatbot,
    Said,
    announce,
    examine,
    preferred,
)
from experiments.part5.setting import Setting
from experiments.plan import Plan
from nnguide.array_types import Params
from nnguide.results import Claim

LAYERS, EMBEDDING, HEADS = 2, 64, 2
FOLDER = "smaller"


def smaller(setting: Setting, bot: Chatbot) -> tuple[Setting, Chatbot]:
    """Copies of the setting and the chatbot with the small model and its own folder.

    Raises:
      InputError: the large model's other options are invalid for the small sizes.
    """
    config = dataclasses.replace(
        bot.model.config, layers=LAYERS, embedding=EMBEDDING, heads=HEADS
    )
    model, folder = bot.model._replace(config=config), setting.workdir / FOLDER
    return (
        setting._replace(model=model, workdir=folder),
        bot._replace(model=model, workdir=folder),
    )


def whole_ladder(
    setting: Setting, bot: Chatbot, pretraining: Callable[[Setting], Plan]
) -> Iterator[Plan]:
    """All trainings of --stage=ladder, named relative to the workdir.

    Args:
      setting: the setting of the large model's pre-training.
      bot: the large chatbot.
      pretraining: setting -> the plan of a pre-training.
    """
    yield pretraining(setting)
    yield from rungs.plans(bot, "ladder", "grpo")  # ladder ignores the algorithm
    shrunk, small = smaller(setting, bot)
    for plan in (pretraining(shrunk), *rungs.plans(small, "finetune", "grpo")):
        yield plan._replace(name="/".join(filter(None, (FOLDER, plan.name))))


def study(
    setting: Setting,
    bot: Chatbot,
    base: Params,
    large: Said,
    steps: int,
    pretrained: Callable[[Setting], Params],
) -> Claim:
    """Trains or restores the small model, and compares its answers by the judge.

    Args:
      setting: the setting of the large model's pre-training.
      bot: the large chatbot.
      base: the large model's pre-trained parameters.
      large: the large pre-trained model's answers.
      steps: number of steps of each pre-training.
      pretrained: setting -> parameters of its model, pre-trained as the large one.

    Returns:
      The claim that the small model is preferred.
    """
    shrunk, small = smaller(setting, bot)
    shrunk.workdir.mkdir(exist_ok=True)
    announce("a smaller model, pre-trained, then fine-tuned")
    small_base = pretrained(shrunk)
    material.keep_record(small, steps)
    shown = material.read(small, "finetune").demonstrations
    tuned = finetune.finetuned(small, small_base, shown)
    said = examine(small, tuned)
    share, half = preferred(said.worth, large.worth)
    ratio = _count(base) / _count(tuned)
    return Claim(
        "5.small_tuned_preferred",
        "a small model tuned to answer is preferred to a larger one that only read",
        share,
        (0.5, 1),
        (0.6, 1),
        "Ouyang et al., section 1: 1.3B preferred to 175B",
        unit=f"of {len(said.worth)} answers, ties half, +-{half:.3f}; 1 to {ratio:.0f} "
        "in parameters",
        needs=NEEDS,
        scored=bot.known,
    )


def _count(params: Params) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))
