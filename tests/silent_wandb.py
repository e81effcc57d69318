"""A server that begins W&B runs as W&B does, and from then on accepts everything and never answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COUNTS = dict.fromkeys(("historyLineCount", "logLineCount", "eventsLineCount"), 0)
TEXTS = {"historyTail": "[]", "eventsTail": "[]", "summaryMetrics": "{}", "config": "{}", "wandbConfig": "{}"}
PROJECT = {"id": "p", "name": "ohlora", "entity": {"id": "e", "name": "me"}}
RUN = {"id": "a", "name": "a", "displayName": "a", **COUNTS, **TEXTS, "project": PROJECT}


@contextmanager
def silent_wandb() -> Iterator[str]:
    """Its address. What is asked after a run has begun waits until the end of the block."""
    begun, over = threading.Event(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer({})

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(errors="replace")
            if begun.is_set():
                over.wait()
                self.close_connection = True
                return
            if "upsertBucket" in asked:
                begun.set()
                self.answer({"data": {"upsertBucket": {"bucket": RUN, "inserted": True}}})
            elif "viewer" in asked:
                self.answer(
                    {"data": {"viewer": {"id": "v", "entity": "me", "username": "me", "flags": "{}"}}}
                )
            else:
                self.answer({"data": {"serverInfo": {"features": []}, "model": None}})

        def answer(self, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
