"""The pages of the catalogue: the static ones the build writes, the live ones the server answers with.

Knows templates and what each page shows; does not know where records came from, who asks, or where pages go.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jinja2 import TemplateNotFound
from markupsafe import Markup

from catalog_builder.audit import Entry
from catalog_builder.config import Settings
from catalog_builder.facets import SearchRequest, SearchResult
from catalog_builder.names import page_address
from catalog_builder.records import Beamtime, CuratedDataset, CuratedScan
from catalog_builder.render import addresses, handbook, pages
from catalog_builder.render.codes import qr_code
from catalog_builder.render.documents import dataset_json, scan_json
from catalog_builder.render.environment import environment
from catalog_builder.render.paging import dealt, page_name, pager
from catalog_builder.render.searching import cell, search_view, words
from catalog_builder.render.shapes import PER_PAGE, AccessView, AccountView, BeamtimeCard, CartLine, NewLink, StaffView
from catalog_builder.render.telling import beamtimes_of, groups_of, newer_of, problems_of

Page = tuple[str, bytes]
"""A file of the site: its path below the site's folder, and its content."""


class Renderer:
    """Makes every page of a site, the same bytes from the same records."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._main_flag = settings.flags[0]
        self._environment = environment(settings)
        self._environment.globals.update(thumbnail=addresses.thumbnail, cell=cell, words=words)
        self._places: tuple[CuratedDataset, dict[str, int]] | None = None

    def beamtime_pages(self, beamtime: Beamtime, datasets: Sequence[CuratedDataset]) -> Iterator[Page]:
        """Give a beamtime's page, and more of them where it has over a hundred datasets."""
        ordered = pages.newest_first(datasets)
        problems = list(pages.problems_of(ordered))
        for number, _ in dealt(ordered):
            yield self.beamtime_page(beamtime, ordered, problems, number)

    def beamtime_page(
        self,
        beamtime: Beamtime,
        ordered: Sequence[CuratedDataset],
        problems: Sequence[pages.ScanProblem],
        number: int,
    ) -> Page:
        """Give one of a beamtime's pages, counted from 1; its datasets come newest first."""
        base = addresses.beamtime_address(beamtime.id)
        chosen = ordered[(number - 1) * PER_PAGE : number * PER_PAGE]
        return self._page(
            f"{base}{page_name(number)}",
            "beamtime.html",
            beamtime=beamtime,
            rows=[pages.dataset_row(one, self._main_flag) for one in chosen],
            scans=sum(len(one.scans) for one in ordered),
            scan_problems=problems[: pages.PROBLEMS],
            more_problems=max(0, len(problems) - pages.PROBLEMS),
            pages=pager(number, len(ordered), PER_PAGE, lambda other: f"{base}{page_name(other)}"),
        )

    def dataset_pages(self, beamtime: Beamtime, dataset: CuratedDataset) -> Iterator[Page]:
        """Give a dataset's page, more of them where it has over a hundred scans, and its JSON."""
        base, rules = page_address(dataset.facts.key), pages.rules_behind(dataset)
        for number, chosen in dealt(dataset.scans):
            yield self._page(
                f"{base}{page_name(number)}",
                "dataset.html",
                beamtime=beamtime,
                dataset=dataset,
                pictures=pages.pictures_of_dataset(dataset, self._main_flag),
                rules=rules,
                main=pages.main_scan(dataset),
                figures=pages.figures_of(dataset.facts.quantities, self.settings),
                rows=chosen,
                pages=pager(number, len(dataset.scans), PER_PAGE, lambda other: f"{base}{page_name(other)}"),
            )
        yield addresses.site_path(base, "dataset.json"), dataset_json(dataset)

    def scan_pages(self, beamtime: Beamtime, scan: CuratedScan, dataset: CuratedDataset) -> Iterator[Page]:
        """Give a scan's page and its JSON."""
        base = page_address(scan.facts.key)
        yield self._page(
            base,
            "scan.html",
            beamtime=beamtime,
            dataset=dataset,
            scan=scan,
            facts=scan.facts,
            pictures=pages.pictures_of_scan(scan),
            curve=addresses.curve(scan),
            figures=pages.figures_of(scan.quantities, self.settings),
            beside=pages.neighbours(scan, dataset, self._place(scan, dataset)),
        )
        yield addresses.site_path(base, "scan.json"), scan_json(scan)

    def home(self, cards: Sequence[BeamtimeCard]) -> str:
        """Give the page of the beamtimes somebody may see, in the order given."""
        return self._text("home.html", cards=cards)

    def search_page(self, request: SearchRequest, result: SearchResult | None, mistake: str | None) -> str:
        """Give the search page: the result, or what is wrong with the request."""
        energy = self.settings.quantities.get("energy")
        view = search_view(request, result, self.settings.flags, energy.unit if energy else None)
        return self._text("search.html", view=view, mistake=mistake)

    def cart_page(self, lines: Sequence[CartLine]) -> str:
        """Give the page of what somebody chose."""
        return self._text(
            "cart.html", lines=lines, files=sum(one.files for one in lines), bytes=sum(one.size for one in lines)
        )

    def sign_in_page(
        self, next: str, mistake: str | None, name: str, *, again: bool = False, any_open: bool = False
    ) -> str:
        """Give the page to sign in at; ``next`` is the address to go on to, ``name`` what was typed before.

        ``again`` says that somebody was signed in here until now, ``any_open`` that some beamtimes need no signing in.
        """
        return self._text("sign-in.html", next=next, mistake=mistake, name=name, again=again, any_open=any_open)

    def invited_page(self, mistake: str | None, name: str, signed_in: str | None) -> str:
        """Give the page an invitation's link leads to; ``signed_in`` is the name of who is signed in already."""
        return self._text("invited.html", mistake=mistake, name=name, signed_in=signed_in)

    def access_page(self, view: AccessView, link: NewLink | None = None, mistake: str | None = None) -> str:
        """Give the page of who can see a beamtime; ``link`` is that of an invitation just made."""
        picture, width = qr_code(link.address) if link else ("", 0)
        return self._text("access.html", view=view, link=link, picture=picture, width=width, mistake=mistake)

    def account_page(self, view: AccountView, mistake: str | None = None, done: str | None = None) -> str:
        """Give somebody's page about themselves."""
        return self._text("account.html", view=view, mistake=mistake, done=done)

    def staff_page(self, view: StaffView, password: tuple[str, str] | None = None, mistake: str | None = None) -> str:
        """Give the page of accounts, invitations and openings; ``password`` is a name with its new password."""
        return self._text("staff.html", view=view, password=password, mistake=mistake)

    def log_page(self, entries: Sequence[Entry], before: int | None, older: int | None) -> str:
        """Give a page of the audit log; ``before`` is the line it ends before, ``older`` that of the next page."""
        return self._text("log.html", entries=entries, before=before, older=older)

    def message_page(self, status: int, title: str, text: str) -> str:
        """Give a page that says one thing: that something is not there, or went wrong."""
        return self._text("message.html", status=status, title=title, text=text)

    def status_page(self, report: Mapping[str, Any]) -> str:
        """Give the page of what the last build said; an empty report means there was none."""
        return self._text(
            "status.html",
            groups=groups_of(report),
            problems=problems_of(report),
            newer=newer_of(report),
            beamtimes=beamtimes_of(report),
        )

    def help_page(self, name: str) -> str | None:
        """Give a help page, or None where there is no page of this name."""
        if not handbook.is_name(name):
            return None
        try:
            text = self._environment.get_template(f"help/{name}.md").render()
        except TemplateNotFound:
            return None
        # nh3 has cleaned it: the one place where HTML is taken as HTML
        body = Markup(handbook.html(text))  # noqa: S704
        return self._text("help.html", name=name, title=handbook.title(text, name), body=body)

    def _place(self, scan: CuratedScan, dataset: CuratedDataset) -> int:
        """Give a scan's place in its dataset, -1 where it is not in it; remembered for the dataset's other scans."""
        if self._places is None or self._places[0] is not dataset:
            self._places = dataset, {one.facts.key: place for place, one in enumerate(dataset.scans)}
        return self._places[1].get(scan.facts.key, -1)

    def _text(self, template: str, **shown: object) -> str:
        return self._environment.get_template(template).render(**shown)

    def _page(self, address: str, template: str, **shown: object) -> Page:
        return addresses.site_path(address), self._text(template, **shown).encode("utf-8", "replace")
