r"""Precise PF400 plate mover over TCP 10100 (TCP Command Server on the maker's controller).

Wire: one command a line, LF; in PC mode (`mode 0`) each answer is one line `code[ data]`, CR LF,
where code 0 is good and negative codes are the maker's. Source: command set as used by the
PyLabRobot and galago clients and the maker's command server 3.0C1; codes -2800 to -2821 from
AD-SDL/pf400_module, -2850 to -2855 from PyLabRobot's table. Maturity: paper.

Responsible for: power, control, homing when it is needed, picking and placing at taught stations,
and knowing whether the gripper may hold a plate. Not responsible for: teaching, approach heights
and paths, which belong to the stations on the robot, nor for which plate stands where.

The interpreter of a conversation does one command at a time, so `waitForEom` is never sent; the
end of a motion is seen in `wherej`, and `abort` sends `halt` in a second conversation. When an
answer is lost the conversation is closed and must be opened anew, because a late answer would be
taken for another. When a plate may be in the gripper nothing is picked until `connect`.

The stations have no sensors and a gripped plate shows nowhere but in the answer of `pickplate`.
So `reconcile` waits until the arm stands and then knows only what this life heard: nothing was
picked before the first `pickplate`, nor when it was refused; all is done when `placeplate` was
answered. Otherwise a person must look.

Unattested: that `pickplate`, `placeplate` and `HomeAll_IfNoPlate` answer when they are done; what
a halted `pickplate` answers; what `IsFullyClosed` answers (evidence only); the text of `version`; the noise of a standing joint in `wherej`.
"""

from platectl_drivers.pf400.codec import parse_grip, parse_joints, parse_reply
from platectl_drivers.pf400.driver import PF400
from platectl_drivers.pf400.settings import Settings

__all__ = ["PF400", "Settings", "parse_grip", "parse_joints", "parse_reply"]
