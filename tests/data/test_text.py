"""Texts by name with their tokenizer, and two loaders that give the same windows."""

import hashlib
import http.server
import itertools
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.config import InputError, digest
from nnguide.data import download
from nnguide.data.download import Remote
from nnguide.data.text import TextConfig, load_text, text_batches, text_evaluation
from nnguide.tokenizer.byte_pairs import BytePairs
from nnguide.tokenizer.byte_values import Bytes
from nnguide.tokenizer.characters import Characters
from nnguide.tokenizer.files import save

TEXT = "The quick brown fox jumps over the lazy dog \u2013 twice.\r\n" * 40
ENCODED = TEXT.encode()
TOKENS = np.arange(1_000, dtype=np.uint16) * 7 % 611


def assembled(batches, first=0, count=None):
    """The windows as the compiled step sees them."""
    assemble = jax.jit(batches.assemble)
    rows = itertools.islice(batches.stream(first), count)
    key = jax.random.key(0)
    return [assemble(batches.arrays, one, key)["tokens"] for one in rows]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture
def mapped(tmp_path):
    (tmp_path / "tokens.bin").write_bytes(TOKENS.tobytes())
    return np.memmap(tmp_path / "tokens.bin", "<u2", "r")


@pytest.mark.smoke
def test_resident_and_grain_give_the_same_windows(mapped):
    resident = assembled(text_batches(TOKENS, 8, 16, seed=1), count=10)
    for tokens in (TOKENS, mapped):
        for loader in ("resident", "grain"):
            batches = text_batches(tokens, 8, 16, seed=1, loader=loader)
            assert same(assembled(batches, count=10), resident)
    assert resident[0].shape == (8, 17)
    assert resident[0].dtype == jnp.int32


def test_windows_are_stretches_of_the_text():
    starts = next(text_batches(TOKENS, 8, 16, seed=1).stream(5))
    (windows,) = assembled(text_batches(TOKENS, 8, 16, seed=1), first=5, count=1)
    for window, start in zip(windows, starts, strict=True):
        assert np.array_equal(window, TOKENS[start : start + 17])


@pytest.mark.parametrize("loader", ["resident", "grain"])
def test_a_loader_resumed_at_a_step_goes_on_as_if_undisturbed(mapped, loader):
    batches = text_batches(mapped, 8, 16, seed=0, loader=loader)
    straight = assembled(batches, count=9)
    for first in (1, 8):
        assert same(assembled(batches, first, 9 - first), straight[first:])
    other = text_batches(mapped, 8, 16, seed=1, loader=loader)
    assert not same(assembled(other, count=9), straight)


@pytest.mark.parametrize("loader", ["resident", "grain"])
def test_evaluation_predicts_every_token_once(mapped, loader):
    windows = assembled(text_evaluation(mapped, 8, 16, loader))
    assert [len(batch) for batch in windows] == [8] * 7 + [6]  # 62 of them
    joined = np.concatenate(windows)
    assert np.array_equal(joined[:, 1:].ravel(), TOKENS[1 : 1 + 62 * 16])
    assert np.array_equal(joined[1:, 0], joined[:-1, -1])


def test_too_short_a_text_is_refused():
    with pytest.raises(InputError, match="no window of context 1000"):
        text_batches(TOKENS, 8, 1_000, seed=0)
    with pytest.raises(InputError, match="no window of context 2000"):
        text_evaluation(TOKENS, 8, 2_000)


def test_a_text_past_31_bits_does_not_go_on_the_device():
    huge = np.broadcast_to(np.uint16(1), (2**31 + 1,))
    with pytest.raises(InputError, match="use the loader grain"):
        text_batches(huge, 2, 4, seed=0)
    batch = next(text_batches(huge, 2, 4, seed=0, loader="grain").stream(0))
    assert batch["tokens"].tolist() == [[1] * 5] * 2


@pytest.mark.smoke
def test_pydocs_is_the_default_and_its_length_is_known():
    source = load_text(TextConfig())
    assert source.characters is not None
    assert 460_000 < source.characters < 560_000  # 465,048 on 3.11, 492,233 on 3.12
    assert len(source.train) == int(source.characters * 0.9)
    assert len(source.train) + len(source.validation) == source.characters
    assert isinstance(source.tokenizer, Characters)
    assert 95 < source.vocabulary_size == source.tokenizer.vocabulary_size < 150
    text = source.tokenizer.decode(np.concatenate([source.train, source.validation]))
    assert hashlib.sha256(text.encode()).hexdigest() == source.sha256
    assert text.startswith('The "assert" statement')
    assert source.train.dtype == np.uint16


def text_file(tmp_path, content=ENCODED, name="some.txt"):
    (tmp_path / name).write_bytes(content)
    return f"text:{tmp_path / name}"


def test_a_text_is_read_as_it_is_and_split_by_characters(tmp_path):
    config = TextConfig(text_file(tmp_path), validation_fraction=0.25)
    source = load_text(config)
    assert source.tokenizer
    assert source.tokenizer.decode(source.train) == TEXT[: len(TEXT) * 3 // 4]
    assert source.tokenizer.decode(source.validation) == TEXT[len(TEXT) * 3 // 4 :]
    assert source.characters == len(TEXT)
    assert source.sha256 == hashlib.sha256(ENCODED).hexdigest()


def test_a_text_can_be_cut_into_bytes_or_by_a_saved_tokenizer(tmp_path):
    name = text_file(tmp_path)
    source = load_text(TextConfig(name, tokenizer="bytes"))
    both = np.concatenate([source.train, source.validation])
    assert Bytes().decode(both) == TEXT
    assert source.vocabulary_size == 256
    save(Characters.of(TEXT + "#"), tmp_path / "tokenizer.json")
    saved = load_text(TextConfig(name, tokenizer=str(tmp_path / "tokenizer.json")))
    assert saved.vocabulary_size == len(set(TEXT)) + 1
    save(Characters.of("abc"), tmp_path / "tokenizer.json")
    with pytest.raises(InputError, match="character 'T' at position 0"):
        load_text(TextConfig(name, tokenizer=str(tmp_path / "tokenizer.json")))


def test_tokens_come_with_a_vocabulary_or_a_tokenizer(tmp_path):
    (tmp_path / "t.bin").write_bytes(TOKENS.tobytes())
    name = f"tokens:{tmp_path / 't.bin'}"
    source = load_text(TextConfig(name, vocabulary=611))
    assert isinstance(source.train, np.memmap)
    assert np.array_equal(source.train, TOKENS[:900])
    assert np.array_equal(source.validation, TOKENS[900:])
    assert (source.vocabulary_size, source.tokenizer) == (611, None)
    save(Characters.of("".join(map(chr, range(32, 700)))), tmp_path / "t.json")
    with_one = load_text(TextConfig(name, tokenizer=str(tmp_path / "t.json")))
    assert with_one.vocabulary_size == 668
    assert with_one.tokenizer
    assert len(with_one.tokenizer.decode(with_one.train)) == 900


def test_byte_pairs_are_learned_from_the_training_part_alone(tmp_path):
    text = "the king and the queen. " * 100 + "zzzzzzzz" * 40
    name = text_file(tmp_path, text.encode())
    config = TextConfig(name, tokenizer="byte_pairs:270", validation_fraction=0.2)
    source = load_text(config)
    cut = int(len(text) * 0.8)
    assert source.tokenizer == BytePairs.train(text[:cut], 270)
    assert source.tokenizer != BytePairs.train(text, 270)
    assert source.vocabulary_size == 270
    assert source.tokenizer
    assert source.tokenizer.decode(source.train) == text[:cut]
    assert source.tokenizer.decode(source.validation) == text[cut:]
    assert len(source.train) < cut / 2
    assert source.train.dtype == np.uint16


def test_gpt2_is_read_as_installed_or_from_its_folder(tmp_path):
    name = text_file(tmp_path)
    installed = load_text(TextConfig(name, tokenizer="gpt2"))
    assert installed.vocabulary_size == 50_257
    assert installed.tokenizer
    assert (
        installed.tokenizer.decode(installed.validation) == TEXT[len(TEXT) * 9 // 10 :]
    )
    nothing = TextConfig(name, tokenizer="gpt2", data_dir=str(tmp_path))
    assert load_text(nothing).tokenizer == installed.tokenizer
    (tmp_path / "vocab.json").write_text("{}")
    assert "0 entries" in refusal(name, tokenizer="gpt2", data_dir=str(tmp_path))


def test_the_validation_bytes_are_counted(tmp_path):
    name = text_file(tmp_path)
    wanted = len(TEXT[len(TEXT) * 9 // 10 :].encode())
    assert wanted > len(TEXT) - len(TEXT) * 9 // 10
    for tokenizer in ("characters", "bytes", "byte_pairs:280", "gpt2"):
        source = load_text(TextConfig(name, tokenizer=tokenizer))
        assert source.validation_bytes == wanted
        assert source.tokenizer
        save(source.tokenizer, tmp_path / "tokenizer.json")
        for part, tokens in (("train", source.train), ("val", source.validation)):
            (tmp_path / f"{part}.bin").write_bytes(tokens.astype("<u2").tobytes())
        both = TextConfig(f"tokens:{tmp_path}", str(tmp_path / "tokenizer.json"))
        assert load_text(both).validation_bytes == wanted


def test_a_folder_of_tokens_comes_in_its_two_parts(tmp_path):
    name = f"tokens:{tmp_path}"
    assert "train.bin: cannot be read" in refusal(name, vocabulary=611)
    (tmp_path / "train.bin").write_bytes(TOKENS.tobytes())
    assert "val.bin: cannot be read" in refusal(name, vocabulary=611)
    (tmp_path / "val.bin").write_bytes(TOKENS[:200].tobytes())
    source = load_text(TextConfig(name, vocabulary=611))
    assert np.array_equal(source.train, TOKENS)
    assert np.array_equal(source.validation, TOKENS[:200])
    assert source.validation_bytes is None
    (tmp_path / "val.bin").write_bytes(TOKENS.tobytes()[:-1])
    assert "val.bin: 1,999 bytes do not hold" in refusal(name, vocabulary=611)


def refusal(*config, **named):
    with pytest.raises(InputError, match=r"^[^\n]+$") as caught:
        load_text(TextConfig(*config, **named))
    return str(caught.value)


def test_what_does_not_go_together_is_refused(tmp_path):
    (tmp_path / "t.bin").write_bytes(TOKENS.tobytes())
    name = f"tokens:{tmp_path / 't.bin'}"
    assert "give the tokenizer they were made with" in refusal(name)
    assert "past a vocabulary of 256" in refusal(name, tokenizer="bytes")
    assert "past a vocabulary of 610" in refusal(name, vocabulary=610)
    assert "tokenizer 'characters'" in refusal(name, tokenizer="characters")
    assert "tokenizer 'byte_pairs:300'" in refusal(name, tokenizer="byte_pairs:300")
    assert "SIZE is the number" in refusal(tokenizer="byte_pairs:many")
    assert "256 or more" in refusal(tokenizer="byte_pairs:9")
    assert "tokenizer 'wordz': known are" in refusal(tokenizer="wordz")
    assert "goes with tokens:PATH" in refusal("pydocs", vocabulary=100)
    assert "goes with tokens:PATH" in refusal(name, tokenizer="bytes", vocabulary=9)
    assert "between 0 and 1" in refusal(validation_fraction=1.0)


def test_texts_that_cannot_be_read_are_refused(tmp_path):
    assert "known are pydocs, tiny_shakespeare" in refusal("shakespeare")
    assert "nowhere.txt: cannot be read" in refusal(f"text:{tmp_path / 'nowhere.txt'}")
    assert "cannot be read as text" in refusal(text_file(tmp_path, b"\xff\xfe"))
    assert "is empty" in refusal(text_file(tmp_path, b""))
    assert "cannot be read" in refusal(f"tokens:{tmp_path}/no.bin", vocabulary=9)


@pytest.mark.parametrize("name", ["tiny_shakespeare.txt", "input.txt"])
def test_tiny_shakespeare_is_found_in_its_folder(tmp_path, name):
    text_file(tmp_path, b"First Citizen:\n" * 9, name)
    source = load_text(TextConfig("tiny_shakespeare", data_dir=str(tmp_path)))
    assert source.characters == 15 * 9
    assert str(tmp_path / name) in source.origin


def test_tiny_shakespeare_is_fetched_only_on_request(tmp_path, monkeypatch):
    said = refusal("tiny_shakespeare", cache=str(tmp_path))
    assert f"neither tiny_shakespeare.txt nor input.txt in {tmp_path};" in said
    assert "flag download" in said

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(ENCODED)

        def log_message(self, format, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        remote = Remote(
            f"http://127.0.0.1:{server.server_port}/input.txt",
            hashlib.sha256(ENCODED).hexdigest(),
        )
        monkeypatch.setattr(download, "TINY_SHAKESPEARE", remote)
        config = TextConfig("tiny_shakespeare", download=True, cache=str(tmp_path))
        assert load_text(config).characters == len(TEXT)
        server.shutdown()
        thread.join()
    again = TextConfig("tiny_shakespeare", cache=str(tmp_path))
    assert load_text(again).sha256 == remote.sha256


def test_how_it_is_read_is_not_part_of_what_is_learned():
    elsewhere = TextConfig(data_dir="/x", download=True, loader="grain", cache="/y")
    assert digest(elsewhere) == digest(TextConfig())
    assert digest(TextConfig(tokenizer="bytes")) != digest(TextConfig())
