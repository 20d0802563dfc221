"""An item: what a task works on, as its model describes it, and how it travels.

An item travels as the JSON text that was sent, because kombu and floats would change it on the way (BR-01, BR-35). Of a
model with members of type `JsonText` only those travel as text, inside an object of the other members.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, get_args

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError

from app.errors import DeclarationError, ItemRefusedError


@dataclass(frozen=True, slots=True)
class AsSent:
    """Marks a member whose value arrives as the JSON text that was sent, with all its digits."""

    only_objects: bool = False


#: Any JSON value, as text.
JsonText = Annotated[str, AsSent()]
#: A JSON object, as text.
JsonObject = Annotated[str, AsSent(only_objects=True)]


@dataclass(frozen=True)
class ItemForm:
    """What items of a task look like."""

    model: type[BaseModel]
    #: The member that tells one item from another, if there is one.
    key: str | None = None
    #: The member that orders items: those with the same value take effect in the order of their acceptance.
    ordered_by: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would not arrive.

        Raises:
            DeclarationError: the message says which member, and why.
        """
        fields, name = self.model.model_fields, self.model.__name__
        for option, named in (("key", self.key), ("ordered_by", self.ordered_by)):
            if named is not None and named not in fields:
                raise DeclarationError(f"{option}={named!r}: {name} has the members {', '.join(fields)}")
        for member, field in fields.items():
            if field.exclude or field.annotation in {SecretStr, SecretBytes}:
                raise DeclarationError(f"{name}.{member} would not be in the message: it is secret, or excluded")
            marked = [mark for mark in field.metadata if isinstance(mark, AsSent)]
            if _mentions_text(field.annotation) or (marked and (len(field.metadata) > 1 or field.alias)):
                raise DeclarationError(f"{name}.{member}: a JSON text has no alias, no constraint and no other type")
        if self.texts and any(field.alias or field.validation_alias for field in fields.values()):
            raise DeclarationError(f"{name}: a model with a JSON text has no aliases")

    @cached_property
    def texts(self) -> Mapping[str, AsSent]:
        """The members that arrive as text."""
        marks = {
            name: next((mark for mark in field.metadata if isinstance(mark, AsSent)), None)
            for name, field in self.model.model_fields.items()
        }
        return {name: mark for name, mark in marks.items() if mark is not None}

    def key_of(self, item: BaseModel) -> str | None:
        """What its sender calls this item."""
        return _text_of(item, self.key)

    def line_of(self, item: BaseModel) -> str | None:
        """The value of the member `ordered_by`; None if the item has no order."""
        return _text_of(item, self.ordered_by)

    def to_wire(self, item: BaseModel) -> str | dict[str, Any]:
        """An item made in Python, as messages carry it."""
        if self.texts:
            return item.model_dump(mode="json", round_trip=True)
        return item.model_dump_json(by_alias=True, round_trip=True)

    def from_wire(self, carried: object) -> BaseModel:
        """An item as the task gets it.

        Raises:
            ItemRefusedError: the model does not take it; it names the member, and shows nothing of the content.
        """
        try:
            # As JSON in any case: a strict model takes a UUID from JSON's text, and from Python's only a UUID.
            return self.model.model_validate_json(carried if isinstance(carried, str) else json.dumps(carried))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the item"
            raise ItemRefusedError(f"{where}: {first['msg']}") from None


def _text_of(item: BaseModel, member: str | None) -> str | None:
    value = None if member is None else getattr(item, member)
    return None if value is None else str(value)


def _mentions_text(annotation: Any) -> bool:
    """Whether a JSON text is inside another type, where nobody would look for it."""
    return any(isinstance(part, AsSent) or _mentions_text(part) for part in get_args(annotation))
