"""A simulated EnVision or EnSight whose software exports a CSV file after the read."""

from platectl_simulators.envision_csv.instrument import EnvisionCsvSimulator

__all__ = ["EnvisionCsvSimulator"]
