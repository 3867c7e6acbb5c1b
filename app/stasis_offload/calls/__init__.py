"""The runtime. The only room that knows both machines and both outside systems."""
