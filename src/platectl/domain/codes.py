"""Names of data findings: what is wrong with a file or an array, and what would be right.

A name is for good: scripts and people refer to it. `python -m benchmarks.data_findings --write` makes
the page docs/reference/data-findings.md of this table.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """Name of a finding; `meaning` says what was found, `remedy` what would be right."""

    meaning: str
    remedy: str

    def __new__(cls, name: str, meaning: str, remedy: str) -> Self:
        """A name that is text, with two sentences."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.meaning, member.remedy = meaning, remedy
        return member

    def __str__(self) -> str:
        return str(self.value)

    # fmt: off
    # Files
    FILE_UNREADABLE = "file-unreadable", "The file is not there, or the system refuses it.", "Name a file that can be read."
    NOT_TEXT = "not-text", "Bytes that are neither UTF-8 nor UTF-16 text.", "Export the file again as CSV (UTF-8)."
    NOT_CSV = "not-csv", "Quotes or separators that no CSV has.", "Export the file again as CSV (UTF-8)."
    NOT_WORKBOOK = "not-workbook", "A file called .xlsx that is none, or is damaged.", "Save it as .xlsx."
    NOT_YAML = "not-yaml", "Text that is no YAML mapping.", "Correct the line."
    NOT_AN_EXPORT = "not-an-export", "Neither a table with wells and cpm nor an export that platectl knows.", "Give an export of a known counter, or a table with the columns well and cpm."
    EXPORT_DAMAGED = "export-damaged", "An export of an instrument that is cut off, was edited, or contradicts itself.", "Export it again."
    NOT_PRISM = "not-prism", "No Prism XML file, or one of a kind that Prism does not write.", "Save it in Prism as .pzfx."
    PRISM_FORMAT = "prism-format", "A Prism table whose X or Y are not plain numbers in replicates.", "Enter X as numbers and Y as replicates."
    PRISM_NO_TABLE = "prism-no-table", "A Prism file without an XY table.", "Enter the data as XY."
    NOT_A_TABLE = "not-a-table", "Neither a head line nor a grid of columns 1 to 12 and rows A to H.", "Add the head line, or the numbers and letters of the grid."
    NO_ROWS = "no-rows", "A head line and nothing below it.", "Write one line for each well, compound or point."
    CUT_OFF = "cut-off", "The last line has no end, so the file may have been cut off within a number.", "Compare the last line with the source; a whole file ends with a line end."
    PLATE_UNKNOWN = "plate-unknown", "A file of several plates and none was named, or another.", "Choose with --plate."
    # Tables
    COLUMN_MISSING = "column-missing", "A column that is needed is not there.", "Use the columns that the message lists."
    COLUMN_UNKNOWN = "column-unknown", "A column that is not known, or is misspelt.", "Use the columns that the message lists."
    COLUMN_TWICE = "column-twice", "Two columns of one name.", "Keep one."
    ROW_LENGTH = "row-length", "A line with more cells than the head, as decimal commas make them.", "Quote commas, and write decimals with a point."
    GRID_ROWS = "grid-rows", "A grid whose rows are not lettered A to H.", "Write A to H beside it."
    CELL_ERROR = "cell-error", "A cell of a workbook that shows an error (#N/A, #DIV/0!).", "Correct the formula, or leave the cell empty."
    CELL_UNKNOWN = "cell-unknown", "A cell of a plate map that says nothing known.", "Write a role, or a series like test1.2/5."
    # Numbers
    NUMBER_MISSING = "number-missing", "An empty cell where a number is needed.", "Write the number, or leave the whole line out."
    NOT_A_NUMBER = "not-a-number", "Text where a number is needed.", "Write it like 1234.5, without a unit."
    NUMBER_COMMA = "number-comma", "A number with a comma or a blank, which may mean decimals or thousands.", "Write it like 1234.5."
    NOT_FINITE = "not-finite", "Infinity or not-a-number, as overflow and failed divisions leave them.", "Leave the value out."
    COUNT_NEGATIVE = "count-negative", "A count or a time below zero, as subtracted backgrounds leave them.", "Give gross counts, background included."
    COUNT_NOT_WHOLE = "count-not-whole", "Raw counts with decimals.", "Give the counts as counted."
    COUNTS_CONTRADICT = "counts-contradict", "Counts, time and cpm of a line that do not go together.", "Correct the line, or its unit of time."
    COUNT_TIME = "count-time", "A counting time of zero, or another than that of the protocol or of the other wells.", "Write the counting time in seconds."
    COUNT_ABOVE_ADDED = "count-above-added", "A well with more counts than all radioactivity that was added to it.", "Check the number, the unit (cpm, not dpm) and the protocol."
    # Wells
    NOT_A_WELL = "not-a-well", "A name that is no well.", "Write a row letter and a column, like A1 or H12."
    WELL_OUTSIDE = "well-outside", "A well that the plate does not have.", "Use A1 to H12."
    WELL_TWICE = "well-twice", "A well that is there twice, or has two meanings.", "Keep one."
    WELL_MISSING = "well-missing", "Wells of the plate map without a count; they are left out.", "Count them, or be content with fewer replicates."
    WELL_UNKNOWN = "well-unknown", "Wells that were counted and that the plate map does not know.", "Choose the layout with --layout, or give a plate map."
    WELL_UNASSIGNED = "well-unassigned", "Wells that were counted in a slot without a compound; they are left out.", "Name the compound on the sample sheet."
    # Plate maps and sample sheets
    ROLE_UNKNOWN = "role-unknown", "A role that is not known.", "Use one of those that the message lists."
    SLOT_MISSING = "slot-missing", "A test well without its slot.", "Write test1, test2 and so on."
    SLOT_UNKNOWN = "slot-unknown", "A slot that the layout does not have.", "Use one of those that the message lists."
    POINT_MISSING = "point-missing", "A series with a gap, so that what follows would get wrong concentrations.", "Number the points 1, 2, 3 and so on, from the highest concentration."
    POINT_TWICE = "point-twice", "Two wells for one point of a series.", "Number the replicates."
    MAP_IMPOSSIBLE = "map-impossible", "A plate map that the assay cannot be evaluated with: controls, replicates or points are lacking.", "Add what is lacking."
    COMPOUND_TWICE = "compound-twice", "A compound that is listed twice.", "List it once."
    BARCODE_TWICE = "barcode-twice", "Two tubes with one barcode.", "Every tube has its own."
    NO_PLACE = "no-place", "More compounds than places on the plate.", "List the compounds of this plate."
    PLACED_BY_ORDER = "placed-by-order", "Compounds without slots were placed in the order of the sheet, which nothing confirms.", "Give the column slot."
    CONCENTRATION_IMPOSSIBLE = "concentration-impossible", "A concentration out of range, or a top concentration above the stock.", "Check number and unit."
    # Units and fields
    UNIT_MISSING = "unit-missing", "A bare number where a unit is needed.", "Write the unit behind the number, or in the head of the column."
    UNIT_UNKNOWN = "unit-unknown", "A unit that is not known, or of another kind.", "Use one of those that the message lists."
    UNIT_CONTRADICTS = "unit-contradicts", "A cell whose unit is another than that in the head of its column.", "Write one of them."
    UNIT_UNDECLARED = "unit-undeclared", "Doses whose title says neither a unit nor that they are logarithms.", "Say it in the title, like log[M] or nM, or with --dose."
    PARAMETER_UNKNOWN = "parameter-unknown", "A parameter that the protocol does not have.", "Use one of those that the message lists."
    VALUE_OUT_OF_RANGE = "value-out-of-range", "A value beyond its limits, or of another kind.", "Use one within the limits."
    FIELD_MISSING = "field-missing", "A field that is needed is not there.", "Add it."
    FIELD_UNKNOWN = "field-unknown", "A field that is not known.", "Remove it or correct its spelling."
    FIELD_TWICE = "field-twice", "A field that is given twice.", "Keep one."
    # What an analysis says
    NO_ANSWER = "no-answer", "The data, or a question asked of them, cannot give an answer.", "The message says why."
    ARRAY_SHAPE = "array-shape", "Arrays that do not belong together, or are not of the shape that is needed.", "Give one value for each point."
    POINTS_FEW = "points-few", "Fewer points than parameters, or than an estimate needs.", "Measure more, or fix parameters."
    DOSE_IMPOSSIBLE = "dose-impossible", "Doses that are zero, negative or not finite where their logarithm is needed, or do not vary.", "Give doses above zero, at several levels."
    RESPONSE_CONSTANT = "response-constant", "Responses that are all alike: no curve and no potency can be seen in them.", "Report no potency."
    OUT_OF_SCALE = "out-of-scale", "Values so large or small that their squares overflow.", "Use another unit."
    CURVE_UNSETTLED = "curve-unsettled", "A fit that did not settle on one curve, so that its parameters are not reported.", "Measure the range in which the curve bends."
    VALUES_EXCLUDED = "values-excluded", "Values that were struck out in the file; they are shown and not fitted.", "Nothing, if they were meant to be."
    NAME_UNKNOWN = "name-unknown", "A model, parameter or group that is not known.", "Use one of those that the message lists."
    WEIGHTS_IMPOSSIBLE = "weights-impossible", "Weights or standard deviations that are not finite and above zero.", "Give others, or weight by the curve."
    CONDITIONS_IMPOSSIBLE = "conditions-impossible", "Conditions of the assay that cannot be (negative, zero, not finite).", "Correct the protocol."
    CONTROLS_FEW = "controls-few", "Too few control wells with a count.", "Count two or more of each kind."
    NO_WINDOW = "no-window", "Total binding not above nonspecific binding, so nothing can be seen between.", "Check the orientation of the plate, and the reagents."
    ALIQUOTS_FEW = "aliquots-few", "Aliquots of the radioligand that cannot tell its concentration.", "Count three or more of each level and the blanks, or leave --standards out."
    CHANNEL_MISSING = "channel-missing", "An export without one of the wavelengths of the dye.", "Export all wavelengths of the read."
    ADDITION_ASSUMED = "addition-assumed", "The file does not say when the compound was added; the end of the protocol's baseline was taken.", "Give --added-at."
    DAY_IMPOSSIBLE = "day-impossible", "A day of counting in the future, or long before the day for which the specific activity is stated.", "Correct --counted-on, or set specific_activity_date."
    OPTION_IDLE = "option-idle", "An option that does nothing for a file of this kind.", "Leave it out."
    DAY_ASSUMED = "day-assumed", "The file does not say when it was counted; today was taken for the decay.", "Give --counted-on."
    # fmt: on
