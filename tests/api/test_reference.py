import base64
import gzip
import hashlib
import html
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

from loyalty.api.v1 import outline

PAGES = [
    "/api/reference/",
    "/api/reference/desk_js/",
    *(f"/api/reference/{each.slug}/" for each in outline.resources()),
]


@pytest.mark.parametrize("address", PAGES)
def test_is_read_without_a_key_a_script_or_a_style_of_its_own(client, address):
    answer = client.get(address)

    assert answer.status_code == 200
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=", answer.content.decode())
    assert "sessionid" not in answer.cookies


def test_has_every_call_in_its_place_and_in_the_list(client):
    pages = {each.slug: client.get(f"/api/reference/{each.slug}/").content.decode() for each in outline.resources()}
    everything = client.get("/api/reference/").content.decode()

    for path, item in outline.document()["paths"].items():
        for told in item.values():
            slug = told["tags"][0]
            assert f'id="{told["operationId"]}"' in pages[slug]
            assert f"<code>{path}</code>" in pages[slug]
            assert f"/{slug}/#{told['operationId']}" in everything


def test_names_every_topic_of_webhooks(client):
    page = client.get("/api/reference/").content.decode()

    assert [topic for topic in outline.document()["webhooks"] if f"<code>{topic}</code>" not in page] == []


def test_says_of_a_call_what_it_takes_gives_and_refuses(client):
    page = re.sub(r"\s+", " ", client.get("/api/reference/points_transactions/").content.decode())

    assert '<code>points_change</code> <span class="kind">integer</span> <span class="must">required</span>' in page
    assert "Signed: 50 adds, -50 takes away." in page
    assert "{ &quot;customer_id&quot;: 1, &quot;points_change&quot;: 1 }" in page
    assert "<dt>429</dt>" in page
    assert "<code>earning</code>" in page


def test_says_which_fields_may_be_null_and_which_words_they_take():
    customers = next(each for each in outline.resources() if each.slug == "customers")
    fields = {field.name: field for field in customers.operations[0].gives}

    assert fields["email"].kind == "string or null"
    assert fields["created_at"].kind == "date and time"
    assert fields["state"].words == ("candidate", "member", "disabled")
    assert fields["customers"].kind == "list of object"


def test_does_not_know_what_is_not_there(client):
    assert client.get("/api/reference/nothing/").status_code == 404
    assert client.post("/api/reference/").status_code == 405


def test_shows_the_script_with_the_digest_of_the_file_that_is_served(client):
    page = client.get("/api/reference/desk_js/").content.decode()
    served = Path(finders.find("storefront/desk.js")).read_bytes()

    assert f'integrity="sha384-{base64.b64encode(hashlib.sha384(served).digest()).decode()}"' in html.unescape(page)
    assert "/static/storefront/desk.js" in page
    assert len(gzip.compress(served)) < 5_000
