"""The command `crosswire`: every room's commands under one name, each imported only when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from crosswire import __version__

#: Room, command and what it does, in the order in which a newcomer meets them.
COMMANDS = {
    "train": ("training", "train a preset, or go on with a run"),
    "evaluate": ("training", "score a run on fresh frames"),
    "report": ("training", "draw scaling factors, exchange, feature maps and decisions of a run"),
    "presets": ("training", "list the presets, or print one"),
    "count": ("training", "count parameters and multiply-accumulates of a network or a fusion"),
    "infer": ("training", "run a network on arrays, as it takes them itself"),
    "import": ("training", "turn a checkpoint of the official CEN code into a run"),
    "make-data": ("training", "write procedural frames or clips in the layout of a real data set"),
    "check-data": ("training", "name every file of a data set that cannot be used, with the cure"),
    "export": ("export", "freeze a run, export it and prove it"),
    "adopt": ("export", "serve a graph that somebody else made: ONNX in, a network of ours out"),
    "inspect": ("export", "print and draw what a contract promises and proves, and time it"),
    "plan-script": ("export", "write the script that builds a TensorRT plan in the container"),
    "serve": ("serving", "start the server and keep it answering until Ctrl-C or SIGTERM"),
    "doctor": ("serving", "check everything that a start depends on, and name the cures"),
    "status": ("serving", "show the running servers of this user"),
    "load": ("serving", "serve one more network of the repository, without a restart"),
    "unload": ("serving", "stop serving a network"),
    "reload": ("serving", "put a network's new export in the place of the old one; no request fails"),
    "renew": ("serving", "take API keys and certificate as their files are now; no request fails"),
    "assemble": ("serving", "write the Triton repository and stop"),
    "list": ("clients", "list the pipelines of a server"),
    "predict": ("clients", "ask about images or a clip, and write what the server made of them"),
    "batch": ("clients", "ask about a folder of inputs; started again, it goes on where it was"),
    "stream": ("clients", "play a recorded RGB-D sequence as if it came from a camera"),
    "recording": ("clients", "say what a recording of an RGB-D sensor holds, and show one of its frames"),
    "bench": ("clients", "measure what a server can do, and how long it takes under load"),
}
#: Engines of `batch` other than a server, and the room that has them.
ENGINES = {"ray": "offline", "in-process": "offline"}
#: Commands that have another name now.
RENAMED = {
    "up": "crosswire serve",
    "build": "crosswire export",
    "import-cen": "crosswire import",
    "study": "python -m research study (from a checkout)",
    "table": "python -m research table (from a checkout)",
    "group": "python -m research group (from a checkout)",
}
#: What a command or else its room needs beyond the client's packages, as pip names it.
EXTRAS = {"adopt": "adopt", "training": "train", "export": "export", "serving": "serve", "clients": "client"}
EXTRAS |= {"offline": "serve,client,ray"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command of one room.

    Args:
        arguments: command and its options; None takes the process's.

    Returns:
        The exit code of the command; 2 after one line on stderr that says what is wrong.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"crosswire {__version__}")
        return 0
    if words[0] not in COMMANDS:
        instead = RENAMED.get(words[0])
        print(f"error: got {words[0]!r}, {hint(instead)}", file=sys.stderr)
        return 2
    room = room_of(words)
    try:
        module = importlib.import_module(f"crosswire.{room}.__main__")
        return int(module.main(words))
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "crosswire":
            raise
        wanted = f"pip install 'crosswire[{EXTRAS.get(words[0]) or EXTRAS[room]}]'"
        print(f"error: `crosswire {words[0]}` needs {error.name}; install it with: {wanted}", file=sys.stderr)
        return 2


def room_of(words: Sequence[str]) -> str:
    """Return the room of a command that is known: that of its engine, where it names one."""
    engine = None
    if words[0] == "batch":
        parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
        parser.add_argument("--engine", nargs="?")
        engine = parser.parse_known_args(words[1:])[0].engine
    return ENGINES.get(engine or "", COMMANDS[words[0]][0])


def hint(instead: str | None) -> str:
    """Say what to type instead of an unknown command."""
    if instead is not None:
        return f"which is now: {instead}"
    return f"expected one of {', '.join(COMMANDS)}; try crosswire --help"


def usage() -> str:
    """Return the overview of all commands, room by room."""
    width = max(map(len, COMMANDS))
    lines = ["usage: crosswire COMMAND [OPTION ...]"]
    before = ""
    for name, (room, text) in COMMANDS.items():
        if room != before:
            lines += ["", f"{room}:"]
        lines.append(f"  {name:<{width}}  {text}")
        before = room
    return "\n".join([*lines, "", "crosswire COMMAND --help lists the options of one command."])


if __name__ == "__main__":
    sys.exit(main())
