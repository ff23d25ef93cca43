from __future__ import annotations

from loadtests.table import Line, Record, Session, document, hit_ratio, lines, markdown, with_table

MACHINE = {"commit": "abc1234", "cpu": "A CPU", "cores": 2}
HITS = [Record("Segment", "hit", at=number / 10, ms=float(number)) for number in range(1, 101)]
MISS = Record("Segment", "miss", at=10.0, ms=400.0)
FAILED = Record("Segment", "", at=10.0, ms=60_000.0, error="UNAVAILABLE")
UPLOAD = Record("UploadImage", "", at=5.0, ms=7.0)
SESSION = Session("Crowd", 8, "grpc", [*HITS, MISS, UPLOAD, FAILED])


def test_hits_and_misses_have_lines_of_their_own() -> None:
    """A call is summed up once for each tier of its embedding, with its rate over the whole session."""
    session = Session("Crowd", 8, "grpc", [*HITS, MISS, UPLOAD])

    assert [
        Line("Segment", "hit", 100, 10.1, 50.0, 95.0, 99.0, 0),
        Line("Segment", "miss", 1, 0.1, 400.0, 400.0, 400.0, 0),
        Line("UploadImage", "", 1, 0.1, 7.0, 7.0, 7.0, 0),
    ] == lines(session)


def test_failures_are_counted_and_not_timed() -> None:
    """A call that failed does not make the times of others longer or shorter."""
    failed = next(line for line in lines(SESSION) if line.failed)

    assert ("", 1, None, None) == (failed.cache, failed.failed, failed.p50_ms, failed.p99_ms)


def test_the_hit_ratio_is_of_calls_that_want_an_embedding() -> None:
    """Uploads and failures are neither hits nor misses; without a call that wants an embedding there is no ratio."""
    assert (100 / 101, None) == (hit_ratio(SESSION.records), hit_ratio([UPLOAD, FAILED]))


def test_nobody_came() -> None:
    """People who made no call at all leave a table without lines."""
    figures = document([Session("Crowd", 8, "rest", [])], MACHINE)

    assert ([], None) == (figures["sessions"][0]["lines"], figures["sessions"][0]["hit_ratio"])
    assert "A CPU" in markdown(figures)


def test_the_table_names_its_machine_and_commit() -> None:
    """A row says who called what over which protocol; the machine and the commit stand above."""
    page = markdown(document([SESSION], MACHINE))

    assert "Commit abc1234, A CPU, 2 cores" in page
    assert "| 8 x Crowd | grpc | Segment | miss | 1 |" in page
    assert "Crowd over grpc 99%" in page


def test_a_page_keeps_what_is_around_its_table() -> None:
    """A new table takes the place of the old one, however often it is written."""
    page = "before\n<!-- written by make load -->\nold\n<!-- end -->\nafter\n"

    once = with_table(page, "new\n")

    assert "before\n<!-- written by make load -->\nnew\n<!-- end -->\nafter\n" == once
    assert once == with_table(once, "new\n")
