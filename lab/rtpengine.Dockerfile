# rtpengine, relaying in user space: what the benchmark compares with.
FROM debian:forky-slim
LABEL stasis-offload.lab=true
RUN apt-get update \
 && apt-get install -y --no-install-recommends ethtool procps rtpengine-daemon \
 && rm -rf /var/lib/apt/lists/*
# A table below zero is no kernel module (rtpengine(1)).
CMD ["sh", "-c", "ethtool -K eth0 tx off >/dev/null && exec rtpengine --foreground --log-stderr --log-level=4 \
 --table=-1 --interface=\"$ADDRESS\" --listen-ng=\"$ADDRESS:2223\" --port-min=30000 --port-max=39999"]
