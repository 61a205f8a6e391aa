"""A catalogue of three beamtimes, each full of a word of its own in every field that files and people can fill.

A belongs to Anna, B to others, and C is open to everybody. Knows what is written; does not know who asks.
"""

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import httpx
from click.testing import CliRunner

from catalog_builder import config
from catalog_builder.build import build
from catalog_builder.cli import main
from catalog_builder.config import Settings
from catalog_builder.report import PlainReporter

from .conftest import CHEAP, PASSWORD, Running, serving, serving_behind_nginx

A, B, C = "11017404", "11017405", "11017406"
WORDS = {A: "marmot", B: "zanzibar", C: "walrus"}
PROPOSALS = {A: "20230412", B: "20239999", C: "20230777"}
ABSENT, ABSENT_WORD = "99999999", "nowhere"

GROUPS = {
    "nora": [],
    "rita": [f"{A}-part"],
    "anna": [f"{A}-dmgt"],
    "cora": ["curators"],
    "bob": [f"{B}-clbt"],
    "sam": ["staff"],
}
"""Everybody with an account; Gail is a guest invited to read A."""
PEOPLE = (None, "nora", "rita", "anna", "cora", "gail", "bob", "sam")

FIO = """! Comments
%c
ascan {word}_motor 0 2 2 1
user {word}_user Acquisition started at Thu Feb  5 16:20:16 2026
{word} said in a comment
%p
sample_name = {word}_sample
title = {word}_title
remark = {word}_remark
flag = {word}_flag
keywords = {word}_keyword
signalcounter = {word}_roi1
{word}_parameter = 1.5
{word}_text = {word}_value
%d
 Col 1 {word}_motor DOUBLE
 Col 2 {word}_roi1 DOUBLE
 0.0 10.0
 1.0 30.0
 2.0 20.0
! Acquisition ended at Thu Feb  5 16:20:58 2026
"""


def _old(path: Path) -> None:
    os.utime(path, (1_700_000_000, 1_700_000_000))


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    _old(path)


def write_nexus(path: Path, word: str) -> None:
    """Write a NeXus file whose every text and name has the word."""
    with h5py.File(path, "w") as file:
        for below, kind in (
            ("", "NXroot"),
            ("entry", "NXentry"),
            ("entry/sample", "NXsample"),
            ("entry/user", "NXuser"),
            ("entry/instrument", "NXinstrument"),
            (f"entry/instrument/{word}_detector", "NXdetector"),
            (f"entry/instrument/{word}_positioner", "NXpositioner"),
            ("entry/notes", "NXnote"),
            ("entry/data", "NXdata"),
        ):
            (file.require_group(below) if below else file).attrs["NX_class"] = kind
        entry = file["entry"]
        entry["title"] = f"{word}_nexus_title"
        entry["experiment_description"] = f"{word}_description"
        entry["entry_identifier"] = f"{word}_identifier"
        entry["program_name"] = "NexDaTaS"
        entry["program_name"].attrs["scan_command"] = f"ascan {word}_positioner 0 2 2 1"
        entry["start_time"], entry["end_time"] = "2026-02-05T16:20:16+01:00", "2026-02-05T16:21:16+01:00"
        entry["sample/name"], entry["sample/description"] = f"{word}_nexus_sample", f"{word}_sample_description"
        entry["user/name"] = f"{word}_nexus_user"
        entry["notes/data"] = f"{word}_note"
        entry[f"instrument/{word}_detector/description"] = f"{word}_detector_description"
        entry[f"instrument/{word}_detector/counts"] = [1.0, 3.0, 2.0]
        entry[f"instrument/{word}_positioner/name"] = f"{word}_positioner"
        entry[f"instrument/{word}_positioner/value"] = [0.0, 1.0, 2.0]
        entry["data"].attrs["signal"], entry["data"].attrs["axes"] = f"{word}_signal", [f"{word}_axis"]
        entry[f"data/{word}_signal"], entry[f"data/{word}_axis"] = [1.0, 3.0, 2.0], [0.0, 1.0, 2.0]
    _old(path)


def write_beamtime(root: Path, id: str, word: str) -> None:
    """Write a beamtime's folder: two fio scans, a NeXus file, a list of groups and two broken files."""
    folder = root / "2023" / "data" / id
    said = {"beamtimeId": id, "proposalId": PROPOSALS[id], "proposalType": "I", "title": f"The {word} experiment"}
    said |= {"contact": f"{word}@example.org", "beamlineSetup": f"{word}_setup", "corePath": f"/core/{word}"}
    people = {"pi": {"lastname": f"{word}_pi", "firstname": word}, "leader": {"lastname": f"{word}_leader"}}
    _text(folder / f"beamtime-metadata-{id}.json", json.dumps({**said, **people, "eventStart": "2023-10-05T08:00:00Z"}))
    for number in (1, 2):
        _text(folder / "raw" / f"{word}_{number:05}.fio", FIO.format(word=word))
    _text(folder / "raw" / f"broken_{word}_00009.fio", "%c\n\x00\x00\n%d\n")
    _text(folder / "raw" / f"broken_{word}.nxs", "this is no HDF5")
    write_nexus(folder / "raw" / f"{word}_nexus_00003.nxs", word)


def catbuild(config: Path, *words: str) -> None:
    """Run a command, and leave the log's level as it was: tests look at the log."""
    logger = logging.getLogger("catalog_builder")
    before = logger.level
    try:
        done = CliRunner().invoke(main, [*words, "--config", str(config)])
    finally:
        logger.setLevel(before)
    assert done.exit_code == 0, done.output


def made(folder: Path) -> Settings:
    """Build the catalogue in a folder, people's remarks included."""
    for id, word in WORDS.items():
        write_beamtime(folder / "data", id, word)
    path = folder / "site_config.yaml"
    site = {"beamtimes": {"roots": ["data"]}, "executor": "serial", "groups": {"curators": ["curators"]}}
    path.write_text(json.dumps(site), encoding="utf-8")
    settings = config.load(path)
    with (folder / "log").open("w", encoding="utf-8") as log, PlainReporter(log) as reporter:
        build(settings, reporter)
        for id, word in WORDS.items():
            for words in (
                (f"{id}/{word}_00001", "title", f"{word}_said_title"),
                (f"{id}/{word}_00002", "keywords", f"+{word}_said_keyword"),
                (f"{id}/{word}", "title", f"{word}_dataset_title"),
            ):
                catbuild(path, "remark", "set", *words, "--who", f"{word}_speaker")
        build(settings, reporter)
    return settings


def copied(settings: Settings, folder: Path) -> Settings:
    """Copy a built catalogue with its data."""
    assert settings.source is not None
    shutil.copytree(settings.source.parent, folder)
    return config.load(folder / settings.source.name)


@contextmanager
def peopled(settings: Settings, *, front: bool) -> Iterator[Running]:
    """Serve the three beamtimes, alone or behind nginx, to everybody."""
    with serving_behind_nginx(settings) if front else serving(settings) as running:
        catalogue = running.catalogue
        for name, groups in GROUPS.items():
            catalogue.accounts.add(name, groups=groups, password_hash=CHEAP.hash(PASSWORD))
        catalogue.opening_days.open(C, "sam")
        invitation, token = catalogue.invitations.create(A, by="sam", label=f"{WORDS[A]} guests", gives="read")
        catalogue.invitations.create(B, by="sam", label=f"{WORDS[B]} guests", gives="read")
        redeemed = catalogue.invitations.redeem(token, stated_name="Gail")
        assert redeemed is not None
        gail = running.new_client()
        gail.cookies.set(running.cookie_name, catalogue.accounts.open_session(redeemed[1].name), domain="127.0.0.1")
        running.clients["gail"] = gail
        running.invitation = invitation.id
        yield running


def everything_of(answer: httpx.Response) -> str:
    """Give all a response tells, lower case."""
    return f"{answer.status_code} {answer.reason_phrase} {answer.headers.raw} {answer.text}".lower()
