# Where the Debian packages are built: debhelper, Asterisk's headers, and the libraries that the application will have.
FROM debian:forky-slim
LABEL stasis-offload.lab=true
RUN apt-get update \
 && apt-get install -y --no-install-recommends asterisk-dev build-essential ca-certificates debhelper lintian python3-aiohttp python3-pip \
    python3-pydantic python3-pydantic-settings python3-rich python3-setuptools python3-structlog python3-typer python3-wheel \
 && rm -rf /var/lib/apt/lists/*
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# What Debian does not have, by the hashes of constraints.txt: pure Python, unpacked into the package.
COPY constraints.txt /bundled/
RUN awk '/^[^ ]*==/ { kept = /^(aioari|aioswagger11)==/ } kept' /bundled/constraints.txt >/bundled/requirements.txt \
 && pip download --quiet --no-deps --require-hashes --dest /bundled -r /bundled/requirements.txt
