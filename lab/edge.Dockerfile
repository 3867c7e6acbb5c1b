# The edge: phones of node 2 whose every SIP message and RTP packet a test decides (SIPp, and lab/talker.py).
FROM debian:forky-slim
LABEL stasis-offload.lab=true
RUN apt-get update \
 && apt-get install -y --no-install-recommends ethtool iproute2 procps python3 sip-tester tcpdump \
 && rm -rf /var/lib/apt/lists/*
COPY lab/edge/start.sh /usr/local/sbin/
COPY lab/talker.py lab/edge/phone.xml /usr/local/lib/
CMD ["/usr/local/sbin/start.sh"]
