"""The receiver in the docs takes what we send, once, and nothing that anybody else sends."""

import base64
import re
import threading
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from loyalty.common import actors
from loyalty.webhooks import endpoints, outbox, topics
from loyalty.webhooks.models import BodyStyle
from tests.webhooks.conftest import EVERYTHING, send, waiting

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text()


@pytest.fixture
def received(monkeypatch):
    """The receiver of the docs, running: its address is filled in, what it worked on is a list."""
    monkeypatch.setenv("WEBHOOK_SECRET", "whsec_")
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    worked: list[tuple[object, ...]] = []
    names: dict[str, object] = {"__name__": "receiver", "print": lambda *words: worked.append(words)}
    exec(compile(example, "docs/webhooks.md", "exec"), names)
    names["Receiver"].log_message = lambda *words: None
    with ThreadingHTTPServer(("127.0.0.1", 0), names["Receiver"]) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        names["url"], names["worked"] = f"http://127.0.0.1:{server.server_address[1]}/", worked
        yield names
        server.shutdown()


def test_takes_a_message_once_in_order_and_none_of_strangers(received):
    now = datetime.now(UTC)
    endpoint, secret = endpoints.create(
        name="Docs", url=received["url"], chosen=EVERYTHING, body=BodyStyle.THIN, actor=actors.staff(1), now=now
    )
    received["SECRET"] = base64.b64decode(secret.removeprefix("whsec_"))
    when = {"due_at": now, "occurred_at": now, "created_at": now}
    late, early = waiting(endpoint, event_id=8, **when), waiting(endpoint, event_id=7, **when)

    send(now)
    outbox.resend(delivery_id=late.pk, actor=actors.staff(1), now=now)
    send(now)

    for row in (late, early):
        row.refresh_from_db()
        assert (row.state, row.status) == ("delivered", 204)
    assert received["worked"] == [("customer/updated", {"customer": {"id": 4}})]
    forged = {"webhook-id": "msg_9", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": "v1,AAAA"}
    with pytest.raises(HTTPError, match="401"):
        urlopen(Request(received["url"], data=b"{}", headers=forged), timeout=5)


def test_the_page_names_a_topic_that_there_is():
    (named,) = re.findall(r'"topic": "([^"]+)"', PAGE)

    assert named in topics.BY_NAME
