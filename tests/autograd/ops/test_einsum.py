"""Einstein summation against PyTorch, against differences, and on random equations against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck


def ints(*shape, dtype="int64"):
    return A(*shape, dtype=dtype, low=-4, high=5)


def complexes(*shape):
    return A(*shape, dtype="complex64")


ROWS = [
    Row("einsum", [
        case("ij->ji", A(2, 3)), case("ji", A(2, 3)), case("bA", A(2, 3)), case("ij->", A(2, 3)), case("ij->j", A(2, 3)), case("ii", A(3, 3)), case("ii->i", A(3, 3)), case("iij->ij", A(3, 3, 2)), case("iii->i", A(2, 2, 2)),
        case("", A()), case("->", A()), case("...", A(2, 3)), case("...i->...", A(2, 3)), case("i...->...i", A(2, 3, 4)), case("...ii->...i", A(2, 3, 3)), case("i...i", A(2, 3, 2)), case("...i->i", A(3, 2)), case("i->i...", A(2)),
        case("i->", ints(3, dtype="int32")), case("ij->i", A(2, 3, dtype="bool")), case("ij->ij", A(2, 2, dtype="float16")), case("ij->i", A(2, 0)), case("ij->j", A(0, 2)), case(" i j -> j i ", A(2, 3)),
    ]),
    Row("einsum of two", [
        case("i,i", A(3), A(3)), case("i,j", A(3), A(2)), case("i,j->ji", A(3), A(2)), case("ij,jk", A(2, 3), A(3, 4)), case("ij,jk->ki", A(2, 3), A(3, 4)), case("ij,kj->ik", A(2, 3), A(4, 3)), case("bij,bjk->bik", A(5, 2, 3), A(5, 3, 4)),
        case("bij,bjk->ibk", A(5, 2, 3), A(5, 3, 4)), case("bij,bij->b", A(2, 3, 4), A(2, 3, 4)), case("ij,ij->ij", A(2, 3), A(2, 3)), case("bhqd,bhkd->bhqk", A(2, 2, 3, 4), A(2, 2, 5, 4)), case("...ij,...jk->...ik", A(2, 1, 3, 4), A(5, 4, 2)),
        case("...ij,jk", A(2, 3, 4), A(4, 2)), case("...,...->...", A(2, 3), A(3)), case("...a,...b->ab...", A(2, 3), A(2, 4)), case("a...b,b->...", A(2, 3, 4), A(4)), case("ii,ij->j", A(3, 3), A(3, 2)), case("i,ijk->j", A(2), A(2, 3, 2)),
        case("i,i", A(3), A(1)), case("i,i->i", A(1), A(3)), case("ij,jk->ik", A(2, 1), A(3, 4)), case("bij,bjk->bik", A(1, 2, 3), A(4, 3, 2)), case("ab,ab->a", A(3, 4), A(1, 4)), case("ij,jk->ik", A(2, 0), A(0, 3)), case("ij,jk->ik", A(0, 2), A(2, 3)),
        case(",ij->ij", A(), A(2, 3)), case("ij,jk->ik", ints(2, 3), ints(3, 2)), case("i,i->i", ints(3), A(3)), case("ij,jk->ik", complexes(2, 3), complexes(3, 2)), case("ij,jk->ik", A(3, 2, layout="T"), A(2, 4, layout="step")),
        case("i,i->i", A(3, dtype="bool"), A(3, dtype="bool")), case("ij,kl->", A(2, 3), A(2, 2)),
    ], call=lambda lib, equation, *operands: lib.einsum(equation, *operands)),
    Row("einsum of many", [
        case("i,ij,j->", A(2), A(2, 3), A(3)), case("ij,jk,kl->il", A(2, 3), A(3, 4), A(4, 2)), case("i,i,i->i", A(3), A(3), A(3)), case("ij,,k->", A(2, 3), A(), A(2)), case("bn,anm,bm->ba", A(2, 3), A(4, 3, 2), A(2, 2)),
        case("...i,...j,...k->...ijk", A(2, 2), A(2, 3), A(1, 2)), case("ab,bc,cd,da->", A(2, 2), A(2, 3), A(3, 2), A(2, 2)), case("ij,jk,kl->il", A(2, 3), A(3, 0), A(0, 2)),
    ], call=lambda lib, equation, *operands: lib.einsum(equation, operands)),
    Row("einsum of sublists", [
        case(A(2, 3), [0, 1], A(3, 4), [1, 2]), case(A(2, 3), [0, 1], A(3, 4), [1, 2], [2, 0]), case(A(2, 3), [..., 0], A(3, 4), [0, 1], [..., 1]), case(A(2, 3), [51, 0]), case(A(3, 3), [5, 5]), case(A(2, 3), [0, 1], [0]),
    ], call=lambda lib, *args: lib.einsum(*args)),
]  # fmt: skip

REFUSALS = [
    Refusal("einsum", case("ij"), ValueError, "at least one operand"),
    Refusal("einsum", case(), ValueError, "at least one operand"),
    Refusal("einsum", case("ij", 2), TypeError, "not int"),
    Refusal("einsum", case("ij,jk", A(2, 3)), RuntimeError, "fewer operands .*: 1 operands, 2 groups"),
    Refusal("einsum", case("ij", A(2, 3), A(3)), RuntimeError, "more operands .*: 2 operands, 1 groups"),
    Refusal("einsum", case("ij", A(3)), RuntimeError, r"\(2\) does not match .* \(1\) for operand 0 and no ellipsis"),
    Refusal("einsum", case("", A(2)), RuntimeError, r"\(0\) does not match"),
    Refusal("einsum", case("...ij", A(2)), RuntimeError, r"\(2\) is more than .* \(1\) for operand 0"),
    Refusal("einsum", case("ii", A(3, 4)), RuntimeError, "subscript i is repeated for operand 0 .* 4 != 3"),
    Refusal("einsum", case("i,i", A(3), A(2)), RuntimeError, "subscript i has size 2 for operand 1 .* seen size 3"),
    Refusal("einsum", case("...,...", A(3), A(2)), RuntimeError, "dim -1 of the ellipsis has size 2"),
    Refusal("einsum", case("i->ii", A(2)), RuntimeError, "output subscript i appears more than once"),
    Refusal("einsum", case("i->j", A(2)), RuntimeError, "output subscript j does not appear"),
    Refusal("einsum", case("i1", A(2, 2)), RuntimeError, "index 1 .*'i1'"),
    Refusal("einsum", case("i->i->i", A(2)), RuntimeError, "index 4"),
    Refusal("einsum", case("i..", A(2, 2)), RuntimeError, "index 1 that is not part of any ellipsis"),
    Refusal("einsum", case("...i...", A(2, 2)), RuntimeError, "index 4 that is not part of any ellipsis"),
    Refusal("einsum", case(A(2, 3), [52, 1]), ValueError, "subscript 52"),
    Refusal("einsum", case("i,i->", A(3), A(3, dtype="float64")), RuntimeError, "float32 != float64"),
]

test_values, test_gradient, test_refusal = table("einsum", ROWS, REFUSALS)


def random_equation(rng):
    """Return an equation and its operands: repeated letters, an ellipsis, dims of size 1 and 0."""
    letters = "abcdeF"[: rng.randint(1, 7)]
    sizes = {letter: rng.choice([0, 1, 2, 3, 4], p=[0.05, 0.15, 0.3, 0.3, 0.2]) for letter in letters}
    around = tuple(rng.randint(1, 3, rng.randint(0, 3)))
    terms, operands = [], []
    for _ in range(rng.randint(1, 5)):
        term = list(rng.choice(list(letters), rng.randint(0, 4)))
        shape = [sizes[each] for each in term]
        if rng.rand() < 0.4:
            place, dims = rng.randint(len(term) + 1), around[rng.randint(len(around) + 1) :]
            term.insert(place, "...")
            shape[place:place] = dims
        terms.append("".join(term))
        operands.append(rng.uniform(-1, 1, shape))
    used = sorted(set("".join(terms)) - {"."})
    output = list(rng.permutation(used)[: rng.randint(len(used) + 1)]) if used else []
    if any("..." in each for each in terms):  # NumPy does not sum over it
        output.insert(rng.randint(len(output) + 1), "...")
    return ",".join(terms) + "->" + "".join(output), operands


@pytest.mark.parametrize("seed", range(300))
def test_random_equations(seed):
    equation, operands = random_equation(np.random.RandomState(seed))
    result = trainctl.einsum(equation, *map(trainctl.from_numpy, operands))
    np.testing.assert_allclose(result.numpy(), np.einsum(equation, *operands), atol=1e-12)


def test_second_derivatives():
    x, y = (trainctl.rand(*shape, dtype=trainctl.float64).requires_grad_() for shape in ((2, 3), (3, 2)))
    assert gradgradcheck(lambda x, y: trainctl.einsum("ij,jk->ki", x, y) ** 2, (x, y))
    assert gradgradcheck(lambda x, y: trainctl.einsum("ij,ji,ij->i", x, y, x), (x, y))
