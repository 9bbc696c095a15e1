"""What `farm bench` measures with; the developers' `make bench` builds on the same parts."""
