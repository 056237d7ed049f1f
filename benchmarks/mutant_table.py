"""Bugs that are seeded by hand, by driver and kind; a text instead says why a driver cannot have one.

An edit is (file of the driver, text that stands there once, text with the bug).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

Edit = tuple[str, str, str]

BINARY: Final = "values are binary"
HTTP: Final = "HTTP: messages end as its parser says"
NO_CODES: Final = "the instrument sends no codes: faults are named by the driver"
OF_HANDLER: Final = "has no wire of its own; see opentrons"
NO_FILE_CODES: Final = "files state no codes"
OF_OPERATOR: Final = "has no wire of its own; see operator"
OF_BRIDGE: Final = "what it says and hears goes through bridged.py; see pylabrobot_handler"
#: one conversation, and so one set of bugs, for all bridged drivers; by driver, the files that are its own
BRIDGED: Final[Mapping[str, Sequence[str]]] = {
    "pylabrobot_arm": (),
    "pylabrobot_handler": ("bridged.py", "handler.py"),
    "pylabrobot_incubator": (),
    "pylabrobot_reader": ("reader.py",),
    "pylabrobot_sealer": (),
    "pylabrobot_shaker": ("nests.py",),
    "pylabrobot_thermostat": (),
}
OF_SILA: Final = "what it says and hears goes through server.py and mapping.py; see sila2_shaker"
#: the same for all devices behind SiLA servers
SILA: Final[Mapping[str, Sequence[str]]] = {
    "sila2_incubator": (),
    "sila2_sealer": (),
    "sila2_shaker": ("drivers.py", "mapping.py", "server.py"),
    "sila2_thermostat": (),
}
ALL_OF_BRIDGE: Final = {
    "wrong terminator": OF_BRIDGE, "swapped fields": OF_BRIDGE, "off by one in an error code": OF_BRIDGE,
    "wrong prefix": OF_BRIDGE, "lenient number": OF_BRIDGE, "missing length check": OF_BRIDGE,
}  # fmt: skip

DECLARED: Final[Mapping[str, Mapping[str, Sequence[Edit] | str]]] = {
    "a4s": {
        "swapped fields": [
            ("a4s.py", "SealerStatus(temperature / 10.0, system, heater, error,",
             "SealerStatus(temperature / 10.0, heater, system, error,"),
            ("a4s.py", "system, heater, error, warning, sensors = (integer",
             "system, heater, warning, error, sensors = (integer"),
        ],
    },
    "beckman_ls": {
        "swapped fields": [
            ("beckman_ls.py", "Message(said[1] - BLANK, text[2],", "Message(said[2] - BLANK, text[1],"),
            ("beckman_ls.py", "(two[0] - BLANK) * DIGIT + two[1] - BLANK",
             "(two[1] - BLANK) * DIGIT + two[0] - BLANK"),
        ],
        "off by one in an error code": NO_CODES,
        "wrong prefix": [
            ("beckman_ls.py", 'SOH, XON = b"\\x01"', 'SOH, XON = b"\\x02"'),
            ("beckman_ls.py", 'BEGIN, END = "S", "B"', 'BEGIN, END = "S", "E"'),
        ],
    },
    "biotek": {
        "wrong terminator": [("wire.py", 'ETX: Final = b"\\x03"', 'ETX: Final = b"\\r"')],
        "swapped fields": [
            ("wire.py", "place = int(row), int(column)", "place = int(column), int(row)"),
            ("settings.py", "self.first_y_mm, last_y, self.first_x_mm, last_x,",
             "self.first_x_mm, last_x, self.first_y_mm, last_y,"),
            ("settings.py", "pair = _whole_nm(excitation_nm, *LIGHT_NM), _whole_nm(emission_nm, *LIGHT_NM)",
             "pair = _whole_nm(emission_nm, *LIGHT_NM), _whole_nm(excitation_nm, *LIGHT_NM)"),
        ],
        "wrong prefix": [("wire.py", 'ACK: Final = b"\\x06"', 'ACK: Final = b"\\x15"')],
        "lenient number": [("wire.py", 'COUNTS: Final = re.compile(r"\\d{7}")', 'COUNTS: Final = re.compile(r"[\\d_]{7}")')],
    },
    "bioshake": {
        "swapped fields": [
            ("bioshake.py", "return Identity(self._description, firmware=version)",
             "return Identity(version, firmware=self._description)"),
        ],
        "missing length check": "an answer is one value, and the list of errors is of any length",
    },
    "cavro": {
        "wrong terminator": [
            ("frame.py", 'DT_END: Final = bytes((ETX,)) + b"\\r\\n"', 'DT_END: Final = bytes((ETX,)) + b"\\n"'),
            ("frame.py", 'data.encode("ascii") + b"\\r"', 'data.encode("ascii") + b"\\r\\n"'),
        ],
        "swapped fields": [
            ("frame.py", "bytes((STX, address_of(switch), number))", "bytes((STX, number, address_of(switch)))"),
            ("driver.py", 'V{speed}A{end}R"', 'V{end}A{speed}R"'),
        ],
    },
    "clariostar": {
        "wrong terminator": [
            ("frame.py", "START, MARK, END = 0x02, 0x0C, 0x0D", "START, MARK, END = 0x02, 0x0C, 0x0A"),
        ],
        "wrong prefix": [
            ("frame.py", "END = 0x02, 0x0C", "END = 0x03, 0x0C"),
            ("frame.py", "0x02, 0x0C, 0x0D", "0x02, 0x0D, 0x0D"),
            ("status.py", "payload[0] != STATUS", "payload[0] == 0"),
        ],
        "swapped fields": [
            ("run.py", "edges = (ex_high, ex_low, dichroic, em_high, em_low)",
             "edges = (em_high, em_low, dichroic, ex_high, ex_low)"),
            ("run.py", "edges = (ex_high, ex_low,", "edges = (ex_low, ex_high,"),
            ("status.py", "bottom, top = struct", "top, bottom = struct"),
            ("data.py", "total, complete, limit, _, chromatics, wells =",
             "complete, total, limit, _, chromatics, wells ="),
            ("data.py", "limit, _, chromatics, wells =", "limit, _, wells, chromatics ="),
        ],
        "off by one in an error code": NO_CODES,
        "lenient number": BINARY,
    },
    "cvc3000": {
        "swapped fields": [
            ("wire.py", "bytes((0xA0, channel, on))", "bytes((0xA0, on, channel))"),
        ],
        "wrong prefix": [
            ("wire.py", "bytes((0xA0,", "bytes((0xA1,"),
            ("wire.py", '["CVC", "3000"]', '["CVC", "2000"]'),
        ],
    },
    "cytomat": {
        "wrong prefix": [
            ("cytomat.py", 'r"er ([0-9', 'r"err ([0-9'),
            ("cytomat.py", 'r"ok ([0-9', 'r"o. ([0-9'),
            ("cytomat.py", "words[0] != query[3:]", "words[0] == query[:2]"),
        ],
    },
    "delimited_counts": {
        "wrong terminator": [("layout.py", '{"crlf": "\\r\\n",', '{"crlf": "\\n",')],
        "swapped fields": [
            ("layout.py", "    return cpm, counts\n", "    return counts, round(cpm)\n"),
            ("layout.py", 'plate.by_row() if layout.well_form == "by_row" else plate.by_column()',
             'plate.by_column() if layout.well_form == "by_row" else plate.by_row()'),
        ],
        "off by one in an error code": NO_FILE_CODES,
        "wrong prefix": [("layout.py", r'"A01": re.compile(r"([A-P])(0[1-9]', r'"A01": re.compile(r"([A-P])(1[1-9]')],
    },
    "el406": {
        "wrong terminator": "a frame has no end: its header states its length",
        "swapped fields": [
            ("payload.py", "_u16(delay) + bytes((rate, 0, 0)) + _u16(z)",
             "_u16(z) + bytes((rate, 0, 0)) + _u16(delay)"),
            ("payload.py", "_u16(volume_ul) + bytes((flow, 0, 0)) + _u16(z)",
             "_u16(z) + bytes((flow, 0, 0)) + _u16(volume_ul)"),
            ("frame.py", "Status(*STATUS.unpack(data))",
             "Status(*(lambda v, s, e, b: (v, e, s, b))(*STATUS.unpack(data)))"),
        ],
        "wrong prefix": [
            ("frame.py", r'b"\x01\x02"', r'b"\x02\x02"'),
            ("frame.py", "ACK: Final = 0x06", "ACK: Final = 0x07"),
        ],
        "lenient number": BINARY,
    },
    "envision_csv": {
        "wrong terminator": [
            ("tables.py", 'ENVISION_END: Final = "Exported with', 'ENVISION_END: Final = "Exported by'),
            ("tables.py", '"Exported with Kaleido"', '"Exported by Kaleido"'),
        ],
        "swapped fields": [
            ("tables.py", "label, channel, unit = match", "channel, label, unit = match"),
        ],
        "off by one in an error code": NO_FILE_CODES,
    },
    "flipr": {
        "swapped fields": [
            ("wire.py", "return float(match[1]), float(match[2])",
             "return float(match[2]), float(match[1])"),
            ("export_file.py", "Channel(_number(line, excitation), _number(line, emission))",
             "Channel(_number(line, emission), _number(line, excitation))"),
        ],
        "wrong prefix": [
            ("wire.py", r"([cC]\d\d)", r"([dD]\d\d)"),
            ("wire.py", 'bands("wave")', 'bands("vave")'),
        ],
        "lenient number": [
            ("wire.py", r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?) nm", r"([\d_]+(?:\.\d+)?)-(\d+(?:\.\d+)?) nm"),
        ],
    },
    "hidex300": {
        "wrong terminator": [
            ("export_file.py", 'lines = data.split(b"\\n")', 'lines = data.split(b"\\r\\n")'),
        ],
        "swapped fields": [
            ("export_file.py", "sum(map(int, fields[2::apart])), sum(map(int, fields[4::apart]))",
             "sum(map(int, fields[4::apart])), sum(map(int, fields[2::apart]))"),
            ("export_file.py", 'cpm=number(fields[b"CPM"]),\n            dpm=integer(fields[b"DPM"]),',
             'cpm=number(fields[b"DPM"]),\n            dpm=round(number(fields[b"CPM"])),'),
        ],
        "off by one in an error code": NO_FILE_CODES,
        "wrong prefix": [
            ("export_file.py", '(1, b"Start Time ")', '(1, b"Stop Time ")'),
            ("export_file.py", '!= b"Sample start"', '!= b"Sample begin"'),
        ],
    },
    "hidex_sense": {"wrong terminator": HTTP},
    "liconic": {
        "swapped fields": [
            ("liconic.py", "return number, level", "return level, number"),
            ("liconic.py", '("DM23", shape.steps), ("DM25", shape.levels)',
             '("DM23", shape.levels), ("DM25", shape.steps)'),
        ],
        "wrong prefix": [
            ("liconic.py", 'ACTIVATE, END, IMPORT, EXPORT = "ST 1801", "ST 1903", "ST 1904", "ST 1905"',
             'ACTIVATE, END, IMPORT, EXPORT = "ST 1801", "ST 1903", "ST 1905", "ST 1904"'),
            ("liconic.py", 'f"RD {name}"', 'f"WR {name}"'),
        ],
        "lenient number": [
            ("liconic.py", 're.compile(r"\\d{5}")', 're.compile(r"[\\d_ .+-]+")'),
        ],
        "missing length check": [
            ("liconic.py", 're.compile(r"\\d{5}")', 're.compile(r"\\d+")'),
            ("liconic.py", "_WORD.fullmatch(answer)", "_WORD.match(answer)"),
        ],
    },
    "line_scanner": {
        "wrong terminator": [
            ("line_scanner.py", '"keyence_bl": Dialect(b"\\r",', '"keyence_bl": Dialect(b"\\r\\n",'),
            ("line_scanner.py", '"keyence_sr": Dialect(b"\\r",', '"keyence_sr": Dialect(b"\\r\\n",'),
            ("line_scanner.py", 'b"\\r\\n", "||>TRIGGER ON"', 'b"\\r", "||>TRIGGER ON"'),
        ],
        "swapped fields": [
            ("line_scanner.py", "model, firmware = found.groups()", "firmware, model = found.groups()"),
        ],
        "lenient number": "its codes are text and never become numbers",
        "missing length check": "a code is text of any length, told by words that must match as a whole",
    },
    "mt_sics": {
        "swapped fields": [
            ("mt_sics.py", "Identity(model, serial_number=serial_number, firmware=software)",
             "Identity(model, serial_number=software, firmware=serial_number)"),
        ],
    },
    "multidrop_combi": {
        "swapped fields": [
            ("codec.py", "serial_number=match[2], firmware=match[1]",
             "serial_number=match[1], firmware=match[2]"),
            ("codec.py", 'f"SCV {column} {amount}"', 'f"SCV {amount} {column}"'),
        ],
        "wrong prefix": [
            ("codec.py", "match[1].upper() != code", "match[1].upper() == code[::-1]"),
            ("codec.py", 'r"MultidropCombi (', 'r"Multidrop (?:Combi )?('),
        ],
        "missing length check": "an answer ends with a line of its own, and has no other fields",
    },
    "opentrons": {
        "wrong terminator": HTTP,
        "swapped fields": [
            ("wire.py", "Command(id_, key, status,", "Command(key, id_, status,"),
            ("wire.py", "Command(id_, key, status, result, error)",
             "Command(id_, key, status, error, result)"),
        ],
        "wrong prefix": [
            ("recall.py", 'self.prefix = f"{name}-"', 'self.prefix = f"{name}_"'),
            ("wire.py", "status.startswith(state)", "status.endswith(state)"),
        ],
        "lenient number": [
            ("wire.py", "return total if isinstance(total, int) else default",
             "return int(total) if total else default"),
        ],
        "missing length check": [
            ("conversation.py", "not listed or len(found) >= wire.decode_total(answer.json(), len(found))",
             "True"),
        ],
    },
    "opentrons_deck_block": {
        "wrong terminator": HTTP,
        "swapped fields": [
            ("robot.py", "return Module(id_, model, serial_number,", "return Module(model, id_, serial_number,"),
            ("robot.py", "id_, model, serial_number, firmware = map", "id_, model, firmware, serial_number = map"),
        ],
        "wrong prefix": [
            ("block.py", '"temperatureModule/setTargetTemperature"', '"temperatureModules/setTargetTemperature"'),
        ],
        "lenient number": [
            ("robot.py", "if isinstance(value, bool) or not isinstance(value, int | float)",
             "if not isinstance(value, int | float | bool)"),
        ],
        "missing length check": [("robot.py", "if len(found) == 1:", "if found:")],
    },
    "opentrons_deck_shaker": {
        "wrong terminator": HTTP,
        "swapped fields": [
            ("robot.py", "return Module(id_, model, serial_number,", "return Module(model, id_, serial_number,"),
        ],
        "wrong prefix": [("shaker.py", 'f"heaterShaker/{command}"', 'f"heatershaker/{command}"')],
        "lenient number": [
            ("robot.py", "if isinstance(value, bool) or not isinstance(value, int | float)",
             "if not isinstance(value, int | float | bool)"),
        ],
        "missing length check": [("robot.py", "if len(found) == 1:", "if found:")],
    },
    "opentrons_gripper": {
        "wrong terminator": OF_HANDLER,
        "swapped fields": [
            ("opentrons_gripper.py", "self.settings.stations[source], self.settings.stations[target]",
             "self.settings.stations[target], self.settings.stations[source]"),
        ],
        "off by one in an error code": OF_HANDLER,
        "wrong prefix": [("opentrons_gripper.py", '"-moveLabware-" in key', '"-moveLid-" in key')],
        "lenient number": OF_HANDLER,
        "missing length check": [
            ("opentrons_gripper.py", 'if moves == ["succeeded"]:', 'if set(moves) <= {"succeeded"}:'),
        ],
    },
    "opentrons_heater_shaker": {
        "swapped fields": [
            ("codec.py", "Speed(actual_rpm=integer(match[1]), target_rpm=integer(match[2]))",
             "Speed(actual_rpm=integer(match[2]), target_rpm=integer(match[1]))"),
            ("codec.py", "serial_number=match[3], firmware=match[1]",
             "serial_number=match[1], firmware=match[3]"),
        ],
        "missing length check": [
            ("codec.py", "_ANSWER.fullmatch(line)", "_ANSWER.match(line)"),
            ("codec.py", "_STATUS.fullmatch(fields)", "_STATUS.match(fields)"),
            ("codec.py", "_IDENTITY.fullmatch(fields)", "_IDENTITY.match(fields)"),
        ],
        "wrong prefix": [
            ("codec.py", r"(?:async )?(ERR\d{3})", r"(ERR\d{3})"),
        ],
    },
    "opentrons_temperature": {
        "swapped fields": [
            ("opentrons_temperature.py", "return target_c, number(match[2])", "return number(match[2]), target_c"),
            ("opentrons_temperature.py", "serial_number=match[1], firmware=match[3]",
             "serial_number=match[3], firmware=match[1]"),
        ],
        "off by one in an error code": NO_CODES,
        "wrong prefix": [
            ("opentrons_temperature.py", '"Temperature module overheated!"', '"temperature module overheated!"'),
        ],
        "missing length check": [
            ("opentrons_temperature.py", "_STATE.fullmatch(told)", "_STATE.match(told)"),
            ("opentrons_temperature.py", "_IDENTITY.fullmatch(told)", "_IDENTITY.match(told)"),
            ("opentrons_temperature.py", "if len(told) > 1 or (", "if (" ),
            ("opentrons_temperature.py", "ACKS: Final = 2", "ACKS: Final = 1"),
        ],
    },
    "opentrons_vacuum": {
        "swapped fields": [
            ("codec.py", "serial_number=match[3], firmware=match[1]",
             "serial_number=match[1], firmware=match[3]"),
            ("codec.py", 'on=match["on"] == "1", vent_open=match["vent"] == "1"',
             'on=match["vent"] == "1", vent_open=match["on"] == "1"'),
        ],
        "missing length check": [
            ("codec.py", "_STATE.fullmatch(fields)", "_STATE.match(fields)"),
            ("codec.py", "_ANSWER.fullmatch(line)", "_ANSWER.match(line)"),
            ("codec.py", "_IDENTITY.fullmatch(fields)", "_IDENTITY.match(fields)"),
        ],
        "wrong prefix": [
            ("codec.py", r"(?:async )?(ERR\d{3})", r"(ERR\d{3})"),
        ],
    },
    "operator": {
        "swapped fields": [
            ("operator.py", 'Answer(fields["option"], fields["person"],',
             'Answer(fields["person"], fields["option"],'),
            ("operator.py", 'fields["person"], note, barcode)', 'fields["person"], barcode, note)'),
        ],
        "off by one in an error code": "a person answers in words",
        "wrong prefix": [("operator.py", '"prompt": prompt.id,', '"prompts": prompt.id,')],
        "lenient number": "answers have no numbers",
        "missing length check": [("operator.py", "if len(fields) != len(pairs)", "if not pairs")],
    },
    "operator_harvester": {
        "wrong terminator": OF_OPERATOR,
        "swapped fields": [
            ("harvester.py", "Harvest {plate} onto {filter_plate}",
             "Harvest {filter_plate} onto {plate}"),
        ],
        "wrong prefix": OF_OPERATOR,
        "lenient number": OF_OPERATOR,
        "missing length check": OF_OPERATOR,
    },
    "pf400": {
        "swapped fields": [
            ("driver.py", 'f"placeplate {place} {self._softness}"',
             'f"placeplate {self._softness} {place}"'),
            ("driver.py", 'f"pickplate {station} {self._softness}"',
             'f"pickplate {self._softness} {station}"'),
            ("driver.py", "{grip.speed_percent} {grip.force_n:g}",
             "{grip.force_n:g} {grip.speed_percent}"),
        ],
        "wrong prefix": [
            ("codec.py", r"(0|-[1-9]\d*)", r"(0|[1-9]\d*)"),
        ],
    },
    "pylabrobot_arm": ALL_OF_BRIDGE,
    "pylabrobot_handler": {
        "swapped fields": [
            ("bridged.py", 'Identity(str(told.get("backend")), firmware=f"PyLabRobot {told[\'version\']}")',
             'Identity(f"PyLabRobot {told[\'version\']}", firmware=str(told.get("backend")))'),
            ("handler.py", "PipettingLimits(s.min_volume_ul, s.max_volume_ul,",
             "PipettingLimits(s.max_volume_ul, s.min_volume_ul,"),
        ],
        "wrong prefix": [
            ("bridged.py", 'action=f"{action.id}#"', 'action=f"{action.id}/"'),
            ("bridged.py", 'return f"{action}#{self._verb}"', 'return f"{action}/{self._verb}"'),
        ],
        "lenient number": "no answer to a handler has a number in it",
        "missing length check": "lines carry a checksum, and answers are JSON objects",
    },
    "pylabrobot_incubator": ALL_OF_BRIDGE,
    "pylabrobot_reader": {
        kind: why for kind, why in ALL_OF_BRIDGE.items() if kind not in {"lenient number", "missing length check"}
    },
    "pylabrobot_sealer": ALL_OF_BRIDGE,
    "pylabrobot_shaker": {
        kind: why for kind, why in ALL_OF_BRIDGE.items() if kind != "lenient number"
    },
    "pylabrobot_thermostat": ALL_OF_BRIDGE,
    "sila2_incubator": dict.fromkeys(ALL_OF_BRIDGE, OF_SILA),
    "sila2_sealer": dict.fromkeys(ALL_OF_BRIDGE, OF_SILA),
    "sila2_shaker": {
        "swapped fields": [
            ("server.py", 'serial_number=str(told.get("uuid", "")), firmware=str(told.get("version", "")),',
             'serial_number=str(told.get("version", "")), firmware=str(told.get("uuid", "")),'),
        ],
        "wrong prefix": [
            ("server.py", '{"action": f"{action.id}#"}', '{"action": f"{action.id}/"}'),
            ("server.py", 'key = f"{action}#{verb}.{number}"', 'key = f"{action}/{verb}.{number}"'),
        ],
        "lenient number": [
            ("mapping.py", "if isinstance(value, bool) or not isinstance(value, int | float):",
             "if value is None:"),
        ],
        "missing length check": "lines carry a checksum, and answers are JSON objects",
    },
    "sila2_thermostat": dict.fromkeys(ALL_OF_BRIDGE, OF_SILA),
    "softmax_file": {
        "wrong terminator": [
            ("export_text.py", 'lines = text.replace("\\r\\n", "\\n").split("\\n")[:-1]',
             'lines = text.split("\\r\\n")[:-1]'),
            ("export_text.py", '"~End"', '"~end"'),
        ],
        "swapped fields": [
            ("export_file.py", "Channel(x, m) for x, m", "Channel(m, x) for x, m"),
        ],
        "off by one in an error code": NO_FILE_CODES,
    },
    "spectramax": {
        "wrong terminator": [
            ("driver.py", 'command.encode("ascii") + b"\\r"', 'command.encode("ascii") + b"\\r\\n"'),
            ("driver.py", 'b"!CANCEL\\r"', 'b"!CANCEL\\r\\n"'),
            ("wire.py", 'END: Final = b">"', 'END: Final = b"<"'),
        ],
    },
    "xpeel": {
        "swapped fields": [
            ("xpeel.py", 'return f"*xpeel:{place}{ADHERE_S[adhere_s]}"',
             'return f"*xpeel:{ADHERE_S[adhere_s]}{place}"'),
        ],
        "lenient number": "its codes are names of two digits and never become numbers",
    },
}  # fmt: skip

CHECKED: Final = "the lengths have been compared before"
DIGITS: Final = "the pattern before it admits digits only"
#: bugs that change nothing, by driver: (file, kind, text of the line, why)
EQUAL: Final[Mapping[str, Sequence[tuple[str, str, str, str]]]] = {
    "clariostar": [("watch.py", "missing length check", "record.values[channel], strict=", CHECKED)],
    "delimited_counts": [
        ("driver.py", "wrong terminator", 'tx_end=b""', "nothing is ever sent"),
    ],
    "flipr": [
        ("export_file.py", "missing length check", "for well, cell in zip(wells, cells, strict=", CHECKED),
        ("export_file.py", "missing length check", "zip(wells, line.fields[1:], strict=", CHECKED),
    ],
    "hidex_sense": [
        ("xlsx.py", "missing length check", "len(raw) > LARGEST_PART",
         "zipfile reads no more than the directory states, which is checked before"),
    ],
    "multidrop_combi": [("codec.py", "lenient number", "return integer(match[2])", DIGITS)],
    "opentrons_vacuum": [
        ("codec.py", "lenient number", 'PumpState(number(match["gauge"])',
         "every field has been read strictly before"),
    ],
    "pf400": [("driver.py", "missing length check", "zip(before, joints, strict=", CHECKED)],
    "pylabrobot_reader": [
        ("reader.py", "missing length check", "zip(wells, values, strict=True)", "the length was looked at before"),
    ],
    "softmax_file": [
        ("export_file.py", "missing length check", "len(line.fields) < HEADER_FIELDS",
         "a field that is not there is read as empty, and each is refused when empty"),
        ("export_file.py", "missing length check", "zip(excitation, emission, strict=", CHECKED),
    ],
    "spectramax": [
        ("driver.py", "missing length check", "zip(read.wells, known, strict=",
         "the values are made from the wells a line above"),
    ],
}  # fmt: skip
