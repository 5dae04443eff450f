"""Scenes are functions of (seed, number), captions are true, the decoder is exact."""

import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.data import scenes
from nnguide.data.scene_captions import LENGTH, caption, tokenizer, tokens_of
from nnguide.data.scene_decoder import decode
from nnguide.data.scene_shapes import (
    ABSENT,
    ATTRIBUTES,
    COLUMN,
    REGIONS,
    palettes,
    shapes,
)
from nnguide.data.scenes import SceneConfig, Scenes

EVERY = scenes.combinations()


def drawn(count: int = 64, seed: int = 0, **changes) -> Scenes:
    return scenes.sample(SceneConfig(**changes), seed, np.arange(count))


def unit(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 255


@pytest.mark.smoke
def test_the_decoder_is_exact_on_everything_there_is():
    images = scenes.draw(EVERY, 3, np.arange(len(EVERY)))
    read = decode(unit(images))
    np.testing.assert_array_equal(read.shown, EVERY)
    shades = scenes.JITTER / np.sqrt(3)  # of a uniform number, where nothing is clipped
    assert read.distance.mean() == pytest.approx(shades, rel=0.1)


def test_the_decoder_reads_through_noise():
    given = drawn(200)
    noise = 0.2 * np.random.default_rng(0).normal(size=given.images.shape)
    read = decode(unit(given.images) + noise.astype(np.float32))
    np.testing.assert_array_equal(read.shown, given.shown)


def test_the_nearest_scene_is_the_nearest_of_all():
    """Of every map with every colour, compared pixel by pixel."""
    image = np.random.default_rng(1).random((32, 32, 3)).astype(np.float32)
    people = EVERY[EVERY[:, COLUMN["accessory"]] == 0]
    deserts = EVERY[EVERY[:, COLUMN["kind"]] == 1]
    colours = palettes(np.concatenate([people, deserts]))
    kinds = np.repeat([0, 1], [len(people), len(deserts)])
    times = np.concatenate([people, deserts])[:, COLUMN["time"]]
    least = np.inf
    for regions, row in zip(shapes().regions, shapes().shown, strict=True):
        own = kinds == row[COLUMN["kind"]]
        if row[COLUMN["kind"]] == 1:
            own &= times == row[COLUMN["time"]]
        templates = np.unique(colours[own], axis=0)[:, regions]
        errors = np.square(image[None] - templates).mean(axis=(1, 2, 3))
        least = min(least, errors.min())
    assert decode(image[None]).distance[0] == pytest.approx(np.sqrt(least), rel=1e-4)


def test_a_shadow_of_nothing_is_never_drawn_but_can_be_read():
    ghosts = np.flatnonzero(~shapes().drawn)
    shown = shapes().shown[ghosts]
    assert (shown[:, COLUMN["thing"]] == 0).all()
    assert (shown[:, COLUMN["shadow"]] == 1).all()
    colours = palettes(shown[::20])
    images = colours[
        np.arange(len(colours))[:, None, None], shapes().regions[ghosts[::20]]
    ]
    read = decode(images)
    np.testing.assert_array_equal(read.shown, shown[::20])
    np.testing.assert_allclose(read.distance, 0, atol=2e-3)
    shadowed = EVERY[:, COLUMN["shadow"]] == 1
    assert (EVERY[shadowed, COLUMN["thing"]] > 0).all()


@pytest.mark.smoke
def test_a_scene_is_a_function_of_seed_and_number():
    large = drawn(100)
    part = scenes.sample(SceneConfig(), 0, np.arange(40, 60))
    for whole, own in zip(large, part, strict=True):
        np.testing.assert_array_equal(whole[40:60], own)
    assert (drawn(100, seed=1).images != large.images).any()
    given = scenes.batches(SceneConfig(), 8, 0)
    fifth = next(given.stream(5))
    np.testing.assert_array_equal(fifth["image"], large.images[40:48])
    stream = given.stream(4)
    next(stream)
    np.testing.assert_array_equal(next(stream)["tokens"], fifth["tokens"])


def test_attributes_are_spread_evenly():
    shown = drawn(6000).shown
    for name, values in ATTRIBUTES.items():
        column = shown[:, COLUMN[name]]
        share = np.bincount(column[column != ABSENT], minlength=len(values))
        if name not in ("thing", "shadow"):  # a desert without thing has no shadow
            share = share / share.sum() * len(values)
            np.testing.assert_allclose(share, 1, atol=0.15)
    assert drawn(500, deserts=1.0).shown[:, COLUMN["kind"]].all()


def test_there_are_658_scenes_with_captions_of_their_own():
    assert len(EVERY) == 3 * 6 * 7 * 5 + 4 * (1 + 3 * 2)
    captions = [caption(row) for row in EVERY]
    assert len(set(captions)) == 658
    assert max(len(text.split()) for text in captions) == LENGTH - 1
    assert "a tree and its shadow in a desert at noon" in captions
    assert (
        "a person with tan skin in a red shirt with a hat before a pink wall"
        in captions
    )


def test_every_caption_names_what_is_there_and_nothing_else():
    for row in EVERY:
        words = caption(row).split()
        for name, values in ATTRIBUTES.items():
            own = row[COLUMN[name]]
            for value, word in enumerate(values):
                named = word != "none" and value == own
                assert (word in words) == named, (caption(row), word)


def test_incomplete_captions_leave_out_but_never_lie():
    given = drawn(4000, incomplete=0.8)
    silent = given.said == ABSENT
    assert ((given.said == given.shown) | silent).all()
    for name in ("kind", "skin", "shirt", "wall", "time"):
        column = COLUMN[name]
        there = given.shown[:, column] != ABSENT
        assert silent[there, column].mean() == pytest.approx(0.4, abs=0.05)
    tree = given.shown[:, COLUMN["thing"]] == 1
    assert silent[tree, COLUMN["thing"]].mean() == pytest.approx(0.4, abs=0.06)
    shadows = given.said[:, COLUMN["shadow"]] == 1
    assert (given.said[shadows, COLUMN["thing"]] > 0).all()
    for said in given.said[:500]:  # nothing is written that is not said
        named = {
            values[said[COLUMN[name]]]
            for name, values in ATTRIBUTES.items()
            if said[COLUMN[name]] != ABSENT
        }
        others = {value for values in ATTRIBUTES.values() for value in values} - named
        assert not others & set(caption(said).split())
    complete = drawn(100)
    np.testing.assert_array_equal(complete.said, complete.shown)


def test_what_is_said_of_neither_kind_is_a_list_of_words():
    row = EVERY[(EVERY == [0, 1, 0, 1, 2, ABSENT, ABSENT, ABSENT]).all(axis=1)][0]
    assert caption(row).endswith("in a red shirt with a hat before a golden wall")
    row[[COLUMN["kind"], COLUMN["skin"], COLUMN["wall"]]] = ABSENT
    assert caption(row) == "red hat"
    assert caption(np.full_like(row, ABSENT)) == ""


def test_training_never_shows_what_is_held_out():
    held_out = scenes.held_out()
    assert held_out.sum() == 256
    unseen = {row.tobytes() for row in EVERY[held_out]}
    given = scenes.sample(SceneConfig(), 0, np.arange(3000), ~held_out)
    assert not unseen & {row.tobytes() for row in given.shown}
    for name, values in ATTRIBUTES.items():  # but every value on its own
        assert set(range(len(values))) <= set(given.shown[:, COLUMN[name]])


def test_an_evaluation_goes_once_through_its_scenes():
    rows = list(scenes.evaluation(drawn(10), 4).stream(0))
    assert [len(row["tokens"]) for row in rows] == [4, 4, 2]
    batch = scenes.assemble((), rows[0], None)
    assert batch["image"].min() >= -1
    assert batch["image"].max() <= 1
    np.testing.assert_allclose(
        scenes.unsigned(batch["image"]) * 255, rows[0]["image"], 1e-5
    )


def test_captions_become_tokens_with_one_end_and_back():
    tokens = tokens_of("a tree in a desert")
    assert tokens.shape == (LENGTH,)
    assert tokenizer().decode(tokens[:5]) == "a tree in a desert"
    assert (tokens[5:] == tokenizer().vocabulary_size - 1).all()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: tokens_of("a whale in a tophat"), "'whale', 'tophat'; the words are"),
        (lambda: tokens_of("a " * 17), "17 words; give at most 16"),
        (lambda: SceneConfig(incomplete=1.5), "scenes.incomplete=1.5: give a share"),
        (lambda: SceneConfig(deserts=-0.5), "scenes.deserts=-0.5: give a share"),
    ],
)
def test_bad_input_is_named(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_every_region_is_somewhere():
    assert set(np.unique(shapes().regions)) == set(range(len(REGIONS)))
