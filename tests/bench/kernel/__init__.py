"""What relaying costs with the kernel's own Open vSwitch datapath: `make bench-kernel`.

Few machines that build this have that datapath, and a processor's time means little on a shared one. So node 2 runs under
a stock Debian kernel of its own in qemu, whose emulated processor counts its instructions: a figure that does not move with
the load of the machine. The application, the generator and both ends of every call are outside the guest.
"""
