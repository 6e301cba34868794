from outflow.core.commands import Command, RootCommand
from outflow.core.workflow import as_workflow
from outflow.library.workflows import MapWorkflow

from .tasks import Compute, GenData, GenMany, PrintData, Transform, WrongType


@RootCommand.subcommand(db_untracked=True)
class Part2(Command):
    """Tasks and commands."""

    def setup_tasks(self):
        # setup the workflow
        GenData() | Transform() | Compute() | PrintData()


@RootCommand.subcommand(db_untracked=True)
class Part2WrongType(Command):
    def setup_tasks(self):
        WrongType() | Transform()


# create a workflow
@as_workflow(cache=True)
def process_data():
    Transform() | Compute()


@RootCommand.subcommand(db_untracked=True)
class Part3(Command):
    """Workflow and caching."""

    def setup_tasks(self):
        # setup the main workflow by using the workflow defined outside command
        GenData() | process_data() | PrintData()


@MapWorkflow.as_workflow(cache=False)
def process_each():
    Transform() | Compute()


@RootCommand.subcommand(db_untracked=True)
class Part4(Command):
    """Parallelize your workflows."""

    def setup_tasks(self):
        mapped = process_each()
        GenMany() | mapped | PrintData()
        return mapped
