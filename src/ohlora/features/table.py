"""Features of every subset in a table of trials, drawn again from its recipe."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from ohlora.datasets.families import Family
from ohlora.datasets.images import ImageData
from ohlora.datasets.readers import DatasetReader
from ohlora.datasets.subset import TooFewImages
from ohlora.datasets.titles import source
from ohlora.durable import replace_file
from ohlora.errors import OhloraError
from ohlora.features.describe import FEATURES_VERSION, Encoder, describe, encoders_digest
from ohlora.progress import progress
from ohlora.text import printable

RECIPE = ["dataset", "family", "seed"]


def features_version(encoders: Path) -> str:
    """What made the features: the version of `describe` and a digest of the encoders' weights."""
    return f"{FEATURES_VERSION}-{encoders_digest(encoders)}"


def made_today(frame: pd.DataFrame, encoders: Path) -> bool:
    """Whether a table has all its features, made as they would be now or by somebody who does not say how."""
    features = frame.filter(regex="^feature[.]")
    if not features.shape[1] or features.isna().any(axis=None):
        return False
    said = set(frame["features_version"]) if "features_version" in frame else set()
    return said <= {features_version(encoders)}


def encoder_for(data: ImageData, folder: Path) -> Encoder:
    """The encoder trained on this dataset, else the one trained on the images most like it."""
    from ohlora.features.autoencoder import load_encoder

    name = source(data.name)
    if not (folder / f"{name}.safetensors").is_file():
        name = "cifar10" if data.channels == 3 else "fashion"
    return load_encoder(folder / name)


def describable(
    frame: pd.DataFrame, datasets: Mapping[str, DatasetReader], families: Mapping[str, Family]
) -> pd.DataFrame:
    """The rows whose subsets can be drawn again; a warning counts the others, such as an own folder's."""
    dataset, family = frame["dataset"].to_numpy(str), frame["family"].to_numpy(str)
    keep = np.isin(dataset, list(datasets)) & np.isin(family, list(families))
    if keep.all():
        return frame
    kinds = Counter(zip(family[~keep], dataset[~keep], strict=True))
    left = "; ".join(
        f"{count} trials on {one} subsets of {printable(data)}" for (one, data), count in kinds.items()
    )
    known = f"only {' | '.join(families)} subsets of {' | '.join(datasets)} can be described again"
    if not keep.any():
        raise OhloraError(f"the table has only {left}, but {known}")
    warnings.warn(f"left out of the table: {left}; {known}", stacklevel=2)
    return frame.loc[keep].reset_index(drop=True)


def with_features(
    frame: pd.DataFrame,
    datasets: Mapping[str, DatasetReader],
    families: Mapping[str, Family],
    encoders: Path,
    cache_dir: Path,
) -> pd.DataFrame:
    """The table as it is where its features are `made_today`, else as `add_features` has it."""
    if made_today(frame, encoders):
        return frame
    return add_features(frame, datasets, families, encoders, cache_dir)


def add_features(
    frame: pd.DataFrame,
    datasets: Mapping[str, DatasetReader],
    families: Mapping[str, Family],
    encoders: Path,
    cache_dir: Path,
) -> pd.DataFrame:
    """The rows that are `describable`, with `feature.*` columns; what was described before is in the cache.

    A recipe drawn by other settings than today's cannot be described and raises OhloraError; one that has
    too few images today (a digit without a test image in the sweeps' half) is left out, and counted.
    """
    if "subset_fingerprint" not in frame:
        raise OhloraError(
            "the table has neither all features of its subsets nor subset_fingerprint, which says how to draw"
            " them again"
        )
    frame = describable(frame, datasets, families)
    frame = frame.loc[:, [c for c in frame.columns if not c.startswith("feature.")]]
    version = features_version(encoders)
    stamp = " ".join([version, *sorted({family.fingerprint for family in families.values()})])
    path = cache_dir / f"features-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}.parquet"
    known = pd.read_parquet(path) if path.is_file() else pd.DataFrame(columns=pd.Index(RECIPE))
    wanted = frame[[*RECIPE, "subset_fingerprint"]].drop_duplicates()
    # All of them, not only those to describe: a recipe in the cache is the one drawn by today's settings.
    for dataset, family, seed, fingerprint in wanted.itertuples(index=False, name=None):
        if family not in families or families[family].fingerprint != fingerprint:
            raise OhloraError(
                f"subset {dataset}/{family}/{seed} was drawn by other settings ({fingerprint}) than today's"
                f" ({families[family].fingerprint if family in families else 'no such family'});"
                " leave those rows out or go back to the commit that made them"
            )
    done = set(known[RECIPE].itertuples(index=False, name=None))
    missing = [row for row in wanted.itertuples(index=False, name=None) if row[:3] not in done]
    if missing:
        fresh = described(missing, datasets, families, encoders, cache_dir)
        known = pd.concat([known, fresh], ignore_index=True) if len(known) else fresh
        replace_file(path, known.to_parquet(index=False))  # another process may be reading it
    described_rows = frame.merge(known, on=RECIPE, how="inner", validate="many_to_one")
    if lost := len(frame) - len(described_rows):
        warnings.warn(f"left out of the table: {lost} trials on subsets with too few images", stacklevel=2)
    return described_rows.assign(features_version=version)


def described(
    recipes: Sequence[tuple[str, str, int, str]],
    datasets: Mapping[str, DatasetReader],
    families: Mapping[str, Family],
    encoders: Path,
    cache_dir: Path,
) -> pd.DataFrame:
    """A row of features for each (dataset, family, seed, fingerprint) that has enough images."""
    rows, loaded = [], {}
    with progress(len(recipes), "describing subsets") as advance:
        for dataset, family, seed, _ in recipes:
            if dataset not in loaded:
                data = datasets[dataset].load()
                if data.name != dataset:
                    raise OhloraError(f"the table was made on {dataset}, but only {data.title} is at hand")
                loaded[dataset] = data, encoder_for(data, encoders)
            data, encoder = loaded[dataset]
            with suppress(TooFewImages):
                subset = families[family].draw(data, int(seed), cache_dir)
                named = {f"feature.{k}": v for k, v in describe(subset, encoder).items()}
                rows.append({"dataset": dataset, "family": family, "seed": seed, **named})
            advance()
    return pd.DataFrame(rows, columns=None if rows else RECIPE)
