"""Bundled assay protocols, labware, lab and sample files, as data."""
