"""A league played: each process takes subsets nobody has taken, trains what is missing, and reports."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console

from ohlora.battle.league.contest import Contest, digests, refuse_other
from ohlora.battle.league.jobs import PlayLeague
from ohlora.battle.league.knowledge import Library
from ohlora.battle.league.plan import Fixture, Plan, known_plan, load_datasets, make_plan
from ohlora.battle.league.played import content_of, edition, keep, kept_of, path_of
from ohlora.battle.league.report import report
from ohlora.errors import OhloraError
from ohlora.progress import Advance, progress
from ohlora.records.journal import Journal
from ohlora.records.record import TrialRecord
from ohlora.trials.drivers import device_name, train_and_score
from ohlora.trials.stack_members import StackedTrial
from ohlora.trials.stacked import train_stacked
from ohlora.trials.sweep import trained_as

AT_ONCE = {"cpu": 4, "gpu": 64}  # subsets that advance together: their trials share stacks


def play_league(job: PlayLeague) -> float:
    """Return her mean difference to the headline rival without trials; nan where nothing is complete."""
    console = Console()
    if job.league.play:
        job.hardware.use_threads()
        others = Run(job).run()
        if others:
            console.print(f"subsets in the hands of other processes: {others}", highlight=False)
    plan = known_plan(job)
    if plan is None:
        raise OhloraError(
            f"nothing of this league has been played in {job.league.folder}: leave league.play=true"
        )
    return report(job, plan, console)


class Run:
    """One process's share of a league."""

    def __init__(self, job: PlayLeague) -> None:
        self.job = job
        self.device, self.precision = job.hardware.resolve()
        self.library = Library(job)
        self.datasets = load_datasets(job)
        self.plan: Plan = make_plan(job, self.datasets)
        for name in self.plan.datasets:  # fitted, and found fault with, before anything is trained
            self.library.brought(name)
        self.records: dict[str, TrialRecord] = {}
        self.trained = 0
        self.started = time.perf_counter()

    def run(self) -> int:
        """Play until no subset is left; return how many are in the hands of others."""
        kind = "cpu" if self.device.type == "cpu" else "gpu"
        places = self.job.league.at_once or AT_ONCE[kind]
        others = 0
        with Journal(Path(self.job.league.folder)) as journal:
            self.records = journal.records()
            self._refuse_mixture()
            left, live = deque(self.plan.fixtures), list[Contest]()
            with progress(len(left), f"league {self.job.league.name}, subsets") as advance:
                while left or live:
                    while left and len(live) < places:
                        fixture = left.popleft()
                        contest = self._take(fixture, journal)
                        if isinstance(contest, Contest):
                            live.append(contest)
                        else:
                            others += contest
                            advance.skip()
                    live = self._round(live, journal, advance)
        return others

    def _take(self, fixture: Fixture, journal: Journal) -> Contest | bool:
        """Sit down at a subset; False where it is complete, True where another process has it."""
        if self._is_complete(fixture):
            return False
        if not journal.claims.take(fixture.digest):
            return True
        if self._is_complete(fixture):  # since
            journal.claims.give_back(fixture.digest)
            return False
        self.records |= journal.records()
        data = self.datasets[fixture.recipe.dataset]
        family = self.job.families[fixture.recipe.family]
        subset = family.draw(data, fixture.recipe.seed, Path(self.job.cache_dir))
        kept = kept_of(content_of(path_of(self.job, fixture)))
        contest = Contest(self.job, fixture, self.library.context(data, subset), kept)
        refuse_other(contest)
        return contest

    def _is_complete(self, fixture: Fixture) -> bool:
        """Whether everyone has played on a subset, as they are now."""
        league = content_of(path_of(self.job, fixture))["leagues"].get(edition(self.job), {})
        now = digests(self.job, fixture, self.library.brought(fixture.recipe.dataset))
        return all(name in league and league[name]["digest"] == digest for name, digest in now.items())

    def _round(self, live: list[Contest], journal: Journal, advance: Advance) -> list[Contest]:
        """Train what all the subsets at hand want next; those that are not finished yet."""
        wanted: list[StackedTrial] = []
        unfinished = []
        for contest in live:
            if more := contest.wanted(self.records):
                wanted += more
                unfinished.append(contest)
                continue
            keep(self.job, contest, contest.played(self.records))
            journal.claims.give_back(contest.fixture.digest)
            advance()
        for record in self._train(wanted):
            journal.append(record)
            self.records[record.key.digest] = record
            self.trained += 1
            hourly = 3600 * self.trained / (time.perf_counter() - self.started)
            advance(0, note=f"{self.trained:,} trainings, {hourly:,.0f} an hour")
        return unfinished

    def _train(self, wanted: Iterable[StackedTrial]) -> Iterator[TrialRecord]:
        job = self.job
        if job.league.driver == "stacked":
            for _, outcome in train_stacked(wanted, job.protocol, job.hardware, job.league.members):
                yield outcome.record
            return
        for trial in wanted:
            key = trial.key
            yield train_and_score(
                key.params,
                trial.subset,
                key.subset_fingerprint,
                trial.space,
                job.protocol,
                key.seed,
                job.hardware,
                tested=trial.tested,
            ).record

    def _refuse_mixture(self) -> None:
        """Raise OhloraError where this league's trainings were made otherwise, and `mix` is not set."""
        here = trained_as(device_name(self.device), self.precision, self.job.league.driver)
        protocol = self.job.protocol.fingerprint
        others = {
            words
            for record in self.records.values()
            if record.key.protocol == protocol
            and (words := trained_as(record.device, record.precision, record.driver)) != here
        }
        if others and not self.job.league.mix:
            raise OhloraError(
                f"trainings in {self.job.league.folder} were made with {' and '.join(sorted(others))}, now"
                f" {here}: league.mix=true takes those as they are, league.folder=DIR starts anew, and"
                " hardware.precision=... trains the rest alike"
            )
