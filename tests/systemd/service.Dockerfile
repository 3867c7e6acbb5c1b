# Where service.sh runs: the application as docs/install.md installs it.
FROM stasis-offload-lab/by-hand
LABEL stasis-offload.lab=true
ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels
# The dependencies are a layer of their own: a change of the application does not install them again.
RUN python3 -m venv /opt/stasis-offload && /opt/stasis-offload/bin/pip install --quiet --require-hashes -r /wheels/constraints.txt
WORKDIR /src
COPY . ./
RUN /opt/stasis-offload/bin/pip install --quiet --no-deps . && ln -s /opt/stasis-offload/bin/stasis-offload /usr/local/bin/
