"""The battle in a browser, as conf/ui/web.yaml names it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le

from ohlora.battle.contestants.human_file import HumanFile
from ohlora.battle.match import MatchSettings
from ohlora.config import Count, Name, compared, config, deferred, having
from ohlora.errors import OhloraError
from ohlora.loggers import LoggerChoice
from ohlora.space import Params
from ohlora.web.live import Live
from ohlora.web.piped import check_asked_for
from ohlora.web.piped_process import is_shared


@config
class WebSettings:
    """How much one server takes on."""

    matches: Count  # that train at once; the others wait in line
    players: Annotated[int, Ge(1), Le(100)]  # pages open at once, a process each
    upload_mb: Annotated[int, Ge(1), Le(4000)]
    unpacked_mb: Annotated[int, Ge(1), Le(16000)]
    images: Annotated[int, Ge(1), Le(1_000_000)]
    megapixels: Annotated[int, Ge(1), Le(150)]  # of one image
    face_fps: Annotated[float, Ge(1), Le(60)]


@config
class ServeBattle(MatchSettings):
    """Serve the battle's page on this machine until Ctrl-C."""

    datasets: Mapping[Name, Annotated[Any, having("load")]]
    challenger: str  # by its name in conf/challenger
    save_subset: Name | None
    start: Any  # of conf/human: the player's name and where the sliders stand at first
    web: WebSettings
    live: Live
    port: Annotated[int, Ge(0), Le(2**16 - 1)]  # 0: any that is free
    language: Literal["ko", "en", "browser"]  # browser: the one that each browser asks for
    history: Name  # an SQLite file
    chat: str  # settings of the conversations, as a shell reads what is typed behind `python -m ohlora chat`
    page: Literal["battle", "chat"]  # whose address is printed
    logs: LoggerChoice  # of each match, which are made where it is played
    settings: Any  # that were typed, for the processes that play
    config_sources: Any  # Hydra's list of where configs come from
    makes: ClassVar[tuple[str, ...]] = ("logs",)

    @compared
    def _can_be_played(self) -> None:
        HumanFile(self.start).check(self.space)

    @compared
    def _is_asked_for(self) -> None:
        check_asked_for(self.challenger, self.save_subset)

    @compared
    def _chat_can_be_read(self) -> None:
        try:
            shlex.split(self.chat)
        except ValueError as error:
            raise OhloraError(f"chat={self.chat}: {str(error).lower()}") from None

    @property
    def chat_words(self) -> list[str]:
        """The settings of the conversations, and those of the server that are theirs as well."""
        return [*filter(is_shared, self.words), *shlex.split(self.chat)]

    @cached_property
    def first(self) -> Params:
        """Where the sliders stand at first."""
        return HumanFile(self.start).params(self.space)[0]

    @property
    def player(self) -> str:
        """What the player is called at first."""
        return HumanFile(self.start).content.name

    @property
    def words(self) -> list[str]:
        """Settings and config folders as they were typed."""
        typed = [one["path"] for one in self.config_sources if one["provider"] == "command-line"]
        return [*map(str, self.settings), *(f"--config-dir={path}" for path in typed)]

    run = deferred("ohlora.web.battle_server", "serve")  # prints the address and serves
