"""What is wrong with the settings of an `OhLoRASampler`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ohlora.errors import nearest
from ohlora.predictor.study_space import Translation
from ohlora.space import Space


def setting_faults(
    space: Space,
    features: Mapping[str, float],
    seed: Any,
    names: Mapping[str, str],
    translations: Mapping[str, Translation],
) -> list[str]:
    """What is wrong with a sampler's settings."""
    faults = []
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or seed < 0):
        faults.append(f"seed={seed!r} is not a whole number from 0 or None")
    odd = [name for name, value in features.items() if not math.isfinite(value)]
    if odd:
        faults.append(f"features are not finite: {', '.join(odd)}")
    given = {"names": names, "translations": translations}
    if strange := {setting: value for setting, value in given.items() if not isinstance(value, Mapping)}:
        return faults + [f"{setting}={value!r} is not a mapping" for setting, value in strange.items()]
    return faults + name_faults(names, space) + translation_faults(translations, names, space)


def name_faults(names: Mapping[str, str], space: Space) -> list[str]:
    """Names of what is no hyperparameter, and hyperparameters of several names."""
    faults = [
        f"{name}: {target!r} is not a hyperparameter{nearest(target, space.within)}; allowed: "
        + ", ".join(space.within)
        for name, target in names.items()
        if target not in space.within
    ]
    targets = list(names.values())
    return faults + [
        f"{target} has several names: {', '.join(name for name in names if names[name] == target)}"
        for target in dict.fromkeys(targets)
        if targets.count(target) > 1
    ]


def translation_faults(
    translations: Mapping[str, Translation], names: Mapping[str, str], space: Space
) -> list[str]:
    """Translations of what is no parameter that the predictor knows, and what cannot translate."""
    known = [*names, *(name for name in space.within if name not in names.values())]
    unknown = [
        f"translations: {name!r} is no hyperparameter and not in names{nearest(name, known)}"
        for name in translations
        if name not in known
    ]
    return unknown + [
        f"translations: {name}={one!r} is neither a mapping nor a function"
        for name, one in translations.items()
        if not isinstance(one, Mapping) and not callable(one)
    ]
