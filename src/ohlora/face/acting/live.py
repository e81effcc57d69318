"""See her live in a browser: python -m ohlora live, then open the address it prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Live:
    """Serve one face on this machine until Ctrl-C."""

    generator: Callable[[], Any]
    person: Callable[..., Any]
    expressions: Any
    ombre: Any
    face: int | None  # None: Oh-LoRA
    seed: int
    fps: float
    port: int
    language: str

    def run(self) -> None:
        """Print the address and serve."""
        with self.server() as server:
            print(f"Oh-LoRA: {server.url}  (Ctrl-C ends)", flush=True)
            server.serve_forever()

    def server(self) -> Any:
        """The server, not yet serving; every setting that is wrong at once."""
        from ohlora.errors import OhloraError, whole_fault
        from ohlora.face.acting.live_face import LiveFace
        from ohlora.face.acting.person import HIGHEST, cast
        from ohlora.face.acting.server import LiveServer
        from ohlora.space import Real

        built, faults = cast(self.generator, self.person, self.expressions, self.face)
        if fault := Real(1, 60).fault(self.fps):
            faults.append(f"fps{fault}")
        for name, value, highest in (("seed", self.seed, HIGHEST), ("port", self.port, 2**16 - 1)):
            if fault := whole_fault(name, value, 0, highest):
                faults.append(fault)
        if self.language not in ("ko", "en"):
            faults.append(f"language={self.language} is not one of ko | en")
        if faults:
            raise OhloraError("; ".join(faults))
        generator, person = built
        live_face = LiveFace(generator, person, self.expressions, self.ombre, self.seed, self.fps)
        live_face.frame(-1)  # the first one takes longest
        return LiveServer(live_face, self.port, self.language)
