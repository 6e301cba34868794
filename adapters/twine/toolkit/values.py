"""Small questions that Octue's code asks about values: what lies under a dotted name, which combinations there are.

None of them is needed to run an app; apps and their tests call them.
"""

import contextlib
import itertools
import uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator
    from typing import Any


def get_nested_attribute(instance: "Any", name: str) -> "Any":
    """Return what a dotted name leads to, each part an attribute or a key; raises AttributeError where it ends."""
    for part in name.split("."):
        instance = getattr_or_subscribe(instance, part)
    return instance


def has_nested_attribute(instance: "Any", name: str) -> bool:
    """Tell whether a dotted name leads to something."""
    try:
        get_nested_attribute(instance, name)
    except AttributeError:
        return False
    return True


def getattr_or_subscribe(instance: "Any", name: str) -> "Any":
    """Return an attribute, or failing that the value of a key; raises AttributeError if there is neither."""
    try:
        return getattr(instance, name)
    except AttributeError:
        try:
            return instance[name]
        except (TypeError, LookupError):
            msg = f"{instance!r} does not have an attribute or key named {name!r}."
            raise AttributeError(msg) from None


def dictionary_product(
    keep_none_values: bool = False,  # noqa: FBT001, FBT002 (Octue's order)
    **kwargs: "Iterable[Any] | None",
) -> "Iterator[dict[str, Any]]":
    """Go through the combinations of some iterables, each a dictionary with their names as its keys.

    An iterable that is None takes no part; with ``keep_none_values`` its name is there, with None.
    """
    given = {name: values for name, values in kwargs.items() if values is not None}
    absent = dict.fromkeys(kwargs.keys() - given.keys()) if keep_none_values else {}
    for combination in itertools.product(*given.values()):
        yield dict(zip(given, combination, strict=True)) | absent


def make_minimal_dictionary(**kwargs: "Any") -> "dict[str, Any]":
    """Return the keyword arguments that are not None."""
    return {name: value for name, value in kwargs.items() if value is not None}


def gen_uuid() -> str:
    """Return a new random UUID as a text."""
    return str(uuid.uuid4())


def convert_to_posix_time(timestamp: "dt.datetime") -> float:
    """Return the seconds since 1970-01-01 00:00 in the timestamp's own time zone; one without a zone counts as UTC."""
    import datetime as dt

    return (timestamp - dt.datetime(1970, 1, 1, tzinfo=timestamp.tzinfo)).total_seconds()


class MultiPatcher:
    """Starts several of `unittest.mock`'s patches in one ``with`` statement, and stops all of them at its end."""

    def __init__(self, patches: "Iterable[contextlib.AbstractContextManager[Any]] | None" = None) -> None:
        """Take patches that are not started."""
        self.patches = [*(patches or ())]
        self._started = contextlib.ExitStack()

    def __enter__(self) -> "list[Any]":
        """Start the patches and return their mocks; if one cannot be started, those before it are stopped."""
        with contextlib.ExitStack() as started:
            mocks = [started.enter_context(patch) for patch in self.patches]
            self._started = started.pop_all()
        return mocks

    def __exit__(self, *_error: object) -> None:
        """Stop the patches, the last first."""
        self._started.close()
