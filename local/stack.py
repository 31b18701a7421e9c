"""The local stack as a whole: up, down, and the variables that lead `aws` and boto3 to it."""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from local import deployment, emulator, seen_routes, vendors
from local.home import LocalStack, home
from local.trouble import Trouble

IN_THE_WAY = ("AWS_PROFILE", "AWS_SESSION_TOKEN")  # of a real account: with them, local credentials do not work
Say = Callable[[str], None]


def running() -> LocalStack | None:
    """The deployed local stack of this home, if it is alive."""
    stack = LocalStack.load()
    return stack if stack and stack.deployed and stack.emulator.is_alive() else None


def up(say: Say, *, name: str = seen_routes.LOCAL, port: int | None = None, simulators: bool = False) -> LocalStack:
    """Bring the stack up, or up to date. What already runs and is unchanged is left as it is.

    Raises `Trouble` when something is in the way; then nothing that this call started is left running.
    """
    directory = home()
    directory.mkdir(parents=True, exist_ok=True)
    with _alone(directory, say):
        stack = _reusable(name, port, say) or _new(directory, name, port or emulator.PORT, say)
        if simulators and not (stack.simulators and stack.simulators.is_alive()):
            _add_simulators(directory, stack, say)
        _bring_up_to_date(directory, stack, say)
        return stack


def down(say: Say = lambda _: None) -> bool:
    """Stop every process of the stack and forget its state; the logs stay. False if there was nothing to stop."""
    directory = home()
    if not directory.exists():
        return False
    with _alone(directory, say):
        stack = LocalStack.load()
        if stack is None:
            return False
        _stop(stack)
        return True


def variables(stack: LocalStack) -> dict[str, str]:
    """What `aws`, boto3 and scripts need to use the stack."""
    found = {
        "AWS_ENDPOINT_URL": stack.endpoint,
        "AWS_REGION": emulator.REGION,
        "AWS_DEFAULT_REGION": emulator.REGION,
        "AWS_ACCESS_KEY_ID": emulator.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": emulator.SECRET_KEY,
        "BATCHDROP_STACK": stack.name,
    }
    api = stack.outputs.get("NotificationApiId", "")
    outputs = {k.removesuffix("Name"): v.replace("{api}", api) for k, v in stack.outputs.items()}
    found |= {f"BATCHDROP_{_upper_snake(k)}": v for k, v in outputs.items()}
    return found | {f"BATCHDROP_{k.upper()}_URL": v for k, v in stack.destinations.items()}


def _reusable(name: str, port: int | None, say: Say) -> LocalStack | None:
    stack = LocalStack.load()
    if stack is None:
        return None
    if not (stack.emulator.is_alive() and emulator.is_healthy(stack.port)):
        _stop(stack)  # a simulator or worker may have outlived the emulator
        return None
    if stack.name != name or port not in (None, stack.port):
        raise Trouble(
            f'stack "{stack.name}" is already running on port {stack.port}; stop it first (batchdrop down), '
            "or give this one a home of its own (BATCHDROP_HOME=directory)"
        )
    say(f"embedded AWS is already running on port {stack.port}")
    return stack


def _new(directory: Path, name: str, port: int, say: Say) -> LocalStack:
    say(f"starting the embedded AWS on port {port}")
    stack = LocalStack(name, port, emulator.start(directory, port))
    stack.save()
    return stack


def _add_simulators(directory: Path, stack: LocalStack, say: Say) -> None:
    say("starting the vendor simulators")
    with _undone_on_failure(stack):
        stack.simulators, stack.destinations = vendors.start(directory)
        stack.save()


def _bring_up_to_date(directory: Path, stack: LocalStack, say: Say) -> None:
    values = deployment.parameters(stack.port)
    wanted = deployment.fingerprint(values)
    if stack.deployed == wanted:
        say(f'stack "{stack.name}" is deployed and up to date')
        return
    with _undone_on_failure(stack):
        say("building the functions and their layer (sam build)")
        deployment.build(directory, values)
        say(f'deploying stack "{stack.name}" (sam deploy)')
        stack.outputs = deployment.deploy(directory, stack.name, stack.port, values)
        stack.deployed = wanted
        stack.save()


@contextlib.contextmanager
def _undone_on_failure(stack: LocalStack) -> Iterator[None]:
    """A stack that was never deployed is of no use: stop it. A deployed one goes on with its last good deployment."""
    try:
        yield
    except BaseException:
        if not stack.deployed:
            _stop(stack)
        raise


def _stop(stack: LocalStack) -> None:
    for process in (stack.emulator, stack.simulators):
        if process:
            process.stop()
    LocalStack.forget()
    seen_routes.forget(stack.name)
    shutil.rmtree(home() / "tmp", ignore_errors=True)


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


@contextlib.contextmanager
def _alone(directory: Path, say: Say) -> Iterator[None]:
    """One `up` or `down` at a time in this home."""
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another batchdrop up or down in {directory}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
