"""A worker of several crews that work elsewhere, each for itself.

A crew that is lost is replaced, and its jobs begin anew.
"""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Iterator

from ..errors import WorkerLostError
from ..system.closing import Closing
from .base import Event, Failed, Job
from .remote import Launcher, Link, Lost, Message, Remote
from .silence import Silence

#: Times that a job begins anew after its crew was lost, before it is given up; and that a crew is
#: started anew that was lost before it was made.
_RETRIES = 2
#: Seconds after which the jobs of a crew that is not made yet may go to another with free places.
_MOVE_SECONDS = 30.0


class Pool(Closing):
    """Lets crews work elsewhere.

    Args:
        launcher: starts them; closed with the pool.
        epoch_seconds: of silence after which a crew with jobs is given up.

    Raises:
        WorkerLostError: the system starts no more.
    """

    def __init__(self, launcher: Launcher, *, epoch_seconds: float) -> None:
        self._launcher, self._epoch_seconds = launcher, epoch_seconds
        self._inbox: queue.SimpleQueue[tuple[Link, Message]] = queue.SimpleQueue()
        self._remotes: list[Remote] = []
        self._losses: Counter[int] = Counter()  # of crews that had a job to themselves
        self._error: WorkerLostError | None = None
        try:
            self._grow()
        except BaseException:
            self.close()
            raise

    @property
    def capacity(self) -> int:
        """How many jobs may be under way at once; 0 until the first crew is made."""
        return sum(remote.capacity for remote in self._remotes)

    @property
    def is_complete(self) -> bool:
        """Whether all crews are made."""
        return all(remote.capacity for remote in self._remotes)

    def submit(self, job: Job) -> None:
        """Gives a job to the crew with most free places."""
        self._losses.pop(job.id, None)  # those of an earlier one of this number
        max(self._remotes, key=lambda remote: remote.n_free).submit(job)

    def cancel(self, job: int) -> None:
        """Ends a job before the next epoch of its crew."""
        for remote in self._remotes:
            remote.cancel(job)

    def events(self, timeout: float) -> list[Event]:
        """Returns what happened since the last call, after waiting at most so many seconds.

        Raises:
            WorkerLostError: a crew could not be made, or ended with an error that is no job's.
        """
        if self._error is not None:  # after the last events
            raise self._error
        self._grow()
        self._move()
        for remote in self._remotes:
            remote.silence.listen()
            remote.flush()
        events: list[Event] = []
        try:
            for link, message in self._messages(timeout):
                events += self._take(link, message)
            events += self._give_up_the_silent()
        except WorkerLostError as error:
            if not events:
                raise
            self._error = error
        return events

    def _grow(self) -> None:
        while len(self._remotes) < self._launcher.size:
            self._remotes.append(self._start(len(self._remotes)))

    def _start(self, index: int, limit: int | None = None, n_starts: int = 1) -> Remote:
        def inbox(link: Link, message: Message) -> None:
            self._inbox.put((link, message))

        link = self._launcher.start(index, inbox)
        return Remote(link, Silence(self._epoch_seconds), limit, n_starts)

    def _move(self) -> None:
        """Lets jobs go elsewhere that wait for a crew for which there may be no place now."""
        for remote in self._remotes:
            if remote.capacity == 0 and remote.silence.seconds > _MOVE_SECONDS:
                for number in list(remote.jobs):
                    other = max(self._remotes, key=lambda remote: remote.n_free)
                    if other.n_free > 0:
                        other.submit(*remote.take_back(number))

    def _messages(self, timeout: float) -> Iterator[tuple[Link, Message]]:
        """Gives what is there, after waiting for the first."""
        try:
            yield self._inbox.get(timeout=timeout)
            while True:
                yield self._inbox.get_nowait()
        except queue.Empty:
            pass

    def _take(self, link: Link, message: Message) -> list[Event]:
        remote = next((remote for remote in self._remotes if remote.link is link), None)
        if remote is None:  # given up
            return []
        if isinstance(message, Lost):
            return self._replace(remote, message)
        return remote.take(message)

    def _give_up_the_silent(self) -> list[Event]:
        """Replaces crews that have said nothing for too long: stopped, or hanging in a job."""
        failed: list[Event] = []
        for remote in list(self._remotes):
            if remote.begun and remote.silence.is_too_long:
                remote.link.kill()
                failed += self._replace(remote, Lost(str(remote.silence)))
        return failed

    def _replace(self, remote: Remote, lost: Lost) -> list[Event]:
        """Starts another crew in the place of one that was lost, with its jobs.

        Memory may have run out, or one of its jobs may be to blame. So the next one takes half as
        many at once, until a job that is to blame is alone.

        Raises:
            WorkerLostError: it was lost before it was made, by its own fault or once too often; or
                the system starts no more.
        """
        remote.link.end()
        limit, n_starts = remote.limit, remote.n_starts + 1
        if remote.capacity:
            limit, n_starts = max(1, remote.capacity // 2), 1
        elif lost.is_broken or n_starts > 1 + _RETRIES:
            last = f": {lost.output.splitlines()[-1]}" if lost.output else ""
            raise WorkerLostError(f"a worker was lost while it started ({lost.how}){last}")
        index = self._remotes.index(remote)
        successor = self._start(index, limit, n_starts)
        self._remotes[index] = successor
        failed: list[Event] = []
        for number, job in remote.jobs.items():
            if remote.begun == {number}:
                self._losses[number] += 1
            if self._losses[number] > _RETRIES:
                reason = f"its worker was lost {_RETRIES + 1} times, the last time: {lost.how}"
                failed.append(Failed(number, reason, lost.output))
            else:
                successor.submit(job, remote.told[number])
        return failed

    def close(self) -> None:
        """Ends all jobs and crews."""
        for remote in self._remotes:
            remote.link.dismiss()
        for remote in self._remotes:
            remote.link.end()
        self._launcher.close()
