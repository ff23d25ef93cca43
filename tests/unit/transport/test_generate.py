"""The script that writes the Python code of the contract."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SECOND = """
syntax = "proto3";
package maskgate.v1;
import "maskgate/v1/segmentation.proto";
service SecondService { rpc Look(Box) returns (Seen); }
message Seen { Image image = 1; }
"""


def test_a_contract_of_several_files(tmp_path: Path) -> None:
    """Files that import each other are generated into our package, and those of a file that is gone are removed."""
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    (tmp_path / "protos/maskgate/v1/second.proto").write_text(SECOND)
    folder = tmp_path / "pb"
    folder.mkdir()
    (folder / "gone_pb2.py").touch()

    subprocess.run(
        [ROOT / "protos/generate.sh", folder], cwd=tmp_path, env={**os.environ, "PYTHON": sys.executable}, check=True
    )

    contract = [path.stem for path in (tmp_path / "protos/maskgate/v1").glob("*.proto")]
    generated = {f"{file}_{kind}" for file in contract for kind in ("pb2.py", "pb2.pyi", "pb2_grpc.py")}
    assert {"__init__.py", *generated} == {path.name for path in folder.iterdir()}
    for path in map(folder.joinpath, generated):
        assert "from maskgate.v1" not in path.read_text()
    for name in ("second_pb2.py", "second_pb2.pyi", "second_pb2_grpc.py"):
        assert "from maskgate.transport.grpc._pb import segmentation_pb2" in (folder / name).read_text()
