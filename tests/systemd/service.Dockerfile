# Where service.sh runs: Debian 12's systemd as the first process, and the application as README.md installs it.
FROM debian:bookworm-slim
LABEL stasis-offload.lab=true
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3-venv systemd-sysv \
 && rm -rf /var/lib/apt/lists/*
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# The dependencies are a layer of their own: a change of the application does not download them again.
COPY pyproject.toml ./
RUN python3 -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); \
print("\n".join(p["build-system"]["requires"] + p["project"]["dependencies"]))' >requirements.txt \
 && python3 -m venv /opt/stasis-offload && /opt/stasis-offload/bin/pip install --use-pep517 --requirement requirements.txt
COPY README.md LICENSE constraints.txt stasis-offload.toml.example ./
COPY app/ app/
RUN /opt/stasis-offload/bin/pip install --no-build-isolation --no-deps . \
 && ln -s /opt/stasis-offload/bin/stasis-offload /usr/local/bin/
COPY systemd/ systemd/
COPY tests/systemd/service.sh tests/systemd/
CMD ["/sbin/init"]
