"""From requests to plates that join a compiled run: their steps, and the loadings that change for them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from platectl.domain.assay import AssayProtocol
from platectl.domain.findings import Finding, refuse_if_any
from platectl.domain.run import Addition, CompiledRun
from platectl.domain.steps import Step
from platectl.files.yaml_lines import Document
from platectl.planning.batch import Batch, Request, add_request, build_template
from platectl.planning.facilities import build_facilities
from platectl.planning.loading import take_away
from platectl.planning.pools import pools_of, seats_in_turn
from platectl.planning.problem import Interval, Pool
from platectl.planning.zones import unclean

Times = Mapping[str, Interval]
_NUMBERED = re.compile(r"P(\d+)")


@dataclass(slots=True)
class Newcomers:
    """Plates compiled for a run, each in its own time.

    `pools` are what they may choose among; `warnings` what a person should know.
    """

    run: CompiledRun
    key: str
    batch: Batch
    requests: Sequence[Request]
    protocols: tuple[AssayProtocol, ...]
    pools: tuple[Pool, ...]
    warnings: list[Finding]

    @property
    def templates(self) -> dict[str, dict[str, Interval]]:
        """Times of each plate alone."""
        return {
            t.plate.name: {s.id: (s.planned_start_s, s.planned_end_s) for s in t.steps}
            for t in self.batch.templates
        }

    def draft(self) -> Addition:
        """The plates before they have a place in the plan."""
        files = {
            name: digest for request in self.requests for name, digest in request.files.items()
        }
        return Addition(
            key=self.key,
            plates=tuple(self.batch.plates),
            terms=self.batch.bounds,
            protocols=self.protocols,
            samples=tuple(dict.fromkeys(s for r in self.requests for s in r.samples)),
            steps=tuple(self.batch.steps),
            windows=tuple(self.batch.windows),
            holds=tuple(self.batch.holds),
            times={},
            files=files,
        )

    def placed(
        self, times: Times, seats: Mapping[str, Mapping[str, str]], begun: Collection[str]
    ) -> Addition:
        """The plates with their places in the plan, and what loadings take away from now on.

        Args:
            times: Of all steps; what has begun lies where it really was.
            seats: What plates use in place of what they were compiled with.
            begun: Steps that have begun, or are about to.
        """
        for number, template in enumerate(self.batch.templates, start=self.batch.first):
            chosen = seats.get(template.plate.name)
            if chosen:
                first = {name for pool in self.batch.pools for name in pool.members[0]}
                had = {name: template.seats.get(name, name) for name in first}
                template.seats = {name: chosen.get(seat, seat) for name, seat in had.items()}
                refuse_if_any(build_template(self.batch.facilities, template, number))
        draft = self.draft()
        planned = _as_planned([*self.run.steps, *draft.steps], times)
        steps = take_away(planned, self.run.lab, begun=begun)
        loads = {step.id: step for step in steps if step.kind == "load" and step.id not in begun}
        changed = [
            step.model_copy(update={"after": loads[step.id].after, "params": loads[step.id].params})
            for step in (*self.run.steps, *draft.steps)
            if step.id in loads
        ]
        known = {step.id: step for step in self.run.steps}
        changed = [step for step in changed if step != known.get(step.id)]
        ours = {step.id: step for step in draft.steps} | {step.id: step for step in changed}
        left = {name: span for name, span in times.items() if name not in begun}
        return draft.model_copy(update={"steps": tuple(ours.values()), "times": left})


def compile_addition(
    run: CompiledRun, requests: Sequence[Request], *, key: str, lost: Mapping[str, str]
) -> Newcomers:
    """Compile and check further plates for a run.

    Args:
        run: As it is by now.
        requests: The plates.
        key: What was asked for.
        lost: Instruments that were given up, with the reason.

    Raises:
        InputRefusedError: With every finding of every check that could be made.
    """
    lab_file = Document(f"lab {run.lab.name}", {})
    facilities = build_facilities(run.lab, lab_file, requests[0].qualified)
    carries = unclean(run.lab, facilities.having("Operator"))
    batch = Batch(facilities, pools_of(facilities), carries, first=_next_number(run))
    protocols = list(run.protocols)
    findings: list[Finding] = []
    for request in requests:
        if request.protocol not in protocols:
            protocols.append(request.protocol)
        findings += add_request(batch, request, protocols.index(request.protocol))
    refuse_if_any(findings)
    pools = _what_is_left(batch, lost)
    refuse_if_any(
        Finding(f"was given up: {lost[name]}", where=name, fix="add the plate to another run")
        for name in sorted({r for step in batch.steps for r in step.resources} & set(lost))
    )
    added = tuple(protocols[len(run.protocols) :])
    return Newcomers(run, key, batch, requests, added, pools, findings)


def _what_is_left(batch: Batch, lost: Collection[str]) -> tuple[Pool, ...]:
    """Equal things without those that were given up; plates take turns with what is left."""
    pools = []
    for pool in batch.pools:
        left = replace(pool, members=tuple(m for m in pool.members if not set(m) & set(lost)))
        if left.members and left != pool:
            for number, template in enumerate(batch.templates, start=batch.first):
                template.seats = {**template.seats, **seats_in_turn([left], number, of=pool)}
                refuse_if_any(build_template(batch.facilities, template, number))
        pools.append(left)
    return tuple(pools)


def loosened(run: CompiledRun, begun: Collection[str]) -> CompiledRun:
    """The run without what its loadings still to come wait for of other plates; a plan says that anew."""
    plates = {step.id: step.plate for step in run.steps}
    steps = [
        step.model_copy(update={"after": tuple(n for n in step.after if plates[n] == step.plate)})
        if step.kind == "load" and step.id not in begun
        else step
        for step in run.steps
    ]
    return run.model_copy(update={"steps": tuple(steps)})


def _next_number(run: CompiledRun) -> int:
    """Of the plate after all others, whatever they are called."""
    numbers = [int(m[1]) for p in run.plates if (m := _NUMBERED.fullmatch(p.name))]
    return max([len(run.plates), *numbers]) + 1


def _as_planned(steps: Iterable[Step], times: Times) -> list[Step]:
    timed = [
        step.model_copy(
            update={"planned_start_s": times[step.id][0],
                    "duration_s": times[step.id][1] - times[step.id][0]}
        )
        for step in steps
    ]  # fmt: skip
    return sorted(timed, key=lambda s: (s.planned_start_s, s.planned_end_s))
