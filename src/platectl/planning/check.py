"""Checks before anything moves: names, labware, tips, windows; every finding at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from platectl.domain.assay import AssayProtocol
from platectl.domain.findings import Finding
from platectl.domain.labware import LabwareKind
from platectl.domain.steps import Step, Window
from platectl.domain.wells import PlateFormat
from platectl.files.yaml_lines import Document
from platectl.planning.build import PlateBuilder
from platectl.planning.schedule import edge_s
from platectl.steps import kind_of
from platectl.steps.harvest import Filter
from platectl.steps.transfer import TipUse, Transfer, covered

LABWARE_FIELDS = (
    "labware",
    "into",
    "source",
    "filter",
    "stocks",
    "tips",
    "wash_tips",
    "lid",
    "then_into",
    "wash_from",
)


def check_protocol(
    protocol: AssayProtocol, document: Document, catalogue: Mapping[str, LabwareKind]
) -> list[Finding]:
    """Names that point nowhere: labware kinds, liquids, steps of `after`, windows and anchors."""
    findings = []
    for name, use in protocol.labware.items():
        if use.kind not in catalogue:
            fix = f"use one of: {', '.join(sorted(catalogue))}"
            findings.append(
                document.finding(("labware", name, "kind"), f"{use.kind!r} is no labware kind", fix)
            )
        if use.liquid is not None and use.liquid not in protocol.liquids:
            findings.append(
                document.finding(
                    ("labware", name, "liquid"),
                    f"{use.liquid!r} is no liquid",
                    "define it in liquids",
                )
            )
    for name, doc in protocol.steps.items():
        findings += _step_names(protocol, name, doc.model_dump(), document)
    findings += _window_names(protocol, document)
    return findings


def _step_names(
    protocol: AssayProtocol, name: str, fields: Mapping[str, object], document: Document
) -> list[Finding]:
    findings = []
    earlier = list(protocol.steps)[: list(protocol.steps).index(name)]
    for field in LABWARE_FIELDS:
        value = fields.get(field)
        for labware in value if isinstance(value, (tuple, list)) else [value]:
            if isinstance(labware, str) and labware not in protocol.labware:
                fix = f"use one of: {', '.join(protocol.labware)}"
                findings.append(
                    document.finding(("steps", name, field), f"{labware!r} is no labware", fix)
                )
    liquid = fields.get("liquid")
    if liquid is not None and liquid not in protocol.liquids:
        fix = f"use one of: {', '.join(protocol.liquids)}"
        findings.append(
            document.finding(("steps", name, "liquid"), f"{liquid!r} is no liquid", fix)
        )
    after = fields.get("after")
    pointers = [
        *(after if isinstance(after, (tuple, list)) else ()),
        *([fields["since"]] if fields.get("since") else []),
    ]
    findings += [document.finding(("steps", name, "after"), f"{other!r} is no earlier step", "name a step that is written before")
                 for other in pointers if other not in earlier]  # fmt: skip
    until = fields.get("until") or fields.get("before") or fields.get("paced_by")
    if isinstance(until, str) and until not in protocol.steps:
        findings.append(
            document.finding(("steps", name, "until"), f"{until!r} is no step", "name a step")
        )
    return findings


def _window_names(protocol: AssayProtocol, document: Document) -> list[Finding]:
    findings = []
    for name, window in protocol.windows.items():
        for field in ("since", "until"):
            step = getattr(window, field)
            if step not in protocol.steps:
                findings.append(
                    document.finding(
                        ("windows", name, field), f"{step!r} is no step", "name a step"
                    )
                )
        if window.at_most is not None and window.at_most < window.at_least:
            message = f"at_most ({window.at_most / 60:g} min) is below at_least ({window.at_least / 60:g} min)"
            findings.append(document.finding(("windows", name), message, "exchange them"))
        if window.ideal is not None and not window.at_least <= window.ideal <= (
            window.at_most or window.ideal
        ):
            findings.append(
                document.finding(
                    ("windows", name, "ideal"),
                    "is outside the window",
                    "put it between at_least and at_most",
                )
            )
    return findings


def check_placement(builder: PlateBuilder) -> list[Finding]:
    """Two labwares that a person would have to put on the same place."""
    taken: dict[str, str] = {}
    findings = []
    for labware, position in builder.spot.items():
        if position in taken and builder.kind(labware).role != "lid":
            where = f"placement.{labware}"
            fix = "give each labware of a protocol its own position in the lab file"
            message = f"{labware!r} and {taken[position]!r} both start on {position}"
            findings.append(Finding(message, "", None, where, fix))
        taken[position] = labware
    return findings


def check_tips(
    steps: Sequence[Step], kinds: Mapping[str, LabwareKind], *, file: str
) -> list[Finding]:
    """Every pick-up must find its tips, and a tip must hold what it draws."""
    left = {
        name: set(PlateFormat.of(96).by_row())
        for name, kind in kinds.items()
        if kind.role == "tip_rack"
    }
    findings: dict[tuple[str, str], Finding] = {}
    for step in steps:
        for use in _tip_uses(step):
            where = f"{step.id} ({step.title}), {use.rack} {use.tip_well}"
            if use.rack not in left:
                findings.setdefault(
                    (step.id, use.rack),
                    Finding("is no tip rack", file, None, where, "use labware of role tip_rack"),
                )
                continue
            wanted = set(covered(use.channels, use.tip_well))
            if not wanted <= left[use.rack]:
                missing = len(wanted - left[use.rack])
                findings.setdefault(
                    (step.id, use.rack),
                    Finding(
                        f"{missing} tips are used up",
                        file,
                        None,
                        where,
                        "add a rack or return tips",
                    ),
                )
            if use.finish == "drop":
                left[use.rack] -= wanted
            most = max(max(m.volume_ul, m.mix_ul) for m in use.moves)
            if most > kinds[use.rack].tip_volume:
                findings.setdefault(
                    (step.id, "volume"),
                    Finding(
                        f"{most:g} uL in a {kinds[use.rack].tip_volume:g} uL tip",
                        file,
                        None,
                        where,
                        "use larger tips",
                    ),
                )
    return list(findings.values())


def _tip_uses(step: Step) -> Sequence[TipUse]:
    kind = kind_of(step)
    if isinstance(kind, Transfer):
        return kind.uses
    if isinstance(kind, Filter):
        return [u for u in (kind.suspension, *kind.washes) if u is not None]
    return ()


def check_windows(
    steps: Sequence[Step], windows: Sequence[Window], document: Document
) -> list[Finding]:
    """Windows that the planned times break, by arithmetic alone."""
    times = {step.id: step for step in steps}
    findings = []
    for window in windows:
        start = edge_s(times[window.start.step], window.start.edge)
        end = edge_s(times[window.end.step], window.end.edge)
        verdict = window.verdict(end - start, tolerance_s=1.0)
        if verdict:
            finding = document.finding(
                ("windows", window.name),
                f"cannot be kept: {verdict}",
                "change the steps between or the window",
            )
            findings.append(finding if window.hard else replace(finding, severity="warning"))
    return findings
