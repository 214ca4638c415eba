"""Run with servers of our own: `python -m loyalty.embedded demo`, `reset`, or `run -- COMMAND ...`."""

import argparse
import os
import signal
import subprocess
import sys

from loyalty.embedded import servers
from loyalty.embedded.demo import demo
from loyalty.embedded.errors import StartRefused
from loyalty.embedded.home import test_home
from loyalty.embedded.reset import reset


def run(command: list[str]) -> int:
    """Run a command beside the test servers, and give back its exit code. It hears Ctrl-C itself; we wait for it."""
    with servers.serving(test_home(), durable=False) as addresses:
        environment = {"LOYALTY_ENV": "test"} | os.environ | addresses.variables()
        try:
            child = subprocess.Popen(command, env=environment)
        except OSError as error:
            raise StartRefused(f"{command[0]} cannot be run: {error.strerror}.") from error
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        code = child.wait()
        return code if code >= 0 else 128 - code


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loyalty.embedded", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="run the whole product with demo data until Ctrl-C")
    commands.add_parser("reset", help="stop the demo and remove its data")
    runner = commands.add_parser("run", help="run a command beside test servers")
    runner.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    parsed = parser.parse_args(words)
    if parsed.command == "run":
        parsed.words = parsed.words[1:] if parsed.words[:1] == ["--"] else parsed.words
        if not parsed.words:
            parser.error("say what to run: run -- COMMAND ...")
    return parsed


def main() -> int:
    asked = parse(sys.argv[1:])
    try:
        if asked.command == "run":
            return run(asked.words)
        return demo() if asked.command == "demo" else reset()
    except StartRefused as refusal:
        print(f"Stopped: {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
