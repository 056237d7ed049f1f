"""Hidex Sense (Beta) plate counter, by the HTTP adapter that an open-source lab wrote for it.

Wire: HTTP/1.1, port 2005; actions travel in the query string of a POST that blocks until they
are over. Source: the adapter's published code (AD-SDL/hidex_module) and the vendor's interface
file beside it. Maturity: paper.

Responsible for: running the assay template that counts for as long as asked, once, and reading
its workbook strictly. The adapter is trusted with little: it is asked whether it is idle before
every assay, an assay is never posted a second time within a call, and a workbook is taken only
if its file was not taken before, its end times lie within this assay, and its wells and counting
times are those asked for. Not responsible for: creating templates, and for stopping an assay,
which the adapter cannot.

The adapter takes no title, so that none can be checked unless the instrument writes it into the
plate column (`plate_is_title`). The carrier is left open after counting, for an arm to reach it.

Unattested: the layout of the workbook, which `columns` declares (without it a count is refused) and which must be met exactly;
that the Beta model answers to this adapter at all; detectors and overhead.
"""

from platectl_drivers.hidex_sense.driver import HidexSense
from platectl_drivers.hidex_sense.settings import Columns, Settings

__all__ = ["Columns", "HidexSense", "Settings"]
