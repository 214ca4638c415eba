"""Bulk work by API: checked, applied, undone, read as a file; each system sees its own."""

from datetime import timedelta

from django.utils import timezone

from loyalty.api import conf, keys
from loyalty.api.keys import Scope
from loyalty.api.models import ApiKey
from loyalty.common.actors import SYSTEM
from loyalty.customers import imports as customer_imports
from loyalty.customers.models import Customer, CustomerIdentity
from loyalty.jobs.models import Job
from loyalty.points import imports, queries
from rewards import bulk, pool_imports, redemption
from rewards.models import RedeemedReward, RewardCode, UsageStatus
from tests.api.conftest import Integrator, refusal
from tests.factories.catalogue import RewardFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give

IMPORT = "/jobs/points_import"


def told(answer, status=202):
    assert answer.status_code == status, answer.json()
    return answer.json()["job"]


def table(*rows):
    return {"job": {"mode": "add", "by": "email", "csv": "email,points\n" + "\n".join(rows)}}


def worked(job, work_on=imports.work_on):
    """As a worker does its present step."""
    work_on(job_id=job["id"], now=timezone.now(), patience=30)
    return job["id"]


def balance(customer):
    return queries.balance(customer_id=customer.pk, now=timezone.now()).balance


def test_imports_points_only_once_they_are_applied_and_takes_them_back(api, customer):
    job = told(api.post(IMPORT, table(f"{customer.email},40", "nobody@example.com,7"), key="table"))
    assert (job["step"], job["state"], job["rows_total"]) == ("check", "open", 2)
    worked(job)

    checked = told(api.get(f"/jobs/{job['id']}"), 200)
    assert (checked["step"], checked["state"], checked["rows_refused"]) == ("check", "done", 1)
    assert balance(customer) == 250

    assert told(api.post(f"/jobs/{job['id']}/apply"))["step"] == "apply"
    worked(job)
    assert balance(customer) == 290

    told(api.post(f"/jobs/{job['id']}/undo"))
    worked(job)
    assert told(api.get(f"/jobs/{job['id']}"), 200)["step"] == "undo"
    assert balance(customer) == 250


def test_begins_one_job_for_one_key(api, customer):
    first = api.post(IMPORT, table(f"{customer.email},40"), key="table")
    again = api.post(IMPORT, table(f"{customer.email},40"), key="table")

    assert again.json() == first.json()
    assert Job.objects.count() == 1


def test_tells_what_became_of_each_row_as_a_file(api, customer):
    job = told(api.post(IMPORT, table(f"{customer.email},40", "nobody@example.com,7")))
    worked(job)

    answer = api.client.get(f"/api/v1/jobs/{job['id']}/result", headers=api.headers)
    lines = b"".join(answer.streaming_content).decode().splitlines()

    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert len(lines) == 3
    assert "Ready" in lines[1]
    assert "Refused" in lines[2]


def test_pages_through_the_rows_in_their_order(api, customer):
    job = told(api.post(IMPORT, table(f"{customer.email},40", "nobody@example.com,7", f"{customer.email},2")))
    worked(job)

    first = api.get(f"/jobs/{job['id']}/rows", limit=2).json()
    rest = api.get(f"/jobs/{job['id']}/rows", after=first["metadata"]["next_after"], limit=2).json()

    assert [row["number"] for row in first["job_rows"] + rest["job_rows"]] == [2, 3, 4]
    assert rest["metadata"] == {"next_after": None}
    assert [row["outcomes"][0]["verdict"] for row in first["job_rows"]] == ["ok", "refused"]
    assert first["job_rows"][0]["data"]["points"] == "40"


def test_takes_tables_that_are_larger_than_other_bodies(api, customer):
    rows = [f"{customer.email},1"] * 30_000

    assert told(api.post(IMPORT, table(*rows)))["rows_total"] == 30_000
    assert refusal(api.post(IMPORT, table("x" * conf.BULK_BODY_LIMIT_BYTES))) == (413, "body_too_large")


def test_brings_codes_into_the_pool_of_a_reward(api):
    reward = RewardFactory()
    job = told(api.post("/jobs/code_import", {"reward_id": reward.pk, "csv": "code\nSPRING-1\nSPRING-2\n"}))
    worked(job, pool_imports.work_on)
    told(api.post(f"/jobs/{job['id']}/apply"))
    worked(job, pool_imports.work_on)

    assert set(RewardCode.objects.filter(pool_id=reward.pk).values_list("code", flat=True)) == {"SPRING-1", "SPRING-2"}


PEOPLE = "email,shop_id,first_name\n{email},,Anna-Maria\nnew@example.com,crm-7,Nora\nno address,,Otto\n"


def test_adds_customers_and_leaves_those_who_are_known_until_it_is_undone(api, customer):
    job = told(api.post("/jobs/customers_import", {"csv": PEOPLE.format(email=customer.email)}))
    worked(job, customer_imports.work_on)
    odd = api.get(f"/jobs/{job['id']}/rows", only="odd").json()["job_rows"]
    assert job["kind"] == "customers_import"
    assert [(row["number"], row["outcomes"][0]["code"]) for row in odd] == [(2, "known"), (4, "invalid_email")]
    assert Customer.objects.count() == 1

    told(api.post(f"/jobs/{job['id']}/apply"))
    worked(job, customer_imports.work_on)
    new = Customer.objects.get(email="new@example.com")
    customer.refresh_from_db()
    assert (new.first_name, customer.first_name) == ("Nora", "Anna")
    assert CustomerIdentity.objects.get(external_id="crm-7").customer_id == new.pk

    told(api.post(f"/jobs/{job['id']}/undo"))
    worked(job, customer_imports.work_on)
    new.refresh_from_db()
    assert new.state == "disabled"


def test_changes_known_customers_when_it_is_asked_to(api, customer):
    job = told(
        api.post("/jobs/customers_import", {"csv": PEOPLE.format(email=customer.email), "known": "change"}, key="twice")
    )
    again = told(
        api.post("/jobs/customers_import", {"csv": PEOPLE.format(email=customer.email), "known": "change"}, key="twice")
    )
    for step in ("check", "apply"):
        if step == "apply":
            told(api.post(f"/jobs/{job['id']}/apply"))
        worked(job, customer_imports.work_on)

    customer.refresh_from_db()
    assert again["id"] == job["id"]
    assert customer.first_name == "Anna-Maria"


def test_refuses_a_table_of_customers_that_names_nobody_or_a_shop_that_is_not_there(api):
    into = "/jobs/customers_import"
    assert refusal(api.post(into, {"csv": "first_name\nNora\n"})) == (422, "bad_header")
    assert refusal(api.post(into, {"csv": "email,shoe_size\na@example.com,39\n"})) == (422, "bad_header")
    assert refusal(api.post(into, {"csv": "email\na@example.com\n", "connection_id": 999})) == (422, "no_shop")
    assert refusal(api.post(into, {"csv": "email\na@example.com\n", "known": "forget"})) == (400, "invalid_parameter")
    assert Job.objects.count() == 0


def test_marks_many_rewards_used_and_says_which_are_not_there(api, gift):
    customer = CustomerFactory()
    give(customer, 300, now=timezone.now())
    ids = [
        redemption.redeem(customer_id=customer.pk, points_product_id=gift.pk, actor=SYSTEM, now=timezone.now()).pk
        for _ in range(2)
    ]
    job = told(api.post("/jobs/reward_act", {"act": "used", "ids": [*ids, 999]}))
    worked(job, bulk.work_on)
    told(api.post(f"/jobs/{job['id']}/apply"))
    worked(job, bulk.work_on)

    assert told(api.get(f"/jobs/{job['id']}"), 200)["rows_done"] == 3
    odd = api.get(f"/jobs/{job['id']}/rows", only="odd", step="check").json()["job_rows"]
    assert [(row["data"], row["outcomes"][0]["code"]) for row in odd] == [({"id": 999}, "unknown_reward")]
    assert set(RedeemedReward.objects.values_list("usage_status", flat=True)) == {UsageStatus.USED}


def test_refuses_what_cannot_be_done_and_changes_nothing(api, customer):
    assert refusal(api.post(IMPORT, {"mode": "add", "by": "email", "csv": "colour\nred\n"}))[0] == 422
    assert refusal(api.post("/jobs/reward_act", {"act": "used", "ids": []})) == (400, "invalid_parameter")
    assert refusal(api.post("/jobs/reward_act", {"act": "retry", "ids": [1]})) == (400, "invalid_parameter")
    assert Job.objects.count() == 0

    job = told(api.post(IMPORT, table(f"{customer.email},40")))
    assert refusal(api.post(f"/jobs/{job['id']}/apply")) == (422, "job_refused")
    assert told(api.post(f"/jobs/{job['id']}/cancel"), 200)["state"] == "cancelled"
    assert refusal(api.post(f"/jobs/{job['id']}/apply")) == (422, "job_refused")


def test_needs_the_scope_of_doing_it_with_one(integrator, customer):
    system = integrator(Scope.JOB_WRITE)

    assert refusal(system.post(IMPORT, table(f"{customer.email},40"))) == (403, "missing_scope")
    assert refusal(system.post("/jobs/customers_import", {"csv": "email\na@example.com"})) == (403, "missing_scope")
    assert refusal(system.post("/jobs/code_import", {"reward_id": 1, "csv": "code\nA"})) == (403, "missing_scope")
    assert refusal(system.post("/jobs/reward_act", {"act": "cancel", "ids": [1]})) == (403, "missing_scope")
    assert refusal(system.post("/jobs/reward_act", {"act": "delivered", "ids": [1]})) == (403, "missing_scope")
    assert Job.objects.count() == 0


def test_is_seen_by_the_system_that_began_it_under_each_of_its_keys(api, integrator, customer):
    job = told(api.post(IMPORT, table(f"{customer.email},40")))
    _, secret = keys.rotate(
        key_id=ApiKey.objects.get().pk, overlap=timedelta(0), created_by_id=None, now=timezone.now()
    )
    stranger = integrator()

    assert [each["id"] for each in Integrator(secret).get("/jobs").json()["jobs"]] == [job["id"]]
    assert stranger.get("/jobs").json()["jobs"] == []
    for path in ("", "/rows", "/result"):
        assert refusal(stranger.get(f"/jobs/{job['id']}{path}")) == (404, "not_found")
    for act in ("apply", "undo", "cancel"):
        assert refusal(stranger.post(f"/jobs/{job['id']}/{act}")) == (404, "not_found")
