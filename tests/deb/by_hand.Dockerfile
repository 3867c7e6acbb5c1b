# The same host, with what docs/install.md has an administrator install by apt and what pip would download, so that the installation
# itself asks no network.
FROM stasis-offload-lab/host
LABEL stasis-offload.lab=true
RUN apt-get update && apt-get install -y --no-install-recommends asterisk-dev ca-certificates gcc libc6-dev make python3-venv
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY constraints.txt pyproject.toml /wheels/
# What builds the application, and what builds aioari, of which there is no wheel.
RUN cd /wheels && python3 -m venv venv && venv/bin/pip download --quiet --require-hashes -r constraints.txt \
 && venv/bin/pip download --quiet pytest-runner setuptools_scm wheel \
    "$(sed -n 's/^requires = \["\(.*\)"\].*/\1/p' pyproject.toml)"
