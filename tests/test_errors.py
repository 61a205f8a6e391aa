import pickle

import pytest

from catalog_builder.config import ConfigError
from catalog_builder.errors import CatalogError, did_you_mean


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (CatalogError("it is broken"), "it is broken"),
        (
            CatalogError("5 labels but 6 columns", where="raw/align.spec:812"),
            "raw/align.spec:812: 5 labels but 6 columns",
        ),
        (CatalogError("no executor 'x'", remedy="known are: serial"), "no executor 'x'; known are: serial"),
    ],
)
def test_an_error_says_where_what_and_the_way_out(error: CatalogError, message: str) -> None:
    assert str(error) == message


def test_an_error_comes_back_whole_from_a_worker() -> None:
    error = ConfigError("what", where="where", remedy="remedy")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is ConfigError
    assert (back.what, back.where, back.remedy) == ("what", "where", "remedy")


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        ("process", "did you mean 'processes'?"),
        ("SERIAL", "did you mean 'serial'?"),
        ("cloud", "known are: processes, serial"),
    ],
)
def test_a_mistyped_word_is_answered_with_what_was_meant(word: str, remedy: str) -> None:
    assert did_you_mean(word, ["serial", "processes"]) == remedy


def test_nothing_is_suggested_where_there_is_nothing_to_choose() -> None:
    assert did_you_mean("anything", []) is None


def test_a_long_list_of_choices_is_not_recited() -> None:
    assert did_you_mean("zzz", [f"name{n}" for n in range(13)]) is None
