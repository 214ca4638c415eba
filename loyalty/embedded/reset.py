"""Start the demo afresh: stop it if it runs, and remove its data and nothing else."""

import fcntl
import os
import shutil
import time

from loyalty.embedded import processes, servers
from loyalty.embedded.account import serving_account
from loyalty.embedded.children import clear_leftovers
from loyalty.embedded.errors import StartRefused
from loyalty.embedded.home import Home, demo_home

OURS = ("shop", "mail", "log")
OUR_FILES = ("run.json", "secrets.json", "demo.json", "beat-schedule*")
PATIENCE = 40.0


def reset() -> int:
    """Remove the demo of this checkout. Databases and brokers named by the environment are not touched."""
    home = demo_home()
    if not home.folder.exists():
        print("There is no demo data here.")
        return 0
    home.make()
    with (home.folder / "demo.lock").open("a") as lock:
        stop_running(home, lock=lock.fileno())
        for name in clear_leftovers(home):
            print(f"Stopped what a killed demo had left: {name}")
        servers.stop_leftovers(home)
        remove(home)
    print("The demo's data is gone; `make demo` starts afresh.")
    if os.environ.get("DATABASE_URL"):
        print("DATABASE_URL is set: the database it names is yours and was not touched.")
    return 0


def stop_running(home: Home, *, lock: int) -> None:
    """Ask a running demo to end, and wait until it has let go.

    Raises:
        StartRefused: it did not end.
    """
    deadline = time.monotonic() + PATIENCE
    asked = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            named = home.read().get("demo")
            if named and not asked:
                print(f"Stopping the running demo (process {named[0]}) ...", flush=True)
                processes.stop(processes.Mark(pid=int(named[0]), began=str(named[1])), seconds=PATIENCE)
                asked = True
            if time.monotonic() > deadline:
                raise StartRefused("The running demo did not stop. Stop it with Ctrl-C where it was started.") from None
            time.sleep(0.1)
        else:
            return


def remove(home: Home) -> None:
    servers_folder = home.servers_folder(serving_account())
    for folder in (servers_folder, *(home.folder / name for name in OURS)):
        if folder.exists():
            shutil.rmtree(folder)
    for pattern in OUR_FILES:
        for file in home.folder.glob(pattern):
            file.unlink()
