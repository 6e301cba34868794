"""What goes wrong with workflows, under the names that Outflow's users catch, in the one tree of ``errors``.

An exception that a task raises is never wrapped in one of these: it reaches the caller as it is, with a note of where
it happened.
"""

from __future__ import annotations

from fairlead.adapters.errors import ContractInvalid, InputInvalid, OutputInvalid


class WorkflowInvalid(ContractInvalid):
    """Blocks do not fit together; found before anything runs."""


class IOCheckerError(WorkflowInvalid):
    """An input of a block comes from nowhere, from two places, or has another type than what is sent to it."""


class TargetException(ContractInvalid):
    """The targets of a task cannot be told from how it is written."""


class TaskException(InputInvalid):
    """A task got what its inputs and parameters do not allow, or not all that they need. It has not run."""


class TaskWithKwargsException(TargetException):
    """A task takes keyword-only arguments, which no upstream block can give by position."""


class ContextArgumentException(TargetException):
    """A task that is to be given itself does not take ``self`` as its first argument."""


class ResultInvalid(OutputInvalid):
    """A task returned what its outputs do not allow."""


class ExitPipeline(BaseException):
    """Ends the whole run, as a success: what has not started does not start. Raised by `exit_pipeline`.

    Like SystemExit, it is no Exception, so that nothing that deals with failures keeps it.
    """


def exit_pipeline(message: str = "") -> None:
    """End the run from within a task; what was done so far stays done, and the run counts as a success."""
    raise ExitPipeline(message)
