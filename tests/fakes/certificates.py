"""A throw-away certificate authority and what it signs, made with the openssl binary."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple


class Pair(NamedTuple):
    """Paths of a certificate and its key."""

    certificate: Path
    key: Path


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def available() -> bool:
    """Whether certificates can be made on this machine."""
    return shutil.which("openssl") is not None


class Authority:
    """Signs with its own key; files live in ``folder``."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"),
            *("-keyout", self.pair.key, "-out", self.pair.certificate, "-subj", f"/CN={name}"),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"),
        )

    def pem(self) -> str:
        """The authority's certificate."""
        return self.pair.certificate.read_text()

    def issue(self, name: str, *subject_names: str, days: int = 30) -> Pair:
        """A certificate for ``subject_names`` (``DNS:x``, ``IP:y``); ``days`` below 0: it has expired."""
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={','.join(subject_names)}\n")
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", pair.key, "-out", request, "-subj", f"/CN={name}"),
        )
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.pair.certificate, "-CAkey", self.pair.key, "-CAcreateserial"),
            *("-out", pair.certificate, "-days", str(days), "-extfile", extensions),
        )
        return pair
