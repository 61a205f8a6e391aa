from typing import Any

import pytest

from catalog_builder.config import Rule
from catalog_builder.records import Suggestion
from catalog_builder.rules import Suggested, suggestions


def rule(name: str, match: dict[str, Any], **assigned: Any) -> Rule:
    return Rule.model_validate({"name": name, "match": match, "set": assigned})


def suggested(*rules: Rule, **texts: str) -> Suggested:
    known: dict[str, str | None] = dict.fromkeys(("command", "title", "sample", "setup", "file"))
    return suggestions(rules, **{**known, **texts})


def test_without_rules_nothing_is_suggested() -> None:
    assert suggested(command="ascan om 0 1 10 1") == Suggested(flag=None, keywords=(), group=None)


@pytest.mark.parametrize("field", ["command", "title", "sample", "setup", "file"])
def test_an_expression_is_searched_in_its_own_field_only(field: str) -> None:
    hit = rule("r", {field: "lign"}, flag="alignment")
    others = {name: "lign" for name in ("command", "title", "sample", "setup", "file") if name != field}
    assert suggested(hit, **{field: "night2/align_00012"}).flag == Suggestion(value="alignment", rule="r")
    assert suggested(hit, **others).flag is None


def test_upper_and_lower_case_are_alike() -> None:
    assert suggested(rule("r", {"sample": "^ALIGN"}, flag="alignment"), sample="Alignment pin").flag is not None


def test_all_expressions_of_a_rule_must_hit() -> None:
    both = rule("r", {"command": "^ascan tt", "setup": "liquid"}, keywords=("XRR",))
    assert suggested(both, command="ascan tt 0 1 9 1", setup="Liquid diffractometer").keywords
    assert not suggested(both, command="ascan tt 0 1 9 1", setup="six-circle").keywords
    assert not suggested(both, command="ascan tt 0 1 9 1").keywords


def test_the_first_rule_that_sets_a_flag_or_a_group_wins_each_for_itself() -> None:
    found = suggested(
        rule("one", {"title": "x"}, keywords=("a",)),
        rule("two", {"title": "x"}, flag="alignment"),
        rule("three", {"title": "x"}, flag="calibration", group="films"),
        rule("four", {"title": "x"}, group="powders"),
        title="x",
    )
    assert found.flag == Suggestion(value="alignment", rule="two")
    assert found.group == Suggestion(value="films", rule="three")


def test_keywords_of_all_rules_add_up_each_once() -> None:
    found = suggested(
        rule("one", {"title": "x"}, keywords=("XRR", "liquid")),
        rule("two", {"title": "y"}, keywords=("powder",)),
        rule("three", {"title": "x"}, keywords=("liquid", "GID")),
        title="x",
    )
    assert [(one.value, one.rule) for one in found.keywords] == [("XRR", "one"), ("liquid", "one"), ("GID", "three")]


def test_no_expression_hits_what_is_not_known_but_one_may_hit_what_is_empty() -> None:
    anything = rule("r", {"title": "^"}, flag="alignment")
    assert suggested(anything).flag is None
    assert suggested(anything, title="").flag is not None
