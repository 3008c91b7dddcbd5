"""What a vendor sees of profiles: the command that checks one, what is said before a process
starts, the folder they are found in, and the pages about them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.checks import Error, Warning
from django.core.management import CommandError, call_command

from messaging import checks, profile_pages
from messaging.protocols.base import Envelope, Parcel, UnknownProfile
from messaging.protocols.proving import broken_promises
from messaging.protocols.registry import PROTOCOLS, get_protocol
from messaging.relay.codecs import get_codec
from tests.servers import ROOT

SHELVES = {name: one.shelf for name, one in PROTOCOLS.items() if one.shelf}
OWN = [(name, path) for name, shelf in SHELVES.items() for path in sorted(shelf.own.glob("*.toml"))]

each = pytest.mark.parametrize(("protocol", "path"), OWN, ids=[f"{n}-{p.stem}" for n, p in OWN])


def check(path: Path, *options: str) -> tuple[int, list[str]]:
    """The exit status of the command and the lines it wrote."""
    out = StringIO()
    try:
        call_command("check_profile", str(path), *options, stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def copied(folder: Path, protocol: str, *changes: tuple[str, str]) -> Path:
    """host-1 of a protocol under a name of its own, in the protocol's folder."""
    shelf = SHELVES[protocol]
    text = (shelf.own / "host-1.toml").read_text()
    for before, after in (('name = "host-1"', 'name = "mine"'), *changes):
        assert before in text
        text = text.replace(before, after, 1)
    path = folder / protocol / "mine.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


# The command.


@each
def test_our_own_profiles_are_right_and_proven(protocol: str, path: Path) -> None:
    status, lines = check(path)
    assert status == 0
    assert lines[0].startswith(f"{path.stem} ({protocol}): ")
    assert re.fullmatch(r"entries by provenance: [0-9]+ .*", lines[1])
    assert re.fullmatch(r"[0-9]+ examples written and read back the same", lines[2])
    assert len(lines) == 3


@pytest.mark.parametrize("protocol", SHELVES)
def test_a_copy_of_ours_is_right_and_told_where_to_go(tmp_path: Path, protocol: str) -> None:
    status, lines = check(copied(tmp_path, protocol))
    assert status == 0
    assert f"{settings.PROFILE_DIR / protocol / 'mine.toml'}, after a restart" in lines[-1]


def test_every_fault_stands_on_a_line_of_its_own_with_its_place_in_the_file(tmp_path: Path) -> None:
    path = copied(
        tmp_path,
        "edl",
        ("window = 100", "windows = 100"),
        ('"sent_at", type = "stamp", start = 15', '"sent_at", type = "stamp", start = 14'),
        ('layout = "ancillary", sender = "host"', 'layout = "ancillery", sender = "hosts"'),
        ('places = 1, size = 6, source = "public fact"', "places = 1, size = 4"),
    )
    status, lines = check(path)
    assert status == 1
    told = "\n".join(lines)
    for part, place in [
        ("windows", "limits.windows: is not known here"),
        ("[limits]", "limits.window: is missing"),
        ("sent_at", "header.fields[2].start: 14 overlaps number, which ends at 14"),
        ("ASI =", "messages.ASI.layout: no layout is called ancillery"),
        ("ASI =", "messages.ASI.sender: must be one of host, control point, both"),
        ("rate_1", "layouts.rates.fields[1].source: is missing"),
        ("rate_1", "layouts.rates.fields[1]: cannot hold 999.9, which is allowed there"),
    ]:
        line = re.search(rf"{re.escape(str(path))}:([0-9]+): {re.escape(place)}", told)
        assert line, (place, told)
        assert part in path.read_text().splitlines()[int(line[1]) - 1]
    numbers = [int(line.split(":")[1]) for line in lines]
    assert numbers == sorted(numbers)


def test_what_cannot_be_written_in_a_wider_access_profile_is_told(tmp_path: Path) -> None:
    path = copied(
        tmp_path,
        "neso-wa",
        ("least = 0, most = 9999999999", "least = 0, most = 99999"),
        ('meaning = "level_to", type = "whole"', 'meaning = "level_to", type = "whole", least = 0'),
        ('source = "assumed" }', 'source = "hearsay" }'),
    )
    status, lines = check(path)
    assert status == 1
    told = "\n".join(lines)
    assert "layouts.acceptance.members[2]: cannot hold 9999999999, which is allowed there" in told
    assert "groups.segment.members[3]: cannot hold -9999, which is allowed there" in told
    assert "envelope.type.source: begins with none of the words of [sources]: hearsay" in told


def test_a_protocol_that_is_named_is_held_to(tmp_path: Path) -> None:
    path = copied(tmp_path, "neso-wa")
    assert check(path)[0] == 0
    assert check(path, "--protocol", "edl")[0] == 1


def test_a_file_that_is_no_profile_at_all_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "notes.toml"
    path.write_text("shopping = ['milk']\n")
    assert check(path)[0] == 1
    assert check(tmp_path / "none.toml") == (
        1,
        [f"{tmp_path / 'none.toml'}: file: No such file or directory"],
    )


class Forgetful:
    """A codec that reads all it writes as one and the same."""

    def __init__(self, codec: object, first: Envelope) -> None:
        self._codec, self._first = codec, first

    def encode(self, envelope: Envelope) -> Parcel:
        return Parcel(b"x")

    def decode(self, parcel: Parcel) -> Envelope:
        return self._first

    def divide(self, message: object) -> tuple[object, ...]:
        return (message,)


def test_a_codec_that_breaks_its_promise_is_found() -> None:
    """The control: what the examples prove can be disproved."""
    examples = PROTOCOLS["edl"].examples("host-1")
    codec = PROTOCOLS["edl"].codec("host-1")
    assert not list(broken_promises(codec, examples))
    told = list(broken_promises(Forgetful(codec, examples[0]), examples[:3]))  # type: ignore[arg-type]
    assert [line.partition(": ")[2].split(":")[0] for line in told] == [
        "is read back as another",
        "has the same bytes as example 1, MEL",
        "is read back as another",
        "has the same bytes as example 1, MEL",
    ]


# Before a process starts.


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The vendor's folder, empty."""
    monkeypatch.setattr(settings, "PROFILE_DIR", tmp_path)
    get_codec.cache_clear()
    yield tmp_path
    get_codec.cache_clear()


def test_a_folder_without_profiles_or_with_good_ones_is_passed_over(folder: Path) -> None:
    assert checks.profiles(None) == []
    copied(folder, "edl")
    assert checks.profiles(None) == []


def test_a_file_that_would_stand_in_for_one_of_ours_keeps_a_process_from_starting(
    folder: Path,
) -> None:
    copied(folder, "edl").rename(folder / "edl" / "host-1.toml")
    (found,) = checks.profiles(None)
    assert isinstance(found, Error)
    assert "host-1.toml" in found.msg
    status, lines = check(folder / "edl" / "host-1.toml")
    assert status == 1
    assert any("none may stand in for it" in line for line in lines)


def test_a_file_with_faults_is_a_warning(folder: Path) -> None:
    copied(folder, "neso-wa", ('method = "POST"', 'method = "GET"'))
    (found,) = checks.profiles(None)
    assert isinstance(found, Warning)
    assert "services.Health.method" in found.msg


# The folder.


def test_a_profile_in_the_vendors_folder_is_used_by_its_name(folder: Path) -> None:
    path = copied(folder, "edl", ("\nSEL = {", "\nSTEXP = {"))
    codec = get_codec("edl", "mine")
    example = next(e for e in PROTOCOLS["edl"].examples("host-1") if b"STEXP" in write(codec, e))
    assert codec.decode(Parcel(write(codec, example))) == example
    assert "mine" in get_protocol("edl", folder).profiles()
    assert "mine" not in PROTOCOLS["edl"].profiles()
    assert not list(broken_promises(codec, get_protocol("edl", folder).examples("mine")))
    path.unlink()


def write(codec: object, envelope: Envelope) -> bytes:
    return codec.encode(envelope).content  # type: ignore[attr-defined,no-any-return]


def test_a_profile_of_one_protocol_is_none_of_another(folder: Path) -> None:
    copied(folder, "edl")
    with pytest.raises(UnknownProfile):
        get_codec("neso-wa", "mine")


def test_a_profile_with_faults_is_as_good_as_none(folder: Path) -> None:
    copied(folder, "edl", ("window = 100", "window = 0"))
    with pytest.raises(UnknownProfile, match=re.escape("limits.window: must be")):
        get_codec("edl", "mine")


# The pages.


def test_the_pages_in_docs_are_what_the_profiles_say() -> None:
    assert not profile_pages.out_of_date(ROOT / "docs" / "profiles"), profile_pages.HOW_TO_WRITE


def test_the_command_writes_the_pages_and_clears_away_others(tmp_path: Path) -> None:
    for name in ("edl-host-0.md", "notes.txt", "neso-wa-host-0.schema.json"):
        (tmp_path / name).write_text("old")
    assert profile_pages.out_of_date(tmp_path) == tuple(
        sorted(["edl-host-0.md", "neso-wa-host-0.schema.json", *profile_pages.pages()])
    )
    call_command("describe_profiles", folder=tmp_path, stdout=StringIO())
    assert not profile_pages.out_of_date(tmp_path)
    schemas = {f"{n}-{p.stem}.schema.json" for n, p in OWN if n == "neso-wa"}
    pages = {f"{n}-{p.stem}.md" for n, p in OWN}
    assert {path.name for path in tmp_path.iterdir()} == pages | schemas | {"notes.txt"}


@each
def test_a_page_names_every_field_with_its_provenance(protocol: str, path: Path) -> None:
    text = profile_pages.pages()[f"{protocol}-{path.stem}.md"]
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) > 70
    assert all("assumed" in row or "public fact" in row or "provenance" in row for row in rows)
    for name in set(re.findall(r'\{ name = "(\w+)"', path.read_text())):
        assert name in text
