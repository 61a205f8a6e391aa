"""From whatever somebody has in hand (an id, a name, a key, a path) to the address of its page.

Knows every way people write down a beamtime, scan or file; asks only what the caller may read, so that what is
forbidden cannot differ from what is not there.
"""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from urllib.parse import urlencode

from catalog_builder.access import Caller
from catalog_builder.buildstate import BuildState
from catalog_builder.names import dataset_key, joined, page_address, proposal_forms, scan_key, scan_name, split_key
from catalog_builder.records import Beamtime
from catalog_builder.server.catalogue import Catalogue


def resolved(catalogue: Catalogue, caller: Caller, anything: str) -> str | None:
    """Give the address of the page of a beamtime, proposal, key, name or path; None where there is none.

    A proposal of several beamtimes, or a name that several beamtimes have, gives a search.
    """
    text = anything.strip()
    visible = catalogue.visible(caller)
    found = _beamtime_address(visible, text.strip("/"))
    if found is not None or not text:
        return found
    with catalogue.build_state() as state:
        if state is None:
            return None
        named = list(dict.fromkeys(_named(state, visible, text.strip("/"))))
        if len(named) > 1:
            return f"/search?{urlencode({'q': text.strip('/')})}"
        return named[0] if named else _path_address(state, visible, text, catalogue.settings.beamtimes.raw)


def _beamtime_address(visible: Iterable[Beamtime], text: str) -> str | None:
    """Give the page of a beamtime by its id or proposal."""
    of_proposal = []
    for beamtime in visible:
        if text == beamtime.id:
            return f"/beamtimes/{beamtime.id}/"
        if beamtime.proposal_id and text.lower() in _proposals(beamtime, beamtime.proposal_id):
            of_proposal.append(beamtime)
    if len(of_proposal) > 1:
        return f"/search?{urlencode({'proposal': of_proposal[0].proposal_id or ''})}"
    return f"/beamtimes/{of_proposal[0].id}/" if of_proposal else None


def _proposals(beamtime: Beamtime, proposal_id: str) -> set[str]:
    return {form.lower() for form in proposal_forms(proposal_id, beamtime.proposal_type, beamtime.id)}


def _named(state: BuildState, visible: Iterable[Beamtime], text: str) -> Iterator[str]:
    """Give the pages of a key, of ``<beamtime>/<name>``, and of a scan's or dataset's name."""
    kind, beamtime, name = _split(text)
    for one in visible:
        if beamtime is not None and one.id != beamtime:
            continue
        is_scan = kind != "dataset" and state.scan(scan_key(one.id, name)) is not None
        if is_scan:
            yield page_address(scan_key(one.id, name))
        elif kind != "scan" and state.scans_of(dataset_key(one.id, name)):
            yield page_address(dataset_key(one.id, name))


def _split(text: str) -> tuple[str | None, str | None, str]:
    """Split into kind, beamtime and name, as far as the text says them."""
    try:
        return split_key(text)
    except ValueError:
        beamtime, slash, name = text.partition("/")
        return (None, beamtime, name) if slash and name else (None, None, text)


def _path_address(state: BuildState, visible: Iterable[Beamtime], text: str, raw: str) -> str | None:
    """Give the page of the scan a file belongs to, by a path that leads through its beamtime's folder.

    Images lie in folders named after their scan, so the folders above a file are tried too.
    """
    parts = [part for part in text.split("/") if part]
    ids = {beamtime.id for beamtime in visible}
    place = next((place for place, part in enumerate(parts) if part in ids), None)
    if place is None:
        return None
    beamtime, below = parts[place], parts[place + 1 :]
    if below[:1] == [raw]:
        below = below[1:]
    if not below:
        return f"/beamtimes/{beamtime}/"
    path = PurePosixPath(*below)
    for candidate in (path, *path.parents[:-1]):
        for key in _keys_of(beamtime, candidate):
            if state.scan(key) if key.startswith("scan:") else state.scans_of(key):
                return page_address(key)
    return None


def _keys_of(beamtime: str, path: PurePosixPath) -> tuple[str, ...]:
    """Give the keys a file's or folder's scan, or the dataset of a file of many scans, may have."""
    return (
        scan_key(beamtime, scan_name(path)),
        scan_key(beamtime, scan_name(path, keep_suffix=True)),
        dataset_key(beamtime, joined(list(path.parts))),
    )
