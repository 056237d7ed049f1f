r"""Molecular Devices SpectraMax M5, 384 Plus and Gemini over RS-232, 9600 8N1.

Source: PyLabRobot `molecular_devices/spectramax` (MIT), `eizemazal/spectramax` (MIT) for framing,
SoftMax captures of a Gemini EM (shared/instruments-readers.md 1.1 to 1.9). Maturity: paper.

A command ends with `\r`; an answer is one or more fields, each ended by `>`. How many fields come
depends on command and model, so a field that is followed by quiet is the last. `FAIL` in any field is
a refusal, and its last tab-separated item the code. Undecodable bytes occur in answers of real
readers: outside numbers they do not matter, inside a number they are a malformed reply.

Responsible for: dual-excitation kinetics, with the data fetched during the read (a buffer that nobody
empties overflows), drawer, temperature. Not responsible for: additions. The compound-transfer
commands of the FlexStation are not public, so this reader says that it cannot add.

Decisions: the two values of a pass share the header's time; the reader takes a column at 340 and at
380 nm before the next (`!ORDER COLUMN`), so each column's times are offset by `column_s` and the
second wavelength by `switch_s`, which a lab measures. The header's first number is a device counter;
differences of it are seconds.

The commands of a read stand in the order that SoftMax Pro was captured to use with a Gemini EM; `!TOPREADCLEAR`
is sent to that family only. Replies to them were not published, so that there is no transcript of a read.

Unattested: the order on other models; the arguments of `!CANCEL`; the form of the number that `!QUEUE` answers, that the counter counts seconds, which code
refuses a read with the drawer open (the drawer is asked first), and the scan times.
"""

from platectl_drivers.spectramax.driver import Settings, SpectraMax

__all__ = ["Settings", "SpectraMax"]
