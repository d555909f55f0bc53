"""Help pages without rich, so that ``--help`` is instant: options under headings, examples at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from typer.core import TyperCommand, TyperGroup

_GENERAL = "Options"


class _Page:
    """How a command writes its help; a mix-in for Typer's command and group."""

    def collect_usage_pieces(self: Any, ctx: Any) -> list[str]:
        pieces = super().collect_usage_pieces(ctx)  # type: ignore[misc]  # the mix-in's other half has it
        # Typer braces what must be given, and puts dots after what may be given more than once.
        return [re.sub(r"[{}]", "", piece).replace("......", "...") for piece in pieces]

    def format_options(self: Any, ctx: Any, formatter: Any) -> None:
        for heading, records in _sections(self, ctx).items():
            with formatter.section(heading):
                formatter.write_dl(records)
        if isinstance(self, TyperGroup):
            self.format_commands(ctx, formatter)

    def format_epilog(self: Any, ctx: Any, formatter: Any) -> None:
        if self.epilog:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line}\n" for line in self.epilog.splitlines()))


class Command(_Page, TyperCommand):
    """A command whose help groups its options by ``rich_help_panel`` and ends in examples."""


class Group(_Page, TyperGroup):
    """The program itself, with the same help pages."""


def _sections(command: Any, ctx: Any) -> dict[str, list[tuple[str, str]]]:
    """Names and explanations under their headings, in the order they were declared; what all commands have is last."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for heading, name, text in _records(command, ctx):
        sections.setdefault(heading, []).append((name, text))
    general = sections.pop(_GENERAL, [])
    return {**sections, _GENERAL: general} if general else sections


def _records(command: Any, ctx: Any) -> Iterator[tuple[str, str, str]]:
    """Heading, name and explanation of every visible parameter, in the order they were declared."""
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is None:
            continue
        if param.param_type_name == "argument":
            yield "Arguments", param.metavar, param.help
        else:
            yield getattr(param, "rich_help_panel", None) or _GENERAL, *record
