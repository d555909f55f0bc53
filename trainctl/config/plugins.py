"""``plugins:``: files and modules whose classes a config may name like trainctl's own.

Importing a plugin runs its code. A config that the user names may have its plugins imported; one that comes out of a
run or a checkpoint may not, unless the user names the plugins, too: see :func:`allow`.
"""

from __future__ import annotations

import os
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import PlainValidator

from trainctl.config.accepts import Accepts
from trainctl.config.plugin_classes import entries_of
from trainctl.config.plugin_import import PluginError, import_file, import_module
from trainctl.config.problems import Fault, Faults, misfit
from trainctl.config.tree import Node, Place
from trainctl.config.words import Expected
from trainctl.errors import Problem
from trainctl.registry import TABLES, Entry, Kind

VARIABLE = "TRAINCTL_PLUGINS"
"""Names plugins that may be imported whatever config wants them, as ``PATH`` names folders."""

RESOLVED = "config.resolved.yaml"
"""What a run calls its config: one of this name is nobody's own."""


@dataclass(frozen=True)
class Plugin:
    """A file or a module.

    Attributes:
        name: the file's path, seen from where the command runs, or the module's name.
        sha256: of its text.
    """

    name: str
    sha256: str | None = None

    @property
    def is_file(self) -> bool:
        """Whether it is a file."""
        return self.name.endswith(".py") or "/" in self.name or os.sep in self.name

    @property
    def title(self) -> str:
        """What it is known by wherever it lies: a file's own name, or the module's."""
        return pathlib.PurePath(self.name).name if self.is_file else self.name

    def plain(self) -> dict[str, str | None]:
        """As it stands in a resolved config."""
        return {"file" if self.is_file else "module": self.name, "sha256": self.sha256}


@dataclass
class Loaded:
    """What came of a config's plugins.

    Attributes:
        plugins: the plugins, as they are now.
        names: their classes.
        problems: what kept one from being imported.
        notices: which are no longer what the config recorded.
    """

    plugins: list[Plugin] = field(default_factory=list)
    names: dict[Kind, dict[str, Entry]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


@dataclass
class _Permission:
    """What this process may import for a config of a run."""

    named: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)  # of the configs that the user named


_permission = _Permission()


def allow(names: Sequence[str], command: Sequence[str] = ()) -> None:
    """Let plugins be imported for configs that come out of runs and checkpoints.

    Args:
        names: files and modules; they replace what was allowed before.
        command: the words of the command line, for an error that says how it should have been.
    """
    _permission.named, _permission.command = list(names), list(command)


def _allowed() -> list[Plugin]:
    named = [*_permission.named, *filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)), *_permission.own]
    return [Plugin(name) for name in named]


def parse_plugins(value: Any) -> tuple[Plugin, ...]:
    """Check a ``plugins:``; a plugin is a name, or a mapping as in a resolved config.

    Raises:
        Faults: every mistake in it.
    """
    if isinstance(value, tuple):  # as :func:`load_plugins` has them
        return value
    if not isinstance(value, list):
        raise Faults([misfit((), "a list of files and modules", value)])
    made: list[Plugin] = []
    faults = []
    for index, each in enumerate(value):
        plugin = _plugin(each)
        if plugin is None:
            faults.append(misfit((index,), "a file such as net.py, or a module's name", each))
        elif plugin.name in [other.name for other in made]:
            faults.append(Fault((index,), f"'{plugin.name}' is a plugin already"))
        else:
            made.append(plugin)
    if faults:
        raise Faults(faults)
    return tuple(made)


Plugins = Annotated[
    tuple[Plugin, ...],
    PlainValidator(parse_plugins),
    Accepts(list[str | dict[str, str]]),
    Expected("a list of files and modules"),
]


def _plugin(value: Any) -> Plugin | None:
    if isinstance(value, str) and value and "\0" not in value:
        return Plugin(value)
    if not isinstance(value, dict) or not value.keys() <= {"file", "module", "sha256"} or len(value) != 2:
        return None
    name, sha256 = value.get("file", value.get("module")), value.get("sha256")
    return Plugin(name, sha256) if isinstance(name, str) and name and isinstance(sha256, str) else None


def load_plugins(tree: Node, trusted: bool) -> Loaded:
    """Import the plugins of a config, where that is allowed.

    Args:
        tree: the config.
        trusted: whether the user named it; another may have imported what the user names alone.
    """
    loaded, node = Loaded(), tree.child("plugins")
    try:
        written = parse_plugins(node.plain()) if node else ()
    except Faults:
        return loaded  # which the schema will report
    for index, plugin in enumerate(written):
        item = node and node.child(index)
        assert item  # as it is in the list
        place = item.place
        found = _beside(plugin, place) if trusted else _named(plugin, _allowed())
        if found is None:
            loaded.problems.append(_refused(index, plugin, place))
        else:
            _import(loaded, index, plugin, found, place, trusted)
    return loaded


def _beside(plugin: Plugin, place: Place) -> Plugin:
    """A file as it is seen from here, once it was seen from the config that it is written in."""
    if not plugin.is_file or place.line is None:
        return plugin
    name = os.path.normpath(os.path.join(os.path.dirname(place.file), plugin.name))
    return replace(plugin, name=name if Plugin(name).is_file else os.path.join(os.curdir, name))


def _named(plugin: Plugin, allowed: Sequence[Plugin]) -> Plugin | None:
    """The plugin that the user named; a file may have moved."""
    same = [each for each in allowed if each.is_file == plugin.is_file and each.title == plugin.title]
    exact = [each for each in same if each.name == plugin.name]
    return next(iter(exact + same), None)


def _refused(index: int, plugin: Plugin, place: Place) -> Problem:
    message = f"plugins.{index}: {plugin.name} is not imported for a config of a run, as that would run its code"
    words = shlex.quote(plugin.name)
    if _permission.command:
        given = "".join(f" --plugins {shlex.quote(each)}" for each in _permission.named)
        command = f"trainctl {shlex.join(_permission.command)}"
        hint = f"if you trust it: {command if given in command else command + given} --plugins {words}"
    else:
        hint = f"if you trust it: --plugins {words}, or {VARIABLE}={words}"
    return place.problem(message, hint)


def _import(loaded: Loaded, index: int, written: Plugin, plugin: Plugin, place: Place, trusted: bool) -> None:
    where = f"plugins.{index}"
    try:
        if plugin.is_file:
            module, sha256 = import_file(plugin.name, written.sha256 if trusted else None)
        else:
            module, sha256 = import_module(plugin.name)
        found = entries_of(module, plugin.name)
    except PluginError as error:
        loaded.problems.append(place.problem(f"{where}: {error}", error.hint))
        return
    if trusted:
        _permission.own.append(plugin.name)
    if written.sha256 and written.sha256 != sha256:
        loaded.notices.append(f"{plugin.name}: changed since the run was recorded; results may differ")
    loaded.plugins.append(Plugin(plugin.name if trusted else written.name, sha256))
    for kind, entries in found.items():
        for name, entry in entries.items():
            message = _clash(kind, name, loaded.names)
            if message:
                loaded.problems.append(
                    place.problem(f"{where}: {plugin.name}: {message}", "give the class another name")
                )
            else:
                loaded.names.setdefault(kind, {})[name] = entry


def _clash(kind: Kind, name: str, names: Mapping[Kind, Mapping[str, Entry]]) -> str | None:
    """What to say of a name that is taken."""
    if name in names.get(kind, {}):
        return f"'{name}' is in {names[kind][name].target.rpartition(':')[0]} already"
    if name in TABLES[kind]:
        return f"'{name}' is a {kind} of trainctl"
    return None
