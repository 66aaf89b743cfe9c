from __future__ import annotations

from fimls.feedback import Suggestion, summarize


def _suggestion(language: str, **changes: object) -> Suggestion:
    one = Suggestion("x", 1e9, language, "0.5b", "", False, 10, 20.0, shown=True)
    for key, value in changes.items():
        setattr(one, key, value)
    return one


def test_acceptance_counts_whole_and_part_of_what_was_shown() -> None:
    """Two of four were taken, one whole and one in part."""
    group = [
        _suggestion("python", accepted=10, how="whole"),
        _suggestion("python", accepted=4, how="part"),
        _suggestion("python"),
        _suggestion("python"),
    ]
    line = summarize(group)[0]
    assert (4, 1, 1, 14, 0.5) == (
        line.shown,
        line.accepted,
        line.partly,
        line.accepted_characters,
        line.acceptance,
    )


def test_kept_characters_follow_the_last_known_share() -> None:
    """A text half gone after two minutes counts half; one never looked for counts whole."""
    group = [
        _suggestion("go", accepted=10, how="whole", kept=(1.0, 0.5, None)),
        _suggestion("go", accepted=10, how="whole"),
    ]
    line = summarize(group)[0]
    assert 15 == line.kept_characters
    assert (1.0, 1.0, None) == line.kept


def test_groups_stand_in_order() -> None:
    """One line for each language, sorted."""
    group = [_suggestion("python"), _suggestion("go")]
    assert ["go", "python"] == [line.name for line in summarize(group, "language")]


def test_what_was_never_shown_is_not_counted() -> None:
    """An answer that came too late to be seen says nothing about acceptance."""
    assert 0 == summarize([_suggestion("go", shown=False)])[0].shown
