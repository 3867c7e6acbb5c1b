# A host as users have it: systemd as the first process, Debian's own Asterisk and Open vSwitch, and what the packages depend on, so
# that installing them asks no network. SIPp and tcpdump are the phones', which have a network namespace of their own.
FROM debian:forky-slim
LABEL stasis-offload.lab=true
RUN apt-get update \
 && apt-get install -y --no-install-recommends asterisk ethtool iproute2 nftables openvswitch-switch procps sip-tester systemd-sysv tcpdump \
    python3-aiohttp python3-attr python3-os-ken python3-prometheus-client python3-pydantic python3-pydantic-settings python3-rich python3-structlog python3-typer
# Which boot_host of lab/lib.sh mounts.
CMD ["/test/boot.sh"]
