"""`python -m stasis_offload` is the command line."""

from stasis_offload.cli.main import main

main()
