"""`stasis-offload dialplan FILE`: real files in, text and exit status out."""

import json
from collections.abc import Callable
from difflib import unified_diff
from pathlib import Path

import pytest

from stasis_offload.cli.main import main

PROJECT = Path(__file__).parents[3]
EXAMPLES = PROJECT / "dialplan" / "examples"
PAGE = (PROJECT / "docs" / "migration.md").read_text(encoding="utf-8")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    def run(text: bytes, *options: str) -> tuple[int, str, str]:
        file = tmp_path / "extensions.conf"
        file.write_bytes(text)
        monkeypatch.setattr("sys.argv", ["stasis-offload", "dialplan", str(file), *options])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out.replace(f"{tmp_path}/", ""), err.replace(f"{tmp_path}/", "")

    return run


def test_a_dialplan_that_moves_whole_is_0(run: Run) -> None:
    status, out, err = run(b"[c]\nexten => 1,1,Dial(PJSIP/1)\n")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "extensions.conf:2  c/1/1  Dial(PJSIP/1)",
        "    moves",
        "    exten => 1,1,OffloadDial(PJSIP/1)",
        "1 place dials (moves: 1)",
    ]


def test_one_with_something_that_stays_is_1(run: Run) -> None:
    status, out, err = run(b"[c]\nexten => 1,1,Dial(SIP/1)\n", "--json")
    assert (status, err) == (1, "")
    assert json.loads(out)["dials"][0]["verdict"] == "stays"


def test_files_are_included_from_its_folder_by_name_pattern_and_path(run: Run, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("b", "a"):
        (tmp_path / "d" / f"{name}.conf").write_text(f"[{name}]\nexten => 1,1,Dial(PJSIP/{name})\n")
    elsewhere = tmp_path / "d" / "x"
    elsewhere.write_text("[x]\nexten => 1,1,Dial(PJSIP/x)\n")
    status, out, _ = run(f'[c]\n#include d/*.conf\n#include "{elsewhere}"\n'.encode())
    assert status == 0
    assert [line.split()[0] for line in out.splitlines() if "  Dial" in line] == [
        *("d/a.conf:2", "d/b.conf:2", "d/x:2")
    ]


def test_a_file_that_asterisk_refuses_is_2_with_its_line(run: Run) -> None:
    assert run(b"[c]\n[d\n") == (2, "", "stasis-offload: extensions.conf:2: no closing `]`\n")


def test_a_missing_include_is_2_after_what_is_known(run: Run) -> None:
    status, out, err = run(b"[c]\nexten => 1,1,Dial(PJSIP/1)\n#include none.conf\n")
    assert (status, out.splitlines()[-1]) == (2, "1 place dials (moves: 1)")
    assert err == "stasis-offload: extensions.conf:3: there is no file 'none.conf' to include\n"


def test_a_file_that_cannot_be_read_is_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in (tmp_path / "none", tmp_path):
        monkeypatch.setattr("sys.argv", ["stasis-offload", "dialplan", str(file)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2


def test_the_page_shows_what_the_command_prints_for_the_example(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(EXAMPLES)
    monkeypatch.setattr("sys.argv", ["stasis-offload", "dialplan", "before.conf"])
    with pytest.raises(SystemExit):
        main()
    assert f"# stasis-offload dialplan before.conf\n{capsys.readouterr().out}```\n" in PAGE


def test_the_page_shows_every_line_in_which_the_examples_differ() -> None:
    before, after = ((EXAMPLES / f"{name}.conf").read_text().splitlines() for name in ("before", "after"))
    differing = [
        line for line in unified_diff(before, after, n=0, lineterm="") if line[:2] not in {"--", "++", "@@"}
    ]
    assert "\n".join(["```diff", *differing, "```"]) in PAGE
