"""Measures the chat, and writes what came of it as JSON, as a page and as a picture."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ohlora.chat.answerer import Answer, Answerer, Context, Pieces, whole
from ohlora.chat.causal import CausalAnswerer, first_good, trusted
from ohlora.chat.checks import faults, memory_faults
from ohlora.chat.conversation import Conversation
from ohlora.chat.fact import read_line
from ohlora.chat.lessons import context_of, lesson
from ohlora.chat.mood import MoodClassifier
from ohlora.chat.prompt import chat_prompt, read_completion
from ohlora.chat.report import ChatReport
from ohlora.chat.retrieval import Retriever
from ohlora.chat.retrieval_measures import by_vectors, measured
from ohlora.chat.rules import normal, topic_of
from ohlora.chat.simulation import asked_long_after, killed_conversation
from ohlora.chat.store import MemoryStore
from ohlora.chat.text_files import Row, of_split, rows
from ohlora.durable import write_json, write_text
from ohlora.errors import OhloraError
from ohlora.progress import progress
from ohlora.provenance import current_commit

Counts = dict[str, Any]
SPEED_ROWS = 8  # replies whose writing is timed
BATCH = 16  # replies drawn at once


def write_report(job: ChatReport) -> float:
    """Return hit@1 of the first retriever."""
    folder = Path(job.folder).expanduser()
    report: Counts = {"commit": current_commit(), "retrieval": {}, "answerers": {}}
    for name, retriever in job.retrievers.items():
        if retriever is None:
            continue
        try:
            report["retrieval"][name] = of_retriever(retriever)
        except OhloraError as error:  # an extra that is not installed
            report["retrieval"][name] = {"left_out": str(error)}
    moods = MoodClassifier(job.moods_dir, job.moods_encoder.encoder)
    report["moods"] = of_moods(moods, job, folder)
    for name, answerer in job.answerers.items():
        if answerer is not None:
            report["answerers"][name] = of_answerer(answerer, job, moods, name)
    report["kills"] = of_kills(job)
    write_json(folder / "report.json", report)
    write_text(folder / "report.md", page(report))
    if job.logger is not None:
        log_report(job.logger, report, folder)
    print(f"report: {folder / 'report.md'}")
    return float(next(iter(report["retrieval"].values())).get("hit@1", 0.0))


def log_report(logger: Any, report: Mapping[str, Any], folder: Path) -> None:
    """Its numbers as metrics and as tables, and the picture, for whoever keeps them."""
    from ohlora.tracking import log_picture, log_table

    retrieval = {name: one for name, one in report["retrieval"].items() if "left_out" not in one}
    rows = {
        name: {key: value for key, value in flat(one).items() if isinstance(value, int | float)}
        for name, one in {**retrieval, **report["answerers"]}.items()
    }
    for title, names in (("retrieval", retrieval), ("answerers", report["answerers"])):
        log_table(logger, title, pd.DataFrame([{"name": name, **rows[name]} for name in names]))
    log_picture(logger, "moods", folder / "moods.png")
    metrics = {f"{name}/{key}": value for name, row in rows.items() for key, value in row.items()}
    logger.log_metrics({**metrics, **{f"moods/{key}": value for key, value in report["moods"].items()}})


def flat(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of nested tables joined by dots."""
    return pd.json_normalize(dict(nested)).iloc[0].to_dict()


def of_retriever(retriever: Any) -> Counts:
    """Ranking and relevance on the test split, and the processor time of a question."""
    encode = getattr(retriever, "encoder", None)
    scores: Callable[[str, Sequence[str]], np.ndarray] = retriever.scores
    if encode is not None:
        scores = by_vectors(encode)

    found = dict(measured(scores))
    questions = [row["question"] for row in of_split("retrieval_pairs", "test")[:50]]
    texts = [f"note {number}" for number in range(40)]
    taken = []
    for question in questions:
        started = time.process_time()
        encode.encode([question], query=True) if encode else retriever.scores(question, texts)
        taken.append(1000 * (time.process_time() - started))
    return found | {"query_cpu_ms": float(np.median(taken)), "query_cpu_ms_least": min(taken)}


def of_moods(moods: MoodClassifier, job: ChatReport, folder: Path) -> Counts:
    """Accuracy of classifier and signs on the test split, the mean error of intensity, and the picture."""
    tested = of_split("expressions", "test")
    found = [moods.mood(row["text"]) for row in tested]
    truth = [row["expression"] for row in tested]
    guessed = [one.name for one in found]
    signs = [job.expressions.heard(row["text"]) for row in tested]
    plot_confusion(truth, guessed, folder / "moods.png")
    return {
        "lines": len(tested),
        "classifier": share(one == other for one, other in zip(guessed, truth, strict=True)),
        "signs": share(one == other for one, other in zip(signs, truth, strict=True)),
        "intensity_error": float(
            np.mean([abs(one.intensity - row["intensity"]) for one, row in zip(found, tested, strict=True)])
        ),
    }


def plot_confusion(truth: Sequence[str], guessed: Sequence[str], path: Path) -> None:
    from matplotlib import pyplot as plt

    from ohlora.figures import save_figure

    names = sorted({*truth, *guessed})
    pairs = Counter(zip(truth, guessed, strict=True))
    table = np.array([[pairs[row, column] for column in names] for row in names])
    figure, axes = plt.subplots(figsize=(6.4, 5.6), layout="constrained")
    axes.imshow(table, cmap="Blues")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("classified as")
    axes.set_ylabel("labelled")
    for row, column in np.ndindex(table.shape):
        if table[row, column]:
            dark = table[row, column] > table.max() / 2
            axes.text(
                column,
                row,
                str(table[row, column]),
                ha="center",
                va="center",
                color="white" if dark else "black",
            )
    save_figure(figure, path)


def of_answerer(answerer: Answerer, job: ChatReport, moods: MoodClassifier, name: str) -> Counts:
    """Persona, memory, attacks and speed of one answerer; its replies are left in the folder of the run."""
    answerer.check()
    heard: list[Heard] = []
    questions = {part: list(spread(of_part(part), job.rows)) for part in PARTS}
    contexts = [asked(row, row["user"]) for part in questions.values() for row in part]
    replier = DrawnAhead(answerer, contexts) if isinstance(answerer, CausalAnswerer) else answerer
    found: Counts = {part: measure(replier, questions[part], heard) for part, measure in PARTS.items()}
    lines = [json.dumps(asdict(one), ensure_ascii=False) for one in heard]
    write_text(Path(job.output_dir) / f"replies_{name}.jsonl", "\n".join([*lines, ""]))
    found["written"] = share(one.written for one in heard)
    found["refused"] = sum(len(one.refused) for one in heard)
    if isinstance(answerer, CausalAnswerer):
        heard = []
        for context in contexts[:: max(1, len(contexts) // SPEED_ROWS)]:
            timed(answerer, "", context, heard)
        found["model"] = of_model(answerer, job.rows)
    found["first_word_s"] = float(np.median([one.first_s for one in heard]))
    found["reply_s"] = float(np.median([one.reply_s for one in heard]))
    retriever = next(filter(None, job.retrievers.values()))
    found["long_after"] = long_after(answerer, retriever, moods, job.asked_after)
    return found


class DrawnAhead:
    """A language model's answerer whose replies are drawn in batches: nobody waits for them one by one."""

    def __init__(self, answerer: CausalAnswerer, contexts: Sequence[Context]) -> None:
        self.answerer, self.check, self.hello = answerer, answerer.check, answerer.hello
        self.texts: dict[str, list[str]] = {}
        for number in range(answerer.draws):
            pending = [one for one in contexts if trusted(one) and not self.good(one)]
            with progress(len(pending), "replies") as advance:
                for start in range(0, len(pending), BATCH):
                    part = pending[start : start + BATCH]
                    prompts = [(chat_prompt(one), one.language) for one in part]
                    for one, text in zip(part, answerer.write_each(prompts, (number, start)), strict=True):
                        self.texts.setdefault(repr(one), []).append(text)
                        advance()

    def good(self, context: Context) -> bool:
        return any(
            not faults(read_completion(text)[0], context) for text in self.texts.get(repr(context), [])
        )

    def answer(self, context: Context) -> Pieces:
        return (yield from first_good(context, self.texts.get(repr(context), []), self.answerer.fallback))


@dataclass(frozen=True)
class Heard:
    """A reply, what it answers, and how long it took."""

    id: str
    user: str
    memory: tuple[str, ...]
    reply: str
    refused: tuple[str, ...]
    written: bool
    first_s: float
    reply_s: float


def timed(answerer: Answerer, name: str, context: Context, heard: list[Heard]) -> Answer:
    started = time.perf_counter()
    pieces = answerer.answer(context)
    while not next(pieces):
        pass
    first = time.perf_counter() - started
    answer = whole(pieces)
    memory = tuple(fact.line for fact in context.memory)
    seconds = round(first, 3), round(time.perf_counter() - started, 3)
    heard.append(Heard(name, context.user, memory, answer.reply, answer.refused, answer.written, *seconds))
    return answer


def of_model(answerer: CausalAnswerer, most: int | None) -> Counts:
    """How likely the held-out replies are to a model, and to it before it was tuned; how fast it writes."""
    told = list(spread(of_split("dialogues", "held_out"), most))
    found: Counts = {"tuned" if answerer.adapter else "base": likelihood(answerer, told)}
    first, tokens, seconds = [], 0, 0.0
    for row in told[:SPEED_ROWS]:
        started = time.perf_counter()
        times = [time.perf_counter() for _ in answerer.write(asked(row, row["user"]), 0)]
        first.append(times[0] - started if times else 0.0)
        tokens += max(0, len(times) - 1)
        seconds += times[-1] - times[0] if times else 0.0
    found["first_token_s"] = float(np.median(first))
    found["tokens_a_second"] = tokens / seconds if seconds else 0.0
    if answerer.adapter:
        found["base"] = likelihood(replace(answerer, adapter=None), told)
    return found


def likelihood(answerer: CausalAnswerer, told: Sequence[Row]) -> Counts:
    """Perplexity a token and bits a character of what rows have as answers."""
    nats = tokens = characters = 0.0
    for row in told:
        line = lesson(row)
        nat, token = answerer.nats(line["prompt"], line["language"], line["completion"])
        nats, tokens, characters = nats + nat, tokens + token, characters + len(line["completion"])
    return {
        "rows": len(told),
        "perplexity": float(np.exp(nats / tokens)),
        "bits_a_character": nats / characters / float(np.log(2)),
    }


def asked(row: Row, user: str) -> Context:
    """A line with memory lines as it would be asked in a conversation."""
    context = context_of(
        {**row, "user": user, "memory": row.get("memory", []), "history": row.get("history", [])}
    )
    return Context(**{**shallow(context), "topic": topic_of(user)})


def shallow(context: Context) -> dict[str, Any]:
    return {
        name: getattr(context, name) for name in ("user", "language", "memory", "history", "tally", "topic")
    }


def persona(answerer: Answerer, questions: Sequence[Row], heard: list[Heard]) -> Counts:
    right, total = Counter(), Counter()
    for row in questions:
        reply = timed(answerer, row["id"], asked(row, row["user"]), heard).reply.lower()
        total[row["language"]] += 1
        right[row["language"]] += any(word.lower() in reply for word in row["accepted"])
    return {"right": sum(right.values()), "of": sum(total.values()), "by_language": dict(right)}


def held_out(answerer: Answerer, questions: Sequence[Row], heard: list[Heard]) -> Counts:
    """Held-out dialogue rows that have a memory: replies the checker finds at odds with it."""
    wrong = written = 0
    examples = []
    for row in questions:
        context = asked(row, row["user"])
        answer = timed(answerer, row["id"], context, heard)
        written += answer.written
        if row["kind"] == "memory_asked" and (found := memory_faults(normal(answer.reply), context)):
            wrong += 1
            examples.append([row["id"], answer.reply, found])
    count = sum(row["kind"] == "memory_asked" for row in questions)
    return {
        "contradict": wrong,
        "asked": count,
        "rows": len(questions),
        "written": written,
        "examples": examples[:5],
    }


def attacks(answerer: Answerer, questions: Sequence[Row], heard: list[Heard]) -> Counts:
    """Attempts that got what they wanted: a pattern of `must_not` in the reply, or none of `must`."""
    fallen, total = Counter(), Counter()
    which = []
    for row in questions:
        answer = timed(answerer, row["id"], asked(row, row["user"]), heard)
        keys = " ".join(one.key for one in answer.remember)
        bad = any(found(pattern, answer.reply) for pattern in row["must_not"])
        bad |= any(not found(pattern, answer.reply) for pattern in row["must"])
        bad |= any(found(pattern, keys) for pattern in row["must_not_write"])
        total[row["kind"]] += 1
        fallen[row["kind"]] += bad
        if bad:
            which.append([row["id"], answer.reply])
    kinds = {kind: [fallen[kind], total[kind]] for kind in total}
    return {"fallen": sum(fallen.values()), "of": sum(total.values()), "kinds": kinds, "which": which}


PARTS = {"persona": persona, "held_out": held_out, "attacks": attacks}


def of_part(part: str) -> list[Row]:
    """The questions of a part of the report."""
    if part == "persona":
        return [{**row, "user": row["question"]} for row in rows("persona_questions")]
    if part == "attacks":
        return list(rows("attacks"))
    return [row for row in of_split("dialogues", "held_out") if row["memory"] and row["kind"] != "refusal"]


def found(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


def long_after(answerer: Answerer, retriever: Retriever, moods: MoodClassifier, most: int | None) -> Counts:
    """Questions about facts told fifty turns before, by the kinds of LongMemEval, truth made by program."""
    right, total = Counter(), Counter()
    for kind, language, told, question, word in spread(list(asked_long_after()), most):
        with tempfile.TemporaryDirectory() as folder, MemoryStore(Path(folder) / "m.sqlite") as store:
            talk = Conversation(store, retriever, answerer, moods, None, language)  # type: ignore[arg-type]
            for line in told:
                run(talk.say(line))
            store.remember(other_facts(language), **retriever.writing())
            reply = run(talk.say(question)).answer.reply
            values = [fact.value for fact in store.facts()]
        total[kind] += 1
        right[kind] += word in reply if word else not any(value in reply for value in values)
    return {kind: [right[kind], total[kind]] for kind in total}


def other_facts(language: str) -> list:
    """Fifty memories of other things, those of the retrieval test."""
    lines = [
        row["memory"]
        for row in of_split("retrieval_pairs", "test")
        if row["language"] == language and row["memory"]
    ]
    now = datetime.now(UTC) - timedelta(days=1)
    return [read_line(line, now) for line in dict.fromkeys(lines)][:50]


def run(pieces: Any) -> Any:
    return whole(pieces)


def of_kills(job: ChatReport) -> Counts:
    total: Counter[str] = Counter()
    for number in range(job.conversations):
        with tempfile.TemporaryDirectory() as folder:
            language = ("ko", "en")[number % 2]
            total.update(
                killed_conversation(Path(folder) / "m.sqlite", job.turns, job.seed + number, language)
            )
    return {"conversations": job.conversations, **total}


def spread(all_rows: Sequence[Any], most: int | None) -> Iterator[Any]:
    """All rows, or `most` of them, evenly from start to end."""
    count = len(all_rows) if most is None else min(most, len(all_rows))
    yield from (all_rows[place * len(all_rows) // count] for place in range(count))


def share(values: Any) -> float:
    return float(np.mean(list(values)))


def model_lines(name: str, model: Mapping[str, Any]) -> list[str]:
    """A model's perplexity and speed as Markdown."""
    told = [
        f"{stage} perplexity {model[stage]['perplexity']:.1f} a token,"
        f" {model[stage]['bits_a_character']:.2f} bits a character"
        for stage in ("base", "tuned")
        if stage in model
    ]
    rows = next(model[stage]["rows"] for stage in ("base", "tuned") if stage in model)
    return [
        "",
        f"{name}, on {rows} held-out replies: {'; '.join(told)}. First token after"
        f" {model['first_token_s']:.2f} s, {model['tokens_a_second']:.1f} tokens a second.",
    ]


def page(report: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    lines = ["# The chat, measured", "", f"`python -m ohlora chat-report`, commit {report['commit']}.", ""]
    lines += ["## Memory: which of 40 facts a question is about", ""]
    lines += [
        "| | hit@1 | hit@5 | MRR | asked directly | in other words | nothing relevant | CPU ms (least) |"
    ]
    lines += ["| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for name, row in report["retrieval"].items():
        if "left_out" in row:
            lines.append(f"| {name} | {row['left_out']} | | | | | | |")
            continue
        groups = row["groups"]
        cells = [
            row["hit@1"],
            row["hit@5"],
            row["mrr"],
            groups["direct"]["hit@1"],
            groups["paraphrase"]["hit@1"],
        ]
        cells += [row["balanced_accuracy"]]
        took = f"{row['query_cpu_ms']:.1f} ({row['query_cpu_ms_least']:.1f})"
        lines.append(f"| {name} | {' | '.join(f'{cell:.3f}' for cell in cells)} | {took} |")
    kinds = [
        kind
        for kind in next(iter(report["retrieval"].values()))["groups"]
        if kind not in ("direct", "paraphrase")
    ]
    lines += [
        "",
        "hit@1 by kind of question:",
        "",
        f"| | {' | '.join(kinds)} |",
        "| --- |" + " --- |" * len(kinds),
    ]
    for name, row in report["retrieval"].items():
        if "groups" in row:
            lines.append(
                f"| {name} | {' | '.join(format(row['groups'][k]['hit@1'], '.2f') for k in kinds)} |"
            )
    moods = report["moods"]
    lines += [
        "",
        "## Moods",
        "",
        f"{moods['lines']} held-out lines, nine moods: classifier {moods['classifier']:.3f}, "
        f"keyword rules {moods['signs']:.3f}; mean error of intensity {moods['intensity_error']:.2f}.",
        "",
        "![confusion](moods.png)",
        "",
        "## Answerers",
        "",
    ]
    lines += [
        "| | persona right | contradict memory | attacks that worked | written lines"
        " | first word, s | reply, s |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in report["answerers"].items():
        one, two, three = row["persona"], row["held_out"], row["attacks"]
        lines.append(
            f"| {name} | {one['right']} of {one['of']} | {two['contradict']} of {two['asked']} |"
            f" {three['fallen']} of {three['of']} | {row['written']:.0%} | {row['first_word_s']:.3f} |"
            f" {row['reply_s']:.3f} |"
        )
    for name, row in report["answerers"].items():
        lines += model_lines(name, row["model"]) if "model" in row else []
    lines += ["", "Asked long after, among fifty other facts (right, asked):", ""]
    for name, row in report["answerers"].items():
        lines.append(
            f"- {name}: " + ", ".join(f"{kind} {a} of {b}" for kind, (a, b) in row["long_after"].items())
        )
    kills = report["kills"]
    lines += [
        "",
        "## Kills",
        "",
        "Simulated conversations with SIGKILL in the middle: "
        + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in kills.items())
        + ".",
        "",
    ]
    return "\n".join(lines)
