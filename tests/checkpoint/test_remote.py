"""Remote files: only the bytes that a listing needs are fetched; a server without ranges is told about."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

from ckptlint.__main__ import main
from ckptlint.checkpoint.model import BadCheckpoint
from ckptlint.checkpoint.read import open_checkpoint


class Server:
    """A web server over a folder that counts what it sends."""

    def __init__(self, folder: Path, *, ranges: bool) -> None:
        served = self
        self.sent = 0

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                self.answer(body=True)

            def answer(self, *, body: bool) -> None:
                path = folder / self.path.lstrip("/")
                if not path.is_file():
                    self.send_error(404)
                    return
                data = path.read_bytes()
                wanted = self.headers.get("Range")
                if ranges and wanted:
                    first, _, last = wanted.removeprefix("bytes=").partition("-")
                    stop = min(int(last) + 1, len(data)) if last else len(data)
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {first}-{stop - 1}/{len(data)}")
                    data = data[int(first) : stop]
                else:
                    self.send_response(200)
                if ranges:
                    self.send_header("Accept-Ranges", "bytes")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                for start in range(0, len(data) if body else 0, 65536):
                    try:
                        self.wfile.write(data[start : start + 65536])
                    except OSError:  # the client has hung up
                        return
                    served.sent += len(data[start : start + 65536])

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture(params=[True, False], ids=["ranges", "no-ranges"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path, ranges=request.param)
    made.ranges = request.param  # type: ignore[attr-defined]
    yield made
    made.http.shutdown()
    made.http.server_close()


def large() -> dict[str, torch.Tensor]:
    return {f"layers.{index}.w": torch.zeros(1_000_000) for index in range(10)}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_http(tmp_path: Path, server: Server, zipped: bool, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(large(), tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    size = (tmp_path / "a.pth").stat().st_size
    checkpoint = open_checkpoint(f"{server.url}/a.pth")
    local = open_checkpoint(str(tmp_path / "a.pth"))
    assert [tensor.key for tensor in checkpoint.tensors] == [tensor.key for tensor in local.tensors]
    assert checkpoint.size == size
    if server.ranges:  # type: ignore[attr-defined]
        assert server.sent < 2_000_000
    else:
        assert server.sent < 1.5 * size  # the whole file, and the beginning of the answer to the question for a part
        assert "the whole file is fetched" in capsys.readouterr().err


def test_not_there(server: Server) -> None:
    with pytest.raises(BadCheckpoint, match="does not exist"):
        open_checkpoint(f"{server.url}/none.pth")


def test_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "http://127.0.0.1:9/a.pth"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_shards_over_http(tmp_path: Path, server: Server) -> None:
    from tests.checkpoint.test_formats import index, shards

    index(tmp_path, shards(tmp_path))
    checkpoint = open_checkpoint(f"{server.url}/model.safetensors.index.json")
    assert [tensor.key for tensor in checkpoint.tensors] == ["a", "b", "c"]


def test_memory() -> None:
    import fsspec

    with fsspec.open("memory://best.pth", "wb") as stream:
        torch.save(large(), stream)
    assert len(open_checkpoint("memory://best.pth").tensors) == 10
    assert main(["inspect", "memory://best.pth", "--crc"]) == 0


def test_an_unknown_scheme(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "gopher://x/best.pth"]) == 2
    assert "gopher" in capsys.readouterr().err


def test_a_scheme_whose_package_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("fsspec")
    try:
        import s3fs  # noqa: F401
    except ImportError:
        assert main(["inspect", "s3://bucket/best.pth"]) == 2
        assert "install" in capsys.readouterr().err.lower()
    else:
        pytest.skip("s3fs is installed")
