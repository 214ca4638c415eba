"""Ring the doorbell: tell a worker, after commit, that a row is waiting for it.

The row is the work; the message only cuts the wait. A broker that is down loses nothing: a sweep finds the row.
"""

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError

logger = logging.getLogger(__name__)


def enqueue(task: str, **ids: int) -> None:
    """Queue a task by name once the present transaction has committed. Never raises for a broker that is down."""

    def send() -> None:
        try:
            current_app.send_task(task, kwargs=ids, retry=False, ignore_result=True)
        except (KombuError, OSError) as error:
            logger.warning("The broker did not take %s %s (%s): the sweep will find the row.", task, ids, error)

    transaction.on_commit(send, robust=True)
