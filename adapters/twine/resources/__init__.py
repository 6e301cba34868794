"""Octue's resources: the files that go into and come out of an app, with what is known about them."""

from fairlead.adapters.lazy import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.adapters.twine.resources.datafile import Datafile as Datafile
    from fairlead.adapters.twine.resources.dataset import Dataset as Dataset
    from fairlead.adapters.twine.resources.filter_containers import FilterDict as FilterDict
    from fairlead.adapters.twine.resources.filter_containers import FilterList as FilterList
    from fairlead.adapters.twine.resources.filter_containers import FilterSet as FilterSet
    from fairlead.adapters.twine.resources.label import LabelSet as LabelSet
    from fairlead.adapters.twine.resources.manifest import Manifest as Manifest
    from fairlead.adapters.twine.resources.tag import TagDict as TagDict

__getattr__ = attributes(
    __name__,
    {
        "Datafile": "datafile",
        "Dataset": "dataset",
        "FilterDict": "filter_containers",
        "FilterList": "filter_containers",
        "FilterSet": "filter_containers",
        "LabelSet": "label",
        "Manifest": "manifest",
        "TagDict": "tag",
    },
)
__all__ = ["Datafile", "Dataset", "FilterDict", "FilterList", "FilterSet", "LabelSet", "Manifest", "TagDict"]
