"""The golden files of the op tables: complete, what PyTorch gives, and taken where PyTorch is missing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.autograd.ops import harness
from tests.autograd.ops.harness import A, Row, case
from tests.golden import make_ops, ops

FAMILIES = make_ops.families()
AGAIN = "the table has changed: python -m tests.golden.make_ops"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_golden_file_holds_every_case_of_its_table(family):
    names = [harness.key(row, number) for row in FAMILIES[family] for number in range(len(row.cases))]
    assert ops.path(family).exists(), AGAIN
    assert list(ops.load(family)) == names, AGAIN


def test_no_golden_file_is_left_over():
    assert {each.name for each in ops.FOLDER.glob("ops_*.npz")} <= {ops.path(family).name for family in FAMILIES}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_golden_file_is_what_torch_gives(family):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    for row in FAMILIES[family]:
        for number in range(len(row.cases)):
            harness.assert_same(harness.golden(row, number, family), harness.run(row, number, torch), row)


@pytest.mark.parametrize("family", FAMILIES)
def test_where_torch_is_missing_a_row_is_held_to_its_golden_file(family, monkeypatch):
    monkeypatch.setattr(harness, "torch", None)
    for row in FAMILIES[family][:3]:
        harness.check_values(row, 0, family)


def test_a_result_that_differs_is_noticed(monkeypatch):
    monkeypatch.setattr(harness, "torch", None)
    row = FAMILIES["softmax"][0]
    results, grads = ops.load("softmax")[harness.key(row, 0)]
    for changed in (([results[0] + 1e-3], grads), (results, [grads[0] + 1e-3]), ([results[0].astype(float)], grads)):
        monkeypatch.setattr(ops, "load", lambda family, changed=changed: {harness.key(row, 0): changed})
        with pytest.raises(AssertionError):
            harness.check_values(row, 0, "softmax")


def test_what_is_saved_is_loaded_and_the_same_cases_give_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(ops, "FOLDER", tmp_path)
    cases = {
        "a/0": ([np.float32([[1, 2]]), np.array(3)], [None, np.complex64([1j])]),
        "a/1": ([np.zeros((0, 2), bool)], []),
    }
    written = []
    for family in ("one", "two"):
        ops.save(family, cases, "2.13.0")
        written.append(ops.path(family).read_bytes())
    assert written[0] == written[1]
    for name, (results, grads) in ops.load("one").items():
        for got, want in zip([*results, *grads], [*cases[name][0], *cases[name][1]], strict=True):
            assert (got is None) == (want is None)
            if want is not None:
                np.testing.assert_array_equal(got, want, strict=True)


def test_the_arrays_of_a_case_depend_on_its_name_and_place_alone():
    first, second, other = Row("a", [case(A(3)), case(A(3))]), Row("a", [case(A(3))]), Row("b", [case(A(3))])

    def drawn(row, number):
        return harness._leaves(row, number, harness.trainctl)[0][1].tolist()

    assert drawn(first, 0) == drawn(second, 0)
    assert drawn(first, 0) != drawn(first, 1)
    assert drawn(first, 0) != drawn(other, 0)
