"""C++ for CPUs: what all kernels of ours share, and its compiler."""
