"""Losses as modules: what their functional form gives, with the constructor's options; their texts."""

from __future__ import annotations

from tests.scripts import Scripts

scripts = Scripts()

X, Y, PROBABILITIES = [[0.5, -1.0], [2.0, 0.3]], [[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.7], [0.9, 0.4]]
LOSSES = [
    ("L1Loss", {}, "xy"), ("SmoothL1Loss", {"beta": 0.5}, "xy"), ("HuberLoss", {"delta": 0.5}, "xy"), ("PoissonNLLLoss", {"full": True}, "xy"),
    ("GaussianNLLLoss", {"full": True}, "xyp"), ("BCELoss", {"reduction": "sum"}, "py"), ("BCEWithLogitsLoss", {}, "xy"), ("SoftMarginLoss", {}, "xs"),
    ("MultiLabelSoftMarginLoss", {}, "xy"), ("MultiLabelMarginLoss", {}, "xl"), ("MultiMarginLoss", {"p": 2, "margin": 0.5}, "xc"),
    ("CosineEmbeddingLoss", {"margin": 0.1}, "xpt"), ("HingeEmbeddingLoss", {"margin": 0.5}, "xs"), ("MarginRankingLoss", {"margin": 0.2}, "xps"),
    ("TripletMarginLoss", {"p": 1, "swap": True}, "xpy"), ("TripletMarginWithDistanceLoss", {"margin": 2.0}, "xpy"), ("KLDivLoss", {"reduction": "batchmean"}, "xp"),
]  # fmt: skip


def arguments(lib, letters):
    values = {
        "x": X,
        "y": Y,
        "p": PROBABILITIES,
        "s": [[1.0, -1.0], [-1.0, 1.0]],
        "l": [[1, -1], [0, 1]],
        "c": [0, 1],
        "t": [1, -1],
    }
    made = [lib.tensor(values[each], dtype=lib.int64 if each in "lct" else lib.float64) for each in letters]
    return [made[0].requires_grad_(), *made[1:]]


for _name, _options, _letters in LOSSES:

    @scripts.agrees(rtol=1e-12, atol=1e-15)
    def a_loss(lib, name=_name, options=_options, letters=_letters):
        layer, given = getattr(lib.nn, name)(**options), arguments(lib, letters)
        loss = layer(*given)
        loss.backward()
        return loss, given[0].grad, repr(layer), list(layer.state_dict())


@scripts.agrees(rtol=1e-12, atol=1e-15)
def ctc(lib):
    x = lib.tensor([X, X, X], dtype=lib.float64, requires_grad=True)
    layer = lib.nn.CTCLoss(blank=1, zero_infinity=True)
    loss = layer(x.log_softmax(2), lib.tensor([[0], [0]]), (3, 2), (1, 1))
    loss.backward()
    return loss, x.grad, repr(layer)


@scripts.agrees()
def weights_are_buffers(lib):
    layer = lib.nn.BCEWithLogitsLoss(weight=lib.ones(2), pos_weight=lib.full((2,), 2.0))
    return list(layer.state_dict()), layer(lib.tensor(X), lib.tensor(Y))


@scripts.raises(ValueError, "p == 1 and p == 2")
def another_power(lib):
    lib.nn.MultiMarginLoss(p=3)


@scripts.raises(TypeError, "delta must be a float or int, got: <class 'complex'>")
def a_complex_threshold(lib):
    lib.nn.HuberLoss(delta=1 + 0j)


@scripts.raises(ValueError, "weight must be one-dimensional")
def a_matrix_of_class_weights(lib):
    lib.nn.functional.multi_margin_loss(lib.ones(1, 2), lib.ones(1), weight=lib.ones(2, 2))


@scripts.raises(ValueError, "MultiMarginLoss: expected weight to be None or 1D tensor, got 2D instead")
def a_layer_of_a_matrix_of_class_weights(lib):
    lib.nn.MultiMarginLoss(weight=lib.ones(2, 2))


test_script = scripts.test()
