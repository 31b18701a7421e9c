"""Virtual time and concurrent invocations, the same for the same seed.

An invocation is a task on a thread of its own, but only one of them runs at a time: it hands the baton back when it
sleeps and something else is due earlier. So every interleaving is decided by the seed alone.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from itertools import count
from random import Random

START = 1_790_000_000.0  # virtual seconds since the epoch


class Crash(BaseException):
    """The process dies here. Nothing in the code under test may catch it."""


class Task:
    """One invocation: its name, its owner's id, and when the platform ends it."""

    def __init__(self, name: str, owner: str, body: Callable[[], None], ends_at: float, dies_at: float) -> None:
        self.name, self.owner, self.body = name, owner, body
        self.ends_at = ends_at  # what the platform told it
        self.dies_at = dies_at  # when it really is gone: a little later
        self.dead = False
        self.done = False
        self.began_at = 0.0
        self.asked = 0  # answered status questions to vendors
        self.worker: _Worker | None = None


class _Worker:
    """A thread that carries out tasks one after the other."""

    def __init__(self) -> None:
        self.go = threading.Lock()
        self.go.acquire()
        self.work: Callable[[], None] = lambda: None
        threading.Thread(target=self._loop, daemon=True, name="simulated").start()

    def _loop(self) -> None:
        while True:
            self.go.acquire()
            self.work()


_idle: list[_Worker] = []


class Kernel:
    """The clock, the queue of what is due, and the baton."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.now = START
        self.current: Task | None = None
        self.tasks: list[Task] = []
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._main = threading.Lock()
        self._main.acquire()
        self._trouble: BaseException | None = None

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """Do something in so many seconds."""
        heapq.heappush(self._due, (self.now + max(0.0, seconds), next(self._numbers), what))

    def spawn(self, task: Task) -> None:
        """Begin a task now."""
        task.began_at = self.now
        self.tasks.append(task)
        self.after(0, lambda: self._begin(task))

    def sleep(self, seconds: float) -> None:
        """Let time pass in the running task; `Crash` when the platform ends it meanwhile."""
        task = self.current
        if task is None:
            return
        if task.dead:
            raise Crash
        wake = min(self.now + seconds, max(task.dies_at, self.now))
        if self._due and self._due[0][0] <= wake:
            heapq.heappush(self._due, (wake, next(self._numbers), lambda: self._resume(task)))
            self._main.release()
            assert task.worker is not None
            task.worker.go.acquire()
        else:
            self.now = wake
        if task.dead or self.now >= task.dies_at:
            self.crash()

    def crash(self) -> None:
        """End the running task as a dying process ends: at once."""
        if self.current is not None:
            self.current.dead = True
        raise Crash

    def run(self, until: float, stop: Callable[[], bool] = lambda: False) -> None:
        """Let things happen until that time, until nothing is due any more, or until `stop` says so."""
        while self._due and self._due[0][0] <= until and not stop():
            when, _, what = heapq.heappop(self._due)
            self.now = max(self.now, when)
            what()
        if not stop() and until != float("inf"):
            self.now = max(self.now, until)

    def close(self) -> None:
        """End all that still runs."""
        for task in self.tasks:
            if not task.done and task.worker is not None:
                task.dead = True
                self._resume(task)

    def _begin(self, task: Task) -> None:
        task.worker = worker = _idle.pop() if _idle else _Worker()
        worker.work = lambda: self._carry_out(task)
        self._resume(task)

    def _resume(self, task: Task) -> None:
        if task.done or task.worker is None:
            return
        self.current = task
        task.worker.go.release()
        self._main.acquire()
        self.current = None
        if self._trouble is not None:
            trouble, self._trouble = self._trouble, None
            raise trouble

    def _carry_out(self, task: Task) -> None:
        try:
            task.body()
        except Crash:
            pass
        except BaseException as error:  # noqa: BLE001 - a fault of the harness: shown in the main thread
            self._trouble = error
        task.done = True
        assert task.worker is not None
        _idle.append(task.worker)
        self._main.release()
