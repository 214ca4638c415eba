"""Mailbox: what the demo would send is shown where it was started."""

from pathlib import Path

from django.core.mail import EmailMultiAlternatives, get_connection

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
