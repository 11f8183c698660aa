"""The files that a study leaves, written so that a crash at any moment loses nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InputError, StoreLostError
from ..system import paths
from .best import Best, digest, is_whole, read_kept
from .leaderboard import leaderboard_of
from .winner import Confirmation, Refit

if TYPE_CHECKING:
    import optuna


class _Names(NamedTuple):
    """Files of a winner: what is told of it, and its networks."""

    told: str
    checkpoint: str


_BEST = _Names("best.json", "best.ckpt")
#: Those that were handed over, while the best trial of a search that goes on is in their place.
_PUT_BY = _Names("handed-over.json", "handed-over.ckpt")


class ResultFiles:
    """The files of one study: `best.json`, `best.ckpt`, `trials.csv`, and the study file as run.

    A checkpoint is first put beside (`stage`), then the trial is told, then it becomes the
    best (`promote`). Whatever moment a crash picks, `repair` finds the files of the trial that
    the store calls the best.

    Args:
        study: name of the study.
    """

    def __init__(self, study: str) -> None:
        self.study = study
        self.folder = paths.study_folder(study)

    def stage(self, trial: int | None, checkpoint: bytes) -> None:
        """Puts the checkpoint of a trial that is about to be the best beside.

        Raises:
            StoreLostError: the disk is full or gone.
        """
        self._write(self._staged(trial).name, checkpoint)

    def promote(self, best: Best) -> None:
        """Makes the staged checkpoint of a trial the best one.

        Networks that were handed over are put by until a winner is confirmed again.

        Raises:
            StoreLostError: the disk is full or gone.
        """
        staged, network = self._staged(best.trial), self.folder / _BEST.checkpoint
        if best.confirmed is None:
            self._put_by()
        if staged.exists():
            self._rename(staged, network.name)
        self._write(_BEST.told, self.sealed(best).model_dump_json(indent=2).encode())
        if best.confirmed is not None:
            for name in _PUT_BY:
                (self.folder / name).unlink(missing_ok=True)

    def _put_by(self) -> None:
        current = self._current()
        if current is not None and current.confirmed is not None and current.confirmed.is_refit:
            self._write(_PUT_BY.told, current.model_dump_json(indent=2).encode())
            # A copy: at no moment a study has no network.
            if (self.folder / _BEST.checkpoint).exists():
                self._write(_PUT_BY.checkpoint, (self.folder / _BEST.checkpoint).read_bytes())

    def sealed(self, best: Best) -> Best:
        """Returns a winner with the hash of the network that is there."""
        return best.model_copy(update={"checkpoint": digest(self.folder / _BEST.checkpoint)})

    def has(self, best: Best) -> bool:
        """Says whether the network of this winner is there, undamaged, whatever is told of it."""
        current, network = self._current(), self.folder / _BEST.checkpoint
        if current is None or not network.exists():
            return False
        return current.is_of(best) and is_whole(network, current)

    def networks(self, refit: Refit) -> bytes | None:
        """Returns the networks of a last training, if they are there or put by, undamaged."""
        wanted = refit.config, refit.seed, len(refit.seeds), refit.rows
        for names in (_BEST, _PUT_BY):
            told, path = self._told(names.told), self.folder / names.checkpoint
            last = None if told is None else told.confirmed
            if told is None or last is None or not last.is_refit or not path.exists():
                continue
            made = told.config, told.seed, last.members, last.refit_rows
            if made == wanted and is_whole(path, told):
                return path.read_bytes()
        return None

    def tell(self, best: Best) -> None:
        """Writes `best.json`, if it is not there as it should be, beside the network of a winner.

        Raises:
            StoreLostError: the disk is full or gone.
        """
        if self._current() != self.sealed(best):
            self.promote(best)

    def keep(self, confirmation: Confirmation) -> None:
        """Writes `confirmation.json`, if it is not there as it should be.

        Raises:
            StoreLostError: the disk is full or gone.
        """
        path = self.folder / "confirmation.json"
        content = confirmation.model_dump_json(indent=2).encode()
        if not path.exists() or path.read_bytes() != content:
            self._write(path.name, content)

    def crown(self, best: Best, checkpoint: bytes, confirmation: Confirmation) -> None:
        """Makes the winner of a confirmation the best one.

        Raises:
            StoreLostError: the disk is full or gone.
        """
        self.keep(confirmation)
        self.stage(best.trial, checkpoint)
        self.promote(best)

    def unstage(self, trial: int | None) -> None:
        """Takes away what was staged of a trial that is not the best after all."""
        self._staged(trial).unlink(missing_ok=True)

    def repair(self, best: Best | None) -> None:
        """Brings the files to what the store says, and clears what no trial owns any more.

        Where the store knows no complete trial, the files of an earlier store are put aside; so is
        a network that is not the best trial's, whose own is on another machine.
        """
        if best is None:
            for name in _BEST:
                if (self.folder / name).exists():
                    self._rename(self.folder / name, f"earlier-{name}")
        else:
            current = self._current()
            unsealed = None if current is None else current.model_copy(update={"checkpoint": ""})
            if unsealed == best:
                if current is not None and not current.checkpoint:
                    self.promote(best)
            elif self._staged(best.trial).exists():
                self.promote(best)
            elif best.confirmed is None:
                network = self.folder / _BEST.checkpoint
                if unsealed is not None and not unsealed.is_of(best) and network.exists():
                    self._rename(network, f"earlier-{network.name}")
                self.promote(best)
            # Else what is there is another network, until the confirmed one is made again.
        for pattern in (".trial-*.ckpt", f".*{paths.UNFINISHED}"):
            for file in self.folder.glob(pattern):
                file.unlink(missing_ok=True)

    @property
    def damage(self) -> str:
        """Says that the network of `best.json` is damaged or gone; else ""."""
        current, network = self._current(), self.folder / _BEST.checkpoint
        if current is None or not current.checkpoint:
            return ""
        if not network.exists():
            return f"{network}: missing"
        return "" if is_whole(network, current) else f"{network}: damaged"

    def write_study(self, text: str) -> None:
        """Keeps the study file as it is run."""
        self._write(f"{self.study}.toml", text.encode())

    def write_trials(self, study: optuna.Study) -> None:
        """Writes the leaderboard as `trials.csv`."""
        self._write("trials.csv", leaderboard_of(study).to_csv(index=False).encode())

    def _staged(self, trial: int | None) -> Path:
        return self.folder / f".trial-{trial}.ckpt"

    def _current(self) -> Best | None:
        return self._told(_BEST.told)

    def _told(self, name: str) -> Best | None:
        try:
            return read_kept(Best, self.folder / name, "missing")
        except InputError:
            return None

    def _rename(self, path: Path, name: str) -> None:
        try:
            path.replace(self.folder / name)
        except OSError as error:
            raise StoreLostError(f"{path}: cannot be renamed ({error.strerror})") from error

    def _write(self, name: str, content: bytes) -> None:
        paths.write(self.folder / name, content)
