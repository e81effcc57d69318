"""Which seeds are for what."""

from __future__ import annotations

LEAGUE_SEEDS = 1_000_000  # subset seeds from here up are for matches: no sweep may see them
CHOSEN_SEEDS = 500_000  # trial seeds from here up: params were chosen, not spread evenly
REPEAT_SEEDS = 1_000_000  # between the trial seeds of one set of params trained again
