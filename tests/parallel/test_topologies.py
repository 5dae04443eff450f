"""Devices are described by name, and refused with the reason."""

import pytest
from jax.sharding import AbstractMesh, Mesh

from nnguide.config import InputError
from nnguide.parallel.topologies import CHIPS, GIB, make_topology


def test_a_gpu_cluster_is_shapes_alone():
    found = make_topology("h100:1024", "fsdp:-1,tensor:8")
    assert isinstance(found.mesh, AbstractMesh)
    assert found.platform == "gpu"
    assert dict(found.mesh.shape) == {"data": 1, "fsdp": 128, "tensor": 8}
    assert found.chip.memory == 80 * GIB


def test_virtual_devices_are_this_machine_s():
    found = make_topology("cpu:8", "data:2,tensor:4")
    assert isinstance(found.mesh, Mesh)
    assert found.mesh.devices.shape == (2, 1, 4)
    assert found.chip.flops is None


def test_a_v5p_chip_has_six_links():
    assert CHIPS["v5p"].link_rate == pytest.approx(5.4e11)


def test_a_tpu_chip_is_one_device_and_libtpu_is_silent(capfd):
    pytest.importorskip("libtpu")
    for name in ("v4:2x2x2", "v5e:2x4", "v5p:2x2x2", "v6e:2x4"):
        assert make_topology(name, "").mesh.size == 8
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("v9:2", "--topology=v9:2: give KIND:SIZE with a kind of v4"),
        ("h100", "--topology=h100: give KIND:SIZE"),
        ("h100:0", "--topology=h100:0: give KIND:SIZE"),
        ("cpu:64", "JAX sees 8 CPU device"),
    ],
)
def test_what_nobody_has_is_refused(name, says):
    with pytest.raises(InputError, match=says):
        make_topology(name, "")


def test_a_mesh_of_another_size_is_refused():
    with pytest.raises(InputError, match="multiply to 6, but there are 4 device"):
        make_topology("h100:4", "data:6")
