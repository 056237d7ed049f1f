r"""Vacuubrand CVC 3000 vacuum controller, and an LCUS-1 USB relay for the valve to the manifold.

Wire of the controller: RS-232, 19200 8N1, RTS/CTS; lines with CR LF. Queries answer; set commands
answer with their value once `ECHO 1` is on. A wrong command gets no answer at all, so that it ends
in a time-out. Wire of the relay: 9600 8N1, four bytes, no answer. Source: public clients that cite
the makers' manuals (PyLabware for the CVC, galago for the relay). Maturity: paper.

Responsible for: drawing a manifold down to a gauge pressure, holding and venting it. Not
responsible for: which plate stands on the manifold, emptying the catch pot, the lab's true
atmospheric pressure (`atmosphere_mbar`: the controller measures absolute pressure).

The relay says nothing, so the valve is known as commanded only (`valve_commanded`). Its coil is
released at `connect`, at `aclose`, by `abort` and after every use: that is the safe state. The
second conversation comes in `setup.extras["relay"]`, a Connector, when the lab file gives the
instrument a wire `relay`; without it the pump draws the manifold directly.

What became of a vacuum in doubt is told from the pressure only where this life knows what pump and
valve were told; else it is switched again, which is harmless. Who only observes commands nothing.

Unattested: which way the valve is plumbed (here: a released coil parts pump and manifold, venting
goes through the controller's own valve before that); width of the IN_ERR field; that bits in it
go out by themselves; the text of IN_VER; that ECHO, REMOTE and CVC change nothing
while the pump runs.
"""

from platectl_drivers.cvc3000.driver import CVC3000Filtration
from platectl_drivers.cvc3000.settings import Settings

__all__ = ["CVC3000Filtration", "Settings"]
