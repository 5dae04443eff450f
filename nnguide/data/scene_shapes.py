"""How scenes are drawn: which pixel belongs to what, and which colour that has.

A scene is flat colours with hard edges: a map of regions, 32x32, and a palette. The
maps are made once for everything a scene can hold and every place it can stand at;
drawing is then one look-up, and a decoder can compare a picture with every scene there
is.
"""

import functools
import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int8, UInt8

SIZE = 32  # pixels of an edge

# What a scene shows: attribute -> its values, in the order of the columns of `shown`.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "kind": ("person", "desert"),
    "skin": ("pale", "tan", "dark"),
    "shirt": ("red", "green", "blue", "yellow", "purple", "white"),
    "accessory": ("none", "hat", "glasses", "scarf", "beard", "umbrella", "bag"),
    "wall": ("grey", "pink", "golden", "cyan", "brown"),
    "time": ("morning", "noon", "evening", "night"),
    "thing": ("none", "tree", "cactus", "rock"),
    "shadow": ("none", "shadow"),
}
COLUMN = {name: column for column, name in enumerate(ATTRIBUTES)}
PERSON, DESERT = range(2)
OF_KIND = (
    ("skin", "shirt", "accessory", "wall"),
    ("time", "thing", "shadow"),
)  # the attributes of a person, and of a desert
ABSENT = -1  # the value of an attribute of the other kind

Colour = tuple[float, float, float]
Number = int | float
# Colours that an attribute decides: region -> attribute, a colour a value.
_COLOURS: dict[str, tuple[str, tuple[Colour, ...]]] = {
    "wall": ("wall", ((0.60, 0.62, 0.65), (0.97, 0.72, 0.80), (0.97, 0.66, 0.20),
                      (0.55, 0.88, 0.92), (0.48, 0.36, 0.27))),
    "skin": ("skin", ((0.97, 0.84, 0.73), (0.80, 0.58, 0.40), (0.44, 0.27, 0.17))),
    "shirt": ("shirt", ((0.84, 0.14, 0.15), (0.18, 0.62, 0.25), (0.15, 0.35, 0.85),
                        (0.95, 0.85, 0.20), (0.52, 0.20, 0.66), (0.95, 0.95, 0.95))),
    "sky": ("time", ((0.98, 0.82, 0.66), (0.45, 0.72, 0.95), (0.86, 0.45, 0.38),
                     (0.07, 0.08, 0.22))),
    "sun": ("time", ((1.00, 0.95, 0.75), (1.00, 0.97, 0.60), (1.00, 0.75, 0.30),
                     (0.92, 0.93, 0.97))),
    "sand": ("time", ((0.90, 0.74, 0.50), (0.96, 0.84, 0.52), (0.78, 0.52, 0.34),
                      (0.32, 0.30, 0.38))),
    "shadow": ("time", ((0.58, 0.46, 0.36), (0.62, 0.52, 0.34), (0.46, 0.28, 0.22),
                        (0.14, 0.13, 0.20))),
}  # fmt: skip
_FIXED: dict[str, Colour] = {
    "hair": (0.20, 0.13, 0.10),
    "features": (0.10, 0.06, 0.06),
    "hat": (0.10, 0.16, 0.42),
    "glasses": (0.02, 0.02, 0.02),
    "scarf": (0.88, 0.10, 0.50),
    "beard": (0.14, 0.08, 0.06),
    "canopy": (0.05, 0.55, 0.55),
    "handle": (0.15, 0.15, 0.15),
    "bag": (0.62, 0.40, 0.12),
    "trunk": (0.40, 0.24, 0.12),
    "leaves": (0.10, 0.48, 0.16),
    "cactus": (0.35, 0.70, 0.30),
    "rock": (0.52, 0.50, 0.50),
}
REGIONS = (*_COLOURS, *_FIXED)
_LABEL = {name: label for label, name in enumerate(REGIONS)}


class Shapes(NamedTuple):
    """Every map of regions, those of one group one after another.

    Attributes:
      regions: the region of every pixel.
      shown: what each map fixes of a scene, a column an attribute; ABSENT where the
        map leaves it open (colours) or it is of the other kind.
      drawn: False for maps that no scene has, and that samples may come close to: a
        shadow of nothing.
    """

    regions: UInt8[np.ndarray, "shapes height width"]
    shown: Int8[np.ndarray, "shapes attributes"]
    drawn: Bool[np.ndarray, "shapes"]


class _Canvas:
    """A map of regions to draw on, later strokes over earlier ones."""

    def __init__(self, ground: str) -> None:
        self.regions = np.full((SIZE, SIZE), _LABEL[ground], np.uint8)
        self.y, self.x = np.mgrid[:SIZE, :SIZE].astype(float)

    def fill(self, region: str, where: np.ndarray) -> None:
        self.regions[where] = _LABEL[region]

    def box(
        self, left: Number, right: Number, top: Number, bottom: Number
    ) -> np.ndarray:
        """Both ends belong to it."""
        inside = (self.x >= left) & (self.x <= right)
        return inside & (self.y >= top) & (self.y <= bottom)

    def disc(self, x: Number, y: Number, wide: Number, high: Number) -> np.ndarray:
        """An ellipse by its centre and half axes."""
        return ((self.x - x) / wide) ** 2 + ((self.y - y) / high) ** 2 <= 1


def _person(accessory: str, x: int, y: int) -> np.ndarray:
    """A bust whose face is centred at (x, y)."""
    canvas = _Canvas("wall")
    body = canvas.disc(x, y + 17, 11.5, 9) & (canvas.y >= y + 9)
    face = canvas.disc(x, y + 0.5, 5.3, 6.5)
    if accessory == "umbrella":
        canvas.fill("handle", canvas.box(x + 11, x + 11, y - 8, y + 14))
        canopy = canvas.disc(x + 8, y - 5, 10, 7) & (canvas.y <= y - 5)
        canvas.fill("canopy", canopy)
    canvas.fill("shirt", body)
    canvas.fill("skin", canvas.box(x - 2, x + 2, y + 5, y + 9))
    canvas.fill("hair", canvas.disc(x, y - 1, 6.4, 7) & (canvas.y <= y + 1))
    canvas.fill("skin", face & (canvas.y >= y - 4))
    for eye in (x - 2, x + 2):
        canvas.fill("features", canvas.box(eye, eye, y, y))
    if accessory == "beard":
        canvas.fill("beard", face & (canvas.y >= y + 2))
    canvas.fill("features", canvas.box(x - 1, x + 1, y + 4, y + 4))
    if accessory in _WORN:
        _WORN[accessory](canvas, x, y)
    return canvas.regions


def _hat(canvas: _Canvas, x: int, y: int) -> None:
    canvas.fill("hat", canvas.box(x - 9, x + 9, y - 6, y - 5))
    canvas.fill("hat", canvas.box(x - 5, x + 5, y - 11, y - 5))


def _glasses(canvas: _Canvas, x: int, y: int) -> None:
    for middle in (x - 3, x + 3):
        rim = canvas.box(middle - 2, middle + 2, y - 2, y + 2)
        glass = canvas.box(middle - 1, middle + 1, y - 1, y + 1)
        canvas.fill("glasses", rim & ~glass)
    canvas.fill("glasses", canvas.box(x, x, y - 1, y - 1))


def _scarf(canvas: _Canvas, x: int, y: int) -> None:
    canvas.fill("scarf", canvas.box(x - 5, x + 5, y + 7, y + 10))
    canvas.fill("scarf", canvas.box(x + 1, x + 4, y + 10, y + 16))


def _bag(canvas: _Canvas, x: int, y: int) -> None:
    strap = abs(canvas.x - (x - 8) - (y + 19 - canvas.y) * 1.2) <= 0.8
    body = canvas.regions == _LABEL["shirt"]
    canvas.fill("bag", strap & body & (canvas.y <= y + 14))
    canvas.fill("bag", canvas.box(x - 12, x - 4, y + 14, y + 20))


_WORN: dict[str, Callable[[_Canvas, int, int], None]] = {
    "hat": _hat,
    "glasses": _glasses,
    "scarf": _scarf,
    "bag": _bag,
}


# Where the sun (or the moon) stands, from the horizon up, and how far shadows reach.
_SUN = {"morning": (5, -5, 7), "noon": (16, -13, 0), "evening": (26, -4, -7),
        "night": (25, -12, -5)}  # fmt: skip


def _desert(time: str, thing: str, shadow_of: str, x: int, horizon: int) -> np.ndarray:
    """A desert with a thing that stands at x, or without."""
    canvas = _Canvas("sky")
    sun_x, sun_y, reach = _SUN[time]
    canvas.fill("sun", canvas.disc(sun_x, horizon + sun_y, 2.6, 2.6))
    canvas.fill("sand", canvas.y >= horizon)
    base = horizon + 7
    if shadow_of != "none":
        half = {"tree": 5.2, "cactus": 4.2, "rock": 5.6}[shadow_of]
        canvas.fill("shadow", canvas.disc(x + reach, base + 0.6, half, 1.7))
        left, right = sorted((x, x + reach))
        canvas.fill("shadow", canvas.box(left, right, base, base + 1))
    if thing == "tree":
        canvas.fill("trunk", canvas.box(x - 1, x, base - 7, base))
        canvas.fill("leaves", canvas.disc(x - 0.5, base - 10, 4.4, 4.2))
    if thing == "cactus":
        canvas.fill("cactus", canvas.box(x - 1, x + 1, base - 12, base))
        canvas.fill("cactus", canvas.box(x - 4, x + 4, base - 6, base - 5))
        canvas.fill("cactus", canvas.box(x - 4, x - 3, base - 9, base - 5))
        canvas.fill("cactus", canvas.box(x + 3, x + 4, base - 10, base - 5))
    if thing == "rock":
        rock = canvas.disc(x, base + 0.5, 5, 4.5) & (canvas.y <= base)
        canvas.fill("rock", rock)
    return canvas.regions


@functools.cache
def shapes() -> Shapes:
    """All maps of regions."""
    maps, shown, drawn = [], [], []

    def add(regions: np.ndarray, is_drawn: bool, **values: str) -> None:
        row = np.full(len(ATTRIBUTES), ABSENT, np.int8)
        for name, value in values.items():
            row[COLUMN[name]] = ATTRIBUTES[name].index(value)
        maps.append(regions)
        shown.append(row)
        drawn.append(is_drawn)

    for accessory in ATTRIBUTES["accessory"]:
        for x, y in itertools.product(range(14, 18), range(11, 14)):
            add(_person(accessory, x, y), True, kind="person", accessory=accessory)
    for time, thing, shadow in itertools.product(
        *(ATTRIBUTES[name] for name in OF_KIND[DESERT])
    ):
        owners = ("none",) if shadow == "none" else (thing,)
        if thing == "none" and shadow == "shadow":
            owners = ATTRIBUTES["thing"][1:]
        places = (16,) if owners == ("none",) and thing == "none" else range(9, 24, 2)
        for owner, x, horizon in itertools.product(owners, places, (17, 19)):
            regions = _desert(time, thing, owner, x, horizon)
            add(
                regions, thing != "none" or shadow == "none",
                kind="desert", time=time, thing=thing, shadow=shadow,
            )  # fmt: skip
    return Shapes(np.array(maps), np.array(shown), np.array(drawn))


def colour_choices(region: str) -> tuple[str | None, Float[np.ndarray, "choices 3"]]:
    """The attribute that decides a region's colour, if any, and the colours."""
    if region in _FIXED:
        return None, np.array([_FIXED[region]], np.float32)
    attribute, colours = _COLOURS[region]
    return attribute, np.array(colours, np.float32)


def palettes(
    shown: Int8[np.ndarray, "N attributes"],
) -> Float[np.ndarray, "N regions 3"]:
    """The colour of every region of each scene, in [0, 1].

    Args:
      shown: values of the attributes; regions of the other kind get any colour.
    """
    result = np.empty((len(shown), len(REGIONS), 3), np.float32)
    for label, region in enumerate(REGIONS):
        attribute, colours = colour_choices(region)
        column = 0 if attribute is None else shown[:, COLUMN[attribute]]
        result[:, label] = colours[np.maximum(column, 0)]
    return result
