"""JSON lines of conversations and preferences: read back, or refused by their line."""

import json

import pytest

from nnguide.config import InputError
from nnguide.data.conversations import (
    Conversation,
    Preference,
    load_conversations,
    to_lines,
)

GOOD = Conversation((("Hi", "Hello"), ("Sum?", "7 \u2013 of course")), "Be kind.")
PAIR = Preference("Hi", "Hello", "Go")


def said(*roles):
    return json.dumps({"messages": [{"role": r, "content": c} for r, c in roles]})


def load(tmp_path, *lines, skip=False):
    path = tmp_path / "said.jsonl"
    path.write_text("\n".join(lines) + "\n", newline="")
    return load_conversations(f"jsonl:{path}", skip)


@pytest.mark.smoke
def test_both_layouts_are_read_back(tmp_path):
    found = load(
        tmp_path, *to_lines([GOOD, PAIR, GOOD._replace(system="")]).split("\n")
    )
    assert found.conversations == (GOOD, GOOD._replace(system=""))
    assert found.preferences == (PAIR,)
    assert found.skipped == 0


BAD = [
    (
        said(("user", "a"), ("user", "b"), ("assistant", "c")),
        "two user turns in a row; add the assistant's turn between",
    ),
    (
        said(("user", "a"), ("assistant", "b"), ("assistant", "c")),
        "two assistant turns in a row; add the user's turn between",
    ),
    (said(("assistant", "a"), ("user", "b")), "it begins with an answer; add the user"),
    (said(("user", "a"), ("assistant", " ")), "an empty assistant turn; write"),
    (said(("user", "a")), "the last user turn has no answer; add it"),
    (said(("system", "a")), "the last user turn has no answer; add it"),
    (said(("user", "a"), ("system", "b")), "message 2 is a second or late system"),
    (
        said(("system", "a"), ("user", "b"), ("system", "c")),
        "message 3 is a second or late system",
    ),
    (said(("robot", "a")), 'message 1 needs a "role" .user, assistant or system'),
    ('{"messages": []}', '"messages" is not a list of messages; give one'),
    ("not json", r"not JSON \(Expecting value"),
    ("[1]", 'neither "messages" nor "prompt", "chosen" and "rejected"; write'),
    (
        '{"prompt": "a", "chosen": "b", "rejected": "b"}',
        "chosen and rejected are equal",
    ),
    (
        '{"prompt": "a", "chosen": "", "rejected": "b"}',
        '"chosen" is empty or not a string',
    ),
]


@pytest.mark.parametrize(("line", "message"), BAD)
def test_a_bad_line_is_named_with_file_line_and_remedy(tmp_path, line, message):
    match = rf"said\.jsonl:3: {message}.*--skip_bad_lines"
    with pytest.raises(InputError, match=match):
        load(tmp_path, to_lines([GOOD]), line)  # the line between them is empty


def test_only_line_feeds_end_a_line(tmp_path):
    line = json.dumps({"prompt": "a\u2028b", "chosen": "c", "rejected": "d"})
    assert load(tmp_path, line + "\r").preferences[0].prompt == "a\u2028b"
    raw = line.replace("\\u2028", "\u2028")
    assert load(tmp_path, raw).preferences[0].prompt == "a\u2028b"


def test_bad_lines_are_skipped_and_counted_where_asked(tmp_path):
    found = load(tmp_path, *(line for line, _ in BAD), to_lines([PAIR]), skip=True)
    assert found.preferences == (PAIR,)
    assert found.skipped == len(BAD)
    with pytest.raises(InputError, match=r"no line holds .* \(1 bad lines"):
        load(tmp_path, "[]", skip=True)


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.jsonl: cannot be read \(No such"):
        load_conversations(f"jsonl:{tmp_path}/nothing.jsonl")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe")
    match = r"bytes\.jsonl:1: cannot be read as text \(byte 0xff is not UTF-8"
    with pytest.raises(InputError, match=match):
        load_conversations(f"jsonl:{tmp_path}/bytes.jsonl")
    with pytest.raises(InputError, match="give jsonl:PATH"):
        load_conversations("pydocs")
