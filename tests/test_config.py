import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from catalog_builder import config
from catalog_builder.config import BeamtimeSettings, ConfigError, Settings
from catalog_builder.errors import CatalogError
from catalog_builder.registry import Registry
from catalog_builder.resources import shipped
from catalog_builder.yamlfile import parse

ROOTS = "beamtimes: {roots: [data]}\n"
EXECUTORS: Registry[object] = Registry("executors", {"serial": "fractions:Fraction", "processes": "fractions:Fraction"})
READERS: Registry[object] = Registry("readers", {"fio": "fractions:Fraction", "spec": "fractions:Fraction"})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CATBUILD_CONFIG", raising=False)
    return tmp_path


def loaded(text: str | bytes, **parts: Registry[object]) -> Settings:
    content = text if isinstance(text, bytes) else text.encode()
    Path("site_config.yaml").write_bytes(content)
    return config.load(Path("site_config.yaml"), parts)


def faults(text: str | bytes, **parts: Registry[object]) -> list[str]:
    """Give the lines a wrong configuration is answered with."""
    with pytest.raises(ConfigError) as caught:
        loaded(text, **parts)
    return str(caught.value).splitlines()


# The file that ships


def test_the_shipped_file_loads_and_sets_nothing_but_an_example_root(here: Path) -> None:
    settings = loaded(shipped("site_config.yaml").read_bytes())
    assert settings == loaded("beamtimes: {roots: [/data/beamline]}")


def test_its_commented_settings_are_the_defaults(here: Path) -> None:
    text = shipped("site_config.yaml").read_text(encoding="utf-8")
    uncommented = re.sub(r"(?m)^( *)#(?=[a-z]|  [a-z])", r"\1", text)
    tops = {re.sub("[.].*", "", dotted) for dotted in config.described()}
    assert set(re.findall(r"(?m)^([a-z_]+):", uncommented)) == tops
    assert loaded(uncommented) == loaded(text)


def test_it_names_and_explains_every_setting() -> None:
    text = shipped("site_config.yaml").read_text(encoding="utf-8")
    for dotted, sentence in config.described().items():
        assert re.search(rf"(?m)[ #{{\-]{dotted.rpartition('.')[2]}\b|^{dotted}:", text), dotted
        assert re.fullmatch(r"[A-Z].*\.", sentence), dotted


def test_its_example_rules_are_good(here: Path) -> None:
    text = shipped("site_config.yaml").read_text(encoding="utf-8")
    example = "".join(f"{line[4:]}\n" for line in text.splitlines() if line.startswith("#   "))
    assert [rule.name for rule in loaded(ROOTS + example).rules] == [
        "alignment by file name",
        "reflectivity",
        "one dataset a trough filling",
    ]


# What a good file gives


def test_a_root_is_all_a_site_must_set(here: Path) -> None:
    settings = loaded(ROOTS)
    assert settings.flags == ("measurement", "alignment", "calibration")
    assert settings.quantities["energy"].source == ("energyfmb", "energy")
    assert (settings.executor, settings.readers, settings.grouping) == ("processes", ("fio", "nexus", "spec"), "stem")


def test_relative_folders_are_below_the_file_wherever_one_stands(here: Path) -> None:
    site = here / "site"
    site.mkdir()
    (site / "site_config.yaml").write_text(
        "beamtimes: {roots: [data, /abs, ~/raw]}\ntemplates: mine\n", encoding="utf-8"
    )
    settings = config.load(Path("site/site_config.yaml"))
    assert settings.beamtimes.roots == (site / "data", Path("/abs"), Path.home() / "raw")
    assert settings.catalogue == site / "catalogue"
    assert settings.templates == site / "mine"
    assert settings.source == site / "site_config.yaml"


def test_settings_go_to_workers_and_back(here: Path) -> None:
    settings = loaded(ROOTS)
    back = pickle.loads(pickle.dumps(settings))
    assert back == settings
    assert back.source == settings.source


def test_a_setting_without_a_value_keeps_its_default(here: Path) -> None:
    assert loaded(f"{ROOTS}rules:\nworkers:\nserver:\n  port:\n") == loaded(ROOTS)


def test_quantities_of_the_site_replace_ours_as_a_whole(here: Path) -> None:
    settings = loaded(f"{ROOTS}quantities: {{humidity: {{from: [hum], unit: '%'}}}}")
    assert list(settings.quantities) == ["humidity"]


def test_yes_no_anchors_and_dates_are_fine(here: Path) -> None:
    settings = loaded(
        "title: 2024-01-01\nbeamtimes: {roots: &r [data]}\nauth: {secure_cookies: no}\n"
        "groups:\n  staff: &s [p08staff]\n  curators: *s\n"
    )
    assert settings.title == "2024-01-01"
    assert settings.auth.secure_cookies is False
    assert settings.groups.curators == ("p08staff",)


def test_merged_anchors_are_no_repetition(here: Path) -> None:
    settings = loaded(
        f"{ROOTS}rules:\n- &a {{name: a, match: {{title: x}}, set: {{flag: alignment}}}}\n- {{<<: *a, name: b}}\n"
        "- {<<: *a, name: c}\n"
    )
    assert [rule.name for rule in settings.rules] == ["a", "b", "c"]


def test_a_byte_order_mark_is_no_matter(here: Path) -> None:
    assert loaded(b"\xef\xbb\xbf" + ROOTS.encode()) == loaded(ROOTS)


def test_a_new_flag_can_be_given_by_a_rule(here: Path) -> None:
    settings = loaded(
        f"{ROOTS}flags: [measurement, commissioning]\n"
        "rules: [{name: r, match: {title: test}, set: {flag: commissioning}}]\n"
    )
    assert settings.rules[0].set.flag == "commissioning"


# What a wrong file is answered with


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file(here: Path) -> None:
    text = """\
title: 2024
excutor: serial
timezone: Europe/Berln
beamtimes:
  roots: [data, ./data]
  pattern: "{year}/{nr}"
flags: [measurement, alignment]
rules:
  - name: a
    match: {command: 'x('}
    set: {flag: alignmnt}
executor: process
readers: [fio, spek]
"""
    assert faults(text, executor=EXECUTORS, readers=READERS) == [
        "site_config.yaml:1: title: must be text, not 2024; put it in quotes",
        "site_config.yaml:2: unknown setting 'excutor'; did you mean 'executor'?",
        "site_config.yaml:3: timezone: no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?",
        f"site_config.yaml:5: beamtimes.roots: '{here / 'data'}' is named twice; remove one",
        "site_config.yaml:6: beamtimes.pattern: '{year}/{nr}' holds no {id}",
        "site_config.yaml:6: beamtimes.pattern: unknown placeholder {nr} in '{year}/{nr}'; did you mean '{year}'?",
        "site_config.yaml:10: rules.match.command: 'x(' is not a regular expression:"
        " missing ), unterminated subpattern at character 2",
        "site_config.yaml:11: rules.set.flag: 'alignmnt' is not one of the flags; did you mean 'alignment'?",
        "site_config.yaml:12: executor: no executor 'process'; did you mean 'processes'?",
        "site_config.yaml:13: readers: no reader 'spek'; did you mean 'spec'?",
    ]


@pytest.mark.parametrize(
    ("setting", "answer"),
    [
        ("server: 8008", "server: must be a group of settings, not 8008; write 'name: value' lines, indented below it"),
        ("server: {port: 99999}", "server.port: must be at most 65535, not 99999"),
        ("server: {port: '80'}", "server.port: must be a whole number, not '80'"),
        ("server: {port: 80.5}", "server.port: must be a whole number, not 80.5"),
        ("server: {prot: 80}", "unknown setting 'prot' in 'server'; did you mean 'port'?"),
        ("server: {host: ''}", "server.host: must not be empty"),
        ("workers: 0", "workers: must be at least 1, not 0"),
        ("auth: {idle_days: 0}", "auth.idle_days: must be more than 0, not 0"),
        ("auth: {idle_days: .inf}", "auth.idle_days: must be a finite number, not inf"),
        ("auth: {idle_days: long}", "auth.idle_days: must be a number, not 'long'"),
        ("auth: {secure_cookies: maybe}", "auth.secure_cookies: must be yes or no, not 'maybe'"),
        ("keywords: XRR, GID", "keywords: must be a list, not 'XRR, GID'; write [one, two], or '- one' a line each"),
        ("keywords: [XRR, no]", "keywords: must be text, not no; put it in quotes"),
        ("keywords: [XRR, [a]]", "keywords: must be text, not a list"),
        ("keywords: [XRR, XRR]", "keywords: 'XRR' is named twice; remove one"),
        ("flags: [a, A]", "flags: 'A' is named twice (as 'a'); remove one"),
        ("flags: []", "flags: must not be empty"),
        ("flags: ['']", "flags: must not be empty"),
        (
            "grouping: stm",
            "grouping: must be 'stem', 'sample', 'file' or 'scan', not 'stm'; did you mean 'stem'?",
        ),
        (
            "dask: {scheduler: 'host:8786'}",
            "dask.scheduler: 'host:8786' is not a scheduler's address; write it as tcp://host:8786",
        ),
        (
            "server: {public_address: 'https://catalogue.example.org/p08'}",
            "server.public_address: 'https://catalogue.example.org/p08' has a path; "
            "the catalogue needs a host of its own",
        ),
        ("timezone: Mars", "timezone: no time zone 'Mars'; names look like Europe/Berlin"),
        ("timezone: ../UTC", "timezone: no time zone '../UTC'; did you mean 'UTC'?"),
        ("quantities: {energy: {unit: eV}}", "'quantities.from' is missing; give it: Positioners or channels"),
        ("quantities: {e: {from: [e], unti: eV}}", "unknown setting 'unti' in 'quantities'; did you mean 'unit'?"),
        (
            "quantities: [energy]",
            "quantities: must be a table of names and values, not a list;"
            " write 'name: value' lines, indented below it",
        ),
        (
            "groups: {owner: ['{beamtme}']}",
            "groups.owner: unknown placeholder {beamtme} in '{beamtme}'; did you mean '{beamtime}'?",
        ),
        ("roots: [data]", "unknown setting 'roots'; did you mean 'beamtimes.roots'?"),
        ("templates: ~nobody-x/a", "templates: '~nobody-x/a': nobody here has that name; write the whole path"),
        ("source: x", "unknown setting 'source'"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_answered_in_plain_words(here: Path, setting: str, answer: str) -> None:
    (line,) = faults(f"{ROOTS}{setting}\n")
    assert line.removeprefix("site_config.yaml:2: ").removeprefix("site_config.yaml: ").startswith(answer)


@pytest.mark.parametrize("setting", ["watch: {every: 10}", "staging: {backend: copy}"])
def test_settings_of_what_does_not_exist_yet_are_unknown(here: Path, setting: str) -> None:
    (line,) = faults(f"{ROOTS}{setting}\n")
    assert line.startswith("site_config.yaml:2: unknown setting")


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        ("{name: r, match: {}, set: {flag: alignment}}", "rules.match: says nothing; give one of command, title"),
        ("{name: r, match: {title: x}, set: {}}", "rules.set: says nothing; give one of flag, keywords, group"),
        ("{name: file, match: {title: x}, set: {group: g}}", "rules.name: a rule cannot be called 'file'"),
        ("{match: {title: x}, set: {group: g}}", "'rules.name' is missing; give it: Shown to people"),
        ("{name: r, match: {titel: x}, set: {group: g}}", "unknown setting 'titel' in 'rules.match'; did you"),
        ("{name: r, match: {title: x}, set: {flag: nope}}", "rules.set.flag: 'nope' is not one of the flags"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_answered_with_its_line(here: Path, rule: str, answer: str) -> None:
    (line,) = faults(f"{ROOTS}rules:\n- {rule}\n")
    assert line.startswith(f"site_config.yaml:3: {answer}")


def test_two_rules_of_one_name_are_a_contradiction(here: Path) -> None:
    rule = "- {name: r, match: {title: x}, set: {group: g}}\n"
    assert faults(f"{ROOTS}rules:\n{rule}{rule}") == [
        "site_config.yaml:4: rules.name: two rules are called 'r'; rename one"
    ]


@pytest.mark.parametrize("setting", ["pattern: '../{id}'", "pattern: /x/{id}", "raw: /raw", "metadata: ../{id}.json"])
def test_a_beamtimes_parts_stay_within_it(here: Path, setting: str) -> None:
    (line,) = faults(f"beamtimes:\n  roots: [data]\n  {setting}\n")
    assert "site_config.yaml:3: beamtimes." in line
    assert "must stay below the folder it belongs to" in line


@pytest.mark.parametrize("catalogue", ["data", "data/catalogue", "other/../data/x", "link"])
def test_the_catalogue_cannot_lie_where_it_would_be_discovered(here: Path, catalogue: str) -> None:
    (here / "data").mkdir()
    (here / "link").symlink_to("data")
    (line,) = faults(f"{ROOTS}catalogue: {catalogue}\n")
    assert line.startswith("site_config.yaml:2: catalogue: ")
    assert "lies inside the beamtimes' root" in line


def test_beamtimes_may_lie_beside_the_catalogue(here: Path) -> None:
    assert loaded(f"{ROOTS}catalogue: data-catalogue\n").catalogue == here / "data-catalogue"


def test_the_roots_cannot_be_left_out(here: Path) -> None:
    assert faults("title: x\n") == [
        "site_config.yaml: 'beamtimes' is missing; give it: Where beamtimes lie and how their folders are called"
    ]
    assert faults("title: x\nbeamtimes:\n  roots:\n") == [
        "site_config.yaml:2: 'beamtimes.roots' is missing; give it: Folders below which beamtimes lie"
    ]


def test_a_setting_given_twice_is_named_with_both_lines(here: Path) -> None:
    assert faults(f"{ROOTS}title: a\nflags: [x]\ntitle: b\n") == [
        "site_config.yaml:4: 'title' is already set in line 2"
    ]


def test_settings_made_in_code_are_checked_too() -> None:
    with pytest.raises(ValidationError, match="no time zone"):
        Settings(beamtimes=BeamtimeSettings(roots=(Path("/data"),)), timezone="Mars")


# Files that are no configuration


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("beamtimes:\n\troots: [a]\n", "2:1: a tab stands where a value or blanks are expected; use blanks"),
        ("title: a: b\n", "1:9: a colon is not expected here; check the indentation"),
        ("title: 'a\n", "2:1: a quote is opened and never closed; close it"),
        ("flags: [a, b\ntitle: x\n", "2:6: a bracket is opened and not closed"),
        ("title: a\n  x\nfoo\nb: c\n", "4:1: a name without a colon behind it; write 'name: value'"),
        ("a:\n    b: 1\n  c: 2\n", "3:3: this line does not fit those it belongs to"),
        ("a: \"\\d+\"\n", "1:6: a backslash that starts no known escape; put regular expressions in single quotes"),
        ("a: *b\n", "1:4: an alias (*) of an anchor (&) that does not exist; put the text in quotes"),
        ("a: !b c\n", "1:4: a tag (!) that is not known; put the text in quotes"),
        ("a: @b\n", "1:4: a character that cannot begin a value; put the text in quotes"),
        ("a: 1\n---\nb: 1\n", "2:1: a second document begins here; remove the line '---'"),
        ("a: &b [*b]\n", "1:4: an anchor holds itself"),
        ("? [a]\n: b\n", "1:3: a list cannot be a name"),
        ("a: \"\\ud800\"\n", "1:4: an escape that stands for no character"),
        ("a: b\x07\n", "1:5: a control character, which YAML forbids; remove it"),
        (b"title: x\nfacility: Universit\xe4t\n", "2:20: not UTF-8 text; save the file as UTF-8"),
        ("a: " + "[" * 4000, " lists or settings are nested too deeply"),
        ("", " sets nothing; write a new one with 'catbuild init'"),
        ("# only\n", " sets nothing"),
        ("- a\n", " holds no settings; write 'name: value', a line each"),
        ("just text\n", " holds no settings"),
    ],
)  # fmt: skip
def test_what_is_no_configuration_is_answered_with_the_place_and_the_cause(
    here: Path, text: str | bytes, answer: str
) -> None:
    (line,) = faults(text)
    assert line.startswith(f"site_config.yaml:{answer}")


def test_a_missing_file_is_answered_with_how_to_write_one(here: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(Path("other.yaml"))
    assert str(caught.value) == "other.yaml: there is no such file; write one with 'catbuild init'"


def test_a_folder_is_no_configuration(here: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        config.load(here)


@given(st.text(max_size=80) | st.binary(max_size=80))
def test_whatever_a_file_holds_there_is_an_answer_and_no_traceback(text: str | bytes) -> None:
    content = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    try:
        answer = f"site_config.yaml holds {parse(content, 'site_config.yaml')}"
    except CatalogError as error:
        answer = str(error)
    assert answer.startswith("site_config.yaml")


yaml_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(Settings.model_fields)), inner),
    max_leaves=8,
)
setting_names = sorted({name for dotted in config.described() for name in dotted.split(".")})


@given(st.dictionaries(st.sampled_from(setting_names), yaml_values, max_size=5))
def test_whatever_values_are_given_there_is_an_answer_without_jargon(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "site_config.yaml"
    path.write_text("".join(f"{name}: {_flow(value)}\n" for name, value in values.items()), encoding="utf-8")
    try:
        answer = config.load(path).title
    except ConfigError as error:
        answer = str(error)
    assert not re.search(r"(?i)pydantic|input|valid |validat|tuple|dict|\bstr\b|\bint\b|Path\(", answer)


def _flow(value: object) -> str:
    """Write a value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return "'" + re.sub(r"[^ -~]", "", value).replace("'", "''") + "'"
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    return ".nan" if value != value else str(value)


# Which file


def test_the_option_comes_first_then_the_working_folder_then_the_variable(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "elsewhere.yaml").write_text(ROOTS, encoding="utf-8")
    monkeypatch.setenv("CATBUILD_CONFIG", str(here / "elsewhere.yaml"))
    assert config.find(None) == here / "elsewhere.yaml"
    (here / "site_config.yaml").write_text(ROOTS, encoding="utf-8")
    assert config.find(None) == Path("site_config.yaml")
    assert config.find(Path("option.yaml")) == Path("option.yaml")


def test_without_any_the_way_out_is_said(here: Path) -> None:
    with pytest.raises(CatalogError, match=r"no site_config\.yaml in .*; write one with 'catbuild init', or name one"):
        config.find(None)


def test_a_variable_that_names_nothing_is_said(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATBUILD_CONFIG", "/nowhere/x.yaml")
    with pytest.raises(CatalogError, match=r"\$CATBUILD_CONFIG names '/nowhere/x.yaml', which is not there"):
        config.find(None)
