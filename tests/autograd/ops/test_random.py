"""Random tensors: their moments, their ranges, and that a seed decides them."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
import trainctl.nn.functional as F
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd import gradcheck

N = 200_000
COMPLEX = ("complex64", "complex128")
REAL = ("float16", "float32", "float64")


def seeded(seed: int = 0) -> trainctl.Generator:
    return trainctl.Generator().manual_seed(seed)


def sizes_alike(lib, name, *args, **kwargs):
    """Return zeros of the shape and dtype that a random function gives: what it has in common with PyTorch's."""
    return getattr(lib, name)(*args, **kwargs).clone() * 0


SIZES = [
    case(2, 3),
    case((2, 3)),
    case([2, 0]),
    case(()),
    case(size=(2, 1)),
    case(3, dtype="dtype:float64"),
    case(2, dtype="dtype:complex64"),
    case(2, dtype="dtype:float16"),
]
LIKE = [
    case(A(2, 3, grad=False)),
    case(A(0, dtype="float64", grad=False)),
    case(A(2, grad=False), dtype="dtype:float16"),
    case(A(2, dtype="int64"), dtype="dtype:float32"),
]
INTEGERS = [
    case(5, (2, 3)),
    case(2, 9, (4,)),
    case(-3, 3, [2]),
    case(high=4, size=(2,)),
    case(low=1, high=4, size=(2,)),
    case(5, ()),
    case(5, (2,), dtype="dtype:float32"),
    case(5, (2,), dtype="dtype:uint8"),
]
INTEGERS_LIKE = [
    case(A(2, 3), 5),
    case(A(2, 3, dtype="uint8"), 2, 9),
    case(A(2, dtype="bool"), 2),
    case(A(0), high=5),
    case(A(2), low=-3, high=3, dtype="dtype:int32"),
    case(A(2), 1, high=3),
]

ROWS = [
    *(Row(name, [case(name, *each.args, **each.kwargs) for each in cases], call=sizes_alike) for name, cases in (
        ("rand", SIZES), ("randn", SIZES), ("rand_like", LIKE), ("randn_like", LIKE), ("randint", INTEGERS), ("randint_like", INTEGERS_LIKE), ("randperm", [case(5), case(0), case(3, dtype="dtype:int32")]))),
    # What is random has no say here: nothing is dropped, or everything.
    Row("nn.functional.dropout", [case(A(2, 3), p) for p in (0.0, 1.0)] + [case(A(2, 3), 0.7, training=False), case(A(0), 0.5), case(A(2, grad=False), 1.0, True, True), case(A(dtype="float64"), 0.0)]),
]  # fmt: skip

REFUSALS = [
    Refusal("rand", case(-1), RuntimeError, "negative dimension -1"),
    Refusal("rand", case(2, dtype="dtype:int64"), NotImplementedError, "rand.*int64"),
    Refusal("randn", case(2, dtype="dtype:int64"), NotImplementedError, "randn.*int64"),
    Refusal("rand_like", case(A(2, dtype="int64")), NotImplementedError, "int64"),
    Refusal("randint", case(0, (2,)), RuntimeError, "from=0 >= to=0"),
    Refusal("randint", case(5, 3, (2,)), RuntimeError, "from=5 >= to=3"),
    Refusal("randint", case(5, (-1,)), RuntimeError, "negative dimension"),
    Refusal("randint", case(300, (1,), dtype="dtype:uint8"), RuntimeError, "to - 1 is out of bounds for uint8: 299"),
    Refusal("randint_like", case(A(2), 0), RuntimeError, "from=0 >= to=0"),
    Refusal("randint_like", case(A(2, dtype="int8"), -200, 5), RuntimeError, "from is out of bounds for int8: -200"),
    Refusal("randint_like", case(A(2, dtype="bool"), 3), RuntimeError, "to - 1 is out of bounds for bool: 2"),
    Refusal("randint_like", case(A(2, dtype="complex64", grad=False), 3), RuntimeError, "complex64"),
    Refusal("randint_like", case(A(2)), TypeError, "'high'"),
    Refusal("randint_like", case(A(2), 2.5), TypeError, "float"),
    Refusal("randperm", case(-1), RuntimeError, "negative dimension -1"),
    Refusal("nn.functional.dropout", case(A(3), 2), ValueError, "between 0 and 1, but got 2"),
    Refusal("nn.functional.dropout", case(A(3), -0.1), ValueError, "between 0 and 1, but got -0.1"),
    Refusal("nn.functional.dropout", case(A(3, dtype="int64"), 0.5), RuntimeError, "int64"),
    Refusal("Tensor.uniform_", case(A(3, grad=False), 2, 1), RuntimeError, "from=2 > to=1"),
    Refusal("Tensor.normal_", case(A(3, grad=False), 0, -1), RuntimeError, "std -1"),
    Refusal("Tensor.normal_", case(A(3, dtype="int64")), NotImplementedError, "normal_.*int64"),
    Refusal("Tensor.uniform_", case(A(3, dtype="int64")), NotImplementedError, "uniform_.*int64"),
]

test_values, test_gradient, test_refusal = table("random", ROWS, REFUSALS)


def assert_moments(values: np.ndarray, mean: complex, variance: float) -> None:
    """Assert that ``N`` values have a mean and variance, to five times what chance allows."""
    assert values.size == N
    assert abs(values.mean(dtype=np.complex128) - mean) < 5 * (variance / N) ** 0.5
    assert abs(np.var(values.astype(np.complex128)) - variance) < 5 * variance * (3 / N) ** 0.5


@pytest.mark.parametrize("kind", REAL + COMPLEX)
def test_moments(kind):
    dtype, is_complex = getattr(trainctl, kind), kind in COMPLEX
    uniform = trainctl.rand(N, dtype=dtype, generator=seeded()).numpy()
    normal = trainctl.randn(N, dtype=dtype, generator=seeded()).numpy()
    assert_moments(uniform, 0.5 + 0.5j * is_complex, (1 + is_complex) / 12)
    assert_moments(normal, 0, 1)
    assert uniform.real.min() >= 0
    assert uniform.real.max() < 1 or kind == "float16"


def test_what_is_filled_has_the_moments_asked_for():
    x = trainctl.empty(N)
    assert_moments(x.normal_(3, 2, generator=seeded()).numpy(), 3, 4)
    assert_moments(x.uniform_(-1, 2, generator=seeded()).numpy(), 0.5, 9 / 12)
    assert -1 <= x.min().item() <= x.max().item() < 2
    assert_moments(x.uniform_(**{"from": 1, "to": 2}, generator=seeded()).numpy(), 1.5, 1 / 12)


def test_integers_come_from_the_whole_range():
    drawn = trainctl.randint(-2, 3, (N,), generator=seeded())
    assert drawn.dtype == trainctl.int64
    values, counts = np.unique(drawn.numpy(), return_counts=True)
    assert values.tolist() == [-2, -1, 0, 1, 2]
    np.testing.assert_allclose(counts, N / 5, rtol=0.05)


def test_a_permutation_holds_every_number_once():
    order = trainctl.randperm(1000, generator=seeded())
    assert sorted(order.tolist()) == list(range(1000))
    assert order.tolist() != list(range(1000))


MAKERS = {
    "rand": lambda **options: trainctl.rand(5, **options),
    "randn": lambda **options: trainctl.randn(5, **options),
    "randint": lambda **options: trainctl.randint(10**6, (5,), **options),
    "randperm": lambda **options: trainctl.randperm(50, **options),
    "rand_like": lambda **options: trainctl.rand_like(trainctl.ones(5), **options),
    "normal_": lambda **options: trainctl.empty(5).normal_(**options),
    "uniform_": lambda **options: trainctl.empty(5).uniform_(**options),
    "dropout": lambda: F.dropout(trainctl.ones(50), 0.5),
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_seed_decides(name):
    make = MAKERS[name]
    trainctl.manual_seed(3)
    first, second = make(), make()
    trainctl.manual_seed(3)
    assert trainctl.equal(first, make())
    assert not trainctl.equal(first, second)
    if name != "dropout":
        assert trainctl.equal(make(generator=seeded(3)), first)


def test_a_generator_of_one_s_own_leaves_the_default_alone():
    before = trainctl.get_rng_state()
    trainctl.rand(5, generator=seeded())
    assert trainctl.equal(trainctl.get_rng_state(), before)


def test_the_position_can_be_kept():
    state = trainctl.get_rng_state()
    first = trainctl.randn(3)
    trainctl.set_rng_state(state)
    assert trainctl.equal(trainctl.randn(3), first)


def test_dropout_keeps_the_mean_and_scales_the_gradient():
    x = trainctl.ones(N, requires_grad=True)
    trainctl.manual_seed(0)
    y = F.dropout(x, 0.25)
    y.sum().backward()
    assert abs(y.mean().item() - 1) < 0.01
    np.testing.assert_allclose(np.unique(y.detach().numpy()), [0, 4 / 3], rtol=1e-6)
    assert trainctl.equal(x.grad, y.detach())


def test_the_gradient_of_dropout_is_that_of_its_mask():
    def drop(x):
        trainctl.manual_seed(0)
        return F.dropout(x, 0.5)

    assert gradcheck(drop, trainctl.rand(4, dtype=trainctl.float64, requires_grad=True))


def test_dropout_in_place_writes_into_its_input():
    x = trainctl.ones(50)
    y = F.dropout(x, 0.5, inplace=True)
    assert y is x
    assert sorted(set(x.tolist())) == [0, 2]


def test_requires_grad_makes_a_leaf():
    for made in (trainctl.rand(2, requires_grad=True), trainctl.randn_like(trainctl.ones(2), requires_grad=True)):
        assert made.requires_grad
        assert made.is_leaf


def test_more_than_two_ends_are_refused():
    with pytest.raises(TypeError, match="'from' and 'to'"):
        trainctl.ones(2).uniform_(0, 1, 2)
    with pytest.raises(TypeError, match="high"):
        trainctl.ones(2).uniform_(high=2)


def test_integers_alike_fill_their_range():
    drawn = trainctl.randint_like(trainctl.zeros(N), -2, 3, generator=seeded())
    assert drawn.dtype is trainctl.float32
    counts = [(drawn == value).sum().item() for value in range(-2, 3)]
    assert sum(counts) == N
    assert max(abs(count - N / 5) for count in counts) < 5 * (N / 5) ** 0.5
