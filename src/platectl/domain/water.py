"""Volumes from masses of water that a balance reads in air: the factor Z of ISO 8655-6.

It corrects for the density of water (Tanaka et al., Metrologia 38, 301, 2001) and for the buoyancy of air on
water and on the balance's weights of 8000 kg/m3.
"""

from __future__ import annotations

import math
from typing import Final

from platectl.domain.errors import UserInputError

WEIGHTS_KG_PER_M3: Final = 8000.0
TEMPERATURES_C: Final = (4.0, 40.0)


def water_kg_per_m3(temperature_c: float) -> float:
    """Density of air-free water at 1013 hPa.

    Raises:
        UserInputError: Outside 4 to 40 C.
    """
    low, high = TEMPERATURES_C
    if not low <= temperature_c <= high:
        raise UserInputError(f"water of {temperature_c:g} C: {low:g} to {high:g} C are known")
    away = temperature_c - 3.983035
    curve = away**2 * (temperature_c + 301.797) / (522528.9 * (temperature_c + 69.34881))
    return 999.974950 * (1.0 - curve)


def air_kg_per_m3(temperature_c: float, pressure_hpa: float, humidity_percent: float) -> float:
    """Density of air, by the simplified formula of the CIPM."""
    vapour = 0.009 * humidity_percent * math.exp(0.061 * temperature_c)
    return (0.34848 * pressure_hpa - vapour) / (273.15 + temperature_c)


def z_ul_per_mg(
    temperature_c: float, pressure_hpa: float = 1013.25, humidity_percent: float = 50.0
) -> float:
    """Microlitres of water for each milligram that a balance reads.

    Raises:
        UserInputError: Outside 4 to 40 C.
    """
    air = air_kg_per_m3(temperature_c, pressure_hpa, humidity_percent)
    buoyancy = (1.0 - air / WEIGHTS_KG_PER_M3) / (water_kg_per_m3(temperature_c) - air)
    return 1000.0 * buoyancy
