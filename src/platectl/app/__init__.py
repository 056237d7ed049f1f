"""The composition root: files to streams, drivers, engine, analysis and reports."""
