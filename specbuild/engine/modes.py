"""Modes of tree entries, as git stores them."""

FOLDER = 0o040000
PLAIN = 0o100644
EXECUTABLE = 0o100755
SYMLINK = 0o120000
SUBMODULE = 0o160000
