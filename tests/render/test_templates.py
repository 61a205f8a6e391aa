"""Templates of the site's own, and what tells that pages are no longer current."""

from pathlib import Path

import pytest

from catalog_builder.errors import CatalogError
from catalog_builder.render import Renderer, digest
from catalog_builder.render.environment import Assets
from catalog_builder.render.handbook import html

from .conftest import settings


def test_a_sites_own_template_stands_in_for_one_of_ours(tmp_path: Path) -> None:
    (tmp_path / "message.html").write_text("<p>ours: {{ title }}</p>")
    made = Renderer(settings(templates=tmp_path))
    assert made.message_page(404, "<Gone>", "") == "<p>ours: &lt;Gone&gt;</p>"
    assert "Sign in" in made.sign_in_page("/", None, "")


def test_a_sites_own_template_can_build_on_ours(tmp_path: Path) -> None:
    (tmp_path / "cart.html").write_text('{% extends "base.html" %}{% block main %}<main>mine</main>{% endblock %}')
    page = Renderer(settings(templates=tmp_path)).cart_page([])
    assert "<main>mine</main>" in page
    assert "Test catalogue" in page


def test_a_site_can_add_a_help_page(tmp_path: Path) -> None:
    (tmp_path / "help").mkdir()
    (tmp_path / "help" / "beamline.md").write_text("# The beamline\n\n<script>x</script> *here*")
    page = Renderer(settings(templates=tmp_path)).help_page("beamline") or ""
    assert '<h1 id="the-beamline">The beamline</h1>' in page
    assert "<em>here</em>" in page
    assert "<script>x" not in page


def test_a_templates_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="there is no folder"):
        Renderer(settings(templates=tmp_path / "nowhere"))


def test_the_digest_changes_with_templates_and_with_settings_that_show(tmp_path: Path) -> None:
    (tmp_path / "message.html").write_text("one")
    first = digest(settings(templates=tmp_path))
    assert digest(settings(templates=tmp_path)) == first
    assert digest(settings(templates=tmp_path, workers=3)) == first
    assert digest(settings(templates=tmp_path, title="other")) != first
    (tmp_path / "message.html").write_text("two")
    assert digest(settings(templates=tmp_path)) != first


def test_an_assets_address_changes_with_its_content(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("one")
    before = Assets(tmp_path).address("a.js")
    (tmp_path / "a.js").write_text("two")
    assert before.startswith("/assets/a.js?v=")
    assert Assets(tmp_path).address("a.js") != before


def test_an_asset_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="is missing from this installation"):
        Assets(tmp_path).address("a.js")


def test_markdown_keeps_words_and_links_and_nothing_that_acts() -> None:
    made = html('[a](javascript:alert(1)) [b](/help/) <img src=x onerror=y> <b onclick="z">c</b>')
    assert "javascript" not in made
    assert "<img" not in made
    assert "onclick" not in made
    assert 'href="/help/"' in made


def test_scripts_import_nothing_as_an_import_would_carry_no_hash() -> None:
    for script in Path(Assets(Path(__file__).parents[2] / "assets").folder).glob("*.js"):
        assert not [line for line in script.read_text().splitlines() if line.startswith("import ")]
