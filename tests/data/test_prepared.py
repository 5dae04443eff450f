"""Sets that TFDS prepared in a folder: read without TensorFlow, or refused clearly."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from nnguide.config import InputError
from nnguide.data.prepared import find_prepared, load_prepared, prepare
from nnguide.data.sources import RecordSource

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 6, 5, 3), dtype=np.uint8)


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    file.seek(0)
    return file


@pytest.fixture(scope="module")
def kinds():
    """Feature by name: what the sets of these tests hold."""
    import tensorflow_datasets as tfds

    label = tfds.features.ClassLabel(names=["cat", "dog", "eel"])
    tensor = tfds.features.Tensor(shape=(6, 5, 3), dtype=np.uint8)
    return {
        "pictures": {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": label,
        },
        "tensors": {"image": tensor, "label": label},
        "unlabelled": {"image": tensor},
        "numbered": {"image": tensor, "label": tfds.features.Scalar(np.int64)},
        "floats": {
            "image": tfds.features.Tensor(shape=(2, 2), dtype=np.float32),
            "label": label,
        },
    }


def builder_type(name, features, examples):
    """A registered TFDS builder called `name` with one split, "train"."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import registered

    def info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,
        )

    fields = {
        "name": name,
        "VERSION": tfds.core.Version("1.2.0"),
        "_info": info,
        "_split_generators": lambda self, _: {"train": self._generate_examples()},
        "_generate_examples": lambda self: enumerate(examples),
        "__module__": __name__,
    }
    with registered.skip_registration():
        return type(name, (tfds.core.GeneratorBasedBuilder,), fields)


def opened(data_dir, name, split="train"):
    folder = find_prepared(data_dir, name)
    assert folder
    return load_prepared(folder, split)


def write(data_dir, name, features, examples):
    made = builder_type(name, features, examples)
    made(data_dir=data_dir, file_format="array_record").download_and_prepare()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory, kinds):
    folder = tmp_path_factory.mktemp("prepared")
    images = {"pictures": png, "floats": lambda _: np.ones((2, 2), np.float32)}
    for name, features in kinds.items():
        examples = [
            {"image": images.get(name, lambda one: one)(image), "label": row % 3}
            for row, image in enumerate(IMAGES)
        ]
        keys = [*features]
        write(folder, name, features, [{k: one[k] for k in keys} for one in examples])
    return folder


@pytest.mark.smoke
@pytest.mark.parametrize("name", ["pictures", "tensors"])
def test_images_and_labels_are_read_bit_by_bit(data_dir, name):
    source = opened(data_dir, name)
    assert isinstance(source, RecordSource)
    assert len(source) == 30
    assert source.label_names == ("cat", "dog", "eel")
    assert np.array_equal(source[7]["image"], IMAGES[7])
    found = source.take(np.array([4, 29, 4], np.int32))
    assert np.array_equal(found["image"], IMAGES[[4, 29, 4]])
    assert found["label"].tolist() == [1, 2, 1]
    assert (found["image"].dtype, found["label"].dtype) == (np.uint8, np.int32)
    assert [one["label"] for one in source.__getitems__([0, 5])] == [0, 2]
    assert np.array_equal(source.arrays()["image"], IMAGES)
    assert source.arrays() is source.arrays()


def test_the_repr_names_set_split_and_size_and_stays(data_dir):
    sources = [opened(data_dir, "tensors") for _ in "ab"]
    assert repr(sources[0]) == repr(sources[1])
    assert "tensors" in repr(sources[0])
    assert "30 images of 6x5x3" in repr(sources[0])


def test_a_part_of_a_split_is_a_split(data_dir):
    assert len(opened(data_dir, "tensors", "train[:20%]")) == 6


def test_the_newest_version_is_found_and_a_configuration_by_name(data_dir, tmp_path):
    folder = data_dir / "tensors" / "1.2.0"
    for version in ("1.9.0", "1.10.0", "incomplete.XYZ_2.0.0"):
        shutil.copytree(folder, tmp_path / "plain" / version)
    assert find_prepared(tmp_path, "plain") == tmp_path / "plain" / "1.10.0"
    shutil.copytree(folder, tmp_path / "many" / "small" / "1.0.0")
    assert find_prepared(tmp_path, "many") == tmp_path / "many" / "small" / "1.0.0"
    shutil.copytree(folder, tmp_path / "many" / "large" / "1.0.0")
    with pytest.raises(InputError, match=r"name one .*: many/large, many/small$"):
        find_prepared(tmp_path, "many")
    found = find_prepared(tmp_path, "many/large")
    assert found == tmp_path / "many" / "large" / "1.0.0"
    assert find_prepared(tmp_path, "nothing") is None


@pytest.mark.parametrize("name", ["unlabelled", "numbered", "floats"])
def test_sets_without_bytes_and_class_labels_are_refused(data_dir, name):
    with pytest.raises(InputError, match=r"^[^\n]*holds image: [^\n]*ClassLabel$"):
        opened(data_dir, name)


def test_an_unknown_split_is_refused(data_dir):
    with pytest.raises(InputError, match=r"^[^\n]*'test'[^\n]*\['train'\][^\n]*$"):
        opened(data_dir, "tensors", "test")


def test_images_of_several_sizes_do_not_stack(tmp_path, kinds):
    images = [IMAGES[0], IMAGES[1][:3]]
    examples = [{"image": png(image), "label": 0} for image in images]
    write(tmp_path, "sizes", kinds["pictures"], examples)
    source = opened(tmp_path, "sizes")
    assert source[1]["image"].shape == (3, 5, 3)
    with pytest.raises(InputError, match=r"\[\(3, 5, 3\), \(6, 5, 3\)\]"):
        source.take(np.arange(2))


def test_what_needs_tensorflow_is_refused_before_it_is_tried(data_dir, tmp_path):
    folder = tmp_path / "tensors" / "1.2.0"
    shutil.copytree(data_dir / "tensors" / "1.2.0", folder)
    info = folder / "dataset_info.json"
    said = json.loads(info.read_text())
    for form in ("tfrecord", None):  # old sets do not say: they are tfrecord
        said["fileFormat"] = form
        info.write_text(json.dumps({k: v for k, v in said.items() if v is not None}))
        with pytest.raises(InputError, match=r"^[^\n]*prepared as tfrecord[^\n]*$"):
            load_prepared(folder, "train")
    info.write_text("{")
    with pytest.raises(InputError, match=r"dataset_info\.json: cannot be read"):
        load_prepared(folder, "train")


@pytest.mark.parametrize("damage", ["records", "features.json"])
def test_damaged_sets_are_named(data_dir, tmp_path, damage):
    folder = tmp_path / "tensors" / "1.2.0"
    shutil.copytree(data_dir / "tensors" / "1.2.0", folder)
    for path in folder.glob("*array_record*" if damage == "records" else damage):
        path.write_bytes(b"damaged")
    with pytest.raises(InputError, match=rf"^[^\n]*{folder}[^\n]*$"):
        load_prepared(folder, "train").take(np.arange(1))


def test_records_cut_short_are_named(data_dir, tmp_path):
    folder = tmp_path / "tensors" / "1.2.0"
    shutil.copytree(data_dir / "tensors" / "1.2.0", folder)
    (records,) = folder.glob("*array_record*")
    records.write_bytes(records.read_bytes()[:65_536])
    with pytest.raises(InputError, match=r"^[^\n]*damaged[^\n]*again$"):
        load_prepared(folder, "train").take(np.arange(1))


def test_tfds_prepares_what_needs_no_tensorflow(tmp_path, monkeypatch, kinds, capfd):
    import tensorflow_datasets as tfds

    examples = [{"image": IMAGES[0], "label": 2}]
    made = builder_type("fetched", kinds["tensors"], examples)
    monkeypatch.setattr(tfds, "builder", lambda name, **rest: made(**rest))
    folder = prepare("fetched", tmp_path)
    assert folder == tmp_path / "fetched" / "1.2.0"
    assert np.array_equal(load_prepared(folder, "train")[0]["image"], IMAGES[0])
    assert capfd.readouterr().out == ""


def test_tfds_says_in_one_line_what_it_cannot_prepare(tmp_path, monkeypatch, kinds):
    import tensorflow_datasets as tfds

    def broken():
        raise ImportError("No module named 'tensorflow'\nmore\nlines")
        yield

    made = builder_type("broken", kinds["tensors"], broken())
    monkeypatch.setattr(tfds, "builder", lambda name, **rest: made(**rest))
    with pytest.raises(InputError, match=r"^broken: [^\n]*tensorflow[^\n]*$"):
        prepare("broken", tmp_path)
    monkeypatch.undo()
    with pytest.raises(InputError, match=r"^no_such_set: [^\n]*$"):
        prepare("no_such_set", tmp_path)
    assert not list(tmp_path.glob("*/[0-9]*"))
