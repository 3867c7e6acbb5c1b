# Node 2's network: Open vSwitch under a small supervisor.
FROM debian:forky-slim
LABEL stasis-offload.lab=true
RUN apt-get update \
 && apt-get install -y --no-install-recommends openvswitch-switch iproute2 iptables ethtool tcpdump \
 && rm -rf /var/lib/apt/lists/*
COPY lab/ovs/*.sh /usr/local/sbin/
CMD ["/usr/local/sbin/supervise.sh"]
