"""The bitcode of all kernels as a file of the package: wheels carry it, so that a first use needs no Numba.

``hatch_build.py`` has it made when a wheel is built. It is used if and only if it is what this process would make
itself: from the same sources, for the same platform, not by a newer LLVM than the one that is to read it ("IR backwards
compatibility" in LLVM's developer policy). Python's version does not matter: wrappers keep to the stable ABI.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from constrain import disk

FILE = Path(__file__).with_name("kernels.bitcode")


class Unfit(Exception):
    """The file cannot be used; says why."""


def save(path: Path, bitcode: bytes) -> None:
    """Write the file: a line that says what it is, as JSON, and the bitcode."""
    about = _about() | {"sha256": hashlib.sha256(bitcode).hexdigest()}
    path.write_bytes(json.dumps(about).encode() + b"\n" + bitcode)


def load(path: Path) -> bytes:
    """The bitcode in a file; raises ``Unfit`` where there is none for this process."""
    try:
        head, _, bitcode = path.read_bytes().partition(b"\n")
    except OSError:
        raise Unfit("this installation came without their bitcode (wheels have it)") from None
    try:
        made = json.loads(head)
        whole = made["sha256"] == hashlib.sha256(bitcode).hexdigest()
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise Unfit(f"{path} is damaged")
    _compare(made, _about())
    return bitcode


def _about() -> dict[str, Any]:
    """What bitcode of kernels depends on, here and now."""
    llvm.initialize_native_target()
    machine = llvm.Target.from_default_triple().create_target_machine()
    return {
        "sources": disk.key(__file__),
        "platform": f"{sys.platform} {platform.machine()}",
        "layout": str(machine.target_data),
        "llvm": list(llvm.llvm_version_info),
    }


def _compare(made: dict[str, Any], here: dict[str, Any]) -> None:
    if made["sources"] != here["sources"]:
        raise Unfit("the bitcode in this installation was made of other sources")
    if made["platform"] != here["platform"]:
        raise Unfit(f"the bitcode in this installation is for {made['platform']}, and this is {here['platform']}")
    if made["layout"] != here["layout"]:
        raise Unfit(f"the bitcode in this installation lays out data as {made['layout']}, LLVM here {here['layout']}")
    if made["llvm"] > here["llvm"]:
        newer, older = (".".join(map(str, version)) for version in (made["llvm"], here["llvm"]))
        raise Unfit(f"the bitcode in this installation was made by LLVM {newer}; llvmlite here has {older}")
