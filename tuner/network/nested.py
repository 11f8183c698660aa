"""Arguments that are configs of their own: a dotted name is a field of one.

An argument `model` that is a dataclass, a model of pydantic's or a dictionary takes `model.width`;
what is not named keeps the value of the argument's default.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

#: A value of a field.
Scalar = bool | int | float | str


@dataclass(frozen=True)
class Holder:
    """An argument that has fields.

    Attributes:
        kind: its class; `dict` of any mapping.
        default: what it is where nothing is said; None if it must be said.
    """

    kind: type[Any]
    default: Any = None

    @classmethod
    def of(cls, made: Any, name: str) -> Holder | None:
        """Returns the holder that an argument of a class is; None of one that has no fields."""
        parameters = inspect.signature(made).parameters
        if name not in parameters:
            return None
        default = parameters[name].default
        default = None if default is inspect.Parameter.empty else default
        try:
            hints = typing.get_type_hints(getattr(made, "__init__", made))
        except (NameError, TypeError):  # of what only a type checker sees
            hints = {}
        return cls._made(hints.get(name), default)

    @classmethod
    def _made(cls, hint: Any, default: Any) -> Holder | None:
        """Returns a holder by what an annotation says, or else by the default."""
        options = typing.get_args(hint) if _is_union(hint) else (hint,)
        for each in (type(default), *options):
            kind = typing.get_origin(each) or each
            if isinstance(kind, type) and issubclass(kind, Mapping):
                return cls(dict, default)
            is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
            if is_model or (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
                return cls(kind, default)
        return None

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the fields; None of a dictionary, which may have any."""
        if self.kind is dict:
            return None
        if issubclass(self.kind, BaseModel):
            return tuple(self.kind.model_fields)
        return tuple(each.name for each in dataclasses.fields(self.kind) if each.init)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the fields that must be said."""
        if self.default is not None or self.kind is dict:
            return ()
        if issubclass(self.kind, BaseModel):
            fields = self.kind.model_fields.items()
            return tuple(name for name, each in fields if each.is_required())
        missing = dataclasses.MISSING
        return tuple(
            each.name
            for each in dataclasses.fields(self.kind)
            if each.init and each.default is missing and each.default_factory is missing
        )

    def field(self, name: str) -> Holder | None:
        """Returns the holder that a field is; None of one that has no fields."""
        if self.names is not None and name not in self.names:
            return None
        default = self.default_of(name)
        if self.kind is dict:
            return self._made(None, default)
        try:
            hints = typing.get_type_hints(self.kind)
        except (NameError, TypeError):
            hints = {}
        return self._made(hints.get(name), default)

    def default_of(self, name: str) -> Any:
        """Returns what a field is where nothing is said; None if that is not known."""
        if isinstance(self.default, Mapping):
            return self.default.get(name)
        if self.default is not None:
            return getattr(self.default, name, None)
        if self.kind is dict:
            return None
        if issubclass(self.kind, BaseModel):
            found = self.kind.model_fields[name].get_default(call_default_factory=True)
            return None if found is _undefined() else found
        field: Any = {each.name: each for each in dataclasses.fields(self.kind)}[name]
        if field.default is not dataclasses.MISSING:
            return field.default
        has_factory = field.default_factory is not dataclasses.MISSING
        return field.default_factory() if has_factory else None

    def filled(self, values: Mapping[str, Scalar]) -> Any:
        """Makes the argument.

        Args:
            values: of its fields, by name; dotted ones are fields of a field.
        """
        fields: dict[str, Any] = {}
        for name, own in _grouped(values).items():
            if not isinstance(own, dict):
                fields[name] = own
            else:
                inner = self.field(name)
                fields[name] = own if inner is None else inner.filled(own)
        if self.kind is dict:
            return {**(self.default or {}), **fields}
        if self.default is None:
            return self.kind(**fields)
        if isinstance(self.default, BaseModel):
            return self.kind.model_validate({**dict(self.default), **fields})
        return dataclasses.replace(self.default, **fields)


def arguments(made: type[Any], values: Mapping[str, Scalar]) -> dict[str, Any]:
    """Returns the arguments of a constructor, those with dotted names made of their fields.

    Args:
        made: the class.
        values: by name.
    """
    found: dict[str, Any] = {}
    for name, own in _grouped(values).items():
        if not isinstance(own, dict):
            found[name] = own
        else:
            holder = Holder.of(made, name)
            found[name] = own if holder is None else holder.filled(own)
    return found


def _grouped(values: Mapping[str, Scalar]) -> dict[str, Any]:
    """Returns values by the first part of their names; a mapping of the rest of dotted ones."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        head, dot, rest = name.partition(".")
        if dot:
            found.setdefault(head, {})[rest] = value
        else:
            found[head] = value
    return found


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _undefined() -> Any:
    from pydantic_core import PydanticUndefined

    return PydanticUndefined
