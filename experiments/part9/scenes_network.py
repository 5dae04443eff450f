"""A network that draws scenes from captions: its training, and samples from it.

It attends to the vectors that CLIP's text tower, trained before and now frozen, has of
a caption's words.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from experiments.part9.setting import Setting
from experiments.plan import Plan
from experiments.study import check
from nnguide import training
from nnguide.array_types import Array, Batch, Params
from nnguide.data import scenes
from nnguide.data.batches import Batches
from nnguide.data.scene_captions import tokens_of
from nnguide.data.scene_shapes import SIZE
from nnguide.data.scenes import SceneConfig
from nnguide.diffusion import clip, learning, samplers
from nnguide.diffusion.clip import Clip, ClipConfig
from nnguide.diffusion.denoising import DenoisingConfig, denoiser
from nnguide.diffusion.guidance import GuidanceConfig, guided
from nnguide.diffusion.noise import NoiseConfig
from nnguide.diffusion.samplers import SamplerConfig
from nnguide.diffusion.unet import Unet, UnetConfig
from nnguide.parallel import ParallelConfig
from nnguide.target import convolution_options
from nnguide.training import OptimizerConfig

SHAPE = (SIZE, SIZE, 3)
# Every decade of noise equally often: what a picture is of is decided above 1.
NOISE = NoiseConfig("log_linear", sigma_min=0.02, sigma_max=20.0)
# Predicted noise, all of which a narrow network would have to pass on, stays in the
# pictures; the clean picture is simple (compare Li and He, arXiv 2511.13720).
DENOISING = DenoisingConfig("x0", "min_snr")
DROPPED = 0.15  # share of the pictures whose caption the network is not told
AT_ONCE = 50  # pictures sampled by a call
EVALUATED = 256


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How the network is made and trained.

    Attributes:
      unet: its sizes.
      optimizer: with a running average of the parameters, which is sampled from.
      batch: pictures a step.
      train: how long.
    """

    unet: UnetConfig = UnetConfig(size=SIZE, channels=3)
    optimizer: OptimizerConfig = OptimizerConfig(
        name="adamw",
        rate=2e-3,
        schedule="cosine",
        warmup_steps=100,
        beta2=0.99,
        clip=1.0,
        average_decay=0.995,
    )
    batch: int = 32
    train: training.Config = training.Config(
        steps=2000,
        convolutions=True,
        log_every=100,
        evaluate_every=500,
        save_every=500,
        parallel=ParallelConfig(devices=1),
    )

    def __post_init__(self) -> None:
        check("scenes", self, batch=1)
        training.make_optimizer(self.optimizer, self.train.steps)  # checks the two


class Text(NamedTuple):
    """The frozen text tower."""

    config: ClipConfig
    params: Params


def read_words(config: ClipConfig, params: Params, tokens: Any) -> Array:
    """The tower's vectors of captions' words, (B, T, E), in a compiled function."""
    states = Clip(config).apply({"params": params}, tokens, method="read_words")
    return jnp.asarray(states)


class Trained(NamedTuple):
    """A network that draws from captions.

    Attributes:
      module: the Linen module.
      params: the running average.
      text: what reads the captions.
      history: of the training, {"step": ..., name: mean}.
    """

    module: Unet
    params: Params
    text: Text
    history: list[Any]


def plan(
    recipe: Recipe, data: SceneConfig, text: Text, nothing: Any, setting: Setting
) -> Plan:
    """The training of the network.

    Args:
      recipe: how it is made and trained.
      data: the scenes.
      text: what reads the captions; shapes of its parameters describe the training.
      nothing: its vectors of an empty caption, (T, E).
      setting: of the run.
    """

    def told(batches: Batches) -> Batches:
        """Captions are read in the step; the tower is an argument of it."""

        def assemble(params: Params, rows: Any, key: Any) -> dict[str, Any]:
            batch = scenes.assemble((), rows, key)
            return {
                "image": batch["image"],
                "text": read_words(text.config, params, batch["tokens"]),
            }

        return Batches(batches.stream, assemble, text.params)

    def image(batch: Batch) -> Array:
        return batch["image"]

    examples = learning.Examples(image, lambda batch: batch["text"], nothing, DROPPED)
    module = module_of(recipe, text.config)
    task = learning.functions(module, SHAPE, DENOISING, NOISE, examples)
    config = dataclasses.replace(recipe.train, seed=setting.seed)
    unseen = scenes.sample(data, setting.seed, -1 - np.arange(EVALUATED))
    return Plan(
        "scenes",
        training.Task(*task),
        training.make_optimizer(recipe.optimizer, config.steps),
        told(scenes.batches(data, recipe.batch, setting.seed)),
        config,
        {"test": told(scenes.evaluation(unseen, EVALUATED))},
    )


def described(
    recipe: Recipe, data: SceneConfig, tower: ClipConfig, setting: Setting
) -> Plan:
    """The same before there is a tower to read captions: it cannot be fitted."""
    init = clip.functions(tower).init
    params = jax.eval_shape(lambda key: nn.unbox(init(key)), jax.random.key(0))
    words = jax.eval_shape(functools.partial(read_words, tower), params, _tokens(""))
    nothing = np.zeros(words.shape[1:], words.dtype)
    return plan(recipe, data, Text(tower, params), nothing, setting)


def module_of(recipe: Recipe, tower: ClipConfig) -> Unet:
    """The network, as wide as the tower's vectors where it attends to them."""
    return Unet(dataclasses.replace(recipe.unet, text_width=tower.text.embedding))


def learn(recipe: Recipe, data: SceneConfig, text: Text, setting: Setting) -> Trained:
    """Trains the network in the sub-folder "scenes", or reads it from there."""
    read = jax.jit(functools.partial(read_words, text.config))
    nothing = np.asarray(read(text.params, _tokens("")))[0]
    fit = plan(recipe, data, text, nothing, setting).fit(setting.workdir)
    params = training.averaged(fit.state.opt_state, fit.state.params)
    return Trained(module_of(recipe, text.config), params, text, fit.history)


def _tokens(caption: str) -> np.ndarray:
    return tokens_of(caption)[None]


def draw(
    trained: Trained,
    caption: str,
    count: int,
    sampler: SamplerConfig,
    alpha: float,
    seed: int = 0,
) -> Float[np.ndarray, "N height width 3"]:
    """Samples pictures for a caption, in [0, 1].

    Args:
      trained: the network.
      caption: what to draw.
      count: how many; the n-th starts from noise of its own, whatever the caption.
      sampler: how.
      alpha: of guidance.
      seed: of the noise.
    """
    run = _sampling(trained.module.config, trained.text.config, sampler, alpha)
    size = min(AT_ONCE, count)
    numbers = jnp.arange(-(-count // size) * size)
    keys = jax.vmap(lambda n: jax.random.fold_in(jax.random.key(seed), n))(numbers)
    both = trained.params, trained.text.params
    found = [
        run(*both, keys[start : start + size], _tokens(caption))
        for start in range(0, len(keys), size)
    ]
    return scenes.unsigned(np.concatenate(jax.device_get(found))[:count])


@functools.cache
def _sampling(
    config: UnetConfig,
    tower: ClipConfig,
    sampler: SamplerConfig,
    alpha: float,
) -> Callable[..., Array]:
    """Compiled once for all captions."""
    module = Unet(config)
    sigmas = samplers.sampling_sigmas(NOISE, sampler)

    def run(params: Params, text_params: Params, keys: Any, tokens: Array) -> Array:
        texts = jnp.concatenate([jnp.asarray(tokens), jnp.asarray(_tokens(""))])
        wanted, nothing = read_words(tower, text_params, texts)
        condition = jnp.broadcast_to(wanted[None], (len(keys), *wanted.shape))
        network = learning.network_of(module, params)
        denoise = guided(
            denoiser(network, DENOISING), nothing, GuidanceConfig(guidance_alpha=alpha)
        )
        two = jax.vmap(jax.random.split)(keys)  # for the start, for what comes later
        x = samplers.starting_noise(two[:, 0], SHAPE, sigmas[0])
        return samplers.sample(denoise, x, two[:, 1], sampler, sigmas, condition).x

    return jax.jit(run, compiler_options=convolution_options())
