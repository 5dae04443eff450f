import pytest

from nnguide.plots.written_text import drawable, visible, wrapped


@pytest.mark.smoke
def test_long_blanks_are_told():
    assert wrapped("a" + " " * 30 + "b\nc", 20, 5) == ["a[30 blanks]b", "c"]
    assert wrapped("abcdef gh\n\nij", 4, 3) == ["abcd", "ef ", "gh"]


def test_blanks_of_a_token_are_seen():
    assert visible(" a b\n\t$") == r"␣a␣b↵⇥\$"


def test_what_the_font_lacks_is_a_box():
    assert drawable("aé“\x03天\x7f$5") == r"aé“□□□\$5"
