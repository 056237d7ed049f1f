"""The catalogue of curves by short names, for use without a lab.

Curves that need constants of an assay (radioligand, Kd, background) are made by functions:
`one_site_ki`, `heterologous_with_depletion`, `competition_mass_action`, `saturation_naive`,
`saturation_with_depletion`, `association`, `competitive_kinetics`.
"""

from __future__ import annotations

from platectl.analysis.calcium.bell import BELL_SHAPED
from platectl.analysis.dose_response import (
    FIVE_PARAMETER,
    FOUR_PARAMETER,
    ONE_SITE,
    TWO_SITES,
    log_logistic,
)
from platectl.analysis.errors import AnalysisError
from platectl.analysis.kinetic_models import DISSOCIATION, DISSOCIATION_TWO_PHASE
from platectl.analysis.model import Model
from platectl.domain.codes import Code

MODELS: dict[str, Model] = {
    "one-site": ONE_SITE,
    "two-site": TWO_SITES,
    "4PL": FOUR_PARAMETER,
    "5PL": FIVE_PARAMETER,
    "bell-shaped": BELL_SHAPED,
    "LL.3": log_logistic(lower=False),
    "LL.4": log_logistic(),
    "LL.5": log_logistic(asymmetric=True),
    "dissociation": DISSOCIATION,
    "two-phase dissociation": DISSOCIATION_TWO_PHASE,
}


def model_named(model: Model | str) -> Model:
    """The model itself, or the one of that short name.

    Raises:
        AnalysisError: No model has that name.
    """
    if isinstance(model, Model):
        return model
    if model not in MODELS:
        message = f"No model is called '{model}'; there are {', '.join(MODELS)}."
        raise AnalysisError(message, Code.NAME_UNKNOWN)
    return MODELS[model]
