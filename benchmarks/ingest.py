"""The ingest in use at the beamline today, ``nxsfileinfo`` of nxstools: as run there, and within this process.

Knows its commands and how to see that one did its job; does not know our own. It evaluates what stands in a ``.fio``
file's parameters as Python, so give it only files you trust.
"""

import base64
import io
import json
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from benchmarks.clock import CannotTakePartError, Watch
from benchmarks.corpus import Case
from benchmarks.table import package_version

PACKAGE = "nxstools"
MISSING = f"{PACKAGE} is not installed, so only our own figures are shown: pip install -e '.[bench]'"
Verb = Literal["metadata", "attachment"]
SECONDS = 120
"""Patience with one call."""

_GROUPS = ["-w", "11000000-dmgt", "-c", "11000000-dmgt,11000000-clbt,11000000-part"]
_HIDDEN = "nexdatas_source,nexdatas_strategy,units,NX_class"


def is_there() -> bool:
    """Tell whether nxstools is installed."""
    return package_version(PACKAGE) is not None


def arguments(verb: Verb, case: Case, output: Path) -> list[str]:
    """Give the words after ``nxsfileinfo``, as scingestor (its defaults and P08's settings) puts them together."""
    if verb == "attachment":
        return ["attachment", *_GROUPS, "-o", str(output), str(case.file)]
    about = ["-b", str(case.metadata), "-p", f"{case.folder.id}/{case.path.stem}", *_GROUPS]
    return ["metadata", "-k4", "-o", str(output), "-n", _HIDDEN, *about, "--oned", str(case.file)]


def command_line(verb: Verb, case: Case, watch: Watch) -> int:
    """Call it as it is run at the beamline, in a process of its own; gives how many scans it told of."""
    output = _cleared(case)
    call = [_script(), *arguments(verb, case, output)]
    with watch.running():
        try:
            done = subprocess.run(call, capture_output=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired as exc:
            raise CannotTakePartError(f"not done after {SECONDS} s") from exc
    if done.returncode:
        raise CannotTakePartError(f"cannot read (exit code {done.returncode})")
    return checked(verb, case)


def in_process(verb: Verb, case: Case, watch: Watch) -> int:
    """Call the same code here, imported and warm, its command line already parsed; gives as ``command_line``."""
    output = _cleared(case)
    run, parse = _runner(verb)
    options = parse(arguments(verb, case, output))
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        try:
            with watch.running():
                run(options)
        except SystemExit as exc:
            raise CannotTakePartError(f"cannot read (exit code {exc.code})") from exc
        except Exception as exc:
            raise CannotTakePartError(f"cannot read ({type(exc).__name__})") from exc
    return checked(verb, case)


def checked(verb: Verb, case: Case) -> int:
    """Tell how many scans its output tells of; a call that told of none was no comparison."""
    try:
        found = json.loads(_output(case).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise CannotTakePartError("cannot read (no output)") from exc
    told_of = found if isinstance(found, list) else [found]
    if verb == "attachment":
        done = sum(1 for each in told_of if _is_picture(each.get("thumbnail")))
    else:  # with a file of a kind it does not know it exits with 0 and tells of the beamtime alone
        done = sum(1 for each in told_of if set(each.get("scientificMetadata", ())) - _of_beamtime(case.metadata))
    if not done:
        raise CannotTakePartError("cannot read (its output says nothing of the scan)")
    return done


@cache
def _of_beamtime(metadata: Path) -> frozenset[str]:
    """Give the keys of scientific metadata that come from a beamtime's metadata file, without any scan."""
    run, parse = _runner("metadata")
    out = io.StringIO()
    with redirect_stdout(out):
        run(parse(["metadata", "-k4", "-b", str(metadata)]))
    return frozenset(json.loads(out.getvalue()).get("scientificMetadata", ()))


def told(case: Case) -> Mapping[str, Any]:
    """Give the scientific metadata it writes of a case; empty where it wrote none or of several scans."""
    try:
        in_process("metadata", case, Watch())
    except CannotTakePartError:
        return {}
    found = json.loads(_output(case).read_text(encoding="utf-8"))
    science = found.get("scientificMetadata") if isinstance(found, dict) else None
    return science if isinstance(science, dict) else {}


def _is_picture(thumbnail: object) -> bool:
    head, _, body = str(thumbnail).partition(",")
    return head == "data:image/png;base64" and base64.b64decode(body).startswith(b"\x89PNG")


def _output(case: Case) -> Path:
    output = case.settings.catalogue.parent / "nxsfileinfo" / f"{case.format}.json"
    output.parent.mkdir(exist_ok=True)
    return output


def _cleared(case: Case) -> Path:
    """Remove what an earlier call wrote, which else would pass for this one's."""
    output = _output(case)
    output.unlink(missing_ok=True)
    return output


def _script() -> str:
    beside = Path(sys.executable).with_name("nxsfileinfo")
    found = str(beside) if beside.exists() else shutil.which("nxsfileinfo")
    if found is None:
        raise CannotTakePartError("there is no command nxsfileinfo")
    return found


@cache
def _runner(verb: Verb) -> tuple[Callable[[Namespace], None], Callable[[list[str]], Namespace]]:
    """Give a command's own code and the parser of its words."""
    nxsfileinfo = import_module("nxstools.nxsfileinfo")
    parser = nxsfileinfo.NXSArgParser(description="")
    parser.cmdrunners = [("metadata", nxsfileinfo.Metadata), ("attachment", nxsfileinfo.Attachment)]
    runners = parser.createSubParsers()
    return runners[verb].run, parser.parse_args
