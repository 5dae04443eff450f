"""Conversations and preferences from JSON lines, in the two usual layouts.

{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", ...}, ...]} is a
conversation; the first message may be a "system" one. {"prompt": "...", "chosen":
"...", "rejected": "..."} is a preference pair. A file may hold both; other fields of a
line are left alone.
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
    """What was said.

    Attributes:
      turns: what the user said and what the assistant answered, in order.
      system: what came before; "" where nothing did.
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
    """What a file holds.

    Attributes:
      conversations: in the file's order.
      preferences: in the file's order.
      skipped: bad lines that were left out.
      conversations_at: file and line of each conversation, for messages.
      preferences_at: of each preference pair.
    """

    conversations: tuple[Conversation, ...]
    preferences: tuple[Preference, ...]
    skipped: int = 0
    conversations_at: tuple[str, ...] = ()
    preferences_at: tuple[str, ...] = ()


class _BadLineError(Exception):
    """What is wrong with a line, and the remedy."""


def load_conversations(dataset: str, skip_bad_lines: bool = False) -> Conversations:
    """Reads `jsonl:PATH`.

    Args:
      dataset: the flag's value.
      skip_bad_lines: leaves bad lines out and counts them, instead of stopping.

    Raises:
      InputError: a line is bad (file, line, remedy), the file cannot be read, or no
        good line is left.
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
                    f"{path}:{number}: {problem}, or leave such lines out with "
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
    said = [(at, each) for at, each in found if isinstance(each, Conversation)]
    pairs = [(at, each) for at, each in found if isinstance(each, Preference)]
    return Conversations(
        tuple(each for _, each in said),
        tuple(each for _, each in pairs),
        skipped,
        tuple(at for at, _ in said),
        tuple(at for at, _ in pairs),
    )


def conversations_file(dataset: str) -> Path:
    """The file that `jsonl:PATH` names.

    Raises:
      InputError: the flag's value is another.
    """
    if not dataset.startswith("jsonl:"):
        raise InputError(
            f"conversations {dataset!r}: known is jsonl:PATH, a file of JSON lines."
        )
    return user_path(dataset.removeprefix("jsonl:"))


def _lines(path: Path) -> list[tuple[int, str]]:
    """The lines that are not empty, with their numbers from 1 on."""
    # Not splitlines: a JSON text may hold other line separators as they are.
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
        raise _BadLineError('"messages" is no list of messages; give one or more turns')
    said = [_message(message, place) for place, message in enumerate(messages)]
    system = said.pop(0)[1] if said[0][0] == "system" else ""
    for place, (role, _) in enumerate(said):
        wanted = ROLES[place % 2]
        if role == wanted:
            continue
        if role == "system":
            raise _BadLineError(
                f"message {place + 1} is a second or late system message; leave it out"
            )
        between = "user" if wanted == "user" else "assistant"
        running = f"two {role} turns running" if place else "it begins with an answer"
        raise _BadLineError(f"{running}; put the {between}'s turn between or before")
    if not said or len(said) % 2:
        raise _BadLineError("the last user turn has no answer; add it or drop the turn")
    texts = [text for _, text in said]
    return Conversation(tuple(zip(texts[::2], texts[1::2], strict=True)), system)


def _message(message: Any, place: int) -> tuple[str, str]:
    role, text = (
        (message.get("role"), message.get("content"))
        if isinstance(message, dict)
        else (None, None)
    )
    if role not in (*ROLES, "system") or not isinstance(text, str):
        raise _BadLineError(
            f'message {place + 1} has no "role" of user, assistant or system with a '
            '"content" that is a text; give both'
        )
    if not text.strip():
        raise _BadLineError(f"an empty {role} turn; write something or drop the turn")
    return role, text


def _preference(content: dict[str, Any]) -> Preference:
    texts = [content[name] for name in Preference._fields]
    for name, text in zip(Preference._fields, texts, strict=True):
        if not isinstance(text, str) or not text.strip():
            raise _BadLineError(f'"{name}" is empty or no text; write something')
    if texts[1] == texts[2]:
        raise _BadLineError(
            "chosen and rejected are equal, which prefers nothing; drop the pair"
        )
    return Preference(*texts)


def to_lines(each: Iterable[Conversation | Preference]) -> str:
    """The JSON lines that `load_conversations` reads back."""
    return "".join(json.dumps(_content(one)) + "\n" for one in each)


def _content(one: Conversation | Preference) -> dict[str, Any]:
    if isinstance(one, Preference):
        return one._asdict()
    said = [("system", one.system)] if one.system else []
    said += [pair for turn in one.turns for pair in zip(ROLES, turn, strict=True)]
    return {"messages": [{"role": role, "content": text} for role, text in said]}
