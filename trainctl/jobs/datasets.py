"""What data there is to train on, and small data sets made on the spot."""

from __future__ import annotations

import difflib
import inspect
import json
from pathlib import Path
from typing import Any

from trainctl.errors import UsageError

SCHEMA_VERSION = 1
"""Of what :func:`list_data` and :func:`make_data` return."""

DATASETS = Path("datasets")
"""Where data sets are, unless told otherwise."""


def list_data(root: str | Path | None = None) -> dict[str, Any]:
    """Return the kinds of data that a config may name, what can be made, and what a folder holds, as plain data.

    Args:
        root: the folder; default: ``datasets``.

    Example:
        >>> [kind["name"] for kind in list_data()["kinds"]][:2]
        ['CSV', 'ImageFolder']
    """
    from trainctl.data.makers import MAKERS
    from trainctl.registry import TABLES

    folder = Path(root or DATASETS)
    found = sorted(each for each in folder.iterdir() if not each.name.startswith(".")) if folder.is_dir() else []
    return {
        "schema_version": SCHEMA_VERSION,
        "kinds": [_kind(name) for name in TABLES["dataset"]],
        "makers": [{"name": name, "title": maker.title} for name, maker in MAKERS.items()],
        "folder": str(folder),
        "found": [{"path": str(each), "bytes": _size(each)} for each in found if each.is_dir()],
    }


def _kind(name: str) -> dict[str, Any]:
    from trainctl.registry import TABLES, resolve

    cls, entry = resolve("dataset", name), TABLES["dataset"][name]
    given = [each for each in inspect.signature(cls).parameters.values() if each.name not in entry.excluded]
    return {
        "name": name,
        "title": (cls.__doc__ or "").strip().partition("\n")[0].replace("``", ""),
        "arguments": [
            {"name": each.name, "required": each.default is each.empty}
            | ({} if each.default is each.empty else {"default": each.default})
            for each in given
        ],
    }


def _size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file() and not each.is_symlink())


def make_data(
    name: str, folder: str | Path, *, samples: int = 1500, seed: int = 0, force: bool = False
) -> dict[str, Any]:
    """Write a small data set and a config that trains on it.

    Args:
        name: which, as :data:`trainctl.data.makers.MAKERS` has it.
        folder: where; made if need be.
        samples: to train on; a third as many to test with.
        seed: the same seed gives the same files.
        force: write over files that are there.

    Raises:
        UsageError: there is no such data set, or a file is there already.
    """
    from trainctl.data.makers import MAKERS
    from trainctl.storage.files import replace_file

    maker, folder = MAKERS.get(name), Path(folder)
    if maker is None:
        near = difflib.get_close_matches(name, MAKERS, n=1)
        known = f"there are {', '.join(MAKERS)}"
        raise UsageError(f"no data set '{name}' to make", hint=f"did you mean {near[0]}? {known}" if near else known)
    paths = {part: folder / f"{part}{maker.suffix}" for part in ("train", "test")}
    paths["config"] = folder / f"{name}.yaml"
    taken = [path for path in paths.values() if path.exists()]
    if taken and not force:
        raise UsageError(f"{taken[0]}: is there already", hint="--force writes over it")
    quoted = {part: json.dumps(str(path), ensure_ascii=False) for part, path in paths.items() if part != "config"}
    config = f"# {maker.title}\n#\n#   trainctl train {paths['config']}\n\nname: {name}\nseed: 0\n\n{maker.config.format(**quoted)}"
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(paths["train"], maker.files(samples, seed, "train"))
    replace_file(paths["test"], maker.files(-(-samples // 3), seed, "test"))
    replace_file(paths["config"], config.encode())
    return {"schema_version": SCHEMA_VERSION, "name": name, "files": {part: str(path) for part, path in paths.items()}}
