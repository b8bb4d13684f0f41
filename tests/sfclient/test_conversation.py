"""Turns, answers and interruptions, from changes that are told late and out of order."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfclient import Interrupted, Responded
from sfclient._conversation import TABLE, Conversation

HOUR = 3600.0


def told(*speech: tuple[str, float, float]) -> tuple[Conversation, list]:
    """Who spoke, from when to when; and what was made of it."""
    conversation = Conversation()
    for speaker, began, ended in speech:
        conversation.began(speaker, began)
        conversation.ended(speaker, ended)
    return conversation, conversation.settle(HOUR)


def test_an_answer_is_measured_from_the_end_of_what_was_said():
    conversation, found = told(
        ("caller", 1, 2), ("agent", 2.75, 4), ("caller", 5, 6), ("agent", 7, 8)
    )
    assert found == [Responded(0.75), Responded(1.0)]
    assert [fact.at for fact in found] == [2.75, 7]
    figures = conversation.statistics(10)
    assert figures.response_seconds == (0.75, 1.0)
    assert (figures.response_p50, figures.response_p95) == pytest.approx((0.875, 0.9875))
    assert figures.turns == 4
    assert (figures.caller_seconds, figures.agent_seconds) == (2, 2.25)
    assert (figures.caller_share, figures.agent_share) == (0.2, 0.225)


def test_a_pause_in_a_turn_is_no_end_of_it():
    _, found = told(("caller", 1, 2), ("caller", 3, 4), ("agent", 5, 6), ("agent", 7, 8))
    assert found == [Responded(1.0)]


def test_a_greeting_is_no_answer():
    conversation, found = told(("agent", 0.5, 2))
    assert found == []
    assert conversation.statistics(0).response_p50 is None


def test_one_who_begins_while_the_other_speaks_interrupts():
    conversation, found = told(
        ("agent", 1, 3), ("caller", 2.5, 4), ("agent", 4.6, 6), ("caller", 7, 9)
    )
    found += told(("caller", 1, 3), ("agent", 2, 4))[1]
    assert found == [Interrupted("caller"), Responded(pytest.approx(0.6)), Interrupted("agent")]
    assert found[0].at == 2.5
    assert conversation.statistics(10).interruptions_by_caller == 1


def test_what_is_said_while_the_agent_speaks_on_awaits_no_answer():
    _, found = told(("agent", 1, 6), ("caller", 2, 2.4), ("agent", 7, 8))
    assert found == [Interrupted("caller")]


@pytest.mark.parametrize(
    ("overlap", "what"), [(0.11, Responded(0.0)), (0.13, Interrupted("agent"))]
)
def test_an_overlap_that_nobody_notices_is_none(overlap, what):
    assert told(("caller", 1, 2), ("agent", 2 - overlap, 3))[1] == [what]


def test_a_word_shorter_than_what_nobody_notices_is_still_one():
    conversation, found = told(("caller", 1, 1.05), ("agent", 1.5, 1.55), ("caller", 1.6, 2))
    assert found == [Responded(pytest.approx(0.45))]
    assert conversation.statistics(3).turns == 3


def test_an_end_that_is_told_late_is_waited_for():
    conversation = Conversation()
    conversation.began("caller", 1.0)
    conversation.began("agent", 2.3)
    assert conversation.settle(2.0) == []  # so far the caller may have gone on
    conversation.ended("caller", 2.0)
    assert conversation.settle(2.6) == [Responded(pytest.approx(0.3))]
    assert conversation.settle(HOUR) == []


def test_speech_that_goes_on_is_interrupted_before_it_ends():
    conversation = Conversation()
    conversation.began("caller", 1.0)
    conversation.began("agent", 2.0)
    assert conversation.settle(2.1) == []
    assert conversation.settle(2.2) == [Interrupted("agent")]


def test_the_order_in_which_sides_are_told_changes_nothing():
    sides = {
        "caller": [(1.0, 2.0), (4.0, 5.0), (8.05, 9.0)],
        "agent": [(0.2, 0.7), (2.5, 4.3), (5.6, 8.1)],
    }
    outcomes = []
    for order in permutations(["caller", "agent"]):
        conversation = Conversation()
        for speaker in order:
            for began, ended in sides[speaker]:
                conversation.began(speaker, began)
                conversation.ended(speaker, ended)
        outcomes.append((conversation.settle(HOUR), conversation.statistics(10)))
    assert outcomes[0][0] == [Responded(0.5), Interrupted("caller"), Responded(pytest.approx(0.6))]
    assert outcomes[0] == outcomes[1]


spans = st.lists(st.floats(0.03, 3), min_size=0, max_size=12)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(spans, spans, st.lists(st.floats(0, 40), max_size=20))
def test_whatever_is_said_no_change_is_unheard_of(caller, agent, looks):
    """And looking on the way finds the same as looking once."""
    changes = []
    for speaker, lengths in (("caller", caller), ("agent", agent)):
        at = 0.0
        for place, length in enumerate(lengths):
            at += length
            changes.append((at, speaker, place % 2 == 0))
    found, facts = Conversation(), []
    for at, speaker, begins in sorted(changes):
        (found.began if begins else found.ended)(speaker, at)
        for look in looks:
            if look <= at:
                facts += found.settle(look)
    once = Conversation()
    for at, speaker, begins in sorted(changes):
        (once.began if begins else once.ended)(speaker, at)
    assert facts + found.settle(HOUR) == once.settle(HOUR)
    assert found.statistics(40) == once.statistics(40)


def test_each_state_knows_all_that_can_happen_in_it():
    speaking = {
        "quiet": set(),
        "awaiting": set(),
        "caller": {"caller"},
        "agent": {"agent"},
        "both": {"caller", "agent"},
    }
    for state, changes in TABLE.items():
        assert set(changes) == {(who, who not in speaking[state]) for who in ("caller", "agent")}
        for (who, begins), (then, _) in changes.items():
            assert speaking[then] == (
                speaking[state] | {who} if begins else speaking[state] - {who}
            )


def test_the_responses_of_a_call_that_lasts_for_days_are_bounded():
    conversation = Conversation()
    for second in range(0, 6000, 3):
        conversation.began("caller", second)
        conversation.ended("caller", second + 1)
        conversation.began("agent", second + 2)
        conversation.ended("agent", second + 2.5)
        conversation.settle(second)
    assert len(conversation.statistics(HOUR).response_seconds) == 1000
