"""Sends The Data Group's notifications in the background and writes down how each was received."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass

from local.simulators.outbound import call_out


@dataclass(slots=True)
class Notification:
    """One call to the client's notification URL; `status` is 0 where no answer came."""

    batch_id: str
    state: str
    method: str
    url: str
    at: float
    status: int


class Notifier:
    """One thread, started with the first notification, ended by `stop`."""

    def __init__(self) -> None:
        self.sent: list[Notification] = []
        self._queue: queue.Queue[tuple[str, str, str, str, bytes | None] | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    def send(self, batch_id: str, state: str, method: str, url: str, body: bytes | None) -> None:
        """Queue one call; its outcome appears in `sent`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True, name="simulator-notifier")
            self._thread.start()
        self._queue.put((batch_id, state, method, url, body))

    def stop(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            batch_id, state, method, url, body = job
            status, _ = call_out(method, url, body, "application/json" if body is not None else "", timeout=5)
            self.sent.append(Notification(batch_id, state, method, url, time.time(), status))
