"""Who makes and who reads each value of a trace, and records put in the place of others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from trainctl.autograd.op import Op
from trainctl.plan.liveness import read_by, values_in
from trainctl.plan.trace import Apply, Effect, Record, Value, Write


class Neighbours:
    """A list of records that can be changed.

    Args:
        records: in order.
        result: what the step returns.
    """

    def __init__(self, records: list[Record], result: Any) -> None:
        self._records: list[Record | None] = list(records)
        self._place = {id(record): place for place, record in enumerate(records)}
        self._maker: dict[Value, Apply] = {}
        self._readers: dict[Value, list[Record]] = defaultdict(list)
        self._returned = {each.root for each in values_in(result)}
        for record in records:
            for value in read_by(record):
                self._readers[value.root].append(record)
            if isinstance(record, Apply) and not record.is_view:
                self._maker.update(dict.fromkeys(record.outputs, record))

    def of(self, op: type[Op]) -> Iterator[Apply]:
        """Yield the records of an op that are still there, in order."""
        for record in self._records:
            if isinstance(record, Apply) and record.op is op and not isinstance(record, Write) and not record.is_view:
                yield record

    def writes(self) -> Iterator[Write]:
        """Yield the writes that are still there."""
        for record in self._records:
            if isinstance(record, Write):
                yield record

    def is_there(self, record: Record) -> bool:
        """Return whether a record has not been put away."""
        place = self._place.get(id(record))
        return place is not None and self._records[place] is record

    def maker(self, value: Any, op: type[Op]) -> Apply | None:
        """Return the application of an op that made a value, None if it is another or no longer there."""
        made = self._maker.get(value) if isinstance(value, Value) else None
        return made if made is not None and made.op is op and self.is_there(made) else None

    def readers(self, value: Value) -> list[Record] | None:
        """Return who reads a value, or a view of it, each as often as it does; None if the caller gets it."""
        return None if value.root in self._returned or value.base is not None else self._readers[value.root]

    def only_reader(self, value: Value) -> Record | None:
        """Return the one record that reads a value, None if there are others."""
        readers = self.readers(value)
        return readers[0] if readers is not None and len(readers) == 1 else None

    def first(self, members: Sequence[Record]) -> Record:
        """Return the first of several records."""
        return min(members, key=lambda each: self._place[id(each)])

    def may_move(self, members: Sequence[Record], inputs: Sequence[Any], to: Record) -> bool:
        """Return whether what records do with ``inputs`` can be done in the place of one of them.

        That is if the inputs are there by then, and nobody writes over one of them while the records are at it.
        """
        places = [self._place[id(each)] for each in members]
        roots = {each.root for each in inputs if isinstance(each, Value)}
        for value in (each for each in inputs if isinstance(each, Value)):
            made = self._maker.get(value.root)
            if made is not None and self._place[id(made)] >= self._place[id(to)]:
                return False
        between = self._records[min(places) : max(places)]
        return not any(isinstance(each, Effect) or _writes(each, roots) for each in between)

    def replace(self, members: Sequence[Record], to: Record, record: Record) -> None:
        """Put a record in the place of one of several, which go."""
        for each in members:
            self._records[self._place[id(each)]] = None
        self._records[self._place[id(to)]] = record

    def records(self) -> list[Record]:
        """Return what is there now."""
        return [each for each in self._records if each is not None]


def _writes(record: Record | None, roots: set[Value]) -> bool:
    return isinstance(record, Write) and record.inputs[0].root in roots
