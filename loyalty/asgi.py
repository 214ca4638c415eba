"""The entry point of the server for webhooks alone: `gunicorn loyalty.asgi --worker-class asgi`. Pages are at `loyalty.wsgi`."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")

django.setup()

from loyalty.hooks import own_server  # noqa: E402 (the apps have to be there first)

application = own_server.Application()
