import io
import json
from collections.abc import Callable

import pytest
from rich.console import Console

from catalog_builder.records import Problem
from catalog_builder.report import BarReporter, BuildSummary, PlainReporter, Reporter, reporter

Made = Callable[[], tuple[Reporter, io.StringIO]]

PROBLEM = Problem(where="11017404/raw/align.spec:812", what="scan 12 has 5 labels but 6 columns")
SUMMARY = BuildSummary(
    read=3,
    current=1200,
    removed=1,
    failed=1,
    scans=1204,
    datasets=60,
    pages_written=7,
    seconds=1.23456,
    problems=(PROBLEM,),
)


def on_terminal() -> tuple[Reporter, io.StringIO]:
    stream = io.StringIO()
    return reporter(Console(file=stream, force_terminal=True, width=100)), stream


def in_a_log() -> tuple[Reporter, io.StringIO]:
    stream = io.StringIO()
    return reporter(Console(file=stream)), stream


def told(report: Reporter) -> None:
    """Tell a reporter what a small build tells."""
    with report:
        report.stage("Reading", 2)
        report.problem(PROBLEM)
        report.advance()
        report.advance()
        report.stage("Rendering")
        report.say("all [bold]rendered[/bold]")
        report.summary(SUMMARY)


def test_the_json_summary_has_its_fixed_names_in_order() -> None:
    assert list(SUMMARY.as_json()) == [
        "read", "current", "removed", "failed", "scans", "datasets", "pages_written", "seconds", "problems"
    ]  # fmt: skip
    assert json.loads(json.dumps(SUMMARY.as_json())) == {
        "read": 3,
        "current": 1200,
        "removed": 1,
        "failed": 1,
        "scans": 1204,
        "datasets": 60,
        "pages_written": 7,
        "seconds": 1.235,
        "problems": [{"where": "11017404/raw/align.spec:812", "what": "scan 12 has 5 labels but 6 columns"}],
    }


@pytest.mark.parametrize(
    ("summary", "status"),
    [(BuildSummary(), 0), (BuildSummary(failed=1), 1), (BuildSummary(problems=(PROBLEM,)), 1)],
)
def test_problems_make_the_exit_status_one(summary: BuildSummary, status: int) -> None:
    assert summary.exit_status == status


def test_a_log_gets_plain_lines() -> None:
    report, stream = in_a_log()
    assert isinstance(report, PlainReporter)
    told(report)
    lines = stream.getvalue().splitlines()
    assert lines[:4] == [
        "Reading: 2",
        "11017404/raw/align.spec:812: scan 12 has 5 labels but 6 columns",
        "Rendering",
        "all [bold]rendered[/bold]",
    ]
    assert [line.strip().split(maxsplit=1) for line in lines[4:6]] == [
        ["3", "sources read"],
        ["1,200", "sources unchanged"],
    ]
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_gets_bars_and_the_same_words() -> None:
    report, stream = on_terminal()
    assert isinstance(report, BarReporter)
    told(report)
    assert "scan 12 has 5 labels but 6 columns" in stream.getvalue()
    assert "all [bold]rendered[/bold]" in stream.getvalue()
    assert "sources unchanged" in stream.getvalue()


@pytest.mark.parametrize("make", [on_terminal, in_a_log])
def test_standard_output_stays_clean(make: Made, capsys: pytest.CaptureFixture[str]) -> None:
    report, _ = make()
    told(report)
    told(reporter())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("make", [on_terminal, in_a_log])
def test_a_problem_is_named_once_whether_it_is_new_or_old(make: Made) -> None:
    report, stream = make()
    old = Problem(where="11009999/raw/old.fio", what="ends inside %c")
    with report:
        report.problem(PROBLEM)
        report.summary(BuildSummary(problems=(PROBLEM, old)))
    assert stream.getvalue().count(PROBLEM.what) == 1
    assert stream.getvalue().count(old.what) == 1


def test_a_thousand_old_problems_do_not_bury_the_summary() -> None:
    report, stream = in_a_log()
    report.summary(BuildSummary(problems=tuple(Problem(where=str(n), what="torn") for n in range(1000))))
    assert stream.getvalue().count("torn") == 100
    assert "and 900 more" in stream.getvalue()


@pytest.mark.parametrize("make", [on_terminal, in_a_log])
def test_escapes_out_of_files_never_reach_the_terminal(make: Made) -> None:
    report, stream = make()
    with report:
        report.problem(Problem(where="a\nb", what="\x1b]0;title\x07 [red]"))
    assert "\x1b]0" not in stream.getvalue()
    assert "a\ufffdb: \ufffd]0;title\ufffd [red]" in stream.getvalue()


def test_a_long_stage_says_on_plain_lines_how_far_it_is_and_how_long_it_takes() -> None:
    clock, stream = iter([0.0, *(float(second) for second in range(1, 400))]), io.StringIO()
    report = PlainReporter(stream, lambda: next(clock))
    report.stage("Reading", 0)
    report.expect(2000)
    for _ in range(60):
        report.advance(5)
    assert stream.getvalue().splitlines() == [
        "Reading",
        "Reading: 150 of 2,000 known, 5.0 a second, 6 min left",
        "Reading: 300 of 2,000 known, 5.0 a second, 6 min left",
    ]


def broken_off(report: Reporter) -> None:
    with report:
        report.stage("Reading", 2)
        raise KeyboardInterrupt


def test_a_terminal_is_left_as_it_was_when_a_run_breaks_off() -> None:
    report, stream = on_terminal()
    with pytest.raises(KeyboardInterrupt):
        broken_off(report)
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    assert stream.getvalue().rindex(shown) > stream.getvalue().rindex(hidden)
