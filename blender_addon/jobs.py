"""What is being generated: jobs, the session that runs them, and what went wrong. No Blender data.

The board lives in this module, not in a scene: undo, loading a file and switching scenes leave
it alone. Only the main thread touches it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from . import model_list
from .backend_access import (
    Cancelled,
    Failure,
    KinetypeError,
    Models,
    ModelTask,
    Progress,
    Request,
    Result,
    TaskDone,
    control,
)
from .causes import Asked
from .client.session import Session
from .fixes import Fix, fixes_for, hint_of
from .told import Told, told_of

STOP_SECONDS = 3.0
"""How long disabling the add-on may wait for the backend to end."""
REQUEST_KEY = "request"
"""Key of ``Motion.meta`` under which the request is kept with the take."""
CANCEL_SECONDS = 0.3
"""A backend that has not let go of a cancelled job by then is ended; the next request starts it."""
HUNG = "Cancelled. The backend did not answer, so it was ended; the next motion starts it again."
MAX_WAITING = 16
"""More Generates in a row than this are surely a mistake."""
MAX_BATCH = 200
"""Of a text, which is meant to be many."""


@dataclass(frozen=True)
class Notice:
    """Something to tell the person, until dismissed or until the next generation."""

    message: str
    hint: str = ""
    fixes: tuple[Fix, ...] = ()
    detail: str = ""
    kind: type[KinetypeError] = KinetypeError
    asked: Asked | None = None

    @classmethod
    def of(cls, error: KinetypeError, asked: Asked | None = None) -> Notice:
        """The notice of an error, with its buttons, and in which circumstances it came up."""
        message, hint, detail = error.message, hint_of(error), error.detail
        return cls(message, hint, fixes_for(error), detail, type(error), asked)

    def stands(self, now: Asked) -> bool:
        """Whether its cause may still be there."""
        return self.asked is None or not self.asked.differs(now, self.kind)


@dataclass(kw_only=True)
class Pace:
    """How far something is that reports its progress."""

    stage: str = "waiting"
    step: int = 0
    total: int = 0
    cancelled_at: float | None = None
    stage_started: float = 0.0
    stage_first_step: int = 0
    seconds_left: float | None = None
    per_second: float | None = None

    @property
    def cancelling(self) -> bool:
        """Whether its end was asked for."""
        return self.cancelled_at is not None

    @property
    def waiting(self) -> bool:
        """Whether the backend has not begun."""
        return self.stage == "waiting"

    @property
    def fraction(self) -> float:
        """Steps done of the current stage, 0 to 1; 0 where the stage has no steps."""
        return min(self.step / self.total, 1.0) if self.total > 0 else 0.0

    def advance(self, progress: Progress, now: float) -> None:
        """Take over a progress message and estimate the time left of its stage."""
        if progress.stage != self.stage:
            self.stage = progress.stage
            self.stage_started = now
            self.stage_first_step = progress.step
        self.step, self.total = progress.step, progress.total
        done = progress.step - self.stage_first_step
        self.seconds_left = self.per_second = None
        if done > 0 and progress.total >= progress.step:
            pace = (now - self.stage_started) / done
            self.seconds_left = pace * (progress.total - progress.step)
            self.per_second = 1.0 / pace if pace > 0.0 else None


@dataclass
class Job(Pace):
    """One request on its way, and where its result belongs (opaque to this module)."""

    request: Request
    placement: Any
    asked: Asked | None = None


@dataclass
class Chore(Pace):
    """Something on its way that is done with a model's files, and the model's title."""

    task: ModelTask
    title: str


@dataclass
class Finished:
    """A result that is not in the scene yet, and why it waits ('' when it need not).

    ``kept`` results wait for the person to say where they belong; ``placing`` is what brings the
    others into the scene.
    """

    result: Result
    placement: Any
    reason: str = ""
    kept: bool = False
    placing: Any = None


@dataclass
class Board:
    """All jobs of this Blender, oldest first, and the session that runs them.

    Args:
        clock: seconds, monotonic.
        taken: session number of the Action that warnings, what is told and the message are about.
        unseen: warnings about an armature, to its session number: they may be true no more.
    """

    clock: Callable[[], float] = time.monotonic
    jobs: dict[str, Job] = field(default_factory=dict)
    chores: dict[str, Chore] = field(default_factory=dict)
    finished: list[Finished] = field(default_factory=list)
    error: Notice | None = None
    warnings: tuple[str, ...] = ()
    told: tuple[Told, ...] = ()
    message: str = ""
    taken: int | None = None
    unseen: dict[str, int] = field(default_factory=dict)
    session: Session | None = None
    _opened_with: object = None
    _stale: bool = False
    _asked: set[str] = field(default_factory=set)
    """Ids of lists of models that have not come."""

    @property
    def current(self) -> Job | None:
        """The job to show: the one that runs, else the first that waits."""
        running = (job for job in self.jobs.values() if not job.waiting)
        return next(running, next(iter(self.jobs.values()), None))

    @property
    def busy(self) -> bool:
        """Whether the pump has something to watch."""
        kept = all(item.kept for item in self.finished)
        return bool(self.jobs or self.chores or self._asked) or not kept

    @property
    def cancelling(self) -> bool:
        """Whether something was cancelled that has not ended yet."""
        return any(job.cancelling for job in self.jobs.values())

    @property
    def backend_dead(self) -> bool:
        """Whether the backend broke and needs a restart."""
        return self.session is not None and self.session.state == "dead"

    def submit(
        self,
        request: Request,
        placement: Any,
        settings: Any,
        open_session: Callable[[Any], Session],
        asked: Asked | None = None,
        *,
        most: int = MAX_WAITING,
    ) -> Job:
        """Send a request; the settings decide whether the running session still fits.

        Args:
            asked: the circumstances, which decide how long an error of this request is shown.
            most: so many may be under way.

        Raises:
            KinetypeError: bad values, no environment, too many waiting; nothing has changed then.
        """
        request = request.validated()
        if len(self.jobs) >= most:
            raise KinetypeError(
                f"{len(self.jobs)} generations are waiting already.",
                "Wait for them, or cancel.",
            )
        session = self._session_for(settings, open_session)
        if session.state == "dead":
            # the person saw the error and asks again: that is a restart
            session.restart()
        fresh = session.state == "stopped"
        session.submit(request)
        if fresh:
            self.ask_models()
        job = self.jobs[request.id] = Job(request, placement, asked, stage_started=self.clock())
        self.dismiss()
        return job

    def submit_task(
        self,
        task: ModelTask,
        title: str,
        settings: Any,
        open_session: Callable[[Any], Session],
    ) -> Chore:
        """Have something done with a model's files; the person has agreed.

        Raises:
            KinetypeError: bad values, or no environment; nothing has changed then.
        """
        session = self._session_for(settings, open_session)
        if session.state == "dead":
            session.restart()
        session.submit_task(task)
        chore = self.chores[task.id] = Chore(task, title, stage_started=self.clock())
        self.dismiss()
        return chore

    def ask_models(self) -> None:
        """Have the list of models told anew by a backend that runs."""
        if self.session is not None and self.session.state not in ("stopped", "dead"):
            self._asked.add(self.session.list_models())

    def _session_for(self, settings: object, open_session: Callable[[object], Session]) -> Session:
        changed = self._stale or settings != self._opened_with
        # what is being cancelled is no reason to stay with a backend that may never answer
        under_way = (*self.jobs.values(), *self.chores.values())
        wanted = any(not job.cancelling for job in under_way)
        if self.session is not None and (not changed or wanted):
            return self.session
        session = open_session(settings)
        self.stop_session()
        self.session, self._opened_with, self._stale = session, settings, False
        return session

    def forget_session(self) -> None:
        """The preferences changed: the next generation opens a new session."""
        self._stale = True

    def cancel(self, request_id: str) -> None:
        """Ask to stop one job; its end arrives as an event."""
        job = self.jobs.get(request_id) or self.chores.get(request_id)
        if job is not None and self.session is not None and not job.cancelling:
            job.cancelled_at = self.clock()
            self.session.cancel(request_id)

    def cancel_all(self) -> None:
        """Ask to stop every job; a backend that has not answered yet is ended instead."""
        if self.session is not None and self.session.state == "starting":
            self.stop_session()
            return
        for request_id in reversed(list(self.jobs)):
            self.cancel(request_id)

    def drain(self) -> bool:
        """Take over what the session reports; True when something changed."""
        if self.session is None:
            return False
        events = self.session.events()
        if self.session.state in ("stopped", "dead"):
            self._asked.clear()
        for event in events:
            self._take(event)
        return self._end_if_hung() or bool(events)

    def _end_if_hung(self) -> bool:
        """End a backend that does not let go of what was cancelled; what still waits goes on."""
        since = [job.cancelled_at for job in self.jobs.values() if job.cancelled_at is not None]
        hung = since and self.clock() - min(since) >= CANCEL_SECONDS
        if not hung or self.session is None:
            return False
        wanted = {id_: job for id_, job in self.jobs.items() if not job.cancelling}
        for id_ in wanted:
            del self.jobs[id_]
        chores = {id_: chore for id_, chore in self.chores.items() if not chore.cancelling}
        self.chores.clear()
        self.session.abandon()
        self.drain()
        self.message = HUNG
        for id_, job in wanted.items():
            self.session.submit(job.request)
            self.jobs[id_] = replace(job, stage="waiting", step=0, total=0, seconds_left=None)
        for id_, chore in chores.items():  # downloads go on where they were
            self.session.submit_task(chore.task)
            self.chores[id_] = replace(chore, stage="waiting", step=0, total=0, seconds_left=None)
        return True

    def _take(self, event: object) -> None:
        if isinstance(event, Progress):
            moving = self.jobs.get(event.id) or self.chores.get(event.id)
            if moving is not None:
                moving.advance(event, self.clock())
        elif isinstance(event, Result):
            job = self.jobs.pop(event.id, None)
            if job is not None:
                self.finished.append(Finished(_with_requests(event, job.request), job.placement))
                self.told = told_of(event.motions)
                texts = {told.text for told in self.told}
                self.warnings = tuple(text for text in event.warnings if text not in texts)
        elif isinstance(event, TaskDone):
            if self.chores.pop(event.id, None) is not None:
                self.message = event.text
                self.ask_models()
        elif isinstance(event, Failure):
            self._fail(event)
        elif isinstance(event, Models):
            self._asked.discard(event.id)
            model_list.replace(event.models)
        elif isinstance(event, control.Log) and event.level == "error":
            self.warnings = (*self.warnings, event.text)

    def _fail(self, failure: Failure) -> None:
        job = self.jobs.pop(failure.id, None)
        chore = self.chores.pop(failure.id, None)
        if failure.id and job is None and chore is None:
            return
        error = failure.to_error()
        if chore is not None:
            self.ask_models()
        if isinstance(error, Cancelled):
            self.message = error.message
            if chore is not None and chore.task.verb == "download":
                self.message = "The download was stopped. What has arrived is kept."
            return
        notice = Notice.of(error, job.asked if job is not None else None)
        if not notice.detail and self.session is not None:
            notice = replace(notice, detail="\n".join(self.session.log_tail()))
        self.error = notice

    def report(self, error: KinetypeError, asked: Asked | None = None) -> None:
        """Show an error in the panel."""
        self.error = Notice.of(error, asked)

    def restart(self, settings: Any, open_session: Callable[[Any], Session]) -> None:
        """A fresh backend with these settings; what was under way is reported as cancelled.

        Raises:
            KinetypeError: no session can be opened with these settings.
        """
        fitting = not self._stale and settings == self._opened_with
        if self.session is not None and fitting:
            self.session.restart()
        else:
            fresh = open_session(settings)
            self.stop_session()
            self.session, self._opened_with, self._stale = fresh, settings, False
            fresh.start()
        self._asked.clear()
        self.ask_models()
        self.error = None

    def stop_session(self) -> None:
        """End the backend now (it has nothing to save); its jobs are reported as cancelled."""
        if self.session is not None:
            self.session.stop(timeout=0.0)
            self.drain()
        self._asked.clear()

    def log_lines(self) -> list[str]:
        """Details of the last error, then the last lines that the backend printed."""
        detail = self.error.detail.splitlines() if self.error is not None else []
        printed = self.session.log_tail(100) if self.session is not None else []
        return [*detail, *printed]

    def shut_down(self, timeout: float = STOP_SECONDS) -> None:
        """Stop the backend and forget everything."""
        session, self.session = self.session, None
        if session is not None:
            session.stop(timeout)
        self.jobs.clear()
        self.chores.clear()
        self._asked.clear()
        self.finished.clear()
        self.dismiss()
        self._opened_with, self._stale = None, False

    def dismiss(self) -> None:
        """Clear the messages."""
        self.error, self.warnings, self.told, self.message = None, (), (), ""
        self.taken, self.unseen = None, {}


def _with_requests(result: Result, request: Request) -> Result:
    """The result with, in each motion's meta, the request that makes this very motion again."""
    motions = []
    for number, motion in enumerate(result.motions):
        # the best of several is not the first: it says its own seed
        seed = motion.meta.get("seed", request.seed + number)
        alone = replace(request, seed=seed, samples=1, keep_best=False).to_dict()
        del alone["id"]
        known = {"prompt": request.prompt, "seed": alone["seed"], "model": request.model}
        meta = {**known, **motion.meta, REQUEST_KEY: alone}
        motions.append(replace(motion, meta=meta))
    return replace(result, motions=tuple(motions))


board = Board()
