"""Observers beyond their numbers: what they refuse, keep, load and forget. The numbers are in tests/parity."""

from __future__ import annotations

import copy
import importlib
import io
import warnings

import numpy as np
import pytest

import trainctl
from tests.scripts import Scripts
from trainctl import nn
from trainctl import quantization as Q

pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch's observers warn that they will be moved to torchao

scripts = Scripts()


def of(lib):
    """Return a library's quantization."""
    return importlib.import_module("trainctl.quantization" if lib is trainctl else "torch.ao.quantization")


def refuses(error, match, **kwargs):
    """Add a script in which an observer is made with arguments that it refuses."""

    def make(lib):
        given = {key: getattr(lib, each) if isinstance(each, str) else each for key, each in kwargs.items()}
        getattr(of(lib), kind)(**given)

    kind = kwargs.pop("kind", "MinMaxObserver")
    make.__name__ = "_".join(map(str, [kind, *kwargs.values()]))
    scripts.raises(error, match)(make)


refuses(AssertionError, "must include 0", quant_min=5, quant_max=9)
refuses(AssertionError, "must include 0", quant_min=0, quant_max=-1)
refuses(AssertionError, "strictly less", quant_min=0, quant_max=0)
refuses(AssertionError, "=256", quant_min=-200, quant_max=200, dtype="qint8")
refuses(AssertionError, "only works for", dtype="float32")
refuses(NotImplementedError, "only support", qscheme="per_channel_affine")
refuses(NotImplementedError, "only support", kind="PerChannelMinMaxObserver", qscheme="per_tensor_affine")
refuses(NotImplementedError, "only support", kind="HistogramObserver", qscheme="per_channel_affine")
refuses(NotImplementedError, "Cannot reduce range", qscheme="per_tensor_symmetric", reduce_range=True)
refuses(NotImplementedError, "dynamic", kind="MovingAverageMinMaxObserver", is_dynamic=True)
refuses(NotImplementedError, "dynamic", kind="PerChannelMinMaxObserver", is_dynamic=True)
refuses(NotImplementedError, "dynamic", kind="HistogramObserver", is_dynamic=True)
refuses(TypeError, "unexpected", nonsense=1)
refuses(TypeError, "unexpected", factory_kwargs={"nonsense": 1})


@scripts.raises(TypeError, "abstract")
def a_base_is_not_an_observer(lib):
    of(lib).ObserverBase(lib.quint8)


@scripts.raises(IndexError, "Dimension out of range")
def channels_need_another_dim(lib):
    of(lib).PerChannelMinMaxObserver()(lib.ones(3))


@scripts.raises(RuntimeError, "size of tensor a|has seen 3 channels, but now got 5")
def the_number_of_channels_stays(lib):
    observer = of(lib).PerChannelMinMaxObserver()
    observer(lib.ones(3, 2))
    observer(lib.ones(5, 2))


@scripts.raises(AssertionError, "should be less than max")
def a_range_ends_after_it_begins(lib):
    observer = of(lib).MinMaxObserver()
    observer.min_val.fill_(2.0)
    observer.max_val.fill_(1.0)
    observer.calculate_qparams()


@scripts.gives([[[1.0], [0]]] * 4)
def what_has_seen_nothing_warns_and_gives_1_and_0(lib):
    found = []
    for name in ("MinMaxObserver", "PerChannelMinMaxObserver", "MovingAverageMinMaxObserver", "HistogramObserver"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            observer = getattr(of(lib), name)()
            caught.clear()
            found.append([each.tolist() for each in observer.calculate_qparams()])
        assert any("must run observer before" in str(each.message) for each in caught)
    return found


@scripts.gives(
    [
        "MinMaxObserver(min_val=-1.0, max_val=2.0)",
        "PerChannelMinMaxObserver(min_val=tensor([-1.]), max_val=tensor([2.]))",
    ]
)
def reprs(lib):
    found = []
    for name in ("MinMaxObserver", "PerChannelMinMaxObserver"):
        observer = getattr(of(lib), name)()
        observer(lib.tensor([[-1.0, 2.0]]))
        found.append(repr(observer))
    return found


@scripts.gives(["eps", "min_val", "max_val", "eps", "histogram", "min_val", "max_val", "scale", "zero_point"])
def what_is_saved(lib):
    q = of(lib)
    made = q.PerChannelMinMaxObserver(), q.HistogramObserver(), q.default_fixed_qparams_range_0to1_observer()
    return [key for each in made for key in each.state_dict()]


@scripts.gives([[2], [-1.0, 0.0], True])
def buffers_become_as_large_as_the_saved_ones(lib):
    q = of(lib)
    observer, fresh = q.PerChannelMinMaxObserver(), q.PerChannelMinMaxObserver()
    observer(lib.tensor([[-1.0, 2.0], [0.0, 5.0]]))
    fresh.load_state_dict(observer.state_dict())
    other = lib.tensor([[7.0, 8.0], [-9.0, 1.0]])
    observer(other), fresh(other)
    same = all(
        bool((a == b).all()) for a, b in zip(observer.state_dict().values(), fresh.state_dict().values(), strict=True)
    )
    return [fresh.min_val.shape[:1], [-1.0, 0.0], same]


@scripts.gives([[3.0, 4.0], [3.0, 4.0], [[3.0], [4.0]]])
def after_a_reset_the_first_input_is_the_first(lib):
    found = []
    for name in ("MinMaxObserver", "MovingAverageMinMaxObserver", "MovingAveragePerChannelMinMaxObserver"):
        observer = getattr(of(lib), name)()
        observer(lib.tensor([[-100.0, 100.0]]))
        observer.reset_min_max_vals()
        observer(lib.tensor([[3.0, 4.0]]))
        found.append([observer.min_val, observer.max_val])
    return found


@scripts.gives([True, False, True, [1.0, 1.0]])
def observers_hand_their_input_on(lib):
    q = of(lib)
    x = lib.ones(2, requires_grad=True)
    made = [
        q.MinMaxObserver(),
        q.PlaceholderObserver(),
        q.NoopObserver(),
        q.ReuseInputObserver(),
        q.HistogramObserver(),
    ]
    recording = q.RecordingObserver()
    (recording(x) * 1).sum().backward()
    kept = recording.get_tensor_value()[0]
    return [all(each(x) is x for each in made), kept is x, recording(x) is x, x.grad]


@scripts.gives(["int8", "int8", 63, "quint8", 127, 7])
def with_args_adds_up(lib):
    q = of(lib)
    maker = q.MinMaxObserver.with_args(dtype=lib.int8)
    reduced = maker.with_args(reduce_range=True)
    late = q.MinMaxObserver.with_callable_args(quant_max=lambda: 7).with_callable_args(quant_min=lambda: 0)
    made = [maker(), reduced()]
    names = [str(each.dtype).split(".")[-1] for each in (*made, q.default_observer())]
    return [*names[:2], made[1].quant_max, names[2], q.default_observer().quant_max, late().quant_max]


@scripts.agrees()
def what_every_default_name_stands_for(lib):
    q, found = of(lib), []
    for name in sorted(Q.observers.__all__):
        if name.startswith("default_") or "range_neg" in name:
            made = getattr(q, name)()
            fields = vars(made)
            ordinary = {
                key: str(each) for key, each in fields.items() if key[0] != "_" and key not in ("method", "training")
            }
            found.append([name, type(made).__name__, dict(sorted(ordinary.items())), list(made.state_dict())])
    return found


@scripts.raises(RuntimeError, "is not finite")
def nan_cannot_be_counted(lib):
    of(lib).HistogramObserver()(lib.tensor([1.0, float("nan")]))


@scripts.gives([-1.0, 2.0, 3.0])
def infinite_elements_are_not_counted(lib):
    observer = of(lib).HistogramObserver(bins=4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        observer(lib.tensor([-1.0, 2.0, float("inf"), 1.0, -float("inf")]))
        observer(lib.tensor([float("inf")]))
    assert any("inf detected" in str(each.message) for each in caught)
    return [observer.min_val.item(), observer.max_val.item(), observer.histogram.sum().item()]


@scripts.gives(
    [["a.activation_post_process.eps", "a.activation_post_process.min_val", "a.activation_post_process.max_val"], 3.0]
)
def the_observers_state_apart_from_the_model(lib):
    q = of(lib)

    def net():
        made = lib.nn.Sequential()
        made.add_module("a", lib.nn.Linear(1, 1))
        made.a.activation_post_process = q.MinMaxObserver()
        return made

    one, other = net(), net()
    one.a.activation_post_process(lib.tensor([3.0]))
    state = q.get_observer_state_dict(one) if lib is trainctl else q.observer.get_observer_state_dict(one)
    (q if lib is trainctl else q.observer).load_observer_state_dict(other, state)
    return [list(state), other.a.activation_post_process.max_val.item()]


test_script = scripts.test()


def test_an_observer_s_state_that_is_incomplete_is_refused():
    net = nn.Sequential(nn.ReLU())
    net[0].activation_post_process = Q.MinMaxObserver()
    state = Q.get_observer_state_dict(net)
    del state["0.activation_post_process.min_val"]
    with pytest.raises(RuntimeError, match=r"Missing key.*min_val"):
        Q.load_observer_state_dict(net, state)


def test_eps_is_loaded_from_a_file_without_versions():
    observer = Q.MinMaxObserver(eps=0.5)
    fresh = Q.MinMaxObserver()
    fresh.load_state_dict(dict(observer.state_dict()))
    assert fresh.eps.item() == 0.5
    fresh.load_state_dict({"min_val": trainctl.tensor(1.0), "max_val": trainctl.tensor(2.0)})
    assert fresh.eps.item() == trainctl.finfo(trainctl.float32).eps


def test_names_of_old_files_are_known():
    observer = Q.PerChannelMinMaxObserver()
    state = observer.state_dict()
    state["min_vals"], state["max_vals"] = trainctl.tensor([1.0, 2.0]), trainctl.tensor([3.0, 4.0])
    del state["min_val"], state["max_val"]
    state._metadata[""]["version"] = 2
    observer.load_state_dict(state)
    assert observer.max_val.tolist() == [3.0, 4.0]


def test_copies_and_files_hold_the_same(tmp_path):
    for observer in (
        Q.MinMaxObserver(),
        Q.PerChannelMinMaxObserver(),
        Q.HistogramObserver(bins=8),
        Q.PercentileObserver(90.0),
    ):
        observer(trainctl.tensor([[1.0, -2.0], [3.0, 0.5]]))
        again = copy.deepcopy(observer)
        file = io.BytesIO()
        trainctl.save(observer.state_dict(), file)
        file.seek(0)
        loaded = type(observer)(**({"bins": observer.bins} if hasattr(observer, "bins") else {}))
        loaded.load_state_dict(trainctl.load(file))
        for other in (again, loaded):
            for key, each in observer.state_dict().items():
                assert other.state_dict()[key].tolist() == each.tolist()


def test_an_observer_on_the_way_gives_the_same_whatever_the_batches():
    """A range does not depend on how its inputs are cut, nor does a histogram that never has to grow."""
    x = trainctl.tensor(np.sort(np.random.RandomState(0).randn(64)).astype(np.float32))
    for make in (Q.MinMaxObserver, lambda: Q.HistogramObserver(bins=16)):
        whole, parts = make(), make()
        ends = trainctl.stack([x[0], x[-1]])
        whole(ends), parts(ends)
        whole(x)
        for part in x.split(7):
            parts(part)
        for one, other in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True):
            assert one.tolist() == other.tolist()


@pytest.mark.parametrize("method", ["mse", "kl"])
@pytest.mark.parametrize("scheme", ["per_tensor_affine", "per_tensor_symmetric"])
def test_a_histogram_leaves_outliers_out(method, scheme):
    values = np.random.RandomState(0).randn(20000).astype(np.float32)
    values[0] = 60.0
    x, errors = trainctl.from_numpy(values), {}
    options = {"qscheme": getattr(trainctl, scheme), "dtype": trainctl.qint8, "quant_min": -8, "quant_max": 7}
    for observer in (Q.MinMaxObserver(**options), Q.HistogramObserver(method=method, **options)):
        observer(x)
        scale, zero = (each.item() for each in observer.calculate_qparams())
        rounded = trainctl.fake_quantize_per_tensor_affine(x[1:], scale, zero, -8, 7)
        errors[type(observer).__name__] = ((rounded - x[1:]) ** 2).mean().item()
    assert errors["HistogramObserver"] < 0.1 * errors["MinMaxObserver"]


def test_mse_is_no_worse_than_any_other_choice_on_the_histogram():
    values = (np.random.RandomState(1).randn(5000) ** 3).astype(np.float32)
    x, errors = trainctl.from_numpy(values), {}
    for method in ("norm", "mse", "kl"):
        observer = Q.HistogramObserver(method=method, quant_min=0, quant_max=15)
        observer(x)
        scale, zero = (each.item() for each in observer.calculate_qparams())
        rounded = trainctl.fake_quantize_per_tensor_affine(x, scale, zero, 0, 15)
        errors[method] = ((rounded - x) ** 2).mean().item()
    assert errors["mse"] == min(errors.values())


@pytest.mark.parametrize("method", ["norm", "mse", "kl"])
@pytest.mark.parametrize("values", [[0.0] * 5, [2.5] * 5, [-2.5] * 5, [1e-30, -1e-30], [1.0], [0.0, 1e30]])
def test_there_is_a_grid_for_whatever_was_seen(method, values):
    observer = Q.HistogramObserver(method=method)
    observer(trainctl.tensor(values))
    scale, zero = (each.item() for each in observer.calculate_qparams())
    assert 0 < scale < float("inf")
    assert 0 <= zero <= 255


@pytest.mark.parametrize(
    ("percentile", "low", "high"), [(100.0, 0.0, 999.0), (99.0, 10.0, 990.0), (90.0, 100.0, 900.0)]
)
def test_a_percentile_is_cut_off_at_both_ends(percentile, low, high):
    observer = Q.PercentileObserver(percentile)
    for part in np.random.RandomState(0).permutation(np.arange(1000.0, dtype=np.float32)).reshape(4, 250):
        observer(trainctl.from_numpy(part))
    ends = observer._chosen(observer.histogram.numpy(), observer.min_val.item(), observer.max_val.item())
    np.testing.assert_allclose(ends, [low, high], atol=3)


@pytest.mark.parametrize("percentile", [0.0, 50.0, 100.1, float("nan")])
def test_a_percentile_keeps_most(percentile):
    with pytest.raises(ValueError, match="percentile must be above 50"):
        Q.PercentileObserver(percentile)


def test_a_method_has_a_name():
    with pytest.raises(ValueError, match="'norm', 'mse' or 'kl', got 'l2'"):
        Q.HistogramObserver(method="l2")
