"""Random streams: the same seed, the same numbers; a position can be kept and taken up again."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.scripts import Scripts
from trainctl.backend.random import Stream

scripts = Scripts()


@scripts.gives([True, True, False])
def a_seed_decides_what_is_drawn(lib):
    draws = []
    for seed in (0, 0, 1):
        lib.manual_seed(seed)
        draws.append(lib.cat([lib.rand(5), lib.randn(5), lib.randperm(5).float()]))
    return [lib.equal(draws[0], draws[0]), lib.equal(draws[0], draws[1]), lib.equal(draws[0], draws[2])]


@scripts.gives(([7, 7, 3], True))
def seeds_can_be_asked_for(lib):
    lib.manual_seed(7)
    generator = lib.Generator().manual_seed(3)
    return [lib.initial_seed(), lib.default_generator.initial_seed(), generator.initial_seed()], lib.manual_seed(
        7
    ) is lib.default_generator


@scripts.gives([True, True])
def a_generator_is_apart_from_the_default_one(lib):
    lib.manual_seed(0)
    first = lib.rand(3)
    lib.manual_seed(0)
    own = lib.rand(3, generator=lib.Generator().manual_seed(0))
    return [lib.equal(lib.rand(3), first), lib.equal(own, lib.rand(3, generator=lib.Generator().manual_seed(0)))]


@scripts.gives([True, True, False])
def the_default_stream_s_position_can_be_restored(lib):
    lib.manual_seed(3)
    lib.randn(5)
    state = lib.get_rng_state()
    first = lib.randn(5)
    second = lib.randn(5)
    lib.set_rng_state(state)
    again = lib.randn(5)
    return [state.dtype == lib.uint8, lib.equal(first, again), lib.equal(second, again)]


@scripts.gives([True, True])
def a_generator_s_position_can_be_given_to_another(lib):
    one, other = lib.Generator().manual_seed(1), lib.Generator()
    lib.rand(7, generator=one)
    other.set_state(one.get_state())
    return [lib.equal(lib.rand(3, generator=one), lib.rand(3, generator=other)), one.device == lib.device("cpu")]


@scripts.gives([True, True])
def seed_draws_a_seed(lib):
    generator = lib.Generator()
    first, second = generator.seed(), generator.seed()
    return [first != second, generator.initial_seed() == second]


@scripts.gives([True, 18446744073709551615, 9223372036854775808, 18446744073709551615])
def seeds_may_be_negative_and_have_64_bits(lib):
    seeds = [lib.Generator().manual_seed(seed).initial_seed() for seed in (-1, -(2**63), 2**64 - 1)]
    return [True, *seeds]


@scripts.raises(ValueError, "Overflow when unpacking long long")
def a_seed_too_large(lib):
    lib.manual_seed(2**64)


@scripts.raises(ValueError, "Overflow when unpacking long long")
def a_seed_too_negative(lib):
    lib.manual_seed(-(2**63) - 1)


@scripts.raises(RuntimeError, "state|RNG")
def a_state_of_something_else(lib):
    lib.Generator().set_state(lib.zeros(10, dtype=lib.uint8))


test_script = scripts.test()


def test_the_stream_of_a_seed_never_changes_between_versions():
    stream = Stream().manual_seed(0).stream
    assert stream.random(3).tolist() == [0.6369616873214543, 0.2697867137638703, 0.04097352393619469]


def test_a_position_is_kept_to_the_bit():
    one = Stream().manual_seed(5)
    one.stream.random(3, np.float32)  # leaves half a word behind
    one.stream.standard_normal(4)
    other = Stream()
    other.set_state_bytes(one.state_bytes())
    assert other.initial_seed() == 5
    np.testing.assert_array_equal(one.stream.random(9, np.float32), other.stream.random(9, np.float32))
    assert one.state_bytes() == other.state_bytes()


@pytest.mark.parametrize(
    "state", [b"", b"{}", b"[]", b"nonsense", b'{"seed": 1}', b'{"seed": "x", "state": {}}', b"\xff"]
)
def test_other_bytes_are_refused_and_change_nothing(state):
    stream = Stream().manual_seed(5)
    before = stream.state_bytes()
    with pytest.raises(RuntimeError, match="not the state of a trainctl generator"):
        stream.set_state_bytes(state)
    assert stream.state_bytes() == before


def test_a_fresh_generator_is_seeded_alike_everywhere():
    assert Stream().initial_seed() == trainctl.Generator().initial_seed() == 67280421310721


def test_seeds_that_differ_by_a_whole_turn_are_the_same():
    assert Stream().manual_seed(-1).state_bytes() == Stream().manual_seed(2**64 - 1).state_bytes()
