"""How each kind of result is told: rows, tables, figures and warnings of one plate."""

from __future__ import annotations

from platectl.analysis.calcium import CalciumPlateResult
from platectl.analysis.kinetics import KineticsResult
from platectl.analysis.results import PlateResult
from platectl.analysis.saturation import SaturationResult
from platectl.report.model import PlateReport
from platectl.report.views.calcium import CalciumView
from platectl.report.views.competition import CompetitionView
from platectl.report.views.kinetics import KineticsView
from platectl.report.views.saturation import SaturationView
from platectl.report.views.view import Section, View

__all__ = ["Section", "View", "view_of"]


def view_of(plate: PlateReport) -> View | None:
    """The view of a plate's result; None when there is no result."""
    match plate.result:
        case PlateResult():
            return CompetitionView(plate, plate.result)
        case SaturationResult():
            return SaturationView(plate, plate.result)
        case KineticsResult():
            return KineticsView(plate, plate.result)
        case CalciumPlateResult():
            return CalciumView(plate, plate.result)
        case None:
            return None
