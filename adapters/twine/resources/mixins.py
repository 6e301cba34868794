"""What all of Octue's resources share: an id, labels, tags, a hash, a JSON form and being filtered for.

Each class is a mix-in that keeps nothing on an object until something is set: an id is made when it is first asked for,
and labels and tags are held when there are any. So thousands of files cost little. Only the standard library is
imported at the start. Where metadata are stored is decided elsewhere.
"""

import functools
import json
import os
import re
import threading

from fairlead.adapters.twine.exceptions import InvalidInputException

TYPE_CHECKING = False
if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping
    from typing import Any, ClassVar, Self

    from fairlead.adapters.twine.resources.label import LabelSet
    from fairlead.adapters.twine.resources.tag import TagDict

_CANONICAL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAKING = threading.Lock()
"""Held while something is made that was only now asked for, so that two threads get the same one."""


class MixinBase:
    """Ends a chain of mix-ins' constructors; raises TypeError for an argument that none of them has taken."""

    def __init__(self, *args: "Any", **kwargs: "Any") -> None:
        if args or kwargs:
            msg = f"{type(self).__name__} does not take {', '.join([*map(repr, args), *kwargs])}"
            raise TypeError(msg)
        super().__init__()


def _new_id() -> str:
    import uuid  # slow to import, and many runs need none

    return str(uuid.uuid4())


class Identifiable:
    """An object with an ``id``, which is a UUID, and maybe a ``name``."""

    _id: "str | None" = None
    _name: "str | None" = None

    def __init__(
        self,
        *args: "Any",
        id: "str | uuid.UUID | None" = None,  # noqa: A002 (Octue's name)
        name: "str | None" = None,
        **kwargs: "Any",
    ) -> None:
        """Take the id if one is given; raises `InvalidInputException` unless it is a UUID."""
        super().__init__(*args, **kwargs)
        self._set_id(id)
        if name is not None:
            self._name = name

    def __repr__(self) -> str:
        """Show the name, or the id if there is no name."""
        return f"<{type(self).__name__}({self.id if self.name is None else repr(self.name)})>"

    def __getstate__(self) -> object:
        """Make the id before copies and pickles, so that they have the same one."""
        _ = self.id
        return super().__getstate__()

    @property
    def id(self) -> str:
        """The UUID; made when it is first asked for, unless it was given. It cannot be changed."""
        if self._id is None:
            with _MAKING:
                self._id = self._id or _new_id()
        return self._id

    @property
    def name(self) -> "str | None":
        """The name, or None."""
        return self._name

    def _set_id(self, value: "str | uuid.UUID | None") -> None:
        """Take an id that was given or stored; with None, one is made when it is needed."""
        if value is None:
            return
        if isinstance(value, str) and _CANONICAL.fullmatch(value):
            self._id = value
            return
        import uuid

        try:
            self._id = str(value if isinstance(value, uuid.UUID) else uuid.UUID(value))
        except (ValueError, AttributeError, TypeError) as error:
            msg = f"Value of id {value!r} is not a valid uuid string or instance of class UUID"
            raise InvalidInputException(msg) from error


class Labelable:
    """An object with ``labels``."""

    _labels: "LabelSet | None" = None

    def __init__(self, *args: "Any", labels: "Iterable[str] | None" = None, **kwargs: "Any") -> None:
        """Take labels; raises `InvalidLabelException` if one of them is none."""
        super().__init__(*args, **kwargs)
        if labels is not None:
            self.labels = labels

    @property
    def labels(self) -> "LabelSet":
        """The labels; assigning replaces all of them."""
        if self._labels is None:
            from fairlead.adapters.twine.resources.label import LabelSet

            with _MAKING:
                self._labels = LabelSet() if self._labels is None else self._labels
        return self._labels

    @labels.setter
    def labels(self, labels: "Iterable[str] | None") -> None:
        from fairlead.adapters.twine.resources.label import LabelSet

        self._labels = LabelSet(labels)

    def add_labels(self, *args: str) -> None:
        """Add labels; raises `InvalidLabelException`, and adds none, if one of them is none."""
        self.labels.add_labels(*args)


class Taggable:
    """An object with ``tags``."""

    _tags: "TagDict | None" = None

    def __init__(self, *args: "Any", tags: "Mapping[str, Any] | None" = None, **kwargs: "Any") -> None:
        """Take tags; raises `InvalidTagException` if a name is not of their form."""
        super().__init__(*args, **kwargs)
        if tags is not None:
            self.tags = tags

    @property
    def tags(self) -> "TagDict":
        """The tags by name; assigning replaces all of them."""
        if self._tags is None:
            from fairlead.adapters.twine.resources.tag import TagDict

            with _MAKING:
                self._tags = TagDict() if self._tags is None else self._tags
        return self._tags

    @tags.setter
    def tags(self, tags: "Mapping[str, Any] | None") -> None:
        from fairlead.adapters.twine.resources.tag import TagDict

        self._tags = TagDict(tags)

    def add_tags(self, tags: "Mapping[str, Any] | None" = None, **kwargs: "Any") -> None:
        """Set tags; raises `InvalidTagException`, and sets none, if a name is not of their form."""
        self.tags.update(tags, **kwargs)


class Serialisable:
    """An object with a JSON form.

    It consists of the attributes that ``_SERIALISE_FIELDS`` names; if it names none, of all public attributes except
    those in ``_EXCLUDE_SERIALISE_FIELDS`` and ``logger``.
    """

    _SERIALISE_FIELDS: "ClassVar[tuple[str, ...] | None]" = None
    _EXCLUDE_SERIALISE_FIELDS: "ClassVar[tuple[str, ...]]" = ("logger",)

    @classmethod
    def deserialise(
        cls,
        serialised_object: "str | Mapping[str, Any]",
        from_string: bool = False,  # noqa: FBT001, FBT002 (Octue's)
    ) -> "Self":
        """Make an object from its JSON form: a dictionary, or with ``from_string`` a text."""
        if from_string:
            from fairlead.adapters.twine.encoding import from_json

            serialised_object = from_json(json.loads(serialised_object))  # type: ignore[arg-type]  # said to be a text
        return cls(**serialised_object)  # type: ignore[arg-type]  # as above: no text

    def to_primitive(self) -> "dict[str, Any]":
        """Return the JSON form as a dictionary; a set in it becomes a sorted list."""
        names = self._SERIALISE_FIELDS or [
            name
            for name in dir(self)
            if not name.startswith("_")
            and name not in {*self._EXCLUDE_SERIALISE_FIELDS, "logger"}
            and not callable(getattr(self, name, None))
        ]
        values = {name: getattr(self, name, None) for name in names}
        return {name: sorted(value) if isinstance(value, set) else value for name, value in values.items()}

    def serialise(self, **kwargs: "Any") -> str:
        """Return the JSON form as a text, sorted and indented; keyword arguments go to ``json.dumps``."""
        from fairlead.adapters.twine.encoding import to_json

        options: dict[str, Any] = {"sort_keys": True, "indent": 4, **kwargs}
        return json.dumps(to_json(self.to_primitive(), type(self).__name__), **options)

    def to_file(self, filename: "str | os.PathLike[str]", **kwargs: "Any") -> None:
        """Write the JSON form to a file, whole or not at all; missing folders are made."""
        text = self.serialise(**kwargs)
        path = os.path.abspath(filename)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        unfinished = f"{path}.{os.urandom(16).hex()}"
        try:
            with open(unfinished, "w", encoding="utf-8") as stream:
                stream.write(text)
            os.replace(unfinished, path)
        except BaseException:
            if os.path.lexists(unfinished):
                os.unlink(unfinished)
            raise


class Hashable:
    """An object with a ``hash_value``: Octue's hash of the attributes that ``_ATTRIBUTES_TO_HASH`` names.

    It is there for programs that compare it. What identifies work here is the fingerprint: see ``hashing``.
    """

    _ATTRIBUTES_TO_HASH: "ClassVar[tuple[str, ...] | None]" = None
    _HASH_TYPE: "ClassVar[str]" = "CRC32C"
    _hash_value: "str | None" = None

    def __init__(self, immutable_hash_value: "str | None" = None, *args: "Any", **kwargs: "Any") -> None:
        """Take a hash that is known already."""
        super().__init__(*args, **kwargs)
        if immutable_hash_value is not None:
            self._hash_value = immutable_hash_value

    @classmethod
    def hash_non_class_object(cls, object_: "Any") -> "str | None":
        """Return the hash of any value; None if it has none that holds."""
        from fairlead.adapters.twine.resources import hashing

        return hashing.hash_of_value(object_)

    @property
    def hash_value(self) -> "str | None":
        """The hash: that which was set, else computed; None if an attribute has none that holds."""
        return self._calculate_hash() if self._hash_value is None else self._hash_value

    @hash_value.setter
    def hash_value(self, value: str) -> None:
        if self._hash_value is not None:
            msg = f"The hash of {self!r} is immutable - hash_value cannot be set. Call reset_hash() first."
            raise ValueError(msg)
        self._hash_value = value

    def reset_hash(self) -> None:
        """Forget the hash that was set, so that it is computed."""
        self._hash_value = None

    def _calculate_hash(self) -> "str | None":
        from fairlead.adapters.twine.resources import hashing

        return hashing.hash_of_values(getattr(self, name) for name in sorted(self._ATTRIBUTES_TO_HASH or ()))


@functools.cache
def _version() -> str:
    from importlib.metadata import version

    return version("fairlead")


class Metadata:
    """An object with metadata: the attributes that ``_METADATA_ATTRIBUTES`` names."""

    _METADATA_ATTRIBUTES: "ClassVar[tuple[str, ...]]" = ()

    def metadata(self, include_id: bool = True, include_sdk_version: bool = True, **_kwargs: "Any") -> "dict[str, Any]":  # noqa: FBT001, FBT002 (Octue's)
        """Return the metadata by name, with this library's version; both extras can be left out."""
        metadata = {name: getattr(self, name) for name in self._METADATA_ATTRIBUTES if include_id or name != "id"}
        if include_sdk_version:
            metadata["sdk_version"] = _version()
        return metadata

    @property
    def metadata_hash_value(self) -> "str | None":
        """The hash of the metadata; neither the id nor the version counts."""
        from fairlead.adapters.twine.resources import hashing

        return hashing.hash_of_value(self.metadata(include_id=False, include_sdk_version=False))


class Filterable:
    """An object that `FilterSet`, `FilterList` and `FilterDict` can look for by its attributes."""

    def satisfies(self, raise_error_if_filter_is_invalid: bool = True, **kwargs: "Any") -> bool:  # noqa: FBT001, FBT002 (Octue's)
        """Tell whether the object matches one filter, e.g. ``name__starts_with="run"``.

        Raises AttributeError if it lacks the attribute, or with ``raise_error_if_filter_is_invalid=False`` is False;
        `InvalidInputException` if there is no such filter; ValueError unless one filter is given.
        """
        from fairlead.adapters.twine.resources.filter_containers import Filter

        if len(kwargs) != 1:
            msg = f"The satisfies method only takes one keyword argument; received {kwargs!r}."
            raise ValueError(msg)
        name, value = next(iter(kwargs.items()))
        return Filter(name, value, skip_without_attribute=not raise_error_if_filter_is_invalid).matches(self)
