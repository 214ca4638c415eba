"""The whole product on this machine: servers, data, sandbox shop, web, worker and beat; then wait for Ctrl-C."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from socket import socket
from types import FrameType
from urllib.error import URLError
from urllib.request import urlopen

from loyalty.embedded import mail_page, mailbox, processes, servers, summary
from loyalty.embedded.children import Child, Children, clear_leftovers
from loyalty.embedded.errors import StartRefused
from loyalty.embedded.home import CHECKOUT, Home, demo_home, free_port, listen

WEB_PORT = 8000
SHOP_PORT = 8100
MAIL_PORT = 8025
SHOP_NAME = "Fern & Field"  # as the demo merchant is called
WORKER = "demo@loyalty-desk"


class Stopped(BaseException):
    """Somebody asked us to end."""


def demo() -> int:
    """Run the demo until somebody stops it. The exit code says whether it ended as asked."""
    home = demo_home()
    home.make()
    began = time.monotonic()

    def say(sentence: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {sentence}", flush=True)

    with alone(home):
        left = clear_leftovers(home)
        if left:
            say(f"stopped what a killed demo had left: {', '.join(left)}")
        catch_signals()
        try:
            servers.require_named()
            with servers.serving(home, durable=True) as addresses:
                ours = " and ".join(server.name for server in addresses.started)
                say(f"{ours} up" if ours else "using the servers you named")
                run(home, addresses=addresses, say=say)
        except Stopped:
            say("stopped; `make demo` resumes with the same data")
    return 0


def run(home: Home, *, addresses: servers.Addresses, say: summary.Say) -> None:
    """Start everything in order, show where it is, and watch over it."""
    ports = home.read()
    door = listen(preferred=ports.get("web_port", WEB_PORT))
    web_port = door.getsockname()[1]
    shop_port = free_port(preferred=ports.get("shop_port", SHOP_PORT))
    mail_door = listen(preferred=ports.get("mail_port", MAIL_PORT))
    mail_port = mail_door.getsockname()[1]
    home.write(web_port=web_port, shop_port=shop_port, mail_port=mail_port)
    places = summary.Places(
        web=f"http://127.0.0.1:{web_port}",
        shop=f"http://127.0.0.1:{shop_port}",
        mails=f"http://127.0.0.1:{mail_port}",
        shop_token=home.secret("shop_token"),
        logs=home.logs,
    )
    children = Children(
        home=home, environment=environment(home, addresses=addresses, places=places), addresses=addresses
    )
    try:
        start_all(children, home=home, places=places, door=door, shop_port=shop_port, say=say)
        summary.show(places, credentials=read_credentials(home), say=say)
        inbox = mailbox.Mailbox(folder=mail_folder(home))
        with mail_page.serving(mail_folder(home), door=mail_door):
            while True:
                children.check()
                inbox.show_new()
                time.sleep(0.5)
    finally:
        ignore_signals()
        children.stop()


def start_all(
    children: Children, *, home: Home, places: summary.Places, door: socket, shop_port: int, say: summary.Say
) -> None:
    shop_data = home.folder / "shop"
    shop_data.mkdir(mode=0o700, exist_ok=True)
    shop = children.start(
        "shop",
        *("-m", "platforms.sandbox.shop", "--name", SHOP_NAME),
        *("--port", str(shop_port), "--data", str(shop_data)),
    )
    children.do("migrate", "manage.py", "migrate", "--no-input")
    children.do("sync_roles", "manage.py", "sync_roles")
    say("database migrated, roles in place")
    children.wait_until(shop, lambda: answers(f"{places.shop}/health"), seconds=20)
    say("sandbox shop answers")
    web = start_web(children, door=door)  # it loads its code while the data is loaded
    children.do(
        "load_demo",
        "manage.py",
        "load_demo",
        f"--shop-url={places.shop}",
        f"--shop-token={home.secret('shop_token')}",  # one word: a secret may begin with a dash
        f"--webhook-secret={home.secret('webhook_secret')}",
        f"--credentials-file={home.folder / 'demo.json'}",
    )
    say("demo merchant loaded")
    worker = start_worker(children, home=home)
    children.wait_until(web, lambda: answers(f"{places.web}/health/ready"), seconds=40)
    say("web server answers")
    children.wait_until(worker, lambda: worker_answers(children), seconds=40)
    say("worker answers")


def start_web(children: Children, *, door: socket) -> Child:
    """The web server, behind a door that is open already."""
    web = children.start(
        "web",
        *("-m", "gunicorn", "loyalty.wsgi", "--bind", f"fd://{door.fileno()}"),
        *("--worker-class", "gthread", "--workers", "2", "--threads", "4", "--no-control-socket"),
        inherits=(door.fileno(),),
    )
    door.close()
    return web


def start_worker(children: Children, *, home: Home) -> Child:
    """One worker and one beat."""
    celery = ("-m", "celery", "-A", "loyalty")
    worker = children.start("worker", *celery, "worker", "-n", WORKER, "-c", "2", "-l", "INFO")
    children.start("beat", *celery, "beat", "-l", "INFO", "--pidfile=", "-s", str(home.folder / "beat-schedule"))
    return worker


def environment(home: Home, *, addresses: servers.Addresses, places: summary.Places) -> dict[str, str]:
    """What the processes of the demo are told. What the person set by hand, such as EMAIL_URL, stands."""
    mail = mail_folder(home)
    mail.mkdir(mode=0o700, exist_ok=True)
    return (
        {"EMAIL_URL": f"filemail:///{mail}", "SECRET_KEY": home.secret("secret_key", length=48)}
        | {"CREDENTIALS_KEYS": home.secret("credentials_key") + "="}  # 32 bytes in base64: a Fernet key
        | os.environ
        | addresses.variables()
        | {
            "LOYALTY_ENV": "demo",
            "PUBLIC_URL": places.web,
            "SANDBOX_ADMIN_TOKEN": home.secret("shop_token"),
            "SANDBOX_WEBHOOK_SECRET": home.secret("webhook_secret"),
            "PYTHONUNBUFFERED": "1",
        }
    )


def mail_folder(home: Home) -> Path:
    return home.folder / "mail"


def answers(address: str) -> bool:
    """Whether a health address says 200."""
    try:
        with urlopen(address, timeout=3) as response:  # noqa: S310 (ours, on 127.0.0.1)
            return bool(response.status == 200)
    except (URLError, HTTPException, OSError):
        return False


def worker_answers(children: Children) -> bool:
    asked = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "loyalty", "inspect", "ping", "-d", WORKER, "-t", "3"],
        cwd=CHECKOUT,
        env=children.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        start_new_session=True,
    )
    return asked.returncode == 0


def read_credentials(home: Home) -> summary.Credentials:
    """The logins that load_demo wrote.

    Raises:
        StartRefused: it wrote none, or none that can be read.
    """
    file = home.folder / "demo.json"
    try:
        file.chmod(0o600)
        said: summary.Credentials = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StartRefused(f"load_demo left no logins in {file}. Run `make demo-reset` and try again.") from error
    return said


@contextmanager
def alone(home: Home) -> Iterator[None]:
    """Hold the demo of this home: two would share ports and data. The kernel lets go for a process that was killed."""
    with (home.folder / "demo.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            said = home.read()
            raise StartRefused(
                f"The demo runs here already (process {said.get('demo', ['?'])[0]}), at "
                f"http://127.0.0.1:{said.get('web_port', '?')}. Stop that one with Ctrl-C, or with `make demo-reset`, "
                "which removes its data as well; or set LOYALTY_DATA_DIR to another folder for a second demo."
            ) from error
        me = processes.mark(os.getpid())
        home.write(demo=[me.pid, me.began] if me else None)
        try:
            yield
        finally:
            home.write(demo=None)


def catch_signals() -> None:
    """The first request to end is heard once; those that follow do not disturb the stopping."""

    def hear(number: int, frame: FrameType | None) -> None:
        del number, frame
        ignore_signals()
        print(flush=True)
        raise Stopped

    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, hear)


def ignore_signals() -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
