"""Features of every subset in a table of trials, drawn again from its recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from rich.progress import track

from ohlora.datasets.families import Family
from ohlora.datasets.images import ImageData
from ohlora.datasets.readers import DatasetReader
from ohlora.durable import replace_file
from ohlora.errors import OhloraError
from ohlora.features.describe import FEATURES_VERSION, Encoder, describe

RECIPE = ["dataset", "family", "seed"]


def encoder_for(data: ImageData, folder: Path) -> Encoder:
    """The encoder trained on this dataset, else the one trained on the images most like it."""
    from ohlora.features.autoencoder import load_encoder

    name = data.name.removesuffix("_jpeg")
    if not (folder / f"{name}.safetensors").is_file():
        name = "cifar10" if data.channels == 3 else "fashion"
    return load_encoder(folder / name)


def add_features(
    frame: pd.DataFrame,
    datasets: Mapping[str, DatasetReader],
    families: Mapping[str, Family],
    encoders: Path,
    cache_dir: Path,
) -> pd.DataFrame:
    """Return `frame` with `feature.*` columns; what was described before comes from the cache.

    A recipe drawn by other settings than today's cannot be described and raises OhloraError.
    """
    frame = frame.loc[:, [c for c in frame.columns if not c.startswith("feature.")]]
    stamp = "-".join(sorted({family.fingerprint for family in families.values()}))
    digests = [path.read_bytes()[:4096] for path in sorted(encoders.glob("*.json"))]
    key = hashlib.sha256(b"".join([f"{FEATURES_VERSION} {stamp}".encode(), *digests])).hexdigest()[:12]
    path = cache_dir / f"features-{key}.parquet"
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
    rows, loaded = [], {}
    for dataset, family, seed, _ in track(missing, "describing subsets", disable=not missing):
        if dataset not in loaded:
            if dataset not in datasets:
                raise OhloraError(f"dataset {dataset} in the table is not one of {' | '.join(datasets)}")
            data = datasets[dataset].load()
            if data.name != dataset:
                raise OhloraError(f"the table was made on {dataset}, but only {data.title} is at hand")
            loaded[dataset] = data, encoder_for(data, encoders)
        data, encoder = loaded[dataset]
        subset = families[family].draw(data, int(seed), cache_dir)
        named = {f"feature.{k}": v for k, v in describe(subset, encoder).items()}
        rows.append({"dataset": dataset, "family": family, "seed": seed, **named})
    if rows:
        fresh = pd.DataFrame(rows)
        known = pd.concat([known, fresh], ignore_index=True) if len(known) else fresh
        replace_file(path, known.to_parquet(index=False))  # another process may be reading it
    return frame.merge(known, on=RECIPE, how="left", validate="many_to_one")
