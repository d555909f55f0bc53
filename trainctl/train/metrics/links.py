"""What a model's outputs are, which its loss says: scores before a softmax, probabilities, plain values."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

Link = Literal["softmax", "log", "sigmoid", "probability", "margin", "value"]

_LINKS: dict[str, Link] = {
    "CrossEntropyLoss": "softmax",
    "NLLLoss": "log",
    "BCEWithLogitsLoss": "sigmoid",
    "MultiLabelSoftMarginLoss": "sigmoid",
    "SoftMarginLoss": "sigmoid",
    "BCELoss": "probability",
    "MultiMarginLoss": "margin",
    "MultiLabelMarginLoss": "margin",
    "HingeEmbeddingLoss": "margin",
    "HuberLoss": "value",
    "KLDivLoss": "log",
    "L1Loss": "value",
    "MSELoss": "value",
    "PoissonNLLLoss": "value",
    "SmoothL1Loss": "value",
}


def link_of(loss: Any) -> Link | None:
    """Return what a model trained with ``loss`` gives; None where that is not known.

    A loss of a plugin says so with an attribute ``link``; one that extends a loss of ours is taken for that.

    ========================  =====================================================================
    ``softmax``               scores; their softmax is the probability of each class
    ``log``                   logarithms of the probability of each class
    ``sigmoid``               scores; the sigmoid of each is the probability of its label
    ``probability``           probabilities
    ``margin``                scores without a probability
    ``value``                 what was to be predicted, itself
    ========================  =====================================================================

    Example:
        >>> from trainctl import nn
        >>> link_of(nn.CrossEntropyLoss()), link_of(len)
        ('softmax', None)
    """
    said = getattr(loss, "link", None)
    if said is not None:
        return said
    return next((_LINKS[each.__name__] for each in type(loss).__mro__ if each.__name__ in _LINKS), None)


def log_softmax(scores: np.ndarray) -> np.ndarray:
    """Return the logarithms of the softmax along axis 1, float64, of scores [N, C, ...]."""
    scores = scores.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinite scores: their probability is not a number
        scores -= scores.max(axis=1, keepdims=True)
    scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return scores


def probabilities(output: np.ndarray, link: Link | None) -> np.ndarray | None:
    """Return the probabilities that outputs [N, ...] stand for, float64; None where they stand for none.

    Example:
        >>> probabilities(np.array([[0.0, 0.0]]), "softmax")
        array([[0.5, 0.5]])
    """
    if link == "softmax":
        return np.exp(log_softmax(output))
    if link == "log":
        return np.exp(output.astype(np.float64))
    if link == "sigmoid":
        return sigmoid(output.astype(np.float64))
    return output.astype(np.float64) if link == "probability" else None


def sigmoid(scores: np.ndarray) -> np.ndarray:
    """Return the sigmoid of float64 scores, without overflow."""
    small = np.exp(-np.abs(scores))
    return np.where(scores >= 0, 1.0, small) / (1.0 + small)
