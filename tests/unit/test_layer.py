"""The layer's build: what it leaves out of the SDK is really not needed, and it finds the right Python."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import botocore
import botocore.session
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.loaders import Loader

REPO = Path(__file__).resolve().parents[2]
LIBRARY = REPO / "layers" / "batchdrop"
INSTALLED = Path(botocore.__file__).parent / "data"
ADAPTERS = {"dynamodb": "dynamodb.py", "s3": "s3.py"}  # the others' calls are all in services.py


class OnlyThere(Loader):
    """The SDK's own loader, in another place."""

    def __init__(self, data: str) -> None:
        super().__init__(extra_search_paths=[data], include_default_search_paths=False)
        self.BUILTIN_DATA_PATH = data


@pytest.fixture(scope="module")
def layer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("layer", LIBRARY / "targets" / "layer.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(layer: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SDK's data as the layer has it."""
    directory = tmp_path_factory.mktemp("python")
    data = directory / "botocore" / "data"
    data.mkdir(parents=True)
    for name in {*layer.SERVICES, "ec2", *layer.NEEDED}:
        source = INSTALLED / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, data / name)
    layer.prune(directory)
    return data


@pytest.fixture
def slim(data: Path) -> botocore.session.Session:
    """An SDK session that knows nothing else."""
    session = botocore.session.Session()
    session.register_component("data_loader", OnlyThere(str(data)))
    return session


def client(session: botocore.session.Session, service: str, region: str = "eu-west-1") -> Any:
    signing: Any = {"signature_version": "s3v4"} if service == "s3" else {}
    return session.create_client(service, region_name=region, config=Config(**signing))


def test_services_that_are_not_used_are_left_out(slim: botocore.session.Session) -> None:
    assert slim.get_available_services() == ["dynamodb", "events", "s3", "secretsmanager", "ssm", "stepfunctions"]


def test_every_call_the_adapters_make_is_still_described(slim: botocore.session.Session, layer: ModuleType) -> None:
    known = {s: {xform_name(o) for o in client(slim, s).meta.service_model.operation_names} for s in layer.SERVICES}
    for service, file in ADAPTERS.items():
        text = (LIBRARY / "batchdrop" / "aws" / file).read_text()
        calls = set(re.findall(r"_client\.(\w+)\(", text)) - {"get_paginator", "generate_presigned_url"}
        named = set(re.findall(r"(?:get_paginator|generate_presigned_url)\(\"(\w+)\"", text))
        assert calls
        assert named
        assert calls | named <= known[service]
    calls = set(re.findall(r"_client\.(\w+)\(", (LIBRARY / "batchdrop" / "aws" / "services.py").read_text()))
    assert calls <= set.union(*(operations for service, operations in known.items() if service not in ADAPTERS))


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "cn-north-1"])
def test_endpoints_and_signed_urls_are_those_of_the_whole_sdk(slim: botocore.session.Session, region: str) -> None:
    whole = botocore.session.Session()
    ours, theirs = (client(s, "s3", region) for s in (slim, whole))
    url = {"ClientMethod": "get_object", "Params": {"Bucket": "some-bucket", "Key": "k"}}
    cut = re.compile("&X-Amz-(Date|Signature)=[^&]*")
    assert cut.sub("", ours.generate_presigned_url(**url)) == cut.sub("", theirs.generate_presigned_url(**url))
    for service in ("dynamodb", "events", "secretsmanager", "ssm", "stepfunctions"):
        made = [client(s, service, region).meta.endpoint_url for s in (slim, whole)]
        assert made[0] == made[1]


def test_bytecode_is_compiled_by_the_python_it_is_for(
    layer: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "module.py").write_text("x = 1\n")
    layer.precompile(tmp_path, "3.2")
    assert not list(tmp_path.rglob("*.pyc"))
    assert "3.2" in capsys.readouterr().out
    layer.precompile(tmp_path, "{}.{}".format(*sys.version_info))
    (compiled,) = tmp_path.rglob("*.pyc")
    assert compiled.read_bytes()[4:8] == b"\x01\0\0\0"  # by hash, never checked against the source
