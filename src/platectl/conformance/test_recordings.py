"""A recording binds both: the driver says what was said, the simulator answers what was answered."""

from __future__ import annotations

import pytest

from platectl.conformance import trials
from platectl.conformance.stage import Scene, Telling
from platectl.conformance.strikes import on_stage
from platectl.domain.transcript import parse_transcript


async def _scene(scene: Scene) -> Scene:
    await scene.aclose()
    return scene


def test_the_driver_says_a_recorded_verb_again_byte_by_byte(scene: str) -> None:
    if "files" in on_stage(scene, _scene).stage.beside:
        pytest.skip(f"{scene} also waits for files, which a recording of its wire does not drop")
    clean = on_stage(scene, trials.undisturbed)

    assert on_stage(scene, lambda played: trials.replayed(played, clean.turns)) == []


def test_the_simulator_answers_a_recorded_verb_again_byte_by_byte(scene: str) -> None:
    if set(on_stage(scene, _scene).stage.beside) - {"files"}:
        pytest.skip(f"{scene} has more than one wire")
    clean = on_stage(scene, trials.undisturbed)

    assert on_stage(scene, lambda played: trials.simulated(played, clean.turns)) == []


def test_transcripts_name_their_source_and_bind_driver_and_simulator(scene: str) -> None:
    tellings: tuple[Telling, ...] = tuple(on_stage(scene, _scene).tellings)
    if not tellings:
        pytest.skip(f"{scene} is enrolled without transcripts")
    for telling in tellings:
        text = telling.transcript.read_text("ascii")
        turns = parse_transcript(text)

        assert "source:" in text
        told = on_stage(
            telling.play or scene, lambda s, t=telling, r=turns: trials.replayed(s, r, t.ask)
        )
        assert told == []
        assert on_stage(telling.play or scene, lambda s, r=turns: trials.simulated(s, r)) == []
