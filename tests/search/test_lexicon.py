from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_builder.search.columns import Columns, ColumnWriter
from catalog_builder.search.lexicon import Lexicon, write_lexicon

ATOMS = st.lists(st.text("ab0ü\U0001f52c", min_size=1, max_size=6), unique=True, max_size=12).map(sorted)
PARTS = st.text("ab0ü", min_size=1, max_size=4)


def lexicon_of(folder: Path, atoms: list[str]) -> Lexicon:
    writer = ColumnWriter()
    write_lexicon(writer, [atom.encode() for atom in atoms])
    writer.write(folder)
    return Lexicon(Columns(folder))


@given(atoms=ATOMS, part=PARTS)
def test_what_holds_begins_or_ends_with_a_part_is_what_going_through_all_words_gives(
    atoms: list[str], part: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lexicon = lexicon_of(tmp_path_factory.mktemp("lexicon"), atoms)

    assert [lexicon[n] for n in lexicon.containing(part).tolist()] == [atom for atom in atoms if part in atom]
    assert [lexicon[n] for n in lexicon.ending(part).tolist()] == [atom for atom in atoms if atom.endswith(part)]
    for beginning in (True, False):
        stretch = range(*lexicon.span(part, beginning=beginning))
        there = [atom for atom in atoms if (atom.startswith(part) if beginning else atom == part)]
        assert [lexicon[n] for n in stretch] == there
