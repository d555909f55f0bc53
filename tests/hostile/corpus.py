"""Files that were made to do harm, under the names of ours. Each is written by code here; ``CASES`` lists them all."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hostile import archives, configs, headers, indexes

SECRET = "the secret outside"


class Evil:
    """What runs when a pickle of it is read."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.system, ("touch pwned",)


@dataclass(frozen=True)
class Case:
    """A hostile file.

    Attributes:
        name: what it is.
        target: what is given it: ``load``, ``config``, ``idx``, ``checkpoint``, ``run`` or ``resume``.
        make: writes it; told the folder for it, with a whole checkpoint or run in it where the target is one.
    """

    name: str
    target: str
    make: Callable[[Path], Path]


def content(data: bytes, name: str = "file") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def special(kind: str, name: str = "file") -> Callable[[Path], Path]:
    """No file with bytes in it: a pipe, a device, a hole, a link out of the folder."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.unlink(missing_ok=True)
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "sparse":
            with path.open("wb") as file:
                file.truncate(1 << 40)
        elif kind == "directory":
            path.mkdir()
        else:
            path.symlink_to({"zero": "/dev/zero", "loop": path, "outside": folder.parent / "secret"}[kind])
        return path

    return make


def in_checkpoint(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
    return lambda folder: make(folder).parent


def changed(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], Path]:
    """A checkpoint whose index says something else, with the right checksum."""

    def make(folder: Path) -> Path:
        indexes.rewrite(folder, change)
        return folder

    return make


def linked(link: str, target: str) -> Callable[[Path], Path]:
    """A run with a link in it."""

    def make(run: Path) -> Path:
        path = run / link
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        return run

    return make


def replaced(name: str, make: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """A run one of whose files is another."""

    def write(run: Path) -> Path:
        (run / name).unlink(missing_ok=True)
        os.rename(make(run), run / name)
        return run

    return write


PICKLE = pickle.dumps(Evil())
NESTED = b"[" * 100_000
SPECIAL = ("fifo", "zero", "sparse", "directory", "loop")
MODEL, STATE, INDEX = "model.safetensors", "state.safetensors", "checkpoint.json"
OUTSIDE = "../../../secret-run/checkpoints/step-00000015"

CASES = [
    *(Case(f"header: {name}", "load", content(data)) for name, data in headers.FILES.items()),
    Case("pickle", "load", content(PICKLE)),
    Case("NumPy array of objects", "load", content(archives.npy_of_objects(PICKLE))),
    Case("zip bomb", "load", content(archives.zip_bomb())),
    *(Case(kind, "load", special(kind)) for kind in SPECIAL),
    *(Case(f"yaml: {name}", "config", content(data, "a.yaml")) for name, data in configs.FILES.items()),
    Case("pickle", "config", content(PICKLE, "a.yaml")),
    *(Case(kind, "config", special(kind, "a.yaml")) for kind in SPECIAL),
    *(Case(f"idx: {name}", "idx", content(data)) for name, data in archives.IDX_FILES.items()),
    Case("pickle", "idx", content(PICKLE)),
    *(Case(kind, "idx", special(kind)) for kind in SPECIAL),
    *(Case(f"index: {name}", "checkpoint", changed(change)) for name, change in indexes.CHANGES.items()),
    *(
        Case(f"{name}: {what}", "checkpoint", in_checkpoint(content(data, name)))
        for name in (MODEL, STATE, INDEX)
        for what, data in {"pickle": PICKLE, "nested": NESTED, "empty": b""}.items()
    ),
    *(
        Case(f"{name}: {kind}", "checkpoint", in_checkpoint(special(kind, name)))
        for name in (MODEL, STATE, INDEX)
        for kind in (*SPECIAL, "outside")
        if kind != "directory"
    ),
    *(
        Case(f"sealed: {name}", "checkpoint", lambda folder, data=data: indexes.seal_model(folder, data))
        for name, data in headers.FILES.items()
    ),
    *(Case(f"json: {name}", "checkpoint", in_checkpoint(content(data, INDEX))) for name, data in indexes.TEXTS.items()),
    Case("checkpoints lead outside", "run", linked("checkpoints", "../../secret-run/checkpoints")),
    *(
        Case(f"{link} leads to {target}", "run", linked(f"checkpoints/{link}", target))
        for link in ("last", "best")
        for target in (OUTSIDE, "/etc", "..", link)
    ),
    Case("a pointer file leads outside", "run", replaced("checkpoints/best", content(OUTSIDE.encode()))),
    Case("a pointer file without an end", "run", replaced("checkpoints/best", special("zero"))),
    Case("the config leads outside", "resume", linked("config.resolved.yaml", "../../secret")),
    *(Case(f"config {kind}", "resume", replaced("config.resolved.yaml", special(kind))) for kind in ("fifo", "zero")),
    Case("the lock leads outside", "resume", linked(".trainctl.lock", "../../secret")),
    Case("a device for a lock", "resume", linked(".trainctl.lock", "/dev/zero")),
    Case("history without figures", "resume", lambda run: indexes.rewrite_last(run, indexes.drop_figures)),
    Case("optimizer of another kind", "resume", lambda run: indexes.rewrite_last(run, indexes.other_optimizer)),
    Case("no optimizer", "resume", lambda run: indexes.rewrite_last(run, indexes.no_optimizer)),
    Case("a random stream of zeros", "resume", lambda run: indexes.rewrite_last(run, indexes.other_stream)),
]


def harmless(run: Path) -> dict[str, Callable[[Path], Path]]:
    """What is odd in a run and must not matter: it stays unread, and nothing is written through it."""
    return {
        "metrics lead outside": linked("metrics.jsonl", "../../secret"),
        "the summary leads outside": linked("summary.json", "../../secret"),
        "an unfinished file leads outside": linked(".tmp-summary.json", "../../secret"),
        "summary: nested": replaced("summary.json", content(NESTED)),
        "summary: a pipe": replaced("summary.json", special("fifo")),
    }


def write_secret(root: Path, run: Path) -> None:
    """What lies outside the cases' folders: a file and a run that none of them may open."""
    (root / "secret").write_text(json.dumps({"key": SECRET}) + struct.pack("<Q", 2).decode())
    shutil.copytree(run, root / "secret-run", symlinks=True)
