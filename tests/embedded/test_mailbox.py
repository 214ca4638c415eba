"""Mailbox: what the demo would send is shown where it was started, and on a page of this machine alone."""

import re
from http.client import HTTPConnection
from pathlib import Path

from django.core.mail import EmailMultiAlternatives, get_connection

from loyalty.embedded import mail_page
from loyalty.embedded.home import listen
from loyalty.embedded.mailbox import Mailbox


def send(folder: Path, *, subject: str, body: str) -> None:
    connection = get_connection("django.core.mail.backends.filebased.EmailBackend", file_path=str(folder))
    message = EmailMultiAlternatives(subject, body, "desk@example.com", ["zoë@example.com"], connection=connection)
    message.attach_alternative("<p>for programs that show pages</p>", "text/html")
    message.send()


def test_shows_each_new_message_once_and_readably(tmp_path, capsys):
    send(tmp_path, subject="Old", body="shown before")
    mailbox = Mailbox(folder=tmp_path)

    send(tmp_path, subject="Dein Anmeldecode", body="Grüße,\n\nDein Code ist 4711.")
    mailbox.show_new()
    mailbox.show_new()

    assert capsys.readouterr().out == (
        "  | E-mail to zoë@example.com: Dein Anmeldecode\n  | Grüße,\n  | \n  | Dein Code ist 4711.\n\n"
    )


def test_waits_for_a_message_to_be_whole(tmp_path, capsys):
    mailbox = Mailbox(folder=tmp_path)
    send(tmp_path, subject="Code", body="4711")
    file = next(tmp_path.glob("*.log"))
    whole = file.read_bytes()

    file.write_bytes(whole[:-40])
    mailbox.show_new()
    assert capsys.readouterr().out == ""

    file.write_bytes(whole)
    mailbox.show_new()
    assert "4711" in capsys.readouterr().out


def get(port: int, path: str, *, host: str = "") -> tuple[int, str, str]:
    """Status, policy and text of a page."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    return answer.status, answer.headers["Content-Security-Policy"], answer.read().decode()


def test_the_page_shows_each_message_newest_first_and_what_it_says(tmp_path):
    send(tmp_path, subject="First", body="Grüße")
    send(tmp_path, subject="Second <b>", body="Your code\n\n    ZKKG-CTTX")
    door = listen()

    with mail_page.serving(tmp_path, door=door):
        port = door.getsockname()[1]
        _, _, listed = get(port, "/")
        links = re.findall(r'href="(/[^"]+/)">([^<]+)</a>', listed)
        _, _, shown = get(port, links[0][0])
        status, policy, page = get(port, f"{links[0][0]}page")
        missing, _, _ = get(port, "/../../etc/passwd")

    assert [subject for _, subject in links] == ["Second &lt;b&gt;", "First"]
    assert "ZKKG-CTTX" in shown
    assert (status, page) == (200, "<p>for programs that show pages</p>")
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert missing == 404


def test_the_page_answers_under_no_other_name(tmp_path):
    send(tmp_path, subject="Code", body="4711")
    door = listen()

    with mail_page.serving(tmp_path, door=door):
        status, _, said = get(door.getsockname()[1], "/", host="rebound.example")

    assert status == 403
    assert "Code" not in said
