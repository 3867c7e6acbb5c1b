# Where bridge.sh plays docs/bridge.md: a host with each of the managers of networks that the page names, with a card (card.service), and
# with udev, which they need. Of udev's units and rules it keeps those for its own interfaces: the others are about the whole machine's devices.
FROM stasis-offload-lab/host
LABEL stasis-offload.lab=true
RUN apt-get update && apt-get install -y --no-install-recommends ifupdown iputils-ping netplan.io \
 && systemctl mask systemd-udev-trigger.service && systemctl disable asterisk.service \
 && find /usr/lib/udev/rules.d -type f ! -name '*net*' ! -name 80-ifupdown.rules ! -name 99-systemd.rules -delete
COPY tests/systemd/card.service /etc/systemd/system/
RUN systemctl enable card.service
CMD ["bash", "-c", "mount -o remount,rw /sys && exec /test/boot.sh"]
