"""The report of a run on paper: what its HTML page says, with the same figures, as a PDF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from platectl.report.model import PlateReport, RunReport
from platectl.report.pages import Pages
from platectl.report.picture import Picture
from platectl.report.rows import result_rows
from platectl.report.text import INTERVALS, marks, tables, windows_table
from platectl.report.views import Section, view_of
from platectl.report.wells import KEY, well_table

FAILED = "PLATE FAILED: no value of it is to be used"


def write_pdf(path: Path, report: RunReport) -> None:
    """Write the report of one run."""
    pages_of(report).write(path)


def pages_of(report: RunReport) -> Pages:
    """Lay the report of one run out."""
    pages = Pages(report.title, foot([report]))
    _front(pages, report)
    for plate in report.plates:
        _plate(pages, plate)
    _night(pages, report)
    _review(pages, report)
    _provenance(pages, report)
    _wells(pages, report)
    return pages


def foot(reports: Sequence[RunReport]) -> str:
    """What stands under each page: whose it is, and what has to be known of its numbers."""
    names = ", ".join(report.run for report in reports)
    shown = names if len(names) <= 90 else f"{len(reports)} runs"  # noqa: PLR2004 a line
    return " · ".join((shown, *marks(reports)))


def _front(pages: Pages, report: RunReport) -> None:
    pages.heading(report.title, level=1)
    pages.marks(marks([report]))
    pages.paragraph(report.review.sentence)
    pages.paragraph(
        f"Run {report.run}, lab {report.lab}, {report.status}; {report.started} to {report.finished}."
    )
    for text in report.warnings:
        if text != report.review.sentence:
            pages.paragraph(text, warn=True)
    for title, table in tables(result_rows(report.plates)):
        pages.heading(title)
        pages.table(table)
        if title == "Ki":
            pages.paragraph(INTERVALS)


def _plate(pages: Pages, plate: PlateReport) -> None:
    from platectl.report.plate_plot import heat_map

    view = view_of(plate)
    pages.turn()
    pages.heading(f"Plate {plate.name} ({plate.barcode})")
    if plate.problem:
        pages.paragraph(plate.problem, warn=True)
    if view is not None:
        pages.paragraph(f"Plate state: {view.state}, {plate.basis.review}")
        if view.state == "fail":
            pages.marks([FAILED])
        for text in view.warnings:
            pages.paragraph(text, warn=True)
        for section in view.sections():
            if not section.folded:
                _section(pages, section)
    _pictures(pages, "Plate", heat_map(plate))
    if view is not None:
        pages.heading("Quality", level=3)
        pages.table(
            [
                ("metric", "limit", "state", "what it says"),
                *((m.name, m.limit, m.state, m.explanation) for m in view.qc),
            ]
        )
        for text in view.remarks:
            pages.paragraph(text, warn=True)


def _section(pages: Pages, section: Section) -> None:
    if section.pictures:
        _pictures(pages, section.title, section.pictures, section.note)
    if section.table:
        pages.heading(section.title, level=3)
        pages.table(section.table)


def _pictures(pages: Pages, title: str, pictures: Sequence[Picture], note: str = "") -> None:
    """Pictures under one heading, which stands on the page of the first."""
    for number, picture in enumerate(pictures):
        if number == 0:
            pages.heading(title, level=3, room_in=picture.height_in + (0.35 if note else 0.0))
            if note:
                pages.paragraph(note)
        pages.picture(picture)


def _night(pages: Pages, report: RunReport) -> None:
    from platectl.report.timeline_plot import timeline

    pages.turn()
    if report.windows:
        pages.heading("Windows")
        pages.table(windows_table(report.windows))
    if report.checks:
        pages.heading("Checks")
        pages.table(report.checks, head=False)
    _pictures(pages, "Timeline", timeline(report.steps))
    if report.conditions:
        pages.heading("Conditions")
        pages.table(report.conditions, head=False)
    pages.heading("Methods")
    views = [view for view in map(view_of, report.plates) if view]
    for text in dict.fromkeys(view.methods for view in views):
        pages.paragraph(text)


def _review(pages: Pages, report: RunReport) -> None:
    review = report.review
    if review.deeds:
        pages.heading("Review")
        deeds = [(str(d.number), d.at, d.by, d.what, d.reason) for d in review.deeds]
        pages.table([("", "when (UTC)", "who", "what", "why"), *deeds])
    if review.names:
        pages.heading(f"Codes of {review.study}", level=3)
        pages.table([("code", "compound"), *review.names.items()])
    pages.heading("Wells and points that no fit has", level=3, room_in=0.3)
    if review.exclusions:
        rows = [(e.plate, e.well, e.by, e.reason, e.at[:19]) for e in review.exclusions]
        pages.table([("plate", "well", "who", "why", "when"), *rows])
    else:
        pages.paragraph("None.")


def _provenance(pages: Pages, report: RunReport) -> None:
    pages.heading("Provenance")
    pages.table(list(provenance(report).items()), head=False)
    bases = [
        (plate.name, str(plate.basis.version or ""), plate.basis.review, plate.basis.provenance)
        for plate in report.plates
    ]
    pages.table([("plate", "version", "review", "SHA-256 of what its results rest on"), *bases])
    pages.paragraph(
        "What these last hashes are of stands in full in results.json and report.html of the run folder."
    )


def _wells(pages: Pages, report: RunReport) -> None:
    """The appendix: every well of every plate, in small print."""
    pages.turn()
    for number, plate in enumerate(report.plates):
        view = view_of(plate)
        name = f"Wells of plate {plate.name} ({plate.barcode})"
        name += f". {FAILED}" if view and view.state == "fail" else ""
        pages.heading(f"Appendix: {name}" if number == 0 else name, room_in=1.5)
        pages.paragraph(KEY)
        table = well_table(plate, report.review.exclusions)
        pages.table(table, close=True, name=f"{name}, continued")


def provenance(report: RunReport) -> Mapping[str, str]:
    """What a run was made of: the compiled run, software and files."""
    return {"compiled run (SHA-256)": report.run_hash, **report.versions, **report.files}
