import jax.numpy as jnp
import pytest

from nnguide.network.chain import chain
from nnguide.plots.chain import computation_graph


@pytest.mark.smoke
@pytest.mark.parametrize(("theme", "layers"), [("light", 3), ("dark", 2)])
def test_every_node_carries_its_value_and_its_gradient(theme, layers, check_readable):
    w, b = jnp.array([1.2, -0.9, 1.6][:layers]), jnp.array([-0.3, 0.6, 0.2][:layers])
    result = chain(w, b, jnp.array(0.7), jnp.array(1.0))
    links = [{k: float(v) for k, v in link._asdict().items()} for link in result.links]
    figure = computation_graph(theme, links, 1.0, float(result.cost))
    check_readable(figure)
    last = links[-1]
    assert f"= {last['dcost_dw']:.4f}" in figure.texts[0].get_text()
    words = [text.get_text() for text in figure.axes[0].texts]
    for number, link in enumerate(links, start=1):
        assert f"w{number} = {link['w']:.3g}" in words
        assert f"{link['dcost_dw']:+.3g}" in words
        assert f"{link['da_dz']:.3g}" in words  # on the arrow from z to a
