"""A conversation as conf/chat.yaml names it: in the terminal, or in a process behind a page."""

from __future__ import annotations

from ohlora.chat.chat import Chat
from ohlora.config import config, deferred


@config
class Converse(Chat):
    """Talk with her."""

    piped: bool

    def run(self) -> None:
        if self.piped:
            self.converse()
        else:
            super().run()

    def check(self) -> None:
        """Raise OhloraError where a conversation cannot be had."""
        with self.conversation():
            pass

    converse = deferred("ohlora.web.piped_chat", "converse")  # as lines of JSON
