# Commands that are defined in the pipeline's folder, and imported by manage.py.
from outflow.core.commands import Command, RootCommand, argument
from outflow.core.exceptions import exit_pipeline
from outflow.core.logging import logger
from outflow.core.pipeline import config, context
from outflow.core.tasks import as_task


@as_task
def First() -> {"value": int}:
    return 1


@as_task
def Second(value: int) -> {"doubled": int}:
    logger.info(f"Second got {value}")
    return value * 2


@as_task
def Debug() -> {}:
    logger.info("Debug environment")


@RootCommand.subcommand(db_untracked=True)
class MyCommand(Command):
    def add_arguments(self):
        self.add_argument("--debug", action="store_true", help="Set up debug environment")

    def setup_tasks(self):
        first_task = First()
        second_task = Second()

        if context.args.debug:
            debug_task = Debug()  # any instantiated task is executed
            debug_task | first_task

        first_task | second_task
        return second_task


@RootCommand.subcommand(invokable=False)
class Git(Command):
    """The stupid content tracker."""


@Git.subcommand(db_untracked=True)
class Clone(Command):
    def add_arguments(self):
        self.add_argument("--depth", type=int, default=1, help="how deep")

    def setup_tasks(self):
        @as_task
        def Show() -> {"depth": int}:
            logger.info(f"Cloning to depth {context.args.depth}")
            return context.args.depth

        return Show()


@RootCommand.subcommand(db_untracked=True)
@argument("--times", type=int, default=2, help="how often")
def Hello(times):
    """Say hello."""
    logger.info("Hello " * times)


@RootCommand.subcommand(db_untracked=True)
class Stops(Command):
    def setup_tasks(self):
        @as_task
        def Stop() -> {"never": int}:
            exit_pipeline()

        return Stop()


@RootCommand.subcommand(db_untracked=True)
class Fails(Command):
    def setup_tasks(self):
        @as_task
        def Boom() -> {}:
            raise ValueError("boom")

        Boom()
