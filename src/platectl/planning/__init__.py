"""From an assay protocol to a checked, frozen and timed run."""
