"""Importing: quickly, and a class that a user names. To import a file is to run it."""

from __future__ import annotations

import contextlib
import difflib
import gc
import importlib
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import InputError


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Has a process load libraries that it will hold to its end.

    Meanwhile Python looks for no garbage, and later not among what is there then: to go through a
    million objects of torch and scikit-learn again and again takes a fifth of the time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def class_named(name: str, folders: Iterable[Path] = ()) -> type[Any]:
    """Imports a class.

    Modules are looked for in the current folder, then in `folders`, then where Python looks
    anyway. The folders stay on `sys.path`, since a module may import others later.

    Args:
        name: `package.module:Class`.
        folders: where modules may be, beside the current folder.

    Raises:
        InputError: the name has another form, the module is not found or raises an error, or it
            has no such class.
    """
    module_name, _, class_name = name.partition(":")
    parts = [*module_name.split("."), class_name]
    if not all(part.isidentifier() for part in parts):
        raise InputError(f'must be "package.module:Class", got {name!r}')
    make_findable(Path.cwd(), *folders)
    module = _import(module_name)
    found = getattr(module, class_name, None)
    if found is None:
        near = difflib.get_close_matches(class_name, vars(module), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"names no class: {module_name} has no {class_name}{hint}")
    if not isinstance(found, type):
        raise InputError(f"must name a class, and {name} is a {type(found).__name__}")
    return found


def make_findable(*folders: Path) -> None:
    """Puts folders before all others on `sys.path`, those that are not on it yet."""
    there = {Path(path or ".").resolve() for path in sys.path if isinstance(path, str)}
    paths = dict.fromkeys(folder.resolve() for folder in folders)
    sys.path[:0] = [str(path) for path in paths if path not in there]
    importlib.invalidate_caches()


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise InputError(
                f"names no module: there is no {error.name!r} in the current folder, in that of "
                "the study file, or among the installed packages"
            ) from error
        raise _failed(name, error) from error
    except (Exception, SystemExit) as error:  # it is the user's code
        raise _failed(name, error) from error


def _failed(name: str, error: BaseException) -> InputError:
    """Says what importing raised, and the line of the user's file that did."""
    what = " ".join(traceback.format_exception_only(error)[-1].split())
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
    no_files = ("", __file__, importlib.__file__)
    own = [each for each in places if each[0] not in no_files and not each[0].startswith("<")]
    where = ""
    if own:
        path, line = Path(own[-1][0]), own[-1][1]
        here = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        where = f" ({here}, line {line})"
    return InputError(f"cannot be imported: {name} raises {what}{where}")
