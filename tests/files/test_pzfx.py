"""Prism's XML files: XY tables, replicates, excluded values; anything else is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from platectl.domain.findings import InputRefusedError
from platectl.files.pzfx import PrismColumn, PrismTable, load_pzfx, parse_pzfx

FILE = """<?xml version="1.0" encoding="UTF-8"?>
<GraphPadPrismFile xmlns="http://graphpad.com/prism/Prism.htm" PrismXMLVersion="5.00">
<Created><OriginalVersion CreatedByProgram="GraphPad Prism" CreatedByVersion="6.0f.254"/></Created>
<TableSequence><Ref ID="Table0" Selected="1"/><Ref ID="Table1"/></TableSequence>
<Table ID="Table0" XFormat="numbers" YFormat="replicates" Replicates="2" TableType="XY" EVFormat="AsteriskAfterNumber">
<Title>Dose <B>response</B></Title>
<XColumn Width="81" Decimals="6" Subcolumns="1"><Title>log[M]</Title>
<Subcolumn><d>-9</d><d>-8.0000000000000001</d><d>-7</d></Subcolumn></XColumn>
<XAdvancedColumn Version="1" Width="81"><Title>log[M]</Title><Subcolumn><d>1</d></Subcolumn></XAdvancedColumn>
<YColumn Width="122" Decimals="1" Subcolumns="2"><Title>haloperidol</Title>
<Subcolumn><d>98.1</d><d>75.2</d><d>30.4</d></Subcolumn>
<Subcolumn><d>101.3</d><d Excluded="1">120.9</d><d/></Subcolumn></YColumn>
<YColumn Width="122" Decimals="1" Subcolumns="2"><Title>SA4503</Title>
<Subcolumn><d>0.1</d></Subcolumn><Subcolumn/></YColumn>
</Table>
<Table ID="Table1" XFormat="none" TableType="OneWay"><Title>Controls</Title></Table>
</GraphPadPrismFile>
"""


def refused(text: str) -> list[str]:
    with pytest.raises(InputRefusedError) as error:
        parse_pzfx(text.encode(), name="a.pzfx")
    return [str(finding) for finding in error.value.findings]


def test_xy_tables_are_read_with_replicates_and_excluded_values() -> None:
    found = parse_pzfx(FILE.encode(), name="a.pzfx")

    columns = (
        PrismColumn("haloperidol", ((98.1, 75.2, 30.4), (101.3, 120.9, None)), frozenset({(1, 1)})),
        PrismColumn("SA4503", ((0.1, None, None), (None, None, None))),
    )
    assert found.tables == (PrismTable("Dose response", "log[M]", (-9.0, -8.0, -7.0), columns),)
    assert found.skipped == ("Controls",)


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("<d>75.2</d>", "<d>75,2</d>", "a.pzfx: Dose response: haloperidol: row 2: value '75,2' may mean decimals or thousands; write it like 1234.5"),
        ("<d>75.2</d>", "<d>inf</d>", "a.pzfx: Dose response: haloperidol: row 2: value 'inf' cannot be; write a finite number or leave the line out"),
        ('YFormat="replicates"', 'YFormat="SDN"', "a.pzfx: Dose response: Y is given as 'SDN'; enter Y as replicates"),
        ('XFormat="numbers"', 'XFormat="date"', "a.pzfx: Dose response: X is given as 'date'; enter X as plain numbers"),
        ('TableType="XY"', 'TableType="TwoWay"', "a.pzfx: holds no XY table; enter the data as XY"),
        ("<d>30.4</d>", "<d>30.4</d><d>4</d>", "a.pzfx: Dose response: haloperidol: has more than 3 rows, X does not; give each row its X"),
        ("<d>-9</d><d>-8.0000000000000001</d><d>-7</d>", "<d/><d/><d/>", "a.pzfx: Dose response: has no X values; enter X as plain numbers"),
        ("GraphPadPrismFile", "Workbook", "a.pzfx:1: is no file of Prism: its root is Workbook; save it in Prism as .pzfx"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(old: str, new: str, finding: str) -> None:
    assert refused(FILE.replace(old, new)) == [finding]


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x SYSTEM "http://example.org/x.dtd">',
    ],
)
def test_document_types_and_entities_are_refused(declaration: str) -> None:
    text = FILE.replace("?>\n", f"?>\n{declaration}\n", 1)

    assert refused(text) == ["a.pzfx: declares a document type or entities, which no file of Prism does"]  # fmt: skip


def test_what_is_no_xml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.prism").write_bytes(b"PK\x03\x04")

    assert refused("<GraphPadPrismFile>")[0].startswith("a.pzfx:1: is no XML: ")
    assert refused('<?xml version="1.0" encoding="nonsense"?><a/>')[0].startswith("a.pzfx")
    with pytest.raises(InputRefusedError, match="is no XML"):
        load_pzfx(tmp_path / "a.prism")
    with pytest.raises(InputRefusedError, match="cannot be read: No such file"):
        load_pzfx(tmp_path / "none.pzfx")
