"""What the rungs learn from, read and checked before the first of them is trained."""

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
    """Conversations to imitate, and preference pairs where a file holds them.

    Attributes:
      demonstrations: of fine-tuning.
      pairs: of the reward model; None where the chatbot's own answers are paired, or
        none are needed.
    """

    demonstrations: Demonstrated
    pairs: Pairs | None


def read(bot: Chatbot, rung: Rung) -> Material:
    """Reads what the trainings up to a rung need.

    Raises:
      InputError: a file holds too few records for the rung, or one that is bad.
    """
    config = bot.config
    if config.dataset == DIALOGUES:
        return Material(finetune.demonstrated(bot, None), None)
    found = load_conversations(config.dataset, config.skip_bad_lines)
    _check_enough(config.dataset, found, rung)
    shown = finetune.demonstrated(bot, found)
    return Material(
        shown, None if rung == "finetune" else reward.paired_in_file(bot, found)
    )


def _check_enough(dataset: str, found: Conversations, rung: Rung) -> None:
    """Of each kind one record at least is learned from, and one held out."""
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
    """Writes down what the bot's folder is made from, where that is not done yet.

    Args:
      bot: whose trainings are in the folder.
      base_steps: that the pre-trained model was trained for.

    Raises:
      InputError: the folder was made from something else.
    """
    data = of_base(base_steps)
    if bot.config.dataset != DIALOGUES:
        path = conversations_file(bot.config.dataset)
        data["conversations"] = files_sha256([path])
    check_record(bot, data)
    bot.folder.mkdir(parents=True, exist_ok=True)
    data_record.keep(bot.folder, data)


def of_base(steps: int) -> dict[str, str]:
    """What the record says of a pre-trained model after so many steps."""
    return {"the pre-trained model": f"{steps} steps"}


def check_record(bot: Chatbot, data: dict[str, str]) -> None:
    """Checks that the bot's folder was made from these data."""
    remedy = "or move the folder away, which trains anew"
    data_record.check(bot.folder, data, remedy)
