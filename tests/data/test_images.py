"""Image sets by name, found or refused, and two loaders that give the same batches."""

import itertools
import threading
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.config import InputError, digest
from nnguide.data import download, idx
from nnguide.data.download import Remote
from nnguide.data.images import (
    ImageConfig,
    image_batches,
    image_evaluation,
    load_images,
)
from nnguide.data.sources import ArraySource, ImageSource, RecordSource

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
IMAGES = np.random.default_rng(0).integers(0, 256, (53, 4, 3, 1), dtype=np.uint8)
LABELS = (np.arange(53) % 10).astype(np.int32)
SOURCE = ArraySource(IMAGES, LABELS, tuple("0123456789"), "a toy")


class Records:
    """What TFDS hands over: random access to dicts."""

    def __len__(self):
        return len(LABELS)

    def __getitems__(self, rows):
        return [{"image": IMAGES[row], "label": int(LABELS[row])} for row in rows]


RECORDS = RecordSource(Records(), tuple("0123456789"), "a toy on disk")


def assembled(batches, first=0, count=None):
    """The batches as the compiled step sees them."""
    assemble = jax.jit(batches.assemble)
    rows = itertools.islice(batches.stream(first), count)
    return [assemble(batches.arrays, one, jax.random.key(0)) for one in rows]


def same(one, other):
    pairs = zip(one, other, strict=True)
    return all(
        np.array_equal(a["image"], b["image"])
        and np.array_equal(a["label"], b["label"])
        for a, b in pairs
    )


def assert_pixels(images, pixels):
    np.testing.assert_array_equal(np.asarray(images), pixels)


@pytest.mark.smoke
def test_resident_and_grain_give_the_same_batches():
    resident = assembled(image_batches(SOURCE, 16, seed=3), count=20)
    for source in (SOURCE, RECORDS):
        batches = image_batches(source, 16, seed=3, loader="grain")
        assert batches.arrays == ()
        assert same(assembled(batches, count=20), resident)


def test_batches_hold_the_rows_of_the_source():
    (batch,) = assembled(image_batches(SOURCE, 16, seed=3), first=7, count=1)
    rows = image_batches(SOURCE, 16, seed=3).stream(7)
    chosen = next(rows)
    assert_pixels(batch["image"], IMAGES[chosen])
    assert np.array_equal(batch["label"], LABELS[chosen])
    assert batch["image"].dtype == jnp.uint8
    assert batch["label"].dtype == jnp.int32


@pytest.mark.parametrize("loader", ["resident", "grain"])
def test_a_loader_resumed_at_a_step_goes_on_as_if_undisturbed(loader):
    batches = image_batches(SOURCE, 16, seed=0, loader=loader)
    straight = assembled(batches, count=12)
    for first in (1, 3, 4, 11):  # 53 / 16: an epoch ends inside batch 3
        assert same(assembled(batches, first, 12 - first), straight[first:])


@pytest.mark.parametrize("loader", ["resident", "grain"])
def test_equal_seeds_give_equal_batches_and_other_seeds_others(loader):
    first, again, other = (
        assembled(image_batches(SOURCE, 16, seed, loader), count=6)
        for seed in (1, 1, 2)
    )
    assert same(first, again)
    assert not same(first, other)


@pytest.mark.parametrize("loader", ["resident", "grain"])
def test_evaluation_shows_every_image_once_in_order(loader):
    batches = assembled(image_evaluation(SOURCE, 16, loader))
    assert [len(batch["label"]) for batch in batches] == [16, 16, 16, 5]
    images = np.concatenate([batch["image"] for batch in batches])
    assert_pixels(images, IMAGES)
    labels = np.concatenate([batch["label"] for batch in batches])
    assert np.array_equal(labels, LABELS)


def test_a_batch_in_use_does_not_change_when_the_next_is_gathered():
    for loader in ("resident", "grain"):
        stream = image_batches(SOURCE, 64, seed=0, loader=loader).stream(0)
        first = next(stream)
        on_device, before = jax.device_put(first), jax.tree.map(np.copy, first)
        for _ in range(20):
            next(stream)
        assert jax.tree.all(jax.tree.map(np.array_equal, on_device, before))


@pytest.mark.parametrize("source", [SOURCE, RECORDS])
def test_sources_are_read_by_row(source):
    assert isinstance(source, ImageSource)
    assert len(source) == 53
    assert np.array_equal(source[11]["image"], IMAGES[11])
    assert source[11]["label"] == 1
    assert len(source.__getitems__([3, 1, 4])) == 3
    assert np.array_equal(source.__getitems__([3, 1, 4])[2]["image"], IMAGES[4])
    assert np.array_equal(source.take(np.array([5, 5]))["image"], IMAGES[[5, 5]])
    assert np.array_equal(source.arrays()["label"], LABELS)
    assert repr(source).endswith(": 53 images of 4x3x1)")
    assert "0x" not in repr(source)


def test_a_source_in_memory_cannot_be_written_to_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        SOURCE.arrays()["image"][0] = 0
    SOURCE.take(np.arange(3))["image"][0] = 0  # a batch is its owner's
    assert np.array_equal(SOURCE.images, IMAGES)


def test_grain_reads_a_source_element_by_element_too():
    import grain

    source: Any = RECORDS
    found = list(grain.MapDataset.source(source)[50:].to_iter_dataset())
    assert [int(one["label"]) for one in found] == [0, 1, 2]


@pytest.mark.smoke
def test_mnist5k_is_the_default_and_takes_no_folder(digits_cache):
    config = ImageConfig(cache=str(digits_cache))
    assert len(load_images(config, "train")) == 4_000
    assert len(load_images(config, "test")) == 1_000


def test_only_the_name_is_part_of_what_is_learned():
    elsewhere = ImageConfig("mnist5k", "/data", True, "grain", "/cache")
    assert digest(elsewhere) == digest(ImageConfig())
    assert digest(ImageConfig("mnist")) != digest(ImageConfig())


def write_idx(folder, images=IMAGES[..., 0], labels=LABELS):
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            array = array.astype(np.uint8)
            header = (
                bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
            )
            (folder / f"{split}-{kind}-ubyte").write_bytes(header + array.tobytes())


@pytest.mark.parametrize("below", ["", "mnist"])
def test_raw_files_are_found_in_the_folder_or_below_it(tmp_path, below):
    write_idx(tmp_path / below)
    source = load_images(ImageConfig("mnist", str(tmp_path)), "test")
    assert np.array_equal(source.arrays()["image"], IMAGES)
    assert source.origin == f"mnist test of {tmp_path / below}".rstrip("/")


def test_labels_of_fashion_mnist_are_clothes(tmp_path):
    write_idx(tmp_path)
    source = load_images(ImageConfig("fashion_mnist", str(tmp_path)), "train")
    assert source.label_names[0] == "T-shirt/top"
    assert source.label_names[9] == "Ankle boot"


def test_a_set_prepared_by_tfds_is_found_by_name(digits_cache, tmp_path):
    (tmp_path / "my_digits").symlink_to(digits_cache / "mnist5k")
    source = load_images(ImageConfig("my_digits", str(tmp_path)), "test")
    assert isinstance(source, RecordSource)
    own = load_images(ImageConfig(cache=str(digits_cache)), "test")
    assert np.array_equal(source.arrays()["image"], own.arrays()["image"])


def refusal(*config, **named):
    with pytest.raises(InputError, match=r"^[^\n]+$") as caught:
        load_images(ImageConfig(*config, **named), "train")
    return str(caught.value)


def test_a_missing_folder_is_named(tmp_path):
    said = refusal("mnist", str(tmp_path / "nowhere"))
    assert f"{tmp_path / 'nowhere'}: no such folder" in said
    assert "data_dir" in said


def test_a_missing_set_says_where_it_was_looked_for_and_what_to_do(tmp_path):
    said = refusal("mnist", str(tmp_path))
    assert f"{tmp_path / 'mnist'} or {tmp_path};" in said
    assert "flag data_dir" in said
    assert "flag download" in said
    assert str(tmp_path / "cache" / "mnist") in refusal(
        "mnist", cache=str(tmp_path / "cache")
    )


def test_an_unknown_name_is_told_the_known_ones(tmp_path):
    write_idx(tmp_path)  # and does not take what happens to lie there
    said = refusal("mnits", str(tmp_path))
    assert "'mnits'" in said
    assert "known are mnist5k, mnist, fashion_mnist, and any set that TFDS" in said


def test_a_damaged_file_in_the_folder_is_named(tmp_path):
    write_idx(tmp_path, labels=LABELS[:-1])
    assert "52 labels for the 53 images" in refusal("mnist", str(tmp_path))


@pytest.fixture
def on_the_net(tmp_path, monkeypatch):
    """MNIST's four files, small, from a server on this machine."""
    import functools
    import hashlib
    import http.server

    write_idx(tmp_path / "net")
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=tmp_path / "net"
    )
    monkeypatch.setattr(
        http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    files = {
        path.name: Remote(
            f"http://127.0.0.1:{server.server_port}/{path.name}",
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in (tmp_path / "net").iterdir()
    }
    monkeypatch.setitem(download_table(), "mnist", files)
    yield files
    server.shutdown()
    server.server_close()
    thread.join()


def download_table():
    from nnguide.data import images

    return images._RAW_FILES


def test_download_fetches_into_the_cache_once(tmp_path, on_the_net, monkeypatch):
    config = ImageConfig("mnist", download=True, cache=str(tmp_path / "cache"))
    assert np.array_equal(load_images(config, "train").arrays()["image"], IMAGES)
    assert len(idx.find_idx(tmp_path / "cache" / "mnist")) == 4
    monkeypatch.setattr(download, "download_folder", None)  # a second fetch would fail
    assert len(load_images(config, "test")) == 53


def test_download_fetches_into_data_dir_where_one_is_given(tmp_path, on_the_net):
    config = ImageConfig("mnist", str(tmp_path / "data"), download=True)
    assert len(load_images(config, "test")) == 53
    assert (tmp_path / "data" / "mnist" / "train-images-idx3-ubyte").is_file()


def test_a_failed_download_leaves_nothing(tmp_path, on_the_net):
    on_the_net["t10k-labels-idx1-ubyte"] = Remote("http://127.0.0.1:9/x", "")
    said = refusal("mnist", download=True, cache=str(tmp_path / "cache"))
    assert "cannot be fetched" in said
    assert list((tmp_path / "cache").iterdir()) == []


def test_download_of_a_set_nobody_knows_is_one_line(tmp_path):
    said = refusal("no_such_set", download=True, cache=str(tmp_path))
    assert "no_such_set: TFDS cannot prepare it" in said


@pytest.mark.skipif(
    not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is missing"
)
def test_whole_fashion_mnist_is_found_where_debian_puts_it(tmp_path):
    source = load_images(ImageConfig("fashion_mnist", cache=str(tmp_path)), "test")
    assert len(source) == 10_000
    assert str(DEBIAN) in source.origin
    assert source[0]["label"] == 9
    assert source.label_names[9] == "Ankle boot"
    assert not any(tmp_path.iterdir())
