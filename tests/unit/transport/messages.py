"""Messages that nobody would write: Hypothesis makes them from the descriptors of protos/, whatever is in there."""

from __future__ import annotations

import pkgutil
import re
from base64 import b64encode
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from maskgate.transport.grpc import _pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.descriptor import Descriptor, MethodDescriptor
    from google.protobuf.message import Message
    from hypothesis.strategies import SearchStrategy

_HUGE = (300, 1_200)
_WIDEST: dict[int, SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_STRING: st.text(max_size=80),
}


@dataclass(frozen=True)
class Hints:
    """What a client that means well sends, so that messages get past the first check.

    Attributes:
        image_ids: Of images that are kept.
        mask_handles: Of masks that are kept.
        files: Images.
        logits: Logits of a mask.
        side: Points lie between 0 and this.
    """

    image_ids: tuple[str, ...]
    mask_handles: tuple[str, ...]
    files: tuple[bytes, ...]
    logits: bytes
    side: float

    def text(self, name: str) -> SearchStrategy[str]:
        """A text for a field of this name."""
        for known, values in (("image_id", self.image_ids), ("mask_handle", self.mask_handles)):
            if name.startswith(known):
                return st.sampled_from(values)
        return st.just("")

    def content(self, name: str) -> SearchStrategy[bytes]:
        """Bytes for a field of this name."""
        return st.just(self.logits) if name == "logits" else st.sampled_from(self.files)


def methods() -> list[MethodDescriptor]:
    """All methods of all services of protos/, whether the gateway has them or not."""
    modules = [import_module(f"{_pb.__name__}.{name}") for _, name, _ in pkgutil.iter_modules(_pb.__path__)]
    files = [module.DESCRIPTOR for module in modules if not module.__name__.endswith("_grpc")]
    return [method for file in files for service in file.services_by_name.values() for method in service.methods]


def requests(method: MethodDescriptor, hints: Hints) -> SearchStrategy[list[bytes]]:
    """What may be sent to a method: one message, or up to five where they are a stream."""
    most = 5 if method.client_streaming else 1
    return st.lists(_encoded(method.input_type, hints), min_size=1, max_size=most)


def as_json(message: Message) -> dict[str, Any]:
    """The message as REST has it: the same names, enums without their type's, bytes in base64."""
    return {
        field.name: [_json_value(field, part) for part in value] if field.is_repeated else _json_value(field, value)
        for field, value in message.ListFields()
    }


def _json_value(field: FieldDescriptor, value: Any) -> Any:  # noqa: ANN401 - any value
    if field.message_type is not None:
        return as_json(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", field.enum_type.name).upper()
        return value if known is None else known.name.removeprefix(f"{kind}_").removeprefix("COCO_").lower()
    return b64encode(value).decode() if isinstance(value, bytes) else value


def errors_in(message: Message) -> Iterator[str]:
    """The codes of errors inside an answer."""
    if message.DESCRIPTOR.name == "Error":
        yield message.code  # type: ignore[attr-defined] # an Error
    for field, value in message.ListFields():
        if field.message_type is not None and not _is_map(field):
            for part in value if field.is_repeated else (value,):
                yield from errors_in(part)


def messages(descriptor: Descriptor, hints: Hints) -> SearchStrategy[Message]:
    """Messages of a type: fair ones, wild ones, and fair ones that have something wild in them."""
    fair, wild = _messages(descriptor, _Fair(hints)), _messages(descriptor, _Wild(hints))
    return fair | wild | st.builds(_merged, fair, wild)


def _encoded(descriptor: Descriptor, hints: Hints) -> SearchStrategy[bytes]:
    encoded = messages(descriptor, hints).map(lambda made: made.SerializeToString())
    return encoded | st.builds(_damaged, encoded, st.integers(0, 200), st.binary(max_size=8)) | st.binary(max_size=60)


def _merged(fair: Message, wild: Message) -> Message:
    fair.MergeFrom(wild)
    return fair


def _damaged(encoded: bytes, at: int, damage: bytes) -> bytes:
    return encoded[:at] + damage + encoded[at + len(damage) :]


class _Fair:
    """Values that a client might send which means well."""

    def __init__(self, hints: Hints) -> None:
        self._hints = hints

    def scalar(self, field: FieldDescriptor) -> SearchStrategy[Any]:
        """A value of a field that is no message."""
        match field.cpp_type:
            case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
                return self._hints.content(field.name)
            case FieldDescriptor.CPPTYPE_STRING:
                return self._hints.text(field.name)
            case FieldDescriptor.CPPTYPE_ENUM:
                return st.sampled_from([value.number for value in field.enum_type.values])
            case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
                return st.floats(0, self._hints.side, width=32)
            case FieldDescriptor.CPPTYPE_BOOL:
                return st.booleans()
        return st.integers(0, 1) if field.name == "label" else st.integers(0, 8)

    def several(self, one: SearchStrategy[Any], *, of_lists: bool) -> SearchStrategy[list[Any]]:
        """A list of values, which may hold lists themselves."""
        del of_lists
        return st.lists(one, min_size=1, max_size=3)

    def fields(self, values: dict[str, SearchStrategy[Any]]) -> SearchStrategy[dict[str, Any]]:
        """Which fields are set: all that name an image, and some others."""
        named = {name: value for name, value in values.items() if name.startswith("image")}
        return st.fixed_dictionaries(named, optional={name: values[name] for name in values.keys() - named.keys()})


class _Wild(_Fair):
    """Values that are legal on the wire, and nothing else."""

    def scalar(self, field: FieldDescriptor) -> SearchStrategy[Any]:
        if field.type == FieldDescriptor.TYPE_BYTES:
            files = super().scalar(field)
            return st.binary(max_size=100) | st.builds(lambda file, end: file[:end], files, st.integers(0, 400))
        return _WIDEST[field.cpp_type] | super().scalar(field)

    def several(self, one: SearchStrategy[Any], *, of_lists: bool) -> SearchStrategy[list[Any]]:
        few = st.lists(one, max_size=3)
        if of_lists:  # a huge list of huge lists would be the end of the test, not of the service
            return few
        return few | st.builds(lambda value, times: [value] * times, one, st.sampled_from(_HUGE))

    def fields(self, values: dict[str, SearchStrategy[Any]]) -> SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries({}, optional=values)


def _messages(descriptor: Descriptor, values: _Fair) -> SearchStrategy[Message]:
    """Messages of a type. Sorted, as the same seed has to make the same ones in every run."""
    fields = {field.name: _field(field, values) for field in sorted(descriptor.fields, key=lambda field: field.number)}
    create: Callable[..., Message] = GetMessageClass(descriptor)
    return values.fields(fields).map(lambda made: create(**made))


def _field(field: FieldDescriptor, values: _Fair) -> SearchStrategy[Any]:
    if _is_map(field):
        entry = field.message_type.fields_by_name
        return st.dictionaries(_field(entry["key"], values), _field(entry["value"], values), max_size=3)
    message = field.message_type
    one = values.scalar(field) if message is None else _messages(message, values)
    return values.several(one, of_lists=_holds_lists(message)) if field.is_repeated else one


def _holds_lists(message: Descriptor | None) -> bool:
    return message is not None and any(
        field.is_repeated or _holds_lists(field.message_type) for field in message.fields
    )


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
