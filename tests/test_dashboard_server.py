"""The dashboard's server: this machine only, names instead of paths, votes checked and kept, changes seen."""

from __future__ import annotations

import http.client
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from audioml.cli import guarded
from audioml.dashboard import watch as watching
from audioml.dashboard.server import Server
from audioml.dashboard.votes import add_vote, check_vote, read_votes
from audioml.dashboard.watch import Watch
from audioml.errors import RequestError, RunError
from audioml.history import History
from tests.sample_runs import bare

VOTE = {"kind": "prefer", "a": "0" * 12, "b": "1" * 12, "clip": "test/1", "section": "s", "answer": "a"}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(watching, "RESTS", 0.0)
    bare(tmp_path / "runs", "a")
    with Server(Watch([tmp_path / "runs"], [], tmp_path / "votes.json", "x"), 0) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def ask(server: Server, method: str, path: str, body: object = None, **headers: str) -> tuple[int, str, dict[str, str]]:
    port = server.server_address[1]
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    try:
        line.putrequest(method, path, skip_host=True)  # the path as it is: a client would tidy it
        if "Host" not in named:
            line.putheader("Host", f"127.0.0.1:{port}")
        if data is not None:
            line.putheader("Content-Length", str(len(data)))
        for name, value in named.items():
            line.putheader(name, value)
        line.endheaders(data)
        answer = line.getresponse()
        return answer.status, answer.read().decode(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        line.close()


def test_it_serves_the_page_to_this_machine_only(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"
    for path in ("/", "/index.html", "/assets/core.js", "/data/index.js?v=1", "/data/live.js", "/data/votes.js", "/data/curves-s1.js", "/data/clips-s1.js"):
        status, text, headers = ask(server, "GET", path)
        assert (status, bool(text)) == (200, True), path
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert ask(server, "HEAD", "/")[:2] == (200, "")
    assert ask(server, "GET", "/", Host="localhost:99")[0] == 200  # through a tunnel
    for host in ("evil.example", "127.0.0.1.evil.example", "", "[::1", "127.0.0.1@evil.example"):
        assert ask(server, "GET", "/data/index.js", Host=host)[0] == 403, host
    assert ask(server, "GET", "/data/index.js", Sec_Fetch_Site="cross-site")[0] == 403


@pytest.mark.parametrize("path", [
    "/../votes.json", "/data/../../votes.json", "/data/%2e%2e/secret.js", "/assets/../site.py", "/assets/%2e%2e%2fsite.py", "//etc/passwd",
    "/runs/a/record.json", "/media/../../runs/a/record.json", "/data/run-..%2fa.js", "/assets//etc/passwd", "/media/.js", "/data/index.js/",
    "/data/run-link.js", "/\\..\\votes.json",
])  # fmt: skip
def test_no_path_leads_anywhere_else(server: Server, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.js").write_text("secret")
    (tmp_path / "runs" / "link").symlink_to(tmp_path)
    status, text, _ = ask(server, "GET", path)
    assert status == 404
    assert "secret" not in text


def test_a_vote_is_kept_and_shown(server: Server, tmp_path: Path) -> None:
    port = server.server_address[1]
    kind = {"Content_Type": "application/json", "Origin": f"http://127.0.0.1:{port}"}
    before = ask(server, "GET", "/api/version")[1]
    assert ask(server, "POST", "/api/votes", VOTE, **kind)[:2] == (200, '{"votes": 1}')
    (kept,) = read_votes(tmp_path / "votes.json")
    assert {name: kept[name] for name in VOTE} == VOTE
    assert '"answer":"a"' in ask(server, "GET", "/data/votes.js")[1]
    assert ask(server, "GET", "/api/version")[1] != before
    refused = [
        (VOTE | {"answer": "c"}, kind), ([], kind), (b"{", kind), (b"[" * 4000, kind), (b"x" * 5000, kind), (VOTE, {}),
        (VOTE, {"Content_Type": "text/plain"}), (VOTE | {"clip": "x" * 999}, kind), (VOTE | {"a": 5}, kind),
    ]  # fmt: skip
    for body, headers in refused:
        status, text, _ = ask(server, "POST", "/api/votes", body, **headers)
        assert (status, text.count("\n")) == (400, 1), text
    assert ask(server, "POST", "/api/votes", VOTE, Content_Type="application/json", Origin="http://evil.example")[0] == 403
    assert ask(server, "POST", "/data/index.js", VOTE, **kind)[0] == 404
    assert len(read_votes(tmp_path / "votes.json")) == 1


def test_votes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    threads = [threading.Thread(target=add_vote, args=(tmp_path / "v.json", VOTE | {"clip": f"c{i}"})) for i in range(12)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert {vote["clip"] for vote in read_votes(tmp_path / "v.json")} == {f"c{i}" for i in range(12)}


def test_a_file_that_holds_something_else_is_never_written_over(server: Server, tmp_path: Path) -> None:
    (tmp_path / "votes.json").write_text("my notes")
    with pytest.raises(RunError, match="is no file of votes"):
        add_vote(tmp_path / "votes.json", VOTE)
    status, text, _ = ask(server, "POST", "/api/votes", VOTE, Content_Type="application/json")
    assert (status, "is no file of votes" in text) == (500, True)
    assert "is no file of votes" in ask(server, "GET", "/data/votes.js")[1], "the page says so and goes on"
    assert (tmp_path / "votes.json").read_text() == "my notes"


def test_a_vote_holds_its_own_keys_and_no_others() -> None:
    assert check_vote(VOTE | {"extra": "x" * 10**6}) == VOTE
    with pytest.raises(RequestError, match="one of abx, prefer"):
        check_vote({"kind": "x"})
    with pytest.raises(RequestError, match="one of right, wrong"):
        check_vote(VOTE | {"kind": "abx"})


def test_a_record_a_curve_and_silence_change_the_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "RESTS", 0.0)
    (tmp_path / "runs").mkdir()
    watch = Watch([tmp_path / "runs"], [], tmp_path / "votes.json", "x")
    seen = [watch.version()]
    assert watch.site().file("data/index.js").endswith(b'"sections":[]});\n'), "nothing yet is no error"
    with History(tmp_path / "runs/b/metrics.csv") as history:
        history.append(1, "train/loss", 1.0)
    seen.append(watch.version())
    before = watch.site()
    assert b'"state":"running"' in before.file("data/live.js")
    os.utime(tmp_path / "runs/b/metrics.csv", (1, 1))
    seen.append(watch.version())
    assert b'"state":"stopped"' in watch.site().file("data/live.js")
    assert watch.site().table is before.table, "no record has changed, so the table is not built again"
    bare(tmp_path / "runs", "b")
    seen.append(watch.version())
    page = watch.site()
    assert b'"name":"b"' in page.file("data/index.js")
    assert b'"runs":[]' in page.file("data/live.js")
    assert len(set(seen)) == 4
    assert watch.version() == seen[-1]
    assert watch.site() is page, "nothing has changed, so nothing is made again"


def test_a_port_that_is_taken_is_said(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from audioml.dashboard import main

    assert guarded(lambda: main([str(tmp_path / "runs"), "--port", str(server.server_address[1])])) == 1
    assert "choose another: --port N" in capsys.readouterr().err
