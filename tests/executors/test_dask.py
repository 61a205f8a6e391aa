"""Workers of a real dask scheduler, each a process of its own; one is killed on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from catalog_builder.build import build
from catalog_builder.errors import CatalogError
from catalog_builder.executors import EXECUTORS, Limits
from catalog_builder.executors.processes import AHEAD
from catalog_builder.places import Places
from catalog_builder.report import PlainReporter
from tests.conftest import Site, fio
from tests.executors.test_contract import failing, hanging_on_13, killed_by_13, squared

PROJECT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Running:
    """A scheduler and its workers."""

    address: str
    scheduler: "subprocess.Popen[bytes]"
    workers: "tuple[subprocess.Popen[bytes], ...]"

    def limits(self, seconds: float = 600) -> Limits:
        return Limits(workers=1, seconds=seconds, scheduler=self.address)


def started(stack: ExitStack, folder: Path, program: str, *arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", f"distributed.cli.dask_{program}", "--no-dashboard", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONWARNINGS": "default"}
    with (folder / f"{program}.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def until(happened: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def running(stack: ExitStack, folder: Path, *threads: int) -> Running:
    """Start a scheduler and workers of so many threads each, as a site would."""
    pytest.importorskip("distributed", reason="distributed is not installed: pip install 'catalog-builder[dask]'")
    told = folder / "scheduler.json"
    scheduler = started(stack, folder, "scheduler", "--host=127.0.0.1", "--port=0", f"--scheduler-file={told}")
    options = (f"--scheduler-file={told}", "--no-nanny", f"--local-directory={folder}")
    ran = tuple(started(stack, folder, "worker", *options, f"--nthreads={number}") for number in threads)
    until(lambda: told.exists() and told.read_bytes().endswith(b"}"))
    return Running(json.loads(told.read_bytes())["address"], scheduler, ran)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with ExitStack() as stack:
        yield running(stack, tmp_path_factory.mktemp("dask"), 1, 2)


def marked(given: tuple[int, str]) -> int:
    """Take a moment, and leave a mark that says which worker does it."""
    number, folder = given
    (Path(folder) / f"{number}-{os.getppid()}").touch()
    time.sleep(0.05)
    return number


def test_work_is_done_by_the_workers_of_a_scheduler(cluster: Running, tmp_path: Path) -> None:
    with EXECUTORS.get("dask").opened(cluster.limits()) as crew:
        done = list(crew.run(marked, ((number, str(tmp_path)) for number in range(12))))
    assert sorted(one.result or 0 for one in done) == list(range(12))
    seen = {int(path.name.partition("-")[2]) for path in tmp_path.iterdir()}
    assert seen == {worker.pid for worker in cluster.workers}


def test_what_kills_or_hangs_costs_its_item_and_no_worker(cluster: Running) -> None:
    with EXECUTORS.get("dask").opened(cluster.limits(seconds=1)) as crew:
        for task in (killed_by_13, hanging_on_13):
            assert {d.item: d.result for d in crew.run(task, range(10, 16))} == {
                n: None if n == 13 else n for n in range(10, 16)
            }
    assert [worker.poll() for worker in cluster.workers] == [None, None]


def test_the_processes_below_the_workers_end_when_nothing_comes(
    cluster: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog_builder.executors.dask.IDLE_SECONDS", 0.5)
    with EXECUTORS.get("dask").opened(cluster.limits()) as crew:
        next(iter(crew.run(squared, range(8))))
        assert spawned_below(cluster)
    until(lambda: not spawned_below(cluster))


def spawned_below(cluster: Running) -> list[int]:
    """Give the processes that ``processes`` started below the workers."""
    parents = {worker.pid for worker in cluster.workers}
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            command = (path / "cmdline").read_bytes()
        except OSError:
            continue
        if parent in parents and b"spawn_main" in command:
            found.append(int(path.name))
    return found


def test_items_are_taken_a_few_ahead_of_the_workers_never_all(cluster: Running) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    with EXECUTORS.get("dask").opened(cluster.limits()) as crew:
        results = crew.run(squared, endless())
        for _ in range(5):
            next(results)
        assert taken <= 5 + 3 * AHEAD
        results.close()  # type: ignore[attr-defined]


def test_an_exception_out_of_the_task_comes_through_and_the_crew_goes_on(cluster: Running) -> None:
    with EXECUTORS.get("dask").opened(cluster.limits()) as crew:
        with pytest.raises(ValueError, match=r"number [123]"):
            list(crew.run(failing, [1, 2, 3]))
        assert [done.result for done in crew.run(squared, [3])] == [9]


def test_a_build_by_dask_gives_the_same_bytes_as_one_in_this_process(cluster: Running, site: Site) -> None:
    folder = site.beamtime("11")
    for number in range(1, 7):
        site.write(folder / f"gk_{number:05d}.fio", fio(points=4 + number))
    site.write(folder / "broken_00001.fio", "no such thing")
    made = {}
    for executor in ("serial", "dask"):
        settings = site.settings.model_copy(
            update={
                "executor": executor,
                "catalogue": site.folder / executor,
                "dask": site.settings.dask.model_copy(update={"scheduler": cluster.address}),
            }
        )
        summary = build(settings, PlainReporter())
        assert (summary.read, summary.failed, summary.scans) == (7, 1, 6)
        places = Places(settings.catalogue)
        made[executor] = {
            f"{below.name}/{path.relative_to(below)}": path.read_bytes()
            for below in (places.records, places.previews, places.site)
            for path in below.rglob("*")
            if path.is_file()
        }
    assert len(made["serial"]) > 30
    assert made["dask"] == made["serial"]


def test_a_worker_that_is_killed_costs_no_item(tmp_path: Path) -> None:
    with ExitStack() as stack:
        cluster = running(stack, tmp_path, 1, 1)
        victim, other = cluster.workers
        marks = tmp_path / "marks"
        marks.mkdir()
        done = set()
        with EXECUTORS.get("dask").opened(cluster.limits()) as crew:
            for one in crew.run(marked, ((number, str(marks)) for number in range(40))):
                done.add(one.result)
                if victim.poll() is None and len({path.name.partition("-")[2] for path in marks.iterdir()}) == 2:
                    os.kill(victim.pid, signal.SIGKILL)
                    victim.wait()
    assert done == set(range(40))
    assert victim.returncode == -signal.SIGKILL
    assert other.returncode != -signal.SIGKILL


def test_a_build_by_dask_that_is_stopped_says_so_and_the_workers_are_there_for_the_next(
    cluster: Running, site: Site
) -> None:
    raw = site.beamtime("11")
    for number in range(200):
        site.write(raw / f"gk_{number:05d}.fio", fio())
    site.configured(executor="dask", dask={"scheduler": cluster.address})
    records = site.settings.catalogue / "records"
    command = [sys.executable, "-c", "from catalog_builder.cli import main; main()", "build"]
    with subprocess.Popen(command, cwd=site.folder, stderr=subprocess.PIPE, text=True) as run:
        until(lambda: records.exists() or run.poll() is not None)
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=30)[1]
    assert (run.returncode, said.splitlines()) == (130, ["Building", "catbuild: stopped; run it again to go on"])
    with EXECUTORS.get("dask").opened(cluster.limits()) as crew:
        assert [done.result for done in crew.run(squared, [3])] == [9]


def test_a_scheduler_without_workers_is_waited_for_no_longer_than_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog_builder.executors.dask.WORKERLESS_SECONDS", 0.5)
    with ExitStack() as stack:
        cluster = running(stack, tmp_path)
        with (
            EXECUTORS.get("dask").opened(cluster.limits()) as crew,
            pytest.raises(
                CatalogError, match=r"no worker has been there for 0\.5 s; see that scheduler and workers run"
            ),
        ):
            list(crew.run(squared, [1]))


def test_a_scheduler_that_goes_away_is_said_in_one_line(tmp_path: Path) -> None:
    with ExitStack() as stack:
        cluster = running(stack, tmp_path, 1)
        with EXECUTORS.get("dask").opened(cluster.limits()) as crew:
            results = crew.run(marked, ((number, str(tmp_path)) for number in range(1000)))
            next(results)
            cluster.scheduler.kill()
            with pytest.raises(CatalogError, match="scheduler"):
                list(results)


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    dask = pytest.importorskip("catalog_builder.executors.dask")
    monkeypatch.setattr(dask, "CONNECT_SECONDS", 0.5)
    limits = Limits(workers=1, scheduler="tcp://127.0.0.1:9")
    with (
        EXECUTORS.get("dask").opened(limits) as crew,
        pytest.raises(CatalogError, match=r"tcp://127\.0\.0\.1:9: no dask scheduler answers"),
    ):
        list(crew.run(squared, [1]))


def test_without_the_package_one_line_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['distributed'] = None\n"
        "from catalog_builder.executors import EXECUTORS\n"
        "from catalog_builder.errors import CatalogError\n"
        "try: EXECUTORS.get('dask')\n"
        "except CatalogError as exc: print(exc)\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PROJECT)
    (line,) = told.stdout.splitlines()
    assert "pip install 'catalog-builder[dask]'" in line
