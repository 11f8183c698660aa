"""What a store keeps of an answer, as text."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError


class Stored(BaseModel):
    """An answer that is kept with its study."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def kept(cls, text: str | None) -> Self | None:
        """Reads what the store keeps of the last answer of its kind, if there was one.

        What another version of this package wrote in other words counts as none.
        """
        if text is None:
            return None
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return None
