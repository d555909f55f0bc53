"""What a quantization did and cost, as tables for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainctl.cli.text import count, number, table


def report(result: Mapping[str, Any]) -> str:
    """Both models side by side, the layers, what stayed in float, and the verdict."""
    parts = [_sides(result), layers_table(result["layers"])]
    if result["float_layers"]:
        parts.append(float_table(result["float_layers"]))
    if result["search"] and result["search"]["steps"]:
        parts.append(_search(result["search"]))
    parts.append("\n".join(_end(result)))
    return "\n\n".join(parts)


def quantization_lines(record: Mapping[str, Any]) -> list[str]:
    """How a checkpoint was quantized, from what, and what was measured then."""
    settings, parents, measured = record["settings"], record["parents"], record["measured"]
    how = settings["method"] if settings["bits"] == 8 else "weights alone"
    what = f"quantized: {how}, {settings['bits']} bits, {count(len(record['layers']), 'layer')}"
    lines = [f"{what}; {len(record['float_layers'])} in float"]
    lines += [f"  {name} SHA-256 {sha256}" for name, sha256 in parents.items() if sha256]
    if measured:
        figures = ", ".join(
            f"{each['name']} {_figure(each['float'])} -> {_figure(each['quantized'])}" for each in measured["figures"]
        )
        lines.append(f"  {_samples(measured['split'])}, {count(measured['samples'], 'sample')}: {figures}")
    lines += layers_table(record["layers"]).splitlines()
    lines += float_table(record["float_layers"]).splitlines() if record["float_layers"] else []
    return lines


def _sides(result: Mapping[str, Any]) -> str:
    how = result["method"] if result["bits"] == 8 else "weights alone"
    what = (
        f"{result['checkpoint']}: {how}, {result['bits']} bits; {_samples(result['split'])}, "
        f"{count(result['samples'], 'sample')}"
    )
    rows = [
        [each["name"], _figure(each["float"]), _figure(each["quantized"]), _change(each["float"], each["quantized"])]
        for each in result["figures"]
    ]
    sizes = result["bytes"]
    rows.append(["weights, bytes", f"{sizes['float']:,}", f"{sizes['quantized']:,}", f"x {sizes['ratio']:.3f}"])
    for each in result["latency"]:
        gain = f"{each['speedup']:.2f} times as fast" if each["gain"] else _no_gain(each["speedup"])
        name = f"ms for {count(each['batch_size'], 'sample')}"
        rows.append([name, f"{each['float_ms']:.3f}", f"{each['quantized_ms']:.3f}", gain])
    theirs = (
        "as trained" if result["trained_rounding"] else "float"
    )  # with rounding; its size and time are the float model's
    return f"{what}\n{table(['', theirs, 'quantized', 'change'], rows, '<>><')}"


def _samples(split: str) -> str:
    """The name of a split, or of the part of one."""
    return split if " " in split else f"{split} split"


def _no_gain(speedup: float) -> str:
    return "no gain" if speedup > 0.97 else f"no gain: {1 / speedup:.2f} times as long"


def layers_table(layers: Sequence[Mapping[str, Any]]) -> str:
    """The quantized layers, the noisiest first."""
    header, sides = ["quantized layer", "kind", "form", "signal to noise"], "<<<>"
    rows = [[each["name"], _kind(each), _form(each), _decibels(each["sqnr"])] for each in layers]
    if any(each["nearest_sqnr"] is not None for each in layers):
        header, sides = [*header, "with nearest codes"], "<<<>>"
        rows = [[*row, _decibels(each["nearest_sqnr"])] for row, each in zip(rows, layers, strict=True)]
    return table(header, rows, sides)


def float_table(layers: Sequence[Mapping[str, Any]]) -> str:
    """What stayed in float, and why."""
    rows = [[each["name"] or "(the model)", each["kind"], f"{each['bytes']:,}", each["reason"]] for each in layers]
    return table(["in float", "kind", "bytes", "why"], rows, "<<><")


def _search(search: Mapping[str, Any]) -> str:
    rows = [
        [
            each["layer"],
            f"{_figure(each['drop_before'])} -> {_figure(each['drop_after'])}",
            f"{_figure(each['bound_before'])} -> {_figure(each['bound_after'])}",
            f"{each['bytes']:,}",
        ]
        for each in search["steps"]
    ]
    what = f"left in float to hold the drop ({_samples(search['split'])}, {count(search['evaluations'], 'evaluation')})"
    return f"{what}\n{table(['layer', 'drop', 'upper bound', 'bytes in float'], rows, '<>>>')}"


def _end(result: Mapping[str, Any]) -> list[str]:
    verdict = result["verdict"]
    asked = "" if verdict["max_drop"] is None else f"; --max-drop {verdict['max_drop']:g}"
    lines = [
        f"drop of {verdict['metric']}: {_drop(verdict['drop'])}, at most {_figure(verdict['bound'])} "
        f"({verdict['level']:.0%} sure, paired bootstrap){asked}"
    ]
    if result["written"]:
        lines.append(f"written: {result['output']}")
    return lines


def _drop(value: float | None) -> str:
    return f"{_figure(value)}{' (it is better)' if value is not None and value < 0 else ''}"


def _kind(layer: Mapping[str, Any]) -> str:
    more = [kind for kind, name in (("norm", layer["norm"]), ("ReLU", layer["relu"])) if name]
    return " + ".join([layer["kind"], *more])


def _form(layer: Mapping[str, Any]) -> str:
    weights = f"int{layer['bits']} weights"
    if layer["scheme"] == "weights":
        return f"{weights}, computed in float32"
    return f"{weights} and activations" + (", dynamic" if layer["scheme"] == "dynamic" else "")


def _decibels(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} dB"


def _figure(value: float | None) -> str:
    return "not finite" if value is None else number(value)


def _change(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return ""
    change = after - before
    return f"{'+' if change > 0 else ''}{number(change)}" if change else "none"
