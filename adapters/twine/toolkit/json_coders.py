"""JSON as Octue's files have it, for apps that read and write such files with Python's ``json`` themselves.

What has which form is decided in ``encoding``.
"""

import json

from fairlead.adapters.twine import encoding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class TwinedEncoder(json.JSONEncoder):
    """``json.dumps(value, cls=TwinedEncoder)`` writes sets, datetimes, numpy's values and resources."""

    def default(self, o: "Any") -> "Any":
        """Return the JSON form of a value that Python's encoder does not know; raises TypeError if it has none."""
        from fairlead.adapters.errors import ContractError

        try:
            return encoding.to_json(o, "value")
        except ContractError as error:
            raise TypeError(str(error)) from error


class OctueJSONEncoder(TwinedEncoder):
    """The same under the name that ``octue`` has for it."""


class OctueJSONDecoder(json.JSONDecoder):
    """``json.loads(text, cls=OctueJSONDecoder)`` makes sets and datetimes of the objects that stand for them."""

    def __init__(self, *args: "Any", **kwargs: "Any") -> None:
        """Take the arguments of `json.JSONDecoder`; an ``object_hook`` takes the place of this decoder's own."""
        if kwargs.get("object_hook") is None:
            kwargs["object_hook"] = self.object_hook
        super().__init__(*args, **kwargs)

    @staticmethod
    def object_hook(obj: "dict[str, Any]") -> "Any":
        """Return the set or the datetime that an object stands for, or the object itself."""
        return encoding.from_json(obj)
