# The phones of the benchmark, and the capture that judges what they get.
FROM debian:forky-slim
LABEL stasis-offload.lab=true
RUN apt-get update \
 && apt-get install -y --no-install-recommends ethtool procps python3 tcpdump \
 && rm -rf /var/lib/apt/lists/*
# Checksums are finished before a frame leaves: a card would do that, a veth hands them on unfinished.
CMD ["sh", "-c", "ethtool -K eth0 tx off >/dev/null && exec sleep infinity"]
