# The application, as a user without rights on a file system it cannot write to.
FROM debian:forky-slim AS base
LABEL stasis-offload.lab=true
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3 && rm -rf /var/lib/apt/lists/*

FROM base AS builder
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv && python3 -m venv /opt/stasis-offload
# An index behind a company's own certificate authority is reached like everything else on the machine.
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# The dependencies are a layer of their own: a change of the application does not download them again.
COPY pyproject.toml ./
RUN python3 -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); \
print("\n".join(p["build-system"]["requires"] + p["project"]["dependencies"]))' >requirements.txt \
 && /opt/stasis-offload/bin/pip install --requirement requirements.txt
COPY README.md LICENSE ./
COPY app/ app/
RUN /opt/stasis-offload/bin/pip install --no-build-isolation --no-deps .

FROM base
RUN groupadd --gid 8086 offload && useradd --uid 8086 --gid offload --no-create-home --shell /usr/sbin/nologin offload
COPY --from=builder /opt/stasis-offload /opt/stasis-offload
ENV PATH=/opt/stasis-offload/bin:/usr/bin:/bin PYTHONUNBUFFERED=1
COPY lab/offload/stasis-offload.toml /etc/stasis-offload/
USER offload
CMD ["stasis-offload", "run", "--config", "/etc/stasis-offload/stasis-offload.toml"]
