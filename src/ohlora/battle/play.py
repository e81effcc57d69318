"""One match in the terminal, from the subset to the verdict."""

from __future__ import annotations

from pathlib import Path

from ohlora.battle.contestants.ohlora import OhLora
from ohlora.battle.match import PlayMatch
from ohlora.battle.prepare import draw, keep, load_data, load_predictor, seal_choice
from ohlora.battle.referee import Referee
from ohlora.battle.report import log_match, plot_curves
from ohlora.battle.screen import Screen
from ohlora.datasets.pictures import save_contact_sheet, save_images
from ohlora.errors import OhloraError
from ohlora.tracking import log_picture


def play(match: PlayMatch) -> float:
    """Play the match; return the challenger's best test macro-F1 less Oh-LoRA's, -1 to 1."""
    predictor = load_predictor(match)
    match.hardware.use_threads()
    screen, out = Screen(match.language, match.space.free), Path(match.output_dir)

    data, unavailable = load_data(match)
    if unavailable:
        screen.say("fallback", reason=str(unavailable), title=data.title)
    subset = draw(match, data)
    sheet = save_contact_sheet(subset, out / "contact_sheet.png")
    if match.save_subset:
        save_images(subset, Path(match.save_subset), ("train", "val"))
    screen.introduce(subset, sheet)

    prepared = seal_choice(match, predictor, data, subset)
    context, seal = prepared.context, prepared.seal.sha256[:12]
    screen.say("sealed", ms=prepared.looked_ms, seal=seal)
    if not prepared.expects:
        fitted, now = str(prepared.fitted_protocol), match.protocol.fingerprint
        screen.say("other_protocol", fitted=fitted, now=now)
    referee = Referee(context, match.protocol, match.hardware, screen.watch(context))
    try:
        played = referee.play(OhLora(), match.challenger)
    except (KeyboardInterrupt, OhloraError):
        screen.again(subset.recipe.seed)
        raise
    result = prepared.result(played)
    told = keep(match, result, out)
    if match.save_subset:
        save_images(subset, Path(match.save_subset), ("test",))
    screen.show(result, match.challenger.title(context, match.language), told.line)
    plot_curves(result.attempts, out / "curves.png")
    log_match(match.logger, result, told, out)
    if match.face:
        picture = match.face.react(result, told.line, out, screen.console)
        log_picture(match.logger, "ohlora", picture)
    screen.say("seal", style="dim", seal=seal)
    screen.again(subset.recipe.seed)
    screen.say("files", style="dim", path=str(out))
    if referee.interrupted:
        raise KeyboardInterrupt
    return result.best.test_f1 - result.ohlora.test_f1
