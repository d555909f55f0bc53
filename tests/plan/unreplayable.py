"""Steps that cannot be replayed, one of each kind, and what is said of them."""

from __future__ import annotations

import numpy as np

import trainctl
from trainctl.nn import functional as F

# -- a value is read in Python ------------------------------------------------------------------------


def reads_item(net, x):
    return net(x) * net(x).sum().item()


def reads_a_float(net, x):
    return net(x) * float(x.sum())


def reads_an_int(net, x):
    return net(x) * int(x.sum())


def decides(net, x):
    return net(x) if net(x).sum() > 0 else -net(x)


def takes_the_larger(net, x):
    return max(net(x).sum(), x.sum())


def looks_for_a_value(net, x):
    return net(x) * (2 in x)


def compares_all(net, x):
    return net(x) * trainctl.equal(x, trainctl.ones(4, 3))


def compares_roughly(net, x):
    return net(x) * trainctl.allclose(x, trainctl.ones(4, 3))


def lists(net, x):
    return net(x) * len(net(x).tolist())


def indexes(net, x):
    return net(x) * len(range(x.sum().long()))


def prints(net, x):
    print(net(x))
    return net(x)


def formats(net, x):
    assert f"{x.sum():.3f}"
    return net(x)


def asks_for_the_seed(net, x):
    return net(x) * trainctl.initial_seed()


def keeps_the_stream(net, x):
    state = trainctl.get_rng_state()
    y = F.dropout(net(x))
    trainctl.set_rng_state(state)
    return y


READS = {
    reads_item: "item() reads a value",
    reads_a_float: "item() reads a value",
    reads_an_int: "item() reads a value",
    decides: "bool() reads a value",
    takes_the_larger: "bool() reads a value",
    looks_for_a_value: "bool() reads a value",
    compares_all: "equal() reads a value",
    compares_roughly: "allclose() reads a value",
    lists: "tolist() reads a value",
    indexes: "an index reads a value",
    prints: "printing reads a value",
    formats: "item() reads a value",
    asks_for_the_seed: "initial_seed() reads a value",
    keeps_the_stream: "numpy() reads a value",
}

# -- a shape depends on data --------------------------------------------------------------------------


def selects(net, x):
    return x[x > 1].sum() + net(x).sum()


def selects_by_a_mask(net, x):
    return x.masked_select(x > 1).sum() + net(x).sum()


def is_unique(net, x):
    return x.unique().sum() + net(x).sum()


def counts_bins(net, x):
    return trainctl.bincount(x.long().reshape(-1)).sum() + net(x).sum()


def counts_non_zero(net, x):
    return net(x.nonzero().float()[:, :1].expand(-1, 3)).sum()


def repeats(net, x):
    return trainctl.repeat_interleave(x[0], x[0].long()).sum() + net(x).sum()


def counts_classes(net, x):
    return F.one_hot(x[0].long()).float().mean() + net(x).sum()


def slices(net, x):
    return x[: x[0, 0].long()].sum() + net(x).sum()


SHAPES = {
    selects: "depends on values",
    selects_by_a_mask: "depends on values",
    is_unique: "what Distinct gives depends on values",
    counts_bins: "what BinCount gives depends on values",
    counts_non_zero: "made from what is outside",
    repeats: "repeat_interleave() reads a value",
    counts_classes: "one_hot() without num_classes reads a value",
    slices: "item() reads a value",
}

# -- an array library, or something else, in between --------------------------------------------------


def leaves_numpy(net, x):
    return net(x) + trainctl.from_numpy(np.array(net.weight.detach().numpy()[:, 0]))


def becomes_an_array(net, x):
    return trainctl.as_tensor(np.sin(np.asarray(net(x))))


def adds_an_array(net, x):
    return net(x) + np.ones(2, np.float32)


def new_tensor(net, x):
    return net(x) * trainctl.tensor([1.0, 2.0])


def new_noise(net, x):
    return net(x) + trainctl.rand(4, 2, generator=trainctl.Generator().manual_seed(3))


def another_type(net, x):
    return net(x).bfloat16().float()


def returns_something_else(net, x):
    return net(x), range(3)


OUTSIDE = {
    leaves_numpy: "numpy() reads a value",
    becomes_an_array: "numpy() reads a value",
    adds_an_array: "made from what is outside",
    new_tensor: "made from what is outside",
    new_noise: "made from what is outside",
    another_type: "not for BFloat16Array",
    returns_something_else: "it returns a range",
}

# -- something happens in place that a replay could not repeat ----------------------------------------


def changes_its_argument(net, x):
    x.mul_(2)
    return net(x)


def writes_to_a_constant(net, x):
    table = trainctl.zeros(4, 2)
    table[0] = net(x)[0]
    return table


def adds_to_a_constant(net, x):
    return trainctl.zeros(4, 2).add_(net(x))


def replaces_data(net, x):
    net.weight.data = net.weight.data * 1.5
    return net(x)


def writes_behind_the_back(net, x):
    net.weight.detach().numpy()[...] *= 1.5
    return net(x)


PLACES = {
    changes_its_argument: "an argument is changed in place",
    writes_to_a_constant: "made from its shape alone is then written to",
    adds_to_a_constant: "made from its shape alone is then written to",
    replaces_data: "an assignment to a tensor's data reads a value",
    writes_behind_the_back: "numpy() reads a value",
}

# -- gradients with Python code in them, or that last -------------------------------------------------


def hooks_a_value(net, x):
    net.zero_grad()
    y = net(x)
    y.register_hook(lambda g: g * 2)
    y.sum().backward()
    return net.weight.grad.clone()


def hooks_a_weight(net, x):
    net.zero_grad()
    handle = net.weight.register_hook(lambda g: g * 3)
    net(x).sum().backward()
    handle.remove()
    return net.weight.grad.clone()


def hooks_what_accumulates(net, x):
    net.zero_grad()
    handle = net.weight.register_post_accumulate_grad_hook(lambda p: p.grad.mul_(2))
    net(x).sum().backward()
    handle.remove()
    return net.weight.grad.clone()


def leaves_a_graph_of_gradients(net, x):
    net.zero_grad()
    net(x).square().sum().backward(create_graph=True)
    return net.weight.grad.detach().clone()


def asks_for_its_argument_s_gradient(net, x):
    x.requires_grad_()
    net(x).sum().backward()
    return x.grad.clone()


GRADIENTS = {
    hooks_a_value: "a hook on a gradient runs Python code in it",
    hooks_a_weight: "a hook on a leaf's gradient runs Python code in it",
    hooks_what_accumulates: "a hook on a leaf's gradient runs Python code in it",
    leaves_a_graph_of_gradients: "backward(create_graph=True) leaves gradients that are part of a graph",
    asks_for_its_argument_s_gradient: "an argument, or a tensor made in the step, gets a gradient of its own",
}

KINDS = {**READS, **SHAPES, **OUTSIDE, **PLACES, **GRADIENTS}
