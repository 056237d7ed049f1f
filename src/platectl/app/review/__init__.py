"""Review of results: looks, exclusions, versions of the analysis, signatures, and what they rest on."""
