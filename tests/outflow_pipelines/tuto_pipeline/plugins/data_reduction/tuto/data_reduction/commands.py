from outflow.core.commands import Command, RootCommand
from outflow.core.logging import logger
from outflow.library.workflows import MapWorkflow

from .tasks import ComputeMore, ComputeOne, GenMoreData, GenOneData, PrintMoreData, PrintOneData


class WithMultiplier(Command):
    def add_arguments(self):
        self.add_argument("--multiplier", type=int, default=2, help="What data are multiplied by")


@RootCommand.subcommand()
class ComputeOneData(WithMultiplier):
    def setup_tasks(self):
        compute = ComputeOne()
        GenOneData() | compute | PrintOneData()
        return compute


@MapWorkflow.as_workflow(output_name="map_computation_result")
def compute_all():
    ComputeMore()


@RootCommand.subcommand()
class ComputeMoreData(WithMultiplier):
    def setup_tasks(self):
        mapped = compute_all()
        GenMoreData() | mapped | PrintMoreData()
        return [mapped]


@RootCommand.subcommand(db_untracked=True)
def DataReduction():
    """
    DataReduction subcommand
    """
    logger.info("Hello from data_reduction")
