"""``fetch`` against a server on this machine: what is kept, and how each failure ends."""

import errno
import hashlib
import io
import json
import os
import shutil
import socket
import struct
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import openpyxl
import pandas as pd
import pooch
import pytest
import yaml

from pipeline import cli
from pipeline.cohort.dictionary import read_dictionary
from pipeline.config_file import read_config
from pipeline.errors import InputError
from pipeline.ingest.public import download
from pipeline.ingest.public.fetch import fetch_cohort
from pipeline.ingest.public.registry import read_public_cohort
from pipeline.ingest.tables import input_files, read_tables

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "cohorts" / "cd22"
KEY = "Demographics | ID | Randomized ID"
GRADES = b"Protocol ID,Randomized ID,Grade\nT01,2142,0\nT02,3030,3\n"


def workbook(rows):
    book, content = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(content)
    return content.getvalue()


WIDE = workbook([["Demographics", None], ["ID", "Labs"], ["Randomized ID", "CRP"],
                 [2142, 0.4], [3030, 118]])  # fmt: skip


class Server:
    """Serves ``files``; ``fault`` says how it misbehaves."""

    def __init__(self):
        self.files, self.fault, self.asked = {}, None, []
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                if isinstance(outer.fault, int):
                    return self.send_error(outer.fault)
                body = outer.files[self.path]
                self.send_response(200)
                if outer.fault == "cut in chunks":  # no length, and no last chunk
                    self.protocol_version = "HTTP/1.1"
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    self.wfile.write(b"%x\r\n" % (2 * len(body)) + body)
                    self.close_connection = True
                    return None
                length = 2 * len(body) if outer.fault in ("cut", "stalled", "reset") else len(body)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)
                if outer.fault == "stalled":
                    self.wfile.flush()
                    outer.released.wait(10)
                if outer.fault == "reset":  # as a firewall does: no end of stream, but a reset
                    self.wfile.flush()
                    at_once = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
                    self.connection.close()
                return None

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.released.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server():
    server = Server()
    server.files = {"/v1/wide.xlsx": WIDE, "/v1/ID%20key.csv": GRADES}
    yield server
    server.close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CRS_RISK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def registry(tmp_path, server):
    """Write the entry of a cohort of two files."""

    def write(**changes):
        wide = {"url": f"{server.address}/v1/wide.xlsx", "to": "wide.csv", "headers": 3}
        grades = {"url": f"{server.address}/v1/ID%20key.csv", "to": "grades.csv"}
        wide |= {"key": KEY, "shape": [None, 2]}
        grades |= {"drop": ["Protocol ID"]} | changes
        cohort = {"title": "A trial", "citation": "Someone 2021", "licence": "CC0", "source": "s"}
        path = tmp_path / "registry.yaml"
        path.write_text(yaml.safe_dump({"trial": cohort | {"files": [wide, grades]}}))
        return path

    return write


def fetch(registry):
    return fetch_cohort("trial", registry, lambda *_: None)


def kept(cache):
    files = [path for path in cache.rglob("*") if path.is_file()]
    return {path.relative_to(cache).as_posix(): path.read_bytes() for path in files}


def refused(registry):
    with pytest.raises(InputError) as error:
        fetch(registry)
    return str(error.value)


def test_what_is_left(cache, registry):
    line = fetch(registry())
    assert "2 files, 2 downloaded now" in line
    assert "Someone 2021" in line
    assert "CC0" in line
    assert set(kept(cache)) == {
        "trial/wide.csv", "trial/grades.csv", "trial/source/wide.xlsx", "trial/source/ID key.csv",
        "trial.sha256.json",
    }  # fmt: skip
    assert kept(cache)["trial/wide.csv"] == (
        b"Demographics | ID | Randomized ID,Demographics | Labs | CRP\n2142,0.4\n3030,118\n"
    )
    assert kept(cache)["trial/grades.csv"] == b"Randomized ID,Grade\n2142,0\n3030,3\n"
    assert kept(cache)["trial/source/wide.xlsx"] == WIDE
    recorded = json.loads((cache / "trial.sha256.json").read_text())
    assert set(recorded.values()) == {hashlib.sha256(b).hexdigest() for b in (WIDE, GRADES)}


def test_the_second_time_needs_no_network(cache, registry, server):
    path = registry()
    fetch(path)
    before, asked = kept(cache), len(server.asked)
    server.close()
    assert "2 files, none downloaded now" in fetch(path)
    assert kept(cache) == before
    assert len(server.asked) == asked


def test_progress_ends_at_the_size_of_each_file(cache, registry):
    told = {}
    fetch_cohort("trial", registry(), lambda file, done, total: told.update({file: (done, total)}))
    assert told == {"wide.xlsx": (len(WIDE),) * 2, "ID key.csv": (len(GRADES),) * 2}


def test_a_damaged_copy_is_downloaded_again(cache, registry):
    fetch(registry())
    before = kept(cache)
    (cache / "trial" / "source" / "wide.xlsx").write_bytes(b"half")
    (cache / "trial" / "wide.csv").unlink()
    assert "2 files, 1 downloaded now" in fetch(registry())
    assert kept(cache) == before


def test_a_published_file_that_changes_is_refused(cache, registry, server):
    fetch(registry())
    # The record outlives the cohort's folder.
    for path in sorted((cache / "trial").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    server.files["/v1/ID%20key.csv"] = GRADES.replace(b"3030,3", b"3030,4")
    message = refused(registry())
    assert "ID%20key.csv: has another checksum than recorded" in message
    assert hashlib.sha256(GRADES).hexdigest() in message
    assert set(kept(cache)) == {"trial/source/wide.xlsx", "trial.sha256.json"}
    recorded = json.loads((cache / "trial.sha256.json").read_text())
    assert hashlib.sha256(GRADES).hexdigest() in recorded.values()


def test_the_checksum_of_the_registry_holds(cache, registry):
    right, wrong = hashlib.sha256(GRADES).hexdigest(), "0" * 64
    assert f"SHA-256 {wrong}" in refused(registry(sha256=wrong))
    assert set(kept(cache)) == {"trial/source/wide.xlsx"}
    fetch(registry(sha256=right))
    assert "trial/grades.csv" in kept(cache)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("cut", "the connection ended before the file did; nothing was kept"),
        ("cut in chunks", "the connection ended before the file did; nothing was kept"),
        ("reset", "the connection ended before the file did; nothing was kept"),
        ("stalled", "the connection ended before the file did; nothing was kept"),
        (404, "the server refuses it (HTTP status 404)"),
        (403, "the server refuses it (HTTP status 403)"),
        (500, "the server fails (HTTP status 500)"),
        (503, "the server fails (HTTP status 503)"),
    ],
)
def test_a_failing_server_leaves_nothing(cache, registry, server, monkeypatch, fault, says):
    monkeypatch.setattr(download, "_TIMEOUT", 0.3)
    server.fault = fault
    message = refused(registry())
    assert message.startswith(f"{server.address}/v1/wide.xlsx: {says}.")
    assert "To mend: " in message
    assert str(cache / "trial" / "source" / "wide.xlsx") in message
    assert kept(cache) == {}
    server.fault = None
    fetch(registry())
    assert len(kept(cache)) == 5


def test_no_network(cache, registry, server):
    path = registry()
    server.close()
    assert "/v1/wide.xlsx: cannot be reached." in refused(path)
    assert kept(cache) == {}


def test_no_such_host(cache, registry):
    # Names under .invalid never exist (RFC 6761).
    message = refused(registry(url="http://cohorts.invalid/v1/key.csv"))
    assert message.startswith("http://cohorts.invalid/v1/key.csv: cannot be reached.")
    assert "HTTPS_PROXY" in message


def test_a_file_saved_by_hand_is_taken(cache, registry, server):
    path = registry()
    server.close()
    source = cache / "trial" / "source"
    source.mkdir(parents=True)
    (source / "wide.xlsx").write_bytes(WIDE)
    (source / "ID key.csv").write_bytes(GRADES)
    assert "none downloaded now" in fetch(path)


@pytest.mark.parametrize("page", ["/v1/wide.xlsx", "/v1/ID%20key.csv"])
def test_a_page_in_the_place_of_the_file_is_not_kept(cache, registry, server, page):
    # A login page comes with status 200. It must neither stay nor have its checksum recorded.
    server.files[page] = b"<!DOCTYPE html>\n<html><body>Log in</body></html>\n"
    message = refused(registry())
    assert page in message
    assert "is not the file of the registry" in message
    assert "login page" in message
    assert not any(name.endswith((".csv", ".json")) for name in kept(cache))
    server.files |= {"/v1/wide.xlsx": WIDE, "/v1/ID%20key.csv": GRADES}
    fetch(registry())
    assert len(kept(cache)) == 5


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FullDisk(io.FileIO):
    def write(self, content):
        super().write(content[: len(content) // 2])
        no_space()


def test_a_disk_that_fills_up_during_the_download(cache, registry, monkeypatch):
    monkeypatch.setattr(pooch.downloaders, "open", FullDisk, raising=False)
    message = refused(registry())
    assert f"{cache}: cannot be written (No space left on device)." in message
    assert "CRS_RISK_CACHE" in message
    assert kept(cache) == {}


@pytest.fixture
def small_disk(tmp_path, monkeypatch):
    """A cache on a real file system of 64 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root may mount a small file system")
    if subprocess.run(["mount", *options], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a small file system")
    monkeypatch.setenv("CRS_RISK_CACHE", str(disk / "cache"))
    yield disk / "cache"
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_really_full(small_disk, registry, server):
    server.files["/v1/wide.xlsx"] = os.urandom(200_000)
    path = registry()
    assert f"{small_disk}: cannot be written (No space left on device)." in refused(path)
    assert kept(small_disk) == {}
    server.files["/v1/wide.xlsx"] = WIDE
    assert "2 files, 2 downloaded now" in fetch(path)


@pytest.mark.parametrize("last", [1, 2])
def test_a_disk_that_fills_up_under_a_table(cache, registry, monkeypatch, last):
    writing, written = pd.DataFrame.to_csv, []

    def to_csv(table, path, **options):
        written.append(path)
        if len(written) == last:
            path.write_text("half a ta")
            no_space()
        return writing(table, path, **options)

    monkeypatch.setattr(pd.DataFrame, "to_csv", to_csv)
    assert "cannot be written (No space left on device)" in refused(registry())
    assert set(kept(cache)) == {"trial/source/wide.xlsx", "trial/source/ID key.csv"}


def test_a_disk_that_fills_up_under_the_record(cache, registry, monkeypatch):
    path = registry()
    monkeypatch.setattr(Path, "write_text", no_space)
    assert "cannot be written (No space left on device)" in refused(path)
    assert set(kept(cache)) == {"trial/source/wide.xlsx", "trial/source/ID key.csv"}


def test_a_failure_leaves_the_tables_of_before(cache, registry, monkeypatch):
    fetch(registry())
    before = kept(cache)
    monkeypatch.setattr(pd.DataFrame, "to_csv", no_space)
    refused(registry())
    assert kept(cache) == before


def test_a_cache_that_is_a_file(cache, registry):
    cache.write_text("in the way")
    message = refused(registry())
    assert f"{cache}: cannot be written (" in message
    assert "set CRS_RISK_CACHE to another folder" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="no folder is read-only for root")
def test_a_read_only_cache(cache, registry):
    cache.mkdir()
    cache.chmod(0o500)
    assert f"{cache}: cannot be written (Permission denied)." in refused(registry())
    cache.chmod(0o700)
    assert kept(cache) == {}


@pytest.mark.parametrize("step", ["mkdir", "download"])
def test_a_read_only_file_system(cache, registry, monkeypatch, step):
    def read_only(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    path = registry()
    if step == "mkdir":
        monkeypatch.setattr(Path, "mkdir", read_only)
    else:
        monkeypatch.setattr("tempfile.NamedTemporaryFile", read_only)
    assert f"{cache}: cannot be written (Read-only file system)." in refused(path)
    assert kept(cache) == {}


def test_a_damaged_record_is_named(cache, registry):
    fetch(registry())
    (cache / "trial.sha256.json").write_text("{")
    message = refused(registry())
    assert "trial.sha256.json: the record of checksums is damaged." in message
    assert "delete it" in message


def run(monkeypatch, *arguments):
    """Run the command line; return its exit code."""
    monkeypatch.setattr("sys.argv", ["pipeline", "fetch", *map(str, arguments)])
    try:
        cli.main()
    except SystemExit as stop:
        return stop.code or 0
    return 0


def test_the_command(cache, registry, server, monkeypatch, capfd):
    path = registry()
    assert run(monkeypatch, "trial", "--registry", path) == 0
    out, err = capfd.readouterr()
    assert out.startswith("A trial: 2 files, 2 downloaded now")
    assert err == ""  # no bar where there is no terminal
    assert run(monkeypatch, "trial", "--registry", path, "--quiet") == 0
    assert capfd.readouterr() == ("", "")


def test_the_command_ends_in_one_sentence(cache, registry, server, monkeypatch, capfd):
    path = registry()
    server.fault = 404
    assert run(monkeypatch, "trial", "--registry", path) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("✗ http://127.0.0.1")
    assert "HTTP status 404" in err
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1
    assert run(monkeypatch, "trail", "--registry", path) == 2
    assert "no public cohort is named 'trail'; did you mean 'trial'?" in capfd.readouterr().err


def test_a_terminal_gets_a_bar(cache, registry, monkeypatch, capfd):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich: this is a terminal
    assert run(monkeypatch, "trial", "--registry", registry()) == 0
    err = capfd.readouterr().err
    assert "wide.xlsx" in err
    assert "ID key.csv" in err


def public_config(folder, **source):
    crp = {"column": "Demographics | Labs | CRP", "unit": "mg/L"}
    wide = {"file": "wide.csv", "key": KEY, "columns": {"crp": crp}}
    grades = {"file": "grades.csv", "key": "Randomized ID", "columns": {"crs_grade": "Grade"}}
    stated = ("title", "intended_use", "intended_users", "horizon", "population")
    content = {
        "name": "trial",
        "dictionary": str(ROOT / "configs" / "variables.yaml"),
        "source": {"kind": "table", "public": "trial", "tables": [wide, grades]} | source,
        "outcomes": {"ge3": {"column": "crs_grade", "at_least": 3, "label": "Grade 3"}},
        "primary_outcome": "ge3",
        "card": dict.fromkeys(stated, "t"),
    }
    folder.mkdir(exist_ok=True)
    (folder / "trial.yaml").write_text(yaml.safe_dump(content))
    return read_config(folder / "trial.yaml")


def test_a_config_reads_what_was_fetched(cache, registry, server, tmp_path):
    ids = [str(number) for number in range(5000, 5024)]
    crp = [number / 4 for number in range(24)]
    grades = [float(number % 5) for number in range(24)]
    headings = [["Demographics", None], ["ID", "Labs"], ["Randomized ID", "CRP"]]
    rows = [f"T,{i},{grade:.0f}" for i, grade in zip(ids, grades, strict=True)]
    server.files = {
        "/v1/wide.xlsx": workbook([*headings, *zip(map(int, ids), crp, strict=True)]),
        "/v1/ID%20key.csv": "\n".join(["Protocol ID,Randomized ID,Grade", *rows]).encode(),
    }
    config = public_config(tmp_path / "mine")
    with pytest.raises(InputError, match=r"mine/wide\.csv: no such file\. To mend: run 'python -m "
                       r"pipeline fetch trial'\.$"):  # fmt: skip
        input_files(config)
    fetch(registry())
    assert input_files(config) == [cache / "trial" / "wide.csv", cache / "trial" / "grades.csv"]
    cohort, _ = read_tables(config, read_dictionary(config.path(config.dictionary)))
    assert cohort.to_dict("list") == {"patient_id": ids, "crp": crp, "crs_grade": grades}


def test_a_file_beside_the_config_goes_first(cache, registry, tmp_path):
    fetch(registry())
    config = public_config(tmp_path / "mine", obtain="ask the trial")
    own = tmp_path / "mine" / "grades.csv"
    own.write_text("Randomized ID,Grade\n2142,4\n3030,1\n")
    assert input_files(config) == [cache / "trial" / "wide.csv", own]
    (cache / "trial" / "wide.csv").unlink()
    with pytest.raises(InputError, match="run 'python -m pipeline fetch trial', or ask the trial"):
        input_files(config)


@pytest.mark.skipif(not DATA.is_dir(), reason="the CD22 trial's files are not in ../shared")
def test_the_trial_is_the_same_cohort_however_it_came(cache, tmp_path, monkeypatch):
    """The trial's files in the shape of its repository, fetched, give the cohort of the CSVs."""
    registry = ROOT / "data" / "public_cohorts.yaml"
    files = read_public_cohort("cd22", registry).files
    wide, grades, long = (pd.read_csv(DATA / file.to, dtype=object) for file in files)
    headings = [list(row) for row in zip(*(name.split(" | ") for name in wide), strict=True)]
    for row in headings[:2]:  # as merged cells: named where they begin
        row[:] = [new if new != old else None for new, old in zip(row, [None, *row], strict=False)]
    numbers = wide.apply(pd.to_numeric, errors="coerce").astype(object)
    cells = numbers.where(numbers.notna(), wide)
    body = cells.where(cells.notna(), None).to_numpy().tolist()
    source = cache / "cd22" / "source"
    source.mkdir(parents=True)
    (source / "clinical_data_05-12-20_v1.xlsx").write_bytes(workbook([*headings, *body]))
    grades.insert(0, "Protocol ID", "T")
    grades.to_csv(source / "ID Key_15C0029 CD22 CAR CRS Data_4-30-21_export.csv", index=False)
    long.to_csv(source / "day_after_infusion_data_export.csv")
    fetch_cohort("cd22", registry, lambda *_: None)

    fetched = pd.read_csv(cache / "cd22" / "clinical_wide_all_timepoints.csv")
    assert list(fetched.columns) == list(wide.columns)
    here = read_config(ROOT / "configs" / "cd22.yaml")
    away = here.model_copy(update={"file": tmp_path / "configs" / "cd22.yaml"})
    dictionary = read_dictionary(here.path(here.dictionary))
    assert {path.parent for path in input_files(away)} == {cache / "cd22"}
    pd.testing.assert_frame_equal(
        read_tables(away, dictionary)[0], read_tables(here, dictionary)[0]
    )
