"""Aliquots of the radioligand beside a plate: which of them tell which level."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from platectl.domain.assay import AssayProtocol
from platectl.domain.layout import PLATE, WellPlan
from platectl.domain.step_docs import AliquotDoc
from platectl.domain.wells import expand_wells


def columns_of(text: str) -> tuple[int, ...]:
    """Expand `3` or `1-12`."""
    first, _, last = text.partition("-")
    return tuple(range(int(first), int(last or first) + 1))


def copied_columns(protocol: AssayProtocol) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Columns of the prepared radioligand with the columns of the standards that they are copied to."""
    for doc in protocol.steps.values():
        if (
            isinstance(doc, AliquotDoc)
            and doc.into == protocol.analysis.standards
            and protocol.labware[doc.source].prepared == "radioligand"
        ):
            yield from ((source, columns_of(text)) for source, text in doc.columns.items())


def aliquots_of(protocol: AssayProtocol, wells: Iterable[WellPlan]) -> tuple[tuple[str, ...], ...]:
    """Wells of the standards that hold each radioligand level, in the order of the levels.

    Where columns of the prepared radioligand are copied, the plate map says what is in them; of other
    standards the protocol does.
    """
    copied = list(copied_columns(protocol))
    if not copied or protocol.binding is None or not protocol.binding.levels:
        return tuple(tuple(expand_wells(text, PLATE)) for text in protocol.analysis.aliquots)
    levels = protocol.binding.levels
    held = {w.well: w.radioligand_molar for w in wells if w.role != "empty"}
    found: dict[float, list[str]] = defaultdict(list)
    for source, targets in copied:
        for target in targets:
            for into, well in zip(PLATE.column(target), PLATE.column(source), strict=True):
                found[held.get(well) or 0.0].append(into)
    return tuple(tuple(found[level]) for level in levels)
