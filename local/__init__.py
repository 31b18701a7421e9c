"""What runs on your own machine: the `batchdrop` command, the embedded AWS, the vendor simulators."""
