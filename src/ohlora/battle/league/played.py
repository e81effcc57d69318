"""What is kept of a league's subsets: one JSON file each, with everyone's trials, choices and scores."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ohlora.battle.league.contest import Contest, facts
from ohlora.battle.league.jobs import PlayLeague
from ohlora.battle.league.plan import Fixture, Plan
from ohlora.durable import write_json
from ohlora.errors import OhloraError


def edition(job: PlayLeague) -> str:
    """The league's name, and what makes its scores others: a short league under the same name is another."""
    space = job.space
    said = [
        job.protocol.fingerprint,
        space.fingerprint,
        {name: str(axis) for name, axis in space.free.items()},
        space.fixed,
        job.league_limits.trials,
        job.league.final_seeds,
    ]
    return f"{job.league.name}-{hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]}"


def path_of(job: PlayLeague, fixture: Fixture) -> Path:
    return Path(job.league.folder) / "played" / fixture.file


def content_of(path: Path) -> dict[str, Any]:
    """What is kept of a subset; without a file, nothing."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"subset": {}, "leagues": {}}
    except ValueError as error:
        raise OhloraError(
            f"{path} is damaged ({error}): delete it, its trainings are in the journal"
        ) from None
    if not isinstance(content, dict) or not {"subset", "leagues"} <= content.keys():
        raise OhloraError(f"{path} is not what is kept of a league's subset: delete it")
    return content


def kept_of(content: dict[str, Any]) -> dict[str, Any]:
    """What is kept of every contestant by its digest, whichever league it played in."""
    return {one["digest"]: one for league in content["leagues"].values() for one in league.values()}


def keep(job: PlayLeague, contest: Contest, played: dict[str, Any]) -> None:
    """Write down everyone's play on one subset."""
    path = path_of(job, contest.fixture)
    content = content_of(path)
    content["subset"] = facts(contest)
    content["leagues"][edition(job)] = played
    write_json(path, content)


@dataclass(frozen=True)
class Played:
    """One subset with everyone's play on it, as it is kept."""

    fixture: Fixture
    contestants: dict[str, Any]


def read_played(job: PlayLeague, plan: Plan) -> list[Played]:
    """The subsets that every contestant has played on."""
    found = []
    for fixture in plan.fixtures:
        league = content_of(path_of(job, fixture))["leagues"].get(edition(job), {})
        if all(name in league for name in job.league.entries):
            found.append(Played(fixture, {name: league[name] for name in job.league.entries}))
    return found


def versions_notes(played: list[Played]) -> list[str]:
    """Contestants that did not play as the same everywhere, such as after a new predictor."""
    notes = []
    for name in played[0].contestants if played else []:
        seen: dict[str, dict[str, int]] = {}
        for one in played:
            identity = json.dumps(one.contestants[name]["identity"], sort_keys=True)
            counts = seen.setdefault(one.fixture.recipe.dataset, {})
            counts[identity] = counts.get(identity, 0) + 1
        others = sum(sum(counts.values()) - max(counts.values()) for counts in seen.values())
        if others:
            notes.append(
                f"{name} played on {others} of {len(played)} subsets as another version than on the rest: the"
                " same league again plays those anew"
            )
    return notes
