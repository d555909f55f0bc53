"""``trainctl doctor``: what this machine and installation offer, and what is wrong with them."""

from __future__ import annotations

import sys
from typing import Any

import typer

from trainctl.cli.options import DebugOption, JsonOption, QuietOption
from trainctl.cli.output import check_json_target, write_json
from trainctl.cli.text import count, printable

EXAMPLES = """\
trainctl doctor
trainctl doctor --json - -q | jq .gpu"""

_WIDTH = 10


def doctor(json: JsonOption = None, quiet: QuietOption = False, debug: DebugOption = False) -> None:
    """Show versions, hardware, disk and extras, and what is wrong."""
    from trainctl.jobs import run_doctor

    check_json_target(json)
    found = run_doctor()
    if json is not None:
        write_json(json, found)
    if not quiet:
        print(printable("\n".join(report_lines(found))), file=sys.stderr)
    if not found["ok"]:
        raise typer.Exit(1)


def report_lines(found: dict[str, Any]) -> list[str]:
    """A report for people, one subject a line."""
    subjects = {
        "trainctl": _versions(found),
        "system": _system(found),
        "processor": _processor(found),
        "blas": _blas(found),
        "kernels": _kernels(found["kernels"]),
        "gpu": _gpu(found["gpu"]),
        "memory": _memory(found["memory"]),
        "disk": f"{_size(found['disk']['free'])} free of {_size(found['disk']['total'])} at {found['disk']['path']}",
        "terminal": _terminal(found["terminal"]),
    }
    lines = [f"{name:{_WIDTH}} {text}" for name, text in subjects.items()]
    return [*lines, "", "extras", *_extras(found["extras"]), "", *_findings(found["findings"])]


def _versions(found: dict[str, Any]) -> str:
    versions = dict(found["versions"])
    own, python = versions.pop("trainctl"), versions.pop("python")
    packages = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    return f"{own} on {found['platform']['implementation']} {python}; {packages}"


def _system(found: dict[str, Any]) -> str:
    platform = found["platform"]
    return f"{platform['system']}, {platform['machine']}; {platform['executable']}"


def _processor(found: dict[str, Any]) -> str:
    cpu = found["cpu"]
    usable = f"{count(cpu['usable'], 'core')} usable of {cpu['cores']}"
    reasons = []
    if cpu["affinity"] and cpu["affinity"] < cpu["cores"]:
        reasons.append(f"affinity {cpu['affinity']}")
    if cpu["affinity"] and cpu["usable"] < cpu["affinity"]:
        reasons.append("the container's quota")
    reasons += [f"{name}={value}" for name, value in cpu["variables"].items()]
    why = f" ({', '.join(reasons)})" if reasons else ""
    return f"{cpu['model'] or 'unknown'}, {usable}{why}"


def _blas(found: dict[str, Any]) -> str:
    libraries = [
        f"{each['internal_api']} {each['version']}, {count(each['num_threads'], 'thread')}, "
        f"{each['threading_layer']}, for {each['architecture']}"
        for each in found["blas"]
    ]
    return "; ".join(libraries) or "not known"


def _kernels(kernels: dict[str, Any]) -> str:
    if not kernels["numba"]:
        return "NumPy's; the extra `fast` compiles them"
    state = "switched off by TRAINCTL_KERNELS" if kernels["switched_off"] else f"Numba {kernels['numba']}"
    kept = f"{count(kernels['files'], 'file')}, {_size(kernels['bytes'])}" if kernels["files"] else "nothing yet"
    place = kernels["folder"] or "nowhere"
    return f"{state}; {kept} in {place}{'' if kernels['writable'] else ', which cannot be written'}"


def _gpu(gpu: dict[str, Any]) -> str:
    if gpu["usable"]:
        return f"{count(gpu['usable'], 'GPU')}, CuPy {gpu['cupy']}"
    return f"none: {gpu['why_not']}"


def _memory(memory: dict[str, Any]) -> str:
    limit = f", limited to {_size(memory['limit'])} by the container" if memory["limit"] else ""
    if memory["total"] is None:
        return f"not known{limit}"
    return f"{_size(memory['available'])} free of {_size(memory['total'])}{limit}"


def _terminal(terminal: dict[str, Any]) -> str:
    screen = (
        f"{terminal['columns']} columns, TERM={terminal['term']}" if terminal["stderr"] else "stderr is no terminal"
    )
    color = "colour" if terminal["color"] else "no colour"
    return f"{screen}, {color}, {terminal['encoding']}, locale {terminal['locale']}"


def _extras(extras: dict[str, Any]) -> list[str]:
    lines = []
    for name, extra in extras.items():
        state = extra["version"] or "installed" if extra["installed"] else extra["install"]
        lines.append(f"  {name:8} {extra['adds']}: {state}")
    return lines


def _findings(findings: list[dict[str, Any]]) -> list[str]:
    if not findings:
        return ["all is well"]
    return [
        line
        for each in findings
        for line in (f"{'broken' if each['broken'] else 'note'}: {each['message']}", f"  hint: {each['hint']}")
    ]


def _size(size: int | None) -> str:
    """Bytes in the unit that people read.

    Example:
        >>> _size(3 * 2**30), _size(2**20), _size(None)
        ('3.0 GiB', '1.0 MiB', 'unknown')
    """
    if size is None:
        return "unknown"
    unit, power = ("GiB", 30) if size >= 2**30 else ("MiB", 20)
    return f"{size / 2**power:.1f} {unit}"
