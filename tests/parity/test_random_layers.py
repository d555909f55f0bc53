"""Random calls of norms, attention and embeddings: shapes, layouts, dtypes and options, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import trainctl

torch = pytest.importorskip("torch", reason="needs the extra `parity`")

Random = np.random.RandomState
Given = tuple[list[Any], dict[str, Any]]  # arguments of a call; arrays become tensors


def chance(random: Random, share: float = 0.5) -> bool:
    return bool(random.uniform() < share)


def sizes(random: Random, count: int, low: int = 1, high: int = 5) -> tuple[int, ...]:
    return tuple(int(each) for each in random.randint(low, high, count))


def floats(random: Random, *shape: int) -> np.ndarray:
    """Return random numbers in memory of a random order."""
    order = random.permutation(len(shape))
    return random.standard_normal([shape[i] for i in order]).transpose(np.argsort(order))


def some(random: Random, *shape: int) -> np.ndarray | None:
    return floats(random, *shape) if chance(random, 0.7) else None


def affine(random: Random, *shape: int) -> dict[str, Any]:
    """Return a weight and perhaps a bias; PyTorch's gradients fail for a bias alone."""
    return {"weight": floats(random, *shape), "bias": some(random, *shape)} if chance(random, 0.7) else {}


def layer_norm(random: Random) -> Given:
    shape = sizes(random, random.randint(1, 5))
    inner = shape[random.randint(len(shape)) :]
    return [floats(random, *shape), inner], {**affine(random, *inner), "eps": 0.1}


def rms_norm(random: Random) -> Given:
    shape = sizes(random, random.randint(1, 5))
    inner = shape[random.randint(len(shape)) :]
    return [floats(random, *shape), inner], {"weight": some(random, *inner), "eps": 0.1 if chance(random) else None}


def group_norm(random: Random) -> Given:
    groups, each = sizes(random, 2)
    shape = (2, groups * each, *sizes(random, random.randint(0, 3)))
    return [floats(random, *shape), groups], {**affine(random, groups * each), "eps": 0.1}


def statistics(random: Random, channels: int) -> list[Any]:
    return [random.standard_normal(channels), random.uniform(0.5, 2, channels)] if chance(random) else [None, None]


def batch_norm(random: Random) -> Given:
    shape = (random.randint(2, 5), *sizes(random, random.randint(1, 4)))
    mean, var = statistics(random, shape[1])
    options = {"training": mean is None or chance(random), "momentum": float(random.choice([0, 0.1, 1])), "eps": 0.1}
    x = np.ascontiguousarray(floats(random, *shape))  # PyTorch takes some orders of memory for channels last, wrongly
    return [x, mean, var], {**affine(random, shape[1]), **options}


def instance_norm(random: Random) -> Given:
    shape = (*sizes(random, 2), random.randint(2, 5), *sizes(random, random.randint(0, 2)))
    mean, var = statistics(random, shape[1])
    options = {"use_input_stats": mean is None or chance(random), "momentum": 0.3, "eps": 0.1}
    return [np.ascontiguousarray(floats(random, *shape)), mean, var], {**affine(random, shape[1]), **options}


def scaled_dot_product_attention(random: Random) -> Given:
    lead, (length, keys, size, out) = sizes(random, random.randint(0, 3)), sizes(random, 4)
    options: dict[str, Any] = {"scale": float(random.choice([0.3, 2])) if chance(random) else None}
    heads = lead
    if lead and chance(random, 0.3):
        heads, options["enable_gqa"] = (*lead[:-1], 2 * lead[-1]), True
    if chance(random):
        options["attn_mask"] = (
            random.uniform(size=(length, keys)) < 0.6 if chance(random) else floats(random, length, keys)
        )
    else:
        options["is_causal"] = chance(random)
    given = [floats(random, *heads, length, size), floats(random, *lead, keys, size), floats(random, *lead, keys, out)]
    return given, options


def embedding(random: Random) -> Given:
    rows, size = sizes(random, 2)
    index = random.randint(0, rows, sizes(random, random.randint(0, 4)))
    padding = random.randint(-rows, rows) if chance(random) else None
    options = {"padding_idx": padding, "scale_grad_by_freq": chance(random, 0.3)}
    if chance(random, 0.3):
        options.update(max_norm=1.0, norm_type=float(random.choice([1, 2, 3])))
    return [np.asarray(index), floats(random, rows, size)], options


def embedding_bag(random: Random) -> Given:
    (rows, size), count = sizes(random, 2), random.randint(1, 9)
    options: dict[str, Any] = {"mode": str(random.choice(["sum", "mean", "max"]))}
    options["padding_idx"] = random.randint(-rows, rows) if chance(random, 0.4) else None
    shape: tuple[int, ...] = (random.randint(1, 4), count)
    if chance(random):
        shape, offsets = (count,), np.sort(random.randint(0, count + 1, random.randint(1, 5)))
        offsets[0] = 0
        options["include_last_offset"] = chance(random)
        options["offsets"] = np.append(offsets, count) if options["include_last_offset"] else offsets
    if options["mode"] == "sum" and chance(random):
        options["per_sample_weights"] = floats(random, *shape)
    return [random.randint(0, rows, shape), floats(random, rows, size)], options


CALLS: dict[str, Callable[[Random], Given]] = {
    each.__name__: each
    for each in (
        layer_norm, rms_norm, group_norm, batch_norm, instance_norm, scaled_dot_product_attention, embedding, embedding_bag,
    )
}  # fmt: skip
CONSTANTS = {"batch_norm": (1, 2), "instance_norm": (1, 2)}  # statistics: they have no gradient and are changed


def outcome(library: Any, name: str, given: Given) -> list[np.ndarray]:
    """Return the result, the gradients and what the arguments are after the call."""
    leaves = []

    def tensor(value: Any, constant: bool = False) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        made = library.from_numpy(value.copy(order="K"))
        if made.is_floating_point():
            leaves.append(made.requires_grad_(not constant))
        return made

    args = [tensor(each, place in CONSTANTS.get(name, ())) for place, each in enumerate(given[0])]
    y = getattr(library.nn.functional, name)(*args, **{key: tensor(each) for key, each in given[1].items()})
    wanted = [each for each in leaves if each.requires_grad]
    weights = library.from_numpy(np.cos(np.arange(y.numel())).reshape(tuple(y.shape)))
    found = library.autograd.grad(y, wanted, weights, allow_unused=True)
    return [each.detach().numpy() for each in (y, *leaves, *(each for each in found if each is not None))]


@pytest.mark.parametrize("name", CALLS)
def test_random_calls(name):
    random = Random(sum(map(ord, name)))
    for _ in range(30):
        given = CALLS[name](random)
        mine, theirs = (outcome(library, name, given) for library in (trainctl, torch))
        text = [each.shape if isinstance(each, np.ndarray) else each for each in (*given[0], *given[1].items())]
        assert len(mine) == len(theirs), text
        for got, want in zip(mine, theirs, strict=True):
            assert got.dtype == want.dtype, text
            np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-9, err_msg=str(text))
