"""How a command line is read: the options of every command, before or after its name, and the command's own arguments.

Some options must be known before the commands are, because they say where the commands come from; so a command line is
read twice (`early`, `parse`). It runs nothing.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from fairlead.adapters.errors import InputInvalid, Problem
from fairlead.adapters.workflow.commands.command import Command
from fairlead.adapters.workflow.pipeline.logging import LEVELS

_EARLY = ("--config", "--settings", "--python_path", "--log-level", "--no-color", "--dry-run")
"""What must be known before the commands are."""
_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("--config",), {"metavar": "FILE", "default": None, "help": "the configuration file"}),
    (("--settings",), {"metavar": "MODULE", "default": None, "help": "the settings module, e.g. project.settings"}),
    (("--version",), {"action": "store_true", "default": False, "help": "print the version, and end"}),
    (
        ("--python_path",),
        {"metavar": "FOLDER", "action": "append", "default": [], "help": "a folder that modules are looked for in"},
    ),
    (
        ("--traceback",),
        {"action": "store_true", "default": False, "help": "show where an error came from, down to this program"},
    ),
    (("--no-color",), {"action": "store_true", "default": False, "help": "no colours"}),
    (
        ("-ll", "--log-level"),
        {"choices": LEVELS, "default": None, "metavar": "LEVEL", "help": f"{', '.join(LEVELS)}; INFO without it"},
    ),
    (("--backend", "-b"), {"metavar": "NAME", "default": None, "help": "the engine: default, parallel, slurm, dask"}),
    (
        ("--overwrite-cache",),
        {"action": "store_true", "default": False, "help": "run in any case, and replace what the cache holds"},
    ),
    (("--dry-run",), {"action": "store_true", "default": False, "help": "run without a database"}),
)


class CommandLineInvalid(InputInvalid):
    """The command line is wrong; ``usage`` says how it would be right."""

    usage = ""


@dataclass(frozen=True)
class Parsed:
    """A command line, understood."""

    commands: tuple[Command, ...]
    """The command that was named, after all that it is below."""
    args: argparse.Namespace
    extra: list[str]
    parser: argparse.ArgumentParser
    """That of the command, for its help."""


class _Parser(argparse.ArgumentParser):
    """Raises what is wrong instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise _invalid(self, message)

    def _get_option_tuples(self, option_string: str) -> list[Any]:
        """Take no word for the beginning of an option: else ``-l``, which may be a command's own, would be ``-ll``."""
        return [each for each in super()._get_option_tuples(option_string) if option_string.startswith(each[1])]


def _invalid(parser: argparse.ArgumentParser, message: str, remedy: str = "") -> CommandLineInvalid:
    error = CommandLineInvalid(Problem(parser.prog, message.rstrip("."), "", remedy or f"Try {parser.prog} --help."))
    error.usage = parser.format_usage()
    return error


def program() -> str:
    """Return how the program calls itself."""
    name = sys.argv[0] or "pipeline"
    return name if " " in name else Path(name).name


def early(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options that must be known before the commands are."""
    parser = _Parser(prog=program(), add_help=False, allow_abbrev=False)
    for names, options in _OPTIONS:
        if set(names) & set(_EARLY):
            parser.add_argument(*names, **options)
    return parser.parse_known_args(list(argv))[0]


def parse(
    root: type[Command],
    argv: Sequence[str],
    *,
    prog: str | None = None,
    offered: Callable[[type[Command]], bool] = lambda _: True,
) -> Parsed:
    """Read a command line.

    Args:
        root: the command that all are below; the line does not name it.
        argv: the words of the line.
        prog: what the program is called.
        offered: whether a command below the root is there for this pipeline.

    Raises:
        CommandLineInvalid: a command, an option or a value is unknown or missing.
        SystemExit: the line asks for help, which has been printed.
    """
    parser = _Parser(
        prog=prog or program(), description=_help(root), allow_abbrev=False, formatter_class=_Formatter, add_help=True
    )
    _fill(parser, root, (), offered, parser.prog)
    args, extra = parser.parse_known_args(list(argv))
    own, commands = args.__dict__.pop(_CHOSEN)
    if extra and not commands[-1].allow_extra_args and not args.version:
        name = " ".join(extra)
        remedy = f"Try {own.prog} --help. If its tasks know them, write allow_extra_args=True in its decorator."
        raise _invalid(own, f"unrecognized arguments: {name}", remedy)
    return Parsed(commands, args, extra, own)


_CHOSEN = "__fairlead_chosen__"


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help with room for the names of commands."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, max_help_position=32, **options)

    def _format_action(self, action: argparse.Action) -> str:
        """Leave out the line that only says COMMAND, above the commands."""
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            return "".join(self._format_action(each) for each in action._get_subactions())  # noqa: SLF001
        return super()._format_action(action)


def _fill(
    parser: argparse.ArgumentParser,
    command: type[Command],
    above: tuple[Command, ...],
    offered: Callable[[type[Command]], bool],
    prog: str,
) -> None:
    """Give a parser a command's own arguments, the options of every command, and the commands below it."""
    made = command(parser)
    path = (*above, made)
    is_root = not above
    parser.set_defaults(**{_CHOSEN: (parser, path)})
    made.add_arguments()
    _refuse_early(parser, command)
    group = parser.add_argument_group("options of every command") if is_root else parser
    for names, options in _OPTIONS:
        free = [name for name in names if name not in parser._option_string_actions]  # noqa: SLF001 (there is no other way)
        if free:
            hidden: dict[str, Any] = {} if is_root else {"help": argparse.SUPPRESS, "default": argparse.SUPPRESS}
            group.add_argument(*free, dest=names[-1 if names[0] == "-ll" else 0].lstrip("-").replace("-", "_"),
                               **{**options, **hidden})  # fmt: skip
    below = _below(command, offered)
    if below:
        parsers = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
        for each in below:
            text = _help(each)
            child = parsers.add_parser(
                each.name,
                help=text.partition("\n")[0],
                description=text,
                allow_abbrev=False,
                formatter_class=_Formatter,
                epilog=f"Options of every command are told by {prog} --help.",
            )
            _fill(child, each, path, offered, prog)


def _below(command: type[Command], offered: Callable[[type[Command]], bool]) -> list[type[Command]]:
    """Return the commands right below one, by name; raises `InputInvalid` if two modules have one of the same name."""
    found: dict[str, type[Command]] = {}
    for each in command.subcommands:
        if offered(each):
            other = found.setdefault(each.name, each)
            if other.__module__ != each.__module__:
                both = f"{other.__module__} and {each.__module__} both have one of that name"
                problem = Problem(f"command '{each.name}'", both, "", "Give one another: @...subcommand(name=...).")
                raise InputInvalid(problem)
            found[each.name] = each
    return [found[name] for name in sorted(found)]


def _refuse_early(parser: argparse.ArgumentParser, command: type[Command]) -> None:
    """Refuse arguments that would be read before the command is known."""
    for name in (*_EARLY, "-ll"):
        if name in parser._option_string_actions:  # noqa: SLF001 (there is no other way)
            where = f"command '{command.name}', argument {name}"
            raise InputInvalid(Problem(where, "is an option of every command", "another name", "Call it otherwise."))


def _help(command: type[Command]) -> str:
    return inspect.cleandoc(command.__doc__ or "") if "__doc__" in vars(command) else ""
