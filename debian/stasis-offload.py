#!/usr/bin/python3 -I
"""The command: Debian's libraries, and the application's own directory before them."""

import sys

sys.path.insert(0, "/usr/share/stasis-offload/python")

from stasis_offload.cli.main import main

main()
