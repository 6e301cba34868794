"""What every backend keeps: a question goes out as data, messages come in as they happen, and outputs at the end.

The module does not reach anything: see the modules beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fairlead.adapters.twine.children.question import Question


class Backend(Protocol):
    """A place where a child can be asked."""

    @property
    def sees_local_files(self) -> bool:
        """Whether the child is sure to see the files of this machine."""
        ...

    def ask(self, question: Question) -> dict[str, Any]:
        """Ask, tell ``question.hear`` what comes, and return ``output_values`` and ``output_manifest`` as JSON data.

        Ends when ``question.stop`` is set or its deadline passes, with nothing of it left running; raises what an
        asker gets, see ``failures``.
        """
        ...

    def send(self, question: Question) -> None:
        """Ask, and return as soon as the question is on its way."""
        ...
