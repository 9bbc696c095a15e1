"""A recipe's `notify:` list: what it may say, and with which words the rest is refused."""

from __future__ import annotations

from typing import Any

import pytest

from nasfarm.core.notices import Condition, NoticeRule, Quiet, notice_rules, topic_prefix
from nasfarm.errors import RejectError, UnknownNameError

PLACE = "farm.yml: recipes.detect.notify"
HOOK = "https://example.org/hook/secret-token"


def rule(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {"name": "door", "when": {"label": "person"}, "webhook": HOOK}
    return plain | changes


def one(**changes: Any) -> NoticeRule:
    (found,) = notice_rules([rule(**changes)], PLACE)
    return found


def test_a_rule_with_everything_is_taken_as_it_is_written() -> None:
    value = rule(
        when={
            "label": ["Person", "dog"],
            "score": 0.6,
            "zone": [[0, 0], [1, 0], [1, 1]],
            "count": 2,
        },
        cooldown_s=60,
        quiet="22:00-07:30",
        mqtt="mqtts://farm@broker.example.org:8884/house/nas",
        discovery=False,
        picture_url="https://nas.example.org/taken",
        attach_kb=200,
    )
    assert notice_rules([value], PLACE) == (
        NoticeRule(
            name="door",
            when=Condition(("person", "dog"), 0.6, ((0, 0), (1, 0), (1, 1)), "", 2),
            cooldown_s=60,
            quiet=Quiet(22 * 60, 7 * 60 + 30),
            webhook=HOOK,
            mqtt="mqtts://farm@broker.example.org:8884/house/nas",
            discovery=False,
            picture_url="https://nas.example.org/taken/",
            attach_kb=200,
        ),
    )


def test_a_recipe_without_rules_has_none() -> None:
    assert notice_rules(None, PLACE) == ()
    assert notice_rules([], PLACE) == ()


@pytest.mark.parametrize(
    ("when", "count"),
    [
        pytest.param({"label": "person"}, 1, id="a label wants one thing"),
        pytest.param({"score": 0.5}, 1, id="so does a score"),
        pytest.param({"text": "ABC"}, 1, id="and a text"),
        pytest.param({"verdict": "bad"}, 0, id="a verdict wants none"),
        pytest.param({"verdict": "bad", "count": 3}, 3, id="unless it says so"),
        pytest.param({"error": True}, 0, id="an error has none"),
    ],
)
def test_things_are_counted_where_the_condition_speaks_of_them(
    when: dict[str, Any], count: int
) -> None:
    assert one(when=when).when.count == count


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param("person", "a list of rules", id="no list"),
        pytest.param(["person"], "lines of the form 'name: value'", id="no mapping"),
        pytest.param([rule(name=None)], "rule 1: name: got nothing", id="no name"),
        pytest.param([rule(name="at night")], "up to 63 of a-z", id="a name with a space"),
        pytest.param([rule(), rule()], "each name once", id="a name twice"),
        pytest.param([rule(webhook=None)], "whom to tell", id="nobody to tell"),
        pytest.param([rule(when=None)], "(door): when", id="no condition"),
        pytest.param([rule(when={})], "one or more of label, score", id="an empty condition"),
        pytest.param([rule(when={"error": False})], "one or more of", id="only 'error: false'"),
        pytest.param([rule(when={"error": True, "label": "x"})], "alone", id="error and more"),
        pytest.param([rule(when={"score": 60})], "a number from 0 to 1", id="score in percent"),
        pytest.param(
            [rule(when={"score": True})], "a number from 0 to 1", id="a score that is yes"
        ),
        pytest.param([rule(when={"score": float("nan")})], "a number from 0 to 1", id="no number"),
        pytest.param([rule(when={"count": 0})], "a whole number from 1", id="count 0"),
        pytest.param([rule(when={"label": []})], "a word or a list", id="no labels"),
        pytest.param(
            [rule(when={"label": [1]})], "a word or a list", id="a label that is a number"
        ),
        pytest.param([rule(when={"text": " "})], "a part of the text", id="an empty text"),
        pytest.param([rule(when={"zone": [[0, 0], [1, 1]]})], "three or more corners", id="a line"),
        pytest.param(
            [rule(when={"zone": [[0, 0], [640, 0], [640, 480]]})], "from 0 to 1", id="pixels"
        ),
        pytest.param([rule(quiet="22-7")], "two different times", id="hours without minutes"),
        pytest.param([rule(quiet="07:00-07:00")], "two different times", id="no time at all"),
        pytest.param([rule(quiet="24:00-07:00")], "two different times", id="24 o'clock"),
        pytest.param([rule(cooldown_s=-1)], "a number from 0 to 604800", id="a cooldown below 0"),
        pytest.param([rule(attach_kb=5000)], "a whole number from 0 to 1024", id="5 MB"),
        pytest.param([rule(discovery="no thanks")], "true or false", id="discovery"),
        pytest.param([rule(webhook="example.org")], "begins with http://", id="no scheme"),
        pytest.param(
            [rule(webhook="https://me:pw@example.org")], "without a password", id="password"
        ),
        pytest.param([rule(mqtt="http://example.org")], "mqtt://HOST", id="mqtt over http"),
        pytest.param([rule(mqtt="mqtt://me:pw@host")], "secrets/mqtt", id="mqtt password"),
        pytest.param([rule(mqtt="mqtt://host/a/#")], "mqtt://HOST", id="a wildcard as prefix"),
        pytest.param([rule(mqtt="mqtt://host:99999")], "mqtt://HOST", id="no port"),
    ],
)
def test_what_cannot_be_is_refused_with_place_and_example(value: object, words: str) -> None:
    with pytest.raises(RejectError) as refusal:
        notice_rules(value, PLACE)
    message = str(refusal.value)
    assert message.startswith(PLACE)
    assert words in message
    assert "Example: " in message
    assert "pw" not in message


@pytest.mark.parametrize(
    ("value", "near"),
    [
        pytest.param(rule(cooldown=60), "did you mean 'cooldown_s'?", id="of a rule"),
        pytest.param(rule(when={"labels": "person"}), "did you mean 'label'?", id="of a condition"),
    ],
)
def test_an_unknown_key_names_the_nearest_one(value: dict[str, Any], near: str) -> None:
    with pytest.raises(UnknownNameError, match=near.replace("?", r"\?")) as refusal:
        notice_rules([value], PLACE)
    assert PLACE in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "minute", "quiet"),
    [
        pytest.param("07:00-22:00", 7 * 60, True, id="the first minute"),
        pytest.param("07:00-22:00", 22 * 60, False, id="the last one is over"),
        pytest.param("22:00-07:00", 23 * 60, True, id="before midnight"),
        pytest.param("22:00-07:00", 0, True, id="midnight"),
        pytest.param("22:00-07:00", 6 * 60 + 59, True, id="after midnight"),
        pytest.param("22:00-07:00", 12 * 60, False, id="noon"),
        pytest.param("22:00-00:00", 0, False, id="up to midnight"),
    ],
)
def test_quiet_hours_go_over_midnight_too(text: str, minute: int, quiet: bool) -> None:
    hours = one(quiet=text).quiet
    assert hours is not None
    assert hours.covers(minute) is quiet


def test_topics_begin_with_the_address_path() -> None:
    assert topic_prefix("mqtt://host") == "nasfarm"
    assert topic_prefix("mqtt://host/") == "nasfarm"
    assert topic_prefix("mqtt://host:1883/house/nas/") == "house/nas"
