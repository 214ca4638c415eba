"""Make a million codes ahead, import a million others, and hand codes out, all in a scratch database.

Usage: make bench-codes     (CODES=200000 in the environment for fewer)

Promises: at least 20,000 own codes a second generated and stored, exactly as many as were asked for, one code in a
hundred injected as a collision; a process killed in the middle is followed by one that comes to exactly as many; a
million imported codes are checked and applied in under 120 s, and at 100 % of the table with no more than 1.2 times the
memory at 10 %. Exits with 1 when one is broken. The last report is kept in reports/codes.txt.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from bench_import import ROOT, Run, environment, machine, scratch

REPORT = Path(__file__).resolve().parent / "reports" / "codes.txt"
CODES = int(os.environ.get("CODES", "1000000"))
LEAST_RATE = 20_000.0
MOST_SECONDS = 120.0
MOST_GROWTH = 1.2
COLLISIONS = 100  # one code in so many is one that exists
LEASE = "2"  # seconds, so that who takes over need not wait long
HAND_OUTS = 2_000
REWARD = """
    INSERT INTO rewards_reward (id, name, type, amount, currency, prefix, image_url, action_url, enabled, featured,
                                created_at, updated_at)
    VALUES (1, 'Made ahead', 'discount_code', 5, 'USD', 'BENCH', '', '', true, false, now(), now()),
           (2, 'Imported', 'discount_code', 5, 'USD', '', '', '', true, false, now(), now())
"""


def main() -> int:
    with TemporaryDirectory() as folder:
        whole, part = Path(folder) / "whole.csv", Path(folder) / "part.csv"
        write(whole, rows=CODES)
        write(part, rows=CODES // 10)
        with scratch("codes") as url:
            execute(url, REWARD)
            made = timed(url, "make", "1", str(CODES))
            counted = number(url, "SELECT count(*) FROM rewards_rewardcode WHERE pool_id = 1")
            killed = kill_in_the_middle(url)
        with scratch("part") as url:
            execute(url, REWARD)
            tenth = timed(url, "import", str(part))
        with scratch("whole") as url:
            execute(url, REWARD)
            imported = timed(url, "import", str(whole))
            execute(url, "ANALYZE")  # what the server does by itself some time after so many rows
            taken = timed(url, "hand-out", str(HAND_OUTS))
    report, kept = verdict(made=made, counted=counted, killed=killed, tenth=tenth, imported=imported, taken=taken)
    print(report)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report, encoding="utf-8")
    return 0 if kept else 1


def verdict(
    *, made: Run, counted: int, killed: tuple[int, int, int], tenth: Run, imported: Run, taken: Run
) -> tuple[str, bool]:
    """The report, and whether every promise was kept."""
    making, importing, handing = (json.loads(run.said or "{}") for run in (made, imported, taken))
    rate = CODES / making["seconds"]
    seconds = sum(importing["steps"].values())
    growth = imported.peak_mib / tenth.peak_mib
    asked, before, after = killed
    odd = importing["tally"]["check"]
    promises = {
        f"{rate:,.0f} own codes a second generated and stored (promise: at least {LEAST_RATE:,.0f})": rate
        >= LEAST_RATE,
        f"{counted:,} codes for {CODES:,} asked, {making['collisions']:,} collisions among them": (
            counted == CODES and making["collisions"] >= CODES // COLLISIONS // 2
        ),
        f"killed after {before:,} of {asked:,}, gone on with to {after:,}": 0 < before < asked == after,
        f"{CODES:,} codes imported in {seconds:.1f} s (promise: under {MOST_SECONDS:.0f} s)": seconds < MOST_SECONDS
        and odd == {"ok": CODES - 2 * (CODES // 1000), "refused": 2 * (CODES // 1000)},
        f"peak memory {tenth.peak_mib:.0f} MiB at 10 %, {imported.peak_mib:.0f} MiB at 100 %: {growth:.2f} times "
        f"(promise: at most {MOST_GROWTH})": growth <= MOST_GROWTH,
    }
    steps = ", ".join(f"{name} {spent:.1f} s" for name, spent in importing["steps"].items())
    lines = [
        "Codes made ahead, imported, and handed out",
        "",
        machine(),
        "",
        f"making: {rate:,.0f} codes a second, {making['cpu_rate']:,.0f} a second of our own computing",
        (
            f"importing, of every thousand rows one is there twice and one is no date: {steps}; "
            f"{CODES / seconds:,.0f} rows a second"
        ),
        (
            f"handing out from the million, one transaction each: {handing['rate']:,.0f} a second, "
            f"the slowest of {HAND_OUTS:,} in {handing['slowest_ms']:.1f} ms"
        ),
        "",
        *(f"{'kept  ' if kept else 'BROKEN'}  {promise}" for promise, kept in promises.items()),
    ]
    return "\n".join(lines) + "\n", all(promises.values())


def write(path: Path, *, rows: int) -> None:
    """Codes with a start and an end; of every thousand rows one repeats the row before it, and one has no good date."""
    with path.open("w", encoding="utf-8") as file:
        file.write("code,start,end\n")
        for place in range(rows):
            end = "soon" if place % 1000 == 7 else "2199-12-31"
            file.write(f"IMPORTED-{place - (place % 1000 == 500):07d},2026-01-01,{end}\n")


def execute(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql)  # type: ignore[arg-type]


def number(url: str, sql: str) -> int:
    with psycopg.connect(url) as connection:
        return int(connection.execute(sql).fetchone()[0])  # type: ignore[arg-type, index]


def command(url: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, *words],
        cwd=ROOT,
        env=environment(url) | {"JOB_LEASE_SECONDS": LEASE},
        stdout=subprocess.PIPE,
        text=True,
    )


def timed(url: str, *words: str) -> Run:
    """Run a part of this file as a process of its own, so that its memory is its own."""
    began = time.monotonic()
    process = command(url, *words)
    said = process.stdout.read() if process.stdout else ""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}.")
    return Run(
        seconds=time.monotonic() - began,
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_mib=used.ru_maxrss / 1024,
        code=process.returncode,
        said=said,
    )


def kill_in_the_middle(url: str) -> tuple[int, int, int]:
    """How many were asked for, how many were there when the process was killed, and how many in the end."""
    asked, there = max(CODES // 5, 100_000), number(url, "SELECT count(*) FROM rewards_rewardcode")
    portions = "SELECT rows_done FROM jobs_job WHERE step = 'apply' ORDER BY id DESC LIMIT 1"
    first = command(url, "make", "1", str(asked))
    while first.poll() is None and number(url, portions) not in range(2, asked // 5_000 - 2):
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    before = number(url, "SELECT count(*) FROM rewards_rewardcode") - there
    time.sleep(float(LEASE) + 0.5)
    timed(url, "go-on")
    return asked, before, number(url, "SELECT count(*) FROM rewards_rewardcode") - there


# The parts, each a process of its own that sets Django up before it imports a model.


def part_make(reward_id: str, count: str) -> dict[str, object]:
    """Make codes; one in a hundred of those that are drawn exists already."""
    from django.utils import timezone

    from loyalty.common import codes
    from loyalty.common.actors import SYSTEM
    from rewards import pool_making

    made, collisions = codes.generate_many, 0
    earlier: list[str] = []

    def with_collisions(*, count: int, prefix: str = "", money: bool = False) -> list[str]:
        nonlocal collisions
        found = made(count=count, prefix=prefix, money=money)
        repeated = min(count // COLLISIONS, len(earlier))
        found[:repeated] = random.sample(earlier, repeated)
        collisions += repeated
        earlier[:] = found[repeated : repeated + 1_000] or earlier
        return found

    codes.generate_many = with_collisions
    job = pool_making.begin(reward_id=int(reward_id), count=int(count), actor=SYSTEM, now=timezone.now())
    steps = finish(job, pool_making)
    return {
        "seconds": steps["apply"],
        "cpu_rate": int(count) / time.process_time(),
        "collisions": collisions,
    }


def part_go_on() -> dict[str, object]:
    from loyalty.jobs.models import Job
    from rewards import pool_making

    return finish(Job.objects.latest("pk"), pool_making)


def part_import(path: str) -> dict[str, object]:
    from django.utils import timezone

    from loyalty.common.actors import SYSTEM
    from rewards import pool_imports

    began = time.monotonic()
    with Path(path).open("rb") as file:
        job = pool_imports.begin(reward_id=2, file=file, file_name="codes.csv", actor=SYSTEM, now=timezone.now())
    reading = time.monotonic() - began
    steps = finish(job, pool_imports)
    job.refresh_from_db()
    return {"steps": {"read": reading, **steps}, "tally": job.tally}


def part_hand_out(times: str) -> dict[str, float]:
    from django.db import transaction
    from django.utils import timezone

    from rewards import pools
    from rewards.models import Reward

    reward, spent = Reward.objects.get(pk=2), []
    for _ in range(int(times)):
        began = time.monotonic()
        with transaction.atomic():
            pools.draw(reward=reward, now=timezone.now())
        spent.append(time.monotonic() - began)
    return {"rate": len(spent) / sum(spent), "slowest_ms": max(spent) * 1000}


def finish(job, kind) -> dict[str, float]:
    """Do the steps of a job to their end, as a worker would; gives back the seconds of each."""
    from django.utils import timezone

    from loyalty.common.actors import SYSTEM
    from loyalty.jobs import lifecycle
    from loyalty.jobs.models import Step

    spent = {}
    while (job.step, job.state) != ("apply", "done"):
        if job.state == "done":
            lifecycle.begin(job_id=job.pk, step=Step.APPLY, actor=SYSTEM, now=timezone.now())
        began = time.monotonic()
        kind.work_on(job_id=job.pk, now=timezone.now(), patience=3600)
        job.refresh_from_db()
        if job.state != "done":
            raise SystemExit(f"Nobody could work on job {job.pk}.")
        spent[job.step] = time.monotonic() - began
    return spent


def run_part(name: str, words: list[str]) -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")
    django.setup()
    parts = {"make": part_make, "go-on": part_go_on, "import": part_import, "hand-out": part_hand_out}
    print(json.dumps(parts[name](*words)))


if __name__ == "__main__":
    if sys.argv[1:]:
        run_part(sys.argv[1], sys.argv[2:])
    else:
        sys.exit(main())
