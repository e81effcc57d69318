"""Model and dataset cards (README.md): texts of this folder, numbers of the JSON cards beside the weights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData, EvalResult, ModelCard, ModelCardData

from ohlora.errors import OhloraError
from ohlora.publish.jobs import Repository, Results

Cards = Mapping[str, dict[str, Any]]  # JSON cards by the name of their file


def card_of(repository: Repository, repo_id: str, folder: Path, cards: Cards) -> str:
    """README.md: metadata between two lines of dashes, and the text."""
    try:
        results = [one for said in repository.results for one in results_of(said, cards)]
        if repository.text is None:
            own = read_markdown(folder / "README.md")
            metadata, text = {**own.data.to_dict(), **repository.metadata.said()}, own.text.lstrip("\n")
        else:
            metadata, text = repository.metadata.said(), filled(repository.text, repo_id, cards, results)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise OhloraError(
            f"the card of {repository.name} cannot be made: {type(error).__name__}: {error}"
        ) from None
    if repository.kind == "dataset":
        data: DatasetCardData | ModelCardData = DatasetCardData(**metadata)
        kind: type[DatasetCard | ModelCard] = DatasetCard
    else:
        scored = {"model_name": repository.name, "eval_results": results} if results else {}
        data = ModelCardData(**metadata, **scored)
        kind = ModelCard
    return str(kind(f"---\n{data.to_yaml()}\n---\n{text}"))


def read_markdown(path: Path) -> ModelCard:
    if not path.is_file():
        raise OhloraError(f"{path} is missing")
    return ModelCard.load(path)


def results_of(said: Results, cards: Cards) -> Iterator[EvalResult]:
    """The scores of every JSON card that `said` means; where that is a pattern they bear the card's name."""
    meant = {name: card for name, card in cards.items() if fnmatch(name, said.cards)}
    if not meant:
        raise ValueError(f"no {said.cards}")
    for file, card in meant.items():
        scores = found_at(card, said.place, file)
        for metric, names in said.metrics.items():
            for name in names:
                value = found_at(scores, name, f"{file} at {said.place}")
                if not isinstance(value, float | int) or isinstance(value, bool):
                    raise TypeError(f"{file} at {said.place}.{name} is no number")
                dataset = said.dataset.format_map(card)
                yield EvalResult(
                    task_type=said.task,
                    dataset_type=re.sub(r"\W+", "_", dataset.lower()).strip("_"),
                    dataset_name=dataset,
                    metric_type=metric,
                    metric_name=name if file == said.cards else f"{PurePosixPath(file).stem}: {name}",
                    metric_value=value,
                )


def found_at(card: Mapping[str, Any], place: str, where: str) -> Any:
    """What stands at a dotted place."""
    for key in place.split("."):
        if not isinstance(card, Mapping) or key not in card:
            raise KeyError(f"{where} has no {place}")
        card = card[key]
    return card


def filled(name: str, repo_id: str, cards: Cards, results: list[EvalResult]) -> str:
    """A text of this package, its places in braces filled: JSON cards by their names without .json."""
    text = files("ohlora.publish").joinpath("cards", name).read_text(encoding="utf-8")
    said = {PurePosixPath(file).stem: card for file, card in cards.items()}
    return text.format_map(
        {**said, "repository": repo_id, "results": results_table(results), "origins": origins(cards)}
    )


def results_table(results: list[EvalResult]) -> str:
    rows = [f"| {one.metric_name} | {one.metric_value:.5g} | {one.dataset_name} |" for one in results]
    return "\n".join(["| score | value | measured on |", "| --- | --- | --- |", *rows])


def origins(cards: Cards) -> str:
    """By which command, commit and day each pair of files was made."""
    rows = [
        f"| {PurePosixPath(file).stem} | {card['weights']['values']:,} | `{card['command']}` |"
        f" {card['commit']} | {card['date']} |"
        for file, card in cards.items()
        if isinstance(card.get("weights"), dict)
    ]
    return "\n".join(
        ["| file | values | command | commit | date |", "| --- | --- | --- | --- | --- |", *rows]
    )
