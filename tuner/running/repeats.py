"""Trains configs again, each over several seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Literal

from ..data import Cut
from ..network.config import Config
from ..system.interruption import Interruption
from ..workers import Failed, Finished, Worker
from .kept_repeats import KeptRepeats, Repeat
from .progress import Observer, Repeated
from .trainings import Training, Trainings

Networks = Literal["drop", "keep", "need"]


class Repeats(Trainings):
    """The repetitions of one study: those that ended are kept, and need not run again.

    Attributes:
        confirming: seeds over which the best configs are confirmed, more than anyone wants.
        rows: training rows of a cut that does not say it itself; None is all of them.

    Args:
        kept: what ended.
        worker: trains them; has no other job.
        interruption: notes a signal.
        confirming: as above.
        cuts: which rows train and which validate with a seed; with any other seed they are drawn.
        rows: as above.
    """

    def __init__(
        self,
        kept: KeptRepeats,
        worker: Worker,
        interruption: Interruption,
        confirming: Sequence[int] = (),
        cuts: Mapping[int, Cut] | None = None,
        rows: int | None = None,
    ) -> None:
        super().__init__(worker, interruption)
        self.confirming = tuple(confirming)
        self._kept = kept
        self._cuts, self.rows = cuts or {}, rows

    def find(self, config: Config, seed: int) -> Repeat | None:
        """Returns a repetition that ended."""
        return self._kept.find(config, seed)

    def cut_by(self, cuts: Mapping[int, Cut]) -> None:
        """Has trainings with further seeds cut the rows so, each seed always in the same way."""
        self._cuts = {**self._cuts, **cuts}

    def cut(self, seed: int) -> Cut:
        """Returns the cut of the rows that a seed stands for."""
        cut = self._cuts.get(seed, Cut(seed))
        return cut if cut.rows is not None else replace(cut, rows=self.rows)

    def network(self, config: Config, seed: int) -> bytes:
        """Returns the checkpoint of a repetition that was run with `networks="need"`.

        Raises:
            WorkerLostError: there is none.
        """
        return self._kept.network(config, seed)

    def forget_networks(self) -> None:
        """Takes the checkpoints away."""
        self._kept.forget_networks()

    def run(
        self,
        wanted: Iterable[tuple[Config, int]],
        *,
        networks: Networks = "drop",
        end: float | None = None,
        late: float = 0.0,
        observer: Observer,
    ) -> bool:
        """Runs what has not ended yet, in this order.

        What fails though its numbers did not diverge (memory, a device) is told; another process
        that wants it runs it again.

        Args:
            wanted: pairs of a config and a seed; the same one may come twice.
            networks: "keep" the checkpoints of what runs; "need" them, so that what ended runs
                again where they are gone, and an end without one is an error.
            end: when to stop, on the clock of `time.monotonic`.
            late: seconds after which the last of them may end if that is in sight.
            observer: is told of each that ends.

        Returns:
            Whether all of them have ended.

        Raises:
            InterruptedStudyError: a signal came; what ended is kept.
            StoreLostError: the disk is full or gone.
            WorkerLostError: a network that is needed could not be trained again.
        """
        needed = networks == "need"
        pairs = {self._kept.key(*pair): pair for pair in wanted}
        missing = [
            pair for pair in pairs.values() if not self._kept.has(*pair, with_network=needed)
        ]
        done, failures = 0, list[str]()
        with closing(self.trained(missing, self.cut, end=end, late=late)) as trained:
            for training, event in trained:
                self._keep(training, event, networks != "drop")
                if isinstance(event, Failed) and not event.diverged:
                    failures.append(event.reason)
                done += 1
                observer.repeated(Repeated(training.config, done, len(missing)))
        if failures:
            observer.remark(
                f"{len(failures)} of {len(missing)} trainings failed, the first with: "
                f"{failures[0]}; the same command tries them again"
            )
        if needed and done == len(missing):
            for config, seed in missing:
                if not self._kept.has(config, seed, with_network=True):
                    self._kept.network(config, seed)  # raises
        return done == len(missing)

    def _keep(self, training: Training, event: Finished | Failed, keeps_network: bool) -> None:
        """Keeps a repetition that ended; of a failure, only what the config is to blame for."""
        config, seed = training.config, training.seed
        if isinstance(event, Finished):
            repeat = Repeat(config, seed, event.metrics, event.n_parameters)
            self._kept.add(repeat, event.checkpoint if keeps_network else None)
            return
        known, failed = self._kept.find(config, seed), Repeat(config, seed, {}, 0, event.reason)
        if event.diverged:
            self._kept.add(failed, None)
        elif known is None or known.reason:
            self._kept.note(failed)
        # Else it was trained before, and its score stands.
