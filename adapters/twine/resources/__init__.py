"""Octue's resources: the files that go into and come out of an app, with what is known about them."""

from fairlead.adapters.lazy import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.adapters.twine.resources.datafile import Datafile as Datafile
    from fairlead.adapters.twine.resources.dataset import Dataset as Dataset
    from fairlead.adapters.twine.resources.filter_containers import FilterSet as FilterSet
    from fairlead.adapters.twine.resources.manifest import Manifest as Manifest

__getattr__ = attributes(
    __name__,
    {
        "Datafile": "datafile",
        "Dataset": "dataset",
        "FilterSet": "filter_containers",
        "Manifest": "manifest",
    },
)
__all__ = ["Datafile", "Dataset", "FilterSet", "Manifest"]
