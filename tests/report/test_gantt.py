"""The plan as characters: which plate is meant is never in doubt."""

from __future__ import annotations

from platectl.app.prepare import Options, prepare
from platectl.domain.run import CompiledRun
from platectl.report.gantt import OTHERS, SIGNS, legend, signs_of


def run_of(count: int) -> CompiledRun:
    run = prepare(Options("sigma1-binding")).compiled
    plates = [run.plates[0].model_copy(update={"name": f"P{n}"}) for n in range(1, count + 1)]
    return run.model_copy(update={"plates": tuple(plates)})


def test_no_two_plates_have_the_same_sign() -> None:
    signs = list(signs_of(run_of(120)).values())

    assert len(set(signs)) == len(signs) == 120
    assert len(set(SIGNS)) == len(SIGNS)


def test_plates_beyond_the_signs_share_one_that_says_so() -> None:
    run = run_of(200)

    assert signs_of(run)["P200"] == OTHERS
    assert legend(run).endswith(f"# P{len(SIGNS) + 1} to P200")
    assert legend(run).startswith("a P10, b P11")
    assert not legend(run_of(9))
