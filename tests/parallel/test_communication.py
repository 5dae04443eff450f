"""Collectives are read off a program's text, loops times their length."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from nnguide.parallel.communication import Traffic, traffic

PROGRAM = """
HloModule jit_call, entry_computation_layout={()->f32[]}

%add (a: f32[], b: f32[]) -> f32[] {
  ROOT %sum = f32[] add(%a, %b)
}

%all-reduce-scatter.1 (x: f32[100]) -> f32[25] {
  %whole = f32[100]{0} all-reduce(%x), replica_groups={{0,1,2,3}}, to_apply=%add
  ROOT %own = f32[25]{0} dynamic-slice(%whole, %place), dynamic_slice_sizes={25}
}

%body (state: (s32[], f32[8,128])) -> (s32[], f32[8,128]) {
  %kernel = f32[8,128] custom-call(%x), frontend_attributes={kernel_metadata={
"block": 512
}}, metadata={op_name="attention"}
  %gathered = f32[64,128]{1,0} all-gather(%part), replica_groups=[2,4]<=[8]
  ROOT %next = (s32[], f32[8,128]) tuple(%i, %x)
}

%condition (state: (s32[], f32[8,128])) -> pred[] {
  ROOT %less = pred[] compare(%i, %n), direction=LT
}

ENTRY %main (x: f32[8,128]) -> f32[] {
  %loop = (s32[], f32[8,128]) while(%start), condition=%condition, body=%body, LENGTH
  %all = (f32[10]{0}, bf16[6]{0}) all-reduce(%g, %h), replica_groups={{0,1}}, to_apply=%add
  %begun = (f32[4], f32[16]) all-gather-start(%y), replica_groups=[1,4]<=[4]
  %part = f32[25]{0} reduce-scatter(%z), replica_groups={{0,1,2,3}}, to_apply=%add
  %fused = f32[25]{0} fusion(%z), kind=kCustom, calls=%all-reduce-scatter.1
  ROOT %result = f32[] constant(0)
}
"""  # noqa: E501
TOLD = 'backend_config={"known_trip_count":{"n":"96"}}'


def test_a_hand_written_program_adds_up():
    found = traffic(PROGRAM.replace("LENGTH", TOLD))
    assert found == {
        "all-gather": Traffic(96 + 1, 96 * 64 * 128 * 4 * 3 // 4 + 16 * 4 * 3 // 4),
        "reduce-scatter": Traffic(2, 2 * 25 * 4 * 3),
        "all-reduce": Traffic(1, 2 * (10 * 4 + 6 * 2) // 2),
    }


def test_a_loop_whose_condition_tells_its_length_counts_as_often():
    limit = "%n = s32[]{:T(128)} constant(5)\n  ROOT %less = pred[]"
    text = PROGRAM.replace("LENGTH", "metadata={}")
    found = traffic(text.replace("ROOT %less = pred[]", limit))
    assert found["all-gather"].times == 5 + 1


def test_a_loop_of_unknown_length_is_refused():
    with pytest.raises(ValueError, match="body: a loop with collectives"):
        traffic(PROGRAM.replace("LENGTH", "metadata={}"))


def test_no_program_is_refused():
    with pytest.raises(ValueError, match="no ENTRY"):
        traffic("HloModule empty")


def test_a_compiled_sum_over_eight_devices_is_one_all_reduce():
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    split, whole = (NamedSharding(mesh, spec) for spec in (P("data"), P()))

    def repeated(x):
        def add(total, _):
            return total + (x * total[None]).sum(0), None

        return jax.lax.scan(add, jnp.ones(32), None, length=5)[0]

    step = jax.jit(repeated, in_shardings=split, out_shardings=whole)
    text = step.lower(jax.ShapeDtypeStruct((64, 32), jnp.float32)).compile().as_text()
    found = traffic(text or "")
    assert found == {"all-reduce": Traffic(5, 5 * 2 * 32 * 4 * 7 // 8)}
