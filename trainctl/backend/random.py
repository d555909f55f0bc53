"""Seeded random streams. All draws are made on the host, so a device never changes them."""

from __future__ import annotations

import json
from typing import Any, Self

import numpy

from trainctl.backend.devices import device as make_device

_MAX_SEED = 2**64


class Stream:
    """A stream of random numbers (PCG64), seeded by :meth:`manual_seed`.

    Args:
        device: the device the numbers are for; they are drawn on the host whatever it is.

    Example:
        >>> Stream().manual_seed(0).initial_seed()
        0
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.device = make_device(device)
        self.manual_seed(67280421310721)

    def manual_seed(self, seed: int) -> Self:
        """Start the stream that belongs to ``seed`` and return the generator.

        Raises:
            ValueError: the seed is outside [-2**63, 2**64).
        """
        seed = int(seed)
        if not -(2**63) <= seed < _MAX_SEED:
            raise ValueError(f"Overflow when unpacking long long: the seed must be in [-2**63, 2**64), got {seed}")
        self._seed = seed % _MAX_SEED
        self._bits = numpy.random.PCG64(self._seed)
        self.stream = numpy.random.Generator(self._bits)
        return self

    def seed(self) -> int:
        """Seed from the operating system's entropy and return the seed."""
        self.manual_seed(numpy.random.SeedSequence().generate_state(1, numpy.uint64).item())
        return self._seed

    def initial_seed(self) -> int:
        """Return the seed that the stream started from."""
        return self._seed

    def state_bytes(self) -> bytes:
        """Return the stream's position as JSON bytes."""
        inner: Any = self._bits.state
        return json.dumps({"seed": self._seed, **inner}, sort_keys=True).encode()

    def set_state_bytes(self, state: bytes) -> None:
        """Continue from a position that :meth:`state_bytes` returned.

        Raises:
            RuntimeError: these bytes are not a state of this kind of generator.
        """
        try:
            inner = json.loads(bytes(state).decode())
            seed = inner.pop("seed")
            bits = numpy.random.PCG64(seed)
            bits.state = inner
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RuntimeError(f"not the state of a trainctl generator: {error}") from error
        self._seed, self._bits = seed, bits
        self.stream = numpy.random.Generator(bits)
