"""The embedded stack: Valkey, Triton and the gateway as child processes of this one."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Self

from maskgate.stack import logs
from maskgate.stack.child import Child
from maskgate.stack.errors import ComponentFailed, StopRequested
from maskgate.stack.plan import create_plan
from maskgate.stack.restarts import CrashHistory, RestartPolicy
from maskgate.stack.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from types import TracebackType

    from maskgate.stack.config import Endpoints, StackConfig
    from maskgate.stack.plan import Plan

POLL_SECONDS = 0.05
RESTARTS = RestartPolicy()


class EmbeddedStack:
    """Runs the stack while the context is open; leaves no process and no file behind, however it ends.

    It is synchronous and has no thread of its own. The children must be forked by a thread that lives as long as they
    do (see `child.with_parent_death_signal`), and what there is to do is to wait: a loop of short sleeps does that
    without asyncio's child watchers. Use it from the main thread; a program that serves other things meanwhile just
    keeps the context open and does without `supervise`.

        with EmbeddedStack(StackConfig(grpc_port=0, http_port=0)) as stack:
            client = Client(stack.endpoints.grpc)
            stack.restart("gateway")
    """

    _directory: Path
    _plan: Plan
    _log: logs.LogFollower
    _crashes: dict[str, CrashHistory]
    _open: ExitStack

    def __init__(
        self,
        config: StackConfig,
        *,
        announce: Callable[[str], None] = lambda _: None,
        follow_log: Callable[[str], None] | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepares a stack; nothing starts before the context is entered.

        Args:
            config: What to start.
            announce: Gets a line for a person whenever a component has become ready, crashed or stopped.
            follow_log: Gets every line of the components' logs, while the stack waits or supervises.
            stopping: Asked while the stack waits; once it is true, waiting ends (and raises while starting).
        """
        self._config = config
        self._announce = announce
        self._follow_log = follow_log
        self._stopping = stopping
        self._children: dict[str, Child] = {}

    def __enter__(self) -> Self:
        """Starts the components one after the other, each when the one before is ready.

        Raises:
            CannotStart: The stack cannot be started like this; nothing has been started.
            ComponentFailed: A component died or was not ready in time; everything is stopped again.
            StopRequested: `stopping` became true meanwhile; everything is stopped again.
        """
        with ExitStack() as opening:
            self._directory = opening.enter_context(Workspace()).directory
            self._log = logs.LogFollower(self._directory)
            self._plan = create_plan(self._config, run_directory=self._directory)
            self._crashes = {c.name: CrashHistory(RESTARTS) for c in self._plan.components}
            opening.callback(self._stop_all)
            for component in self._plan.components:
                self.start(component.name)
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops the components in reverse order and deletes the run directory."""
        self._open.close()

    @property
    def endpoints(self) -> Endpoints:
        """Where the running stack is reached."""
        return self._plan.endpoints

    def pid(self, name: str) -> int:
        """The process id of a component that was started."""
        return self._children[name].pid

    def start(self, name: str) -> None:
        """Starts a component that is not running and waits until it is ready.

        Raises:
            ComponentFailed: It died, or was not ready in time.
            ValueError: It is running.
        """
        if name in self._children:
            raise ValueError(f"{name} is running")
        component = next(c for c in self._plan.components if c.name == name)
        began = time.monotonic()
        self._children[name] = Child(component, run_directory=self._directory)
        self._await_ready(self._children[name])
        self._announce(f"{name:<9}ready in {time.monotonic() - began:.1f} s: {component.where}")
        self._tell(name, component.take_stock())

    def stop(self, name: str) -> None:
        """Stops a component; does nothing if it is not running."""
        child = self._children.pop(name, None)
        if child is None:
            return
        was_running = child.exit_status is None
        child.stop()
        if was_running:
            self._announce(f"{name:<9}stopped")

    def restart(self, name: str) -> None:
        """Stops a component, starts it again at the same address, and waits until it is ready."""
        self.stop(name)
        self.start(name)

    def supervise(self) -> None:
        """Starts crashed components again, and mends the others, until `stopping` is true.

        Raises:
            ComponentFailed: A component crashed more often than `RESTARTS` allows.
        """
        with suppress(StopRequested):
            while True:
                self._pause(POLL_SECONDS)
                for child in list(self._children.values()):
                    if child.exit_status is not None:
                        self._recover(child)
                    else:
                        self._tell(child.component.name, child.component.mend())

    def _recover(self, child: Child) -> None:
        name, how = child.component.name, child.how_it_ended
        self.stop(name)
        pause = self._crashes[name].record()
        if pause is None:
            raise ComponentFailed(name, f"keeps crashing ({how})", log_tail=child.log_tail())
        self._announce(f"{name:<9}crashed ({how}); starting it again in {pause:g} s")
        self._pause(pause)
        try:
            self.start(name)
        except ComponentFailed as error:  # the next round finds it dead, and counts that
            self._announce(str(error))

    def _await_ready(self, child: Child) -> None:
        component = child.component
        deadline = time.monotonic() + component.ready_seconds
        while not component.is_ready():
            if child.exit_status is not None:
                reason = f"died while starting ({child.how_it_ended})"
                raise ComponentFailed(component.name, reason, log_tail=child.log_tail())
            if time.monotonic() > deadline:
                child.stop()
                reason = f"was not ready within {component.ready_seconds:g} s"
                raise ComponentFailed(component.name, reason, log_tail=child.log_tail())
            self._pause(POLL_SECONDS)

    def _pause(self, seconds: float) -> None:
        """Sleeps in short steps, passing on what the logs say meanwhile, and keeping them short.

        Raises:
            StopRequested: The stack is asked to stop.
        """
        end = time.monotonic() + seconds
        while not self._stopping():
            self._pass_on_logs()
            logs.empty_long_ones(self._directory)
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, POLL_SECONDS))
        raise StopRequested("asked to stop")

    def _pass_on_logs(self) -> None:
        if self._follow_log is not None:
            for line in self._log.new_lines():
                self._follow_log(line)

    def _tell(self, name: str, lines: Iterable[str]) -> None:
        for line in lines:
            self._announce(f"{name:<9}{line}")

    def _stop_all(self) -> None:
        for component in reversed(self._plan.components):
            self.stop(component.name)
        self._pass_on_logs()
