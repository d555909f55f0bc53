"""Distance modules against PyTorch."""

from __future__ import annotations

from tests.scripts import Scripts

scripts = Scripts()

FIRST, SECOND = [[1.0, 2.0, 2.0], [0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]


def both(lib):
    return (lib.tensor(each, dtype=lib.float64, requires_grad=True) for each in (FIRST, SECOND))


@scripts.gives(([8**0.5, 1.0], [[4.0], [1.0]]), rtol=1e-12)
def pairwise_distance(lib):
    x, y = both(lib)
    return lib.nn.PairwiseDistance(eps=0.0)(x, y), lib.nn.PairwiseDistance(p=1, eps=0.0, keepdim=True)(x, y)


@scripts.gives(([1 / 3, 0.5**0.5], [1.0, 0.0, 0.4472135954999579]), rtol=1e-12)
def cosine_similarity(lib):
    x, y = both(lib)
    return lib.nn.CosineSimilarity()(x, y), lib.nn.CosineSimilarity(dim=0)(x, y)


@scripts.agrees(rtol=1e-9)
def gradients(lib):
    x, y = both(lib)
    (lib.nn.PairwiseDistance(3.0)(x, y).sum() + lib.nn.CosineSimilarity(eps=1e-3)(x, y).sum()).backward()
    return x.grad, y.grad


@scripts.gives((["CosineSimilarity()", "PairwiseDistance()"], [0, 1e-3, 1.0, 0.1, True], []))
def texts_and_arguments(lib):
    cosine, distance = lib.nn.CosineSimilarity(0, 1e-3), lib.nn.PairwiseDistance(1.0, 0.1, True)
    arguments = [cosine.dim, cosine.eps, distance.norm, distance.eps, distance.keepdim]
    return [repr(cosine), repr(distance)], arguments, list(distance.state_dict())


test_script = scripts.test()
