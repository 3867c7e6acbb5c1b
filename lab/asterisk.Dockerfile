# Both Asterisk nodes of the lab, from one base: asterisk1 plays every endpoint, asterisk2 is the one under test.

FROM debian:forky-slim AS base
LABEL stasis-offload.lab=true
# 8086 is the group that may reach asterisk.ctl and breth0.mgmt; app.Dockerfile and ovs/configure.sh know it too.
RUN apt-get update \
 && apt-get install -y --no-install-recommends asterisk ethtool iproute2 procps tcpdump \
 && rm -rf /var/lib/apt/lists/* /etc/asterisk/users.conf \
 && groupadd --gid 8086 offload && usermod --append --groups offload asterisk \
 && install -d -o asterisk -g offload -m 2750 /run/asterisk
COPY lab/asterisk/*.conf /etc/asterisk/
COPY lab/asterisk/start.sh /usr/local/sbin/
CMD ["/usr/local/sbin/start.sh"]

FROM debian:forky-slim AS builder
LABEL stasis-offload.lab=true
RUN apt-get update && apt-get install -y --no-install-recommends asterisk-dev gcc libc6-dev make
COPY asterisk-module/ /src/
RUN make -C /src && make -C /src install DESTDIR=/out

FROM base AS asterisk1
COPY lab/asterisk1/*.conf /etc/asterisk/

FROM base AS asterisk2
COPY --from=builder /out/ /
COPY lab/asterisk2/*.conf /etc/asterisk/
# A place for ARI's recordings; music on hold: ten seconds of the tone that Milliwatt() plays, in ulaw.
RUN install -d /usr/share/asterisk/moh && install -d -o asterisk -g asterisk /var/spool/asterisk/recording \
 && yes "$(printf '\036\013\013\036\236\213\213\236')" | tr -d '\n' | head -c 80000 >/usr/share/asterisk/moh/milliwatt.ulaw
COPY dialplan/extensions.conf /etc/asterisk/extensions_offload.conf
