"""A simulated CLARIOstar Plus, firmware 1.35: frames, status bits, runs whose records fill.

Written from shared/instruments-readers.md 2 and its captures. Assumed where no source speaks: a
RUN with the drawer out, without a plate or with a layout that is not understood is answered by a
status and does nothing; so is a drawer command during a run. Values are counted in all chromatics.
Unread records come in their order; while a run goes there is none. A scan that is not one-way goes
down all columns likewise.
"""

from platectl_simulators.clariostar.reader import ClariostarSimulator

__all__ = ["ClariostarSimulator"]
