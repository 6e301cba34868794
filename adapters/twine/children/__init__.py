"""Children: other services that an app asks questions, wherever they are: a folder, Prefect, Airflow or a record.

Names are loaded when they are first used, because the child process of every run imports the package above.
"""

from fairlead.adapters.lazy import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.adapters.twine.children.answer import Answer as Answer
    from fairlead.adapters.twine.children.child import Child as Child
    from fairlead.adapters.twine.children.emulator import ChildEmulator as ChildEmulator
    from fairlead.adapters.twine.children.strand import children_from_data as children_from_data
    from fairlead.adapters.twine.children.strand import children_identity as children_identity
    from fairlead.adapters.twine.children.strand import merged as merged
    from fairlead.adapters.twine.children.strand import plain_children as plain_children

__getattr__ = attributes(
    __name__,
    {
        "Answer": "answer",
        "Child": "child",
        "ChildEmulator": "emulator",
        "children_from_data": "strand",
        "children_identity": "strand",
        "merged": "strand",
        "plain_children": "strand",
    },
)
__all__ = ["Answer", "Child", "ChildEmulator", "children_from_data", "children_identity", "merged", "plain_children"]
