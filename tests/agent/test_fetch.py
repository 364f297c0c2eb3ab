"""Files that the machine fetches itself, from a server of our own with a certificate of our own."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import io
import json
import random
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gonogo.agent import fetch as module
from gonogo.agent.__main__ import main
from gonogo.agent.fetch import fetch
from gonogo.agent.json_files import Problem
from gonogo.remote.answers import Fetched, read

CONTENT = random.Random(0).randbytes(300_000)  # the same in every process: its hash is in the names of tests
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """`/whole`, `/cut` (once, halfway), `/endless`, `/odd` (a length that is none), `/away` (to plain http)."""

    asked: list[str] = []  # noqa: RUF012  (of one test at a time)

    def do_GET(self) -> None:
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.asked.append(f"{self.path} {begin}")
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:9/plain")
            self.end_headers()
        elif self.path == "/odd":
            self.send_response(200)
            self.send_header("Content-Length", "many")
            self.end_headers()
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                for _ in range(40):  # an end, so that the old code ends, too
                    self.wfile.write(CONTENT)
        elif self.path in ("/whole", "/cut"):
            rest = CONTENT[begin:]
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest[:150_000] if self.path == "/cut" and not begin else rest)
        else:
            self.send_error(404)

    def log_message(self, *words: object) -> None:
        return


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - dt.timedelta(1), now + dt.timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    text = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    text += key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path = tmp_path_factory.mktemp("tls") / "cert.pem"
    path.write_bytes(text)
    return path


@pytest.fixture
def address(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("no_proxy", "localhost")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    Server.asked.clear()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def wanted(address: str, sha256: str = SHA256) -> list[dict[str, object]]:
    return [{"name": "models/weights.bin", "address": address, "sha256": sha256, "max_bytes": 400_000}]


def test_a_file_is_fetched_once_and_verified(address: str, tmp_path: Path) -> None:
    assert fetch(tmp_path, wanted(f"{address}/whole")) == {"files": 1, "bytes": len(CONTENT)}
    assert (tmp_path / "models/weights.bin").read_bytes() == CONTENT
    assert fetch(tmp_path, wanted(f"{address}/whole")) == {"files": 0, "bytes": 0}
    assert Server.asked == ["/whole 0"]


def test_what_is_cut_off_goes_on_where_it_was(address: str, tmp_path: Path) -> None:
    fetch(tmp_path, wanted(f"{address}/cut"))
    assert (tmp_path / "models/weights.bin").read_bytes() == CONTENT
    assert Server.asked == ["/cut 0", "/cut 150000"]


@pytest.mark.parametrize(
    ("path", "sha256", "why"),
    [
        ("/whole", "0" * 64, f"the file has sha256 {SHA256}, not 000.*nothing was kept"),
        ("/nowhere", SHA256, "/nowhere: not fetched: Not Found"),
        ("/nowhere?key=secret", SHA256, "/nowhere: not fetched: Not Found"),
        ("/endless", SHA256, "/endless: more than 400000 bytes; nothing was kept"),
        ("/odd", SHA256, "/odd: not fetched: "),
        ("/away", SHA256, "http://127.0.0.1:9/plain: not an https address; refused"),
    ],
)
def test_what_is_not_as_named_is_not_kept(path: str, sha256: str, why: str, address: str, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=why):
        fetch(tmp_path, wanted(address + path, sha256))
    assert not list(tmp_path.rglob("weights.bin")) and not [
        file for file in tmp_path.rglob(".*") if file.stat().st_size
    ]


def test_plain_http_and_other_names_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.urllib.request, "build_opener", lambda *handlers: pytest.fail("asked"))
    with pytest.raises(Problem, match="not an https address"):
        fetch(tmp_path, wanted("http://localhost/whole"))
    with pytest.raises(Problem, match="refused"):
        fetch(tmp_path, [{"name": "../x", "address": "https://localhost/x", "sha256": SHA256, "max_bytes": 9}])


def test_the_client_asks_for_it_by_the_agents_command(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(wanted(f"{address}/whole"))))
    assert main(["fetch", "cvs/code"]) == 0
    answer = capsys.readouterr().out.splitlines()[-1].encode()
    assert read(Fetched, answer, "box") == Fetched(files=1, bytes=len(CONTENT))
    assert (tmp_path / "cvs/code/models/weights.bin").read_bytes() == CONTENT
