"""The tools that are measured, in the order of the tables' columns."""

from harness.peers.base import Peer
from harness.peers.datalad import DataLad
from harness.peers.doit import Doit
from harness.peers.dvc import Dvc
from harness.peers.make import Make
from harness.peers.ninja import Ninja
from harness.peers.scons import SCons
from harness.peers.snakemake import Snakemake
from harness.peers.specbuild import Specbuild

PEERS: tuple[Peer, ...] = (
    Specbuild(),
    Ninja(),
    Make(),
    Doit(),
    SCons(),
    Snakemake(),
    Dvc(),
    DataLad(),
)
