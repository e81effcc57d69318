"""The fitted predictor: expected macro-F1 of hyperparameters on a subset; how it is fitted, saved, loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer
from torch import Tensor

from ohlora.assets import assets_dir, load_model, save_model
from ohlora.config import Name, NotNegative, config
from ohlora.datasets.titles import source
from ohlora.errors import OhloraError
from ohlora.features.describe import FEATURES_VERSION, encoders_digest
from ohlora.predictor.calibration import (
    ERROR_NEIGHBOURS,
    MIN_SD,
    NEIGHBOURS,
    SIZE,
    Calibration,
    Errors,
    Known,
    bias_basis,
    neutral,
    spread_basis,
)
from ohlora.predictor.jobs import Names, PredictorSettings
from ohlora.predictor.model import Ensemble, SubsetBatches
from ohlora.predictor.table import PredictorTable
from ohlora.space import Axis, Choice, Params, Real, Space

KIND = "ohlora.hp_predictor"
NAME = "hp_predictor"  # of the two files that it is
# Novelty below which a subset is taken for one of a known dataset: 94 % of the known subsets are that near to
# another of their dataset, 5 % to one of another dataset.
FAMILIAR = 0.5


@dataclass(frozen=True)
class Predictor:
    """Features + params -> expected macro-F1 and its uncertainty.

    `noise` is the spread of single trials around the prediction on subsets it has not seen (macro-F1).
    `known` holds the features of the subsets it was fitted on, `known_datasets` where each came from,
    `errors` how far off predictions of its top trials were while it was held out (`calibration.Errors`).
    """

    feature_names: tuple[str, ...]
    columns: tuple[str, ...]  # of the encoded params
    axes: dict[str, Axis]  # hyperparameter -> its range when fitted
    mean: Tensor  # [features]
    std: Tensor  # [features]
    ensemble: Ensemble
    noise: float
    known: Tensor  # standardised [subsets, features]
    known_datasets: tuple[str, ...]
    errors: Tensor  # macro-F1 [subsets, 2]: mean, root mean square; 0 where nothing was held out
    card: dict[str, Any]

    @property
    def space(self) -> Space:
        """The whole space it was fitted on, every hyperparameter free."""
        return Space(self.axes, self.axes)

    def vector(self, features: Mapping[str, float]) -> Tensor:
        """Named features as the standardised row the networks take [1, features]."""
        missing = [name for name in self.feature_names if name not in features]
        if missing:
            some = ", ".join(missing[:5]) + " …" * (len(missing) > 5)
            raise OhloraError(f"the predictor needs features that are not given: {some}")
        raw = torch.tensor([features[name] for name in self.feature_names], dtype=torch.float32)
        return standardised(raw[None], self.mean, self.std)

    @torch.no_grad()
    def members(self, vector: Tensor, encoded: np.ndarray | Tensor) -> Tensor:
        """Macro-F1 by each member [members, n] for encoded params [n, columns]; `vector` has one row or n."""
        return self.ensemble(vector, torch.as_tensor(encoded, dtype=torch.float32))

    @torch.no_grad()
    def on_each(self, vectors: Tensor, encoded: np.ndarray | Tensor) -> Tensor:
        """Macro-F1 by each member on each of `vectors` [subsets, features]: [subsets, members, n].

        Encoded params [n, columns] are the same on all, so their share of the first layer is worked out once.
        """
        return self.ensemble(vectors[:, None, None], torch.as_tensor(encoded, dtype=torch.float32))

    @cached_property
    def calibration(self) -> Calibration:
        """What held-out subsets said of such predictions; where its card does not tell, `noise` alone."""
        said = self.card.get("calibration")
        return Calibration(**said) if said else neutral(self.noise)

    @cached_property
    def known_subsets(self) -> Known:
        return Known(self.known)

    def on(self, vector: Tensor) -> Expectations:
        """What it expects on the subset that `vector` [1, features] describes."""
        return Expectations(self, vector)

    def known_as(self, dataset: str) -> str | None:
        """The name here of a dataset, or of another version of it; None where it is not known."""
        names = {source(name): name for name in self.known_datasets}
        return dataset if dataset in self.known_datasets else names.get(source(dataset))

    def check_space(self, space: Space) -> None:
        """Refuse a space whose axes are not those the predictor was fitted on."""
        now = dict(space.within)
        if list(now.items()) != list(self.axes.items()):
            names = [name for name in {**self.axes, **now} if self.axes.get(name) != now.get(name)]
            faults = [
                f"{n}: fitted on {self.axes.get(n, 'nothing')}, now {now.get(n, 'gone')}" for n in names
            ]
            raise OhloraError(
                "the predictor was fitted on another space; " + "; ".join(faults or ["the order differs"])
            )

    def check_encoders(self, folder: Path) -> None:
        """Refuse encoders other than those that made the features it was fitted on, where its card says."""
        known = self.card.get("encoders")
        if known is None or not any(folder.glob("*.safetensors")):
            return  # a folder without any is refused where one is loaded
        if (here := encoders_digest(folder)) != known:
            raise OhloraError(
                f"the predictor was fitted on features of other encoders ({known}) than those in {folder}"
                f" ({here}); take its own, or fit it on features of these: python train.py"
                f" model=hp_predictor paths.encoders={folder.as_posix()}"
            )

    def save(self, folder: Path, name: str) -> Path:
        """Write `name`.safetensors and its card `name`.json."""
        tensors = {f"ensemble.{k}": v for k, v in self.ensemble.state_dict().items()}
        tensors |= {"mean": self.mean, "std": self.std, "known": self.known, "errors": self.errors}
        card = {
            **self.card,
            "kind": KIND,
            "features_version": FEATURES_VERSION,
            "feature_names": list(self.feature_names),
            "columns": list(self.columns),
            "axes": {name: asdict(axis) for name, axis in self.axes.items()},
            "noise": self.noise,
            "known_datasets": list(self.known_datasets),
            "settings": asdict(self.ensemble.settings),
        }
        return save_model(folder, name, tensors, card)

    @classmethod
    def load(cls, folder: Path, name: str) -> Predictor:
        """Read what `save` wrote; OhloraError for anything else."""
        tensors, card = load_model(folder, name, KIND)
        place = folder / name
        again = "; fit it again: python train.py model=hp_predictor"
        if card.get("features_version") != FEATURES_VERSION:
            raise OhloraError(
                f"{place} was fitted on features of version {card.get('features_version')}, this code makes"
                f" version {FEATURES_VERSION}{again}"
            )
        if "errors" not in tensors:
            raise OhloraError(f"{place} is of a time when no errors on known subsets were kept{again}")
        try:
            return cls.of_card(PredictorCard.read(card), tensors, card)
        except (OhloraError, KeyError, TypeError, ValueError, RuntimeError) as error:
            why = f"{type(error).__name__}: " * (not isinstance(error, OhloraError)) + " ".join(
                str(error).split()
            )
            raise OhloraError(f"{place} is not a whole predictor: {why}{again}") from None

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options: Any) -> Predictor:
        """The predictor in a folder or, by owner/name, on the Hugging Face Hub; OhloraError if none is.

        `options`: name (of the two files), and ModelHubMixin's revision, token, cache_dir, force_download,
        local_files_only.
        """
        from ohlora.predictor.pretrained import PretrainedPredictor

        return PretrainedPredictor.from_pretrained(pretrained_model_name_or_path, **{"name": NAME, **options})

    @classmethod
    def of_card(cls, said: PredictorCard, tensors: Mapping[str, Tensor], card: dict[str, Any]) -> Predictor:
        """The predictor a card describes; raises where the tensors are not what it says."""
        axes = {name: read_axis(axis) for name, axis in said.axes.items()}
        n_features, n_columns = len(said.feature_names), len(said.columns)
        check_tensors(tensors, n_features, len(said.known_datasets))
        if tuple(Space(axes, axes).columns) != said.columns:
            raise OhloraError("columns are not those of its axes")
        with torch.device("meta"):  # no memory for what a card merely says: shapes are compared first
            ensemble = Ensemble(n_features, n_columns, PredictorSettings(**said.settings))
        if said.calibration is not None:
            Calibration(**said.calibration)
        answers = {f"fixed_answers.{name}": params for name, params in (said.fixed_answers or {}).items()}
        answers |= {"fixed_answer": said.fixed_answer} if said.fixed_answer else {}
        faults = [
            f"{name}: {error}"
            for name, params in answers.items()
            if (error := fault_of(params, Space(axes, axes)))
        ]
        if faults:
            raise OhloraError("; ".join(faults))
        own = {name.removeprefix("ensemble."): value for name, value in tensors.items() if "." in name}
        ensemble.load_state_dict(own, assign=True)
        return cls(
            said.feature_names,
            said.columns,
            axes,
            tensors["mean"],
            tensors["std"],
            ensemble.eval(),
            float(said.noise),
            tensors["known"],
            said.known_datasets,
            tensors["errors"],
            card,
        )


@dataclass(frozen=True)
class Expectations:
    """What a predictor expects on one subset, corrected by what held-out subsets said."""

    predictor: Predictor
    vector: Tensor  # [1, features]

    @torch.no_grad()
    def members(self, encoded: np.ndarray | Tensor) -> Tensor:
        """Macro-F1 by each member [members, n] for encoded params [n, columns]."""
        share = self.predictor.calibration.own_share
        if share < 1:
            own, near = self.predictor.on_each(torch.cat([self.vector, self._near]), encoded)
            scores = share * own + (1 - share) * near
        else:
            scores = self.predictor.members(self.vector, encoded)
        level = scores.mean(dim=0).double().numpy()
        bias = bias_basis(self._size, level, self._nearby) @ np.array(self.predictor.calibration.bias)
        return scores + torch.from_numpy(bias).to(scores)

    def half_widths(self, level: float) -> tuple[float, float]:
        """Half the widths of the intervals around an expected `level` that hold 68 and 95 of 100 trials."""
        calibration = self.predictor.calibration
        depends_on = spread_basis(self._size, level, self._nearby, self._novelty)
        sd = float(np.exp(depends_on @ np.array(calibration.log_sd)).clip(MIN_SD, 0.5))
        of_68, of_95 = (min(sd * times, 1.0) for times in calibration.reach)
        return of_68, of_95

    def fixed_answer(self) -> Params | None:
        """The params that are best on average for the known dataset it looks like; else, for all datasets."""
        if self.familiar:
            return self.predictor.card.get("fixed_answers", {}).get(self.nearest_dataset())
        return self.predictor.card.get("fixed_answer")

    def nearest_dataset(self) -> str:
        """The dataset most of the nearest known subsets are of."""
        nearest = self._known.nearest(self.vector, NEIGHBOURS[0])
        return Counter(self.predictor.known_datasets[i] for i in nearest.tolist()).most_common(1)[0][0]

    @property
    def familiar(self) -> bool:
        """Whether it looks like a subset of a dataset that the predictor was fitted on."""
        return self._novelty < FAMILIAR

    @cached_property
    def _known(self) -> Known:
        return self.predictor.known_subsets

    @cached_property
    def _near(self) -> Tensor:
        return self._known.near(self.vector, self.predictor.calibration.neighbours)

    @cached_property
    def _nearby(self) -> Errors:
        nearest = self._known.nearest(self.vector, ERROR_NEIGHBOURS)
        return Errors(*self.predictor.errors.double().numpy().T).of(nearest.numpy())

    @cached_property
    def _novelty(self) -> float:
        return self._known.novelty(self.vector)

    @cached_property
    def _size(self) -> float:
        names = self.predictor.feature_names
        return float(self.vector[0, names.index(SIZE)]) if SIZE in names else 0.0


@config
class PredictorCard:
    """What a predictor's card must say for its weights to mean anything."""

    feature_names: Names
    columns: Names
    axes: dict[Name, dict[str, Any]]
    noise: NotNegative
    known_datasets: Names
    settings: dict[str, Any]
    calibration: dict[Name, Any] | None = None
    fixed_answer: dict[Name, Any] | None = None  # the params best on average over all datasets
    fixed_answers: dict[Name, dict[Name, Any]] | None = None  # dataset -> those best there

    @classmethod
    def read(cls, card: Mapping[str, Any]) -> PredictorCard:
        return cls(**{one.name: card[one.name] for one in fields(cls) if one.name in card})  # type: ignore[arg-type]


def fault_of(params: Mapping[str, Any], space: Space) -> OhloraError | None:
    try:
        space.check(params)
    except OhloraError as error:
        return error
    return None


def check_tensors(tensors: Mapping[str, Tensor], n_features: int, n_known: int) -> None:
    """Raise OhloraError where what stands beside the networks has another shape than the card says."""
    shapes = {
        "mean": (n_features,),
        "std": (n_features,),
        "known": (n_known, n_features),
        "errors": (n_known, 2),
    }
    faults = [
        f"{name} is {list(tensors[name].shape) if name in tensors else 'missing'}, not {list(shape)}"
        for name, shape in shapes.items()
        if name not in tensors or tuple(tensors[name].shape) != shape
    ]
    faults += [f"{name} is {one.dtype}" for name, one in tensors.items() if one.dtype != torch.float32]
    if not faults and not bool((tensors["std"] > 0).all()):
        faults.append("std is not above 0 everywhere")
    if not faults and bool((tensors["errors"][:, 1] < 0).any()):
        faults.append("a root mean square in errors is below 0")
    if faults:
        raise OhloraError("; ".join(faults))


def load(folder: str | Path | None = None) -> Predictor:
    """The predictor that `train model=hp_predictor` left in `folder`; without one, the one that ships."""
    return Predictor.load(Path(folder) if folder else assets_dir(), NAME)


def read_axis(card: Mapping[str, Any]) -> Axis:
    """The inverse of `asdict(axis)`."""
    return Choice(**card) if "options" in card else Real(**card)


def standardised(raw: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    # Clipped: a feature far outside what was seen should not run away with the prediction.
    return ((raw - mean) / std).clamp(-4, 4)


def fit(
    table: PredictorTable,
    space: Space,
    settings: PredictorSettings,
    seed: int,
) -> Predictor:
    """Train the ensemble on every row of `table`."""
    raw = torch.from_numpy(table.features).float()
    per_group = torch.stack([raw[torch.from_numpy(table.group == g)][0] for g in range(table.n_groups)])
    mean, std = per_group.mean(dim=0), per_group.std(dim=0)
    std = torch.where(std > 1e-6, std, torch.ones_like(std))
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randint(table.n_groups, (settings.members, table.n_groups), generator=generator)
    weights = torch.zeros(settings.members, table.n_groups).scatter_add_(1, draws, torch.ones(draws.shape))
    batches = SubsetBatches(
        standardised(raw, mean, std),
        torch.from_numpy(table.params).float(),
        torch.from_numpy(table.target).float(),
        torch.from_numpy(table.group),
        weights,
        settings.subsets_per_batch,
        generator,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        ensemble = Ensemble(raw.shape[1], table.params.shape[1], settings)
        # barebones: a step here takes a millisecond, and Trainer's bookkeeping would double it.
        Trainer(accelerator="cpu", devices=1, max_epochs=settings.epochs, barebones=True).fit(
            ensemble, batches
        )
    return Predictor(
        table.feature_names,
        tuple(space.columns),
        dict(space.within),
        mean,
        std,
        ensemble.eval(),
        0.0,
        standardised(per_group, mean, std),
        tuple(table.datasets[table.group == g][0] for g in range(table.n_groups)),
        torch.zeros(table.n_groups, 2),
        {},
    )


def with_noise(
    predictor: Predictor, noise: float, card: dict[str, Any], errors: Errors | None = None
) -> Predictor:
    """The predictor with what held-out subsets said of it."""
    trusted = replace(predictor, noise=noise, card=card)
    if errors is None:
        return trusted
    tensor = torch.from_numpy(np.stack([errors.mean, errors.rms], axis=1)).float()
    return replace(trusted, errors=tensor)
