"""The entry point of uvicorn, the server for webhooks alone, as docker-compose.yml starts it. Pages are at `loyalty.wsgi`."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")

django.setup()

from loyalty.hooks import own_server  # noqa: E402 (the apps have to be there first)

application = own_server.Application()
