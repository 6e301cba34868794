"""Containers of files that can be narrowed down: `FilterSet`."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.adapters.twine.resources.datafile import Datafile


class FilterSet(set["Datafile"]):
    """The files of a dataset."""

    def one(self) -> "Datafile":
        """Return the only file; raises ValueError if there are none or several."""
        if len(self) != 1:
            names = ", ".join(sorted(file.name for file in self)) or "none"
            msg = f"one file was expected in the dataset, found {len(self)}: {names}"
            raise ValueError(msg)
        return next(iter(self))
