"""The settings of a site: one frozen object, checked as a whole before anything starts.

Knows every setting, its default and its meaning; does not know what the settings are used for.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, cast, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from catalog_builder.errors import CatalogError, did_you_mean
from catalog_builder.registry import Registry
from catalog_builder.yamlfile import Document, Location, Plain, parse

FILE_NAME = "site_config.yaml"
"""What a configuration is called where nobody says otherwise."""

VARIABLE = "CATBUILD_CONFIG"
"""Environment variable that names a configuration."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class ConfigError(CatalogError):
    """Everything that is wrong with a configuration, a line each."""


class _WrongError(ValueError):
    """Faults found in one value, each with the location below it and a remedy."""

    def __init__(self, *faults: tuple[Location, str, str | None]) -> None:
        self.faults = faults
        super().__init__("; ".join(what for _, what, _ in faults))


# What values must look like


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as exc:
        remedy = did_you_mean(name, available_timezones()) or "names look like Europe/Berlin"
        raise _WrongError(((), f"no time zone {name!r}", remedy)) from exc
    return name


def _expression(text: str) -> str:
    try:
        re.compile(text, re.IGNORECASE)
    except re.error as exc:
        position = "" if exc.pos is None else f" at character {exc.pos + 1}"
        raise _WrongError(((), f"{text!r} is not a regular expression: {exc.msg}{position}", None)) from exc
    except (RecursionError, OverflowError) as exc:
        raise _WrongError(((), "a regular expression too large to compile", None)) from exc
    return text


def _placed(path: Path, info: ValidationInfo) -> Path:
    """Expand ``~`` and put a relative path below the configuration's folder, where there is one."""
    try:
        expanded = path.expanduser()
    except RuntimeError as exc:
        raise _WrongError(((), f"{str(path)!r}: nobody here has that name", "write the whole path")) from exc
    folder: Path | None = (info.context or {}).get("folder")
    return expanded if folder is None else folder / expanded


def _below(text: str) -> str:
    if PurePosixPath(text).is_absolute() or ".." in PurePosixPath(text).parts:
        raise _WrongError(
            ((), f"{text!r} must stay below the folder it belongs to", "write it without a leading / and ..")
        )
    return text


def _placeholders(*known: str, required: tuple[str, ...] = ()) -> Callable[[str], str]:
    """Give a check that a text holds ``{…}`` placeholders of these names only, and all that are required."""

    def check(text: str) -> str:
        used = re.findall(r"\{([^{}]*)\}", text)
        faults: list[tuple[Location, str, str | None]] = [
            ((), f"{text!r} holds no {{{name}}}", None) for name in required if name not in used
        ]
        for name in sorted(set(used) - set(known)):
            choices = did_you_mean(f"{{{name}}}", [f"{{{one}}}" for one in known])
            faults.append(((), f"unknown placeholder {{{name}}} in {text!r}", choices))
        for name in sorted(one for one in set(used) & set(known) if used.count(one) > 1):
            faults.append(((), f"{{{name}}} stands twice in {text!r}", "name it once"))
        if faults:
            raise _WrongError(*faults)
        return text

    return check


def _scheduler(address: str) -> str:
    if not re.fullmatch(r"(tcp|tls)://[^\s/]+:\d+", address):
        raise _WrongError(((), f"{address!r} is not a scheduler's address", "write it as tcp://host:8786"))
    return address


def _address(text: str) -> str:
    """Check an address others are sent to: TLS everywhere but on this machine."""
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_fine = urlsplit(""), False
    if (
        not port_is_fine
        or not parts.hostname
        or parts.username
        or parts.query
        or parts.fragment
        or re.search(r"\s", text)
    ):
        raise _WrongError(((), f"{text!r} is not an address", "write it as https://host.example"))
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise _WrongError(((), f"{text!r} is not protected", "write it with https://"))
    return text


def _site(text: str) -> str:
    if urlsplit(text).path not in ("", "/"):
        raise _WrongError(((), f"{text!r} has a path", "the catalogue needs a host of its own"))
    return text.rstrip("/")


def _header(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]+", name):
        raise _WrongError(((), f"{name!r} is not a header's name", "use letters, digits and -"))
    if name.lower() in ("cookie", "host", "origin", "referer", "content-length", "content-type", "authorization"):
        raise _WrongError(((), f"{name!r} means something else", "choose a name such as X-Remote-User"))
    return name


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    first: dict[str, str] = {}
    again = []
    for number, value in enumerate(values):
        if value.casefold() in first:
            same = "" if first[value.casefold()] == value else f" (as {first[value.casefold()]!r})"
            again.append(((number,), f"{value!r} is named twice{same}", "remove one"))
        first.setdefault(value.casefold(), value)
    if again:
        raise _WrongError(*again)
    return values


Name = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[Name, ...], AfterValidator(_distinct)]
Zone = Annotated[str, AfterValidator(_zone)]
Expression = Annotated[str, AfterValidator(_expression)]
SitePath = Annotated[Path, AfterValidator(_placed)]
Below = Annotated[Name, AfterValidator(_below)]
Scheduler = Annotated[str, AfterValidator(_scheduler)]
Address = Annotated[str, AfterValidator(_address)]
SiteAddress = Annotated[Address, AfterValidator(_site)]
Header = Annotated[str, AfterValidator(_header)]
GroupPattern = Annotated[Name, AfterValidator(_placeholders("beamtime"))]


# The settings


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class BeamtimeSettings(_Settings):
    """Where beamtimes lie and how their folders are called."""

    roots: tuple[SitePath, ...] = Field(min_length=1, description="Folders below which beamtimes lie.")
    pattern: Annotated[Below, AfterValidator(_placeholders("year", "id", required=("id",)))] = Field(
        default="{year}/data/{id}",
        description="A beamtime's folder below a root: {year} is four digits, {id} the beamtime's id, * anything.",
    )
    raw: Below = Field(default="raw", description="Folder in a beamtime that is searched for scans.")
    metadata: Annotated[Below, AfterValidator(_placeholders("id"))] = Field(
        default="beamtime-metadata-{id}.json", description="File in a beamtime that says whose it is."
    )
    groups_file: Below = Field(
        default="scicat-datasets*.lst", description="Files in a beamtime that list which scans make a dataset."
    )
    quiet_seconds: float = Field(
        default=10.0, ge=0, description="A file younger than this may still be growing and is looked at again."
    )

    sweep_days: float = Field(
        default=7.0,
        ge=0,
        description="Days between full walks of an ended beamtime; in between, folder times.",
    )

    @field_validator("roots")
    @classmethod
    def _roots_once(cls, roots: tuple[Path, ...]) -> tuple[Path, ...]:
        again = [n for n, root in enumerate(roots) if root.resolve() in {one.resolve() for one in roots[:n]}]
        if again:
            raise _WrongError(*(((n,), f"{str(roots[n])!r} is named twice", "remove one") for n in again))
        return roots


class Match(_Settings):
    """Regular expressions, searched in a field; all that are given must hit."""

    command: Expression | None = Field(default=None, description="Searched in the scan command.")
    title: Expression | None = Field(default=None, description="Searched in the scan's title.")
    sample: Expression | None = Field(default=None, description="Searched in the sample's name.")
    setup: Expression | None = Field(default=None, description="Searched in the beamtime's setup.")
    file: Expression | None = Field(default=None, description="Searched in the file's path below raw/.")


class Assignment(_Settings):
    """What a rule suggests where it hits."""

    flag: Name | None = Field(default=None, description="One of the flags.")
    keywords: Names = Field(default=(), description="Keywords, added to those of other rules.")
    group: Name | None = Field(default=None, description="Name of the dataset the scan belongs to.")


class Rule(_Settings):
    """A named rule: where ``match`` hits, ``set`` is suggested."""

    name: Name = Field(description="Shown to people beside what the rule suggested.")
    match: Match = Field(description="Where the rule hits.")
    set: Assignment = Field(description="What the rule suggests there.")

    @field_validator("name")
    @classmethod
    def _name_is_free(cls, name: str) -> str:
        if name in ("file", "default"):
            raise _WrongError(
                ((), f"a rule cannot be called {name!r}, which means something else", "choose another name")
            )
        return name

    @field_validator("match", "set")
    @classmethod
    def _says_something(cls, part: Match | Assignment) -> Match | Assignment:
        if not any(value for _, value in part):
            raise _WrongError(((), "says nothing", f"give one of {', '.join(type(part).model_fields)}"))
        return part


class QuantitySettings(_Settings):
    """A figure of the scientific metadata: the first of these positioners or channels a scan has."""

    source: Names = Field(alias="from", min_length=1, description="Positioners or channels, the best first.")
    unit: str | None = Field(default=None, description="Shown where the file names no unit.")


def _p08_quantities() -> dict[str, QuantitySettings]:
    return {
        "energy": QuantitySettings.model_validate({"from": ("energyfmb", "energy"), "unit": "eV"}),
        "temperature": QuantitySettings.model_validate({"from": ("beckhoff_temp1",), "unit": "°C"}),
        "pressure": QuantitySettings.model_validate({"from": ("trough_pressure",), "unit": "mN/m"}),
    }


class GroupSettings(_Settings):
    """Names of the groups that may do what; ``{beamtime}`` stands for the beamtime's id."""

    owner: tuple[GroupPattern, ...] = Field(
        default=("{beamtime}-dmgt",), description="Owners, unless the beamtime's metadata names an ownerGroup."
    )
    readers: tuple[GroupPattern, ...] = Field(
        default=("{beamtime}-dmgt", "{beamtime}-clbt", "{beamtime}-part"),
        description="Groups that may read and download, unless the metadata names accessGroups.",
    )
    curators: tuple[GroupPattern, ...] = Field(
        default=(), description="Groups that may also change flags, keywords and grouping."
    )
    staff: tuple[GroupPattern, ...] = Field(
        default=("staff",), description="Groups that may do everything with every beamtime."
    )


class DaskSettings(_Settings):
    """Where the workers of the executor ``dask`` are."""

    scheduler: Scheduler | None = Field(
        default=None, description="Address of a scheduler; without a value, workers are started on this machine."
    )


class WatchSettings(_Settings):
    """How ``catbuild watch`` learns of files, and how soon it takes them in."""

    method: Literal["auto", "inotify", "poll"] = Field(
        default="auto",
        description="How it learns of files: inotify (told by the kernel), poll (looks), or auto (by file system).",
    )
    settle_seconds: float = Field(
        default=2.0, ge=0, description="A file that says nothing of its end is taken in when unchanged for so long."
    )
    running_seconds: float = Field(
        default=10.0, ge=0, description="A file that keeps growing is read again once in so many seconds."
    )
    poll_seconds: float = Field(default=2.0, gt=0, description="Seconds between two looks, where it polls.")
    sweep_minutes: float = Field(
        default=5.0, gt=0, description="Minutes between full walks, which find what was not told of."
    )
    look_seconds: float = Field(default=60.0, gt=0, description="Seconds between two looks for new beamtimes.")


class ServerSettings(_Settings):
    """The address ``catbuild serve`` listens at."""

    host: Name = Field(default="127.0.0.1", description="Address to listen at.")
    port: int = Field(default=8008, ge=0, le=65535, description="Port to listen at; 0 means any free one.")
    socket: SitePath | None = Field(default=None, description="Unix socket to listen at in place of host and port.")
    public_address: SiteAddress | None = Field(
        default=None, description="Address people reach the site at; invitations, the sitemap and oidc name it."
    )
    accel: bool = Field(
        default=False, description="True: nginx is in front, set up by deploy/nginx.conf, and sends the files we name."
    )


class OidcSettings(_Settings):
    """The OpenID provider of the way in ``oidc``, and what it says of people."""

    issuer: Address | None = Field(
        default=None, description="The provider's issuer, exactly as it calls itself in its discovery document."
    )
    client_id: Name | None = Field(default=None, description="What the provider calls this catalogue.")
    client_secret_file: SitePath | None = Field(
        default=None, description="File with the client's secret, readable by its owner alone."
    )
    client_secret_variable: Name | None = Field(
        default=None, description="Environment variable with the client's secret, in place of a file."
    )
    scopes: Names = Field(default=("openid", "profile", "email"), description="Scopes to ask for; openid is one.")
    groups_claim: Name = Field(
        default="groups", description="Claim that lists somebody's groups; dots lead into it (realm_access.roles)."
    )
    label: Name = Field(default="your facility account", description="What people know the provider as.")
    allowed_groups: Names = Field(
        default=(), description="Who is in none of these is not let in; without a value, the provider decides."
    )

    @field_validator("scopes")
    @classmethod
    def _is_openid(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in scopes:
            raise _WrongError(((), "openid is missing", "add it: without it the provider says nothing of who came"))
        return scopes


class ProxySettings(_Settings):
    """The headers of the way in ``proxy``, and why they are believed."""

    header: Header = Field(default="X-Remote-User", description="Header in which the proxy names who asks.")
    groups_header: Header | None = Field(default=None, description="Header with their groups, commas between them.")
    secret_header: Header = Field(default="X-Proxy-Secret", description="Header in which the proxy proves to be it.")
    secret_file: SitePath | None = Field(
        default=None, description="File with that secret, readable by its owner alone; not needed on a Unix socket."
    )


class AuthSettings(_Settings):
    """How people sign in and for how long."""

    methods: Names = Field(
        default=("local",), min_length=1, description="Ways to sign in, in the order they are offered."
    )
    idle_days: float = Field(default=30, gt=0, description="Somebody who does nothing for so many days is signed out.")
    shared_computer_hours: float = Field(
        default=12, gt=0, description="The same on a computer said to be shared, in hours."
    )
    secure_cookies: bool | None = Field(
        default=None,
        description="True: TLS is in front, cookies travel over it alone; else only this machine is served.",
    )
    oidc: OidcSettings = Field(
        default=OidcSettings(),
        validate_default=True,
        description="The OpenID provider, where oidc is a way to sign in.",
    )
    proxy: ProxySettings = Field(
        default=ProxySettings(), description="What a proxy says, where proxy is a way to sign in."
    )

    @field_validator("oidc")
    @classmethod
    def _provider_is_named(cls, oidc: OidcSettings, info: ValidationInfo) -> OidcSettings:
        if "oidc" not in info.data.get("methods", ()):
            return oidc
        remedy = "name it, or take oidc out of auth.methods"
        faults: list[tuple[Location, str, str | None]] = [
            ((name,), f"to sign in by oidc, {name} is needed", remedy)
            for name in ("issuer", "client_id")
            if getattr(oidc, name) is None
        ]
        if (oidc.client_secret_file is None) == (oidc.client_secret_variable is None):
            what = "to sign in by oidc, either client_secret_file or client_secret_variable is needed"
            faults.append((("client_secret_file",), what, "name one of them"))
        if faults:
            raise _WrongError(*faults)
        return oidc


class Settings(_Settings):
    """Everything a site sets."""

    title: Name = Field(default="Beamline catalogue", description="Title of the catalogue.")
    beamline: str = Field(default="", description="Name of the beamline.")
    facility: str = Field(default="", description="Name of the facility.")
    timezone: Zone = Field(default="UTC", description="Zone of times that files write without one, and of pages.")
    beamtimes: BeamtimeSettings = Field(description="Where beamtimes lie and how their folders are called.")
    catalogue: SitePath = Field(
        default=Path("catalogue"),
        description="Folder of state/, records/, previews/ and build/; state/ and build/ need a local disk.",
    )
    flags: Names = Field(
        default=("measurement", "alignment", "calibration"),
        min_length=1,
        description="Flags a scan can have, in the order of their toggles; the first is the default.",
    )
    keywords: Names = Field(default=(), description="Keywords offered to people, who may add their own.")
    grouping: Literal["stem", "sample", "file", "scan"] = Field(
        default="stem", description="What scans of one dataset share, where nothing else groups them."
    )
    rules: tuple[Rule, ...] = Field(default=(), description="Rules that suggest flags, keywords and groups.")
    quantities: dict[Name, QuantitySettings] = Field(
        default_factory=_p08_quantities, description="Scientific metadata, folded over the points of a scan."
    )
    signals: tuple[Name, ...] = Field(
        default=(), description="Channels to plot, the best first, where a file does not say which."
    )
    readers: Names = Field(
        default=("fio", "nexus", "spec"), min_length=1, description="Readers, in the order they are asked."
    )
    groups: GroupSettings = Field(default=GroupSettings(), description="Who may do what with a beamtime.")
    executor: Name = Field(default="processes", description="How the reading of sources is spread.")
    workers: int | None = Field(
        default=None, ge=1, description="Sources read at the same time; without a value, one a processor."
    )
    source_seconds: float = Field(default=600, gt=0, description="Time for one source; then it is given up.")
    dask: DaskSettings = Field(default=DaskSettings(), description="Where the workers of the executor dask are.")
    watch: WatchSettings = Field(default=WatchSettings(), description="How catbuild watch learns of files.")
    server: ServerSettings = Field(default=ServerSettings(), description="The address catbuild serve listens at.")
    auth: AuthSettings = Field(default=AuthSettings(), description="How people sign in and for how long.")
    templates: SitePath | None = Field(
        default=None, description="Folder of a site's own templates, which replace ours file by file."
    )
    _source: Path | None = PrivateAttr(default=None)

    @property
    def source(self) -> Path | None:
        """The configuration file, absolute; None for settings that come from none."""
        return self._source

    @field_validator("catalogue")
    @classmethod
    def _catalogue_is_outside(cls, catalogue: Path, info: ValidationInfo) -> Path:
        beamtimes: BeamtimeSettings | None = info.data.get("beamtimes")
        for root in beamtimes.roots if info.context and beamtimes else ():
            if catalogue.resolve().is_relative_to(root.resolve()):
                what = f"{str(catalogue)!r} lies inside the beamtimes' root {str(root)!r}, where it would be discovered"
                raise _WrongError(((), what, "choose a folder outside"))
        return catalogue

    @field_validator("auth")
    @classmethod
    def _ways_in_are_safe(cls, auth: AuthSettings, info: ValidationInfo) -> AuthSettings:
        server: ServerSettings | None = info.data.get("server")
        if server is None:
            return auth
        if "oidc" in auth.methods and server.public_address is None:
            what = "to sign in by oidc, server.public_address is needed"
            raise _WrongError((("methods",), what, "name the address people type: the provider sends them back there"))
        if "proxy" in auth.methods and auth.proxy.secret_file is None and server.socket is None:
            what = "anybody could write the proxy's header"
            raise _WrongError((("proxy",), what, "name a secret_file, or listen at a Unix socket (server.socket)"))
        return auth

    @field_validator("rules")
    @classmethod
    def _rules_agree(cls, rules: tuple[Rule, ...], info: ValidationInfo) -> tuple[Rule, ...]:
        faults: list[tuple[Location, str, str | None]] = []
        flags: tuple[str, ...] | None = info.data.get("flags")
        names = [rule.name for rule in rules]
        for number, rule in enumerate(rules):
            if rule.name in names[:number]:
                faults.append(((number, "name"), f"two rules are called {rule.name!r}", "rename one"))
            if flags is not None and rule.set.flag is not None and rule.set.flag not in flags:
                faults.append(((number, "set", "flag"), *_not_a_flag(rule.set.flag, flags)))
        if faults:
            raise _WrongError(*faults)
        return rules


def _not_a_flag(name: str, flags: Iterable[str]) -> tuple[str, str | None]:
    return f"{name!r} is not one of the flags", did_you_mean(name, flags)


def described() -> dict[str, str]:
    """Give every setting, dotted (``beamtimes.roots``), and the sentence that explains it.

    Lists and tables hold settings of their own: ``rules.match.command``, ``quantities.from``.
    """
    return dict(_described(Settings, ""))


def _described(model: type[_Settings], prefix: str) -> Iterator[tuple[str, str]]:
    for name, info in model.model_fields.items():
        dotted = prefix + (info.alias or name)
        yield dotted, info.description or ""
        inner = _settings_within(info.annotation)
        if inner is not None:
            yield from _described(inner, f"{dotted}.")


def _settings_within(annotation: Any) -> type[_Settings] | None:  # noqa: ANN401 - any annotation
    """Give the group of settings an annotation holds: itself, or each item of a list or table."""
    if isinstance(annotation, type) and issubclass(annotation, _Settings):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _settings_within(inner))), None)


# From a file


def find(option: Path | None = None) -> Path:
    """Give the configuration to use: the option, ``./site_config.yaml``, or what ``$CATBUILD_CONFIG`` names."""
    if option is not None:
        return option
    if Path(FILE_NAME).exists():
        return Path(FILE_NAME)
    named = os.environ.get(VARIABLE)
    if not named:
        raise CatalogError(
            f"no {FILE_NAME} in {Path.cwd()}",
            remedy=f"write one with 'catbuild init', or name one with --config or ${VARIABLE}",
        )
    if not Path(named).exists():
        raise CatalogError(f"${VARIABLE} names {named!r}, which is not there", remedy="correct or unset the variable")
    return Path(named)


def load(path: Path, parts: Mapping[str, Registry[Any]] | None = None) -> Settings:
    """Read a configuration; raises ConfigError that names everything wrong with it, a line each.

    Relative paths in it are below its folder.

    Parameters
    ----------
    parts
        Registries whose names settings use, by dotted setting: ``{"executor": EXECUTORS, "readers": READERS}``.
    """
    document = _parsed(path)
    source = Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow a link away from its folder
    data = cast("dict[str, Plain]", document.data)
    faults = [
        _Fault(location=(), line=again.line, what=f"{again.name!r} is already set in line {again.first}")
        for again in document.repeated
    ]
    settings: Settings | None = None
    given = {"catalogue": "catalogue", **_without_blanks(Settings, data)}  # the default too is below the file's folder
    try:
        settings = Settings.model_validate_json(json.dumps(given), context={"folder": source.parent})
    except ValidationError as exc:
        faults += [fault for error in exc.errors(include_url=False) for fault in _faults(error)]
    faults += [*_unknown_flags(data), *_unknown_parts(data, parts or {})]
    if faults or settings is None:
        raise ConfigError("\n".join(_lines(dict.fromkeys(faults), document, path)))
    settings._source = source
    return settings


def _parsed(path: Path) -> Document:
    try:
        content = path.read_bytes()
    except FileNotFoundError as exc:
        raise ConfigError("there is no such file", where=path, remedy="write one with 'catbuild init'") from exc
    except OSError as exc:
        raise ConfigError(f"cannot be read: {exc.strerror}", where=path) from exc
    try:
        document = parse(content, str(path))
    except CatalogError as exc:
        raise ConfigError(exc.what, where=exc.where, remedy=exc.remedy) from exc
    if document.data is None:
        raise ConfigError("sets nothing", where=path, remedy="write a new one with 'catbuild init'")
    if not isinstance(document.data, dict):
        raise ConfigError("holds no settings", where=path, remedy="write 'name: value', a line each")
    return document


def _without_blanks(model: type[_Settings], data: dict[str, Plain]) -> dict[str, Plain]:
    """Leave out known settings without a value (``rules:``): they keep their default."""
    fields = {info.alias or name: info for name, info in model.model_fields.items()}
    given: dict[str, Plain] = {}
    for name, value in data.items():
        inner = fields[name].annotation if name in fields else None
        if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, _Settings):
            given[name] = _without_blanks(inner, value)
        elif value is not None or name not in fields:
            given[name] = value
    return given


def _unknown_flags(data: Mapping[str, Plain]) -> Iterator["_Fault"]:
    """Check rules against the flags even where something else about the rules is wrong."""
    rules, flags = data.get("rules"), data.get("flags", list(Settings.model_fields["flags"].default))
    for number, rule in enumerate(rules if isinstance(rules, list) else ()):
        assigned = rule.get("set") if isinstance(rule, dict) else None
        flag = assigned.get("flag") if isinstance(assigned, dict) else None
        if isinstance(flag, str) and flag and isinstance(flags, list) and flag not in flags:
            what, remedy = _not_a_flag(flag, [str(one) for one in flags])
            yield _Fault(location=("rules", number, "set", "flag"), what=f"rules.set.flag: {what}", remedy=remedy)


def _unknown_parts(data: Mapping[str, Plain], parts: Mapping[str, Registry[Any]]) -> list["_Fault"]:
    """Check names of executors, readers and the like against their registries."""
    faults = []
    for dotted, registry in parts.items():
        location: Location = tuple(dotted.split("."))
        value: Plain = dict(data)
        for step in location:
            value = value.get(cast("str", step)) if isinstance(value, dict) else None
        named = enumerate(value) if isinstance(value, list) else [(None, value)]
        for number, name in named:
            if isinstance(name, str) and name and name not in registry:
                at = location if number is None else (*location, number)
                faults.append(
                    _Fault(
                        location=at, what=f"{dotted}: no {registry.noun} {name!r}", remedy=did_you_mean(name, registry)
                    )
                )
    return faults


# Faults in words


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    location: Location
    what: str
    remedy: str | None = None
    line: int | None = None
    """Where it is not that of the location."""


_MUST_BE = {
    "string_type": "must be text",
    "bool_type": "must be yes or no",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "path_type": "must be a path",
    "tuple_type": "must be a list",
    "dict_type": "must be a table of names and values",
    "model_type": "must be a group of settings",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
}
"""What pydantic's kinds of error mean to people."""

_REMEDIES = {
    "tuple_type": "write [one, two], or '- one' a line each",
    "dict_type": "write 'name: value' lines, indented below it",
    "model_type": "write 'name: value' lines, indented below it",
}


def _faults(error: ErrorDetails) -> Iterator[_Fault]:
    location, kind, given = error["loc"], error["type"], error["input"]
    wrong = error.get("ctx", {}).get("error")
    if isinstance(wrong, _WrongError):
        for below, what, remedy in wrong.faults:
            yield _Fault(location=location + below, what=f"{_dotted(location + below)}: {what}", remedy=remedy)
    elif kind == "extra_forbidden":
        yield _unknown_setting(location)
    elif kind == "missing":
        what = described().get(_dotted(location), "").rstrip(".")
        yield _Fault(location=location[:-1], what=f"{_dotted(location)!r} is missing", remedy=f"give it: {what}")
    else:
        must = _MUST_BE.get(kind, error["msg"]).format(**error.get("ctx", {}))
        remedy = _REMEDIES.get(kind)
        if kind == "string_type" and isinstance(given, bool | int | float):
            remedy = "put it in quotes"
        elif kind == "literal_error":
            remedy = did_you_mean(str(given), re.findall(r"'(\w+)'", must))
        shown = "" if kind.endswith("too_short") else f", not {_shown(given)}"
        yield _Fault(location=location, what=f"{_dotted(location)}: {must}{shown}", remedy=remedy)


def _unknown_setting(location: Location) -> _Fault:
    """Say which setting was meant: one of the same group, else one of the same name elsewhere."""
    group, name = _dotted(location).rpartition(".")[0], str(location[-1])
    prefix = f"{group}." if group else ""
    known = [dotted.removeprefix(prefix) for dotted in described() if dotted.startswith(prefix)]
    here = [one for one in known if "." not in one]
    elsewhere = [dotted for dotted in described() if dotted.rpartition(".")[2] == name]
    remedy = did_you_mean(name, here)
    if len(elsewhere) == 1 and not (remedy or "").startswith("did you"):
        remedy = f"did you mean {elsewhere[0]!r}?"
    return _Fault(location=location, what=f"unknown setting {name!r}{f' in {group!r}' if group else ''}", remedy=remedy)


def _dotted(location: Location) -> str:
    """Give ``rules.match.command`` for a place in a list of rules, ``quantities.from`` for one in a table."""
    names = [step for step in location if isinstance(step, str)]
    if names[:1] == ["quantities"] and len(names) > 2:
        del names[1]
    return ".".join(names)


def _shown(value: object) -> str:
    words = {True: "yes", False: "no", None: "nothing"}
    if value is None or isinstance(value, bool):
        return words[value]
    if isinstance(value, dict | list):
        return "a group of settings" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _lines(faults: Iterable[_Fault], document: Document, path: Path) -> list[str]:
    """Give one line a fault, in the order of the file, each once."""
    placed = []
    for number, fault in enumerate(faults):
        line = fault.line or next(
            (
                document.lines[at]
                for n in range(len(fault.location), 0, -1)
                if (at := fault.location[:n]) in document.lines
            ),
            0,
        )
        where = f"{path}:{line}" if line else path
        placed.append((line, number, str(CatalogError(fault.what, where=where, remedy=fault.remedy))))
    return list(dict.fromkeys(text for *_, text in sorted(placed)))
