"""Conversations and preference pairs from JSON lines.

{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", ...}, ...]} is a
conversation; the first message may be a "system" one. {"prompt": "...", "chosen":
"...", "rejected": "..."} is a preference pair. A file may hold both kinds of lines;
other fields of a line are ignored.
"""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from absl import logging

from nnguide.config import InputError, user_path
from nnguide.text_files import read_text

ROLES = ("user", "assistant")


class Conversation(NamedTuple):
    """A conversation between a user and an assistant.

    Attributes:
      turns: pairs of the user's message and the assistant's answer, in order.
      system: the system message; "" for none.
    """

    turns: tuple[tuple[str, str], ...]
    system: str = ""


class Preference(NamedTuple):
    """Two answers to a prompt, the better one first."""

    prompt: str
    chosen: str
    rejected: str


@dataclasses.dataclass(frozen=True)
class Conversations:
    """The content of a file.

    Attributes:
      conversations: in the file's order.
      preferences: in the file's order.
      skipped: number of bad lines that were skipped.
      conversations_at: "file:line" of each conversation, for error messages.
      preferences_at: "file:line" of each preference pair.
    """

    conversations: tuple[Conversation, ...]
    preferences: tuple[Preference, ...]
    skipped: int = 0
    conversations_at: tuple[str, ...] = ()
    preferences_at: tuple[str, ...] = ()


class _BadLineError(Exception):
    """A bad line; the message says what is wrong with it, and the remedy."""


def load_conversations(dataset: str, skip_bad_lines: bool = False) -> Conversations:
    """Reads the file that `jsonl:PATH` names.

    Args:
      dataset: the flag's value, `jsonl:PATH`.
      skip_bad_lines: skips and counts bad lines instead of raising an error.

    Raises:
      InputError: a line is bad (the message names file, line and remedy), the file
        cannot be read, or it has no good line.
    """
    path = conversations_file(dataset)
    lines = _lines(path)
    found: list[tuple[str, Conversation | Preference]] = []
    skipped = 0
    for number, line in lines:
        try:
            found.append((f"{path}:{number}", _read(line)))
        except _BadLineError as problem:
            if not skip_bad_lines:
                raise InputError(
                    f"{path}:{number}: {problem}, or skip such lines with "
                    "--skip_bad_lines."
                ) from None
            skipped += 1
    if not found:
        raise InputError(
            f"{path}: no line holds a conversation or a preference pair ({skipped} bad "
            "lines were skipped); give a file that has some."
        )
    if skipped:
        logging.warning("%s: %d bad lines of %d skipped", path, skipped, len(lines))
    conversations = [(at, each) for at, each in found if isinstance(each, Conversation)]
    pairs = [(at, each) for at, each in found if isinstance(each, Preference)]
    return Conversations(
        tuple(each for _, each in conversations),
        tuple(each for _, each in pairs),
        skipped,
        tuple(at for at, _ in conversations),
        tuple(at for at, _ in pairs),
    )


def conversations_file(dataset: str) -> Path:
    """The file that `jsonl:PATH` names.

    Raises:
      InputError: the value does not begin with `jsonl:`.
    """
    if not dataset.startswith("jsonl:"):
        raise InputError(
            f"conversations {dataset!r}: give jsonl:PATH, a file of JSON lines."
        )
    return user_path(dataset.removeprefix("jsonl:"))


def _lines(path: Path) -> list[tuple[int, str]]:
    """The non-empty lines, with their numbers counted from 1."""
    # Not splitlines: JSON strings may contain other line separators unescaped.
    lines = read_text(path).split("\n")
    return [(n, line) for n, line in enumerate(lines, start=1) if line.strip()]


def _read(line: str) -> Conversation | Preference:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _BadLineError(
            f"not JSON ({error}); write one JSON object a line"
        ) from None
    if isinstance(content, dict) and "messages" in content:
        return _conversation(content["messages"])
    if isinstance(content, dict) and {*Preference._fields} <= {*content}:
        return _preference(content)
    raise _BadLineError(
        'neither "messages" nor "prompt", "chosen" and "rejected"; write one of these '
        "layouts"
    )


def _conversation(messages: Any) -> Conversation:
    if not isinstance(messages, list) or not messages:
        raise _BadLineError(
            '"messages" is not a list of messages; give one or more turns'
        )
    said = [_message(message, index) for index, message in enumerate(messages)]
    system = said.pop(0)[1] if said[0][0] == "system" else ""
    for index, (role, _) in enumerate(said):
        expected = ROLES[index % 2]
        if role == expected:
            continue
        if role == "system":
            number = index + (2 if system else 1)
            raise _BadLineError(
                f"message {number} is a second or late system message; remove it"
            )
        fault = f"two {role} turns in a row" if index else "it begins with an answer"
        where = "between" if index else "before it"
        raise _BadLineError(f"{fault}; add the {expected}'s turn {where}")
    if not said or len(said) % 2:
        raise _BadLineError("the last user turn has no answer; add it or drop the turn")
    texts = [text for _, text in said]
    return Conversation(tuple(zip(texts[::2], texts[1::2], strict=True)), system)


def _message(message: Any, index: int) -> tuple[str, str]:
    """The role and the text of a message."""
    role, text = (
        (message.get("role"), message.get("content"))
        if isinstance(message, dict)
        else (None, None)
    )
    if role not in (*ROLES, "system") or not isinstance(text, str):
        raise _BadLineError(
            f'message {index + 1} needs a "role" (user, assistant or system) and a '
            '"content" that is a string; give both'
        )
    if not text.strip():
        raise _BadLineError(f"an empty {role} turn; write something or drop the turn")
    return role, text


def _preference(content: dict[str, Any]) -> Preference:
    texts = [content[name] for name in Preference._fields]
    for name, text in zip(Preference._fields, texts, strict=True):
        if not isinstance(text, str) or not text.strip():
            raise _BadLineError(f'"{name}" is empty or not a string; write something')
    if texts[1] == texts[2]:
        raise _BadLineError("chosen and rejected are equal; drop the pair")
    return Preference(*texts)


def to_lines(each: Iterable[Conversation | Preference]) -> str:
    """Writes conversations and preference pairs as JSON lines."""
    return "".join(json.dumps(_content(one)) + "\n" for one in each)


def _content(one: Conversation | Preference) -> dict[str, Any]:
    """The JSON object of one line."""
    if isinstance(one, Preference):
        return one._asdict()
    said = [("system", one.system)] if one.system else []
    said += [pair for turn in one.turns for pair in zip(ROLES, turn, strict=True)]
    return {"messages": [{"role": role, "content": text} for role, text in said]}
