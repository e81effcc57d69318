"""The server by itself: its addresses, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from contextlib import suppress

from starlette.applications import Starlette

from ohlora.web.server import LocalServer, hosts_at, listening


def test_browsers_leave_out_the_port_of_http() -> None:
    for port, names in [(80, {"localhost", "127.0.0.1"}), (8765, set())]:
        assert hosts_at(port) == {f"localhost:{port}", f"127.0.0.1:{port}"} | names


def test_a_second_ctrl_c_waits_for_nothing() -> None:
    closing, cancelled = threading.Event(), threading.Event()

    async def close() -> None:
        closing.set()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with LocalServer(Starlette(), listening(0), close) as server:

        def serve() -> None:
            with suppress(KeyboardInterrupt):
                server.serve_forever()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        server._server._interrupted(signal.SIGINT, None)
        assert closing.wait(10)
        time.sleep(0.3)
        assert thread.is_alive()
        server._server._interrupted(signal.SIGINT, None)
        thread.join(10)
        assert not thread.is_alive()
    assert cancelled.is_set()
