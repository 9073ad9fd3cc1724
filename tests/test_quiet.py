"""Quiet hours end when a clock on the wall says so, whatever the zone does to that clock."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.quiet import ends_at

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = (time(22), time(7))


def berlin(*moment: int, fold: int = 0) -> datetime:
    return datetime(*moment, tzinfo=BERLIN, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        (berlin(2026, 11, 23, 21, 59), None),
        (berlin(2026, 11, 23, 22, 0), berlin(2026, 11, 24, 7)),
        (berlin(2026, 11, 24, 0, 0), berlin(2026, 11, 24, 7)),
        (berlin(2026, 11, 24, 6, 59), berlin(2026, 11, 24, 7)),
        (berlin(2026, 11, 24, 7, 0), None),
    ],
)
def test_a_night_spans_midnight(now: datetime, end: datetime | None) -> None:
    assert ends_at(now, *NIGHT, BERLIN) == end


def test_hours_within_a_day_end_the_same_day() -> None:
    assert ends_at(berlin(2026, 5, 1, 12, 30), time(12), time(14), BERLIN) == berlin(2026, 5, 1, 14)
    assert ends_at(berlin(2026, 5, 1, 11, 30), time(12), time(14), BERLIN) is None


def test_the_night_of_the_change_is_an_hour_shorter_or_longer() -> None:
    def night_from(evening: datetime) -> timedelta:
        end = ends_at(evening, *NIGHT, BERLIN)
        assert end
        return end - evening

    assert night_from(berlin(2026, 3, 28, 22)) == timedelta(hours=8)
    assert night_from(berlin(2026, 10, 24, 22)) == timedelta(hours=10)


def test_an_end_that_the_clock_leaves_out_is_the_jump_itself() -> None:
    """2026-03-29 in Berlin: 02:00 becomes 03:00, so 02:30 never shows."""
    assert ends_at(berlin(2026, 3, 29, 1, 0), time(22), time(2, 30), BERLIN) == berlin(2026, 3, 29, 3, 0)
    assert ends_at(berlin(2026, 3, 29, 3, 0), time(22), time(2, 30), BERLIN) is None


def test_a_beginning_that_the_clock_leaves_out_is_the_jump_itself() -> None:
    assert ends_at(berlin(2026, 3, 29, 1, 59), time(2, 30), time(5), BERLIN) is None
    assert ends_at(berlin(2026, 3, 29, 3, 0), time(2, 30), time(5), BERLIN) == berlin(2026, 3, 29, 5)


def test_an_end_that_shows_twice_is_the_second_one() -> None:
    """2026-10-25 in Berlin: 03:00 becomes 02:00, so 02:30 shows twice."""
    second = berlin(2026, 10, 25, 2, 30, fold=1)
    for now in (berlin(2026, 10, 25, 1), berlin(2026, 10, 25, 2, 45), berlin(2026, 10, 25, 2, 0, fold=1)):
        assert ends_at(now, time(22), time(2, 30), BERLIN) == second
    assert ends_at(second, time(22), time(2, 30), BERLIN) is None


def test_a_day_that_a_country_skipped_does_not_confuse() -> None:
    """Samoa went from 2011-12-29 straight to 2011-12-31."""
    samoa = ZoneInfo("Pacific/Apia")
    evening = datetime(2011, 12, 29, 23, tzinfo=samoa).astimezone(UTC)

    end = ends_at(evening, time(22), time(7), samoa)

    assert end
    assert end - evening <= timedelta(hours=8)


@given(
    now=st.integers(946_684_800, 2_114_380_800).map(lambda second: datetime.fromtimestamp(second, UTC)),
    start=st.times(),
    end=st.times(),
    zone=st.sampled_from(sorted(available_timezones() - {"localtime"})).map(ZoneInfo),
)
def test_quiet_hours_end_in_the_future_and_then_it_is_not_quiet(
    now: datetime, start: time, end: time, zone: ZoneInfo
) -> None:
    ending = ends_at(now, start.replace(microsecond=0), end.replace(microsecond=0), zone)

    if ending is not None:
        assert now < ending <= now + timedelta(hours=50)
        if timedelta(minutes=90) < (datetime.combine(now, start) - datetime.combine(now, end)) % timedelta(days=1):
            assert ends_at(ending, start.replace(microsecond=0), end.replace(microsecond=0), zone) is None
