"""Boxes left out, against the definition taken box by box."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.backend.standin import installed
from trainctl.autograd.ops.nms import nms


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def by_definition(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        if all(overlap(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(int(i))
    return kept


def some_boxes(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.RandomState(seed)
    corners = rng.uniform(0, 10, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(0.5, 4, (count, 2))], axis=1), rng.uniform(size=count)


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("count", [1, 2, 30, 600])  # 600: more than are compared at a time
def test_those_that_stay_are_those_of_the_definition(count, threshold):
    boxes, scores = some_boxes(count)
    found = nms(trainctl.from_numpy(boxes), trainctl.from_numpy(scores), threshold)
    assert found.dtype is trainctl.int64
    assert found.tolist() == by_definition(boxes, scores, threshold)


def test_a_chain_in_which_each_box_touches_the_next_keeps_every_second():
    left = np.arange(300.0)
    boxes = np.stack([left, 0 * left, left + 3, 0 * left + 1], axis=1)  # neighbours share a half, next but one a fifth
    found = nms(trainctl.from_numpy(boxes), trainctl.from_numpy(-left), 0.4)
    assert found.tolist() == list(range(0, 300, 2))


def test_equal_scores_keep_their_order_and_equal_boxes_the_first():
    boxes = trainctl.tensor([[0.0, 0, 1, 1], [5, 5, 6, 6], [0, 0, 1, 1]])
    assert nms(boxes, trainctl.ones(3), 0.5).tolist() == [0, 1]
    assert nms(boxes, trainctl.ones(3), 1.0).tolist() == [0, 1, 2]


def test_no_boxes():
    found = nms(trainctl.zeros(0, 4), trainctl.zeros(0), 0.5)
    assert found.shape == (0,)
    assert found.dtype is trainctl.int64


def test_boxes_with_a_gradient_are_only_looked_at():
    boxes = trainctl.tensor([[0.0, 0, 1, 1]], requires_grad=True)
    assert not nms(boxes, trainctl.ones(1, requires_grad=True), iou_threshold=0.5).requires_grad


BOXES, SCORES = trainctl.ones(2, 4), trainctl.ones(2)


@pytest.mark.parametrize(
    ("boxes", "scores", "error", "match"),
    [
        (trainctl.ones(4), SCORES, RuntimeError, r"\[N, 4\], got \[4\]"),
        (trainctl.ones(2, 5), SCORES, RuntimeError, r"\[N, 4\], got \[2, 5\]"),
        (BOXES, trainctl.ones(2, 1), RuntimeError, r"\[N\].*\[2, 1\] for \[2, 4\]"),
        (BOXES, trainctl.ones(3), RuntimeError, r"\[N\].*\[3\] for \[2, 4\]"),
        (BOXES, SCORES.double(), RuntimeError, "float32 and float64"),
        (BOXES.int(), SCORES.int(), NotImplementedError, "int32"),
        ([[0, 0, 1, 1]], SCORES, TypeError, "'boxes' must be Tensor"),
    ],
)
def test_refusals(boxes, scores, error, match):
    with pytest.raises(error, match=match):
        nms(boxes, scores, 0.5)


def test_a_device_gives_what_the_host_gives():
    boxes, scores = (trainctl.from_numpy(each) for each in some_boxes(300))
    with installed():
        found = nms(boxes.to("cuda"), scores.to("cuda"), 0.3)
        assert found.device.type == "cuda"
        assert found.cpu().tolist() == nms(boxes, scores, 0.3).tolist()
