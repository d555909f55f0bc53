"""What this machine and installation offer a training, and what is wrong with them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import locale
import os
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainctl.version import __version__

SCHEMA_VERSION = 1
"""Of what :func:`run_doctor` returns."""

NEEDED = ("numpy", "pydantic", "pyyaml", "rich", "threadpoolctl", "typer")
_LEAST_DISK = 1 << 30


@dataclass(frozen=True)
class Extra:
    """A part of the package that is installed on request.

    Attributes:
        module: what is imported where it is there.
        packages: its names on PyPI, the usual one first.
        adds: what it is good for.
    """

    module: str
    packages: tuple[str, ...]
    adds: str


EXTRAS = {
    "fast": Extra("numba", ("numba",), "compiled loops: training steps up to three times as fast"),
    "onnx": Extra("onnxruntime", ("onnxruntime",), "trainctl export to ONNX, and --runtime onnxruntime"),
    "images": Extra("PIL", ("pillow",), "datasets of image files (ImageFolder)"),
    "cuda": Extra("cupy", ("cupy-cuda12x", "cupy-cuda13x", "cupy"), "training on NVIDIA GPUs"),
}


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or could be better.

    Attributes:
        message: what.
        hint: what to do.
        broken: whether trainctl cannot work as it is.
    """

    message: str
    hint: str
    broken: bool = False


def run_doctor(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what is installed, what the machine has, and what is wrong, as plain data.

    Args:
        environ: the environment variables; default: the process's.

    Example:
        >>> run_doctor()["versions"]["trainctl"] == __version__
        True
    """
    environ = os.environ if environ is None else environ
    found: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "versions": _versions(),
        "platform": _platform(),
        "cpu": _cpu(environ),
        "blas": _blas(),
        "kernels": _kernels(environ),
        "gpu": _gpu(),
        "memory": _memory(),
        "disk": _disk(Path.cwd()),
        "terminal": _terminal(environ),
        "extras": _extras(),
    }
    findings = findings_of(found)
    found["findings"] = [asdict(each) for each in findings]
    found["ok"] = not any(each.broken for each in findings)
    return found


# -- what there is ------------------------------------------------------------------------------------


def _versions() -> dict[str, str | None]:
    return {"trainctl": __version__, "python": platform.python_version(), **{name: version(name) for name in NEEDED}}


def version(package: str) -> str | None:
    """Return a package's installed version, None where it is not installed.

    Example:
        >>> version("no-such-package") is None
        True
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _first_version(packages: Sequence[str]) -> str | None:
    return next((found for found in map(version, packages) if found), None)


def _platform() -> dict[str, str]:
    return {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "package": str(Path(__file__).parents[1]),
    }


def _cpu(environ: Mapping[str, str]) -> dict[str, Any]:
    from trainctl.backend.threads import usable_cores

    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TRAINCTL__THREADS")
    return {
        "model": _line_of(Path("/proc/cpuinfo"), "model name") or platform.processor() or None,
        "cores": os.cpu_count(),
        "affinity": affinity,
        "usable": usable_cores(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "variables": {name: environ[name] for name in names if name in environ},
    }


def _line_of(file: Path, key: str) -> str | None:
    """The value of the first line ``key : value`` of a file of the system's, None where it has none."""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            found = next((line for line in lines if line.startswith(key)), "")
    except OSError:
        return None
    return found.partition(":")[2].strip() or None


def _blas() -> list[dict[str, Any]]:
    import numpy  # noqa: F401 - loads the library that is looked for
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]  # it ships no types

    keys = ("internal_api", "version", "num_threads", "threading_layer", "architecture")
    return [{key: each.get(key) for key in keys} for each in threadpool_info() if each["user_api"] == "blas"]


def _kernels(environ: Mapping[str, str]) -> dict[str, Any]:
    from trainctl.backend import jit
    from trainctl.backend.kernel_cache import folder

    place = folder()
    sizes = _sizes(place) if place else []
    return {
        "kind": jit.kind(),
        "switched_off": environ.get("TRAINCTL_KERNELS") == "numpy",
        "numba": version("numba"),
        "folder": None if place is None else str(place),
        "writable": place is not None and _can_be_written(place),
        "files": len(sizes),
        "bytes": sum(sizes),
    }


def _sizes(place: Path) -> list[int]:
    try:
        with os.scandir(place) as entries:
            return [entry.stat().st_size for entry in entries if entry.is_file(follow_symlinks=False)]
    except OSError:
        return []


def _can_be_written(place: Path) -> bool:
    """Whether files can be made in a folder that is there, or that could be made."""
    try:
        nearest = next((each for each in (place, *place.absolute().parents) if each.exists()), None)
    except OSError:
        return False
    return nearest is not None and nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def _gpu() -> dict[str, Any]:
    from trainctl.backend.cuda import device_count, driver_devices, why_unavailable

    seen = driver_devices()
    return {
        "usable": device_count(),
        "seen_by_driver": seen if isinstance(seen, int) else 0,
        "why_not": why_unavailable(),
        "cupy": _first_version(EXTRAS["cuda"].packages),
    }


def _memory() -> dict[str, int | None]:
    """Bytes of memory: of the machine, free for use, and the container's limit where there is one."""
    sizes = {key: _line_of(Path("/proc/meminfo"), key) for key in ("MemTotal", "MemAvailable")}
    total, available = (int(text.split()[0]) * 1024 if text else None for text in sizes.values())
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        limit = "max"
    return {"total": total, "available": available, "limit": int(limit) if limit.isdecimal() else None}


def _disk(place: Path) -> dict[str, Any]:
    usage = shutil.disk_usage(place)
    return {"path": str(place), "total": usage.total, "free": usage.free, "writable": _can_be_written(place)}


def _terminal(environ: Mapping[str, str]) -> dict[str, Any]:
    return {
        "stdout": sys.stdout.isatty(),
        "stderr": sys.stderr.isatty(),
        "columns": shutil.get_terminal_size().columns,
        "term": environ.get("TERM"),
        "color": not environ.get("NO_COLOR") and environ.get("TERM") != "dumb",
        "encoding": sys.stderr.encoding,
        "locale": locale.setlocale(locale.LC_CTYPE),
        "file_names": sys.getfilesystemencoding(),
    }


def _extras() -> dict[str, dict[str, Any]]:
    return {
        name: {
            "installed": importlib.util.find_spec(extra.module) is not None,
            "version": _first_version(extra.packages),
            "adds": extra.adds,
            "install": f"pip install 'trainctl[{name}]'",
        }
        for name, extra in EXTRAS.items()
    }


# -- what is wrong ------------------------------------------------------------------------------------


def findings_of(found: Mapping[str, Any]) -> list[Finding]:
    """Return what is wrong in a report of :func:`run_doctor`, the worst first."""
    return sorted([*_installation(found), *_surroundings(found)], key=lambda each: not each.broken)


def _installation(found: Mapping[str, Any]) -> list[Finding]:
    findings = []
    missing = [name for name in NEEDED if found["versions"][name] is None]
    if missing:
        again = "install trainctl again with pip, into this Python"
        findings.append(Finding(f"not installed: {', '.join(missing)}", again, broken=True))
    kernels = found["kernels"]
    if kernels["numba"] and not kernels["writable"]:
        where = kernels["folder"] or "no folder"
        message = f"compiled loops cannot be kept: {where} cannot be written, and each start compiles them again"
        findings.append(Finding(message, "set TRAINCTL_CACHE_DIR to a folder that can be written"))
    if kernels["numba"] and kernels["switched_off"]:
        findings.append(Finding("TRAINCTL_KERNELS=numpy switches compiled loops off", "unset it for speed"))
    if not found["blas"]:
        findings.append(
            Finding("NumPy's BLAS library is not known: its threads cannot be set", "use NumPy's own wheels")
        )
    return findings


def _surroundings(found: Mapping[str, Any]) -> list[Finding]:
    findings = []
    disk, gpu, cpu = found["disk"], found["gpu"], found["cpu"]
    if not disk["writable"]:
        findings.append(Finding(f"{disk['path']} cannot be written", "run elsewhere, or give --output-dir"))
    if disk["free"] < _LEAST_DISK:
        findings.append(Finding(f"{disk['path']}: {disk['free'] / 2**20:.0f} MiB of disk are left", "make room"))
    if gpu["seen_by_driver"] and not gpu["usable"]:
        findings.append(
            Finding(f"there is a GPU that cannot be used: {gpu['why_not']}", "pip install 'trainctl[cuda]'")
        )
    if cpu["load"] is not None and cpu["load"] > 1.5 * (cpu["cores"] or 1):
        findings.append(Finding(f"other programs keep the processor busy: load {cpu['load']}", "expect slower steps"))
    if "utf" not in found["terminal"]["encoding"].lower():
        message = f"the terminal's encoding is {found['terminal']['encoding']}: names may look wrong"
        findings.append(Finding(message, "set LANG=C.UTF-8, or PYTHONUTF8=1"))
    return findings
