"""What every command shares: how it starts, what it says when it fails, how it ends.

A command is a function ``main(arguments) -> int`` that parses, calls the library and prints. It
ends with ``if __name__ == "__main__": sys.exit(run(main))``. Heavy modules are imported inside
``main``, after parsing, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import NoReturn

from ParetoSegLib.core.errors import ParetoSegError, UsageError
from ParetoSegLib.core.project import DISCLAIMER, HOMEPAGE

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: all went well; something failed; the command line is wrong; Ctrl-C."""

DEBUG_FLAG = "--debug"


class CommandParser(argparse.ArgumentParser):
    """An argument parser that raises ``UsageError`` with one sentence and knows ``--debug``.

    Args:
        command: the module's name, e.g. ``"predict"``.
        summary: what the command does, for ``--help``.
        examples: whole command lines, shown at the end of ``--help``.
    """

    def __init__(self, command: str, summary: str, examples: Sequence[str] = ()) -> None:
        lines = ["examples:", *(f"  {example}" for example in examples), ""] if examples else []
        super().__init__(
            prog=f"python -m ParetoSegLib.{command}",
            description=summary,
            epilog="\n".join([*lines, DISCLAIMER]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            # A shortened flag would change its meaning when a new flag is added.
            allow_abbrev=False,
        )
        self.add_argument(
            DEBUG_FLAG, action="store_true", help="show the whole traceback when something fails"
        )

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage: ``run`` says it in one sentence."""
        raise UsageError(f"{message[:1].upper()}{message[1:]}; {self.prog} --help lists the flags.")


def run(main: Callable[[Sequence[str]], int], arguments: Sequence[str] | None = None) -> int:
    """Call a command and turn whatever ends it into one sentence and an exit code.

    Args:
        main: takes the arguments and returns the exit code.
        arguments: the command line after the command's name; by default this process's own.

    Returns:
        What ``main`` returned, or 1 after an error, 2 after a wrong command line, 130 after
        Ctrl-C. A traceback is written only with ``--debug``.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = DEBUG_FLAG in arguments
    _speak_utf8()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if debug:
        # Ours alone: what matplotlib thinks of every font would bury it.
        logging.getLogger("ParetoSegLib").setLevel(logging.DEBUG)
    try:
        with warnings.catch_warnings():
            if not debug and not sys.warnoptions:
                warnings.simplefilter("ignore")
            return main(arguments)
    except SystemExit as ending:  # --help and --version end this way
        return ending.code if isinstance(ending.code, int) else DONE
    except KeyboardInterrupt:
        return _failed("Stopped; nothing half-written was left behind.", INTERRUPTED, debug)
    except UsageError as error:
        return _failed(str(error), MISUSED, debug)
    except ParetoSegError as error:
        return _failed(str(error), FAILED, debug)
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.close()
        return FAILED
    except Exception as error:
        # Only the kind of the error: its text may hold a patient's folder.
        sentence = (
            f"An unexpected {type(error).__name__} ended the command; run it again with "
            f"{DEBUG_FLAG} for the details and report them at {HOMEPAGE}/issues."
        )
        return _failed(sentence, FAILED, debug)


def _failed(sentence: str, code: int, debug: bool) -> int:
    """Write the sentence, and the traceback of the error being handled if it is wanted."""
    if debug:
        traceback.print_exc()
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()
    return code


def _speak_utf8() -> None:
    """Let µ, ⊆ and patients' own letters through on consoles with another code page."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None and (stream.encoding or "").lower() != "utf-8":
            reconfigure(encoding="utf-8", errors="replace")
