"""The training data of all stages, read and checked before the first training."""

from typing import NamedTuple

from experiments import data_record
from experiments.part5 import finetune, reward
from experiments.part5.feedback import Chatbot, Rung
from experiments.part5.finetune import Demonstrated
from experiments.part5.reward import Pairs
from nnguide.config import InputError
from nnguide.data.conversations import (
    Conversations,
    conversations_file,
    load_conversations,
)
from nnguide.data.identity import files_sha256

DIALOGUES = "dialogues"


class Material(NamedTuple):
    """Data of the stages after pre-training.

    Attributes:
      demonstrations: conversations for supervised fine-tuning.
      pairs: preference pairs for the reward model; None if they are sampled from the
        chatbot later, or not needed.
    """

    demonstrations: Demonstrated
    pairs: Pairs | None


def read(bot: Chatbot, rung: Rung) -> Material:
    """Reads the data that the trainings up to a stage need.

    Args:
      bot: the chatbot; its config names the data set.
      rung: the last stage.

    Raises:
      InputError: a file holds too few records for the stage, or a bad one.
    """
    config = bot.config
    if config.dataset == DIALOGUES:
        return Material(finetune.demonstrated(bot, None), None)
    found = load_conversations(config.dataset, config.skip_bad_lines)
    _check_enough(config.dataset, found, rung)
    pairs = None if rung == "finetune" else reward.paired_in_file(bot, found)
    return Material(finetune.demonstrated(bot, found), pairs)


def _check_enough(dataset: str, found: Conversations, rung: Rung) -> None:
    """Checks that each kind has a record to train on and one to hold out."""
    said, pairs = len(found.conversations), len(found.preferences)
    if said >= 2 and (pairs >= 2 or rung == "finetune"):
        return
    needs = 'two or more with "messages", which it fine-tunes on'
    if rung != "finetune":
        needs += (
            ', and two or more with "prompt", "chosen" and "rejected" for the reward '
            "model"
        )
    raise InputError(
        f"{dataset}: has {said} lines with messages and {pairs} with preferences; "
        f"--stage={rung} needs {needs}."
    )


def keep_record(bot: Chatbot, base_steps: int) -> None:
    """Checks the data record of the bot's folder, and adds what it lacks.

    Args:
      bot: the chatbot whose trainings are in the folder.
      base_steps: number of pre-training steps.

    Raises:
      InputError: the folder was made from another base model or other data.
    """
    data = of_base(base_steps)
    if bot.config.dataset != DIALOGUES:
        path = conversations_file(bot.config.dataset)
        data["conversations"] = files_sha256([path])
    check_record(bot, data)
    bot.folder.mkdir(parents=True, exist_ok=True)
    data_record.keep(bot.folder, data)


def of_base(steps: int) -> dict[str, str]:
    """The record's entry for a model that was pre-trained for this many steps."""
    return {"the pre-trained model": f"{steps} steps"}


def check_record(bot: Chatbot, data: dict[str, str]) -> None:
    """Checks that the bot's folder was made from these data.

    Raises:
      InputError: it was made from others.
    """
    remedy = "or move the folder away to train again"
    data_record.check(bot.folder, data, remedy)
